"""Headers of any packet, of any link, are found inside it or not at all; in C."""

from tests.cext.flows import Talk
from tests.fuzz.harness import Harness
from tests.monitor import mutations
from tests.monitor.packets import Link, Wire, frames, option_mss, option_window_scale

LINKS = (Link.ETHERNET, Link.ETHERNET, Link.RAW, Link.SLL, Link.SLL2, Link.NULL, Link.LOOP, Link.IPV6)
HOP_BY_HOP = bytes([0, 6, 0, 1, 4, 0, 0, 0, 0])


def starts() -> list[bytes]:
    """Packets behind the four bytes that set a run up: link, check sequence, bytes that were cut."""
    talk = Talk().open(options=(option_mss(1460) + option_window_scale(7), b"")).client(0, 0, bytes(40))
    found = []
    for number, link in enumerate(LINKS):
        segments = talk.segments[::3] if link != Link.IPV6 else mutations.to_ipv6(talk.segments[::3])
        found += [bytes([number, 0, 0, 0]) + frame.data for frame in frames(segments, Wire(link=link))]
    wires = (
        Wire(vlans=((0x88A8, 7), (0x8100, 5))),
        Wire(zero_length=True, trailer=b"FCS!", pads=False),
        Wire(fragment=16),
    )
    for wire in wires:
        found += [b"\0\4\1\10" + frame.data for frame in frames(talk.segments[3:], wire)]
    six = mutations.to_ipv6(talk.segments[3:])
    for wire in (Wire(link=Link.RAW, extensions=HOP_BY_HOP), Wire(link=Link.RAW, fragment=16)):
        found += [b"\2\0\0\0" + frame.data for frame in frames(six, wire)]
    return found


TRICKY = (
    b"\x81\0\0\1\x08\0",
    b"\x86\xdd",
    b"\x45\0\0\0",
    b"\x4f\0\xff\xff",
    b"\x60\0\0\0\0\0",
    b"\x2c\0",
    b"\x33\xff",
    b"\0\xff",
    b"\x20\0",
    b"\x1f\xff",
    b"\xf0\2",
    b"\2\4\5\xb4",
)
HARNESS = Harness("packet", starts, None, TRICKY, 512)
