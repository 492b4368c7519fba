"""Headers of many files at once: open, read, walk and pick in a loop without the GIL, then columns of Python objects.

The loop takes what is usual: a Part 10 file in a little endian syntax without fault whose wanted values lie in the
bytes read so far.  Everything else (deflated, big endian, deviations, values in other character sets) is handed back
by number, for the complete reader.  Nothing is decided here that dcmread decides otherwise.
"""
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strlen

from .part10 cimport SYNTAX_EXPLICIT, SYNTAX_IMPLICIT, FileStart, likely_encoding, look_at_start, skim_meta, syntax_of
from .source cimport close_descriptor, open_and_read, read_at
from .tagindex cimport dw_tag_vr
from .tape cimport (
    DATA_SET, DEFAULT_MAX_DEPTH, DONE, EXPLICIT_LE, IMPLICIT, NEED_DATA, STOPPED, UNORDERED, Stepper, TapeEntry,
    dw_grow, dw_release, stepper_begin, stepper_free, stepper_reserve, stepper_run,
)
from .values cimport decode_numbers, is_plain, plain_value, word_size
from .vr cimport DW_VR_AT, DW_VR_BYTES, DW_VR_KNOWN, DW_VR_SQ, DW_VR_TEXT, DW_VR_UI, dw_vr_traits

cdef extern from "Python.h":
    object PyUnicode_EncodeFSDefault(object)

cdef enum:
    READ_FIRST = 8192           # bytes; see source.FIRST_READ
    READ_MOST = 262144          # a header that does not fit is for the complete reader
    ABSENT = 0xFFFFFFFF

cdef struct Cell:
    uint64_t at                 # in the arena
    uint32_t length             # ABSENT when the file has no such element
    uint16_t vr

cdef struct Arena:
    uint8_t* data
    uint64_t used
    uint64_t capacity


cdef int _keep(Arena* arena, const uint8_t* p, uint64_t n, Cell* cell) noexcept nogil:
    cdef uint8_t* data
    cdef uint64_t capacity
    if arena.data == NULL or arena.used + n > arena.capacity:
        capacity = max(arena.capacity * 2, arena.used + n + 65536)
        data = <uint8_t*>dw_grow(arena.data, arena.capacity, capacity)
        if data == NULL:
            return -1
        arena.data = data
        arena.capacity = capacity
    cell.at = arena.used
    cell.length = <uint32_t>n
    memcpy(arena.data + arena.used, p, n)
    arena.used += n
    return 0


cdef bint _scan_file(const char* path, const uint32_t* tags, int columns, uint8_t* buffer, Stepper* s, Arena* arena,
                     Cell* cells) noexcept nogil:
    """Fill one row; False when the file is for the complete reader.

    ``tags`` ascend; ``buffer`` holds READ_MOST bytes.
    """
    cdef FileStart start
    cdef int descriptor = -1, status, column, kind, encoding
    cdef uint64_t size = 0, got = 0, more, wanted
    cdef TapeEntry* e
    cdef uint32_t i
    cdef uint16_t vr
    cdef uint8_t traits
    cdef bint fine = False
    if open_and_read(path, buffer, READ_FIRST, &descriptor, &size, &got) != 0:
        close_descriptor(descriptor)
        return False
    while True:
        look_at_start(buffer, got, &start)
        if not start.has_preamble or buffer[0] or not skim_meta(buffer, got, &start):
            break
        kind = syntax_of(buffer + start.syntax_at, start.syntax_length)
        if kind != SYNTAX_EXPLICIT and kind != SYNTAX_IMPLICIT:
            break
        encoding = IMPLICIT if kind == SYNTAX_IMPLICIT else EXPLICIT_LE
        if likely_encoding(buffer + start.data_offset, got - start.data_offset, size - start.data_offset,
                           encoding) != encoding:
            break
        s.base, s.start, s.stop = buffer, 0, got
        s.tag_span = tags[columns - 1] if columns else 0
        s.finding_count = 0
        if stepper_begin(s, start.data_offset, size, DATA_SET, <uint8_t>encoding) != DONE:
            break
        while True:
            status = stepper_run(s)
            if status != NEED_DATA:
                break
            # Read on while the header does; behind a value that is larger the complete reader takes over.
            wanted = min(max(got * 4, s.pos + s.need), min(size, <uint64_t>READ_MOST))
            if s.pos + s.need > wanted:
                break
            if read_at(descriptor, buffer + got, got, wanted - got, &more) != 0 or more < wanted - got:
                break
            got = wanted
            s.stop = got
        if (status != DONE and status != STOPPED) or s.finding_count or s.entries[0].flags & UNORDERED:
            break
        fine = True
        i = 1
        for column in range(columns):
            cells[column].length = ABSENT
            if tags[column] == 0x00020010:
                cells[column].vr = DW_VR_UI
                fine = fine and _keep(arena, buffer + start.syntax_at, start.syntax_length, cells + column) == 0
                continue
            if tags[column] >> 16 == 2:
                fine = False
                break
            while i < s.count and s.entries[i].tag < tags[column]:
                i = s.entries[i].next
            if i >= s.count or s.entries[i].tag != tags[column]:
                continue
            e = s.entries + i
            vr = e.vr if e.vr else dw_tag_vr(e.tag)
            traits = dw_vr_traits(vr)
            if (not traits & DW_VR_KNOWN or vr == DW_VR_SQ or vr == DW_VR_AT or traits & DW_VR_BYTES or e.flags
                    or e.offset + e.length > got):
                fine = False
                break
            if traits & DW_VR_TEXT:
                if not is_plain(buffer + e.offset, e.length):
                    fine = False
                    break
            elif e.length % <uint64_t>word_size(vr):
                fine = False
                break
            cells[column].vr = vr
            if _keep(arena, buffer + e.offset, e.length, cells + column) != 0:
                fine = False
                break
        break
    close_descriptor(descriptor)
    return fine


