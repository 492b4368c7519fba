"""Parts of pictures in another size: linear between pixels, and over all of them where the picture becomes smaller."""

from __future__ import annotations

import numpy as np

from _dicomwire.raster import resample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Box = tuple[float, float, float, float]  # left, top, right, bottom


class _Taps:
    """Of which pixels of one axis, and by which weights, those of a picture are made that have their centre on it.

    start       the first one of them in the picture
    first       int64: of each, its first pixel on the axis
    weights     float32 (pixels, taps): of that one and of those behind it
    """

    __slots__ = ("first", "start", "weights")

    def __init__(self, length: int, begin: float, end: float, count: int) -> None:
        centre = _centres(begin, end, count)
        inside = np.flatnonzero((centre >= 0) & (centre < length))
        self.start = int(inside[0]) if len(inside) else 0
        centre = centre[inside]
        reach = max((end - begin) / count, 1.0)
        low = np.clip(np.floor(centre - reach + 0.5), 0, length - 1).astype(np.int64)
        high = np.clip(np.ceil(centre + reach - 1.5), 0, length - 1).astype(np.int64)
        taps = int((high - low).max()) + 1 if len(low) else 1
        self.first = np.minimum(low, length - taps)
        index = self.first[:, None] + np.arange(taps)
        weights = 1 - np.abs(index + 0.5 - centre[:, None]) / reach
        weights[(weights < 0) | (index < low[:, None]) | (index > high[:, None])] = 0
        self.weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _centres(begin: float, end: float, count: int) -> Array:
    return begin + (np.arange(count) + 0.5) * ((end - begin) / count)


def resampled(array: Array, box: Box, size: tuple[int, int]) -> Array:
    """A box of an array of uint8 in a size (rows, columns); beyond the array it is 0."""
    left, top, right, bottom = box
    result = np.zeros((*size, *array.shape[2:]), np.uint8)
    if (right - left, bottom - top) == (size[1], size[0]) and left.is_integer() and top.is_integer():
        _copy(array, result, int(top), int(left))
        return result
    down = _Taps(array.shape[0], top, bottom, size[0])
    across = _Taps(array.shape[1], left, right, size[1])
    if len(down.first) and len(across.first):
        shape = (array.shape[0], array.shape[1], array.shape[2] if array.ndim == 3 else 1)
        resample(np.ascontiguousarray(array), shape, down.first, down.weights, across.first, across.weights, result,
                 size[1], down.start, across.start)  # fmt: skip
    return result


def nearest(mask: NDArray[np.bool_], box: Box, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A box of a mask in a size (rows, columns): each pixel is the one that its centre lies in, or False."""
    result = np.zeros(size, np.bool_)
    rows, columns = _centres(box[1], box[3], size[0]), _centres(box[0], box[2], size[1])
    row = np.flatnonzero((rows >= 0) & (rows < mask.shape[0]))
    column = np.flatnonzero((columns >= 0) & (columns < mask.shape[1]))
    if len(row) and len(column):
        found = mask[rows[row].astype(np.int64)][:, columns[column].astype(np.int64)]
        result[row[0] : row[-1] + 1, column[0] : column[-1] + 1] = found
    return result


def _copy(array: Array, result: Array, top: int, left: int) -> None:
    """Copy what of an array lies at (-top, -left) in the result."""
    into = result[max(-top, 0) :, max(-left, 0) :]
    part = array[max(top, 0) :, max(left, 0) :][: into.shape[0], : into.shape[1]]
    into[: part.shape[0], : part.shape[1]] = part
