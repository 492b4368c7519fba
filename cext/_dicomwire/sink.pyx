"""What takes the streams of connections.  The contract is in sink.pxd."""


cdef class StreamSink:
    """Takes the streams of connections; this one lets everything pass."""

    cdef int opened(self, Connection* connection, const Segment* segment) noexcept nogil:
        return GO_ON

    cdef int data(self, Connection* connection, int side, const uint8_t* data, size_t length,
                  const Segment* segment) noexcept nogil:
        return GO_ON

    cdef int gap(self, Connection* connection, int side, uint64_t length, int kind,
                 const Segment* segment) noexcept nogil:
        return GO_ON

    cdef int ended(self, Connection* connection, int side, int kind, const Segment* segment) noexcept nogil:
        return GO_ON

    cdef int forgotten(self, Connection* connection, int kind, int64_t time_ns) noexcept nogil:
        return GO_ON
