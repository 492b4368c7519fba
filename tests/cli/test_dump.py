"""``dicomwire dump``: text as dcmdump prints it, JSON, tapes; bad files, hostile values, long values."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

import dicomwire
from dicomwire.cli.__main__ import cli
from dicomwire.cli.console import safe
from dicomwire.cli.dump import TAPE_FLAGS, WARNINGS
from dicomwire.cli.places import ItemExtents, Values
from dicomwire.errors import DicomWireError
from tests.builders import element, item, part10, sequence
from tests.support import missing

CT_HEADER = (
    "\n# Dicom-File-Format\n\n# Dicom-Meta-Information-Header\n# Used TransferSyntax: Explicit VR Little Endian\n"
    "(0002,0000) UL 42                                       #   4, 1 FileMetaInformationGroupLength\n"
    r"(0002,0001) OB 00\01                                    #   2, 1 FileMetaInformationVersion" + "\n"
    "(0002,0010) UI =ExplicitVRLittleEndian                  #  20, 1 TransferSyntaxUID\n"
    "\n# Dicom-Data-Set\n# Used TransferSyntax: Explicit VR Little Endian\n"
)


def run(*arguments, **options):
    """The result of a command that must not raise."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], **options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def make(tmp_path):
    """Function that writes a data set as a file and returns its path."""

    def write(content, name="a.dcm", **options):
        path = tmp_path / name
        path.write_bytes(part10(content, **options))
        return path

    return write


def nested(depth, *, undefined, inside=b""):
    """ContentSequence in ContentSequence, ``depth`` of them with one item each."""
    for _ in range(depth):
        inside = sequence(0x0040A730, item(inside, undefined=undefined), undefined=undefined)
    return inside


def body(result):
    """The lines of the data set itself."""
    assert result.exit_code == 0, result.stderr
    return result.stdout.partition("# Dicom-Data-Set\n")[2].split("\n")[1:-1]


# --------------------------------------------------------------------------------------------------------------- text


