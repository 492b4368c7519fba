"""The state machine at work: each cell of its table, both sides back to back, and a peer that does not behave."""

from __future__ import annotations

import copy
import gc
import tracemalloc
import weakref
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.pdu import ControlPDU, InvalidPDU, PDUReader, PDVRun
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless
from dicomwire.errors import EncodeError, LocalProtocolError, RemoteProtocolError
from dicomwire.ul import policy as policies
from dicomwire.ul.association import Association
from dicomwire.ul.codes import AbortReason, AbortSource, UserIdentityType
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
from dicomwire.ul.items import ContextResult, MaximumLength, ProposedContext, UserIdentityRQ, UserInformation
from dicomwire.ul.pdu import (
    PDV,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
    PDataTF,
    decode_pdu,
)
from dicomwire.ul.policy import IdentityAnswer
from dicomwire.ul.state import TRANSITIONS, Action, Event, State
from tests.ul.pair import (
    ABORT,
    ACCEPT,
    P_DATA,
    POLICY,
    PROVIDER_ABORT,
    RECEIVED,
    REJECT,
    REQUEST,
    STATES,
    UNKNOWN_PDU,
    Pair,
    at,
    drive,
)

COMMAND, LAST = 1, 2  # bits of a message control header

BOTH = pytest.mark.parametrize("is_requestor", [True, False], ids=["requestor", "acceptor"])

# What each action consists of (PS3.8 Tables 9-6 to 9-9): effects, with the PDU sent or the primitive indicated.
EFFECTS = {
    Action.AE_1: [Connect],
    Action.AE_2: [AAssociateRQ],
    Action.AE_3: [AssociateConfirmation],
    Action.AE_4: [Rejected, CloseTransport],
    Action.AE_5: [StartARTIM],
    Action.AE_6: [StopARTIM, AssociateIndication],
    Action.AE_7: [AAssociateAC],
    Action.AE_8: [AAssociateRJ, StartARTIM],
    Action.DT_1: [PDataTF],
    Action.DT_2: [Data],
    Action.AR_1: [AReleaseRQ],
    Action.AR_2: [ReleaseIndication],
    Action.AR_3: [ReleaseConfirmation, CloseTransport],
    Action.AR_4: [AReleaseRP, StartARTIM],
    Action.AR_5: [StopARTIM],
    Action.AR_6: [Data],
    Action.AR_7: [PDataTF],
    Action.AR_8: [ReleaseIndication],
    Action.AR_9: [AReleaseRP],
    Action.AR_10: [ReleaseConfirmation],
    Action.AA_1: [AAbort, StartARTIM],
    Action.AA_2: [StopARTIM, CloseTransport],
    Action.AA_3: [Aborted, CloseTransport],
    Action.AA_4: [Aborted],
    Action.AA_5: [StopARTIM],
    Action.AA_6: [],
    Action.AA_7: [AAbort],
    Action.AA_8: [AAbort, Aborted, StartARTIM],
}


def content(effect: Effect) -> object:
    """The PDU that is sent, the primitive that is indicated, or the effect itself."""
    match effect:
        case Send(buffers):
            return decode_pdu(b"".join(buffers))
        case Indicate(primitive):
            return primitive
    return effect


def contents(effects: list[Effect]) -> list[object]:
    return [content(effect) for effect in effects]


# --- the table


@BOTH
@pytest.mark.parametrize("event", list(Event))
def test_every_cell(event, is_requestor):
    for state in STATES[is_requestor]:
        association = at(state, is_requestor)
        cell = TRANSITIONS.get((state, event))
        # The two first events of an association each belong to one side.
        if cell is None or event == (Event.EVT5 if is_requestor else Event.EVT1):
            with pytest.raises(LocalProtocolError, match="not allowed now") as caught:
                drive(association, event)
            assert (caught.value.state, caught.value.event) == (state, event)
            assert association.state is state
            continue
        effects = drive(association, event)
        assert [type(found) for found in contents(effects)] == EFFECTS[cell.action]
        after = cell.next_states[0]
        if cell.action is Action.AR_8 and not is_requestor:
            after = cell.next_states[1]
        assert association.state is after
        assert association.is_over == (after is State.STA1)


