"""``dicomwire image``: one frame, a contact sheet, and what cannot be shown."""

import sys

import numpy as np
import pytest
from click.testing import CliRunner

import dicomwire
from dicomwire.cli.__main__ import cli
from dicomwire.pixel import render
from tests.builders import element, part10
from tests.pixel.images import native, number
from tests.pixel.states import annotated, displayed, graphic, state
from tests.pixel.test_grey import VALUES, grey, window
from tests.pixel.test_overlays import overlay

Image = pytest.importorskip("PIL.Image")


def run(*arguments):
    result = CliRunner().invoke(cli, ["image", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def picture(path):
    with Image.open(path) as shown:
        return np.asarray(shown)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "image.dcm"
    values = np.stack([VALUES, VALUES[::-1]])
    path.write_bytes(
        grey(values.tobytes(), window("100\\2000", "50\\3000") + overlay(0x6000, 1, 1, b"\1\0"), frames="2")
    )
    return path


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["--frame", "-1"], {"frame": -1}),
        (["--voi", "1"], {"voi_index": 1}),
        (["--window", "40,400.5"], {"window": (40, 400.5)}),
        (["--window", "minmax", "--no-overlays"], {"window": "minmax", "overlays": False}),
    ],
)
def test_a_frame_is_what_render_gives(file, tmp_path, arguments, options):
    target = tmp_path / "frame.png"
    assert run(file, "-o", target, *arguments).exit_code == 0
    assert np.array_equal(picture(target), render(dicomwire.dcmread(file), **options))
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_colours_and_a_presentation_state(file, tmp_path):
    colour = tmp_path / "colour.dcm"
    colour.write_bytes(native(bytes(range(48)), samples=3, photometric="RGB"))
    assert run(colour, "-o", tmp_path / "c.bmp").exit_code == 0
    assert picture(tmp_path / "c.bmp").ravel().tolist() == list(range(48))
    state = tmp_path / "state.dcm"
    state.write_bytes(part10(number(0x00700042, 180)))
    assert run(file, "-o", tmp_path / "s.png", "--presentation-state", state).exit_code == 0
    # Without the windows of the file, and without its overlay, which the state does not activate.
    assert np.array_equal(picture(tmp_path / "s.png")[::-1, ::-1], np.floor(VALUES * (255 / 4095) + 0.5))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["--no-annotations"], {"annotations": False}),
        (["--no-area"], {"area": False}),
        (["--no-shutters"], {"shutters": False}),
        (["--size", "20,30"], {"size": (20, 30)}),
        (["--display-spacing", "0.25"], {"display_spacing_mm": 0.25}),
    ],
)
def test_what_a_presentation_state_says(file, tmp_path, arguments, options):
    own = state(
        ShutterShape="CIRCULAR", CenterOfCircularShutter=[2, 2], RadiusOfCircularShutter=1, ShutterPresentationValue=0,
        GraphicAnnotationSequence=[annotated(graphic("POLYLINE", [0, 0, 4, 4]), graphic("CIRCLE", [1, 2, 3]))],
        DisplayedAreaSelectionSequence=[displayed((1, 1), (3, 4), "TRUE SIZE", PresentationPixelSpacing=[1.0, 1.0])],
    )  # fmt: skip
    own.save_as(tmp_path / "state.dcm")
    result = run(file, "-o", tmp_path / "s.png", "--presentation-state", tmp_path / "state.dcm", *arguments)
    assert result.exit_code == 0
    expected = render(dicomwire.dcmread(file), presentation_state=own, **options)
    assert np.array_equal(picture(tmp_path / "s.png"), expected)
    assert ("left out: GraphicData has 3 values" in result.stderr) == ("annotations" not in options)


def test_profiles_go_into_the_picture_or_are_applied(tmp_path):
    cms = pytest.importorskip("PIL.ImageCms")
    profile = cms.ImageCmsProfile(cms.createProfile("sRGB")).tobytes()
    ds = dicomwire.dcmread(native(bytes(range(48)), samples=3, photometric="RGB"))
    ds.ICCProfile = profile
    ds.save_as(tmp_path / "colour.dcm")
    for name, arguments, has_profile in (("a.png", [], True), ("b.png", ["--srgb"], False), ("c.bmp", [], False)):
        assert run(tmp_path / "colour.dcm", "-o", tmp_path / name, *arguments).exit_code == 0
        with Image.open(tmp_path / name) as shown:
            assert (shown.info.get("icc_profile", b"").rstrip(b"\0") == profile.rstrip(b"\0")) == has_profile
            assert np.abs(np.asarray(shown).ravel().astype(int) - range(48)).max() <= 1


def test_a_contact_sheet_of_a_folder(file, tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    for place in (3, 1, 2):
        more = element(0x00200013, "IS", f"{place} ".encode())
        data = native(bytes([place * 80] * 16), stored=8, high_bit=7, signed=0, more=b"")
        at = data.index(b"\x28\0\x02\0")
        (folder / f"{4 - place}.dcm").write_bytes(data[:at] + more + data[at:])
    (folder / "note.txt").write_text("no DICOM")
    (folder / "report.dcm").write_bytes(part10(element(0x00080060, "CS", b"SR")))
    result = run(folder, "-o", tmp_path / "sheet.png", "--sheet", "--tile", "16", "--window", "128,256")
    assert result.exit_code == 1  # of the note
    assert "note.txt" in result.stderr
    sheet = picture(tmp_path / "sheet.png")
    assert sheet.shape == (40, 40)
    # In order of Instance Number, whatever the files are called.
    levels = [sheet[10, 10], sheet[10, 30], sheet[30, 10]]
    assert levels == sorted(levels)
    assert len(set(levels)) == 3
    assert sheet[30, 30] == 32
    assert run(file, "-o", tmp_path / "two.png", "--sheet").exit_code == 0


def test_what_cannot_be_shown(file, tmp_path, monkeypatch):
    for arguments in ([file, "-o", tmp_path / "x.gif"], [file, file, "-o", tmp_path / "x.png"],
                      [tmp_path, "-o", tmp_path / "x.png"],
                      [file, "-o", tmp_path / "x.png", "--window", "5"],
                      [file, "-o", tmp_path / "x.png", "--size", "5"]):  # fmt: skip
        assert run(*arguments).exit_code == 2
    for arguments, text in (
        (["--frame", "2"], "there are 2 frames"),
        (["--voi", "9"], "VOI 9"),
        (["--window", "5,0"], "width"),
        (["--size", "5,0"], "size=(5, 0)"),
    ):
        result = run(file, "-o", tmp_path / "x.png", *arguments)
        assert result.exit_code == 1
        assert text in result.stderr
        assert not (tmp_path / "x.png").exists()
    empty = tmp_path / "empty.dcm"
    empty.write_bytes(part10(element(0x00080060, "CS", b"SR")))
    assert "no pixel data" in run(empty, "-o", tmp_path / "x.png").stderr
    assert "no frames" in run(empty, "-o", tmp_path / "x.png", "--sheet").stderr
    monkeypatch.setitem(sys.modules, "PIL", None)
    result = run(file, "-o", tmp_path / "x.png")
    assert result.exit_code == 1
    assert "dicomwire[image]" in result.stderr
    assert not (tmp_path / "x.png").exists()
