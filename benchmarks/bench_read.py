"""Our own reading beside plain C, without other toolkits: a quick look while working on the reader.

    python benchmarks/bench_read.py [--size S|M] [--rounds 15] [--only WORD...]

Each line: median and best time of the operation, and best time as a multiple of the plain C limit, whose runs
alternate with ours.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import workloads, yardsticks  # noqa: E402
from benchmarks.compare.adapters.base import KEYWORDS  # noqa: E402
from benchmarks.compare.report import duration  # noqa: E402

Operation = tuple[str, str, int, Callable[[], Any], Callable[[], int]]


def ct_operations(name: str, size: str) -> list[Operation]:
    """Return the operations on CT files: open, ten values, all values."""
    import dicomwire

    paths = workloads.corpus(name, size).paths[:200]
    library, names = yardsticks.library(), yardsticks.PathList(paths)

    def limit() -> int:
        library.walk_files(names)
        return library.walk_files(names)[0]

    def opened() -> None:
        for path in paths:
            dicomwire.dcmread(path)

    def ten() -> None:
        for path in paths:
            ds = dicomwire.dcmread(path)
            for keyword in KEYWORDS:
                getattr(ds, keyword)

    def every() -> None:
        for path in paths:
            ds = dicomwire.dcmread(path, stop_before_pixels=True)
            [element.value for element in ds.iterall()]

    def tags() -> None:
        for path in paths:
            for _ in dicomwire.dcmread(path, stop_before_pixels=True).iterall():
                pass

    def scanned() -> None:
        for _ in dicomwire.scan(paths, columns=KEYWORDS, workers=1):
            pass

    return [
        (f"{name} open", "file", len(paths), opened, limit),
        (f"{name} open + ten values", "file", len(paths), ten, limit),
        (f"{name} open + iterall, no values", "file", len(paths), tags, limit),
        (f"{name} open + all values", "file", len(paths), every, limit),
        (f"{name} scan, ten columns", "file", len(paths), scanned, limit),
    ]


def report_operations(name: str, size: str) -> list[Operation]:
    """Return the operations on a structured report: open by path and from memory, all values."""
    import dicomwire

    corpus = workloads.corpus(name, size)
    data = Path(corpus.path).read_bytes()
    library, buffer = yardsticks.library(), yardsticks.Buffer(data)

    def reading() -> int:
        library.load_walk(corpus.path)
        return library.load_walk(corpus.path)[0]

    def walking() -> int:
        library.walk_memory(buffer)
        return library.walk_memory(buffer)[0]

    def every() -> None:
        [element.value for element in dicomwire.dcmread(corpus.path).iterall()]

    elements = corpus.header_elements
    return [
        (f"{name} open", "file", 1, lambda: dicomwire.dcmread(corpus.path), reading),
        (f"{name} open, all walked", "file", 1, lambda: dicomwire.dcmread(corpus.path, policy="strict"), reading),
        (f"{name} open from bytes, all walked", "file", 1, lambda: dicomwire.dcmread(data, policy="strict"), walking),
        (f"{name} all values", "element", elements, every, reading),
    ]


def enhanced_operations(name: str, size: str) -> list[Operation]:
    """Return the operation on the enhanced file: open it and read one nested value."""
    import dicomwire

    corpus = workloads.corpus(name, size)
    frame = corpus.details["frames"] // 2 - 1
    library = yardsticks.library()

    def limit() -> int:
        library.load_walk(corpus.path, size=corpus.header_bytes)
        return library.load_walk(corpus.path, size=corpus.header_bytes)[0]

    def position() -> Any:
        group = dicomwire.dcmread(corpus.path).PerFrameFunctionalGroupsSequence[frame]
        return group.PlanePositionSequence[0].ImagePositionPatient

    return [(f"{name} one nested value", "file", 1, position, limit)]


def timed(run: Callable[[], Any]) -> int:
    gc.collect()
    start = time.perf_counter_ns()
    result = run()
    taken = time.perf_counter_ns() - start
    del result
    return taken


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/bench_read.py", description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="S", choices=["S", "M", "L"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="operations with such a word")
    options = parser.parse_args(arguments)
    makers = [(ct_operations, list(workloads.SYNTAXES)), (report_operations, ["sr-known", "sr-undefined"])]
    makers.append((enhanced_operations, ["enhanced-known", "enhanced-undefined"]))
    for make, names in makers:
        for name in names:
            for what, unit, units, run, limit in make(name, options.size):
                if options.only and not any(word in what for word in options.only):
                    continue
                run()
                ours, bottom = [], []
                for _ in range(options.rounds):
                    ours.append(timed(run))
                    bottom.append(limit())
                ratio = min(ours) / min(bottom)
                print(
                    f"{what:40} median {duration(statistics.median(ours) / units):>8}  "
                    f"best {duration(min(ours) / units):>8} a {unit:8} {ratio:7.2f} x plain C",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
