"""Tags, keywords and the columns of the dictionary, each compared with pydicom (dictionary/tags.py)."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire.dictionary import (
    Tag,
    dictionary_entry,
    dictionary_name,
    dictionary_vm,
    dictionary_vr,
    keyword_for_tag,
    private_element,
    repeater_mask,
    repeater_tag,
    suggest_keywords,
    tag_for_keyword,
)
from dicomwire.dictionary._elements import ELEMENT_ROWS, REPEATER_ROWS
from dicomwire.dictionary._keywords import KEYWORD_TO_TAG, REPEATER_KEYWORD_TO_MASK
from dicomwire.dictionary._private import CREATORS
from dicomwire.dictionary.tags import _edit_distance
from tests.support import missing


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Return pydicom's dictionaries, of the version that the tables are made from."""
    try:
        import pydicom
        from pydicom import _dicom_dict, _private_dict
    except ImportError:
        missing("pydicom is not installed")
    if pydicom.__version__ != "3.0.2":
        missing(f"the tables are made from pydicom 3.0.2, found {pydicom.__version__}")

    class Tables:
        elements = _dicom_dict.DicomDictionary
        repeaters = _dicom_dict.RepeatersDictionary
        private = _private_dict.private_dictionaries

    return Tables


# --- Tag


@pytest.mark.parametrize(
    "argument",
    [
        0x00100020,
        (0x0010, 0x0020),
        [0x0010, 0x0020],
        "PatientID",
        "00100020",
        "0x00100020",
        "0010,0020",
        "(0010,0020)",
        "(0010, 0020)",
        Tag(0x00100020),
    ],
)
def test_tag_is_made_from(argument: Any) -> None:
    tag = Tag(argument)
    assert tag == 0x00100020
    assert type(tag) is Tag
    assert (tag.group, tag.element, tag.elem) == (0x0010, 0x0020, 0x0020)


