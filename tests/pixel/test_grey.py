"""Modality and VOI transformations against pydicom, DCMTK and the equations of the standard."""

import io
import struct

import numpy as np
import pydicom
import pytest

import dicomwire
from dicomwire.errors import PixelError
from dicomwire.pixel import Window, apply_modality_lut, apply_voi_lut
from dicomwire.pixel.grey import padding, windows
from tests.builders import element, item, sequence
from tests.pixel.images import native, number

RANDOM = np.random.default_rng(6)


def text(tag, value, vr="DS"):
    return element(tag, vr, value.encode() + b" " * (len(value) % 2))


def words(*values):
    return struct.pack(f"<{len(values)}H", *(value & 0xFFFF for value in values))


def rescale(slope, intercept):
    return text(0x00281052, intercept) + text(0x00281053, slope)


def window(centre, width, function=None):
    found = text(0x00281050, centre) + text(0x00281051, width)
    return found + (text(0x00281056, function, "CS") if function else b"")


def grey(pixels, more=b"", *, behind=b"", stored=12, signed=0, **options):
    return native(pixels, allocated=16, stored=stored, high_bit=stored - 1, signed=signed, more=more, **options)


VALUES = RANDOM.integers(0, 4096, (4, 4)).astype("<u2")


@pytest.mark.peers
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(
    ("slope", "intercept", "kind"),
    [
        ("1", "-1024", np.int32),
        ("2", "0", np.int32),
        ("0.5", "3", np.float64),
        ("-3", "7", np.int32),
        ("1", "1e10", np.float64),
    ],
)
def test_slope_and_intercept(slope, intercept, kind, signed):
    data = grey((VALUES - 2048 * signed).tobytes(), rescale(slope, intercept), signed=signed)
    ds, theirs = dicomwire.dcmread(data), pydicom.dcmread(io.BytesIO(data))
    found = apply_modality_lut(ds.pixel_array, ds)
    assert found.dtype == kind
    assert np.array_equal(found, pydicom.pixels.apply_modality_lut(theirs.pixel_array, theirs))


@pytest.mark.peers
@pytest.mark.parametrize("first", [0, 100])
def test_modality_table(first):
    table = RANDOM.integers(0, 65536, 300)
    lut = sequence(
        0x00283000, item(element(0x00283002, "US", words(300, first, 16)) + element(0x00283006, "OW", words(*table)))
    )
    data = grey((VALUES % 500).tobytes(), lut)
    ds, theirs = dicomwire.dcmread(data), pydicom.dcmread(io.BytesIO(data))
    found = apply_modality_lut(ds.pixel_array, ds)
    assert np.array_equal(found, pydicom.pixels.apply_modality_lut(theirs.pixel_array, theirs))


@pytest.mark.parametrize(("slope", "intercept"), [("nan", "0"), ("0", "0"), ("1", "inf"), ("1e999", "0")])
def test_slopes_that_are_no_numbers_are_refused_and_pixels_still_given(slope, intercept):
    """Row 42."""
    ds = dicomwire.dcmread(grey(VALUES.tobytes(), rescale(slope, intercept)))
    with pytest.raises(PixelError, match=r"Rescale"):
        apply_modality_lut(ds.pixel_array, ds)
    assert np.array_equal(ds.pixel_array, VALUES)


def functional_groups(*frames):
    return sequence(0x52009230, *[item(sequence(0x00289145, item(rescale(*frame))) + more) for *frame, more in frames])


def test_each_frame_has_its_own():
    values = np.stack([VALUES, VALUES])
    groups = functional_groups(
        ("1", "-10", sequence(0x00289132, item(window("5", "11")))),
        ("3", "5", sequence(0x00289132, item(window("9", "2")))),
    )
    data = grey(values.tobytes(), frames="2")
    at = data.index(b"\xe0\x7f\x10\0")
    # Functional groups (5200,9230) stand before Pixel Data.
    ds = dicomwire.dcmread(data[:at] + groups + data[at:])
    found = apply_modality_lut(ds.pixel_array, ds)
    wide = VALUES.astype(int)
    assert np.array_equal(found, np.stack([wide - 10, wide * 3 + 5]))
    assert np.array_equal(apply_modality_lut(ds.frames[1], ds, frame=1), wide * 3 + 5)
    assert [(w.centre, w.width) for frame in (0, 1) for w in windows(ds, frame)] == [(5, 11), (9, 2)]
    with pytest.raises(ValueError, match="say frame="):
        apply_modality_lut(ds.frames[1], ds)


