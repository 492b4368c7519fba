"""RLE segments against plain Python; what is damaged fills nothing it should not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.rle import decode_segments, encode_segments
from dicomwire.errors import PixelError
from tests.oracles.pixels import rle_decoded, stored_value

RUNS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=128).map(lambda run: bytes([len(run) - 1]) + run),
        st.tuples(st.integers(129, 255), st.integers(0, 255)).map(bytes),
        st.just(b"\x80"),
    ),
    max_size=40,
).map(b"".join)


@given(RUNS)
def test_runs_are_those_of_the_standard(segment):
    expected = rle_decoded(segment)
    target = bytearray(len(expected))
    decode_segments(segment, [0, len(segment)], target, 1, 1)
    assert target == expected
    if expected:
        # What a segment has beyond the plane is left aside, and nothing behind the plane is touched.
        shorter = bytearray(b"\xaa" * len(expected))
        decode_segments(segment, [0, len(segment)], memoryview(shorter)[:-1], 1, 1)
        assert shorter == expected[:-1] + b"\xaa"
    with pytest.raises(PixelError, match=f"has {len(expected)} bytes, {len(expected) + 1} are needed"):
        decode_segments(segment, [0, len(segment)], bytearray(len(expected) + 1), 1, 1)


@given(st.binary(max_size=400), st.integers(0, 600))
def test_any_bytes_fill_or_raise(segment, size):
    whole = bytearray(b"\xaa" * (size + 200))
    target = memoryview(whole)[100 : 100 + size]
    try:
        decode_segments(segment, [0, len(segment)], target, 1, 1)
    except PixelError:
        assert len(rle_decoded(segment)) < size
    else:
        assert bytes(target) == rle_decoded(segment)[:size]
    assert whole[:100] == whole[100 + size :] == b"\xaa" * 100


@pytest.mark.parametrize("word", [1, 2, 4])
@pytest.mark.parametrize("samples", [1, 3])
@given(st.integers(1, 9), st.integers(1, 300), st.integers(1, 5), st.integers(0, 1 << 30))
def test_there_and_back(word, samples, rows, columns, values, seed):
    pixels = np.random.default_rng(seed).integers(0, values, (rows, columns, samples)).astype(f"u{word}")
    segments = encode_segments(pixels, rows, samples, word)
    assert len(segments) == word * samples
    assert all(len(segment) % 2 == 0 for segment in segments)
    planes = pixels.astype(f">u{word}").view(np.uint8).reshape(rows, columns, samples, word)
    for number, segment in enumerate(segments):
        plane = planes[:, :, number // word, number % word].tobytes()
        assert rle_decoded(segment)[: len(plane)] == plane
        assert len(segment) <= rows * (columns + columns // 128 + 1) + 1
    offsets = np.cumsum([0, *map(len, segments)]).tolist()
    target = np.empty_like(pixels)
    decode_segments(b"".join(segments), offsets, target, samples, word)
    assert np.array_equal(target, pixels)


@pytest.mark.parametrize("word", [1, 2, 4])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("signed", [False, True])
def test_unused_bits_are_taken_off(word, samples, signed):
    values = np.random.default_rng(word).integers(0, 1 << 8 * word, (50, 41, samples)).astype(f"u{word}")
    segments = encode_segments(values, 50, samples, word)
    target = np.empty(values.shape, f"{'i' if signed else 'u'}{word}")
    offsets = np.cumsum([0, *map(len, segments)]).tolist()
    decode_segments(b"".join(segments), offsets, target, samples, word, up=2, down=3, signed=signed)
    expected = [stored_value(int(v), 8 * word, 2, 3, signed=signed) for v in values.ravel()]
    assert target.ravel().tolist() == expected


def test_no_run_crosses_a_row():
    """PS3.5 section G.3.1: each row of equal bytes has its own runs."""
    segment = encode_segments(bytes(300), 3, 1, 1)[0]
    assert segment == bytes([157, 0]) * 3


@pytest.mark.parametrize(
    "call",
    [
        lambda: decode_segments(bytes(9), [0, 10], bytearray(4), 1, 1),
        lambda: decode_segments(bytes(9), [5, 4], bytearray(4), 1, 1),
        lambda: decode_segments(bytes(9), [-1, 4], bytearray(4), 1, 1),
        lambda: decode_segments(bytes(9), [0, 4, 9], bytearray(4), 1, 1),
        lambda: decode_segments(bytes(9), list(range(17)), bytearray(4), 2, 8),
        lambda: decode_segments(bytes(9), [0, 1, 2, 3], bytearray(4), 1, 3),
        lambda: decode_segments(bytes(9), [0, 9], bytearray(4), 1, 1, up=8),
        lambda: encode_segments(bytes(9), 2, 1, 1),
        lambda: encode_segments(bytes(9), 0, 1, 1),
        lambda: encode_segments(bytes(32), 1, 4, 4),
    ],
)
def test_what_does_not_fit_is_refused(call):
    with pytest.raises(ValueError, match=r"offset|expected|rows"):
        call()
