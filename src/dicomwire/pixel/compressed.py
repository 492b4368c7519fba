"""Frames of encapsulated pixel data to arrays: the codec's answer made what the data set describes.

The header of a codestream is read before anything is decoded (PS3.5 section A.4): another size, other samples or more
bits than there is room for are errors, other numbers of bits and signs are deviations.
"""

from __future__ import annotations

import zlib

import numpy as np

from _dicomwire.unpack import words_are_clean
from dicomwire.dictionary.transfer_syntax import transfer_syntax as find_transfer_syntax
from dicomwire.errors import Deviation, DicomWireError, PixelError, UnsupportedError
from dicomwire.pixel.codecs import codec_for
from dicomwire.pixel.codestreams import LAST_BYTES, codestream_kind, ends_codestream
from dicomwire.pixel.colour import FULL, is_ybr, to_rgb
from dicomwire.pixel.headers import LOSSLESS, PROGRESSIVE, check_scans, read_header
from dicomwire.pixel.native import NativePixels
from dicomwire.pixel.rle import decode_frame
from dicomwire.pixel.threads import in_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from dicomwire.dictionary.transfer_syntax import TransferSyntax
    from dicomwire.pixel.codecs import Codec
    from dicomwire.pixel.description import ImagePixel
    from dicomwire.pixel.frames import FrameReader, RawFrame
    from dicomwire.pixel.headers import Codestream

    Array = NDArray[Any]
    Bytes = bytes | memoryview

# An array of more bytes than the first, and of more than so many times the encoded ones, is no image but a bomb.
_LARGE = 1 << 30
_MOST_EXPANSION = 4000
_MOST_DEVIATIONS = 200

# What begins like this in a data set without a transfer syntax, as an item, is decoded so.
_SYNTAX_OF_KIND = {
    "jpeg": "1.2.840.10008.1.2.4.50",
    "jpeg2000": "1.2.840.10008.1.2.4.91",
    "jpeg-xl": "1.2.840.10008.1.2.4.112",
    "rle": "1.2.840.10008.1.2.5",
}


