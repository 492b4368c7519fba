"""The toolkits of storage: their acceptors as commands, their requestors as functions.

Those in Python run in storage_peer.py, by an interpreter that has them.  DCMTK and Orthanc run with TCP_NODELAY=1, see
network.py.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import workloads
from benchmarks.compare import network
from benchmarks.compare.network import dcmtk, dcmtk_version, interpreter, undelayed
from benchmarks.yardsticks import YardstickError

PDU = 131072
REQUESTOR_S = 300.0
START_UPS = 3  # runs of a command with one file, of which the median is its start-up
PEER = Path(__file__).with_name("storage_peer.py")


@dataclass
class Acceptor:
    """A toolkit's acceptor in a mode; `answers`: it tells what it has stored, see storage_peer.py."""

    name: str
    command: Callable[[int, Path, Path], list[str]]  # of port, folder of its own, folder for files
    version: Callable[[], str]
    how: str = ""
    share: float = 1.0
    role: str = "peer"
    answers: bool = False
    one_process: bool = True
    own_files: bool = False  # its files are not those of the files' names: they are not looked at


@dataclass
class RequestorOf:
    """A toolkit's requestor: sends files to a port and returns nanoseconds."""

    name: str
    send: Callable[[int, Sequence[str]], int]
    version: Callable[[], str]
    how: str = ""
    share: float = 1.0
    role: str = "peer"
    variant: str = ""
    extra: int = 1  # instances that it sends beyond those that are timed


def _version_of(toolkit: str) -> Callable[[], str]:
    def version() -> str:
        command = [interpreter(toolkit), str(PEER), toolkit, "version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    return version


def in_python(toolkit: str, mode: str, how: str = "", share: float = 1.0) -> Acceptor:
    def command(port: int, _: Path, files: Path) -> list[str]:
        return [interpreter(toolkit), str(PEER), toolkit, "scp", mode, str(port), str(files)]

    own = toolkit == "dicomwire"
    return Acceptor(toolkit, command, _version_of(toolkit), how, share, role="own" if own else "peer", answers=own)


def storescp(how: str, *options: str) -> Acceptor:
    """DCMTK's acceptor, with "FILES" for the folder."""

    def command(port: int, _: Path, files: Path) -> list[str]:
        words = [str(files) if option == "FILES" else option for option in options]
        return [dcmtk("storescp"), "--max-pdu", str(PDU), *words, str(port)]

    return Acceptor(
        "storescp",
        command,
        lambda: dcmtk_version(dcmtk("storescp")),
        f"{how}, --max-pdu {PDU}, TCP_NODELAY=1",
        one_process="--fork" not in options,
    )


def orthanc(share: float) -> Acceptor:
    def command(port: int, folder: Path, files: Path) -> list[str]:
        line = network.orthanc_scp(port, files)
        settings = json.loads(Path(line[-1]).read_text())
        settings |= {
            "OverwriteInstances": True,
            "DicomAlwaysAllowStore": True,
            "SyncStorageArea": False,
            "MaximumPduLength": PDU,
        }
        path = folder / "orthanc.json"
        path.write_text(json.dumps(settings))
        return [*line[:-1], str(path)]

    how = "no SyncStorageArea, OverwriteInstances, TCP_NODELAY=1"
    return Acceptor("orthanc", command, network.orthanc_version, how, share, own_files=True)


ACCEPTORS: dict[str, list[Acceptor]] = {
    "discard": [
        in_python("dicomwire", "discard", "Storage(None)"),
        storescp("--ignore", "--ignore"),
        in_python("pydcm", "discard", "function that gets the bytes"),
        in_python("pynetdicom", "discard", "", 0.05),
    ],
    "files": [
        in_python("dicomwire", "files", "Storage(folder)"),
        storescp("+B", "+B", "--output-directory", "FILES"),
        in_python("pydcm", "files", "store_dir"),
        orthanc(0.1),
        in_python("pynetdicom", "files", "encoded_dataset", 0.05),
    ],
    "digest": [in_python("dicomwire", "digest", 'Storage(folder, digest="sha256", on_header=...)')],
    "many": [
        in_python("dicomwire", "discard", "Storage(None), one process"),
        storescp("--fork --ignore", "--fork", "--ignore"),
        in_python("pydcm", "discard", "function that gets the bytes"),
        in_python("pynetdicom", "discard", "", 0.05),
    ],
}


def sent_in_python(
    toolkit: str, variant: str, how: str, share: float = 1.0, *, role: str = "peer", is_variant: bool = False
) -> RequestorOf:
    def send(port: int, paths: Sequence[str]) -> int:
        command = [interpreter(toolkit), str(PEER), toolkit, "send", variant, str(port)]
        done = subprocess.run(
            command, input="\n".join(paths), capture_output=True, text=True, check=False, timeout=REQUESTOR_S
        )
        if done.returncode != 0:
            raise YardstickError((done.stderr.strip().splitlines() or ["no output"])[-1])
        return int(done.stdout)

    return RequestorOf(toolkit, send, _version_of(toolkit), how, share, role, variant if is_variant else "")


def sent_by_dcmtk(program: str, *options: str) -> RequestorOf:
    """A command of DCMTK: the time of its process, less that of one that sends one CT file."""

    def once(port: int, paths: Sequence[str]) -> int:
        command = [dcmtk(program), "--max-pdu", str(PDU), *options, "127.0.0.1", str(port), *paths]
        start = time.perf_counter_ns()
        subprocess.run(command, env=undelayed(), check=True, timeout=REQUESTOR_S, capture_output=True)
        return time.perf_counter_ns() - start

    def send(port: int, paths: Sequence[str]) -> int:
        small = str(workloads.corpus("ct-explicit-le", "XS").paths[0])
        start_up = round(statistics.median(once(port, [small]) for _ in range(START_UPS)))
        return max(1, once(port, paths) - start_up)

    how = ", ".join([*options, f"--max-pdu {PDU}", "start-up and one CT file taken off", "TCP_NODELAY=1"])
    return RequestorOf(program, send, lambda: dcmtk_version(dcmtk(program)), how, extra=START_UPS)


REQUESTORS = [
    sent_in_python("dicomwire", "files", "contexts_for, send_files", role="own"),
    sent_in_python("dicomwire", "c-store", "c_store of one after the other", role="own", is_variant=True),
    sent_in_python("dicomwire-blocking", "", "send_c_store of one after the other", role="own", is_variant=True),
    sent_by_dcmtk("dcmsend"),
    sent_by_dcmtk("storescu", "-R"),
    sent_in_python("pydcm", "", "send_c_store_files"),
    sent_in_python("pynetdicom", "", "send_c_store of paths, in pieces", 0.02),
]
