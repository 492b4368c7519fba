"""What happens to traffic on its way into a capture: other segments, losses, copies, disorder, missed beginnings.

Each mutation takes the segments of a capture, in the order seen, and returns new ones.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from tests.monitor.packets import ACK, FIN, PSH, SEQUENCES, SYN, End, Segment

MICROSECOND = 1_000
RETRANSMISSION_NS = 250_000_000

Segments = list[Segment]


def to_ipv6(segments: Iterable[Segment]) -> Segments:
    """The same over IPv6, in a private network."""

    def move(end: End) -> End:
        address = ipaddress.ip_address(end.address)
        return end if address.version == 6 else End(str(ipaddress.IPv6Address((0xFD << 120) + int(address))), end.port)

    return [replace(one, source=move(one.source), target=move(one.target)) for one in segments]


def resegmented(segments: Iterable[Segment], size: int) -> Segments:
    """Payloads in segments of ``size`` bytes at most, a nanosecond apart."""
    result = []
    for one in segments:
        if len(one.payload) <= size:
            result.append(one)
            continue
        for at in range(0, len(one.payload), size):
            is_last = at + size >= len(one.payload)
            result.append(
                replace(
                    one,
                    time_ns=one.time_ns + at // size,
                    sequence=(one.sequence + at) % SEQUENCES,
                    flags=one.flags if is_last else one.flags & ~(FIN | PSH),
                    payload=one.payload[at : at + size],
                    identification=(one.identification + at // size) & 0xFFFF,
                )
            )
    return result


def joined(segments: Sequence[Segment], size: int = 65_000) -> Segments:
    """Neighbours of one direction as one packet, as a capture in front of segmentation offload has them."""
    result: Segments = []
    for one in segments:
        before = result[-1] if result else None
        if (
            before is not None
            and before.way == one.way
            and before.payload
            and one.payload
            and not (before.flags | one.flags) & (SYN | FIN)
            and (before.sequence + len(before.payload)) % SEQUENCES == one.sequence
            and len(before.payload) + len(one.payload) <= size
        ):
            result[-1] = replace(
                before,
                payload=before.payload + one.payload,
                flags=before.flags | one.flags,
                acknowledgement=one.acknowledgement,
            )
        else:
            result.append(one)
    return result


def with_data(segments: Iterable[Segment]) -> list[int]:
    """Return the indices of segments that carry bytes."""
    return [number for number, one in enumerate(segments) if one.payload]


def without(segments: Iterable[Segment], lost: Collection[int]) -> Segments:
    """The capture lacks some segments, by index; their receiver has them."""
    missed = frozenset(lost)
    return [one for number, one in enumerate(segments) if number not in missed]


def mirrored(segments: Iterable[Segment], after_ns: int = 3 * MICROSECOND) -> Segments:
    """Every packet twice, as from a switch that mirrors two of its ports."""
    return [copy for one in segments for copy in (one, replace(one, time_ns=one.time_ns + after_ns))]


def retransmitted(segments: Sequence[Segment], again: Collection[int], after_ns: int = RETRANSMISSION_NS) -> Segments:
    """Some segments once more, by index, with another IP identification; all that follows is later by as much."""
    chosen = frozenset(again)
    result, late = [], 0
    for number, one in enumerate(segments):
        result.append(replace(one, time_ns=one.time_ns + late))
        if number in chosen:
            late += after_ns
            result.append(replace(one, time_ns=one.time_ns + late, identification=one.identification ^ 0x5555))
    return result


def recovered(segments: Sequence[Segment], lost: Collection[int], after_ns: int = RETRANSMISSION_NS) -> Segments:
    """Some segments come only as retransmissions, behind three more packets of their direction or at a turn.

    What is captured is what the receiver got: nothing is missing in the end.
    """
    chosen = frozenset(lost)
    result: Segments = []
    held: dict[tuple[End, End], tuple[Segment, int]] = {}
    for number, one in enumerate(segments):
        for way, (kept, count) in list(held.items()):
            follows = one.way == way
            if count == 0 or not follows or one.flags & FIN:
                result.append(replace(kept, time_ns=one.time_ns - 1))
                del held[way]
            else:
                held[way] = kept, count - 1
        if number in chosen and one.payload and one.way not in held:
            held[one.way] = replace(one, identification=one.identification ^ 0x5555), 3
        else:
            result.append(one)
    return result


def reordered(segments: Sequence[Segment], seed: int, reach: int = 4) -> Segments:
    """Segments with bytes out of order among their neighbours of the same direction; times stay with the places."""
    rng = random.Random(seed)
    result = list(segments)
    start = 0
    while start < len(result):
        stop = start + 1
        while (
            stop < len(result)
            and stop - start < reach
            and result[start].payload
            and result[stop].payload
            and result[stop].way == result[start].way
            and not result[stop].flags & FIN
        ):
            stop += 1
        times = [one.time_ns for one in result[start:stop]]
        block = result[start:stop]
        rng.shuffle(block)
        result[start:stop] = [replace(one, time_ns=time) for one, time in zip(block, times, strict=True)]
        start = stop
    return result


def overlapping(segments: Sequence[Segment], chosen: Collection[int]) -> Segments:
    """Behind some segments, by index, their second half once more with other bytes."""
    wanted = frozenset(chosen)
    result = []
    for number, one in enumerate(segments):
        result.append(one)
        if number in wanted and len(one.payload) > 1:
            half = len(one.payload) // 2
            result.append(
                replace(
                    one,
                    time_ns=one.time_ns + MICROSECOND,
                    sequence=(one.sequence + half) % SEQUENCES,
                    payload=bytes(byte ^ 0xFF for byte in one.payload[half:]),
                    identification=one.identification ^ 0x2AAA,
                )
            )
    return result


def wrapped(segments: Sequence[Segment], before_wrap: int = 100) -> Segments:
    """Sequence numbers of every direction wrap around ``before_wrap`` numbers behind its first one."""
    first: dict[tuple[End, End], int] = {}
    for one in segments:
        if one.flags & SYN:
            first[one.way] = one.sequence
    for one in segments:
        first.setdefault(one.way, one.sequence)

    def shift(number: int, way: tuple[End, End]) -> int:
        return (number - first.get(way, 0) - before_wrap) % SEQUENCES

    return [
        replace(
            one,
            sequence=shift(one.sequence, one.way),
            acknowledgement=shift(one.acknowledgement, (one.target, one.source)) if one.flags & ACK else 0,
        )
        for one in segments
    ]


def early(segments: Sequence[Segment], is_early: Callable[[Segment], bool], by_ns: int) -> Segments:
    """One direction is seen before its time, as by two taps whose clocks differ: answers come before questions."""
    moved = [replace(one, time_ns=one.time_ns - by_ns) if is_early(one) else one for one in segments]
    return sorted(moved, key=lambda one: one.time_ns)


def one_way(segments: Iterable[Segment], keep: Callable[[Segment], bool]) -> Segments:
    """Only one direction is captured."""
    return [one for one in segments if keep(one)]
