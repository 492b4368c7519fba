"""Who encodes frames: RLE and deflate by ourselves, the rest by what the extra ``codecs`` installs (PS3.5 section 8.2).

An Encoder knows which images its transfer syntax takes, and what becomes of their attributes; no frame is encoded that
it has not said yes to.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from dicomwire.errors import UnsupportedError
from dicomwire.pixel.codecs import EXTRA
from dicomwire.pixel.rle import encode_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.dictionary.transfer_syntax import TransferSyntax
    from dicomwire.pixel.description import ImagePixel

    Array = NDArray[Any]
    Encode = Callable[[Array], bytes]

# What a lossy method is called (PS3.3 section C.7.6.1.1.5.1).
_METHODS = {
    "jpeg": "ISO_10918_1", "jpeg-ls": "ISO_14495_1", "jpeg2000": "ISO_15444_1", "htj2k": "ISO_15444_15",
    "jpeg-xl": "ISO_18181_1",
}  # fmt: skip
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_BASELINE, _EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
_PROCESS_14, _FIRST_ORDER = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
_NEAR = "1.2.840.10008.1.2.4.81"
_J2K = "1.2.840.10008.1.2.4.91"
_RECOMPRESSION, _JPEG_XL = "1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.112"
_RPCL, _HTJ2K = "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"
_PART_2 = ("1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93")

# The option of each lossy transfer syntax: its name, what it is by default, the least and the most.
_OPTIONS: dict[str, tuple[str, float, float, float]] = {
    _BASELINE: ("quality", 90, 1, 100),
    _EXTENDED: ("quality", 90, 1, 100),
    _NEAR: ("near", 2, 0, 255),
    _J2K: ("psnr", 60, 1, 200),
    _HTJ2K: ("step", 1 / 512, 1e-7, 0.5),
    _JPEG_XL: ("distance", 1.0, 0, 25),
}


class Encoder:
    """How images of one description become frames of one transfer syntax.

    encode          a frame (rows, columns[, samples]) of stored values to bytes; called from several threads
    allocated, stored       Bits Allocated and Bits Stored of what is encoded
    photometric     Photometric Interpretation of what is encoded
    method          Lossy Image Compression Method, or None where values come back as they were
    """

    __slots__ = ("allocated", "encode", "method", "photometric", "stored")

    def __init__(self, image: ImagePixel, photometric: str, encode: Encode, *, stored: int | None = None) -> None:
        self.encode = encode
        self.photometric = photometric
        self.method: str | None = None
        self.allocated = 16 if image.allocated == 12 else image.allocated
        self.stored = stored or image.stored
        if stored is not None:
            self.allocated = 8 if stored <= 8 else 16


def encoder_for(
    syntax: TransferSyntax, image: ImagePixel, photometric: str, options: dict[str, float | None]
) -> Encoder:
    """The encoder of a transfer syntax for an image whose samples are in a colour space.

    UnsupportedError for what nobody encodes here; ValueError for options that are not those of the transfer syntax.
    """
    value = _option(syntax, options)
    make = _MAKERS.get(syntax.family)
    if make is None or str(syntax.uid) in (_RECOMPRESSION, *_PART_2) or (syntax.family == "jpeg" and syntax.retired):
        raise UnsupportedError(f"nothing encodes {syntax.name} here", what=syntax.family)
    try:
        found = make(syntax, image, photometric, value)
    except ImportError:
        raise UnsupportedError(
            f"to encode {syntax.name} needs a codec: pip install dicomwire[{EXTRA}]", what=syntax.family, extra=EXTRA
        ) from None
    if str(syntax.uid) in _OPTIONS and value > 0:
        if photometric == "PALETTE COLOR":
            raise _refused(syntax, "indices of a palette", "values that may change")
        found.method = _METHODS[syntax.family]
    return found


def native_bytes(frames: Array, image: ImagePixel) -> bytes:
    """Stored values as native pixel data in little endian, of one bit each where Bits Allocated is 1."""
    if image.allocated == 1:
        return np.packbits(frames.reshape(-1), bitorder="little").tobytes()
    return frames.astype(frames.dtype.newbyteorder("<"), copy=False).tobytes()


def _option(syntax: TransferSyntax, options: dict[str, float | None]) -> float:
    """The value of the transfer syntax's own option, 0 where it has none."""
    name, value, least, most = _OPTIONS.get(str(syntax.uid), ("", 0.0, 0.0, 0.0))
    for given, number in options.items():
        if number is None:
            continue
        if given != name:
            raise ValueError(f"{given}: {syntax.name} has {f'{name} for it' if name else 'no such option'}")
        if not least <= number <= most:
            raise ValueError(f"{given}={number}: expected {least} to {most}")
        value = number
    return value


