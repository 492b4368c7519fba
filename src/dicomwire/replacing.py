"""Files that take their name only when they are complete."""

from __future__ import annotations

import itertools
import os
import stat
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_counter = itertools.count()
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_NEW = 0o666  # mode of a new file, before the umask


def temporary_name(path: str | os.PathLike[str]) -> str:
    """The name, beside ``path``, of a file that is to take its place; hidden, and of this process."""
    folder, name = os.path.split(os.fspath(path))
    return os.path.join(folder, f".{name}.{os.getpid()}.part")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Give the name under which to write; at the end of the block that file takes the place of ``path``.

    An exception, of whatever kind, leaves no file behind and an older one as it was.
    """
    temporary = temporary_name(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


@contextmanager
def replacing_file(
    path: str | os.PathLike[str], *, overwrite: bool = True, synchronize: bool = False
) -> Iterator[int]:
    """Give the descriptor of a new file, which has the name ``path`` at the end of the block, with an older one's mode.

    overwrite       False: FileExistsError where there is a file of that name, also if it came in the meantime
    synchronize     the data are on the disk before the name is, and the name before this returns

    A link is followed.  What is no regular file, a pipe or a device, is written to as it is.  An exception, of whatever
    kind, leaves no file behind and an older one as it was; a process that is killed leaves at most a hidden file that
    ends in ".part".
    """
    name = os.fspath(path)
    try:
        older: os.stat_result | None = os.lstat(name)
    except FileNotFoundError:
        older = None
    if older is not None and stat.S_ISLNK(older.st_mode):
        older = os.stat(name) if os.path.exists(name) else None
        if older is None or stat.S_ISREG(older.st_mode):
            name = os.path.realpath(name)
    if older is not None and not stat.S_ISREG(older.st_mode):
        descriptor = os.open(name, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        return
    if older is not None and not overwrite:
        raise FileExistsError(17, "the file is there, and overwrite is False", name)
    folder, last = os.path.split(name)
    # A name may be as long as the file system allows; the temporary one is not to be longer.
    temporary = os.path.join(folder, f".{last[:100]}.{os.getpid()}-{next(_counter)}.part")
    descriptor = os.open(temporary, _FLAGS, _NEW)
    try:
        try:
            if older is not None and stat.S_IMODE(older.st_mode) != _NEW:
                os.fchmod(descriptor, stat.S_IMODE(older.st_mode))
            yield descriptor
            if synchronize:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if overwrite:
            os.replace(temporary, name)
        else:
            _take_name(temporary, name)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise
    if synchronize:
        _synchronize_folder(folder or ".")


def _take_name(temporary: str, name: str) -> None:
    """Rename unless there is a file of that name by now."""
    from _dicomwire.splice import rename_new

    if rename_new(temporary, name):
        return
    try:
        os.link(temporary, name)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(name):
            raise FileExistsError(17, "the file is there, and overwrite is False", name) from None
        os.rename(temporary, name)
    else:
        os.unlink(temporary)


def _synchronize_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
