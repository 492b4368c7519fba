"""Records the real traffic of loopback: every packet of some TCP ports once, with the kernel's time (packet(7)).

Needs the right to open packet sockets: elsewhere tests are skipped with that reason, and fail where CI is set.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import threading
import time
from collections.abc import Collection, Iterator

from tests.monitor.packets import SYN, End, Frame, decode
from tests.support import missing

ETH_P_ALL = 3
PACKET_OUTGOING = 4  # of the two copies that loopback makes of a packet, the one that goes out
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_TIMESTAMPNS = 35
SO_ATTACH_FILTER = 26
BUFFER = 64 << 20
LONGEST = 1 << 18
SETTLING_S = 0.05  # the kernel closes connections when their processes have ended already


def _filter(ports: Collection[int]) -> bytes:
    """Return a filter in classic BPF: TCP over IPv4 or IPv6 without extensions, from or to one of the ports."""
    load_half, load_byte, load_length, load_half_index = 0x28, 0x30, 0xB1, 0x48
    equal, accept = 0x15, 0x06
    count = len(ports)
    ordered = sorted(ports)

    def matches(load: int, at: int, left: int) -> list[tuple[int, int, int, int]]:
        """Load a port and go to the acceptance, which is ``left`` instructions behind these, where it is asked for."""
        return [(load, 0, 0, at)] + [(equal, left + count - 1 - k, 0, port) for k, port in enumerate(ordered)]

    half = 1 + count
    ipv6 = [(load_byte, 0, 0, 20), (equal, 0, 2 * half, 6)]
    ipv6 += matches(load_half, 54, half + 1) + matches(load_half, 56, 1)
    ipv4 = [(load_byte, 0, 0, 23), (equal, 0, 1 + 2 * half, 6), (load_length, 0, 0, 14)]
    behind = len(ipv6) + 2  # IPv6, and its own test in front
    ipv4 += matches(load_half_index, 14, half + 1 + behind) + matches(load_half_index, 16, 1 + behind)
    program = [(load_half, 0, 0, 12), (equal, 0, len(ipv4) + 1, 0x0800), *ipv4, (accept, 0, 0, 0)]
    program += [(equal, 0, len(ipv6), 0x86DD), *ipv6, (accept, 0, 0, 0), (accept, 0, 0, LONGEST)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


class Recorder:
    """What loopback carries to and from some ports, as frames of Ethernet, in the order of the kernel."""

    def __init__(self, ports: Collection[int]) -> None:
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except (PermissionError, AttributeError) as error:
            missing(f"no packets of loopback without the right to see them: {error}")
        program = _filter(ports)
        self._program = bytearray(program)
        address = (ctypes.c_char * len(program)).from_buffer(self._program)
        self._socket.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(address))
        )
        self._socket.setsockopt(socket.SOL_SOCKET, 33, BUFFER)  # SO_RCVBUFFORCE
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind(("lo", ETH_P_ALL))
        self._socket.settimeout(0.02)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.frames: list[Frame] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take what has come so far; a packet that was dropped is an error of the test."""
        time.sleep(SETTLING_S)
        self._ending.set()
        self._thread.join()
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self._socket.close()
        dropped = struct.unpack("II", statistics)[1]
        assert dropped == 0, f"the recorder lost {dropped} packets"
        self.frames = list(_begun(self.frames))

    def _run(self) -> None:
        while True:
            try:
                data, ancillary, _, address = self._socket.recvmsg(LONGEST, 64)
            except TimeoutError:
                if self._ending.is_set():
                    return
                continue
            if address[2] != PACKET_OUTGOING:
                continue
            times = [
                struct.unpack("qq", value) for level, kind, value in ancillary if kind == SO_TIMESTAMPNS and level
            ]
            seconds, rest = times[0]
            self.frames.append(Frame(seconds * 10**9 + rest, data, len(data)))


def _begun(frames: list[Frame]) -> Iterator[Frame]:
    """Yield what belongs to connections that began in the recording; peers close others late."""
    open_: set[frozenset[End]] = set()
    for frame in frames:
        segment = decode(frame)
        assert segment is not None
        if segment.flags & SYN:
            open_.add(segment.connection)
        if segment.connection in open_:
            yield frame


@contextlib.contextmanager
def recording(*ports: int) -> Iterator[Recorder]:
    """Record the TCP traffic of these ports on loopback while the block runs."""
    recorder = Recorder(ports)
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.stop()
