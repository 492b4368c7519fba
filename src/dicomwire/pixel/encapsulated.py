"""Which fragments of encapsulated Pixel Data make up a frame (PS3.5 Annex A.4).

Offset tables are believed when they fit the fragments; else the codestreams' own markers tell, and where there are
none, the counts.  ``FrameBorders`` decides fragment by fragment, for streams whose end is not known;
``group_fragments`` has seen all of them and therefore knows more.  Neither reads anything but the first and last bytes
of fragments, unless several frames lie in one of them.
"""

from __future__ import annotations

import sys
from array import array

from dicomwire.dictionary.transfer_syntax import transfer_syntax as find_transfer_syntax
from dicomwire.errors import Deviation
from dicomwire.pixel.codestreams import (
    FIRST_BYTES,
    KIND_OF_FAMILY,
    LAST_BYTES,
    codestream_kind,
    ends_codestream,
    split_codestreams,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dicomwire.pixel.codestreams import Read

VIDEO = ("mpeg2", "h264", "hevc")
ITEM_HEADER = 8
_MOST_SPLIT = 1 << 20  # frames that are looked for inside fragments


class OffsetTable:
    """The offsets of an offset table, 32 or 64 bits each, read out of its bytes when they are asked for.

    Offsets count from the item tag of the first fragment.  ``numbers`` has them for who asks often; ``rest`` bytes at
    the end make no whole offset.
    """

    __slots__ = ("numbers", "rest")

    def __init__(self, data: bytes | memoryview, size: int) -> None:
        self.rest = len(data) % size
        whole = memoryview(data)[: len(data) - self.rest]
        self.numbers: Sequence[int]
        if sys.byteorder == "little":
            self.numbers = whole.cast("I" if size == 4 else "Q")
        else:
            self.numbers = array("I" if size == 4 else "Q", bytes(whole))
            self.numbers.byteswap()

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, number: int) -> int:
        if number < 0:
            raise IndexError("offset table entry out of range")
        return self.numbers[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)


def table_problem(table: Sequence[int] | OffsetTable) -> str | None:
    """What is wrong with an offset table, looked at by itself; None when nothing is (PS3.5 section A.4)."""
    rest = getattr(table, "rest", 0)
    if rest:
        return f"{rest} bytes too many for whole offsets"
    last = None
    for number, offset in enumerate(table):
        if last is None:
            if offset != 0:
                return f"the first offset is {offset}, expected 0"
        elif offset < last + ITEM_HEADER:
            return f"offset {number} is {offset}, expected {last + ITEM_HEADER} or more"
        last = offset
    return None


def chosen_table(
    number_of_frames: int | None,
    basic: Sequence[int] | OffsetTable | None,
    extended: Sequence[int] | OffsetTable | None,
) -> tuple[Sequence[int] | OffsetTable | None, list[str]]:
    """The table to go by, or None, and what is wrong with the others.

    A single offset says nothing where there are more frames; some writers leave it at that.
    """
    problems: list[str] = []
    for name, table in (("Extended", extended), ("Basic", basic)):
        if table is None or (len(table) == 0 and not getattr(table, "rest", 0)):
            continue
        problem = table_problem(table)
        if problem is None and len(table) == 1 and number_of_frames is not None and number_of_frames > 1:
            problem = f"one offset for {number_of_frames} frames"
        if problem is None:
            return table, problems
        problems.append(f"{name} Offset Table not used: {problem}")
    return None, problems


