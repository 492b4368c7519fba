"""Where the frames of a data set's pixel data lie in its source.

Native pixel data are one run of frames of the same number of bits (PS3.5 section 8.1.1), encapsulated ones are
fragments (PS3.5 Annex A.4).  Nothing is read but item headers, offset tables and, without a table, the ends of
fragments.
"""

from __future__ import annotations

import struct
from array import array

from _dicomwire.fragments import Fragments
from _dicomwire.ranges import ByteRanges
from dicomwire.dictionary.transfer_syntax import transfer_syntax as find_transfer_syntax
from dicomwire.errors import Deviation, PixelError, TruncatedError
from dicomwire.pixel.edited import SetRanges, is_set
from dicomwire.pixel.encapsulated import ITEM_HEADER, VIDEO, FrameTable, OffsetTable, chosen_table, group_fragments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from _dicomwire.dataset import DataElement, DataSet

    Extents = list[tuple[int, int]]
    Ranges = ByteRanges | SetRanges
    Note = Callable[[str, int, str], None]

    class Layout(Protocol):
        """Frames by number: their pieces, and how many bits of the first byte belong to the frame before."""

        def __len__(self) -> int: ...
        def extents(self, number: int) -> Extents: ...
        def bit_offset(self, number: int) -> int: ...
        def stretch(self, number: int) -> Extents:
            """What must be read for a frame, as far as that can be told without reading."""
            ...


FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA, PIXEL_DATA = 0x7FE00008, 0x7FE00009, 0x7FE00010
EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS = 0x7FE00001, 0x7FE00002
_ITEM, _SEQUENCE_DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_MOST_NATIVE_BITS = 64 * 4 * 65535 * 65535
_MOST_TABLE = 64 << 20  # bytes of a Basic Offset Table, unless Number of Frames asks for more


