"""What has to happen in a process of its own: peak memory, import times, and files that may crash a toolkit.

    python -m benchmarks.compare.child nested LABEL PATH FRAME     JSON: values, milliseconds, memory in kB
    python -m benchmarks.compare.child probe LABEL                 paths on stdin; one line a file on stdout

`peak_kb` is VmHWM of /proc/self/status: the peak of this program image, without what the parent had.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.workloads import ROOT

PROBE_SECONDS = 60


def status_kb(field: str) -> int:
    """Return a memory figure of this process, in kB, from /proc/self/status (Linux)."""
    with open("/proc/self/status") as stream:
        for line in stream:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise ValueError(f"no {field} in /proc/self/status")


def environment() -> dict[str, str]:
    """Return the environment of a child that finds the same modules as this process."""
    paths = [str(ROOT), *[path for path in sys.path if path]]
    return os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def run(arguments: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.compare.child", *arguments]
    return subprocess.run(command, env=environment(), cwd=ROOT, text=True, capture_output=True, check=False, **options)


# ----------------------------------------------------------------------------------------- in the parent


def nested_memory(label: str, path: str, frame: int) -> dict[str, Any]:
    """Return what a fresh process reports that opens the enhanced file and reads one nested value."""
    done = run(["nested", label, path, str(frame)])
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [""]
        return {"error": f"exit {done.returncode}: {last[0]}"[:200]}
    return dict(json.loads(done.stdout))


def bare_memory() -> int:
    """Return the peak memory, in kB, of an interpreter that does nothing else than report it."""
    done = run(["bare"])
    return int(done.stdout)


def import_times(modules: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    """Return median and best milliseconds of importing each module in fresh processes, in alternation."""
    program = (
        "import sys, time\n"
        "start = time.perf_counter_ns()\n"
        "__import__(sys.argv[1])\n"
        "print(time.perf_counter_ns() - start, 'numpy' in sys.modules)\n"
    )
    times: dict[str, list[int]] = {module: [] for module in modules}
    numpy: dict[str, bool] = {}
    for number in range(rounds + 1):
        for module in modules:
            done = subprocess.run(
                [sys.executable, "-c", program, module],
                env=environment(),
                cwd=ROOT,
                text=True,
                capture_output=True,
                check=True,
            )
            nanoseconds, with_numpy = done.stdout.split()
            numpy[module] = with_numpy == "True"
            if number:  # the first round warms the page cache up
                times[module].append(int(nanoseconds))
    return {
        module: {
            "median_ms": statistics.median(taken) / 1e6,
            "best_ms": min(taken) / 1e6,
            "imports_numpy": numpy[module],
        }
        for module, taken in times.items()
    }


def probe(label: str, paths: Sequence[str]) -> dict[str, str]:
    """Return for each path "ok N" (N values), an error, or the signal that killed a process of its own."""
    results: dict[str, str] = {}
    waiting = list(paths)
    while waiting:
        try:
            done = run(["probe", label], input="\n".join(waiting), timeout=PROBE_SECONDS)
            output, ending = done.stdout, f"CRASH: exit {done.returncode}"
        except subprocess.TimeoutExpired as late:
            partial = late.stdout or b""
            output = partial.decode() if isinstance(partial, bytes) else partial
            ending = f"HANG: more than {PROBE_SECONDS} s"
        lines = output.splitlines()
        for path, line in zip(waiting, lines, strict=False):
            results[path] = line
        waiting = waiting[len(lines) :]
        if waiting:
            results[waiting.pop(0)] = ending
    return results


# ----------------------------------------------------------------------------------------- in the child


def _toolkit(label: str) -> Any:
    import importlib

    from benchmarks.compare.adapters import find

    cls = find(label)
    start = time.perf_counter_ns()
    importlib.import_module(cls.module)
    taken = time.perf_counter_ns() - start
    return cls(), taken


def main(arguments: list[str]) -> int:
    mode, *rest = arguments
    if mode == "bare":
        print(status_kb("VmHWM"))
        return 0
    toolkit, import_ns = _toolkit(rest[0])
    if mode == "nested":
        before = status_kb("VmHWM")
        start = time.perf_counter_ns()
        values = toolkit.nested(rest[1], int(rest[2]))
        taken = time.perf_counter_ns() - start
        facts = {
            "values": [float(value) for value in values],
            "first_call_ms": taken / 1e6,
            "import_ms": import_ns / 1e6,
            "before_kb": before,
            "peak_kb": status_kb("VmHWM"),
        }
        print(json.dumps(facts))
        return 0
    if mode == "probe":
        import warnings

        warnings.simplefilter("ignore")
        for path in sys.stdin.read().splitlines():
            try:
                print(f"ok {len(toolkit.all_values(path))}", flush=True)
            except Exception as error:  # noqa: BLE001 - the error is the result
                print(f"error {type(error).__name__}", flush=True)
        return 0
    print(f"unknown mode {mode!r}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