def _refused(syntax: TransferSyntax, found: str, expected: str) -> UnsupportedError:
    return UnsupportedError(f"{syntax.name} of {found}: expected {expected}; PS3.5 8.2", what=syntax.family)


def _codestream_bits(syntax: TransferSyntax, image: ImagePixel, *, most: int = 16, signed: bool = True) -> None:
    """UnsupportedError for images that no codestream of this kind holds."""
    if image.samples not in (1, 3):
        raise _refused(syntax, f"{image.samples} samples a pixel", "1 or 3")
    if image.allocated == 1 or not 2 <= image.stored <= most:
        raise _refused(syntax, f"{image.stored} Bits Stored of {image.allocated}", f"2 to {most}, none of 1 allocated")
    if image.signed and not signed:
        raise _refused(syntax, "signed samples", "unsigned ones")


def _words(frame: Array, stored: int) -> Array:
    """Unsigned words of so many bits that hold stored values: of signed ones the bits, without those of the sign."""
    if frame.dtype.kind == "i":
        unsigned = frame.view(np.dtype(f"u{frame.dtype.itemsize}"))
        if stored < 8 * frame.dtype.itemsize:
            unsigned = unsigned & unsigned.dtype.type((1 << stored) - 1)
        frame = unsigned
    return np.ascontiguousarray(frame, dtype=np.uint8 if stored <= 8 else np.uint16)


def _signed_words(frame: Array, image: ImagePixel) -> Array:
    kind = "i" if image.signed else "u"
    return np.ascontiguousarray(frame, dtype=np.dtype(f"{kind}{1 if image.stored <= 8 else 2}"))


# ------------------------------------------------------------------------------------------------------ our own


def _rle(syntax: TransferSyntax, image: ImagePixel, photometric: str, value: float) -> Encoder:
    if image.allocated in (1, 12) or image.samples * image.word > 15:
        raise _refused(syntax, f"{image.samples} samples of {image.allocated} bits", "whole bytes, at most 15 a pixel")
    return Encoder(image, photometric, lambda frame: encode_frame(np.ascontiguousarray(frame)))


def _deflate(syntax: TransferSyntax, image: ImagePixel, photometric: str, value: float) -> Encoder:
    def encode(frame: Array) -> bytes:
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        return packer.compress(native_bytes(frame, image)) + packer.flush()

    return Encoder(image, photometric, encode)


def _uncompressed(syntax: TransferSyntax, image: ImagePixel, photometric: str, value: float) -> Encoder:
    return Encoder(image, photometric, lambda frame: native_bytes(frame, image))


# ------------------------------------------------------------------------------------------------------ imagecodecs


def _jpeg(syntax: TransferSyntax, image: ImagePixel, photometric: str, value: float) -> Encoder:
    from imagecodecs import jpeg8_encode

    is_colour, is_ybr = image.samples == 3, photometric.startswith("YBR")
    if str(syntax.uid) in (_PROCESS_14, _FIRST_ORDER):
        _codestream_bits(syntax, image)
        # As "ycbcr" libjpeg-turbo 3.1 takes tables of chrominance, and flat stretches come back changed.
        space = ("unknown" if is_ybr else "rgb") if is_colour else None
        sampling = "444" if is_colour else None

        def encode_lossless(frame: Array) -> bytes:
            return bytes(
                jpeg8_encode(
                    _words(frame, image.stored), lossless=True, predictor=1, bitspersample=image.stored,
                    colorspace=space, outcolorspace=space, subsampling=sampling,
                )
            )  # fmt: skip

        return Encoder(image, photometric, encode_lossless, stored=image.stored)
    is_extended = str(syntax.uid) == _EXTENDED
    _codestream_bits(syntax, image, most=12 if is_extended else 8, signed=False)
    stored = 8 if image.stored <= 8 else 12
    if stored == 12 and is_colour:
        raise _refused(syntax, "colours of 12 bits", "grey levels")

    def encode(frame: Array) -> bytes:
        words = _words(frame, stored)
        if is_colour:
            return bytes(
                jpeg8_encode(
                    words, int(value), colorspace="ycbcr" if is_ybr else "rgb", outcolorspace="ycbcr", subsampling="422"
                )
            )
        return bytes(jpeg8_encode(words, int(value), bitspersample=stored))

    return Encoder(image, "YBR_FULL_422" if is_colour else photometric, encode, stored=stored)


