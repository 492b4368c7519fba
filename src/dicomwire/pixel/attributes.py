"""Values as those need them who cannot trust a data set: items of what is a sequence, numbers that are finite."""

from __future__ import annotations

import math

from _dicomwire.dataset import Sequence
from dicomwire.errors import PixelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _dicomwire.dataset import DataSet


def items(data_set: DataSet, keyword: str) -> Sequence:
    """The items of a sequence; none where it is missing, or another value is in its place."""
    value = data_set.get(keyword)
    return value if isinstance(value, Sequence) else Sequence()


def is_empty(data_set: DataSet, keyword: str) -> bool:
    """Whether an attribute is missing or has no value."""
    value = data_set.get(keyword)
    return value is None or value == "" or value == []


def numbers(data_set: DataSet, keyword: str, count: int | None = None, *, section: str) -> list[float]:
    """The finite numbers of an attribute; PixelError where they are none, or not so many."""
    value = data_set.get(keyword)
    values = value if isinstance(value, list) else [value]
    found = [float(each) for each in values if isinstance(each, (int, float)) and math.isfinite(each)]
    if len(found) != len(values):
        raise PixelError(f"{keyword} is missing or holds what is no finite number; {section}")
    if count is not None and len(found) != count:
        raise PixelError(f"{keyword} has {len(found)} values: expected {count}; {section}")
    return found


def number(data_set: DataSet, keyword: str, *, section: str) -> float:
    """The one finite number of an attribute; PixelError where there is none."""
    return numbers(data_set, keyword, 1, section=section)[0]


def text(data_set: DataSet, keyword: str) -> str:
    """A text value, or "" where there is none."""
    value = data_set.get(keyword)
    return value if isinstance(value, str) else ""
