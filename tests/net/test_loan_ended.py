"""Loans that end before their time: the event loop wants the association back, or the peer is at fault."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from dicomwire.dimse.messages import CEchoRQ
from dicomwire.errors import AssociationAborted
from dicomwire.net import Association, Server, Timeouts
from dicomwire.net.storage import Storage, Stored
from dicomwire.ul.items import RoleSelection
from dicomwire.ul.pdu import AAbort, AReleaseRP, AReleaseRQ
from dicomwire.ul.policy import Roles
from tests.net.lending import associate, command, is_lent, only, serving, status, store
from tests.net.raw import CT, VERIFICATION, Raw, Run, connected, context, message_bytes, pdv, request, until
from tests.net.storage.instances import data_set, files_in

# ----------------------------------------------------------------------------------------------- what the loop wants


async def began(raw: Raw, server: Server, where: str, folder: Path) -> None:
    """Have the association lent, and the thread between two messages, or in the middle of a data set."""
    await associate(raw)
    await raw.send(store(1))
    assert await status(raw, 1) == 0
    if where == "in a data set":
        await raw.send(store(2, 2_000_000)[:1_000_000])
        await until(lambda: any(name.endswith(".part") for name in files_in(folder)))
    await until(lambda: is_lent(server))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("where", ["between messages", "in a data set"])
@pytest.mark.parametrize("how", ["abort", "release", "terminate", "stop"])
def test_the_loop_ends_it(run: Run, tmp_path: Path, where: str, how: str) -> None:
    async def test() -> None:
        async with serving(Storage(tmp_path)) as server, connected(server.port) as raw:
            await began(raw, server, where, tmp_path)
            association = only(server)
            if how == "release":
                ending = asyncio.ensure_future(association.release())
                if where == "in a data set":
                    assert isinstance(await raw.pdu(), AReleaseRQ)
                    await raw.close()
                    with pytest.raises(AssociationAborted):
                        await ending
                else:
                    assert isinstance(await raw.pdu(), AReleaseRQ)
                    await raw.send(AReleaseRP())
                    await ending
                    assert association.is_released
            elif how == "abort":
                association.abort()
                assert isinstance(await raw.pdu(), AAbort)
                await raw.close()
                await association.closed()
            else:
                ending = asyncio.ensure_future(association.terminate() if how == "terminate" else server.stop())
                assert isinstance(await raw.pdu(), AAbort)
                await raw.close()
                await ending
            assert not association.is_open
            assert not server.associations

    run(test())
    assert [name for name in files_in(tmp_path) if name.endswith(".part")] == []


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("where", ["between messages", "in a data set"])
def test_a_peer_that_does_not_take_its_abort(run: Run, tmp_path: Path, where: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("dicomwire.net.association.CLOSING_S", 0.1)

    async def test() -> None:
        async with serving(Storage(tmp_path)) as server, connected(server.port) as raw:
            await began(raw, server, where, tmp_path)
            await only(server).terminate()
            await raw.ended()

    run(test())
    assert [name for name in files_in(tmp_path) if name.endswith(".part")] == []


@pytest.mark.parametrize("how", ["abort", "terminate", "stop"])
def test_the_loop_ends_it_while_a_handler_works(run: Run, tmp_path: Path, how: str) -> None:
    """The handler's thread is not interrupted; nothing is answered."""
    entered, leave = threading.Event(), threading.Event()

    def work(stored: Stored) -> None:
        entered.set()
        assert leave.wait(20)

    async def test() -> None:
        entered.clear()
        leave.clear()
        async with serving(Storage(tmp_path, on_stored=work)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1))
            await until(entered.is_set)
            association = only(server)
            if how == "abort":
                association.abort()
            ending = asyncio.ensure_future(
                association.closed()
                if how == "abort"
                else association.terminate()
                if how == "terminate"
                else server.stop()
            )
            await asyncio.sleep(0.05)
            assert not ending.done()
            leave.set()
            pdu = await raw.pdu()
            if not isinstance(pdu, AAbort):
                pdu = await raw.pdu()
            assert isinstance(pdu, AAbort)
            await raw.close()
            await ending
            assert not server.associations

    run(test())


