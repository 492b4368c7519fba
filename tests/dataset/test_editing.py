"""Data sets that are made and changed: elements, sequences, private blocks, checks of values, copies."""

import copy
import datetime
import math
import pickle
import struct
from array import array
from decimal import Decimal

import numpy as np
import pytest

import dicomwire
from dicomwire import DataElement, DataSet, Sequence
from dicomwire.errors import EncodeError
from dicomwire.file import file_bytes
from tests.builders import UNDEFINED, big_endian, element, explicit, implicit, item, part10, sequence


def read(data: bytes, **options: object) -> DataSet:
    return dicomwire.dcmread(part10(data), **options)


def one() -> bytes:
    inner = element(0x00080100, "SH", b"CODE")
    return (
        element(0x00080005, "CS", b"ISO_IR 100")
        + element(0x00080008, "CS", b"ORIGINAL\\PRIMARY")
        + element(0x00100010, "PN", b"Doe^John")
        + element(0x00100020, "LO", b"12345 ")
        + element(0x00280010, "US", b"\2\0")
        + sequence(0x00400275, item(sequence(0x00400008, item(inner)) + element(0x00400009, "SH", b"STEP")))
    )


# --- elements ---


def test_a_made_data_set_holds_what_is_set():
    ds = DataSet()
    assert len(ds) == 0
    assert list(ds) == []
    assert not ds
    ds.PatientID = "X"
    ds["PatientName"] = "Doe^John"
    ds[0x0010, 0x0030] = "20200101"
    ds[0x00280010] = 512
    assert (ds.PatientID, ds.PatientName.family_name, ds.Rows) == ("X", "Doe", 512)
    assert [int(one.tag) for one in ds] == [0x00100010, 0x00100020, 0x00100030, 0x00280010]
    assert ds["PatientID"].VR == "LO"
    assert ds["PatientID"].VM == 1
    assert ds["PatientID"].offset == -1
    assert bytes(ds["PatientID"].raw) == b"X "
    assert "Rows" in ds
    assert 0x00280011 not in ds
    assert ds.get("Columns") is None
    assert ds.get(0x00280010).value == 512


def test_a_data_set_is_made_of_keywords():
    ds = DataSet({"PatientID": "0", "StudyID": "S"}, PatientID="1", Rows=512, policy="strict")
    assert ds == DataSet({"PatientID": "1", "StudyID": "S", "Rows": 512})
    with pytest.raises(EncodeError):
        DataSet(Modality="ct", policy="strict")
    for wrong in ("Rowz", "rows"):
        with pytest.raises(AttributeError):
            DataSet(**{wrong: 1})


def test_elements_by_their_values():
    ds = DataSet(ImageType=["A", "B"], ContentSequence=[DataSet(PatientID="1")])
    assert ds["ImageType"][1] == "B"
    assert list(ds["ImageType"]) == ["A", "B"]
    assert ds["ContentSequence"][0].PatientID == "1"
    ds["ImageType"].clear()
    assert ds["ImageType"].is_empty
    assert len(ds) == 2


def test_keys_that_are_none():
    ds = DataSet()
    with pytest.raises(AttributeError, match="did you mean Rows"):
        ds.Rowz = 1
    with pytest.raises(KeyError, match="did you mean Rows"):
        ds["Rowz"] = 1
    with pytest.raises(KeyError, match="did you mean Rows"):
        ds["Rowz"]
    with pytest.raises(AttributeError, match=r"file_meta\.TransferSyntaxUID"):
        ds.is_little_endian = True
    with pytest.raises(AttributeError):
        ds.something = 1
    for missing in (lambda: ds.PatientID, lambda: delattr(ds, "PatientID")):
        with pytest.raises(AttributeError):
            missing()
    for missing in (lambda: ds["PatientID"], lambda: ds.__delitem__("PatientID"), lambda: ds.pop("PatientID")):
        with pytest.raises(KeyError):
            missing()


def test_changes_lie_over_what_was_read():
    ds = read(one())
    elements = list(ds)
    before = ds["PatientID"]
    ds.PatientID = "new"
    ds.StudyDate = "20200101"
    del ds.PatientName
    assert before.value == "12345"  # a view of what was read
    assert ds.PatientID == ds["PatientID"].value == "new"
    assert "PatientName" not in ds
    assert [e.keyword for e in ds] == [
        "SpecificCharacterSet", "ImageType", "StudyDate", "PatientID", "Rows", "RequestAttributesSequence",
    ]  # fmt: skip
    assert len(ds) == len(elements) == 6
    with pytest.raises(KeyError):
        del ds["PatientName"]
    ds.PatientName = "Back^Again"
    assert ds.PatientName == "Back^Again"


