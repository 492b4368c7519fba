"""From a text model to a data set: values of every VR to bytes, elements to an encoded data set, and that opened.

What JSON, XML and other object models are read into: an item is a dict of tags, an element its VR with either the
encoded value or the items.  The data set is encoded in explicit VR little endian (PS3.5 section 7.1.2), its text in
UTF-8, sequences and items with undefined lengths.
"""

from __future__ import annotations

import struct
from binascii import Error as Base64Error
from binascii import a2b_base64

from _dicomwire.part10 import dcmread
from dicomwire.dictionary import UID, dictionary_vr, keyword_for_tag
from dicomwire.errors import EncodeError, NestingError, ValueDecodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _dicomwire.dataset import DataSet

    Value = bytes | list["Elements"]
    Elements = dict[int, tuple[str, Value]]

MAX_DEPTH = 128  # sequences inside of one another
MAX_BYTES = 1 << 30  # of a text that is read

EXPLICIT_LE = "1.2.840.10008.1.2.1"
IMPLICIT_LE = "1.2.840.10008.1.2"

TEXT_VRS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
CHARSET_VRS = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
SINGLE_TEXT_VRS = frozenset(("LT", "ST", "UR", "UT"))
BYTE_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
NUMBER_VRS = {"FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}
VRS = TEXT_VRS | BYTE_VRS | NUMBER_VRS.keys() | {"AT", "SQ"}

_LONG_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
_DS_LENGTH = 16  # characters that a DS may have (PS3.5 section 6.2)
_PIXEL_DATA = 0x7FE00010
_CHARACTER_SET = 0x00080005
_UTF8 = b"ISO_IR 192"
_UNDEFINED = 0xFFFFFFFF
_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, _UNDEFINED)
_ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
_SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
_ITEM_TAG = b"\xfe\xff\x00\xe0"


def step_name(tag: int) -> str:
    """An element's word in a path: its keyword, or eight hexadecimal digits."""
    return keyword_for_tag(tag) or f"{tag:08X}"


# --- values ---


def encode_text(texts: list[str], vr: str, path: str = "") -> bytes:
    """Texts of one element, padded to an even length (PS3.5 section 6.2): in UTF-8 if the VR has character sets.

    Others have the default repertoire alone; bytes beyond it, which files have all the same, are read as Latin-1.
    """
    text = "\\".join(texts)
    if vr in CHARSET_VRS:
        data = text.encode("utf-8", "replace")
    else:
        try:
            data = text.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueDecodeError(
                f"{vr} has characters outside of the default repertoire", path=path, section="PS3.5 6.1"
            ) from None
    if len(data) % 2:
        data += b"\0" if vr == "UI" else b" "
    return data


def encode_number(text: str | int | float, vr: str, path: str) -> bytes:
    """One number of a binary VR in little endian."""
    try:
        number: int | float
        if vr in ("FL", "FD"):
            number = float(text)
        elif isinstance(text, str):
            number = _whole(text)
        else:
            number = text
        return struct.pack("<" + NUMBER_VRS[vr], number)
    except (ValueError, OverflowError, struct.error, TypeError):
        raise ValueDecodeError(f"no number that {vr} can hold", path=path, section="PS3.5 6.2") from None


def _whole(text: str) -> int:
    """An integer; written as 5.0 or 5e0 it is one, too."""
    if len(text) > 32:
        raise ValueError("too long")
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if number != int(number):
            raise ValueError("not whole") from None
        return int(number)


def decimal_text(text: str) -> str:
    """A DS of at most 16 characters: the text itself, or the nearest number that fits (PS3.5 section 6.2)."""
    if len(text) <= _DS_LENGTH:
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    for digits in range(17, 0, -1):
        short = f"{number:.{digits}g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
        if len(short) <= _DS_LENGTH:
            return short
    return text


def encode_tags(texts: list[str], path: str) -> bytes:
    """Values of AT, each eight hexadecimal digits, in little endian."""
    data = bytearray()
    for text in texts:
        try:
            if len(text) != 8:
                raise ValueError("not eight digits")
            tag = int(text, 16)
        except ValueError:
            raise ValueDecodeError("an AT is not eight hexadecimal digits", path=path, section="PS3.18 F.2.3") from None
        data += struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return bytes(data)


def decode_base64(text: str, path: str) -> bytes:
    """The bytes of an InlineBinary; white space between the characters is allowed."""
    try:
        packed = text.encode("ascii")
        if any(byte in packed for byte in b" \t\r\n"):
            packed = packed.translate(None, b" \t\r\n")
        return a2b_base64(packed, strict_mode=True) if packed else b""
    except (UnicodeEncodeError, Base64Error):
        raise ValueDecodeError("InlineBinary is not base64", path=path, section="PS3.18 F.2.7") from None


# --- data sets ---


class _Overflow(Exception):
    """A value of 64 KiB and more has a VR whose explicit header cannot tell such a length."""


