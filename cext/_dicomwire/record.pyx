"""Records of what was said on the wire: transactions and gaps.

A record holds the struct that the compiled sink has filled, and what is known of its connection (``facts``, an object
of `dicomwire.monitor.associations`).  Times are nanoseconds since 1970-01-01 UTC, durations nanoseconds in attributes
that end in ``_ns`` and milliseconds in the others; None where the capture does not say.
"""
import zlib

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from .conversation cimport (
    BOUNDARY_GUESSED, BY_ABORT, BY_CAPTURE_END, BY_EVICTION, CANCELLED, DATA_SET_MISSING, DATA_SET_UNANNOUNCED,
    ENDED_EARLY, FINAL_SEEN, HAS_PARENT, HEADING_BROKEN, HEADING_DEFLATED, ID_REUSED, IN_COMMAND, IN_DATA_SET,
    IS_SUB_OPERATION, NOT_ENDED, REQUEST_BEGUN_BEFORE, REQUEST_DONE, REQUEST_FAULTY, REQUEST_SEEN, RESPONSE_BEFORE,
    RESPONSE_FAULTY, RESPONSE_SEEN, SYNTAX_GUESSED, TOO_MANY_OPEN, Exchange, GapNode,
)
from .sink cimport UNKNOWN_TIME
from .heading cimport (
    COUNTED, NESTED, OF_ANSWER, OF_REQUEST, OF_RESPONSE, READING, Heading, cell_list, find_cell, free_cells,
    read_heading,
)
from .tape cimport EXPLICIT_LE, Stepper, stepper_free

cdef enum:
    MOST_INFLATED = 65536       # bytes of a deflated data set that are looked at

cdef dict _METHODS = {
    0x0001: "C-STORE", 0x0010: "C-GET", 0x0020: "C-FIND", 0x0021: "C-MOVE", 0x0030: "C-ECHO",
    0x0100: "N-EVENT-REPORT", 0x0110: "N-GET", 0x0120: "N-SET", 0x0130: "N-ACTION", 0x0140: "N-CREATE",
    0x0150: "N-DELETE", 0x0FFF: "C-CANCEL",
}
cdef tuple _KINDS = ("success", "pending", "cancel", "warning", "failure", "unknown")
cdef tuple _COUNTS = ("remaining", "completed", "failed", "warning")
cdef tuple CAUSES = ("fin", "rst", "idle", "new_syn", "eviction", "capture_end", "abort", "release", "reject", None)
cdef tuple _GAP_KINDS = ("lost", "cut", "evicted", "unconfirmed")
cdef tuple _FLAWS = (
    (ID_REUSED, "message ID used again before the answer"),
    (REQUEST_FAULTY, "command set of the request is incomplete or damaged"),
    (RESPONSE_FAULTY, "command set of the response is incomplete or damaged"),
    (DATA_SET_MISSING, "data set is missing or does not end"),
    (DATA_SET_UNANNOUNCED, "data set was not announced"),
    (TOO_MANY_OPEN, "too many requests without an answer, this one was given up"),
    (RESPONSE_BEFORE, "final response before the end of the request"),
    (HEADING_BROKEN, "header of the data set was not read to its end"),
)


# What records that nobody filled, by __new__ alone, point to: never written to.
cdef Exchange _no_exchange
cdef GapNode _no_gap


cdef inline object between(int64_t first, int64_t last):
    """Nanoseconds, None unless both times are known."""
    return None if first == UNKNOWN_TIME or last == UNKNOWN_TIME else last - first


cdef inline object later(int64_t first, int64_t last):
    """The same; None where a capture has the answer before the question."""
    return None if last < first else between(first, last)


cdef inline object ms(object ns):
    return None if ns is None else <double>ns / 1e6


cdef object _text(object facts, object value, object charset):
    """Text of a value, without what pads it."""
    if value is None:
        return None
    try:
        return (<bytes>value).decode("ascii").strip(" \0")
    except UnicodeDecodeError:
        return facts.decode(value, charset)


cdef class Record:
    """What records of a conversation have in common: its association and its connection."""

    def __init__(self):
        raise TypeError("records are made by analyze()")

    @property
    def association(self):
        """Name of the association, the same in all its records."""
        return self.facts.association

    @property
    def connection(self):
        """Number of the connection in the capture."""
        return self.facts.connection

    @property
    def client_address(self):
        return self.facts.client_address

    @property
    def client_port(self):
        return self.facts.client_port

    @property
    def server_address(self):
        return self.facts.server_address

    @property
    def server_port(self):
        return self.facts.server_port


