"""The DICOM JSON Model, both ways (PS3.18 Annex F).

Writing is compiled, see ``_dicomwire.jsonmodel``; here is what a caller can choose, and reading.  Nothing here opens
a URI: what stands behind one is asked from the caller's function or left out.
"""

from __future__ import annotations

import json
from typing import Any

from _dicomwire.dataset import DataSet
from _dicomwire.jsonmodel import JSONWriter, json_depth
from dicomwire.dataset.model import (
    BYTE_VRS,
    MAX_BYTES,
    MAX_DEPTH,
    NUMBER_VRS,
    SINGLE_TEXT_VRS,
    VRS,
    data_set_of,
    decimal_text,
    decode_base64,
    encode_number,
    encode_tags,
    encode_text,
    step_name,
)
from dicomwire.errors import DecodeError, NestingError, ValueDecodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO, Literal

    from _dicomwire.dataset import DataElement
    from dicomwire.dataset.model import Elements, Value

    BulkDataHandler = Callable[[DataElement], str | None]
    BulkDataReader = Callable[[str, str, str], bytes | None]

CHUNK = 1 << 18  # bytes of text in one piece
_LEVELS = 3  # arrays and objects that one sequence takes: element, array of items, item
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_CONTENTS = ("Value", "InlineBinary", "BulkDataURI")


def to_json(data_set: object, **options: Any) -> str:
    """A data set as text of a DICOM JSON Model object; ``options`` are those of :func:`iter_json`."""
    return _writer(data_set, **options).take_text()


def to_json_dict(data_set: object, **options: Any) -> dict[str, Any]:
    """A data set as the Python objects of a DICOM JSON Model object; ``options`` are those of :func:`iter_json`."""
    model: dict[str, Any] = json.loads(to_json(data_set, **options))
    return model


def iter_json(
    data_set: object,
    *,
    bulk_data: Literal["inline", "omit"] = "inline",
    bulk_data_threshold: int = 1024,
    bulk_data_element_handler: BulkDataHandler | None = None,
    number_strings: bool = False,
) -> Iterator[bytes]:
    """A data set as a DICOM JSON Model object in UTF-8, in pieces of about 256 KiB, whatever the length of its values.

    ``bulk_data``: what becomes of values of OB, OD, OF, OL, OV, OW and UN: "inline", as base64, or "omit": the
    elements of long ones are left out.  ``bulk_data_element_handler`` is asked for each long one instead: it gets the
    DataElement, with its path, VR, offset and length, and returns a BulkDataURI, or None for an inline value.  Long is
    a value whose base64 has more than ``bulk_data_threshold`` characters.  ``number_strings``: IS, DS, SV and UV as
    strings, digit for digit as they are, where a reader would lose some (PS3.18 section F.2.3).

    File Meta Information and group lengths are not part of the model (section F.2.2).  Text is UTF-8, and Specific
    Character Set says so wherever there is one.  An IS or DS that is no number is a string, as are the values of FL
    and FD for which JSON has no number; of a binary number with bytes left over the element is UN.
    """
    writer = _writer(
        data_set,
        bulk_data=bulk_data,
        bulk_data_threshold=bulk_data_threshold,
        bulk_data_element_handler=bulk_data_element_handler,
        number_strings=number_strings,
    )
    while piece := writer.take(CHUNK):
        yield piece


def write_json(data_set: object, file: BinaryIO, **options: Any) -> int:
    """Write a data set to a binary file as a DICOM JSON Model object, in bounded memory; how many bytes.

    ``options`` are those of :func:`iter_json`.  After an error the file holds the beginning of an object.
    """
    total = 0
    for piece in iter_json(data_set, **options):
        file.write(piece)
        total += len(piece)
    return total


def _writer(
    data_set: object,
    *,
    bulk_data: str = "inline",
    bulk_data_threshold: int = 1024,
    bulk_data_element_handler: BulkDataHandler | None = None,
    number_strings: bool = False,
) -> JSONWriter:
    if bulk_data not in ("inline", "omit"):
        raise ValueError(f"bulk_data={bulk_data!r}: expected 'inline' or 'omit'")
    if bulk_data == "omit" and bulk_data_element_handler is not None:
        raise ValueError("bulk data are either omitted or given to a handler")
    if not isinstance(data_set, DataSet):
        from dicomwire.dataset.pydicom import as_data_set

        data_set = as_data_set(data_set)
    return JSONWriter(
        data_set,
        handler=bulk_data_element_handler,
        threshold=bulk_data_threshold,
        omit=bulk_data == "omit",
        number_texts=number_strings,
    )


