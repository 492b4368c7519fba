"""Captures: every format gives the same packets at any cuts, Wireshark reads the same, lengths that lie are errors."""

from __future__ import annotations

import random
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from _dicomwire.capture import CaptureReader
from dicomwire.errors import DecodeError
from tests.monitor import captures
from tests.monitor.captures import ENHANCED, INTERFACE, KUZNETZOV, MICROSECONDS, NANOSECONDS, STATISTICS, block, option
from tests.monitor.packets import Frame, Link
from tests.monitor.tshark import fields
from tests.net import peers

Read = tuple[int, int, bytes, int, int]
BASE_NS = 1_700_000_000_123_456_000
OBSOLETE_PACKET, NAMES, SECRETS, CUSTOM = 2, 4, 10, 0xBAD
LARGEST = 1 << 19


def some_frames(count: int = 20, unit: int = 1000) -> list[Frame]:
    noise = random.Random(count)
    return [
        Frame(BASE_NS + number * 777 * unit, noise.randbytes(size), size + (number % 3))
        for number, size in enumerate(noise.randrange(0, 90) for _ in range(count))
    ]


def read(data: bytes, cuts: list[int] | None = None) -> list[Read]:
    """Return all packets of a capture that is fed in pieces."""
    reader = CaptureReader()
    found = []
    for start, stop in pairwise([0, *(cuts or []), len(data)]):
        piece = data[start:stop]
        while True:
            piece = piece[reader.feed(piece) :]
            while (packet := reader.read_packet()) is not None:
                found.append(packet)
            if not piece:
                break
    assert reader.packets == len(found)
    return found


def check_every_cut(data: bytes) -> list[Read]:
    """Whole, byte by byte and at random places a capture has the same packets."""
    whole = read(data)
    noise = random.Random(len(data))
    assert read(data, list(range(1, len(data)))) == whole
    for _ in range(10):
        assert read(data, sorted(noise.sample(range(len(data)), 5))) == whole
    return whole


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [MICROSECONDS, NANOSECONDS, KUZNETZOV])
def test_pcap(order: str, magic: int) -> None:
    frames = some_frames(unit=1 if magic == NANOSECONDS else 1000)
    data = captures.pcap(frames, Link.SLL, magic=magic, order=order)
    assert check_every_cut(data) == [(one.time_ns, 113, one.data, one.length, 0) for one in frames]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("resolution", [0, 3, 6, 7, 9, 0x80 | 20, 0x80 | 30])
