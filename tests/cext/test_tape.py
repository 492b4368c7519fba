"""The tape: entries, flags, next and parent, what is entered and what is not, and how much is read for it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dicomwire import DataSet, dcmread
from dicomwire.errors import DecodeError, NestingError
from tests.builders import (
    BIG_ENDIAN,
    DEFLATED,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    big_endian,
    element,
    implicit,
    item,
    nested,
    part10,
    plain,
    sequence,
    sequence_end,
)

SQ = 0x0040A730
TEXT = element(0x0040A160, "UT", b"text")  # 12 + 4 bytes
START = len(part10(b""))

UNDEFINED_LENGTH, END_UNKNOWN, NOT_ENTERED, FRAGMENTS, IMPLICIT_IN_UN, VR_GUESSED, CUT_SHORT, UNORDERED = (
    1 << bit for bit in range(8)
)
ITEM = 0xFFFEE000


def rows(data: bytes, syntax: str | None = None) -> list[tuple[Any, ...]]:
    """Tape entries without the root; offsets count from the data set."""
    file = part10(data, syntax) if syntax else part10(data)
    start = len(file) - len(data)
    tape = dcmread(file).tape()
    assert tape[0][:2] == (0, 0)
    return [(*row[:5], row[5] - start, *row[6:]) for row in tape[1:]]


def test_leaves() -> None:
    data = element(0x00080060, "CS", b"CT") + element(0x00091001, "UN", b"abcd") + element(0x00100010, "PN")
    assert rows(data) == [
        (1, 0x00080060, "CS", 8, 0, 8, 2, 2, 0),
        (2, 0x00091001, "UN", 12, 0, 22, 4, 3, 0),
        (3, 0x00100010, "PN", 8, 0, 34, 0, 4, 0),
    ]


def test_implicit_leaves_have_a_vr_where_the_dictionary_alone_decides() -> None:
    data = implicit.element(0x00080060, "CS", b"CT") + implicit.element(0x00100010, "PN")
    data += implicit.element(0x00280106, "US", b"12") + implicit.element(0x00291001, "LO", b"12")
    assert [(row[1], row[3], row[6]) for row in rows(data, IMPLICIT)] == [
        (0x00080060, 8, 2), (0x00100010, 8, 0), (0x00280106, 8, 2), (0x00291001, 8, 2),
    ]  # fmt: skip
    ds = dcmread(part10(data, IMPLICIT))
    vrs = [row[2] for row in ds.tape()[1:]]
    assert vrs[0] == "CS"
    assert not {*vrs[1:]} & {"PN", "US", "SS", "LO", "UN"}
    assert [element.VR for element in ds] == ["CS", "PN", "US", "UN"]
    assert [row[2] for row in ds.tape()[1:]] == ["CS", "PN", "US", "UN"]


def test_big_endian() -> None:
    data = big_endian.element(0x00080060, "CS", b"CT") + big_endian.element(0x00280010, "US", b"\1\0")
    assert [row[1:5] for row in rows(data, BIG_ENDIAN)] == [(0x00080060, "CS", 8, 0), (0x00280010, "US", 8, 0)]


def test_known_length_sequence_is_not_entered() -> None:
    data = sequence(SQ, *[item(TEXT)] * 1000) + element(0x00500010, "CS", b"A ")
    assert rows(data) == [
        (1, SQ, "SQ", 12, NOT_ENTERED, 12, 24_000, 2, 0),
        (2, 0x00500010, "CS", 8, 0, 24_020, 2, 3, 0),
    ]


def test_small_known_length_sequence_comes_along() -> None:
    data = sequence(SQ, item(TEXT), item(TEXT)) + element(0x00500010, "CS", b"A ")
    assert rows(data) == [
        (1, SQ, "SQ", 12, 0, 12, 48, 6, 0),
        (2, ITEM, "", 8, 0, 20, 16, 4, 1),
        (3, 0x0040A160, "UT", 12, 0, 32, 4, 4, 2),
        (4, ITEM, "", 8, 0, 44, 16, 6, 1),
        (5, 0x0040A160, "UT", 12, 0, 56, 4, 6, 4),
        (6, 0x00500010, "CS", 8, 0, 68, 2, 7, 0),
    ]


def test_undefined_length_sequence_is_entered() -> None:
    data = sequence(SQ, item(TEXT, undefined=True), item(TEXT, undefined=True), undefined=True) + element(
        0x00500010, "CS"
    )
    assert rows(data) == [
        (1, SQ, "SQ", 12, UNDEFINED_LENGTH, 12, 64, 6, 0),
        (2, ITEM, "", 8, UNDEFINED_LENGTH, 20, 16, 4, 1),
        (3, 0x0040A160, "UT", 12, 0, 32, 4, 4, 2),
        (4, ITEM, "", 8, UNDEFINED_LENGTH, 52, 16, 6, 1),
        (5, 0x0040A160, "UT", 12, 0, 64, 4, 6, 4),
        (6, 0x00500010, "CS", 8, 0, 92, 0, 7, 0),
    ]


def test_mixed_lengths() -> None:
    long = TEXT + element(0x0040A16A, "UT", b"x" * 5000)
    known_in_undefined = sequence(SQ, item(long), item(), undefined=True)
    assert [(row[1], row[4], row[6:]) for row in rows(known_in_undefined)] == [
        (SQ, UNDEFINED_LENGTH, (5044, 4, 0)),
        (ITEM, NOT_ENTERED, (5028, 3, 1)),
        (ITEM, 0, (0, 4, 1)),
    ]
    undefined_in_known = sequence(SQ, item(long, undefined=True))
    assert [(row[1], row[4]) for row in rows(undefined_in_known)] == [(SQ, NOT_ENTERED)]
    for data in (known_in_undefined, undefined_in_known):
        ds = dcmread(part10(data))
        assert ds[f"{SQ:08X}.0.TextValue"].value == "text"
        assert ds[f"{SQ:08X}.0.TextValue"].offset == START + 32


def test_item_of_a_known_length_sequence_shows_its_own_tape() -> None:
    ds = dcmread(part10(sequence(SQ, item(TEXT), item(TEXT + element(0x0040A170, "CS", b"AB")))))
    second = ds.ContentSequence[1]
    tape = second.tape()
    assert [row[1] for row in tape] == [ITEM, 0x0040A160, 0x0040A170]
    assert tape[0][6] == len(TEXT) + 10
    assert [element.tag for element in second] == [0x0040A160, 0x0040A170]


def test_fragments_wait_until_they_are_asked_for() -> None:
    data = element(PIXEL_DATA, "OB", item() + item(b"\xff\xd8") + item(b"1234") + sequence_end(), length=UNDEFINED)
    ds = dcmread(part10(data, JPEG))
    assert "FloatPixelData" not in ds
    assert len(ds.PixelData) == 2
    start = len(part10(b"", JPEG))
    assert ds.tape()[1:] == [
        (1, PIXEL_DATA, "OB", 12, UNDEFINED_LENGTH | FRAGMENTS, start + 12, 30, 5, 0),
        (2, ITEM, "", 8, 0, start + 20, 0, 3, 1),
        (3, ITEM, "", 8, 0, start + 28, 2, 4, 1),
        (4, ITEM, "", 8, 0, start + 38, 4, 5, 1),
    ]


@pytest.mark.parametrize("value", [b"", b"ab"])
def test_behind_an_un_in_big_endian_the_byte_order_is_that_of_the_data_set(value: bytes) -> None:
    inside = implicit.item(implicit.element(0x0040A160, "UT", b"text"), undefined=True) + implicit.sequence_end()
    data = big_endian.element(SQ, "UN", inside, length=UNDEFINED) + big_endian.element(0x0040A731, "LO", value)
    found = dcmread(part10(data, BIG_ENDIAN))
    assert [element.tag for element in found] == [SQ, 0x0040A731]
    assert found["ContentSequence.0.TextValue"].value == "text"
    assert found.deviations == []


def test_un_of_undefined_length_is_implicit_inside() -> None:
    inside = implicit.item(implicit.element(0x0040A160, "UT", b"text"), undefined=True) + implicit.sequence_end()
    row = rows(element(0x00091001, "UN", inside, length=UNDEFINED) + element(0x00100020, "LO", b"12"))
    assert [(r[1], r[3], r[4] & (UNDEFINED_LENGTH | IMPLICIT_IN_UN)) for r in row] == [
        (0x00091001, 12, UNDEFINED_LENGTH | IMPLICIT_IN_UN),
        (ITEM, 8, UNDEFINED_LENGTH),
        (0x0040A160, 8, 0),
        (0x00100020, 8, 0),
    ]
    ds = dcmread(part10(element(0x00091001, "UN", inside, length=UNDEFINED)))
    assert ds[0x00091001].VR == "SQ"
    assert ds[0x00091001].value[0].TextValue == "text"


def test_flags_of_what_is_wrong() -> None:
    assert rows(plain() + element(PIXEL_DATA, "OW", b"12", length=1000))[-1][4] == CUT_SHORT
    unordered = element(0x00100020, "LO") + element(0x00100010, "PN")
    assert dcmread(part10(unordered)).tape()[0][4] == UNORDERED
    assert rows(element(0x00100020, b"??", b"12") + element(0x00104000, "LT"))[0][2:5] == ("UN", 8, VR_GUESSED)


def bytes_read(path: Path, use: Callable[[DataSet], object]) -> int:
    """Bytes that this thread read from files while ``use`` ran on the data set of a file."""

    def total() -> int:
        return int(Path("/proc/thread-self/io").read_text().split("rchar:")[1].split()[0])

    total()
    first = total()
    again = total() - first  # what reading the counter itself costs
    before = total()
    use(dcmread(path))
    return total() - before - again


@pytest.mark.skipif(not Path("/proc/thread-self/io").exists(), reason="needs /proc")
def test_nested_items_of_known_length_are_not_walked(tmp_path: Path) -> None:
    path = tmp_path / "nested.dcm"
    depth = 100_000
    path.write_bytes(part10(plain() + nested(depth, undefined=False)))
    assert len(dcmread(path).tape()) == 1 + 6
    assert bytes_read(path, len) <= 65_536
    assert bytes_read(path, lambda ds: ds.PatientID) <= 65_536
    ds = dcmread(path)

    def descend() -> None:
        at = ds
        for _ in range(depth):
            at = at.ContentSequence[0]

    with pytest.raises(NestingError) as caught:
        descend()
    assert caught.value.section == "PS3.5 7.5"
    assert caught.value.path.startswith("ContentSequence.0.ContentSequence")
    assert len(caught.value.path) < 500


@pytest.mark.parametrize("undefined", [False, True])
def test_entries_are_proportional_to_elements(undefined: bool) -> None:
    for count in (100, 1000, 10_000):
        items = [item(TEXT, undefined=undefined)] * count
        ds = dcmread(part10(sequence(SQ, *items, undefined=undefined)))
        assert len(ds.tape()) == (2 + 2 * count if undefined or count * len(items[0]) <= 4096 else 2)
        assert len(ds.ContentSequence) == count
        assert len(list(ds.iterall())) == 1 + count


def test_a_data_set_of_many_elements_out_of_order_is_sorted_once() -> None:
    tags = [0x00100010 + ((i * 7919) % 60_000 << 4) for i in range(60_000)]
    ds = dcmread(part10(b"".join(element(tag, "LO", b"%06d" % i) for i, tag in enumerate(tags))))
    assert [e.tag for e in ds] == sorted(set(tags))
    assert len(ds) == len(set(tags))
    assert ds[tags[12345]].value == "012345"
    for tag in tags[::100]:  # each found by bisection
        assert tag in ds


def test_the_first_of_duplicates_counts() -> None:
    data = b"".join(element(0x00100020, "LO", b"%02d" % i) + element(0x00100010, "PN", b"%02d" % i) for i in range(50))
    ds = dcmread(part10(data))
    assert ds.PatientID == "00"
    assert ds.PatientName == "00"
    assert [(e.tag, e.value) for e in ds] == [(0x00100010, "00"), (0x00100020, "00")]
    assert len(ds) == 2
    assert [e.tag for e in ds.iterall()] == [0x00100010, 0x00100020]


def test_elements_behind_the_pixel_data() -> None:
    behind = element(0xFFFCFFFC, "OB", b"1234")
    for data, syntax in (
        (plain(pixels=bytes(100_000)) + behind, "1.2.840.10008.1.2.1"),
        (
            plain()
            + element(PIXEL_DATA, "OB", item() + item(bytes(90_000)) * 3 + sequence_end(), length=UNDEFINED)
            + behind,
            JPEG,
        ),
    ):
        file = part10(data, syntax)
        tags = [0x00080005, 0x00080016, 0x00080060, 0x00100010, 0x00100020, PIXEL_DATA, 0xFFFCFFFC]
        assert [e.tag for e in dcmread(file)] == tags
        assert [e.tag for e in dcmread(file).iterall()] == tags
        assert len(dcmread(file)) == 7
        assert bytes(dcmread(file).DataSetTrailingPadding) == b"1234"
        assert 0xFFFCFFFC not in dcmread(file, stop_at=0xFFFC0000)
        assert len(dcmread(file, stop_before_pixels=True)) == 5
        assert [e.tag for e in dcmread(file, specific_tags=["PatientID", 0xFFFCFFFC])] == [
            0x00080005,
            0x00100020,
            0xFFFCFFFC,
        ]
        assert [e.tag for e in dcmread(file, specific_tags=["PatientID", "PixelData"])] == [
            0x00080005,
            0x00100020,
            PIXEL_DATA,
        ]
        wanted = dcmread(file, specific_tags=["PixelData"]).PixelData
        assert len(wanted) == (100_000 if syntax != JPEG else 3)
        out_of_order = part10(data + element(0x00100020, "LO", b"late") + element(0x00080090, "PN", b"X "), syntax)
        assert [e.tag for e in dcmread(out_of_order)].count(0x00100020) == 1
        assert [e.tag for e in dcmread(out_of_order).iterall()] == [e.tag for e in dcmread(out_of_order)]
        assert dcmread(out_of_order).PatientID == "12345"


def test_specific_tags_keep_private_creators() -> None:
    data = (
        implicit.element(0x00080060, "CS", b"CT")
        + implicit.element(0x00090010, "LO", b"GEMS_IDEN_01")
        + implicit.element(0x00091002, "SH", b"CT01")
    )
    ds = dcmread(part10(data, IMPLICIT), specific_tags=[0x00091002])
    assert [e.tag for e in ds] == [0x00090010, 0x00091002]
    assert ds[0x00091002].value == "CT01"


def test_paths_of_deviations_with_specific_tags() -> None:
    data = plain() + element(0x00104000, "LT", b"abc") + element(0x00180015, "CS", b"HEAD")
    ds = dcmread(part10(data), specific_tags=["BodyPartExamined"])
    assert [(d.kind, d.path) for d in ds.deviations] == [("odd_length", "PatientComments")]


def test_deep_nesting_costs_no_python_stack() -> None:
    import copy
    import pickle

    for undefined in (False, True):
        ds = dcmread(part10(plain() + nested(500, undefined=undefined)))
        other = dcmread(part10(plain() + nested(500, undefined=undefined)))
        assert ds == other
        assert len(list(ds.iterall())) == 505
        assert len(repr(ds)) > 500 * 20
        assert pickle.loads(pickle.dumps(ds)) == ds
        assert copy.deepcopy(ds) == ds
        assert len(ds.to_dict()) == 6
        ds._repr_html_()


def assert_inside(tape: list[tuple[Any, ...]]) -> None:
    """Every entry, with its header, lies inside its parent."""
    for _, _, _, header_size, _, offset, length, _, parent in tape[1:]:
        assert offset - header_size >= tape[parent][5]
        assert offset + length <= tape[parent][5] + tape[parent][6]


def deflated_and_cut(data: bytes) -> bytes:
    """A deflated file whose stream, stored and not compressed, ends with ``data`` and was to go on."""
    packer = zlib.compressobj(0, zlib.DEFLATED, -15)
    return part10(b"", DEFLATED) + packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("undefined", [False, True])
def test_containers_that_end_with_a_value_behind_the_end_are_clipped_too(undefined: bool) -> None:
    long = element(0x0040A160, "UT", b"text" * 10)
    data = element(0x00080060, "CS", b"CT") + sequence(SQ, item(long), undefined=undefined)
    data_set = dcmread(deflated_and_cut(data[: -40 if undefined else -32]))
    assert [one.tag for one in data_set.iterall()] == [0x00080060, SQ, 0x0040A160]
    assert_inside(data_set.tape())
    assert [row[0] for row in data_set.tape() if row[4] & CUT_SHORT] == ([3, 4] if undefined else [2, 3, 4])


def test_a_container_without_its_delimiter_behind_the_end_is_clipped_too() -> None:
    unreadable = b"\x12\0\x34\x12" + b"\xfe" * 8
    inside = element(SQ, "SQ", item(unreadable, undefined=True)[:-8], length=UNDEFINED)
    data = element(SQ, "SQ", item(inside, length=400), length=UNDEFINED)
    data_set = dcmread(deflated_and_cut(data))
    assert len(list(data_set.iterall())) == 2
    assert_inside(data_set.tape())


HEADERS = {
    "sequence": element(SQ, "SQ", length=UNDEFINED),
    "text": element(0x0040A160, "UT", b"text"),
    "item": implicit.tag(ITEM) + b"\xff" * 4,
    "delimiter": sequence_end(),
    "item delimiter": item(b"", undefined=True)[8:],
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("kept", [1, 2, 4, 7, 8, 10, 11])
def test_a_header_never_passes_the_end_of_its_container(header: bytes, undefined: bool, kept: int) -> None:
    before = element(SQ, "SQ", b"", length=UNDEFINED) if undefined else b""
    cut = item(before + header, length=len(before) + min(kept, len(header)))
    data = sequence(SQ, cut, undefined=True) + element(0x00500010, "CS", b"A ") + element(0x00600010, "CS", b"A ")
    data_set = dcmread(part10(data))
    list(data_set.iterall())
    assert_inside(data_set.tape())


def test_a_last_fragment_behind_the_end_of_the_stream_is_clipped_with_its_pixel_data() -> None:
    fragments = item() + item(b"1234") + item(b"12345678", length=4_000_000_000)
    file = deflated_and_cut(element(0x00080060, "CS", b"CT") + element(PIXEL_DATA, "OB", fragments, length=UNDEFINED))
    data_set = dcmread(file)
    assert bytes(data_set["PixelData"].raw).endswith(b"12345678")
    assert_inside(data_set.tape())
    assert [bytes(fragment) for fragment in data_set.PixelData] == [b"1234", b"12345678"]
    assert_inside(data_set.tape())
    assert "truncated_value" in {deviation.kind for deviation in data_set.deviations}


def test_strict_refuses_a_value_behind_the_end_of_the_stream_every_time() -> None:
    file = deflated_and_cut(element(0x00080060, "CS", b"CT") + element(PIXEL_DATA, "OW", b"1234", length=1000))
    data_set = dcmread(file, policy="strict")
    for _ in range(3):
        with pytest.raises(DecodeError, match=r"ends before its final block|value needs 1000 bytes, 4 left"):
            data_set["PixelData"].raw  # noqa: B018


def test_elements_behind_the_highest_tag_are_out_of_order() -> None:
    ds = dcmread(part10(element(0x00080060, "CS", b"CT") + element(0xFFFFFFFF, "CS", b"A ") + plain()))
    assert next(deviation.kind for deviation in ds.deviations) == "tag_order"
    assert ds.PatientID == "12345"
