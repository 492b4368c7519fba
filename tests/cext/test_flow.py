"""Flows: streams and gaps as the slow twin finds them, what is counted of each side, and memory that is bounded."""

from __future__ import annotations

import gc
import random
import struct
import tracemalloc
from dataclasses import replace

import pytest

from _dicomwire.capture import CaptureReader
from _dicomwire.flow import FlowTable, StreamCollector
from _dicomwire.sink import StreamSink
from tests.cext.flows import CLIENT, MS, SERVER, START_NS, Talk, gaps, one, run, sides, wrapped
from tests.fuzz.harnesses import flow as harness
from tests.monitor import captures
from tests.monitor.packets import (
    ACK,
    FIN,
    QINQ,
    RST,
    SYN,
    VLAN,
    End,
    Frame,
    Link,
    Wire,
    frames,
    option_mss,
    option_window_scale,
)

MSS_AND_SCALE = option_mss(1460) + option_window_scale(7)

# ----------------------------------------------------------------------------------------------------------- reassembly


@pytest.mark.parametrize("seed", range(20))
def test_any_segments_are_what_the_twin_finds(seed: int) -> None:
    """Order, losses, copies, overlaps, cuts and ends at random; `make fuzz` goes on with it."""
    noise = random.Random(seed)
    for _ in range(20):
        harness.run(noise.randbytes(harness.OP.size * noise.randrange(1, 40)))


def test_streams_in_order_come_as_they_are() -> None:
    talk = Talk().open().client(0, 0, b"request").server(0, 7, b"answer").close(7, 6)
    found = one(talk)
    assert (found.client, found.server) == (("10.0.0.1", 40000), ("10.0.0.2", 104))
    assert found.from_start
    assert found.kind == "fin"
    assert found.events == [
        ("data", 0, 0, 7, START_NS + 4 * MS, 4, False),
        ("data", 1, 0, 6, START_NS + 5 * MS, 5, False),
        ("ended", 0, "fin"),
        ("ended", 1, "fin"),
    ]
    assert found.streams == (b"request", b"answer")


def test_a_hole_waits_for_its_segment() -> None:
    talk = Talk().open().client(3, 0, b"def").client(0, 0, b"abc", identification=4).client(6, 0, b"ghi")
    found = one(talk)
    assert found.streams[0] == b"abcdefghi"
    assert [event[2:4] + event[5:7] for event in found.events if event[0] == "data"] == [
        (0, 3, 5, False),
        (3, 3, 4, True),
        (6, 3, 6, False),
    ]
    assert sides(found)[0]["out_of_order"] == 1
    assert sides(found)[0]["retransmissions"] == 0


def test_a_gap_is_said_when_its_receiver_has_the_bytes() -> None:
    talk = Talk().open().client(3, 0, b"def").server(0, 0).server(0, 6, b"ok")
    found = one(talk)
    assert gaps(found) == [(0, 0, 3, "lost")]
    # In front of the answer, which was given to what is missing.
    assert [event[0] for event in found.events[:3]] == ["gap", "data", "data"]
    assert found.events[2][1] == 1


def test_acknowledged_bytes_that_are_not_there_yet_are_no_gap() -> None:
    """A capture of two ports may have the answer in front of the question."""
    talk = Talk().open().server(0, 3, b"ok").client(0, 2, b"abc").close(3, 2)
    found = one(talk)
    assert gaps(found) == []
    assert found.streams == (b"abc", b"ok")
    # When the sender goes on behind them, they are missing.
    talk = Talk().open().server(0, 3, b"ok").client(3, 2, b"def").close(6, 2)
    assert gaps(one(talk)) == [(0, 0, 3, "lost")]
    # Also when it says so without bytes.
    talk = Talk().open().server(0, 3, b"ok").client(3, 2).client(3, 2, b"def").close(6, 2)
    assert gaps(one(talk)) == [(0, 0, 3, "lost")]


def test_bytes_for_a_gap_that_was_said_come_too_late() -> None:
    talk = Talk().open().client(3, 0, b"def").server(0, 6).client(0, 0, b"abc").client(6, 0, b"ghi")
    found = one(talk)
    assert found.streams[0] == b"defghi"
    assert gaps(found) == [(0, 0, 3, "lost")]
    assert sides(found)[0]["retransmissions"] == 1


