"""YBR to RGB: all colours against exact arithmetic."""

import numpy as np
import pytest

from _dicomwire.colour import ybr_to_rgb


def exact(y, cb, cr):
    """R, G, B with halves rounded up, in whole numbers (PS3.3 section C.7.6.3.1.2)."""
    red = (2 * (1000 * y + 1402 * cr) + 1000) // 2000
    green = (2 * (587000 * y - 1772 * 114 * cb - 1402 * 299 * cr) + 587000) // (2 * 587000)
    blue = (2 * (1000 * y + 1772 * cb) + 1000) // 2000
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255)


def test_all_colours_of_8_bits():
    wrong = np.zeros(3, dtype=int)
    cb, cr = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    for y in range(256):
        source = np.stack([np.full_like(cb, y), cb, cr], axis=-1).astype(np.uint8)
        target = np.empty_like(source)
        ybr_to_rgb(source, target)
        expected = exact(y, cb - 128, cr - 128)
        assert np.abs(target - expected).max() <= 1
        wrong += (target != expected).sum(axis=(0, 1))
    # Of 16.7 million: sums that are within a millionth of a half.
    assert wrong[0] == wrong[2] == 0
    assert wrong[1] < 300


@pytest.mark.parametrize("pairs", [1, 2, 5, 255, 256, 257, 1000])
def test_shared_colour_differences_are_those_of_each_pixel(pairs):
    source = np.random.default_rng(pairs).integers(0, 256, (pairs, 4)).astype(np.uint8)
    whole = np.empty((pairs, 2, 3), np.uint8)
    whole[:, 0, 0], whole[:, 1, 0] = source[:, 0], source[:, 1]
    whole[:, :, 1:] = source[:, None, 2:]
    expected, found = np.empty_like(whole), np.empty(6 * pairs + 1, np.uint8)
    found[-1] = 77
    ybr_to_rgb(whole, expected)
    ybr_to_rgb(source, found[:-1], subsampled=True)
    assert np.array_equal(found[:-1], expected.ravel())
    assert found[-1] == 77


def test_wide_samples_are_those_of_8_bits_at_their_scale():
    source = np.random.default_rng(1).integers(0, 256, (100, 3)).astype(np.uint16)
    narrow, wide = np.empty((100, 3), np.uint8), np.empty((100, 3), np.uint16)
    ybr_to_rgb(source.astype(np.uint8), narrow)
    for stored in (9, 12, 16):
        ybr_to_rgb(source << (stored - 8), wide, stored)
        assert np.abs((wide.astype(float) / (1 << (stored - 8))) - narrow).max() <= 1


def test_partial_range():
    source = np.array([[16, 128, 128], [235, 128, 128], [81, 90, 240], [145, 54, 34], [41, 240, 110]], np.uint8)
    target = np.empty_like(source)
    ybr_to_rgb(source, target, partial=True)
    expected = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert np.abs(target.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: ybr_to_rgb(bytes(2), bytearray(3)),
        lambda: ybr_to_rgb(bytes(6), bytearray(6), 7),
        lambda: ybr_to_rgb(bytes(6), bytearray(6), 17),
        lambda: ybr_to_rgb(bytes(6), bytearray(6), 12, subsampled=True),
        lambda: ybr_to_rgb(bytes(3), bytearray(6), subsampled=True),
        lambda: ybr_to_rgb(bytes(8), bytearray(9), subsampled=True),
    ],
)
def test_lengths_that_do_not_fit_are_refused(call):
    with pytest.raises(ValueError, match=r"need|expected"):
        call()
