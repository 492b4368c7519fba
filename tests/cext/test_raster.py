"""Pictures in other sizes and lines, against plain Python; what does not fit its buffers."""

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.raster import draw_lines, look_up, resample

RANDOM = np.random.default_rng(4)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2"])
@pytest.mark.parametrize(("entries", "low"), [(1, 0), (200, 0), (300, -100), (70000, -40000), (5, 2)])
@pytest.mark.parametrize("samples", [1, 3])
def test_levels_by_tables(kind, entries, low, samples):
    info = np.iinfo(kind)
    values = np.array([info.min, info.max, 0, 1, 5, *RANDOM.integers(info.min, info.max + 1, 200)], kind)
    table = RANDOM.integers(0, 256, (entries, samples)).astype(np.uint8)
    target = np.zeros((len(values), samples), np.uint8)
    look_up(values, values.itemsize, target, table, samples, low, signed=kind[0] == "i")
    assert np.array_equal(target, table[np.clip(values.astype(int) - low, 0, entries - 1)])


def test_tables_that_are_refused():
    for word, source, target, table, samples, low in (
        (3, 6, 2, 4, 1, 0), (2, 5, 2, 4, 1, 0), (2, 6, 2, 4, 1, 0), (1, 2, 2, 0, 1, 0), (1, 2, 5, 4, 2, 0),
        (1, 2, 4, 5, 2, 0), (1, 2, 2, 4, 0, 0), (1, 2, 2, 4, 1, 2**40),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"bytes|pixels"):
            look_up(bytes(source), word, bytearray(target), bytes(table), samples, low)
    look_up(b"", 1, bytearray(), b"x")


def axis(length, count, taps):
    first = RANDOM.integers(0, length - taps + 1, count)
    weights = RANDOM.random((count, taps)).astype(np.float32)
    weights[weights < 0.2] = 0
    weights[:, 0] += 0.1
    return first, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("samples", [1, 3, 4])
@pytest.mark.parametrize("taps", [(1, 1), (2, 2), (3, 5), (9, 7)])
def test_weighted_sums(samples, taps):
    rows, columns = 9, 11
    source = RANDOM.integers(0, 256, (rows, columns, samples)).astype(np.uint8)
    down, down_weights = axis(rows, 6, taps[0])
    across, across_weights = axis(columns, 8, taps[1])
    target = np.full((10, 13, samples), 7, np.uint8)
    resample(source, source.shape, down, down_weights, across, across_weights, target, 13, 3, 2)
    expected = np.full((10, 13, samples), 7.0)
    for i, j, s in np.ndindex(6, 8, samples):
        total = sum(
            float(down_weights[i, k]) * float(across_weights[j, m]) * int(source[down[i] + k, across[j] + m, s])
            for k in range(taps[0]) for m in range(taps[1])
        )  # fmt: skip
        expected[3 + i, 2 + j, s] = total
    assert np.abs(target - expected).max() <= 0.501
    outside = np.ones((10, 13), bool)
    outside[3:9, 2:10] = False
    assert (target[outside] == 7).all()


def test_sums_stay_within_a_byte():
    target = np.zeros((1, 2), np.uint8)
    weights = np.array([[2], [-1]], np.float32)
    resample(np.array([[200]], np.uint8), (1, 1, 1), np.zeros(1, np.int64), np.ones((1, 1), np.float32),
             np.zeros(2, np.int64), weights, target, 2, 0, 0)  # fmt: skip
    assert target.tolist() == [[255, 0]]


