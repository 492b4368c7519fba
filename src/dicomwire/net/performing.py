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
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
)
from dicomwire.errors import AssociationAborted, DicomWireError, LocalProtocolError, ServiceError
from dicomwire.net.handlers import Request

if TYPE_CHECKING:
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

    def take(self, message: Message, context: AcceptedContext) -> None:
        """Perform a request, or take note of a cancellation.

        RemoteProtocolError for more requests at once than were negotiated.
        """
        command = message.command
        if isinstance(command, CCancelRQ):
            if self._exchange.take_cancel(command) is not None:
                self._requests[command.message_id_being_responded_to].cancel()
            return
        assert isinstance(command, RequestMessage)
        try:
            self._exchange.take_request(command, message.context_id)
        except ServiceError as error:
            # A message ID that is in use: the answer must not end the operation that has it.
            self._association.send_message(context.context_id, command.response(status=error.status), None)
            return
        refusal = command.refusal()
        if refusal is None and not allowed_on(context.abstract_syntax, command.sop_class_uid or ""):
            refusal = command.response(status=SOP_CLASS_NOT_SUPPORTED)
        handler = self._handlers.get(command.command_field) if self._handlers is not None else None
        if refusal is None and isinstance(message.error, ServiceError):
            refusal = command.response(status=message.error.status)
        elif refusal is None and message.error is not None:
            refusal = command.response(status=PROCESSING_FAILURE)
        if refusal is None and handler is None:
            is_echo = command.command_field is CommandField.C_ECHO_RQ
            refusal = command.response(status=SUCCESS if is_echo else UNRECOGNIZED_OPERATION)
        request = Request(self._association, command, message.data, context)
        if refusal is not None:
            self._answer(request, refusal)
            return
        assert handler is not None
        self._requests[command.message_id] = request
        self._call(handler, request)

    def _call(self, handler: Handler, request: Request) -> None:
        try:
            outcome = handler(request)
            if inspect.isawaitable(outcome) or hasattr(outcome, "__next__") or hasattr(outcome, "__anext__"):
                task = self._loop.create_task(self._finish(request, outcome))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return
            self._answer(request, outcome)
        except Exception as error:  # noqa: BLE001  the handler's, whatever it is
            self._answer_failure(request, error)

    async def _finish(self, request: Request, outcome: object) -> None:
        """Send what a coroutine or a generator gives."""
        association = self._association
        try:
            if inspect.isawaitable(outcome):
                self._answer(request, await cast("Awaitable[Outcome]", outcome))
                return
            is_final = False
            if hasattr(outcome, "__anext__"):
                async for part in cast("AsyncIterator[Outcome]", outcome):
                    await association.drained()
                    is_final = self._answer(request, part)
            else:
                for part in cast("Iterator[Outcome]", outcome):
                    await association.drained()
                    is_final = self._answer(request, part)
                    await asyncio.sleep(0)  # a plain generator must not keep the others waiting
            if not is_final:
                self._answer(request, SUCCESS)
        except AssociationAborted as error:
            _log.info("%s: the association ended before the response: %s", request, error)
        except Exception as error:  # noqa: BLE001  the handler's, whatever it is
            self._answer_failure(request, error)

    def _answer(self, request: Request, outcome: Outcome) -> bool:
        """Send a response; True when it is the final one."""
        data: Buffer | None = None
        if isinstance(outcome, tuple):
            outcome, data = outcome
        if not isinstance(outcome, Response):
            outcome = request.message.response(status=int(outcome))
        response = cast("Response", outcome)
        if not self._association.is_established:
            raise AssociationAborted("the association is over")
        self._exchange.answer(response)
        is_final = not response.is_pending
        if is_final:
            self._requests.pop(request.message.message_id, None)
        self._association.send_message(request.context.context_id, response, data)
        return is_final

    def _answer_failure(self, request: Request, error: Exception) -> None:
        """Answer a request whose handler failed.  The log has the class of the error: its text may name a patient."""
        status = error.status if isinstance(error, ServiceError) else PROCESSING_FAILURE
        if not isinstance(error, ServiceError):
            _log.error("%s: the handler raised %s", request, type(error).__name__, exc_info=_log.isEnabledFor(10))
        if request.message.message_id not in self._exchange.performed or not self._association.is_established:
            return
        try:
            self._answer(request, request.message.response(status=status))
        except (DicomWireError, LocalProtocolError) as failure:
            _log.error("%s: no response could be sent: %s", request, failure)
