"""What a reader says about each element of a file, in one form for all readers; dicomwire's and pydicom's.

An element's key is the path of tags and item numbers, "00081140.0.00081155".  Values come in a form that
compares alike: text without padding, numbers by value, bytes as they are or by digest when they are long.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
import pydicom.config
import pydicom.values
from pydicom.dataelem import RawDataElement
from pydicom.valuerep import PersonName

import dicomwire

SHORT_BYTES = 64
BYTES_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
NUMBER_VRS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
ONE_TEXT_VRS = frozenset({"LT", "ST", "UR", "UT"})
WORD_SIZES = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
DEFLATED = ("1.2.840.10008.1.2.1.99",)

# What pydicom raises for elements that it cannot convert and for files that it cannot read.
PYDICOM_ERRORS = (
    ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RuntimeError,
    TypeError, ValueError, struct.error, pydicom.errors.BytesLengthException,
    pydicom.errors.InvalidDicomError, zlib.error,
)  # fmt: skip

Value = tuple[str, Any]
"""("text", (str, ...)), ("numbers", (int or float, ...)), ("bytes", digest), ("fragments", (digest, ...)),
("items", count), ("error", reason), or ("not shown", None) where a reader shows no value."""


@dataclass(slots=True)
class Reading:
    """One element as one reader sees it."""

    vr: str
    value: Value
    raw: object = None  # digest of the encoded value, None where the reader does not give it
    offset: int | None = None  # absolute, of the value; None where the reader does not tell
    vm: int | None = None  # number of values, None where the reader does not tell
    length: int | None = None  # of the encoded value, None where the reader does not tell or it is undefined
    is_converted: bool = False  # DCMTK only: the text was converted from its character set
    declared: str = ""  # dicomwire only: the VR in the element's header, "" where there is none
    is_cut: bool = False  # dicomwire only: the value ends where the file or its container does
    plain: bytes = b""  # dicomwire only: the encoded value without padding, unless it is binary
    words: object = None  # dicomwire only: digest of a big endian binary value in little endian words


@dataclass(slots=True)
class FileReadings:
    """All elements of a file as one reader sees them."""

    elements: dict[str, Reading] = field(default_factory=dict)
    error: str = ""  # why there is nothing, or not all
    remarks: list[str] = field(default_factory=list)  # the reader's warnings


def digest(data: bytes | bytearray | memoryview) -> object:
    """Short bytes themselves; of long ones their number and SHA-1."""
    if len(data) <= SHORT_BYTES:
        return bytes(data)
    return len(data), hashlib.sha1(data, usedforsecurity=False).hexdigest()


def swapped(data: bytes | memoryview, size: int) -> bytes:
    """The same words of ``size`` bytes in the other byte order."""
    words = bytearray(len(data))
    for place in range(size):
        words[place::size] = data[size - 1 - place :: size]
    return bytes(words)


def text_value(texts: Iterable[str], vr: str) -> Value:
    """Text without padding: spaces around it and NULs behind it carry no meaning (PS3.5 section 6.2)."""
    if vr in ONE_TEXT_VRS:
        return "text", tuple(text.rstrip(" \0") for text in texts)
    return "text", tuple(text.strip(" \0") for text in texts)


def canonical(value: Any, vr: str) -> Value:
    """A value of dicomwire or pydicom, which differ only in how they say "empty" and in classes."""
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes", digest(value)
    if value is None or (isinstance(value, str | PersonName) and not str(value).strip(" \0")):
        return ("bytes", b"") if vr in BYTES_VRS else ("numbers" if vr in NUMBER_VRS or vr == "AT" else "text", ())
    # pydicom's PersonName can be iterated over: by characters.
    is_one = isinstance(value, str | int | float | PersonName) or not hasattr(value, "__iter__")
    values = [value] if is_one else list(value)
    if vr in NUMBER_VRS or vr == "AT":
        numbers = []
        for number in values:
            if isinstance(number, str):
                number = number.strip(" \0") or None
            elif isinstance(number, float):
                number = float(number)
                number = "nan" if math.isnan(number) else number
            elif number is not None:
                number = int(number)
            numbers.append(number)
        return "numbers", tuple(numbers)
    return text_value((str(text) for text in values), vr)


# --- dicomwire


def _inflated(data: bytes, data_set: dicomwire.DataSet) -> bytes:
    """The bytes that offsets of the data set count in: the file's, or of a deflated one what it inflates
    to."""
    if data_set.transfer_syntax in DEFLATED:
        meta = max((element.offset + element.length for element in data_set.file_meta), default=0)
        return zlib.decompressobj(-15).decompress(data[meta:])
    return data


def read_dicomwire(source: Path | bytes) -> FileReadings:
    """Every element by dicomwire, nested ones and File Meta Information too."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    data_set = dicomwire.dcmread(source, force=True)
    found = FileReadings()
    _add_dicomwire(found, data, data_set.file_meta, "", False)
    _add_dicomwire(found, _inflated(data, data_set), data_set, "", data_set.is_implicit_VR)
    found.remarks = [f"{deviation.kind} {deviation.path}" for deviation in data_set.deviations]
    return found


