"""What is plain is the same as the long way makes it; what is not plain is left to that."""

import itertools

import numpy as np
import pytest

import dicomwire
from dicomwire.errors import DicomWireError, TruncatedError
from dicomwire.pixel import Frames
from dicomwire.pixel.plain import plain_array
from tests.builders import BIG_ENDIAN
from tests.pixel.images import native

RANDOM = np.random.default_rng(5)


def words(count, allocated, stored, *, signed=0):
    """Words of random stored values, nothing in unused bits."""
    if stored == allocated:
        return RANDOM.bytes(count * allocated // 8)
    least = -(1 << stored - 1) if signed else 0
    values = RANDOM.integers(least, least + (1 << stored), count)
    return values.astype(f"{'i' if signed else 'u'}{allocated // 8}").tobytes()


def described(pixels, **options):
    given = {"allocated": 16, "stored": 12, "high_bit": 11, "signed": 0, "rows": 4, "columns": 6, **options}
    return native(pixels, **given)


def both(data):
    """What the short way and the long way make of a file: arrays, None, or errors."""
    try:
        short = plain_array(dicomwire.dcmread(data))
    except DicomWireError as error:
        short = error
    try:
        long = Frames(dicomwire.dcmread(data)).decode()
    except DicomWireError as error:
        long = error
    return short, long


def assert_same(short, long):
    assert isinstance(long, np.ndarray)
    assert (short.dtype, short.shape, short.flags.writeable) == (long.dtype, long.shape, long.flags.writeable)
    assert np.array_equal(short, long)


@pytest.mark.parametrize(("allocated", "stored"), [(8, 8), (8, 7), (16, 16), (16, 12), (32, 32), (32, 20), (64, 64)])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("frames", [None, "1", "3"])
def test_grey_frames_as_they_lie(allocated, stored, signed, frames):
    count = 24 * int(frames or 1)
    data = described(
        words(count, allocated, stored, signed=signed), frames=frames, allocated=allocated, stored=stored,
        high_bit=stored - 1, signed=signed,
    )  # fmt: skip
    short, long = both(data)
    if long.flags.writeable:
        assert short is None  # the words are not aligned, and were copied
        short = long
    assert_same(short, long)
    assert_same(dicomwire.dcmread(data).pixel_array, long)


def test_colours_as_they_lie():
    pixels = RANDOM.integers(0, 256, 72).astype(np.uint8).tobytes()
    options = {"allocated": 8, "stored": 8, "high_bit": 7, "samples": 3, "planar": 0}
    assert_same(*both(described(pixels, photometric="RGB", **options)))
    for other in ({"photometric": "YBR_FULL"}, {"photometric": "RGB", "planar": 1}, {"photometric": "PALETTE COLOR"}):
        short, long = both(described(pixels, **{**options, **other}))
        assert short is None
        assert isinstance(long, np.ndarray)


def test_a_byte_of_padding_belongs_to_nobody():
    pixels = words(15, 8, 8)
    assert_same(*both(described(pixels + b"\0", allocated=8, stored=8, high_bit=7, rows=3, columns=5)))


@pytest.mark.parametrize(
    "options",
    [
        {"stored": None, "high_bit": None},
        {"high_bit": None},
        {"high_bit": 10},
        {"high_bit": 13},
        {"high_bit": 16},
        {"stored": 17, "high_bit": 16},
        {"signed": None},
        {"allocated": 12},
        {"allocated": 1, "stored": 1, "high_bit": 0},
        {"frames": "0"},
        {"frames": "2"},
        {"frames": "x"},
        {"rows": 0},
        {"rows": 5},
        {"columns": 5},
        {"samples": 2},
        {"samples": 3},
        {"syntax": BIG_ENDIAN},
        {"tag": 0x7FE00008, "vr": "OF"},
    ],
)
def test_what_is_not_plain_goes_the_long_way(options):
    short, _ = both(described(words(24, 16, 12), **options))
    assert short is None


def test_unused_bits_that_are_in_use_go_the_long_way():
    values = RANDOM.integers(0, 4096, 24).astype(np.uint16)
    for signed, value in itertools.product((0, 1), (0x1000, 0x8000)):
        values[17] = value
        data = described(values.tobytes(), signed=signed)
        short, long = both(data)
        assert short is None
        assert np.array_equal(dicomwire.dcmread(data).pixel_array, long)
        assert dicomwire.dcmread(data).decode(raw=True).view(np.uint16)[2, 5] == value


def test_options_go_the_long_way():
    """One frame by number, an array to fill, another policy: the same values, by other means."""
    data = described(words(48, 16, 12), frames="2")
    expected = plain_array(dicomwire.dcmread(data))
    ds = dicomwire.dcmread(data)
    assert np.array_equal(ds.decode([1])[0], expected[1])
    assert np.array_equal(ds.decode(policy="strict"), expected)
    out = np.zeros((2, 4, 6), np.uint16)
    assert ds.decode(out=out) is out
    assert np.array_equal(out, expected)


def test_what_was_set_goes_the_long_way():
    ds = dicomwire.dcmread(described(words(24, 16, 12)))
    ds.PixelData = bytes(48)
    assert plain_array(ds) is None
    assert not ds.pixel_array.any()
    ds = dicomwire.dcmread(described(words(24, 16, 12)))
    ds.Rows, ds.Columns = 6, 4
    assert plain_array(ds).shape == ds.pixel_array.shape == (6, 4)


def test_a_file_that_was_cut_is_an_error(tmp_path):
    path = tmp_path / "image.dcm"
    path.write_bytes(described(words(256 * 256, 16, 16), stored=16, high_bit=15, rows=256, columns=256))
    ds = dicomwire.dcmread(path)
    with open(path, "r+b") as file:
        file.truncate(50_000)
    with pytest.raises(TruncatedError):
        plain_array(ds)
    with pytest.raises(TruncatedError):
        _ = ds.pixel_array


def test_real_files_are_the_same_both_ways(real_files):
    plain = 0
    for _, path in real_files:
        try:
            short = plain_array(dicomwire.dcmread(path))
        except DicomWireError:
            continue
        if short is not None:
            plain += 1
            assert_same(short, Frames(dicomwire.dcmread(path)).decode())
    assert plain > 20
