"""Ranges of tags, groups, private elements, walks that change what they walk through, and lines of text."""

import pydicom
import pytest

import dicomwire
from dicomwire import DataSet
from dicomwire.file import file_bytes
from tests.builders import element, item, part10, sequence


def nested() -> bytes:
    private = element(0x00110010, "LO", b"ACME") + element(0x00111001, "SH", b"secret")
    return (
        element(0x00080005, "CS", b"ISO_IR 192")
        + element(0x00080060, "CS", b"CT")
        + element(0x00100010, "PN", "Müller ".encode())
        + element(0x00100020, "LO", b"ID")
        + private
        + element(0x00280010, "US", b"\2\0")
        + sequence(0x00400275, item(element(0x00400009, "SH", b"STEP") + private), item())
    )


def read() -> DataSet:
    return dicomwire.dcmread(part10(nested()))


def tags(ds: DataSet) -> list[int]:
    return [int(one.tag) for one in ds]


def both() -> list[DataSet]:
    """What was read, and the same made."""
    return [read(), DataSet(read())]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (slice(0x00100000, 0x00110000), [0x00100010, 0x00100020]),
        (slice((0x0010, 0x0010), (0x0010, 0x0020)), [0x00100010]),
        (slice("Modality", "PatientID"), [0x00080060, 0x00100010]),
        (slice(None, "PatientName"), [0x00080005, 0x00080060]),
        (slice("Rows", None), [0x00280010, 0x00400275]),
        (slice(0x00110000, 0x00120000), [0x00110010, 0x00111001]),
        (slice(None, None, 4), [0x00080005, 0x00110010]),
        (slice(0x00500000, None), []),
    ],
)
def test_slices(wanted, expected):
    for ds in both():
        whole = tags(ds)
        found = ds[wanted]
        assert isinstance(found, DataSet)
        assert tags(found) == expected
        for tag in expected:
            assert found[tag] == ds[tag]
            del found[tag]
        assert tags(ds) == whole
        del ds[wanted]
        assert tags(ds) == [tag for tag in whole if tag not in expected]


def test_what_is_no_slice():
    for wrong in (slice("Nothing", None), slice(None, -1), slice(1.5, None)):
        with pytest.raises(KeyError):
            read()[wrong]


def test_groups():
    for ds in both():
        found = ds.group_dataset(0x0010)
        assert tags(found) == [0x00100010, 0x00100020]
        assert found.PatientName.family_name == "Müller"
        assert len(ds.group_dataset(0xFFFF)) == 0
        with pytest.raises(ValueError, match="0 to 0xFFFF"):
            ds.group_dataset(0x10000)


def test_walks_call_back_with_the_item():
    for ds in both():
        seen = []
        ds.walk(lambda where, one, seen=seen: seen.append((len(where), int(one.tag))))
        assert [size for size, _ in seen] == [8] * 8 + [3] * 3
        assert [tag for _, tag in seen] == [int(one.tag) for one in ds.iterall()]
        flat = []
        assert ds.walk(lambda where, one, flat=flat: flat.append(int(one.tag)), False) is None
        assert flat == tags(ds)
        assert [int(one.tag) for one in ds.walk()] == [tag for _, tag in seen]
        assert [int(one.tag) for one in ds.walk(None, False)] == flat


def test_walks_may_change_and_delete():
    def change(where: DataSet, one: dicomwire.DataElement) -> None:
        if one.keyword == "PatientName":
            one.value = "Nobody"
            del where["PatientID"]
        elif one.VR == "SH":
            where[one.tag] = "changed"
        elif one.keyword == "Modality":
            del where["Modality"]

    for ds in both():
        ds.walk(change)
        again = dicomwire.dcmread(file_bytes(ds), force=True)
        assert tags(again) == [0x00080005, 0x00100010, 0x00110010, 0x00111001, 0x00280010, 0x00400275]
        assert again.PatientName == "Nobody"
        assert again[0x00111001].value == "changed"
        assert again.RequestAttributesSequence[0].ScheduledProcedureStepID == "changed"


def test_walks_of_any_depth():
    ds = DataSet(PatientID="deepest")
    for _ in range(60):
        ds = DataSet(ContentSequence=[ds])
    seen = []
    ds.walk(lambda where, one: seen.append(one.keyword))
    assert seen == ["ContentSequence"] * 60 + ["PatientID"]


def test_private_elements():
    for ds in both():
        assert ds.private_creators(0x0011) == ["ACME"]
        assert ds.private_creators(0x0013) == []
        with pytest.raises(ValueError, match="odd"):
            ds.private_creators(0x0010)
        assert ds.get_private_item(0x0011, 0x01, "ACME").value == "secret"
        assert ds.private_block(0x0011, "ACME").private_creator == "ACME"
        for missing in ((0x0011, 0x02, "ACME"), (0x0011, 0x01, "OTHER"), (0x0013, 0x01, "ACME")):
            with pytest.raises(KeyError):
                ds.get_private_item(*missing)
        ds.remove_private_tags()
        assert not any(one.is_private for one in ds.iterall())
        assert b"secret" not in file_bytes(ds)
        assert ds.RequestAttributesSequence[0].ScheduledProcedureStepID == "STEP"


def test_names_for_the_same():
    for ds in both():
        assert [int(one.tag) for one in ds.elements()] == tags(ds)
        assert ds.data_element("PatientID") == ds["PatientID"] == ds.get_item(0x00100020)
        assert ds.data_element("PatientAge") is ds.data_element("Nothing") is None


def test_lines_are_those_of_pydicom(tmp_path):
    (tmp_path / "image.dcm").write_bytes(part10(nested()))
    ours, theirs = read(), pydicom.dcmread(tmp_path / "image.dcm")
    form = "%(tag)s %(name)s %(VR)s %(VM)s"
    assert list(ours.formatted_lines(form)) == list(theirs.formatted_lines(form))
    assert list(ours.formatted_lines(form, "  " + form)) == list(theirs.formatted_lines(form, "  " + form))
    lines = list(ours.formatted_lines())
    assert "(0010,0020) Patient ID                          LO: 'ID'" in lines
    top = ours.top().split("\n")
    assert "(0010,0020) Patient ID                          LO: 'ID'" in top
    assert not any("STEP" in line for line in top)
    assert "STEP" in str(ours)
