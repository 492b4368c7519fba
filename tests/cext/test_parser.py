"""The push parser on built streams: the events themselves, wherever the stream is cut, and what ends it."""

from __future__ import annotations

import contextlib
import gc
import sys
import weakref
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire import dcmread
from dicomwire.errors import DecodeError, ElementError, NestingError, TruncatedError
from dicomwire.streaming import EventKind, StreamParser
from tests.builders import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    Encoder,
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
from tests.streaming.events import assert_same_however_cut, outcome, random_cuts, single_bytes

SQ = 0x0040A730
TEXT = element(0x0040A160, "UT", b"text")


def encoded(encoder: Encoder) -> bytes:
    """A data set with everything in it that a data set can have, in one encoding."""
    e = encoder
    short = b"\0\5" if e.end == ">" else b"\5\0"
    inside = e.element(0x00080100, "SH", b"code") + e.element(0x0040A160, "UT", b"t" * 90)
    return b"".join(
        (
            e.element(0x00080005, "CS", b"ISO_IR 192"),
            e.element(0x00080060, "CS", b"CT"),
            e.sequence(0x00081115, e.item(inside), e.item(), e.item(inside, undefined=True)),
            e.element(0x00100010, "PN", "Ångström^Jo ".encode()),
            e.element(0x00280010, "US", short),
            e.sequence(
                SQ, e.item(inside + e.sequence(SQ, e.item(inside, undefined=True), undefined=True)), undefined=True
            ),
            e.sequence(0x0040B020),
            e.element(0x0040DB00, "CS"),
            e.element(0x00420011, "OB", bytes(range(256)) * 20),
            e.element(PIXEL_DATA, "OW", b"\1\2" * 3000),
            e.element(0xFFFCFFFC, "OB", b"\0\0"),
        )
    )


def kinds(data: bytes, syntax: str = EXPLICIT, **options: Any) -> list[tuple[str, int]]:
    return [(row[0], row[4]) for row in outcome([data], syntax, **options).rows if row[0] != "PIECE"]


@pytest.mark.parametrize(("encoder", "syntax"), [(explicit, EXPLICIT), (implicit, IMPLICIT), (big_endian, BIG_ENDIAN)])
def test_events_do_not_depend_on_the_cuts(encoder: Encoder, syntax: str) -> None:
    data = encoded(encoder)
    found = assert_same_however_cut(data, syntax, piece_limit=1024)
    assert found.error is None
    assert found.deviations == []
    assert found.rows[-1][:1] == ["END"]
    names = [row[0] for row in found.rows]
    assert names.count("SEQUENCE") == names.count("SEQUENCE_END") == 4
    assert names.count("ITEM") == names.count("ITEM_END") == 5
    assert names.count("PIECE") == 2
    pieces = [bytes(row[3]) for row in found.rows if row[0] == "PIECE"]
    assert pieces == [bytes(range(256)) * 20, b"\1\2" * 3000]
    file = assert_same_however_cut(part10(data, syntax), piece_limit=1024)
    assert [row[5:] for row in file.rows if row[0] not in ("META", "PIECE")] == [
        row[5:] for row in found.rows if row[0] != "PIECE"
    ]


def test_the_events_of_a_sequence() -> None:
    data = sequence(SQ, item(TEXT), item(undefined=True), undefined=True)
    rows = [
        (event.kind.name, event.tag, event.VR, event.offset, event.length, event.depth, event.path)
        for event in StreamParser(EXPLICIT).feed(data + element(0x00500010, "CS", b"A ") * 200)
    ][:8]
    assert rows == [
        ("SEQUENCE", SQ, "SQ", 12, None, 0, "ContentSequence"),
        ("ITEM", 0xFFFEE000, "", 20, 16, 1, "ContentSequence.0"),
        ("ELEMENT", 0x0040A160, "UT", 32, 4, 2, "ContentSequence.0.TextValue"),
        ("ITEM_END", 0xFFFEE000, "", 36, 16, 1, "ContentSequence.0"),
        ("ITEM", 0xFFFEE000, "", 44, None, 1, "ContentSequence.1"),
        ("ITEM_END", 0xFFFEE000, "", 44, None, 1, "ContentSequence.1"),
        ("SEQUENCE_END", SQ, "SQ", 52, None, 0, "ContentSequence"),
        ("ELEMENT", 0x00500010, "CS", 68, 2, 0, "DeviceSequence"),
    ]


