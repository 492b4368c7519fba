"""Pixel data: where each frame lies in the source, and arrays of what it holds (PS3.5 8, PS3.3 C.7.6.3).

What makes arrays is imported when it is first asked for: frames as they are encoded need no NumPy.
"""

from __future__ import annotations

from dicomwire.pixel.frames import FrameReader, RawFrame
from dicomwire.pixel.index import FrameIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.pixel.annotations import Annotation, read_annotations
    from dicomwire.pixel.arrays import Frames, decode
    from dicomwire.pixel.description import ImagePixel
    from dicomwire.pixel.encoding import compress, decompress
    from dicomwire.pixel.grey import Window, apply_modality_lut, apply_voi_lut
    from dicomwire.pixel.icc import icc_profile
    from dicomwire.pixel.lookup import apply_palette
    from dicomwire.pixel.overlays import read_overlays
    from dicomwire.pixel.rendering import render, to_rgb
    from dicomwire.pixel.shutters import read_shutter

__all__ = [
    "Annotation",
    "FrameIndex",
    "FrameReader",
    "Frames",
    "ImagePixel",
    "RawFrame",
    "Window",
    "apply_modality_lut",
    "apply_palette",
    "apply_voi_lut",
    "compress",
    "decode",
    "decompress",
    "icc_profile",
    "read_annotations",
    "read_overlays",
    "read_shutter",
    "render",
    "to_rgb",
]

# Where the names are that need NumPy.
_LAZY = {
    "Annotation": "annotations",
    "Frames": "arrays",
    "ImagePixel": "description",
    "Window": "grey",
    "apply_modality_lut": "grey",
    "apply_palette": "lookup",
    "apply_voi_lut": "grey",
    "compress": "encoding",
    "decode": "arrays",
    "decompress": "encoding",
    "icc_profile": "icc",
    "read_annotations": "annotations",
    "read_overlays": "overlays",
    "read_shutter": "shutters",
    "render": "rendering",
    "to_rgb": "rendering",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"dicomwire.pixel.{_LAZY[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