def test_the_states_of_both_sides_are_all_states():
    assert set(STATES[True]) | set(STATES[False]) == set(State)


def test_a_request_that_the_provider_rejects_is_the_other_way_of_ae_6():
    association = at(State.STA2, False)
    effects = association.receive(replace(REQUEST, protocol_version=2).encode())
    assert contents(effects) == [StopARTIM(), policies.PROTOCOL_VERSION_NOT_SUPPORTED, StartARTIM()]
    assert association.state is State.STA13
    assert association.rejection == policies.PROTOCOL_VERSION_NOT_SUPPORTED
    assert association.request == replace(REQUEST, protocol_version=2)


@BOTH
@pytest.mark.parametrize("state", [State.STA6, State.STA7])
def test_aborts_say_who_and_why(state, is_requestor):
    association = at(state, is_requestor)
    assert contents(association.abort(AbortSource.SERVICE_PROVIDER, AbortReason.NOT_SPECIFIED))[0] == AAbort(2, 0)
    found, closing = contents(at(state, is_requestor).receive(ABORT.encode()))
    assert (found.source, found.by_provider, found.is_local) == (0, False, False)
    assert closing == CloseTransport()
    found, _ = contents(at(state, is_requestor).receive(PROVIDER_ABORT.encode()))
    assert (found.source, found.reason, found.by_provider, found.is_local) == (2, 2, True, False)
    (found,) = contents(at(state, is_requestor).transport_closed())
    assert (found.source, found.reason, found.by_provider, found.is_local) == (None, 0, True, False)
    sent, found, _ = contents(at(state, is_requestor).receive(RECEIVED[Event.EVT3]))
    assert sent == AAbort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU)
    assert (found.source, found.reason, found.by_provider, found.is_local) == (None, 2, True, True)
    assert "A-ASSOCIATE-AC" in found.message


def test_sta2_aborts_as_service_user_and_keeps_the_violation():
    association = at(State.STA2, False)
    assert contents(association.receive(b"GET / HTTP/1.1\r\n")) == [AAbort(0, 0), StartARTIM()]
    violation = association.violation
    assert (violation.state, violation.event, violation.abort_reason) == ("STA2", "EVT19", 1)
    assert "HTTP" in str(violation)
    # The first violation is kept, and what follows broken framing is not looked at.
    assert association.receive(RECEIVED[Event.EVT6]) == []
    assert association.violation is violation


@BOTH
def test_after_the_end_nothing_is_left_to_do(is_requestor):
    association = at(State.STA6, is_requestor)
    data = ABORT.encode() + RECEIVED[Event.EVT6] + P_DATA.encode() + UNKNOWN_PDU
    assert [type(found) for found in contents(association.receive(data))] == [Aborted, CloseTransport]
    assert association.is_over
    assert association.receive(data) == association.transport_closed() == association.artim_expired() == []
    for call in (
        association.connect,
        association.transport_connected,
        association.release,
        association.abort,
        lambda: association.send([b""]),
        association.respond,
    ):
        with pytest.raises(LocalProtocolError, match="the association is over"):
            call()
    assert association.negotiated is not None
    assert association._reader is None


@pytest.mark.parametrize(("state", "is_requestor"), [(State.STA1, True), (State.STA1, False), (State.STA4, True)])
def test_bytes_without_a_connection_are_the_callers_fault(state, is_requestor):
    association = at(state, is_requestor)
    with pytest.raises(LocalProtocolError, match="without a transport connection"):
        association.receive(b"\7")
    for item in (ControlPDU(7, ABORT.encode()), InvalidPDU(1, "broken", 0)):
        with pytest.raises(LocalProtocolError, match="not allowed now"):
            association.receive_items([item])
    assert association.state is state


def test_p_data_is_no_control_pdu():
    with pytest.raises(LocalProtocolError, match="PDVRun"):
        at(State.STA6, True).receive_items([ControlPDU(4, P_DATA.encode())])
    with pytest.raises(LocalProtocolError, match="PDVRun"):
        Association.replay(is_requestor=True).replay_sent(ControlPDU(4, P_DATA.encode()))


