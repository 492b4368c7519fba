"""ICC profiles handed over, and applied by Pillow."""

import sys

import numpy as np
import pytest

from dicomwire.errors import PixelError, UnsupportedError
from dicomwire.pixel import icc_profile, render
from dicomwire.pixel.icc import is_rgb_profile, to_srgb
from tests.pixel.states import COLOR, image, made, state

VALUES = np.random.default_rng(8).integers(0, 256, (4, 4, 3)).astype(np.uint8)


@pytest.fixture
def swapped():
    """A profile that exchanges red and blue: that of sRGB with the names of its primaries exchanged."""
    cms = pytest.importorskip("PIL.ImageCms")
    profile = bytearray(cms.ImageCmsProfile(cms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


def with_profile(profile, **options):
    ds = image(VALUES.tobytes(), samples=3, photometric="RGB", **options)
    ds.ICCProfile = profile
    return ds


def test_whose_profile_is_handed_over(swapped):
    ds = with_profile(swapped)
    assert icc_profile(ds).rstrip(b"\0") == swapped.rstrip(b"\0")
    own = state(COLOR, ICCProfile=b"own!")
    assert icc_profile(ds, presentation_state=own) == b"own!"
    assert icc_profile(ds, presentation_state=state(COLOR)) == icc_profile(ds)
    plain = image(VALUES.tobytes(), samples=3, photometric="RGB")
    assert icc_profile(plain) is None
    plain.OpticalPathSequence = [made(ICCProfile=b"path"), made(ICCProfile=b"none")]
    assert icc_profile(plain) == b"path"


def test_a_profile_is_applied_where_it_is_asked_for(swapped):
    ds = with_profile(swapped)
    assert np.array_equal(render(ds), VALUES)
    found = render(ds, icc="srgb")
    assert np.abs(found.astype(int) - VALUES[..., ::-1]).max() <= 2
    assert np.array_equal(to_srgb(VALUES, swapped), found)
    # What has no profile, or no colours, stays what it is.
    assert np.array_equal(render(image(VALUES.tobytes(), samples=3, photometric="RGB"), icc="srgb"), VALUES)
    grey = image(bytes(range(16)))
    grey.ICCProfile = swapped
    assert np.array_equal(render(grey, icc="srgb"), render(grey))
    with pytest.raises(ValueError, match="icc='rgb'"):
        render(ds, icc="rgb")


def test_bytes_that_are_no_profile(swapped):
    assert is_rgb_profile(swapped)
    bad = [
        b"", b"x" * 3000, swapped[:127], swapped[:-200], swapped[:16] + b"GRAY" + swapped[20:],
        b"\xff" * 4 + swapped[4:], swapped[:128] + b"\xff" * (len(swapped) - 128),
    ]  # fmt: skip
    for profile in bad:
        with pytest.raises(PixelError, match=r"PS3\.3 C\.11\.15"):
            to_srgb(VALUES, profile)
    noise = np.random.default_rng(1)
    for _ in range(200):
        changed = bytearray(swapped)
        for place in noise.integers(0, len(swapped), 5):
            changed[place] = noise.integers(0, 256)
        try:
            assert to_srgb(VALUES, bytes(changed)).shape == VALUES.shape
        except PixelError:
            continue


def test_without_pillow(swapped, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UnsupportedError, match="dicomwire\\[image\\]"):
        render(with_profile(swapped), icc="srgb")
    assert icc_profile(with_profile(swapped))[:4] == swapped[:4]
