"""Overlay planes, of their own and in unused bits; those that cannot be are left out (row 40 of malformed input)."""

import io
import struct

import numpy as np
import pydicom
import pytest

import dicomwire
from dicomwire.pixel import read_overlays
from tests.builders import element
from tests.pixel.images import native, number

RANDOM = np.random.default_rng(8)


def overlay(
    group, rows, columns, data, *, origin=(1, 1), kind="G", frames=None, label="", vr="OW", position=0, first=None
):
    base = group << 16
    found = number(base | 0x10, rows) + number(base | 0x11, columns)
    if frames is not None:
        found += element(base | 0x15, "IS", f"{frames:<2}".encode())
    found += element(base | 0x40, "CS", f"{kind:<2}".encode())
    found += element(base | 0x50, "SS", struct.pack("<2h", *origin))
    if first is not None:
        found += number(base | 0x51, first)
    found += number(base | 0x100, 1) + number(base | 0x102, position)
    if label:
        found += element(base | 0x1500, "LO", label.encode())
    return found + (b"" if data is None else element(base | 0x3000, vr, data + b"\0" * (len(data) % 2)))


def image(*overlays, pixels=bytes(20), **options):
    return native(pixels, rows=4, columns=5, more=b"".join(overlays), **options)


def packed(bits):
    return np.packbits(bits, bitorder="little").tobytes()


@pytest.mark.peers
@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_planes_are_those_of_pydicom(vr):
    bits = RANDOM.integers(0, 2, (3, 3, 7)).astype(np.uint8)
    data = image(
        overlay(0x6000, 3, 7, packed(bits[0]), vr=vr, label="one ", kind="R"),
        overlay(0x6002, 3, 7, packed(bits), frames=3, origin=(-1, 3), first=2, vr=vr),
    )
    ds, theirs = dicomwire.dcmread(data), pydicom.dcmread(io.BytesIO(data))
    one, several = read_overlays(ds)
    assert np.array_equal(one.planes[0], theirs.overlay_array(0x6000))
    assert np.array_equal(several.planes, theirs.overlay_array(0x6002))
    assert (one.group, one.kind, one.label, one.origin, one.first_frame) == (0x6000, "R", "one", (0, 0), 0)
    assert (several.group, several.kind, several.origin, several.first_frame) == (0x6002, "G", (-2, 2), 1)
    assert np.array_equal(one.plane(17), bits[0])
    assert several.plane(0) is None
    assert np.array_equal(several.plane(3), bits[2])


@pytest.mark.parametrize("origin", [(1, 1), (3, 4), (-1, -2), (4, 5), (100, 1), (-100, -100), (1, 100)])
def test_a_plane_covers_what_lies_in_the_image(origin):
    bits = np.ones((3, 2), np.uint8)
    found = read_overlays(dicomwire.dcmread(image(overlay(0x6000, 3, 2, packed(bits), origin=origin))))[0]
    expected = np.zeros((4, 5), bool)
    for row in range(3):
        for column in range(2):
            y, x = origin[0] - 1 + row, origin[1] - 1 + column
            if 0 <= y < 4 and 0 <= x < 5:
                expected[y, x] = True
    assert np.array_equal(found.mask(0, 4, 5), expected)


def test_planes_in_unused_bits():
    """PS3.5 of 2004, section 8.1.2: bit 15 of pixels of 12 bits."""
    values = RANDOM.integers(0, 4096, (4, 5)).astype("<u2")
    bits = RANDOM.integers(0, 2, (4, 5)).astype("<u2")
    pixels = (values | bits << 15).tobytes()
    plane = overlay(0x6000, 4, 5, None, position=15)
    data = image(plane, pixels=pixels, allocated=16, stored=12, high_bit=11, signed=0)
    ds = dicomwire.dcmread(data)
    assert np.array_equal(read_overlays(ds)[0].planes[0], bits)
    assert np.array_equal(ds.pixel_array, values)


@pytest.mark.parametrize(
    "bad",
    [
        overlay(0x6000, 0, 5, b"\xff" * 8),
        overlay(0x6000, 65535, 65535, b"\xff" * 8),
        overlay(0x6000, 9, 9, b"\xff" * 8),
        overlay(0x6000, 4, 5, b"\xff" * 4, frames=9),
        overlay(0x6000, 4, 5, b"\xff" * 4, frames=-1),
        overlay(0x6000, 4, 5, None, position=15),
        overlay(0x6000, 4, 5, None, position=3),
        overlay(0x6000, 4, 5, None, position=200),
        element(0x60003000, "OW", b"\xff" * 4),
        number(0x60000010, 4),
    ],
)
def test_planes_that_cannot_be_are_left_out_and_told(bad):
    good = overlay(0x6002, 4, 5, b"\xff\xff\xff\xff")
    deviations = []
    found = read_overlays(dicomwire.dcmread(image(bad, good)), deviations)
    assert [one.group for one in found] == [0x6002]
    assert [(deviation.kind, deviation.path) for deviation in deviations] == [("overlay", "60003000")]


def test_odd_groups_are_private():
    data = image(overlay(0x6001, 4, 5, b"\xff\xff\xff\xff"), overlay(0x601E, 4, 5, b"\xff\xff\xff\xff"))
    assert [one.group for one in read_overlays(dicomwire.dcmread(data))] == [0x601E]
