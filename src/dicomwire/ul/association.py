"""One side of an association without socket and clock: bytes and requests go in, effects come out (PS3.8 section 9.2).

    association = Association.requestor(request)
    effects = association.connect()                 # [Connect()]
    effects = association.transport_connected()     # [Send(...)]
    effects = association.receive(data)             # [Indicate(AssociateConfirmation(...))]

    association = Association.acceptor(policy)
    effects = association.transport_connected()     # [StartARTIM()]
    effects = association.receive(data)             # [StopARTIM(), Indicate(AssociateIndication(...))]
    effects = association.respond()                 # [Send(...)]

Every input is an event of PS3.8 Table 9-10; `dicomwire.ul.state` says what it leads to, the methods named like actions
do it.  What the caller may not do now raises LocalProtocolError and changes nothing.  What the peer may not do ends the
association as the table has it: nothing that it sends raises.

An association belongs to one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from _dicomwire.pdu import ControlPDU, InvalidPDU, PDUReader, PDVRun
from dicomwire.errors import LocalProtocolError, RemoteProtocolError
from dicomwire.ul.codes import AbortReason, AbortSource
from dicomwire.ul.effects import Data, Effect, Send
from dicomwire.ul.machine import RECEIVED, Machine
from dicomwire.ul.negotiation import check_proposal, negotiate_by_user
from dicomwire.ul.pdu import (
    MAX_CONTROL_LENGTH,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
    decode_pdu,
)
from dicomwire.ul.policy import AcceptorPolicy, IdentityAnswer
from dicomwire.ul.state import Event, State

if TYPE_CHECKING:
    from typing_extensions import Buffer

StreamItem = ControlPDU | PDVRun | InvalidPDU

_NOT_AS_CONTROL = "P-DATA-TF as a control PDU, PDVRun expected"


class Association(Machine):
    """One side of an association.

    state         where it is in PS3.8 Table 9-10
    is_requestor  which side
    negotiated    what both sides agreed on, from acceptance on
    violation     what this side found wrong with the peer, with the state, the event and the reason of the A-ABORT;
                  None as long as nothing is.  In STA2 this is the only trace of it besides the A-ABORT.
    rejection     the A-ASSOCIATE-RJ that was sent or received
    """

    __slots__ = ()

    # --- making one

    @classmethod
    def requestor(cls, request: AAssociateRQ, *, max_control_length: int = MAX_CONTROL_LENGTH) -> Association:
        """Return the side that asks, with what it will ask for.

        LocalProtocolError or EncodeError for a request that may not or cannot be sent.
        """
        check_proposal(request)
        request.encode()
        limit = request.user_information.maximum_length or 0
        reader = PDUReader(max_control_length=max_control_length, max_pdu_length=limit)
        return cls(
            is_requestor=True, request=request, policy=None, reader=reader, max_control_length=max_control_length
        )

    @classmethod
    def acceptor(cls, policy: AcceptorPolicy, *, max_control_length: int = MAX_CONTROL_LENGTH) -> Association:
        """Return the side that is asked, for one transport connection."""
        reader = PDUReader(max_control_length=max_control_length, max_pdu_length=policy.max_pdu_length)
        return cls(
            is_requestor=False, request=None, policy=policy, reader=reader, max_control_length=max_control_length
        )

    @classmethod
    def replay(cls, *, is_requestor: bool, max_control_length: int = MAX_CONTROL_LENGTH) -> Association:
        """Return one side of an association that others have: a monitor tells it what it saw.

        `receive_items` is told what that side received, `replay_sent` what it sent; it judges both, decides nothing and
        takes what was proposed and accepted as it is.  Effects say what the side ought to do.  `copy.copy` gives
        another one in the same state.
        """
        return cls(
            is_requestor=is_requestor, request=None, policy=None, reader=None, max_control_length=max_control_length
        )

    # --- inputs of the local user

    def connect(self) -> list[Effect]:
        """Ask for the association (EVT1)."""
        return self._step(Event.EVT1, self._request)

    def respond(self, *, identity: IdentityAnswer | None = None) -> list[Effect]:
        """Answer an AssociateIndication as the policy has it (EVT7 or EVT8); see `negotiate` for `identity`."""
        if self._policy is None or self._request is None or self.state is not State.STA3:
            raise self._not_allowed(Event.EVT7)
        answer = negotiate_by_user(self._request, self._policy, identity=identity)
        return self.accept(answer) if isinstance(answer, AAssociateAC) else self.reject(answer)

    def accept(self, accept: AAssociateAC) -> list[Effect]:
        """Answer an AssociateIndication by an acceptance (EVT7).

        LocalProtocolError when it accepts what was not proposed, RemoteProtocolError when the request's maximum length
        leaves no room for data: then reject.
        """
        return self._step(Event.EVT7, accept)

    def reject(self, reject: AAssociateRJ) -> list[Effect]:
        """Answer an AssociateIndication by a rejection (EVT8)."""
        return self._step(Event.EVT8, reject)

    def send(self, buffers: Sequence[Buffer]) -> list[Effect]:
        """Send P-DATA-TF PDUs, encoded, as `_dicomwire.pdv` makes them (EVT9)."""
        if self.state is State.STA6:
            return [Send(buffers)]
        return self._step(Event.EVT9, buffers)

    def release(self) -> list[Effect]:
        """Ask for release (EVT11); the peer may still send data until it agrees."""
        return self._step(Event.EVT11)

    def respond_release(self) -> list[Effect]:
        """Agree to the release that was indicated (EVT14)."""
        return self._step(Event.EVT14)

    def abort(
        self,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> list[Effect]:
        """End the association at once (EVT15)."""
        return self._step(Event.EVT15, AAbort(source, reason))

    # --- inputs of transport and timer; none of them means anything once the association is over

    def transport_connected(self) -> list[Effect]:
        """The transport connection is open: for a requestor confirmed (EVT2), for an acceptor indicated (EVT5)."""
        return self._step(Event.EVT2 if self.is_requestor else Event.EVT5)

    def transport_closed(self) -> list[Effect]:
        """The transport connection is closed, was lost, or could not be opened (EVT17)."""
        return [] if self.is_over else self._step(Event.EVT17)

    def artim_expired(self) -> list[Effect]:
        """The time that StartARTIM began is over (EVT18)."""
        return [] if self.is_over else self._step(Event.EVT18)

    def receive(self, data: Buffer, length: int = -1) -> list[Effect]:
        """Take bytes of the transport connection, cut anywhere: the first `length` of `data`, by default all.

        The views in Data effects are views of `data`.
        """
        if self.is_over:
            return []
        if self._reader is None:
            raise LocalProtocolError("bytes for a replayed association, which takes items", state=self.state)
        if self.state is State.STA1 or self.state is State.STA4:
            raise LocalProtocolError("bytes received without a transport connection", state=self.state)
        return self.receive_items(self._reader.feed(data, length))

    def receive_items(self, items: Iterable[StreamItem]) -> list[Effect]:
        """Take what a PDUReader has made of such bytes."""
        effects: list[Effect] = []
        for item in items:
            if type(item) is PDVRun:
                # The way of nearly all items, without the table: DT_2, as in any state that has it.
                if self.state is State.STA6:
                    error = self._fault_in(item)
                    if error is None:
                        effects.append(Data(item))
                        continue
                    self._perform(Event.EVT19, error, effects)
                elif not self.is_over:
                    self._receive_data(item, effects)
            elif not self.is_over:
                self._receive_control(item, effects)
        return effects

    def replay_sent(self, item: StreamItem) -> list[Effect]:
        """Take what the replayed side has sent.  LocalProtocolError when it was not allowed to.

        What cannot be read changes nothing here: the side that receives it judges it.
        """
        if not self._is_replay:
            raise LocalProtocolError("sent items are for replayed associations", state=self.state)
        if isinstance(item, PDVRun):
            return self._step(Event.EVT9, item.views)
        if isinstance(item, InvalidPDU):
            return []
        try:
            pdu = decode_pdu(item.data, max_control_length=self._max_control_length)
        except RemoteProtocolError:
            return []
        match pdu:
            case AAssociateRQ():
                effects = self._step(Event.EVT1, pdu)
                return effects + self._step(Event.EVT2)
            case AAssociateAC():
                return self._step(Event.EVT7, pdu)
            case AAssociateRJ():
                return self._step(Event.EVT8, pdu)
            case AReleaseRQ():
                return self._step(Event.EVT11)
            case AReleaseRP():
                return self._step(Event.EVT14)
            case AAbort() if self.state is State.STA13:
                return []  # the A-ABORT of an action before, now seen
            case AAbort():
                return self._step(Event.EVT15, pdu)
        raise LocalProtocolError(_NOT_AS_CONTROL, state=self.state)

    # --- what was received

    def _receive_data(self, run: PDVRun, effects: list[Effect]) -> None:
        try:
            self._perform(Event.EVT10, run, effects)
        except RemoteProtocolError as error:
            self._perform(Event.EVT19, error, effects)

    def _receive_control(self, item: ControlPDU | InvalidPDU, effects: list[Effect]) -> None:
        try:
            if isinstance(item, InvalidPDU):
                raise RemoteProtocolError(item.message, abort_reason=item.abort_reason)
            pdu = decode_pdu(item.data, max_control_length=self._max_control_length)
            event = RECEIVED.get(pdu.pdu_type)
            if event is None:
                raise LocalProtocolError(_NOT_AS_CONTROL, state=self.state)
            self._perform(event, pdu, effects)
        except RemoteProtocolError as error:
            self._perform(Event.EVT19, error, effects)
