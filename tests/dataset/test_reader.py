"""dcmread: sources, options, policy, and what the root data set says (PS3.10 section 7, PS3.5 section 10)."""

import array
import io
import mmap
import os
import pickle
import threading
import zlib
from pathlib import Path

import pydicom
import pytest

import dicomwire
from dicomwire.errors import DecodeError, ElementError, TruncatedError, ValueDecodeError
from tests import builders
from tests.builders import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    element,
    item,
    meta,
    part10,
    sequence,
    sequence_end,
)

PIXELS = element(PIXEL_DATA, "OW", bytes(range(256)) * 200)
FRAGMENTS = element(PIXEL_DATA, "OB", item() + item(b"ab") + sequence_end(), length=UNDEFINED)
TRAILING = element(0xFFFCFFFC, "OB", b"\0\0")
SMALL = part10(builders.plain())
LARGE = part10(builders.plain() + PIXELS + TRAILING)


def read(data, syntax=EXPLICIT, **options):
    return dicomwire.dcmread(part10(data, syntax), **options)


def tags(elements):
    return [int(found.tag) for found in elements]


def kinds(ds):
    return [deviation.kind for deviation in ds.deviations]


# ------------------------------------------------------------------------------------------------------------- sources


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def data(request):
    return request.param


@pytest.fixture
def path(tmp_path, data):
    path = tmp_path / "a.dcm"
    path.write_bytes(data)
    return path


def check(ds, data):
    assert ds.PatientID == "12345"
    assert len(ds) == (5 if data is SMALL else 7)
    assert ds.get("PixelData") is None if data is SMALL else bytes(ds.PixelData) == bytes(range(256)) * 200
    assert ds.transfer_syntax == EXPLICIT
    assert ds.preamble == bytes(128)
    assert ds.deviations == []
    assert bytes(ds["PatientID"].raw) == b"12345 "
    assert data[ds["PatientID"].offset :].startswith(b"12345 ")


def test_paths(path, data):
    class Named:
        def __fspath__(self):
            return str(path)

    for source in (str(path), path, Named()):
        ds = dicomwire.dcmread(source)
        check(ds, data)
        assert ds.filename == source
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        check(dicomwire.dcmread("a.dcm"), data)
    finally:
        os.chdir(before)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array.array("B", data), io.BytesIO])
def test_buffers(kind, data):
    ds = dicomwire.dcmread(kind(data))
    check(ds, data)
    assert ds.filename is None


def test_part_of_a_buffer(data):
    check(dicomwire.dcmread(memoryview(b"front" + data + b"xyz")[5 : 5 + len(data)]), data)
    with pytest.raises(BufferError):
        dicomwire.dcmread(memoryview(data + data)[::2])


def test_mapped_files_are_read_in_place(path, data):
    """A mapping is a bytes-like object: no copy of it is made, and its position does not matter."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapped.seek(10)
    ds = dicomwire.dcmread(mapped)
    check(ds, data)
    with pytest.raises(BufferError):
        mapped.close()
    del ds
    mapped.close()


@pytest.mark.parametrize("buffering", [-1, 0])
def test_files_are_read_from_their_position(tmp_path, data, buffering):
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 1000 + data)
    with path.open("rb", buffering) as file:
        file.seek(1000)
        ds = dicomwire.dcmread(file)
        assert ds.filename == str(path)
    check(ds, data)
    with path.open("rb") as file:
        assert file.read(1000) == b"x" * 1000
        ds = dicomwire.dcmread(file)
    check(ds, data)
    again = pickle.loads(pickle.dumps(ds))
    check(again, data)
    stream = io.BytesIO(b"x" * 1000 + data)
    stream.seek(1000)
    check(dicomwire.dcmread(stream), data)
    with path.open("r+b") as file:
        file.seek(1000)
        check(dicomwire.dcmread(file), data)


def test_an_unbuffered_reader_of_the_users_own(data):
    class Reader:
        name = "mine"
        calls = 0

        def read(self, size=-1):
            self.calls += 1
            assert self.calls == 1 or size == 0
            return data if size < 0 else data[:size]

    ds = dicomwire.dcmread(Reader())
    check(ds, data)
    assert ds.filename == "mine"


def test_streams_that_cannot_seek(data):
    for from_position in (0, 7):
        reading, writing = os.pipe()

        def write(descriptor=writing, front=b"x" * from_position):
            with open(descriptor, "wb") as file:
                file.write(front + data)

        writer = threading.Thread(target=write)
        writer.start()
        with open(reading, "rb") as file:
            file.read(from_position)
            ds = dicomwire.dcmread(file)
        writer.join()
        check(ds, data)


def test_a_named_pipe(tmp_path, data):
    """A pipe can be opened once: whoever opens it again may wait for ever for another writer."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found = []
    for _ in range(30):  # the writer is gone before the second opening, or it is not
        writer = threading.Thread(target=path.write_bytes, args=(data,), daemon=True)
        reader = threading.Thread(target=lambda: found.append(dicomwire.dcmread(path)), daemon=True)
        writer.start()
        reader.start()
        reader.join(2)
        hangs = reader.is_alive()
        if hangs:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # lets it go
        assert not hangs
        writer.join()
        check(found.pop(), data)


