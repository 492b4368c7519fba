"""Any bytes of both sides of connections, in any cuts and with gaps, give records that can be read, and hold nothing.

An input is a list of steps: a byte says what happens to which connection and side, two say how many bytes of the rest
it takes.  Every record gives all its fields; what was held is given back; the same steps give the same records.
"""

import json
import struct
from typing import Any

from _dicomwire.rehearsal import Rehearsal
from _dicomwire.talk import Talk
from dicomwire.dimse.messages import CEchoRQ, CFindRQ, CMoveRQ, CStoreRQ
from dicomwire.monitor.analyzing import TABLE
from dicomwire.monitor.associations import Facts
from dicomwire.monitor.policy import Policy
from dicomwire.ul.pdu import AAbort, AReleaseRP, AReleaseRQ
from tests.builders import PIXEL_DATA, Encoder
from tests.fuzz.harness import Harness, exact
from tests.net.raw import CT, FIND, VERIFICATION, acceptance, context, message_bytes, request

CONNECTIONS = 3
MOST_HELD = 20_000
MOST_OPEN = 8
PLAIN = Encoder()

DATA, GAP, END, FORGET, COUNT, MIDDLE = range(6)


def step(what: int, side: int, data: bytes | int = b"", connection: int = 0) -> bytes:
    """One step: data, or the length of a gap."""
    length, data = (data, b"") if isinstance(data, int) else (len(data), data)
    return struct.pack("<BH", what | side << 3 | connection << 4, length) + data


def talk_of(data: bytes, *, shows: bool) -> list[str]:
    """The records of the steps as text."""
    policy = Policy(show_phi=shows, key=bytes(16), run="f")
    talk = Talk(TABLE, Facts, policy, keeps_elements=shows, most_held=MOST_HELD, most_open=MOST_OPEN)
    rehearsal = Rehearsal(talk)
    serials: list[int | None] = [None] * CONNECTIONS
    records: list[Any] = []
    at, now = 0, 0
    while at + 3 <= len(data):
        head, length = struct.unpack_from("<BH", data, at)
        at += 3
        what, side, which = head & 7, head >> 3 & 1, (head >> 4) % CONNECTIONS
        now += 1000
        serial = serials[which]
        if serial is None:
            serial = serials[which] = rehearsal.open(
                from_start=what != MIDDLE, server_port=(104, 2761, 40001)[which], time_ns=now
            )
        if what in (DATA, MIDDLE):
            piece = data[at : at + length]
            at += length
            rehearsal.data(serial, side, exact(piece), time_ns=now, acknowledged=head >> 7 and length)
        elif what == GAP:
            rehearsal.gap(serial, side, length + 1, kind=head >> 6 & 3, time_ns=now)
        elif what == END:
            rehearsal.ended(serial, side, length % 2, time_ns=now)
        elif what == FORGET:
            rehearsal.forget(serial, length % 6, time_ns=now)
            serials[which] = None
        else:
            rehearsal.counters(serial, side, retransmissions=length, zero_windows=length, rtt_ns=length)
        assert talk.held_bytes <= MOST_HELD
        assert talk.open_count <= MOST_OPEN
        if head & 7 == 7:
            records += talk.take()
    rehearsal.close(time_ns=now)
    records += talk.take()
    talk.check()
    assert talk.held_bytes == 0
    assert talk.open_count == 0
    return [json.dumps(record.to_dict()) for record in records]


def run(data: bytes) -> None:
    """The first byte says whether elements are kept."""
    if not data:
        return
    shows = bool(data[0] & 1)
    found = talk_of(data[1:], shows=shows)
    assert talk_of(data[1:], shows=shows) == found


def starts() -> list[bytes]:
    """Whole conversations, in one piece, in small ones, from the middle, and with gaps."""
    asked = request([context(1, CT), context(3, FIND), context(5, VERIFICATION)])
    image = PLAIN.element(0x00080060, "CS", b"CT") + PLAIN.element(PIXEL_DATA, "OW", bytes(300))
    keys = PLAIN.element(0x00080052, "CS", b"STUDY ")
    store = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2", priority=0)
    find = CFindRQ(message_id=2, affected_sop_class_uid=FIND, priority=0)
    move = CMoveRQ(message_id=3, affected_sop_class_uid=FIND, priority=0, move_destination="X")
    echo = CEchoRQ(message_id=4, affected_sop_class_uid=VERIFICATION)
    said = [
        (0, asked.encode()),
        (1, acceptance(asked).encode()),
        (0, message_bytes(1, store, image)),
        (1, message_bytes(1, store.response(status=0))),
        (0, message_bytes(3, find, keys)),
        (1, message_bytes(3, find.response(status=0xFF00), keys)),
        (1, message_bytes(3, find.response(status=0))),
        (0, message_bytes(3, move, keys)),
        (1, message_bytes(3, move.response(status=0xA801))),
        (0, message_bytes(5, echo)),
        (1, message_bytes(5, echo.response(status=0))),
        (0, AReleaseRQ().encode()),
        (1, AReleaseRP().encode()),
    ]
    whole = b"".join(step(DATA, side, data) for side, data in said)
    small = b"".join(
        step(DATA, side, data[at : at + 50]) for side, data in said for at in range(0, len(data), 50)
    )
    holes = b"".join(
        step(DATA, side, data[:40]) + step(GAP, side, 9) + step(DATA, side, data[50:]) for side, data in said
    )
    middle = b"".join(step(MIDDLE, side, data) for side, data in said[2:])
    hl7 = step(DATA, 0, b"\x0bMSH|^~\\&|A|B\r\x1c\r", 2)
    end = step(END, 0, 0) + step(FORGET, 0, 0)
    seeds = [whole + end, small + end, holes, middle, hl7, whole + step(DATA, 1, AAbort().encode())]
    return [bytes((shows,)) + seed for seed in seeds for shows in (0, 1)]


TRICKY = (
    b"\x04\x00\x00\x00\x00\x10\x00\x00\x00\x0c\x01\x03",
    b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00",
    b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00",
    b"\x00\x00\x00\x00\x04\x00\x00\x00",
    b"\x00\x00\x00\x01\x02\x00\x00\x00",
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\x0bMSH|^~\\&|",
)
HARNESS = Harness("talk", starts, run, TRICKY, 8192)
