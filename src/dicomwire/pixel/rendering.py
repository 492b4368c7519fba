"""One frame as it is shown: grey or colour, 8 bits, with what lies over it (PS3.3 C.7.6.3, C.10, C.11, PS3.4 Annex N).

    picture = dicomwire.pixel.render(ds, frame=3, window=(40, 400))
"""

from __future__ import annotations

import numpy as np

from dicomwire.dataset.pydicom import as_data_set
from dicomwire.errors import Deviation, PixelError
from dicomwire.pixel.annotations import Annotation, Layer, read_annotations, read_layers
from dicomwire.pixel.areas import read_area
from dicomwire.pixel.colour import is_ybr
from dicomwire.pixel.colour import to_rgb as _convert
from dicomwire.pixel.drawing import Canvas
from dicomwire.pixel.greylevels import GreyLevels
from dicomwire.pixel.icc import icc_profile, to_srgb
from dicomwire.pixel.lookup import apply_palette
from dicomwire.pixel.overlays import read_overlays
from dicomwire.pixel.presentation import check_state
from dicomwire.pixel.shutters import bitmap_group, read_shutter, shutter_colour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet
    from dicomwire.pixel.areas import Area
    from dicomwire.pixel.overlays import Overlay

    Array = NDArray[Any]

_ACTIVATION_LAYER = 0x1001  # of group 60xx
GREY = ("MONOCHROME1", "MONOCHROME2")


def to_rgb(array: Array, data_set: DataSet, *, raw: bool = False) -> Array:
    """Colours (..., rows, columns, 3) of an array that ``decode`` made of a data set.

    Indices of a palette become its colours, Y, CB, CR those of an array decoded ``raw``; RGB stays what it is.
    Raises PixelError for grey images, which have no colours: see render.
    """
    data_set = as_data_set(data_set)
    image = data_set.frames.description
    if image.photometric == "PALETTE COLOR" and image.samples == 1:
        return apply_palette(array, data_set)
    if image.samples == 3:
        if not raw or not is_ybr(image):
            return array
        out = np.empty_like(array, order="C")
        _convert(np.ascontiguousarray(array), out.reshape(-1), image)
        return out
    raise PixelError(f"{image.photometric or 'an image without Photometric Interpretation'} has no colours")


def render(
    data_set: DataSet,
    frame: int = 0,
    *,
    window: tuple[float, float] | str | None = None,
    voi_index: int | None = None,
    overlays: bool = True,
    shutters: bool = True,
    presentation_state: DataSet | None = None,
    annotations: bool = True,
    area: bool = True,
    size: tuple[int, int] | None = None,
    display_spacing_mm: float | None = None,
    icc: str | None = None,
    font: str | None = None,
    deviations: list[Deviation] | None = None,
) -> Array:
    """One frame for a display: uint8 (rows, columns) of grey from black to white, or (rows, columns, 3) of RGB.

    window: (centre, width) in units of the modality, or "minmax" from the least to the greatest value, in place of what
    the data set has; voi_index: which of its VOI LUTs and windows, tables first; None: the first one, or "minmax"
    where there is none or its numbers make no sense.
    Padding is black.  overlays: graphics of groups 6000 to 601E are drawn, in white or in the colour of their layer.
    shutters: what the display shutters hide is shown in their colour.
    presentation_state: a Grayscale, Color or Pseudo-Color Softcopy Presentation State, whose transformations take the
    place of the image's: what it does not have is an identity (PS3.4 section N.2).  Of it, annotations: graphics and
    text are drawn; area: the displayed area is shown, not the whole image.
    size: rows and columns of the display: a picture that is not magnified by a number is made to fit, one that is
    larger is cut to its middle.  display_spacing_mm: between pixels of the display, for areas in their true size.
    icc: "srgb" applies the ICC profile; None leaves colours as they are, see icc_profile.
    font: path of a font for text annotations.
    deviations: a list to which is added which overlays, shutters and annotations made no sense, and were left out.

    A grey picture has colours where an annotation, an overlay or a shutter has one that is not grey and no grey one.

    Raises PixelError where tables, windows or the displayed area make no sense, IndexError for another frame or VOI
    than there is, UnsupportedError for text or a profile without Pillow and for other presentation states.
    """
    if icc not in (None, "srgb"):
        raise ValueError(f"icc={icc!r}: expected 'srgb' or None")
    data_set = as_data_set(data_set)
    if presentation_state is not None:
        presentation_state = as_data_set(presentation_state)
        check_state(presentation_state)
    frames = data_set.frames
    image = frames.description
    number = frame + len(frames) if frame < 0 else frame
    placed = read_area(
        data_set,
        (image.rows, image.columns),
        frame=number,
        presentation_state=presentation_state,
        area=area,
        size=size,
        display_spacing_mm=display_spacing_mm,
    )
    array = frames[number]
    if image.samples > 1 or image.photometric == "PALETTE COLOR":
        result = to_rgb(array, data_set) if image.photometric == "PALETTE COLOR" else array
        result = _eight_bits(result, image.stored if image.samples > 1 else 8 * result.dtype.itemsize)
    else:
        result = GreyLevels(data_set, image, number, window, voi_index, presentation_state).apply(array)
    if icc is not None and result.ndim == 3:
        profile = icc_profile(data_set, presentation_state=presentation_state)
        if profile is not None:
            result = to_srgb(result, profile)
    if shutters:
        result = _shuttered(result, data_set, number, presentation_state, deviations)
    canvas = Canvas(placed.picture(result), font)
    drawings: list[Annotation | _LayeredOverlay] = []
    if overlays:
        drawings += _overlays(data_set, number, presentation_state, deviations)
    if annotations and presentation_state is not None:
        drawings += read_annotations(presentation_state, data_set, frame=number, deviations=deviations)
    _draw(canvas, placed, drawings, number, presentation_state, deviations)
    return np.ascontiguousarray(canvas.array)


