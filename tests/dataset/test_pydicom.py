"""Data sets to and from pydicom's objects: the same elements both ways, nothing decoded on the way."""

import io

import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

import dicomwire
import dicomwire.dataset.json
import dicomwire.dataset.xml
from dicomwire import DataSet
from dicomwire.dataset.pydicom import as_data_set, is_pydicom
from dicomwire.errors import EncodeError
from dicomwire.file.writer import dcmwrite
from dicomwire.sr import read_content
from tests.builders import (
    BIG_ENDIAN,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    big_endian,
    element,
    implicit,
    item,
    part10,
    plain,
    sequence,
    sequence_end,
)  # fmt: skip


def made() -> Dataset:
    dataset = Dataset()
    dataset.PatientName = "Doe^John"
    dataset.Rows = 5
    inner = Dataset()
    inner.PatientID = "1"
    dataset.OtherPatientIDsSequence = [inner]
    return dataset


def test_a_data_set_that_was_read():
    data = part10(plain(pixels=b"\1\2") + element(0x7FE10010, "LO", b"MAKER "))
    found = dicomwire.dcmread(data).to_pydicom()
    assert isinstance(found, FileDataset)
    theirs = pydicom.dcmread(io.BytesIO(data))
    assert found == theirs
    assert found.original_character_set == theirs.original_character_set
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert found.preamble == bytes(128)
    assert found.original_encoding == (False, True)


@pytest.mark.parametrize(("syntax", "encoder"), [(IMPLICIT, implicit), (BIG_ENDIAN, big_endian)])
def test_other_encodings(syntax, encoder):
    number = b"\0\5" if syntax == BIG_ENDIAN else b"\5\0"
    data = part10(
        encoder.sequence(0x00101002, encoder.item(encoder.element(0x00100020, "LO", b"1 ")))
        + encoder.element(0x00280010, "US", number),
        syntax,
    )
    found = dicomwire.dcmread(data).to_pydicom()
    assert (found.Rows, found.OtherPatientIDsSequence[0].PatientID) == (5, "1")
    assert DataSet.from_pydicom(found) == dicomwire.dcmread(data)


def test_character_sets_are_inherited_and_replaced():
    text = "Müller".encode("latin-1")
    data = part10(
        element(0x00080005, "CS", b"ISO_IR 100")
        + element(0x00081030, "LO", text)
        + sequence(
            0x00101002,
            item(element(0x00081030, "LO", text)),
            item(element(0x00080005, "CS", b"ISO_IR 192") + element(0x00081030, "LO", "山".encode() + b" ")),
        )
    )
    found = dicomwire.dcmread(data).to_pydicom()
    assert found.StudyDescription == "Müller"
    assert [one.StudyDescription for one in found.OtherPatientIDsSequence] == ["Müller", "山"]


def test_encapsulated_pixel_data():
    fragments = item() + item(b"\xff\xd8ab")
    data = part10(plain() + element(PIXEL_DATA, "OB", fragments + sequence_end(), length=UNDEFINED), JPEG)
    found = dicomwire.dcmread(data).to_pydicom()
    assert found["PixelData"].is_undefined_length
    assert found.PixelData == fragments
    assert DataSet.from_pydicom(found) == dicomwire.dcmread(data)


def test_items_become_plain_datasets():
    ds = dicomwire.dcmread(part10(sequence(0x00101002, item(element(0x00100020, "LO", b"1 ")))))
    found = ds.OtherPatientIDsSequence[0].to_pydicom()
    assert type(found) is Dataset
    assert found.PatientID == "1"


def test_datasets_that_were_made():
    ds = DataSet.from_pydicom(made())
    assert (ds.PatientName, ds.Rows, ds.OtherPatientIDsSequence[0].PatientID) == ("Doe^John", 5, "1")
    assert not ds.is_implicit_VR
    dataset = made()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = IMPLICIT
    found = DataSet.from_pydicom(dataset)
    assert found.is_implicit_VR
    assert found.file_meta.TransferSyntaxUID == IMPLICIT
    assert found.Rows == 5


def test_what_pydicom_cannot_write():
    dataset = Dataset()
    dataset.Rows = 5
    dataset["Rows"]._value = "x"
    with pytest.raises(EncodeError, match="pydicom cannot write") as caught:
        DataSet.from_pydicom(dataset)
    assert caught.value.__cause__ is not None


def test_pydicom_datasets_where_a_data_set_is_expected():
    assert is_pydicom(made())
    assert not is_pydicom(DataSet.from_pydicom(made()))
    assert as_data_set(made()).Rows == 5
    assert dicomwire.dataset.json.to_json_dict(made())["00280010"] == {"vr": "US", "Value": [5]}
    assert 'tag="00280010"' in dicomwire.dataset.xml.to_xml(made())
    with pytest.raises(TypeError, match="not int"):
        as_data_set(5)


