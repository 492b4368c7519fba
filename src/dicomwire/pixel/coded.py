"""Codestreams to arrays: the codec's answer made what the data set describes.

The header of a codestream is read before anything is decoded (PS3.5 section A.4): another size, other samples or more
bits than there is room for are errors, other numbers of bits and signs are deviations.
"""

from __future__ import annotations

import numpy as np

from _dicomwire.unpack import words_are_clean
from dicomwire.errors import Deviation, DicomWireError, PixelError
from dicomwire.pixel.codecs import codec_for
from dicomwire.pixel.codestreams import LAST_BYTES, ends_codestream
from dicomwire.pixel.colour import FULL, is_ybr, to_rgb
from dicomwire.pixel.description import INTEGERS
from dicomwire.pixel.headers import LOSSLESS, PROGRESSIVE, check_scans, read_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.dictionary.transfer_syntax import TransferSyntax
    from dicomwire.pixel.codecs import Codec
    from dicomwire.pixel.description import ImagePixel
    from dicomwire.pixel.headers import Codestream

    Array = NDArray[Any]
    Bytes = bytes | memoryview

_MOST_DEVIATIONS = 200


class Codestreams:
    """Decodes the codestreams of one transfer syntax, for one image.

    offset: of Pixel Data, for ``deviations``; is_strict: whether a deviation is an error.
    Raises UnsupportedError where nobody decodes them.
    """

    def __init__(self, syntax: TransferSyntax, image: ImagePixel, offset: int, *, is_strict: bool) -> None:
        self.codec = codec_for(syntax)
        self.deviations: list[Deviation] = []
        self._family = syntax.family
        self._image = image
        self._offset = offset
        self._is_strict = is_strict
        self._known: _Manner | None = None  # of the last header: that of the next frame is the same, as a rule

    def prepare(self, data: Bytes, number: int, raw: bool) -> _Manner:
        """How a frame is to be decoded; PixelError where its header does not fit the data set."""
        how = self._known
        if how is None or how.raw != raw or bytes(data[: len(how.beginning)]) != how.beginning:
            header = read_header(data)
            self._check(header, number)
            how = _Manner(header, self._image, self.codec, raw=raw)
            if header.stop:
                how.beginning = bytes(data[: header.stop])
                self._known = how
        return how

    def decode(self, data: Sequence[Bytes], target: Array, numbers: Sequence[int], raw: bool) -> None:
        """Fill ``target`` (frames, rows, columns[, samples]) with the stored values of frames.

        PixelError says which one cannot be decoded.
        numbers: of the frames; raw: words and colours as they are encoded.
        """
        codec, number = self.codec, numbers[0]
        ready = []
        try:
            # All looks at the codestreams first: after a call of the codec they would find the caches full of its data.
            for number, each, out in zip(numbers, data, target, strict=True):
                how = self.prepare(each, number, raw)
                self._look_at(each, how)
                direct = out.view(how.dtype) if how.dtype is not None else None
                ready.append((number, each[how.header.start :] if how.header.start else each, how, direct, out))
            for number, each, how, direct, out in ready:
                if codec.takes_out:
                    found = codec.decode(each, how.header, out=direct, **how.options)
                else:
                    found = codec.decode(each, how.header, **how.options)
                if how.is_unfinished or found is not direct:
                    self._finish(found, direct, out, how, number)
        except PixelError as error:
            if error.frame is None:
                error.frame = number
            raise
        except DicomWireError:
            raise
        except Exception as error:
            # Codecs raise what they like; their text is about the codestream.
            raise PixelError(
                f"{codec.name} cannot decode frame {number}: {type(error).__name__}: {error}", frame=number
            ) from error

    def _look_at(self, data: Bytes, how: _Manner) -> None:
        """Look at what is behind a header before anything is decoded."""
        if how.has_scans:
            check_scans(data)
        if how.has_end and not ends_codestream(data[-LAST_BYTES:]):
            self._note("a codestream has no end: what is missing, the codec makes up")

    def _finish(self, found: Array, direct: Array | None, out: Array, how: _Manner, number: int) -> None:
        """Make what a codec gave what the data set describes."""
        if found is not direct:
            self._put(found, out, number)
        bits = how.kept
        if not bits and (found.dtype.kind == "i") != self._image.signed:
            bits = how.precision
        if bits:
            self._mask(out, bits)
        if how.becomes_rgb:
            to_rgb(out.copy(), out.reshape(-1), self._image)

    def _check(self, header: Codestream, number: int) -> None:
        """Hold a codestream's header against the data set."""
        image = self._image
        expected = self._family
        if header.kind != expected and {header.kind, expected} != {"jpeg2000", "htj2k"}:
            raise PixelError(
                f"frame {number} is {header.kind}, the transfer syntax says {expected}; PS3.5 10", frame=number
            )
        if (header.rows, header.columns) != (image.rows, image.columns):
            raise PixelError(
                f"frame {number}: the codestream has {header.rows} x {header.columns} pixels, Rows and Columns are "
                f"{image.rows} x {image.columns}; PS3.5 8.2", frame=number,
            )  # fmt: skip
        if header.samples not in (0, image.samples):
            raise PixelError(
                f"frame {number}: the codestream has {header.samples} components, Samples per Pixel is "
                f"{image.samples}; "
                "PS3.5 8.2", frame=number,
            )  # fmt: skip
        if header.precision > 8 * image.word or image.allocated in (1, 12):
            raise PixelError(
                f"frame {number}: the codestream has {header.precision} bits, Bits Allocated is "
                f"{image.allocated}; PS3.5 8.2",
                frame=number,
            )
        if header.precision not in (0, image.stored):
            self._note(f"the codestream has {header.precision} bits, Bits Stored is {image.stored}")
        if header.signed is not None and header.signed != image.signed:
            self._note("the codestream and Pixel Representation differ in the sign: the latter counts")

    def _note(self, message: str) -> None:
        message = f"{message}; PS3.5 8.2"
        if self._is_strict:
            raise PixelError(message)
        deviation = Deviation("codestream", "PixelData", self._offset, message)
        if deviation not in self.deviations and len(self.deviations) < _MOST_DEVIATIONS:
            self.deviations.append(deviation)

    def _put(self, found: Array, out: Array, number: int) -> None:
        """Copy what a codec gave to where it belongs, bit for bit."""
        if found.shape != out.shape and found.shape != (*out.shape, 1):
            raise PixelError(f"frame {number}: a codec gave {found.shape}, expected {out.shape}", frame=number)
        if found.dtype.kind not in "iu" or found.dtype.itemsize > out.dtype.itemsize:
            raise PixelError(f"frame {number}: a codec gave {found.dtype}, expected {out.dtype}", frame=number)
        if found.dtype.kind != out.dtype.kind and found.dtype.itemsize < out.dtype.itemsize:
            out[...] = found.reshape(out.shape).astype(found.dtype.kind + str(out.dtype.itemsize)).view(out.dtype)
        elif found.dtype.kind != out.dtype.kind:
            out[...] = found.reshape(out.shape).view(out.dtype)
        else:
            out[...] = found.reshape(out.shape)

    def _mask(self, out: Array, bits: int) -> None:
        """Keep so many bits of each word, and make the sign of signed ones of the highest."""
        shift = 8 * out.dtype.itemsize - bits
        if shift > 0 and not words_are_clean(out, out.dtype.itemsize, up=shift, down=shift, signed=self._image.signed):
            np.left_shift(out, shift, out=out)
            np.right_shift(out, shift, out=out)


