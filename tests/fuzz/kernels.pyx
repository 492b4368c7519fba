"""Fuzz targets in C: libFuzzer calls the nogil kernels on arbitrary bytes, without a Python object in between.

Compiled in the fuzz profile only (``DICOMWIRE_BUILD=fuzz``) and in no wheel.  A target checks invariants besides the
sanitizers' own checks: a violated one is printed with its line and aborts, which libFuzzer counts as a crash and keeps
the input of.  Every buffer a kernel sees is allocated at its exact size, so that reading one byte too many is found.
"""
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport abort, free, malloc
from libc.string cimport memchr, memcmp, memcpy, memset
from posix.unistd cimport write

from _dicomwire.capture cimport (
    LINK_ETHERNET, LINK_IPV6, LINK_LINUX_SLL, LINK_LINUX_SLL2, LINK_LOOP, LINK_NULL, LINK_RAW, Packet,
)
from _dicomwire.judging cimport print_of
from _dicomwire.link cimport (
    IS_IP, MALFORMED, NOT_IP, TOO_SHORT, UNKNOWN_LINK, Datagram, TCPSegment, find_datagram, find_segment,
    pass_extensions,
)
from _dicomwire.part10 cimport FileStart, likely_encoding, look_at_start, skim_meta, syntax_of
from _dicomwire.pdu cimport (
    BROKEN, COMMAND, CONTROL_PIECE, INVALID_PIECE, LAST_FRAGMENT, NO_FAULT, NO_PIECE, PDU_HEADER, PDV_HEADER, PDV_PIECE,
    PIECE_COMMAND, PIECE_ENDS, PIECE_LAST, PDUStream, Piece, abort_reason, next_piece, show_window, start_stream,
    stream_offset,
)
from _dicomwire.tape cimport (
    DATA_SET, DEFAULT_MAX_DEPTH, DONE, END_UNKNOWN, FRAGMENTS, IMPLICIT_ELEMENT, ITEMS,
    LENGTH_WRAPPED, MAX_FINDINGS, NEED_DATA, NOT_ENTERED, OUT_OF_MEMORY, PAUSED, PIECES, REFUSED, STOPPED, TOO_DEEP,
    UNKNOWN_VR, UNREADABLE, Stepper, TapeEntry, stepper_begin, stepper_free, stepper_reopen, stepper_run,
    stepper_set_end,
)
from _dicomwire.values cimport is_plain, trimmed

ctypedef int (*Target)(const uint8_t* data, size_t size) noexcept nogil

cdef extern from *:
    """
    int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*target)(const uint8_t *data, size_t size));
    """
    int LLVMFuzzerRunDriver(int* argc, char*** argv, Target target) nogil


cdef void check(bint holds, const char* what) noexcept nogil:
    """Abort with a message unless the invariant holds."""
    cdef size_t n = 0
    if holds:
        return
    while what[n]:
        n += 1
    write(2, b"\n== invariant violated: ", 24)
    write(2, what, n)
    write(2, b"\n", 1)
    abort()


# ------------------------------------------------------------------------------------------------------------- stepper

cdef enum:
    STEPPER_HEADER = 8          # bytes at the front of the input that set the run up, see take_setup
    MOST_NEEDED = 16            # no header, with the look at what follows, is longer
    MAX_INPUT = 1 << 16

cdef struct Setup:
    uint64_t origin             # absolute offset of the first byte
    uint64_t size
    uint64_t beyond             # bytes that the declared end lies behind the real one
    uint64_t enter_limit
    uint32_t first_tag
    uint32_t tag_span
    uint32_t max_depth
    uint32_t noise              # state of the generator of window sizes
    uint8_t encoding
    uint8_t kind
    uint8_t strict
    uint8_t look_up
    uint8_t reopened            # on PAUSED, go on with another stepper, as blocks do
    uint8_t pauses              # the run in windows leaves sequences now and then


