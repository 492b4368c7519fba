"""Pixel data that were set, and have no place in the source yet: bytes by offsets all the same."""

from __future__ import annotations

from bisect import bisect_right

from _dicomwire.fragments import Fragments
from dicomwire.errors import TruncatedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from _dicomwire.dataset import DataElement, DataSet


def is_set(element: DataElement) -> bool:
    """Whether an element was set, and not read."""
    return element.offset < 0


def current_syntax(data_set: DataSet, element: DataElement) -> str | None:
    """Transfer syntax UID of pixel data: as read, or that which File Meta Information names for what was set."""
    syntax = data_set.transfer_syntax
    if syntax is None or not is_set(element):
        return syntax
    return data_set.file_meta.get("TransferSyntaxUID") or syntax  # type: ignore[return-value]


class SetRanges:
    """Stands in for ByteRanges: offsets are those of the fragments' extents, or count from the native value's start."""

    __slots__ = ("_pieces", "_starts", "size")

    is_remote = False

    def __init__(self, element: DataElement) -> None:
        value = element.value if element.is_undefined_length else None
        if isinstance(value, Fragments):
            self._pieces = list(value)
            self._starts = [value.extent(number)[0] for number in range(len(value))]
        else:
            self._pieces, self._starts = [element.raw], [0]
        self.size = self._starts[-1] + len(self._pieces[-1]) if self._pieces else 0

    def view(self, offset: int, length: int) -> memoryview:
        """A read-only view of bytes of one fragment, or of the value; TruncatedError where it ends before."""
        number = bisect_right(self._starts, offset) - 1
        if number >= 0:
            at = offset - self._starts[number]
            if at + length <= len(self._pieces[number]):
                return self._pieces[number][at : at + length]
        raise TruncatedError(f"{length} bytes wanted of pixel data that were set", offset=offset, section="PS3.5 A.4")

    def look_ahead(self, length: int) -> None:
        """Nothing: all of it is in memory."""

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Nothing: all of it is in memory."""
