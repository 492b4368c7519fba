"""Bytes of small DICOM data sets, spelt out: the pieces that tests put together, well formed or not.

Every function returns bytes.  A length can be given that is not the true one; nothing is padded or checked, so that
what stands in a test is what is read.  PS3.5 section 7, PS3.10 section 7.1.
"""

from __future__ import annotations

import struct

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"

UNDEFINED = 0xFFFFFFFF
LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")

PIXEL_DATA = 0x7FE00010


class Encoder:
    """Writes elements, items and delimiters in one of the native encodings."""

    def __init__(self, *, explicit: bool = True, big: bool = False) -> None:
        self.explicit = explicit
        self.end = ">" if big else "<"

    def tag(self, tag: int) -> bytes:
        return struct.pack(self.end + "HH", tag >> 16, tag & 0xFFFF)

    def element(self, tag: int, vr: str | bytes, value: bytes = b"", *, length: int | None = None) -> bytes:
        """Header and value; ``length`` is what the header says, by default the true one."""
        vr = vr.encode() if isinstance(vr, str) else vr
        n = len(value) if length is None else length
        if not self.explicit:
            return self.tag(tag) + struct.pack(self.end + "I", n) + value
        if vr in LONG:
            return self.tag(tag) + vr + b"\0\0" + struct.pack(self.end + "I", n) + value
        return self.tag(tag) + vr + struct.pack(self.end + "H", n) + value

    def sequence(self, tag: int, *items: bytes, undefined: bool = False, vr: str = "SQ") -> bytes:
        """A sequence of encoded items, with its length or with a delimiter."""
        body = b"".join(items)
        if undefined:
            return self.element(tag, vr, body + self.sequence_end(), length=UNDEFINED)
        return self.element(tag, vr, body)

    def item(self, content: bytes = b"", *, undefined: bool = False, length: int | None = None) -> bytes:
        """An item or a fragment."""
        if undefined:
            return self.tag(0xFFFEE000) + struct.pack(self.end + "I", UNDEFINED) + content + self.item_end()
        n = len(content) if length is None else length
        return self.tag(0xFFFEE000) + struct.pack(self.end + "I", n) + content

    def item_end(self, length: int = 0) -> bytes:
        return self.tag(0xFFFEE00D) + struct.pack(self.end + "I", length)

    def sequence_end(self, length: int = 0) -> bytes:
        return self.tag(0xFFFEE0DD) + struct.pack(self.end + "I", length)


explicit = Encoder()
implicit = Encoder(explicit=False)
big_endian = Encoder(big=True)

element, sequence, item = explicit.element, explicit.sequence, explicit.item
item_end, sequence_end = explicit.item_end, explicit.sequence_end


def meta(syntax: str | None = EXPLICIT, *, length: int | None = None, more: bytes = b"") -> bytes:
    """File Meta Information; ``syntax`` None leaves the transfer syntax out, ``length`` replaces the group length."""
    body = element(0x00020001, "OB", b"\0\1")
    if syntax is not None:
        body += element(0x00020010, "UI", (syntax + "\0" * (len(syntax) % 2)).encode())
    body += more
    return element(0x00020000, "UL", struct.pack("<I", len(body) if length is None else length)) + body


def part10(data: bytes, syntax: str | None = EXPLICIT, *, preamble: bytes = bytes(128), **options: object) -> bytes:
    """A file: preamble, DICM, File Meta Information (see meta) and the encoded data set."""
    return preamble + b"DICM" + meta(syntax, **options) + data  # type: ignore[arg-type]


def plain(*, pixels: bytes = b"") -> bytes:
    """A few elements in explicit VR little endian, as the start or the whole of a data set."""
    data = (
        element(0x00080005, "CS", b"ISO_IR 100")
        + element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0")
        + element(0x00080060, "CS", b"CT")
        + element(0x00100010, "PN", b"Doe^John")
        + element(0x00100020, "LO", b"12345 ")
    )
    if pixels:
        data += element(PIXEL_DATA, "OW", pixels)
    return data


def nested(depth: int, *, undefined: bool, encoder: Encoder = explicit, tag: int = 0x0040A730, vr: str = "SQ") -> bytes:
    """Sequences of one item, ``depth`` of them one in another; linear in time and size."""
    if undefined:
        opening = encoder.element(tag, vr, length=UNDEFINED) + encoder.tag(0xFFFEE000) + b"\xff" * 4
        return opening * depth + (encoder.item_end() + encoder.sequence_end()) * depth
    header = len(encoder.element(tag, vr)) + 8
    parts = []
    for level in range(depth, 0, -1):
        inner = header * (level - 1)
        parts.append(encoder.element(tag, vr, length=inner + 8))
        parts.append(encoder.item(length=inner))
    return b"".join(parts)