cdef void take_setup(const uint8_t* p, uint64_t size, Setup* out) noexcept nogil:
    """Read the eight bytes of setup: encoding and kind, flags, limits, offset, declared end, noise."""
    cdef uint64_t[4] origins = [0, 132, 0x100000000u, 0x7FFFFFFF0000u]
    cdef uint64_t[4] limits = [0, 64, 4096, 1 << 20]
    cdef uint32_t[4] depths = [DEFAULT_MAX_DEPTH, 3, 9, 40]
    cdef uint64_t[4] beyond = [0, 1, 100, 0xFFFFFFFFu]
    memset(out, 0, sizeof(Setup))
    out.size = size
    out.encoding = p[0] % 3
    out.kind = ITEMS if p[0] & 0x30 == 0x10 else (PIECES if p[0] & 0x30 == 0x20 else DATA_SET)
    out.strict = p[1] & 1
    out.look_up = p[1] >> 1 & 1
    out.reopened = p[1] >> 2 & 1
    out.pauses = p[1] >> 3 & 1
    out.enter_limit = limits[p[2] & 3]
    out.max_depth = depths[p[2] >> 2 & 3]
    out.origin = origins[p[3] & 3]
    out.beyond = beyond[p[3] >> 2 & 3]
    out.tag_span = 0xFFFFFFFFu
    if p[4] & 1:
        out.first_tag = 0x00080000
        out.tag_span = 0x7FD80010 if p[4] & 2 else 0xFFFF
    out.noise = p[5] | <uint32_t>p[6] << 8 | <uint32_t>p[7] << 16


cdef uint32_t chance(Setup* setup, uint32_t below) noexcept nogil:
    setup.noise = setup.noise * 1103515245u + 12345u
    return (setup.noise >> 16) % below


cdef void begin(Stepper* s, Setup* setup) noexcept nogil:
    memset(s, 0, sizeof(Stepper))
    s.first_tag = setup.first_tag
    s.tag_span = setup.tag_span
    s.enter_limit = setup.enter_limit
    s.max_depth = setup.max_depth
    s.strict = setup.strict
    s.look_up = setup.look_up
    check(stepper_begin(s, setup.origin, setup.origin + setup.size + setup.beyond, setup.kind,
                        setup.encoding) == DONE, b"a root entry is made")


cdef void take_over(Stepper* old, Stepper* s, Setup* setup) noexcept nogil:
    """Go on with another stepper on the same tape, as a block does whose fragments are asked for."""
    memset(s, 0, sizeof(Stepper))
    s.base, s.start, s.stop, s.pos = old.base, old.start, old.stop, old.pos
    s.first_tag, s.tag_span = old.first_tag, old.tag_span
    s.enter_limit, s.max_depth, s.strict, s.look_up = old.enter_limit, old.max_depth, old.strict, old.look_up
    s.entries, s.count, s.capacity = old.entries, old.count, old.capacity
    s.findings, s.finding_count, s.finding_capacity = old.findings, old.finding_count, old.finding_capacity
    s.findings_dropped = old.findings_dropped
    check(stepper_reopen(s, old.frames[1].entry, old.frames[0].bound, old.frames[0].encoding) == DONE,
          b"a tape is reopened")
    s.frames[0].last_tag = old.frames[0].last_tag
    old.entries = NULL
    old.findings = NULL
    old.capacity = 0
    stepper_free(old)


cdef int run_whole(Stepper* s, const uint8_t* data, Setup* setup) noexcept nogil:
    """Run with all bytes in one window; the last Status."""
    cdef int status, ended = 0, pauses = 0
    cdef Stepper other
    s.base, s.start, s.stop = data, setup.origin, setup.origin + setup.size
    while True:
        status = stepper_run(s)
        if status == PAUSED:
            pauses += 1
            check(s.depth == 1 and s.entries[s.frames[1].entry].flags & FRAGMENTS, b"a pause is at fragments")
            check(pauses <= <int>setup.size, b"pauses come to an end")
            if setup.reopened:
                take_over(s, &other, setup)
                memcpy(s, &other, sizeof(Stepper))
                if other.frames == other.few:
                    s.frames = s.few
        elif status == NEED_DATA:
            check(s.need > 0 and s.need <= MOST_NEEDED, b"few bytes are needed")
            check(s.pos + s.need > s.stop, b"what is needed is not there")
            check(not ended, b"nothing is needed behind the known end")
            status = stepper_set_end(s, s.stop)
            ended = 1
            if status != DONE:
                return status
        else:
            return status


