"""The re-encoder on small data sets, with the bytes in sight: headers, lengths, VRs, byte order, what is refused."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.reencode import Reencoder
from dicomwire.errors import DecodeError, TruncatedError, UnsupportedError
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
    nested,
    plain,
    sequence,
    sequence_end,
)
from tests.fuzz import seeds

PER_FRAME, CONTENT, REFERENCED = 0x52009230, 0x0040A730, 0x00081140
REGIONS = 0x00186011  # before group 0028
ZERO_VELOCITY = 0x00189810  # US or SS, there too
SMALLEST, SIGNED = 0x00280106, 0x00280103

ENCODERS = {EXPLICIT: explicit, IMPLICIT: implicit, BIG_ENDIAN: big_endian}


def reencoded(chunks: bytes | list[bytes], source: str, target: str, **options: Any) -> bytes:
    if isinstance(chunks, bytes):
        chunks = [chunks]
    encoder = Reencoder(source, implicit_vr=target == IMPLICIT, big_endian=target == BIG_ENDIAN, **options)
    return b"".join([*(piece for chunk in chunks for piece in encoder.feed(chunk)), *encoder.close()])


def anyhow(data: bytes, source: str, target: str, **options: Any) -> bytes:
    """What comes out, whole and in single bytes."""
    whole = reencoded(data, source, target, **options)
    assert reencoded([data[at : at + 1] for at in range(len(data))], source, target, **options) == whole
    return whole


VALUES = [
    (0x00080005, "CS", b"ISO_IR 192"),
    (0x00080018, "UI", b"1.2.3\0"),
    (0x00100010, "PN", b"\xc3\xa4^\xc3\xb6 "),
    (0x00187050, "CS", b""),
    (0x00280009, "AT", (0x0018, 0x1063)),
    (0x00280010, "US", (512,)),
    (SIGNED, "US", (1,)),
    (SMALLEST, "SS", (-5,)),
    (0x0040A161, "FD", (3.25,)),
    (0x0040A162, "SL", (-70000,)),
    (0x0040A163, "UL", (1 << 20,)),
    (0x00660129, "OL", (1, 2, 0xFFFF0000)),
    (0x00660016, "OF", (1.0, 0.5)),
    (0x00660022, "OD", (1e9,)),
    (0x00700022, "FL", (1.5, -2.0)),
    (0x7FE00001, "OV", (1 << 40, 3)),
    (0x7FE00010, "OW", (1, 2, 3)),
]
FORMATS = {"AT": "H", "US": "H", "OW": "H", "SS": "h", "UL": "I", "OL": "I", "SL": "i", "FL": "f", "OF": "f"}
FORMATS |= {"FD": "d", "OD": "d", "OV": "Q"}


def encoded(values: list[tuple[int, str, object]], syntax: str) -> bytes:
    """A data set with values as bytes or tuples of numbers; a list is a sequence of items of undefined length."""
    encoder = ENCODERS[syntax]
    parts = []
    for tag, vr, value in values:
        if isinstance(value, list):
            items = [encoder.item(encoded(content, syntax), undefined=True) for content in value]
            parts.append(encoder.sequence(tag, *items, undefined=True))
            continue
        if isinstance(value, tuple):
            value = struct.pack(f"{encoder.end}{len(value)}{FORMATS[vr]}", *value)
        assert isinstance(value, bytes)
        parts.append(encoder.element(tag, vr, value))
    return b"".join(parts)


@pytest.mark.parametrize("source", ENCODERS)
@pytest.mark.parametrize("target", ENCODERS)
def test_every_encoding_to_every_other(source: str, target: str) -> None:
    values = [*VALUES[:11], (CONTENT, "SQ", [VALUES[:4], [], [(CONTENT, "SQ", [VALUES[4:]])]]), *VALUES[11:]]
    assert anyhow(encoded(values, source), source, target) == encoded(values, target)


# --- lengths


def test_lengths_are_kept_where_nothing_changes() -> None:
    """Between the two byte orders of explicit VR, and where source and target are the same."""
    body = {
        encoder: encoder.element(0x00080000, "UL", struct.pack(encoder.end + "I", 10))
        + encoder.sequence(REFERENCED, encoder.item(encoder.element(0x00080016, "UI", b"1.2\0")), encoder.item())
        + encoder.sequence(CONTENT)
        for encoder in (explicit, big_endian)
    }
    assert anyhow(body[explicit], EXPLICIT, BIG_ENDIAN) == body[big_endian]
    assert anyhow(body[big_endian], BIG_ENDIAN, EXPLICIT) == body[explicit]
    assert anyhow(body[explicit], EXPLICIT, EXPLICIT) == body[explicit]


def test_lengths_that_change_are_undefined() -> None:
    known = sequence(REFERENCED, item(element(0x00080016, "UI", b"1.2\0")), item()) + sequence(CONTENT)
    undefined = implicit.sequence(
        REFERENCED,
        implicit.item(implicit.element(0x00080016, "", b"1.2\0"), undefined=True),
        implicit.item(),  # of nothing the length is known
        undefined=True,
    ) + implicit.sequence(CONTENT)
    assert anyhow(known, EXPLICIT, IMPLICIT) == undefined


def test_group_lengths_go_where_sizes_change() -> None:
    group = element(0x00080000, "UL", b"\x0c\0\0\0")
    name = element(0x00080060, "CS", b"CT")
    inner = sequence(REFERENCED, item(group + name))
    assert anyhow(group + name, EXPLICIT, IMPLICIT) == implicit.element(0x00080060, "", b"CT")
    assert anyhow(group + name, EXPLICIT, EXPLICIT) == group + name
    assert b"\x08\0\0\0" not in anyhow(inner, EXPLICIT, IMPLICIT)


def test_odd_lengths_are_padded() -> None:
    def odd(encoder: Encoder, text: bytes, uid: bytes, number: bytes) -> bytes:
        return (
            encoder.element(0x00080018, "UI", uid)
            + encoder.element(0x00100010, "PN", text)
            + encoder.element(PIXEL_DATA, "OW", number)
        )

    body = odd(explicit, b"abc", b"1.2", b"\1\2\3")
    assert anyhow(body, EXPLICIT, IMPLICIT) == odd(implicit, b"abc ", b"1.2\0", b"\1\2\3\0")
    assert anyhow(body, EXPLICIT, EXPLICIT) == odd(explicit, b"abc ", b"1.2\0", b"\1\2\3\0")
    assert anyhow(body, EXPLICIT, BIG_ENDIAN) == odd(big_endian, b"abc ", b"1.2\0", b"\2\1\0\3")


def test_odd_values_stay_where_the_length_around_them_is_written() -> None:
    body = sequence(CONTENT, item(element(0x00100010, "PN", b"abc")))
    assert anyhow(body, EXPLICIT, EXPLICIT) == body
    padded = explicit.sequence(
        CONTENT, explicit.item(element(0x00100010, "PN", b"abc "), undefined=True), undefined=True
    )
    source = implicit.sequence(CONTENT, implicit.item(implicit.element(0x00100010, "", b"abc")))
    assert anyhow(source, IMPLICIT, EXPLICIT) == padded


def test_a_length_that_is_written_and_does_not_come_true_is_an_error() -> None:
    """A delimiter without a meaning among items of known length is left out."""
    body = sequence(CONTENT, item(element(0x00100010, "PN", b"ab") + explicit.item_end()))
    with pytest.raises(DecodeError, match=r"ContentSequence\.0: 10 bytes come of 18 .*PS3\.5 7\.5"):
        anyhow(body, EXPLICIT, BIG_ENDIAN)
    assert anyhow(body, EXPLICIT, IMPLICIT).count(b"\x0d\xe0") == 1


def test_deep_nesting() -> None:
    for undefined in (False, True):
        body = plain() + nested(400, undefined=undefined)
        there = anyhow(body, EXPLICIT, IMPLICIT)
        assert there.endswith((implicit.item_end() + implicit.sequence_end()) * (400 if undefined else 399))
        assert reencoded(there, IMPLICIT, IMPLICIT) == there


# --- VRs


def signed_set(representation: int | None, encoder: Encoder, vr: str, *, before: bytes = b"") -> bytes:
    signed = b"" if representation is None else encoder.element(SIGNED, "US", struct.pack("<H", representation))
    return before + signed + encoder.element(SMALLEST, vr, b"\xfe\xff")


@pytest.mark.parametrize(("representation", "vr"), [(0, "US"), (1, "SS"), (None, "US")])
def test_us_or_ss_by_pixel_representation(representation: int | None, vr: str) -> None:
    expected = signed_set(representation, explicit, vr)
    assert anyhow(signed_set(representation, implicit, ""), IMPLICIT, EXPLICIT) == expected


def test_us_or_ss_is_inherited_and_the_own_one_comes_first() -> None:
    def body(encoder: Encoder, *vrs: str) -> bytes:
        contents = [
            signed_set(None, encoder, vrs[0]),
            signed_set(0, encoder, vrs[1]),
            encoder.sequence(
                CONTENT, encoder.item(signed_set(None, encoder, vrs[2]), undefined=True), undefined=True
            ),
        ]
        items = [encoder.item(content, undefined=True) for content in contents]
        return signed_set(1, encoder, vrs[3]) + encoder.sequence(PER_FRAME, *items, undefined=True)

    assert anyhow(body(implicit, "", "", "", ""), IMPLICIT, EXPLICIT) == body(explicit, "SS", "US", "SS", "SS")


@pytest.mark.parametrize(("representation", "vr"), [(0, "US"), (1, "SS"), (None, "US")])
def test_us_or_ss_before_pixel_representation(representation: int | None, vr: str) -> None:
    """Looked ahead for: of the item itself, and of one around it that has not come to it."""

    def body(encoder: Encoder, vr: str, own: str) -> bytes:
        number = encoder.element(ZERO_VELOCITY, vr, b"\xfe\xff")
        with_own = encoder.element(ZERO_VELOCITY, own, b"\xfe\xff") + encoder.element(SIGNED, "US", b"\0\0")
        items = [encoder.item(content, undefined=True) for content in (number, with_own, number * 2, b"")]
        before = encoder.sequence(REGIONS, *items, undefined=True) + encoder.element(ZERO_VELOCITY, vr, b"\1\0")
        return signed_set(representation, encoder, vr, before=before)

    assert anyhow(body(implicit, "", ""), IMPLICIT, EXPLICIT) == body(explicit, vr, "US")


def test_looking_ahead_has_a_bound() -> None:
    """A megabyte; what is in between is not held back for ever, and decided by what is known."""

    def body(encoder: Encoder, vr: str, size: int) -> bytes:
        number = encoder.element(ZERO_VELOCITY, vr, b"\xfe\xff")
        bulk = encoder.element(0x00189999, "UN", bytes(size))
        return signed_set(1, encoder, "SS", before=number + bulk)

    for size, vr in ((900_000, "SS"), (1_100_000, "US")):
        source = body(implicit, "", size)
        for step in (len(source), 10_000, 70_001):
            chunks = [source[at : at + step] for at in range(0, len(source), step)]
            assert reencoded(chunks, IMPLICIT, EXPLICIT) == body(explicit, vr, size)
    encoder = Reencoder(IMPLICIT)
    held = b"".join(encoder.feed(body(implicit, "", 5_000_000)[:1_200_000]))
    assert len(held) > 1_100_000


@pytest.mark.parametrize(("bits", "vr"), [(8, "OB"), (16, "OW"), (None, "OW")])
def test_pixel_data_by_bits_allocated(bits: int | None, vr: str) -> None:
    def body(encoder: Encoder, vr: str) -> bytes:
        number = struct.pack(encoder.end + "H", bits or 0)
        words = bytes(range(8))
        if encoder is big_endian and vr == "OW":
            words = bytes((1, 0, 3, 2, 5, 4, 7, 6))
        return (encoder.element(0x00280100, "US", number) if bits else b"") + encoder.element(PIXEL_DATA, vr, words)

    assert anyhow(body(implicit, ""), IMPLICIT, EXPLICIT) == body(explicit, vr)
    assert anyhow(body(implicit, ""), IMPLICIT, BIG_ENDIAN) == body(big_endian, vr)


@pytest.mark.parametrize(("bits", "vr"), [(8, "OB"), (16, "OW")])
def test_waveform_data_by_their_own_bits_allocated(bits: int, vr: str) -> None:
    def body(encoder: Encoder, vr: str) -> bytes:
        content = encoder.element(0x54001004, "US", struct.pack("<H", bits)) + encoder.element(0x54001010, vr, bytes(6))
        return encoder.sequence(0x54000100, encoder.item(content, undefined=True), undefined=True)

    assert anyhow(body(implicit, ""), IMPLICIT, EXPLICIT) == body(explicit, vr)


@pytest.mark.parametrize(("entries", "vr"), [(1, "US"), (256, "OW")])
def test_lut_data_by_the_number_of_entries(entries: int, vr: str) -> None:
    def body(encoder: Encoder, vr: str) -> bytes:
        content = encoder.element(0x00283002, "US", struct.pack("<HHH", entries, 0, 16))
        content += encoder.element(0x00283006, vr, bytes(2))
        signed = encoder.element(SIGNED, "US", b"\0\0")
        return signed + encoder.sequence(0x00283000, encoder.item(content, undefined=True), undefined=True)

    assert anyhow(body(implicit, ""), IMPLICIT, EXPLICIT) == body(explicit, vr)


def test_private_elements_by_their_creator() -> None:
    """In the item where the creator stands, and nowhere else; what is not known is UN."""
    creator = (0x00190010, "LO", b"SIEMENS MR HEADER ")

    def body(encoder: Encoder, vrs: str, unknown: str) -> bytes:
        known = encoder.element(*creator) + encoder.element(0x0019100A, vrs, b"\x05\0")
        known += encoder.element(0x001910FE, unknown, b"ab") + encoder.element(0x0019110A, unknown, b"ab")
        inner = encoder.item(encoder.element(0x0019100A, unknown, b"\x05\0"), undefined=True)
        return known + encoder.sequence(CONTENT, inner, encoder.item(known, undefined=True), undefined=True)

    assert anyhow(body(implicit, "", ""), IMPLICIT, EXPLICIT) == body(explicit, "US", "UN")
    swapped = anyhow(body(implicit, "", ""), IMPLICIT, BIG_ENDIAN)
    assert big_endian.element(0x0019100A, "US", b"\0\x05") in swapped
    assert big_endian.element(0x0019100A, "UN", b"\x05\0") in swapped       # UN has no byte order
    assert big_endian.element(0x0019110A, "UN", b"ab") in swapped


def test_a_private_sequence_that_only_its_creator_tells_of() -> None:
    """Its items stay as they are inside of UN (PS3.5 section 6.2.2); of undefined length it is a sequence."""
    creator = b"Philips Imaging DD 005"
    content = implicit.item(implicit.element(0x00080060, "", b"CT"))
    known = implicit.element(0x20050010, "", creator) + implicit.element(0x2005100F, "", content)
    expected = element(0x20050010, "LO", creator) + element(0x2005100F, "UN", content)
    assert anyhow(known, IMPLICIT, EXPLICIT) == expected
    undefined = implicit.element(0x20051099, "", content + implicit.sequence_end(), length=UNDEFINED)
    inner = item(element(0x00080060, "CS", b"CT"), undefined=True)
    assert anyhow(undefined, IMPLICIT, EXPLICIT) == sequence(0x20051099, inner, undefined=True)


def test_un_of_undefined_length_stays_as_it_is() -> None:
    """Its inside is implicit VR little endian everywhere."""
    inside = implicit.item(implicit.element(0x00280010, "", b"\1\0"))
    inside += implicit.item(implicit.element(0x00100010, "", b"ab"), undefined=True) + implicit.sequence_end()
    body = {
        encoder: encoder.element(0x00211001, "UN", inside, length=UNDEFINED)
        + encoder.element(0x00280010, "US", struct.pack(encoder.end + "H", 7))
        for encoder in ENCODERS.values()
    }
    for target, encoder in ENCODERS.items():
        assert anyhow(body[explicit], EXPLICIT, target) == body[encoder]
    assert anyhow(body[big_endian], BIG_ENDIAN, EXPLICIT) == body[explicit]


def test_un_is_never_swapped() -> None:
    for source, target in ((EXPLICIT, BIG_ENDIAN), (BIG_ENDIAN, EXPLICIT), (BIG_ENDIAN, IMPLICIT)):
        value = bytes(range(100))
        body = ENCODERS[source].element(0x00280010, "UN", value)
        assert anyhow(body, source, target) == ENCODERS[target].element(0x00280010, "UN", value)


@pytest.mark.parametrize("target", [EXPLICIT, BIG_ENDIAN])
def test_values_too_long_for_a_16_bit_length_become_un(target: str) -> None:
    encoder = ENCODERS[target]
    for tag, vr in ((0x00281201, "OW"), (0x00180050, "DS"), (0x00280009, "AT"), (SMALLEST, "US")):
        for size in (65_534, 65_536, 100_000):
            value = bytes(range(256)) * (size // 256) + bytes(size % 256)
            got = reencoded(implicit.element(tag, "", value), IMPLICIT, target)
            written = vr if size < 65_536 or vr == "OW" else "UN"
            if target == BIG_ENDIAN and written in ("OW", "AT", "US"):
                value = struct.pack(f">{size // 2}H", *struct.unpack(f"<{size // 2}H", value))
            assert got == encoder.element(tag, written, value)


def test_an_implicit_element_among_explicit_ones_gets_a_vr() -> None:
    body = plain() + implicit.element(0x00102160, "", b"abcd") + element(0x00102180, "SH", b"ab")
    assert reencoded(body, EXPLICIT, EXPLICIT) == plain() + element(0x00102160, "SH", b"abcd") + element(
        0x00102180, "SH", b"ab"
    )


# --- values in pieces


@pytest.mark.parametrize("vr", ["OW", "OL", "OV", "OB", "UN", "UT"])
@pytest.mark.parametrize("size", [65_536, 65_537, 65_543, 131_072, 200_001])
def test_long_values_at_every_cut(vr: str, size: int) -> None:
    word = {"OW": 2, "OL": 4, "OV": 8}.get(vr, 1)
    value = bytes(number * 7 & 0xFF for number in range(size))
    padded = value + (b"" if size % 2 == 0 else b" " if vr == "UT" else b"\0")
    whole = len(padded) // word * word
    turned = b"".join(padded[at : at + word][::-1] for at in range(0, whole, word)) + padded[whole:]
    expected = plain_in(big_endian) + big_endian.element(0x7FE10010, vr, turned)
    body = plain() + element(0x7FE10010, vr, value)
    for step in (len(body), 65_536, 10_007, 4_097):
        chunks = [body[at : at + step] for at in range(0, len(body), step)]
        assert reencoded(chunks, EXPLICIT, BIG_ENDIAN) == expected


def plain_in(encoder: Encoder) -> bytes:
    return reencoded(plain(), EXPLICIT, BIG_ENDIAN) if encoder is big_endian else plain()


def test_long_values_that_are_not_swapped_are_views_of_the_chunk() -> None:
    value = bytes(300_000)
    body = element(PIXEL_DATA, "OW", value)
    encoder = Reencoder(EXPLICIT, implicit_vr=True)
    pieces = [*encoder.feed(body), *encoder.close()]
    assert [type(piece) for piece in pieces] == [bytes, memoryview]
    assert isinstance(pieces[1], memoryview)
    assert pieces[1].obj is not None
    assert pieces[1].readonly
    assert b"".join(pieces) == implicit.element(PIXEL_DATA, "", value)


def test_pixel_data_in_big_endian_words_of_their_own() -> None:
    """GE's private syntax: implicit little endian all the same."""
    for bits, turned in ((16, b"\2\1\4\3"), (8, b"\1\2\3\4")):
        head = implicit.element(0x00280100, "", struct.pack("<H", bits))
        body = head + implicit.element(PIXEL_DATA, "", b"\1\2\3\4")
        got = anyhow(body, IMPLICIT, IMPLICIT, big_endian_pixels=True)
        assert got == head + implicit.element(PIXEL_DATA, "", turned)


