"""What a tap can tell of a segment: a copy, late, sent again after a time-out or sooner; and how long the way is.

RFC 6298 (retransmission time-out), RFC 1122 section 4.2.3.6 (keep-alives).
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from .connection cimport Flow, Half, Held
from .link cimport Datagram, TCPSegment, dw_load32le
from .sink cimport UNKNOWN_TIME, Segment, Side

cdef extern from *:
    """
    #define DW_LEAST_RTO INT64_C(190000000)
    #define DW_REORDERING INT64_C(3000000)
    """
    const int64_t LEAST_RTO_NS "DW_LEAST_RTO"       # of what common systems do; RFC 6298 wants a second
    const int64_t REORDERING_NS "DW_REORDERING"     # a segment so late at most was overtaken, not sent again

cdef enum:
    NEAR_ID = 1024              # IP identifications apart that are of packets on their way together


cdef inline uint64_t mixed(uint64_t a, uint64_t b) noexcept nogil:
    """A hash of two words."""
    a = (a ^ (b >> 32) ^ (b << 32)) * 0x9E3779B97F4A7C15u
    a = (a ^ (a >> 32) ^ b) * 0xD6E8FEB86659FD93u
    return a ^ (a >> 29)


cdef inline void take_rtt(Half* half, Side* side, int64_t sample) noexcept nogil:
    """Count a round trip, and smooth it (RFC 6298 section 2)."""
    cdef int64_t difference
    if sample < 0:
        return
    side.rtt_last_ns = sample
    if side.rtt_count == 0 or sample < side.rtt_min_ns:
        side.rtt_min_ns = sample
    if sample > side.rtt_max_ns:
        side.rtt_max_ns = sample
    side.rtt_sum_ns += <uint64_t>sample
    side.rtt_count += 1
    if half.srtt_ns == 0:
        half.srtt_ns = sample
        half.rttvar_ns = sample // 2
    else:
        difference = half.srtt_ns - sample if half.srtt_ns > sample else sample - half.srtt_ns
        half.rttvar_ns = (3 * half.rttvar_ns + difference) // 4
        half.srtt_ns = (7 * half.srtt_ns + sample) // 8


cdef inline uint64_t print_of(uint64_t serial, int side, const Datagram* datagram,
                              const TCPSegment* tcp) noexcept nogil:
    """A fingerprint of a packet that its mirrored copies share, whatever they have passed on their way."""
    cdef uint64_t print
    cdef const uint8_t* p = datagram.payload + 20
    cdef const uint8_t* stop = datagram.payload + min(datagram.captured, (datagram.payload[12] >> 4) * 4)
    print = mixed(serial << 1 | <uint64_t>side, <uint64_t>tcp.sequence << 32 | tcp.acknowledgement)
    print = mixed(print, <uint64_t>datagram.identification << 32 | <uint64_t>tcp.checksum << 16 | tcp.window)
    print = mixed(print, <uint64_t>tcp.length << 8 | tcp.flags)
    while p + 4 <= stop:            # time stamps, selective acknowledgements
        print = mixed(print, dw_load32le(p))
        p += 4
    return print


cdef inline bint was_overtaken(const Half* half, int64_t now) noexcept nogil:
    """Whether bytes that were not seen come late, rather than once more after they were lost in front of us."""
    cdef uint16_t behind = half.newest_identification - half.identification
    if half.identification and half.newest_identification and behind < NEAR_ID:
        return True             # most systems count the datagrams that they send
    return half.duplicate_acks < 3 and now - half.first.segment.time_ns < REORDERING_NS


cdef inline void note_order(Flow* flow, int side, int64_t offset, uint32_t length,
                            const Segment* segment) noexcept nogil:
    """Say of a segment that does not simply go on whether it came late, was sent again, or asks for life."""
    cdef Side* own = flow.connection.side + side
    cdef Half* half = flow.half + side
    cdef int64_t end = offset + length, silent
    cdef bint was_seen = end <= <int64_t>own.delivered
    cdef Held* held = half.last
    if own.is_ignored:
        if end > <int64_t>half.seen_end:
            own.payload_bytes += <uint64_t>(end - max(offset, <int64_t>half.seen_end))
    if offset >= <int64_t>half.seen_end:
        return
    if length == 1:
        if flow.connection.side[1 - side].zero_window_since_ns != UNKNOWN_TIME:
            return              # a probe of a closed window
        if end == <int64_t>half.seen_end and own.acknowledged >= half.seen_end:
            return              # a keep-alive
    while not was_seen and held != NULL and <int64_t>held.offset <= offset + length:
        was_seen = <int64_t>held.offset <= offset and end <= <int64_t>held.offset + held.length
        held = held.previous
    if not was_seen and not own.is_ignored and half.first != NULL and was_overtaken(half, segment.time_ns):
        own.out_of_order += 1
        return
    own.retransmissions += 1
    own.retransmitted_bytes += length
    if half.timed_end > <uint64_t>max(offset, <int64_t>0):
        half.timed_end = 0      # whose acknowledgement comes is not known (Karn)
    silent = segment.time_ns - half.last_data_ns if half.last_data_ns != UNKNOWN_TIME else 0
    if silent >= half.srtt_ns + max(4 * half.rttvar_ns, LEAST_RTO_NS):
        own.timeouts += 1
        half.recovery_end = half.seen_end
    elif half.duplicate_acks >= 3 or offset >= <int64_t>half.recovery_end:
        own.fast_retransmissions += 1
