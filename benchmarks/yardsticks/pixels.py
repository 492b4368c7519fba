"""Plain C limits of pixel data, called by ctypes; see pixels.c."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
from functools import lru_cache
from pathlib import Path

from benchmarks.yardsticks import BUILD, FLAGS, HERE, Buffer, YardstickError, compiler

KERNELS = ("copy", "swap16", "twelve", "bits", "planes", "ybr422")


@lru_cache(maxsize=1)
def build() -> Path:
    """Compile pixels.c if it or the compiler has changed; return the library's path."""
    source = HERE / "pixels.c"
    key = hashlib.sha256(" ".join([compiler(), *FLAGS]).encode() + source.read_bytes())
    folder = BUILD / f"pixels-{key.hexdigest()[:16]}"
    shared = folder / "libpixels.so"
    if not shared.exists():
        folder.mkdir(parents=True, exist_ok=True)
        line = [*compiler().split(), *FLAGS, "-shared", "-fPIC", str(source), "-o", str(shared)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise YardstickError(f"{' '.join(line)}\n{done.stderr}")
    return shared


@lru_cache(maxsize=1)
def _function() -> ctypes._CFuncPtr:
    function = ctypes.CDLL(str(build())).yard_pixels
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    function.argtypes = [ctypes.c_int, pointer, pointer, number, number, number, ctypes.c_int]
    function.restype = ctypes.c_int64
    return function


def run(kernel: str, to: Buffer | None, source: Buffer, size: int, step: int, frames: int) -> int:
    """Nanoseconds for ``frames`` of ``size`` bytes each, from ``step`` bytes each; into new memory without ``to``."""
    if source.size < step * frames or (to is not None and to.size < size * frames):
        raise ValueError("a buffer is too short")
    taken = _function()(
        KERNELS.index(kernel), None if to is None else to.memory, source.memory, size, step, frames, to is None
    )
    if taken < 0:
        raise YardstickError("no memory")
    return int(taken)
