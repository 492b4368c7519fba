"""Headings: what a data set is about is found in any windows, and nothing else is kept."""

from __future__ import annotations

import random

import pytest

from _dicomwire.heading import read_data_set_heading
from tests.builders import PIXEL_DATA, Encoder

REQUEST, NESTED, COUNTED = 0, 4, 8
READ, BROKEN = 3, 4
EXPLICIT_LE, BIG_ENDIAN, IMPLICIT = 0, 1, 2

ENCODINGS = {EXPLICIT_LE: Encoder(), BIG_ENDIAN: Encoder(big=True), IMPLICIT: Encoder(explicit=False)}


def data_set(encoder: Encoder, *, undefined: bool = False, pixels: bool = True) -> bytes:
    item = encoder.item(
        encoder.element(0x00080050, "SH", b"ACC ") + encoder.element(0x0020000D, "UI", b"1.2\0"), undefined=undefined
    )
    parts = [
        encoder.element(0x00080005, "CS", b"ISO_IR 100"),
        encoder.element(0x00080060, "CS", b"CT"),
        encoder.sequence(0x00081199, item, item, undefined=undefined),
        encoder.element(0x00091001, "UN" if encoder.explicit else "OB", bytes(9000)),
        encoder.element(0x00100020, "LO", b"PAT1"),
        encoder.sequence(0x00400270, item, undefined=undefined),
    ]
    if pixels:
        parts.append(encoder.element(PIXEL_DATA, "OW", bytes(12_000)))
    return b"".join(parts)


EXPECTED = [
    (0x00080005, REQUEST, b"ISO_IR 100"),
    (0x00080060, REQUEST, b"CT"),
    (0x00081199, COUNTED, 2),
    (0x00100020, REQUEST, b"PAT1"),
    (0x00080050, NESTED, b"ACC"),
    (0x0020000D, NESTED, b"1.2"),
    (0x00400270, COUNTED, 1),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("guess", [False, True])
def test_a_heading_in_windows(encoding: int, undefined: bool, guess: bool) -> None:
    data = data_set(ENCODINGS[encoding], undefined=undefined)
    noise = random.Random(encoding)
    told = None if guess else encoding
    for attempt in range(60):
        cuts = sorted(noise.randrange(1, len(data)) for _ in range(noise.randrange(6))) if attempt else []
        if guess and cuts and cuts[0] < 300:
            continue  # the caller waits for more before it looks
        cells, phase, at, length = read_data_set_heading(data, told, cuts)
        assert (phase, length) == (READ, 12_000)
        assert at == len(data) - 12_000
        assert cells == EXPECTED


def test_a_data_set_without_pixels_ends_with_its_last_element() -> None:
    data = data_set(ENCODINGS[EXPLICIT_LE], pixels=False)
    assert read_data_set_heading(data, EXPLICIT_LE) == (EXPECTED, READ, 0, 0)
    assert read_data_set_heading(b"", EXPLICIT_LE) == ([], READ, 0, 0)


def test_values_that_are_too_long_are_left_out() -> None:
    encoder = ENCODINGS[EXPLICIT_LE]
    data = encoder.element(0x00080060, "CS", b"C" * 2000) + encoder.element(0x00100020, "LO", b"P1")
    assert read_data_set_heading(data, EXPLICIT_LE)[0] == [(0x00100020, REQUEST, b"P1")]


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_any_bytes_end(length: int) -> None:
    noise = random.Random(length)
    for _ in range(50):
        data = noise.randbytes(length)
        for encoding in (*ENCODINGS, None):
            _, phase, _, _ = read_data_set_heading(data, encoding, [length // 2])
            assert phase in (READ, BROKEN)
    whole = data_set(ENCODINGS[EXPLICIT_LE], undefined=True)
    broken = bytearray(whole)
    for _ in range(20):
        broken[noise.randrange(len(broken))] = noise.randrange(256)
        read_data_set_heading(bytes(broken), EXPLICIT_LE, [length, length * 9])
