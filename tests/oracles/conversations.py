"""What a whole capture says, slow and obvious: streams, PDUs, messages and transactions with where their bytes are.

PS3.8 section 9.3, PS3.7 section 6.3; a connection must have been captured from its SYN to its end without a loss.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.monitor.packets import SEQUENCES, SYN, End, Segment
from tests.oracles import command_set

CLIENT, SERVER = 0, 1
P_DATA = 4
RESPONSE = 0x8000
NO_DATA_SET = 0x0101
METHODS = {
    0x0001: "C-STORE",
    0x0010: "C-GET",
    0x0020: "C-FIND",
    0x0021: "C-MOVE",
    0x0030: "C-ECHO",
    0x0100: "N-EVENT-REPORT",
    0x0110: "N-GET",
    0x0120: "N-SET",
    0x0130: "N-ACTION",
    0x0140: "N-CREATE",
    0x0150: "N-DELETE",
}
CANCEL = 0x0FFF


Ranges = list[tuple[int, int]]  # offsets of the first byte and behind the last


@dataclass
class PDU:
    """A PDU: who sent it, its type, where it begins and ends in the stream of its sender."""

    side: int
    kind: int
    start: int
    end: int


@dataclass
class Message:
    """A DIMSE message, from its first PDU's header to the end of its last."""

    side: int
    context_id: int
    command: dict[int, command_set.Value]
    start: int
    end: int
    pdus: int
    command_size: int
    data_set: bytes | None
    data_set_size: int = 0

    @property
    def field(self) -> int:
        value = self.command[0x0100]
        assert isinstance(value, int)
        return value

    @property
    def number(self) -> int:
        """The message ID, its own or that of what it answers."""
        value = self.command[0x0120 if self.field & RESPONSE or self.field == CANCEL else 0x0110]
        assert isinstance(value, int)
        return value


@dataclass
class Transaction:
    """A request and its responses, in the order that they came."""

    request: Message
    responses: list[Message] = field(default_factory=list)

    @property
    def method(self) -> str:
        return METHODS[self.request.field]

    @property
    def status(self) -> int | None:
        """Of the last response; None without one."""
        status = self.responses[-1].command[0x0900] if self.responses else None
        assert status is None or isinstance(status, int)
        return status

    @property
    def sop_instance_uid(self) -> str:
        value = self.request.command.get(0x1000) or self.request.command.get(0x1001) or ""
        return str(value)


@dataclass
class Connection:
    """A connection: its ends, the client first, its streams, and for each side the segments in the order seen."""

    ends: tuple[End, End]
    segments: list[Segment]
    streams: tuple[bytes, bytes]
    initial: tuple[int, int]  # sequence number of the first byte of each stream

    def offset(self, segment: Segment) -> int:
        """Where the segment's payload begins in the stream of its sender."""
        side = self.ends.index(segment.source)
        number = segment.sequence + bool(segment.flags & SYN) - self.initial[side]
        number %= SEQUENCES
        return number - SEQUENCES if number > SEQUENCES // 2 else number

    def holes(self, left: Iterable[Segment]) -> tuple[Ranges, Ranges]:
        """Return the ranges of each stream that no segment of what is left carries."""
        result: tuple[Ranges, Ranges] = ([], [])
        there: tuple[Ranges, Ranges] = ([], [])
        for segment in left:
            if segment.payload and segment.connection == frozenset(self.ends):
                start = self.offset(segment)
                there[self.ends.index(segment.source)].append((start, start + len(segment.payload)))
        for side, stream in enumerate(self.streams):
            at = 0
            for start, stop in sorted([*there[side], (len(stream), len(stream))]):
                if start > at:
                    result[side].append((at, start))
                at = max(at, stop)
        return result

    @property
    def pdus(self) -> list[PDU]:
        """All PDUs, those of the client first."""
        return [pdu for side in (CLIENT, SERVER) for pdu in _pdus(side, self.streams[side])]

    def messages(self) -> list[Message]:
        return [message for side in (CLIENT, SERVER) for message in _messages(side, self.streams[side])]

    def transactions(self) -> list[Transaction]:
        """Requests in the order that each side made them, with what the other side answered to them."""
        open_: dict[tuple[int, int], Transaction] = {}
        found: list[Transaction] = []
        by_number: dict[tuple[int, int], list[Transaction]] = {}
        messages = self.messages()
        for message in messages:
            if not message.field & RESPONSE and message.field != CANCEL:
                transaction = Transaction(message)
                found.append(transaction)
                by_number.setdefault((message.side, message.number), []).append(transaction)
        for message in messages:
            if message.field & RESPONSE:
                key = 1 - message.side, message.number
                if key not in open_:
                    waiting = by_number[key]
                    open_[key] = waiting.pop(0)
                open_[key].responses.append(message)
                if message.command[0x0900] not in (0xFF00, 0xFF01):
                    del open_[key]
        return found


def connections(segments: Iterable[Segment]) -> list[Connection]:
    """Return the connections of a capture, in the order of their SYN.  A pair of ports is used once."""
    groups: dict[frozenset[End], list[Segment]] = {}
    for segment in segments:
        groups.setdefault(segment.connection, []).append(segment)
    found = []
    for group in groups.values():
        opening = next(segment for segment in group if segment.flags & SYN)
        client, server = opening.way
        initial, streams = [0, 0], [bytearray(), bytearray()]
        for segment in group:
            side = 0 if segment.source == client else 1
            if segment.flags & SYN:
                initial[side] = (segment.sequence + 1) % SEQUENCES
                continue
            stream = streams[side]
            at = (segment.sequence - initial[side]) % SEQUENCES
            if not segment.payload or at > SEQUENCES // 2:
                continue
            assert at <= len(stream), "a segment is missing"
            stream += segment.payload[len(stream) - at :]
        found.append(
            Connection((client, server), group, (bytes(streams[0]), bytes(streams[1])), (initial[0], initial[1]))
        )
    return found


def _pdus(side: int, stream: bytes) -> list[PDU]:
    """Whole PDUs of a stream; nothing for one that is not DICOM."""
    found, at = [], 0
    while len(stream) - at >= 6:
        kind, length = struct.unpack_from(">BxI", stream, at)
        if not 1 <= kind <= 7 or at + 6 + length > len(stream):
            break
        found.append(PDU(side, kind, at, at + 6 + length))
        at += 6 + length
    return found


def _messages(side: int, stream: bytes) -> list[Message]:
    """Whole messages of a stream."""
    found: list[Message] = []
    command, data = bytearray(), bytearray()
    decoded: dict[int, command_set.Value] = {}
    start, pdus, command_size = -1, 0, 0
    for pdu in _pdus(side, stream):
        if pdu.kind != P_DATA:
            continue
        if start < 0:
            start, pdus = pdu.start, 0
        pdus += 1
        at = pdu.start + 6
        while at < pdu.end:
            length, context_id, flags = struct.unpack_from(">IBB", stream, at)
            part = stream[at + 6 : at + 4 + length]
            at += 4 + length
            if flags & 1:
                command += part
                if not flags & 2:
                    continue
                decoded, command_size = command_set.decode(bytes(command)), len(command)
                command.clear()
                if decoded[0x0800] != NO_DATA_SET:
                    continue
            else:
                data += part
                if not flags & 2:
                    continue
            has_data = decoded[0x0800] != NO_DATA_SET
            data_set = bytes(data) if has_data else None
            found.append(
                Message(side, context_id, decoded, start, at, pdus, command_size, data_set, len(data_set or b""))
            )
            data.clear()
            start, pdus = (pdu.start, 1) if at < pdu.end else (-1, 0)
    return found