# --- reading ---


class _Number(str):
    """A number as it is written, so that a DS keeps its digits."""

    __slots__ = ()


def from_json(
    source: str | bytes | bytearray | memoryview | dict[str, Any] | BinaryIO,
    *,
    bulk_data_uri_handler: BulkDataReader | None = None,
    transfer_syntax: str | None = None,
    max_depth: int = MAX_DEPTH,
    max_bytes: int = MAX_BYTES,
) -> DataSet:
    """The data set of a DICOM JSON Model object: of text, UTF-8, a binary file, or the objects of json.loads().

    ``bulk_data_uri_handler(tag, vr, uri)`` gives the bytes behind a BulkDataURI, ``tag`` as eight hexadecimal digits,
    or None; without one, and for None, the element is left out.  Nothing else ever looks at a URI.
    ``transfer_syntax`` tells that pixel data are encapsulated, which the model does not (see model.data_set_of).

    DecodeError for what is no such object, with the path of the element; NestingError for more than ``max_depth``
    sequences inside of one another; DecodeError for more than ``max_bytes``.
    """
    model: Any = source if isinstance(source, dict) else _parsed(source, max_depth, max_bytes)
    if not isinstance(model, dict):
        raise DecodeError(
            f"expected one object, found {_kind(model)}; an array of them is read object by object",
            section="PS3.18 F.2.2",
        )
    return data_set_of(_Reader(bulk_data_uri_handler, max_depth).elements(model), transfer_syntax)


def _parsed(source: Any, max_depth: int, max_bytes: int) -> object:
    if hasattr(source, "read"):
        source = source.read(max_bytes + 1)
    data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else bytes(source)
    if len(data) > max_bytes:
        raise DecodeError(f"more than max_bytes={max_bytes} bytes of JSON")
    if json_depth(data) > _LEVELS * max_depth + 4:
        raise NestingError(f"nested more than {max_depth} deep", section="PS3.5 7.5")
    try:
        return json.loads(
            data, parse_float=_Number, parse_int=_Number, parse_constant=_Number, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise DecodeError(f"no JSON: {error.msg}", offset=error.pos, section="RFC 8259") from None
    except UnicodeDecodeError as error:
        raise DecodeError("the JSON is not in UTF-8", offset=error.start, section="RFC 8259 8.1") from None
    except RecursionError:
        raise NestingError("nested deeper than the interpreter's stack allows", section="PS3.5 7.5") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DecodeError("an object has a name twice", section="RFC 8259 4")
    return found


def _kind(value: object) -> str:
    """What a JSON value is, for messages; never the value."""
    if isinstance(value, (_Number, int, float)) and not isinstance(value, bool):
        return "a number"
    names = {dict: "an object", list: "an array", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), type(value).__name__)


