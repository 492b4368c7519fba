import sys
from typing import final

@final
class MappedValue:
    @property
    def is_cut(self) -> bool: ...
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...
