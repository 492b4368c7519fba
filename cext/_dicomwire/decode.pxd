"""Values of a block's entries: views of their bytes, decoded text and numbers."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from .block cimport Block
from .tape cimport TapeEntry

cdef object value_view(Block block, TapeEntry* entry)
cdef object view_of(Block block, uint64_t offset, uint64_t length)
cdef object decode_text(Block block, uint32_t index, uint16_t vr, int traits, const uint8_t* p, uint64_t n)
cdef object decode_binary(Block block, uint32_t index, uint16_t vr, const uint8_t* p)
cdef object fetched_value(Block block, uint32_t index, uint16_t vr, int traits)