def test_text_files_are_refused(tmp_path):
    """Whatever their text is, decodable or not."""
    for name, content in (("bytes.dcm", SMALL + b"\xff"), ("text.txt", b"text")):
        path = tmp_path / name
        path.write_bytes(content)
        with path.open(encoding="utf-8") as file, pytest.raises(TypeError, match="binary mode"):
            dicomwire.dcmread(file)
    with pytest.raises(TypeError, match="binary mode"):
        dicomwire.dcmread(io.StringIO("text"))


def test_errors_of_the_file_system(tmp_path):
    missing = tmp_path / "missing.dcm"
    for source in (missing, str(missing)):
        with pytest.raises(FileNotFoundError) as caught:
            dicomwire.dcmread(source)
        assert caught.value.filename == source
    with pytest.raises(IsADirectoryError) as caught:
        dicomwire.dcmread(tmp_path)
    assert caught.value.filename == tmp_path
    with pytest.raises(NotADirectoryError):
        dicomwire.dcmread(__file__ + "/a.dcm")
    with pytest.raises(ValueError, match="null byte"):
        dicomwire.dcmread("a\0b")
    with pytest.raises(OSError, match="File name too long"):
        dicomwire.dcmread("a" * 5000)


@pytest.mark.parametrize("source", [None, 5, 1.5, object(), ["a.dcm"]])
def test_what_is_no_source(source):
    with pytest.raises(TypeError, match=f"path, a bytes-like object or a binary file.*not {type(source).__name__}"):
        dicomwire.dcmread(source)


def test_empty_sources(tmp_path):
    path = tmp_path / "empty.dcm"
    path.touch()
    for source in (b"", path, io.BytesIO()):
        with pytest.raises(DecodeError, match="empty"):
            dicomwire.dcmread(source, force=True)


# ------------------------------------------------------------------------------------------------------------- options


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError):
        dicomwire.dcmread(SMALL, deferred=5)
    with pytest.raises(TypeError):
        dicomwire.dcmread(SMALL, True)
    with pytest.raises(TypeError):
        dicomwire.dcmread()
    for policy in ("", "Strict", None, 1):
        with pytest.raises(ValueError, match="policy"):
            dicomwire.dcmread(SMALL, policy=policy)


@pytest.mark.parametrize("pixels", [PIXELS, FRAGMENTS])
def test_stop_before_pixels(pixels):
    ds = read(builders.plain() + pixels + TRAILING, JPEG, stop_before_pixels=True)
    assert len(ds) == 5
    assert len(ds.tape()) == 6
    assert "PixelData" not in ds
    assert "DataSetTrailingPadding" not in ds
    assert tags(ds.iterall())[-1] == 0x00100020


@pytest.mark.parametrize("tag", [0x7FE00008, 0x7FE00009])
def test_stop_before_float_pixels(tag):
    ds = read(builders.plain() + element(tag, "OF" if tag == 0x7FE00008 else "OD", bytes(8)), stop_before_pixels=True)
    assert len(ds) == 5


def test_stop_before_pixels_keeps_the_extended_offset_table():
    table = element(0x7FE00001, "OV", bytes(8))
    assert tags(read(builders.plain() + table + FRAGMENTS, JPEG, stop_before_pixels=True))[-1] == 0x7FE00001


def test_stop_before_pixels_reads_no_pixels(tmp_path):
    """A file that ends where its pixel data begin is whole then."""
    path = tmp_path / "a.dcm"
    path.write_bytes(LARGE[: LARGE.index(element(PIXEL_DATA, "OW", length=51200)) + 12])
    ds = dicomwire.dcmread(path, stop_before_pixels=True, policy="strict")
    assert len(ds) == 5
    assert kinds(dicomwire.dcmread(path)) in ([], ["truncated_value"])


