"""Any bytes under any limits are the same pieces of PDUs in one window and in small ones, without gaps; in C."""

from tests.fuzz.harness import Harness
from tests.fuzz.harnesses.pdu_stream import TRICKY, streams


def starts() -> list[bytes]:
    """Streams behind the four bytes that set a run up: limits of both kinds of PDU, and noise for the windows."""
    setups = (b"\0\0\1\2", b"\xff\xff\0\0", b"\x40\0\7\7", b"\0\x10\3\3")
    return [setup + data for data in streams() for setup in setups]


HARNESS = Harness("framing", starts, None, TRICKY, 2048)
