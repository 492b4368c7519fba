"""Every kind of malformed input has one outcome: the data that are there with a deviation, or an error at its place.

All cases are read in child processes under all three policies, every value, path and text of them, with five
seconds and sixteen times the input plus 64 MiB of memory.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field

import pytest

from tests.builders import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    big_endian,
    element,
    explicit,
    implicit,
    item,
    item_end,
    meta,
    nested,
    part10,
    plain,
    sequence,
    sequence_end,
)
from tests.hostile.reading import POLICIES, Outcome, read_limited

pytestmark = pytest.mark.skipif("not __import__('os').path.exists('/proc/self/statm')", reason="needs /proc")

SQ = 0x0040A730  # ContentSequence
TEXT = element(0x0040A160, "UT", b"text")
OPEN_ITEM = explicit.tag(0xFFFEE000) + b"\xff" * 4
PLAIN = {"PatientID": "12345", "PatientName": "Doe^John"}


@dataclass
class Case:
    """One input and its outcome.

    ``found`` are the deviations that a report must hold, (kind, path, offset); the first is what strict raises, as
    ``strict``.  ``error``: no policy reads it.  Without any of them it is read without a deviation.
    """

    name: str
    data: bytes
    found: tuple[tuple[str, str, int], ...] = ()
    strict: str = ""
    error: str = ""
    section: str = ""
    values: dict[str, str] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)


CASES: list[Case] = []


def case(name: str, data: bytes, *found: tuple[str, str, int], **more: object) -> None:
    CASES.append(Case(name, data, found, **more))  # type: ignore[arg-type]


def at(data: bytes = b"", syntax: str | None = EXPLICIT) -> int:
    """Offset of what follows ``data`` in a file."""
    return len(part10(data, syntax))


def deflate(data: bytes, wbits: int = -15, level: int = 9) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, wbits)
    return packer.compress(data) + packer.flush()


# --- nesting

case(
    "sequences of undefined length 100,000 deep",
    part10(plain() + nested(100_000, undefined=True)),
    error="NestingError",
    section="PS3.5 7.5",
)
case(
    "sequences of known length 20,000 deep",
    part10(plain() + nested(20_000, undefined=False)),
    error="NestingError",
    section="PS3.5 7.5",
)
case(
    "sequences of known length beyond 64 KiB a level",
    part10(plain() + nested(9_000, undefined=False)),
    error="NestingError",
    section="PS3.5 7.5",
)
case("500 sequences deep is allowed", part10(plain() + nested(500, undefined=True)), values=PLAIN)
case("500 sequences of known length deep is allowed", part10(plain() + nested(500, undefined=False)), values=PLAIN)
case(
    "sequences inside UN 10,000 deep",
    error="NestingError",
    data=part10(
        element(
            0x00091001,
            "UN",
            implicit.item(nested(10_000, undefined=True, encoder=implicit), undefined=True) + implicit.sequence_end(),
            length=UNDEFINED,
        )
    ),
    section="PS3.5 7.5",
)
case(
    "private implicit sequences 10,000 deep",
    error="NestingError",
    section="PS3.5 7.5",
    data=part10(nested(10_000, undefined=True, encoder=implicit, tag=0x00091001), IMPLICIT),
)
case(
    "implicit sequences of known length 10,000 deep",
    error="NestingError",
    section="PS3.5 7.5",
    data=part10(nested(10_000, undefined=False, encoder=implicit), IMPLICIT),
)

# --- lengths and ends

case(
    "pixel data of 4 GB in a small file",
    part10(plain() + element(PIXEL_DATA, "OW", b"1234", length=0xFFFFFFF0)),
    ("truncated_value", "PixelData", at(plain())),
    strict="TruncatedError",
    section="PS3.5 7.1.1",
    values=PLAIN,
)
case(
    "text longer than the file",
    part10(plain() + element(0x00104000, "LT", b"abcd", length=65534)),
    ("truncated_value", "PatientComments", at(plain())),
    strict="TruncatedError",
    values={**PLAIN, "PatientComments": "abcd"},
)
case(
    "sequence of 4 GB in a small file",
    part10(plain() + element(SQ, "SQ", item(TEXT), length=0xFFFFFFF0)),
    ("truncated_value", "ContentSequence", at(plain())),
    strict="TruncatedError",
    values={**PLAIN, "ContentSequence.0.TextValue": "text"},
)
case(
    "implicit value of 4 GB",
    part10(implicit.element(0x00100020, "LO", b"12", length=0xFFFFFFF0), IMPLICIT),
    ("truncated_value", "PatientID", at(syntax=IMPLICIT)),
    strict="TruncatedError",
    values={"PatientID": "12"},
)

LAST = element(0x00104000, "LT", b"abcd")
for kept, where in ((2, "a tag"), (5, "a VR"), (7, "a length")):
    case(
        f"file ends in {where}",
        part10(plain() + LAST[:kept]),
        ("truncated_header", "", at(plain())),
        strict="TruncatedError",
        section="PS3.5 7.1",
        values=PLAIN,
    )
case(
    "file ends in a long header",
    part10(plain() + element(PIXEL_DATA, "OW")[:10]),
    ("truncated_header", "", at(plain())),
    strict="TruncatedError",
    values=PLAIN,
)
case(
    "file ends in a value",
    part10(plain() + LAST[:-2]),
    ("truncated_value", "PatientComments", at(plain())),
    strict="TruncatedError",
    values={**PLAIN, "PatientComments": "ab"},
)
case(
    "file ends in an item",
    part10(plain() + sequence(SQ, OPEN_ITEM + TEXT, undefined=True)[:-8]),
    (
        "missing_delimiter",
        "ContentSequence.0",
        len(part10(plain() + sequence(SQ, OPEN_ITEM + TEXT))),
    ),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text"},
)
case(
    "file ends in File Meta Information",
    part10(b"")[:-4],
    ("truncated_value", "TransferSyntaxUID", 158),
    strict="TruncatedError",
)
case(
    "zeros behind the data set",
    part10(plain() + bytes(1000)),
    ("trailing_bytes", "", at(plain())),
    strict="ElementError",
    values=PLAIN,
)
case(
    "odd length",
    part10(plain() + element(0x00104000, "LT", b"abc")),
    ("odd_length", "PatientComments", at(plain())),
    strict="ElementError",
    section="PS3.5 7.1.1",
    values={"PatientComments": "abc"},
)

# --- undefined lengths and delimiters

case(
    "undefined length on text",
    part10(plain() + element(0x00104000, "UT", item(TEXT) + sequence_end(), length=UNDEFINED) + TEXT),
    ("undefined_length", "PatientComments", at(plain())),
    strict="ElementError",
    section="PS3.5 7.1.1",
    values={**PLAIN, "TextValue": "text"},
)
case(
    "undefined length on a private implicit element",
    part10(
        implicit.element(
            0x00091001,
            "",
            implicit.item(implicit.element(0x00100020, "LO", b"12"), undefined=True) + implicit.sequence_end(),
            length=UNDEFINED,
        ),
        IMPLICIT,
    ),
    values={"00091001.0.PatientID": "12"},
)
case(
    "missing item delimiter",
    part10(plain() + sequence(SQ, OPEN_ITEM + TEXT, item(TEXT), undefined=True) + element(0x00500010, "CS", b"A ")),
    ("missing_delimiter", "ContentSequence.0", at(plain() + element(SQ, "SQ") + OPEN_ITEM + TEXT)),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text", "ContentSequence.1.TextValue": "text", "DeviceSequence": "A"},
)
case(
    "missing sequence delimiter",
    part10(
        plain() + element(SQ, "SQ", item(TEXT, undefined=True), length=UNDEFINED) + element(0x00500010, "CS", b"A ")
    ),
    ("not_an_item", "ContentSequence", at(plain() + element(SQ, "SQ") + item(TEXT, undefined=True))),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text", "DeviceSequence": "A"},
)
case(
    "sequence delimiter in place of an item's",
    part10(
        plain()
        + sequence(SQ, OPEN_ITEM + TEXT + sequence_end(), item(TEXT), undefined=True)
        + element(0x00500010, "CS", b"A ")
    ),
    ("missing_delimiter", "ContentSequence.0", at(plain() + element(SQ, "SQ") + OPEN_ITEM + TEXT)),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text", "ContentSequence.1.TextValue": "text", "DeviceSequence": "A"},
)
case(
    "sequence delimiter in place of the last item's",
    part10(
        plain() + sequence(SQ, OPEN_ITEM + TEXT + sequence_end(), undefined=True) + element(0x00500010, "CS", b"A ")
    ),
    ("missing_delimiter", "ContentSequence.0", at(plain() + element(SQ, "SQ") + OPEN_ITEM + TEXT)),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text", "DeviceSequence": "A"},
)
case(
    "sequence delimiter behind a known length",
    part10(plain() + sequence(SQ, item(TEXT)) + sequence_end() + element(0x00500010, "CS", b"A ")),
    ("stray_delimiter", "", at(plain() + sequence(SQ, item(TEXT)))),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text", "DeviceSequence": "A"},
)
case(
    "item delimiter behind a known length",
    part10(plain() + sequence(SQ, item(TEXT) + item_end(), item(TEXT))),
    ("stray_delimiter", "ContentSequence", at(plain() + element(SQ, "SQ") + item(TEXT))),
    strict="ElementError",
    values={"ContentSequence.1.TextValue": "text"},
)
case(
    "item delimiter inside a known length",
    part10(plain() + sequence(SQ, item(TEXT + item_end()))),
    ("stray_delimiter", "ContentSequence.0", at(plain() + element(SQ, "SQ") + item() + TEXT)),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text"},
)
for length in (2, UNDEFINED):
    case(
        f"delimiters with length {length:X}",
        part10(
            plain()
            + element(SQ, "SQ", OPEN_ITEM + TEXT + item_end(length) + sequence_end(length), length=UNDEFINED)
            + element(0x00500010, "CS", b"A ")
        ),
        ("delimiter_length", "ContentSequence.0", at(plain() + element(SQ, "SQ") + OPEN_ITEM + TEXT)),
        ("delimiter_length", "ContentSequence", at(plain() + element(SQ, "SQ") + OPEN_ITEM + TEXT + item_end())),
        strict="ElementError",
        values={"ContentSequence.0.TextValue": "text", "DeviceSequence": "A"},
    )
case(
    "item longer than its sequence",
    part10(plain() + sequence(SQ, item(TEXT, length=400)) + element(0x00500010, "CS", b"A ")),
    ("overrun", "ContentSequence.0", at(plain() + element(SQ, "SQ"))),
    strict="ElementError",
    section="PS3.5 7.5.1",
    values={"ContentSequence.0.TextValue": "text", "DeviceSequence": "A"},
)
case(
    "element longer than its item",
    part10(
        plain() + sequence(SQ, item(element(0x0040A160, "UT", b"text", length=400))) + element(0x00500010, "CS", b"A ")
    ),
    ("overrun", "ContentSequence.0.TextValue", at(plain() + element(SQ, "SQ") + item())),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text", "DeviceSequence": "A"},
)
case(
    "element longer than its large item",
    part10(
        plain()
        + sequence(SQ, item(element(0x0040A040, "UC", b"x" * 9000) + element(0x0040A160, "UT", b"text", length=400)))
    ),
    ("overrun", "ContentSequence.0.TextValue", at(plain() + element(SQ, "SQ") + item() + bytes(9012))),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text"},
)
case(
    "deflated stream that ends in a small sequence",
    part10(b"", DEFLATED) + deflate(plain() + sequence(SQ, item(TEXT), item(TEXT))[:-24]),
    ("truncated_value", "ContentSequence", len(plain())),
    strict="TruncatedError",
    values={"ContentSequence.0.TextValue": "text"},
)
case(
    "element in place of an item",
    part10(plain() + sequence(SQ, TEXT, item(TEXT)) + element(0x00500010, "CS", b"A ")),
    ("not_an_item", "ContentSequence", at(plain() + element(SQ, "SQ"))),
    strict="ElementError",
    section="PS3.5 7.5.1",
    values={"DeviceSequence": "A"},
)
case(
    "item outside a sequence",
    part10(plain() + item(TEXT)),
    ("stray_item", "", at(plain())),
    strict="ElementError",
    values={"TextValue": "text"},
)
case(
    "fragments without a delimiter",
    part10(plain() + element(PIXEL_DATA, "OB", item() + item(b"\xff\xd8"), length=UNDEFINED), JPEG),
    ("missing_delimiter", "PixelData", at(plain() + element(PIXEL_DATA, "OB") + item() + item(b"12"), JPEG)),
    strict="ElementError",
    values={"PixelData": "<Fragments: 1>"},
)
case(
    "fragment of undefined length",
    part10(plain() + element(PIXEL_DATA, "OB", item() + OPEN_ITEM + b"1234", length=UNDEFINED), JPEG),
    ("undefined_length", "PixelData.1", at(plain() + element(PIXEL_DATA, "OB") + item(), JPEG)),
    strict="ElementError",
    values={"PixelData": "<Fragments: 1>"},
)

# --- encodings

case(
    "one implicit element in an explicit data set",
    part10(plain() + implicit.element(0x00100030, "DA", b"20200102") + element(0x00104000, "LT", b"abcd")),
    ("implicit_element", "PatientBirthDate", at(plain())),
    strict="ElementError",
    section="PS3.5 7.1.2",
    values={"PatientBirthDate": "20200102", "PatientComments": "abcd"},
)
case(
    "an implicit sequence in an explicit data set",
    part10(
        plain()
        + implicit.sequence(SQ, implicit.item(implicit.element(0x0040A160, "UT", b"text")))
        + element(0x00500010, "CS", b"A ")
    ),
    ("implicit_element", "ContentSequence", at(plain())),
    strict="ElementError",
    values={"ContentSequence.0.TextValue": "text", "DeviceSequence": "A"},
)
EXPLICIT_SET = plain()
IMPLICIT_SET = (
    implicit.element(0x00080060, "CS", b"CT")
    + implicit.element(0x00100010, "PN", b"Doe^John")
    + implicit.element(0x00100020, "LO", b"12345 ")
)
BIG_SET = (
    big_endian.element(0x00080060, "CS", b"CT")
    + big_endian.element(0x00100010, "PN", b"Doe^John")
    + big_endian.element(0x00100020, "LO", b"12345 ")
    + big_endian.element(0x00280010, "US", b"\2\0")
)
case(
    "explicit data under an implicit UID",
    part10(EXPLICIT_SET, IMPLICIT),
    ("encoding", "", at(syntax=IMPLICIT)),
    strict="DecodeError",
    section="PS3.5 10",
    values=PLAIN,
)
case(
    "implicit data under an explicit UID",
    part10(IMPLICIT_SET),
    ("encoding", "", at()),
    strict="DecodeError",
    values=PLAIN,
)
case(
    "big endian data under a little endian UID",
    part10(BIG_SET),
    ("encoding", "", at()),
    strict="DecodeError",
    values={**PLAIN, "Rows": "512"},
)
case(
    "little endian data under a big endian UID",
    part10(EXPLICIT_SET, BIG_ENDIAN),
    ("encoding", "", at(syntax=BIG_ENDIAN)),
    strict="DecodeError",
    values=PLAIN,
)
for vr in (b"??", b"  ", b"\0\0", b"aa", b"ZZ"):
    case(
        f"VR {vr!r}",
        part10(plain() + element(0x00104000, vr, b"abcd") + element(0x00180015, "CS", b"HEAD")),
        ("unknown_vr", "PatientComments", at(plain())),
        strict="ElementError",
        section="PS3.5 6.2",
        values={"BodyPartExamined": "HEAD", "PatientComments": "b'abcd'"},
    )
    long = explicit.tag(0x00104000) + vr + b"\0\0" + struct.pack("<I", 4) + b"abcd"
    if vr != b"\0\0":
        case(
            f"VR {vr!r} with a long length",
            part10(plain() + long + element(0x00180015, "CS", b"HEAD")),
            ("unknown_vr", "PatientComments", at(plain())),
            strict="ElementError",
            values={"BodyPartExamined": "HEAD", "PatientComments": "b'abcd'"},
        )
case(
    "bytes that are no header",
    part10(plain() + b"\x12\0\x34\x12\xfe\xfe\xfe\xfe" * 10),
    ("unreadable_header", "", at(plain())),
    strict="ElementError",
    values=PLAIN,
)
case(
    "16-bit length that wrapped",
    part10(
        plain() + element(0x00189445, "LT", b"x" * 66000, length=66000 - 65536) + element(0x00280010, "US", b"\2\0")
    ),
    ("length_wrapped", "00189445", len(part10(plain() + element(0x00189445, "LT"))) + 66000 - 65536),
    strict="ElementError",
    values={"Rows": "2"},
)

# --- the file around it

case(
    "no preamble",
    b"DICM" + meta() + plain(),
    ("preamble", "", 0),
    strict="DecodeError",
    section="PS3.10 7.1",
    values=PLAIN,
)
case("neither preamble nor File Meta Information", plain(), ("preamble", "", 0), strict="DecodeError", values=PLAIN)
case(
    "DICM in the data without a preamble",
    element(0x00080008, "CS", b"A" * 112) + element(0x00081030, "LO", b"DICM  ") + element(0x00100020, "LO", b"12345 "),
    ("preamble", "", 0),
    strict="DecodeError",
    values={"StudyDescription": "DICM", "PatientID": "12345"},
)
case("no DICOM at all", b"hello world, this is a text file\n" * 20, error="DecodeError", section="PS3.10 7.1")
case("an empty file", b"", error="DecodeError", section="PS3.10 7.1")
case("four bytes", b"\x08\0\x05\0", error="DecodeError", section="PS3.10 7.1")
for name, start in (
    ("PE", b"MZ\x90\0"),
    ("ELF", b"\x7fELF"),
    ("script", b"#!/bin/sh\n"),
    ("Mach-O", b"\xcf\xfa\xed\xfe"),
):
    case(
        f"preamble that begins a {name} file",
        part10(plain(), preamble=start.ljust(128, b"\0")),
        ("preamble", "", 0),
        strict="DecodeError",
        section="PS3.10 7.1",
        values=PLAIN,
    )
case("preamble that begins a TIFF file is lawful", part10(plain(), preamble=b"II*\0".ljust(128, b"\0")), values=PLAIN)
case(
    "meta group length wrong",
    part10(plain(), length=10),
    ("meta_group_length", "", 140),
    strict="DecodeError",
    section="PS3.10 7.1",
    values=PLAIN,
)
case(
    "meta group length huge",
    part10(plain(), length=0xFFFFFFF0),
    ("meta_group_length", "", 140),
    strict="DecodeError",
    values=PLAIN,
)
case(
    "meta group length absent",
    bytes(128) + b"DICM" + meta()[12:] + plain(),
    ("meta_group_length", "", 144),
    strict="DecodeError",
    values=PLAIN,
)
case(
    "meta element of 4 GB",
    part10(plain(), more=element(0x00020102, "OB", b"12", length=0xFFFFFFF0)),
    ("truncated_value", "PrivateInformation", 186),
    strict="TruncatedError",
)
case(
    "no transfer syntax",
    part10(plain(), None),
    ("transfer_syntax", "", 132),
    strict="DecodeError",
    section="PS3.10 7.1",
    values=PLAIN,
)
case(
    "unknown transfer syntax",
    part10(plain(), "1.2.3.4"),
    ("transfer_syntax", "", 166),
    strict="DecodeError",
    section="PS3.5 10",
    values=PLAIN,
)
case(
    "transfer syntax padded with blanks",
    part10(plain(), EXPLICIT + "   "),
    ("transfer_syntax", "", 166),
    strict="DecodeError",
    section="PS3.5 9.1",
    values=PLAIN,
)
case(
    "two groups of File Meta Information",
    part10(meta(IMPLICIT) + plain()),
    ("tag_order", "FileMetaInformationGroupLength", at()),
    strict="ElementError",
    values=PLAIN,
)
case(
    "group 0002 in the data set",
    part10(element(0x00080005, "CS", b"ISO_IR 100") + element(0x00020010, "UI", b"1.2\0") + plain()[18:]),
    ("tag_order", "TransferSyntaxUID", at(plain()[:18])),
    ("foreign_group", "TransferSyntaxUID", at(plain()[:18]) + 8),
    strict="ElementError",
    values=PLAIN,
)
case(
    "command group in a file",
    part10(element(0, "UL", b"\4\0\0\0") + plain()),
    ("foreign_group", "CommandGroupLength", at() + 8),
    strict="ValueDecodeError",
    section="PS3.10 7.1",
    values=PLAIN,
)

# --- order, private elements, group lengths

LATE = element(0x00080060, "CS", b"CT")
case(
    "tags out of order",
    part10(plain() + LATE + element(0x00080005, "CS", b"ISO_IR 192")),
    ("tag_order", "Modality", at(plain())),
    strict="ElementError",
    section="PS3.5 7.1",
    values={**PLAIN, "Modality": "CT"},
)
case(
    "duplicates: the first counts",
    part10(plain() + element(0x00100020, "LO", b"second")),
    ("duplicate_tag", "PatientID", at(plain())),
    strict="ElementError",
    section="PS3.5 7.1",
    values=PLAIN,
)
case(
    "100,000 elements out of order",
    part10(b"".join(element(0x00100020 - (i << 16 & 0xF0000), "LO") for i in range(100_000))),
    ("tag_order", "000F0020", at() + 8),
    strict="ElementError",
)
case(
    "private element without creator",
    part10(implicit.element(0x00091001, "", b"1234"), IMPLICIT),
    values={"00091001": "b'1234'"},
)
case(
    "two private creators of one block",
    part10(
        element(0x00090010, "LO", b"GEMS_IDEN_01")
        + element(0x00090010, "LO", b"SIEMENS ")
        + element(0x00091001, "LO", b"ab")
    ),
    ("duplicate_tag", "00090010", at(element(0x00090010, "LO", b"GEMS_IDEN_01"))),
    strict="ElementError",
    values={"00090010": "GEMS_IDEN_01", "00091001": "ab"},
)
case(
    "private elements in block 00 to 0F",
    part10(implicit.element(0x00090001, "", b"12") + implicit.element(0x00090F01, "", b"34"), IMPLICIT),
    values={"00090001": "b'12'", "00090F01": "b'34'"},
)
case("group lengths wrong", part10(element(0x00080000, "UL", b"\xff\xff\xff\x7f") + plain()), values=PLAIN)

# --- deflated and compressed

BOMB = plain() + element(0x00210010, "UN", length=UNDEFINED) + implicit.tag(0xFFFEE000) + b"\xff" * 4 + bytes(64 << 20)
case(
    "deflated stream of small elements without end",
    part10(b"", DEFLATED) + deflate(BOMB),
    error="DecodeError",
    section="PS3.5 A.5",
)
case(
    "deflated value of 64 MB before the pixel data",
    part10(b"", DEFLATED)
    + deflate(plain() + element(0x00211001, "UN", bytes(64 << 20)) + element(0x00280010, "US", b"\2\0")),
    error="DecodeError",
    section="PS3.5 A.5",
)
case(
    "deflated stream cut short",
    part10(b"", DEFLATED) + deflate(plain() + LAST, level=0)[:-7],
    ("deflate", "", len(plain() + LAST) - 7),
    strict="DecodeError",
    section="PS3.5 A.5",
    values=PLAIN,
)
case(
    "bytes behind the deflated stream",
    part10(b"", DEFLATED) + deflate(plain()) + b"garbage",
    ("deflate", "", len(plain())),
    strict="DecodeError",
    values=PLAIN,
)
case("one NUL behind the deflated stream is padding", part10(b"", DEFLATED) + deflate(plain()) + b"\0", values=PLAIN)
case(
    "zlib header before the deflated stream",
    part10(b"", DEFLATED) + deflate(plain(), 15),
    ("deflate", "", len(plain())),
    strict="DecodeError",
    values=PLAIN,
)
case(
    "a deflated syntax and data that are not",
    part10(plain(), DEFLATED),
    ("encoding", "", at(syntax=DEFLATED)),
    strict="DecodeError",
    values=PLAIN,
)
case("a deflated syntax and garbage", part10(b"\xff" * 64, DEFLATED), error="DecodeError", section="PS3.5 A.5")
case("gzip", gzip.compress(part10(plain())), error="DecodeError", section="PS3.10 7.1")


def zipped(size: int) -> bytes:
    """A zip file whose headers claim ``size`` bytes of content."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.dcm", part10(plain()))
    data = bytearray(file.getvalue())
    struct.pack_into("<I", data, 22, size)
    return bytes(data)


