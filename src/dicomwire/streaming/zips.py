"""Members of a zip file: by its central directory where the file can be sought in, else by the headers before them.

.ZIP File Format Specification (APPNOTE), sections 4.3 to 4.5.
"""

from __future__ import annotations

import struct
import zlib

from dicomwire.errors import DecodeError, TruncatedError, UnsupportedError
from dicomwire.streaming.forward import CHUNK, ForwardReader, Unpacker, bzip2_decoder, deflate_decoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dicomwire.streaming.forward import Budget

    Entry = tuple[str, int | None, Callable[[int], bytes]]
    ReadAt = Callable[[int, int], bytes]

LOCAL, CENTRAL, END, END_64, LOCATOR_64 = b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"
DESCRIPTOR, EXTRA_DATA, SPANNED = b"PK\7\x08", b"PK\6\x08", b"PK00"
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END_64 = struct.Struct("<4sQHHIIQQQQ")
_ENCRYPTED, _HAS_DESCRIPTOR, _IS_UTF8 = 1, 8, 0x800
_STORED = 0
_DECODERS = {8: deflate_decoder, 12: bzip2_decoder}
_MOST_COMMENT = 65535


class _Header:
    """What a header of either kind says about a member; sizes None where it leaves them to the descriptor."""

    __slots__ = ("crc", "flags", "method", "name", "offset", "packed_size", "size")

    def __init__(self, name: bytes, flags: int, method: int) -> None:
        self.name = name.decode("utf-8" if flags & _IS_UTF8 else "cp437", "surrogateescape")
        self.flags = flags
        self.method = method
        self.crc = 0
        self.packed_size: int | None = None
        self.size: int | None = None
        self.offset = 0


class _Body:
    """The data of one member, checked against its header when they end."""

    __slots__ = ("_budget", "_crc", "_given", "_header", "_left", "_reader", "_unpacker", "is_done")

    def __init__(self, header: _Header, reader: ForwardReader, budget: Budget) -> None:
        self._header = header
        self._reader = reader
        self._budget = budget
        self._left = header.packed_size
        self._crc = 0
        self._given = 0
        self.is_done = False
        self._unpacker: Unpacker | None = None

    def pull(self, most: int) -> bytes:
        if self.is_done:
            return b""
        header = self._header
        if self._unpacker is None:
            if header.flags & _ENCRYPTED:
                raise UnsupportedError("the member is encrypted", what="encryption")
            if header.method != _STORED:
                if header.method not in _DECODERS:
                    raise UnsupportedError(f"compression method {header.method} of zip is not read", what="compression")
                # A packed size that is known ends the input, so that a damaged member does not run into the next.
                limited = self._reader if self._left is None else ForwardReader(self._packed)
                self._unpacker = Unpacker(limited, _DECODERS[header.method], self._budget)
        if self._unpacker is not None:
            data = self._unpacker.read(most)
        else:
            data = self._take(most)
            self._budget.add(len(data), len(data))
        self._crc = zlib.crc32(data, self._crc)
        self._given += len(data)
        if header.size is not None and self._given > header.size:
            raise DecodeError(f"a member has more bytes than its header says, {header.size}",
                              offset=self._reader.position)  # fmt: skip
        if not data:
            self._end()
        return data

    def finish(self) -> None:
        """Step over what nobody has read, to what follows the member."""
        header = self._header
        if header.packed_size is None:
            while self.pull(CHUNK):
                pass
        else:
            self._reader.skip(self._left or 0, "a member")
            self._left = 0
            if header.flags & _HAS_DESCRIPTOR and not self.is_done:
                self._skip_descriptor(header.packed_size)

    def _packed(self) -> bytes:
        return self._take(CHUNK)

    def _take(self, most: int) -> bytes:
        assert self._left is not None
        if not self._left:
            return b""
        data = self._reader.some(min(most, self._left))
        if not data:
            raise TruncatedError(f"a member needs {self._left} more bytes, none are left", offset=self._reader.position)
        self._left -= len(data)
        return data

    def _end(self) -> None:
        self.is_done = True
        header = self._header
        crc = header.crc
        if header.flags & _HAS_DESCRIPTOR:
            if self._left:
                self._reader.skip(self._left, "a member")
                self._left = 0
            taken = header.packed_size
            if taken is None:
                taken = self._unpacker.taken if self._unpacker is not None else 0
            crc = self._skip_descriptor(taken)
        if header.size is not None and self._given != header.size:
            raise DecodeError(f"a member has {self._given} bytes, its header says {header.size}",
                              offset=self._reader.position)  # fmt: skip
        if crc != self._crc:
            raise DecodeError("the checksum of a member does not fit its bytes", offset=self._reader.position)

    def _skip_descriptor(self, taken: int) -> int:
        """Step over the data descriptor behind a member; its CRC (APPNOTE section 4.3.9).

        It may begin with a signature or not, and have sizes of 32 or 64 bits: the one that fits what was read, and has
        a signature behind it, is it.
        """
        reader = self._reader
        start = reader.peek(28)
        for begin in (4, 0) if start[:4] == DESCRIPTOR else (0,):
            for form in ("<III", "<IQQ"):
                size = struct.calcsize(form)
                if len(start) < begin + size:
                    continue
                crc, packed_size, given = struct.unpack_from(form, start, begin)
                known = self._given if self._header.size is None else self._header.size
                mask = 0xFFFFFFFF if form == "<III" else -1
                fits = packed_size == taken & mask and given == known & mask
                if fits and start[begin + size :][:2] in (b"PK", b""):
                    reader.exactly(begin + size, "a data descriptor")
                    return int(crc)
        raise DecodeError("the data descriptor behind a member does not fit it", offset=reader.position)


