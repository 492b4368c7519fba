"""The tasks: inputs, entries for every toolkit, the plain C limit with its check, and the goals."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from benchmarks import workloads, yardsticks
from benchmarks.compare import (
    child,
    codecs,
    exchange,
    framing,
    hl7,
    monitor,
    monitor_live,
    pictures,
    pixels,
    storage,
    writing,
)
from benchmarks.compare.adapters import Toolkit
from benchmarks.compare.adapters.dicomwire_ import STREAM_CHUNK, Dicomwire
from benchmarks.compare.adapters.pydicom_ import Pydicom
from benchmarks.compare.network import network_task
from benchmarks.compare.normalise import SequenceMark, agreement, text_of
from benchmarks.compare.runner import Entry, Goal, Task, say

WINDOW = 16384
BULK_FRAMES = 200  # 105 MB
SCALED_GROUPS = 200  # 5,001 content items
FULL_LIMIT_S = 6.0  # a toolkit expected to need longer than this for the whole report is measured on the small one


@dataclass
class Context:
    """What tasks need: the size, the toolkits, and what earlier tasks found out."""

    size: str
    toolkits: list[Toolkit]
    full: bool = False
    names: list[str] = field(default_factory=list)  # as asked for; those of the network have no adapter
    facts: dict[str, Any] = field(default_factory=dict)

    def doing(self, task: str) -> list[Toolkit]:
        return [toolkit for toolkit in self.toolkits if task in toolkit.tasks]


def role_of(toolkit: Toolkit) -> str:
    return "own" if toolkit.name == "dicomwire" else "peer"


def entry_for(toolkit: Toolkit, run: Callable[[], Any], compare: Callable[[Any], str] | None) -> Entry:
    return Entry(
        label=toolkit.label,
        role=role_of(toolkit),
        run=run,
        version=toolkit.version(),
        how=toolkit.how,
        toolkit=toolkit.name,
        variant=toolkit.variant,
        compare=compare,
    )


# ----------------------------------------------------------------------------------------- references


def reference_rows(paths: Sequence[str]) -> list[list[str]]:
    """Return pydicom's ten values of each file, normalised."""
    return [[text_of(value) for value in row] for row in Pydicom().header10(paths)]


@lru_cache(maxsize=512)
def reference_values(path: str) -> tuple[str, ...]:
    """Return pydicom's values of a file, nested ones too, normalised."""
    return tuple(
        text_of(SequenceMark(len(element.value))) if element.VR == "SQ" else text_of(element.value)
        for element in Pydicom().elements(path)
    )


def check_rows(toolkit: Toolkit, expected: list[list[str]]) -> Callable[[Any], str]:
    """Return a check of the rows of ten values that a toolkit's result holds."""

    def check(result: Any) -> str:
        rows = [[text_of(value) for value in row] for row in toolkit.rows(result)]
        if len(rows) != len(expected):
            return f"DIFFERENT: {len(rows)} rows instead of {len(expected)}"
        wrong = sum(found != wanted for found, wanted in zip(rows, expected, strict=True))
        return f"DIFFERENT: {wrong} of {len(rows)} rows" if wrong else "equal"

    return check


def check_values(toolkit: Toolkit, paths: Sequence[str]) -> Callable[[Any], str]:
    """Return a check of all values of some files against pydicom's, run on the adapter's untimed answers.

    The timed result is dropped but for its length: it must have as many values as the answers compared.
    """

    def check(_: Any) -> str:
        words = []
        for path in paths:
            answer = [text_of(value) for value in toolkit.answers(path)]
            if len(answer) != len(toolkit.all_values(path)):
                words.append("DIFFERENT: the timed values are not those compared")
            reference = reference_values(path)
            words.append(agreement(reference if toolkit.gives_group_length else reference[1:], answer))
        return next((word for word in words if word.startswith("DIFFERENT")), words[0])

    return check


# ----------------------------------------------------------------------------------------- the C limits