BAD = {
    "a short source": {"source": bytes(5)},
    "no rows": {"source": b"", "shape": (0, 3, 1)},
    "five samples": {"source": bytes(30), "shape": (2, 3, 5)},
    "a row below 0": {"down_first": [-1, 0]},
    "a row beyond the last": {"down_first": [0, 2]},
    "a column beyond the last": {"across_first": [2]},
    "other weights": {"down_weights": [1.0] * 3},
    "no columns": {"across_first": []},
    "half a row": {"target": bytearray(7)},
    "no width": {"width": 0},
    "too far down": {"top": 1},
    "too far up": {"top": -1},
    "too far right": {"left": 4},
    "a huge place": {"left": 2**62},
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit(name):
    values = {
        "source": bytes(6), "shape": (2, 3, 1), "down_first": [0, 1], "down_weights": [1.0, 1.0], "across_first": [1],
        "across_weights": [0.5, 0.5], "target": bytearray(8), "width": 4, "top": 0, "left": 3,
    }  # fmt: skip

    def call(values):
        kinds = dict.fromkeys(("down_first", "across_first"), np.int64)
        kinds |= dict.fromkeys(("down_weights", "across_weights"), np.float32)
        resample(*(np.array(value, kinds[key]) if key in kinds else value for key, value in values.items()))

    call(values)
    with pytest.raises(ValueError, match=r"bytes|weights|pixels"):
        call({**values, **BAD[name]})
    with pytest.raises((BufferError, ValueError), match=r"writable|read-only"):
        call({**values, "target": bytes(8)})


def twin(rows, columns, line, pen):
    x0, y0, x1, y1 = line
    steps = int(max(abs(x1 - x0), abs(y1 - y0))) + 1
    found = set()
    for i in range(steps + 1):
        x, y = math.floor(x0 + i / steps * (x1 - x0)), math.floor(y0 + i / steps * (y1 - y0))
        found |= {(y + dy, x + dx) for dx, dy in pen}
    return {(row, column) for row, column in found if 0 <= row < rows and 0 <= column < columns}


ends = st.floats(-60, 60)


pens = st.lists(st.tuples(*[st.integers(-3, 3)] * 2), max_size=5)


@given(st.lists(st.tuples(ends, ends, ends, ends), max_size=4), pens)
def test_lines(lines, pen):
    picture = np.zeros((7, 9, 3), np.uint8)
    draw_lines(picture, (7, 9, 3), np.array(lines, float), np.array(pen, np.int64), b"\1\2\3")
    expected = set().union(*(twin(7, 9, line, pen) for line in lines))
    assert {tuple(place) for place in np.argwhere(picture[..., 0]).tolist()} == expected
    assert all(picture[place].tolist() == [1, 2, 3] for place in expected)


@pytest.mark.parametrize(
    ("shape", "line", "pen", "colour"),
    [
        ((2, 3, 2), [0.0] * 4, [0, 0], b"\1"),
        ((2, 3, 1), [0.0] * 4, [0, 0], b"\1\2"),
        ((0, 3, 1), [0.0] * 4, [0, 0], b"\1"),
        ((2, 3, 1), [0.0] * 3, [0, 0], b"\1"),
        ((2, 3, 1), [0.0] * 4, [0], b"\1"),
        ((2, 3, 1), [0.0, 0, 0, 2.0**31], [0, 0], b"\1"),
        ((2, 3, 1), [float("nan"), 0, 0, 0], [0, 0], b"\1"),
        ((2, 3, 1), [0.0, float("-inf"), 0, 0], [0, 0], b"\1"),
        ((2, 3, 1), [0.0] * 4, [0, -(2**31)], b"\1"),
    ],
)
def test_lines_that_are_refused(shape, line, pen, colour):
    picture = bytearray(6)
    with pytest.raises(ValueError, match=r"bytes|pixels"):
        draw_lines(picture, shape, np.array(line), np.array(pen, np.int64), colour)
    assert not any(picture)
    draw_lines(picture, (2, 3, 1), np.zeros(4), np.zeros(2, np.int64), b"\1")
    assert bytes(picture) == b"\1\0\0\0\0\0"


def test_several_threads_draw_at_once():
    source = RANDOM.integers(0, 256, (64, 64, 1)).astype(np.uint8)
    places = np.arange(64), np.ones((64, 1), np.float32)
    results = [np.zeros((64, 64), np.uint8) for _ in range(4)]
    threads = [
        threading.Thread(target=resample, args=(source, source.shape, *places, *places, result, 64, 0, 0))
        for result in results
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(result, source[..., 0]) for result in results)