def test_an_element_changes_its_data_set():
    ds = read(one())
    patient_id = ds["PatientID"]
    patient_id.value = "changed"
    assert patient_id.value == ds.PatientID == "changed"
    patient_id.value = "twice"
    assert ds.PatientID == "twice"
    for found in ds.iterall():
        if found.VR == "SH":
            found.value = "all"
    assert ds["RequestAttributesSequence.0.ScheduledProtocolCodeSequence.0.CodeValue"].value == "all"
    assert ds.RequestAttributesSequence[0].ScheduledProcedureStepID == "all"


def test_lists_that_are_changed_in_place_count():
    ds = read(one())
    ds.ImageType[0] = "DERIVED"
    ds.ImageType.append("AXIAL")
    assert dicomwire.dcmread(file_bytes(ds)).ImageType == ["DERIVED", "PRIMARY", "AXIAL"]
    made = DataSet()
    made.ImageType = ["A", "B"]
    made.ImageType.append("C")
    kept = copy.copy(made)
    made.ImageType.append("D")
    assert dicomwire.dcmread(file_bytes(made)).ImageType == ["A", "B", "C", "D"]
    assert kept.ImageType == ["A", "B", "C"]


def test_paths_lead_to_nested_elements():
    ds = read(one())
    ds["RequestAttributesSequence.0.ScheduledProcedureStepID"] = "other"
    assert ds.RequestAttributesSequence[0].ScheduledProcedureStepID == "other"
    del ds["RequestAttributesSequence.0.ScheduledProtocolCodeSequence.0"]
    assert len(ds.RequestAttributesSequence[0].ScheduledProtocolCodeSequence) == 0
    ds["RequestAttributesSequence.0"] = DataSet({"PatientID": "x"})
    assert ds["RequestAttributesSequence.0.PatientID"].value == "x"


def test_methods_of_mappings():
    ds = DataSet({"PatientID": "1", 0x00100010: "A^B"})
    ds.update([("StudyID", "2"), ((0x0028, 0x0010), 5)])
    ds.update(DataSet({"Columns": 6}))
    assert ds.setdefault("StudyID", "other").value == "2"
    assert ds.setdefault("StudyDate", "20200101").value == "20200101"
    assert ds.pop("StudyID").value == "2"
    assert ds.pop("StudyID", None) is None
    assert [e.keyword for e in ds] == ["StudyDate", "PatientName", "PatientID", "Rows", "Columns"]
    ds.clear()
    assert len(ds) == 0
    changed = read(one())
    changed.clear()
    assert len(changed) == 0
    assert list(changed.iterall()) == []


def test_elements_of_their_own():
    patient_id = DataElement("PatientID", "LO", "X")
    assert (patient_id.value, patient_id.VR, patient_id.tag) == ("X", "LO", 0x00100020)
    patient_id.value = "Y"
    ds = DataSet()
    ds.add(patient_id)
    ds[0x00280010] = DataElement(0x00280010, "US", 3)
    patient_id.value = "Z"
    assert ds.PatientID == "Y"
    assert ds.Rows == 3
    assert pickle.loads(pickle.dumps(patient_id)) == patient_id == copy.deepcopy(patient_id)
    for wrong in (("PatientIDs", "LO", ""), ("PatientID", "XX", ""), ("PatientID", "lo", ""), ("PatientID", 5, "")):
        with pytest.raises(ValueError, match="no "):
            DataElement(*wrong)
    with pytest.raises(ValueError, match="its key is"):
        ds["PatientName"] = patient_id
    with pytest.raises(TypeError):
        ds.add("PatientID")


def test_elements_are_taken_over_as_they_are():
    data = element(0x00180050, "DS", b"1.500 ") + element(0x00100010, "PN", b"M\xfcller")
    source = read(element(0x00080005, "CS", b"ISO_IR 100") + data)
    ds = DataSet()
    for found in source:
        ds.add(found)
    assert bytes(ds["SliceThickness"].raw) == b"1.500 "
    assert ds.PatientName == "Müller"
    words = dicomwire.dcmread(part10(big_endian.element(0x7FE00010, "OW", b"\0\1\0\2"), "1.2.840.10008.1.2.2"))
    ds.add(words["PixelData"])
    assert bytes(ds.PixelData) == b"\1\0\2\0"