cdef int run_windows(Stepper* s, const uint8_t* data, Setup* setup) noexcept nogil:
    """Run with small windows that begin before what is needed and hold a little more; the last Status."""
    cdef int status, ended = 0
    cdef uint64_t end = setup.origin + setup.size, start, stop, rounds = 0, most = 4 * setup.size + 64
    cdef uint8_t* window = NULL
    s.base, s.start, s.stop = data, setup.origin, setup.origin
    s.pause_at = setup.pauses
    while True:
        status = stepper_run(s)
        rounds += 1
        check(rounds <= most, b"windows come to an end")
        if status == PAUSED:
            check(s.depth == 1 and s.entries[s.frames[1].entry].flags & END_UNKNOWN, b"a pause is at the top level")
            if s.pause_at:
                s.pause_at = s.count + 1 + chance(setup, 9)
            continue
        if status != NEED_DATA:
            free(window)
            return status
        check(s.need > 0 and s.need <= MOST_NEEDED, b"few bytes are needed")
        check(s.pos + s.need > s.stop or s.pos < s.start, b"what is needed is not in the window")
        if s.pos + s.need > end:
            check(not ended, b"nothing is needed behind the known end")
            # Whatever is left may be shown before the end is told, as sources do.
            status = stepper_set_end(s, end)
            ended = 1
            if status != DONE:
                free(window)
                return status
            if s.pos >= end:
                continue
            stop = end
        else:
            stop = min(end, s.pos + s.need + chance(setup, 3) * chance(setup, 24))
        start = s.pos - min(s.pos - setup.origin, <uint64_t>chance(setup, 2) * chance(setup, 9))
        free(window)
        window = <uint8_t*>malloc(stop - start)
        check(window != NULL, b"there is memory")
        memcpy(window, data + (start - setup.origin), stop - start)
        s.base, s.start, s.stop = window, start, stop


cdef bint is_broken_off(int status) noexcept nogil:
    return status == TOO_DEEP or status == OUT_OF_MEMORY or status == REFUSED


