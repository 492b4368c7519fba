"""The stepper: walks the headers of a data set and writes the tape, without the GIL and without recursion.

Containers of undefined length are entered, because their end must be found anyway; those of known length are skipped
beyond ``enter_limit`` and become blocks of their own when someone asks.  Whatever is wrong with lengths, delimiters and
nesting is settled here, once: an entry's extent never passes its container's.  PS3.5 sections 7.1 to 7.5 and Annex A.4.
"""
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from .tagindex cimport dw_tag_vr
from .vr cimport (
    DW_VR_KNOWN, DW_VR_LONG, DW_VR_NONE, DW_VR_OB, DW_VR_OW, DW_VR_SQ, DW_VR_UN, dw_vr_is_two_capitals,
    dw_vr_traits,
)

cdef uint64_t NO_LIMIT = <uint64_t>-1

cdef enum:
    LONG_TAPE = 4096            # entries from which on the rest is guessed: 128 KiB

cdef struct Header:
    uint32_t tag
    uint32_t length
    uint16_t vr
    uint8_t size
    uint8_t flags
    uint16_t finding


# ---------------------------------------------------------------------------------------------- memory and bookkeeping

cdef int stepper_reserve(Stepper* s, uint32_t capacity) noexcept nogil:
    """Make room for ``capacity`` entries; DONE or OUT_OF_MEMORY."""
    cdef TapeEntry* entries
    if capacity <= s.capacity:
        return DONE
    entries = <TapeEntry*>dw_grow(s.entries, <size_t>s.capacity * sizeof(TapeEntry),
                                  <size_t>capacity * sizeof(TapeEntry))
    if entries == NULL:
        return OUT_OF_MEMORY
    s.entries = entries
    s.capacity = capacity
    return DONE


