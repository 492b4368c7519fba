"""Where things stand that views do not tell: extents of items, and parts of long values without reading all of them."""

from __future__ import annotations

import os

from _dicomwire.dataset import DataElement, DataSet, Sequence
from _dicomwire.fragments import Fragments
from dicomwire.errors import TruncatedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

UNDEFINED_LENGTH = 1  # of the flags of a tape entry
ITEM = 0xFFFEE000
AT_ONCE = 65536  # bytes of a value that are read at once; longer ones come in pieces of a multiple of 24 bytes
PIECE = 49152


class ItemExtents:
    """Offset, length and kind of length of the items of sequences, from the tapes that hold them.

    Each tape is listed once, when the outermost sequence on it is met; what it says of the sequences inside is kept
    until they are asked for, in the order of a walk.
    """

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[int, int, bool]]] = {}

    def of(self, element: DataElement, sequence: Sequence) -> list[tuple[int, int, bool]]:
        """(offset, length, undefined) of each item of a sequence, in bytes of the source."""
        found = self._known.pop(element.offset, None)
        if found is not None or len(sequence) == 0:
            return found or []
        extents = []
        for item in sequence:
            entries = item.tape()
            first = entries[0]
            # An item that got a tape of its own is its root, which has the flag as well.
            extents.append((first[5], first[6], bool(first[4] & UNDEFINED_LENGTH)))
            self._note(entries)
        return extents

    def _note(self, entries: list[tuple[int, int, str, int, int, int, int, int, int]]) -> None:
        """Keep the extents of the items of all sequences inside an item."""
        base = entries[0][0]
        for _, tag, _, _, flags, offset, length, _, parent in entries[1:]:
            if tag == ITEM:
                holder = entries[parent - base]
                self._known.setdefault(holder[5], []).append((offset, length, bool(flags & UNDEFINED_LENGTH)))


class Values:
    """Parts of encoded values.  Long ones of a plain file are read from it, so that they are never in memory whole."""

    def __init__(self, data_set: DataSet, path: str | None) -> None:
        """``path``: the file, when it can be read again; None for standard input and for bytes."""
        uid = data_set.file_meta.get("TransferSyntaxUID")
        syntax = getattr(uid, "transfer_syntax", None)
        inflated = syntax is not None and syntax.deflated
        self._path = path if path is not None and not inflated and os.path.isfile(path) else None
        self._file: BinaryIO | None = None

    def start(self, element: DataElement, count: int) -> bytes:
        """The first ``count`` bytes of an element's value, or all of a shorter one."""
        return self._part(element, element.offset, element.length, 0, count)

    def pieces(self, element: DataElement) -> Iterator[bytes]:
        """The bytes of an element's value, piece by piece."""
        return self._pieces(element, element.offset, element.length)

    def fragment_start(self, fragments: Fragments, number: int, count: int) -> bytes:
        """The first ``count`` bytes of a fragment, or all of a shorter one."""
        offset, length = fragments.extent(number)
        return self._part((fragments, number), offset, length, 0, count)

    def fragment_pieces(self, fragments: Fragments, number: int) -> Iterator[bytes]:
        """The bytes of a fragment, piece by piece."""
        return self._pieces((fragments, number), *fragments.extent(number))

    def _pieces(self, of: DataElement | tuple[Fragments, int], offset: int, length: int) -> Iterator[bytes]:
        for start in range(0, length, PIECE):
            yield self._part(of, offset, length, start, PIECE)

    def _part(
        self, of: DataElement | tuple[Fragments, int], offset: int, length: int, start: int, count: int
    ) -> bytes:
        count = min(count, length - start)
        if self._path is None or length <= AT_ONCE:
            view = of.raw if isinstance(of, DataElement) else of[0][of[1]]
            return bytes(view[start : start + count])
        if self._file is None:
            self._file = open(self._path, "rb")  # noqa: SIM115  it stays open for all values; see close()
        self._file.seek(offset + start)
        data = self._file.read(count)
        if len(data) < count:
            raise TruncatedError(f"value needs {length} bytes, the file became shorter", offset=offset)
        return data

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._file is not None:
            self._file.close()
            self._file = None