def test_sequences_are_ordered_and_searched_like_lists():
    def numbers(items):
        return [one.InstanceNumber for one in items]

    data = sequence(0x00400275, *(item(element(0x00200013, "IS", text)) for text in (b"3 ", b"1 ", b"2 ", b"1 ")))
    for items in (read(data).RequestAttributesSequence, Sequence([DataSet(InstanceNumber=n) for n in (3, 1, 2, 1)])):
        wanted = DataSet(InstanceNumber=1)
        assert items.index(wanted) == 1
        assert items.index(wanted, 2) == 3
        assert items.count(wanted) == 2
        assert wanted in items
        with pytest.raises(ValueError, match="no item is equal"):
            items.index(wanted, 2, 3)
        items.sort(key=lambda one: one.InstanceNumber)
        assert numbers(items) == [1, 1, 2, 3]
        items.sort(key=lambda one: one.InstanceNumber, reverse=True)
        assert numbers(items) == [3, 2, 1, 1]
        copied = items.copy()
        items.remove(wanted)
        with pytest.raises(ValueError, match="no item is equal"):
            items.remove(DataSet())
        assert numbers(items) == [3, 2, 1]
        assert numbers(copied) == [3, 2, 1, 1]
        assert numbers(items + [wanted]) == [3, 2, 1, 1]  # noqa: RUF005
        assert numbers([wanted] + items) == [1, 3, 2, 1]  # noqa: RUF005
        assert numbers(items + copied) == [3, 2, 1, 3, 2, 1, 1]
    ds = read(data)
    ds.RequestAttributesSequence.sort(key=lambda one: one.InstanceNumber)
    assert numbers(dicomwire.dcmread(file_bytes(ds)).RequestAttributesSequence) == [1, 1, 2, 3]


def test_a_list_of_values_that_is_nobodys_any_more_is_not_written():
    ds = read(one())
    kept, gone = ds.ImageType, read(one())
    ds.ImageType = ["OTHER", "VALUES"]
    kept[0] = "STALE"
    assert dicomwire.dcmread(file_bytes(ds)).ImageType == ["OTHER", "VALUES"]
    made = DataSet({"ImageType": ["A", "B"]})
    for data_set in (gone, made):
        kept = data_set.ImageType
        kept[0] = "STALE"
        del data_set.ImageType
        data_set.PatientID = "1"
        assert "ImageType" not in dicomwire.dcmread(file_bytes(data_set), force=True)
        assert "ImageType" not in copy.copy(data_set)
    made.ImageType = ["A", "B"]
    kept = made.ImageType
    made.ImageType = ["C", "D"]
    kept[0] = "STALE"
    assert dicomwire.dcmread(file_bytes(made), force=True).ImageType == ["C", "D"]


def test_a_list_of_values_that_was_changed_in_place_goes_wherever_its_element_goes():
    inner = element(0x00080008, "CS", b"A\\B ")
    data = element(0x00080008, "CS", b"A\\B ") + sequence(0x00400275, item(inner + sequence(0x00400008, item(inner))))
    ds = read(data)
    items = ds.RequestAttributesSequence
    deep = items[0].ScheduledProtocolCodeSequence[0]
    for holder in (ds, items[0], deep):
        holder.ImageType[0] = "C"
    changed = ["C", "B"]
    assert DataSet(ds).ImageType == changed
    one = DataSet()
    one.add(ds["ImageType"])
    one.RequestAttributesSequence = [items[0]]
    assert one.ImageType == one.RequestAttributesSequence[0].ImageType == changed
    assert one.RequestAttributesSequence[0].ScheduledProtocolCodeSequence[0].ImageType == changed
    for made in (
        copy.copy(ds["ImageType"]).value,
        pickle.loads(pickle.dumps(ds["ImageType"])).value,
        copy.copy(items)[0].ImageType,
        pickle.loads(pickle.dumps(items))[0].ScheduledProtocolCodeSequence[0].ImageType,
        Sequence(items)[0].ScheduledProtocolCodeSequence[0].ImageType,
        dicomwire.dcmread(file_bytes(ds)).RequestAttributesSequence[0].ImageType,
    ):
        assert made == changed


