"""Files of object stores and web servers, read by ranges: first a guess at the header, then what is asked for.

``dcmread`` takes a RemoteFile as it takes a path.  The first request brings the beginning of the object together with
its size; a header that is longer brings a second one.  Values are requests of their own when they are asked for, and
several ranges at once are read side by side.
"""

from __future__ import annotations

import io
import threading
from bisect import bisect_right, insort
from collections import OrderedDict

from dicomwire.streaming.stores import (
    OBSTORE_SCHEMES,
    ObstoreObject,
    StoredObject,
    fsspec_object,
    fsspec_of_url,
    obstore_of_url,
    public_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from types import TracebackType
    from typing import Any, Self

FIRST_GUESS = 65536
KEEP_BYTES = 64 << 20


class RemoteFile:
    """An object of a store as a source for ``dcmread``: reads ranges of bytes and counts what that takes.

    ``name`` is the URL without user, password and query; ``size`` is in bytes.  Made by :func:`open_remote`.  It may be
    used from several threads.  Reading raises OSError for what the store says, DecodeError when the object is not the
    one that was opened any more, UnsupportedError for a server without ranges.
    """

    def __init__(self, stored: StoredObject, first_guess: int, max_parallel: int, keep_bytes: int) -> None:
        if first_guess < 1 or max_parallel < 1 or keep_bytes < 0:
            raise ValueError("first_guess and max_parallel must be at least 1, keep_bytes at least 0")
        self._stored = stored
        self.first_guess = first_guess
        self.max_parallel = max_parallel
        self._keep_bytes = keep_bytes
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._kept: OrderedDict[int, memoryview] = OrderedDict()
        self._starts: list[int] = []
        self._kept_size = 0
        self._beginning = memoryview(stored.read_first(first_guess)).toreadonly()
        self.size = stored.size

    @property
    def name(self) -> str:
        """The URL without user, password and query."""
        return self._stored.name

    @property
    def requests(self) -> int:
        """Requests made of the store so far, those for the size alone and redirections included."""
        return self._stored.requests

    @property
    def bytes_read(self) -> int:
        """Bytes that the store has sent of the object so far."""
        return self._stored.bytes_read

    # -------------------------------------------------------------------------------------------------------- reading

    def read_ranges(self, ranges: Iterable[tuple[int, int]]) -> list[memoryview]:
        """Read-only views of the bytes of each (offset, length), shorter only at the end of the object.

        One request for each range that is not in memory, up to ``max_parallel`` at a time.  The caller owns the views.
        """
        wanted = [self._within(offset, length) for offset, length in ranges]
        found = [self._find(offset, length) for offset, length in wanted]
        absent = [extent for extent, view in zip(wanted, found, strict=True) if view is None]
        if not absent:
            return [view for view in found if view is not None]
        read = self._read_all(list(dict.fromkeys(absent)))
        return [read[extent] if view is None else view for extent, view in zip(wanted, found, strict=True)]

    def prefetch(
        self, ranges: Iterable[tuple[int, int]], *, max_gap: int = 4096, max_length: int = 8 << 20
    ) -> None:
        """Read ranges side by side and keep them in memory for the reads to come.

        Ranges with up to ``max_gap`` bytes between them become one request of up to ``max_length`` bytes.  What is read
        first is dropped first when more than ``keep_bytes`` are kept; ranges beyond that amount are not read.
        """
        merged: list[tuple[int, int]] = []
        for offset, length in sorted(self._within(offset, length) for offset, length in ranges):
            if not length or self._find(offset, length) is not None:
                continue
            stop = offset + length
            if merged:
                last_offset, last_length = merged[-1]
                last_stop = last_offset + last_length
                if offset <= last_stop + max_gap and max(stop, last_stop) - last_offset <= max(max_length, last_length):
                    merged[-1] = (last_offset, max(stop, last_stop) - last_offset)
                    continue
            merged.append((offset, length))
        room = self._keep_bytes
        chosen = []
        for extent in merged:
            if extent[1] > room:
                break
            room -= extent[1]
            chosen.append(extent)
        if chosen:
            for (offset, _), view in self._read_all(chosen).items():
                self._keep(offset, view)

    def as_file(self, buffer_size: int = 1 << 20) -> io.BufferedReader:
        """A binary file object that reads ahead by ``buffer_size`` bytes; closing it closes nothing else."""
        return io.BufferedReader(_RemoteRaw(self), buffer_size)

    def close(self) -> None:
        """Let go of what is kept and of the threads; reading raises ValueError from now on."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
            self._kept.clear()
            self._starts.clear()
            self._kept_size = 0
            self._beginning = memoryview(b"")
        if pool is not None:
            pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RemoteFile: {self.name}, {self.size} bytes, {self.requests} requests>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a RemoteFile cannot be pickled; its data sets can, with all their bytes")

    def _within(self, offset: int, length: int) -> tuple[int, int]:
        if offset < 0 or length < 0:
            raise ValueError("a range has a negative offset or length")
        return offset, max(0, min(length, self.size - offset))

    def _find(self, offset: int, length: int) -> memoryview | None:
        with self._lock:
            if self._closed:
                raise ValueError("the remote file is closed")
            if not length:
                return memoryview(b"")
            if offset + length <= len(self._beginning):
                return self._beginning[offset : offset + length]
            at = bisect_right(self._starts, offset) - 1
            if at >= 0:
                start = self._starts[at]
                view = self._kept[start]
                if offset + length <= start + len(view):
                    return view[offset - start : offset - start + length]
        return None

    def _keep(self, offset: int, view: memoryview) -> None:
        with self._lock:
            old = self._kept.pop(offset, None)
            if old is None:
                insort(self._starts, offset)
            else:
                self._kept_size -= len(old)
            self._kept[offset] = view
            self._kept_size += len(view)
            while self._kept_size > self._keep_bytes:
                start, dropped = self._kept.popitem(last=False)
                self._kept_size -= len(dropped)
                self._starts.remove(start)

    def _read_all(self, extents: Sequence[tuple[int, int]]) -> dict[tuple[int, int], memoryview]:
        if len(extents) == 1 or self.max_parallel == 1:
            read = [self._stored.read(*extent) for extent in extents]
        else:
            pool = self._threads()
            pending = [pool.submit(self._stored.read, *extent) for extent in extents]
            try:
                read = [future.result() for future in pending]
            except BaseException:
                for future in pending:
                    future.cancel()
                raise
        self._stored.verify()
        return {extent: memoryview(data).toreadonly() for extent, data in zip(extents, read, strict=True)}

    def _threads(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            if self._closed:
                raise ValueError("the remote file is closed")
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.max_parallel, thread_name_prefix="dicomwire-remote")
            return self._pool


class _RemoteRaw(io.RawIOBase):
    """The unbuffered file below ``RemoteFile.as_file``."""

    def __init__(self, remote: RemoteFile) -> None:
        self._remote = remote
        self._position = 0
        self.name = remote.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._remote.size}[whence]
        if start + offset < 0:
            raise ValueError("a position before the beginning")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        (data,) = self._remote.read_ranges([(self._position, len(view))])
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def readall(self) -> bytes:
        (data,) = self._remote.read_ranges([(self._position, max(0, self._remote.size - self._position))])
        self._position += len(data)
        return bytes(data)


def open_remote(
    url_or_store: object,
    path: str | None = None,
    *,
    first_guess: int = FIRST_GUESS,
    max_parallel: int = 8,
    keep_bytes: int = KEEP_BYTES,
    storage_options: Mapping[str, object] | None = None,
) -> RemoteFile:
    """Open an object of a store for reading by ranges, with one request (two where a store tells the size apart).

    ``url_or_store``: a URL ("https://...", "s3://bucket/key", any that fsspec knows), or an obstore store or fsspec
    filesystem, with the ``path`` of the object in it.
    ``first_guess``: bytes of the first read, which the header of most files fits into.
    ``max_parallel``: requests at a time.
    ``keep_bytes``: how many bytes of what was prefetched are kept.
    ``storage_options``: for a URL of Amazon S3, Google Cloud Storage or Azure those of ``obstore.store.from_url``, else
    those of the fsspec filesystem.

    Raises FileNotFoundError, PermissionError, TimeoutError or another OSError for what the store says; the URL in it
    is without user, password and query.  UnsupportedError where a package or a server's ability is missing.
    """
    if isinstance(url_or_store, str):
        if path is not None:
            raise ValueError("a URL already has the path in it")
        stored = _of_url(url_or_store, storage_options or {})
    else:
        if path is None:
            raise ValueError("a store needs the path of the object in it")
        if storage_options is not None:
            raise ValueError("a store already has its options")
        stored = _of_store(url_or_store, path)
    return RemoteFile(stored, first_guess, max_parallel, keep_bytes)


def _of_url(url: str, options: Mapping[str, object]) -> StoredObject:
    name = public_name(url)
    if url.partition("://")[0] in OBSTORE_SCHEMES:
        store, path = obstore_of_url(url, options)
        return ObstoreObject(store, path, name)
    filesystem, path = fsspec_of_url(url, options)
    return fsspec_object(filesystem, path, name)


def _of_store(store: Any, path: str) -> StoredObject:
    if hasattr(store, "cat_file") and hasattr(store, "info"):
        return fsspec_object(store, path, public_name(store.unstrip_protocol(path)))
    if hasattr(store, "get") and hasattr(store, "head"):
        return ObstoreObject(store, path, f"{type(store).__name__}/{public_name(path)}")
    raise TypeError("expected a URL, an obstore store or an fsspec filesystem")


__all__ = ["RemoteFile", "open_remote"]
