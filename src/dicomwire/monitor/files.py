"""Captures in files, pipes and file objects.  They are read, not mapped: whoever writes one may truncate it."""

from __future__ import annotations

import gzip
import os
import select
import stat
import zlib
from pathlib import Path

from _dicomwire.capture import CaptureReader
from dicomwire.errors import DecodeError
from dicomwire.monitor.packets import Filled, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Readable(Protocol):
        """What has bytes of a capture to read."""

        def readinto(self, buffer: memoryview, /) -> int | None: ...


WINDOW = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


class CaptureSource(Source):
    """A capture that a CaptureReader reads: ``reader``, or one of its own."""

    is_cut = False

    def __init__(self, name: str, reader: CaptureReader | None) -> None:
        self.name = name
        self.reader = self.packets = CaptureReader(WINDOW) if reader is None else reader

    def _read(self, timeout_s: float) -> int | None:
        """Read into the reader; bytes, 0 at the end, None where there is nothing for now."""
        raise NotImplementedError

    def fill(self, timeout_s: float = 0.5) -> Filled:
        if self.reader.is_broken:
            return Filled.ENDED
        got = self._read(timeout_s)
        if got:
            return Filled.MORE
        if got is None:
            return Filled.SILENT
        self.truncated_bytes = self.reader.pending_bytes or int(self.is_cut)
        return Filled.ENDED


class DescriptorSource(CaptureSource):
    """A file or a pipe, read by its descriptor."""

    def __init__(self, descriptor: int, name: str, *, close: bool, reader: CaptureReader | None = None) -> None:
        super().__init__(name, reader)
        self.descriptor = descriptor
        self._close = close
        # A pipe may be silent; a file is there.
        self.is_live = not stat.S_ISREG(os.fstat(descriptor).st_mode)

    def _read(self, timeout_s: float) -> int | None:
        if self.is_live and not select.select([self.descriptor], [], [], timeout_s)[0]:
            return None
        return self.reader.fill(self.descriptor)

    def close(self) -> None:
        if self._close and self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


class ObjectSource(CaptureSource):
    """A file object, or anything else with ``readinto``; ``close`` is called at the end, None for the caller's own."""

    def __init__(
        self, file: Readable, name: str, *, close: Callable[[], None] | None = None, reader: CaptureReader | None = None
    ) -> None:
        super().__init__(name, reader)
        # readinto() of a buffered pipe waits until all the room is filled.
        self._read_into: Callable[[memoryview], int | None] = getattr(file, "readinto1", file.readinto)
        self._close = close

    def _read(self, timeout_s: float) -> int | None:
        try:
            got = self._read_into(self.reader.room())
        except EOFError:                # of compressed bytes
            self.is_cut = True
            return 0
        except (zlib.error, gzip.BadGzipFile) as error:
            raise DecodeError(f"the compressed capture is damaged: {error}", section="RFC 1952") from None
        if got:
            self.reader.filled(got)
        return got

    def close(self) -> None:
        if self._close is not None:
            self._close()
            self._close = None


def open_file(path: Path, reader: CaptureReader | None = None) -> CaptureSource:
    """Open a capture file, compressed by gzip or not."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    is_compressed = False
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            is_compressed = os.pread(descriptor, 2, 0) == GZIP_MAGIC
        if not is_compressed:
            return DescriptorSource(descriptor, str(path), close=True, reader=reader)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    file = gzip.GzipFile(path, "rb")
    return ObjectSource(file, str(path), close=file.close, reader=reader)
