"""Capture files written by hand: pcap and pcapng, every byte order and resolution, cut packets.

draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.monitor.packets import Frame, Link

MICROSECONDS, NANOSECONDS, KUZNETZOV = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
SECTION, INTERFACE, SIMPLE, STATISTICS, ENHANCED = 0x0A0D0D0A, 1, 3, 5, 6
SNAPLEN = 1 << 18


def cut(frame: Frame, snaplen: int) -> Frame:
    """Return the frame as a capture with this snapshot length keeps it."""
    return frame._replace(data=frame.data[:snaplen])


def pcap(
    frames: Iterable[Frame],
    link: Link = Link.ETHERNET,
    *,
    magic: int = NANOSECONDS,
    order: str = "<",
    snaplen: int = SNAPLEN,
) -> bytes:
    """Return a pcap file; packets are cut to ``snaplen``."""
    unit = 1 if magic == NANOSECONDS else 1000
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)]
    for frame in frames:
        data = frame.data[:snaplen]
        seconds, rest = divmod(frame.time_ns, 10**9)
        parts.append(struct.pack(order + "IIII", seconds, rest // unit, len(data), frame.length))
        if magic == KUZNETZOV:
            parts.append(struct.pack(order + "IHBB", 1, 0x0800, 0, 0))
        parts.append(data)
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Return a block of pcapng."""
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section_header(order: str = "<", *, length: int = -1) -> bytes:
    return block(SECTION, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, length), order)


def interface(link: Link, order: str = "<", *, snaplen: int = 0, resolution: int = 9, offset_s: int = 0) -> bytes:
    """Return an interface description; ``resolution`` is if_tsresol: a power of ten, or of two with bit 7."""
    options = option(9, bytes([resolution]), order)
    if offset_s:
        options += option(14, struct.pack(order + "q", offset_s), order)
    return block(INTERFACE, struct.pack(order + "HHI", link, 0, snaplen) + options + option(0, b"", order), order)


def _units(time_ns: int, resolution: int) -> int:
    if resolution & 0x80:
        return time_ns * (1 << (resolution & 0x7F)) // 10**9
    return time_ns * 10**resolution // 10**9


def pcapng(
    frames: Sequence[Frame],
    link: Link = Link.ETHERNET,
    *,
    order: str = "<",
    resolutions: Sequence[int] = (9,),
    offset_s: int = 0,
    snaplen: int = 0,
    simple: bool = False,
    dropped: int | None = None,
) -> bytes:
    """Return a pcapng file; the frames come in turn from as many interfaces as there are resolutions.

    ``simple``: packets without times, all of one interface.  ``dropped``: what a last statistics block says.
    """
    parts = [section_header(order)]
    for resolution in resolutions:
        parts.append(interface(link, order, snaplen=snaplen, resolution=resolution, offset_s=offset_s))
    for number, frame in enumerate(frames):
        data = frame.data[:snaplen] if snaplen else frame.data
        if simple:
            parts.append(block(SIMPLE, struct.pack(order + "I", frame.length) + data, order))
            continue
        which = number % len(resolutions)
        units = _units(frame.time_ns - offset_s * 10**9, resolutions[which])
        head = struct.pack(order + "IIIII", which, units >> 32, units & 0xFFFFFFFF, len(data), frame.length)
        parts.append(block(ENHANCED, head + data, order))
    if dropped is not None:
        body = struct.pack(order + "III", 0, 0, 0) + option(5, struct.pack(order + "Q", dropped), order)
        parts.append(block(STATISTICS, body + option(0, b"", order), order))
    return b"".join(parts)


def merged(groups: Sequence[tuple[Link, Sequence[Frame]]], order: str = "<") -> bytes:
    """Return a pcapng file with an interface for each group, all descriptions first."""
    parts = [section_header(order), *(interface(link, order) for link, _ in groups)]
    for which, (_, frames) in enumerate(groups):
        for frame in frames:
            head = struct.pack(
                order + "IIIII",
                which,
                frame.time_ns >> 32,
                frame.time_ns & 0xFFFFFFFF,
                len(frame.data),
                frame.length,
            )
            parts.append(block(ENHANCED, head + frame.data, order))
    return b"".join(parts)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