def test_representation():
    assert repr(at(State.STA3, False)).startswith("<Association acceptor STA3: request received")


# --- the requestor's request and the acceptor's answer


def test_requests_that_may_not_be_sent():
    with pytest.raises(LocalProtocolError, match="odd numbers"):
        Association.requestor(
            replace(REQUEST, presentation_contexts=(ProposedContext(2, CTImageStorage, (ExplicitVRLittleEndian,)),))
        )
    with pytest.raises(EncodeError, match="AE title"):
        Association.requestor(replace(REQUEST, called_ae_title=" "))


def test_an_acceptance_is_of_what_was_proposed():
    association = at(State.STA3, False)
    for context in (ContextResult(7, 0, ExplicitVRLittleEndian), ContextResult(1, 0, JPEG2000Lossless)):
        with pytest.raises(LocalProtocolError, match="not proposed"):
            association.accept(replace(ACCEPT, presentation_contexts=(context,)))
    assert association.state is State.STA3
    assert association.negotiated is None
    assert contents(association.accept(ACCEPT)) == [ACCEPT]


@pytest.mark.parametrize(("announced", "longest"), [(12, 12), (0, 100000), (65536, 65536)])
def test_the_acceptance_says_how_long_data_may_be(announced, longest):
    association = at(State.STA3, False)
    association.accept(replace(ACCEPT, user_information=UserInformation((MaximumLength(announced),))))
    # All that a PDU holds besides data are 6 bytes of one PDV.
    (effect,) = association.receive(p_data((1, COMMAND, bytes(longest - 6))))
    assert effect.run.length == longest - 6
    effects = association.receive(p_data((1, COMMAND, bytes(longest - 5))))
    assert any(isinstance(effect, Data) for effect in effects) == (announced == 0)


def test_a_receive_buffer_may_be_longer_than_what_was_received():
    association = at(State.STA6, False)
    buffer = bytearray(p_data((1, COMMAND | LAST, b"1234")) + UNKNOWN_PDU)
    (effect,) = association.receive(buffer, 16)
    assert bytes(effect.run.views[0]) == b"1234"
    assert effect.run.views[0].obj is buffer


def test_a_request_without_room_for_data_cannot_be_accepted():
    association = at(State.STA2, False)
    association.receive(replace(REQUEST, user_information=UserInformation((MaximumLength(5),))).encode())
    with pytest.raises(RemoteProtocolError, match="at least 12"):
        association.accept(ACCEPT)
    assert contents(association.respond()) == [policies.NO_REASON, StartARTIM()]


def test_an_acceptance_without_room_for_data_is_aborted():
    association = at(State.STA5, True)
    accept = replace(ACCEPT, user_information=UserInformation((MaximumLength(11),)))
    sent, aborted, _ = contents(association.receive(accept.encode()))
    assert sent == AAbort(2, 6)
    assert "at least 12" in aborted.message
    assert (association.violation.state, association.violation.event) == ("STA5", "EVT19")


def test_the_screen_is_asked_once():
    calls = []
    pair = Pair(policy=replace(POLICY, screen=calls.append)).establish()
    assert pair.requestor.association.is_established
    assert calls == [REQUEST]


