"""Frames of encapsulated pixel data to arrays, a run of them at a time (PS3.5 section A.4).

What is RLE, deflated or not compressed at all is done here, codestreams in dicomwire.pixel.coded.
"""

from __future__ import annotations

import zlib

import numpy as np

from dicomwire.dictionary.transfer_syntax import transfer_syntax as find_transfer_syntax
from dicomwire.errors import PixelError, UnsupportedError
from dicomwire.pixel.coded import Codestreams
from dicomwire.pixel.codestreams import FIRST_BYTES, codestream_kind
from dicomwire.pixel.colour import is_ybr, to_rgb
from dicomwire.pixel.native import NativePixels
from dicomwire.pixel.rle import decode_frames
from dicomwire.pixel.threads import in_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.dictionary.transfer_syntax import TransferSyntax
    from dicomwire.errors import Deviation
    from dicomwire.pixel.description import ImagePixel
    from dicomwire.pixel.frames import FrameReader

    Array = NDArray[Any]
    Bytes = bytes | memoryview

# An array of more bytes than the first, and of more than so many times the encoded ones, is no image but a bomb.
_LARGE = 1 << 30
_MOST_EXPANSION = 4000
# Frames are looked for together and then decoded together, so that neither finds the caches full of the other; so many
# of them at most, and about so many encoded bytes, which of a file are mapped at once.
_TOGETHER = 64
_AHEAD = 16 << 20

# What begins like this in a data set without a transfer syntax, as an item, is decoded so.
_SYNTAX_OF_KIND = {
    "jpeg": "1.2.840.10008.1.2.4.50",
    "jpeg2000": "1.2.840.10008.1.2.4.91",
    "jpeg-xl": "1.2.840.10008.1.2.4.112",
    "rle": "1.2.840.10008.1.2.5",
}


