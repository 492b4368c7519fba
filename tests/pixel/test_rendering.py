"""Rendered frames, beside DCMTK's dcmj2pnm and step by step."""

import re
import shutil
import struct
import subprocess

import numpy as np
import pytest

import dicomwire
from dicomwire.errors import DicomWireError, PixelError
from dicomwire.pixel import apply_modality_lut, apply_voi_lut, render, to_rgb
from tests.builders import element, item, part10, sequence
from tests.pixel.images import native, number
from tests.pixel.test_grey import VALUES, functional_groups, grey, rescale, text, window, words
from tests.pixel.test_lookup import table
from tests.pixel.test_overlays import overlay
from tests.support import missing

# Where the two are meant to differ, and why.
OTHERWISE = {
    "rle.dcm": "padding is left out of what is spread out",
    "eCT_Supplemental.dcm": "its windows are in functional groups, which DCMTK does not look into",
    "rtdose_expb.dcm": "32 bits in big endian words: pydicom has the values that we have, DCMTK the halves exchanged",
    "rtdose_expb_1frame.dcm": "as rtdose_expb.dcm",
    **{f"brain_{n:03}.dcm": "a window of width 0 is none" for n in range(1, 21)},
    "explicit_big.dcm": "a window of width 0 is none",
}


def read_pnm(data):
    match = re.match(rb"(P[56])\s+(\d+)\s+(\d+)\s+255\s", data)
    assert match is not None
    kind, columns, rows = match.groups()
    start = len(data) - int(columns) * int(rows) * (3 if kind == b"P6" else 1)
    shape = (int(rows), int(columns), 3) if kind == b"P6" else (int(rows), int(columns))
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def rendered_by_dcmtk(ds, path, target):
    """The first frame with the first window or table of the file, else from its least to its greatest value."""
    how = ["+Wm"]
    if ds.get("WindowCenter") is not None:
        how = ["+Wi", "1"]
    elif ds.get("VOILUTSequence"):
        how = ["+Wl", "1"]
    target.unlink(missing_ok=True)
    command = ["dcmj2pnm", "+F", "1", *how, "+op", str(path), str(target)]
    done = subprocess.run(command, capture_output=True, check=False)
    return read_pnm(target.read_bytes()) if done.returncode == 0 and target.exists() else None


@pytest.mark.peers
def test_real_files_look_as_dcmtk_shows_them(real_files, tmp_path):
    if shutil.which("dcmj2pnm") is None:
        missing("dcmj2pnm is not on the path (Debian: apt-get install dcmtk)")
    pytest.importorskip("imagecodecs")
    compared, different = 0, []
    for _, path in real_files:
        ds = dicomwire.dcmread(path, force=True)
        if "PixelData" not in ds or path.stat().st_size > 2_000_000:
            continue
        theirs = rendered_by_dcmtk(ds, path, tmp_path / "frame.pnm")
        if theirs is None:
            continue
        try:
            ours = render(ds)
        except DicomWireError as error:
            different.append(f"{path.name}: {error}")
            continue
        compared += 1
        # One level of rounding; two where colours are converted from tables.
        most = 2 if ours.ndim == 3 else 1
        if ours.shape != theirs.shape or np.abs(ours.astype(int) - theirs).max() > most:
            different.append(path.name)
    assert sorted(set(different) - set(OTHERWISE)) == []
    assert compared > 150


# ------------------------------------------------------------------------------------------------------ step by step


def show(data, **options):
    return render(dicomwire.dcmread(data), **options)


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR", "SIGMOID"])
def test_the_table_gives_what_the_steps_give(signed, photometric, function):
    values = VALUES - 2048 * signed
    data = grey(values.tobytes(), rescale("2", "-1024") + window("500", "3000", function), signed=signed,
                photometric=photometric)  # fmt: skip
    ds = dicomwire.dcmread(data)
    steps = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds)
    assert np.array_equal(render(ds), 255 - steps if photometric == "MONOCHROME1" else steps)
    explicit = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds, window=(40, 400))
    if function == "LINEAR":
        shown = render(ds, window=(40, 400))
        assert np.array_equal(shown, 255 - explicit if photometric == "MONOCHROME1" else explicit)


