"""One frame as it is shown: grey or colour, 8 bits, overlays over it (PS3.3 sections C.7.6.3, C.11, PS3.4 Annex N).

    picture = dicomwire.pixel.render(ds, frame=3, window=(40, 400))

Grey frames of up to 16 bits go through one table of all stored values: modality, VOI and presentation in one step.
"""

from __future__ import annotations

import numpy as np

from dicomwire.errors import PixelError
from dicomwire.pixel.colour import is_ybr
from dicomwire.pixel.colour import to_rgb as _convert
from dicomwire.pixel.grey import Modality, Window, levels, padding, voi
from dicomwire.pixel.lookup import LookupTable, apply_palette, read_table
from dicomwire.pixel.overlays import read_overlays

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet
    from dicomwire.pixel.arrays import Frames

    Array = NDArray[Any]

GREY = ("MONOCHROME1", "MONOCHROME2")


def to_rgb(array: Array, data_set: DataSet, *, raw: bool = False) -> Array:
    """Colours (..., rows, columns, 3) of an array that ``decode`` made of a data set.

    Indices of a palette become its colours, Y, CB, CR those of an array decoded ``raw``; RGB stays what it is.
    Raises PixelError for grey images, which have no colours: see render.
    """
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
    presentation_state: DataSet | None = None,
) -> Array:
    """One frame for a display: uint8 (rows, columns) of grey from black to white, or (rows, columns, 3) of RGB.

    window: (centre, width) in units of the modality, or "minmax" from the least to the greatest value, in place of what
    the data set has; voi_index: which of its VOI LUTs and windows, tables first; None: the first one, or "minmax"
    where there is none or its numbers make no sense.
    Padding is black.  overlays: graphics of groups 6000 to 601E are drawn in white.
    presentation_state: a Grayscale Softcopy Presentation State, whose transformations take the place of the image's;
    its annotations are not drawn.

    Raises PixelError where tables or windows make no sense, IndexError for another frame or VOI than there is.
    """
    frames = data_set.frames
    image = frames.description
    number = frame + len(frames) if frame < 0 else frame
    array = frames[number]
    if image.samples > 1 or image.photometric == "PALETTE COLOR":
        result = to_rgb(array, data_set) if image.photometric == "PALETTE COLOR" else array
        result = _eight_bits(result, image.stored if image.samples > 1 else 8 * result.dtype.itemsize)
    else:
        chain = _Chain(data_set, frames, number, window, voi_index, presentation_state)
        result = chain.apply(array)
    if overlays:
        result = _drawn(result, data_set, number)
        if presentation_state is not None:
            result = _drawn(result, presentation_state, number)
    if presentation_state is not None:
        result = _turned(result, presentation_state)
    return result


def _eight_bits(array: Array, stored: int) -> Array:
    if array.dtype == np.uint8 and stored == 8:
        return array
    if array.dtype.kind != "u":
        raise PixelError(f"colours of {array.dtype}: expected unsigned ones; PS3.3 C.7.6.3.1.2")
    if stored < 8:
        return (array << (8 - stored)).astype(np.uint8)
    return (array >> (stored - 8)).astype(np.uint8)


def _drawn(result: Array, data_set: DataSet, frame: int) -> Array:
    for overlay in read_overlays(data_set):
        if overlay.kind == "R":
            continue  # an area to measure, nothing to look at
        mask = overlay.mask(frame, *result.shape[:2])
        if mask.any():
            if not result.flags.writeable:
                result = result.copy()
            result[mask] = 255
    return result


