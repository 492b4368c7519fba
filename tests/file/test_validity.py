"""A validator finds no more errors in what we make than in what pydicom makes of the same values."""

import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileMetaDataset

from dicomwire import DataSet
from tests.support import missing

pytestmark = pytest.mark.peers


def secondary_capture(kind):
    """A Secondary Capture image, by attributes."""
    ds = kind()
    ds.SpecificCharacterSet, ds.ImageType = "ISO_IR 100", ["DERIVED", "SECONDARY"]
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4.5"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.Modality = "20200101", "120000", "", "OT"
    ds.ConversionType, ds.ReferringPhysicianName, ds.PatientName = "WSD", "", "Müller^Jörg"
    ds.PatientID, ds.PatientBirthDate, ds.PatientSex, ds.Laterality = "1", "", "O", ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.StudyID = "1.2.3.4", "1.2.3.4.1", "1"
    ds.SeriesNumber, ds.InstanceNumber, ds.PatientOrientation = 1, 1, ""
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", 4, 3
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.SmallestImagePixelValue, ds.PixelData = 0, bytes(24)
    source, code = kind(), kind()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.9"
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "121320", "DCM", "Uncompressed predecessor"
    source.PurposeOfReferenceCodeSequence = [code]
    ds.SourceImageSequence = [source]
    return ds


def errors(path: Path) -> list[str]:
    tool = shutil.which("dciodvfy", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin")
    if tool is None:
        missing("dciodvfy (dicom3tools) is not installed")
    run = subprocess.run([tool, "-new", path], capture_output=True, text=True, check=False)
    lines = (run.stdout + run.stderr).splitlines()
    assert any("SCImage" in line for line in lines)
    return [line for line in lines if line.startswith("Error")]


@pytest.mark.parametrize("lengths", ["known", "undefined"])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_a_secondary_capture_image(tmp_path, syntax, lengths):
    theirs = secondary_capture(pydicom.Dataset)
    theirs.file_meta = FileMetaDataset()
    theirs.file_meta.TransferSyntaxUID = syntax
    theirs.save_as(tmp_path / "theirs.dcm", enforce_file_format=True)
    secondary_capture(DataSet).save_as(tmp_path / "ours.dcm", transfer_syntax=syntax, lengths=lengths, policy="strict")
    assert set(errors(tmp_path / "ours.dcm")) <= set(errors(tmp_path / "theirs.dcm"))