def _add_dicomwire(found: FileReadings, data: bytes, top: dicomwire.DataSet, top_path: str, top_implicit: bool) -> None:
    stack = [(top, top_path, top_implicit)]
    while stack:
        item, prefix, implicit = stack.pop()
        for element in item:
            path = f"{prefix}{element.tag:08X}"
            vr, value = element.VR, element.value
            declared = ""
            if not implicit:
                start = element.offset - element.header_size
                declared = data[start + 4 : start + 6].decode("latin-1")
            raw = element.raw
            reading = Reading(vr, ("", None), digest(raw), element.offset, declared=declared)
            reading.is_cut = element.is_truncated
            reading.vm = element.VM
            if not element.is_undefined_length:
                reading.length = element.length
            if isinstance(value, dicomwire.Sequence):
                inner = implicit or declared == "UN" or not declared.isalpha()
                reading.value = "items", len(value)
                stack += [(inner_item, f"{path}.{number}.", inner) for number, inner_item in enumerate(value)]
            elif isinstance(value, dicomwire.Fragments):
                table = b"".join(struct.pack("<I", offset) for offset in value.basic_offset_table)
                reading.value = "fragments", (digest(table), *map(digest, value))
            else:
                reading.value = canonical(value, vr)
                if vr not in BYTES_VRS:
                    reading.plain = bytes(raw).strip(b" \0")
                elif vr in WORD_SIZES and not top.is_little_endian and len(raw) % WORD_SIZES[vr] == 0:
                    reading.words = digest(swapped(raw, WORD_SIZES[vr]))
            found.elements[path] = reading


# --- pydicom


def read_pydicom(source: Path | bytes) -> FileReadings:
    """Every element by pydicom, nested ones and File Meta Information too."""
    found = FileReadings()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            data_set = pydicom.dcmread(io.BytesIO(source) if isinstance(source, bytes) else source, force=True)
        except PYDICOM_ERRORS as error:
            found.error = f"{type(error).__name__}: {error}"
            return found
        _add_pydicom(found, data_set.file_meta, "", 0)
        _add_pydicom(found, data_set, "", 0)
    found.remarks = sorted({str(warning.message) for warning in caught})
    return found


def _raw_pydicom(
    item: pydicom.Dataset, prefix: str
) -> Iterator[tuple[pydicom.tag.BaseTag, str, RawDataElement | pydicom.DataElement]]:
    """Tag, path and stored element in tag order, before anything is converted."""
    stored = dict(item._dict)
    for tag in sorted(stored):
        yield tag, f"{prefix}{tag:08X}", stored[tag]


def _add_pydicom(found: FileReadings, top: pydicom.Dataset, top_path: str, top_base: int) -> None:
    """Add all elements; ``base`` is what pydicom's offsets inside a copied sequence must be counted from."""
    stack = [(top, top_path, top_base)]
    while stack:
        item, prefix, base = stack.pop()
        for tag, path, stored in _raw_pydicom(item, prefix):
            reading = Reading("", ("", None))
            found.elements[path] = reading
            is_raw = isinstance(stored, RawDataElement)
            undefined = stored.length == 0xFFFFFFFF if is_raw else stored.is_undefined_length
            offset = stored.value_tell if is_raw else stored.file_tell
            if is_raw:
                reading.raw = digest(stored.value or b"")
                reading.length = None if undefined else stored.length
            reading.offset = None if offset is None else base + offset
            try:
                element = item[tag]
                reading.vr = element.VR
                reading.vm = element.VM
                if element.VR == "SQ":
                    reading.value = "items", len(element.value)
                    inner_base = base if undefined else base + (offset or 0)
                    stack += [(inner, f"{path}.{number}.", inner_base) for number, inner in enumerate(element.value)]
                else:
                    reading.value = canonical(element.value, element.VR)
            except PYDICOM_ERRORS as error:
                reading.vr = getattr(stored, "VR", None) or ""
                reading.value = "error", f"{type(error).__name__}: {error}"
