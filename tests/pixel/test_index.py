"""A frame index goes to a file and back, and is refused when it is damaged, crafted, or of another file."""

import hashlib
import os
import random
import struct
import zlib

import hypothesis
import pytest
from hypothesis import strategies

import dicomwire
from dicomwire import FrameIndex, FrameReader
from dicomwire.errors import DecodeError, DicomWireError, UnsupportedError
from tests.builders import DEFLATED, element, part10
from tests.pixel.images import END, START, WHOLE, encapsulated, native, offset_table, offsets_of

PARTS = [START, END, WHOLE, START, END]
PLAIN = encapsulated(PARTS, frames="3")
BITS = native(bytes(range(6)), frames="3", rows=3, columns=5, allocated=1)


def digested(body):
    """Bytes of an index file with the digest that they should have."""
    return body + hashlib.sha256(body).digest()


def extents(reader):
    return [(frame.offset, frame.bit_offset, frame.extents) for frame in reader]


@pytest.mark.parametrize("data", [PLAIN, BITS], ids=["encapsulated", "native"])
def test_an_index_is_saved_and_loaded(tmp_path, data):
    path = tmp_path / "image.dcm"
    path.write_bytes(data)
    index = FrameIndex.build(path)
    kept = tmp_path / "image.dcm.frames"
    index.save(kept)
    assert sorted(os.listdir(tmp_path)) == ["image.dcm", "image.dcm.frames"]
    loaded = FrameIndex.load(kept)
    assert loaded == index
    assert len(loaded) == 3
    assert loaded.is_encapsulated == (data is PLAIN)
    plain = FrameReader(path)
    for given in (index, loaded, kept, str(kept)):
        reader = FrameReader(path, index=given)
        assert extents(reader) == extents(plain)
        assert [bytes(frame) for frame in reader] == [bytes(frame) for frame in plain]
        assert reader.build_index() == index
    assert [loaded.extents(i) for i in range(3)] == [frame.extents for frame in plain]
    assert [loaded.bit_offset(i) for i in range(3)] == [frame.bit_offset for frame in plain]
    with pytest.raises(IndexError):
        loaded.extents(3)
    with pytest.raises(IndexError):
        loaded.extents(-1)
    assert repr(loaded) == "<FrameIndex: 3 frames>"


def test_an_index_of_the_frames_of_real_files(real_files, tmp_path):
    seen = 0
    for _, path in real_files:
        try:
            reader = FrameReader(path)
            if len(reader) < 2:
                continue
            index = FrameIndex.build(reader)
        except (DicomWireError, OSError):
            continue
        index.save(tmp_path / "index")
        again = FrameReader(path, index=tmp_path / "index")
        assert extents(again) == extents(FrameReader(path)), path
        seen += 1
    assert seen >= 10


def test_saving_replaces_and_leaves_nothing_else(tmp_path):
    kept = tmp_path / "index"
    FrameIndex.build(PLAIN).save(kept)
    FrameIndex.build(BITS).save(kept)
    assert FrameIndex.load(kept) == FrameIndex.build(BITS)
    assert os.listdir(tmp_path) == ["index"]
    with pytest.raises(OSError, match="directory"):
        FrameIndex.build(BITS).save(tmp_path)
    assert os.listdir(tmp_path) == ["index"]


def test_it_holds_nothing_of_the_data_set():
    data = part10(element(0x00100010, "PN", b"Secret^Name ") + encapsulated(PARTS, frames="3")[-400:])
    for part in (b"Secret", b"Name"):
        assert part not in FrameIndex.build(PLAIN).to_bytes()
    assert b"Secret" in data


# ---------------------------------------------------------------------------------------------------- another file

def test_an_index_of_another_file_is_refused(tmp_path):
    path = tmp_path / "image.dcm"
    path.write_bytes(PLAIN)
    index = FrameIndex.build(path)
    longer = PLAIN + element(0xFFFCFFFC, "OB", bytes(2))
    with pytest.raises(DecodeError, match="bytes"):
        FrameReader(longer, index=index)
    other = PLAIN.replace(b"\x28\0\x08\0IS\2\0" + b"3 ", b"\x28\0\x08\0IS\2\0" + b"4 ")
    assert other != PLAIN
    with pytest.raises(DecodeError, match="another file"):
        FrameReader(other, index=index)
    with pytest.raises(DecodeError, match="bytes"):
        FrameReader(BITS, index=index)
    # The same bytes elsewhere than in a file have no time.
    assert len(FrameReader(PLAIN, index=index)) == 3


def test_a_file_that_was_modified_is_refused(tmp_path):
    path = tmp_path / "image.dcm"
    path.write_bytes(PLAIN)
    index = FrameIndex.build(path)
    data = bytearray(PLAIN)
    data[data.rindex(WHOLE) - 4] = 2  # a fragment's length, behind what the digest sees
    path.write_bytes(data)
    os.utime(path, ns=(index.identity.modified_ns + 5, index.identity.modified_ns + 5))
    with pytest.raises(DecodeError, match="modified"):
        FrameReader(path, index=index)
    os.utime(path, ns=(index.identity.modified_ns, index.identity.modified_ns))
    assert len(FrameReader(path, index=index)) == 3


def test_the_digest_sees_both_ends_of_a_long_header():
    filler = [element(0x00090010, "LO", b"filler"), element(0x00091001, "UT", b"x" * 200_000)]
    body = PLAIN[PLAIN.index(b"\x28\0\x08\0IS") :]
    data = part10(b"".join(filler) + body, "1.2.840.10008.1.2.4.50")
    index = FrameIndex.build(data)
    for at in (10, 140, 65000, len(data) - len(body) - 60000, len(data) - len(body) + 3):
        other = bytearray(data)
        other[at] ^= 1
        try:
            data_set = dicomwire.dcmread(other)
            index.check(data_set)
        except DicomWireError:
            continue
        pytest.fail(f"byte {at} is not seen")


