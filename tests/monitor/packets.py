"""TCP segments as values, and the packets that carry them: every link layer, IPv4 and IPv6, fragments, offload.

A test records or composes segments, changes them (mutations.py), wraps them as a `Wire` says and writes the frames to
a capture file (captures.py).  Checksums are right unless a test wants them wrong (RFC 791, 793, 8200, IEEE 802.1Q).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SEQUENCES = 1 << 32
TCP = 6
IPV4, IPV6, VLAN, QINQ = 0x0800, 0x86DD, 0x8100, 0x88A8
FRAGMENT_HEADER = 44
LONGEST_IP = 65_535


class Link(IntEnum):
    """Link types of capture files (tcpdump.org/linktypes.html)."""

    NULL = 0
    ETHERNET = 1
    RAW_12 = 12
    RAW_14 = 14
    RAW = 101
    LOOP = 108
    SLL = 113
    IPV4 = 228
    IPV6 = 229
    SLL2 = 276


class Frame(NamedTuple):
    """A captured packet: when, its bytes, and how long it was on the wire."""

    time_ns: int
    data: bytes
    length: int


class End(NamedTuple):
    """An address and a port."""

    address: str
    port: int


@dataclass(frozen=True)
class Segment:
    """A TCP segment and what is of interest of the packet around it."""

    time_ns: int
    source: End
    target: End
    sequence: int
    acknowledgement: int
    flags: int
    payload: bytes = b""
    window: int = 0xFFFF
    options: bytes = b""
    identification: int = 0  # of the IPv4 packet

    @property
    def way(self) -> tuple[End, End]:
        """Who sends, and to whom."""
        return self.source, self.target

    @property
    def connection(self) -> frozenset[End]:
        return frozenset(self.way)

    @property
    def length(self) -> int:
        """Sequence numbers that the segment takes."""
        return len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)


@dataclass(frozen=True)
class Wire:
    """How segments become frames."""

    link: Link = Link.ETHERNET
    vlans: tuple[tuple[int, int], ...] = ()  # (EtherType, identifier), the outermost first
    fragment: int = 0  # bytes of an IP fragment's payload, a multiple of 8; 0: whole packets
    zero_length: bool = False  # in the IP header, as a capture before segmentation offload has it
    extensions: bytes = b""  # of IPv6 in front of TCP: the first byte is its own type
    right_checksums: bool = True
    pads: bool = True  # Ethernet frames to 60 bytes
    trailer: bytes = b""  # behind the packet: a frame check sequence


def checksum(data: bytes) -> int:
    """Return the Internet checksum of bytes that are not all 0 (RFC 1071): words add up modulo 65535."""
    return 0xFFFF - (int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF or 0xFFFF)


def tcp_bytes(segment: Segment, *, right_checksum: bool = True) -> bytes:
    """Return header, options and payload."""
    options = segment.options + bytes(-len(segment.options) % 4)
    header = struct.pack(
        ">HHIIBBHHH",
        segment.source.port,
        segment.target.port,
        segment.sequence,
        segment.acknowledgement,
        (20 + len(options)) // 4 << 4,
        segment.flags,
        segment.window,
        0,
        0,
    )
    data = header + options + segment.payload
    source, target = (ipaddress.ip_address(end.address).packed for end in segment.way)
    if len(source) == 4:
        pseudo = source + target + struct.pack(">HH", TCP, len(data) & 0xFFFF)
    else:
        pseudo = source + target + struct.pack(">II", len(data), TCP)
    sum_ = checksum(pseudo + data) if right_checksum else 0xBEEF
    return data[:16] + struct.pack(">H", sum_) + data[18:]


def _ipv4(segment: Segment, data: bytes, offset: int, more: bool, wire: Wire) -> bytes:
    source, target = (ipaddress.ip_address(end.address).packed for end in segment.way)
    length = 0 if wire.zero_length else 20 + len(data)
    where = offset // 8 | (0x2000 if more else 0) if wire.fragment else 0x4000
    header = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, length, segment.identification & 0xFFFF, where, 64, TCP, 0, source, target
    )
    sum_ = checksum(header) if wire.right_checksums else 0xDEAD
    return header[:10] + struct.pack(">H", sum_) + header[12:] + data


def _ipv6(segment: Segment, data: bytes, offset: int, more: bool, wire: Wire) -> bytes:
    source, target = (ipaddress.ip_address(end.address).packed for end in segment.way)
    extensions, following = b"", TCP
    if wire.extensions:
        following, extensions = wire.extensions[0], wire.extensions[1:]
    if wire.fragment:
        fragment = struct.pack(">BBHI", following, 0, offset | more, segment.identification or 1)
        following, extensions, data = FRAGMENT_HEADER, b"", fragment + extensions + data
    body = extensions + data
    length = 0 if wire.zero_length else len(body)
    return struct.pack(">IHBB16s16s", 6 << 28, length, following, 64, source, target) + body


def ip_packets(segment: Segment, wire: Wire) -> Iterator[bytes]:
    """Yield the packet, or its fragments."""
    data = tcp_bytes(segment, right_checksum=wire.right_checksums)
    is_ipv4 = "." in segment.source.address and ":" not in segment.source.address
    make = _ipv4 if is_ipv4 else _ipv6
    if not wire.zero_length and len(data) + 60 > LONGEST_IP and not wire.fragment:
        raise ValueError(f"{len(data)} bytes do not fit into an IP packet: Wire(zero_length=True)")
    step = wire.fragment or max(len(data), 1)
    for offset in range(0, len(data), step):
        yield make(segment, data[offset : offset + step], offset, offset + step < len(data), wire)


def _link_header(wire: Wire, ether_type: int) -> bytes:
    link = wire.link
    tags = list(wire.vlans)
    types = [kind for kind, _ in tags] + [ether_type]
    tagged = b"".join(
        struct.pack(">HH", identifier, kind) for (_, identifier), kind in zip(tags, types[1:], strict=True)
    )
    if link == Link.ETHERNET:
        return bytes.fromhex("0200000000020200000000 01") + struct.pack(">H", types[0]) + tagged
    if link == Link.SLL:
        return struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", types[0]) + tagged
    if link == Link.SLL2:
        return struct.pack(">HHIHBB8s", types[0], 0, 1, 1, 0, 6, b"\2\0\0\0\0\1") + tagged
    if tags:
        raise ValueError(f"{link.name} has no VLAN tags")
    family = 2 if ether_type == IPV4 else 30
    if link == Link.NULL:
        return struct.pack("<I", family)
    if link == Link.LOOP:
        return struct.pack(">I", family)
    return b""


def frames(segments: Iterable[Segment], wire: Wire | None = None) -> list[Frame]:
    """Return the frames of segments, in their order."""
    wire = wire or Wire()
    result = []
    for segment in segments:
        for packet in ip_packets(segment, wire):
            data = _link_header(wire, IPV4 if packet[0] >> 4 == 4 else IPV6) + packet
            if wire.link == Link.ETHERNET and wire.pads:
                data += bytes(60 - len(data)) if len(data) < 60 else b""
            data += wire.trailer
            result.append(Frame(segment.time_ns, data, len(data)))
    return result


def decode(frame: Frame) -> Segment | None:
    """Return the segment of an untagged Ethernet frame with a whole packet; None for what is not TCP over IP."""
    ether_type = int.from_bytes(frame.data[12:14], "big")
    packet = frame.data[14:]
    identification = 0
    if ether_type == IPV4 and packet[9] == TCP:
        size = (packet[0] & 15) * 4
        total, identification = struct.unpack_from(">HH", packet, 2)
        addresses = [str(ipaddress.IPv4Address(packet[at : at + 4])) for at in (12, 16)]
        data = packet[size : total or None]
    elif ether_type == IPV6 and packet[6] == TCP:
        total = int.from_bytes(packet[4:6], "big")
        addresses = [str(ipaddress.IPv6Address(packet[at : at + 16])) for at in (8, 24)]
        data = packet[40 : 40 + total] if total else packet[40:]
    else:
        return None
    source_port, target_port, sequence, acknowledgement, offset, flags, window = struct.unpack_from(">HHIIBBH", data)
    header = offset >> 4 << 2
    return Segment(
        frame.time_ns,
        End(addresses[0], source_port),
        End(addresses[1], target_port),
        sequence,
        acknowledgement,
        flags,
        data[header:],
        window,
        data[20:header],
        identification,
    )


def option_mss(size: int) -> bytes:
    return struct.pack(">BBH", 2, 4, size)


def option_window_scale(shift: int) -> bytes:
    return struct.pack("BBBB", 1, 3, 3, shift)
