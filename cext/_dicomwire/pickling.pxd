"""The parts of pickles of views."""
from libc.stdint cimport uint32_t

from .block cimport Block

cdef bytes encoded_element(Block block, uint32_t index)
cdef int encoding_at(Block block, uint32_t index)
cdef tuple inside_state(Block block, uint32_t index)
cdef tuple reduce_inside(Block block, uint32_t index, int kind)
