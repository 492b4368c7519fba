"""One transport connection of an association: does on asyncio what the association's state machine asks for.

All connections of an event loop read into the same buffer.  Whatever is in it must be used, or copied, before control
goes back to the loop; an idle connection owns no buffer at all.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any, Protocol, cast
from weakref import WeakKeyDictionary

from dicomwire.ul.effects import CloseTransport, Data, Indicate, Send, StartARTIM, StopARTIM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Buffer

    from _dicomwire.pdu import ControlPDU, InvalidPDU, PDUReader, PDVRun
    from dicomwire.net.trace import Trace
    from dicomwire.ul.association import Association as Machine
    from dicomwire.ul.effects import Effect, Primitive

RECEIVE_BUFFER = 1 << 20  # bytes; a whole message of an image fits, and PDU sizes stop mattering

HELD_BY_WRITING, HELD_BY_ANSWERS, HELD_BY_PARTS, HELD_BY_LOAN = 1, 2, 4, 8
"""Why nothing is read for the moment: the peer does not take our responses; nobody takes its responses from us; our
responses wait for the end of a message that is sent in parts; a thread reads."""

OFFERED = 1 << 16  # bytes received at once where a thread may get them, and with them what comes next

BUFFERS_AT_ONCE = 512  # of one write; systems take 1024


class ReceiveBuffer:
    """Memory that all connections of one event loop read into, one after the other.

    A view and not the bytes themselves: over TLS asyncio reads into slices of what it gets, and those of a bytearray
    would be copies.
    """

    __slots__ = ("view",)

    def __init__(self, size: int = RECEIVE_BUFFER) -> None:
        self.view = memoryview(bytearray(size))


_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, ReceiveBuffer] = WeakKeyDictionary()


def receive_buffer_of(loop: asyncio.AbstractEventLoop) -> ReceiveBuffer:
    """Return the memory that all connections of an event loop read into, whoever's they are."""
    buffer = _buffers.get(loop)
    if buffer is None:
        buffer = _buffers[loop] = ReceiveBuffer()
    return buffer


def set_options(one: Any) -> None:
    """Set the options of a socket of TCP that every association is to have."""
    if one.family in (socket.AF_INET, socket.AF_INET6):
        # Nagle's algorithm waits for acknowledgements, which the peer's system delays by up to 40 ms.
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A peer whose machine is gone sends nothing, not even an end.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


class User(Protocol):
    """Who uses a connection: an association as its side of it sees it."""

    def connected(self) -> None:
        """There is a transport connection."""

    def indicate(self, primitive: Primitive) -> None:
        """The state machine has an indication or a confirmation."""

    def take(self, run: PDVRun) -> None:
        """Fragments of a message came; their views die when this returns."""

    def disconnected(self) -> None:
        """The transport connection is gone, and everything has been said about why."""


class Borrower(Protocol):
    """A thread that reads from the connection, and writes to it."""

    def recall(self, *, by_force: bool = False) -> None:
        """Have it given back soon; by force, at once, with an end of the connection."""

    @property
    def is_here(self) -> bool:
        """True in the thread itself."""

    def give_back(self, then: Callable[[], object]) -> None:
        """In the thread: have the event loop go on, with this."""


