"""Which instance a data set is: what is found in a glance is what reading finds, and else nothing."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

import dicomwire
from _dicomwire.identify import leading_uids, length_before, meta_uids
from dicomwire.dictionary.uids import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.errors import DicomWireError
from dicomwire.file.instance_file import file_meta_information
from dicomwire.net.storage.header import rules_of
from tests.encoding import explicit, implicit, item
from tests.net.storage.instances import CT, data_set, even

CLASS, INSTANCE = 0x00080016, 0x00080018


def text(value: object) -> bytes:
    return str(value if value is not None else "").encode("latin-1")


def test_real_files(real_files: list[tuple[str, Path]]) -> None:
    """Most are as usual; whatever is found is what a reader finds."""
    usual = meta = 0
    for _, path in real_files:
        data = path.read_bytes()
        found = meta_uids(data)
        try:
            read = dicomwire.dcmread(path)
        except DicomWireError:
            continue
        if found is None:
            continue
        meta += 1
        group = read.file_meta
        assert found[:3] == (
            text(group.get("MediaStorageSOPClassUID")),
            text(group.get("MediaStorageSOPInstanceUID")),
            text(group.get("TransferSyntaxUID")),
        ), path.name
        rules = rules_of(found[2].decode())
        if not rules.is_known or rules.is_deflated:
            continue
        first = next(iter(read), None)
        if first is not None:
            assert found[3] == first.offset - first.header_size, path.name
        uids = leading_uids(data[found[3] :], rules.explicit_vr, rules.little_endian)
        if uids is not None:
            usual += 1
            assert uids == (text(read.get("SOPClassUID")), text(read.get("SOPInstanceUID"))), path.name
            # The first bytes say the same, or nothing.
            for end in (20, 100, 300, 1000, 4096):
                short = leading_uids(data[found[3] : found[3] + end], rules.explicit_vr, rules.little_endian)
                assert short in (None, uids)
                assert meta_uids(data[:end]) in (None, found)
    assert meta > len(real_files) // 2
    assert usual > len(real_files) // 2


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_any_beginning_of_a_data_set(syntax: str) -> None:
    """Nothing is said before the element behind the UIDs has begun, and the same from then on."""
    rules = rules_of(syntax)
    data = data_set("1.2.3.45", syntax=syntax)
    behind = data.index(b"Instance^Test") - 8
    for end in range(len(data)):
        found = leading_uids(data[:end], rules.explicit_vr, rules.little_endian)
        assert found == ((CT.encode(), b"1.2.3.45") if end >= behind + 8 else None), end
        assert leading_uids(memoryview(data)[:end], rules.explicit_vr, rules.little_endian) == found


NAME = explicit(0x00100010, "PN", b"A^B ")
UIDS = explicit(CLASS, "UI", even(CT)) + explicit(INSTANCE, "UI", even("1.2.3"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (UIDS + NAME, (CT.encode(), b"1.2.3")),
        (explicit(0x00080005, "CS", b"ISO_IR 100") + UIDS + NAME, (CT.encode(), b"1.2.3")),
        (explicit(0x00080000, "UL", bytes(4)) + UIDS + NAME, (CT.encode(), b"1.2.3")),
        (explicit(CLASS, "UI", even(CT)) + NAME, (CT.encode(), b"")),
        (explicit(INSTANCE, "UI", even("1.2.3")) + NAME, (b"", b"1.2.3")),
        (NAME, (b"", b"")),
        (explicit(CLASS, "UI", b"") + explicit(INSTANCE, "UI", b"1.2 ") + NAME, (b"", b"1.2")),
        (b"", None),
        (NAME[:7], None),
        (NAME[:8], (b"", b"")),
        (UIDS, None),
        (UIDS + NAME[:7], None),
        (explicit(0x00080001, "UN", bytes(4)) + UIDS + NAME, None),
        (explicit(0x00080006, "SQ", item(NAME)) + UIDS + NAME, None),
        (explicit(0x00020010, "UI", even("1.2")) + UIDS + NAME, None),
        (struct.pack("<HH2sH", 8, 0x16, b"UI", 0xFFFF) + UIDS + NAME, None),
        (struct.pack("<HH2sH", 8, 0x16, b"\0\0", 4) + UIDS + NAME, None),
        (UIDS.replace(b"UI", b"ui", 1) + NAME, None),
    ],
)
def test_usual_and_other_beginnings(data: bytes, expected: tuple[bytes, bytes] | None) -> None:
    assert leading_uids(data, True, True) == expected


def test_an_implicit_sequence_before_the_uids() -> None:
    uids = implicit(CLASS, even(CT)) + implicit(INSTANCE, even("1.2.3"))
    behind = implicit(0x00100010, b"A^B ")
    sequence = item(behind)
    assert leading_uids(implicit(0x00080006, sequence) + uids + behind, False, True) == (CT.encode(), b"1.2.3")
    undefined = struct.pack("<HHL", 8, 6, 0xFFFFFFFF) + sequence + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    assert leading_uids(undefined + uids + behind, False, True) is None
    long = struct.pack("<HHL", 8, 0x16, 0x7FFFFFFF)
    assert leading_uids(long + uids, False, True) is None


def test_any_beginning_of_a_file() -> None:
    meta = file_meta_information(CT, "1.2.3.45", ExplicitVRLittleEndian, "MODALITY")
    data = meta + data_set("1.2.3.45")
    expected = (CT.encode(), b"1.2.3.45", ExplicitVRLittleEndian.encode(), len(meta))
    for end in range(len(meta) + 30):
        assert meta_uids(data[:end]) == (expected if end >= len(meta) + 8 else None), end


def test_other_beginnings_of_files() -> None:
    meta = file_meta_information(CT, "1.2.3.45", ExplicitVRLittleEndian)
    data = data_set("1.2.3.45")
    for other in (
        data,
        meta[132:] + data,
        meta.replace(b"DICM", b"DICN") + data,
        bytes(128) + b"DICM" + data,
        meta[:132] + implicit(0x00020010, even(ExplicitVRLittleEndian)) + data,
        meta[:132] + explicit(0x00020010, "UI", even(ExplicitVRLittleEndian))[:6] + b"\xff\xff" + data[:100],
        meta[:132] + b"\2\0\1\0OB\0\0\xff\xff\xff\xff" + data,
        meta[:132] + b"\2\0\1\0OB\0\0",
    ):
        assert meta_uids(other) is None
    only = meta[:132] + explicit(0x00020010, "UI", even("1.2.3"))
    assert meta_uids(only + data) == (b"", b"", b"1.2.3", len(only))
    both = only + explicit(0x00020102, "OB", bytes(10)) + explicit(0x00020100, "UI", even("1.2"))
    assert meta_uids(both + data) == (b"", b"", b"1.2.3", len(both))


def test_damaged_beginnings() -> None:
    """Any bytes are identified or not; what is found lies in them."""
    noise = random.Random(11)
    meta = file_meta_information(CT, "1.2.3.45", ExplicitVRLittleEndian)
    whole = meta + data_set("1.2.3.45", pixels=10)
    for _ in range(20_000):
        data = bytearray(whole[: noise.randrange(len(whole) + 1)])
        for _ in range(noise.choice((1, 1, 2, 5))):
            if data:
                data[noise.randrange(len(data))] = noise.choice((0, 1, 2, 8, 0x16, 0x18, 0xFF, noise.randrange(256)))
        found = meta_uids(data)
        if found is not None:
            assert 132 < found[3] <= len(data) - 8
            assert all(uid in data for uid in found[:3])
        for explicit_vr in (False, True):
            for little_endian in (False, True):
                uids = leading_uids(data[len(meta) :], explicit_vr, little_endian)
                assert uids is None or all(uid in data for uid in uids)


def test_arguments_are_buffers() -> None:
    for function in (meta_uids, lambda data: leading_uids(data, True, True)):
        with pytest.raises(TypeError):
            function("text")  # type: ignore[operator]
        with pytest.raises(BufferError):
            function(memoryview(bytes(100))[::2])  # type: ignore[operator]


# ---------------------------------------------------------------------------------------------------- length of headers

PIXELS = 0x7FE00008
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


def before(data: bytes, syntax: str, until: int) -> int:
    rules = rules_of(syntax)
    return length_before(data, rules.explicit_vr, rules.little_endian, until)


def test_headers_of_real_files(real_files: list[tuple[str, Path]]) -> None:
    """What is found is where a reader finds the first element that it leaves out."""
    usual = 0
    for _, path in real_files:
        data = path.read_bytes()
        found = meta_uids(data)
        if found is None or not rules_of(found[2].decode()).is_known or rules_of(found[2].decode()).is_deflated:
            continue
        try:
            read = dicomwire.dcmread(path)
        except DicomWireError:
            continue
        for until in (0x00080019, 0x00100021, PIXELS):
            length = before(data[found[3] :], found[2].decode(), until)
            if length < 0:
                continue
            usual += 1
            behind = next((element for element in read if element.tag >= until), None)
            assert behind is not None, path.name
            assert behind.offset - behind.header_size == found[3] + length, path.name
            for end in (0, length // 2, length, length + 7):
                assert before(data[found[3] : found[3] + end], found[2].decode(), until) == -1
            assert before(data[found[3] : found[3] + length + 8], found[2].decode(), until) in (length, -1)
    assert usual > 300


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_length_before_the_pixel_data(syntax: str) -> None:
    encoded = data_set(syntax=syntax)
    length = before(encoded, syntax, PIXELS)
    group, element_number = (0x7FE0, 0x0010)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    assert encoded[length : length + 4] == struct.pack(order + "HH", group, element_number)
    assert before(encoded, syntax, 0) == 0
    assert before(encoded, syntax, 0x7FE00011) == -1
    assert [before(encoded[:end], syntax, PIXELS) for end in range(length + 8)] == [-1] * (length + 8)


def nested(depth: int) -> bytes:
    """A sequence of undefined length in an item of undefined length, and so on."""
    inside = b"".join((explicit(0x00080100, "SH", b"CODE"),))
    for _ in range(depth):
        item_ = bytes.fromhex("FEFF00E0 FFFFFFFF") + inside + bytes.fromhex("FEFF0DE0 00000000")
        inside = bytes.fromhex("08004011") + b"SQ\0\0\xff\xff\xff\xff" + item_ + bytes.fromhex("FEFFDDE0 00000000")
    return inside


@pytest.mark.parametrize("depth", [1, 2, 15, 16, 17, 1000])
def test_nested_sequences_are_stepped_over_to_a_depth(depth: int) -> None:
    encoded = nested(depth) + explicit(0x00100010, "PN", b"NAME") + explicit(0x7FE00010, "OB", bytes(4))
    expected = len(encoded) - 16 if depth <= 16 else -1
    assert before(encoded, ExplicitVRLittleEndian, PIXELS) == expected


@pytest.mark.parametrize(
    "start",
    [
        explicit(0x00100010, "PN", b"NAME") + explicit(0x00080018, "UI", b"1.2\0"),
        explicit(0x00100010, "PN", b"NAME") * 2,
        explicit(0x00100010, "ZZ", b"NAME"),
        b"\x08\0\x18\0UN\0\0\xff\xff\xff\xff" + bytes.fromhex("FEFFDDE0 00000000"),
        bytes.fromhex("FEFF00E0 00000000"),
        bytes.fromhex("FEFF0DE0 00000000"),
        bytes.fromhex("08004011") + b"SQ\0\0\xff\xff\xff\xff" + bytes.fromhex("FEFF0DE0 00000000"),
        bytes.fromhex("08004011") + b"SQ\0\0\xff\xff\xff\xff" + bytes.fromhex("FEFFDDE0 02000000"),
        bytes.fromhex("08004011") + b"SQ\0\0\xff\xff\xff\xff" + explicit(0x00080100, "SH", b"CODE"),
    ],
)
def test_what_is_unusual_in_a_header_is_to_be_read(start: bytes) -> None:
    assert before(start + explicit(0x7FE00010, "OB", bytes(40)), ExplicitVRLittleEndian, PIXELS) == -1


def test_damaged_headers() -> None:
    """The same as a reader finds, or nothing."""
    noise = random.Random(5)
    plain = data_set(pixels=100)
    usual = 0
    for _ in range(20_000):
        data = bytearray(plain)
        for _ in range(noise.choice((1, 1, 2))):
            data[noise.randrange(len(data) - 120)] = noise.choice((0, 1, 8, 0xFF, 0xFE, noise.randrange(256)))
        length = before(bytes(data), ExplicitVRLittleEndian, PIXELS)
        if length < 0:
            continue
        meta = file_meta_information(CT, "1.2", ExplicitVRLittleEndian)
        try:
            found, expected = (
                [(element.tag, element.offset) for element in dicomwire.dcmread(meta + part, stop_at=PIXELS)]
                for part in (bytes(data[:length]), bytes(data))
            )
        except DicomWireError:
            continue
        usual += 1
        assert found == expected
    assert usual > 1000
