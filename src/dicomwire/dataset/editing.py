"""Editing of data sets, as far as it is not compiled: what dictionaries offer, and what values are checked against."""

from __future__ import annotations

from datetime import date, datetime, time

from _dicomwire.dataset import DataElement, DataSet
from dicomwire.dataset.pydicom import from_pydicom, is_pydicom
from dicomwire.dictionary import Tag, dictionary_vm
from dicomwire.errors import EncodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Key = str | int | tuple[int, int]
    Elements = DataSet | Mapping[Key, object] | Iterable[tuple[Key, object]]

_PREAMBLE = 128  # bytes (PS3.10 section 7.1)
_MISSING = object()


def update(data_set: DataSet, elements: Elements) -> None:
    """Take over the elements of a data set, or set values by key from a mapping or from pairs."""
    if is_pydicom(elements):
        elements = from_pydicom(elements)
    if isinstance(elements, DataSet):
        for element in elements:
            data_set.add(element)
        return
    pairs = elements.items() if hasattr(elements, "items") else elements
    for key, value in pairs:
        data_set[key] = value


def setdefault(data_set: DataSet, key: Key, default: object) -> DataElement:
    """The element for a key, which is set to ``default`` where there is none."""
    if key not in data_set:
        data_set[key] = default
    return data_set[key]


def pop(data_set: DataSet, key: Key, default: object = _MISSING) -> object:
    """Delete an element and return it; ``default`` or KeyError where there is none."""
    if default is not _MISSING and key not in data_set:
        return default
    element = data_set[key]
    del data_set[key]
    return element


def checked_preamble(value: object) -> bytes | None:
    """A preamble that was set; ValueError where it has another length."""
    if value is None:
        return None
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"a preamble is bytes, not {type(value).__name__}")
    preamble = bytes(value)
    if len(preamble) != _PREAMBLE:
        raise ValueError(f"a preamble has {_PREAMBLE} bytes, not {len(preamble)}; PS3.10 7.1")
    return preamble


def tag_of(key: object) -> int | None:
    """The tag that an AT value names: a tag, a pair or a keyword; None for anything else."""
    try:
        return Tag(key)  # type: ignore[arg-type]
    except (TypeError, ValueError, KeyError, OverflowError):
        return None


# --- value multiplicity ---


def multiplicity_limits(tag: int) -> tuple[int, int | None, int] | None:
    """The fewest values of a tag, the most or None, and the step between; None where any number will do."""
    text = dictionary_vm(tag)
    return _limits(text) if text else None


def _limits(text: str) -> tuple[int, int | None, int] | None:
    """The limits that a VM of PS3.6 sets: "1", "2-2n", "1-n", "1-99" or several of them with "or"."""
    if " or " in text:
        return None
    least, dash, most = text.partition("-")
    if not least.isdigit():
        return None
    if not dash:
        return int(least), int(least), 1
    if most == "n":
        return (int(least), None, 1) if least != "1" else None
    if most.endswith("n") and most[:-1].isdigit():
        return int(least), None, int(most[:-1])
    return (int(least), int(most), 1) if most.isdigit() else None


# --- dates and times ---


def temporal_text(value: object, vr: str) -> str:
    """A date, time or datetime as the text of a DA, TM or DT value (PS3.5 section 6.2).

    A DA takes a date, a TM a time, a DT either of them or a datetime, whose offset from UTC is kept; of a datetime a
    DA and a TM take their part.
    """
    if vr == "DA" and isinstance(value, date):
        return f"{value.year:04}{value.month:02}{value.day:02}"
    if vr == "TM" and isinstance(value, (time, datetime)):
        return f"{value.hour:02}{value.minute:02}{value.second:02}" + _fraction(value.microsecond)
    if vr == "DT" and isinstance(value, datetime):
        offset = value.utcoffset()
        suffix = ""
        if offset is not None:
            minutes = round(offset.total_seconds() / 60)
            suffix = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
        return temporal_text(value, "DA") + temporal_text(value, "TM") + suffix
    if vr == "DT" and isinstance(value, date):
        return temporal_text(value, "DA")
    raise EncodeError(f"{vr} does not take a {type(value).__name__}", section="PS3.5 6.2")


def _fraction(microseconds: int) -> str:
    return f".{microseconds:06}" if microseconds else ""
