"""Where compressed images begin and end, told by their own markers and boxes; nothing is decoded.

JPEG and JPEG-LS: ISO/IEC 10918-1 Annex B and 14495-1 Annex C.  JPEG 2000 and HTJ2K: ISO/IEC 15444-1 Annex A, JP2 boxes
Annex I.  JPEG XL: ISO/IEC 18181-2.  RLE: PS3.5 Annex G.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # Bytes of a source: absolute offset and length to a bytes-like object of at most that length.
    Read = Callable[[int, int], bytes | memoryview]

FIRST_BYTES = 12  # of a fragment tell what begins with it
LAST_BYTES = 8  # of a fragment tell whether an image ends with it

# What the codec families of the transfer syntaxes begin with.
KIND_OF_FAMILY = {
    "jpeg": "jpeg",
    "jpeg-ls": "jpeg",
    "jpeg2000": "jpeg2000",
    "htj2k": "jpeg2000",
    "jpeg-xl": "jpeg-xl",
    "rle": "rle",
}

_JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_JXL_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_CHUNK = 1 << 20  # bytes read at once where entropy-coded data are searched
_MOST_SEGMENTS = 1 << 20  # of one image; more are no image but a way to keep a reader busy
_PADDING = 64  # bytes between two images of one fragment that may be padding

# A marker among entropy-coded bytes: JPEG stuffs a zero byte after FF, JPEG-LS a zero bit; RST0 to RST7 belong to them.
_JPEG_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


def codestream_kind(first_bytes: bytes | memoryview) -> str | None:
    """What begins with these bytes: "jpeg", "jpeg2000", "jpeg-xl", "rle", or None.

    ``first_bytes``: FIRST_BYTES of them, or all there are.
    """
    first = bytes(first_bytes[:FIRST_BYTES])
    if first.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if first.startswith((b"\xff\x4f\xff\x51", _JP2_SIGNATURE)):
        return "jpeg2000"
    if first.startswith((b"\xff\x0a", _JXL_SIGNATURE)):
        return "jpeg-xl"
    # The number of segments, then the offset of the first one, which follows the header of 64 bytes.
    if len(first) >= 8 and first[1:8] == b"\0\0\0\x40\0\0\0" and 1 <= first[0] <= 15:
        return "rle"
    return None


def ends_codestream(last_bytes: bytes | memoryview) -> bool:
    """Whether a JPEG, JPEG-LS or JPEG 2000 codestream ends with these bytes, padding left aside."""
    return bytes(last_bytes[-LAST_BYTES:]).rstrip(b"\0").endswith(b"\xff\xd9")


def split_codestreams(read: Read, offset: int, length: int, most: int) -> list[tuple[int, int]]:
    """Offsets and lengths of the images that lie one after the other in ``length`` bytes at ``offset``.

    At most ``most``; the last one takes what is left.  One alone when nothing shows where it ends: the end of RLE and
    of bare JPEG XL codestreams is known to their decoders only.
    """
    stop = offset + length
    found: list[tuple[int, int]] = []
    start = offset
    while len(found) + 1 < most:
        end = _end_of_image(read, start, stop)
        if end is None:
            break
        begin = _next_image(read, end, stop)
        if begin is None:
            break
        found.append((start, end - start))
        start = begin
    found.append((start, stop - start))
    return found


def _next_image(read: Read, offset: int, stop: int) -> int | None:
    """Where an image begins behind padding, or None."""
    data = bytes(read(offset, min(_PADDING + FIRST_BYTES, stop - offset)))
    padding = 0
    while padding < min(_PADDING, len(data)):
        kind = codestream_kind(data[padding:])
        if kind is not None and kind != "rle":
            return offset + padding
        if data[padding]:
            return None
        padding += 1
    return None


def _end_of_image(read: Read, offset: int, stop: int) -> int | None:
    """One past the last byte of the image at ``offset``; None when it has no end before ``stop``, or none is told."""
    first = bytes(read(offset, min(FIRST_BYTES, stop - offset)))
    if first.startswith((_JP2_SIGNATURE, _JXL_SIGNATURE)):
        return _end_of_boxes(read, offset, stop)
    kind = codestream_kind(first)
    if kind == "jpeg":
        return _end_of_jpeg(read, offset, stop)
    if kind == "jpeg2000":
        return _end_of_jpeg2000(read, offset, stop)
    return None


def _end_of_jpeg(read: Read, offset: int, stop: int) -> int | None:
    position = offset + 2
    seen_scan = False
    for _ in range(_MOST_SEGMENTS):
        if position + 2 > stop:
            return None
        head = bytes(read(position, min(4, stop - position)))
        if head[0] != 0xFF:
            return None
        code = head[1]
        if code == 0xFF:
            position += 1
        elif code == 0xD9:
            return position + 2 if seen_scan else None
        elif code == 0x01 or 0xD0 <= code <= 0xD7:
            position += 2
        else:
            size = int.from_bytes(head[2:4], "big")
            if len(head) < 4 or size < 2 or code < 0xC0 or code == 0xD8:
                return None
            position += 2 + size
            if code == 0xDA:
                seen_scan = True
                marker = _search(read, _JPEG_MARKER, position, stop)
                if marker is None:
                    return None
                position = marker
    return None


def _end_of_jpeg2000(read: Read, offset: int, stop: int) -> int | None:
    position = offset + 2
    for _ in range(_MOST_SEGMENTS):
        if position + 2 > stop:
            return None
        head = bytes(read(position, min(12, stop - position)))
        code = int.from_bytes(head[:2], "big")
        size = int.from_bytes(head[2:4], "big")
        if code == 0xFFD9:
            return position + 2
        if code == 0xFF90:
            tile_part = int.from_bytes(head[6:10], "big")  # Psot
            if len(head) < 12 or size != 10:
                return None
            if tile_part == 0:
                # The last tile-part: packets hold nothing above FF8F, so that the next such code is the end.
                end = _search(read, _END_OF_CODESTREAM, position + 12, stop)
                return None if end is None else end + 2
            if tile_part < 14:
                return None
            position += tile_part
        elif code < 0xFF30 or len(head) < 4 or size < 2:
            return None
        else:
            position += 2 + size
    return None


_END_OF_CODESTREAM = re.compile(rb"\xff\xd9")


def _end_of_boxes(read: Read, offset: int, stop: int) -> int | None:
    """The end of a file of boxes: where the next file's signature box stands, or what is no box at all."""
    position = offset + 12
    for _ in range(_MOST_SEGMENTS):
        head = bytes(read(position, min(16, stop - position)))
        size = int.from_bytes(head[:4], "big")
        kind = head[4:8]
        if size == 0 and kind == b"jp2c":
            # The last box goes to the end of the file, whatever follows there.
            return _end_of_jpeg2000(read, position + 8, stop)
        if (size == 12 and kind in (b"jP  ", b"JXL ")) or len(kind) < 4 or not kind.isascii() or min(kind) < 0x20:
            return position
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
            if size < 16:
                return None
        elif size < 8:
            return None
        position += size
        if position > stop:
            return None
    return None


def _search(read: Read, pattern: re.Pattern[bytes], position: int, stop: int) -> int | None:
    """Where the pattern, two bytes long, is found first; reads a piece at a time."""
    while position + 2 <= stop:
        length = min(_CHUNK, stop - position)
        match = pattern.search(read(position, length))
        if match is not None:
            return position + match.start()
        position += length - 1
    return None
