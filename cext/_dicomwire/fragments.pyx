"""Encapsulated pixel data: the fragments between the item tags (PS3.5 Annex A.4)."""
cimport cython
from libc.stdint cimport uint8_t, uint64_t

from .decode cimport value_view
from .pickling cimport reduce_inside
from .tape cimport END_UNKNOWN, PIECES, TapeEntry, dw_load32le


@cython.final
@cython.no_gc
cdef class Fragments:
    """The fragments of encapsulated pixel data, each a read-only memoryview (PS3.5 Annex A.4).

    The Basic Offset Table, which is the first item, is not among them.
    """

    def __init__(self):
        raise TypeError("Fragments come from a DataElement")

    cdef uint32_t _first(self) except? 0:
        if self.block.entries[self.index].flags & END_UNKNOWN:
            self.block.resume()
        return self.index + 1

    @property
    def basic_offset_table(self):
        """Offsets of the frames from the first fragment's item tag, in bytes; empty when the table is."""
        cdef uint32_t i = self._first()
        cdef const uint8_t* p
        cdef uint64_t k
        cdef bytes data
        cdef list offsets = []
        if i >= self.block.entries[self.index].next:
            return offsets
        data = bytes(value_view(self.block, self.block.entries + i))
        p = data
        for k in range(<uint64_t>len(data) // 4):
            offsets.append(dw_load32le(p + k * 4))
        return offsets

    def __len__(self):
        cdef uint32_t first = self._first(), stop = self.block.entries[self.index].next
        return stop - first - 1 if stop > first else 0

    def __getitem__(self, key):
        cdef Py_ssize_t wanted, n = len(self)
        if isinstance(key, slice):
            return [self[i] for i in range(*key.indices(n))]
        wanted = key
        if wanted < 0:
            wanted += n
        if not 0 <= wanted < n:
            raise IndexError("fragment number out of range")
        return value_view(self.block, self.block.entries + self.index + 2 + wanted)

    def extent(self, Py_ssize_t number):
        """Offset and length in bytes of a fragment's value in the source."""
        cdef TapeEntry* entry
        if not 0 <= number < len(self):
            raise IndexError("fragment number out of range")
        entry = self.block.entries + self.index + 2 + number
        return entry.offset, entry.length

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __eq__(self, other):
        if isinstance(other, Fragments):
            return (self.basic_offset_table == other.basic_offset_table and len(self) == len(other)
                    and all(a == b for a, b in zip(self, other)))
        return NotImplemented

    __hash__ = None

    def __repr__(self):
        return f"<Fragments: {len(self)}>"

    def __reduce__(self):
        return reduce_inside(self.block, self.index, PIECES)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


cdef Fragments new_fragments(Block block, uint32_t index):
    cdef Fragments fragments = Fragments.__new__(Fragments)
    fragments.block = block
    fragments.index = index
    return fragments
