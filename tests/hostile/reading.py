"""Reading everything of a data set, in this process or in a child whose memory and time are limited."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

# Sanitizers take their share of both, and keep what was freed for a while.
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
TIME_LIMIT_S = 40 if SANITIZED else 5  # of the processor: others may be at work too
MEMORY_FACTOR = 16  # times the input ...
MEMORY_FREE = (640 if SANITIZED else 64) << 20  # ... plus this many bytes
POLICIES = ("strict", "report", "ignore")
SHOWN = 200  # characters of a value's text that come back from the child


@dataclass
class Outcome:
    """What one read came to: the error, or values by path and deviations as (kind, path, offset)."""

    error: str | None = None
    message: str = ""
    offset: int | None = None
    path: str | None = None
    section: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    deviations: list[tuple[str, str, int]] = field(default_factory=list)


def use(data_set: object, *, texts: bool = True) -> dict[str, str]:
    """Texts of all values by path, after every other thing that can be asked of a data set was asked.

    Without ``texts`` the representations of elements and of the data set are left out, which take most of the time.
    """
    values = {}
    for element in data_set.iterall():  # type: ignore[attr-defined]
        value = element.value
        if not isinstance(value, memoryview):
            text = str(value)[:SHOWN]
        elif len(value) < SHOWN:
            text = repr(bytes(value))
        else:
            text = f"{len(value)} bytes, checksum {zlib.crc32(value):08X}"
        values.setdefault(element.path, text)
        assert element.length >= 0
        assert element.VM >= 0
        assert element.header_size in (0, 8, 12)
        assert len(element.VR) == 2
        assert len(element.raw) == element.length
        if texts:
            repr(element)
    for name in ("file_meta", "preamble", "transfer_syntax", "is_implicit_VR", "is_little_endian"):
        getattr(data_set, name)
    assert len(data_set) == len(list(data_set)) == len(data_set.keys())  # type: ignore[arg-type, attr-defined]
    assert data_set == data_set
    tape = data_set.tape()  # type: ignore[attr-defined]
    for index, *_, offset, length, following, parent in tape[1:]:
        assert index < following <= len(tape)
        assert parent < index
        assert following <= tape[parent][7]
        assert offset >= tape[parent][5]
        assert offset + length <= tape[parent][5] + tape[parent][6]
    if texts:
        repr(data_set)
    return values


def read(data: bytes | str, **options: object) -> Outcome:
    """The outcome of reading and using a data set; any error but a DecodeError passes through."""
    from dicomwire import dcmread
    from dicomwire.errors import DecodeError, UnsupportedError

    try:
        data_set = dcmread(data, **options)
        values = use(data_set)
        found = [(d.kind, d.path, d.offset) for d in data_set.deviations]
        return Outcome(values=values, deviations=found)
    except DecodeError as error:
        return Outcome(type(error).__name__, str(error), error.offset, error.path, error.section)
    except UnsupportedError as error:
        return Outcome(type(error).__name__, str(error))


Job = tuple[str, bytes, dict[str, object]]


def read_limited(jobs: list[Job], folder: Path) -> dict[str, Outcome]:
    """Outcomes by name, from child processes; one that dies or hangs gives an Outcome with error "died"."""
    outcomes: dict[str, Outcome] = {}
    given, taken = folder / "jobs", folder / "outcomes"
    left = list(jobs)
    while left:
        given.write_bytes(pickle.dumps(left))
        taken.write_bytes(b"")
        child = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from tests.hostile.reading import serve; serve(*sys.argv[1:])",
                str(given),
                str(taken),
            ],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=2 * TIME_LIMIT_S * len(left) + 60,
            check=False,
        )
        before = len(outcomes)
        with taken.open("rb") as file:
            while True:
                try:
                    name, outcome = pickle.load(file)
                except EOFError:
                    break
                outcomes[name] = outcome
        left = [job for job in jobs if job[0] not in outcomes]
        if left and child.returncode:
            outcomes[left[0][0]] = Outcome("died", f"{child.returncode}: {child.stderr[-2000:]}")
            left.pop(0)
        assert len(outcomes) > before
    return outcomes


def serve(given: str, taken: str) -> None:
    """The child: reads each job under limits and writes its outcome at once."""
    from dicomwire import dcmread
    from tests import builders

    repr(dcmread(builders.part10(builders.plain())))  # what is imported lazily is there before memory is limited
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    jobs: list[Job] = pickle.loads(Path(given).read_bytes())
    with open(taken, "ab") as file:
        for name, data, options in jobs:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_FACTOR * len(data) + MEMORY_FREE, hard))
            signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT_S)
            try:
                outcome = read(data, **options)
            except BaseException as error:  # noqa: BLE001 - the parent's test says what is wrong
                outcome = Outcome(type(error).__name__, str(error))
            signal.setitimer(signal.ITIMER_PROF, 0)
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
            pickle.dump((name, outcome), file)
            file.flush()