@pytest.mark.parametrize(
    ("request_", "policy", "expected"),
    [
        ({"application_context_name": UID("1.2.3")}, {}, policies.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED),
        ({}, {"calling_ae_titles": ["scu"]}, policies.CALLING_AE_TITLE_NOT_RECOGNIZED),
        ({}, {"ae_title": "scp"}, policies.CALLED_AE_TITLE_NOT_RECOGNIZED),
        ({}, {"max_contexts": 2}, policies.LOCAL_LIMIT_EXCEEDED),
        ({}, {"screen": lambda _: policies.TEMPORARY_CONGESTION}, policies.TEMPORARY_CONGESTION),
        ({}, {"screen": lambda _: policies.NO_REASON}, policies.NO_REASON),
        ({}, {"identify": lambda _: IdentityAnswer(True), "require_identity": True}, policies.NO_REASON),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_rejections_reach_the_requestor(request_, policy, expected, chunk):
    pair = Pair(replace(REQUEST, **request_), replace(POLICY, **policy), chunk).establish()
    assert pair.requestor.primitives == [Rejected(expected)]
    assert pair.requestor.closes
    assert pair.requestor.association.rejection == pair.acceptor.association.rejection == expected
    assert pair.requestor.association.is_over
    assert pair.acceptor.association.is_over


def test_an_identity_may_be_checked_between_indication_and_answer():
    identity = UserIdentityRQ(UserIdentityType.USERNAME, True, b"someone")
    items = (*REQUEST.user_information.items, identity)
    pair = Pair(replace(REQUEST, user_information=UserInformation(items))).open()
    acceptor = pair.acceptor
    assert acceptor.last().request.user_information.user_identity == identity
    acceptor.perform(acceptor.association.respond(identity=IdentityAnswer(True, b"welcome")))
    pair.deliver()
    assert pair.requestor.last().negotiated.user_identity_response == b"welcome"


# --- both sides back to back


@pytest.mark.parametrize("chunk", [1, 2, 7, 4096, 1 << 20])
def test_an_association_from_connect_to_release(chunk):
    pair = Pair(chunk=chunk).establish()
    requestor, acceptor = pair.requestor, pair.acceptor
    assert isinstance(requestor.primitives[0], AssociateConfirmation)
    assert isinstance(acceptor.primitives[0], AssociateIndication)
    for side in (requestor, acceptor):
        assert side.association.is_established
        assert list(side.association.negotiated.contexts) == [1, 3]
        assert side.association.request is None
    command, data_set = bytes(range(100)), bytes(40000)
    pair.message(requestor, 1, command)
    pair.message(requestor, 3, command, data_set)
    pair.deliver()
    pair.message(acceptor, 1, command)
    pair.message(acceptor, 3, command)
    pair.deliver()
    assert acceptor.messages == [(1, True, command), (3, True, command), (3, False, data_set)]
    assert requestor.messages == [(1, True, command), (3, True, command)]

    requestor.perform(requestor.association.release())
    pair.deliver()
    assert acceptor.last() == ReleaseIndication()
    # Data still flow to the side that has asked for release (AR-6, AR-7).
    pair.message(acceptor, 1, b"last")
    pair.deliver()
    assert requestor.messages[-1] == (1, True, b"last")
    with pytest.raises(LocalProtocolError):
        requestor.association.send([P_DATA.encode()])
    acceptor.perform(acceptor.association.respond_release())
    pair.deliver()
    assert requestor.last() == ReleaseConfirmation()
    assert requestor.association.is_over
    assert acceptor.association.is_over
    assert requestor.association.violation is acceptor.association.violation is None


def test_release_collision():
    pair = Pair().establish()
    requestor, acceptor = pair.requestor, pair.acceptor
    requestor.perform(requestor.association.release())
    acceptor.perform(acceptor.association.release())
    pair.deliver()
    assert requestor.last() == acceptor.last() == ReleaseIndication(collision=True)
    assert (requestor.association.state, acceptor.association.state) == (State.STA9, State.STA10)
    # The requestor responds first (PS3.8 section 7.2.2.7).
    with pytest.raises(LocalProtocolError):
        acceptor.association.respond_release()
    requestor.perform(requestor.association.respond_release())
    assert requestor.association.state is State.STA11
    pair.deliver()
    assert acceptor.last() == ReleaseConfirmation()
    assert acceptor.association.state is State.STA12
    acceptor.perform(acceptor.association.respond_release())
    assert acceptor.association.state is State.STA13
    pair.deliver()
    assert requestor.last() == ReleaseConfirmation()
    assert requestor.association.is_over
    assert acceptor.association.is_over


@BOTH
def test_abort_by_either_user(is_requestor):
    pair = Pair().establish()
    sides = (pair.requestor, pair.acceptor)
    one, other = sides if is_requestor else sides[::-1]
    one.perform(one.association.abort())
    pair.deliver()
    assert not other.last().by_provider
    assert one.association.is_over
    assert other.association.is_over


def test_a_connection_that_cannot_be_opened():
    association = at(State.STA4, True)
    (aborted,) = contents(association.transport_closed())
    assert (aborted.source, aborted.by_provider) == (None, True)
    assert association.is_over


# --- a peer that does not behave: rows 50 to 55 of the list of malformed input


def refused(data: bytes, reason: int, state: State = State.STA6, is_requestor: bool = False) -> str:
    """The message with which these bytes are aborted by the provider for this reason, however they are cut."""
    messages = set()
    for chunk in (len(data), 1, 3):
        association = at(state, is_requestor)
        effects = []
        for start in range(0, len(data), chunk):
            effects += association.receive(data[start : start + chunk])
        sent, aborted, timer = contents([effect for effect in effects if not isinstance(effect, Data)])
        assert sent == AAbort(AbortSource.SERVICE_PROVIDER, reason)
        assert (aborted.reason, aborted.by_provider, aborted.is_local, timer) == (reason, True, True, StartARTIM())
        assert association.state is State.STA13
        assert (association.violation.state, association.violation.abort_reason) == (state, reason)
        messages.add(aborted.message)
    return messages.pop()


def p_data(*pdvs: tuple[int, int, bytes]) -> bytes:
    """P-DATA-TF of PDVs (context, message control header, data)."""
    values = (PDV(context, bool(control & COMMAND), bool(control & LAST), data) for context, control, data in pdvs)
    return PDataTF(tuple(values)).encode()


def piece(context: int, control: int) -> PDVRun:
    """Two bytes of a message."""
    return PDVRun(context, bool(control & COMMAND), bool(control & LAST), [memoryview(b"12")], 2)


def test_malformed_50_pdu_lengths_and_other_protocols():
    assert "16384" in refused(bytes.fromhex("04 00 00004001 00004000 0103"), 6)
    assert "4294967295" in refused(bytes.fromhex("04 00 ffffffff 00004000 0103"), 6)
    refused(bytes.fromhex("04 00 00000000"), 6)
    refused(bytes.fromhex("05 00 00000000"), 6)
    refused(bytes.fromhex("01 00 ffffffff"), 6)
    assert "HTTP" in refused(b"GET / HTTP/1.1\r\n\r\n", 1)
    assert "TLS" in refused(bytes.fromhex("160301 0200 010001fc0303"), 1)
    association = at(State.STA2, False)
    for data in (bytes.fromhex("01 00 ffffffff"), bytes(1 << 16)):
        association.receive(data)
    assert association.state is State.STA13
    assert association.violation.abort_reason == 6


def test_malformed_51_pdus_out_of_place():
    refused(UNKNOWN_PDU, 1)
    refused(RECEIVED[Event.EVT6], 2)
    refused(RECEIVED[Event.EVT6], 2, State.STA3)
    refused(RECEIVED[Event.EVT10], 2, State.STA3)
    refused(RECEIVED[Event.EVT10], 2, State.STA5, True)
    refused(RECEIVED[Event.EVT13], 2, State.STA6, True)
    association = at(State.STA2, False)
    assert contents(association.receive(P_DATA.encode()))[0] == AAbort(0, 0)
    assert (association.violation.event, association.violation.abort_reason) == ("EVT10", 2)


def test_malformed_52_items_that_run_past_their_end():
    data = bytearray(ACCEPT.encode())
    data[76:78] = b"\xff\xff"  # length of the first item, the application context
    refused(bytes(data), 6, State.STA5, True)
    data = bytearray(REQUEST.encode())
    data[76:78] = b"\xff\xff"
    association = at(State.STA2, False)
    assert contents(association.receive(bytes(data)))[0] == AAbort(0, 0)
    assert association.violation.abort_reason == 6
    no_items = REQUEST.encode()[:74]
    no_items = no_items[:2] + (len(no_items) - 6).to_bytes(4, "big") + no_items[6:]
    association = at(State.STA2, False)
    association.receive(no_items)
    assert association.state is State.STA13


def test_malformed_53_and_54_requests():
    def answer(request):
        association = at(State.STA2, False)
        effects = association.receive(request)
        if association.state is State.STA3:
            effects = association.respond()
        sent = [content(effect) for effect in effects if isinstance(effect, Send)]
        assert len(sent) == 1
        return sent[0]

    blank = bytearray(REQUEST.encode())
    blank[10:26] = bytes(16 * b" ")
    assert answer(bytes(blank)) == policies.CALLED_AE_TITLE_NOT_RECOGNIZED
    contexts = REQUEST.presentation_contexts
    twice = replace(REQUEST, presentation_contexts=(contexts[0], contexts[0]))
    assert answer(twice.encode()) == policies.INVALID_REQUEST
    many = tuple(replace(contexts[0], context_id=number) for number in range(1, 256))
    assert answer(replace(REQUEST, presentation_contexts=many).encode()) == policies.LOCAL_LIMIT_EXCEEDED
    identity = UserIdentityRQ(UserIdentityType.USERNAME, True, b"someone").encode()
    lying = bytearray(identity)
    lying[6:8] = b"\xff\xff"
    for item, expected in ((identity, AAssociateAC), (bytes(lying), AAbort)):
        data = REQUEST.encode() + item
        start = REQUEST.encode().rindex(b"\x50\x00")
        length = int.from_bytes(data[start + 2 : start + 4], "big") + len(item)
        data = data[: start + 2] + length.to_bytes(2, "big") + data[start + 4 :]
        data = data[:2] + (len(data) - 6).to_bytes(4, "big") + data[6:]
        assert isinstance(answer(data), expected)


# Pieces of messages, and the reason of the A-ABORT where the last piece may not be there.
SEQUENCES = [
    ([(1, COMMAND | LAST, b"12"), (1, COMMAND | LAST, b"12")], None),
    ([(3, COMMAND, b"12"), (3, COMMAND | LAST, b"34"), (3, 0, b"12"), (3, LAST, b"34"), (1, COMMAND, b"12")], None),
    ([(3, COMMAND | LAST, b"12"), (3, LAST, b"123")], None),  # an odd fragment harms nobody
    ([(3, COMMAND | LAST, b""), (3, LAST, b"")], None),
    ([(3, COMMAND | LAST, b"12"), (1, COMMAND | LAST, b"12")], None),  # a command may have no data set
    ([(5, COMMAND | LAST, b"12")], 6),  # refused context
    ([(2, COMMAND | LAST, b"12")], 6),  # never proposed
    ([(0, 0, b"12")], 6),
    ([(255, COMMAND, b"12")], 6),
    ([(3, LAST, b"12")], 5),  # data set first
    ([(3, COMMAND, b"12"), (3, LAST, b"34")], 5),  # command without a last fragment
    ([(3, COMMAND | LAST, b"12"), (3, 0, b"12"), (3, COMMAND | LAST, b"34")], 5),  # data set without a last fragment
    ([(3, COMMAND | LAST, b"12"), (3, LAST, b"12"), (3, LAST, b"34")], 5),  # last twice
    ([(3, COMMAND | LAST, b"12"), (1, LAST, b"12")], 5),  # data set in another context than the command
    ([(3, COMMAND | LAST, b"12"), (3, 0, b"12"), (1, COMMAND | LAST, b"34")], 5),  # messages interleaved
    ([(3, COMMAND, b"12"), (1, COMMAND, b"12")], 5),
    ([(1, COMMAND | LAST, b"12"), (3, COMMAND | LAST, b"12"), (1, LAST, b"12")], 5),
]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("pieces", "reason"), SEQUENCES)
def test_malformed_55_order_of_fragments(pieces, reason, together):
    data = p_data(*pieces) if together else b"".join(p_data(piece) for piece in pieces)
    if reason is None:
        association = at(State.STA6, False)
        effects = association.receive(data)
        assert b"".join(view for effect in effects for view in effect.run.views) == b"".join(p[2] for p in pieces)
        assert association.state is State.STA6
    else:
        refused(data, reason)


def test_malformed_55_lengths_of_presentation_data_values():
    refused(bytes.fromhex("04 00 00000006 00000001 0103"), 6)
    refused(bytes.fromhex("04 00 00000008 00000005 0103 0000"), 6)
    refused(bytes.fromhex("04 00 00000000"), 6)


@given(st.lists(st.tuples(st.sampled_from([0, 1, 3, 5]), st.integers(0, 3)), max_size=12))
def test_the_short_way_is_that_of_the_table(pieces):
    """In STA6 data skip the table; what comes out is what DT-2 does, as it does in STA7 as AR-6."""
    runs = [piece(*values) for values in pieces]
    short, whole, releasing = at(State.STA6, False), at(State.STA6, False), at(State.STA7, False)
    expected: list[Effect] = []
    for run in runs:
        if whole.state is State.STA6:
            whole._receive_data(run, expected)
    effects = short.receive_items(runs)
    assert effects == expected
    assert short.state is whole.state
    assert str(short.violation) == str(whole.violation)
    assert [type(effect) for effect in releasing.receive_items(runs)] == [type(effect) for effect in expected]


@given(st.lists(st.tuples(st.sampled_from([1, 3, 5]), st.integers(0, 3)), max_size=12))
def test_order_of_fragments_as_a_slow_twin_sees_it(pieces):
    """Runs are messages: command fragments up to a last one, then data fragments, if any, in the same context."""
    association = at(State.STA6, True)
    effects = association.receive_items([piece(*values) for values in pieces])
    count = sum(isinstance(effect, Data) for effect in effects)
    good = 0
    previous: tuple[int, int] | None = None
    for context, control in pieces:
        if previous is not None and not previous[1] & LAST:
            ok = (context, control & COMMAND) == (previous[0], previous[1] & COMMAND)
        elif control & COMMAND:
            ok = context in (1, 3)
        else:
            ok = previous == (context, COMMAND | LAST)
        if not ok:
            break
        good += 1
        previous = (context, control)
    assert count == good
    assert association.is_established == (good == len(pieces))


# --- replay


def replayed(pair_bytes: list[tuple[bool, bytes]]) -> tuple[Association, Association, list[Effect]]:
    """Both sides of an association that is seen from outside: (sent by the requestor, bytes)."""
    requestor, acceptor = Association.replay(is_requestor=True), Association.replay(is_requestor=False)
    acceptor.transport_connected()
    readers = {True: PDUReader(), False: PDUReader()}
    effects: list[Effect] = []
    for by_requestor, data in pair_bytes:
        sender, receiver = (requestor, acceptor) if by_requestor else (acceptor, requestor)
        for item in readers[by_requestor].feed(data):
            sender.replay_sent(item)
            effects += receiver.receive_items([item])
    return requestor, acceptor, effects


def test_a_monitor_follows_both_sides():
    conversation = [
        (True, REQUEST.encode()),
        (False, ACCEPT.encode()),
        (True, p_data((1, COMMAND | LAST, b"12"))),
        (False, p_data((1, COMMAND | LAST, b"34"))),
        (True, AReleaseRQ().encode()),
        (False, AReleaseRP().encode()),
    ]
    requestor, acceptor, effects = replayed(conversation[:4])
    assert requestor.negotiated == replace(
        acceptor.negotiated,
        is_requestor=True,
        contexts=requestor.negotiated.contexts,
        peer_implementation_class_uid=policies.IMPLEMENTATION_CLASS_UID,
        peer_implementation_version_name=policies.IMPLEMENTATION_VERSION_NAME,
    )
    assert [b"".join(effect.run.views) for effect in effects if isinstance(effect, Data)] == [b"12", b"34"]
    fork = copy.copy(requestor)
    requestor, acceptor, _ = replayed(conversation)
    assert requestor.is_over
    assert acceptor.state is State.STA13
    assert fork.state is State.STA6
    aborted, _ = contents(fork.receive_items([ControlPDU(7, ABORT.encode())]))
    assert isinstance(aborted, Aborted)


def test_a_monitor_takes_what_it_sees():
    # An acceptor that accepts what was not proposed, and a request that nobody should have sent.
    odd = replace(REQUEST, presentation_contexts=(*REQUEST.presentation_contexts, REQUEST.presentation_contexts[0]))
    contexts = (*ACCEPT.presentation_contexts, ContextResult(99, 0, JPEG2000Lossless))
    accept = replace(ACCEPT, presentation_contexts=contexts)
    requestor, acceptor, _ = replayed([(True, odd.encode()), (False, accept.encode())])
    assert requestor.state is acceptor.state is State.STA6
    assert len(acceptor.negotiated.deviations) == 1

    # A rejection, an abort, and what the rules do not allow.
    requestor, acceptor, _ = replayed([(True, REQUEST.encode()), (False, REJECT.encode())])
    assert (requestor.state, acceptor.state) == (State.STA1, State.STA13)
    requestor, acceptor, _ = replayed([(True, REQUEST.encode()), (False, ACCEPT.encode()), (True, ABORT.encode())])
    assert (requestor.state, acceptor.state) == (State.STA13, State.STA1)
    with pytest.raises(LocalProtocolError, match="P-DATA request"):
        replayed([(True, REQUEST.encode()), (True, P_DATA.encode())])
    with pytest.raises(LocalProtocolError, match="not allowed now"):
        replayed([(True, REQUEST.encode()), (True, REQUEST.encode())])
    with pytest.raises(LocalProtocolError, match="not allowed now"):
        replayed([(False, REQUEST.encode())])


def test_a_monitor_sees_the_abort_that_it_expected():
    requestor, acceptor, _ = replayed([(True, REQUEST.encode()), (False, ACCEPT.encode())])
    wrong = PDUReader().feed(p_data((5, COMMAND | LAST, b"12")))
    requestor.replay_sent(wrong[0])
    assert contents(acceptor.receive_items(wrong))[0] == AAbort(2, 6)
    abort = ControlPDU(7, AAbort(2, 6).encode())
    assert acceptor.replay_sent(abort) == []
    assert [type(found) for found in contents(requestor.receive_items([abort]))] == [Aborted, CloseTransport]
    # What cannot be read is for the side that receives it to judge.
    assert acceptor.replay_sent(InvalidPDU(1, "broken", 0)) == []
    assert acceptor.replay_sent(ControlPDU(2, ACCEPT.encode()[:20])) == []


def test_replayed_associations_take_items_and_others_bytes():
    with pytest.raises(LocalProtocolError, match="takes items"):
        Association.replay(is_requestor=True).receive(b"")
    with pytest.raises(LocalProtocolError, match="replayed"):
        at(State.STA6, True).replay_sent(ControlPDU(7, ABORT.encode()))


# --- size


def test_an_association_that_went_wrong_leaves_no_cycle():
    wrong_accept = replace(ACCEPT, user_information=UserInformation((MaximumLength(11),))).encode()
    for data, state, is_requestor in [
        (UNKNOWN_PDU, State.STA6, False),
        (p_data((5, COMMAND, b"12")), State.STA7, False),
        (wrong_accept, State.STA5, True),
        (REQUEST.encode()[:76] + b"\xff\xff" + REQUEST.encode()[78:], State.STA2, False),
        (RECEIVED[Event.EVT3], State.STA6, True),
    ]:
        association = at(state, is_requestor)
        association.receive(data)
        assert association.state is State.STA13
        assert association.violation is not None
        gone = weakref.ref(association)
        gc.disable()
        try:
            del association
            assert gone() is None
        finally:
            gc.enable()


def test_idle_associations_are_small():
    data = REQUEST.encode()

    def idle():
        association = Association.acceptor(POLICY)
        association.transport_connected()
        association.receive(data)
        association.respond()
        return association

    idle()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [idle() for _ in range(200)]
        gc.collect()
        each = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    finally:
        tracemalloc.stop()
    assert each < 2048, f"{each:.0f} bytes"


def test_an_unfinished_pdu_costs_what_has_come_of_it():
    association = at(State.STA2, False)
    tracemalloc.start()
    try:
        association.receive(bytes.fromhex("01 00 00100000"))
        association.receive(bytes(100))
        assert tracemalloc.get_traced_memory()[1] < 16384
    finally:
        tracemalloc.stop()
