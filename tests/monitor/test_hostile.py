"""Captures that are damaged, lie, or were made to hurt: a result or one of our errors, soon and in little memory.

One test or more for each kind of damage: lost, reordered, repeated, overlapping, from the middle, cut, wrong checksums,
lying lengths of packets and blocks, directions swapped; then bytes changed at random.
"""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import pytest

from dicomwire.errors import DecodeError, DicomWireError
from tests.monitor import captures, mutations
from tests.monitor.conversation import CLIENT
from tests.monitor.monitored import Monitored, monitored
from tests.monitor.packets import End, Frame, Segment, Wire, frames
from tests.monitor.spoken import Spoken, image, instance, stores

SIZES = (3000, 20_000, 10, 5000)


def seen(segments: list[Segment], wire: Wire | None = None) -> Monitored:
    return monitored(captures.pcap(frames(segments, wire)))


def stored(found: Monitored) -> list[tuple[int, int | None, int]]:
    return [(one.message_id, one.status, one.req_pixel_data_size) for one in found.transactions]


ALL = [(number, 0, size) for number, size in enumerate(SIZES, 1)]


def middle_of(segments: list[Segment], number: int) -> int:
    """Return the index of a segment in the middle of a C-STORE-RQ."""
    found = [k for k, one in enumerate(segments) if instance(number).encode() in one.payload and one.payload[0] == 4]
    return found[0] + 2


def test_as_it_was() -> None:
    found = seen(stores(*SIZES).segments)
    assert stored(found) == ALL
    assert [(one.end, one.ended_by) for one in found.associations] == [("release", "client")]


def test_a_lost_segment() -> None:
    segments = stores(*SIZES).segments
    lost = middle_of(segments, 2)
    found = seen(mutations.without(segments, [lost]))
    assert [one.message_id for one in found.transactions] == [1, 2, 3, 4]
    assert [one.status for one in found.transactions] == [0, 0, 0, 0]
    assert [one.gaps for one in found.transactions] == [0, 1, 0, 0]
    assert [one.lost_bytes for one in found.transactions] == [0, 1460, 0, 0]
    (gap,) = found.gaps
    assert (gap.bytes, gap.kind, gap.side) == (1460, "lost", "client")
    assert gap.in_flight == {"method": "C-STORE", "message_id": 2, "part": "data set"}
    assert found.associations[0].end == "release"


def test_a_lost_command() -> None:
    """The first segment of a request, with its command set and the front of its data set."""
    segments = stores(*SIZES).segments
    lost = middle_of(segments, 2) - 2
    found = seen(mutations.without(segments, [lost]))
    by_id = {one.message_id: one for one in found.transactions if one.status is not None}
    assert [by_id[number].status for number in (1, 3, 4)] == [0, 0, 0]
    assert [by_id[number].gaps for number in (1, 3, 4)] == [0, 0, 0]
    assert by_id[2].status == 0  # its response is there
    assert by_id[2].inferred or by_id[2].gaps
    assert sum(gap.bytes for gap in found.gaps) == 1460


def test_the_whole_negotiation_lost() -> None:
    """Both gaps come before it is known what the connection speaks; they are said all the same."""
    segments = stores(*SIZES).segments
    lost = [k for k, one in enumerate(segments) if one.payload and one.payload[0] in (1, 2)][:2]
    found = seen(mutations.without(segments, lost))
    assert stored(found) == ALL
    assert [one.inferred for one in found.transactions] == [["association", "transfer_syntax"]] * 4
    assert [(gap.side, gap.bytes) for gap in found.gaps] == [
        ("client", len(segments[lost[0]].payload)),
        ("server", len(segments[lost[1]].payload)),
    ]
    assert [gap.to_dict()["offset"] for gap in found.gaps] == [0, 0]


def test_a_lost_response() -> None:
    segments = stores(*SIZES).segments
    lost = next(
        k for k, one in enumerate(segments) if k > middle_of(segments, 2) and one.payload and one.source.port == 11112
    )
    found = seen(mutations.without(segments, [lost]))
    by_id = {one.message_id: one for one in found.transactions}
    assert {number: one.status for number, one in by_id.items()} == {1: 0, 2: None, 3: 0, 4: 0}
    unanswered = by_id[2]
    assert unanswered.req_pixel_data_size == SIZES[1]
    assert unanswered.gaps == 1
    assert not unanswered.is_rsp_aborted


def test_reordered_segments() -> None:
    segments = mutations.reordered(stores(*SIZES).segments, seed=4, reach=6)
    assert segments != stores(*SIZES).segments
    assert stored(seen(segments)) == ALL


def test_repeated_segments() -> None:
    segments = stores(*SIZES).segments
    again = mutations.with_data(segments)[2:20:3]
    found = seen(mutations.retransmitted(segments, again))
    assert stored(found) == ALL
    (association,) = found.associations
    assert association.client["retransmissions"] + association.server["retransmissions"] == len(again)
    assert sum(one.req_retransmissions + one.rsp_retransmissions for one in found.transactions) <= len(again)


