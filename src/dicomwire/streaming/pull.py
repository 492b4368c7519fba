"""Events of a source that is read as far as they are asked for: files, pipes, sockets, buffers, iterators of bytes.

Two buffers are read into in turns, unless someone still holds a view of one; memory does not follow the source.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from _dicomwire.events import Event, EventBatch, EventKind
from _dicomwire.parser import DEFAULT_PIECE_LIMIT
from dicomwire.errors import Deviation
from dicomwire.streaming.push import StreamParser

if TYPE_CHECKING:
    from dicomwire.dictionary import UID

DEFAULT_CHUNK_SIZE = 262144  # bytes read at once
_UNSHARED = 2  # references to a buffer that nobody has a view of: the reader's, and that of the call that counts

Key = str | int | tuple[int, int]


class Writable(Protocol):
    """What bulk values can be written to."""

    def write(self, data: memoryview, /) -> object: ...


Sink = Writable | Callable[[Event], Writable | None]


class _Reader(Protocol):
    """Gives the chunks of a source."""

    def read(self) -> bytes | bytearray | memoryview: ...
    def skip(self, length: int) -> int: ...
    def close(self) -> None: ...


class _FileReader:
    """Chunks of a file object or socket, read into one buffer."""

    def __init__(self, file: Any, chunk_size: int, *, owned: bool = False) -> None:
        if hasattr(file, "encoding"):
            raise TypeError("the file object must be opened in binary mode")
        self._file = file
        self._owned = owned
        self._size = chunk_size
        self._into = getattr(file, "readinto", None) or getattr(file, "recv_into", None)
        if self._into is None and not hasattr(file, "read"):
            raise TypeError(f"{type(file).__name__} is no path, no buffer, and nothing to read or iterate")
        self._buffers = [bytearray(chunk_size), bytearray(chunk_size)] if self._into is not None else []
        seekable = getattr(file, "seekable", None)
        self._end = _end_of(file) if seekable is not None and seekable() else None

    def read(self) -> bytes | memoryview:
        if self._into is None:
            data = self._file.read(self._size)
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise TypeError("the file object must be opened in binary mode")
            return data if isinstance(data, bytes) else memoryview(data)
        # The caller of an iterator still has the last event of the chunk before: two buffers take turns.
        buffers = self._buffers
        buffers.reverse()
        if sys.getrefcount(buffers[0]) > _UNSHARED:
            buffers[0] = bytearray(self._size)
        size = self._into(buffers[0])
        if size is None:
            raise BlockingIOError("the source is in non-blocking mode and has no data; see stream_async")
        return memoryview(buffers[0])[:size]

    def skip(self, length: int) -> int:
        """Seek forward, if that is worth it and possible; how far."""
        if self._end is None or length < self._size:
            return 0
        length = min(length, self._end - self._file.tell())
        if length <= 0:
            return 0
        self._file.seek(length, os.SEEK_CUR)
        return length

    def close(self) -> None:
        if self._owned:
            self._file.close()


def _end_of(file: Any) -> int | None:
    """Where a file that can be sought in ends; None when it cannot tell."""
    try:
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except OSError:
        return None
    return int(end)


class _BufferReader:
    """Chunks of a buffer, without a copy."""

    def __init__(self, data: Any, chunk_size: int) -> None:
        self._data = memoryview(data).cast("B")
        self._size = chunk_size
        self._at = 0

    def read(self) -> memoryview:
        chunk = self._data[self._at : self._at + self._size]
        self._at += len(chunk)
        return chunk

    def skip(self, length: int) -> int:
        length = min(length, len(self._data) - self._at)
        self._at += length
        return length

    def close(self) -> None:
        self._data = memoryview(b"")


class _ChunkReader:
    """Chunks as an iterator gives them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)

    def read(self) -> bytes:
        return next((chunk for chunk in self._chunks if len(chunk)), b"")

    def skip(self, length: int) -> int:
        return 0

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


