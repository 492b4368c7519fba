"""What ``modify`` and ``convert`` share: many files are read, changed and written, in place or to another folder."""

from __future__ import annotations

import os
import sys
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice

import click

from dicomwire.cli.batches import INTERRUPTED, foreign_option, is_foreign
from dicomwire.cli.console import complain, error_message, output
from dicomwire.cli.progress import Tally
from dicomwire.errors import DicomWireError
from dicomwire.scanning.scanner import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    Command = Callable[..., Any]

AHEAD = 4  # files for each worker that are handed out before the first is done
WRITTEN, UNCHANGED, FOREIGN, FAILED = "written", "unchanged", "not DICOM", "failed"


def rewriting_options(command: Command) -> Command:
    """The options of commands that rewrite files."""
    for option in (
        click.option(
            "--to", "folder", type=click.Path(file_okay=False), metavar="FOLDER",
            help="Where the files go, with the folders that they are in below the ones named.  [default: in place]",
        ),
        click.option("--overwrite", is_flag=True, help="With --to: replace files that are there."),
        click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Threads."),
        foreign_option,
        click.option("--synchronize", is_flag=True, help="Have each file on the disk before an older one is replaced."),
    ):  # fmt: skip
        command = option(command)
    return command


class Rewriting:
    """Works through files; ``work`` is called with a path and the path to write to, and says what it did.

    work    returns WRITTEN or UNCHANGED, or raises; called by several threads at once
    """

    def __init__(
        self,
        paths: Sequence[str],
        work: Callable[[str, str], str],
        *,
        folder: str | None,
        workers: int,
        skip_foreign: bool,
        verb: str,
    ) -> None:
        self._places = list(_places(paths, folder))
        self._work = work
        self._workers = workers
        self._skip_foreign = skip_foreign
        self._verb = verb
        self.counts: Counter[str] = Counter()

    def run(self) -> None:
        """Rewrite all files, print a summary, and end with status 1 where a file failed, INTERRUPTED after Ctrl-C."""
        interrupted = False
        with Tally(self._verb, len(self._places)) as tally:
            try:
                self._run_all(tally)
            except KeyboardInterrupt:
                interrupted = True
        seconds = tally.seconds
        stream = output()
        total = sum(self.counts.values())
        facts = [("files", f"{total:,}")]
        facts += [(name, f"{self.counts[name]:,}") for name in (WRITTEN, UNCHANGED, FOREIGN, FAILED)]
        facts += [("seconds", f"{seconds:.3f}"), ("files per second", f"{total / seconds if seconds else 0:,.0f}")]
        for name, value in facts:
            stream.write(f"{name:<18}{value}\n")
        if interrupted:
            complain(self._verb, f"interrupted, {len(self._places) - total:,} files left")
            sys.exit(INTERRUPTED)
        if self.counts[FAILED] or (self.counts[FOREIGN] and not self._skip_foreign):
            sys.exit(1)

    def _run_all(self, tally: Tally) -> None:
        with ThreadPoolExecutor(self._workers) as pool:
            left = iter(self._places)
            pending = {pool.submit(self._one, *place): place for place in islice(left, self._workers * AHEAD)}
            try:
                while pending:
                    finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in finished:
                        path, _ = pending.pop(future)
                        tally.count(path, self._judge(future.result()))
                    more = islice(left, len(finished))
                    pending.update((pool.submit(self._one, *place), place) for place in more)
            except BaseException:
                under_way = [(future, place) for future, place in pending.items() if not future.cancel()]
                for future, (path, _) in under_way:
                    tally.count(path, self._judge(future.result()))
                raise

    def _one(self, path: str, target: str) -> str | BaseException:
        try:
            return self._work(path, target)
        except (DicomWireError, OSError, MemoryError, ValueError, KeyError) as error:
            return error

    def _judge(self, outcome: str | BaseException) -> str | None:
        """Count what became of a file, and return what is to be said of one that failed."""
        if isinstance(outcome, str):
            self.counts[outcome] += 1
            return None
        no_dicom = is_foreign(outcome)
        self.counts[FOREIGN if no_dicom else FAILED] += 1
        return None if no_dicom and self._skip_foreign else error_message(outcome)


def _places(paths: Sequence[str], folder: str | None) -> Iterator[tuple[str, str]]:
    """Pairs of a file and of where it goes; hidden files that are in the making are none."""
    for start in paths:
        for path in walk([start]):
            name = os.path.basename(path)
            if name.startswith(".") and name.endswith(".part"):
                continue
            if folder is None:
                yield path, path
                continue
            below = os.path.relpath(path, start) if os.path.isdir(start) else name
            yield path, os.path.join(folder, below)


def prepare(target: str) -> None:
    """Make the folders that a file goes to."""
    folder = os.path.dirname(target)
    if folder:
        os.makedirs(folder, exist_ok=True)