def test_fragments() -> None:
    fragments = item(b"\0" * 4) + item(b"ab" * 2000) + item(b"cd")
    data = (
        plain()
        + element(PIXEL_DATA, "OB", fragments + sequence_end(), length=UNDEFINED)
        + element(0xFFFCFFFC, "OB", b"\0\0")
    )
    found = assert_same_however_cut(part10(data, JPEG), piece_limit=1024)
    rows = [row for row in found.rows if row[0].startswith("FRAG") or row[0] == "PIECE"]
    assert [row[0] for row in rows] == ["FRAGMENTS", "FRAGMENT", "FRAGMENT", "PIECE", "FRAGMENT", "FRAGMENTS_END"]
    assert [row[9] for row in rows if row[0] == "FRAGMENT"] == [0, 1, 2]
    assert rows[3][3] == b"ab" * 2000
    assert rows[4][8] == b"cd"
    assert found.rows[-2][2] == 0xFFFCFFFC


def test_values_are_views_of_the_chunk_that_they_keep() -> None:
    class Chunk(bytearray):
        pass

    chunk = Chunk(plain() * 30)
    gone = weakref.ref(chunk)
    events = list(StreamParser(EXPLICIT).feed(chunk))
    value = events[2].value
    assert value is not None
    assert value.readonly
    assert bytes(value) == b"CT"
    chunk[60:62] = b"MR"
    assert bytes(value) == b"MR"
    with pytest.raises(BufferError):
        chunk.append(0)
    del events, chunk
    gc.collect()
    assert gone() is not None
    assert bytes(value) == b"MR"
    del value
    assert gone() is None


def test_a_value_in_pieces_is_never_copied() -> None:
    data = bytearray(element(PIXEL_DATA, "OW", bytes(100_000)))
    parser = StreamParser(EXPLICIT)
    first, piece = list(parser.feed(data))
    assert first.comes_in_pieces
    assert first.value is None
    with pytest.raises(TypeError, match="in pieces"):
        first.decoded()
    assert piece.kind is EventKind.PIECE
    assert piece.is_last
    view = piece.value
    assert view is not None
    data[12 + 50_000] = 7
    assert view[50_000] == 7


@pytest.mark.parametrize("size", [65_534, 65_536, 65_538])
def test_the_piece_limit_is_the_longest_value_that_comes_whole(size: int) -> None:
    data = element(PIXEL_DATA, "OW", bytes(size))
    for chunks in ([data], [data[:100], data[100:]], random_cuts(data, size, 5000)):
        found = outcome(chunks, EXPLICIT)
        assert (found.rows[0][8] is None) == (size > 65_536)
        assert [row[0] for row in found.rows] == ["ELEMENT", *["PIECE"] * (size > 65_536), "END"]


def test_decoded_values_are_those_of_the_data_set() -> None:
    data = encoded(explicit)
    ds = dcmread(part10(data))
    want = {e.offset: e.value for e in ds.iterall() if e.VR not in ("SQ", "OB", "OW")}
    found = {}
    parser = StreamParser()
    chunks = [*random_cuts(part10(data), "decoded", 50), None]
    for chunk in chunks:
        for event in parser.close() if chunk is None else parser.feed(chunk):
            if event.kind is EventKind.ELEMENT and event.VR not in ("OB", "OW"):
                found[event.offset] = event.decoded()
    assert found == want
    assert found[min(offset for offset, value in want.items() if value == ds.PatientName)].family_name == "Ångström"


