"""Parts of pictures in another size: linear between pixels, and over all of them where the picture becomes smaller."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Box = tuple[float, float, float, float]  # left, top, right, bottom

_BLOCK_BYTES = 1 << 24  # of float32 that are worked on at a time


class _Taps:
    """Of which pixels of one axis, and by which weights, those of the picture are made.

    first, stop     of the picture, which pixels have their centre on the image
    index, weight   (stop - first, taps)
    """

    __slots__ = ("first", "index", "stop", "weight")

    def __init__(self, length: int, begin: float, end: float, count: int) -> None:
        scale = (end - begin) / count
        centre = _centres(begin, end, count)
        inside = np.flatnonzero((centre >= 0) & (centre < length))
        self.first, self.stop = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
        centre = centre[self.first : self.stop]
        reach = max(scale, 1.0)
        low = np.clip(np.ceil(centre - reach - 0.5), 0, length - 1).astype(np.int64)
        high = np.clip(np.floor(centre + reach - 0.5), 0, length - 1).astype(np.int64)
        taps = int((high - low).max()) + 1 if len(low) else 1
        self.index = low[:, None] + np.arange(taps)
        weight = 1 - np.abs(self.index + 0.5 - centre[:, None]) / reach
        weight[(weight < 0) | (self.index > high[:, None])] = 0
        self.weight = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
        np.minimum(self.index, length - 1, out=self.index)

    def apply(self, array: Array, begin: int, end: int) -> Array:
        """Pixels ``begin`` to ``end`` of those with a centre on the image, along the first axis of an array."""
        shape = (end - begin, *array.shape[1:])
        result = np.zeros(shape, np.float32)
        for tap in range(self.index.shape[1]):
            weight = self.weight[begin:end, tap].reshape(-1, *(1,) * (array.ndim - 1))
            result += array[self.index[begin:end, tap]] * weight
        return result


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
    if down.first == down.stop or across.first == across.stop:
        return result
    first = int(across.index.min())
    array = array[:, first : int(across.index.max()) + 1]
    across.index -= first
    widest = max(array.shape[1], across.stop - across.first) * (array.shape[2] if array.ndim == 3 else 1)
    step = max(1, _BLOCK_BYTES // (4 * widest))
    for begin in range(0, down.stop - down.first, step):
        end = min(begin + step, down.stop - down.first)
        block = np.ascontiguousarray(down.apply(array, begin, end).swapaxes(0, 1))
        block = across.apply(block, 0, across.stop - across.first).swapaxes(0, 1)
        place = result[down.first + begin : down.first + end, across.first : across.stop]
        place[...] = np.floor(block + 0.5)
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
