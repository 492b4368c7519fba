"""Pixel data as NumPy arrays: ``ds.pixel_array``, ``ds.frames``, ``ds.decode(...)`` (PS3.3 section C.7.6.3).

Stored values are given: unused bits are taken off, neither rescale nor window is applied.
"""

from __future__ import annotations

from typing import overload

import numpy as np

from dicomwire.dataset.pydicom import as_data_set
from dicomwire.errors import PixelError
from dicomwire.pixel.description import ImagePixel
from dicomwire.pixel.frames import FrameReader
from dicomwire.pixel.layout import NativeFrames
from dicomwire.pixel.plain import plain_array
from dicomwire.pixel.uncompressed import UncompressedFrames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet
    from dicomwire.errors import Deviation
    from dicomwire.pixel.compressed import CompressedFrames

    Array = NDArray[Any]
    Which = int | slice | Iterable[int] | None


_MOST_FILLED = 1 << 26  # bytes of whole frames that are missing and filled; a number alone must not cost memory


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
    data_set = as_data_set(data_set)
    if frames is None and out is None and not raw and transfer_syntax is None and policy == "report":
        found = plain_array(data_set)
        if found is not None:
            return found
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
        self._decoder: UncompressedFrames | CompressedFrames
        if isinstance(self.encoded.layout, NativeFrames):
            self._decoder = UncompressedFrames(self.encoded, self.description)
        else:
            from dicomwire.pixel.compressed import CompressedFrames

            self._decoder = CompressedFrames(self.encoded, self.description, policy=policy)

    @property
    def deviations(self) -> list[Deviation]:
        """What was tolerated so far: to find the frames, of the attributes, of codestreams that were decoded."""
        if not self._is_reporting:
            return []
        return [*self.encoded.deviations, *self.description.deviations, *self._decoder.deviations]

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
        number = 0
        while number < len(self):
            try:
                frame = self.decode(number)
            except PixelError:
                if number >= len(self):
                    return  # the offset table was wrong, and there are fewer
                raise
            yield frame
            number += 1

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
