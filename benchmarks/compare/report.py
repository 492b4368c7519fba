"""Tables of measured tasks, for people (Markdown) and for programs (JSON)."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.compare.runner import MEMORY, Entry, Goal, Task

BUSY = 1.25  # wall time over CPU time from which a row is marked


def machine() -> dict[str, str]:
    """Return what the figures depend on: processor, cores, memory, kernel, Python, compiler."""
    facts = {
        "processor": platform.processor() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        facts["processor"] = names[0] if names else facts["processor"]
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        facts["memory"] = f"{int(meminfo.read_text().split()[1]) / 2**20:.0f} GiB"
    done = subprocess.run([os.environ.get("CC", "cc"), "--version"], capture_output=True, text=True, check=False)
    facts["compiler"] = done.stdout.splitlines()[0] if done.returncode == 0 else "none"
    return facts


def command() -> str:
    """Return the command line that leads to the same run."""
    return " ".join(["python -m benchmarks.compare", *sys.argv[1:]])


def duration(ns: float) -> str:
    """Return nanoseconds in a unit that leaves three significant digits."""
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "us"), (1e9, 1e6, "ms")):
        if ns < limit:
            return f"{ns / divisor:.3g} {unit}"
    return f"{ns / 1e9:.3g} s"


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}"


def is_busy(entry: Entry) -> bool:
    """Return whether an entry's wall time is far above its CPU time, so that it cannot be trusted."""
    return bool(entry.wall_ns) and entry.clock == "wall" and not entry.waits and entry.busy > BUSY


def measured(task: Task) -> list[Entry]:
    return [entry for entry in task.entries if entry.wall_ns]


def best_peer(task: Task, *, default_use: bool = False) -> Entry | None:
    """Return the fastest peer with right answers, of all variants or of default use only."""
    peers = [
        entry
        for entry in measured(task)
        if entry.role == "peer" and not entry.answer.startswith("DIFFERENT") and not (default_use and entry.variant)
    ]
    return min(peers, key=lambda entry: entry.median_ns, default=None)


def limit(task: Task) -> Entry | None:
    return next((entry for entry in measured(task) if entry.role == "limit"), None)


def own(task: Task) -> Entry | None:
    """Return dicomwire's fastest entry."""
    return min((e for e in measured(task) if e.role == "own"), key=lambda e: e.median_ns, default=None)


def fastest_of(task: Task, *toolkits: str) -> Entry | None:
    """Return the fastest entry of some toolkits in default use."""
    rows = [entry for entry in measured(task) if entry.toolkit in toolkits and not entry.variant]
    return min(rows, key=lambda entry: entry.median_ns, default=None)


def goal_line(task: Task, goal: Goal, void: list[str]) -> str:
    """Return one line about a goal: what is wanted, what is measured."""
    mine = own(task)
    wanted = f"at least {goal.least:.3g}"
    if goal.against == "ms" or goal.against in MEMORY:
        wanted = f"under {goal.least:g} {goal.against}"
    elif goal.against == "per second":
        wanted = f"at least {goal.least:,.0f}"
    elif goal.aim is not None:
        wanted += f", aim {goal.aim:g}"
    if mine is None:
        return f"goal {goal.against} ({wanted}): dicomwire is not measured"
    if goal.against == "ms":
        taken = mine.median_ns / 1e6
        return f"goal {goal.against} ({wanted}): {taken:.3g} ms, {'reached' if taken < goal.least else 'MISSED'}"
    if goal.against in MEMORY:
        if goal.against not in mine.memory:
            return f"goal {goal.against} ({wanted}): not measured"
        used = mine.memory[goal.against]
        return f"goal {goal.against} ({wanted}): {used:.3g}, {'reached' if used < goal.least else 'MISSED'}"
    if goal.against == "per second":
        rate = task.units * 1e9 / mine.median_ns
        return f"goal {goal.against} ({wanted}): {rate:,.0f}, {'reached' if rate >= goal.least else 'MISSED'}"
    if goal.against in ("best peer", "limit"):
        other = best_peer(task) if goal.against == "best peer" else limit(task)
    else:
        other = fastest_of(task, *goal.against.split(" or "))
    if other is None:
        return f"goal {goal.against} ({wanted}): nothing to compare with"
    ratio = other.median_ns / mine.median_ns
    word = "reached" if ratio >= goal.least else "MISSED"
    if goal.against == "limit" and void:
        word = "VOID, " + "; ".join(void)
    text = f"goal {goal.against} ({wanted}): {_times(ratio)} of {other.label}, {word}"
    if goal.against == "best peer":
        plain = best_peer(task, default_use=True)
        if plain is not None and plain is not other:
            text += f"; {_times(plain.median_ns / mine.median_ns)} of {plain.label}, the fastest in default use"
        bottom = limit(task)
        if bottom is not None and not void:
            text += f"; plain C reaches {_times(other.median_ns / bottom.median_ns)}"
            if plain is not None and plain is not other:
                text += f" and {_times(plain.median_ns / bottom.median_ns)}"
    return text


