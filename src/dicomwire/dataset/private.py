"""Private blocks: the elements that one creator reserved in an odd group (PS3.5 section 7.8.1)."""

from __future__ import annotations

from dicomwire.dictionary import Tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from _dicomwire.dataset import DataElement, DataSet


class PrivateBlock:
    """The private elements of one creator in one group, by their last two digits (PS3.5 section 7.8.1)."""

    __slots__ = ("block_number", "creator", "data_set", "group")

    def __init__(self, data_set: DataSet, group: int, creator: str, block_number: int) -> None:
        self.data_set = data_set
        self.group = group
        self.creator = creator
        self.block_number = block_number

    @property
    def private_creator(self) -> str:
        """Same as ``creator``."""
        return self.creator

    def get_tag(self, offset: int) -> Tag:
        """The tag of an element of the block; ``offset`` is 0x00 to 0xFF."""
        if not 0 <= offset <= 0xFF:
            raise ValueError("a private block has 256 elements")
        return Tag(self.group << 16 | self.block_number << 8 | offset)

    def __getitem__(self, offset: int) -> DataElement:
        return self.data_set[self.get_tag(offset)]

    def __setitem__(self, offset: int, value: object) -> None:
        self.data_set[self.get_tag(offset)] = value

    def __delitem__(self, offset: int) -> None:
        del self.data_set[self.get_tag(offset)]

    def add_new(self, offset: int, VR: str, value: object) -> None:
        """Set an element of the block with a VR that the caller chooses."""
        self.data_set.add_new(self.get_tag(offset), VR, value)

    def __contains__(self, offset: int) -> bool:
        return self.get_tag(offset) in self.data_set

    def get(self, offset: int, default: object = None) -> object:
        """The element, or ``default``."""
        return self.data_set.get(int(self.get_tag(offset)), default)

    def __iter__(self) -> Iterator[DataElement]:
        first = self.get_tag(0)
        return (element for element in self.data_set if first <= element.tag <= first + 0xFF)
