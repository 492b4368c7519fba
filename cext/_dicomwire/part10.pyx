"""Reading a data set from a source: dcmread (PS3.10 section 7, PS3.5 Annex A).

The transfer syntax says how the data set should be encoded; the first elements show how it is.  Where the two
differ, or nothing is said, the bytes decide and a deviation tells so.
"""
from cpython.buffer cimport PyObject_CheckBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int8_t, int64_t
from libc.string cimport memcmp, memset

from .block cimport PIXEL_TAGS, ROOT_ENTER_LIMIT, Block, block_of_tape, collect_findings, hook, raise_status
from .dataset cimport DataSet, Root, new_data_set, new_sequence, parse_key, policy_code, value_at
from .fragments cimport new_fragments
from .source cimport (
    REPORT, STRICT, Source, Window, source_from_buffer, source_from_file, source_from_path,
    source_from_remote, source_inflating,
)
from .tagindex cimport dw_tag_vr
from .tape cimport (
    BIG_ENDIAN, DATA_SET, DEFAULT_MAX_DEPTH, DONE, EXPLICIT_LE, IMPLICIT, ITEMS, NEED_DATA, PAUSED, STOPPED, Stepper,
    TapeEntry, UNORDERED, dw_load16be, dw_load16le, dw_load32be, dw_load32le, dw_load64le, stepper_begin,
    stepper_free, stepper_reserve, stepper_run, stepper_set_end,
)
from .values cimport trimmed
from .vr cimport DW_VR_KNOWN, DW_VR_LONG, dw_vr_traits

from .errors import DecodeError

cdef enum:
    LONG_SEQUENCE = 1024        # entries of a tape from which on the rest of a sequence waits until it is asked for
    FIRST_ENTRIES = 256         # room for the tape of a usual header without growing


# ------------------------------------------------------------------------------------------------- looking at the bytes

cdef void look_at_start(const uint8_t* p, uint64_t n, FileStart* start) noexcept nogil:
    """Find where File Meta Information begins, if there is any (PS3.10 section 7.1)."""
    cdef uint64_t at = 0
    memset(start, 0, sizeof(FileStart))
    if n >= 132 and memcmp(p + 128, b"DICM", 4) == 0:
        start.has_preamble = start.has_magic = 1
        at = 132
    elif n >= 4 and memcmp(p, b"DICM", 4) == 0:
        start.has_magic = 1
        at = 4
    start.meta_offset = at
    if n >= at + 8 and dw_load16le(p + at) == 2:
        start.has_meta = 1
        if not dw_vr_traits(dw_load16le(p + at + 4)):
            start.meta_encoding = IMPLICIT


cdef int syntax_of(const uint8_t* p, uint64_t n) noexcept nogil:
    """How a transfer syntax UID says that the data set is encoded; a SyntaxKind (PS3.5 Annex A)."""
    n = trimmed(p, n)
    if n == 19 and memcmp(p, b"1.2.840.10008.1.2.1", 19) == 0:
        return SYNTAX_EXPLICIT
    if n == 17 and memcmp(p, b"1.2.840.10008.1.2", 17) == 0:
        return SYNTAX_IMPLICIT
    if n == 19 and memcmp(p, b"1.2.840.10008.1.2.2", 19) == 0:
        return SYNTAX_BIG_ENDIAN
    if n == 22 and memcmp(p, b"1.2.840.10008.1.2.1.99", 22) == 0:
        return SYNTAX_DEFLATED
    # JPIP Referenced Deflate and JPIP HTJ2K Referenced Deflate
    if n == 22 and memcmp(p, b"1.2.840.10008.1.2.4.95", 22) == 0:
        return SYNTAX_DEFLATED
    if n == 23 and memcmp(p, b"1.2.840.10008.1.2.4.205", 23) == 0:
        return SYNTAX_DEFLATED
    # GE private: implicit VR little endian whose pixel data are big endian; Papyrus 3, retired
    if n == 18 and (memcmp(p, b"1.2.840.113619.5.2", 18) == 0 or memcmp(p, b"1.2.840.10008.1.20", 18) == 0):
        return SYNTAX_IMPLICIT
    if n > 18 and memcmp(p, b"1.2.840.10008.1.2.", 18) == 0:
        return SYNTAX_EXPLICIT
    return SYNTAX_UNKNOWN


