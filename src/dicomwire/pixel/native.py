"""Native pixel data to arrays: a view where the encoding is that of the array, else one pass of a kernel.

PS3.5 section 8.1.1 and Annex D, PS3.3 section C.7.6.3.1.
"""

from __future__ import annotations

import numpy as np

from _dicomwire.swap import swap_words
from _dicomwire.unpack import interleave, unpack_12, unpack_bits, unpack_words, upsample_422, words_are_clean
from dicomwire.errors import PixelError
from dicomwire.pixel.colour import is_ybr, to_rgb
from dicomwire.pixel.description import HOST_IS_BIG_ENDIAN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.pixel.description import ImagePixel

    Bytes = bytes | bytearray | memoryview
    Read = Callable[[int, int], Bytes]  # offset from the value's first byte, and length


class NativePixels:
    """Runs of native frames: ``read`` gives bytes of the value, which has ``length`` of them.

    frame_bits: of a frame as it is encoded; big_endian: byte order of words; is_words: of 16 bits, whatever is in them
    (VR OW), where the byte order is the other one.
    """

    def __init__(
        self, image: ImagePixel, read: Read, length: int, frame_bits: int, *, big_endian: bool, is_words: bool
    ) -> None:
        self.image = image
        self.frame_bits = frame_bits
        self._read = read
        self._length = length
        self._is_swapped = big_endian != HOST_IS_BIG_ENDIAN
        # What is smaller than a word lies in words that were swapped as a whole.
        self._is_turned = big_endian and is_words and image.allocated in (1, 8, 12)
        # Where the array is to be RGB and the encoding is not (PS3.3 section C.7.6.3.1.2).
        self._is_ybr = is_ybr(image)
        self._is_upsampled = image.is_subsampled and frame_bits < image.pixels * image.allocated

    def view(self, first: int, count: int, *, raw: bool) -> NDArray[Any] | None:
        """Frames as they lie in the source, (count, rows, columns[, samples]); None if they must be unpacked.

        raw: whatever is in unused bits, in whatever colour space; else there is no view where anything is to be done.
        """
        image = self.image
        if (
            image.allocated in (1, 12)
            or self._is_turned
            or (self._is_swapped and image.word > 1)
            or self._is_upsampled
            or (image.planar and image.samples > 1)
            or (self._is_ybr and not raw)
        ):
            return None
        size = image.frame_bytes
        data = self._read(first * size, count * size)
        if (
            not raw
            and image.down
            and not words_are_clean(data, image.word, up=image.up, down=image.down, signed=image.signed)
        ):
            return None
        array = np.frombuffer(data, dtype=image.dtype).reshape(count, *image.shape)
        if not array.flags.aligned:
            return None
        array.flags.writeable = False
        return array

    def unpack(self, first: int, out: NDArray[Any], *, raw: bool) -> None:
        """Fill ``out`` (count, rows, columns[, samples]), C-contiguous, with frames from ``first`` on.

        raw: words as they are encoded, in the colour space of the encoding; else unused bits are taken off and YBR
        becomes RGB.
        """
        count = len(out)
        self._unpack(first * self.frame_bits, (first + count) * self.frame_bits, count, out, raw=raw)

    def unpack_rows(self, number: int, out: NDArray[Any], *, raw: bool) -> None:
        """Fill ``out`` (rows, columns[, samples]) with the first rows of a frame that is not in planes."""
        begin = number * self.frame_bits
        bits = self.frame_bits // self.image.rows * len(out)
        self._unpack(begin, begin + bits, 1, out, raw=raw)

    def _unpack(self, begin: int, end: int, count: int, out: NDArray[Any], *, raw: bool) -> None:
        data, skip = self._bytes(begin // 8, -(-end // 8)), begin % 8
        image = self.image
        flat = out.reshape(-1)
        if self._is_upsampled and (image.columns % 2 or image.planar or image.word > 2):
            raise PixelError(f"{image.photometric} with {image.columns} columns, planes or 32 bits; PS3.3 C.7.6.3.1.2")
        if self._is_ybr and not raw:
            if self._is_upsampled and image.stored == image.allocated == 8:
                to_rgb(data, flat, image, subsampled=True)
                return
            samples = np.empty_like(flat)
            self._samples(data, samples, count, skip, raw=False)
            to_rgb(samples, flat, image)
            return
        self._samples(data, flat, count, skip, raw=raw)

    def _samples(self, data: Bytes, flat: NDArray[Any], count: int, skip: int, *, raw: bool) -> None:
        """Fill ``flat`` with the samples of each pixel side by side."""
        image = self.image
        up, down = (0, 0) if raw else (image.up, image.down)
        is_planar = image.planar == 1 and image.samples > 1
        if image.allocated == 1:
            unpack_bits(data, flat, skip=skip)
        elif image.allocated == 12:
            unpack_12(data, flat, odd=skip != 0)
            if not raw and (down != 4 or image.signed):
                unpack_words(flat.copy(), flat, 2, up=up, down=down, signed=image.signed)
        else:
            is_swapped = self._is_swapped and image.word > 1
            if is_swapped or down or not (self._is_upsampled or is_planar):
                words = flat
                if self._is_upsampled or is_planar:
                    words = np.empty(len(flat) // 3 * 2 if self._is_upsampled else len(flat), dtype=image.dtype)
                unpack_words(data, words, image.word, swapped=is_swapped, up=up, down=down, signed=image.signed)
                data = words.data.cast("B")
            if self._is_upsampled:
                upsample_422(data, flat, image.word)
            elif is_planar:
                interleave(data, flat, image.samples, image.word, frames=count)
            return
        if is_planar:
            interleave(flat.copy(), flat, image.samples, image.word, frames=count)

    def _bytes(self, begin: int, end: int) -> Bytes:
        """Bytes from ``begin`` to ``end`` of the value, in the order in which the least significant come first."""
        if not self._is_turned:
            return self._read(begin, end - begin)
        first = begin & ~1
        data = swap_words(self._read(first, min(end + (end & 1), self._length) - first), 2)
        return memoryview(data)[begin - first : end - first]
