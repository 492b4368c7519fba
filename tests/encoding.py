"""Builds small data sets byte by byte: an obvious encoder, apart from what is tested (PS3.5 section 7)."""

import struct

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
UNDEFINED = 0xFFFFFFFF
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG = "1.2.840.10008.1.2.2"
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


def tag_bytes(tag: int, order: str = "<") -> bytes:
    return struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)


def explicit(tag: int, vr: str, value: bytes = b"", *, length: int | None = None, order: str = "<") -> bytes:
    """An element in explicit VR; ``length`` in place of the value's own."""
    size = len(value) if length is None else length
    if vr in LONG_VRS:
        return tag_bytes(tag, order) + vr.encode() + struct.pack(order + "HL", 0, size) + value
    return tag_bytes(tag, order) + vr.encode() + struct.pack(order + "H", size) + value


def implicit(tag: int, value: bytes = b"", *, length: int | None = None) -> bytes:
    """An element in implicit VR little endian."""
    return tag_bytes(tag) + struct.pack("<L", len(value) if length is None else length) + value


def item(value: bytes = b"", *, undefined: bool = False, order: str = "<") -> bytes:
    """An item of known length, or of undefined length with its delimiter."""
    head = tag_bytes(ITEM, order) + struct.pack(order + "L", UNDEFINED if undefined else len(value))
    return head + value + (delimiter(ITEM_END, order) if undefined else b"")


def delimiter(tag: int = SEQUENCE_END, order: str = "<") -> bytes:
    return tag_bytes(tag, order) + bytes(4)


def part10(data_set: bytes, syntax: str = EXPLICIT) -> bytes:
    """A file: preamble, prefix, File Meta Information with group length and transfer syntax, data set."""
    uid = syntax.encode() + bytes(len(syntax) % 2)
    meta = explicit(0x00020010, "UI", uid)
    return bytes(128) + b"DICM" + explicit(0x00020000, "UL", struct.pack("<L", len(meta))) + meta + data_set
