"""Conversations of a capture.  The docstrings are in talk.pyx."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

from _dicomwire.sink import StreamSink

@final
class Talk(StreamSink):
    def __init__(
        self,
        transitions: Iterable[tuple[str, str, str, Sequence[str]]],
        facts: Callable[..., Any],
        policy: object,
        *,
        hl7: Callable[[Any], Any] | None = None,
        extractor: object = None,
        on_move: Callable[..., object] | None = None,
        keeps_elements: bool = False,
        most_held: int = 33554432,
        most_open: int = 20000,
    ) -> None: ...
    def take(self) -> list[Any]: ...
    def check(self) -> None: ...
    @property
    def connections(self) -> dict[str, int]: ...
    @property
    def left_out(self) -> int: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def open_count(self) -> int: ...
