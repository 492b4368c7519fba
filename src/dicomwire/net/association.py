"""An association as its user sees it: requests go out, responses come back, requests of the peer go to handlers.

Both sides have the same object: with role selection either may ask and either may answer (PS3.7 section D.3.3.4).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from _dicomwire.command import echo_response
from _dicomwire.pdv import fragment
from dicomwire.dimse.assembler import Message, MessageAssembler
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.contexts import allowed_on
from dicomwire.dimse.exchange import Exchange, Pending
from dicomwire.dimse.message import CommandMessage, Response
from dicomwire.dimse.message import Request as RequestMessage
from dicomwire.dimse.messages import CEchoRQ, CFindRQ, CGetRQ, CMoveRQ
from dicomwire.dimse.sending import encode_message
from dicomwire.errors import (
    AssociationAborted,
    AssociationRejected,
    DicomWireError,
    LocalProtocolError,
    RemoteProtocolError,
)
from dicomwire.net.performing import Performer
from dicomwire.ul.codes import AbortReason
from dicomwire.ul.effects import (
    Aborted,
    AssociateConfirmation,
    AssociateIndication,
    Rejected,
    ReleaseConfirmation,
    ReleaseIndication,
)
from dicomwire.ul.items import UserIdentityRQ

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from typing_extensions import Buffer

    from _dicomwire.pdu import PDVRun
    from dicomwire.dimse.status import Status
    from dicomwire.net.connection import Connection
    from dicomwire.net.handlers import Handlers
    from dicomwire.net.settings import Limits, Timeouts
    from dicomwire.ul.association import Association as Machine
    from dicomwire.ul.effects import Primitive
    from dicomwire.ul.negotiation import AcceptedContext, Negotiated
    from dicomwire.ul.policy import IdentityAnswer

    Identify = Callable[[UserIdentityRQ], Awaitable[IdentityAnswer]]

VERIFICATION = "1.2.840.10008.1.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the peer: the message, and the bytes of its data set in the context's transfer syntax or None."""

    message: Response
    data: bytes | None
    context: AcceptedContext

    @property
    def status(self) -> Status:
        """The status with its class and meaning."""
        return self.message.describe_status(self.context.abstract_syntax)


