"""What commands over many files share: where each result goes, workers, and commands that turn files into others."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

import click

from dicomwire.cli.console import error_message, safe
from dicomwire.cli.interrupts import INTERRUPTED, Interrupt
from dicomwire.cli.progress import Tally
from dicomwire.cli.scan import NOT_DICOM
from dicomwire.errors import DicomWireError
from dicomwire.scanning.scanner import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future
    from typing import Any

    Command = Callable[..., Any]
    Outcome = Any  # what work returned, or a Failure

AHEAD = 4  # files for each worker that are handed out before the first is done


class Failure(NamedTuple):
    """Why there is no result for a file."""

    message: str
    is_foreign: bool  # the file is something else than DICOM


def workers_option(command: Command) -> Command:
    """The option ``--workers``, of processes."""
    return click.option(
        "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that work at once."
    )(command)


def foreign_option(command: Command) -> Command:
    """The option ``--skip-foreign``."""
    return click.option("--skip-foreign", is_flag=True, help="Pass over files that are not DICOM.")(command)


def is_foreign(error: BaseException) -> bool:
    """Whether what went wrong with a file is that it is not DICOM."""
    return NOT_DICOM.match(f"{type(error).__name__}: {error}") is not None


def places(paths: Iterable[str], folder: str | None, ending: str = "") -> Iterator[tuple[str, str]]:
    """Each file, and of folders all below, once, with the place in ``folder`` that its result gets; names are kept.

    Without a folder that is its own place.  ``ending`` is put behind the names.  Hidden files that are in the making
    are none.  ``click.UsageError`` when two files would get the same place.
    """
    taken: dict[str, str] = {}
    for path in paths:
        base = path if os.path.isdir(path) else os.path.dirname(path)
        for source in walk([path]):
            name = os.path.basename(source)
            if name.startswith(".") and name.endswith(".part"):
                continue
            target = source if folder is None else os.path.join(folder, os.path.relpath(source, base or ".") + ending)
            key = os.path.normcase(os.path.abspath(target))
            if key not in taken:
                taken[key] = source
                yield source, target
            elif os.path.abspath(taken[key]) != os.path.abspath(source):
                raise click.UsageError(f"{safe(source)} and {safe(taken[key])} would both be {safe(target)}")


def outcomes(
    pool: Executor | None,
    work: Callable[[str, str], Any],
    pairs: Iterable[tuple[str, str]],
    workers: int,
    interrupt: Interrupt,
) -> Iterator[tuple[str, Outcome]]:
    """Each source of ``pairs`` with what ``work(source, target)`` returned or a Failure, as they are done.

    Without a pool the caller's thread works.  After an interrupt no file is begun, and those under way are the last.
    """
    if pool is None:
        for source, target in pairs:
            yield source, _outcome(work, source, target)
            if interrupt.came:
                return
        return
    from concurrent.futures import FIRST_COMPLETED, wait

    left = iter(pairs)
    pending: dict[Future[Outcome], str] = {}
    free = workers * AHEAD
    while not interrupt.came:
        pending.update((pool.submit(_outcome, work, *pair), pair[0]) for pair in islice(left, free))
        if not pending:
            return
        finished, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in finished:
            yield pending.pop(future), future.result()
        free = len(finished)
    for future, source in [one for one in pending.items() if not one[0].cancel()]:
        yield source, future.result()


@contextmanager
def stopping(pool: Executor) -> Iterator[Executor]:
    """Shut a pool down at the end; an error or Ctrl-C takes back what no worker has begun and waits for the rest."""
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(work: Callable[[str, str], Any], source: str, target: str) -> Outcome:
    try:
        return work(source, target)
    except (DicomWireError, OSError, MemoryError, ValueError, KeyError) as error:
        # A text and not the error, which another process may not be able to make again.
        return Failure(error_message(error), is_foreign(error))


def run(
    label: str,
    work: Callable[[str, str], int],
    pairs: Sequence[tuple[str, str]],
    workers: int,
    *,
    skip_foreign: bool = False,
) -> int:
    """Call ``work(source, target)`` for each pair, which returns the bytes written; how many failed.

    Failures are lines on standard error, and so is the summary at the end, which comes after Ctrl-C, too; then the
    process ends with INTERRUPTED.  ``work`` is pickled.  The workers are
    processes and not threads: what is turned into text or de-identified is Python's work on each element, which threads
    do one after the other.
    """
    total = foreign = 0
    with Interrupt() as interrupt, Tally(label, len(pairs)) as tally, _processes(workers) as pool:
        for source, outcome in outcomes(pool, work, pairs, workers, interrupt):
            if not isinstance(outcome, Failure):
                tally.count(source)
                total += outcome
            elif outcome.is_foreign and skip_foreign:
                foreign += 1
            else:
                tally.count(source, outcome.message)
    notes = [f"{foreign:,} not DICOM"] if foreign else []
    notes += [f"interrupted, {len(pairs) - tally.done - tally.failed - foreign:,} left"] if interrupt.came else []
    click.echo(
        ", ".join([f"{label}: {tally.done:,} files", f"{total:,} bytes", f"{tally.failed:,} failed", *notes])
        + f", {tally.seconds:.2f} s",
        err=True,
    )
    if interrupt.came:
        sys.exit(INTERRUPTED)
    return tally.failed


@contextmanager
def _processes(workers: int) -> Iterator[Executor | None]:
    if workers == 1:
        yield None
        return
    import signal
    from concurrent.futures import ProcessPoolExecutor

    # Ctrl-C reaches all processes of a terminal, and this one tells the others.
    with stopping(
        ProcessPoolExecutor(workers, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    ) as pool:
        yield pool
