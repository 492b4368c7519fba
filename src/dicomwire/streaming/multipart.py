"""Bodies of several parts, as DICOMweb sends instances: read and written as they stream.

    for part in iter_multipart(response, response.headers["Content-Type"]):
        for event in dicomwire.stream(part.stream):
            ...

    content_type, body = write_multipart(["one.dcm", "two.dcm"])

multipart/related of PS3.18 section 8.6.1.2, RFC 2387 and RFC 2046 section 5.1; any other multipart type is read as
well.
"""

from __future__ import annotations

import os
import re
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass

from dicomwire.errors import DecodeError, TruncatedError
from dicomwire.streaming.forward import PulledFile, chunks_of, reads_of
from dicomwire.streaming.multipart_writing import MultipartBody, write_multipart

TYPE_CHECKING = False
if TYPE_CHECKING:
    import io
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
    from typing import IO, Any

    Chunk = bytes | bytearray
    Buffer = bytes | bytearray | memoryview
    Source = str | os.PathLike[str] | Buffer | IO[bytes] | Iterable[Buffer]

MAX_HEADER_SIZE = 16384
MAX_PREAMBLE_SIZE = 65536
MAX_PARTS = 1_000_000
MAX_PART_SIZE = 1 << 34
_MOST_PADDING = 256  # blanks between a boundary and the end of its line
_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)\s*')
_BOUNDARY = re.compile(r"[\x20-\x7e]{0,199}[\x21-\x7e]")
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins: its header fields, names in lower case; values of a repeated field are joined with commas."""

    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the part: a read-only view of the chunk that was fed, or of bytes that were held back before it."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part has ended."""


@dataclass(frozen=True, slots=True)
class MultipartEnd:
    """The last part has ended; what follows is left out."""


