"""A capture of every kind of record, composed packet by packet, so that every value in it is known.

Packets are 0.1 ms apart unless something waits.  The site is 10.0.0.0/8; the archive is outside of it.
"""

from __future__ import annotations

from pathlib import Path

from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.dimse.messages import CEchoRQ, CFindRQ, CStoreRQ
from dicomwire.hl7 import framed
from dicomwire.ul.codes import AbortReason, AbortSource
from dicomwire.ul.pdu import AAbort, AReleaseRP, AReleaseRQ
from tests.encoding import explicit, implicit
from tests.hl7.messages import ORM, ack
from tests.monitor import captures
from tests.monitor.conversation import CLIENT, MILLISECOND, SERVER, START_NS, Conversation
from tests.monitor.packets import ACK, PSH, End, Link, Segment, frames
from tests.net.raw import CT, FIND, VERIFICATION, acceptance, context, message_bytes, request

SITE = "10.0.0.0/8"
MODALITY, ARCHIVE = End("10.1.0.1", 50_000), End("203.0.113.9", 11_112)
BROKER, RIS = End("10.1.0.7", 2575), End("10.1.0.8", 50_100)
STUDY, SERIES, INSTANCE = "1.2.826.0.1.3680043.9.1", "1.2.826.0.1.3680043.9.1.2", "1.2.826.0.1.3680043.9.1.2.3"
PATIENT = ("583295", "DOE^JANE^Q^DR^JR", "19610615")
ACCESSION = "ACC100"
PIXELS = 3_000
COMMENT = "disk of DOE JANE is full"


def even(text: str) -> bytes:
    data = text.encode()
    return data + (b"\0" if text[:1].isdigit() and "." in text else b" ") * (len(data) % 2)


def image(instance: str = INSTANCE, pixels: int = PIXELS) -> bytes:
    """A data set in explicit VR, little endian."""
    return b"".join(
        (
            explicit(0x00080016, "UI", CT.encode() + b"\0"),
            explicit(0x00080018, "UI", even(instance)),
            explicit(0x00080050, "SH", even(ACCESSION)),
            explicit(0x00080060, "CS", b"CT"),
            explicit(0x00100010, "PN", even(PATIENT[1])),
            explicit(0x00100020, "LO", even(PATIENT[0])),
            explicit(0x00100030, "DA", even(PATIENT[2])),
            explicit(0x0020000D, "UI", even(STUDY)),
            explicit(0x0020000E, "UI", even(SERIES)),
            explicit(0x7FE00010, "OW", bytes(pixels)),
        )
    )


def store(message_id: int, **more: object) -> CStoreRQ:
    return CStoreRQ(message_id=message_id, affected_sop_class_uid=CT, affected_sop_instance_uid=UID(INSTANCE), **more)  # type: ignore[arg-type]


def opened(talk: Conversation, calling: str = "MODALITY") -> None:
    """A connection and an association with three contexts."""
    talk.open()
    asked = request(
        [
            context(1, VERIFICATION, ImplicitVRLittleEndian),
            context(3, CT, ExplicitVRLittleEndian),
            context(5, FIND, ImplicitVRLittleEndian),
        ],
        called="ARCHIVE",
        calling=calling,
    )
    talk.say(CLIENT, asked.encode())
    talk.say(SERVER, acceptance(asked).encode())