def scan_files(list paths, list tags):
    """Rows of the usual files among ``paths`` and the numbers of the others.

    ``paths`` are str or bytes, ``tags`` ascending ints.  Returns (columns, left): a list of values for
    each tag, None where the element is missing, and the indices of the files that the complete reader must take.
    """
    cdef int columns = len(tags), column
    cdef Py_ssize_t files = len(paths), i
    cdef const char** names = <const char**>malloc((files + 1) * sizeof(char*))
    cdef uint32_t* wanted = <uint32_t*>malloc((columns + 1) * sizeof(uint32_t))
    cdef Cell* cells = <Cell*>malloc((files * columns + 1) * sizeof(Cell))
    cdef uint8_t* fine = <uint8_t*>malloc(files + 1)
    cdef uint8_t* buffer = <uint8_t*>malloc(READ_MOST)
    cdef Arena arena
    cdef Stepper s
    cdef Cell* cell
    cdef uint8_t traits
    cdef bint odd
    cdef list result, values, left, encoded = []
    cdef const uint8_t* p
    memset(&arena, 0, sizeof(Arena))
    memset(&s, 0, sizeof(Stepper))
    s.max_depth = DEFAULT_MAX_DEPTH
    try:
        if names == NULL or wanted == NULL or cells == NULL or fine == NULL or buffer == NULL or stepper_reserve(
                &s, 512) != DONE:
            raise MemoryError
        for i in range(files):
            path = paths[i]
            if not isinstance(path, bytes):
                path = PyUnicode_EncodeFSDefault(path)
                encoded.append(path)
            names[i] = PyBytes_AS_STRING(path)
            if strlen(names[i]) != <size_t>len(<bytes>path):
                names[i] = NULL         # no name: the complete reader says so
        for column in range(columns):
            wanted[column] = tags[column]
        with nogil:
            for i in range(files):
                fine[i] = names[i] != NULL and _scan_file(names[i], wanted, columns, buffer, &s, &arena,
                                                          cells + i * columns)
        result = []
        left = []
        for column in range(columns):
            values = [None] * files
            for i in range(files):
                if not fine[i]:
                    continue
                cell = cells + (i * columns + column)
                if cell.length == ABSENT:
                    continue
                p = arena.data + cell.at
                traits = dw_vr_traits(cell.vr)
                if traits & DW_VR_TEXT:
                    odd = False
                    values[i] = plain_value(cell.vr, traits, p, cell.length, &odd)
                    if odd:
                        fine[i] = False
                else:
                    values[i] = decode_numbers(p, cell.length, cell.vr, False)
            result.append(values)
        for i in range(files):
            if not fine[i]:
                left.append(i)
        return result, left
    finally:
        free(names)
        free(wanted)
        free(cells)
        free(fine)
        free(buffer)
        dw_release(arena.data, arena.capacity)
        stepper_free(&s)
