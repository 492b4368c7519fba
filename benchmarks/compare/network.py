"""Tasks over the network: every toolkit's acceptor asked by C, every toolkit's requestor answered by C.

An entry of the tasks `echo` and `associations` is a running acceptor, asked by the C requestor; of `echo-scu` and
`associations-scu` a requestor in a process of its own, answered by the C acceptor.  All on 127.0.0.1, one association
at a time.  DCMTK and Orthanc run with TCP_NODELAY=1 in their environment: without it they wait 43 ms for each answer
(Nagle's algorithm and delayed acknowledgement), and that is what would be measured.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks.compare.runner import Entry, Goal, Task, say
from benchmarks.yardsticks import YardstickError
from benchmarks.yardsticks import network as yardstick

ECHOES = {"S": 2000, "M": 10_000, "L": 20_000}
ASSOCIATIONS = {"S": 300, "M": 1000, "L": 3000}
START_S = 20.0  # within which an acceptor has to answer
REQUESTOR_S = 120.0
PEER = Path(__file__).with_name("network_peer.py")
RIGHT = "all with status 0"


class Absent(Exception):
    """A toolkit is not installed."""


@dataclass
class Network:
    """A toolkit's acceptor and requestor as command lines; `share` is the part of the work that it is given."""

    name: str
    scp: Callable[[int, Path], list[str]] | None = None
    scu: Callable[[str, int, int], int] | None = None
    version: Callable[[], str] = lambda: ""
    how: str = ""
    share: float = 1.0
    role: str = "peer"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def undelayed() -> dict[str, str]:
    return os.environ | {"TCP_NODELAY": "1"}


# ----------------------------------------------------------------------------------------- toolkits


def dcmtk(command: str) -> str:
    """Return the path of DCMTK's program, which may have a namesake of another toolkit on the path before it."""
    for folder in os.get_exec_path():
        path = shutil.which(command, path=folder)
        if path is not None and dcmtk_version(path):
            return path
    raise Absent(f"DCMTK's {command} is not on the path (Debian: apt-get install dcmtk)")


def dcmtk_version(path: str) -> str:
    """Return the version that a program of DCMTK states, "" for other programs."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return words[2].lstrip("v") if words[:1] == ["$dcmtk:"] else ""


def orthanc() -> str:
    for folder in (*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin"):
        path = shutil.which("Orthanc", path=folder)
        if path is not None:
            return path
    raise Absent("Orthanc is not on the path (Debian: apt-get install orthanc)")


def orthanc_version() -> str:
    done = subprocess.run([orthanc(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def orthanc_scp(port: int, folder: Path) -> list[str]:
    settings = {
        "DicomPort": port,
        "DicomAet": "BENCH",
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "HttpServerEnabled": False,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    return [orthanc(), str(folder / "orthanc.json")]


def echoscu(task: str, port: int, count: int) -> int:
    """Time of a process with `--repeat`, less that of one with a single C-ECHO."""
    assert task == "echo"
    command = [dcmtk("echoscu"), "127.0.0.1", str(port), "--repeat"]

    def once(repeat: int) -> int:
        start = time.perf_counter_ns()
        subprocess.run([*command, str(repeat)], env=undelayed(), check=True, timeout=REQUESTOR_S, capture_output=True)
        return time.perf_counter_ns() - start

    start_up = statistics.median(once(1) for _ in range(3))
    return max(1, once(count + 1) - round(start_up))


@lru_cache
def interpreter(toolkit: str) -> str:
    """Return the Python that has a toolkit: this one, or DICOMWIRE_PYDCM_PYTHON for one that does not install here."""
    variable = f"DICOMWIRE_{toolkit.upper()}_PYTHON"
    for candidate in filter(None, (os.environ.get(variable), sys.executable)):
        done = subprocess.run([candidate, str(PEER), toolkit, "version"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return candidate
    last = (done.stderr.strip().splitlines() or ["no output"])[-1]
    raise Absent(f"{last}; {variable} may name an interpreter that has it")


def python_toolkit(name: str, share: float = 1.0, role: str = "peer") -> Network:
    """Return a toolkit of network_peer.py."""

    def scp(port: int, _: Path) -> list[str]:
        return [interpreter(name), str(PEER), name, "scp", str(port)]

    def scu(task: str, port: int, count: int) -> int:
        command = [interpreter(name), str(PEER), name, task, str(port), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=REQUESTOR_S)
        if done.returncode != 0:
            raise YardstickError((done.stderr.strip().splitlines() or ["no output"])[-1])
        return int(done.stdout)

    def version() -> str:
        command = [interpreter(name), str(PEER), name, "version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    return Network(name, scp, scu, version, share=share, role=role)


TOOLKITS = [
    python_toolkit("dicomwire", role="own"),
    python_toolkit("dicomwire-blocking", role="own"),
    Network(
        "storescp",
        lambda port, _: [dcmtk("storescp"), "--ignore", str(port)],
        version=lambda: dcmtk_version(dcmtk("storescp")),
        how="storescp --ignore, TCP_NODELAY=1",
    ),
    Network("orthanc", orthanc_scp, version=orthanc_version, how="DicomAlwaysAllowEcho, TCP_NODELAY=1"),
    Network(
        "echoscu",
        scu=echoscu,
        version=lambda: dcmtk_version(dcmtk("echoscu")),
        how="--repeat N, start-up taken off, TCP_NODELAY=1",
    ),
    python_toolkit("pydcm"),
    python_toolkit("pynetdicom", 0.05),
]


# ----------------------------------------------------------------------------------------- acceptors


@dataclass
class Running:
    """A toolkit's acceptor that runs: its port and its process."""

    port: int
    process: subprocess.Popen[str]

    def ask(self) -> str:
        """Return the line that it answers to an empty one; for acceptors started with `answers`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@contextmanager
def serving(name: str, command: Callable[[int, Path], list[str]], *, answers: bool = False) -> Iterator[Running]:
    """An acceptor that has answered a C-ECHO, for as long as the context lasts; `command` gets port and folder."""
    with tempfile.TemporaryDirectory(prefix="dicomwire-") as folder, tempfile.TemporaryFile("w+") as errors:
        port = free_port()
        process = subprocess.Popen(
            command(port, Path(folder)),
            env=undelayed(),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if answers else subprocess.DEVNULL,
            stderr=errors,
            text=True,
        )
        try:
            deadline = time.monotonic() + START_S
            while True:
                try:
                    yardstick.requestor().echo(port, 1)
                    break
                except YardstickError as error:
                    if process.poll() is not None or time.monotonic() > deadline:
                        errors.seek(0)
                        last = (errors.read().strip().splitlines() or [str(error)])[-1]
                        raise YardstickError(f"{name} does not answer: {last}"[:200]) from None
                    time.sleep(0.05)
            yield Running(port, process)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdin is not None
            process.stdin.close()
            if process.stdout is not None:
                process.stdout.close()


@contextmanager
def running(toolkit: Network) -> Iterator[int]:
    """Port of a toolkit's acceptor, for as long as the context lasts."""
    assert toolkit.scp is not None
    with serving(toolkit.name, toolkit.scp) as acceptor:
        yield acceptor.port