cdef int encoding_score(const uint8_t* p, uint64_t in_window, uint64_t left, int encoding) noexcept nogil:
    """How many elements, up to three, can be read one after the other in this encoding."""
    cdef int good = 0
    cdef uint32_t tag, last = 0
    cdef uint64_t length, size
    cdef uint16_t vr
    cdef uint8_t traits
    while good < 3:
        if left == 0:
            return 3 if good else 0
        if left < 8 or in_window < 8:
            return good
        tag = dw_load32be(p) if encoding & BIG_ENDIAN else (<uint32_t>dw_load16le(p) << 16) | dw_load16le(p + 2)
        if tag <= last and good or (tag >> 16) >= 0xFFFC:
            return good
        size = 8
        if encoding & IMPLICIT:
            length = dw_load32be(p + 4) if encoding & BIG_ENDIAN else dw_load32le(p + 4)
            if dw_tag_vr(tag) == 0 and not (tag >> 16) & 1:
                return good
        else:
            vr = dw_load16le(p + 4)
            traits = dw_vr_traits(vr)
            if not traits & DW_VR_KNOWN or (dw_tag_vr(tag) == 0 and not (tag >> 16) & 1 and (tag >> 16) > 0x7FFF):
                return good
            if traits & DW_VR_LONG:
                if in_window < 12:
                    return good
                size = 12
                length = dw_load32be(p + 8) if encoding & BIG_ENDIAN else dw_load32le(p + 8)
            else:
                length = dw_load16be(p + 6) if encoding & BIG_ENDIAN else dw_load16le(p + 6)
        if tag == 0 and length == 0:
            return good         # zeros are no element
        if length == 0xFFFFFFFFu:
            return good + 1
        if length > left - size:
            # A last value that is cut short still shows that its header was one.
            return good + 1 if good and not encoding & IMPLICIT else good
        good += 1
        last = tag
        left -= size + length
        if size + length > in_window:
            return good
        p += size + length
        in_window -= size + length
    return good


cdef int likely_encoding(const uint8_t* p, uint64_t in_window, uint64_t left, int declared) noexcept nogil:
    """The Encoding in which the first elements make sense: the declared one, else the best other; -1 if none.

    ``declared`` is an Encoding, or -1 when nothing was said.
    """
    cdef int best = -1, score, best_score = 0, encoding, declared_score = 0
    cdef int[4] order = [EXPLICIT_LE, IMPLICIT, BIG_ENDIAN, IMPLICIT | BIG_ENDIAN]
    cdef int i
    if declared >= 0:
        declared_score = encoding_score(p, in_window, left, declared)
        if declared_score >= 3 or left == 0:
            return declared
    for i in range(4):
        encoding = order[i]
        score = encoding_score(p, in_window, left, encoding)
        if score > best_score:
            best, best_score = encoding, score
    if declared >= 0 and (declared_score >= best_score or (declared_score and not declared & IMPLICIT)):
        return declared
    return best


