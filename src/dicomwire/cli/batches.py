"""Commands that turn files into others: over folders, with workers, progress, a summary and an exit status."""

from __future__ import annotations

import os
import signal
import sys
from itertools import islice

import click

from dicomwire.cli.console import error_message, safe
from dicomwire.cli.progress import Tally
from dicomwire.cli.scan import NOT_DICOM
from dicomwire.errors import DicomWireError
from dicomwire.scanning.scanner import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Command = Callable[..., Any]
    Work = Callable[..., int]

INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it


def workers_option(command: Command) -> Command:
    """The option ``--workers``."""
    return click.option(
        "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that work at once."
    )(command)


def jobs(paths: Iterable[str], folder: str, ending: str) -> Iterator[tuple[str, str]]:
    """Each file, and of folders all below, with the place in ``folder`` that its result gets; names are kept.

    ``ending`` is put behind the names.  ValueError when two files would get the same place.
    """
    taken: dict[str, str] = {}
    for path in paths:
        base = path if os.path.isdir(path) else os.path.dirname(path)
        for name in walk([path]):
            target = os.path.join(folder, os.path.relpath(name, base or ".") + ending)
            if taken.setdefault(os.path.normcase(target), name) != name:
                raise ValueError(
                    f"{safe(name)} and {safe(taken[os.path.normcase(target)])} would both be {safe(target)}"
                )
            yield name, target


def is_foreign(error: BaseException) -> bool:
    """Whether what went wrong with a file is that it is not DICOM."""
    return NOT_DICOM.match(f"{type(error).__name__}: {error}") is not None


def foreign_option(command: Command) -> Command:
    """The option ``--skip-foreign``."""
    return click.option("--skip-foreign", is_flag=True, help="Pass over files that are not DICOM.")(command)


def run(
    label: str,
    work: Work,
    todo: Iterable[tuple[str, str]],
    workers: int,
    options: dict[str, Any],
    *,
    skip_foreign: bool = False,
) -> int:
    """Call ``work(source, target, **options)`` for each pair, which returns the bytes written; how many failed.

    Failures are lines on standard error, and so is the summary at the end, which comes after Ctrl-C, too; then the
    process ends with INTERRUPTED.  ``work`` must be a function of a module.
    """
    pairs = list(todo)
    total = foreign = 0
    interrupted = False
    with Tally(label, len(pairs)) as tally:
        try:
            for source, size, message, no_dicom in _results(work, pairs, workers, options):
                total += size
                if no_dicom and skip_foreign:
                    foreign += 1
                else:
                    tally.count(source, message)
        except KeyboardInterrupt:
            interrupted = True
    notes = [f"{foreign:,} not DICOM"] if foreign else []
    notes += [f"interrupted, {len(pairs) - tally.done - tally.failed - foreign:,} left"] if interrupted else []
    click.echo(
        ", ".join([f"{label}: {tally.done:,} files", f"{total:,} bytes", f"{tally.failed:,} failed", *notes])
        + f", {tally.seconds:.2f} s",
        err=True,
    )
    if interrupted:
        sys.exit(INTERRUPTED)
    return tally.failed


def _results(
    work: Work, pairs: list[tuple[str, str]], workers: int, options: dict[str, Any]
) -> Iterator[tuple[str, int, str | None, bool]]:
    """Source, bytes written, what went wrong, and whether it is no DICOM, in the order of the pairs."""
    if workers == 1:
        for source, target in pairs:
            yield _one(work, source, target, options)
        return
    from collections import deque
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, initializer=_ignore_interrupts) as pool:
        left = iter(pairs)
        pending = deque(pool.submit(_one, work, *pair, options) for pair in islice(left, workers * 4))
        try:
            while pending:
                result = pending[0].result()
                pending.popleft()
                pending.extend(pool.submit(_one, work, *pair, options) for pair in islice(left, 1))
                yield result
        except KeyboardInterrupt:
            for future in [future for future in pending if not future.cancel()]:
                yield future.result()
            raise


def _ignore_interrupts() -> None:
    """Let Ctrl-C, which all processes of a terminal get, end what the command hands out and not what is under way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _one(work: Work, source: str, target: str, options: dict[str, Any]) -> tuple[str, int, str | None, bool]:
    try:
        return source, work(source, target, **options), None, False
    except (DicomWireError, OSError, MemoryError) as error:
        return source, 0, error_message(error), is_foreign(error)
