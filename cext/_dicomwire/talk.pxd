"""Talk: what connections of a capture say to each other, as records.  The sink of `_dicomwire.flow`."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

from .conversation cimport Conversation
from .sink cimport Connection
from .messages cimport Messages
from .order cimport OrderTable

cdef class Talk(Messages):
    cdef OrderTable table
    cdef uint64_t[7] by_protocol

    cdef Conversation* meet(self, Connection* connection) noexcept nogil
    cdef void unlink(self, Conversation* c) noexcept nogil
    cdef int drop(self, Conversation* c, int protocol) noexcept nogil
    cdef int feed(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
    cdef Py_ssize_t look(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
    cdef size_t walk(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
    cdef void judge(self, Conversation* c, int side, int pdu_type, uint64_t end) noexcept nogil
    cdef void take_control(self, Conversation* c, int side, const uint8_t* p, size_t n) noexcept nogil