def table(task: Task) -> str:
    """Return the Markdown table of a task, with its goals and notes."""
    void = task.verdict(task) if task.verdict else []
    peer, reference, bottom = best_peer(task), fastest_of(task, task.reference), limit(task)
    lines = [f"### {task.name}", "", task.title[0].upper() + task.title[1:] + ".", ""]
    rate, line = (" MB/s |", "---:|") if task.size_bytes else ("", "")
    lines.append(
        f"| toolkit | version | per {task.unit} | best |{rate} best peer = 1 | {task.reference} = 1 | C limit = 1 "
        "| answers |"
    )
    lines.append(f"|---|---|---:|---:|{line}---:|---:|---:|---|")
    order = {"own": 0, "peer": 1, "limit": 2, "check": 3}
    rows = sorted(task.entries, key=lambda e: (order[e.role], e.median_ns if e.wall_ns else float("inf")))
    for entry in rows:
        if not entry.wall_ns:
            nothing = "| - " * (6 if task.size_bytes else 5)
            lines.append(f"| {entry.label} | {entry.version} {nothing}| FAILS: {entry.error} |")
            continue
        cells = [
            entry.label,
            entry.version,
            duration(entry.median_ns / task.units),
            duration(entry.best_ns / task.units),
            *([f"{1e3 * task.size_bytes / entry.median_ns:,.0f}"] if task.size_bytes else []),
            _times(peer.median_ns / entry.median_ns) if peer else "-",
            _times(reference.median_ns / entry.median_ns) if reference else "-",
            f"{bottom.median_ns / entry.median_ns:.3g}" if bottom and not void else ("void" if void else "-"),
            "; ".join(filter(None, [entry.answer, *(f"{used:.3g} {unit}" for unit, used in entry.memory.items())]))
            + (" (machine busy)" if is_busy(entry) else ""),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    lines += [f"- {goal_line(task, goal, void)}" for goal in task.goals]
    lines += [f"- limit VOID: {reason}" for reason in void]
    lines += [f"- {note}" if not note.startswith(" ") else f"  - {note.strip()}" for note in task.notes]
    return "\n".join(lines) + "\n"


def as_json(task: Task) -> dict[str, Any]:
    """Return a task with every round's times, for later comparison."""
    void = task.verdict(task) if task.verdict else []
    return {
        "name": task.name,
        "title": task.title,
        "unit": task.unit,
        "units": task.units,
        "bytes": task.size_bytes,
        "void": void,
        "goals": [
            {"against": g.against, "least": g.least, "aim": g.aim, "result": goal_line(task, g, void)}
            for g in task.goals
        ],
        "notes": task.notes,
        "entries": [
            {
                "label": e.label,
                "role": e.role,
                "toolkit": e.toolkit,
                "variant": e.variant,
                "version": e.version,
                "how": e.how,
                "answer": e.answer,
                "error": e.error,
                "scale": e.scale,
                "memory": e.memory,
                "busy": is_busy(e),
                "median_ns_per_unit": e.median_ns / task.units if e.wall_ns else None,
                "best_ns_per_unit": e.best_ns / task.units if e.wall_ns else None,
                "wall_ns": e.wall_ns,
                "cpu_ns": e.cpu_ns,
            }
            for e in task.entries
        ],
    }
