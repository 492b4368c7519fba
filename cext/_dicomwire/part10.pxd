"""From a source to a root tape: preamble, meta group, transfer syntax, encoding, data set (PS3.10 section 7)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from .tape cimport Stepper

cdef enum SyntaxKind:
    SYNTAX_UNKNOWN = 0
    SYNTAX_IMPLICIT = 1
    SYNTAX_EXPLICIT = 2         # little endian, encapsulated ones too
    SYNTAX_BIG_ENDIAN = 3
    SYNTAX_DEFLATED = 4

cdef struct FileStart:
    # What the first bytes of a source say about it; filled by look_at_start.
    uint64_t meta_offset        # of File Meta Information
    uint8_t has_preamble        # 128 bytes and DICM
    uint8_t has_magic           # DICM somewhere at the front
    uint8_t has_meta            # group 0002 follows
    uint8_t meta_encoding       # Encoding of it
    # filled by skim_meta
    uint64_t data_offset        # of the data set
    uint64_t syntax_at          # value of Transfer Syntax UID
    uint64_t syntax_length

cdef void look_at_start(const uint8_t* p, uint64_t n, FileStart* start) noexcept nogil
cdef int syntax_of(const uint8_t* p, uint64_t n) noexcept nogil
cdef int likely_encoding(const uint8_t* p, uint64_t in_window, uint64_t left, int declared) noexcept nogil
cdef bint skim_meta(const uint8_t* p, uint64_t n, FileStart* start) noexcept nogil