def test_a_list_with_a_value_that_is_no_number_is_not_taken_for_a_changed_one():
    data = part10(element(0x00720074, "FD", struct.pack("<2d", math.nan, 1.0)))
    ds = dicomwire.dcmread(data)
    assert math.isnan(ds[0x00720074].value[0])
    assert file_bytes(ds) == data


def test_what_belongs_to_file_meta_information_is_refused_in_a_data_set(tmp_path):
    for ds in (read(one()), DataSet({"PatientID": "1"})):
        ds.TransferSyntaxUID = "1.2.840.10008.1.2"
        with pytest.raises(EncodeError, match=r"^TransferSyntaxUID: .*file_meta.*PS3\.10 7\.1"):
            ds.save_as(tmp_path / "wrong.dcm")
        assert list(tmp_path.iterdir()) == []
        del ds.TransferSyntaxUID
        ds.save_as(tmp_path / "right.dcm")
        (tmp_path / "right.dcm").unlink()


# --- values ---


@pytest.mark.parametrize(
    ("keyword", "value", "raw", "back"),
    [
        ("PatientID", None, b"", ""),
        ("PatientID", "", b"", ""),
        ("PatientID", b"abc", b"abc ", "abc"),
        ("ImageType", ["A", "B"], b"A\\B ", ["A", "B"]),
        ("ImageType", "A\\B", b"A\\B ", ["A", "B"]),
        ("StudyInstanceUID", "1.2.3", b"1.2.3\0", "1.2.3"),
        ("StudyDate", datetime.date(2020, 1, 2), b"20200102", "20200102"),
        ("StudyTime", datetime.time(1, 2, 3), b"010203", "010203"),
        ("StudyTime", datetime.time(1, 2, 3, 45), b"010203.000045 ", "010203.000045"),
        ("AcquisitionDateTime", datetime.datetime(2020, 1, 2, 3, 4, 5), b"20200102030405", "20200102030405"),
        (
            "AcquisitionDateTime",
            datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))),
            b"20200102030405-0530 ",
            "20200102030405-0530",
        ),
        ("SliceThickness", 1.5, b"1.5 ", 1.5),
        ("SliceThickness", "1.50", b"1.50", 1.5),
        ("SliceThickness", Decimal("0.10"), b"0.10", 0.1),
        ("SliceThickness", 1 / 3, b"0.33333333333333", 0.33333333333333),
        ("SliceThickness", -1.2345678901234e-200, b"-1.234567890e-200"[:0] + b"-1.23456789e-200", -1.23456789e-200),
        ("SliceThickness", np.float32(0.5), b"0.5 ", 0.5),
        ("PixelSpacing", np.array([0.5, 0.25]), b"0.5\\0.25", [0.5, 0.25]),
        ("PixelSpacing", (1, 2), b"1\\2 ", [1, 2]),
        ("InstanceNumber", 7, b"7 ", 7),
        ("InstanceNumber", 7.0, b"7 ", 7),
        ("InstanceNumber", np.int16(-3), b"-3", -3),
        ("Rows", 65535, b"\xff\xff", 65535),
        ("Rows", np.uint16(3), b"\3\0", 3),
        ("ReferencedFrameNumbers", [1, 2], b"\1\0\2\0", [1, 2]),
        ("RecommendedDisplayFrameRateInFloat", 0.5, b"\0\0\0\x3f", 0.5),
        ("FrameIncrementPointer", 0x00181063, b"\x18\0\x63\x10", 0x00181063),
        ("FrameIncrementPointer", (0x18, 0x1063), b"\x18\0\x63\x10", 0x00181063),
        ("FrameIncrementPointer", ["FrameTime", (0x18, 0x1065)], b"\x18\0\x63\x10\x18\0\x65\x10", [0x181063, 0x181065]),
        ("PixelData", np.array([[1, 2], [3, 4]], ">u2"), b"\1\0\2\0\3\0\4\0", b"\1\0\2\0\3\0\4\0"),
        ("PixelData", np.arange(6, dtype="u1")[::2], b"\0\2\4", b"\0\2\4"),
        ("PixelData", array("H", [1, 2]), b"\1\0\2\0", b"\1\0\2\0"),
        ("PixelData", b"", b"", None),
    ],
)
def test_values_of_all_kinds(keyword, value, raw, back):
    ds = DataSet(policy="ignore")
    if keyword == "ReferencedFrameNumbers":
        keyword = "FrameNumbersOfInterest"
        ds.add_new(keyword, "US", value)
    else:
        setattr(ds, keyword, value)
    assert bytes(ds[keyword].raw) == raw
    assert getattr(ds, keyword) == back


