"""Messages: command sets and data sets out of presentation data values, and the transactions that they make."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from .conversation cimport Conversation, Exchange, Half
from .fields cimport Fields
from .outcome cimport Outcome
from .pdu cimport Piece


cdef inline uint64_t offset_of(const Half* half) noexcept nogil:
    """Offset in the stream of the next byte that was not taken."""
    return half.stream.stop_offset - <uint64_t>(half.stream.stop - half.stream.next)


cdef class Messages(Outcome):
    cdef void begin_message(self, Conversation* c, int side, uint8_t context_id) noexcept nogil
    cdef void take_fragment(self, Conversation* c, int side, const Piece* piece) noexcept nogil
    cdef void take_command(self, Conversation* c, int side, const uint8_t* p, uint32_t n) noexcept nogil
    cdef void take_request(self, Conversation* c, int side, const Fields* fields, bint is_faulty, const uint8_t* p,
                           uint32_t n) noexcept nogil
    cdef void take_response(self, Conversation* c, int side, Exchange* e, const Fields* fields, bint is_faulty,
                            const uint8_t* p, uint32_t n) noexcept nogil
    cdef void take_data(self, Conversation* c, int side, const uint8_t* p, size_t n, bint is_last) noexcept nogil
    cdef void look_at_held(self, Half* half) noexcept nogil
    cdef void end_headless(self, Conversation* c, int side) noexcept nogil
    cdef void end_message(self, Conversation* c, int side) noexcept nogil
    cdef void leave_message(self, Conversation* c, int side) noexcept nogil
    cdef void interrupt_message(self, Conversation* c, int side) noexcept nogil
    cdef Exchange* new_exchange(self, Conversation* c, int requestor) noexcept nogil
    cdef void finish(self, Exchange* e) noexcept nogil
    cdef void doubt_answers(self, Conversation* c, int side, uint64_t length) noexcept nogil
    cdef void finish_doubtful(self, Conversation* c, int side) noexcept nogil
    cdef void end_all(self, Conversation* c, int cause, int side) noexcept nogil
    cdef void note_gap(self, Conversation* c, int side, uint64_t n, int kind, bint is_bridged) noexcept nogil
