"""Writing data sets: files, bytes and streams (PS3.10 section 7, PS3.5 section 7 and Annex A).

What was read and not changed is copied as it is.  A file that was not changed at all comes out byte for byte; one that
was becomes a file of this implementation, with File Meta Information that says so.
"""

from __future__ import annotations

import os
from copy import copy
from typing import TYPE_CHECKING, Protocol

from _dicomwire.dataset import DataSet
from _dicomwire.fragments import Fragments
from _dicomwire.part10 import dcmread
from _dicomwire.splice import (
    complete_meta,
    contradicted_syntax,
    data_set_plan,
    encoding_of,
    is_deflated,
    is_unchanged,
    leaves_out,
    named_syntax,
    pieces,
    prefix_plan,
    source_plan,
    to_bytes,
    was_read,
    was_set,
    write_plan,
)
from dicomwire.dataset.pydicom import as_data_set
from dicomwire.dictionary.transfer_syntax import transfer_syntax as known_syntax
from dicomwire.dictionary.uids import ExplicitVRLittleEndian
from dicomwire.errors import EncodeError, UnsupportedError
from dicomwire.file.reencoding import reencode
from dicomwire.replacing import replacing_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicomwire.dictionary.transfer_syntax import TransferSyntax

EXPLICIT, BIG_ENDIAN, IMPLICIT = 0, 1, 2  # encodings of _dicomwire.tape
PIECE = 1 << 20  # bytes of what is given away at once
_LENGTHS = {"keep": 0, "known": 1, "undefined": 2}
_POLICIES = {"strict": 0, "report": 1, "ignore": 2}
_PREAMBLE = bytes(128)
_PIXEL_DATA, _RECORDS = 0x7FE00010, 0x00041220
_WHOLE_META = (0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012)  # of Type 1 (PS3.10 section 7.1)


class Writable(Protocol):
    """What a binary file object must be able to do."""

    def write(self, data: bytes, /) -> object: ...


def dcmwrite(
    target: str | os.PathLike[str] | Writable,
    data_set: DataSet,
    *,
    transfer_syntax: str | None = None,
    overwrite: bool = False,
    lengths: str = "keep",
    policy: str = "report",
    synchronize: bool = False,
    enforce_file_format: bool = False,
) -> None:
    """Write a data set, or a Dataset of pydicom, as a file, to a path or to a binary file object.

    transfer_syntax     UID; by default that of the File Meta Information, else of what was read, else explicit VR
                        little endian
    overwrite           an older file of that name is replaced; else it is a FileExistsError
    lengths             of sequences and items: "keep" leaves those that were read as they are and gives others known
                        ones, "known" and "undefined" make all of them so
    policy              "strict" refuses a file whose SOP class or instance nothing names, "ignore" writes a question
                        mark for a character that the declared character sets do not have, which else is an error
    synchronize         return when the file is on the disk, and not only with the system
    enforce_file_format     what comes out has a preamble and all of the File Meta Information, whatever was read, or is
                        an EncodeError; else what was not changed is written as it was

    The file has its name when it is complete, and an older one's mode; what fails leaves the older one as it was.  The
    data set is not changed: File Meta Information is made right in the file.

    EncodeError for what cannot be encoded, with the element's path, and for a file that would take the place of the one
    that it was read from and lack what was not read of that; UnsupportedError where another transfer syntax
    would take a codec; TruncatedError where the source has become shorter since it was read; OSError of the system.
    """
    output = _Output(data_set, transfer_syntax, lengths, policy, is_to_conform=enforce_file_format)
    if not isinstance(target, (str, os.PathLike)):
        if not hasattr(target, "write"):
            raise TypeError(f"expected a path or a binary file object, not {type(target).__name__}")
        for piece in output.pieces(PIECE):
            target.write(piece)
        return
    if overwrite:
        _keep_what_was_left_out(target, data_set)
    with replacing_file(target, overwrite=overwrite, synchronize=synchronize) as descriptor:
        output.write_to(descriptor)


def _keep_what_was_left_out(target: str | os.PathLike[str], data_set: DataSet) -> None:
    """EncodeError where a data set would take the place of the file of which it is only a part."""
    source = getattr(data_set, "filename", None)
    if source is None or not isinstance(data_set, DataSet) or not leaves_out(data_set):
        return
    try:
        if not os.path.samefile(source, target):
            return
    except OSError:  # one of them is not there, so that nothing is lost
        return
    raise EncodeError(
        "only a part of the file was read (stop_before_pixels, stop_at or specific_tags), and the rest would be lost: "
        "read all of it, or write to another name"
    )


def iter_file(
    data_set: DataSet,
    *,
    transfer_syntax: str | None = None,
    lengths: str = "keep",
    policy: str = "report",
    piece_bytes: int = PIECE,
) -> Iterator[bytes]:
    """Yield a file piece by piece; see `dcmwrite`.  What is wrong is told at the call, as far as it can be."""
    return _Output(data_set, transfer_syntax, lengths, policy).pieces(piece_bytes)


