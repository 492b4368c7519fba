"""Our own requests: each waits for its turn, goes out, and its responses come back to whoever asked (PS3.7)."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from _dicomwire.pdv import Fragmenter
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.contexts import allowed_on
from dicomwire.dimse.message import Request as RequestMessage
from dicomwire.dimse.message import Response
from dicomwire.dimse.messages import CFindRQ, CGetRQ, CMoveRQ
from dicomwire.dimse.sending import encode_command_part
from dicomwire.errors import DicomWireError, LocalProtocolError, RemoteProtocolError
from dicomwire.net.connection import HELD_BY_ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from dicomwire.dimse.assembler import Message
    from dicomwire.dimse.exchange import Exchange, Pending
    from dicomwire.dimse.status import Status
    from dicomwire.net.association import Association
    from dicomwire.ul.negotiation import AcceptedContext

ANSWERS_HELD = 4 << 20  # bytes of answers that wait to be taken; then nothing more is read until somebody waits
ANSWER_OVERHEAD = 1000  # bytes that an answer without a data set counts as


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


class Operation:
    """A request of ours under way: what has come for it, and who waits.

    deadline   time of the loop at which the next answer is overdue, None for never; with the seconds that it comes of
    """

    __slots__ = ("answers", "context", "deadline", "is_abandoned", "is_finished", "limit_s", "pending", "waiter")

    def __init__(self, pending: Pending, context: AcceptedContext, limit_s: float | None) -> None:
        self.pending = pending
        self.context = context
        self.limit_s = limit_s
        self.answers: deque[Answer] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self.deadline: float | None = None
        self.is_abandoned = False
        self.is_finished = False  # the last answer has come

    @property
    def label(self) -> str:
        """The kind of request, for messages."""
        return self.pending.request.command_field.label

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Invoker:
    """The requests that go out over one association, within the asynchronous operations window."""

    __slots__ = ("_association", "_context_of", "_exchange", "_held_bytes", "_loop", "_parts", "_turns", "operations")

    def __init__(self, association: Association, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self.operations: dict[int, Operation] = {}
        self._association = association
        self._exchange = exchange
        self._loop = loop
        self._turns: deque[asyncio.Future[None]] = deque()  # who waits for the window to have room
        self._held_bytes = 0
        self._context_of: dict[tuple[str, bool], AcceptedContext] = {}
        self._parts = asyncio.Lock()  # who sends a message in parts

    # --- asking

    async def invoke(
        self,
        message: RequestMessage[Any],
        data_set: Buffer | None,
        context_id: int | None,
        limit_s: float | None,
    ) -> Operation:
        """Send a request as soon as the window has room and the transport takes it."""
        context = self._context_for(message, context_id)
        await self._turn()
        association, exchange = self._association, self._exchange
        try:
            if not message.message_id:
                message.message_id = exchange.next_message_id()
            # Encoded before it is registered: what cannot be encoded is not under way.
            buffers = association.encoded(context.context_id, message, data_set)
            pending = exchange.invoke(message, context.context_id)
        except BaseException:
            self._pass_turn()
            raise
        operation = self.operations[pending.message_id] = Operation(pending, context, limit_s)
        self._expect(operation)
        association.send(buffers)
        return operation

    async def invoke_in_parts(
        self,
        message: RequestMessage[Any],
        pieces: Iterable[Buffer],
        context_id: int | None,
        limit_s: float | None,
    ) -> Operation:
        """Send a request whose data set comes in pieces, the next one taken when the transport has room for it.

        What else is to be sent meanwhile waits.  An exception in mid-message, a cancellation also, aborts the
        association: half a message cannot be taken back.
        """
        context = self._context_for(message, context_id)
        async with self._parts:
            await self._turn()
            association, exchange = self._association, self._exchange
            assert association.negotiated is not None
            max_pdu_length = association.negotiated.max_pdu_length_to_send
            try:
                if not message.message_id:
                    message.message_id = exchange.next_message_id()
                buffers = encode_command_part(context.context_id, message, max_pdu_length)
                fragmenter = Fragmenter(context.context_id, False, max_pdu_length)
                pending = exchange.invoke(message, context.context_id)
            except BaseException:
                self._pass_turn()
                raise
            operation = self.operations[pending.message_id] = Operation(pending, context, limit_s)
            association.begin_parts()
            try:
                association.send_part(buffers)
                for piece in pieces:
                    association.send_part(fragmenter.write(piece))
                    await association.drained()
                    association.check_established()
                association.send_part(fragmenter.finish())
            except BaseException:
                association.give_up(f"{operation.label}: not sent to its end")
                raise
            finally:
                association.end_parts()
            if self.operations.get(pending.message_id) is operation:
                self._expect(operation)
        return operation

    async def _turn(self) -> None:
        """Return when a request can be sent; raise when the association is over."""
        association, place = self._association, self._turns.append
        while True:
            association.check_established()
            if not self._exchange.can_invoke:
                turn = self._loop.create_future()
                place(turn)
                place = self._turns.appendleft  # someone may be quicker, but not twice
                association.connection.read_on(HELD_BY_ANSWERS)
                try:
                    await turn
                except asyncio.CancelledError:
                    if turn.done() and not turn.cancelled():
                        self._pass_turn()
                    raise
            elif association.connection.is_write_paused:
                try:
                    await association.connection.drained()
                except asyncio.CancelledError:
                    self._pass_turn()
                    raise
            else:
                return

    def _pass_turn(self) -> None:
        """The window has room that is not used here: let the next one have it."""
        while self._turns and self._exchange.can_invoke:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _context_for(self, message: RequestMessage[Any], context_id: int | None) -> AcceptedContext:
        """Return the context to send a request in; LocalProtocolError when there is none."""
        contexts = self._association.contexts
        if context_id is not None:
            if context_id in contexts:
                return contexts[context_id]
            raise LocalProtocolError(f"presentation context {context_id} was not accepted", section="PS3.8 7.1.1.14")
        sop_class_uid = message.sop_class_uid or ""
        needs_scu = message.command_field is not CommandField.N_EVENT_REPORT_RQ  # which the SCP invokes
        found = self._context_of.get((sop_class_uid, needs_scu))
        if found is not None:
            return found
        for context in contexts.values():
            if allowed_on(context.abstract_syntax, sop_class_uid) and (context.is_scu if needs_scu else context.is_scp):
                self._context_of[sop_class_uid, needs_scu] = context
                return context
        raise LocalProtocolError(
            f"{message.command_field.label}: no presentation context was accepted for SOP class {sop_class_uid} in "
            "the role that it needs",
            section="PS3.7 D.3.3",
        )

    # --- answers

    async def next_answer(self, operation: Operation) -> Answer:
        """Return the next answer of a request; raise when the association ends before."""
        while not operation.answers:
            association = self._association
            if association.error is not None or not association.is_open:
                raise association.ended_error()
            association.connection.read_on(HELD_BY_ANSWERS)
            operation.waiter = self._loop.create_future()
            try:
                await operation.waiter
            finally:
                operation.waiter = None
        answer = operation.answers.popleft()
        self._held_bytes -= _weight(answer)
        return answer

    async def final_answer(self, operation: Operation) -> Answer:
        """Return the last answer of a request; when this is cancelled, so is the operation where it can be."""
        try:
            while True:
                answer = await self.next_answer(operation)
                if operation.is_finished and not operation.answers:
                    return answer
        except asyncio.CancelledError:
            self.abandon(operation)
            raise

    def take(self, message: Message, response: Response) -> None:
        """Hand a response to the one who asked; RemoteProtocolError for one that nobody asked for."""
        pending = self._exchange.take_response(response, message.context_id)
        operation = self.operations[pending.message_id]
        if message.error is not None:
            raise RemoteProtocolError(str(message.error), abort_reason=0)
        is_final = pending.message_id not in self._exchange.invoked
        if is_final:
            del self.operations[pending.message_id]
            operation.is_finished = True
        if not operation.is_abandoned:
            answer = Answer(response, message.data, operation.context)
            operation.answers.append(answer)
            self._held_bytes += _weight(answer)
            operation.wake()
        if is_final:
            operation.deadline = None
            if self._turns:
                self._pass_turn()
            return
        self._expect(operation)
        if self._held_bytes > ANSWERS_HELD and not self._is_awaited:
            self._association.connection.hold(HELD_BY_ANSWERS)

    @property
    def _is_awaited(self) -> bool:
        """True while somebody waits for what the peer is yet to send."""
        return bool(self._turns) or any(operation.waiter is not None for operation in self.operations.values())

    def abandon(self, operation: Operation) -> None:
        """Nobody will take further answers: drop them, and cancel the operation where it can be cancelled."""
        operation.is_abandoned = True
        self._held_bytes -= sum(map(_weight, operation.answers))
        operation.answers.clear()
        association = self._association
        if not association.is_established or self.operations.get(operation.pending.message_id) is not operation:
            return
        association.connection.read_on(HELD_BY_ANSWERS)
        if isinstance(operation.pending.request, (CFindRQ, CGetRQ, CMoveRQ)):
            cancel = self._exchange.cancel(operation.pending)
            association.send_message(operation.context.context_id, cancel, None)

    def wake(self) -> None:
        """The association is over: let everyone who waits see why."""
        for operation in self.operations.values():
            operation.wake()
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)

    # --- time

    def _expect(self, operation: Operation) -> None:
        limit_s = operation.limit_s
        if limit_s is not None:
            operation.deadline = self._loop.time() + limit_s
            self._association.watch.look_at(operation.deadline)

    def overdue(self, now: float, since: float) -> tuple[str | None, float | None]:
        """Return what is overdue in words, or None, and the time at which the next answer will be, None for never.

        The peer has its time from `since` on at the earliest: before, the request was not sent or nothing was read.
        """
        nearest: float | None = None
        for operation in self.operations.values():
            if operation.deadline is None or operation.limit_s is None:
                continue
            due = max(operation.deadline, since + operation.limit_s)
            if due <= now:
                return f"no response to {operation.label} within {operation.limit_s} s", None
            if nearest is None or due < nearest:
                nearest = due
        return None, nearest


def _weight(answer: Answer) -> int:
    return ANSWER_OVERHEAD + (len(answer.data) if answer.data is not None else 0)


def renewed(error: DicomWireError) -> DicomWireError:
    """Return a copy of an error that several may raise: a traceback of its own, and none that keeps their frames."""
    again = copy.copy(error).with_traceback(None)
    again.__cause__ = error.__cause__
    return again