@cython.final
cdef class Transaction(Record):
    """A DIMSE request with its responses."""

    def __cinit__(self):
        self.e = &_no_exchange

    def __dealloc__(self):
        cdef int i
        if self.e != &_no_exchange:
            free_cells(&self.e.cells)
            for i in range(4):
                free(self.e.raw[i].data)
            free(self.e)

    @staticmethod
    cdef Transaction wrap(Exchange* exchange, object facts):
        """The record of an exchange, which it owns from here on."""
        cdef Transaction t = Transaction.__new__(Transaction)
        t.e = exchange
        t.facts = facts
        if exchange.flags & HEADING_DEFLATED:
            _read_deflated(exchange)
        exchange.conversation = NULL
        return t

    def __repr__(self):
        status = f" {self.e.status:04X}H" if self.e.responses else ""
        return f"<Transaction: {self.method} {self.e.message_id} of association {self.facts.association}{status}>"

    cdef object cell(self, unsigned int tag, unsigned char origin):
        cdef uint16_t length = 0
        cdef const uint8_t* p = find_cell(&self.e.cells, tag, origin, &length)
        return None if p == NULL else PyBytes_FromStringAndSize(<const char*>p, length)

    cdef object text(self, unsigned int tag, unsigned char origin):
        return _text(self.facts, self.cell(tag, origin), self.cell(0x00080005, origin))

    # ----------------------------------------------------------------------------------------------------- who and when

    @property
    def record(self):
        """The kind of record."""
        return "transaction"

    @property
    def time_ns(self):
        """First packet of the request, of the response where the request was not seen."""
        cdef int64_t t = self.e.request.first_ns
        return known(t if t != UNKNOWN_TIME else self.e.response.first_ns)

    @property
    def end_ns(self):
        """The last packet."""
        cdef int64_t t = self.e.request.last_ns
        return known(max(t, self.e.response.last_ns))

    @property
    def time_since_request(self):
        """Of a report on storage commitment: milliseconds since it was asked for."""
        return ms(self.time_since_request_ns)

    @property
    def time(self):
        """The same in ISO 8601, UTC."""
        return self.facts.iso_time(self.time_ns)

    @property
    def client_is_external(self):
        return self.facts.client_is_external

    @property
    def server_is_external(self):
        return self.facts.server_is_external

    @property
    def sender(self):
        """Who sent the request: client or server."""
        return "client" if self.e.requestor == self.facts.client_side else "server"

    @property
    def sender_is_external(self):
        """Of the request."""
        return self.facts.is_external(self.e.requestor)

    @property
    def receiver_is_external(self):
        return self.facts.is_external(1 - self.e.requestor)

    @property
    def frames(self):
        """First and last packet, by number in the capture."""
        cdef uint64_t first = self.e.request.first_frame, last = self.e.request.last_frame
        if self.e.response.packets:
            first = min(first, self.e.response.first_frame) if first else self.e.response.first_frame
            last = max(last, self.e.response.last_frame)
        return [first, last]

    @property
    def inferred(self):
        """What was not said in the capture, but concluded from it."""
        cdef list names = list(self.facts.inferred)
        if self.e.flags & REQUEST_BEGUN_BEFORE:
            names.append("request")
        if self.e.flags & SYNTAX_GUESSED:
            names.append("transfer_syntax")
        if self.e.flags & BOUNDARY_GUESSED:
            names.append("message_boundary")
        return names

    @property
    def flaws(self):
        """What is wrong with the messages, in words."""
        return [text for flag, text in _FLAWS if self.e.flags & <uint32_t>flag]

    @property
    def gaps(self):
        """Gaps of the capture in the messages; 1 also where one hides the end."""
        return self.e.gaps

    @property
    def lost_bytes(self):
        return self.e.lost_bytes

    # ---------------------------------------------------------------------------------------------------------- what

    @property
    def called_ae_title(self):
        return self.facts.called_ae_title

    @property
    def calling_ae_title(self):
        return self.facts.calling_ae_title

    @property
    def version(self):
        """Protocol version of the Upper Layer."""
        return self.facts.version

    @property
    def method(self):
        """C-STORE, N-CREATE ...; a number in hexadecimal for a command that PS3.7 does not list."""
        return _METHODS.get(self.e.command) or f"{self.e.command:04X}H"

    @property
    def methods(self):
        """The commands seen: request, cancel request, response."""
        cdef list names = []
        if self.e.flags & REQUEST_SEEN:
            names.append(f"{self.method}-RQ")
        if self.e.flags & CANCELLED:
            names.append("C-CANCEL-RQ")
        if self.e.flags & RESPONSE_SEEN:
            names.append(f"{self.method}-RSP")
        return names

    @property
    def message_id(self):
        return self.e.message_id if self.e.has_message_id else None

    @property
    def context_id(self):
        return self.e.context_id

    cdef object _first_uid(self, unsigned int tag):
        uid = self.text(tag, OF_REQUEST)
        return uid if uid else (self.text(tag, OF_RESPONSE) or uid)

    @property
    def sop_class_uid(self):
        """Affected or requested SOP class."""
        return self._first_uid(0x0002)

    @property
    def sop_instance_uid(self):
        return self.facts.policy.uid(self._first_uid(0x1000))

    @property
    def transfer_syntax(self):
        """Of the presentation context; None where the negotiation was not seen."""
        return self.facts.transfer_syntax(self.e.context_id)

    @property
    def study_instance_uid(self):
        return self.facts.policy.uid(self._study())

    cdef object _study(self):
        return self.text(0x0020000D, OF_REQUEST) or self.text(0x0020000D, OF_REQUEST | NESTED)

    @property
    def series_instance_uid(self):
        return self.facts.policy.uid(self.text(0x0020000E, OF_REQUEST))

    @property
    def accession_number(self):
        return self.facts.policy.accession_number(
            self.text(0x00080050, OF_REQUEST) or self.text(0x00080050, OF_REQUEST | NESTED))

    @property
    def modality(self):
        return self.text(0x00080060, OF_REQUEST) or self.text(0x00080060, OF_REQUEST | NESTED)

    @property
    def patient_id(self):
        return self.facts.policy.patient_id(self.text(0x00100020, OF_REQUEST))

    @property
    def patient_name(self):
        return self.facts.policy.patient_name(self.text(0x00100010, OF_REQUEST))

    @property
    def patient_birth_date(self):
        return self.facts.policy.birth_date(self.text(0x00100030, OF_REQUEST))

    @property
    def query_level(self):
        return self.text(0x00080052, OF_REQUEST)

    @property
    def transaction_uid(self):
        """Of storage commitment."""
        return self.facts.policy.uid(self.text(0x00081195, OF_REQUEST))

    @property
    def step_status(self):
        """Performed Procedure Step Status."""
        return self.text(0x00400252, OF_REQUEST)

    cdef object _count(self, unsigned int tag):
        cdef uint16_t length = 0
        cdef const uint8_t* p = find_cell(&self.e.cells, tag, OF_REQUEST | COUNTED, &length)
        return None if p == NULL else (<const uint32_t*>p)[0]

    @property
    def referenced_instances(self):
        """Items of Referenced SOP Sequence, of storage commitment."""
        return self._count(0x00081199)

    @property
    def failed_instances(self):
        """Items of Failed SOP Sequence."""
        return self._count(0x00081198)

    @property
    def scheduled(self):
        """What the items of scheduled steps refer to: studies, accession numbers, requested procedures."""
        return self._keys(OF_REQUEST | NESTED)

    @property
    def answers(self):
        """Keys of the matches of a worklist query, at most 500."""
        cdef list found = []
        cdef dict answer = None
        policy = self.facts.policy
        charset = None
        for tag, origin, value in cell_list(&self.e.cells):
            if origin == OF_ANSWER and tag == 0:
                answer = {}
                charset = None
                found.append(answer)
            elif origin & ~NESTED == OF_ANSWER and answer is not None:
                if tag == 0x00080005:
                    charset = value
                else:
                    self._add_key(answer, policy, tag, _text(self.facts, value, charset))
        return found

    cdef list _keys(self, unsigned char wanted):
        cdef dict keys = {}
        for tag, origin, value in cell_list(&self.e.cells):
            if origin == wanted:
                keys.setdefault(tag, []).append(value)
        policy = self.facts.policy
        count = max(map(len, keys.values()), default=0)
        found = [{} for _ in range(count)]
        for tag, values in keys.items():
            for item, value in zip(found, values, strict=False):
                self._add_key(item, policy, tag, _text(self.facts, value, None))
        return found

    cdef int _add_key(self, dict item, object policy, object tag, object text) except -1:
        if tag == 0x0020000D:
            item["study_instance_uid"] = policy.uid(text)
        elif tag == 0x00080050:
            item["accession_number"] = policy.accession_number(text)
        elif tag == 0x00100020:
            item["patient_id"] = policy.patient_id(text)
        elif tag == 0x00400009:
            item["scheduled_procedure_step_id"] = policy.order_number(text)
        elif tag == 0x00401001:
            item["requested_procedure_id"] = policy.order_number(text)
        elif tag == 0x00080060:
            item["modality"] = text
        return 0

    @property
    def is_cut_short(self):
        """Some keys were left out, for want of room."""
        return self.e.cells.is_full

    # -------------------------------------------------------------------------------------------------------- outcome

    @property
    def status(self):
        """Of the last response."""
        return self.e.status if self.e.responses else None

    @property
    def status_category(self):
        """success, pending, cancel, warning, failure or unknown."""
        return None if not self.e.responses else self.facts.status_category(self.e.status)

    @property
    def statuses(self):
        """How many responses had which class of status."""
        return {_KINDS[i]: self.e.by_kind[i] for i in range(6) if self.e.by_kind[i]}

    @property
    def error(self):
        """What went wrong, in words; None if nothing did."""
        return self.facts.error(self)

    @property
    def error_comment(self):
        """As the peer sent it, which may name a patient: only where PHI is shown."""
        return self.text(0x0902, OF_RESPONSE) if self.facts.policy.show_phi else None

    @property
    def error_id(self):
        value = self.cell(0x0903, OF_RESPONSE)
        return int.from_bytes(value, "little") if value else None

    @property
    def offending_elements(self):
        """Tags as "(GGGG,EEEE)"."""
        cdef bytes value = self.cell(0x0901, OF_RESPONSE) or b""
        cdef Py_ssize_t i
        return [f"({value[i + 1]:02X}{value[i]:02X},{value[i + 3]:02X}{value[i + 2]:02X})"
                for i in range(0, len(value) - 3, 4)]

    @property
    def event_type_id(self):
        value = self.cell(0x1002, OF_REQUEST)
        return int.from_bytes(value, "little") if value else None

    @property
    def action_type_id(self):
        value = self.cell(0x1008, OF_REQUEST)
        return int.from_bytes(value, "little") if value else None

    cdef bint _is_broken_off(self):
        return self.e.flags & ENDED_EARLY and self.e.end_kind not in (BY_CAPTURE_END, BY_EVICTION, NOT_ENDED)

    @property
    def is_req_aborted(self):
        """The connection or association ended in the middle of the request."""
        return self._is_broken_off() and not self.e.flags & REQUEST_DONE and self.e.flags & REQUEST_SEEN != 0

    @property
    def is_rsp_aborted(self):
        """The connection or association ended before the final response was complete."""
        return self._is_broken_off() and not self.e.flags & FINAL_SEEN and (
            self.e.flags & REQUEST_DONE != 0 or self.e.flags & REQUEST_SEEN == 0)

    @property
    def abort(self):
        """How it ended before its time: kind, and by whom; None if it did not."""
        if not self.e.flags & ENDED_EARLY:
            return None
        by = None
        if self.e.end_side < 2:
            by = "client" if self.e.end_side == self.facts.client_side else "server"
        return {"kind": CAUSES[self.e.end_kind], "by": by}

    @property
    def is_cancelled(self):
        """A C-CANCEL-RQ was seen."""
        return self.e.flags & CANCELLED != 0

    @property
    def is_sub_operation(self):
        return self.e.flags & IS_SUB_OPERATION != 0

    @property
    def parent_message_id(self):
        """Message ID of the C-GET on the same association, or of the C-MOVE elsewhere, that this is part of."""
        if self.e.flags & HAS_PARENT:
            return self.e.parent_id
        return self.e.originator_id if self.e.has_originator_id else None

    @property
    def is_get_sub_operation(self):
        """Part of a C-GET of the same association."""
        return self.e.flags & HAS_PARENT != 0

    @property
    def move_destination(self):
        return self.text(0x0600, OF_REQUEST)

    @property
    def move_originator(self):
        """AE title and message ID of the C-MOVE that asked for this C-STORE."""
        if not self.e.has_originator_id:
            return None
        return {"ae_title": self.text(0x1030, OF_REQUEST), "message_id": self.e.originator_id}

    @property
    def sub_operations(self):
        """Counts as last said by a response."""
        if not self.e.counts_present:
            return None
        return {_COUNTS[i]: self.e.counts[i] if self.e.counts_present >> i & 1 else None for i in range(4)}

    @property
    def responses(self):
        return self.e.responses

    @property
    def pending(self):
        """Responses with a status of Pending."""
        return self.e.by_kind[1]

    # ---------------------------------------------------------------------------------------------------------- times

    @property
    def req_transfer_time_ns(self):
        """Last minus first packet of the request."""
        if not self.e.flags & REQUEST_DONE or self.e.flags & REQUEST_BEGUN_BEFORE:
            return None
        return between(self.e.request.first_ns, self.e.request.last_ns)

    @property
    def processing_time_ns(self):
        """First packet of the first response minus last packet of the request."""
        if not self.e.flags & REQUEST_DONE or not self.e.flags & RESPONSE_SEEN:
            return None
        return later(self.e.request.last_ns, self.e.response.first_ns)

    @property
    def rsp_transfer_time_ns(self):
        """Last minus first packet of the response; of several, the sum."""
        return self.e.response_transfer_ns if self.e.flags & FINAL_SEEN else None

    @property
    def time_to_first_pending_ns(self):
        """First packet of the first pending response minus last packet of the request."""
        return later(self.e.request.last_ns, self.e.first_pending_ns) if self.e.flags & REQUEST_DONE else None

    @property
    def time_to_final_ns(self):
        """First packet of the final response minus last packet of the request."""
        return later(self.e.request.last_ns, self.e.final_ns) if self.e.flags & REQUEST_DONE else None

    @property
    def round_trip_time_ns(self):
        """Median of the times from a segment to its acknowledgement since the last response, as seen at the tap."""
        return known(self.e.rtt_median_ns)

    @property
    def round_trip_time_min_ns(self):
        return None if self.e.rtt_median_ns == UNKNOWN_TIME else self.e.rtt_min_ns

    @property
    def round_trip_time_max_ns(self):
        return None if self.e.rtt_median_ns == UNKNOWN_TIME else self.e.rtt_max_ns

    @property
    def req_transfer_time(self):
        return ms(self.req_transfer_time_ns)

    @property
    def processing_time(self):
        return ms(self.processing_time_ns)

    @property
    def rsp_transfer_time(self):
        return ms(self.rsp_transfer_time_ns)

    @property
    def time_to_first_pending(self):
        return ms(self.time_to_first_pending_ns)

    @property
    def time_to_final(self):
        return ms(self.time_to_final_ns)

    @property
    def round_trip_time(self):
        return ms(self.round_trip_time_ns)

    @property
    def round_trip_time_min(self):
        return ms(self.round_trip_time_min_ns)

    @property
    def round_trip_time_max(self):
        return ms(self.round_trip_time_max_ns)

    # ---------------------------------------------------------------------------------------------------------- sizes

    @property
    def req_bytes(self):
        """Bytes of TCP payload, those of retransmissions not counted."""
        return self.e.request.stream_bytes

    @property
    def rsp_bytes(self):
        return self.e.response.stream_bytes

    @property
    def req_l2_bytes(self):
        """Bytes on the wire of the packets that carried the request, link headers included."""
        return self.e.request.wire_bytes

    @property
    def rsp_l2_bytes(self):
        return self.e.response.wire_bytes

    @property
    def req_size(self):
        """Bytes of the message: command set and data set."""
        return self.e.request_command_size + self.e.request_data_set_size

    @property
    def rsp_size(self):
        return self.e.response_command_size + self.e.response_data_set_size

    @property
    def req_command_size(self):
        return self.e.request_command_size

    @property
    def req_data_set_size(self):
        return self.e.request_data_set_size

    @property
    def req_pixel_data_size(self):
        """Bytes of the value of Pixel Data, Float or Double Float Pixel Data."""
        return self.e.request_pixel_size

    @property
    def rsp_command_size(self):
        return self.e.response_command_size

    @property
    def rsp_data_set_size(self):
        return self.e.response_data_set_size

    @property
    def req_pkts(self):
        """Packets that carried the request; a packet that carries two messages counts for both."""
        return self.e.request.packets

    @property
    def rsp_pkts(self):
        return self.e.response.packets

    cdef uint32_t _grown(self, const uint32_t* before, const uint32_t* at_end, bint of_sender):
        cdef int side = self.e.requestor if of_sender else 1 - self.e.requestor
        return at_end[side] - before[side]

    @property
    def req_rto(self):
        """Retransmission time-outs of the request's sender, from the first packet of the transaction to the last."""
        return self._grown(self.e.at_request.timeouts, self.e.at_end.timeouts, True)

    @property
    def rsp_rto(self):
        """The same of who answered."""
        return self._grown(self.e.at_request.timeouts, self.e.at_end.timeouts, False)

    @property
    def req_retransmissions(self):
        """Segments that the request's sender sent again during the transaction."""
        return self._grown(self.e.at_request.retransmissions, self.e.at_end.retransmissions, True)

    @property
    def rsp_retransmissions(self):
        """The same of who answered."""
        return self._grown(self.e.at_request.retransmissions, self.e.at_end.retransmissions, False)

    @property
    def req_zero_wnd(self):
        """Times that the request's sender closed its window during the transaction."""
        return self._grown(self.e.at_request.zero_windows, self.e.at_end.zero_windows, True)

    @property
    def rsp_zero_wnd(self):
        """The same of who answered: it does while it receives the request."""
        return self._grown(self.e.at_request.zero_windows, self.e.at_end.zero_windows, False)

    @property
    def client_zero_wnd(self):
        """Times that the client closed its window during the transaction."""
        cdef int side = self.facts.client_side
        return self.e.at_end.zero_windows[side] - self.e.at_request.zero_windows[side]

    @property
    def server_zero_wnd(self):
        cdef int side = 1 - self.facts.client_side
        return self.e.at_end.zero_windows[side] - self.e.at_request.zero_windows[side]

    @property
    def zero_window_time_ns(self):
        """Time that the windows of both sides were closed."""
        return sum([self.e.at_end.zero_window_ns[i] - self.e.at_request.zero_window_ns[i] for i in range(2)])

    @property
    def zero_window_time(self):
        return ms(self.zero_window_time_ns)

    @property
    def req_pdu(self):
        """Type of the PDUs that carried the request."""
        return "P-DATA-TF" if self.e.request.packets else None

    @property
    def rsp_pdu(self):
        """Type of the PDUs that carried the response, or of the one that came in its place."""
        if self.e.flags & RESPONSE_SEEN:
            return "P-DATA-TF"
        return "A-ABORT" if self.e.end_kind == BY_ABORT and self.e.end_side == 1 - self.e.requestor else None

    # ------------------------------------------------------------------------------------------------------- elements

    cdef object _raw(self, int i):
        if self.e.raw[i].data == NULL:
            return b""
        return PyBytes_FromStringAndSize(<char*>self.e.raw[i].data, self.e.raw[i].length)

    @property
    def elements(self):
        """Command set and header of the data set, of request and final response, as data sets; None unless kept."""
        return self.facts.elements(
            self._raw(0), self._raw(1), self._raw(2), self._raw(3), self.e.context_id)

    def find_element(self, tag, *, response=False):
        """An element of the request, or of the final response, by tag or keyword; None without one."""
        return self.facts.find_element(self.elements, tag, response)

    def to_dict(self):
        """All fields by name, as JSON has them."""
        return {name: getattr(self, name) for name in TRANSACTION_FIELDS}


