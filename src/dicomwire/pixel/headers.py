"""What compressed images say of themselves, read from their headers before anything is decoded.

JPEG and JPEG-LS: ISO/IEC 10918-1 section B.2.2 and 14495-1 section C.2.2.  JPEG 2000 and HTJ2K: ISO/IEC 15444-1
section A.5.1.  JPEG XL: ISO/IEC 18181-1 Annex D.
"""

from __future__ import annotations

import struct

from dicomwire.errors import PixelError
from dicomwire.pixel.codestreams import codestream_kind

_JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_JXL_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
MOST_SEGMENTS = 1000  # before the frame header
MOST_SCANS = 1000
MOST_TILES = 65535
_SIZ = struct.Struct(">8IH")  # from Xsiz to Csiz
PROGRESSIVE = frozenset((2, 6, 10, 14))  # processes whose scans go over the whole image again and again
LOSSLESS = 3  # Process 14, sequential (SOF3)
_FRAME_HEADERS = frozenset((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7))


class Codestream:
    """Size and kind of a compressed image.

    kind        "jpeg", "jpeg-ls", "jpeg2000", "htj2k", "jpeg-xl"
    process     JPEG: number of the SOF marker, 0 (baseline) to 15; else -1
    rows, columns, samples, precision   0 where the header does not tell them in plain sight (JPEG XL: all but the size)
    signed      of JPEG 2000; None where the codestream does not say
    component_ids   of JPEG
    is_jfif, adobe_transform    APP0 and APP14 of JPEG; None without APP14
    has_colour_transform        of JPEG 2000: decoders give back what went in
    start       where the codestream begins: behind the boxes of a JP2 file
    stop        so many bytes, from the first one, say all of this: what begins with the same has the same header; 0
                where more may belong to it
    """

    __slots__ = (
        "adobe_transform", "columns", "component_ids", "has_colour_transform", "is_jfif", "kind", "precision",
        "process", "rows", "samples", "signed", "start", "stop",
    )  # fmt: skip

    def __init__(self, kind: str, rows: int, columns: int, samples: int, precision: int) -> None:
        self.kind, self.rows, self.columns, self.samples, self.precision = kind, rows, columns, samples, precision
        self.process = -1
        self.signed: bool | None = None
        self.component_ids = b""
        self.is_jfif = self.has_colour_transform = False
        self.adobe_transform: int | None = None
        self.start = self.stop = 0


def read_header(data: bytes | memoryview) -> Codestream:
    """The header of a compressed image; PixelError where there is none or it is cut short."""
    view = memoryview(data).cast("B")
    kind = codestream_kind(view[:12])
    try:
        if kind == "jpeg":
            return _jpeg(view)
        if kind == "jpeg2000":
            return _jpeg2000(view)
        if kind == "jpeg-xl":
            return _jpeg_xl(view)
    except (IndexError, struct.error):
        raise PixelError(f"the header of a {kind} image is cut short after {len(view)} bytes") from None
    raise PixelError("the frame begins like no compressed image that is known; PS3.5 8.2")


def _u16(view: memoryview, at: int) -> int:
    return view[at] << 8 | view[at + 1]


def _u32(view: memoryview, at: int) -> int:
    return _u16(view, at) << 16 | _u16(view, at + 2)


def _jpeg(view: memoryview) -> Codestream:
    at, jfif, adobe = 2, False, None
    for _ in range(MOST_SEGMENTS):
        if view[at] != 0xFF:
            raise PixelError(f"a JPEG marker is missing at byte {at}; ISO/IEC 10918-1 B.1.1.2")
        code = view[at + 1]
        if code == 0xFF:
            at += 1
            continue
        size = _u16(view, at + 2)
        if code in _FRAME_HEADERS:
            break
        if size < 2 or code in (0xDA, 0xD9) or 0xD0 <= code <= 0xD8:
            raise PixelError("a JPEG image without a frame header; ISO/IEC 10918-1 B.2.2")
        content = bytes(view[at + 4 : at + 2 + size])
        jfif = jfif or (code == 0xE0 and content[:4] == b"JFIF")
        if code == 0xEE and content[:5] == b"Adobe" and len(content) >= 12:
            adobe = content[11]
        at += 2 + size
    else:
        raise PixelError(f"a JPEG image with more than {MOST_SEGMENTS} segments before its frame header")
    samples = view[at + 9]
    if size != 8 + 3 * samples:
        raise PixelError(f"a JPEG frame header of {size} bytes for {samples} components; ISO/IEC 10918-1 B.2.2")
    found = Codestream(
        "jpeg-ls" if code == 0xF7 else "jpeg", _u16(view, at + 5), _u16(view, at + 7), samples, view[at + 4]
    )
    found.process = -1 if code == 0xF7 else code - 0xC0
    found.component_ids = bytes(view[at + 10 + 3 * i] for i in range(samples))
    found.is_jfif, found.adobe_transform = jfif, adobe
    found.stop = at + 2 + size
    return found


