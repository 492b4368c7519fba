"""Grey values: modality and VOI transformations, and padding (PS3.3 sections C.7.5.1.1.2, C.11.1, C.11.2).

    hu = apply_modality_lut(ds.pixel_array, ds)
    shown = apply_voi_lut(hu, ds)

Where a multi-frame data set has functional groups, ``frame`` says whose groups count (PS3.3 section C.7.6.16.2).
"""

from __future__ import annotations

import math

import numpy as np

from dicomwire.dataset.pydicom import as_data_set
from dicomwire.errors import PixelError
from dicomwire.pixel.lookup import LookupTable, read_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet

    Array = NDArray[Any]
    Transform = Callable[[Array], Array]

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def functional_group(data_set: DataSet, frame: int, keyword: str) -> DataSet | None:
    """The item of a functional group's sequence that counts for a frame, counted from 0; None if there is none."""
    per_frame = data_set.get("PerFrameFunctionalGroupsSequence")
    groups = []
    if per_frame is not None:
        # With fewer items than frames what is shared may tell.
        groups += per_frame[frame : frame + 1]  # type: ignore[index]
    shared = data_set.get("SharedFunctionalGroupsSequence")
    if shared:
        groups.append(shared[0])  # type: ignore[index]
    for group in groups:
        sequence = group.get(keyword)
        if sequence:
            found: DataSet = sequence[0]
            return found
    return None


def _number(data_set: DataSet, keyword: str) -> float | None:
    value = data_set.get(keyword)
    if value is None or value == "":
        return None
    if isinstance(value, list):
        value = value[0]
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise PixelError(f"{keyword} is no finite number; PS3.3 C.11.1.1.2")
    return float(value)


class Modality:
    """The modality transformation of a frame: a table, or slope and intercept."""

    __slots__ = ("intercept", "slope", "table")

    def __init__(self, data_set: DataSet, frame: int = 0, *, is_signed: bool = False) -> None:
        self.table: LookupTable | None = None
        self.slope, self.intercept = 1.0, 0.0
        sequence = data_set.get("ModalityLUTSequence")
        if sequence:
            self.table = read_table(sequence[0], is_signed=is_signed)  # type: ignore[index]
            return
        source = functional_group(data_set, frame, "PixelValueTransformationSequence") or data_set
        slope, intercept = _number(source, "RescaleSlope"), _number(source, "RescaleIntercept")
        if slope == 0:
            raise PixelError("Rescale Slope is 0; PS3.3 C.11.1.1.2")
        self.slope = 1.0 if slope is None else slope
        self.intercept = 0.0 if intercept is None else intercept

    @property
    def is_identity(self) -> bool:
        return self.table is None and self.slope == 1 and self.intercept == 0

    def __call__(self, array: Array) -> Array:
        if self.table is not None:
            return self.table(array)
        if array.dtype.kind in "iu" and array.dtype.itemsize <= 2 and self._is_integral():
            # At most 65535 * 32767 and 2**30 on top: an int32 holds it.
            result = array.astype(np.int32)
            if self.slope != 1:
                result *= int(self.slope)
            if self.intercept:
                result += int(self.intercept)
            return result
        return array * self.slope + self.intercept

    def _is_integral(self) -> bool:
        return (
            self.slope.is_integer() and self.intercept.is_integer()
            and abs(self.slope) < 16384 and abs(self.intercept) < 1 << 30
        )  # fmt: skip


def apply_modality_lut(array: Array, data_set: DataSet, *, frame: int | None = None) -> Array:
    """Values in the unit of the modality, as Hounsfield units: a table's uint16, else stored * slope + intercept.

    int32 where slope and intercept are whole numbers, else float64.  frame: whose functional groups count; None: an
    array of all frames, each by its own.  PS3.3 section C.11.1.
    """
    data_set = as_data_set(data_set)
    is_signed = array.dtype.kind == "i"
    count = data_set.get("NumberOfFrames")
    if frame is None and "PerFrameFunctionalGroupsSequence" in data_set and isinstance(count, int) and count > 1:
        if len(array) != count:
            raise ValueError(f"{len(array)} frames of {count}: say frame= for one")
        found = [Modality(data_set, number, is_signed=is_signed) for number in range(count)]
        facts = {(each.slope, each.intercept) for each in found}
        if len(facts) > 1 and found[0].table is None:
            parts = [modality(each) for modality, each in zip(found, array, strict=True)]
            return np.stack(parts)
        return found[0](array)
    return Modality(data_set, frame or 0, is_signed=is_signed)(array)


