"""Presentation states as a whole: beside DCMTK's dcmp2pgm; kinds, colours, pseudo-colours."""

import io
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

import dicomwire
from dicomwire.errors import PixelError, UnsupportedError
from dicomwire.pixel import render
from dicomwire.pixel.presentation import cielab_to_rgb
from tests.builders import element, item, sequence
from tests.pixel.states import COLOR, PSEUDO_COLOR, displayed, image, made, referring, state
from tests.pixel.test_grey import VALUES, grey, rescale, window, words
from tests.pixel.test_lookup import table
from tests.pixel.test_overlays import overlay, packed
from tests.pixel.test_rendering import read_pnm, with_uid
from tests.support import missing

NOISE = np.random.default_rng(3).integers(0, 4096, (9, 12)).astype("<u2")
BITS = np.random.default_rng(4).integers(0, 2, (5, 6)).astype(np.uint8)
LUT = [round(1023 * (n / 510 + n * n / 130050)) for n in range(256)]


def voi(**values):
    return {"SoftcopyVOILUTSequence": [made(**values)]}


def lut(values, bits, **more):
    return made(LUTDescriptor=[len(values), 0, bits], LUTData=b"".join(v.to_bytes(2, "little") for v in values), **more)


# Attributes of a presentation state beside those that dcmpsmk has made; those with None are taken out.
STATES = {
    "nothing": {},
    "rescale": {"RescaleSlope": 2.5, "RescaleIntercept": -1000, "RescaleType": "HU"},
    "window": voi(WindowCenter=1500, WindowWidth=900),
    "rescale and window": {
        "RescaleSlope": 2, "RescaleIntercept": -1000, "RescaleType": "HU", **voi(WindowCenter=1000, WindowWidth=3000),
    },
    "VOI LUT": voi(VOILUTSequence=[lut([min(65535, 16 * n) for n in range(4096)], 16)]),
    "inverse": {"PresentationLUTShape": "INVERSE", **voi(WindowCenter=1500, WindowWidth=900)},
    "Presentation LUT": {
        "PresentationLUTShape": None, "PresentationLUTSequence": [lut(LUT, 10)],
        **voi(WindowCenter=2000, WindowWidth=4000),
    },
    **{
        f"{rotation}{flip}": {"ImageRotation": rotation, "ImageHorizontalFlip": flip}
        for rotation in (0, 90, 180, 270) for flip in "NY"
    },
    "bitmap": {"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x6000, "ShutterPresentationValue": 0x8000},
}  # fmt: skip


def add_overlay(ds, data):
    for each in image(b"", data):
        if each.tag >> 16 == 0x6000:
            ds.add(each)


PRINTING = """[[GENERAL]]
[PRINT]
Directory = {folder}
MinPrintResolution = 300\\200
[DATABASE]
Directory = {folder}
[[COMMUNICATION]]
[PRINTER]
Type = LOCALPRINTER
Aetitle = PRINTER
Hostname = localhost
Port = 10005
DisplayFormat = 1,1
"""
# Corners of the displayed area, as column and row, rotation and flip.
AREAS = {
    "whole": ((1, 1), (80, 60), 0, "N"),
    "a part": ((11, 6), (40, 35), 0, "N"),
    "beyond": ((-9, -4), (40, 35), 0, "N"),
    "turned": ((11, 6), (70, 35), 90, "N"),
    "turned and flipped": ((11, 6), (70, 35), 270, "Y"),
    "upside down": ((70, 35), (11, 6), 180, "N"),
    "flipped": ((70, 6), (11, 35), 0, "Y"),
}


@pytest.mark.peers
@pytest.mark.parametrize("name", AREAS)
def test_areas_that_dcmtk_prints(name, tmp_path):
    """dcmpsprt makes the displayed area as large as it takes to have so many pixels."""
    if shutil.which("dcmpsprt") is None or shutil.which("dcmpsmk") is None:
        missing("dcmpsprt and dcmpsmk of DCMTK are not on the path (Debian: apt-get install dcmtk)")
    top_left, bottom_right, rotation, flip = AREAS[name]
    ramp = np.add.outer(np.arange(60) * 30, np.arange(80) * 20).astype("<u2")
    ds = dicomwire.dcmread(with_uid(grey(ramp.tobytes(), rows=60, columns=80)))
    ds.SOPClassUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3", "1.2.3.5"
    ds.save_as(tmp_path / "image.dcm")
    subprocess.run(["dcmpsmk", tmp_path / "image.dcm", tmp_path / "state.dcm"], check=True)
    own = dicomwire.dcmread(tmp_path / "state.dcm")
    own.update({"ImageRotation": rotation, "ImageHorizontalFlip": flip})
    own.DisplayedAreaSelectionSequence = [displayed(top_left, bottom_right, PresentationPixelAspectRatio=[1, 1])]
    own.save_as(tmp_path / "changed.dcm")
    (tmp_path / "printed").mkdir()
    (tmp_path / "print.cfg").write_text(PRINTING.format(folder=tmp_path / "printed"))
    command = ["dcmpsprt", "-c", tmp_path / "print.cfg", "+p", tmp_path / "changed.dcm", tmp_path / "image.dcm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (printed,) = (tmp_path / "printed").glob("HG*")
    theirs = dicomwire.dcmread(printed).pixel_array * (255 / 4095)
    ours = render(ds, presentation_state=own, size=theirs.shape)
    assert done.returncode == 0
    assert ours.shape == theirs.shape
    assert min(ours.shape) >= 200
    assert np.abs(ours - theirs).max() < 2  # half a level of rounding, and another interpolation


@pytest.mark.peers
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("name", STATES)
def test_what_dcmtk_shows(name, photometric, tmp_path):
    if shutil.which("dcmp2pgm") is None or shutil.which("dcmpsmk") is None:
        missing("dcmp2pgm and dcmpsmk of DCMTK are not on the path (Debian: apt-get install dcmtk)")
    # Its own transformations, which do not count.
    ds = dicomwire.dcmread(with_uid(grey(NOISE.tobytes(), window("700", "90") + rescale("3", "-7"), rows=9, columns=12,
                                         photometric=photometric)))  # fmt: skip
    ds.SOPClassUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3", "1.2.3.5"
    ds.save_as(tmp_path / "image.dcm")
    subprocess.run(["dcmpsmk", tmp_path / "image.dcm", tmp_path / "state.dcm"], check=True)
    own = dicomwire.dcmread(tmp_path / "state.dcm")
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType", "SoftcopyVOILUTSequence"):
        if keyword in own:
            del own[keyword]
    values = STATES[name]
    for keyword, value in values.items():
        if value is None:
            del own[keyword]
        else:
            own[keyword] = value
    if "ShutterShape" in values:
        add_overlay(own, overlay(0x6000, 5, 6, packed(BITS), origin=(2, 3)))
    own.save_as(tmp_path / "changed.dcm")
    done = subprocess.run(
        ["dcmp2pgm", "-p", tmp_path / "changed.dcm", tmp_path / "image.dcm", tmp_path / "out.pgm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    theirs = read_pnm((tmp_path / "out.pgm").read_bytes())
    ours = render(ds, presentation_state=dicomwire.dcmread(tmp_path / "changed.dcm"))
    assert ours.shape == theirs.shape
    # One level of rounding; of a Presentation LUT it takes the entry below, we the nearest one.
    assert np.abs(ours.astype(int) - theirs).max() <= (2 if name == "Presentation LUT" else 1)


def test_a_bitmap_shutter_is_turned():  # DCMTK loses it
    ds = dicomwire.dcmread(grey(NOISE.tobytes(), rows=9, columns=12))
    own = state(ShutterShape="BITMAP", ShutterOverlayGroup=0x6000, ShutterPresentationValue=65535)
    add_overlay(own, overlay(0x6000, 5, 6, packed(BITS), origin=(2, 3)))
    plain = render(ds, presentation_state=own)
    assert np.array_equal(plain[1:6, 2:8] == 255, BITS == 1)
    own.ImageRotation, own.ImageHorizontalFlip = 270, "Y"
    assert np.array_equal(render(ds, presentation_state=own), np.rot90(plain)[:, ::-1])


@pytest.mark.peers
def test_what_highdicom_writes(pydicom_files):
    hd = pytest.importorskip("highdicom")
    path = pydicom_files.get("CT_small.dcm") or missing("CT_small.dcm of pydicom is not here")
    source = pydicom.dcmread(path)
    common = {
        "referenced_images": [source], "series_instance_uid": "1.2.3", "series_number": 1, "instance_number": 1,
        "sop_instance_uid": "1.2.3.4", "manufacturer": "M", "manufacturer_model_name": "M", "software_versions": "1",
        "device_serial_number": "1", "content_label": "LABEL",
    }  # fmt: skip
    layer = hd.pr.GraphicLayer("L", order=1, description="d", display_color=hd.color.CIELabColor(87.7, -79.3, 81))
    triangle = hd.pr.GraphicObject("POLYLINE", np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.1]]), "DISPLAY",
                                   is_filled=True)  # fmt: skip
    circle = hd.pr.GraphicObject("CIRCLE", np.array([[64.0, 64.0], [94.0, 64.0]]), "PIXEL")
    annotation = hd.pr.GraphicAnnotation([source], layer, graphic_objects=[triangle, circle])
    window = hd.pr.SoftcopyVOILUTTransformation(window_center=40.0, window_width=400.0)
    grey = hd.pr.GrayscaleSoftcopyPresentationState(
        **common, graphic_layers=[layer], graphic_annotations=[annotation], voi_lut_transformations=[window]
    )
    ds = dicomwire.dcmread(path)
    plain = render(ds, window=(40, 400))
    deviations = []
    found = render(ds, presentation_state=reencoded(grey), deviations=deviations)
    assert deviations == []
    green = np.abs(found.astype(int) - [0, 255, 0]).max(axis=2) <= 20
    assert green.sum() == pytest.approx(0.32 * 128 * 128 + np.pi * 60 * 0.55, rel=0.05)
    assert green[13, 20]
    assert green[64, 34]
    assert np.array_equal(found[~green], np.repeat(plain[~green][:, None], 3, axis=1))
    colours = np.random.default_rng(6).integers(0, 65536, (3, 256)).astype(np.uint16)
    names = ("red", "green", "blue")
    luts = [hd.PaletteColorLUT(0, values, name) for values, name in zip(colours, names, strict=True)]
    pseudo = hd.pr.PseudoColorSoftcopyPresentationState(
        **common, palette_color_lut_transformation=hd.PaletteColorLUTTransformation(*luts)
    )
    found = render(ds, presentation_state=reencoded(pseudo), window=(40, 400))
    assert np.abs(found.astype(int) - (colours.T / 257)[plain]).max() <= 1


def reencoded(state):
    file = io.BytesIO()
    state.save_as(file)
    return dicomwire.dcmread(file.getvalue(), policy="strict")


# ------------------------------------------------------------------------------------------------------------ kinds


def test_other_kinds_of_states():
    ds = image(bytes(16))
    for last in (4, 6, 8, 12):
        with pytest.raises(UnsupportedError, match=r"PS3\.3 A\.33"):
            render(ds, presentation_state=state(f"1.2.840.10008.5.1.4.1.1.11.{last}"))
    with pytest.raises(UnsupportedError, match="subtracted"):
        render(ds, presentation_state=state(MaskSubtractionSequence=[made(MaskOperation="AVG_SUB")]))
    assert render(ds, presentation_state=state("1.2.840.10008.5.1.4.1.1.11.5")).shape == (4, 4)


def test_pseudo_colours():
    ds = dicomwire.dcmread(with_uid(grey(VALUES.tobytes(), photometric="MONOCHROME1")))
    red = np.random.default_rng(9).integers(0, 256, 16)
    colours = np.stack([np.roll(red, shift) for shift in range(3)], axis=-1)
    own = state(PSEUDO_COLOR, **voi(WindowCenter=2048, WindowWidth=4096), PresentationLUTShape="INVERSE")
    for each in image(b"", table(16, 0, 8, red)):
        if "Palette" in each.keyword:
            own.add(each)
    found = render(ds, presentation_state=own)
    assert found.shape == (4, 4, 3)
    # 4096 levels in 16 colours, rounded to the nearest.
    index = np.floor(np.clip((VALUES - 2047.5) / 4095 + 0.5, 0, 1) * 15 + 0.5).astype(int)
    assert np.array_equal(found, colours[index])


def test_which_of_several_windows():
    ds = dicomwire.dcmread(with_uid(grey(VALUES.tobytes(), window("10", "20"))))
    two = state(**voi(WindowCenter=[1000, 3000], WindowWidth=[500, 600]))
    first, second = (render(ds, presentation_state=two, voi_index=index) for index in (0, 1))
    assert np.array_equal(first, render(ds, presentation_state=two))
    assert np.array_equal(second, render(ds, window=(3000, 600)))
    assert np.array_equal(render(ds, presentation_state=two, window=(3000, 600)), second)
    for each in (two, state(), state(SoftcopyVOILUTSequence=[referring("9.9", WindowCenter=1, WindowWidth=2)])):
        with pytest.raises(IndexError, match="VOI 2"):
            render(ds, presentation_state=each, voi_index=2)


def test_wide_and_floating_point_values_without_a_window_are_spread_out():
    from tests.pixel.images import native

    values = np.array([[0.0, 0.5, 1.0, -1.0]], np.float32)
    data = native(values.tobytes(), tag=0x7FE00008, vr="OF", rows=1, allocated=32)
    assert render(dicomwire.dcmread(data), presentation_state=state()).tolist() == [[128, 191, 255, 0]]


def test_a_modality_table_is_as_wide_as_its_entries():
    ramp = sequence(
        0x00283000, item(element(0x00283002, "US", words(4096, 0, 8)) + element(0x00283006, "US", words(*[200] * 4096)))
    )
    own = dicomwire.dcmread(grey(b"", ramp))
    assert (render(dicomwire.dcmread(grey(VALUES.tobytes())), presentation_state=own) == 200).all()


# ---------------------------------------------------------------------------------------------------------- colours


def test_cielab_values_are_those_of_littlecms():
    Image, ImageCms = pytest.importorskip("PIL.Image"), pytest.importorskip("PIL.ImageCms")
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    into = ImageCms.buildTransform(*profiles, "RGB", "LAB", renderingIntent=1)
    steps = [(r, g, b) for r in range(0, 256, 51) for g in range(0, 256, 51) for b in range(0, 256, 51)]
    distances = []
    for colour in steps:
        encoded = ImageCms.applyTransform(Image.new("RGB", (1, 1), colour), into).getpixel((0, 0))
        found = cielab_to_rgb([value * 257 for value in encoded])  # 8 bits of each: that is all it has
        distances.append(max(abs(a - b) for a, b in zip(found, colour, strict=True)))
    assert max(distances) <= 30  # dark blue, where 8 bits are coarse
    assert np.mean(distances) < 3
    assert cielab_to_rgb([65535, 32896, 32896]) == (255, 255, 255)
    assert cielab_to_rgb([0, 32896, 32896]) == (0, 0, 0)
    assert cielab_to_rgb([35090, 32896, 32896]) == (128, 128, 128)
    with pytest.raises(PixelError, match="beyond"):
        cielab_to_rgb([70000, 0, 0])


def test_a_colour_state_turns_and_cuts_colours():
    values = np.random.default_rng(8).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    ds = image(values.tobytes(), samples=3, photometric="RGB")
    own = state(COLOR, ImageRotation=90, ImageHorizontalFlip="N")
    assert np.array_equal(render(ds, presentation_state=own), np.rot90(values, -1))
