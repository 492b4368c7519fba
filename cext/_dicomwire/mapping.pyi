from typing import final

@final
class MappedValue:
    @property
    def is_cut(self) -> bool: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
