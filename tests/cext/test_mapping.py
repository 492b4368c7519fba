"""Bulk values of files are mappings: no copy, no descriptor kept, no signal when the file is cut under them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import dicomwire
from _dicomwire.mapping import MappedValue

PIXELS = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file with 1 MiB of pixel data: meta, Rows, Pixel Data in explicit VR little endian."""
    meta = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00"
    group = b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little")
    rows = b"\x28\x00\x10\x00US\x02\x00\x00\x04"
    pixels = b"\xe0\x7f\x10\x00OW\x00\x00" + len(PIXELS).to_bytes(4, "little") + PIXELS
    path = tmp_path / "image.dcm"
    path.write_bytes(bytes(128) + b"DICM" + group + meta + rows + pixels)
    return path


def test_a_large_value_is_a_mapping(image: Path) -> None:
    view = dicomwire.dcmread(image).PixelData
    assert isinstance(view.obj, MappedValue)
    assert view.readonly
    assert view == PIXELS
    assert not view.obj.is_cut


def test_a_mapping_outlives_data_set_path_and_descriptor(image: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    view = dicomwire.dcmread(image).PixelData
    image.unlink()
    assert view[-256:] == PIXELS[-256:]
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) == descriptors


def test_mappings_are_given_back(image: Path) -> None:
    for _ in range(3000):  # three times as many as the table of mappings has places
        assert isinstance(dicomwire.dcmread(image).PixelData.obj, MappedValue)


def test_values_are_read_when_the_table_is_full(image: Path) -> None:
    data_set = dicomwire.dcmread(image)
    views = [data_set.PixelData for _ in range(1030)]
    assert isinstance(views[0].obj, MappedValue)
    assert isinstance(views[-1].obj, bytes)
    assert views[-1] == PIXELS


def test_a_file_that_is_already_cut_gives_an_error(image: Path) -> None:
    data_set = dicomwire.dcmread(image)
    os.truncate(image, 500_000)
    with pytest.raises(dicomwire.errors.TruncatedError):
        _ = data_set.PixelData


CUT = """
import os, sys, dicomwire
view = dicomwire.dcmread(sys.argv[1]).PixelData
first = bytes(view[:16])
os.truncate(sys.argv[1], 65536)
last = bytes(view[-16:])
assert last == bytes(16), last
assert view.obj.is_cut
assert first == bytes(range(16))
print("alive")
"""

OWN = """
import ctypes, mmap, os, signal, sys, dicomwire
view = dicomwire.dcmread(sys.argv[1]).PixelData
with open(sys.argv[1] + ".other", "w+b") as file:
    file.truncate(65536)
    other = mmap.mmap(file.fileno(), 65536)
    os.truncate(sys.argv[1] + ".other", 0)
    print("about to fail", flush=True)
    other[40000]
print("not reached")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_a_file_cut_under_a_view_does_not_end_the_process(image: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CUT, str(image)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_bus_errors_of_others_keep_their_action(image: Path) -> None:
    done = subprocess.run([sys.executable, "-c", OWN, str(image)], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGBUS
    assert done.stdout == "about to fail\n"
