"""What is sent: instances in files, in memory or as streams; their UIDs, and their data sets as they are encoded."""

from __future__ import annotations

import os
import stat
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

from _dicomwire.dataset import DataSet
from _dicomwire.exchange import is_edited
from _dicomwire.identify import leading_uids, meta_uids
from _dicomwire.part10 import dcmread, restore
from dicomwire.dataset.pydicom import from_pydicom, is_pydicom
from dicomwire.dictionary import UID
from dicomwire.errors import DecodeError, DicomWireError, UnsupportedError
from dicomwire.file import can_reencode, reencode
from dicomwire.file.writer import file_bytes
from dicomwire.net.storage.decoding import decoded
from dicomwire.net.storage.header import SOP_CLASS_UID, SOP_INSTANCE_UID, HeaderReader, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from typing_extensions import Buffer

    StorageSource = str | os.PathLike[str] | Buffer | BinaryIO | DataSet

PIECE = 1 << 20  # bytes that are read at once; a usual image is one piece
GLANCE = 4096  # bytes that nearly always have the meta group and the first elements behind it
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

_LONG_VRS = (b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR", b"OD", b"OF", b"OL", b"OV", b"SV", b"UV")


class Instance:
    """An instance to be sent.

    sop_class_uid, sop_instance_uid    of the data set; those of the File Meta Information where it has none
    transfer_syntax    that of the File Meta Information; where there is none, of the bytes
    length             bytes of the data set, None for a stream

    Made by `open_instance`; to be closed.
    """

    __slots__ = ("_descriptor", "_first", "_stream", "length", "sop_class_uid", "sop_instance_uid", "transfer_syntax")

    def __init__(
        self, start: bytes | memoryview, length: int | None, descriptor: int = -1, stream: BinaryIO | None = None
    ) -> None:
        """Take the first bytes of a file and the length of the file, and where the rest comes from."""
        self._descriptor = descriptor
        self._stream = stream
        self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax, offset = identify(start, length == len(start))
        self._first = memoryview(start)[offset:]
        self.length = None if length is None else length - offset

    @property
    def whole(self) -> memoryview | None:
        """The data set, if all of it is in memory; of an odd length it gets a byte more, see `pieces`."""
        if self.length != len(self._first):
            return None
        return self._first if self.length % 2 == 0 else memoryview(b"".join((self._first, b"\0")))

    def pieces(self) -> Iterator[Buffer]:
        """Yield the data set piece by piece; DecodeError when it is shorter or longer than it was at first.

        Fragments have even lengths (PS3.8 Annex E.1): a data set of an odd length, deflated ones for the most part,
        ends in a zero (PS3.5 section A.5).
        """
        yield self._first
        seen = len(self._first)
        if self.length != seen:
            while piece := self._read():
                seen += len(piece)
                yield piece
        if self.length not in (None, seen):
            raise DecodeError(f"the file changed while it was sent: {self.length} bytes expected, found {seen}")
        if seen % 2:
            yield b"\0"

    def _read(self) -> bytes:
        if self._stream is not None:
            return self._stream.read(PIECE)
        return os.read(self._descriptor, PIECE)

    def close(self) -> None:
        """Close the file, if it was opened here."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *rest: object) -> None:
        self.close()


def open_instance(source: StorageSource) -> Instance:
    """Return an instance to send from a path, the bytes of a file, a binary stream, or a data set that was read.

    A data set is sent as its source has it: what was read is not encoded again; one that was made or changed is sent as
    it would be written.  One of pydicom's is sent as pydicom writes it.  DecodeError for what is not DICOM,
    UnsupportedError for a DICOMDIR, OSError for what cannot be opened.
    """
    if isinstance(source, DataSet):
        source = _source_of(source)
    elif is_pydicom(source):
        source = _source_of(from_pydicom(source))
    if isinstance(source, (str, os.PathLike)):
        return _from_path(source)
    if hasattr(source, "read"):
        return _from_stream(cast(BinaryIO, source))
    try:
        view = memoryview(source).cast("B")
    except TypeError:
        found = type(source).__name__
        raise TypeError(f"a path, the bytes of a file, a binary stream or a data set expected, found {found}") from None
    return Instance(view, len(view))


class FileToSend:
    """A file whose data set a thread sends from its descriptor, and what `Instance` has of it.

    offset, length    where its data set is, in bytes
    """

    __slots__ = ("descriptor", "length", "offset", "sop_class_uid", "sop_instance_uid", "transfer_syntax")

    def __init__(self, descriptor: int, identity: tuple[UID, UID, UID, int], size: int) -> None:
        self.descriptor = descriptor
        self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax, self.offset = identity
        self.length = size - self.offset

    def reencode(self, transfer_syntax: UID) -> None:
        """Encode the data set anew, in a file without a name that takes the place of this one; see `reencoded`.

        Errors come before anything is sent.
        """
        with tempfile.TemporaryFile(buffering=0) as other:
            self.length = 0
            for piece in reencoded(self, self._pieces(), transfer_syntax):
                view = memoryview(piece)
                self.length += len(view)
                while view:
                    view = view[other.write(view) :]
            self.close()
            self.descriptor = os.dup(other.fileno())
        self.transfer_syntax, self.offset = transfer_syntax, 0

    def _pieces(self) -> Iterator[bytes]:
        offset = self.offset
        while piece := os.pread(self.descriptor, PIECE, offset):
            offset += len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def reencoded(
    source: Instance | FileToSend, pieces: Iterable[Buffer], transfer_syntax: UID
) -> Iterator[bytes | memoryview]:
    """Yield the data set of a source in another transfer syntax; compressed pixel data are decoded.

    DecodeError, and UnsupportedError where pixel data cannot be decoded.
    """
    own = source.transfer_syntax
    if can_reencode(own, transfer_syntax):
        return reencode(pieces, own, transfer_syntax)
    return decoded(pieces, source.sop_class_uid, source.sop_instance_uid, own, transfer_syntax)


def open_file(path: str | os.PathLike[str]) -> FileToSend:
    """Return a file to send, of which only the beginning is read.  Errors as of `open_instance`."""
    descriptor, size = _open_file(path)
    try:
        return FileToSend(descriptor, _identify_file(descriptor, size), size)
    except BaseException:
        os.close(descriptor)
        raise


def _identify_file(descriptor: int, size: int) -> tuple[UID, UID, UID, int]:
    """Identify a file by its first few bytes, or else by more of them."""
    start = os.pread(descriptor, GLANCE, 0)
    try:
        return identify(start, len(start) >= size)
    except DicomWireError:
        if len(start) >= size:
            raise
    start = os.pread(descriptor, PIECE, 0)
    return identify(start, len(start) >= size)


def _open_file(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Open a regular file, and return its size too; what else has a name, a pipe say, may have no end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise UnsupportedError("not a regular file", what="file")
    return descriptor, found.st_size


def _from_path(path: str | os.PathLike[str]) -> Instance:
    descriptor, length = _open_file(path)
    try:
        return Instance(os.read(descriptor, min(PIECE, length + 1)), length, descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def _from_stream(stream: BinaryIO) -> Instance:
    start = bytearray()
    while len(start) < PIECE:
        piece = stream.read(PIECE - len(start))
        if not piece:
            return Instance(bytes(start), len(start))
        start += piece
    return Instance(bytes(start), None, stream=stream)


def _source_of(data_set: DataSet) -> str | os.PathLike[str] | bytes:
    if is_edited(data_set):
        return file_bytes(data_set)
    filename = data_set.filename
    if isinstance(filename, (str, os.PathLike)) and os.path.isfile(filename):
        return filename
    reduced = data_set.__reduce_ex__(2)
    assert isinstance(reduced, tuple)
    function, arguments = reduced[:2]
    if function is not restore:
        raise UnsupportedError("an item of a sequence is no instance, it cannot be stored", what="data set")
    return cast(bytes, arguments[0])


# --- what it is


def identify(start: bytes | memoryview, is_whole: bool) -> tuple[UID, UID, UID, int]:
    """Return SOP Class UID, SOP Instance UID, transfer syntax, and where the data set begins.

    start      the first bytes of a file; they must reach behind SOP Instance UID
    is_whole   whether they are all
    """
    usual = meta_uids(start)
    if usual is not None:
        sop_class_uid, sop_instance_uid, syntax = (uid.decode("latin-1") for uid in usual[:3])
        offset = usual[3]
    else:
        meta, offset = _meta_group(start)
        sop_class_uid, sop_instance_uid, syntax = (meta.get(number, "") for number in (0x02, 0x03, 0x10))
    if not offset or not syntax:
        return _identify_slowly(start)
    rules = rules_of(syntax)
    uids = None
    if rules.is_known and not rules.is_deflated:
        uids = leading_uids(memoryview(start)[offset:], rules.explicit_vr, rules.little_endian)
    if uids is not None:
        sop_class_uid = uids[0].decode("latin-1") or sop_class_uid
        sop_instance_uid = uids[1].decode("latin-1") or sop_instance_uid
    elif rules.is_known:
        reader = HeaderReader(syntax, SOP_INSTANCE_UID + 1, False)
        try:
            if not reader.feed([memoryview(start)[offset:]]) and is_whole:
                reader.finish()
        except DecodeError:
            if not sop_class_uid or not sop_instance_uid:
                raise
            # It is the peer that judges the data set.
        sop_class_uid = reader.identifiers.get(SOP_CLASS_UID, b"").decode("latin-1") or sop_class_uid
        sop_instance_uid = reader.identifiers.get(SOP_INSTANCE_UID, b"").decode("latin-1") or sop_instance_uid
    return _checked(sop_class_uid, sop_instance_uid, syntax, offset)


def _meta_group(start: bytes | memoryview) -> tuple[dict[int, str], int]:
    """Return the UIDs of the File Meta Information by element number, and where it ends; 0 without any."""
    found: dict[int, str] = {}
    at = 132 if bytes(start[128:132]) == b"DICM" else 0
    end = len(start)
    while at + 8 <= end and start[at] == 2 and start[at + 1] == 0:
        vr = bytes(start[at + 4 : at + 6])
        if vr in _LONG_VRS:
            value, length = at + 12, int.from_bytes(start[at + 8 : at + 12], "little")
        elif vr.isalpha():
            value, length = at + 8, int.from_bytes(start[at + 6 : at + 8], "little")
        else:
            return found, 0
        if length > end - value:
            raise DecodeError("File Meta Information ends outside of the first bytes", offset=at, section="PS3.10 7.1")
        if vr == b"UI":
            uid = bytes(start[value : value + length]).rstrip(b"\0 ").decode("latin-1")
            found[start[at + 2] | start[at + 3] << 8] = uid
        at = value + length
    return found, at


def _identify_slowly(start: bytes | memoryview) -> tuple[UID, UID, UID, int]:
    """The same for files without File Meta Information, or with one that bends the rules."""
    data_set = dcmread(start, stop_at=SOP_INSTANCE_UID + 1)
    syntax = data_set.transfer_syntax
    if syntax is None:
        raise DecodeError("no transfer syntax is named, and none is evident", section="PS3.10 7.1")
    if syntax.is_transfer_syntax and syntax.is_deflated:
        raise DecodeError("a deflated data set without File Meta Information that can be read", section="PS3.10 7.1")
    first = next(iter(data_set), None)
    if first is None:
        raise DecodeError("no SOP Class UID and no SOP Instance UID", section="PS3.3 C.12.1")
    sop_class_uid, sop_instance_uid = (str(data_set.get(word, "")) for word in ("SOPClassUID", "SOPInstanceUID"))
    return _checked(sop_class_uid, sop_instance_uid, syntax, first.offset - first.header_size)


def _checked(sop_class_uid: str, sop_instance_uid: str, syntax: str, offset: int) -> tuple[UID, UID, UID, int]:
    if sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        raise UnsupportedError("a DICOMDIR is not stored by C-STORE", what="DICOMDIR")
    if not sop_class_uid or not sop_instance_uid:
        raise DecodeError("no SOP Class UID or no SOP Instance UID", section="PS3.3 C.12.1")
    return UID(sop_class_uid), UID(sop_instance_uid), UID(syntax), offset


def glance(path: str | os.PathLike[str]) -> tuple[UID, UID]:
    """Return SOP class and transfer syntax of a file by its first few bytes.  Errors as of `open_instance`."""
    descriptor, size = _open_file(path)
    try:
        sop_class_uid, _, syntax, _ = _identify_file(descriptor, size)
    finally:
        os.close(descriptor)
    return sop_class_uid, syntax
