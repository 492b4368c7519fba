"""Any bytes give the values of a slow reader or a DecodeError; what is decoded is encoded to bytes that decode alike.

Real command sets are mutated: bits, bytes, lengths, cuts, splices; and streams of whole messages, whose PDVs the
assembler takes.  ``make fuzz`` takes many more examples.
"""

from __future__ import annotations

import random
import struct

from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.pdu import PDUReader, PDVRun
from dicomwire.dimse import MessageAssembler, decode_message, encode_message
from dicomwire.errors import RemoteProtocolError
from tests.fuzz.harnesses.command import SEEDS, TRICKY, check, cites


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
