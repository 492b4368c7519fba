"""Fields behind their lengths, and text that a peer chose."""

from __future__ import annotations

import pytest

from dicomwire.dictionary import UID
from dicomwire.dictionary._uids import UIDS
from dicomwire.errors import EncodeError, RemoteProtocolError
from dicomwire.ul import octets


def test_item_is_taken_only_where_it_fits():
    data = b"??\x51\x00\x00\x04abcd!"
    assert octets.take_item(data, 2, 10, "here", "PS3.8") == (0x51, 10)
    for pos, end, told in ((2, 9, "says 4 bytes, 3 left"), (2, 5, "needs 4 bytes, 3 left"), (10, 10, "0 left")):
        with pytest.raises(RemoteProtocolError, match=told) as raised:
            octets.take_item(data, pos, end, "here", "PS3.8")
        assert f"offset {pos} " in str(raised.value)
        assert raised.value.abort_reason == 6


def test_counted_value_is_taken_only_where_it_fits():
    data = octets.counted(b"1.2.3", "here")
    assert octets.take_counted(data, 0, 7, "here", "PS3.7") == (b"1.2.3", 7)
    for end in range(7):
        with pytest.raises(RemoteProtocolError):
            octets.take_counted(data, 0, end, "here", "PS3.7")


def test_longest_values():
    assert len(octets.item_bytes(0x50, bytes(65535), "here")) == 65539
    assert len(octets.counted(bytes(65535), "here")) == 65537
    for write in (lambda: octets.item_bytes(0x50, bytes(65536), "here"), lambda: octets.counted(bytes(65536), "here")):
        with pytest.raises(EncodeError, match=r"here: .* 65536 bytes"):
            write()


def test_one_octet():
    assert octets.octet(255, "here", "PS3.8") == b"\xff"
    for wrong in (-1, 256):
        with pytest.raises(EncodeError, match="here"):
            octets.octet(wrong, "here", "PS3.8")


def test_every_registered_uid_is_known_by_its_bytes():
    assert {str(uid) for uid in octets.KNOWN_UIDS.values()} == set(UIDS)
    for uid in UIDS:
        assert octets.uid_of(uid.encode()) is octets.uid_of(uid.encode() + b"\0") is octets.KNOWN_UIDS[uid.encode()]


@pytest.mark.parametrize(
    ("data", "uid"),
    [(b"1.2.3", "1.2.3"), (b"1.2.3\0", "1.2.3"), (b"", ""), (b" \0 ", ""), (b"\xc3\xa4", "ä"), (b"\xff1", "\\xff1")],
)
def test_any_bytes_are_a_uid(data, uid):
    assert octets.uid_of(data) == uid
    assert isinstance(octets.uid_of(data), UID)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain ä", "plain ä"),
        ("a\nb", "a\\nb"),
        ("\x1b[0m", "\\x1b[0m"),
        ("\u202eabc", "\\u202eabc"),
        ("\x7f", "\\x7f"),
    ],
)
def test_text_stays_on_its_line(text, printed):
    assert octets.shown(text) == printed


def test_registered_uids_are_printed_with_their_names():
    assert octets.named(UID("1.2.840.10008.1.2")) == "1.2.840.10008.1.2 Implicit VR Little Endian"
    assert octets.named(UID("1.2.3")) == "1.2.3"
    assert octets.named(UID("1\n2")) == "1\\n2"
