"""Operations under way: message IDs, responses and what they answer, cancels, windows."""

from __future__ import annotations

from typing import Any

import pytest

from dicomwire.dictionary import UID
from dicomwire.dimse import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CMoveRQ,
    CStoreRQ,
    CStoreRSP,
    Exchange,
    NCreateRQ,
    Request,
)
from dicomwire.errors import LocalProtocolError, RemoteProtocolError, ServiceError

CT = UID("1.2.840.10008.5.1.4.1.1.2")


def find(message_id: int = 0) -> CFindRQ:
    return CFindRQ(message_id=message_id, affected_sop_class_uid=CT)


def test_message_ids_are_unused_ones() -> None:
    exchange = Exchange(max_invoked=0)
    ids = [exchange.invoke(CEchoRQ(), 1).message_id for _ in range(5)]
    assert ids == [1, 2, 3, 4, 5]
    exchange.take_response(CEchoRSP(message_id_being_responded_to=3), 1)
    assert exchange.invoke(CEchoRQ(), 1).message_id == 6  # not 3: a late response must find nothing
    assert exchange.invoke(CEchoRQ(message_id=65535), 1).message_id == 65535
    exchange._last_message_id = 65534
    assert exchange.next_message_id() == 3
    with pytest.raises(LocalProtocolError, match="message ID 5 is in use"):
        exchange.invoke(CEchoRQ(message_id=5), 1)


def test_message_ids_run_out() -> None:
    exchange = Exchange(max_invoked=0)
    request = CEchoRQ()
    for message_id in range(1, 65536):
        exchange._invoked[message_id] = exchange._invoked.get(1)  # type: ignore[assignment]
    with pytest.raises(LocalProtocolError, match="all message IDs"):
        exchange.invoke(request, 1)
    del exchange._invoked[777]
    assert exchange.invoke(request, 1).message_id == 777


def test_a_window_limits_what_is_under_way() -> None:
    for window in (1, 3):
        exchange = Exchange(max_invoked=window, max_performed=window)
        for number in range(1, window + 1):
            assert exchange.can_invoke
            exchange.invoke(CEchoRQ(), 1)
            exchange.take_request(CEchoRQ(message_id=number), 1)
        assert not exchange.can_invoke
        with pytest.raises(LocalProtocolError, match=f"{window} negotiated"):
            exchange.invoke(CEchoRQ(), 1)
        with pytest.raises(RemoteProtocolError, match=f"{window} negotiated"):
            exchange.take_request(CEchoRQ(message_id=99), 1)
        exchange.take_response(CEchoRSP(message_id_being_responded_to=1), 1)
        exchange.answer(CEchoRSP(message_id_being_responded_to=1))
        assert exchange.can_invoke
        assert len(exchange.invoked) == len(exchange.performed) == window - 1


def test_responses_find_their_request() -> None:
    exchange = Exchange(max_invoked=2)
    searching = exchange.invoke(find(), 3)
    echo = exchange.invoke(CEchoRQ(), 1)
    for number in range(1, 4):
        response = CFindRSP(message_id_being_responded_to=searching.message_id, status=0xFF00 | (number & 1))
        assert exchange.take_response(response, 3) is searching
        assert searching.responses == number
    assert exchange.take_response(CEchoRSP(message_id_being_responded_to=echo.message_id), 1) is echo
    assert set(exchange.invoked) == {searching.message_id}
    final = CFindRSP(message_id_being_responded_to=searching.message_id)
    assert exchange.take_response(final, 3) is searching
    assert final.deviations == ()
    assert not exchange.invoked
    with pytest.raises(RemoteProtocolError, match="no request under way"):
        exchange.take_response(final, 3)


def test_responses_to_nothing_are_refused_and_change_nothing() -> None:
    exchange = Exchange()
    pending = exchange.invoke(find(), 3)
    wrong: list[tuple[Any, int, str]] = [
        (CFindRSP(message_id_being_responded_to=99), 3, "message ID 99"),
        (CEchoRSP(message_id_being_responded_to=1), 3, "C-ECHO-RSP to message ID 1 of C-FIND-RQ"),
        (CFindRSP(message_id_being_responded_to=1), 5, "presentation context 5"),
    ]
    for response, context_id, text in wrong:
        with pytest.raises(RemoteProtocolError, match=text):
            exchange.take_response(response, context_id)
    assert exchange.invoked == {1: pending}
    assert pending.responses == 0


