"""Pseudonyms: one for a value in whatever form it comes, none that tells the value, joins within a key."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from pathlib import Path

import pytest

from dicomwire.monitor.pseudonyms import Pseudonyms, normal_date, normal_name, read_key

KEY = b"a key of 16 bytes"


def test_what_a_pseudonym_is() -> None:
    digest = hmac.new(KEY, b"patient\x00583295", hashlib.sha256).digest()[:10]
    assert Pseudonyms(KEY).patient_id("583295") == "patient-" + b32encode(digest).decode().lower()
    assert len(b32encode(digest)) == 16


def test_one_value_has_one_pseudonym_in_dicom_and_hl7() -> None:
    names = Pseudonyms(KEY)
    assert names.patient_id("583295 ") == names.patient_id("583295") == names.patient_id("583295\0")
    assert names.patient_name("DOE^JANE^^^") == names.patient_name("Doe^Jane") == names.patient_name("doe ^ jane =^x")
    assert names.patient_name("DOE^JANE") != names.patient_name("DOE^JOHN")
    assert names.birth_date("19610615") == names.birth_date("1961.06.15") == names.birth_date("196106151200")
    assert names.accession_number("A1 ") == names.accession_number(" A1")
    assert names.accession_number("A1") != names.accession_number("a1")


def test_kinds_and_keys_do_not_mix() -> None:
    one, other = Pseudonyms(KEY), Pseudonyms(KEY + b"!")
    assert one.patient_id("1") != other.patient_id("1")
    assert one.patient_id("1") == Pseudonyms(KEY).patient_id("1")
    assert Pseudonyms().patient_id("1") != Pseudonyms().patient_id("1")
    texts = [one.patient_id("1"), one.accession_number("1"), one.order_number("1"), one.visit_number("1")]
    assert len(set(texts)) == 4
    assert [text.partition("-")[0] for text in texts if text] == ["patient", "accession", "order", "visit"]


def test_nothing_stays_nothing() -> None:
    names = Pseudonyms(KEY)
    for show in (names.patient_id, names.patient_name, names.birth_date, names.accession_number, names.uid):
        assert show(None) is None
        assert show("") == ""
    assert names.patient_name("^^^ ") == ""
    assert names.patient_id("  ") == ""


def test_uids_stay_unless_they_are_to_be_hidden() -> None:
    assert Pseudonyms(KEY).uid("1.2.3") == "1.2.3"
    hidden = Pseudonyms(KEY, hide_uids=True).uid("1.2.3")
    assert hidden is not None
    assert hidden.startswith("uid-")
    assert hidden == Pseudonyms(KEY, hide_uids=True).uid("1.2.3\0")


def test_shown() -> None:
    shown = Pseudonyms(KEY, show_phi=True, hide_uids=True)
    assert shown.patient_id("583295 ") == "583295"
    assert shown.patient_name("DOE^JANE^^^") == "DOE^JANE^^^"
    assert shown.uid("1.2.3") == "1.2.3"


def test_normal_forms() -> None:
    assert normal_name("Yamada^Tarou=山田^太郎=やまだ^たろう") == "yamada^tarou"
    assert normal_name("=山田^太郎") == "山田^太郎"
    assert normal_name("  VAN  DER  DOE^J") == "van der doe^j"
    assert normal_date("1961-06-15T12:00") == "19610615"
    assert normal_date("unknown") == "unknown"


def test_many_and_long_values_are_not_kept() -> None:
    names = Pseudonyms(KEY)
    for number in range(10_000):
        names.patient_id(str(number))
    names.patient_id("x" * 1000)
    assert len(names._cached) <= 8192
    assert max(len(text) for _, text in names._cached) <= 128
    assert names.patient_id("\udcff") is not None


def test_keys(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\n")
    assert read_key(path) == KEY
    for content in (b"", b"short\n", b"x" * 5000):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="16 to 4096"):
            read_key(path)
    with pytest.raises(ValueError, match="16 to 4096"):
        Pseudonyms(b"short")
    with pytest.raises(FileNotFoundError):
        read_key(tmp_path / "none")
    assert KEY.decode() not in repr(Pseudonyms(KEY))