def test_deflated_data_sets_have_none():
    content = BITS[BITS.index(b"\x28\x00\x02\x00US") :]
    packer = zlib.compressobj(wbits=-15)
    data = part10(packer.compress(content) + packer.flush(), DEFLATED)
    with pytest.raises(UnsupportedError):
        FrameIndex.build(data)
    with pytest.raises(UnsupportedError):
        FrameReader(data, index=FrameIndex.build(BITS))


# ------------------------------------------------------------------------------------------------ damaged and hostile

@pytest.mark.parametrize("data", [PLAIN, BITS], ids=["encapsulated", "native"])
def test_every_damaged_byte_and_every_cut_is_noticed(data):
    whole = FrameIndex.build(data).to_bytes()
    assert FrameIndex.from_bytes(whole).to_bytes() == whole
    for i in range(len(whole)):
        damaged = bytearray(whole)
        damaged[i] ^= 1 << i % 8
        with pytest.raises((DecodeError, UnsupportedError)):
            FrameIndex.from_bytes(bytes(damaged))
        with pytest.raises(DecodeError):
            FrameIndex.from_bytes(whole[:i])
    with pytest.raises(DecodeError):
        FrameIndex.from_bytes(whole + b"\0")


def test_what_is_no_index(tmp_path):
    for data in (b"", b"DWFRAMES", PLAIN, bytes(1000)):
        (tmp_path / "index").write_bytes(data)
        with pytest.raises(DecodeError):
            FrameIndex.load(tmp_path / "index")
    with open(tmp_path / "index", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DecodeError, match="bytes"):
        FrameIndex.load(tmp_path / "index")
    with pytest.raises(FileNotFoundError):
        FrameIndex.load(tmp_path / "none")


def test_a_later_version():
    whole = bytearray(FrameIndex.build(PLAIN).to_bytes()[:-32])
    whole[8] = 2
    with pytest.raises(UnsupportedError, match="version 2"):
        FrameIndex.from_bytes(digested(bytes(whole)))


HEAD = 80  # bytes before the layout


def crafted(data, at, value, size=8):
    """An index of ``data`` with one number replaced and a digest that is right."""
    body = bytearray(FrameIndex.build(data).to_bytes()[:-32])
    body[at : at + size] = value.to_bytes(size, "little")
    return digested(bytes(body))


HUGE = [1 << 63, (1 << 64) - 1, 1 << 40, len(PLAIN), len(PLAIN) - 1]


@pytest.mark.parametrize("value", [0, *HUGE])
@pytest.mark.parametrize("at", range(HEAD - 8, HEAD + 8 + 8 * (2 * len(PARTS) + 4), 8))
def test_crafted_numbers_never_lead_out_of_the_pixel_data(tmp_path, at, value):
    path = tmp_path / "image.dcm"
    path.write_bytes(PLAIN)
    element_offset = dicomwire.dcmread(path)["PixelData"].offset
    try:
        index = FrameIndex.from_bytes(crafted(FrameReader(path), at, value))
        reader = FrameReader(path, index=index)
    except DecodeError:
        return
    refused = 0
    for number in range(len(reader)):
        try:
            frame = reader[number]
        except DecodeError:
            refused += 1
            continue
        assert all(element_offset <= offset <= offset + length <= len(PLAIN) for offset, length in frame.extents)
        assert len(bytes(frame)) == frame.length <= len(PLAIN)
    assert refused or value in (0, len(PLAIN) - 1, len(PLAIN))


@pytest.mark.parametrize("value", [0, 7, *HUGE])
@pytest.mark.parametrize("at", range(HEAD - 8, HEAD + 24, 8))
def test_crafted_native_numbers(at, value):
    try:
        index = FrameIndex.from_bytes(crafted(BITS, at, value))
    except DecodeError:
        return
    assert len(index) <= len(BITS) * 8
    for frame in FrameReader(BITS, index=index):
        assert 0 <= frame.offset <= frame.offset + frame.length <= len(BITS)


def test_a_count_of_frames_that_no_memory_holds():
    head = struct.pack("<8sHHIQqQ32sQ", b"DWFRAMES", 1, 1, 0, len(PLAIN), -1, 100, bytes(32), 1 << 60)
    with pytest.raises(DecodeError):
        FrameIndex.from_bytes(digested(head + struct.pack("<Q", 1 << 60)))
    with pytest.raises(DecodeError):
        FrameIndex.from_bytes(digested(head))


@hypothesis.given(strategies.binary(max_size=300), strategies.booleans())
def test_any_bytes_give_an_index_or_an_error(tail, head):
    body = (FrameIndex.build(PLAIN).to_bytes()[: random.Random(len(tail)).randrange(8, 90)] if head else b"") + tail
    try:
        index = FrameIndex.from_bytes(digested(body))
        index.check(dicomwire.dcmread(PLAIN))
        for number in range(len(index)):
            index.extents(number)
    except (DecodeError, UnsupportedError):
        pass


def test_a_table_that_is_wrong_is_not_indexed():
    basic = offset_table([0, 24, 8 * len(offsets_of(PARTS)) * 1000])
    reader = FrameReader(encapsulated(PARTS, frames="3", basic=basic))
    assert [sum(n for _, n in reader.build_index().extents(i)) for i in range(3)] == [32, 32, 32]
