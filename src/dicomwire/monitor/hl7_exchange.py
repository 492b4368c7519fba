"""What an HL7 v2 exchange is made of: messages on the wire, the packets that brought them, and the state of a message
whose acknowledgements are awaited (HL7 v2.5.1 section 2.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dicomwire.hl7.acknowledgement import Stage, expects, is_enhanced, is_positive
from dicomwire.hl7.message import Message, first_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.hl7.message import Header
    from dicomwire.hl7.mllp import Frame
    from dicomwire.monitor.hl7 import Conversation


class Moment(NamedTuple):
    """When a packet was seen, in nanoseconds since 1970, and its number in the capture."""

    time_ns: int
    frame: int


class SideCounters(NamedTuple):
    """Counters of one side of a connection, as they stand at a moment: those of the same names in _dicomwire.flow."""

    retransmissions: int = 0
    timeouts: int = 0
    zero_windows: int = 0
    zero_window_ns: int = 0
    rtt_count: int = 0
    rtt_last_ns: int = 0


NO_COUNTERS = (SideCounters(), SideCounters())


@dataclass(frozen=True, slots=True)
class Endpoints:
    """A connection: its serial number; the client is who opened it, as far as the capture says."""

    connection: int
    client_address: str
    client_port: int
    server_address: str
    server_port: int

    def address(self, side: int) -> str:
        """The address of a side: 0 is the client."""
        return self.server_address if side else self.client_address


class Snapshot(NamedTuple):
    """A moment, with the counters of both sides, and what of their streams was missing until then."""

    moment: Moment
    counters: tuple[SideCounters, SideCounters]
    gaps: tuple[int, int]
    lost_bytes: tuple[int, int]


class Sent(NamedTuple):
    """A message on the wire."""

    conversation: Conversation
    side: int
    frame: Frame
    message: Message | None
    begin: Snapshot
    end: Snapshot
    is_aborted: bool


class Exchange:
    """A message and what came back so far."""

    __slots__ = (
        "acknowledgements",
        "commit",
        "conversation",
        "end",
        "faults",
        "held_bytes",
        "inferred",
        "order",
        "request",
    )

    def __init__(self, conversation: Conversation, request: Sent | None, order: int) -> None:
        self.conversation = conversation
        self.request = request
        self.order = order
        self.held_bytes = 0
        self.end: Snapshot | None = None  # how things stood when the exchange was over
        self.acknowledgements: dict[Stage, Sent] = {}
        self.commit: Sent | None = None  # the sender's accept acknowledgement of the application's message
        self.faults: list[str] = []
        self.inferred: list[str] = []

    @property
    def header(self) -> Header | None:
        """The header of the message, None if it was not seen."""
        message = self.request.message if self.request else None
        return message.header if message else None

    @property
    def control_id(self) -> str | None:
        """MSH-10 of the message."""
        return first_of(self.header.control_id) if self.header else None

    @property
    def commit_id(self) -> str | None:
        """The control ID of the application's acknowledgement, if that wants to be acknowledged itself."""
        answer = self.acknowledgements.get(Stage.APPLICATION)
        if answer is None or answer.message is None or self.commit is not None:
            return None
        header = answer.message.header
        return first_of(header.control_id) if first_of(header.accept_acknowledgement) == "AL" else None

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is to come."""
        header = self.header
        accept = self.acknowledgements.get(Stage.ACCEPT)
        if Stage.APPLICATION in self.acknowledgements:
            return self.commit_id is None
        if header is None or not is_enhanced(header):
            return accept is not None
        if accept is not None:
            return is_positive(code_of(accept)) is False or expects(header, Stage.APPLICATION) is False
        return expects(header, Stage.ACCEPT) is False and expects(header, Stage.APPLICATION) is False

    @property
    def waits_for_application(self) -> bool:
        """Whether the connection may be over before the last acknowledgement comes."""
        header = self.header
        return (
            header is not None
            and is_enhanced(header)
            and Stage.APPLICATION not in self.acknowledgements
            and expects(header, Stage.APPLICATION) is not False
            and self.control_id is not None
        )

    def hold(self, sent: Sent) -> None:
        """Count the bytes of a message that is kept until the exchange is over."""
        self.held_bytes += len(sent.frame.data)
        self.conversation.exchanges.held_bytes += len(sent.frame.data)

    def fault(self, text: str) -> None:
        """Add a fault unless it is there."""
        if text not in self.faults:
            self.faults.append(text)


def code_of(sent: Sent) -> str | None:
    """MSA-1 of an acknowledgement."""
    return first_of(sent.message.header.acknowledgement_code) if sent.message else None