def python_open_read(paths: Sequence[str]) -> None:
    """What Python needs for the system calls alone; the C yardstick must not be slower."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.read(descriptor, WINDOW)
        os.close(descriptor)


def limit_entry(label: str, role: str, run: Callable[[], int]) -> Entry:
    return Entry(label, role, run, own_clock=True)


def file_limits(paths: Sequence[str]) -> list[Entry]:
    """Return the C limit of reading headers, and the two entries that check it."""
    library, names = yardsticks.library(), yardsticks.PathList(paths)

    def in_python() -> int:
        start = time.perf_counter_ns()
        python_open_read(paths)
        return time.perf_counter_ns() - start

    return [
        limit_entry("C open + fstat + read + walk + close", "limit", lambda: library.walk_files(names)[0]),
        limit_entry("C open + read + close", "check", lambda: library.open_read(names)),
        limit_entry("Python os.open + os.read + os.close", "check", in_python),
    ]


def file_verdict(elements: int) -> Callable[[Task], list[str]]:
    """Return the judge of the file yardstick: not slower than Python, a walk below 15 ns an element."""

    def judge(task: Task) -> list[str]:
        walk, bare, python = (entry for entry in task.entries if entry.role in ("limit", "check"))
        reasons = []
        if bare.best_ns > 1.25 * python.best_ns:
            reasons.append("plain C opens and reads slower than Python does")
        per_element = (walk.best_ns - bare.best_ns) / elements
        if per_element > 15:
            reasons.append(f"the walk takes {per_element:.1f} ns an element, more than 15")
        return reasons

    return judge


def memory_limits(path: str, header_bytes: int, total_bytes: int) -> list[Entry]:
    """Return the C limits of one long data set: read + walk, the walk alone, and the checks."""
    library = yardsticks.library()
    with open(path, "rb") as stream:
        data = yardsticks.Buffer(stream.read(header_bytes))
    copy = yardsticks.Buffer(header_bytes)
    beyond = total_bytes - header_bytes
    return [
        limit_entry("C open + read + walk", "limit", lambda: library.load_walk(path, size=header_bytes)[0]),
        limit_entry("C walk in memory", "check", lambda: library.walk_memory(data, beyond=beyond)[0]),
        limit_entry("C memcpy of the same bytes", "check", lambda: library.copy(copy, data)),
    ]


def memory_verdict(header_bytes: int, elements: int) -> Callable[[Task], list[str]]:
    """Return the judge of the memory yardstick: memcpy above 1 GB/s, the walk below 15 ns an element."""

    def judge(task: Task) -> list[str]:
        _, walk, copy = (entry for entry in task.entries if entry.role in ("limit", "check"))
        reasons = []
        if header_bytes / copy.best_ns < 1:
            reasons.append(f"memcpy reaches only {header_bytes / copy.best_ns:.2f} GB/s")
        if walk.best_ns / elements > 15:
            reasons.append(f"the walk takes {walk.best_ns / elements:.1f} ns an element, more than 15")
        return reasons

    return judge


# ----------------------------------------------------------------------------------------- tasks on CT files

HEADER_FILES = {"S": 50, "M": 300, "L": 600}
VALUE_FILES = {"S": 20, "M": 100, "L": 300}


def header_task(context: Context, workload: str) -> Task:
    corpus = workloads.corpus(workload, context.size)
    paths = corpus.paths[: HEADER_FILES[context.size]]
    expected = reference_rows(paths)
    entries = [entry_for(t, lambda t=t: t.header10(paths), check_rows(t, expected)) for t in context.doing("header10")]
    return Task(
        name=f"header10 {workload}",
        title=f"open a file by its header and read ten values, {len(paths)} CT files, {workload[3:]}",
        unit="file",
        units=len(paths),
        entries=entries + file_limits(paths),
        goals=[Goal("best peer", 10, 14), Goal("pydicom", 90)],
        verdict=file_verdict(len(paths) * corpus.header_elements),
    )


def values_task(context: Context, workload: str) -> Task:
    corpus = workloads.corpus(workload, context.size)
    paths = corpus.paths[: VALUE_FILES[context.size]]

    def run(toolkit: Toolkit) -> None:
        for path in paths:
            toolkit.all_values(path)

    entries = [
        entry_for(t, lambda t=t: run(t), check_values(t, paths[:: max(1, len(paths) // 5)]))
        for t in context.doing("all_values")
    ]
    return Task(
        name=f"values {workload}",
        title=f"all {corpus.header_elements} values of a header as Python objects, "
        f"{len(paths)} CT files, {workload[3:]}",
        unit="file",
        units=len(paths),
        entries=entries + file_limits(paths),
        goals=[Goal("best peer", 7, 10), Goal("pydicom", 150)],
        verdict=file_verdict(len(paths) * corpus.header_elements),
    )


def scan_task(context: Context) -> Task:
    corpus = workloads.corpus("ct-explicit-le", context.size)
    paths = corpus.paths
    expected = reference_rows(paths)
    entries = [entry_for(t, lambda t=t: t.scan(paths), check_rows(t, expected)) for t in context.doing("scan")]
    return Task(
        name="scan",
        title=f"ten columns of {len(paths)} CT files, one core",
        unit="file",
        units=len(paths),
        entries=entries + file_limits(paths),
        goals=[Goal("best peer", 12), Goal("limit", 0.6)],
        verdict=file_verdict(len(paths) * corpus.header_elements),
    )


# ----------------------------------------------------------------------------------------- tasks on a report


def report_open_task(context: Context, workload: str) -> Task:
    corpus = workloads.corpus(workload, context.size)
    entries = [entry_for(t, lambda t=t: t.open(corpus.path), None) for t in context.doing("open")]
    known = workload == "sr-known"
    notes = ["Opening is lazy in pydicom (known lengths) and dicomwire, and reads the whole tree elsewhere."]
    if not known:
        for entry in entries:
            if entry.toolkit == "dicomwire":
                entry.run = lambda: Dicomwire().open_whole(corpus.path)
                entry.how = 'dcmread(policy="strict")'
        notes.append('dicomwire opens with policy="strict", so that all of it is walked; by default a part waits.')
    return Task(
        name=f"open {workload}",
        title=f"open a structured report of {corpus.details['content_items']:,} content items, "
        f"{corpus.header_elements:,} elements, {workload[3:]} lengths, {corpus.total_bytes / 1e6:.1f} MB",
        unit="file",
        units=1,
        entries=entries + memory_limits(corpus.path, corpus.header_bytes, corpus.total_bytes),
        goals=[Goal("ms", 0.2)] if known else [Goal("limit", 1 / 3), Goal("ms", 15)],
        notes=notes,
        verdict=memory_verdict(corpus.header_bytes, corpus.header_elements),
    )


def report_values_task(context: Context, workload: str) -> Task:
    """Every value of the report; toolkits too slow for the whole one run 5,001 content items, scaled up."""
    corpus = workloads.corpus(workload, context.size)
    small = corpus
    if corpus.details["parameters"]["groups"] > SCALED_GROUPS:
        small = workloads.corpus(workload, context.size, groups=SCALED_GROUPS)
    factor = corpus.header_elements / small.header_elements
    entries = []
    for toolkit in context.doing("all_values"):
        check = check_values(toolkit, [small.path])
        entry = entry_for(toolkit, lambda t=toolkit: t.all_values(corpus.path), check)
        if factor > 1 and not context.full and _seconds(toolkit, small.path) * factor > FULL_LIMIT_S:
            entry.run = lambda t=toolkit: t.all_values(small.path)
            entry.scale = factor
            entry.label += " [scaled]"
        entries.append(entry)
    notes = []
    if any(entry.scale > 1 for entry in entries):
        notes.append(
            f"[scaled]: measured on {small.details['content_items']:,} content items, "
            f"times {factor:.2f} (the ratio of the element counts)."
        )
    return Task(
        name=f"values {workload}",
        title=f"all values of a structured report of {corpus.details['content_items']:,} content items, "
        f"{corpus.header_elements:,} elements, {workload[3:]} lengths",
        unit="element",
        units=corpus.header_elements,
        entries=entries + memory_limits(corpus.path, corpus.header_bytes, corpus.total_bytes),
        goals=[Goal("best peer", 8, 10), Goal("pydicom", 200)],
        notes=notes,
        verdict=memory_verdict(corpus.header_bytes, corpus.header_elements),
    )


def _seconds(toolkit: Toolkit, path: str) -> float:
    """Return how long a toolkit needs for all values of a file, once; a failing one counts as slow."""
    start = time.perf_counter()
    try:
        toolkit.all_values(path)
    except Exception as error:  # noqa: BLE001 - it will fail again, and be reported, in the measurement
        say(f"  {toolkit.label}: {type(error).__name__}")
        return float("inf")
    return time.perf_counter() - start


# ----------------------------------------------------------------------------------------- streams


def timed_limit(label: str, run: Callable[[], Any]) -> Entry:
    """Return an entry that times a function of ours or of Python as the limit of a task."""

    def clocked() -> int:
        start = time.perf_counter_ns()
        run()
        return time.perf_counter_ns() - start

    return limit_entry(label, "limit", clocked)


def stream_report_task(context: Context) -> Task:
    """The batches of a report that comes in chunks, against the structural index and pydicom's reading."""
    corpus = workloads.corpus("sr-undefined", context.size)
    pydicom, own = Pydicom(), Dicomwire()
    return Task(
        name="stream sr-undefined",
        title=f"all events of a structured report of {corpus.header_elements:,} elements in chunks of 256 KiB",
        unit="element",
        units=corpus.header_elements,
        entries=[
            entry_for(own, lambda: own.streamed(corpus.path), None),
            entry_for(pydicom, lambda: pydicom.open(corpus.path), None),
            timed_limit("dicomwire.dcmread of the same file, all of it", lambda: own.open_whole(corpus.path)),
        ],
        goals=[Goal("limit", 0.5), Goal("pydicom", 40)],
        notes=["The limit is the structural index; events are counted, none becomes an object."],
    )


