"""Transactions: requests that wait for their responses, and what is made of those that wait in vain."""
from libc.stdint cimport uint64_t

from .conversation cimport Conversation, Exchange, Half
from .outcome cimport Outcome


cdef inline uint64_t offset_of(const Half* half) noexcept nogil:
    """Offset in the stream of the next byte that was not taken."""
    return half.stream.stop_offset - <uint64_t>(half.stream.stop - half.stream.next)


cdef class Transactions(Outcome):
    cdef Exchange* new_exchange(self, Conversation* c, int requestor) noexcept nogil
    cdef void finish(self, Exchange* e) noexcept nogil
    cdef void doubt_answers(self, Conversation* c, int side, uint64_t length) noexcept nogil
    cdef void finish_doubtful(self, Conversation* c, int side) noexcept nogil
    cdef void note_gap(self, Conversation* c, int side, uint64_t end, uint64_t n, int kind,
                       bint is_bridged) noexcept nogil
