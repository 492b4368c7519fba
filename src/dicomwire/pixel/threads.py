"""Frames side by side on threads: what works on pixels does it without the GIL."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def in_threads(arguments: Sequence[tuple[Any, ...]], work: Callable[..., None], threads: int) -> None:
    """Call ``work`` with each of the arguments, on so many threads; the first error in their order is raised."""
    if threads < 1:
        raise ValueError(f"threads={threads}: expected 1 or more")
    if threads == 1 or len(arguments) < 2:
        for each in arguments:
            work(*each)
        return
    from concurrent.futures import ThreadPoolExecutor

    def run(part: Sequence[tuple[Any, ...]]) -> None:
        for each in part:
            work(*each)

    # A few parts for each thread: a small frame is worth less than handing it over.
    step = max(1, len(arguments) // (4 * threads))
    with ThreadPoolExecutor(min(threads, len(arguments)), "dicomwire-pixels") as pool:
        waiting = [pool.submit(run, arguments[at : at + step]) for at in range(0, len(arguments), step)]
        try:
            for future in waiting:
                future.result()
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
