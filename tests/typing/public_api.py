"""Read by mypy and never run: the types that users see, as assertions (see test_public_api.py)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import dicomwire
from dicomwire.errors import DecodeError, Deviation
from dicomwire.sr import ContentItem, read_content
from dicomwire.streaming.multipart import iter_multipart, write_multipart

ds = dicomwire.dcmread("a.dcm", stop_before_pixels=True, specific_tags=["PatientID", 0x00280010, (0x28, 0x11)])
assert_type(ds, dicomwire.DataSet)
assert_type(dicomwire.dcmread(Path("a.dcm"), stop_at="PixelData", policy="strict"), dicomwire.DataSet)
assert_type(dicomwire.dcmread(b"", force=True, charset=["", "ISO 2022 IR 87"]), dicomwire.Dataset)

# attributes, by VR and VM
assert_type(ds.PatientName, dicomwire.PersonName)
assert_type(ds.PatientName.family_name, str)
assert_type(ds.PatientID, str)
assert_type(ds.ImageType, str | list[str])
assert_type(ds.Rows, int | None)
assert_type(ds.PatientWeight, float | None)
assert_type(ds.PixelSpacing, float | list[float] | None)
assert_type(ds.InstanceNumber, int | None)
assert_type(ds.SOPClassUID, dicomwire.UID)
assert_type(ds.FrameIncrementPointer, dicomwire.Tag | list[dicomwire.Tag] | None)
assert_type(ds.StudyDate, str)
assert_type(ds.RequestAttributesSequence, dicomwire.Sequence)
assert_type(ds.RequestAttributesSequence[0], dicomwire.DataSet)
assert_type(ds.RequestAttributesSequence[0:2], list[dicomwire.DataSet])
assert_type(ds.RequestAttributesSequence[0].ScheduledProcedureStepID, str)
assert_type(ds.ExtendedOffsetTable, memoryview | None)
for one in ds.RequestAttributesSequence:
    assert_type(one, dicomwire.DataSet)

# text models and pydicom
assert_type(ds.to_json(bulk_data="omit", number_strings=True), str)
assert_type(ds.to_json_dict(bulk_data_element_handler=lambda found: found.path), dict[str, Any])
assert_type(dicomwire.DataSet.from_json("{}", max_depth=3), dicomwire.DataSet)
assert_type(ds.to_xml(bulk_data_threshold=0), str)
assert_type(dicomwire.DataSet.from_xml(b"", bulk_data_uri_handler=lambda tag, vr, uri: None), dicomwire.DataSet)
assert_type(dicomwire.DataSet.from_pydicom(ds.to_pydicom()), dicomwire.DataSet)
assert_type(list(read_content(ds).walk()), list[ContentItem])

# elements
element = ds["PatientID"]
assert_type(element, dicomwire.DataElement)
assert_type(ds[0x0010, 0x0020], dicomwire.DataElement)
assert_type(ds[0x00100020], dicomwire.DataElement)
assert_type(element.tag, dicomwire.Tag)
assert_type(element.VR, str)
assert_type(element.VM, int)
assert_type(element.value, object)
assert_type(element.raw, memoryview)
assert_type(element.offset, int)
assert_type(element.length, int)
assert_type(element.keyword, str)
assert_type(element.path, str)
assert_type(element.is_private, bool)
assert_type(ds.get(0x00100020), dicomwire.DataElement | None)
assert_type(ds.get((0x0010, 0x0020)), dicomwire.DataElement | None)
assert_type(ds.get("PatientID"), object)

# what is set
ds.PatientID = "x"
ds.PixelSpacing = [0.5, "0.5"]
ds.RequestAttributesSequence = [dicomwire.DataSet()]
del ds.PatientID
ds["PatientID"] = "x"
ds[0x0010, 0x0020].value = None
ds.add(dicomwire.DataElement(0x00100020, "LO", "x"))
ds.add_new("PatientID", "LO", "x")
ds.update({"PatientID": "x"})
assert_type(dicomwire.DataSet({"PatientID": "x"}, policy="strict"), dicomwire.DataSet)
assert_type(dicomwire.DataSet(PatientID="x", Rows=5), dicomwire.DataSet)
assert_type(ds["PatientName":"PatientID"], dicomwire.DataSet)
assert_type(ds["PatientName"], dicomwire.DataElement)
assert_type(list(ds.walk()), list[dicomwire.DataElement])
ds.walk(lambda where, element: print(where.PatientID, element.tag))
assert_type(ds.setdefault("PatientID", "x"), dicomwire.DataElement)
assert_type(ds.copy(), dicomwire.DataSet)
ds.RequestAttributesSequence.append(dicomwire.DataSet())
ds.RequestAttributesSequence[0] = dicomwire.DataSet()
assert_type(ds.RequestAttributesSequence.pop(), dicomwire.DataSet)
assert_type(ds.private_block(0x0011, "ACME", create=True)[1], dicomwire.DataElement)
ds.save_as(Path("b.dcm"), overwrite=True, transfer_syntax="1.2.840.10008.1.2")
dicomwire.dcmwrite("b.dcm", ds, lengths="undefined", synchronize=True)
assert_type(dicomwire.generate_uid(), dicomwire.UID)

# containers
assert_type(iter(ds), Iterator[dicomwire.DataElement])
assert_type(ds.iterall(), Iterator[dicomwire.DataElement])
assert_type(ds.keys(), list[dicomwire.Tag])
assert_type(ds.values(), list[dicomwire.DataElement])
assert_type(ds.items(), list[tuple[dicomwire.Tag, dicomwire.DataElement]])
assert_type(len(ds), int)
assert_type("PatientID" in ds, bool)
assert_type(ds.dir("Patient"), list[str])
assert_type(ds.private_block(0x0009, "MINE")[0x01], dicomwire.DataElement)

# the whole data set
assert_type(ds.file_meta, dicomwire.DataSet)
assert_type(ds.file_meta.TransferSyntaxUID, dicomwire.UID)
assert_type(ds.preamble, bytes | None)
assert_type(ds.transfer_syntax, dicomwire.UID | None)
assert_type(ds.is_implicit_VR, bool)
assert_type(ds.deviations, list[Deviation])
assert_type(ds.deviations[0].offset, int)
assert_type(dicomwire.errors.DecodeError("", offset=1).offset, int | None)
assert_type(DecodeError("").path, str | None)

# fragments
pixels = ds["PixelData"].value
if isinstance(pixels, dicomwire.Fragments):
    assert_type(pixels[0], memoryview)
    assert_type(pixels[:2], list[memoryview])
    assert_type(pixels.basic_offset_table, list[int])
    assert_type(pixels.extent(0), tuple[int, int])

# frames
reader = dicomwire.FrameReader("a.dcm", index="a.dcm.frames", policy="strict")
assert_type(len(reader), int)
assert_type(reader[0].fragments, list[memoryview])
assert_type(reader[0].extents, list[tuple[int, int]])
assert_type(bytes(reader[0]), bytes)
assert_type([frame.number for frame in reader[1:3]], list[int])
assert_type([frame.offset for frame in reader], list[int])
assert_type(reader.deviations, list[Deviation])
assert_type(dicomwire.FrameIndex.build(ds), dicomwire.FrameIndex)
assert_type(dicomwire.FrameIndex.load(Path("a.dcm.frames")).extents(3), list[tuple[int, int]])
# messages
from dicomwire import dimse  # noqa: E402

assert_type(dimse.decode_message(b""), dimse.CommandMessage)
assert_type(dimse.CStoreRQ().response(status=0), dimse.CStoreRSP)
assert_type(dimse.NActionRQ().refusal(), dimse.NActionRSP | None)
assert_type(dimse.CFindRQ().sop_class_uid, dicomwire.UID)
assert_type(dimse.CFindRSP().sop_class_uid, dicomwire.UID | None)
assert_type(dimse.encode_message(1, dimse.CEchoRQ(), None, 0), list[bytes | memoryview])
assert_type(dimse.Exchange().invoke(dimse.CEchoRQ(), 1), dimse.Pending)
# stores, archives, multipart bodies
with dicomwire.open_remote("s3://bucket/key", storage_options={"region": "eu-central-1"}) as remote:
    assert_type(remote.requests, int)
    assert_type(remote.read_ranges([(0, 10)]), list[memoryview])
    assert_type(dicomwire.dcmread(remote), dicomwire.DataSet)
for member in dicomwire.iter_archive(Path("a.zip"), max_members=10):
    assert_type(member.name, str)
    assert_type(member.size, int | None)
    assert_type(member.read(), bytes)
for part in iter_multipart([b""], "multipart/related; boundary=a"):
    assert_type(part.headers, dict[str, str])
    assert_type(part.read(), bytes)
content_type, body = write_multipart([Path("a.dcm"), b"", ({"Content-Location": "a"}, [b""])])
assert_type(content_type, str)
assert_type(body.content_length, int | None)

# pixels
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from dicomwire.pixel import Frames, ImagePixel  # noqa: E402

assert_type(ds.pixel_array, NDArray[Any])
assert_type(ds.decode([1, 2], out=bytearray(8), threads=2), NDArray[Any])
assert_type(ds.frames, Frames)
assert_type(ds.frames[0], NDArray[Any])
assert_type(ds.frames.dtype, np.dtype[Any])
assert_type(ds.frames.description, ImagePixel)