class CompressedFrames:
    """Decodes the frames of a reader whose pixel data are fragments.

    Raises UnsupportedError where nobody decodes the transfer syntax.
    """

    def __init__(self, encoded: FrameReader, image: ImagePixel, *, policy: str) -> None:
        self._encoded = encoded
        self._image = image
        self._syntax = self._transfer_syntax()
        self._codestreams: Codestreams | None = None
        self._decode: Callable[[list[Bytes], Array, Sequence[int], bool], None]
        if self._syntax.family in ("uncompressed", "deflate"):
            self._decode = self._decode_one_by_one
        elif self._syntax.family == "rle":
            self._decode = self._rle
        else:
            self._codestreams = Codestreams(
                self._syntax, image, encoded.element.offset, is_strict=policy == "strict"
            )
            self._decode = self._codestreams.decode

    @property
    def deviations(self) -> list[Deviation]:
        """What was tolerated in codestreams."""
        return self._codestreams.deviations if self._codestreams is not None else []

    def _transfer_syntax(self) -> TransferSyntax:
        uid = self._encoded.transfer_syntax
        known = find_transfer_syntax(uid) if uid else None
        if known is not None and known.encapsulated:
            return known
        first = self._read(0)[:FIRST_BYTES] if len(self._encoded) else b""
        guessed = find_transfer_syntax(_SYNTAX_OF_KIND.get(codestream_kind(first) or "", ""))
        if guessed is None:
            raise UnsupportedError(
                "encapsulated pixel data of an unknown transfer syntax; PS3.5 A.4", what="transfer syntax"
            )
        return guessed

    def _read(self, number: int) -> Bytes:
        """A frame as it is encoded."""
        try:
            return self._encoded.read_frame(number)
        except IndexError as error:
            raise _promised(error, number) from None

    def view(self, numbers: Sequence[int], *, raw: bool, fill: int | None) -> Array | None:
        """None: there is nothing to view.  Raises PixelError for what must not be allocated."""
        image = self._image
        if not len(numbers):
            return None
        if self._codestreams is not None and numbers[0] < len(self._encoded):
            self._codestreams.prepare(self._read(numbers[0]), numbers[0], raw)
        size = len(numbers) * image.frame_bytes
        if size > _LARGE:
            held = len(self._encoded)
            length = sum(len(self._read(number)) for number in numbers if number < held)
            if size > _MOST_EXPANSION * length:
                raise PixelError(f"{length} encoded bytes are said to make {size}: refused; PS3.5 A.4")
        return None

    def fill(self, numbers: Sequence[int], target: Array, *, raw: bool, threads: int, fill: int | None) -> None:
        """Decode frames into ``target`` (frames, rows, columns[, samples])."""
        held = len(self._encoded)

        def runs() -> Iterator[tuple[int, list[Bytes]]]:
            read, place, end = self._encoded.read_frame, 0, len(numbers)
            while place < end:
                # Shorter ones to the end, so that no thread has much left to do when the others are done.
                most = _TOGETHER if threads == 1 else max(1, min(_TOGETHER, (end - place) // (2 * threads)))
                begin, size = place, 0
                data: list[Bytes] = []
                try:
                    while place < end and numbers[place] < held and len(data) < most and size < _AHEAD:
                        data.append(read(numbers[place]))
                        size += len(data[-1])
                        place += 1
                except IndexError as error:
                    raise _promised(error, numbers[place]) from None
                if data:
                    yield begin, data
                else:
                    place += 1  # one that is filled

        def work(begin: int, data: list[Bytes]) -> None:
            end = begin + len(data)
            try:
                self._decode(data, target[begin:end], numbers[begin:end], raw)
            except PixelError as error:
                if error.frame is None:
                    error.frame = numbers[begin]  # the same is wrong with all of them
                raise

        for place, number in enumerate(numbers):
            if number >= held:
                target[place] = fill
        ranges = self._encoded.ranges
        if len(numbers) > 1:
            ranges.look_ahead(_AHEAD)
        try:
            in_threads(runs(), work, min(threads, max(1, len(numbers))))
        finally:
            ranges.look_ahead(0)

    # ------------------------------------------------------------------------------------------------ no codestreams

    def _rle(self, data: list[Bytes], target: Array, numbers: Sequence[int], raw: bool) -> None:
        image = self._image
        try:
            decode_frames(data, target, image, raw=raw)
        except PixelError as error:
            if error.frame is not None:
                error.frame = numbers[error.frame]
            raise
        if is_ybr(image) and not raw:
            for out in target:
                to_rgb(out.copy(), out.reshape(-1), image)

    def _decode_one_by_one(self, data: list[Bytes], target: Array, numbers: Sequence[int], raw: bool) -> None:
        for number, each, out in zip(numbers, data, target, strict=True):
            if self._syntax.family == "deflate":
                each = inflate(each, -(-self._image.pixels * self._image.allocated // 8), number)
            self._native(each, out, number, raw)

    def _native(self, data: Bytes, out: Array, number: int, raw: bool) -> None:
        image = self._image
        bits = image.rows * image.columns * image.samples * image.allocated
        if image.is_subsampled and len(data) * 8 < bits:
            bits = bits * 2 // 3
        if len(data) * 8 < bits:
            raise PixelError(
                f"frame {number} needs {-(-bits // 8)} bytes, {len(data)} are there; PS3.5 A.4", frame=number
            )
        pixels = NativePixels(
            image, lambda offset, length: memoryview(data)[offset : offset + length], len(data), bits,
            big_endian=False, is_words=False,
        )  # fmt: skip
        pixels.unpack(0, out[np.newaxis], raw=raw)


def _promised(error: IndexError, number: int) -> PixelError:
    """The error for a frame that an offset table has promised, and that is not there."""
    return PixelError(f"{error}; PS3.5 A.4", frame=number)


def inflate(data: Bytes, most: int, number: int) -> bytes:
    """At most so many bytes of a raw deflate stream; PixelError, which names the frame, where it is damaged.

    By ISA-L, which the extra ``inflate`` installs, else by zlib, which takes twice as long.
    """
    library: Any = zlib
    try:
        from isal import isal_zlib

        library = isal_zlib
    except ImportError:
        pass  # zlib does as well
    try:
        return bytes(library.decompressobj(-zlib.MAX_WBITS).decompress(data, most))
    except library.error as error:
        raise PixelError(f"deflated frame {number} is damaged: {error}; PS3.5 A.4.13", frame=number) from None
