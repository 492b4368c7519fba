"""Editing of blocks: own elements over those of a tape, and lists of items over its sequences.

An own block holds what was set: its entries are elements in explicit VR little endian with text in UTF-8, whatever the
source is in, and its memory is its own.  A data set that was made, and not read, is an own block with nothing beneath.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from .block cimport Block
from .edits cimport Edits

cdef enum:
    VR_CHOSEN = 1       # header_size of an own entry: the VR is one of several that the dictionary has

cdef Edits edits_of(Block block, uint32_t item)
cdef Edits edits_for(Block block, uint32_t item)
cdef Block fresh_block(uint8_t kind, uint8_t policy=*)
cdef Block owner_of(Block block, Edits edits)
cdef uint32_t assign(Block block, uint32_t item, uint32_t tag, uint16_t vr, object value, bint chosen) except 0
cdef uint32_t assign_inside(Block block, uint32_t item, uint32_t tag, uint16_t vr, Block inside) except 0
cdef int assign_again(Block own, uint32_t index, object value) except -1
cdef uint32_t single_element(Block own, uint32_t tag, uint16_t vr, object value) except 0
cdef bint remove(Block block, uint32_t item, uint32_t tag) except -1
cdef str creator_of(Block block, uint32_t item, uint32_t tag)
cdef list members_of(Block block, uint32_t sequence)
cdef list own_members(Block block, uint32_t sequence)
cdef bint is_touched(Block block) except -1
cdef bint holds(Block outer, Block wanted) except -1
cdef Block clone(Block block, uint32_t index)
cdef object kept_value(Block own, uint32_t index)