def by_the_standard(x, centre, width, function, most=255.0):
    """PS3.3 sections C.11.2.1.2.1 and C.11.2.1.3, one value at a time."""
    if function == "SIGMOID":
        return most / (1 + np.exp(-4 * (x - centre) / width))
    if function == "LINEAR":
        if x <= centre - 0.5 - (width - 1) / 2:
            return 0.0
        if x > centre - 0.5 + (width - 1) / 2:
            return most
        return ((x - (centre - 0.5)) / (width - 1) + 0.5) * most
    if x <= centre - width / 2:
        return 0.0
    if x > centre + width / 2:
        return most
    return ((x - centre) / width + 0.5) * most


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("centre", "width"), [("40", "400"), ("-100.5", "1"), ("2000", "4096"), ("10", "2"), ("5", "1.5")]
)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_windows_are_the_equations_of_the_standard(function, centre, width, bits):
    ds = dicomwire.dcmread(grey(VALUES.tobytes(), window(centre, width, function)))
    values = np.arange(-300, 4200, 7)
    found = apply_voi_lut(values, ds, bits=bits)
    assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
    most = (1 << bits) - 1
    with np.errstate(over="ignore"):
        expected = [by_the_standard(x, float(centre), float(width), function, most) for x in values]
    assert np.abs(found - np.array(expected)).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("centre", "width", "function"),
    [("40", "0", None), ("40", "0.5", None), ("40", "-5", "LINEAR_EXACT"), ("nan", "5", None), ("1", "inf", None),
     ("1", "0", "SIGMOID"), ("1", "2", "CUBIC")],
)  # fmt: skip
def test_windows_that_are_none_are_refused(centre, width, function):
    ds = dicomwire.dcmread(grey(VALUES.tobytes(), window(centre, width, function)))
    with pytest.raises(PixelError):
        apply_voi_lut(ds.pixel_array, ds)


def test_which_of_several():
    table = sequence(
        0x00283010, item(element(0x00283002, "US", words(4096, 0, 8)) + element(0x00283006, "US", words(*[7] * 4096)))
    )
    ds = dicomwire.dcmread(grey(VALUES.tobytes(), window("100\\2000", "50\\3000") + table))
    values = ds.pixel_array
    assert (apply_voi_lut(values, ds) == 7).all()
    for index, pair in ((1, (100, 50)), (2, (2000, 3000))):
        assert np.array_equal(apply_voi_lut(values, ds, index=index), apply_voi_lut(values, ds, window=pair))
    assert np.array_equal(apply_voi_lut(values, ds, window=Window(2000, 3000)), apply_voi_lut(values, ds, index=2))
    with pytest.raises(IndexError, match="VOI 3: there are 3"):
        apply_voi_lut(values, ds, index=3)
    with pytest.raises(ValueError, match="bits=17"):
        apply_voi_lut(values, ds, bits=17)


def test_without_a_window_values_are_spread_out():
    ds = dicomwire.dcmread(grey(VALUES.tobytes()))
    found = apply_voi_lut(np.array([10, 20, 30]), ds)
    assert found.tolist() == [0, 128, 255]
    assert apply_voi_lut(np.array([0, 0]), ds).tolist() == [0, 0]
    assert apply_voi_lut(np.array([np.nan, 1.0, 2.0]), ds).tolist() == [0, 0, 255]


def test_padding():
    padded = np.array([[1, 2, 63536, 63537]], "<u2")
    more = element(0x00280120, "SS", words(-2000))
    ds = dicomwire.dcmread(grey(padded.tobytes(), more, rows=1, stored=16, signed=1))
    assert padding(ds.pixel_array, ds).tolist() == [[False, False, True, False]]
    more = element(0x00280120, "US", words(63536)) + element(0x00280121, "US", words(63537))
    for signed in (0, 1):
        ds = dicomwire.dcmread(grey(padded.tobytes(), more, rows=1, stored=16, signed=signed))
        assert padding(ds.pixel_array, ds).tolist() == [[False, False, True, True]]
    assert padding(VALUES, dicomwire.dcmread(grey(VALUES.tobytes()))) is None
    assert number(0x00280010, 4) in grey(VALUES.tobytes())
