"""Tasks of the monitor: a generated capture to records, beside tshark's dissection to fields and `cat` of the file.

Every entry is a process of its own, read from the page cache, on one core.  "dicomwire" takes every record in a loop
of Python and looks at six of its fields, timed without the imports; "dicomwire monitor" is the command, timed as tshark
is: from its start to its end.  Memory is the peak of the process (VmHWM).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from benchmarks import captures
from benchmarks.compare.child import environment
from benchmarks.compare.runner import Entry, Goal, Task
from benchmarks.compare.storage_results import memory_kb
from benchmarks.workloads import ROOT

TSHARK = "-T fields -E occurrence=a -e frame.number -e dicom.pdu.type -e dicom.pdv.flags"
SAMPLING_S = 0.02
COUNTED = ("associations", "transactions", "statuses", "pending", "request_data_set_bytes", "response_data_set_bytes")
LEAST_MB_S = {"monitor-store": 1000, "monitor-1500": 700}
LEAST_PACKETS_S, AIM_PACKETS_S = 1_200_000, 2_000_000
MOST_MB = 100


def timed(command: Sequence[str], entry: Entry, *, output: bool) -> tuple[int, bytes]:
    """Run a command; return nanoseconds from start to end and its output; the peak of its memory goes to the entry."""
    start = time.perf_counter_ns()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE if output else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        cwd=ROOT,
    ) as process:
        said, peak = b"", 0
        while True:
            with suppress(OSError, ValueError):  # it has just ended
                peak = max(peak, memory_kb(process.pid, "VmHWM"))
            try:
                said, _ = process.communicate(timeout=SAMPLING_S)
                break
            except subprocess.TimeoutExpired:
                continue
        taken = time.perf_counter_ns() - start
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    if peak:
        entry.memory["MB peak"] = max(peak / 1e3, entry.memory.get("MB peak", 0.0))
    return taken, said or b""


def differences(found: dict[str, Any], expected: dict[str, Any], names: Sequence[str]) -> str:
    wrong = [f"{name} {found.get(name)} for {expected[name]}" for name in names if found.get(name) != expected[name]]
    return "DIFFERENT: " + "; ".join(wrong) if wrong else "equal"


def own(made: captures.Capture) -> Entry:
    entry = Entry("dicomwire", "own", lambda: 0, toolkit="dicomwire", own_clock=True, waits=True)
    last: dict[str, Any] = {}

    def run() -> int:
        command = [sys.executable, "-m", "benchmarks.compare.monitor_peer", made.path]
        done = subprocess.run(command, capture_output=True, env=environment(), cwd=ROOT, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
        last.update(json.loads(done.stdout))
        entry.memory["MB peak"] = max(last["peak_kb"] / 1e3, entry.memory.get("MB peak", 0.0))
        taken: int = last["ns"]
        return taken

    entry.run = run
    entry.compare = lambda _: differences(last, made.facts, [*COUNTED, "packets"])
    return entry


def command_line(made: captures.Capture) -> Entry:
    entry = Entry("dicomwire monitor --json", "own", lambda: 0, toolkit="dicomwire", own_clock=True, waits=True)
    command = [sys.executable, "-m", "dicomwire", "monitor", made.path, "--json"]
    entry.run = lambda: timed(command, entry, output=False)[0]

    def compare(_: object) -> str:
        kinds: Counter[str] = Counter()
        methods: Counter[str] = Counter()
        for line in timed(command, entry, output=True)[1].splitlines():
            record = json.loads(line)
            kinds[record["record"]] += 1
            if record["record"] == "transaction":
                methods[record["method"]] += 1
        found = {"associations": kinds["association"], "transactions": dict(methods)}
        return differences(found, made.facts, ["associations", "transactions"])

    entry.compare = compare
    return entry


def tshark_version() -> str:
    done = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout)
    return found[0] if found else ""


def tshark(made: captures.Capture) -> Entry:
    entry = Entry("tshark", "peer", lambda: 0, toolkit="tshark", own_clock=True, waits=True)
    entry.version = tshark_version()
    entry.how = TSHARK
    command = ["tshark", "-r", made.path, *TSHARK.split()]
    entry.run = lambda: timed(command, entry, output=False)[0]

    def compare(_: object) -> str:
        pdus: Counter[str] = Counter()
        fragments = 0
        for line in timed(command, entry, output=True)[1].decode().splitlines():
            cells = line.split("\t")
            if cells[0].isdigit():
                pdus.update(str(int(kind, 0)) for kind in cells[1].split(",") if kind)
                fragments += sum(map(bool, cells[2].split(",")))
        return differences({"pdus": dict(pdus), "fragments": fragments}, made.facts, ["pdus", "fragments"])

    entry.compare = compare
    return entry


def judge(task: Task) -> list[str]:
    """`cat` must not be slower than another plain reader."""
    measured = {entry.role: entry for entry in task.entries if entry.wall_ns}
    plain, check = measured.get("limit"), measured.get("check")
    if plain is None or check is None:
        return ["cat or its check was not measured"]
    if plain.best_ns > 1.5 * check.best_ns:
        return [f"cat takes {plain.best_ns / check.best_ns:.1f} times as long as dd"]
    return []


def reader(label: str, role: str, command: list[str]) -> Entry:
    entry = Entry(label, role, lambda: 0, own_clock=True, waits=True)
    entry.run = lambda: timed(command, entry, output=False)[0]
    return entry


def monitor_task(
    name: str, title: str, size: str, names: Sequence[str], goals: list[Goal], *, by_packets: bool = False
) -> Task:
    made = captures.capture(name, size)
    entries, notes = [own(made), command_line(made)], []
    if names and "tshark" not in names:
        notes.append("tshark is left out: not asked for")
    elif shutil.which("tshark"):
        entries.append(tshark(made))
    else:
        notes.append("tshark is left out: not installed")
    entries += [
        reader("cat", "limit", ["cat", made.path]),
        reader("dd", "check", ["dd", f"if={made.path}", "of=/dev/null", "bs=1M"]),
    ]
    return Task(
        name=name,
        title=f"{title}: {made.packets:,} packets, {made.size / 1e6:,.0f} MB, "
        f"{sum(made.facts['transactions'].values()):,} transactions of {made.facts['associations']:,} associations",
        unit="packet" if by_packets else "MB",
        units=made.packets if by_packets else round(made.size / 1e6),
        entries=entries,
        goals=[*goals, Goal("MB peak", MOST_MB)],
        notes=[*notes, *(f"{entry.label}: {entry.how}" for entry in entries if entry.how)],
        verdict=judge,
        reference="tshark",
        size_bytes=made.size,
    )


def monitor_store(size: str, names: list[str]) -> Task:
    goals = [Goal("tshark", 8), Goal("per second", LEAST_MB_S["monitor-store"]), Goal("limit", 0.5)]
    return monitor_task("monitor-store", "C-STOREs in segments of 60 kB", size, names, goals)


def monitor_1500(size: str, names: list[str]) -> Task:
    goals = [Goal("tshark", 8), Goal("per second", LEAST_MB_S["monitor-1500"]), Goal("limit", 0.5)]
    return monitor_task("monitor-1500", "C-STOREs in packets of 1,500 bytes", size, names, goals)


def monitor_small(size: str, names: list[str]) -> Task:
    goals = [Goal("tshark", 8), Goal("per second", LEAST_PACKETS_S, AIM_PACKETS_S)]
    return monitor_task("monitor-small", "C-ECHO and C-FIND", size, names, goals, by_packets=True)


TASKS: dict[str, Callable[[str, list[str]], Task]] = {
    "monitor-store": monitor_store,
    "monitor-1500": monitor_1500,
    "monitor-small": monitor_small,
}
