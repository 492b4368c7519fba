"""A buffer that grows, and the encoding of elements into it (PS3.5 section 7.1).

The buffer is a Window that owns its memory: ``start`` is 0, ``stop`` the number of bytes written.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from .source cimport Window
from .tape cimport BIG_ENDIAN, IMPLICIT
from .vr cimport DW_VR_LONG, dw_vr_traits

cdef extern from "bigmem.h" nogil:
    void* dw_grow(void* old, size_t old_size, size_t new_size) noexcept
    void dw_release(void* array, size_t size) noexcept

cdef int grow(Window* out, uint64_t more) noexcept nogil


cdef inline uint8_t* room(Window* out, uint64_t more) noexcept nogil:
    """Where to write ``more`` bytes, which count as written; NULL when there is no memory."""
    cdef uint8_t* p
    if (out.stop + more > out.capacity or out.data == NULL) and grow(out, more) != 0:
        return NULL
    p = out.data + out.stop
    out.stop += more
    return p


cdef inline void store16(uint8_t* p, uint32_t value, bint big) noexcept nogil:
    p[big] = <uint8_t>value
    p[1 - big] = <uint8_t>(value >> 8)


cdef inline void store32(uint8_t* p, uint32_t value, bint big) noexcept nogil:
    if big:
        p[0], p[1], p[2], p[3] = <uint8_t>(value >> 24), <uint8_t>(value >> 16), <uint8_t>(value >> 8), <uint8_t>value
    else:
        p[3], p[2], p[1], p[0] = <uint8_t>(value >> 24), <uint8_t>(value >> 16), <uint8_t>(value >> 8), <uint8_t>value


cdef inline void store_tag(uint8_t* p, uint32_t tag, bint big) noexcept nogil:
    store16(p, tag >> 16, big)
    store16(p + 2, tag & 0xFFFF, big)


cdef inline int header_size(uint16_t vr, int encoding) noexcept nogil:
    """Bytes of an element's header: 8, or 12 for the VRs with a 32-bit length in explicit VR."""
    return 12 if not encoding & IMPLICIT and dw_vr_traits(vr) & DW_VR_LONG else 8


cdef inline void store_header(uint8_t* p, uint32_t tag, uint16_t vr, uint32_t length, int encoding) noexcept nogil:
    """Write a header of ``header_size`` bytes; a length beyond 16 bits needs a VR that has room for it."""
    cdef bint big = encoding & BIG_ENDIAN != 0
    store_tag(p, tag, big)
    if encoding & IMPLICIT:
        store32(p + 4, length, big)
        return
    p[4] = <uint8_t>vr
    p[5] = <uint8_t>(vr >> 8)
    if dw_vr_traits(vr) & DW_VR_LONG:
        p[6] = p[7] = 0
        store32(p + 8, length, big)
    else:
        store16(p + 6, length, big)


cdef inline void store_item(uint8_t* p, uint32_t tag, uint32_t length, int encoding) noexcept nogil:
    """Write the 8 bytes of an item's header, or of a delimiter."""
    cdef bint big = encoding & BIG_ENDIAN != 0
    store_tag(p, tag, big)
    store32(p + 4, length, big)
