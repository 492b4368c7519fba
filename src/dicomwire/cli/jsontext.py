"""JSON text for the commands: any value of a data set, safe to show on a terminal."""

from __future__ import annotations

import json
import math
import re
from binascii import b2a_base64

from dicomwire.dictionary import Tag

_CONTROL = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def dumps(value: object) -> str:
    """JSON text, on one line, in which no character can drive a terminal."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def plain(value: object) -> object:
    """A value as JSON has it: tags as eight hexadecimal digits, bytes as base64, numbers that are none as text."""
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, Tag):
        return f"{value:08X}"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (bytes, memoryview)):
        return b2a_base64(value, newline=False).decode("ascii")
    return str(value) if isinstance(value, str) else value
