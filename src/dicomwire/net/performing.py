"""The peer's requests, performed: each goes to its handler, and what that returns goes back as responses (PS3.7)."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import TYPE_CHECKING, cast

from dicomwire.dimse.command import CommandField
from dicomwire.dimse.contexts import allowed_on
from dicomwire.dimse.message import Request as RequestMessage
from dicomwire.dimse.message import Response
from dicomwire.dimse.messages import CCancelRQ
from dicomwire.dimse.status import (
    CANCEL,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
)
from dicomwire.errors import AssociationAborted, DicomWireError, LocalProtocolError, ServiceError
from dicomwire.net.handlers import Request

if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer

    from dicomwire.dimse.assembler import Message
    from dicomwire.dimse.exchange import Exchange
    from dicomwire.net.association import Association
    from dicomwire.net.handlers import Handler, Handlers, Outcome
    from dicomwire.ul.negotiation import AcceptedContext

_log = logging.getLogger("dicomwire.net")


class Performer:
    """Performs the requests that come over one association."""

    __slots__ = ("_association", "_exchange", "_handlers", "_loop", "_requests", "_tasks")

    def __init__(
        self,
        association: Association,
        exchange: Exchange,
        handlers: Handlers | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._association = association
        self._exchange = exchange
        self._handlers = handlers
        self._loop = loop
        self._requests: dict[int, Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        """True while a handler works on a request."""
        return bool(self._requests)

    def stop(self) -> None:
        """The association is over: cancel the handlers that still work."""
        for task in self._tasks:
            task.cancel()

    async def stopped(self) -> None:
        """Return when the handlers that were cancelled have ended."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def take(self, message: Message, context: AcceptedContext) -> None:
        """Perform a request, or take note of a cancellation.

        RemoteProtocolError for more requests at once than were negotiated.
        """
        command = message.command
        if isinstance(command, CCancelRQ):
            pending = self._exchange.take_cancel(command)
            request = self._requests.get(command.message_id_being_responded_to)
            if pending is not None and request is not None:
                request.cancel()
            return
        assert isinstance(command, RequestMessage)
        association = self._association
        if not association.is_established:
            # Release has been asked for here: what the peer still asks cannot be answered (PS3.8 section 7.2.1).
            _log.info("%s came after the request for release", command.command_field.label)
            discard(message)
            return
        try:
            self._exchange.take_request(command, message.context_id)
        except ServiceError as error:
            discard(message)
            # A message ID that is in use: the answer must not end the operation that has it.
            association.send_message(context.context_id, command.response(status=error.status), None)
            return
        handler = self._handlers.get(command.command_field) if self._handlers is not None else None
        refusal = refusal_to(message, command, context, handler)
        request = Request(association, command, message.data, context, message.sink)
        if refusal is not None:
            discard(message)
            self._answer(request, refusal)
            return
        assert handler is not None
        self._call(handler, request)

    def finish(self, request: Request, outcome: object) -> None:
        """Answer a request that was taken with what a coroutine or a generator gives."""
        self._requests[request.message.message_id] = request
        task = self._loop.create_task(self._finish(request, outcome))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _call(self, handler: Handler, request: Request) -> None:
        try:
            outcome = handler(request)
            if inspect.isawaitable(outcome) or hasattr(outcome, "__next__") or hasattr(outcome, "__anext__"):
                self.finish(request, outcome)
                return
            self._answer_once(request, outcome)
        except Exception as error:  # noqa: BLE001  the handler's, whatever it is
            self._answer_failure(request, error)

    async def _finish(self, request: Request, outcome: object) -> None:
        """Send what a coroutine or a generator gives."""
        association = self._association
        try:
            if inspect.isawaitable(outcome):
                self._answer_once(request, await cast("Awaitable[Outcome]", outcome))
                return
            if hasattr(outcome, "__anext__"):
                is_final = await self._answer_each(request, cast("AsyncIterator[Outcome]", outcome))
            else:
                is_final = False
                for part in cast("Iterator[Outcome]", outcome):
                    is_final = self._answer(request, part)
                    if is_final:
                        break
                    await asyncio.sleep(0)  # a plain generator must not keep the others waiting
                    await association.drained()
            if not is_final:
                self._answer(request, CANCEL if request.is_cancelled else SUCCESS)
        except AssociationAborted as error:
            _log.info("%s: the association ended before the response: %s", request, error)
        except Exception as error:  # noqa: BLE001  the handler's, whatever it is
            self._answer_failure(request, error)
        finally:
            self._requests.pop(request.message.message_id, None)

    async def _answer_each(self, request: Request, outcomes: AsyncIterator[Outcome]) -> bool:
        try:
            async for part in outcomes:
                if self._answer(request, part):
                    return True
                await self._association.drained()
            return False
        finally:
            close = getattr(outcomes, "aclose", None)
            if close is not None:
                await close()

    def _answer_once(self, request: Request, outcome: Outcome) -> None:
        if not self._answer(request, outcome):
            raise LocalProtocolError("a pending response where the handler gives no other one", section="PS3.7 C.1.3")

    def _answer(self, request: Request, outcome: Outcome) -> bool:
        """Send a response; True when it is the final one."""
        association = self._association
        data: Buffer | None = None
        if isinstance(outcome, tuple):
            outcome, data = outcome
        if not isinstance(outcome, Response):
            outcome = request.message.response(status=int(outcome))
        response = cast("Response", outcome)
        if not association.is_established:
            raise AssociationAborted("the association is over")
        # Encoded before it is registered: what cannot be encoded is answered otherwise.
        buffers = association.encoded(request.context.context_id, response, data)
        self._exchange.answer(response)
        is_final = not response.is_pending
        if is_final:
            self._requests.pop(request.message.message_id, None)
        association.send_answer(buffers)
        return is_final

    def _answer_failure(self, request: Request, error: Exception) -> None:
        """Answer a request whose handler failed.  The log has the class of the error: its text may name a patient."""
        status = error.status if isinstance(error, ServiceError) else PROCESSING_FAILURE
        if not isinstance(error, ServiceError):
            _log.error("%s: the handler raised %s", request, type(error).__name__, exc_info=_log.isEnabledFor(10))
        self._requests.pop(request.message.message_id, None)
        if request.message.message_id not in self._exchange.performed or not self._association.is_established:
            return
        try:
            self._answer(request, status)
        except DicomWireError as failure:
            # Left without an answer the peer waits for ever, and its window stays closed.
            _log.error("%s: no response could be sent: %s", request, failure)
            self._association.abort()


