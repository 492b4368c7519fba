"""Parts of data sets: ranges of tags, groups, private elements; walks that may change what they walk through."""

from __future__ import annotations

from copy import copy

from _dicomwire.dataset import DataElement, DataSet, Sequence
from dicomwire.dictionary import Tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Key = str | int | tuple[int, int]

_END = 1 << 32  # behind the highest tag


def tags_in(data_set: DataSet, wanted: slice) -> list[int]:
    """The tags that a slice means, in its order: from a tag or keyword up to another one, which is left out."""
    first, stop = _border(wanted.start, 0), _border(wanted.stop, _END)
    return [tag for tag in _tags(data_set) if first <= tag < stop][:: wanted.step]


def _tags(data_set: DataSet) -> list[int]:
    return [int(element.tag) for element in data_set]


def _border(key: Key | None, default: int) -> int:
    """A tag that a slice begins or ends with; KeyError for what is none."""
    if key is None:
        return default
    if isinstance(key, int) and key == _END:
        return _END
    try:
        return int(Tag(key))
    except (TypeError, ValueError, OverflowError):
        raise KeyError(f"{key!r} is no tag or keyword") from None


def part(data_set: DataSet, wanted: slice) -> DataSet:
    """A data set with the elements that a slice means, which can be changed without changing the other one."""
    tags = set(tags_in(data_set, wanted))
    made = copy(data_set)
    for tag in _tags(made):
        if tag not in tags:
            del made[tag]
    return made


def delete_part(data_set: DataSet, wanted: slice) -> None:
    """Delete the elements that a slice means."""
    for tag in tags_in(data_set, wanted):
        del data_set[tag]


def group(data_set: DataSet, number: int) -> DataSet:
    """A data set with the elements of one group."""
    if not 0 <= number <= 0xFFFF:
        raise ValueError(f"a group is 0 to 0xFFFF, not {number}")
    return part(data_set, slice(number << 16, (number + 1) << 16))


def walk(data_set: DataSet, callback: Callable[[DataSet, DataElement], object], recursive: bool) -> None:
    """Call back for each element with the data set or item that it is in; what is deleted meanwhile is passed over."""
    stack = [(data_set, iter(_tags(data_set)))]
    while stack:
        item, tags = stack[-1]
        tag = next(tags, None)
        if tag is None:
            stack.pop()
            continue
        element = item.get(tag)
        if element is None:
            continue
        callback(item, element)
        element = item.get(tag)
        if recursive and element is not None and element.VR == "SQ" and isinstance(element.value, Sequence):
            stack += [(inner, iter(_tags(inner))) for inner in reversed(list(element.value))]


def remove_private(data_set: DataSet) -> None:
    """Delete all private elements, in items too."""

    def remove(item: DataSet, element: DataElement) -> None:
        if element.is_private:
            del item[int(element.tag)]

    walk(data_set, remove, True)


def private_creators(data_set: DataSet, group: int) -> list[str]:
    """The creators that reserved blocks of an odd group (PS3.5 section 7.8.1)."""
    if not group & 1 or not 0 < group <= 0xFFFF:
        raise ValueError(f"private groups are odd, not 0x{group:04X}")
    found = [data_set.get(group << 16 | number) for number in range(0x10, 0x100)]
    return [str(element.value) for element in found if element is not None and element.value]
