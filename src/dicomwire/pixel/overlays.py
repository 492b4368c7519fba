"""Overlay planes, with data of their own or in unused bits of the pixels (PS3.3 section C.9.2, PS3.5 section 8.1.2)."""

from __future__ import annotations

import numpy as np

from _dicomwire.swap import swap_words
from _dicomwire.unpack import unpack_bits
from dicomwire.dataset.pydicom import as_data_set
from dicomwire.errors import Deviation, PixelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet

    Array = NDArray[Any]

GROUPS = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _LABEL, _KIND, _ORIGIN, _FIRST_FRAME = 0x10, 0x11, 0x15, 0x1500, 0x40, 0x50, 0x51
_ALLOCATED, _POSITION, _DATA = 0x100, 0x102, 0x3000
_MOST_PIXELS = 1 << 28


class Overlay:
    """One overlay plane.

    group           0x6000 to 0x601E
    kind            "G" for graphics, "R" for a region of interest
    label           its name, or ""
    origin          row and column of its first pixel, counted from 0; it may lie outside of the image
    first_frame     of the image that its first frame belongs to, counted from 0
    planes          uint8 (frames, rows, columns) of 0 and 1
    """

    __slots__ = ("first_frame", "group", "kind", "label", "origin", "planes")

    def __init__(
        self, group: int, kind: str, label: str, origin: tuple[int, int], first_frame: int, planes: Array
    ) -> None:
        self.group, self.kind, self.label = group, kind, label
        self.origin, self.first_frame, self.planes = origin, first_frame, planes

    def plane(self, frame: int) -> Array | None:
        """The plane that lies over a frame, or None; an overlay of one frame lies over all of them."""
        if len(self.planes) == 1 and self.first_frame == 0:
            found: Array = self.planes[0]
            return found
        number = frame - self.first_frame
        return self.planes[number] if 0 <= number < len(self.planes) else None

    def mask(self, frame: int, rows: int, columns: int) -> NDArray[np.bool_]:
        """Where a frame of an image of this size is covered."""
        result = np.zeros((rows, columns), dtype=np.bool_)
        plane = self.plane(frame)
        if plane is not None:
            top, left = self.origin
            height, width = plane.shape
            into = result[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
            part = plane[max(-top, 0) :, max(-left, 0) :][: into.shape[0], : into.shape[1]]
            into[: part.shape[0], : part.shape[1]] = part
        return result


def read_overlays(data_set: DataSet, deviations: list[Deviation] | None = None) -> list[Overlay]:
    """The overlays of a data set; one that is not described, or that its data are too short for, is left out.

    deviations: a list to which is added what was left out and why.
    """
    data_set = as_data_set(data_set)
    found = []
    for group in GROUPS:
        if (group << 16 | _ROWS) not in data_set and (group << 16 | _DATA) not in data_set:
            continue
        try:
            found.append(_read(data_set, group))
        except PixelError as error:
            if deviations is not None:
                deviations.append(Deviation("overlay", f"{group:04X}3000", error.offset or 0, str(error)))
    return found


def _value(data_set: DataSet, group: int, element: int) -> object:
    found = data_set.get(group << 16 | element)
    return None if found is None else found.value


def _count(data_set: DataSet, group: int, element: int, default: int | None = None) -> int:
    value = _value(data_set, group, element)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or not 0 < value <= 65535:
        raise PixelError(f"({group:04X},{element:04X}) is no size of an overlay; PS3.3 C.9.2")
    return value


def _read(data_set: DataSet, group: int) -> Overlay:
    rows, columns = _count(data_set, group, _ROWS), _count(data_set, group, _COLUMNS)
    frames = _count(data_set, group, _FRAMES, 1)
    if frames * rows * columns > _MOST_PIXELS:
        raise PixelError(f"an overlay of {frames} x {rows} x {columns}: refused; PS3.3 C.9.2")
    origin = _value(data_set, group, _ORIGIN)
    top, left = 1, 1
    if isinstance(origin, list) and len(origin) == 2 and all(isinstance(number, int) for number in origin):
        top, left = origin
    element = data_set.get(group << 16 | _DATA)
    if element is not None:
        planes = _with_data(data_set, element.raw, element.VR, (frames, rows, columns))
    else:
        planes = _in_pixels(data_set, group, frames, rows, columns)
    label, kind = _value(data_set, group, _LABEL), _value(data_set, group, _KIND)
    return Overlay(
        group,
        kind if isinstance(kind, str) else "",
        label if isinstance(label, str) else "",
        (top - 1, left - 1),
        _count(data_set, group, _FIRST_FRAME, 1) - 1,
        planes,
    )


def _with_data(data_set: DataSet, raw: memoryview, vr: str, shape: tuple[int, int, int]) -> Array:
    planes = np.empty(shape, dtype=np.uint8)
    if len(raw) * 8 < planes.size:
        raise PixelError(f"an overlay needs {-(-planes.size // 8)} bytes, {len(raw)} are there; PS3.3 C.9.2")
    data = raw if data_set.is_little_endian or vr != "OW" else swap_words(raw, 2)
    unpack_bits(data, planes.reshape(-1))
    return planes


def _in_pixels(data_set: DataSet, group: int, frames: int, rows: int, columns: int) -> Array:
    """A plane out of an unused bit of native pixels (PS3.5 section 8.1.2, of editions up to 2004)."""
    position = _value(data_set, group, _POSITION)
    reader = data_set.frames
    image = reader.description
    if reader.encoded.is_encapsulated or not isinstance(position, int) or not 0 <= position < image.allocated:
        raise PixelError("an overlay without data, and no unused bits that it could be in; PS3.5 8.1.2")
    if image.high_bit - image.stored < position <= image.high_bit:
        raise PixelError(f"an overlay in bit {position}, where the pixels are; PS3.5 8.1.2")
    if image.samples != 1 or (rows, columns) != image.shape or frames > len(reader):
        raise PixelError("an overlay in unused bits of another size than the image; PS3.3 C.9.2")
    words = reader.decode(range(frames), raw=True)
    return (words >> position & 1).astype(np.uint8)
