"""How records write times: moments as ISO 8601 in UTC, spans as milliseconds."""

from __future__ import annotations

import time

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def iso_time(time_ns: int | None) -> str | None:
    """A moment, in nanoseconds since 1970, as ``2026-11-28T10:20:30.123456789Z``; None stays None.

    Moments that no calendar has, which a capture can hold, are the number with "ns" behind it.
    """
    if time_ns is None:
        return None
    seconds, fraction = divmod(time_ns, NS_PER_S)
    try:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return f"{time_ns}ns"
    return f"{text}.{fraction:09d}Z"


def milliseconds(span_ns: int | None) -> float | None:
    """A span of nanoseconds in milliseconds; None stays None."""
    return None if span_ns is None else span_ns / NS_PER_MS
