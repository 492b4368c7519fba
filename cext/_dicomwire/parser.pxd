"""Push parser: files and data sets of any size, in chunks of any size."""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from .events cimport EventBatch
from .walker cimport Walker

cdef enum Stage:
    START = 0               # preamble and meta group are looked for
    META_GROUP = 1          # its elements are walked
    BEGIN = 2               # the data set's first bytes show its encoding
    DATA = 3                # its elements are walked
    DEFLATED_BEGIN = 4      # the first deflated bytes show whether they are
    DEFLATED = 5            # the data set is inflated, and its own stages are in ``inner``


cdef class StreamParser(Walker):
    cdef int stage
    cdef int inner              # Stage of the inflated data set
    cdef int declared           # Encoding that the transfer syntax says, or -1
    cdef int encoding           # Encoding found, or -1
    cdef bint force
    cdef bint has_meta
    cdef bint closing
    cdef bint closed
    cdef bytearray head         # bytes gathered for a decision, or None
    cdef uint64_t wanted        # how many of them
    cdef uint64_t meta_offset
    cdef int64_t meta_length    # as Group Length says, -1 when it is missing
    cdef uint64_t meta_length_at
    cdef uint64_t syntax_at
    cdef bytes syntax           # Transfer Syntax UID as written, or None
    cdef object inflater
    cdef object framer          # a FrameEvents, or None
    cdef uint64_t fed           # bytes of all chunks
    cdef uint64_t serial        # of the newest batch that may go on

    cdef int _guarded(self, list batches, object chunk, const uint8_t* data, uint64_t n) except -1
    cdef EventBatch _chain(self, list batches)
    cdef int _process(self, list batches, object chunk, const uint8_t* data, uint64_t n) except -1
    cdef bint _decide(self, const uint8_t* p, uint64_t n, bint enough, uint64_t* skip) except -1
    cdef bint _decide_start(self, const uint8_t* p, uint64_t n, bint final, uint64_t* skip) except -1
    cdef int _expect(self, int kind) except -1
    cdef int _look_at_meta(self, EventBatch batch) except -1
    cdef int _end_meta(self) except -1
    cdef int _inflate(self, list batches) except -1
    cdef int _process_inner(self, list batches, bytes piece) except -1
    cdef int _end(self, list batches) except -1
    cdef int _decide_all(self, list batches) except -1
