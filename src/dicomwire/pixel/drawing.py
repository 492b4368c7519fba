"""Lines and areas on a picture.

Points are (x, y) from the picture's top left corner: pixel (row, column) has its centre at (column + 0.5, row + 0.5).
What a drawing costs is counted in pixels that are looked at, so that no description of a few bytes draws for hours.
"""

from __future__ import annotations

import math

import numpy as np

from _dicomwire.raster import draw_lines
from dicomwire.errors import PixelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.pixel.presentation import Colour

    Array = NDArray[Any]
    Points = NDArray[np.float64]

_MOST_STEPS = 1 << 28  # pixels of all lines and areas of a picture, and rows that the edges of areas cross
_AT_ONCE = 1 << 18
_THICKEST = 32.0  # pixels of a line
_FAR = 1e15  # where floating point still tells a pixel from the next one


class Canvas:
    """A picture that is drawn on: uint8 (rows, columns), or (rows, columns, 3) from the first colour on.

    array   the picture, contiguous: a copy where the one that was given is not, or is read-only
    font    path of a TrueType or OpenType font for text, None for Pillow's own
    """

    __slots__ = ("_left", "array", "font")

    def __init__(self, array: Array, font: str | None = None) -> None:
        self.array = array if array.flags.writeable and array.flags.c_contiguous else array.copy(order="C")
        self.font = font
        self._left = _MOST_STEPS

    @property
    def rows(self) -> int:
        return int(self.array.shape[0])

    @property
    def columns(self) -> int:
        return int(self.array.shape[1])

    @property
    def is_colour(self) -> bool:
        return self.array.ndim == 3

    def spend(self, steps: int) -> None:
        """Count steps; PixelError where there are more than a picture is worth."""
        if steps > self._left:
            raise PixelError(f"more than {_MOST_STEPS} pixels to draw: refused; PS3.3 C.10.5")
        self._left -= steps

    def paint(
        self, mask: NDArray[np.bool_], colour: Colour, opacity: float = 1.0, *, top: int = 0, left: int = 0
    ) -> None:
        """Give the pixels of a mask, from (top, left) on, a colour; grey becomes RGB where that must be."""
        shown = self._prepared(colour)
        place = self.array[top : top + mask.shape[0], left : left + mask.shape[1]]
        if opacity < 1:
            below = place[mask]
            shown = np.floor(below + opacity * (shown.astype(np.float32) - below) + 0.5).astype(np.uint8)
        place[mask] = shown

    def draw_lines(self, lines: Points, pen: NDArray[np.int64], colour: Colour) -> None:
        """Draw lines (lines, 4), from x, y to x, y, with a pen; what lies outside is passed over."""
        shown = self._prepared(colour)
        shape = (self.rows, self.columns, 3 if self.is_colour else 1)
        draw_lines(self.array, shape, lines, pen, np.resize(shown, shape[2]))

    def blend(self, top: int, left: int, mask: Array, colour: Colour) -> None:
        """Lay a colour over the pixels from (top, left) on, as opaque as the mask (uint8) says."""
        shown = self._prepared(colour)
        place = self.array[top : top + mask.shape[0], left : left + mask.shape[1]]
        weight = (mask[..., None] if self.is_colour else mask).astype(np.uint16)
        place[...] = (place * (255 - weight) + np.uint16(shown) * weight + 127) // 255

    def _prepared(self, colour: Colour) -> Array:
        if isinstance(colour, tuple) and not self.is_colour:
            if len(set(colour)) == 1:
                return np.array(colour[0], np.uint8)
            self.array = np.repeat(self.array[..., None], 3, axis=2)
        return np.array(colour, np.uint8)


def polygon_mask(points: Points, rows: int, columns: int, *, with_edges: bool = False) -> NDArray[np.bool_]:
    """Which pixels have their centre inside a polygon, by the even-odd rule; the last point is joined to the first.

    with_edges: also centres that lie on an edge.
    """
    following = np.roll(points, -1, axis=0)
    is_down = (points[:, 1] <= following[:, 1])[:, None]
    edges = np.where(is_down, points, following), np.where(is_down, following, points)
    toggles = np.zeros((rows, columns + 1), np.uint8)
    for row, x in _crossed(*edges, rows, closed=False):
        # The first column whose centre lies behind the edge.
        column = np.clip(np.floor(x) + 1, 0, columns).astype(np.int64)
        np.add.at(toggles, (row, column), 1)
    toggles &= 1
    np.bitwise_xor.accumulate(toggles, axis=1, out=toggles)
    result = toggles[:, :-1].view(np.bool_)
    if with_edges:
        _mark_edges(result, *edges)
    return result


def _mark_edges(mask: NDArray[np.bool_], upper: Points, lower: Points) -> None:
    rows, columns = mask.shape
    for row, x in _crossed(upper, lower, rows, closed=True):
        on_centre = (x == np.floor(x)) & (x >= 0) & (x < columns)
        mask[row[on_centre], x[on_centre].astype(np.int64)] = True
    level = (upper[:, 1] == lower[:, 1]) & (upper[:, 1] % 1 == 0.5)
    for (x, y), (other, _) in zip(upper[level].tolist(), lower[level].tolist(), strict=True):
        if 0 <= y < rows:
            first, stop = math.ceil(min(x, other) - 0.5), math.floor(max(x, other) - 0.5) + 1
            mask[int(y), max(first, 0) : max(stop, 0)] = True


