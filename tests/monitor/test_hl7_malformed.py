"""HL7 as it should not be, on the wire: each kind gives its records, says what is wrong, and keeps memory in bounds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pytest

from dicomwire.hl7 import framed
from dicomwire.hl7.message import LINE_FEEDS, NO_CONTROL_ID, UNKNOWN_CHARSET, UNNAMED_SEGMENT, UNUSUAL_SEPARATORS
from dicomwire.hl7.mllp import NO_END_BLOCK, NO_START_BLOCK, SEVERAL_IN_BLOCK, STRAY_BYTES, TOO_LONG
from dicomwire.monitor import analyze
from dicomwire.monitor.hl7 import NO_ACKNOWLEDGEMENT
from dicomwire.monitor.hl7_record import NO_HEADER
from tests.hl7.messages import ORM, ack
from tests.monitor import captures
from tests.monitor.conversation import CLIENT, SERVER, Conversation
from tests.monitor.packets import End, Link, frames

Said = Iterable[tuple[int, bytes]]
ANSWER = (SERVER, framed(ack("MSG00001")))


def records(*said: tuple[int, bytes], **options: Any) -> list[Any]:
    """What a connection gives on which these things were said, from SYN to FIN."""
    talk = Conversation(client=End("10.1.0.1", 40_000), server=End("10.1.0.2", 2575))
    talk.open()
    for side, data in said:
        talk.say(side, data)
    talk.close()
    data = captures.pcap(frames(talk.segments), Link.ETHERNET)
    return [record for record in analyze(BytesIO(data), **options) if record.record == "hl7"]


def one(*said: tuple[int, bytes], **options: Any) -> Any:
    (record,) = records(*said, **options)
    return record


def test_no_end_block() -> None:
    record = one((CLIENT, b"\x0b" + ORM), ANSWER)
    assert (record.msg_id, record.ack_code, record.faults) == ("MSG00001", "AA", [NO_END_BLOCK])


def test_no_end_block_before_the_next_message() -> None:
    other = ORM.replace(b"MSG00001", b"MSG00002")
    found = records((CLIENT, b"\x0b" + ORM), (CLIENT, framed(other)), ANSWER, (SERVER, framed(ack("MSG00002"))))
    assert [(r.msg_id, r.ack_code, r.faults) for r in found] == [
        ("MSG00001", "AA", [NO_END_BLOCK]),
        ("MSG00002", "AA", []),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_feeds(end: bytes) -> None:
    record = one((CLIENT, framed(ORM.replace(b"\r", end))), ANSWER)
    assert record.faults == [LINE_FEEDS]
    assert len(record.accession_numbers) == len(record.patient_ids) - 1 == 1


def test_segments_that_are_cut() -> None:
    record = one((CLIENT, framed(ORM.replace(b"OBR|1|A100Z", b"OBR|1\rA100Z"))), ANSWER)
    assert record.faults == [UNNAMED_SEGMENT]
    assert record.accession_numbers == []
    assert len(record.placer_order_numbers) == 1


def test_own_separators() -> None:
    own = ORM.replace(b"|", b"#").replace(b"^", b"@").replace(b"~", b"!")
    record, usual = one((CLIENT, framed(own)), ANSWER, key=b"k" * 16), one((CLIENT, framed(ORM)), ANSWER, key=b"k" * 16)
    assert record.faults == [UNUSUAL_SEPARATORS]
    assert record.subfield_delimiter == "@"
    for name in ("msg_type", "msg_id", "patient_id", "patient_name", "accession_numbers", "study_instance_uids"):
        assert getattr(record, name) == getattr(usual, name)


def test_no_control_id() -> None:
    record = one((CLIENT, framed(ORM.replace(b"MSG00001", b""))), (SERVER, framed(ack(""))))
    assert (record.msg_id, record.ack_code) == (None, "AA")
    assert NO_CONTROL_ID in record.faults
    assert record.inferred == ["msg_id"]


def test_mixed_character_sets() -> None:
    """Values in two encodings, neither the one declared: all are text, and the keys that are ASCII are right."""
    mixed = ORM.replace(b"DOE^JANE", "MÜLLER".encode("latin-1") + b"^" + "JÜRGEN".encode()).replace(
        b"8859/1", b"CNS 11643"
    )
    record = one((CLIENT, framed(mixed)), ANSWER, show_phi=True)
    assert record.faults == [UNKNOWN_CHARSET]
    assert record.patient_name == "MÜLLER^JÜRGEN^Q^DR^JR"
    assert record.accession_numbers == ["ACC100"]


def test_two_messages_in_a_frame() -> None:
    both = b"\x0b" + ORM + ORM.replace(b"MSG00001", b"MSG00002") + b"\x1c\r"
    found = records((CLIENT, both), ANSWER, (SERVER, framed(ack("MSG00002"))))
    assert [(r.msg_id, r.ack_code, r.faults) for r in found] == [
        ("MSG00001", "AA", []),
        ("MSG00002", "AA", [SEVERAL_IN_BLOCK]),
    ]


def test_bytes_between_frames() -> None:
    found = records((CLIENT, framed(ORM)), ANSWER, (CLIENT, b"PING" + framed(ORM.replace(b"MSG00001", b"2"))))
    assert [r.faults for r in found] == [[], [NO_ACKNOWLEDGEMENT, STRAY_BYTES]]


def test_what_is_in_a_block_and_no_message() -> None:
    record = one((CLIENT, framed(ORM)), (SERVER, framed(b"OK")))
    assert record.ack_code is None
    assert record.faults == [NO_HEADER]
    assert record.responses == 1


def test_an_endless_message() -> None:
    """8 MB without an end: its front is kept, the rest counted, and memory stays."""
    endless = b"\x0b" + ORM + b"OBX|1|ED|" + b"QUJD" * 2_000_000
    talk = Conversation(client=End("10.1.0.1", 40_000), server=End("10.1.0.2", 2575), mss=60_000)
    talk.open()
    talk.say(CLIENT, endless, acknowledged=True)
    talk.close()
    data = captures.pcap(frames(talk.segments), Link.ETHERNET)
    tracemalloc.start()
    found = [record for record in analyze(BytesIO(data)) if record.record == "hl7"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(r.msg_id, r.req_size, r.is_req_aborted) for r in found] == [("MSG00001", len(endless) - 1, True)]
    assert TOO_LONG in found[0].faults
    assert len(found[0].accession_numbers) == 1
    assert peak < 12 << 20


def test_no_start_block() -> None:
    found = records((CLIENT, framed(ORM)), ANSWER, (CLIENT, ORM.replace(b"MSG00001", b"2") + b"\x1c\r"))
    assert found[1].faults == [NO_ACKNOWLEDGEMENT, NO_START_BLOCK]
    assert found[1].msg_id == "2"
