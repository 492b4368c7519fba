"""IODs, modules and Types, compared row by row with highdicom's tables (dictionary/iods.py)."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from dicomwire.dictionary import IOD, iod_for_sop_class, iods, uids
from dicomwire.dictionary._uids import UIDS
from tests.support import missing


@pytest.fixture(scope="module")
def theirs() -> Path:
    spec = importlib.util.find_spec("highdicom")
    if spec is None or not spec.submodule_search_locations:
        missing("highdicom is not installed (dependency group codegen)")
    return Path(spec.submodule_search_locations[0]) / "_standard"


def test_every_attribute_of_every_module_is_as_highdicom_has_it(theirs: Path) -> None:
    tables = json.loads((theirs / "module_attribute_map.json").read_text())
    rows = 0
    for key, expected in tables.items():
        ours = [
            ([tag.keyword for tag in path], attribute.keyword, attribute.type)
            for path, attribute in iods.module(key).walk()
        ]
        assert sorted(ours) == sorted((row["path"], row["keyword"], row["type"] or "") for row in expected)
        rows += len(ours)
    assert rows == 99_740


def test_every_iod_is_as_highdicom_has_it(theirs: Path) -> None:
    tables = json.loads((theirs / "iod_module_map.json").read_text())
    for key, expected in tables.items():
        uses = [(use.module.key, use.usage, use.information_entity) for use in iods.iod(key).modules]
        assert uses == [(row["key"], row["usage"], row["ie"]) for row in expected]


def test_every_sop_class_is_as_highdicom_has_it(theirs: Path) -> None:
    tables: dict[str, Any] = json.loads((theirs / "sop_class_iod_map.json").read_text())
    assert set(iods.sop_class_uids()) == tables.keys()
    for uid, key in tables.items():
        found = iod_for_sop_class(uid)
        assert found is not None
        assert found.key == key


def test_every_sop_class_is_registered() -> None:
    for uid in iods.sop_class_uids():
        assert UIDS[uid][1] == "SOP Class"


def ct() -> IOD:
    found = iod_for_sop_class(uids.CTImageStorage)
    assert found is not None
    return found


def test_ct_image() -> None:
    uses = {use.module.key: use for use in ct().modules}
    assert uses["patient"].usage == "M"
    assert uses["patient"].information_entity == "Patient"
    assert uses["contrast-bolus"].usage == "C"
    assert uses["overlay-plane"].usage == "U"


def test_types() -> None:
    types = {tag.keyword: type_ for tag, type_ in ct().attribute_types().items()}
    assert types["SOPInstanceUID"] == "1"
    assert types["PatientName"] == "2"
    assert types["KVP"] == "2"
    assert types["ImageComments"] == "3"
    assert types["ContrastBolusAgent"] == "2C"  # Type 2 of a conditional module
    assert types["OverlayRows"] == "1C"  # Type 1 of a user optional module


def test_items_of_a_sequence() -> None:
    study = {attribute.keyword: attribute for attribute in iods.module("general-study").attributes}
    sequence = study["ReferencedStudySequence"]
    assert sequence.type == "3"
    assert {a.keyword: a.type for a in sequence.attributes} == {
        "ReferencedSOPClassUID": "1",
        "ReferencedSOPInstanceUID": "1",
    }
    assert study["StudyDate"].attributes == ()


def test_equal_lists_are_one_object() -> None:
    first = iods.module("general-study")
    assert first.attributes is first.attributes
    assert iods.iod("ct-image") is ct()


def test_repeating_group() -> None:
    plane = {attribute.keyword: attribute for attribute in iods.module("overlay-plane").attributes}
    assert plane["OverlayData"].tag == 0x60003000
    assert plane["OverlayData"].repeats
    assert not iods.module("patient").attributes[0].repeats


def test_unknown() -> None:
    assert iod_for_sop_class("1.2.3") is None
    with pytest.raises(KeyError):
        iods.iod("no-such-iod")
    with pytest.raises(KeyError):
        iods.module("no-such-module")


def test_module_without_a_table_has_no_attributes() -> None:
    assert iods.module("montage-activation").attributes == ()


def test_text_forms() -> None:
    assert repr(ct()) == f"<IOD ct-image, {len(ct().modules)} modules>"
    assert repr(iods.module("patient")) == "<Module patient>"
    assert repr(ct().modules[0]) == "<ModuleUse patient M Patient>"
    name = next(a for a in iods.module("patient").attributes if a.keyword == "PatientName")
    assert repr(name) == "<ModuleAttribute (0010,0010) PatientName type 2>"
