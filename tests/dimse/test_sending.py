"""Messages into buffers: headers around the caller's memory, the data set announced as it is."""

from __future__ import annotations

import pytest

from _dicomwire.pdu import PDUReader
from _dicomwire.pdv import Fragmenter
from dicomwire.dictionary import UID
from dicomwire.dimse import (
    CEchoRQ,
    CFindRQ,
    CStoreRQ,
    Message,
    MessageAssembler,
    encode_command_part,
    encode_message,
)
from dicomwire.errors import EncodeError

CT = UID("1.2.840.10008.5.1.4.1.1.2")
STORE = CStoreRQ(message_id=7, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))


def received(buffers: list[bytes | memoryview]) -> list[Message]:
    assembler = MessageAssembler()
    taken = [assembler.take(run) for run in PDUReader().feed(b"".join(buffers))]  # type: ignore[arg-type]
    return [message for message in taken if message is not None]


def test_a_message_is_one_buffer_or_views_of_the_data_set() -> None:
    assert len(encode_message(1, CEchoRQ(message_id=1), None, 16384)) == 1
    assert len(encode_message(1, STORE, b"short", 16384)) == 1
    data_set = bytearray(range(256)) * 400
    buffers = encode_message(1, STORE, data_set, 16384)
    assert received(buffers) == [Message(1, STORE, bytes(data_set))]
    assert sum(len(buffer) for buffer in buffers if isinstance(buffer, bytes)) < len(data_set) // 4
    data_set[50_000] ^= 0xFF
    assert received(buffers)[0].data == bytes(data_set)  # not copied: a change shows
    assert received(encode_message(1, STORE, [b"ab", bytearray(b"cd")], 0))[0].data == b"abcd"


def test_the_data_set_that_is_there_is_announced() -> None:
    pending = CFindRQ(message_id=1, affected_sop_class_uid=CT).response(status=0xFF00)
    (message,) = received(encode_message(5, pending, b"match", 16384))
    assert (message.context_id, message.data, message.command.has_data_set) == (5, b"match", True)
    (message,) = received(encode_message(5, pending, b"", 16384))
    assert message.data == b""
    with pytest.raises(EncodeError, match="data set"):
        encode_message(5, pending, None, 16384)
    with pytest.raises(EncodeError, match="data set"):
        encode_message(1, CEchoRQ(message_id=1), b"data", 16384)
    assert received(encode_message(1, CEchoRQ(message_id=1), b"data", 16384, check=False))[0].data == b"data"


def test_a_data_set_of_unknown_length_follows_its_command() -> None:
    fragmenter = Fragmenter(1, False, 1000)
    buffers = encode_command_part(1, STORE, 1000)
    for _ in range(7):
        buffers += fragmenter.write(b"x" * 333)
    buffers += fragmenter.finish()
    assert received(buffers) == [Message(1, STORE, b"x" * 333 * 7)]


@pytest.mark.parametrize(("context_id", "max_pdu_length"), [(2, 0), (0, 0), (257, 0), (1, 11)])
def test_what_the_upper_layer_does_not_have(context_id: int, max_pdu_length: int) -> None:
    with pytest.raises(EncodeError):
        encode_message(context_id, STORE, b"data", max_pdu_length)
