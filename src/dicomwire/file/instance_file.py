"""Files of instances that are written while their data set comes: under a temporary name until they are complete.

Nothing here knows of associations or event loops; a receiver in a thread of its own uses it as the event loop does.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import struct
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from dicomwire.dictionary import UID
from dicomwire.dictionary.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomwire.replacing import synchronize_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

FILE_MODE, FOLDER_MODE = 0o600, 0o700
BUFFERS_AT_ONCE = os.sysconf("SC_IOV_MAX") if hasattr(os, "sysconf") else 16
TEMPORARY_ENDING = ".part"
MOST_COPIES = 10_000  # of one name, with duplicates="number"

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_PREAMBLE = bytes(128) + b"DICM"
_MOST_FOLDERS = 4096  # that are remembered
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.EROFS, errno.ENOTSUP)  # of folders far above
_counter = itertools.count()
_synchronized: dict[str, None] = {}  # folders whose own names are on the disk
_token = secrets.token_hex(6)  # other processes may write into the same folder


class Duplicates(Enum):
    """What happens to an instance whose name another file has.

    KEEP      that file stays; what came is dropped, and answered with success
    REPLACE   that file is replaced in one step
    REFUSE    that file stays; what came is answered with status 0111H
    NUMBER    both stay; what came gets a number before its ending: "1.2.3-2.dcm"
    """

    KEEP = "keep"
    REPLACE = "replace"
    REFUSE = "refuse"
    NUMBER = "number"


def meta_around_instance(sop_class_uid: str, transfer_syntax: str, source_ae_title: str = "") -> tuple[bytes, bytes]:
    """Return the elements of `file_meta_information` in front of and behind the UID of the instance; the same errors.

    Neither preamble nor group length are among them.
    """
    return _around_instance(sop_class_uid, transfer_syntax, source_ae_title)


def file_meta_information(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str, source_ae_title: str = ""
) -> bytes:
    """Return what precedes the data set in a file: preamble, prefix and File Meta Information (PS3.10 section 7.1).

    UnicodeEncodeError for what is not ASCII, ValueError for what is longer than 64 characters (AE title: 16).
    """
    before, behind = _around_instance(sop_class_uid, transfer_syntax, source_ae_title)
    instance = _element(0x03, b"UI", sop_instance_uid)
    length = struct.pack("<I", len(before) + len(instance) + len(behind))
    return b"".join((_PREAMBLE, b"\x02\x00\x00\x00UL\x04\x00", length, before, instance, behind))


@lru_cache(256)
def _around_instance(sop_class_uid: str, transfer_syntax: str, source_ae_title: str) -> tuple[bytes, bytes]:
    """Return what is the same for all instances of a context: the elements before and behind their UID."""
    before = b"\x02\x00\x01\x00OB\0\0\x02\0\0\0\x00\x01" + _element(0x02, b"UI", sop_class_uid)
    behind = _element(0x10, b"UI", transfer_syntax) + _OURS
    if source_ae_title:
        behind += _element(0x16, b"AE", source_ae_title, b" ", 16)
    return before, behind


def _element(number: int, vr: bytes, text: str, padding: bytes = b"\0", longest: int = 64) -> bytes:
    value = text.encode("ascii")
    if len(value) > longest:
        raise ValueError(f"(0002,{number:04X}): at most {longest} characters expected, found {len(value)}")
    if len(value) & 1:
        value += padding
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


_OURS = _element(0x12, b"UI", UID(IMPLEMENTATION_CLASS_UID)) + _element(
    0x13, b"SH", IMPLEMENTATION_VERSION_NAME, b" ", 16
)


class FileWriter:
    """A file in the making: opened under a temporary name beside its place, renamed by `commit`.

    descriptor   of the file, to which others may write as well; -1 when it is closed
    has_replaced    after `commit`: there was a file of the name

    A process that is killed leaves at most a hidden file that ends in ".part".  OSError of the system for whatever does
    not work; the file must be discarded then.
    """

    __slots__ = ("_temporary", "descriptor", "has_replaced", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.has_replaced = False
        folder = path[: path.rfind("/") + 1]
        self._temporary = f"{folder}.{_token}-{os.getpid()}-{next(_counter)}{TEMPORARY_ENDING}"
        try:
            self.descriptor = os.open(self._temporary, _FLAGS, FILE_MODE)
        except FileNotFoundError:
            _forget(folder)
            os.makedirs(folder, FOLDER_MODE, exist_ok=True)
            self.descriptor = os.open(self._temporary, _FLAGS, FILE_MODE)

    @classmethod
    def of(cls, descriptor: int, temporary: str, path: str) -> FileWriter:
        """Go on with a file that somebody has opened under a temporary name, beside the path that it is to get."""
        writer = cls.__new__(cls)
        writer.descriptor, writer._temporary, writer.path = descriptor, temporary, path
        writer.has_replaced = False
        return writer

    def write(self, views: Sequence[Buffer]) -> None:
        """Write buffers in a row, none of them joined or copied; they are free again when this returns."""
        for at in range(0, len(views), BUFFERS_AT_ONCE):
            some = views[at : at + BUFFERS_AT_ONCE]
            left = sum(memoryview(view).nbytes for view in some)
            written = os.writev(self.descriptor, some)
            while written < left:
                # A disk that is nearly full, or a signal: go on behind what was written, and learn the reason.
                left -= written
                some = _behind(some, written)
                written = os.writev(self.descriptor, some)

    def commit(self, duplicates: Duplicates, *, fsync: bool = False) -> str | None:
        """Give the file its name and return it; None when the name was taken and the file is dropped.

        With `fsync` the file and its name are on the disk when this returns, and so are the names of its folders.
        """
        if fsync:
            os.fsync(self.descriptor)
        self._close()
        path = self._rename(duplicates)
        if fsync and path is not None:
            synchronize_names(path)
        return path

    def discard(self) -> None:
        """Remove what was written; nothing happens after a commit."""
        self._close()
        if self._temporary:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)
            self._temporary = ""

    def _rename(self, duplicates: Duplicates) -> str | None:
        if duplicates is Duplicates.REPLACE:
            if _link(self._temporary, self.path):
                self.discard()
            else:
                self.has_replaced = True
                os.replace(self._temporary, self.path)
                self._temporary = ""
            return self.path
        stem, ending = os.path.splitext(self.path)
        for number in range(1, MOST_COPIES + 1):
            path = self.path if number == 1 else f"{stem}-{number}{ending}"
            if _link(self._temporary, path):
                self.discard()
                return path
            if duplicates is not Duplicates.NUMBER:
                self.discard()
                return None
        raise FileExistsError(errno.EEXIST, f"{MOST_COPIES} files of this name")

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def synchronize_names(path: str) -> None:
    """Have the name of a file on the disk, and those of its folders, each of which is looked after once."""
    folder = os.path.dirname(path)
    synchronize_folder(folder)
    while folder not in _synchronized:
        above = os.path.dirname(folder)
        if above == folder:
            return
        try:
            synchronize_folder(above)
        except OSError as error:
            if error.errno in _NOT_OURS:
                return  # whoever may not read a folder has not made one in it
            raise
        _synchronized[folder] = None
        if len(_synchronized) > _MOST_FOLDERS:
            _synchronized.pop(next(iter(_synchronized)), None)
        folder = above


def _forget(folder: str) -> None:
    """A folder is not there, nor may those above it be: they will be made anew."""
    folder = folder.rstrip("/")
    while folder and not os.path.isdir(folder):
        _synchronized.pop(folder, None)
        folder = os.path.dirname(folder)


def _link(source: str, path: str) -> bool:
    """Give a file a further name; False, in one step with the check, when it is taken."""
    try:
        os.link(source, path, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without links: reserve the name, then take it.
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
        except FileExistsError:
            return False
        os.replace(source, path)
    return True


def _behind(views: Sequence[Buffer], written: int) -> list[Buffer]:
    rest: list[Buffer] = []
    for view in views:
        flat = memoryview(view).cast("B")
        if written < flat.nbytes:
            rest.append(flat[written:])
        written = max(0, written - flat.nbytes)
    return rest
