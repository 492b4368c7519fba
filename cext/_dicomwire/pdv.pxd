"""Fragmentation: headers of P-DATA-TF around a caller's bytes, for one gathering write (PS3.8 section 9.3.5, Annex
D.1).

A PDU carries one presentation data value.  A sender without the GIL takes at most fragment_length_for() bytes at a
time, lets put_headers() write the twelve bytes before each fragment, and names both in an iovec.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    HEADERS = 12                    # bytes of the PDU's header and of that of the presentation data value in it
    LEAST_PDU_LENGTH = 12           # a peer's maximum length below this is refused: next to nothing would be data
    UNLIMITED_PDU_LENGTH = 1 << 20  # PDU-length towards a peer that sets no limit

cdef extern from "bswap.h" nogil:
    void dw_store32be(void*, uint32_t) noexcept


cdef inline void put_headers(uint8_t* to, uint8_t context_id, uint8_t control, uint32_t length) noexcept nogil:
    """Write the headers of a P-DATA-TF with one fragment of ``length`` bytes; ``control`` is made of ControlBit."""
    to[0] = 4
    to[1] = 0
    dw_store32be(to + 2, length + 6)
    dw_store32be(to + 6, length + 2)
    to[10] = context_id
    to[11] = control


cdef uint32_t fragment_length_for(object max_pdu_length) except 0


cdef class Gathering:
    cdef list buffers               # what is complete
    cdef uint8_t* short_bytes       # headers and short pieces that go before the next view
    cdef size_t count, room
    cdef uint8_t* reserve(self, size_t length) except NULL
    cdef int flush(self) except -1
    cdef int add_fragments(self, int context_id, uint8_t kind, bint ends, list views, uint64_t total,
                           uint32_t fragment_length, Py_ssize_t short_piece) except -1


cdef class Fragmenter:
    cdef uint32_t fragment_length
    cdef uint32_t held_limit
    cdef int context_id
    cdef uint8_t kind
    cdef bint is_finished
    cdef bytearray held             # what came last and was not given back yet
