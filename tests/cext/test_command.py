"""Command sets: values against the dictionary and a slow reader, encoding, the answer to an echo without objects."""

from __future__ import annotations

import contextlib
import struct
import sys

import pytest

from _dicomwire.command import (
    MAX_COMMAND_LENGTH,
    command_vr,
    decode_command,
    echo_response,
    encode_command,
    encode_fields,
)
from dicomwire.dictionary import UID, Tag
from dicomwire.dictionary.tags import dictionary_entry
from dicomwire.dimse import CEchoRQ, decode_message
from dicomwire.errors import DecodeError, ElementError, EncodeError, TruncatedError
from tests.builders import implicit
from tests.oracles import command_set

ECHO = CEchoRQ(message_id=0x1234).encode()


def element(tag: int, value: bytes, *, length: int | None = None) -> bytes:
    return implicit.element(tag, "", value, length=length)


def with_group_length(body: bytes) -> bytes:
    return element(0, struct.pack("<I", len(body))) + body


def test_every_command_element_has_the_vr_of_the_dictionary() -> None:
    known = 0
    for tag in range(0x10000):
        entry = dictionary_entry(tag)
        # (0000,0000) is in the dictionary as an element; other group lengths and private tags are not of group 0000.
        assert command_vr(tag) == (entry[0] if entry else None), hex(tag)
        known += entry is not None
    assert known == 46
    for tag in (-1, 0x10000, 0x00080000, 1 << 40):
        assert command_vr(tag) is None


VALUES = {
    "US": (0x0110, b"\x34\x12", 0x1234),
    "UI": (0x1000, b"1.2.840\0", UID("1.2.840")),
    "UI, padded with a space": (0x1000, b"1.2.84  ", UID("1.2.84")),
    "UI, empty": (0x1000, b"", UID("")),
    "AE": (0x0600, b" MOVE SCP ", "MOVE SCP"),
    "AT": (0x1005, b"\xe0\x7f\x10\0\x10\0\x20\0", (0x7FE00010, 0x00100020)),
    "AT, empty": (0x0901, b"", ()),
    "LO": (0x0902, b" two words", " two words"),
    "UL": (0x0001, b"\1\0\0\x80", 0x80000001),
    "US, several": (0x51B0, b"\1\0\2\0", (1, 2)),
    "IS": (0x5170, b"12", "12"),
    "unknown": (0x0666, b"\0\1", b"\0\1"),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    tag, raw, expected = VALUES[name]
    data = with_group_length(element(tag, raw))
    elements, findings = decode_command(data)
    assert elements == {tag: expected} == command_set.decode(data)
    assert type(elements[tag]) is type(expected)
    assert findings is None
    if name == "AT":
        assert all(type(item) is Tag for item in elements[tag])  # type: ignore[union-attr]
    if raw == raw.strip():
        assert encode_command(elements, check=False) == data


def test_any_buffer_will_do() -> None:
    expected = decode_command(ECHO)
    for data in (bytearray(ECHO), memoryview(ECHO), memoryview(b"x" + ECHO)[1:]):
        assert decode_command(data) == expected
        assert echo_response(data) == echo_response(ECHO)
    with pytest.raises(BufferError):
        decode_command(memoryview(ECHO * 2)[::2])
    with pytest.raises(TypeError):
        decode_command("text")  # type: ignore[arg-type]


def test_findings_name_their_place() -> None:
    body = element(0x0120, b"\1\0") + element(0x0110, b"\1\0\0") + element(0x0110, b"\2\0") + element(2, b"x.y\0")
    elements, findings = decode_command(body)
    assert elements == {0x0120: 1, 0x0110: b"\1\0\0", 2: "x.y"}
    assert findings is not None
    assert [finding[:3] for finding in findings] == [
        ("group_length", 0, 0),
        ("tag_order", 0x0110, 10),
        ("odd_length", 0x0110, 10),
        ("value_length", 0x0110, 10),
        ("duplicate_tag", 0x0110, 21),
        ("tag_order", 2, 31),
        ("bad_uid", 2, 31),
    ]
    for finding in findings:
        assert finding[3]
        assert finding[4].startswith("PS3.")


def test_values_are_in_no_message() -> None:
    secret = b"SECRET VALUE THAT IS TOO LONG\xff"
    _, findings = decode_command(element(0x0600, secret) + element(0x1000, secret) + element(0x0902, secret))
    assert findings is not None
    assert len(findings) >= 4
    assert "SECRET" not in repr(findings)


@pytest.mark.parametrize("size", [MAX_COMMAND_LENGTH, MAX_COMMAND_LENGTH + 1])
def test_more_than_64_kib_are_refused(size: int) -> None:
    data = with_group_length(element(0x0666, bytes(size - 20)))
    assert len(data) == size
    if size == MAX_COMMAND_LENGTH:
        assert len(decode_command(data)[0][0x0666]) == size - 20  # type: ignore[arg-type]
        assert encode_command({0x0666: bytes(size - 20)}) == data
    else:
        with pytest.raises(DecodeError, match="65537 bytes"):
            decode_command(data)
        with pytest.raises(EncodeError, match="65537 bytes"):
            encode_command({0x0666: bytes(size - 20)})


def test_every_cut_is_an_error_or_a_shorter_set() -> None:
    borders = {0, 12, 38, 48, 58, 68}
    for end in range(len(ECHO) + 1):
        if end in borders:
            assert decode_command(ECHO[:end])[0] == command_set.decode(ECHO[:end])
        else:
            with pytest.raises(TruncatedError):
                decode_command(ECHO[:end])
    with pytest.raises(ElementError, match=r"\(0008,0016\).*group 0000"):
        decode_command(ECHO + element(0x00080016, b""))


def test_encoding_pads_and_orders() -> None:
    values = {0x1005: (0x00100020,), 0x0902: "odd", 2: "1.2.3", 0x0600: "A", 0x0110: 5}
    data = encode_command(values)
    assert data == with_group_length(
        element(2, b"1.2.3\0")
        + element(0x0110, b"\5\0")
        + element(0x0600, b"A ")
        + element(0x0902, b"odd ")
        + element(0x1005, b"\x10\0\x20\0")
    )
    assert decode_command(data) == (dict(sorted(values.items())), None)
    assert encode_fields((2, 0x0110, 0x0120), ("1.2.3", None, 7), True) == encode_command({2: "1.2.3", 0x0120: 7})
    assert encode_command({}) == with_group_length(b"")
    with pytest.raises(ValueError, match="2 tags and 1 values"):
        encode_fields((2, 0x0110), ("1.2.3",), True)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (0x0110, 65536),
        (0x0110, -1),
        (0x0110, "1"),
        (0x0110, (1, 2)),
        (0x0001, 1 << 32),
        (0x1000, ""),
        (0x1000, "1.2.840-3"),
        (0x1000, "1" * 65),
        (0x1000, 5),
        (0x1000, None),
        (0x0600, "A" * 17),
        (0x0600, "A\\B"),
        (0x0600, "A\nB"),
        (0x0902, "\u3042"),
        (0x0902, "\xe4"),
        (0x1005, (1 << 32,)),
        (0x1005, (-1,)),
        (0x1005, ("1",)),
        (0x1005, [1]),
        (0x0666, 5),
        (0x0666, "text"),
        (0x51B0, (65536,)),
    ],
)
def test_values_that_cannot_be_sent(tag: int, value: object) -> None:
    if value is None:
        # Left out: a caller's field that is not there.
        assert encode_command({tag: value}) == with_group_length(b"")  # type: ignore[dict-item]
        return
    with pytest.raises(EncodeError, match=f"{tag:04X}"):
        encode_command({tag: value})  # type: ignore[dict-item]