case("zip that lies about its size", zipped(0xFFFFFFF0), error="DecodeError", section="PS3.10 7.1")

# --- text and numbers


def charset(terms: bytes, name: bytes) -> bytes:
    return part10(element(0x00080005, "CS", terms) + element(0x00100010, "PN", name))


CHARSET_AT = at() + 8


def name_at(terms: bytes) -> int:
    return at(element(0x00080005, "CS", terms)) + 8


case(
    "unknown character set",
    charset(b"ISO_IR 999", b"D\xf6e^Jo"),
    ("character_set", "SpecificCharacterSet", CHARSET_AT),
    strict="ValueDecodeError",
)
case(
    "misspelt character set",
    charset(b"ISO-IR 100", b"D\xf6e^Jo"),
    ("character_set", "SpecificCharacterSet", CHARSET_AT),
    strict="ValueDecodeError",
    values={"PatientName": "Döe^Jo"},
)
case(
    "UTF-8 cut in a character",
    charset(b"ISO_IR 192", b"Doe^J\xc3"),
    ("character_set", "PatientName", name_at(b"ISO_IR 192")),
    strict="ValueDecodeError",
    section="PS3.5 6.1",
    values={"PatientName": "Doe^J�"},
)
case(
    "escape to a set that is not declared",
    charset(b"ISO_IR 100", b"\x1b$)Cabc^def"[:10]),
    ("character_set", "PatientName", name_at(b"ISO_IR 100")),
    strict="ValueDecodeError",
)
case(
    "two-byte text cut in a character",
    charset(b"\\ISO 2022 IR 87 ", b"\x1b$B;3ED;3" + b"E"),
    ("character_set", "PatientName", name_at(b"\\ISO 2022 IR 87 ")),
    strict="ValueDecodeError",
)
case(
    "contradicting character sets",
    charset(b"ISO_IR 192\\ISO 2022 IR 87 ", b"Doe^John"),
    values={"PatientName": "Doe^John"},
)
case(
    "NUL, line ends and markup in text",
    part10(element(0x00104000, "LT", b"a\0b\r\n<script>\\../../xy")),
    values={"PatientComments": "a\0b\r\n<script>\\../../xy"},
)
case(
    "backslash inside a two-byte code",
    part10(element(0x00080005, "CS", b"GB18030 ") + element(0x00100010, "PN", b"A\\\x81\\B ")),
    values={"PatientName": "['A', '乗B']"},
)
case(
    "text beyond the length of its VR",
    part10(element(0x00100020, "LO", b"x" * 60_000)),
    values={"PatientID": "x" * 200},
)
for vr, tag, keyword, text in (
    ("DS", 0x00180050, "SliceThickness", b"1,5 "),
    ("DS", 0x00180050, "SliceThickness", b"nan "),
    ("DS", 0x00180050, "SliceThickness", b"x" * 70),
    ("IS", 0x00200013, "InstanceNumber", b"1e400 "),
    ("IS", 0x00200013, "InstanceNumber", b"twelve"),
    ("IS", 0x00200013, "InstanceNumber", b"9" * 5000),
):
    case(
        f"{vr} {text[:8]!r} of {len(text)}",
        part10(element(tag, vr, text)),
        ("value", keyword, at() + 8),
        strict="ValueDecodeError",
        section="PS3.5 6.2",
        values={keyword: text.decode().strip()[:200]},
    )