class FrameBorders:
    """Tells which fragments begin a frame while they come in, one after the other.

    transfer_syntax: its UID, None if it is not known.
    number_of_frames: Number of Frames (0028,0008), None where it is absent or no positive number.
    basic_offset_table, extended_offset_table: offsets from the first fragment's item tag; None or empty if there are
        none.
    origin: absolute offset of the first fragment's item tag, for ``deviations`` only.

    Where the fragments do not bear a table out, it is left from there on.  Of a video all fragments are one frame,
    which is the whole stream.  ``frames`` counts those that have begun.
    """

    first_bytes_needed = FIRST_BYTES
    last_bytes_needed = LAST_BYTES

    def __init__(
        self,
        transfer_syntax: str | None,
        number_of_frames: int | None,
        basic_offset_table: Sequence[int] | OffsetTable | None = None,
        extended_offset_table: Sequence[int] | OffsetTable | None = None,
        *,
        origin: int = 0,
    ) -> None:
        known = find_transfer_syntax(transfer_syntax) if transfer_syntax else None
        self.frames = 0
        self.deviations: list[Deviation] = []
        self._origin = origin
        self._family = known.family if known is not None and known.encapsulated else None
        self._is_whole = known is not None and known.encapsulated and not known.fragmentable
        self._expected = number_of_frames if number_of_frames is not None and number_of_frames > 0 else None
        self._kind: str | None = None
        self._ended = False
        self._table = None
        if self._family not in VIDEO:
            self._table, problems = chosen_table(self._expected, basic_offset_table, extended_offset_table)
            for problem in problems:
                self._note("offset_table", 0, f"{problem}; PS3.5 A.4")
        self._is_doubtful = (
            self._table is not None and self._expected is not None and len(self._table) != self._expected
        )

    def feed_fragment(
        self, offset_from_first_item: int, length: int, first_bytes: bytes | memoryview, last_bytes: bytes = b""
    ) -> int | None:
        """The number of the frame that begins with this fragment, None when it goes on with the current one.

        offset_from_first_item: of the fragment's item tag from that of the first fragment.
        first_bytes: ``first_bytes_needed`` of its bytes, or all it has.
        last_bytes: ``last_bytes_needed`` of its bytes; where they are not there yet, ``end_fragment`` takes them.
        """
        begins = self._begins(offset_from_first_item, length, first_bytes)
        self._ended = ends_codestream(last_bytes)
        if not begins:
            return None
        self.frames += 1
        return self.frames - 1

    def end_fragment(self, last_bytes: bytes | memoryview) -> None:
        """Take the last bytes of the fragment that was fed before; without them nothing but a start tells a border."""
        self._ended = ends_codestream(last_bytes)

    def finish(self) -> list[Deviation]:
        """``deviations``, after the last fragment: with what is missing at the end."""
        if self._table is not None and self.frames < len(self._table):
            self._note("offset_table", self._table[self.frames],
                       f"{len(self._table)} offsets, {self.frames} of them found among the fragments; PS3.5 A.4")
        if self._expected is not None and self.frames != self._expected and self._family not in VIDEO:
            self._note("frame_count", 0, f"{self.frames} frames found, Number of Frames says {self._expected}; "
                       "PS3.3 C.7.6.6.1.1")
        return self.deviations

    def _begins(self, offset: int, length: int, first_bytes: bytes | memoryview) -> bool:
        is_first = self.frames == 0
        if is_first:
            self._look_at_first(first_bytes)
        if self._family in VIDEO:
            return is_first
        if self._table is not None:
            begins = self._by_table(self._table, offset, first_bytes)
            if begins is not None:
                return begins
        return is_first or self._by_content(length, first_bytes)

    def _look_at_first(self, first_bytes: bytes | memoryview) -> None:
        self._kind = codestream_kind(first_bytes)
        usual = KIND_OF_FAMILY.get(self._family or "")
        if usual is not None and self._kind != usual:
            found = f"begins like {self._kind}" if self._kind else "does not"
            self._note("codestream", 0, f"the first fragment should begin with a {self._family} image and {found}; "
                       "PS3.5 A.4")

    def _by_table(
        self, table: Sequence[int] | OffsetTable, offset: int, first_bytes: bytes | memoryview
    ) -> bool | None:
        """What the table says; None once it has turned out wrong."""
        wanted = table[self.frames] if self.frames < len(table) else None
        if wanted is None or offset < wanted:
            if not (self._ended and self._kind is not None and codestream_kind(first_bytes) == self._kind):
                return False
            message = f"a codestream begins at {offset} and has no offset"
        elif offset == wanted:
            # A table that contradicts Number of Frames must have the codestreams on its side.
            if not self._is_doubtful or self._kind is None or codestream_kind(first_bytes) == self._kind:
                return True
            message = f"offset {self.frames} points to the middle of a codestream"
        else:
            message = f"offset {self.frames} is {wanted}, no fragment begins there"
        self._note("offset_table", offset, f"offset table not used any further: {message}; PS3.5 A.4")
        self._table = None
        return None

    def _by_content(self, length: int, first_bytes: bytes | memoryview) -> bool:
        """Whether a fragment that is not the first begins a frame, judged by its bytes and by the counts."""
        frames_are_left = self._expected is not None and self.frames < self._expected
        if self._kind == "jpeg-xl" and not self._is_whole:
            # Two bytes are little to go by: not without need.
            return frames_are_left and codestream_kind(first_bytes) == self._kind
        if self._kind is not None and codestream_kind(first_bytes) == self._kind:
            return True
        if self._is_whole or self._kind is None:
            # One fragment a frame, as the standard asks for these syntaxes, or as nothing else shows a border.
            return frames_are_left or (self._expected is None and self._is_whole and self._kind is None)
        return frames_are_left and self._ended and length > 0

    def _note(self, kind: str, offset: int, message: str) -> None:
        self.deviations.append(Deviation(kind, "PixelData", self._origin + offset, message))


