"""Frames side by side on threads: what works on pixels does it without the GIL."""

from __future__ import annotations

from threading import Lock, Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


def in_threads(arguments: Iterable[tuple[Any, ...]], work: Callable[..., None], threads: int) -> None:
    """Call ``work`` with each of the arguments, on so many threads; the first error in their order is raised.

    The caller's thread is one of them.  Arguments are made one at a time, when a thread is free for them.
    """
    if threads < 1:
        raise ValueError(f"threads={threads}: expected 1 or more")
    if threads == 1:
        for each in arguments:
            work(*each)
        return
    waiting = iter(arguments)
    lock = Lock()
    taken = 0
    failures: list[tuple[bool, int, BaseException]] = []

    def run() -> None:
        nonlocal taken
        number = 0
        try:
            while True:
                with lock:
                    number = taken
                    each = None if failures else next(waiting, None)
                    taken += 1
                if each is None:
                    return
                work(*each)
        except BaseException as error:  # noqa: BLE001 - raised by the caller's thread
            failures.append((isinstance(error, Exception), number, error))

    others: list[Thread] = []
    try:
        for _ in range(threads - 1):
            thread = Thread(target=run, name="dicomwire-pixels")
            thread.start()
            others.append(thread)
        run()
    except BaseException as error:
        failures.append((False, 0, error))
        raise
    finally:
        for thread in others:
            thread.join()
    if failures:
        first = min(failures, key=lambda failure: failure[:2])[2]
        failures.clear()
        try:
            raise first
        finally:
            del first  # which its own traceback would hold
