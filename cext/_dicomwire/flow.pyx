"""Flows: from packets to connections.  What is told of them is in sink.pxd.

A FlowTable takes packets from a PacketSource, finds the connection of each, and follows it from its first packet to its
last.  Putting segments in order is the part of reassembly.pyx; judging.pxd tells copies from repetitions.

Connections are bounded in number, by those that have ended or are of no use first; what is given up is counted.
RFC 9293 (TCP), RFC 5961 section 4 (what a forged SYN may not do).
"""
cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from .capture cimport Packet, PacketSource
from .connection cimport (
    ACTIVE, DONE, LINGERING, LISTS, NOWHERE, OPENING, SECOND, SHELLS, UNUSED, Flow, Half, Key, Syn, offset_of,
    reset_half, reset_side,
)
from .connections cimport ConnectionTable
from .fragmented cimport FragmentTable
from .judging cimport print_of, take_rtt
from .link cimport (
    IS_IP, NOT_IP, TCP_ACK, TCP_FIN, TCP_PROTOCOL, TCP_PSH, TCP_RST, TCP_SYN, TOO_SHORT, UNKNOWN_LINK, Datagram,
    TCPSegment, find_datagram, find_segment, pass_extensions,
)
from .reassembly cimport Reassembly
from .sink cimport (
    CAPTURE_END, EVICTED_CONNECTION, FIN, IDLE, IGNORE, LOST, PAUSE, RST, SUPERSEDED, UNKNOWN_TIME, Connection,
    Segment, Side, StreamSink,
)

from _dicomwire.streamcollector import CollectedConnection as CollectedConnection  # no-cython-lint
from _dicomwire.streamcollector import StreamCollector as StreamCollector  # no-cython-lint

cdef enum:
    BATCH = 32                      # packets taken from a source at once
    TURN = 1 << 16                  # packets before the caller has a say; a live source might go on for ever
    RECENT = 4096                   # packets among which copies are looked for; a power of 2
    FAR = 1 << 30                   # bytes: no window is greater (RFC 7323 section 2.3)
    STRAYS = 2                      # far segments in a row, each behind the one before, that begin another connection
    LAST = 1 << 20                  # bytes that are given again from before what was seen first

cdef int64_t COPY_NS = 20000000                 # how late the other copy of a mirrored packet is
cdef int64_t COPY_WITHOUT_ID_NS = 1000000       # of one that has no identification
cdef int64_t JUMP_NS = 600 * SECOND             # what one packet's time does not move the clock by
cdef int64_t HOLD_NS = 10 * SECOND              # how long a stream waits for a receiver that is not seen

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


