"""RLE segments against plain Python; what is damaged fills nothing it should not."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.rle import decode_frames, encode_segments
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



def frame_of(*segments):
    """A frame: its header, and segments."""
    offsets = np.cumsum([64, *map(len, segments[:-1])]).tolist()
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets))) + b"".join(segments)


@given(RUNS)
def test_runs_are_those_of_the_standard(segment):
    expected = rle_decoded(segment)
    target = bytearray(len(expected))
    decode_frames([frame_of(segment)], target, 1, 1)
    assert target == expected
    if expected:
        # What a segment has beyond the plane is left aside, and nothing behind the plane is touched.
        shorter = bytearray(b"\xaa" * len(expected))
        decode_frames([frame_of(segment)], memoryview(shorter)[:-1], 1, 1)
        assert shorter == expected[:-1] + b"\xaa"
    with pytest.raises(PixelError, match=f"has {len(expected)} bytes, {len(expected) + 1} are needed"):
        decode_frames([frame_of(segment)], bytearray(len(expected) + 1), 1, 1)


@given(st.binary(max_size=400), st.integers(0, 600))
def test_any_bytes_fill_or_raise(segment, size):
    whole = bytearray(b"\xaa" * (size + 200))
    target = memoryview(whole)[100 : 100 + size]
    try:
        decode_frames([frame_of(segment)], target, 1, 1)
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
    target = np.empty_like(pixels)
    decode_frames([frame_of(*segments)], target, samples, word)
    assert np.array_equal(target, pixels)


@pytest.mark.parametrize("word", [1, 2, 4])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("signed", [False, True])
def test_unused_bits_are_taken_off(word, samples, signed):
    values = np.random.default_rng(word).integers(0, 1 << 8 * word, (50, 41, samples)).astype(f"u{word}")
    segments = encode_segments(values, 50, samples, word)
    target = np.empty(values.shape, f"{'i' if signed else 'u'}{word}")
    decode_frames([frame_of(*segments)], target, samples, word, up=2, down=3, signed=signed)
    expected = [stored_value(int(v), 8 * word, 2, 3, signed=signed) for v in values.ravel()]
    assert target.ravel().tolist() == expected


def cut_into_runs(plane, random):
    """A segment of runs of random lengths: of equal bytes where there are some, else literal ones."""
    runs, at = [], 0
    while at < len(plane):
        piece = plane[at : at + int(random.integers(1, 129))]
        if len(piece) > 1 and piece.count(piece[0]) == len(piece):
            runs.append(bytes([257 - len(piece), piece[0]]))
        else:
            runs.append(bytes([len(piece) - 1]) + piece)
        at += len(piece)
    return b"".join(runs)


@pytest.mark.parametrize(("word", "samples"), [(1, 1), (1, 3), (2, 1), (1, 4), (2, 3), (8, 1)])
def test_planes_are_the_same_at_every_border_of_a_block(word, samples):
    """Pixels are decoded 4096 at a time: runs of all lengths pass the borders, of each plane another one."""
    random = np.random.default_rng(word * 8 + samples)
    for pixels in (1, 4095, 4096, 4097, 8191, 8192, 20001):
        planes = [random.integers(0, 3, pixels).astype(np.uint8) for _ in range(word * samples)]
        segments = []
        for number, plane in enumerate(planes):
            plane[: pixels // 2] = number  # a long run
            segments.append(cut_into_runs(plane.tobytes(), random))
        frames = [frame_of(*segments), frame_of(*segments[::-1])]
        target = np.empty((2, pixels, samples), f"u{word}")
        decode_frames(frames, target, samples, word)
        for found, expected in zip(target, (planes, planes[::-1]), strict=True):
            stacked = np.stack(expected, axis=-1).reshape(pixels, samples, word)
            assert np.array_equal(found, stacked.view(f">u{word}")[..., 0])


def test_an_error_says_which_frame():
    good = frame_of(b"\xfd\7")
    target = bytearray(12)
    for bad, message in (
        (good[:63], "has 63 bytes, its header 64"),
        (frame_of(b"\xfd\7", b"\xfd\7"), "has 2 segments: expected 1"),
        (good[:4] + b"\x3f" + good[5:], "do not ascend from 64 to 66"),
        (good[:4] + b"\x43" + good[5:], "do not ascend from 64 to 66"),
        (frame_of(b"\xfe\7"), "segment 0 has 3 bytes, 4 are needed"),
    ):
        with pytest.raises(PixelError, match=message) as caught:
            decode_frames([good, bad, good], target, 1, 1)
        assert caught.value.frame == 1
    assert caught.value.offset == 64
    two = frame_of(b"\xff\7", b"\xff\7")
    with pytest.raises(PixelError, match="do not ascend"):
        decode_frames([two[:4] + two[8:12] + two[4:8] + two[12:]], bytearray(4), 2, 1)
    decode_frames([good, good, good], target, 1, 1)
    assert target == bytes([7] * 12)
    decode_frames([], bytearray(0), 1, 1)


def test_no_run_crosses_a_row():
    """PS3.5 section G.3.1: each row of equal bytes has its own runs."""
    segment = encode_segments(bytes(300), 3, 1, 1)[0]
    assert segment == bytes([157, 0]) * 3


@pytest.mark.parametrize(
    "call",
    [
        lambda: decode_frames([bytes(99)], bytearray(4), 2, 8),
        lambda: decode_frames([bytes(99)], bytearray(4), 1, 3),
        lambda: decode_frames([bytes(99)], bytearray(4), 1, 1, up=8),
        lambda: decode_frames([bytes(99)], bytearray(5), 1, 2),
        lambda: decode_frames([bytes(99)] * 3, bytearray(4), 1, 1),
        lambda: encode_segments(bytes(9), 2, 1, 1),
        lambda: encode_segments(bytes(9), 0, 1, 1),
        lambda: encode_segments(bytes(32), 1, 4, 4),
    ],
)
def test_what_does_not_fit_is_refused(call):
    with pytest.raises(ValueError, match=r"expected|rows"):
        call()