def file_bytes(
    data_set: DataSet, *, transfer_syntax: str | None = None, lengths: str = "keep", policy: str = "report"
) -> bytes:
    """Return a file; see `dcmwrite`."""
    return _Output(data_set, transfer_syntax, lengths, policy).to_bytes()


def iter_data_set(
    data_set: DataSet,
    *,
    transfer_syntax: str | None = None,
    lengths: str = "keep",
    policy: str = "report",
    piece_bytes: int = PIECE,
) -> Iterator[bytes]:
    """Yield a data set, or an item, without File Meta Information, as messages carry it; see `dcmwrite`."""
    return _Content(data_set, transfer_syntax, lengths, policy).pieces(piece_bytes)


def data_set_bytes(
    data_set: DataSet, *, transfer_syntax: str | None = None, lengths: str = "keep", policy: str = "report"
) -> bytes:
    """Return a data set, or an item, without File Meta Information; see `dcmwrite`."""
    return b"".join(iter_data_set(data_set, transfer_syntax=transfer_syntax, lengths=lengths, policy=policy))


class _Content:
    """A data set in a transfer syntax: a plan where it is copied or encoded at once, else a plan to re-encode."""

    __slots__ = ("plan", "source", "syntax")

    def __init__(self, data_set: DataSet, syntax: str | None, lengths: str, policy: str) -> None:
        data_set = as_data_set(data_set)
        source, self.syntax = _syntaxes(data_set, syntax)
        data_set = _in_explicit(data_set, self.syntax, policy)
        target = known_syntax(self.syntax) if self.syntax else None
        _check(data_set, source, self.syntax, target)
        number, level = lengths_number(lengths), policy_number(policy)
        encoding, same = _encoding(data_set, source, target)
        self.plan = data_set_plan(data_set, encoding, lengths=number, policy=level)
        self.source = None if same else _source_of_reencoding(data_set, source)
        if self.source is not None:
            # The call refuses what cannot be, before anything is written.
            reencode((), self.source, str(self.syntax))

    def pieces(self, piece_bytes: int) -> Iterator[bytes]:
        if self.source is None:
            return pieces(self.plan, piece_bytes)
        chunks = pieces(self.plan, piece_bytes)
        return (bytes(piece) for piece in reencode(chunks, self.source, str(self.syntax), policy="ignore"))


class _Output:
    """A file: copied as it is, or what stands before a data set and the data set."""

    __slots__ = ("_content", "_plan")

    def __init__(
        self,
        data_set: DataSet,
        syntax: str | None,
        lengths: str,
        policy: str,
        *,
        has_offsets: bool = True,
        is_to_conform: bool = False,
    ) -> None:
        self._content: _Content | None = None
        data_set = as_data_set(data_set)
        level, number = policy_number(policy), lengths_number(lengths)
        is_whole = not is_to_conform or _has_whole_meta(data_set)
        if (
            number == 0
            and is_whole
            and is_unchanged(data_set)
            and (syntax is None or syntax == data_set.transfer_syntax)
        ):
            self._plan = source_plan(data_set)
            return
        if has_offsets and _RECORDS in data_set and was_read(data_set):
            data_set = _relocated(data_set, syntax, lengths, policy)
        source, target_uid = _syntaxes(data_set, syntax)
        preamble = data_set.preamble or _PREAMBLE
        meta = complete_meta(data_set, target_uid, 0 if is_to_conform else level)
        is_as_read = was_read(data_set) and source == target_uid and not is_deflated(data_set)
        if is_as_read and not was_set(data_set, _PIXEL_DATA):  # as most are
            encoding = encoding_of(data_set)
        else:
            data_set = _in_explicit(data_set, target_uid, policy)
            target = known_syntax(target_uid) if target_uid else None
            encoding, same = _encoding(data_set, source, target)
            if not same:
                self._content = _Content(data_set, syntax, lengths, policy)
                self._plan = prefix_plan(preamble, meta)
                return
            _check(data_set, source, target_uid, target)
        self._plan = data_set_plan(data_set, encoding, lengths=number, policy=level, preamble=preamble, meta=meta)

    def to_bytes(self) -> bytes:
        return to_bytes(self._plan) if self._content is None else b"".join(self.pieces(PIECE))

    def pieces(self, piece_bytes: int) -> Iterator[bytes]:
        if piece_bytes < 1:
            raise ValueError("piece_bytes must be 1 or more")
        yield from pieces(self._plan, piece_bytes)
        if self._content is not None:
            yield from self._content.pieces(piece_bytes)

    def write_to(self, descriptor: int) -> None:
        write_plan(self._plan, descriptor)
        if self._content is not None:
            for piece in self._content.pieces(PIECE):
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]


def _has_whole_meta(data_set: DataSet) -> bool:
    """Whether there is a preamble, and File Meta Information with all elements that it needs (PS3.10 section 7.1)."""
    if not was_read(data_set) or data_set.preamble is None:
        return False
    meta = data_set.file_meta
    return all(tag in meta and not meta[tag].is_empty for tag in _WHOLE_META)