@pytest.mark.parametrize("stop_at", ["PatientName", 0x00100010, (0x0010, 0x0010), "00100010", 0x00080061])
def test_stop_at(stop_at):
    ds = dicomwire.dcmread(SMALL, stop_at=stop_at)
    assert tags(ds) == [0x00080005, 0x00080016, 0x00080060]
    assert len(ds.tape()) == 4
    assert "PatientName" not in ds
    assert ds.file_meta.TransferSyntaxUID == EXPLICIT


@pytest.mark.parametrize("pixels", [PIXELS, FRAGMENTS])
def test_stop_at_behind_the_pixel_data(pixels):
    between = element(0x7FE10010, "LO", b"MINE")
    data = builders.plain() + pixels + between + TRAILING
    for stop_at in (0xFFFCFFFC, "DataSetTrailingPadding", 0x7FE20000):
        ds = read(data, JPEG, stop_at=stop_at)
        assert "DataSetTrailingPadding" not in ds
        assert ds[0x7FE10010].value == "MINE"
        assert tags(ds) == tags(ds.iterall()) == [*tags(read(builders.plain())), PIXEL_DATA, 0x7FE10010]
    ds = read(data, JPEG, stop_at="PixelData")
    assert len(ds) == 5
    assert len(read(data, JPEG, stop_at=0x7FE00011)) == 6


def test_the_lower_stop_counts():
    assert len(dicomwire.dcmread(LARGE, stop_at="PatientID", stop_before_pixels=True)) == 4
    assert len(dicomwire.dcmread(LARGE, stop_at=0xFFFFFFFF, stop_before_pixels=True)) == 5
    assert tags(dicomwire.dcmread(LARGE, specific_tags=["PatientID", "Modality"], stop_at="PatientID")) == [
        0x00080005, 0x00080060
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["Nope", -1, 1 << 32, (1, 2, 3), 1.5, "PatientID.0.x"])
def test_options_with_unknown_tags(key):
    with pytest.raises(ValueError, match="stop_at"):
        dicomwire.dcmread(SMALL, stop_at=key)
    with pytest.raises(ValueError, match="no tag or keyword"):
        dicomwire.dcmread(SMALL, specific_tags=["PatientID", key])


def test_an_unknown_tag_is_blamed_on_the_option_that_has_it():
    with pytest.raises(ValueError, match="specific_tags"):
        dicomwire.dcmread(SMALL, specific_tags=["Nope"])


def test_specific_tags():
    ds = dicomwire.dcmread(LARGE, specific_tags=["PatientName", 0x00080060, (0x0008, 0x0018)])
    assert tags(ds) == [0x00080005, 0x00080060, 0x00100010]
    assert len(ds) == 3
    assert "PatientID" not in ds
    assert not hasattr(ds, "PixelData")
    assert ds.PatientName == "Doe^John"
    assert len(dicomwire.dcmread(LARGE, specific_tags=[])) == 1  # Specific Character Set
    assert tags(dicomwire.dcmread(LARGE, specific_tags={"PatientID"})) == [0x00080005, 0x00100020]
    assert tags(dicomwire.dcmread(LARGE, specific_tags=(key for key in ["PatientID"]))) == [0x00080005, 0x00100020]


def test_specific_tags_read_no_further_than_they_must():
    """What stands behind the highest tag is not even looked at: here it could not be read."""
    data = builders.plain() + element(0x00181151, "IS", b"abcd", length=5000)
    ds = read(data, specific_tags=["PatientID"], policy="strict")
    assert ds.PatientID == "12345"
    assert len(ds.tape()) == 3
    with pytest.raises(TruncatedError):
        read(data, policy="strict")


def test_specific_tags_with_sequences():
    inner = sequence(0x00400275, item(element(0x00400009, "SH", b"STEP"), undefined=True), undefined=True)
    data = (
        builders.plain()
        + sequence(0x00321064, item(element(0x00080100, "SH", b"CODE"), undefined=True), undefined=True)
        + inner
        + element(0x00402017, "LO", b"ORDER1")
    )
    ds = read(data, specific_tags=["RequestAttributesSequence", "FillerOrderNumberImagingServiceRequest"])
    assert tags(ds.iterall()) == [0x00080005, 0x00400275, 0x00400009, 0x00402017]
    found = ds["RequestAttributesSequence.0.ScheduledProcedureStepID"]
    assert (found.value, found.path) == ("STEP", "RequestAttributesSequence.0.ScheduledProcedureStepID")
    assert ds.FillerOrderNumberImagingServiceRequest == "ORDER1"


