"""Messages and transactions without the GIL (PS3.7 sections 9 and 10).  See messages.pxd."""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint16_t
from libc.stdlib cimport calloc, malloc
from libc.string cimport memmove, memset

from .command cimport MAX_COMMAND_SIZE
from .conversation cimport (
    ANSWER_LOST, AWAITS_REQUEST, BOUNDARY_GUESSED, CANCELLED, DATA_SET_MISSING, DATA_SET_UNANNOUNCED, ENDED_EARLY,
    EXCHANGE, FINAL_SEEN, GAP_NODE, HAS_PARENT, HEADING_BROKEN, HEADING_DEFLATED, ID_REUSED, IN_COMMAND, IN_DATA_SET,
    IS_SUB_OPERATION, NO_MESSAGE, NOT_ENDED, REQUEST_BEGUN_BEFORE, REQUEST_DONE, REQUEST_FAULTY, REQUEST_GAP,
    REQUEST_SEEN, RESPONSE_BEFORE, RESPONSE_FAULTY, RESPONSE_GAP, RESPONSE_SEEN, SYNTAX_GUESSED, TOO_MANY_OPEN, Bytes,
    Conversation, Exchange, GapNode, Half, Message,
)
from .fields cimport (
    C_CANCEL, C_FIND, C_GET, C_MOVE, C_STORE, HAS_ANSWERED_ID, HAS_COMMAND, HAS_DATA_SET_TYPE, HAS_MESSAGE_ID,
    HAS_ORIGINATOR_ID, HAS_REMAINING, HAS_STATUS, NO_DATA_SET, RESPONSE_BIT, Field, Fields, next_field, read_fields,
)
from .sink cimport UNKNOWN_TIME, Segment
from .heading cimport (
    BROKEN_HEADING, DEFLATED, FIRST_HEADING, MOST_HEADING, NO_HEADING, OF_ANSWER, OF_REQUEST, OF_RESPONSE, READ,
    READING, Cells, Heading, add_cell, find_cell, free_cells, read_heading,
)
from .outcome cimport Outcome, keep_bytes
from .part10 cimport SYNTAX_BIG_ENDIAN, SYNTAX_DEFLATED, SYNTAX_EXPLICIT, SYNTAX_IMPLICIT
from .passages cimport add_passage, status_kind, take_rtt, take_tally
from .pdu cimport PIECE_COMMAND, PIECE_LAST, A_ABORT, Piece
from .tape cimport BIG_ENDIAN, EXPLICIT_LE, IMPLICIT, UNDEFINED

cdef enum:
    MOST_OPEN = 256             # requests of one side without an answer
    MOST_ANSWERS = 500          # matches of a worklist query whose keys are kept
    MOST_DEFLATED = 16384       # bytes of a deflated data set that are kept for its heading
    NOBODY = 2


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


cdef class Messages(Outcome):
    """Takes presentation data values, and makes transactions of the messages in them."""

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
        m.is_response = m.is_headless = m.is_damaged = m.is_claimable = False
        m.raw = 0
        m.heading.phase = NO_HEADING
        m.file = NULL

    @cython.nonecheck(False)
    cdef void take_fragment(self, Conversation* c, int side, const Piece* piece) noexcept nogil:
        """Take bytes of a presentation data value."""
        cdef Half* half = &c.half[side]
        cdef Message* m = &half.message
        cdef bint is_last = piece.flags & PIECE_LAST != 0, is_expected
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
            is_expected = half.is_uncertain or c.is_midstream and half.messages == 0
            if not is_expected and half.last != NULL and half.last.context_id == piece.context_id:
                half.last.flags |= DATA_SET_UNANNOUNCED
            half.is_uncertain = False
            self.begin_message(c, side, piece.context_id)
            m.is_claimable = is_expected
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
                half.has_headless = m.is_claimable
                half.headless = m.passage
                half.headless.stream_bytes = offset_of(half) - m.start
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
        m.passage.stream_bytes = offset_of(half) - m.start if offset_of(half) > m.start else 0
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
                    or e.flags & AWAITS_REQUEST and offset_of(&c.half[side]) > e.awaited):
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
                m.passage.stream_bytes = offset_of(&c.half[i]) - m.start if offset_of(&c.half[i]) > m.start else 0
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
