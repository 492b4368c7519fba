"""Members of a tar file from front to back: ustar, pax and GNU headers (IEEE Std 1003.1, pax, section ustar)."""

from __future__ import annotations

from dicomwire.errors import DecodeError, TruncatedError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dicomwire.streaming.forward import Budget, ForwardReader

    Entry = tuple[str, int | None, Callable[[int], bytes]]

BLOCK = 512
MOST_NAME = 65536  # bytes of a long name
MOST_PAX = 1 << 20  # bytes of one pax header
_WITHOUT_DATA = b"123456"  # links, devices, folders, pipes
_GNU_EXTENSIONS = b"DMNVX"  # folder contents, continued files, old names, labels: with data that are no file


def is_tar(block: bytes) -> bool:
    """Whether a block is a tar header, or the end of an empty tar file."""
    if len(block) < BLOCK:
        return False
    if not block.strip(b"\0"):
        return True
    try:
        return _checksum_fits(block)
    except DecodeError:
        return False


def entries(reader: ForwardReader, budget: Budget | None) -> Iterator[Entry | None]:
    """(name, size, pull) of each regular file, and None for each other entry.

    ``budget`` counts what is read of the members, unless whoever unpacks for the reader does.
    """
    long_name: bytes | None = None
    pax: dict[bytes, bytes] = {}
    while True:
        block = reader.peek(BLOCK)
        if not block:
            return  # without the two blocks of zeros
        at = reader.position
        block = reader.exactly(BLOCK, "a tar header")
        if not block.strip(b"\0"):
            return
        if not _checksum_fits(block):
            raise DecodeError("the checksum of a tar header does not fit", offset=at)
        size = _number(block[124:136], at)
        kind = block[156:157]
        if kind == b"L":
            long_name = _small(reader, size, MOST_NAME, "a long name in a tar file").split(b"\0")[0]
            yield None
            continue
        if kind == b"x":
            pax = _pax_records(_small(reader, size, MOST_PAX, "a pax header"), at)
            yield None
            continue
        if kind in b"Kg" or kind in _GNU_EXTENSIONS:
            reader.skip(_padded(size), "a tar entry")
            yield None
            continue
        name = pax.get(b"path") or long_name or _name(block)
        is_sparse = kind == b"S" or any(key.startswith(b"GNU.sparse.") for key in pax)
        if kind in _WITHOUT_DATA:
            size = 0
        elif b"size" in pax:
            size = _decimal(pax[b"size"], at)
        if kind == b"S" and block[482]:
            while reader.exactly(BLOCK, "the map of a sparse file")[504]:
                pass
        long_name, pax = None, {}
        if kind in _WITHOUT_DATA or name.endswith(b"/"):
            reader.skip(_padded(size), "a tar entry")
            yield None
            continue
        body = _Body(reader, size, budget, is_sparse)
        yield name.decode("utf-8", "surrogateescape"), size, body.pull
        body.finish()


class _Body:
    """The data of one member."""

    __slots__ = ("_budget", "_is_sparse", "_left", "_padding", "_reader")

    def __init__(self, reader: ForwardReader, size: int, budget: Budget | None, is_sparse: bool) -> None:
        self._reader = reader
        self._left = size
        self._padding = _padded(size) - size
        self._budget = budget
        self._is_sparse = is_sparse

    def pull(self, most: int) -> bytes:
        if self._is_sparse:
            raise UnsupportedError("sparse members of tar files are not read", what="sparse")
        if not self._left:
            return b""
        data = self._reader.some(min(most, self._left))
        if not data:
            raise TruncatedError(f"a member needs {self._left} more bytes, none are left", offset=self._reader.position)
        self._left -= len(data)
        if self._budget is not None:
            self._budget.add(len(data), len(data))
        return data

    def finish(self) -> None:
        self._reader.skip(self._left + self._padding, "a member")
        self._left = self._padding = 0


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _small(reader: ForwardReader, size: int, most: int, what: str) -> bytes:
    if size > most:
        raise DecodeError(f"{what} has {size} bytes, at most {most} are read", offset=reader.position)
    data = reader.exactly(size, what)
    reader.skip(_padded(size) - size, what)
    return data


def _checksum_fits(block: bytes) -> bool:
    said = _number(block[148:156], 0)
    rest = block[:148] + b" " * 8 + block[156:]
    # Some old programs took the bytes for signed ones.
    return said == sum(rest) or said == sum(rest) - 256 * sum(byte > 127 for byte in rest)


def _number(field: bytes, offset: int) -> int:
    """An octal number, or the binary one of GNU's extension."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0")[0].strip(b" ")
    if text.strip(b"01234567"):
        raise DecodeError("a number in a tar header is not octal", offset=offset)
    return int(text, 8) if text else 0


def _decimal(text: bytes, offset: int) -> int:
    if not text.isdigit() or len(text) > 19:
        raise DecodeError("a size in a pax header is no number", offset=offset)
    return int(text)


def _name(block: bytes) -> bytes:
    name = block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _pax_records(data: bytes, offset: int) -> dict[bytes, bytes]:
    """Records "length keyword=value" and a line feed, the length counting itself."""
    records = {}
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > 0 else b""
        end = at + int(digits) if digits.isdigit() else 0
        if not space < end <= len(data) or data[end - 1 : end] != b"\n":
            raise DecodeError("a record of a pax header has a wrong length", offset=offset)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals:
            raise DecodeError("a record of a pax header has no value", offset=offset)
        records[key] = value
        at = end
    return records
