"""Messages: command sets and data sets out of presentation data values."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from .conversation cimport Conversation, Exchange, Half
from .fields cimport Fields
from .transactions cimport Transactions
from .pdu cimport Piece


cdef class Messages(Transactions):
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
    cdef void end_all(self, Conversation* c, int cause, int side) noexcept nogil
