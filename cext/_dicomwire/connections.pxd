"""The table of connections: found by their endpoints, and in lists by when they were last seen."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .connection cimport Flow, Key
from .link cimport Datagram, TCPSegment

cdef struct FlowList:
    Flow* oldest
    Flow* newest
    uint32_t count


cdef class ConnectionTable:
    cdef FlowList[6] lists
    cdef uint32_t count
    cdef Flow** buckets
    cdef uint64_t bucket_mask
    cdef uint64_t seed                  # of the hash: nobody outside can make keys meet
    cdef Flow* spare
    cdef void** slabs
    cdef uint32_t slab_count
    cdef Flow* look_up(self, const Datagram* datagram, const TCPSegment* tcp, Key* key) noexcept nogil
    cdef Flow* take(self, const Key* key, int64_t now_ns) noexcept nogil
    cdef void give_back(self, Flow* flow) noexcept nogil
    cdef void link(self, Flow* flow, int number, int64_t now_ns) noexcept nogil
    cdef void unlink(self, Flow* flow) noexcept nogil
    cdef void move(self, Flow* flow, int number, int64_t now_ns) noexcept nogil
