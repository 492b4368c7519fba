"""Value Representation codes as text (PS3.5 section 6.2)."""


cdef tuple _AMBIGUOUS = ("", "US or SS", "OB or OW", "US or OW", "US or SS or OW", "OB or OW", "")
cdef dict _NAMES = {}
for _name in ("AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"
              .split()):
    _NAMES[ord(_name[0]) | ord(_name[1]) << 8] = _name


cdef str vr_name(uint16_t vr):
    """The two letters of a VR code, the dictionary's wording for an ambiguous one, "" for none."""
    cdef object name = _NAMES.get(vr)
    if name is not None:
        return <str>name
    if vr < 7:
        return <str>_AMBIGUOUS[vr]
    return bytes((vr & 0xff, vr >> 8)).decode("latin-1")


def vr_code(str name) -> int:
    """The 16-bit code of a VR given by its two letters."""
    if len(name) != 2:
        raise ValueError(f"a VR has two letters, not {len(name)}")
    return ord(name[0]) | ord(name[1]) << 8


def vr_is_long(str name) -> bool:
    """Whether the explicit VR header of this VR has a 32-bit length (PS3.5 section 7.1.2)."""
    return bool(dw_vr_traits(<uint16_t>vr_code(name)) & DW_VR_LONG)


def vr_is_text(str name) -> bool:
    """Whether values of this VR are character strings."""
    return bool(dw_vr_traits(<uint16_t>vr_code(name)) & DW_VR_TEXT)


def vr_names() -> list[str]:
    """The 34 Value Representations of PS3.5 table 6.2-1."""
    return sorted(_NAMES.values())
