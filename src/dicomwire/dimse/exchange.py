"""Which operations of an association are under way, on both sides (PS3.7 sections 7.5 and D.3.3.3).

Sans-I/O: requests and responses go in, and come out as what they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from dicomwire.dimse.message import Request, Response
from dicomwire.dimse.messages import CCancelRQ, CFindRQ, CGetRQ, CMoveRQ
from dicomwire.errors import Deviation, LocalProtocolError, RemoteProtocolError, ServiceError

LAST_MESSAGE_ID = 0xFFFF
DUPLICATE_INVOCATION = 0x0210

_SEVERAL_RESPONSES = (CFindRQ, CGetRQ, CMoveRQ)


@dataclass(slots=True, eq=False)
class Pending:
    """A request that was not answered for good."""

    request: Request[Any]
    context_id: int
    responses: int = 0
    is_cancelled: bool = False

    @property
    def message_id(self) -> int:
        """Message ID of the request."""
        return self.request.message_id


class Exchange:
    """The operations that this side invoked and those that it performs.

    ``max_invoked`` and ``max_performed`` are the negotiated asynchronous operations window, 1 each without one, 0 for
    no limit.  A C-CANCEL-RQ is no operation.
    """

    __slots__ = ("_invoked", "_last_message_id", "_performed", "max_invoked", "max_performed")

    def __init__(self, *, max_invoked: int = 1, max_performed: int = 1) -> None:
        self.max_invoked = max_invoked
        self.max_performed = max_performed
        self._invoked: dict[int, Pending] = {}
        self._performed: dict[int, Pending] = {}
        self._last_message_id = 0

    # ------------------------------------------------------------------------------------------------ invoked by us

    @property
    def invoked(self) -> Mapping[int, Pending]:
        """Our requests without a final response, by message ID."""
        return MappingProxyType(self._invoked)

    @property
    def can_invoke(self) -> bool:
        """True while the window has room for one request more."""
        return not self.max_invoked or len(self._invoked) < self.max_invoked

    def next_message_id(self) -> int:
        """A message ID from 1 to 65535 that no request under way has; LocalProtocolError when all are in use."""
        if len(self._invoked) >= LAST_MESSAGE_ID:
            raise LocalProtocolError("all message IDs are in use", section="PS3.7 E.1")
        message_id = self._last_message_id
        while True:
            message_id = message_id % LAST_MESSAGE_ID + 1
            if message_id not in self._invoked:
                self._last_message_id = message_id
                return message_id

    def invoke(self, request: Request[Any], context_id: int) -> Pending:
        """Register a request that is to be sent; its ``message_id`` is set if it is 0.

        Raises LocalProtocolError when the window is full or the message ID belongs to a request under way.
        """
        if not self.can_invoke:
            raise LocalProtocolError(
                f"{len(self._invoked)} operations under way, {self.max_invoked} negotiated", section="PS3.7 D.3.3.3"
            )
        if not request.message_id:
            request.message_id = self.next_message_id()
        elif request.message_id in self._invoked:
            raise LocalProtocolError(f"message ID {request.message_id} is in use", section="PS3.7 E.1")
        pending = self._invoked[request.message_id] = Pending(request, context_id)
        return pending

    def take_response(self, response: Response, context_id: int) -> Pending:
        """What a peer's response answers; with a final status it is under way no longer.

        Raises RemoteProtocolError for a message ID that no request under way has, and for a response of another kind,
        in another context, or pending where there is only one.  A SOP class or instance that is not the request's is
        added to the deviations of the response.
        """
        message_id = response.message_id_being_responded_to
        label = response.command_field.label
        pending = self._invoked.get(message_id)
        if pending is None:
            raise _foreign(f"{label} to message ID {message_id}, which no request under way has")
        request = pending.request
        if type(response) is not request.response_class:
            raise _foreign(f"{label} to message ID {message_id} of {request.command_field.label}")
        if context_id != pending.context_id:
            raise _foreign(f"{label} in presentation context {context_id}, the request was in {pending.context_id}")
        is_pending = response.is_pending
        if is_pending and not isinstance(request, _SEVERAL_RESPONSES):
            raise _foreign(f"{label} with status Pending, which this operation has not")
        _note_others(request, response)
        pending.responses += 1
        if not is_pending:
            del self._invoked[message_id]
        return pending

    def cancel(self, pending: Pending) -> CCancelRQ:
        """The C-CANCEL-RQ for an operation of ours, which stays under way until its last response.

        Raises LocalProtocolError for one that is not under way or cannot be cancelled.
        """
        request = pending.request
        if self._invoked.get(request.message_id) is not pending:
            raise LocalProtocolError("the operation is not under way", section="PS3.7 9.3.2.3")
        if not isinstance(request, _SEVERAL_RESPONSES):
            raise LocalProtocolError(f"{request.command_field.label} cannot be cancelled", section="PS3.7 9.3.2.3")
        pending.is_cancelled = True
        return CCancelRQ(message_id_being_responded_to=request.message_id)

    # -------------------------------------------------------------------------------------------- performed by us

    @property
    def performed(self) -> Mapping[int, Pending]:
        """The peer's requests that we did not answer for good, by message ID."""
        return MappingProxyType(self._performed)

    def take_request(self, request: Request[Any], context_id: int) -> Pending:
        """Register a peer's request.

        Raises ServiceError with status 0210H, which is the answer, when its message ID is that of a request under way,
        and RemoteProtocolError when the peer has more under way than was negotiated.
        """
        if request.message_id in self._performed:
            raise ServiceError(f"message ID {request.message_id} is in use", status=DUPLICATE_INVOCATION)
        if self.max_performed and len(self._performed) >= self.max_performed:
            raise _foreign(
                f"{request.command_field.label} with {len(self._performed)} operations under way, "
                f"{self.max_performed} negotiated",
                "PS3.7 D.3.3.3",
            )
        pending = self._performed[request.message_id] = Pending(request, context_id)
        return pending

    def take_cancel(self, cancel: CCancelRQ) -> Pending | None:
        """The operation that a peer wants to end, None for one that is not under way: it may have ended by itself."""
        pending = self._performed.get(cancel.message_id_being_responded_to)
        if pending is None or not isinstance(pending.request, _SEVERAL_RESPONSES):
            return None
        pending.is_cancelled = True
        return pending

    def answer(self, response: Response) -> Pending:
        """Register a response that is to be sent; with a final status the operation is under way no longer.

        Raises LocalProtocolError for a response to nothing, of another kind, or pending where there is only one.
        """
        message_id = response.message_id_being_responded_to
        label = response.command_field.label
        pending = self._performed.get(message_id)
        if pending is None or type(response) is not pending.request.response_class:
            raise LocalProtocolError(f"{label} to message ID {message_id}, which waits for none", section="PS3.7 E.1")
        if response.is_pending and not isinstance(pending.request, _SEVERAL_RESPONSES):
            raise LocalProtocolError(f"{label} with status Pending, which this operation has not", section="PS3.7 C")
        pending.responses += 1
        if not response.is_pending:
            del self._performed[message_id]
        return pending


def _foreign(text: str, section: str = "PS3.7 E.1") -> RemoteProtocolError:
    return RemoteProtocolError(text, abort_reason=0, section=section)


def _note_others(request: Request[Any], response: Response) -> None:
    """Add a deviation for each UID of a response that is there and not the request's (PS3.7 section 9.1.1.1)."""
    found = []
    if response.sop_class_uid not in (None, "", request.sop_class_uid):
        found.append(Deviation("other_uid", "AffectedSOPClassUID", 0, "not the request's; PS3.7 9.1.1.1"))
    # An instance that the performer named itself is not in the request.
    if request.sop_instance_uid and response.sop_instance_uid not in (None, "", request.sop_instance_uid):
        found.append(Deviation("other_uid", "AffectedSOPInstanceUID", 0, "not the request's; PS3.7 9.1.1.1"))
    if found:
        response.deviations = (*response.deviations, *found)
