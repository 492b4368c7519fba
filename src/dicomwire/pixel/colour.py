"""Colour spaces of decoded samples (PS3.3 section C.7.6.3.1.2)."""

from __future__ import annotations

from _dicomwire.colour import ybr_to_rgb
from dicomwire.errors import PixelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.pixel.description import ImagePixel

# Whose colour differences are samples of their own.  What JPEG 2000 calls YBR_ICT and YBR_RCT its decoders undo.
FULL = ("YBR_FULL", "YBR_FULL_422")
PARTIAL = ("YBR_PARTIAL_422", "YBR_PARTIAL_420")


def is_ybr(image: ImagePixel) -> bool:
    """Whether samples of the pixel data are Y, CB, CR, which become R, G, B unless they are wanted raw."""
    return image.samples == 3 and image.photometric in (*FULL, *PARTIAL)


def to_rgb(source: Any, target: NDArray[Any], image: ImagePixel, *, subsampled: bool = False) -> None:
    """Fill ``target`` with R, G, B for what ``source`` has: Y, CB, CR of each pixel, or Y, Y, CB, CR of each two."""
    if image.word > 2 or image.signed or image.stored not in range(8, 17) or (image.word == 1) != (image.stored == 8):
        raise PixelError(
            f"{image.photometric} of {image.stored} bits in {image.allocated}{', signed' if image.signed else ''}: "
            "expected unsigned samples of 8 to 16 bits; PS3.3 C.7.6.3.1.2"
        )
    ybr_to_rgb(source, target, image.stored, partial=image.photometric in PARTIAL, subsampled=subsampled)
