"""The table of connections: a hash table by endpoints whose entries never move, as sinks keep pointers to them.

Flows are allocated in slabs and used again; each is in one list, at whose oldest end those are that were not seen for
the longest time.  Both directions of a connection have one key, the lower endpoint first.
"""
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from .connection cimport ACTIVE, SHELLS, Connection, Flow, Held, Key, reset_half, reset_side
from .judging cimport mixed
from .link cimport Datagram, TCPSegment, dw_load32be

import secrets

cdef extern from "bswap.h" nogil:
    uint64_t dw_load64be(const void*) noexcept

cdef enum:
    SLAB = 64                       # flows allocated at once


@cython.final
cdef class ConnectionTable:
    """What of a FlowTable knows connections, ``most`` of them; a part of it, and of no use to others."""

    def __cinit__(self, uint32_t most):
        cdef uint64_t buckets = 1024
        while buckets < most:
            buckets *= 2
        self.seed = secrets.randbits(64)
        self.bucket_mask = buckets - 1
        self.buckets = <Flow**>calloc(buckets, sizeof(Flow*))
        self.slabs = <void**>calloc(most // SLAB + 1, sizeof(void*))
        if self.buckets == NULL or self.slabs == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef uint32_t number
        cdef int which
        cdef Held* held
        cdef Flow* flow
        for which in range(SHELLS):
            flow = self.lists[which].oldest
            while flow != NULL:
                for number in range(2):
                    while flow.half[number].first != NULL:
                        held = flow.half[number].first
                        flow.half[number].first = held.next
                        free(held)
                flow = flow.newer
        for number in range(self.slab_count):
            free(self.slabs[number])
        free(self.slabs)
        free(self.buckets)

    @cython.nonecheck(False)
    cdef Flow* look_up(self, const Datagram* datagram, const TCPSegment* tcp, Key* key) noexcept nogil:
        """The flow of a segment, or NULL, and its key."""
        cdef uint64_t a, b, c, d, h
        cdef uint64_t* w = key.word
        cdef Flow* flow
        if datagram.version == 4:
            a = <uint64_t>dw_load32be(datagram.source) << 16 | tcp.source_port
            b = <uint64_t>dw_load32be(datagram.destination) << 16 | tcp.destination_port
            key.is_low = a <= b
            w[0], w[1] = (a, b) if a <= b else (b, a)
            w[2] = w[3] = 0
            w[4] = 4
            h = mixed(mixed(self.seed, w[0]), w[1])
        else:
            a = dw_load64be(datagram.source)
            b = dw_load64be(datagram.source + 8)
            c = dw_load64be(datagram.destination)
            d = dw_load64be(datagram.destination + 8)
            key.is_low = a < c or (a == c and (b < d or (b == d and tcp.source_port <= tcp.destination_port)))
            if key.is_low:
                w[0], w[1], w[2], w[3] = a, b, c, d
                w[4] = <uint64_t>tcp.source_port << 32 | <uint64_t>tcp.destination_port << 16 | 6
            else:
                w[0], w[1], w[2], w[3] = c, d, a, b
                w[4] = <uint64_t>tcp.destination_port << 32 | <uint64_t>tcp.source_port << 16 | 6
            h = mixed(mixed(mixed(mixed(mixed(self.seed, w[0]), w[1]), w[2]), w[3]), w[4])
        key.hash = h
        flow = self.buckets[h & self.bucket_mask]
        while flow != NULL:
            if (flow.key.word[0] == w[0] and flow.key.word[1] == w[1] and flow.key.word[4] == w[4]
                    and flow.key.word[2] == w[2] and flow.key.word[3] == w[3]):
                return flow
            flow = flow.next_in_bucket
        return NULL

    @cython.nonecheck(False)
    cdef Flow* take(self, const Key* key, int64_t now_ns) noexcept nogil:
        """A flow for a connection that is not known; NULL if memory is out.  There must be room for it."""
        cdef Flow* flow
        cdef Flow* slab
        cdef int number
        if self.spare == NULL:
            slab = <Flow*>malloc(SLAB * sizeof(Flow))
            if slab == NULL:
                return NULL
            self.slabs[self.slab_count] = slab
            self.slab_count += 1
            for number in range(SLAB):
                slab[number].next_in_bucket = self.spare
                self.spare = slab + number
        flow = self.spare
        self.spare = flow.next_in_bucket
        flow.key = key[0]
        flow.next_in_bucket = self.buckets[key.hash & self.bucket_mask]
        self.buckets[key.hash & self.bucket_mask] = flow
        flow.pending.is_there = False
        reset_half(flow.half, flow)
        reset_half(flow.half + 1, flow)
        memset(&flow.connection, 0, sizeof(Connection))
        reset_side(flow.connection.side)
        reset_side(flow.connection.side + 1)
        self.count += 1
        self.link(flow, ACTIVE, now_ns)
        return flow

    @cython.nonecheck(False)
    cdef void give_back(self, Flow* flow) noexcept nogil:
        """Take a flow that is forgotten out of the table."""
        cdef Flow** place = self.buckets + (flow.key.hash & self.bucket_mask)
        while place[0] != flow:
            place = &place[0].next_in_bucket
        place[0] = flow.next_in_bucket
        self.unlink(flow)
        flow.next_in_bucket = self.spare
        self.spare = flow
        self.count -= 1

    @cython.nonecheck(False)
    cdef void link(self, Flow* flow, int number, int64_t now_ns) noexcept nogil:
        """Put a flow at the newest end of a list."""
        cdef FlowList* members = self.lists + number
        flow.list = number
        flow.touched_ns = now_ns
        flow.newer = NULL
        flow.older = members.newest
        if members.newest != NULL:
            members.newest.newer = flow
        else:
            members.oldest = flow
        members.newest = flow
        members.count += 1

    @cython.nonecheck(False)
    cdef void unlink(self, Flow* flow) noexcept nogil:
        """Take a flow out of its list."""
        cdef FlowList* members = self.lists + flow.list
        if flow.older != NULL:
            flow.older.newer = flow.newer
        else:
            members.oldest = flow.newer
        if flow.newer != NULL:
            flow.newer.older = flow.older
        else:
            members.newest = flow.older
        members.count -= 1

    @cython.nonecheck(False)
    cdef void move(self, Flow* flow, int number, int64_t now_ns) noexcept nogil:
        self.unlink(flow)
        self.link(flow, number, now_ns)
