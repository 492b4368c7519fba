"""MLLP, the framing of HL7 v2 over TCP: a start block, a message, an end block and a carriage return (HL7 v2.5.1
Implementation Guide appendix C, "Minimal Lower Layer Protocol").

What is met on wires is taken as well, and told in each frame's ``faults``: frames without an end or a start block,
several messages in a frame, bytes between frames, messages that never end.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

START_BLOCK = 0x0B
END_BLOCK = 0x1C
CARRIAGE_RETURN = 0x0D

NO_START_BLOCK = "no start block"
NO_END_BLOCK = "no end block"
BARE_END_BLOCK = "no carriage return behind the end block before"
SEVERAL_IN_BLOCK = "several messages in a block"
STRAY_BYTES = "bytes between blocks"
START_MISSING = "beginning missing"
GAP = "bytes missing"
TOO_LONG = "longer than what is kept"
BATCH = "in a batch"
EMPTY = "nothing between the blocks"

DEFAULT_MAX_LENGTH = 1 << 20  # bytes of a message

_SEPARATOR = rb"[!-/:-@\[-`{-~]"
_HEADER = re.compile(rb"MSH" + _SEPARATOR)
# What MSH and a field separator, inside of a message behind a line's end, can begin with at the end of a chunk.
_INSIDE_UNDECIDED = re.compile(rb"[\r\n](?:M|MS|MSH)?\Z")
_OUTSIDE_UNDECIDED = re.compile(rb"(?:M|MS|MSH)\Z")
_MAX_UNDECIDED = 4
_NOWHERE = sys.maxsize
_BLANKS = b"\r\n \t\0"
_BATCH_HEADER = re.compile(rb"[FB]HS" + _SEPARATOR)


@dataclass(frozen=True, slots=True)
class Frame:
    """A message as it came: ``data`` without blocks, its place in the stream, and what was wrong with its frame.

    ``start`` and ``stop`` are offsets in the stream, of the start block and behind the end block; ``size`` is how many
    bytes of the message came.  ``data`` is all of them, unless TOO_LONG or GAP is among the faults: then it ends with
    the last segment that is whole in front of what is missing.  It is empty with START_MISSING and EMPTY.
    ``has_end_block``: an end block ended it; ``stop`` is in front of the carriage return that follows.
    """

    data: bytes
    start: int
    stop: int
    size: int
    faults: tuple[str, ...] = ()
    has_end_block: bool = True


def framed(message: bytes) -> bytes:
    """A message between its blocks, to be sent."""
    return b"\x0b" + message + b"\x1c\r"


class _Marks:
    """The places in a chunk where something may begin or end: blocks, and MSH with a field separator."""

    __slots__ = ("_block_end", "_block_start", "_chunk", "_header")

    def __init__(self, chunk: bytes) -> None:
        self._chunk = chunk
        self._block_start = self._block_end = self._header = -1  # the next ones, as far as they were looked for

    def next(self, at: int, is_inside: bool) -> int:
        """The first of them from ``at`` on, _NOWHERE without any; ``at`` must not go back.

        Inside of a message MSH counts at the beginning of a segment, and what is given is the end of that before it.
        """
        if self._block_start < at:
            self._block_start = self._find(b"\x0b", at)
        if self._block_end < at:
            self._block_end = self._find(b"\x1c", at)
        block = min(self._block_start, self._block_end)
        if self._header < at:
            self._header = self._find(b"MSH", at)
        while self._header < block:
            header = self._header
            if _HEADER.match(self._chunk, header) and (
                not is_inside or (header > at and self._chunk[header - 1] in b"\r\n")
            ):
                return header - is_inside
            self._header = self._find(b"MSH", header + 1)
        return block

    def _find(self, what: bytes, at: int) -> int:
        found = self._chunk.find(what, at)
        return _NOWHERE if found < 0 else found


class Deframer:
    """Takes the bytes of one direction of a connection and gives the messages in them.

    Of a message at most ``max_length`` bytes are kept.  ``from_start`` False says that the stream is picked up in its
    middle: what comes before the first block is the rest of a message.  How the bytes are cut into feeds makes no
    difference.
    """

    def __init__(self, *, max_length: int = DEFAULT_MAX_LENGTH, from_start: bool = True) -> None:
        self.max_length = max_length
        self._offset = 0  # in the stream, of the first byte that was not looked at
        self._undecided = b""
        self._kept = bytearray()
        self._size = 0  # of the message under way; between messages, of what is not blank there
        self._start = 0
        self._faults: list[str] = []  # of the message under way; between messages, of the next
        self._is_inside = False
        self._has_block = False
        self._is_lost = not from_start  # between messages: this is the rest of one whose beginning was not seen
        self._is_behind_end = False  # the last byte was an end block

    @property
    def message_start(self) -> int | None:
        """Where in the stream the message under way began, None between messages."""
        return self._start if self._is_inside or (self._is_lost and self._size) else None

    @property
    def pending_bytes(self) -> int:
        """How many bytes are kept."""
        return len(self._kept) + len(self._undecided)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """The messages that end in ``data``, in order."""
        chunk = self._undecided + bytes(data)
        frames: list[Frame] = []
        base = self._offset
        at = 0
        marks = _Marks(chunk)
        while True:
            if self._is_behind_end and at < len(chunk):
                self._is_behind_end = False
                if chunk[at] == CARRIAGE_RETURN:
                    at += 1
                else:
                    self._fault(BARE_END_BLOCK)
            found = marks.next(at, self._is_inside)
            if found == _NOWHERE:
                break
            self._take(chunk, at, found, base)
            at = found + 1
            if chunk[found] == END_BLOCK:
                self._end(frames, base + at)
            elif chunk[found] == START_BLOCK:
                self._begin(frames, base + found, has_block=True)
            elif self._is_inside:
                self._next_in_block(frames, base + at)
            else:
                at = found
                self._begin(frames, base + at, has_block=False)
        pattern = _INSIDE_UNDECIDED if self._is_inside else _OUTSIDE_UNDECIDED
        undecided = pattern.search(chunk, max(at, len(chunk) - _MAX_UNDECIDED))
        stop = undecided.start() if undecided else len(chunk)
        self._take(chunk, at, stop, base)
        self._undecided = chunk[stop:]
        self._offset = base + stop
        return frames

    def gap(self, length: int) -> None:
        """So many bytes of the stream are missing here."""
        self._take(self._undecided, 0, len(self._undecided), self._offset)
        self._offset += len(self._undecided) + length
        self._undecided = b""
        self._is_behind_end = False
        if not self._is_inside:
            self._is_lost = True
        else:
            self._fault(GAP)

    def close(self) -> list[Frame]:
        """The stream ends here: the message under way, if there is one."""
        frames: list[Frame] = []
        self._take(self._undecided, 0, len(self._undecided), self._offset)
        self._offset += len(self._undecided)
        self._undecided = b""
        self._cut_off(frames, self._offset)
        return frames

    def _fault(self, fault: str) -> None:
        if fault not in self._faults:
            self._faults.append(fault)

    def _take(self, chunk: bytes, start: int, stop: int, base: int) -> None:
        """Count, and keep if it is to be kept, what stands between two marks."""
        if not self._is_inside:
            if self._size == 0:
                start = stop - len(chunk[start:stop].lstrip(_BLANKS))
                self._start = base + start
            self._size += stop - start
            return
        self._size += stop - start
        if GAP not in self._faults:
            room = max(0, self.max_length - len(self._kept))
            self._kept += chunk[start : min(stop, start + room)]
            if stop - start > room:
                self._fault(TOO_LONG)

    def _begin(self, frames: list[Frame], offset: int, *, has_block: bool) -> None:
        """A start block, or MSH without one."""
        self._cut_off(frames, offset)
        if self._size:
            self._fault(STRAY_BYTES)
        if not has_block:
            self._fault(NO_START_BLOCK)
        self._is_inside, self._has_block, self._is_lost = True, has_block, False
        self._start, self._size = offset, 0

    def _end(self, frames: list[Frame], offset: int) -> None:
        """An end block."""
        if self._is_inside:
            self._finish(frames, offset, has_end_block=True)
        elif self._is_lost:
            self._fault(START_MISSING)
            self._finish(frames, offset, has_end_block=True)
        else:
            self._size += 1
        self._is_behind_end = True

    def _next_in_block(self, frames: list[Frame], offset: int) -> None:
        """MSH at the beginning of a segment that is not the first."""
        if _BATCH_HEADER.match(self._kept.lstrip(_BLANKS)):
            self._kept.clear()
            self._size = 0
            self._fault(BATCH)
        elif self._kept.strip(_BLANKS) or GAP in self._faults:
            has_block = self._has_block
            if not has_block:
                self._fault(NO_END_BLOCK)
            self._finish(frames, offset)
            self._faults.append(SEVERAL_IN_BLOCK if has_block else NO_START_BLOCK)
            self._is_inside, self._has_block, self._start = True, has_block, offset

    def _cut_off(self, frames: list[Frame], offset: int) -> None:
        """A message that has no end is over."""
        if self._is_inside or (self._is_lost and self._size):
            if not self._is_inside:
                self._fault(START_MISSING)
            self._fault(NO_END_BLOCK)
            self._finish(frames, offset)

    def _finish(self, frames: list[Frame], offset: int, *, has_end_block: bool = False) -> None:
        data = bytes(self._kept.lstrip(_BLANKS))
        if TOO_LONG in self._faults or GAP in self._faults:
            data = data[: max(data.rfind(b"\r"), data.rfind(b"\n")) + 1]
        if self._is_inside and not self._size:
            self._fault(EMPTY)
        frames.append(Frame(data, self._start, offset, self._size, tuple(self._faults), has_end_block))
        self._kept.clear()
        self._faults.clear()
        self._size = 0
        self._is_inside = self._is_lost = False
