"""Files whose contents lead in circles are changed and written without following them; hostile values are refused."""

import pytest

import dicomwire
from dicomwire import DataSet
from dicomwire.errors import EncodeError, NestingError
from dicomwire.file import data_set_bytes, file_bytes
from tests.builders import element, item, part10, sequence


def test_a_dicomdir_whose_records_point_at_themselves():
    def record(following: int, lower: int, name: bytes) -> bytes:
        return item(
            element(0x00041400, "UL", following.to_bytes(4, "little"))
            + element(0x00041410, "US", b"\xff\xff")
            + element(0x00041420, "UL", lower.to_bytes(4, "little"))
            + element(0x00041430, "CS", b"IMAGE ")
            + element(0x00041500, "CS", name)
        )

    records = [record(0, 0, b"A\\B "), record(396, 396, b"..\\..\\ETC "), record(0xFFFFFFFE, 12, b"/ETC/PASSWD ")]
    data = element(0x00041200, "UL", (396).to_bytes(4, "little")) + sequence(0x00041220, *records)
    ds = dicomwire.dcmread(part10(data))
    ds.FileSetID = "NEW"
    ds.DirectoryRecordSequence[1].SpecificCharacterSet = "ISO_IR 100"
    again = dicomwire.dcmread(file_bytes(ds))
    assert again.FileSetID == "NEW"
    assert [one.OffsetOfTheNextDirectoryRecord for one in again.DirectoryRecordSequence] == [0, 396, 0xFFFFFFFE]
    assert again.DirectoryRecordSequence[1].ReferencedFileID == ["..", "..", "ETC"]


def test_a_report_whose_items_refer_to_those_around_them():
    inner = element(0x0040DB73, "UL", b"\1\0\0\0" * 2)
    tree = item(element(0x0040A010, "CS", b"INFERRED FROM ") + inner)
    for _ in range(20):
        tree = item(element(0x0040A010, "CS", b"CONTAINS") + sequence(0x0040A730, tree, tree[:0]))
    ds = dicomwire.dcmread(part10(sequence(0x0040A730, tree)))
    at = ds
    while "ContentSequence" in at:
        at = at.ContentSequence[0]
    at.TextValue = "deepest"
    again = file_bytes(ds)
    assert sum(1 for one in dicomwire.dcmread(again).iterall() if one.value == "deepest") == 1
    looped = DataSet({"TextValue": "x"})
    looped.ContentSequence = [DataSet()]
    with pytest.raises(ValueError, match="itself"):
        looped.ContentSequence[0].ContentSequence = [looped]


def test_values_as_models_in_other_forms_bring_them():
    """Not a number, numbers beyond every range, a wrong VR, nesting without end."""
    ds = DataSet()
    for vr, value in (
        ("DS", float("nan")), ("IS", "9" * 5000), ("US", 10**400), ("FL", 10**400), ("FD", "NaN"), ("UL", -1),
        ("AT", "nothing"), ("SQ", {"vr": "SQ"}), ("OB", "QUJD"), ("PN", {"Alphabetic": "A"}), ("UI", ["1.2", 5]),
    ):  # fmt: skip
        if vr == "IS":
            ds.add_new(0x00091001, vr, value)
            assert ds.deviations[-1].kind == "value"
            del ds[0x00091001]
            continue
        with pytest.raises(EncodeError):
            ds.add_new(0x00091001, vr, value)
    for wrong in ("XX", "sq", "", None, 5):
        with pytest.raises(ValueError, match="Value Representation"):
            ds.add_new(0x00091001, wrong, "x")
    assert len(ds) == 0
    at = ds
    for _ in range(3000):
        at.ContentSequence = [DataSet()]
        at = at.ContentSequence[0]
    with pytest.raises(NestingError):
        data_set_bytes(ds)
