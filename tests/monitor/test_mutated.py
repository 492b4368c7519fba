"""The monitor under everything that captures suffer from: what is still on the wire is reported, the rest is marked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.monitor import captures, mutations, tshark
from tests.monitor.monitored import KEPT_UNDER_CHANGE, Monitored, monitored
from tests.monitor.packets import SYN, Segment, decode, frames
from tests.monitor.scenarios import Scenario
from tests.monitor.spoken import stores
from tests.monitor.variants import HARMLESS
from tests.oracles.conversations import CLIENT, Connection, Message, Transaction, connections

pytestmark = pytest.mark.peers
SAMPLES = ("store_orthanc", "query", "get", "procedure_step", "rejections", "ends_in_mid_message", "hl7")
EVERYTHING = (*SAMPLES, "echo_orthanc", "store_syntaxes", "move", "worklist", "window", "several", "abort_of_server")


def segments_of(scenario: Scenario) -> list[Segment]:
    return [segment for frame in scenario.frames if (segment := decode(frame))]


# --- nothing is missing


@pytest.mark.parametrize("variant", HARMLESS)
@pytest.mark.parametrize("name", SAMPLES)
def test_harmless_changes_change_nothing(recorded: Callable[[str], Scenario], name: str, variant: str) -> None:
    segments = segments_of(recorded(name))
    expected = monitored(captures.pcap(recorded(name).frames))
    found = monitored(HARMLESS[variant](segments))
    assert found.facts() == expected.facts()
    assert found.gaps == []


def test_everything_at_once(recorded: Callable[[str], Scenario]) -> None:
    """All scenarios in one capture, their packets mixed."""
    rng = random.Random(3)
    expected: list[str] = []
    mixed: list[Segment] = []
    for name in EVERYTHING:
        segments = segments_of(recorded(name))
        expected += monitored(captures.pcap(frames(segments))).facts()
        start, late = segments[0].time_ns, rng.randrange(20_000_000)
        mixed += [replace(one, time_ns=one.time_ns - start + late) for one in segments]
    mixed.sort(key=lambda one: one.time_ns)
    found = monitored(captures.pcap(frames(mixed)))
    assert found.facts() == sorted(expected)


def test_directions_whose_clocks_differ(recorded: Callable[[str], Scenario]) -> None:
    """Answers seen before their questions, a whole association long: paired all the same."""
    segments = segments_of(recorded("query"))
    server = connections(segments)[0].ends[1].port
    expected = monitored(captures.pcap(frames(segments)))
    for by_ns in (100_000, 50_000_000):
        mixed = mutations.early(segments, lambda one: one.source.port == server, by_ns)
        found = monitored(captures.pcap(frames(mixed)))
        assert found.facts() == expected.facts()


# --- something is missing


Some = list[Transaction]


def remaining(connection: Connection, left: list[Segment]) -> tuple[Some, Some, Some]:
    """Return the transactions that are whole, those with a part of them, those that nothing is left of."""
    holes = connection.holes(left)

    def missing(message: Message) -> int:
        return sum(
            max(0, min(stop, message.end) - max(start, message.start)) for start, stop in holes[message.side]
        )

    whole, partly, gone = [], [], []
    for transaction in connection.transactions():
        messages = [transaction.request, *transaction.responses]
        lacking = [missing(message) for message in messages]
        if not any(lacking):
            whole.append(transaction)
        elif all(lack == message.end - message.start for lack, message in zip(lacking, messages, strict=True)):
            gone.append(transaction)
        else:
            partly.append(transaction)
    return whole, partly, gone


def assert_whole_ones_are_right(found: Monitored, expected: Monitored, whole: list[tuple[int, Transaction]]) -> None:
    """The transactions of which nothing is missing are as without the loss."""
    there = {(one.client_port, one.message_id, one.sop_instance_uid or ""): one for one in expected.transactions}
    lines = [" ".join(f"{name}={getattr(one, name)!r}" for name in KEPT_UNDER_CHANGE) for one in found.transactions]
    for port, transaction in whole:
        one = there[port, transaction.request.number, transaction.sop_instance_uid]
        line = " ".join(f"{name}={getattr(one, name)!r}" for name in KEPT_UNDER_CHANGE)
        assert line in lines, line


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["store_orthanc", "window", "query", "several"])
def test_lost_segments(recorded: Callable[[str], Scenario], name: str, seed: int) -> None:
    """Segments of established associations that the capture lacks."""
    segments = mutations.resegmented(segments_of(recorded(name)), 1460)
    whole_connections = connections(segments)
    rng = random.Random(seed)
    control = {  # what carries the A-ASSOCIATE PDUs, whose loss is a midstream pick-up
        number
        for number, one in enumerate(segments)
        for connection in whole_connections
        if one.connection == frozenset(connection.ends)
        and connection.offset(one) < connection.pdus[0 if one.source == connection.ends[CLIENT] else
                                                     len([p for p in connection.pdus if p.side == CLIENT])].end
    }  # fmt: skip
    candidates = [number for number in mutations.with_data(segments) if number not in control]
    lost = rng.sample(candidates, min(1 + seed // 3, len(candidates)))
    left = mutations.without(segments, lost)
    found = monitored(captures.pcap(frames(left)))
    expected = monitored(captures.pcap(frames(segments)))
    whole: list[tuple[int, Transaction]] = []
    for connection in whole_connections:
        whole += [(connection.ends[CLIENT].port, one) for one in remaining(connection, left)[0]]
    assert_whole_ones_are_right(found, expected, whole)
    # Of what has a hole nothing is said that is not marked.
    clean = [one for one in found.transactions if not one.gaps and not one.inferred and not one.lost_bytes]
    by_id = {(one.client_port, one.message_id, one.sop_instance_uid): one for one in expected.transactions}
    for one in clean:
        original = by_id.get((one.client_port, one.message_id, one.sop_instance_uid))
        if original is not None and one.status is not None:
            assert (one.status, one.method) == (original.status, original.method)
    holes = [hole for connection in whole_connections for side in connection.holes(left) for hole in side]
    assert sum(gap.bytes for gap in found.gaps) == sum(stop - start for start, stop in holes)
    assert len(found.transactions) <= len(expected.transactions)
    assert len(found.transactions) >= len(whole)


@pytest.mark.parametrize("name", ["store_orthanc", "query", "window", "procedure_step", "echo_orthanc", "get"])
def test_the_capture_begins_in_the_middle(recorded: Callable[[str], Scenario], name: str) -> None:
    """At every packet behind the association request: the transactions that begin later are all found, and marked."""
    segments = segments_of(recorded(name))
    (first, *_) = connections(segments)
    segments = first.segments
    expected = monitored(captures.pcap(frames(segments)))
    step = max(1, len(segments) // 12)
    for begin in range(3, len(segments), step):
        left = segments[begin:]
        found = monitored(captures.pcap(frames(left)))
        whole, _, _ = remaining(first, left)
        seen = {(one.method, one.message_id, one.status, one.sop_instance_uid or "") for one in found.transactions}
        for transaction in whole:
            key = (transaction.method, transaction.request.number, transaction.status, transaction.sop_instance_uid)
            assert key in seen, (begin, key)
        begun = [one.source for one in left if one.payload and first.offset(one) == 0]
        for one in found.transactions:
            assert bool(set(one.inferred) - {"client"}) == (first.ends[0] not in begun), begin
            assert (one.called_ae_title is not None) == bool(begun), begin  # the acceptance repeats the titles
        for transaction in whole:
            one = next(
                one
                for one in found.transactions
                if (one.method, one.message_id) == (transaction.method, transaction.request.number)
                and (one.sop_instance_uid or "") == transaction.sop_instance_uid
            )
            assert one.req_data_set_size == transaction.request.data_set_size
            original = next(
                known
                for known in expected.transactions
                if (known.method, known.message_id, known.sop_instance_uid)
                == (one.method, one.message_id, one.sop_instance_uid)
            )
            assert (one.study_instance_uid, one.accession_number) == (
                original.study_instance_uid,
                original.accession_number,
            )


def test_tshark_loses_what_is_found_in_the_middle(
    recorded: Callable[[str], Scenario], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The case that Wireshark gets wrong: without the association request it does not find the commands."""
    scenario = recorded("window")
    segments = segments_of(scenario)[12:]
    data = captures.pcap(frames(segments))
    path = captures.write(tmp_path_factory.mktemp("middle") / "capture", data)
    rows = tshark.fields(path, "dicom.pdu.type", "_ws.col.Info")
    named = sum(info[0].count("C-STORE-RQ") for kinds, info in rows if kinds)
    found = monitored(data)
    stores = [one for one in found.transactions if one.method == "C-STORE" and one.req_data_set_size]
    assert len(stores) >= 16
    assert named < len(stores)