def test_pcapng_clocks(order: str, resolution: int) -> None:
    """Ticks of powers of ten and of two, to the tick."""
    ticks = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    frames = some_frames(unit=1)
    found = check_every_cut(captures.pcapng(frames, order=order, resolutions=[resolution]))
    assert [packet[1:] for packet in found] == [(1, one.data, one.length, 0) for one in frames]
    for packet, frame in zip(found, frames, strict=True):
        assert packet[0] == (frame.time_ns * ticks // 10**9) * 10**9 // ticks


@pytest.mark.parametrize("resolution", [12, 0x80 | 40])
def test_pcapng_clocks_finer_than_nanoseconds(resolution: int) -> None:
    frames = [Frame(one.time_ns // 10**6, one.data, one.length) for one in some_frames()]
    found = read(captures.pcapng(frames, resolutions=[resolution]))
    assert [abs(packet[0] - frame.time_ns) <= 1 for packet, frame in zip(found, frames, strict=True)] == [True] * 20


def test_pcapng_interfaces_with_their_own_clocks() -> None:
    frames = some_frames(unit=1000)
    found = check_every_cut(captures.pcapng(frames, resolutions=(9, 6, 0x80 | 32), offset_s=1000))
    assert [packet[4] for packet in found] == [number % 3 for number in range(20)]
    assert [abs(packet[0] - frame.time_ns) <= 1 for packet, frame in zip(found, frames, strict=True)] == [True] * 20


def test_pcapng_offset_before_1970_is_no_time_below_0() -> None:
    (packet,) = read(captures.pcapng([Frame(0, b"x", 1)], offset_s=-5, resolutions=(0,)))
    assert packet[0] == 0
    head = struct.pack("<IIIII", 0, 0xFFFFFFFF, 0xFFFFFFFF, 1, 1)
    data = captures.section_header() + captures.interface(Link.RAW, resolution=0) + block(ENHANCED, head + b"x")
    assert read(data)[0][0] == (1 << 63) - 1


def test_sections_have_their_own_order_and_interfaces() -> None:
    first, second = some_frames(3), some_frames(4)
    data = captures.pcapng(first, Link.RAW, order="<") + captures.pcapng(second, Link.NULL, order=">")
    found = check_every_cut(data)
    assert [packet[1] for packet in found] == [101] * 3 + [0] * 4
    assert [packet[2] for packet in found] == [one.data for one in first + second]


def test_simple_packets_are_cut_and_have_the_time_of_the_one_before() -> None:
    data = captures.pcapng([Frame(0, b"abcdef", 6)], simple=True, snaplen=4)
    assert read(data) == [(0, 1, b"abcd", 6, 0)]
    timed = captures.pcapng([Frame(5000, b"x", 1)])
    assert [packet[0] for packet in read(timed + block(3, struct.pack("<I", 2) + b"yz"))] == [5000, 5000]


def test_obsolete_packets_and_blocks_that_are_passed_over() -> None:
    head = struct.pack("<HHIIII", 0, 9, 0, 7000, 3, 3)
    data = (
        captures.section_header()
        + block(SECRETS, b"TLSK" + struct.pack("<I", 4) + b"keys")
        + captures.interface(Link.ETHERNET, resolution=6)
        + block(NAMES, bytes(1 << 21))  # longer than the window
        + block(OBSOLETE_PACKET, head + b"abc")
        + block(CUSTOM, bytes(12))
    )
    assert read(data) == [(7_000_000, 1, b"abc", 3, 0)]
    assert read(data, list(range(100, len(data), 4096))) == [(7_000_000, 1, b"abc", 3, 0)]


def test_what_the_capturing_side_dropped() -> None:
    reader = CaptureReader()
    dropped = captures.pcapng(some_frames(2), dropped=7)
    more = block(STATISTICS, struct.pack("<III", 0, 0, 0) + option(5, struct.pack("<Q", 9)))
    for data in (dropped, more):
        assert reader.feed(data) == len(data)
        while reader.read_packet():
            pass
    assert reader.drops == 9  # a count of all so far, not of the last


def test_frame_check_sequences_are_said() -> None:
    options = option(13, b"\4") + option(0, b"")
    data = captures.section_header() + block(INTERFACE, struct.pack("<HHI", 1, 0, 0) + options)
    reader = CaptureReader()
    reader.feed(data)
    assert reader.read_packet() is None
    assert reader.format_name == "pcapng"
    assert reader.is_between_records


def test_several_captures_count_on() -> None:
    reader = CaptureReader()
    for number, data in enumerate((captures.pcap(some_frames(3)), captures.pcapng(some_frames(2))), 1):
        reader.begin_capture()
        reader.feed(data)
        while reader.read_packet():
            pass
        assert reader.packets == (3, 5)[number - 1]
    assert reader.offset == len(captures.pcapng(some_frames(2)))


def test_a_capture_that_ends_in_a_record() -> None:
    data = captures.pcap(some_frames(3))
    reader = CaptureReader()
    reader.feed(data[:-1])
    while reader.read_packet():
        pass
    assert reader.packets == 2
    assert not reader.is_between_records
    assert reader.pending_bytes == 16 + len(some_frames(3)[2].data) - 1


BAD: dict[str, tuple[bytes, str]] = {
    "no capture": (b"GET / HTTP/1.1\r\n\r\n" * 3, "neither a pcap nor a pcapng file"),
    "packet too long": (
        captures.pcap([]) + struct.pack("<IIII", 0, 0, LARGEST + 1, LARGEST + 1),
        f"a packet of {LARGEST + 1} bytes, at most {LARGEST}",
    ),
    "block too short": (captures.section_header() + struct.pack("<II", 1, 8), "a block of 8 bytes"),
    "block of odd length": (captures.section_header() + struct.pack("<II", 1, 17), "a block of 17 bytes"),
    "end differs": (
        captures.section_header() + block(NAMES, bytes(8))[:-4] + struct.pack("<I", 24),
        "the length behind a block is 24, the one in front 20",
    ),
    "section without an order": (struct.pack("<III", 0x0A0D0D0A, 28, 0x12345678) + bytes(16), "byte-order magic"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_capture_is_an_error_with_its_place(name: str) -> None:
    data, message = BAD[name]
    good = captures.pcapng(some_frames(2)) if data.startswith(captures.section_header()) else b""
    reader = CaptureReader()
    reader.feed(good + data)
    if good:
        assert reader.read_packet()
        assert reader.read_packet()
    with pytest.raises(DecodeError, match=message) as caught:
        reader.read_packet()
    assert caught.value.offset is not None
    assert reader.is_broken
    with pytest.raises(DecodeError):
        reader.check()
    reader.begin_capture()
    reader.feed(captures.pcap(some_frames(1)))
    assert reader.read_packet() is not None


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<IIIII", 1, 0, 0, 0, 0),  # no such interface
        struct.pack("<IIIII", 0, 0, 0, 5, 5) + b"1234",  # longer than its block
        struct.pack("<IIII", 0, 0, 0, 0),  # ends in its header
    ],
)
def test_packets_without_sense_are_passed_over(body: bytes) -> None:
    data = captures.pcapng([]) + block(ENHANCED, body) + block(ENHANCED, struct.pack("<IIIII", 0, 0, 0, 1, 1) + b"x")
    reader = CaptureReader()
    reader.feed(data)
    packet = reader.read_packet()
    assert packet is not None
    assert packet[2] == b"x"
    assert reader.invalid_blocks == 1


def test_a_huge_block_length_costs_no_memory() -> None:
    reader = CaptureReader()
    reader.feed(captures.pcapng([]) + struct.pack("<II", ENHANCED, 0xFFFFFFFC))
    for _ in range(100):
        assert reader.feed(bytes(65536)) == 65536
        assert reader.read_packet() is None
    assert reader.pending_bytes == 0
    assert reader.invalid_blocks == 1


def test_options_whose_lengths_lie_are_not_followed() -> None:
    for options in (struct.pack("<HH", 9, 0xFFFF), struct.pack("<HH", 9, 1), b"\x09\0", struct.pack("<HHB", 14, 8, 1)):
        body = struct.pack("<HHI", 1, 0, 0) + options
        data = captures.section_header() + block(INTERFACE, body)
        head = struct.pack("<IIIII", 0, 0, 2, 1, 1)
        assert read(data + block(ENHANCED, head + b"x"))[0][2] == b"x"


def test_windows_are_not_touched_while_packets_are_lent() -> None:
    reader = CaptureReader()
    room = reader.room()
    with pytest.raises(ValueError, match="in room for"):
        reader.filled(len(room) + 1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        reader.fill(-1)


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["pcap", "nsecpcap", "modpcap", "pcapng"])
def test_wireshark_writes_and_reads_the_same(tmp_path: Path, kind: str) -> None:
    ours = captures.write(tmp_path / "ours", captures.pcapng(some_frames(30, 1000), resolutions=(9, 6)))
    theirs = tmp_path / "theirs"
    peers.run([peers.tool("editcap"), "-F", kind, str(ours), str(theirs)])
    found = read(theirs.read_bytes())
    rows = fields(theirs, "frame.time_epoch", "frame.len", "frame.cap_len")
    assert len(rows) == len(found) == 30
    for packet, ((time,), (length,), (captured,)), frame in zip(found, rows, some_frames(30), strict=True):
        seconds, fraction = time.split(".")
        assert packet[0] == int(seconds) * 10**9 + int(fraction)
        assert (packet[3], len(packet[2])) == (int(length), int(captured))
        assert packet[2] == frame.data
