"""Handlers: the functions that answer a peer's requests, by kind of command (PS3.7 sections 9.1 and 10.1).

    handlers = Handlers()

    @handlers.on(CommandField.N_ACTION_RQ)
    async def act(request):
        ...
        return 0x0000

A handler takes a `Request` and returns what the response is to say: a status, or a response message, or a pair of a
response message and the bytes of its data set.  A generator, plain or asynchronous, gives several of them: pending
responses, then the final one; when it ends without a final one, success is sent.  Coroutines and generators run beside
the other associations; a plain function holds up the event loop until it returns.

An exception in a handler is logged and answered with Processing Failure (PS3.7 Annex C.4.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from dicomwire.dimse.command import CommandField

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from _dicomwire.dataset import DataSet
    from _dicomwire.deposit import Deposit, Place
    from dicomwire.dimse.assembler import DirectSink, Hash, Sink
    from dicomwire.dimse.message import CommandMessage, Response
    from dicomwire.dimse.message import Request as RequestMessage
    from dicomwire.dimse.messages import CStoreRQ
    from dicomwire.net.association import Association
    from dicomwire.net.workers import Workers
    from dicomwire.ul.negotiation import AcceptedContext

    Outcome = int | Response | tuple[Response, Buffer | None]
    Receiver = Callable[[Association, int, CommandMessage], Sink | None]
    ThreadHandler = Callable[["Request"], int | Awaitable[int]]
    Handler = Callable[["Request"], Outcome | Awaitable[Outcome] | Iterator[Outcome] | AsyncIterator[Outcome]]

_Function = TypeVar("_Function", bound="Callable[[Any], Any]")
_Receiver = TypeVar("_Receiver", bound="Receiver")


class Request:
    """A peer's request, as a handler gets it.

    association   where it came
    message       the command, typed: CEchoRQ, CStoreRQ, ...
    data          the bytes of the data set in the context's transfer syntax, None when there is none, or a sink has it
    sink          where the data set went, None when it was collected; see `Handlers.receive`
    context       presentation context: abstract syntax and transfer syntax
    """

    __slots__ = ("_cancelled", "association", "context", "data", "message", "sink")

    def __init__(
        self,
        association: Association,
        message: RequestMessage[Any],
        data: bytes | None,
        context: AcceptedContext,
        sink: Sink | None = None,
    ) -> None:
        self.association = association
        self.message = message
        self.data = data
        self.context = context
        self.sink = sink
        self._cancelled: asyncio.Event | None = None

    @property
    def is_cancelled(self) -> bool:
        """True when a C-CANCEL-RQ for this request has come."""
        return self._cancelled is not None and self._cancelled.is_set()

    async def cancelled(self) -> None:
        """Return when a C-CANCEL-RQ for this request has come."""
        await self._cancellation().wait()

    def cancel(self) -> None:
        """Take note of a C-CANCEL-RQ."""
        self._cancellation().set()

    def _cancellation(self) -> asyncio.Event:
        if self._cancelled is None:
            self._cancelled = asyncio.Event()
        return self._cancelled

    def __repr__(self) -> str:
        return f"<Request {self.message.command_field.label} in context {self.context.context_id}>"


class Look(NamedTuple):
    """What was found out about an instance before its data set is stored.

    place    where it goes; None: a sink is needed after all
    header   the elements before the pixel data, where somebody wants them
    digest   what `hashlib` gives, where somebody wants one: fed with all bytes of the file
    """

    place: Place | None
    header: DataSet | None
    digest: Hash | None


class Deposits(Protocol):
    """Where instances of C-STORE go that threads store without a sink, and who is told of them."""

    def place(self, association: Association, context: AcceptedContext) -> Place | None:
        """Return where instances of a context go, None where each needs a sink."""

    @property
    def looks(self) -> bool:
        """Whether `look` has anything to do."""

    def look(
        self,
        association: Association,
        context: AcceptedContext,
        place: Place,
        command: bytes,
        beginning: memoryview,
    ) -> Look | None:
        """Return what is to be known of an instance, from the beginning of its data set; None where a sink is needed.

        ServiceError when the instance is refused.
        """

    def stored(
        self, association: Association, context: AcceptedContext, deposit: Deposit, look: Look | None
    ) -> int | Awaitable[int]:
        """Take note of an instance that has its name, and return what a thread's handler returns."""

    def go_on(
        self,
        association: Association,
        message: CStoreRQ,
        context: AcceptedContext,
        look: Look | None,
        begun: tuple[Deposit, int] | None = None,
    ) -> DirectSink:
        """Return a sink for an instance that turns out not to be as usual, with its file, and as many bytes as were
        written of it.
        """


class Handlers:
    """Handlers by command field.

    workers      threads that perform the requests of `in_threads`, see `perform_in_threads`
    deposits     stores what is as usual of C-STORE, None where all goes to sinks and handlers
    """

    __slots__ = ("_handlers", "_receivers", "deposits", "in_threads", "workers")

    def __init__(self) -> None:
        self.workers: Workers | None = None
        self.deposits: Deposits | None = None
        self.in_threads: dict[int, ThreadHandler] = {}
        self._handlers: dict[CommandField, Handler] = {}
        self._receivers: dict[CommandField, Receiver] = {}

    def on(self, command_field: CommandField) -> Callable[[_Function], _Function]:
        """Return a decorator that makes a function the handler of requests of this kind."""
        if command_field.is_response or command_field == CommandField.C_CANCEL_RQ:
            raise ValueError(f"{command_field.label} is no request that is answered")

        def register(function: _Function) -> _Function:
            self._handlers[command_field] = function
            return function

        return register

    def get(self, command_field: CommandField) -> Handler | None:
        """Return the handler of requests of this kind."""
        return self._handlers.get(command_field)

    # --- data sets that are not collected in memory

    def receive(self, command_field: CommandField) -> Callable[[_Receiver], _Receiver]:
        """Return a decorator for a function that says where data sets of requests of this kind go.

        It is called when the command has come, with the association, the ID of the context and the command, and
        returns a `dicomwire.dimse.Sink` or None for collecting.  The handler of the kind finds the sink in its request,
        after `Sink.finish`; the sink of a request that no handler gets to see is discarded.  A ServiceError, from the
        function or from the sink, is the answer to the request; the rest of its data set is passed over.
        """

        def register(function: _Receiver) -> _Receiver:
            self._receivers[command_field] = function
            return function

        return register

    def receiver(self, command_field: CommandField) -> Receiver | None:
        """Return what chooses the sinks of requests of this kind."""
        return self._receivers.get(command_field)

    # --- requests that are performed in threads

    def perform_in_threads(
        self, command_field: CommandField, handler: ThreadHandler, workers: Workers, deposits: Deposits | None = None
    ) -> None:
        """Have threads receive and perform requests of this kind where they can: see `dicomwire.net.loan`.

        The handler is called in one of several threads and gives a status, or an awaitable of one, which is awaited in
        the event loop.  So are the receiver of the kind and the sinks that it returns.  The handler of `on` is there
        besides: for requests that come while others on the association are under way, say.  With `deposits`, which are
        for C-STORE alone, neither receiver nor handler get to see an instance that is stored without them.
        """
        if self._handlers.get(command_field) is None:
            raise ValueError(f"{command_field.label} has no handler for what is performed in the event loop")
        if deposits is not None and command_field is not CommandField.C_STORE_RQ:
            raise ValueError(f"{command_field.label} stores nothing")
        self.in_threads[int(command_field)] = handler
        self.workers = workers
        self.deposits = deposits
