"""From a source to a root tape: preamble, meta group, transfer syntax, encoding, data set (PS3.10 section 7)."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from .block cimport Block
from .source cimport Source

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
cdef int encoding_score(const uint8_t* p, uint64_t in_window, uint64_t left, int encoding) noexcept nogil
cdef bint reads_as_data_set(const uint8_t* p, uint64_t in_window, uint64_t left) noexcept nogil
cdef int look_for_other_formats(Source source, const uint8_t* p) except -1
cdef int refuse_archives(const uint8_t* p, uint64_t n) except -1
cdef int check_meta_length(Source source, uint64_t offset, int64_t declared, uint64_t stop) except -1
cdef int check_syntax(Source source, const uint8_t* p, uint64_t n, uint64_t offset) except -1
cdef str encoding_name(int encoding)
cdef bint skim_meta(const uint8_t* p, uint64_t n, FileStart* start) noexcept nogil
cdef Block bare_block(object data, int kind, int encoding, int policy)
