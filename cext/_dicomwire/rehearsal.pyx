"""A rehearsal: connections made up by the caller, told to a StreamSink as a capture would tell them.

For tests and the fuzzer: what a sink makes of streams, in any cuts and with gaps, without packets.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from .sink cimport UNKNOWN_TIME, Connection, Segment, Side, StreamSink


@cython.final
cdef class Rehearsal:
    """Tells ``sink`` of connections.  Ends must be those of its life: `forget` or `close` before the sink goes.

    Counters of a Side are the caller's: `counters` sets them.
    """
    cdef StreamSink sink
    cdef dict connections               # serial: address of the struct
    cdef uint64_t serial
    cdef uint64_t frame

    def __init__(self, StreamSink sink not None):
        self.sink = sink
        self.connections = {}

    def __dealloc__(self):
        for address in (self.connections or {}).values():
            free(<void*><size_t>address)

    cdef Connection* at(self, serial) except NULL:
        return <Connection*><size_t>self.connections[serial]

    cdef Segment _segment(self, int64_t time_ns, frame, acknowledged, size_t length):
        cdef Segment segment
        memset(&segment, 0, sizeof(Segment))
        self.frame = self.frame + 1 if frame is None else frame
        segment.time_ns = time_ns
        segment.frame = self.frame
        segment.has_ack = acknowledged is not None
        segment.acknowledged = acknowledged if acknowledged is not None else 0
        segment.payload_length = <uint32_t>length
        segment.wire_length = <uint32_t>length + 54
        return segment

    def open(self, client=b"\n\0\0\1", server=b"\n\0\0\2", *, int client_port=40000, int server_port=104,
             bint from_start=True, int64_t time_ns=0):
        """Open a connection; its serial number.  Without ``from_start`` it is met in the middle."""
        cdef Connection* connection
        cdef Segment segment
        cdef bytes first = client, second = server
        cdef int i
        if len(first) not in (4, 16) or len(first) != len(second):
            raise ValueError("addresses of 4 or of 16 bytes expected")
        connection = <Connection*>calloc(1, sizeof(Connection))
        if connection == NULL:
            raise MemoryError
        self.serial += 1
        self.connections[self.serial] = <size_t>connection
        connection.serial = self.serial
        memcpy(connection.address[0], <const uint8_t*>first, len(first))
        memcpy(connection.address[1], <const uint8_t*>second, len(second))
        connection.port[0] = client_port
        connection.port[1] = server_port
        connection.ip_version = 4 if len(first) == 4 else 6
        connection.from_start = from_start
        segment = self._segment(time_ns, None, None, 0)
        for i in range(2):
            connection.side[i].has_started = from_start
            connection.side[i].first_ns = connection.side[i].last_ns = time_ns
            connection.side[i].syn_ns = time_ns if from_start else UNKNOWN_TIME
            connection.side[i].fin_ns = connection.side[i].rst_ns = UNKNOWN_TIME
            connection.side[i].zero_window_since_ns = UNKNOWN_TIME
        with nogil:
            self.sink.opened(connection, &segment)
        return self.serial

    def counters(self, serial, int side, *, retransmissions=None, timeouts=None, zero_windows=None, zero_window_ns=None,
                 rtt_ns=None):
        """Set counters of a side; ``rtt_ns`` is a further sample."""
        cdef Side* s = &self.at(serial).side[side & 1]
        if retransmissions is not None:
            s.retransmissions = retransmissions
        if timeouts is not None:
            s.timeouts = timeouts
        if zero_windows is not None:
            s.zero_windows = zero_windows
        if zero_window_ns is not None:
            s.zero_window_ns = zero_window_ns
        if rtt_ns is not None:
            s.rtt_last_ns = rtt_ns
            s.rtt_min_ns = min(s.rtt_min_ns, <int64_t>rtt_ns) if s.rtt_count else <int64_t>rtt_ns
            s.rtt_max_ns = max(s.rtt_max_ns, <int64_t>rtt_ns)
            s.rtt_sum_ns += <uint64_t>rtt_ns
            s.rtt_count += 1

    def data(self, serial, int side, data, *, int64_t time_ns=0, frame=None, acknowledged=None):
        """Give bytes of a stream, one packet; the sink's answer.

        ``acknowledged``: bytes of the other stream that its sender has received; by default all that were given.
        """
        cdef Connection* connection = self.at(serial)
        cdef Side* s = &connection.side[side & 1]
        cdef Segment segment
        cdef Py_buffer view
        cdef int answer
        if acknowledged is None:
            acknowledged = connection.side[1 - (side & 1)].delivered
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            segment = self._segment(time_ns, frame, acknowledged, view.len)
            s.packets += 1
            s.wire_bytes += segment.wire_length
            s.payload_bytes += <uint64_t>view.len
            s.last_ns = time_ns
            with nogil:
                answer = self.sink.data(connection, side & 1, <const uint8_t*>view.buf, <size_t>view.len, &segment)
            s.delivered += <uint64_t>view.len
        finally:
            PyBuffer_Release(&view)
        return answer

    def gap(self, serial, int side, uint64_t length, *, int kind=0, int64_t time_ns=0):
        """Say that bytes are missing; the sink's answer."""
        cdef Connection* connection = self.at(serial)
        cdef Segment segment = self._segment(time_ns, None, 0, 0)
        cdef int answer
        connection.side[side & 1].lost_bytes += length
        connection.side[side & 1].gaps += 1
        with nogil:
            answer = self.sink.gap(connection, side & 1, length, kind, &segment)
        connection.side[side & 1].delivered += length
        return answer

    def ended(self, serial, int side, int kind=0, *, int64_t time_ns=0):
        """Say that a stream ended; the sink's answer."""
        cdef Connection* connection = self.at(serial)
        cdef Segment segment = self._segment(time_ns, None, 0, 0)
        if kind == 0:
            connection.side[side & 1].fin_ns = time_ns
        elif kind == 1:
            connection.side[side & 1].rst_ns = time_ns
        with nogil:
            answer = self.sink.ended(connection, side & 1, kind, &segment)
        return answer

    def forget(self, serial, int kind=0, *, int64_t time_ns=0):
        """Say that a connection is over."""
        cdef Connection* connection = self.at(serial)
        with nogil:
            self.sink.forgotten(connection, kind, time_ns)
        del self.connections[serial]
        free(connection)

    def close(self, *, int64_t time_ns=0):
        """The capture ends, and all connections with it."""
        for serial in list(self.connections):
            self.forget(serial, 5, time_ns=time_ns)
