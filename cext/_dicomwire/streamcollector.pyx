"""A sink that keeps everything it is told, for tests and for a look at small captures."""
cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

from .link cimport NO_SCALE
from .sink cimport GO_ON, IGNORE, PAUSE, UNKNOWN_TIME, Connection, Segment, Side, StreamSink

from ipaddress import ip_address

cdef tuple GAP_NAMES = ("lost", "cut", "evicted", "unconfirmed")
cdef tuple END_NAMES = ("fin", "rst", "idle", "superseded", "evicted", "capture-end")


cdef tuple endpoint(const Connection* connection, int side):
    cdef bytes address = (<const char*>connection.address[side])[:4 if connection.ip_version == 4 else 16]
    return str(ip_address(address)), connection.port[side]


cdef dict side_values(const Side* side):
    """What was counted of one side, by name; None for what is not known."""
    values = dict(side[0])
    for name in ("first_ns", "last_ns", "syn_ns", "fin_ns", "rst_ns", "zero_window_since_ns"):
        if values[name] == UNKNOWN_TIME:
            values[name] = None
    if values["window_scale"] == NO_SCALE:
        values["window_scale"] = None
    return values


class CollectedConnection:
    """What a StreamCollector was told of one connection.

    ``streams`` are the bytes of both sides, without those in gaps; ``events`` all calls in their order, tuples that
    begin with their name: ("data", side, offset, length, time_ns, frame, was_held), ("gap", side, offset, length,
    kind), ("ended", side, kind).  ``kind`` is how it ended, None while it goes on, and ``sides`` what was counted
    until then.
    """

    def __init__(self, int serial, tuple client, tuple server, bint from_start, int vlan):
        self.serial = serial
        self.client = client
        self.server = server
        self.from_start = from_start
        self.vlan = vlan
        self.streams = (bytearray(), bytearray())
        self.events = []
        self.kind = None
        self.sides = None


@cython.final
cdef class StreamCollector(StreamSink):
    """Keeps all streams in memory: for tests, and to look at small captures.

    ``pauses`` stops the table at each call; ``ignores`` are numbers of connections whose bytes are not wanted.
    """
    cdef readonly list connections
    cdef dict known
    cdef bint pauses
    cdef frozenset ignores

    def __init__(self, *, bint pauses=False, ignores=()):
        self.connections = []
        self.known = {}
        self.pauses = pauses
        self.ignores = frozenset(ignores)

    cdef int _answer(self, uint64_t serial) noexcept:
        if serial in self.ignores:
            return IGNORE
        return PAUSE if self.pauses else GO_ON

    @cython.nonecheck(False)
    cdef int opened(self, Connection* connection, const Segment* segment) noexcept nogil:
        with gil:
            found = CollectedConnection(connection.serial, endpoint(connection, 0), endpoint(connection, 1),
                                        connection.from_start, connection.vlan)
            self.connections.append(found)
            self.known[connection.serial] = found
            return self._answer(connection.serial)

    @cython.nonecheck(False)
    cdef int data(self, Connection* connection, int side, const uint8_t* data, size_t length,
                  const Segment* segment) noexcept nogil:
        with gil:
            found = self.known[connection.serial]
            found.streams[side].extend(data[:length])
            found.events.append(("data", side, connection.side[side].delivered, length, segment.time_ns, segment.frame,
                                 segment.was_held))
            return self._answer(connection.serial)

    @cython.nonecheck(False)
    cdef int gap(self, Connection* connection, int side, uint64_t length, int kind,
                 const Segment* segment) noexcept nogil:
        with gil:
            self.known[connection.serial].events.append(
                ("gap", side, connection.side[side].delivered, length, GAP_NAMES[kind]))
            return self._answer(connection.serial)

    @cython.nonecheck(False)
    cdef int ended(self, Connection* connection, int side, int kind, const Segment* segment) noexcept nogil:
        with gil:
            self.known[connection.serial].events.append(("ended", side, END_NAMES[kind]))
            return self._answer(connection.serial)

    @cython.nonecheck(False)
    cdef int forgotten(self, Connection* connection, int kind, int64_t time_ns) noexcept nogil:
        with gil:
            found = self.known.pop(connection.serial)
            found.kind = END_NAMES[kind]
            found.from_start = connection.from_start
            found.sides = side_values(connection.side), side_values(connection.side + 1)
            return self._answer(connection.serial)
