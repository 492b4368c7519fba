"""Tasks of storage: every toolkit's acceptor fed by C, every toolkit's requestor answered by C.

In the tasks `store-...` an entry is a running acceptor, fed by the C requestor, which looks at every answer; in
`send...` it is a requestor in a process of its own, answered by the C acceptor.  All on 127.0.0.1.  Files are written
to a folder of /dev/shm that is emptied before each run, and are compared with those sent after the first one.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import workloads
from benchmarks.compare.delay import delayed
from benchmarks.compare.network import Absent, Running, serving
from benchmarks.compare.runner import Entry, Goal, Task, say
from benchmarks.compare.storage_results import (
    compare_digests,
    compare_files,
    empty,
    forget_peak,
    memory_kb,
    size_of,
    tree_kb,
)
from benchmarks.compare.storage_toolkits import ACCEPTORS, REQUESTORS, Acceptor, RequestorOf, sent_in_python
from benchmarks.yardsticks import PathList, Started, YardstickError
from benchmarks.yardsticks import storage as yardstick

LARGE_FRAMES = {"XS": 3, "S": 40, "M": 571, "L": 571}  # 300 MB at size M
ASSOCIATIONS = {"XS": 2, "S": 10, "M": 50, "L": 50}
STORING = {"XS": 2, "S": 50, "M": 500, "L": 500}
IDLE = {"XS": 4, "S": 100, "M": 1000, "L": 1000}
WINDOWED = {"XS": 4, "S": 64, "M": 200, "L": 400}
DELAY_S = 0.010  # in each direction
SHORT_PDU = 16384
SHARED_MEMORY = Path("/dev/shm")
RIGHT = "all with status 0"


# ----------------------------------------------------------------------------------------- acceptors


@dataclass
class Feed:
    """What the C requestor sends in a task."""

    paths: list[str]
    associations: int = 1
    pdu: int = 0  # longest P-DATA-TF; 0: what the peer takes

    def shared(self, share: float) -> Feed:
        """A part of it, of at least one instance for each association."""
        if share == 1:
            return self
        count = max(self.associations, round(len(self.paths) * share), 1)
        return Feed(self.paths[:count], self.associations, self.pdu)

    def sender(self) -> Callable[[int, bool], int]:
        """Return what sends it to a port, as DICOM or as plain TCP, and returns nanoseconds."""
        names, client = PathList(self.paths), yardstick.requestor()

        def send(port: int, plain: bool) -> int:
            return client.send(port, names, associations=self.associations, pdu=self.pdu, plain=plain).ns

        return send


def room(stack: ExitStack) -> Path:
    """A folder for files, in memory where there is such a place."""
    where = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dicomwire-", dir=where)))


def wanted(names: Sequence[str], name: str) -> bool:
    asked = set(names) - {"pydicom"}
    return not asked or name in asked


def _failing(message: str) -> Callable[[], int]:
    def fail() -> int:
        raise YardstickError(message)

    return fail


def _started(acceptor: Acceptor, scale: float, stack: ExitStack) -> tuple[Entry, Running | None, Path]:
    """Start an acceptor: its entry, which is yet to get what it runs, its process, and the folder for its files.

    Without a process when it does not start: the entry says why.
    """
    entry = Entry(
        label=acceptor.name + (" [scaled]" if scale != 1 else ""),
        role=acceptor.role,
        run=_failing("not started"),
        version=acceptor.version(),
        how=acceptor.how,
        toolkit=acceptor.name,
        scale=scale,
        compare=lambda _: RIGHT,
        own_clock=True,
        waits=True,
    )
    say(f"  starting {acceptor.name}")
    files = room(stack)
    try:
        running = stack.enter_context(
            serving(acceptor.name, lambda port, own: acceptor.command(port, own, files), answers=acceptor.answers)
        )
    except YardstickError as error:
        entry.run = _failing(str(error))
        return entry, None, files
    return entry, running, files


def _fed(acceptor: Acceptor, feed: Feed, mode: str, memory: str, stack: ExitStack) -> Entry:
    """An acceptor as an entry; `memory` is a unit of MEMORY or ""."""
    part = feed.shared(acceptor.share)
    entry, running, files = _started(acceptor, len(feed.paths) / len(part.paths), stack)
    if running is None:
        return entry
    send, port, process = part.sender(), running.port, running.process.pid
    writes = mode in ("files", "digest") and not acceptor.own_files
    before: list[int] = []

    def run() -> int:
        if writes:
            empty(files)
        if not before:
            forget_peak(process)
            before.append(memory_kb(process, "VmHWM"))
        taken = send(port, False)
        if memory and acceptor.one_process:
            grown = (memory_kb(process, "VmHWM") - before[0]) * 1024
            used = grown / 1e6 if memory == "MB growth" else grown / 1e3 / part.associations
            entry.memory[memory] = max(used, entry.memory.get(memory, 0.0))
        return taken

    def compare(_: object) -> str:
        answer = compare_files(files, part.paths) if writes else RIGHT
        if mode == "digest" and answer == "equal":
            answer = compare_digests(files, running)
        if acceptor.answers and json.loads(running.ask())["stored"] < len(part.paths):
            answer = "DIFFERENT: fewer stored than sent"
        return answer

    entry.run, entry.compare = run, compare
    return entry


def judge(task: Task) -> list[str]:
    """Reasons why the C limit is void: plain TCP with as many bytes must not be quicker."""
    raw, plain = (next((e for e in task.entries if e.role == role and e.wall_ns), None) for role in ("limit", "check"))
    if raw is None or plain is None:
        return ["the limit or its check was not measured"]
    if raw.best_ns > 1.25 * plain.best_ns:
        return [f"C-STORE in C takes {raw.best_ns / plain.best_ns:.2f} times as long as plain TCP"]
    return []


def _limits(feed: Feed, to_files: bool, stack: ExitStack) -> list[Entry]:
    """C to C, and plain TCP, to nothing or to files."""
    send = feed.sender()

    def limit(label: str, role: str, plain: bool) -> Entry:
        files = room(stack) if to_files else None
        start = yardstick.plain if plain else yardstick.acceptor
        port = stack.enter_context(start(None if files is None else str(files))).port

        def run() -> int:
            if files is not None:
                empty(files)
            return send(port, plain)

        def compare(_: object) -> str:
            return compare_files(files, feed.paths) if files is not None and not plain else RIGHT

        return Entry(label, role, run, compare=compare, own_clock=True, waits=True)

    return [limit("C to C", "limit", False), limit("plain TCP", "check", True)]


def fed_task(
    name: str,
    title: str,
    feed: Feed,
    mode: str,
    goals: list[Goal],
    names: Sequence[str],
    *,
    memory: str = "",
    unit: str = "object",
    without: Sequence[str] = (),
) -> Task:
    """Return a task whose acceptors run until its `close` is called."""
    stack = ExitStack()
    entries: list[Entry] = []
    notes: list[str] = []
    try:
        for acceptor in ACCEPTORS[mode]:
            if not wanted(names, acceptor.name) or acceptor.name in without:
                continue
            try:
                entries.append(_fed(acceptor, feed, mode, memory, stack))
            except Absent as error:
                notes.append(f"{acceptor.name} is left out: {error}")
        entries += _limits(feed, mode in ("files", "digest"), stack)
    except BaseException:
        stack.close()
        raise
    return Task(
        name=name,
        title=f"{title}; acceptor, fed by C",
        unit=unit,
        units=len(feed.paths),
        entries=entries,
        goals=goals,
        notes=[*notes, *(f"{entry.label}: {entry.how}" for entry in entries if entry.how)],
        verdict=judge,
        reference="pynetdicom",
        size_bytes=size_of(tuple(feed.paths)),
        close=stack.close,
    )


def ct_paths(size: str) -> list[str]:
    return workloads.corpus("ct-explicit-le", size).paths


def large_path(size: str) -> str:
    return workloads.corpus("enhanced-known", size, frames=LARGE_FRAMES[size]).path


def _described(paths: Sequence[str]) -> str:
    each = size_of(tuple(paths)) / len(paths)
    return f"{len(paths):,} CT images of {each / 1e3:.0f} kB"


def store_discard(size: str, names: list[str]) -> Task:
    paths = ct_paths(size)
    goals = [Goal("limit", 0.8), Goal("best peer", 1)]
    return fed_task("store-discard", f"{_described(paths)}, discarded", Feed(paths), "discard", goals, names)


def store_files(size: str, names: list[str]) -> Task:
    paths = ct_paths(size)
    goals = [Goal("limit", 0.9), Goal("best peer", 1)]
    return fed_task("store-files", f"{_described(paths)}, to files in memory", Feed(paths), "files", goals, names)


def store_files_digest(size: str, names: list[str]) -> Task:
    paths = ct_paths(size)
    title = f"{_described(paths)}, to files in memory, with SHA-256 and tags of the header; the limit has neither"
    return fed_task("store-files-digest", title, Feed(paths), "digest", [Goal("limit", 0.6)], names)


def store_300m(size: str, names: list[str]) -> Task:
    feed = Feed([large_path(size)])
    goals = [Goal("limit", 0.8), Goal("MB growth", 16), Goal("best peer", 1)]
    title = f"one object of {size_of(tuple(feed.paths)) / 1e6:.0f} MB, discarded"
    return fed_task("store-300m", title, feed, "discard", goals, names, memory="MB growth")


def store_16k(size: str, names: list[str]) -> Task:
    paths = ct_paths(size)
    goals = [Goal("limit", 0.8), Goal("best peer", 1)]
    title = f"{_described(paths)} in P-DATA-TF of {SHORT_PDU:,} bytes, discarded"
    return fed_task("store-16k", title, Feed(paths, pdu=SHORT_PDU), "discard", goals, names)


def store_50(size: str, names: list[str]) -> Task:
    paths, count = ct_paths(size), ASSOCIATIONS[size]
    goals = [Goal("limit", 0.55), Goal("storescp", 1)]
    title = f"{_described(paths)} over {count} associations at once, discarded"
    return fed_task("store-50", title, Feed(paths, associations=count), "many", goals, names)


def store_500(size: str, names: list[str]) -> Task:
    paths, count = ct_paths(size), STORING[size]
    title = f"{_described(paths)} over {count} associations at once, discarded; growth of the peak of memory for each"
    feed, goals = Feed(paths, associations=count), [Goal("kB each", 1000)]
    return fed_task("store-500", title, feed, "many", goals, names, memory="kB each", without=["pynetdicom"])


# ----------------------------------------------------------------------------------------- idle associations


def store_idle(size: str, names: list[str]) -> Task:
    """Associations that do nothing, all open at the same time: how long they take to open, and memory."""
    count = IDLE[size]
    stack = ExitStack()
    entries: list[Entry] = []
    notes: list[str] = []

    def holds(entry: Entry, port: int, process: int, part: int) -> Callable[[], int]:
        client = yardstick.requestor()

        def run() -> int:
            before = tree_kb(process)
            with client.holding(port, part) as taken:
                used = (tree_kb(process) - before) * 1024 / 1e3 / part
            entry.memory["kB each"] = max(used, entry.memory.get("kB each", 0.0))
            return taken

        return run

    try:
        for acceptor in ACCEPTORS["many"]:
            if not wanted(names, acceptor.name):
                continue
            part = max(1, round(count * (acceptor.share if acceptor.one_process else 0.1)))
            try:
                entry, running, _ = _started(acceptor, count / part, stack)
            except Absent as error:
                notes.append(f"{acceptor.name} is left out: {error}")
                continue
            entry.compare = lambda _: "all accepted and released"
            if running is not None:
                entry.run = holds(entry, running.port, running.process.pid, part)
            entries.append(entry)
        started = stack.enter_context(yardstick.acceptor())
        raw = Entry("C to C", "limit", lambda: 0, own_clock=True, waits=True)
        raw.run = holds(raw, started.port, started.process.pid, count)
        entries.append(raw)
    except BaseException:
        stack.close()
        raise
    return Task(
        name="store-idle",
        title=f"{count:,} associations opened one after the other and left open; memory for each",
        unit="association",
        units=count,
        entries=entries,
        goals=[Goal("kB each", 100)],
        notes=[*notes, "Resident memory while all are open, less what it was before; of several processes the Pss."],
        reference="pynetdicom",
        close=stack.close,
    )


# ----------------------------------------------------------------------------------------- requestors


def _requesting(toolkit: RequestorOf, acceptor: Started, paths: list[str]) -> Entry:
    part = paths[: max(1, round(len(paths) * toolkit.share))]

    arrived = [0, 0]

    def run() -> int:
        before = acceptor.ask()
        taken = toolkit.send(acceptor.port, part)
        arrived[:] = [now - then for now, then in zip(acceptor.ask(), before, strict=True)]
        return taken

    def compare(_: object) -> str:
        count, size = arrived
        if count != len(part) + toolkit.extra:
            return f"DIFFERENT: {count - toolkit.extra} of {len(part)} arrived"
        same = size == size_of(tuple(part)) + size_of(tuple(part[:1]))  # the commands of DCMTK send another first file
        return RIGHT + (", equal in length" if same else "")

    name = f"{toolkit.name} ({toolkit.variant})" if toolkit.variant else toolkit.name
    return Entry(
        label=name + (" [scaled]" if len(part) != len(paths) else ""),
        role=toolkit.role,
        run=run,
        version=toolkit.version(),
        how=toolkit.how,
        toolkit=toolkit.name,
        variant=toolkit.variant,
        scale=len(paths) / len(part),
        compare=compare,
        own_clock=True,
        waits=True,
    )


def sending_task(name: str, title: str, paths: list[str], goals: list[Goal], names: Sequence[str]) -> Task:
    """Return a task whose acceptor in C runs until its `close` is called."""
    stack = ExitStack()
    entries: list[Entry] = []
    notes: list[str] = []
    client, files = yardstick.requestor(), PathList(paths)
    try:
        raw, plain = stack.enter_context(yardstick.acceptor()), stack.enter_context(yardstick.plain())
        for toolkit in REQUESTORS:
            if not wanted(names, toolkit.name):
                continue
            try:
                entries.append(_requesting(toolkit, raw, paths))
            except Absent as error:
                notes.append(f"{toolkit.name} is left out: {error}")
    except BaseException:
        stack.close()
        raise
    entries += [
        Entry("C to C", "limit", lambda: client.send(raw.port, files, whole=True).ns, own_clock=True, waits=True),
        Entry(
            "plain TCP",
            "check",
            lambda: client.send(plain.port, files, whole=True, plain=True).ns,
            own_clock=True,
            waits=True,
        ),
    ]
    return Task(
        name=name,
        title=f"{title}; requestor, answered by C",
        unit="object",
        units=len(paths),
        entries=entries,
        goals=goals,
        notes=[
            *notes,
            *(f"{entry.label}: {entry.how}" for entry in entries if entry.how),
            "From the files' names to the release, of C too.",
        ],
        verdict=judge,
        reference="pynetdicom",
        size_bytes=size_of(tuple(paths)),
        close=stack.close,
    )


def send(size: str, names: list[str]) -> Task:
    paths = ct_paths(size)
    goals = [Goal("limit", 0.7), Goal("best peer", 1)]
    return sending_task("send", f"{_described(paths)} over one association", paths, goals, names)


def send_300m(size: str, names: list[str]) -> Task:
    paths = [large_path(size)]
    title = f"one object of {size_of(tuple(paths)) / 1e6:.0f} MB"
    return sending_task("send-300m", title, paths, [Goal("limit", 0.95), Goal("best peer", 1)], names)


# ----------------------------------------------------------------------------------------- window


def window(size: str, _: list[str]) -> Task:
    """dicomwire to dicomwire over a delayed link, with a window of eight operations and of one."""
    paths = [ct_paths(size)[k % len(ct_paths(size))] for k in range(WINDOWED[size])]
    stack = ExitStack()
    try:
        acceptor = ACCEPTORS["discard"][0]
        files = room(stack)
        running = stack.enter_context(
            serving("dicomwire", lambda port, own: acceptor.command(port, own, files), answers=True)
        )
        port = stack.enter_context(delayed(running.port, DELAY_S))
    except BaseException:
        stack.close()
        raise

    def entry(count: int, role: str) -> Entry:
        toolkit = sent_in_python("dicomwire", f"window-{count}", "")

        def compare(_: object) -> str:
            before = json.loads(running.ask())["stored"]
            toolkit.send(port, paths)
            stored = json.loads(running.ask())["stored"] - before - toolkit.extra
            return RIGHT if stored == len(paths) else f"DIFFERENT: {stored} of {len(paths)} stored"

        return Entry(
            label=f"dicomwire, window {count}",
            role=role,
            run=lambda: toolkit.send(port, paths),
            version=toolkit.version(),
            toolkit=f"window {count}",
            compare=compare,
            own_clock=True,
            waits=True,
        )

    return Task(
        name="window",
        title=f"{_described(paths)} over one association, on a link with {DELAY_S * 1e3:.0f} ms of delay each way",
        unit="object",
        units=len(paths),
        entries=[entry(8, "own"), entry(1, "check")],
        goals=[Goal("window 1", 5)],
        notes=["The delay is that of benchmarks/compare/delay.py, which takes and gives as fast as it can."],
        reference="window 1",
        size_bytes=size_of(tuple(paths)),
        close=stack.close,
    )


TASKS: dict[str, Callable[[str, list[str]], Task]] = {
    "store-discard": store_discard,
    "store-files": store_files,
    "store-files-digest": store_files_digest,
    "store-300m": store_300m,
    "store-16k": store_16k,
    "store-50": store_50,
    "store-500": store_500,
    "store-idle": store_idle,
    "send": send,
    "send-300m": send_300m,
    "window": window,
}