# ------------------------------------------------------------------------------------------------- by the headers


def entries_forward(reader: ForwardReader, budget: Budget) -> Iterator[Entry | None]:
    """(name, size, pull) of each file as the headers before them say, and None for each folder."""
    if reader.peek(4) in (SPANNED, DESCRIPTOR):
        reader.exactly(4, "a signature")  # of archives that were split, or might have been
    while True:
        at = reader.position
        signature = reader.peek(4)
        if signature in (CENTRAL, END, END_64, EXTRA_DATA):
            return
        if signature != LOCAL:
            if len(signature) < 4:
                raise TruncatedError("the zip file ends before its directory", offset=at)
            raise DecodeError("neither a header nor the directory of a zip file", offset=at)
        (_, _, flags, method, _, _, crc, packed_size, size, name_size, extra_size) = _LOCAL.unpack(
            reader.exactly(_LOCAL.size, "the header of a member")
        )
        header = _Header(reader.exactly(name_size, "a name"), flags, method)
        extra = reader.exactly(extra_size, "extra fields")
        size, packed_size = _wide(extra, at, size, packed_size)
        if flags & _HAS_DESCRIPTOR and not packed_size and not (method == _STORED and _is_empty(reader)):
            _refuse_endless(header, at)
            yield from _one(header, reader, budget)
            continue
        header.crc = crc
        header.packed_size = packed_size
        header.size = size if size or not packed_size else None
        yield from _one(header, reader, budget)


def _one(header: _Header, reader: ForwardReader, budget: Budget) -> Iterator[Entry | None]:
    body = _Body(header, reader, budget)
    if header.name.endswith("/"):
        yield None
    else:
        yield header.name, header.size, body.pull
    body.finish()


def _is_empty(reader: ForwardReader) -> bool:
    """Whether a descriptor of no bytes comes next, as folders may have."""
    start = reader.peek(28)
    for nothing in (DESCRIPTOR + bytes(12), DESCRIPTOR + bytes(20), bytes(12), bytes(20)):
        if start.startswith(nothing) and start[len(nothing) :][:4] in (LOCAL, CENTRAL):
            return True
    return False


def _refuse_endless(header: _Header, offset: int) -> None:
    if header.method not in _DECODERS or header.flags & _ENCRYPTED:
        what = "encrypted" if header.flags & _ENCRYPTED else "stored" if header.method == _STORED else "packed"
        raise UnsupportedError(
            f"a member is {what} and its size stands behind it: its end cannot be told from the front "
            f"(offset {offset}; APPNOTE 4.4.4 bit 3); read the zip file from where it can be sought in",
            what="forward",
        )


def _wide(extra: bytes, offset: int, *values: int) -> tuple[int, ...]:
    """The values with those of all ones replaced by the 64-bit ones of the extra field (APPNOTE section 4.5.3)."""
    if 0xFFFFFFFF not in values:
        return values
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + size]
            wide = [int.from_bytes(field[i : i + 8], "little") for i in range(0, len(field) - 7, 8)]
            found = []
            for value in values:
                if value == 0xFFFFFFFF:
                    if not wide:
                        break
                    value = wide.pop(0)
                found.append(value)
            else:
                return tuple(found)
        at += 4 + size
    raise DecodeError("a header has no 64-bit sizes where it needs them", offset=offset)


# ------------------------------------------------------------------------------------------- by the central directory


