"""Associations as records: who, what was proposed and accepted, how it ended, and what went over the wire (PS3.8
section 9).

`Facts` is what is known of a connection and its association; transactions and gaps share it.  `Association` is the
record at its end.
"""

from __future__ import annotations

import ipaddress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dicomwire import ul
from dicomwire.dataset.charset import CharacterSet, decode_text
from dicomwire.dictionary import UID
from dicomwire.dimse.status import StatusKind, kind_of, service_of, status_of
from dicomwire.errors import RemoteProtocolError
from dicomwire.monitor.times import iso_time, milliseconds

if TYPE_CHECKING:
    from _dicomwire.ending import Ending
    from _dicomwire.record import Transaction
    from dicomwire.monitor.policy import Policy

DICOM_PORTS = (104, 11112, 2761, 2762)

_METHODS = {"C-STORE": 0x0001, "C-GET": 0x0010, "C-FIND": 0x0020, "C-MOVE": 0x0021, "C-ECHO": 0x0030}
_ENDS = {
    "fin": "closed without a release",
    "rst": "reset (RST)",
    "idle": "nothing seen for long",
    "new_syn": "a new connection took its ports",
    "eviction": "given up, for want of memory",
    "capture_end": "the capture ended",
    "abort": "aborted (A-ABORT)",
    "release": "released",
    "reject": "rejected",
}


def _address(ip_version: int, address: bytes) -> str:
    return str(ipaddress.IPv4Address(address[:4]) if ip_version == 4 else ipaddress.IPv6Address(address))


def _clean(title: bytes) -> str:
    """An AE title without the spaces and NULs around it; bytes that are not ASCII as \\xNN."""
    return title.strip(b" \0").decode("ascii", "backslashreplace")


