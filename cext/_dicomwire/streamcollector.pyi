"""A sink that keeps everything it is told.  The docstrings are in streamcollector.pyx."""

from collections.abc import Collection
from typing import final

from _dicomwire.sink import StreamSink

class CollectedConnection:
    serial: int
    client: tuple[str, int]
    server: tuple[str, int]
    from_start: bool
    vlan: int
    streams: tuple[bytearray, bytearray]
    events: list[tuple[object, ...]]
    kind: str | None
    sides: tuple[dict[str, int | None], dict[str, int | None]] | None
    def __init__(
        self, serial: int, client: tuple[str, int], server: tuple[str, int], from_start: bool, vlan: int
    ) -> None: ...

@final
class StreamCollector(StreamSink):
    def __init__(self, *, pauses: bool = False, ignores: Collection[int] = ()) -> None: ...
    @property
    def connections(self) -> list[CollectedConnection]: ...
