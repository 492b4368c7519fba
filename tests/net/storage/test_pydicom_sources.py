"""Datasets of pydicom as instances to send."""

import pytest
from pydicom.dataset import Dataset, FileMetaDataset

import dicomwire
from dicomwire.errors import DicomWireError
from dicomwire.net.storage import open_instance


def made():
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientID = "P"
    return dataset


@pytest.mark.parametrize("syntax", [None, "1.2.840.10008.1.2"])
def test_a_dataset_is_sent_as_pydicom_writes_it(syntax):
    dataset = made()
    if syntax is not None:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
    with open_instance(dataset) as instance:
        assert (instance.sop_class_uid, instance.sop_instance_uid) == (dataset.SOPClassUID, "1.2.3")
        assert instance.transfer_syntax == (syntax or "1.2.840.10008.1.2.1")
        data = b"".join(bytes(piece) for piece in instance.pieces())
    assert dicomwire.dcmread(data, force=True).PatientID == "P"


def test_a_dataset_without_uids_is_no_instance():
    with pytest.raises(DicomWireError):
        open_instance(Dataset())
