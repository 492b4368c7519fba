"""The walk that writes a data set as text.  The docstrings are in exchange.pyx."""

from collections.abc import Callable

from _dicomwire.dataset import DataElement, DataSet

class ModelWriter:
    def __init__(
        self,
        data_set: DataSet,
        *,
        handler: Callable[[DataElement], str | None] | None = None,
        threshold: int = 1024,
        omit: bool = False,
        number_texts: bool = False,
    ) -> None: ...
    def take(self, limit: int) -> bytes: ...
    def take_text(self) -> str: ...