class FrameTable:
    """Frames as stretches of the source: ``offsets`` and ``lengths`` of the pieces, frame i has those from
    ``first[i]`` to ``first[i + 1]``; all in bytes, absolute.
    """

    __slots__ = ("first", "lengths", "offsets")

    def __init__(self, offsets: array[int], lengths: array[int], first: array[int]) -> None:
        self.offsets = offsets
        self.lengths = lengths
        self.first = first

    def __len__(self) -> int:
        return len(self.first) - 1

    def extents(self, number: int) -> list[tuple[int, int]]:
        """Offset and length of each piece of a frame."""
        begin, end = self.first[number], self.first[number + 1]
        return list(zip(self.offsets[begin:end], self.lengths[begin:end], strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrameTable):
            return NotImplemented
        return (self.offsets, self.lengths, self.first) == (other.offsets, other.lengths, other.first)

    __hash__ = None  # type: ignore[assignment]


def group_fragments(
    offsets: array[int],
    lengths: array[int],
    read: Read,
    *,
    transfer_syntax: str | None,
    number_of_frames: int | None,
    basic_offset_table: Sequence[int] | OffsetTable | None = None,
    extended_offset_table: Sequence[int] | OffsetTable | None = None,
) -> tuple[FrameTable, list[Deviation]]:
    """The frames that these fragments make up, and what was tolerated to find them.

    offsets, lengths: of the fragments' values in the source, without their item headers, in bytes, ascending.
    read: gives bytes of the source; asked for the first and last ones of fragments, and for whole fragments only where
        several frames must lie in one.

    In this order: a table that fits every fragment; one fragment a frame where the counts agree; codestream markers.
    """
    origin = offsets[0] - ITEM_HEADER if len(offsets) else 0
    deviations: list[Deviation] = []

    def note(kind: str, message: str) -> None:
        deviations.append(Deviation(kind, "PixelData", origin, f"{message}; PS3.5 A.4"))

    known = find_transfer_syntax(transfer_syntax) if transfer_syntax else None
    expected = number_of_frames if number_of_frames is not None and number_of_frames > 0 else None
    is_video = known is not None and known.family in VIDEO
    table = None
    if not is_video:
        table, problems = chosen_table(expected, basic_offset_table, extended_offset_table)
        for problem in problems:
            note("offset_table", problem)
    if table is not None:
        first, misfit = _fit_table(table, offsets, origin)
        if misfit is not None:
            note("offset_table", f"offset table not used: {misfit}")
            table = None
        elif expected is None or len(first) == expected:
            first.append(len(offsets))
            return FrameTable(offsets, lengths, first), deviations
    if not is_video and table is None and expected is not None and expected > 1:
        filled = sum(1 for length in lengths if length)
        if len(offsets) != expected and filled == expected:
            note("fragments", f"{len(offsets) - filled} empty fragments left out")
            kept = [i for i, length in enumerate(lengths) if length]
            offsets, lengths = array("Q", (offsets[i] for i in kept)), array("Q", (lengths[i] for i in kept))
        if len(offsets) == expected:
            return FrameTable(offsets, lengths, array("Q", range(expected + 1))), deviations
    borders = FrameBorders(transfer_syntax, expected, table, origin=origin)
    first = array("Q")
    for i, (offset, length) in enumerate(zip(offsets, lengths, strict=True)):
        first_bytes = read(offset, min(length, FIRST_BYTES))
        tail = min(length, LAST_BYTES)
        last_bytes = bytes(read(offset + length - tail, tail))
        if borders.feed_fragment(offset - ITEM_HEADER - origin, length, first_bytes, last_bytes) is not None:
            first.append(i)
    if expected is not None and len(first) < expected and not is_video:
        split = _split(offsets, lengths, first, read, min(expected, _MOST_SPLIT))
        if split is not None:
            note("fragments", f"several frames in one fragment: {len(split)} frames in {len(offsets)} fragments")
            borders.frames = len(split)
            return split, deviations + borders.finish()
    first.append(len(offsets))
    return FrameTable(offsets, lengths, first), deviations + borders.finish()


def _fit_table(table: Sequence[int] | OffsetTable, offsets: array[int], origin: int) -> tuple[array[int], str | None]:
    """Numbers of the fragments that the offsets point to, or what keeps them from it."""
    first = array("Q")
    i, count = 0, len(offsets)
    for number, wanted in enumerate(table):
        # From one offset to the next all fragments are passed, so that this is one walk over both.
        while i < count and offsets[i] - ITEM_HEADER - origin < wanted:
            i += 1
        if i == count or offsets[i] - ITEM_HEADER - origin != wanted:
            return first, f"offset {number} is {wanted}, no fragment begins there"
        first.append(i)
        i += 1
    return first, None


def _split(
    offsets: array[int], lengths: array[int], first: array[int], read: Read, most: int
) -> FrameTable | None:
    """Frames that are codestreams inside fragments; None when no fragment holds more than one."""
    pieces, sizes, begins = array("Q"), array("Q"), array("Q")
    starts = iter([*first, len(offsets)])
    border = next(starts)
    for i in range(len(offsets)):
        if i == border:
            begins.append(len(pieces))
            border = next(starts)
        parts = split_codestreams(read, offsets[i], lengths[i], max(1, most - len(begins) + 1))
        for number, (offset, length) in enumerate(parts):
            if number:
                begins.append(len(pieces))
            pieces.append(offset)
            sizes.append(length)
    if len(begins) == len(first):
        return None
    begins.append(len(pieces))
    return FrameTable(pieces, sizes, begins)
