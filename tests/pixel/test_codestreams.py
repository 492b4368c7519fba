"""Starts and ends of compressed images, by the frames of real files and by crafted ones."""

import pytest

import dicomwire
from dicomwire.errors import DicomWireError
from dicomwire.pixel.codestreams import codestream_kind, ends_codestream, split_codestreams
from dicomwire.pixel.frames import FrameReader


def split(data, most=1000):
    """Pieces of ``data``, which lies at offset 7 of a source that is read in bounds."""
    source = b"before!" + data + b"behind"
    asked = []

    def read(offset, length):
        assert 7 <= offset <= offset + length <= 7 + len(data)
        asked.append(length)
        return memoryview(source)[offset : offset + length]

    found = split_codestreams(read, 7, len(data), most)
    assert max(asked, default=0) <= 1 << 20
    return [source[offset : offset + length] for offset, length in found]


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"\xff\xd8\xff\xe0rest", "jpeg"),
        (b"\xff\xd8\xff\xf7", "jpeg"),
        (b"\xff\xd8\x00", None),
        (b"\xff\xd8", None),
        (b"\xff\x4f\xff\x51\0\x2f", "jpeg2000"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"),
        (b"\xff\x4f\xff\x52", None),
        (b"\xff\x0a\0\0", "jpeg-xl"),
        (b"\0\0\0\x0cJXL \r\n\x87\nmore", "jpeg-xl"),
        (b"\x03\0\0\0\x40\0\0\0", "rle"),
        (b"\x0f\0\0\0\x40\0\0\0", "rle"),
        (b"\x10\0\0\0\x40\0\0\0", None),
        (b"\x00\0\0\0\x40\0\0\0", None),
        (b"\x03\0\0\0\x40\0\0", None),
        (b"", None),
    ],
)
def test_kinds(first, kind):
    assert codestream_kind(first) == kind
    assert codestream_kind(memoryview(first)) == kind


def test_ends():
    for last in (b"\xff\xd9", b"abc\xff\xd9\0", b"abc\xff\xd9\0\0\0"):
        assert ends_codestream(last)
    for last in (b"", b"\xd9", b"\xff\xd9a", b"\xff\xd9" + bytes(7), b"\xff\xd8"):
        assert not ends_codestream(last)


def test_real_codestreams_one_behind_the_other(real_files):
    """Frames of real files put together and cut apart again, whatever padding is between them."""
    kinds = {}
    for _, path in real_files:
        try:
            reader = FrameReader(path)
            frames = [bytes(frame) for frame in reader][:3]
        except DicomWireError:
            continue
        if not reader.is_encapsulated or not frames or sum(map(len, frames)) > 8 << 20:
            continue
        kind = codestream_kind(frames[0])
        if kind not in ("jpeg", "jpeg2000"):
            continue
        frames = [frame.rstrip(b"\0") for frame in frames]
        if not all(frame.endswith(b"\xff\xd9") for frame in frames):
            continue
        frames = (frames * 3)[:3]
        for padding in (b"", b"\0", bytes(30)):
            pieces = split(padding.join(frames))
            assert pieces == frames, path
        assert split(b"".join(frames), most=2) == [frames[0], frames[1] + frames[2]]
        # Without its end the last one takes what is left; the first without its end hides the others.
        assert split(b"".join(frames)[:-2]) == [frames[0], frames[1], frames[2][:-2]]
        kinds.setdefault((kind, str(reader.transfer_syntax)), path)
    families = {dicomwire.UID(syntax).name for _, syntax in kinds}
    assert len(families) >= 6, families


JPEG_HEADER = b"\xff\xd8\xff\xdb\0\4ab"
SCAN = b"\xff\xda\0\4cd"
ENTROPY = b"\1\2\xff\0\3\xff\xd0\4"
IMAGE = JPEG_HEADER + SCAN + ENTROPY + b"\xff\xd9"


def test_ends_inside_segments_are_none():
    thumbnail = b"\xff\xe1\0\x0a\xff\xd8\xff\xc0\0\2\xff\xd9"
    image = b"\xff\xd8" + thumbnail + IMAGE[2:]
    assert split(image + image) == [image, image]
    tables = b"\xff\xff\xff\xd9"  # fill bytes before a marker
    assert split(IMAGE[:-2] + tables + IMAGE) == [IMAGE[:-2] + tables, IMAGE]
    several = IMAGE[:-2] + SCAN + ENTROPY + b"\xff\xc4\0\3z" + SCAN + ENTROPY + b"\xff\xd9"
    assert split(several + IMAGE) == [several, IMAGE]


def test_markers_on_the_border_of_what_is_read_at_once():
    for size in range((1 << 20) - 24, (1 << 20) + 4):
        image = JPEG_HEADER + SCAN + b"\1" * size + b"\xff\xd9"
        assert split(image + IMAGE) == [image, IMAGE]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9" * 50,  # no scan: no image
        JPEG_HEADER * 3,
        b"\xff\xd8\xff\xdb\0\1" + IMAGE,
        b"\xff\xd8\xff\xdb\xff\xff" + IMAGE,
        b"\xff\xd8\xff\xdb",
        JPEG_HEADER + SCAN + ENTROPY,
        JPEG_HEADER + b"\xff\x20\0\2" + IMAGE,
        IMAGE + b"none" + IMAGE,
        IMAGE + bytes(200) + IMAGE,
        b"\xff\x4f\xff\x51\0\4ab\xff\x90\0\x0a\0\0\0\0\0\x05\0\1" + IMAGE,  # Psot too small
        b"\xff\x4f\xff\x51\0\4ab\xff\x90\0\x0a\0\0\xff\xff\xff\xff\0\1" + IMAGE,
        b"\xff\x4f\xff\x51\0\4ab\xff\x90\0\x0b\0\0\0\0\0\x0e\0\1" + IMAGE,
        b"\xff\x4f\xff\x51\0\0" * 9,
        b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\7abcd" + IMAGE,
        b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\1abcd\0\0\0\0\0\0\0\1" + IMAGE,
        b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\1abcd\xff\xff\xff\xff\xff\xff\xff\xff" + IMAGE,
        b"\x01\0\0\0\x40\0\0\0" * 9,
        b"\xff\x0a" * 9,
    ],
)
def test_what_has_no_end_is_one(damaged):
    pieces = split(damaged)
    assert b"".join(pieces) == damaged
    assert len(pieces) == 1


def test_files_of_boxes():
    jp2 = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x0cftypjp2 " + b"\0\0\0\x0ajp2c\xff\x4f"
    large = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\1jp2c\0\0\0\0\0\0\0\x14abcd"
    assert split(jp2 + large + jp2) == [jp2, large, jp2]
    assert split(jp2 + b"\0\0\0\0jp2c" + jp2) == [jp2 + b"\0\0\0\0jp2c" + jp2]


def test_a_codestream_whose_last_tile_part_has_no_length():
    tile = b"\xff\x90\0\x0a\0\0\0\0\0\0\0\1" + b"\xff\x93packets"
    first = b"\xff\x4f\xff\x51\0\4ab\xff\x90\0\x0a\0\0\0\0\0\x10\0\2\xff\x93pk" + tile + b"\xff\xd9"
    assert split(first + first) == [first, first]
