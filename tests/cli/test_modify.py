"""``dicomwire modify`` and ``convert``: what is changed, what is left alone, what fails."""

import os
import re
import signal

import pytest
from click.testing import CliRunner

import dicomwire
from dicomwire.cli.__main__ import cli
from dicomwire.pixel.codecs import is_available
from tests.builders import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, element, item, part10, plain, sequence
from tests.support import missing


def run(*arguments):
    """The result of a command that must not raise."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def facts(result):
    """The counts of the summary by name."""
    return dict(re.findall(r"^(\w[\w ]*?)  +(\S.*)$", result.stdout, re.MULTILINE))


def file_data():
    return part10(plain() + sequence(0x00400275, item(element(0x00400009, "SH", b"STEP"))))


@pytest.fixture
def folder(tmp_path):
    """Two good files, one in a folder below, a broken one and a text."""
    data = tmp_path / "data"
    (data / "below").mkdir(parents=True)
    (data / "a.dcm").write_bytes(file_data())
    (data / "below" / "b.dcm").write_bytes(file_data())
    return data


def test_elements_are_set_inserted_and_deleted(folder):
    result = run(
        "modify", "-s", "PatientID=NEW", "-s", "0028,0010=512", "-s", "ImagePositionPatient=1\\2\\3.5",
        "-i", "Modality=MR", "-i", "StudyID=7", "-d", "PatientName", "-d", "PatientSex",
        "-s", "SliceProgressionDirection=", "-s", "RequestAttributesSequence.0.ScheduledProcedureStepID=S2",
        "-s", "SourceApplicationEntityTitle=ME", "--workers", "2", folder,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert facts(result)["written"] == "2"
    assert facts(result)["failed"] == "0"
    for name in ("a.dcm", "below/b.dcm"):
        ds = dicomwire.dcmread(folder / name, policy="strict")
        assert (ds.PatientID, ds.Rows, ds.ImagePositionPatient) == ("NEW", 512, [1, 2, 3.5])
        assert (ds.Modality, ds.StudyID) == ("CT", "7")
        assert "PatientName" not in ds
        assert ds.RequestAttributesSequence[0].ScheduledProcedureStepID == "S2"
        assert ds.file_meta.SourceApplicationEntityTitle == "ME"
    assert sorted(os.listdir(folder)) == ["a.dcm", "below"]


def test_what_needs_no_change_is_left_alone(folder):
    before = os.stat(folder / "a.dcm")
    result = run("modify", "-s", "PatientID=12345", "-d", "PatientSex", "-i", "Modality=MR", folder)
    assert result.exit_code == 0
    assert (facts(result)["unchanged"], facts(result)["written"]) == ("2", "0")
    after = os.stat(folder / "a.dcm")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_items_and_sequences(folder):
    path = folder / "a.dcm"
    assert run("modify", "-d", "RequestAttributesSequence.0", path).exit_code == 0
    assert len(dicomwire.dcmread(path).RequestAttributesSequence) == 0
    assert run("modify", "-d", "RequestAttributesSequence.0", path).exit_code == 0
    assert run("modify", "-s", "ReferencedImageSequence=", path).exit_code == 0
    assert len(dicomwire.dcmread(path).ReferencedImageSequence) == 0
    for wrong in ("RequestAttributesSequence.5.PatientID=x", "RequestAttributesSequence=x", "Rows=x", "Rows=70000"):
        before = path.read_bytes()
        result = run("modify", "-s", wrong, path)
        assert result.exit_code == 1
        assert facts(result)["failed"] == "1"
        assert wrong.split("=")[0] in result.stderr
        assert path.read_bytes() == before


def test_to_another_folder(folder, tmp_path):
    target = tmp_path / "out"
    result = run("modify", "-s", "PatientID=NEW", "--to", target, folder)
    assert result.exit_code == 0
    assert dicomwire.dcmread(target / "below" / "b.dcm").PatientID == "NEW"
    assert dicomwire.dcmread(folder / "a.dcm").PatientID == "12345"
    again = run("modify", "-s", "PatientID=TWO", "--to", target, folder)
    assert again.exit_code == 1
    assert facts(again)["failed"] == "2"
    assert dicomwire.dcmread(target / "a.dcm").PatientID == "NEW"
    assert run("modify", "-s", "PatientID=TWO", "--to", target, "--overwrite", folder / "a.dcm").exit_code == 0
    assert dicomwire.dcmread(target / "a.dcm").PatientID == "TWO"


def test_files_that_fail_do_not_stop_the_others(folder):
    (folder / "text.txt").write_text("not a DICOM file at all, but long enough")
    result = run("modify", "-s", "PatientID=NEW", folder)
    assert result.exit_code == 1
    assert facts(result)["written"] == "2"
    assert "text.txt" in result.stderr
    result = run("modify", "-s", "PatientID=TWO", "--skip-foreign", folder)
    assert result.exit_code == 0
    assert facts(result)["not DICOM"] == "1"
    assert (folder / "text.txt").read_text().startswith("not a DICOM")


@pytest.mark.parametrize(
    "arguments",
    [["x=1"], ["-s", "PatientID"], ["-s", "Patientid=1"], ["-d", "Nothing"], ["-d", "A.B"], ["-s", "PatientID.0=1"]],
)
def test_wrong_arguments(folder, arguments):
    assert run("modify", *arguments, folder).exit_code == 2
    assert run("modify", folder).exit_code == 2
    assert run("convert", folder).exit_code == 2
    assert run("convert", "-t", "nothing", folder).exit_code == 2


@pytest.mark.parametrize(
    ("word", "uid"),
    [("implicit", IMPLICIT), ("big", BIG_ENDIAN), ("DeflatedExplicitVRLittleEndian", DEFLATED), (EXPLICIT, EXPLICIT)],
)
def test_transfer_syntaxes(folder, word, uid):
    result = run("convert", "-t", word, folder)
    assert result.exit_code == 0, result.output
    assert facts(result)["unchanged" if uid == EXPLICIT else "written"] == "2"
    ds = dicomwire.dcmread(folder / "below" / "b.dcm", policy="strict")
    assert ds.transfer_syntax == uid
    assert ds.RequestAttributesSequence[0].ScheduledProcedureStepID == "STEP"


def test_lengths_and_what_takes_a_codec(folder, pydicom_files):
    if not is_available("1.2.840.10008.1.2.4.90"):
        missing("imagecodecs is not installed: pip install dicomwire[codecs]")
    assert run("convert", "--lengths", "undefined", folder).exit_code == 0
    assert dicomwire.dcmread(folder / "a.dcm")["RequestAttributesSequence"].is_undefined_length
    jpeg = folder / "jpeg.dcm"
    jpeg.write_bytes(pydicom_files["JPEG2000.dcm"].read_bytes())
    result = run("convert", "-t", "JPEGXLJPEGRecompression", jpeg)
    assert result.exit_code == 1
    assert "nothing encodes" in result.stderr
    assert jpeg.read_bytes() == pydicom_files["JPEG2000.dcm"].read_bytes()


@pytest.mark.parametrize(
    ("word", "uid"), [("rle", "1.2.840.10008.1.2.5"), ("jpeg-ls", "1.2.840.10008.1.2.4.80"), ("implicit", IMPLICIT),
                      ("deflated", DEFLATED), ("explicit", EXPLICIT)],
)  # fmt: skip
def test_pixels_are_decoded_and_encoded(folder, pydicom_files, word, uid):
    if not is_available("1.2.840.10008.1.2.4.90"):
        missing("imagecodecs is not installed: pip install dicomwire[codecs]")
    for name in ("JPEG2000.dcm", "CT_small.dcm"):
        path = folder / name
        path.write_bytes(pydicom_files[name].read_bytes())
        before = dicomwire.dcmread(path).pixel_array.copy()
        result = run("convert", "-t", word, path)
        assert result.exit_code == 0, result.output
        ds = dicomwire.dcmread(path)
        assert ds.transfer_syntax == uid
        assert (ds.pixel_array == before).all()


def test_no_file_takes_the_place_of_another(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.dcm").write_bytes(file_data())
    result = run("modify", "-s", "PatientID=X", folder, other, "--to", tmp_path / "out", "--overwrite")
    assert result.exit_code == 2
    assert "would both be" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_named_twice_is_changed_once(folder):
    result = run("modify", "-s", "PatientID=X", folder, folder / "a.dcm", folder / "below", "--workers", 4)
    assert result.exit_code == 0
    assert facts(result)["files"] == "2"
    assert dicomwire.dcmread(folder / "a.dcm").PatientID == "X"


def test_an_interrupted_command_says_what_it_did(folder, monkeypatch):
    from concurrent import futures

    real, calls = futures.wait, []

    def interrupted(*arguments, **options):
        if calls:
            signal.raise_signal(signal.SIGINT)
        calls.append(1)
        return real(*arguments, **options)

    for number in range(30):
        (folder / f"{number}.dcm").write_bytes(file_data())
    monkeypatch.setattr(futures, "wait", interrupted)
    result = run("modify", "--set", "PatientID=NEW", folder)
    assert result.exit_code == 130
    done = sum(dicomwire.dcmread(path).PatientID == "NEW" for path in folder.rglob("*.dcm"))
    assert 1 <= done < 32
    assert facts(result)["written"] == str(done)
    assert f"interrupted, {32 - done} files left" in result.stderr
