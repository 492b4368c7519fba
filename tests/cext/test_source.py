"""Where a source's bytes come from: values of deflated data sets."""

import zlib

import pytest

import dicomwire
from tests.encoding import explicit, part10

DEFLATED = "1.2.840.10008.1.2.1.99"
PIXELS = bytes(range(256)) * 1200
TAIL = explicit(0xFFFCFFFC, "OB", b"\x07\x08")
DATA_SET = explicit(0x00280010, "US", b"\x02\x00") + explicit(0x7FE00010, "OW", PIXELS) + TAIL


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize("tags", [(0x7FE00010, 0xFFFCFFFC), (0xFFFCFFFC, 0x7FE00010)])
def test_deflated_values_are_whole_in_any_order_of_asking(tags):
    data_set = dicomwire.dcmread(part10(deflated(DATA_SET), DEFLATED))
    values = {tag: bytes(data_set[tag].value) for tag in tags}
    assert values == {0x7FE00010: PIXELS, 0xFFFCFFFC: b"\x07\x08"}
    assert data_set.Rows == 2


def test_deflated_value_that_was_walked_over_before():
    data_set = dicomwire.dcmread(part10(deflated(DATA_SET), DEFLATED))
    assert [element.VR for element in data_set.iterall()] == ["US", "OW", "OB"]
    assert bytes(data_set.PixelData) == PIXELS
    assert bytes(data_set["PixelData"].raw[-4:]) == PIXELS[-4:]
