"""A frame index: where each frame lies, kept beside the file so that the next reader need not look for them.

The file of an index, all numbers little endian:

    8   magic "DWFRAMES"        2   version, 1          2   kind: 0 native, 1 encapsulated
    4   zeros                   8   size of the indexed file
    8   its time of modification in ns since 1970, -1 when it was not a file
    8   offset of the value of Pixel Data
    32  SHA-256 of the header: see _header_digest
    8   number of frames
    native:         8 offset, 8 length of all frames in bytes, 8 bits of a frame
    encapsulated:   8 number of pieces, n; n x 8 offsets; n x 8 lengths;
                    (frames + 1) x 8 number of the first piece of each frame, and n
    32  SHA-256 of everything before

It holds numbers only, nothing of the data set.  Damage is found by its own digest; as anybody can write that, no offset
is believed beyond the file that it is used with.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
from array import array

from _dicomwire.dataset import DataSet
from _dicomwire.ranges import ByteRanges
from dicomwire.errors import DecodeError, UnsupportedError
from dicomwire.pixel.encapsulated import FrameTable
from dicomwire.pixel.layout import EncapsulatedFrames, NativeFrames, pixel_element
from dicomwire.replacing import replacing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.pixel.frames import FrameReader, Source
    from dicomwire.pixel.layout import Extents

    Path = str | os.PathLike[str]

MAGIC = b"DWFRAMES"
VERSION = 1
ENDING = ".frames"
NATIVE, ENCAPSULATED = 0, 1
_HEAD = struct.Struct("<8sHHIQqQ32sQ")
_NATIVE = struct.Struct("<QQQ")
_PIECES = struct.Struct("<Q")
_DIGEST = 32
_MOST_BYTES = 1 << 30  # of an index
_DIGESTED = 65536  # bytes of the header's beginning, and of its end


class FileIdentity:
    """What tells one file from another without a word of what is in it."""

    __slots__ = ("digest", "modified_ns", "pixels_at", "size")

    def __init__(self, size: int, modified_ns: int | None, pixels_at: int, digest: bytes) -> None:
        self.size = size
        self.modified_ns = modified_ns
        self.pixels_at = pixels_at
        self.digest = digest


class FrameIndex:
    """The extents of all frames of one file.  ``build`` finds them, ``save`` and ``load`` keep them.

    It belongs to a file by its size, time of modification and a digest of its header; another file, or the same one
    rewritten, is refused.
    """

    __slots__ = ("identity", "layout")

    def __init__(self, layout: NativeFrames | EncapsulatedFrames, identity: FileIdentity) -> None:
        self.layout = layout
        self.identity = identity

    @classmethod
    def build(cls, source: Source | FrameReader) -> FrameIndex:
        """An index of the frames of a path, bytes, file object, data set or FrameReader; walks all fragments.

        Raises as FrameReader does, and UnsupportedError for a deflated data set: nothing can be read out of its middle.
        """
        from dicomwire.pixel.frames import FrameReader

        reader = source if isinstance(source, FrameReader) else FrameReader(source)
        return reader.build_index()

    @classmethod
    def of_layout(cls, data_set: DataSet, layout: NativeFrames | EncapsulatedFrames) -> FrameIndex:
        """An index of frames that were found in this data set."""
        return cls(layout, identify(data_set))

    def __len__(self) -> int:
        return len(self.layout)

    def extents(self, number: int) -> Extents:
        """Offset and length in bytes of each piece of frame ``number``, absolute in the file."""
        if not 0 <= number < len(self):
            raise IndexError("frame number out of range")
        return self.layout.extents(number)

    def bit_offset(self, number: int) -> int:
        """Bits of the first byte that belong to the frame before (PS3.5 section 8.1.1)."""
        return self.layout.bit_offset(number)

    @property
    def is_encapsulated(self) -> bool:
        return not isinstance(self.layout, NativeFrames)

    def check(self, data_set: DataSet) -> None:
        """Return if the index is of the file that this data set was read from; raises DecodeError if not."""
        mine, other = self.identity, identify(data_set)
        if mine.size != other.size:
            raise DecodeError(f"the frame index is of a file of {mine.size} bytes, this one has {other.size}")
        if (mine.pixels_at, mine.digest) != (other.pixels_at, other.digest):
            raise DecodeError("the frame index is of another file: its header differs")
        if mine.modified_ns != other.modified_ns and mine.modified_ns is not None and other.modified_ns is not None:
            raise DecodeError("the file was modified after its frame index was built")

    def save(self, path: Path) -> None:
        """Write the index to a file, in place of one that is there; by custom the file's name and ".frames"."""
        with replacing(path) as temporary, open(temporary, "xb") as file:
            file.write(self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> FrameIndex:
        """Read an index that was saved.

        Raises DecodeError for what is no index or a damaged one, UnsupportedError for one of a later version.
        """
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _MOST_BYTES:
                raise DecodeError(f"this is no frame index: it has {size} bytes, expected {_MOST_BYTES} at most")
            return cls.from_bytes(file.read(_MOST_BYTES))

    def to_bytes(self) -> bytes:
        """The index as the bytes of its file."""
        identity, layout = self.identity, self.layout
        kind = ENCAPSULATED if self.is_encapsulated else NATIVE
        modified = -1 if identity.modified_ns is None else identity.modified_ns
        parts = [
            _HEAD.pack(MAGIC, VERSION, kind, 0, identity.size, modified, identity.pixels_at, identity.digest, len(self))
        ]
        if isinstance(layout, NativeFrames):
            parts.append(_NATIVE.pack(layout.offset, layout.length, layout.frame_bits))
        else:
            table = layout.table
            parts.append(_PIECES.pack(len(table.offsets)))
            parts.extend(_little(numbers).tobytes() for numbers in (table.offsets, table.lengths, table.first))
        body = b"".join(parts)
        return body + hashlib.sha256(body).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> FrameIndex:
        """The index that ``to_bytes`` wrote; raises as ``load`` does."""
        if len(data) < _HEAD.size + _DIGEST or data[:8] != MAGIC:
            raise DecodeError("this is no frame index", offset=0)
        _, version, kind, zeros, size, modified, pixels_at, digest, count = _HEAD.unpack_from(data)
        if version != VERSION:
            raise UnsupportedError(f"frame index of version {version}, this is version {VERSION}", what="frame index")
        if hashlib.sha256(memoryview(data)[:-_DIGEST]).digest() != data[-_DIGEST:]:
            raise DecodeError("the frame index is damaged: its digest differs", offset=len(data) - _DIGEST)
        if kind not in (NATIVE, ENCAPSULATED) or zeros or pixels_at > size or modified < -1:
            raise DecodeError("the frame index is damaged: its head makes no sense", offset=8)
        body = memoryview(data)[_HEAD.size : -_DIGEST]
        layout = _native(body, count, size) if kind == NATIVE else _encapsulated(body, count, pixels_at, size)
        return cls(layout, FileIdentity(size, None if modified == -1 else modified, pixels_at, digest))

    def __eq__(self, other: object) -> bool:
        return self.to_bytes() == other.to_bytes() if isinstance(other, FrameIndex) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<FrameIndex: {len(self)} frames>"


class IndexedFrames(EncapsulatedFrames):
    """Frames as an index file has them: every stretch is checked against the file when it is asked for."""

    __slots__ = ("_begin", "_end")

    def __init__(self, table: FrameTable, begin: int, end: int) -> None:
        super().__init__(table)
        self._begin = begin
        self._end = end

    def extents(self, number: int) -> Extents:
        first = self.table.first
        if not first[number] < first[number + 1] <= len(self.table.offsets):
            raise DecodeError(f"the frame index is damaged: frame {number} has no pieces")
        found = self.table.extents(number)
        for offset, length in found:
            if offset < self._begin or offset > self._end or length > self._end - offset:
                raise DecodeError(f"the frame index is damaged: frame {number} passes the pixel data", offset=offset)
        return found


def identify(data_set: DataSet) -> FileIdentity:
    """What tells the file of a data set from others."""
    element = pixel_element(data_set)
    ranges = ByteRanges(element)
    size = ranges.size
    if size is None or _is_deflated(data_set):
        raise UnsupportedError("frames of a deflated data set cannot be indexed", what="frame index")
    modified = None
    if isinstance(data_set.filename, (str, os.PathLike)) and os.path.isfile(data_set.filename):
        status = os.stat(data_set.filename)
        if status.st_size == size:
            modified = status.st_mtime_ns
    return FileIdentity(size, modified, element.offset, _header_digest(ranges, element.offset))


def _header_digest(ranges: ByteRanges, end: int) -> bytes:
    """SHA-256 of the bytes before the value of Pixel Data; of a long header its first and last 64 KiB."""
    digest = hashlib.sha256(ranges.view(0, min(end, _DIGESTED)))
    begin = max(_DIGESTED, end - _DIGESTED)
    if begin < end:
        digest.update(ranges.view(begin, end - begin))
    return digest.digest()


def _is_deflated(data_set: DataSet) -> bool:
    from dicomwire.dictionary.transfer_syntax import transfer_syntax

    known = transfer_syntax(data_set.transfer_syntax or "")
    return known is not None and known.deflated


def _native(body: memoryview, count: int, size: int) -> NativeFrames:
    if len(body) != _NATIVE.size:
        raise DecodeError("the frame index is damaged: it has a wrong length", offset=_HEAD.size)
    offset, length, bits = _NATIVE.unpack(body)
    if offset > size or length > size - offset or not bits or count > -(-length * 8 // bits):
        raise DecodeError("the frame index is damaged: its frames pass the file", offset=_HEAD.size)
    return NativeFrames(offset, length, bits, count)


def _encapsulated(body: memoryview, count: int, begin: int, end: int) -> IndexedFrames:
    pieces = _PIECES.unpack_from(body)[0] if len(body) >= 8 else 0
    if len(body) != 8 + 16 * pieces + 8 * (count + 1):
        raise DecodeError("the frame index is damaged: it has a wrong length", offset=_HEAD.size)
    numbers = [array("Q"), array("Q"), array("Q")]
    position = 8
    for part, length in zip(numbers, (pieces, pieces, count + 1), strict=True):
        part.frombytes(body[position : position + 8 * length])
        position += 8 * length
    offsets, lengths, first = map(_little, numbers)
    if first[0] != 0 or first[-1] != pieces:
        raise DecodeError("the frame index is damaged: frames and pieces do not fit", offset=_HEAD.size)
    return IndexedFrames(FrameTable(offsets, lengths, first), begin, end)


def _little(numbers: array[int]) -> array[int]:
    """The numbers in little endian order; the same object where the machine has that order."""
    if sys.byteorder == "little":
        return numbers
    swapped = array("Q", numbers)
    swapped.byteswap()
    return swapped
