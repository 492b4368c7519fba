"""Frames of real and of crafted files: the bytes that pydicom gives, and what is wrong is said and not passed on."""

import io
import os
import struct
import subprocess
import sys
import zlib

import pydicom
import pytest
from pydicom.encaps import generate_frames, get_frame

import dicomwire
from _dicomwire.mapping import MappedValue
from dicomwire import FrameReader
from dicomwire.errors import DecodeError, DicomWireError, PixelError, TruncatedError
from tests.builders import BIG_ENDIAN, DEFLATED, PIXEL_DATA, UNDEFINED, big_endian, element, item, part10, sequence
from tests.hostile.reading import SANITIZED
from tests.pixel.images import (
    END,
    GO_ON,
    JPEG,
    JPEG_2000,
    MPEG2,
    RLE,
    START,
    WHOLE,
    encapsulated,
    frames_text,
    native,
    number,
    offset_table,
    offsets_of,
)

# Real files whose attributes do not say how long a frame is: Rows is missing.
WITHOUT_DESCRIPTION = {"meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"}
# Number of Frames is "1A": what the data hold is given, which pydicom has no function for.
BAD_NUMBER = {"badVR.dcm": 15}

# pydicom does not see the pixel data of these.
NOT_THEIRS = {"emri_small_jpeg_2k_lossless_too_short.dcm"}


def kinds(reader):
    return [deviation.kind for deviation in reader.deviations]


