"""The walk of the push parser: bytes of a stream in, batches of events out."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from .block cimport Block
from .events cimport EventBatch, Producer
from .source cimport Source, Window
from .tape cimport Stepper, TapeEntry


cdef class Walker(Producer):
    """Walks the elements of a stream chunk by chunk; knows nothing of files."""
    cdef Stepper s
    cdef Source notes               # policy, deviations and character set; has no bytes
    cdef uint64_t at                # offset of the next byte to come
    cdef uint64_t wait              # a value that is not whole yet is withheld until the stream is here, or 0
    cdef uint64_t piece_limit
    cdef uint64_t peek              # bytes of a fragment that must be there when it is given
    # bytes of earlier chunks that are still needed: a header, a value that is not whole
    cdef uint8_t* carry
    cdef uint64_t carry_start
    cdef uint64_t carry_stop
    cdef uint64_t carry_capacity
    # the front of the tape, which stands for what was given already
    cdef uint32_t first             # new entries begin here
    cdef uint32_t opening           # innermost container that the events so far have left open
    cdef uint32_t leading           # the entry whose value comes in pieces now, or 0
    cdef uint32_t* bases            # see Block.bases
    cdef uint32_t base_count
    cdef bytes context              # values of elements that give others a meaning ...
    cdef Window* context_windows    # ... and where they stood
    cdef int context_count
    cdef bint is_meta
    cdef bint ended
    cdef object error               # raised at the next call, because events come before it

    cdef int begin(self, uint64_t offset, uint8_t encoding) except -1
    cdef EventBatch step(self, object chunk, uint64_t skip, const uint8_t* data, uint64_t n, int* outcome)
    cdef EventBatch finish(self)
    cdef int _join(self, const uint8_t* data, uint64_t stop, uint64_t wanted) except -1
    cdef int _run(self, const uint8_t* data, uint64_t at, uint64_t stop) except -1
    cdef int _keep(self, const uint8_t* data, uint64_t at, uint64_t stop, uint64_t since) except -1
    cdef Source _source(self, object chunk, uint64_t skip, uint64_t at, uint64_t n, object joined)
    cdef Block _take_tape(self, Source source, uint32_t top)
    cdef int _renew(self, Block block, uint32_t top, uint32_t last) except -1
    cdef uint32_t _items_before(self, Block block, uint32_t sequence, uint32_t item) noexcept
    cdef int _add_context(self, list found, Block block, uint32_t node, uint32_t last) except -1
