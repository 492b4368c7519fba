"""Capture files that somebody else writes: one that grows, and sets that rotate (tcpdump -C, -G and -W, dumpcap -b).

The files of a set are read in the order of their first packets.  Who follows stays with the last one until a newer one
has packets, and takes a file that was written anew, under whatever name, for another one.  A record that is half there
is waited for.
"""

from __future__ import annotations

import glob
import os
import time
from dataclasses import dataclass
from pathlib import Path

from _dicomwire.capture import CaptureReader
from dicomwire.errors import DecodeError
from dicomwire.monitor.files import CaptureSource, DescriptorSource, open_file
from dicomwire.monitor.packets import Filled, Source

POLL_S = 0.05


@dataclass(frozen=True)
class Version:
    """What tells that the file of a name was written anew."""

    device: int
    inode: int
    size: int
    modified_ns: int


def version_of(path: Path) -> Version | None:
    """The version of a file, None if there is none, or no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Version(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) if path.is_file() else None


def first_time_ns(path: Path) -> int | None:
    """When the first packet of a capture was seen; None if there is none yet, or the file is no capture."""
    try:
        with open_file(path, CaptureReader()) as source:
            while source.fill() is Filled.MORE:
                packet = source.reader.read_packet()
                if packet is not None:
                    return packet[0]
    except (OSError, DecodeError):
        pass
    return None


class FileSetSource(Source):
    """The captures that a pattern of :mod:`glob` names, one after the other as one; with ``follow`` those to come, too.

    ``path`` is the one that is read.  Files without a packet are passed over, as are those that are no captures.
    """

    def __init__(self, pattern: str, *, follow: bool) -> None:
        self.name = pattern
        self.pattern = pattern
        self.is_live = follow
        self.reader = self.packets = CaptureReader()
        self.path: Path | None = None
        self._current: CaptureSource | None = None
        self._finished: dict[Path, Version | None] = {}
        if not follow and not glob.glob(pattern):
            raise FileNotFoundError(f"no file matches {pattern}")

    def fill(self, timeout_s: float = 0.5) -> Filled:
        deadline = time.monotonic() + timeout_s
        while True:
            if self._current is not None and self._read_current():
                return Filled.MORE
            # The next is asked for before what may have been written to this one at last.
            following = self._next()
            if self._current is not None:
                if self.is_live and following is None and not self._is_replaced():
                    if time.monotonic() >= deadline:
                        return Filled.SILENT
                    time.sleep(POLL_S)
                    continue
                if self._read_current():
                    return Filled.MORE
                self._finish_current()
                following = self._next()
            if following is not None:
                self._open(following)
            elif not self.is_live:
                return Filled.ENDED
            elif time.monotonic() >= deadline:
                return Filled.SILENT
            else:
                time.sleep(POLL_S)

    def _read_current(self) -> bool:
        return self._current is not None and self._current.fill() is Filled.MORE

    def _next(self) -> Path | None:
        """The file with the earliest first packet of those that were not read yet."""
        candidates: list[tuple[int, str]] = []
        for name in glob.glob(self.pattern):
            path = Path(name)
            if path == self.path:
                continue
            version = version_of(path)
            if version is None or self._finished.get(path) == version:
                continue
            first_ns = first_time_ns(path)
            if first_ns is not None:
                candidates.append((first_ns, name))
            elif not self.is_live:
                self._finished[path] = version
        return Path(min(candidates)[1]) if candidates else None

    def _open(self, path: Path) -> None:
        try:
            self._current = open_file(path, self.reader)
        except FileNotFoundError:       # whoever writes the set keeps so many files and no more
            return
        self.reader.begin_capture()
        self.path = path

    def _is_replaced(self) -> bool:
        """Whether the file under the name of the present one is another, or was emptied."""
        assert self.path is not None
        version = version_of(self.path)
        if version is None:
            return True
        if not isinstance(self._current, DescriptorSource):     # compressed, and so complete
            return False
        status = os.fstat(self._current.descriptor)
        return (
            (version.device, version.inode) != (status.st_dev, status.st_ino)
            or version.size < os.lseek(self._current.descriptor, 0, os.SEEK_CUR)
            or self.reader.is_broken
        )

    def _finish_current(self) -> None:
        assert self._current is not None
        assert self.path is not None
        self.truncated_bytes += self._current.truncated_bytes
        # One that was written anew while it was read is still to be read, unless that would never end.
        is_anew = self.is_live and self._is_replaced()
        self._current.close()
        self._finished[self.path] = None if is_anew else version_of(self.path)
        self._current = self.path = None

    def close(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None
