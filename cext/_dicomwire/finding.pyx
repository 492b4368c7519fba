"""What the stepper tolerated, in words: kinds of deviations and their messages."""
from libc.stdint cimport uint64_t

from .tape cimport (
    DELIMITER_LENGTH, DUPLICATE_TAG, HEADER_CUT, IMPLICIT_ELEMENT, LENGTH_WRAPPED,
    MISSING_DELIMITER, NOT_AN_ITEM, ODD_LENGTH, OVERRUN, STRAY_DELIMITER, STRAY_ITEM, TAG_ORDER, TRAILING_BYTES,
    UNDEFINED_NOT_ALLOWED, UNKNOWN_VR, UNREADABLE, VALUE_CUT, RawFinding,
)

cdef uint64_t END_OF_STREAM = <uint64_t>1 << 61     # more than any source has: its end is not known

cdef tuple _FINDING_NAMES = (
    "", "truncated_header", "truncated_value", "overrun", "odd_length", "undefined_length", "missing_delimiter",
    "stray_delimiter", "delimiter_length", "not_an_item", "implicit_element", "unknown_vr", "tag_order",
    "duplicate_tag", "trailing_bytes", "length_wrapped", "stray_item", "unreadable_header",
)


cdef str finding_name(int kind):
    """The public name of a finding's kind."""
    return <str>_FINDING_NAMES[kind]


cdef str finding_text(RawFinding* f):
    """One sentence: what is wrong, expected against found, and the section of the standard."""
    cdef int kind = f.kind
    if f.found >= END_OF_STREAM and (kind == TRAILING_BYTES or kind == UNREADABLE):
        return "no element header can be read here, what follows is skipped; PS3.5 7.1"
    if kind == HEADER_CUT or kind == TRAILING_BYTES:
        return f"{f.found} bytes left where an element header needs {f.expected or 8}; PS3.5 7.1"
    if kind == VALUE_CUT:
        return f"value needs {f.expected} bytes, {f.found} left; PS3.5 7.1.1"
    if kind == OVERRUN:
        return f"length {f.expected} passes the end of its container, {f.found} bytes left; PS3.5 7.5.1"
    if kind == ODD_LENGTH:
        return f"odd length {f.found}; PS3.5 7.1.1"
    if kind == UNDEFINED_NOT_ALLOWED:
        return "undefined length where a length is required; PS3.5 7.1.1"
    if kind == MISSING_DELIMITER:
        return "no delimiter before the end of the container; PS3.5 7.5.1"
    if kind == STRAY_DELIMITER:
        return f"delimiter ({f.tag >> 16:04X},{f.tag & 0xFFFF:04X}) where no undefined length is open; PS3.5 7.5.1"
    if kind == DELIMITER_LENGTH:
        return f"delimiter has length {f.found}, expected 0; PS3.5 7.5.1"
    if kind == NOT_AN_ITEM:
        return f"found ({f.tag >> 16:04X},{f.tag & 0xFFFF:04X}), expected an item; PS3.5 7.5.1"
    if kind == STRAY_ITEM:
        return "item outside a sequence; PS3.5 7.5.1"
    if kind == IMPLICIT_ELEMENT:
        return f"implicit VR element ({f.tag >> 16:04X},{f.tag & 0xFFFF:04X}) among explicit ones; PS3.5 7.1.2"
    if kind == UNKNOWN_VR:
        return (f"({f.tag >> 16:04X},{f.tag & 0xFFFF:04X}) has VR bytes {f.expected & 0xFF:02X} "
                f"{f.expected >> 8:02X}, read as UN; PS3.5 6.2")
    if kind == TAG_ORDER:
        return f"tag comes after ({f.expected >> 16:04X},{f.expected & 0xFFFF:04X}); PS3.5 7.1"
    if kind == DUPLICATE_TAG:
        return "tag occurs twice, the first counts; PS3.5 7.1"
    if kind == LENGTH_WRAPPED:
        return f"16-bit length had wrapped, true length {f.expected}; PS3.5 7.1.2"
    return f"no element header can be read here, {f.found} bytes skipped; PS3.5 7.1"
