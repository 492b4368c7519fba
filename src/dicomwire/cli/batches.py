"""Commands that turn files into others: over folders, with workers, progress, a summary and an exit status."""

from __future__ import annotations

import os
import sys
from itertools import islice
from time import perf_counter

import click

from dicomwire.cli.console import complain, error_message, safe, warn
from dicomwire.cli.progress import progress_bar
from dicomwire.errors import DicomWireError
from dicomwire.scanning.scanner import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Command = Callable[..., Any]
    Work = Callable[..., int]

SHOWN = 20  # failures that get a line each


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


def run(label: str, work: Work, todo: Iterable[tuple[str, str]], workers: int, options: dict[str, Any]) -> int:
    """Call ``work(source, target, **options)`` for each pair, which returns the bytes written; how many failed.

    Failures are lines on standard error, and so is the summary at the end.  ``work`` must be a function of a module.
    """
    pairs = list(todo)
    started, done, failed, total = perf_counter(), 0, 0, 0
    bar = progress_bar() if sys.stderr.isatty() else None
    task = None
    if bar is not None:
        bar.start()
        task = bar.add_task(label, total=len(pairs), rate="")
    try:
        for source, size, message in _results(work, pairs, workers, options):
            if message is None:
                done += 1
                total += size
            else:
                failed += 1
                if failed <= SHOWN:
                    complain(source, message)
                elif failed == SHOWN + 1:
                    warn(label, f"more than {SHOWN} files failed; further ones are only counted")
            if bar is not None and task is not None:
                rate = f"{(done + failed) / (perf_counter() - started):,.0f} files/s"
                bar.update(task, advance=1, rate=rate)
    finally:
        if bar is not None:
            bar.stop()
    seconds = perf_counter() - started
    click.echo(f"{label}: {done:,} files, {total:,} bytes, {failed:,} failed, {seconds:.2f} s", err=True)
    return failed


def _results(
    work: Work, pairs: list[tuple[str, str]], workers: int, options: dict[str, Any]
) -> Iterator[tuple[str, int, str | None]]:
    """Source, bytes written and what went wrong, in the order of the pairs."""
    if workers == 1:
        for source, target in pairs:
            yield _one(work, source, target, options)
        return
    from collections import deque
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers) as pool:
        left = iter(pairs)
        pending = deque(pool.submit(_one, work, *pair, options) for pair in islice(left, workers * 4))
        while pending:
            yield pending.popleft().result()
            pending.extend(pool.submit(_one, work, *pair, options) for pair in islice(left, 1))


def _one(work: Work, source: str, target: str, options: dict[str, Any]) -> tuple[str, int, str | None]:
    try:
        return source, work(source, target, **options), None
    except (DicomWireError, OSError, MemoryError) as error:
        return source, 0, error_message(error)
