"""Start-up times: `import dicomwire` and `dicomwire dump` of a small file, each in fresh processes.

    python benchmarks/bench_import.py [--rounds 15]

Exit status 1 if a median is over its goal, or if the import loads NumPy.  The bare interpreter runs in alternation;
its own time is told, not taken off.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import workloads  # noqa: E402

IMPORT_GOAL_MS = 40
DUMP_GOAL_MS = 100
IMPORT = (
    "import sys, time; start = time.perf_counter_ns(); import dicomwire; "
    "print(time.perf_counter_ns() - start, sorted({'numpy', 'asyncio', 'inspect'} & set(sys.modules)))"
)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(path for path in sys.path if path))}


def run(arguments: list[str]) -> tuple[float, str]:
    """Return the milliseconds of a whole process, and what it has printed."""
    start = time.perf_counter_ns()
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment(),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = (time.perf_counter_ns() - start) / 1e6
    if done.returncode != 0:
        raise RuntimeError(f"{arguments}: exit {done.returncode}\n{done.stderr}")
    return taken, done.stdout


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/bench_import.py", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(arguments)
    small = workloads.corpus("ct-explicit-le", "XS").paths[0]
    bare, imports, dumps, loaded = [], [], [], "[]"
    for number in range(options.rounds + 1):
        nothing, _ = run(["-c", "pass"])
        _, printed = run(["-c", IMPORT])
        dump, text = run(["-m", "dicomwire", "dump", small])
        nanoseconds, loaded = printed.split(maxsplit=1)
        if len(text.splitlines()) < 200:
            raise RuntimeError(f"dump printed {len(text.splitlines())} lines for a file of 207 elements")
        if number:  # the first round warms up: bytecode caches, page cache
            bare.append(nothing)
            imports.append(int(nanoseconds) / 1e6)
            dumps.append(dump)
    failed = 0
    print(f"bare interpreter       median {statistics.median(bare):6.1f} ms  best {min(bare):6.1f} ms")
    for what, times, goal in (
        ("import dicomwire", imports, IMPORT_GOAL_MS),
        ("dicomwire dump, whole", dumps, DUMP_GOAL_MS),
    ):
        median = statistics.median(times)
        word = "reached" if median < goal else "MISSED"
        failed += median >= goal
        print(f"{what:22} median {median:6.1f} ms  best {min(times):6.1f} ms  goal under {goal} ms: {word}")
    print(f"loaded by the import, of NumPy, asyncio, inspect: {loaded.strip()}")
    if "numpy" in loaded:
        print("the import loads NumPy")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
