"""Other toolkits as peers on loopback: started, waited for, and ended with what they said."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import missing

STARTING_S = 20.0
# Debian's DCMTK, and Orthanc on it, leave Nagle's algorithm on unless they are told.
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
# `make sanitize` loads the sanitizers before everything, and Wireshark's programs hang with them.
ENVIRONMENT.pop("LD_PRELOAD", None)


def tool(name: str) -> str:
    """Return the path of a program; the test is skipped, or fails in CI, where it is not installed."""
    # pynetdicom's scripts have the names of DCMTK's, and lie beside this interpreter.
    own = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if Path(folder) != own]
    path = shutil.which(name, path=os.pathsep.join(folders))
    if path is None:
        missing(f"{name} is not installed")
    assert path is not None
    return path


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Peer:
    """A server of another toolkit: where it listens, and the file of what it says."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def run(command: list[str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a client of another toolkit to its end; stdout and stderr are joined."""
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout_s,
        env=ENVIRONMENT,
        check=False,
    )


@contextlib.contextmanager
def serving(command: list[str], port: int, log: Path) -> Iterator[Peer]:
    """Start a server and wait until it accepts connections; it is ended with the block."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=ENVIRONMENT, cwd=log.parent)
    try:
        deadline = time.monotonic() + STARTING_S
        while True:
            if process.poll() is not None:
                raise AssertionError(f"{command[0]} ended with {process.returncode}: {log.read_text(errors='replace')}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > deadline:
                raise AssertionError(f"{command[0]} does not listen: {log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield Peer(port, process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def storescp(folder: Path, *options: str) -> contextlib.AbstractContextManager[Peer]:
    """Return DCMTK's storage and verification provider, at debug level."""
    port = free_port()
    return serving([tool("storescp"), "-d", *options, str(port)], port, folder / "storescp.log")


def orthanc(folder: Path, **settings: object) -> contextlib.AbstractContextManager[Peer]:
    """Return Orthanc with its DICOM server, any requestor allowed."""
    port = free_port()
    configuration = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "HttpServerEnabled": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
        **settings,
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(configuration))
    return serving([tool("Orthanc"), "--verbose", str(path)], port, folder / "orthanc.log")
