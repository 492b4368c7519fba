"""What the compiled floor calls by name: each function imports what it needs when it is first called."""

from __future__ import annotations

from functools import cache

from _dicomwire.errors import ElementError, ValueDecodeError
from dicomwire.dictionary import keyword_for_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from _dicomwire.dataset import DataElement, DataSet, Sequence
    from dicomwire.dataset.charset import CharacterSet
    from dicomwire.dataset.private import PrivateBlock


def table() -> dict[str, Any]:
    """The hooks by the names that ``_dicomwire`` knows them by."""
    from _dicomwire.part10 import read_meta, read_syntax, restore, restore_inside

    return {
        "as_datetime": _as_datetime,
        "charset_from_terms": _charset_from_terms,
        "checked_preamble": _checked_preamble,
        "data_set_html": _data_set_html,
        "data_set_lines": _data_set_lines,
        "data_set_text": _data_set_text,
        "decode_text": _decode_text,
        "delete_part": _delete_part,
        "element_error": ElementError,
        "encode_text": _encode_text,
        "element_from_pydicom": _element_from_pydicom,
        "element_name": _element_name,
        "element_text": _element_text,
        "implementation": _implementation,
        "is_big_endian": _is_big_endian,
        "keyword_for_tag": keyword_for_tag,
        "from_json": _from_json,
        "from_pydicom": _from_pydicom,
        "from_xml": _from_xml,
        "group": _group,
        "item_from_pydicom": _item_from_pydicom,
        "part": _part,
        "pop": _pop,
        "private_block": _private_block,
        "private_creators": _private_creators,
        "private_vrs": _private_vrs,
        "read_meta": read_meta,
        "read_syntax": read_syntax,
        "reduce_edited": _reduce_edited,
        "remove_private": _remove_private,
        "restore": restore,
        "restore_inside": restore_inside,
        "sequence_text": _sequence_text,
        "setdefault": _setdefault,
        "tag_for_text": _tag_for_text,
        "tag_of": _tag_of,
        "temporal_text": _temporal_text,
        "to_dict": _to_dict,
        "to_json": _to_json,
        "to_json_dict": _to_json_dict,
        "to_pydicom": _to_pydicom,
        "to_xml": _to_xml,
        "unknown_attribute": _unknown_attribute,
        "update": _update,
        "value_multiplicities": _Multiplicities(),
        "value_error": ValueDecodeError,
        "value_text": _value_text,
        "walk": _walk,
    }


def _charset_from_terms(terms: tuple[str, ...]) -> CharacterSet:
    from dicomwire.dataset.charset import CharacterSet

    return CharacterSet.from_terms(terms)


def _decode_text(data: bytes, charset: CharacterSet, multi: bool, is_name: bool) -> tuple[list[str], str | None]:
    from dicomwire.dataset.charset import decode_text, decode_values

    if multi:
        return decode_values(data, charset, is_name=is_name)
    text, problem = decode_text(data, charset, is_name=is_name)
    return [text], problem


def _private_vrs(creator: str) -> dict[int, int] | None:
    """VR codes of a creator's elements by tag without the block number (gggg00ee); None for an unknown creator.

    Elements whose group differs from device to device stand under 0000ee; those with an unclear VR are left out.
    """
    global _creators
    found = _tables.get(creator)
    if found is None:
        if not _creators:  # each time the statement would cost as much as five values
            from dicomwire.dictionary._private import CREATORS as _creators
        text = _creators.get(creator)
        if text is None:
            return None
        found = {}
        for row in text.split("\n"):
            mask, vr, _ = row.split("|", 2)
            if len(vr) == 2 and "x" not in mask[6:]:
                group = 0 if "x" in mask[:4] else int(mask[:4], 16)
                found[group << 16 | int(mask[6:], 16)] = ord(vr[0]) | ord(vr[1]) << 8
        _tables[creator] = found
    return found


# The private dictionary, once something of it was needed.
_creators: dict[str, str] = {}

# Filled from the private dictionary, at most one entry for each of its creators; never changed after that.
_tables: dict[str, dict[int, int]] = {}


def _tag_for_text(text: str) -> int | None:
    """The tag of eight hexadecimal digits, the first one of a repeating group's keyword; None for other text."""
    from dicomwire.dictionary import repeater_tag, tag_for_keyword
    from dicomwire.dictionary._keywords import REPEATER_KEYWORD_TO_MASK

    if len(text) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in text):
        return int(text, 16)
    if text in REPEATER_KEYWORD_TO_MASK:
        return repeater_tag(text)
    return tag_for_keyword(text)


def _unknown_attribute(name: str) -> str:
    from dicomwire.dictionary import suggest_keywords

    near = suggest_keywords(name)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{name} is no keyword of PS3.6{hint}"


def _element_name(element: DataElement) -> str:
    from dicomwire.dataset.text import element_name

    return element_name(element)


def _element_text(element: DataElement) -> str:
    from dicomwire.dataset.text import element_line

    return element_line(element)


def _value_text(element: DataElement) -> str:
    from dicomwire.dataset.text import value_text

    return value_text(element)


def _data_set_text(data_set: DataSet, *, is_nested: bool = True) -> str:
    from dicomwire.dataset.text import data_set_text

    return data_set_text(data_set, is_nested=is_nested)


def _data_set_lines(data_set: DataSet, element_format: str, sequence_format: str) -> Iterator[str]:
    from dicomwire.dataset.text import data_set_lines

    return data_set_lines(data_set, element_format, sequence_format)


