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
from typing import TYPE_CHECKING

from _dicomwire.deposit import Deposit
from _dicomwire.intake import Intake
from _dicomwire.writer import Writer

if TYPE_CHECKING:
    from dicomwire.net.loan import Loan

THREADS = max(4, min(32, (os.cpu_count() or 1) + 2))
"""Threads by default: a few more than processors, since some wait for disks; many more only wait for each other."""
IDLE_S = 10.0  # until a thread that has nothing to do ends
_token = secrets.token_hex(6)  # other processes may write into the same folders
_numbers = itertools.count()  # of deposits


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
    write for it.
    """

    def __init__(self) -> None:
        self.ident = threading.get_ident()
        self.intake = Intake()
        self.deposit = Deposit(f".{_token}-{os.getpid()}-{next(_numbers)}-".encode())
        self._writer: Writer | None = None
        self.wake, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
        self._is_closed = False
        self._closing = threading.Lock()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *rest: object) -> None:
        if self._writer is not None:
            self._writer.stop()
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

    @property
    def writer(self) -> Writer:
        """Who writes what is digested meanwhile: a thread of its own, started when it is first needed."""
        writer = self._writer
        if writer is None:
            writer = Writer()
            threading.Thread(target=writer.work, name="dicomwire.net.writer", daemon=True).start()
            self._writer = writer
        return writer
