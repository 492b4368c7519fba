"""An association composed by hand, step by step, for tests that know every byte and every nanosecond of it."""

from __future__ import annotations

from typing import Any

from dicomwire.dimse.message import CommandMessage
from dicomwire.dimse.messages import CEchoRQ, CStoreRQ
from dicomwire.ul.pdu import AReleaseRP, AReleaseRQ
from tests.encoding import explicit
from tests.monitor.conversation import CLIENT, SERVER, Conversation
from tests.monitor.packets import Segment
from tests.net.raw import CT, VERIFICATION, acceptance, context, message_bytes, request

STUDY, SERIES = "1.2.826.0.1.3680043.10.1414.5", "1.2.826.0.1.3680043.10.1414.5.1"


def instance(number: int) -> str:
    return f"{SERIES}.{number}"


def uid(value: str) -> bytes:
    return value.encode() + bytes(len(value) % 2)


def image(number: int, size: int) -> bytes:
    """A data set with ``size`` bytes of pixel data."""
    return b"".join(
        (
            explicit(0x00080016, "UI", uid(CT)),
            explicit(0x00080018, "UI", uid(instance(number))),
            explicit(0x00080050, "SH", b"ACC-5 "),
            explicit(0x00080060, "CS", b"CT"),
            explicit(0x00100020, "LO", b"PAT-5 "),
            explicit(0x0020000D, "UI", uid(STUDY)),
            explicit(0x0020000E, "UI", uid(SERIES)),
            explicit(0x7FE00010, "OW", bytes(k * 7 % 251 for k in range(size))),
        )
    )


class Spoken(Conversation):
    """A conversation in DICOM: verification in context 1, storage in context 3."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked = request(
            [context(1, VERIFICATION, "1.2.840.10008.1.2"), context(3, CT)], called="ARCHIVE", calling="WORKSTATION"
        )

    def associate(self) -> None:
        self.open()
        self.say(CLIENT, self.asked.encode())
        self.say(SERVER, acceptance(self.asked).encode())

    def echo(self, number: int) -> CEchoRQ:
        message = CEchoRQ(message_id=number, affected_sop_class_uid=VERIFICATION)
        self.say(CLIENT, message_bytes(1, message))
        return message

    def store(self, number: int, size: int, **options: Any) -> tuple[CStoreRQ, list[Segment]]:
        message = CStoreRQ(message_id=number, affected_sop_class_uid=CT, affected_sop_instance_uid=instance(number))
        return message, self.say(CLIENT, message_bytes(3, message, image(number, size)), **options)

    def answer(self, context_id: int, message: Any, status: int = 0) -> list[Segment]:
        response: CommandMessage = message.response(status=status)
        return self.say(SERVER, message_bytes(context_id, response))

    def release(self) -> None:
        self.say(CLIENT, AReleaseRQ().encode())
        self.say(SERVER, AReleaseRP().encode())
        self.close()


def stores(*sizes: int, **options: Any) -> Spoken:
    """An association with a C-STORE of each size, message IDs from 1, in order."""
    talk = Spoken(**options)
    talk.associate()
    for number, size in enumerate(sizes, 1):
        message, _ = talk.store(number, size)
        talk.answer(3, message)
    talk.release()
    return talk