def test_the_end_of_a_connection_says_what_nobody_has_acknowledged() -> None:
    talk = Talk().open().client(0, 0, b"abc").client(6, 0, b"ghi")
    found = one(talk)
    assert gaps(found) == [(0, 3, 3, "unconfirmed")]
    assert found.streams[0] == b"abcghi"
    assert found.events[-2:] == [("ended", 0, "capture-end"), ("ended", 1, "capture-end")]


def test_last_bytes_that_are_missing_are_a_gap_in_front_of_the_end() -> None:
    talk = Talk().open().client(0, 0, b"abc").client(6, 0, flags=FIN).server(0, 7, flags=FIN).client(7, 1)
    found = one(talk)
    assert found.events[-3:] == [("gap", 0, 3, 3, "lost"), ("ended", 0, "fin"), ("ended", 1, "fin")]


def test_overlaps_of_held_bytes_the_first_or_the_last_win() -> None:
    talk = Talk().open().client(2, 0, b"cdef").client(3, 0, b"DEFG").client(0, 0, b"ab")
    found = one(talk)
    assert found.streams[0] == b"abcdefG"
    assert sides(found)[0]["conflicts"] == 1
    found = one(talk, last_wins=True)
    assert found.streams[0] == b"abcDEFG"
    assert sides(found)[0]["conflicts"] == 1
    # What was given is given.
    talk = Talk().open().client(0, 0, b"abcd").client(2, 0, b"CDEF")
    assert one(talk, last_wins=True).streams[0] == b"abcdEF"


def test_sequence_numbers_wrap_around() -> None:
    talk = Talk(initial=(0xFFFFFFFC, 0xFFFFFFFF)).open()
    talk.client(3, 0, b"def").client(0, 0, b"abc").server(0, 6, b"xyz").close(6, 3)
    found = one(talk)
    assert found.streams == (b"abcdef", b"xyz")
    assert found.kind == "fin"


def test_streams_longer_than_sequence_numbers_count() -> None:
    """9 GB, of which the capture keeps the headers: offsets have 64 bits."""
    size = 900_000_000
    whole = frames(Talk().open().segments)
    for number in range(10):
        later = Talk(now_ns=START_NS + (10 + number) * MS).client(number * size, 0).server(0, (number + 1) * size)
        data, answer = frames(later.segments, Wire(zero_length=True, pads=False))
        whole += [Frame(data.time_ns, data.data, data.length + size), answer]
    whole += frames(Talk(now_ns=START_NS + 100 * MS).close(10 * size, 0).segments)
    (found,), _ = run(whole)
    assert gaps(found) == [(0, number * size, size, "cut") for number in range(10)]
    assert sides(found)[0]["delivered"] == sides(found)[0]["acknowledged"] == 10 * size
    assert found.kind == "fin"


def test_cut_packets_are_gaps_of_their_own() -> None:
    talk = Talk().open().client(0, 0, b"abcdef").client(10, 0, b"KLMN").client(6, 0, b"ghij").close(14, 0)
    cut = [captures.cut(frame, 14 + 40 + 2) for frame in frames(talk.segments)]
    (found,), counts = run(cut)
    assert found.streams[0] == b"abghKL"
    assert gaps(found) == [(0, 2, 4, "cut"), (0, 8, 2, "cut"), (0, 12, 2, "cut")]
    assert counts["cut_packets"] == 9
    (*_,), counts = run([captures.cut(frame, 40) for frame in frames(talk.segments)])
    assert (counts["cut_headers"], counts["connections"]) == (9, 0)


def test_a_connection_from_the_middle() -> None:
    talk = Talk().server(500, 1000, b"first").client(1000, 505, b"second").close(1006, 505)
    found = one(talk)
    assert not found.from_start
    assert found.client == ("10.0.0.2", 104)  # who was seen first
    assert found.streams == (b"first", b"second")
    assert sides(found)[0]["has_started"] == sides(found)[1]["has_started"] == 0
    assert gaps(found) == []


def test_from_the_middle_earlier_bytes_that_come_late_count() -> None:
    talk = Talk().client(1000, 0).client(1003, 0, b"def").client(1000, 0, b"abc").client(1006, 0, b"ghi")
    # The first has no bytes and begins nothing; what follows it is put in front as long as nothing was given.
    found = one(talk)
    assert found.streams[0] == b"defghi"
    talk = Talk().server(0, 1003, b"x").client(1003, 1).client(1000, 1, b"abc").client(1003, 1, b"def")
    assert one(talk).streams[1] == b"abcdef"


