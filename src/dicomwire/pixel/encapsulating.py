"""Encoded frames as encapsulated Pixel Data, with a basic or an extended offset table (PS3.5 section A.4)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, cast

from _dicomwire.fragments import Fragments
from _dicomwire.part10 import restore_inside
from dicomwire.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

    from _dicomwire.dataset import DataSet

    Frame = Buffer | Sequence[Buffer]

PIECES = 2  # the kind of container that fragments are in, see tape.h
_ITEM = struct.Struct("<HHI")
_LONGEST = 0xFFFFFFFE
_PIXEL_DATA, _OFFSETS, _LENGTHS = 0x7FE00010, 0x7FE00001, 0x7FE00002


def encapsulate(frames: Iterable[Frame], *, offset_table: str = "basic") -> Fragments:
    """Return the value of Pixel Data that holds encoded frames; the bytes of all of them are copied once.

    frames          each bytes, or a sequence of bytes for a frame in several fragments; odd ones are padded with a NUL
    offset_table    "basic": where each frame begins, in the first item; "none": that item is empty

    EncodeError for a frame of 4 GiB, or for offsets that a basic table has no room for.  PS3.5 section A.4.
    """
    if offset_table not in ("basic", "none"):
        raise ValueError(f"offset_table={offset_table!r}: expected 'basic' or 'none'")
    return _made(list(frames), offset_table == "basic")


def set_encapsulated(
    data_set: DataSet, frames: Iterable[Frame], transfer_syntax: str, *, offset_table: str = "basic"
) -> None:
    """Give a data set encoded frames as its Pixel Data, and the transfer syntax that they are in.

    offset_table    as for `encapsulate`; "extended" sets Extended Offset Table and its lengths in place of the basic
                    one, for which each frame is one fragment (PS3.3 section C.7.6.3.1.8)

    Number of Frames is set; what else describes the frames is the caller's.
    """
    if offset_table not in ("basic", "none", "extended"):
        raise ValueError(f"offset_table={offset_table!r}: expected 'basic', 'extended' or 'none'")
    held = list(frames)
    if offset_table == "extended":
        offsets, lengths, at = [], [], 0
        for number, frame in enumerate(held):
            pieces = _pieces(frame)
            if len(pieces) != 1:
                raise EncodeError(f"frame {number} has {len(pieces)} fragments, an extended offset table asks for one",
                                  path="ExtendedOffsetTable", section="PS3.3 C.7.6.3.1.8")  # fmt: skip
            size = pieces[0].nbytes
            offsets.append(at)
            lengths.append(size + size % 2)
            at += 8 + size + size % 2
        data_set[_OFFSETS] = struct.pack(f"<{len(held)}Q", *offsets)
        data_set[_LENGTHS] = struct.pack(f"<{len(held)}Q", *lengths)
    else:
        for tag in (_OFFSETS, _LENGTHS):
            data_set.pop(tag, None)
    data_set[_PIXEL_DATA] = _made(held, offset_table == "basic")
    data_set[0x00280008] = len(held)
    data_set.file_meta[0x00020010] = transfer_syntax


def _pieces(frame: Frame) -> list[memoryview]:
    """The fragments of a frame as flat views."""
    if isinstance(frame, (bytes, bytearray, memoryview)) or hasattr(frame, "__buffer__"):
        return [memoryview(cast("Buffer", frame)).cast("B")]
    return [memoryview(piece).cast("B") for piece in cast("Sequence[Buffer]", frame)]


def _made(frames: list[Frame], has_table: bool) -> Fragments:
    offsets, parts, at = [], [], 0
    for number, frame in enumerate(frames):
        offsets.append(at)
        pieces = _pieces(frame)
        if not pieces:
            raise EncodeError(f"frame {number} has no fragment", path="PixelData", section="PS3.5 A.4")
        for piece in pieces:
            size = piece.nbytes + piece.nbytes % 2
            if size > _LONGEST:
                raise EncodeError(f"frame {number} has a fragment of {size} bytes", path="PixelData", section="PS3.5 A.4")
            parts += [_ITEM.pack(0xFFFE, 0xE000, size), piece, b"\0" * (piece.nbytes % 2)]
            at += 8 + size
    table = b""
    if has_table:
        if offsets and offsets[-1] > 0xFFFFFFFF:
            raise EncodeError("the offsets are beyond 4 GiB: an extended offset table has room for them",
                              path="PixelData", section="PS3.5 A.4")  # fmt: skip
        table = struct.pack(f"<{len(offsets)}I", *offsets)
    data = b"".join([_ITEM.pack(0xFFFE, 0xE000, len(table)), table, *parts])
    return cast("Fragments", restore_inside(data, PIECES, 0, (1, None, None, -1)))