@pytest.mark.parametrize(
    ("vr", "least", "most"),
    [("US", 0, 0xFFFF), ("SS", -0x8000, 0x7FFF), ("UL", 0, 0xFFFFFFFF), ("SL", -0x80000000, 0x7FFFFFFF),
     ("UV", 0, (1 << 64) - 1), ("SV", -(1 << 63), (1 << 63) - 1)],
)  # fmt: skip
def test_numbers_keep_to_their_range(vr, least, most):
    for number in (least, most):
        assert DataElement(0x00091001, vr, number).value == number
    for number in (least - 1, most + 1):
        with pytest.raises(EncodeError, match="range"):
            DataElement(0x00091001, vr, number)
    assert DataElement(0x00091001, vr, [least, most]).value == [least, most]


def test_floats():
    assert DataElement(0x00091001, "FD", [0.1, float("inf")]).value == [0.1, float("inf")]
    assert DataElement(0x00091001, "FL", 0.1).value == float(np.float32(0.1))
    with pytest.raises(EncodeError, match="range"):
        DataElement(0x00091001, "FL", 1e300)
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(EncodeError):
            DataElement(0x00180050, "DS", wrong)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientName", 5), ("PatientID", 5), ("PatientID", ["a\\b"]), ("Rows", "x"), ("Rows", 1.5), ("Rows", {}),
        ("StudyInstanceUID", "1.é"), ("Modality", "\x1b"), ("InstanceNumber", 1.5), ("InstanceNumber", object()),
        ("SliceThickness", object()), ("PixelData", "text"), ("PixelData", 5), ("StudyDate", 20200101),
        ("StudyDate", datetime.time(1)), ("FrameIncrementPointer", "nothing"), ("PatientComments", ["a", "b"]),
        ("RequestAttributesSequence", "text"), ("RequestAttributesSequence", DataSet()),
        ("RequestAttributesSequence", [5]), ("PatientName", "\ud800"), ("PatientID", "\x1b$B"),
        ("PixelData", np.array([object()])),
    ],
)  # fmt: skip
@pytest.mark.parametrize("policy", ["strict", "report", "ignore"])
def test_what_cannot_be_encoded_is_an_error_and_changes_nothing(keyword, value, policy):
    ds = DataSet(policy=policy)
    with pytest.raises(EncodeError) as caught:
        setattr(ds, keyword, value)
    assert keyword in str(caught.value)
    assert keyword not in ds
    ds.PatientID = "X"
    assert [e.value for e in ds] == ["X"]


BENDS = [
    ("PatientID", "x" * 65), ("PatientID", "a\nb"), ("Modality", "ct"), ("Modality", "X" * 17), ("StudyID", "x" * 17),
    ("StudyInstanceUID", "1.02"), ("StudyInstanceUID", "1." * 33), ("StudyInstanceUID", "1.2a"),
    ("StudyDate", "2020"), ("StudyDate", "yesterday"), ("StudyTime", "1"), ("PatientAge", "5"), ("PatientAge", "05XX"),
    ("StudyDate", "2020-01-02"), ("StudyDate", "20200101-2021"), ("StudyDate", "-"), ("StudyDate", "2020-"),
    ("SliceThickness", "thin"), ("SliceThickness", "1.00000000000000000"), ("InstanceNumber", "1.5"),
    ("InstanceNumber", "1234567890123"), ("PatientName", "a^b^c^d^e^f"), ("PatientName", "a=b=c=d"),
    ("PatientName", "x" * 65), ("Modality", "CT\\MR"), ("PixelSpacing", "1"), ("ImageOrientationPatient", "1\\0\\0"),
    ("Rows", [1, 2]), ("AcquisitionDateTime", "20201"), ("InstitutionAddress", "x" * 1025),
]  # fmt: skip


