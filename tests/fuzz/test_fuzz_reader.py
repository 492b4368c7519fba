"""Any bytes give a data set whose every part can be asked for, or a DecodeError; and never another error.

Real files and built ones are mutated: bits, bytes, lengths, cuts, splices.  ``make fuzz`` takes many more examples.
"""

from __future__ import annotations

import random
import zlib
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire import dcmread
from dicomwire.errors import DecodeError
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
from tests.hostile.reading import POLICIES, use

MAX_SIZE = 8192  # bytes of a real file that is mutated

TEXT = element(0x0040A160, "UT", b"text")
TRICKY = (
    b"\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0",
    b"\xfe\xff\xdd\xe0",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"SQ\0\0",
    b"UN\0\0",
    b"OB\0\0",
    b"\xe0\x7f\x10\0",
    b"\x08\0\x05\0",
    b"\x02\0\x10\0",
    b"\x28\0\x03\x01",
    b"\x09\0\x10\0",
    b"DICM",
    b"\x1b$B",
    b"\\",
    b"\x01\0\0\0",
    b"\x08\0\0\0",
)


def built() -> list[bytes]:
    """Small files of every encoding, with sequences, fragments, private elements and character sets."""
    tree = sequence(0x0040A730, item(TEXT + sequence(0x0040A730, item(TEXT, undefined=True), undefined=True)), item())
    inside = implicit.item(implicit.element(0x0040A160, "UT", b"text"), undefined=True) + implicit.sequence_end()
    rich = (
        plain()
        + element(0x00210010, "LO", b"GEMS_IDEN_01")
        + element(0x00211001, "UN", inside, length=UNDEFINED)
        + element(0x00280106, "US", b"\1\0")
        + tree
        + element(0x00500010, "CS", b"A\\B ")
    )
    fragments = element(
        PIXEL_DATA, "OB", item(b"\0\0\0\0") + item(b"\xff\xd8\xff\xd9") * 2 + sequence_end(), length=UNDEFINED
    )
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    values = (
        (0x00080005, b"\\ISO 2022 IR 87 "),
        (0x00100010, b"A^B=\x1b$B;3ED\x1b(B"),
        (0x00180050, b"1.5\\-2e3"),
        (0x00200013, b"12"),
        (0x00280103, b"\1\0"),
        (0x00280106, b"\xff\xff"),
        (0x00283002, b"\1\0\0\0\x10\0"),
        (0x00283006, b"\1\0"),
        (0x00540410, implicit.item(implicit.element(0x00080100, "", b"X "))),
        (0x00091002, b"ab"),
    )
    return [
        part10(rich + element(PIXEL_DATA, "OW", bytes(64)) + element(0xFFFCFFFC, "OB", b"12")),
        part10(rich + fragments + element(0xFFFCFFFC, "OB", b"12"), JPEG),
        part10(b"".join(implicit.element(tag, "", value) for tag, value in sorted(values)), IMPLICIT),
        part10(
            big_endian.element(0x00080060, "CS", b"CT")
            + big_endian.sequence(0x0040A730, big_endian.item(big_endian.element(0x00280010, "US", b"\1\0"))),
            BIG_ENDIAN,
        ),
        part10(b"", DEFLATED) + packer.compress(rich + element(PIXEL_DATA, "OW", bytes(64))) + packer.flush(),
        part10(nested(40, undefined=True)),
        part10(nested(40, undefined=False)),
        plain(),
    ]


@cache
def seeds() -> list[bytes]:
    """Built files and the small real ones that are installed."""
    from tools import test_data

    paths: list[Path] = []
    for package in test_data.PACKAGES:
        paths += test_data.find(package) or ()
    return built() + [path.read_bytes() for path in sorted(paths) if path.stat().st_size <= MAX_SIZE]


def check(data: bytes, **options: object) -> None:
    """Read under every policy and use everything."""
    for policy in POLICIES:
        try:
            data_set = dcmread(data, policy=policy, **options)  # type: ignore[arg-type]
            use(data_set)
            assert policy == "report" or data_set.deviations == []
        except DecodeError as error:
            if error.offset is None or error.path is None or not error.section:
                raise AssertionError("an error without its place") from error


def mutated(data: bytes, other: bytes, noise: random.Random) -> bytes:
    """A few changes of the kinds that files suffer, and that lengths and tags are sensitive to."""
    result = bytearray(data)
    for _ in range(noise.choice((1, 1, 1, 2, 3, 8))):
        if not result:
            break
        at = (
            noise.randrange(min(132, len(result) - 1), len(result))
            if noise.random() < 0.95
            else noise.randrange(len(result))
        )
        kind = noise.randrange(8)
        if kind == 0:
            result[at] ^= 1 << noise.randrange(8)
        elif kind == 1:
            result[at] = noise.randrange(256)
        elif kind == 2:
            result[at : at + 4] = noise.choice(TRICKY)
        elif kind == 3:
            result[at:at] = noise.choice(TRICKY)
        elif kind == 4:
            del result[at : at + noise.randrange(1, 16)]
        elif kind == 5:
            del result[at:]
        elif kind == 6:
            cut = noise.randrange(len(other))
            result[at:at] = other[cut : cut + noise.randrange(1, 64)]
        else:
            stop = min(len(result), at + noise.randrange(1, 64))
            result[at:at] = result[at:stop]
    return bytes(result)


@given(st.data())
def test_mutated_files(data: st.DataObject) -> None:
    first, second = data.draw(st.sampled_from(seeds())), data.draw(st.sampled_from(seeds()))
    check(mutated(first, second, data.draw(st.randoms(use_true_random=False))))


@given(st.binary(max_size=300), st.sampled_from([None, "1.2.840.10008.1.2.1", IMPLICIT, BIG_ENDIAN, DEFLATED, JPEG]))
def test_any_bytes(data: bytes, syntax: str | None) -> None:
    check(data)
    check(data, force=True)
    check(part10(data, syntax), force=True)


@given(st.data())
def test_options(data: st.DataObject) -> None:
    noise = data.draw(st.randoms(use_true_random=False))
    file = mutated(data.draw(st.sampled_from(built())), plain(), noise)
    tags = noise.sample([0x00080005, 0x00100020, 0x00211001, 0x0040A730, PIXEL_DATA, 0xFFFCFFFC, 0x00091002], 2)
    check(file, specific_tags=tags)
    check(file, stop_at=tags[0])
    check(file, stop_before_pixels=True)
    check(file, charset="ISO_IR 192")


@pytest.mark.parametrize("number", range(len(built())))
def test_cut_at_every_byte(number: int, tmp_path: Path) -> None:
    data = built()[number]
    path = tmp_path / "cut.dcm"
    for size in range(len(data)):
        check(data[:size])
    for size in range(0, len(data), 7):  # the same through a file
        path.write_bytes(data[:size])
        try:
            from_file = use(dcmread(path))
        except DecodeError as error:
            with pytest.raises(type(error)):
                use(dcmread(data[:size]))
        else:
            assert from_file == use(dcmread(data[:size]))


@pytest.mark.parametrize("number", range(len(built())))
def test_every_length_field_at_its_extremes(number: int) -> None:
    data = built()[number]
    for at in range(132, len(data) - 4, 2):
        for tricky in (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff", b"\1\0"):
            check(data[:at] + tricky + data[at + len(tricky) :])
