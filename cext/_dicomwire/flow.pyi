"""Flows of a capture.  The docstrings are in flow.pyx."""

from collections.abc import Collection
from typing import final

from _dicomwire.capture import PacketSource

class StreamSink: ...

@final
class FlowTable:
    def __init__(
        self,
        sink: StreamSink,
        *,
        max_connections: int = 32768,
        max_held_bytes: int = 33554432,
        max_stream_held_bytes: int = 8388608,
        idle_s: float = 7200.0,
        last_wins: bool = False,
    ) -> None: ...
    @property
    def sink(self) -> StreamSink: ...
    @property
    def max_connections(self) -> int: ...
    @property
    def max_held_bytes(self) -> int: ...
    @property
    def max_stream_held_bytes(self) -> int: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def last_wins(self) -> bool: ...
    @property
    def first_ns(self) -> int: ...
    @property
    def last_ns(self) -> int: ...
    @property
    def counts(self) -> dict[str, int]: ...
    def run(self, source: PacketSource) -> bool: ...
    def finish(self) -> bool: ...
    def advance(self, time_ns: int) -> bool: ...

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