@pytest.mark.parametrize(("keyword", "value"), BENDS)
def test_what_departs_from_its_vr_is_judged_by_policy(keyword, value):
    strict = DataSet(policy="strict")
    with pytest.raises(EncodeError) as caught:
        setattr(strict, keyword, value)
    assert caught.value.path == keyword
    assert "x" * 17 not in str(caught.value)
    assert len(strict) == 0
    assert strict.deviations == []
    report = DataSet()
    setattr(report, keyword, value)
    assert [(d.kind, d.path) for d in report.deviations] == [("value", keyword)]
    assert keyword in report
    ignore = DataSet(policy="ignore")
    setattr(ignore, keyword, value)
    assert ignore.deviations == []
    assert getattr(ignore, keyword) == getattr(report, keyword)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "x" * 64), ("PatientID", "ü" * 64), ("Modality", "CT"), ("StudyInstanceUID", "1." * 31 + "10"),
        ("StudyDate", "20200101-20201231"), ("StudyTime", "-1200"), ("StudyTime", "120000.5"), ("PatientAge", "005Y"),
        ("StudyDate", "-20201231"), ("StudyDate", "20200101-"), ("StudyDate", "2020*"),
        ("SliceThickness", " -1.5E+3 "), ("InstanceNumber", "+12 "), ("PatientName", "a^b^c^d^e=f=g"),
        ("PatientName", "Do*"), ("ImageType", ["A"] * 5), ("PixelSpacing", [1, 2]), ("Modality", ""),
        ("PatientComments", "two\r\nlines\\one value"), ("AcquisitionDateTime", "202001"), ("Modality", "C?"),
    ],
)  # fmt: skip
def test_what_conforms_passes_strictly(keyword, value):
    ds = DataSet(policy="strict")
    setattr(ds, keyword, value)
    assert keyword in ds
    assert ds.deviations == []


def test_the_policy_of_a_data_set_that_was_read():
    ds = read(one(), policy="strict")
    with pytest.raises(EncodeError) as caught:
        ds.RequestAttributesSequence[0].ScheduledProcedureStepID = "x" * 17
    assert caught.value.path == "RequestAttributesSequence.0.ScheduledProcedureStepID"
    assert "ScheduledProcedureStepID: SH value of 17 bytes is too long; PS3.5 6.2" in str(caught.value)
    with pytest.raises(ValueError, match="policy"):
        DataSet(policy="lax")


def test_vrs_that_other_elements_decide():
    ds = DataSet()
    ds.SmallestImagePixelValue = 5
    assert ds["SmallestImagePixelValue"].VR == "US"
    ds.SmallestImagePixelValue = -5
    assert ds["SmallestImagePixelValue"].VR == "SS"
    ds.PixelRepresentation = 1
    ds.LargestImagePixelValue = 5
    assert ds["LargestImagePixelValue"].VR == "SS"
    ds.BitsAllocated = 8
    ds.PixelData = b"ab"
    assert ds["PixelData"].VR == "OB"
    ds.BitsAllocated = 16
    ds.PixelData = b"ab"
    assert ds["PixelData"].VR == "OW"
    ds.LUTData = [1, 2]
    assert ds["LUTData"].VR == "US"
    ds.add_new("LUTData", "US or OW", b"ab")
    assert ds["LUTData"].VR == "OW"
    kept = read(element(0x00280106, "SS", b"\1\0"))
    kept.SmallestImagePixelValue = 2
    assert kept["SmallestImagePixelValue"].VR == "SS"


# --- sequences ---


def test_items_that_were_made_stay_the_same_items():
    code = DataSet()
    ds = DataSet()
    ds.ConceptNameCodeSequence = [code]
    code.CodeValue = "later"
    assert ds.ConceptNameCodeSequence[0].CodeValue == "later"
    ds.ConceptNameCodeSequence[0].CodeMeaning = "through the sequence"
    assert code.CodeMeaning == "through the sequence"
    made = Sequence([code])
    made.append(DataSet({"CodeValue": "second"}))
    ds.ConceptNameCodeSequence = made
    made.append(DataSet({"CodeValue": "third"}))
    assert [part.CodeValue for part in ds.ConceptNameCodeSequence] == ["later", "second", "third"]


def test_items_that_were_read_are_copied():
    ds = read(one())
    taken = ds.RequestAttributesSequence[0]
    ds.ReferencedRequestSequence = [taken, taken]
    taken.ScheduledProcedureStepID = "changed"
    assert [part.ScheduledProcedureStepID for part in ds.ReferencedRequestSequence] == ["STEP", "STEP"]
    ds.ReferencedRequestSequence[0].ScheduledProtocolCodeSequence[0].CodeValue = "C2"
    assert ds["ReferencedRequestSequence.1.ScheduledProtocolCodeSequence.0.CodeValue"].value == "CODE"
    assert ds["RequestAttributesSequence.0.ScheduledProtocolCodeSequence.0.CodeValue"].value == "CODE"


