"""Data sets as plain Python objects."""

from __future__ import annotations

from _dicomwire.dataset import DataSet, Sequence
from _dicomwire.fragments import Fragments


def to_dict(data_set: DataSet) -> dict[str, object]:
    """Values by keyword, or by eight hexadecimal digits where a tag has none of its own.

    Sequences are lists of dictionaries, binary values bytes, fragments lists of bytes.  No recursion: sequences may be
    nested deeper than the interpreter's stack.
    """
    plain: dict[str, object] = {}
    pending = [(data_set, plain)]
    while pending:
        item, values = pending.pop()
        for element in item:
            value = element.value
            if isinstance(value, Sequence):
                inside: list[dict[str, object]] = [{} for _ in range(len(value))]
                pending.extend(zip(value, inside, strict=True))
                value = inside
            elif isinstance(value, memoryview):
                value = bytes(value)
            elif isinstance(value, Fragments):
                value = [bytes(fragment) for fragment in value]
            values[element.path.rpartition(".")[2]] = value
    return plain