class Connection(asyncio.BufferedProtocol):
    """A transport connection and the state machine that it serves.

    `perform` does the effects of every input of the machine; its inputs from the transport and the timer are made here.

    transport     None before the connection is there and after it is gone
    last_active   time of the loop when something was received, or a request of the peer was answered
    offer         asked with what was received whether it goes to a thread, which then has `lend` called; or None
    unhindered_since   time of the loop since when nothing keeps us from sending and from reading, if nothing does
    loss          what the transport was lost by, None where the peer or this side closed it
    """

    __slots__ = (
        "_artim",
        "_artim_s",
        "_borrower",
        "_buffer",
        "_deferred",
        "_held",
        "_is_forced",
        "_loop",
        "_paused",
        "_returned",
        "_trace",
        "_user",
        "last_active",
        "loss",
        "machine",
        "offer",
        "reader",
        "transport",
        "unhindered_since",
    )

    def __init__(
        self,
        machine: Machine,
        user: User,
        reader: PDUReader,
        buffer: ReceiveBuffer,
        loop: asyncio.AbstractEventLoop,
        artim_s: float,
        trace: Trace | None = None,
    ) -> None:
        self.machine = machine
        self.transport: asyncio.Transport | None = None
        self.last_active = self.unhindered_since = loop.time()
        self.loss: Exception | None = None
        self._user = user
        self.reader = reader
        self._buffer = buffer
        self._loop = loop
        self._artim_s = artim_s
        self._artim: asyncio.TimerHandle | None = None  # after the end: until the transport is closed by force
        self._paused: asyncio.Future[None] | None = None
        self._held = 0
        self._trace = trace
        self.offer: Callable[[memoryview], bool] | None = None
        self._borrower: Borrower | None = None
        self._deferred: list[Effect] = []  # until it is given back
        self._is_forced = False  # to be closed by force as soon as it is given back
        self._returned: asyncio.Future[None] | None = None

    # --- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.machine.is_requestor:  # accepted sockets have the options of the one that listens
            set_options(transport.get_extra_info("socket"))
        self.perform(self.machine.transport_connected())
        self._user.connected()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer.view if self.offer is None else self._buffer.view[:OFFERED]

    def buffer_updated(self, nbytes: int) -> None:
        self.last_active = self._loop.time()
        view = self._buffer.view
        if self._trace is not None:
            self._trace.received(view[:nbytes])
        elif self.offer is not None and self.offer(view[:nbytes]):
            return
        self.take_items(self.reader.feed(view, nbytes))

    def take_items(self, items: Iterable[ControlPDU | PDVRun | InvalidPDU]) -> None:
        """Take what the reader has made of what was received."""
        machine = self.machine
        # One by one: what follows from an item, also from our answer to it, holds for the next.
        for item in items:
            self.perform(machine.receive_items((item,)))

    def eof_received(self) -> bool:
        # The transport closes itself when it has written what it has; connection_lost() follows.
        self._close_by_force_later()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.loss = exc
        self._stop_artim()
        self.resume_writing()
        self.transport = None
        self.perform(self.machine.transport_closed())
        self._stop_artim()
        self._user.disconnected()

    # --- back-pressure

    def pause_writing(self) -> None:
        if self._paused is None:
            self._paused = self._loop.create_future()

    def resume_writing(self) -> None:
        paused, self._paused = self._paused, None
        if paused is not None:
            self.unhindered_since = self._loop.time()
            if not paused.done():
                paused.set_result(None)
        self.read_on(HELD_BY_WRITING)

    @property
    def is_write_paused(self) -> bool:
        """True while much waits to be sent."""
        return self._paused is not None

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    async def drained(self) -> None:
        """Return when the transport takes more: at once unless much waits to be sent."""
        while self._paused is not None:
            await asyncio.shield(self._paused)

    def hold(self, reason: int) -> None:
        """Read nothing until `read_on` is called with the same reason."""
        if self.transport is not None and not self.transport.is_closing():
            if not self._held:
                self.transport.pause_reading()
            self._held |= reason

    def read_on(self, reason: int) -> None:
        """The reason why nothing was read is gone."""
        if self._held & reason:
            self._held &= ~reason
            if not self._held and self.transport is not None and not self.transport.is_closing():
                self.last_active = self.unhindered_since = self._loop.time()
                self.transport.resume_reading()

    @property
    def is_hindered(self) -> bool:
        """True while something of ours keeps the peer from answering: it waits to be sent, or nothing is read."""
        return self._paused is not None or bool(self._held)

    @property
    def is_held(self) -> bool:
        """True while nothing is read."""
        return bool(self._held)

    # --- in the hands of a thread

    @property
    def is_lendable(self) -> bool:
        """True when a thread can read and write: the connection is there, not over TLS, and nobody watches."""
        transport = self.transport
        if transport is None or transport.is_closing() or self._trace is not None or self.unsent:
            return False
        return transport.get_extra_info("ssl_object") is None

    def lend(self, borrower: Borrower) -> socket.socket | None:
        """Read nothing, and put off what is to be sent, until `take_back`.  Return a further descriptor of the socket.

        None over TLS, where only the transport can read.
        """
        assert self.transport is not None
        self.hold(HELD_BY_LOAN)
        self._borrower = borrower
        if self.transport.get_extra_info("ssl_object") is not None:
            return None
        return socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno()))

    def take_back(self) -> None:
        """The thread is done: do what was put off.  Nothing is read before `received_all`."""
        self._borrower = None
        deferred, self._deferred = self._deferred, []
        self.perform(deferred)
        if self._is_forced:
            self.close_by_force()

    def received_all(self) -> None:
        """What the thread had received, and left, was taken: read on."""
        self.read_on(HELD_BY_LOAN)
        returned, self._returned = self._returned, None
        if returned is not None and not returned.done():
            returned.set_result(None)

    def leave_to_loop(self, then: Callable[[], object]) -> bool:
        """In the thread that has the connection: have the event loop do something when it has it; else return False."""
        if self._borrower is None or not self._borrower.is_here:
            return False
        self._borrower.give_back(then)
        return True

    async def in_hand(self) -> None:
        """Return when no thread has the connection."""
        while self._borrower is not None:
            self._borrower.recall()
            if self._returned is None:
                self._returned = self._loop.create_future()
            await asyncio.shield(self._returned)

    # --- what is being received

    @property
    def is_between_pdus(self) -> bool:
        """True when no PDU has begun that is not complete."""
        return self.reader.is_between_pdus

    # --- what the state machine asks for

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the state machine answered to an input, in order."""
        if self._borrower is not None:
            self._deferred += effects
            self._borrower.recall()
            return
        for effect in effects:
            if type(effect) is Data:
                self._user.take(effect.run)
            elif type(effect) is Send:
                self.send(effect.buffers)
            elif type(effect) is Indicate:
                self._user.indicate(effect.primitive)
            elif type(effect) is StartARTIM:
                self._stop_artim()
                self._artim = self._loop.call_later(self._artim_s, self._artim_expired)
            elif type(effect) is StopARTIM:
                self._stop_artim()
            elif type(effect) is CloseTransport and self.transport is not None:
                self.transport.close()
                self._close_by_force_later()

    def send(self, buffers: Sequence[Buffer]) -> None:
        """Write all buffers at once: one segment for a small message, and no wait for an acknowledgement in it."""
        if self._borrower is not None:
            self.perform([Send(buffers)])
            return
        if self._trace is not None:
            for buffer in buffers:
                self._trace.sent(buffer)
        if self.transport is None or self.transport.is_closing():
            return  # connection_lost() comes, or came, and says so
        if len(buffers) == 1:
            self.transport.write(cast(bytes, buffers[0]))
            return
        for at in range(0, len(buffers), BUFFERS_AT_ONCE):
            self.transport.writelines(cast("Sequence[bytes]", buffers[at : at + BUFFERS_AT_ONCE]))
        if self._paused is None and self.unsent:
            # CPython 3.12 and 3.13 forget in writelines() to say when much waits to be sent; this makes them look.
            self.transport.set_write_buffer_limits()

    def close_by_force(self) -> None:
        """Close at once; what was not sent is lost."""
        if self._borrower is not None:
            self._is_forced = True
            self._borrower.recall(by_force=True)
        elif self.transport is not None:
            self.transport.abort()

    def _artim_expired(self) -> None:
        self._artim = None
        self.perform(self.machine.artim_expired())
        self.close_by_force()  # the peer had its time

    def _stop_artim(self) -> None:
        if self._artim is not None:
            self._artim.cancel()
            self._artim = None

    def _close_by_force_later(self) -> None:
        """A closed transport first writes what it has, to a peer that may not take it."""
        self._stop_artim()
        if self.unsent:
            self._artim = self._loop.call_later(self._artim_s, self.close_by_force)