# --- encapsulated pixel data, and what cannot be read


FRAGMENTS = element(PIXEL_DATA, "OB", item() + item(b"\xff\xd8\xff\xd9") + sequence_end(), length=UNDEFINED)


def test_encapsulated_pixel_data() -> None:
    for target in ENCODERS:
        with pytest.raises(UnsupportedError, match=r"PixelData: .*codec.*PS3\.5 A\.4"):
            anyhow(plain() + FRAGMENTS, JPEG, target)
    assert anyhow(plain() + FRAGMENTS, JPEG, EXPLICIT, fragments=True) == plain() + FRAGMENTS


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (plain()[:-2], "value needs"),
        (plain()[:-9], "header needs 8"),
        (sequence(CONTENT, item(element(0x00100010, "PN", b"ab"), length=100)), "not all of it can be read"),
        (element(CONTENT, "SQ", item() + element(0x00100010, "PN", b"ab")), "not all of it can be read"),
        (sequence(CONTENT, item(element(0x00100010, "PN", b"ab") + b"\1\2\3\4")), "not all of it can be read"),
        (plain() + b"?" * 8000, "cannot be read"),
        (plain() + bytes(8000) + b"?", "cannot be read"),
        (nested(1100, undefined=True), "nested more than"),
        # Found by fuzzing: the walk waits for more before it decides on the header in the item, and none comes.
        (
            element(0x00081190, "UT", b"x" * 2000)
            + sequence(CONTENT, item(implicit.element(0x00102160, "", b"abcd"), undefined=True), undefined=True)
            + b"?" * 40,
            "cannot be read",
        ),
    ],
)
@pytest.mark.parametrize("policy", ["report", "ignore"])
def test_what_is_not_whole_is_an_error(body: bytes, message: str, policy: str) -> None:
    for step in (len(body), 1):
        chunks = [body[at : at + step] for at in range(0, len(body), step)]
        with pytest.raises(DecodeError, match=message) as caught:
            reencoded(chunks, EXPLICIT, IMPLICIT, policy=policy)
        assert caught.value.offset is not None
        assert caught.value.path is not None
        assert caught.value.section


