"""Streams beside the structural index and beside bare reading: a quick look while working on the push parser.

    python benchmarks/bench_stream.py [--size S|M] [--rounds 25]

Each line: median and best time of the operation, and the best time of what it is held against divided by ours; the
two alternate.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import workloads  # noqa: E402
from benchmarks.bench_read import timed  # noqa: E402
from benchmarks.compare.report import duration  # noqa: E402

Operation = tuple[str, str, int, Callable[[], Any], str, Callable[[], Any]]


def report_operations(name: str, size: str) -> list[Operation]:
    """Return the operations on a structured report in memory: batches by chunk size, and event objects."""
    import dicomwire

    corpus = workloads.corpus(name, size)
    data = Path(corpus.path).read_bytes()

    def index() -> None:
        dicomwire.dcmread(data)

    def batches(chunk: int) -> Callable[[], None]:
        chunks = [memoryview(data)[at : at + chunk] for at in range(0, len(data), chunk)]

        def run() -> None:
            parser = dicomwire.StreamParser()
            for piece in chunks:
                parser.feed(piece)
            parser.close()

        return run

    def events() -> int:
        parser = dicomwire.StreamParser()
        n = 0
        for _ in parser.feed(data):
            n += 1
        parser.close()
        return n

    def elements() -> None:
        for _ in dicomwire.dcmread(data).iterall():
            pass

    found = [
        (f"{name} batches, chunks of {chunk}", "element", corpus.header_elements, batches(chunk), "dcmread", index)
        for chunk in (4096, 65536, 262144, len(data))
    ]
    found.append((f"{name} event objects", "event", events(), events, "iterall", elements))
    return found


def bulk_operations(size: str) -> list[Operation]:
    """Return the operations on a file of pixel data: all events, and seeking over what is not selected."""
    import dicomwire

    corpus = workloads.corpus("enhanced-known", size, frames=200)

    def bare() -> None:
        buffer = bytearray(262144)
        with open(corpus.path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    def pulled() -> None:
        for _ in dicomwire.stream(corpus.path):
            pass

    def selected() -> None:
        for _ in dicomwire.stream(corpus.path, select="PatientID"):
            pass

    return [
        ("pixel data, all events", "file", 1, pulled, "readinto loop", bare),
        ("pixel data sought over", "file", 1, selected, "readinto loop", bare),
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/bench_stream.py", description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="S", choices=["S", "M", "L"])
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args(arguments)
    operations = report_operations("sr-undefined", options.size) + bulk_operations(options.size)
    for what, unit, units, run, name, against in operations:
        run()
        ours, theirs = [], []
        for _ in range(options.rounds):
            ours.append(timed(run))
            theirs.append(timed(against))
        print(
            f"{what:40} median {duration(statistics.median(ours) / units):>8}  "
            f"best {duration(min(ours) / units):>8} a {unit:8} {min(theirs) / min(ours):7.2f} of the speed of {name}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