def stream_bulk_task(context: Context) -> Task:
    """A file of pixel data pulled as events, against reading it into one buffer."""
    corpus = workloads.corpus("enhanced-known", context.size, frames=BULK_FRAMES)
    own = Dicomwire()

    def bare() -> None:
        buffer = bytearray(STREAM_CHUNK)
        with open(corpus.path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    def check(result: Any) -> str:
        pixels = corpus.total_bytes - corpus.header_bytes
        return "equal" if abs(result - pixels) < 64 else f"DIFFERENT: {result} bytes of pixel data, not {pixels}"

    return Task(
        name="stream bulk",
        title=f"all events of an enhanced CT of {corpus.total_bytes / 1e6:.0f} MB, read in chunks of 256 KiB",
        unit="file",
        units=1,
        entries=[
            entry_for(own, lambda: own.pulled(corpus.path), check),
            timed_limit("bare loop of readinto in one buffer", bare),
        ],
        goals=[Goal("limit", 0.8)],
    )


# ----------------------------------------------------------------------------------------- enhanced file


def nested_task(context: Context, workload: str) -> Task:
    corpus = workloads.corpus(workload, context.size)
    frame = corpus.details["frames"] // 2 - 1
    wanted = [text_of(value) for value in Pydicom().nested(corpus.path, frame)]

    def check(result: Any) -> str:
        return "equal" if [text_of(value) for value in result] == wanted else f"DIFFERENT: {result}"

    entries = [entry_for(t, lambda t=t: t.nested(corpus.path, frame), check) for t in context.doing("nested")]
    memory = {
        toolkit.label: child.nested_memory(toolkit.label, corpus.path, frame) for toolkit in context.doing("nested")
    }
    notes = [f"Peak memory of a fresh process (bare interpreter: {child.bare_memory() / 1024:.0f} MB):"]
    for label, facts in memory.items():
        if "error" in facts:
            notes.append(f"  {label}: {facts['error']}")
            continue
        notes.append(
            f"  {label}: {facts['peak_kb'] / 1024:.0f} MB, {facts['before_kb'] / 1024:.0f} MB of it after "
            f"the import; first call {facts['first_call_ms']:.1f} ms"
        )
    context.facts[f"memory {workload}"] = memory
    return Task(
        name=f"nested {workload}",
        title=f"open an enhanced CT of {corpus.details['frames']:,} frames, "
        f"{corpus.total_bytes / 1e6:.0f} MB, {workload[9:]} lengths, and read the position of one frame",
        unit="file",
        units=1,
        entries=entries + memory_limits(corpus.path, corpus.header_bytes, corpus.total_bytes),
        goals=[Goal("best peer", 40), Goal("pydicom", 100)],
        notes=notes,
        verdict=memory_verdict(corpus.header_bytes, corpus.header_elements),
    )


# ----------------------------------------------------------------------------------------- real files


def real_files() -> list[str]:
    """Return the real DICOM files that installed packages and build/testdata carry."""
    from tools import test_data

    paths: list[str] = []
    for package in test_data.PACKAGES:
        paths += [str(path) for path in test_data.find(package) or []]
    return paths


def real_task(context: Context) -> Task:
    """All values of the real files that every toolkit reads without an error."""
    toolkits = context.doing("all_values")
    candidates = real_files()
    probes = {toolkit.label: child.probe(toolkit.label, candidates) for toolkit in toolkits}
    paths = [
        path
        for path in candidates
        if all(probe[path].startswith("ok") for probe in probes.values()) and int(probes["pydicom"][path][3:]) > 1
    ]
    notes = [f"{len(candidates)} real files; measured on the {len(paths)} that every toolkit reads. Refused:"]
    for label, probe in probes.items():
        errors = sum(line.startswith("error") for line in probe.values())
        crashes = [os.path.basename(path) for path, line in probe.items() if line[0] in "CH"]
        notes.append(f"  {label}: {errors} errors, {len(crashes)} crashes or hangs {' '.join(crashes)}".rstrip())
    context.facts["real probes"] = {label: list(probe.items()) for label, probe in probes.items()}

    def run(toolkit: Toolkit) -> None:
        for path in paths:
            toolkit.all_values(path)

    def check(toolkit: Toolkit) -> str:
        equal = 0
        for path in paths:
            answer = [text_of(value) for value in toolkit.answers(path)]
            reference = reference_values(path)[0 if toolkit.gives_group_length else 1 :]
            equal += not agreement(reference, answer).startswith("DIFFERENT")
        return f"{equal} of {len(paths)} files equal"

    entries = [entry_for(t, lambda t=t: run(t), lambda _, t=t: check(t)) for t in toolkits]
    return Task(
        name="values real",
        title=f"all values, Pixel Data left out, of {len(paths)} real files of test packages",
        unit="file",
        units=len(paths),
        entries=entries,
        notes=notes,
    )


MONITOR_TASKS = {**monitor.TASKS, "monitor-live": monitor_live.monitor_live}

TASKS: dict[str, Callable[[Context], Task]] = {
    "header-le": lambda context: header_task(context, "ct-explicit-le"),
    "header-implicit": lambda context: header_task(context, "ct-implicit-le"),
    "header-be": lambda context: header_task(context, "ct-explicit-be"),
    "values-le": lambda context: values_task(context, "ct-explicit-le"),
    "values-implicit": lambda context: values_task(context, "ct-implicit-le"),
    "values-be": lambda context: values_task(context, "ct-explicit-be"),
    "scan": scan_task,
    "sr-open-known": lambda context: report_open_task(context, "sr-known"),
    "sr-open-undefined": lambda context: report_open_task(context, "sr-undefined"),
    "sr-values-known": lambda context: report_values_task(context, "sr-known"),
    "sr-values-undefined": lambda context: report_values_task(context, "sr-undefined"),
    "stream-sr": stream_report_task,
    "stream-bulk": stream_bulk_task,
    "enhanced-known": lambda context: nested_task(context, "enhanced-known"),
    "enhanced-undefined": lambda context: nested_task(context, "enhanced-undefined"),
    "real": real_task,
    **{name: lambda context, make=make: make(context.size) for name, make in exchange.TASKS.items()},
    **{name: lambda context, make=make: make(context.size) for name, make in framing.TASKS.items()},
    **{name: lambda context, make=make: make(context.size) for name, make in (pixels.TASKS | codecs.TASKS).items()},
    **{name: lambda context, make=make: make(context.size) for name, make in pictures.TASKS.items()},
    **{name: lambda context, make=make: make(context) for name, make in writing.TASKS.items()},
    "echo": lambda context: network_task("echo", context.size, context.names),
    "echo-scu": lambda context: network_task("echo-scu", context.size, context.names),
    "associations": lambda context: network_task("associations", context.size, context.names),
    "associations-scu": lambda context: network_task("associations-scu", context.size, context.names),
    **{name: lambda context, make=make: make(context.size, context.names) for name, make in storage.TASKS.items()},
    **{name: lambda context, make=make: make(context.size, context.names) for name, make in MONITOR_TASKS.items()},
    **{name: lambda context, make=make: make(context.size) for name, make in hl7.TASKS.items()},
}
