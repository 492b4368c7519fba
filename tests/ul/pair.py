"""Two associations back to back in memory, and one in any state that is wanted."""

from __future__ import annotations

from _dicomwire.pdv import message_buffers
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    Verification,
)
from dicomwire.ul.association import Association
from dicomwire.ul.codes import AbortReason, AbortSource
from dicomwire.ul.effects import CloseTransport, Connect, Data, Effect, Indicate, Send, StartARTIM, StopARTIM
from dicomwire.ul.items import (
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    ProposedContext,
    UserInformation,
)
from dicomwire.ul.negotiation import negotiate
from dicomwire.ul.pdu import PDV, AAbort, AAssociateAC, AAssociateRJ, AAssociateRQ, AReleaseRP, AReleaseRQ, PDataTF
from dicomwire.ul.policy import NO_REASON, AcceptorPolicy
from dicomwire.ul.state import Event, State

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
POLICY = AcceptorPolicy(supported={Verification: SYNTAXES, CTImageStorage: SYNTAXES}, max_pdu_length=16384)
# Context 5 is refused: MR images are not supported.
REQUEST = AAssociateRQ(
    called_ae_title="SCP",
    calling_ae_title="SCU",
    presentation_contexts=(
        ProposedContext(1, Verification, SYNTAXES),
        ProposedContext(3, CTImageStorage, SYNTAXES),
        ProposedContext(5, MRImageStorage, SYNTAXES),
    ),
    user_information=UserInformation(
        (MaximumLength(16384), ImplementationClassUID(UID("1.2.3.4")), ImplementationVersionName("TEST"))
    ),
)
_accept = negotiate(REQUEST, POLICY)
assert isinstance(_accept, AAssociateAC)
ACCEPT: AAssociateAC = _accept
REJECT: AAssociateRJ = NO_REASON
P_DATA = PDataTF((PDV(1, True, True, b"command!"),))
ABORT = AAbort(AbortSource.SERVICE_USER)
PROVIDER_ABORT = AAbort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU)
UNKNOWN_PDU = bytes.fromhex("09 00 00000004 00000000")

# What a peer can send, by the event that its arrival is.
RECEIVED = {
    Event.EVT3: ACCEPT.encode(),
    Event.EVT4: REJECT.encode(),
    Event.EVT6: REQUEST.encode(),
    Event.EVT10: P_DATA.encode(),
    Event.EVT12: AReleaseRQ().encode(),
    Event.EVT13: AReleaseRP().encode(),
    Event.EVT16: ABORT.encode(),
    Event.EVT19: UNKNOWN_PDU,
}
# The states that each side can be in.
STATES = {
    True: [State[f"STA{number}"] for number in (1, 4, 5, 6, 7, 8, 9, 11, 13)],
    False: [State[f"STA{number}"] for number in (1, 2, 3, 6, 7, 8, 10, 12, 13)],
}


def at(state: State, is_requestor: bool) -> Association:
    """An association in this state."""
    if is_requestor:
        association = Association.requestor(REQUEST)
        if state is State.STA1:
            return association
        association.connect()
        if state is not State.STA4:
            association.transport_connected()
            if state is not State.STA5:
                association.receive(RECEIVED[Event.EVT3])
    else:
        association = Association.acceptor(POLICY)
        if state is State.STA1:
            return association
        association.transport_connected()
        if state is not State.STA2:
            association.receive(RECEIVED[Event.EVT6])
            if state is not State.STA3:
                association.respond()
    if state in (State.STA7, State.STA9, State.STA10, State.STA11, State.STA12):
        association.release()
    if state in (State.STA8, State.STA9, State.STA10, State.STA11, State.STA12):
        association.receive(RECEIVED[Event.EVT12])
    if state is State.STA11:
        association.respond_release()
    if state is State.STA12:
        association.receive(RECEIVED[Event.EVT13])
    if state is State.STA13:
        association.abort()
    assert association.state is state
    return association