cdef bint skim_meta(const uint8_t* p, uint64_t n, FileStart* start) noexcept nogil:
    """Find the transfer syntax and the end of a meta group without fault; False sends to the full reader.

    Most files are read without anyone asking for a meta element, so that no tape is made of them here.
    """
    cdef uint64_t at = start.meta_offset, end, size, length
    cdef uint32_t tag, last = 0x00020000
    cdef uint8_t traits
    if not start.has_meta or start.meta_encoding != EXPLICIT_LE or n < at + 12:
        return False
    if dw_load64le(p + at) != 0x00044C5500000002u:      # (0002,0000) UL of four bytes
        return False
    end = at + 12 + dw_load32le(p + at + 8)
    if end + 8 > n or dw_load16le(p + end) == 2:
        return False
    at += 12
    start.syntax_length = 0
    while at < end:
        if at + 12 > end:
            return False
        tag = (<uint32_t>dw_load16le(p + at) << 16) | dw_load16le(p + at + 2)
        traits = dw_vr_traits(dw_load16le(p + at + 4))
        size = 12 if traits & DW_VR_LONG else 8
        length = dw_load32le(p + at + 8) if traits & DW_VR_LONG else <uint32_t>dw_load16le(p + at + 6)
        if not traits or tag <= last or tag >> 16 != 2 or length & 1 or at + size + length > end:
            return False
        if tag == 0x00020010:
            start.syntax_at = at + size
            start.syntax_length = length
        last = tag
        at += size + length
    start.data_offset = end
    return start.syntax_length != 0


cdef bint reads_as_data_set(const uint8_t* p, uint64_t in_window, uint64_t left) noexcept nogil:
    """Whether bytes without a preamble begin like DICOM: with group 0002, 0004 or 0008 or a command, and two elements.

    One plausible header stands at the front of half of all other files.
    """
    cdef int[4] order = [EXPLICIT_LE, IMPLICIT, BIG_ENDIAN, IMPLICIT | BIG_ENDIAN]
    cdef uint32_t tag, group
    cdef int i
    if in_window < 8:
        return False
    for i in range(4):
        tag = dw_load32be(p) if order[i] & BIG_ENDIAN else (<uint32_t>dw_load16le(p) << 16) | dw_load16le(p + 2)
        group = tag >> 16
        if (group == 2 or group == 4 or group == 8 or tag == 0) and encoding_score(p, in_window, left, order[i]) >= 2:
            return True
    return False


# ------------------------------------------------------------------------------------------------------------- reading

cdef int _note(Source source, str kind, uint64_t offset, str message, str section) except -1:
    """A deviation of the file as a whole."""
    return source.note(kind, offset, message, section)


cdef int _run(Source source, Stepper* s, bint leave_pixels) except -1:
    """Run the stepper, showing it windows of the source; a Status that is not NEED_DATA unless pixels are left."""
    cdef int status
    cdef Window* window
    while True:
        window = source.window_at(s.pos)
        if window != NULL:
            s.base, s.start, s.stop = window.data, window.start, window.stop
        if s.stop - s.pos > 65536:
            with nogil:
                status = stepper_run(s)
        else:
            status = stepper_run(s)
        if status != NEED_DATA:
            return status
        # Behind an extended offset table pixel data are still to come; behind pixel data hardly anything is.
        if leave_pixels and s.depth == 0 and s.count > 1 and s.entries[s.count - 1].tag >= PIXEL_TAGS and (
                s.entries[s.count - 1].tag >> 16 == 0x7FE0):
            return NEED_DATA
        if source.inflater is not None and not source.may_grow(
                source.first.stop + <uint64_t>s.capacity * sizeof(TapeEntry)):
            raise DecodeError(f"the deflated data set grew to {source.first.stop} bytes and {s.count} elements "
                              "before its pixel data", offset=s.pos, path="", section="PS3.5 A.5")
        if not source.need(s.pos, s.need):
            # The source ends inside the header, or before it: now the stepper knows, and says what is cut.
            status = stepper_set_end(s, source.size)
            if status != DONE:
                return status
        elif source.window_at(s.pos) == NULL:
            raise DecodeError("the source changed while it was read", offset=s.pos)


