"""Any bytes give a data set whose every part can be asked for, or a DecodeError; and never another error.

Real files and built ones are mutated: bits, bytes, lengths, cuts, splices.  ``make fuzz`` takes many more examples.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire import dcmread
from dicomwire.errors import DecodeError
from tests.builders import BIG_ENDIAN, DEFLATED, IMPLICIT, JPEG, PIXEL_DATA, part10, plain
from tests.fuzz.outcomes import check
from tests.fuzz.seeds import TRICKY, built, small_real_files
from tests.hostile.reading import use


def seeds() -> list[bytes]:
    """Built files and the small real ones that are installed."""
    return built() + small_real_files()


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
