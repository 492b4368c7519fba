"""What the compiled floor calls by name: each function imports what it needs when it is first called."""

from __future__ import annotations

from _dicomwire.errors import ElementError, ValueDecodeError
from dicomwire.dictionary import keyword_for_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from _dicomwire.dataset import DataElement, DataSet, Sequence
    from dicomwire.dataset.charset import CharacterSet


def table() -> dict[str, Callable[..., object]]:
    """The hooks by the names that ``_dicomwire`` knows them by."""
    from _dicomwire.part10 import read_item, read_meta, restore

    return {
        "as_datetime": _as_datetime,
        "charset_from_terms": _charset_from_terms,
        "data_set_html": _data_set_html,
        "data_set_text": _data_set_text,
        "decode_text": _decode_text,
        "element_error": ElementError,
        "element_name": _element_name,
        "element_text": _element_text,
        "keyword_for_tag": keyword_for_tag,
        "private_vr": _private_vr,
        "read_meta": read_meta,
        "restore": restore,
        "restore_item": read_item,
        "sequence_text": _sequence_text,
        "tag_for_text": _tag_for_text,
        "unknown_attribute": _unknown_attribute,
        "value_error": ValueDecodeError,
        "value_text": _value_text,
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


def _private_vr(creator: str, tag: int) -> int:
    """The VR code of a private element, 0 when the private dictionary does not list it or is not sure."""
    from dicomwire.dictionary import private_element

    entry = private_element(creator, tag)
    if entry is None or len(entry[0]) != 2:
        return 0
    vr = entry[0]
    return ord(vr[0]) | ord(vr[1]) << 8


def _tag_for_text(text: str) -> int | None:
    """The tag of a repeating group's keyword or of eight hexadecimal digits; None for other text."""
    from dicomwire.dictionary import tag_for_keyword

    if len(text) == 8 and all(letter in "0123456789abcdefABCDEF" for letter in text):
        return int(text, 16)
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


def _data_set_text(data_set: DataSet) -> str:
    from dicomwire.dataset.text import data_set_text

    return data_set_text(data_set)


def _sequence_text(sequence: Sequence) -> str:
    return f"<Sequence: {len(sequence)} item{'' if len(sequence) == 1 else 's'}>"


def _data_set_html(data_set: DataSet) -> str:
    from dicomwire.dataset.text import data_set_html

    return data_set_html(data_set)


def _as_datetime(element: DataElement) -> object:
    from dicomwire.dataset import temporal

    parsers = {"DA": temporal.parse_da, "TM": temporal.parse_tm, "DT": temporal.parse_dt}
    parse = parsers.get(element.VR)
    if parse is None:
        raise TypeError(f"{element.VR} is no date or time; PS3.5 6.2")
    value = element.value
    try:
        return [parse(text) for text in value] if isinstance(value, list) else parse(value)
    except ValueDecodeError as error:
        raise ValueDecodeError(error.message, offset=element.offset, path=element.path, section=error.section) from None