@pytest.mark.parametrize("undefined", [False, True])
def test_lists_of_items(undefined):
    items = [item(element(0x00080100, "SH", b"%02d" % n), undefined=undefined) for n in range(4)]
    ds = read(sequence(0x00082112, *items, undefined=undefined))
    found = ds.SourceImageSequence
    found.append(DataSet({"CodeValue": "end"}))
    found.insert(0, DataSet({"CodeValue": "first"}))
    del found[2]
    found[1] = DataSet({"CodeValue": "new"})
    found[-1:] = [DataSet({"CodeValue": "a"}), DataSet({"CodeValue": "b"})]

    def values() -> list[object]:
        return [part.CodeValue for part in ds.SourceImageSequence]

    assert values() == ["first", "new", "02", "03", "a", "b"]
    assert found.pop().CodeValue == "b"
    assert found.pop(0).CodeValue == "first"
    found.reverse()
    assert values() == ["a", "03", "02", "new"]
    found += [DataSet({"CodeValue": "c"})]
    assert len(found) == 5
    found[1].CodeValue = "33"
    assert values() == ["a", "33", "02", "new", "c"]
    for wrong in (lambda: found[9], lambda: found.__delitem__(9), lambda: found.__setitem__(9, DataSet())):
        with pytest.raises(IndexError):
            wrong()
    for wrong in (lambda: found.append(5), lambda: found.__setitem__(0, None), lambda: found.extend([1])):
        with pytest.raises(EncodeError):
            wrong()
    found.clear()
    assert len(ds.SourceImageSequence) == 0
    assert ds["SourceImageSequence"].VM == 1


def test_no_data_set_holds_itself():
    ds = DataSet()
    with pytest.raises(ValueError, match="itself"):
        ds.ReferencedImageSequence = [ds]
    outer, inner = DataSet(), DataSet()
    outer.ReferencedImageSequence = [inner]
    with pytest.raises(ValueError, match="itself"):
        inner.ReferencedImageSequence = [outer]
    with pytest.raises(ValueError, match="itself"):
        inner.ReferencedImageSequence = Sequence([outer])
    inner.SourceImageSequence = []
    with pytest.raises(ValueError, match="itself"):
        inner.SourceImageSequence.append(outer)
    assert len(list(outer.iterall())) == 2


# --- private elements ---


def test_private_blocks():
    ds = DataSet()
    with pytest.raises(KeyError):
        ds.private_block(0x0011, "ACME")
    block = ds.private_block(0x0011, "ACME", create=True)
    block.add_new(0x01, "LO", "one")
    other = ds.private_block(0x0011, "OTHER", create=True)
    other.add_new(0x01, "US", 7)
    assert [f"{int(one.tag):08x}" for one in ds] == ["00110010", "00110011", "00111001", "00111101"]
    assert ds[0x00111001].private_creator == "ACME"
    assert ds[0x00111101].private_creator == "OTHER"
    assert ds.private_block(0x0011, "ACME", create=True)[1].value == "one"
    block[1] = "two"
    assert block[1].value == "two"
    del block[1]
    assert 1 not in block
    with pytest.raises(EncodeError, match="no dictionary"):
        ds[0x00111005] = 5
    with pytest.raises(ValueError, match="odd"):
        ds.private_block(0x0010, "ACME", create=True)
    known = ds.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    known[0x08] = "IMAGE NUM 4"
    assert known[0x08].VR == "CS"


def test_private_blocks_of_a_data_set_that_was_read():
    ds = read(element(0x00090010, "LO", b"ACME") + element(0x00091001, "LO", b"x "))
    block = ds.private_block(0x0009, "NEW", create=True)
    block.add_new(2, "LO", "y")
    assert ds[0x00091102].value == "y"
    assert ds[0x00091102].private_creator == "NEW"
    ds[0x00091001] = "z"
    assert ds[0x00091001].private_creator == "ACME"