cdef void check_tape(Stepper* s, int status, Setup* setup) noexcept nogil:
    """Everything that readers of a tape rely on (docs/tape.md)."""
    cdef uint64_t end = s.frames[0].bound   # the declared end, until the real one had to be told
    cdef uint32_t i, following
    cdef TapeEntry* entry
    cdef TapeEntry* parent
    cdef TapeEntry* behind
    check(status == DONE or status == STOPPED or is_broken_off(status), b"a run ends with a known status")
    check(status != OUT_OF_MEMORY, b"memory follows the input")
    check(status != REFUSED or s.strict, b"only strict refuses")
    check(s.count <= setup.size // 8 + 2, b"an entry takes eight bytes at least")
    check(s.count <= s.capacity, b"entries have room")
    check(s.finding_count <= MAX_FINDINGS and s.finding_count <= s.finding_capacity, b"findings are bounded")
    check(s.depth < s.max_depth, b"depth is bounded")
    for i in range(s.finding_count):
        check(s.findings[i].entry < s.count, b"a finding is about an entry")
        # One of a jump to the declared end may have been made before the real end was told.
        check(s.findings[i].offset - setup.origin <= setup.size + setup.beyond, b"a finding is inside")
        check(s.findings[i].kind > 0 and s.findings[i].kind <= UNREADABLE, b"a finding has a kind")
    for i in range(1, s.count):
        entry = s.entries + i
        check(entry.parent < i, b"a parent comes before")
        check(entry.offset >= setup.origin and entry.offset <= end, b"a value begins inside")
    if is_broken_off(status):
        return
    check(s.entries[0].next == s.count, b"the root ends with the tape")
    check(s.depth == 0, b"everything is closed")
    if status == DONE:
        check(s.pos == end, b"all bytes are accounted for")
        check(s.entries[0].offset + s.entries[0].length == end, b"the root ends with the source")
    else:
        check(s.pos <= end, b"a stop is inside")
    for i in range(1, s.count):
        entry = s.entries + i
        parent = s.entries + entry.parent
        following = entry.next
        check(following > i and following <= parent.next, b"a subtree lies inside its parent's")
        check(entry.header_size == 8 or entry.header_size == 12, b"a header has 8 or 12 bytes")
        check(entry.offset - entry.header_size >= parent.offset, b"a header lies inside its parent")
        check(entry.length <= end - setup.origin and entry.offset + entry.length <= parent.offset + parent.length,
              b"a value lies inside its parent")
        check(not entry.flags & END_UNKNOWN, b"every end is known")
        check(following == i + 1 or not entry.flags & NOT_ENTERED, b"what was not entered has nothing inside")
        if following < parent.next:
            behind = s.entries + following
            check(behind.parent == entry.parent, b"a sibling follows")
            check(behind.offset - behind.header_size >= entry.offset + entry.length, b"siblings do not overlap")
        else:
            check(following == parent.next, b"the last child ends with its parent")


cdef bint is_guessed(Stepper* s) noexcept nogil:
    """Whether a header was read by what could be seen of the bytes behind it, which depends on the window."""
    cdef uint32_t i, kind
    if s.findings_dropped:
        return True
    for i in range(s.finding_count):
        kind = s.findings[i].kind
        if kind == IMPLICIT_ELEMENT or kind == UNKNOWN_VR or kind == LENGTH_WRAPPED or kind == UNREADABLE:
            return True
    return False


cdef void check_equal(Stepper* a, int status_a, Stepper* b, int status_b) noexcept nogil:
    cdef uint32_t i
    check(status_a == status_b, b"windows do not change the status")
    check(a.count == b.count, b"windows do not change the number of entries")
    check(a.pos == b.pos, b"windows do not change where it ends")
    for i in range(a.count if not is_broken_off(status_a) or b.pause_at == 0 else 0):
        check(memcmp(a.entries + i, b.entries + i, sizeof(TapeEntry)) == 0, b"windows do not change an entry")
    check(a.finding_count == b.finding_count, b"windows do not change the number of findings")
    for i in range(a.finding_count):
        check(a.findings[i].kind == b.findings[i].kind and a.findings[i].offset == b.findings[i].offset
              and a.findings[i].entry == b.findings[i].entry, b"windows do not change a finding")


cdef void check_skimmed(Stepper* a, Stepper* b) noexcept nogil:
    """Skimming leaves out what is inside of items, nothing else."""
    cdef uint32_t i = 1, k = 1, in_a, in_b
    while i < a.count and k < b.count:
        check(a.entries[i].offset == b.entries[k].offset and a.entries[i].length == b.entries[k].length
              and a.entries[i].tag == b.entries[k].tag and a.entries[i].vr == b.entries[k].vr
              and a.entries[i].flags == b.entries[k].flags, b"a skimmed data set has the same elements")
        in_a, in_b = i + 1, k + 1
        while in_a < a.entries[i].next and in_b < b.entries[k].next:
            check(a.entries[in_a].offset == b.entries[in_b].offset and a.entries[in_a].tag == b.entries[in_b].tag
                  and a.entries[in_a].length == b.entries[in_b].length
                  and (a.entries[in_a].flags | NOT_ENTERED) == (b.entries[in_b].flags | NOT_ENTERED),
                  b"a skimmed sequence has the same items")
            in_a, in_b = a.entries[in_a].next, b.entries[in_b].next
        check(in_a == a.entries[i].next and in_b == b.entries[k].next, b"a skimmed sequence has as many items")
        i, k = a.entries[i].next, b.entries[k].next
    check(i == a.count and k == b.count, b"a skimmed data set has as many elements")


cdef int stepper_target(const uint8_t* data, size_t size) noexcept nogil:
    cdef Setup setup
    cdef Stepper whole, pieces, skimmed
    cdef int status, status_of_pieces
    if size < STEPPER_HEADER or size > MAX_INPUT:
        return 0
    take_setup(data, size - STEPPER_HEADER, &setup)
    data += STEPPER_HEADER
    begin(&whole, &setup)
    status = run_whole(&whole, data, &setup)
    check_tape(&whole, status, &setup)
    begin(&pieces, &setup)
    status_of_pieces = run_windows(&pieces, data, &setup)
    check_tape(&pieces, status_of_pieces, &setup)
    if not is_guessed(&whole) and not is_guessed(&pieces):
        check_equal(&whole, status, &pieces, status_of_pieces)
    begin(&skimmed, &setup)
    skimmed.skim = 1
    status_of_pieces = run_whole(&skimmed, data, &setup)
    check(status == status_of_pieces, b"skimming does not change the status")
    if not is_broken_off(status) and setup.kind == DATA_SET:
        check_tape(&skimmed, status, &setup)
        check_skimmed(&whole, &skimmed)
    stepper_free(&skimmed)
    stepper_free(&whole)
    stepper_free(&pieces)
    return 0


# ----------------------------------------------------------------------------------------------------- start of a file

cdef int start_target(const uint8_t* data, size_t size) noexcept nogil:
    cdef FileStart start
    cdef uint64_t n = size, left
    cdef int encoding, declared, i
    memset(&start, 0, sizeof(FileStart))
    look_at_start(data, n, &start)
    check(start.meta_offset <= n, b"File Meta Information begins inside")
    check(not start.has_preamble or n >= 132, b"a preamble has 128 bytes and four letters")
    if skim_meta(data, n, &start):
        check(start.data_offset >= start.meta_offset and start.data_offset <= n, b"the data set begins inside")
        check(start.syntax_length > 0 and start.syntax_at >= start.meta_offset
              and start.syntax_at + start.syntax_length <= start.data_offset, b"the transfer syntax is in the group")
        syntax_of(data + start.syntax_at, start.syntax_length)
    for declared in range(-1, 3):
        for i in range(3):
            left = n + i * 0x80000000u
            encoding = likely_encoding(data, n, left, declared)
            check(encoding >= -1 and encoding <= 3, b"an encoding is one of four, or none")
    syntax_of(data, n)
    return 0


# ---------------------------------------------------------------------------------------------------------------- text

cdef int text_target(const uint8_t* data, size_t size) noexcept nogil:
    cdef uint64_t i, n = size
    cdef bint plain = memchr(data, 0x1B, size) == NULL
    for i in range(n):
        plain = plain and data[i] < 0x80
    check(is_plain(data, n) == plain, b"a word at a time sees what a byte at a time does")
    i = trimmed(data, n)
    check(i <= n, b"nothing is longer when trimmed")
    check(i == 0 or (data[i - 1] != 0x20 and data[i - 1] != 0), b"nothing is left to trim")
    return 0


# ------------------------------------------------------------------------------------------------------------- framing

cdef enum:
    FRAMING_HEADER = 4          # bytes at the front of the input: limits of control PDUs and of data, noise

cdef struct Part:
    uint64_t offset             # of its first byte in the stream
    uint64_t length
    uint8_t kind
    uint8_t flags
    uint8_t context_id

cdef struct Parts:
    Part* parts
    uint64_t count
    bint is_open                # the last one may go on


cdef void add_part(Parts* found, const Piece* piece, uint64_t offset) noexcept nogil:
    """Put a piece behind the others, or to the last one, which it goes on with."""
    cdef Part* part = found.parts + found.count
    if found.is_open:
        part -= 1
        check(part.kind == piece.kind, b"a piece goes on with its kind")
        check(part.offset + part.length == offset, b"a piece goes on where the last one stopped")
        part.length += piece.length
    else:
        found.count += 1
        part.offset, part.length, part.kind, part.flags = offset, piece.length, piece.kind, 0
        part.context_id = piece.context_id if piece.kind == PDV_PIECE else 0
    if piece.kind == PDV_PIECE:
        check(part.context_id == piece.context_id, b"a fragment keeps its context")
        check(part.flags & PIECE_COMMAND == 0 or piece.flags & PIECE_COMMAND, b"a fragment keeps its kind")
        check(piece.flags & PIECE_ENDS or not piece.flags & PIECE_LAST, b"a message ends where a fragment ends")
    part.flags |= piece.flags
    found.is_open = not piece.flags & PIECE_ENDS


cdef int take_pieces(PDUStream* stream, Parts* found, const uint8_t* window, uint64_t start, uint64_t stop,
                     uint64_t size) noexcept nogil:
    """All pieces of a window with the bytes from ``start`` to ``stop``; NO_PIECE or INVALID_PIECE."""
    cdef Piece piece
    cdef int kind
    cdef uint64_t offset
    show_window(stream, window, stop - start)
    while True:
        check(found.count <= size // PDU_HEADER + 1, b"each part has a header before it")
        kind = next_piece(stream, &piece)
        check(stream_offset(stream) >= start and stream_offset(stream) <= stop, b"what is taken is in the window")
        if kind == NO_PIECE:
            check(stream_offset(stream) == stop, b"the window is used up")
            check(stream.carried < PDU_HEADER, b"less than a header is kept")
            return kind
        check(kind == piece.kind, b"a piece repeats its kind")
        if kind == INVALID_PIECE:
            check(stream.phase == BROKEN and stream.fault != NO_FAULT, b"a broken stream has a fault")
            check(stream.fault_offset <= stream_offset(stream), b"a fault has been seen")
            check(abort_reason(stream) == 1 or abort_reason(stream) == 6, b"a fault has its reason")
            check(next_piece(stream, &piece) == INVALID_PIECE, b"a broken stream stays broken")
            return kind
        check(kind == PDV_PIECE or kind == CONTROL_PIECE, b"a kind is known")
        offset = stream_offset(stream) - piece.length
        check(offset >= start and piece.data == window + (offset - start), b"a piece lies in the window")
        check(piece.length or piece.flags & PIECE_ENDS, b"only what is empty has an empty piece")
        add_part(found, &piece, offset)


cdef void check_parts(const Parts* found, const uint8_t* data, const PDUStream* stream) noexcept nogil:
    """Whether each fragment has its header before it, and all bytes belong to something."""
    cdef uint64_t i, at = 0, length
    cdef const Part* part
    cdef const uint8_t* p
    cdef bint in_control
    for i in range(found.count):
        part = found.parts + i
        in_control = part.kind == CONTROL_PIECE
        check(part.offset == at + PDU_HEADER or (not in_control and part.offset == at + PDU_HEADER + PDV_HEADER),
              b"there is a header before a part, and nothing else")
        p = data + part.offset - PDU_HEADER
        if in_control:
            length = <uint64_t>p[2] << 24 | <uint32_t>p[3] << 16 | <uint32_t>p[4] << 8 | p[5]
            check(p[0] != 4 and (length <= stream.max_control_length or length == 4), b"a control PDU has its length")
        else:
            length = (<uint64_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | p[3]) - 2
            check(p[4] == part.context_id, b"a fragment has its context")
            check((p[5] & COMMAND) == (part.flags & PIECE_COMMAND), b"a fragment has its kind")
            check(not part.flags & PIECE_ENDS or (p[5] & LAST_FRAGMENT) == (part.flags & PIECE_LAST),
                  b"a fragment has its end")
        check(part.length <= length and (part.flags & PIECE_ENDS != 0) == (part.length == length),
              b"a part is as long as its header says")
        at = part.offset + part.length


cdef int framing_target(const uint8_t* data, size_t size) noexcept nogil:
    """The whole stream in one window, then in small ones of their own memory."""
    cdef PDUStream whole, windowed
    cdef Parts all, found
    cdef Setup setup
    cdef uint64_t n, start = 0, stop, i
    cdef uint32_t most_control, most_data
    cdef uint8_t* window
    cdef int status, status_of_windows = NO_PIECE
    if size < FRAMING_HEADER or size > MAX_INPUT:
        return 0
    most_control = 0xFFFFFFFFu if data[0] == 0xFF else data[0] * <uint32_t>8
    most_data = 0xFFFFFFFFu if data[1] == 0xFF else data[1] * <uint32_t>8
    setup.noise = data[2] | <uint32_t>data[3] << 8
    data += FRAMING_HEADER
    n = size - FRAMING_HEADER
    memset(&all, 0, sizeof(Parts))
    memset(&found, 0, sizeof(Parts))
    all.parts = <Part*>malloc((n // PDU_HEADER + 2) * sizeof(Part))
    found.parts = <Part*>malloc((n // PDU_HEADER + 2) * sizeof(Part))
    check(all.parts != NULL and found.parts != NULL, b"there is memory")
    start_stream(&whole, most_control, most_data)
    status = take_pieces(&whole, &all, data, 0, n, n)
    check_parts(&all, data, &whole)
    start_stream(&windowed, most_control, most_data)
    while start < n and status_of_windows == NO_PIECE:
        stop = min(n, start + chance(&setup, 4) * chance(&setup, 12) + chance(&setup, 3))
        window = <uint8_t*>malloc(stop - start)
        check(window != NULL, b"there is memory")
        memcpy(window, data + start, stop - start)
        status_of_windows = take_pieces(&windowed, &found, window, start, stop, n)
        free(window)
        start = stop
    check(status == status_of_windows or n == 0, b"windows do not change whether a stream is broken")
    check(all.count == found.count, b"windows do not change the number of parts")
    for i in range(all.count):
        check(all.parts[i].offset == found.parts[i].offset and all.parts[i].length == found.parts[i].length
              and all.parts[i].kind == found.parts[i].kind and all.parts[i].flags == found.parts[i].flags
              and all.parts[i].context_id == found.parts[i].context_id, b"windows do not change a part")
    check(whole.fault == windowed.fault and whole.fault_offset == windowed.fault_offset
          and whole.fault_found == windowed.fault_found and whole.fault_limit == windowed.fault_limit,
          b"windows do not change a fault")
    check(whole.phase == windowed.phase and whole.pdu_left == windowed.pdu_left and whole.pdv_left == windowed.pdv_left
          and whole.carried == windowed.carried, b"windows do not change where a stream stands")
    free(all.parts)
    free(found.parts)
    return 0


# -------------------------------------------------------------------------------------------------------------- packet

cdef enum:
    PACKET_HEADER = 4           # bytes at the front of the input: link, frame check sequence, bytes that were cut


cdef void check_inside(const uint8_t* p, uint64_t length, const uint8_t* data, size_t size,
                       const char* what) noexcept nogil:
    check(data <= p <= data + size and length <= <uint64_t>(data + size - p), what)


cdef int packet_target(const uint8_t* data, size_t size) noexcept nogil:
    """A packet of any link: what is found in it lies in it, and no further than its headers say."""
    cdef int[8] links = [LINK_ETHERNET, LINK_ETHERNET, LINK_RAW, LINK_LINUX_SLL, LINK_LINUX_SLL2, LINK_NULL, LINK_LOOP,
                         LINK_IPV6]
    cdef Packet packet
    cdef Datagram datagram
    cdef TCPSegment tcp
    cdef int found, address
    if size < PACKET_HEADER or size > MAX_INPUT:
        return -1
    memset(&packet, 0, sizeof(Packet))
    packet.link_type = links[data[0] & 7] if data[0] < 250 else data[0]
    packet.fcs_length = data[1] & 15
    packet.data = data + PACKET_HEADER
    packet.captured_length = <uint32_t>(size - PACKET_HEADER)
    packet.wire_length = packet.captured_length + (<uint32_t>data[2] << (data[3] & 24))
    found = find_datagram(&packet, &datagram)
    check(found == IS_IP or found == NOT_IP or found == UNKNOWN_LINK or found == TOO_SHORT or found == MALFORMED,
          b"a packet is something")
    if found != IS_IP:
        return 0
    check(datagram.version == 4 or datagram.version == 6, b"a version")
    address = 4 if datagram.version == 4 else 16
    check_inside(datagram.source, address, packet.data, packet.captured_length, b"the source is in the packet")
    check_inside(datagram.destination, address, packet.data, packet.captured_length, b"the target is in the packet")
    check_inside(datagram.payload, datagram.captured, packet.data, packet.captured_length,
                 b"the payload is in the packet")
    check(datagram.captured <= datagram.length, b"no more is captured than there was")
    if datagram.fragment_offset or datagram.more_fragments:
        if datagram.version == 6:
            pass_extensions(&datagram)
        return 0
    found = find_segment(datagram.payload, datagram.captured, datagram.length, &tcp)
    check(found == IS_IP or found == TOO_SHORT or found == MALFORMED, b"a datagram's payload is something")
    if found != IS_IP:
        return 0
    if tcp.captured:
        check_inside(tcp.payload, tcp.captured, datagram.payload, datagram.captured, b"bytes are in the datagram")
    check(tcp.captured <= tcp.length < datagram.length, b"a segment is shorter than its datagram")
    print_of(1, 0, &datagram, &tcp)
    return 0


# ---------------------------------------------------------------------------------------------------------- the driver

cdef class Exact:
    """A read-only copy of bytes at its exact size, where a sanitizer sees every byte read too many."""
    cdef uint8_t* data
    cdef Py_ssize_t size

    def __cinit__(self, bytes data not None):
        self.size = len(data)
        self.data = <uint8_t*>malloc(self.size)
        if self.data == NULL and self.size:
            raise MemoryError
        memcpy(self.data, <const uint8_t*>data, self.size)

    def __dealloc__(self):
        free(self.data)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, 1, flags)


def targets():
    """Names of the targets."""
    return ["framing", "packet", "start", "stepper", "text"]


def fuzz(str name, list arguments):
    """Run libFuzzer with its ``arguments`` on a target; returns its exit status, if it returns."""
    cdef Target target
    cdef int count, status, i
    cdef char** vector
    if name == "stepper":
        target = stepper_target
    elif name == "start":
        target = start_target
    elif name == "text":
        target = text_target
    elif name == "framing":
        target = framing_target
    elif name == "packet":
        target = packet_target
    else:
        raise ValueError(f"no target {name}: one of {', '.join(targets())}")
    kept = [argument.encode() for argument in ["kernels", *arguments]]
    count = len(kept)
    vector = <char**>malloc((count + 1) * sizeof(char*))
    if vector == NULL:
        raise MemoryError
    for i in range(count):
        vector[i] = <bytes>kept[i]
    vector[count] = NULL
    status = LLVMFuzzerRunDriver(&count, &vector, target)
    return status


def stepped(bytes data, bint windows=False):
    """What the stepper makes of an input, in one window or in small ones, unchecked; for people."""
    cdef Setup setup
    cdef Stepper s
    cdef const uint8_t* p = data
    cdef int status
    cdef uint32_t i
    cdef TapeEntry* entry
    if len(data) < STEPPER_HEADER:
        raise ValueError(f"{len(data)} bytes are less than the {STEPPER_HEADER} of the setup")
    take_setup(p, len(data) - STEPPER_HEADER, &setup)
    begin(&s, &setup)
    status = (run_windows if windows else run_whole)(&s, p + STEPPER_HEADER, &setup)
    entries = []
    for i in range(s.count):
        entry = s.entries + i
        entries.append((i, f"{entry.tag:08X}", entry.vr, entry.header_size, f"{entry.flags:08b}", entry.offset,
                        entry.length, entry.next, entry.parent))
    findings = [(s.findings[i].kind, s.findings[i].entry, s.findings[i].offset, s.findings[i].expected,
                 s.findings[i].found) for i in range(s.finding_count)]
    result = {"setup": setup, "status": status, "pos": s.pos, "depth": s.depth, "entries": entries,
              "findings": findings}
    stepper_free(&s)
    return result


def run_one(str name, bytes data):
    """Run a target once on ``data``, copied to memory of its exact size."""
    cdef const uint8_t* p = data
    cdef size_t size = len(data)
    cdef uint8_t* copy = <uint8_t*>malloc(size)
    if copy == NULL and size:
        raise MemoryError
    memcpy(copy, p, size)
    try:
        if name == "stepper":
            stepper_target(copy, size)
        elif name == "start":
            start_target(copy, size)
        elif name == "text":
            text_target(copy, size)
        elif name == "framing":
            framing_target(copy, size)
        elif name == "packet":
            packet_target(copy, size)
        else:
            raise ValueError(f"no target {name}: one of {', '.join(targets())}")
    finally:
        free(copy)
