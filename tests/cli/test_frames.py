"""``dicomwire frames``: the list, one frame to a file or standard output, the index; files that are none."""

import os

import pytest
from click.testing import CliRunner

import dicomwire
from dicomwire.cli.__main__ import cli
from tests.pixel.images import END, START, WHOLE, encapsulated, native, offset_table


def run(*arguments):
    """The result of a command that must not raise."""
    result = CliRunner().invoke(cli, ["frames", *[str(argument) for argument in arguments]])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.dcm"
    path.write_bytes(encapsulated([START, END, WHOLE], frames="2"))
    return path


def rows(result):
    return [line.split() for line in result.stdout.splitlines()[1:]]


def test_the_list(image):
    result = run(image)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0].split() == ["frame", "offset", "length", "fragments"]
    reader = dicomwire.FrameReader(image)
    assert rows(result) == [
        ["0", str(reader[0].offset), "32", "2"],
        ["1", str(reader[1].offset), "32", "1"],
    ]


def test_bits_and_cut_frames(tmp_path):
    path = tmp_path / "bits.dcm"
    path.write_bytes(native(bytes(6), frames="4", rows=3, columns=5, allocated=1))
    result = run(path)
    assert result.exit_code == 0
    assert [row[3:] for row in rows(result)] == [
        ["1"],
        ["1", "from", "bit", "7"],
        ["1", "from", "bit", "6"],
        ["1", "from", "bit", "5", "cut", "short"],
    ]
    assert "4 frames need 8 bytes, 6 are there" in result.stderr
    assert run(path, "--policy", "ignore").stderr == ""
    assert run(path, "--policy", "strict").exit_code == 1


def test_one_frame(image, tmp_path):
    target = tmp_path / "frame.jpg"
    result = run(image, "--extract", 0, "--to", target)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert target.read_bytes() == WHOLE
    assert run(image, "--extract", 1, "--to", "-").stdout_bytes == WHOLE
    assert sorted(os.listdir(tmp_path)) == ["frame.jpg", "image.dcm"]


def test_a_frame_that_is_not_there(image, tmp_path):
    target = tmp_path / "frame.jpg"
    target.write_bytes(b"older")
    result = run(image, "--extract", 2, "--to", target)
    assert result.exit_code == 1
    assert "frame 2: there are 2 frames" in result.stderr
    assert target.read_bytes() == b"older"
    assert run(image, "--extract", 0, "--to", tmp_path / "none" / "frame.jpg").exit_code == 1


def test_the_index(image):
    result = run(image, "--index")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("2 frames, ")
    reader = dicomwire.FrameReader(image, index=f"{image}.frames")
    assert [bytes(frame) for frame in reader] == [WHOLE, WHOLE]


def test_deviations_are_warnings(tmp_path):
    path = tmp_path / "image.dcm"
    path.write_bytes(encapsulated([START, END, WHOLE], frames="2", basic=offset_table([0, 8]), end=b""))
    result = run(path)
    assert result.exit_code == 0
    assert len(rows(result)) == 2
    assert "[offset_table]" in result.stderr
    assert "[missing_delimiter]" in result.stderr


def test_files_without_frames(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no DICOM at all, these are notes that nobody wrote\n" * 5)
    assert run(path).exit_code == 1
    assert run(path, "--index").exit_code == 1
    assert run(tmp_path / "none").exit_code == 1
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize(
    "arguments", [("--extract", "1"), ("--to", "-"), ("--index", "--extract", "1", "--to", "-"), ("--extract", "-1")]
)
def test_wrong_arguments(image, arguments):
    assert run(image, *arguments).exit_code == 2