class Facts:
    """What is known of a connection that speaks DICOM, and of the A-ASSOCIATE PDUs on it."""

    def __init__(
        self,
        policy: Policy,
        serial: int,
        ip_version: int,
        addresses: tuple[bytes, bytes],
        ports: tuple[int, int],
        vlan: int,
        from_start: bool,
        requestor: int | None,
        request: bytes | None,
        answer: bytes | None,
    ) -> None:
        self.policy = policy
        self.connection = serial
        self.association = f"{policy.run}-{serial}"
        self.vlan = vlan
        self.from_start = from_start
        self.requestor = requestor
        self.request_bytes = request
        self.answer_bytes = answer
        self.addresses = (_address(ip_version, addresses[0]), _address(ip_version, addresses[1]))
        self.ports = ports
        self.inferred: list[str] = []
        self.client_side = self._client_side()
        if request is None:
            self.inferred.append("association")
        server = 1 - self.client_side
        self.client_address, self.client_port = self.addresses[self.client_side], ports[self.client_side]
        self.server_address, self.server_port = self.addresses[server], ports[server]
        self.client_is_external = self.is_external(self.client_side)
        self.server_is_external = self.is_external(server)

    def _client_side(self) -> int:
        """Who opened the connection; where that was not seen, who asked for the association, or the ports' hint."""
        if self.from_start:
            return 0
        self.inferred.append("client")
        if self.requestor is not None:
            return self.requestor
        for port in DICOM_PORTS:
            if (self.ports[0] == port) != (self.ports[1] == port):
                return 1 if self.ports[0] == port else 0
        return 0 if self.ports[0] > self.ports[1] else 1

    def is_external(self, side: int) -> bool:
        """Whether the address of a side is outside of the site."""
        return self.policy.networks.is_external(self.addresses[side])

    def name_of(self, side: int | None) -> str | None:
        """Client or server; None for nobody."""
        return None if side is None else "client" if side == self.client_side else "server"

    # ------------------------------------------------------------------------------------------------ the association

    @cached_property
    def called_ae_title(self) -> str | None:
        titles = self.request_bytes or self.answer_bytes
        return None if titles is None or len(titles) < 42 else _clean(titles[10:26])

    @cached_property
    def calling_ae_title(self) -> str | None:
        titles = self.request_bytes or self.answer_bytes
        return None if titles is None or len(titles) < 42 else _clean(titles[26:42])

    @cached_property
    def version(self) -> int | None:
        """Protocol version, bits of PS3.8 section 9.3.2."""
        pdu = self.request_bytes or self.answer_bytes
        return None if pdu is None or len(pdu) < 8 else int.from_bytes(pdu[6:8], "big")

    @cached_property
    def faults(self) -> list[str]:
        """What is wrong with the A-ASSOCIATE PDUs themselves."""
        found = []
        for pdu in (self.request_bytes, self.answer_bytes):
            try:
                if pdu is not None:
                    ul.decode_pdu(pdu)
            except RemoteProtocolError as error:
                found.append(str(error))
        return found

    @cached_property
    def request(self) -> ul.AAssociateRQ | None:
        """The A-ASSOCIATE-RQ; None if it was not seen or cannot be taken apart."""
        pdu = _decoded(self.request_bytes)
        return pdu if isinstance(pdu, ul.AAssociateRQ) else None

    @cached_property
    def answer(self) -> ul.AAssociateAC | None:
        """The A-ASSOCIATE-AC, likewise."""
        pdu = _decoded(self.answer_bytes)
        return pdu if isinstance(pdu, ul.AAssociateAC) else None

    @cached_property
    def _syntaxes(self) -> dict[int, str]:
        if self.answer is None:
            return {}
        return {
            context.context_id: str(context.transfer_syntax)
            for context in self.answer.presentation_contexts
            if context.accepted and context.transfer_syntax is not None
        }

    def transfer_syntax(self, context_id: int) -> str | None:
        """The transfer syntax of an accepted presentation context; None where that is not known."""
        return self._syntaxes.get(context_id)

    # ----------------------------------------------------------------------------------------- what transactions ask

    iso_time = staticmethod(iso_time)

    def decode(self, value: bytes, charset: bytes | None) -> str:
        """Text in the character set that its data set names."""
        terms = charset.decode("ascii", "replace").split("\\") if charset else None
        return decode_text(value, CharacterSet.from_terms(terms))[0].strip(" \0")

    def status_category(self, status: int) -> str:
        """success, pending, cancel, warning, failure or unknown."""
        return kind_of(status).value

    def error(self, transaction: Transaction) -> str | None:
        """What went wrong with a transaction, in words."""
        abort = transaction.abort
        if transaction.is_req_aborted or transaction.is_rsp_aborted:
            assert abort is not None
            message = "request" if transaction.is_req_aborted else "response"
            by = f" by the {abort['by']}" if abort["by"] else ""
            return f"ended before the {message} was complete: {_ENDS[abort['kind'] or 'capture_end']}{by}"
        status = transaction.status
        if status is not None and kind_of(status) not in (StatusKind.SUCCESS, StatusKind.PENDING, StatusKind.CANCEL):
            command = _METHODS.get(transaction.method, 0)
            return status_of(status, service_of(command, transaction.sop_class_uid)).meaning
        if transaction.flaws:
            return "; ".join(transaction.flaws)
        return None

    def elements(
        self, command: bytes, data_set: bytes, response: bytes, response_data_set: bytes, context_id: int
    ) -> dict[str, Any] | None:
        """Command set and header of the data set of request and final response; None unless PHI is shown."""
        if not self.policy.show_phi:
            return None
        return self.policy.elements(
            command, data_set, response, response_data_set, self.transfer_syntax(context_id)
        )

    def find_element(self, elements: dict[str, Any] | None, tag: object, response: bool) -> Any:
        """An element by tag or keyword in the data set, else in the command set."""
        return None if elements is None else self.policy.find_element(elements, tag, response)

    def ended(self, ending: Ending) -> Association:
        """The record of the association, now that it is over."""
        return Association(self, ending)


def _decoded(pdu: bytes | None) -> ul.PDU | None:
    if pdu is None:
        return None
    try:
        return ul.decode_pdu(pdu)
    except RemoteProtocolError:
        return None