cdef Block _read_meta(Source source, FileStart* start, uint64_t* data_offset):
    """File Meta Information as a block of its own; sets where the data set begins."""
    cdef Stepper s
    cdef Block block
    cdef int status
    cdef TapeEntry* e
    cdef const uint8_t* p
    memset(&s, 0, sizeof(Stepper))
    s.first_tag = 0x00020000
    s.tag_span = 0xFFFF
    s.max_depth = DEFAULT_MAX_DEPTH
    s.strict = source.policy == STRICT
    try:
        if stepper_reserve(&s, 20) != DONE or stepper_begin(&s, start.meta_offset, source.size, DATA_SET,
                                                            start.meta_encoding) != DONE:
            raise MemoryError
        while True:
            status = _run(source, &s, False)
            if status != PAUSED:
                break
        s.entries[0].length = s.pos - start.meta_offset
        block = block_of_tape(source, &s)
        collect_findings(block, &s)
        if status != DONE and status != STOPPED:
            raise_status(status, block, &s)
    finally:
        stepper_free(&s)
    block.entries[0].next = block.count
    block.stop_tag = 0x00030000         # what follows in the source is none of its
    block.resume_pos = s.pos
    data_offset[0] = s.pos
    e = block.entries + 1
    if block.count > 1:
        p = block.pointer(e) if e.tag == 0x00020000 and e.length == 4 else NULL
        if p != NULL or e.tag != 0x00020000:
            check_meta_length(source, e.offset, dw_load32le(p) if p != NULL else -1, s.pos)
    if start.meta_encoding == IMPLICIT:
        _note(source, "meta_encoding", start.meta_offset, "File Meta Information is in implicit VR", "PS3.10 7.1")
    return block


cdef int check_meta_length(Source source, uint64_t offset, int64_t declared, uint64_t stop) except -1:
    """Compare the length at ``offset`` with where the meta group stops; below 0 there is none, or no group length."""
    if declared < 0:
        _note(source, "meta_group_length", offset, "File Meta Information Group Length is missing", "PS3.10 7.1")
    elif offset + 4 + <uint64_t>declared != stop:
        _note(source, "meta_group_length", offset,
              f"File Meta Information Group Length is {declared}, the group has {stop - offset - 4} bytes",
              "PS3.10 7.1")
    return 0


cdef int _declared_syntax(Block meta, Source source, FileStart* start) except -1:
    """SyntaxKind by Transfer Syntax UID (0002,0010), found by skimming or in the meta block."""
    cdef uint32_t index
    cdef TapeEntry* e
    cdef const uint8_t* p = NULL
    if meta is not None:
        index = meta.find(0, 0x00020010)
        if index == 0:
            _note(source, "transfer_syntax", start.meta_offset, "Transfer Syntax UID (0002,0010) is missing",
                  "PS3.10 7.1")
        else:
            e = meta.entries + index
            start.syntax_at, start.syntax_length = e.offset, e.length
    if start.syntax_length:
        p = source.find(start.syntax_at, start.syntax_length)
    if start.syntax_length == 0:
        return SYNTAX_UNKNOWN
    # A value that is in no window, although what follows it was looked at, is longer than a UID.
    return check_syntax(source, p, start.syntax_length, start.syntax_at)


cdef int check_syntax(Source source, const uint8_t* p, uint64_t n, uint64_t offset) except -1:
    """SyntaxKind of a Transfer Syntax UID, NULL for one that is too long to be; tells what is odd about it."""
    cdef int kind = syntax_of(p, n) if p != NULL else SYNTAX_UNKNOWN
    if kind == SYNTAX_UNKNOWN:
        _note(source, "transfer_syntax", offset, "Transfer Syntax UID is not a known one", "PS3.5 10")
    elif n > trimmed(p, n) + 1 or p[n - 1] == 0x20:
        _note(source, "transfer_syntax", offset, "Transfer Syntax UID has other padding than one NUL", "PS3.5 9.1")
    return kind


