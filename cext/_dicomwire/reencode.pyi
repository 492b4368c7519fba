"""Re-encoding of streamed data sets.  The docstrings are in reencode.pyx."""

from collections.abc import Iterator
from typing import Literal, NoReturn, final

from typing_extensions import Buffer

from _dicomwire.errors import Deviation

@final
class Reencoder:
    def __init__(
        self,
        transfer_syntax: str,
        *,
        implicit_vr: bool = False,
        big_endian: bool = False,
        fragments: bool = False,
        big_endian_pixels: bool = False,
        policy: Literal["strict", "report", "ignore"] | str = "report",
        inflate_ratio: float | None = ...,
        inflate_limit: int | None = ...,
    ) -> None: ...
    def feed(self, chunk: Buffer) -> Iterator[bytes | memoryview]: ...
    def close(self) -> Iterator[bytes | memoryview]: ...
    @property
    def deviations(self) -> list[Deviation]: ...
    def __reduce__(self) -> NoReturn: ...
