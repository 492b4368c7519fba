"""Palettes and lookup tables: those of pydicom, and refusal of what is damaged (rows 39 and 42 of malformed input)."""

import io
import struct

import numpy as np
import pydicom
import pytest

import dicomwire
from dicomwire.errors import PixelError
from dicomwire.pixel import apply_palette, to_rgb
from dicomwire.pixel.lookup import expand_segments, read_palette, read_table
from tests.builders import element
from tests.pixel.images import native, number

RANDOM = np.random.default_rng(5)
COLOURS = (0x1101, 0x1102, 0x1103)


def words(*values):
    return struct.pack(f"<{len(values)}H", *(value & 0xFFFF for value in values))


def table(entries, first, bits, values, *, byte=False, descriptor_vr="US"):
    """Descriptor and data of three palettes, each turned by one."""
    more = b"".join(element(0x00280000 | c, descriptor_vr, words(entries, first, bits)) for c in COLOURS)
    for shift in range(3):
        turned = np.roll(values, shift)
        data = turned.astype(np.uint8).tobytes() if byte else turned.astype("<u2").tobytes()
        more += element(0x00281201 + shift, "OW", data + b"\0" * (len(data) % 2))
    return more


def palette_image(pixels, more, **options):
    return dicomwire.dcmread(native(pixels, photometric="PALETTE COLOR", more=more, stored=8, high_bit=7, **options))


@pytest.mark.peers
@pytest.mark.parametrize(("bits", "byte"), [(8, True), (8, False), (16, False), (12, False)])
@pytest.mark.parametrize("first", [0, 3])
def test_palettes_are_those_of_pydicom(bits, byte, first):
    values = RANDOM.integers(0, 1 << bits, 10)
    values[0] = (1 << bits) - 1
    pixels = bytes(range(16))
    more = table(10, first, bits, values, byte=byte)
    data = native(pixels, photometric="PALETTE COLOR", more=more, stored=8, high_bit=7, signed=0)
    ds = dicomwire.dcmread(data)
    found = apply_palette(ds.pixel_array, ds)
    assert found.shape == (4, 4, 3)
    assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
    if bits != 12:
        theirs = pydicom.dcmread(io.BytesIO(data))
        assert np.array_equal(found, pydicom.pixels.apply_color_lut(theirs.pixel_array, theirs))
    assert np.array_equal(to_rgb(ds.pixel_array, ds), found)
    # Indices beyond the table take its ends.
    assert found[0, 0].tolist() == [values[0], values[-1], values[-2]]
    assert found[3, 3].tolist() == [np.roll(values, s)[-1] for s in range(3)]


def test_65536_entries_and_signed_first_values():
    values = np.arange(65536) ^ 0x5555
    ds = palette_image(bytes(16), table(0, 0, 16, values))
    assert len(read_palette(ds).values) == 65536
    ds = palette_image(bytes(16), table(4, -2, 8, np.array([1, 2, 3, 4]), descriptor_vr="SS"))
    assert read_palette(ds, is_signed=True).first == -2
    assert read_palette(ds, is_signed=False).first == 65534


def test_bytes_that_are_called_words_are_bytes():
    palette = read_palette(palette_image(bytes(16), table(4, 0, 16, np.array([0, 100, 200, 255]))))
    assert palette.values.dtype == np.uint8
    assert palette.bits == 8


@pytest.mark.peers
def test_real_palettes(pydicom_files):
    for name in ("OBXXXX1A.dcm", "gdcm-US-ALOKA-16.dcm", "gdcm-US-ALOKA-16_big.dcm"):
        if name in pydicom_files:
            theirs = pydicom.dcmread(pydicom_files[name])
            ours = dicomwire.dcmread(pydicom_files[name])
            array = np.asarray(theirs.pixel_array).astype(theirs.pixel_array.dtype.newbyteorder("="))
            expected = pydicom.pixels.apply_color_lut(array, theirs)
            found = apply_palette(ours.pixel_array, ours)
            if found.dtype == expected.dtype:
                assert np.array_equal(found, expected), name
            else:
                assert np.array_equal(found, expected & 0xFF), name


