"""The record of an HL7 v2 exchange: everything that the monitor says about a message and its acknowledgements."""

from __future__ import annotations

import re

from dicomwire.hl7.acknowledgement import Stage, is_positive
from dicomwire.hl7.keys import JoinKeys
from dicomwire.hl7.message import first_of
from dicomwire.monitor.hl7_exchange import code_of
from dicomwire.monitor.times import iso_time, milliseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dicomwire.hl7.message import Message
    from dicomwire.monitor.hl7_exchange import Exchange, Sent, Snapshot

NO_HEADER = "no MSH segment"
_CODE = re.compile(r"[\w.:-]{1,20}")

_KEYS: tuple[tuple[str, str], ...] = (
    ("placer_order_numbers", "order_number"),
    ("filler_order_numbers", "order_number"),
    ("accession_numbers", "accession_number"),
    ("requested_procedure_ids", "order_number"),
    ("scheduled_step_ids", "order_number"),
    ("study_instance_uids", "uid"),
    ("visit_numbers", "visit_number"),
)


class HL7Record:
    """One exchange: a message and its acknowledgements, or an acknowledgement of a message that was not seen.

    Times end in ``_ns`` and are nanoseconds, None where unknown; ``to_dict`` has them in milliseconds, under the names
    without the ending.  docs/monitor.md defines each field.
    """

    record = "hl7"

    placer_order_numbers: list[str]
    filler_order_numbers: list[str]
    accession_numbers: list[str]
    requested_procedure_ids: list[str]
    scheduled_step_ids: list[str]
    study_instance_uids: list[str]
    visit_numbers: list[str]

    def __init__(self, exchange: Exchange) -> None:
        request = exchange.request
        answers = [*exchange.acknowledgements.values(), *([exchange.commit] if exchange.commit else [])]
        answers.sort(key=lambda sent: sent.begin.moment)
        self._take_place(exchange, request, answers)
        self._take_times(exchange, request, answers)
        self._take_counts(exchange, request, answers)
        self._take_header(exchange, request, answers)
        self._take_keys(exchange, request)

    def _take_place(self, exchange: Exchange, request: Sent | None, answers: list[Sent]) -> None:
        endpoints = exchange.conversation.endpoints
        external = exchange.conversation.exchanges.networks.is_external
        self.association: str | None = None
        self.connection = endpoints.connection
        self.client_address, self.client_port = endpoints.client_address, endpoints.client_port
        self.server_address, self.server_port = endpoints.server_address, endpoints.server_port
        self.client_is_external = external(self.client_address)
        self.server_is_external = external(self.server_address)
        sender = request.side if request else 1 - answers[0].side
        self.sender = "server" if sender else "client"
        self.sender_is_external = external(endpoints.address(sender))
        self.receiver_is_external = external(endpoints.address(1 - sender))
        self.inferred = list(dict.fromkeys(exchange.inferred))
        faults: list[str] = []
        for sent in [*([request] if request else []), *answers]:
            if sent.message is None:
                faults.append(NO_HEADER)
            else:
                faults += sent.message.faults
            faults += sent.frame.faults
        self.faults = list(dict.fromkeys(exchange.faults + faults))

    def _take_times(self, exchange: Exchange, request: Sent | None, answers: list[Sent]) -> None:
        every = [*([request] if request else []), *answers]
        self.time_ns = every[0].begin.moment.time_ns
        self.frames = (
            min(sent.begin.moment.frame for sent in every),
            max(sent.end.moment.frame for sent in every),
        )
        self.req_transfer_time_ns = _span(request.begin, request.end) if request else None
        first = answers[0] if answers else None
        self.rsp_transfer_time_ns = _span(first.begin, first.end) if first else None
        self.processing_time_ns = _positive(request.end, first.begin) if request and first else None
        accept = exchange.acknowledgements.get(Stage.ACCEPT)
        application = exchange.acknowledgements.get(Stage.APPLICATION)
        self.accept_time_ns = _positive(request.end, accept.begin) if request and accept else None
        self.application_time_ns = _positive(request.end, application.begin) if request and application else None
        final = application or accept
        self.ack_time_ns = _positive(request.begin, final.end) if request and final else None
        round_trips = exchange.conversation.take_round_trips()
        self.round_trip_time_ns = round_trips and round_trips[0]
        self.round_trip_time_min_ns = round_trips and round_trips[1]
        self.round_trip_time_max_ns = round_trips and round_trips[2]

    def _take_counts(self, exchange: Exchange, request: Sent | None, answers: list[Sent]) -> None:
        self.responses = len(answers)
        self.req_size = request.frame.size if request else None
        self.req_bytes = _stream_bytes(request) if request else None
        self.rsp_size = sum(sent.frame.size for sent in answers) if answers else None
        self.rsp_bytes = sum(map(_stream_bytes, answers)) if answers else None
        self.is_req_aborted = request.is_aborted if request else False
        self.is_rsp_aborted = any(sent.is_aborted for sent in answers)
        every = [*([request] if request else []), *answers]
        # An application's answer on another connection has counters of its own.
        here = [sent for sent in every if sent.conversation is every[0].conversation]
        begin, end = here[0].begin, exchange.end or here[-1].end
        self.gaps = sum(end.gaps) - sum(begin.gaps)
        self.lost_bytes = sum(end.lost_bytes) - sum(begin.lost_bytes)
        sender = request.side if request else 1 - answers[0].side
        before, after = begin.counters, end.counters
        self.client_zero_wnd = after[0].zero_windows - before[0].zero_windows
        self.server_zero_wnd = after[1].zero_windows - before[1].zero_windows
        self.zero_window_time_ns = sum(after[side].zero_window_ns - before[side].zero_window_ns for side in (0, 1))
        asked, answered = (before[sender], after[sender]), (before[1 - sender], after[1 - sender])
        self.req_zero_wnd = asked[1].zero_windows - asked[0].zero_windows
        self.req_rto = asked[1].timeouts - asked[0].timeouts
        self.req_retransmissions = asked[1].retransmissions - asked[0].retransmissions
        self.rsp_zero_wnd = answered[1].zero_windows - answered[0].zero_windows
        self.rsp_rto = answered[1].timeouts - answered[0].timeouts
        self.rsp_retransmissions = answered[1].retransmissions - answered[0].retransmissions

    def _take_header(self, exchange: Exchange, request: Sent | None, answers: list[Sent]) -> None:
        show_phi = exchange.conversation.exchanges.pseudonyms.show_phi
        message = request.message if request else None
        header = message.header if message else None
        self.msg_id = exchange.control_id
        self.msg_type = message.type if message else None
        self.version = message.version if message else None
        self.sending_application = first_of(header.sending_application) if header else None
        self.sending_facility = first_of(header.sending_facility) if header else None
        self.receiving_application = first_of(header.receiving_application) if header else None
        self.receiving_facility = first_of(header.receiving_facility) if header else None
        accept = exchange.acknowledgements.get(Stage.ACCEPT)
        application = exchange.acknowledgements.get(Stage.APPLICATION)
        self.accept_ack_code = code_of(accept) if accept else None
        self.application_ack_code = code_of(application) if application else None
        self.commit_ack_code = code_of(exchange.commit) if exchange.commit else None
        final = application or accept
        answer = final.message if final else None
        self.ack_code = self.application_ack_code or self.accept_ack_code
        self.is_ack_positive = is_positive(self.ack_code)
        self.ack_id = first_of(answer.header.acknowledged_id) if answer else None
        self.ack_msg_id = answer.control_id if answer else None
        self.error_code = None
        self.ack_text = None
        if answer is not None:
            found = answer.header
            codes = (found.error_code, found.old_error_code, found.older_error_code)
            code = next((first_of(code) for code in codes if code is not None), None)
            # Some write sentences there, which can say whose message it was.
            self.error_code = code if code is None or show_phi or _CODE.fullmatch(code) else None
            # Free text: it can say whose message it was.
            self.ack_text = first_of(found.acknowledgement_text) if show_phi else None
        shown = message or answer
        self.subfield_delimiter = shown.index.encoding_characters[0] if shown else None
        self.segments = _segments(message) if show_phi else None
        self.ack_segments = _segments(answer) if show_phi else None

    def _take_keys(self, exchange: Exchange, request: Sent | None) -> None:
        pseudonyms = exchange.conversation.exchanges.pseudonyms
        keys = JoinKeys(request.message) if request and request.message else None
        self.patient_id = pseudonyms.patient_id(keys.patient_id) if keys else None
        self.patient_ids = _shown(pseudonyms.patient_id, keys.patient_ids) if keys else []
        self.prior_patient_ids = _shown(pseudonyms.patient_id, keys.prior_patient_ids) if keys else []
        self.patient_id_issuer = keys.patient_id_issuer if keys else None
        self.patient_name = pseudonyms.patient_name(keys.patient_name) if keys else None
        self.birth_date = pseudonyms.birth_date(keys.birth_date) if keys else None
        self.order_control = keys.order_control if keys else None
        self.order_status = keys.order_status if keys else None
        self.modalities = list(keys.modalities) if keys else []
        self.scheduled_station_ae_titles = list(keys.scheduled_station_ae_titles) if keys else []
        self.scheduled_times = list(keys.scheduled_times) if keys else []
        for name, kind in _KEYS:
            setattr(self, name, _shown(getattr(pseudonyms, kind), keys.values(name)) if keys else [])
        self.conflicts: dict[str, dict[str, list[str]]] = {}
        kinds = dict(_KEYS)
        for conflict in keys.conflicts if keys else ():
            show = getattr(pseudonyms, kinds[conflict.key]) if conflict.key in kinds else None
            self.conflicts[conflict.key] = {
                place: _shown(show, values) if show else list(values) for place, values in conflict.values.items()
            }

    @property
    def time(self) -> str | None:
        """When the first packet was seen, ISO 8601 in UTC."""
        return iso_time(self.time_ns)

    def to_dict(self) -> dict[str, object]:
        """All fields under the names and in the units of JSON; times are milliseconds."""
        fields: dict[str, object] = {"record": self.record, "time": self.time}
        for name in HL7_FIELDS:
            if name not in fields:
                nanoseconds = f"{name}_ns"
                if hasattr(self, nanoseconds):
                    fields[name] = milliseconds(getattr(self, nanoseconds))
                else:
                    fields[name] = getattr(self, name)
        fields["frames"] = list(self.frames)
        return fields

    def __repr__(self) -> str:
        return f"<HL7Record: {self.msg_type or '?'}, {self.ack_code or 'no acknowledgement'}, {self.req_size} bytes>"


