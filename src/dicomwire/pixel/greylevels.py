"""Stored values of a grey frame to the levels that a display shows: modality, VOI, presentation (PS3.4 section N.2).

Frames of up to 16 bits go through one table of all stored values: all transformations in one step.
"""

from __future__ import annotations

import numpy as np

from _dicomwire.raster import look_up
from dicomwire.errors import PixelError
from dicomwire.pixel.attributes import items
from dicomwire.pixel.grey import Modality, Window, levels, padding, voi
from dicomwire.pixel.lookup import LookupTable, read_palette, read_table
from dicomwire.pixel.presentation import meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet
    from dicomwire.pixel.description import ImagePixel

    Array = NDArray[Any]


class GreyLevels:
    """The steps from stored values to grey levels of one frame."""

    def __init__(
        self,
        data_set: DataSet,
        image: ImagePixel,
        number: int,
        window: tuple[float, float] | str | None,
        voi_index: int | None,
        state: DataSet | None,
    ) -> None:
        self._data_set = data_set
        self._image = image
        signed = self._image.signed
        # What a presentation state does not say is an identity (PS3.4 section N.2).
        self._modality = Modality(data_set if state is None else state, number, is_signed=signed)
        self._voi: Window | LookupTable | None = None
        self._presentation: LookupTable | None = None
        self._is_inverted = self._image.photometric == "MONOCHROME1"
        if window is None and state is not None:
            self._voi = _voi_of_state(state, data_set, number, voi_index or 0) or self._whole_range()
        elif window is None:
            try:
                self._voi = voi(data_set, number, voi_index or 0, is_signed=True)
            except PixelError:
                if voi_index is not None:
                    raise  # which was asked for; else windows of width 0 are common, and mean that there is none
        elif window != "minmax":
            if isinstance(window, str):
                raise ValueError(f"window={window!r}: expected (centre, width) or 'minmax'")
            function = data_set.get("VOILUTFunction")
            self._voi = Window(*window, str(function or "LINEAR"))
        shape = data_set.get("PresentationLUTShape")
        if state is not None:
            tables = items(state, "PresentationLUTSequence")
            if tables:
                self._presentation = read_table(tables[0], is_signed=False)
            elif "RedPaletteColorLookupTableDescriptor" in state:
                self._presentation = read_palette(state)
            # A presentation state gives P-values: what it says takes the place of the photometric interpretation.
            self._is_inverted = state.get("PresentationLUTShape") == "INVERSE"
        elif shape == "INVERSE":
            self._is_inverted = True

    def _whole_range(self) -> Window | None:
        """The window of all values that the modality transformation can give; None where they are too many to show."""
        image = self._image
        if image.dtype.kind == "f" or image.dtype.itemsize > 2:
            return None
        table = self._modality.table
        if table is not None:
            low, high = 0.0, float((1 << table.bits) - 1)
        else:
            least = -(1 << (image.stored - 1)) if image.signed else 0
            ends = self._modality(np.array([least, least + (1 << image.stored) - 1], np.int64))
            low, high = float(ends.min()), float(ends.max())
        return Window((low + high) / 2, high - low, "LINEAR_EXACT")

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
        result: Array = np.empty((*array.shape, *table.shape[1:]), np.uint8)
        look_up(np.ascontiguousarray(array), array.itemsize, result, table, table[0].size, low,
                signed=array.dtype.kind == "i")  # fmt: skip
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
            if table.values.ndim == 2:  # colours, which have no shape
                return result
        return 255 - result if self._is_inverted else result


def _voi_of_state(state: DataSet, data_set: DataSet, frame: int, index: int) -> Window | LookupTable | None:
    """Number ``index`` of what Softcopy VOI LUT Sequence has for a frame of an image (PS3.3 section C.11.8)."""
    item = next(meant(state, "SoftcopyVOILUTSequence", data_set, frame), None)
    if item is not None:
        return voi(item, 0, index, is_signed=True)
    if index:
        raise IndexError(f"VOI {index}: the presentation state has none for this frame")
    return None
