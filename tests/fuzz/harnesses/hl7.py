"""Any bytes on both sides of a connection are, at any cuts, the same HL7 messages, indexed as a slow twin does.

Exchanges of them are records that can be written, and in the end nothing is held.
"""

from __future__ import annotations

import json

from dicomwire.errors import DecodeError
from dicomwire.hl7 import Deframer, Frame, JoinKeys, Message, framed
from dicomwire.monitor.hl7 import Endpoints, Exchanges, Limits, Moment
from dicomwire.monitor.pseudonyms import Pseudonyms
from tests.fuzz.harness import Harness, exact
from tests.hl7.messages import OMI, ORM, ack
from tests.oracles import hl7 as twin

MAX_LENGTH = 600
LIMITS = Limits(max_length=MAX_LENGTH, max_held=4000, max_pending=6, max_waiting=4, max_control_ids=8)
TRICKY = (
    b"\x0b", b"\x1c\r", b"\x1c", b"\rMSH|", b"MSH|^~\\&|", b"\nPID|", b"\rMSA|AA|1", b"\rMSA|CA|1", b"|AL|AL",
    b"|NE|NE", b"~ISO IR87", b"BIG-5", b"GB18030", b"UNICODE UTF-8", b"\x1b$B", b"\x1b(B", b"\\X41\\", b"\\F\\",
    b'|""|', b"FHS|", b"ORC|", b"IPC|", b"OBX|1|UI|110180||1.2\r", b"^^^", b"~~", b"&&",
)  # fmt: skip


def seeds() -> list[bytes]:
    """A byte of setup, then an exchange; messages alone, in one block, damaged."""
    enhanced = ORM.replace(b"P|2.3.1||||", b"P|2.3.1|||AL|AL")
    streams = [
        framed(ORM) + framed(ack("MSG00001")),
        framed(enhanced) + framed(ack("MSG00001", "CA")) + framed(ack("MSG00001")),
        framed(OMI),
        b"\x0b" + ORM + OMI + b"\x1c\r",
        b"\x0b" + ORM.replace(b"\r", b"\n"),
        ORM,
        b"\x0b" + ORM.replace(b"8859/1", b"~ISO IR87").replace(b"DOE", b"\x1b$B|^~|\x1b(B") + b"\x1c\r",
        b"\x0b" + ORM.replace(b"8859/1", b"BIG-5").replace(b"DOE", b"\xa5\\\xb3|") + b"\x1c\r",
        ORM.replace(b"|", b"#").replace(b"^", b"@"),
    ]
    return [bytes([setup]) + stream for setup in (0, 0x5A, 0xFF) for stream in streams]


def feed(data: bytes, from_start: bool, step: int, gap_at: int) -> list[Frame]:
    """The frames of a stream in chunks of ``step`` bytes; bytes are missing at ``gap_at``, 0 for none."""
    deframer = Deframer(max_length=MAX_LENGTH, from_start=from_start)
    frames: list[Frame] = []
    for number, part in enumerate((data[:gap_at], data[gap_at:]) if gap_at else (data,)):
        if number:
            deframer.gap(7)
        for at in range(0, len(part), step):
            frames += deframer.feed(exact(part[at : at + step]))  # type: ignore[arg-type]
            assert deframer.pending_bytes <= MAX_LENGTH + 4
    return frames + deframer.close()


def check_message(data: bytes) -> None:
    """What an index and keys of a message must hold."""
    try:
        message = Message(data)
    except DecodeError:
        return
    if message.index.multibyte == 0:
        index = message.index
        assert [(index.name(n), index.fields_of(n)) for n in range(len(index))] == twin.fields(message.data)
    keys = JoinKeys(message)
    for conflict in keys.conflicts:
        assert len(conflict.values) > 1
    assert all(isinstance(fault, str) for fault in message.faults)
    for segment in message.segments():
        json.dumps(segment.to_dict())


def run(data: bytes) -> None:
    """Frames at several cuts, messages, and the exchanges of both sides."""
    setup, stream = (data[0], data[1:]) if data else (0, b"")
    from_start, gap_at = not setup & 1, len(stream) * (setup >> 4) // 16
    whole = feed(stream, from_start, max(len(stream), 1), gap_at)
    assert feed(stream, from_start, 1, gap_at) == whole
    assert feed(stream, from_start, 1 + (setup >> 1 & 7), gap_at) == whole
    for frame in whole:
        assert 0 <= frame.start <= frame.stop <= len(stream) + 7
        assert len(frame.data) <= min(frame.size, MAX_LENGTH)
        check_message(frame.data)
    exchanges = Exchanges(Pseudonyms(b"k" * 16, show_phi=bool(setup & 2)), limits=LIMITS)
    conversation = exchanges.conversation(Endpoints(1, "::1", 1, "::1", 2), from_start=from_start)
    records = []
    parts = stream.split(b"\x1c\r")
    for number, part in enumerate(parts):
        end = b"\x1c\r" if number < len(parts) - 1 else b""
        records += conversation.data((number ^ setup) & 1, part + end, Moment(number, number))
        if gap_at and number == 1:
            records += conversation.gap(setup >> 2 & 1, 7, Moment(number, number))
        assert exchanges.held_bytes <= LIMITS.max_held + 2 * MAX_LENGTH + len(part) + 8
    records += conversation.forgotten(setup % 6, len(parts))
    for record in records + exchanges.finish():
        json.dumps(record.to_dict())
    assert exchanges.held_bytes == 0


HARNESS = Harness("hl7", seeds, run, TRICKY)
