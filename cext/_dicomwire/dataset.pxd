"""Views of a tape: DataSet, Sequence, DataElement, Fragments.  A view is a block and an index, nothing else."""
from libc.stdint cimport uint8_t, uint32_t

from .block cimport Block
from .source cimport Source


cdef class DataElement:
    cdef Block block
    cdef uint32_t index


cdef class Root


cdef class DataSet:
    cdef Block block
    cdef uint32_t index         # of the item's entry, 0 for a block's root
    cdef object root            # of a data set that was read: a Root; None for items
    cdef uint32_t _index_of(self, object key) except? 0
    cdef object _edited_value(self, object name)
    cdef int _take(self, DataElement element) except -1
    cdef Root _root(self)


cdef class Root:
    """What belongs to a whole data set and not to its items."""
    cdef Block meta             # File Meta Information, or None when nobody asked for it yet
    cdef bint has_meta          # there is some
    cdef Source source          # the whole file; of a deflated data set not the one that its tape is about
    cdef bint preamble          # the first 128 bytes of the source are one
    cdef bint said              # the transfer syntax UID tells the encoding
    cdef object filename
    cdef object arguments       # of dcmread, for pickling; None when they are the defaults
    cdef bytes own_preamble     # that was set, or None
    cdef bint new_meta          # ``meta`` was set and not read


cdef class Sequence:
    cdef Block block
    cdef uint32_t entry         # of the element, 0 for the root of a block
    cdef int _touch(self) except -1
    cdef object _tape_items(self)


cdef DataSet new_data_set(Block block, uint32_t index)
cdef Sequence new_sequence(Block block, uint32_t index)
cdef DataElement new_element(Block block, uint32_t index)
cdef object value_at(Block block, uint32_t index)
cdef object value_to_set(DataElement element)
cdef int adopt_lists(Block block, uint32_t index=*) except -1
cdef DataElement edited_element(Block block, uint32_t item, uint32_t tag)
cdef uint8_t policy_code(object policy) except 255
cdef object parse_key(object key)