def test_tshark_loses_what_follows_a_lost_segment(tmp_path: Path) -> None:
    """A hole in a data set: Wireshark does not name the response behind it, and we name all commands."""
    segments = stores(3000, 20_000, 10, 5000).segments
    (whole,) = connections(segments)
    request = next(one.request for one in whole.transactions() if one.request.number == 2)
    hole = next(
        number
        for number, one in enumerate(segments)
        if one.source == whole.ends[CLIENT] and request.start + 2000 < whole.offset(one) < request.end - 4000
    )
    data = captures.pcap(frames(mutations.without(segments, [hole])))
    path = captures.write(tmp_path / "capture", data)
    rows = tshark.fields(path, "_ws.col.Info", ports=[whole.ends[1].port])
    named = sum(row[0][0].count("C-STORE-RQ") + row[0][0].count("C-STORE-RSP") for row in rows if row[0])
    found = monitored(data)
    commands = sum(1 + (one.status is not None) for one in found.transactions)
    assert commands == len(whole.messages()) == 8
    assert [one.message_id for one in found.transactions if one.gaps] == [2]
    assert named < commands


@pytest.mark.parametrize("snaplen", [54, 64, 96, 128, 200, 400, 1000])
@pytest.mark.parametrize("name", ["store_orthanc", "query", "hl7"])
def test_cut_packets(recorded: Callable[[str], Scenario], name: str, snaplen: int) -> None:
    """Headers only, and a bit more: nothing crashes, what is cut is marked, short messages are right."""
    segments = segments_of(recorded(name))
    found = monitored(captures.pcap(frames(segments), snaplen=snaplen))
    expected = monitored(captures.pcap(frames(segments)))
    assert found.summary.counts["cut_packets"] == sum(len(frame.data) > snaplen for frame in frames(segments))
    assert len(found.transactions) <= len(expected.transactions)
    by_id = {(one.message_id, one.sop_instance_uid): one for one in expected.transactions}
    for one in found.transactions:
        original = by_id.get((one.message_id, one.sop_instance_uid))
        if original is not None and one.status is not None and not one.inferred:
            assert (one.method, one.status) == (original.method, original.status)
        if not one.gaps and not one.inferred:
            assert one.lost_bytes == 0
    if snaplen == 1000 and name == "query":
        assert found.facts() == expected.facts()


