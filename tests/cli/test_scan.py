"""``dicomwire scan``: files in three formats, written whole or not at all; foreign and broken files; the summary."""

import csv
import gzip
import json
import os
import re
import subprocess
import sys
from base64 import b64encode

import pytest
from click.testing import CliRunner

import dicomwire
from dicomwire.cli import scan as module
from dicomwire.cli.__main__ import cli
from dicomwire.cli.tables import text_table
from dicomwire.errors import DicomWireError
from dicomwire.scanning import Batch
from tests.builders import element, item, part10, sequence

COLUMNS = (
    "Modality,PatientName,Rows,ImageType,PixelSpacing,TransferSyntaxUID,"
    "ReferencedSeriesSequence.0.SeriesInstanceUID"
)


def run(*arguments):
    """The result of a command that must not raise."""
    result = CliRunner().invoke(cli, ["scan", *[str(argument) for argument in arguments]])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def facts(result):
    """The counts of the summary by name."""
    return dict(re.findall(r"^(\w[\w ]*?)  +(\S.*)$", result.stdout.partition("\nerrors\n")[0], re.MULTILINE))


def series(name, number, *more):
    """A small file of patient ``name``."""
    return part10(
        element(0x00080008, b"CS", b"ORIGINAL\\AXIAL")
        + element(0x00080060, b"CS", b"CT")
        + element(0x00100010, b"PN", name.encode() + b" " * (len(name.encode()) % 2))
        + element(0x00280009, b"AT", bytes.fromhex("18006310"))
        + element(0x00280010, b"US", number.to_bytes(2, "little"))
        + element(0x00280030, b"DS", b"0.5\\0.25")
        + b"".join(more)
    )


@pytest.fixture
def folder(tmp_path):
    """Two good files, one in a folder below, a broken one and a text."""
    data = tmp_path / "data"
    (data / "below").mkdir(parents=True)
    (data / "a.dcm").write_bytes(series("Doe^Jane", 512))
    (data / "below" / "b.dcm").write_bytes(series("Doe^John", 256))
    (data / "c.dcm").write_bytes(part10(b"\xff" * 40, syntax="1.2.840.10008.1.2.1.99"))
    (data / "readme.txt").write_text("these are notes and no DICOM at all, not even a bit\n" * 5)
    return data


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -------------------------------------------------------------------------------------------------------- formats


def test_csv(folder, tmp_path):
    index = tmp_path / "index.csv"
    result = run(folder, "--columns", "PatientName,Rows,ImageType,PixelSpacing,FrameIncrementPointer,StudyDate",
                 "-o", index)  # fmt: skip
    assert (result.exit_code, result.stderr) == (0, "")
    rows = rows_of(index)
    assert [os.path.relpath(row["path"], folder) for row in rows] == ["a.dcm", "c.dcm", "readme.txt", "below/b.dcm"]
    assert list(rows[0].items())[1:] == [
        ("error", ""),
        ("PatientName", "Doe^Jane"),
        ("Rows", "512"),
        ("ImageType", "ORIGINAL\\AXIAL"),
        ("PixelSpacing", "0.5\\0.25"),
        ("FrameIncrementPointer", "00181063"),
        ("StudyDate", ""),
    ]
    assert "not DICOM" in rows[2]["error"]
    assert "deflated data set cannot be inflated" in rows[1]["error"]
    assert facts(result) == facts(result) | {"files": "4", "read": "2", "failed": "1", "not DICOM": "1", "columns": "6"}


def test_ndjson(folder, tmp_path):
    index = tmp_path / "index.ndjson"
    content = sequence(0x0040A730, item(element(0x0040A160, b"UT", b"text")))
    (folder / "a.dcm").write_bytes(series("Müller", 1, content, element(0x7FE00010, b"OB", b"\1\2")))
    assert run(folder / "a.dcm", "-c", "PatientName,Rows,PixelSpacing,StudyDate,ContentSequence", "-c", "PixelData",
               "--output", index).exit_code == 0  # fmt: skip
    assert [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()] == [
        {
            "path": str(folder / "a.dcm"),
            "error": None,
            "PatientName": dicomwire.dcmread(folder / "a.dcm").PatientName,
            "Rows": 1,
            "PixelSpacing": [0.5, 0.25],
            "StudyDate": None,
            "ContentSequence": [{"TextValue": "text"}],
            "PixelData": b64encode(b"\1\2").decode(),
        }
    ]


