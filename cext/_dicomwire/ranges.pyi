"""Stretches of a source.  The docstrings are in ranges.pyx."""

from typing import final

from _dicomwire.dataset import DataElement

@final
class ByteRanges:
    def __init__(self, element: DataElement) -> None: ...
    @property
    def size(self) -> int | None: ...
    def view(self, offset: int, length: int) -> memoryview: ...
