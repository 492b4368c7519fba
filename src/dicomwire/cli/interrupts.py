"""Ctrl-C as a word and not as an exception, which would come between a file and the count of it."""

from __future__ import annotations

import signal
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it


class Interrupt:
    """Within its block the first Ctrl-C sets ``came`` and does nothing else; a second one is a KeyboardInterrupt.

    Where Ctrl-C is ignored, or somebody else's, that stays so.
    """

    def __init__(self) -> None:
        self.came = False
        self._is_ours = False

    def __enter__(self) -> Interrupt:
        is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        self._is_ours = is_usual and threading.current_thread() is threading.main_thread()
        if self._is_ours:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True
