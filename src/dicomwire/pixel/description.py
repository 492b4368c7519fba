"""What the Image Pixel module says of the pixel data, read strictly and checked (PS3.3 section C.7.6.3).

Sizes are Python integers and cannot overflow; whoever allocates compares them with the bytes that are there first.
"""

from __future__ import annotations

import sys

import numpy as np

from dicomwire.errors import Deviation, PixelError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _dicomwire.dataset import DataSet

FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA, PIXEL_DATA = 0x7FE00008, 0x7FE00009, 0x7FE00010
SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422")

# Bits Allocated: bytes of a sample in the array.  Twelve bits are packed, two samples in three bytes.
_WORD = {1: 1, 8: 1, 12: 2, 16: 2, 32: 4, 64: 8}
_MOST = 65535  # of what is US: Rows, Columns, Samples per Pixel; an UL in their place can hold more


class ImagePixel:
    """The attributes that describe native and decoded pixel data, and what follows from them.

    rows, columns, samples      of a frame; samples a pixel
    allocated, stored, high_bit     Bits Allocated, Bits Stored, High Bit
    signed                      Pixel Representation is 1
    planar                      Planar Configuration: 1 where each sample has a plane of its own
    photometric                 Photometric Interpretation, "" where it is missing
    dtype                       NumPy's type of the array, in the host's byte order
    up, down                    unused bits above the high bit, and all unused bits of a word
    shape                       (rows, columns) or (rows, columns, samples) of one frame
    deviations                  what was tolerated

    ``policy`` "strict" raises PixelError instead of tolerating.  Raises PixelError for attributes that describe no
    image, UnsupportedError for 24 bits and other numbers of bits that the standard does not have.
    """

    __slots__ = (
        "allocated", "columns", "deviations", "down", "dtype", "high_bit", "photometric", "planar", "rows", "samples",
        "shape", "signed", "stored", "up", "word",
    )  # fmt: skip

    def __init__(self, data_set: DataSet, tag: int = PIXEL_DATA, *, policy: str = "report") -> None:
        get = data_set.get
        self.deviations: list[Deviation] = []
        self.rows = _number(data_set, "Rows", get("Rows"), 1, _MOST)
        self.columns = _number(data_set, "Columns", get("Columns"), 1, _MOST)
        self.samples = _number(data_set, "SamplesPerPixel", get("SamplesPerPixel"), 1, _MOST, default=1)
        photometric = get("PhotometricInterpretation")
        self.photometric = photometric if isinstance(photometric, str) else ""
        self.planar = 0
        if self.samples > 1:
            self.planar = _number(data_set, "PlanarConfiguration", get("PlanarConfiguration"), 0, 1, default=0)
        self.shape: tuple[int, ...] = (self.rows, self.columns)
        if self.samples > 1:
            self.shape += (self.samples,)
        self.dtype: np.dtype[Any]
        if tag == PIXEL_DATA:
            self._integers(data_set, policy)
            return
        self.word = 4 if tag == FLOAT_PIXEL_DATA else 8
        self.allocated = self.stored = 8 * self.word
        self.high_bit, self.up, self.down, self.signed = self.stored - 1, 0, 0, True
        self.dtype = _FLOATS[self.word]

    def _integers(self, data_set: DataSet, policy: str) -> None:
        get = data_set.get
        allocated = self.allocated = _number(data_set, "BitsAllocated", get("BitsAllocated"), 1, _MOST)
        word = _WORD.get(allocated)
        if word is None:
            raise UnsupportedError(
                f"Bits Allocated is {allocated}: expected 1, 8, 12, 16, 32 or 64; PS3.5 8.1.1", what="BitsAllocated"
            )
        self.word = word
        stored, high = get("BitsStored"), get("HighBit")
        self.stored = _number(data_set, "BitsStored", stored, 1, _MOST, default=allocated)
        if self.stored > allocated:
            self._tolerate(
                data_set,
                "BitsStored",
                policy,
                f"Bits Stored is {stored}, Bits Allocated {allocated}: all allocated bits are taken",
            )
            self.stored = allocated
        self.high_bit = _number(data_set, "HighBit", high, 0, _MOST, default=self.stored - 1)
        if not self.stored - 1 <= self.high_bit < allocated:
            self._tolerate(
                data_set,
                "HighBit",
                policy,
                f"High Bit is {high} with {self.stored} Bits Stored of {allocated}: the low bits are taken",
            )
            self.high_bit = self.stored - 1
        self.signed = bool(_number(data_set, "PixelRepresentation", get("PixelRepresentation"), 0, 1, default=0))
        if allocated == 1:
            self.signed = False  # there is no sign in one bit
        if stored is None or high is None:
            self._tolerate(
                data_set, "BitsAllocated", policy, "Bits Stored or High Bit is missing: it follows from the other ones"
            )
        self.dtype = INTEGERS[word, self.signed]
        self.up = 8 * word - 1 - self.high_bit
        self.down = 8 * word - self.stored
        if allocated == 1:
            self.up = self.down = 0

    def _tolerate(self, data_set: DataSet, keyword: str, policy: str, message: str) -> None:
        offset = data_set[keyword].offset if keyword in data_set else 0
        message = f"{message}; PS3.3 C.7.6.3.1"
        if policy == "strict":
            raise PixelError(message, offset=offset)
        self.deviations.append(Deviation("image_pixel", keyword, offset, message))

    @property
    def pixels(self) -> int:
        """Samples of a frame, all of those of a pixel counted."""
        return self.rows * self.columns * self.samples

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame of the array."""
        return self.pixels * self.word

    @property
    def is_subsampled(self) -> bool:
        """Whether two pixels share their colour differences, as Photometric Interpretation has it."""
        return self.samples == 3 and self.photometric in SUBSAMPLED


_FLOATS: dict[int, np.dtype[Any]] = {4: np.dtype(np.float32), 8: np.dtype(np.float64)}
INTEGERS: dict[tuple[int, bool], np.dtype[Any]] = {
    (size, signed): np.dtype(f"{'i' if signed else 'u'}{size}") for size in (1, 2, 4, 8) for signed in (False, True)
}
HOST_IS_BIG_ENDIAN = sys.byteorder == "big"


def _number(
    data_set: DataSet, keyword: str, value: object, least: int, most: int, *, default: int | None = None
) -> int:
    """An attribute's value where it is a number from ``least`` to ``most``; PixelError else."""
    if type(value) is int and least <= value <= most:
        return value
    if value is None and default is not None:
        return default
    found = "is missing" if value is None else f"is no number from {least} to {most}"
    raise PixelError(
        f"{keyword} {found}; PS3.3 C.7.6.3", offset=data_set[keyword].offset if keyword in data_set else None
    )