def entries_by_directory(read_at: ReadAt, size: int, budget: Budget) -> Iterator[Entry | None]:
    """(name, size, pull) of each file in the order of the central directory, and None for each folder.

    ``read_at(offset, length)`` reads the archive, which has ``size`` bytes.
    """
    begin, end, shift = _directory(read_at, size)
    directory = _region(read_at, begin, end)
    while begin + directory.position < end:
        at = begin + directory.position
        (signature, _, _, flags, method, _, _, crc, packed_size, full_size, name_size, extra_size, comment_size,
         _, _, _, offset) = _CENTRAL.unpack(directory.exactly(_CENTRAL.size, "an entry of the directory"))  # fmt: skip
        if signature != CENTRAL:
            raise DecodeError("the directory of the zip file is damaged", offset=at)
        header = _Header(directory.exactly(name_size, "a name"), flags & ~_HAS_DESCRIPTOR, method)
        extra = directory.exactly(extra_size, "extra fields")
        directory.skip(comment_size, "a comment")
        header.crc = crc
        header.size, header.packed_size, header.offset = _wide(extra, at, full_size, packed_size, offset)
        if header.name.endswith("/"):
            yield None
            continue
        yield header.name, header.size, _LateBody(header, read_at, size, shift, budget).pull


class _LateBody:
    """The data of a member, whose own header is looked for with the first read."""

    __slots__ = ("_body", "_budget", "_header", "_read_at", "_shift", "_size")

    def __init__(self, header: _Header, read_at: ReadAt, size: int, shift: int, budget: Budget) -> None:
        self._header = header
        self._read_at = read_at
        self._size = size
        self._shift = shift
        self._budget = budget
        self._body: _Body | None = None

    def pull(self, most: int) -> bytes:
        if self._body is None:
            begin = self._header.offset + self._shift
            local = self._read_at(begin, _LOCAL.size) if begin < self._size else b""
            if len(local) < _LOCAL.size or local[:4] != LOCAL:
                raise DecodeError("no member where the directory of the zip file says", offset=begin)
            name_size, extra_size = _LOCAL.unpack(local)[-2:]
            begin += _LOCAL.size + name_size + extra_size
            end = begin + (self._header.packed_size or 0)
            if end > self._size:
                raise TruncatedError(f"a member of {self._header.packed_size} packed bytes, "
                                     f"{max(0, self._size - begin)} are there", offset=begin)  # fmt: skip
            self._body = _Body(self._header, _region(self._read_at, begin, end), self._budget)
        return self._body.pull(most)


def _region(read_at: ReadAt, begin: int, end: int) -> ForwardReader:
    """A stretch of the archive from front to back."""
    at = begin

    def pull() -> bytes:
        nonlocal at
        data = read_at(at, min(CHUNK, end - at)) if at < end else b""
        at += len(data)
        return data

    return ForwardReader(pull)


def _directory(read_at: ReadAt, size: int) -> tuple[int, int, int]:
    """Where the central directory begins and ends, and how many bytes stand before the archive."""
    start = max(0, size - _END.size - _MOST_COMMENT)
    tail = read_at(start, size - start)
    at = tail.rfind(END)
    while at >= 0:
        if at + _END.size <= len(tail):
            record = _END.unpack_from(tail, at)
            if at + _END.size + record[-1] <= len(tail):
                break
        at = tail.rfind(END, 0, at)
    if at < 0:
        raise DecodeError("no end record: not a zip file, or one that is cut short (APPNOTE 4.3.16)", offset=size)
    _, disk, first_disk, _, entries, length, offset, _ = record
    end = start + at
    if 0xFFFF in (disk, first_disk, entries) or 0xFFFFFFFF in (length, offset):
        locator = read_at(end - 20, 20) if end >= 20 else b""
        if locator[:4] == LOCATOR_64:
            # Where it should be, else right before the locator: something may stand before the archive.
            for begin in (int.from_bytes(locator[8:16], "little"), end - 20 - _END_64.size):
                wide = read_at(begin, _END_64.size) if 0 <= begin <= size - _END_64.size else b""
                if wide[:4] == END_64:
                    _, _, _, _, disk, first_disk, _, _, length, offset = _END_64.unpack(wide)
                    end = begin
                    break
            else:
                raise DecodeError("the 64-bit end record is missing (APPNOTE 4.3.14)", offset=end)
    if disk != 0 or first_disk != 0:
        raise UnsupportedError("a zip file of several parts", what="parts")
    begin = end - length
    if begin < 0 or begin < offset:
        raise DecodeError(f"a directory of {length} bytes at {offset} does not fit before its end record", offset=end)
    return begin, end, begin - offset
