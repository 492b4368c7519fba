"""Data sets to and from pydicom's objects; pydicom is imported by the caller or when it is first needed."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, cast

from _dicomwire.dataset import DataSet
from _dicomwire.exchange import is_edited
from _dicomwire.part10 import dcmread
from dicomwire.errors import EncodeError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _dicomwire.dataset import DataElement
    from _dicomwire.dataset import Sequence as Sequence_

_UNDEFINED = 0xFFFFFFFF


def is_pydicom(value: object) -> bool:
    """Whether it is a Dataset of pydicom; asked without importing pydicom, which then has been imported already."""
    module = sys.modules.get("pydicom.dataset")
    return module is not None and isinstance(value, module.Dataset)


def as_data_set(value: object) -> DataSet:
    """A DataSet: the value itself, or what a pydicom Dataset holds; TypeError for anything else."""
    if isinstance(value, DataSet):
        return value
    if is_pydicom(value):
        return from_pydicom(value)
    raise TypeError(f"expected a DataSet or a pydicom Dataset, not {type(value).__name__}")


def from_pydicom(dataset: Any) -> DataSet:
    """The DataSet of a pydicom Dataset, through the bytes that pydicom writes of it.

    They are in the encoding that the dataset has, in explicit VR little endian if it has none.  EncodeError for what
    pydicom cannot write.
    """
    from pydicom.filewriter import dcmwrite

    buffer = io.BytesIO()
    meta = getattr(dataset, "file_meta", None)
    syntax = str(meta.TransferSyntaxUID) if meta is not None and "TransferSyntaxUID" in meta else ""
    # What was read knows its encoding, and what has a transfer syntax shall have that one.
    is_known = bool(syntax) or dataset.original_encoding[0] is not None
    options: dict[str, Any] = {} if is_known else {"implicit_vr": False, "little_endian": True}
    try:
        dcmwrite(buffer, dataset, **options)
    except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError, OverflowError, OSError) as error:
        raise EncodeError(f"pydicom cannot write the dataset ({type(error).__name__})") from error
    return dcmread(buffer.getvalue(), force=True)


def item_from_pydicom(value: Any) -> DataSet | None:
    """An item of a pydicom Dataset, whose text is written in the character set of what it is put into; else None."""
    if not is_pydicom(value):
        return None
    if "SpecificCharacterSet" in value:
        return from_pydicom(value)
    from copy import deepcopy

    made = deepcopy(value)  # a shallow one shares its elements
    made.SpecificCharacterSet = "ISO_IR 192"
    item = from_pydicom(made)
    del item.SpecificCharacterSet
    return item


def element_from_pydicom(value: Any) -> DataElement | None:
    """The DataElement of one of pydicom's; None for anything else."""
    module = sys.modules.get("pydicom.dataelem")
    if module is None or not isinstance(value, module.DataElement):
        return None
    from copy import deepcopy

    from pydicom.dataset import Dataset

    alone = Dataset()
    alone.add(deepcopy(value))
    item = item_from_pydicom(alone)
    return None if item is None else item.get(int(value.tag))


def to_pydicom(data_set: DataSet) -> Any:
    """A pydicom Dataset with the same elements; a FileDataset for a data set that was read.

    Values stay as they are encoded until pydicom is asked for them; what was made or changed is encoded for it.
    UnsupportedError where pydicom is not installed.
    """
    try:
        from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    except ImportError:
        raise UnsupportedError("pydicom is not installed", what="to_pydicom", extra="pydicom") from None
    if is_edited(data_set):
        return _through_bytes(data_set)
    try:
        meta = data_set.file_meta
    except AttributeError:  # an item
        return _filled(data_set, Dataset())
    filename = data_set.filename
    result = FileDataset(
        os.fspath(filename) if isinstance(filename, (str, os.PathLike)) else "",
        {},
        preamble=data_set.preamble,
        file_meta=_filled(meta, FileMetaDataset()),
        is_implicit_VR=data_set.is_implicit_VR,
        is_little_endian=data_set.is_little_endian,
    )
    return _filled(data_set, result)


def _through_bytes(data_set: DataSet) -> Any:
    """A Dataset of pydicom of what was made or changed: read from what is written."""
    from pydicom import dcmread as read

    buffer = io.BytesIO()
    data_set.save_as(buffer)
    buffer.seek(0)
    return read(buffer, force=True)


def _filled(data_set: DataSet, target: Any) -> Any:
    """A Dataset of pydicom with the elements of a data set, not decoded yet; nesting costs no stack."""
    from pydicom.charset import convert_encodings, default_encoding
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    waiting: list[tuple[DataSet, Any, Any]] = [(data_set, target, default_encoding)]
    while waiting:
        source, result, encoding = waiting.pop()
        implicit, little = source.is_implicit_VR, source.is_little_endian
        terms = source.get("SpecificCharacterSet")
        if terms:
            encoding = convert_encodings([str(term) for term in terms] if isinstance(terms, list) else [str(terms)])
        for element in source:
            if element.VR == "SQ":
                items = []
                for item in cast("Sequence_", element.value):
                    items.append(Dataset(parent_encoding=encoding))
                    waiting.append((item, items[-1], encoding))
                converted = _element(element, Sequence(items))
            else:
                converted = _raw(element, implicit, little)
            result[converted.tag] = converted
        result.set_original_encoding(implicit, little, encoding)
    return target


def _raw(element: DataElement, implicit: bool, little: bool) -> Any:
    """An element as pydicom has it before it is decoded."""
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import BaseTag

    value = bytes(element.raw)
    length = _UNDEFINED if element.is_undefined_length else len(value)
    return RawDataElement(
        BaseTag(element.tag), element.VR, length, value or None, element.offset, implicit, little, True
    )


def _element(element: DataElement, items: Any) -> Any:
    """A sequence as pydicom has it."""
    from pydicom.dataelem import DataElement as Element
    from pydicom.tag import BaseTag

    converted = Element(BaseTag(element.tag), "SQ", items)
    converted.is_undefined_length = element.is_undefined_length
    return converted
