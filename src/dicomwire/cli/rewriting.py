"""What ``modify`` and ``convert`` share: many files are read, changed and written, in place or to another folder."""

from __future__ import annotations

import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import click

from dicomwire.cli.batches import Failure, foreign_option, outcomes, places, stopping
from dicomwire.cli.console import complain, output
from dicomwire.cli.interrupts import INTERRUPTED, Interrupt
from dicomwire.cli.progress import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Command = Callable[..., Any]

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

    work    returns WRITTEN or UNCHANGED, or raises; called by several threads at once: what takes time is the disk, and
            codecs, which let other threads run
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
        self._places = list(places(paths, folder))
        self._work = work
        self._workers = workers
        self._skip_foreign = skip_foreign
        self._verb = verb
        self.counts: Counter[str] = Counter()

    def run(self) -> None:
        """Rewrite all files, print a summary, and end with status 1 where a file failed, INTERRUPTED after Ctrl-C."""
        threads = ThreadPoolExecutor(self._workers)
        with Interrupt() as interrupt, Tally(self._verb, len(self._places)) as tally, stopping(threads) as pool:
            for path, outcome in outcomes(pool, self._work, self._places, self._workers, interrupt):
                tally.count(path, self._judge(outcome))
        seconds = tally.seconds
        stream = output()
        total = sum(self.counts.values())
        facts = [("files", f"{total:,}")]
        facts += [(name, f"{self.counts[name]:,}") for name in (WRITTEN, UNCHANGED, FOREIGN, FAILED)]
        facts += [("seconds", f"{seconds:.3f}"), ("files per second", f"{total / seconds if seconds else 0:,.0f}")]
        for name, value in facts:
            stream.write(f"{name:<18}{value}\n")
        if interrupt.came:
            complain(self._verb, f"interrupted, {len(self._places) - total:,} files left")
            sys.exit(INTERRUPTED)
        if self.counts[FAILED] or (self.counts[FOREIGN] and not self._skip_foreign):
            sys.exit(1)

    def _judge(self, outcome: str | Failure) -> str | None:
        """Count what became of a file, and return what is to be said of one that failed."""
        if isinstance(outcome, str):
            self.counts[outcome] += 1
            return None
        self.counts[FOREIGN if outcome.is_foreign else FAILED] += 1
        return None if outcome.is_foreign and self._skip_foreign else outcome.message


def prepare(target: str) -> None:
    """Make the folders that a file goes to."""
    folder = os.path.dirname(target)
    if folder:
        os.makedirs(folder, exist_ok=True)
