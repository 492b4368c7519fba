"""Transfer syntaxes: complete against the registry, and equal to pydicom's view where that has one."""

import warnings

import pytest

from dicomwire.dictionary import UID, TransferSyntax
from dicomwire.dictionary._uids import UIDS
from dicomwire.dictionary.transfer_syntax import TRANSFER_SYNTAXES, transfer_syntax
from tests.support import missing

# pydicom takes every syntax but five for encapsulated. These carry no Pixel Data, or only a URL for it.
WITHOUT_FRAGMENTS = {"jpip", "smpte2110", "mime", "xml"}


def test_every_registered_transfer_syntax_has_a_row() -> None:
    registered = {uid: entry for uid, entry in UIDS.items() if entry[1] == "Transfer Syntax"}
    assert TRANSFER_SYNTAXES.keys() == registered.keys()
    for uid, syntax in TRANSFER_SYNTAXES.items():
        assert syntax.uid == uid
        assert type(syntax.uid) is UID
        assert syntax.retired is registered[uid][3]
        assert syntax.name == registered[uid][0]
        assert syntax.keyword == registered[uid][4]


def test_properties_follow_from_each_other() -> None:
    for syntax in TRANSFER_SYNTAXES.values():
        assert not (syntax.encapsulated and (syntax.implicit_vr or not syntax.little_endian))
        assert syntax.encapsulated or not syntax.fragmentable
        assert syntax.encapsulated or syntax.family in {"native", *WITHOUT_FRAGMENTS}
        assert syntax.lossy or syntax.lossless or syntax.family in {"mime", "xml"}
        if not syntax.little_endian:
            assert syntax.pixels_big_endian


def test_names_say_the_same() -> None:
    for syntax in TRANSFER_SYNTAXES.values():
        name = syntax.name.lower()
        if "lossless" in name and "near" not in name:
            assert syntax.lossless
            assert not syntax.lossy
        if "implicit vr" in name:
            assert syntax.implicit_vr
        if name.startswith("fragmentable"):
            assert syntax.fragmentable
            assert not TRANSFER_SYNTAXES[syntax.uid.removesuffix(".1")].fragmentable


def test_properties_are_those_of_pydicom() -> None:
    try:
        from pydicom.uid import UID as TheirUID
    except ImportError:
        missing("pydicom is not installed")
    compared = 0
    for uid, syntax in TRANSFER_SYNTAXES.items():
        their = TheirUID(uid)
        if not their.is_transfer_syntax or their.is_private or syntax.family in {"mime", "xml"}:
            continue
        compared += 1
        assert their.is_little_endian is syntax.little_endian
        if syntax.keyword != "Papyrus3ImplicitVRLittleEndian":  # they call it explicit and encapsulated
            assert their.is_implicit_VR is syntax.implicit_vr
        if syntax.family != "jpip":  # the deflated JPIP syntaxes deflate the data set too (PS3.5 A.7)
            assert their.is_deflated is syntax.deflated
        if syntax.family not in WITHOUT_FRAGMENTS and syntax.keyword != "Papyrus3ImplicitVRLittleEndian":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert their.is_encapsulated is syntax.encapsulated
    assert compared >= 50


@pytest.mark.parametrize(
    ("uid", "family", "true"),
    [
        ("1.2.840.10008.1.2", "native", {"implicit_vr", "little_endian", "lossless"}),
        ("1.2.840.10008.1.2.1", "native", {"little_endian", "lossless"}),
        ("1.2.840.10008.1.2.1.99", "native", {"little_endian", "deflated", "lossless"}),
        ("1.2.840.10008.1.2.2", "native", {"pixels_big_endian", "lossless", "retired"}),
        ("1.2.840.10008.1.2.1.98", "uncompressed", {"little_endian", "encapsulated", "lossless"}),
        ("1.2.840.10008.1.2.4.50", "jpeg", {"little_endian", "encapsulated", "fragmentable", "lossy"}),
        ("1.2.840.10008.1.2.4.70", "jpeg", {"little_endian", "encapsulated", "fragmentable", "lossless"}),
        (
            "1.2.840.10008.1.2.4.81",
            "jpeg-ls",
            {"little_endian", "encapsulated", "fragmentable", "lossy", "lossless"},
        ),
        ("1.2.840.10008.1.2.5", "rle", {"little_endian", "encapsulated", "lossless"}),
        ("1.2.840.10008.1.2.8.1", "deflate", {"little_endian", "encapsulated", "lossless"}),
        ("1.2.840.10008.1.2.4.100", "mpeg2", {"little_endian", "encapsulated", "lossy"}),
        ("1.2.840.10008.1.2.4.107", "hevc", {"little_endian", "encapsulated", "fragmentable", "lossy"}),
        ("1.2.840.10008.1.2.4.111", "jpeg-xl", {"little_endian", "encapsulated", "fragmentable", "lossy"}),
        ("1.2.840.10008.1.2.4.202", "htj2k", {"little_endian", "encapsulated", "fragmentable", "lossless"}),
        ("1.2.840.10008.1.2.4.95", "jpip", {"little_endian", "deflated", "lossy", "lossless"}),
        ("1.2.840.113619.5.2", "native", {"implicit_vr", "little_endian", "pixels_big_endian", "lossless"}),
    ],
)
def test_row(uid: str, family: str, true: set[str]) -> None:
    syntax = transfer_syntax(uid)
    assert syntax is not None
    assert syntax.family == family
    names = (
        "implicit_vr",
        "little_endian",
        "pixels_big_endian",
        "deflated",
        "encapsulated",
        "lossy",
        "lossless",
        "fragmentable",
        "retired",
    )
    assert {name for name in names if getattr(syntax, name)} == true


def test_uid_properties_come_from_the_table() -> None:
    for uid, syntax in TRANSFER_SYNTAXES.items():
        mine = UID(uid)
        assert mine.is_transfer_syntax
        assert mine.transfer_syntax is syntax
        assert mine.is_implicit_VR is syntax.implicit_vr
        assert mine.is_little_endian is syntax.little_endian
        assert mine.is_deflated is syntax.deflated
        assert mine.is_encapsulated is mine.is_compressed is syntax.encapsulated


def test_unknown_is_none() -> None:
    assert transfer_syntax("1.2.3") is None
    assert transfer_syntax("") is None
    assert transfer_syntax("1.2.840.10008.1.2.1 ") is None


def test_text_form() -> None:
    assert isinstance(TRANSFER_SYNTAXES["1.2.840.10008.1.2.5"], TransferSyntax)
    assert (
        repr(TRANSFER_SYNTAXES["1.2.840.10008.1.2.5"]) == "<TransferSyntax 1.2.840.10008.1.2.5 RLELossless>"
    )
