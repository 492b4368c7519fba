"""What a sink of streams has made.  The docstrings are in outcome.pyx."""

from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from _dicomwire.sink import StreamSink

@disjoint_base
class Outcome(StreamSink):
    def __init__(
        self,
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
    def left_out(self) -> int: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def open_count(self) -> int: ...
