"""Packets to streams beside reading the same file: a quick look while working on captures and flows.

    python benchmarks/bench_packets.py [--megabytes 200] [--rounds 5]

The sink takes all streams and looks at none, so that what is timed is reading, headers and reassembly.  Each line:
bytes and packets per second of the best round, and of the bare reading in the same rounds; the two alternate.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from _dicomwire.capture import CaptureReader  # noqa: E402
from _dicomwire.flow import FlowTable  # noqa: E402
from _dicomwire.sink import StreamSink  # noqa: E402

WINDOW = 1 << 20
OPTIONS = struct.pack(">BBBBII", 1, 1, 8, 10, 1, 1)  # time stamps


def packet(source: bytes, target: bytes, ports: tuple[int, int], sequence: int, answer: int, flags: int, body: bytes,
           number: int) -> bytes:  # fmt: skip
    """Return an Ethernet frame with a segment."""
    header = struct.pack(">HHIIBBHHH", *ports, sequence & 0xFFFFFFFF, answer & 0xFFFFFFFF, 0x80, flags, 5000, 7, 0)
    length = 20 + len(header) + len(OPTIONS) + len(body)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, number & 0xFFFF, 0x4000, 64, 6, 0, source, target)
    return bytes(12) + b"\x08\0" + ip + header + OPTIONS + body


def write(path: Path, size: int, segment: int, connections: int, disorder: bool = False) -> int:
    """Write a capture of connections that send segments, each second one acknowledged; returns its packets."""
    sent = [0] * connections
    body = bytes(segment)
    written = count = 0
    with path.open("wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 1))
        server, turn = bytes([10, 255, 0, 1]), 0
        while written < size:
            number, turn = turn % connections, turn + 1
            client = bytes([10, 0, number >> 8 & 255, number & 255])
            ports = (10000 + (number >> 16), 104)
            packets = []
            if sent[number] == 0:
                sent[number] = 1
                packets.append(packet(client, server, ports, 0, 0, 2, b"", count))
                packets.append(packet(server, client, ports[::-1], 0, 1, 18, b"", count))
            for place in (1, 0) if disorder else (0, 1):
                start = sent[number] + place * segment
                packets.append(packet(client, server, ports, start, 1, 24, body, count + place))
            sent[number] += 2 * segment
            packets.append(packet(server, client, ports[::-1], 1, sent[number], 16, b"", count))
            for data in packets:
                count += 1
                file.write(struct.pack("<IIII", count // 1_000_000, count % 1_000_000, len(data), len(data)))
                file.write(data)
                written += 16 + len(data)
    return count


def follow(path: Path) -> dict[str, int]:
    """Let all packets through a table."""
    reader, table = CaptureReader(WINDOW), FlowTable(StreamSink())
    descriptor = os.open(path, os.O_RDONLY)
    while reader.fill(descriptor):
        while table.run(reader):
            pass
    os.close(descriptor)
    while table.finish():
        pass
    return table.counts


def read(path: Path) -> None:
    """Read the file and do nothing with it."""
    room = bytearray(WINDOW)
    descriptor = os.open(path, os.O_RDONLY)
    while os.readv(descriptor, [room]):
        pass
    os.close(descriptor)


WORKLOADS = {
    "62,000-byte segments": (62_000, 1, False),
    "1,448-byte segments": (1448, 1, False),
    "1,448-byte segments, every second one late": (1448, 1, True),
    "80-byte segments, 16 connections": (80, 16, False),
    "80-byte segments, 20,000 connections": (80, 20_000, False),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder, "capture.pcap")
        for name, (segment, connections, disorder) in WORKLOADS.items():
            packets = write(path, arguments.megabytes * 1_000_000, segment, connections, disorder)
            size = path.stat().st_size
            ours, bare = [], []
            for _ in range(arguments.rounds):
                start = time.perf_counter()
                counts = follow(path)
                ours.append(time.perf_counter() - start)
                start = time.perf_counter()
                read(path)
                bare.append(time.perf_counter() - start)
            assert counts["packets"] == counts["tcp_packets"] == packets
            assert counts["connections"] == connections
            assert counts["strays"] == counts["late"] == 0
            print(
                f"{name:<44} {size / min(ours) / 1e9:5.2f} GB/s {packets / min(ours) / 1e6:6.2f} million packets/s"
                f"   reading alone {size / min(bare) / 1e9:5.2f} GB/s"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