def test_what_gives_a_meaning_is_known_wherever_the_stream_is_cut() -> None:
    e = implicit
    data = b"".join(
        (
            e.element(0x00080005, "CS", b"ISO_IR 100"),
            e.element(0x00090010, "LO", b"GEMS_IDEN_01"),
            e.element(0x00091002, "SH", b"CT01"),
            e.sequence(
                0x00081115,
                e.item(e.element(0x00080005, "CS", b"ISO_IR 192") + e.element(0x00081030, "LO", "Ä".encode())),
            ),
            e.element(0x00100010, "PN", b"\xc4rger "),
            e.element(0x00280103, "US", b"\1\0"),
            e.element(0x00280106, "US", b"\xff\xff"),
            e.sequence(0x00283000, e.item(e.element(0x00283002, "US", b"\2\0\xfe\xff\x10\0"))),
        )
    )
    for chunks in ([data], single_bytes(data), random_cuts(data, 5, 60)):
        parser = StreamParser(IMPLICIT)
        values = {}
        for chunk in [*chunks, None]:
            for event in parser.close() if chunk is None else parser.feed(chunk):
                if event.kind is EventKind.ELEMENT:
                    values[event.tag] = (event.VR, event.decoded())
        assert values[0x00091002] == ("SH", "CT01")
        assert values[0x00081030] == ("LO", "Ä")
        assert values[0x00100010] == ("PN", "Ärger")
        assert values[0x00280106] == ("SS", -1)
        assert values[0x00283002] == ("SS", [2, -2, 16])


def test_batches_without_events() -> None:
    parser = StreamParser(EXPLICIT)
    data = plain() * 40
    batch = parser.feed(data[:2000])
    assert len(batch) == len(list(batch)) == len(list(batch)) > 20
    assert batch
    assert batch.tags[:3] == [0x00080005, 0x00080016, 0x00080060]
    found = batch.find("PatientID")
    assert found is not None
    assert found.decoded() == "12345"
    assert batch.find(0x00280010) is None
    with pytest.raises(KeyError):
        batch.find("PatientIdentity")
    empty = parser.feed(b"")
    assert not empty
    assert len(empty) == 0
    assert empty.tags == []


# ------------------------------------------------------------------------------------------------ the end


