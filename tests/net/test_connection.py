"""The transport of an association, driven by hand: order of effects, back-pressure, ends that do not come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from _dicomwire.pdu import PDUReader, PDVRun
from dicomwire.dimse.messages import CEchoRQ
from dicomwire.net import AcceptorPolicy
from dicomwire.net.connection import HELD_BY_ANSWERS, HELD_BY_WRITING, Connection, ReceiveBuffer
from dicomwire.ul.association import Association as Machine
from dicomwire.ul.effects import Primitive, Send
from dicomwire.ul.pdu import AAbort, AAssociateAC, decode_pdu
from dicomwire.ul.state import State
from tests.net.raw import VERIFICATION, message_bytes, request


class Transport(asyncio.Transport):
    """Remembers what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.calls: list[str] = []
        self.closing = False
        self.looked = 0  # how often it was made to look at how much waits to be sent

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def writelines(self, data: Any) -> None:
        self.written.append(b"".join(data))

    def close(self) -> None:
        self.closing = True
        self.calls.append("close")

    def abort(self) -> None:
        self.closing = True
        self.calls.append("abort")

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def get_write_buffer_size(self) -> int:
        return 77

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.looked += 1


class User:
    """Accepts every association and remembers what it is told."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.connection: Connection | None = None

    def connected(self) -> None:
        self.heard.append("connected")

    def indicate(self, primitive: Primitive) -> None:
        assert self.connection is not None
        self.heard.append(type(primitive).__name__)
        if type(primitive).__name__ == "AssociateIndication":
            self.connection.perform(self.connection.machine.respond())

    def take(self, run: PDVRun) -> None:
        self.heard.append(b"".join(run.views))

    def disconnected(self) -> None:
        self.heard.append("disconnected")


class Bench:
    """A connection with its machine, its user and a transport of ours."""

    def __init__(self, artim_s: float = 30.0) -> None:
        self.user = User()
        self.machine = Machine.acceptor(AcceptorPolicy(supported={VERIFICATION: ("1.2.840.10008.1.2",)}))
        self.buffer = ReceiveBuffer(1 << 16)
        self.connection = Connection(
            self.machine, self.user, PDUReader(), self.buffer, asyncio.get_running_loop(), artim_s
        )
        self.user.connection = self.connection
        self.transport = Transport()
        self.connection.connection_made(self.transport)

    def receive(self, data: bytes) -> None:
        view = self.connection.get_buffer(len(data))
        view[: len(data)] = data
        self.connection.buffer_updated(len(data))


def test_effects_of_one_item_come_before_the_next_item() -> None:
    """A request and data in one piece: the request is answered before the data is looked at."""

    async def test() -> None:
        bench = Bench()
        bench.receive(request().encode() + message_bytes(1, CEchoRQ(message_id=1)))
        assert bench.user.heard[:2] == ["connected", "AssociateIndication"]
        assert isinstance(decode_pdu(bench.transport.written[0]), AAssociateAC)
        assert b"".join(item for item in bench.user.heard if isinstance(item, bytes)).endswith(b"\x01\x01")
        assert bench.machine.state is State.STA6
        bench.connection.connection_lost(None)
        assert bench.user.heard[-2:] == ["Aborted", "disconnected"]

    asyncio.run(test())


def test_every_send_is_one_write() -> None:
    async def test() -> None:
        bench = Bench()
        bench.connection.perform([Send([b"one"]), Send([b"two", memoryview(b"three")])])
        assert bench.transport.written == [b"one", b"twothree"]
        assert bench.transport.looked == 1
        bench.transport.close()
        bench.connection.perform([Send([b"late"])])
        assert len(bench.transport.written) == 2
        bench.connection.connection_lost(None)
        bench.connection.perform([Send([b"later"])])

    asyncio.run(test())


def test_reading_is_held_for_every_reason() -> None:
    async def test() -> None:
        bench = Bench()
        connection, calls = bench.connection, bench.transport.calls
        connection.read_on(HELD_BY_ANSWERS)
        assert not connection.is_held
        connection.hold(HELD_BY_ANSWERS)
        connection.hold(HELD_BY_WRITING)
        assert calls == ["pause"]
        connection.read_on(HELD_BY_ANSWERS)
        assert connection.is_held
        connection.pause_writing()
        assert connection.is_write_paused
        assert connection.unsent == 77
        connection.resume_writing()
        assert calls == ["pause", "resume"]
        assert not connection.is_held
        connection.connection_lost(None)
        connection.hold(HELD_BY_WRITING)
        assert not connection.is_held
        assert connection.unsent == 0

    asyncio.run(test())


def test_whoever_waits_to_write_learns_of_the_end() -> None:
    async def test() -> None:
        bench = Bench()
        bench.connection.pause_writing()
        bench.connection.pause_writing()
        waiting = [asyncio.create_task(bench.connection.drained()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert not waiting[1].done()
        bench.connection.connection_lost(None)
        await asyncio.gather(*waiting[1:])
        await bench.connection.drained()

    asyncio.run(test())


@pytest.mark.parametrize("end", ["artim", "eof", "abort of the peer"])
def test_a_transport_that_does_not_end_is_closed_by_force(end: str) -> None:
    async def test() -> None:
        bench = Bench(artim_s=0.02)
        if end == "eof":
            assert bench.connection.eof_received() is False
        elif end == "abort of the peer":
            bench.receive(request().encode() + AAbort().encode())
            assert bench.transport.calls == ["close"]
        await asyncio.sleep(0.2)
        assert bench.transport.calls[-1] == "abort"
        bench.connection.connection_lost(None)
        bench.transport.calls.clear()
        await asyncio.sleep(0.05)
        assert bench.transport.calls == []

    asyncio.run(test())


def test_what_the_transport_was_lost_by_is_kept() -> None:
    async def test() -> None:
        bench = Bench()
        loss = ConnectionResetError("reset")
        bench.connection.connection_lost(loss)
        assert bench.connection.loss is loss

    asyncio.run(test())


def test_all_connections_of_a_loop_share_one_buffer() -> None:
    from dicomwire.net import AE, Server

    async def test() -> None:
        ae = AE()
        async with (
            Server(ae, port=0) as server,
            ae.associate("127.0.0.1", server.port) as one,
            AE().associate("127.0.0.1", server.port) as two,
        ):
            views = [item.connection.get_buffer(-1) for item in (one, two, *server.associations)]
            assert len(views) == 4
            assert all(view is views[0] for view in views)

    asyncio.run(test())
