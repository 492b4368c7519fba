"""Plain C limits of the network: a requestor called by ctypes, an acceptor as a program; see network.c.

`requestor()` gives a `Requestor` whose methods return nanoseconds and release the GIL; `acceptor()` and `plain()`
start the other side and give its port.  The tasks of `benchmarks.compare` hold DICOM in C against plain TCP with
messages of the same sizes: it may not be slower.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from benchmarks.yardsticks import YardstickError, build_pair, started

STATUSES = [
    "ok",
    "no connection",
    "closed by the peer, or no answer in time",
    "PDU too long, or lying",
    "PDU not expected",
    "refused",
    "wrong answer to C-ECHO",
]


def build() -> tuple[Path, Path]:
    """Return the paths of library and program, compiled if need be."""
    return build_pair("network")


class Requestor:
    """The requestor's side; an answer that is not right raises YardstickError."""

    def __init__(self, shared: Path) -> None:
        self._library = ctypes.CDLL(str(shared))
        for name, arguments in (("net_echo", 2), ("net_associations", 2), ("net_plain", 3)):
            function = getattr(self._library, name)
            function.argtypes, function.restype = [ctypes.c_int] * arguments, ctypes.c_int64

    def echo(self, port: int, count: int) -> int:
        """C-ECHOs on one association, one after the other's answer; opening and release are not timed."""
        return _checked("C-ECHO", self._library.net_echo(port, count))

    def associations(self, port: int, count: int) -> int:
        """So many times: connect, associate, one C-ECHO, release, close."""
        return _checked("associations", self._library.net_associations(port, count))

    def plain(self, port: int, connections: int, count: int) -> int:
        """The same over plain TCP: so many connections, so many echoes on each; all of it is timed."""
        return _checked("plain TCP", self._library.net_plain(port, connections, count))


def _checked(what: str, result: int) -> int:
    if result < 0:
        raise YardstickError(f"{what}: {STATUSES[-1 - result]}")
    return result


@lru_cache(maxsize=1)
def requestor() -> Requestor:
    """Return the requestor, compiled if need be."""
    return Requestor(build()[0])


@contextmanager
def acceptor() -> Iterator[int]:
    """Port of a DICOM acceptor that answers C-ECHO, for as long as the context lasts."""
    with started([str(build()[1]), "scp"]) as program:
        yield program.port


@contextmanager
def plain() -> Iterator[int]:
    """Port of the plain TCP side, for as long as the context lasts."""
    with started([str(build()[1]), "plain"]) as program:
        yield program.port