@pytest.mark.parametrize("encoder", [explicit, implicit, big_endian])
def test_a_stream_that_ends_anywhere_else_is_truncated(encoder: Encoder) -> None:
    syntax = {explicit: EXPLICIT, implicit: IMPLICIT, big_endian: BIG_ENDIAN}[encoder]
    e = encoder
    parts = [
        e.element(0x00080060, "CS", b"CT"),
        e.sequence(SQ, e.item(e.element(0x0040A160, "UT", b"text"), undefined=True), undefined=True),
        e.sequence(0x0040B020, e.item(e.element(0x00080100, "SH", b"code"))),
        e.element(0x00420011, "OB", bytes(2000)),
    ]
    data = b"".join(parts)
    ends = {sum(map(len, parts[:n])) for n in range(len(parts) + 1)}
    for size in range(len(data)):
        parser = StreamParser(syntax, piece_limit=1024)
        list(parser.feed(data[: size // 2]))
        list(parser.feed(data[size // 2 : size]))
        if size in ends:
            assert list(parser.close())[-1].kind is EventKind.END
            continue
        if size - max(end for end in ends if end < size) < 8 and not any(data[max(e for e in ends if e < size) : size]):
            continue
        with pytest.raises(TruncatedError) as caught:
            parser.close()
        assert caught.value.offset is not None
        assert caught.value.offset <= size
        assert caught.value.path is not None
        with pytest.raises(TruncatedError):
            parser.close()


def test_what_a_truncated_stream_says() -> None:
    data = plain() + sequence(SQ, item(TEXT) + item(TEXT), undefined=True)
    parser = StreamParser(EXPLICIT)
    parser.feed(data[: -len(sequence_end()) - 3])
    with pytest.raises(TruncatedError, match=r"^ContentSequence\.1\.TextValue: .* 4 bytes, 1 left; offset 148"):
        parser.close()


def test_zeros_behind_a_data_set_are_tolerated() -> None:
    found = assert_same_however_cut(plain() + b"\0\0\0\0", EXPLICIT)
    assert found.error is None
    assert "trailing_bytes" in found.deviations[0]
    assert outcome([plain() + b"\0\0\0\0"], EXPLICIT, policy="ignore").deviations == []
    error = assert_same_however_cut(plain() + b"\0\0\0\0", EXPLICIT, policy="strict").error
    assert error is not None
    assert "PS3.5 7.1" in error[1]


def test_a_sequence_that_is_passed_over_and_not_all_there_is_truncated() -> None:
    text = element(0x0040A160, "UT", b"text")
    for body in (item(text) + text, text, item(text) + text[:-1]):
        data = part10(plain() + element(0x0040A730, "SQ", body, length=len(body) + 100))
        found = assert_same_however_cut(data)
        assert found.error is not None
        assert found.error[0] == "TruncatedError"
        assert f"ends at {len(data) + 100}, the stream at {len(data)}" in found.error[1]
        data += bytes(100) + element(0x00500010, "CS", b"A ")
        found = assert_same_however_cut(data)
        assert (found.error, found.rows[-1][0]) == (None, "END")


def test_after_the_end_nothing_more_can_be_fed() -> None:
    parser = StreamParser(EXPLICIT)
    parser.feed(plain())
    assert [event.kind for event in parser.close()][-1] is EventKind.END
    assert len(parser.close()) == 0
    with pytest.raises(ValueError, match="closed"):
        parser.feed(b"a")
    with pytest.raises(TruncatedError, match="empty"):
        StreamParser().close()
    assert [event.kind for event in StreamParser(EXPLICIT).close()] == [EventKind.END]


# ------------------------------------------------------------------------------------------- what bends the rules

ODD = {
    "odd length": plain() + element(0x00100030, "LO", b"abc") + element(0x00100040, "CS", b"M "),
    "order": element(0x00100030, "DA", b"20200101") + plain(),
    "missing item delimiter": sequence(SQ, item(TEXT, length=UNDEFINED), undefined=True) + element(0x00500010, "CS"),
    "stray delimiter": plain() + item_end() + element(0x00100040, "CS", b"M "),
    "overrun": sequence(SQ, item(element(0x0040A160, "UT", b"text", length=400))) + element(0x00500010, "CS"),
    "not an item": sequence(SQ, TEXT) + element(0x00500010, "CS", b"A "),
    "implicit element": plain() + implicit.element(0x00100040, "CS", b"M ") + element(0x00101010, "AS", b"012Y"),
    "implicit private element": plain()
    + implicit.element(0x00191008, "LO", b"abcd")
    + element(0x00280010, "US", b"\1\0"),
    "unknown VR": plain() + element(0x00100040, b"ZZ", b"\0\0\4\0\0\0abcd") + element(0x00101010, "AS", b"012Y"),
    "blank VR": plain() + element(0x00191008, b"  ", b"ab") + element(0x00280010, "US", b"\1\0"),
    "unreadable": plain() + b"\x11\0\x10\0!!\xff\xff" + bytes(range(40)),
    "zeros": plain() + bytes(4000),
    "UN sequence": element(0x00091001, "UN", implicit.item(implicit.element(0x00080060, "CS", b"CT")) + sequence_end(),
                           length=UNDEFINED),
}  # fmt: skip


@pytest.mark.parametrize("policy", ["report", "ignore", "strict"])
@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_odd_streams_are_the_same_however_cut(data: bytes, policy: str) -> None:
    found = assert_same_however_cut(data, EXPLICIT, policy=policy, rounds=5)
    ds = dcmread(part10(data))
    start = len(part10(b""))
    if policy == "strict":
        clean = not ds.deviations
        assert (found.error is None) == clean
        return
    assert found.error is None
    assert (found.deviations == []) == (policy == "ignore" or not ds.deviations)
    rows = {row[4]: row[2] for row in found.rows if row[0] in ("ELEMENT", "SEQUENCE", "FRAGMENTS")}
    assert rows == {e.offset - start: e.tag for e in ds.iterall()}


def test_a_wrapped_length_is_told_because_the_value_was_given() -> None:
    data = (
        plain() + element(0x00191008, "LO", b"x" * 70_000, length=70_000 - 65_536) + element(0x00280010, "US", b"\1\0")
    )
    assert dcmread(part10(data)).Rows == 1
    found = outcome([data], EXPLICIT)
    assert any("unreadable_header" in deviation for deviation in found.deviations)
    error = outcome([data], EXPLICIT, policy="strict").error
    assert error is not None


def test_fragments_within_the_bytes_that_an_odd_header_asks_for() -> None:
    odd = plain() + element(0x00191008, b"  ", b"ab") + element(0x00280010, "US", b"\1\0")
    fragments = item() + item(b"a" * 3000)
    data = odd + element(PIXEL_DATA, "OB", fragments + sequence_end(), length=UNDEFINED) + bytes(2000)
    found = assert_same_however_cut(data, EXPLICIT, rounds=4)
    assert [row[0] for row in found.rows][-5:] == ["FRAGMENTS", "FRAGMENT", "FRAGMENT", "FRAGMENTS_END", "END"]
    cut = assert_same_however_cut(odd + element(PIXEL_DATA, "OB", fragments, length=UNDEFINED), EXPLICIT, rounds=4)
    assert cut.error is not None
    cut = assert_same_however_cut(
        odd + element(0x00290010, "OB", bytes(1100)) + element(PIXEL_DATA, "OB", fragments, length=UNDEFINED), EXPLICIT
    )
    assert cut.rows[-1][0] == "FRAGMENT"


def test_creators_that_are_out_of_order_keep_their_meaning() -> None:
    e = implicit
    data = b"".join(
        (
            e.element(0x00080060, "CS", b"CT"),
            e.element(0x00090010, "LO", b"GEMS_IDEN_01"),
            e.element(0x00100020, "LO", b"1234"),
            e.element(0x00091002, "SH", b"CT01"),
            e.element(0xFFFFFFFF, "UN", b"ab"),
            e.element(0x00091004, "SH", b"CT02"),
        )
    )
    found = assert_same_however_cut(data, IMPLICIT)
    assert [row[3] for row in found.rows if row[0] == "ELEMENT" and row[2] >> 16 == 9] == ["LO", "SH", "SH"]


def test_events_before_an_error_come_first() -> None:
    data = plain() + element(0x00100030, "LO", b"abc") + plain()
    parser = StreamParser(EXPLICIT, policy="strict")
    batch = iter(parser.feed(data))
    for keyword in ("SpecificCharacterSet", "SOPClassUID", "Modality", "PatientName", "PatientID"):
        assert next(batch).keyword == keyword
    with pytest.raises(ElementError, match="odd length 3"):
        next(batch)
    with pytest.raises(ElementError, match="odd length 3"):
        parser.feed(b"")
    with pytest.raises(ElementError, match="odd length 3"):
        parser.close()


@pytest.mark.parametrize("undefined", [True, False])
def test_depth_is_limited(undefined: bool) -> None:
    assert outcome([nested(500, undefined=undefined)], EXPLICIT).error is None
    data = nested(600, undefined=undefined)
    found = outcome([data], EXPLICIT)
    assert found.error is not None
    assert found.error[0] == NestingError.__name__
    assert outcome(random_cuts(data, "deep", 100), EXPLICIT) == found


def test_a_long_value_that_is_not_there_takes_no_memory() -> None:
    parser = StreamParser(EXPLICIT)
    event = list(parser.feed(plain() + element(0x00420011, "OB", length=0xFFFFFFFE)))[-1]
    assert event.length == 0xFFFFFFFE
    with pytest.raises(TruncatedError, match="value needs 4294967294 bytes, 0 left"):
        parser.close()


def test_arguments() -> None:
    with pytest.raises(ValueError, match="not a known one"):
        StreamParser("1.2.3")
    with pytest.raises(ValueError, match="policy"):
        StreamParser(policy="lax")
    with pytest.raises(ValueError, match="1024"):
        StreamParser(piece_limit=10)
    with pytest.raises(TypeError):
        StreamParser().feed("text")  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------- files (PS3.10)


def test_meta_group() -> None:
    parser = StreamParser()
    file = part10(encoded(implicit), IMPLICIT)
    events = list(parser.feed(file))
    assert [(event.kind.name, event.keyword) for event in events[:4]] == [
        ("META", "FileMetaInformationGroupLength"),
        ("META", "FileMetaInformationVersion"),
        ("META", "TransferSyntaxUID"),
        ("ELEMENT", "SpecificCharacterSet"),
    ]
    assert parser.transfer_syntax == IMPLICIT
    assert parser.is_implicit_VR is True
    assert parser.is_little_endian is True
    assert events[2].decoded() == IMPLICIT
    assert events[3].offset == len(part10(b"", IMPLICIT)) + 8


BEGINNINGS = {
    "plain": part10(plain()),
    "empty data set": part10(b""),
    "no preamble": meta() + plain(),
    "prefix only": b"DICM" + meta() + plain(),
    "no meta group": bytes(128) + b"DICM" + plain(),
    "bare": plain(),
    "bare implicit": implicit.element(0x00080060, "CS", b"CT") + implicit.element(0x00100020, "LO", b"1234"),
    "bare big": big_endian.element(0x00080060, "CS", b"CT") + big_endian.element(0x00100020, "LO", b"1234"),
    "wrong length": part10(plain(), length=4),
    "no syntax": part10(plain(), None),
    "unknown syntax": part10(plain(), "1.2.3.4"),
    "wrong syntax": part10(encoded(implicit), EXPLICIT),
    "wrong byte order": part10(encoded(big_endian), EXPLICIT),
    "executable": part10(plain(), preamble=b"MZ" + bytes(126)),
}


@pytest.mark.parametrize("data", BEGINNINGS.values(), ids=BEGINNINGS)
def test_beginnings_are_read_as_the_structural_index_reads_them(data: bytes) -> None:
    found = assert_same_however_cut(data, rounds=5)
    ds = dcmread(data)
    assert found.error is None
    assert {row[4]: (row[2], row[3]) for row in found.rows if row[0] in ("ELEMENT", "SEQUENCE")} == {
        e.offset: (e.tag, e.VR) for e in ds.iterall()
    }
    assert {text.split(",")[0] for text in found.deviations} == {repr(d).split(",")[0] for d in ds.deviations}
    strict = assert_same_however_cut(data, rounds=2, policy="strict")
    assert (strict.error is None) == (not ds.deviations)


@pytest.mark.parametrize(
    "data", [b"\x1f\x8b\x08" + bytes(300), b"PK\3\4" + bytes(300), bytes(5000), b"x" * 3000, b"ab"]
)
def test_what_is_not_dicom_is_refused(data: bytes) -> None:
    error = assert_same_however_cut(data, rounds=2).error
    assert error is not None
    assert error[0] == DecodeError.__name__


# -------------------------------------------------------------------------------------------------- deflate


def deflate(data: bytes, *, wrapped: bool = False) -> bytes:
    compressor = zlib.compressobj(wbits=15 if wrapped else -15)
    data = compressor.compress(data) + compressor.flush()
    return data + bytes(len(data) % 2)


@pytest.mark.parametrize("wrapped", [False, True])
def test_deflated_data_sets(wrapped: bool) -> None:
    data = encoded(explicit)
    found = assert_same_however_cut(part10(deflate(data, wrapped=wrapped), DEFLATED), piece_limit=1024)
    bare = outcome([data], EXPLICIT, piece_limit=1024)
    assert found.error is None
    assert [row for row in found.rows if row[0] != "META"] == bare.rows
    assert bool(found.deviations) == wrapped
    assert assert_same_however_cut(deflate(data), DEFLATED, piece_limit=1024).rows == bare.rows


def test_a_data_set_that_is_not_deflated_after_all() -> None:
    found = assert_same_however_cut(part10(plain(), DEFLATED))
    assert [row[2] for row in found.rows if row[0] == "ELEMENT"][-1] == 0x00100020
    assert len(found.deviations) == 1


@pytest.mark.parametrize(
    ("body", "behind"), [(bytes(200), 2000), (TEXT, 0), (TEXT, 2000), (plain() * 50, 0)],
    ids=["padding", "short", "followed", "long"],
)
def test_a_stream_can_be_closed_before_its_events_are_taken(body: bytes, behind: int) -> None:
    """Where the last chunk showed nothing but the end, it was reached twice, and the process crashed (padding)."""
    data = part10(deflate(body) + bytes(behind), DEFLATED)
    parser = StreamParser()
    batches = [parser.feed(data), parser.close()]
    kinds = [event.kind.name for batch in batches for event in batch]
    assert kinds == [row[0] for row in outcome([data]).rows]
    assert kinds.count("END") == 1


def test_a_deflated_stream_that_is_cut_damaged_or_followed() -> None:
    data = deflate(encoded(explicit))
    cut = assert_same_however_cut(part10(data[: len(data) // 2], DEFLATED), rounds=3)
    assert cut.error is not None
    assert cut.error[0] == TruncatedError.__name__
    behind = assert_same_however_cut(part10(data + b"behind", DEFLATED), rounds=3)
    assert behind.error is None
    assert "behind the deflated stream" in behind.deviations[0]
    damaged = bytearray(deflate(plain() * 2000))
    damaged[len(damaged) // 2 :] = b"\xff" * 64
    assert outcome([part10(bytes(damaged), DEFLATED)]).error is not None


def test_inflating_is_lazy_and_bounded() -> None:
    pixels = 400 << 20
    compressor = zlib.compressobj(wbits=-15)
    head = compressor.compress(plain() + element(PIXEL_DATA, "OW", length=pixels))
    bomb = head + b"".join(compressor.compress(bytes(1 << 20)) for _ in range(400)) + compressor.flush()
    parser = StreamParser(DEFLATED)
    batch = parser.feed(bomb)
    assert len(batch) < 10
    sizes: list[int] = []
    pieces = (event.length or 0 for event in batch if event.kind is EventKind.PIECE)
    with pytest.raises(DecodeError, match="grew to"):
        sizes.extend(pieces)
    assert max(sizes) <= 1 << 18
    assert 100 << 20 < sum(sizes) < 300 << 20
    parser = StreamParser(DEFLATED, inflate_limit=1 << 20)
    with pytest.raises(DecodeError, match="more than the 1048576 bytes that are allowed"):
        list(parser.feed(bomb))
    parser = StreamParser(DEFLATED, inflate_ratio=None)
    assert sum(event.length or 0 for event in parser.feed(bomb) if event.kind is EventKind.PIECE) == pixels
    assert [event.kind for event in parser.close()] == [EventKind.END]


@pytest.mark.parametrize("limit", [0, 1, 50, 1000, len(plain()) * 20 - 1])
def test_what_comes_before_the_limit_is_the_same_in_any_chunks(limit: int) -> None:
    data = plain() + element(0x0040A160, "UT", b"text" * 20) + plain() * 19
    found = assert_same_however_cut(part10(deflate(data), DEFLATED), inflate_limit=limit)
    assert found.error is not None
    assert f"more than the {limit} bytes" in found.error[1]
    assert (len(found.rows) > 3) == (limit >= 50)  # the three are of the meta group


# ------------------------------------------------------------------------------------------------ anything


@given(
    data=st.binary(max_size=400),
    cuts=st.lists(st.integers(0, 60), max_size=30),
    syntax=st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN, None]),
)
def test_any_bytes_give_events_or_an_error_wherever_they_are_cut(
    data: bytes, cuts: list[int], syntax: str | None
) -> None:
    chunks, at = [], 0
    for size in cuts:
        chunks.append(data[at : at + size])
        at += size
    chunks.append(data[at:])
    assert outcome(chunks, syntax, force=True) == outcome([data], syntax, force=True)


@given(
    start=st.integers(0, 300),
    noise=st.binary(min_size=1, max_size=12),
    seed=st.integers(0, 1000),
    policy=st.sampled_from(["report", "strict", "ignore"]),
)
def test_a_damaged_stream_gives_the_same_wherever_it_is_cut(start: int, noise: bytes, seed: int, policy: str) -> None:
    data = bytearray(encoded(explicit))
    data[start : start + len(noise)] = noise
    damaged = bytes(data)
    assert outcome(random_cuts(damaged, seed, 200), EXPLICIT, policy=policy) == outcome(
        [damaged], EXPLICIT, policy=policy
    )


@pytest.mark.parametrize("closed", [False, True])
def test_a_parser_that_failed_is_forgotten(closed: bool) -> None:
    """An error that it kept with its traceback would lead back to it, in a circle that nobody collects."""
    data = part10(element(0x00080060, "CS", b"CT") + element(0x00100020, "LO", b"12345 "))[:-3]
    assert len(data) > 132
    damaged = data if closed else b"PK\3\4" + bytes(2000)

    def fail() -> None:
        parser = StreamParser()
        with contextlib.suppress(DecodeError):
            list(parser.feed(damaged))
        for _ in range(2):
            with pytest.raises(DecodeError):
                parser.close()

    fail()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(100):
        fail()
    gc.collect()
    assert sys.getallocatedblocks() - before < 100
