"""Fragments of IP datagrams until all are there.

So many datagrams wait at once, and each for half a minute; the one that has waited longest makes room.  Of bytes that
come twice the first count.
"""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy, memset

from .link cimport Datagram

cdef int64_t PATIENCE_NS = 30000000000


@cython.final
cdef class FragmentTable:
    """What of a FlowTable puts fragments together; a part of it, and of no use to others."""

    def __cinit__(self):
        self.pending = <Pending*>calloc(MOST_PENDING, sizeof(Pending))
        if self.pending == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef int number
        if self.pending != NULL:
            for number in range(self.count):
                free(self.pending[number].data)
        free(self.pending)

    @cython.nonecheck(False)
    cdef Pending* find(self, const Datagram* datagram, int64_t time_ns) noexcept nogil:
        """Where the datagram of a fragment is collected; a place that is free, or becomes so, if it is new."""
        cdef int size = 4 if datagram.version == 4 else 16
        cdef Pending* place
        cdef Pending* best = NULL
        cdef int number
        for number in range(self.count):
            place = self.pending + number
            if place.is_used and time_ns - place.since_ns > PATIENCE_NS:
                place.is_used = False
                self.lost += 1
            if not place.is_used:
                if best == NULL or best.is_used:
                    best = place
            elif (place.identification == datagram.identification and place.version == datagram.version
                    and memcmp(place.source, datagram.source, size) == 0
                    and memcmp(place.destination, datagram.destination, size) == 0):
                return place
            elif best == NULL or (best.is_used and place.since_ns < best.since_ns):
                best = place
        if (best == NULL or best.is_used) and self.count < MOST_PENDING:
            best = self.pending + self.count
            self.count += 1
        if best.is_used:
            self.lost += 1
        best.is_used = True
        best.identification = datagram.identification
        best.version = datagram.version
        best.protocol = datagram.protocol
        memcpy(best.source, datagram.source, size)
        memcpy(best.destination, datagram.destination, size)
        best.since_ns = time_ns
        best.blocks = best.total = best.wire_length = 0
        best.captured_until = MOST_LENGTH
        memset(best.seen, 0, BLOCKS)
        return best

    @cython.nonecheck(False)
    cdef bint take(self, Datagram* datagram, uint32_t* wire_length, int64_t time_ns) noexcept nogil:
        """Keep a fragment; True if its datagram is complete with it: then it takes the fragment's place, its payload
        borrowed until the next call, and ``wire_length`` is that of all fragments."""
        cdef Pending* place
        cdef uint32_t offset = datagram.fragment_offset, end = offset + datagram.length, at, stop, size
        cdef uint8_t* grown
        if end > MOST_LENGTH or datagram.length == 0 or (datagram.more_fragments and datagram.length & 7):
            self.lost += 1
            return False
        place = self.find(datagram, time_ns)
        if end > place.capacity:
            size = max(place.capacity * 2, (end + 7) & ~<uint32_t>7)
            grown = <uint8_t*>realloc(place.data, size)
            if grown == NULL:
                self.is_out_of_memory = True
                return False
            place.data = grown
            place.capacity = size
        if not datagram.more_fragments and place.total == 0:
            place.total = end
        if offset == 0:
            place.protocol = datagram.protocol
        place.wire_length += wire_length[0]
        if datagram.captured < datagram.length:
            place.captured_until = min(place.captured_until, offset + datagram.captured)
        at = offset
        while at < end:
            stop = min(at + 8, end)
            if not place.seen[at >> 6] >> (at >> 3 & 7) & 1:
                place.seen[at >> 6] |= 1 << (at >> 3 & 7)
                place.blocks += 1
                if at - offset < datagram.captured:
                    memcpy(place.data + at, datagram.payload + (at - offset),
                           min(stop - at, datagram.captured - (at - offset)))
            at = stop
        if place.total == 0 or place.blocks < (place.total + 7) >> 3:
            return False
        place.is_used = False
        datagram.payload = place.data
        datagram.length = place.total
        datagram.captured = min(place.total, place.captured_until)
        datagram.protocol = place.protocol
        datagram.fragment_offset = 0
        datagram.more_fragments = False
        wire_length[0] = place.wire_length
        return True
