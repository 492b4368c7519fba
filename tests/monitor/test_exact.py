"""Times, packets and stalls of a conversation of which every nanosecond is known (definitions: docs/monitor.md).

Packets are 100 us apart unless something is waited for; the capture has nanoseconds.
"""

from __future__ import annotations

from typing import Any

import pytest

from dicomwire.dimse.messages import CEchoRQ, CFindRQ
from tests.encoding import implicit
from tests.monitor import captures
from tests.monitor.conversation import CLIENT, MILLISECOND, SERVER, START_NS
from tests.monitor.monitored import Monitored, monitored
from tests.monitor.packets import ACK, FIN, PSH, SYN, frames
from tests.monitor.spoken import Spoken
from tests.net.raw import FIND, VERIFICATION, context, message_bytes, request

STEP = 100_000  # ns


def seen(talk: Spoken, **options: Any) -> Monitored:
    return monitored(captures.pcap(frames(talk.segments)), **options)


def test_setting_up_an_association() -> None:
    talk = Spoken()
    talk.associate()
    talk.release()
    (association,) = seen(talk).associations
    assert association.time_ns == START_NS
    assert association.time == "2023-11-14T22:13:20.000000000Z"
    assert association.tcp_setup_time_ns == STEP  # SYN to SYN/ACK
    assert association.request_time_ns == 3 * STEP  # SYN to A-ASSOCIATE-RQ
    assert association.answer_time_ns == STEP  # to A-ASSOCIATE-AC
    assert association.end_time_ns == talk.segments[-1].time_ns
    assert (association.end, association.ended_by) == ("release", "client")


@pytest.mark.parametrize("wait_ms", [0, 7, 2500])
def test_the_three_times_of_a_store(wait_ms: int) -> None:
    """4,000 bytes of pixels are three packets; the response follows after a wait."""
    talk = Spoken()
    talk.associate()
    message, sent = talk.store(1, 4000)
    assert len(sent) == 3
    talk.wait(wait_ms * MILLISECOND)
    answered = talk.answer(3, message)
    talk.release()
    (store,) = seen(talk).transactions
    assert store.time_ns == sent[0].time_ns
    assert store.req_transfer_time_ns == 2 * STEP
    assert store.req_transfer_time == 0.2
    assert store.processing_time_ns == wait_ms * MILLISECOND + STEP
    assert store.rsp_transfer_time_ns == 0
    assert store.frames == [talk.segments.index(sent[0]) + 1, talk.segments.index(answered[0]) + 1]
    assert (store.req_pkts, store.rsp_pkts) == (3, 1)
    assert store.req_l2_bytes == sum(len(frame.data) for frame in frames(sent))
    assert store.rsp_l2_bytes == sum(len(frame.data) for frame in frames(answered))
    assert store.req_bytes == sum(len(one.payload) for one in sent)
    assert store.rsp_bytes == len(answered[0].payload)
    assert store.req_size == store.req_command_size + store.req_data_set_size
    assert store.req_pixel_data_size == 4000


def test_a_response_in_several_packets() -> None:
    talk = Spoken(mss=40)
    talk.associate()
    message = talk.echo(5)
    talk.wait(3 * MILLISECOND)
    answered = talk.answer(1, message)
    assert len(answered) == 3
    talk.release()
    (echo,) = seen(talk).transactions
    assert echo.req_transfer_time_ns == STEP
    assert echo.processing_time_ns == 3 * MILLISECOND + STEP
    assert echo.rsp_transfer_time_ns == 2 * STEP
    assert (echo.req_pkts, echo.rsp_pkts) == (2, 3)


