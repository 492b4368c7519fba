"""The compiled tag -> VR lookup against the plain tables (tagindex.pyx, _tagindex.h)."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.tagindex import tag_vr
from dicomwire.dictionary import dictionary_vr
from dicomwire.dictionary._elements import ELEMENT_ROWS, REPEATER_ROWS

VR_OF_TAG = {tag: row.split("|")[1] for tag, row in ELEMENT_ROWS.items()}
VR_OF_MASK = {mask: row.split("|")[1] for mask, row in REPEATER_ROWS.items()}


def expected(tag: int) -> str | None:
    """The rule in the plainest words: exact, group length, private creator, then masks digit by digit."""
    if tag in VR_OF_TAG:
        return VR_OF_TAG[tag]
    if tag & 0xFFFF == 0:
        return "UL"
    if (tag >> 16) % 2:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else None
    digits = f"{tag:08X}"
    for mask, vr in VR_OF_MASK.items():
        if all(wanted in ("x", digit) for wanted, digit in zip(mask, digits, strict=True)):
            return vr
    return None


def test_every_element() -> None:
    for tag, vr in VR_OF_TAG.items():
        assert tag_vr(tag) == vr


def test_neighbours_of_every_element() -> None:
    near = {tag + step & 0xFFFFFFFF for tag in VR_OF_TAG for step in (-9, -8, -2, -1, 1, 2, 8, 9)}
    for tag in near - VR_OF_TAG.keys():
        assert tag_vr(tag) == expected(tag)


def every_use_of_a_mask() -> Iterator[int]:
    for mask in VR_OF_MASK:
        width = mask.count("x")
        for number in range(0, 16**width, 1 if width < 4 else 97):
            yield int(mask.replace("x" * width, f"{number:0{width}X}"), 16)


def test_every_repeating_group_and_element() -> None:
    for tag in every_use_of_a_mask():
        assert tag_vr(tag) == expected(tag)


def test_group_lengths_of_all_groups() -> None:
    for group in range(0x10000):
        assert tag_vr(group << 16) == "UL"


@pytest.mark.parametrize("group", [0x0001, 0x0009, 0x0029, 0x6001, 0x7FE1, 0xFFFF])
def test_private_groups(group: int) -> None:
    for element in range(1, 0x1200):
        assert tag_vr(group << 16 | element) == ("LO" if 0x10 <= element <= 0xFF else None)


def test_random_tags_in_known_groups_and_anywhere() -> None:
    chance = random.Random(20241122)
    groups = sorted({tag >> 16 for tag in VR_OF_TAG} | {0x5002, 0x6004, 0x7F10})
    for _ in range(20_000):
        tag = chance.choice(groups) << 16 | chance.randrange(0x10000)
        assert tag_vr(tag) == expected(tag)
        tag = chance.randrange(0x1_0000_0000)
        assert tag_vr(tag) == expected(tag)


@given(st.integers(0, 0xFFFFFFFF))
def test_equals_the_python_dictionary(tag: int) -> None:
    assert tag_vr(tag) == dictionary_vr(tag) == expected(tag)


def test_python_dictionary_agrees_on_masks_too() -> None:
    for tag in list(every_use_of_a_mask())[::7]:
        assert dictionary_vr(tag) == tag_vr(tag)


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x00100010, "PN"),
        (0x7FE00010, "OB or OW"),
        (0x00280106, "US or SS"),
        (0x00283006, "US or OW"),
        (0x00189810, "US or SS"),
        (0x60FE3000, "OB or OW"),
        (0x50FE0005, "US"),
        (0x60010010, "LO"),
        (0x60011010, None),
        (0x1000FFF0, "US"),
        (0x10000000, "UL"),
        (0x10100000, "UL"),
        (0xFFFEE000, "NONE"),
        (0xFFFEE00D, "NONE"),
        (0xFFFEE0DD, "NONE"),
        (0x00000000, "UL"),
        (0xFFFFFFFF, None),
    ],
)
def test_facts(tag: int, vr: str | None) -> None:
    assert tag_vr(tag) == vr


@pytest.mark.parametrize("tag", [-1, 0x1_0000_0000])
def test_a_tag_has_32_bits(tag: int) -> None:
    with pytest.raises(OverflowError):
        tag_vr(tag)
