"""DataElement and Fragments: what an element says of itself, dates, raw bytes, encapsulated pixel data."""

import struct
from datetime import UTC, date, datetime, time

import pydicom
import pytest

import dicomwire
from dicomwire.errors import ValueDecodeError
from tests import builders
from tests.builders import (
    EXPLICIT,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    element,
    item,
    part10,
    sequence,
    sequence_end,
)

ENCAPSULATED = item() + item(b"ab") + item(b"") + item(b"cdef") + sequence_end()
TRAILING = element(0xFFFCFFFC, "OB", b"\0\0")


def read(data, syntax=EXPLICIT, **options):
    return dicomwire.dcmread(part10(data, syntax), **options)


# ---------------------------------------------------------------------------------------------------- what it says


def test_attributes_of_an_element():
    data = part10(element(0x00080008, "CS", b"ORIGINAL\\PRIMARY ") + element(0x00091001, "UN", b"ab"))
    found, private = dicomwire.dcmread(data)
    assert isinstance(found.tag, dicomwire.Tag)
    assert (found.tag, found.VR, found.VM) == (0x00080008, "CS", 2)
    assert (found.keyword, found.name, found.path) == ("ImageType", "Image Type", "ImageType")
    assert found.value == ["ORIGINAL", "PRIMARY"]
    assert (found.header_size, found.length) == (8, 17)
    assert data[found.offset : found.offset + found.length] == b"ORIGINAL\\PRIMARY "
    assert bytes(found.raw) == b"ORIGINAL\\PRIMARY "
    assert [found.is_private, found.is_undefined_length, found.is_truncated, found.is_empty] == [False] * 4
    assert found.private_creator is None
    assert (private.keyword, private.path, private.is_private, private.header_size) == ("", "00091001", True, 12)
    assert data[private.offset : private.offset + 2] == b"ab"


def test_offsets_are_absolute_everywhere():
    """Of elements in items of known and undefined length, of items and of the meta information."""
    for undefined in (False, True):
        data = part10(
            sequence(
                0x00400275,
                item(element(0x00080050, "SH", b"A1") + element(0x00400009, "SH", b"STEP"), undefined=undefined),
                undefined=undefined,
            )
            + element(0x00402017, "LO", b"ORDER1")
        )
        ds = dicomwire.dcmread(data)
        for found in [*ds.iterall(), *ds.file_meta]:
            assert data[found.offset : found.offset + found.length] == bytes(found.raw)
            header = data[found.offset - found.header_size : found.offset]
            assert struct.unpack("<HH", header[:4]) == (found.tag.group, found.tag.element)
            assert header[4:6].decode() == found.VR
        container = ds["RequestAttributesSequence"]
        assert container.is_undefined_length == undefined
        assert container.length == len(container.raw) == (38 if undefined else 30)
        assert data[container.offset :].startswith(b"\xfe\xff\x00\xe0")


@pytest.mark.parametrize(
    ("vr", "value", "vm"),
    [
        ("CS", b"", 0), ("CS", b"A ", 1), ("CS", b"A\\B ", 2), ("CS", b"\\ ", 2), ("LT", b"A\\B ", 1), ("US", b"", 0),
        ("US", b"\1\0\2\0\3\0", 3), ("DS", b"1\\2\\3 ", 3), ("OB", b"ab", 1), ("OB", b"", 0), ("UN", b"a\\", 1),
        ("AT", bytes(8), 2), ("PN", b"A\\B\\C ", 3), ("UI", b"1\\2\0", 2),
    ],
)  # fmt: skip
def test_multiplicity(vr, value, vm):
    found = read(element(0x00091001, vr, value))[0x00091001]
    assert vm == found.VM
    assert found.is_empty == (vm == 0)


def test_multiplicity_is_pydicoms(pydicom_files):
    path = pydicom_files["CT_small.dcm"]
    theirs = {int(found.tag): found.VM for found in pydicom.dcmread(path)}
    assert {int(found.tag): found.VM for found in dicomwire.dcmread(path)} == theirs


