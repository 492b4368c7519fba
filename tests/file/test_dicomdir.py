"""DICOMDIRs: trees of records, offsets that lie, File IDs that lead away; file-sets written, with referees."""

import io
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.fileset import FileSet as PydicomFileSet

import dicomwire
from dicomwire.errors import DecodeError, EncodeError, UnsupportedError
from dicomwire.file import file_bytes
from dicomwire.file.dicomdir import read_dicomdir, resolve_file_id
from dicomwire.file.file_set import FileSet, record_type_for, write_file_set
from tests.builders import element, item, meta, part10, sequence
from tests.support import missing

FIRST = len(bytes(132) + meta()) + 12 + 12  # offset of the first item, behind (0004,1200) and the sequence's header


def text(tag, vr, value):
    data = value.encode()
    return element(tag, vr, data + (b"\0" if vr == "UI" else b" ") * (len(data) % 2))


def record(kind, following=0, lower=0, file_id=""):
    data = (
        element(0x00041400, "UL", struct.pack("<I", following))
        + element(0x00041410, "US", b"\xff\xff")
        + element(0x00041420, "UL", struct.pack("<I", lower))
        + text(0x00041430, "CS", kind.ljust(16))
    )
    return item(data + (text(0x00041500, "CS", file_id) if file_id else b""))


SIZE = len(record("PATIENT"))


def at(number):
    return FIRST + number * SIZE


def directory(*records, first=None, **options):
    data = element(0x00041200, "UL", struct.pack("<I", at(0) if first is None else first)) + sequence(
        0x00041220, *records
    )
    return read_dicomdir(part10(data), **options)


def shape(records):
    return [(one.record_type, shape(one.children)) for one in records]


def test_a_tree():
    found = directory(
        record("PATIENT", at(4), at(1)),
        record("STUDY", 0, at(2)),
        record("SERIES", 0, at(3)),
        record("IMAGE"),
        record("PATIENT"),
    )
    assert shape(found.records) == [("PATIENT", [("STUDY", [("SERIES", [("IMAGE", [])])])]), ("PATIENT", [])]
    assert [one.record_type for one in found.walk()] == ["PATIENT", "STUDY", "SERIES", "IMAGE", "PATIENT"]
    assert found.deviations == []


@pytest.mark.parametrize(
    ("records", "kinds"),
    [
        ([record("PATIENT", at(0))], ["loop"]),  # to itself
        ([record("PATIENT", at(1)), record("PATIENT", at(0))], ["loop"]),
        ([record("PATIENT", 0, at(0))], ["loop"]),
        ([record("PATIENT", 0, at(1)), record("STUDY", 0, at(0))], ["loop"]),
        ([record("PATIENT", at(0) + 2)], ["offset"]),
        ([record("PATIENT", 0, 0xFFFFFFFF)], ["offset"]),
        ([record("PATIENT"), record("STUDY")], ["orphan"]),
    ],
)
def test_offsets_that_lie(records, kinds):
    found = directory(*records)
    assert [one.kind for one in found.deviations] == kinds
    assert sum(1 for _ in found.walk()) == len(records)
    assert directory(*records, policy="ignore").deviations == []
    with pytest.raises(DecodeError):
        directory(*records, policy="strict")


def test_records_that_nothing_leads_to_get_a_place_by_their_type():
    kinds = ("PATIENT", "STUDY", "SERIES", "IMAGE", "IMAGE", "SERIES", "PATIENT", "STUDY", "IMAGE")
    found = directory(*map(record, kinds), first=0)
    assert shape(found.records) == [
        ("PATIENT", [("STUDY", [("SERIES", [("IMAGE", []), ("IMAGE", [])]), ("SERIES", [])])]),
        ("PATIENT", [("STUDY", [("IMAGE", [])])]),
    ]


def test_many_records_in_a_row_cost_no_stack():
    count = 20_000
    found = directory(*[record("PATIENT", at(n + 1) if n + 1 < count else 0) for n in range(count)])
    assert len(found.records) == count
    found = directory(*[record("PATIENT", 0, at(n + 1) if n + 1 < count else 0) for n in range(count)])
    assert sum(1 for _ in found.walk()) == count