TRANSACTION_FIELDS = (
    "record", "time", "association", "connection", "client_address", "client_port", "server_address", "server_port",
    "client_is_external", "server_is_external", "sender", "sender_is_external", "receiver_is_external", "frames",
    "inferred", "flaws", "gaps", "lost_bytes", "called_ae_title", "calling_ae_title", "version", "method", "methods",
    "message_id", "context_id", "sop_class_uid", "sop_instance_uid", "transfer_syntax", "study_instance_uid",
    "series_instance_uid", "accession_number", "modality", "patient_id", "patient_name", "patient_birth_date",
    "query_level", "transaction_uid", "step_status", "referenced_instances", "failed_instances", "scheduled", "answers",
    "is_cut_short", "status", "status_category", "statuses", "error", "error_comment", "error_id",
    "offending_elements", "event_type_id", "action_type_id", "is_req_aborted", "is_rsp_aborted", "abort",
    "is_cancelled", "is_sub_operation", "parent", "parent_message_id", "move_destination", "move_originator",
    "sub_operations", "stored", "time_since_request", "responses", "pending", "req_transfer_time", "processing_time",
    "rsp_transfer_time", "time_to_first_pending", "time_to_final", "round_trip_time", "round_trip_time_min",
    "round_trip_time_max",
    "req_bytes", "rsp_bytes", "req_l2_bytes", "rsp_l2_bytes", "req_size", "rsp_size", "req_command_size",
    "req_data_set_size", "req_pixel_data_size", "rsp_command_size", "rsp_data_set_size", "req_pkts", "rsp_pkts",
    "req_rto", "rsp_rto", "req_retransmissions", "rsp_retransmissions", "req_zero_wnd", "rsp_zero_wnd",
    "client_zero_wnd", "server_zero_wnd", "zero_window_time", "req_pdu", "rsp_pdu",
)


