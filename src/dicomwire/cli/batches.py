"""Commands that turn files into others: over folders, with workers, progress, a summary and an exit status."""

from __future__ import annotations

import os
from itertools import islice

import click

from dicomwire.cli.console import error_message, safe
from dicomwire.cli.progress import Tally
from dicomwire.errors import DicomWireError
from dicomwire.scanning.scanner import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Command = Callable[..., Any]
    Work = Callable[..., int]


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
    total = 0
    with Tally(label, len(pairs)) as tally:
        for source, size, message in _results(work, pairs, workers, options):
            tally.count(source, message)
            total += size
    click.echo(
        f"{label}: {tally.done:,} files, {total:,} bytes, {tally.failed:,} failed, {tally.seconds:.2f} s", err=True
    )
    return tally.failed


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
