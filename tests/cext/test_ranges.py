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


def test_looking_ahead_maps_a_part_of_the_file_for_many_views(tmp_path):
    data = part10(plain(pixels=PIXELS))
    path = tmp_path / "image.dcm"
    path.write_bytes(data)
    ranges = ranges_of(path)
    ranges.look_ahead(100_000)
    first = ranges.view(1000, 8)
    for offset, length in ((1000, 8), (1008, 60_000), (100_000, 1000)):
        view = ranges.view(offset, length)
        assert view == data[offset : offset + length]
        assert view.obj is first.obj
        assert view.readonly
    # What passes the end has the next part, what is more than a part has a mapping of its own.
    for offset, length in ((100_001, 1000), (0, 10), (len(data) - 5, 5), (len(data) - 90_000, 90_000), (5, 300_000)):
        view = ranges.view(offset, length)
        assert view == data[offset : offset + length]
        assert view.obj is not first.obj
    with pytest.raises(dicomwire.errors.TruncatedError):
        ranges.view(len(data) - 5, 6)
    ranges.look_ahead(0)
    assert ranges.view(1000, 8).obj is not first.obj
    assert first == data[1000:1008]
    with open(path, "r+b") as file:
        file.truncate(100000)
    ranges.look_ahead(1 << 24)
    assert ranges.view(2000, 70_000) == data[2000:72_000]
    with pytest.raises(dicomwire.errors.TruncatedError):
        ranges.view(150_000, 100)


def test_looking_ahead_changes_nothing_in_memory_and_in_streams():
    content = plain(pixels=PIXELS)
    packer = zlib.compressobj(wbits=-15)
    for data, whole in ((part10(content), part10(content)),
                        (part10(packer.compress(content) + packer.flush(), DEFLATED), content)):  # fmt: skip
        ranges = ranges_of(data)
        ranges.look_ahead(1 << 20)
        assert ranges.view(100, 200_000) == whole[100:200_100]


@pytest.mark.parametrize("is_file", [False, True])
def test_items_one_behind_the_other(tmp_path, is_file):
    def item(value):
        return b"\xfe\xff\x00\xe0" + len(value).to_bytes(4, "little") + value

    fragments = [bytes(range(size % 256)) for size in (10, 0, 200, 30)]
    delimiter = b"\xfe\xff\xdd\xe0" + bytes(4)
    body = b"".join(map(item, fragments)) + delimiter
    source = data = part10(plain(pixels=b"pixels") + body)
    if is_file:
        source = tmp_path / "image.dcm"
        source.write_bytes(data)
    first = len(data) - len(body)
    places, at = [], first
    for fragment in fragments:
        places.append((at + 8, len(fragment)))
        at += 8 + len(fragment)
    for ahead in (0, 1 << 20):
        ranges = ranges_of(source)
        ranges.look_ahead(ahead)
        assert ranges.items(first, None) == ranges.items(first, at) == places
        assert ranges.items(places[1][0] - 8, places[3][0] - 8) == places[1:3]
        assert ranges.items(first, first) == []
        for begin, end in (
            (first, at - 1),
            (first, at + 1),
            (first, at + 8),  # the delimiter is none
            (first + 1, None),
            (first - 8, at),
            (at, None),  # nothing before it
            (len(data), None),
            (len(data) - 4, None),
            (len(data) + 1, None),
            (1 << 70, None),
            (first, 1 << 70),
            (-8, None),
            (first, -1),
        ):
            assert ranges.items(begin, end) is None, (begin, end)
    cut = data[: first + 20]
    assert ranges_of(cut).items(first, None) is None
    assert ranges_of(cut).items(first, len(cut)) is None


def test_it_wants_an_element():
    with pytest.raises(TypeError):
        ByteRanges(None)
    with pytest.raises(TypeError):
        ByteRanges(dicomwire.dcmread(part10(builders.plain())))