def test_overlaps_with_other_bytes() -> None:
    """What came first counts, whatever comes later."""
    segments = stores(*SIZES).segments
    changed = mutations.with_data(segments)[2:14:4]
    found = seen(mutations.overlapping(segments, changed))
    assert stored(found) == ALL
    (association,) = found.associations
    assert association.client["retransmissions"] + association.server["retransmissions"] == len(changed)


def test_overlaps_among_bytes_that_wait() -> None:
    """Of two segments that come before their turn, with other bytes for the same place, the first one counts, too."""
    segments = stores(*SIZES).segments
    late = middle_of(segments, 2)
    waiting = segments[late + 1]
    lie = replace(waiting, payload=bytes(len(waiting.payload)), identification=waiting.identification ^ 0x2AAA)
    found = seen([*segments[:late], waiting, lie, segments[late], *segments[late + 2 :]])
    assert stored(found) == ALL
    assert found.associations[0].client["conflicts"] == 1
    assert found.gaps == []


def test_from_the_middle() -> None:
    segments = stores(*SIZES).segments
    found = seen(segments[middle_of(segments, 2) + 1 :])
    numbered = {one.message_id: one for one in found.transactions}
    assert [(number, numbered[number].status, numbered[number].req_pixel_data_size) for number in (3, 4)] == ALL[2:]
    assert numbered[3].inferred
    assert numbered[3].accession_number == "ACC-5"
    assert numbered[2].status == 0
    assert numbered[2].inferred or numbered[2].gaps
    assert found.associations[0].called_ae_title is None


@pytest.mark.parametrize("snaplen", [14, 20, 34, 40, 53, 54, 60, 100, 600])
def test_cut_by_snaplen(snaplen: int) -> None:
    segments = stores(*SIZES).segments
    some = frames(segments)
    found = monitored(captures.pcap(some, snaplen=snaplen))
    assert found.summary.packets == len(some)
    assert found.summary.counts["cut_packets"] == sum(frame.length > snaplen for frame in some)
    if snaplen == 600:  # commands and headers are there, pixels are not
        assert [(one.message_id, one.status) for one in found.transactions] == [(1, 0), (2, 0), (3, 0), (4, 0)]
        assert [one.req_pixel_data_size for one in found.transactions] == list(SIZES)
        assert [one.study_instance_uid for one in found.transactions] == [found.transactions[0].study_instance_uid] * 4
        assert all(one.gaps for one in found.transactions if one.req_pixel_data_size > 600)


def test_wrong_checksums() -> None:
    """Of a sender whose network card fills them in."""
    assert stored(seen(stores(*SIZES).segments, Wire(right_checksums=False))) == ALL


def test_directions_swapped() -> None:
    """Every answer is captured before its question."""
    segments = stores(*SIZES).segments
    swapped = mutations.early(segments, lambda one: one.source.port == 11112, 100_000 * 3 // 2)
    assert [one.source.port for one in swapped[:2]] == [11112, 50_000]
    found = seen(swapped)
    assert sorted(stored(found), key=str) == ALL
    assert {(one.client_port, one.server_port) for one in found.transactions} == {(50_000, 11112)}


def patched(frame: Frame, at: int, value: bytes) -> Frame:
    return frame._replace(data=frame.data[:at] + value + frame.data[at + len(value) :])


LIES = {
    "IP length past the packet": (16, b"\xff\xff"),
    "IP length of nothing": (16, b"\0\x14"),
    "IP length below its header": (16, b"\0\x05"),
    "IP header length 0": (14, b"\x40"),
    "IP header length 60": (14, b"\x4f"),
    "IP version 15": (14, b"\xf5"),
    "IP version 6": (14, b"\x65"),
    "IP fragment in the middle": (20, b"\x20\x10"),
    "TCP header length 0": (46, b"\0"),
    "TCP header length 60": (46, b"\xf0"),
    "TCP flags all": (47, b"\xff"),
    "TCP urgent": (52, b"\xff\xff"),
    "TCP sequence far away": (38, b"\x7f\xff\xff\xff"),
    "TCP acknowledgement far away": (42, b"\xff\xff\xff\xff"),
    "EtherType unknown": (12, b"\x12\x34"),
    "VLAN without end": (12, b"\x81\0" * 20),
}


@pytest.mark.parametrize("name", LIES)
def test_lying_packets(name: str) -> None:
    """One packet in three of the data lies; packets without lies in other connections are as they were."""
    at, value = LIES[name]
    honest, lying = stores(*SIZES), stores(*SIZES, client=End("10.1.0.1", 49_152))
    liars = [
        patched(frame, at, value) if number > 4 and number % 3 == 0 else frame
        for number, frame in enumerate(frames(lying.segments))
    ]
    both = sorted([*frames(honest.segments), *liars], key=lambda frame: frame.time_ns)
    found = monitored(captures.pcap(both))
    assert stored_of(found, 50_000) == ALL
    assert found.summary.packets == len(both)
    for one in found.transactions:
        if one.client_port == 49_152 and one.status is not None and not one.gaps and not one.inferred:
            assert (one.message_id, one.status) in {(number, 0) for number in (1, 2, 3, 4)}


def stored_of(found: Monitored, port: int) -> list[tuple[int, int | None, int]]:
    return [
        (one.message_id, one.status, one.req_pixel_data_size) for one in found.transactions if one.client_port == port
    ]


# --- files


def whole() -> tuple[bytes, bytes]:
    """The same as pcap and pcapng."""
    some = frames(stores(*SIZES).segments)
    return captures.pcap(some), captures.pcapng(some)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 1 << 28, 1 << 20])
