"""ICC profiles: handed over, and applied by Pillow's LittleCMS where sRGB is asked for (PS3.3 section C.11.15)."""

from __future__ import annotations

import io

import numpy as np

from dicomwire.errors import PixelError, UnsupportedError
from dicomwire.pixel.attributes import items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet

    Array = NDArray[Any]

_PROFILE = 0x00282000
_HEADER = 128  # bytes (ICC.1 section 7.2)


def icc_profile(data_set: DataSet, *, presentation_state: DataSet | None = None) -> bytes | None:
    """The ICC profile that the colours of a picture are meant in; None where there is none.

    That of the presentation state takes the place of the image's, which may be in its Optical Path Sequence.
    """
    for source in (presentation_state, data_set, *list(items(data_set, "OpticalPathSequence"))[:1]):
        if source is not None and _PROFILE in source:
            raw = bytes(source[_PROFILE].raw)
            if raw:
                return raw
    return None


def is_rgb_profile(profile: bytes) -> bool:
    """Whether bytes begin as a profile of RGB colours does and are as long as it says (ICC.1 section 7.2)."""
    return (
        len(profile) >= _HEADER
        and profile[36:40] == b"acsp"
        and profile[16:20] == b"RGB "
        and _HEADER <= int.from_bytes(profile[:4], "big") <= len(profile)
    )


def to_srgb(picture: Array, profile: bytes) -> Array:
    """uint8 (rows, columns, 3) of sRGB for colours of a profile, by its own rendering intent.

    PixelError for what is no profile of RGB colours, UnsupportedError without Pillow.
    """
    try:
        from PIL import Image, ImageCms
    except ImportError:
        raise UnsupportedError(
            "ICC profiles need Pillow: pip install dicomwire[image]", what="Pillow", extra="image"
        ) from None
    if not is_rgb_profile(profile):
        raise PixelError("ICC Profile is none of RGB colours; PS3.3 C.11.15")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(source))
        shown = ImageCms.profileToProfile(
            Image.fromarray(picture), source, ImageCms.createProfile("sRGB"), renderingIntent=intent
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise PixelError(f"ICC Profile cannot be applied: {type(error).__name__}; PS3.3 C.11.15") from error
    return np.array(shown)