class Association:
    """The record of an association, or of a connection that tried to have one."""

    record = "association"

    def __init__(self, facts: Facts, ending: Ending) -> None:
        self.facts = facts
        self._ending = ending
        self._client = ending.counts(facts.client_side)
        self._server = ending.counts(1 - facts.client_side)
        self._controls = ending.controls

    def __repr__(self) -> str:
        return (
            f"<Association: {self.association}, {self.calling_ae_title!r} to {self.called_ae_title!r}, "
            f"{self.transactions} transactions, {self.end}>"
        )

    # ------------------------------------------------------------------------------------------------- who and when

    @property
    def time_ns(self) -> int | None:
        """The first packet of the connection."""
        times = [side["first_ns"] for side in (self._client, self._server) if side["packets"]]
        return min((time for time in times if time is not None), default=None)

    @property
    def time(self) -> str | None:
        return iso_time(self.time_ns)

    @property
    def end_time_ns(self) -> int | None:
        """The last packet."""
        times = [side["last_ns"] for side in (self._client, self._server) if side["packets"]]
        return max((time for time in times if time is not None), default=None)

    @property
    def end_time(self) -> str | None:
        return iso_time(self.end_time_ns)

    @property
    def association(self) -> str:
        return self.facts.association

    @property
    def connection(self) -> int:
        return self.facts.connection

    @property
    def client_address(self) -> str:
        return self.facts.client_address

    @property
    def client_port(self) -> int:
        return self.facts.client_port

    @property
    def server_address(self) -> str:
        return self.facts.server_address

    @property
    def server_port(self) -> int:
        return self.facts.server_port

    @property
    def client_is_external(self) -> bool:
        return self.facts.client_is_external

    @property
    def server_is_external(self) -> bool:
        return self.facts.server_is_external

    @property
    def vlan(self) -> int | None:
        return self.facts.vlan or None

    @property
    def inferred(self) -> list[str]:
        return self.facts.inferred

    # ------------------------------------------------------------------------------------------------- negotiation

    @property
    def requestor(self) -> str | None:
        """Who asked for the association: client or server."""
        return self.facts.name_of(self.facts.requestor)

    @property
    def called_ae_title(self) -> str | None:
        return self.facts.called_ae_title

    @property
    def calling_ae_title(self) -> str | None:
        return self.facts.calling_ae_title

    @property
    def called_ae_title_raw(self) -> bytes | None:
        """The 16 bytes as they came."""
        pdu = self.facts.request_bytes or self.facts.answer_bytes
        return None if pdu is None else pdu[10:26]

    @property
    def calling_ae_title_raw(self) -> bytes | None:
        pdu = self.facts.request_bytes or self.facts.answer_bytes
        return None if pdu is None else pdu[26:42]

    @property
    def version(self) -> int | None:
        return self.facts.version

    @property
    def application_context_name(self) -> str | None:
        request = self.facts.request
        return None if request is None else str(request.application_context_name)

    @cached_property
    def contexts(self) -> list[dict[str, Any]]:
        """Each presentation context: what was proposed, what became of it and why.

        ``result`` is None where no answer was seen, "not answered" where the answer leaves the context out.
        """
        request, answer = self.facts.request, self.facts.answer
        results = {} if answer is None else {context.context_id: context for context in answer.presentation_contexts}
        found = []
        for proposed in () if request is None else request.presentation_contexts:
            result = results.pop(proposed.context_id, None)
            row = _context(proposed.context_id, str(proposed.abstract_syntax), result)
            row["transfer_syntaxes"] = [str(uid) for uid in proposed.transfer_syntaxes]
            if answer is not None and result is None:
                row["result"] = "not answered"
            found.append(row)
        # Of an acceptance whose request was not seen, or for what nobody proposed.
        found += [_context(context_id, None, result) for context_id, result in results.items()]
        return found

    def _information(self, of_request: bool) -> ul.UserInformation | None:
        pdu = self.facts.request if of_request else self.facts.answer
        return None if pdu is None else pdu.user_information

    @cached_property
    def user_information(self) -> dict[str, dict[str, Any] | None]:
        """Of requestor and acceptor: maximum length, implementation, window, roles, extended negotiation, identity.

        Of a user identity only the type is said, and whether it was answered; its fields are secrets.
        """
        return {
            "requestor": _user_information(self._information(True)),
            "acceptor": _user_information(self._information(False)),
        }

    @property
    def faults(self) -> list[str]:
        """What is wrong with the PDUs, in words."""
        found = list(self.facts.faults)
        for side in (0, 1):
            fault = self._ending.fault(side)
            if fault is not None:
                found.append(f"{self.facts.name_of(side)}: {fault}")
        return found

    # ------------------------------------------------------------------------------------------------- times and end

    def _first(self, *kinds: int) -> int | None:
        return next((time for kind, _, time, _, _ in self._controls if kind in kinds), None)

    @property
    def tcp_setup_time_ns(self) -> int | None:
        """From SYN to SYN/ACK."""
        return _span(self._client["syn_ns"], self._server["syn_ns"])

    @property
    def request_time_ns(self) -> int | None:
        """From SYN to A-ASSOCIATE-RQ."""
        return _span(self._client["syn_ns"], self._first(1))

    @property
    def answer_time_ns(self) -> int | None:
        """From A-ASSOCIATE-RQ to the first of A-ASSOCIATE-AC, -RJ and A-ABORT."""
        return _span(self._first(1), self._first(2, 3, 7))

    @property
    def tcp_setup_time(self) -> float | None:
        return milliseconds(self.tcp_setup_time_ns)

    @property
    def request_time(self) -> float | None:
        return milliseconds(self.request_time_ns)

    @property
    def answer_time(self) -> float | None:
        return milliseconds(self.answer_time_ns)

    @property
    def release_time(self) -> float | None:
        """From A-RELEASE-RQ to A-RELEASE-RP."""
        return milliseconds(_span(self._first(5), self._first(6)))

    @property
    def req_pdu(self) -> str | None:
        """The PDU that asked for the association."""
        return "A-ASSOCIATE-RQ" if self.facts.requestor is not None and self.facts.request_bytes else None

    @property
    def rsp_pdu(self) -> str | None:
        """The PDU that answered it."""
        names = {2: "A-ASSOCIATE-AC", 3: "A-ASSOCIATE-RJ", 7: "A-ABORT"}
        return next((names[kind] for kind, *_ in self._controls if kind in names), None)

    @property
    def end(self) -> str:
        """How it ended: release, abort, reject, rst, fin, idle, new_syn, eviction or capture_end."""
        return self._ending.end[0] or "capture_end"

    @property
    def connection_end(self) -> str | None:
        """How the connection under it was closed: fin, rst, idle, new_syn, eviction or capture_end."""
        return self._ending.end[3]

    @cached_property
    def reject(self) -> dict[str, Any] | None:
        """Result, source and reason of an A-ASSOCIATE-RJ, and what they mean."""
        pdu = self._pdu(3) if self.end == "reject" else None
        if not isinstance(pdu, ul.AAssociateRJ):
            return None
        return {
            "result": int(pdu.result),
            "source": int(pdu.source),
            "reason": int(pdu.reason),
            "text": f"{pdu.result.meaning}, {pdu.source.meaning}: {pdu.reason.meaning}",
        }

    @cached_property
    def abort(self) -> dict[str, Any] | None:
        """Source and reason of an A-ABORT, and what they mean."""
        pdu = self._pdu(7) if self.end == "abort" else None
        if not isinstance(pdu, ul.AAbort):
            return None
        text = pdu.source.meaning
        if pdu.source != ul.AbortSource.SERVICE_USER:
            text += f": {pdu.reason.meaning}"
        return {"source": int(pdu.source), "reason": int(pdu.reason), "text": text}

    def _pdu(self, kind: int) -> ul.PDU | None:
        for pdu_type, _, _, _, fields in self._controls:
            if pdu_type == kind:
                return ul.decode_pdu(bytes((kind, 0, 0, 0, 0, 4)) + fields)
        return None

    @property
    def ended_by(self) -> str | None:
        """Client or server: who asked for the release, aborted, rejected, reset or closed first; None for nobody."""
        return self.facts.name_of(self._ending.end[1])

    @property
    def error(self) -> str | None:
        """What went wrong, in words."""
        if self.end in ("release", "capture_end"):
            return "; ".join(self.faults) or None
        said = self.reject or self.abort
        return f"{_ENDS[self.end]}: {said['text']}" if said else _ENDS[self.end]

    @property
    def control_pdus(self) -> list[dict[str, Any]]:
        """The PDUs other than P-DATA-TF, the first twelve."""
        return [
            {"type": _CONTROL_NAMES[kind], "side": self.facts.name_of(side), "time": iso_time(time), "frame": frame}
            for kind, side, time, frame, _ in self._controls
        ]

    # ------------------------------------------------------------------------------------------------------ figures

    @property
    def transactions(self) -> int:
        return self._ending.transactions

    @property
    def messages(self) -> int:
        """DIMSE messages of both sides, responses and cancel requests included."""
        return int(self._client["messages"] + self._server["messages"])

    @property
    def illegal_pdus(self) -> dict[str, Any]:
        """PDUs that no order of the two directions allows: how many, and of the first eight where and why.

        ``is_judged`` is False where PDUs may have been missed, so that nothing was judged from there on.
        """
        count, first = self._ending.illegal_pdus
        return {
            "count": count,
            "is_judged": self._ending.is_judged,
            "first": [
                {"type": kind, "side": self.facts.name_of(side), "frame": frame, "states": [_state(n) for n in states]}
                for kind, side, frame, states in first
            ],
        }

    @property
    def client(self) -> dict[str, Any]:
        """What the client sent: PDUs by type, messages, bytes, packets, and the counters of its TCP stream."""
        return _figures(self._client)

    @property
    def server(self) -> dict[str, Any]:
        """The same of the server."""
        return _figures(self._server)

    @property
    def gaps(self) -> int:
        return int(self._client["gaps"] + self._server["gaps"])

    @property
    def lost_bytes(self) -> int:
        return int(self._client["lost_bytes"] + self._server["lost_bytes"])

    @property
    def bytes(self) -> int:
        """TCP payload of both sides, retransmissions not counted."""
        return int(self._client["bytes"] + self._server["bytes"])

    @property
    def retransmissions(self) -> int:
        return int(self._client["retransmissions"] + self._server["retransmissions"])

    @property
    def zero_window_time(self) -> float | None:
        """Time that receive windows were closed, of both sides."""
        return milliseconds(self._client["zero_window_time_ns"] + self._server["zero_window_time_ns"])

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, as JSON has them."""
        fields = {name: getattr(self, name) for name in ASSOCIATION_FIELDS}
        for name in ("called_ae_title_raw", "calling_ae_title_raw"):
            fields[name] = None if fields[name] is None else fields[name].decode("latin-1")
        return fields


ASSOCIATION_FIELDS = (
    "record",
    "time",
    "end_time",
    "association",
    "connection",
    "client_address",
    "client_port",
    "server_address",
    "server_port",
    "client_is_external",
    "server_is_external",
    "vlan",
    "inferred",
    "requestor",
    "called_ae_title",
    "calling_ae_title",
    "called_ae_title_raw",
    "calling_ae_title_raw",
    "version",
    "application_context_name",
    "contexts",
    "user_information",
    "faults",
    "tcp_setup_time",
    "request_time",
    "answer_time",
    "release_time",
    "req_pdu",
    "rsp_pdu",
    "end",
    "connection_end",
    "reject",
    "abort",
    "ended_by",
    "error",
    "control_pdus",
    "transactions",
    "messages",
    "illegal_pdus",
    "client",
    "server",
    "gaps",
    "lost_bytes",
    "bytes",
    "retransmissions",
    "zero_window_time",
)

_CONTROL_NAMES = {
    1: "A-ASSOCIATE-RQ",
    2: "A-ASSOCIATE-AC",
    3: "A-ASSOCIATE-RJ",
    5: "A-RELEASE-RQ",
    6: "A-RELEASE-RP",
    7: "A-ABORT",
}


def _state(number: int) -> str:
    return f"STA{number}" if number < 14 else "about to abort"


def _span(first_ns: int | None, last_ns: int | None) -> int | None:
    return None if first_ns is None or last_ns is None else last_ns - first_ns


def _figures(counts: dict[str, Any]) -> dict[str, Any]:
    """Counters of a side with durations in milliseconds."""
    figures = {name: value for name, value in counts.items() if not name.endswith("_ns")}
    for name in ("zero_window_time", "round_trip_time_min", "round_trip_time_max", "round_trip_time_mean"):
        figures[name] = milliseconds(counts[f"{name}_ns"])
    return figures


def _context(context_id: int, abstract_syntax: str | None, result: ul.ContextResult | None) -> dict[str, Any]:
    return {
        "context_id": context_id,
        "abstract_syntax": abstract_syntax,
        "name": UID(abstract_syntax).name if abstract_syntax else None,
        "transfer_syntaxes": [],
        "result": None if result is None else "accepted" if result.accepted else "rejected",
        "reason": None if result is None else int(result.result),
        "text": None if result is None else result.result.meaning,
        "transfer_syntax": None
        if result is None or not result.accepted or result.transfer_syntax is None
        else str(result.transfer_syntax),
    }


def _user_information(information: ul.UserInformation | None) -> dict[str, Any] | None:
    if information is None:
        return None
    window, identity = information.asynchronous_operations_window, information.user_identity
    class_uid = information.implementation_class_uid
    return {
        "maximum_length": information.maximum_length,
        "implementation_class_uid": None if class_uid is None else str(class_uid),
        "implementation_version_name": information.implementation_version_name,
        "asynchronous_operations_window": None
        if window is None
        else {"invoked": window.invoked, "performed": window.performed},
        "roles": [
            {"sop_class_uid": str(role.sop_class_uid), "scu": role.scu, "scp": role.scp} for role in information.roles
        ],
        "extended_negotiations": [
            {"sop_class_uid": str(item.sop_class_uid), "information": item.information.hex()}
            for item in information.extended_negotiations
        ],
        "common_extended_negotiations": [
            {
                "sop_class_uid": str(item.sop_class_uid),
                "service_class_uid": str(item.service_class_uid),
                "related_general_sop_class_uids": [str(uid) for uid in item.related_general_sop_class_uids],
            }
            for item in information.common_extended_negotiations
        ],
        "user_identity": None
        if identity is None
        else identity.type.meaning
        if isinstance(identity, ul.UserIdentityRQ)
        else "answered",
    }