@pytest.mark.parametrize("pixels", [PIXELS, FRAGMENTS])
@pytest.mark.parametrize("wanted", [[PIXEL_DATA], [0xFFFCFFFC], [PIXEL_DATA, 0xFFFCFFFC], [0x00100020, 0xFFFCFFFC]])
def test_specific_tags_at_and_behind_the_pixel_data(pixels, wanted):
    ds = read(builders.plain() + pixels + TRAILING, JPEG, specific_tags=wanted)
    assert tags(ds) == [0x00080005, *wanted]
    assert len(ds) == len(wanted) + 1
    assert "PatientName" not in ds
    if PIXEL_DATA in wanted:
        value = ds.PixelData
        assert bytes(value[0]) == b"ab" if pixels is FRAGMENTS else bytes(value) == bytes(range(256)) * 200


def test_specific_tags_keep_what_decides_on_vrs():
    """A value is the same whether or not the elements that settle its VR were asked for."""
    i = builders.implicit
    data = (
        i.element(0x00080060, "CS", b"MR")
        + i.element(0x00190010, "LO", b"GEMS_ACQU_01")
        + i.element(0x00191002, "SL", b"\xfe\xff\xff\xff")
        + i.element(0x00280103, "US", b"\1\0")
        + i.element(0x00280120, "US", b"\xff\xff")
    )
    whole = read(data, IMPLICIT)
    assert (whole[0x00191002].value, whole.PixelPaddingValue) == (-2, -1)
    assert read(data, IMPLICIT, specific_tags=[0x00191002])[0x00191002].value == -2
    assert read(data, IMPLICIT, specific_tags=["PixelPaddingValue"]).PixelPaddingValue == -1


def test_specific_tags_of_real_files_are_pydicoms(pydicom_files):
    wanted = ["SpecificCharacterSet", "PatientName", "StudyDate", "Rows", "BeamSequence", "ReferencedStudySequence"]
    for name in ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "JPEG2000.dcm", "image_dfl.dcm"):
        theirs = pydicom.dcmread(pydicom_files[name], specific_tags=wanted)
        ours = dicomwire.dcmread(pydicom_files[name], specific_tags=wanted)
        assert tags(ours.iterall()) == [int(found.tag) for found in theirs.iterall()], name
        assert len(ours) >= 2


@pytest.mark.parametrize("junk", [b"x" * 200, bytes(200), b"%PDF-1.4" + b"\n" * 300, b"\xff" * 400])
def test_what_is_not_dicom_needs_force(junk):
    with pytest.raises(DecodeError, match="not DICOM"):
        dicomwire.dcmread(junk)
    try:
        ds = dicomwire.dcmread(junk, force=True)
    except DecodeError:
        return
    assert "preamble" in kinds(ds)


def test_data_sets_without_a_preamble():
    for encoder in (builders.explicit, builders.implicit, builders.big_endian):
        data = encoder.element(0x00080060, "CS", b"CT") + encoder.element(0x00100020, "LO", b"12345 ")
        ds = dicomwire.dcmread(data + encoder.element(0x00280010, "US", b"\1\1"))
        assert (ds.PatientID, ds.Rows, ds.preamble) == ("12345", 257, None)
        assert ds.is_implicit_VR == (not encoder.explicit)
        assert ds.is_little_endian == (encoder.end == "<")
        assert "preamble" in kinds(ds)
        assert len(ds.file_meta) == 0
        assert ds.file_meta == dicomwire.dcmread(data, force=True).file_meta


def test_charset_overrides_what_is_declared():
    data = element(0x00080005, "CS", b"ISO_IR 100") + element(0x00104000, "LT", "äö".encode())
    assert read(data).PatientComments == "Ã¤Ã¶"
    for charset in ("ISO_IR 192", ["ISO_IR 192"], ("ISO_IR 192",), iter(["ISO_IR 192"])):
        ds = read(data, charset=charset)
        assert ds.PatientComments == "äö"
        assert ds.SpecificCharacterSet == "ISO_IR 100"
    greek = element(0x00100010, "PN", "Διον".encode("iso8859_7"))
    assert read(greek, charset="ISO_IR 126").PatientName == "Διον"
    japanese = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    name = read(element(0x00100010, "PN", japanese + b" "), charset=["", "ISO 2022 IR 87"]).PatientName
    assert name.ideographic == "山田^太郎"