def test_without_a_window_and_with_padding():
    values = np.array([[100, 200, 300, 4000]], "<u2")
    data = grey(values.tobytes(), rows=1)
    assert show(data).tolist() == [[0, 7, 13, 255]]
    assert show(data, window="minmax").tolist() == [[0, 7, 13, 255]]
    padded = grey(values.tobytes(), element(0x00280120, "US", words(4000)), rows=1)
    assert show(padded).tolist() == [[0, 128, 255, 0]]
    assert show(grey(values.tobytes(), window("0", "0"), rows=1)).tolist() == [[0, 7, 13, 255]]
    with pytest.raises(PixelError, match="width"):
        show(grey(values.tobytes(), window("0", "0"), rows=1), voi_index=0)
    with pytest.raises(ValueError, match="window='auto'"):
        show(data, window="auto")
    with pytest.raises(IndexError):
        show(data, voi_index=1)
    with pytest.raises(IndexError):
        show(data, frame=1)


def test_floating_point_and_wide_frames():
    values = np.array([[0.0, 0.5, 1.0, -1.0]], np.float32)
    data = native(values.tobytes(), tag=0x7FE00008, vr="OF", rows=1, allocated=32)
    assert show(data).tolist() == [[128, 191, 255, 0]]
    wide = np.array([[0, 1 << 20, 1 << 21, 1 << 22]], "<u4")
    data = native(wide.tobytes(), rows=1, allocated=32, stored=32, high_bit=31, signed=0)
    assert show(data).tolist() == [[0, 64, 128, 255]]


def test_each_frame_has_its_window():
    values = np.stack([VALUES, VALUES])
    groups = functional_groups(
        ("1", "0", sequence(0x00289132, item(window("100", "50")))),
        ("1", "0", sequence(0x00289132, item(window("3000", "900")))),
    )
    data = grey(values.tobytes(), frames="2")
    at = data.index(b"\xe0\x7f\x10\0")
    ds = dicomwire.dcmread(data[:at] + groups + data[at:])
    for frame, pair in enumerate([(100, 50), (3000, 900)]):
        assert np.array_equal(render(ds, frame), apply_voi_lut(VALUES.astype(int), ds, window=pair))


def test_presentation_lut_shape():
    values = np.array([[0, 4095, 2048, 1]], "<u2")
    shaped = grey(values.tobytes(), rows=1)
    at = shaped.index(b"\xe0\x7f\x10\0")
    inverse = shaped[:at] + text(0x20500020, "INVERSE", "CS") + shaped[at:]
    assert show(inverse).tolist() == (255 - show(shaped)).tolist()


def test_colours_of_more_and_fewer_bits():
    values = np.arange(12, dtype="<u2").reshape(2, 2, 3) * 300
    data = native(values.tobytes(), rows=2, columns=2, samples=3, photometric="RGB", allocated=16, stored=12,
                  high_bit=11, signed=0)  # fmt: skip
    assert np.array_equal(show(data), values >> 4)
    few = native(bytes(range(12)), rows=2, columns=2, samples=3, photometric="RGB", stored=4, high_bit=3)
    assert show(few).ravel().tolist() == [value * 16 for value in range(12)]
    palette = native(bytes(16), photometric="PALETTE COLOR", stored=8, high_bit=7,
                     more=table(4, 0, 16, np.array([0x1234, 0x5678, 0x9ABC, 0xFFFF])))  # fmt: skip
    assert show(palette)[0, 0].tolist() == [0x12, 0xFF, 0x9A]


def test_to_rgb():
    values = np.arange(48, dtype=np.uint8)
    ds = dicomwire.dcmread(native(values.tobytes(), samples=3, photometric="YBR_FULL"))
    assert np.array_equal(to_rgb(ds.decode(raw=True), ds, raw=True), ds.pixel_array)
    assert np.array_equal(to_rgb(ds.pixel_array, ds), ds.pixel_array)
    with pytest.raises(PixelError, match="MONOCHROME2 has no colours"):
        to_rgb(VALUES, dicomwire.dcmread(grey(VALUES.tobytes())))


def test_overlays_are_drawn_in_white():
    data = grey(
        VALUES.tobytes(), overlay(0x6000, 2, 2, b"\x0f\0", origin=(2, 3)) + overlay(0x6002, 4, 4, b"\xff\xff", kind="R")
    )
    plain = show(data, overlays=False)
    drawn = show(data)
    assert (drawn[1:3, 2:4] == 255).all()
    drawn[1:3, 2:4] = plain[1:3, 2:4]
    assert np.array_equal(drawn, plain)
    colour = native(bytes(48), samples=3, photometric="RGB", more=overlay(0x6000, 2, 2, b"\x0f\0"))
    assert show(colour)[:2, :2].min() == 255
    assert show(colour)[2:].max() == 0


