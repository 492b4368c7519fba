"""What an acceptor has stored and how much memory it took: files, digests, figures of its process."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from benchmarks.compare.network import Running

# ----------------------------------------------------------------------------------------- memory


def memory_kb(process: int, field: str) -> int:
    """Return a memory figure of a process, in kB, from /proc/PID/status (Linux)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise ValueError(f"no {field} in /proc/{process}/status")


def forget_peak(process: int) -> None:
    """Set VmHWM to what is in memory now (proc(5), clear_refs)."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def tree_kb(process: int) -> int:
    """Return the resident memory of a process; with children, of all of them, what they share counted once."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    if not children:
        return memory_kb(process, "VmRSS")
    total = 0
    for member in (str(process), *children):
        with suppress(FileNotFoundError, ProcessLookupError):  # one that has served its association is gone
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


# ----------------------------------------------------------------------------------------- what was stored


def data_set_of(path: str | os.PathLike[str]) -> tuple[str, memoryview]:
    """Return SOP Instance UID and data set of a file, its File Meta Information read without any toolkit."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        data = memoryview(mapped[:])
    if data[128:132] != b"DICM":
        raise ValueError("no DICOM file")
    at, uid = 132, ""
    while data[at : at + 2] == b"\2\0":
        is_long = bytes(data[at + 4 : at + 6]) in (b"OB", b"UN")
        value = at + (12 if is_long else 8)
        length = int.from_bytes(data[at + 8 : at + 12] if is_long else data[at + 6 : at + 8], "little")
        if data[at + 2] == 3:
            uid = bytes(data[value : value + length]).rstrip(b"\0 ").decode()
        at = value + length
    return uid, data[at:]


@lru_cache(maxsize=8)
def instances_of(paths: tuple[str, ...]) -> dict[str, bytes]:
    """Return a digest of each data set, by SOP Instance UID."""
    return {uid: hashlib.blake2b(data).digest() for uid, data in map(data_set_of, paths)}


@lru_cache(maxsize=8)
def size_of(paths: tuple[str, ...]) -> int:
    """Return the bytes of the data sets together."""
    return sum(len(data_set_of(path)[1]) for path in paths)


def files_in(folder: Path) -> list[str]:
    return [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]


def compare_files(folder: Path, paths: Sequence[str]) -> str:
    """Return how the files of a folder agree with those sent: as many, each data set the same bytes."""
    wanted, found = instances_of(tuple(paths)), files_in(folder)
    if len(found) != len(wanted):
        return f"DIFFERENT: {len(found)} files of {len(wanted)}"
    try:
        stored = [(uid, hashlib.blake2b(data).digest()) for uid, data in map(data_set_of, found)]
    except ValueError as error:
        return f"DIFFERENT: {error}"
    wrong = len(wanted) - len({uid for uid, digest in stored if wanted.get(uid) == digest})
    return f"DIFFERENT: {wrong} of {len(wanted)} files" if wrong else "equal"


def compare_digests(folder: Path, acceptor: Running) -> str:
    """Return whether an acceptor's digests are those of the files in the folder, and their headers were read."""
    facts = json.loads(acceptor.ask())
    for path in files_in(folder):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if facts["digests"].get(data_set_of(path)[0]) != digest:
            return "DIFFERENT: digests"
    return "equal, digests too" if facts["tags"] >= 5 * len(files_in(folder)) else "DIFFERENT: tags of headers"


def empty(folder: Path) -> None:
    for path in files_in(folder):
        os.unlink(path)
