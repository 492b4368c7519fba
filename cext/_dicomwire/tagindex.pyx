"""Python face of the compiled tag -> VR lookup, for tests and tools.  PS3.5 section 7.1.3, PS3.6."""

from _dicomwire.tagindex cimport dw_tag_vr

cdef dict _CHOICES = {
    1: "US or SS",
    2: "OB or OW",
    3: "US or OW",
    4: "US or SS or OW",
    6: "NONE",
}


def tag_vr(uint32_t tag):
    """Return the VR of a tag as the standard's dictionary has it, None for an element that it does not list.

    The VR is a choice such as "US or SS" where other attributes decide, and "NONE" for items and delimiters.
    Raises OverflowError for a tag outside 0 to 0xFFFFFFFF.
    """
    cdef uint16_t code = dw_tag_vr(tag)
    if code == 0:
        return None
    if code < 256:
        return _CHOICES[code]
    return chr(code & 0xFF) + chr(code >> 8)