def data_set_of(elements: Elements, transfer_syntax: str | None = None) -> DataSet:
    """The data set of some elements, with File Meta Information that tells its encoding.

    ``transfer_syntax`` matters for encapsulated pixel data only, which cannot be told from other bytes; those of the
    other syntaxes are encoded in explicit VR little endian.  A text or number of 64 KiB and more, which the header of
    its VR has no room for, makes it implicit VR.  EncodeError where that cannot be either.
    """
    meta = {tag: elements.pop(tag) for tag in sorted(elements) if tag >> 16 == 2}
    syntax = UID(transfer_syntax) if transfer_syntax else None
    encapsulated = syntax is not None and syntax.transfer_syntax is not None and syntax.transfer_syntax.encapsulated
    if not _is_ascii(elements):
        _declare_utf8(elements)
    uid = str(syntax) if encapsulated and syntax is not None else EXPLICIT_LE
    try:
        body = _encoded(elements, encapsulated, implicit=False)
    except _Overflow:
        if encapsulated:
            raise EncodeError(
                "a value of 64 KiB and more whose VR has no room for such a length", section="PS3.5 7.1.2"
            ) from None
        body = _encoded(elements, encapsulated, implicit=True)
        uid = IMPLICIT_LE
    return dcmread(_file_meta(elements, meta, uid) + body)


def _file_meta(elements: Elements, meta: Elements, transfer_syntax: str) -> bytes:
    """Preamble and File Meta Information of a data set (PS3.10 section 7.1)."""
    meta = dict(meta)
    for tag in (0x00020000, 0x00020001, 0x00020010):
        meta.pop(tag, None)
    for tag, source in ((0x00020002, 0x00080016), (0x00020003, 0x00080018)):
        value = elements.get(source)
        if value is not None and isinstance(value[1], bytes) and value[1]:
            meta[tag] = ("UI", value[1])
    meta[0x00020001] = ("OB", b"\0\1")
    meta[0x00020010] = ("UI", encode_text([transfer_syntax], "UI"))
    group = _encoded({tag: meta[tag] for tag in sorted(meta)}, False, implicit=False)
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(group))
    return bytes(128) + b"DICM" + length + group


def _is_ascii(elements: Elements) -> bool:
    """Whether all text can do without a Specific Character Set."""
    stack = [elements]
    while stack:
        for vr, value in stack.pop().values():
            if isinstance(value, list):
                stack.extend(value)
            elif vr in CHARSET_VRS and not value.isascii():
                return False
    return True


def _declare_utf8(elements: Elements) -> None:
    """Let every Specific Character Set that is there, and the outermost one, say what the text is encoded in."""
    elements[_CHARACTER_SET] = ("CS", _UTF8)
    stack = [elements]
    while stack:
        item = stack.pop()
        if _CHARACTER_SET in item:
            item[_CHARACTER_SET] = ("CS", _UTF8)
        for _, value in item.values():
            if isinstance(value, list):
                stack.extend(value)


def _encoded(elements: Elements, encapsulated: bool, *, implicit: bool) -> bytes:
    """A data set without File Meta Information, in ascending order of tags; nesting costs no stack."""
    out = bytearray()
    # An open container: an iterator over the elements of an item or the items of a sequence, and what ends it.
    stack: list[tuple[object, bytes]] = [(iter(sorted(elements.items())), b"")]
    while stack:
        iterator, ending = stack[-1]
        entry = next(iterator, None)  # type: ignore[call-overload]
        if entry is None:
            out += ending
            stack.pop()
            continue
        if isinstance(entry, dict):
            out += _ITEM
            stack.append((iter(sorted(entry.items())), _ITEM_END))
            continue
        tag, (vr, value) = entry
        if implicit:
            _check_implicit(tag, vr)
        if isinstance(value, list):
            if len(stack) > 2 * MAX_DEPTH:
                raise NestingError(f"nested more than {MAX_DEPTH} deep", path=step_name(tag), section="PS3.5 7.5")
            out += _header(tag, vr, _UNDEFINED, implicit)
            stack.append((iter(value), _SEQUENCE_END))
        elif tag == _PIXEL_DATA and encapsulated and value[:4] == _ITEM_TAG and len(stack) == 1:
            out += _header(tag, vr, _UNDEFINED, implicit)
            out += value
            out += _SEQUENCE_END
        else:
            out += _header(tag, vr, len(value) + len(value) % 2, implicit)
            out += value
            if len(value) % 2:
                out += b" " if vr in TEXT_VRS and vr != "UI" else b"\0"
    return bytes(out)


def _header(tag: int, vr: str, length: int, implicit: bool) -> bytes:
    """The encoded header of an element (PS3.5 section 7.1)."""
    if length > _UNDEFINED:
        raise EncodeError(
            f"{length} bytes are more than an element can have", path=step_name(tag), section="PS3.5 7.1.1"
        )
    if implicit:
        return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)
    if vr in _LONG_VRS:
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode("ascii"), 0, length)
    if length > 0xFFFF:
        raise _Overflow
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode("ascii"), length)


def _check_implicit(tag: int, vr: str) -> None:
    """Without VRs only those of the dictionary come back."""
    known = dictionary_vr(tag)
    if tag >> 16 & 1 or vr == "UN" or known is None or vr in known:
        return
    raise EncodeError(
        f"VR {vr}: expected {known}, as the data set has a value of 64 KiB and more that only implicit VR can hold",
        path=step_name(tag),
        section="PS3.5 7.1.3",
    )
