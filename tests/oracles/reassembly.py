"""Reassembly of one connection, slow and obvious: a dictionary of bytes for each direction, and a look at it after
each packet.

RFC 9293.  The rules are those of `_dicomwire.flow`: the bytes that came first count; a hole is a gap when its receiver
has acknowledged it and something behind it was seen.  Bounds of memory, resets and sequence numbers far away are left
out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Event = tuple[object, ...]


@dataclass
class Direction:
    """What one side has sent."""

    waiting: dict[int, int | None] = field(default_factory=dict)  # by offset; None for a byte that was cut
    delivered: int = 0
    acknowledged: int = 0
    fin: int | None = None
    fin_acknowledged: bool = False
    ended: bool = False
    events: list[Event] = field(default_factory=list)

    def _add(self, kind: str, length: int, data: bytes = b"") -> None:
        self.delivered += length
        last = self.events[-1] if self.events else ("",)
        if last[0] == kind == "data":
            self.events[-1] = ("data", last[1], last[2] + data)  # type: ignore[operator]
        elif last[0] == kind == "cut":
            self.events[-1] = ("cut", last[1], last[2] + length)  # type: ignore[operator]
        else:
            self.events.append((kind, self.delivered - length, data if kind == "data" else length))

    def deliver(self) -> None:
        """Give what is there without a hole, or behind holes that are acknowledged."""
        while self.waiting:
            first = min(self.waiting)
            if first > self.delivered:
                if self.acknowledged < first:
                    return
                self._add("lost", first - self.delivered)
            value = self.waiting.pop(first)
            if value is None:
                self._add("cut", 1)
            else:
                self._add("data", 1, bytes([value]))

    def settle(self) -> None:
        """End the stream behind its last byte."""
        if self.fin is None or self.ended or (self.delivered < self.fin and not self.fin_acknowledged):
            return
        self.end("fin")

    def end(self, kind: str) -> None:
        """Give the rest, whether it was acknowledged or not."""
        if self.ended:
            return
        while self.waiting:
            first = min(self.waiting)
            if first > self.delivered:
                self._add("lost" if self.acknowledged >= first else "unconfirmed", first - self.delivered)
            while self.delivered in self.waiting:
                value = self.waiting.pop(self.delivered)
                self._add("cut" if value is None else "data", 1, b"" if value is None else bytes([value]))
        stop = self.acknowledged
        if self.fin is not None and self.fin_acknowledged:
            stop = self.fin
        if stop > self.delivered:
            self._add("lost", stop - self.delivered)
        self.ended = True
        self.events.append(("ended", kind))


def reassemble(packets: list[tuple[int, int, int, bytes, int, bool]]) -> tuple[list[Event], list[Event]]:
    """Return the events of both directions for the packets behind the handshake.

    A packet is (side, offset of its first byte, offset acknowledged, bytes captured, bytes cut, FIN).
    """
    both = Direction(), Direction()
    for side, offset, acknowledged, data, cut, is_fin in packets:
        own, other = both[side], both[1 - side]
        if other.fin is not None and acknowledged == other.fin + 1:
            other.fin_acknowledged = True
            acknowledged -= 1
        if acknowledged > other.acknowledged:
            other.acknowledged = acknowledged
            if not other.ended:
                other.deliver()
        length = len(data) + cut
        if not own.ended:
            if length:
                for at, value in enumerate([*data, *[None] * cut], offset):
                    if at >= own.delivered:
                        own.waiting.setdefault(at, value)
                own.deliver()
            elif offset > own.delivered and not own.waiting and own.acknowledged >= offset:
                own._add("lost", offset - own.delivered)
        if is_fin and own.fin is None:
            own.fin = offset + length
        own.settle()
        if other.fin_acknowledged:
            other.settle()
    for own in both:
        own.end("capture-end")
    return both[0].events, both[1].events
