"""The index of an HL7 message: segments, fields and values are where a slow twin finds them, whatever the bytes."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.segments import SegmentIndex, Selection
from dicomwire.errors import DecodeError
from tests.hl7.messages import OMI, ORM
from tests.oracles import hl7 as twin

HEADER = b"MSH|^~\\&|A\r"


def latin(data: bytes) -> str:
    return data.decode("latin-1")


def test_segments_and_fields() -> None:
    index = SegmentIndex(ORM)
    assert [index.name(n) for n in range(len(index))] == ["MSH", "PID", "PV1", "ORC", "OBR", "ZDS"]
    assert index.field_separator == "|"
    assert index.encoding_characters == "^~\\&"
    assert index.value(0, 1) == b"|"
    assert index.value(0, 2) == b"^~\\&"
    assert index.value(0, 9) == b"ORM^O01"
    assert index.value(0, 9, 2) == b"O01"
    assert index.value(1, 3) == b"583295^^^ADT1&1.2.3&ISO~X44^^^OLD"
    assert index.value(1, 3, 4, 2) == b"1.2.3"
    assert index.value(1, 3, 1, repetition=2) == b"X44"
    assert index.value(1, 3, 1, repetition=3) == b""
    assert index.value(1, 99) == b""
    assert index.segment(5) == b"ZDS|1.2.826.0.1.3680043.1.1^100^Application^DICOM"
    assert index.find("OBR") == 4
    assert index.find("OBR", 5) == -1
    assert index.find("XYZ") == index.find("OB") == index.find("OBRX") == -1
    assert index.count(5) == 1
    with pytest.raises(IndexError):
        index.name(6)
    with pytest.raises(IndexError):
        index.value(-1, 1)


def test_values_of_several_segments_and_repetitions() -> None:
    selection = Selection(["IPC-4.1", "IPC-1", "PID-3.1", "PID-3[2].1", "PID-3[1].4.2", "ZDS-1", "MSH-1", "MSH-2"])
    assert SegmentIndex(OMI).select(selection, latin) == (
        ("SS200-1", "SS200-2"), "ACC200", "583295", None, None, None, "|", "^~\\&",
    )  # fmt: skip
    assert SegmentIndex(ORM).select(selection, latin) == (
        None, None, ("583295", "X44"), "X44", "1.2.3", "1.2.826.0.1.3680043.1.1^100^Application^DICOM", "|", "^~\\&",
    )  # fmt: skip


def test_conditions() -> None:
    data = (
        HEADER + b"OBX|1|UI|110180^Study Instance UID^DCM||1.2.3\rOBX|2|UI|110181^X^DCM||1.2.4\rOBX|3|UI|1101801||9\r"
    )
    assert SegmentIndex(data).select(Selection(["OBX-5?3.1=110180", "OBX-5?3.3=DCM"]), latin) == (
        "1.2.3",
        ("1.2.3", "1.2.4"),
    )


def test_blank_values_and_nulls_are_none() -> None:
    data = HEADER + b'PID|1|""|  ^x|~~y~|""^z'
    places = ["PID-2", "PID-3.1", "PID-4", "PID-5.1", "PID-5.2", "PID-6"]
    assert SegmentIndex(data).select(Selection(places), latin) == (None, None, "y", None, "z", None)


def test_what_is_not_plain_is_decoded() -> None:
    seen = []

    def decode(data: bytes) -> str:
        seen.append(data)
        return "decoded"

    data = HEADER + b"PID|plain|a\\T\\b|\xc3\xbc|\x1b$B"
    found = SegmentIndex(data).select(Selection(["PID-1", "PID-2", "PID-3", "PID-4"]), decode)
    assert found == ("plain", "decoded", "decoded", "decoded")
    assert seen == [b"a\\T\\b", b"\xc3\xbc", b"\x1b$B"]


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"MSH|^~\\&|A\nPID|1\nPV1|2\n", ["MSH", "PID", "PV1"]),
        (b"MSH|^~\\&|A\r\nPID|1\r\nPV1|2\r\n", ["MSH", "PID", "PV1"]),
        (b"MSH|^~\\&|A\r\r\rPID|1\r\n\n\rPV1|2", ["MSH", "PID", "PV1"]),
        (b"MSH|^~\\&|A\rOBX|1|some text\nwith a line feed|x\rPV1|2\r", ["MSH", "OBX", "PV1"]),
        (b"MSH|^~\\&|A\rOBX|1|text\nPID\rPV1|2\r", ["MSH", "OBX", "PID", "PV1"]),
        (b"MSH|^~\\&|A\rnot a segment\rPV1", ["MSH", "", "PV1"]),
        (b"MSH|^~\\&|A\rPID\npid|\r", ["MSH", ""]),
        (b"MSH|", ["MSH"]),
        (b"FHS|^~\\&|A\rBHS|^~\\&\rMSH|^~\\&", ["FHS", "BHS", "MSH"]),
    ],
)
def test_ends_of_segments(data: bytes, names: list[str]) -> None:
    index = SegmentIndex(data)
    assert [index.name(n) for n in range(len(index))] == names
    check(data)


def test_own_separators() -> None:
    data = b"MSH#@*!%#X\rPID#1##12@@@Y%Z*34\r"
    index = SegmentIndex(data)
    assert index.encoding_characters == "@*!%"
    assert index.value(1, 3, 4, 2) == b"Z"
    assert index.select(Selection(["PID-3.1"]), latin) == (("12", "34"),)
    for head, characters in ((b"MSH||", "^~"), (b"MSH|$|", "$~"), (b"MSH|^~|", "^~"), (b"MSH|^~\\|", "^~\\")):
        assert SegmentIndex(head + b"A\\T\\B|").encoding_characters == characters
    index = SegmentIndex(b"MSH|^~|\rPID|a\\b&c")
    assert index.escape_character is None
    assert index.subcomponent_separator is None
    assert index.select(Selection(["PID-1.1.1"]), latin) == ("a\\b&c",)


@pytest.mark.parametrize("data", [b"", b"MSH", b"PID|1", b"MSH\r^~", b"MSHA^~", b"MSH ^~", b"MSH\x80^", b"\rMSH|^~\\&"])
def test_what_does_not_say_its_separators(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        SegmentIndex(data)
    assert "HL7 v2.5.1" in str(caught.value)


@pytest.mark.parametrize(
    "place", ["", "PID", "PID-", "PID-0", "PID-1.0", "pid-1", "PIDX-1", "PID-1.1.1.1", "PID-1[0]", "PID-x", "PID-70000",
              "PID-1?2=3", "PID-1?2.1", "PID-1[1", "PID-1[1]]"],
)  # fmt: skip
def test_what_is_no_place(place: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(place))):
        Selection([place])


def test_characters_that_look_like_separators() -> None:
    """Trail bytes of Big 5 and GB 18030, and JIS X 0208 between escape sequences, hold | ^ ~ and backslash."""
    kanji = "漢字表".encode("iso2022_jp")
    assert "功".encode("big5") == b"\xa5\\"
    wide = b"\x81|\x82^\x83~"
    data = HEADER + b"PID|1|" + wide + b"^x|2"
    assert SegmentIndex(data, 1).fields_of(1) == [b"1", wide + b"^x", b"2"]
    assert SegmentIndex(data, 1).value(1, 2, 1) == wide
    assert SegmentIndex(data, 1).value(1, 2, 2) == b"x"
    assert len(SegmentIndex(data).fields_of(1)) == 4
    double = b"\x1b$B||^^~~\x1b(B"
    data = HEADER + b"PID|1|" + double + b"^" + kanji + b"|2\rPV1|3"
    index = SegmentIndex(data, 2)
    assert index.fields_of(1) == [b"1", double + b"^" + kanji, b"2"]
    assert index.value(1, 2, 1) == double
    assert index.value(1, 2, 2) == kanji
    # A set that was not left ends with the segment.
    assert SegmentIndex(HEADER + b"PID|\x1b$B||\rPV1|3", 2).fields_of(2) == [b"3"]
    for multibyte in (-1, 3):
        with pytest.raises(ValueError, match="multibyte"):
            SegmentIndex(HEADER, multibyte)


def test_many_segments_and_fields() -> None:
    data = HEADER + b"".join(b"OBX|%d|%s\r" % (n, b"|" * (n % 50)) for n in range(3000))
    index = SegmentIndex(data)
    assert len(index) == 3001
    assert index.value(3000, 1) == b"2999"
    assert index.count(3000) == 51
    assert index.fields_of(2) == [b"1", b"", b""]
    found = index.select(Selection(["OBX-1"]), latin)[0]
    assert isinstance(found, tuple)
    assert found == tuple(str(n) for n in range(256))


def check(data: bytes) -> None:
    """Everything that an index says is what the twin says."""
    index = SegmentIndex(data)
    expected = twin.fields(data)
    assert [(index.name(n), index.fields_of(n)) for n in range(len(index))] == expected
    for number, (name, fields) in enumerate(expected):
        assert index.count(number) == len(fields)
        for field in range(1, len(fields) + 2):
            whole = fields[field - 1] if field <= len(fields) else b""
            assert index.value(number, field) == whole
            if name in ("PID", "OBX", "MSH"):
                for component in (0, 1, 2):
                    place = f"{name}-{field}" + (f".{component}" if component else "")
                    found = index.select(Selection([place]), latin)[0]
                    texts = () if found is None else (found,) if isinstance(found, str) else found
                    assert list(texts) == [latin(v) for v in twin.values(data, name, field, component)][:256]


PIECES = [b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b"\r\n", b"PID", b"OBX", b"MSH", b"A", b" ", b'""', b"\x00",
          b"12", b"\xff", b"text of some length"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_any_bytes(pieces: list[bytes]) -> None:
    check(HEADER[:-1] + b"".join(pieces))


@given(st.binary(max_size=200), st.sampled_from([0, 1, 2]))
def test_noise_is_indexed_in_any_mode(data: bytes, multibyte: int) -> None:
    index = SegmentIndex(b"MSH|^~\\&" + data, multibyte)
    for number in range(len(index)):
        assert b"\r" not in index.segment(number) or multibyte
        fields = index.fields_of(number)
        assert len(fields) == index.count(number)
        joined = b"|".join(fields[1:] if number == 0 else fields)
        assert index.segment(number).endswith(joined)


def test_memory_is_given_back() -> None:
    data = HEADER + b"OBX|1|2\r" * 5000
    before = sys.getallocatedblocks()
    for _ in range(50):
        SegmentIndex(data).select(Selection(["OBX-1", "PID-3.1"]), latin)
    assert sys.getallocatedblocks() - before < 50