cdef int look_for_other_formats(Source source, const uint8_t* p) except -1:
    """Report a preamble that makes the file run or open as something else (PS3.10 section 7.1)."""
    cdef bytes start = PyBytes_FromStringAndSize(<const char*>p, 4)
    if start[:2] == b"MZ" or start == b"\x7fELF" or start[:2] == b"#!" or start == b"\xcf\xfa\xed\xfe":
        _note(source, "preamble", 0, "the preamble begins like an executable file", "PS3.10 7.1")
    return 0


cdef int refuse_archives(const uint8_t* p, uint64_t n) except -1:
    """Name the compressed files that data sets often come in; they are for others to unpack, within bounds."""
    cdef str name = None
    if n >= 3 and p[0] == 0x1F and p[1] == 0x8B and p[2] == 8:
        name = "gzip"
    elif n >= 4 and p[0] == 0x50 and p[1] == 0x4B and p[2] == 3 and p[3] == 4:
        name = "zip"
    elif n >= 3 and memcmp(p, b"BZh", 3) == 0:
        name = "bzip2"
    elif n >= 6 and memcmp(p, b"\xfd7zXZ\0", 6) == 0:
        name = "xz"
    elif n >= 4 and memcmp(p, b"\x28\xb5\x2f\xfd", 4) == 0:
        name = "Zstandard"
    if name is not None:
        raise DecodeError(f"this is a {name} file, not DICOM: unpack it first", offset=0, path="", section="PS3.10 7.1")
    return 0


cdef int _note_foreign_groups(Block block) except -1:
    """Report group 0000 and 0002 in a data set, where they have no place (PS3.10 section 7.1, PS3.7 section 6.3)."""
    cdef uint32_t i = 1, group
    cdef bint command = False, meta = False
    cdef TapeEntry* e
    while i < block.count:
        e = block.entries + i
        group = e.tag >> 16
        if group > 2 and not block.entries[0].flags & UNORDERED:
            break
        if group == 0 and not command or group == 2 and not meta:
            if group == 0:
                command = True
            else:
                meta = True
            block.report("foreign_group", i, f"group {group:04X} inside a data set", "PS3.10 7.1")
        i = e.next
    return 0


