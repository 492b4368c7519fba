"""Reading from front to back: bytes of a file, pipe or iterator, unpacked on the way, with bounds on what comes out."""

from __future__ import annotations

import bz2
import io
import lzma

from dicomwire.errors import DecodeError, TruncatedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    class Decoder(Protocol):
        """What the decompressors of bz2 and lzma have."""

        @property
        def eof(self) -> bool: ...
        @property
        def needs_input(self) -> bool: ...
        @property
        def unused_data(self) -> bytes: ...
        def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


CHUNK = 65536
XZ_MEMORY = 256 << 20  # bytes that a decompressor may need for its dictionary
RATIO_FREE = 64 << 20  # bytes that may come out before their ratio to those that went in is looked at


class Budget:
    """How much may come out of an archive, by what has come out of it and never by what it declares.

    ``archive_size``: bytes of the archive where that is known, so that data used for several members count once.
    """

    __slots__ = ("_archive_size", "_given", "_taken", "max_member_size", "max_ratio", "max_total_size")

    def __init__(
        self, max_member_size: int, max_total_size: int, max_ratio: float, archive_size: int | None = None
    ) -> None:
        self.max_member_size = max_member_size
        self.max_total_size = max_total_size
        self.max_ratio = max_ratio
        self._archive_size = archive_size
        self._taken = 0
        self._given = 0

    def of_size(self, archive_size: int) -> Budget:
        """The same bounds for an archive of known size."""
        return Budget(self.max_member_size, self.max_total_size, self.max_ratio, archive_size)

    def add(self, taken: int, given: int) -> None:
        """Count packed bytes that were taken and bytes that they gave; DecodeError where that is too much."""
        self._taken += taken
        self._given += given
        if self._given > self.max_total_size:
            raise DecodeError(f"the archive gave more than max_total_size, {self.max_total_size} bytes")
        taken = self._taken if self._archive_size is None else min(self._taken, self._archive_size)
        if self._given > RATIO_FREE + self.max_ratio * taken:
            raise DecodeError(f"{taken} bytes of the archive grew to {self._given}, which is more than max_ratio, "
                              f"{self.max_ratio}, allows")  # fmt: skip


class ForwardReader:
    """Bytes from front to back; ``pull`` gives the next chunk, b"" at the end.

    ``seek``, where there is one, steps over bytes that are not wanted.
    """

    __slots__ = ("_at", "_buffer", "_pull", "_seek", "position")

    def __init__(self, pull: Callable[[], bytes], seek: Callable[[int], object] | None = None) -> None:
        self._pull = pull
        self._seek = seek
        self._buffer = b""
        self._at = 0
        self.position = 0  # bytes given so far

    def peek(self, length: int) -> bytes:
        """The next bytes without taking them; fewer at the end."""
        while len(self._buffer) - self._at < length:
            chunk = self._pull()
            if not chunk:
                break
            self._buffer = self._buffer[self._at :] + chunk
            self._at = 0
        return self._buffer[self._at : self._at + length]

    def some(self, most: int) -> bytes:
        """At least one byte and at most ``most``; b"" at the end."""
        if self._at == len(self._buffer):
            self._buffer, self._at = self._pull(), 0
        data = self._buffer if not self._at and len(self._buffer) <= most else self._buffer[self._at : self._at + most]
        self._at += len(data)
        self.position += len(data)
        return data

    def exactly(self, length: int, what: str) -> bytes:
        """This many bytes; TruncatedError, with ``what`` they are, when there are fewer."""
        data = self.peek(length)
        if len(data) < length:
            raise TruncatedError(f"{what} needs {length} bytes, {len(data)} are left", offset=self.position)
        self._at += length
        self.position += length
        return data

    def unread(self, data: bytes) -> None:
        """Put back the end of what ``some`` gave last."""
        self._at -= len(data)
        self.position -= len(data)

    def skip(self, length: int, what: str) -> None:
        """Step over bytes; TruncatedError when there are fewer, at the latest with the next read."""
        held = min(length, len(self._buffer) - self._at)
        self._at += held
        self.position += held
        length -= held
        if length and self._seek is not None:
            self._seek(length)
            self.position += length
            return
        while length:
            data = self.some(min(length, CHUNK))
            if not data:
                raise TruncatedError(f"{what} needs {length} more bytes, none are left", offset=self.position)
            length -= len(data)


class _Deflate:
    """zlib's decompressor in the manner of those of bz2 and lzma; isal's where it is installed."""

    def __init__(self, wbits: int) -> None:
        try:
            from isal import isal_zlib as zlib
        except ImportError:
            import zlib  # type: ignore[no-redef]
        self._decompressor = zlib.decompressobj(wbits=wbits)
        self._error: Any = zlib.error

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.eof)

    @property
    def needs_input(self) -> bool:
        return not self._decompressor.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return bytes(self._decompressor.unused_data)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        tail = self._decompressor.unconsumed_tail
        try:
            return bytes(self._decompressor.decompress(tail + data if tail else data, max_length))
        except self._error as error:
            raise OSError(str(error)) from None