def drive(association: Association, event: Event) -> list[Effect]:
    """Give the association this event, through its inputs where the side has one for it."""
    if event in RECEIVED:
        if association.state in (State.STA1, State.STA4):
            return association._step(event)
        return association.receive(RECEIVED[event])
    match event:
        case Event.EVT1:
            return association.connect()
        case Event.EVT2 if association.is_requestor:
            return association.transport_connected()
        case Event.EVT5 if not association.is_requestor:
            return association.transport_connected()
        case Event.EVT7:
            return association.accept(ACCEPT)
        case Event.EVT8:
            return association.reject(REJECT)
        case Event.EVT9:
            return association.send([P_DATA.encode()])
        case Event.EVT11:
            return association.release()
        case Event.EVT14:
            return association.respond_release()
        case Event.EVT15:
            return association.abort()
        case Event.EVT17:
            return association.transport_closed()
        case Event.EVT18:
            return association.artim_expired()
    return association._step(event)


class Side:
    """A driver of one association: keeps what it performs."""

    def __init__(self, association: Association) -> None:
        self.association = association
        self.sent = bytearray()
        self.primitives: list[object] = []
        self.messages: list[tuple[int, bool, bytes]] = []
        self.closes = self.timer = self.connects = False
        self._part = b""

    def perform(self, effects: list[Effect]) -> None:
        assert not (self.closes and effects), effects
        for effect in effects:
            match effect:
                case Send(buffers):
                    for buffer in buffers:
                        self.sent += buffer
                case Indicate(primitive):
                    self.primitives.append(primitive)
                case Data(run):
                    self._part += b"".join(run.views)
                    if run.is_last:
                        self.messages.append((run.context_id, run.is_command, self._part))
                        self._part = b""
                case StartARTIM():
                    self.timer = True
                case StopARTIM():
                    self.timer = False
                case CloseTransport():
                    self.closes = True
                case Connect():
                    self.connects = True
        # ARTIM runs in the two states in which the peer is to act, and only there.
        assert self.timer == (self.association.state in (State.STA2, State.STA13))
        assert not self.closes or self.association.is_over

    def last(self) -> object:
        return self.primitives[-1]


class Pair:
    """Requestor and acceptor with a wire between them that delivers when told to."""

    def __init__(self, request: AAssociateRQ = REQUEST, policy: AcceptorPolicy = POLICY, chunk: int = 1 << 30) -> None:
        self.requestor = Side(Association.requestor(request))
        self.acceptor = Side(Association.acceptor(policy))
        self.chunk = chunk

    def open(self) -> Pair:
        """Connect, and deliver the request."""
        self.requestor.perform(self.requestor.association.connect())
        assert self.requestor.connects
        self.acceptor.perform(self.acceptor.association.transport_connected())
        self.requestor.perform(self.requestor.association.transport_connected())
        self.deliver()
        return self

    def establish(self) -> Pair:
        """Open, and let the acceptor answer by its policy."""
        self.open()
        if self.acceptor.association.state is State.STA3:
            self.acceptor.perform(self.acceptor.association.respond())
            self.deliver()
        return self

    def deliver(self) -> None:
        """Carry bytes to and fro until none are left; then tell each side of the other's closing."""
        sides = (self.requestor, self.acceptor)
        while self.requestor.sent or self.acceptor.sent:
            for sender, receiver in (sides, sides[::-1]):
                self.carry(sender, receiver)
        for side, other in (sides, sides[::-1]):
            if side.closes and not other.association.is_over:
                other.perform(other.association.transport_closed())

    def carry(self, sender: Side, receiver: Side) -> None:
        """Carry what one side has sent so far; a receiver that has closed does not read it."""
        data, sender.sent = bytes(sender.sent), bytearray()
        for start in range(0, len(data), self.chunk):
            if not receiver.closes:
                receiver.perform(receiver.association.receive(data[start : start + self.chunk]))

    def message(self, sender: Side, context_id: int, command: bytes, data_set: bytes | None = None) -> None:
        """Send a message; it is not yet delivered."""
        negotiated = sender.association.negotiated
        assert negotiated is not None
        buffers = message_buffers(context_id, command, data_set, negotiated.max_pdu_length_to_send)
        sender.perform(sender.association.send(buffers))
