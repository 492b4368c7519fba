"""A TCP connection composed by hand, every packet at a time that is known: for records whose right values are known."""

from __future__ import annotations

from dataclasses import replace

from tests.monitor.packets import (
    ACK,
    FIN,
    PSH,
    RST,
    SEQUENCES,
    SYN,
    End,
    Segment,
    option_mss,
    option_window_scale,
)

CLIENT, SERVER = 0, 1
AT_CLIENT, AT_SERVER = End("10.1.0.1", 50_000), End("10.1.0.2", 11_112)
START_NS = 1_700_000_000_000_000_000
MICROSECOND, MILLISECOND = 1_000, 1_000_000


class Conversation:
    """Two ends that say things to each other; each packet comes ``step_ns`` after the one before."""

    def __init__(
        self,
        *,
        client: End = AT_CLIENT,
        server: End = AT_SERVER,
        mss: int = 1460,
        step_ns: int = 100 * MICROSECOND,
        start_ns: int = START_NS,
        initial: tuple[int, int] = (1_000, 900_000),
        window: int = 0xFFFF,
    ) -> None:
        self.ends = (client, server)
        self.mss = mss
        self.step_ns = step_ns
        self.now_ns = start_ns - step_ns
        self.next = list(initial)
        self.window = [window, window]
        self.seen = [0, 0]  # what each end has received of the other, as it acknowledges it
        self.number = [0, 0]
        self.segments: list[Segment] = []

    def wait(self, ns: int) -> None:
        self.now_ns += ns

    def packet(self, side: int, flags: int, payload: bytes = b"", options: bytes = b"") -> Segment:
        """Add a packet, the next of its sender; the other end has it at once."""
        self.now_ns += self.step_ns
        self.number[side] += 1
        segment = Segment(
            self.now_ns,
            self.ends[side],
            self.ends[1 - side],
            self.next[side] % SEQUENCES,
            self.seen[side] % SEQUENCES if flags & ACK else 0,
            flags,
            payload,
            self.window[side],
            options,
            self.number[side] & 0xFFFF,
        )
        self.next[side] += segment.length
        self.seen[1 - side] = self.next[side]
        self.segments.append(segment)
        return segment

    def open(self) -> None:
        options = option_mss(self.mss) + option_window_scale(0)
        self.packet(CLIENT, SYN, options=options)
        self.packet(SERVER, SYN | ACK, options=options)
        self.packet(CLIENT, ACK)

    def say(self, side: int, data: bytes, *, acknowledged: bool = False) -> list[Segment]:
        """One end writes, in segments of the MSS; the other acknowledges with what it sends next, or at once."""
        sent = [
            self.packet(side, PSH | ACK if at + self.mss >= len(data) else ACK, data[at : at + self.mss])
            for at in range(0, len(data), self.mss)
        ]
        if acknowledged:
            self.acknowledge(1 - side)
        return sent

    def acknowledge(self, side: int) -> Segment:
        return self.packet(side, ACK)

    def repeat(self, segment: Segment, after_ns: int) -> Segment:
        """Send a segment once more: a retransmission, with another IP identification."""
        side = self.ends.index(segment.source)
        self.now_ns += after_ns
        self.number[side] += 1
        again = replace(
            segment,
            time_ns=self.now_ns,
            identification=self.number[side] & 0xFFFF,
            acknowledgement=self.seen[side] % SEQUENCES,
        )
        self.segments.append(again)
        return again

    def close(self, side: int = CLIENT) -> None:
        self.packet(side, FIN | ACK)
        self.packet(1 - side, FIN | ACK)
        self.packet(side, ACK)

    def reset(self, side: int) -> None:
        self.packet(side, RST | ACK)
