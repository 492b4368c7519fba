"""Instances of C-STORE from a window to files of their own.  The docstrings are in deposit.pyx."""

from typing import Final, Protocol, final

from typing_extensions import Buffer

from _dicomwire.intake import Intake
from _dicomwire.pdu import PDUReader
from _dicomwire.writer import Writer

class _Hash(Protocol):
    def update(self, data: Buffer, /) -> object: ...

UNUSUAL: Final[int]
STORED: Final[int]
NEW: Final[int]
REPLACES: Final[int]
LATER: Final[int]

@final
class Place:
    def __init__(
        self,
        sop_class: bytes,
        before: bytes,
        behind: bytes,
        start: bytes | None,
        ending: bytes,
        *,
        naming: int,
        is_looked_for: bool,
        checks: bool,
        explicit_vr: bool,
        little_endian: bool,
        max_length: int,
    ) -> None: ...

@final
class Deposit:
    def __init__(self, prefix: bytes) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def has_replaced(self) -> bool: ...
    @property
    def command(self) -> bytes: ...
    @property
    def path(self) -> str: ...
    def receive(
        self,
        intake: Intake,
        reader: PDUReader,
        place: Place,
        socket: int,
        wake: int,
        timeout_ms: int,
        turn_ms: int,
        writer: Writer | None = None,
        digest: _Hash | None = None,
    ) -> int: ...
    def answer(self, socket: int, status: int, max_pdu_length: int) -> bytes | None: ...
    def hand_over(self) -> tuple[int, str, str] | None: ...
    def discard(self) -> None: ...
