"""Flows: TCP segments of a capture become ordered streams.  The contract is in flow.pxd.

A FlowTable takes packets from a PacketSource and keeps, for each connection, what it takes to put its segments in order
and to count.  Bytes that come in order are given where they lie; only those that came too early are copied, and wait.  A
hole is said to be a gap when the receiver has acknowledged its bytes and the sender was seen to go on behind it: until then
the segment may still come, from the sender or from a capture that mixes packets up.

Memory is bounded: by connections, by bytes that wait in one stream and in all.  What is given up is counted.
RFC 9293 (TCP), 6298 (retransmission time-out), 1122 section 4.2.3.6 (keep-alives).
"""
cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from .capture cimport Packet, PacketSource
from .fragmented cimport FragmentTable
from .link cimport (
    IS_IP, MALFORMED, NOT_IP, NO_SCALE, TCP_ACK, TCP_FIN, TCP_PROTOCOL, TCP_PSH, TCP_RST, TCP_SYN, TOO_SHORT,
    UNKNOWN_LINK, Datagram, TCPSegment, dw_load16be, dw_load32be, find_datagram, find_segment,
    pass_extensions,
)

import secrets
from ipaddress import ip_address

cdef extern from "bswap.h" nogil:
    uint64_t dw_load64be(const void*) noexcept
    uint32_t dw_load32le(const void*) noexcept

cdef enum:
    BATCH = 32                      # packets taken from a source at once
    TURN = 1 << 16                  # packets before the caller has a say; a live source might go on for ever
    SLAB = 64                       # flows allocated at once
    RECENT = 4096                   # packets among which copies are looked for; a power of 2
    FAR = 1 << 30                   # bytes: no window is greater (RFC 7323 section 2.3)
    NEAR_ID = 1024                  # IP identifications apart that are of packets on their way together
    STRAYS = 2                      # far segments in a row, each behind the one before, that begin another connection
    LAST = 1 << 20                  # bytes that are given again from before what was seen first

cdef enum:                          # lists of flows, each from the one least recently seen
    OPENING = 0                     # a SYN without an answer
    ACTIVE = 1
    UNUSED = 2                      # both streams are ignored
    LINGERING = 3                   # both streams have ended, their last packets may still come
    DONE = 4                        # these, too, are there; copies of them may still come
    SHELLS = 5                      # forgotten by the sink; kept to know late packets by
    LISTS = 6

cdef uint64_t NOWHERE = 0xFFFFFFFFFFFFFFFFu
cdef int64_t SECOND = 1000000000
cdef int64_t LEAST_RTO_NS = 190000000           # of what common systems do; RFC 6298 wants a second
cdef int64_t REORDERING_NS = 3000000            # a segment so late at most was overtaken, not sent again
cdef int64_t COPY_NS = 20000000                 # how late the other copy of a mirrored packet is
cdef int64_t COPY_WITHOUT_ID_NS = 1000000       # of one that has no identification
cdef int64_t JUMP_NS = 600 * SECOND             # what one packet's time does not move the clock by

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
    uint64_t[5] key
    uint64_t hash
    int64_t touched_ns              # when it was last put at the end of its list
    int list                        # of them
    bint first_is_low               # side 0 is the lower endpoint of the key
    Half[2] half
    Syn pending

cdef struct FlowList:
    Flow* oldest
    Flow* newest
    uint32_t count

cdef struct Recent:
    uint64_t print
    int64_t time_ns

cdef struct Counters:
    uint64_t packets
    uint64_t wire_bytes
    uint64_t captured_bytes
    uint64_t cut_packets            # of which the capture keeps a part
    uint64_t not_ip
    uint64_t unknown_link
    uint64_t malformed
    uint64_t cut_headers            # the capture ends before the payload
    uint64_t not_tcp
    uint64_t tcp_packets
    uint64_t fragments
    uint64_t duplicates
    uint64_t strays                 # belong to no connection that is known, or not into its window
    uint64_t late                   # of connections that have ended
    uint64_t connections
    uint64_t evicted_connections
    uint64_t evicted_bytes          # of streams, given up for want of memory


cdef class StreamSink:
    """Takes the streams of connections; this one lets everything pass."""

    cdef int opened(self, Connection* connection, const Segment* segment) noexcept nogil:
        return GO_ON

    cdef int data(self, Connection* connection, int side, const uint8_t* data, size_t length,
                  const Segment* segment) noexcept nogil:
        return GO_ON

    cdef int gap(self, Connection* connection, int side, uint64_t length, int kind,
                 const Segment* segment) noexcept nogil:
        return GO_ON

    cdef int ended(self, Connection* connection, int side, int kind, const Segment* segment) noexcept nogil:
        return GO_ON

    cdef int forgotten(self, Connection* connection, int kind, int64_t time_ns) noexcept nogil:
        return GO_ON


cdef inline uint64_t mixed(uint64_t a, uint64_t b) noexcept nogil:
    """A hash of two words."""
    a = (a ^ (b >> 32) ^ (b << 32)) * 0x9E3779B97F4A7C15u
    a = (a ^ (a >> 32) ^ b) * 0xD6E8FEB86659FD93u
    return a ^ (a >> 29)


cdef inline int64_t offset_of(const Half* half, uint32_t sequence) noexcept nogil:
    """Where a sequence number stands in a stream: the offset nearest to what was sent or acknowledged last."""
    return <int64_t>half.top + <int32_t>(sequence - (half.base + <uint32_t>half.top))


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


cdef void take_rtt(Half* half, Side* side, int64_t sample) noexcept nogil:
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


cdef uint64_t print_of(uint64_t serial, int side, const Datagram* datagram, const TCPSegment* tcp) noexcept nogil:
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


