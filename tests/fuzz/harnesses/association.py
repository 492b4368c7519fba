"""Any inputs in any state give effects that fit together, or LocalProtocolError, wherever received bytes are cut."""

from dataclasses import replace

from dicomwire.errors import LocalProtocolError
from dicomwire.ul.pdu import PDV, PDataTF
from dicomwire.ul.state import Event, State
from tests.fuzz.harness import Harness
from tests.ul.pair import RECEIVED, REQUEST, STATES, Side, at, drive

DATA = [
    PDataTF((PDV(context, bool(control & 1), bool(control & 2), bytes(size)),)).encode()
    for context in (1, 3, 5)
    for control in range(4)
    for size in (0, 2, 17)
]
PDUS = [*RECEIVED.values(), *DATA, replace(REQUEST, protocol_version=0).encode(), b"GET / HTTP/1.1\r\n", b""]
LOCAL = [event for event in Event if event not in RECEIVED]
BYTES, BYTES_OF_PDU = 64, 128  # an input below the first is an event; below the second, bytes; else a PDU


def give(side: Side, event: Event) -> None:
    """An input of the local user, of the transport or of the timer; one that is not allowed changes nothing."""
    before, refused = side.association.state, None
    try:
        side.perform(drive(side.association, event))
    except LocalProtocolError as error:
        refused = error
    assert refused is None or refused.state == before == side.association.state


def receive(side: Side, data: bytes) -> None:
    """Bytes from the transport; refused where there is none."""
    association = side.association
    if association.state in (State.STA1, State.STA4) and not association.is_over:
        try:
            association.receive(data)
        except LocalProtocolError:
            return
        raise AssertionError("bytes without a connection")
    side.perform(association.receive(data))


def side_at(is_requestor: bool, index: int) -> Side:
    """A side in one of its nine states."""
    state = STATES[is_requestor][index]
    side = Side(at(state, is_requestor))
    side.timer = state in (State.STA2, State.STA13)
    return side


def run(data: bytes) -> None:
    """The side and its state; then inputs: an event, a length and bytes, or a PDU, a place in it and its new byte."""
    if not data:
        return
    is_requestor, index = bool(data[0] & 1), (data[0] >> 1) % 9
    whole, parts = side_at(is_requestor, index), side_at(is_requestor, index)
    position = 1
    while position < len(data):
        choice = data[position]
        position += 1
        if choice < BYTES:
            event = LOCAL[choice % len(LOCAL)]
            # The side decides which of these two an opened connection is.
            if event is not (Event.EVT5 if is_requestor else Event.EVT2):
                give(whole, event)
                give(parts, event)
            continue
        if choice < BYTES_OF_PDU:
            size = choice - BYTES
            received = data[position : position + size]
            position += size
        else:
            changed = bytearray(PDUS[choice % len(PDUS)])
            place, value = (*data[position : position + 2], 0, 0)[:2]
            position += 2
            if place and changed:
                changed[place % len(changed)] = value
            received = bytes(changed)
        cut = len(received) * (choice & 7) // 8
        receive(whole, received)
        receive(parts, received[:cut])
        receive(parts, received[cut:])
    for side in (whole, parts):
        violation = side.association.violation
        if violation is not None:
            assert violation.state in list(State)
            assert violation.event in list(Event)
    assert parts.association.state is whole.association.state
    assert (parts.sent, parts.primitives, parts.messages) == (whole.sent, whole.primitives, whole.messages)


def starts() -> list[bytes]:
    """Each state with every event, and with every PDU after another."""
    sides = range(18)
    events = bytes(range(len(LOCAL)))
    first = BYTES_OF_PDU + -BYTES_OF_PDU % len(PDUS)
    pdus = [bytes([first + number, 0, 0]) for number in range(len(PDUS))]
    return [
        *(bytes([side]) + events for side in sides),
        *(bytes([side]) + events[::-1] for side in sides),
        *(bytes([side]) + pdu + bytes([number]) for side in sides for number, pdu in enumerate(pdus[:12])),
        *(bytes([side]) + b"".join(pdus) for side in sides),
        *(bytes([side, BYTES + len(PDUS[6])]) + PDUS[6] for side in sides),
    ]


HARNESS = Harness("association", starts, run, (b"\4\0\0\0\0\6", b"\0\0\0\4", b"\7\0\0\0\0\4", b"\xff\xff\xff\xff"), 256)
