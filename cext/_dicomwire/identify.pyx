"""Which instance a data set is, from its first bytes (PS3.3 section C.12.1)."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef extern from "bswap.h" nogil:
    uint16_t dw_load16le(const void*) noexcept
    uint16_t dw_load16be(const void*) noexcept
    uint32_t dw_load32le(const void*) noexcept
    uint32_t dw_load32be(const void*) noexcept

cdef enum:
    HEADER = 8                  # bytes of all headers in implicit VR, and of those of short values in explicit VR
    SOP_CLASS_UID = 0x00080016
    SOP_INSTANCE_UID = 0x00080018


cdef inline bint is_short(uint8_t first, uint8_t second) noexcept nogil:
    """Whether a VR is one of those that stand before the UIDs, with a 16-bit length (PS3.5 section 7.1.2)."""
    return ((first == c"C" and second == c"S") or (first == c"D" and (second == c"A" or second == c"T"))
            or (first == c"S" and second == c"H") or (first == c"T" and second == c"M")
            or (first == c"U" and (second == c"I" or second == c"L")) or (first == c"L" and second == c"O"))


def leading_uids(data, bint explicit_vr, bint little_endian):
    """SOP Class UID and SOP Instance UID at the beginning of a data set, as bytes without padding, empty if missing.

    None says no more than that somebody has to read the data set: it does not begin in the usual way, with short
    elements of group 0008, or what is there ends before the element behind the UIDs.
    """
    cdef Py_buffer view
    cdef const uint8_t* p
    cdef Py_ssize_t at = 0, end
    cdef uint32_t tag, length
    cdef bint found = False
    cdef Py_ssize_t[2] place = [0, 0]
    cdef uint32_t[2] size = [0, 0]
    cdef int which
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    p = <const uint8_t*>view.buf
    end = view.len
    while end - at >= HEADER:
        if little_endian:
            tag = <uint32_t>dw_load16le(p + at) << 16 | dw_load16le(p + at + 2)
        else:
            tag = <uint32_t>dw_load16be(p + at) << 16 | dw_load16be(p + at + 2)
        if tag > SOP_INSTANCE_UID:
            found = True
            break
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
            place[which] = at
            size[which] = length
        at += length
    try:
        if not found:
            return None
        return (<bytes>p[place[0]:place[0] + size[0]]).rstrip(b"\0 "), (<bytes>p[place[1]:place[1] + size[1]]).rstrip(b"\0 ")
    finally:
        PyBuffer_Release(&view)
