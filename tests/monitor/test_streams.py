"""Reassembly of real traffic against the slow twin: the same streams in every variant, and as gaps what is lost."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import pytest

from _dicomwire.flow import CollectedConnection, FlowTable, StreamCollector
from dicomwire.monitor.sources import Filled, open_source
from tests.monitor import captures, mutations
from tests.monitor.packets import ACK, SYN, End, Segment, decode, frames
from tests.monitor.scenarios import Scenario
from tests.monitor.spoken import stores
from tests.monitor.variants import HARMLESS
from tests.oracles.conversations import connections

SAMPLES = ("store_orthanc", "query", "get", "ends_in_mid_message")


def collected(data: bytes) -> tuple[list[CollectedConnection], dict[str, int]]:
    """Return the connections of a capture, and what the table counted."""
    collector = StreamCollector()
    table = FlowTable(collector)
    with open_source(io.BytesIO(data)) as source:
        while source.fill() is not Filled.ENDED:
            while table.run(source.packets):
                pass
        while table.finish():
            pass
    return collector.connections, table.counts


def repeats(segments: list[Segment]) -> bool:
    """Whether a busy machine had a segment of the recording sent twice."""
    starts = [(one.way, one.sequence) for one in segments if one.payload]
    return len(starts) != len(set(starts))


def segments_of(scenario: Scenario) -> list[Segment]:
    return [segment for frame in scenario.frames if (segment := decode(frame))]


def sent_once(segments: list[Segment]) -> list[Segment]:
    """Without what a busy machine sent once more, for tests that add up payloads."""
    first: dict[tuple[End, End], int] = {}
    reached: dict[tuple[End, End], int] = {}
    kept = []
    for one in segments:
        past = one.sequence - first.setdefault(one.way, one.sequence) & 0xFFFFFFFF
        if one.payload and past < reached.get(one.way, 0):
            continue
        reached[one.way] = max(reached.get(one.way, 0), past + one.length)
        kept.append(one)
    return kept


@pytest.mark.peers
@pytest.mark.parametrize("variant", HARMLESS)
@pytest.mark.parametrize("name", SAMPLES)
def test_streams_are_the_same(recorded: Callable[[str], Scenario], name: str, variant: str) -> None:
    segments = segments_of(recorded(name))
    expected = connections(segments)
    found, _ = collected(HARMLESS[variant](segments))
    assert [tuple(map(bytes, one.streams)) for one in found] == [one.streams for one in expected]
    for one in found:
        assert one.from_start
        assert one.sides is not None
        assert [side["lost_bytes"] for side in one.sides] == [0, 0]
        assert [side["gaps"] for side in one.sides] == [0, 0]
        if variant != "overlapping":
            assert [side["conflicts"] for side in one.sides] == [0, 0]
        if "mirrored" not in variant:
            assert [side["duplicates"] for side in one.sides] == [0, 0]
        if "retransmitted" not in variant and variant != "overlapping" and not repeats(segments):
            assert [side["retransmissions"] for side in one.sides] == [0, 0]


def test_copies_and_repetitions_are_counted_apart() -> None:
    segments = mutations.resegmented(stores(3000, 20_000, 10).segments, 700)
    chosen = mutations.with_data(segments)[1::5]
    (found,), _ = collected(captures.pcap(frames(mutations.retransmitted(segments, chosen))))
    assert found.sides is not None
    assert sum(side["retransmissions"] or 0 for side in found.sides) == len(chosen)
    assert sum(side["retransmitted_bytes"] or 0 for side in found.sides) == sum(
        len(segments[number].payload) for number in chosen
    )
    assert sum(side["duplicates"] or 0 for side in found.sides) == 0
    assert sum(side["packets"] or 0 for side in found.sides) == len(segments) + len(chosen)
    (found,), _ = collected(HARMLESS["mirrored"](segments))
    assert found.sides is not None
    assert sum(side["duplicates"] or 0 for side in found.sides) == len(segments)
    assert sum(side["packets"] or 0 for side in found.sides) == len(segments)
    assert sum(side["retransmissions"] or 0 for side in found.sides) == 0


@pytest.mark.peers
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("disorder", [False, True], ids=["in order", "reordered"])
def test_gaps_are_what_is_lost(recorded: Callable[[str], Scenario], seed: int, disorder: bool) -> None:
    """Segments that the capture lacks, somewhere: each range is said once, and everything else is given."""
    segments = mutations.resegmented(segments_of(recorded("store_orthanc")), 700)
    (connection,) = connections(segments)
    rng = random.Random(seed)
    lost = sorted(rng.sample(mutations.with_data(segments), 1 + seed))
    left = mutations.without(segments, lost)
    if disorder:
        left = mutations.reordered(left, seed)
    (found,), _ = collected(captures.pcap(frames(left)))
    assert found.sides is not None
    for side, ranges in enumerate(connection.holes(left)):
        gaps = [event for event in found.events if event[0] == "gap" and event[1] == side]
        assert [(event[2], event[2] + event[3]) for event in gaps] == ranges  # type: ignore[operator]
        assert {event[4] for event in gaps} <= {"LOST", "lost"}
        stream = connection.streams[side]
        expected, at = b"", 0
        for start, stop in ranges:
            expected += stream[at:start]
            at = stop
        assert bytes(found.streams[side]) == expected + stream[at:]
        assert found.sides[side]["lost_bytes"] == sum(stop - start for start, stop in ranges)


@pytest.mark.peers
@pytest.mark.parametrize("snaplen", [54, 68, 96, 1000, 4000])
def test_cut_packets_are_gaps(recorded: Callable[[str], Scenario], snaplen: int) -> None:
    segments = sent_once(segments_of(recorded("store_orthanc")))
    (connection,) = connections(segments)
    (found,), _ = collected(captures.pcap(frames(segments), snaplen=snaplen))
    assert found.sides is not None
    for side in (0, 1):
        expected, lost = b"", 0
        for one in segments:
            if one.source == connection.ends[side]:
                room = max(0, snaplen - 14 - 20 - 20 - len(one.options) - (-len(one.options) % 4))
                expected += one.payload[:room]
                lost += len(one.payload) - len(one.payload[:room])
        assert bytes(found.streams[side]) == expected
        assert found.sides[side]["lost_bytes"] == lost
        assert found.sides[side]["delivered"] == len(connection.streams[side])
        assert {event[4] for event in found.events if event[0] == "gap"} <= {"CUT", "cut"}


@pytest.mark.peers
@pytest.mark.parametrize("first", [1, 2, 3, 8, 15, 30])
def test_the_beginning_is_missed(recorded: Callable[[str], Scenario], first: int) -> None:
    """Without the SYN: the rest of the streams, from the first byte seen, and no gap."""
    segments = mutations.resegmented(sent_once(segments_of(recorded("store_orthanc"))), 1460)[first:]
    (whole,) = connections(segments_of(recorded("store_orthanc")))
    (found,), _ = collected(captures.pcap(frames(segments)))
    assert found.from_start == any(one.flags & SYN for one in segments)
    # Who opened it is not known: side 0 is who was seen first.
    order = (0, 1) if found.client == whole.ends[0] else (1, 0)
    for side, own in enumerate(order):
        assert bytes(found.streams[own]) == whole.streams[side][len(whole.streams[side]) - len(found.streams[own]) :]
        expected = b"".join(one.payload for one in segments if one.source == whole.ends[side])
        assert bytes(found.streams[own]) == expected
    assert not [event for event in found.events if event[0] == "gap"]


@pytest.mark.peers
@pytest.mark.parametrize("keeps_client", [True, False])
def test_one_direction_only(recorded: Callable[[str], Scenario], keeps_client: bool) -> None:
    segments = segments_of(recorded("store_orthanc"))
    (whole,) = connections(segments)
    sender = whole.ends[0 if keeps_client else 1]
    one_way = mutations.one_way(segments, lambda one: one.source == sender)
    (found,), _ = collected(captures.pcap(frames(one_way)))
    streams = {found.client: bytes(found.streams[0]), found.server: bytes(found.streams[1])}
    assert streams[sender] == whole.streams[0 if keeps_client else 1]
    assert streams[whole.ends[1 if keeps_client else 0]] == b""
    # What the sender acknowledged of the other direction was never seen: lost, as a gap or as a count.
    assert found.sides is not None
    assert one_way[-1].flags & ACK


@pytest.mark.peers
def test_directions_whose_clocks_differ(recorded: Callable[[str], Scenario]) -> None:
    """Answers seen before their questions: the same streams, no loss."""
    segments = segments_of(recorded("store_orthanc"))
    (whole,) = connections(segments)
    mixed = mutations.early(segments, lambda one: one.source == whole.ends[1], 3_000_000)
    assert mixed[0].source == whole.ends[1]
    (found,), _ = collected(captures.pcap(frames(mixed)))
    streams = {found.client: bytes(found.streams[0]), found.server: bytes(found.streams[1])}
    assert streams == {whole.ends[0]: whole.streams[0], whole.ends[1]: whole.streams[1]}
    assert found.client == whole.ends[0]
