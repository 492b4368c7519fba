"""Every element of the real files of packages, as pydicom and DCMTK read it: see docs/correctness.md."""

import copy
import dataclasses
from pathlib import Path

import pytest

import dicomwire
from tests.conftest import RealFiles
from tests.support import missing
from tools.correctness import dcmtk, readings, report
from tools.correctness.differences import RULES

DOCUMENT = Path(__file__).parents[2] / "docs" / "correctness.md"
pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def compared(real_files: RealFiles) -> report.Report:
    """All files compared with pydicom, and with DCMTK where it is installed."""
    return report.compare(real_files, with_dcmtk=bool(dcmtk.version()))


def test_dcmtk_is_there():
    if not dcmtk.version():
        missing("dcmdump is not on the path (Debian: apt-get install dcmtk)")


def test_dicomwire_reads_every_file(compared):
    assert compared.broken == []
    assert compared.total.files > 250


def test_every_element_agrees_or_the_cause_of_the_difference_is_known(compared):
    assert [report.describe(difference) for difference in compared.unexplained] == []


def test_nearly_all_elements_agree_with_one_of_the_two(compared):
    total = compared.total
    assert total.elements > 40_000
    if dcmtk.version():
        assert total.share >= report.GOAL
    else:
        assert total.outcomes["pydicom only"] / total.elements >= 0.99


def test_document_has_the_numbers_of_this_comparison(compared):
    """Another DCMTK may differ elsewhere; of the packages that are here, every row counts."""
    if dcmtk.version() != "3.6.7":
        pytest.skip(f"the document was written with DCMTK 3.6.7, this is {dcmtk.version() or 'none'}")
    text = DOCUMENT.read_text(encoding="utf-8")
    for line in report.table(compared).splitlines()[2:-1]:
        assert line in text


def test_every_rule_has_a_cause_in_the_files(compared):
    if dcmtk.version() == "3.6.7" and len(compared.packages) == 6:
        assert {rule.name for rule in RULES} == {name for name, _ in compared.explained}


# --- the comparison itself can fail


@pytest.fixture
def one_file(pydicom_files):
    path = pydicom_files["rtplan.dcm"]
    return readings.read_dicomwire(path), readings.read_pydicom(path)


def outcome(ours, theirs):
    found = report.Report()
    report.compare_file(found, "test", Path("rtplan.dcm"), ours, {"pydicom": theirs})
    return found


def test_equal_readings_have_no_difference(one_file):
    found = outcome(*one_file)
    assert found.unexplained == []
    assert found.explained == {}
    assert found.total.outcomes == {"pydicom only": found.total.elements}


ALTERED = "300A00B0.0.300A0111.0.300A011E"  # Gantry Angle of a control point


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("vr", "LO", "vr"),
        ("value", ("numbers", (1.5,)), "value"),
        ("value", ("error", "ValueError"), "error"),
        ("raw", b"1.5", "raw"),
        ("offset", 1, "offset"),
        ("length", 2, "length"),
        ("vm", 2, "vm"),
    ],
)
def test_an_altered_reading_is_an_unexplained_difference(one_file, field, value, kind):
    ours, theirs = one_file
    theirs.elements[ALTERED] = dataclasses.replace(theirs.elements[ALTERED], **{field: value})
    found = outcome(ours, theirs)
    assert [(difference.path, difference.kind) for difference in found.unexplained] == [(ALTERED, kind)]
    assert found.total.outcomes["neither"] == 1


def test_an_element_that_one_reader_lacks_is_an_unexplained_difference(one_file):
    ours, theirs = one_file
    less = copy.copy(theirs)
    less.elements = {path: reading for path, reading in theirs.elements.items() if path != ALTERED}
    assert [difference.kind for difference in outcome(ours, less).unexplained] == ["absent"]
    fewer = copy.copy(ours)
    fewer.elements = {path: reading for path, reading in ours.elements.items() if path != ALTERED}
    assert [difference.kind for difference in outcome(fewer, theirs).unexplained] == ["extra"]


# --- other ways to the same elements


def nested(item):
    for element in item:
        yield element.path
        if element.VR == "SQ":
            for inner in element.value:
                yield from nested(inner)


def test_walk_gives_the_elements_of_the_nested_iteration(real_files):
    for _, path in real_files:
        walked = [element.path for element in dicomwire.dcmread(path, force=True).iterall()]
        assert walked == list(nested(dicomwire.dcmread(path, force=True))), path.name


def test_values_are_the_same_from_a_file_and_from_memory(real_files):
    for _, path in real_files:
        if path.stat().st_size < 1_000_000:
            from_memory = dicomwire.dcmread(path.read_bytes(), force=True)
            assert dicomwire.dcmread(path, force=True) == from_memory, path.name


@pytest.mark.parametrize("policy", ["strict", "ignore"])
def test_other_policies_read_or_raise_a_decode_error(real_files, policy):
    read = 0
    for _, path in real_files:
        try:
            data_set = dicomwire.dcmread(path, force=True, policy=policy)
            read += sum(element.value is not None for element in data_set.iterall()) > 0
        except dicomwire.errors.DecodeError:
            assert policy == "strict", path.name
    assert read > len(real_files) // 2