def read_quietly(path):
    """pydicom's data set of a file, without its warnings; None if it refuses it."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data_set = pydicom.dcmread(path, force=True)
            for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
                if keyword in data_set:
                    return data_set, data_set[keyword].value
        except (ValueError, KeyError, TypeError, EOFError, AttributeError, NotImplementedError):
            pass
    return None, None


def native_frames(theirs, pixels):
    """Slices of pydicom's pixel data; bits that frames share a byte with are left to the caller."""
    bits = theirs.Rows * theirs.Columns * theirs.get("SamplesPerPixel", 1) * theirs.get("BitsAllocated", 32)
    if "DoubleFloatPixelData" in theirs:
        bits = bits // theirs.get("BitsAllocated", 32) * 64
    if theirs.get("PhotometricInterpretation") == "YBR_FULL_422" and len(pixels) * 8 < bits:
        bits = bits * 2 // 3
    count = BAD_NUMBER.get(os.path.basename(theirs.filename)) or int(theirs.get("NumberOfFrames") or 1)
    return [pixels[i * bits // 8 : -(-(i + 1) * bits // 8)] for i in range(count)]


@pytest.mark.peers
def test_frames_of_real_files_are_those_of_pydicom(real_files):
    compared = {"native": 0, "encapsulated": 0, "of several": 0}
    refused, not_theirs = {}, set()
    for _, path in real_files:
        try:
            data_set = dicomwire.dcmread(path)
        except DecodeError:
            continue  # for the tests of the reader
        try:
            reader = FrameReader(data_set)
        except PixelError as error:
            refused[path.name] = str(error)
            continue
        theirs, pixels = read_quietly(path)
        if theirs is None:
            not_theirs.add(path.name)
            continue
        mine = [bytes(frame) for frame in reader]
        assert mine == [b"".join(frame.fragments) for frame in reader], path
        assert [frame.length for frame in reader] == [len(frame) for frame in mine]
        if data_set.transfer_syntax != DEFLATED:
            content = path.read_bytes()
            for frame in reader:
                assert b"".join(content[o : o + n] for o, n in frame.extents) == bytes(frame), path
                assert frame.offset == frame.extents[0][0]
        if reader.is_encapsulated:
            count = int(theirs.get("NumberOfFrames") or 1)
            extended = None
            if "ExtendedOffsetTable" in theirs:
                extended = (theirs.ExtendedOffsetTable, theirs.ExtendedOffsetTableLengths)
            assert mine == list(generate_frames(pixels, number_of_frames=count, extended_offsets=extended)), path
            middle = len(mine) // 2
            one = get_frame(pixels, middle, number_of_frames=count, extended_offsets=extended)
            assert bytes(FrameReader(path)[middle]) == one, path
            compared["encapsulated"] += 1
        else:
            assert mine == native_frames(theirs, pixels), path
            compared["native"] += 1
        compared["of several"] += len(mine) > 1
    without = {name for name, message in refused.items() if "Rows is missing" in message}
    assert without <= WITHOUT_DESCRIPTION
    assert not_theirs <= NOT_THEIRS
    assert all("no pixel data" in refused[name] for name in refused.keys() - without)
    assert compared["native"] >= 20
    assert compared["encapsulated"] >= 20
    assert compared["of several"] >= 5


@pytest.mark.peers
def test_tables_and_markers_find_the_same_frames_of_real_files(real_files):
    """Files of several compressed frames, their offset table taken away and each frame cut into fragments."""
    seen = 0
    for _, path in real_files:
        try:
            reader = FrameReader(path)
        except DicomWireError:
            continue
        syntax = reader.transfer_syntax
        frames = [bytes(frame) for frame in reader]
        if not reader.is_encapsulated or len(frames) < 2 or sum(map(len, frames)) > 4 << 20:
            continue
        if syntax in (RLE, MPEG2) or not all(frame.rstrip(b"\0").endswith(b"\xff\xd9") for frame in frames):
            continue
        cut = [[frame[:400], frame[400:404], frame[404:]] for frame in frames]
        pieces = [piece for parts in cut for piece in parts]
        table = offset_table([offsets_of(pieces)[i] for i in range(0, len(pieces), 3)])
        for basic in (b"", table, table[:-4] + b"\xff\xff\xff\x7f"):
            again = FrameReader(encapsulated(pieces, frames=str(len(frames)), syntax=syntax, basic=basic))
            assert [bytes(frame) for frame in again] == frames, path
            assert kinds(again) == ([] if basic in (b"", table) else ["offset_table"])
        one = FrameReader(encapsulated([b"".join(frames)], frames=str(len(frames)), syntax=syntax))
        assert [bytes(frame).rstrip(b"\0") for frame in one] == [frame.rstrip(b"\0") for frame in frames], path
        seen += 1
    assert seen >= 3


# --------------------------------------------------------------------------------------------------------- the reader

PIXELS = bytes(range(48))


def test_a_sequence_of_frames():
    reader = FrameReader(native(PIXELS, frames="3"))
    assert len(reader) == 3
    assert [bytes(frame) for frame in reader] == [PIXELS[:16], PIXELS[16:32], PIXELS[32:]]
    assert bytes(reader[-1]) == bytes(reader[2]) == PIXELS[32:]
    assert [frame.number for frame in reader[::2]] == [0, 2]
    assert [frame.number for frame in reader[5:]] == []
    for wrong in (3, -4, 1 << 70):
        with pytest.raises(IndexError):
            reader[wrong]
    assert repr(reader) == "<FrameReader: 3 frames>"
    assert repr(reader[1]) == f"<RawFrame 1: offset {reader[0].offset + 16}, 16 bytes>"
    assert not reader.is_encapsulated
    assert reader.deviations == []


def test_sources(tmp_path):
    data = native(PIXELS, frames="3")
    path = tmp_path / "image.dcm"
    path.write_bytes(data)
    with open(path, "rb") as file:
        readers = [FrameReader(source) for source in (data, path, str(path), file, io.BytesIO(data), memoryview(data))]
    readers.append(FrameReader(dicomwire.dcmread(path)))
    for reader in readers:
        assert [bytes(frame) for frame in reader] == [PIXELS[:16], PIXELS[16:32], PIXELS[32:]]
    with pytest.raises(ValueError, match="policy"):
        FrameReader(data, policy="lenient")


def test_fragments_are_views_without_copies(tmp_path):
    data = bytearray(encapsulated([START, END, WHOLE], frames="2"))
    frame = FrameReader(data)[1]
    (view,) = frame.fragments
    assert view.readonly
    data[frame.offset] = 0x55
    assert view[0] == 0x55
    pixels = bytes(65536 * 3)
    path = tmp_path / "image.dcm"
    path.write_bytes(native(pixels, frames="3", rows=256, columns=256))
    assert all(isinstance(view.obj, MappedValue) for frame in FrameReader(path) for view in frame.fragments)


def test_a_frame_outlives_its_reader(tmp_path):
    path = tmp_path / "image.dcm"
    path.write_bytes(native(PIXELS * 1000, frames="3", rows=400, columns=40))
    frame = FrameReader(path)[2]
    assert bytes(frame) == (PIXELS * 1000)[32000:]


def test_pixel_data_of_an_item():
    icon = (
        number(0x00280010, 2) + number(0x00280011, 2) + number(0x00280100, 8) + element(PIXEL_DATA, "OB", b"icon")
    )
    compressed = element(PIXEL_DATA, "OB", item() + item(WHOLE), length=UNDEFINED) + b"\xfe\xff\xdd\xe0" + bytes(4)
    data = part10(sequence(0x00880200, item(icon), item(compressed)))
    data_set = dicomwire.dcmread(data)
    assert [bytes(frame) for frame in FrameReader(data_set.IconImageSequence[0])] == [b"icon"]
    assert [bytes(frame) for frame in FrameReader(data_set.IconImageSequence[1], transfer_syntax=JPEG)] == [WHOLE]
    with pytest.raises(PixelError, match="no pixel data"):
        FrameReader(data_set)


def test_no_pixel_data():
    data = native(PIXELS)
    with pytest.raises(PixelError, match="no pixel data"):
        FrameReader(dicomwire.dcmread(data, stop_before_pixels=True))


# ------------------------------------------------------------------------------------------------------------- native

@pytest.mark.parametrize(
    ("tag", "vr", "allocated", "size"),
    [(0x7FE00008, "OF", 32, 4), (0x7FE00009, "OD", 64, 8), (PIXEL_DATA, "OW", 16, 2), (PIXEL_DATA, "OV", 64, 8)],
)
def test_kinds_of_pixel_data(tag, vr, allocated, size):
    pixels = os.urandom(16 * size * 2)
    reader = FrameReader(native(pixels, frames="2", tag=tag, vr=vr, allocated=allocated))
    assert [bytes(frame) for frame in reader] == [pixels[: 16 * size], pixels[16 * size :]]


def test_big_endian_frames():
    data = big_endian.element(0x00280008, "IS", b"2 ")
    for tag, value in ((0x00280010, 2), (0x00280011, 2), (0x00280100, 16)):
        data += big_endian.element(tag, "US", struct.pack(">H", value))
    data += big_endian.element(PIXEL_DATA, "OW", bytes(range(16)))
    reader = FrameReader(part10(data, BIG_ENDIAN))
    assert [bytes(frame) for frame in reader] == [bytes(range(8)), bytes(range(8, 16))]


def test_a_deflated_data_set():
    pixels = bytes(range(256)) * 300
    plain = native(pixels, frames="2", rows=120, columns=320)
    content = plain[plain.index(b"\x28\x00\x02\x00US") :]
    packer = zlib.compressobj(wbits=-15)
    reader = FrameReader(part10(packer.compress(content) + packer.flush(), DEFLATED))
    assert [bytes(frame) for frame in reader] == [pixels[:38400], pixels[38400:]]
    assert content[reader[1].offset :][:38400] == pixels[38400:]


def test_frames_of_bits_that_do_not_begin_on_a_byte():
    # 3 frames of 3 x 5 pixels of one bit: 45 bits in 6 bytes.
    pixels = bytes([0b10101010, 0b11001100, 0b11110000, 0b00001111, 0b01010101, 0b00010011])
    reader = FrameReader(native(pixels, frames="3", rows=3, columns=5, allocated=1))
    assert [frame.bit_offset for frame in reader] == [0, 7, 6]
    assert [frame.length for frame in reader] == [2, 3, 3]
    assert [frame.offset - reader[0].offset for frame in reader] == [0, 1, 3]
    assert not any(frame.is_cut_short for frame in reader)
    stream = "".join(f"{byte:08b}"[::-1] for byte in pixels)
    for frame in reader:
        bits = "".join(f"{byte:08b}"[::-1] for byte in bytes(frame))
        assert bits[frame.bit_offset :][:15] == stream[frame.number * 15 :][:15]


@pytest.mark.parametrize(("length", "expected", "noted"), [(64, [32, 32], []), (96, [48, 48], ["frame_count"])])
def test_subsampled_chrominance_is_two_samples_a_pixel(length, expected, noted):
    data = native(bytes(length), frames="2", samples=3, photometric="YBR_FULL_422")
    reader = FrameReader(data)
    assert [frame.length for frame in reader] == expected
    assert kinds(reader) == noted


@pytest.mark.parametrize(
    ("frames", "length", "expected", "cut", "noted"),
    [
        (None, 16, [16], False, False),
        (None, 48, [16], False, True),
        ("1", 17, [16], False, False),  # a byte of padding
        ("2", 48, [16, 16], False, True),
        ("3", 40, [16, 16, 8], True, True),
        ("4", 32, [16, 16], False, True),
        ("1000000000", 48, [16, 16, 16], False, True),
        ("2147483647", 0, [], False, True),
        ("99999999999", 48, [16, 16, 16], False, True),
        ("-3", 48, [16, 16, 16], False, True),
        ("0", 48, [16, 16, 16], False, True),
        ("", 48, [16, 16, 16], False, True),
        ("1e9", 48, [16, 16, 16], False, True),
        ("2\\3", 48, [16, 16, 16], False, True),
        ("1", 0, [], False, True),
    ],
)
def test_number_of_frames_is_bound_by_the_data(frames, length, expected, cut, noted):
    data = native(bytes(length), frames=frames)
    reader = FrameReader(data)
    assert [frame.length for frame in reader] == expected == [len(bytes(frame)) for frame in reader]
    assert any(frame.is_cut_short for frame in reader) == cut
    assert set(kinds(reader)) == ({"frame_count"} if noted else set())
    assert FrameReader(data, policy="ignore").deviations == []
    if noted:
        with pytest.raises((PixelError, DecodeError)):
            FrameReader(data, policy="strict")


@pytest.mark.parametrize(
    "wrong", [{"rows": 0}, {"columns": 0}, {"allocated": 0}, {"samples": 0}, {"samples": 65535, "allocated": 65535}]
)
def test_attributes_that_make_no_frame(wrong):
    big = {"rows": 65535, "columns": 65535} if "samples" in wrong else {}
    with pytest.raises(PixelError):
        FrameReader(native(bytes(48), frames="3", **{**big, **wrong}))


def test_attributes_of_other_kinds():
    pixels = element(PIXEL_DATA, "OW", bytes(16))
    for rows in (element(0x00280010, "US", bytes(4)), element(0x00280010, "OB", b"\4\0"), b""):
        with pytest.raises(PixelError, match="Rows"):
            FrameReader(part10(rows + number(0x00280011, 4) + number(0x00280100, 8) + pixels))
    four = element(0x00280010, "UL", b"\4\0\0\0") + element(0x00280011, "UL", b"\4\0\0\0")
    assert len(FrameReader(part10(four + number(0x00280100, 8) + pixels))) == 1


def test_a_native_value_that_ends_early(tmp_path):
    data = native(PIXELS, frames="3")[:-20]
    reader = FrameReader(data)
    assert [bytes(frame) for frame in reader] == [PIXELS[:16], PIXELS[16:28]]
    assert [frame.is_cut_short for frame in reader] == [False, True]
    path = tmp_path / "image.dcm"
    path.write_bytes(native(PIXELS * 10000, frames="3", rows=400, columns=400))
    reader = FrameReader(path)
    with open(path, "r+b") as file:
        file.truncate(200_000)
    with pytest.raises(TruncatedError):
        bytes(reader[2])


# ------------------------------------------------------------------------------------------------------- encapsulated

PARTS = [START, END, START, GO_ON, END, WHOLE]  # 3 frames
FRAMES = [WHOLE, START + GO_ON + END, WHOLE]
BEGINS = [offsets_of(PARTS)[i] for i in (0, 2, 5)]


@pytest.mark.parametrize(
    "tables",
    [
        {"basic": offset_table(BEGINS)},
        {"extended": offset_table(BEGINS, 8)},
        {"basic": offset_table(BEGINS), "extended": offset_table(BEGINS, 8)},
        {},
    ],
)
@pytest.mark.parametrize("frames", ["3", None])
def test_frames_by_table_or_by_markers(tables, frames):
    data = encapsulated(PARTS, frames=frames, **tables)
    reader = FrameReader(data)
    assert reader.is_encapsulated
    assert bytes(reader[1]) == FRAMES[1]
    assert [bytes(frame) for frame in reader] == FRAMES
    assert [len(frame.fragments) for frame in reader] == [2, 3, 1]
    assert reader.deviations == []
    assert data[reader[2].offset :].startswith(WHOLE)


def test_a_table_is_not_walked_for_one_frame(tmp_path):
    """With 2,000 frames of 1 MB each, one in the middle is read with a few pages of the file."""
    count, size = 2000, 1 << 20
    path = tmp_path / "sparse.dcm"
    table = offset_table([i * (size + 8) for i in range(count)])
    head = encapsulated([], frames=str(count), basic=table, end=b"")
    with open(path, "wb") as file:
        file.write(head)
        for i in range(count):
            # Every item but those around the wanted one is damaged: a walk would notice.
            whole = i in (999, 1000, 1001)
            file.write((b"\xfe\xff\x00\xe0" if whole else b"none") + size.to_bytes(4, "little"))
            file.write(i.to_bytes(4, "little"))
            file.seek(size - 4, 1)
        file.truncate()
    reader = FrameReader(path)
    assert bytes(reader[1000].fragments[0][:4]) == (1000).to_bytes(4, "little")
    assert reader[1000].length == size
    assert reader.deviations == []


def test_extended_lengths_take_the_padding_away():
    parts = [WHOLE + b"\0", WHOLE, WHOLE + b"\0"]
    lengths = [len(WHOLE)] * 3
    extended = offset_table(offsets_of(parts), 8)
    data = encapsulated(parts, frames="3", extended=extended, extended_lengths=offset_table(lengths, 8))
    assert [bytes(frame) for frame in FrameReader(data)] == [WHOLE] * 3
    # one entry too many in the table of offsets: both ways of finding frames see the same lengths
    reader = FrameReader(data)
    assert reader.build_index().extents(0) == reader[0].extents
    for wrong in ([5, 5, 5], [1 << 63] * 3, [0, 0, 0]):
        data = encapsulated(parts, frames="3", extended=extended, extended_lengths=offset_table(wrong, 8))
        assert [bytes(frame) for frame in FrameReader(data)] == parts
        reader = FrameReader(data)
        reader.build_index()
        assert kinds(reader) == ["offset_table"] * 3


@pytest.mark.parametrize(
    "begins",
    [
        [0, 48, 1 << 31],
        [0, 48, 0xFFFFFFFF],
        [0, 49, 120],
        [0, 120, 48],
        [0, 0, 0],
        [4, 52, 124],
        [0],
        [8, 56, 128],
    ],
)
@pytest.mark.parametrize("extended", [False, True])
def test_row_31_wrong_offset_tables(begins, extended):
    tables = {"extended": offset_table(begins, 8)} if extended else {"basic": offset_table(begins)}
    data = encapsulated(PARTS, frames="3", **tables)
    assert [bytes(frame) for frame in FrameReader(data)] == FRAMES
    for frame in (2, 0, 1, -1):
        assert bytes(FrameReader(data)[frame]) == FRAMES[frame]
    reader = FrameReader(data)
    reader.build_index()
    assert "offset_table" in kinds(reader)
    with pytest.raises(PixelError):
        FrameReader(data, policy="strict").build_index()


def test_row_31_a_table_that_fits_the_fragments_and_the_count_is_believed():
    data = encapsulated(PARTS, frames="3", basic=offset_table([0, 24, 48]))
    assert [bytes(frame) for frame in FrameReader(data)] == [START, END, b"".join(PARTS[2:])]


def test_row_31_offset_tables_of_odd_size_and_of_64_bits():
    for size in (1, 2, 3, 5, 11, 13):
        data = encapsulated(PARTS, frames="3", basic=(offset_table(BEGINS) + b"\0")[:size])
        reader = FrameReader(data)
        assert [bytes(frame) for frame in reader] == FRAMES
        assert kinds(reader) == ["offset_table"]
    for begins in ([0, 48, (1 << 64) - 1], [0, 48, (1 << 64) - 8], [0, 1 << 63, (1 << 63) + 48], [1 << 63, 0, 0]):
        reader = FrameReader(encapsulated(PARTS, frames="3", extended=offset_table(begins, 8)))
        assert [bytes(frame) for frame in reader] == FRAMES
        assert kinds(reader) == ["offset_table"]


def test_row_31_a_table_longer_than_the_file():
    whole = encapsulated(PARTS, frames="3", basic=offset_table(BEGINS))
    at = whole.index(offset_table(BEGINS))
    data = whole[: at - 4] + b"\xf0\xff\xff\x7f" + whole[at:]
    reader = FrameReader(data)
    assert len(reader) == 0
    assert "frame_count" in kinds(reader)
    assert next(deviation.kind for deviation in reader.data_set.deviations) == "overrun"


def test_row_32_fragments_that_are_empty_or_odd():
    reader = FrameReader(encapsulated([b"", WHOLE, b"", WHOLE, b""], frames="2"))
    assert [bytes(frame) for frame in reader] == [WHOLE, WHOLE]
    assert kinds(reader) == ["fragments"]
    odd = [START[:-1], END, WHOLE + b"\1"]
    reader = FrameReader(encapsulated(odd, frames="2"))
    assert [bytes(frame) for frame in reader] == [START[:-1] + END, WHOLE + b"\1"]
    assert [deviation.kind for deviation in reader.data_set.deviations] == ["odd_length", "odd_length"]
    reader = FrameReader(encapsulated([b"", b""], frames="2"))
    assert [bytes(frame) for frame in reader] == [b"", b""]


def test_row_32_no_fragments():
    reader = FrameReader(encapsulated([], frames="3"))
    assert list(reader) == []
    assert kinds(reader) == ["frame_count"]
    with pytest.raises(IndexError):
        reader[0]
    assert list(FrameReader(encapsulated([]))) == []


@pytest.mark.parametrize("tables", [{}, {"basic": offset_table(BEGINS)}, {"extended": offset_table(BEGINS, 8)}])
@pytest.mark.parametrize("end", [b"", b"\xfe\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0" + bytes(4)])
def test_row_32_no_delimiter_at_the_end(end, tables):
    reader = FrameReader(encapsulated(PARTS, frames="3", end=end, **tables))
    assert [bytes(frame) for frame in reader] == FRAMES
    assert reader.deviations == []
    assert "missing_delimiter" in [deviation.kind for deviation in reader.data_set.deviations]


@pytest.mark.parametrize("tables", [{}, {"basic": offset_table(BEGINS)}, {"extended": offset_table(BEGINS, 8)}])
def test_row_32_a_fragment_of_undefined_length_or_past_the_end(tables):
    for length in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x28\0\0\0"):
        data = encapsulated(PARTS, frames="3", end=b"", **tables)
        at = data.rindex(WHOLE)
        data = data[: at - 4] + length + data[at:]
        reader = FrameReader(data)
        assert [bytes(frame) for frame in reader] == FRAMES
        kinds_of_file = {deviation.kind for deviation in reader.data_set.deviations}
        assert kinds_of_file & {"overrun", "undefined_length"}


def test_row_32_another_element_in_place_of_the_delimiter():
    reader = FrameReader(encapsulated(PARTS, frames="3", end=b"", behind=element(0xFFFCFFFC, "OB", bytes(6))))
    assert [bytes(frame) for frame in reader] == FRAMES


def test_row_33_several_fragments_a_frame_without_a_table():
    assert [bytes(frame) for frame in FrameReader(encapsulated(PARTS, frames="3"))] == FRAMES
    j2k = [b"\xff\x4f\xff\x51" + bytes(12), END, b"\xff\x4f\xff\x51" + bytes(12), END]
    reader = FrameReader(encapsulated(j2k, frames="2", syntax=JPEG_2000))
    assert [bytes(frame) for frame in reader] == [j2k[0] + j2k[1], j2k[2] + j2k[3]]
    assert len(FrameReader(encapsulated([GO_ON] * 5, frames="1", syntax=JPEG))) == 1


def test_more_and_fewer_frames_than_said():
    reader = FrameReader(encapsulated([WHOLE] * 3, frames="2"))
    assert [bytes(frame) for frame in reader] == [WHOLE] * 3
    assert kinds(reader) == ["frame_count"]
    reader = FrameReader(encapsulated([WHOLE, WHOLE], frames="1000000000"))
    assert [bytes(frame) for frame in reader] == [WHOLE] * 2
    assert kinds(reader) == ["frame_count"]
    for text in ("-1", "0", "", "1e9"):
        reader = FrameReader(encapsulated([WHOLE, START, END], frames=text))
        assert [bytes(frame) for frame in reader] == [WHOLE] * 2
        assert kinds(reader) == ["frame_count"]


def test_a_video_is_one_frame():
    parts = [b"\0\0\1\xb3video", b"goes on.", b"\xff\xd8\xff\xd8 and on"]
    reader = FrameReader(encapsulated(parts, frames="250", syntax=MPEG2, basic=offset_table([0])))
    assert [bytes(frame) for frame in reader] == [b"".join(parts)]
    assert reader.deviations == []


def test_a_compressed_value_with_a_length():
    data = part10(frames_text("1") + element(PIXEL_DATA, "OB", WHOLE), JPEG)
    reader = FrameReader(data)
    assert [bytes(frame) for frame in reader] == [WHOLE]
    assert kinds(reader) == ["encapsulation"]
    reader = FrameReader(native(PIXELS, frames="3", syntax=JPEG))
    assert [bytes(frame) for frame in reader] == [PIXELS[:16], PIXELS[16:32], PIXELS[32:]]
    assert kinds(reader) == ["encapsulation"]


def test_fragments_under_a_native_transfer_syntax():
    reader = FrameReader(encapsulated(PARTS, frames="3", syntax="1.2.840.10008.1.2.1"))
    assert [bytes(frame) for frame in reader] == FRAMES


# --------------------------------------------------------------------------------------------------------- large files

LARGE = """
import json, struct, sys

path, total, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
SIZE = 100_000                      # a frame: two fragments, or native
count = total // SIZE
half = SIZE // 2 - 8


def element(tag, vr, value, length=None):
    length = len(value) if length is None else length
    if vr in ("OB", "OW", "OV"):
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode(), 0, length) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), length) + value


syntax = b"1.2.840.10008.1.2.4.50" if kind != "native" else b"1.2.840.10008.1.2.1\\0"
with open(path, "wb") as file:
    meta = element(0x00020010, "UI", syntax)
    file.write(bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta)
    file.write(element(0x00280008, "IS", b"%12d" % count))
    if kind == "native":
        file.write(element(0x00280010, "US", b"\\xfa\\0") + element(0x00280011, "US", b"\\x90\\1"))
        file.write(element(0x00280100, "US", b"\\x08\\0"))
        file.write(element(0x7FE00010, "OW", b"", count * SIZE))
    else:
        if kind == "extended":
            file.write(element(0x7FE00001, "OV", struct.pack(f"<{count}Q", *range(0, count * SIZE, SIZE))))
        file.write(element(0x7FE00010, "OB", b"", 0xFFFFFFFF))
        table = struct.pack(f"<{count}I", *range(0, count * SIZE, SIZE)) if kind == "basic" else b""
        file.write(b"\\xfe\\xff\\x00\\xe0" + struct.pack("<I", len(table)) + table)
    start = file.tell()
    for i in range(count):
        if kind == "native":
            file.seek(start + i * SIZE)
            file.write(struct.pack("<I", i))
            continue
        file.seek(start + i * SIZE)
        file.write(b"\\xfe\\xff\\x00\\xe0" + struct.pack("<I", half) + b"\\xff\\xd8\\xff\\xe0" + struct.pack("<I", i))
        file.seek(start + i * SIZE + SIZE // 2)
        file.write(b"\\xfe\\xff\\x00\\xe0" + struct.pack("<I", half))
        file.seek(start + (i + 1) * SIZE - 2)
        file.write(b"\\xff\\xd9")
    if kind == "native":
        file.truncate(start + count * SIZE)
    else:
        file.write(b"\\xfe\\xff\\xdd\\xe0" + bytes(4))


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def check(reader):
    seen = 0
    for frame in reader:
        views = frame.fragments
        at = 0 if kind == "native" else 4
        assert frame.number == seen == struct.unpack("<I", views[0][at : at + 4])[0]
        for view in views:                  # every page of it
            assert sum(view[::4096]) >= 0
        assert kind == "native" or views[-1][-2:] == b"\\xff\\xd9"
        seen += 1
    assert reader.deviations == []
    return seen


# The peak so far is the parent's when the process came by fork.
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = peak()
import dicomwire
found = check(dicomwire.FrameReader(path))
index = dicomwire.FrameIndex.build(path)
index.save(path + ".frames")
again = check(dicomwire.FrameReader(path, index=path + ".frames"))
print(json.dumps({"frames": found, "again": again, "count": count, "peak_kb": peak() - before}))
"""


@pytest.mark.long
@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes its share of memory")
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peak memory is read from /proc")
@pytest.mark.parametrize("kind", ["basic", "extended", "scanned", "native"])
def test_frames_of_a_large_file_in_bounded_memory(tmp_path, scaled, kind):
    """2 GB of frames, with and without tables, each page looked at: less than 50 MB above the bare interpreter."""
    import json

    path = tmp_path / "large.dcm"
    command = [sys.executable, "-c", LARGE, str(path), str(scaled(2_000_000_000)), kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    path.unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["frames"] == said["again"] == said["count"] == scaled(2_000_000_000) // 100_000
    assert said["peak_kb"] < 50_000


def test_the_bytes_of_a_frame_without_an_object_for_it():
    fragments = [WHOLE, START, GO_ON, END, WHOLE]
    for basic in (b"", offset_table([offsets_of(fragments)[i] for i in (0, 1, 4)])):
        reader = FrameReader(encapsulated(fragments, frames="3", basic=basic))
        for frame in reader:
            assert reader.read_frame(frame.number) == bytes(frame)
    wrong = FrameReader(encapsulated([WHOLE], frames="2", basic=offset_table([0, 30])))
    assert len(wrong) == 2
    assert wrong.read_frame(0) == WHOLE
    with pytest.raises(IndexError, match="there are 1 frames"):
        wrong.read_frame(1)
