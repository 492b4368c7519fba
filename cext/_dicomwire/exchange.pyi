"""The walk that writes a data set as text.  The docstrings are in exchange.pyx."""

from collections.abc import Callable
from typing import Self

from typing_extensions import disjoint_base

from _dicomwire.dataset import DataElement, DataSet

@disjoint_base
class ModelWriter:
    def __new__(
        cls,
        data_set: DataSet,
        *,
        handler: Callable[[DataElement], str | None] | None = None,
        threshold: int = 1024,
        omit: bool = False,
        number_texts: bool = False,
    ) -> Self: ...
    def take(self, limit: int) -> bytes: ...
    def take_text(self) -> str: ...
