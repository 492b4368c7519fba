"""An association as its user sees it: requests go out, responses come back, requests of the peer go to handlers.

Both sides have the same object: with role selection either may ask and either may answer (PS3.7 section D.3.3.4).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from _dicomwire.command import echo_response
from _dicomwire.pdv import fragment
from dicomwire.dictionary import UID
from dicomwire.dimse.assembler import Message, MessageAssembler, Sink
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.exchange import Exchange
from dicomwire.dimse.message import CommandMessage, Response
from dicomwire.dimse.message import Request as RequestMessage
from dicomwire.dimse.messages import CEchoRQ
from dicomwire.dimse.sending import encode_message
from dicomwire.dimse.status import PROCESSING_FAILURE
from dicomwire.errors import (
    AssociationAborted,
    AssociationRejected,
    DicomWireError,
    LocalProtocolError,
    RemoteProtocolError,
    ServiceError,
)
from dicomwire.net.connection import HELD_BY_ANSWERS, HELD_BY_PARTS, HELD_BY_WRITING
from dicomwire.net.invoking import Answer, Invoker, renewed
from dicomwire.net.loan import lend
from dicomwire.net.performing import Performer, refusal_of
from dicomwire.net.settings import CLOSING_S
from dicomwire.net.watching import Watch
from dicomwire.ul.effects import (
    Aborted,
    AssociateConfirmation,
    AssociateIndication,
    Rejected,
    ReleaseConfirmation,
    ReleaseIndication,
)
from dicomwire.ul.items import UserIdentityRQ
from dicomwire.ul.policy import NO_REASON, IdentityAnswer
from dicomwire.ul.state import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from typing_extensions import Buffer, Unpack

    from _dicomwire.pdu import PDVRun
    from dicomwire.dimse.status import Status
    from dicomwire.net.connection import Connection
    from dicomwire.net.handlers import Handlers, Request
    from dicomwire.net.settings import Limits, Timeouts
    from dicomwire.net.storage.source import StorageSource
    from dicomwire.net.storage.user import StoreOptions
    from dicomwire.ul.association import Association as Machine
    from dicomwire.ul.effects import Primitive
    from dicomwire.ul.negotiation import AcceptedContext, Negotiated
    from dicomwire.ul.pdu import AAssociateRJ

    Identify = Callable[[UserIdentityRQ], Awaitable[IdentityAnswer]]

VERIFICATION = UID("1.2.840.10008.1.1")

_NO_CONTEXTS: Mapping[int, AcceptedContext] = MappingProxyType({})

_log = logging.getLogger("dicomwire.net")


class Owner(Protocol):
    """Who accepts associations: a server as they see it."""

    @property
    def identify(self) -> Identify | None:
        """Answers user identities, where the policy does not."""

    def connected(self, association: Association) -> bool:
        """There is a transport connection; False to close it."""

    def refuse(self) -> AAssociateRJ | None:
        """Return a rejection when no further association can be taken now."""

    def established(self, association: Association) -> None:
        """The association is accepted."""

    def ended(self, association: Association) -> None:
        """The transport connection is gone."""


class Association:
    """An association with a peer, from the connection to its end.

    negotiated        what both sides agreed on: contexts, PDU lengths, roles; None before
    error             why it ended, or will not come to be; None as long as nothing went wrong

    Requests: `c_echo`, or `request` and `responses` with any message.  `release` ends it in agreement with the peer,
    `abort` at once.  When it ends otherwise, whoever waits gets AssociationAborted.  Belongs to one event loop.
    """

    __slots__ = (
        "__weakref__",
        "_after_parts",
        "_closed",
        "_echo_context",
        "_identifying",
        "_is_closed",
        "_limits",
        "_opened",
        "_owner",
        "_peer_address",
        "_performer",
        "_released",
        "assembler",
        "connection",
        "error",
        "exchange",
        "handlers",
        "invoker",
        "loop",
        "machine",
        "messages_taken",
        "negotiated",
        "timeouts",
        "watch",
    )

    connection: Connection

    def __init__(
        self,
        machine: Machine,
        loop: asyncio.AbstractEventLoop,
        timeouts: Timeouts,
        limits: Limits,
        handlers: Handlers | None = None,
        owner: Owner | None = None,
    ) -> None:
        self.negotiated: Negotiated | None = None
        self.error: DicomWireError | None = None
        self.invoker: Invoker | None = None
        self.messages_taken = 0
        self.watch = Watch(self, loop, timeouts)
        self.machine = machine
        self.loop = loop
        self.timeouts = timeouts
        self._limits = limits
        self.handlers = handlers
        self._owner = owner
        self._after_parts: list[Sequence[Buffer]] | None = None
        self.assembler: MessageAssembler | None = None
        self.exchange: Exchange | None = None
        self._performer: Performer | None = None
        self._echo_context = 0
        self._opened: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] | None = None
        self._is_closed = False
        self._released = False
        self._identifying: asyncio.Task[None] | None = None
        self._peer_address: Any = None

    def attach(self, connection: Connection) -> None:
        """Give the connection that this association uses."""
        self.connection = connection

    # --- what it is

    @property
    def is_established(self) -> bool:
        """True while messages may be sent."""
        return self.machine.state is State.STA6

    @property
    def is_sound(self) -> bool:
        """True while messages may be sent, and nothing has gone wrong."""
        return self.error is None and self.machine.state is State.STA6

    @property
    def is_open(self) -> bool:
        """True until the transport connection is gone."""
        return not self._is_closed

    @property
    def is_requestor(self) -> bool:
        """True on the side that asked for the association."""
        return self.machine.is_requestor

    @property
    def is_released(self) -> bool:
        """True when it ended by agreement."""
        return self._released

    @property
    def is_busy(self) -> bool:
        """True while a handler works, or a request of ours is not answered."""
        if self.invoker is not None and self.invoker.operations:
            return True
        return self._performer is not None and self._performer.is_busy

    @property
    def is_between_messages(self) -> bool:
        """True when no message of the peer has begun that is not complete."""
        return self.assembler is None or self.assembler.is_idle

    @property
    def is_in_data_set(self) -> bool:
        """True while the data set of a message is being received."""
        return self.assembler is not None and self.assembler.command is not None

    @property
    def contexts(self) -> Mapping[int, AcceptedContext]:
        """Accepted presentation contexts by context ID."""
        return self.negotiated.contexts if self.negotiated is not None else _NO_CONTEXTS

    @property
    def max_pdu_length_to_send(self) -> int:
        """The longest P-DATA-TF that the peer takes, in bytes behind the PDU header; 0: any."""
        assert self.negotiated is not None
        return self.negotiated.max_pdu_length_to_send

    @property
    def peer_ae_title(self) -> str:
        """The peer's AE title, "" before it is known."""
        names = self.negotiated or self.machine.request
        if names is None:
            return ""
        return names.called_ae_title if self.is_requestor else names.calling_ae_title

    @property
    def calling_ae_title(self) -> str:
        """The AE title of the requestor, "" before it is known."""
        names = self.negotiated or self.machine.request
        return names.calling_ae_title if names is not None else ""

    @property
    def called_ae_title(self) -> str:
        """The AE title that the requestor called, "" before it is known."""
        names = self.negotiated or self.machine.request
        return names.called_ae_title if names is not None else ""

    @property
    def peer_address(self) -> tuple[str, int] | None:
        """Host and port of the peer, also when the connection is gone; None before, and where it has none."""
        return _plain_address(self._peer_address)

    @property
    def own_address(self) -> tuple[str, int] | None:
        """Host and port of this side, None when the connection is gone."""
        return _plain_address(self._transport_info("sockname"))

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        """The peer's verified TLS certificate as `ssl.SSLSocket.getpeercert` has it, None without one."""
        return self._transport_info("peercert") or None

    def _transport_info(self, name: str) -> Any:
        transport = self.connection.transport
        return transport.get_extra_info(name) if transport is not None else None

    def __repr__(self) -> str:
        return f"<Association {'requestor' if self.is_requestor else 'acceptor'} {self.machine.state.name}>"

    # --- asking

    async def c_echo(self, *, timeout_s: float | None = None) -> Status:
        """Have the peer answer a C-ECHO-RQ and return the status (PS3.7 section 9.1.5)."""
        answer = await self.request(CEchoRQ(affected_sop_class_uid=VERIFICATION), timeout_s=timeout_s)
        return answer.status

    async def c_store(self, source: StorageSource, **options: Unpack[StoreOptions]) -> Answer:
        """Store an instance with the peer and return its answer; see `dicomwire.net.storage.user.c_store`."""
        from dicomwire.net.storage.user import c_store

        return await c_store(self, source, **options)

    async def request(
        self,
        message: RequestMessage[Any],
        data_set: Buffer | None = None,
        *,
        context_id: int | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send a request and return the final answer; pending ones are passed over.  Arguments as for `responses`.

        When this is cancelled, so is the operation where it can be.
        """
        invoker = self._invoker()
        return await invoker.final_answer(
            await invoker.invoke(message, data_set, context_id, self._limit(timeout_s))
        )

    async def request_in_parts(
        self,
        message: RequestMessage[Any],
        pieces: Iterable[Buffer],
        *,
        context_id: int | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send a request whose data set is never whole in memory, and return the final answer.

        `pieces` are taken one by one as the transport has room; each must stay as it is until the next is taken.  When
        they raise, or this is cancelled, before all is sent, the association is aborted.
        """
        invoker = self._invoker()
        return await invoker.final_answer(
            await invoker.invoke_in_parts(message, pieces, context_id, self._limit(timeout_s))
        )

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
        invoker = self._invoker()
        operation = await invoker.invoke(message, data_set, context_id, self._limit(timeout_s))
        finished = False
        try:
            while not finished:
                answer = await invoker.next_answer(operation)
                finished = operation.is_finished and not operation.answers
                yield answer
        finally:
            if not finished:
                invoker.abandon(operation)

    def _limit(self, timeout_s: float | None) -> float | None:
        return self.timeouts.dimse_s if timeout_s is None else timeout_s

    def _invoker(self) -> Invoker:
        invoker = self.invoker
        if invoker is None:
            self.check_established()
            assert self.exchange is not None
            invoker = self.invoker = Invoker(self, self.exchange, self.loop)
        return invoker

    def check_established(self) -> None:
        """Raise what ended the association, or LocalProtocolError, unless messages may be sent."""
        if not self.is_established or self.error is not None:
            if self.error is not None or self._released:
                raise self.ended_error()
            raise LocalProtocolError("the association is not established", state=self.machine.state.name)

    # --- sending

    def send_message(self, context_id: int, message: CommandMessage, data_set: Buffer | None) -> None:
        """Send a message in one write; the buffer of the data set must stay as it is until it is sent."""
        self.send(self.encoded(context_id, message, data_set))

    def encoded(self, context_id: int, message: CommandMessage, data_set: Buffer | None) -> list[bytes | memoryview]:
        """Return the P-DATA-TF PDUs of a message, no longer than the peer takes."""
        return encode_message(context_id, message, data_set, self.max_pdu_length_to_send)

    def send(self, buffers: Sequence[Buffer]) -> None:
        """Send encoded P-DATA-TF PDUs."""
        if self._after_parts is not None:
            self._after_parts.append(buffers)
        else:
            self.send_part(buffers)

    def send_answer(self, buffers: Sequence[Buffer]) -> None:
        """Send a response.  A peer that does not take responses gets no further requests read."""
        self.send(buffers)
        connection = self.connection
        connection.last_active = self.loop.time()
        if self._after_parts is not None:
            connection.hold(HELD_BY_PARTS)
        elif connection.is_write_paused:
            connection.hold(HELD_BY_WRITING)

    def begin_parts(self) -> None:
        """From now on `send_part` sends a message; what `send` is given waits for its end (PS3.8 Annex E)."""
        self._after_parts = []

    def send_part(self, buffers: Sequence[Buffer]) -> None:
        """Send encoded P-DATA-TF PDUs of the message that is sent in parts."""
        if not buffers:
            return
        if self.machine.state is State.STA6:  # action DT-1, without the way through effects
            self.connection.send(buffers)
        else:
            self.connection.perform(self.machine.send(buffers))

    def end_parts(self) -> None:
        """The message is sent, or the association is over: send what waits."""
        waiting, self._after_parts = self._after_parts or [], None
        if self.is_established:
            for buffers in waiting:
                self.send_part(buffers)
        self.connection.read_on(HELD_BY_PARTS)

    async def drained(self) -> None:
        """Return when the transport takes more."""
        await self.connection.drained()

    # --- ending

    async def release(self) -> None:
        """Ask for release, and return when the association and its connection are closed (PS3.8 section 7.2).

        AssociationAborted when the peer aborts, or does not answer in time.
        """
        await self.connection.in_hand()
        self.connection.perform(self.machine.release())
        self.connection.read_on(HELD_BY_ANSWERS)
        try:
            async with asyncio.timeout(self.timeouts.artim_s):
                await self.closed()
        except TimeoutError:
            self._fail(AssociationAborted(f"no answer to A-RELEASE-RQ within {self.timeouts.artim_s} s"))
            await self.terminate()
        if not self._released:
            raise self.ended_error()

    def abort(self) -> None:
        """End the association at once (PS3.8 section 7.3); nothing happens when it is over.

        Handlers that are called in a thread may call it there.
        """
        if self._is_closed or self.connection.leave_to_loop(self.abort):
            return
        self._fail(self._reason() or AssociationAborted("aborted here", source=0, reason=0))
        connection = self.connection
        if connection.transport is None:
            return
        try:
            effects = self.machine.abort()
        except LocalProtocolError:
            # No association to abort, before the request or after the end: only the connection is left.
            connection.close_by_force()
            return
        connection.perform(effects)

    async def terminate(self) -> None:
        """Abort, and return when the connection is closed and all handlers have ended.

        A peer that does not close within two seconds after the A-ABORT is not waited for.
        """
        self.abort()
        try:
            async with asyncio.timeout(min(CLOSING_S, self.timeouts.artim_s)):
                await self.closed()
        except TimeoutError:
            self.connection.close_by_force()
            await self.closed()
        if self._performer is not None:
            await self._performer.stopped()

    async def closed(self) -> None:
        """Return when the transport connection is closed, however that came."""
        if not self._is_closed:
            if self._closed is None:
                self._closed = self.loop.create_future()
            await asyncio.shield(self._closed)

    async def opened(self) -> None:
        """Return when the association is established; AssociationRejected or AssociationAborted when it will not be."""
        if self.negotiated is None and self.error is None:
            if self._opened is None:
                self._opened = self.loop.create_future()
            await asyncio.shield(self._opened)
        if self.error is not None:
            raise self.ended_error()

    def ended_error(self) -> DicomWireError:
        """Return what to raise to those who wait for what will not come."""
        if self.error is not None:
            return renewed(self.error)
        return AssociationAborted("the association has been released")

    def give_up(self, fault: str) -> None:
        """Abort, because the peer keeps us waiting."""
        self._fail(AssociationAborted(fault, source=0, reason=0))
        self.abort()

    def _fail(self, error: DicomWireError) -> None:
        """Take note of why the association ends, the first reason counts, and wake everyone who waits."""
        if self.error is None and not self._released:
            self.error = error
        self.watch.stop()
        self.connection.read_on(HELD_BY_ANSWERS | HELD_BY_WRITING | HELD_BY_PARTS)  # to see the peer's end of it
        self._wake()

    def _wake(self) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)
        if self.invoker is not None:
            self.invoker.wake()

    # --- what the connection tells

    def connected(self) -> None:
        """Take note that there is a transport connection."""
        self._peer_address = self._transport_info("peername")
        if self._owner is not None and not self._owner.connected(self):
            self.connection.close_by_force()

    def indicate(self, primitive: Primitive) -> None:
        """Take an indication or a confirmation of the state machine."""
        match primitive:
            case AssociateConfirmation():
                self._establish(primitive.negotiated)
            case AssociateIndication():
                self._answer_request(primitive)
            case Rejected():
                self._fail(_rejected("the peer rejected the association", primitive.reject))
            case ReleaseIndication():
                # In a collision the acceptor first waits for the answer to its own request (PS3.8 section 7.2.2.7).
                if not primitive.collision or self.is_requestor:
                    if not primitive.collision:
                        self._end_released()
                    self.connection.perform(self.machine.respond_release())
            case ReleaseConfirmation():
                self._end_released()
                if self.machine.state is State.STA12:
                    self.connection.perform(self.machine.respond_release())
            case Aborted():
                source = None if primitive.source is None else int(primitive.source)
                text, loss = primitive.message, self.connection.loss
                if loss is not None:
                    text = f"{text}: {loss or type(loss).__name__}"
                error = AssociationAborted(text, source=source, reason=int(primitive.reason))
                error.__cause__ = loss
                self._fail(error)

    def _end_released(self) -> None:
        self._released = True
        self.watch.stop()
        self._wake()

    def take(self, run: PDVRun) -> None:
        """Take fragments of a message; their views die when this returns."""
        assembler = self.assembler
        if assembler is None or self.error is not None:
            return
        if run.context_id == self._echo_context and run.is_last and assembler.is_idle and self.is_established:
            views = run.views
            response = echo_response(views[0]) if len(views) == 1 else None
            if response is not None:
                self.messages_taken += 1
                self.send_answer(fragment(run.context_id, True, response, self.max_pdu_length_to_send))
                return
        try:
            message = assembler.take(run)
            if message is not None:
                self.messages_taken += 1
                self.take_message(message)
        except RemoteProtocolError as error:
            self.violated(error)

    def violated(self, error: RemoteProtocolError) -> None:
        """Abort, because of a message that the peer may not send."""
        self._fail(_aborted_for(error))
        self.abort()

    def _choose_sink(self, context_id: int, command: CommandMessage) -> Sink | None:
        """Return where the data set of a request goes; ServiceError for one that will be refused."""
        assert self.handlers is not None
        receiver = self.handlers.receiver(command.command_field)
        if receiver is None or not isinstance(command, RequestMessage):
            return None
        refusal = refusal_of(command, self.contexts[context_id])
        if refusal is not None:
            raise ServiceError("refused by its command", status=refusal.status)
        try:
            return receiver(self, context_id, command)
        except (OSError, DicomWireError):
            raise
        except Exception as error:
            _log.error("%s: the receiver raised %s", command.command_field.label, type(error).__name__)
            raise ServiceError("no sink", status=PROCESSING_FAILURE) from error

    def take_message(self, message: Message) -> None:
        """Take a whole message."""
        command = message.command
        assert self.exchange is not None
        if isinstance(command, Response):
            self._invoker_of_response().take(message, command)
            return
        self._own_performer().take(message, self.contexts[message.context_id])

    def finish(self, request: Request, outcome: Awaitable[int]) -> None:
        """Answer a request with what a coroutine gives that its handler has begun in a thread."""
        assert self.exchange is not None
        self.exchange.take_request(request.message, request.context.context_id)
        self._own_performer().finish(request, outcome)

    def _own_performer(self) -> Performer:
        assert self.exchange is not None
        if self._performer is None:
            self._performer = Performer(self, self.exchange, self.handlers, self.loop)
        return self._performer

    def _invoker_of_response(self) -> Invoker:
        if self.invoker is None:
            raise RemoteProtocolError("a response, and nothing was asked", abort_reason=0, section="PS3.7 E.1")
        return self.invoker

    def disconnected(self) -> None:
        """Take note that the transport connection is gone."""
        self._is_closed = True
        self.watch.stop()
        if self._identifying is not None:
            self._identifying.cancel()
        if self.assembler is not None:
            self.assembler.close()
        if self._performer is not None:
            self._performer.stop()
        if not self._released:
            text = "the connection was closed before an association was asked for"
            self._fail(self._reason() or AssociationAborted(text))
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        if self._owner is not None:
            self._owner.ended(self)

    def _reason(self) -> DicomWireError | None:
        """Return why it ends, where no indication says so: a rejection or an A-ABORT by the service provider."""
        machine = self.machine
        if machine.rejection is not None:
            return _rejected("rejected here", machine.rejection)
        if machine.violation is not None:
            return _aborted_for(machine.violation)
        return None

    # --- establishment

    def _answer_request(self, indication: AssociateIndication) -> None:
        asked = indication.request.user_information.user_identity
        owner = self._owner
        identify = owner.identify if owner is not None else None
        if owner is None or identify is None or not isinstance(asked, UserIdentityRQ):
            self._respond(None)
        elif (rejection := owner.refuse()) is not None:
            self.connection.perform(self.machine.reject(rejection))
        else:
            self._identifying = self.loop.create_task(self._respond_identified(identify, asked))

    async def _respond_identified(self, identify: Identify, asked: UserIdentityRQ) -> None:
        answer = IdentityAnswer(False)
        try:
            async with asyncio.timeout(self.timeouts.artim_s):
                answer = await identify(asked)
        except Exception as error:  # noqa: BLE001  whatever it is, nobody is let in by it
            _log.error("user identity: the callable raised %s", type(error).__name__, exc_info=_log.isEnabledFor(10))
        if self.machine.state is State.STA3:
            self._respond(answer)

    def _respond(self, identity: IdentityAnswer | None) -> None:
        machine, connection = self.machine, self.connection
        rejection = self._owner.refuse() if self._owner is not None else None
        try:
            effects = machine.respond(identity=identity) if rejection is None else machine.reject(rejection)
        except Exception as error:  # noqa: BLE001  of a callable of the policy
            _log.error("negotiation: the policy raised %s", type(error).__name__, exc_info=_log.isEnabledFor(10))
            effects = machine.reject(NO_REASON)
        connection.perform(effects)
        if machine.negotiated is not None:
            self._establish(machine.negotiated)

    def _establish(self, negotiated: Negotiated) -> None:
        self.negotiated = negotiated
        self.assembler = MessageAssembler(
            choose_sink=None if self.handlers is None else self._choose_sink,
            max_data_set_length=self._limits.message_length,
        )
        self.exchange = Exchange(
            max_invoked=negotiated.max_operations_invoked, max_performed=negotiated.max_operations_performed
        )
        if self.handlers is None or self.handlers.get(CommandField.C_ECHO_RQ) is None:
            for context in negotiated.contexts.values():
                if context.abstract_syntax == VERIFICATION and context.is_scp:
                    self._echo_context = context.context_id
                    break
        self.watch.start()
        if self.handlers is not None and self.handlers.workers is not None:
            self.connection.offer = partial(lend, self)
        if self._owner is not None:
            try:
                self._owner.established(self)
            except Exception as error:  # noqa: BLE001  it may have been a check
                _log.error("established: the callable raised %s", type(error).__name__, exc_info=_log.isEnabledFor(10))
                self.abort()
        self._wake()


def _plain_address(address: Any) -> tuple[str, int] | None:
    """Return host and port; an IPv4 address as such, also where it came by a socket of IPv6."""
    return (address[0].removeprefix("::ffff:"), address[1]) if address else None


def _aborted_for(violation: RemoteProtocolError) -> AssociationAborted:
    error = AssociationAborted(f"aborted here: {violation}", source=0, reason=violation.abort_reason or 0)
    error.__cause__ = violation
    return error


def _rejected(text: str, rejection: AAssociateRJ) -> AssociationRejected:
    return AssociationRejected(
        f"{text}: {rejection}",
        result=int(rejection.result),
        source=int(rejection.source),
        reason=int(rejection.reason),
    )
