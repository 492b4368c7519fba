"""What a data set is about, read without the GIL up to its pixel data.  See heading.pxd."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from .part10 cimport likely_encoding
from .tape cimport (
    BIG_ENDIAN, DATA_SET, DONE, EXPLICIT_LE, IMPLICIT, ITEM_TAG, NEED_DATA, STOPPED, TapeEntry, dw_load16be,
    dw_load16le, dw_load32be, dw_load32le, stepper_begin, stepper_free, stepper_run,
)
from .vr cimport DW_VR_LONG, dw_vr_traits

cdef enum:
    PIXEL_DATA = 0x7FE00010
    BEFORE_PIXELS = 0x7FE00007  # Extended Offset Table and its lengths come before the pixel data
    LOOK_AHEAD = 256            # bytes from a header on that decide what an odd one means

cdef uint64_t NO_END = 1 << 62


# ---------------------------------------------------------------------------------------------------------------- cells

cdef bint add_cell(Cells* cells, uint32_t tag, uint8_t origin, const uint8_t* p, uint64_t n) noexcept nogil:
    """Keep a value; False, and ``is_full``, when there is no room for it."""
    cdef uint64_t wanted = cells.length + sizeof(Cell) + ((n + 3) & ~<uint64_t>3), room
    cdef uint8_t* data
    cdef Cell* cell
    if n > MOST_CELL or wanted > MOST_CELLS:
        cells.is_full = True
        return False
    if cells.data == NULL and wanted > FEW_CELLS:
        room = max(<uint64_t>2 * FEW_CELLS, wanted * 2)
        data = <uint8_t*>malloc(room)
        if data == NULL:
            cells.is_full = True
            return False
        memcpy(data, cells.few, cells.length)
        cells.data = data
        cells.room = <uint32_t>room
    elif cells.data != NULL and wanted > cells.room:
        room = wanted * 2
        data = <uint8_t*>realloc(cells.data, room)
        if data == NULL:
            cells.is_full = True
            return False
        cells.data = data
        cells.room = <uint32_t>room
    data = <uint8_t*>cells_of(cells) + cells.length
    cell = <Cell*>data
    cell.tag = tag
    cell.length = <uint16_t>n
    cell.origin = origin
    cell.charset = 0
    if n:
        memcpy(data + sizeof(Cell), p, n)
    cells.length = <uint32_t>wanted
    return True


cdef const uint8_t* find_cell(const Cells* cells, uint32_t tag, uint8_t origin, uint16_t* length) noexcept nogil:
    """The first value of a tag and an origin, borrowed; NULL without."""
    cdef const uint8_t* p = cells_of(cells)
    cdef const uint8_t* end = p + cells.length
    cdef const Cell* cell
    while p < end:
        cell = <const Cell*>p
        p += sizeof(Cell)
        if cell.tag == tag and cell.origin == origin:
            length[0] = cell.length
            return p
        p += (cell.length + 3) & ~3
    return NULL


cdef void free_cells(Cells* cells) noexcept nogil:
    free(cells.data)
    cells.data = NULL


# -------------------------------------------------------------------------------------------------------------- reading

cdef inline bint _is_wanted(uint32_t tag) noexcept nogil:
    return tag in (
        0x00080005,     # Specific Character Set
        0x00080050,     # Accession Number
        0x00080052,     # Query/Retrieve Level
        0x00080060,     # Modality
        0x00080061,     # Modalities in Study
        0x00081195,     # Transaction UID
        0x00100010,     # Patient's Name
        0x00100020,     # Patient ID
        0x00100030,     # Patient's Birth Date
        0x0020000D,     # Study Instance UID
        0x0020000E,     # Series Instance UID
        0x00080018,     # SOP Instance UID
        0x00400253,     # Performed Procedure Step ID
        0x00400252,     # Performed Procedure Step Status
        0x00401001,     # Requested Procedure ID
    )


cdef inline bint _is_wanted_in_match(uint32_t tag) noexcept nogil:
    return tag in (0x00080005, 0x00080050, 0x00100020, 0x0020000D, 0x00401001)


cdef inline bint _is_sequence(uint32_t tag) noexcept nogil:
    return tag in (
        0x00081198,     # Failed SOP Sequence
        0x00081199,     # Referenced SOP Sequence
        0x00400100,     # Scheduled Procedure Step Sequence
        0x00400270,     # Scheduled Step Attributes Sequence
        0x00400340,     # Performed Series Sequence
    )


cdef inline bint _is_wanted_in_item(uint32_t tag) noexcept nogil:
    return tag in (0x00080050, 0x00080060, 0x0020000D, 0x00400009, 0x00401001)


cdef bint _keep(Heading* h, Stepper* s, Cells* cells, const TapeEntry* e, uint8_t origin, uint64_t stop) noexcept nogil:
    """Keep a value; False when it is not all there."""
    cdef const uint8_t* p
    cdef uint64_t n = e.length
    if n > MOST_CELL:
        cells.is_full = True
        return True
    if e.offset + n > stop:
        return False
    p = s.base + (e.offset - s.start)
    while n and (p[n - 1] == 0 or p[n - 1] == c' '):
        n -= 1
    add_cell(cells, e.tag, origin, p, n)
    return True


cdef bint _keep_items(Heading* h, Stepper* s, Cells* cells, uint32_t sequence, uint64_t stop) noexcept nogil:
    """Keep what the items of a sequence refer to, and their number; False when it is not all there."""
    cdef uint32_t i, items = 0
    cdef TapeEntry* e = s.entries + sequence
    cdef uint32_t before = cells.length
    for i in range(sequence + 1, e.next):
        if s.entries[i].tag == ITEM_TAG:
            if s.entries[i].parent == sequence:
                items += 1
        elif (e.tag >= 0x00400100 and s.entries[s.entries[i].parent].parent == sequence
                and _is_wanted_in_item(s.entries[i].tag)):
            if not _keep(h, s, cells, s.entries + i, h.origin | NESTED, stop):
                cells.length = before
                return False
    return add_cell(cells, e.tag, h.origin | COUNTED, <const uint8_t*>&items, sizeof(items)) or True


cdef void _read_pixels(Heading* h, const uint8_t* p, uint64_t n) noexcept nogil:
    """Take the header of what the stepper stopped at, which is behind everything that is looked for."""
    cdef uint32_t tag
    h.phase = READ
    if n < 12:
        return
    if h.encoding & BIG_ENDIAN:
        tag = <uint32_t>dw_load16be(p) << 16 | dw_load16be(p + 2)
    else:
        tag = <uint32_t>dw_load16le(p) << 16 | dw_load16le(p + 2)
    if tag < 0x7FE00008 or tag > PIXEL_DATA:
        return
    if h.encoding & IMPLICIT:
        h.pixels_length = dw_load32be(p + 4) if h.encoding & BIG_ENDIAN else dw_load32le(p + 4)
        h.pixels_at = h.at + 8
    elif dw_vr_traits(dw_load16le(p + 4)) & DW_VR_LONG:
        h.pixels_length = dw_load32be(p + 8) if h.encoding & BIG_ENDIAN else dw_load32le(p + 8)
        h.pixels_at = h.at + 12


cdef void read_heading(Heading* h, Stepper* s, Cells* cells, const uint8_t* p, uint64_t n, bint is_all) noexcept nogil:
    """Look at ``n`` bytes that stand at ``at`` of the data set, which ends behind them if ``is_all``.

    Afterwards ``at`` says from where on bytes are needed, which may be beyond those given, and ``phase`` whether any.
    """
    cdef uint64_t stop = h.at + n, top, from_ = h.at
    cdef uint32_t i = 1, last
    cdef int status, encoding
    cdef TapeEntry* e
    cdef bint is_missing = False
    if h.is_guessed and h.at == 0:
        encoding = likely_encoding(p, n, n if is_all else NO_END, -1)
        if encoding < 0:
            h.phase = BROKEN_HEADING
            return
        h.encoding = <uint8_t>encoding
    s.base, s.start, s.stop = p, h.at, stop
    s.first_tag = 0
    s.tag_span = BEFORE_PIXELS
    s.enter_limit = MOST_HEADING
    s.max_depth = 64
    s.look_up = h.encoding & IMPLICIT != 0
    s.look_ahead = 0 if is_all else LOOK_AHEAD
    s.strict = False
    s.finding_count = 0
    s.finding_limit = 1
    if stepper_begin(s, h.at, stop if is_all else NO_END, DATA_SET, h.encoding) != DONE:
        h.phase = BROKEN_HEADING
        return
    status = stepper_run(s)
    # What is complete at the top level: all, but for a sequence that is still open.
    last = s.count if s.depth == 0 else s.frames[1].entry
    top = s.pos if s.depth == 0 else s.entries[last].offset - s.entries[last].header_size
    while i < last:
        e = s.entries + i
        if _is_sequence(e.tag):
            is_missing = e.offset + e.length > stop or not _keep_items(h, s, cells, i, stop)
        elif _is_wanted_in_match(e.tag) if h.only_keys else _is_wanted(e.tag):
            is_missing = not _keep(h, s, cells, e, h.origin, stop)
        if is_missing:
            top = e.offset - e.header_size
            break
        i = e.next
    if status == DONE or status == STOPPED and not is_missing:
        if status == STOPPED:
            if not is_all and s.pos + 12 > stop:
                h.at = s.pos
                h.look_at = 12
                return
            h.at = s.pos
            if h.at >= from_ and h.at < stop:
                _read_pixels(h, p + (h.at - from_), stop - h.at)
                return
        h.at = s.pos
        h.phase = READ
        return
    if status != NEED_DATA and status != STOPPED or is_all:
        h.phase = BROKEN_HEADING
        return
    h.at = top
    h.look_at = FIRST_HEADING
    if top < stop:
        # From the same place again: twice the bytes, so that no byte is looked at more than a few times.
        if stop - top >= MOST_HEADING:
            h.phase = BROKEN_HEADING
        h.look_at = <uint32_t>min(max((stop - top) * 2, <uint64_t>FIRST_HEADING), <uint64_t>MOST_HEADING)


def read_data_set_heading(data, encoding, cuts=()):
    """What is read of a data set: cells, phase, offset and length of the pixel data (for tests).

    A cell is (tag, origin, value); ``encoding`` is an Encoding, None to guess it; ``cuts`` are offsets at which the
    data set is cut into windows.
    """
    cdef Py_buffer view
    cdef Heading h
    cdef Stepper s
    cdef Cells cells
    cdef const uint8_t* base
    cdef uint64_t end, kept = 0
    memset(&h, 0, sizeof(Heading))
    memset(&s, 0, sizeof(Stepper))
    memset(&cells, 0, sizeof(Cells))
    h.phase = READING
    h.is_guessed = encoding is None
    h.encoding = EXPLICIT_LE if encoding is None else <uint8_t>encoding
    h.look_at = 0
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    base = <const uint8_t*>view.buf
    try:
        for cut in [*cuts, view.len]:
            end = min(max(<uint64_t>cut, kept), <uint64_t>view.len)
            kept = end
            if h.phase == READING and h.at < end or end == <uint64_t>view.len:
                if h.phase == READING and h.at <= end:
                    read_heading(&h, &s, &cells, base + h.at, end - h.at, end == <uint64_t>view.len)
        if h.phase == READING:
            h.phase = BROKEN_HEADING    # a value passes the end
        return cell_list(&cells), h.phase, h.pixels_at, h.pixels_length
    finally:
        PyBuffer_Release(&view)
        free_cells(&cells)
        stepper_free(&s)


cdef list cell_list(const Cells* cells):
    """All cells as (tag, origin, value)."""
    cdef const uint8_t* p = cells_of(cells)
    cdef const uint8_t* end = p + cells.length
    cdef const Cell* cell
    cdef list found = []
    while p < end:
        cell = <const Cell*>p
        p += sizeof(Cell)
        if cell.origin & COUNTED:
            found.append((cell.tag, cell.origin, (<const uint32_t*>p)[0]))
        else:
            found.append((cell.tag, cell.origin, p[:cell.length]))
        p += (cell.length + 3) & ~3
    return found