Event = PartBegin | PartData | PartEnd | MultipartEnd


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type of a multipart body names; DecodeError for any other type."""
    kind, _, _ = content_type.partition(";")
    if not kind.strip().lower().startswith("multipart/"):
        raise DecodeError("the Content-Type is not a multipart type", section="PS3.18 8.6.1.2")
    parameters = content_type[len(kind) :]
    at = 0
    while at < len(parameters) and (found := _PARAMETER.match(parameters, at)):
        if found[1].lower() == "boundary":
            value = found[2]
            return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        at = found.end()
    raise DecodeError("the Content-Type names no boundary", section="RFC 2046 5.1.1")


class MultipartReader:
    """Takes a multipart body in chunks of any size and gives what it is made of.

    ``content_type``: of the body, with the boundary; or the ``boundary`` itself.  ``max_header_size``,
    ``max_preamble_size``: bytes of the header of a part, and before the first one.  ``max_parts``: how many there may
    be.  Raises DecodeError for what is not as it should be or exceeds a limit.

    Where the chunks are cut changes nothing but how the bytes of a part are cut into pieces.
    """

    def __init__(
        self,
        content_type: str | None = None,
        *,
        boundary: str | None = None,
        max_header_size: int = MAX_HEADER_SIZE,
        max_preamble_size: int = MAX_PREAMBLE_SIZE,
        max_parts: int = MAX_PARTS,
    ) -> None:
        if (content_type is None) == (boundary is None):
            raise ValueError("give either a content_type or a boundary")
        if content_type is not None:
            boundary = boundary_of(content_type)
        assert boundary is not None
        if not _BOUNDARY.fullmatch(boundary):
            raise DecodeError("the boundary is empty, too long, or has other characters than it may have",
                              section="RFC 2046 5.1.1")  # fmt: skip
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._max_header_size = max_header_size
        self._max_preamble_size = max_preamble_size
        self._max_parts = max_parts
        self._parts = 0
        self._position = 0  # of the first byte that was not taken yet
        self._held = b"\r\n"  # what may be the beginning of something; the first line needs no end of a line before it
        self._virtual = 2  # bytes in front of what is held that were not in the body
        self._preamble = 0
        self._state: Callable[[Chunk, int, list[Event]], int] = self._find_delimiter
        self._in_part = False
        self._ended = False
        self._error: DecodeError | None = None

    @property
    def ended(self) -> bool:
        """Whether the last boundary was seen."""
        return self._ended

    def feed(self, chunk: Buffer) -> list[Event]:
        """Events of this chunk.

        Views in them are of the chunk, and valid as long as its bytes stay: those of a buffer that is used again until
        then.  An error behind events of the same chunk comes with the next call, and in every call after it.
        """
        if self._error is not None:
            raise self._error
        if isinstance(chunk, memoryview):
            chunk = bytes(chunk)  # a view cannot be searched
        events: list[Event] = []
        at = 0
        # Each step takes some of the chunk, or holds the rest back and takes all.
        try:
            while at < len(chunk) and not self._ended:
                before = at
                at = self._state(chunk, at, events)
                self._position += at - before
        except DecodeError as error:
            self._error = error
            if not events:
                raise
        return events

    def close(self) -> None:
        """Say that there is no more: TruncatedError when the last boundary was not seen."""
        if self._error is not None:
            raise self._error
        if not self._ended:
            where = "in a part" if self._in_part else "before the last boundary"
            raise TruncatedError(f"the body ends {where}", offset=self._position, section="RFC 2046 5.1.1")

    # Each state takes the chunk from ``at`` on, and returns where it has come to.

    def _find_delimiter(self, chunk: Chunk, at: int, events: list[Event]) -> int:
        delimiter = self._delimiter
        if self._held:
            # A delimiter that began in what is held: look at that and as much as it could still need.
            held = self._held
            joined = held + chunk[at : at + len(delimiter) - 1]
            found = joined.find(delimiter)
            if found >= 0:
                self._give(joined, 0, found, events)
                self._held = b""
                self._state = self._after_delimiter
                return at + found + len(delimiter) - len(held)
            kept = self._kept(joined)
            end = len(joined) - kept
            if end < len(held):
                # The chunk is too short to tell.
                self._give(joined, 0, end, events)
                self._held = joined[end:]
                return len(chunk)
            self._give(held, 0, len(held), events)
            self._held = b""
        found = chunk.find(delimiter, at)
        if found >= 0:
            self._give(chunk, at, found, events)
            self._state = self._after_delimiter
            return found + len(delimiter)
        end = len(chunk) - self._kept(chunk[max(at, len(chunk) - len(delimiter)) :])
        self._give(chunk, at, end, events)
        self._held = bytes(chunk[end:])
        return len(chunk)

    def _kept(self, data: Chunk) -> int:
        """How many bytes at the end may be the beginning of a delimiter."""
        delimiter = self._delimiter
        start = data.find(b"\r", max(0, len(data) - len(delimiter) + 1))
        while start >= 0:
            if delimiter.startswith(data[start:]):
                return len(data) - start
            start = data.find(b"\r", start + 1)
        return 0

    def _give(self, data: Chunk, start: int, stop: int, events: list[Event]) -> None:
        skipped = min(self._virtual, stop - start)
        self._virtual -= skipped
        start += skipped
        if start == stop:
            return
        if self._in_part:
            events.append(PartData(memoryview(data)[start:stop].toreadonly()))
            return
        self._preamble += stop - start
        if self._preamble > self._max_preamble_size:
            raise DecodeError(f"no boundary in the first {self._max_preamble_size} bytes", offset=self._position,
                              section="RFC 2046 5.1.1")  # fmt: skip

    def _after_delimiter(self, chunk: Chunk, at: int, events: list[Event]) -> int:
        """Behind a boundary: two hyphens end all; blanks and an end of the line begin a part; else it was none."""
        held = self._held + bytes(chunk[at : at + _MOST_PADDING + 2 - len(self._held)])
        taken = at + len(held) - len(self._held)
        text = held.lstrip(b" \t")
        if held[:2] == b"--":
            if self._in_part:
                events.append(PartEnd())
            events.append(MultipartEnd())
            self._in_part, self._ended = False, True
            return len(chunk)
        if text[:2] == b"\r\n":
            if self._in_part:
                events.append(PartEnd())
                self._in_part = False
            self._parts += 1
            if self._parts > self._max_parts:
                raise DecodeError(f"the body has more than max_parts, {self._max_parts}, parts", offset=self._position)
            self._held = b"\r\n"  # a header may be empty: then its end is the next end of a line
            self._state = self._read_header
            return taken - (len(text) - 2)
        if held in (b"-", b"\r") or text in (b"", b"\r"):
            if len(held) > _MOST_PADDING:
                raise DecodeError("more blanks behind a boundary than are read", offset=self._position,
                                  section="RFC 2046 5.1.1")  # fmt: skip
            self._held = held
            return len(chunk)
        # Longer than the boundary: bytes like any other.
        self._state = self._find_delimiter
        earlier, self._held = self._held, b""
        self._give(self._delimiter, 0, len(self._delimiter), events)
        if earlier:
            self._held = earlier
        return at

    def _read_header(self, chunk: Chunk, at: int, events: list[Event]) -> int:
        held = self._held
        most = self._max_header_size + 4
        joined = held + bytes(chunk[at : at + most - len(held)])
        end = joined.find(b"\r\n\r\n", max(0, len(held) - 3))
        if end < 0:
            if len(joined) >= most:
                raise DecodeError(f"the header of a part has more than {self._max_header_size} bytes",
                                  offset=self._position)  # fmt: skip
            self._held = joined
            return len(chunk)
        events.append(PartBegin(_fields(joined[2 : end + 2], self._position)))
        self._in_part = True
        # A part may have no body: then the next boundary stands right here, behind the line that ends the header.
        self._held, self._virtual = b"\r\n", 2
        self._state = self._find_delimiter
        return at + end + 4 - len(held)


def _fields(data: bytes, offset: int) -> dict[str, str]:
    """Header fields, with lines that go on in the next one joined (RFC 5322 section 2.2)."""
    fields: dict[str, str] = {}
    for line in re.sub(rb"\r\n(?=[ \t])", b"", data).split(b"\r\n"):
        if not line:
            continue
        name, colon, value = line.partition(b":")
        if not colon or not _FIELD_NAME.fullmatch(name) or b"\0" in value or b"\r" in value or b"\n" in value:
            raise DecodeError("the header of a part is damaged", offset=offset, section="RFC 5322 2.2")
        key, text = name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


# --------------------------------------------------------------------------------------------------------------- pull


class Part:
    """One part of a multipart body: ``headers`` with names in lower case, and ``stream``, a binary file object to be
    read forward until the next part is asked for.
    """

    __slots__ = ("headers", "stream")

    def __init__(self, headers: dict[str, str], stream: io.RawIOBase) -> None:
        self.headers = headers
        self.stream = stream

    @property
    def content_type(self) -> str | None:
        """The Content-Type of the part; application/dicom, perhaps with its transfer-syntax, for an instance."""
        return self.headers.get("content-type")

    def read(self) -> bytes:
        """The bytes that are left of it, all at once; at most ``max_part_size``."""
        data = self.stream.read()
        assert data is not None
        return data

    def __repr__(self) -> str:
        return f"<Part: {self.content_type}>"


def iter_multipart(
    source: Source,
    content_type: str | None = None,
    *,
    boundary: str | None = None,
    max_header_size: int = MAX_HEADER_SIZE,
    max_preamble_size: int = MAX_PREAMBLE_SIZE,
    max_parts: int = MAX_PARTS,
    max_part_size: int = MAX_PART_SIZE,
) -> Iterator[Part]:
    """The parts of a multipart body, one after the other, with no more than a chunk held.

    ``source``: a binary file object (a socket file or response of a client for HTTP too), an iterable of chunks, a
    bytes-like object or a path.  ``max_part_size``: bytes that may come out of one part; the rest as for
    :class:`MultipartReader`.

    What nobody has read of a part is stepped over.  Raises DecodeError, and TruncatedError where the body ends before
    its last boundary.
    """
    reader = MultipartReader(
        content_type, boundary=boundary, max_header_size=max_header_size, max_preamble_size=max_preamble_size,
        max_parts=max_parts,
    )  # fmt: skip
    return _parts(source, reader, max_part_size)


def _parts(source: Source, reader: MultipartReader, max_part_size: int) -> Generator[Part, None, None]:
    with ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            source = stack.enter_context(open(source, "rb"))
        queue = _Queue(_pull_of(source), reader)
        while (event := queue.next()) is not None:
            if isinstance(event, PartBegin):
                body = _PartBody(queue, max_part_size)
                yield Part(event.headers, PulledFile(body.pull))
                body.finish()


def _pull_of(source: Any) -> Callable[[], bytes]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return chunks_of([source])
    return reads_of(source) if hasattr(source, "read") else chunks_of(source)


class _Queue:
    """Events one at a time."""

    __slots__ = ("_events", "_pull", "_reader")

    def __init__(self, pull: Callable[[], bytes], reader: MultipartReader) -> None:
        self._pull = pull
        self._reader = reader
        self._events: deque[Event] = deque()

    def next(self) -> Event | None:
        while not self._events:
            if self._reader.ended:
                return None
            chunk = self._pull()
            if not chunk:
                self._reader.close()
                return None
            self._events.extend(self._reader.feed(chunk))
        return self._events.popleft()


class _PartBody:
    """The bytes of one part."""

    __slots__ = ("_given", "_is_done", "_is_over", "_most", "_piece", "_queue")

    def __init__(self, queue: _Queue, most: int) -> None:
        self._queue = queue
        self._most = most
        self._given = 0
        self._piece = memoryview(b"")
        self._is_done = False
        self._is_over = False

    def pull(self, most: int) -> memoryview:
        if self._is_over:
            raise ValueError("the body has gone on to the next part")
        while not self._piece and not self._is_done:
            event = self._queue.next()
            if isinstance(event, PartData):
                self._piece = event.data
                self._given += len(event.data)
                if self._given > self._most:
                    raise DecodeError(f"a part has more than max_part_size, {self._most}, bytes")
            else:
                self._is_done = True
        data, self._piece = self._piece[:most], self._piece[most:]
        return data

    def finish(self) -> None:
        self._is_over = True
        while not self._is_done and not isinstance(self._queue.next(), PartEnd):
            pass


class AsyncPart:
    """One part of a multipart body that comes asynchronously: ``headers``, and the pieces of its bytes by iteration.

    Pieces are read-only views, valid until the next one; the part until the next part.
    """

    __slots__ = ("_body", "headers")

    def __init__(self, headers: dict[str, str], body: AsyncIterator[memoryview]) -> None:
        self.headers = headers
        self._body = body

    @property
    def content_type(self) -> str | None:
        """The Content-Type of the part."""
        return self.headers.get("content-type")

    def __aiter__(self) -> AsyncIterator[memoryview]:
        return self._body

    async def read(self) -> bytes:
        """The bytes that are left of it, all at once."""
        return b"".join([bytes(piece) async for piece in self._body])

    def __repr__(self) -> str:
        return f"<AsyncPart: {self.content_type}>"


async def iter_multipart_async(
    source: AsyncIterable[Buffer],
    content_type: str | None = None,
    *,
    boundary: str | None = None,
    max_header_size: int = MAX_HEADER_SIZE,
    max_preamble_size: int = MAX_PREAMBLE_SIZE,
    max_parts: int = MAX_PARTS,
    max_part_size: int = MAX_PART_SIZE,
) -> AsyncIterator[AsyncPart]:
    """As :func:`iter_multipart`, over an asynchronous iterable of chunks, with ``async for``."""
    reader = MultipartReader(
        content_type, boundary=boundary, max_header_size=max_header_size, max_preamble_size=max_preamble_size,
        max_parts=max_parts,
    )  # fmt: skip
    events = _async_events(source, reader)
    async for event in events:
        if isinstance(event, PartBegin):
            body = _async_body(events, max_part_size)
            yield AsyncPart(event.headers, body)
            async for _ in body:
                pass  # what nobody has read


async def _async_events(source: AsyncIterable[Buffer], reader: MultipartReader) -> AsyncIterator[Event]:
    async for chunk in source:
        for event in reader.feed(chunk):
            yield event
        if reader.ended:
            return
    reader.close()


async def _async_body(events: AsyncIterator[Event], most: int) -> AsyncIterator[memoryview]:
    given = 0
    async for event in events:
        if not isinstance(event, PartData):
            return
        given += len(event.data)
        if given > most:
            raise DecodeError(f"a part has more than max_part_size, {most}, bytes")
        yield event.data


__all__ = [
    "AsyncPart",
    "MultipartBody",
    "MultipartEnd",
    "MultipartReader",
    "Part",
    "PartBegin",
    "PartData",
    "PartEnd",
    "boundary_of",
    "iter_multipart",
    "iter_multipart_async",
    "write_multipart",
]
