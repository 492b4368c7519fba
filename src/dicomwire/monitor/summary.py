"""The record at the end of a run: what was in the capture, what was made of it, and what was left out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dicomwire.monitor.times import iso_time

if TYPE_CHECKING:
    from dicomwire.monitor.analyzing import Monitor

_LEAST_TIME = -(1 << 63)


class Summary:
    """Counts of a run, up to date at any time."""

    record = "summary"

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._started = time.perf_counter_ns()
        self.records: dict[str, int] = {}
        self.source: Any = None

    def count(self, record: Any) -> None:
        """Count a record."""
        kind = record.record
        self.records[kind] = self.records.get(kind, 0) + 1

    def __repr__(self) -> str:
        return f"<Summary: {self.packets} packets, {self.records}>"

    @property
    def time_ns(self) -> int | None:
        """Of the first packet."""
        first = self._monitor.table.first_ns
        return None if not self.packets or first == _LEAST_TIME else first

    @property
    def time(self) -> str | None:
        return iso_time(self.time_ns)

    @property
    def end_time_ns(self) -> int | None:
        """Of the last packet."""
        last = self._monitor.table.last_ns
        return None if not self.packets or last == _LEAST_TIME else last

    @property
    def end_time(self) -> str | None:
        return iso_time(self.end_time_ns)

    @property
    def counts(self) -> dict[str, int]:
        """What was counted of packets, fragments, connections and memory, see docs/monitor-packets.md."""
        return self._monitor.table.counts

    @property
    def packets(self) -> int:
        return self.counts.get("packets", 0)

    @property
    def cut_packets(self) -> int:
        """Packets of which the capture has the front only."""
        return self.counts.get("cut_packets", 0)

    @property
    def duplicates(self) -> int:
        """Packets that were mirrored twice."""
        return self.counts.get("duplicates", 0)

    @property
    def fragments(self) -> int:
        """Fragments of IP datagrams."""
        return self.counts.get("fragments", 0)

    @property
    def not_tcp(self) -> int:
        """Packets of other protocols than TCP."""
        return self.counts.get("not_tcp", 0)

    @property
    def evicted_connections(self) -> int:
        """Connections that were given up because of a bound."""
        return self.counts.get("evicted_connections", 0)

    @property
    def drops(self) -> int:
        """Packets that the system dropped before we saw them."""
        return 0 if self.source is None else int(self.source.drops)

    @property
    def connections(self) -> dict[str, int]:
        """By protocol: undecided, dicom, hl7, tls, iscl, http, other.  TLS and ISCL are counted, not decoded."""
        return self._monitor.talk.connections

    @property
    def left_out(self) -> int:
        """How often something was not kept, because of a bound or for want of memory."""
        return self._monitor.talk.left_out

    @property
    def elapsed_s(self) -> float:
        """How long the run took."""
        return (time.perf_counter_ns() - self._started) / 1e9

    @property
    def bytes_per_s(self) -> float:
        """Bytes on the wire that were taken a second."""
        return self.counts.get("wire_bytes", 0) / max(self.elapsed_s, 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, as JSON has them."""
        return {
            "record": self.record,
            "time": self.time,
            "end_time": self.end_time,
            "packets": self.packets,
            "drops": self.drops,
            "cut_packets": self.cut_packets,
            "duplicates": self.duplicates,
            "fragments": self.fragments,
            "not_tcp": self.not_tcp,
            "evicted_connections": self.evicted_connections,
            "counts": self.counts,
            "connections": self.connections,
            "records": self.records,
            "left_out": self.left_out,
            "elapsed_s": self.elapsed_s,
            "bytes_per_s": self.bytes_per_s,
        }
