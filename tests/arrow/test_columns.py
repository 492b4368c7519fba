"""Columns as Arrow arrays: types by the dictionary, cells that do not fit told in the row's error."""

import sys

import pytest

from dicomwire import arrow
from dicomwire.dictionary import UID, Tag
from dicomwire.errors import UnsupportedError
from tests.support import module

pa = module("pyarrow")


class Rows:
    def __init__(self, columns, paths=None, errors=None):
        count = len(next(iter(columns.values())))
        self.columns = columns
        self.paths = paths or [f"/d/{n}" for n in range(count)]
        self.errors = errors or [None] * count


def cells(name, values):
    """(values, errors) of one column after conversion."""
    batch = arrow.record_batch(Rows({name: values}))
    return batch.column(name).to_pylist(), batch.column("error").to_pylist()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PatientName", pa.string()),
        ("Rows", pa.int64()),
        ("InstanceNumber", pa.int64()),
        ("ImageType", pa.list_(pa.string())),
        ("PixelSpacing", pa.list_(pa.float64())),
        ("SliceThickness", pa.float64()),
        ("SmallestImagePixelValue", pa.int64()),
        ("SelectorUVValue", pa.list_(pa.uint64())),
        ("FrameIncrementPointer", pa.list_(pa.string())),
        ("PixelData", pa.binary()),
        ("ContentSequence", pa.string()),
        ("00091001", pa.string()),
        ("ReferencedSeriesSequence.0.SeriesInstanceUID", pa.string()),
        ("60003000", pa.binary()),
    ],
)
def test_types_follow_from_the_dictionary(name, expected):
    assert arrow.column_type(name) == expected


def test_schema_has_path_and_error_first():
    assert arrow.schema(["Rows"]) == pa.schema(
        [pa.field("path", pa.string(), nullable=False), pa.field("error", pa.string()), pa.field("Rows", pa.int64())]
    )


def test_values_that_fit():
    assert cells("Rows", [1, None, 2**40]) == ([1, None, 2**40], [None] * 3)
    assert cells("InstanceNumber", [1.0, 2]) == ([1, 2], [None] * 2)
    assert cells("SliceThickness", [1, 0.5]) == ([1.0, 0.5], [None] * 2)
    assert cells("PixelSpacing", [0.5, [1.0, None], None]) == ([[0.5], [1.0, None], None], [None] * 3)
    assert cells("SOPClassUID", [UID("1.2"), ""]) == (["1.2", ""], [None] * 2)
    assert cells("ImageType", ["A", ["B", "C"]]) == ([["A"], ["B", "C"]], [None] * 2)
    assert cells("FrameIncrementPointer", [Tag(0x00181063), None]) == ([["00181063"], None], [None] * 2)
    assert cells("PixelData", [b"\1\2", None]) == ([b"\1\2", None], [None] * 2)
    assert cells("SelectorUVValue", [2**64 - 1]) == ([[2**64 - 1]], [None])


def test_text_takes_any_value():
    assert cells("PatientID", [["A", "B"], 3, b"\1"]) == (["A\\B", "3", "AQ=="], [None] * 3)
    assert cells("ContentSequence", [[{"TextValue": "x", "PixelData": b"\1"}], []]) == (
        ['[{"TextValue": "x", "PixelData": "AQ=="}]', ""],
        [None] * 2,
    )


@pytest.mark.parametrize(
    ("name", "value", "found", "expected"),
    [
        ("Rows", "many", "str", "int64"),
        ("Rows", 1.5, "float", "int64"),
        ("Rows", [1, 2], "a list of 2", "int64"),
        ("Rows", 2**70, "int", "int64"),
        ("Rows", b"\1\2\3", "bytes", "int64"),
        ("SliceThickness", "thick", "str", "double"),
        ("SliceThickness", [0.5, 1.0], "a list of 2", "double"),
        ("PixelSpacing", [0.5, "wide"], "a list of 2", "list<item: double>"),
        ("SelectorUVValue", -1, "a list of 1", "list<item: uint64>"),
        ("PixelData", 7, "int", "binary"),
    ],
)
def test_values_that_do_not_fit_are_told_without_the_value(name, value, found, expected):
    values, errors = cells(name, [None, value])
    assert values == [None, None]
    assert errors[0] is None
    assert errors[1] == f"{name}: {found} where {expected} is expected"


def test_an_error_that_is_there_is_kept():
    batch = arrow.record_batch(Rows({"Rows": ["many"], "Columns": ["more"]}, errors=["DecodeError: cut"]))
    assert batch.column("error").to_pylist() == [
        "DecodeError: cut; Rows: str where int64 is expected; Columns: str where int64 is expected"
    ]


def test_table_of_several_batches_and_of_none():
    class Result:
        column_names = ("Rows",)

        def __iter__(self):
            return iter([Rows({"Rows": [1]}), Rows({"Rows": [2, 3]})])

    assert arrow.table(Result()).column("Rows").to_pylist() == [1, 2, 3]

    class Nothing(Result):
        def __iter__(self):
            return iter([])

    assert arrow.table(Nothing()).num_rows == 0
    assert arrow.table(Nothing()).schema == arrow.schema(["Rows"])


def test_paths_that_are_no_utf8():
    batch = arrow.record_batch(Rows({"Rows": [1]}, paths=["/d/\udcff.dcm"]))
    assert batch.column("path").to_pylist() == ["/d/\\udcff.dcm"]


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnsupportedError, match=r"dicomwire\[arrow\]") as caught:
        arrow.table(None)
    assert caught.value.extra == "arrow"


def test_scan_result_to_arrow(real_files):
    dicomwire = pytest.importorskip("dicomwire")
    paths = [path for _, path in real_files]
    columns = ["Modality", "Rows", "ImageType", "WindowCenter", "InstanceNumber"]
    found = dicomwire.scan(paths, columns).to_arrow()
    assert found.column("path").to_pylist() == [str(path) for path in paths]
    expected = dicomwire.scan(paths, columns).rows()
    different = 0
    for row, one in zip(found.to_pylist(), expected, strict=True):
        for name in columns:
            value = one[name]
            if isinstance(row[name], list) and not isinstance(value, list):
                value = [value]
            different += row[name] != value and not row["error"]
    assert different == 0
