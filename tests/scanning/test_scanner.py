"""scan() gives the rows that dcmread gives, whichever of its two readers took a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import dicomwire
from dicomwire.scanning.scanner import ScanResult
from tests.builders import element, part10

COLUMNS = [
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "StudyDate",
    "Modality",
    "PatientName",
    "PatientID",
    "PatientWeight",
    "SliceThickness",
    "StudyInstanceUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "Rows",
    "PixelSpacing",
    "RescaleIntercept",
]


def expected_row(path: Path, columns: list[str]) -> list[object] | None:
    """The values by dcmread, None for what it refuses."""
    try:
        data_set = dicomwire.dcmread(path, stop_before_pixels=True)
        return [data_set.get(column) for column in columns]
    except (dicomwire.errors.DicomWireError, OSError):
        return None


def test_rows_equal_those_of_dcmread(real_files: list[tuple[str, Path]]) -> None:
    paths = [path for _, path in real_files]
    rows = list(dicomwire.scan(paths, COLUMNS, batch_size=50).rows())
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    read = 0
    for row, path in zip(rows, paths, strict=True):
        expected = expected_row(path, COLUMNS)
        if expected is None:
            assert row["error"], path
            assert all(row[column] is None for column in COLUMNS)
            continue
        read += 1
        assert row["error"] is None, path
        assert [row[column] for column in COLUMNS] == expected, path
    assert read > len(paths) * 0.9


def test_workers_change_nothing(pydicom_files: dict[str, Path]) -> None:
    paths = sorted(pydicom_files.values())
    one = list(dicomwire.scan(paths, COLUMNS, batch_size=7).rows())
    three = list(dicomwire.scan(paths, COLUMNS, workers=3, batch_size=7).rows())
    assert one == three


def test_usual_files_never_become_data_sets(ct_files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the complete reader was asked")

    monkeypatch.setattr("dicomwire.scanning.scanner.dcmread", refuse)
    rows = list(dicomwire.scan(ct_files, ["PatientID", "Rows", "TransferSyntaxUID"]).rows())
    assert [row["error"] for row in rows] == [None] * len(ct_files)
    assert all(row["TransferSyntaxUID"] == "1.2.840.10008.1.2.1" for row in rows)


def test_nested_columns_sequences_and_tags(ct_files: list[Path]) -> None:
    path = "RequestAttributesSequence.0.RequestedProcedureID"
    rows = list(dicomwire.scan(ct_files[:2], [path, "RequestAttributesSequence", 0x00280010, (0x0028, 0x0011)]).rows())
    for row, file in zip(rows, ct_files, strict=False):
        data_set = dicomwire.dcmread(file)
        assert row[path] == data_set[path].value
        assert row["RequestAttributesSequence"] == [item.to_dict() for item in data_set.RequestAttributesSequence]
        assert (row["Rows"], row["Columns"]) == (data_set.Rows, data_set.Columns)


def test_a_broken_file_is_a_row(tmp_path: Path, ct_files: list[Path]) -> None:
    shutil.copy(ct_files[0], tmp_path / "a.dcm")
    (tmp_path / "b.dcm").write_bytes(b"this is no DICOM file, whatever its name says" * 5)
    (tmp_path / "c.dcm").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    shutil.copy(ct_files[1], tmp_path / "sub" / "d.dcm")
    result = dicomwire.scan(tmp_path, ["PatientID"])
    rows = list(result.rows())
    assert [Path(str(row["path"])).name for row in rows] == ["a.dcm", "b.dcm", "c.dcm", "d.dcm"]
    assert [row["error"] is None for row in rows] == [True, False, False, True]
    assert (result.files, result.failed) == (4, 2)


def test_a_missing_file_is_a_row(tmp_path: Path) -> None:
    (row,) = dicomwire.scan([tmp_path / "absent.dcm"], ["PatientID"]).rows()
    assert row["error"] == "FileNotFoundError: No such file or directory"
    assert row["PatientID"] is None


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_folders_stand_for_their_files_wherever_they_are(
    tmp_path: Path, ct_files: list[Path], workers: int, batch_size: int
) -> None:
    for name in ("first/1.dcm", "second/deep/3.dcm", "second/4.dcm", "third/5.dcm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ct_files[0], tmp_path / name)
    (tmp_path / "empty").mkdir()
    shutil.copy(ct_files[1], tmp_path / "2.dcm")
    given = [tmp_path / name for name in ("first", "2.dcm", "second", "third", "empty", "2.dcm", "empty")]
    result = dicomwire.scan(given, ["PatientID"], workers=workers, batch_size=batch_size)
    batches = list(result)
    rows = [path.removeprefix(f"{tmp_path}/") for batch in batches for path in batch.paths]
    assert rows == ["first/1.dcm", "2.dcm", "second/4.dcm", "second/deep/3.dcm", "third/5.dcm", "2.dcm"]
    assert [error for batch in batches for error in batch.errors] == [None] * 6
    assert all(0 < len(batch) <= batch_size for batch in batches)
    assert (result.files, result.failed) == (6, 0)
    assert all(value for batch in batches for value in batch.columns["PatientID"])


def test_a_path_that_is_no_name_is_a_row(ct_files: list[Path]) -> None:
    (row,) = dicomwire.scan([f"{ct_files[0]}\0.dcm"], ["PatientID"]).rows()
    assert row["PatientID"] is None
    assert row["error"] == "ValueError: embedded null byte in a path"


def test_strict_policy_turns_deviations_into_errors(tmp_path: Path, ct_files: list[Path]) -> None:
    middle = dicomwire.dcmread(ct_files[0])["StudyInstanceUID"].offset + 5
    (tmp_path / "cut.dcm").write_bytes(ct_files[0].read_bytes()[:middle])
    tolerant, strict = (
        next(dicomwire.scan([tmp_path / "cut.dcm"], ["Rows"], policy=policy).rows()) for policy in ("report", "strict")
    )
    assert tolerant["error"] is None
    assert "TruncatedError" in str(strict["error"])


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (["PatientIDs"], {}, "no keyword"),
        (["PatientID", "PatientID"], {}, "named twice"),
        (["PatientID"], {"workers": 0}, "at least 1"),
        (["PatientID"], {"policy": "lax"}, "policy"),
    ],
)
def test_wrong_arguments(columns: list[str], options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dicomwire.scan([], columns, **options)  # type: ignore[arg-type]


def test_no_files_give_no_batches() -> None:
    result = dicomwire.scan([], ["PatientID"])
    assert list(result) == []
    assert isinstance(result, ScanResult)


def test_a_first_value_that_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.dcm"
    path.write_bytes(part10(element(0x00080060, "CS", b"CT") + element(0x00100020, "LO") + element(0x00280010, "US")))
    for column in ("PatientID", "Rows"):
        assert [row[column] for row in dicomwire.scan(path, [column]).rows()] == [dicomwire.dcmread(path).get(column)]
