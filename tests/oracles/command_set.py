"""Command sets the slow and obvious way: implicit VR little endian, group 0000 (PS3.7 section 6.3.1, Annex E)."""

from __future__ import annotations

import struct

from dicomwire.dictionary.tags import dictionary_entry

Value = int | str | bytes | tuple[int, ...]


class Unreadable(Exception):
    """The bytes are no command set."""


def decode(data: bytes) -> dict[int, Value]:
    """Values by tag, without the group length; the first of elements that occur twice."""
    if len(data) > 65536:
        raise Unreadable
    elements: dict[int, Value] = {}
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise Unreadable
        group, element, length = struct.unpack_from("<HHI", data, at)
        if group or length > len(data) - at - 8:
            raise Unreadable
        if element and element not in elements:
            elements[element] = decode_value(element, data[at + 8 : at + 8 + length])
        at += 8 + length
    return elements


def decode_value(tag: int, value: bytes) -> Value:
    entry = dictionary_entry(tag)
    vr, vm = (entry[0], entry[1]) if entry else ("", "1")
    words = struct.unpack(f"<{len(value) // 2}H", value[: len(value) // 2 * 2])
    if vr == "US":
        if len(value) % 2:
            return value
        if vm != "1":
            return words
        return words[0] if words else value
    if vr == "UL":
        return int.from_bytes(value, "little") if len(value) == 4 else value
    if vr == "AT":
        return tuple(a << 16 | b for a, b in zip(*[iter(words)] * 2, strict=True)) if len(value) % 4 == 0 else value
    if not vr:
        return value
    text = value.rstrip(b" \0").decode("latin-1")
    return text.lstrip(" ") if vr == "AE" else text
