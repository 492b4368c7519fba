"""HL7 v2 exchanges on the wire: messages over MLLP, paired with their acknowledgements, one record for each
(HL7 v2.5.1 section 2.9).

An :class:`Exchanges` serves all connections of a monitor, a :class:`Conversation` one of them.  A conversation is told
what a stream sink is told, and answers every call with the records that are complete:

- original mode: the application answers AA, AE or AR;
- enhanced mode, asked for by MSH-15 and MSH-16: the receiver answers CA, CE or CR when it has taken the message into
  its keeping, the application later, on this connection or on another one, in a message of its own.
"""

from __future__ import annotations

import statistics
from collections import OrderedDict
from dataclasses import dataclass

from dicomwire.hl7.acknowledgement import Stage, expects, is_enhanced, is_positive, stage_of
from dicomwire.hl7.message import first_of, try_message
from dicomwire.hl7.mllp import DEFAULT_MAX_LENGTH, EMPTY, NO_END_BLOCK, Deframer
from dicomwire.monitor.addresses import InternalNetworks
from dicomwire.monitor.hl7_exchange import NO_COUNTERS, Endpoints, Exchange, Moment, Sent, SideCounters, Snapshot
from dicomwire.monitor.hl7_record import HL7Record
from dicomwire.monitor.pseudonyms import Pseudonyms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.hl7.mllp import Frame

__all__ = ["Conversation", "Endpoints", "Exchanges", "HL7Record", "Limits", "Moment", "SideCounters"]

NO_ACKNOWLEDGEMENT = "no acknowledgement"
MAYBE_LOST = "no acknowledgement seen, but the capture lacks bytes of that side"
NO_ACCEPT = "no accept acknowledgement"
NO_APPLICATION = "no application acknowledgement"
NO_COMMIT = "the application acknowledgement was not accepted"
CAPTURE_ENDED = "the capture ended before the acknowledgement"
FORGOTTEN = "too many messages without an acknowledgement"
UNKNOWN_MESSAGE = "acknowledges no message that was seen"
DUPLICATE = "acknowledged before"
WRONG_ID = "acknowledges another control ID"
NO_ID = "acknowledges no control ID (MSA-2)"
LATE = "acknowledged after a later message"
OTHER_MODE = "acknowledgement of another mode than asked for"
UNKNOWN_CODE = "unknown acknowledgement code"
REPEATED = "the same message was sent before"
REUSED = "another message with this control ID was sent before"

EARLY_NS = 1_000_000_000  # an answer waits for its message
MAX_EARLY = 8
CAPTURE_END = 5
"""How a connection ended, of the kinds in _dicomwire.flow, that says nothing about the connection."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of memory: bytes that are kept, and numbers of things that are remembered."""

    max_length: int = DEFAULT_MAX_LENGTH  # bytes of a message
    max_held: int = 16 << 20  # bytes of all messages that are not complete or not acknowledged
    max_pending: int = 256  # messages of a side without an acknowledgement
    max_waiting: int = 2_000  # messages that wait for their application, of connections that are over
    max_control_ids: int = 20_000  # to tell repeats


