"""Connections written by hand for tests of flows: who sends what, when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from _dicomwire.capture import CaptureReader
from _dicomwire.flow import CollectedConnection, FlowTable, StreamCollector
from tests.monitor import captures
from tests.monitor.packets import ACK, FIN, PSH, RST, SEQUENCES, SYN, End, Frame, Link, Segment, Wire, frames

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
CLIENT, SERVER = End("10.0.0.1", 40000), End("10.0.0.2", 104)


@dataclass
class Talk:
    """Segments of one connection; each is a millisecond behind the one before unless told otherwise."""

    initial: tuple[int, int] = (1000, 2000)
    ends: tuple[End, End] = (CLIENT, SERVER)
    now_ns: int = START_NS
    segments: list[Segment] = field(default_factory=list)

    def add(
        self,
        side: int,
        offset: int,
        acknowledged: int | None,
        payload: bytes = b"",
        flags: int = 0,
        *,
        after_ms: float = 1,
        **more: object,
    ) -> Talk:
        """Add a segment at an offset of its stream, acknowledging an offset of the other."""
        self.now_ns += int(after_ms * MS)
        sequence = self.initial[side] + (0 if flags & SYN else 1) + offset
        acknowledgement = 0 if acknowledged is None else self.initial[1 - side] + 1 + acknowledged
        segment = Segment(
            self.now_ns,
            self.ends[side],
            self.ends[1 - side],
            sequence % SEQUENCES,
            acknowledgement % SEQUENCES,
            flags | (0 if acknowledged is None else ACK) | (PSH if payload else 0),
            payload,
            identification=(len(self.segments) * 2 + 1) & 0xFFFF,
        )
        self.segments.append(replace(segment, **more))  # type: ignore[arg-type]
        return self

    def client(
        self, offset: int, acknowledged: int | None, payload: bytes = b"", flags: int = 0, **more: object
    ) -> Talk:
        return self.add(0, offset, acknowledged, payload, flags, **more)  # type: ignore[arg-type]

    def server(
        self, offset: int, acknowledged: int | None, payload: bytes = b"", flags: int = 0, **more: object
    ) -> Talk:
        return self.add(1, offset, acknowledged, payload, flags, **more)  # type: ignore[arg-type]

    def open(self, *, options: tuple[bytes, bytes] = (b"", b"")) -> Talk:
        self.client(0, None, flags=SYN, options=options[0])
        self.server(0, 0, flags=SYN, options=options[1])
        return self.client(0, 0)

    def close(self, sent: int, received: int) -> Talk:
        """Both sides end: the client first."""
        self.client(sent, received, flags=FIN)
        self.server(received, sent + 1, flags=FIN)
        return self.client(sent + 1, received + 1)

    def reset(self, side: int, offset: int, acknowledged: int | None = None) -> Talk:
        return self.add(side, offset, acknowledged, flags=RST)

    @property
    def capture(self) -> bytes:
        return captures.pcap(frames(self.segments))


def run(
    data: bytes | list[Frame], link: Link = Link.ETHERNET, **options: object
) -> tuple[list[CollectedConnection], dict[str, int]]:
    """Return the connections of a capture, and the table's counts; ``options`` are those of collector and table."""
    if isinstance(data, list):
        data = captures.pcap(data, link)
    mine = {name: options.pop(name) for name in ("pauses", "ignores") if name in options}
    collector = StreamCollector(**mine)  # type: ignore[arg-type]
    table = FlowTable(collector, **options)  # type: ignore[arg-type]
    reader = CaptureReader()
    while data:
        data = data[reader.feed(data) :]
        while table.run(reader):
            pass
    while table.finish():
        pass
    assert table.held_bytes == 0
    return collector.connections, table.counts


def one(talk: Talk, **options: object) -> CollectedConnection:
    """Return the only connection."""
    (found,), _ = run(talk.capture, **options)
    return found


def sides(found: CollectedConnection) -> tuple[dict[str, int | None], dict[str, int | None]]:
    assert found.sides is not None
    return found.sides


def gaps(found: CollectedConnection) -> list[tuple[object, ...]]:
    """The gaps: (side, offset, length, kind)."""
    return [event[1:] for event in found.events if event[0] == "gap"]


def wrapped(talk: Talk, wire: Wire) -> bytes:
    return captures.pcap(frames(talk.segments, wire), wire.link)