def test_what_is_no_dicomdir():
    with pytest.raises(DecodeError, match="no DICOMDIR"):
        read_dicomdir(part10(text(0x00080060, "CS", "CT")))
    found = directory(record("IMAGE", file_id="A"))
    with pytest.raises(DecodeError, match="no place"):
        found.path_of(found.records[0])


# ------------------------------------------------------------------------------------------------------------ File IDs


@pytest.fixture
def root(tmp_path):
    (tmp_path / "set" / "DIR").mkdir(parents=True)
    (tmp_path / "set" / "DIR" / "FILE").write_bytes(b"x")
    (tmp_path / "set" / "small").mkdir()
    (tmp_path / "set" / "small" / "file.;1").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    os.symlink(tmp_path / "secret", tmp_path / "set" / "LINK")
    return tmp_path / "set"


def test_file_ids_are_found(root):
    assert resolve_file_id(root, ("DIR", "FILE")) == str(root / "DIR" / "FILE")
    assert resolve_file_id(root, ("DIR ", "FILE")) == str(root / "DIR" / "FILE")
    assert resolve_file_id(root, ("SMALL", "FILE.")) == str(root / "small" / "file.;1")
    with pytest.raises(FileNotFoundError):
        resolve_file_id(root, ("DIR", "NONE"))


@pytest.mark.parametrize(
    "file_id",
    [
        (), ("..", "secret"), ("DIR", "..", "..", "secret"), (".",), ("",), ("/etc/passwd",), ("DIR/FILE",),
        ("DIR\\FILE",),
        ("C:", "x"), ("a\0b",), ("LINK",), ("A",) * 65,
    ],
)  # fmt: skip
def test_file_ids_do_not_lead_away(root, file_id):
    with pytest.raises(DecodeError):
        resolve_file_id(root, file_id)


# ------------------------------------------------------------------------------------------------ DICOMDIRs that change


