"""Conversations of a capture.  The docstrings are in talk.pyx."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

from _dicomwire.messages import Messages

@final
class Talk(Messages):
    def __init__(
        self,
        transitions: Iterable[tuple[str, str, str, Sequence[str]]],
        facts: Callable[..., Any],
        policy: object,
        **options: Any,
    ) -> None: ...
    @property
    def connections(self) -> dict[str, int]: ...
