"""Command sets: values against the dictionary and a slow reader, encoding, the answer to an echo without objects."""

from __future__ import annotations

import contextlib
import random
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
    store_answer,
    store_command,
    store_request,
    store_response,
)
from dicomwire.dictionary import UID, Tag
from dicomwire.dictionary.tags import dictionary_entry
from dicomwire.dimse import CEchoRQ, decode_message
from dicomwire.dimse.messages import CStoreRQ, CStoreRSP
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


# ---------------------------------------------------------------------------------------------------------------- store

CT = UID("1.2.840.10008.5.1.4.1.1.2")
STORE = CStoreRQ(message_id=0x1234, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3.4"))
MOVED = CStoreRQ(
    message_id=7,
    affected_sop_class_uid=CT,
    affected_sop_instance_uid=UID("1.2.3.45"),
    priority=2,
    move_originator_application_entity_title="MOVER",
    move_originator_message_id=9,
)


def us(tag: int, value: int) -> bytes:
    return element(tag, struct.pack("<H", value))


def elements_of(command: bytes) -> dict[int, bytes]:
    """The elements of a command set, whole, by element number; without the group length."""
    found, at = {}, 0
    while at < len(command):
        group, tag, length = struct.unpack_from("<HHL", command, at)
        assert group == 0
        found[tag] = command[at : at + 8 + length]
        at += 8 + length
    del found[0]
    return found


def store_as_decoded(command: bytes) -> tuple[object, ...]:
    message = decode_message(command)
    assert isinstance(message, CStoreRQ)
    return (
        message.message_id,
        message.affected_sop_class_uid,
        message.affected_sop_instance_uid,
        message.priority,
        message.move_originator_application_entity_title,
        message.move_originator_message_id,
    )


@pytest.mark.parametrize("request_", [STORE, MOVED])
def test_a_usual_store_request(request_: CStoreRQ) -> None:
    for encoded in (request_.encode(has_data_set=True), bytearray(request_.encode(has_data_set=True))):
        found = store_request(encoded)
        assert found is not None
        assert found == store_as_decoded(bytes(encoded))
        assert type(found[1]) is UID
        assert type(found[2]) is UID


STORE_PARTS = elements_of(STORE.encode(has_data_set=True))


@pytest.mark.parametrize(
    "changed",
    [
        {0x0002: element(0x0002, b"1.2")},
        {0x0002: element(0x0002, b"")},
        {0x0002: b""},
        {0x1000: element(0x1000, b"1.2.3")},
        {0x1000: element(0x1000, b"1..2")},
        {0x1000: element(0x1000, b"1.02")},
        {0x1000: element(0x1000, b"../x")},
        {0x1000: element(0x1000, b"1" * 66)},
        {0x1000: element(0x1000, b"\0\0")},
        {0x1000: b""},
        {0x0100: us(0x0100, 0x0020)},
        {0x0100: us(0x0100, 0x8001)},
        {0x0100: element(0x0100, b"\1\0\0\0")},
        {0x0100: b""},
        {0x0110: element(0x0110, b"\1")},
        {0x0110: element(0x0110, b"")},
        {0x0110: b""},
        {0x0700: us(0x0700, 3)},
        {0x0700: b""},
        {0x0800: us(0x0800, 0x0101)},
        {0x0800: b""},
        {0x0001: element(0x0001, bytes(4))},
        {0x0120: us(0x0120, 1)},
        {0x1030: element(0x1030, b" LEADING        ")},
        {0x1030: element(0x1030, b"ODD")},
        {0x1030: element(0x1030, b"LONGER THAN 16 CHARACTERS ")},
        {0x1030: element(0x1030, "ÄÖÜ             ".encode("latin-1"))},
        {0x1031: element(0x1031, b"\1\0\2\0")},
        {0x2000: us(0x2000, 1)},
        {0x1031: us(0x1031, 1) + us(0x1031, 2)},
        {0x1031: element(0x00080016, b"1.2.3\0")},
        {0x1031: us(0x1031, 1)[:-1]},
        {0x1031: us(0x1031, 1)[:7]},
        {0x1031: element(0x1031, b"\1\0", length=0xFFFFFFFF)},
    ],
)
def test_unusual_store_requests_have_to_be_decoded(changed: dict[int, bytes]) -> None:
    body = b"".join(part for _, part in sorted({**STORE_PARTS, **changed}.items()))
    assert store_request(with_group_length(body)) is None


def test_order_and_group_length_of_store_requests() -> None:
    parts = list(STORE_PARTS.values())
    body = b"".join(parts)
    assert store_request(with_group_length(body)) is not None
    for at in range(len(parts) - 1):
        swapped = [*parts[:at], parts[at + 1], parts[at], *parts[at + 2 :]]
        assert store_request(with_group_length(b"".join(swapped))) is None
        twice = [*parts[: at + 1], *parts[at:]]
        assert store_request(with_group_length(b"".join(twice))) is None
    for length in (0, len(body) - 1, len(body) + 1, len(body) + 12, 0xFFFFFFFF):
        assert store_request(element(0, struct.pack("<I", length)) + body) is None
    assert store_request(element(0, b"\0\0") + body) is None
    assert store_request(body + element(0, struct.pack("<I", len(body)))) is None
    for end in range(len(body) + 12):
        assert store_request(with_group_length(body)[:end]) is None
    assert store_request(ECHO) is None


def test_padding_of_uids_in_store_requests() -> None:
    """Spaces are tolerated, as where a command is decoded."""
    for value in (b"1.2 ", b"1.2.  ", b"1.2\0"):
        body = b"".join(part for _, part in sorted({**STORE_PARTS, 0x1000: element(0x1000, value)}.items()))
        found = store_request(with_group_length(body))
        assert found in (None, store_as_decoded(with_group_length(body)))


@pytest.mark.parametrize("title", [b"", b"MOVER ", b"SIXTEEN LETTERS.", b"  ", b" " * 16, b"PADDED          "])
def test_titles_in_store_requests(title: bytes) -> None:
    body = b"".join(part for _, part in sorted({**STORE_PARTS, 0x1030: element(0x1030, title)}.items()))
    found = store_request(with_group_length(body))
    assert found == store_as_decoded(with_group_length(body))
    assert found[4] == title.decode().rstrip()


def damaged(command: bytes, noise: random.Random) -> bytes:
    data = bytearray(command)
    for _ in range(noise.choice((1, 1, 2, 3))):
        kind, at = noise.randrange(4), noise.randrange(len(data))
        if kind == 0:
            data[at] = noise.choice((0, 1, 2, 0x20, 0x2E, 0x30, 0xFF, noise.randrange(256)))
        elif kind == 1:
            del data[at : at + noise.choice((1, 2, 8, 10))]
        elif kind == 2:
            data[at:at] = data[at : at + noise.choice((2, 8, 10))]
        else:
            data[at] ^= 1 << noise.randrange(8)
        if not data:
            break
    return bytes(data)


def test_damaged_store_requests_are_decoded_or_equal() -> None:
    noise = random.Random(21)
    usual = 0
    for _ in range(20_000):
        data = damaged(noise.choice((STORE, MOVED)).encode(has_data_set=True), noise)
        found = store_request(data)
        if found is not None:
            usual += 1
            assert found == store_as_decoded(data)
            assert decode_message(data).has_data_set
    assert usual > 100


def test_damaged_store_answers_are_decoded_or_equal() -> None:
    noise = random.Random(22)
    usual = 0
    plain = STORE.response(status=0xB000).encode()
    for _ in range(20_000):
        data = damaged(plain, noise)
        found = store_answer(data)
        if found is not None:
            usual += 1
            message = decode_message(data)
            assert isinstance(message, CStoreRSP)
            assert found == (message.message_id_being_responded_to, message.status)
            assert not message.has_data_set
            assert message.error_comment is None
    assert usual > 100


@pytest.mark.parametrize("status", [0, 0xA700, 0xB000, 0xCFFF])
@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34", "1" * 64, "1.02.3", "9"])
def test_store_responses_and_commands_are_what_messages_encode(instance: str, status: int) -> None:
    message = CStoreRQ(message_id=65535, affected_sop_class_uid=CT, affected_sop_instance_uid=UID(instance))
    assert store_command(65535, CT, instance) == message.encode(has_data_set=True)
    assert store_response(65535, CT, instance, status) == message.response(status=status).encode()
    for priority in (0, 1, 2):
        message.priority = priority
        assert store_command(65535, CT, instance, priority) == message.encode(has_data_set=True)
    assert store_answer(message.response(status=status).encode()) == (65535, status)


@pytest.mark.parametrize("bad", ["", "1" * 65, "1.2.x", "1.2 ", "1.2\0", "1.é", "../../x"])
def test_no_uid_that_a_message_may_not_name(bad: str) -> None:
    for function in (lambda a, b: store_command(1, a, b), lambda a, b: store_response(1, a, b, 0)):
        assert function(bad, "1.2") is None
        assert function("1.2", bad) is None
        assert function("1.2", "1.3") is not None


def test_numbers_of_store_messages_are_checked() -> None:
    for number in (-1, 65536):
        with pytest.raises(OverflowError):
            store_response(1, "1.2", "1.3", number)
        with pytest.raises(OverflowError):
            store_command(number, "1.2", "1.3")
        with pytest.raises(OverflowError):
            store_command(1, "1.2", "1.3", number)
    with pytest.raises(TypeError):
        store_response(1, b"1.2", "1.3", 0)  # type: ignore[arg-type]


ANSWER_PARTS = elements_of(STORE.response(status=0).encode())


@pytest.mark.parametrize(
    "changed",
    [
        {0x0100: us(0x0100, 0x8030)},
        {0x0100: us(0x0100, 0x0001)},
        {0x0100: b""},
        {0x0120: b""},
        {0x0120: element(0x0120, bytes(4))},
        {0x0800: us(0x0800, 1)},
        {0x0800: b""},
        {0x0900: b""},
        {0x0900: element(0x0900, b"\0")},
        {0x0901: element(0x0901, bytes(4))},
        {0x0902: element(0x0902, b"why")},
        {0x0903: us(0x0903, 1)},
        {0x1000: element(0x1000, b"1.2")},
        {0x1000: element(0x1000, b"1" * 66)},
        {0x1031: us(0x1031, 1)[:-1]},
    ],
)
def test_unusual_store_answers_have_to_be_decoded(changed: dict[int, bytes]) -> None:
    body = b"".join(part for _, part in sorted({**ANSWER_PARTS, **changed}.items()))
    assert store_answer(with_group_length(body)) is None
    whole = with_group_length(b"".join(ANSWER_PARTS.values()))
    assert store_answer(whole) == (0x1234, 0)
    assert [store_answer(whole[:end]) for end in range(len(whole))] == [None] * len(whole)


def test_store_answers_without_uids_are_usual() -> None:
    """They are optional there (PS3.7 section 9.3.1.2)."""
    body = b"".join(part for tag, part in ANSWER_PARTS.items() if tag not in (0x0002, 0x1000))
    assert store_answer(with_group_length(body)) == (0x1234, 0)
