"""Kernels of native pixel data, against plain Python; and what the compiler makes of their loops."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.unpack import interleave, unpack_12, unpack_bits, unpack_words, upsample_422, words_are_clean
from tests.oracles import pixels as oracle
from tests.support import missing

WORDS = [1, 2, 4, 8]
HEADERS = Path(__file__).parents[2] / "cext" / "include"


@st.composite
def shifts(draw):
    """Bytes of a word, and the numbers of unused bits above the value and in all."""
    word = draw(st.sampled_from(WORDS))
    down = draw(st.integers(0, 8 * word - 1))
    return word, draw(st.integers(0, down)), down


@given(shifts(), st.binary(max_size=300), st.booleans(), st.booleans(), st.integers(0, 7))
def test_words_hold_their_values_at_any_alignment(setup, data, signed, swapped, start):
    word, up, down = setup
    count = len(data) // word
    order = ("big" if swapped else "little") if sys.byteorder == "little" else ("little" if swapped else "big")
    numbers = [int.from_bytes(data[i * word : (i + 1) * word], order) for i in range(count)]
    target = np.empty(count, dtype=f"{'i' if signed else 'u'}{word}")
    unpack_words(
        memoryview(bytes(start) + data)[start:], target, word, swapped=swapped, up=up, down=down, signed=signed
    )
    expected = [oracle.stored_value(n, 8 * word, up, down, signed=signed) for n in numbers]
    assert target.tolist() == expected
    if not swapped:
        is_clean = words_are_clean(data[: count * word], word, up=up, down=down, signed=signed)
        assert is_clean == (target.tobytes() == data[: count * word])


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("signed", [False, True])
def test_one_dirty_word_among_many_is_found(word, signed):
    data = bytearray(100_000 * word)
    assert words_are_clean(data, word, up=3, down=3, signed=signed)
    for at in (0, 4095, 4096, 65536, 99_999):
        data[at * word + word - 1 if sys.byteorder == "little" else at * word] = 0x80
        assert not words_are_clean(data, word, up=3, down=3, signed=signed)
        data[at * word : (at + 1) * word] = bytes(word)
    assert words_are_clean(b"", word, up=3, down=3)


@pytest.mark.parametrize("signed", [False, True])
def test_words_are_clean_if_and_only_if_unpacking_changes_nothing(signed):
    """All bytes, with all shifts."""
    for up in range(8):
        for down in range(8):
            for number in range(256):
                target = bytearray(1)
                unpack_words(bytes([number]), target, 1, up=up, down=down, signed=signed)
                is_clean = words_are_clean(bytes([number]), 1, up=up, down=down, signed=signed)
                assert is_clean == (target[0] == number), (up, down, number)


@given(shifts(), st.binary(max_size=300), st.booleans())
def test_what_was_unpacked_is_clean(setup, data, signed):
    word, up, down = setup
    target = bytearray(len(data) // word * word)
    unpack_words(data, target, word, up=up, down=down, signed=signed)
    assert words_are_clean(target, word, up=down, down=down, signed=signed)


@given(st.binary(min_size=1, max_size=100), st.integers(0, 7), st.data())
def test_bits(data, skip, more):
    count = more.draw(st.integers(0, len(data) * 8 - skip))
    target = bytearray(b"\xff" * count)
    # No byte behind the last bit is read: the buffer ends there.
    unpack_bits(data[: (count + skip + 7) // 8], target, skip=skip)
    assert list(target) == oracle.bits(data, count, skip)


@given(st.binary(min_size=2, max_size=100), st.booleans(), st.data())
def test_pixels_of_twelve_bits(data, odd, more):
    count = more.draw(st.integers(0, (len(data) * 8 - 4 * odd) // 12))
    target = np.full(count, 0xFFFF, dtype=np.uint16)
    unpack_12(data[: (count * 12 + 4 * odd + 7) // 8], target, odd=odd)
    assert target.tolist() == oracle.twelve(data, count, odd=odd)


@pytest.mark.parametrize("word", WORDS)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 50), st.integers(0, 3))
def test_planes(word, planes, frames, pixels, start):
    samples = (
        np.random.default_rng(pixels).integers(0, 1 << (8 * word - 1), planes * frames * pixels).astype(f"u{word}")
    )
    target = np.empty_like(samples)
    interleave(memoryview(bytes(start) + samples.tobytes())[start:], target, planes, word, frames=frames)
    assert target.tolist() == oracle.interleaved(samples.tolist(), planes, frames)


@pytest.mark.parametrize("word", [1, 2])
@given(st.integers(0, 70))
def test_subsampled_pixels(word, pairs):
    samples = np.arange(4 * pairs).astype(f"u{word}")
    target = np.empty(6 * pairs, dtype=samples.dtype)
    upsample_422(samples, target, word)
    assert target.tolist() == oracle.upsampled(samples.tolist())


@pytest.mark.parametrize(
    "call",
    [
        lambda: unpack_words(bytes(7), bytearray(8), 2),
        lambda: unpack_words(bytes(8), bytearray(8), 3),
        lambda: unpack_words(bytes(8), bytearray(8), 2, up=16),
        lambda: unpack_words(bytes(8), bytearray(8), 2, down=-1),
        lambda: words_are_clean(bytes(8), 2, down=16),
        lambda: unpack_bits(bytes(1), bytearray(8), skip=1),
        lambda: unpack_bits(bytes(1), bytearray(1), skip=8),
        lambda: unpack_12(bytes(2), bytearray(4)),
        lambda: unpack_12(bytes(2), bytearray(2), odd=True) or unpack_12(bytes(1), bytearray(2)),
        lambda: interleave(bytes(11), bytearray(12), 3, 1),
        lambda: interleave(bytes(12), bytearray(12), 0, 1),
        lambda: interleave(bytes(12), bytearray(12), 3, 1, frames=0),
        lambda: upsample_422(bytes(3), bytearray(6), 1),
        lambda: upsample_422(bytes(8), bytearray(6), 4),
    ],
)
def test_lengths_that_do_not_fit_are_refused(call):
    with pytest.raises(ValueError, match=r"needed|expected|shifts"):
        call()


def test_what_cannot_be_written_is_refused():
    with pytest.raises((BufferError, ValueError), match=r"writable|read-only"):
        unpack_words(bytes(8), bytes(8), 2)


# Function of a header: what the compiler has to say of its loop.
LOOPS = [
    "dw_shift_swapped_u16", "dw_shift_swapped_i16", "dw_shift_u16", "dw_shift_i16", "dw_shift_u8", "dw_turn_16",
    "dw_turn_32", "dw_any_16", "dw_unpack_pairs12", "dw_interleave3_8", "dw_interleave3_16",
    "dw_join_u16", "dw_join_i16", "dw_ybr_to_rgb_8", "dw_add_row",
]  # fmt: skip


@pytest.mark.sources
def test_the_compiler_vectorizes_the_loops(tmp_path):
    """Each function alone, as it is built, so that the report can be about nothing else."""
    compiler = shutil.which("gcc")
    if compiler is None:
        missing("no gcc, whose report this reads")
    for name in LOOPS:
        text = "".join(f'#include "{header}.h"\n' for header in ("unpack", "rle", "colour", "raster"))
        source = tmp_path / f"{name}.c"
        source.write_text(f"{text}const void *keep(void) {{ return (const void *){name}; }}\n")
        command = [
            compiler,
            "-O3",
            "-c",
            "-w",
            "-fopt-info-vec-optimized",
            f"-I{HEADERS}",
            str(source),
            "-o",
            "/dev/null",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "loop vectorized using" in done.stderr, name
