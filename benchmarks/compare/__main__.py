"""dicomwire beside other toolkits and plain C: the same files, in alternation, answers checked.

`python -m benchmarks.compare` prints a Markdown table for each task and writes build/compare.json.  A
toolkit that is not installed is left out and named.  Slow toolkits run fewer rounds, see runner.py; on a
long report they run a smaller one, see tasks.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

from benchmarks.compare import child, report
from benchmarks.compare.adapters import Toolkit, adapters
from benchmarks.compare.runner import measure, say
from benchmarks.compare.tasks import TASKS, Context
from benchmarks.workloads import ROOT
from benchmarks.yardsticks.checks import check_reading

ROUNDS = {"S": 5, "M": 7, "L": 9}


def load_toolkits(names: list[str]) -> tuple[list[Toolkit], list[str]]:
    """Return the usable toolkits, and a line for each one left out."""
    toolkits, absent = [], []
    for adapter in adapters():
        if names and adapter.name not in names:
            continue
        reason = adapter.unavailable()
        if reason is None:
            toolkits.append(adapter())
        elif not adapter.variant:
            absent.append(f"{adapter.name}: {reason}")
    return toolkits, absent


def import_table(toolkits: list[Toolkit], rounds: int) -> tuple[str, dict[str, dict[str, float]]]:
    """Return the table of import times in fresh processes."""
    modules = list(dict.fromkeys(toolkit.module for toolkit in toolkits))
    times = child.import_times(modules, rounds)
    lines = ["### import", "", f"`import` in a fresh process, {rounds} rounds in alternation.", ""]
    lines += ["| toolkit | median | best | imports NumPy |", "|---|---:|---:|---|"]
    for module, facts in sorted(times.items(), key=lambda pair: pair[1]["median_ms"]):
        numpy = "yes" if facts["imports_numpy"] else "no"
        lines.append(f"| {module} | {facts['median_ms']:.1f} ms | {facts['best_ms']:.1f} ms | {numpy} |")
    return "\n".join(lines) + "\n", times


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="M", choices=list(ROUNDS))
    parser.add_argument("--tasks", nargs="*", default=[*TASKS, "import"], choices=[*TASKS, "import"], metavar="TASK")
    parser.add_argument("--toolkits", nargs="*", default=[], metavar="NAME", help="default: all that are installed")
    parser.add_argument("--rounds", type=int, help="rounds after the warm-up (default 5, 7 or 9 by size)")
    parser.add_argument("--clock", default="wall", choices=["wall", "cpu"], help="cpu: on a busy machine")
    parser.add_argument("--full", action="store_true", help="slow toolkits run the whole report too")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "compare.json", metavar="FILE")
    options = parser.parse_args(arguments)
    rounds = options.rounds or ROUNDS[options.size]
    names = list(dict.fromkeys([*options.toolkits, "pydicom"])) if options.toolkits else []

    warnings.simplefilter("ignore")  # of toolkits about real files; they are not what is measured
    started = time.time()
    toolkits, absent = load_toolkits(names)
    facts = report.machine()
    print(f"# Comparison, size {options.size}, {rounds} rounds, {options.clock} time, {time.strftime('%Y-%m-%d')}\n")
    print(f"`{report.command()}`\n")
    print("\n".join(f"- {key}: {value}" for key, value in facts.items()))
    versions = dict.fromkeys(f"{toolkit.name} {toolkit.version()}" for toolkit in toolkits)
    print(f"- toolkits: {', '.join(versions)}")
    print("\n".join(f"- left out: {line}" for line in absent) + ("\n" if absent else ""))

    context = Context(size=options.size, toolkits=toolkits, full=options.full, names=options.toolkits)
    reading = check_reading(options.size)
    print(reading.line() + "\n")
    results = []
    for name in options.tasks:
        if name not in TASKS:
            continue
        task = TASKS[name](context)
        try:
            measure(task, rounds, options.clock)
        finally:
            if task.close is not None:
                task.close()
        print(report.table(task), flush=True)
        results.append(report.as_json(task))
    imports: dict[str, dict[str, float]] = {}
    if "import" in options.tasks:
        text, imports = import_table(toolkits, max(rounds, 5))
        print(text)
    say(f"{time.time() - started:.0f} s in all")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "command": report.command(),
        "size": options.size,
        "rounds": rounds,
        "clock": options.clock,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(started)),
        "seconds": time.time() - started,
        "machine": facts,
        "left_out": absent,
        "reading": reading.facts,
        "tasks": results,
        "import": imports,
        "facts": context.facts,
    }
    options.json.write_text(json.dumps(document, indent=1))
    return 1 if any(_wrong(entry) for task in results for entry in task["entries"]) else 0


def _wrong(entry: dict[str, object]) -> bool:
    """Return whether dicomwire itself failed or answered otherwise than the reference."""
    return entry["role"] == "own" and (bool(entry["error"]) or str(entry["answer"]).startswith("DIFFERENT"))


if __name__ == "__main__":
    sys.exit(main())
