"""What a data set looks like when it is written: stretches of its source, and bytes of our own between them.

A plan is made by walking what was changed; what was not is a stretch of the source, whatever is inside.  Carrying it
out is copying.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from .block cimport Block
from .source cimport Source, Window

cdef struct Run:
    uint64_t offset             # in what it is a stretch of
    uint64_t length
    uint32_t origin             # 0: bytes of our own; else a place in ``origins``

cdef enum Lengths:
    KEPT_LENGTHS = 0            # as they are in the source; new ones known
    KNOWN_LENGTHS = 1
    UNDEFINED_LENGTHS = 2


cdef class Plan:
    cdef list origins           # Source objects, and memoryviews of values that were set
    cdef dict places            # of a Source in ``origins``
    cdef dict marks             # of blocks, see _touched
    cdef Run* runs
    cdef uint32_t count, capacity
    cdef Window own
    cdef readonly uint64_t length   # of all of it in bytes
    cdef uint8_t lengths        # Lengths
    cdef uint8_t policy         # Policy for characters that the declared sets do not have
    cdef list words             # tags of elements and numbers of items on the way to where the walk is
    cdef uint32_t depth
    cdef bint cut               # the last thing copied is a value that the source has not all of

    cdef uint8_t* put(self, uint64_t size) except NULL
    cdef int patch(self, uint64_t at, uint64_t begin, bint big) except -1
    cdef int delimit(self, uint32_t delimiter, int encoding) except -1
    cdef int take(self, Source source, uint64_t offset, uint64_t size) except -1
    cdef int hold(self, object view) except -1
    cdef int _add_run(self, uint32_t origin, uint64_t offset, uint64_t size) except -1
    cdef str path(self)
    cdef int item(self, Block block, uint32_t index, int encoding, tuple terms, int representation) except -1
    cdef int _own_elements(self, Block block, uint32_t first, uint32_t stop, Block own, int encoding, tuple terms,
                           int representation) except -1
    cdef int _own_element(self, Block block, uint32_t item, Block own, uint32_t index, int encoding, tuple terms,
                          int representation) except -1
    cdef int _text(self, uint32_t tag, uint16_t vr, const uint8_t* p, uint64_t size, int encoding,
                   tuple terms) except -1
    cdef int _value(self, uint32_t tag, uint16_t vr, object value, int encoding, int cell=*) except -1
    cdef int _header(self, uint32_t tag, uint16_t* vr, uint64_t length, int encoding) except -1
    cdef int _fragments(self, uint32_t tag, Block pieces, int encoding) except -1
    cdef int _made_sequence(self, uint32_t tag, Block inside, int encoding, tuple terms, int representation) except -1
    cdef int _members(self, Block block, list members, int encoding, tuple terms, int representation) except -1
    cdef int _member(self, Block block, uint32_t index, bint undefined, int encoding, tuple terms,
                     int representation) except -1
    cdef int _tape_item(self, Block block, uint32_t index, bytes touched, int encoding, tuple terms,
                        int representation, bint recoded) except -1
    cdef int _sequence(self, Block block, uint32_t index, bytes touched, int encoding, tuple terms,
                       int representation, bint recoded) except -1
    cdef int _sequence_inside(self, Block block, uint32_t index, bytes touched, int encoding, tuple terms,
                              int representation, bint recoded) except -1
    cdef bytes _marks(self, Block block)
    cdef int _end_last(self, Block block, uint32_t index, uint64_t start, uint64_t end, int encoding) except -1
    cdef int _walk_as_needed(self, Block block, bint recoded) except -1
    cdef bint _is_walked(self, Block block, uint32_t index, bint recoded) except -1
    cdef int _recoded(self, Block block, uint32_t index, int encoding, tuple terms) except -1
    cdef int _rest(self, Block block) except -1
