"""What goes over an association, in words; values of data sets never."""

from __future__ import annotations

import pytest

from dicomwire.dimse.messages import CEchoRQ, CFindRQ, CStoreRQ
from dicomwire.net import AE, Server, Trace
from dicomwire.ul.pdu import AAbort
from tests.net.raw import CT, FIND, Run, command_bytes, connected, context, message_bytes, pdv, request, until


def test_both_sides_say_the_same(run: Run) -> None:
    lines: dict[str, list[str]] = {"asking": [], "serving": []}

    async def test() -> None:
        async with Server(port=0, trace=lambda: Trace(lines["serving"].append)) as server:
            trace = Trace(lines["asking"].append)
            async with AE("WORKSTATION").associate("127.0.0.1", server.port, trace=trace) as association:
                await association.c_echo()
            await until(lambda: len(lines["serving"]) == 6)

    run(test())
    asked = [line.replace("\n", " ") for line in lines["asking"]]
    assert len(asked) == 6
    served = [line.replace("\n", " ") for line in lines["serving"]]
    turned = {"sent": "received", "received": "sent"}
    assert [f"{turned[line.split()[0]]} {line.split(' ', 1)[1]}" for line in asked] == served
    assert asked[0].startswith("sent A-ASSOCIATE-RQ")
    assert "WORKSTATION" in asked[0]
    assert "1.2.840.10008.1.1" in asked[0]
    assert asked[1].startswith("received A-ASSOCIATE-AC")
    assert asked[2].startswith("sent C-ECHO-RQ")
    assert "MessageID: 1" in asked[2]
    assert asked[3].startswith("received C-ECHO-RSP")
    assert asked[4].startswith("sent A-RELEASE-RQ")
    assert asked[5].startswith("received A-RELEASE-RP")


def test_data_sets_are_sizes() -> None:
    lines: list[str] = []
    trace = Trace(lines.append)
    store = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=CT)
    sent = message_bytes(3, store, b"Doe^John" * 10_000, 4096)
    for start in range(0, len(sent), 1000):
        trace.sent(sent[start : start + 1000])
    assert lines[1] == "sent data set of 80000 bytes in context 3"
    assert "in context 3" in lines[0]
    assert "Doe" not in "".join(lines)


def test_bytes_that_are_no_pdus() -> None:
    lines: list[str] = []
    trace = Trace(lines.append)
    trace.received(AAbort().encode() + b"GET / HTTP/1.1\r\n\r\n")
    assert lines[0].startswith("received A-ABORT")
    assert "HTTP" in lines[1]
    assert lines[1].startswith("received no PDU")
    trace.received(AAbort().encode())
    assert len(lines) == 2


def test_commands_and_pdus_that_cannot_be_read() -> None:
    lines: list[str] = []
    trace = Trace(lines.append)
    trace.received(command_bytes(1, b"\xff" * 20))
    trace.received(b"\x01\x00\x00\x00\x00\x04abcd")
    assert "command set that cannot be read" in lines[0]
    assert "PDU of type 01H" in lines[1]


def test_endless_commands_do_not_fill_the_memory() -> None:
    lines: list[str] = []
    trace = Trace(lines.append)
    for _ in range(200):
        trace.received(pdv(1, 1, bytes(16000)))
    assert len(trace._received._command) < 1 << 18
    trace.received(pdv(1, 3, bytes(10)))
    trace.received(message_bytes(1, CEchoRQ(message_id=3)))
    assert len(lines) == 2
    assert "C-ECHO-RQ" in lines[1]


def test_a_server_that_aborts_is_traced(run: Run) -> None:
    lines: list[str] = []

    async def test() -> None:
        async with Server(port=0, trace=lambda: Trace(lines.append)) as server, connected(server.port) as raw:
            await raw.associate(request([context(1, FIND)]))
            query = CFindRQ(message_id=1, affected_sop_class_uid=FIND)
            await raw.send(message_bytes(1, query, b"query!"))
            await raw.pdu()

    run(test())
    said = [line.split()[1].rstrip(":") for line in lines]
    assert said == ["A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "C-FIND-RQ", "data", "A-ABORT"]


def test_a_trace_that_fails_does_not_end_the_association(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def write(text: str) -> None:
        raise BrokenPipeError(text)

    async def test() -> None:
        async with (
            Server("ARCHIVE", port=0, trace=lambda: Trace(write)) as server,
            AE("MODALITY").associate("127.0.0.1", server.port, trace=Trace(write)) as association,
        ):
            assert (await association.c_echo()).code == 0
        assert association.is_released

    run(test())
    said = [record.getMessage() for record in caplog.records if "trace" in record.getMessage()]
    assert said == ["a trace raised BrokenPipeError"] * 4
