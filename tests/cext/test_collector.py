"""Bytes in pieces: the same as a join, whatever the pieces; memory of its own and no more than twice the bytes."""

from __future__ import annotations

import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.collector import Collector


@given(st.lists(st.lists(st.binary(max_size=300), max_size=5), max_size=8), st.none() | st.integers(0, 5000))
def test_a_collector_joins(writes: list[list[bytes]], room: int | None) -> None:
    collector = Collector()
    if room is not None:
        collector.reserve(room)
    for views in writes:
        collector.write([memoryview(view) for view in views])
    expected = b"".join(b"".join(views) for views in writes)
    assert len(collector) == len(expected)
    assert collector.finish() == expected
    assert len(collector) == 0
    assert collector.finish() == b""
    collector.write([b"again"])
    assert collector.finish() == b"again"


def test_bytes_are_copied() -> None:
    buffer = bytearray(b"first")
    collector = Collector()
    collector.write([buffer])
    buffer[:] = b"other"
    done = collector.finish()
    assert done == b"first"
    assert sys.getrefcount(done) == 2


def test_room_grows_with_what_comes() -> None:
    piece = bytes(1 << 16)
    tracemalloc.start()
    try:
        collector = Collector()
        for _ in range(256):
            collector.write([piece])
        peak = tracemalloc.get_traced_memory()[1]
        done = collector.finish()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(done) == 256 << 16
    # Half as much again, and the old object beside the new one while it grows.
    assert peak < 2.6 * len(done)
    assert kept < len(done) + (1 << 16)


def test_room_is_not_what_a_peer_says() -> None:
    collector = Collector()
    with pytest.raises(ValueError, match="below zero"):
        collector.reserve(-1)
    with pytest.raises((MemoryError, OverflowError)):
        collector.reserve(sys.maxsize)
    collector.write([b"still there"])
    with pytest.raises(MemoryError):
        collector.reserve(sys.maxsize)
    assert collector.finish() == b"still there"


def test_what_is_no_buffer_is_an_error_after_what_was_one() -> None:
    collector = Collector()
    with pytest.raises(TypeError):
        collector.write([b"ab", 5])  # type: ignore[list-item]
    assert collector.finish() == b"ab"
