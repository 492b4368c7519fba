"""A monitor in a process of its own, so that its memory is its own.

    python -m benchmarks.compare.monitor_peer PATH             a capture: what is in it, nanoseconds, peak of memory
    python -m benchmarks.compare.monitor_peer --live PORT      of loopback, until SIGINT; a line when it is ready

One JSON object on stdout.  Imports are not timed.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.compare.child import status_kb


def counted(records: Iterable[Any]) -> dict[str, Any]:
    """Return what the records say, as facts.json of a generated capture says it."""
    associations = pending = request_bytes = response_bytes = packets = dropped = 0
    transactions: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    for record in records:
        kind = record.record
        if kind == "transaction":
            transactions[record.method] += 1
            statuses[record.status] += 1
            pending += record.pending
            request_bytes += record.req_data_set_size
            response_bytes += record.rsp_data_set_size
        elif kind == "association":
            associations += 1
        elif kind == "summary":
            packets += record.packets
            dropped += record.drops
    return {
        "associations": associations,
        "transactions": dict(transactions),
        "statuses": {f"{status:04X}": count for status, count in statuses.items()},
        "pending": pending,
        "request_data_set_bytes": request_bytes,
        "response_data_set_bytes": response_bytes,
        "packets": packets,
        "dropped": dropped,
    }


def live(port: int) -> Iterator[Any]:
    """Yield the records of what loopback carries to a port, until SIGINT, and the summary."""
    from dicomwire.monitor import Monitor
    from dicomwire.monitor.sources import open_source

    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: stopped.append(number))
    monitor = Monitor()
    with open_source("lo") as source:
        monitor.summary.source = source
        print("ready", flush=True)
        while True:
            source.fill(0.05)
            ends = bool(stopped)  # what came before the signal is taken
            for record in monitor.run(source.packets):
                if record.server_port == port:
                    yield record
            if ends:
                break
        for record in monitor.finish():
            if record.record == "summary" or record.server_port == port:
                yield record


def main(arguments: list[str]) -> int:
    from dicomwire.monitor import analyze

    *options, source = arguments
    bare = status_kb("VmHWM")
    start, cpu = time.perf_counter_ns(), time.process_time_ns()
    facts = counted(live(int(source)) if options else analyze(source))
    facts["ns"] = time.perf_counter_ns() - start
    facts["cpu_ns"] = time.process_time_ns() - cpu
    facts["peak_kb"] = status_kb("VmHWM")
    facts["imported_kb"] = bare
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
