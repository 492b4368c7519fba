"""Which instance a data set is, from its first bytes (PS3.3 section C.12.1)."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from .vr cimport DW_VR_KNOWN, DW_VR_LONG, DW_VR_SQ, dw_vr_traits

cdef extern from "bswap.h" nogil:
    uint16_t dw_load16le(const void*) noexcept
    uint16_t dw_load16be(const void*) noexcept
    uint32_t dw_load32le(const void*) noexcept
    uint32_t dw_load32be(const void*) noexcept

cdef enum:
    HEADER = 8                  # bytes of all headers in implicit VR, and of those of short values in explicit VR
    SOP_CLASS_UID = 0x00080016
    SOP_INSTANCE_UID = 0x00080018
    ITEM = 0xFFFEE000
    ITEM_END = 0xFFFEE00D
    SEQUENCE_END = 0xFFFEE0DD
    UNDEFINED = 0xFFFFFFFF
    MOST_DEPTH = 32


cdef inline bint is_short(uint8_t first, uint8_t second) noexcept nogil:
    """Whether a VR is one of those that stand before the UIDs, with a 16-bit length (PS3.5 section 7.1.2)."""
    return ((first == c"C" and second == c"S") or (first == c"D" and (second == c"A" or second == c"T"))
            or (first == c"S" and second == c"H") or (first == c"T" and second == c"M")
            or (first == c"U" and (second == c"I" or second == c"L")) or (first == c"L" and second == c"O"))


cdef bint find_leading_uids(const uint8_t* p, Py_ssize_t end, bint explicit_vr, bint little_endian,
                            LeadingUIDs* out) noexcept nogil:
    cdef Py_ssize_t at = 0
    cdef uint32_t tag, length
    cdef int which
    out.offset[0] = out.offset[1] = 0
    out.length[0] = out.length[1] = 0
    while end - at >= HEADER:
        if little_endian:
            tag = <uint32_t>dw_load16le(p + at) << 16 | dw_load16le(p + at + 2)
        else:
            tag = <uint32_t>dw_load16be(p + at) << 16 | dw_load16be(p + at + 2)
        if tag > SOP_INSTANCE_UID:
            for which in range(2):
                while out.length[which] and p[out.offset[which] + out.length[which] - 1] in (0, c" "):
                    out.length[which] -= 1
            return True
        if tag < 0x00080000:
            break
        if not explicit_vr:
            length = dw_load32le(p + at + 4)
        elif is_short(p[at + 4], p[at + 5]):
            length = dw_load16le(p + at + 6) if little_endian else dw_load16be(p + at + 6)
        else:
            break
        at += HEADER
        if length > end - at:
            break
        if tag == SOP_CLASS_UID or tag == SOP_INSTANCE_UID:
            which = tag == SOP_INSTANCE_UID
            out.offset[which] = at
            out.length[which] = length
        at += length
    return False


def leading_uids(data, bint explicit_vr, bint little_endian):
    """SOP Class UID and SOP Instance UID at the beginning of a data set, as bytes without padding, empty if missing.

    None says no more than that somebody has to read the data set: it does not begin in the usual way, with short
    elements of group 0008, or what is there ends before the element behind the UIDs.
    """
    cdef Py_buffer view
    cdef const uint8_t* p
    cdef LeadingUIDs found
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    p = <const uint8_t*>view.buf
    try:
        if not find_leading_uids(p, view.len, explicit_vr, little_endian, &found):
            return None
        return (
            <bytes>p[found.offset[0]:found.offset[0] + found.length[0]],
            <bytes>p[found.offset[1]:found.offset[1] + found.length[1]],
        )
    finally:
        PyBuffer_Release(&view)


cdef Py_ssize_t find_tag(const uint8_t* p, Py_ssize_t end, bint explicit_vr, bint little_endian,
                         uint32_t until) noexcept nogil:
    cdef Py_ssize_t at = 0
    cdef uint32_t tag, length, last = 0
    cdef uint16_t vr = DW_VR_SQ     # implicit VR: nothing else has an undefined length before the pixel data
    cdef int depth = 0          # of undefined lengths: odd in a sequence, even in an item
    while end - at >= HEADER:
        if little_endian:
            tag = <uint32_t>dw_load16le(p + at) << 16 | dw_load16le(p + at + 2)
            length = dw_load32le(p + at + 4)
        else:
            tag = <uint32_t>dw_load16be(p + at) << 16 | dw_load16be(p + at + 2)
            length = dw_load32be(p + at + 4)
        if depth == 0:
            if (tag <= last and at) or tag >> 16 == 0xFFFE:
                return -1
            if tag >= until:
                return at
            last = tag
        if tag >> 16 == 0xFFFE:
            at += HEADER
            if tag == ITEM and depth & 1:
                if length == UNDEFINED:
                    depth += 1
                    continue
            elif length == 0 and depth and tag == <uint32_t>(SEQUENCE_END if depth & 1 else ITEM_END):
                depth -= 1
                continue
            else:
                return -1
        elif depth & 1:
            return -1
        else:
            if explicit_vr:
                vr = dw_load16le(p + at + 4)
                if not dw_vr_traits(vr) & DW_VR_KNOWN:
                    return -1
                if dw_vr_traits(vr) & DW_VR_LONG:
                    if end - at < HEADER + 4:
                        return -1
                    length = dw_load32le(p + at + 8) if little_endian else dw_load32be(p + at + 8)
                    at += 4
                else:
                    length = dw_load16le(p + at + 6) if little_endian else dw_load16be(p + at + 6)
            at += HEADER
            if length == UNDEFINED:
                if depth >= MOST_DEPTH or vr != DW_VR_SQ:
                    return -1
                depth += 1
                continue
        if length > end - at:
            return -1
        at += length
    return -1


def length_before(data, bint explicit_vr, bint little_endian, uint32_t until):
    """Bytes at the beginning of a data set before its first element with this tag or a higher one.

    -1 says no more than that somebody has to read the data set: what is there ends before, or is not as usual.  What is
    inside of items is only stepped over.
    """
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return find_tag(<const uint8_t*>view.buf, view.len, explicit_vr, little_endian, until)
    finally:
        PyBuffer_Release(&view)


cdef inline bint is_long(uint8_t first, uint8_t second) noexcept nogil:
    """Whether a VR of File Meta Information has a 32-bit length: OB and UN, and UT that some put there."""
    return (first == c"O" and second == c"B") or (first == c"U" and (second == c"N" or second == c"T"))


def meta_uids(data):
    """Media Storage SOP Class UID, Media Storage SOP Instance UID and Transfer Syntax UID of a file as bytes without
    padding, empty if missing, and where its data set begins.

    None says no more than that somebody has to look closer: the file has no preamble, its File Meta Information is not
    as the standard has it, or ends behind ``data`` (PS3.10 section 7.1).
    """
    cdef Py_buffer view
    cdef const uint8_t* p
    cdef Py_ssize_t at = 132, end
    cdef uint32_t length
    cdef uint16_t element
    cdef bint found = False
    cdef Py_ssize_t[3] place = [0, 0, 0]
    cdef uint32_t[3] size = [0, 0, 0]
    cdef int which
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    p = <const uint8_t*>view.buf
    end = view.len
    if end > at and p[128] == c"D" and p[129] == c"I" and p[130] == c"C" and p[131] == c"M":
        while end - at >= HEADER:
            if dw_load16le(p + at) != 2:
                found = at > 132
                break
            element = dw_load16le(p + at + 2)
            if is_long(p[at + 4], p[at + 5]):
                if end - at < HEADER + 4:
                    break
                length = dw_load32le(p + at + 8)
                at += 4
            elif c"A" <= p[at + 4] <= c"Z" and c"A" <= p[at + 5] <= c"Z":
                length = dw_load16le(p + at + 6)
            else:
                break
            at += HEADER
            if length > end - at:
                break
            if element == 0x02 or element == 0x03 or element == 0x10:
                which = 2 if element == 0x10 else element - 2
                place[which] = at
                size[which] = length
            at += length
    try:
        if not found:
            return None
        return (
            (<bytes>p[place[0]:place[0] + size[0]]).rstrip(b"\0 "),
            (<bytes>p[place[1]:place[1] + size[1]]).rstrip(b"\0 "),
            (<bytes>p[place[2]:place[2] + size[2]]).rstrip(b"\0 "),
            at,
        )
    finally:
        PyBuffer_Release(&view)
