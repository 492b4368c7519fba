"""Any bytes at any cuts are the PDUs and fragments that the slow twin finds, and little is kept between the cuts."""

from itertools import pairwise

from _dicomwire.pdu import ControlPDU, InvalidPDU, PDUReader, PDVRun, join
from tests.fuzz.harness import Harness, exact
from tests.oracles.framing import Item, frame, merged, p_data
from tests.ul.pair import ABORT, ACCEPT, REQUEST, UNKNOWN_PDU

MAX_CONTROL = 300
MAX_PDU = 200
TRICKY = (
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\0\0\0\1",
    b"\0\0\0\2",
    b"\0\0\0\4",
    b"\x7f\xff\xff\xff",
    b"\4\0\0\0\0\6",
    b"\4\0\0\0\0\0",
    b"\1\0\0\0\1\x2c",
    b"\1\0\0\0\1\x2d",
    b"\5\0\0\0\0\4",
    b"\7\0\0\0\0\4\0\0\0\0",
    b"GET / ",
    b"\x16\3\1\2\0\1",
)


def plain(items: list[ControlPDU | PDVRun | InvalidPDU]) -> list[Item]:
    """The items as values; what each must hold by itself is checked."""
    result: list[Item] = []
    for number, item in enumerate(items):
        if isinstance(item, PDVRun):
            data = join(item.views)
            assert len(data) == item.length
            result.append(("run", item.context_id, item.is_command, item.is_last, data))
        elif isinstance(item, ControlPDU):
            assert item.data[0] == item.pdu_type
            assert len(item.data) <= MAX_CONTROL + 6
            result.append(("control", item.pdu_type, item.data))
        else:
            assert number == len(items) - 1
            assert item.abort_reason in (1, 6)
            assert "PS3.8" in item.message
            result.append(("invalid", item.abort_reason, item.offset))
    return result


def check(data: bytes, cuts: list[int]) -> None:
    """Feed the data in chunks and compare with the twin."""
    reader = PDUReader(max_control_length=MAX_CONTROL, max_pdu_length=MAX_PDU)
    found: list[Item] = []
    for start, stop in pairwise([0, *sorted(cuts), len(data)]):
        found += plain(reader.feed(exact(data[start:stop])))  # type: ignore[arg-type]
        assert reader.pending_bytes <= MAX_CONTROL + 6
    assert merged(found) == merged(frame(data, MAX_CONTROL, MAX_PDU))


def run(data: bytes) -> None:
    """The first byte says how many of the next are places of cuts, or the length of all pieces."""
    if not data:
        return
    count = data[0] & 7
    body = data[1 + count :]
    if data[0] & 8:
        check(body, list(range(0, len(body), 1 + (data[0] >> 4))))
    else:
        check(body, [place * len(body) // 256 for place in data[1 : 1 + count]])


def streams() -> list[bytes]:
    """Associations, whole and broken off."""
    data = p_data((1, 1, b"comm"), (1, 3, b"and"), (1, 0, bytes(100)), (1, 2, b""))
    release = b"\5\0\0\0\0\4\0\0\0\0\6\0\0\0\0\4\0\0\0\0"
    whole = REQUEST.encode() + data + p_data((3, 3, b"next")) * 3 + release + ABORT.encode()
    return [
        whole, ACCEPT.encode() + data * 4, whole[:-30], data + UNKNOWN_PDU, b"GET / HTTP/1.1\r\n", data[:-1], release,
    ]  # fmt: skip


def starts() -> list[bytes]:
    """The streams with and without cuts."""
    return [setup + data for data in streams() for setup in (b"\0", b"\x03\x20\x80\xa0", b"\x08", b"\x68", b"\xf8")]


HARNESS = Harness("pdu_stream", starts, run, TRICKY, 1024)
