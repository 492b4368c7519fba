"""Records as Parquet files, a table for each kind: associations, transactions, hl7, gaps (extra ``arrow``).

A table's columns are the fields of JSON under the same names, with types of their own: moments are timestamps in
nanoseconds, what has parts is JSON text.  A file takes its name when it is complete; a run that goes on for long
begins another one after so many rows.
"""

from __future__ import annotations

import os

from _dicomwire.record import GAP_FIELDS, TRANSACTION_FIELDS
from dicomwire.arrow.columns import require_pyarrow
from dicomwire.monitor.associations import ASSOCIATION_FIELDS
from dicomwire.monitor.hl7_record import HL7_FIELDS
from dicomwire.monitor.jsonlines import json_text
from dicomwire.replacing import temporary_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dicomwire.monitor.jsonlines import Record

TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "association": ("associations", ASSOCIATION_FIELDS),
    "transaction": ("transactions", TRANSACTION_FIELDS),
    "hl7": ("hl7", HL7_FIELDS),
    "gap": ("gaps", GAP_FIELDS),
}
"""Of each kind of record, name and columns of its table."""

ROWS_AT_ONCE = 1_000  # records that are Python objects at a time, of each kind
ROWS_OF_GROUP = 16_384
ROWS_OF_FILE = 2_000_000

_MOMENTS = frozenset(("time", "end_time", "last_time"))
_WHOLE = frozenset(
    (
        "connection", "client_port", "server_port", "vlan", "version", "message_id", "context_id", "status", "error_id",
        "event_type_id", "action_type_id", "parent_message_id", "referenced_instances", "failed_instances", "responses",
        "pending", "gaps", "lost_bytes", "bytes", "offset", "count", "transactions", "messages", "retransmissions",
        "req_bytes", "rsp_bytes", "req_l2_bytes", "rsp_l2_bytes", "req_size", "rsp_size", "req_command_size",
        "req_data_set_size", "req_pixel_data_size", "rsp_command_size", "rsp_data_set_size", "req_pkts", "rsp_pkts",
        "req_rto", "rsp_rto", "req_retransmissions", "rsp_retransmissions", "req_zero_wnd", "rsp_zero_wnd",
        "client_zero_wnd", "server_zero_wnd",
    )
)  # fmt: skip
_SPANS = frozenset(
    (
        "tcp_setup_time", "request_time", "answer_time", "release_time", "zero_window_time", "req_transfer_time",
        "processing_time", "rsp_transfer_time", "time_to_first_pending", "time_to_final", "round_trip_time",
        "round_trip_time_min", "round_trip_time_max", "accept_time", "application_time", "ack_time",
        "time_since_request",
    )
)  # fmt: skip
_TEXTS = frozenset(
    (
        "inferred", "flaws", "faults", "methods", "offending_elements", "patient_ids", "prior_patient_ids",
        "visit_numbers", "placer_order_numbers", "filler_order_numbers", "accession_numbers",
        "requested_procedure_ids", "scheduled_step_ids", "study_instance_uids", "modalities",
        "scheduled_station_ae_titles", "scheduled_times",
    )
)  # fmt: skip
_PARTED = frozenset(
    (
        "scheduled", "answers", "statuses", "reject", "abort", "parent", "move_originator", "sub_operations", "stored",
        "contexts", "user_information", "control_pdus", "illegal_pdus", "client", "server", "in_flight",
        "conflicts",
        "segments", "ack_segments",
    )
)  # fmt: skip
_STRINGS = frozenset(
    (
        "association", "client_address", "server_address", "sender", "requestor", "side", "kind", "called_ae_title",
        "calling_ae_title", "called_ae_title_raw", "calling_ae_title_raw", "application_context_name", "ended_by",
        "end", "connection_end",
        "error", "method", "sop_class_uid", "sop_instance_uid", "transfer_syntax", "study_instance_uid",
        "series_instance_uid", "accession_number", "modality", "patient_id", "patient_name", "patient_birth_date",
        "birth_date", "query_level", "transaction_uid", "step_status", "status_category", "error_comment",
        "move_destination", "req_pdu", "rsp_pdu", "msg_type", "msg_id", "ack_code", "ack_id", "ack_msg_id",
        "accept_ack_code", "application_ack_code", "commit_ack_code", "error_code", "ack_text", "sending_application",
        "sending_facility", "receiving_application", "receiving_facility", "patient_id_issuer", "order_control",
        "order_status", "subfield_delimiter",
    )
)  # fmt: skip