def test_only_the_answer_to_a_syn_was_seen() -> None:
    talk = Talk().server(0, 0, flags=SYN).client(0, 0, b"abc").close(3, 0)
    found = one(talk)
    assert found.from_start
    assert found.client == ("10.0.0.1", 40000)
    assert found.streams[0] == b"abc"
    assert sides(found)[0]["syn_ns"] is None


def test_syn_with_data_and_both_at_once() -> None:
    talk = Talk().client(0, None, b"early", flags=SYN).server(0, 5, flags=SYN).client(5, 0, b" late")
    assert one(talk).streams[0] == b"early late"
    talk = Talk().client(0, None, flags=SYN).server(0, None, flags=SYN).client(0, 0, flags=SYN).server(0, 0, flags=SYN)
    talk.client(0, 0, b"abc").server(0, 3, b"def").close(3, 3)
    found = one(talk)
    assert found.streams == (b"abc", b"def")
    assert found.kind == "fin"


def test_half_open_the_other_side_goes_on() -> None:
    talk = Talk().open().client(0, 0, b"abc").client(3, 0, flags=FIN).server(0, 4)
    talk.server(0, 4, b"the answer").client(4, 10).server(10, 4, flags=FIN).client(4, 11)
    found = one(talk)
    assert found.streams == (b"abc", b"the answer")
    assert [event for event in found.events if event[0] == "ended"] == [("ended", 0, "fin"), ("ended", 1, "fin")]


# ------------------------------------------------------------------------------------------------------ what is counted


def test_what_a_handshake_says() -> None:
    talk = Talk().open(options=(MSS_AND_SCALE, option_mss(1400)))
    talk.client(0, 0, b"abc", after_ms=5).server(0, 3, after_ms=2)
    client, server = sides(one(talk))
    assert (client["mss"], client["window_scale"]) == (1460, 7)
    assert (server["mss"], server["window_scale"]) == (1400, None)
    assert (client["syn_ns"], server["syn_ns"]) == (START_NS + MS, START_NS + 2 * MS)
    # SYN until its answer, and the bytes until theirs.
    assert (client["rtt_count"], client["rtt_min_ns"], client["rtt_max_ns"]) == (2, MS, 2 * MS)
    assert (client["rtt_sum_ns"], client["rtt_last_ns"]) == (3 * MS, 2 * MS)
    assert (server["rtt_count"], server["rtt_last_ns"]) == (1, MS)
    assert (client["packets"], server["packets"]) == (3, 2)
    assert client["wire_bytes"] == 62 + 60 + 60  # with options; padded
    assert client["payload_bytes"] == client["acknowledged"] == 3


def test_round_trips_of_what_was_sent_twice_do_not_count() -> None:
    talk = Talk().open().client(0, 0, b"abc").client(0, 0, b"abc", after_ms=300).server(0, 3)
    client, _ = sides(one(talk))
    assert client["rtt_count"] == 1  # the SYN
    assert (client["retransmissions"], client["retransmitted_bytes"], client["timeouts"]) == (1, 3, 1)
    assert client["fast_retransmissions"] == 0


def test_fast_retransmission_behind_three_duplicate_acknowledgements() -> None:
    talk = Talk().open().client(0, 0, b"abc").server(0, 3)
    talk.client(6, 0, b"g", after_ms=50)  # what was lost came by neither us nor the receiver
    for _ in range(3):
        talk.client(7 + len(talk.segments), 0, b"h").server(0, 3)
    talk.client(3, 0, b"def", after_ms=10).server(0, 7)
    client, server = sides(one(talk))
    assert (client["retransmissions"], client["timeouts"], client["fast_retransmissions"]) == (1, 0, 1)
    assert server["duplicates"] == 0


def test_a_time_out_is_counted_once_and_its_followers_are_not() -> None:
    talk = Talk().open().client(0, 0, b"a" * 100).client(100, 0, b"b" * 100).client(200, 0, b"c" * 100)
    talk.client(0, 0, b"a" * 100, after_ms=250).server(0, 100)
    talk.client(100, 0, b"b" * 100).client(200, 0, b"c" * 100).server(0, 300)
    client, _ = sides(one(talk))
    assert client["retransmissions"] == 3
    assert client["retransmitted_bytes"] == 300
    assert (client["timeouts"], client["fast_retransmissions"]) == (1, 0)


