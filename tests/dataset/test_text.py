"""Text and HTML of data sets: pydicom's layout, everything escaped, no depth and no error that stops it."""

import re
from collections import Counter
from contextlib import suppress
from html.parser import HTMLParser

import pytest

import dicomwire
from dicomwire.dataset import text
from dicomwire.errors import DicomWireError, ValueDecodeError
from tests.builders import element, item, part10, sequence


def read(content: bytes, **options):
    return dicomwire.dcmread(part10(content), **options)


def nested(depth, *, undefined, inside=b""):
    """ContentSequence in ContentSequence, ``depth`` of them with one item each."""
    for _ in range(depth):
        inside = sequence(0x0040A730, item(inside, undefined=undefined), undefined=undefined)
    return inside


# --------------------------------------------------------------------------------------------------------------- text


def test_layout_of_a_data_set():
    ds = read(
        element(0x00080008, b"CS", b"ORIGINAL\\PRIMARY ")
        + element(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0")
        + element(0x00080050, b"SH")
        + element(0x00090010, b"LO", b"GEMS_IDEN_01")
        + element(0x00091001, b"LO", b"GE_GENESIS_FF ")
        + element(0x00091077, b"LO", b"mine")
        + sequence(0x00101002, item(element(0x00100020, b"LO", b"ID1 ")), item())
        + element(0x00181150, b"IS", b"0012")
        + element(0x00280009, b"AT", bytes.fromhex("18006310"))
        + element(0x00280030, b"DS", b"0.50\\1e-1 ")
        + element(0x00281101, b"US", bytes.fromhex("000100000800"))
        + element(0x7FE00010, b"OW", bytes(34))
    )
    assert str(ds).split("\n") == [
        "Dataset.file_meta -------------------------------",
        "(0002,0000) File Meta Information Group Length  UL: 42",
        "(0002,0001) File Meta Information Version       OB: b'\\x00\\x01'",
        "(0002,0010) Transfer Syntax UID                 UI: Explicit VR Little Endian",
        "-------------------------------------------------",
        "(0008,0008) Image Type                          CS: ['ORIGINAL', 'PRIMARY']",
        "(0008,0016) SOP Class UID                       UI: CT Image Storage",
        "(0008,0050) Accession Number                    SH: ''",
        "(0009,0010) Private Creator                     LO: 'GEMS_IDEN_01'",
        "(0009,1001) [Full fidelity]                     LO: 'GE_GENESIS_FF'",
        "(0009,1077) Private tag data                    LO: 'mine'",
        "(0010,1002)  Other Patient IDs Sequence  2 item(s) ---- ",
        "   (0010,0020) Patient ID                          LO: 'ID1'",
        "   ---------",
        "   ---------",
        "(0018,1150) Exposure Time                       IS: '0012'",
        "(0028,0009) Frame Increment Pointer             AT: (0018,1063)",
        "(0028,0030) Pixel Spacing                       DS: [0.50, 1e-1]",
        "(0028,1101) Red Palette Color Lookup Table Desc US: [256, 0, 8]",
        "(7FE0,0010) Pixel Data                          OW: Array of 34 elements",
    ]
    assert repr(ds["AccessionNumber"]) == str(ds).split("\n")[7]


def test_an_item_has_no_file_meta_lines():
    ds = read(sequence(0x00101002, item(element(0x00100020, b"LO", b"ID1 "))))
    assert str(ds.OtherPatientIDsSequence[0]) == "(0010,0020) Patient ID                          LO: 'ID1'"


def test_lines_equal_those_of_pydicom(real_files):
    """What differs on real files is known: pydicom hides long texts, and numbers private groups in its own way."""
    pydicom = pytest.importorskip("pydicom")
    equal = total = 0
    hidden = re.compile(r" (LT|UC|UT): Array of \d+ elements$")
    private = re.compile(r"^ *\([0-9A-F]{3}[13579BDF],")  # the two projects know other private elements
    for _, path in real_files:
        theirs: list[str] = []
        with suppress(Exception):  # pydicom cannot print all of them
            theirs = str(pydicom.dcmread(path, force=True)).split("\n")
        try:
            ours = str(dicomwire.dcmread(path)).split("\n")
        except DicomWireError:
            continue
        compared = Counter(line for line in theirs if not hidden.search(line) and not private.match(line))
        equal += (compared & Counter(ours)).total()
        total += compared.total()
    assert total > 10_000
    print(f"{equal} of {total} lines")
    assert equal >= 0.999 * total


def test_texts_are_shown_whole_up_to_a_limit_that_is_told():
    whole, long = "x" * text.MAX_TEXT, "y" * (text.MAX_TEXT + 1)
    ds = read(element(0x00104000, b"LT", whole.encode()) + element(0x0040A160, b"UT", long.encode()))
    assert ds["PatientComments"].repval == repr(whole)
    assert ds["TextValue"].repval == f"{'y' * text.MAX_TEXT!r}... ({len(long)} characters)"


def test_a_value_that_cannot_be_decoded_is_shown_as_its_error():
    ds = read(element(0x00200013, b"IS", b"12ab") + element(0x00280010, b"US", b"\1\0"), policy="strict")
    with pytest.raises(ValueDecodeError):
        _ = ds.InstanceNumber
    lines = str(ds).split("\n")
    start = "(0020,0013) Instance Number                     IS: <ValueDecodeError: InstanceNumber: "
    assert lines[-2].startswith(start)
    assert lines[-1] == "(0028,0010) Rows                                US: 1"
    assert "12ab" not in lines[-2]
    assert "&lt;ValueDecodeError" in ds._repr_html_()


@pytest.mark.parametrize("undefined", [True, False])
def test_500_levels(undefined):
    ds = read(nested(500, undefined=undefined, inside=element(0x0040A160, b"UT", b"deep")))
    lines = str(ds).split("\n")
    assert lines[-501] == "   " * 500 + "(0040,A160) Text Value                          UT: 'deep'"
    assert lines[-1] == "   ---------"
    assert "nested too deep to be shown here" in ds._repr_html_()


def test_nesting_beyond_the_limit_is_shown_as_its_error():
    ds = read(nested(1100, undefined=False) + element(0x7FE00010, b"OB", b"\1\2"))
    lines = str(ds).split("\n")
    assert sum("NestingError" in line for line in lines) == 1
    assert lines[-1] == r"(7FE0,0010) Pixel Data                          OB: b'\x01\x02'"
    Balance().check(ds._repr_html_())


# --------------------------------------------------------------------------------------------------------------- walk


def events(ds, **options):
    return [(kind, depth) for kind, _, depth, _ in text.walk(ds, **options)]


def test_walk_tells_beginnings_and_ends_in_order():
    ds = read(
        sequence(0x00101002, item(element(0x00100020, b"LO", b"ID1 ")), item()) + element(0x00280010, b"US", b"\1\0")
    )
    assert events(ds) == [
        ("sequence", 0),
        ("item", 1),
        ("element", 1),
        ("end item", 1),
        ("item", 1),
        ("end item", 1),
        ("end sequence", 0),
        ("element", 0),
    ]
    assert events(ds, max_items=0) == [("sequence", 0), ("end sequence", 0), ("element", 0)]
    assert events(ds, max_items=1)[1:4] == [("item", 1), ("element", 1), ("end item", 1)]
    assert len(events(ds, max_items=1)) == 6
    assert events(ds, max_depth=0) == [("sequence", 0), ("end sequence", 0), ("element", 0)]


def test_walk_finds_what_iterall_finds(real_files):
    for _, path in real_files[::5]:
        try:
            ds = dicomwire.dcmread(path)
        except DicomWireError:
            continue
        walked = [subject.path for kind, subject, *_ in text.walk(ds) if kind in ("element", "sequence")]
        assert walked == [found.path for found in ds.iterall()], path


# --------------------------------------------------------------------------------------------------------------- HTML


class Balance(HTMLParser):
    """Checks that tags open and close in pairs, and keeps the text and the names of tags and attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.tags, self.attributes = [], [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def check(self, html):
        self.feed(html)
        self.close()
        assert self.open == []
        assert self.tags <= {"div", "style", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}
        assert self.attributes <= {"class", "colspan"}
        return self


def test_html_escapes_what_a_file_says():
    attack = b"</td><script>alert('x')</script>&amp;\"<img src=x onerror=alert(1)> "
    ds = read(
        element(0x00080008, b"CS", b"<b>\\<i> ")
        + element(0x00090010, b"LO", attack)
        + element(0x00091001, b"UT", attack)
        + element(0x00100010, b"PN", attack)
        + sequence(0x0040A730, item(element(0x0040A160, b"UT", attack)))
    )
    html = ds._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    page = Balance().check(html)
    shown = repr(attack.decode().strip())
    assert page.texts.count(shown) == 4


def test_html_cuts_before_it_escapes():
    ds = read(element(0x0040A160, b"UT", b"&" * 1000))
    page = Balance().check(ds._repr_html_())
    assert f"'{'&' * (text.HTML_TEXT - 1)}... (1002 characters)" in page.texts


def test_html_of_sequences_can_be_opened_and_closed():
    ds = read(sequence(0x00101002, item(element(0x00100020, b"LO", b"ID1 ")), item()))
    html = ds._repr_html_()
    page = Balance().check(html)
    titles = [words for words in page.texts if "tem" in words and words[0] in "2I"]
    assert titles == ["2 items", "Item 0: 1 element", "Item 1: 0 elements"]
    assert html.count("<details") == 4  # File Meta Information, the sequence, its two items


def test_html_of_a_huge_data_set_is_bounded_and_says_so():
    items = [item(element(0x00100020, b"LO", b"ID%04d" % i)) for i in range(500)]
    ds = read(sequence(0x00101002, *items))
    html = ds._repr_html_()
    page = Balance().check(html)
    assert "... 400 items more" in page.texts
    assert "ID0099" in html
    assert "ID0100" not in html

    rows = b"".join(element(0x00100020 + (i << 16), b"LO", b"ID%04d" % (i % 10_000)) for i in range(0, 40_000, 2))
    html = read(rows)._repr_html_()
    Balance().check(html)
    assert html.count("<tr><td>") < text.HTML_ELEMENTS + 10
    assert "further elements are not shown here" in html


def test_html_of_many_rows_in_nested_items_closes_what_is_open():
    inner = b"".join(element(0x00100020 + (i << 16), b"LO", b"ID") for i in range(0, 6000, 2))
    ds = read(nested(3, undefined=True, inside=inner))
    html = ds._repr_html_()
    Balance().check(html)
    assert "further elements are not shown here" in html


def test_html_of_real_files_is_well_formed(real_files):
    for _, path in real_files[::7]:
        try:
            ds = dicomwire.dcmread(path)
        except DicomWireError:
            continue
        Balance().check(ds._repr_html_())