def test_a_record_longer_than_the_file(length: int) -> None:
    """Either an error, or the end of what can be read: never a wait or that much memory."""
    data, _ = whole()
    at = 24
    for _ in range(20):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
    lying = data[: at + 8] + struct.pack("<II", length, length) + data[at + 16 :]
    before = monitored(data[:at])
    try:
        found = monitored(lying)
    except DecodeError:
        return
    assert found.facts() == before.facts()


@pytest.mark.parametrize("length", [0, 4, 8, 11, 13, 0xFFFFFFFC, 0xFFFFFFFF, 0x7FFFFFFC, 1 << 30])
def test_a_block_of_a_lying_length(length: int) -> None:
    _, data = whole()
    at = data.index(struct.pack("<I", captures.ENHANCED))
    for _ in range(20):
        at += int.from_bytes(data[at + 4 : at + 8], "little")
    lying = data[: at + 4] + struct.pack("<I", length) + data[at + 8 :]
    before = monitored(data[:at])
    try:
        found = monitored(lying)
    except DecodeError:
        return
    assert before.facts() == found.facts() or len(found.transactions) <= len(SIZES)


@pytest.mark.parametrize("captured", [0xFFFFFFFF, 5000, 0])
def test_a_packet_longer_than_its_block(captured: int) -> None:
    _, data = whole()
    at = data.index(struct.pack("<I", captures.ENHANCED))
    lying = data[: at + 20] + struct.pack("<I", captured) + data[at + 24 :]
    try:
        found = monitored(lying)
    except DecodeError:
        return
    assert stored(found) == ALL or found.transactions


@pytest.mark.parametrize("data", [b"", b"\0", b"\n\r\r\n", b"MZ" * 100, bytes(24), b"\xd4\xc3\xb2\xa1"])
def test_no_capture(data: bytes) -> None:
    try:
        found = monitored(data)
    except DicomWireError:
        return
    assert data in (b"",) or found.transactions == []


# --- memory


def test_a_hole_that_is_never_filled() -> None:
    """Bytes behind a hole that nobody acknowledges are held within a bound, then given up, and that is said."""
    talk = Spoken(mss=60_000)
    talk.associate()
    talk.next[CLIENT] += 10
    some = image(1, 59_000)
    for _ in range(800):  # 47 MB, of which the server acknowledges nothing
        talk.say(CLIENT, some)
    found = seen(talk.segments)
    assert [(gap.kind, gap.bytes) for gap in found.gaps] == [("evicted", 10)]
    assert found.summary.counts["evicted_bytes"] == 10
    assert found.summary.packets == len(talk.segments)


def test_many_connections_that_say_little() -> None:
    """SYNs, and streams of ten bytes, from everywhere: counted, and no record of what is no DICOM."""
    talk = stores(10)
    first = talk.segments[0]
    strangers = [
        replace(first, source=first.source._replace(address=f"10.9.{number >> 8}.{number & 255}"))
        for number in range(20_000)
    ]
    found = seen([*strangers, *talk.segments])
    assert stored(found) == [(1, 0, 10)]
    assert len(found.associations) == 1


# --- chance


@pytest.mark.parametrize("seed", range(60))
def test_changed_bytes(seed: int) -> None:
    """Any bytes give records or a DecodeError, and no more transactions than there can be."""
    rng = random.Random(seed)
    pcap, pcapng = whole()
    data = bytearray(pcap if seed % 2 else pcapng)
    for _ in range(rng.choice([1, 5, 50, 500])):
        at = rng.randrange(len(data)) if seed % 3 else rng.randrange(min(len(data), 4000))
        data[at] = rng.choice([0, 255, rng.randrange(256), data[at] ^ (1 << rng.randrange(8))])
    try:
        found = monitored(bytes(data))
    except DecodeError:
        return
    assert len(found.transactions) < 50