def _reader(source: Any, chunk_size: int) -> _Reader:
    if isinstance(source, (str, os.PathLike)):
        return _FileReader(open(source, "rb", buffering=0), chunk_size, owned=True)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _BufferReader(source, chunk_size)
    if hasattr(source, "read") or hasattr(source, "recv_into"):
        return _FileReader(source, chunk_size)
    if isinstance(source, Iterable):
        return _ChunkReader(source)
    return _BufferReader(source, chunk_size)


def _tag(option: str, key: Key) -> int:
    from dicomwire.dataset.hooks import table

    if isinstance(key, tuple):
        return key[0] << 16 | key[1]
    tag = table()["tag_for_text"](key) if isinstance(key, str) else key
    if not isinstance(tag, int) or not 0 <= tag <= 0xFFFFFFFF:
        raise ValueError(f"{option}: {key!r} is no tag or keyword")
    return tag


class _Selection:
    """What is given of the events, and where bulk values go; the same for both kinds of streams."""

    def __init__(self, select: Iterable[Key] | Key | None, until: Key | None, sink: Sink | None) -> None:
        if isinstance(select, (str, int)) or (isinstance(select, tuple) and select and isinstance(select[0], int)):
            select = [select]
        self.wanted = None if select is None else frozenset(_tag("select", key) for key in select)
        self.until = 0 if until is None else _tag("until", until)
        if until is not None and self.until == 0:
            raise ValueError("until=0 leaves nothing to read")
        self.is_done = False
        self._sink = sink
        self._writable: Writable | None = None

    def events(self, batch: EventBatch) -> Iterator[Event]:
        """The events of a batch that are given."""
        chosen = batch.chosen(self.wanted, self.until)
        events = batch.framed(chosen)
        if self._sink is not None:
            events = self._drained(events)
        yield from events
        self.is_done = chosen.is_done

    def _drained(self, events: Iterator[Event]) -> Iterator[Event]:
        """Write pieces where the sink says; the rest goes on."""
        for event in events:
            if event.kind is EventKind.PIECE:
                if self._writable is not None:
                    value = event.value
                    if value is not None:
                        self._writable.write(value)
                    continue
            elif event.kind is not EventKind.FRAME:
                self._writable = self._sink_of(event) if event.comes_in_pieces else None
            yield event

    def _sink_of(self, event: Event) -> Writable | None:
        sink = self._sink
        if sink is None or hasattr(sink, "write"):
            return sink
        return sink(event)

    def skippable(self, parser: StreamParser) -> int:
        """Bytes of a value that nobody wants."""
        if self.wanted is None:
            return 0
        tag, left = parser.value_left
        return 0 if tag in self.wanted else left


