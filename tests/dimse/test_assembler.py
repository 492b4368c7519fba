"""Assembly: messages out of PDVs, whatever their borders; sinks, limits, and what a peer may not send."""

from __future__ import annotations

import itertools
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.pdu import PDUReader, PDVRun
from dicomwire.dictionary import UID
from dicomwire.dimse import (
    CCancelRQ,
    CEchoRQ,
    CFindRQ,
    CFindRSP,
    CommandMessage,
    CStoreRQ,
    Message,
    MessageAssembler,
    NActionRQ,
    encode_message,
)
from dicomwire.errors import DicomWireError, RemoteProtocolError, ServiceError

CT = UID("1.2.840.10008.5.1.4.1.1.2")
STORE = CStoreRQ(message_id=7, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
ECHO = CEchoRQ(message_id=8)


def run(data: bytes, *, context_id: int = 1, is_command: bool = False, is_last: bool = True) -> PDVRun:
    return PDVRun(context_id, is_command, is_last, [memoryview(data)] if data else [], len(data))


def stream(*messages: tuple[int, CommandMessage, bytes | None], max_pdu_length: int = 0) -> bytes:
    return b"".join(
        b"".join(encode_message(context_id, message, data_set, max_pdu_length, check=False))
        for context_id, message, data_set in messages
    )


def assemble(assembler: MessageAssembler, chunks: list[bytes]) -> list[Message]:
    """The messages of a stream in chunks; each chunk is in memory that is used again."""
    reader, found = PDUReader(), []
    for chunk in chunks:
        memory = bytearray(chunk)
        for item in reader.feed(memory):
            assert isinstance(item, PDVRun), item
            message = assembler.take(item)
            if message is not None:
                found.append(message)
            del item
        memory[:] = bytes(len(memory))
    return found


class Kept:
    """A sink that keeps what is written, and what happens to it."""

    def __init__(self, error: Exception | None = None, fails_at: int = 0, fails_in: str = "write") -> None:
        self.data = b""
        self.calls: list[str] = []
        self.error = error
        self.fails_at = fails_at
        self.fails_in = fails_in

    def write(self, views: list[memoryview]) -> None:
        self.calls.append("write")
        if self.error and self.fails_in == "write" and len(self.data) >= self.fails_at:
            raise self.error
        self.data += b"".join(views)

    def finish(self) -> None:
        self.calls.append("finish")
        if self.error and self.fails_in == "finish":
            raise self.error

    def discard(self) -> None:
        self.calls.append("discard")


MESSAGES: list[tuple[int, CommandMessage, bytes | None]] = [
    (1, ECHO, None),
    (3, STORE, random.Random(4).randbytes(5000)),
    (1, CEchoRQ(message_id=9), None),
    (5, CFindRQ(message_id=10, affected_sop_class_uid=CT), b"identifier"),
    (5, CCancelRQ(message_id_being_responded_to=10), None),
    (5, CFindRSP(status=0xFF00, message_id_being_responded_to=3), b""),
    (7, NActionRQ(message_id=11, requested_sop_class_uid=CT, requested_sop_instance_uid=CT), b"x" * 300),
]


@given(
    st.sampled_from([0, 12, 14, 100, 128, 1000, 16384]),
    st.lists(st.integers(0, 9000), max_size=30),
    st.booleans(),
)
def test_messages_come_out_as_they_were_sent(max_pdu_length: int, cuts: list[int], sinks: bool) -> None:
    data = stream(*MESSAGES, max_pdu_length=max_pdu_length)
    borders = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    chunks = [data[a:b] for a, b in itertools.pairwise(borders)]
    assembler = MessageAssembler(choose_sink=(lambda context_id, command: Kept()) if sinks else None)
    found = assemble(assembler, chunks)
    assert [(message.context_id, message.command.command_field) for message in found] == [
        (context_id, command.command_field) for context_id, command, _ in MESSAGES
    ]
    for message, (_, command, data_set) in zip(found, MESSAGES, strict=True):
        assert message.error is None
        if sinks and data_set is not None:
            assert isinstance(message.sink, Kept)
            assert (message.data, message.sink.data) == (None, data_set)
            assert message.sink.calls[-1] == "finish"
        else:
            assert (message.data, message.sink) == (data_set, None)
        if data_set is None:
            assert message.command == command
    assert assembler.is_idle


def test_byte_by_byte() -> None:
    data = stream(*MESSAGES, max_pdu_length=64)
    found = assemble(MessageAssembler(), [data[at : at + 1] for at in range(len(data))])
    assert [message.data for message in found] == [data_set for _, _, data_set in MESSAGES]


def test_a_data_set_is_copied_out_of_the_views() -> None:
    memory = bytearray(b"first")
    assembler = MessageAssembler()
    assembler.take(run(STORE.encode(), is_command=True))
    message = assembler.take(PDVRun(1, False, True, [memoryview(memory)], 5))
    memory[:] = b"other"
    assert message is not None
    assert message.data == b"first"


def test_what_is_under_way_can_be_seen() -> None:
    assembler = MessageAssembler()
    encoded = STORE.encode()
    assert assembler.is_idle
    assert assembler.take(run(encoded[:5], is_command=True, is_last=False)) is None
    assert not assembler.is_idle
    assert assembler.command is None
    assert assembler.take(run(encoded[5:], is_command=True)) is None
    assert assembler.command == STORE
    assert assembler.take(run(b"12345", is_last=False)) is None
    assert (assembler.data_set_length, assembler.is_idle) == (5, False)
    assembler.close()
    assert (assembler.data_set_length, assembler.is_idle, assembler.command) == (0, True, None)
    assert assembler.take(run(ECHO.encode(), is_command=True)) == Message(1, ECHO)


# ---------------------------------------------------------------------------------------- what a peer may not send


def violation(*runs: PDVRun) -> RemoteProtocolError:
    """The error of the last of these; those before must do."""
    assembler = MessageAssembler()
    for item in runs[:-1]:
        assembler.take(item)
    with pytest.raises(RemoteProtocolError) as caught:
        assembler.take(runs[-1])
    assert caught.value.abort_reason == 0
    assert "PS3." in str(caught.value)
    return caught.value


def test_a_data_set_before_its_command_is_refused() -> None:
    assert "without a command" in violation(run(b"data")).message
    part = run(STORE.encode()[:20], is_command=True, is_last=False)
    assert "without a command" in violation(part, run(b"data")).message


def test_a_data_set_that_was_not_announced_is_refused() -> None:
    assert "without a command" in violation(run(ECHO.encode(), is_command=True), run(b"data")).message
    whole = run(STORE.encode(), is_command=True)
    assert "without a command" in violation(whole, run(b"data"), run(b"more")).message


def test_a_command_where_a_data_set_is_due_is_refused() -> None:
    whole = run(STORE.encode(), is_command=True)
    assert "C-STORE-RQ is due" in violation(whole, whole).message
    assert "C-STORE-RQ is due" in violation(whole, run(b"x", is_last=False), whole).message


def test_a_data_set_that_does_not_come_leaves_the_assembler_waiting() -> None:
    assembler = MessageAssembler()
    assert assembler.take(run(STORE.encode(), is_command=True)) is None
    assert assembler.command is not None  # what a time-out looks at


def test_one_message_keeps_to_one_context() -> None:
    whole = run(STORE.encode(), is_command=True)
    assert "context 3 within a message in 1" in violation(whole, run(b"x", context_id=3)).message
    part = run(STORE.encode()[:20], is_command=True, is_last=False)
    rest = run(STORE.encode()[20:], context_id=3, is_command=True)
    assert "context 3 within a message in 1" in violation(part, rest).message


def test_a_command_of_more_than_64_kib_is_refused_before_it_is_kept() -> None:
    piece = run(bytes(60000), is_command=True, is_last=False)
    assert "120000 bytes" in violation(piece, piece).message
    assert "70000 bytes" in violation(run(bytes(70000), is_command=True, is_last=False)).message
    assert "70000 bytes" in violation(run(bytes(70000), is_command=True)).message


@pytest.mark.parametrize("encoded", [b"", b"\0" * 7, ECHO.encode()[:-1], ECHO.encode().replace(b"\x30\0", b"\x31\0")])
def test_a_command_that_cannot_be_read_is_refused(encoded: bytes) -> None:
    error = violation(run(encoded, is_command=True))
    assert "cannot be read" in error.message
    assert isinstance(error.__cause__, DicomWireError)


def test_the_policy_is_that_of_commands() -> None:
    encoded = ECHO.encode()[12:]  # no group length
    for policy in ("report", "ignore"):
        message = MessageAssembler(policy=policy).take(run(encoded, is_command=True))
        assert message is not None
        assert len(message.command.deviations) == (policy == "report")
    with pytest.raises(RemoteProtocolError, match="Group Length"):
        MessageAssembler(policy="strict").take(run(encoded, is_command=True))
    with pytest.raises(ValueError, match="policy"):
        MessageAssembler(policy="none")


def test_many_tiny_fragments_of_a_command_cost_no_more_than_their_bytes() -> None:
    assembler = MessageAssembler()
    tracemalloc.start()
    try:
        for _ in range(60000):
            assembler.take(run(b"x", is_command=True, is_last=False))
        for _ in range(1000):
            assembler.take(run(b"", is_command=True, is_last=False))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300_000


# ------------------------------------------------------------------------------------------------- limits and sinks


def test_a_data_set_over_the_limit_is_passed_over() -> None:
    assembler = MessageAssembler(max_data_set_length=1000)
    exact = assemble(assembler, [stream((1, STORE, bytes(1000)))])
    assert exact[0].data == bytes(1000)
    data = stream((1, STORE, bytes(100_000)), (1, ECHO, None), max_pdu_length=500)
    tracemalloc.start()
    try:
        found = assemble(assembler, [data[at : at + 700] for at in range(0, len(data), 700)])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    refused, echo = found
    assert isinstance(refused.error, ServiceError)
    assert refused.error.status == 0xA700
    assert (refused.data, refused.command.sop_instance_uid) == (None, "1.2.3")
    assert echo.command == ECHO
    assert peak < 2 * len(data)


@pytest.mark.parametrize("fails_in", ["write", "finish"])
@pytest.mark.parametrize("fails_at", [0, 2000])
def test_a_sink_that_fails_is_discarded_and_the_message_read_to_its_end(fails_in: str, fails_at: int) -> None:
    error = OSError("no space left")
    sinks: list[Kept] = []

    def choose(context_id: int, command: CommandMessage) -> Kept:
        sinks.append(Kept(error if not sinks else None, fails_at, fails_in))
        return sinks[-1]

    data = stream((1, STORE, bytes(5000)), (1, STORE, b"next"), max_pdu_length=500)
    assembler = MessageAssembler(choose_sink=choose)
    failed, following = assemble(assembler, [data[at : at + 700] for at in range(0, len(data), 700)])
    assert (failed.error, failed.sink, failed.data) == (error, None, None)
    assert sinks[0].calls.count("discard") == 1
    assert sinks[0].calls[-2:] == [fails_in, "discard"]
    assert following.sink is sinks[1]
    assert sinks[1].data == b"next"


def test_sinks_are_chosen_by_command_or_not_at_all() -> None:
    seen = []

    def choose(context_id: int, command: CommandMessage) -> Kept | None:
        seen.append((context_id, command.command_field.label))
        if command.sop_class_uid is None:
            raise OSError("no folder")
        return Kept() if isinstance(command, CStoreRQ) else None

    found = assemble(MessageAssembler(choose_sink=choose), [stream(*MESSAGES)])
    assert seen == [(3, "C-STORE-RQ"), (5, "C-FIND-RQ"), (5, "C-FIND-RSP"), (7, "N-ACTION-RQ")]
    assert [message.sink is not None for message in found] == [False, True, False, False, False, False, False]
    assert [message.data for message in found if message.data] == [b"identifier", b"x" * 300]
    assert isinstance(found[5].error, OSError)


def test_closing_discards_the_sink_once() -> None:
    sink = Kept()
    assembler = MessageAssembler(choose_sink=lambda context_id, command: sink)
    assembler.take(run(STORE.encode(), is_command=True))
    assembler.take(run(b"part", is_last=False))
    assembler.close()
    assembler.close()
    assert sink.calls == ["write", "discard"]


def test_errors_of_the_caller_come_through() -> None:
    sink = Kept(KeyError("a mistake"))
    assembler = MessageAssembler(choose_sink=lambda context_id, command: sink)
    assembler.take(run(STORE.encode(), is_command=True))
    with pytest.raises(KeyError):
        assembler.take(run(b"part"))
    assembler.close()
    assert sink.calls[-1] == "discard"
