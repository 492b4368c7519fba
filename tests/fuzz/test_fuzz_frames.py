"""Any bytes give frames that lie in the source, or one of our errors; and borders that do not depend on who finds them.

Encapsulated and native data sets are mutated in their tables, items and codestreams.
"""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from dicomwire.pixel.encapsulated import FrameBorders
from tests.fuzz.harnesses.frames import PIECES, SYNTAXES, look_at_all
from tests.pixel.images import encapsulated, native, offset_table, offsets_of


@given(st.integers(0, 1 << 32))
def test_any_bytes_give_frames_or_an_error(seed):
    chance = random.Random(seed)
    parts = [chance.choice(PIECES) for _ in range(chance.randrange(8))]
    offsets = [offset for offset in offsets_of(parts) if chance.random() < 0.7]
    options = {"frames": chance.choice([None, "1", "2", "3", str(len(parts)), "1000000000", "-1", "x"])}
    if chance.random() < 0.4:
        options["basic"] = offset_table(offsets)
    if chance.random() < 0.3:
        options["extended"] = offset_table(offsets, 8)
        options["extended_lengths"] = offset_table([len(part) for part in parts], 8)
    if chance.random() < 0.2:
        data = native(b"".join(parts), rows=chance.randrange(9), columns=5, allocated=chance.choice([1, 8, 12, 16]))
    else:
        data = encapsulated(parts, syntax=chance.choice(SYNTAXES), **options)
    data = bytearray(data)
    for _ in range(chance.choice([0, 1, 1, 2, 8])):
        at = chance.randrange(len(data) - min(len(data), 250), len(data))
        data[at] = chance.choice([0, 1, 8, 0xFF, 0xFE, chance.randrange(256)])
    if chance.random() < 0.2:
        del data[chance.randrange(150, len(data)) :]
    for policy in ("report", "strict", "ignore"):
        look_at_all(bytes(data), policy)


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(SYNTAXES), st.integers(0, 12), st.booleans())
def test_borders_ascend_and_begin_with_the_first_fragment(parts, syntax, frames, with_table):
    table = [offset for i, offset in enumerate(offsets_of(parts)) if i % 2 == 0] if with_table else None
    borders = FrameBorders(syntax, frames, table)
    said = [
        borders.feed_fragment(offset, len(part), part[: borders.first_bytes_needed], part[-borders.last_bytes_needed :])
        for offset, part in zip(offsets_of(parts), parts, strict=True)
    ]
    numbers = [number for number in said if number is not None]
    assert numbers == list(range(borders.frames))
    assert said[:1] == ([0] if parts else [])
    assert all(str(deviation.message) for deviation in borders.finish())