def test_repeated_syns_are_time_outs() -> None:
    talk = Talk().client(0, None, flags=SYN).client(0, None, flags=SYN, after_ms=1000)
    talk.server(0, 0, flags=SYN).client(0, 0)
    client, server = sides(one(talk))
    assert (client["retransmissions"], client["timeouts"], client["rtt_count"]) == (1, 1, 0)
    assert server["rtt_count"] == 1


def test_keep_alives_are_no_retransmissions() -> None:
    talk = Talk().open().client(0, 0, b"abc").server(0, 3)
    for _ in range(3):
        talk.client(2, 0, b"\0", after_ms=60_000).server(0, 3)
        talk.client(2, 0, after_ms=60_000).server(0, 3)
    client, _ = sides(one(talk))
    assert client["retransmissions"] == client["duplicates"] == client["conflicts"] == 0
    assert client["payload_bytes"] == 3


def test_a_last_byte_that_was_lost_is_no_keep_alive() -> None:
    talk = Talk().open().client(0, 0, b"a").client(0, 0, b"a", after_ms=250).server(0, 1)
    assert sides(one(talk))[0]["retransmissions"] == 1


def test_zero_windows_and_their_probes() -> None:
    talk = Talk().open().client(0, 0, b"abc").server(0, 3, window=0)
    talk.client(3, 0, b"d", after_ms=200).server(0, 3, window=0).client(3, 0, b"d", after_ms=400).server(0, 4, window=0)
    talk.server(0, 4, window=100, after_ms=50).client(4, 0, b"efg").server(0, 7, window=0).server(0, 7, after_ms=5)
    client, server = sides(one(talk))
    assert server["zero_windows"] == 2
    assert server["zero_window_ns"] == (200 + 1 + 400 + 1 + 50 + 5) * MS
    assert server["zero_window_since_ns"] is None
    assert client["zero_windows"] == client["retransmissions"] == 0


def test_a_window_that_stays_closed_is_counted_until_the_end() -> None:
    talk = Talk().open().client(0, 0, b"abc").server(0, 3, window=0).client(3, 0, after_ms=500)
    _, server = sides(one(talk))
    assert (server["zero_windows"], server["zero_window_ns"]) == (1, 500 * MS)


def test_mirrored_copies_are_no_retransmissions() -> None:
    """Both ports of a mirror, or a copy with a tag and another time to live."""
    talk = Talk().open().client(0, 0, b"abc").server(0, 3).server(0, 3, b"ok").close(3, 2)
    plain = frames(talk.segments)
    tagged = frames(talk.segments, Wire(vlans=((VLAN, 7),)))
    both = []
    for first, second in zip(plain, tagged, strict=True):
        routed = bytearray(second.data)
        routed[18 + 8] -= 1
        both += [first, Frame(second.time_ns + 900_000, bytes(routed), second.length)]
    (found,), counts = run(both)
    assert counts["duplicates"] == len(plain)
    assert [side["duplicates"] for side in sides(found)] == [5, 4]
    assert [side["packets"] for side in sides(found)] == [5, 4]
    assert [side["retransmissions"] for side in sides(found)] == [0, 0]
    assert found.kind == "fin"


def test_a_retransmission_has_another_identification_or_comes_later() -> None:
    talk = Talk().open().client(0, 0, b"abc", identification=9)
    talk.client(0, 0, b"abc", identification=10, after_ms=2).client(0, 0, b"abc", identification=10, after_ms=250)
    client, _ = sides(one(talk))
    assert (client["duplicates"], client["retransmissions"]) == (0, 2)


# -------------------------------------------------------------------------------------------- ends and next connections


def test_resets_end_both_streams() -> None:
    talk = Talk().open().client(0, 0, b"abc").client(6, 0, b"g").reset(1, 0, 3)
    found = one(talk)
    assert found.kind == "rst"
    assert found.events[-4:] == [
        ("ended", 1, "rst"),
        ("gap", 0, 3, 3, "unconfirmed"),
        ("data", 0, 6, 1, START_NS + 5 * MS, 5, True),
        ("ended", 0, "rst"),
    ]
    assert sides(found)[1]["rst_ns"] == START_NS + 6 * MS
    assert sides(found)[0]["rst_ns"] is None


def test_a_reset_with_a_number_that_nobody_believes_ends_nothing() -> None:
    talk = Talk().open().client(0, 0, b"abc").server(0, 3, b"x").reset(1, 1 << 24).client(3, 1, b"def").close(6, 1)
    (found,), counts = run(talk.capture)
    assert found.streams[0] == b"abcdef"
    assert found.kind == "fin"
    assert counts["strays"] == 1


