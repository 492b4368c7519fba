"""Any bytes give the values of a slow reader or a DecodeError; what is decoded is encoded to bytes that decode alike.

Real command sets are mutated: bits, bytes, lengths, cuts, splices; and streams of whole messages, whose PDVs the
assembler takes.  ``make fuzz`` takes many more examples.
"""

from __future__ import annotations

import random
import struct

from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.tests import encoded_dimse_msg, encoded_dimse_n_msg

from _dicomwire.command import decode_command, echo_response, encode_command
from _dicomwire.pdu import PDUReader, PDVRun
from dicomwire.dimse import (
    CCancelRQ,
    CEchoRQ,
    CommandMessage,
    MessageAssembler,
    Request,
    decode_message,
    encode_message,
)
from dicomwire.dimse.messages import POLICIES
from dicomwire.errors import DecodeError, EncodeError, RemoteProtocolError
from tests.oracles import command_set

SEEDS = [
    encoded[1:]
    for module in (encoded_dimse_msg, encoded_dimse_n_msg)
    for name, encoded in vars(module).items()
    if "_cmd" in name
] + [CCancelRQ(message_id_being_responded_to=1).encode(), CEchoRQ(message_id=1).encode()]
TRICKY = (
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\1",
    b"\0\0\0\x08\2\0\0\0",
    b"\0\0\0\x09\2\0\0\0\0\xff",
    b"\0\0\x02\0",
    b"\x08\0\x16\0",
    b"\x01\x01",
    b"\0\0\0\0UL\4\0",
    b".",
    b"\x1b$B",
)


def cites(error: Exception) -> None:
    """An error names the section of the standard."""
    assert "PS3." in str(error)


def check(data: bytes) -> None:
    """Decode with everything, compare with the slow reader, and go around."""
    try:
        elements, findings = decode_command(data)
    except DecodeError as error:
        cites(error)
        try:
            command_set.decode(data)
        except command_set.Unreadable:
            pass
        else:
            raise AssertionError("refused, and the slow reader reads it") from error
        for policy in POLICIES:
            assert decoded(data, policy) is None
        return
    assert elements == command_set.decode(data)
    again = encode_command(elements, check=False)
    second, left = decode_command(again)
    assert second == elements
    # What the order, repetition and group length were is gone; what the values are is not.
    kinds = {finding[0] for finding in left or ()}
    assert kinds <= {finding[0] for finding in findings or ()} - {"group_length", "tag_order", "duplicate_tag"}
    answer = echo_response(data)
    for policy in POLICIES:
        message = decoded(data, policy)
        if message is None:
            assert answer is None
            continue
        assert policy == "report" or not message.deviations
        assert message.describe()
        assert decoded(message.encode(check=False), "ignore") == message
        if isinstance(message, Request):
            response = message.response()
            assert response.encode(check=False)
            refusal = message.refusal()
            assert refusal is None or refusal.encode()
            assert answer is None or answer == response.encode()
        try:
            message.encode()
        except EncodeError as error:
            cites(error)


def decoded(data: bytes, policy: str) -> CommandMessage | None:
    try:
        return decode_message(data, policy=policy)
    except DecodeError as error:
        cites(error)
        return None


def mutate(data: bytes, number: random.Random) -> bytes:
    mutated = bytearray(data)
    for _ in range(number.randint(1, 4)):
        at = number.randrange(len(mutated) + 1)
        kind = number.randrange(6)
        if kind == 0:
            del mutated[at:]
        elif kind == 1:
            mutated[at:at] = number.choice(TRICKY)
        elif kind == 2:
            mutated[at : at + 4] = number.choice(TRICKY)[:4]
        elif kind == 3 and at < len(mutated):
            mutated[at] ^= 1 << number.randrange(8)
        elif kind == 4:
            other = number.choice(SEEDS)
            start = number.randrange(len(other))
            mutated[at:] = other[start:]
        else:
            mutated[at : at + number.randrange(20)] = b""
    return bytes(mutated)


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    check(data)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=70), st.integers(-3, 3)), max_size=8))
def test_any_elements(elements: list[tuple[int, bytes, int]]) -> None:
    known = sorted({0x0002, 0x0100, 0x0110, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x1000, 0x1005, 0x1020, 0x0600})
    data = b""
    for tag, value, lie in elements:
        tag = known[tag % len(known)] if tag & 1 else tag
        data += struct.pack("<HHI", 0, tag, max(0, len(value) + (lie if abs(lie) == 3 else 0))) + value
    check(data)


@given(st.integers(0, 1 << 32), st.integers(0, len(SEEDS) - 1))
def test_mutated_command_sets(seed: int, which: int) -> None:
    check(mutate(SEEDS[which], random.Random(seed)))


def test_the_seeds_themselves() -> None:
    for data in SEEDS:
        check(data)


@given(st.integers(0, 1 << 32))
def test_mutated_streams_end_in_messages_or_one_error(seed: int) -> None:
    number = random.Random(seed)
    data = b""
    for _ in range(number.randint(1, 4)):
        command = decode_message(number.choice(SEEDS))
        data_set = number.randbytes(number.randrange(200)) if command.has_data_set else None
        size = number.choice((12, 40, 16384))
        data += b"".join(encode_message(number.choice((1, 3)), command, data_set, size, check=False))
    if number.random() < 0.7:
        data = mutate(data, number)
    whole = outcome([data])
    cuts = sorted(number.randrange(len(data) + 1) for _ in range(5))
    assert outcome([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]) == whole
    assert outcome([data[at : at + 1] for at in range(len(data))]) == whole


def outcome(chunks: list[bytes]) -> list[object]:
    """Messages as (context, command, data), then "refused", "invalid" or what is under way."""
    reader, assembler, found = PDUReader(), MessageAssembler(max_data_set_length=150), []
    for chunk in chunks:
        for item in reader.feed(chunk):
            if not isinstance(item, PDVRun):
                if hasattr(item, "abort_reason"):
                    return [*found, "invalid"]
                continue
            try:
                message = assembler.take(item)
            except RemoteProtocolError as error:
                cites(error)
                return [*found, "refused"]
            if message is not None:
                assert message.command.describe()
                found.append((message.context_id, message.command, message.data, repr(message.error)))
    return [*found, assembler.is_idle, assembler.command]