class Window:
    """A VOI window: Window Center, Window Width, and VOI LUT Function (PS3.3 section C.11.2.1.2)."""

    __slots__ = ("centre", "function", "width")

    def __init__(self, centre: float, width: float, function: str = "LINEAR") -> None:
        if function not in FUNCTIONS:
            raise PixelError("a VOI LUT Function that the standard does not have; PS3.3 C.11.2.1.3")
        least = 1 if function == "LINEAR" else 0
        if not math.isfinite(centre) or not math.isfinite(width) or width < least or width == 0:
            raise PixelError(
                f"a window of width {width}: expected {'1 or more' if least else 'more than 0'}; PS3.3 C.11.2.1.2"
            )
        self.centre, self.width, self.function = centre, width, function

    def __call__(self, array: Array, most: float) -> Array:
        """Values from 0 to ``most`` as float64."""
        x = array.astype(np.float64)
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                result: Array = most / (1 + np.exp(-4 * (x - self.centre) / self.width))
            return result
        centre, width = self.centre, self.width
        if self.function == "LINEAR":
            centre, width = centre - 0.5, width - 1
            if width == 0:
                return np.where(x > centre, most, 0.0)
        x -= centre
        x /= width
        x += 0.5
        x *= most
        return np.clip(x, 0, most, out=x)


def windows(data_set: DataSet, frame: int = 0) -> list[Window]:
    """The windows of a frame, in their order; PixelError where their numbers make none."""
    source = functional_group(data_set, frame, "FrameVOILUTSequence") or data_set
    centres, widths = source.get("WindowCenter"), source.get("WindowWidth")
    if centres is None or widths is None or centres == "" or widths == "":
        return []
    centres = centres if isinstance(centres, list) else [centres]
    widths = widths if isinstance(widths, list) else [widths]
    function = source.get("VOILUTFunction") or "LINEAR"
    if not all(isinstance(number, (int, float)) for number in (*centres, *widths)):
        raise PixelError("Window Center or Window Width is no number; PS3.3 C.11.2.1.2")
    return [Window(float(c), float(w), str(function)) for c, w in zip(centres, widths, strict=False)]


def voi(data_set: DataSet, frame: int = 0, index: int = 0, *, is_signed: bool = False) -> Window | LookupTable | None:
    """The VOI transformation number ``index`` of a frame: tables come first, then windows; None where there are none.

    IndexError for a number beyond the last.
    """
    sequence = data_set.get("VOILUTSequence")
    tables = len(sequence) if sequence else 0  # type: ignore[arg-type]
    if index < tables:
        return read_table(sequence[index], is_signed=is_signed)  # type: ignore[index]
    found = windows(data_set, frame)
    if not found and not tables and index == 0:
        return None
    if index - tables >= len(found):
        raise IndexError(f"VOI {index}: there are {tables + len(found)}")
    return found[index - tables]


def apply_voi_lut(
    array: Array,
    data_set: DataSet,
    *,
    index: int = 0,
    frame: int = 0,
    window: tuple[float, float] | Window | None = None,
    bits: int = 8,
) -> Array:
    """Grey levels from 0 to 2**bits - 1, uint8 or uint16, of values that the modality transformation has given.

    index: which of the data set's VOI LUTs and windows, tables first; window: (centre, width) or a Window in their
        place.
    Without any of them the values from the least to the greatest are spread out.  PS3.3 section C.11.2.
    """
    chosen: Window | LookupTable | None
    if window is None:
        chosen = voi(as_data_set(data_set), frame, index, is_signed=array.dtype.kind != "u")
    else:
        chosen = window if isinstance(window, Window) else Window(*window)
    return levels(array, chosen, bits)


def levels(array: Array, chosen: Window | LookupTable | None, bits: int) -> Array:
    """Grey levels of values by a window, a table, or from the least to the greatest."""
    if not 1 <= bits <= 16:
        raise ValueError(f"bits={bits}: expected 1 to 16")
    most = (1 << bits) - 1
    if isinstance(chosen, LookupTable):
        result = chosen(array) * (most / ((1 << chosen.bits) - 1))
    elif chosen is not None:
        result = chosen(array, most)
    else:
        result = _spread(array, most)
    return np.floor(np.clip(result, 0, most) + 0.5).astype(np.uint8 if bits <= 8 else np.uint16)


def _spread(array: Array, most: float) -> Array:
    values = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if not values.size:
        return np.zeros(array.shape)
    low, high = float(values.min()), float(values.max())
    if high == low:
        return np.full(array.shape, most / 2 if low else 0.0)
    return np.nan_to_num((array.astype(np.float64) - low) / (high - low) * most)


def padding(array: Array, data_set: DataSet) -> NDArray[np.bool_] | None:
    """Where stored values are Pixel Padding Value, or in its range; None where the data set has none.

    PS3.3 section C.7.5.1.1.2.
    """
    low = _padding_value(data_set, "PixelPaddingValue", array)
    if low is None:
        return None
    high = _padding_value(data_set, "PixelPaddingRangeLimit", array)
    if high is None:
        high = low
    found: NDArray[np.bool_] = (array >= min(low, high)) & (array <= max(low, high))
    return found


def _padding_value(data_set: DataSet, keyword: str, array: Array) -> float | None:
    for name in (keyword, f"Float{keyword}", f"DoubleFloat{keyword}"):
        value = _number(data_set, name)
        if value is not None:
            # US or SS by a guess of whoever wrote it: the bits count.
            if array.dtype.kind == "i" and array.dtype.itemsize == 2 and value > 32767:
                return value - 65536
            if array.dtype.kind == "u" and value < 0:
                return value + 65536
            return value
    return None
