"""What a scan reads of each file: the columns, their names, and where reading can stop."""

from __future__ import annotations

from _dicomwire.dataset import DataSet, Sequence
from _dicomwire.fragments import Fragments
from dicomwire.dictionary import Tag

FIRST_PIXEL_TAG = 0x7FE00008


class Column:
    """One column: its name, its tag at the top level, and the rest of its path.

    ``wanted`` is what the caller gave: a keyword, a tag, or a path such as
    "RequestAttributesSequence.0.ScheduledProcedureStepID".
    """

    __slots__ = ("is_nested", "name", "path", "tag")

    def __init__(self, wanted: str | int | tuple[int, int]) -> None:
        self.name = wanted if isinstance(wanted, str) else Tag(wanted).keyword or f"{int(Tag(wanted)):08X}"
        first, _, rest = self.name.partition(".")
        try:
            self.tag = int(Tag(first if isinstance(wanted, str) else wanted))
        except (KeyError, ValueError) as error:
            raise ValueError(f"column {self.name!r} is no keyword, tag or path") from error
        self.is_nested = bool(rest)
        self.path = f"{self.tag:08X}.{rest}"

    def value(self, data_set: DataSet) -> object:
        """The column's cell for one data set: None where the element is missing."""
        where = data_set.file_meta if self.tag >> 16 == 2 else data_set
        if self.is_nested:
            return plain(where.get(self.path))
        element = where.get(self.tag)
        return None if element is None else plain(element.value)


def plain(value: object) -> object:
    """A value that can outlive its data set: bytes for views, lists of dictionaries for sequences."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, Sequence):
        return [item.to_dict() for item in value]
    if isinstance(value, Fragments):
        return None
    return value


def reading_end(columns: list[Column]) -> int:
    """The tag behind the last one wanted; pixel data are read only when a column asks for them."""
    return max((column.tag + 1 for column in columns), default=FIRST_PIXEL_TAG)