def stored_badly(talk: Conversation) -> None:
    """A C-STORE in three segments: the receiver closes its window for 2.1 ms, the second segment is lost and sent again
    after a time-out of 250 ms, the answer, a failure, comes after 5 ms."""
    data = message_bytes(3, store(7), image())
    parts = [data[:1460], data[1460:2920], data[2920:]]
    talk.packet(CLIENT, ACK, parts[0])
    talk.window[SERVER] = 0
    talk.acknowledge(SERVER)
    talk.wait(2 * MILLISECOND)
    talk.window[SERVER] = 0xFFFF
    talk.acknowledge(SERVER)
    seen = talk.seen[SERVER]
    lost = talk.packet(CLIENT, ACK, parts[1])
    talk.seen[SERVER] = seen
    talk.repeat(lost, 250 * MILLISECOND)
    talk.seen[SERVER] = talk.next[CLIENT]
    talk.packet(CLIENT, PSH | ACK, parts[2])
    talk.wait(5 * MILLISECOND - talk.step_ns)
    response = store(7).response(status=0xA700, error_comment=COMMENT, offending_element=(0x7FE00010,))
    talk.say(SERVER, message_bytes(3, response))


def found(talk: Conversation) -> None:
    """A C-FIND with two matches."""
    asked = CFindRQ(message_id=8, affected_sop_class_uid=FIND)
    keys = implicit(0x00080052, b"STUDY ") + implicit(0x00100020, even(PATIENT[0])) + implicit(0x0020000D)
    talk.say(CLIENT, message_bytes(5, asked, keys))
    talk.wait(3 * MILLISECOND)
    for _ in range(2):
        talk.say(SERVER, message_bytes(5, asked.response(status=0xFF00), keys))
    talk.say(SERVER, message_bytes(5, asked.response(status=0)))


def dicom() -> list[Segment]:
    """An association with a bad C-STORE, a C-FIND and a C-STORE of a C-MOVE, released."""
    talk = Conversation(client=MODALITY, server=ARCHIVE)
    opened(talk)
    stored_badly(talk)
    found(talk)
    moved = store(9, move_originator_application_entity_title="STATION", move_originator_message_id=77)
    talk.say(CLIENT, message_bytes(3, moved, image()))
    talk.say(SERVER, message_bytes(3, moved.response(status=0)))
    talk.say(CLIENT, AReleaseRQ().encode())
    talk.say(SERVER, AReleaseRP().encode())
    talk.close()
    return talk.segments


def aborted() -> list[Segment]:
    """Two associations: one is reset in the middle of a C-STORE, one aborted before the answer to a C-ECHO."""
    first = Conversation(
        client=End("10.1.0.2", 50_001), server=ARCHIVE, start_ns=START_NS + 1000 * MILLISECOND, initial=(5, 6)
    )
    opened(first, "FIRST")
    first.say(CLIENT, message_bytes(3, store(1), image())[:2_000])
    first.reset(CLIENT)
    second = Conversation(
        client=End("10.1.0.3", 50_002), server=ARCHIVE, start_ns=START_NS + 1010 * MILLISECOND, initial=(7, 8)
    )
    opened(second, "SECOND")
    second.say(CLIENT, message_bytes(1, CEchoRQ(message_id=2, affected_sop_class_uid=VERIFICATION)))
    second.say(SERVER, AAbort(AbortSource.SERVICE_PROVIDER, AbortReason.NOT_SPECIFIED).encode())
    second.close(SERVER)
    return first.segments + second.segments


def hl7() -> list[Segment]:
    """An order in one segment, answered after 7 ms with a closed window in between."""
    talk = Conversation(client=RIS, server=BROKER, start_ns=START_NS + 2000 * MILLISECOND)
    talk.open()
    talk.say(CLIENT, framed(ORM))
    talk.window[SERVER] = 0
    talk.acknowledge(SERVER)
    talk.window[SERVER] = 0xFFFF
    talk.wait(7 * MILLISECOND - 2 * talk.step_ns)
    talk.say(SERVER, framed(ack("MSG00001")))
    talk.close()
    return talk.segments


def capture(*groups: list[Segment]) -> bytes:
    """A pcap file, in nanoseconds, of all groups or those given."""
    segments = [segment for group in groups or (dicom(), aborted(), hl7()) for segment in group]
    return captures.pcap(frames(segments), Link.ETHERNET)


def write(path: Path) -> Path:
    path.write_bytes(capture())
    return path
