"""What a fuzz harness is, and how harnesses are found: one file each in tests/fuzz/harnesses, see docs/fuzzing.md."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

try:
    from _dicomwire_fuzz import Exact
except ImportError:
    Exact = None

FOLDER = Path(__file__).with_name("harnesses")


@dataclass(frozen=True, slots=True)
class Harness:
    """Seeds, and a function that takes any bytes and raises when an invariant does not hold.

    ``run`` None: the target of the same name in kernels.pyx, compiled into the fuzz profile.  ``seeds`` is called once
    a campaign; ``dictionary`` holds byte strings worth inserting; inputs grow up to ``max_length`` bytes.
    """

    name: str
    seeds: Callable[[], Iterable[bytes]]
    run: Callable[[bytes], None] | None
    dictionary: tuple[bytes, ...] = ()
    max_length: int = 4096


def exact(data: bytes) -> object:
    """The same bytes in memory of their exact size where the fuzz profile is built, else as they are."""
    return data if Exact is None else Exact(data)


@contextmanager
def as_file(data: bytes) -> Iterator[str]:
    """The path of a file with these bytes: in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("input")
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()
    try:
        os.write(descriptor, data)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            os.unlink(path)


def names() -> list[str]:
    """Names of all harnesses, sorted: each is the name of its file."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def load(name: str) -> Harness:
    """The harness of a file; LookupError if there is none of that name."""
    if name not in names():
        raise LookupError(f"no harness {name}: one of {', '.join(names())}")
    harness: Harness = importlib.import_module(f"tests.fuzz.harnesses.{name}").HARNESS
    assert harness.name == name, f"{name}.py: the harness calls itself {harness.name}"
    return harness


def invariant(name: str) -> str:
    """The first line of a harness's file, which says what holds for any input."""
    module = importlib.import_module(f"tests.fuzz.harnesses.{name}")
    return (module.__doc__ or "").split("\n", 1)[0]
