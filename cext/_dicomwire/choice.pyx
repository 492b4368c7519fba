"""VRs for values that are set: that of the element that is there, else the dictionary's (PS3.5 Annex A, PS3.6)."""
from libc.stdint cimport uint8_t

from .block cimport hook
from .edits cimport Change, Edits
from .overlay cimport VR_CHOSEN, creator_of, edits_of, owner_of
from .tagindex cimport dw_tag_vr
from .tape cimport FRAGMENTS, dw_load16be, dw_load16le
from .vr cimport (
    DW_VR_KNOWN, DW_VR_LO, DW_VR_NONE, DW_VR_OB, DW_VR_OB_OW, DW_VR_OW, DW_VR_SS, DW_VR_UN, DW_VR_US, DW_VR_US_OW,
    DW_VR_US_SS, DW_VR_US_SS_OW, dw_vr_traits,
)

from .errors import EncodeError

cdef dict _CHOICES = {"US or SS": DW_VR_US_SS, "OB or OW": DW_VR_OB_OW, "US or OW": DW_VR_US_OW,
                      "US or SS or OW": DW_VR_US_SS_OW, "US_SS_OW": DW_VR_US_SS_OW}


cdef uint16_t vr_code_of(object name) except? 0:
    """The code of a VR by its two letters, or by the dictionary's words for a choice; ValueError for others."""
    cdef uint16_t code = 0
    if isinstance(name, str) and len(name) == 2 and name.isascii():
        code = ord(name[0]) | ord(name[1]) << 8
        if dw_vr_traits(code) & DW_VR_KNOWN:
            return code
    if name in _CHOICES:
        return <uint16_t>_CHOICES[name]
    raise ValueError(f"{name!r} is no Value Representation; PS3.5 6.2")


cdef int unsigned_value(Block block, uint32_t item, uint32_t tag) except -2:
    """A US value of an item as it is now, -1 where there is none."""
    cdef Edits edits = edits_of(block, item)
    cdef Change* change = edits.find(tag) if edits is not None else NULL
    cdef Block own
    cdef uint32_t index
    cdef const uint8_t* p
    if change != NULL:
        if change.own == 0:
            return -1
        own = owner_of(block, edits)
        if own.entries[change.own].length < 2 or own.entries[change.own].offset + 2 > own.own.stop:
            return -1
        return dw_load16le(own.own.data + own.entries[change.own].offset)
    index = 0 if block.is_own else block.find(item, tag)
    if index == 0 or block.entries[index].length < 2:
        return -1
    p = block.pointer(block.entries + index)
    if p == NULL:
        return -1
    return dw_load16be(p) if block.is_big_endian(index) else dw_load16le(p)


cdef int pixel_word(Block block, uint32_t item) except -1:
    """Bytes of the words that OW of Pixel Data consists of where the byte order changes.

    Those of a pixel if it has 32 or 64 bits, as readers take it, and not two (PS3.5 section 7.3).
    """
    cdef int bits = unsigned_value(block, item, 0x00280100)
    return bits >> 3 if bits == 32 or bits == 64 else 2


cdef bint _is_negative(object value) except -1:
    if isinstance(value, (list, tuple)):
        return any(isinstance(number, int) and number < 0 for number in value)
    return isinstance(value, int) and value < 0


cdef uint16_t vr_of_choice(Block block, uint32_t item, uint32_t tag, uint16_t choice, object value) except 0:
    """The one of several VRs that fits the value and what else is known of the data set now."""
    cdef int known
    if choice == DW_VR_OB_OW:
        known = unsigned_value(block, item, 0x54001004 if tag >> 16 == 0x5400 else 0x00280100)
        return DW_VR_OB if 0 <= known <= 8 else DW_VR_OW
    if choice == DW_VR_US_OW or choice == DW_VR_US_SS_OW:
        if value is None or isinstance(value, (bytes, bytearray, memoryview)) or (
                hasattr(value, "dtype") and getattr(value, "ndim", 0)):
            return DW_VR_OW
        if choice == DW_VR_US_OW:
            return DW_VR_US
    known = unsigned_value(block, item, 0x00280103)
    if known < 0 and not block.is_own:
        known = block._pixel_representation(item + 1) if block.entries[item].next > item + 1 else (
            block.outer_pixel_representation)
    return DW_VR_SS if known == 1 or known < 0 and _is_negative(value) else DW_VR_US


cdef uint16_t vr_for(Block block, uint32_t item, uint32_t tag, object value, bint* chosen) except 0:
    """The VR for a value of this tag; EncodeError for a private one that nothing tells the VR of."""
    cdef Edits edits = edits_of(block, item)
    cdef Change* change = edits.find(tag) if edits is not None else NULL
    cdef uint16_t vr = 0, listed
    cdef uint32_t index
    cdef Block own
    cdef dict known
    chosen[0] = False
    if change != NULL and change.own:
        own = owner_of(block, edits)
        # OB of encapsulated pixel data says nothing of native ones.
        if own.entries[change.own].header_size != VR_CHOSEN and not own.entries[change.own].flags & FRAGMENTS:
            return own.entries[change.own].vr
    elif change == NULL and not block.is_own:
        index = block.find(item, tag)
        if index and not block.entries[index].flags & FRAGMENTS:
            vr = block.vr_of(index)
            if vr == DW_VR_OB and dw_tag_vr(tag) == DW_VR_OB_OW:
                chosen[0] = True        # right for bytes, and others may have come
                return vr_of_choice(block, item, tag, DW_VR_OB_OW, value)
            if vr != DW_VR_UN and dw_vr_traits(vr) & DW_VR_KNOWN:
                return vr
    listed = dw_tag_vr(tag)
    if listed > DW_VR_NONE:
        return listed
    if listed:
        chosen[0] = True
        return vr_of_choice(block, item, tag, listed, value)
    if (tag >> 16) & 1:
        if (tag & 0xFFFF) < 0x100 and (tag & 0xFF) >= 0x10:
            return DW_VR_LO
        creator = creator_of(block, item, tag)
        if creator is not None:
            known = hook("private_vrs")(creator)
            if known is not None:
                listed = known.get(tag & 0xFFFF00FF, known.get(tag & 0xFF, 0))
                if listed > DW_VR_NONE:
                    return listed
    if vr == DW_VR_UN:
        return vr
    raise EncodeError("no dictionary tells the VR: give it (add_new, or a DataElement)",
                      path=f"{tag:08X}", section="PS3.5 6.2")