@pytest.mark.peers
@pytest.mark.parametrize("name", ["spring", "summer", "fall", "winter", "hotiron", "pet"])
def test_well_known_palettes_with_and_without_segments(name):
    from pathlib import Path

    path = Path(pydicom.__file__).parent / "data" / "palettes" / f"{name}.dcm"
    theirs = pydicom.dcmread(path)
    expected = pydicom.pixels.apply_color_lut(np.arange(256, dtype=np.uint8), theirs)[..., :3]
    assert np.array_equal(read_palette(dicomwire.dcmread(path)).values, expected)


SEGMENTS = [0, 3, 10, 20, 30, 1, 4, 50, 0, 1, 7]


def test_segments():
    """PS3.3 section C.7.9.2: discrete, linear, and indirect ones that repeat them."""
    expected = [10, 20, 30, 35, 40, 45, 50, 7]
    assert expand_segments(SEGMENTS, 8).tolist() == expected
    assert expand_segments([*SEGMENTS, 2, 3, 0, 0], 16).tolist() == expected * 2
    words_only = expand_segments([0, 2, 300, 700, 1, 2, 300, 2, 1, 4, 0], 6).tolist()
    assert words_only == [300, 700, 500, 300, 300, 300]


@pytest.mark.parametrize(
    "codes",
    [
        [], [0], [0, 5, 1, 2], [1, 4, 9], [3, 1, 1], [0, 1, 5, 1, 2], [0, 1, 5, 2, 1, 900, 0], [0, 1, 5, 2, 1, 3, 0],
        [0, 1, 300, 2, 65535, 0, 0][:5], [0, 0, 0, 0, 0, 0], [0, 1, 5, 2, 1],
    ],
)  # fmt: skip
def test_damaged_segments_are_refused(codes):
    with pytest.raises(PixelError):
        expand_segments(codes, 100)


def test_segments_cannot_make_more_than_one_palette():
    """Indirect segments multiply: what is beyond the number of entries is not made."""
    codes = [0, 1, 300, 1, 60000, 5000] + [2, 2, 0, 0] * 50
    assert len(expand_segments(codes, 65536)) == 65536


@pytest.mark.parametrize(
    "more",
    [
        b"",
        table(10, 0, 8, np.arange(4)),
        table(10, 0, 17, np.arange(10)),
        table(10, 0, 0, np.arange(10)),
        table(10, 0, 8, np.arange(10)).replace(words(10, 0, 8), words(9, 0, 8), 1),
        table(10, 0, 8, np.arange(10)).replace(b"\x28\0\x02\x12", b"\x28\0\x09\x12"),
    ],
)
def test_damaged_palettes_are_refused_and_indices_are_still_given(more):
    ds = palette_image(bytes(range(16)), more)
    with pytest.raises(PixelError):
        apply_palette(ds.pixel_array, ds)
    assert ds.pixel_array.ravel().tolist() == list(range(16))


def test_tables_of_an_item():
    def item_of(*elements):
        return dicomwire.dcmread(b"".join(elements), force=True)

    good = item_of(element(0x00283002, "US", words(3, 5, 16)), element(0x00283006, "US", words(7, 8, 9)))
    assert read_table(good, is_signed=False)(np.array([0, 5, 6, 7, 100])).tolist() == [7, 7, 8, 9, 9]
    single = item_of(element(0x00283002, "US", words(1, 0, 16)), element(0x00283006, "US", words(7)))
    assert read_table(single, is_signed=False)(np.array([3])).tolist() == [7]
    for bad in (
        item_of(number(0x00280010, 1)),
        item_of(element(0x00283002, "US", words(3, 5)), element(0x00283006, "US", words(7, 8, 9))),
        item_of(element(0x00283002, "US", words(4, 5, 16)), element(0x00283006, "US", words(7, 8, 9))),
        item_of(element(0x00283002, "US", words(4, 5, 16))),
    ):
        with pytest.raises(PixelError):
            read_table(bad, is_signed=False)