def _relocated(data_set: DataSet, syntax: str | None, lengths: str, policy: str) -> DataSet:
    """A DICOMDIR that was changed, with the offsets of the file that it becomes."""
    from dicomwire.file.dicomdir import relocated

    return relocated(
        data_set, lambda made: _Output(made, syntax, lengths, policy, has_offsets=False).to_bytes()
    )  # fmt: skip


def lengths_number(lengths: str) -> int:
    """The number of a word that says how long sequences are said to be; ValueError for others."""
    if lengths not in _LENGTHS:
        raise ValueError(f"lengths={lengths!r}: expected 'keep', 'known' or 'undefined'")
    return _LENGTHS[lengths]


def policy_number(policy: str) -> int:
    """The number of a policy's word; ValueError for others."""
    if policy not in _POLICIES:
        raise ValueError(f"policy={policy!r}: expected 'strict', 'report' or 'ignore'")
    return _POLICIES[policy]


def _syntaxes(data_set: DataSet, wanted: str | None) -> tuple[str | None, str | None]:
    """UIDs of the transfer syntax that a data set was read in, and of the one that it is to have."""
    if not was_read(data_set):
        return None, wanted or named_syntax(data_set) or str(ExplicitVRLittleEndian)
    source: str | None = data_set.transfer_syntax or None
    declared = contradicted_syntax(data_set)
    if declared is not None:
        element = data_set.get(_PIXEL_DATA)
        if element is not None and isinstance(element.value, Fragments) and element.offset >= 0:
            source = declared  # how frames are coded is told by nothing else
    return source, wanted or named_syntax(data_set) or source


def _encoding(data_set: DataSet, source: str | None, target: TransferSyntax | None) -> tuple[int, bool]:
    """The encoding in which a data set is planned, and whether that is the one in which it is written."""
    if not was_read(data_set):
        if target is None or target.deflated:
            return EXPLICIT, target is None
        return _native(target), True
    encoding = encoding_of(data_set)
    if target is None or source == target.uid:
        return encoding, not is_deflated(data_set)
    if _has_other_pixels(data_set, target):
        return encoding, True
    return encoding, False


def _has_other_pixels(data_set: DataSet, target: TransferSyntax | None) -> bool:
    """Whether encapsulated pixel data for a transfer syntax were set in a data set that was read in another one."""
    if target is None or not target.encapsulated or named_syntax(data_set) != target.uid or not was_read(data_set):
        return False
    element = data_set.get(_PIXEL_DATA)
    return element is not None and element.offset < 0 and isinstance(element.value, Fragments)


def _in_explicit(data_set: DataSet, uid: str | None, policy: str) -> DataSet:
    """A data set around encapsulated pixel data that were set, in explicit VR little endian as these must be.

    The data set itself where it is so, or has none; else all but pixel data is encoded anew, in memory.
    """
    target = known_syntax(uid) if uid else None
    if not _has_other_pixels(data_set, target) or (encoding_of(data_set) == EXPLICIT and not is_deflated(data_set)):
        return data_set
    rest = copy(data_set)
    del rest[_PIXEL_DATA]
    made = dcmread(file_bytes(rest, transfer_syntax=str(ExplicitVRLittleEndian), policy=policy))
    made[_PIXEL_DATA] = data_set[_PIXEL_DATA].value
    made.file_meta["TransferSyntaxUID"] = uid
    return made


def _native(syntax: TransferSyntax) -> int:
    if syntax.family in ("mime", "xml"):
        raise UnsupportedError(f"{syntax.name} is no encoding of data sets", what="transfer syntax")
    return IMPLICIT if syntax.implicit_vr else EXPLICIT if syntax.little_endian else BIG_ENDIAN


def _source_of_reencoding(data_set: DataSet, source: str | None) -> str:
    """UID of the transfer syntax of what a plan gives."""
    if source is None or is_deflated(data_set):
        return str(ExplicitVRLittleEndian)
    return source


def _check(data_set: DataSet, source: str | None, uid: str | None, target: TransferSyntax | None) -> None:
    """Raise EncodeError where pixel data that were set have another form than the transfer syntax asks for.

    UnsupportedError for a syntax that is not known, unless the data set was read in it.
    """
    is_set = was_set(data_set, _PIXEL_DATA)
    if uid is None or (source == uid and not (is_set and target is not None)):
        return
    if target is None:
        raise UnsupportedError("an unknown transfer syntax", what="transfer syntax")
    if was_read(data_set) and source is not None and not is_set:
        return  # re-encoding says what it cannot do
    element = data_set.get(_PIXEL_DATA)
    if element is None or element.is_empty:
        return
    if target.encapsulated != isinstance(element.value, Fragments):
        form = "native" if target.encapsulated else "encapsulated"
        raise EncodeError(
            f"pixel data are {form}, {target.name} is not: set file_meta.TransferSyntaxUID, or use ds.compress "
            "or ds.decompress",
            path="PixelData",
            section="PS3.5 A.4",
        )
