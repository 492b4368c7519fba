"""Encoder of data sets for generated files, independent of every toolkit and of dicomwire itself.

Lengths (known or undefined), encoding and counts are chosen by the caller alone.  PS3.5 sections 7.1 to 7.5,
PS3.10 section 7.1.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

EXPLICIT_LE = "1.2.840.10008.1.2.1"
IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_BE = "1.2.840.10008.1.2.2"

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2.1"
COMPREHENSIVE_3D_SR_STORAGE = "1.2.840.10008.5.1.4.1.1.88.34"

UID_ROOT = "1.2.826.0.1.3680043.10.1414"
PIXEL_DATA = 0x7FE00010

LONG_LENGTH_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
NUMBER_FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}


class Items(NamedTuple):
    """Value of a sequence: its items, and whether lengths are undefined (None: as the whole data set is)."""

    items: list[list[Element]]
    undefined: bool | None = None


class Element(NamedTuple):
    """One data element to write: tag as 0xGGGGEEEE, VR, and a value in Python's terms."""

    tag: int
    vr: str
    value: Any


@dataclass
class Counts:
    """What a writer has written: elements (nested ones too), sequences and items, but no delimiters."""

    elements: int = 0
    sequences: int = 0
    items: int = 0


@dataclass
class Writer:
    """Encoder of data sets in one of the three native encodings (PS3.5 section 7)."""

    explicit: bool = True
    little: bool = True
    undefined: bool = False
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._end = "<" if self.little else ">"
        self._tag = struct.Struct(self._end + "HH")
        self._short = struct.Struct(self._end + "HH2sH")
        self._long = struct.Struct(self._end + "HH2sxxI")
        self._plain = struct.Struct(self._end + "HHI")

    def data_set(self, elements: Iterable[Element]) -> bytes:
        """Return the encoded elements, in the given order."""
        return b"".join([self.element(element) for element in elements])

    def element(self, element: Element) -> bytes:
        """Return one encoded element: header and value."""
        tag, vr, value = element
        self.counts.elements += 1
        if vr == "SQ":
            undefined = self.undefined if value.undefined is None else value.undefined
            body = self._items(value, undefined)
            return self.header(tag, vr, 0xFFFFFFFF if undefined else len(body)) + body
        body = self.value(vr, value)
        return self.header(tag, vr, len(body)) + body

    def header(self, tag: int, vr: str, length: int) -> bytes:
        """Return the element header for a value of `length` bytes (PS3.5 sections 7.1.2 and 7.1.3)."""
        group, number = tag >> 16, tag & 0xFFFF
        if not self.explicit:
            return self._plain.pack(group, number, length)
        if vr in LONG_LENGTH_VRS:
            return self._long.pack(group, number, vr.encode("ascii"), length)
        return self._short.pack(group, number, vr.encode("ascii"), length)

    def value(self, vr: str, value: Any) -> bytes:
        """Return the value field, padded to even length (PS3.5 section 6.2)."""
        if vr in NUMBER_FORMATS:
            numbers = value if isinstance(value, list) else [value]
            return struct.pack(f"{self._end}{len(numbers)}{NUMBER_FORMATS[vr]}", *numbers)
        if vr == "AT":
            return b"".join(self._tag.pack(tag >> 16, tag & 0xFFFF) for tag in value)
        if vr == "OW":
            words = array("H", value)
            if (sys.byteorder == "little") != self.little:
                words.byteswap()
            return words.tobytes()
        if vr in ("OB", "UN"):
            return value + b"\0" if len(value) % 2 else value
        text = "\\".join(value) if isinstance(value, list) else value
        raw = text.encode("latin-1")
        if len(raw) % 2:
            raw += b"\0" if vr == "UI" else b" "
        return raw

    def _items(self, value: Items, undefined: bool) -> bytes:
        self.counts.sequences += 1
        self.counts.items += len(value.items)
        parts: list[bytes] = []
        for item in value.items:
            body = self.data_set(item)
            parts.append(self._plain.pack(0xFFFE, 0xE000, 0xFFFFFFFF if undefined else len(body)))
            parts.append(body)
            if undefined:
                parts.append(self._plain.pack(0xFFFE, 0xE00D, 0))
        if undefined:
            parts.append(self._plain.pack(0xFFFE, 0xE0DD, 0))
        return b"".join(parts)


def file_meta(writer_counts: Counts, sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """Return preamble, prefix and the seven elements of File Meta Information (PS3.10 section 7.1)."""
    writer = Writer(counts=writer_counts)
    body = writer.data_set(
        [
            Element(0x00020001, "OB", b"\0\1"),
            Element(0x00020002, "UI", sop_class),
            Element(0x00020003, "UI", sop_instance),
            Element(0x00020010, "UI", syntax),
            Element(0x00020012, "UI", UID_ROOT + ".1.0"),
            Element(0x00020013, "SH", "DICOMWIRE_BENCH"),
        ]
    )
    return bytes(128) + b"DICM" + writer.element(Element(0x00020000, "UL", len(body))) + body


def writer_for(syntax: str, *, undefined: bool = False) -> Writer:
    """Return a writer for a native transfer syntax."""
    return Writer(explicit=syntax != IMPLICIT_LE, little=syntax != EXPLICIT_BE, undefined=undefined)
