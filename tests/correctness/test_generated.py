"""Data sets made for the purpose, in every encoding, as pydicom reads them: tags, VRs, padding, nesting."""

import random
import struct

import pydicom.datadict
import pytest

from tests.encoding import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    UNDEFINED,
    delimiter,
    explicit,
    implicit,
    item,
    part10,
)
from tools.correctness.differences import kinds
from tools.correctness.readings import FileReadings, read_dicomwire, read_pydicom

CREATOR = 0x00110010
PRIVATE = 0x00111001


def compared(data: bytes) -> tuple[FileReadings, FileReadings, dict[str, list[str]]]:
    """Both readings, and the kinds of difference by element."""
    ours, theirs = read_dicomwire(data), read_pydicom(data)
    different = {}
    for path in sorted(ours.elements.keys() | theirs.elements.keys()):
        found = list(kinds("pydicom", ours.elements.get(path), theirs.elements.get(path)))
        if found:
            different[path] = found
    return ours, theirs, different


# --- values

TEXTS = [
    *(b"", b" ", b"  ", b"A ", b" A", b"A\0", b"\\", b"\\\\ ", b"A\\", b"\\A", b"A\\\\B", b"A \\ B "),
    *(b" A\\B\0", b"A\\ ", b"AB\0C", b"a\r\nb", b"A\xe4", b"\xc3\xa4"),
    *(b"^^", b"A^B=C^D=E", b"=A", b"==A ", b"A^B^C^D^E\\F=G"),
]
NUMBER_STRINGS = {
    "DS": [
        *(b"", b" ", b"1", b"1.5 ", b" 1.5", b"1e5", b"1E-05", b"-.5", b"5.", b"+3", b"-0"),
        *(b"1\\2", b"1\\", b"\\1", b"1\\\\2", b"0.1\\0.2\\0.30000000000000004", b"12345678901234567890.123"),
        *(b"1,5 ", b"abc ", b"nan ", b"1.5.5 ", b"1 2 ", b"0x10", b"- 5 ", b"1d5 "),
    ],
    "IS": [
        *(b"", b" ", b"1", b" 12", b"+3", b"-7", b"007 ", b"2147483648", b"1\\2", b"1\\", b"\\1"),
        *(b"1.0 ", b"1.5 ", b"1e2 ", b"abc ", b"- 5 ", b"0x10"),
    ],
}
STRING_VRS = ["AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
SIZES = {1: "OB UN", 2: "OW SS US", 4: "AT FL OF OL SL UL", 8: "FD OD OV SV UV"}
WORDS = {vr: size for size, vrs in SIZES.items() for vr in vrs.split()}


@pytest.mark.parametrize("vr", [*STRING_VRS, "DS", "IS"])
def test_text_of_every_vr(vr):
    for value in NUMBER_STRINGS.get(vr, TEXTS):
        padded = value + b" " * (len(value) % 2)
        elements = explicit(CREATOR, "LO", b"TEST") + explicit(PRIVATE, vr, padded)
        _, _, different = compared(part10(elements))
        assert different == {}, padded


@pytest.mark.parametrize(("syntax", "order"), [(EXPLICIT, "<"), (BIG, ">")])
@pytest.mark.parametrize("vr", WORDS)
def test_words_of_every_vr_in_both_orders(vr, syntax, order):
    for count in range(4):
        value = bytes(range(0x81, 0x81 + count * WORDS[vr]))
        value += bytes(len(value) % 2)
        elements = explicit(CREATOR, "LO", b"TEST", order=order) + explicit(PRIVATE, vr, value, order=order)
        _, _, different = compared(part10(elements, syntax))
        assert different == {}, count


# --- VRs that the encoding leaves open

AMBIGUOUS = {tag: vr for tag, (vr, *_) in pydicom.datadict.DicomDictionary.items() if " or " in vr}
# pydicom leaves these ambiguous; they are read as one of the VRs that the dictionary names.
LEFT_OPEN = {0x00143050, 0x00143070, 0x00280071, 0x00281100, 0x00281111, 0x00281112, 0x00281113, 0x00281200}
OTHERS_NEEDED = {
    0x00283006: 0x00283002,  # LUT Data by LUT Descriptor, the rest by Waveform Bits Allocated
    0x54000110: 0x54001004,
    0x54000112: 0x54001004,
    0x5400100A: 0x54001004,
    0x54001010: 0x54001004,
}


def test_vr_of_every_tag_in_implicit_vr():
    elements = [(0x00110010, b"TEST")]
    for tag, (vr, *_) in pydicom.datadict.DicomDictionary.items():
        if tag >> 16 not in (0x0002, 0xFFFE) and tag != 0x00080005 and tag not in AMBIGUOUS and vr != "NONE":
            elements.append((tag, b"" if vr == "SQ" else b"12345678"))
    data = part10(b"".join(implicit(tag, value) for tag, value in sorted(elements)), IMPLICIT)
    ours, _, different = compared(data)
    assert len(ours.elements) > 4_900
    assert different == {}


@pytest.mark.parametrize("is_un", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("signed", [0, 1])
def test_ambiguous_vrs(signed, bits, is_un):
    for tag in sorted(AMBIGUOUS):
        elements = {0x00280103: struct.pack("<H", signed), 0x00280100: struct.pack("<H", bits)}
        if tag in OTHERS_NEEDED:
            # LUT Descriptor has three values, Waveform Bits Allocated one.
            elements[OTHERS_NEEDED[tag]] = struct.pack("<H", bits) * (3 if tag == 0x00283006 else 1)
        elements[tag] = b"\x81\x82\x83\x84\x85\x86"
        if is_un:
            vrs = {tag: "UN"}
            data = part10(b"".join(explicit(key, vrs.get(key, "US"), elements[key]) for key in sorted(elements)))
        else:
            data = part10(b"".join(implicit(key, elements[key]) for key in sorted(elements)), IMPLICIT)
        ours, _, different = compared(data)
        reading = ours.elements[f"{tag:08X}"]
        assert reading.vr in AMBIGUOUS[tag].split(" or ")
        if tag in LEFT_OPEN:
            assert different.keys() == {f"{tag:08X}"}
        else:
            assert different == {}, f"{tag:08X}"


def test_pixel_representation_of_an_outer_item_counts_inside():
    inner = implicit(0x00280106, b"\xff\xff")
    sequence = implicit(0x52009230, item(implicit(0x00280103, b"\x00\x00") + inner) + item(inner))
    ours, _, different = compared(part10(implicit(0x00280103, b"\x01\x00") + sequence, IMPLICIT))
    assert different == {}
    assert ours.elements["52009230.0.00280106"].value == ("numbers", (65535,))
    assert ours.elements["52009230.1.00280106"].value == ("numbers", (-1,))


@pytest.mark.parametrize("encoding", ["implicit", "UN"])
def test_private_elements_by_their_creator(encoding):
    def private(tag, value):
        return implicit(tag, value) if encoding == "implicit" else explicit(tag, "UN", value)

    def creator(tag, value):
        return implicit(tag, value) if encoding == "implicit" else explicit(tag, "LO", value)

    data = part10(
        creator(0x00190010, b"SIEMENS MR HEADER ")
        + creator(0x00190011, b"GEMS_ACQU_01")
        + creator(0x00190012, b"NOBODY KNOWS")
        + private(0x0019100A, b"\x30\x00")
        + private(0x0019100C, b"0 ")
        + private(0x00191102, b"\x01\x00\x00\x00")
        + private(0x00191202, b"\x01\x00")
        + private(0x00191302, b"\x01\x00"),  # no creator
        IMPLICIT if encoding == "implicit" else EXPLICIT,
    )
    ours, _, different = compared(data)
    assert different == {}
    assert [ours.elements[f"{tag:08X}"].vr for tag in (0x0019100A, 0x0019100C, 0x00191102, 0x00191202)] == [
        "US",
        "IS",
        "SL",
        "UN",
    ]


# --- nesting


TREE = (
    (0x00080060, "CS"),
    (0x00081140, "SQ"),
    (0x00100010, "PN"),
    (0x00280010, "US"),
    (0x00280106, "SS"),
    (0x00400260, "SQ"),
    (0x00420011, "OB"),
    (0x52009229, "SQ"),
)


class Writer:
    """Random trees of elements in one encoding, with sequences and items of known and undefined length."""

    def __init__(self, seed: int, encoding: str) -> None:
        self.random = random.Random(seed)
        self.encoding = encoding
        self.order = ">" if encoding == "big" else "<"

    def element(self, tag: int, vr: str, value: bytes, length: int | None = None, is_implicit: bool = False) -> bytes:
        if is_implicit or self.encoding == "implicit":
            return implicit(tag, value, length=length)
        return explicit(tag, vr, value, length=length, order=self.order)

    def sequence(self, tag: int, depth: int, is_implicit: bool) -> bytes:
        as_un = self.encoding == "explicit" and not is_implicit and self.random.random() < 0.25
        inner = is_implicit or as_un
        order = "<" if inner else self.order
        items = b""
        for _ in range(self.random.randrange(4)):
            undefined = self.random.random() < 0.5
            items += item(self.data_set(depth + 1, inner), undefined=undefined, order=order)
        vr = "UN" if as_un else "SQ"
        if self.random.random() < 0.5:
            return self.element(tag, vr, items + delimiter(order=order), UNDEFINED, is_implicit)
        return self.element(tag, vr, items, None, is_implicit)

    def data_set(self, depth: int = 0, is_implicit: bool = False) -> bytes:
        out = b""
        order = "<" if is_implicit else self.order
        # US or SS is left to other tests: the value of Smallest Image Pixel Value is the same in both.
        numbers = {"US": struct.pack(order + "H", 258), "SS": struct.pack(order + "H", 3)}
        for tag, vr in TREE:
            if self.random.random() < 0.5:
                continue
            if vr == "SQ":
                if depth < 4:
                    out += self.sequence(tag, depth, is_implicit)
                continue
            letters = bytes(self.random.choice(b"ABC ") for _ in range(2 * self.random.randrange(4)))
            out += self.element(tag, vr, numbers.get(vr, letters), None, is_implicit)
        return out


@pytest.mark.parametrize("encoding", ["explicit", "implicit", "big"])
def test_random_nesting(encoding):
    syntax = {"explicit": EXPLICIT, "implicit": IMPLICIT, "big": BIG}[encoding]
    elements = 0
    for seed in range(150):
        data = part10(Writer(seed, encoding).data_set(), syntax)
        ours, _, different = compared(data)
        elements += len(ours.elements)
        assert different == {}, seed
    assert elements > 3_000


# --- beginnings: what stands before the data set, and whether it tells the encoding

SYNTAXES = {"explicit": EXPLICIT, "implicit": IMPLICIT, "big": BIG}
NO_SYNTAX = explicit(0x00020012, "UI", b"1.2\0")
BEGINNINGS = {
    "nothing": lambda data, _: data,
    "DICM": lambda data, _: b"DICM" + data,
    "no meta": lambda data, _: bytes(128) + b"DICM" + data,
    "no syntax": lambda data, _: part10(data).replace(explicit(0x00020010, "UI", EXPLICIT.encode() + b"\0"), NO_SYNTAX),
    "private syntax": lambda data, _: part10(data, "1.2.3.4"),
    "wrong syntax": lambda data, encoding: part10(data, EXPLICIT if encoding == "implicit" else IMPLICIT),
    "zeros behind": lambda data, encoding: part10(data, SYNTAXES[encoding]) + bytes(16),
}
# pydicom takes DICM at the beginning, and zeros at the end, for elements, and believes the transfer syntax.
MISREAD = {"DICM": {"explicit", "implicit", "big"}, "zeros behind": {"explicit", "implicit", "big"}}
MISREAD |= {"private syntax": {"implicit", "big"}, "wrong syntax": {"implicit", "big"}}


@pytest.mark.parametrize("encoding", SYNTAXES)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_beginnings(beginning, encoding):
    order = ">" if encoding == "big" else "<"

    def element(tag: int, vr: str, value: bytes) -> bytes:
        return implicit(tag, value) if encoding == "implicit" else explicit(tag, vr, value, order=order)

    data = element(0x00080005, "CS", b"ISO_IR 100") + element(0x00100010, "PN", b"A^\xc4 ")
    data += element(0x00280010, "US", struct.pack(order + "H", 3)) + element(0x7FE00010, "OW", b"\1\2\3\4")
    data += element(0xFFFCFFFC, "OB", bytes(6))
    ours, _, different = compared(BEGINNINGS[beginning](data, encoding))
    found = {path: reading.value for path, reading in ours.elements.items() if not path.startswith("0002")}
    assert found == {
        "00080005": ("text", ("ISO_IR 100",)),
        "00100010": ("text", ("A^Ä",)),
        "00280010": ("numbers", (3,)),
        "7FE00010": ("bytes", b"\1\2\3\4"),
        "FFFCFFFC": ("bytes", bytes(6)),
    }
    assert bool(different) == (encoding in MISREAD.get(beginning, ()))
    assert ours.remarks != []
