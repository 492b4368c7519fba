"""Tasks of writing: one element of a file changed, and a report built from nothing.

An entry writes to new names in an empty folder of the file system that the files are on.  Emptying it is not timed, and
what came out is read by pydicom after the first run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import workloads, yardsticks
from benchmarks.compare.runner import Entry, Goal, Task

if TYPE_CHECKING:
    from benchmarks.compare.adapters import Toolkit
    from benchmarks.compare.tasks import Context

EDITED_FILES = {"XS": 2, "S": 20, "M": 100, "L": 200}
LARGE_FRAMES = {"XS": 2, "S": 100, "M": 952, "L": 952}  # 500 MB at size M
REPORT_ITEMS = {"XS": 50, "S": 2_000, "M": 50_000, "L": 50_000}
SLOW_ITEMS = 2_000  # of the report that a toolkit builds which would need long for all of it
PEAK_MB = 60  # of a process that edits the large file
_PEAK = """
import sys
from dicomwire import dcmread
ds = dcmread(sys.argv[1])
ds.PatientID = "EDITED"
ds.save_as(sys.argv[2])
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def report_of(data_set: Callable[[], Any], items: int) -> Any:
    """A structured report of measurements, made by attributes as a program makes it (PS3.16 TID 300)."""

    def code(value: str, scheme: str, meaning: str) -> Any:
        made = data_set()
        made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
        return made

    content = []
    for number in range(items):
        item, measured = data_set(), data_set()
        item.RelationshipType, item.ValueType = "CONTAINS", "NUM"
        item.ConceptNameCodeSequence = [code("121206", "DCM", "Distance")]
        measured.NumericValue = str(number / 8)
        measured.MeasurementUnitsCodeSequence = [code("mm", "UCUM", "millimeter")]
        item.MeasuredValueSequence = [measured]
        content.append(item)
    report = data_set()
    report.SOPClassUID, report.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.3.4"
    report.PatientName, report.PatientID, report.Modality = "Doe^John", "12345", "SR"
    report.ContentSequence = content
    return report


class Folder:
    """A folder that is emptied before each run, and gone when the task ends."""

    def __init__(self, beside: str) -> None:
        self.path = tempfile.mkdtemp(prefix="written-", dir=beside)

    def names(self, count: int, form: str = "{:05}.dcm") -> list[str]:
        return [os.path.join(self.path, form.format(number)) for number in range(count)]

    def empty(self) -> None:
        for name in os.listdir(self.path):
            os.remove(os.path.join(self.path, name))

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def clocked(folder: Folder, work: Callable[[], object]) -> Callable[[], int]:
    """The work with its own clock, which does not run while the folder is emptied."""

    def run() -> int:
        folder.empty()
        start = time.perf_counter_ns()
        result = work()
        taken = time.perf_counter_ns() - start
        return result if isinstance(result, int) else taken

    return run


def entry(toolkit: Toolkit, run: Callable[[], int], compare: Callable[[Any], str]) -> Entry:
    return Entry(
        label=toolkit.label,
        role="own" if toolkit.name == "dicomwire" else "peer",
        run=run,
        version=toolkit.version(),
        how="read, set PatientID, write",
        toolkit=toolkit.name,
        variant=toolkit.variant,
        compare=compare,
        own_clock=True,
    )


def edited(path: str, target: str) -> str:
    """Whether a file is another one with its PatientID changed: all values and the bytes of pixel data."""
    import pydicom

    before, after = pydicom.dcmread(path), pydicom.dcmread(target)
    if after.PatientID != "EDITED":
        return f"DIFFERENT: PatientID of {target}"
    for tag in before.keys() | after.keys():
        if tag in (0x00100020, 0x7FE00010):
            continue
        if tag not in before or tag not in after or before[tag].value != after[tag].value:
            return f"DIFFERENT: {tag}"
    same = hashlib.sha256(before.PixelData).digest() == hashlib.sha256(after.PixelData).digest()
    return "equal" if same else "DIFFERENT: pixel data"


