"""Stretches of a source: of memory, of a mapping, of a file, of an inflated stream, and none beyond its end."""

import zlib

import pytest

import dicomwire
from _dicomwire.mapping import MappedValue
from _dicomwire.ranges import ByteRanges
from tests import builders
from tests.builders import DEFLATED, part10, plain

PIXELS = bytes(range(256)) * 2048  # 512 KiB


def ranges_of(source):
    return ByteRanges(dicomwire.dcmread(source)["PixelData"])


def test_bytes_in_memory_are_views_of_it():
    data = part10(plain(pixels=PIXELS))
    ranges = ranges_of(data)
    assert ranges.size == len(data)
    assert ranges.view(128, 4) == b"DICM"
    assert ranges.view(0, len(data)) == data
    assert ranges.view(len(data), 0) == b""
    assert ranges.view(1000, 5000).readonly


def test_a_file_is_mapped_or_read(tmp_path):
    data = part10(plain(pixels=PIXELS))
    path = tmp_path / "image.dcm"
    path.write_bytes(data)
    ranges = ranges_of(path)
    assert ranges.size == len(data)
    for offset, length in ((0, 10), (8190, 10), (20000, 100), (70001, 300000), (len(data) - 5, 5), (3, len(data) - 3)):
        view = ranges.view(offset, length)
        assert view == data[offset : offset + length]
        assert isinstance(view.obj, MappedValue) == (length >= 65536)


def test_a_file_object_counts_from_where_it_stood(tmp_path):
    data = part10(plain(pixels=PIXELS))
    path = tmp_path / "image.bin"
    path.write_bytes(b"before" + data)
    with open(path, "rb") as file:
        file.seek(6)
        ranges = ranges_of(file)
        assert ranges.view(128, 4) == b"DICM"
        assert ranges.view(100000, 200000) == data[100000:300000]


def test_a_deflated_data_set_counts_in_the_inflated_stream():
    content = plain(pixels=PIXELS)
    packer = zlib.compressobj(wbits=-15)
    data = part10(packer.compress(content) + packer.flush(), DEFLATED)
    ranges = ranges_of(data)
    assert ranges.size is None
    assert ranges.view(100, 50) == content[100:150]
    assert ranges.view(len(content) - 70000, 70000) == content[-70000:]
    with pytest.raises(dicomwire.errors.TruncatedError):
        ranges.view(len(content) - 5, 6)
    assert ranges.size == len(content)


@pytest.mark.parametrize(
    ("offset", "length"),
    [(1, 1 << 40), (1 << 62, 1), (1 << 63, 1 << 63), ((1 << 64) - 1, (1 << 64) - 1), (300, 1 << 33)],
)
def test_what_the_source_does_not_have_is_an_error(tmp_path, offset, length):
    path = tmp_path / "image.dcm"
    path.write_bytes(part10(plain(pixels=PIXELS)))
    for source in (path, path.read_bytes()):
        with pytest.raises(dicomwire.errors.TruncatedError) as caught:
            ranges_of(source).view(offset, length)
        assert caught.value.offset == offset
    with pytest.raises(OverflowError):
        ranges_of(path).view(-1, 2)


def test_a_file_that_was_cut_meanwhile(tmp_path):
    path = tmp_path / "image.dcm"
    path.write_bytes(part10(plain(pixels=PIXELS)))
    ranges = ranges_of(path)
    with open(path, "r+b") as file:
        file.truncate(100000)
    for length in (100, 200000):
        with pytest.raises(dicomwire.errors.TruncatedError):
            ranges.view(150000, length)


def test_it_wants_an_element():
    with pytest.raises(TypeError):
        ByteRanges(None)
    with pytest.raises(TypeError):
        ByteRanges(dicomwire.dcmread(part10(builders.plain())))
