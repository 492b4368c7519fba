"""Two sides whose users do anything over a wire that adds bytes, and a monitor of others: no violation without noise.

Nothing hangs, nothing else is raised, what the driver is told stays consistent, and nothing comes after the end.
"""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from _dicomwire.pdu import PDUReader
from dicomwire.errors import LocalProtocolError
from dicomwire.ul.association import Association
from dicomwire.ul.codes import AbortReason, AbortSource
from dicomwire.ul.state import Event, State
from tests.fuzz.harnesses.association import PDUS, give
from tests.ul.pair import ABORT, ACCEPT, REJECT, UNKNOWN_PDU, Pair, Side, at


def mutated(data: bytes, position: int, value: int, cut: int) -> bytes:
    """The bytes with one of them changed, and without the last ones."""
    changed = bytearray(data)
    if changed:
        changed[position % len(changed)] = value
    return bytes(changed[: max(0, len(changed) - cut)])


wrong_pdus = st.builds(
    mutated, st.sampled_from(PDUS), st.integers(0, 400), st.integers(0, 255), st.one_of(st.just(0), st.integers(0, 40))
)
some_bytes = st.one_of(st.sampled_from(PDUS), wrong_pdus, st.binary(max_size=64))


class BackToBack(RuleBasedStateMachine):
    """Two well-behaved sides whose users do anything, and a wire that now and then adds bytes or breaks."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(chunk=11)
        self.sides = (self.pair.requestor, self.pair.acceptor)
        self.is_clean = True
        self.pair.requestor.perform(self.pair.requestor.association.connect())
        self.pair.acceptor.perform(self.pair.acceptor.association.transport_connected())
        self.pair.requestor.perform(self.pair.requestor.association.transport_connected())

    @rule(which=st.integers(0, 1))
    def carry(self, which: int) -> None:
        self.pair.carry(self.sides[which], self.sides[1 - which])

    @rule()
    def respond(self) -> None:
        acceptor = self.pair.acceptor
        if acceptor.association.state is State.STA3:
            acceptor.perform(acceptor.association.respond())

    @rule(which=st.integers(0, 1), event=st.sampled_from([Event.EVT11, Event.EVT14]))
    def user(self, which: int, event: Event) -> None:
        give(self.sides[which], event)

    @rule(which=st.integers(0, 1))
    def abort(self, which: int) -> None:
        give(self.sides[which], Event.EVT15)

    @rule(which=st.integers(0, 1), context_id=st.sampled_from([1, 3]), size=st.sampled_from([None, 0, 7, 40000]))
    def message(self, which: int, context_id: int, size: int | None) -> None:
        side = self.sides[which]
        if side.association.is_established:
            self.pair.message(side, context_id, b"command", None if size is None else bytes(size))

    @precondition(lambda self: not self.is_clean)
    @rule(which=st.integers(0, 1), data=some_bytes)
    def noise(self, which: int, data: bytes) -> None:
        self.sides[which].sent += data

    @rule()
    def let_noise_in(self) -> None:
        self.is_clean = False

    @rule(which=st.integers(0, 1))
    def timer(self, which: int) -> None:
        side = self.sides[which]
        if side.timer and not self.is_clean:
            side.perform(side.association.artim_expired())

    @invariant()
    def a_clean_wire_shows_no_violation(self) -> None:
        if self.is_clean:
            for side in self.sides:
                assert side.association.violation is None

    def teardown(self) -> None:
        self.pair.deliver()
        for side in self.sides:
            if not side.association.is_over:
                side.perform(side.association.transport_closed())
            assert side.association.is_over
            assert side.association.receive(ABORT.encode() + ACCEPT.encode() + REJECT.encode() + UNKNOWN_PDU) == []


TestBackToBack = BackToBack.TestCase


@given(st.booleans(), st.lists(some_bytes, max_size=8), st.lists(some_bytes, max_size=8))
def test_a_monitor_survives_anything(is_requestor, received, sent):
    """What others sent to each other gives effects, or an error of ours."""
    association = Association.replay(is_requestor=is_requestor)
    if not is_requestor:
        association.transport_connected()
    readers = PDUReader(), PDUReader()
    for index in range(8):
        for direction, chunks in enumerate((received, sent)):
            if index >= len(chunks):
                continue
            for item in readers[direction].feed(chunks[index]):
                before, effects = association.state, None
                with suppress(LocalProtocolError):
                    effects = association.replay_sent(item) if direction else association.receive_items([item])
                assert effects is not None or association.state is before


def test_abort_codes_of_callers_are_numbers():
    side = Side(at(State.STA6, True))
    side.perform(side.association.abort(AbortSource.SERVICE_PROVIDER, AbortReason.INVALID_PDU_PARAMETER_VALUE))
    assert side.sent == bytes.fromhex("07 00 00000004 0000 02 06")
