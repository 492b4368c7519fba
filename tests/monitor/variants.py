"""The same traffic as it may look in a capture, with nothing missing: the same streams and records in each variant."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.monitor import captures, mutations
from tests.monitor.mutations import Segments
from tests.monitor.packets import QINQ, VLAN, Frame, Link, Wire, frames

HOP_BY_HOP = bytes([0, 6, 0, 1, 4, 0, 0, 0, 0])  # type; then: TCP follows, 8 bytes, a PadN option
MTU = 1460


def _mirrored_tagged(segments: Segments) -> bytes:
    """A mirror that sees each packet behind the switch too, with a tag."""
    plain = frames(segments)
    tagged = frames([replace(one, time_ns=one.time_ns + 2000) for one in segments], Wire(vlans=((VLAN, 9),)))
    return captures.pcap([frame for pair in zip(plain, tagged, strict=True) for frame in pair])


def _disordered_fragments(segments: Segments) -> bytes:
    """Fragments of each packet in another order."""
    rng = random.Random(7)
    result: list[Frame] = []
    for number, one in enumerate(segments):
        parts = frames([replace(one, identification=number & 0xFFFF)], Wire(fragment=512))
        rng.shuffle(parts)
        result += parts
    return captures.pcap(result)


def _some(segments: Segments, step: int) -> list[int]:
    return mutations.with_data(segments)[1::step]


def _plain(segments: Segments) -> bytes:
    return captures.pcap(frames(segments))


def _small(segments: Segments) -> Segments:
    return _numbered(mutations.resegmented(segments, MTU))


HARMLESS: dict[str, Callable[[Segments], bytes]] = {
    "as recorded": _plain,
    "1460 bytes": lambda some: _plain(_small(some)),
    "7 bytes": lambda some: _plain(mutations.resegmented(some, 7)),
    "vlan": lambda some: captures.pcap(frames(some, Wire(vlans=((VLAN, 5),)))),
    "qinq": lambda some: captures.pcap(frames(some, Wire(vlans=((QINQ, 7), (VLAN, 5))))),
    "ipv6": lambda some: captures.pcap(frames(mutations.to_ipv6(some), Wire(link=Link.RAW)), Link.RAW),
    "ipv6, extensions": lambda some: captures.pcap(frames(mutations.to_ipv6(some), Wire(extensions=HOP_BY_HOP))),
    "ipv6, fragments": lambda some: captures.pcap(
        frames(mutations.to_ipv6(_numbered(some)), Wire(extensions=HOP_BY_HOP, fragment=1024))
    ),
    "cooked": lambda some: captures.pcap(frames(some, Wire(link=Link.SLL)), Link.SLL),
    "cooked, version 2": lambda some: captures.pcap(frames(some, Wire(link=Link.SLL2)), Link.SLL2),
    "loopback": lambda some: captures.pcap(frames(some, Wire(link=Link.NULL)), Link.NULL, order=">"),
    "microseconds": lambda some: captures.pcap(frames(some), magic=captures.MICROSECONDS),
    "pcapng": lambda some: captures.pcapng(frames(some), order=">", resolutions=(9, 6, 0x9E)),
    "padding and trailer": lambda some: captures.pcap(frames(some, Wire(trailer=b"\1\2\3\4"))),
    "wrong checksums": lambda some: captures.pcap(frames(some, Wire(right_checksums=False))),
    "offload": lambda some: captures.pcap(
        frames(mutations.joined(_small(some)), Wire(zero_length=True, pads=False))
    ),
    "mirrored": lambda some: _plain(mutations.mirrored(_numbered(some))),
    "mirrored, tagged": lambda some: _mirrored_tagged(_numbered(some)),
    "retransmitted": lambda some: _plain(mutations.retransmitted(_small(some), _some(_small(some), 5))),
    "lost and retransmitted": lambda some: _plain(mutations.recovered(_small(some), _some(_small(some), 7))),
    "reordered": lambda some: _plain(mutations.reordered(_small(some), seed=1)),
    "wrapped": lambda some: _plain(mutations.wrapped(some)),
    "wrapped, reordered": lambda some: _plain(mutations.reordered(mutations.wrapped(_small(some), 3000), seed=2)),
    "overlapping": lambda some: _plain(mutations.overlapping(_small(some), _some(_small(some), 5))),
    "fragments": lambda some: captures.pcap(frames(_numbered(some), Wire(fragment=512))),
    "fragments, disordered": _disordered_fragments,
}


def _numbered(segments: Segments) -> Segments:
    """IP identifications as hosts give them; Linux sends 0 for what may not be fragmented."""
    return [replace(one, identification=number & 0xFFFF) for number, one in enumerate(segments, 1)]
