"""Capture files of one TCP connection, written by hand: what two sides said to each other, as packets of IPv4."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

LINKTYPE_RAW = 101
SEGMENT = 60_000  # bytes of a packet's payload; the length of an IPv4 packet has 16 bits
SYN, PSH, ACK = 2, 8, 16
CLIENT, SERVER = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
CLIENT_PORT = 50_000


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class _Side:
    def __init__(self, address: bytes, port: int) -> None:
        self.address = address
        self.port = port
        self.sequence = 1000 * port


def _packet(source: _Side, target: _Side, flags: int, payload: bytes) -> bytes:
    length = 40 + len(payload)
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0x4000, 64, 6, 0, source.address, target.address)
    header = header[:10] + struct.pack(">H", _checksum(header)) + header[12:]
    acknowledged = target.sequence if flags & ACK else 0
    segment = struct.pack(
        ">HHIIBBHHH", source.port, target.port, source.sequence, acknowledged, 0x50, flags, 0xFFFF, 0, 0
    )
    segment += payload
    pseudo = source.address + target.address + struct.pack(">HH", 6, len(segment)) + segment + bytes(len(segment) % 2)
    segment = segment[:16] + struct.pack(">H", _checksum(pseudo)) + segment[18:]
    source.sequence += len(payload) + (flags & SYN > 0)
    return header + segment


def write(path: Path, server_port: int, pieces: Iterable[tuple[bool, bytes]]) -> None:
    """Write a capture; each piece is what one side wrote, True for the one that opened the connection."""
    client, server = _Side(CLIENT, CLIENT_PORT), _Side(SERVER, server_port)
    packets = [_packet(client, server, SYN, b""), _packet(server, client, SYN | ACK, b"")]
    for by_client, data in pieces:
        source, target = (client, server) if by_client else (server, client)
        for start in range(0, len(data), SEGMENT):
            packets.append(_packet(source, target, PSH | ACK, data[start : start + SEGMENT]))
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, LINKTYPE_RAW))
        for number, packet in enumerate(packets):
            file.write(struct.pack("<IIII", 1_700_000_000, number, len(packet), len(packet)) + packet)