def test_a_refused_connection() -> None:
    talk = Talk().client(0, None, flags=SYN)
    talk.add(1, -2001, 0, flags=RST | ACK)  # sequence number 0
    found = one(talk)
    assert found.kind == "rst"
    assert sides(found)[1]["rst_ns"] is not None
    assert sides(found)[1]["syn_ns"] is None


def test_what_goes_on_after_a_reset_was_not_reset() -> None:
    talk = Talk().open().client(0, 0, b"abc").reset(0, 3)
    talk.server(0, 3, b"x", after_ms=2000).client(3, 1, b"defg", after_ms=2000).client(7, 1, b"hij")
    found, _ = run(talk.capture)
    assert [bytes(connection.streams[0]) for connection in found] == [b"abc", b"defghij"]
    assert [connection.from_start for connection in found] == [True, False]


@pytest.mark.parametrize("after_ms", [0.1, 5, 5000])
def test_ports_that_are_used_again(after_ms: float) -> None:
    talk = Talk().open().client(0, 0, b"abc").close(3, 0)
    later = Talk(initial=(77, 88), now_ns=talk.now_ns + int(after_ms * MS)).open().client(0, 0, b"next").close(4, 0)
    found, counts = run(captures.pcap(frames(talk.segments + later.segments)))
    assert [bytes(connection.streams[0]) for connection in found] == [b"abc", b"next"]
    assert [connection.serial for connection in found] == [1, 2]
    assert [connection.kind for connection in found] == ["fin", "fin"]
    assert counts["strays"] == counts["late"] == 0


def test_ports_that_are_used_again_without_an_end() -> None:
    talk = Talk().open().client(0, 0, b"abc")
    later = Talk(initial=(77, 88), now_ns=talk.now_ns).open().client(0, 0, b"next").close(4, 0)
    found, _ = run(captures.pcap(frames(talk.segments + later.segments)))
    assert [bytes(connection.streams[0]) for connection in found] == [b"abc", b"next"]
    assert [connection.kind for connection in found] == ["superseded", "fin"]
    assert found[0].events[-2:] == [("ended", 0, "superseded"), ("ended", 1, "superseded")]
    assert sides(found[1])[0]["syn_ns"] == later.segments[0].time_ns
    assert (sides(found[1])[0]["packets"], sides(found[1])[0]["rtt_count"]) == (5, 2)
    # By the other side.
    other = Talk(initial=(77, 88), ends=(SERVER, CLIENT), now_ns=talk.now_ns).open().client(0, 0, b"next").close(4, 0)
    found, _ = run(captures.pcap(frames(talk.segments + other.segments)))
    assert found[1].client == ("10.0.0.2", 104)
    assert found[1].streams[0] == b"next"


def test_a_forged_syn_changes_nothing() -> None:
    talk = Talk().open().client(0, 0, b"abc").client(0x1234567, None, flags=SYN).client(3, 0, b"def").close(6, 0)
    (found,), counts = run(talk.capture)
    assert found.streams[0] == b"abcdef"
    assert counts["strays"] == 1


def test_another_connection_whose_syn_was_not_seen() -> None:
    talk = Talk().open().client(0, 0, b"abc")
    later = Talk(initial=(0x80000000, 0x70000000), now_ns=talk.now_ns)
    for number in range(6):
        later.client(number * 4, 0, b"%04d" % number)
    found, counts = run(captures.pcap(frames(talk.segments + later.segments)))
    assert [connection.kind for connection in found] == ["superseded", "capture-end"]
    assert found[1].streams[0] == b"000300040005"
    assert counts["strays"] == 3


def test_late_packets_are_no_connections() -> None:
    talk = Talk().open().client(0, 0, b"abc").close(3, 0)
    talk.client(0, 0, b"abc", after_ms=3000).client(3, 0, flags=FIN).server(0, 4)
    talk.ends = (End("10.0.0.9", 1), SERVER)
    talk.server(0, 10).reset(0, 5).client(2, 0, b"\0", flags=0)
    talk.segments[-1] = replace(talk.segments[-1], flags=ACK)
    found, counts = run(talk.capture)
    assert len(found) == 1
    assert (counts["late"], counts["strays"]) == (3, 3)


