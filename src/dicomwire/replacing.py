"""Files that take their name only when they are complete."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager

from _dicomwire.naming import open_beside, rename_new

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_IS_THERE = "the file is there already, and overwrite is False"
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


class replacing_file:
    """Give the descriptor of a new file, which has the name ``path`` at the end of the block, with an older one's mode.

    overwrite       False: FileExistsError where there is a file of that name, also if it came in the meantime
    synchronize     the data are on the disk before the name is, and the name before the block is left

    A link is followed.  What is no regular file, a pipe or a device, is written to as it is.  An exception, of whatever
    kind, leaves no file behind and an older one as it was; a process that is killed leaves at most a hidden file that
    ends in ".part".  A class, since a generator takes longer than the system calls.
    """

    __slots__ = ("_descriptor", "_name", "_overwrite", "_synchronize", "_temporary")

    def __init__(
        self, path: str | os.PathLike[str], *, overwrite: bool = True, synchronize: bool = False
    ) -> None:
        self._name = os.fspath(path)
        self._overwrite = overwrite
        self._synchronize = synchronize
        self._temporary: str | None = None

    def __enter__(self) -> int:
        name = self._name
        mode = _NEW
        begun = open_beside(name, only_missing=True)
        if begun is None:
            mode = os.lstat(name).st_mode
            if stat.S_ISLNK(mode):
                try:
                    mode = os.stat(name).st_mode
                except FileNotFoundError:
                    mode = stat.S_IFREG | _NEW  # the link leads nowhere yet
                if stat.S_ISREG(mode):
                    name = self._name = os.path.realpath(name)
            if not stat.S_ISREG(mode):
                self._descriptor = os.open(name, os.O_WRONLY | _CLOSE_ON_EXEC)
                return self._descriptor
            if not self._overwrite and os.path.lexists(name):
                raise FileExistsError(errno.EEXIST, _IS_THERE, name)
            begun = open_beside(name)
            assert begun is not None
        self._descriptor, self._temporary = begun
        if mode != _NEW and stat.S_IMODE(mode) != _NEW:
            try:
                os.fchmod(self._descriptor, stat.S_IMODE(mode))
            except BaseException:
                self._give_up()
                raise
        return self._descriptor

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if self._temporary is None:
            os.close(self._descriptor)
            return
        if kind is not None:
            self._give_up()
            return
        try:
            if self._synchronize:
                os.fsync(self._descriptor)
        except BaseException:
            self._give_up()
            raise
        try:
            os.close(self._descriptor)
            if self._overwrite:
                os.replace(self._temporary, self._name)
            else:
                _take_name(self._temporary, self._name)
        except BaseException:
            if os.path.exists(self._temporary):
                os.remove(self._temporary)
            raise
        if self._synchronize:
            synchronize_folder(os.path.dirname(self._name))

    def _give_up(self) -> None:
        assert self._temporary is not None
        try:
            os.close(self._descriptor)
        finally:
            if os.path.exists(self._temporary):
                os.remove(self._temporary)


def _take_name(temporary: str, name: str) -> None:
    """Rename unless there is a file of that name by now."""
    if rename_new(temporary, name):
        return
    try:
        os.link(temporary, name)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(name):
            raise FileExistsError(errno.EEXIST, _IS_THERE, name) from None
        os.rename(temporary, name)
    else:
        os.unlink(temporary)


def synchronize_folder(folder: str) -> None:
    """Have the names in a folder on the disk; an empty text is the present one."""
    descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | _CLOSE_ON_EXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
