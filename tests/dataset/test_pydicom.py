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