def deflate_decoder() -> Decoder:
    """For the bare deflate streams of zip (RFC 1951)."""
    return _Deflate(-15)


def gzip_decoder() -> Decoder:
    """For one member of a gzip file (RFC 1952)."""
    return _Deflate(31)


def bzip2_decoder() -> Decoder:
    """For one stream of bzip2."""
    return bz2.BZ2Decompressor()


def xz_decoder() -> Decoder:
    """For one stream of xz, with a bound on its dictionary."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


class Unpacker:
    """Takes packed bytes from a reader and gives them unpacked, within the budget.

    ``repeated``: one stream may follow another, as gzip, bzip2 and xz allow.  What stands behind the streams goes back
    to the reader.
    """

    __slots__ = ("_budget", "_decoder", "_ended", "_held", "_new", "_reader", "_repeated", "taken")

    def __init__(
        self, reader: ForwardReader, new: Callable[[], Decoder], budget: Budget, *, repeated: bool = False
    ) -> None:
        self._reader = reader
        self._new = new
        self._decoder = new()
        self._budget = budget
        self._repeated = repeated
        self._ended = False
        self._held = b""
        self.taken = 0

    def read(self, most: int) -> bytes:
        """At least one byte and at most ``most``; b"" at the end.  DecodeError for what is damaged."""
        data = self._held or self._unpack(max(most, CHUNK))
        self._held = data[most:]
        return data[:most] if self._held else data

    def _unpack(self, most: int) -> bytes:
        while not self._ended:
            data = b""
            decoder = self._decoder
            if decoder.needs_input:
                data = self._reader.some(CHUNK)
            try:
                piece = decoder.decompress(data, most)
            except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
                raise DecodeError(f"packed bytes are damaged ({error})", offset=self._reader.position) from None
            taken = len(data)
            if decoder.eof:
                taken -= len(decoder.unused_data)
                self._reader.unread(decoder.unused_data)
                self._next_stream()
            elif not piece and not data:
                raise TruncatedError("packed bytes end before their stream does", offset=self._reader.position)
            self.taken += taken
            self._budget.add(taken, len(piece))
            if piece:
                return piece
        return b""

    def _next_stream(self) -> None:
        if self._repeated:
            while self._reader.peek(1) == b"\0":
                self._reader.some(1)  # padding between streams
            if packed_with(self._reader.peek(6)) is self._new:
                self._decoder = self._new()
                return
        self._ended = True


def packed_with(start: bytes) -> Callable[[], Decoder] | None:
    """The decoder for what begins with these bytes, or None."""
    if start[:3] == b"\x1f\x8b\x08":
        return gzip_decoder
    if start[:3] == b"BZh":
        return bzip2_decoder
    if start[:6] == b"\xfd7zXZ\0":
        return xz_decoder
    return None


def chunks_of(source: Iterable[bytes | bytearray | memoryview]) -> Callable[[], bytes]:
    """A function that gives the next chunk of an iterable of bytes-like objects that is not empty, b"" at the end."""
    iterator = iter(source)

    def pull() -> bytes:
        for chunk in iterator:
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise TypeError(f"expected chunks of bytes, found {type(chunk).__name__}")
            if len(chunk):
                return bytes(chunk)
        return b""

    return pull


def reads_of(file: Any, *, ahead: bool = False) -> Callable[[], bytes]:
    """A function that gives what a binary file object has next, b"" at the end.

    As soon as there is something, as from a pipe; or, with ``ahead``, by the file's own buffer.
    """
    read = file.read if ahead else getattr(file, "read1", None) or file.read

    def pull() -> bytes:
        data = read(CHUNK)
        if data is None:
            raise ValueError("the file object does not block: there may be more, and it does not say")
        if not isinstance(data, bytes):
            raise TypeError("the file object must be opened in binary mode")
        return data

    return pull


class PulledFile(io.RawIOBase):
    """A binary file object to be read forward; ``pull`` gives up to so many bytes, none at the end."""

    def __init__(self, pull: Callable[[int], bytes | memoryview]) -> None:
        self._pull = pull

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if self.closed:
            raise ValueError("read of a closed file")
        if size is None or size < 0:
            return self.readall()
        return bytes(self._pull(size)) if size else b""

    def readinto(self, buffer: Any) -> int:
        if self.closed:
            raise ValueError("read of a closed file")
        view = memoryview(buffer).cast("B")
        data = self._pull(len(view)) if len(view) else b""
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        pieces = []
        while piece := self.read(1 << 20):
            pieces.append(piece)
        return b"".join(pieces)
