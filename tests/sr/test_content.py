"""Content trees of structured reports: every value type, positions, references that form loops, DCMTK as referee."""

import re
import shutil
import subprocess

import pytest

import dicomwire
from dicomwire.errors import DecodeError
from dicomwire.sr import Code, Coordinates, Measurement, Reference, read_content
from dicomwire.sr.text import item_text, report_lines
from tests.builders import element, item, part10, sequence
from tests.support import missing


def text(tag, vr, value):
    data = value.encode()
    return element(tag, vr, data + (b"\0" if vr == "UI" else b" ") * (len(data) % 2))


def code(tag, value, scheme, meaning):
    return sequence(
        tag, item(text(0x00080100, "SH", value) + text(0x00080102, "SH", scheme) + text(0x00080104, "LO", meaning))
    )


def content(kind, name="Name", value=b"", *children, relationship="CONTAINS"):
    """A content item; ``value`` holds the elements of its value."""
    after = [part for part in (value if isinstance(value, list) else [value]) if part]
    parts = [text(0x0040A010, "CS", relationship), text(0x0040A040, "CS", kind)]
    if name:
        parts.append(code(0x0040A043, "111", "DCM", name))
    if children:
        parts.append(sequence(0x0040A730, *children))
    # Elements in the order of their tags.
    return item(b"".join(sorted(parts + after, key=lambda part: (part[1], part[0], part[3], part[2]))))


