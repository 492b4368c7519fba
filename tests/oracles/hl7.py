"""HL7 v2 as chapter 2 reads, slow and obvious: a whole message, split by its separators."""

from __future__ import annotations

import re


def lines(data: bytes) -> list[bytes]:
    """The segments of a message: CR ends one, and LF where a segment's name and a separator follow, or nothing."""
    field = re.escape(data[3:4])
    marked = re.sub(rb"\n(?=[\r\n]*(?:\Z|[A-Z][A-Z0-9]{2}(?:\Z|\r|" + field + rb")))", b"\r", data)
    marked = re.sub(rb"(?<=\r)\n+", lambda match: b"\r" * len(match[0]), marked)
    marked = re.sub(rb"\A\n+", b"", marked)
    return [line for line in marked.split(b"\r") if line]


def fields(data: bytes) -> list[tuple[str, list[bytes]]]:
    """(name, fields from the first on) of each segment."""
    found = []
    for line in lines(data):
        head, *rest = line.split(data[3:4])
        name = head.decode("ascii", "replace") if re.fullmatch(rb"[A-Z][A-Z0-9]{2}", head) else ""
        if name in ("MSH", "FHS", "BHS") and rest:
            rest = [data[3:4], *rest]
        found.append((name, rest))
    return found


def values(data: bytes, segment: str, field: int, component: int = 0) -> list[bytes]:
    """The different values at a place that are not empty, of all segments and repetitions."""
    characters = re.match(rb"[!-~]{0,5}", data[4:].split(data[3:4])[0].split(b"\r")[0])[0]  # type: ignore[index]
    between, again = (characters + b"^~"[len(characters) :])[:2] if len(characters) < 2 else characters[:2]
    found: list[bytes] = []
    for name, content in fields(data):
        if name != segment or len(content) < field:
            continue
        whole = content[field - 1]
        repeated = [whole] if name in ("MSH", "FHS", "BHS") and field < 3 else whole.split(bytes([again]))
        for repetition in repeated:
            parts = repetition.split(bytes([between]))
            value = repetition if component == 0 else parts[component - 1] if component <= len(parts) else b""
            value = value.strip(b" ")
            if value and value != b'""' and value not in found:
                found.append(value)
    return found