def test_text_of_elements():
    found = read(element(0x00100020, "LO", b"12345 "))["PatientID"]
    assert str(found) == repr(found) == "(0010,0020) Patient ID                          LO: '12345'"
    assert found.repval == "'12345'"


def test_equality():
    def one(tag, vr, value):
        return read(element(tag, vr, value))[tag]

    same = one(0x00100020, "LO", b"12 ")
    assert same == one(0x00100020, "LO", b"12\0")
    assert same != one(0x00100020, "SH", b"12 ")
    assert same != one(0x00100020, "LO", b"13 ")
    assert same != one(0x00100021, "LO", b"12 ")
    assert same != "12"
    assert one(0x00091001, "OB", b"ab") == one(0x00091001, "OB", b"ab")
    assert one(0x00091001, "OB", b"ab") != one(0x00091001, "OB", b"ac")


def test_a_cut_value_says_so():
    data = part10(element(0x00100020, "LO", b"12345 ") + element(0x00104000, "LT", b"abcd", length=10))
    ds = dicomwire.dcmread(data)
    assert not ds["PatientID"].is_truncated
    found = ds["PatientComments"]
    assert (found.is_truncated, found.length, found.value, bytes(found.raw)) == (True, 4, "abcd", b"abcd")
    assert [(deviation.kind, deviation.path) for deviation in ds.deviations] == [("truncated_value", "PatientComments")]


def test_raw_has_padding_and_is_read_only():
    raw = read(element(0x00101030, "DS", b" 71.50"))["PatientWeight"].raw
    assert (bytes(raw), raw.readonly) == (b" 71.50", True)


def test_raw_of_a_sequence_is_its_items():
    inner = item(element(0x00080100, "SH", b"CODE"))
    for undefined in (False, True):
        found = read(sequence(0x00081140, inner, undefined=undefined))["ReferencedImageSequence"]
        assert bytes(found.raw) == inner
        assert found.length == len(inner)
    deeper = item(element(0x00080100, "SH", b"CODE"), undefined=True)
    assert bytes(read(sequence(0x00081140, deeper))["ReferencedImageSequence"].raw) == deeper


def test_a_view_is_a_new_object_with_the_same_value():
    ds = read(element(0x00100010, "PN", b"Doe^John"))
    first, second = ds["PatientName"], ds["PatientName"]
    assert first is not second
    assert first == second
    assert first.value is second.value is ds.PatientName


def test_unknown_attributes():
    found = read(element(0x00100020, "LO", b"12345 "))["PatientID"]
    with pytest.raises(AttributeError, match="valu"):
        _ = found.valu
    for name in ("tag", "VR", "anything"):
        with pytest.raises(AttributeError):
            setattr(found, name, 1)
    assert getattr(found, "val" + "ue") == "12345"  # a name that is not interned


# ---------------------------------------------------------------------------------------------------- dates and times


@pytest.mark.parametrize(
    ("vr", "text", "value"),
    [
        ("DA", b"20240229", date(2024, 2, 29)),
        ("DA", b"2024.02.29", date(2024, 2, 29)),
        ("DA", b"", None),
        ("DA", b"  ", None),
        ("DA", b"20240229\\20240301 ", [date(2024, 2, 29), date(2024, 3, 1)]),
        ("TM", b"235959.123456 ", time(23, 59, 59, 123456)),
        ("TM", b"2359", time(23, 59)),
        ("TM", b"235960", time(23, 59, 59)),
        ("TM", b"01\\02 ", [time(1), time(2)]),
        ("DT", b"20240229235959.5+0000 ", datetime(2024, 2, 29, 23, 59, 59, 500000, UTC)),
        ("DT", b"2024", datetime(2024, 1, 1)),
        ("DT", b"2024\\2025 ", [datetime(2024, 1, 1), datetime(2025, 1, 1)]),
    ],
)
def test_as_datetime(vr, text, value):
    found = read(element(0x00091001, vr, text))[0x00091001]
    assert found.as_datetime() == value
    assert isinstance(found.value, str | list)