def _eight_bits(array: Array, stored: int) -> Array:
    if array.dtype == np.uint8 and stored == 8:
        return array
    if array.dtype.kind != "u":
        raise PixelError(f"colours of {array.dtype}: expected unsigned ones; PS3.3 C.7.6.3.1.2")
    if stored < 8:
        return (array << (8 - stored)).astype(np.uint8)
    return (array >> (stored - 8)).astype(np.uint8)


def _shuttered(
    result: Array, data_set: DataSet, frame: int, state: DataSet | None, deviations: list[Deviation] | None
) -> Array:
    hidden = read_shutter(
        data_set, result.shape[:2], frame=frame, presentation_state=state, deviations=deviations
    )
    if hidden is None:
        return result
    canvas = Canvas(result)
    try:
        colour = shutter_colour(data_set, frame=frame, presentation_state=state, on_colour=canvas.is_colour)
    except PixelError as error:
        colour = 0
        _tell(deviations, "shutter", "00181622", error)
    canvas.paint(hidden, colour)
    return canvas.array


def _overlays(
    data_set: DataSet, frame: int, state: DataSet | None, deviations: list[Deviation] | None
) -> list[_LayeredOverlay]:
    """The overlays that are to be drawn, with their layers.

    A presentation state says which: those that it activates, its own in the place of the image's of the same group
    (PS3.3 section C.11.7).
    """
    if state is None:
        return [_LayeredOverlay(each, "") for each in read_overlays(data_set, deviations) if each.kind != "R"]
    own = read_overlays(state, deviations)
    groups = {each.group for each in own}
    shutter = bitmap_group(state)
    found = []
    for overlay in own + [each for each in read_overlays(data_set, deviations) if each.group not in groups]:
        layer = state.get(overlay.group << 16 | _ACTIVATION_LAYER)
        if overlay.group != shutter and layer is not None and isinstance(layer.value, str) and layer.value:
            found.append(_LayeredOverlay(overlay, layer.value))
    return found


class _LayeredOverlay:
    """An overlay as annotations are drawn."""

    __slots__ = ("layer", "overlay")

    def __init__(self, overlay: Overlay, layer: str) -> None:
        self.overlay, self.layer = overlay, layer


def _draw(
    canvas: Canvas,
    area: Area,
    drawings: Sequence[Annotation | _LayeredOverlay],
    frame: int,
    state: DataSet | None,
    deviations: list[Deviation] | None,
) -> None:
    """Draw overlays and annotations layer by layer; what fails is left out and told."""
    layers = {} if state is None else read_layers(state)
    unknown = Layer("")
    for drawing in sorted(drawings, key=lambda each: layers.get(each.layer, unknown).order):
        colour = layers.get(drawing.layer, unknown).colour(on_colour=canvas.is_colour)
        if isinstance(drawing, Annotation):
            try:
                drawing.draw(canvas, area, colour)
            except PixelError as error:
                _tell(deviations, "annotation", "00700001", error)
        else:
            mask = drawing.overlay.mask(frame, *area.shape)
            if mask.any():
                canvas.paint(area.mask(mask), colour)


def _tell(deviations: list[Deviation] | None, kind: str, path: str, error: PixelError) -> None:
    if deviations is not None:
        deviations.append(Deviation(kind, path, error.offset or 0, str(error)))