class _Operation:
    """A request of ours under way: what has come for it, and who waits."""

    __slots__ = ("answers", "context", "deadline", "pending", "waiter")

    def __init__(self, pending: Pending, context: AcceptedContext) -> None:
        self.pending = pending
        self.context = context
        self.answers: deque[Answer] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self.deadline: float | None = None

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Association:
    """An association with a peer, from the connection to its end.

    negotiated        what both sides agreed on: contexts, PDU lengths, roles; None before
    error             why it ended, or will not come to be; None as long as nothing went wrong

    Requests: `c_echo`, or `request` and `responses` with any message.  `release` ends it in agreement with the peer,
    `abort` at once.  When it ends otherwise, whoever waits gets AssociationAborted.  Belongs to one event loop.
    """

    def __init__(
        self,
        machine: Machine,
        loop: asyncio.AbstractEventLoop,
        timeouts: Timeouts,
        limits: Limits,
        handlers: Handlers | None = None,
        identify: Identify | None = None,
        established: Callable[[Association], object] | None = None,
        ended: Callable[[Association], object] | None = None,
    ) -> None:
        self.negotiated: Negotiated | None = None
        self._machine = machine
        self._loop = loop
        self._timeouts = timeouts
        self._limits = limits
        self._handlers = handlers
        self._identify = identify
        self._tell_established = established
        self._tell_ended = ended
        self._connection: Connection | None = None
        self._assembler: MessageAssembler | None = None
        self._exchange: Exchange | None = None
        self._performer: Performer | None = None
        self._echo_contexts: frozenset[int] = frozenset()
        self._operations: dict[int, _Operation] = {}
        self._window: deque[asyncio.Future[None]] = deque()  # who waits for the asynchronous operations window
        self._opened: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] | None = None
        self._is_closed = False
        self._released = False
        self.error: DicomWireError | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._identifying: asyncio.Task[None] | None = None

    def attach(self, connection: Connection) -> None:
        """Give the connection that this association uses."""
        self._connection = connection

    # --- what it is

    @property
    def is_established(self) -> bool:
        """True while messages may be sent."""
        return self._machine.is_established

    @property
    def is_requestor(self) -> bool:
        """True on the side that asked for the association."""
        return self._machine.is_requestor

    @property
    def is_released(self) -> bool:
        """True when it ended by agreement."""
        return self._released

    @property
    def peer_ae_title(self) -> str:
        """The peer's AE title, "" before it is known."""
        if self.negotiated is None:
            return ""
        return self.negotiated.called_ae_title if self.is_requestor else self.negotiated.calling_ae_title

    @property
    def peer_address(self) -> tuple[str, int] | None:
        """Host and port of the peer, None when the connection is gone."""
        address = self._transport_info("peername")
        return (address[0], address[1]) if address else None

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        """The peer's verified TLS certificate as `ssl.SSLSocket.getpeercert` has it, None without one."""
        return self._transport_info("peercert") or None

    def _transport_info(self, name: str) -> Any:
        transport = self._connection.transport if self._connection is not None else None
        return transport.get_extra_info(name) if transport is not None else None

    def __repr__(self) -> str:
        return f"<Association {'requestor' if self.is_requestor else 'acceptor'} {self._machine.state.name}>"

    # --- asking

    async def c_echo(self, *, timeout_s: float | None = None) -> Status:
        """Have the peer answer a C-ECHO-RQ and return the status (PS3.7 section 9.1.5)."""
        answer = await self.request(CEchoRQ(affected_sop_class_uid=VERIFICATION), timeout_s=timeout_s)  # type: ignore[arg-type]
        return answer.status

    async def request(
        self,
        message: RequestMessage[Any],
        data_set: Buffer | None = None,
        *,
        context_id: int | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send a request and return the final answer; pending ones are passed over.  Arguments as for `responses`."""
        operation = await self._invoke(message, data_set, context_id)
        while True:
            answer = await self._next_answer(operation, timeout_s)
            if not answer.message.is_pending:
                return answer

    async def responses(
        self,
        message: RequestMessage[Any],
        data_set: Buffer | None = None,
        *,
        context_id: int | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Answer]:
        """Send a request and iterate the answers as they come, pending ones and the final one.

        message      the request; its message ID is set here unless it is set
        data_set     encoded in the context's transfer syntax; it must stay as it is until the first answer
        context_id   presentation context, where it is not the first one accepted for the message's SOP class
        timeout_s    seconds to wait for each answer, instead of the application entity's `dimse_s`

        Waits while the asynchronous operations window is full.  Leaving the iteration early sends C-CANCEL-RQ where the
        operation has one.  LocalProtocolError when no accepted context carries the message, AssociationAborted when the
        association ends first, also by a time-out.
        """
        operation = await self._invoke(message, data_set, context_id)
        finished = False
        try:
            while not finished:
                answer = await self._next_answer(operation, timeout_s)
                finished = not answer.message.is_pending
                yield answer
        finally:
            if not finished and self.is_established:
                self._cancel(operation)

    async def _invoke(
        self, message: RequestMessage[Any], data_set: Buffer | None, context_id: int | None
    ) -> _Operation:
        exchange = self._established_exchange()
        while not exchange.can_invoke:
            turn = self._loop.create_future()
            self._window.append(turn)
            await turn
            exchange = self._established_exchange()
        assert self._connection is not None
        await self._connection.drained()
        context = self._context_for(message, context_id)
        if not message.message_id:
            message.message_id = exchange.next_message_id()
        # Encoded before it is registered: what cannot be encoded is not under way.
        buffers = self._encoded(context.context_id, message, data_set)
        pending = exchange.invoke(message, context.context_id)
        operation = self._operations[pending.message_id] = _Operation(pending, context)
        self._connection.perform(self._machine.send(buffers))
        return operation

    async def _next_answer(self, operation: _Operation, timeout_s: float | None) -> Answer:
        while not operation.answers:
            if self.error is not None or self._is_closed:
                raise self._ended_error()
            limit = self._timeouts.dimse_s if timeout_s is None else timeout_s
            operation.waiter = self._loop.create_future()
            timer = None if limit is None else self._loop.call_later(limit, self._dimse_timeout, operation, limit)
            try:
                await operation.waiter
            finally:
                operation.waiter = None
                if timer is not None:
                    timer.cancel()
        return operation.answers.popleft()

    def _dimse_timeout(self, operation: _Operation, limit: float) -> None:
        label = operation.pending.request.command_field.label
        self._fail(AssociationAborted(f"no response to {label} within {limit} s", source=0, reason=0))
        self.abort()

    def _cancel(self, operation: _Operation) -> None:
        assert self._exchange is not None
        if operation.pending.message_id in self._exchange.invoked and isinstance(
            operation.pending.request, (CFindRQ, CGetRQ, CMoveRQ)
        ):
            cancel = self._exchange.cancel(operation.pending)
            self.send_message(operation.context.context_id, cancel, None)

    def _context_for(self, message: RequestMessage[Any], context_id: int | None) -> AcceptedContext:
        """Return the context to send a request in; LocalProtocolError when there is none."""
        assert self.negotiated is not None
        sop_class_uid = message.sop_class_uid or ""
        contexts = self.negotiated.contexts
        if context_id is not None:
            if context_id in contexts:
                return contexts[context_id]
            raise LocalProtocolError(f"presentation context {context_id} was not accepted", section="PS3.8 7.1.1.14")
        needs_scu = message.command_field is not CommandField.N_EVENT_REPORT_RQ  # which the SCP invokes
        for context in contexts.values():
            if allowed_on(context.abstract_syntax, sop_class_uid) and (context.is_scu if needs_scu else context.is_scp):
                return context
        raise LocalProtocolError(
            f"{message.command_field.label}: no presentation context was accepted for SOP class {sop_class_uid} in "
            "the role that it needs",
            section="PS3.7 D.3.3",
        )

    def _established_exchange(self) -> Exchange:
        if self.error is not None:
            raise self._ended_error()
        if self._exchange is None or not self.is_established:
            raise LocalProtocolError("the association is not established", state=self._machine.state.name)
        return self._exchange

    # --- sending

    def send_message(self, context_id: int, message: CommandMessage, data_set: Buffer | None) -> None:
        """Send a message in one write; the buffer of the data set must stay as it is until it is sent."""
        assert self._connection is not None
        self._connection.perform(self._machine.send(self._encoded(context_id, message, data_set)))

    def _encoded(self, context_id: int, message: CommandMessage, data_set: Buffer | None) -> list[bytes | memoryview]:
        assert self.negotiated is not None
        return encode_message(context_id, message, data_set, self.negotiated.max_pdu_length_to_send)

    async def drained(self) -> None:
        """Return when the transport takes more."""
        if self._connection is not None:
            await self._connection.drained()

    # --- ending

    async def release(self) -> None:
        """Ask for release, and return when the association and its connection are closed (PS3.8 section 7.2).

        AssociationAborted when the peer aborts, or does not answer in time.
        """
        assert self._connection is not None
        self._connection.perform(self._machine.release())
        try:
            async with asyncio.timeout(self._timeouts.artim_s):
                await self.closed()
        except TimeoutError:
            self._fail(AssociationAborted(f"no answer to A-RELEASE-RQ within {self._timeouts.artim_s} s"))
            self.abort()
            await self.closed()
        if not self._released:
            raise self._ended_error()

    def abort(self) -> None:
        """End the association at once (PS3.8 section 7.3); nothing happens when it is over."""
        connection, machine = self._connection, self._machine
        if self._is_closed or connection is None:
            return
        self._fail(AssociationAborted("aborted here", source=0, reason=0))
        if connection.transport is None:
            return
        try:
            effects = machine.abort()
        except LocalProtocolError:
            # No association to abort, before the request or after the end: only the connection is left.
            connection.transport.abort()
            return
        connection.perform(effects)

    async def closed(self) -> None:
        """Return when the transport connection is closed, however that came."""
        if not self._is_closed:
            if self._closed is None:
                self._closed = self._loop.create_future()
            await asyncio.shield(self._closed)

    async def opened(self) -> None:
        """Return when the association is established; AssociationRejected or AssociationAborted when it will not be."""
        if self.negotiated is None and self.error is None:
            if self._opened is None:
                self._opened = self._loop.create_future()
            await asyncio.shield(self._opened)
        if self.error is not None:
            raise self.error

    def _ended_error(self) -> DicomWireError:
        if self.error is not None:
            return self.error
        return AssociationAborted("the association has been released")

    def _fail(self, error: DicomWireError) -> None:
        """Take note of why the association ends, the first reason counts, and wake everyone who waits."""
        if self.error is None and not self._released:
            self.error = error
        self._wake()

    def _wake(self) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)
        for operation in self._operations.values():
            operation.wake()
        while self._window:
            turn = self._window.popleft()
            if not turn.done():
                turn.set_result(None)

    # --- what the connection tells

    def indicate(self, primitive: Primitive) -> None:
        """Take an indication or a confirmation of the state machine."""
        match primitive:
            case AssociateConfirmation():
                self._establish(primitive.negotiated)
            case AssociateIndication():
                self._answer_request()
            case Rejected():
                rejection = primitive.reject
                self._fail(
                    AssociationRejected(
                        f"the peer rejected the association: {rejection}",
                        result=int(rejection.result),
                        source=int(rejection.source),
                        reason=int(rejection.reason),
                    )
                )
            case ReleaseIndication():
                assert self._connection is not None
                self._released = True
                self._wake()
                self._connection.perform(self._machine.respond_release())
            case ReleaseConfirmation():
                self._released = True
                self._wake()
            case Aborted():
                source = None if primitive.source is None else int(primitive.source)
                self._fail(AssociationAborted(primitive.message, source=source, reason=int(primitive.reason)))

    def take(self, run: PDVRun) -> None:
        """Take fragments of a message; their views die when this returns."""
        assembler = self._assembler
        if assembler is None or self.error is not None:
            return
        if run.context_id in self._echo_contexts and run.is_last and assembler.is_idle and len(run.views) == 1:
            response = echo_response(run.views[0])
            if response is not None:
                assert self._connection is not None
                self._connection.perform(self._machine.send(fragment(run.context_id, True, response, 0)))
                return
        try:
            message = assembler.take(run)
            if message is not None:
                self._take_message(message)
        except RemoteProtocolError as error:
            self._fail(error)
            self.abort()

    def disconnected(self) -> None:
        """Take note that the transport connection is gone."""
        self._is_closed = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._identifying is not None:
            self._identifying.cancel()
        if self._assembler is not None:
            self._assembler.close()
        if self._performer is not None:
            self._performer.stop()
        if not self._released:
            self._fail(AssociationAborted("the connection is closed"))
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        if self._tell_ended is not None:
            self._tell_ended(self)

    # --- establishment

    def _answer_request(self) -> None:
        asked = self._machine.request.user_information.user_identity if self._machine.request is not None else None
        if self._identify is not None and isinstance(asked, UserIdentityRQ):
            self._identifying = self._loop.create_task(self._answer_identified(self._identify, asked))
        else:
            self._respond(None)

    async def _answer_identified(self, identify: Identify, asked: UserIdentityRQ) -> None:
        answer = await identify(asked)
        self._respond(answer)

    def _respond(self, identity: IdentityAnswer | None) -> None:
        assert self._connection is not None
        self._connection.perform(self._machine.respond(identity=identity))
        if self._machine.negotiated is not None:
            self._establish(self._machine.negotiated)

    def _establish(self, negotiated: Negotiated) -> None:
        self.negotiated = negotiated
        self._assembler = MessageAssembler(max_data_set_length=self._limits.message_length)
        self._exchange = Exchange(
            max_invoked=negotiated.max_operations_invoked, max_performed=negotiated.max_operations_performed
        )
        if self._handlers is None or self._handlers.get(CommandField.C_ECHO_RQ) is None:
            self._echo_contexts = frozenset(
                context.context_id
                for context in negotiated.contexts.values()
                if context.abstract_syntax == VERIFICATION and context.is_scp
            )
        if not self.is_requestor and self._timeouts.idle_s is not None:
            self._watchdog = self._loop.call_later(self._timeouts.idle_s, self._watch)
        if self._tell_established is not None:
            self._tell_established(self)
        self._wake()

    def _watch(self) -> None:
        """Abort an association that is idle too long; else look again when it could be."""
        assert self._connection is not None
        idle_s = self._timeouts.idle_s
        assert idle_s is not None
        idle = self._loop.time() - self._connection.last_heard
        busy = self._performer is not None and self._performer.is_busy
        if idle >= idle_s and not busy:
            self._fail(AssociationAborted(f"nothing was heard for {idle_s} s", source=0, reason=0))
            self.abort()
        else:
            self._watchdog = self._loop.call_later(max(idle_s - idle, 0.05) if not busy else idle_s, self._watch)

    # --- messages

    def _take_message(self, message: Message) -> None:
        command = message.command
        assert self._exchange is not None
        assert self.negotiated is not None
        if isinstance(command, Response):
            pending = self._exchange.take_response(command, message.context_id)
            operation = self._operations[pending.message_id]
            if message.error is not None:
                raise RemoteProtocolError(str(message.error), abort_reason=AbortReason.NOT_SPECIFIED)
            operation.answers.append(Answer(command, message.data, operation.context))
            operation.wake()
            if not command.is_pending:
                del self._operations[pending.message_id]
                if self._window:
                    turn = self._window.popleft()
                    if not turn.done():
                        turn.set_result(None)
        else:
            if self._performer is None:
                self._performer = Performer(self, self._exchange, self._handlers, self._loop)
            self._performer.take(message, self.negotiated.contexts[message.context_id])
