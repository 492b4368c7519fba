"""The yardsticks' own check: plain C must not read slower than `cat`, nor copy slower than memory allows.

A limit that is slow flatters whoever is measured against it.  `python -m benchmarks.yardsticks.checks` prints
the result; `benchmarks.compare` runs it first and tells it with its tables.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks import workloads, yardsticks

ROUNDS = 7


@dataclass
class Reading:
    """Whole-file reading and copying in one run: bytes a nanosecond, and whether the yardstick holds."""

    facts: dict[str, Any]

    def line(self) -> str:
        f = self.facts
        word = "void" if f["void"] else "holds"
        return (
            f"Yardstick check: C reads {f['bytes'] / 1e6:.0f} MB at {f['read_gb_s']:.2f} GB/s, "
            f"`cat` at {f['cat_gb_s']:.2f} GB/s, memcpy at {f['memcpy_gb_s']:.2f} GB/s: {word}."
        )


def check_reading(size: str = "S") -> Reading:
    """Return the rates of C's read loop, of `cat` without its process start, and of memcpy."""
    library = yardsticks.library()
    path = workloads.corpus("enhanced-known", size).path
    empty = workloads.corpus("sr-known", "XS").path
    read, cat, start, copies = [], [], [], []
    source, target = yardsticks.Buffer(8 << 20), yardsticks.Buffer(8 << 20)
    total = 0
    for _ in range(ROUNDS):
        taken, total = library.read_whole(path)
        read.append(taken)
        cat.append(_cat(path))
        start.append(_cat(empty))
        copies.append(library.copy(target, source))
    cat_ns = max(min(cat) - min(start), 1)
    facts = {
        "bytes": total,
        "read_ns": read,
        "cat_ns": cat,
        "cat_start_ns": start,
        "memcpy_8_mib_ns": copies,
        "read_gb_s": total / min(read),
        "cat_gb_s": total / cat_ns,
        "memcpy_gb_s": source.size / min(copies),
    }
    facts["void"] = min(read) > 1.15 * min(cat) or source.size / min(copies) < 1
    return Reading(facts)


def _cat(path: str) -> int:
    start = time.perf_counter_ns()
    subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter_ns() - start


if __name__ == "__main__":
    checked = check_reading(sys.argv[1] if len(sys.argv) > 1 else "S")
    print(json.dumps(checked.facts))
    print(checked.line(), file=sys.stderr)
    sys.exit(1 if checked.facts["void"] else 0)
