"""What a reader of TCP streams is told: the contract between flows and whatever looks into them.

TCP segments of a capture, in whatever order they were seen, become two ordered streams of bytes for each connection,
with gaps said (RFC 9293).  What comes out goes to a StreamSink, without the GIL and without a copy where segments come
in order.  A stream's bytes are counted from 0 at the first byte behind the SYN, or at the first byte seen where the
capture begins in the middle.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<stdint.h>" nogil:
    const int64_t UNKNOWN_TIME "INT64_MIN"      # the packet was not in the capture

cdef enum SinkAnswer:               # of the calls of a StreamSink
    GO_ON = 0
    PAUSE = 1                       # go on, and return to the caller soon: there is something to fetch
    IGNORE = 2                      # the stream's bytes are of no use: count them from now on, reassemble nothing

cdef enum GapKind:
    LOST = 0                        # acknowledged by the receiver, not in the capture
    CUT = 1                         # the capture keeps the front of packets only (snaplen)
    EVICTED = 2                     # a bound of memory was reached
    UNCONFIRMED = 3                 # nor acknowledged when the connection ended, or nobody was seen who does

cdef enum EndKind:                  # how a stream or a connection ended
    FIN = 0
    RST = 1
    IDLE = 2                        # nothing seen for long
    SUPERSEDED = 3                  # a new SYN between the same ports
    EVICTED_CONNECTION = 4          # a bound on the number of connections or of memory
    CAPTURE_END = 5

cdef struct Segment:                # the packet whose bytes are given; borrowed for the call
    int64_t time_ns                 # since 1970-01-01 UTC
    uint64_t frame                  # number of the packet in the capture, from 1
    uint64_t acknowledged           # bytes of the other side's stream that its sender had received; valid if has_ack
    uint32_t wire_length            # bytes on the wire, link header included
    uint32_t payload_length         # bytes of TCP payload on the wire
    bint has_ack
    bint was_held                   # came before the bytes in front of it

cdef struct Side:                   # one direction: what the sender ``side`` put on the wire
    int64_t first_ns, last_ns       # of its packets
    int64_t syn_ns                  # of the SYN or SYN/ACK; UNKNOWN_TIME
    int64_t fin_ns, rst_ns          # UNKNOWN_TIME
    uint64_t packets                # with retransmissions and bare acknowledgements, without mirrored duplicates
    uint64_t wire_bytes             # of these packets, link headers included
    uint64_t payload_bytes          # seen for the first time
    uint64_t delivered              # bytes given before this call, gaps included: the offset of what comes next
    uint64_t acknowledged           # bytes of this stream that the other side has acknowledged
    uint64_t lost_bytes             # in gaps
    uint64_t gaps
    uint64_t retransmitted_bytes
    uint32_t retransmissions        # segments, of any kind
    uint32_t timeouts               # of these, those after a retransmission time-out
    uint32_t fast_retransmissions   # those after duplicate acknowledgements
    uint32_t out_of_order
    uint32_t duplicates             # packets mirrored twice
    uint32_t conflicts              # overlaps with other bytes
    uint32_t zero_windows           # times that this side closed its own receive window
    int64_t zero_window_since_ns    # UNKNOWN_TIME while the window is open
    uint64_t zero_window_ns         # closed so far, the present time not included
    uint32_t rtt_count              # samples: this side's segments until their acknowledgement is seen
    int64_t rtt_last_ns, rtt_min_ns, rtt_max_ns
    uint64_t rtt_sum_ns
    uint64_t held_bytes             # waiting for bytes in front of them
    uint16_t mss                    # 0 if not said
    uint8_t window_scale            # 255 if not said
    bint has_started                # the stream's first byte is known (a SYN was seen)
    bint is_ignored                 # see IGNORE

cdef struct Connection:
    uint64_t serial                 # from 1, in the order of appearance
    uint8_t[2][16] address          # of each side; IPv4 in the first four bytes
    uint16_t[2] port
    uint8_t ip_version              # 4 or 6
    uint16_t vlan                   # the outermost VLAN identifier, 0 without
    bint from_start                 # a SYN was seen: side 0 is who opened the connection; else who was seen first
    Side[2] side
    void* state                     # the sink's own, NULL at first


cdef class StreamSink:
    """What is told of connections.  A subclass answers with SinkAnswer; every call is without the GIL.

    Order: opened, then any of data, gap and ended for each side, then forgotten, which frees ``connection.state``.
    """
    cdef int opened(self, Connection* connection, const Segment* segment) noexcept nogil
    cdef int data(self, Connection* connection, int side, const uint8_t* data, size_t length,
                  const Segment* segment) noexcept nogil
    cdef int gap(self, Connection* connection, int side, uint64_t length, int kind,
                 const Segment* segment) noexcept nogil
    cdef int ended(self, Connection* connection, int side, int kind, const Segment* segment) noexcept nogil
    cdef int forgotten(self, Connection* connection, int kind, int64_t time_ns) noexcept nogil