# ----------------------------------------------------------------------------------------- tasks


def judge(task: Task) -> list[str]:
    """Reasons why the C limit is void: plain TCP with messages of the same sizes must not be quicker."""
    raw, plain = (next(e for e in task.entries if e.role == role and e.wall_ns) for role in ("limit", "check"))
    if raw.best_ns > 1.25 * plain.best_ns:
        return [f"DICOM in C takes {raw.best_ns / plain.best_ns:.2f} times as long as plain TCP"]
    return []


def selected(names: list[str]) -> list[Network]:
    """The toolkits that were asked for, all of them when none was."""
    wanted = set(names) - {"pydicom"}
    return [toolkit for toolkit in TOOLKITS if not wanted or toolkit.name in wanted]


def network_task(name: str, size: str, names: list[str]) -> Task:
    """Return a task whose acceptors run until its `close` is called."""
    kind, _, side = name.partition("-")
    units = (ECHOES if kind == "echo" else ASSOCIATIONS)[size]
    stack = ExitStack()
    entries: list[Entry] = []
    notes: list[str] = []
    try:
        client = yardstick.requestor()
        raw, plain = stack.enter_context(yardstick.acceptor()), stack.enter_context(yardstick.plain())
        for toolkit in selected(names):
            try:
                entry = _requested(toolkit, kind, raw, units) if side else _accepted(toolkit, kind, units, stack)
            except Absent as error:
                notes.append(f"{toolkit.name} is left out: {error}")
                continue
            if entry is not None:
                entries.append(entry)
        ask = client.echo if kind == "echo" else client.associations
        shape = (1, units) if kind == "echo" else (units, 1)
        entries += [
            Entry("C to C", "limit", lambda: ask(raw, units), own_clock=True, waits=True),
            Entry("plain TCP", "check", lambda: client.plain(plain, *shape), own_clock=True, waits=True),
        ]
    except BaseException:
        stack.close()
        raise
    who = "requestor, answered by C" if side else "acceptor, asked by C"
    what = f"{units:,} C-ECHOs on one association" if kind == "echo" else f"{units:,} associations with a C-ECHO each"
    return Task(
        name=name,
        title=f"{what}, one after the other; {who}",
        unit="C-ECHO" if kind == "echo" else "association",
        units=units,
        entries=entries,
        goals=GOALS[name],
        notes=[*notes, "Both sides on this machine; times are of the whole way there and back."],
        verdict=judge,
        reference="pynetdicom",
        close=stack.close,
    )


GOALS = {
    "echo": [Goal("per second", 18_000), Goal("pydcm or storescp", 1)],
    "associations": [Goal("pynetdicom", 30, 60), Goal("orthanc", 1)],
    "echo-scu": [Goal("pydcm", 1)],
    "associations-scu": [Goal("pynetdicom", 30)],
}


def _entry(toolkit: Network, units: int, run: Callable[[int], int]) -> Entry:
    share = max(1, round(units * toolkit.share))
    return Entry(
        label=toolkit.name + (" [scaled]" if share != units else ""),
        role=toolkit.role,
        run=lambda: run(share),
        version=toolkit.version(),
        how=toolkit.how,
        toolkit=toolkit.name,
        scale=units / share,
        compare=lambda _: RIGHT,
        own_clock=True,
        waits=True,
    )


def _accepted(toolkit: Network, kind: str, units: int, stack: ExitStack) -> Entry | None:
    """An acceptor, started here and asked by the C requestor, which looks at every answer."""
    if toolkit.scp is None:
        return None
    say(f"  starting {toolkit.name}")
    client = yardstick.requestor()
    ask = client.echo if kind == "echo" else client.associations
    try:
        port = stack.enter_context(running(toolkit))
    except YardstickError as error:
        message = str(error)

        def fail(_: int) -> int:
            raise YardstickError(message)

        return _entry(toolkit, units, fail)
    return _entry(toolkit, units, lambda count: ask(port, count))


def _requested(toolkit: Network, kind: str, port: int, units: int) -> Entry | None:
    """A requestor, answered by the C acceptor."""
    request = toolkit.scu
    if request is None or (kind == "associations" and request is echoscu):
        return None
    return _entry(toolkit, units, lambda count: request(kind, port, count))