cdef int _grow(Stepper* s) noexcept nogil:
    """Double the room at least; what goes on for long gets room for the rest at the density so far, untouched yet."""
    cdef uint64_t capacity = <uint64_t>s.capacity * 2 if s.capacity else 64, walked, whole
    if capacity > 0xFFFFFFFFu:
        return OUT_OF_MEMORY
    if s.capacity >= LONG_TAPE and s.pos > s.entries[0].offset:
        walked = s.pos - s.entries[0].offset
        whole = min(s.entries[0].length, walked * 16)
        capacity = max(capacity, min(whole * s.count // walked + (s.count >> 4), <uint64_t>0x80000000u))
    return stepper_reserve(s, <uint32_t>capacity)


cdef TapeEntry* stepper_take(Stepper* s, uint32_t* capacity) noexcept nogil:
    """Hand over the tape, without the room that a guess left unused."""
    cdef TapeEntry* entries = s.entries
    cdef TapeEntry* fitting
    capacity[0] = s.capacity
    if s.capacity > LONG_TAPE and s.capacity >> 1 > s.count:
        fitting = <TapeEntry*>dw_grow(entries, <size_t>s.capacity * sizeof(TapeEntry),
                                      <size_t>s.count * sizeof(TapeEntry))
        if fitting != NULL:
            entries = fitting
            capacity[0] = s.count
    s.entries = NULL
    s.capacity = 0
    return entries


cdef int _push(Stepper* s, uint64_t bound, uint32_t entry, uint8_t kind, uint8_t encoding,
               uint8_t undefined) noexcept nogil:
    cdef Frame* frame
    cdef Frame* frames
    cdef uint32_t capacity
    if s.depth + 1 >= s.max_depth:
        return TOO_DEEP
    if s.depth + 1 >= s.frame_capacity:
        capacity = max(s.frame_capacity, <uint32_t>FEW_FRAMES) * 2
        frames = <Frame*>realloc(NULL if s.frames == s.few else s.frames, <size_t>capacity * sizeof(Frame))
        if frames == NULL:
            return OUT_OF_MEMORY
        if s.frames == s.few:
            memcpy(frames, s.few, FEW_FRAMES * sizeof(Frame))
        s.frames = frames
        s.frame_capacity = capacity
    s.depth += 1
    frame = s.frames + s.depth
    frame.bound = bound
    frame.entry = entry
    frame.last_tag = 0
    frame.kind = kind
    frame.encoding = encoding
    frame.undefined = undefined
    return DONE


cdef int stepper_begin(Stepper* s, uint64_t offset, uint64_t end, uint8_t kind, uint8_t encoding) noexcept nogil:
    """Write the root entry and its frame: a container of ``kind`` from ``offset`` to ``end``.

    The limits and the window must be set before; DONE or OUT_OF_MEMORY.
    """
    cdef TapeEntry* root
    if s.frames == NULL:
        s.frames = s.few
        s.frame_capacity = FEW_FRAMES
    if s.capacity == 0 and stepper_reserve(s, 8) != DONE:
        return OUT_OF_MEMORY
    root = s.entries
    memset(root, 0, sizeof(TapeEntry))
    root.offset = offset
    root.length = end - offset
    root.next = 1
    root.vr = DW_VR_NONE
    s.count = 1
    s.depth = 0
    s.pos = offset
    s.frames[0].bound = end
    s.frames[0].entry = 0
    s.frames[0].last_tag = 0
    s.frames[0].kind = kind
    s.frames[0].encoding = encoding
    s.frames[0].undefined = 0
    return DONE


cdef int stepper_reopen(Stepper* s, uint32_t left_in, uint64_t end, uint8_t encoding) noexcept nogil:
    """Frames for going on with a tape whose root was left unfinished.

    ``left_in`` are the fragments, or the sequence, to walk first, or 0.
    """
    cdef uint8_t flags
    if s.frames == NULL:
        s.frames = s.few
        s.frame_capacity = FEW_FRAMES
    s.depth = 0
    s.frames[0].bound = end
    s.frames[0].entry = 0
    s.frames[0].last_tag = 0
    s.frames[0].kind = DATA_SET
    s.frames[0].encoding = encoding
    s.frames[0].undefined = 0
    if left_in:
        flags = s.entries[left_in].flags
        return _push(s, end, left_in, PIECES if flags & FRAGMENTS else ITEMS,
                     IMPLICIT if flags & IMPLICIT_IN_UN else encoding, 1)
    return DONE


cdef void stepper_free(Stepper* s) noexcept nogil:
    """Give back everything; a tape that is to live on must have been taken out (``entries = NULL``) before."""
    dw_release(s.entries, <size_t>s.capacity * sizeof(TapeEntry))
    if s.frames != s.few:
        free(s.frames)
    free(s.findings)
    s.entries = NULL
    s.frames = NULL
    s.findings = NULL
    s.count = s.capacity = s.frame_capacity = s.finding_count = s.finding_capacity = 0


cdef int stepper_note(Stepper* s, uint16_t kind, uint32_t entry, uint32_t tag, uint64_t offset, uint64_t expected,
                      uint64_t found) noexcept nogil:
    """Keep a finding; DONE, REFUSED when strict, OUT_OF_MEMORY."""
    cdef RawFinding* findings
    cdef uint32_t capacity
    if s.finding_count >= (s.finding_limit if s.finding_limit else <uint32_t>MAX_FINDINGS):
        s.findings_dropped += 1
        return DONE
    if s.finding_count == s.finding_capacity:
        capacity = s.finding_capacity * 2 if s.finding_capacity else 8
        findings = <RawFinding*>realloc(s.findings, capacity * sizeof(RawFinding))
        if findings == NULL:
            return OUT_OF_MEMORY
        s.findings = findings
        s.finding_capacity = capacity
    findings = s.findings + s.finding_count
    findings.offset = offset
    findings.expected = expected
    findings.found = found
    findings.entry = entry
    findings.tag = tag
    findings.kind = kind
    s.finding_count += 1
    return REFUSED if s.strict else DONE


cdef int _note_coming(Stepper* s, uint16_t kind, uint32_t parent, uint32_t tag, uint64_t offset,
                      uint64_t expected) noexcept nogil:
    """Keep a finding about the element that gets the next entry; when strict, this entry is the last one."""
    cdef TapeEntry* entry
    cdef int status
    if s.count == s.capacity and _grow(s) != DONE:
        return OUT_OF_MEMORY
    status = stepper_note(s, kind, s.count, tag, offset, expected, 0)
    if status == REFUSED:
        entry = s.entries + s.count
        memset(entry, 0, sizeof(TapeEntry))
        entry.offset = offset
        entry.tag = tag
        entry.parent = parent
        s.count += 1
        entry.next = s.count
    return status


cdef int stepper_set_end(Stepper* s, uint64_t end) noexcept nogil:
    """Tell the stepper where the source really ends, once that is known; clips the last value.  A Status."""
    cdef uint32_t i
    cdef TapeEntry* last = s.entries + (s.count - 1)
    cdef TapeEntry* container
    cdef uint64_t length = last.length, declared
    cdef bint is_open
    cdef int status = DONE
    for i in range(s.depth + 1):
        if s.frames[i].bound > end:
            s.frames[i].bound = end
        container = s.entries + s.frames[i].entry
        declared = container.length
        if i and container != last and not s.frames[i].undefined and container.offset + declared > end:
            container.length = end - container.offset if end > container.offset else 0
            if status == DONE and not container.flags & CUT_SHORT:
                status = stepper_note(s, VALUE_CUT, s.frames[i].entry, container.tag,
                                      container.offset - container.header_size, declared, container.length)
            container.flags |= CUT_SHORT
    if status != DONE:
        return status
    if s.entries[0].offset + s.entries[0].length > end:
        s.entries[0].length = end - s.entries[0].offset if end > s.entries[0].offset else 0
    # Containers that ended with the last value are closed already, and as far behind the end as it is.
    i = last.parent
    while i > s.frames[s.depth].entry:
        container = s.entries + i
        if container.offset + container.length > end:
            container.length = end - container.offset if end > container.offset else 0
            container.flags |= CUT_SHORT
        i = container.parent
    if s.pos > end:
        s.pos = end
    is_open = s.frames[s.depth].undefined and s.frames[s.depth].entry == s.count - 1
    if s.count > 1 and last.offset + length > end and not is_open:
        last.length = end - last.offset if end > last.offset else 0
        last.flags |= CUT_SHORT
        return stepper_note(s, VALUE_CUT, s.count - 1, last.tag, last.offset - last.header_size, length, last.length)
    return DONE


# ------------------------------------------------------------------------------------------------------- odd headers

cdef inline uint32_t _tag_at(const uint8_t* p, uint8_t encoding) noexcept nogil:
    if encoding & BIG_ENDIAN:
        return dw_load32be(p)
    return (<uint32_t>dw_load16le(p) << 16) | dw_load16le(p + 2)


cdef bint _all_zero(const uint8_t* p, uint64_t n) noexcept nogil:
    cdef uint64_t i
    for i in range(n):
        if p[i]:
            return False
    return True


cdef inline uint32_t _u32_at(const uint8_t* p, uint8_t encoding) noexcept nogil:
    return dw_load32be(p) if encoding & BIG_ENDIAN else dw_load32le(p)


cdef bint _plausible_next(const uint8_t* p, uint64_t in_window, uint64_t left, uint32_t tag,
                          uint8_t encoding) noexcept nogil:
    """Whether an explicit element header could stand at ``p``, after an element with ``tag``."""
    cdef uint32_t next_tag
    if left == 0:
        return True
    if left < 8:
        return False
    if in_window < 8:
        return True             # cannot be seen without reading: benefit of the doubt
    next_tag = _tag_at(p, encoding)
    if (next_tag >> 16) == 0xFFFE:
        return next_tag == ITEM_DELIMITER or next_tag == SEQUENCE_DELIMITER or next_tag == ITEM_TAG
    return next_tag > tag and (dw_vr_traits(dw_load16le(p + 4)) & DW_VR_KNOWN) != 0


cdef enum Sight:
    WHOLE_SOURCE = 0            # the end is known; what is not in the window has the benefit of the doubt
    MUST_SEE = 1                # in a stream: the next header has to be seen
    BELIEVE = 2                 # in a stream: it may be out of sight, if the length is not out of proportion

cdef enum:
    BELIEVED_LENGTH = 1 << 24


cdef bint _fits(const uint8_t* p, uint64_t size, uint64_t length, uint64_t in_window, uint64_t left, uint32_t tag,
                uint8_t encoding, int sight) noexcept nogil:
    """Whether a header of ``size`` bytes with this length leaves room for what could follow it."""
    if left < size or length > left - size:
        return False
    size += length
    if size > in_window or in_window - size < 8 and size != left:
        if sight == MUST_SEE or sight == BELIEVE and length > BELIEVED_LENGTH:
            return False
        in_window = size        # out of sight
    return _plausible_next(p + size, in_window - size, left - size, tag, encoding)


cdef void _guess_header(const uint8_t* p, uint64_t in_window, uint64_t left, uint8_t encoding, int sight,
                        Header* h) noexcept nogil:
    """Read a header whose VR field holds none of the 34 VRs, in a data set of explicit VR.

    Three readings are tried, in the order of how often devices write them: an implicit VR element among explicit
    ones; a VR of a later edition or a damaged one with a 32-bit length, which the standard prescribes for new VRs
    (section 6.2); the same with a 16-bit length.  When none fits, the finding is UNREADABLE.
    """
    cdef uint64_t length = _u32_at(p + 4, encoding)
    cdef bint in_table = dw_tag_vr(h.tag) != 0
    cdef bint letters = dw_vr_is_two_capitals(h.vr) != 0
    h.flags = VR_GUESSED
    if not letters and (in_table and (length == UNDEFINED or sight != MUST_SEE and length <= left - 8)
                        or length != UNDEFINED and _fits(p, 8, length, in_window, left, h.tag, encoding, sight)):
        h.vr = dw_tag_vr(h.tag) if in_table else <uint16_t>DW_VR_UN
        if h.vr < 7:
            h.vr = 0
        h.length = <uint32_t>length
        h.size = 8
        h.finding = IMPLICIT_ELEMENT
        return
    h.finding = UNKNOWN_VR
    h.vr = DW_VR_UN
    if left >= 12 and in_window >= 12 and dw_load16le(p + 6) == 0:
        h.length = _u32_at(p + 8, encoding)
        h.size = 12
        if _fits(p, 12, h.length, in_window, left, h.tag, encoding, sight):
            return
    h.length = dw_load16be(p + 6) if encoding & BIG_ENDIAN else dw_load16le(p + 6)
    h.size = 8
    if not _fits(p, 8, h.length, in_window, left, h.tag, encoding, sight if letters or sight == WHOLE_SOURCE
                 else MUST_SEE):
        h.finding = UNREADABLE


cdef bint _unwrap_length(Stepper* s, TapeEntry* last, uint64_t bound, uint8_t encoding) noexcept nogil:
    """Whether the last element's 16-bit length had wrapped: tries longer ones until a header fits behind it.

    Some writers put values of 64 KiB and more under VRs with a 16-bit length, so that the length field holds the
    rest modulo 65,536.  Moves ``pos`` and repairs the entry when one multiple fits; looks only inside the window.
    """
    cdef uint64_t end = s.pos
    cdef int _wraps
    if last.header_size != 8 or last.flags or (encoding & IMPLICIT) or last.tag == ITEM_TAG:
        return False
    for _wraps in range(1, 257):
        end += 65536
        if end > bound or end + 8 > s.stop:
            return False
        if end == bound or (_tag_at(s.base + (end - s.start), encoding) > last.tag and _plausible_next(
                s.base + (end - s.start), s.stop - end, bound - end, last.tag, encoding)):
            last.length = end - last.offset
            last.flags |= VR_GUESSED
            s.pos = end
            return True
    return False


# ------------------------------------------------------------------------------------------------------------ the loop

cdef extern from "usual.h" nogil:
    # Headers that have nothing wrong with them, as far as they come: moves the stepper, leaves the rest to the loop.
    void dw_take_usual(Stepper*) noexcept


cdef int stepper_run(Stepper* s) noexcept nogil:
    """Step over headers until the root ends or something is needed; a Status.

    On NEED_DATA, STOPPED and PAUSED, ``pos`` is at a header that was not taken, and the run can be continued.
    """
    cdef Frame* frame = s.frames + s.depth
    cdef TapeEntry* entry
    cdef const uint8_t* p
    cdef uint64_t pos = s.pos, stop = s.stop, bound = frame.bound, end, left
    cdef uint8_t kind = frame.kind, encoding = frame.encoding, traits, undefined, inner
    cdef bint in_place
    cdef Header h
    cdef int status
    cdef uint32_t index

    while True:
        if pos >= s.start and kind != PIECES:
            s.pos = pos
            dw_take_usual(s)
            pos = s.pos
            frame = s.frames + s.depth
            bound, kind, encoding = frame.bound, frame.kind, frame.encoding

        # ---------------------------------------------------------------- the container's end
        if pos >= bound:
            if frame.undefined:
                s.pos = pos
                status = stepper_note(s, MISSING_DELIMITER, frame.entry, s.entries[frame.entry].tag, pos, 0, 0)
                if status != DONE:
                    return status
                s.entries[frame.entry].length = pos - s.entries[frame.entry].offset
                s.entries[frame.entry].flags &= <uint8_t>~END_UNKNOWN
            s.entries[frame.entry].next = s.count
            if s.depth == 0:
                s.pos = pos
                return DONE
            s.depth -= 1
            frame -= 1
            bound, kind, encoding = frame.bound, frame.kind, frame.encoding
            continue

        # ---------------------------------------------------------------- a header's eight bytes
        left = bound - pos
        if left < 8:
            s.pos = pos
            if pos + left > stop or pos < s.start:
                s.need = left
                return NEED_DATA
            # At the end of everything zeros are padding; anything else was going to be an element.
            status = stepper_note(s, TRAILING_BYTES if s.depth == 0 and kind == DATA_SET and s.count > 1 and _all_zero(
                s.base + (pos - s.start), left) else HEADER_CUT, frame.entry, s.entries[frame.entry].tag, pos, 8, left)
            if status != DONE:
                return status
            pos = bound
            continue
        if pos + 8 > stop or pos < s.start:
            s.pos = pos
            s.need = 8
            return NEED_DATA
        p = s.base + (pos - s.start)
        h.tag = _tag_at(p, encoding)

        # ---------------------------------------------------------------- items, fragments, delimiters
        if kind != DATA_SET:
            if h.tag == ITEM_TAG:
                if s.pause_at and s.count >= s.pause_at and s.depth == 1 and kind == ITEMS and frame.undefined:
                    s.pos = pos
                    s.entries[frame.entry].flags |= END_UNKNOWN
                    s.entries[frame.entry].next = s.entries[0].next = s.count
                    return PAUSED
                h.length = _u32_at(p + 4, encoding)
                undefined = h.length == UNDEFINED
                if s.count == s.capacity and _grow(s) != DONE:
                    return OUT_OF_MEMORY
                index = s.count
                entry = s.entries + index
                entry.offset = pos + 8
                entry.tag = ITEM_TAG
                entry.next = index + 1
                entry.parent = frame.entry
                entry.vr = DW_VR_NONE
                entry.header_size = 8
                entry.flags = 0
                entry.length = h.length
                s.count = index + 1
                if undefined and kind == ITEMS:
                    entry.flags = UNDEFINED_LENGTH
                    pos += 8
                    s.pos = pos
                    status = _push(s, bound, index, DATA_SET, encoding, 1)
                    if status != DONE:
                        return status
                    frame = s.frames + s.depth
                    kind = DATA_SET
                    continue
                if undefined or entry.length > left - 8:
                    s.pos = pos
                    entry.length = left - 8
                    entry.flags = CUT_SHORT
                    status = stepper_note(s, UNDEFINED_NOT_ALLOWED if undefined else OVERRUN, index, ITEM_TAG, pos,
                                          h.length, left - 8)
                    if status != DONE:
                        return status
                if entry.length & 1:
                    s.pos = pos
                    status = stepper_note(s, ODD_LENGTH, index, ITEM_TAG, pos, 0, entry.length)
                    if status != DONE:
                        return status
                pos += 8
                if kind == PIECES:
                    pos += entry.length
                elif entry.length > s.enter_limit:
                    entry.flags |= NOT_ENTERED
                    pos += entry.length
                else:
                    s.pos = pos
                    status = _push(s, pos + entry.length, index, DATA_SET, encoding, 0)
                    if status != DONE:
                        return status
                    frame = s.frames + s.depth
                    bound = frame.bound
                    kind = DATA_SET
                continue
            if h.tag == SEQUENCE_DELIMITER:
                h.length = _u32_at(p + 4, encoding)
                if h.length != 0:
                    s.pos = pos
                    status = stepper_note(s, DELIMITER_LENGTH, frame.entry, h.tag, pos, 0, h.length)
                    if status != DONE:
                        return status
                if frame.undefined:
                    entry = s.entries + frame.entry
                    entry.length = pos - entry.offset
                    entry.next = s.count
                    entry.flags &= <uint8_t>~END_UNKNOWN
                    s.depth -= 1
                    frame -= 1
                    bound, kind, encoding = frame.bound, frame.kind, frame.encoding
                else:
                    s.pos = pos
                    status = stepper_note(s, STRAY_DELIMITER, frame.entry, h.tag, pos, 0, 0)
                    if status != DONE:
                        return status
                pos += 8
                continue
            if h.tag == ITEM_DELIMITER:
                s.pos = pos
                status = stepper_note(s, STRAY_DELIMITER, frame.entry, h.tag, pos, 0, 0)
                if status != DONE:
                    return status
                pos += 8
                continue
            # Something else among the items.  An undefined length can only have lost its delimiter: its container
            # goes on here.  A known length says where to go on.
            s.pos = pos
            status = stepper_note(s, NOT_AN_ITEM, frame.entry, h.tag, pos, ITEM_TAG, h.tag)
            if status != DONE:
                return status
            entry = s.entries + frame.entry
            if frame.undefined:
                entry.length = pos - entry.offset
                entry.flags &= <uint8_t>~END_UNKNOWN
                entry.next = s.count
                s.depth -= 1
                frame -= 1
                bound, kind, encoding = frame.bound, frame.kind, frame.encoding
            else:
                entry.flags |= CUT_SHORT
                pos = bound
            continue

        if (h.tag >> 16) == 0xFFFE:
            s.pos = pos
            h.length = _u32_at(p + 4, encoding)
            if h.tag == ITEM_DELIMITER and frame.undefined:
                if h.length != 0:
                    status = stepper_note(s, DELIMITER_LENGTH, frame.entry, h.tag, pos, 0, h.length)
                    if status != DONE:
                        return status
                pos += 8
            elif s.depth > 0 and frame.undefined and (h.tag == SEQUENCE_DELIMITER or h.tag == ITEM_TAG):
                # The item lost its delimiter: it ends at the sequence's, or where the next item begins.
                in_place = h.tag == SEQUENCE_DELIMITER and not s.frames[s.depth - 1].undefined
                if h.tag == SEQUENCE_DELIMITER and not in_place and left >= 16:
                    # Written in place of the item's own delimiter, if another item follows.
                    if pos + 16 > stop:
                        s.need = 16
                        return NEED_DATA
                    in_place = _tag_at(p + 8, encoding) == ITEM_TAG
                status = stepper_note(s, MISSING_DELIMITER, frame.entry, ITEM_TAG, pos, ITEM_DELIMITER, h.tag)
                if status != DONE:
                    return status
                if in_place:
                    pos += 8
            else:
                status = stepper_note(s, STRAY_ITEM if h.tag == ITEM_TAG else STRAY_DELIMITER, frame.entry, h.tag, pos,
                                      0, h.length)
                if status != DONE:
                    return status
                pos += 8
                continue
            entry = s.entries + frame.entry
            entry.length = s.pos - entry.offset
            entry.next = s.count
            s.depth -= 1
            frame -= 1
            bound, kind, encoding = frame.bound, frame.kind, frame.encoding
            continue

        # ---------------------------------------------------------------- an element
        if s.depth == 0 and h.tag - s.first_tag > s.tag_span:
            s.entries[0].next = s.count
            s.pos = pos
            return STOPPED
        h.flags = 0
        h.finding = NO_FINDING
        if encoding & IMPLICIT:
            h.length = _u32_at(p + 4, encoding)
            h.vr = 0
            h.size = 8
            if s.look_up and h.length != 0:
                h.vr = dw_tag_vr(h.tag)
                if h.vr <= DW_VR_NONE or h.vr == DW_VR_UN or h.length == UNDEFINED and h.vr != DW_VR_SQ:
                    h.vr = 0
            if h.tag == 0 and h.length == 0 and s.depth == 0 and s.count > 1:
                s.pos = pos
                status = stepper_note(s, TRAILING_BYTES, 0, 0, pos, 0, left)
                if status != DONE:
                    return status
                pos = bound
                continue
        else:
            h.vr = dw_load16le(p + 4)
            traits = dw_vr_traits(h.vr)
            if traits & DW_VR_LONG:
                if left < 12:
                    s.pos = pos
                    status = stepper_note(s, HEADER_CUT, frame.entry, h.tag, pos, 12, left)
                    if status != DONE:
                        return status
                    pos = bound
                    continue
                if pos + 12 > stop:
                    s.pos = pos
                    s.need = 12
                    return NEED_DATA
                h.length = _u32_at(p + 8, encoding)
                h.size = 12
            elif traits:
                h.length = dw_load16be(p + 6) if encoding & BIG_ENDIAN else dw_load16le(p + 6)
                h.size = 8
            else:
                # A stream decides on the same bytes wherever it is cut.
                end = min(left, <uint64_t>max(s.look_ahead, <uint32_t>12))
                if (left >= 12 or s.look_ahead) and pos + end > stop:
                    s.pos = pos
                    s.need = end
                    return NEED_DATA
                if not s.look_ahead:
                    end = stop - pos
                s.pos = pos
                if h.tag == 0 and h.vr == 0 and s.depth == 0 and s.count > 1:
                    h.finding = TRAILING_BYTES
                else:
                    _guess_header(p, end, left, encoding, MUST_SEE if s.look_ahead else WHOLE_SOURCE, &h)
                    if h.finding == UNREADABLE and s.look_ahead:
                        h.vr = dw_load16le(p + 4)
                        _guess_header(p, end, left, encoding, BELIEVE, &h)
                    # What a stream has given away cannot be made longer.
                    if h.finding == UNREADABLE and not s.look_ahead and (
                            s.entries[s.count - 1].parent == frame.entry) and _unwrap_length(
                            s, s.entries + (s.count - 1), bound, encoding):
                        status = stepper_note(s, LENGTH_WRAPPED, s.count - 1, s.entries[s.count - 1].tag, pos,
                                              s.entries[s.count - 1].length, 0)
                        if status != DONE:
                            return status
                        pos = s.pos
                        continue
                if h.finding == UNREADABLE or h.finding == TRAILING_BYTES:
                    status = stepper_note(s, h.finding, frame.entry, h.tag, pos, 0, left)
                    if status != DONE:
                        return status
                    s.entries[frame.entry].flags |= CUT_SHORT
                    pos = bound
                    continue
                status = _note_coming(s, h.finding, frame.entry, h.tag, pos, dw_load16le(p + 4))
                if status != DONE:
                    return status

        if s.count == s.capacity and _grow(s) != DONE:
            return OUT_OF_MEMORY
        index = s.count
        entry = s.entries + index
        end = pos + h.size
        entry.offset = end
        entry.length = h.length
        entry.tag = h.tag
        entry.next = index + 1
        entry.parent = frame.entry
        entry.vr = h.vr
        entry.header_size = h.size
        entry.flags = h.flags
        s.count = index + 1

        if h.tag < frame.last_tag:
            s.pos = pos
            s.entries[frame.entry].flags |= UNORDERED
            status = stepper_note(s, DUPLICATE_TAG if h.tag + 1 == frame.last_tag else TAG_ORDER, index, h.tag, pos,
                                  frame.last_tag - 1, h.tag)
            if status != DONE:
                return status
        else:
            frame.last_tag = h.tag + (h.tag != 0xFFFFFFFFu)

        # ---------------------------------------------------------------- undefined length
        if h.length == UNDEFINED:
            pos = end
            s.pos = pos
            entry.flags |= UNDEFINED_LENGTH
            inner = encoding
            if h.vr == DW_VR_UN and not (encoding & IMPLICIT):
                entry.flags |= IMPLICIT_IN_UN
                inner = IMPLICIT
            elif h.vr == DW_VR_OB or h.vr == DW_VR_OW or (h.vr == 0 and h.tag == 0x7FE00010):
                entry.flags |= FRAGMENTS | END_UNKNOWN
                status = _push(s, bound, index, PIECES, encoding, 1)
                if status != DONE:
                    return status
                frame = s.frames + s.depth
                kind = PIECES
                if s.depth == 1:
                    s.entries[0].next = s.count
                    return PAUSED
                continue
            elif h.vr != DW_VR_SQ and h.vr != 0:
                status = stepper_note(s, UNDEFINED_NOT_ALLOWED, index, h.tag, end - h.size, h.vr, UNDEFINED)
                if status != DONE:
                    return status
                entry.vr = DW_VR_UN
                entry.flags |= VR_GUESSED
            status = _push(s, bound, index, ITEMS, inner, 1)
            if status != DONE:
                return status
            frame = s.frames + s.depth
            kind = ITEMS
            encoding = inner
            continue

        # ---------------------------------------------------------------- known length
        if entry.length > bound - end:
            s.pos = pos
            entry.length = bound - end
            entry.flags |= CUT_SHORT
            status = stepper_note(s, VALUE_CUT if bound == s.frames[0].bound else OVERRUN, index, h.tag, pos, h.length,
                                  bound - end)
            if status != DONE:
                return status
        if entry.length & 1:
            s.pos = pos
            status = stepper_note(s, ODD_LENGTH, index, h.tag, pos, 0, entry.length)
            if status != DONE:
                return status
        if h.vr == DW_VR_SQ and entry.length > 0:
            if entry.length <= s.enter_limit:
                pos = end
                s.pos = pos
                status = _push(s, end + entry.length, index, ITEMS, encoding, 0)
                if status != DONE:
                    return status
                frame = s.frames + s.depth
                bound = frame.bound
                kind = ITEMS
                continue
            entry.flags |= NOT_ENTERED
        pos = end + entry.length