class _Reader:
    """Turns objects of the model into elements; nesting costs no stack."""

    def __init__(self, handler: BulkDataReader | None, max_depth: int) -> None:
        self._handler = handler
        self._max_depth = max_depth

    def elements(self, model: dict[str, Any]) -> Elements:
        """The elements of an object, with the items of its sequences."""
        result: Elements = {}
        waiting: list[tuple[dict[str, Any], Elements, str, int]] = [(model, result, "", 0)]
        while waiting:
            item, elements, path, depth = waiting.pop()
            if depth > self._max_depth:
                raise NestingError(f"nested more than {self._max_depth} deep", path=path, section="PS3.5 7.5")
            for name, member in item.items():
                tag = self._tag(name, path)
                if tag & 0xFFFF == 0:
                    continue  # a group length, which would not be true here
                place = f"{path}.{step_name(tag)}" if path else step_name(tag)
                vr = self._vr(member, place)
                if vr == "SQ":
                    items: list[Elements] = []
                    for number, inner in enumerate(self._items(member, place)):
                        items.append({})
                        waiting.append((inner, items[-1], f"{place}.{number}", depth + 1))
                    elements[tag] = (vr, items)
                    continue
                value = self._value(tag, vr, member, place)
                if value is not None:
                    elements[tag] = (vr, value)
        return result

    @staticmethod
    def _tag(name: object, path: str) -> int:
        if isinstance(name, str) and len(name) == 8 and name.isascii() and name.isalnum():
            try:
                tag = int(name, 16)
            except ValueError:
                pass
            else:
                if tag >> 16 not in (0, 0xFFFE, 0xFFFF):
                    return tag
        raise DecodeError(
            "the name of a member is no tag of eight hexadecimal digits", path=path, section="PS3.18 F.2.2"
        )

    @staticmethod
    def _vr(member: object, path: str) -> str:
        if not isinstance(member, dict):
            raise DecodeError(f"expected an object with vr, found {_kind(member)}", path=path, section="PS3.18 F.2.2")
        vr = member.get("vr")
        if not isinstance(vr, str) or vr not in VRS:
            raise DecodeError("vr is missing or no Value Representation", path=path, section="PS3.18 F.2.3")
        if sum(name in member for name in _CONTENTS) > 1:
            raise DecodeError(f"more than one of {', '.join(_CONTENTS)}", path=path, section="PS3.18 F.2.2")
        return str(vr)

    @staticmethod
    def _values(member: dict[str, Any], path: str) -> list[Any]:
        values = member.get("Value", [])
        if values is None:
            return []
        if not isinstance(values, list):
            raise DecodeError(f"Value: expected an array, found {_kind(values)}", path=path, section="PS3.18 F.2.2")
        return values

    def _items(self, member: dict[str, Any], path: str) -> list[dict[str, Any]]:
        items = []
        for item in self._values(member, path):
            if item is not None and not isinstance(item, dict):
                raise DecodeError(f"expected an object, found {_kind(item)}", path=path, section="PS3.18 F.2.2")
            items.append(item or {})
        return items

    def _value(self, tag: int, vr: str, member: dict[str, Any], path: str) -> Value | None:
        """The encoded value, None for an element that is to be left out."""
        if "BulkDataURI" in member:
            return self._bulk(tag, vr, member["BulkDataURI"], path)
        if "InlineBinary" in member:
            text = member["InlineBinary"]
            if isinstance(text, list) and len(text) == 1:
                text = text[0]  # which some writers make of it
            if not isinstance(text, str) or isinstance(text, _Number):
                raise DecodeError(
                    f"InlineBinary: expected a string, found {_kind(text)}", path=path, section="PS3.18 F.2.7"
                )
            return decode_base64(text, path)
        values = self._values(member, path)
        if vr in BYTE_VRS:
            if values:
                raise DecodeError(f"{vr} has a Value in place of InlineBinary", path=path, section="PS3.18 F.2.2")
            return b""
        if not values:
            return b""
        if vr == "PN":
            return encode_text([self._name(value, path) for value in values], vr, path)
        if vr == "AT":
            return encode_tags([self._text(value, path) for value in values], path)
        if vr in NUMBER_VRS:
            return b"".join([encode_number(self._number(value, path), vr, path) for value in values])
        texts = [self._text(value, path) for value in values]
        if vr == "DS":
            texts = [decimal_text(text) for text in texts]
        elif vr == "IS":
            texts = [text.removesuffix(".0") for text in texts]
        elif vr in SINGLE_TEXT_VRS and len(texts) > 1:
            raise DecodeError(f"{vr} has {len(texts)} values: expected one", path=path, section="PS3.5 6.4")
        return encode_text(texts, vr, path)

    def _bulk(self, tag: int, vr: str, uri: object, path: str) -> bytes | None:
        if not isinstance(uri, str) or isinstance(uri, _Number):
            raise DecodeError(f"BulkDataURI: expected a string, found {_kind(uri)}", path=path, section="PS3.18 F.2.6")
        if self._handler is None:
            return None
        data = self._handler(f"{tag:08X}", vr, uri)
        return None if data is None else bytes(data)

    @staticmethod
    def _text(value: object, path: str) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return str(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return repr(value)
        raise DecodeError(f"expected a string, found {_kind(value)}", path=path, section="PS3.18 F.2.3")

    @staticmethod
    def _number(value: object, path: str) -> str | int | float:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return value
        raise DecodeError(f"expected a number, found {_kind(value)}", path=path, section="PS3.18 F.2.3")

    @staticmethod
    def _name(value: object, path: str) -> str:
        if value is None:
            return ""
        if isinstance(value, str) and not isinstance(value, _Number):
            return str(value)  # as drafts of the model had it
        parts = [value.get(group, "") for group in _GROUPS] if isinstance(value, dict) else [value]
        if not all(isinstance(part, str) and not isinstance(part, _Number) for part in parts):
            raise ValueDecodeError(
                f"expected an object of component groups, found {_kind(value)}", path=path, section="PS3.18 F.2.2"
            )
        return "=".join(map(str, parts)).rstrip("=")