def test_a_handler_that_aborts(run: Run) -> None:
    async def test() -> None:
        storage = Storage(None, on_stored=lambda stored: stored.association.abort())
        async with serving(storage) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1) + store(2) + store(3))
            assert isinstance(await raw.pdu(), AAbort)

    run(test())


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("where", ["between messages", "in a data set"])
def test_a_request_of_our_own(run: Run, tmp_path: Path, where: str) -> None:
    """It goes out at once, and its answer is taken between the peer's messages."""

    async def test() -> None:
        server = Server("ARCHIVE", port=0)
        Storage(tmp_path).register(server)
        server.support(VERIFICATION, roles=Roles(scu=True, scp=True))
        async with server, connected(server.port) as raw:
            answer = await raw.associate(
                request([context(1, CT), context(3, VERIFICATION)], RoleSelection(VERIFICATION, True, True))
            )
            assert not isinstance(answer, AAbort)
            await raw.send(store(1))
            assert await status(raw, 1) == 0
            whole = store(2, 2_000_000)
            if where == "in a data set":
                await raw.send(whole[:1_000_000])
            await until(lambda: is_lent(server))
            asking = asyncio.ensure_future(only(server).c_echo())
            _, asked, _ = await raw.message()
            assert isinstance(asked, CEchoRQ)
            if where == "in a data set":
                await raw.send(whole[1_000_000:])
                assert await status(raw, 2) == 0
            await raw.send(message_bytes(3, asked.response(status=0)))
            assert (await asking).code == 0
            await raw.send(store(3))
            assert await status(raw, 3) == 0

    run(test())
    assert all(name.endswith(".dcm") for name in files_in(tmp_path))


# ------------------------------------------------------------------------------------------------------ peers at fault


@pytest.mark.parametrize("pixels", [100, 500_000])
@pytest.mark.parametrize(
    "how",
    ["close", "reset", "abort", "abort in pieces", "release", "HTTP", "TLS", "garbage", "another context", "command"],
)
def test_a_peer_that_breaks_off_in_a_data_set(run: Run, tmp_path: Path, how: str, pixels: int) -> None:
    """Row 50 of the malformed inputs: nothing partial stays, and other associations go on."""
    ended: list[Association] = []

    async def test() -> None:
        async with (
            serving(Storage(tmp_path), ended=ended.append) as server,
            connected(server.port) as raw,
            connected(server.port) as other,
        ):
            await associate(raw)
            await associate(other)
            await raw.send(store(1))
            assert await status(raw, 1) == 0
            start = message_bytes(1, command(2), data_set("1.2.2", pixels=pixels), 4096)
            end = start.rindex(b"\4\0\0\0", 0, len(start) - 20) if pixels > 100 else len(start)
            if pixels == 100:  # a data set that goes on, and its beginning is a whole fragment
                encoded = command(2).encode(has_data_set=True)
                start = pdv(1, 3, encoded) + pdv(1, 0, data_set("1.2.2", pixels=100))
                end = len(start)
            await raw.send(start[:end])
            await until(lambda: any(name.endswith(".part") for name in files_in(tmp_path)))
            if how == "close":
                await raw.close()
            elif how == "reset":
                own = raw.writer.get_extra_info("socket")
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.writer.transport.abort()
            elif how == "abort":
                await raw.send(AAbort(0, 0))
            elif how == "abort in pieces":
                for byte in AAbort(0, 0).encode():
                    await raw.send(bytes([byte]))
                    await asyncio.sleep(0.003)
            elif how == "release":
                await raw.send(AReleaseRQ())
            elif how == "another context":
                await raw.send(pdv(3, 2, b"data"))
            elif how == "command":
                await raw.send(pdv(1, 3, command(3).encode(has_data_set=True)))
            else:
                await raw.send(
                    {
                        "HTTP": b"GET / HTTP/1.1\r\n\r\n",
                        "TLS": b"\x16\3\1\2\0\1\0\1\xfc\3\3",
                        "garbage": random.Random(1).randbytes(100_000),
                    }[how]
                )
            if how in ("another context", "command", "HTTP", "TLS"):
                assert isinstance(await raw.pdu(), AAbort)
            if how == "release":
                assert isinstance(await raw.pdu(), AReleaseRP)
            await raw.close()
            await until(lambda: len(server.associations) == 1)
            assert files_in(tmp_path) == ["1.2.1.dcm"]
            await other.send(store(4))
            assert await status(other, 4) == 0
        assert len(ended) >= 2

    run(test())