def _crossed(
    upper: Points, lower: Points, rows: int, *, closed: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Rows whose centres edges cross, and where, as columns with fractions; closed: with the lower end of an edge."""
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, rows).astype(np.int64)
    below = np.floor(lower[:, 1] - 0.5) + 1 if closed else np.ceil(lower[:, 1] - 0.5)
    counts = np.clip(below, 0, rows).astype(np.int64) - first
    counts[upper[:, 1] == lower[:, 1]] = 0
    for begin, end in _blocks(counts):
        edge = np.repeat(np.arange(begin, end), counts[begin:end])
        row = _places(counts[begin:end]) + first[edge]
        width, height = lower[edge, 0] - upper[edge, 0], lower[edge, 1] - upper[edge, 1]
        yield row, upper[edge, 0] + (row + 0.5 - upper[edge, 1]) * width / height - 0.5


def crossings(points: Points, rows: int) -> int:
    """How many rows the edges of a polygon cross in a picture of so many, all together: what its mask costs."""
    y = np.clip(np.append(points[:, 1], points[:1, 1]), 0, rows)
    return int(np.ceil(np.abs(np.diff(y))).sum()) + len(points)


def _blocks(counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Where to cut a list of counts so that not many are looked at at once, but at least one."""
    found, begin, size = [], 0, 0
    for number, count in enumerate(counts.tolist()):
        if size and size + count > _AT_ONCE:
            found.append((begin, number))
            begin, size = number, 0
        size += count
    if begin < len(counts):
        found.append((begin, len(counts)))
    return found


def _places(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2 ... anew for each count."""
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(starts, counts)


def fill(canvas: Canvas, points: Points, colour: Colour, opacity: float = 1.0) -> None:
    """Fill a polygon; opacity: 0, which lets all through, to 1."""
    low = np.clip(np.floor(points.min(axis=0)), 0, (canvas.columns, canvas.rows)).astype(np.int64)
    high = np.clip(np.ceil(points.max(axis=0)), 0, (canvas.columns, canvas.rows)).astype(np.int64)
    (left, top), (columns, rows) = low.tolist(), (high - low).tolist()
    if not rows or not columns:
        return
    points = np.clip(points, -_FAR, _FAR) - low
    canvas.spend(rows * columns + crossings(points, rows))
    canvas.paint(polygon_mask(points, rows, columns), colour, opacity, top=top, left=left)


def line(canvas: Canvas, points: Points, colour: Colour, thickness: float = 1.0) -> None:
    """Draw straight lines from point to point, or the point where there is one alone."""
    pen = _pen(thickness)
    margin = float(np.abs(pen).max()) + 1
    begins, ends = (points[:-1], points[1:]) if len(points) > 1 else (points, points)
    lines = np.concatenate(_clipped(begins, ends, -margin, (canvas.columns + margin, canvas.rows + margin)), axis=1)
    steps = np.abs(lines[:, 2:] - lines[:, :2]).max(axis=1, initial=0).astype(np.int64) + 2
    canvas.spend(int(steps.sum()) * len(pen))
    canvas.draw_lines(lines, pen, colour)


def _pen(thickness: float) -> NDArray[np.int64]:
    """The places, beside the one that is drawn, of a round pen."""
    radius = min(max(thickness, 1.0), _THICKEST) / 2
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    # Of an even number of pixels the pen lies to the right and below.
    shift = 0.5 if round(2 * radius) % 2 == 0 else 0.0
    inside = (x - shift) ** 2 + (y - shift) ** 2 <= max(radius - 0.25, 0) ** 2 + 0.25
    found = np.stack([x[inside], y[inside]], axis=-1).astype(np.int64)
    return found if radius > 0.5 else np.zeros((1, 2), np.int64)


def _clipped(begins: Points, ends: Points, low: float, high: tuple[float, float]) -> tuple[Points, Points]:
    """The parts of lines within a rectangle, after Liang and Barsky; lines outside are left out."""
    begins, ends = np.clip(begins, -_FAR, _FAR), np.clip(ends, -_FAR, _FAR)
    delta = ends - begins
    enter, leave = np.zeros(len(begins)), np.ones(len(begins))
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in (0, 1):
            near, far = (low - begins[:, axis]) / delta[:, axis], (high[axis] - begins[:, axis]) / delta[:, axis]
            near, far = np.minimum(near, far), np.maximum(near, far)
            still = delta[:, axis] == 0
            outside = still & ((begins[:, axis] < low) | (begins[:, axis] > high[axis]))
            enter = np.where(still, enter, np.maximum(enter, near))
            leave = np.where(still, np.where(outside, -1.0, leave), np.minimum(leave, far))
    kept = enter <= leave
    begins, delta, enter, leave = begins[kept], delta[kept], enter[kept, None], leave[kept, None]
    return begins + enter * delta, begins + leave * delta


def curve(points: Points) -> Points:
    """Points of a smooth curve through the given ones: cubic, each tangent along its neighbours; closed if they are."""
    if len(points) < 3:
        return points
    is_closed = bool((points[0] == points[-1]).all())
    around = points[[-2, 1]] if is_closed else points[[0, -1]]
    padded = np.concatenate([around[:1], points, around[1:]])
    before, first, second, behind = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    part = np.linspace(0, 1, 16, endpoint=False)[:, None, None]
    found = 0.5 * (
        2 * first
        + (second - before) * part
        + (2 * before - 5 * first + 4 * second - behind) * part**2
        + (3 * first - before - 3 * second + behind) * part**3
    )
    return np.concatenate([found.transpose(1, 0, 2).reshape(-1, 2), points[-1:]])


def ellipse(centre: Points, one: Points, other: Points) -> Points:
    """Points of an ellipse, closed: its centre and two half axes, as vectors."""
    reach = float(max(np.hypot(*one), np.hypot(*other)))
    count = int(min(max(4 * reach, 16), 4096))
    angle = np.linspace(0, 2 * np.pi, count + 1)[:, None]
    return centre + np.cos(angle) * one + np.sin(angle) * other
