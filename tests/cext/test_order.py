"""Legality of PDUs from the middle of the wire: illegal only if no order that the acknowledgements allow permits it."""

from __future__ import annotations

import itertools

import pytest

from _dicomwire.order import OrderReplay
from dicomwire.monitor.analyzing import TABLE
from dicomwire.ul.state import TRANSITIONS, Event, State

CLIENT, SERVER = 0, 1
RQ, AC, RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
SIZE = 10  # of every PDU here


class Wire:
    """PDUs of both ends, ten bytes each; ``knows`` says how many of the peer's its sender has received."""

    def __init__(self, requestor: int = CLIENT) -> None:
        self.replay = OrderReplay(TABLE, requestor)
        self.sent = [0, 0]

    def say(self, side: int, pdu_type: int, knows: int | None = None) -> int:
        self.sent[side] += 1
        known = self.sent[1 - side] if knows is None else knows
        return self.replay.sent(side, pdu_type, self.sent[side] * SIZE, known * SIZE, self.sent[1 - side] * SIZE)

    def open(self) -> None:
        assert self.say(CLIENT, RQ) == 0
        assert self.say(SERVER, AC) == 0


def test_a_usual_association_is_legal_and_flows() -> None:
    wire = Wire()
    wire.open()
    for side in (CLIENT, SERVER, CLIENT, CLIENT, SERVER):
        assert wire.say(side, DATA) == 0
    assert wire.replay.is_flowing
    assert wire.say(CLIENT, RELEASE_RQ) == 0
    assert wire.say(SERVER, RELEASE_RP) == 0
    assert wire.replay.finish() == 0
    assert not wire.replay.is_lost


@pytest.mark.parametrize(
    ("said", "illegal"),
    [
        ([(CLIENT, DATA)], 1),  # before the request
        ([(SERVER, AC)], 1),
        ([(SERVER, RQ)], 1),  # of who did not open the connection
        ([(CLIENT, RQ), (CLIENT, DATA)], 1),
        ([(CLIENT, RQ), (CLIENT, RQ)], 1),
        ([(CLIENT, RQ), (SERVER, RJ), (CLIENT, DATA)], 1),
        ([(CLIENT, RQ), (SERVER, RJ)], 0),
        ([(CLIENT, RQ), (CLIENT, ABORT)], 0),
        ([(CLIENT, RQ), (SERVER, ABORT)], 0),
        ([(CLIENT, RQ), (SERVER, AC), (CLIENT, AC)], 1),
        ([(CLIENT, RQ), (SERVER, AC), (SERVER, DATA)], 0),
        ([(CLIENT, RQ), (SERVER, AC), (CLIENT, RELEASE_RQ), (CLIENT, DATA)], 1),
        ([(CLIENT, RQ), (SERVER, AC), (CLIENT, RELEASE_RQ), (SERVER, DATA), (SERVER, RELEASE_RP)], 0),
        ([(CLIENT, RQ), (SERVER, AC), (CLIENT, RELEASE_RP)], 1),
        ([(CLIENT, RQ), (SERVER, AC), (CLIENT, ABORT), (CLIENT, DATA), (CLIENT, DATA)], 2),
        ([(CLIENT, RQ), (SERVER, AC), (SERVER, RELEASE_RQ), (CLIENT, RELEASE_RP)], 0),
        ([(CLIENT, 0)], 1),  # what is no PDU, which is answered by an abort
        ([(CLIENT, 0), (SERVER, ABORT)], 1),
        ([(SERVER, ABORT)], 1),
    ],
)
def test_sequences(said: list[tuple[int, int]], illegal: int) -> None:
    wire = Wire()
    for side, pdu_type in said:
        wire.say(side, pdu_type)
    assert wire.replay.finish() == illegal


def test_data_that_crosses_a_release_is_legal() -> None:
    """The server had not received the release when it sent; who had may not send any more requests' answers."""
    wire = Wire()
    wire.open()
    wire.say(CLIENT, RELEASE_RQ)
    assert wire.say(SERVER, DATA, knows=1) == 0
    assert wire.say(SERVER, RELEASE_RP) == 0
    assert wire.say(SERVER, DATA) == 1  # behind its own answer in any order


def test_what_the_sender_cannot_have_known_does_not_excuse_it() -> None:
    wire = Wire()
    wire.say(CLIENT, RQ)
    wire.say(SERVER, AC)
    assert wire.say(CLIENT, DATA, knows=0) == 1  # sent before the acceptance had come
    wire = Wire()
    wire.open()
    assert wire.say(CLIENT, DATA, knows=1) == 0


def test_a_collision_of_releases_takes_every_legal_course() -> None:
    wire = Wire()
    wire.open()
    assert wire.say(CLIENT, RELEASE_RQ) == 0
    assert wire.say(SERVER, RELEASE_RQ, knows=1) == 0  # crossed
    assert wire.say(CLIENT, RELEASE_RP) == 0  # the requestor answers first
    assert wire.say(SERVER, RELEASE_RP) == 0
    assert wire.replay.finish() == 0
    wire = Wire()
    wire.open()
    wire.say(CLIENT, RELEASE_RQ)
    wire.say(SERVER, RELEASE_RQ, knows=1)
    assert wire.say(SERVER, RELEASE_RP) == 1  # the acceptor waits for the requestor's answer


