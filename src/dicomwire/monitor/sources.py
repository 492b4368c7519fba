"""Where packets come from: capture files, pipes, file objects, interfaces, and files that somebody else still writes.

`open_source` finds out which.  Every source is used the same way::

    with open_source("traffic.pcap") as source:
        while (filled := source.fill()) is not Filled.ENDED:
            while table.run(source.packets):       # a FlowTable; True when its sink has something to fetch
                ...
            if source.is_live and filled is Filled.SILENT:
                table.advance(time.time_ns())
    while table.finish():
        ...
"""

from __future__ import annotations

import errno
import glob
import os
import socket
from pathlib import Path

from dicomwire.monitor.files import DescriptorSource, ObjectSource, open_file
from dicomwire.monitor.following import FileSetSource
from dicomwire.monitor.live import open_interface
from dicomwire.monitor.packets import Filled, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.monitor.files import Readable

__all__ = ["Filled", "Source", "open_source"]

STANDARD_INPUT = 0


def is_interface(name: str) -> bool:
    """Whether a name is that of an interface of this machine, or ``any``."""
    return name == "any" or name in (known for _, known in socket.if_nameindex())


def open_source(
    source: str | os.PathLike[str] | Readable,
    *,
    follow: bool = False,
    promiscuous: bool = False,
    ring_blocks: int = 64,
) -> Source:
    """Open what ``source`` is: ``-`` for standard input, a capture file (also one compressed by gzip), a folder or
    pattern of them, an interface, or an object with ``readinto``.

    ``follow`` goes on with what is written to files later, and never ends.  Of an interface, ``promiscuous`` asks for
    packets to other machines and ``ring_blocks`` for so many MiB between the kernel and us.  A file has precedence
    over an interface of its name.  Raises OSError where there is neither, PermissionError where capturing is not
    allowed.
    """
    if source == "-":
        return DescriptorSource(STANDARD_INPUT, "-", close=False)
    if not isinstance(source, (str, os.PathLike)):
        return ObjectSource(source, str(getattr(source, "name", type(source).__name__)))
    path = Path(source)
    if path.is_dir():
        return FileSetSource(str(path / "*"), follow=follow)
    if not path.exists():
        name = os.fspath(source)
        if is_interface(name):
            return open_interface(name, promiscuous=promiscuous, blocks=ring_blocks)
        if glob.has_magic(name):
            return FileSetSource(name, follow=follow)
        if not follow:
            raise FileNotFoundError(errno.ENOENT, "neither a file nor an interface of this machine", name)
    if follow:
        return FileSetSource(glob.escape(os.fspath(source)), follow=True)
    return open_file(path)
