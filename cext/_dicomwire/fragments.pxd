"""Fragments: a view of an entry of encapsulated pixel data."""
from libc.stdint cimport uint32_t

from .block cimport Block


cdef class Fragments:
    cdef Block block
    cdef uint32_t index
    cdef uint32_t _first(self) except? 0


cdef Fragments new_fragments(Block block, uint32_t index)
