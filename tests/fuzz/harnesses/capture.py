"""Any bytes are the same packets in whatever pieces they come, or the same error; connections keep to their bounds."""

import struct
from itertools import pairwise

from _dicomwire.capture import CaptureReader
from _dicomwire.flow import FlowTable, StreamCollector
from dicomwire.errors import DecodeError
from tests.cext.flows import Talk
from tests.fuzz.harness import Harness
from tests.monitor import captures
from tests.monitor.packets import Link, Wire, frames

HELD = 4096
CONNECTIONS = 8
Outcome = tuple[list[object], str]


def read(data: bytes, cuts: list[int]) -> Outcome:
    """Return the packets, and the error's text or what is left."""
    reader = CaptureReader()
    found: list[object] = []
    try:
        for start, stop in pairwise([0, *sorted(cuts), len(data)]):
            assert reader.feed(data[start:stop]) == stop - start
            while (packet := reader.read_packet()) is not None:
                time_ns, _, body, length, _ = packet
                assert 0 <= time_ns < 1 << 63
                assert len(body) <= length
                found.append(packet)
    except DecodeError as error:
        return found, f"{error} at {error.offset}"
    assert reader.offset + reader.pending_bytes <= len(data)
    return found, f"{reader.pending_bytes} bytes left, {reader.invalid_blocks} blocks passed over"


def follow(data: bytes) -> None:
    """Let the packets through a small table: bounded, and every connection has its end."""
    collector = StreamCollector()
    table = FlowTable(
        collector, max_connections=CONNECTIONS, max_held_bytes=2 * HELD, max_stream_held_bytes=HELD, last_wins=True
    )
    reader = CaptureReader()
    reader.feed(data)
    try:
        while table.run(reader):
            pass
    except DecodeError:
        pass
    assert table.held_bytes <= 2 * HELD
    assert table.counts["connections_now"] <= CONNECTIONS
    while table.finish():
        pass
    assert table.held_bytes == 0
    counts = table.counts
    assert counts["packets"] == reader.packets
    assert counts["connections"] == len(collector.connections)
    for found in collector.connections:
        assert found.kind is not None
        assert found.sides is not None
        for side, values in enumerate(found.sides):
            lengths = {"data": 0, "gap": 0}
            for event in found.events:
                if event[1] == side and event[0] != "ended":
                    assert event[2] == sum(lengths.values())
                    assert isinstance(event[3], int)
                    lengths[str(event[0])] += event[3]
            assert sum(event[:2] == ("ended", side) for event in found.events) == 1
            assert lengths["data"] == len(found.streams[side])
            assert lengths["gap"] == values["lost_bytes"]
            assert values["delivered"] == sum(lengths.values())
            assert values["held_bytes"] == 0


def run(data: bytes) -> None:
    """The first byte says how many of the next are places of cuts, or the length of all pieces."""
    if not data:
        return
    count = data[0] & 7
    body = data[1 + count :]
    if data[0] & 8:
        cuts = list(range(0, len(body), 1 + (data[0] >> 4)))
    else:
        cuts = [place * len(body) // 256 for place in data[1 : 1 + count]]
    assert read(body, cuts) == read(body, [])
    follow(body)


def starts() -> list[bytes]:
    """Captures in all formats and of all links, with cuts."""
    talk = Talk().open().client(0, 0, b"abc").client(6, 0, b"ghi").server(0, 9, b"ok").client(3, 2, b"def").close(9, 2)
    plain = frames(talk.segments)
    found = [
        captures.pcap(plain, magic=captures.KUZNETZOV),
        captures.pcap(plain, snaplen=60, order=">"),
        captures.pcapng(plain, resolutions=(9, 6, 0x9E), offset_s=9, dropped=3),
        captures.pcapng(plain, simple=True, order=">"),
        captures.pcap(frames(talk.segments, Wire(fragment=16))),
        captures.pcap(frames(talk.segments, Wire(vlans=((0x88A8, 7), (0x8100, 5)), zero_length=True, pads=False))),
    ]
    found += [
        captures.pcap(frames(talk.segments[:5], Wire(link=link)), link)
        for link in (Link.NULL, Link.SLL, Link.SLL2, Link.RAW)
    ]
    setups = (b"\0", b"\x03\x20\x80\xa0", b"\x78")
    return [setups[number % 3] + data for number, data in enumerate(found)]


TRICKY = (
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    struct.pack("<I", 1 << 19),
    struct.pack("<II", 6, 32),
    struct.pack("<I", 0x0A0D0D0A),
    bytes([0x45, 0, 0, 0]),
    b"\x81\0\0\1",
    b"\x86\xdd",
    b"\x50\x02\xff\xff",
    b"\x50\x11",
    b"\x50\x04",
)
HARNESS = Harness("capture", starts, run, TRICKY, 4096)
