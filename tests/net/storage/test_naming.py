"""Names of stored files: whatever a peer sends stays below the storage folder (PS3.5 section 9, CVE-2022-2119)."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire.net.storage.naming import BY_SERIES, UID_ONLY, Template, safe_name


@pytest.mark.parametrize("value", ["1.2.840.10008.1", "2.25.329800735698586629295641978511506172918", "AE", "a-b_c"])
def test_what_is_safe_stays(value: str) -> None:
    assert safe_name(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *("", ".", "..", "../../etc/passwd", "/etc/passwd", "1.2\0.3", "..\\x", ".hidden", "a b"),
        *("ä", "\ud800", "~", "-\n"),
        "1." * 500,
    ],
)
def test_what_is_not_becomes_a_name(value: str) -> None:
    name = safe_name(value)
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert not set(name) & set("/\\\0 ")
    assert name.isascii()
    assert len(name) < 200


@given(st.text(), st.text())
def test_different_values_have_different_names(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(st.dictionaries(st.sampled_from(["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]), st.text()))
def test_paths_stay_below_the_folder(values: dict[str, str]) -> None:
    path = Template(BY_SERIES).path(lambda field: values.get(field, ""))
    assert os.path.normpath(os.path.join("/root/folder", path)) == "/root/folder/" + path
    assert path.count("/") == 2


def test_fields_are_listed() -> None:
    assert Template(UID_ONLY).keywords == {}
    assert Template(BY_SERIES).keywords == {"StudyInstanceUID": 0x0020000D, "SeriesInstanceUID": 0x0020000E}
    template = Template("{CallingAETitle}/x{SOPInstanceUID}")
    values = {"CallingAETitle": "A B", "SOPInstanceUID": "1"}
    assert template.path(values.__getitem__) == safe_name("A B") + "/x1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{StudyInstanceUID}.dcm", "SOPInstanceUID"),
        ("/{SOPInstanceUID}", "below the folder"),
        ("../{SOPInstanceUID}", "below the folder"),
        ("a//{SOPInstanceUID}", "below the folder"),
        (".{SOPInstanceUID}", "below the folder"),
        ("{SOPInstanceUID}/", "below the folder"),
        ("{SOPInstanceUID!r}", "names alone"),
        ("{SOPInstanceUID:>9}", "names alone"),
        ("{NoSuchKeyword}{SOPInstanceUID}", "NoSuchKeyword"),
        ("{SOPInstanceUID", "expected '}'"),
    ],
)
def test_templates_that_will_not_do(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Template(text)
