"""Writing bodies of several parts: buffers one after the other, and never a whole instance (PS3.18 section 8.6.1.2)."""

from __future__ import annotations

import io
import os
import re
import secrets
from collections.abc import Mapping, Sequence

from dicomwire.errors import EncodeError
from dicomwire.streaming.forward import CHUNK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Any

    Buffer = bytes | bytearray | memoryview
    Content = str | os.PathLike[str] | Buffer | IO[bytes] | Iterable[Buffer]

# RFC 2046 section 5.1.1; what is not a token of RFC 2045 needs quotes in the Content-Type.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_READ = CHUNK * 4


class MultipartBody:
    """The buffers of a multipart body, by iteration, once where a part can be read once.

    ``content_length`` is the number of bytes of all of it, or None where a part does not tell its size before.
    Raises EncodeError where a part has other bytes than it had, or holds the boundary.
    """

    def __init__(self, parts: Iterable[object], boundary: str, part_type: str, *, is_given: bool) -> None:
        self._parts = parts
        self._boundary = boundary.encode("ascii")
        self._part_type = part_type
        self._is_given = is_given
        self._sizes: list[int] | None = None
        self.content_length = self._length()

    def __iter__(self) -> Iterator[Buffer]:
        first = True
        for number, part in enumerate(self._parts):
            content, header = self._content_and_header(part)
            yield (b"" if first else b"\r\n") + b"--" + self._boundary + b"\r\n" + header
            first = False
            size = None if self._sizes is None else self._sizes[number]
            given = 0
            buffers = _buffers(content)
            for buffer in self._without_boundary(buffers) if self._is_given else buffers:
                given += len(buffer)
                if size is not None and given > size:
                    break
                yield buffer
            if size is not None and given != size:
                raise EncodeError(f"part {number} gave {given} bytes, it had {size} when the length was told")
        yield (b"" if first else b"\r\n") + b"--" + self._boundary + b"--\r\n"

    def _length(self) -> int | None:
        if not isinstance(self._parts, Sequence):
            return None
        sizes = []
        total = len(self._boundary) + 6
        for number, part in enumerate(self._parts):
            content, header = self._content_and_header(part)
            size = _size(content)
            if size is None:
                return None
            sizes.append(size)
            total += (4 if number == 0 else 6) + len(self._boundary) + len(header) + size
        self._sizes = sizes
        return total + (2 if sizes else 0)

    def _content_and_header(self, part: Any) -> tuple[Content, bytes]:
        fields: Mapping[str, str] = {}
        if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], Mapping):
            fields, part = part
        lines = [] if any(name.lower() == "content-type" for name in fields) else [f"Content-Type: {self._part_type}"]
        for name, value in fields.items():
            if not _TOKEN.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
                raise ValueError("a header field has a name or value that cannot stand in a header")
            lines.append(f"{name}: {value}")
        return part, "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"

    def _without_boundary(self, buffers: Iterator[Buffer]) -> Iterator[Buffer]:
        """The same buffers; an error where the boundary is in them or across their borders."""
        mark = b"\r\n--" + self._boundary
        end = b"\r\n"  # what stands before the part
        for buffer in buffers:
            data = bytes(buffer) if isinstance(buffer, memoryview) else buffer
            if mark in data or mark in end + data[: len(mark) - 1]:
                raise EncodeError("a part holds the boundary", section="RFC 2046 5.1.1")
            end = (end + data[-len(mark) + 1 :])[-len(mark) + 1 :]
            yield buffer


def _size(content: Content) -> int | None:
    """Bytes of a part's content, where that can be told without reading."""
    if isinstance(content, (bytes, bytearray)):
        return len(content)
    if isinstance(content, memoryview):
        return content.nbytes
    if isinstance(content, (str, os.PathLike)):
        return os.stat(content).st_size
    file: Any = content
    if hasattr(file, "seekable") and file.seekable():
        at = file.tell()
        size = file.seek(0, io.SEEK_END) - at
        file.seek(at)
        return int(size)
    return None


def _buffers(content: Content) -> Iterator[Buffer]:
    if isinstance(content, (bytes, bytearray)):
        yield content
    elif isinstance(content, memoryview):
        yield content.cast("B")
    elif isinstance(content, (str, os.PathLike)):
        with open(content, "rb", buffering=0) as file:
            while data := file.read(_READ):
                yield data
    elif hasattr(content, "read"):
        while data := content.read(_READ):
            if not isinstance(data, bytes):
                raise TypeError("the file object must be opened in binary mode")
            yield data
    else:
        for buffer in content:
            if not isinstance(buffer, (bytes, bytearray, memoryview)):
                raise TypeError(f"expected buffers, found {type(buffer).__name__}")
            yield buffer.cast("B") if isinstance(buffer, memoryview) else buffer


def write_multipart(
    parts: Iterable[Content | tuple[Mapping[str, str], Content]],
    boundary: str | None = None,
    *,
    part_type: str = "application/dicom",
) -> tuple[str, MultipartBody]:
    """Content-Type and body of a multipart/related message; the body is an iterable of buffers.

    ``parts``: paths, bytes-like objects, binary file objects from where they stand, or iterables of buffers; also a
    tuple of header fields and one of these.  ``boundary``: by default one of its own, too random to be in any part;
    one that is given is looked for in the parts while they are written.  ``part_type``: the Content-Type of parts
    whose fields name none.

    ``body.content_length`` is known when ``parts`` is a sequence and all sizes can be told.  Nothing is opened before
    its turn.  Raises ValueError for a boundary or field that cannot be written.
    """
    is_given = boundary is not None
    if boundary is None:
        boundary = secrets.token_hex(24)
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError("a boundary has 1 to 70 characters of those in RFC 2046 section 5.1.1")
    if not _FIELD_VALUE.fullmatch(part_type) or '"' in part_type:
        raise ValueError("part_type cannot stand in a header")
    quoted = boundary if _TOKEN.fullmatch(boundary) else f'"{boundary}"'
    content_type = f'multipart/related; type="{part_type.partition(";")[0].strip()}"; boundary={quoted}'
    return content_type, MultipartBody(parts, boundary, part_type, is_given=is_given)
