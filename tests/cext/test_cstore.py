"""C-STORE command sets in their usual form: against the messages that decode and encode all command sets."""

from __future__ import annotations

import random
import struct

import pytest

from _dicomwire.cstore import store_answer, store_command, store_request, store_response
from dicomwire.dictionary import UID
from dicomwire.dimse import CEchoRQ, decode_message
from dicomwire.dimse.messages import CStoreRQ, CStoreRSP
from tests.builders import implicit

ECHO = CEchoRQ(message_id=0x1234).encode()
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


def element(tag: int, value: bytes, *, length: int | None = None) -> bytes:
    return implicit.element(tag, "", value, length=length)


def with_group_length(body: bytes) -> bytes:
    return element(0, struct.pack("<I", len(body))) + body


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


@pytest.mark.parametrize(
    "title", [b"", b"MOVER ", b"SIXTEEN LETTERS.", b"  ", b"                ", b"PADDED          "]
)
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
