"""Streams much larger than memory should be: made on the fly, with a bound for the peak of the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.hostile.reading import SANITIZED

COMMON = """
import json, struct, sys

def element(tag, vr, value, length=None):
    long = vr in (b"OB", b"OW", b"SQ", b"UT")
    length = len(value) if length is None else length
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr + struct.pack("<xxI" if long else "<H", length) + value

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def begin():
    # The peak so far is the parent's when the process came by fork.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return peak()

total = int(sys.argv[1])
"""

# Items with 1,000 elements and a bulk value of 1 MB each, one after the other, up to ``total`` bytes.
DATA_SET = (
    COMMON
    + """
SMALL = b"".join(element(0x00100010 + i, b"LO", b"value%04d" % i + b" ") for i in range(1000))
BULK = bytes(1 << 20)
ITEM = b"\\xfe\\xff\\x00\\xe0\\xff\\xff\\xff\\xff" + SMALL + element(0x00420011, b"OB", BULK) + (
    b"\\xfe\\xff\\x0d\\xe0" + bytes(4))
COUNT = total // len(ITEM) + 1

def chunks():
    yield element(0x0040A730, b"SQ", b"", 0xFFFFFFFF)
    for _ in range(COUNT):
        for at in range(0, len(ITEM), 100_003):
            yield ITEM[at : at + 100_003]
    yield b"\\xfe\\xff\\xdd\\xe0" + bytes(4)

before = begin()
import dicomwire
from dicomwire.streaming import EventKind
seen = size = 0
parser = dicomwire.StreamParser("1.2.840.10008.1.2.1")
for chunk in chunks():
    for event in parser.feed(chunk):
        if event.kind is EventKind.ELEMENT:
            seen += 1
        elif event.kind is EventKind.PIECE:
            size += event.length
parser.close()
print(json.dumps({"right": seen == COUNT * 1001 and size == COUNT << 20, "peak_kb": peak() - before}))
"""
)

# Encapsulated frames of 3 MB in two fragments each, with a header, written into a pipe.
FRAMES = (
    COMMON
    + """
import os, threading
FRAME = b"\\xff\\xd8\\xff\\xe0" + bytes(2_999_994) + b"\\xff\\xd9"
COUNT = total // len(FRAME) + 1
ITEM = b"\\xfe\\xff\\x00\\xe0"
HALF = len(FRAME) // 2
FRAGMENTS = b"".join(ITEM + struct.pack("<I", HALF) + part for part in (FRAME[:HALF], FRAME[HALF:]))

def send(descriptor):
    meta = element(0x00020010, b"UI", b"1.2.840.10008.1.2.4.50")
    with open(descriptor, "wb") as file:
        file.write(bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta)
        file.write(element(0x00280008, b"IS", b"%8d" % COUNT) + element(0x7FE00010, b"OB", b"", 0xFFFFFFFF) + ITEM)
        file.write(bytes(4))
        for _ in range(COUNT):
            file.write(FRAGMENTS)
        file.write(b"\\xfe\\xff\\xdd\\xe0" + bytes(4))

reading, writing = os.pipe()
if os.fork() == 0:
    os.close(reading)
    send(writing)
    os._exit(0)
os.close(writing)
del FRAGMENTS, FRAME
before = begin()
import dicomwire
from dicomwire.streaming import EventKind
frames = size = 0
with open(reading, "rb", buffering=0) as pipe, dicomwire.stream(pipe, frames=True) as events:
    for event in events:
        if event.kind is EventKind.FRAME:
            assert event.number == frames
            frames += 1
        elif event.kind is EventKind.PIECE:
            size += event.length
    assert events.deviations == [], events.deviations
print(json.dumps({"right": frames == COUNT and size == COUNT * 3_000_000, "peak_kb": peak() - before}))
"""
)


@pytest.mark.long
@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes its share of memory")
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("program", "size"), [(DATA_SET, 4_000_000_000), (FRAMES, 2_000_000_000)], ids=["data set", "frames"]
)
def test_large_streams_in_bounded_memory(program: str, size: int, scaled: Callable[[int], int]) -> None:
    """Less than 50 MB above the bare interpreter, whatever the size."""
    command = [sys.executable, "-c", program, str(scaled(size))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["right"]
    assert said["peak_kb"] < 50_000
