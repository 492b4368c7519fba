"""Where packets come from: capture files, pipes, file objects, interfaces, and files that somebody else still writes.

`open_source` finds out which.  Every source is used the same way::

    with open_source("traffic.pcap") as source:
        while (filled := source.fill()) is not Filled.ENDED:
            while table.run(source.packets):       # a FlowTable; True when its sink has something to fetch
                ...
            if filled is Filled.SILENT:
                table.advance(time.time_ns())
    while table.finish():
        ...

Files are read, not mapped: whoever writes a capture may truncate it.
"""

from __future__ import annotations

import gzip
import os
import select
import stat
import zlib
from enum import Enum
from pathlib import Path

from _dicomwire.capture import CaptureReader
from dicomwire.errors import DecodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Protocol, Self

    from _dicomwire.capture import PacketSource

    class Readable(Protocol):
        """What has bytes of a capture to read."""

        def readinto(self, buffer: memoryview, /) -> int | None: ...


WINDOW = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


class Filled(Enum):
    """What `Source.fill` found: packets to run on, nothing for now, or the end."""

    MORE = "more"
    SILENT = "silent"
    ENDED = "ended"


class Source:
    """A source of packets; `packets` is what a FlowTable runs on after each `fill`.

    ``name`` says what it is, ``is_live`` whether the present goes on in it: what was not seen for long is then measured by
    the clock.  ``truncated_bytes`` of an unfinished record were left when a capture ended.
    """

    packets: PacketSource
    name: str
    is_live = False
    truncated_bytes = 0

    def fill(self, timeout_s: float = 0.5) -> Filled:
        """Get more packets; SILENT when none came within ``timeout_s``, which only sources wait for that may have more.

        Raises OSError, and DecodeError for bytes that are no capture.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Give back what the system lends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class DescriptorSource(Source):
    """A file or a pipe, read by its descriptor."""

    def __init__(self, descriptor: int, name: str, *, close: bool) -> None:
        self.reader = self.packets = CaptureReader(WINDOW)
        self.name = name
        self.descriptor = descriptor
        self._close = close
        # A pipe may be silent; a file is there.
        self._waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        self.is_live = self._waits

    def fill(self, timeout_s: float = 0.5) -> Filled:
        if self._waits and not select.select([self.descriptor], [], [], timeout_s)[0]:
            return Filled.SILENT
        got = self.reader.fill(self.descriptor)
        if got:
            return Filled.MORE
        if got is None:
            return Filled.SILENT
        self.truncated_bytes = self.reader.pending_bytes
        return Filled.ENDED

    def close(self) -> None:
        if self._close and self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


class ObjectSource(Source):
    """A file object, or anything else with ``readinto``; ``close`` is called at the end, None for an object of the caller's."""

    def __init__(self, file: Readable, name: str, *, close: Callable[[], None] | None = None) -> None:
        self.reader = self.packets = CaptureReader(WINDOW)
        self.name = name
        self._read_into: Callable[[memoryview], int | None] = getattr(file, "readinto1", file.readinto)
        self._close = close

    def fill(self, timeout_s: float = 0.5) -> Filled:
        try:
            got = self._read_into(self.reader.room())
        except EOFError:
            self.truncated_bytes = max(self.reader.pending_bytes, 1)
            return Filled.ENDED
        except zlib.error as error:
            raise DecodeError(f"a compressed capture is damaged: {error}", section="RFC 1951") from None
        if got is None:
            return Filled.SILENT
        self.reader.filled(got)
        if got:
            return Filled.MORE
        self.truncated_bytes = self.reader.pending_bytes
        return Filled.ENDED

    def close(self) -> None:
        if self._close is not None:
            self._close()
            self._close = None


def open_file(path: Path) -> Source:
    """A capture file, compressed by gzip or not."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    is_compressed = False
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            is_compressed = os.pread(descriptor, 2, 0) == GZIP_MAGIC
        if not is_compressed:
            return DescriptorSource(descriptor, str(path), close=True)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    file = gzip.open(path, "rb")
    return ObjectSource(file, str(path), close=file.close)


def open_source(source: str | os.PathLike[str] | Readable) -> Source:
    """Open what ``source`` names: ``-`` for standard input, a file, or an object with ``readinto``."""
    if isinstance(source, str) and source == "-":
        return DescriptorSource(0, "-", close=False)
    if isinstance(source, (str, os.PathLike)):
        return open_file(Path(source))
    return ObjectSource(source, getattr(source, "name", type(source).__name__))
