"""The actions of the Upper Layer's state machine, and the step that the table says (PS3.8 section 9.2).

`dicomwire.ul.state` holds the table, `dicomwire.ul.association` turns inputs into events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from _dicomwire.pdu import PDUReader, PDVRun
from dicomwire.errors import LocalProtocolError, RemoteProtocolError
from dicomwire.ul.codes import AbortReason, AbortSource
from dicomwire.ul.effects import (
    Aborted,
    AssociateConfirmation,
    AssociateIndication,
    CloseTransport,
    Connect,
    Data,
    Effect,
    Indicate,
    Rejected,
    ReleaseConfirmation,
    ReleaseIndication,
    Send,
    StartARTIM,
    StopARTIM,
)
from dicomwire.ul.negotiation import AcceptedContext, Negotiated, reject_by_provider
from dicomwire.ul.pdu import AAbort, AAssociateAC, AAssociateRJ, AAssociateRQ, AReleaseRP, AReleaseRQ
from dicomwire.ul.policy import AcceptorPolicy
from dicomwire.ul.state import TRANSITIONS, Action, Event, State

if TYPE_CHECKING:
    from typing_extensions import Buffer

RECEIVED = {
    AAssociateRQ.pdu_type: Event.EVT6,
    AAssociateAC.pdu_type: Event.EVT3,
    AAssociateRJ.pdu_type: Event.EVT4,
    AReleaseRQ.pdu_type: Event.EVT12,
    AReleaseRP.pdu_type: Event.EVT13,
    AAbort.pdu_type: Event.EVT16,
}
"""What the arrival of a PDU is; that of a P-DATA-TF is EVT10."""

_NO_CONTEXTS: Mapping[int, AcceptedContext] = {}
_NOTHING = -1
_RELEASE_RQ, _RELEASE_RP = AReleaseRQ().encode(), AReleaseRP().encode()


class Machine:
    """State of one side of an association, and what events do to it."""

    __slots__ = (
        "__weakref__",
        "_command_context",
        "_contexts",
        "_is_replay",
        "_max_control_length",
        "_open_part",
        "_policy",
        "_reader",
        "_request",
        "_started",
        "is_requestor",
        "negotiated",
        "rejection",
        "state",
        "violation",
    )

    state: State
    negotiated: Negotiated | None
    violation: RemoteProtocolError | None
    rejection: AAssociateRJ | None
    _reader: PDUReader | None
    _contexts: Mapping[int, AcceptedContext]

    def __init__(
        self,
        *,
        is_requestor: bool,
        request: AAssociateRQ | None,
        policy: AcceptorPolicy | None,
        reader: PDUReader | None,
        max_control_length: int,
    ) -> None:
        self.is_requestor = is_requestor
        self.state = State.STA1
        self.negotiated = self.violation = self.rejection = None
        self._request = request
        self._policy = policy
        self._reader = reader
        self._max_control_length = max_control_length
        self._is_replay = reader is None
        self._started = False
        self._contexts = _NO_CONTEXTS
        # Where in a message the peer is: what is begun, and which context's command is complete (PS3.8 Annex E).
        self._open_part = self._command_context = _NOTHING

    @property
    def is_established(self) -> bool:
        """True while data may flow in both directions."""
        return self.state is State.STA6

    @property
    def is_over(self) -> bool:
        """True when there was an association, or an attempt, and its transport connection is closed or to be closed."""
        return self._started and self.state is State.STA1

    @property
    def request(self) -> AAssociateRQ | None:
        """The A-ASSOCIATE-RQ, until the association is established."""
        return self._request

    def __repr__(self) -> str:
        side = "requestor" if self.is_requestor else "acceptor"
        return f"<{type(self).__name__} {side} {self.state}: {self.state.meaning}>"

    # --- events

    def _step(self, event: Event, cause: object = None) -> list[Effect]:
        effects: list[Effect] = []
        self._perform(event, cause, effects)
        return effects

    def _perform(self, event: Event, cause: object, effects: list[Effect]) -> None:
        """Do what the table says; nothing has changed when this raises."""
        cell = TRANSITIONS.get((self.state, event))
        if cell is None:
            raise self._not_allowed(event)
        chosen = _ACTIONS[cell.action](self, cause, effects)
        self.state = cell.next_states[0] if chosen is None else chosen
        self._started = True
        if self.state is State.STA1:
            self._reader = None
            self._contexts = _NO_CONTEXTS

    def _not_allowed(self, event: Event) -> LocalProtocolError:
        when = "the association is over" if self.is_over else self.state.meaning
        return LocalProtocolError(
            f"{event.meaning}: not allowed now ({when})", state=self.state, event=event, section="PS3.8 Table 9-10"
        )

    def _fault_in(self, run: PDVRun) -> RemoteProtocolError | None:
        """Return what is wrong with a piece of a message at this place, None if nothing is (PS3.8 Annex E)."""
        context_id = run.context_id
        part = context_id << 1 | run.is_command
        if part != self._open_part:
            if self._open_part != _NOTHING:
                return RemoteProtocolError(
                    f"PDV of context {context_id} inside of a message in context {self._open_part >> 1}, or of the "
                    "other kind before the last fragment",
                    abort_reason=AbortReason.UNEXPECTED_PDU_PARAMETER,
                    section="PS3.8 section E.1",
                )
            if context_id not in self._contexts:
                return RemoteProtocolError(
                    f"PDV in context {context_id}, which was not accepted",
                    abort_reason=AbortReason.INVALID_PDU_PARAMETER_VALUE,
                    section="PS3.8 section 9.3.5.1",
                )
            if not run.is_command and context_id != self._command_context:
                return RemoteProtocolError(
                    f"data set in context {context_id} without a command before it",
                    abort_reason=AbortReason.UNEXPECTED_PDU_PARAMETER,
                    section="PS3.8 section E.1",
                )
        if run.is_last:
            self._open_part = _NOTHING
            self._command_context = context_id if run.is_command else _NOTHING
        else:
            self._open_part = part
        return None

    def _note_violation(self, cause: object) -> RemoteProtocolError:
        """Return what the peer did wrong, in this state, by what the action was called for; the first one is kept."""
        if isinstance(cause, RemoteProtocolError):
            error, event = cause, Event.EVT19
        else:
            name = "P-DATA-TF" if isinstance(cause, PDVRun) else getattr(cause, "name", "PDU")
            event = Event.EVT10 if isinstance(cause, PDVRun) else RECEIVED[getattr(cause, "pdu_type", 0)]
            error = RemoteProtocolError(
                f"{name} received: {self.state.meaning}",
                abort_reason=AbortReason.UNEXPECTED_PDU,
                section="PS3.8 Table 9-10",
            )
        error.state, error.event = str(self.state), str(event)
        error.with_traceback(None)  # its frames hold this object: a cycle in each association that went wrong
        if self.violation is None:
            self.violation = error
        return error

    # --- actions: association establishment (PS3.8 Table 9-6)

    def _ae_1(self, request: AAssociateRQ, effects: list[Effect]) -> None:
        if not self.is_requestor or self._started:
            raise self._not_allowed(Event.EVT1)
        self._request = request
        effects.append(Connect())

    def _ae_2(self, _: None, effects: list[Effect]) -> None:
        assert self._request is not None
        effects.append(Send([self._request.encode()]))

    def _ae_3(self, accept: AAssociateAC, effects: list[Effect]) -> None:
        effects.append(Indicate(AssociateConfirmation(accept, self._establish(accept))))

    def _ae_4(self, reject: AAssociateRJ, effects: list[Effect]) -> None:
        self.rejection = reject
        effects += (Indicate(Rejected(reject)), CloseTransport())

    def _ae_5(self, _: None, effects: list[Effect]) -> None:
        if self.is_requestor or self._started:
            raise self._not_allowed(Event.EVT5)
        effects.append(StartARTIM())

    def _ae_6(self, request: AAssociateRQ, effects: list[Effect]) -> State:
        rejection = None if self._policy is None else reject_by_provider(request, self._policy)
        effects.append(StopARTIM())
        self._request = request
        if rejection is None:
            effects.append(Indicate(AssociateIndication(request)))
            return State.STA3
        self._ae_8(rejection, effects)
        return State.STA13

    def _ae_7(self, accept: AAssociateAC, effects: list[Effect]) -> None:
        encoded = accept.encode()
        self._establish(accept)
        effects.append(Send([encoded]))

    def _ae_8(self, reject: AAssociateRJ, effects: list[Effect]) -> None:
        self.rejection = reject
        effects += (Send([reject.encode()]), StartARTIM())

    def _establish(self, accept: AAssociateAC) -> Negotiated:
        assert self._request is not None
        negotiated = Negotiated.of(self._request, accept, self.is_requestor)
        if negotiated.deviations and not self.is_requestor and not self._is_replay:
            raise LocalProtocolError(
                f"acceptance of what was not proposed: {negotiated.deviations[0]}", state=self.state, event=Event.EVT7
            )
        if self._reader is not None:
            self._reader.max_pdu_length = negotiated.max_pdu_length_to_receive
        self.negotiated = negotiated
        self._contexts = negotiated.contexts
        self._request = None
        return negotiated

    # --- actions: data transfer (PS3.8 Table 9-7)

    def _dt_1(self, buffers: Sequence[Buffer], effects: list[Effect]) -> None:
        effects.append(Send(buffers))

    def _dt_2(self, run: PDVRun, effects: list[Effect]) -> None:
        error = self._fault_in(run)
        if error is not None:
            raise error
        effects.append(Data(run))

    # --- actions: release (PS3.8 Table 9-8)

    def _ar_1(self, _: None, effects: list[Effect]) -> None:
        effects.append(Send([_RELEASE_RQ]))

    def _ar_2(self, _: AReleaseRQ, effects: list[Effect]) -> None:
        effects.append(Indicate(ReleaseIndication()))

    def _ar_3(self, _: AReleaseRP, effects: list[Effect]) -> None:
        effects += (Indicate(ReleaseConfirmation()), CloseTransport())

    def _ar_4(self, _: None, effects: list[Effect]) -> None:
        effects += (Send([_RELEASE_RP]), StartARTIM())

    def _ar_5(self, _: None, effects: list[Effect]) -> None:
        effects.append(StopARTIM())

    def _ar_8(self, _: AReleaseRQ, effects: list[Effect]) -> State:
        effects.append(Indicate(ReleaseIndication(collision=True)))
        return State.STA9 if self.is_requestor else State.STA10

    def _ar_9(self, _: None, effects: list[Effect]) -> None:
        effects.append(Send([_RELEASE_RP]))

    def _ar_10(self, _: AReleaseRP, effects: list[Effect]) -> None:
        effects.append(Indicate(ReleaseConfirmation()))

    # --- actions: abort (PS3.8 Table 9-9)

    def _aa_1(self, cause: object, effects: list[Effect]) -> None:
        if isinstance(cause, AAbort):
            abort = cause
        else:
            self._note_violation(cause)
            abort = AAbort()
        effects += (Send([abort.encode()]), StartARTIM())

    def _aa_2(self, _: object, effects: list[Effect]) -> None:
        effects += (StopARTIM(), CloseTransport())

    def _aa_3(self, abort: AAbort, effects: list[Effect]) -> None:
        by_provider = abort.source != AbortSource.SERVICE_USER
        effects += (
            Indicate(Aborted(abort.source, abort.reason, by_provider, f"aborted by the peer: {abort}")),
            CloseTransport(),
        )

    def _aa_4(self, _: None, effects: list[Effect]) -> None:
        message = f"transport connection closed: {self.state.meaning}"
        if self.state is State.STA6:
            message = "transport connection closed without a release"
        elif self.state is State.STA5:
            message = (
                "transport connection closed where the answer to A-ASSOCIATE-RQ was due "
                "(does the peer expect TLS, or a certificate?)"
            )
        effects.append(Indicate(Aborted(None, AbortReason.NOT_SPECIFIED, True, message)))

    def _aa_5(self, _: None, effects: list[Effect]) -> None:
        effects.append(StopARTIM())

    def _aa_6(self, _: object, effects: list[Effect]) -> None:
        pass

    def _aa_7(self, cause: object, effects: list[Effect]) -> None:
        error = self._note_violation(cause)
        effects.append(Send([_provider_abort(error).encode()]))

    def _aa_8(self, cause: object, effects: list[Effect]) -> None:
        error = self._note_violation(cause)
        abort = _provider_abort(error)
        effects += (
            Send([abort.encode()]),
            Indicate(Aborted(None, abort.reason, True, str(error), is_local=True)),
            StartARTIM(),
        )


def _provider_abort(error: RemoteProtocolError) -> AAbort:
    return AAbort(AbortSource.SERVICE_PROVIDER, AbortReason(error.abort_reason or 0))


_ACTIONS: dict[Action, Callable[..., State | None]] = {
    Action.AE_1: Machine._ae_1,
    Action.AE_2: Machine._ae_2,
    Action.AE_3: Machine._ae_3,
    Action.AE_4: Machine._ae_4,
    Action.AE_5: Machine._ae_5,
    Action.AE_6: Machine._ae_6,
    Action.AE_7: Machine._ae_7,
    Action.AE_8: Machine._ae_8,
    Action.DT_1: Machine._dt_1,
    Action.DT_2: Machine._dt_2,
    Action.AR_1: Machine._ar_1,
    Action.AR_2: Machine._ar_2,
    Action.AR_3: Machine._ar_3,
    Action.AR_4: Machine._ar_4,
    Action.AR_5: Machine._ar_5,
    Action.AR_6: Machine._dt_2,
    Action.AR_7: Machine._dt_1,
    Action.AR_8: Machine._ar_8,
    Action.AR_9: Machine._ar_9,
    Action.AR_10: Machine._ar_10,
    Action.AA_1: Machine._aa_1,
    Action.AA_2: Machine._aa_2,
    Action.AA_3: Machine._aa_3,
    Action.AA_4: Machine._aa_4,
    Action.AA_5: Machine._aa_5,
    Action.AA_6: Machine._aa_6,
    Action.AA_7: Machine._aa_7,
    Action.AA_8: Machine._aa_8,
}