def test_empty_components_of_dates():
    """As with numbers, an empty component is None."""
    found = read(element(0x00080022, "DA", b"20240229\\"))["AcquisitionDate"]
    assert found.value == ["20240229", ""]
    assert found.as_datetime() == [date(2024, 2, 29), None]


@pytest.mark.parametrize(
    ("vr", "text"), [("DA", b"20240230"), ("DA", b"2024-02-29"), ("TM", b"240000"), ("DT", b"20241301"),
                     ("DA", b"20240229\\nonsense")]
)  # fmt: skip
def test_what_is_no_date(vr, text):
    ds = read(sequence(0x00400275, item(element(0x00091001, vr, text))))
    found = ds["00400275.0.00091001"]
    with pytest.raises(ValueDecodeError) as caught:
        found.as_datetime()
    assert caught.value.path == found.path == "RequestAttributesSequence.0.00091001"
    assert caught.value.offset == found.offset
    assert caught.value.section
    assert text.decode() not in str(caught.value)


def test_only_dates_are_dates():
    for vr, value in (("LO", b"20240229"), ("IS", b"2024"), ("SQ", b""), ("OB", b"2024")):
        with pytest.raises(TypeError, match=vr):
            read(element(0x00091001, vr, value))[0x00091001].as_datetime()


# ---------------------------------------------------------------------------------------------- encapsulated pixel data


def encapsulated(data=ENCAPSULATED, behind=TRAILING, syntax=JPEG, **options):
    start = element(0x00100020, "LO", b"12345 ") + element(0x00280010, "US", b"\2\0")
    return dicomwire.dcmread(
        part10(start + element(PIXEL_DATA, "OB", data, length=UNDEFINED) + behind, syntax), **options
    )


def test_fragments():
    fragments = encapsulated().PixelData
    assert isinstance(fragments, dicomwire.Fragments)
    assert len(fragments) == 3
    assert [bytes(fragment) for fragment in fragments] == [b"ab", b"", b"cdef"]
    assert all(isinstance(fragment, memoryview) and fragment.readonly for fragment in fragments)
    assert [bytes(fragments[number]) for number in (0, 1, 2, -1, -3)] == [b"ab", b"", b"cdef", b"cdef", b"ab"]
    assert [bytes(fragment) for fragment in fragments[1:]] == [b"", b"cdef"]
    assert [bytes(fragment) for fragment in fragments[::-2]] == [b"cdef", b"ab"]
    for wrong in (3, -4):
        with pytest.raises(IndexError):
            fragments[wrong]
    with pytest.raises(TypeError):
        fragments["0"]
    assert fragments.basic_offset_table == []
    assert repr(fragments) == "<Fragments: 3>"


def test_extents_are_where_the_fragments_stand():
    data = part10(element(PIXEL_DATA, "OB", ENCAPSULATED, length=UNDEFINED), JPEG)
    fragments = dicomwire.dcmread(data).PixelData
    for number, value in enumerate([b"ab", b"", b"cdef"]):
        offset, length = fragments.extent(number)
        assert data[offset : offset + length] == value
        assert struct.unpack("<HHL", data[offset - 8 : offset]) == (0xFFFE, 0xE000, length)
    for wrong in (3, -1):
        with pytest.raises(IndexError):
            fragments.extent(wrong)


def test_basic_offset_table():
    """Offsets count from the first fragment's item tag (PS3.5 Annex A.4)."""
    frames = [b"ab", b"cdef", b"gh"]
    data = item(struct.pack("<3L", 0, 10, 22)) + b"".join(item(frame) for frame in frames) + sequence_end()
    fragments = encapsulated(data).PixelData
    assert fragments.basic_offset_table == [0, 10, 22]
    assert [bytes(fragment) for fragment in fragments] == frames
    first = fragments.extent(0)[0] - 8
    assert [fragments.extent(number)[0] - 8 - first for number in range(3)] == [0, 10, 22]