def test_a_capture_that_shows_the_answer_first_waits_for_the_question() -> None:
    """Two mirrored directions are merged in the wrong order: what is acknowledged comes later."""
    replay = OrderReplay(TABLE, CLIENT)
    assert replay.sent(SERVER, AC, SIZE, SIZE, 0) == 0  # knows ten bytes of which none was seen
    assert replay.sent(CLIENT, RQ, SIZE, 0, SIZE) == 0
    assert replay.finish() == 0
    replay = OrderReplay(TABLE, CLIENT)
    assert replay.sent(SERVER, AC, SIZE, SIZE, 0) == 0
    assert replay.finish() == 1  # nothing came that would explain it


def test_an_association_from_its_middle_is_judged_by_what_is_impossible_in_any_state() -> None:
    replay = OrderReplay(TABLE, -1)
    assert replay.sent(CLIENT, DATA, SIZE, 0, 0) == 0
    assert replay.sent(SERVER, DATA, SIZE, SIZE, SIZE) == 0
    assert replay.sent(CLIENT, RELEASE_RQ, 2 * SIZE, SIZE, SIZE) == 0
    assert replay.sent(CLIENT, DATA, 3 * SIZE, SIZE, SIZE) == 1


def test_endless_control_pdus_stop_the_judgement_without_harm() -> None:
    wire = Wire()
    for pdu_type in itertools.islice(itertools.cycle([RQ, AC, RELEASE_RQ, ABORT, RJ]), 1000):
        wire.say(SERVER, pdu_type, knows=0)
    assert wire.replay.is_lost
    count = wire.replay.finish()
    wire.say(CLIENT, DATA)
    assert wire.replay.finish() == count


def slow_is_legal(said: list[tuple[int, int, int]]) -> int:
    """The number of illegal PDUs by trying every order, as the set of all (state, read) of each end."""
    received = {
        RQ: Event.EVT6, AC: Event.EVT3, RJ: Event.EVT4, DATA: Event.EVT10, RELEASE_RQ: Event.EVT12,
        RELEASE_RP: Event.EVT13, ABORT: Event.EVT16,
    }  # fmt: skip
    sending = {
        RQ: Event.EVT2, AC: Event.EVT7, RJ: Event.EVT8, DATA: Event.EVT9, RELEASE_RQ: Event.EVT11,
        RELEASE_RP: Event.EVT14, ABORT: Event.EVT15,
    }  # fmt: skip
    ways: list[set[tuple[str, int]]] = [{("STA4", 0)}, {("STA2", 0)}]
    streams: list[list[int]] = [[], []]
    illegal = 0
    for side, pdu_type, knows in said:
        reached = set(ways[side])
        todo = list(reached)
        while todo:
            state, read = todo.pop()
            if read >= knows:
                continue
            event = received[streams[1 - side][read]]
            cell = TRANSITIONS.get((State(state), event)) if state != "abort" else None
            if cell is None:
                continue
            if cell.action.value in ("AA_1", "AA_7", "AA_8"):
                after = "abort"
            elif cell.action.value == "AE_6":
                after = "STA3"
            else:
                after = cell.next_states[-1 if side == SERVER else 0].value
            if (after, read + 1) not in reached:
                reached.add((after, read + 1))
                todo.append((after, read + 1))
        allowed = set()
        for state, read in reached:
            if state == "abort":
                if pdu_type == ABORT:
                    allowed.add(("STA13", read))
                continue
            cell = TRANSITIONS.get((State(state), sending[pdu_type]))
            if cell is not None and cell.action.value != "AA_2":
                allowed.add((cell.next_states[0].value, read))
        if allowed:
            ways[side] = allowed
        else:
            illegal += 1
        streams[side].append(pdu_type)
    return illegal


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_the_replay_agrees_with_the_twin(length: int) -> None:
    """All sequences of PDUs, each sender knowing everything, nothing, or all but the last."""
    kinds = [(side, pdu_type) for side in (CLIENT, SERVER) for pdu_type in range(1, 8)]
    count = 0
    for said in itertools.product(kinds, repeat=length):
        if length == 4 and said[0] != (CLIENT, RQ):
            continue  # otherwise all is illegal from the start
        for lag in (0, 1, 99):
            wire = Wire()
            sent = [0, 0]
            told = []
            for side, pdu_type in said:
                knows = max(0, sent[1 - side] - lag)
                sent[side] += 1
                told.append((side, pdu_type, knows))
                found = wire.say(side, pdu_type, knows=knows)
            assert found == slow_is_legal(told), told
            count += 1
    assert count >= 3 * 14
