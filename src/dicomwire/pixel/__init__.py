"""Pixel data: where each frame lies in the source, and arrays of what it holds (PS3.5 section 8, PS3.3 section C.7.6.3).

What makes arrays is imported when it is first asked for: frames as they are encoded need no NumPy.
"""

from __future__ import annotations

from dicomwire.pixel.frames import FrameReader, RawFrame
from dicomwire.pixel.index import FrameIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.pixel.arrays import Frames, decode
    from dicomwire.pixel.description import ImagePixel

__all__ = ["FrameIndex", "FrameReader", "Frames", "ImagePixel", "RawFrame", "decode"]

# Where the names are that need NumPy.
_LAZY = {
    "Frames": "arrays",
    "ImagePixel": "description",
    "decode": "arrays",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"dicomwire.pixel.{_LAZY[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
