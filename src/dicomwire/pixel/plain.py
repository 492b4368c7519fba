"""The common case told by a few attributes: native pixel data whose array is the bytes as they lie (PS3.5 8.1.1).

One slice of a series is read in less time than it takes to describe all that pixel data can be; whatever is not
plain, or is not as the standard wants it, goes the long way of dicomwire.pixel.arrays, with the same result.
"""

from __future__ import annotations

import numpy as np

from _dicomwire.ranges import ByteRanges
from _dicomwire.unpack import words_are_clean
from dicomwire.pixel.description import HOST_IS_BIG_ENDIAN, INTEGERS, PIXEL_DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from _dicomwire.dataset import DataSet

_LITTLE_ENDIAN = () if HOST_IS_BIG_ENDIAN else ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_TYPES = {(8 * word, int(signed)): dtype for (word, signed), dtype in INTEGERS.items()}
_MOST = 65535  # Rows, Columns


def plain_array(data_set: DataSet) -> NDArray[Any] | None:
    """All frames of a data set as a read-only view of its source, as ``ds.decode()`` has it; None for the long way.

    Raises DecodeError where the bytes cannot be read.
    """
    get: Any = data_set.get
    element = get(PIXEL_DATA)
    if element is None or element.offset <= 0 or data_set.transfer_syntax not in _LITTLE_ENDIAN:
        return None
    rows, columns, samples, frames = get("Rows"), get("Columns"), get("SamplesPerPixel"), get("NumberOfFrames", 1)
    allocated, stored, high = get("BitsAllocated"), get("BitsStored"), get("HighBit")
    for number in (rows, columns, samples, frames, allocated, stored, high):
        if type(number) is not int or number < 1:
            return None
    dtype = _TYPES.get((allocated, get("PixelRepresentation")))
    is_colour = samples == 3 and get("PhotometricInterpretation") == "RGB" and get("PlanarConfiguration") == 0
    if (
        dtype is None
        or not stored - 1 <= high < allocated
        or rows > _MOST
        or columns > _MOST
        or not (samples == 1 or is_colour)
    ):
        return None
    length = frames * rows * columns * samples * dtype.itemsize
    if not length <= element.length <= length + 1:
        return None
    data = ByteRanges(element).view(element.offset, length)
    if stored < allocated and not words_are_clean(
        data, dtype.itemsize, up=allocated - 1 - high, down=allocated - stored, signed=dtype.kind == "i"
    ):
        return None
    shape = (rows, columns) if samples == 1 else (rows, columns, samples)
    array = np.frombuffer(data, dtype).reshape(shape if frames == 1 else (frames, *shape))
    if not array.flags.aligned:
        return None
    array.flags.writeable = False
    return array