def test_parquet(folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    index = tmp_path / "index.parquet"
    result = run(folder, "-c", "PatientName,Rows,ImageType,PixelSpacing", "-o", index)
    assert result.exit_code == 0
    rows = parquet.read_table(index).to_pylist()
    assert rows[0] == {
        "path": str(folder / "a.dcm"),
        "error": None,
        "PatientName": "Doe^Jane",
        "Rows": 512,
        "ImageType": ["ORIGINAL", "AXIAL"],
        "PixelSpacing": [0.5, 0.25],
    }
    assert "not DICOM" in rows[2]["error"]
    assert rows[2]["Rows"] is None


def test_parquet_without_pyarrow_names_the_extra(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    index = tmp_path / "index.parquet"
    result = run(folder, "-o", index)
    assert result.exit_code == 1
    assert "pip install 'dicomwire[arrow]'" in result.stderr
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.parametrize("name", ["index.xlsx", "index", "index.csv.gz"])
def test_other_endings_are_refused(folder, tmp_path, name):
    result = run(folder, "-o", tmp_path / name)
    assert result.exit_code == 2
    assert ".csv, .ndjson, .parquet" in result.stderr
    assert os.listdir(tmp_path) == ["data"]


def test_all_formats_have_the_values_of_dcmread(real_files, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    paths = [path for _, path in real_files]
    for ending in ("csv", "ndjson", "parquet"):
        assert run(*paths, "-c", COLUMNS, "-o", tmp_path / f"index.{ending}").exit_code == 0
    texts = rows_of(tmp_path / "index.csv")
    lines = [json.loads(line) for line in (tmp_path / "index.ndjson").read_text(encoding="utf-8").splitlines()]
    table = parquet.read_table(tmp_path / "index.parquet").to_pylist()
    assert len(texts) == len(lines) == len(table) == len(paths)
    compared = 0
    for path, text, line, row in zip(paths, texts, lines, table, strict=True):
        assert text["path"] == line["path"] == row["path"] == str(path)
        assert (text["error"] or None) == line["error"]
        if line["error"] is not None:
            with pytest.raises((DicomWireError, OSError)):
                dicomwire.dcmread(path)
            continue
        ds = dicomwire.dcmread(path)
        for name in COLUMNS.split(","):
            value = ds.file_meta.get(name) if name == "TransferSyntaxUID" else ds.get(name)
            parts = value if isinstance(value, list) else [value]
            assert line[name] == value, (path, name)
            assert text[name] == "\\".join("" if part is None else str(part) for part in parts), (path, name)
            found = row[name] if isinstance(row[name], list) else [row[name]]
            if row["error"] is None:
                assert found == parts or (row[name] is None and value is None), (path, name)
            compared += 1
    assert compared > 1000


# ------------------------------------------------------------------------------------------ whole or not at all


def test_an_index_appears_when_it_is_complete(folder, tmp_path, monkeypatch):
    index = tmp_path / "index.csv"
    index.write_text("the one before")
    seen = []
    take = module._Tally.take

    def watched(self, batch):
        seen.append((index.read_text(), sorted(os.listdir(tmp_path))))
        return take(self, batch)

    monkeypatch.setattr(module._Tally, "take", watched)
    assert run(folder, "-o", index).exit_code == 0
    assert seen == [("the one before", [f".index.csv.{os.getpid()}.part", "data", "index.csv"])]
    assert len(rows_of(index)) == 4
    assert sorted(os.listdir(tmp_path)) == ["data", "index.csv"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device"), MemoryError])
@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet"])
def test_a_scan_that_ends_early_leaves_nothing(folder, tmp_path, monkeypatch, error, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    index = tmp_path / f"index.{ending}"
    index.write_text("the one before")

    def fail(self, batch):
        raise error

    monkeypatch.setattr(module._Tally, "take", fail)
    result = CliRunner().invoke(cli, ["scan", str(folder), "-o", str(index)])
    assert result.exit_code == 1
    if error is MemoryError:
        assert "not enough memory" in result.stderr
    elif isinstance(error, OSError):
        assert "No space left" in result.stderr
    assert index.read_text() == "the one before"
    assert sorted(os.listdir(tmp_path)) == ["data", index.name]


def test_a_folder_that_cannot_be_written(folder, tmp_path):
    result = run(folder, "-o", tmp_path / "absent" / "index.csv")
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


def test_an_index_in_the_folder_that_is_scanned_is_no_row(folder):
    for _ in range(2):
        result = run(folder, "-o", folder / "index.csv")
        assert facts(result)["files"] == "4"
        assert len(rows_of(folder / "index.csv")) == 4


# ----------------------------------------------------------------------------------------- foreign and broken files


def test_foreign_files_are_rows_unless_they_are_skipped(folder, tmp_path):
    index = tmp_path / "index.csv"
    result = run(folder, "-o", index)
    assert facts(result)["files"] == "4"
    assert facts(result)["not DICOM"] == "1"
    assert "DecodeError: this is not DICOM" in result.stdout
    result = run(folder, "-o", index, "--skip-foreign")
    assert (facts(result)["files"], facts(result)["left out"]) == ("4", "1")
    assert "this is not DICOM" not in result.stdout
    assert len(rows_of(index)) == 3


def test_what_counts_as_foreign(tmp_path):
    """Each of the ways in which dcmread says that a file is something else; a broken DICOM file is none of them."""
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "a.gz").write_bytes(gzip.compress(series("Doe", 1)))
    (tmp_path / "notes.txt").write_text("these are notes and no DICOM at all, not even a bit\n" * 5)
    (tmp_path / "broken.dcm").write_bytes(part10(b"\xff" * 40, "1.2.840.10008.1.2.1.99"))
    result = run(tmp_path)
    assert (facts(result)["not DICOM"], facts(result)["failed"]) == ("3", "1")


def test_a_file_that_cannot_be_opened_is_a_row(folder, tmp_path):
    (folder / "d.dcm").symlink_to(tmp_path / "absent")
    result = run(folder, "-c", "Modality")
    assert result.exit_code == 0
    assert facts(result)["failed"] == "2"
    assert "FileNotFoundError: No such file or directory" in result.stdout


def test_exit_status_when_nothing_could_be_read(folder, tmp_path):
    assert run(folder / "readme.txt").exit_code == 1
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty")
    assert result.exit_code == 1
    assert facts(result)["files"] == "0"
    assert run(tmp_path / "absent").exit_code == 2


def test_errors_are_listed_by_kind():
    """Numbers that differ from file to file do not make another kind; of many kinds the first twenty are listed."""
    errors = [f"DecodeError: fault {'x' * n}: needs {n} bytes; offset {n} (0x{n:x}); PS3.5 7.1" for n in range(25)]
    errors += [f"DecodeError: value needs {n} bytes; offset {n} (0x{n:x}); PS3.5 7.1" for n in range(5)]
    tally = module._Tally(0, False)
    tally.take(Batch([f"/d/{n}" for n in range(30)], errors, {"Modality": [None] * 30}))
    shown = []

    class Stream:
        write = staticmethod(shown.append)

    tally.show(Stream, ["Modality"], 1.0, None)
    listing = "".join(shown).partition("\nerrors\n")[2].splitlines()
    assert listing[0] == "       5  DecodeError: value needs N bytes; PS3.5 7.1"
    assert listing[1] == "          first: /d/25"
    assert listing[-1] == "       6  of 6 other kinds"
    assert len(listing) == 2 * module.ERROR_KINDS + 1


# ------------------------------------------------------------------------------------------------------- arguments


def test_columns_are_checked_before_anything_is_read(folder):
    for columns, message in (
        ("PatientsName", "did you mean PatientName"),
        ("Modality,Modality", "twice"),
        ("RequestAttributesSequence.ScheduledProcedureStepID", "item number"),
        ("OverlayRows", "OverlayRows"),
    ):
        result = run(folder, "-c", columns)
        assert result.exit_code == 2, columns
        assert message in result.stderr


def test_columns_by_tag_are_named_by_keyword(folder):
    assert run(folder / "a.dcm", "-c", "00100010").stdout.splitlines()[0].split() == ["path", "PatientName", "error"]


def test_more_workers_give_the_same_rows(real_files, tmp_path):
    paths = [path for _, path in real_files]
    indexes = []
    for workers in (1, 3):
        run(*paths, "-c", COLUMNS, "--workers", workers, "-o", tmp_path / "index.csv")
        indexes.append((tmp_path / "index.csv").read_bytes())
    assert indexes[0] == indexes[1]


def test_strict_rows_have_the_deviation_as_error(tmp_path):
    (tmp_path / "odd.dcm").write_bytes(part10(element(0x00100020, b"LO", b"odd") + element(0x00280010, b"US", b"\1\0")))
    assert run(tmp_path, "-c", "Rows").exit_code == 0
    result = run(tmp_path, "-c", "Rows", "--policy", "strict")
    assert result.exit_code == 1
    assert "odd length" in result.stdout


# ------------------------------------------------------------------------------------------------------- the tables


def test_first_rows_are_shown_without_output(folder, tmp_path):
    result = run(folder, "-c", "PatientName,Rows", "--skip-foreign")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["path", "PatientName", "Rows", "error"]
    assert lines[1].split()[1:3] == ["Doe^Jane", "512"]
    assert lines[1].split()[0].endswith("a.dcm")
    assert run(folder, "-o", tmp_path / "i.csv").stdout.startswith("files ")
    assert len(run(folder, "--head", "1", "-c", "Rows").stdout.partition("\nfiles ")[0].splitlines()) == 3
    assert run(folder, "--head", "0").stdout.startswith("files ")


def test_text_table_fits_wide_letters_and_long_cells():
    lines = text_table(["path", "name"], [["/a/very/long/path.dcm", "山田太郎"], ["b", "x" * 30]], [12, 12])
    assert lines == ["path          name", ".../path.dcm  山田太郎", "b             xxxxxxxxx..."]


def test_values_cannot_drive_the_terminal(tmp_path):
    (tmp_path / "a\x1b[31m.dcm").write_bytes(series("\x1b]0;x\x07", 1))
    result = run(tmp_path, "-c", "PatientName")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", result.stdout)


def test_paths_that_are_no_utf8(tmp_path):
    pytest.importorskip("pyarrow")
    path = os.fsencode(tmp_path) + b"/\xff.dcm"
    try:
        with open(path, "wb") as file:
            file.write(series("Doe", 1))
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    for ending in ("csv", "ndjson", "parquet"):
        assert run(tmp_path, "-c", "Rows", "-o", tmp_path / f"i.{ending}", "--skip-foreign").exit_code == 0
    assert path in (tmp_path / "i.csv").read_bytes()
    assert os.fsencode(json.loads((tmp_path / "i.ndjson").read_text().splitlines()[-1])["path"]) == path
    assert run(tmp_path, "-c", "Rows").exit_code == 0


def test_a_progress_bar_on_a_terminal(folder, tmp_path):
    """Standard error is a terminal of its own; what goes to standard output stays clean."""
    pty = pytest.importorskip("pty")
    main, side = pty.openpty()
    command = [sys.executable, "-m", "dicomwire", "scan", str(folder), "-o", str(tmp_path / "index.csv")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=side, text=True) as process:
        os.close(side)
        seen = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:  # Linux: the other side is closed
                break
            if not piece:
                break
            seen += piece
        stdout = process.communicate(timeout=60)[0]
    os.close(main)
    assert process.returncode == 0
    assert b"scanning" in seen
    assert b"4/4" in seen
    assert "\x1b" not in stdout
    assert facts(subprocess.CompletedProcess([], 0, stdout=stdout))["files"] == "4"
