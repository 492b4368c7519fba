"""Reassembly: segments of a stream in any order, to the sink in theirs."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from .connection cimport Flow, Half, Held
from .link cimport TCPSegment
from .sink cimport Segment, StreamSink


cdef class Reassembly:
    cdef StreamSink sink
    cdef uint64_t max_held_bytes        # in all streams together
    cdef uint64_t max_stream_held_bytes
    cdef uint64_t held_bytes            # with what their keeping costs
    cdef uint64_t evicted_bytes         # in gaps for want of memory
    cdef int64_t now_ns                 # of the capture
    cdef Half* oldest_holder            # of those that hold segments, by when their holes were met
    cdef Half* newest_holder
    cdef bint last_wins                 # of overlapping bytes that wait
    cdef bint is_paused                 # the sink has asked for it
    cdef bint is_out_of_memory
    cdef void take_data(self, Flow* flow, int side, int64_t offset, const TCPSegment* tcp,
                        Segment* segment) noexcept nogil
    cdef void give(self, Flow* flow, int side, const uint8_t* data, uint32_t captured, uint32_t length,
                   const Segment* segment) noexcept nogil
    cdef void say_gap(self, Flow* flow, int side, uint64_t length, int kind, const Segment* segment) noexcept nogil
    cdef void hold(self, Flow* flow, int side, uint64_t offset, const uint8_t* data, uint32_t captured,
                   uint32_t length, const Segment* segment) noexcept nogil
    cdef void insert(self, Half* half, Held* after, uint64_t offset, const uint8_t* data, uint32_t captured,
                     uint32_t length, const Segment* segment) noexcept nogil
    cdef bint overlap(self, Held* held, uint64_t offset, const uint8_t* data, uint32_t captured) noexcept nogil
    cdef void release(self, Flow* flow, int side) noexcept nogil
    cdef void release_hole(self, Flow* flow, int side, int kind) noexcept nogil
    cdef void release_acknowledged(self, Flow* flow, int side) noexcept nogil
    cdef void settle(self, Flow* flow, int side, const Segment* segment) noexcept nogil
    cdef void end_stream(self, Flow* flow, int side, int kind, const Segment* segment) noexcept nogil
    cdef void give_up_waiting(self, Half* half) noexcept nogil
    cdef void ignore(self, Flow* flow, int side) noexcept nogil
    cdef void answer(self, Flow* flow, int side, int answer) noexcept nogil
    cdef void add_holder(self, Half* half) noexcept nogil
    cdef void remove_holder(self, Half* half) noexcept nogil
    cdef void account(self, Half* half, const Held* held, int sign) noexcept nogil
    cdef Held* take_first(self, Half* half) noexcept nogil