def test_zeros_at_the_end_are_padding() -> None:
    for size in (1, 7, 8, 100, 70_000):
        assert anyhow(plain() + bytes(size), EXPLICIT, EXPLICIT) == plain()


def test_policy() -> None:
    body = element(0x00100010, "PN", b"abc")
    encoder = Reencoder(EXPLICIT)
    assert b"".join([*encoder.feed(body), *encoder.close()]) == element(0x00100010, "PN", b"abc ")
    assert [deviation.kind for deviation in encoder.deviations] == ["odd_length"]
    with pytest.raises(DecodeError, match="odd length 3"):
        reencoded(body, EXPLICIT, EXPLICIT, policy="strict")


def test_a_data_set_in_another_encoding_than_its_syntax_says() -> None:
    assert reencoded(plain(), IMPLICIT, EXPLICIT) == plain()
    assert reencoded(plain(), DEFLATED, EXPLICIT) == plain()


def test_nothing_gives_nothing() -> None:
    assert anyhow(b"", EXPLICIT, IMPLICIT) == b""


def test_errors_are_raised_again_and_the_end_is_the_end() -> None:
    encoder = Reencoder(EXPLICIT)
    list(encoder.feed(plain()[:-1]))
    for _ in range(2):
        with pytest.raises(TruncatedError):
            list(encoder.close())
    encoder = Reencoder(EXPLICIT)
    list(encoder.close())
    with pytest.raises(ValueError, match="closed"):
        list(encoder.feed(b""))


