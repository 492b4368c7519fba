"""What is kept of a connection while its packets pass: more than its Connection, which the sink sees, says."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from .link cimport NO_SCALE
from .sink cimport UNKNOWN_TIME, Connection, Segment, Side

cdef extern from *:
    """
    #define DW_SECOND INT64_C(1000000000)
    """
    const int64_t SECOND "DW_SECOND"            # in nanoseconds
    const uint64_t NOWHERE "UINT64_MAX"         # an offset that is not known

cdef enum:                          # lists of flows, each from the one least recently seen
    OPENING = 0                     # a SYN without an answer
    ACTIVE = 1
    UNUSED = 2                      # both streams are ignored
    LINGERING = 3                   # both streams have ended, their last packets may still come
    DONE = 4                        # these, too, are there; copies of them may still come
    SHELLS = 5                      # forgotten by the sink; kept to know late packets by
    LISTS = 6

cdef struct Key:                    # both endpoints, the lower one first
    uint64_t[5] word
    uint64_t hash
    bint is_low                     # whether the sender of the packet that was looked up is the lower one

cdef struct Held:                   # a segment that waits; its bytes follow
    Held* next
    Held* previous
    uint64_t offset
    uint32_t captured               # bytes here
    uint32_t length                 # in the stream; those behind ``captured`` were cut
    Segment segment

cdef struct Half:                   # of a flow: what one side sends
    Flow* flow
    Half* newer_holder              # the list of those that hold segments
    Half* older_holder
    Held* first
    Held* last
    uint32_t held_count
    uint32_t base                   # sequence number of the stream's byte 0
    uint64_t top                    # the greatest offset that was sent or acknowledged; sequence numbers are near it
    uint64_t seen_end               # of the bytes that were sent
    uint64_t fin_offset             # NOWHERE
    uint64_t recovery_end           # retransmissions up to here follow from a time-out that is counted
    uint64_t timed_end              # of the segment whose acknowledgement is awaited, 0 if of none
    int64_t timed_ns
    int64_t last_data_ns            # UNKNOWN_TIME
    int64_t held_since_ns
    int64_t srtt_ns                 # 0 while unknown
    int64_t rttvar_ns
    uint32_t duplicate_acks         # that its receiver has sent in a row
    uint32_t stray_next             # the sequence number behind the last far segment
    uint8_t strays
    uint16_t window                 # as last said by this side
    uint16_t identification         # of the IP datagram in hand, 0 if it has none
    uint16_t newest_identification  # of the one with the bytes at ``seen_end``
    bint is_known                   # ``base`` is
    bint is_guessed                 # from what the other side acknowledges
    bint is_ended
    bint fin_acknowledged
    bint syn_is_timed

cdef struct Syn:                    # one that may begin another connection between the same ports
    Segment segment
    uint32_t sequence
    uint16_t mss
    uint8_t window_scale
    uint8_t side
    bint is_there

cdef struct Flow:
    Connection connection           # the first: a Connection* is a Flow*
    Flow* next_in_bucket
    Flow* older
    Flow* newer
    Key key
    int64_t touched_ns              # when it was last put at the end of its list
    int list                        # of them
    bint first_is_low               # side 0 is the lower endpoint of the key
    Half[2] half
    Syn pending


cdef inline int64_t offset_of(const Half* half, uint32_t sequence) noexcept nogil:
    """Where a sequence number stands in a stream: the offset nearest to what was sent or acknowledged last."""
    return <int64_t>half.top + <int32_t>(sequence - (half.base + <uint32_t>half.top))


cdef inline Held* held_before(const Half* half, uint64_t offset) noexcept nogil:
    """The last segment that waits and begins at an offset or before it, NULL if none does.

    Sought from the nearer end.
    """
    cdef Held* held = half.last
    if held == NULL or held.offset <= offset:
        return held
    if half.first.offset > offset:
        return NULL
    if offset - half.first.offset < held.offset - offset:
        held = half.first
        while held.next.offset <= offset:
            held = held.next
        return held
    while held.offset > offset:
        held = held.previous
    return held


cdef inline void reset_half(Half* half, Flow* flow) noexcept nogil:
    memset(half, 0, sizeof(Half))
    half.flow = flow
    half.fin_offset = NOWHERE
    half.last_data_ns = UNKNOWN_TIME


cdef inline void reset_side(Side* side) noexcept nogil:
    memset(side, 0, sizeof(Side))
    side.first_ns = side.last_ns = side.syn_ns = side.fin_ns = side.rst_ns = UNKNOWN_TIME
    side.zero_window_since_ns = UNKNOWN_TIME
    side.window_scale = NO_SCALE
