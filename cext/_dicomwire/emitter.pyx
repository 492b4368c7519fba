"""Growth of the buffers that elements are encoded into, and a Python face for tests."""
from libc.string cimport memset

from .vr import vr_code

cdef enum:
    FIRST_ROOM = 256


cdef int grow(Window* out, uint64_t more) noexcept nogil:
    """Make room for ``more`` bytes; -1 when there is no memory."""
    cdef uint64_t capacity = out.capacity + (out.capacity >> 1)
    cdef uint8_t* data
    if capacity < out.stop + more:
        capacity = out.stop + more
    if capacity < FIRST_ROOM:
        capacity = FIRST_ROOM
    data = <uint8_t*>dw_grow(out.data, out.capacity, capacity)
    if data == NULL:
        return -1
    out.data = data
    out.capacity = capacity
    return 0


def encoded_header(uint32_t tag, str vr, uint32_t length, int encoding) -> bytes:
    """An element's header in one of the encodings of tape.pxd."""
    cdef uint8_t[12] header
    cdef uint16_t code = <uint16_t>vr_code(vr)
    memset(header, 0, 12)
    store_header(header, tag, code, length, encoding)
    return <bytes>(<const char*>header)[:header_size(code, encoding)]