cdef DataSet open_data_set(Source source, bint force, uint32_t stop_tag, object wanted, object arguments):
    """Read a root tape and wrap it; ``stop_tag`` 0 means no stop, ``wanted`` is a frozenset of tags or None."""
    cdef FileStart start
    cdef Block meta = None, block
    cdef Source content = source
    cdef DataSet data_set
    cdef Root root
    cdef Stepper s
    cdef uint64_t offset = 0, left
    cdef int kind, declared, encoding, status
    cdef const uint8_t* p
    cdef Window* window
    if source.size == 0:
        raise DecodeError("the source is empty", offset=0, path="", section="PS3.10 7.1")
    p = source.first.data
    look_at_start(p, source.first.stop, &start)
    if start.has_preamble and not start.has_meta and likely_encoding(
            p + 132, source.first.stop - 132, source.size - 132, -1) < 0 and likely_encoding(
            p, source.first.stop, source.size, -1) >= 0:
        memset(&start, 0, sizeof(FileStart))        # the four letters belong to a value
    if start.has_preamble and p[0]:
        look_for_other_formats(source, p)
    if not start.has_preamble:
        if not force and not start.has_magic:
            refuse_archives(p, source.first.stop)
        if not force and not start.has_magic and not reads_as_data_set(p, source.first.stop, source.size):
            raise DecodeError("this is not DICOM: no preamble with DICM, and the bytes do not read as a data set "
                              "(force=True tries all the same)", offset=0, path="", section="PS3.10 7.1")
        _note(source, "preamble", 0, "no preamble and DICM prefix before the data", "PS3.10 7.1")
    offset = start.meta_offset
    if skim_meta(p, source.first.stop, &start):
        offset = start.data_offset
    elif start.has_meta:
        meta = _read_meta(source, &start, &offset)
    elif start.has_magic or source.policy != REPORT:
        _note(source, "file_meta", offset, "File Meta Information is missing", "PS3.10 7.1")
    kind = _declared_syntax(meta, source, &start)

    if kind == SYNTAX_DEFLATED:
        content = source_inflating(source, offset)
        declared = EXPLICIT_LE
        if _is_inflatable(content, source, offset):
            offset = 0
        else:
            content = source
            _note(source, "encoding", offset, "the data set is not deflated, its transfer syntax says it is",
                  "PS3.5 A.5")
            kind = SYNTAX_UNKNOWN
    elif kind == SYNTAX_UNKNOWN:
        declared = -1
    else:
        declared = IMPLICIT if kind == SYNTAX_IMPLICIT else (BIG_ENDIAN if kind == SYNTAX_BIG_ENDIAN else EXPLICIT_LE)
    left = content.size - offset if content.size > offset else 0
    if left >= 8 and content.first.stop < offset + 12:
        content.need(offset, min(left, <uint64_t>12))
    window = content.window_at(offset)
    encoding = declared
    if window != NULL and left >= 8:
        encoding = likely_encoding(window.data + (offset - window.start), window.stop - offset, left, declared)
    if encoding < 0:
        encoding = declared if declared >= 0 else IMPLICIT
        if left >= 8 and not force and meta is None:
            raise DecodeError("the bytes do not read as a data set in any encoding", offset=offset, path="",
                              section="PS3.5 7.1")
    if declared >= 0 and encoding != declared:
        _note(content, "encoding", offset, f"the data set is in {encoding_name(encoding)}, its transfer syntax says "
              f"{encoding_name(declared)}", "PS3.5 10")

    memset(&s, 0, sizeof(Stepper))
    s.tag_span = stop_tag - 1 if stop_tag else 0xFFFFFFFFu
    s.enter_limit = ROOT_ENTER_LIMIT
    s.look_up = encoding & IMPLICIT != 0
    s.max_depth = DEFAULT_MAX_DEPTH
    s.strict = source.policy == STRICT
    # A long sequence is walked as far as it is asked for, unless all is judged at once, or nothing can be read later.
    if wanted is None and not s.strict and content is source and source.remote is None:
        s.pause_at = LONG_SEQUENCE
    try:
        if stepper_reserve(&s, FIRST_ENTRIES) != DONE or stepper_begin(
                &s, offset, max(content.size, offset), DATA_SET, <uint8_t>encoding) != DONE:
            raise MemoryError
        status = _run(content, &s, True)
        block = block_of_tape(content, &s)
        block.stop_tag = stop_tag
        block._leave(&s, status)
        collect_findings(block, &s)
        if status > PAUSED:
            raise_status(status, block, &s)
    finally:
        stepper_free(&s)
    source.settle()
    content.frozen = True
    if block.count > 1 and (block.entries[1].tag < 0x00030000 or block.entries[0].flags & UNORDERED):
        _note_foreign_groups(block)
    if wanted is not None:
        _keep_only(block, wanted)

    root = Root.__new__(Root)
    root.meta = meta
    root.has_meta = start.has_meta
    root.source = source
    root.preamble = start.has_preamble
    root.arguments = arguments
    root.filename = source.path
    root.said = kind != SYNTAX_UNKNOWN and (encoding == declared)
    data_set = new_data_set(block, 0)
    data_set.root = root
    return data_set


def read_meta(DataSet data_set):
    """File Meta Information of a data set whose meta group was only skimmed, as a DataSet."""
    cdef Root root = <Root>data_set.root
    cdef FileStart start
    cdef uint64_t end
    if root.meta is None:
        if not root.has_meta:
            root.meta = bare_block(b"", DATA_SET, EXPLICIT_LE, root.source.policy)
            return new_data_set(root.meta, 0)
        look_at_start(root.source.first.data, root.source.first.stop, &start)
        root.meta = _read_meta(root.source, &start, &end)
    return new_data_set(root.meta, 0)