HL7_FIELDS = (
    "record", "time", "association", "connection",
    "client_address", "client_port", "server_address", "server_port",
    "client_is_external", "server_is_external", "sender", "sender_is_external", "receiver_is_external",
    "frames", "inferred", "gaps", "lost_bytes",
    "msg_type", "msg_id", "version", "ack_code", "ack_id", "ack_msg_id", "is_ack_positive",
    "accept_ack_code", "application_ack_code", "commit_ack_code", "error_code", "ack_text",
    "sending_application", "sending_facility", "receiving_application", "receiving_facility",
    "is_req_aborted", "is_rsp_aborted", "responses",
    "req_transfer_time", "processing_time", "rsp_transfer_time", "accept_time", "application_time", "ack_time",
    "round_trip_time", "round_trip_time_min", "round_trip_time_max", "req_size", "rsp_size", "req_bytes", "rsp_bytes",
    "req_rto", "rsp_rto", "req_retransmissions", "rsp_retransmissions",
    "req_zero_wnd", "rsp_zero_wnd", "client_zero_wnd", "server_zero_wnd", "zero_window_time",
    "patient_id", "patient_ids", "patient_id_issuer", "patient_name", "birth_date", "prior_patient_ids",
    "visit_numbers", "order_control", "order_status", "placer_order_numbers", "filler_order_numbers",
    "accession_numbers", "requested_procedure_ids", "scheduled_step_ids", "study_instance_uids", "modalities",
    "scheduled_station_ae_titles", "scheduled_times", "conflicts", "faults",
    "subfield_delimiter", "segments", "ack_segments",
)  # fmt: skip
"""The names of all fields in JSON, in their order."""


def _span(begin: Snapshot, end: Snapshot) -> int:
    return end.moment.time_ns - begin.moment.time_ns


def _stream_bytes(sent: Sent) -> int:
    """Bytes of a message with its blocks, and the carriage return behind the end block."""
    return sent.frame.stop - sent.frame.start + sent.frame.has_end_block


def _positive(begin: Snapshot, end: Snapshot) -> int | None:
    """A span between packets of two directions; None where they came to the tap in the other order."""
    span = _span(begin, end)
    return span if span >= 0 else None


def _shown(show: Callable[[str], str | None], values: Iterable[str]) -> list[str]:
    shown = [show(value) for value in values]
    return [value for value in shown if value]


def _segments(message: Message | None) -> list[dict[str, object]] | None:
    return [segment.to_dict() for segment in message.segments()] if message else None
