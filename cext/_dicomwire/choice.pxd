"""Which VR a value that is set gets, where the caller does not say."""
from libc.stdint cimport uint16_t, uint32_t

from .block cimport Block

cdef uint16_t vr_for(Block block, uint32_t item, uint32_t tag, object value, bint* chosen) except 0
cdef uint16_t vr_of_choice(Block block, uint32_t item, uint32_t tag, uint16_t choice, object value) except 0
cdef int unsigned_value(Block block, uint32_t item, uint32_t tag) except -2
cdef int pixel_word(Block block, uint32_t item) except -1
cdef uint16_t vr_code_of(object name) except? 0