def column_type(kind: str, name: str) -> Any:
    """The Arrow type of a field of a kind of record.  KeyError for a field that no kind has."""
    pa = require_pyarrow()
    if name in _MOMENTS:
        return pa.timestamp("ns", tz="UTC")
    if name == "version" and kind == "hl7":
        return pa.string()
    if name in _WHOLE:
        return pa.int64()
    if name in _SPANS:
        return pa.float64()
    if name.startswith("is_") or name.endswith("_is_external"):
        return pa.bool_()
    if name == "frames":
        return pa.list_(pa.int64())
    if name in _TEXTS:
        return pa.list_(pa.string())
    if name in _STRINGS or name in _PARTED:
        return pa.string()
    raise KeyError(name)


def schema(kind: str) -> Any:
    """The Arrow schema of the table of a kind of record."""
    pa = require_pyarrow()
    return pa.schema([pa.field(name, column_type(kind, name)) for name in TABLES[kind][1] if name != "record"])


class ParquetFolder:
    """Writes records to files in a folder: ``associations-00000.parquet`` and so on; a later run goes on counting.

    A context manager: files take their names at its end, whatever the reason of that, or when they are full.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, rows_of_group: int = ROWS_OF_GROUP, rows_of_file: int = ROWS_OF_FILE
    ) -> None:
        """Makes the folder.  Raises OSError, and UnsupportedError without pyarrow."""
        require_pyarrow()
        os.makedirs(folder, exist_ok=True)
        self.folder = os.fspath(folder)
        self._tables = {kind: _Table(self.folder, kind, rows_of_group, rows_of_file) for kind in TABLES}

    def write(self, record: Record) -> None:
        """Add a record; a summary, which has no table, is left out."""
        table = self._tables.get(record.record)
        if table is not None:
            table.add(record)

    def close(self) -> None:
        """Write what is there, and give the files their names."""
        errors = []
        for table in self._tables.values():
            try:
                table.close()
            except OSError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def __enter__(self) -> ParquetFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Table:
    """The files of one kind of record."""

    def __init__(self, folder: str, kind: str, rows_of_group: int, rows_of_file: int) -> None:
        self._folder = folder
        self._name = TABLES[kind][0]
        self._schema = schema(kind)
        self._rows_of_group, self._rows_of_file = rows_of_group, rows_of_file
        self._columns: dict[str, list[object]] = {name: [] for name in self._schema.names}
        self._rows = 0  # in the columns
        self._batches: list[Any] = []
        self._batched = 0  # rows in the batches
        self._written = 0  # rows in the file
        self._writer: Any = None
        self._path = self._temporary = ""

    def add(self, record: Record) -> None:
        fields = record.to_dict()
        for name, column in self._columns.items():
            value = fields[name]
            if name in _MOMENTS:
                value = getattr(record, f"{name}_ns")
            elif name in _PARTED and value is not None:
                value = json_text(value)
            column.append(value)
        self._rows += 1
        if self._rows >= min(ROWS_AT_ONCE, self._rows_of_group):
            self._gather()

    def _gather(self) -> None:
        """Make Arrow arrays of the rows, which take less room, and a row group of enough of them."""
        pa = require_pyarrow()
        if self._rows:
            arrays = [
                pa.array(map(_writable, column), type=self._schema.field(name).type, size=self._rows)
                for name, column in self._columns.items()
            ]
            self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._batched += self._rows
            self._rows = 0
            for column in self._columns.values():
                column.clear()
        if self._batched >= self._rows_of_group:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow
        import pyarrow.parquet

        if self._writer is None:
            self._path = self._next_path()
            self._temporary = temporary_name(self._path)
            self._writer = pyarrow.parquet.ParquetWriter(self._temporary, self._schema, compression="zstd")
        table = pyarrow.Table.from_batches(self._batches, schema=self._schema)
        self._writer.write_table(table, row_group_size=max(self._batched, 1))
        self._written += self._batched
        self._batches.clear()
        self._batched = 0
        if self._written >= self._rows_of_file:
            self._finish_file()

    def _next_path(self) -> str:
        number = 0
        while os.path.exists(path := os.path.join(self._folder, f"{self._name}-{number:05d}.parquet")):
            number += 1
        return path

    def _finish_file(self) -> None:
        self._writer.close()
        self._writer = None
        self._written = 0
        os.replace(self._temporary, self._path)

    def close(self) -> None:
        self._gather()
        if self._batched:
            self._write_group()
        if self._writer is not None:
            self._finish_file()


def _writable(value: object) -> object:
    """A value that Arrow can hold: texts without lone surrogates."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_writable(part) for part in value]
    return value
