"""What is said of images that were compressed with loss, behind what was said before."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dicomwire
from dicomwire import DataSet
from dicomwire.file import file_bytes
from dicomwire.pixel import codecs
from tests.file.test_validity import secondary_capture
from tests.pixel.images import RLE, native
from tests.support import missing

BASELINE, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.91"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture(autouse=True)
def _codecs():
    if not codecs.is_available(J2K):
        missing("imagecodecs is not installed: pip install dicomwire[codecs]")


def image(**values):
    pixels = (np.arange(400) % 251).astype(np.uint8)
    ds = dicomwire.dcmread(native(pixels.tobytes(), rows=20, columns=20, stored=8, high_bit=7, signed=0))
    ds.update({"SOPClassUID": SECONDARY_CAPTURE, "SOPInstanceUID": "1.2.3", **values})
    return ds


def reread(ds):
    return dicomwire.dcmread(file_bytes(ds), policy="strict")


def code(item):
    return item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning


def test_the_derivation_and_the_source_are_said():
    ds = image()
    ds.compress(BASELINE)
    found = reread(ds)
    ratio = found.LossyImageCompressionRatio
    assert found.DerivationDescription == f"Lossy compression, ISO_10918_1, ratio {ratio}"
    assert [code(each) for each in found.DerivationCodeSequence] == [("113040", "DCM", "Lossy Compression")]
    (source,) = found.SourceImageSequence
    assert (source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID) == (SECONDARY_CAPTURE, "1.2.3")
    assert [code(each) for each in source.PurposeOfReferenceCodeSequence] == [
        ("121320", "DCM", "Uncompressed predecessor")
    ]
    assert found.SOPInstanceUID not in ("", "1.2.3")
    assert found.ImageType == ["DERIVED", "PRIMARY"]


def test_what_was_said_before_stays():
    other = DataSet({"CodeValue": "113076", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Segmentation"})
    earlier = DataSet({"ReferencedSOPClassUID": SECONDARY_CAPTURE, "ReferencedSOPInstanceUID": "1.9"})
    ds = reread(image(DerivationDescription="cut out", DerivationCodeSequence=[other], SourceImageSequence=[earlier]))
    ds.compress(BASELINE)
    first = ds.SOPInstanceUID
    ds = reread(ds)
    ds.compress(J2K)
    ds = reread(ds)
    one, two = ds.LossyImageCompressionRatio
    assert ds.DerivationDescription == (
        f"cut out; Lossy compression, ISO_10918_1, ratio {one:.2f}; Lossy compression, ISO_15444_1, ratio {two:.2f}"
    )
    assert [each.CodeValue for each in ds.DerivationCodeSequence] == ["113076", "113040"]
    assert [each.ReferencedSOPInstanceUID for each in ds.SourceImageSequence] == ["1.9", "1.2.3", first]
    purposes = [each.PurposeOfReferenceCodeSequence[0].CodeValue for each in list(ds.SourceImageSequence)[1:]]
    assert purposes == ["121320", "121330"]  # the second one was compressed itself


def test_a_description_does_not_outgrow_its_value():
    ds = image(DerivationDescription="x" * 1000)
    ds.compress(BASELINE)
    assert reread(ds).DerivationDescription == "x" * 1000
    assert ds.DerivationCodeSequence[0].CodeValue == "113040"


def test_values_that_are_wrong_stay_and_stop_nothing():
    from dicomwire import DataElement

    ds = image()
    for keyword, vr, value in (
        ("SOPClassUID", "UI", "1.02.x"), ("ImageType", "CS", ["lower case", "much longer than sixteen bytes"]),
        ("LossyImageCompressionRatio", "DS", ["about 5"]), ("SourceImageSequence", "LO", "no sequence"),
        ("DerivationCodeSequence", "UN", b"abc"), ("DerivationDescription", "ST", "one\\two"),
    ):  # fmt: skip
        ds.add(DataElement(keyword, vr, value, policy="ignore"))
    ds.compress(BASELINE)
    found = dicomwire.dcmread(file_bytes(ds, policy="ignore"))
    assert found.ImageType == ["DERIVED", "much longer than sixteen bytes"]
    assert found["LossyImageCompressionRatio"].raw.tobytes().startswith(b"about 5\\")
    assert found.SourceImageSequence[0].ReferencedSOPClassUID == "1.02.x"
    assert found.DerivationCodeSequence[0].CodeValue == "113040"
    assert found.DerivationDescription.startswith("one\\two; Lossy compression")


def test_without_a_new_instance_or_without_loss():
    ds = image()
    ds.compress(BASELINE, generate_instance_uid=False)
    assert ds.DerivationCodeSequence[0].CodeValue == "113040"
    assert "SourceImageSequence" not in ds
    ds = image()
    ds.compress(RLE, generate_instance_uid=True)
    assert ds.SOPInstanceUID != "1.2.3"
    assert not {"DerivationDescription", "DerivationCodeSequence", "SourceImageSequence", "ImageType"} & {
        each.keyword for each in ds
    }
    ds = image()
    del ds["SOPInstanceUID"]  # nothing to refer to
    ds.compress(BASELINE)
    assert "SourceImageSequence" not in ds


def test_functional_groups_say_it_for_their_frames():
    shared = DataSet({"MRImageFrameTypeSequence": [DataSet({"FrameType": ["ORIGINAL", "PRIMARY", "M", "NONE"]})]})
    ds = reread(image(ImageType=["ORIGINAL", "PRIMARY", "M"], SharedFunctionalGroupsSequence=[shared],
                      PerFrameFunctionalGroupsSequence=[DataSet()]))  # fmt: skip
    ds.compress(BASELINE)
    ds = reread(ds)
    group = ds.SharedFunctionalGroupsSequence[0]
    assert group.MRImageFrameTypeSequence[0].FrameType == ["DERIVED", "PRIMARY", "M", "NONE"]
    (derivation,) = group.DerivationImageSequence
    assert derivation.DerivationCodeSequence[0].CodeValue == "113040"
    assert derivation.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3"
    assert not {"DerivationDescription", "DerivationCodeSequence", "SourceImageSequence"} & {it.keyword for it in ds}
    assert len(ds.PerFrameFunctionalGroupsSequence[0]) == 0
    # Where frames have theirs, it is there, behind it.
    own = DataSet({"DerivationImageSequence": [DataSet({"DerivationDescription": "before"})]})
    ds = reread(image(SharedFunctionalGroupsSequence=[DataSet()], PerFrameFunctionalGroupsSequence=[own, own]))
    ds.compress(BASELINE, generate_instance_uid=False)
    ds = reread(ds)
    for frame in ds.PerFrameFunctionalGroupsSequence:
        before, after = frame.DerivationImageSequence
        assert before.DerivationDescription == "before"
        assert after.DerivationDescription.startswith("Lossy compression")
        assert len(after.SourceImageSequence) == 0
    assert len(ds.SharedFunctionalGroupsSequence[0]) == 0


@pytest.mark.peers
def test_a_validator_finds_no_more_errors_than_before(tmp_path):
    tool = shutil.which("dciodvfy", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin")
    if tool is None:
        missing("dciodvfy (dicom3tools) is not installed")

    def errors(ds, name):
        ds.save_as(tmp_path / name)
        run = subprocess.run([tool, "-new", tmp_path / name], capture_output=True, text=True, check=False)
        lines = (run.stdout + run.stderr).splitlines()
        assert any("SCImage" in line for line in lines)
        return [line for line in lines if line.startswith("Error")]

    ds = secondary_capture(DataSet)
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.Rows = ds.Columns = 20
    ds.PixelData = (np.arange(400) % 251).astype(np.uint8).tobytes()
    before = errors(ds, "before.dcm")
    ds.compress(BASELINE)
    assert set(errors(ds, "after.dcm")) <= set(before)
