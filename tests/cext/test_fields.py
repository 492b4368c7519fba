"""Command sets as a reader without the GIL sees them: the same as the complete decoder, and any bytes end."""

from __future__ import annotations

import random

import pytest

from _dicomwire.command import decode_command
from _dicomwire.fields import read_command_fields
from dicomwire.dimse.messages import CEchoRQ, CMoveRQ, CStoreRQ
from dicomwire.errors import DecodeError
from tests.net.raw import CT, VERIFICATION

MOVE = CMoveRQ(message_id=9, affected_sop_class_uid="1.2.3", priority=0, move_destination="X")
STORE = CStoreRQ(
    message_id=3,
    affected_sop_class_uid=CT,
    affected_sop_instance_uid="1.2.30",
    priority=0,
    move_originator_application_entity_title="A",
    move_originator_message_id=77,
)
COMMANDS = [
    CEchoRQ(message_id=7, affected_sop_class_uid=VERIFICATION).encode(has_data_set=False),
    CEchoRQ(message_id=7, affected_sop_class_uid=VERIFICATION).response(status=0x122).encode(has_data_set=False),
    STORE.encode(has_data_set=True),
    MOVE.encode(has_data_set=True),
    MOVE.response(status=0xFF00, number_of_failed_suboperations=5).encode(has_data_set=False),
]
NUMBERS = {
    0x0100: "command_field",
    0x0110: "message_id",
    0x0120: "message_id_being_responded_to",
    0x0800: "command_data_set_type",
    0x0900: "status",
    0x1031: "move_originator_message_id",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_fields_are_those_of_the_complete_decoder(command: bytes) -> None:
    found, elements = read_command_fields(command), decode_command(command)[0]
    assert not found["is_faulty"]
    for tag, name in NUMBERS.items():
        assert found[name] == elements.get(tag)
    uid = elements.get(0x0002) or elements.get(0x0003)
    assert found["sop_class_uid"] == (uid.encode() if uid else None)
    assert found["sub_operations"] == [elements.get(0x1020 + n) for n in range(4)]


def test_the_first_of_two_counts_and_faults_end_the_reading() -> None:
    one, two = b"\0\0\x10\1\2\0\0\0\1\0", b"\0\0\x10\1\2\0\0\0\2\0"
    assert read_command_fields(one + two)["message_id"] == 1
    assert read_command_fields(one + b"\0\0\x20\1\xff\0\0\0\2\0") == {
        **read_command_fields(one),
        "is_faulty": True,
    }
    assert read_command_fields(b"\x08\0\x10\1\2\0\0\0\1\0")["is_faulty"]
    assert read_command_fields(b"\0\0\x10\1\4\0\0\0\1\0\0\0")["message_id"] is None  # four bytes are no US


def test_any_bytes_end_and_agree_where_both_read() -> None:
    noise = random.Random(1)
    for _ in range(3000):
        command = bytearray(noise.choice(COMMANDS))
        for _ in range(noise.randrange(4)):
            command[noise.randrange(len(command))] = noise.randrange(256)
        command = command[: noise.randrange(len(command) + 1)]
        found = read_command_fields(command)
        try:
            elements = decode_command(bytes(command))[0]
        except DecodeError:
            assert found["is_faulty"]
            continue
        assert not found["is_faulty"]
        value = elements.get(0x0110)
        assert found["message_id"] == (value if isinstance(value, int) else None) or command.count(b"\0\0\x10\1") > 1
