"""Lookup tables of data sets: Modality, VOI and Presentation LUTs, and palettes with their segments.

PS3.3 sections C.7.6.3.1.5, C.7.6.3.1.6, C.7.9.2, C.11.1, C.11.2.  Lengths are compared with the data before anything is
made of them; a table that is shorter than it says is refused.
"""

from __future__ import annotations

import numpy as np

from dicomwire.dataset.pydicom import as_data_set
from dicomwire.errors import PixelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet

    Array = NDArray[Any]

_MOST_ENTRIES = 65536
_COLOURS = ("Red", "Green", "Blue")


class LookupTable:
    """Values by stored value: ``values[x - first]``, the first and last ones beyond the ends; ``bits`` of a value."""

    __slots__ = ("bits", "first", "values")

    def __init__(self, values: Array, first: int, bits: int) -> None:
        self.values = values
        self.first = first
        self.bits = bits

    def __call__(self, array: Array) -> Array:
        """The values for an array of integers, in an array of the same shape; values with fractions go down."""
        index = array.astype(np.int64)
        index -= self.first
        np.clip(index, 0, len(self.values) - 1, out=index)
        return self.values[index]


def _descriptor(data_set: DataSet, keyword: str, *, is_signed: bool) -> tuple[int, int, int]:
    """Number of entries, first stored value mapped, bits of an entry (PS3.3 section C.11.1.1.1)."""
    value = data_set.get(keyword)
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(number, int) for number in value):
        raise PixelError(f"{keyword} has no three numbers; PS3.3 C.11.1.1")
    entries, first, bits = value
    entries &= 0xFFFF
    # VR US or SS, by a guess of whoever wrote it: the sign of the pixels counts.
    first &= 0xFFFF
    if is_signed and first >= 0x8000:
        first -= 0x10000
    if not 1 <= bits <= 16:
        raise PixelError(f"{keyword} says {bits} bits: expected 8 to 16; PS3.3 C.11.1.1.1")
    return entries or _MOST_ENTRIES, first, bits


def _words(data_set: DataSet, keyword: str) -> Array:
    raw = data_set[keyword].raw
    return np.frombuffer(raw[: len(raw) & ~1], "<u2" if data_set.is_little_endian else ">u2").astype(np.uint16)


def _entries(data_set: DataSet, keyword: str, entries: int, bits: int) -> Array:
    """The values of a table: words, or bytes where there are just enough of them."""
    if keyword not in data_set:
        raise PixelError(f"{keyword} is missing; PS3.3 C.11.1.1")
    words = _words(data_set, keyword)
    if len(words) >= entries:
        return words[:entries]
    if bits <= 8 and len(words) * 2 >= entries:
        # Two entries a word, the first in the low byte (PS3.3 section C.7.6.3.1.6).
        return words.astype("<u2").view(np.uint8)[:entries].astype(np.uint16)
    raise PixelError(f"{keyword} has {len(words)} values, its descriptor says {entries}; PS3.3 C.11.1.1.1",
                     offset=data_set[keyword].offset)  # fmt: skip


def read_table(item: DataSet, *, is_signed: bool) -> LookupTable:
    """The table of an item of Modality LUT, VOI LUT or Presentation LUT Sequence; PixelError where there is none.

    is_signed: whether what is looked up can be negative.
    """
    entries, first, bits = _descriptor(item, "LUTDescriptor", is_signed=is_signed)
    values = _entries(item, "LUTData", entries, bits)
    return LookupTable(values, first, bits)


def read_palette(data_set: DataSet, *, is_signed: bool = False) -> LookupTable:
    """The palette of a data set: values (entries, 3), uint8 or uint16; PixelError where there is none.

    Segments are expanded (PS3.3 section C.7.9.2).
    """
    columns, facts = [], []
    for colour in _COLOURS:
        descriptor = f"{colour}PaletteColorLookupTableDescriptor"
        entries, first, bits = _descriptor(data_set, descriptor, is_signed=is_signed)
        segmented = f"Segmented{colour}PaletteColorLookupTableData"
        if segmented in data_set:
            codes = _segments(data_set, segmented, bits)
            values = expand_segments(codes, entries, is_bytes=bits <= 8)
        else:
            values = _entries(data_set, f"{colour}PaletteColorLookupTableData", entries, bits)
        columns.append(values)
        facts.append((entries, first, bits))
    if len(set(facts)) != 1:
        raise PixelError("the palettes of red, green and blue differ in size; PS3.3 C.7.6.3.1.5")
    _, first, bits = facts[0]
    values = np.stack(columns, axis=-1)
    if bits == 16 and values.max() < 256:
        bits = 8  # bytes under the name of words: full intensity would be next to black
    return LookupTable(values.astype(np.uint8 if bits <= 8 else np.uint16), first, 8 if bits <= 8 else 16)


def _segments(data_set: DataSet, keyword: str, bits: int) -> list[int]:
    words = _words(data_set, keyword)
    codes = words if bits > 8 else words.astype("<u2").view(np.uint8)
    return [int(code) for code in codes]


def expand_segments(codes: Sequence[int], entries: int, *, is_bytes: bool = False) -> Array:
    """The entries of a segmented palette, of which there must be so many; codes are words, or bytes for 8 bits.
    The offset of an indirect segment counts codes, as GDCM and pydicom have it.

    Discrete segments (0) hold values, linear ones (1) lead from the value before to theirs, indirect ones (2) repeat
    earlier segments.  Raises PixelError for other codes and for what goes beyond either end.  PS3.3 section C.7.9.2.
    """
    out: list[int] = []
    at = 0
    while at + 1 < len(codes) and len(out) < entries:
        if codes[at] == 2:
            if at + (6 if is_bytes else 4) > len(codes):
                raise PixelError("an indirect segment of a palette is cut short; PS3.3 C.7.9.2")
            count = codes[at + 1]
            if is_bytes:
                place, at = sum(codes[at + 2 + i] << 8 * i for i in range(4)), at + 6
            else:
                place, at = codes[at + 2] | codes[at + 3] << 16, at + 4
            for _ in range(count):
                if place + 1 >= len(codes) or codes[place] == 2 or len(out) >= entries:
                    raise PixelError("an indirect segment of a palette leads nowhere; PS3.3 C.7.9.2")
                place = _expand_one(codes, place, out)
        else:
            at = _expand_one(codes, at, out)
    if len(out) < entries:
        raise PixelError(f"segments of a palette make {len(out)} entries, {entries} are needed; PS3.3 C.7.9.2")
    return np.array(out[:entries], dtype=np.uint16)


def _expand_one(codes: Sequence[int], at: int, out: list[int]) -> int:
    """Append a discrete or linear segment; where the next one begins."""
    code, count = codes[at], codes[at + 1]
    if code == 0:
        if at + 2 + count > len(codes):
            raise PixelError("a discrete segment of a palette is cut short; PS3.3 C.7.9.2.2")
        out += codes[at + 2 : at + 2 + count]
        return at + 2 + count
    if code != 1 or at + 3 > len(codes) or not out:
        raise PixelError(f"segment {code} of a palette cannot stand there; PS3.3 C.7.9.2")
    before, last = out[-1], codes[at + 2]
    out += [before + round((last - before) * (i + 1) / count) for i in range(count)]
    return at + 3


def apply_palette(array: Array, data_set: DataSet) -> Array:
    """Colours (..., 3), uint8 or uint16, of an array of indices; those beyond the ends take the first and last ones."""
    signed = array.dtype.kind == "i"
    return read_palette(as_data_set(data_set), is_signed=signed)(array)
