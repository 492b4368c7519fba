"""The 34 Value Representations and their traits (PS3.5 section 6.2, table 6.2-1; section 7.1.2)."""

import pytest

import dicomwire
from _dicomwire import vr
from tests.builders import element, part10

# PS3.5 table 6.2-1
ALL = "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()  # noqa: SIM905
# PS3.5 table 7.1-1: two reserved bytes and a 32-bit length
LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
TEXT = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}


def test_the_34_of_the_table():
    assert vr.vr_names() == ALL
    assert len(ALL) == 34


@pytest.mark.parametrize("name", ALL)
def test_traits(name):
    assert vr.vr_code(name) == int.from_bytes(name.encode(), "little")
    assert vr.vr_is_long(name) == (name in LONG)
    assert vr.vr_is_text(name) == (name in TEXT)


@pytest.mark.parametrize("name", ["", "A", "ABC"])
def test_a_name_has_two_letters(name):
    with pytest.raises(ValueError, match="two letters"):
        vr.vr_code(name)


@pytest.mark.parametrize("name", ["XX", "ob", "  ", "A\x00", "ZZ"])
def test_what_is_no_vr_has_no_traits(name):
    assert not vr.vr_is_long(name)
    assert not vr.vr_is_text(name)


@pytest.mark.parametrize("name", ALL)
def test_header_of_every_vr_is_read(name):
    """The element behind it is found, so the header had the right size; the VR is the one in the header."""
    value = b"" if name == "SQ" else bytes(8)
    ds = dicomwire.dcmread(part10(element(0x00091001, name, value) + element(0x00100020, "LO", b"ab")))
    found = ds[0x00091001]
    assert name == found.VR
    assert found.header_size == (12 if name in LONG else 8)
    assert found.length == len(value)
    assert ds.PatientID == "ab"
    assert ds.deviations == []
