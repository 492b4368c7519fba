"""Talk: what connections of a capture say to each other, as records.  The sink of `_dicomwire.flow`."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from .boundary cimport PROTOCOLS
from .conversation cimport Conversation, Exchange, Half, Node
from .fields cimport Fields
from .flow cimport Connection, Segment, StreamSink
from .order cimport OrderTable
from .pdu cimport Piece
from .tape cimport Stepper

cdef class Talk(StreamSink):
    cdef Node* first                    # finished, not fetched
    cdef Node* last
    cdef Py_ssize_t waiting             # how many
    cdef Conversation* live
    cdef Stepper scratch
    cdef OrderTable table
    cdef Connection* connection         # during a call of the sink
    cdef const Segment* segment
    cdef readonly uint64_t held_bytes   # of control PDUs, command sets and headings in the making
    cdef readonly uint64_t open_count   # transactions without a final response
    cdef uint64_t most_held, most_open
    cdef bint keeps_raw
    cdef uint64_t[7] by_protocol
    cdef uint64_t refused               # of memory or a bound: nothing was kept for these
    cdef object facts_type, policy, hl7, extractor, on_move, failure

    cdef void push(self, Node* node) noexcept nogil
    cdef Conversation* meet(self, Connection* connection) noexcept nogil
    cdef int drop(self, Conversation* c, int protocol) noexcept nogil
    cdef void release_half(self, Half* half) noexcept nogil
    cdef void free_conversation(self, Conversation* c) noexcept
    cdef void unlink(self, Conversation* c) noexcept nogil
    cdef bint failed(self) noexcept nogil
    cdef int feed(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
    cdef Py_ssize_t look(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
    cdef size_t walk(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
    cdef void judge(self, Conversation* c, int side, int pdu_type, uint64_t end) noexcept nogil
    cdef bint hold(self, Half* half, const uint8_t* p, size_t n, uint64_t most) noexcept nogil
    cdef void take_control(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
    cdef void take_fragment(self, Conversation* c, int side, const Piece* piece) noexcept nogil
    cdef void begin_message(self, Conversation* c, int side, uint8_t context_id) noexcept nogil
    cdef void take_command(self, Conversation* c, int side, const uint8_t* p, uint32_t n) noexcept nogil
    cdef void take_request(self, Conversation* c, int side, const Fields* fields, bint is_faulty, const uint8_t* p,
                           uint32_t n) noexcept nogil
    cdef void take_response(self, Conversation* c, int side, Exchange* e, const Fields* fields, bint is_faulty,
                            const uint8_t* p, uint32_t n) noexcept nogil
    cdef void take_data(self, Conversation* c, int side, const uint8_t* p, size_t n, bint is_last) noexcept nogil
    cdef void end_message(self, Conversation* c, int side) noexcept nogil
    cdef void look_at_held(self, Half* half) noexcept nogil
    cdef void end_headless(self, Conversation* c, int side) noexcept nogil
    cdef void interrupt_message(self, Conversation* c, int side) noexcept nogil
    cdef void leave_message(self, Conversation* c, int side) noexcept nogil
    cdef Exchange* new_exchange(self, Conversation* c, int requestor) noexcept nogil
    cdef void finish(self, Exchange* e) noexcept nogil
    cdef void doubt_answers(self, Conversation* c, int side, uint64_t length) noexcept nogil
    cdef void finish_doubtful(self, Conversation* c, int side) noexcept nogil
    cdef void end_all(self, Conversation* c, int cause, int side) noexcept nogil
    cdef bint meet_hl7(self, Conversation* c) noexcept nogil
    cdef int take_hl7(self, object records) except -1
    cdef hl7_moment(self)
    cdef hl7_counters(self)
    cdef facts_of(self, Conversation* c)
    cdef void hand_on(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
    cdef void hand_gap(self, Conversation* c, int side, uint64_t n, int kind) noexcept nogil
    cdef void hand_end(self, Conversation* c, int side, int kind) noexcept nogil
    cdef void hand_over(self, Conversation* c, int kind, int64_t time_ns) noexcept nogil
    cdef void open_file(self, Conversation* c, int side, Exchange* e) noexcept nogil
    cdef void tell_move(self, Conversation* c, int side, Exchange* e) noexcept nogil
    cdef void skip_file(self, Half* half, uint64_t n) noexcept nogil
    cdef void write_file(self, Half* half, const uint8_t* p, size_t n) noexcept nogil
    cdef void close_file(self, Half* half, bint is_complete) noexcept nogil
    cdef void note_gap(self, Conversation* c, int side, uint64_t n, int kind, bint is_bridged) noexcept nogil
