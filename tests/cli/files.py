"""Small DICOM files made byte by byte, explicit VR little endian (PS3.5 section 7.1.2, PS3.10 section 7.1)."""

import struct

LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
UNDEFINED = 0xFFFFFFFF


def element(tag: int, vr: bytes, value: bytes = b"", *, length: int | None = None) -> bytes:
    """An element; ``length`` in place of the true one."""
    length = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + struct.pack("<HI" if vr in LONG else "<H", *([0] if vr in LONG else []), length) + value


def item(content: bytes = b"", *, undefined: bool = False) -> bytes:
    """A sequence item, of known or undefined length."""
    if undefined:
        return struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED) + content + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def sequence(tag: int, *items: bytes, undefined: bool = False) -> bytes:
    """A sequence of encoded items, of known or undefined length."""
    content = b"".join(items)
    if undefined:
        content += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        return element(tag, b"SQ", content, length=UNDEFINED)
    return element(tag, b"SQ", content)


def nested(depth: int, *, undefined: bool, inside: bytes = b"") -> bytes:
    """ContentSequence in ContentSequence, ``depth`` of them with one item each."""
    content = inside
    for _ in range(depth):
        content = sequence(0x0040A730, item(content, undefined=undefined), undefined=undefined)
    return content


def part10(content: bytes, transfer_syntax: bytes = b"1.2.840.10008.1.2.1") -> bytes:
    """A file around a data set: preamble, prefix, File Meta Information."""
    uid = transfer_syntax + b"\0" * (len(transfer_syntax) % 2)
    meta = element(0x00020010, b"UI", uid)
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta + content
