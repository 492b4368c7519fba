"""Any text bytes are classed and trimmed a word at a time as they are a byte at a time; in C."""

from tests.fuzz.harness import Harness


def starts() -> list[bytes]:
    """Lengths around a word, each with one odd byte."""
    return [bytes(i) + odd + b" " * j for i in range(10) for j in range(10) for odd in (b"\x1b", b"\x80", b"\\", b"a")]


HARNESS = Harness("text", starts, None, (b"\x1b", b"\\", b"\0", b" "), 64)