# --- copies ---


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, DataSet.copy, lambda ds: pickle.loads(pickle.dumps(ds))])
@pytest.mark.parametrize("made", [False, True])
def test_copies_do_not_share_changes(copied, made):
    ds = DataSet(read(one())) if made else read(one())
    ds.PatientID = "changed"
    ds.RequestAttributesSequence[0].ScheduledProcedureStepID = "S2"
    ds.RequestAttributesSequence.append(DataSet({"PatientID": "item"}))
    ds.file_meta.SourceApplicationEntityTitle = "AE"
    other = copied(ds)
    assert other == ds
    assert other.file_meta.SourceApplicationEntityTitle == "AE"
    other.PatientID = "other"
    other.RequestAttributesSequence[0].ScheduledProcedureStepID = "S3"
    other.RequestAttributesSequence[1].PatientID = "item 2"
    other.RequestAttributesSequence.append(DataSet())
    other.file_meta.SourceApplicationEntityTitle = "AE2"
    assert ds.PatientID == "changed"
    assert ds.RequestAttributesSequence[0].ScheduledProcedureStepID == "S2"
    assert ds.RequestAttributesSequence[1].PatientID == "item"
    assert len(ds.RequestAttributesSequence) == 2
    assert ds.file_meta.SourceApplicationEntityTitle == "AE"
    assert other.RequestAttributesSequence[0].ScheduledProcedureStepID == "S3"
    assert other.RequestAttributesSequence[0].ScheduledProtocolCodeSequence[0].CodeValue == "CODE"


def test_copies_of_items_and_sequences():
    ds = read(one())
    ds.RequestAttributesSequence[0].ScheduledProcedureStepID = "S2"
    for copied in (copy.copy, copy.deepcopy, lambda view: pickle.loads(pickle.dumps(view))):
        part = copied(ds.RequestAttributesSequence[0])
        assert part.ScheduledProcedureStepID == "S2"
        part.ScheduledProcedureStepID = "S4"
        parts = copied(ds.RequestAttributesSequence)
        assert parts[0].ScheduledProcedureStepID == "S2"
        parts.append(part)
        assert len(parts) == 2
        assert len(ds.RequestAttributesSequence) == 1
    assert ds.RequestAttributesSequence[0].ScheduledProcedureStepID == "S2"


@pytest.mark.parametrize("encoder", [explicit, implicit, big_endian])
def test_all_encodings_can_be_edited(encoder):
    syntax = {explicit: "1.2.840.10008.1.2.1", implicit: "1.2.840.10008.1.2", big_endian: "1.2.840.10008.1.2.2"}
    data = encoder.element(0x00280010, "US", b"\2\0" if encoder is not big_endian else b"\0\2")
    data += encoder.sequence(
        0x00400275, encoder.item(encoder.element(0x00400009, "SH", b"STEP"), undefined=True), undefined=True
    )
    ds = dicomwire.dcmread(part10(data, syntax[encoder]))
    ds.Columns = 0x0102
    ds.RequestAttributesSequence[0].ScheduledProcedureStepID = "new"
    from dicomwire.file import data_set_bytes

    expected = encoder.element(0x00280010, "US", b"\2\0" if encoder is not big_endian else b"\0\2")
    expected += encoder.element(0x00280011, "US", b"\2\1" if encoder is not big_endian else b"\1\2")
    expected += encoder.sequence(
        0x00400275, encoder.item(encoder.element(0x00400009, "SH", b"new "), undefined=True), undefined=True
    )
    assert data_set_bytes(ds) == expected


def test_encapsulated_pixel_data_can_be_taken_over():
    data = element(0x7FE00010, "OB", item() + item(b"ab") + item(b"cdef") + explicit.sequence_end(), length=UNDEFINED)
    source = dicomwire.dcmread(part10(data, "1.2.840.10008.1.2.4.50"))
    ds = DataSet()
    ds.PixelData = source.PixelData
    assert [bytes(fragment) for fragment in ds.PixelData] == [b"ab", b"cdef"]
    assert copy.copy(ds).PixelData == source.PixelData
    with pytest.raises(EncodeError, match="fragments"):
        ds.Rows = source.PixelData


def test_preamble_and_meta_of_a_made_data_set():
    ds = DataSet()
    assert ds.preamble is None
    ds.preamble = b"x" * 128
    assert ds.preamble == b"x" * 128
    with pytest.raises(ValueError, match="128"):
        ds.preamble = b"x"
    with pytest.raises(TypeError):
        ds.preamble = "x" * 128
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    assert ds.transfer_syntax == "1.2.840.10008.1.2"
    other = DataSet()
    other.file_meta = ds.file_meta
    assert other.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    with pytest.raises(TypeError):
        other.file_meta = {}
    with pytest.raises(AttributeError):
        _ = read(one()).RequestAttributesSequence[0].file_meta
