"""Pixel data as NumPy arrays: ``ds.pixel_array``, ``ds.frames``, ``ds.decode(...)`` (PS3.3 section C.7.6.3).

Stored values are given: unused bits are taken off, neither rescale nor window is applied.
"""

from __future__ import annotations

from typing import overload

import numpy as np

from dicomwire.dictionary.transfer_syntax import transfer_syntax as find_transfer_syntax
from dicomwire.errors import PixelError
from dicomwire.pixel.description import ImagePixel
from dicomwire.pixel.frames import FrameReader
from dicomwire.pixel.layout import NativeFrames
from dicomwire.pixel.native import NativePixels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet
    from dicomwire.errors import Deviation

    Array = NDArray[Any]
    Which = int | slice | Iterable[int] | None


_MOST_FILLED = 1 << 28  # bytes of whole frames that are missing and filled; a number alone must not cost memory


def decode(
    data_set: DataSet,
    frames: Which = None,
    *,
    out: object = None,
    raw: bool = False,
    threads: int = 1,
    fill: int | None = None,
    transfer_syntax: str | None = None,
    policy: str = "report",
) -> Array:
    """Return frames of a data set's pixel data as one array; see Frames.decode and Frames."""
    reader = Frames(data_set, transfer_syntax=transfer_syntax, policy=policy)
    return reader.decode(frames, out=out, raw=raw, threads=threads, fill=fill)


