"""File Meta Information as it has to be when a file is written (PS3.10 section 7.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomwire.dictionary.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomwire.errors import EncodeError

if TYPE_CHECKING:
    from _dicomwire.dataset import DataSet

_VERSION = b"\0\1"
# File Meta Information, and the element of the data set that says the same.
_OF_DATA_SET = ((0x00020002, 0x00080016, "SOP Class UID"), (0x00020003, 0x00080018, "SOP Instance UID"))


def complete_meta(data_set: DataSet, syntax: str | None, policy: str) -> DataSet:
    """Return a copy of a data set's File Meta Information, set to what it has to be in a file of this implementation.

    syntax      UID of the transfer syntax; None leaves what is there
    policy      "strict": EncodeError for a SOP class or instance that nothing names

    UIDs of the data set go before those that stood there.
    """
    meta = data_set.file_meta.copy()
    if 0x00020001 not in meta:
        meta[0x00020001] = _VERSION
    for tag, source, name in _OF_DATA_SET:
        element = data_set.get(source)
        uid = element.value if element is not None else None
        if uid and isinstance(uid, str):
            _set(meta, tag, uid)
        elif tag not in meta and policy == "strict":
            raise EncodeError(f"no {name}, which File Meta Information needs", section="PS3.10 7.1")
    if syntax:
        _set(meta, 0x00020010, syntax)
    _set(meta, 0x00020012, IMPLEMENTATION_CLASS_UID)
    _set(meta, 0x00020013, IMPLEMENTATION_VERSION_NAME)
    return meta


def _set(meta: DataSet, tag: int, value: str) -> None:
    element = meta.get(tag)
    if element is None or element.value != value:
        meta[tag] = value
