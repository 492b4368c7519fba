"""Conversations of a capture: protocols are recognized, PDUs walked, messages paired, headings read, without the GIL.

Here is what comes from the flows and how their bytes become PDUs (PS3.8 section 9); messages and transactions are in
`messages`, what is finished in `outcome`.
"""
cimport cython
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from .boundary cimport (
    DICOM, HTTP, ISCL, MLLP, MOST_TAIL, OTHER_PROTOCOL, TLS, UNDECIDED, find_boundary, guess_protocol, is_dicom_port,
)
from .conversation cimport (
    AT_START, BY_ABORT, BY_FIN, BY_REJECTION, BY_RELEASE, BY_RST, CONVERSATION, IN_COMMAND, IN_DATA_SET, MOST_CONTROLS,
    NO_MESSAGE, NOT_ENDED, SEARCHING, WALKING, Bytes, Control, Conversation, Half, Message,
)
from .sink cimport GO_ON, IGNORE, PAUSE, RST, UNKNOWN_TIME, Connection, Segment
from .heading cimport BROKEN_HEADING, DEFLATED, NO_HEADING, READ, READING
from .messages cimport Messages
from .order cimport lose_order, order_sent, read_order_table, settle_order, start_order
from .outcome cimport keep_bytes
from .part10 cimport syntax_of
from .passages cimport extend_passage, sample_rtt, start_passage
from .pdu cimport (
    A_ABORT, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, A_RELEASE_RP, A_RELEASE_RQ, AT_PDU, AT_PDV, COMMAND,
    CONTROL_PIECE, IN_CONTROL, IN_PDV, INVALID_PIECE, LAST_FRAGMENT, P_DATA_TF, PDU_HEADER, PDV_PIECE, PIECE_ENDS,
    PDUStream, Piece, next_piece, show_window, start_stream,
)

cdef extern from "bswap.h" nogil:
    uint32_t dw_load32be(const void*) noexcept
    uint32_t dw_load16be(const void*) noexcept

cdef enum:
    MOST_CONTROL = 1 << 20      # bytes of a control PDU
    MOST_SEARCHED = 1 << 22     # bytes of a stream from its middle in which nothing is found: it is no DICOM then
    MANY_WAITING = 4096         # finished records: the caller is to fetch them
    NO_REQUESTOR = 2
    NOBODY = 2

cdef int _ignored               # the state of connections that say nothing to us
cdef uint64_t NO_PDU = <uint64_t>-1


cdef inline bint is_iscl_port(const Connection* connection) noexcept nogil:
    return connection.port[0] == 2761 or connection.port[1] == 2761


cdef void end_by(Conversation* c, int kind, int side, int64_t time_ns) noexcept nogil:
    """Note how an association ended; the first cause counts."""
    if c.end_kind == NOT_ENDED:
        c.end_kind = <uint8_t>kind
        c.end_side = <uint8_t>side
        c.end_ns = time_ns


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


@cython.final
cdef class Talk(Messages):
    """The sink that makes records of conversations.

    ``transitions`` are the rows of PS3.8 Table 9-10 as labels: state, event, action, states after it; all else is of
    Outcome.
    """

    def __init__(self, transitions, facts, policy, **options):
        super().__init__(facts, policy, **options)
        read_order_table(&self.table, transitions)

    @property
    def connections(self):
        """How many connections speak what: undecided, DICOM, HL7, TLS, ISCL, HTTP, other."""
        cdef int i
        return dict(zip(("undecided", "dicom", "hl7", "tls", "iscl", "http", "other"),
                        [self.by_protocol[i] for i in range(7)], strict=True))

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
                self.note_gap(c, side, half.offset, length, kind, False)
            else:
                half.early_gap += length
                half.early_gap_end = half.offset
                half.early_gap_kind = <uint8_t>kind
            return GO_ON
        s = &half.stream
        m = &half.message
        if s.phase == IN_PDV and length <= s.pdv_left:
            # The lengths before the gap say where the next header is.
            self.note_gap(c, side, half.offset, length, kind, True)
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
            self.note_gap(c, side, half.offset, length, kind, True)
            half.is_rejected = True
            s.stop_offset += length
            s.pdu_left -= <uint32_t>length
            if s.pdu_left == 0:
                s.phase = AT_PDU
                content = 0
                self.take_control(c, side, &content, 0)
        else:
            self.note_gap(c, side, half.offset, length, kind, False)
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
        cdef int protocol = UNDECIDED, i
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
            for i in range(2):
                if c.half[i].early_gap:
                    self.note_gap(c, i, c.half[i].early_gap_end, c.half[i].early_gap, c.half[i].early_gap_kind, False)
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