def test_text_of_a_file(make):
    path = make(
        element(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0")
        + element(0x00080018, b"UI", b"1.2.3\0")
        + element(0x00080050, b"SH")
        + element(0x00090010, b"LO", b"GEMS_IDEN_01")
        + element(0x00091001, b"LO", b"GE_GENESIS_FF ")
        + element(0x00091077, b"UN", bytes(range(30)))
        + sequence(0x00101002, item(element(0x00100020, b"LO", b"ID1 ")), item())
        + sequence(0x00101100, item(element(0x00081150, b"UI", b"1.2\0"), undefined=True), undefined=True)
        + element(0x00181150, b"IS", b"0012")
        + element(0x00186060, b"FL", bytes.fromhex("cdcccc3d00004040"))
        + element(0x00280009, b"AT", bytes.fromhex("1800631018006510"))
        + element(0x00280030, b"DS", b"0.50\\1e-1 ")
        + element(0x00660129, b"OL", bytes.fromhex("0100000002000000"))
        + element(0x7FE00010, b"OW", bytes(range(32)))
    )
    result = run("dump", path)
    assert result.stderr == ""
    assert result.stdout == CT_HEADER + (
        "(0008,0016) UI =CTImageStorage                          #  26, 1 SOPClassUID\n"
        "(0008,0018) UI [1.2.3]                                  #   6, 1 SOPInstanceUID\n"
        "(0008,0050) SH (no value available)                     #   0, 0 AccessionNumber\n"
        "(0009,0010) LO [GEMS_IDEN_01]                           #  12, 1 PrivateCreator\n"
        "(0009,1001) LO [GE_GENESIS_FF]                          #  14, 1 [Full fidelity]\n"
        r"(0009,1077) UN 00\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f\10\11\12\13\14\15... #  30, 1 "
        "Unknown Tag & Data\n"
        "(0010,1002) SQ (Sequence with explicit length #=2)      #  28, 1 OtherPatientIDsSequence\n"
        "  (fffe,e000) na (Item with explicit length #=1)          #  12, 1 Item\n"
        "    (0010,0020) LO [ID1]                                    #   4, 1 PatientID\n"
        "  (fffe,e000) na (Item with explicit length #=0)          #   0, 1 Item\n"
        "(0010,1100) SQ (Sequence with undefined length #=1)     # u/l, 1 ReferencedPatientPhotoSequence\n"
        "  (fffe,e000) na (Item with undefined length #=1)         # u/l, 1 Item\n"
        "    (0008,1150) UI [1.2]                                    #   4, 1 ReferencedSOPClassUID\n"
        "  (fffe,e00d) na (ItemDelimitationItem)                   #   0, 0 ItemDelimitationItem\n"
        "(fffe,e0dd) na (SequenceDelimitationItem)               #   0, 0 SequenceDelimitationItem\n"
        "(0018,1150) IS [0012]                                   #   4, 1 ExposureTime\n"
        r"(0018,6060) FL 0.1\3                                    #   8, 2 RWaveTimeVector" + "\n"
        r"(0028,0009) AT (0018,1063)\(0018,1065)                  #   8, 2 FrameIncrementPointer" + "\n"
        r"(0028,0030) DS [0.50\1e-1]                              #  10, 2 PixelSpacing" + "\n"
        r"(0066,0129) OL 1\2                                      #   8, 1 TrackPointIndexList" + "\n"
        r"(7fe0,0010) OW 0100\0302\0504\0706\0908\0b0a\0d0c\0f0e\1110\1312\1514\1716\1918... #  32, 1 PixelData" + "\n"
    )


def test_fragments_are_listed_behind_the_offset_table(make):
    pieces = item(bytes.fromhex("00000000")) + item(b"\1\2") + bytes.fromhex("feffdde000000000")
    path = make(element(0x7FE00010, b"OB", pieces, length=0xFFFFFFFF), syntax="1.2.840.10008.1.2.5")
    assert body(run("dump", path)) == [
        "(7fe0,0010) OB (PixelSequence #=2)                      # u/l, 1 PixelData",
        r"  (fffe,e000) pi 00\00\00\00                              #   4, 1 Item",
        r"  (fffe,e000) pi 01\02                                    #   2, 1 Item",
        "(fffe,e0dd) na (SequenceDelimitationItem)               #   0, 0 SequenceDelimitationItem",
    ]


def test_full_prints_long_values_whole(make, monkeypatch):
    monkeypatch.setattr("dicomwire.cli.places.PIECE", 24)  # so that pieces are joined
    data = bytes(range(200))
    path = make(
        element(0x00100020, b"LO", b"x" * 64)
        + element(0x00104000, b"LT", b"y" * 100)
        + element(0x00420011, b"OB", data)
        + element(0x00660129, b"OL", b"".join(n.to_bytes(4, "little") for n in range(100)))
        + element(0x7FE00010, b"OW", data)
    )
    cut = [line[15 : line.rindex(" #")] for line in body(run("dump", path))]
    assert cut[0].startswith(f"[{'x' * 64}]")
    assert cut[1] == f"[{'y' * 66}..."
    assert [len(text) for text in cut[2:]] == [68, 70, 67]
    full = [line[15 : line.rindex(" #")] for line in body(run("dump", "--full", path))]
    assert full[1] == f"[{'y' * 100}]"
    assert full[2] == "\\".join(f"{byte:02x}" for byte in data)
    assert full[3] == "\\".join(str(n) for n in range(100))
    assert full[4] == "\\".join(f"{data[i + 1]:02x}{data[i]:02x}" for i in range(0, 200, 2))


def test_big_endian_words_are_numbers_too(make):
    content = bytes.fromhex("7fe00010") + b"OW\0\0" + bytes.fromhex("00000004 0102 0304")
    path = make(bytes.fromhex("00280010") + b"US" + bytes.fromhex("00020101") + content,
                syntax="1.2.840.10008.1.2.2")  # fmt: skip
    lines = body(run("dump", path))
    assert lines[0].startswith("(0028,0010) US 257 ")
    assert lines[1].startswith(r"(7fe0,0010) OW 0102\0304 ")


def test_values_cannot_drive_the_terminal(make):
    hostile = "\x1b]0;owned\x07\x9b31m\r\nline\u202eevil"
    path = make(element(0x00080005, b"CS", b"ISO_IR 192") + element(0x00104000, b"LT", hostile.encode()))
    for options in ([], ["--json"]):
        result = run("dump", *options, path)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", result.stdout)
    assert "[&#27;]0;owned&#7;&#155;31m&#13;&#10;line&#8238;evil]" in run("dump", path).stdout
    assert json.loads(run("dump", "--json", path).stdout)["data_set"][1]["value"] == hostile


def test_an_odd_number_of_bytes_is_printed_as_bytes(make):
    path = make(element(0x00280010, b"US", b"\1\2\3"))
    result = run("dump", path)
    assert body(result) == [r"(0028,0010) US 01\02\03                                 #   3, 1 Rows"]
    assert "warning" in result.stderr
    assert json.loads(run("dump", "--json", path).stdout)["data_set"][0]["hex"] == "010203"


# --------------------------------------------------------------------------------------------- the same as dcmdump

LINE = re.compile(
    r"^(?P<indent> *)\((?P<tag>[0-9a-f]{4},[0-9a-f]{4})\) (?P<vr>..) (?P<value>.*?) *"
    r"# *(?P<length>u/l|\d+), *(?P<vm>\d+) .*$",
    re.DOTALL,
)


def parsed(text):
    """The lines of a dump, as dictionaries; values may hold line feeds."""
    entries, current = [], ""
    for line in text.split("\n"):
        if line.startswith(("#", "W:", "E:")) or not (line or current):
            continue
        current = f"{current}\n{line}" if current else line
        match = LINE.match(current)
        if match:
            entries.append(match.groupdict())
            current = ""
    return entries


def agrees(theirs, ours):
    """Whether two values are the same: numbers by value, cut values as far as both are shown."""
    if theirs == ours:
        return True
    if theirs.startswith("="):  # UIDs by DCMTK's own names
        return ours.startswith(("=", "["))
    theirs, ours = (text.removesuffix("...").strip("[]").split("\\") for text in (theirs, ours))
    for one, other in list(zip(theirs, ours, strict=False))[:-1] or zip(theirs, ours, strict=False):
        if one != other:
            try:
                if not math.isclose(float(one), float(other), rel_tol=1e-6, abs_tol=1e-44):
                    return False
            except ValueError:
                return False
    return True


@pytest.mark.peers
def test_element_by_element_as_dcmdump_prints_them(real_files):
    """Tags, VRs, VMs, lengths and values of every file that dcmdump can read.

    Left out, as docs/cli.md says: delimiters that dcmdump makes up, text in character sets that it does not convert,
    DICOMDIR records, which it sorts into a tree, and elements that only one of the dictionaries knows.
    """
    program = shutil.which("dcmdump")
    if program is None:
        missing("dcmdump (DCMTK) is not installed")
    compared, differing = 0, Counter()
    examples = []
    for _, path in real_files:
        answer = subprocess.run([program, "-q", path], capture_output=True, check=False)
        result = CliRunner().invoke(cli, ["dump", str(path)])
        if answer.returncode != 0:
            continue
        assert result.exit_code == 0, (path, result.stderr)
        theirs = [entry for entry in parsed(answer.stdout.decode("latin-1")) if "re-enc" not in entry["value"]]
        ours = parsed(result.stdout)
        if any('"Directory Record"' in entry["value"] for entry in theirs):
            continue
        if [entry["tag"] for entry in theirs] != [entry["tag"] for entry in ours]:
            differing["structure"] += 1
            examples.append((path.name, "structure"))
            continue
        for one, other in zip(theirs, ours, strict=True):
            compared += 1
            unknown = one["vr"] in ("??", "UN", "up") or other["vr"] == "UN"
            text = not (one["value"].isascii() and other["value"].isascii())
            for what in ("indent", "vr", "vm", "length", "value"):
                if unknown and what in ("vr", "vm", "value", "length"):
                    continue
                if what == "value" and text:
                    continue
                same = agrees(safe(one[what]), other[what]) if what == "value" else one[what] == other[what]
                if not same:
                    differing[what] += 1
                    examples.append((path.name, one, other))
    assert compared > 30_000
    assert sum(differing.values()) < compared / 1000, examples[:20]


# ---------------------------------------------------------------------------------------------------- what is chosen


@pytest.fixture
def with_items(make):
    return make(
        element(0x00100020, b"LO", b"ID0 ")
        + sequence(0x00101002, item(element(0x00100020, b"LO", b"ID1 ")), item(element(0x00100020, b"LO", b"ID2 ")))
    )


def test_tag_finds_an_element_wherever_it_is(with_items):
    for key in ("PatientID", "0010,0020", "(0010,0020)", "00100020"):
        result = run("dump", "--tag", key, with_items)
        assert [line[15:20] for line in result.stdout.split("\n")] == ["[ID0]", "[ID1]", "[ID2]", ""]


def test_tag_takes_paths_sequences_and_file_meta(with_items):
    result = run("dump", "-t", "OtherPatientIDsSequence.1.PatientID", "-t", "TransferSyntaxUID", with_items)
    assert [line[:25] for line in result.stdout.splitlines()] == [
        "(0002,0010) UI =ExplicitV",
        "(0010,0020) LO [ID2]     ",
    ]
    result = run("dump", "-t", "0010,1002", with_items)
    assert len(result.stdout.splitlines()) == 5
    result = run("dump", "--json", "-t", "PatientID", with_items)
    found = json.loads(result.stdout)["data_set"]
    assert [one["path"] for one in found] == [
        "PatientID",
        "OtherPatientIDsSequence.0.PatientID",
        "OtherPatientIDsSequence.1.PatientID",
    ]


def test_a_tag_that_is_not_there_prints_nothing(with_items):
    result = run("dump", "-t", "Rows", "-t", "OtherPatientIDsSequence.7.PatientID", with_items)
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize("key", ["PatientsID", "0010,00200", "OtherPatientIDsSequence.x.PatientID", "PatientID.0"])
def test_a_tag_that_is_none_is_refused(with_items, key):
    result = run("dump", "-t", key, with_items)
    assert result.exit_code == 2
    assert key.split(".")[0] in result.stderr


def test_a_misspelt_keyword_gets_a_hint(with_items):
    assert "did you mean PatientID" in run("dump", "-t", "PatientsID", with_items).stderr


def test_a_repeating_keyword_finds_all_groups(make):
    path = make(b"".join(element(tag, b"US", b"\1\0") for tag in (0x60000010, 0x60020010)))
    assert run("dump", "-t", "OverlayRows", path).stdout.count("OverlayRows") == 2


def test_stop_before_pixels(make):
    path = make(element(0x00280010, b"US", b"\1\0") + element(0x7FE00010, b"OW", b"\0\0"))
    assert len(body(run("dump", path))) == 2
    assert len(body(run("dump", "--stop-before-pixels", path))) == 1


def test_charset_overrides_the_declared_one(make):
    path = make(element(0x00080005, b"CS", b"ISO_IR 192") + element(0x00100010, b"PN", "Ж^".encode("iso8859_5") + b" "))
    assert "[Ж^]" in body(run("dump", "--charset", "ISO_IR 144", path))[1]


def test_standard_input_and_the_other_name_of_the_command(with_items):
    result = run("dcmdump", "-", input=with_items.read_bytes())
    assert result.stdout == run("dump", with_items).stdout


def test_a_file_that_is_a_pipe_is_read_once(with_items):
    if not os.path.exists("/dev/stdin"):
        missing("no /dev/stdin")
    command = [sys.executable, "-m", "dicomwire", "dump", "--full", "/dev/stdin"]
    result = subprocess.run(command, input=with_items.read_bytes(), capture_output=True, check=True, timeout=60)
    assert result.stdout.decode() == run("dump", with_items).stdout


# ------------------------------------------------------------------------------------------------------- bad files


def test_a_failing_file_does_not_stop_the_others(with_items, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("these are notes and no DICOM at all, not even a bit\n" * 5)
    for options in ([], ["--json"], ["--tape"]):
        result = run("dump", *options, tmp_path / "absent", text, tmp_path, with_items)
        assert result.exit_code == 1
        assert [line.split(": ")[1:3] for line in result.stderr.splitlines()] == [
            ["error", str(tmp_path / "absent")],
            ["error", str(text)],
            ["error", str(tmp_path)],
        ]
        assert "Traceback" not in result.stderr
    result = run("dump", tmp_path / "absent", with_items)
    assert result.stdout.splitlines()[0] == f"# dicomwire dump (1/2): {tmp_path / 'absent'}"
    assert "[ID2]" in result.stdout
    rows = [json.loads(line) for line in run("dump", "--json", text, with_items).stdout.splitlines()]
    assert "not DICOM" in rows[0]["error"]
    assert "error" not in rows[1]


def test_deviations_are_warnings(make):
    path = make(element(0x00100020, b"LO", b"odd") + element(0x00280010, b"US", b"\1\0"))
    result = run("dump", path)
    assert result.exit_code == 0
    expected = r"warning: .*a\.dcm: PatientID: odd length 3; .*; offset \d+ \(0x[0-9a-f]+\) \[\w+\]"
    assert re.search(expected, result.stderr)
    assert run("dump", "--policy", "ignore", path).stderr == ""
    found = json.loads(run("dump", "--json", path).stdout)["deviations"]
    assert [(one["path"], one["kind"]) for one in found] == [("PatientID", "odd_length")]
    strict = run("dump", "--policy", "strict", path)
    assert strict.exit_code == 1
    assert "error: " in strict.stderr


def test_many_warnings_are_counted(make):
    path = make(b"".join(element(tag, b"LO", b"odd") for tag in range(0x00080100, 0x00080100 + 40)))
    lines = run("dump", path).stderr.splitlines()
    assert len(lines) == WARNINGS + 1
    assert "20 further deviations" in lines[-1]


def test_strict_ends_a_file_at_its_first_bad_value(make):
    path = make(element(0x00200013, b"IS", b"12ab") + element(0x00280010, b"US", b"\1\0"))
    result = run("dump", "--policy", "strict", path)
    assert result.exit_code == 1
    assert "(error: InstanceNumber: " in result.stdout
    assert "Rows" not in result.stdout
    row = json.loads(run("dump", "--json", "--policy", "strict", path).stdout)
    assert "error" in row
    assert row["data_set"][-1]["keyword"] == "InstanceNumber"
    relaxed = run("dump", path)
    assert (relaxed.exit_code, "[12ab]" in relaxed.stdout) == (0, True)
    assert "12ab" not in relaxed.stderr


@pytest.mark.parametrize("undefined", [True, False])
def test_500_levels(make, undefined):
    path = make(nested(500, undefined=undefined, inside=element(0x0040A160, b"UT", b"deep")))
    result = run("dump", path)
    assert result.exit_code == 0
    assert f"\n{' ' * 2000}(0040,a160) UT [deep]" in result.stdout
    assert result.stdout.count("explicit length") == (0 if undefined else 1000)
    line = run("dump", "--json", path).stdout
    assert line.count("[") == line.count("]")
    assert line.count('"elements": [') == 500


def test_nesting_beyond_the_limit_is_an_error_and_the_rest_is_printed(make):
    path = make(nested(1100, undefined=False) + element(0x7FE00010, b"OB", b"\1\2"))
    result = run("dump", path)
    assert result.exit_code == 1
    assert result.stdout.count("# error: ") == 1
    assert "PixelData" in result.stdout
    assert len(result.stderr.splitlines()) == 1
    line = run("dump", "--json", path).stdout
    assert line.count("[") == line.count("]")
    assert '"keyword": "PixelData"' in line


def test_a_truncated_file_prints_what_is_there(make):
    path = make(element(0x00100020, b"LO", b"ID1 ") + element(0x7FE00010, b"OW", b"\1\2\3\4", length=1000))
    result = run("dump", path)
    assert result.exit_code == 0
    assert r"(7fe0,0010) OW 0201\0403" in result.stdout
    assert "warning" in result.stderr


def test_every_real_file_is_printed_or_refused(real_files):
    """No file raises; both forms agree on which can be read."""
    for _, path in real_files:
        text, line = run("dump", path), run("dump", "--json", path)
        assert text.exit_code == line.exit_code
        assert text.exit_code in (0, 1)
        if text.exit_code:
            assert "error: " in text.stderr, path


# ------------------------------------------------------------------------------------------------------------ JSON


def values_of(entries):
    """(tag, value) of all elements in a listing, nested ones too."""
    for entry in entries:
        yield entry["tag"], entry.get("value")
        for one in entry.get("items", ()):
            yield from values_of(one["elements"])


def test_json_of_a_file(make):
    path = make(
        element(0x00090010, b"LO", b"GEMS_IDEN_01")
        + element(0x00091001, b"LO", b"A\\B ")
        + sequence(0x00101002, item(element(0x00100020, b"LO", b"ID1 ")), undefined=True)
        + element(0x00189073, b"FD", bytes.fromhex("000000000000f87f"))
        + element(0x00280009, b"AT", bytes.fromhex("18006310"))
        + element(0x00280030, b"DS", b"0.50")
        + element(0x7FE00010, b"OW", bytes(range(40)))
    )
    start = len(part10(b""))
    row = json.loads(run("dump", "--json", path).stdout)
    assert row["file"] == str(path)
    assert row["transfer_syntax"] == "1.2.840.10008.1.2.1"
    assert [one["keyword"] for one in row["file_meta"]] == [
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "TransferSyntaxUID",
    ]
    assert row["deviations"] == []
    assert row["data_set"] == [
        {"tag": "00090010", "vr": "LO", "keyword": "", "offset": start + 8, "length": 12, "vm": 1,
         "value": "GEMS_IDEN_01"},
        {"tag": "00091001", "vr": "LO", "keyword": "", "private_creator": "GEMS_IDEN_01", "offset": start + 28,
         "length": 4, "vm": 2, "value": ["A", "B"]},
        {"tag": "00101002", "vr": "SQ", "keyword": "OtherPatientIDsSequence", "offset": start + 44, "length": 20,
         "undefined_length": True, "vm": 1, "items": [
             {"offset": start + 52, "length": 12, "elements": [
                 {"tag": "00100020", "vr": "LO", "keyword": "PatientID", "offset": start + 60, "length": 4, "vm": 1,
                  "value": "ID1"}]}]},
        {"tag": "00189073", "vr": "FD", "keyword": "AcquisitionDuration", "offset": start + 80, "length": 8, "vm": 1,
         "value": "nan"},
        {"tag": "00280009", "vr": "AT", "keyword": "FrameIncrementPointer", "offset": start + 96, "length": 4,
         "vm": 1, "value": "00181063"},
        {"tag": "00280030", "vr": "DS", "keyword": "PixelSpacing", "offset": start + 108, "length": 4, "vm": 1,
         "value": 0.5},
        {"tag": "7FE00010", "vr": "OW", "keyword": "PixelData", "offset": start + 124, "length": 40, "vm": 1,
         "hex": bytes(range(32)).hex()},
    ]  # fmt: skip
    full = json.loads(run("dump", "--json", "--full", path).stdout)["data_set"][-1]
    assert b64decode(full["base64"]) == bytes(range(40))


def test_json_of_fragments(make, monkeypatch):
    monkeypatch.setattr("dicomwire.cli.places.PIECE", 24)
    pieces = item(bytes.fromhex("00000000")) + item(bytes(range(50))) + bytes.fromhex("feffdde000000000")
    path = make(element(0x7FE00010, b"OB", pieces, length=0xFFFFFFFF), syntax="1.2.840.10008.1.2.5")
    (found,) = json.loads(run("dump", "--json", path).stdout)["data_set"]
    assert found["basic_offset_table"] == [0]
    assert found["fragments"] == [{"offset": found["offset"] + 20, "length": 50, "hex": bytes(range(32)).hex()}]
    (found,) = json.loads(run("dump", "--json", "--full", path).stdout)["data_set"]
    assert b64decode(found["fragments"][0]["base64"]) == bytes(range(50))


def test_json_has_the_values_of_the_data_set(real_files):
    total = 0
    for _, path in real_files[::3]:
        try:
            ds = dicomwire.dcmread(path)
        except DicomWireError:
            continue
        found = list(values_of(json.loads(run("dump", "--json", path).stdout)["data_set"]))
        for (tag, value), one in zip(found, ds.iterall(), strict=True):
            assert tag == f"{one.tag:08X}", path
            if isinstance(one.value, (str, int)) and one.VR != "AT":
                assert value == one.value
                total += 1
    assert total > 3000


# ------------------------------------------------------------------------------------------------------------ tape


def test_tape_prints_the_entries(make):
    path = make(element(0x00100020, b"LO", b"ID1 ") + sequence(0x00101002, item(b"", undefined=True), undefined=True))
    result = run("dump", "--tape", path)
    rows = result.stdout.partition("# Data-Set\n")[2].splitlines()
    start = len(part10(b""))
    assert [row.split() for row in rows[1:]][1:] == [
        ["1", "(0010,0020)", "LO", "8", str(start + 8), "4", "2", "0"],
        ["2", "(0010,1002)", "SQ", "12", str(start + 24), "16", "4", "0", "undefined-length"],
        ["3", "(fffe,e000)", "8", str(start + 32), "0", "4", "2", "undefined-length"],
    ]
    assert result.stdout.startswith("\n# Meta-Information-Header\n")
    for option in ("--json", "--full", "--tag=PatientID"):
        assert run("dump", "--tape", option, path).exit_code == 2


@pytest.mark.sources
def test_the_names_of_flags_are_those_of_the_tape():
    source = Path(__file__).parents[2] / "cext/include/tape.h"
    block = re.search(r"enum \{\s*(DW_UNDEFINED_LENGTH.*?)\}", source.read_text(), re.DOTALL)
    assert block is not None
    flags = {int(value): name for name, value in re.findall(r"DW_([A-Z_]+) = (\d+)", block[1])}
    names = tuple(flags[1 << bit].lower().replace("_", "-") for bit in range(8))
    assert names == TAPE_FLAGS


# --------------------------------------------------------------------------------------------------------- places


def test_extents_of_items_of_every_kind():
    content = sequence(
        0x0040A730,
        item(sequence(0x0040A730, item(b""), item(element(0x0040A160, b"UT", b"ab")), undefined=True)),
        item(element(0x0040A160, b"UT", b"abcd"), undefined=True),
    )
    ds = dicomwire.dcmread(part10(content))
    start = len(part10(b""))
    places = ItemExtents()
    outer = ds["ContentSequence"]
    assert places.of(outer, outer.value) == [(start + 20, 50, False), (start + 78, 16, True)]
    inner = ds["ContentSequence.0.ContentSequence"]
    assert places.of(inner, inner.value) == [(start + 40, 0, False), (start + 48, 14, False)]


def test_parts_of_long_values_are_read_from_the_file(tmp_path):
    data = bytes(range(256)) * 400
    path = tmp_path / "long.dcm"
    path.write_bytes(part10(element(0x00100020, b"LO", b"ID1 ") + element(0x7FE00010, b"OB", data)))
    for name in (str(path), None):
        ds = dicomwire.dcmread(path)
        values = Values(ds, name)
        assert values.start(ds["PixelData"], 300) == data[:300]
        assert b"".join(values.pieces(ds["PixelData"])) == data
        values.close()
    os.truncate(path, 1000)
    values = Values(ds, str(path))
    with pytest.raises(dicomwire.errors.TruncatedError):
        list(values.pieces(ds["PixelData"]))
    values.close()


def test_a_long_value_is_not_read_to_print_its_beginning(tmp_path):
    """A sparse file of 1 GB: the process must stay small, and has no time to read it."""
    path = tmp_path / "sparse.dcm"
    size = 1 << 30
    head = part10(element(0x00100020, b"LO", b"ID1 ") + element(0x7FE00010, b"OW", b"", length=size))
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
    script = (
        "import sys\nfrom dicomwire.cli.__main__ import cli\n"
        "try:\n    cli(['dump', sys.argv[1]])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(open('/proc/self/status').read())\n"
    )
    if not os.path.exists("/proc/self/status"):
        pytest.skip("no /proc: the peak of a process that a large one starts cannot be told")
    result = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert r"(7fe0,0010) OW 0000\0000" in result.stdout
    peak = re.search(r"VmHWM:\s+(\d+) kB", result.stdout)
    assert int(peak[1]) < 100_000


def test_a_reader_that_goes_away_is_no_traceback(with_items):
    command = f"{sys.executable} -m dicomwire dump {' '.join([str(with_items)] * 200)} | head -n 1"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in result.stderr
    assert len(result.stdout.splitlines()) == 1
