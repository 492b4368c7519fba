"""Growth of the buffers that elements are encoded into."""

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
