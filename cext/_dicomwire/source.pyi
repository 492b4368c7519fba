from collections.abc import Iterable
from typing import final

@final
class Source:
    def read_ranges(self, ranges: Iterable[tuple[int, int]]) -> list[bytes | memoryview]: ...
    def read_all(self) -> bytes: ...
