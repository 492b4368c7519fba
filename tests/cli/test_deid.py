"""``dicomwire deid``: folders, keys, names, options, failures."""

import io
import os
import re
import signal

import pytest
from click.testing import CliRunner

import dicomwire
from dicomwire.cli import deid
from dicomwire.cli.__main__ import cli
from tests.deid.test_deid import instance, text


def run(*arguments):
    """The result of a command that must not raise."""
    result = CliRunner().invoke(cli, ["deid", *[str(argument) for argument in arguments]], input=io.BytesIO(b""))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "in"
    (where / "below").mkdir(parents=True)
    (where / "a.dcm").write_bytes(instance())
    (where / "below" / "b.dcm").write_bytes(instance(text(0x00080080, "LO", "Hospital"), uid="1.2.3.5"))
    (tmp_path / "key").write_bytes(b"0123456789abcdef0123\n")
    return where


def written(where):
    return sorted(os.path.relpath(os.path.join(at, name), where) for at, _, names in os.walk(where) for name in names)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder(folder, tmp_path, workers):
    result = run(folder, "--to", tmp_path / "out", "--key-file", tmp_path / "key", "--workers", workers)
    assert result.exit_code == 0
    assert result.stderr.startswith("deid: 2 files, ")
    names = written(tmp_path / "out")
    assert len(names) == 2
    for name in names:
        ds = dicomwire.dcmread(tmp_path / "out" / name)
        assert name == f"{ds.SOPInstanceUID}.dcm"
        assert ds.PatientIdentityRemoved == "YES"
        assert "InstitutionName" not in ds
    run(folder, "--to", tmp_path / "again", "--key-file", tmp_path / "key")
    assert written(tmp_path / "again") == names
    run(folder, "--to", tmp_path / "other")
    assert not set(written(tmp_path / "other")) & set(names)


def test_names_and_options(folder, tmp_path):
    result = run(folder, "--to", tmp_path / "out", "--keep-names", "--retain", "institution", "--retain", "uids")
    assert result.exit_code == 0
    assert written(tmp_path / "out") == ["a.dcm", os.path.join("below", "b.dcm")]
    ds = dicomwire.dcmread(tmp_path / "out" / "below" / "b.dcm")
    assert (ds.InstitutionName, ds.SOPInstanceUID) == ("Hospital", "1.2.3.5")


def test_files_of_one_name(folder, tmp_path):
    """Their UIDs tell them apart, unless they are to keep their names."""
    (folder / "below" / "a.dcm").write_bytes(instance(uid="1.2.3.6"))
    both = [folder / "a.dcm", folder / "below" / "a.dcm", "--to", tmp_path / "out"]
    assert run(*both).exit_code == 0
    assert len(written(tmp_path / "out")) == 2
    result = run(*both, "--keep-names")
    assert result.exit_code == 2
    assert "would both be" in result.stderr


def test_failures(folder, tmp_path):
    (folder / "c.txt").write_bytes(b"nothing")
    result = run(folder, "--to", tmp_path / "out")
    assert result.exit_code == 1
    assert "2 files" in result.stderr
    assert "1 failed" in result.stderr
    result = run(folder, "--to", tmp_path / "out", "--retain", "uids", "--keep-names")
    result = run(folder, "--to", tmp_path / "out", "--retain", "uids", "--keep-names")
    assert result.exit_code == 1
    assert "3 failed" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--retain", "full-dates", "--retain", "modified-dates"], 2, "either"),
        (["--clean", "pixel-data"], 1, "clean_pixel_data needs a function"),
        (["--retain-private", "MAKER"], 2, "expected CREATOR"),
        (["--retain-private", "MAKER,0010,01"], 2, "an odd group"),
    ],
)
def test_what_cannot_be(folder, tmp_path, arguments, status, words):
    result = run(folder, "--to", tmp_path / "out", *arguments)
    assert result.exit_code == status
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_short_keys(folder, tmp_path):
    (tmp_path / "key").write_bytes(b"short")
    assert run(folder, "--to", tmp_path / "out", "--key-file", tmp_path / "key").exit_code == 2


def test_files_that_are_there(folder, tmp_path):
    arguments = (folder, "--to", tmp_path / "out", "--key-file", tmp_path / "key")
    assert run(*arguments).exit_code == 0
    before = {name: (tmp_path / "out" / name).read_bytes() for name in written(tmp_path / "out")}
    again = run(*arguments)
    assert again.exit_code == 1
    for name in before:
        assert f"{tmp_path / 'out' / name} is there already" in again.stderr
    (tmp_path / "out" / next(iter(before))).write_bytes(b"other")
    assert run(*arguments, "--overwrite").exit_code == 0
    assert {name: (tmp_path / "out" / name).read_bytes() for name in written(tmp_path / "out")} == before


def test_files_that_are_not_dicom(folder, tmp_path):
    (folder / "notes.txt").write_text("nothing")
    result = run(folder, "--to", tmp_path / "out")
    assert result.exit_code == 1
    assert "notes.txt: this is not DICOM" in result.stderr
    result = run(folder, "--to", tmp_path / "other", "--skip-foreign")
    assert result.exit_code == 0
    assert re.match(r"deid: 2 files, [\d,]+ bytes, 0 failed, 1 not DICOM, ", result.stderr)


def test_an_interrupted_command_says_what_it_did(folder, tmp_path, monkeypatch):
    real, calls = deid.deidentify_file, []

    def interrupted(source, target, **options):
        signal.raise_signal(signal.SIGINT)
        assert not calls
        calls.append(source)
        return real(source, target, **options)

    monkeypatch.setattr(deid, "deidentify_file", interrupted)
    result = run(folder, "--to", tmp_path / "out")
    assert result.exit_code == 130
    assert re.match(r"deid: 1 files, [\d,]+ bytes, 0 failed, interrupted, 1 left, ", result.stderr)
    assert len(written(tmp_path / "out")) == 1
