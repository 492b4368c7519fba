"""Files that take their name only when they are complete."""

from __future__ import annotations

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


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