class _Manner:
    """How images with one header are decoded.

    beginning       the bytes that say the header, where it is known which
    raw             as in Codestreams.decode
    has_end         whether the codestream ends with a marker; has_scans: whether they must be counted
    options         what the codec is given, beside ``out``
    dtype           of the words that the codec can put into the array itself: those of the array, but for the sign;
                    None where the codestream has another number of bytes a sample
    precision       bits that the codec gives; kept: how many of them are kept, 0 for all
    becomes_rgb     whether Y, CB, CR are what the codec gives, and not what is wanted
    is_unfinished   whether anything is to be done with what the codec has put into the array itself
    """

    __slots__ = (
        "becomes_rgb", "beginning", "dtype", "has_end", "has_scans", "header", "is_unfinished", "kept", "options",
        "precision", "raw",
    )  # fmt: skip

    def __init__(self, header: Codestream, image: ImagePixel, codec: Codec, *, raw: bool) -> None:
        self.header = header
        self.raw = raw
        self.beginning = b""
        is_jpeg = header.kind == "jpeg"
        self.has_end = header.kind != "jpeg-xl"
        self.has_scans = header.process in PROGRESSIVE or (is_jpeg and header.samples > 1)
        is_coded_ybr = jpeg_is_ybr(header, image) if is_jpeg and image.samples == 3 else is_ybr(image)
        # Decoders of lossless JPEG have no conversion in them.
        converts = codec.converts_colour and header.process != LOSSLESS
        self.options: dict[str, Any] = {}
        if codec.converts_colour:
            self.options = {"ybr": is_coded_ybr and converts, "rgb": not raw}
        self.becomes_rgb = is_coded_ybr and not raw and not converts and image.samples == 3
        self.precision = header.precision or image.stored
        self.kept = image.stored if header.precision == 0 or header.precision > image.stored else 0
        size = 1 if header.precision <= 8 else 2 if header.precision <= 16 else 4
        self.dtype: np.dtype[Any] | None = None
        if codec.takes_out and header.precision and size == image.word:
            self.dtype = INTEGERS[size, bool(header.signed)]
        self.is_unfinished = bool(self.kept) or self.becomes_rgb or bool(header.signed) != image.signed


def jpeg_is_ybr(header: Codestream, image: ImagePixel) -> bool:
    """Whether the components are Y, CB, CR: the codestream's own word counts, then Photometric Interpretation."""
    if header.component_ids in (b"RGB", b"rgb"):
        return False
    if header.is_jfif:
        return True
    if header.adobe_transform is not None:
        return header.adobe_transform == 1
    return image.photometric in FULL or is_ybr(image)