def _turned(result: Array, state: DataSet) -> Array:
    """Flipped, then turned as a presentation state says (PS3.3 section C.10.6)."""
    rotation = state.get("ImageRotation")
    if state.get("ImageHorizontalFlip") == "Y":
        result = result[:, ::-1]
    if isinstance(rotation, int) and rotation in (90, 180, 270):
        result = np.rot90(result, -rotation // 90)
    return np.ascontiguousarray(result)


class _Chain:
    """The steps from stored values to grey levels of one frame."""

    def __init__(
        self,
        data_set: DataSet,
        frames: Frames,
        number: int,
        window: tuple[float, float] | str | None,
        voi_index: int | None,
        state: DataSet | None,
    ) -> None:
        self._data_set = data_set
        self._image = frames.description
        signed = self._image.signed
        source = data_set if state is None or not _has_modality(state) else state
        self._modality = Modality(source, number, is_signed=signed)
        self._voi: Window | LookupTable | None = None
        self._presentation: LookupTable | None = None
        self._is_inverted = self._image.photometric == "MONOCHROME1"
        if window is None:
            try:
                self._voi = voi(data_set, number, voi_index or 0, is_signed=True)
            except PixelError:
                if voi_index is not None:
                    raise  # which was asked for; else windows of width 0 are common, and mean that there is none
            if state is not None:
                self._voi = _voi_of_state(state, data_set, number) or self._voi
        elif window != "minmax":
            if isinstance(window, str):
                raise ValueError(f"window={window!r}: expected (centre, width) or 'minmax'")
            function = data_set.get("VOILUTFunction")
            self._voi = Window(*window, str(function or "LINEAR"))
        shape = data_set.get("PresentationLUTShape")
        if state is not None:
            sequence = state.get("PresentationLUTSequence")
            if sequence:
                self._presentation = read_table(sequence[0], is_signed=False)  # type: ignore[index]
            # A presentation state gives P-values: what it says takes the place of the photometric interpretation.
            self._is_inverted = state.get("PresentationLUTShape") == "INVERSE"
        elif shape == "INVERSE":
            self._is_inverted = True

    def apply(self, array: Array) -> Array:
        """Grey levels of an array of stored values."""
        pad = padding(array, self._data_set)
        if pad is not None and not pad.any():
            pad = None
        if array.dtype.kind == "f" or array.dtype.itemsize > 2:
            return self._shown(array, array, pad)
        image = self._image
        low = -(1 << (image.stored - 1)) if image.signed else 0
        stored = np.arange(low, low + (1 << image.stored), dtype=np.int32)
        if self._voi is None:
            kept = array if pad is None else array[~pad]
            least, most = (int(kept.min()), int(kept.max())) if kept.size else (0, 0)
            stored = stored[least - low : most - low + 1]
            low = least
        table = self._levels(self._modality(stored.astype(image.dtype)))
        index = array.astype(np.int32) if low else array
        if low:
            index -= low
        result: Array = table.take(index, mode="clip")
        if pad is not None:
            result[pad] = 0
        return result

    def _shown(self, array: Array, values: Array, pad: NDArray[np.bool_] | None) -> Array:
        values = self._modality(values)
        if self._voi is None and pad is not None and not pad.all():
            inside = values[~pad]
            values = np.clip(values, inside.min(), inside.max())
        result = self._levels(values)
        if pad is not None:
            result[pad] = 0
        return result

    def _levels(self, values: Array) -> Array:
        if self._presentation is None:
            result = levels(values, self._voi, 8)
        else:
            table = self._presentation
            bits = max(1, (len(table.values) - 1).bit_length())
            wide = levels(values, self._voi, min(bits, 16)).astype(np.int64) + table.first
            result = np.floor(table(wide) * (255 / ((1 << table.bits) - 1)) + 0.5).astype(np.uint8)
        return 255 - result if self._is_inverted else result


def _has_modality(state: DataSet) -> bool:
    return bool(state.get("ModalityLUTSequence")) or "RescaleSlope" in state


def _voi_of_state(state: DataSet, data_set: DataSet, frame: int) -> Window | LookupTable | None:
    """The item of Softcopy VOI LUT Sequence that is meant for a frame of an image (PS3.3 section C.11.8)."""
    uid = data_set.get("SOPInstanceUID")
    for item in state.get("SoftcopyVOILUTSequence") or ():  # type: ignore[attr-defined]
        images = item.get("ReferencedImageSequence")
        if images and not any(_is_meant(image, uid, frame) for image in images):
            continue
        return voi(item, 0, 0, is_signed=True)
    return None


def _is_meant(image: DataSet, uid: object, frame: int) -> bool:
    if image.get("ReferencedSOPInstanceUID") != uid:
        return False
    numbers = image.get("ReferencedFrameNumber")
    if numbers is None:
        return True
    return frame + 1 in (numbers if isinstance(numbers, list) else [numbers])
