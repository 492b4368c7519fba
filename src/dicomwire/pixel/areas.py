"""Where an image lies in its picture: flip and turn, displayed area, and the size of the picture.

PS3.3 sections C.10.4 and C.10.6.  Coordinates of an image count pixels from its top left corner, so that the centre of
the first pixel is at (0.5, 0.5), x along a row.
"""

from __future__ import annotations

import math

import numpy as np

from dicomwire.errors import PixelError, UnsupportedError
from dicomwire.pixel.attributes import is_empty, number, numbers, text
from dicomwire.pixel.grey import functional_group
from dicomwire.pixel.presentation import meant
from dicomwire.pixel.resampling import nearest, resampled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet
    from dicomwire.pixel.drawing import Points

    Array = NDArray[Any]
    Box = tuple[float, float, float, float]  # left, top, right, bottom

MOST_PIXELS = 1 << 26  # of a picture that is larger than its image
_LONGEST_SIDE = 65535
_SECTION = "PS3.3 C.10.4"
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


class Turn:
    """Image Rotation, clockwise in degrees, and Image Horizontal Flip after it."""

    __slots__ = ("is_flipped", "rotation")

    def __init__(self, state: DataSet | None = None) -> None:
        rotation = state.get("ImageRotation") if state is not None else 0
        self.rotation = rotation if isinstance(rotation, int) and rotation in (90, 180, 270) else 0
        self.is_flipped = state is not None and state.get("ImageHorizontalFlip") == "Y"

    @property
    def is_sideways(self) -> bool:
        return self.rotation in (90, 270)

    def shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of an image of this shape as it is turned."""
        return (shape[1], shape[0]) if self.is_sideways else shape

    def array(self, array: Array) -> Array:
        """A view of an array (rows, columns[, samples]) as it is turned."""
        if self.rotation:
            array = np.rot90(array, -self.rotation // 90)
        return array[:, ::-1] if self.is_flipped else array

    def points(self, points: Points, rows: int, columns: int) -> Points:
        """Where points (x, y) of an image of this size come to lie."""
        x, y = points[..., 0], points[..., 1]
        if self.rotation == 90:
            x, y = rows - y, x
        elif self.rotation == 180:
            x, y = columns - x, rows - y
        elif self.rotation == 270:
            x, y = y, columns - x
        if self.is_flipped:
            x = (rows if self.is_sideways else columns) - x
        return np.stack([x, y], axis=-1)


class Area:
    """The part of a turned image that a picture shows, and in which size.

    shape           rows and columns of the image
    origin          (x, y) of the image in its Total Pixel Matrix; None where it is not known
    rows, columns   of the picture
    """

    __slots__ = ("_box", "_specified", "_turn", "columns", "origin", "rows", "shape")

    def __init__(
        self,
        shape: tuple[int, int],
        turn: Turn,
        box: Box,
        specified: Box,
        size: tuple[int, int],
        origin: tuple[int, int] | None = (0, 0),
    ) -> None:
        self.shape, self._turn, self._box, self._specified = shape, turn, box, specified
        self.rows, self.columns = size
        self.origin = origin

    def picture(self, array: Array) -> Array:
        """The picture of an image (rows, columns[, samples]) of uint8; what lies beyond the image is black."""
        turned = self._turn.array(array)
        return turned if self._is_whole else resampled(turned, self._box, (self.rows, self.columns))

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where the pixels of a mask of the image are in the picture."""
        turned = self._turn.array(mask)
        return turned if self._is_whole else nearest(turned, self._box, (self.rows, self.columns))

    def of_image(self, points: Points) -> Points:
        """Where points (x, y) of the image are in the picture."""
        return self._scaled(self._turn.points(points, *self.shape))

    def of_matrix(self, points: Points) -> Points:
        """Where points (x, y) of the Total Pixel Matrix are in the picture; PixelError where that is not known."""
        if self.origin is None:
            raise PixelError("where the frame lies in the Total Pixel Matrix is not said; PS3.3 C.8.12.6.1")
        moved: Points = points - np.array(self.origin)
        return self.of_image(moved)

    def of_display(self, points: Points) -> Points:
        """Where points given as fractions of the Specified Displayed Area are in the picture."""
        left, top, right, bottom = self._specified
        inside: Points = np.array([left, top]) + points * np.array([right - left, bottom - top])
        return self._scaled(inside)

    def _scaled(self, points: Points) -> Points:
        left, top, right, bottom = self._box
        scale = np.array([self.columns / (right - left), self.rows / (bottom - top)])
        result: Points = (points - np.array([left, top])) * scale
        return result

    @property
    def _is_whole(self) -> bool:
        rows, columns = self._turn.shape(self.shape)
        return self._box == _whole(rows, columns) and (self.rows, self.columns) == (rows, columns)