class EventStream:
    """The events of a source, one after the other; a context manager that closes what it has opened."""

    def __init__(self, reader: _Reader, parser: StreamParser, selection: _Selection) -> None:
        self._reader = reader
        self._parser = parser
        self._selection = selection
        self._events = self._read()

    def _read(self) -> Iterator[Event]:
        reader, parser, selection = self._reader, self._parser, self._selection
        try:
            while True:
                chunk = reader.read()
                if not len(chunk):
                    break
                batch = parser.feed(chunk)
                del chunk
                yield from selection.events(batch)
                del batch  # nobody has a view of the buffer any more, unless the caller has
                if selection.is_done:
                    return
                left = selection.skippable(parser)
                if left:
                    parser.skip(reader.skip(left))
            yield from selection.events(parser.close())
        finally:
            reader.close()

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def __next__(self) -> Event:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration, and close the file if it was given as a path."""
        self._events.close()  # type: ignore[attr-defined]
        self._reader.close()

    @property
    def deviations(self) -> list[Deviation]:
        """Where the source departs from the standard, as far as it was read."""
        return self._parser.deviations

    @property
    def transfer_syntax(self) -> UID | None:
        """Transfer Syntax UID as given, or as the meta group says it; None before that."""
        return self._parser.transfer_syntax


def stream(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Iterable[bytes] | Any,
    *,
    select: Iterable[Key] | Key | None = None,
    until: Key | None = None,
    sink: Sink | None = None,
    frames: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    piece_limit: int = DEFAULT_PIECE_LIMIT,
    policy: str = "report",
    transfer_syntax: str | None = None,
    charset: str | Iterable[str] | None = None,
    force: bool = False,
) -> EventStream:
    """Events of a path, buffer, binary file object, pipe, socket, or iterable of bytes, in bounded memory.

    select: tags or keywords of elements of the data set itself: only they are given, with what they contain, and END.
        Values of others that come in pieces are not read, where the source can seek.
    until: tag or keyword; the stream ends before the first element with it or a higher one, without END.
    sink: a file for the bytes of values that come in pieces, or a callable that has the event of such a value and
        returns a file for it; PIECE events are not given then.  Where it returns None they are.
    frames: FRAME events tell where each frame of the pixel data begins.
    chunk_size: bytes read at once.

    The other arguments are those of StreamParser.  Raises what its ``feed`` and ``close`` do, in place of the event
    that cannot be given, and OSError of the source.  PS3.10 section 7, PS3.5 section 7.
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size={chunk_size}: expected at least 1")
    selection = _Selection(select, until, sink)
    parser = StreamParser(
        transfer_syntax, piece_limit=piece_limit, policy=policy, frames=frames, charset=charset, force=force
    )
    return EventStream(_reader(source, chunk_size), parser, selection)


class AsyncEventStream:
    """The events of an asynchronous source; ``async for`` over it, or ``async with``."""

    def __init__(self, chunks: AsyncIterator[Any], parser: StreamParser, selection: _Selection) -> None:
        self._chunks = chunks
        self._parser = parser
        self._selection = selection
        self._events = self._read()

    async def _read(self) -> AsyncIterator[Event]:
        parser, selection = self._parser, self._selection
        async for chunk in self._chunks:
            for event in selection.events(parser.feed(chunk)):
                yield event
            if selection.is_done:
                return
        for event in selection.events(parser.close()):
            yield event

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await self._events.__anext__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the iteration, and that of the source."""
        for generator in (self._events, self._chunks):
            close = getattr(generator, "aclose", None)
            if close is not None:
                await close()

    @property
    def deviations(self) -> list[Deviation]:
        """Where the source departs from the standard, as far as it was read."""
        return self._parser.deviations

    @property
    def transfer_syntax(self) -> UID | None:
        """Transfer Syntax UID as given, or as the meta group says it; None before that."""
        return self._parser.transfer_syntax


async def _read_all(source: Any, chunk_size: int) -> AsyncIterator[bytes]:
    while chunk := await source.read(chunk_size):
        yield chunk


def stream_async(
    source: AsyncIterable[Any] | Any,
    *,
    select: Iterable[Key] | Key | None = None,
    until: Key | None = None,
    sink: Sink | None = None,
    frames: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    piece_limit: int = DEFAULT_PIECE_LIMIT,
    policy: str = "report",
    transfer_syntax: str | None = None,
    charset: str | Iterable[str] | None = None,
    force: bool = False,
) -> AsyncEventStream:
    """Same as stream for an asynchronous iterator of bytes, or an object whose ``read`` is to be awaited.

    ``chunk_size`` is for ``read``; what a sink writes to is not awaited.
    """
    selection = _Selection(select, until, sink)
    parser = StreamParser(
        transfer_syntax, piece_limit=piece_limit, policy=policy, frames=frames, charset=charset, force=force
    )
    if hasattr(source, "read"):
        chunks = _read_all(source, chunk_size)
    elif hasattr(source, "__aiter__"):
        chunks = source.__aiter__()
    else:
        raise TypeError(f"{type(source).__name__} is no asynchronous iterator and has no read() to await")
    return AsyncEventStream(chunks, parser, selection)