def edit_task(context: Context) -> Task:
    """One element of CT files, against a plain C copy with a temporary name and a rename."""
    corpus = workloads.corpus("ct-explicit-le", context.size)
    paths = corpus.paths[: EDITED_FILES[context.size]]
    folder = Folder(str(Path(paths[0]).parents[1]))
    targets = folder.names(len(paths))
    library = yardsticks.library()
    names = [yardsticks.PathList(part) for part in (paths, folder.names(len(paths), ".{:05}.part"), targets)]

    def work(toolkit: Toolkit) -> None:
        for path, target in zip(paths, targets, strict=True):
            toolkit.edit(path, target)

    def check(_: Any) -> str:
        words = [edited(path, target) for path, target in zip(paths[::7], targets[::7], strict=True)]
        return next((word for word in words if word != "equal"), "equal")

    def in_python() -> None:
        for path, target in zip(paths, targets, strict=True):
            with open(path, "rb", buffering=0) as source, open(target + ".part", "xb", buffering=0) as copy:
                copy.write(source.read())
            os.rename(target + ".part", target)

    entries = [entry(t, clocked(folder, lambda t=t: work(t)), check) for t in context.doing("edit")]
    entries.append(Entry("C read + write + rename", "limit", clocked(folder, lambda: library.copy_files(*names)),
                         own_clock=True))  # fmt: skip
    entries.append(Entry("Python read + write + rename", "check", clocked(folder, in_python), own_clock=True))

    def judge(task: Task) -> list[str]:
        plain, python = (one for one in task.entries if one.role in ("limit", "check"))
        return ["plain C copies slower than Python does"] if plain.best_ns > 1.25 * python.best_ns else []

    return Task(
        name="edit ct",
        title=f"read a CT file, change one element, write it to a new name, {len(paths)} files of "
        f"{os.path.getsize(paths[0]) / 1e3:.0f} kB",
        unit="file",
        units=len(paths),
        entries=entries,
        goals=[Goal("limit", 0.8), Goal("best peer", 1), Goal("pydicom", 10)],
        verdict=judge,
        close=folder.remove,
    )


def edit_large_task(context: Context) -> Task:
    """One element of a file of pixel data, against cp; and the peak memory of a process that does it."""
    corpus = workloads.corpus("enhanced-known", context.size, frames=LARGE_FRAMES[context.size])
    folder = Folder(str(Path(corpus.path).parent))
    (target,) = folder.names(1)

    def check(_: Any) -> str:
        import pydicom

        before, after = os.path.getsize(corpus.path), os.path.getsize(target)
        found = pydicom.dcmread(target, stop_before_pixels=True)
        with open(corpus.path, "rb") as one, open(target, "rb") as other:
            one.seek(before - corpus.total_bytes + corpus.header_bytes)
            other.seek(after - corpus.total_bytes + corpus.header_bytes)
            while piece := one.read(1 << 20):
                if piece != other.read(1 << 20):
                    return "DIFFERENT: pixel data"
        return "equal" if found.PatientID == "EDITED" else "DIFFERENT: PatientID"

    def copied() -> None:
        subprocess.run(["cp", "--reflink=never", corpus.path, target], check=True)

    folder.empty()
    command = [sys.executable, "-c", _PEAK, corpus.path, target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    peak = f"{int(done.stdout) / 1024:.0f} MB" if done.returncode == 0 else done.stderr[-200:]
    all_of_them = context.size in ("XS", "S") or context.full
    toolkits = [t for t in context.doing("edit") if t.name == "dicomwire" or all_of_them]
    return Task(
        name="edit large",
        title=f"read an enhanced CT of {corpus.total_bytes / 1e6:.0f} MB, change one element, write it to a new name",
        unit="file",
        units=1,
        entries=[
            *(entry(t, clocked(folder, lambda t=t: t.edit(corpus.path, target)), check) for t in toolkits),
            Entry("cp --reflink=never", "limit", clocked(folder, copied), own_clock=True),
        ],
        goals=[Goal("limit", 0.7)],
        notes=[f"Peak memory of a process that does it: {peak}; at most {PEAK_MB} MB are wanted."],
        close=folder.remove,
    )


def report_task(context: Context) -> Task:
    """A structured report from nothing; a slow toolkit makes a part of it, scaled up."""
    items = REPORT_ITEMS[context.size]
    folder = Folder(str(Path(workloads.corpus("ct-explicit-le", "XS").paths[0]).parents[1]))
    (target,) = folder.names(1)
    entries = []
    for toolkit in context.doing("report"):
        count = items if toolkit.name == "dicomwire" or context.full else min(items, SLOW_ITEMS)

        def check(_: Any, count: int = count) -> str:
            import pydicom

            found = pydicom.dcmread(target)
            last = found.ContentSequence[count - 1]
            value = last.MeasuredValueSequence[0].NumericValue
            units = last.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue
            right = len(found.ContentSequence) == count and float(value) == (count - 1) / 8 and units == "mm"
            return "equal" if right else "DIFFERENT: the last item"

        made = entry(toolkit, clocked(folder, lambda t=toolkit, n=count: t.report(n, target)), check)
        made.how = "data sets by attributes, sequences as lists; write"
        made.scale = items / count
        entries.append(made)
    return Task(
        name="build report",
        title=f"make a structured report of {items:,} measurements with codes, and write it",
        unit="item",
        units=items,
        entries=entries,
        goals=[Goal("pydicom", 10)],
        notes=[f"pydicom makes {SLOW_ITEMS:,} measurements at most, scaled up."],
        close=folder.remove,
    )


TASKS: dict[str, Callable[[Context], Task]] = {
    "edit-ct": edit_task,
    "edit-large": edit_large_task,
    "build-report": report_task,
}