@pytest.mark.parametrize("status", [0x0000, 0xFE00, 0xB000, 0xA700, 0x0110, 0x7777, 0xFF02, 0xFFFF])
def test_every_status_but_pending_ends_an_operation(status: int) -> None:
    exchange = Exchange()
    exchange.invoke(find(), 1)
    exchange.take_response(CFindRSP(message_id_being_responded_to=1, status=status), 1)
    assert not exchange.invoked


def test_pending_is_for_operations_with_several_responses() -> None:
    exchange = Exchange()
    store = CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=CT)
    exchange.invoke(store, 1)
    with pytest.raises(RemoteProtocolError, match="Pending"):
        exchange.take_response(CStoreRSP(message_id_being_responded_to=1, status=0xFF00), 1)
    exchange.take_request(CEchoRQ(message_id=5), 1)
    with pytest.raises(LocalProtocolError, match="Pending"):
        exchange.answer(CEchoRSP(message_id_being_responded_to=5, status=0xFF00))


def test_other_uids_in_a_response_are_noted() -> None:
    exchange = Exchange()
    for uid, expected in ((UID("1.2.3"), []), (None, []), (UID("1.2.4"), ["AffectedSOPInstanceUID"])):
        request = CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
        response = exchange.invoke(request, 1).request.response(affected_sop_instance_uid=uid)
        exchange.take_response(response, 1)
        assert [deviation.path for deviation in response.deviations] == expected
    request = NCreateRQ(affected_sop_class_uid=CT)
    created = exchange.invoke(request, 1).request.response(affected_sop_instance_uid=UID("1.2.9"))
    exchange.take_response(created, 1)
    assert created.deviations == ()  # the performer named it
    moved = exchange.invoke(find(), 1).request.response(affected_sop_class_uid=UID("1.2"))
    exchange.take_response(moved, 1)
    assert [deviation.kind for deviation in moved.deviations] == ["other_uid"]


def test_cancels() -> None:
    ours, theirs = Exchange(), Exchange()
    move = CMoveRQ(affected_sop_class_uid=CT, move_destination="AE")
    pending = ours.invoke(move, 1)
    performed = theirs.take_request(move, 1)
    cancel = ours.cancel(pending)
    assert cancel == CCancelRQ(message_id_being_responded_to=pending.message_id)
    assert theirs.take_cancel(cancel) is performed
    assert (pending.is_cancelled, performed.is_cancelled) == (True, True)
    assert ours.invoked
    answer = move.response(status=0xFE00)
    assert theirs.answer(answer) is performed
    ours.take_response(answer, 1)
    assert not ours.invoked
    assert not theirs.performed
    assert theirs.take_cancel(cancel) is None  # came too late
    with pytest.raises(LocalProtocolError, match="not under way"):
        ours.cancel(pending)
    echo = ours.invoke(CEchoRQ(), 1)
    with pytest.raises(LocalProtocolError, match="C-ECHO-RQ cannot be cancelled"):
        ours.cancel(echo)
    theirs.take_request(CEchoRQ(message_id=3), 1)
    assert theirs.take_cancel(CCancelRQ(message_id_being_responded_to=3)) is None


def test_requests_of_a_peer() -> None:
    exchange = Exchange(max_performed=2)
    exchange.take_request(find(5), 1)
    with pytest.raises(ServiceError) as caught:
        exchange.take_request(CEchoRQ(message_id=5), 1)
    assert caught.value.status == 0x0210
    for response in (CEchoRSP(message_id_being_responded_to=5), CFindRSP(message_id_being_responded_to=6)):
        with pytest.raises(LocalProtocolError, match="waits for none"):
            exchange.answer(response)
    exchange.answer(CFindRSP(message_id_being_responded_to=5, status=0xFF00))
    exchange.answer(CFindRSP(message_id_being_responded_to=5))
    assert not exchange.performed


def test_a_retrieval_and_its_stores_are_counted_apart() -> None:
    exchange = Exchange()  # of the requestor of a C-GET: it invokes one operation and performs the other
    request: Request[Any] = find()
    exchange.invoke(request, 1)
    exchange.take_request(CStoreRQ(message_id=1, affected_sop_class_uid=CT), 3)
    exchange.answer(CStoreRSP(message_id_being_responded_to=1))
    assert set(exchange.invoked) == {1}
