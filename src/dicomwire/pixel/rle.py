"""Frames of RLE by the description of their image (PS3.5 Annex G); the bytes are worked on by _dicomwire.rle."""

from __future__ import annotations

import struct

from _dicomwire.rle import decode_frames as _decode_frames
from _dicomwire.rle import encode_segments
from dicomwire.errors import PixelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.pixel.description import ImagePixel

HEADER = 64
_HEADER = struct.Struct("<16I")
MOST_SEGMENTS = 15


def decode_frames(
    frames: Sequence[bytes | memoryview], target: NDArray[Any], image: ImagePixel, *, raw: bool = True
) -> None:
    """Fill ``target`` (frames, rows, columns[, samples]) with the words of RLE frames.

    raw: with what is in unused bits.  PixelError where a frame is damaged, its ``frame`` counted from the first one.
    """
    segments = image.samples * image.word
    if segments > MOST_SEGMENTS:
        raise PixelError(f"{image.samples} samples of {image.allocated} bits need {segments} RLE segments; PS3.5 G.2")
    if image.allocated in (1, 12):
        raise PixelError(f"RLE of {image.allocated} Bits Allocated: expected whole bytes; PS3.5 A.4.2")
    up, down = (0, 0) if raw else (image.up, image.down)
    _decode_frames(frames, target, image.samples, image.word, up=up, down=down, signed=image.signed)


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
