"""Any bytes are a frame index that goes around and never leads out of its file, or one of our errors."""

import hashlib

from dicomwire import FrameIndex, FrameReader
from dicomwire.errors import DecodeError, UnsupportedError
from tests.fuzz.harness import Harness
from tests.pixel.images import END, START, WHOLE, encapsulated, native

PARTS = [START, END, WHOLE, START, END]
FILES = (
    encapsulated(PARTS, frames="3"),
    native(bytes(range(6)), frames="3", rows=3, columns=5, allocated=1),
    native(bytes(160), frames="10"),
)
DIGEST = 32


def digested(body: bytes) -> bytes:
    """Bytes of an index file with the digest that they should have."""
    return body + hashlib.sha256(body).digest()


def run(data: bytes) -> None:
    """First byte: whether the digest is put behind; then the index."""
    if not data:
        return
    body = digested(data[1:]) if data[0] & 1 else data[1:]
    try:
        index = FrameIndex.from_bytes(body)
    except (DecodeError, UnsupportedError):
        return
    assert index.to_bytes() == body
    assert FrameIndex.from_bytes(index.to_bytes()) == index
    size = index.identity.size
    for number in range(min(len(index), 50)):
        try:
            extents = index.extents(number)
        except DecodeError:
            assert index.is_encapsulated
            continue
        assert extents
        assert all(0 <= offset <= offset + length <= size for offset, length in extents)
        assert 0 <= index.bit_offset(number) < 8
    for file in FILES:
        try:
            reader = FrameReader(file, index=index)
        except DecodeError:
            continue
        for number in range(min(len(reader), 50)):
            try:
                frame = reader[number]
            except DecodeError:
                continue
            assert len(bytes(frame)) == frame.length


def starts() -> list[bytes]:
    """Indexes of the files, with the digest and without, and parts of them."""
    whole = [FrameIndex.build(file).to_bytes() for file in FILES]
    result = [b"\0" + data for data in whole] + [b"\1" + data[:-DIGEST] for data in whole]
    return result + [b"\1" + data[: -DIGEST - cut] for data in whole for cut in (1, 8, 24)]


WORDS = (b"\xff" * 8, bytes(8), b"\1" + bytes(7), b"\0\0\0\0\0\0\0\x80", b"DWFRAMES")
HARNESS = Harness("frame_index", starts, run, WORDS, 512)