def _jpeg2000(view: memoryview) -> Codestream:
    at = 0
    if view[:12] == _JP2_SIGNATURE:
        for _ in range(MOST_SEGMENTS):
            size, kind = _u32(view, at), bytes(view[at + 4 : at + 8])
            head = 8
            if size == 1:
                size, head = _u32(view, at + 8) << 32 | _u32(view, at + 12), 16
            if kind == b"jp2c":
                at += head
                break
            if size < head:
                raise PixelError(f"a box of {size} bytes in a JP2 file; ISO/IEC 15444-1 I.4")
            at += size
        else:
            raise PixelError("a JP2 file without a codestream; ISO/IEC 15444-1 I.5.4")
    if _u32(view, at) != 0xFF4FFF51:
        raise PixelError("a JPEG 2000 codestream does not begin with SOC and SIZ; ISO/IEC 15444-1 A.5.1")
    begin, at = at, at + 4  # Lsiz
    columns, rows, left, top, tile_width, tile_height, tile_left, tile_top, samples = _SIZ.unpack_from(view, at + 4)
    if not samples or not tile_width or not tile_height or left >= columns or top >= rows:
        raise PixelError("the sizes of a JPEG 2000 image are none; ISO/IEC 15444-1 A.5.1")
    tiles = -(-(columns - tile_left) // tile_width) * -(-(rows - tile_top) // tile_height)
    if tiles > MOST_TILES:
        raise PixelError(f"a JPEG 2000 image of {tiles} tiles: {MOST_TILES} at most; ISO/IEC 15444-1 A.4.2")
    components = bytes(view[at + 38 : at + 38 + 3 * samples])
    if len(components) < 3 * samples:
        raise IndexError
    depth = components[0]
    if components != bytes((depth, 1, 1)) * samples:
        raise PixelError("components of a JPEG 2000 image differ in depth or size; PS3.5 A.4.4")
    found = Codestream("jpeg2000", rows - top, columns - left, samples, (depth & 0x7F) + 1)
    found.signed = bool(depth & 0x80)
    found.start = begin
    at += _u16(view, at)
    while at + 4 <= len(view) and view[at] == 0xFF and view[at + 1] not in (0x90, 0xD9):
        if view[at + 1] == 0x50:  # CAP: Part 15, high throughput
            found.kind = "htj2k"
        elif view[at + 1] == 0x52:  # COD: the multiple component transformation
            found.has_colour_transform = view[at + 8] != 0
        size = _u16(view, at + 2)
        if size < 2:
            return found
        at += 2 + size
    if at + 4 <= len(view):
        found.stop = at + 2
    return found


def _jpeg_xl(view: memoryview) -> Codestream:
    at = 0
    if view[:12] == _JXL_SIGNATURE:
        for _ in range(MOST_SEGMENTS):
            size, kind = _u32(view, at), bytes(view[at + 4 : at + 8])
            head = 8
            if size == 1:
                size, head = _u32(view, at + 8) << 32 | _u32(view, at + 12), 16
            if kind in (b"jxlc", b"jxlp"):
                at += head + (4 if kind == b"jxlp" else 0)
                break
            if size < head:
                raise PixelError(f"a box of {size} bytes in a JPEG XL file; ISO/IEC 18181-2")
            at += size
        else:
            raise PixelError("a JPEG XL file without a codestream; ISO/IEC 18181-2")
    if _u16(view, at) != 0xFF0A:
        raise PixelError("a JPEG XL codestream does not begin with FF0A; ISO/IEC 18181-1 D.1")
    bits = int.from_bytes(view[at + 2 : at + 18], "little")
    if len(view) < at + 4:
        raise IndexError

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def size_of() -> int:
        return 8 * (take(5) + 1) if is_small else 1 + take((9, 13, 18, 30)[take(2)])

    is_small = take(1)
    rows = size_of()
    ratio = take(3)
    if ratio:
        above, below = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
        columns = rows * above // below
    else:
        columns = size_of()
    return Codestream("jpeg-xl", rows, columns, 0, 0)


def check_scans(data: bytes | memoryview) -> None:
    """PixelError for a JPEG image of more scans than MOST_SCANS: each one costs a walk over the whole image."""
    view = bytes(data)
    if view.count(b"\xff\xda") > MOST_SCANS:
        raise PixelError(f"a JPEG image of more than {MOST_SCANS} scans")
