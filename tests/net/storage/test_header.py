"""The beginning of a data set, however it is cut."""

from __future__ import annotations

import contextlib

import pytest

from dicomwire.dictionary.uids import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)
from dicomwire.errors import DecodeError
from dicomwire.net.storage.header import PIXELS, SOP_INSTANCE_UID, HeaderReader
from tests.encoding import explicit, item
from tests.net.storage.instances import CT, MR, PATIENT, data_set

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGBaseline8Bit,
]


def cut(data: bytes, size: int) -> list[memoryview]:
    return [memoryview(data)[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_elements_before_the_pixels(syntax: str, size: int) -> None:
    data = data_set(syntax=syntax, pixels=10_000)
    reader = HeaderReader(syntax, PIXELS, True)
    seen = 0
    for piece in cut(data, size):
        seen += len(piece)
        if reader.feed([piece]):
            break
    assert reader.is_done
    if size < 100 and syntax != DeflatedExplicitVRLittleEndian:
        assert seen < 500, "the pixels were waited for"
    assert reader.matches(CT, "1.2.3.4")
    assert not reader.matches(MR, "1.2.3.4")
    assert not reader.matches(CT, "1.2.3.5")
    header = reader.data_set(CT, "1.2.3.4", syntax)
    assert (header.PatientName, header.SeriesInstanceUID, header.Rows) == (PATIENT, "1.2.3.1", 1)
    assert "PixelData" not in header


def test_only_as_far_as_asked() -> None:
    reader = HeaderReader(ExplicitVRLittleEndian, SOP_INSTANCE_UID + 1, False)
    data = data_set()
    assert not reader.feed([memoryview(data)[:40]])
    assert reader.feed([memoryview(data)[40:80], memoryview(b"\xff" * 100)])


def test_without_pixels_the_end_ends_it() -> None:
    data = data_set(pixels=0)[:-12]
    reader = HeaderReader(ExplicitVRLittleEndian, PIXELS, True)
    assert not reader.feed([memoryview(data)])
    reader.finish()
    assert reader.data_set(CT, "1.2.3.4", ExplicitVRLittleEndian).Rows == 1


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n" * 20, b"\xff" * 500, bytes(500), data_set()[:70]])
def test_what_is_no_data_set(syntax: str, data: bytes) -> None:
    reader = HeaderReader(syntax, PIXELS, True)

    def read() -> bool:
        reader.feed([memoryview(data)])
        reader.finish()
        return reader.matches(CT, "1.2.3.4")

    with contextlib.suppress(DecodeError):
        assert not read()


def test_identifiers_of_items_are_not_those_of_the_instance() -> None:
    inner = data_set("9.9.9")[: 8 + 26 + 8 + 6]
    data = explicit(0x00080006, "SQ", item(inner)) + data_set()
    reader = HeaderReader(ExplicitVRLittleEndian, PIXELS, False)
    reader.feed([memoryview(data)])
    assert reader.matches(CT, "1.2.3.4")
