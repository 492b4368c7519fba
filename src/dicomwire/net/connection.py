"""One transport connection of an association: does on asyncio what the association's state machine asks for.

All connections of an event loop read into the same buffer.  Whatever is in it must be used, or copied, before control
goes back to the loop; an idle connection owns no buffer at all.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Protocol, cast

from dicomwire.ul.effects import CloseTransport, Data, Indicate, Send, StartARTIM, StopARTIM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

    from _dicomwire.pdu import PDVRun
    from dicomwire.net.trace import Trace
    from dicomwire.ul.association import Association as Machine
    from dicomwire.ul.effects import Effect, Primitive

RECEIVE_BUFFER = 1 << 20  # bytes; a whole message of an image fits, and PDU sizes stop mattering


class ReceiveBuffer:
    """Memory that all connections of one event loop read into, one after the other.

    A view and not the bytes themselves: over TLS asyncio reads into slices of what it gets, and those of a bytearray
    would be copies.
    """

    __slots__ = ("view",)

    def __init__(self, size: int = RECEIVE_BUFFER) -> None:
        self.view = memoryview(bytearray(size))


class User(Protocol):
    """Who uses a connection: an association as its side of it sees it."""

    def indicate(self, primitive: Primitive) -> None:
        """The state machine has an indication or a confirmation."""

    def take(self, run: PDVRun) -> None:
        """Fragments of a message came; their views die when this returns."""

    def disconnected(self) -> None:
        """The transport connection is gone, and everything has been said about why."""


class Connection(asyncio.BufferedProtocol):
    """A transport connection and the state machine that it serves.

    `perform` does the effects of every input of the machine; its inputs from the transport and the timer are made here.
    """

    __slots__ = (
        "_artim",
        "_artim_s",
        "_buffer",
        "_loop",
        "_paused",
        "_trace",
        "_user",
        "last_heard",
        "machine",
        "transport",
    )

    def __init__(
        self,
        machine: Machine,
        user: User,
        buffer: ReceiveBuffer,
        loop: asyncio.AbstractEventLoop,
        artim_s: float,
        trace: Trace | None = None,
    ) -> None:
        self.machine = machine
        self.transport: asyncio.Transport | None = None
        self.last_heard = loop.time()
        self._user = user
        self._buffer = buffer
        self._loop = loop
        self._artim_s = artim_s
        self._artim: asyncio.TimerHandle | None = None
        self._paused: asyncio.Future[None] | None = None
        self._trace = trace

    # --- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        connected = transport.get_extra_info("socket")
        if connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
            # Nagle's algorithm waits for acknowledgements, which the peer's system delays by up to 40 ms.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.perform(self.machine.transport_connected())

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        self.last_heard = self._loop.time()
        data = self._buffer.view[:nbytes]
        if self._trace is not None:
            self._trace.received(data)
        self.perform(self.machine.receive(data))

    def eof_received(self) -> bool:
        return False  # the transport closes itself, and connection_lost() follows

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_artim()
        self.resume_writing()
        self.perform(self.machine.transport_closed())
        self._stop_artim()
        self.transport = None
        self._user.disconnected()

    def pause_writing(self) -> None:
        if self._paused is None:
            self._paused = self._loop.create_future()

    def resume_writing(self) -> None:
        paused, self._paused = self._paused, None
        if paused is not None and not paused.done():
            paused.set_result(None)

    async def drained(self) -> None:
        """Return when the transport takes more: at once unless much waits to be sent."""
        while self._paused is not None:
            await asyncio.shield(self._paused)

    # --- what the state machine asks for

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the state machine answered to an input, in order."""
        for effect in effects:
            if isinstance(effect, Data):
                self._user.take(effect.run)
            elif isinstance(effect, Send):
                self._send(effect.buffers)
            elif isinstance(effect, Indicate):
                self._user.indicate(effect.primitive)
            elif isinstance(effect, StartARTIM):
                self._stop_artim()
                self._artim = self._loop.call_later(self._artim_s, self._artim_expired)
            elif isinstance(effect, StopARTIM):
                self._stop_artim()
            elif isinstance(effect, CloseTransport) and self.transport is not None:
                self.transport.close()

    def _send(self, buffers: Sequence[Buffer]) -> None:
        """Write all buffers at once: one segment for a small message, and no wait for an acknowledgement in it."""
        if self._trace is not None:
            for buffer in buffers:
                self._trace.sent(buffer)
        if self.transport is None or self.transport.is_closing():
            return  # connection_lost() comes, or came, and says so
        if len(buffers) == 1:
            self.transport.write(cast(bytes, buffers[0]))
        else:
            self.transport.writelines(cast("Sequence[bytes]", buffers))

    def _artim_expired(self) -> None:
        self._artim = None
        self.perform(self.machine.artim_expired())

    def _stop_artim(self) -> None:
        if self._artim is not None:
            self._artim.cancel()
            self._artim = None
