"""``dicomwire dicomdir``: the tree, missing files, file-sets made."""

import io
import os
import signal

import pytest
from click.testing import CliRunner

from dicomwire.cli.__main__ import cli
from dicomwire.file.file_set import FileSet
from tests.builders import element, part10


def run(*arguments):
    """The result of a command that must not raise."""
    result = CliRunner().invoke(cli, ["dicomdir", *[str(argument) for argument in arguments]], input=io.BytesIO(b""))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def image(number):
    def text(tag, vr, value):
        return element(tag, vr, value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2))

    return part10(
        text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2")
        + text(0x00080018, "UI", f"1.2.{number}")
        + text(0x00080060, "CS", "CT")
        + text(0x00100020, "LO", "P1")
        + text(0x0020000D, "UI", "1.2")
        + text(0x0020000E, "UI", "1.3")
        + text(0x00200013, "IS", str(number))
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(2):
        (tmp_path / "in" / f"{number}.dcm").write_bytes(image(number))
    return tmp_path / "in"


def test_a_file_set_is_made_and_listed(folder, tmp_path):
    root = tmp_path / "set"
    result = run("--create", root, "--file-set-id", "MINE", folder)
    assert result.exit_code == 0
    assert result.stderr.startswith("dicomdir: 2 files, 0 failed, ")
    result = run(root, "--check")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "PATIENT  P1",
        "  STUDY",
        "    SERIES  CT",
        "      IMAGE  0  PT000000/ST000000/SE000000/IM000000",
        "      IMAGE  1  PT000000/ST000000/SE000000/IM000001",
    ]
    os.remove(root / "PT000000" / "ST000000" / "SE000000" / "IM000001")
    assert run(root).exit_code == 0
    result = run(root, "--check")
    assert result.exit_code == 1
    assert "no such file" in result.stderr
    assert run("--create", root, folder).exit_code == 1


def test_failures(folder, tmp_path):
    (folder / "none.txt").write_bytes(b"nothing")
    result = run("--create", tmp_path / "set", folder)
    assert result.exit_code == 1
    assert "2 files, 1 failed" in result.stderr
    result = run(folder / "0.dcm", tmp_path / "absent")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    assert run("--create", tmp_path / "other", "--file-set-id", "small", folder).exit_code == 1


def test_an_interrupted_command_leaves_a_whole_file_set(folder, tmp_path, monkeypatch):
    real, calls = FileSet.add, []

    def interrupted(self, path):
        signal.raise_signal(signal.SIGINT)
        assert not calls
        calls.append(path)
        return real(self, path)

    monkeypatch.setattr(FileSet, "add", interrupted)
    result = run("--create", tmp_path / "set", folder)
    assert result.exit_code == 130
    assert result.stderr.startswith("dicomdir: 1 files, 0 failed, interrupted, 1 left, ")
    assert run(tmp_path / "set", "--check").exit_code == 0