@pytest.mark.parametrize("syntax", [None, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("lengths", ["keep", "known", "undefined"])
def test_a_dicomdir_that_was_changed_has_offsets_that_hold(pydicom_files, syntax, lengths):
    before = read_dicomdir(pydicom_files["DICOMDIR-reordered"].parent / "DICOMDIR")
    ds = before.data_set
    ds.FileSetID = "ANOTHER"
    for item_ in ds.DirectoryRecordSequence:
        if "PatientName" in item_:
            item_.PatientName = "Somebody^With^A^Long^Name"
    data = file_bytes(ds, transfer_syntax=syntax, lengths=lengths)
    after = read_dicomdir(data, policy="strict" if syntax is None else "report")
    assert [(one.record_type, one.file_id, len(one.children)) for one in after.walk()] == [
        (one.record_type, one.file_id, len(one.children)) for one in before.walk()
    ]
    assert after.deviations == []
    assert len(list(after.walk())) == 52
    theirs = pydicom.dcmread(io.BytesIO(data))
    assert theirs.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity == after.records[0].offset


def test_a_record_that_was_deleted_leaves_no_offset_that_lies():
    records = (record("PATIENT", 0, at(1)), record("STUDY"))
    ds = directory(*records).data_set
    del ds.DirectoryRecordSequence[1]
    with pytest.raises(EncodeError, match=r"^DirectoryRecordSequence.0.OffsetOfReferencedLowerLevel.*PS3.3 F.3.2.2"):
        file_bytes(ds)
    ds.DirectoryRecordSequence[0].OffsetOfReferencedLowerLevelDirectoryEntity = 0
    assert shape(read_dicomdir(file_bytes(ds), policy="strict").records) == [("PATIENT", [])]


# ------------------------------------------------------------------------------------------------ DICOMDIRs of packages


@pytest.mark.peers
def test_dicomdirs_of_packages_are_those_of_pydicom(pydicom_files):
    compared = 0
    for name in ("DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-reordered", "DICOMDIR-empty.dcm"):
        path = pydicom_files["DICOMDIR-reordered"].parent / name
        found = read_dicomdir(path)
        assert found.deviations == []
        theirs = pydicom.dcmread(path)
        files = ["/".join(one.ReferencedFileID) for one in theirs.DirectoryRecordSequence if "ReferencedFileID" in one]
        assert sorted("/".join(one.file_id) for one in found.walk() if one.file_id) == sorted(files)
        assert sum(1 for _ in found.walk()) == len(theirs.DirectoryRecordSequence)
        compared += len(files)
        if name == "DICOMDIR":
            assert len(list(found.files())) == len(files) == 31
            assert [one.record_type for one in found.records] == ["PATIENT", "PATIENT"]
            for one, file in found.files():
                assert dicomwire.dcmread(file).SOPInstanceUID == one.data_set.ReferencedSOPInstanceUIDInFile
    assert compared == 31 * 4


# ----------------------------------------------------------------------------------------------------------- file-sets


def image(number, *, patient="P", study="1.2.1", series="1.2.1.1", sop_class="1.2.840.10008.5.1.4.1.1.2"):
    return part10(
        text(0x00080005, "CS", "ISO_IR 100")
        + text(0x00080016, "UI", sop_class)
        + text(0x00080018, "UI", f"1.2.1.1.{number}")
        + text(0x00080060, "CS", "CT")
        + element(0x00100010, "PN", "Müller".encode("latin-1"))
        + text(0x00100020, "LO", patient)
        + text(0x0020000D, "UI", study)
        + text(0x0020000E, "UI", series)
        + text(0x00200013, "IS", str(number)),
        more=text(0x00020002, "UI", sop_class) + text(0x00020003, "UI", f"1.2.1.1.{number}"),
    )


@pytest.fixture
def sources(tmp_path):
    found = []
    for number, options in enumerate(
        [
            {},
            {},
            {"series": "1.2.1.2"},
            {"study": "1.2.2", "series": "1.2.2.1"},
            {"patient": "Q", "study": "1.3", "series": "1.3.1"},
        ]
    ):
        path = tmp_path / f"source-{number}.dcm"
        path.write_bytes(image(number, **options))
        found.append(path)
    return found


def test_a_file_set(sources, tmp_path):
    root = tmp_path / "set"
    made = write_file_set(sources, root, file_set_id="MY_SET")
    assert (made.files, made.failed) == (5, [])
    found = read_dicomdir(root, policy="strict")
    files = {os.path.relpath(path, root): one for one, path in found.files()}
    assert sorted(files) == [
        "PT000000/ST000000/SE000000/IM000000",
        "PT000000/ST000000/SE000000/IM000001",
        "PT000000/ST000000/SE000001/IM000000",
        "PT000000/ST000001/SE000000/IM000000",
        "PT000001/ST000000/SE000000/IM000000",
    ]
    for name, one in files.items():
        copied = (root / name).read_bytes()
        assert copied == sources[one.data_set.InstanceNumber].read_bytes()
        assert one.data_set.ReferencedTransferSyntaxUIDInFile == "1.2.840.10008.1.2.1"
        assert all(re.fullmatch("[A-Z0-9_]{1,8}", part) for part in one.file_id)
    assert found.records[0].data_set.PatientName == "Müller"
    assert found.data_set.FileSetID == "MY_SET"
    assert found.data_set.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.1.3.10"
    with pytest.raises(FileExistsError):
        write_file_set(sources, root)


@pytest.mark.peers
def test_a_file_set_is_one_for_pydicom_and_dcmtk(pydicom_files, tmp_path):
    root = tmp_path / "set"
    names = (
        "CT_small.dcm",
        "MR_small.dcm",
        "rtplan.dcm",
        "rtdose.dcm",
        "reportsi.dcm",
        "waveform_ecg.dcm",
        "JPEG2000.dcm",
    )
    made = write_file_set([pydicom_files[name] for name in names], root)
    assert made.failed == []
    theirs = PydicomFileSet(root / "DICOMDIR")
    assert len(theirs) == len(names)
    for instance in theirs:
        read = pydicom.dcmread(instance.path)
        assert read.SOPInstanceUID == instance.SOPInstanceUID
        assert read.file_meta.TransferSyntaxUID == instance.ReferencedTransferSyntaxUIDInFile
    theirs._stage["t"].cleanup()  # which it would warn of
    assert {one.DirectoryRecordType for one in theirs} == {
        "IMAGE", "RT PLAN", "RT DOSE", "SR DOCUMENT", "WAVEFORM",
    }  # fmt: skip
    if shutil.which("dcmdump") is None:
        missing("dcmdump is not on the path (Debian: apt-get install dcmtk)")
    result = subprocess.run(["dcmdump", str(root / "DICOMDIR")], capture_output=True, text=True, check=True)
    assert result.stderr == ""
    assert result.stdout.count("(0004,1430)") == sum(1 for _ in read_dicomdir(root).walk())


@pytest.mark.peers
def test_a_dicomdir_of_dcmtk_is_read(sources, tmp_path):
    if shutil.which("dcmmkdir") is None:
        missing("dcmmkdir is not on the path (Debian: apt-get install dcmtk)")
    root = tmp_path / "set"
    ours = write_file_set(sources, root)
    assert ours.files == 5
    mine = read_dicomdir(root)
    os.rename(root / "DICOMDIR", tmp_path / "ours")
    names = [os.path.relpath(path, root) for _, path in mine.files()]
    command = ["dcmmkdir", "-Nxc", "-Nec", "-Nrc", "+I", "-W", *names]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    theirs = read_dicomdir(root, policy="strict")
    assert shape(theirs.records) == shape(mine.records)
    assert sorted(one.file_id for one in theirs.walk()) == sorted(one.file_id for one in mine.walk())


def test_files_that_cannot_be_taken(sources, tmp_path):
    other = {
        "none": (b"nothing", DecodeError),
        "bare": (image(9).partition(b"\x08\x00\x05\x00")[1] + image(9).partition(b"\x08\x00\x05\x00")[2], DecodeError),
        "no-series": (image(9, series=""), DecodeError),
        "twice": (image(0), EncodeError),
        "unknown": (image(9, sop_class="1.2.3"), UnsupportedError),
    }
    paths = []
    for name, (data, _) in other.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(data)
    made = write_file_set([*sources, *paths, tmp_path / "absent"], tmp_path / "set")
    assert made.files == 5
    assert [(os.path.basename(path), type(error)) for path, error in made.failed] == [
        *[(name, kind) for name, (_, kind) in other.items()],
        ("absent", FileNotFoundError),
    ]
    assert len(list(read_dicomdir(tmp_path / "set", policy="strict").files())) == 5


def test_a_copy_that_fails_leaves_no_record(sources, tmp_path, monkeypatch):
    made = FileSet(tmp_path / "set")
    made.add(sources[0])
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        for path in sources[1:]:
            with pytest.raises(OSError, match="full"):
                made.add(path)
    made.write()
    found = read_dicomdir(tmp_path / "set", policy="strict")
    assert [one.record_type for one in found.walk()] == ["PATIENT", "STUDY", "SERIES", "IMAGE"]
    assert made.add(sources[4])[0] == "PT000001"
    assert not [name for _, _, names in os.walk(tmp_path / "set") for name in names if name.endswith(".part")]


def test_names_of_many_files():
    from dicomwire.file.file_set import _name

    names = [_name("IM", number) for number in (0, 999_999, 1_000_000, 1_000_035, 1_000_036, 1_000_000 + 36**5)]
    assert names == ["IM000000", "IM999999", "IMA00000", "IMA0000Z", "IMA00010", "IMB00000"]
    with pytest.raises(EncodeError):
        _name("IM", 1_000_000 + 26 * 36**5)


def test_file_set_ids():
    for wrong in ("small", "A" * 17, "A-B"):
        with pytest.raises(EncodeError):
            FileSet(Path(), file_set_id=wrong)


@pytest.mark.parametrize(
    ("uid", "record_type"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", "IMAGE"),
        ("1.2.840.10008.5.1.4.1.1.481.5", "RT PLAN"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "PRESENTATION"),
        ("1.2.840.10008.5.1.4.1.1.88.33", "SR DOCUMENT"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "KEY OBJECT DOC"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "ENCAP DOC"),
        ("1.2.840.10008.5.1.4.1.1.66", "RAW DATA"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "IMAGE"),
    ],
)
def test_types_of_records(uid, record_type):
    assert record_type_for(uid) == record_type
