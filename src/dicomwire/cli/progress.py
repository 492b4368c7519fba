"""The progress bar of commands that work through many files."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import Progress


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