@pytest.mark.parametrize("tag", [0, -1, 0x10000, 0x00080016])
def test_tags_that_are_not_of_a_command_set(tag: int) -> None:
    with pytest.raises(EncodeError, match="group 0000"):
        encode_command({tag: b"", 0x0110: 1})


# ----------------------------------------------------------------------------------------------------------------- echo


@pytest.mark.parametrize("message_id", [0, 1, 0x1234, 65535])
def test_an_echo_is_answered_as_the_classes_do(message_id: int) -> None:
    request = CEchoRQ(message_id=message_id)
    assert echo_response(request.encode()) == request.response(status=0).encode()


def test_only_an_echo_is_answered() -> None:
    for at in range(len(ECHO)):
        for bit in range(8):
            changed = bytearray(ECHO)
            changed[at] ^= 1 << bit
            answer = echo_response(changed)
            if at in (56, 57):  # the message ID
                assert answer == decode_message(changed).response().encode()  # type: ignore[attr-defined]
            else:
                assert answer is None
    for data in (b"", ECHO[:-1], ECHO + b"\0\0", ECHO[12:], ECHO * 2):
        assert echo_response(data) is None


# --------------------------------------------------------------------------------------------------------------- memory


def test_nothing_is_kept() -> None:
    broken = [ECHO[:-1], ECHO + b"\0", element(0x0110, b"\1\0\0"), element(0x00080016, b""), bytes(70000)]

    def use() -> None:
        decode_command(ECHO)
        echo_response(ECHO)
        encode_command({0x1005: (0x00100020,), 0x0902: "text", 0x0110: 500})
        for data in broken:
            echo_response(data)
            with contextlib.suppress(DecodeError):
                decode_command(data)
        with contextlib.suppress(EncodeError):
            encode_command({0x0110: 500, 0x0902: "\u3042"})

    for _ in range(50):
        use()
    before = sys.getallocatedblocks()
    for _ in range(2000):
        use()
    assert sys.getallocatedblocks() - before < 500
