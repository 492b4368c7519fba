"""Views of a tape: DataSet, Sequence, DataElement, Fragments.  A view is a block and an index, nothing else."""
from libc.stdint cimport uint8_t, uint32_t

from .block cimport Block
from .source cimport Source


cdef class DataElement:
    cdef Block block
    cdef uint32_t index


cdef class DataSet:
    cdef Block block
    cdef uint32_t index         # of the item's entry, 0 for a block's root
    cdef object root            # of a data set that was read: a Root; None for items
    cdef uint32_t _index_of(self, object key) except? 0


cdef class Root:
    """What belongs to a whole data set and not to its items."""
    cdef Block meta             # File Meta Information, or None when nobody asked for it yet
    cdef bint has_meta          # there is some
    cdef Source source          # the whole file; of a deflated data set not the one that its tape is about
    cdef bint preamble          # the first 128 bytes of the source are one
    cdef bint said              # the transfer syntax UID tells the encoding
    cdef object filename
    cdef object arguments       # of dcmread, for pickling; None when they are the defaults


cdef class Sequence:
    cdef Block block
    cdef uint32_t index         # of the element's entry, 0 for the root of a block


cdef DataSet new_data_set(Block block, uint32_t index)
cdef Sequence new_sequence(Block block, uint32_t index)
cdef DataElement new_element(Block block, uint32_t index)
cdef object value_at(Block block, uint32_t index)
cdef object parse_key(object key)
