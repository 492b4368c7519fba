"""What was changed in a data set after it was read or made: the changed elements of an item, sorted by tag.

A block that was never edited has no ``Edits``.  The values stand in an own block, see overlay.pyx; here is only which
tag is where.
"""
from libc.stdint cimport uint32_t

cdef struct Change:
    uint32_t tag
    uint32_t own                # entry of the own block; 0: deleted


cdef class Edits:
    cdef object own             # the Block of own elements; None where it is the block that these edits belong to
    cdef Change* changes        # ascending by tag
    cdef uint32_t count, capacity
    cdef dict items             # Edits of further items on the same tape, by index
    cdef list members           # items of the root if it is a sequence that was changed: DataSets, or indices of
                                # items on the same tape; None for one that was not
    cdef dict lists             # the same for sequences on the same tape, by index
    cdef bint is_held           # in a sequence: only then can something that it takes up hold it already
    cdef bint holds_items       # some element is a sequence

    cdef uint32_t position(self, uint32_t tag) noexcept
    cdef Change* find(self, uint32_t tag) noexcept
    cdef int put(self, uint32_t tag, uint32_t own) except -1
    cdef int forget(self, uint32_t tag) noexcept
