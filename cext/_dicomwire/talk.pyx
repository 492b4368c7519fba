"""Conversations of a capture: protocols are recognized, PDUs walked, messages paired, headings read, without the GIL.

What is finished waits in a list until take() makes objects of it.  P-DATA-TF and DIMSE need no Python; an HL7 stream, a
file that is extracted and the end of nothing else do.  PS3.8 section 9, PS3.7 sections 9 and 10.
"""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.ref cimport Py_XDECREF
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove, memset

from .boundary cimport (
    DICOM, HTTP, ISCL, MLLP, MOST_TAIL, OTHER_PROTOCOL, TLS, UNDECIDED, find_boundary, guess_protocol, is_dicom_port,
)
from .conversation cimport (
    ANSWER_LOST, AT_START, AWAITS_REQUEST, BOUNDARY_GUESSED, BY_ABORT, BY_CAPTURE_END, BY_EVICTION, BY_FIN, BY_REJECTION, BY_RELEASE, BY_RST,
    CANCELLED, CONVERSATION, DATA_SET_MISSING, DATA_SET_UNANNOUNCED, ENDED_EARLY, EXCHANGE, FINAL_SEEN, GAP_NODE,
    HAS_PARENT, HEADING_BROKEN, HEADING_DEFLATED, ID_REUSED, IN_COMMAND, IN_DATA_SET, IS_SUB_OPERATION, MOST_CONTROLS, NO_MESSAGE,
    NOT_ENDED, OBJECT, REQUEST_BEGUN_BEFORE, REQUEST_DONE, REQUEST_FAULTY, REQUEST_GAP, REQUEST_SEEN, RESPONSE_BEFORE,
    RESPONSE_FAULTY, RESPONSE_GAP, RESPONSE_SEEN, RTT_SAMPLES, SEARCHING, SYNTAX_GUESSED, TOO_MANY_OPEN, WALKING,
    Bytes, Control, Conversation, Exchange, GapNode, Half, Message, Node, ObjectNode, Passage, Tally,
)
from .fields cimport (
    C_CANCEL, C_FIND, C_GET, C_MOVE, C_STORE, HAS_ANSWERED_ID, HAS_COMMAND, HAS_DATA_SET_TYPE, HAS_MESSAGE_ID,
    HAS_ORIGINATOR_ID, HAS_REMAINING, HAS_STATUS, NO_DATA_SET, RESPONSE_BIT, Field, Fields, next_field, read_fields,
)
from .flow cimport FIN, GO_ON, IGNORE, LOST, PAUSE, RST, UNKNOWN_TIME, Connection, Segment, Side, StreamSink
from .heading cimport (
    BROKEN_HEADING, DEFLATED, FEW_CELLS, FIRST_HEADING, MOST_HEADING, NO_HEADING, OF_ANSWER, OF_REQUEST, OF_RESPONSE,
    READ, READING, Cells, Heading, add_cell, find_cell, free_cells, read_heading,
)
from .order cimport (
    Order, OrderTable, lose_order, order_sent, read_order_table, settle_order, start_order,
)
from .part10 cimport SYNTAX_BIG_ENDIAN, SYNTAX_DEFLATED, SYNTAX_EXPLICIT, SYNTAX_IMPLICIT, SYNTAX_UNKNOWN, syntax_of
from .pdu cimport (
    A_ABORT, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, A_RELEASE_RP, A_RELEASE_RQ, AT_PDU, AT_PDV, BROKEN,
    COMMAND, CONTROL_PIECE, IN_CONTROL, IN_PDV, INVALID_PIECE, LAST_FRAGMENT, NO_PIECE, P_DATA_TF, PDU_HEADER,
    PDV_PIECE, PIECE_COMMAND, PIECE_ENDS, PIECE_LAST, Piece, PDUStream, next_piece, show_window, start_stream,
)
from .record cimport Ending, Gap, Transaction
from .tape cimport BIG_ENDIAN, DONE, EXPLICIT_LE, IMPLICIT, UNDEFINED, Stepper, stepper_free, stepper_reserve

from .command cimport MAX_COMMAND_SIZE

cdef extern from "bswap.h" nogil:
    uint32_t dw_load32be(const void*) noexcept
    uint32_t dw_load16be(const void*) noexcept

cdef enum:
    MOST_CONTROL = 1 << 20      # bytes of a control PDU
    MOST_SEARCHED = 1 << 22     # bytes of a stream from its middle in which nothing is found: it is no DICOM then
    MOST_OPEN = 256             # requests of one side without an answer
    MANY_WAITING = 4096         # finished records: the caller is to fetch them
    MOST_ANSWERS = 500          # matches of a worklist query whose keys are kept
    MOST_DEFLATED = 16384       # bytes of a deflated data set that are kept for its heading
    NO_REQUESTOR = 2
    NOBODY = 2
    FILE_PIECE = 1 << 18        # bytes that are written to a file at a time

cdef int _ignored               # the state of connections that say nothing to us
cdef uint64_t NO_PDU = <uint64_t>-1


# ------------------------------------------------------------------------------------------------- packets and counters

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


cdef inline void sample_rtt(Conversation* c, const Connection* connection) noexcept nogil:
    cdef int i
    for i in range(2):
        if connection.side[i].rtt_count != c.half[i].rtt_seen:
            c.half[i].rtt_seen = connection.side[i].rtt_count
            c.rtt[c.rtt_count % <uint32_t>RTT_SAMPLES] = connection.side[i].rtt_last_ns
            c.rtt_count += 1


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


cdef inline bint keep_bytes(Bytes* bytes_, const uint8_t* p, size_t n) noexcept nogil:
    """Append; False without memory."""
    cdef uint8_t* data
    if n == 0:
        return True
    data = <uint8_t*>realloc(bytes_.data, bytes_.length + n)
    if data == NULL:
        return False
    memcpy(data + bytes_.length, p, n)
    bytes_.data = data
    bytes_.length += <uint32_t>n
    return True


cdef void free_exchange(Exchange* e) noexcept nogil:
    cdef int i
    free_cells(&e.cells)
    for i in range(4):
        free(e.raw[i].data)
    free(e)


