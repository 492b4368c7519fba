"""Encoded frames become encapsulated pixel data that we and pydicom take apart again."""

import io

import pydicom
import pytest
from pydicom.encaps import generate_frames, parse_basic_offsets

import dicomwire
from dicomwire import DataSet
from dicomwire.errors import EncodeError
from dicomwire.file import file_bytes
from dicomwire.pixel.encapsulating import encapsulate, set_encapsulated
from tests.builders import JPEG

FRAMES = [b"\xff\xd8one\xff\xd9", b"\xff\xd8second frame\xff\xd9", b"\xff\xd8\xff\xd9"]


def made(frames, **options) -> DataSet:
    ds = DataSet({"SOPClassUID": "1.2.3", "SOPInstanceUID": "1.2.4", "Rows": 1, "Columns": 1, "BitsAllocated": 8})
    set_encapsulated(ds, frames, JPEG, **options)
    return ds


@pytest.mark.parametrize("table", ["basic", "extended", "none"])
def test_frames_are_found_again(table):
    data = file_bytes(made(FRAMES, offset_table=table))
    theirs = pydicom.dcmread(io.BytesIO(data))
    options = {}
    if table == "extended":
        options["extended_offsets"] = (theirs.ExtendedOffsetTable, theirs.ExtendedOffsetTableLengths)
    found = list(generate_frames(theirs.PixelData, number_of_frames=3, **options))
    assert [frame.rstrip(b"\0") for frame in found] == [frame.rstrip(b"\0") for frame in FRAMES]
    ours = dicomwire.dcmread(data, policy="strict")
    assert ours.NumberOfFrames == 3
    assert ours.PixelData.basic_offset_table == ([0, 16, 40] if table == "basic" else [])
    assert parse_basic_offsets(theirs.PixelData) == ours.PixelData.basic_offset_table
    frames = [bytes(frame).rstrip(b"\0") for frame in dicomwire.FrameReader(data)]
    assert frames == [frame.rstrip(b"\0") for frame in FRAMES]


def test_frames_of_several_fragments():
    value = encapsulate([[b"ab", b"c"], b"de"])
    assert [bytes(fragment) for fragment in value] == [b"ab", b"c\0", b"de"]
    assert value.basic_offset_table == [0, 20]
    assert encapsulate([b"ab"], offset_table="none").basic_offset_table == []
    with pytest.raises(EncodeError, match="2 fragments"):
        made([[b"ab", b"c"]], offset_table="extended")
    with pytest.raises(EncodeError, match="no fragment"):
        encapsulate([[]])
    for wrong in (encapsulate, lambda frames, **options: made(frames, **options)):
        with pytest.raises(ValueError, match="offset_table"):
            wrong([b"ab"], offset_table="other")


def test_another_table_takes_the_place_of_an_older_one():
    ds = made(FRAMES, offset_table="extended")
    set_encapsulated(ds, FRAMES[:1], JPEG)
    assert "ExtendedOffsetTable" not in ds
    assert ds.NumberOfFrames == 1