def test_data_sets_that_were_made_or_changed():
    ds = DataSet()
    ds.PatientName = "Müller"
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.OtherPatientIDsSequence = [DataSet({"PatientID": "1"})]
    found = ds.to_pydicom()
    assert (found.PatientName, found.OtherPatientIDsSequence[0].PatientID) == ("Müller", "1")
    changed = dicomwire.dcmread(part10(big_endian.element(0x00280010, "US", b"\0\5"), BIG_ENDIAN))
    changed.Rows = 6
    changed.PatientID = "P"
    assert changed.to_pydicom().Rows == 6
    del changed.PatientID
    assert "PatientID" not in changed.to_pydicom()


def test_datasets_are_written_read_as_frames_and_as_reports(tmp_path):
    dataset = made()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dcmwrite(tmp_path / "a.dcm", dataset)
    assert dicomwire.dcmread(tmp_path / "a.dcm").PatientName == "Doe^John"
    dataset.Rows, dataset.Columns, dataset.BitsAllocated, dataset.SamplesPerPixel = 1, 2, 8, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation, dataset.BitsStored = "MONOCHROME2", 0, 8
    dataset.HighBit = 7
    dataset.add_new(0x7FE00010, "OB", b"\1\2")
    assert bytes(dicomwire.FrameReader(dataset)[0]) == b"\1\2"
    dataset.ValueType = "CONTAINER"
    assert read_content(dataset).value_type == "CONTAINER"


# --- wherever a data set is taken ---


def test_items_and_elements_of_pydicom_are_taken():
    theirs = made()
    for ds in (DataSet(), dicomwire.dcmread(part10(plain()))):
        ds.OtherPatientIDsSequence = [theirs, DataSet(PatientID="2")]
        ds.OtherPatientIDsSequence.append(theirs.OtherPatientIDsSequence[0])
        ds.add(theirs["Rows"])
        ds["PatientName"] = theirs["PatientName"]
        ds.ContentSequence = theirs.OtherPatientIDsSequence
        again = dicomwire.dcmread(dicomwire.file.file_bytes(ds), force=True)
        assert [one.get("PatientID") for one in again.OtherPatientIDsSequence] == [None, "2", "1"]
        assert again.OtherPatientIDsSequence[0].OtherPatientIDsSequence[0].PatientID == "1"
        assert (again.PatientName, again.Rows, again.ContentSequence[0].PatientID) == ("Doe^John", 5, "1")
        with pytest.raises(EncodeError, match="items are data sets, not dict"):
            ds.ContentSequence = [{}]
        with pytest.raises(TypeError, match=r"expected a DataElement, not builtins\.int"):
            ds.add(5)


def test_a_data_set_is_made_from_and_updated_by_one_of_pydicom():
    assert DataSet(made()) == DataSet.from_pydicom(made())
    ds = DataSet(PatientID="kept", Rows=1)
    ds.update(made())
    assert (ds.PatientID, ds.Rows, ds.PatientName) == ("kept", 5, "Doe^John")


def test_text_of_items_of_pydicom_is_written_in_the_character_set_around():
    data = part10(
        element(0x00080005, "CS", b"ISO_IR 100")
        + sequence(0x00101002, item(element(0x00081030, "LO", "Müller".encode("latin-1"))))
    )
    theirs = pydicom.dcmread(io.BytesIO(data))
    fresh = Dataset()
    fresh.StudyDescription = "Müller"
    for terms in ("ISO_IR 192", "ISO_IR 100"):
        ds = DataSet(SpecificCharacterSet=terms)
        ds.OtherPatientIDsSequence = [theirs.OtherPatientIDsSequence[0], fresh]
        ds.add(fresh["StudyDescription"])
        again = pydicom.dcmread(io.BytesIO(dicomwire.file.file_bytes(ds)), force=True)
        assert [one.StudyDescription for one in again.OtherPatientIDsSequence] == ["Müller", "Müller"]
        assert again.StudyDescription == "Müller"
        assert "SpecificCharacterSet" not in again.OtherPatientIDsSequence[0]
    assert "SpecificCharacterSet" not in fresh
    assert "SpecificCharacterSet" not in theirs.OtherPatientIDsSequence[0]


def test_numbers_of_pydicom_keep_their_text():
    data = part10(element(0x00180050, "DS", b"5.000 ") + element(0x00280030, "DS", b"0.50\\1.5E0"))
    theirs = pydicom.dcmread(io.BytesIO(data))
    ds = DataSet(SliceThickness=theirs.SliceThickness, PixelSpacing=theirs.PixelSpacing)
    assert bytes(ds["SliceThickness"].raw) == b"5.000 "
    assert bytes(ds["PixelSpacing"].raw) == b"0.50\\1.5E0"
    assert (ds.SliceThickness, ds.PixelSpacing) == (5.0, [0.5, 1.5])