@pytest.mark.parametrize("keeps_client", [True, False], ids=["client", "server"])
@pytest.mark.parametrize("name", ["store_orthanc", "query", "echo_orthanc"])
def test_one_direction_only(recorded: Callable[[str], Scenario], name: str, keeps_client: bool) -> None:
    """A mirror of one port: what one side said is reported, and that the other side is missing."""
    segments = segments_of(recorded(name))
    port = connections(segments)[0].ends[1].port
    one_way = mutations.one_way(segments, lambda one: (one.target.port == port) == keeps_client)
    expected = monitored(captures.pcap(frames(segments)))
    found = monitored(captures.pcap(frames(one_way)))
    there = {(one.client_port, one.message_id, one.sop_instance_uid): one for one in expected.transactions}
    assert len(found.transactions) == len(expected.transactions)
    for one in found.transactions:
        own = one.server_port if one.client_port == port else one.client_port
        original = there[own, one.message_id, one.sop_instance_uid]
        assert one.method == original.method
        if keeps_client:
            assert one.status is None
            assert one.req_data_set_size == original.req_data_set_size
            assert one.sop_instance_uid == original.sop_instance_uid
        else:
            assert one.status == original.status
            assert one.req_data_set_size == 0
        assert not one.is_req_aborted


def test_the_same_ports_again(recorded: Callable[[str], Scenario]) -> None:
    """A second connection between the same ports, a second later, is another one."""
    segments = segments_of(recorded("echo_orthanc"))
    length = segments[-1].time_ns - segments[0].time_ns + 1_000_000_000
    again = [replace(one, time_ns=one.time_ns + length) for one in mutations.wrapped(segments, 500_000)]
    found = monitored(captures.pcap(frames([*segments, *again])))
    once = monitored(captures.pcap(frames(segments)))
    assert found.facts() == sorted([*once.facts(), *once.facts()])
    assert len({one.connection for one in found.associations}) == 2
    assert sum(bool(one.flags & SYN) for one in again) == 2


@pytest.mark.parametrize("name", ["store_orthanc", "procedure_step", "hl7"])
def test_the_capture_stops_anywhere(recorded: Callable[[str], Scenario], name: str) -> None:
    """In the middle of a record too: all that is before is there, and the summary says that bytes are left."""
    scenario = recorded(name)
    data = captures.pcap(scenario.frames)
    rng = random.Random(5)
    for cut in sorted(rng.sample(range(24, len(data)), 12)):
        found = monitored(data[:cut])
        packets, position = 0, 24
        while position + 16 <= cut:
            size = int.from_bytes(data[position + 8 : position + 12], "little")
            if position + 16 + size > cut:
                break
            position += 16 + size
            packets += 1
        assert found.summary.packets == packets
