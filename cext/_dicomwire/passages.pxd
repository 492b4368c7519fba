"""Passages, the packets that carried a message; tallies, TCP's counters at a moment; samples of the round trip."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from .conversation cimport RTT_SAMPLES, Conversation, Exchange, Passage, Tally
from .sink cimport Connection, Segment

cdef void add_passage(Passage* all, const Passage* one) noexcept nogil
cdef void take_tally(Tally* tally, const Connection* connection, int64_t now) noexcept nogil
cdef void take_rtt(Exchange* e, Conversation* c) noexcept nogil
cdef int status_kind(uint16_t status) noexcept nogil


cdef inline void start_passage(Passage* passage, const Segment* segment) noexcept nogil:
    passage.first_ns = passage.last_ns = segment.time_ns
    passage.first_frame = passage.last_frame = segment.frame
    passage.wire_bytes = segment.wire_length
    passage.stream_bytes = 0
    passage.packets = 1


cdef inline void extend_passage(Passage* passage, const Segment* segment) noexcept nogil:
    if segment.frame == passage.last_frame:
        return
    passage.packets += 1
    passage.wire_bytes += segment.wire_length
    passage.first_ns = min(passage.first_ns, segment.time_ns)
    passage.last_ns = max(passage.last_ns, segment.time_ns)
    passage.first_frame = min(passage.first_frame, segment.frame)
    passage.last_frame = max(passage.last_frame, segment.frame)


cdef inline void sample_rtt(Conversation* c, const Connection* connection) noexcept nogil:
    cdef int i
    for i in range(2):
        if connection.side[i].rtt_count != c.half[i].rtt_seen:
            c.half[i].rtt_seen = connection.side[i].rtt_count
            c.rtt[c.rtt_count % <uint32_t>RTT_SAMPLES] = connection.side[i].rtt_last_ns
            c.rtt_count += 1