def _sequence_text(sequence: Sequence) -> str:
    return f"<Sequence: {len(sequence)} item{'' if len(sequence) == 1 else 's'}>"


def _data_set_html(data_set: DataSet) -> str:
    from dicomwire.dataset.text import data_set_html

    return data_set_html(data_set)


def _to_dict(data_set: DataSet) -> dict[str, object]:
    from dicomwire.dataset.plain import to_dict

    return to_dict(data_set)


def _to_json(data_set: DataSet, **options: Any) -> str:
    from dicomwire.dataset.json import to_json

    return to_json(data_set, **options)


def _to_json_dict(data_set: DataSet, **options: Any) -> dict[str, Any]:
    from dicomwire.dataset.json import to_json_dict

    return to_json_dict(data_set, **options)


def _from_json(source: Any, **options: Any) -> DataSet:
    from dicomwire.dataset.json import from_json

    return from_json(source, **options)


def _to_xml(data_set: DataSet, **options: Any) -> str:
    from dicomwire.dataset.xml import to_xml

    return to_xml(data_set, **options)


def _from_xml(source: Any, **options: Any) -> DataSet:
    from dicomwire.dataset.xml import from_xml

    return from_xml(source, **options)


def _to_pydicom(data_set: DataSet) -> object:
    from dicomwire.dataset.pydicom import to_pydicom

    return to_pydicom(data_set)


def _from_pydicom(dataset: object) -> DataSet:
    from dicomwire.dataset.pydicom import from_pydicom

    return from_pydicom(dataset)


def _item_from_pydicom(value: object) -> DataSet | None:
    from dicomwire.dataset.pydicom import item_from_pydicom

    return item_from_pydicom(value)


def _element_from_pydicom(value: object) -> DataElement | None:
    from dicomwire.dataset.pydicom import element_from_pydicom

    return element_from_pydicom(value)


def _part(data_set: DataSet, wanted: slice) -> DataSet:
    from dicomwire.dataset.parts import part

    return part(data_set, wanted)


def _delete_part(data_set: DataSet, wanted: slice) -> None:
    from dicomwire.dataset.parts import delete_part

    delete_part(data_set, wanted)


def _group(data_set: DataSet, number: int) -> DataSet:
    from dicomwire.dataset.parts import group

    return group(data_set, number)


def _walk(data_set: DataSet, callback: Any, recursive: bool) -> None:
    from dicomwire.dataset.parts import walk

    walk(data_set, callback, recursive)


def _remove_private(data_set: DataSet) -> None:
    from dicomwire.dataset.parts import remove_private

    remove_private(data_set)


def _private_creators(data_set: DataSet, group: int) -> list[str]:
    from dicomwire.dataset.parts import private_creators

    return private_creators(data_set, group)


def _private_block(data_set: DataSet, group: int, creator: str, block_number: int) -> PrivateBlock:
    from dicomwire.dataset.private import PrivateBlock

    return PrivateBlock(data_set, group, creator, block_number)


def _as_datetime(element: DataElement) -> object:
    from dicomwire.dataset import temporal

    parsers = {"DA": temporal.parse_da, "TM": temporal.parse_tm, "DT": temporal.parse_dt}
    parse = parsers.get(element.VR)
    if parse is None:
        raise TypeError(f"{element.VR} is no date or time; PS3.5 6.2")
    value = element.value
    if value is None or value == "":
        return None
    if not isinstance(value, (str, list)):
        raise TypeError("the value is not text")
    try:
        return [parse(text) if text else None for text in value] if isinstance(value, list) else parse(value)
    except ValueDecodeError as error:
        raise ValueDecodeError(error.message, offset=element.offset, path=element.path, section=error.section) from None


def _update(data_set: DataSet, elements: Any) -> None:
    from dicomwire.dataset.editing import update

    update(data_set, elements)


def _setdefault(data_set: DataSet, key: Any, default: object) -> DataElement:
    from dicomwire.dataset.editing import setdefault

    return setdefault(data_set, key, default)


def _pop(data_set: DataSet, key: Any, *default: object) -> object:
    from dicomwire.dataset.editing import pop

    return pop(data_set, key, *default)


def _checked_preamble(value: object) -> bytes | None:
    from dicomwire.dataset.editing import checked_preamble

    return checked_preamble(value)


def _tag_of(key: object) -> int | None:
    from dicomwire.dataset.editing import tag_of

    return tag_of(key)


def _temporal_text(value: object, vr: str) -> str:
    from dicomwire.dataset.editing import temporal_text

    return temporal_text(value, vr)


@cache
def _implementation() -> tuple[str, str]:
    from dicomwire.dictionary.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

    return IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


def _is_big_endian() -> bool:
    import sys

    return sys.byteorder == "big"


def _reduce_edited(data_set: DataSet) -> tuple[object, ...]:
    from _dicomwire.splice import reduce_edited

    return reduce_edited(data_set)


def _encode_text(text: str, charset: CharacterSet, is_values: bool, is_name: bool, replace: bool) -> bytes:
    from dicomwire.dataset.charset import encode_replacing, encode_text

    encode = encode_replacing if replace else encode_text
    return encode(text, charset, is_name=is_name, is_values=is_values)


class _Multiplicities(dict[int, "tuple[int, int | None, int] | None"]):
    """Tag -> (fewest values, most or None, step), None where any number will do; filled as it is asked."""

    def __missing__(self, tag: int) -> tuple[int, int | None, int] | None:
        from dicomwire.dataset.editing import multiplicity_limits

        limits = self[tag] = multiplicity_limits(tag)
        return limits
