"""UIDs and the registry, each entry compared with pydicom's (dictionary/uids.py)."""

import pickle
from typing import Any

import pytest

from dicomwire.dictionary import UID, uids
from dicomwire.dictionary._uids import KEYWORD_TO_UID, UIDS
from tests.support import missing

# What tools/additions.py adds by hand.
ADDED = {
    "1.2.840.10008.1.2.4.110": "JPEGXLLossless",
    "1.2.840.10008.1.2.4.111": "JPEGXLJPEGRecompression",
    "1.2.840.10008.1.2.4.112": "JPEGXL",
    "1.2.840.10008.1.2.8.1": "DeflatedImageFrameCompression",
    "1.2.840.113619.5.2": "GEImplicitVRLittleEndianBigEndianPixelData",
    "1.2.840.10008.5.1.4.1.1.9.100.1": "WaveformPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "WaveformAcquisitionPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.66.7": "LabelMapSegmentationStorage",
    "1.2.840.10008.5.1.4.1.1.66.8": "HeightMapSegmentationStorage",
}


@pytest.fixture(scope="module")
def theirs() -> Any:
    try:
        import pydicom
    except ImportError:
        missing("pydicom is not installed")
    if pydicom.__version__ != "3.0.2":
        missing(f"the tables are made from pydicom 3.0.2, found {pydicom.__version__}")
    from pydicom._uid_dict import UID_dictionary

    return UID_dictionary


def test_every_uid_is_as_pydicom_has_it(theirs: Any) -> None:
    assert UIDS.keys() == theirs.keys() | ADDED.keys()
    for value, (name, type_, info, retired, keyword) in theirs.items():
        uid = UID(value)
        assert (uid.name, uid.type, uid.info, uid.keyword) == (name, type_, info, keyword)
        assert uid.is_retired is (retired == "Retired")
        assert uid.is_valid


@pytest.mark.parametrize(("value", "keyword"), ADDED.items())
def test_added_by_hand(value: str, keyword: str) -> None:
    uid = UID(value)
    assert uid.keyword == keyword
    assert uid.is_valid
    assert not uid.is_retired
    assert uid.type == ("SOP Class" if ".5.1.4." in value else "Transfer Syntax")
    assert UID.from_keyword(keyword) == value


def test_uid_is_a_str() -> None:
    uid = UID("1.2.840.10008.5.1.4.1.1.2")
    assert uid == "1.2.840.10008.5.1.4.1.1.2"
    assert str(uid) == f"{uid}" == "1.2.840.10008.5.1.4.1.1.2"
    assert {uid: 1}["1.2.840.10008.5.1.4.1.1.2"] == 1
    assert repr(uid) == "UID('1.2.840.10008.5.1.4.1.1.2')"
    assert uid.name == "CT Image Storage"
    with pytest.raises(AttributeError):
        uid.note = "instances carry nothing but their text"  # type: ignore[attr-defined]


def test_uid_pickles() -> None:
    copy = pickle.loads(pickle.dumps(UID("1.2.3")))
    assert copy == "1.2.3"
    assert type(copy) is UID


def test_unregistered_uid() -> None:
    uid = UID("1.2.826.0.1.3680043.9.1")
    assert uid.name == uid
    assert type(uid.name) is str
    assert uid.keyword == uid.type == uid.info == ""
    assert not uid.is_retired
    assert uid.is_private
    assert not uid.is_transfer_syntax
    for name in ("is_implicit_VR", "is_little_endian", "is_deflated", "is_encapsulated", "is_compressed"):
        with pytest.raises(ValueError, match="not a known transfer syntax"):
            getattr(uid, name)


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("1.2.840.10008.1.2", True),
        ("0.0", True),
        ("2.25.329800735698586629295641978511506172918", True),
        ("1" * 64, True),
        ("1" * 65, False),
        ("", False),
        ("1..2", False),
        (".1", False),
        ("1.", False),
        ("1.02", False),
        ("1.2.a", False),
        ("1.2 ", False),
        ("1.2\0", False),
        ("1.²", False),
        ("1.٢", False),
    ],
)
def test_valid(value: str, valid: bool) -> None:
    assert UID(value).is_valid is valid


def test_private_means_outside_the_standard_root() -> None:
    assert not UID("1.2.840.10008.1.2").is_private
    assert UID("1.2.840.100080.1").is_private


def test_constants_are_the_uids_of_their_keywords() -> None:
    constants = {name: value for name, value in vars(uids).items() if type(value) is UID}
    assert len(constants) >= 45
    for name, value in constants.items():
        assert KEYWORD_TO_UID[name] == value


def test_every_current_transfer_syntax_for_files_is_a_constant() -> None:
    for value, (_, type_, _, retired, keyword) in UIDS.items():
        if type_ == "Transfer Syntax" and not retired and not keyword.startswith("SMPTE"):
            assert vars(uids)[keyword] == value


def test_other_uids_are_made_when_asked_for() -> None:
    from dicomwire.dictionary.uids import CTImageStorage

    assert CTImageStorage == "1.2.840.10008.5.1.4.1.1.2"
    assert type(CTImageStorage) is UID
    assert uids.from_keyword("MRImageStorage") == uids.MRImageStorage == "1.2.840.10008.5.1.4.1.1.4"
    with pytest.raises(AttributeError, match="NoSuchStorage"):
        _ = uids.NoSuchStorage
    with pytest.raises(KeyError):
        uids.from_keyword("NoSuchStorage")
