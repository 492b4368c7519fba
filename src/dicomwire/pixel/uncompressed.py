"""Native pixel data of a data set to arrays, run by run (PS3.5 section 8.1.1)."""

from __future__ import annotations

from dicomwire.dictionary.transfer_syntax import transfer_syntax as find_transfer_syntax
from dicomwire.errors import PixelError
from dicomwire.pixel.edited import is_set
from dicomwire.pixel.layout import NativeFrames
from dicomwire.pixel.native import NativePixels
from dicomwire.pixel.threads import in_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.errors import Deviation
    from dicomwire.pixel.description import ImagePixel
    from dicomwire.pixel.frames import FrameReader

    Array = NDArray[Any]


def runs(numbers: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (place, first, count) of runs of ascending numbers: frames that lie side by side."""
    if isinstance(numbers, range) and numbers.step == 1:
        if numbers:
            yield 0, numbers.start, len(numbers)
        return
    start = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield start, numbers[start], place - start
            start = place


class UncompressedFrames:
    """Decodes the frames of a reader whose pixel data are native."""

    def __init__(self, encoded: FrameReader, image: ImagePixel) -> None:
        layout = encoded.layout
        assert isinstance(layout, NativeFrames)
        known = find_transfer_syntax(encoded.transfer_syntax) if encoded.transfer_syntax else None
        element = encoded.element
        is_big = known.pixels_big_endian if known is not None else not encoded.data_set.is_little_endian
        if is_set(element):
            is_big = False  # what was set is in little endian, however the rest was read
        view = encoded.ranges.view
        self._layout = layout
        self._element = element
        self._image = image
        self._pixels = NativePixels(
            image,
            lambda offset, length: view(layout.offset + offset, length),
            layout.length,
            layout.frame_bits,
            big_endian=is_big,
            is_words=element.VR == "OW",
        )

    @property
    def deviations(self) -> list[Deviation]:
        """None: what is tolerated belongs to the layout or to the description."""
        return []

    def _whole(self, end: int) -> int:
        """How many of the first ``end`` frames are there as a whole."""
        return min(end, self._layout.length * 8 // self._layout.frame_bits)

    def view(self, numbers: Sequence[int], *, raw: bool, fill: int | None) -> Array | None:
        """Frames as they lie in the source, or None; PixelError where they are not there and are not to be filled."""
        found = list(runs(numbers))
        if len(found) != 1:
            return None
        _, first, count = found[0]
        if self._whole(first + count) < first + count:
            if fill is None:
                raise self._short(first + count)
            return None
        return self._pixels.view(first, count, raw=raw)

    def fill(self, numbers: Sequence[int], target: Array, *, raw: bool, threads: int, fill: int | None) -> None:
        """Unpack frames into ``target`` (frames, rows, columns[, samples])."""
        parts = []
        for place, first, count in runs(numbers):
            whole = max(0, self._whole(first + count) - first)
            if whole < count:
                if fill is None:
                    raise self._short(first + count)
                target[place + whole : place + count] = fill
                if self._layout.length * 8 > (first + whole) * self._layout.frame_bits and not self._image.planar:
                    self._fill_cut(first + whole, target[place + whole], raw=raw)
            if whole:
                parts.append((place, first, whole))
        in_threads(
            [(target[place : place + count], first) for place, first, count in _split(parts, threads)],
            lambda piece, first: self._pixels.unpack(first, piece, raw=raw),
            threads,
        )

    def _fill_cut(self, number: int, frame: Array, *, raw: bool) -> None:
        """Fill the beginning of a frame, of one plane, that is cut short with the whole rows that are there."""
        image, layout = self._image, self._layout
        row_bits = layout.frame_bits // image.rows
        rows = (layout.length * 8 - number * layout.frame_bits) // row_bits
        if rows and row_bits * image.rows == layout.frame_bits:
            self._pixels.unpack_rows(number, frame[:rows], raw=raw)

    def _short(self, frames: int) -> PixelError:
        needed = -(-frames * self._layout.frame_bits // 8)
        return PixelError(
            f"{frames} frames need {needed} bytes, {self._layout.length} are there; PS3.5 8.1.1",
            frame=self._whole(frames), offset=self._layout.offset,
        )  # fmt: skip


def _split(parts: list[tuple[int, int, int]], threads: int) -> Iterator[tuple[int, int, int]]:
    """Cut runs of frames so that there are pieces for all threads."""
    if threads <= 1:
        yield from parts
        return
    total = sum(count for _, _, count in parts)
    step = max(1, -(-total // (4 * threads)))
    for place, first, count in parts:
        for at in range(0, count, step):
            yield place + at, first + at, min(step, count - at)