def test_arguments() -> None:
    with pytest.raises(ValueError, match="no encoding"):
        Reencoder(EXPLICIT, implicit_vr=True, big_endian=True)
    with pytest.raises(ValueError, match="policy"):
        Reencoder(EXPLICIT, policy="lenient")
    with pytest.raises(TypeError, match="pickled"):
        Reencoder(EXPLICIT).__reduce__()


# --- cuts


@given(st.sampled_from(sorted(seeds.bodies())), st.sampled_from(sorted(ENCODERS)), st.lists(st.integers(0, 600)))
def test_cuts_change_nothing(name: str, target: str, cuts: list[int]) -> None:
    body = seeds.bodies()[name]
    source = {"implicit": IMPLICIT, "big endian": BIG_ENDIAN, "encapsulated": JPEG}.get(name, EXPLICIT)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[start:stop] for start, stop in pairwise(places)]
    whole = reencoded(body, source, target, fragments=True)
    assert reencoded(chunks, source, target, fragments=True) == whole


# --- Pixel Representation in any place, against a look at the whole tree

Tree = dict[int, Any]  # Pixel Representation as an int, sequences as lists of trees, None for numbers that are US or SS
AMBIGUOUS = (ZERO_VELOCITY, 0x00280071, SMALLEST, 0x00603004)
SEQUENCES = (0x00081140, REGIONS, 0x00289520, CONTENT, PER_FRAME)


