"""What a block settles on first access: character sets that apply, VRs that the encoding leaves open."""

import pytest

import dicomwire
from tests.encoding import IMPLICIT, explicit, implicit, item, part10

GERMAN = explicit(0x00100010, "PN", b"\xc4neas^R\xfcdiger ")


def test_bytes_outside_the_default_repertoire_are_latin_1_and_reported():
    data_set = dicomwire.dcmread(part10(GERMAN))
    assert data_set.PatientName == "Äneas^Rüdiger"
    assert [(found.kind, found.path) for found in data_set.deviations] == [("character_set", "PatientName")]


@pytest.mark.parametrize("declared", [b"", b"ISO_IR 6"])
def test_a_declared_default_repertoire_reads_alike(declared):
    data_set = dicomwire.dcmread(part10(explicit(0x00080005, "CS", declared) + GERMAN))
    assert data_set.PatientName == "Äneas^Rüdiger"
    assert [found.kind for found in data_set.deviations] == ["character_set"]


def test_default_repertoire_is_inherited_by_items():
    other = item(explicit(0x00100020, "LO", b"\xc4\xd6"))
    data_set = dicomwire.dcmread(part10(explicit(0x00101002, "SQ", other)))
    assert data_set.OtherPatientIDsSequence[0].PatientID == "ÄÖ"
    assert [found.path for found in data_set.deviations] == ["OtherPatientIDsSequence.0.PatientID"]


def test_strict_refuses_what_the_default_repertoire_does_not_have():
    data_set = dicomwire.dcmread(part10(GERMAN), policy="strict")
    with pytest.raises(dicomwire.errors.ValueDecodeError) as caught:
        _ = data_set.PatientName
    assert caught.value.path == "PatientName"


@pytest.mark.parametrize(("bits", "vr"), [(1, "OB"), (8, "OB"), (12, "OW"), (16, "OW")])
def test_pixel_data_that_says_un_has_words_above_eight_bits(bits, vr):
    allocated = explicit(0x00280100, "US", bytes([bits, 0]))
    data_set = dicomwire.dcmread(part10(allocated + explicit(0x7FE00010, "UN", b"\x01\x02")))
    assert vr == data_set["PixelData"].VR


@pytest.mark.parametrize(("bits", "vr"), [(8, "OB"), (16, "OW")])
def test_waveform_data_that_says_un_goes_by_waveform_bits_allocated(bits, vr):
    waveform = explicit(0x54001004, "US", bytes([bits, 0])) + explicit(0x54001010, "UN", b"\x01\x02")
    data_set = dicomwire.dcmread(part10(explicit(0x54000100, "SQ", item(waveform))))
    assert vr == data_set["WaveformSequence.0.WaveformData"].VR


@pytest.mark.parametrize(("entries", "vr", "value"), [(1, "US", 0x8001), (2, "OW", b"\x01\x80")])
def test_lut_data_with_one_entry_is_a_number(entries, vr, value):
    descriptor = implicit(0x00283002, bytes([entries, 0, 0, 0, 16, 0]))
    data_set = dicomwire.dcmread(part10(descriptor + implicit(0x00283006, b"\x01\x80"), IMPLICIT))
    assert vr == data_set["LUTData"].VR
    assert data_set.LUTData == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1.0 ", 1),
        (b"1.5 ", 1.5),
        (b"1e3 ", 1000),
        (b"2\\1.5", [2, 1.5]),
        (b"1e400 ", "1e400"),
        (b"abc ", "abc"),
    ],
)
def test_integer_strings_that_are_none(text, value):
    data_set = dicomwire.dcmread(part10(explicit(0x00200013, "IS", text + b" " * (len(text) % 2))))
    assert data_set.InstanceNumber == value
    assert type(data_set.InstanceNumber) is type(value)
    assert [found.kind for found in data_set.deviations] == ["value"]