@pytest.mark.parametrize("undefined", [False, True])
def test_charset_overrides_in_items_too(undefined):
    own = element(0x00080005, "CS", b"ISO_IR 100") + element(0x00104000, "LT", "äö".encode())
    ds = read(sequence(0x00081140, item(own, undefined=undefined), undefined=undefined), charset="ISO_IR 192")
    assert ds.ReferencedImageSequence[0].PatientComments == "äö"


def test_an_unknown_charset_of_the_caller_is_not_swallowed():
    ds = read(element(0x00100010, "PN", b"\xc4b"), charset="NONSENSE")
    assert ds.PatientName[-1] == "b"
    assert kinds(ds) == ["character_set"]
    with pytest.raises(ValueDecodeError):
        _ = read(element(0x00100010, "PN", b"\xc4b"), charset="NONSENSE", policy="strict").PatientName


# -------------------------------------------------------------------------------------------------------------- policy

BAD_VALUES = (
    element(0x00080005, "CS", b"NONSENSE")
    + element(0x00100010, "PN", b"D\xf6e^John")
    + element(0x00101030, "DS", b"abc ")
    + element(0x00280010, "US", b"\1\0")
)
BAD_HEADER = element(0x00100020, "LO", b"12345") + element(0x00280010, "US", b"\1\0")


def test_report_lists_bad_values_as_they_are_read():
    ds = read(BAD_VALUES)
    assert ds.deviations == []
    assert ds.PatientWeight == "abc"
    (bad_number,) = ds.deviations
    assert isinstance(bad_number, dicomwire.Deviation)
    assert (bad_number.kind, bad_number.path) == ("value", "PatientWeight")
    assert bad_number.offset == ds["PatientWeight"].offset
    assert "PS3.5 6.2" in bad_number.message
    assert ds.PatientName.endswith("e^John")
    assert len(ds.PatientName) == 8
    assert set(kinds(ds)) == {"value", "character_set"}
    assert {deviation.path for deviation in ds.deviations} >= {"PatientWeight", "SpecificCharacterSet"}
    before = ds.deviations
    assert (ds.PatientWeight, ds["PatientName"].value) == ("abc", ds.PatientName)
    assert ds.deviations == before
    before.clear()
    assert len(ds.deviations) >= 2


def test_ignore_lists_nothing():
    ds = read(BAD_VALUES, policy="ignore")
    assert [ds.PatientWeight, ds.PatientName] == [read(BAD_VALUES).PatientWeight, read(BAD_VALUES).PatientName]
    assert ds.deviations == []
    ds = read(BAD_HEADER, policy="ignore")
    assert (ds.PatientID, ds.Rows, ds.deviations) == ("12345", 1, [])


def test_strict_raises_where_it_is_read():
    ds = read(BAD_VALUES, policy="strict")
    assert ds.Rows == 1
    with pytest.raises(ValueDecodeError) as caught:
        _ = ds.PatientWeight
    assert caught.value.path == "PatientWeight"
    assert caught.value.offset == ds["PatientWeight"].offset
    assert caught.value.section == "PS3.5 6.2"
    with pytest.raises(DecodeError) as caught:
        _ = ds.PatientName
    assert caught.value.path in ("PatientName", "SpecificCharacterSet")
    with pytest.raises(ElementError) as caught:
        read(BAD_HEADER, policy="strict")
    assert caught.value.path == "PatientID"
    assert part10(BAD_HEADER)[caught.value.offset :].startswith(b"\x10\0\x20\0LO")
    assert kinds(read(BAD_HEADER)) == ["odd_length"]


