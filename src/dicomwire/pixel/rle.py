"""Frames of RLE: the header, planes and errors of PS3.5 Annex G; the bytes are worked on by _dicomwire.rle."""

from __future__ import annotations

import struct
from itertools import pairwise

from _dicomwire.rle import decode_segments, encode_segments
from dicomwire.errors import PixelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.pixel.description import ImagePixel

HEADER = 64
_HEADER = struct.Struct("<16I")
MOST_SEGMENTS = 15


def segment_offsets(frame: bytes | memoryview, segments: int) -> list[int]:
    """Where each segment begins in a frame, and after them its length: as decode_segments takes them.

    Raises PixelError for another number of segments, and for offsets that do not ascend in it (PS3.5 section G.5).
    """
    if len(frame) < HEADER:
        raise PixelError(f"an RLE frame has {len(frame)} bytes, its header {HEADER}; PS3.5 G.5")
    count, *offsets = _HEADER.unpack_from(frame)
    if count != segments:
        raise PixelError(f"an RLE frame has {count} segments: expected {segments}; PS3.5 G.2")
    places = [*offsets[:segments], len(frame)]
    if places[0] < HEADER or any(a > b for a, b in pairwise(places)):
        raise PixelError(f"offsets of RLE segments do not ascend from {HEADER} to {len(frame)}; PS3.5 G.5")
    return places


def decode_frame(frame: bytes | memoryview, target: NDArray[Any], image: ImagePixel, *, raw: bool = True) -> None:
    """Fill ``target`` (rows, columns[, samples]) with the words of an RLE frame; PixelError where it is damaged.

    raw: with what is in unused bits.
    """
    segments = image.samples * image.word
    if segments > MOST_SEGMENTS:
        raise PixelError(f"{image.samples} samples of {image.allocated} bits need {segments} RLE segments; PS3.5 G.2")
    if image.allocated in (1, 12):
        raise PixelError(f"RLE of {image.allocated} Bits Allocated: expected whole bytes; PS3.5 A.4.2")
    up, down = (0, 0) if raw else (image.up, image.down)
    offsets = segment_offsets(frame, segments)
    decode_segments(frame, offsets, target, image.samples, image.word, up=up, down=down, signed=image.signed)


def encode_frame(pixels: NDArray[Any]) -> bytes:
    """An RLE frame of pixels (rows, columns) or (rows, columns, samples), C-contiguous, in the host's byte order."""
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or samples * pixels.itemsize > MOST_SEGMENTS:
        raise PixelError(f"shape {pixels.shape} of {pixels.dtype}: no RLE frame; PS3.5 G.2")
    segments = encode_segments(pixels, pixels.shape[0], samples, pixels.itemsize)
    offsets, at = [], HEADER
    for segment in segments:
        offsets.append(at)
        at += len(segment)
    if at >= 1 << 32:
        raise PixelError(f"an RLE frame of {at} bytes; PS3.5 G.5")
    header = _HEADER.pack(len(segments), *offsets, *[0] * (MOST_SEGMENTS - len(segments)))
    return header + b"".join(segments)
