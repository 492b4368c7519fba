"""Words turned around, against struct."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.swap import swap_words, word_size_of
from _dicomwire.vr import vr_names

LETTERS = {2: "H", 4: "I", 8: "Q"}


@pytest.mark.parametrize("size", [2, 4, 8])
@given(st.binary(max_size=200))
def test_words_are_turned_around_and_the_rest_stays(size: int, data: bytes) -> None:
    count = len(data) // size
    numbers = struct.unpack_from(f"<{count}{LETTERS[size]}", data)
    assert swap_words(data, size) == struct.pack(f">{count}{LETTERS[size]}", *numbers) + data[count * size :]
    assert swap_words(swap_words(data, size), size) == data


@pytest.mark.parametrize("size", [2, 4, 8])
def test_long_data_at_any_alignment(size: int) -> None:
    data = bytes(range(256)) * 1024
    for start in range(9):
        view = memoryview(data)[start : start + 200_000]
        swapped = swap_words(view, size)
        for at in (0, size, 1600, 199_992):
            assert swapped[at : at + size] == bytes(view[at : at + size])[::-1]


def test_single_bytes_are_copied() -> None:
    assert swap_words(bytearray(b"abc"), 1) == b"abc"


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="word_size=3"):
        swap_words(b"abcdef", 3)


def test_word_sizes() -> None:
    sizes = {name: word_size_of(name) for name in vr_names()}
    assert {name for name, size in sizes.items() if size == 2} == {"US", "SS", "OW", "AT"}
    assert {name for name, size in sizes.items() if size == 4} == {"UL", "SL", "FL", "OF", "OL"}
    assert {name for name, size in sizes.items() if size == 8} == {"FD", "OD", "OV", "SV", "UV"}
    assert all(size == 1 for name, size in sizes.items() if name in ("UN", "OB", "LO", "SQ", "UT"))
    with pytest.raises(ValueError, match="two letters"):
        word_size_of("USS")