def test_pending_responses() -> None:
    """Processing ends with the first response, whatever its status; the final one has a time of its own."""
    talk = Spoken()
    talk.asked = request(
        [context(1, VERIFICATION), context(3, FIND, "1.2.840.10008.1.2")], called="ARCHIVE", calling="WORKSTATION"
    )
    talk.associate()
    message = CFindRQ(message_id=9, affected_sop_class_uid=FIND)
    identifier = implicit(0x00080052, b"STUDY ") + implicit(0x0020000D)
    talk.say(CLIENT, message_bytes(3, message, identifier))
    for wait_ms in (2, 3):
        talk.wait(wait_ms * MILLISECOND)
        answer = implicit(0x00080052, b"STUDY ") + implicit(0x0020000D, b"1.2.3.4\0")
        talk.say(SERVER, message_bytes(3, message.response(status=0xFF00), answer))
    talk.wait(10 * MILLISECOND)
    talk.say(SERVER, message_bytes(3, message.response(status=0)))
    talk.release()
    (find,) = seen(talk).transactions
    assert find.processing_time_ns == 2 * MILLISECOND + STEP
    assert find.time_to_first_pending_ns == 2 * MILLISECOND + STEP
    assert find.time_to_final_ns == 15 * MILLISECOND + 3 * STEP
    assert (find.pending, find.responses, find.status, find.query_level) == (2, 3, 0, "STUDY")
    assert find.statuses == {"pending": 2, "success": 1}
    assert find.rsp_data_set_size == 2 * len(answer)


def test_round_trips() -> None:
    """Every message is acknowledged by the next packet: round trips of 100 us, and one of 20 ms."""
    talk = Spoken()
    talk.associate()
    for number in range(1, 6):
        message = talk.echo(number)
        talk.acknowledge(SERVER)
        talk.wait(5 * MILLISECOND)
        talk.answer(1, message)
        if number == 3:
            talk.wait(20 * MILLISECOND - STEP)
        talk.acknowledge(CLIENT)
    talk.release()
    found = seen(talk)
    times = [one.round_trip_time_ns for one in found.transactions]
    assert times[:3] == [STEP] * 3
    assert times[4] == STEP
    fourth = found.transactions[3]  # the slow acknowledgement of the third response comes after that response
    assert fourth.round_trip_time_max_ns == 20 * MILLISECOND
    assert fourth.round_trip_time_min_ns == STEP


def test_a_retransmission_after_a_time_out() -> None:
    talk = Spoken()
    talk.associate()
    talk.echo(1)
    talk.acknowledge(SERVER)
    talk.answer(1, talk.echo(2))
    message, sent = talk.store(3, 4000)
    talk.repeat(sent[-1], 300 * MILLISECOND)
    talk.acknowledge(SERVER)
    talk.answer(3, message)
    talk.release()
    found = seen(talk)
    by_id = {one.message_id: one for one in found.transactions}
    assert (by_id[3].req_rto, by_id[3].req_retransmissions) == (1, 1)
    assert (by_id[2].req_rto, by_id[2].req_retransmissions) == (0, 0)
    assert (by_id[3].rsp_rto, by_id[3].rsp_retransmissions) == (0, 0)
    assert found.associations[0].client["rto"] == 1
    assert found.associations[0].client["retransmitted_bytes"] == len(sent[-1].payload)
    assert by_id[3].gaps == 0


def test_a_fast_retransmission() -> None:
    """Three duplicate acknowledgements behind a segment that did not arrive."""
    talk = Spoken()
    talk.associate()
    talk.answer(1, talk.echo(1))
    message, sent = talk.store(3, 20_000)
    lost = sent[4]
    expected = lost.sequence
    talk.seen[SERVER] = expected
    for _ in range(4):
        talk.acknowledge(SERVER)
    talk.repeat(lost, STEP)
    talk.seen[SERVER] = talk.next[CLIENT]
    talk.acknowledge(SERVER)
    talk.answer(3, message)
    talk.release()
    found = seen(talk)
    store = next(one for one in found.transactions if one.message_id == 3)
    assert (store.req_rto, store.req_retransmissions) == (0, 1)
    assert found.associations[0].client["fast_retransmissions"] == 1
    assert found.associations[0].client["rto"] == 0