class NativeFrames:
    """Frames of ``frame_bits`` bits one after the other in ``length`` bytes at ``offset``.

    The last one may be cut short.
    """

    __slots__ = ("_count", "frame_bits", "length", "offset")

    def __init__(self, offset: int, length: int, frame_bits: int, count: int) -> None:
        self.offset = offset
        self.length = length
        self.frame_bits = frame_bits
        self._count = count

    def __len__(self) -> int:
        return self._count

    def extents(self, number: int) -> Extents:
        """Offset and length of the bytes that hold a frame; frames that share a byte both have it."""
        begin = number * self.frame_bits // 8
        end = min(-(-(number + 1) * self.frame_bits // 8), self.length)
        return [(self.offset + begin, end - begin)]

    def bit_offset(self, number: int) -> int:
        return number * self.frame_bits % 8

    def stretch(self, number: int) -> Extents:
        return self.extents(number)


class EncapsulatedFrames:
    """Frames of a FrameTable: all fragments are known."""

    __slots__ = ("table",)

    def __init__(self, table: FrameTable) -> None:
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def extents(self, number: int) -> Extents:
        return self.table.extents(number)

    def bit_offset(self, number: int) -> int:
        return 0

    def stretch(self, number: int) -> Extents:
        return self.extents(number)


class TableMisfitError(Exception):
    """An offset does not lead to the fragments of a frame; never leaves this package."""


class FramesByTable:
    """Frames that an offset table leads to; the fragments of a frame are looked for when it is asked for.

    ``origin``: absolute offset of the first fragment's item tag.  Raises TableMisfitError where the fragments from one
    offset on do not end at the next.
    """

    __slots__ = ("_lengths", "_offsets", "_origin", "_ranges")

    def __init__(self, ranges: ByteRanges, origin: int, table: OffsetTable, lengths: OffsetTable | None) -> None:
        self._ranges = ranges
        self._origin = origin
        self._offsets = table.numbers
        self._lengths = lengths

    def __len__(self) -> int:
        return len(self._offsets)

    def stretch(self, number: int) -> Extents:
        position = self._origin + self._offsets[number]
        if number + 1 < len(self._offsets):
            end = self._origin + self._offsets[number + 1]
        elif self._lengths is not None:
            end = position + ITEM_HEADER + self._lengths[number]
        else:
            end = position + ITEM_HEADER
        return [(position, end - position)] if end > position else []

    def extents(self, number: int) -> Extents:
        ranges, offsets = self._ranges, self._offsets
        if ranges.is_remote:
            # Headers and fragments of a frame in one request, where requests are what costs.
            ranges.prefetch(self.stretch(number))
        position = self._origin + offsets[number]
        end = self._origin + offsets[number + 1] if number + 1 < len(offsets) else None
        found = ranges.items(position, end)
        if not found:
            raise TableMisfitError
        if self._lengths is not None and is_padded(found, self._lengths[number]):
            found[0] = (found[0][0], self._lengths[number])
        return found

    def bit_offset(self, number: int) -> int:
        return 0


def is_padded(extents: Extents, length: int) -> bool:
    """Whether a frame is one fragment with one byte of padding behind ``length`` (PS3.5 section A.4)."""
    return len(extents) == 1 and extents[0][1] == length + 1


def pixel_element(data_set: DataSet) -> DataElement:
    """Pixel Data, Float Pixel Data or Double Float Pixel Data; PixelError when there is none (PS3.3 C.7.6.3)."""
    for tag in (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA):
        element = data_set.get(tag)
        if element is not None:
            return element
    raise PixelError("the data set has no pixel data; PS3.3 C.7.6.3")


class FrameFinder:
    """Finds the frames of one pixel data element, and notes what it tolerated on the way.

    data_set: with the element and the attributes that describe it.
    transfer_syntax: its UID or None.
    is_strict: whether a deviation is an error.
    """

    def __init__(self, data_set: DataSet, transfer_syntax: str | None, *, is_strict: bool) -> None:
        self.element = pixel_element(data_set)
        self._is_set = is_set(self.element)
        self.ranges: Ranges = SetRanges(self.element) if self._is_set else ByteRanges(self.element)
        self.deviations: list[Deviation] = []
        self._data_set = data_set
        self._syntax = transfer_syntax
        self._is_strict = is_strict
        value = self.element.value if self.element.is_undefined_length else None  # of a remote file it would be read
        self.fragments = value if isinstance(value, Fragments) else None
        self.number_of_frames = self._number_of_frames()

    def find(self) -> Layout:
        """The frames by the quickest way: native, by an offset table that looks right, else by all fragments."""
        if self.fragments is None:
            return self._native()
        return self._by_table() or self.by_fragments()

    def by_fragments(self) -> EncapsulatedFrames:
        """The frames after a walk over all fragments."""
        fragments = self.fragments
        if fragments is None:
            return self._one_fragment()
        count = len(fragments)
        offsets, lengths = array("Q"), array("Q")
        for number in range(count):
            offset, length = fragments.extent(number)
            offsets.append(offset)
            lengths.append(length)
        basic = self._basic_table()
        extended = self._extended_table(EXTENDED_OFFSET_TABLE)
        return self._grouped(offsets, lengths, None if basic is None else basic[1], extended)

    # ------------------------------------------------------------------------------------------------- encapsulated

    def _grouped(
        self,
        offsets: array[int],
        lengths: array[int],
        basic: OffsetTable | None,
        extended: OffsetTable | None,
    ) -> EncapsulatedFrames:
        table, deviations = group_fragments(
            offsets, lengths, self.ranges.view, transfer_syntax=self._syntax, number_of_frames=self.number_of_frames,
            basic_offset_table=basic, extended_offset_table=extended,
        )  # fmt: skip
        for deviation in deviations:
            self._note(deviation.kind, deviation.offset, deviation.message)
        exact = self._extended_table(EXTENDED_OFFSET_TABLE_LENGTHS)
        if exact is not None and len(exact) == len(table):
            for number, length in enumerate(exact):
                extents = table.extents(number)
                if is_padded(extents, length):
                    table.lengths[table.first[number]] = length
                elif sum(size for _, size in extents) != length:
                    self._note("offset_table", extents[0][0] if extents else self.element.offset,
                               f"Extended Offset Table Lengths not used for frame {number}: {length} bytes, its "
                               f"fragments have {sum(size for _, size in extents)}; PS3.3 C.7.6.3.1.9")
        return EncapsulatedFrames(table)

    def _by_table(self) -> FramesByTable | None:
        """The frames of a table that is in order and agrees with Number of Frames; None without one."""
        if not isinstance(self.ranges, ByteRanges):
            return None  # pixel data that were set have no place
        basic = self._basic_table()
        known = find_transfer_syntax(self._syntax) if self._syntax else None
        if basic is None or (known is not None and known.family in VIDEO):
            return None
        origin, table = basic
        extended = self._extended_table(EXTENDED_OFFSET_TABLE)
        chosen, problems = chosen_table(self.number_of_frames, table, extended)
        if problems or not isinstance(chosen, OffsetTable):
            return None
        if self.number_of_frames is not None and len(chosen) != self.number_of_frames:
            return None
        lengths = self._extended_table(EXTENDED_OFFSET_TABLE_LENGTHS) if chosen is extended else None
        if lengths is not None and len(lengths) != len(chosen):
            lengths = None
        return FramesByTable(self.ranges, origin, chosen, lengths)

    def _basic_table(self) -> tuple[int, OffsetTable] | None:
        """Where the first fragment's item tag stands and the Basic Offset Table before it, read without a walk."""
        if self._is_set and self.fragments is not None:
            offsets = self.fragments.basic_offset_table
            table = memoryview(struct.pack(f"<{len(offsets)}I", *offsets))
            return self.fragments.extent(0)[0] - ITEM_HEADER if len(self.fragments) else 0, OffsetTable(table, 4)
        begin = self.element.offset
        if not self._data_set.is_little_endian:
            return None
        try:
            header = bytes(self.ranges.view(begin, ITEM_HEADER))
            length = int.from_bytes(header[4:], "little")
            if header[:4] != _ITEM:
                return None
            if length > max(_MOST_TABLE, 4 * (self.number_of_frames or 0)):
                self._note("offset_table", begin, f"Basic Offset Table not used: it has {length} bytes; PS3.5 A.4")
                length = 0
            return begin + ITEM_HEADER + length, OffsetTable(self.ranges.view(begin + ITEM_HEADER, length), 4)
        except TruncatedError:
            return None

    def _extended_table(self, tag: int) -> OffsetTable | None:
        element = self._data_set.get(tag)
        return None if element is None or element.length == 0 else OffsetTable(element.raw, 8)

    def _one_fragment(self) -> EncapsulatedFrames:
        """The frames of a value of known length that is no native one: its bytes are codestreams, without items."""
        element = self.element
        return self._grouped(array("Q", [element.offset]), array("Q", [element.length]), None, None)

    # ------------------------------------------------------------------------------------------------------- native

    def _native(self) -> Layout:
        known = find_transfer_syntax(self._syntax) if self._syntax else None
        element = self.element
        if known is not None and known.encapsulated and element.tag == PIXEL_DATA:
            self._note("encapsulation", element.offset,
                       "Pixel Data has a length, its transfer syntax asks for fragments; PS3.5 A.4")
            if element.length and not self._is_native_length():
                return self._one_fragment()
        bits = self._frame_bits()
        length = element.length
        held = length * 8 // bits
        count = self.number_of_frames
        if count is None:
            count = max(1, held)
        needed = -(-count * bits // 8)
        if not needed <= length <= needed + 1:
            self._note("frame_count", element.offset,
                       f"{count} frames need {needed} bytes, {length} are there; PS3.3 C.7.6.6.1.1")
            # What is left of a frame that begins is given, and says that it is short.
            count = min(count, -(-length * 8 // bits))
        return NativeFrames(max(element.offset, 0), length, bits, count)

    def _is_native_length(self) -> bool:
        try:
            bits = self._frame_bits()
        except PixelError:
            return False
        needed = -(-bits * (self.number_of_frames or 1) // 8)
        return self.element.length in (needed, needed + 1)

    def _frame_bits(self) -> int:
        """Bits of one frame, from the attributes of the Image Pixel module (PS3.3 C.7.6.3)."""
        rows, columns = self._positive("Rows"), self._positive("Columns")
        allocated = {FLOAT_PIXEL_DATA: 32, DOUBLE_FLOAT_PIXEL_DATA: 64}.get(self.element.tag)
        if allocated is None:
            allocated = self._positive("BitsAllocated")
        samples = self._positive("SamplesPerPixel", default=1)
        bits = rows * columns * samples * allocated
        if bits > _MOST_NATIVE_BITS:
            raise PixelError(f"Rows {rows}, Columns {columns}, Samples per Pixel {samples} and Bits Allocated "
                             f"{allocated} make frames of {bits} bits; PS3.3 C.7.6.3")
        if samples == 3 and self._data_set.get("PhotometricInterpretation") in ("YBR_FULL_422", "YBR_PARTIAL_422"):
            # Two pixels share their colour differences, unless all three samples are there (PS3.3 C.7.6.3.1.2).
            subsampled = rows * columns * 2 * allocated
            if self.element.length * 8 < bits * (self.number_of_frames or 1):
                return subsampled
            self._note("frame_count", self.element.offset, "the chrominance is not subsampled; PS3.3 C.7.6.3.1.2")
        return bits

    # --------------------------------------------------------------------------------------------------- attributes

    def _positive(self, keyword: str, default: int | None = None) -> int:
        value = self._data_set.get(keyword)
        if value is None and default is not None:
            return default
        if isinstance(value, int) and value > 0:
            return value
        found = "is missing" if value is None else "is no positive number"
        raise PixelError(f"{keyword} {found}: the frames cannot be told; PS3.3 C.7.6.3",
                         offset=None if value is None else self._data_set[keyword].offset)

    def _number_of_frames(self) -> int | None:
        """Number of Frames (0028,0008); 1 for native pixel data without it, None where only the data can tell."""
        element = self._data_set.get(0x00280008)
        if element is None:
            return 1 if self.fragments is None else None
        value = element.value
        if isinstance(value, int) and 0 < value < 1 << 31:
            return value
        self._note("frame_count", element.offset, "Number of Frames is no positive number; PS3.3 C.7.6.6.1.1")
        return None

    def _note(self, kind: str, offset: int, message: str) -> None:
        if self._is_strict:
            raise PixelError(message, offset=offset)
        deviation = Deviation(kind, "PixelData", offset, message)
        if deviation not in self.deviations and len(self.deviations) < _MOST_DEVIATIONS:
            self.deviations.append(deviation)


_MOST_DEVIATIONS = 200
