"""Events of a stream as plain rows that can be compared, and ways to cut a stream."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dicomwire.errors import DecodeError
from dicomwire.streaming import Event, EventKind, StreamParser


@dataclass
class Outcome:
    """What a stream gave: rows, in which pieces are joined, the error that ended it, and the deviations."""

    rows: list[list[Any]] = field(default_factory=list)
    error: tuple[str, str] | None = None
    deviations: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Append a row; a piece goes on with the row of the piece before it."""
        offset = event.offset
        value = event.value
        if event.kind is not EventKind.PIECE:
            path = event.path if offset % 64 == 0 else ""  # paths take time in long sequences
            self.rows.append(
                [
                    *(event.kind.name, path, event.tag, event.VR, offset, event.length, event.header_size, event.depth),
                    *(None if value is None else bytes(value), event.number, event.comes_in_pieces),
                ]
            )
            return
        assert value is not None
        assert len(value) == event.length > 0
        row = self.rows[-1]
        if row[0] != "PIECE":
            assert event.position == 0 or row[0] == "FRAME"
            self.rows.append(["PIECE", event.tag, offset, bytearray(value), event.is_last])
            return
        assert row[4] is False
        assert row[1] == event.tag
        assert offset == row[2] + len(row[3])
        row[3] += value
        row[4] = event.is_last


def outcome(chunks: Iterable[bytes], *arguments: Any, **options: Any) -> Outcome:
    """Feed chunks to a parser, close it, and return what it gave."""
    parser = StreamParser(*arguments, **options)
    found = Outcome()
    try:
        for chunk in chunks:
            for event in parser.feed(chunk):
                found.add(event)
        for event in parser.close():
            found.add(event)
    except DecodeError as error:
        found.error = (type(error).__name__, str(error))
    found.deviations = [repr(deviation) for deviation in parser.deviations]
    return found


def single_bytes(data: bytes) -> Iterable[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def random_cuts(data: bytes, seed: object, longest: int) -> Iterable[bytes]:
    """Chunks of random sizes, many of them near the size of a header."""
    numbers = random.Random(repr(seed))
    at = 0
    while at < len(data):
        size = numbers.choice((0, 1, 2, 4, 7, 8, 9, 11, 12, 13, 20, numbers.randint(1, longest), longest))
        yield data[at : at + size]
        at += size


def assert_same_however_cut(data: bytes, *arguments: Any, rounds: int = 8, **options: Any) -> Outcome:
    """Check that whole, byte by byte and random cuts give the same; return it."""
    whole = outcome([data], *arguments, **options)
    assert outcome(single_bytes(data), *arguments, **options) == whole
    for seed in range(rounds):
        assert outcome(random_cuts(data, seed, 40 << seed), *arguments, **options) == whole
    return whole