def _jpeg_ls(syntax: TransferSyntax, image: ImagePixel, photometric: str, value: float) -> Encoder:
    from imagecodecs import jpegls_encode

    near = int(value)
    _codestream_bits(syntax, image, signed=near == 0)
    if image.stored in (8, 16):
        return Encoder(
            image, photometric, lambda frame: bytes(jpegls_encode(_words(frame, image.stored), near)),
            stored=image.stored,
        )  # fmt: skip
    # imagecodecs writes 8 or 16 bits alone, and the codestream must have as many as Bits Stored says.
    from jpeg_ls import encode_pixel_data

    def encode(frame: Array) -> bytes:
        words = _words(frame, image.stored)
        return bytes(
            encode_pixel_data(
                words.astype(words.dtype.newbyteorder("<"), copy=False).tobytes(), near, rows=image.rows,
                columns=image.columns, samples_per_pixel=image.samples, bits_stored=image.stored,
                planar_configuration=0,
            )
        )  # fmt: skip

    return Encoder(image, photometric, encode, stored=image.stored)


def _jpeg2000(syntax: TransferSyntax, image: ImagePixel, photometric: str, value: float) -> Encoder:
    from imagecodecs import jpeg2k_encode

    _codestream_bits(syntax, image)
    is_lossless = value == 0
    mixes = image.samples == 3 and photometric == "RGB"
    # As many as leave a pixel at the lowest one.
    resolutions = max(1, min(6, int(math.log2(min(image.rows, image.columns))) + 1))
    level: Any = None if is_lossless else value  # a float also does, whatever the stub says

    def encode(frame: Array) -> bytes:
        return bytes(
            jpeg2k_encode(
                _signed_words(frame, image), level, codecformat="j2k", reversible=is_lossless,
                bitspersample=image.stored, mct=mixes, resolutions=resolutions, numthreads=1,
            )
        )  # fmt: skip

    return Encoder(image, _mixed(photometric, mixes, is_lossless), encode, stored=image.stored)


def _htj2k(syntax: TransferSyntax, image: ImagePixel, photometric: str, value: float) -> Encoder:
    from imagecodecs import htj2k_encode

    _codestream_bits(syntax, image)
    is_lossless = value == 0
    mixes = image.samples == 3 and photometric == "RGB"
    word = 8 if image.stored <= 8 else 16
    if not is_lossless and image.stored != word:
        raise _refused(syntax, f"{image.stored} Bits Stored", "8 or 16 where values may change")
    # Levels of decomposition that leave at most 64 pixels at the lowest resolution (PS3.5 section 10.18).
    levels = max(5, math.ceil(math.log2(max(image.rows, image.columns) / 64)))

    def encode(frame: Array) -> bytes:
        words = _signed_words(frame, image)
        if not image.signed and image.stored < word:
            words = words + words.dtype.type((1 << word - 1) - (1 << image.stored - 1))
        options: dict[str, Any] = {} if is_lossless else {"level": value}
        coded = bytes(htj2k_encode(words, reversible=is_lossless, rgb=mixes, tlm=True, resolutions=levels, **options))
        return coded if image.stored == word else _with_precision(coded, image)

    return Encoder(image, _mixed(photometric, mixes, is_lossless), encode, stored=image.stored)


def _with_precision(coded: bytes, image: ImagePixel) -> bytes:
    """A reversible codestream of 8 or 16 bits as one of fewer.

    The encoder knows whole bytes alone.  The level shift, half of the range, is all of the coding that depends on the
    number of bits (ISO/IEC 15444-1 section G.1): it was made up for, and the SIZ segment, first of all, says the rest.
    """
    patched = bytearray(coded)
    for component in range(image.samples):
        patched[4 + 38 + 3 * component] = image.stored - 1 | (0x80 if image.signed else 0)
    return bytes(patched)


def _mixed(photometric: str, mixes: bool, is_lossless: bool) -> str:
    """Photometric Interpretation behind the multiple component transformation (PS3.5 section 8.2.4)."""
    if not mixes:
        return photometric
    return "YBR_RCT" if is_lossless else "YBR_ICT"


def _jpeg_xl(syntax: TransferSyntax, image: ImagePixel, photometric: str, value: float) -> Encoder:
    from imagecodecs import jpegxl_encode

    _codestream_bits(syntax, image, signed=False)
    if photometric.startswith("YBR"):
        raise _refused(syntax, photometric, "RGB")
    how: dict[str, Any] = {"distance": float(value)} if value > 0 else {"lossless": True}

    def encode(frame: Array) -> bytes:
        return bytes(
            jpegxl_encode(
                _words(frame, image.stored), bitspersample=image.stored, usecontainer=False, numthreads=1, **how
            )
        )

    return Encoder(image, "XYB" if value > 0 and image.samples == 3 else photometric, encode, stored=image.stored)


_MAKERS: dict[str, Callable[[TransferSyntax, ImagePixel, str, float], Encoder]] = {
    "rle": _rle,
    "deflate": _deflate,
    "uncompressed": _uncompressed,
    "jpeg": _jpeg,
    "jpeg-ls": _jpeg_ls,
    "jpeg2000": _jpeg2000,
    "htj2k": _htj2k,
    "jpeg-xl": _jpeg_xl,
}
