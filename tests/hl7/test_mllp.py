"""MLLP: frames as they should be, and everything else that is met, at whatever cuts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire.hl7.mllp import (
    BARE_END_BLOCK,
    BATCH,
    EMPTY,
    GAP,
    NO_END_BLOCK,
    NO_START_BLOCK,
    SEVERAL_IN_BLOCK,
    START_MISSING,
    STRAY_BYTES,
    TOO_LONG,
    Deframer,
    Frame,
    framed,
)

A, B = b"MSH|^~\\&|A\rPID|1\r", b"MSH|^~\\&|B\r"


def feed(*chunks: bytes, from_start: bool = True, max_length: int = 1000) -> list[Frame]:
    """What a stream gives, cut like this, and then closed."""
    deframer = Deframer(max_length=max_length, from_start=from_start)
    frames = [frame for chunk in chunks for frame in deframer.feed(chunk)] + deframer.close()
    assert deframer.pending_bytes == 0
    return frames


def test_ends() -> None:
    """Which messages an end block ends: it and its carriage return are bytes of theirs."""
    frames = feed(b"\x0b" + A + B + b"\x1c\r\x0b" + A + b"\x0b" + B)
    assert [frame.has_end_block for frame in frames] == [False, True, False, False]


def found(*chunks: bytes, from_start: bool = True, max_length: int = 1000) -> list[tuple[bytes, tuple[str, ...]]]:
    return [(f.data, f.faults) for f in feed(*chunks, from_start=from_start, max_length=max_length)]


def test_frames() -> None:
    assert feed(framed(A) + framed(B)) == [
        Frame(A, 0, len(A) + 2, len(A)),
        Frame(B, len(A) + 3, len(A) + len(B) + 5, len(B)),
    ]


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        (b"\x0b" + A + b"\x0b" + B + b"\x1c\r", [(A, (NO_END_BLOCK,)), (B, ())]),
        (b"\x0b" + A, [(A, (NO_END_BLOCK,))]),
        (A + b"\x1c\r" + B, [(A, (NO_START_BLOCK,)), (B, (NO_START_BLOCK, NO_END_BLOCK))]),
        (A + B, [(A[:-1], (NO_START_BLOCK, NO_END_BLOCK)), (B, (NO_START_BLOCK, NO_END_BLOCK))]),
        (b"\x0b" + A + B + A + b"\x1c\r", [(A[:-1], ()), (B[:-1], (SEVERAL_IN_BLOCK,)), (A, (SEVERAL_IN_BLOCK,))]),
        (b"\x0b" + A + b"\x1c\n\x0b" + B + b"\x1c\r", [(A, ()), (B, (BARE_END_BLOCK,))]),
        (b"\x0b" + A + b"\x1c\x0b" + B + b"\x1c\r", [(A, ()), (B, (BARE_END_BLOCK,))]),
        (framed(A) + b"\r\n \r" + framed(B), [(A, ()), (B, ())]),
        (framed(A) + b"junk" + framed(B), [(A, ()), (B, (STRAY_BYTES,))]),
        (framed(A) + b"\x1c\r" + framed(B), [(A, ()), (B, (STRAY_BYTES,))]),
        (b"\x0b\x1c\r" + framed(A), [(b"", (EMPTY,)), (A, ())]),
        (b"\x0bFHS|^~\\&\rBHS|^~\\&\r" + A + B + b"BTS|2\r\x1c\r",
         [(A[:-1], (BATCH,)), (B + b"BTS|2\r", (SEVERAL_IN_BLOCK,))]),
        (b"\x0b\r\n" + A + b"\x1c\r", [(A, ())]),
        (b"nothing of the kind", []),
        (b"", []),
    ],
)  # fmt: skip
def test_what_is_met(stream: bytes, frames: list[tuple[bytes, tuple[str, ...]]]) -> None:
    assert found(stream) == frames
    assert found(*(bytes([byte]) for byte in stream)) == frames


def test_long_messages_are_cut_behind_a_segment_and_counted() -> None:
    body = A + b"OBX|1|" + b"x" * 5000 + b"\rPID|2\r"
    for chunks in ([framed(body)], [framed(body)[:30], framed(body)[30:]], [bytes([b]) for b in framed(body)]):
        (frame,) = feed(*chunks, max_length=60)
        assert frame.data == A
        assert frame.size == len(body)
        assert frame.faults == (TOO_LONG,)
    deframer = Deframer(max_length=60)
    for _ in range(1000):
        assert len(deframer.feed(b"\x0bMSH|" + b"y" * 1000)) <= 1
        assert deframer.pending_bytes <= 60 + 4


def test_a_stream_picked_up_in_its_middle() -> None:
    assert found(b"ID|1\r\x1c\r" + framed(B), from_start=False) == [(b"", (START_MISSING,)), (B, ())]
    assert found(b"ID|1\r" + framed(B), from_start=False) == [(b"", (START_MISSING, NO_END_BLOCK)), (B, ())]
    assert found(framed(B), from_start=False) == [(B, ())]
    assert found(b"\r" + framed(B), from_start=False) == [(B, ())]


def test_gaps() -> None:
    deframer = Deframer()
    assert deframer.feed(b"\x0b" + A + b"OBX|1|AC") == []
    deframer.gap(100)
    # What is behind the gap may belong to a value of which the middle is missing.
    (frame,) = deframer.feed(b"C12|3\r\x1c\r")
    assert frame == Frame(A, 0, 1 + len(A) + 8 + 100 + 7, len(A) + 8 + 6, (GAP,))
    deframer.gap(5)
    (frame, following) = deframer.feed(b"|2\r\x1c\r" + framed(B))
    assert (frame.data, frame.faults, frame.size) == (b"", (START_MISSING,), 3)
    assert (following.data, following.faults) == (B, ())
    assert deframer.close() == []


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *sorted(min(c, len(data)) for c in cuts), len(data)])]


PIECES = [b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", A, B, b"MSH", b"MS", b"M", b"|", b"FHS|", b"text", b" ", b"\0"]


@given(
    st.lists(st.sampled_from(PIECES), max_size=30),
    st.lists(st.integers(0, 300), max_size=8),
    st.booleans(),
    st.sampled_from([0, 20, 1000]),
)
def test_cuts_make_no_difference(pieces: list[bytes], cuts: list[int], from_start: bool, max_length: int) -> None:
    stream = b"".join(pieces)
    whole = feed(stream, from_start=from_start, max_length=max_length)
    assert feed(*cut(stream, cuts), from_start=from_start, max_length=max_length) == whole
    assert feed(*(bytes([b]) for b in stream), from_start=from_start, max_length=max_length) == whole
    for before, after in pairwise(whole):
        assert before.stop <= after.start
    for frame in whole:
        assert 0 <= frame.start <= frame.stop <= len(stream)
        assert len(frame.data) <= min(frame.size, max_length)
        assert frame.size <= frame.stop - frame.start
        assert not {0x0B, 0x1C} & set(frame.data)
