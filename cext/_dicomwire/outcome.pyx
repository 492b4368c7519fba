"""What a sink of streams has made and who else is told of it.  See outcome.pxd.

Finished things wait in a list, made without the GIL; take() makes objects of them.  What needs Python in the middle of
a stream (HL7, files, a C-MOVE) takes the GIL, and what it raises is kept for check().
"""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from .conversation cimport (
    CONVERSATION, EXCHANGE, GAP_NODE, OBJECT, Bytes, Conversation, Exchange, GapNode, Half, Node, ObjectNode, Tally,
)
from .ending cimport Ending
from .sink cimport UNKNOWN_TIME, Connection, StreamSink
from .heading cimport OF_REQUEST, find_cell, free_cells
from .passages cimport take_tally
from .record cimport Gap, Transaction
from .tape cimport DONE, stepper_free, stepper_reserve

cdef enum:
    NO_REQUESTOR = 2


cdef bint keep_bytes(Bytes* bytes_, const uint8_t* p, size_t n) noexcept nogil:
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


cdef class Outcome(StreamSink):
    """What is finished, and the dealings of a sink with Python.

    ``facts`` makes what is known of a connection, once for each that has records; ``policy`` goes to it.  ``hl7`` makes
    the handler of an HL7 stream, ``extractor`` opens files for data sets, ``on_move`` is told of C-MOVE-RQs, or they
    are None.  ``keeps_elements``: command sets and headings are kept as they came.  ``most_held`` bytes are held in all
    for what packets cut, ``most_open`` transactions without an answer.
    """

    def __init__(self, facts, policy, *, hl7=None, extractor=None, on_move=None, bint keeps_elements=False,
                 uint64_t most_held=32 << 20, uint64_t most_open=20000):
        if self.facts_type is not None:
            raise TypeError("this sink was made before")
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
    def left_out(self):
        """How often something was not kept for want of memory or because of a bound."""
        return self.refused

    # ----------------------------------------------------------------------------------------------------------- memory

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

    # ------------------------------------------------------------------------------------------------------ with Python

    @cython.nonecheck(False)
    cdef bint failed(self) noexcept nogil:
        return <PyObject*>self.failure != <PyObject*>None

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
