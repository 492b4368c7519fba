"""Which elements of an item were changed, inserted or deleted, as an array sorted by tag."""
cimport cython
from libc.stdlib cimport free, realloc
from libc.string cimport memmove


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Edits:
    """The changes of one item, and of what else was changed on its tape; see edits.pxd."""

    def __cinit__(self):
        self.changes = NULL
        self.count = self.capacity = 0
        self.is_held = self.holds_items = False

    def __dealloc__(self):
        free(self.changes)

    cdef uint32_t position(self, uint32_t tag) noexcept:
        """Where ``tag`` stands among the changes, or would: the number of those with lower tags."""
        cdef uint32_t low = 0, high = self.count, middle
        if high and self.changes[high - 1].tag < tag:
            return high                 # elements are mostly set in order
        while low < high:
            middle = (low + high) >> 1
            if self.changes[middle].tag < tag:
                low = middle + 1
            else:
                high = middle
        return low

    cdef Change* find(self, uint32_t tag) noexcept:
        """The change of this tag, or NULL."""
        cdef uint32_t at = self.position(tag)
        return self.changes + at if at < self.count and self.changes[at].tag == tag else NULL

    cdef int put(self, uint32_t tag, uint32_t own) except -1:
        """Say where the element with this tag is now; 0 for deleted."""
        cdef uint32_t at = self.position(tag), capacity
        cdef Change* changes
        if at < self.count and self.changes[at].tag == tag:
            self.changes[at].own = own
            return 0
        if self.count == self.capacity:
            capacity = 4 if self.capacity == 0 else self.capacity * 2
            changes = <Change*>realloc(self.changes, capacity * sizeof(Change))
            if changes == NULL:
                raise MemoryError
            self.changes = changes
            self.capacity = capacity
        memmove(self.changes + at + 1, self.changes + at, (self.count - at) * sizeof(Change))
        self.changes[at].tag = tag
        self.changes[at].own = own
        self.count += 1
        return 0

    cdef int forget(self, uint32_t tag) noexcept:
        """Drop the change of this tag, if there is one."""
        cdef uint32_t at = self.position(tag)
        if at < self.count and self.changes[at].tag == tag:
            self.count -= 1
            memmove(self.changes + at, self.changes + at + 1, (self.count - at) * sizeof(Change))
        return 0
