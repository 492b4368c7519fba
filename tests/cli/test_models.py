"""``dicomwire json``, ``xml`` and ``sr``: to standard output and to folders, failures, workers."""

import io
import json
import os
import xml.etree.ElementTree as ElementTree

import pytest
from click.testing import CliRunner

import dicomwire
from dicomwire.cli.__main__ import cli
from tests.builders import element, item, part10, plain, sequence


def run(*arguments, data=b""):
    """The result of a command that must not raise."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=io.BytesIO(data))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def folder(tmp_path):
    """Two images, one below, and a file that is none."""
    where = tmp_path / "in"
    (where / "below").mkdir(parents=True)
    (where / "a.dcm").write_bytes(part10(plain(pixels=bytes(2000))))
    (where / "below" / "b.dcm").write_bytes(part10(plain()))
    (where / "c.txt").write_bytes(b"nothing")
    return where


def test_json_one_line_for_each_file(folder):
    result = run("json", folder / "a.dcm", folder / "below" / "b.dcm")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines == [
        dicomwire.dcmread(folder / "a.dcm").to_json(),
        dicomwire.dcmread(folder / "below" / "b.dcm").to_json(),
    ]


def test_json_options(folder):
    found = json.loads(run("json", folder / "a.dcm", "--bulk", "omit").stdout)
    assert "7FE00010" not in found
    found = json.loads(run("json", folder / "a.dcm", "--bulk", "omit", "--threshold", 10**6).stdout)
    assert "7FE00010" in found
    assert "7FE00010" not in json.loads(run("json", folder / "a.dcm", "--stop-before-pixels").stdout)
    data = part10(element(0x00181150, "IS", b"+5"))
    assert json.loads(run("json", "-", "--strings", data=data).stdout) == {"00181150": {"vr": "IS", "Value": ["+5"]}}


def test_failures_are_told_and_the_rest_goes_on(folder):
    result = run("json", folder)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 2
    assert "c.txt" in result.stderr


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_folder(folder, tmp_path, form, workers):
    out = tmp_path / "out"
    result = run(form, folder, "--to", out, "--workers", workers)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"{form}: 2 files, ")
    assert " 1 failed" in result.stderr.splitlines()[-1]
    names = sorted(
        os.path.relpath(os.path.join(where, name), out) for where, _, files in os.walk(out) for name in files
    )
    assert names == [f"a.dcm.{form}", os.path.join("below", f"b.dcm.{form}")]
    text = (out / f"a.dcm.{form}").read_text()
    assert text == getattr(dicomwire.dcmread(folder / "a.dcm"), f"to_{form}")()


def test_xml(folder):
    result = run("xml", folder / "a.dcm")
    assert result.exit_code == 0
    assert ElementTree.fromstring(result.stdout).tag.endswith("NativeDicomModel")
    assert run("xml", folder).exit_code == 2
    assert run("xml", folder / "a.dcm", folder / "a.dcm").exit_code == 2
    assert run("json", folder, "--workers", 2).exit_code == 2


def test_two_files_do_not_become_one(folder):
    other = folder / "below" / "a.dcm"
    other.write_bytes(part10(plain()))
    result = run("json", folder / "a.dcm", other, "--to", folder / "x")
    assert result.exit_code == 2
    assert "would both be" in result.stderr
    assert not (folder / "x").exists()


def test_sr(tmp_path):
    code = sequence(
        0x0040A043,
        item(
            element(0x00080100, "SH", b"1 ")
            + element(0x00080102, "SH", b"DCM ")
            + element(0x00080104, "LO", b"Ti\x1btle")
        ),
    )
    content = sequence(0x0040A730, item(element(0x0040A040, "CS", b"TEXT") + element(0x0040A160, "UT", b"x\ny ")))
    report = part10(element(0x0040A040, "CS", b"CONTAINER ") + code + content)
    result = run("sr", "-", "--no-header", "--codes", data=report)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["Ti&#27;tle (1, DCM)", "  TEXT: x", "      y"]
    path = tmp_path / "image.dcm"
    path.write_bytes(part10(plain()))
    result = run("sr", path)
    assert result.exit_code == 1
    assert "no structured report" in result.stderr
    below = tmp_path / "below"
    below.mkdir()
    (below / "report.dcm").write_bytes(report)
    (below / "notes.txt").write_bytes(b"nothing")
    result = run("sr", tmp_path, "--no-header")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"# {below / 'report.dcm'}", "Ti&#27;tle", "  TEXT: x", "      y"]
    assert result.stderr == ""
    (below / "broken.dcm").write_bytes(part10(content)[:-12])
    result = run("sr", tmp_path, "--no-header", "--policy", "strict")
    assert result.exit_code == 1
    assert "broken.dcm" in result.stderr


def test_files_that_are_not_dicom_are_passed_over(folder, tmp_path):
    for command, *where in (("json",), ("json", "--to", tmp_path / "j"), ("xml", "--to", tmp_path / "x")):
        arguments = (command, folder, *where)
        assert run(*arguments).exit_code == 1
        result = run(*arguments, "--skip-foreign")
        assert result.exit_code == 0
        assert "c.txt" not in result.stderr
