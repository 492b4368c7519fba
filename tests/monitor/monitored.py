"""What the monitor makes of a capture, sorted by the kind of record, and the parts of it that tests compare."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dicomwire.monitor import analyze

KEPT_UNDER_CHANGE = (  # by what the wire does to packets
    "called_ae_title",
    "calling_ae_title",
    "method",
    "message_id",
    "context_id",
    "sop_class_uid",
    "sop_instance_uid",
    "transfer_syntax",
    "study_instance_uid",
    "accession_number",
    "modality",
    "patient_id",
    "query_level",
    "status",
    "status_category",
    "statuses",
    "is_req_aborted",
    "is_rsp_aborted",
    "is_sub_operation",
    "move_destination",
    "sub_operations",
    "responses",
    "pending",
    "req_bytes",
    "rsp_bytes",
    "req_size",
    "rsp_size",
    "req_command_size",
    "req_data_set_size",
    "req_pixel_data_size",
    "rsp_command_size",
    "rsp_data_set_size",
)


@dataclass
class Monitored:
    """Records of one run."""

    associations: list[Any] = field(default_factory=list)
    transactions: list[Any] = field(default_factory=list)
    hl7: list[Any] = field(default_factory=list)
    gaps: list[Any] = field(default_factory=list)
    summary: Any = None

    def facts(self) -> list[str]:
        """Return what must be the same however the traffic was captured, one line for each record, sorted."""
        lines = [
            " ".join(f"{name}={getattr(one, name)!r}" for name in KEPT_UNDER_CHANGE) for one in self.transactions
        ]
        lines += [
            f"{one.called_ae_title} {one.calling_ae_title} {one.end} {one.ended_by} {one.transactions}"
            for one in self.associations
        ]
        lines += [f"{one.msg_id} {one.msg_type} {one.ack_code} {one.ack_id}" for one in self.hl7]
        return sorted(lines)

    def operations(self) -> Counter[tuple[str, str, str, int | None, int]]:
        """Return how often there was which operation: titles, method, status, pending responses."""
        return Counter(
            (one.called_ae_title, one.calling_ae_title, one.method, one.status, one.pending)
            for one in self.transactions
        )


def monitored(data: bytes, **options: Any) -> Monitored:
    """Return the records of a capture, patient data in clear unless told otherwise."""
    options.setdefault("show_phi", True)
    found = Monitored()
    for record in analyze(io.BytesIO(data), **options):
        kind = record.record
        assert record.to_dict()["record"] == kind
        if kind == "association":
            found.associations.append(record)
        elif kind == "transaction":
            found.transactions.append(record)
        elif kind == "hl7":
            found.hl7.append(record)
        elif kind == "gap":
            found.gaps.append(record)
        else:
            assert kind == "summary"
            assert found.summary is None
            found.summary = record
    assert found.summary is not None
    return found
