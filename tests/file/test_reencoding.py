"""Re-encoding by transfer syntax: what can be done, deflated data sets, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator

import pytest

from dicomwire.dictionary.transfer_syntax import TRANSFER_SYNTAXES
from dicomwire.errors import DecodeError, UnsupportedError
from dicomwire.file import can_reencode, reencode, reencode_buffer
from tests.builders import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    element,
    implicit,
    item,
    plain,
    sequence_end,
)
from tests.hostile.reading import SANITIZED

NATIVE = (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED)
GE = "1.2.840.113619.5.2"
FRAGMENTS = element(PIXEL_DATA, "OB", item() + item(b"\xff\xd8\xff\xd9") + sequence_end(), length=UNDEFINED)


def test_what_can_be_reencoded() -> None:
    for source in NATIVE:
        assert all(can_reencode(source, target) for target in NATIVE)
        assert not can_reencode(source, JPEG)
        assert not can_reencode(JPEG, source)
        assert can_reencode(GE, source)
        assert not can_reencode(source, GE)
    assert can_reencode(JPEG, JPEG)
    assert not can_reencode(EXPLICIT, "1.2.3")
    assert not can_reencode("1.2.3", "1.2.3")


def test_no_codec_is_pretended() -> None:
    """Of two that differ, neither may be encapsulated, refer to pixels elsewhere, or be no plain data set."""
    for source, known in TRANSFER_SYNTAXES.items():
        for target in TRANSFER_SYNTAXES:
            if source != target and can_reencode(source, target):
                assert target in (*NATIVE, "1.2.840.10008.1.20")
                assert known.family == "native"


def test_unsupported_at_the_call() -> None:
    jpeg_2000 = "1.2.840.10008.1.2.4.90"
    for source, target in ((EXPLICIT, JPEG), (EXPLICIT, "1.2.3"), ("1.2.3", EXPLICIT), (JPEG, jpeg_2000)):
        with pytest.raises(UnsupportedError) as caught:
            reencode([], source, target)
        assert caught.value.what == "transfer syntax"


def test_encapsulated_pixel_data() -> None:
    """The same syntax hands them on; another one takes data sets without them."""
    body = plain() + FRAGMENTS
    assert reencode_buffer(body, JPEG, JPEG) == body
    assert reencode_buffer(plain(), JPEG, EXPLICIT) == plain()
    for target in NATIVE:
        with pytest.raises(UnsupportedError, match="codec"):
            reencode_buffer(body, JPEG, target)
        with pytest.raises(UnsupportedError, match="codec"):
            reencode_buffer(body, EXPLICIT, target)


def test_deflated() -> None:
    body = plain(pixels=bytes(100_000))
    packed = reencode_buffer(body, EXPLICIT, DEFLATED)
    assert len(packed) < 1000
    assert len(packed) % 2 == 0
    unpacker = zlib.decompressobj(-15)
    assert unpacker.decompress(packed) == body
    assert unpacker.eof
    for target in (EXPLICIT, IMPLICIT, BIG_ENDIAN):
        for step in (1, 100, len(packed)):
            chunks = [packed[at : at + step] for at in range(0, len(packed), step)]
            assert b"".join(reencode(chunks, DEFLATED, target)) == reencode_buffer(body, EXPLICIT, target)
    assert reencode_buffer(packed, DEFLATED, DEFLATED) == packed


def test_deflated_data_sets_may_not_grow_without_bounds() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(element(PIXEL_DATA, "OB", bytes(1 << 20))) + packer.flush()
    with pytest.raises(DecodeError, match="more than the 100000 bytes"):
        b"".join(reencode([packed], DEFLATED, EXPLICIT, inflate_limit=100_000))


def test_what_is_encoded_is_made_as_chunks_come() -> None:
    body = plain(pixels=bytes(300_000))
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for at in range(0, len(body), 10_000):
            taken += 1
            yield body[at : at + 10_000]

    pieces = reencode(chunks(), EXPLICIT, BIG_ENDIAN)
    assert taken == 0
    next(pieces)
    assert taken == 1
    assert len(b"".join(pieces)) < len(body)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer(kind: type) -> None:
    assert reencode_buffer(kind(plain()), EXPLICIT, EXPLICIT) == plain()


def test_chunks_that_are_filled_anew() -> None:
    """A view is used before the next piece is asked for."""
    body = plain(pixels=bytes(range(256)) * 4096)
    buffer = bytearray(65_536)

    def chunks() -> Iterator[memoryview]:
        for at in range(0, len(body), len(buffer)):
            part = body[at : at + len(buffer)]
            buffer[: len(part)] = part
            yield memoryview(buffer)[: len(part)]

    out = b"".join(bytes(piece) for piece in reencode(chunks(), EXPLICIT, IMPLICIT))
    assert out == reencode_buffer(body, EXPLICIT, IMPLICIT)


def test_large_chunks_are_taken_in_parts() -> None:
    body = implicit.element(0x00080060, "", b"CT") + implicit.element(PIXEL_DATA, "", bytes(5 << 20))
    pieces = list(reencode([body], IMPLICIT, BIG_ENDIAN))
    assert max(len(piece) for piece in pieces) <= 1 << 20
    assert b"".join(pieces).endswith(bytes(5 << 20))


MEMORY = """
import json, struct, sys

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def element(tag, vr, length):
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr + struct.pack("<xxI", length)

CHUNK = bytes(range(256)) * 4096
SIZE, COUNT, SOURCE, TARGET = 500 << 20, 30_000, sys.argv[1], sys.argv[2]
NUMBERS = b"".join(
    struct.pack("<HH2sHH", 0x28, 0x1200 + i, b"US", 2, i) for i in range(100))
ITEM = b"\\xfe\\xff\\x00\\xe0\\xff\\xff\\xff\\xff" + NUMBERS + b"\\xfe\\xff\\x0d\\xe0" + bytes(4)

def chunks():
    yield element(0x00081140, b"SQ", 0xFFFFFFFF)
    for _ in range(COUNT):
        yield ITEM
    yield b"\\xfe\\xff\\xdd\\xe0" + bytes(4) + element(0x7FE00010, b"OW", SIZE)
    for _ in range(SIZE // len(CHUNK)):
        yield CHUNK

from dicomwire.file import reencode
for piece in reencode(iter([]), SOURCE, TARGET):
    pass
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before, size = peak(), 0
for piece in reencode(chunks(), SOURCE, TARGET):
    size += len(piece)
print(json.dumps({"size": size, "peak_kb": peak() - before}))
"""


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes its share of memory")
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peak memory is read from /proc")
@pytest.mark.parametrize("target", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_memory_does_not_follow_the_data_set(target: str) -> None:
    """A value of 500 MB behind a sequence of three million elements: less than 8 MB, whatever the size."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, EXPLICIT, target], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["size"] > 500 << 20
    assert said["peak_kb"] < 8_000