def refusal_to(
    message: Message, command: RequestMessage[Any], context: AcceptedContext, handler: object | None
) -> Response | None:
    """Return the response to a request that no handler gets to see, None for one that it does."""
    refusal = refusal_of(command, context)
    if refusal is not None:
        return refusal
    status: int | None = None
    if message.error is not None:
        status = message.error.status if isinstance(message.error, ServiceError) else PROCESSING_FAILURE
    elif handler is None:
        status = SUCCESS if command.command_field is CommandField.C_ECHO_RQ else UNRECOGNIZED_OPERATION
    return None if status is None else command.response(status=status)


def refusal_of(command: RequestMessage[Any], context: AcceptedContext) -> Response | None:
    """Return the response to a request that its command alone makes impossible, None for any other."""
    lacking: Response | None = command.refusal()
    if lacking is not None:
        return lacking
    # An event report comes from the SCP, every other request from the SCU (PS3.7 section 10.1.1).
    is_event = command.command_field is CommandField.N_EVENT_REPORT_RQ
    has_role = context.is_scu if is_event else context.is_scp
    if has_role and allowed_on(context.abstract_syntax, command.sop_class_uid or ""):
        return None
    refusal: Response = command.response(status=SOP_CLASS_NOT_SUPPORTED)
    return refusal


def discard(message: Message) -> None:
    """Nobody takes the request: what its data set became is not wanted."""
    if message.sink is not None:
        message.sink.discard()
