"""Any bytes have the header of a compressed image, whose numbers are bounded, or raise PixelError; so do RLE frames."""

import numpy as np

from dicomwire.errors import PixelError
from dicomwire.pixel.headers import read_header
from dicomwire.pixel.rle import decode_frames, encode_frame
from tests.fuzz.harness import Harness, exact


class Image:
    """As much of a description as RLE asks for."""

    samples, word, allocated, signed, up, down = 1, 2, 16, False, 0, 0


def run(data: bytes) -> None:
    """A codestream."""
    try:
        header = read_header(memoryview(exact(data)))  # type: ignore[arg-type]
        assert 0 <= header.rows < 1 << 32
        assert 0 <= header.samples < 1 << 16
        assert 0 <= header.precision <= 255
        assert 0 <= header.start < len(data)
    except PixelError:
        pass
    target = np.zeros((2, 6, 7), np.uint16)
    try:
        decode_frames([memoryview(exact(data))] * 2, target, Image())  # type: ignore[arg-type]
        assert np.array_equal(target[0], target[1])
    except PixelError:
        pass


J2K = (
    b"\xff\x4f\xff\x51\0\x29\0\0\0\0\0\x10\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0\0\0\0\0\0\0\1\7\1\1"
    b"\xff\x52\0\x0c\0\0\0\1\1\5\4\4\0\1\xff\x90"
)
JPEG = (
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\x0b\x08\0\x10\0\x10\1\1\x11\0"
    b"\xff\xda\0\x08\1\1\0\0\x3f\0\xff\xd9"
)
JP2 = b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 \0\0\0\0jp2c"
JXL = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl \0\0\0\x20jxlc"


def starts() -> list[bytes]:
    """One of each kind, with and without wrappers."""
    frame = encode_frame(np.arange(42, dtype=np.uint16).reshape(6, 7))
    jls = JPEG.replace(b"\xff\xc0", b"\xff\xf7")
    return [J2K, JPEG, jls, JP2 + J2K, b"\xff\x0a\x7f" + bytes(20), JXL + b"\xff\x0a\x10\x50\x5c" + bytes(20), frame]


WORDS = (b"\xff\xda", b"\xff\xc3", b"\xff\x52", b"\xff\x50", b"jp2c", b"jxlp", b"\xff\xff\xff\xff", b"\x40\0\0\0")
HARNESS = Harness("codestream", starts, run, WORDS, 512)