def test_silence_ends_connections_by_the_time_of_the_capture() -> None:
    idle = Talk().open().client(0, 0, b"abc")
    other = Talk(ends=(End("10.0.0.3", 1), SERVER), now_ns=START_NS).open()
    for number in range(200):
        other.client(number, 0, b"x", after_ms=100)
    (first, second), _ = run(
        captures.pcap(frames(sorted(idle.segments + other.segments, key=lambda one: one.time_ns))), idle_s=10
    )
    assert (first.kind, second.kind) == ("idle", "capture-end")
    assert first.events[-1] == ("ended", 1, "idle")


def test_one_packet_from_the_future_ends_nothing() -> None:
    talk = Talk().open().client(0, 0, b"abc")
    wrong = replace(talk.segments[-1], time_ns=START_NS + 10**17, source=End("10.0.0.77", 5))
    later = Talk(now_ns=talk.now_ns).client(3, 0, b"def").close(6, 0)
    found, _ = run(captures.pcap(frames([*talk.segments, wrong, *later.segments])))
    assert found[0].streams[0] == b"abcdef"
    assert found[0].kind == "fin"


def test_a_stream_whose_receiver_is_not_seen_does_not_wait_for_ever() -> None:
    talk = Talk()
    talk.client(0, None, flags=SYN).client(3, None, b"def", flags=ACK)
    for number in range(120):
        talk.client(6 + number, None, b"x", flags=ACK, after_ms=100)
    found = one(talk)
    assert gaps(found) == [(0, 0, 3, "unconfirmed")]
    assert found.events[1][4] < talk.now_ns  # type: ignore[operator]
    assert len(found.streams[0]) == 123


# --------------------------------------------------------------------------------------------------------------- bounds


def test_a_stream_keeps_so_much_and_says_what_it_gives_up() -> None:
    talk = Talk().open()
    for number in range(1, 41):
        talk.client(number * 1000, 0, bytes(1000))
    (found,), counts = run(talk.capture, max_stream_held_bytes=20_000)
    assert gaps(found)[0] == (0, 0, 1000, "evicted")
    assert sum(gap[2] for gap in gaps(found)) == 1000  # type: ignore[misc]
    assert counts["evicted_bytes"] == 1000
    assert len(found.streams[0]) == 40_000


def test_small_segments_that_wait_cost_more_than_their_bytes() -> None:
    """Every other byte of a stream: each piece costs its keeping."""
    talk = Talk().open()
    for number in range(4000):
        talk.client(2 * number + 1, 0, b"x", after_ms=0.01)
    collector = StreamCollector()
    table = FlowTable(collector, max_stream_held_bytes=50_000)
    reader = CaptureReader()
    most = 0
    data = talk.capture
    while data:
        piece, data = data[:5000], data[5000:]
        reader.feed(piece)
        while table.run(reader):
            pass
        most = max(most, table.held_bytes)
    assert 30_000 < most <= 60_000
    while table.finish():
        pass
    assert len(collector.connections[0].streams[0]) == 4000


def test_all_streams_together_keep_so_much() -> None:
    segments = []
    for number in range(50):
        talk = Talk(ends=(End("10.1.0.1", 1000 + number), SERVER), now_ns=START_NS + number * MS).open()
        segments += talk.client(1000, 0, bytes(10_000)).segments
    found, counts = run(captures.pcap(frames(segments)), max_held_bytes=100_000)
    evicted = [connection.serial for connection in found if gaps(connection)[0][3] == "evicted"]
    assert evicted == list(range(1, len(evicted) + 1))  # those that wait for the longest time first
    assert 40 <= len(evicted) <= 42
    assert counts["evicted_bytes"] == len(evicted) * 1000


def test_connections_are_bounded_and_those_without_use_go_first() -> None:
    def short(number: int) -> Talk:
        return Talk(ends=(End(f"10.2.{number >> 8}.{number & 255}", 7), SERVER), now_ns=START_NS + number * MS)

    used = Talk(ends=(End("10.9.9.9", 9), SERVER)).open().client(0, 0, b"abc")
    segments = list(used.segments)
    for number in range(1000):
        segments += short(number).client(0, None, flags=SYN).segments
    used.now_ns = START_NS + 1100 * MS
    segments += used.client(3, 0, b"def").close(6, 0).segments[-4:]
    found, counts = run(captures.pcap(frames(segments)), max_connections=16)
    assert found[0].streams[0] == b"abcdef"
    assert found[0].kind == "fin"
    assert counts["connections"] == 1001
    assert counts["evicted_connections"] == 1001 - 16
    assert {connection.kind for connection in found[1:]} == {"evicted", "capture-end"}