def read_syntax(DataSet data_set):
    """Transfer Syntax UID as it stands in the source, whatever was set since."""
    cdef Root root = <Root>data_set.root
    cdef uint32_t index
    if root.new_meta or root.meta is None:
        meta = root.meta
        root.meta = None
        read_meta(data_set)
        root.meta, meta = (root.meta if meta is None else meta), root.meta
    else:
        meta = root.meta
    index = (<Block>meta).find(0, 0x00020010)
    return value_at(<Block>meta, index) if index else None


cdef str encoding_name(int encoding):
    return ("implicit" if encoding & IMPLICIT else "explicit") + " VR " + (
        "big" if encoding & BIG_ENDIAN else "little") + " endian"


cdef bint _is_inflatable(Source content, Source source, uint64_t offset) except -1:
    """Whether a data set that should be deflated is; raises what the inflater does when it is nothing else either."""
    cdef Window* window
    try:
        content.need(0, 1)
        return True
    except DecodeError:
        source.need(offset, 12)
        window = source.window_at(offset)
        if window == NULL or likely_encoding(window.data + (offset - window.start), window.stop - offset,
                                             source.size - offset, -1) != EXPLICIT_LE:
            raise
    return False


cdef int _keep_only(Block block, object wanted) except -1:
    """Take all root elements off the tape that are not wanted.

    Specific Character Set and the creators of wanted private groups stay.  What decides on VRs may go, so that they
    are resolved before.
    """
    cdef uint32_t i = 1, j = 1, k, following, shift, last
    cdef TapeEntry* e
    cdef object private_groups = {tag >> 16 for tag in wanted if (tag >> 16) & 1}
    if not block.complete:
        last = block.entries[block._last_child()].tag
        if max(wanted, default=0) > last:
            block.resume()          # what is wanted stands behind the pixel data
        elif last not in wanted or not block.left_in:
            block.complete = True   # nothing behind them is
    while i < block.count:
        if block.entries[i].tag in wanted:
            block.vr_of(i)
        i = block.entries[i].next
    block.outer_pixel_representation = <int8_t>block._pixel_representation(0)
    e = block.entries
    i = 1
    while i < block.count:
        following = e[i].next
        if e[i].tag in wanted or e[i].tag == 0x00080005 or (
                e[i].tag & 0xFF00 == 0 and e[i].tag & 0xFF >= 0x10 and (e[i].tag >> 16) in private_groups):
            if block.left_in == i:
                block.left_in = j
            shift = i - j
            if shift:
                for k in range(i, following):
                    e[j + (k - i)] = e[k]
                    e[j + (k - i)].next -= shift
                    if e[k].parent:
                        e[j + (k - i)].parent -= shift
            j += following - i
        i = following
    block.count = j
    block.orders = None
    block.sparse = True
    e[0].next = j
    return 0


cdef uint32_t _tag_of(str option, object key) except? 0:
    tag = parse_key(key)
    if tag is None:
        raise ValueError(f"{option}: {key!r} is no tag or keyword")
    return tag


