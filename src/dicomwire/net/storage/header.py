"""The beginning of a data set while the rest is still coming: what its UIDs are, and all elements before the pixels."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from _dicomwire.identify import leading_uids, length_before
from _dicomwire.part10 import dcmread
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRLittleEndian
from dicomwire.errors import DecodeError
from dicomwire.file.instance_file import file_meta_information
from dicomwire.streaming.push import EventKind, StreamParser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _dicomwire.dataset import DataSet

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
PIXELS = 0x7FE00008  # Float Pixel Data, the first of the elements with pixels
PIECE = 1 << 14  # bytes that are looked at, and kept, at once: most headers are shorter, and pixels follow
HEADER_LIMIT = 64 << 20  # bytes of a header that is kept for a handler
LONGEST_WAITED_FOR = 1024  # bytes of a value that the parser gives whole; UIDs are shorter

_IDENTIFIERS = frozenset((SOP_CLASS_UID, SOP_INSTANCE_UID))


class Rules(NamedTuple):
    """What has to be known of a transfer syntax to look for UIDs: whether anything is, and how elements are encoded."""

    is_known: bool
    is_deflated: bool
    explicit_vr: bool
    little_endian: bool


@lru_cache(256)
def rules_of(transfer_syntax: str) -> Rules:
    """Return the rules of a transfer syntax; those of Explicit VR Little Endian for one that is not known.

    Nothing is known of a private syntax, but that nearly all others are explicit VR little endian (PS3.5 A.4).
    """
    known = UID(transfer_syntax).transfer_syntax
    if known is None:
        return Rules(False, False, True, True)
    return Rules(True, known.deflated, not known.implicit_vr, known.little_endian)


def has_uids(views: list[memoryview], transfer_syntax: str, sop_class_uid: str, sop_instance_uid: str) -> bool:
    """Return whether a data set begins, in the usual way, with these UIDs.  If not, a HeaderReader is to judge it."""
    rules = rules_of(transfer_syntax)
    if rules.is_deflated or not views:
        return False
    found = leading_uids(views[0], rules.explicit_vr, rules.little_endian)
    return found is not None and found == (_plain(sop_class_uid), _plain(sop_instance_uid))


def header_at_once(
    beginning: memoryview, transfer_syntax: str, sop_class_uid: str, sop_instance_uid: str, until: int, checks: bool
) -> DataSet | None:
    """Return the elements before a tag, with File Meta Information, where all have come and are as usual.

    None where a HeaderReader is to read them, or to judge that they have other UIDs than these, if those are checked.
    """
    rules = rules_of(transfer_syntax)
    if not rules.is_known or rules.is_deflated:
        return None
    length = length_before(beginning, rules.explicit_vr, rules.little_endian, until)
    if length < 0 or (checks and not has_uids([beginning], transfer_syntax, sop_class_uid, sop_instance_uid)):
        return None
    meta = file_meta_information(sop_class_uid, sop_instance_uid, transfer_syntax)
    try:
        return dcmread(b"".join((meta, beginning[:length])), stop_at=until)
    except DecodeError:
        return None


class HeaderReader:
    """Reads a data set as it comes, up to a tag.

    until      the tag; `is_done` is True once an element with it or a higher one has begun
    keeps      whether `data_set` will be asked for: then the bytes are kept, up to HEADER_LIMIT
    identifiers    SOP Class UID and SOP Instance UID of the data set, by tag, as far as they have come

    DecodeError for what is no data set.
    """

    __slots__ = ("_fed", "_inflater", "_kept", "_parser", "_until", "_wanted", "identifiers", "is_done")

    def __init__(self, transfer_syntax: str, until: int, keeps: bool) -> None:
        rules = rules_of(transfer_syntax)
        self.identifiers: dict[int, bytes] = {}
        self.is_done = False
        self._inflater = zlib.decompressobj(-15) if rules.is_deflated else None
        syntax = transfer_syntax if rules.is_known and not rules.is_deflated else ExplicitVRLittleEndian
        self._parser = StreamParser(syntax, piece_limit=LONGEST_WAITED_FOR)
        self._until = until
        self._wanted = _IDENTIFIERS
        self._kept = bytearray() if keeps else None
        self._fed = 0

    def feed(self, views: Iterable[memoryview]) -> bool:
        """Take the next bytes; True when the tag was reached.  Nothing of the views is kept but copies."""
        for view in (whole[at : at + PIECE] for whole in views for at in range(0, len(whole), PIECE)):
            chunk: memoryview | bytes = view
            if self._inflater is not None:
                try:
                    chunk = self._inflater.decompress(view, HEADER_LIMIT + 1 - self._fed)
                except zlib.error as error:
                    raise DecodeError(f"a deflated data set: {error}", section="PS3.5 A.5") from None
            self._fed += len(chunk)
            if self._kept is not None:
                self._kept += chunk
            events = self._parser.feed(chunk).chosen(self._wanted, self._until)
            for event in events:
                value = event.value
                if value is not None and event.kind is EventKind.ELEMENT:
                    self.identifiers[event.tag] = bytes(value).rstrip(b"\0 ")
            if events.is_done:
                self.is_done = True
                return True
            if self._fed > HEADER_LIMIT:
                raise DecodeError(f"more than {HEADER_LIMIT} bytes before ({self._until >> 16:04X},xxxx)")
        return False

    def finish(self) -> None:
        """Take note that the data set is complete.  TruncatedError when it is not."""
        if not self.is_done:
            self._parser.close()
            self.is_done = True

    def matches(self, sop_class_uid: str, sop_instance_uid: str) -> bool:
        """Whether the data set has the UIDs that the command names."""
        found = self.identifiers
        return found.get(SOP_CLASS_UID) == _plain(sop_class_uid) and found.get(SOP_INSTANCE_UID) == _plain(
            sop_instance_uid
        )

    def data_set(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str) -> DataSet:
        """Return the elements before the tag, with File Meta Information."""
        assert self._kept is not None
        syntax = ExplicitVRLittleEndian if self._inflater is not None else transfer_syntax
        meta = file_meta_information(sop_class_uid, sop_instance_uid, syntax)
        return dcmread(meta + self._kept, stop_at=self._until)


def _plain(uid: str) -> bytes:
    return uid.encode("ascii", "replace").rstrip(b"\0 ")
