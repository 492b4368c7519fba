"""Data sets from sockets to files without the GIL.  The docstrings are in intake.pyx."""

from typing import Final, Protocol, final

from typing_extensions import Buffer

from _dicomwire.pdu import PDUReader
from _dicomwire.writer import Writer

class _Hash(Protocol):
    def update(self, data: Buffer, /) -> object: ...

ENDED: Final[int]
OTHER: Final[int]
CLOSED: Final[int]
SILENT: Final[int]
WOKEN: Final[int]
TURN_OVER: Final[int]
NOT_WRITTEN: Final[int]
REQUEST: Final[int]

@final
class Intake:
    def __init__(self, size: int = 131072) -> None: ...
    @property
    def view(self) -> memoryview: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def passed(self) -> int: ...
    @property
    def data_start(self) -> int: ...
    @property
    def data_end(self) -> int: ...
    @property
    def context_id(self) -> int: ...
    @property
    def command(self) -> bytes | None: ...
    @property
    def ended(self) -> bool: ...
    @property
    def failure(self) -> int: ...
    def receive(self, socket: int, wake: int, timeout_ms: int) -> int: ...
    def rest(self) -> memoryview: ...
    def next_request(self, reader: PDUReader, socket: int, wake: int, timeout_ms: int) -> int: ...
    def pass_on(
        self,
        reader: PDUReader,
        socket: int,
        wake: int,
        context_id: int,
        file: int,
        first: bytes | None,
        limit: int,
        timeout_ms: int,
        turn_ms: int,
        writer: Writer | None = None,
        digest: _Hash | None = None,
    ) -> int: ...