cdef int _read_deflated(Exchange* e) except -1:
    """Read the heading of a deflated data set, as far as its kept bytes go."""
    cdef Stepper s
    cdef Heading h
    cdef bytes inflated
    cdef const uint8_t* p
    if e.raw[1].data == NULL:
        return 0
    try:
        inflated = zlib.decompressobj(-15).decompress(
            PyBytes_FromStringAndSize(<char*>e.raw[1].data, e.raw[1].length), MOST_INFLATED)
    except zlib.error:
        e.flags |= HEADING_BROKEN
        return 0
    memset(&s, 0, sizeof(Stepper))
    memset(&h, 0, sizeof(Heading))
    h.phase = READING
    h.encoding = EXPLICIT_LE
    h.origin = OF_REQUEST
    p = inflated
    read_heading(&h, &s, &e.cells, p, len(inflated), len(inflated) < MOST_INFLATED)
    if h.phase == READING:
        e.flags |= HEADING_BROKEN
    stepper_free(&s)
    return 0


@cython.final
cdef class Gap(Record):
    """Bytes of a DICOM stream that are not in the capture."""

    def __cinit__(self):
        self.g = &_no_gap

    def __dealloc__(self):
        if self.g != &_no_gap:
            free(self.g)

    @staticmethod
    cdef Gap wrap(GapNode* gap, object facts):
        cdef Gap record = Gap.__new__(Gap)
        record.g = gap
        record.facts = facts
        gap.conversation = NULL
        return record

    def __repr__(self):
        return f"<Gap: {self.bytes} bytes of the {self.side}, {self.kind}, association {self.facts.association}>"

    @property
    def record(self):
        """The kind of record."""
        return "gap"

    @property
    def time_ns(self):
        """Of the packet that showed the gap."""
        return known(self.g.first_ns)

    @property
    def time(self):
        return self.facts.iso_time(self.time_ns)

    @property
    def last_time_ns(self):
        """The same of the last of ``count`` gaps in a row."""
        return known(self.g.last_ns)

    @property
    def last_time(self):
        return self.facts.iso_time(self.last_time_ns)

    @property
    def side(self):
        """Whose stream: client or server."""
        return "client" if self.g.side == self.facts.client_side else "server"

    @property
    def bytes(self):
        return self.g.length

    @property
    def offset(self):
        """Of its first byte in the stream."""
        return self.g.offset

    @property
    def count(self):
        """Gaps in the same message, one after another, that are said as one."""
        return self.g.count

    @property
    def kind(self):
        """lost, cut, evicted, or unconfirmed: not acknowledged either."""
        return _GAP_KINDS[self.g.kind] if self.g.kind < 4 else None

    @property
    def frames(self):
        return [self.g.first_frame, self.g.last_frame]

    @property
    def in_flight(self):
        """The message that it is in: method, message ID, and whether command or data set; None between messages."""
        if self.g.stage not in (IN_COMMAND, IN_DATA_SET):
            return None
        return {
            "method": (_METHODS.get(self.g.command) or f"{self.g.command:04X}H") if self.g.command else None,
            "message_id": self.g.message_id if self.g.command else None,
            "part": "command" if self.g.stage == IN_COMMAND else "data set",
        }

    @property
    def is_bridged(self):
        """The lengths before it say where the next PDU begins, so that only the message in flight is incomplete."""
        return self.g.is_bridged

    def to_dict(self):
        """All fields by name, as JSON has them."""
        return {name: getattr(self, name) for name in GAP_FIELDS}


GAP_FIELDS = (
    "record", "time", "last_time", "association", "connection", "client_address", "client_port", "server_address",
    "server_port", "side", "bytes", "offset", "count", "kind", "frames", "in_flight", "is_bridged",
)
