"""IP datagrams in fragments, put together again (RFC 791 section 3.2, RFC 8200 section 4.5)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from .link cimport Datagram

cdef enum:
    MOST_PENDING = 256          # datagrams that wait for fragments at once
    MOST_LENGTH = 65535         # bytes of one
    BLOCKS = 1024               # bytes of a bit for each 8 bytes of a datagram

cdef struct Pending:
    uint8_t* data
    uint32_t capacity
    uint32_t blocks             # units of 8 bytes that are there
    uint32_t total              # bytes of the whole, 0 while the last fragment is missing
    uint32_t captured_until     # nothing before here was cut
    uint32_t wire_length        # of all its fragments
    uint32_t identification
    uint8_t protocol            # of the first fragment
    uint8_t version
    bint is_used
    uint8_t[16] source
    uint8_t[16] destination
    int64_t since_ns
    uint8_t[BLOCKS] seen


cdef class FragmentTable:
    cdef Pending* pending
    cdef int count              # entries that were ever used
    cdef uint64_t lost          # datagrams that were given up
    cdef bint is_out_of_memory
    cdef bint take(self, Datagram* datagram, uint32_t* wire_length, int64_t time_ns) noexcept nogil
    cdef Pending* find(self, const Datagram* datagram, int64_t time_ns) noexcept nogil
