"""Connections made up in a test: PDUs in any packets, without captures (see _dicomwire.rehearsal)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from _dicomwire.rehearsal import Rehearsal
from _dicomwire.talk import Talk
from dicomwire.dimse.message import CommandMessage
from dicomwire.monitor.analyzing import TABLE
from dicomwire.monitor.associations import Facts
from dicomwire.monitor.policy import Policy
from dicomwire.ul.items import ProposedContext, SubItem
from dicomwire.ul.pdu import AReleaseRP, AReleaseRQ
from tests.net.raw import acceptance, message_bytes, request

CLIENT, SERVER = 0, 1
STEP_NS = 1_000_000


class Stage:
    """A Talk and the connections of a test; each packet comes a millisecond after the one before."""

    def __init__(self, *, show_phi: bool = True, **options: Any) -> None:
        self.policy = Policy(show_phi=show_phi, key=bytes(16), run="t")
        self.talk = Talk(TABLE, Facts, self.policy, keeps_elements=show_phi, **options)
        self.rehearsal = Rehearsal(self.talk)
        self.now_ns = 0
        self.records: list[Any] = []

    def call(self, **options: Any) -> Call:
        """Open a connection."""
        return Call(self, **options)

    def take(self) -> list[Any]:
        """All records so far."""
        self.records += self.talk.take()
        self.talk.check()
        return self.records

    def end(self) -> list[Any]:
        """All records; the capture has ended."""
        self.rehearsal.close(time_ns=self.now_ns)
        return self.take()

    def of(self, kind: str) -> list[Any]:
        """The records of a kind."""
        return [record for record in self.take() if record.record == kind]


class Call:
    """A connection in a test; ``mss`` cuts what is said into packets."""

    def __init__(self, stage: Stage, *, mss: int = 1 << 20, **options: Any) -> None:
        self.stage = stage
        self.mss = mss
        self.serial = stage.rehearsal.open(time_ns=self.tick(), **options)
        self.answers: list[int] = []

    def tick(self, ns: int = STEP_NS) -> int:
        self.stage.now_ns += ns
        return self.stage.now_ns

    def say(self, side: int, *parts: bytes, **options: Any) -> None:
        """Put bytes on the wire."""
        data = b"".join(parts)
        for at in range(0, len(data), self.mss):
            answer = self.stage.rehearsal.data(
                self.serial, side, data[at : at + self.mss], time_ns=self.tick(), **options
            )
            self.answers.append(answer)

    def lose(self, side: int, length: int, kind: int = 0) -> None:
        self.stage.rehearsal.gap(self.serial, side, length, kind=kind, time_ns=self.tick())

    def associate(self, contexts: Iterable[ProposedContext] | None = None, *items: SubItem) -> None:
        """Both PDUs of an association."""
        asked = request(contexts, *items)
        self.say(CLIENT, asked.encode())
        self.say(SERVER, acceptance(asked).encode())

    def message(self, side: int, message: CommandMessage, data: bytes | None = None, context_id: int = 1) -> None:
        self.say(side, message_bytes(context_id, message, data))

    def release(self) -> None:
        self.say(CLIENT, AReleaseRQ().encode())
        self.say(SERVER, AReleaseRP().encode())
        self.hang_up()

    def hang_up(self, kind: int = 0, side: int = CLIENT) -> None:
        """Close the connection: FIN of both, or RST of one."""
        self.stage.rehearsal.ended(self.serial, side, kind, time_ns=self.tick())
        if kind == 0:
            self.stage.rehearsal.ended(self.serial, 1 - side, kind, time_ns=self.tick())
        self.stage.rehearsal.forget(self.serial, kind, time_ns=self.stage.now_ns)
