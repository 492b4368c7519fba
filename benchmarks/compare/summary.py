"""The short table of a comparison, from its JSON, for the documentation.

    python -m benchmarks.compare.summary [build/compare.json]                       print it
    python -m benchmarks.compare.summary [build/compare.json] --write docs/benchmarks.md

`--write` replaces what stands between the two marker lines of a document, so that every figure there comes from
a run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.compare.report import duration
from benchmarks.workloads import ROOT

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

Entry = dict[str, Any]


def fastest(entries: list[Entry], role: str, *, default_use: bool = False, toolkit: str = "") -> Entry | None:
    """Return the fastest measured entry of a role whose answers are right."""
    fit = [
        entry
        for entry in entries
        if entry["role"] == role
        and entry["median_ns_per_unit"] is not None
        and not entry["answer"].startswith("DIFFERENT")
        and not (default_use and entry["variant"])
        and toolkit in ("", entry["toolkit"])
    ]
    return min(fit, key=lambda entry: entry["median_ns_per_unit"], default=None)


def cell(entry: Entry | None, own: Entry | None, *, named: bool = True) -> str:
    """Return an entry's name and time, and how many times as long as ours it is."""
    if entry is None:
        return "-"
    text = duration(entry["median_ns_per_unit"])
    if named:
        text = f"{entry['label']}: {text}"
    if own is not None and own is not entry:
        ratio = entry["median_ns_per_unit"] / own["median_ns_per_unit"]
        text += f" ({ratio:.0f}x)" if ratio >= 20 else f" ({ratio:.2g}x)"
    return text + (" (busy)" if entry["busy"] else "")


def summary(document: dict[str, Any]) -> str:
    """Return the Markdown of a comparison: machine, one row for each task, goals, memory, import times."""
    machine = document["machine"]
    lines = [
        f"Measured {document['started'][:10]} by `{document['command']}`: {document['rounds']} rounds in "
        f"alternation, {document['clock']} time, medians; {machine['processor']}, {machine['cores']} cores, "
        f"{machine.get('memory', '?')}, {machine['system']}, {machine['python']}, {machine['compiler']}.",
        "",
        "In brackets: how many times as long as dicomwire; busy: the machine was, the time is too long.",
        "",
        "| task | per | dicomwire | fastest peer | fastest in default use | pydicom | plain C |",
        "|---|---|---|---|---|---|---|",
    ]
    goals = []
    for task in document["tasks"]:
        entries = task["entries"]
        own = fastest(entries, "own")
        limit = cell(fastest(entries, "limit"), own, named=False)
        lines.append(
            f"| {task['name']} | {task['unit']} | {cell(own, None, named=False)} "
            f"| {cell(fastest(entries, 'peer'), own)} | {cell(fastest(entries, 'peer', default_use=True), own)} "
            f"| {cell(fastest(entries, 'peer', default_use=True, toolkit='pydicom'), own, named=False)} "
            f"| {'void' if task['void'] else limit} |"
        )
        goals += [f"- {task['name']}: {goal['result']}" for goal in task["goals"]]
    versions = {e["toolkit"]: e["version"] for task in document["tasks"] for e in task["entries"] if e["version"]}
    lines += ["", "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".", ""]
    lines += ["Goals:", "", *goals, ""]
    for name, memory in document["facts"].items():
        if name.startswith("memory "):
            parts = [
                f"{label} {facts['peak_kb'] / 1024:.0f} MB" for label, facts in memory.items() if "peak_kb" in facts
            ]
            lines += [f"Peak memory of a fresh process, {name[7:]}: {', '.join(parts)}.", ""]
    if document["import"]:
        parts = [f"{module} {facts['median_ms']:.1f} ms" for module, facts in document["import"].items()]
        lines += [f"Import: {', '.join(parts)}.", ""]
    scaled = {note for task in document["tasks"] for note in task["notes"] if note.startswith("[scaled]")}
    return "\n".join([*lines, *sorted(scaled)]).rstrip() + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare.summary", description=__doc__.split("\n")[0])
    parser.add_argument("json", nargs="?", type=Path, default=ROOT / "build" / "compare.json")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT")
    options = parser.parse_args(arguments)
    text = summary(json.loads(options.json.read_text()))
    if options.write is None:
        print(text, end="")
        return 0
    document = options.write.read_text()
    if document.count(BEGIN) != 1 or document.count(END) != 1:
        print(f"{options.write} has not one {BEGIN} and one {END}", file=sys.stderr)
        return 1
    head, rest = document.split(BEGIN)
    tail = rest.split(END)[1]
    options.write.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
