"""Flows of a capture.  The docstrings are in flow.pyx."""

from typing import final

from _dicomwire.capture import PacketSource
from _dicomwire.sink import StreamSink
from _dicomwire.streamcollector import CollectedConnection as CollectedConnection
from _dicomwire.streamcollector import StreamCollector as StreamCollector

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
    def max_connections(self) -> int: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def first_ns(self) -> int: ...
    @property
    def last_ns(self) -> int: ...
    @property
    def counts(self) -> dict[str, int]: ...
    def run(self, source: PacketSource) -> bool: ...
    def finish(self) -> bool: ...
    def advance(self, time_ns: int) -> bool: ...