def _whole(rows: int, columns: int) -> Box:
    return 0.0, 0.0, float(columns), float(rows)


def pixel_aspect(data_set: DataSet) -> float:
    """How high a pixel of an image is for its width; 1 where it is not said, or makes no sense."""
    for keyword in ("PixelAspectRatio", *_SPACINGS):
        value = data_set.get(keyword)
        if isinstance(value, list) and len(value) == 2 and all(isinstance(each, (int, float)) for each in value):
            aspect = value[0] / value[1] if value[1] else 0
            return float(aspect) if 0.001 <= aspect <= 1000 else 1.0
    return 1.0


def _is_tiled(data_set: DataSet, shape: tuple[int, int]) -> bool:
    matrix = data_set.get("TotalPixelMatrixRows"), data_set.get("TotalPixelMatrixColumns")
    return matrix != (None, None) and matrix != shape


def _matrix_origin(data_set: DataSet, frame: int, shape: tuple[int, int]) -> tuple[int, int] | None:
    """Where a frame's first pixel is in the Total Pixel Matrix, (x, y) from 0 (PS3.3 C.8.12.6.1, C.7.6.17.3)."""
    if not _is_tiled(data_set, shape):
        return 0, 0
    position = functional_group(data_set, frame, "PlanePositionSlideSequence")
    if position is not None:
        x, y = (position.get(f"{axis}PositionInTotalImagePixelMatrix") for axis in ("Column", "Row"))
        return (x - 1, y - 1) if isinstance(x, int) and isinstance(y, int) else None
    rows, columns = data_set.get("TotalPixelMatrixRows"), data_set.get("TotalPixelMatrixColumns")
    if data_set.get("DimensionOrganizationType") != "TILED_FULL" or not isinstance(rows, int):
        return None
    if not isinstance(columns, int) or rows < 1 or columns < 1:
        return None
    across, down = -(-columns // shape[1]), -(-rows // shape[0])
    tile = frame % (across * down)
    return tile % across * shape[1], tile // across * shape[0]


def read_area(
    data_set: DataSet,
    shape: tuple[int, int],
    *,
    frame: int = 0,
    presentation_state: DataSet | None = None,
    area: bool = True,
    size: tuple[int, int] | None = None,
    display_spacing_mm: float | None = None,
) -> Area:
    """How a frame of this shape (rows, columns) becomes a picture.

    area    the Displayed Area Selection of the presentation state; else, and without one, the whole image is shown
    size    rows and columns that are there for the picture
    display_spacing_mm  between pixels of the display, for TRUE SIZE; without it the area is scaled to fit

    Raises PixelError for areas that make no sense or would be too large, ValueError for such a size.
    """
    turn = Turn(presentation_state)
    rows, columns = turn.shape(shape)
    whole = _whole(rows, columns)
    item = None
    if presentation_state is not None:
        item = next(meant(presentation_state, "DisplayedAreaSelectionSequence", data_set, frame), None)
    specified = whole
    origin = _matrix_origin(data_set, frame, shape)
    if item is not None:
        try:
            specified = _specified(item, turn, shape, is_tiled=_is_tiled(data_set, shape))
        except (PixelError, UnsupportedError):
            if area:
                raise  # without it, annotations of the display have the whole image to go by
    if item is None or not area:
        if size is None:
            return Area(shape, turn, whole, specified, (rows, columns), origin)
        aspect = pixel_aspect(data_set)
        item, box = None, whole
    else:
        aspect, box = _aspect(item), specified
    if turn.is_sideways:
        aspect = 1 / aspect
    wide, high = box[2] - box[0], box[3] - box[1]
    # Pixels that are not square become so by making them larger.
    natural = (high * max(aspect, 1), wide * max(1 / aspect, 1))
    scale = _scale(item, natural, size, display_spacing_mm)
    full = tuple(max(1, round(side * scale)) for side in natural)
    shown = full if size is None else tuple(min(most, side) for most, side in zip(_checked(size), full, strict=True))
    most = max(MOST_PIXELS, shape[0] * shape[1])
    if shown[0] * shown[1] > most or max(shown) > _LONGEST_SIDE:
        raise PixelError(f"a picture of {shown[0]} x {shown[1]}: refused, expected {most} pixels at most; {_SECTION}")
    if shown != full:  # larger than the display: its middle is shown
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        half = (wide * shown[1] / full[1] / 2, high * shown[0] / full[0] / 2)
        box = (middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1])
    return Area(shape, turn, box, specified, (shown[0], shown[1]), origin)


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    rows, columns = size
    if not 1 <= rows <= _LONGEST_SIDE or not 1 <= columns <= _LONGEST_SIDE or rows * columns > MOST_PIXELS:
        raise ValueError(f"size={size!r}: expected rows and columns, of {MOST_PIXELS} pixels at most")
    return rows, columns


