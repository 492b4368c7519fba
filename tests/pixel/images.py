"""Data sets with pixel data, native and encapsulated, spelt out as bytes."""

from __future__ import annotations

import struct

from tests.builders import BIG_ENDIAN, EXPLICIT, PIXEL_DATA, UNDEFINED, big_endian, element, item, part10, sequence_end

JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"
MPEG2 = "1.2.840.10008.1.2.4.100"

START = b"\xff\xd8\xff\xdb" + bytes(range(1, 13))
GO_ON = bytes(range(16, 32))
END = bytes(range(64, 78)) + b"\xff\xd9"
WHOLE = START + END


def number(tag: int, value: int) -> bytes:
    return element(tag, "US", struct.pack("<H", value))


def frames_text(value: str | None) -> bytes:
    return b"" if value is None else element(0x00280008, "IS", value.encode() + b" " * (len(value) % 2))


def native(
    pixels: bytes,
    *,
    frames: str | None = None,
    rows: int = 4,
    columns: int = 4,
    allocated: int = 8,
    samples: int = 1,
    photometric: str = "MONOCHROME2",
    syntax: str = EXPLICIT,
    tag: int = PIXEL_DATA,
    vr: str = "OW",
    stored: int | None = None,
    high_bit: int | None = None,
    signed: int | None = None,
    planar: int | None = None,
    more: bytes = b"",
) -> bytes:
    """A file with native pixel data; ``more``: elements between the description and the pixels."""
    if syntax == BIG_ENDIAN:
        return _native_big_endian(pixels, frames, rows, columns, allocated, samples, photometric, vr)
    data = (
        number(0x00280002, samples)
        + element(0x00280004, "CS", photometric.encode() + b" " * (len(photometric) % 2))
        + optional(0x00280006, planar)
        + frames_text(frames)
        + number(0x00280010, rows)
        + number(0x00280011, columns)
        + number(0x00280100, allocated)
        + optional(0x00280101, stored)
        + optional(0x00280102, high_bit)
        + optional(0x00280103, signed)
        + more
        + element(tag, vr, pixels)
    )
    return part10(data, syntax)


def optional(tag: int, value: int | None) -> bytes:
    return b"" if value is None else number(tag, value)


def _native_big_endian(
    pixels: bytes, frames: str | None, rows: int, columns: int, allocated: int, samples: int, photometric: str, vr: str
) -> bytes:
    def big_number(tag: int, value: int) -> bytes:
        return big_endian.element(tag, "US", struct.pack(">H", value))

    data = (
        big_number(0x00280002, samples)
        + big_endian.element(0x00280004, "CS", photometric.encode() + b" " * (len(photometric) % 2))
        + big_number(0x00280006, 0)
    )
    if frames is not None:
        data += big_endian.element(0x00280008, "IS", frames.encode() + b" " * (len(frames) % 2))
    data += big_number(0x00280010, rows) + big_number(0x00280011, columns) + big_number(0x00280100, allocated)
    data += big_number(0x00280101, allocated) + big_number(0x00280102, allocated - 1) + big_number(0x00280103, 0)
    return part10(data + big_endian.element(PIXEL_DATA, vr, pixels), BIG_ENDIAN)


def offset_table(offsets: list[int], size: int = 4) -> bytes:
    return b"".join(offset.to_bytes(size, "little") for offset in offsets)


def offsets_of(fragments: list[bytes]) -> list[int]:
    """Offset of each fragment's item tag from the first one's."""
    offsets, at = [], 0
    for fragment in fragments:
        offsets.append(at)
        at += 8 + len(fragment)
    return offsets


def encapsulated(
    fragments: list[bytes],
    *,
    frames: str | None = None,
    syntax: str | None = JPEG,
    basic: bytes = b"",
    extended: bytes | None = None,
    extended_lengths: bytes | None = None,
    end: bytes | None = None,
    behind: bytes = b"",
) -> bytes:
    """A file with encapsulated pixel data; ``end`` in place of the sequence delimiter."""
    data = frames_text(frames)
    if extended is not None:
        data += element(0x7FE00001, "OV", extended)
    if extended_lengths is not None:
        data += element(0x7FE00002, "OV", extended_lengths)
    data += element(PIXEL_DATA, "OB", length=UNDEFINED) + item(basic) + b"".join(map(item, fragments))
    return part10(data + (sequence_end() if end is None else end) + behind, syntax)
