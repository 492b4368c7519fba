"""Packets of an interface as they pass: a ring of the Linux kernel, elsewhere libpcap through the extra ``capture``.

Both let TCP pass and nothing else, with or without VLAN tags, and count what was dropped.
"""

from __future__ import annotations

import struct
from typing import Any

from _dicomwire.capture import CaptureReader
from _dicomwire.ring import IS_SUPPORTED, Ring
from dicomwire.errors import UnsupportedError
from dicomwire.monitor.packets import Filled, Source

MAGIC = 0xA1B2C3D4
PCAP_HEADER = struct.Struct("=IHHiIII")
RECORD_HEADER = struct.Struct("=IIII")
ENTRY = struct.Struct("=IIII")              # of a batch: seconds, microseconds, offset, length
SNAP_LENGTH = 262144                        # no packet is longer: none is cut
WAIT_MS = 100
FILTER = "tcp or (ip6 and not udp and not icmp6) or (vlan and (tcp or ip6))"
AT_ONCE = 256


class RingSource(Source):
    """An interface through a ring in memory, "any" for all of them; see `_dicomwire.ring.Ring`."""

    is_live = True

    def __init__(self, interface: str, *, promiscuous: bool = False, blocks: int = 64) -> None:
        self.ring = self.packets = Ring(interface, promiscuous=promiscuous, blocks=blocks)
        self.name = interface

    def fill(self, timeout_s: float = 0.5) -> Filled:
        return Filled.MORE if self.ring.wait(int(timeout_s * 1000)) else Filled.SILENT

    @property
    def drops(self) -> int:
        return self.ring.count_drops()

    def close(self) -> None:
        self.ring.close()


class LibpcapSource(Source):
    """An interface through libpcap (package pcapy-ng, extra ``capture``); its packets are copied."""

    is_live = True

    def __init__(self, interface: str, *, promiscuous: bool = False, buffer_bytes: int = 64 << 20) -> None:
        try:
            import pcapy
        except ImportError:
            raise UnsupportedError(
                f"capturing from {interface} needs Linux or libpcap: pip install 'dicomwire[capture]'",
                what="libpcap",
                extra="capture",
            ) from None
        try:
            self._handle: Any = pcapy.create(interface)
            self._handle.set_snaplen(SNAP_LENGTH)
            self._handle.set_promisc(promiscuous)
            self._handle.set_timeout(WAIT_MS)
            self._handle.set_buffer_size(buffer_bytes)
            self._handle.activate()
            self._handle.setfilter(FILTER)
        except pcapy.PcapError as error:
            raise OSError(f"capturing from {interface}: {error}") from None
        self.reader = self.packets = CaptureReader()
        self.name = interface
        link_type = self._handle.datalink()
        self._waiting = memoryview(PCAP_HEADER.pack(MAGIC, 2, 4, 0, 0, SNAP_LENGTH, link_type))

    def fill(self, timeout_s: float = 0.5) -> Filled:
        if not self._waiting:
            data, entries = self._handle.next_batch(AT_ONCE)
            if not entries:
                return Filled.SILENT
            records = bytearray()
            for seconds, microseconds, start, length in ENTRY.iter_unpack(entries):
                records += RECORD_HEADER.pack(seconds, microseconds, length, length)
                records += data[start : start + length]
            self._waiting = memoryview(records)
        self._waiting = self._waiting[self.reader.feed(self._waiting) :]
        return Filled.MORE

    @property
    def drops(self) -> int:
        return int(self._handle.stats()[1])

    def close(self) -> None:
        self._handle.close()


def open_interface(interface: str, *, promiscuous: bool = False, blocks: int = 64) -> Source:
    """Capture from an interface of this machine; needs the right to (CAP_NET_RAW on Linux), else PermissionError."""
    if IS_SUPPORTED:
        return RingSource(interface, promiscuous=promiscuous, blocks=blocks)
    return LibpcapSource(interface, promiscuous=promiscuous, buffer_bytes=blocks << 20)
