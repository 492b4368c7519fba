"""Tag -> VR for data sets in implicit VR (PS3.5 section 7.1.3), from the generated _tagindex.h."""

from libc.stdint cimport uint16_t, uint32_t


cdef extern from "_tagindex.h" nogil:
    # The VR code of a tag with the group in its upper half: two letters as a little endian uint16, a value
    # below 256 for a choice that other attributes make ("US or SS" ...), 0 when the dictionary has no such
    # element. Repeating groups, group lengths and private creators are covered; other private elements are 0.
    uint16_t dw_tag_vr(uint32_t tag) noexcept
