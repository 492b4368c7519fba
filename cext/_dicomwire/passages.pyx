"""Which packets carried a message, and what TCP counted meanwhile.  See passages.pxd."""
from .conversation cimport RTT_SAMPLES, Conversation, Exchange, Passage, Tally
from .sink cimport UNKNOWN_TIME, Connection, Side


cdef void add_passage(Passage* all, const Passage* one) noexcept nogil:
    """Count a further message of the same kind; a packet that carries the end of one and the next counts once."""
    all.packets += one.packets
    all.wire_bytes += one.wire_bytes
    if one.first_frame == all.last_frame and one.packets:
        all.packets -= 1
        all.wire_bytes -= one.wire_bytes // one.packets
    all.stream_bytes += one.stream_bytes
    all.first_ns = min(all.first_ns, one.first_ns)
    all.last_ns = max(all.last_ns, one.last_ns)
    all.first_frame = min(all.first_frame, one.first_frame)
    all.last_frame = max(all.last_frame, one.last_frame)


cdef void take_tally(Tally* tally, const Connection* connection, int64_t now) noexcept nogil:
    cdef int i
    cdef const Side* side
    for i in range(2):
        side = &connection.side[i]
        tally.retransmissions[i] = side.retransmissions
        tally.timeouts[i] = side.timeouts
        tally.zero_windows[i] = side.zero_windows
        tally.retransmitted_bytes[i] = side.retransmitted_bytes
        tally.zero_window_ns[i] = side.zero_window_ns
        if side.zero_window_since_ns != UNKNOWN_TIME and now > side.zero_window_since_ns:
            tally.zero_window_ns[i] += <uint64_t>(now - side.zero_window_since_ns)


cdef void take_rtt(Exchange* e, Conversation* c) noexcept nogil:
    """Median, least and largest of the samples since the last response, which are used up."""
    cdef int64_t[RTT_SAMPLES] sorted_
    cdef int64_t x
    cdef int n = <int>min(c.rtt_count, <uint32_t>RTT_SAMPLES), i, j
    c.rtt_count = 0
    if n == 0:
        return
    for i in range(n):
        x = c.rtt[i]
        j = i
        while j and sorted_[j - 1] > x:
            sorted_[j] = sorted_[j - 1]
            j -= 1
        sorted_[j] = x
    e.rtt_min_ns = sorted_[0]
    e.rtt_max_ns = sorted_[n - 1]
    e.rtt_median_ns = sorted_[n // 2] if n & 1 else (sorted_[n // 2 - 1] + sorted_[n // 2]) // 2


cdef int status_kind(uint16_t status) noexcept nogil:
    """The class of a status as an index of Exchange.by_kind; the same as dicomwire.dimse.status.kind_of."""
    cdef int high = status >> 12
    if status == 0:
        return 0
    if status == 0xFF00 or status == 0xFF01:
        return 1
    if status == 0xFE00:
        return 2
    if high == 0xB or status == 0x0001 or status == 0x0107 or status == 0x0116:
        return 3
    if high == 0xA or high == 0xC or status >> 8 == 1 or status >> 8 == 2:
        return 4
    return 5
