"""Single frames of pixel data as they stand in the file, native or compressed, each one read when it is used.

    for frame in dicomwire.FrameReader("slide.dcm"):
        frame.number, frame.offset, frame.length, bytes(frame)
"""

from __future__ import annotations

import os
from typing import overload

from _dicomwire.dataset import DataSet
from _dicomwire.part10 import dcmread
from dicomwire.dataset.pydicom import from_pydicom, is_pydicom
from dicomwire.pixel.edited import current_syntax
from dicomwire.pixel.index import FrameIndex
from dicomwire.pixel.layout import (
    EncapsulatedFrames,
    FrameFinder,
    FramesByTable,
    NativeFrames,
    TableMisfitError,
    pixel_element,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

    from _dicomwire.dataset import DataElement
    from dicomwire.errors import Deviation
    from dicomwire.pixel.layout import Extents, Layout, Ranges

    Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | DataSet


class RawFrame:
    """One frame as it is encoded: ``bytes(frame)``, or ``fragments`` without a copy.

    number      from 0
    offset      absolute offset of its first byte in the source; of a deflated data set, in the inflated stream; of
                pixel data that were set, in their own bytes
    length      bytes of all its fragments together, without item headers
    bit_offset  bits of the first byte that belong to the frame before: frames of 1-bit pixels need not begin on a byte
                (PS3.5 section 8.1.1)
    extents     offset and length of each fragment
    is_cut_short    the pixel data end before the frame does; of native frames only

    Holds the source, and none of its bytes.
    """

    __slots__ = ("_ranges", "bit_offset", "extents", "is_cut_short", "number")

    def __init__(
        self, ranges: Ranges, number: int, extents: Extents, bit_offset: int, is_cut_short: bool
    ) -> None:
        self._ranges = ranges
        self.number = number
        self.extents = extents
        self.bit_offset = bit_offset
        self.is_cut_short = is_cut_short

    @property
    def offset(self) -> int:
        return self.extents[0][0]

    @property
    def length(self) -> int:
        return sum(length for _, length in self.extents)

    @property
    def fragments(self) -> list[memoryview]:
        """Read-only views of the fragments, made anew each time; of memory, or of a mapping of the file.

        A mapping goes when its last view does.  Raises TruncatedError where the file has become shorter.
        """
        return [self._ranges.view(offset, length) for offset, length in self.extents]

    def __bytes__(self) -> bytes:
        if len(self.extents) == 1:
            return bytes(self._ranges.view(*self.extents[0]))
        return b"".join(self._ranges.view(offset, length) for offset, length in self.extents)

    def __repr__(self) -> str:
        return f"<RawFrame {self.number}: offset {self.offset}, {self.length} bytes>"


class FrameReader:
    """The frames of a data set's pixel data by number, slice or iteration, as RawFrame.

    source: a path, a bytes-like object, a binary file object, or a data set of ``dcmread``, also an item with pixel
        data of its own.
    index: a FrameIndex, or the path of one that was saved; it spares looking for the frames, and must be of this file.
    transfer_syntax: UID in place of the data set's, for one that has none.
    policy: "strict" raises PixelError where frames are not found as the standard says, "report" lists it in
        ``deviations``, "ignore" does neither.

    Frames are found by an offset table, which is checked where it is used, else by walking the fragments; as many are
    given as there are.  Of a video the only frame is the whole stream.  Iterating keeps nothing of the frames.
    Raises PixelError where there is no pixel data or where the attributes do not describe it, DecodeError for the file.
    PS3.5 section 8 and Annex A.4.
    """

    def __init__(
        self,
        source: Source,
        *,
        index: FrameIndex | str | os.PathLike[str] | None = None,
        transfer_syntax: str | None = None,
        policy: str = "report",
    ) -> None:
        if policy not in ("strict", "report", "ignore"):
            raise ValueError(f"policy={policy!r}: expected 'strict', 'report' or 'ignore'")
        if is_pydicom(source):
            source = from_pydicom(source)
        data_set = source if isinstance(source, DataSet) else dcmread(source, policy=policy)
        self.data_set = data_set
        self.transfer_syntax = transfer_syntax or current_syntax(data_set, pixel_element(data_set))
        self._policy = policy
        self._finder = FrameFinder(data_set, self.transfer_syntax, is_strict=policy == "strict")
        self._layout: Layout
        if index is None:
            self._layout = self._finder.find()
        else:
            found = index if isinstance(index, FrameIndex) else FrameIndex.load(index)
            found.check(data_set)
            self._layout = found.layout

    @property
    def element(self) -> DataElement:
        """Pixel Data, Float Pixel Data or Double Float Pixel Data."""
        return self._finder.element

    @property
    def ranges(self) -> Ranges:
        """The bytes of the source."""
        return self._finder.ranges

    @property
    def layout(self) -> Layout:
        """Where the frames lie, as far as it is known."""
        return self._layout

    @property
    def number_of_frames(self) -> int | None:
        """What Number of Frames says; None where it is missing or says nothing, and only the data can tell."""
        return self._finder.number_of_frames

    @property
    def is_encapsulated(self) -> bool:
        """Whether the pixel data are fragments."""
        return self._finder.fragments is not None

    @property
    def deviations(self) -> list[Deviation]:
        """What was tolerated to find the frames so far; what was tolerated in the file is in ``ds.deviations``."""
        return [] if self._policy == "ignore" else list(self._finder.deviations)

    def __len__(self) -> int:
        return len(self._layout)

    @overload
    def __getitem__(self, key: int) -> RawFrame: ...
    @overload
    def __getitem__(self, key: slice) -> list[RawFrame]: ...
    def __getitem__(self, key: int | slice) -> RawFrame | list[RawFrame]:
        if isinstance(key, slice):
            numbers = range(*key.indices(len(self)))
            if isinstance(self._layout, FramesByTable):
                self.prefetch(numbers)  # their headers are read now
            return [self._frame(number) for number in numbers]
        number = key.__index__()
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError("frame number out of range")
        return self._frame(number)

    def __iter__(self) -> Iterator[RawFrame]:
        number = 0
        while number < len(self):
            try:
                frame = self._frame(number)
            except IndexError:
                return  # the offset table was wrong, and there are fewer
            yield frame
            number += 1

    def prefetch(self, numbers: Iterable[int]) -> None:
        """Have these frames read side by side, where the source is remote, for the reads to come.

        As many as ``keep_bytes`` of ``open_remote`` has room for.
        """
        layout = self._layout
        self._finder.ranges.prefetch([extent for number in numbers for extent in layout.stretch(number)])

    def build_index(self) -> FrameIndex:
        """A FrameIndex of these frames; walks all fragments."""
        layout = self._layout
        if not isinstance(layout, (NativeFrames, EncapsulatedFrames)):
            layout = self._layout = self._finder.by_fragments()
        return FrameIndex.of_layout(self.data_set, layout)

    def read_frame(self, number: int) -> bytes | memoryview:
        """The bytes of one frame, counted from 0: as ``RawFrame.fragments``, and joined where there are several.

        IndexError where there is none, also of those that an offset table has promised.
        """
        if not 0 <= number < len(self._layout):
            raise IndexError(f"frame {number}: there are {len(self._layout)} frames")
        try:
            extents = self._layout.extents(number)
        except TableMisfitError:
            extents = self._extents_after_a_walk(number)
        if len(extents) == 1:
            return self._finder.ranges.view(*extents[0])
        return b"".join(self._finder.ranges.view(offset, length) for offset, length in extents)

    def _extents_after_a_walk(self, number: int) -> Extents:
        """Where a frame is for which the offset table was wrong: the walk over all fragments finds what there is."""
        self._layout = self._finder.by_fragments()
        if number >= len(self._layout):
            raise IndexError(f"frame {number}: there are {len(self._layout)} frames") from None
        return self._layout.extents(number)

    def _frame(self, number: int) -> RawFrame:
        try:
            extents = self._layout.extents(number)
        except TableMisfitError:
            extents = self._extents_after_a_walk(number)
        layout = self._layout
        bits = layout.frame_bits if isinstance(layout, NativeFrames) else 0
        bit_offset = layout.bit_offset(number)
        is_cut_short = extents[0][1] * 8 < bit_offset + bits
        return RawFrame(self._finder.ranges, number, extents, bit_offset, is_cut_short)

    def __repr__(self) -> str:
        return f"<FrameReader: {len(self)} frames>"