@cython.final
cdef class FlowTable:
    """The connections of a capture; their streams go to ``sink``, which answers for itself.

    ``max_connections`` are known at once: those that have ended make room first, then those that nobody uses, then
    those not seen for the longest time.  ``max_held_bytes`` wait for bytes in front of them in all streams together,
    ``max_stream_held_bytes`` in one; beyond that a gap is said.  A connection of which nothing was seen for
    ``idle_s`` seconds of the capture's time is given up.  Of overlapping bytes those that came first count, or with
    ``last_wins`` those that came last, as long as they were not given to the sink.
    """
    cdef Reassembly streams
    cdef StreamSink sink
    cdef readonly uint32_t max_connections
    cdef readonly int64_t first_ns, last_ns     # of packets; the clock is ``now_ns``
    cdef int64_t now_ns, doubtful_ns
    cdef int64_t[6] patience_ns             # of each list
    cdef Recent* recent
    cdef FragmentTable fragments
    cdef ConnectionTable known
    cdef Packet[BATCH] batch
    cdef int batch_next, batch_count
    cdef Counters counters
    cdef bint is_running

    def __init__(self, StreamSink sink not None, *, uint32_t max_connections=32768,
                 uint64_t max_held_bytes=32 << 20, uint64_t max_stream_held_bytes=8 << 20, double idle_s=7200.0,
                 bint last_wins=False):
        if max_connections < 1:
            raise ValueError("no connection is allowed")
        if self.recent != NULL:
            raise RuntimeError("the table is made")
        self.sink = sink
        self.streams = Reassembly(sink, max_held_bytes, max_stream_held_bytes, last_wins)
        self.fragments = FragmentTable()
        self.max_connections = max_connections
        self.first_ns = self.last_ns = self.now_ns = self.doubtful_ns = UNKNOWN_TIME
        self.patience_ns[OPENING] = 75 * SECOND
        self.patience_ns[ACTIVE] = <int64_t>(min(max(idle_s, 0.001), 1e9) * 1e9)
        self.patience_ns[UNUSED] = min(self.patience_ns[ACTIVE], 300 * SECOND)
        self.patience_ns[LINGERING] = SECOND
        self.patience_ns[DONE] = COPY_NS
        self.patience_ns[SHELLS] = 60 * SECOND
        self.known = ConnectionTable(max_connections)
        self.recent = <Recent*>calloc(RECENT, sizeof(Recent))
        if self.recent == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.recent)

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
        if self.streams.is_out_of_memory:
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
            self.streams.is_paused = False
            if time_ns > self.now_ns:
                self.set_now(time_ns)
            self.sweep()
        self.is_running = False
        return self.streams.is_paused

    @property
    def held_bytes(self):
        """Bytes of segments that wait, with what their keeping costs."""
        return self.streams.held_bytes

    @property
    def counts(self):
        """What was seen so far, by name."""
        result = dict(self.counters)
        result["evicted_bytes"] = self.streams.evicted_bytes
        result["lost_datagrams"] = self.fragments.lost
        result["connections_now"] = self.known.count - self.known.lists[SHELLS].count
        return result

    # ------------------------------------------------------------------------------------------------------- packets

    @cython.nonecheck(False)
    cdef bint run_on(self, PacketSource source) noexcept nogil:
        cdef int packets = 0
        self.streams.is_paused = False
        while True:
            while self.batch_next < self.batch_count:
                self.take_packet(self.batch + self.batch_next)
                self.batch_next += 1
                if self.streams.is_paused or self.streams.is_out_of_memory:
                    source.lent = self.batch_count - self.batch_next
                    return True
            self.batch_next = self.batch_count = 0
            source.lent = 0
            self.sweep()
            if self.streams.is_paused or packets >= TURN:
                return True
            self.batch_count = source.take(self.batch, BATCH)
            packets += self.batch_count
            if self.batch_count == 0:
                return False

    @cython.nonecheck(False)
    cdef inline void set_now(self, int64_t time_ns) noexcept nogil:
        self.now_ns = time_ns
        self.streams.now_ns = time_ns

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
            self.set_now(time_ns)
        elif self.doubtful_ns != UNKNOWN_TIME and -JUMP_NS < time_ns - self.doubtful_ns < JUMP_NS:
            self.set_now(time_ns)
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
                    self.streams.is_out_of_memory |= self.fragments.is_out_of_memory
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
    cdef void evict_one(self) noexcept nogil:
        """Give up the connection that is of the least use."""
        cdef int[6] order = [SHELLS, DONE, LINGERING, OPENING, UNUSED, ACTIVE]
        cdef int number
        cdef Flow* flow
        for number in range(LISTS):
            flow = self.known.lists[order[number]].oldest
            if flow != NULL:
                if flow.list < LINGERING:
                    self.counters.evicted_connections += 1
                self.forget(flow, EVICTED_CONNECTION)
                self.known.give_back(flow)
                return

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
                self.streams.end_stream(flow, side, kind, &segment)
        if flow.connection.side[0].rst_ns != UNKNOWN_TIME or flow.connection.side[1].rst_ns != UNKNOWN_TIME:
            kind = RST
        elif flow.half[0].fin_offset != NOWHERE and flow.half[1].fin_offset != NOWHERE:
            kind = FIN
        for side in range(2):
            self.open_window(flow.connection.side + side, self.now_ns)
        if self.sink.forgotten(&flow.connection, kind, self.now_ns) == PAUSE:
            self.streams.is_paused = True
        flow.connection.state = NULL
        self.known.move(flow, SHELLS, self.now_ns)

    @cython.nonecheck(False)
    cdef void sweep(self) noexcept nogil:
        """Let go what was not seen for too long."""
        cdef int number
        cdef Flow* flow
        cdef Half* half
        if self.now_ns == UNKNOWN_TIME:
            return
        for number in range(LISTS):
            while not self.streams.is_paused:
                flow = self.known.lists[number].oldest
                if flow == NULL or self.now_ns - flow.touched_ns <= self.patience_ns[number]:
                    break
                if number == SHELLS:
                    self.known.give_back(flow)
                else:
                    self.forget(flow, IDLE)
        while not self.streams.is_paused:
            half = self.streams.oldest_holder
            if half == NULL or self.now_ns - half.held_since_ns <= HOLD_NS:
                break
            self.streams.give_up_waiting(half)

    @cython.nonecheck(False)
    cdef bint end_all(self) noexcept nogil:
        cdef int number
        self.streams.is_paused = False
        for number in range(SHELLS):
            while self.known.lists[number].count:
                self.forget(self.known.lists[number].oldest, CAPTURE_END)
                if self.streams.is_paused:
                    return True
        while self.known.lists[SHELLS].count:
            self.known.give_back(self.known.lists[SHELLS].oldest)
        return False

    @cython.nonecheck(False)
    cdef Flow* begin_flow(self, const Datagram* datagram, const TCPSegment* tcp,
                          const Key* key) noexcept nogil:
        """A connection that is new, if the segment can begin one."""
        cdef Flow* flow
        cdef int size = 4 if datagram.version == 4 else 16
        cdef int side = 0
        if tcp.flags & TCP_RST:
            return NULL
        if not tcp.flags & TCP_SYN and (tcp.length == 0 or (tcp.length == 1 and not tcp.flags & TCP_PSH)):
            return NULL             # of a connection that has ended, or one that is silent
        while self.known.count >= self.max_connections:
            self.evict_one()
        flow = self.known.take(key, self.now_ns)
        if flow == NULL:
            self.streams.is_out_of_memory = True
            return NULL
        self.counters.connections += 1
        flow.connection.serial = self.counters.connections
        if tcp.flags & TCP_SYN:
            flow.connection.from_start = True
            if tcp.flags & TCP_ACK:
                side = 1            # whoever answers did not open it
                flow.half[0].base = tcp.acknowledgement
                flow.half[0].is_known = True
                flow.connection.side[0].has_started = True
            else:
                self.known.move(flow, OPENING, self.now_ns)
        flow.first_is_low = key.is_low == (side == 0)
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
        cdef Key key
        cdef bint is_new = False
        cdef Flow* flow = self.known.look_up(datagram, tcp, &key)
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
            side = 0 if flow.first_is_low == key.is_low else 1
            if flow.list >= LINGERING or self.now_ns - flow.touched_ns > SECOND:
                if self.now_ns - flow.touched_ns > self.patience_ns[flow.list]:
                    self.forget(flow, IDLE)
                if flow.list == LINGERING and self.is_not_over(flow, side, tcp):
                    self.forget(flow, RST)
            if tcp.flags & TCP_SYN and not tcp.flags & TCP_RST:
                if not self.takes_syn(flow, side, tcp, &segment):
                    return
                if flow.list == SHELLS:
                    self.known.give_back(flow)
                    flow = NULL
            elif flow.list == SHELLS:
                if self.is_not_over(flow, side, tcp):
                    self.known.give_back(flow)
                    flow = NULL
                else:
                    self.counters.late += 1
                    return
        if flow == NULL:
            flow = self.begin_flow(datagram, tcp, &key)
            if flow == NULL:
                self.counters.strays += 1
                return
            is_new = True
            side = 0 if flow.first_is_low == key.is_low else 1
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
            if (flow.pending.is_there and flow.pending.side == 1 - side
                    and flow.pending.sequence + 1 == tcp.acknowledgement):
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
        self.known.move(flow, ACTIVE, self.now_ns)
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
        self.open(flow, &syn.segment)

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
        if not half.is_known or (half.is_guessed and (tcp.flags & TCP_SYN or own.acknowledged == 0)):
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
            self.known.move(flow, flow.list, self.now_ns)
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
                self.known.move(flow, ACTIVE, self.now_ns)
            segment.has_ack = acknowledged >= 0
            segment.acknowledged = <uint64_t>acknowledged if acknowledged >= 0 else 0
        if is_new:
            self.open(flow, segment)
        if segment.has_ack:
            self.take_ack(flow, side, tcp, segment)
            if peer.fin_acknowledged:
                self.streams.settle(flow, 1 - side, segment)
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
            self.streams.take_data(flow, side, offset, tcp, segment)
        elif offset > <int64_t>own.delivered and half.first == NULL and own.acknowledged >= <uint64_t>offset:
            # Sent and received, and not in the capture.
            half.top = max(half.top, <uint64_t>offset)
            self.streams.say_gap(flow, side, <uint64_t>offset - own.delivered, LOST, segment)
        if tcp.flags & TCP_FIN and half.fin_offset == NOWHERE and offset >= 0:
            own.fin_ns = now
            half.fin_offset = <uint64_t>offset + tcp.length
            half.top = max(half.top, half.fin_offset)
        self.streams.settle(flow, side, segment)
        if tcp.flags & TCP_RST:
            self.take_rst(flow, side, offset, segment)
        if flow.list < LINGERING and half.is_ended and peer.is_ended:
            self.known.move(flow, LINGERING, self.now_ns)
        elif flow.list < UNUSED and own.is_ignored and other.is_ignored:
            self.known.move(flow, UNUSED, self.now_ns)
        if flow.list == LINGERING and half.fin_acknowledged and peer.fin_acknowledged:
            self.known.move(flow, DONE, self.now_ns)

    @cython.nonecheck(False)
    cdef void open(self, Flow* flow, const Segment* segment) noexcept nogil:
        cdef int answer = self.sink.opened(&flow.connection, segment)
        if answer == PAUSE:
            self.streams.is_paused = True
        elif answer == IGNORE:
            self.streams.ignore(flow, 0)
            self.streams.ignore(flow, 1)

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
            self.known.give_back(flow)                # the next segment begins anew

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
                self.streams.release_acknowledged(flow, 1 - side)
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
            self.streams.end_stream(flow, side, RST, segment)
        if not flow.half[1 - side].is_ended:
            self.streams.end_stream(flow, 1 - side, RST, segment)