def trees(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    content = {tag: st.none() for tag in AMBIGUOUS} | {SIGNED: st.integers(0, 1)}
    content |= {tag: st.lists(inner, max_size=3) for tag in SEQUENCES}
    return st.fixed_dictionaries({}, optional=content)


def tree_in(tree: Tree, encoder: Encoder, inherited: int) -> bytes:
    """A tree in an encoding: every item knows its own Pixel Representation, or has that of the one around it."""
    signed = tree.get(SIGNED, inherited)
    parts = []
    for tag, content in sorted(tree.items()):
        if isinstance(content, list):
            items = [encoder.item(tree_in(each, encoder, signed), undefined=True) for each in content]
            parts.append(encoder.sequence(tag, *items, undefined=True))
        elif tag == SIGNED:
            parts.append(encoder.element(tag, "US", struct.pack("<H", content)))
        else:
            parts.append(encoder.element(tag, "SS" if signed else "US", b"\xff\xff"))
    return b"".join(parts)


@given(st.recursive(st.just({}), trees, max_leaves=12), st.integers(1, 50))
def test_us_or_ss_against_a_look_at_the_whole_tree(tree: Tree, step: int) -> None:
    source = tree_in(tree, implicit, 0)
    chunks = [source[at : at + step] for at in range(0, len(source), step)]
    assert reencoded(chunks, IMPLICIT, EXPLICIT) == tree_in(tree, explicit, 0)
