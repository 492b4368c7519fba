"""The monitor on loopback while C-STOREs pass: what it sees of them, and what the kernel drops because it is late.

A requestor in Python, which writes what was encoded before, sends at a rate to the C acceptor; both, the kernel's copy
for the monitor and the monitor share the machine.  An entry's time is that of the requestor.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks import captures
from benchmarks.compare.child import environment
from benchmarks.compare.monitor import MOST_MB
from benchmarks.compare.runner import Entry, Goal, Task
from benchmarks.encode import CT_IMAGE_STORAGE
from benchmarks.workloads import ROOT
from benchmarks.yardsticks import storage as yardstick

IMAGES = {"XS": 4, "S": 200, "M": 2000, "L": 8000}
RATES = (250, 500, 1000)  # MB/s
WANTED_MB_S = 500
DIFFERENT_IMAGES = 8


class Requestor:
    """Sends images over one association, encoded beforehand."""

    def __init__(self) -> None:
        from dicomwire.dimse import CStoreRQ

        self.ends = captures.Ends(captures.Facts())
        self.messages = []
        for number, (uid, data) in enumerate(captures.images(DIFFERENT_IMAGES, 20261128), 1):
            request = CStoreRQ(
                message_id=number, affected_sop_class_uid=CT_IMAGE_STORAGE, affected_sop_instance_uid=uid
            )
            self.messages.append((self.ends.message(3, request, data), len(data)))

    @property
    def size(self) -> int:
        return self.messages[0][1]

    def send(self, port: int, count: int, rate_mb_s: float | None) -> tuple[int, int]:
        """Send ``count`` images at a rate, as fast as it goes with None; return nanoseconds and bytes of data sets."""
        sent = 0
        with socket.create_connection(("127.0.0.1", port)) as plug:
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plug.sendall(self.ends.asked)
            _read(plug)
            start = time.perf_counter_ns()
            for number in range(count):
                message, size = self.messages[number % len(self.messages)]
                plug.sendall(message)
                _read(plug)
                sent += size
                if rate_mb_s is not None:
                    early = sent / rate_mb_s * 1000 - (time.perf_counter_ns() - start)
                    if early > 50_000:
                        time.sleep(early / 1e9)
            taken = time.perf_counter_ns() - start
            plug.sendall(self.ends.release)
            _read(plug)
        return taken, sent


def _read(plug: socket.socket) -> bytes:
    """Return a PDU."""
    head = plug.recv(6, socket.MSG_WAITALL)
    return head + plug.recv(int.from_bytes(head[2:], "big"), socket.MSG_WAITALL)


@contextmanager
def watching(port: int) -> Iterator[dict[str, Any]]:
    """Run a monitor of loopback while the block runs; what it found is in the dictionary afterwards."""
    found: dict[str, Any] = {}
    command = [sys.executable, "-m", "benchmarks.compare.monitor_peer", "--live", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT
    ) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline() != b"ready\n":
                process.kill()
                _, said = process.communicate()
                raise RuntimeError(said.decode(errors="replace").strip().splitlines()[-1])
            yield found
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
            found.update(json.loads(output))
        finally:
            process.kill()


def _entry(label: str, role: str, requestor: Requestor, port: int, count: int, rate: float | None) -> Entry:
    entry = Entry(label, role, lambda: 0, toolkit="dicomwire", own_clock=True, waits=True)
    last: list[str] = []

    def run() -> int:
        with watching(port) as found:
            taken, sent = requestor.send(port, count, rate)
        entry.memory["MB peak"] = max(found["peak_kb"] / 1e3, entry.memory.get("MB peak", 0.0))
        stores = found["transactions"].get("C-STORE", 0)
        whole = found["request_data_set_bytes"] == sent and stores == count and found["dropped"] == 0
        share = found["cpu_ns"] / taken
        if whole:
            last[:] = [f"all seen, none dropped, {share:.0%} of a core"]
        else:
            words = "" if role == "check" else "DIFFERENT: "
            last[:] = [f"{words}{stores} of {count} seen, {found['dropped']:,} packets dropped"]
        return taken

    entry.run = run
    entry.compare = lambda _: last[0]
    return entry


def monitor_live(size: str, names: list[str]) -> Task:
    requestor, count = Requestor(), IMAGES[size]
    stack = ExitStack()
    try:
        port = stack.enter_context(yardstick.acceptor()).port
    except BaseException:
        stack.close()
        raise
    entries = [
        _entry(f"at {rate} MB/s", "own" if rate <= WANTED_MB_S else "check", requestor, port, count, rate)
        for rate in RATES
    ]
    entries.append(_entry("as fast as it goes", "check", requestor, port, count, None))
    alone = Entry("not watched", "limit", lambda: requestor.send(port, count, None)[0], own_clock=True, waits=True)
    return Task(
        name="monitor-live",
        title=f"{count:,} C-STOREs of {requestor.size / 1e3:.0f} kB over loopback, watched through a ring of packets",
        unit="image",
        units=count,
        entries=[*entries, alone],
        goals=[Goal("MB peak", MOST_MB)],
        notes=["Rates that drop packets are this machine's limit: sender, acceptor and monitor share its cores."],
        reference="dicomwire",
        size_bytes=count * requestor.size,
        close=stack.close,
    )