@cython.final
cdef class FlowTable:
    """The connections of a capture; their streams go to ``sink``, which answers for itself.

    ``max_connections`` are known at once: those that have ended make room first, then those that nobody uses, then
    those not seen for the longest time.  ``max_held_bytes`` wait for bytes in front of them in all streams together,
    ``max_stream_held_bytes`` in one; beyond that a gap is said.  A connection of which nothing was seen for
    ``idle_s`` seconds of the capture's time is given up.  Of overlapping bytes those that came first count, or with
    ``last_wins`` those that came last, as long as they were not given to the sink.
    """
    cdef readonly StreamSink sink
    cdef readonly uint32_t max_connections
    cdef readonly uint64_t max_held_bytes
    cdef readonly uint64_t max_stream_held_bytes
    cdef readonly uint64_t held_bytes       # with what their keeping costs
    cdef readonly bint last_wins
    cdef readonly int64_t first_ns, last_ns     # of packets; the clock is ``now_ns``
    cdef int64_t now_ns, doubtful_ns
    cdef int64_t[6] patience_ns             # of each list
    cdef int64_t hold_ns
    cdef Flow** buckets
    cdef uint64_t bucket_mask
    cdef uint64_t seed
    cdef FlowList[6] lists
    cdef Half* oldest_holder
    cdef Half* newest_holder
    cdef Flow* spare
    cdef list slabs                         # addresses
    cdef void** slab_memory
    cdef uint32_t slab_count, slab_capacity
    cdef uint32_t count
    cdef Recent* recent
    cdef FragmentTable fragments
    cdef Packet[BATCH] batch
    cdef int batch_next, batch_count
    cdef Counters counters
    cdef bint is_paused, is_out_of_memory, is_running

    def __init__(self, StreamSink sink not None, *, uint32_t max_connections=32768,
                 uint64_t max_held_bytes=32 << 20, uint64_t max_stream_held_bytes=8 << 20, double idle_s=7200.0,
                 bint last_wins=False):
        cdef uint64_t buckets = 1024
        if max_connections < 1:
            raise ValueError("no connection is allowed")
        self.sink = sink
        self.fragments = FragmentTable()
        self.max_connections = max_connections
        self.max_held_bytes = max_held_bytes
        self.max_stream_held_bytes = max_stream_held_bytes
        self.last_wins = last_wins
        self.first_ns = self.last_ns = self.now_ns = self.doubtful_ns = UNKNOWN_TIME
        self.patience_ns[OPENING] = 75 * SECOND
        self.patience_ns[ACTIVE] = <int64_t>(min(max(idle_s, 0.001), 1e9) * 1e9)
        self.patience_ns[UNUSED] = min(self.patience_ns[ACTIVE], 300 * SECOND)
        self.patience_ns[LINGERING] = SECOND
        self.patience_ns[DONE] = COPY_NS
        self.patience_ns[SHELLS] = 60 * SECOND
        self.hold_ns = 10 * SECOND
        self.seed = secrets.randbits(64)
        while buckets < max_connections:
            buckets *= 2
        self.bucket_mask = buckets - 1
        self.buckets = <Flow**>calloc(buckets, sizeof(Flow*))
        self.recent = <Recent*>calloc(RECENT, sizeof(Recent))
        self.slab_capacity = (max_connections + SLAB - 1) // SLAB
        self.slab_memory = <void**>calloc(self.slab_capacity, sizeof(void*))
        if self.buckets == NULL or self.recent == NULL or self.slab_memory == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef uint32_t number
        cdef Half* half = self.oldest_holder
        while half != NULL:
            while half.first != NULL:
                self.free_first(half)
            half = half.newer_holder
        for number in range(self.slab_count):
            free(self.slab_memory[number])
        free(self.slab_memory)
        free(self.recent)
        free(self.buckets)

    def run(self, PacketSource source not None):
        """Take what packets there are; True if the sink paused first, or after many: there is more without filling the
        source.

        A DecodeError of the source comes after all packets before it.
        """
        cdef bint more
        if self.is_running:
            raise RuntimeError("the table is running")
        self.is_running = True
        with nogil:
            more = self.run_on(source)
        self.is_running = False
        if self.is_out_of_memory:
            raise MemoryError
        if not more:
            source.check()
        return more

    def finish(self):
        """End all connections, as the capture has ended; True if the sink paused first: call it again."""
        cdef bint more
        if self.is_running:
            raise RuntimeError("the table is running")
        self.is_running = True
        with nogil:
            more = self.end_all()
        self.is_running = False
        return more

    def advance(self, int64_t time_ns):
        """Let the clock of a live capture go on without packets; True if the sink paused, as of `run`."""
        if self.is_running:
            raise RuntimeError("the table is running")
        self.is_running = True
        with nogil:
            self.is_paused = False
            if time_ns > self.now_ns:
                self.now_ns = time_ns
            self.sweep()
        self.is_running = False
        return self.is_paused

    @property
    def counts(self):
        """What was seen so far, by name."""
        result = dict(self.counters)
        result["lost_datagrams"] = self.fragments.lost
        result["connections_now"] = self.count - self.lists[SHELLS].count
        return result

    # ------------------------------------------------------------------------------------------------------- packets

    @cython.nonecheck(False)
    cdef bint run_on(self, PacketSource source) noexcept nogil:
        cdef int packets = 0
        self.is_paused = False
        while True:
            while self.batch_next < self.batch_count:
                self.take_packet(self.batch + self.batch_next)
                self.batch_next += 1
                if self.is_paused or self.is_out_of_memory:
                    source.lent = self.batch_count - self.batch_next
                    return True
            self.batch_next = self.batch_count = 0
            source.lent = 0
            self.sweep()
            if self.is_paused or packets >= TURN:
                return True
            self.batch_count = source.take(self.batch, BATCH)
            packets += self.batch_count
            if self.batch_count == 0:
                return False

    @cython.nonecheck(False)
    cdef inline void set_clock(self, int64_t time_ns) noexcept nogil:
        """The clock follows the packets, but no single one far into the future."""
        if self.first_ns == UNKNOWN_TIME or time_ns < self.first_ns:
            self.first_ns = time_ns
        if time_ns > self.last_ns:
            self.last_ns = time_ns
        if time_ns <= self.now_ns:
            return
        if self.now_ns == UNKNOWN_TIME or time_ns - self.now_ns < JUMP_NS:
            self.now_ns = time_ns
        elif self.doubtful_ns != UNKNOWN_TIME and -JUMP_NS < time_ns - self.doubtful_ns < JUMP_NS:
            self.now_ns = time_ns
            self.doubtful_ns = UNKNOWN_TIME
        else:
            self.doubtful_ns = time_ns

    @cython.nonecheck(False)
    cdef void take_packet(self, const Packet* packet) noexcept nogil:
        cdef Datagram datagram
        cdef TCPSegment tcp
        cdef int found
        cdef uint32_t wire_length = packet.wire_length
        self.counters.packets += 1
        self.counters.wire_bytes += packet.wire_length
        self.counters.captured_bytes += packet.captured_length
        if packet.captured_length < packet.wire_length:
            self.counters.cut_packets += 1
        self.set_clock(packet.time_ns)
        found = find_datagram(packet, &datagram)
        if found == IS_IP:
            if datagram.more_fragments or datagram.fragment_offset:
                self.counters.fragments += 1
                if not self.fragments.take(&datagram, &wire_length, packet.time_ns):
                    self.is_out_of_memory |= self.fragments.is_out_of_memory
                    return
                if datagram.version == 6:
                    found = pass_extensions(&datagram)
            if found == IS_IP:
                if datagram.protocol != TCP_PROTOCOL:
                    self.counters.not_tcp += 1
                    return
                found = find_segment(datagram.payload, datagram.captured, datagram.length, &tcp)
        if found == IS_IP:
            self.counters.tcp_packets += 1
            self.take_segment(packet, wire_length, &datagram, &tcp)
        elif found == NOT_IP:
            self.counters.not_ip += 1
        elif found == UNKNOWN_LINK:
            self.counters.unknown_link += 1
        elif found == TOO_SHORT:
            self.counters.cut_headers += 1
        else:
            self.counters.malformed += 1

    # --------------------------------------------------------------------------------------------------- connections

    @cython.nonecheck(False)
    cdef inline Flow* look_up(self, const Datagram* datagram, const TCPSegment* tcp, uint64_t* key, uint64_t* hash_,
                              bint* is_low) noexcept nogil:
        """The flow of a segment, or NULL; its key, the hash of it, and whether the sender is the key's lower end."""
        cdef uint64_t a, b, c, d, h
        cdef Flow* flow
        if datagram.version == 4:
            a = <uint64_t>dw_load32be(datagram.source) << 16 | tcp.source_port
            b = <uint64_t>dw_load32be(datagram.destination) << 16 | tcp.destination_port
            is_low[0] = a <= b
            key[0], key[1] = (a, b) if a <= b else (b, a)
            key[2] = key[3] = 0
            key[4] = 4
            h = mixed(mixed(self.seed, key[0]), key[1])
        else:
            a = dw_load64be(datagram.source)
            b = dw_load64be(datagram.source + 8)
            c = dw_load64be(datagram.destination)
            d = dw_load64be(datagram.destination + 8)
            is_low[0] = a < c or (a == c and (b < d or (b == d and tcp.source_port <= tcp.destination_port)))
            if is_low[0]:
                key[0], key[1], key[2], key[3] = a, b, c, d
                key[4] = <uint64_t>tcp.source_port << 32 | <uint64_t>tcp.destination_port << 16 | 6
            else:
                key[0], key[1], key[2], key[3] = c, d, a, b
                key[4] = <uint64_t>tcp.destination_port << 32 | <uint64_t>tcp.source_port << 16 | 6
            h = mixed(mixed(mixed(mixed(mixed(self.seed, key[0]), key[1]), key[2]), key[3]), key[4])
        hash_[0] = h
        flow = self.buckets[h & self.bucket_mask]
        while flow != NULL:
            if (flow.key[0] == key[0] and flow.key[1] == key[1] and flow.key[4] == key[4] and flow.key[2] == key[2]
                    and flow.key[3] == key[3]):
                return flow
            flow = flow.next_in_bucket
        return NULL

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
    cdef void link(self, Flow* flow, int number) noexcept nogil:
        """Put a flow at the newest end of a list."""
        cdef FlowList* members = self.lists + number
        flow.list = number
        flow.touched_ns = self.now_ns
        flow.newer = NULL
        flow.older = members.newest
        if members.newest != NULL:
            members.newest.newer = flow
        else:
            members.oldest = flow
        members.newest = flow
        members.count += 1

    @cython.nonecheck(False)
    cdef inline void move(self, Flow* flow, int number) noexcept nogil:
        self.unlink(flow)
        self.link(flow, number)

    @cython.nonecheck(False)
    cdef Flow* new_flow(self, const uint64_t* key, uint64_t hash_) noexcept nogil:
        """Make a flow and find it a place; NULL if memory is out."""
        cdef Flow* flow
        cdef Flow* slab
        cdef int number
        while self.count >= self.max_connections:
            self.evict_one()
        if self.spare == NULL:
            slab = <Flow*>malloc(SLAB * sizeof(Flow))
            if slab == NULL:
                self.is_out_of_memory = True
                return NULL
            self.slab_memory[self.slab_count] = slab
            self.slab_count += 1
            for number in range(SLAB):
                slab[number].next_in_bucket = self.spare
                self.spare = slab + number
        flow = self.spare
        self.spare = flow.next_in_bucket
        memcpy(flow.key, key, 5 * sizeof(uint64_t))
        flow.hash = hash_
        flow.next_in_bucket = self.buckets[hash_ & self.bucket_mask]
        self.buckets[hash_ & self.bucket_mask] = flow
        flow.pending.is_there = False
        reset_half(flow.half, flow)
        reset_half(flow.half + 1, flow)
        self.count += 1
        self.counters.connections += 1
        self.link(flow, ACTIVE)
        memset(&flow.connection, 0, sizeof(Connection))
        flow.connection.serial = self.counters.connections
        reset_side(flow.connection.side)
        reset_side(flow.connection.side + 1)
        return flow

    @cython.nonecheck(False)
    cdef void free_flow(self, Flow* flow) noexcept nogil:
        """Give a shell up."""
        cdef Flow** place = self.buckets + (flow.hash & self.bucket_mask)
        while place[0] != flow:
            place = &place[0].next_in_bucket
        place[0] = flow.next_in_bucket
        self.unlink(flow)
        flow.next_in_bucket = self.spare
        self.spare = flow
        self.count -= 1

    @cython.nonecheck(False)
    cdef void evict_one(self) noexcept nogil:
        cdef Flow* flow
        if self.lists[SHELLS].count:
            self.free_flow(self.lists[SHELLS].oldest)
            return
        if self.lists[DONE].count:
            flow = self.lists[DONE].oldest
        elif self.lists[LINGERING].count:
            flow = self.lists[LINGERING].oldest
        else:
            self.counters.evicted_connections += 1
            if self.lists[OPENING].count:
                flow = self.lists[OPENING].oldest
            elif self.lists[UNUSED].count:
                flow = self.lists[UNUSED].oldest
            else:
                flow = self.lists[ACTIVE].oldest
        self.forget(flow, EVICTED_CONNECTION)
        self.free_flow(flow)

    @cython.nonecheck(False)
    cdef void forget(self, Flow* flow, int kind) noexcept nogil:
        """End both streams, and let the sink forget the connection: what remains is a shell."""
        cdef int side
        cdef Segment segment
        if flow.list == SHELLS:
            return
        memset(&segment, 0, sizeof(Segment))
        segment.time_ns = self.now_ns
        for side in range(2):
            if not flow.half[side].is_ended:
                self.end_stream(flow, side, kind, &segment)
        if flow.connection.side[0].rst_ns != UNKNOWN_TIME or flow.connection.side[1].rst_ns != UNKNOWN_TIME:
            kind = RST
        elif flow.half[0].fin_offset != NOWHERE and flow.half[1].fin_offset != NOWHERE:
            kind = FIN
        for side in range(2):
            self.open_window(flow.connection.side + side, self.now_ns)
        if self.sink.forgotten(&flow.connection, kind, self.now_ns) == PAUSE:
            self.is_paused = True
        flow.connection.state = NULL
        self.move(flow, SHELLS)

    @cython.nonecheck(False)
    cdef void sweep(self) noexcept nogil:
        """Let go what was not seen for too long."""
        cdef int number
        cdef Flow* flow
        cdef Half* half
        if self.now_ns == UNKNOWN_TIME:
            return
        for number in range(LISTS):
            while not self.is_paused:
                flow = self.lists[number].oldest
                if flow == NULL or self.now_ns - flow.touched_ns <= self.patience_ns[number]:
                    break
                if number == SHELLS:
                    self.free_flow(flow)
                else:
                    self.forget(flow, IDLE)
        while not self.is_paused:
            half = self.oldest_holder
            if half == NULL or self.now_ns - half.held_since_ns <= self.hold_ns:
                break
            self.give_up_waiting(half)

    @cython.nonecheck(False)
    cdef void give_up_waiting(self, Half* half) noexcept nogil:
        """The stream has waited for long: whether for its receiver, or because nobody was seen who acknowledges."""
        cdef Flow* flow = half.flow
        cdef int side = half - flow.half
        cdef const Side* other = flow.connection.side + (1 - side)
        if other.last_ns == UNKNOWN_TIME or other.last_ns < half.held_since_ns:
            self.release_hole(flow, side, UNCONFIRMED)
            self.settle(flow, side, NULL)
        if half.first != NULL:                  # again later
            self.remove_holder(half)
            self.add_holder(half, self.now_ns)

    @cython.nonecheck(False)
    cdef bint end_all(self) noexcept nogil:
        cdef int number
        self.is_paused = False
        for number in range(SHELLS):
            while self.lists[number].count:
                self.forget(self.lists[number].oldest, CAPTURE_END)
                if self.is_paused:
                    return True
        while self.lists[SHELLS].count:
            self.free_flow(self.lists[SHELLS].oldest)
        return False

    @cython.nonecheck(False)
    cdef Flow* begin_flow(self, const Packet* packet, const Datagram* datagram, const TCPSegment* tcp,
                          const uint64_t* key, uint64_t hash_, bint is_low) noexcept nogil:
        """A connection that is new, if the segment can begin one."""
        cdef Flow* flow
        cdef int size = 4 if datagram.version == 4 else 16
        cdef int side = 0
        if tcp.flags & TCP_RST:
            return NULL
        if not tcp.flags & TCP_SYN and (tcp.length == 0 or (tcp.length == 1 and not tcp.flags & TCP_PSH)):
            return NULL             # of a connection that has ended, or one that is silent
        flow = self.new_flow(key, hash_)
        if flow == NULL:
            return NULL
        if tcp.flags & TCP_SYN:
            flow.connection.from_start = True
            if tcp.flags & TCP_ACK:
                side = 1            # whoever answers did not open it
                flow.half[0].base = tcp.acknowledgement
                flow.half[0].is_known = True
                flow.connection.side[0].has_started = True
            else:
                self.move(flow, OPENING)
        flow.first_is_low = is_low == (side == 0)
        flow.connection.ip_version = datagram.version
        flow.connection.vlan = datagram.vlan
        memcpy(flow.connection.address[side], datagram.source, size)
        memcpy(flow.connection.address[1 - side], datagram.destination, size)
        flow.connection.port[side] = tcp.source_port
        flow.connection.port[1 - side] = tcp.destination_port
        return flow

    # ------------------------------------------------------------------------------------------------------ segments

    @cython.nonecheck(False)
    cdef void take_segment(self, const Packet* packet, uint32_t wire_length, const Datagram* datagram,
                           const TCPSegment* tcp) noexcept nogil:
        cdef uint64_t[5] key
        cdef uint64_t hash_
        cdef bint is_low, is_new = False
        cdef Flow* flow = self.look_up(datagram, tcp, key, &hash_, &is_low)
        cdef int side
        cdef Segment segment
        segment.time_ns = packet.time_ns
        segment.frame = packet.number
        segment.acknowledged = 0
        segment.wire_length = wire_length
        segment.payload_length = tcp.length
        segment.has_ack = False
        segment.was_held = False
        if flow != NULL:
            side = 0 if flow.first_is_low == is_low else 1
            if flow.list >= LINGERING or self.now_ns - flow.touched_ns > SECOND:
                if self.now_ns - flow.touched_ns > self.patience_ns[flow.list]:
                    self.forget(flow, IDLE)
                if flow.list == LINGERING and self.is_not_over(flow, side, tcp):
                    self.forget(flow, RST)
            if tcp.flags & TCP_SYN and not tcp.flags & TCP_RST:
                if not self.takes_syn(flow, side, tcp, &segment):
                    return
                if flow.list == SHELLS:
                    self.free_flow(flow)
                    flow = NULL
            elif flow.list == SHELLS:
                if self.is_not_over(flow, side, tcp):
                    self.free_flow(flow)
                    flow = NULL
                else:
                    self.counters.late += 1
                    return
        if flow == NULL:
            flow = self.begin_flow(packet, datagram, tcp, key, hash_, is_low)
            if flow == NULL:
                self.counters.strays += 1
                return
            is_new = True
            side = 0 if flow.first_is_low == is_low else 1
        self.follow(flow, side, datagram, tcp, &segment, is_new)

    @cython.nonecheck(False)
    cdef bint takes_syn(self, Flow* flow, int side, const TCPSegment* tcp, const Segment* segment) noexcept nogil:
        """Whether a SYN goes on to the flow, which is a shell where it begins another connection."""
        cdef Half* half = flow.half + side
        cdef Half* other = flow.half + (1 - side)
        cdef bint fits = not half.is_known or half.is_guessed or half.base == tcp.sequence + 1
        cdef bint is_over = flow.list >= LINGERING or flow.list == OPENING
        if tcp.flags & TCP_ACK:
            if flow.list == SHELLS:
                return not fits or not other.is_known or other.base != tcp.acknowledgement
            if fits and (not other.is_known or other.base == tcp.acknowledgement):
                return True
            if flow.pending.is_there and flow.pending.side == 1 - side and flow.pending.sequence + 1 == tcp.acknowledgement:
                self.begin_again(flow)
                return True
        elif flow.list == SHELLS or not fits:
            if fits and flow.half[side].is_ended and segment.time_ns - flow.connection.side[side].last_ns < 3 * SECOND:
                self.counters.late += 1
                return False
            if is_over:
                self.forget(flow, SUPERSEDED)
                return True
            # It may be forged, or of long ago: the answer will show.
            flow.pending.segment = segment[0]
            flow.pending.sequence = tcp.sequence
            flow.pending.mss = tcp.mss
            flow.pending.window_scale = tcp.window_scale
            flow.pending.side = side
            flow.pending.is_there = True
        else:
            return True
        self.counters.strays += 1
        return False

    @cython.nonecheck(False)
    cdef void begin_again(self, Flow* flow) noexcept nogil:
        """The SYN that was put aside was answered: end the connection and let the flow be the next one."""
        cdef Syn syn = flow.pending
        cdef Connection before = flow.connection
        cdef Side* side
        self.forget(flow, SUPERSEDED)
        self.move(flow, ACTIVE)
        flow.pending.is_there = False
        flow.first_is_low = flow.first_is_low == (syn.side == 0)
        reset_half(flow.half, flow)
        reset_half(flow.half + 1, flow)
        self.counters.connections += 1
        memset(&flow.connection, 0, sizeof(Connection))
        flow.connection.serial = self.counters.connections
        flow.connection.ip_version = before.ip_version
        flow.connection.vlan = before.vlan
        flow.connection.from_start = True
        memcpy(flow.connection.address[0], before.address[syn.side], 16)
        memcpy(flow.connection.address[1], before.address[1 - syn.side], 16)
        flow.connection.port[0] = before.port[syn.side]
        flow.connection.port[1] = before.port[1 - syn.side]
        reset_side(flow.connection.side)
        reset_side(flow.connection.side + 1)
        flow.half[0].base = syn.sequence + 1
        flow.half[0].is_known = True
        flow.half[0].syn_is_timed = True
        side = flow.connection.side
        side.has_started = True
        side.first_ns = side.last_ns = side.syn_ns = syn.segment.time_ns
        side.packets = 1
        side.wire_bytes = syn.segment.wire_length
        side.mss = syn.mss
        side.window_scale = syn.window_scale
        self.answer(flow, 0, self.sink.opened(&flow.connection, &syn.segment), True)

    @cython.nonecheck(False)
    cdef bint is_not_over(self, Flow* flow, int side, const TCPSegment* tcp) noexcept nogil:
        """Whether a connection that was taken for reset goes on: its sender sends what it had not sent before."""
        cdef Half* half = flow.half + side
        cdef int64_t offset
        if flow.connection.side[side].rst_ns == UNKNOWN_TIME or tcp.length < 2 or tcp.flags & TCP_RST:
            return False
        offset = offset_of(half, tcp.sequence)
        return <int64_t>half.seen_end <= offset < <int64_t>half.seen_end + FAR

    @cython.nonecheck(False)
    cdef void follow(self, Flow* flow, int side, const Datagram* datagram, const TCPSegment* tcp, Segment* segment,
                     bint is_new) noexcept nogil:
        """Take a segment of a known connection."""
        cdef Side* own = flow.connection.side + side
        cdef Side* other = flow.connection.side + (1 - side)
        cdef Half* half = flow.half + side
        cdef Half* peer = flow.half + (1 - side)
        cdef uint32_t sequence = tcp.sequence
        cdef int64_t offset, acknowledged = 0
        cdef bint has_news
        cdef int64_t now = segment.time_ns
        cdef uint64_t print
        cdef Recent* recent
        if tcp.flags & TCP_SYN:
            sequence += 1
        if not half.is_known or (half.is_guessed and (tcp.flags & TCP_SYN or other.acknowledged == 0 and own.acknowledged == 0)):
            half.base = sequence
            half.is_known = True
        half.is_guessed = False
        offset = offset_of(half, sequence)
        if offset < 0 and not own.has_started and offset >= -LAST and half.seen_end == 0 and half.first == NULL:
            # Sent before what was seen first, and seen behind it.
            half.base = sequence
            half.top += <uint64_t>-offset
            if own.acknowledged:
                own.acknowledged += <uint64_t>-offset
            offset = 0
        if offset > <int64_t>half.top + FAR or offset < <int64_t>half.top - FAR:
            self.take_stray(flow, side, tcp)
            return
        half.strays = 0

        has_news = (is_new or (tcp.length and offset + tcp.length > <int64_t>half.seen_end)
                    or (tcp.flags & TCP_FIN and half.fin_offset == NOWHERE))
        if tcp.flags & TCP_ACK:
            if not peer.is_known:
                peer.base = tcp.acknowledgement
                peer.is_known = peer.is_guessed = True
            acknowledged = offset_of(peer, tcp.acknowledgement)
            if peer.fin_offset != NOWHERE and acknowledged == <int64_t>peer.fin_offset + 1:
                has_news = has_news or not peer.fin_acknowledged
            else:
                has_news = has_news or acknowledged > <int64_t>other.acknowledged
        if not (own.is_ignored and other.is_ignored):
            print = print_of(flow.connection.serial, side, datagram, tcp)
            recent = self.recent + (print & (RECENT - 1))
            if (not has_news and recent.print == print
                    and -COPY_NS < now - recent.time_ns < (COPY_NS if datagram.identification else COPY_WITHOUT_ID_NS)):
                own.duplicates += 1
                self.counters.duplicates += 1
                return
            recent.print = print
            recent.time_ns = now

        if self.now_ns - flow.touched_ns > SECOND and flow.list < LINGERING:
            self.move(flow, flow.list)
        if own.packets == 0:
            own.first_ns = now
        if own.last_ns == UNKNOWN_TIME or now > own.last_ns:
            own.last_ns = now
        own.packets += 1
        own.wire_bytes += segment.wire_length
        if tcp.flags & TCP_SYN:
            self.take_syn(flow, side, tcp, now)
        if tcp.flags & TCP_ACK:
            if peer.fin_offset != NOWHERE and acknowledged == <int64_t>peer.fin_offset + 1:
                peer.fin_acknowledged = True
                acknowledged -= 1
            if flow.list == OPENING and side == 1:
                self.move(flow, ACTIVE)
            segment.has_ack = acknowledged >= 0
            segment.acknowledged = <uint64_t>acknowledged if acknowledged >= 0 else 0
        if is_new:
            self.answer(flow, side, self.sink.opened(&flow.connection, segment), True)
        if segment.has_ack:
            self.take_ack(flow, side, tcp, segment)
            if peer.fin_acknowledged:
                self.settle(flow, 1 - side, segment)
        if not tcp.flags & (TCP_SYN | TCP_RST):
            if tcp.window == 0:
                if own.zero_window_since_ns == UNKNOWN_TIME:
                    own.zero_windows += 1
                    own.zero_window_since_ns = now
            elif own.zero_window_since_ns != UNKNOWN_TIME:
                self.open_window(own, now)
        half.window = tcp.window
        half.identification = <uint16_t>datagram.identification if datagram.version == 4 else 0
        if half.is_ended:
            pass
        elif tcp.length:
            self.take_data(flow, side, offset, tcp, segment)
        elif offset > <int64_t>own.delivered and half.first == NULL and own.acknowledged >= <uint64_t>offset:
            # Sent and received, and not in the capture.
            half.top = max(half.top, <uint64_t>offset)
            self.say_gap(flow, side, <uint64_t>offset - own.delivered, LOST, segment)
        if tcp.flags & TCP_FIN and half.fin_offset == NOWHERE and offset >= 0:
            own.fin_ns = now
            half.fin_offset = <uint64_t>offset + tcp.length
            half.top = max(half.top, half.fin_offset)
        self.settle(flow, side, segment)
        if tcp.flags & TCP_RST:
            self.take_rst(flow, side, offset, segment)
        if flow.list == LINGERING and half.fin_acknowledged and peer.fin_acknowledged:
            self.move(flow, DONE)

    @cython.nonecheck(False)
    cdef void open_window(self, Side* side, int64_t now) noexcept nogil:
        """The receive window is open again, or nobody will say."""
        if side.zero_window_since_ns != UNKNOWN_TIME:
            if now > side.zero_window_since_ns:
                side.zero_window_ns += <uint64_t>(now - side.zero_window_since_ns)
            side.zero_window_since_ns = UNKNOWN_TIME

    @cython.nonecheck(False)
    cdef void take_syn(self, Flow* flow, int side, const TCPSegment* tcp, int64_t now) noexcept nogil:
        cdef Side* own = flow.connection.side + side
        cdef Half* half = flow.half + side
        own.has_started = True
        own.mss = tcp.mss
        own.window_scale = tcp.window_scale
        if side == 0 and not tcp.flags & TCP_ACK:
            flow.connection.from_start = True
        if own.syn_ns == UNKNOWN_TIME:
            own.syn_ns = now
            half.syn_is_timed = True
        else:
            half.syn_is_timed = False
            own.retransmissions += 1
            own.timeouts += 1

    @cython.nonecheck(False)
    cdef void take_stray(self, Flow* flow, int side, const TCPSegment* tcp) noexcept nogil:
        """A segment that is not near its stream: forged, damaged, or of a connection whose beginning was not seen."""
        cdef Half* half = flow.half + side
        self.counters.strays += 1
        if tcp.length < 2 or flow.list >= LINGERING:
            return
        if half.strays and half.stray_next == tcp.sequence:
            half.strays += 1
        else:
            half.strays = 1
        half.stray_next = tcp.sequence + tcp.length
        if half.strays > STRAYS:
            self.forget(flow, SUPERSEDED)
            self.free_flow(flow)                # the next segment begins anew

    @cython.nonecheck(False)
    cdef void take_ack(self, Flow* flow, int side, const TCPSegment* tcp, const Segment* segment) noexcept nogil:
        """What ``side`` says of having received the other side's stream."""
        cdef Half* peer = flow.half + (1 - side)
        cdef Side* other = flow.connection.side + (1 - side)
        if peer.syn_is_timed:
            peer.syn_is_timed = False
            take_rtt(peer, other, segment.time_ns - other.syn_ns)
        if segment.acknowledged > other.acknowledged:
            if segment.acknowledged > peer.top + FAR:
                return
            other.acknowledged = segment.acknowledged
            peer.duplicate_acks = 0
            if peer.timed_end and segment.acknowledged >= peer.timed_end:
                peer.timed_end = 0
                take_rtt(peer, other, segment.time_ns - peer.timed_ns)
            if segment.acknowledged > peer.top:
                peer.top = segment.acknowledged
            if peer.first != NULL and not peer.is_ended:
                self.release_acknowledged(flow, 1 - side)
        elif (tcp.length == 0 and not tcp.flags & (TCP_SYN | TCP_FIN | TCP_RST)
                and segment.acknowledged == other.acknowledged and peer.seen_end > other.acknowledged
                and tcp.window == flow.half[side].window):
            peer.duplicate_acks += 1

    @cython.nonecheck(False)
    cdef void take_rst(self, Flow* flow, int side, int64_t offset, const Segment* segment) noexcept nogil:
        """The connection is over, if the sequence number is one that its receiver believes (RFC 9293 section 3.5.3)."""
        cdef Side* own = flow.connection.side + side
        cdef Half* half = flow.half + side
        if half.seen_end and (offset < <int64_t>min(own.acknowledged, own.delivered) - 65536
                              or offset > <int64_t>half.seen_end + LAST):
            self.counters.strays += 1
            return
        if own.rst_ns == UNKNOWN_TIME:
            own.rst_ns = segment.time_ns
        if not half.is_ended:
            self.end_stream(flow, side, RST, segment)
        if not flow.half[1 - side].is_ended:
            self.end_stream(flow, 1 - side, RST, segment)
        if flow.list < LINGERING:
            self.move(flow, LINGERING)

    # ---------------------------------------------------------------------------------------------------- reassembly

    @cython.nonecheck(False)
    cdef void take_data(self, Flow* flow, int side, int64_t offset, const TCPSegment* tcp,
                        Segment* segment) noexcept nogil:
        cdef Side* own = flow.connection.side + side
        cdef Half* half = flow.half + side
        cdef const uint8_t* data = tcp.payload
        cdef uint32_t captured = tcp.captured, length = tcp.length, skip
        cdef int64_t end = offset + length
        if offset < <int64_t>half.seen_end or half.first != NULL or own.is_ignored:
            self.note_order(flow, side, offset, length, segment)
        if end > <int64_t>half.seen_end:
            if half.timed_end == 0:
                half.timed_end = <uint64_t>end
                half.timed_ns = segment.time_ns
            half.seen_end = <uint64_t>end
            half.newest_identification = half.identification
            if half.seen_end > half.top:
                half.top = half.seen_end
        half.last_data_ns = segment.time_ns
        if own.is_ignored:
            own.delivered = max(own.delivered, half.seen_end)
            return
        if end <= <int64_t>own.delivered:
            return
        if offset > <int64_t>own.delivered:
            self.hold(flow, side, <uint64_t>offset, data, captured, length, segment)
            if own.acknowledged > own.delivered:
                self.release_acknowledged(flow, side)
            return
        skip = <uint32_t>(<int64_t>own.delivered - offset)
        data += skip
        captured = captured - skip if captured > skip else 0
        length -= skip
        if half.first == NULL:
            own.payload_bytes += length
            self.give(flow, side, data, captured, length, segment)
        elif own.delivered + length <= half.first.offset:
            own.payload_bytes += length
            self.give(flow, side, data, captured, length, segment)
            self.release(flow, side)
        else:
            self.hold(flow, side, own.delivered, data, captured, length, segment)
            self.release(flow, side)

    @cython.nonecheck(False)
    cdef void note_order(self, Flow* flow, int side, int64_t offset, uint32_t length,
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
        if not was_seen and not own.is_ignored and half.first != NULL and self.was_overtaken(half, segment.time_ns):
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

    @cython.nonecheck(False)
    cdef bint was_overtaken(self, const Half* half, int64_t now) noexcept nogil:
        """Whether bytes that were not seen come late, rather than once more after they were lost in front of us."""
        cdef uint16_t behind = half.newest_identification - half.identification
        if half.identification and half.newest_identification and behind < NEAR_ID:
            return True             # most systems count the datagrams that they send
        return half.duplicate_acks < 3 and now - half.held_since_ns < REORDERING_NS

    @cython.nonecheck(False)
    cdef void answer(self, Flow* flow, int side, int answer, bint of_both) noexcept nogil:
        if answer == PAUSE:
            self.is_paused = True
        elif answer == IGNORE and flow.list < LINGERING:
            self.ignore(flow, side)
            if of_both:
                self.ignore(flow, 1 - side)
            if flow.connection.side[1 - side].is_ignored and flow.list != UNUSED:
                self.move(flow, UNUSED)

    @cython.nonecheck(False)
    cdef void ignore(self, Flow* flow, int side) noexcept nogil:
        cdef Half* half = flow.half + side
        flow.connection.side[side].is_ignored = True
        while half.first != NULL:
            self.free_first(half)
        self.remove_holder(half)
        flow.connection.side[side].delivered = half.seen_end

    @cython.nonecheck(False)
    cdef void give(self, Flow* flow, int side, const uint8_t* data, uint32_t captured, uint32_t length,
                   const Segment* segment) noexcept nogil:
        """Give the bytes that come next, and say how many of them were cut."""
        cdef Side* own = flow.connection.side + side
        cdef int answer
        if captured:
            answer = self.sink.data(&flow.connection, side, data, captured, segment)
            own.delivered += captured
            if answer != GO_ON:
                self.answer(flow, side, answer, False)
        if length > captured and not own.is_ignored:
            self.say_gap(flow, side, length - captured, CUT, segment)

    @cython.nonecheck(False)
    cdef void say_gap(self, Flow* flow, int side, uint64_t length, int kind, const Segment* segment) noexcept nogil:
        cdef Side* own = flow.connection.side + side
        cdef int answer
        if own.is_ignored:
            own.delivered += length
            return
        own.gaps += 1
        own.lost_bytes += length
        answer = self.sink.gap(&flow.connection, side, length, kind, segment)
        own.delivered += length
        if answer != GO_ON:
            self.answer(flow, side, answer, False)

    @cython.nonecheck(False)
    cdef void add_holder(self, Half* half, int64_t now) noexcept nogil:
        half.held_since_ns = now
        half.newer_holder = NULL
        half.older_holder = self.newest_holder
        if self.newest_holder != NULL:
            self.newest_holder.newer_holder = half
        else:
            self.oldest_holder = half
        self.newest_holder = half

    @cython.nonecheck(False)
    cdef void remove_holder(self, Half* half) noexcept nogil:
        if half.older_holder != NULL:
            half.older_holder.newer_holder = half.newer_holder
        elif self.oldest_holder == half:
            self.oldest_holder = half.newer_holder
        else:
            return                  # it is none
        if half.newer_holder != NULL:
            half.newer_holder.older_holder = half.older_holder
        else:
            self.newest_holder = half.older_holder
        half.older_holder = half.newer_holder = NULL

    @cython.nonecheck(False)
    cdef void free_first(self, Half* half) noexcept nogil:
        """Drop the first of the segments that wait."""
        cdef Held* held = half.first
        half.first = held.next
        if held.next != NULL:
            held.next.previous = NULL
        else:
            half.last = NULL
        self.account(half, held, -1)
        free(held)

    @cython.nonecheck(False)
    cdef void account(self, Half* half, const Held* held, int sign) noexcept nogil:
        cdef int side = half - half.flow.half
        half.held_count += sign
        half.flow.connection.side[side].held_bytes += <uint64_t>(sign * <int64_t>held.length)
        self.held_bytes += <uint64_t>(sign * <int64_t>(held.captured + sizeof(Held)))

    @cython.nonecheck(False)
    cdef void hold(self, Flow* flow, int side, uint64_t offset, const uint8_t* data, uint32_t captured,
                   uint32_t length, const Segment* segment) noexcept nogil:
        """Keep what of a segment is not kept yet, as pieces between those that wait."""
        cdef Side* own = flow.connection.side + side
        cdef Half* half = flow.half + side
        cdef Held* after = half.last
        cdef Held* next
        cdef uint64_t end = offset + length, stop, start
        cdef bint conflicts = False
        while after != NULL and after.offset > offset:
            after = after.previous
        start = offset
        if after != NULL and after.offset + after.length > start:
            conflicts |= self.overlap(after, offset, data, captured)
            start = after.offset + after.length
        while start < end and not self.is_out_of_memory:
            next = half.first if after == NULL else after.next
            stop = end if next == NULL else min(end, next.offset)
            if stop > start:
                own.payload_bytes += stop - start
                self.insert(half, after, start, data + (start - offset),
                            <uint32_t>(min(<uint64_t>captured, stop - offset) - (start - offset))
                            if captured > start - offset else 0, <uint32_t>(stop - start), segment)
            if next == NULL or next.offset >= end:
                break
            conflicts |= self.overlap(next, offset, data, captured)
            start = next.offset + next.length
            after = next
        if conflicts:
            own.conflicts += 1
        while half.first != NULL and (own.held_bytes > self.max_stream_held_bytes
                                      or half.held_count * sizeof(Held) > self.max_stream_held_bytes):
            self.release_hole(flow, side, EVICTED)
        while self.held_bytes > self.max_held_bytes and self.oldest_holder != NULL:
            half = self.oldest_holder
            self.release_hole(half.flow, half - half.flow.half, EVICTED)
            self.settle(half.flow, half - half.flow.half, segment)

    @cython.nonecheck(False)
    cdef bint overlap(self, Held* held, uint64_t offset, const uint8_t* data, uint32_t captured) noexcept nogil:
        """Compare the bytes that are kept already with those that came now; True if they differ."""
        cdef uint64_t start = max(offset, held.offset)
        cdef uint64_t stop = min(offset + captured, held.offset + held.captured)
        cdef uint8_t* kept = <uint8_t*>(held + 1) + (start - held.offset)
        if start >= stop or memcmp(kept, data + (start - offset), stop - start) == 0:
            return False
        if self.last_wins:
            memcpy(kept, data + (start - offset), stop - start)
        return True

    @cython.nonecheck(False)
    cdef void insert(self, Half* half, Held* after, uint64_t offset, const uint8_t* data, uint32_t captured,
                     uint32_t length, const Segment* segment) noexcept nogil:
        cdef Held* held = <Held*>malloc(sizeof(Held) + captured)
        if held == NULL:
            self.is_out_of_memory = True
            return
        if half.first == NULL:
            self.add_holder(half, segment.time_ns)
        held.offset = offset
        held.captured = captured
        held.length = length
        held.segment = segment[0]
        held.segment.was_held = True
        memcpy(held + 1, data, captured)
        held.previous = after
        held.next = half.first if after == NULL else after.next
        if after != NULL:
            after.next = held
        else:
            half.first = held
        if held.next != NULL:
            held.next.previous = held
        else:
            half.last = held
        self.account(half, held, 1)

    @cython.nonecheck(False)
    cdef void release(self, Flow* flow, int side) noexcept nogil:
        """Give what waited for the bytes that were given."""
        cdef Half* half = flow.half + side
        cdef Side* own = flow.connection.side + side
        cdef Held* held
        while half.first != NULL and half.first.offset <= own.delivered:
            held = half.first
            half.first = held.next
            if held.next != NULL:
                held.next.previous = NULL
            else:
                half.last = NULL
            self.account(half, held, -1)
            self.give(flow, side, <const uint8_t*>(held + 1), held.captured, held.length, &held.segment)
            free(held)
        if half.first == NULL:
            self.remove_holder(half)
        else:
            half.held_since_ns = half.first.segment.time_ns

    @cython.nonecheck(False)
    cdef void release_hole(self, Flow* flow, int side, int kind) noexcept nogil:
        """Say that the bytes in front of what waits do not come, and give what does."""
        cdef Half* half = flow.half + side
        cdef Side* own = flow.connection.side + side
        if half.first.offset > own.delivered:
            if kind == EVICTED:
                self.counters.evicted_bytes += half.first.offset - own.delivered
            self.say_gap(flow, side, half.first.offset - own.delivered, kind, &half.first.segment)
        self.release(flow, side)

    @cython.nonecheck(False)
    cdef void release_acknowledged(self, Flow* flow, int side) noexcept nogil:
        cdef Half* half = flow.half + side
        while half.first != NULL and half.first.offset <= flow.connection.side[side].acknowledged:
            self.release_hole(flow, side, LOST)

    @cython.nonecheck(False)
    cdef void settle(self, Flow* flow, int side, const Segment* segment) noexcept nogil:
        """End a stream whose last byte was given, or acknowledged."""
        cdef Half* half = flow.half + side
        cdef Side* own = flow.connection.side + side
        cdef Segment now
        if half.fin_offset == NOWHERE or half.is_ended:
            return
        if own.delivered < half.fin_offset and not own.is_ignored and not half.fin_acknowledged:
            return
        if segment == NULL:
            memset(&now, 0, sizeof(Segment))
            now.time_ns = self.now_ns
            segment = &now
        self.end_stream(flow, side, FIN, segment)
        if flow.half[1 - side].is_ended and flow.list < LINGERING:
            self.move(flow, LINGERING)

    @cython.nonecheck(False)
    cdef void end_stream(self, Flow* flow, int side, int kind, const Segment* segment) noexcept nogil:
        """Give what still waits, with the gaps in front of it, and say that the stream has ended."""
        cdef Half* half = flow.half + side
        cdef Side* own = flow.connection.side + side
        cdef uint64_t end
        while half.first != NULL:
            self.release_hole(flow, side, LOST if half.first.offset <= own.acknowledged else UNCONFIRMED)
        end = own.acknowledged
        if half.fin_offset != NOWHERE and half.fin_acknowledged:
            end = half.fin_offset
        if end > own.delivered and not own.is_ignored:
            self.say_gap(flow, side, end - own.delivered, LOST, segment)
        half.is_ended = True
        if self.sink.ended(&flow.connection, side, kind, segment) == PAUSE:
            self.is_paused = True


# ----------------------------------------------------------------------------------------------------------- collecting

cdef tuple GAP_NAMES = ("lost", "cut", "evicted", "unconfirmed")
cdef tuple END_NAMES = ("fin", "rst", "idle", "superseded", "evicted", "capture-end")


cdef tuple endpoint(const Connection* connection, int side):
    cdef bytes address = (<const char*>connection.address[side])[:4 if connection.ip_version == 4 else 16]
    return str(ip_address(address)), connection.port[side]


cdef dict side_values(const Side* side):
    """What was counted of one side, by name; None for what is not known."""
    values = dict(side[0])
    for name in ("first_ns", "last_ns", "syn_ns", "fin_ns", "rst_ns", "zero_window_since_ns"):
        if values[name] == UNKNOWN_TIME:
            values[name] = None
    if values["window_scale"] == NO_SCALE:
        values["window_scale"] = None
    return values


class CollectedConnection:
    """What a StreamCollector was told of one connection.

    ``streams`` are the bytes of both sides, without those in gaps; ``events`` all calls in their order, tuples that begin
    with their name: ("data", side, offset, length, time_ns, frame, was_held), ("gap", side, offset, length, kind),
    ("ended", side, kind).  ``kind`` is how it ended, None while it goes on, and ``sides`` what was counted until then.
    """

    def __init__(self, int serial, tuple client, tuple server, bint from_start, int vlan):
        self.serial = serial
        self.client = client
        self.server = server
        self.from_start = from_start
        self.vlan = vlan
        self.streams = (bytearray(), bytearray())
        self.events = []
        self.kind = None
        self.sides = None


@cython.final
cdef class StreamCollector(StreamSink):
    """Keeps all streams in memory: for tests, and to look at small captures.

    ``pauses`` stops the table at each call; ``ignores`` are numbers of connections whose bytes are not wanted.
    """
    cdef readonly list connections
    cdef dict known
    cdef bint pauses
    cdef frozenset ignores

    def __init__(self, *, bint pauses=False, ignores=()):
        self.connections = []
        self.known = {}
        self.pauses = pauses
        self.ignores = frozenset(ignores)

    cdef int _answer(self, uint64_t serial) noexcept:
        if serial in self.ignores:
            return IGNORE
        return PAUSE if self.pauses else GO_ON

    @cython.nonecheck(False)
    cdef int opened(self, Connection* connection, const Segment* segment) noexcept nogil:
        with gil:
            found = CollectedConnection(connection.serial, endpoint(connection, 0), endpoint(connection, 1),
                                        connection.from_start, connection.vlan)
            self.connections.append(found)
            self.known[connection.serial] = found
            return self._answer(connection.serial)

    @cython.nonecheck(False)
    cdef int data(self, Connection* connection, int side, const uint8_t* data, size_t length,
                  const Segment* segment) noexcept nogil:
        with gil:
            found = self.known[connection.serial]
            found.streams[side].extend(data[:length])
            found.events.append(("data", side, connection.side[side].delivered, length, segment.time_ns, segment.frame,
                                 segment.was_held))
            return self._answer(connection.serial)

    @cython.nonecheck(False)
    cdef int gap(self, Connection* connection, int side, uint64_t length, int kind,
                 const Segment* segment) noexcept nogil:
        with gil:
            self.known[connection.serial].events.append(
                ("gap", side, connection.side[side].delivered, length, GAP_NAMES[kind]))
            return self._answer(connection.serial)

    @cython.nonecheck(False)
    cdef int ended(self, Connection* connection, int side, int kind, const Segment* segment) noexcept nogil:
        with gil:
            self.known[connection.serial].events.append(("ended", side, END_NAMES[kind]))
            return self._answer(connection.serial)

    @cython.nonecheck(False)
    cdef int forgotten(self, Connection* connection, int kind, int64_t time_ns) noexcept nogil:
        with gil:
            found = self.known.pop(connection.serial)
            found.kind = END_NAMES[kind]
            found.from_start = connection.from_start
            found.sides = side_values(connection.side), side_values(connection.side + 1)
            return self._answer(connection.serial)
