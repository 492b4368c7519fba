"""Builders, recorder and twin themselves, before anything is proved with them: against tshark and the peers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dicomwire.dimse.messages import CEchoRQ
from dicomwire.ul.pdu import AReleaseRP, AReleaseRQ
from tests.monitor import captures, mutations, tshark
from tests.monitor.conversation import AT_CLIENT, CLIENT, SERVER, Conversation
from tests.monitor.packets import QINQ, VLAN, End, Frame, Link, Segment, Wire, decode, frames
from tests.monitor.scenarios import SCENARIOS, Scenario
from tests.net.raw import VERIFICATION, acceptance, message_bytes, request
from tests.oracles.conversations import Connection, connections

pytestmark = pytest.mark.peers
PORT = 11112
PDUS = Counter({1: 1, 2: 1, 4: 2, 5: 1, 6: 1})
LINKS = {
    "ethernet": Wire(),
    "vlan": Wire(vlans=((VLAN, 5),)),
    "qinq": Wire(vlans=((QINQ, 7), (VLAN, 5))),
    "fragments": Wire(fragment=24),
    "zero length": Wire(zero_length=True, pads=False),
    "trailer": Wire(trailer=b"\xde\xad\xbe\xef"),
    "sll": Wire(link=Link.SLL),
    "sll2": Wire(link=Link.SLL2),
    "raw": Wire(link=Link.RAW),
    "raw 12": Wire(link=Link.RAW_12),
    "null": Wire(link=Link.NULL),
    "loop": Wire(link=Link.LOOP),
    "ipv4": Wire(link=Link.IPV4),
}


def echo(client: End = AT_CLIENT) -> list[Segment]:
    """An association with one echo."""
    talk = Conversation(client=client)
    talk.open()
    asked, message = request(), CEchoRQ(message_id=7, affected_sop_class_uid=VERIFICATION)
    talk.say(CLIENT, asked.encode())
    talk.say(SERVER, acceptance(asked).encode())
    talk.say(CLIENT, message_bytes(1, message))
    talk.say(SERVER, message_bytes(1, message.response(status=0)))
    talk.say(CLIENT, AReleaseRQ().encode())
    talk.say(SERVER, AReleaseRP().encode())
    talk.close()
    return talk.segments


def whole(scenario: Scenario) -> list[Connection]:
    return connections([segment for frame in scenario.frames if (segment := decode(frame))])


def test_tshark_reads_every_link(tmp_path: Path) -> None:
    """Each over IPv4 and IPv6, on an interface of its own in one file; checksums included, as far as tshark looks."""
    groups: list[tuple[Link, list[Frame]]] = []
    for number, wire in enumerate(LINKS.values()):
        segments = echo(End("10.1.0.1", 50_000 + number))
        groups.append((wire.link, frames(segments, wire)))
        if not wire.zero_length:  # of which tshark knows for IPv4 only
            link = Link.IPV6 if wire.link == Link.IPV4 else wire.link
            groups.append((link, frames(mutations.to_ipv6(segments), replace(wire, link=link))))
    path = captures.write(tmp_path / "capture", captures.merged(groups))
    names = "frame.interface_id", "dicom.pdu.type", "ip.checksum.status", "tcp.checksum.status", "_ws.malformed"
    options = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    rows = tshark.fields(path, *names, ports=[PORT], options=options)
    found = Counter((int(row[0][0]), int(text, 0)) for row in rows for text in row[1])
    assert found == Counter({(which, kind): count for which in range(len(groups)) for kind, count in PDUS.items()})
    assert {value for row in rows for value in (*row[2], *row[3])} == {"1"}
    assert not any(row[4] for row in rows)


FORMATS: dict[str, Callable[[list[Frame]], bytes]] = {
    "pcap, microseconds": lambda some: captures.pcap(some, magic=captures.MICROSECONDS),
    "pcap, big endian": lambda some: captures.pcap(some, order=">"),
    "pcap, Kuznetzov": lambda some: captures.pcap(some, magic=captures.KUZNETZOV),
    "pcapng": captures.pcapng,
    "pcapng, big endian": lambda some: captures.pcapng(some, order=">", resolutions=(6, 9)),
    "pcapng, powers of two": lambda some: captures.pcapng(some, resolutions=(0x94,)),
    "pcapng, offset": lambda some: captures.pcapng(some, offset_s=1_000_000_000),
    "pcapng, simple": lambda some: captures.pcapng(some, simple=True),
}


@pytest.mark.parametrize("name", FORMATS)
def test_tshark_reads_every_format(tmp_path: Path, name: str) -> None:
    some = frames(echo())
    path = captures.write(tmp_path / "capture", FORMATS[name](some))
    rows = tshark.fields(path, "dicom.pdu.type", "frame.time_epoch", ports=[PORT])
    assert Counter(int(text, 0) for row in rows for text in row[0]) == PDUS
    if "simple" not in name:
        seconds = [float(row[1][0]) for row in rows]
        assert seconds == pytest.approx([frame.time_ns / 1e9 for frame in some], abs=2e-6)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_twin_finds_what_the_ends_said(recorded: Callable[[str], Scenario], name: str) -> None:
    scenario = recorded(name)
    found, said = Counter[tuple[object, ...]](), Counter[tuple[object, ...]]()
    for connection in whole(scenario):
        for one in connection.transactions():
            found[one.method, one.status, max(len(one.responses) - 1, 0)] += 1
    for talk in scenario.talks:
        said.update((one.method, one.status, one.pending) for one in talk.did)
    assert found == said - Counter({("C-STORE", None, 0): said["C-STORE", None, 0] - found["C-STORE", None, 0]})
    sizes = Counter(one.data_set_size for talk in scenario.talks for one in talk.did if one.data_set_size)
    there = Counter(
        one.request.data_set_size for connection in whole(scenario) for one in connection.transactions()
    )
    assert not sizes - there
    sent = Counter(talk.sent for talk in scenario.talks if talk.sent)
    assert not sent - Counter((len(one.streams[0]), len(one.streams[1])) for one in whole(scenario))


def test_tshark_counts_the_pdus_of_the_twin(recorded: Callable[[str], Scenario], tmp_path: Path) -> None:
    """Of all scenarios at once, by port; but for what is no DICOM, and PDUs that are none."""
    scenarios = [recorded(name) for name in SCENARIOS if name not in ("hl7", "breaches", "over_tls")]
    expected = Counter(
        (connection.ends[1].port, pdu.kind)
        for scenario in scenarios
        for connection in whole(scenario)
        for pdu in connection.pdus
    )
    recordings = [frame for scenario in scenarios for frame in scenario.frames]
    path = captures.write(tmp_path / "capture", captures.pcap(recordings))
    ports = {port for scenario in scenarios for port in scenario.ports}
    found: Counter[tuple[int, int]] = Counter()
    for source, target, kinds in tshark.fields(path, "tcp.srcport", "tcp.dstport", "dicom.pdu.type", ports=ports):
        (port,) = ports & {int(source[0]), int(target[0])}
        found.update((port, int(text, 0)) for text in kinds)
    assert found == expected


def test_mutations_keep_the_streams(recorded: Callable[[str], Scenario]) -> None:
    """What loses nothing loses nothing: the streams of the twin are the same after a sort by offset."""
    segments = [segment for frame in recorded("store_orthanc").frames if (segment := decode(frame))]
    expected = [connection.streams for connection in connections(segments)]
    changed = {
        "seven": mutations.resegmented(segments, 7),
        "joined": mutations.joined(mutations.resegmented(segments, 1000)),
        "mirrored": mutations.mirrored(segments),
        "repeated": mutations.retransmitted(segments, mutations.with_data(segments)[::3]),
        "wrapped": mutations.wrapped(segments),
        "overlapping": mutations.overlapping(segments, mutations.with_data(segments)[::3]),
    }
    for name, mutated in changed.items():
        assert [connection.streams for connection in connections(mutated)] == expected, name
    for disorder in (
        mutations.reordered(mutations.resegmented(segments, 500), 1),
        mutations.recovered(mutations.resegmented(segments, 500), range(8, 900, 11)),
    ):
        ordered = sorted(disorder, key=lambda one: (one.source, one.target, one.sequence))
        assert disorder != ordered
        assert Counter(one.payload for one in disorder) == Counter(
            one.payload for one in mutations.resegmented(segments, 500)
        )