@pytest.mark.parametrize(
    ("data", "kind", "error"),
    [
        (part10(BAD_HEADER), "odd_length", ElementError),
        (part10(builders.plain())[:-2], "truncated_value", TruncatedError),
        (part10(builders.plain() + b"\x28\0\x10\0"), "truncated_header", TruncatedError),
        (part10(element(0x00280010, "US", b"\1\0") + element(0x00100020, "LO", b"ab")), "tag_order", ElementError),
        (part10(element(0x00100020, "LO", b"ab") * 2), "duplicate_tag", ElementError),
        (SMALL[132:], "preamble", DecodeError),
        (part10(builders.plain(), length=1), "meta_group_length", DecodeError),
        (bytes(128) + b"DICM" + meta(None) + builders.plain(), "transfer_syntax", DecodeError),
        (part10(builders.plain(), "1.2.3.4"), "transfer_syntax", DecodeError),
        (part10(builders.plain(), IMPLICIT), "encoding", DecodeError),
        (bytes(128) + b"DICM" + builders.plain(), "file_meta", DecodeError),
    ],
)
def test_policies(data, kind, error):
    ds = dicomwire.dcmread(data)
    assert kind in kinds(ds)
    assert dicomwire.dcmread(data, policy="ignore").deviations == []
    assert dicomwire.dcmread(data, policy="ignore") == ds
    with pytest.raises(error) as caught:
        dicomwire.dcmread(data, policy="strict")
    assert caught.value.section.startswith("PS3.")
    assert 0 <= caught.value.offset <= len(data)


def test_policy_is_of_the_read_and_never_global():
    strict, report, ignore = (read(BAD_VALUES, policy=policy) for policy in ("strict", "report", "ignore"))
    assert ignore.PatientWeight == "abc"
    with pytest.raises(ValueDecodeError):
        _ = strict.PatientWeight
    assert report.PatientWeight == "abc"
    assert (len(report.deviations), ignore.deviations, strict.deviations) == (1, [], [])
    assert read(BAD_VALUES).deviations == []


def test_the_sources_of_one_buffer_are_independent():
    data = bytearray(part10(BAD_VALUES))
    first, second = dicomwire.dcmread(data), dicomwire.dcmread(data)
    assert first.PatientWeight == "abc"
    assert (len(first.deviations), second.deviations) == (1, [])


# -------------------------------------------------------------------------------------------------- the root data set


def test_file_meta_and_preamble():
    preamble = bytes(range(128))
    more = element(0x00020013, "SH", b"ME 1.0") + element(0x00020016, "AE", b"SOURCE")
    ds = dicomwire.dcmread(part10(builders.plain(), preamble=preamble, more=more))
    assert ds.preamble == preamble
    assert isinstance(ds.file_meta, dicomwire.DataSet)
    assert tags(ds.file_meta) == [0x00020000, 0x00020001, 0x00020010, 0x00020013, 0x00020016]
    assert ds.file_meta.TransferSyntaxUID == EXPLICIT
    assert isinstance(ds.file_meta.TransferSyntaxUID, dicomwire.UID)
    assert bytes(ds.file_meta.FileMetaInformationVersion) == b"\0\1"
    assert ds.file_meta.SourceApplicationEntityTitle == "SOURCE"
    assert ds.file_meta["ImplementationVersionName"].path == "ImplementationVersionName"
    assert ds.file_meta == ds.file_meta
    assert "TransferSyntaxUID" not in ds


def test_file_meta_that_is_not_there_is_empty():
    ds = dicomwire.dcmread(bytes(128) + b"DICM" + builders.plain())
    assert ds.preamble == bytes(128)
    assert (len(ds.file_meta), list(ds.file_meta)) == (0, [])
    assert not hasattr(ds.file_meta, "TransferSyntaxUID")
    assert ds.transfer_syntax == EXPLICIT
    assert ds.PatientID == "12345"


@pytest.mark.parametrize(
    ("syntax", "encoder", "is_implicit", "is_little"),
    [
        (EXPLICIT, builders.explicit, False, True),
        (IMPLICIT, builders.implicit, True, True),
        (BIG_ENDIAN, builders.big_endian, False, False),
        (JPEG, builders.explicit, False, True),
        ("1.2.840.113619.5.2", builders.implicit, True, True),
    ],
)
def test_encodings(syntax, encoder, is_implicit, is_little):
    data = encoder.element(0x00080060, "CS", b"CT") + encoder.element(0x00280010, "US", b"\1\1")
    ds = read(data, syntax)
    assert (ds.transfer_syntax, ds.is_implicit_VR, ds.is_little_endian) == (syntax, is_implicit, is_little)
    assert isinstance(ds.transfer_syntax, dicomwire.UID)
    assert (ds.Modality, ds.Rows, ds.deviations) == ("CT", 257, [])