def _specified(item: DataSet, turn: Turn, shape: tuple[int, int], *, is_tiled: bool) -> Box:
    """The Specified Displayed Area in the turned image; its corners are pixels, counted from 1."""
    if is_tiled and text(item, "PixelOriginInterpretation") == "VOLUME":
        raise UnsupportedError(
            f"a displayed area of the Total Pixel Matrix: expected one of a frame; {_SECTION}",
            what="PixelOriginInterpretation",
        )
    corners = np.array(
        [numbers(item, f"DisplayedArea{each}HandCorner", 2, section=_SECTION) for each in ("TopLeft", "BottomRight")]
    )
    placed = turn.points(np.stack([corners.min(axis=0) - 1, corners.max(axis=0)]), *shape)
    left, top = placed.min(axis=0).tolist()
    right, bottom = placed.max(axis=0).tolist()
    return left, top, right, bottom


def _aspect(item: DataSet) -> float:
    """How high a pixel is to be shown for its width, before the image is turned."""
    for keyword in ("PresentationPixelSpacing", "PresentationPixelAspectRatio"):
        if not is_empty(item, keyword):
            vertical, horizontal = numbers(item, keyword, 2, section=_SECTION)
            if vertical <= 0 or horizontal <= 0 or not 0.001 <= vertical / horizontal <= 1000:
                raise PixelError(f"{keyword} makes no pixel; {_SECTION}")
            return vertical / horizontal
    return 1.0


def _scale(
    item: DataSet | None,
    natural: tuple[float, float],
    size: tuple[int, int] | None,
    display_spacing_mm: float | None,
) -> float:
    """Pixels of the picture to one of the image, made square."""
    mode = "" if item is None else text(item, "PresentationSizeMode")
    if item is not None and mode == "MAGNIFY":
        ratio = number(item, "PresentationPixelMagnificationRatio", section=_SECTION)
        if ratio <= 0:
            raise PixelError(f"PresentationPixelMagnificationRatio is not above 0; {_SECTION}")
        return ratio
    if item is not None and mode == "TRUE SIZE" and display_spacing_mm is not None:
        if not math.isfinite(display_spacing_mm) or display_spacing_mm <= 0:
            raise ValueError(f"display_spacing_mm={display_spacing_mm!r}: expected a number above 0")
        vertical, horizontal = numbers(item, "PresentationPixelSpacing", 2, section=_SECTION)
        if vertical <= 0 or horizontal <= 0:
            raise PixelError(f"PresentationPixelSpacing makes no pixel; {_SECTION}")
        # The smaller of the two is a pixel of what is made square.
        return min(vertical, horizontal) / display_spacing_mm
    if size is None:
        return 1.0
    rows, columns = _checked(size)
    return min(rows / natural[0], columns / natural[1])
