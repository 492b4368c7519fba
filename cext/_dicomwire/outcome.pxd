"""Outcome: what a sink of streams has made, until it is fetched, and its dealings with Python and with memory."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

from .conversation cimport Bytes, Conversation, Exchange, Half, Node
from .sink cimport Connection, Segment, StreamSink
from .tape cimport Stepper

cdef bint keep_bytes(Bytes* bytes_, const uint8_t* p, size_t n) noexcept nogil

cdef class Outcome(StreamSink):
    cdef Node* first                    # finished, not fetched
    cdef Node* last
    cdef Py_ssize_t waiting             # how many
    cdef Conversation* live
    cdef Stepper scratch
    cdef Connection* connection         # during a call of the sink
    cdef const Segment* segment
    cdef readonly uint64_t held_bytes   # of control PDUs, command sets and headings in the making
    cdef readonly uint64_t open_count   # transactions without a final response
    cdef uint64_t most_held, most_open
    cdef bint keeps_raw
    cdef uint64_t refused               # of memory or a bound: nothing was kept for these
    cdef object facts_type, policy, hl7, extractor, on_move, failure

    cdef void push(self, Node* node) noexcept nogil
    cdef facts_of(self, Conversation* c)
    cdef bint hold(self, Half* half, const uint8_t* p, size_t n, uint64_t most) noexcept nogil
    cdef void release_half(self, Half* half) noexcept nogil
    cdef void free_conversation(self, Conversation* c) noexcept
    cdef bint failed(self) noexcept nogil
    cdef bint meet_hl7(self, Conversation* c) noexcept nogil
    cdef int take_hl7(self, object records) except -1
    cdef hl7_moment(self)
    cdef hl7_counters(self)
    cdef void hand_on(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
    cdef void hand_gap(self, Conversation* c, int side, uint64_t n, int kind) noexcept nogil
    cdef void hand_end(self, Conversation* c, int side, int kind) noexcept nogil
    cdef void hand_over(self, Conversation* c, int kind, int64_t time_ns) noexcept nogil
    cdef void open_file(self, Conversation* c, int side, Exchange* e) noexcept nogil
    cdef void tell_move(self, Conversation* c, int side, Exchange* e) noexcept nogil
    cdef void skip_file(self, Half* half, uint64_t n) noexcept nogil
    cdef void write_file(self, Half* half, const uint8_t* p, size_t n) noexcept nogil
    cdef void close_file(self, Half* half, bint is_complete) noexcept nogil
