"""Segments in any order, lost, copied, overlapping, cut, are the streams and gaps that the slow twin finds."""

import struct

from _dicomwire.capture import CaptureReader
from _dicomwire.flow import CollectedConnection, FlowTable, StreamCollector
from tests.fuzz.harness import Harness
from tests.monitor.captures import pcap
from tests.monitor.packets import ACK, FIN, SYN, End, Frame, Segment, frames
from tests.oracles.reassembly import Event, reassemble

OP = struct.Struct(">BHHBB")  # side and flags, offset, acknowledged, length, bytes cut
MOST = 400
ENDS = End("10.0.0.1", 40000), End("10.0.0.2", 104)
INITIAL = 0xFFFFFF80, 7
Packet = tuple[int, int, int, bytes, int, bool]


def packets_of(data: bytes) -> list[Packet]:
    """Take packets from noise; what they carry depends on its place, or conflicts."""
    result: list[Packet] = []
    for at in range(0, len(data) - OP.size + 1, OP.size):
        kind, offset, acknowledged, length, cut = OP.unpack_from(data, at)
        salt = kind >> 2 & 3
        offset %= MOST
        length %= 40
        payload = bytes((place * 7 + salt * 31) & 0xFF for place in range(offset, offset + length))
        cut = cut % (length + 1) if kind & 0x40 else 0
        result.append((kind & 1, offset, acknowledged % MOST, payload[: length - cut], cut, kind & 0x30 == 0x30))
    return result


def capture_of(packets: list[Packet]) -> bytes:
    """Wrap the packets in frames, behind a handshake."""
    opening = [
        Segment(1000, ENDS[0], ENDS[1], INITIAL[0], 0, SYN),
        Segment(2000, ENDS[1], ENDS[0], INITIAL[1], INITIAL[0] + 1, SYN | ACK),
        Segment(3000, ENDS[0], ENDS[1], INITIAL[0] + 1, INITIAL[1] + 1, ACK),
    ]
    whole = frames(opening)
    for number, (side, offset, acknowledged, payload, cut, is_fin) in enumerate(packets):
        segment = Segment(
            10_000 + number * 1000,
            ENDS[side],
            ENDS[1 - side],
            (INITIAL[side] + 1 + offset) & 0xFFFFFFFF,
            (INITIAL[1 - side] + 1 + acknowledged) & 0xFFFFFFFF,
            ACK | (FIN if is_fin else 0),
            payload + bytes(cut),
            identification=number + 1,
        )
        (frame,) = frames([segment])
        kept = 54 + len(payload) if cut else len(frame.data)
        whole.append(Frame(frame.time_ns, frame.data[:kept], frame.length))
    return pcap(whole)


def events_of(found: CollectedConnection, side: int) -> list[Event]:
    """One side's events, successive pieces of data or cuts as one."""
    result: list[Event] = []
    taken = 0
    for event in found.events:
        if event[1] != side:
            continue
        last = result[-1] if result else ("",)
        if event[0] == "data":
            offset, length = event[2], event[3]
            assert isinstance(length, int)
            piece = bytes(found.streams[side][taken : taken + length])
            taken += length
            if last[0] == "data":
                result[-1] = ("data", last[1], last[2] + piece)  # type: ignore[operator]
            else:
                result.append(("data", offset, piece))
        elif event[0] == "gap":
            if last[0] == event[4] == "cut":
                result[-1] = ("cut", last[1], last[2] + event[3])  # type: ignore[operator]
            else:
                result.append((event[4], event[2], event[3]))
        else:
            result.append(("ended", event[2]))
    return result


def run(data: bytes) -> None:
    packets = packets_of(data)
    expected = reassemble(packets)
    collector = StreamCollector(pauses=len(data) % 2 == 1)
    table = FlowTable(collector)
    reader = CaptureReader()
    capture = capture_of(packets)
    while capture:
        capture = capture[reader.feed(capture) :]
        while table.run(reader):
            pass
    while table.finish():
        pass
    (found,) = collector.connections
    assert table.held_bytes == 0
    assert found.sides is not None
    for side in (0, 1):
        events = events_of(found, side)
        if events[-1] != expected[side][-1]:  # both sides have ended: the kind is that of the connection
            assert (events[-1], found.kind) == (("ended", "capture-end"), "capture-end")
        assert events == expected[side]
        assert found.sides[side]["held_bytes"] == 0
        gaps = [event[2] for event in events if event[0] in ("lost", "cut", "unconfirmed")]
        assert found.sides[side]["lost_bytes"] == sum(gaps)  # type: ignore[arg-type]


def op(
    side: int, offset: int, acknowledged: int, length: int, cut: int = 0, *, fin: bool = False, salt: int = 0
) -> bytes:
    """Return a packet as noise."""
    kind = side | salt << 2 | (0x30 if fin else 0) | (0x40 if cut else 0)
    return OP.pack(kind, offset, acknowledged, length, cut)


def starts() -> list[bytes]:
    """In order, late, lost and acknowledged, overlapping, cut; both directions, with their ends."""
    whole = op(0, 0, 0, 20) + op(1, 0, 20, 30) + op(0, 20, 30, 10, fin=True) + op(1, 30, 31, 0, fin=True)
    return [
        whole,
        op(0, 20, 0, 10) + op(0, 0, 0, 20) + op(1, 0, 30, 5),
        op(0, 20, 0, 10) + op(1, 0, 30, 5) + op(0, 0, 5, 20),
        op(0, 10, 0, 10) + op(0, 30, 0, 10) + op(0, 5, 0, 39, salt=1) + op(0, 0, 0, 8, salt=2) + op(1, 0, 44, 0),
        op(0, 0, 0, 30, 12) + op(0, 30, 0, 30, 30) + op(0, 60, 0, 9) + op(1, 0, 69, 0, fin=True),
        op(1, 0, 100, 10) + op(0, 100, 10, 10) + op(0, 130, 10, 0, fin=True) + op(1, 10, 131, 0),
        whole + op(0, 3, 0, 39, salt=3) + op(0, 60, 0, 9),
    ]


HARNESS = Harness("flow", starts, run, (), 2048)
