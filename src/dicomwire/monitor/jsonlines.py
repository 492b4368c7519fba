"""Records as lines of JSON: one object each, in ASCII, so that no value can drive a terminal or break a line."""

from __future__ import annotations

import json
from binascii import b2a_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Protocol

    class Record(Protocol):
        """What a monitor gives: its kind, and all of its fields by name."""

        @property
        def record(self) -> str: ...

        def to_dict(self) -> dict[str, Any]: ...


def _plain(value: object) -> object:
    """A value that JSON has no form for: bytes as base64, what is like a list as a list."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b2a_base64(value, newline=False).decode("ascii")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"a field of a record is {type(value).__name__}, which JSON has no form for")


_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_plain)


def json_text(value: object) -> str:
    """A value of a record as JSON on one line, ASCII without control characters."""
    return _ENCODER.encode(value).replace("\x7f", "\\u007f")


class JSONLines:
    """Writes records to a text stream, a line each; ``flush`` after every one shows them as they come."""

    def __init__(self, stream: IO[str], *, flush: bool = False) -> None:
        self._stream = stream
        self._flush = flush

    def write(self, record: Record) -> None:
        """Write one record."""
        self._stream.write(json_text(record.to_dict()) + "\n")
        if self._flush:
            self._stream.flush()

    def close(self) -> None:
        """Hand on what is buffered; the stream stays open."""
        self._stream.flush()