def test_several_transfer_syntaxes_are_one_that_nobody_knows():
    ds = read(builders.plain(pixels=bytes(32)), EXPLICIT + "\\" + JPEG)
    assert ds.transfer_syntax == EXPLICIT + "\\" + JPEG
    assert isinstance(ds.transfer_syntax, dicomwire.UID)
    assert ds.file_meta.TransferSyntaxUID == [EXPLICIT, JPEG]


@pytest.mark.parametrize("declared", [EXPLICIT, IMPLICIT, BIG_ENDIAN, JPEG])
@pytest.mark.parametrize("name", ["explicit", "implicit", "big_endian"])
def test_the_bytes_decide_where_the_transfer_syntax_is_wrong(declared, name):
    encoder = getattr(builders, name)
    really = {"explicit": EXPLICIT, "implicit": IMPLICIT, "big_endian": BIG_ENDIAN}[name]
    data = b"".join(
        encoder.element(tag, vr, value)
        for tag, vr, value in [(0x00080060, "CS", b"CT"), (0x00100020, "LO", b"12345 "), (0x00280010, "US", b"\1\1"),
                               (0x00280011, "US", b"\2\2")]
    )  # fmt: skip
    ds = read(data, declared)
    assert (ds.PatientID, ds.Rows, len(ds)) == ("12345", 257, 4)
    if really == declared or (declared, really) == (JPEG, EXPLICIT):
        assert (ds.transfer_syntax, ds.deviations) == (declared, [])
    else:
        assert ds.transfer_syntax == really
        assert kinds(ds) == ["encoding"]
    assert ds.file_meta.TransferSyntaxUID == declared


@pytest.mark.parametrize("wrapped", [False, True])
def test_deflated(wrapped):
    """Offsets are those of the inflated stream."""
    plain = builders.plain(pixels=bytes(range(256)) * 400)
    packer = zlib.compressobj(9, zlib.DEFLATED, 15 if wrapped else -15)
    ds = read(packer.compress(plain) + packer.flush(), DEFLATED)
    assert (ds.transfer_syntax, ds.is_implicit_VR) == (DEFLATED, False)
    assert ds.PatientID == "12345"
    assert plain[ds["PatientID"].offset :].startswith(b"12345 ")
    assert bytes(ds.PixelData) == bytes(range(256)) * 400
    assert len(ds) == 6
    assert kinds(ds) == (["deflate"] if wrapped else [])
    again = pickle.loads(pickle.dumps(ds))
    assert again == ds
    assert pickle.loads(pickle.dumps(ds["PixelData"])) == ds["PixelData"]


def test_tape():
    ds = read(element(0x00100020, "LO", b"12345 ") + sequence(0x00400275, item(element(0x00400009, "SH", b"STEP"))))
    entries = ds.tape()
    assert [entry[0] for entry in entries] == list(range(len(entries)))
    root, patient_id, requests = entries[:3]
    assert (root[1], root[8]) == (0, 0)
    offset = ds["PatientID"].offset
    assert patient_id == (1, 0x00100020, "LO", 8, 0, offset, 6, 2, 0)
    assert (requests[1], requests[2], requests[8]) == (0x00400275, "SQ", 0)
    assert root[7] == len(entries)


def test_a_file_that_shrinks_gives_an_error_and_no_signal(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(LARGE)
    ds = dicomwire.dcmread(path)
    os.truncate(path, 1000)
    assert ds.PatientID == "12345"
    with pytest.raises(TruncatedError):
        bytes(ds.PixelData)


def test_a_file_that_is_replaced_is_still_the_one_that_was_opened(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(LARGE)
    ds = dicomwire.dcmread(path)
    other = tmp_path / "b.dcm"
    other.write_bytes(b"x" * len(LARGE))
    other.replace(path)
    assert bytes(ds.PixelData) == bytes(range(256)) * 200


def test_a_transfer_syntax_longer_than_what_was_read_is_reported_from_a_file_too(tmp_path: Path) -> None:
    data = part10(b"", "1.2." + "3" * 60_000)
    path = tmp_path / "long.dcm"
    path.write_bytes(data)
    for source in (data, path):
        assert [deviation.kind for deviation in dicomwire.dcmread(source).deviations] == ["transfer_syntax"]


def test_values_are_deferred_whatever_the_size():
    for size in (None, 0, "512 KB"):
        assert dicomwire.dcmread(LARGE, defer_size=size) == dicomwire.dcmread(LARGE)
