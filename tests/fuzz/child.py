"""One harness under libFuzzer, in a process of its own; `tests.fuzz.run` starts it with the libraries that it needs.

    python -m tests.fuzz.child fuzz NAME LIBFUZZER-ARGUMENT ...
    python -m tests.fuzz.child leaks NAME FOLDER SECONDS    runs the files of a folder in rounds, and says what stays
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import pkgutil
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

LEAK_ROUNDS = 4
LEAK_FREE = 4096  # bytes a round that caches may grow by; one leaked object a file is more than that
SKIPPED = ("cli", "arrow")  # nothing that decodes


def import_instrumented() -> None:
    """Import dicomwire with coverage counters in its Python code; the compiled modules bring their own."""
    import atheris

    with atheris.instrument_imports(include=["dicomwire"]):
        package = importlib.import_module("dicomwire")
        for module in pkgutil.walk_packages(package.__path__, "dicomwire."):
            parts = module.name.split(".")
            if parts[1] not in SKIPPED and not parts[-1].startswith("_"):
                importlib.import_module(module.name)


def runner(name: str) -> Callable[[bytes], object]:
    """What runs one input of a harness."""
    from tests.fuzz import harness

    run = harness.load(name).run
    if run is not None:
        return run
    import _dicomwire_fuzz

    return lambda data: _dicomwire_fuzz.run_one(name, data)


def fuzz(name: str, arguments: list[str]) -> int:
    """Hand over to libFuzzer; returns, if it does, its exit status."""
    import_instrumented()
    from tests.fuzz import harness

    one = harness.load(name)
    if one.run is None:
        import _dicomwire_fuzz

        return int(_dicomwire_fuzz.fuzz(name, arguments))
    import atheris

    atheris.Setup([name, *arguments], atheris.instrument_func(lambda data: run(data)), internal_libfuzzer=False)
    run = one.run
    atheris.Fuzz()
    return 0


def allocated() -> int:
    """Bytes that are allocated in this process, by the sanitizer's count."""
    gc.collect()
    count = ctypes.CDLL(None).__sanitizer_get_current_allocated_bytes
    count.restype = ctypes.c_size_t
    return int(count())


def leaks(name: str, folder: Path, seconds: float) -> int:
    """Replay a corpus in rounds and compare what is allocated; 1 if every round leaves something behind."""
    run = runner(name)
    inputs: list[bytes] = []
    start = time.monotonic()
    for path in sorted(folder.iterdir()):
        inputs.append(path.read_bytes())
        run(inputs[-1])
        if time.monotonic() - start > seconds / LEAK_ROUNDS:
            break
    sizes = []
    for _ in range(LEAK_ROUNDS + 1):
        for data in inputs:
            run(data)
        sizes.append(allocated())
    grown = [after - before for before, after in pairwise(sizes[1:])]
    print(f"{len(inputs)} inputs, bytes left behind by each round: {grown}", file=sys.stderr)
    return int(bool(inputs) and min(grown) > LEAK_FREE)


if __name__ == "__main__":
    command, target, *rest = sys.argv[1:]
    sys.exit(fuzz(target, rest) if command == "fuzz" else leaks(target, Path(rest[0]), float(rest[1])))