def test_a_window_that_is_closed() -> None:
    """The server's window is closed for 40 ms in the middle of a request."""
    talk = Spoken()
    talk.associate()
    message, _ = talk.store(1, 1000)
    talk.answer(3, message)
    message, _ = talk.store(2, 4000)
    talk.window[SERVER] = 0
    talk.acknowledge(SERVER)
    talk.wait(40 * MILLISECOND - STEP)
    talk.window[SERVER] = 0xFFFF
    talk.acknowledge(SERVER)
    talk.answer(3, message)
    talk.release()
    found = seen(talk)
    first, second = found.transactions
    assert (first.server_zero_wnd, first.client_zero_wnd, first.zero_window_time_ns) == (0, 0, 0)
    assert (second.server_zero_wnd, second.client_zero_wnd) == (1, 0)
    assert (second.rsp_zero_wnd, second.req_zero_wnd) == (1, 0)
    assert second.zero_window_time_ns == 40 * MILLISECOND
    assert found.associations[0].server["zero_wnd"] == 1


def test_a_keep_alive_is_no_retransmission() -> None:
    """One old byte, or none, with the sequence number before the next one."""
    talk = Spoken()
    talk.associate()
    talk.answer(1, talk.echo(1))
    talk.acknowledge(CLIENT)
    talk.wait(10_000 * MILLISECOND)
    talk.next[CLIENT] -= 1
    talk.packet(CLIENT, ACK, b"\0")
    talk.acknowledge(SERVER)
    talk.answer(1, talk.echo(2))
    talk.release()
    found = seen(talk)
    assert [one.status for one in found.transactions] == [0, 0]
    assert [one.req_retransmissions for one in found.transactions] == [0, 0]
    assert found.associations[0].client["retransmissions"] == 0


def test_two_messages_in_one_packet() -> None:
    """The packet counts for both."""
    talk = Spoken()
    talk.associate()
    pair = [CEchoRQ(message_id=number, affected_sop_class_uid=VERIFICATION) for number in (1, 2)]
    talk.say(CLIENT, b"".join(message_bytes(1, one) for one in pair))
    talk.say(SERVER, b"".join(message_bytes(1, one.response(status=0)) for one in pair))
    talk.release()
    found = seen(talk)
    assert [(one.req_pkts, one.rsp_pkts, one.req_transfer_time_ns) for one in found.transactions] == [(1, 1, 0)] * 2
    assert [one.frames for one in found.transactions] == [[6, 7], [6, 7]]


def test_microseconds_are_enough_for_microseconds() -> None:
    talk = Spoken()
    talk.associate()
    talk.answer(1, talk.echo(1))
    talk.release()
    found = monitored(captures.pcap(frames(talk.segments), magic=captures.MICROSECONDS))
    assert found.transactions[0].processing_time_ns == STEP


def test_nobody_answers_a_syn() -> None:
    """Three SYNs without an answer, and a port that is closed: no association, and nothing breaks."""
    talk = Spoken()
    first = talk.packet(CLIENT, SYN)
    for wait_ms in (1000, 2000):
        talk.repeat(first, wait_ms * MILLISECOND)
    found = seen(talk)
    assert found.associations == []
    assert found.summary.packets == 3


def test_an_answer_that_never_comes() -> None:
    """The server resets while it owes an answer; the client is told by whom."""
    talk = Spoken()
    talk.associate()
    talk.store(1, 1000)
    talk.packet(SERVER, PSH | ACK)
    talk.reset(SERVER)
    found = seen(talk)
    (store,) = found.transactions
    assert store.status is None
    assert (store.is_req_aborted, store.is_rsp_aborted) == (False, True)
    assert store.abort == {"kind": "rst", "by": "server"}
    assert (found.associations[0].end, found.associations[0].ended_by) == ("rst", "server")


def test_a_request_that_does_not_end() -> None:
    talk = Spoken(mss=500)
    talk.associate()
    talk.store(1, 3000)
    unsent = talk.segments.pop()
    talk.next[CLIENT] = unsent.sequence
    talk.packet(CLIENT, FIN | ACK)
    found = seen(talk)
    (store,) = found.transactions
    assert (store.is_req_aborted, store.is_rsp_aborted) == (True, False)
    assert store.abort == {"kind": "fin", "by": "client"}
