"""What commands that work through many files tell while they do: a bar, and a line for each file that failed."""

from __future__ import annotations

import sys
from time import perf_counter

from dicomwire.cli.console import complain, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SHOWN = 20  # failures that get a line each


class Tally:
    """Counts files as they are done, within a ``with`` block: a bar on a terminal, and the first failures one by one.

    done, failed   files so far
    seconds        since it was made
    """

    def __init__(self, label: str, total: int) -> None:
        self.done = self.failed = 0
        self._label = label
        self._total = total
        self._started = perf_counter()
        self._bar: Progress | None = None
        self._task: TaskID

    @property
    def seconds(self) -> float:
        return perf_counter() - self._started

    def __enter__(self) -> Tally:
        if sys.stderr.isatty():
            self._bar = progress_bar()
            self._bar.start()
            self._task = self._bar.add_task(self._label, total=self._total, rate="")
        return self

    def __exit__(self, *what: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def count(self, path: str, message: str | None = None) -> None:
        """Count a file; ``message`` says why it failed."""
        if message is None:
            self.done += 1
        else:
            self.failed += 1
            if self.failed <= SHOWN:
                complain(path, message)
            elif self.failed == SHOWN + 1:
                warn(self._label, f"more than {SHOWN} files failed; further ones are only counted")
        if self._bar is not None:
            rate = f"{(self.done + self.failed) / self.seconds:,.0f} files/s"
            self._bar.update(self._task, advance=1, rate=rate)


def progress_bar() -> Progress:
    """A progress bar on standard error; rich is imported here, where one is shown, and nowhere else.

    Its tasks have a field ``rate``, a text.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
