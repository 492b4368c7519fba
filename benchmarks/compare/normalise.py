"""Text normalisation, so that answers of toolkits with different value types can be compared.

A value becomes one string: components joined by a backslash, padding removed, numbers in one spelling, bytes
as hexadecimal digits, sequences as their number of items.  Reference is pydicom.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

PADDING = " \0"
RAW = re.compile("x([0-9a-f]{2})+")


class SequenceMark(int):
    """Stands for a sequence in a flat list of values; the number is that of its items."""


def _token(text: str) -> str:
    text = text.strip(PADDING)
    try:
        return repr(float(text))
    except ValueError:
        return text


def is_sequence(value: Any) -> bool:
    """Return whether a value is a toolkit's sequence of items."""
    if type(value).__name__ == "Sequence":
        return True
    return type(value) is list and bool(value) and type(value[0]).__name__ in ("Dataset", "DataSet")


def text_of(value: Any) -> str:
    """Return the normalised text of one value."""
    if value is None:
        return ""
    if is_sequence(value):
        value = SequenceMark(len(value))
    if isinstance(value, SequenceMark):
        return f"<{int(value)} items>" if value else ""
    if isinstance(value, str):
        return "\\".join(_token(part) for part in value.split("\\"))
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        return "x" + data.hex() if data else ""
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, int) for part in value):
        value = value[0] << 16 | value[1]  # a tag
    if isinstance(value, (int, float)):
        return repr(float(value))
    if type(value).__name__ == "PersonName":
        return text_of(str(value))
    if isinstance(value, Iterable):
        return "\\".join(text_of(part) for part in value)
    return text_of(str(value))


def agreement(reference: Sequence[str], answer: Sequence[str]) -> str:
    """Return "equal", or a phrase that says how an answer differs from the reference.

    Values left as raw bytes where the reference has text or numbers are counted apart: of private elements in
    implicit VR whose creator the toolkit does not know, or of a VR it does not convert.
    """
    if len(reference) != len(answer):
        return f"DIFFERENT: {len(answer)} values instead of {len(reference)}"
    wrong, raw, first = 0, 0, -1
    for index, (expected, found) in enumerate(zip(reference, answer, strict=True)):
        if expected == found:
            continue
        if RAW.fullmatch(found) or RAW.fullmatch(expected):
            raw += 1
        else:
            wrong, first = wrong + 1, index if first < 0 else first
    if wrong:
        return f"DIFFERENT: {wrong} of {len(reference)} values, first at {first}"
    return f"equal, {raw} as raw bytes" if raw else "equal"