# ----------------------------------------------------------------------------------------------- presentation states


def state(*elements):
    return dicomwire.dcmread(part10(b"".join(elements)))


def softcopy_voi(*items):
    return sequence(0x00283110, *[item(each) for each in items])


def reference(uid, frames=None):
    found = element(0x00081150, "UI", b"1.2\0") + element(0x00081155, "UI", uid)
    if frames:
        found += text(0x00081160, frames, "IS")
    return sequence(0x00081140, item(found))


IMAGE = element(0x00080018, "UI", b"1.2.3.4\0")


def with_uid(data):
    at = data.index(struct.pack("<HH", 0x28, 2))
    return data[:at] + IMAGE + data[at:]


def test_a_presentation_state_takes_the_place_of_the_image():
    ds = dicomwire.dcmread(with_uid(grey(VALUES.tobytes(), window("2000", "4000"), photometric="MONOCHROME1")))
    found = render(ds, presentation_state=state(softcopy_voi(window("100", "50"))))
    assert np.array_equal(found, apply_voi_lut(VALUES, ds, window=(100, 50)))  # P-values: not inverted once more
    inverse = render(ds, presentation_state=state(softcopy_voi(window("100", "50")), text(0x20500020, "INVERSE", "CS")))
    assert np.array_equal(inverse, 255 - found)
    # Without any transformation an identity, and not the window of the image (PS3.4 section N.2).
    assert np.array_equal(render(ds, presentation_state=state()), np.floor(VALUES * (255 / 4095) + 0.5))
    slope = render(ds, presentation_state=state(rescale("2", "0"), softcopy_voi(window("100", "50"))))
    assert np.array_equal(slope, apply_voi_lut(VALUES.astype(int) * 2, ds, window=(100, 50)))


def test_which_item_of_a_presentation_state_is_meant():
    ds = dicomwire.dcmread(with_uid(grey(np.stack([VALUES, VALUES]).tobytes(), frames="2")))
    chosen = state(
        softcopy_voi(
            reference(b"9.9\0") + window("1", "2"),
            reference(b"1.2.3.4\0", "2") + window("100", "50"),
            reference(b"1.2.3.4\0") + window("3000", "100"),
        )
    )
    for frame, pair in ((0, (3000, 100)), (1, (100, 50))):
        assert np.array_equal(render(ds, frame, presentation_state=chosen), apply_voi_lut(VALUES, ds, window=pair))


def test_presentation_tables_and_turning():
    ds = dicomwire.dcmread(with_uid(grey(VALUES.tobytes())))
    table = RAMP[::-1]
    lut = sequence(
        0x20500010, item(element(0x00283002, "US", words(256, 0, 8)) + element(0x00283006, "US", words(*table)))
    )
    full = softcopy_voi(window("2048", "4096"))
    plain = render(ds, presentation_state=state(full))
    assert np.array_equal(render(ds, presentation_state=state(full, lut)), 255 - plain)
    turned = state(text(0x00700041, "Y", "CS"), number(0x00700042, 90), full)
    assert np.array_equal(render(ds, presentation_state=turned), np.rot90(plain, -1)[:, ::-1])
    drawn = state(overlay(0x6000, 1, 1, b"\1\0"), text(0x60001001, "A ", "CS"), number(0x00700042, 180), full)
    assert render(ds, presentation_state=drawn)[-1, -1] == 255


RAMP = list(range(256))


@pytest.mark.parametrize("name", ["CT_small.dcm", "examples_palette.dcm"])
def test_datasets_of_pydicom_are_taken(name):
    pydicom = pytest.importorskip("pydicom")
    path = pydicom.data.get_testdata_file(name)
    ours, theirs = dicomwire.dcmread(path), pydicom.dcmread(path)
    assert (dicomwire.pixel.decode(theirs) == ours.pixel_array).all()
    assert (render(theirs) == render(ours)).all()
    if name == "CT_small.dcm":
        values = apply_modality_lut(ours.pixel_array, theirs)
        assert (values == apply_modality_lut(ours.pixel_array, ours)).all()
        assert (apply_voi_lut(values, theirs) == apply_voi_lut(values, ours)).all()
    else:
        assert (to_rgb(ours.pixel_array, theirs) == to_rgb(ours.pixel_array, ours)).all()