def test_equality_of_fragments():
    assert encapsulated().PixelData == encapsulated().PixelData
    assert encapsulated()["PixelData"] == encapsulated()["PixelData"]
    other = item() + item(b"ab") + item(b"") + item(b"cdeg") + sequence_end()
    assert encapsulated(other).PixelData != encapsulated().PixelData
    assert encapsulated(item() + item(b"ab") + sequence_end()).PixelData != encapsulated().PixelData
    table = item(bytes(4)) + ENCAPSULATED[8:]
    assert encapsulated(table).PixelData != encapsulated().PixelData
    assert encapsulated().PixelData != [b"ab", b"", b"cdef"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(encapsulated().PixelData)


@pytest.mark.parametrize("data", [sequence_end(), item() + sequence_end(), item(bytes(4)) + sequence_end()])
def test_no_fragments(data):
    fragments = encapsulated(data).PixelData
    assert len(fragments) == 0
    assert list(fragments) == fragments[:] == []
    assert fragments.basic_offset_table == ([0] if len(data) > 16 else [])
    with pytest.raises(IndexError):
        fragments[0]


def test_the_element_of_fragments():
    found = encapsulated()["PixelData"]
    assert (found.VR, found.VM, found.is_undefined_length, found.header_size) == ("OB", 1, True, 12)
    assert bytes(found.raw) == ENCAPSULATED[:-8]
    assert found.length == len(ENCAPSULATED) - 8
    assert encapsulated(b"\xfe\xff\x00\xe0\0\0\0\0" + sequence_end())["PixelData"].length == 8


@pytest.mark.parametrize(
    "ask",
    [
        len,
        lambda ds: len(list(ds)),
        lambda ds: len(ds.keys()),
        lambda ds: len(list(ds.iterall())),
        lambda ds: 4 if "DataSetTrailingPadding" in ds else 0,
        lambda ds: 4 if 0xFFFCFFFC in ds else 0,
        lambda ds: 4 if ds.get("DataSetTrailingPadding") is not None else 0,
        lambda ds: 4 if ds.get(0xFFFCFFFC) is not None else 0,
        lambda ds: 4 if bytes(ds.DataSetTrailingPadding) == b"\0\0" else 0,
        lambda ds: 4 if ds[0xFFFC, 0xFFFC].length == 2 else 0,
        lambda ds: len(ds.dir()),
        lambda ds: len(ds.tape()) - 1 - 4,
    ],
)
def test_elements_behind_the_pixel_data_are_read_when_asked_for(ask):
    assert ask(encapsulated()) == 4
    ds = encapsulated()
    assert [bytes(fragment) for fragment in ds.PixelData] == [b"ab", b"", b"cdef"]
    assert ask(ds) == 4


def test_opening_leaves_fragments_alone():
    """Delimiters that are missing are found when someone walks there, not before."""
    ds = encapsulated(ENCAPSULATED[:-8], b"")
    assert ds.PatientID == "12345"
    assert "PatientSex" not in ds
    assert ds.deviations == []
    assert len(ds.PixelData) == 3
    assert [(deviation.kind, deviation.path) for deviation in ds.deviations] == [("missing_delimiter", "PixelData")]


def test_values_before_the_pixel_data_survive_the_walk():
    ds = encapsulated()
    fragments, pixels, rows = ds.PixelData, ds["PixelData"], ds["Rows"]
    elements = iter(ds)
    assert next(elements).tag == 0x00100020
    assert len(ds) == 4
    assert len(fragments) == 3
    assert (rows.value, pixels.offset, rows.path) == (2, ds["PixelData"].offset, "Rows")
    assert [int(found.tag) for found in elements] == [0x00280010, PIXEL_DATA, 0xFFFCFFFC]


def test_fragments_in_a_file_are_read_where_they_stand(tmp_path):
    path = tmp_path / "large.dcm"
    frames = [bytes([number]) * 30000 for number in range(20)]
    data = item() + b"".join(item(frame) for frame in frames) + sequence_end()
    start = element(0x00100020, "LO", b"12345 ")
    path.write_bytes(part10(start + element(PIXEL_DATA, "OB", data, length=UNDEFINED) + TRAILING, JPEG))
    ds = dicomwire.dcmread(path)
    fragments = ds.PixelData
    assert len(fragments) == 20
    assert [bytes(fragment) for fragment in fragments] == frames
    assert bytes(fragments[13]) == frames[13]
    assert len(ds) == 3
    assert ds.deviations == []
    del ds
    assert bytes(fragments[7]) == frames[7]
    view = fragments[8]
    del fragments
    assert bytes(view) == frames[8]


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("behind", [b"", TRAILING])
def test_fragments_in_an_icon(undefined, behind):
    """PS3.3 F.7: the pixel data of an icon may be encapsulated; PS3.5 A.4 has fragments in items as well."""
    icon = item(
        element(0x00280010, "US", b"\x40\0") + element(PIXEL_DATA, "OB", ENCAPSULATED, length=UNDEFINED) + behind,
        undefined=undefined,
    )
    data = sequence(0x00880200, icon, undefined=undefined) + element(PIXEL_DATA, "OB", ENCAPSULATED, length=UNDEFINED)
    ds = read(data + TRAILING, JPEG)
    one = ds.IconImageSequence[0]
    assert [bytes(fragment) for fragment in one.PixelData] == [b"ab", b"", b"cdef"]
    assert len(one) == (3 if behind else 2)
    assert one["PixelData"].path == "IconImageSequence.0.PixelData"
    assert ds.PixelData == one.PixelData
    assert len(ds) == 3
    wanted = [0x00880200, 0x00280010, PIXEL_DATA, *([0xFFFCFFFC] if behind else []), PIXEL_DATA, 0xFFFCFFFC]
    assert [int(found.tag) for found in ds.iterall()] == wanted
    assert ds.deviations == []


def test_extended_offset_table():
    """PS3.3 C.7.6.3.1.8: offsets and lengths as OV, in the data set."""
    table = element(0x7FE00001, "OV", struct.pack("<2Q", 0, 10)) + element(0x7FE00002, "OV", struct.pack("<2Q", 2, 4))
    frames = item() + item(b"ab") + item(b"cdef") + sequence_end()
    ds = read(table + element(PIXEL_DATA, "OB", frames, length=UNDEFINED), JPEG)
    assert ds["ExtendedOffsetTable"].VR == "OV"
    assert list(ds.ExtendedOffsetTable.cast("Q")) == [0, 10]
    assert list(ds.ExtendedOffsetTableLengths.cast("Q")) == [2, 4]
    assert [bytes(fragment) for fragment in ds.PixelData] == [b"ab", b"cdef"]


def test_native_pixel_data_is_a_view():
    for syntax, encoder, vr in ((EXPLICIT, builders.explicit, "OW"), (EXPLICIT, builders.explicit, "OB"),
                                (IMPLICIT, builders.implicit, "OW")):  # fmt: skip
        data = encoder.element(0x00280010, "US", b"\2\0") + encoder.element(PIXEL_DATA, vr, b"abcd")
        ds = read(data + encoder.element(0xFFFCFFFC, "OB", b"\0\0"), syntax)
        assert (ds["PixelData"].VR, bytes(ds.PixelData)) == (vr, b"abcd")
        assert len(ds) == 3


def test_real_fragments_are_pydicoms(pydicom_files):
    from pydicom.encaps import generate_fragments, parse_basic_offsets

    for name in ("JPEG2000.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm", "emri_small_RLE.dcm",
                 "color3d_jpeg_baseline.dcm"):  # fmt: skip
        path = pydicom_files[name]
        theirs = pydicom.dcmread(path).PixelData
        fragments = dicomwire.dcmread(path).PixelData
        table = parse_basic_offsets(theirs)
        assert fragments.basic_offset_table == table, name
        rest = theirs[8 + 4 * len(table) :]
        assert [bytes(fragment) for fragment in fragments] == list(generate_fragments(rest)), name