class Frames:
    """The frames of a data set's pixel data as arrays, by number, slice or iteration.

    ``frames[i]`` is (rows, columns) or (rows, columns, samples); ``frames[i:j]`` has an axis of frames before them.
    Nothing but what is asked for is read.

    transfer_syntax: UID in place of the data set's, for an item or a data set that has none.
    policy: as in FrameReader; it also counts for attributes that contradict each other.

    Raises PixelError where there is no pixel data or the attributes do not describe it, DecodeError for the file,
    UnsupportedError where there is no codec.
    """

    def __init__(self, data_set: DataSet, *, transfer_syntax: str | None = None, policy: str = "report") -> None:
        self.encoded = FrameReader(data_set, transfer_syntax=transfer_syntax, policy=policy)
        self.description = ImagePixel(data_set, self.encoded.element.tag, policy=policy)
        self._is_reporting = policy != "ignore"
        self._decoder: _Native = self._find_decoder()

    def _find_decoder(self) -> _Native:
        if isinstance(self.encoded.layout, NativeFrames):
            return _Native(self.encoded, self.description)
        raise NotImplementedError

    @property
    def deviations(self) -> list[Deviation]:
        """What was tolerated so far, of the attributes and to find the frames."""
        return [*self.encoded.deviations, *self.description.deviations] if self._is_reporting else []

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns) or (rows, columns, samples) of each frame."""
        return self.description.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        return self.description.dtype

    def __len__(self) -> int:
        return len(self.encoded)

    @overload
    def __getitem__(self, key: int) -> Array: ...
    @overload
    def __getitem__(self, key: slice) -> Array: ...
    def __getitem__(self, key: int | slice) -> Array:
        return self.decode(key)

    def __iter__(self) -> Iterator[Array]:
        for number in range(len(self)):
            yield self.decode(number)

    def decode(
        self,
        frames: Which = None,
        *,
        out: object = None,
        raw: bool = False,
        threads: int = 1,
        fill: int | None = None,
    ) -> Array:
        """Return frames as one array: all with None, one by number, several by a slice or numbers in any order.

        One by number, and the only one of all, has no axis of frames.

        out: an array of the shape and type of the result, C-contiguous, or any writable buffer of as many bytes; it is
            filled and returned as an array.
        raw: samples as they are encoded, with what is in unused bits, in the colour space of the encoding.
        threads: how many decode frames side by side, without the GIL.
        fill: the value of pixels that the pixel data end before; None raises PixelError for them.

        Without ``out`` the result is a read-only view of the source where the encoding allows it.
        """
        numbers, is_single = self._numbers(frames, fill)
        shape = (len(numbers), *self.shape)
        if out is None:
            found = self._decoder.view(numbers, raw=raw, fill=fill)
            if found is not None:
                return found[0] if is_single else found
        target = self._target(out, shape, is_single)
        self._decoder.fill(numbers, target, raw=raw, threads=threads, fill=fill)
        if isinstance(out, np.ndarray):
            return out
        return target[0] if is_single else target

    def _numbers(self, frames: Which, fill: int | None) -> tuple[Sequence[int], bool]:
        """Numbers of the frames that are asked for, and whether they stand for one frame without an axis."""
        held = len(self.encoded)
        count = held if self.encoded.number_of_frames is None else max(held, self.encoded.number_of_frames)
        if fill is not None:
            if (count - held) * self.description.frame_bytes > _MOST_FILLED:
                raise PixelError(f"Number of Frames is {count}, the pixel data hold {held}: not filled")
            held = count
        if frames is None:
            if count > held:
                raise PixelError(f"Number of Frames is {count}, the pixel data hold {held}; PS3.3 C.7.6.6.1.1")
            return range(held), held == 1
        if isinstance(frames, slice):
            return range(*frames.indices(held)), False
        if isinstance(frames, (int, np.integer)):
            return [_number_in(int(frames), held)], True
        return [_number_in(number.__index__(), held) for number in frames], False

    def _target(self, out: object, shape: tuple[int, ...], is_single: bool) -> Array:
        """The array to fill, with an axis of frames; ValueError where ``out`` does not fit."""
        if out is None:
            try:
                return np.empty(shape, dtype=self.dtype)
            except MemoryError:
                raise PixelError(f"no memory for {shape[0]} frames of {self.description.frame_bytes} bytes") from None
        if isinstance(out, np.ndarray):
            wanted = shape[1:] if is_single else shape
            if out.shape != wanted or out.dtype != self.dtype:
                raise ValueError(f"out: expected {wanted} of {self.dtype}, found {out.shape} of {out.dtype}")
            if not (out.flags.c_contiguous and out.flags.writeable and out.flags.aligned):
                raise ValueError("out: expected a writable C-contiguous array")
            return out.reshape(shape)
        view = memoryview(out).cast("B")  # type: ignore[arg-type]
        if view.readonly or view.nbytes != shape[0] * self.description.frame_bytes:
            raise ValueError(
                f"out: expected a writable buffer of {shape[0] * self.description.frame_bytes} bytes, "
                f"found {'a read-only one of ' if view.readonly else ''}{view.nbytes}"
            )
        return np.frombuffer(view, dtype=self.dtype).reshape(shape)

    def __repr__(self) -> str:
        return f"<Frames: {len(self)} of {self.shape}, {self.dtype}>"


def _number_in(number: int, count: int) -> int:
    if not -count <= number < count:
        raise IndexError(f"frame {number}: there are {count} frames")
    return number + count if number < 0 else number


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


class _Native:
    """Decodes native frames."""

    def __init__(self, encoded: FrameReader, image: ImagePixel) -> None:
        layout = encoded.layout
        assert isinstance(layout, NativeFrames)
        known = find_transfer_syntax(encoded.transfer_syntax) if encoded.transfer_syntax else None
        element = encoded.element
        is_big = known.pixels_big_endian if known is not None else not encoded.data_set.is_little_endian
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

    def _whole(self, end: int) -> int:
        """How many of the first ``end`` frames are there as a whole."""
        return min(end, self._layout.length * 8 // self._layout.frame_bits)

    def view(self, numbers: Sequence[int], *, raw: bool, fill: int | None) -> Array | None:
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


def in_threads(arguments: Sequence[tuple[Any, ...]], work: Any, threads: int) -> None:
    """Call ``work`` with each of the arguments, on so many threads; what one raises is raised here."""
    if threads < 1:
        raise ValueError(f"threads={threads}: expected 1 or more")
    if threads == 1 or len(arguments) < 2:
        for each in arguments:
            work(*each)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(threads, len(arguments)), "dicomwire-pixels") as pool:
        waiting = [pool.submit(work, *each) for each in arguments]
        try:
            for future in waiting:
                future.result()
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
