"""Members of zip and tar files as they stream, within bounds: nothing is unpacked to disk, and no more than a chunk is
held.

    for member in dicomwire.iter_archive("study.zip"):
        ds = dicomwire.dcmread(member.read(), force=True)

What comes out is bounded by what has come out, never by the sizes that the archive declares.
"""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, closing

from dicomwire.errors import DecodeError, TruncatedError
from dicomwire.streaming import tars, zips
from dicomwire.streaming.forward import (
    CHUNK,
    Budget,
    ForwardReader,
    PulledFile,
    Unpacker,
    chunks_of,
    packed_with,
    reads_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import IO

    from dicomwire.streaming.remote import RemoteFile

    Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Iterable[bytes] | RemoteFile
    Entry = tuple[str, int | None, Callable[[int], bytes]]

_ZIP_STARTS = (zips.LOCAL, zips.END, zips.DESCRIPTOR, zips.SPANNED)


class Member:
    """One file of an archive.

    name    as the archive has it; may be anything, and is not a path to write to
    size    bytes as the archive declares them, or None where it says so behind the member only
    stream  a binary file object to be read forward, until the next member is asked for; its errors are those of
            :func:`iter_archive`
    """

    __slots__ = ("name", "size", "stream")

    def __init__(self, name: str, size: int | None, stream: io.RawIOBase) -> None:
        self.name = name
        self.size = size
        self.stream = stream

    def read(self) -> bytes:
        """The bytes that are left of it, all at once; at most ``max_member_size``."""
        data = self.stream.read()
        assert data is not None
        return data

    def __repr__(self) -> str:
        return f"<Member: {'unknown size' if self.size is None else f'{self.size} bytes'}>"


def iter_archive(
    source: Source,
    *,
    max_member_size: int = 1 << 34,
    max_total_size: int = 1 << 40,
    max_ratio: float = 200,
    max_members: int = 1_000_000,
) -> Iterator[Member]:
    """The files in a zip or tar archive, one after the other; the tar may be packed with gzip, bzip2 or xz.

    ``source``: a path, a bytes-like object, a binary file object from where it stands (a pipe or socket file too), an
    iterable of chunks, a URL, or what ``open_remote`` returns.
    ``max_member_size``, ``max_total_size``: bytes that may come out of one member and of all.
    ``max_ratio``: how much they may grow in unpacking, beyond the first 64 MiB.
    ``max_members``: entries of the archive, folders and links included.

    A zip archive that can be sought in is read by its directory; else by the headers before the members, which must say
    where a member ends: UnsupportedError for one that is stored with its size behind it.  Folders and links are left
    out.  Raises DecodeError for damage (checksums included) and for what exceeds a limit, TruncatedError for an archive
    that is cut, UnsupportedError for encryption and for compression that is not known; the latter two when the member
    is read.
    """
    if min(max_member_size, max_total_size, max_ratio, max_members) < 0:
        raise ValueError("a limit is negative")
    return _members(source, Budget(max_member_size, max_total_size, max_ratio), max_members)


def _members(source: Source, budget: Budget, max_members: int) -> Generator[Member, None, None]:
    with ExitStack() as stack:
        found = stack.enter_context(closing(_entries(source, budget, stack)))
        for count, entry in enumerate(found, 1):
            if count > max_members:
                raise DecodeError(f"the archive has more than max_members, {max_members}, entries")
            if entry is not None:
                name, size, pull = entry
                guard = _Guard(pull, budget.max_member_size)
                yield Member(name, size, PulledFile(guard.pull))
                guard.is_over = True


class _Guard:
    """Bounds what comes out of one member, and ends it when the next one is asked for."""

    __slots__ = ("_given", "_most", "_pull", "is_over")

    def __init__(self, pull: Callable[[int], bytes], most: int) -> None:
        self._pull = pull
        self._most = most
        self._given = 0
        self.is_over = False

    def pull(self, most: int) -> bytes:
        if self.is_over:
            raise ValueError("the archive has gone on to the next member")
        data = self._pull(min(most, self._most + 1 - self._given))
        self._given += len(data)
        if self._given > self._most:
            raise DecodeError(f"a member has more than max_member_size, {self._most}, bytes")
        return data


def _entries(source: Source, budget: Budget, stack: ExitStack) -> Generator[Entry | None, None, None]:
    """What is in the archive, by the way that fits its first bytes."""
    file = _opened(source, stack)
    if file is None:
        reader = ForwardReader(chunks_of(source))  # type: ignore[arg-type]
    else:
        is_seekable = hasattr(file, "seekable") and file.seekable()
        end = 0
        if is_seekable:
            begin = file.tell()
            end = file.seek(0, io.SEEK_END)
            size = end - begin
            file.seek(begin)
            if file.read(4) in _ZIP_STARTS or _ends_like_zip(file, begin, size):
                yield from zips.entries_by_directory(_reader_at(file, begin), size, budget.of_size(size))
                return
            file.seek(begin)
        reader = ForwardReader(reads_of(file, ahead=is_seekable), _seeker(file, end) if is_seekable else None)
    start = reader.peek(6)
    if start[:4] in _ZIP_STARTS:
        yield from zips.entries_forward(reader, budget)
        return
    new = packed_with(start)
    if new is not None:
        unpacker = Unpacker(reader, new, budget, repeated=True)
        reader = ForwardReader(lambda: unpacker.read(CHUNK))
    if not tars.is_tar(reader.peek(tars.BLOCK)):
        if not start:
            raise TruncatedError("the archive is empty", offset=0)
        raise DecodeError("neither a zip nor a tar archive", offset=0)
    yield from tars.entries(reader, None if new is not None else budget)


def _opened(source: Source, stack: ExitStack) -> IO[bytes] | None:
    """A binary file object of the source, or None for an iterable of chunks."""
    if isinstance(source, str) and "://" in source:
        from dicomwire.streaming.remote import open_remote

        source = stack.enter_context(open_remote(source))
    if isinstance(source, (str, os.PathLike)):
        return stack.enter_context(open(source, "rb"))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if hasattr(source, "as_file"):
        file: IO[bytes] = stack.enter_context(source.as_file())
        return file
    return source if hasattr(source, "read") else None  # type: ignore[return-value]


def _ends_like_zip(file: IO[bytes], begin: int, size: int) -> bool:
    """Whether a file that begins otherwise is a zip archive with something before it."""
    if size < 22:
        return False
    file.seek(begin + size - 22)
    return file.read(4) == zips.END


def _reader_at(file: IO[bytes], begin: int) -> Callable[[int, int], bytes]:
    def read_at(offset: int, length: int) -> bytes:
        file.seek(begin + offset)
        data = file.read(length)
        if data is None or not isinstance(data, bytes):
            raise TypeError("the file object must be opened in binary mode and must block")
        return data

    return read_at


def _seeker(file: IO[bytes], end: int) -> Callable[[int], object]:
    def step(length: int) -> None:
        left = end - file.tell()
        if length > left:
            raise TruncatedError(f"{length} bytes to step over, {left} are left", offset=end - left)
        file.seek(length, io.SEEK_CUR)

    return step