def test_a_peer_that_stalls_in_a_data_set(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(Storage(tmp_path), timeouts=Timeouts(dimse_s=0.3)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1) + store(2, 1_000_000)[:700_000])
            assert await status(raw, 1) == 0
            assert isinstance(await raw.pdu(), AAbort)
            await raw.close()
            await until(lambda: not server.associations)
            assert files_in(tmp_path) == ["1.2.1.dcm"]

    run(test())


@pytest.mark.parametrize("pause", [0.0, 0.002, 0.03])
def test_a_peer_that_trickles(run: Run, tmp_path: Path, pause: float) -> None:
    """Byte by byte, which is slow and legal: as long as something comes within the time-out."""
    stream = store(1) + message_bytes(1, command(2), data_set("1.2.2", pixels=0), 64)
    tail = 60 if pause else len(stream)

    async def test() -> None:
        async with serving(Storage(tmp_path), timeouts=Timeouts(dimse_s=5)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(stream[:-tail])
            for at in range(len(stream) - tail, len(stream)):
                await raw.send(stream[at : at + 1])
                await asyncio.sleep(pause)
            assert [await status(raw, number) for number in (1, 2)] == [0, 0]

    run(test())
    assert len(files_in(tmp_path)) == 2


def test_a_peer_that_trickles_a_command_for_ever(run: Run) -> None:
    """A whole command has to be there in time, also when its bytes come while a thread has the association."""

    async def test() -> None:
        async with serving(Storage(None), timeouts=Timeouts(dimse_s=0.3)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1))
            assert await status(raw, 1) == 0
            answer = asyncio.ensure_future(raw.pdu())
            await raw.send(b"\4\0" + struct.pack(">IIBB", 1006, 1002, 1, 3))
            sent = 0
            while not answer.done():
                await raw.send(bytes(1))
                sent += 1
                await asyncio.sleep(0.01)
            assert isinstance(answer.result(), AAbort)
            assert sent < 1000

    run(test())


def test_a_peer_that_never_reads_its_answers(run: Run) -> None:
    """It gets no further requests read, and is aborted in time; the thread is free for others."""
    stored: list[str] = []

    async def test() -> None:
        storage = Storage(None, threads=1, on_stored=lambda one: stored.append(one.sop_instance_uid))
        async with serving(storage, timeouts=Timeouts(dimse_s=0.5, artim_s=0.5)) as server:
            deaf = socket.socket()
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", server.port))
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(deaf, request([context(1, CT)]).encode())
            await loop.sock_recv(deaf, 4096)
            flood = b"".join(store(number, 10) for number in range(1, 200))

            async def send() -> None:
                try:
                    while True:
                        await loop.sock_sendall(deaf, flood)
                except OSError:
                    return

            sending = asyncio.ensure_future(send())
            async with connected(server.port) as raw:
                await associate(raw)
                for number in range(1, 20):
                    await raw.send(store(number))
                    assert await status(raw, number) == 0
                await until(lambda: len(server.associations) == 1)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            deaf.close()

    run(test())