class CompressedFrames:
    """Decodes the frames of a reader whose pixel data are fragments.

    Raises UnsupportedError where nobody decodes the transfer syntax.
    """

    def __init__(self, encoded: FrameReader, image: ImagePixel, *, policy: str) -> None:
        self._encoded = encoded
        self._image = image
        self._is_strict = policy == "strict"
        self._syntax = self._transfer_syntax()
        self._codec: Codec | None = None
        self.deviations: list[Deviation] = []
        family = self._syntax.family
        self._decode: Callable[[Bytes, Array, int, bool], None]
        if family == "rle":
            self._decode = self._rle
        elif family == "uncompressed":
            self._decode = self._native
        elif family == "deflate":
            self._decode = self._deflated
        else:
            self._codec = codec_for(self._syntax)
            self._decode = self._coded

    def _transfer_syntax(self) -> TransferSyntax:
        uid = self._encoded.transfer_syntax
        known = find_transfer_syntax(uid) if uid else None
        if known is not None and known.encapsulated:
            return known
        first = bytes(self._frame(0).fragments[0][:12]) if len(self._encoded) else b""
        guessed = find_transfer_syntax(_SYNTAX_OF_KIND.get(codestream_kind(first) or "", ""))
        if guessed is None:
            raise UnsupportedError(
                "encapsulated pixel data of an unknown transfer syntax; PS3.5 A.4", what="transfer syntax"
            )
        return guessed

    def _frame(self, number: int) -> RawFrame:
        """A frame as it is encoded; PixelError where an offset table has promised more frames than there are."""
        try:
            return self._encoded[number]
        except IndexError as error:
            raise PixelError(f"{error}; PS3.5 A.4", frame=number) from None

    def view(self, numbers: Sequence[int], *, raw: bool, fill: int | None) -> Array | None:
        """None: there is nothing to view.  Raises PixelError for what must not be allocated."""
        image = self._image
        if not len(numbers):
            return None
        if self._codec is not None and numbers[0] < len(self._encoded):
            self._check(read_header(_joined(self._frame(numbers[0]))), numbers[0])
        size = len(numbers) * image.frame_bytes
        if size > _LARGE:
            held = len(self._encoded)
            length = sum(self._frame(number).length for number in numbers if number < held)
            if size > _MOST_EXPANSION * length:
                raise PixelError(f"{length} encoded bytes are said to make {size}: refused; PS3.5 A.4")
        return None

    def fill(self, numbers: Sequence[int], target: Array, *, raw: bool, threads: int, fill: int | None) -> None:
        """Decode frames into ``target`` (frames, rows, columns[, samples])."""
        held = len(self._encoded)
        wanted = []
        for place, number in enumerate(numbers):
            if number >= held:
                target[place] = fill
            else:
                wanted.append((target[place], number, self._frame(number) if threads > 1 else None))

        def work(out: Array, number: int, frame: Any) -> None:
            # Readers belong to one thread; what several decode was looked for before.
            data = _joined(self._frame(number) if frame is None else frame)
            try:
                self._decode(data, out, number, raw)
            except PixelError as error:
                if error.frame is None:
                    error.frame = number
                raise
            except DicomWireError:
                raise
            except Exception as error:
                # Codecs raise what they like; their text is about the codestream.
                name = self._codec.name if self._codec is not None else self._syntax.family
                raise PixelError(
                    f"{name} cannot decode frame {number}: {type(error).__name__}: {error}", frame=number
                ) from error

        in_threads(wanted, work, threads)

    # ------------------------------------------------------------------------------------------------ no codestreams

    def _rle(self, data: Bytes, out: Array, number: int, raw: bool) -> None:
        image = self._image
        decode_frame(data, out, image, raw=raw)
        if is_ybr(image) and not raw:
            to_rgb(out.copy(), out.reshape(-1), image)

    def _native(self, data: Bytes, out: Array, number: int, raw: bool) -> None:
        image = self._image
        bits = image.rows * image.columns * image.samples * image.allocated
        if image.is_subsampled and len(data) * 8 < bits:
            bits = bits * 2 // 3
        if len(data) * 8 < bits:
            raise PixelError(
                f"frame {number} needs {-(-bits // 8)} bytes, {len(data)} are there; PS3.5 A.4", frame=number
            )
        pixels = NativePixels(
            image, lambda offset, length: memoryview(data)[offset : offset + length], len(data), bits,
            big_endian=False, is_words=False,
        )  # fmt: skip
        pixels.unpack(0, out[np.newaxis], raw=raw)

    def _deflated(self, data: Bytes, out: Array, number: int, raw: bool) -> None:
        image = self._image
        most = -(-image.rows * image.columns * image.samples * image.allocated // 8)
        self._native(inflate(data, most), out, number, raw)

    # --------------------------------------------------------------------------------------------------- codestreams

    def _check(self, header: Codestream, number: int) -> None:
        """Hold a codestream's header against the data set."""
        image = self._image
        expected = self._syntax.family
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
        deviation = Deviation("codestream", "PixelData", self._encoded.element.offset, message)
        if deviation not in self.deviations and len(self.deviations) < _MOST_DEVIATIONS:
            self.deviations.append(deviation)

    def _coded(self, data: Bytes, out: Array, number: int, raw: bool) -> None:
        image, codec = self._image, self._codec
        assert codec is not None
        header = read_header(data)
        self._check(header, number)
        if header.process in PROGRESSIVE or (header.kind == "jpeg" and header.samples > 1):
            check_scans(data)
        if header.kind != "jpeg-xl" and not ends_codestream(data[-LAST_BYTES:]):
            self._note("a codestream has no end: what is missing, the codec makes up")
        if header.start:
            data = data[header.start :]
        options: dict[str, Any] = {}
        is_coded_ybr = is_ybr(image)
        if header.kind == "jpeg" and image.samples == 3:
            is_coded_ybr = jpeg_is_ybr(header, image)
        # Decoders of lossless JPEG have no conversion in them.
        converts = codec.converts_colour and header.process != LOSSLESS
        if codec.converts_colour:
            options["ybr"], options["rgb"] = is_coded_ybr and converts, not raw
        # The codec's words are those of the array, but for the sign, where the codestream has as many bytes a sample.
        direct = None
        if codec.takes_out:
            direct = _as_coded(out, header)
            options["out"] = direct
        found = codec.decode(data, header, **options)
        if found is not direct:
            self._put(found, out, number)
        precision = header.precision or image.stored
        is_signed = found.dtype.kind == "i"
        if is_signed != image.signed:
            self._mask(out, precision)
        if precision > image.stored or header.precision == 0:
            self._mask(out, image.stored)
        if is_coded_ybr and not raw and not converts and image.samples == 3:
            to_rgb(out.copy(), out.reshape(-1), image)

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


def _as_coded(out: Array, header: Codestream) -> Array | None:
    """``out`` as an array of the type that decoders make of a codestream; None where that is another size."""
    size = 1 if header.precision <= 8 else 2 if header.precision <= 16 else 4
    if header.precision == 0 or size != out.dtype.itemsize:
        return None
    return out.view(np.dtype(f"{'i' if header.signed else 'u'}{size}"))


def _joined(frame: RawFrame) -> Bytes:
    """The bytes of a frame: a view of the source where it is one fragment."""
    fragments = frame.fragments
    return fragments[0] if len(fragments) == 1 else b"".join(fragments)


def jpeg_is_ybr(header: Codestream, image: ImagePixel) -> bool:
    """Whether the components are Y, CB, CR: the codestream's own word counts, then Photometric Interpretation."""
    if header.component_ids in (b"RGB", b"rgb"):
        return False
    if header.is_jfif:
        return True
    if header.adobe_transform is not None:
        return header.adobe_transform == 1
    return image.photometric in FULL or is_ybr(image)


def inflate(data: Bytes, most: int) -> bytes:
    """At most so many bytes of a raw deflate stream; PixelError where it is damaged.

    By ISA-L, which the extra ``inflate`` installs, else by zlib, which takes twice as long.
    """
    library: Any = zlib
    try:
        from isal import isal_zlib

        library = isal_zlib
    except ImportError:
        pass  # zlib does as well
    try:
        return bytes(library.decompressobj(-zlib.MAX_WBITS).decompress(data, most))
    except library.error as error:
        raise PixelError(f"a deflated frame is damaged: {error}; PS3.5 A.4.13") from None