def test_tag_from_two_numbers() -> None:
    assert Tag(0x7FE0, 0x0010) == 0x7FE00010


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "PatientIDs",
        "0010002",
        "001000200",
        "(0010,0020",
        "0010,20",
        "0010,0020,0030",
        "0x0010_0020",
        "+0100020",
        " 010 020",
        "0010002G",
        "٠٠١٠٠٠٢٠",
        "OverlayData",
        -1,
        0x1_0000_0000,
        (0x10000, 0),
        (0, 0x10000),
        (-1, 0),
    ],
)
def test_tag_refuses(argument: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Tag(argument)


def test_tag_refuses_a_second_argument_after_text_or_pair() -> None:
    with pytest.raises(TypeError):
        Tag("00100020", 1)
    with pytest.raises(TypeError):
        Tag((0x10, 0x20), 1)  # type: ignore[arg-type]


@given(st.integers(0, 0xFFFFFFFF))
def test_text_forms_read_back(number: int) -> None:
    tag = Tag(number)
    assert str(tag) == f"{tag}" == f"({number >> 16:04X},{number & 0xFFFF:04X})"
    assert Tag(str(tag)) == tag
    assert eval(repr(tag), {"Tag": Tag}) == tag
    assert Tag(f"{tag:08x}") == tag
    assert hash(tag) == hash(number)


def test_tag_pickles_and_sorts() -> None:
    tags = [Tag("PixelData"), Tag("PatientID"), Tag("SOPClassUID")]
    copies = pickle.loads(pickle.dumps(tags))
    assert copies == tags
    assert all(type(tag) is Tag for tag in copies)
    assert [tag.keyword for tag in sorted(tags)] == ["SOPClassUID", "PatientID", "PixelData"]


@pytest.mark.parametrize(
    ("tag", "private", "creator"),
    [
        (0x00100020, False, False),
        (0x00100010, False, False),
        (0x00110000, True, False),
        (0x0011000F, True, False),
        (0x00110010, True, True),
        (0x001100FF, True, True),
        (0x00110100, True, False),
        (0x00111001, True, False),
    ],
)
def test_private(tag: int, private: bool, creator: bool) -> None:
    assert Tag(tag).is_private is private
    assert Tag(tag).is_private_creator is creator


def test_group_length() -> None:
    assert Tag(0x00080000).is_group_length
    assert not Tag(0x00080001).is_group_length


# --- the dictionary against pydicom


def test_every_element_is_as_pydicom_has_it(theirs: Any) -> None:
    assert ELEMENT_ROWS.keys() == theirs.elements.keys()
    for tag, (vr, vm, name, retired, keyword) in theirs.elements.items():
        assert dictionary_entry(tag) == (vr, vm, name, retired == "Retired", keyword)
        assert keyword_for_tag(tag) == keyword
        if keyword:
            assert tag_for_keyword(keyword) == tag
            assert Tag(keyword) == tag


def test_no_keyword_beside_those_of_pydicom(theirs: Any) -> None:
    assert KEYWORD_TO_TAG.keys() == {row[4] for row in theirs.elements.values() if row[4]}
    assert REPEATER_KEYWORD_TO_MASK.keys() == {row[4] for row in theirs.repeaters.values()}


def test_every_repeating_element_is_as_pydicom_has_it(theirs: Any) -> None:
    assert REPEATER_ROWS.keys() == theirs.repeaters.keys()
    for mask, (vr, vm, name, retired, keyword) in theirs.repeaters.items():
        width = mask.count("x")
        for number in {2, 4, 16**width - 2}:
            tag = int(mask.replace("x" * width, f"{number % 16**width:0{width}X}"), 16)
            if tag in theirs.elements or tag & 0xFFFF == 0:
                continue
            assert repeater_mask(tag) == mask
            assert dictionary_entry(tag) == (vr, vm, name, retired == "Retired", keyword)
            assert keyword_for_tag(tag) == keyword
        assert tag_for_keyword(keyword) is None


def test_every_private_element_is_as_pydicom_has_it(theirs: Any) -> None:
    assert CREATORS.keys() == theirs.private.keys()
    checked = 0
    for creator, elements in theirs.private.items():
        for mask, (vr, vm, name, _) in elements.items():
            expected = ("OB or OW" if vr == "OB_OW" else vr, vm, name)
            row = f"{mask}|{expected[0]}|{vm}|{name}"
            assert row in CREATORS[creator].split("\n")
            checked += 1
            if mask[4:6] == "xx" and "x" not in mask[:4] + mask[6:]:
                for block in ("10", "11", "FF"):
                    tag = int(mask[:4] + block + mask[6:], 16)
                    if f"{tag:08X}" not in elements:
                        assert private_element(creator, tag) == expected
    assert checked == 10545


# --- facts in sight


def test_group_lengths_and_private_creators() -> None:
    assert dictionary_entry(0x00080000) == ("UL", "1", "Group Length", False, "")
    assert dictionary_entry(0x00090000) == ("UL", "1", "Group Length", False, "")
    assert dictionary_entry(0x00020000) == (
        "UL",
        "1",
        "File Meta Information Group Length",
        False,
        "FileMetaInformationGroupLength",
    )
    assert dictionary_entry(0x00090010) == ("LO", "1", "Private Creator", False, "")
    assert dictionary_entry(0x00091010) is None


@pytest.mark.parametrize(
    ("tag", "vr", "vm", "name"),
    [
        (0x00000100, "US", "1", "Command Field"),
        (0x00100010, "PN", "1", "Patient's Name"),
        (0x00280106, "US or SS", "1", "Smallest Image Pixel Value"),
        (0x00283006, "US or OW", "1-n", "LUT Data"),
        (0x60023000, "OB or OW", "1", "Overlay Data"),
        (0x7FE00001, "OV", "1", "Extended Offset Table"),
        (0x7FE00010, "OB or OW", "1", "Pixel Data"),
        (0xFFFEE000, "NONE", "1", "Item"),
        (0x00280410, "US", "1", "Rows For Nth Order Coefficients"),
        (0x00280400, "LO", "1", "Transform Label"),
        (0x002031AB, "CS", "1-n", "Source Image IDs"),
        (0x10001230, "US", "3", "Escape Triplet"),
        (0x10101234, "US", "1-n", "Zonal Map"),
    ],
)
def test_columns(tag: int, vr: str, vm: str, name: str) -> None:
    assert (dictionary_vr(tag), dictionary_vm(tag), dictionary_name(tag)) == (vr, vm, name)


@pytest.mark.parametrize("tag", [0x00081234, 0x60011010, 0x60020013, 0x00111001, 0x12345678])
def test_unknown(tag: int) -> None:
    assert dictionary_entry(tag) is None
    assert dictionary_vr(tag) is dictionary_vm(tag) is dictionary_name(tag) is None
    assert keyword_for_tag(tag) == ""
    assert repeater_mask(tag) is None


def test_vrs_of_64_bit_integers_are_known() -> None:
    # PS3.5 2019: SV, UV and OV.
    vrs = {row.split("|")[1] for row in ELEMENT_ROWS.values()}
    assert {"SV", "UV", "OV"} <= vrs


def test_repeater_tags() -> None:
    assert repeater_tag("OverlayData") == 0x60003000
    assert repeater_tag("OverlayData", 1) == 0x60023000
    assert repeater_tag("CurveData", 15) == 0x501E3000
    assert repeater_tag("SourceImageIDs", 255) == 0x002031FF
    assert repeater_tag("CodeLabel", 3) == 0x00280830
    with pytest.raises(ValueError, match="repeats 128 times"):
        repeater_tag("OverlayData", 128)
    with pytest.raises(KeyError):
        repeater_tag("PatientName")


def test_private_elements_need_the_right_creator() -> None:
    assert private_element("SIEMENS CSA HEADER", 0x00291010) == ("OB", "1", "CSA Image Header Info")
    assert private_element("SIEMENS CSA HEADER", 0x00291110) == ("OB", "1", "CSA Image Header Info")
    assert private_element("SIEMENS CSA HEADER", 0x002B1010) is None
    assert private_element("NO SUCH CREATOR", 0x00291010) is None


def test_private_rows_without_a_block_hold_for_every_block() -> None:
    # The source writes "00090002"; (0009,0002) is below the creators, so only the offset can be meant.
    assert "\n00190002|" in CREATORS["CANON_MEC_MR3^10"]
    assert private_element("CANON_MEC_MR3^10", 0x00191002) is not None
    assert private_element("CANON_MEC_MR3^10", 0x00191102) == private_element("CANON_MEC_MR3^10", 0x00191002)


# --- suggestions


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("PatientNaem", "PatientName"),
        ("PatientsName", "PatientName"),
        ("patientname", "PatientName"),
        ("patientID", "PatientID"),
        ("TransferSyntax", "TransferSyntaxUID"),
        ("StudyInstanceUid", "StudyInstanceUID"),
        ("OverlayDat", "OverlayData"),
        ("PixelDat", "PixelData"),
        ("Row", "Rows"),
    ],
)
def test_near_keywords_come_first(name: str, best: str) -> None:
    assert suggest_keywords(name)[0] == best


def test_suggestions_are_few_and_only_near() -> None:
    assert suggest_keywords("") == []
    assert suggest_keywords("__array_interface__") == []
    assert suggest_keywords("Xylophone") == []
    assert suggest_keywords("x" * 10_000) == []
    assert len(suggest_keywords("Patient")) == 3
    assert len(suggest_keywords("Patient", limit=5)) == 5


@given(st.text(max_size=30))
def test_suggestions_are_keywords(name: str) -> None:
    for keyword in suggest_keywords(name):
        assert keyword in KEYWORD_TO_TAG or keyword in REPEATER_KEYWORD_TO_MASK


def plain_distance(a: str, b: str) -> int:
    if not a or not b:
        return len(a) + len(b)
    return min(
        plain_distance(a[1:], b) + 1,
        plain_distance(a, b[1:]) + 1,
        plain_distance(a[1:], b[1:]) + (a[0] != b[0]),
    )


@given(st.text("abc", max_size=6), st.text("abc", max_size=6), st.integers(1, 3))
def test_edit_distance(a: str, b: str, limit: int) -> None:
    assert _edit_distance(a, b, limit) == min(plain_distance(a, b), limit + 1)