def report(*children):
    data = (
        text(0x0040A040, "CS", "CONTAINER") + code(0x0040A043, "1", "DCM", "Title") + text(0x0040A050, "CS", "SEPARATE")
    )
    return dicomwire.dcmread(
        part10(text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.88.11") + data + sequence(0x0040A730, *children))
    )


def only(kind, value=b"", **options):
    return next(read_content(report(content(kind, value=value, **options))).children())


def test_root_and_children():
    ds = report(content("TEXT", "A", text(0x0040A160, "UT", "x"), content("TEXT", "B")), content("CONTAINER", ""))
    root = read_content(ds)
    assert (root.value_type, root.continuity, root.position, root.relationship_type) == (
        "CONTAINER",
        "SEPARATE",
        (1,),
        "",
    )
    assert root.name == Code("1", "DCM", "Title")
    assert [one.position for one in root.walk()] == [(1,), (1, 1), (1, 1, 1), (1, 2)]
    assert root.find((1, 1, 1)).name.meaning == "B"
    assert root.find((1,)).position == (1,)
    for position in ((1, 3), (1, 1, 2), (1, 0), (2,), (1, 2, 1), ()):
        assert root.find(position) is None


@pytest.mark.parametrize(
    ("kind", "value", "wanted", "shown"),
    [
        ("TEXT", text(0x0040A160, "UT", "two\r\nlines"), "two\r\nlines", "Name: two\nlines"),
        ("DATE", text(0x0040A121, "DA", "20200102"), "20200102", "Name: 20200102"),
        ("TIME", text(0x0040A122, "TM", "1200"), "1200", "Name: 1200"),
        ("DATETIME", text(0x0040A120, "DT", "20200102"), "20200102", "Name: 20200102"),
        ("UIDREF", text(0x0040A124, "UI", "1.2.3"), "1.2.3", "Name: 1.2.3"),
        ("PNAME", text(0x0040A123, "PN", "Doe^Jane"), "Doe^Jane", "Name: Doe^Jane"),
        ("CODE", code(0x0040A168, "R-1", "SRT", "Lung"), Code("R-1", "SRT", "Lung"), "Name: Lung"),
        (
            "NUM",
            sequence(0x0040A300, item(code(0x004008EA, "mm", "UCUM", "millimeter") + text(0x0040A30A, "DS", "3.50"))),
            Measurement(["3.50"], Code("mm", "UCUM", "millimeter"), None),
            "Name: 3.50 mm",
        ),
        (
            "NUM",
            [sequence(0x0040A300), code(0x0040A301, "114006", "DCM", "Measurement failure")],
            Measurement([], None, Code("114006", "DCM", "Measurement failure")),
            "Name: (Measurement failure)",
        ),
        (
            "IMAGE",
            sequence(
                0x00081199,
                item(
                    text(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2")
                    + text(0x00081155, "UI", "1.2.3")
                    + text(0x00081160, "IS", "1\\3")
                ),
            ),
            Reference("1.2.840.10008.5.1.4.1.1.2", "1.2.3", [1, 3], [], []),
            "Name: CT Image Storage, frames 1 3",
        ),
        (
            "SCOORD",
            [element(0x00700022, "FL", bytes.fromhex("0000803f00000040")), text(0x00700023, "CS", "POINT")],
            Coordinates("POINT", [1.0, 2.0]),
            "Name: POINT 1 2",
        ),
        (
            "TCOORD",
            [text(0x0040A130, "CS", "POINT"), element(0x0040A132, "UL", b"\5\0\0\0")],
            Coordinates("POINT", [5]),
            "Name: POINT 5",
        ),
        ("TEXT", b"", None, "Name: (no value)"),
        ("CODE", b"", None, "Name: (no value)"),
        ("NUM", b"", None, "Name: (no value)"),
        ("IMAGE", b"", None, "Name: (no value)"),
        ("CONTAINER", b"", None, "Name"),
        ("OTHER", b"", None, "Name: (no value)"),
    ],
)
def test_values(kind, value, wanted, shown):
    found = only(kind, value)
    assert found.value == wanted
    assert item_text(found) == shown


def test_numbers():
    assert Measurement(["3.5"], None, None).number == 3.5
    assert Measurement(["x"], None, None).number is None
    assert Measurement([], None, None).number is None


def by_reference(*position):
    data = element(0x0040DB73, "UL", b"".join(number.to_bytes(4, "little") for number in position))
    return item(text(0x0040A010, "CS", "INFERRED FROM") + data)


def test_references_that_form_a_loop_are_leaves():
    ds = report(
        content("TEXT", "A", b"", by_reference(1, 2)), content("TEXT", "B", b"", by_reference(1, 1), by_reference(1, 9))
    )
    root = read_content(ds)
    references = [one for one in root.walk() if one.reference_position is not None]
    assert [one.reference_position for one in references] == [(1, 2), (1, 1), (1, 9)]
    assert root.find(references[0].reference_position).name.meaning == "B"
    assert root.find(references[2].reference_position) is None
    assert list(references[0].children()) == []
    assert item_text(references[0]) == "[inferred from] -> item 1.2"


def test_lines():
    ds = report(
        content(
            "CONTAINER",
            "Findings",
            b"",
            content("TEXT", "Finding", text(0x0040A160, "UT", "a\nb"), relationship="HAS PROPERTIES"),
        ),
        content("CODE", "", code(0x0040A168, "R-1", "SRT", "Lung")),
    )
    assert list(report_lines(ds, header=False)) == [
        "Title",
        "  Findings",
        "    [has properties] Finding: a",
        "        b",
        "  CODE: Lung",
    ]
    assert "  CODE: Lung (R-1, SRT)" in list(report_lines(ds, codes=True))
    assert next(report_lines(ds)) == "Basic Text SR Storage"


def test_depth_costs_no_stack():
    inner = content("TEXT", "")
    data = text(0x0040A040, "CS", "CONTAINER")
    opening = bytes.fromhex("400030a753510000ffffffff" + "feff00e0ffffffff")
    closing = bytes.fromhex("feff0de000000000" + "feffdde000000000")
    ds = dicomwire.dcmread(part10(data + opening * 500 + closing * 500))
    assert sum(1 for _ in read_content(ds).walk()) == 501
    assert len(list(report_lines(ds, header=False))) == 501
    assert inner


def test_what_is_no_report():
    with pytest.raises(DecodeError, match="no structured report"):
        read_content(dicomwire.dcmread(part10(text(0x00080060, "CS", "CT"))))


def test_items_show_no_text():
    assert repr(only("TEXT", text(0x0040A160, "UT", "secret"))) == "<ContentItem 1.1 TEXT>"


_LINE = re.compile(r'^( *)<(?:([a-z ]+?) )?([A-Z0-9]+):(?:\(,,"(.*?)"\))?=(.*)>(?: \{.*\})?$')


@pytest.mark.peers
@pytest.mark.parametrize("name", ["test-SR.dcm"])
def test_items_are_those_of_dsrdump(pydicom_files, name):
    if shutil.which("dsrdump") is None:
        missing("dsrdump is not on the path (Debian: apt-get install dcmtk)")
    path = pydicom_files[name]
    command = ["dsrdump", "-q", "-Ph", "+Pl", "-Ec", "-Ev", "+U8", str(path)]
    theirs = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8").splitlines()
    ours = list(read_content(dicomwire.dcmread(path)).walk())
    lines = [line for line in theirs if line.strip()]
    assert len(lines) == len(ours) > 20
    compared = 0
    names = {
        "has concept mod": "HAS CONCEPT MOD",
        "has obs context": "HAS OBS CONTEXT",
        "has acq context": "HAS ACQ CONTEXT",
    }
    for line, found in zip(lines, ours, strict=True):
        if "from 1." in line:
            assert found.reference_position == tuple(map(int, re.search(r"from ([\d.]+)", line)[1].split(".")))
            continue
        match = _LINE.match(line)
        assert match, line
        assert len(match[1]) // 2 == len(found.position) - 1
        assert (match[3], match[4] or "") == (found.value_type, found.name.meaning if found.name else "")
        relation = match[2] or ""
        assert names.get(relation, relation.upper()) == found.relationship_type
        value = found.value
        if isinstance(value, str):
            escaped = value.replace("\r", "\\r").replace("\n", "\\n")
            assert match[5] == f'"{escaped}"'
        elif isinstance(value, Code):
            assert match[5] == f'({value.value},{value.scheme},"{value.meaning}")'
        elif isinstance(value, Measurement):
            assert match[5].startswith(
                f'"{value.texts[0]}" ({value.units.value},{value.units.scheme},"{value.units.meaning}"'
            )
        else:
            continue
        compared += 1
    assert compared > 12
