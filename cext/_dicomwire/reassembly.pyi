"""Reassembly of streams.  The docstrings are in reassembly.pyx."""

from typing import Self, final

from _dicomwire.sink import StreamSink

@final
class Reassembly:
    def __new__(cls, sink: StreamSink, max_held_bytes: int, max_stream_held_bytes: int, last_wins: bool) -> Self: ...
