"""Time-outs of each kind with small values, and what they leave alone; rows 56 and 58 of slow and silent peers."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from dicomwire.dimse.command import CommandField
from dicomwire.dimse.messages import CEchoRQ, CFindRQ, CStoreRQ
from dicomwire.errors import AssociationAborted
from dicomwire.net import AE, Association, Request, Server, Timeouts
from dicomwire.ul.codes import AbortSource
from dicomwire.ul.pdu import AAbort, AReleaseRP
from tests.net.raw import (
    CT,
    FIND,
    Raw,
    Run,
    command_bytes,
    connected,
    context,
    listening,
    message_bytes,
    pdv,
    request,
    until,
)

SOON = 0.15  # seconds; long enough for a slow machine to get there in time
PENDING = 0xFF00


async def end_of(server_timeouts: Timeouts, *sent: bytes, contexts: object = None) -> AssociationAborted:
    """Return what ends an accepted association whose peer sends this and then nothing; it hears an A-ABORT."""
    ended: list[Association] = []
    server = Server(AE(timeouts=server_timeouts), port=0, ended=ended.append)
    server.support(CT)
    async with server, connected(server.port) as raw:
        await raw.associate(request(contexts))  # type: ignore[arg-type]
        await raw.send(*sent)
        while True:
            pdu = await raw.pdu()
            if isinstance(pdu, AAbort):
                break
            assert pdu is not None
        assert pdu.source == AbortSource.SERVICE_USER
        await raw.close()
        await until(lambda: ended)
    error = ended[0].error
    assert isinstance(error, AssociationAborted)
    return error


def test_idle_associations_are_aborted(run: Run) -> None:
    error = run(end_of(Timeouts(idle_s=SOON, dimse_s=None)))
    assert "nothing was heard" in str(error)


def test_each_message_begins_the_idle_time_anew(run: Run) -> None:
    async def test() -> None:
        async with (
            Server(AE(timeouts=Timeouts(idle_s=0.5)), port=0) as server,
            AE().associate("127.0.0.1", server.port) as association,
        ):
            for _ in range(8):
                await asyncio.sleep(0.1)
                await association.c_echo()

    run(test())


def test_a_handler_at_work_is_not_idleness(run: Run) -> None:
    async def test() -> None:
        server = Server(AE(timeouts=Timeouts(idle_s=0.05, dimse_s=0.05)), port=0)

        @server.on(CommandField.C_ECHO_RQ)
        async def slow(asked: Request) -> int:
            await asyncio.sleep(0.3)
            return 0

        async with server, connected(server.port) as raw:
            await raw.associate()
            await raw.send(message_bytes(1, CEchoRQ(message_id=1)))
            _, response, _ = await raw.message()
            assert response.status == 0  # type: ignore[attr-defined]
            assert isinstance(await raw.pdu(), AAbort)  # and the idle time begins with the answer

    run(test())


STORE = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=CT)
ECHO = CEchoRQ(message_id=1)


@pytest.mark.parametrize(
    "begun",
    [
        message_bytes(1, ECHO)[:3],
        message_bytes(1, ECHO)[:30],
        pdv(1, 1, bytes(20)),
        command_bytes(3, STORE.encode(has_data_set=True)),
        command_bytes(3, STORE.encode(has_data_set=True)) + pdv(3, 0, bytes(100)),
        command_bytes(3, STORE.encode(has_data_set=True)) + pdv(3, 0, bytes(100))[:50],
        AReleaseRP().encode()[:8],
    ],
    ids=["header", "PDV", "fragment", "no data set", "rest of it", "rest of a fragment", "control PDU"],
)
def test_the_rest_of_what_has_begun_must_come(run: Run, begun: bytes) -> None:
    """Also where nothing is said about idle associations."""
    contexts = [*request().presentation_contexts, context(3, CT)]
    error = run(end_of(Timeouts(idle_s=None, dimse_s=SOON), begun, contexts=contexts))
    assert "nothing of the rest of a message" in str(error)


def test_a_command_must_come_as_a_whole(run: Run) -> None:
    """A byte now and then does not do; for a data set it does."""

    async def test() -> None:
        ended: list[Association] = []
        timeouts = Timeouts(idle_s=None, dimse_s=0.3, artim_s=0.3)
        async with Server(AE(timeouts=timeouts), port=0, ended=ended.append) as server, connected(server.port) as raw:
            await raw.associate()
            with contextlib.suppress(ConnectionError):
                while not ended:
                    await raw.send(pdv(1, 1, bytes(2)))
                    await asyncio.sleep(0.05)
            await until(lambda: ended)
            assert "not complete" in str(ended[0].error)

    run(test())


def test_a_slow_data_set_may_come(run: Run) -> None:
    async def test() -> None:
        server = Server(AE(timeouts=Timeouts(dimse_s=0.3, idle_s=0.3)), port=0)
        server.support(CT)
        taken: list[int] = []

        @server.on(CommandField.C_STORE_RQ)
        def store(asked: Request) -> int:
            taken.append(len(asked.data or b""))
            return 0

        async with server, connected(server.port) as raw:
            await raw.associate(request([context(3, CT)]))
            await raw.send(command_bytes(3, STORE.encode(has_data_set=True)))
            for i in range(10):
                await raw.send(pdv(3, 2 if i == 9 else 0, bytes(10)))
                await asyncio.sleep(0.08)
            await raw.message()
        assert taken == [100]

    run(test())


def test_silent_connections_end_with_artim(run: Run) -> None:
    """PS3.8 section 9.1.5: a transport connection without an A-ASSOCIATE-RQ, or with a part of one."""

    async def test() -> None:
        ended: list[Association] = []
        async with Server(AE(timeouts=Timeouts(artim_s=SOON)), port=0, ended=ended.append) as server:
            async with connected(server.port) as silent, connected(server.port) as slow:
                await slow.send(request().encode()[:50])
                assert await silent.pdu() is None
                assert await slow.pdu() is None
            await until(lambda: len(ended) == 2)
            assert all(isinstance(association.error, AssociationAborted) for association in ended)

    run(test())


def test_no_answer_to_the_request_for_an_association(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.pdu()
        assert isinstance(await raw.pdu(), AAbort)

    async def test() -> None:
        async with listening(peer) as port:
            with pytest.raises(AssociationAborted, match=r"no answer to A-ASSOCIATE-RQ within 0\.15 s"):
                await AE(timeouts=Timeouts(artim_s=SOON)).associate("127.0.0.1", port)

    run(test())


@pytest.mark.parametrize("given", [True, False], ids=["of the call", "of the entity"])
def test_no_response(run: Run, given: bool) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        await raw.message()
        assert isinstance(await raw.pdu(), AAbort)

    async def test() -> None:
        timeouts = Timeouts() if given else Timeouts(dimse_s=SOON)
        async with listening(peer) as port:
            with pytest.raises(AssociationAborted, match=r"no response to C-ECHO-RQ within 0\.15 s"):
                async with AE(timeouts=timeouts).associate("127.0.0.1", port) as association:
                    await association.c_echo(timeout_s=SOON if given else None)

    run(test())


def test_each_response_has_its_own_time(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        _, command, _ = await raw.message()
        assert isinstance(command, CFindRQ)
        for _ in range(8):
            await asyncio.sleep(0.08)
            await raw.send(message_bytes(1, command.response(status=PENDING), b"match!"))
        assert isinstance(await raw.pdu(), AAbort)

    taken: list[object] = []

    async def search(port: int) -> None:
        async with AE(timeouts=Timeouts(dimse_s=0.4)).associate("127.0.0.1", port, contexts=[FIND]) as association:
            async for match in association.responses(CFindRQ(affected_sop_class_uid=FIND), b"query"):
                taken.append(match)

    async def test() -> None:
        async with listening(peer) as port:
            with pytest.raises(AssociationAborted, match="no response to C-FIND-RQ"):
                await search(port)
        assert len(taken) == 8

    run(test())


def test_a_response_is_due_when_the_request_is_sent(run: Run) -> None:
    """The time of a large object on a slow network is not the peer's time to respond."""
    store = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=CT)
    size = 24 << 20
    step = len(message_bytes(1, store, bytes(size))) // 12 + 1

    async def peer(raw: Raw) -> None:
        await raw.accept()
        left = 12 * step - step
        while left > 0:
            left -= len(await raw.reader.readexactly(min(step, left)))
            await asyncio.sleep(0.12)
        while not (await raw.reader.read(1 << 20)).endswith(b"the end!"):
            pass
        await raw.send(message_bytes(1, store.response(status=0)))
        await raw.pdu()
        await raw.send(AReleaseRP())
        await raw.ended()

    async def test() -> None:
        async with (
            listening(peer) as port,
            AE(timeouts=Timeouts(dimse_s=1.0)).associate("127.0.0.1", port, contexts=[CT]) as association,
        ):
            answer = await association.request(store, bytes(size - 8) + b"the end!")
            assert answer.status.code == 0

    run(test())


def test_a_peer_that_takes_nothing_is_aborted(run: Run) -> None:
    """It asks and asks and reads no answer: nothing more is read from it, and in the end it is closed by force."""

    async def test() -> None:
        ended: list[Association] = []
        timeouts = Timeouts(dimse_s=SOON, artim_s=SOON, idle_s=None)
        async with (
            Server(AE(timeouts=timeouts), port=0, ended=ended.append) as server,
            connected(server.port, limit=1024) as raw,
        ):
            await raw.associate()
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            echoes = message_bytes(1, ECHO) * 1000
            with contextlib.suppress(ConnectionError):
                while not ended:
                    raw.writer.write(echoes)
                    await raw.writer.drain()
            await until(lambda: ended)
            assert "took nothing" in str(ended[0].error)

    run(test())