class Exchanges:
    """What the conversations of a monitor share: pseudonyms, networks, limits, and what goes beyond one connection."""

    def __init__(
        self,
        pseudonyms: Pseudonyms,
        networks: InternalNetworks | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.pseudonyms = pseudonyms
        self.networks = networks or InternalNetworks()
        self.limits = limits or Limits()
        self.held_bytes = 0  # bytes
        self._waiting: OrderedDict[tuple[str, str], Exchange] = OrderedDict()  # by sender's address and control ID
        self._sent: OrderedDict[tuple[str, str, int, str], int] = OrderedDict()  # digests by receiver and control ID

    def conversation(self, endpoints: Endpoints, *, from_start: bool = True) -> Conversation:
        """The conversation of one more connection; ``from_start`` False if its beginning was not seen."""
        return Conversation(self, endpoints, from_start)

    def finish(self) -> list[HL7Record]:
        """The records of messages whose application has not answered until now."""
        records = []
        while self._waiting:
            records.append(self._give_up())
        return records

    def _give_up(self) -> HL7Record:
        """The record of the exchange that has waited longest."""
        exchange = self._waiting.popitem(last=False)[1]
        exchange.fault(NO_APPLICATION)
        return self.record(exchange)

    def record(self, exchange: Exchange) -> HL7Record:
        """The record of an exchange that is over."""
        self.held_bytes -= exchange.held_bytes
        return HL7Record(exchange)

    def wait(self, exchange: Exchange) -> list[HL7Record]:
        """Remember an exchange whose connection is over; the records of those that are too many."""
        assert exchange.request is not None
        key = (exchange.conversation.endpoints.address(exchange.request.side), exchange.control_id or "")
        records = []
        if key in self._waiting:
            self._waiting.move_to_end(key, last=False)
            records.append(self._give_up())
        self._waiting[key] = exchange
        while len(self._waiting) > self.limits.max_waiting or (
            self._waiting and self.held_bytes > self.limits.max_held
        ):
            records.append(self._give_up())
        return records

    def waited(self, receiver: str, control_id: str) -> Exchange | None:
        """The exchange that an acknowledgement to this address is for."""
        return self._waiting.pop((receiver, control_id), None)

    def repeat(self, endpoints: Endpoints, sent: Sent, control_id: str) -> str | None:
        """The fault of a control ID that this sender has used towards this receiver before."""
        key = (endpoints.address(sent.side), endpoints.address(1 - sent.side), endpoints.server_port, control_id)
        # The time in MSH-7 is that of sending: what is the same begins behind the header.
        digest = hash(sent.frame.data[sent.frame.data.find(b"\r") + 1 :])
        before = self._sent.pop(key, None)
        self._sent[key] = digest
        if len(self._sent) > self.limits.max_control_ids:
            self._sent.popitem(last=False)
        if before is None:
            return None
        return REPEATED if before == digest else REUSED


class Conversation:
    """The HL7 messages of one connection.  Sides are 0, who opened it, and 1."""

    def __init__(self, exchanges: Exchanges, endpoints: Endpoints, from_start: bool) -> None:
        self.exchanges = exchanges
        self.endpoints = endpoints
        length = exchanges.limits.max_length
        self._deframers = (
            Deframer(max_length=length, from_start=from_start),
            Deframer(max_length=length, from_start=from_start),
        )
        self._offsets = [0, 0]  # in the streams, of what comes next
        self._begun: list[tuple[int, Snapshot] | None] = [None, None]  # the message under way: offset and packet
        self._latest: list[Snapshot | None] = [None, None]
        self._pending: tuple[list[Exchange], list[Exchange]] = ([], [])
        self._answered: tuple[OrderedDict[str, None], OrderedDict[str, None]] = (OrderedDict(), OrderedDict())
        self._last_answered = [-1, -1]  # order of the latest message that has an acknowledgement
        self._order = 0
        self._ended = [False, False]
        self._gaps = [0, 0]
        self._lost_bytes = [0, 0]
        self._early: tuple[list[Exchange], list[Exchange]] = ([], [])  # answers to what was not seen yet, by receiver
        self._rtt_counts = [0, 0]
        self._round_trips: list[int] = []

    # ------------------------------------------------------------------------------------------------ what is told

    def data(
        self,
        side: int,
        data: bytes | bytearray | memoryview,
        moment: Moment,
        counters: tuple[SideCounters, SideCounters] = NO_COUNTERS,
    ) -> list[HL7Record]:
        """The next bytes of a side, and the packet that brought them."""
        now = self._snapshot(moment, counters)
        records = self._give_up_early(moment.time_ns - EARLY_NS)
        deframer, exchanges = self._deframers[side], self.exchanges
        # Where everything together holds too much, messages go on without being kept.
        deframer.max_length = exchanges.limits.max_length if exchanges.held_bytes < exchanges.limits.max_held else 0
        exchanges.held_bytes -= deframer.pending_bytes
        for frame in deframer.feed(data):
            self._message(side, frame, self._beginning(side, frame.start, now), now, False, records)
        exchanges.held_bytes += deframer.pending_bytes
        begun = deframer.message_start
        if begun is not None and (self._begun[side] is None or self._begun[side][0] != begun):  # type: ignore[index]
            self._begun[side] = (begun, self._beginning(side, begun, now))
        self._offsets[side] += len(data)
        self._latest[side] = now
        return records

    def gap(self, side: int, length: int, moment: Moment) -> list[HL7Record]:
        """So many bytes of a side are not in the capture."""
        deframer = self._deframers[side]
        self.exchanges.held_bytes -= deframer.pending_bytes
        deframer.gap(length)
        self.exchanges.held_bytes += deframer.pending_bytes
        self._offsets[side] += length
        self._gaps[side] += 1
        self._lost_bytes[side] += length
        return []

    def ended(
        self,
        side: int,
        kind: int,
        moment: Moment,
        counters: tuple[SideCounters, SideCounters] = NO_COUNTERS,
    ) -> list[HL7Record]:
        """A side sends no more; ``kind`` as in _dicomwire.flow."""
        records: list[HL7Record] = []
        if self._ended[side]:
            return records
        self._ended[side] = True
        now = self._snapshot(moment, counters)
        self.exchanges.held_bytes -= self._deframers[side].pending_bytes
        for frame in self._deframers[side].close():
            # What ended is what the last packet with data of this side brought.
            end = self._latest[side] or now
            self._message(side, frame, self._beginning(side, frame.start, end), end, True, records)
        if all(self._ended):
            self._flush(kind, records)
        return records

    def forgotten(self, kind: int, time_ns: int) -> list[HL7Record]:
        """The connection is over, or no longer followed."""
        records: list[HL7Record] = []
        for side in (0, 1):
            latest = self._latest[side]
            frame = latest.moment.frame if latest else 0
            records += self.ended(side, kind, Moment(time_ns, frame), latest.counters if latest else NO_COUNTERS)
        self._flush(kind, records)
        return records

    # ----------------------------------------------------------------------------------------------------- pairing

    def _message(
        self, side: int, frame: Frame, begin: Snapshot, end: Snapshot, at_end: bool, records: list[HL7Record]
    ) -> None:
        if EMPTY in frame.faults:
            return
        message = try_message(frame.data)
        is_aborted = at_end and NO_END_BLOCK in frame.faults
        sent = Sent(self, side, frame, message, begin, end, is_aborted)
        # Without its header it is an answer if this side owes one.
        if bool(self._pending[1 - side]) if message is None else message.is_acknowledgement:
            self._answer(sent, records)
        else:
            self._request(sent, records)

    def _request(self, sent: Sent, records: list[HL7Record]) -> None:
        exchange = Exchange(self, sent, self._order)
        self._order += 1
        control_id = exchange.control_id
        if control_id is not None and not sent.is_aborted:
            repeat = self.exchanges.repeat(self.endpoints, sent, control_id)
            if repeat is not None:
                exchange.fault(repeat)
            self._answered[sent.side].pop(control_id, None)
        pending = self._pending[sent.side]
        pending.append(exchange)
        exchange.hold(sent)
        early = self._take_early(sent.side, control_id)
        if early is not None:
            exchange.inferred.append("order")
            self._answer(early, records)
        if exchange in pending and exchange.is_complete:
            self._finish(exchange, records)
        limits = self.exchanges.limits
        while len(pending) > limits.max_pending or (len(pending) > 1 and self.exchanges.held_bytes > limits.max_held):
            pending[0].fault(FORGOTTEN)
            self._finish(pending[0], records)

    def _answer(self, sent: Sent, records: list[HL7Record]) -> None:
        receiver = 1 - sent.side
        header = sent.message.header if sent.message else None
        control_id = first_of(header.acknowledged_id) if header else None
        code = first_of(header.acknowledgement_code) if header else None
        stage = stage_of(code)
        is_early = False
        exchange = self._exchange_of(sent, control_id, stage)
        if exchange is None:
            exchange = Exchange(self, None, -1)
            if control_id is not None and control_id in self._answered[receiver]:
                exchange.fault(DUPLICATE)
            else:
                exchange.fault(UNKNOWN_MESSAGE)
                is_early = control_id is not None
        exchange.hold(sent)
        if header is not None and control_id is None:
            exchange.fault(NO_ID)
        if header is not None and is_positive(code) is None:
            exchange.fault(UNKNOWN_CODE)
        if sent.message is not None and exchange.commit_id is not None and exchange.commit_id == control_id:
            exchange.commit = sent
        else:
            exchange.acknowledgements[stage] = sent
            self._judge(exchange, stage)
        if exchange.order >= 0 and exchange.request is not None and exchange.conversation is self:
            side = exchange.request.side
            if exchange.order < self._last_answered[side]:
                exchange.fault(LATE)
            self._last_answered[side] = max(self._last_answered[side], exchange.order)
        if is_early:
            # Each direction may have come to the tap by a way of its own: the message can be behind its answer.
            self._early[receiver].append(exchange)
            if len(self._early[receiver]) > MAX_EARLY:
                records.append(self.exchanges.record(self._early[receiver].pop(0)))
        elif exchange.request is None or exchange.is_complete:
            self._finish(exchange, records)

    def _take_early(self, receiver: int, control_id: str | None) -> Sent | None:
        """The answer to a message of a side that was seen before the message itself."""
        for exchange in self._early[receiver]:
            (sent,) = exchange.acknowledgements.values()
            if sent.message is not None and first_of(sent.message.header.acknowledged_id) == control_id is not None:
                self._early[receiver].remove(exchange)
                self.exchanges.held_bytes -= exchange.held_bytes
                return sent
        return None

    def _give_up_early(self, until_ns: int | None) -> list[HL7Record]:
        """The records of answers to what was not seen, of those before a moment; of all if there is none."""
        records = []
        for early in self._early:
            while early and (
                until_ns is None or next(iter(early[0].acknowledgements.values())).end.moment[0] < until_ns
            ):
                records.append(self.exchanges.record(early.pop(0)))
        return records

    def _exchange_of(self, sent: Sent, control_id: str | None, stage: Stage) -> Exchange | None:
        """The exchange that an acknowledgement belongs to."""
        pending = self._pending[1 - sent.side]
        if control_id is not None:
            for exchange in pending:
                if exchange.control_id == control_id and stage not in exchange.acknowledgements:
                    return exchange
            for exchange in self._pending[sent.side]:
                if exchange.commit_id == control_id:
                    return exchange
            if control_id in self._answered[1 - sent.side]:
                return None
            waited = self.exchanges.waited(self.endpoints.address(1 - sent.side), control_id)
            if waited is not None:
                return waited
        unanswered = [exchange for exchange in pending if stage not in exchange.acknowledgements]
        nameless = [exchange for exchange in unanswered if exchange.control_id is None]
        if nameless or (unanswered and control_id is None):
            exchange = (nameless or unanswered)[0]
            exchange.inferred.append("ack_id" if exchange.control_id is not None else "msg_id")
            return exchange
        if unanswered:
            # Of those that wait the first one, for nobody else is owed this answer.
            unanswered[0].fault(WRONG_ID)
            unanswered[0].inferred.append("ack_id")
            return unanswered[0]
        return None

    def _judge(self, exchange: Exchange, stage: Stage) -> None:
        """Say it if an acknowledgement is not of the mode that was asked for."""
        header = exchange.header
        if header is not None and expects(header, stage) is False:
            exchange.fault(OTHER_MODE)

    def _finish(self, exchange: Exchange, records: list[HL7Record]) -> None:
        """The exchange is over: its record."""
        request = exchange.request
        latest = self._latest[0] or self._latest[1]
        if latest is not None and not exchange.acknowledgements:
            exchange.end = self._standing(latest.moment, latest.counters)
        if request is not None and exchange.conversation is self:
            if exchange in self._pending[request.side]:
                self._pending[request.side].remove(exchange)
            if exchange.control_id is not None and exchange.acknowledgements:
                answered = self._answered[request.side]
                answered[exchange.control_id] = None
                if len(answered) > self.exchanges.limits.max_pending:
                    answered.popitem(last=False)
        records.append(self.exchanges.record(exchange))

    def _flush(self, kind: int, records: list[HL7Record]) -> None:
        """Nothing more comes on this connection."""
        records += self._give_up_early(None)
        for pending in self._pending:
            for exchange in list(pending):
                if exchange.waits_for_application:
                    pending.remove(exchange)
                    if self._lacks_accept(exchange):
                        exchange.fault(CAPTURE_ENDED if kind == CAPTURE_END else NO_ACCEPT)
                    records += self.exchanges.wait(exchange)
                    continue
                if kind == CAPTURE_END:
                    exchange.fault(CAPTURE_ENDED)
                elif exchange.commit_id is not None:
                    exchange.fault(NO_COMMIT)
                elif exchange.header is not None and is_enhanced(exchange.header):
                    if self._lacks_accept(exchange):
                        exchange.fault(NO_ACCEPT)
                elif self._may_be_lost(exchange):
                    exchange.fault(MAYBE_LOST)
                else:
                    exchange.fault(NO_ACKNOWLEDGEMENT)
                self._finish(exchange, records)

    def _may_be_lost(self, exchange: Exchange) -> bool:
        """Whether the capture lacks bytes of the side that should have answered."""
        request = exchange.request
        return request is not None and self._gaps[1 - request.side] > request.begin.gaps[1 - request.side]

    def _lacks_accept(self, exchange: Exchange) -> bool:
        """Whether a message asked for an acknowledgement of its receiver in any case and has none."""
        header = exchange.header
        return (
            header is not None
            and Stage.ACCEPT not in exchange.acknowledgements
            and expects(header, Stage.ACCEPT) is True
        )

    # ----------------------------------------------------------------------------------------------------- moments

    def _snapshot(self, moment: Moment, counters: tuple[SideCounters, SideCounters]) -> Snapshot:
        for side in (0, 1):
            if counters[side].rtt_count > self._rtt_counts[side]:
                self._rtt_counts[side] = counters[side].rtt_count
                if len(self._round_trips) < self.exchanges.limits.max_pending:
                    self._round_trips.append(counters[side].rtt_last_ns)
        return self._standing(moment, counters)

    def _standing(self, moment: Moment, counters: tuple[SideCounters, SideCounters]) -> Snapshot:
        gaps, lost_bytes = (self._gaps[0], self._gaps[1]), (self._lost_bytes[0], self._lost_bytes[1])
        return Snapshot(moment, counters, gaps, lost_bytes)

    def _beginning(self, side: int, start: int, now: Snapshot) -> Snapshot:
        """The packet that brought the byte of a side's stream at an offset: this one, or one that was remembered."""
        if start >= self._offsets[side]:
            return now
        begun = self._begun[side]
        if begun is not None and begun[0] == start:
            return begun[1]
        return self._latest[side] or now

    def take_round_trips(self) -> tuple[int, int, int] | None:
        """Median, least and most of the times from a segment to its acknowledgement since the last record, in ns."""
        samples, self._round_trips = self._round_trips, []
        return (int(statistics.median(samples)), min(samples), max(samples)) if samples else None
