"""Connections made up for tests.  The docstrings are in rehearsal.pyx."""

from typing import final

from typing_extensions import Buffer

from _dicomwire.sink import StreamSink

@final
class Rehearsal:
    def __init__(self, sink: StreamSink) -> None: ...
    def open(
        self,
        client: bytes = b"\n\0\0\1",
        server: bytes = b"\n\0\0\2",
        *,
        client_port: int = 40000,
        server_port: int = 104,
        from_start: bool = True,
        time_ns: int = 0,
    ) -> int: ...
    def counters(
        self,
        serial: int,
        side: int,
        *,
        retransmissions: int | None = None,
        timeouts: int | None = None,
        zero_windows: int | None = None,
        zero_window_ns: int | None = None,
        rtt_ns: int | None = None,
    ) -> None: ...
    def data(
        self,
        serial: int,
        side: int,
        data: Buffer,
        *,
        time_ns: int = 0,
        frame: int | None = None,
        acknowledged: int | None = None,
    ) -> int: ...
    def gap(self, serial: int, side: int, length: int, *, kind: int = 0, time_ns: int = 0) -> int: ...
    def ended(self, serial: int, side: int, kind: int = 0, *, time_ns: int = 0) -> int: ...
    def forget(self, serial: int, kind: int = 0, *, time_ns: int = 0) -> None: ...
    def close(self, *, time_ns: int = 0) -> None: ...