@cython.final
cdef class Talk(StreamSink):
    """The sink that makes records of conversations.

    ``transitions`` are the rows of PS3.8 Table 9-10 as labels: state, event, action, states after it.  ``facts`` makes
    what is known of a connection, once for each that has records; ``policy`` goes to it.  ``hl7`` makes the handler of
    an HL7 stream, or is None; ``extractor`` opens files for data sets, ``on_move`` is told of C-MOVE-RQs, or they are
    None.  ``keeps_elements``: command sets and
    headings are kept as they came.  ``most_held`` bytes are held in all for what packets cut, ``most_open``
    transactions without an answer.
    """

    def __init__(self, transitions, facts, policy, *, hl7=None, extractor=None, on_move=None, bint keeps_elements=False,
                 uint64_t most_held=32 << 20, uint64_t most_open=20000):
        if self.facts_type is not None:
            raise TypeError("this Talk was made before")
        read_order_table(&self.table, transitions)
        self.facts_type = facts
        self.policy = policy
        self.hl7 = hl7
        self.extractor = extractor
        self.on_move = on_move
        self.keeps_raw = keeps_elements
        self.most_held = most_held
        self.most_open = most_open
        if stepper_reserve(&self.scratch, 512) != DONE:
            raise MemoryError

    def __dealloc__(self):
        cdef Conversation* c = self.live
        cdef Conversation* after
        cdef Node* node = self.first
        cdef Node* next_
        while c != NULL:
            after = c.after
            c.connection = NULL         # it may be gone
            self.free_conversation(c)
            c = after
        while node != NULL:
            next_ = node.next
            if node.kind == EXCHANGE:
                free_exchange(<Exchange*>node)
            elif node.kind == CONVERSATION:
                self.free_conversation(<Conversation*>node)
            else:
                if node.kind == OBJECT:
                    Py_XDECREF((<ObjectNode*>node).object)
                free(node)
            node = next_
        stepper_free(&self.scratch)

    # ------------------------------------------------------------------------------------------------ what is finished

    @cython.nonecheck(False)
    cdef void push(self, Node* node) noexcept nogil:
        node.next = NULL
        if self.last == NULL:
            self.first = node
        else:
            self.last.next = node
        self.last = node
        self.waiting += 1

    def take(self):
        """The records that are finished since the last call: Transaction, Gap, Association, and those of HL7."""
        cdef Node* node = self.first
        cdef Node* next_
        cdef list records = []
        self.first = self.last = NULL
        self.waiting = 0
        while node != NULL:
            next_ = node.next
            if node.kind == EXCHANGE:
                records.append(Transaction.wrap(<Exchange*>node, self.facts_of((<Exchange*>node).conversation)))
            elif node.kind == GAP_NODE:
                records.append(Gap.wrap(<GapNode*>node, self.facts_of((<GapNode*>node).conversation)))
            elif node.kind == CONVERSATION:
                facts = self.facts_of(<Conversation*>node)
                records.append(facts.ended(Ending.wrap(<Conversation*>node)))
            else:
                records.append(<object>(<ObjectNode*>node).object)
                Py_XDECREF((<ObjectNode*>node).object)
                free(node)
            node = next_
        return records

    def check(self):
        """Raise what an HL7 handler, the extractor or ``on_move`` raised since the last call."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    cdef facts_of(self, Conversation* c):
        """What is known of a connection and its association, made when it is first asked for."""
        cdef Connection* connection
        if c.is_stale:
            Py_XDECREF(c.facts)         # of records that were made before the association was known
            c.facts = NULL
            c.is_stale = False
        if c.facts == NULL:
            connection = &c.copy if c.connection == NULL else c.connection
            facts = self.facts_type(
                self.policy,
                connection.serial,
                connection.ip_version,
                (connection.address[0][:16], connection.address[1][:16]),
                (connection.port[0], connection.port[1]),
                connection.vlan,
                connection.from_start,
                c.requestor if c.requestor != NO_REQUESTOR else None,
                PyBytes_FromStringAndSize(<char*>c.request.data, c.request.length) if c.request.data else None,
                PyBytes_FromStringAndSize(<char*>c.answer.data, c.answer.length) if c.answer.data else None,
            )
            Py_INCREF(facts)
            c.facts = <PyObject*>facts
        return <object>c.facts

    @property
    def connections(self):
        """How many connections speak what: undecided, DICOM, HL7, TLS, ISCL, HTTP, other."""
        cdef int i
        return dict(zip(("undecided", "dicom", "hl7", "tls", "iscl", "http", "other"),
                        [self.by_protocol[i] for i in range(7)], strict=True))

    @property
    def left_out(self):
        """How often something was not kept for want of memory or because of a bound."""
        return self.refused

    # ---------------------------------------------------------------------------------------------------- conversations

    @cython.nonecheck(False)
    cdef Conversation* meet(self, Connection* connection) noexcept nogil:
        """A conversation for a connection that has its first bytes; NULL without memory."""
        cdef Conversation* c = <Conversation*>calloc(1, sizeof(Conversation))
        cdef int i
        if c == NULL:
            self.refused += 1
            connection.state = &_ignored
            return NULL
        c.node.kind = CONVERSATION
        c.connection = connection
        c.requestor = NO_REQUESTOR
        c.end_kind = NOT_ENDED
        c.end_side = NOBODY
        c.end_ns = UNKNOWN_TIME
        c.is_midstream = not connection.from_start
        for i in range(2):
            c.half[i].mode = AT_START if connection.side[i].has_started else SEARCHING
            c.half[i].pdu_offset = NO_PDU
            c.half[i].rtt_seen = connection.side[i].rtt_count
        c.after = self.live
        if self.live != NULL:
            self.live.before = c
        self.live = c
        connection.state = c
        return c

    @cython.nonecheck(False)
    cdef void unlink(self, Conversation* c) noexcept nogil:
        if c.before != NULL:
            c.before.after = c.after
        else:
            self.live = c.after
        if c.after != NULL:
            c.after.before = c.before
        c.before = c.after = NULL

    @cython.nonecheck(False)
    cdef int drop(self, Conversation* c, int protocol) noexcept nogil:
        """Forget a conversation that is none of ours; -1."""
        c.connection.state = &_ignored
        self.by_protocol[protocol] += 1
        self.unlink(c)
        self.release_half(&c.half[0])
        self.release_half(&c.half[1])
        free(c)
        return -1

    @cython.nonecheck(False)
    cdef void release_half(self, Half* half) noexcept nogil:
        self.held_bytes -= half.held_room
        free(half.held)
        half.held = NULL
        half.held_length = half.held_room = 0

    cdef void free_conversation(self, Conversation* c) noexcept:
        """Free a live conversation with everything that hangs on it."""
        cdef int i
        cdef Exchange* e
        cdef Exchange* next_
        if c.connection != NULL:
            c.connection.state = NULL
        for i in range(2):
            self.release_half(&c.half[i])
            Py_XDECREF(c.half[i].message.file)
            e = c.half[i].first
            while e != NULL:
                next_ = <Exchange*>e.node.next
                free_exchange(e)
                e = next_
        Py_XDECREF(c.facts)
        Py_XDECREF(c.handler)
        free(c.request.data)
        free(c.answer.data)
        free(c)

    # -------------------------------------------------------------------------------------------------- calls of a sink

    @cython.nonecheck(False)
    cdef int opened(self, Connection* connection, const Segment* segment) noexcept nogil:
        return GO_ON

    @cython.nonecheck(False)
    cdef int data(self, Connection* connection, int side, const uint8_t* data, size_t length,
                  const Segment* segment) noexcept nogil:
        cdef Conversation* c = <Conversation*>connection.state
        cdef Half* half
        if c == NULL:
            c = self.meet(connection)
        if c == NULL or <void*>c == <void*>&_ignored:
            return IGNORE
        self.connection = connection
        self.segment = segment
        half = &c.half[side]
        half.offset += length
        if c.protocol == MLLP:
            self.hand_on(c, side, data, length)
            return PAUSE
        if c.protocol == DICOM:
            sample_rtt(c, connection)
            if half.message.stage != NO_MESSAGE:
                extend_passage(&half.message.passage, segment)
        if half.mode != WALKING:
            if half.tail_length:
                extend_passage(&half.lead, segment)
            else:
                start_passage(&half.lead, segment)
        elif half.stream.phase == AT_PDU and half.stream.carried == 0:
            start_passage(&half.lead, segment)
        elif half.message.stage == NO_MESSAGE or half.stream.phase != IN_PDV:
            extend_passage(&half.lead, segment)
        return self.feed(c, side, data, length)

    @cython.nonecheck(False)
    cdef bint failed(self) noexcept nogil:
        return <PyObject*>self.failure != <PyObject*>None

    @cython.nonecheck(False)
    cdef int gap(self, Connection* connection, int side, uint64_t length, int kind,
                 const Segment* segment) noexcept nogil:
        cdef Conversation* c = <Conversation*>connection.state
        cdef Half* half
        cdef PDUStream* s
        cdef Message* m
        cdef Piece piece
        cdef uint64_t at
        cdef uint8_t content
        if c == NULL:
            c = self.meet(connection)
        if c == NULL or <void*>c == <void*>&_ignored:
            return IGNORE
        self.connection = connection
        self.segment = segment
        half = &c.half[side]
        half.offset += length
        if c.protocol == MLLP:
            self.hand_gap(c, side, length, kind)
            return PAUSE if self.waiting > MANY_WAITING or self.failed() else GO_ON
        half.tail_length = 0
        if half.mode != WALKING:
            half.mode = SEARCHING
            if c.protocol == DICOM:
                half.is_uncertain = True
                lose_order(&c.order)
                self.note_gap(c, side, length, kind, False)
            return GO_ON
        s = &half.stream
        m = &half.message
        if s.phase == IN_PDV and length <= s.pdv_left:
            # The lengths before the gap say where the next header is.
            self.note_gap(c, side, length, kind, True)
            if segment != NULL and m.stage != NO_MESSAGE:
                extend_passage(&m.passage, segment)
            if m.stage != NO_MESSAGE:
                m.gaps += 1
                m.lost_bytes += length
                if m.stage == IN_DATA_SET:
                    at = m.data_set_size
                    m.data_set_size += length
                    if m.file != NULL:
                        self.skip_file(half, length)
                    if m.heading.phase == READING and half.held_length:
                        self.look_at_held(half)
                    if m.heading.phase == READING and m.heading.at < at + length:
                        m.heading.phase = BROKEN_HEADING
                    elif m.heading.phase == DEFLATED:
                        m.heading.phase = BROKEN_HEADING
                    self.release_half(half)
                else:
                    m.command_size += length
                    m.is_damaged = True
            half.data_bytes += length
            s.stop_offset += length
            s.pdv_left -= <uint32_t>length
            if s.pdv_left == 0:
                s.phase = AT_PDV if s.pdu_left else AT_PDU
                if s.phase == AT_PDU:
                    half.pdus[<int>P_DATA_TF] += 1
                piece.data = <const uint8_t*>s       # no byte of it is looked at
                piece.length = 0
                piece.kind = PDV_PIECE
                piece.flags = (s.control & (COMMAND | LAST_FRAGMENT)) | PIECE_ENDS
                piece.context_id = s.context_id
                self.take_fragment(c, side, &piece)
        elif s.phase == IN_CONTROL and length <= s.pdu_left:
            self.note_gap(c, side, length, kind, True)
            half.is_rejected = True
            s.stop_offset += length
            s.pdu_left -= <uint32_t>length
            if s.pdu_left == 0:
                s.phase = AT_PDU
                content = 0
                self.take_control(c, side, &content, 0)
        else:
            self.note_gap(c, side, length, kind, False)
            lose_order(&c.order)
            self.doubt_answers(c, side, length)
            half.mode = SEARCHING
            half.is_uncertain = True
            half.searched = 0
            if m.heading.phase != NO_HEADING and m.heading.phase != READ:
                self.look_at_held(half)
                if m.heading.phase != READ:
                    m.heading.phase = BROKEN_HEADING
            self.release_half(half)
            m.gaps += 1
            m.lost_bytes += length
            if m.stage == IN_COMMAND:
                self.leave_message(c, side)
        return PAUSE if self.waiting > MANY_WAITING else GO_ON

    @cython.nonecheck(False)
    cdef int ended(self, Connection* connection, int side, int kind, const Segment* segment) noexcept nogil:
        cdef Conversation* c = <Conversation*>connection.state
        if c == NULL or <void*>c == <void*>&_ignored:
            return GO_ON
        self.connection = connection
        self.segment = segment
        if c.protocol == MLLP:
            self.hand_end(c, side, kind)
            return PAUSE if self.waiting > MANY_WAITING or self.failed() else GO_ON
        if c.protocol == DICOM and segment != NULL:
            end_by(c, kind, side, segment.time_ns)
            if kind == RST:
                self.end_all(c, BY_RST, side)
        return PAUSE if self.waiting > MANY_WAITING else GO_ON

    @cython.nonecheck(False)
    cdef int forgotten(self, Connection* connection, int kind, int64_t time_ns) noexcept nogil:
        cdef Conversation* c = <Conversation*>connection.state
        cdef int cause, i
        connection.state = NULL
        if <void*>c == <void*>&_ignored:
            return GO_ON
        if c == NULL:
            self.by_protocol[<int>UNDECIDED] += 1
            return GO_ON
        self.connection = connection
        self.segment = NULL
        if c.protocol == MLLP:
            self.by_protocol[<int>MLLP] += 1
            self.unlink(c)
            self.hand_over(c, kind, time_ns)
            return PAUSE
        if c.protocol != DICOM:
            connection.state = c
            self.drop(c, UNDECIDED)
            connection.state = NULL
            return GO_ON
        self.by_protocol[<int>DICOM] += 1
        settle_order(&c.order, &self.table, 0, 0, True)
        settle_order(&c.order, &self.table, 1, 0, True)
        sample_rtt(c, connection)
        cause = c.end_kind
        if cause == NOT_ENDED or cause == BY_RELEASE:
            end_by(c, kind, NOBODY, time_ns)
            cause = c.end_kind
        if cause == BY_FIN and kind == RST:
            cause = BY_RST
        self.end_all(c, cause, c.end_side)
        c.forgotten_kind = <uint8_t>kind
        for i in range(2):
            self.release_half(&c.half[i])
        memcpy(&c.copy, connection, sizeof(Connection))
        c.copy.state = NULL
        self.unlink(c)
        c.connection = NULL
        self.push(&c.node)
        return PAUSE if self.waiting > MANY_WAITING else GO_ON

    # -------------------------------------------------------------------------------------------------------- detection

    @cython.nonecheck(False)
    cdef int feed(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil:
        """Take bytes of a stream: walk them, and look for the next PDU where that is not known; a SinkAnswer."""
        cdef Half* half = &c.half[side]
        cdef size_t left
        cdef Py_ssize_t taken
        while n:
            if half.mode == WALKING:
                left = self.walk(c, side, p, n)
            else:
                taken = self.look(c, side, p, n)
                if taken < 0:
                    return IGNORE
                left = n - <size_t>taken
                if c.protocol == MLLP:
                    if left:
                        self.hand_on(c, side, p + taken, left)
                    return PAUSE
            p += n - left
            n = left
        return PAUSE if self.waiting > MANY_WAITING or self.failed() else GO_ON

    @cython.nonecheck(False)
    cdef Py_ssize_t look(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil:
        """Look for what a stream speaks, or where its next PDU begins; how many bytes were taken, -1 to ignore it all.

        Where something begins the rest is not taken.  The end of the window is kept when something may begin in it.
        """
        cdef Half* half = &c.half[side]
        cdef uint8_t[384] joined
        cdef size_t part = 0, have = n, at = 0, before = half.tail_length
        cdef const uint8_t* window = p
        cdef int protocol = UNDECIDED
        if before:
            part = min(n, sizeof(joined) - before)
            memcpy(joined, half.tail, before)
            memcpy(joined + before, p, part)
            window, have = joined, before + part
        if half.mode == AT_START and c.protocol == DICOM:
            protocol = DICOM
        elif half.mode == AT_START:
            protocol = guess_protocol(window, have, self.connection.port[0], self.connection.port[1])
            if protocol == OTHER_PROTOCOL and (is_dicom_port(self.connection.port[0])
                                               or is_dicom_port(self.connection.port[1])):
                half.mode = SEARCHING
        if half.mode == SEARCHING:
            protocol = find_boundary(window, have, c.protocol == DICOM, &at)
            if protocol == UNDECIDED and c.protocol == UNDECIDED and half.searched == 0 and before == 0:
                # The middle of a stream may be the beginning of a record all the same.
                protocol = guess_protocol(window, have, 0, 0)
                if protocol != TLS and protocol != HTTP:
                    protocol = UNDECIDED
            half.searched += at
            half.skipped += at
            if protocol == UNDECIDED and c.protocol == UNDECIDED and half.searched > MOST_SEARCHED:
                return self.drop(c, ISCL if is_iscl_port(self.connection) else OTHER_PROTOCOL)
        half.tail_length = 0
        if protocol == UNDECIDED:
            if before and at < before and part < n:
                at = before     # too long for a header: it was none
            if before and part < n:
                return <Py_ssize_t>(at - before)
            if have - at > MOST_TAIL:
                at = have - MOST_TAIL
            memcpy(half.tail, window + at, have - at)
            half.tail_length = <uint32_t>(have - at)
            return <Py_ssize_t>n
        if protocol == MLLP:
            if c.protocol == UNDECIDED:
                if not self.meet_hl7(c):
                    return self.drop(c, MLLP)
                c.protocol = MLLP
            if at < before:
                self.hand_on(c, side, window + at, before - at)
                return 0
            return <Py_ssize_t>(at - before)
        if protocol != DICOM:
            return self.drop(c, protocol)
        if c.protocol == UNDECIDED:
            c.protocol = DICOM
            start_order(&c.order, 0 if self.connection.from_start and c.half[0].mode == AT_START
                        and c.half[1].mode == AT_START else -1)
        if at >= before:
            start_passage(&half.lead, self.segment)
        half.mode = WALKING
        half.searched = 0
        half.pdu_offset = NO_PDU
        half.is_rejected = False
        start_stream(&half.stream, MOST_CONTROL, 0)
        half.stream.stop_offset = half.offset - n + at - before
        if at < before:
            self.walk(c, side, window + at, before - at)
            return 0
        return <Py_ssize_t>(at - before)

    # ------------------------------------------------------------------------------------------------------------- PDUs

    @cython.nonecheck(False)
    cdef bint hold(self, Half* half, const uint8_t* p, size_t n, uint64_t most) noexcept nogil:
        """Keep bytes behind those held; False when they are more than ``most`` or than all may hold."""
        cdef uint64_t wanted = half.held_length + <uint64_t>n, room
        cdef uint8_t* held
        if wanted > most:
            return False
        if wanted > half.held_room:
            room = max(wanted * 2 if half.held_room else wanted, <uint64_t>256)
            if self.held_bytes + (room - half.held_room) > self.most_held:
                self.refused += 1
                return False
            held = <uint8_t*>realloc(half.held, room)
            if held == NULL:
                self.refused += 1
                return False
            self.held_bytes += room - half.held_room
            half.held = held
            half.held_room = <uint32_t>room
        if n:
            memcpy(half.held + half.held_length, p, n)
        half.held_length = <uint32_t>wanted
        return True

    @cython.nonecheck(False)
    cdef size_t walk(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil:
        """Take bytes of a stream whose PDUs are known; how many are left where what follows is no PDU."""
        cdef Half* half = &c.half[side]
        cdef PDUStream* s = &half.stream
        cdef Piece piece
        cdef int kind
        show_window(s, p, n)
        while True:
            kind = next_piece(s, &piece)
            if kind == PDV_PIECE:
                if s.pdu_offset != half.pdu_offset:
                    half.pdu_offset = s.pdu_offset
                    half.longest_pdu = max(half.longest_pdu, s.pdu_length)
                    if s.pdu_length > c.half[1 - side].maximum_length != 0:
                        half.too_long += 1
                    if not c.order.is_flowing:
                        self.judge(c, side, P_DATA_TF, s.pdu_offset + PDU_HEADER + s.pdu_length)
                self.take_fragment(c, side, &piece)
                if s.phase == AT_PDU:
                    half.pdus[<int>P_DATA_TF] += 1
                    start_passage(&half.lead, self.segment)
            elif kind == CONTROL_PIECE:
                if half.message.stage != NO_MESSAGE:
                    self.interrupt_message(c, side)
                if piece.flags & PIECE_ENDS and half.held_length == 0:
                    self.take_control(c, side, piece.data, piece.length)
                    start_passage(&half.lead, self.segment)
                else:
                    if not half.is_rejected and not self.hold(half, piece.data, piece.length, MOST_CONTROL):
                        half.is_rejected = True
                    if piece.flags & PIECE_ENDS:
                        self.take_control(c, side, half.held, half.held_length)
                        self.release_half(half)
                        start_passage(&half.lead, self.segment)
            elif kind == INVALID_PIECE:
                half.pdus[0] += 1
                if not half.is_broken:
                    half.is_broken = True
                    half.broken = s[0]
                self.judge(c, side, 0, s.pdu_offset)
                lose_order(&c.order)
                self.leave_message(c, side)
                self.release_half(half)
                half.mode = SEARCHING
                half.is_uncertain = True
                half.tail_length = 0
                return s.stop - s.next
            else:
                return 0

    @cython.nonecheck(False)
    cdef void judge(self, Conversation* c, int side, int pdu_type, uint64_t end) noexcept nogil:
        """Whether a PDU is legal in some order of the two directions."""
        order_sent(&c.order, &self.table, side, pdu_type, end,
                   self.segment.acknowledged if self.segment.has_ack else 0,
                   self.connection.side[1 - side].delivered, self.segment.frame)

    @cython.nonecheck(False)
    cdef void take_control(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil:
        """Take a PDU other than P-DATA-TF, without its header."""
        cdef Half* half = &c.half[side]
        cdef PDUStream* s = &half.stream
        cdef int pdu_type = s.header[0]
        cdef Control* control
        cdef Bytes* kept = NULL
        cdef bint is_lost = half.is_rejected, is_asynchronous = False
        half.is_rejected = False
        half.pdus[pdu_type] += 1
        self.judge(c, side, pdu_type, s.pdu_offset + PDU_HEADER + s.pdu_length)
        if c.controls < MOST_CONTROLS:
            control = &c.control[c.controls]
            c.controls += 1
            control.time_ns = half.lead.first_ns
            control.frame = half.lead.first_frame
            control.pdu_type = <uint8_t>pdu_type
            control.side = <uint8_t>side
            if n == 4 and not is_lost:
                memcpy(control.fields, p, 4)
        if pdu_type == A_ASSOCIATE_RQ:
            if c.requestor == NO_REQUESTOR:
                c.requestor = <uint8_t>side
                kept = &c.request
        elif pdu_type == A_ASSOCIATE_AC:
            if c.answer.data == NULL and not is_lost:
                kept = &c.answer
                if c.requestor == NO_REQUESTOR:
                    c.requestor = <uint8_t>(1 - side)
        elif pdu_type == A_ASSOCIATE_RJ:
            end_by(c, BY_REJECTION, side, half.lead.first_ns)
        elif pdu_type == A_RELEASE_RQ:
            if not c.is_released:
                c.is_released = True
                c.end_side = <uint8_t>side
        elif pdu_type == A_RELEASE_RP:
            if c.end_kind == NOT_ENDED:
                end_by(c, BY_RELEASE, c.end_side if c.is_released else 1 - side, half.lead.first_ns)
        elif pdu_type == A_ABORT:
            end_by(c, BY_ABORT, side, half.lead.first_ns)
            self.end_all(c, BY_ABORT, side)
        if kept != NULL and not is_lost:
            if not keep_bytes(kept, s.header, PDU_HEADER) or not keep_bytes(kept, p, n):
                self.refused += 1
                return
            c.is_stale = True
            half.maximum_length = read_user_information(kept.data, kept.length, &is_asynchronous)
            if pdu_type == A_ASSOCIATE_AC:
                c.is_asynchronous = is_asynchronous
                read_contexts(c)

    # --------------------------------------------------------------------------------------------------------- messages

    @cython.nonecheck(False)
    cdef void begin_message(self, Conversation* c, int side, uint8_t context_id) noexcept nogil:
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        m.passage = half.lead
        take_tally(&m.tally, self.connection, half.lead.last_ns)
        m.exchange = NULL
        m.start = half.stream.pdu_offset
        m.command_size = m.data_set_size = m.lost_bytes = m.held_at = 0
        m.gaps = 0
        m.status = 0
        m.stage = IN_COMMAND
        m.context_id = context_id
        m.is_response = m.is_headless = m.is_damaged = False
        m.raw = 0
        m.heading.phase = NO_HEADING
        m.file = NULL

    @cython.nonecheck(False)
    cdef void take_fragment(self, Conversation* c, int side, const Piece* piece) noexcept nogil:
        """Take bytes of a presentation data value."""
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        cdef bint is_last = piece.flags & PIECE_LAST != 0
        half.data_bytes += piece.length
        if piece.flags & PIECE_COMMAND:
            if m.stage != IN_COMMAND or piece.context_id != m.context_id:
                if m.stage != NO_MESSAGE:
                    self.leave_message(c, side)
                self.begin_message(c, side, piece.context_id)
            half.is_uncertain = False
            m.command_size += piece.length
            if is_last and half.held_length == 0 and not m.is_damaged:
                self.take_command(c, side, piece.data, <uint32_t>min(piece.length, <size_t>MAX_COMMAND_SIZE))
                return
            if not m.is_damaged and not self.hold(half, piece.data, piece.length, MAX_COMMAND_SIZE):
                m.is_damaged = True
            if is_last:
                if m.is_damaged:
                    self.release_half(half)
                    self.take_command(c, side, piece.data, 0)
                else:
                    self.take_command(c, side, half.held, half.held_length)
            return
        if m.stage == IN_DATA_SET and piece.context_id == m.context_id:
            if half.is_uncertain:
                half.is_uncertain = False
                if m.exchange != NULL:
                    m.exchange.flags |= BOUNDARY_GUESSED
                    if m.exchange.flags & FINAL_SEEN and not m.is_response:
                        # It was answered already: what comes is another message.
                        self.leave_message(c, side)
        elif m.stage != NO_MESSAGE:
            if m.stage == IN_COMMAND:
                self.release_half(half)
            self.leave_message(c, side)
        if m.stage == NO_MESSAGE:
            half.is_uncertain = False
            self.begin_message(c, side, piece.context_id)
            m.stage = IN_DATA_SET
            m.is_headless = True
        self.take_data(c, side, piece.data, piece.length, is_last)

    @cython.nonecheck(False)
    cdef void take_command(self, Conversation* c, int side, const uint8_t* p, uint32_t n) noexcept nogil:
        """Take a whole command set; ``n`` is 0 for one that is damaged.  Gives back what was held of it."""
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        cdef Half* asking
        cdef Fields fields
        cdef Exchange* e = NULL
        cdef bint has_data_set, is_faulty
        cdef int i, kind
        read_fields(p, n, &fields)
        is_faulty = n == 0 or fields.is_faulty or not fields.present & HAS_COMMAND or m.command_size > MAX_COMMAND_SIZE
        half.messages += 1
        has_data_set = fields.data_set_type != NO_DATA_SET if fields.present & HAS_DATA_SET_TYPE else False
        if not fields.present & HAS_COMMAND:
            # Whose command it is cannot be known: its data set is passed over.
            self.end_headless(c, side)
            self.release_half(half)
            return
        if fields.command & RESPONSE_BIT:
            m.is_response = True
            asking = &c.half[1 - side]
            e = asking.last
            while e != NULL and not (e.message_id == fields.answered_id and e.has_message_id):
                e = e.previous
            if e == NULL:
                e = self.new_exchange(c, 1 - side)
                if e == NULL:
                    self.end_headless(c, side)
                    self.release_half(half)
                    return
                e.command = fields.command & ~RESPONSE_BIT
                e.message_id = fields.answered_id
                e.has_message_id = fields.present & HAS_ANSWERED_ID != 0
                e.context_id = m.context_id
                e.flags |= REQUEST_BEGUN_BEFORE
                if self.segment.has_ack and self.segment.acknowledged > self.connection.side[1 - side].delivered:
                    # Who answers has received what the capture has not shown yet.
                    e.flags |= AWAITS_REQUEST
                    e.awaited = self.segment.acknowledged
                if asking.has_headless:
                    asking.has_headless = False
                    e.request = asking.headless
                    e.request_data_set_size = asking.headless_size
                    e.flags |= REQUEST_DONE
                elif asking.message.is_headless and asking.message.stage == IN_DATA_SET:
                    asking.message.exchange = e
            self.take_response(c, side, e, &fields, is_faulty, p, n)
        elif fields.command == C_CANCEL:
            e = half.last
            while e != NULL and not (e.message_id == fields.answered_id and e.has_message_id):
                e = e.previous
            if e != NULL:
                e.flags |= CANCELLED
            has_data_set = False
        else:
            self.take_request(c, side, &fields, is_faulty, p, n)
            e = m.exchange
        self.release_half(half)
        if has_data_set:
            m.stage = IN_DATA_SET
        else:
            if e != NULL and m.exchange != NULL:
                self.end_message(c, side)
            m.stage = NO_MESSAGE
            m.exchange = NULL

    @cython.nonecheck(False)
    cdef void take_request(self, Conversation* c, int side, const Fields* fields, bint is_faulty, const uint8_t* p,
                           uint32_t n) noexcept nogil:
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        cdef Exchange* e
        cdef Exchange* other
        half.requests += 1
        # A message ID may be used again once it was answered; else the answer belongs to the newer request.
        other = half.last
        while other != NULL:
            if other.has_message_id and other.message_id == fields.message_id and fields.present & HAS_MESSAGE_ID:
                break
            other = other.previous
        if other != NULL and other.flags & AWAITS_REQUEST and other.command == fields.command:
            other.flags &= ~<uint32_t>(AWAITS_REQUEST | REQUEST_BEGUN_BEFORE)
            e = other
            free_cells(&e.cells)
            e.cells.length = e.cells.room = 0
        else:
            if other != NULL:
                other.flags |= ID_REUSED
                self.finish(other)
            self.finish_doubtful(c, side)
            e = self.new_exchange(c, side)
        m.exchange = e
        if e == NULL:
            return
        e.command = fields.command
        e.context_id = m.context_id
        e.message_id = fields.message_id
        e.has_message_id = fields.present & HAS_MESSAGE_ID != 0
        e.flags |= REQUEST_SEEN
        if is_faulty or not e.has_message_id or not fields.present & HAS_DATA_SET_TYPE:
            e.flags |= REQUEST_FAULTY
        e.request = m.passage
        e.at_request = m.tally
        keep_text(&e.cells, 0x0002, OF_REQUEST, &fields.sop_class)
        keep_text(&e.cells, 0x1000, OF_REQUEST, &fields.sop_instance)
        if fields.present & HAS_ORIGINATOR_ID:
            e.originator_id = fields.originator_id
            e.has_originator_id = True
            e.flags |= IS_SUB_OPERATION
        if fields.command == C_STORE:
            # In the other direction of an open C-GET: one of its sub-operations.
            other = c.half[1 - side].last
            while other != NULL:
                if other.command == C_GET:
                    e.flags |= IS_SUB_OPERATION | HAS_PARENT
                    e.parent_id = other.message_id
                    break
                other = other.previous
        if fields.command != C_STORE or fields.present & HAS_ORIGINATOR_ID:
            keep_rare(&e.cells, OF_REQUEST, p, n)
        if self.keeps_raw:
            keep_bytes(&e.raw[0], p, n)
        m.raw = 1
        if fields.present & HAS_DATA_SET_TYPE and fields.data_set_type != NO_DATA_SET:
            begin_heading(c, m, OF_REQUEST, False)
            if <PyObject*>self.extractor != <PyObject*>None and fields.command == C_STORE:
                self.open_file(c, side, e)
        if <PyObject*>self.on_move != <PyObject*>None and fields.command == C_MOVE and e.has_message_id:
            self.tell_move(c, side, e)

    @cython.nonecheck(False)
    cdef void take_response(self, Conversation* c, int side, Exchange* e, const Fields* fields, bint is_faulty,
                            const uint8_t* p, uint32_t n) noexcept nogil:
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        cdef int i
        cdef bint is_pending = False
        cdef Exchange* older
        cdef Exchange* after
        m.exchange = e
        if e.flags & ANSWER_LOST and e.command not in (C_FIND, C_GET, C_MOVE):
            # Its only answer is here: the gap hid something else.
            e.flags &= ~<uint32_t>(ANSWER_LOST | RESPONSE_GAP)
            e.gaps -= e.doubted_gaps
            e.lost_bytes -= e.doubted_bytes
        if not c.is_asynchronous:
            older = c.half[1 - side].first
            while older != NULL and older != e:
                after = <Exchange*>older.node.next
                if older.flags & ANSWER_LOST and not older.flags & FINAL_SEEN:
                    self.finish(older)
                older = after
        if not e.flags & RESPONSE_SEEN:
            e.flags |= RESPONSE_SEEN
            e.response = m.passage
            e.response.packets = 0
            e.response.wire_bytes = e.response.stream_bytes = 0
            e.response.last_frame = 0
            if not e.flags & REQUEST_SEEN:
                e.at_request = m.tally
        e.responses += 1
        if is_faulty or not fields.present & HAS_STATUS:
            e.flags |= RESPONSE_FAULTY
        if fields.present & HAS_STATUS:
            e.status = m.status = fields.status
            i = status_kind(fields.status)
            e.by_kind[i] += 1
            is_pending = i == 1
        if is_pending and e.first_pending_ns == UNKNOWN_TIME:
            e.first_pending_ns = m.passage.first_ns
        if not is_pending:
            e.final_ns = m.passage.first_ns
        if fields.present & (15 * HAS_REMAINING):
            e.counts_present = <uint8_t>(fields.present // HAS_REMAINING & 15)
            for i in range(4):
                e.counts[i] = fields.counts[i]
        if not e.flags & REQUEST_SEEN and e.responses == 1:
            keep_text(&e.cells, 0x0002, OF_RESPONSE, &fields.sop_class)
            keep_text(&e.cells, 0x1000, OF_RESPONSE, &fields.sop_instance)
        elif e.command == 0x0140 and fields.sop_instance.length and e.responses == 1:
            keep_text(&e.cells, 0x1000, OF_RESPONSE, &fields.sop_instance)     # who creates may leave the UID open
        if not is_pending and fields.status:
            keep_rare(&e.cells, OF_RESPONSE, p, n)
        if self.keeps_raw and not is_pending:
            keep_bytes(&e.raw[2], p, n)
        m.raw = 3
        if (e.command == C_FIND and is_pending and fields.present & HAS_DATA_SET_TYPE
                and fields.data_set_type != NO_DATA_SET and is_worklist(&e.cells)):
            if e.answers >= MOST_ANSWERS:
                e.cells.is_full = True
            else:
                e.answers += 1
                add_cell(&e.cells, 0, OF_ANSWER, NULL, 0)
                begin_heading(c, m, OF_ANSWER, True)

    @cython.nonecheck(False)
    cdef void take_data(self, Conversation* c, int side, const uint8_t* p, size_t n, bint is_last) noexcept nogil:
        """Take bytes of a data set."""
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        cdef Heading* h = &m.heading
        cdef uint64_t at = m.data_set_size, from_
        m.data_set_size += n
        if m.file != NULL:
            self.write_file(half, p, n)
        if m.exchange == NULL:
            pass
        elif h.phase == READING:
            if self.keeps_raw and m.exchange.raw[m.raw].length == at and at < MOST_HEADING:
                keep_bytes(&m.exchange.raw[m.raw], p, min(n, <size_t>MOST_HEADING))
            if half.held_length == 0:
                from_ = h.at - at if h.at > at else 0
                if from_ < n or is_last and from_ == n:
                    if n - from_ >= h.look_at or is_last:
                        read_heading(h, &self.scratch, &m.exchange.cells, p + from_, n - from_, is_last)
                        from_ = h.at - at
                    if h.phase == READING and from_ < n:
                        m.held_at = h.at
                        if not self.hold(half, p + from_, n - from_, 4 * MOST_HEADING):
                            h.phase = BROKEN_HEADING
            elif not self.hold(half, p, n, 4 * MOST_HEADING):
                h.phase = BROKEN_HEADING
            elif half.held_length >= h.look_at or is_last:
                read_heading(h, &self.scratch, &m.exchange.cells, half.held, half.held_length, is_last)
                if h.phase == READING:
                    from_ = min(h.at - m.held_at, <uint64_t>half.held_length)
                    half.held_length -= <uint32_t>from_
                    memmove(half.held, half.held + from_, half.held_length)
                    m.held_at = h.at
            if h.phase != READING:
                self.release_half(half)
        elif h.phase == DEFLATED:
            if m.exchange.raw[m.raw].length < MOST_DEFLATED:
                keep_bytes(&m.exchange.raw[m.raw], p, min(n, <size_t>MOST_DEFLATED))
        if is_last:
            if m.is_headless and m.exchange == NULL:
                half.has_headless = True
                half.headless = m.passage
                half.headless.stream_bytes = self_end(half) - m.start
                half.headless_size = m.data_set_size
                m.stage = NO_MESSAGE
            elif m.exchange == NULL:
                m.stage = NO_MESSAGE
            else:
                self.end_message(c, side)

    @cython.nonecheck(False)
    cdef void look_at_held(self, Half* half) noexcept nogil:
        """Read as much of a heading as is there: no more follows, or not what is next."""
        cdef Message* m = &half.message
        if m.exchange != NULL and m.heading.phase == READING and half.held_length and m.stage == IN_DATA_SET:
            read_heading(&m.heading, &self.scratch, &m.exchange.cells, half.held, half.held_length, False)
        half.held_length = 0

    @cython.nonecheck(False)
    cdef void end_headless(self, Conversation* c, int side) noexcept nogil:
        """Go on behind a command set of which nothing can be known."""
        cdef Message* m = &c.half[side].message
        m.stage = NO_MESSAGE
        m.exchange = NULL

    @cython.nonecheck(False)
    cdef void end_message(self, Conversation* c, int side) noexcept nogil:
        """A message is complete, or as complete as it gets: its exchange takes its figures."""
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        cdef Exchange* e = m.exchange
        cdef bint is_pending
        m.stage = NO_MESSAGE
        m.exchange = NULL
        half.has_headless = False
        self.release_half(half)
        if m.file != NULL:
            self.close_file(half, m.gaps == 0)
        if e == NULL:
            return
        m.passage.stream_bytes = self_end(half) - m.start if self_end(half) > m.start else 0
        e.gaps += m.gaps
        e.lost_bytes += m.lost_bytes
        if m.heading.phase == BROKEN_HEADING or m.heading.phase == READING:
            e.flags |= HEADING_BROKEN
        elif m.heading.phase == DEFLATED:
            e.flags |= HEADING_DEFLATED
        if m.heading.is_guessed and m.heading.phase != NO_HEADING:
            e.flags |= SYNTAX_GUESSED
        if m.is_response:
            if m.gaps:
                e.flags |= RESPONSE_GAP
            add_passage(&e.response, &m.passage)
            e.response_transfer_ns += m.passage.last_ns - m.passage.first_ns
            e.response_command_size += m.command_size
            e.response_data_set_size += m.data_set_size
            is_pending = status_kind(m.status) == 1
            if not is_pending:
                e.flags |= FINAL_SEEN
                if e.flags & REQUEST_SEEN and not e.flags & REQUEST_DONE:
                    e.flags |= RESPONSE_BEFORE      # the request is under way: its end is waited for
                    if c.half[1 - side].message.exchange != e:
                        self.finish(e)
                elif not e.flags & AWAITS_REQUEST:
                    self.finish(e)
            return
        if m.gaps:
            e.flags |= REQUEST_GAP
        e.request = m.passage
        e.request_command_size = m.command_size
        e.request_data_set_size = m.data_set_size
        e.flags |= REQUEST_DONE
        if m.heading.pixels_at and m.heading.phase == READ:
            if m.heading.pixels_length == <uint64_t>UNDEFINED:
                e.request_pixel_size = m.data_set_size - m.heading.pixels_at
            else:
                e.request_pixel_size = min(m.heading.pixels_length, m.data_set_size - m.heading.pixels_at)
        if e.flags & FINAL_SEEN:
            self.finish(e)

    @cython.nonecheck(False)
    cdef void leave_message(self, Conversation* c, int side) noexcept nogil:
        """A message is given up because another thing came in its place, or a gap hides its end."""
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        cdef Exchange* e = m.exchange
        if m.stage == NO_MESSAGE:
            return
        if e != NULL:
            if not m.gaps:
                e.flags |= DATA_SET_MISSING
                if half.is_uncertain:
                    m.gaps = 1
            if m.heading.phase != READ and m.heading.phase != NO_HEADING:
                m.heading.phase = BROKEN_HEADING
            if m.file != NULL:
                self.close_file(half, False)
            self.end_message(c, side)
        m.stage = NO_MESSAGE
        m.exchange = NULL
        self.release_half(half)

    @cython.nonecheck(False)
    cdef void interrupt_message(self, Conversation* c, int side) noexcept nogil:
        """A control PDU comes in the middle of a message: what was held of that makes room."""
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        if half.stream.header[0] != A_ABORT:
            self.leave_message(c, side)
        elif m.heading.phase == READING or m.stage == IN_COMMAND and not m.is_damaged:
            m.is_damaged = True         # its figures stay until the A-ABORT is whole
            m.heading.phase = BROKEN_HEADING
            self.release_half(half)

    # ----------------------------------------------------------------------------------------------------- transactions

    @cython.nonecheck(False)
    cdef Exchange* new_exchange(self, Conversation* c, int requestor) noexcept nogil:
        """An open exchange at the end of its side's list; NULL without memory."""
        cdef Half* half = &c.half[requestor]
        cdef Exchange* e
        if half.open_count >= MOST_OPEN or self.open_count >= self.most_open and half.first != NULL:
            half.first.flags |= TOO_MANY_OPEN
            self.refused += 1
            self.finish(half.first)
        if self.open_count >= self.most_open:
            self.refused += 1
            return NULL
        e = <Exchange*>malloc(sizeof(Exchange))
        if e == NULL:
            self.refused += 1
            return NULL
        memset(e, 0, sizeof(Exchange) - sizeof(Cells) - 4 * sizeof(Bytes))
        memset(e.raw, 0, sizeof(e.raw))
        e.cells.data = NULL
        e.cells.length = e.cells.room = 0
        e.cells.is_full = False
        e.node.kind = EXCHANGE
        e.conversation = c
        e.requestor = <uint8_t>requestor
        e.first_pending_ns = e.final_ns = UNKNOWN_TIME
        e.request.first_ns = e.request.last_ns = e.response.first_ns = e.response.last_ns = UNKNOWN_TIME
        e.rtt_median_ns = UNKNOWN_TIME
        e.end_kind = NOT_ENDED
        e.end_side = NOBODY
        e.previous = half.last
        if half.last != NULL:
            half.last.node.next = &e.node
        else:
            half.first = e
        half.last = e
        half.open_count += 1
        self.open_count += 1
        return e

    @cython.nonecheck(False)
    cdef void finish(self, Exchange* e) noexcept nogil:
        """Take an exchange out of the open ones: nothing more is known of it."""
        cdef Conversation* c = e.conversation
        cdef Half* half = &c.half[e.requestor]
        cdef Exchange* after = <Exchange*>e.node.next
        cdef int i
        if e.previous != NULL:
            e.previous.node.next = e.node.next
        else:
            half.first = after
        if after != NULL:
            after.previous = e.previous
        else:
            half.last = e.previous
        e.previous = NULL
        half.open_count -= 1
        self.open_count -= 1
        for i in range(2):
            if c.half[i].message.exchange == e:
                c.half[i].message.exchange = NULL
                if c.half[i].message.file != NULL:
                    self.close_file(&c.half[i], False)
        take_tally(&e.at_end, self.connection, self.segment.time_ns if self.segment != NULL else UNKNOWN_TIME)
        take_rtt(e, c)
        c.transactions += 1
        self.push(&e.node)

    @cython.nonecheck(False)
    cdef void doubt_answers(self, Conversation* c, int side, uint64_t length) noexcept nogil:
        """A gap in the stream of ``side`` may hide answers to what waits for them."""
        cdef Exchange* e = c.half[1 - side].first
        cdef Exchange* in_hand = c.half[side].message.exchange
        while e != NULL:
            if e.flags & REQUEST_DONE and not e.flags & FINAL_SEEN and e != in_hand:
                e.flags |= ANSWER_LOST | RESPONSE_GAP
                e.gaps += 1
                e.lost_bytes += length
                e.doubted_gaps += 1
                e.doubted_bytes += length
            e = <Exchange*>e.node.next

    @cython.nonecheck(False)
    cdef void finish_doubtful(self, Conversation* c, int side) noexcept nogil:
        """A new request: who waits for an answer before the next has had those that a gap may hide."""
        cdef Exchange* e = c.half[side].first
        cdef Exchange* after
        while e != NULL:
            after = <Exchange*>e.node.next
            if (e.flags & ANSWER_LOST and not c.is_asynchronous and not e.flags & FINAL_SEEN
                    or e.flags & AWAITS_REQUEST and self_end(&c.half[side]) > e.awaited):
                self.finish(e)
            e = after

    @cython.nonecheck(False)
    cdef void end_all(self, Conversation* c, int cause, int side) noexcept nogil:
        """The association or the connection is at its end: so is all that is open."""
        cdef int i
        cdef Exchange* e
        cdef Message* m
        for i in range(2):
            # What is there of a message in hand, so that its figures are.
            m = &c.half[i].message
            if m.stage != NO_MESSAGE and m.exchange != NULL:
                e = m.exchange
                self.look_at_held(&c.half[i])
                m.passage.stream_bytes = self_end(&c.half[i]) - m.start if self_end(&c.half[i]) > m.start else 0
                e.gaps += m.gaps
                e.lost_bytes += m.lost_bytes
                if m.is_response:
                    add_passage(&e.response, &m.passage)
                    e.response_command_size += m.command_size
                    e.response_data_set_size += m.data_set_size
                    if m.gaps:
                        e.flags |= RESPONSE_GAP
                    e.flags &= ~<uint32_t>FINAL_SEEN
                else:
                    e.request = m.passage
                    e.request_command_size = m.command_size
                    e.request_data_set_size = m.data_set_size
                    if m.gaps:
                        e.flags |= REQUEST_GAP
            if m.file != NULL:
                self.close_file(&c.half[i], False)
            m.stage = NO_MESSAGE
            self.release_half(&c.half[i])
        for i in range(2):
            while c.half[i].first != NULL:
                e = c.half[i].first
                e.flags |= ENDED_EARLY
                e.end_kind = <uint8_t>cause
                e.end_side = <uint8_t>side
                self.finish(e)

    @cython.nonecheck(False)
    cdef void note_gap(self, Conversation* c, int side, uint64_t n, int kind, bint is_bridged) noexcept nogil:
        """Keep a gap; one that follows another in the same message is said with it."""
        cdef Half* half = &c.half[side]
        cdef GapNode* gap
        cdef Exchange* e = half.message.exchange
        cdef const Segment* segment = self.segment
        cdef uint16_t message_id = e.message_id if e != NULL else 0
        if self.last != NULL and self.last.kind == GAP_NODE:
            gap = <GapNode*>self.last
            if (gap.conversation == c and gap.side == side and gap.kind == kind and gap.is_bridged == is_bridged
                    and gap.stage == half.message.stage and gap.message_id == message_id):
                gap.length += n
                gap.count += 1
                if segment != NULL:
                    gap.last_ns = segment.time_ns
                    gap.last_frame = segment.frame
                return
        gap = <GapNode*>calloc(1, sizeof(GapNode))
        if gap == NULL:
            self.refused += 1
            return
        gap.node.kind = GAP_NODE
        gap.conversation = c
        gap.first_ns = gap.last_ns = segment.time_ns if segment != NULL else UNKNOWN_TIME
        gap.first_frame = gap.last_frame = segment.frame if segment != NULL else 0
        gap.length = n
        gap.offset = half.offset - n
        gap.count = 1
        gap.side = <uint8_t>side
        gap.kind = <uint8_t>kind
        gap.stage = half.message.stage
        gap.message_id = message_id
        gap.command = e.command if e != NULL else 0
        gap.is_bridged = is_bridged
        self.push(&gap.node)

    # ------------------------------------------------------------------------------------------------------ with Python

    @cython.nonecheck(False)
    cdef bint meet_hl7(self, Conversation* c) noexcept nogil:
        """Make the handler of an HL7 stream; False when nobody wants one."""
        if <PyObject*>self.hl7 == <PyObject*>None:
            return False
        with gil:
            try:
                handler = self.hl7(self.facts_of(c))
                Py_INCREF(handler)
                c.handler = <PyObject*>handler
                return True
            except BaseException as error:
                self.failure = error
                return False

    cdef int take_hl7(self, object records) except -1:
        """Put records of an HL7 stream among the others."""
        cdef ObjectNode* node
        for record in records or ():
            node = <ObjectNode*>calloc(1, sizeof(ObjectNode))
            if node == NULL:
                raise MemoryError
            node.node.kind = OBJECT
            Py_INCREF(record)
            node.object = <PyObject*>record
            self.push(&node.node)
        return 0

    cdef hl7_moment(self):
        """When, and in which packet: what an HL7 handler is told with the bytes it gets."""
        if self.segment == NULL:
            return None
        return self.segment.time_ns, self.segment.frame

    cdef hl7_counters(self):
        """The counters of both sides that an HL7 handler takes differences of."""
        cdef int i
        cdef Tally tally
        take_tally(&tally, self.connection, self.segment.time_ns if self.segment != NULL else UNKNOWN_TIME)
        return tuple([
            (tally.retransmissions[i], tally.timeouts[i], tally.zero_windows[i], tally.zero_window_ns[i],
             self.connection.side[i].rtt_count, self.connection.side[i].rtt_last_ns)
            for i in range(2)
        ])

    @cython.nonecheck(False)
    cdef void hand_on(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil:
        with gil:
            try:
                self.take_hl7((<object>c.handler).data(side, p[:n], self.hl7_moment(), self.hl7_counters()))
            except BaseException as error:
                self.failure = error

    @cython.nonecheck(False)
    cdef void hand_gap(self, Conversation* c, int side, uint64_t n, int kind) noexcept nogil:
        with gil:
            try:
                self.take_hl7((<object>c.handler).gap(side, n, self.hl7_moment()))
            except BaseException as error:
                self.failure = error

    @cython.nonecheck(False)
    cdef void hand_end(self, Conversation* c, int side, int kind) noexcept nogil:
        with gil:
            try:
                self.take_hl7((<object>c.handler).ended(side, kind, self.hl7_moment(), self.hl7_counters()))
            except BaseException as error:
                self.failure = error

    @cython.nonecheck(False)
    cdef void hand_over(self, Conversation* c, int kind, int64_t time_ns) noexcept nogil:
        """An HL7 stream is forgotten, and its handler with it."""
        with gil:
            try:
                self.take_hl7((<object>c.handler).forgotten(kind, time_ns))
            except BaseException as error:
                self.failure = error
            c.connection = NULL
            self.free_conversation(c)

    @cython.nonecheck(False)
    cdef void open_file(self, Conversation* c, int side, Exchange* e) noexcept nogil:
        """Ask the extractor for a file for the data set that begins."""
        cdef uint16_t class_length = 0, instance_length = 0
        cdef const uint8_t* sop_class = find_cell(&e.cells, 0x0002, OF_REQUEST, &class_length)
        cdef const uint8_t* instance = find_cell(&e.cells, 0x1000, OF_REQUEST, &instance_length)
        with gil:
            try:
                file = self.extractor.open(
                    self.facts_of(c), side, e.context_id, e.message_id,
                    sop_class[:class_length] if sop_class != NULL else b"",
                    instance[:instance_length] if instance != NULL else b"")
                if file is not None:
                    Py_INCREF(file)
                    c.half[side].message.file = <PyObject*>file
            except BaseException as error:
                self.failure = error

    @cython.nonecheck(False)
    cdef void tell_move(self, Conversation* c, int side, Exchange* e) noexcept nogil:
        """Say that a C-MOVE begins, which others will refer to before it has ended."""
        cdef uint16_t length = 0
        cdef const uint8_t* destination = find_cell(&e.cells, 0x0600, OF_REQUEST, &length)
        with gil:
            try:
                self.on_move(self.facts_of(c), side, e.message_id,
                             destination[:length] if destination != NULL else None, e.request.first_ns)
            except BaseException as error:
                self.failure = error

    @cython.nonecheck(False)
    cdef void skip_file(self, Half* half, uint64_t n) noexcept nogil:
        with gil:
            try:
                (<object>half.message.file).skip(n)
            except BaseException as error:
                self.failure = error

    @cython.nonecheck(False)
    cdef void write_file(self, Half* half, const uint8_t* p, size_t n) noexcept nogil:
        if n == 0:
            return
        with gil:
            try:
                (<object>half.message.file).write(p[:n])
            except BaseException as error:
                self.failure = error
                Py_XDECREF(half.message.file)
                half.message.file = NULL

    @cython.nonecheck(False)
    cdef void close_file(self, Half* half, bint is_complete) noexcept nogil:
        with gil:
            try:
                (<object>half.message.file).close(is_complete)
            except BaseException as error:
                self.failure = error
            Py_XDECREF(half.message.file)
            half.message.file = NULL


# -------------------------------------------------------------------------------------------------------- small helpers

cdef inline uint64_t self_end(const Half* half) noexcept nogil:
    """Offset in the stream of the next byte that was not taken."""
    return half.stream.stop_offset - <uint64_t>(half.stream.stop - half.stream.next)


cdef inline bint is_iscl_port(const Connection* connection) noexcept nogil:
    return connection.port[0] == 2761 or connection.port[1] == 2761


cdef void end_by(Conversation* c, int kind, int side, int64_t time_ns) noexcept nogil:
    """Note how an association ended; the first cause counts."""
    if c.end_kind == NOT_ENDED:
        c.end_kind = <uint8_t>kind
        c.end_side = <uint8_t>side
        c.end_ns = time_ns


cdef void keep_text(Cells* cells, uint32_t tag, uint8_t origin, const Field* field) noexcept nogil:
    if field.data != NULL:
        add_cell(cells, tag, origin, field.data, field.length)


cdef void keep_rare(Cells* cells, uint8_t origin, const uint8_t* p, uint32_t n) noexcept nogil:
    """Keep the elements of a command set that few messages have."""
    cdef const uint8_t* end = p + n
    cdef uint32_t tag = 0
    cdef Field field
    while p < end:
        field = next_field(&p, end, &tag)
        if field.data == NULL or tag > 0xFFFF:
            return
        if tag in (0x0600, 0x0901, 0x0902, 0x0903, 0x1002, 0x1005, 0x1008, 0x1030):
            while field.length and tag not in (0x0901, 0x1005) and field.data[field.length - 1] in (0, c' '):
                field.length -= 1
            add_cell(cells, tag, origin, field.data, field.length)


cdef bint is_worklist(const Cells* cells) noexcept nogil:
    """Whether the SOP class is that of worklist queries."""
    cdef uint16_t length = 0
    cdef const uint8_t* p = find_cell(cells, 0x0002, OF_REQUEST, &length)
    cdef int i
    cdef const char* uid = b"1.2.840.10008.5.1.4.31"
    if p == NULL or length != 22:
        return False
    for i in range(22):
        if p[i] != <uint8_t>uid[i]:
            return False
    return True


cdef void begin_heading(Conversation* c, Message* m, uint8_t origin, bint only_keys) noexcept nogil:
    cdef Heading* h = &m.heading
    cdef int kind = c.syntax[m.context_id]
    memset(h, 0, sizeof(Heading))
    h.phase = READING
    h.origin = origin
    h.only_keys = only_keys
    h.look_at = FIRST_HEADING
    if kind == SYNTAX_IMPLICIT:
        h.encoding = IMPLICIT
    elif kind == SYNTAX_BIG_ENDIAN:
        h.encoding = BIG_ENDIAN
    elif kind == SYNTAX_EXPLICIT:
        h.encoding = EXPLICIT_LE
    elif kind == SYNTAX_DEFLATED:
        h.phase = DEFLATED
    else:
        h.is_guessed = True


cdef uint32_t read_user_information(const uint8_t* pdu, uint32_t n, bint* is_asynchronous) noexcept nogil:
    """Maximum length of an A-ASSOCIATE-RQ or -AC, 0 where nothing is said, and whether it has a window (PS3.8 D.1)."""
    cdef uint32_t at = 74, length, end, maximum_length = 0
    while at + 4 <= n and pdu[at] != 0x50:
        at += 4 + dw_load16be(pdu + at + 2)
    if at + 4 > n:
        return 0
    end = min(n, at + 4 + dw_load16be(pdu + at + 2))
    at += 4
    while at + 4 <= end:
        length = dw_load16be(pdu + at + 2)
        if pdu[at] == 0x51 and length == 4 and at + 8 <= end:
            maximum_length = dw_load32be(pdu + at + 4)
        elif pdu[at] == 0x53:
            is_asynchronous[0] = True
        at += 4 + length
    return maximum_length


cdef void read_contexts(Conversation* c) noexcept nogil:
    """The transfer syntax of each accepted presentation context (PS3.8 section 9.3.3.2)."""
    cdef const uint8_t* pdu = c.answer.data
    cdef uint32_t n = c.answer.length, at = 74, length, inner, end, sub
    while at + 4 <= n:
        length = dw_load16be(pdu + at + 2)
        end = min(n, at + 4 + length)
        if pdu[at] == 0x21 and at + 8 <= end and pdu[at + 6] == 0:
            inner = at + 8
            while inner + 4 <= end:
                sub = dw_load16be(pdu + inner + 2)
                if pdu[inner] == 0x40 and inner + 4 + sub <= end:
                    c.syntax[pdu[at + 4]] = <uint8_t>syntax_of(pdu + inner + 4, sub)
                    break
                inner += 4 + sub
        at += 4 + length