def test_memory_does_not_grow_with_the_capture() -> None:
    """A hundred thousand connections, each of three packets: what is allocated is that of so many at once."""
    syn = frames(Talk().client(0, None, flags=SYN).segments)[0].data
    sink = StreamSink()
    table = FlowTable(sink, max_connections=64)
    reader = CaptureReader()
    reader.feed(captures.pcap([]))
    gc.collect()
    tracemalloc.start()
    records = []
    for number in range(100_000):
        data = bytearray(syn)
        struct.pack_into(">IIHH", data, 26, number, 5, number & 0xFFFF, 104)
        records.append(struct.pack("<IIII", number // 1000, 0, len(data), len(data)) + data)
        if len(records) == 1000:
            reader.feed(b"".join(records))
            records.clear()
            while table.run(reader):
                pass
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert current < 1 << 20
    assert table.counts["connections"] == 100_000
    assert table.counts["connections_now"] <= 64


# ---------------------------------------------------------------------------------------------------- sinks and sources


def test_pausing_changes_nothing() -> None:
    talk = Talk().open().client(3, 0, b"def").client(0, 0, b"abc").server(0, 6, b"ok").close(6, 2)
    straight, paused = one(talk), one(talk, pauses=True)
    assert paused.events == straight.events
    assert paused.sides == straight.sides


def test_packets_are_not_pulled_away_while_the_table_pauses() -> None:
    talk = Talk().open().client(0, 0, b"abc").close(3, 0)
    table = FlowTable(StreamCollector(pauses=True))
    reader = CaptureReader()
    reader.feed(talk.capture)
    assert table.run(reader)
    for call in (reader.room, reader.begin_capture, reader.read_packet, lambda: reader.feed(b"x")):
        with pytest.raises(RuntimeError, match="to be looked at"):
            call()


def test_ignored_streams_are_counted() -> None:
    talk = Talk().open().client(0, 0, b"abc").client(6, 0, b"ghi").client(3, 0, b"def").server(0, 9, b"ok")
    talk.client(0, 2, b"abc", after_ms=300).close(9, 2)
    found = one(talk, ignores=[1])
    assert found.streams == (b"", b"")
    assert [event[0] for event in found.events] == ["ended", "ended"]
    assert found.kind == "fin"
    client, server = sides(found)
    assert (client["is_ignored"], client["delivered"], client["lost_bytes"]) == (1, 9, 0)
    assert (client["packets"], server["packets"], server["payload_bytes"]) == (8, 3, 2)


def test_a_damaged_capture_gives_what_is_in_front_of_the_damage() -> None:
    talk = Talk().open().client(0, 0, b"abc")
    table = FlowTable(collector := StreamCollector())
    reader = CaptureReader()
    reader.feed(talk.capture + b"\xff" * 40)
    with pytest.raises(ValueError, match="a packet of 4294967295 bytes"):
        table.run(reader)
    while table.finish():
        pass
    assert collector.connections[0].streams[0] == b"abc"


def test_the_clock_of_a_live_capture_goes_on_without_packets() -> None:
    talk = Talk().open().client(0, 0, b"abc").close(3, 0)
    table = FlowTable(collector := StreamCollector())
    reader = CaptureReader()
    reader.feed(talk.capture)
    assert not table.run(reader)
    assert collector.connections[0].kind is None  # its last packets may come twice
    assert not table.advance(talk.now_ns + 100 * MS)
    assert collector.connections[0].kind == "fin"
    assert table.counts["connections_now"] == 0


# ------------------------------------------------------------------------------------------------ headers and fragments

TALK = Talk().open().client(0, 0, b"abc" * 500).server(0, 1500, b"ok").close(1500, 2)


@pytest.mark.parametrize(
    "wire",
    [
        Wire(),
        Wire(vlans=((VLAN, 5),)),
        Wire(vlans=((QINQ, 7), (VLAN, 5))),
        *(Wire(link=link) for link in Link if link not in (Link.ETHERNET, Link.IPV6)),
        Wire(zero_length=True, pads=False),
        Wire(trailer=b"\1\2\3\4"),
        Wire(right_checksums=False),
        Wire(fragment=8),
        Wire(fragment=512, vlans=((VLAN, 5),)),
    ],
    ids=str,
)
def test_headers(wire: Wire) -> None:
    (found,), counts = run(wrapped(TALK, wire))
    assert found.streams == (b"abc" * 500, b"ok")
    assert found.kind == "fin"
    assert found.vlan == (wire.vlans[0][1] if wire.vlans else 0)
    assert counts["malformed"] == counts["not_ip"] == counts["cut_headers"] == 0
    assert sum(side["wire_bytes"] or 0 for side in sides(found)) == counts["wire_bytes"]


def test_check_sequences_behind_packets_without_a_length() -> None:
    """What segmentation offload leaves as 0 is the frame's, without what the capture says follows it."""
    body = captures.option(13, b"\4") + captures.option(9, b"\11") + captures.option(0, b"")
    parts = [captures.section_header(), captures.block(captures.INTERFACE, struct.pack("<HHI", 1, 0, 0) + body)]
    for frame in frames(TALK.segments, Wire(zero_length=True, pads=False, trailer=b"FCS!")):
        head = struct.pack("<IIIII", 0, frame.time_ns >> 32, frame.time_ns & 0xFFFFFFFF, frame.length, frame.length)
        parts.append(captures.block(captures.ENHANCED, head + frame.data))
    (found,), _ = run(b"".join(parts))
    assert found.streams == (b"abc" * 500, b"ok")


@pytest.mark.parametrize("seed", range(5))
def test_fragments_in_any_order(seed: int) -> None:
    noise = random.Random(seed)
    shuffled = []
    for segment in TALK.segments:
        parts = frames([segment], Wire(fragment=256))
        parts += noise.sample(parts, len(parts) // 3)
        noise.shuffle(parts)
        shuffled += parts
    (found,), counts = run(shuffled)
    assert found.streams == (b"abc" * 500, b"ok")
    assert counts["fragments"] > 6


def test_fragments_that_lie_or_never_come_are_given_up() -> None:
    first, *_, last = frames([TALK.segments[3]], Wire(fragment=256))
    beyond = bytearray(last.data)
    struct.pack_into(">H", beyond, 20, 0x1FFF)  # ends behind all datagrams
    odd = bytearray(first.data)
    struct.pack_into(">H", odd, 16, 20 + 255)  # not a multiple of eight, and not the last
    whole = [Frame(START_NS, bytes(data), len(data)) for data in (beyond, odd)]
    for number in range(1000):
        data = bytearray(first.data)
        struct.pack_into(">H", data, 18, number)
        whole.append(Frame(START_NS + number * MS, bytes(data), len(data)))
    (*found,), counts = run(whole)
    assert not found
    assert counts["fragments"] == 1002
    assert counts["lost_datagrams"] == 2 + 1000 - 256


def test_a_cut_fragment_is_a_gap() -> None:
    talk = Talk().open().client(0, 0, bytes(range(200)))
    whole = frames(talk.segments[:3])
    for number, part in enumerate(frames([talk.segments[3]], Wire(fragment=64))):
        whole.append(captures.cut(part, 14 + 20 + 30) if number == 2 else part)
    (found,), _ = run(whole)
    assert found.streams[0] == bytes(range(128 + 30 - 20))
    assert gaps(found) == [(0, 138, 62, "cut")]


def test_lying_headers_are_counted_and_nothing_else() -> None:
    (good,) = frames([TALK.segments[3]])
    bad = []
    for at, value in ((14, 0x41), (16, 0), (46, 0x10), (46, 0xF0), (14, 0x5F), (20, 0x20)):
        data = bytearray(good.data)
        data[at] = value
        if at == 16:
            data[17] = 19
        bad.append(Frame(good.time_ns, bytes(data), len(data)))
    other = [
        Frame(1, b"\xff" * 12 + b"\x08\x06" + bytes(28), 42),
        Frame(1, b"\xff" * 12 + b"\x81\x00\0\1" * 9 + b"\x08\0", 50),
        Frame(1, b"", 0),
    ]
    _, counts = run(bad + other)
    assert [counts[name] for name in ("packets", "not_ip", "malformed", "cut_headers", "fragments", "tcp_packets")] == [
        9,
        1,
        5,
        1,
        1,
        1,  # options to the end of the header are all there
    ]
    _, counts = run([Frame(1, good.data, good.length)], Link(113))
    assert counts["tcp_packets"] == 0


def test_unknown_link_types_are_counted() -> None:
    data = captures.pcap(frames(TALK.segments)).replace(struct.pack("<I", 1), struct.pack("<I", 105), 1)
    data = data[:20] + struct.pack("<I", 105) + captures.pcap(frames(TALK.segments))[24:]
    found, counts = run(data)
    assert not found
    assert counts["unknown_link"] == len(TALK.segments)
