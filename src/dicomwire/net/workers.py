"""Threads that receive for associations, so that a slow disk holds up nobody else and data sets pass without the GIL.

A server has any number of associations and few threads.  What a thread gets is a `Loan`, an association that its event
loop has lent it; it stays with that as long as messages keep coming, but no longer than a turn where others wait.
"""

from __future__ import annotations

import itertools
import os
import secrets
import threading
from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from _dicomwire.deposit import Deposit
from _dicomwire.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from typing_extensions import Buffer

    from dicomwire.net.loan import Loan

THREADS = max(4, min(32, (os.cpu_count() or 1) + 2))
"""Threads by default: a few more than processors, since some wait for disks; many more only wait for each other."""
IDLE_S = 10.0  # until a thread that has nothing to do ends
_token = secrets.token_hex(6)  # other processes may write into the same folders
_numbers = itertools.count()  # of deposits
WINDOWS = 4  # of a thread whose bytes are digested elsewhere: received, written, and digested twice


class Workers:
    """A bounded number of threads, started when they are needed, and the loans that wait for one of them."""

    def __init__(self, count: int = THREADS) -> None:
        if count < 1:
            raise ValueError(f"at least one thread expected, found {count}")
        self.count = count
        self._waiting: deque[Loan] = deque()
        self._change = threading.Condition(threading.Lock())
        self._running = 0
        self._idle = 0

    def submit(self, loan: Loan) -> None:
        """Have a thread work on this, as soon as one is free."""
        with self._change:
            self._waiting.append(loan)
            # Not only whether a thread is idle: it may be the one that an earlier loan has woken.
            if len(self._waiting) <= self._idle or self._running == self.count:
                self._change.notify()
                return
            self._running += 1
        threading.Thread(target=self._work, name="dicomwire.net.worker", daemon=True).start()

    @property
    def has_waiting(self) -> bool:
        """True while there is more to do than there are threads."""
        return bool(self._waiting)

    def _work(self) -> None:
        with Worker() as worker:
            while (loan := self._next()) is not None:
                if loan.run(worker, self):
                    self.submit(loan)
                del loan  # an idle thread keeps no association

    def _next(self) -> Loan | None:
        """Return what to work on, None when there was nothing for a while and the thread is to end."""
        with self._change:
            while not self._waiting:
                self._idle += 1
                is_notified = self._change.wait(IDLE_S)
                self._idle -= 1
                if not self._waiting and not is_notified:
                    self._running -= 1
                    return None
            return self._waiting.popleft()


class Worker:
    """What a thread owns: windows to receive into, the instance that it stores, a pipe that wakes it, and somebody to
    digest for it.
    """

    def __init__(self) -> None:
        self.ident = threading.get_ident()
        self.intake = Intake()
        self.deposit = Deposit(f".{_token}-{os.getpid()}-{next(_numbers)}-".encode())
        self.digester = Digester()
        self._intakes = [self.intake]
        self._jobs = [0] * WINDOWS  # of the digester, that look into each window
        self.wake, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
        self._is_closed = False
        self._closing = threading.Lock()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *rest: object) -> None:
        self.digester.stop()
        self.deposit.discard()
        with self._closing:
            self._is_closed = True
            os.close(self.wake)
            os.close(self._waker)

    def awaken(self) -> None:
        """Make the thread look up from where it waits; called by others, also when the thread has just ended."""
        with self._closing, suppress(BlockingIOError):  # a pipe that is full wakes it as well
            if not self._is_closed:
                os.write(self._waker, b"\0")

    def awoken(self) -> None:
        """Make sure that it waits again next time."""
        os.read(self.wake, 4096)

    def next_window(self) -> Intake:
        """Return a window that nobody looks into."""
        if not self.digester.given:
            return self.intake
        at = self._intakes.index(self.intake)
        self._jobs[at] = self.digester.given
        at = (at + 1) % WINDOWS
        if at == len(self._intakes):
            self._intakes.append(Intake())
        self.digester.wait(self._jobs[at])
        self.intake = self._intakes[at]
        return self.intake


class Hash(Protocol):
    """What `hashlib` gives."""

    def update(self, data: Buffer, /) -> None:
        """Take further bytes."""


class Digester:
    """A thread beside a worker that feeds hashes, in the order in which they are given to it.

    given    how many jobs it was given
    """

    def __init__(self) -> None:
        self.given = 0
        self._done = 0
        self._jobs: SimpleQueue[tuple[Hash, Sequence[Buffer]] | None] = SimpleQueue()
        self._finished: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def update(self, digest: Hash, buffers: Sequence[Buffer]) -> None:
        """Have bytes digested.  They must stay as they are until `wait` says that they are."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="dicomwire.net.digester", daemon=True)
            self._thread.start()
        self.given += 1
        self._jobs.put((digest, buffers))

    def wait(self, jobs: int | None = None) -> None:
        """Return when the first so many jobs are done, by default all."""
        wanted = self.given if jobs is None else jobs
        while self._done < wanted:
            self._finished.get()
            self._done += 1

    def stop(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._jobs.put(None)

    def _work(self) -> None:
        job: Any
        while (job := self._jobs.get()) is not None:
            digest, buffers = job
            for buffer in buffers:
                digest.update(buffer)
            self._finished.put(None)
            del digest, buffers, job
