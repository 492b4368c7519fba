"""Plain C limits of storage: a requestor called by ctypes, acceptors as programs; see storage.c.

    python -m benchmarks.yardsticks store-send PORT [OPTION...] PATH...     to any acceptor on this machine
    python -m benchmarks.yardsticks store-receive [OPTION...]               prints its port, ends with its input

`requestor()` gives a `Requestor` whose methods return nanoseconds and release the GIL; `acceptor()` and `plain()` start
the other side.  The tasks of `benchmarks.compare` hold DICOM in C against plain TCP with as many
bytes: it may not be slower.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.yardsticks import PathList, Started, YardstickError, build_pair, network, started

STATUSES = [
    *network.STATUSES,
    "a file cannot be read, or is no DICOM file with File Meta Information",
    "out of memory",
    "wrong answer to C-STORE, or a failure",
]
CALLED = "ANY-SCP"
READ_SIZE = 1 << 20


class Transfer(NamedTuple):
    """Nanoseconds, and bytes of the data sets without their headers."""

    ns: int
    bytes: int


class Requestor:
    """The requestor's side; an answer that is not right raises YardstickError."""

    def __init__(self, shared: Path) -> None:
        self._library = ctypes.CDLL(str(shared))
        number, integer, text = ctypes.POINTER(ctypes.c_uint64), ctypes.c_int, ctypes.c_char_p
        paths, fds = ctypes.POINTER(text), ctypes.POINTER(integer)
        signatures = {
            "store_send": [
                integer,
                paths,
                integer,
                ctypes.c_int64,
                integer,
                ctypes.c_uint32,
                text,
                integer,
                integer,
                number,
            ],
            "store_hold": [integer, integer, text, fds],
            "store_let_go": [fds, integer],
        }
        for name, arguments in signatures.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = arguments, ctypes.c_int64

    def send(
        self,
        port: int,
        paths: PathList,
        *,
        total: int = 0,
        associations: int = 1,
        pdu: int = 0,
        called: str = CALLED,
        whole: bool = False,
        plain: bool = False,
    ) -> Transfer:
        """Send `total` instances (0: each file once), files over and over, each association its share of them.

        pdu      longest P-DATA-TF in bytes, if the peer takes as much; 0: as the peer says
        whole    time everything, from looking at the files to the release; else from the first C-STORE-RQ to the last
                 C-STORE-RSP, with the files mapped before
        plain    to the acceptor of `plain()`
        """
        size = ctypes.c_uint64()
        taken = self._library.store_send(
            port,
            paths.array,
            paths.count,
            total,
            associations,
            pdu,
            called.encode("ascii"),
            whole,
            plain,
            ctypes.byref(size),
        )
        return Transfer(_checked("C-STORE", taken), size.value)

    @contextmanager
    def holding(self, port: int, count: int, *, called: str = CALLED) -> Iterator[int]:
        """Nanoseconds that so many associations took to open; they stay open for as long as the context lasts."""
        fds = (ctypes.c_int * count)()
        yield _checked("associations", self._library.store_hold(port, count, called.encode("ascii"), fds))
        _checked("release", self._library.store_let_go(fds, count))


def _checked(what: str, result: int) -> int:
    if result < 0:
        raise YardstickError(f"{what}: {STATUSES[-1 - result]}")
    return result


@lru_cache(maxsize=1)
def requestor() -> Requestor:
    """Return the requestor, compiled if need be."""
    return Requestor(build_pair("storage")[0])


def command(mode: str, folder: str | None, read_size: int, max_pdu: int) -> list[str]:
    line = [str(build_pair("storage")[1]), mode, "--read", str(read_size), "--max-pdu", str(max_pdu)]
    return line + (["--folder", folder] if folder is not None else [])


def acceptor(
    folder: str | None = None, *, read_size: int = READ_SIZE, max_pdu: int = 131072
) -> AbstractContextManager[Started]:
    """An acceptor that counts what it gets, or writes it to files in a folder; `ask` gives instances, bytes."""
    return started(command("scp", folder, read_size, max_pdu))


def plain(folder: str | None = None, *, read_size: int = READ_SIZE) -> AbstractContextManager[Started]:
    """The plain TCP side, for as long as the context lasts."""
    return started(command("plain", folder, read_size, 131072))


# ----------------------------------------------------------------------------------------- at hand


def gathered(places: Sequence[str]) -> list[str]:
    """Return files, and those in folders."""
    paths: list[str] = []
    for place in places:
        if not os.path.isdir(place):
            paths.append(place)
            continue
        for folder, _, names in sorted(os.walk(place)):
            paths += [os.path.join(folder, name) for name in sorted(names) if name.endswith(".dcm")]
    return paths


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.yardsticks")
    commands = parser.add_subparsers(required=True, dest="command")
    send = commands.add_parser("store-send", help="files to an acceptor on 127.0.0.1; prints MB/s")
    send.add_argument("port", type=int)
    send.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with files .dcm")
    send.add_argument("--pdu", type=int, default=0, help="longest P-DATA-TF (default: what the peer takes)")
    send.add_argument("--associations", type=int, default=1, help="at once (default 1)")
    send.add_argument("--total", type=int, default=0, help="instances, files over and over (default: each file once)")
    send.add_argument("--rounds", type=int, default=5, help="how often (default 5)")
    send.add_argument("--called", default=CALLED, help="called AE title")
    send.add_argument("--whole", action="store_true", help="time looking at files, association and release too")
    send.add_argument("--plain", action="store_true", help="plain TCP, to store-receive --plain")
    receive = commands.add_parser("store-receive", help="prints its port, ends with its standard input")
    receive.add_argument("--folder", help="write files there (default: count)")
    receive.add_argument("--read", type=int, default=READ_SIZE, help="bytes at once")
    receive.add_argument("--max-pdu", type=int, default=131072)
    receive.add_argument("--plain", action="store_true", help="plain TCP")
    options = parser.parse_args(arguments)
    if options.command == "store-receive":
        mode = "plain" if options.plain else "scp"
        return subprocess.call(command(mode, options.folder, options.read, options.max_pdu))
    paths = PathList(gathered(options.paths))
    for _ in range(options.rounds):
        sent = requestor().send(
            options.port,
            paths,
            total=options.total,
            associations=options.associations,
            pdu=options.pdu,
            called=options.called,
            whole=options.whole,
            plain=options.plain,
        )
        count = options.total or paths.count
        rate = 1e3 * sent.bytes / sent.ns
        print(f"{count} instances, {sent.bytes / 1e6:.1f} MB, {sent.ns / 1e6:.1f} ms, {rate:,.0f} MB/s", flush=True)
    return 0