def dcmread(source, *, stop_before_pixels=False, specific_tags=None, stop_at=None, force=False, charset=None,
            policy="report", defer_size=None):
    """Read a data set lazily and return it as a :class:`DataSet`.

    ``source`` is a path, a bytes-like object (kept and never copied) or a binary file object, read from its
    position; a URL such as "s3://bucket/key", or what ``open_remote`` returns.  Headers are read now, values when they
    are asked for, pixel data last.

    stop_before_pixels: leave out Pixel Data and what follows.
    specific_tags: tags or keywords to keep; others are left out, and reading stops behind the highest.
    stop_at: a tag or keyword; reading stops before the first element with this tag or a higher one.
    force: read bytes that do not look like DICOM.
    charset: defined term, or terms, in place of Specific Character Set (0008,0005).
    policy: "strict" raises DecodeError where the source departs from the standard, "report" lists it in
    ``ds.deviations``,
        "ignore" does neither.
    defer_size: taken for the sake of callers of pydicom; every value is read when it is asked for.

    Raises DecodeError for what cannot be read, OSError for the file.  PS3.10 section 7, PS3.5 section 7.
    """
    cdef Source opened
    cdef uint32_t stop = 0, tag
    cdef object wanted = None, arguments = None
    cdef int level
    level = policy_code(policy)
    if stop_before_pixels:
        stop = PIXEL_TAGS
    if stop_at is not None:
        tag = _tag_of("stop_at", stop_at)
        stop = tag if not stop or tag < stop else stop
        if stop == 0:
            raise ValueError("stop_at=0 leaves nothing to read")
    if specific_tags is not None:
        specific_tags = list(specific_tags)
        wanted = frozenset(_tag_of("specific_tags", key) for key in specific_tags)
        tag = max(wanted, default=0x00080005)
        if tag < 0xFFFFFFFF and (not stop or tag + 1 < stop):
            stop = max(tag + 1, 0x00080006)
    if type(source) is str:
        opened = source_from_remote(hook("open_remote")(source)) if "://" in source else source_from_path(source)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        opened = source_from_buffer(source)
    elif hasattr(source, "__fspath__"):
        opened = source_from_path(source)
    elif hasattr(source, "read_ranges"):
        opened = source_from_remote(source)
    elif hasattr(source, "read") and not PyObject_CheckBuffer(source):
        opened = source_from_file(source)
    elif PyObject_CheckBuffer(source):
        opened = source_from_buffer(source)
    else:
        raise TypeError(f"expected a path, a bytes-like object or a binary file object, not {type(source).__name__}")
    opened.policy = level
    if charset is not None:
        charset = (charset,) if isinstance(charset, str) else tuple(charset)
        opened.charset = charset
    if stop or force or charset is not None or level != REPORT:
        arguments = {"stop_before_pixels": bool(stop_before_pixels), "stop_at": stop_at,
                     "specific_tags": specific_tags,
                     "force": bool(force), "charset": charset, "policy": policy}
    return open_data_set(opened, force, stop, wanted, arguments)


def restore(data, arguments, filename):
    """An unpickled data set."""
    cdef DataSet data_set = dcmread(data, **(arguments or {}))
    (<Root>data_set.root).filename = filename
    return data_set


cdef Block bare_block(object data, int kind, int encoding, int policy):
    """A block over bytes that are the inside of an item, a sequence or encapsulated pixel data (a ContainerKind)."""
    cdef Source source = source_from_buffer(data)
    cdef Stepper s
    cdef Block block
    cdef int status
    source.policy = <uint8_t>policy
    memset(&s, 0, sizeof(Stepper))
    s.tag_span = 0xFFFFFFFFu
    s.max_depth = DEFAULT_MAX_DEPTH
    s.strict = policy == STRICT
    try:
        if stepper_begin(&s, 0, source.size, <uint8_t>kind, <uint8_t>encoding) != DONE:
            raise MemoryError
        while True:
            status = _run(source, &s, False)
            if status != PAUSED:
                break
        block = block_of_tape(source, &s)
        collect_findings(block, &s)
        if status != DONE:
            raise_status(status, block, &s)
    finally:
        stepper_free(&s)
    return block


def restore_inside(data, int kind, int encoding, state):
    """An unpickled item, sequence or Fragments; ``state`` is what it had from around it, see inside_state."""
    cdef Block block
    policy, override, inherited, pixel_representation = state
    block = bare_block(data, kind, encoding, policy)
    block.source.charset = override
    block.outer_pixel_representation = <int8_t>pixel_representation
    if kind != DATA_SET or not block.find(0, 0x00080005):
        block.inherit(inherited)
    if kind == DATA_SET:
        return new_data_set(block, 0)
    return new_sequence(block, 0) if kind == ITEMS else new_fragments(block, 0)
