"""The push parser.  The docstrings are in parser.pyx."""

from collections.abc import Iterable
from typing import Literal, NoReturn, final

from typing_extensions import Buffer

from _dicomwire.errors import Deviation
from _dicomwire.events import EventBatch
from _dicomwire.walker import Walker
from dicomwire.dictionary import UID

DEFAULT_PIECE_LIMIT: int
DEFAULT_INFLATE_RATIO: int

@final
class StreamParser(Walker):
    def __init__(
        self,
        transfer_syntax: str | None = None,
        *,
        piece_limit: int = ...,
        policy: Literal["strict", "report", "ignore"] | str = "report",
        frames: bool = False,
        charset: str | Iterable[str] | None = None,
        force: bool = False,
        inflate_ratio: float | None = ...,
        inflate_limit: int | None = None,
    ) -> None: ...
    def feed(self, chunk: Buffer) -> EventBatch: ...
    def close(self) -> EventBatch: ...
    @property
    def deviations(self) -> list[Deviation]: ...
    @property
    def transfer_syntax(self) -> UID | None: ...
    @property
    def is_implicit_VR(self) -> bool | None: ...
    @property
    def is_little_endian(self) -> bool | None: ...
    @property
    def value_left(self) -> tuple[int, int]: ...
    def skip(self, length: int) -> None: ...
    def __reduce__(self) -> NoReturn: ...
