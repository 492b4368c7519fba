"""Display shutters of images and of presentation states: what of an image they hide.

PS3.3 sections C.7.6.11 (shapes), C.7.6.15 (bitmaps), C.8.19.6.9 (of single frames) and C.11.12 (presentation states).
Places are pixels, counted from 1: edges, vertices and the centre of a circle are in the middle of one, and what lies on
an edge is seen.
"""

from __future__ import annotations

import numpy as np

from dicomwire.errors import Deviation, PixelError
from dicomwire.pixel.areas import pixel_aspect
from dicomwire.pixel.attributes import number, numbers
from dicomwire.pixel.drawing import crossings, polygon_mask
from dicomwire.pixel.grey import functional_group
from dicomwire.pixel.overlays import read_overlays
from dicomwire.pixel.presentation import colour, meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet
    from dicomwire.pixel.presentation import Colour

    Mask = NDArray[np.bool_]

_SECTION = "PS3.3 C.7.6.11"
_MOST_VALUES = 65536  # of the vertices of a polygon
_MOST_CROSSINGS = 1 << 24  # rows that its edges cross


def read_shutter(
    data_set: DataSet,
    shape: tuple[int, int],
    *,
    frame: int = 0,
    presentation_state: DataSet | None = None,
    deviations: list[Deviation] | None = None,
) -> Mask | None:
    """Which pixels of an image of this shape (rows, columns) its shutters hide; None where there is no shutter.

    Shapes are combined: what one of them hides is hidden.  With a presentation state its shutters are meant, else those
    of the image, or of the frame where it has its own.
    deviations: a list to which is added which shutters made no sense, and were left out.
    """
    source = _source(data_set, frame, presentation_state)
    shapes = source.get("ShutterShape")
    if shapes is None:
        return None
    hidden: Mask | None = None
    for name in shapes if isinstance(shapes, list) else [shapes]:
        if name in ("", None):
            continue
        try:
            reader = _SHAPES.get(name) if isinstance(name, str) else None
            if reader is None:
                raise PixelError(f"a Shutter Shape that the standard does not have; {_SECTION}")
            found = reader(source, shape, data_set, frame)
        except PixelError as error:
            if deviations is not None:
                deviations.append(Deviation("shutter", "00181600", source["ShutterShape"].offset, str(error)))
            continue
        hidden = found if hidden is None else hidden | found
    return hidden


def shutter_colour(
    data_set: DataSet, *, frame: int = 0, presentation_state: DataSet | None = None, on_colour: bool = False
) -> Colour:
    """What is shown in place of what a shutter hides: grey from 0 to 255, or R, G, B; black where it is not said."""
    source = _source(data_set, frame, presentation_state)
    found = colour(
        source, "ShutterPresentationValue", "ShutterPresentationColorCIELabValue", on_colour=on_colour, section=_SECTION
    )
    return 0 if found is None else found


def bitmap_group(state: DataSet) -> int | None:
    """The group of the overlay that is a bitmap shutter, and not to be drawn; None where there is none."""
    shapes = state.get("ShutterShape")
    group = state.get("ShutterOverlayGroup")
    is_bitmap = "BITMAP" in shapes if isinstance(shapes, list) else shapes == "BITMAP"
    return group if is_bitmap and isinstance(group, int) else None


def _source(data_set: DataSet, frame: int, state: DataSet | None) -> DataSet:
    if state is not None:
        # XA/XRF presentation states have them by images and frames, as images by functional groups.
        return next(meant(state, "FrameDisplayShutterSequence", data_set, frame), state)
    of_frame = functional_group(data_set, frame, "FrameDisplayShutterSequence")
    return data_set if of_frame is None else of_frame


def _rectangle(source: DataSet, shape: tuple[int, int], data_set: DataSet, frame: int) -> Mask:
    left, right, upper, lower = (
        number(source, f"Shutter{edge}Edge", section=_SECTION)
        for edge in ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
    )
    row, column = np.arange(1, shape[0] + 1)[:, None], np.arange(1, shape[1] + 1)
    return (row < upper) | (row > lower) | (column < left) | (column > right)


def _circle(source: DataSet, shape: tuple[int, int], data_set: DataSet, frame: int) -> Mask:
    row, column = numbers(source, "CenterOfCircularShutter", 2, section=_SECTION)
    radius = number(source, "RadiusOfCircularShutter", section=_SECTION)
    if radius < 0:
        raise PixelError(f"RadiusOfCircularShutter is below 0; {_SECTION}")
    # The radius counts pixels along a row; where they are not square, the circle has another number of rows.
    down = (np.arange(1, shape[0] + 1) - row) * pixel_aspect(data_set)
    across = np.abs(np.arange(1, shape[1] + 1) - column)
    half = radius * radius - down * down
    half = np.where(half < 0, -1, np.sqrt(np.maximum(half, 0)))
    result: Mask = across > half[:, None]
    return result


def _polygon(source: DataSet, shape: tuple[int, int], data_set: DataSet, frame: int) -> Mask:
    values = numbers(source, "VerticesOfThePolygonalShutter", section=_SECTION)
    if len(values) < 6 or len(values) % 2 or len(values) > _MOST_VALUES:
        raise PixelError(
            f"{len(values)} values of vertices: expected an even number from 6 to {_MOST_VALUES}; {_SECTION}"
        )
    points = np.array(values).reshape(-1, 2)[:, ::-1] - 0.5
    if crossings(points, shape[0]) > _MOST_CROSSINGS:
        raise PixelError(f"a polygon whose edges cross more than {_MOST_CROSSINGS} rows: refused; {_SECTION}")
    return ~polygon_mask(points, *shape, with_edges=True)


def _bitmap(source: DataSet, shape: tuple[int, int], data_set: DataSet, frame: int) -> Mask:
    group = source.get("ShutterOverlayGroup")
    for overlay in read_overlays(source):
        if overlay.group == group:
            return overlay.mask(frame, *shape)
    raise PixelError("a bitmap shutter without its overlay; PS3.3 C.7.6.15")


_SHAPES: dict[str, Callable[[DataSet, tuple[int, int], DataSet, int], Mask]] = {
    "RECTANGULAR": _rectangle,
    "CIRCULAR": _circle,
    "POLYGONAL": _polygon,
    "BITMAP": _bitmap,
}
