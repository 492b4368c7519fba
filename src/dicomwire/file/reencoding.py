"""Data sets in other transfer syntaxes, written while they are read (PS3.5 sections 7 and 10 and Annex A).

Between implicit VR little endian, explicit VR in both byte orders, and deflated explicit VR little endian, in memory
that follows the chunk and the nesting, never the data set.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from _dicomwire.reencode import Reencoder
from dicomwire.dictionary.transfer_syntax import transfer_syntax
from dicomwire.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

    from _dicomwire.plan import Plan
    from dicomwire.dictionary.transfer_syntax import TransferSyntax

PIECE = 1 << 20  # bytes of a chunk that are looked at at once
LEVEL = 6  # of the deflate streams that are written, as most writers choose it


def can_reencode(source_syntax: str, target_syntax: str) -> bool:
    """Return whether data sets of one transfer syntax can be written in another: only how elements are encoded differs.

    True also for two that are the same.  False where pixel data would need a codec, and for syntaxes that are not
    known.
    """
    source, target = transfer_syntax(str(source_syntax)), transfer_syntax(str(target_syntax))
    return source is not None and target is not None and _is_between(source, target)


def reencode(
    chunks: Iterable[Buffer],
    source_syntax: str,
    target_syntax: str,
    *,
    policy: str = "report",
    inflate_ratio: float | None = 256,
    inflate_limit: int | None = None,
) -> Iterator[bytes | memoryview]:
    """Yield a data set in another transfer syntax, piece by piece as its bytes come.

    chunks           the data set as it is encoded, without File Meta Information, in any cuts
    source_syntax, target_syntax    transfer syntax UIDs
    policy           "strict", "report" or "ignore" what departs from the standard, as for `dicomwire.dcmread`; what
                     cannot be read whole is an error in any case
    inflate_ratio, inflate_limit    how much a deflated data set may grow, as for `dicomwire.StreamParser`

    A piece that is a memoryview shows a chunk, and is to be used before the next piece is asked for if chunks are
    filled anew.  UnsupportedError at the call where `can_reencode` is False, for syntaxes with encapsulated pixel data
    only when such data come up.  DecodeError for what cannot be read, with offset, path and section; TruncatedError
    when the data set is not finished.
    """
    source, target = _known(source_syntax), _known(target_syntax)
    if not _is_between(source, target) and (target.encapsulated or not _may_be_native(source, target)):
        raise UnsupportedError(f"{source.name} cannot be written as {target.name} without a codec",
                               what="transfer syntax")  # fmt: skip
    same = source.uid == target.uid
    encoder = Reencoder(
        source.uid,
        implicit_vr=target.implicit_vr,
        big_endian=not target.little_endian,
        fragments=same and source.encapsulated,
        big_endian_pixels=not same and source.little_endian and source.pixels_big_endian,
        policy=policy,
        inflate_ratio=inflate_ratio,
        inflate_limit=inflate_limit,
    )
    pieces = _pieces(encoder, chunks)
    return _deflated(pieces) if target.deflated else pieces


def reencode_buffer(data: Buffer, source_syntax: str, target_syntax: str, *, policy: str = "report") -> bytes:
    """Return a whole data set in another transfer syntax; see `reencode`."""
    return b"".join(reencode((data,), source_syntax, target_syntax, policy=policy))


def _known(uid: str) -> TransferSyntax:
    found = transfer_syntax(str(uid))
    if found is None:
        raise UnsupportedError(f"{str(uid)!r} is not a known transfer syntax", what="transfer syntax")
    return found


def _is_between(source: TransferSyntax, target: TransferSyntax) -> bool:
    """Whether nothing but the encoding of elements differs."""
    if source.uid == target.uid:
        return source.family not in ("mime", "xml")
    return source.family == target.family == "native" and (target.little_endian == (not target.pixels_big_endian))


def _may_be_native(source: TransferSyntax, target: TransferSyntax) -> bool:
    """Whether a data set without pixel data could be written all the same: reports are stored in any syntax."""
    return source.encapsulated and target.family == "native" and target.little_endian != target.pixels_big_endian


def _pieces(encoder: Reencoder, chunks: Iterable[Buffer]) -> Iterator[bytes | memoryview]:
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        for at in range(0, len(view), PIECE):
            yield from encoder.feed(view if len(view) <= PIECE else view[at : at + PIECE])
    yield from encoder.close()


def _deflated(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Yield one raw deflate stream of an even number of bytes (PS3.5 section A.5)."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    size = 0
    for piece in pieces:
        if packed := packer.compress(piece):
            size += len(packed)
            yield packed
    packed = packer.flush()
    if (size + len(packed)) % 2:
        packed += b"\0"
    yield packed


_UID_OF_ENCODING = {0: "1.2.840.10008.1.2.1", 1: "1.2.840.10008.1.2.2", 2: "1.2.840.10008.1.2"}


def reencode_item(plan: Plan, source: int, target: int) -> bytes:
    """Return an item that is planned in one encoding in another one; the numbers are those of `_dicomwire.tape`."""
    from _dicomwire.splice import pieces

    if source not in _UID_OF_ENCODING or target not in _UID_OF_ENCODING:
        raise UnsupportedError("no transfer syntax is implicit VR big endian", what="encoding")
    return b"".join(reencode(pieces(plan), _UID_OF_ENCODING[source], _UID_OF_ENCODING[target], policy="ignore"))