case(
    "dates, ages and UIDs that do not conform",
    part10(
        element(0x0008001A, "UI", b"1.02.3\0\0")
        + element(0x00080020, "DA", b"20239999")
        + element(0x00080030, "TM", b"236160")
        + element(0x00101010, "AS", b"old ")
    ),
    values={"StudyDate": "20239999", "StudyTime": "236160", "PatientAge": "old"},
)
case(
    "numbers of odd bytes",
    part10(element(0x00280010, "US", b"\1\2\3")),
    ("odd_length", "Rows", at()),
    ("value", "Rows", at() + 8),
    strict="ElementError",
    values={"Rows": "b'\\x01\\x02\\x03'"},
)
case("more values than the dictionary says", part10(element(0x00280010, "US", b"\1\0\2\0")), values={"Rows": "[1, 2]"})
case(
    "sequence under a tag that is text",
    part10(sequence(0x00100020, item(TEXT))),
    values={"PatientID.0.TextValue": "text"},
)
case(
    "10,000 bad numbers",
    part10(b"".join(element(0x00200013 | i << 17, "IS", b"?") for i in range(8000))),
    ("odd_length", "InstanceNumber", at()),
    strict="ElementError",
)


# --- the tests

NAMES = [one.name for one in CASES]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    jobs = [
        (f"{one.name}/{policy}", one.data, {"policy": policy, **one.options}) for one in CASES for policy in POLICIES
    ]
    return read_limited(jobs, tmp_path_factory.mktemp("hostile"))


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("one", CASES, ids=NAMES)
def test_outcome(one: Case, outcomes: dict[str, Outcome]) -> None:
    strict, report, ignore = (outcomes[f"{one.name}/{policy}"] for policy in POLICIES)
    if one.error:
        for outcome in (report, ignore):
            assert outcome.error == one.error, outcome.message
            assert outcome.offset is not None
            assert outcome.path is not None
            assert outcome.section == one.section
        assert strict.error in ("DecodeError", "ElementError", "NestingError", "TruncatedError"), strict.message
        return
    assert report.error is None, (report.error, report.message)
    assert ignore.error is None, (ignore.error, ignore.message)
    assert ignore.deviations == []
    for found in one.found:
        assert found in report.deviations
    for path, text in one.values.items():
        assert report.values[path] == text
        assert ignore.values[path] == text
    if one.found:
        _, path, offset = one.found[0]
        assert strict.error == one.strict, strict.message
        assert (strict.offset, strict.path) == (offset, path)
        assert strict.section
        if one.section:
            assert strict.section == one.section
    else:
        assert report.deviations == []
        assert strict.error is None, strict.message
        assert strict.values == report.values
