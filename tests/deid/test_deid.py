"""De-identification: the table, actions by Type, options, UIDs and pseudonyms by a key, nothing left in the bytes."""

import importlib.util
from pathlib import Path

import pydicom
import pytest

import dicomwire
from dicomwire.dataset.model import TEXT_VRS
from dicomwire.deid import Deidentifier, Options, profile_entry
from dicomwire.deid.engine import _STRUCTURE
from dicomwire.deid.profile import UNKNOWN, Types, entries, resolved
from dicomwire.deid.values import Pseudonyms, shifted
from dicomwire.errors import EncodeError, UnsupportedError
from dicomwire.file.writer import dcmwrite, file_bytes
from tests.builders import PIXEL_DATA, element, item, part10, sequence
from tests.support import missing

KEY = b"a secret of 16 bytes and more"
CT = "1.2.840.10008.5.1.4.1.1.2"


def text(tag, vr, value):
    data = value.encode()
    return element(tag, vr, data + (b"\0" if vr == "UI" else b" ") * (len(data) % 2))


def instance(*parts, sop_class=CT, uid="1.2.3.4", preamble=b"II*\0" + bytes(124)):
    """A file whose elements stand in the order of their tags."""
    head = (
        text(0x00080016, "UI", sop_class),
        text(0x00080018, "UI", uid),
        text(0x00100010, "PN", "Secret^Name"),
        text(0x00100020, "LO", "SECRET-ID"),
        text(0x0020000D, "UI", "1.2.3"),
    )
    body = b"".join(sorted((*head, *parts), key=lambda part: (part[1], part[0], part[3], part[2])))
    more = (
        text(0x00020016, "AE", "SECRETAE") + text(0x00020100, "UI", "1.2.3.9") + element(0x00020102, "OB", b"SECRETPI")
    )
    return part10(body, preamble=preamble, more=more)


def deidentified(data, options=None, key=KEY):
    """The data set that is read from what was written, and the outcome."""
    ds = dicomwire.dcmread(data)
    outcome = Deidentifier(key, options).apply(ds)
    return dicomwire.dcmread(file_bytes(ds)), outcome


# ----------------------------------------------------------------------------------------------------------- the table


def test_the_table_is_that_of_dicom_anonymizer():
    spec = importlib.util.find_spec("dicomanonymizer")
    if spec is None:
        missing("dicom-anonymizer is not installed")
    path = Path(spec.submodule_search_locations[0], "dicom_anonymization_databases", "dicomfields_2026c.py")
    source = importlib.util.spec_from_file_location("dicomfields", path)
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    names = {"Z_D": "Z/D", "X_Z": "X/Z", "X_D": "X/D", "X_Z_D": "X/Z/D", "X_Z_U_STAR": "X/Z/U*"}
    compared = 0
    for name in ("D", "Z", "X", "U", "Z_D", "X_Z", "X_D", "X_Z_D", "X_Z_U_STAR"):
        for group, number, *_ in getattr(module, f"{name}_TAGS"):
            assert profile_entry(group << 16 | number).basic == names.get(name, name), (group, number)
            compared += 1
    assert compared == len(entries()) == 655


def test_rows():
    assert (profile_entry(0x00100020).basic, profile_entry(0x00100020).options) == ("Z/D", {})
    assert profile_entry(0x00080020).options == {"full_dates": "K", "modified_dates": "C"}
    assert profile_entry(0x0008103E).options["descriptors"] == "C"
    assert profile_entry(0x50020010) is profile_entry(0x50FF3000) is not None
    assert profile_entry(0x60023000).basic == "X"
    assert profile_entry(0x60020010) is None
    assert profile_entry(0x00080060) is None


@pytest.mark.parametrize(
    ("action", "by_type"),
    [
        ("X", "XXXXXX"),
        ("U", "UUUUUU"),
        ("Z/D", "DDZZZD"),
        ("X/Z", "ZZZZXZ"),
        ("X/D", "DDXXXD"),
        ("X/Z/D", "DDZZXD"),
    ],
)
def test_combined_actions(action, by_type):
    assert "".join(resolved(action, type_) for type_ in ("1", "1C", "2", "2C", "3", UNKNOWN)) == by_type


def test_uids_of_sequences_stay_where_the_sequence_must():
    assert [resolved("X/Z/U*", type_) for type_ in ("1", "2", "3")] == ["U*", "Z", "X"]


def test_types_of_nested_attributes():
    types = Types(CT)
    assert types.of((0x00100020,)) == "2"
    assert types.of((0x00080018,)) == "1"
    assert types.of((0x00081140, 0x00081155)) == "1"
    assert types.of((0x00081140, 0x00100010)) == "3"
    assert types.of((0x00081140, 0x00100010, 0x00100020)) == UNKNOWN
    assert Types("1.2.3").of((0x00100020,)) == UNKNOWN


# ----------------------------------------------------------------------------------------------------- basic profile


def test_basic_profile():
    ds, outcome = deidentified(
        instance(
            text(0x00080020, "DA", "20200102"),
            text(0x00080050, "SH", "ACC"),
            text(0x00080060, "CS", "CT"),
            text(0x00080080, "LO", "Hospital"),
            text(0x0008103E, "LO", "Series of Secret"),
            text(0x00100030, "DA", "19500102"),
            element(0x60003000, "OW", b"\1\2"),
            element(PIXEL_DATA, "OW", b"\1\2\3\4"),
        )
    )
    assert ds.SOPClassUID == CT
    assert ds.Modality == "CT"
    assert bytes(ds.PixelData) == b"\1\2\3\4"
    assert [ds.StudyDate, ds.AccessionNumber, ds.PatientBirthDate] == ["", "", ""]
    for keyword in ("InstitutionName", "SeriesDescription"):
        assert keyword not in ds
    assert 0x60003000 not in ds
    assert ds.PatientID == ds.PatientName
    assert (ds.PatientID[0], len(ds.PatientID)) == ("P", 13)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID"):
        assert ds[keyword].value.startswith("2.25.")
        assert len(ds[keyword].value) <= 64
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.DeidentificationMethod == "Basic Application Confidentiality Profile"
    assert [one.CodeValue for one in ds.DeidentificationMethodCodeSequence] == ["113100"]
    assert ds.LongitudinalTemporalInformationModified == "REMOVED"
    assert outcome.codes == [("113100", "Basic Application Confidentiality Profile")]
    assert outcome.actions == {"X": 3, "Z": 3, "U": 2, "D": 2}
    assert ds.preamble == bytes(128)
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    for tag in (0x00020016, 0x00020100, 0x00020102):
        assert tag not in ds.file_meta


def test_nested_items_too():
    inner = item(text(0x00081150, "UI", CT) + text(0x00081155, "UI", "1.2.3.4") + text(0x00100010, "PN", "Secret"))
    ds, _ = deidentified(instance(sequence(0x00081140, inner), sequence(0x00081199, item(sequence(0x00081140, inner)))))
    found = ds.ReferencedSOPSequence[0].ReferencedImageSequence[0]
    assert found.ReferencedSOPInstanceUID == ds.SOPInstanceUID
    assert found.ReferencedSOPClassUID == CT
    assert "Secret" not in file_bytes(ds).decode("latin-1")


def test_content_of_reports_becomes_dummies():
    code = item(text(0x00080100, "SH", "1") + text(0x00080102, "SH", "DCM") + text(0x00080104, "LO", "Secret"))
    inner = item(text(0x0040A040, "CS", "TEXT") + text(0x0040A160, "UT", "Secret text"))
    content = item(
        text(0x0040A010, "CS", "CONTAINS") + text(0x0040A040, "CS", "TEXT") + sequence(0x0040A043, code)
        + text(0x0040A160, "UT", "Secret finding") + sequence(0x0040A730, inner)
    )  # fmt: skip
    ds, _ = deidentified(instance(sequence(0x0040A730, content), sop_class="1.2.840.10008.5.1.4.1.1.88.11"))
    found = ds.ContentSequence[0]
    assert (found.RelationshipType, found.ValueType, found.TextValue) == ("CONTAINS", "TEXT", "ANONYMIZED")
    assert found.ConceptNameCodeSequence[0].CodeMeaning == "ANONYMIZED"
    assert found.ContentSequence[0].TextValue == "ANONYMIZED"
    assert b"Secret" not in file_bytes(ds)


def test_group_lengths_and_private_elements_go():
    private = text(0x00090010, "LO", "MAKER") + text(0x00091001, "LO", "Secret")
    ds, _ = deidentified(instance(element(0x00080000, "UL", b"\0\0\0\0"), text(0x00090010, "LO", "MAKER"),
                                  text(0x00091001, "LO", "Secret"), sequence(0x00081140, item(private))))  # fmt: skip
    assert not [found for found in ds.iterall() if found.is_private or found.tag & 0xFFFF == 0]


def test_same_key_same_result_and_another_key_another():
    data = instance()
    first, again, other = (deidentified(data, key=key)[0] for key in (KEY, KEY, b"another secret of some bytes"))
    assert first == again
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "PatientID"):
        assert first[keyword].value != other[keyword].value
    uids = {Pseudonyms(KEY).uid(f"1.2.{number}") for number in range(1000)}
    assert len(uids) == 1000
    with pytest.raises(EncodeError, match="a key of 5 bytes"):
        Deidentifier(b"short")


def test_uids_of_the_standard_stay():
    assert Pseudonyms(KEY).uid("1.2.840.10008.1.2.1") == "1.2.840.10008.1.2.1"
    assert Pseudonyms(KEY).uid("1.2.3") == Pseudonyms(KEY).uid("1.2.3\0")


def test_an_unknown_sop_class_keeps_what_may_be_needed():
    parts = (text(0x00080020, "DA", "20200102"), text(0x00181000, "LO", "SERIAL"))
    known, _ = deidentified(instance(*parts))
    unknown, _ = deidentified(instance(*parts, sop_class="1.2.3"))
    assert "DeviceSerialNumber" not in known
    assert unknown.DeviceSerialNumber == "ANONYMIZED"


# ------------------------------------------------------------------------------------------------------------- options


def test_what_is_retained():
    data = instance(
        text(0x00080020, "DA", "20200102"), text(0x00080080, "LO", "Hospital"), text(0x00100040, "CS", "F"),
        text(0x00181000, "LO", "SERIAL"), text(0x00090010, "LO", "MAKER"), text(0x00091001, "LO", "safe"),
        text(0x00091002, "LO", "Secret"), text(0x00110010, "LO", "OTHER"), text(0x00111001, "LO", "Secret"),
    )  # fmt: skip
    options = Options(
        retain_uids=True, retain_device=True, retain_institution=True, retain_patient=True, retain_full_dates=True,
        retain_private=[("MAKER", 0x0009, 0x01)],
    )  # fmt: skip
    ds, outcome = deidentified(data, options)
    assert (ds.SOPInstanceUID, ds.DeviceSerialNumber, ds.InstitutionName) == ("1.2.3.4", "SERIAL", "Hospital")
    assert (ds.PatientSex, ds.StudyDate) == ("F", "20200102")
    assert [f"{found.tag:08X}" for found in ds if found.is_private] == ["00090010", "00091001"]
    assert [code for code, _ in outcome.codes] == ["113100", "113110", "113109", "113112", "113108", "113106", "113111"]
    assert ds.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert ds.PatientName != "Secret^Name"


def test_dates_are_moved():
    data = instance(
        text(0x00080020, "DA", "20200301"), text(0x00080023, "DA", "20200305"),
        text(0x0008002A, "DT", "20200301120000.5+0100"),
        text(0x00080030, "TM", "1213"), text(0x00100030, "DA", "19500102"),
    )  # fmt: skip
    ds, outcome = deidentified(data, Options(retain_modified_dates=True, shift_days=-60))
    assert (ds.StudyDate, ds.ContentDate, ds.StudyTime) == ("20200101", "20200105", "1213")
    assert ds.AcquisitionDateTime == "20200101120000.5+0100"
    assert ds.PatientBirthDate == ""
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"
    assert ("113107", "Retain Longitudinal Temporal Information Modified Dates Option") in outcome.codes
    first, _ = deidentified(data, Options(retain_modified_dates=True))
    again, _ = deidentified(data, Options(retain_modified_dates=True))
    assert first.StudyDate == again.StudyDate < "20200301"
    with pytest.raises(ValueError, match="either"):
        Options(retain_modified_dates=True, retain_full_dates=True)


@pytest.mark.parametrize(
    ("value", "vr", "wanted"),
    [
        ("20200101", "DA", "20191231"), ("2020.01.01", "DA", "20191231"), ("20200101 ", "DA", "20191231"),
        ("202001011213", "DT", "201912311213"), ("2020", "DT", None), ("202013", "DA", None), ("20201301", "DA", None),
        ("Secret00", "DA", None), ("00010101", "DA", None), ("2020010199", "DA", None),
    ],
)  # fmt: skip
def test_shifting(value, vr, wanted):
    assert shifted(value, vr, -1) == wanted


def test_dates_that_cannot_be_moved_are_treated_by_the_basic_profile():
    ds, _ = deidentified(instance(text(0x00080020, "DA", "Secret")), Options(retain_modified_dates=True, shift_days=-1))
    assert ds.StudyDate == ""


def test_descriptors_are_cleaned_by_the_callers_function():
    asked = []

    def clean(found):
        asked.append(found.keyword)
        return None if found.keyword == "StudyDescription" else str(found.value).replace("Secret", "***")

    data = instance(text(0x00081030, "LO", "a Secret"), text(0x0008103E, "LO", "chest of Secret"))
    ds, outcome = deidentified(data, Options(clean_descriptors=clean))
    assert ds.SeriesDescription == "chest of ***"
    assert "StudyDescription" not in ds
    assert asked == ["StudyDescription", "SeriesDescription"]
    assert ("113105", "Clean Descriptors Option") in outcome.codes


def test_pixels_graphics_and_structure_are_for_the_callers_functions():
    def paint(found):
        found.PixelData = b"\0\0"
        return True

    overlay = element(0x60003000, "OW", b"\1\2")
    data = instance(overlay, element(PIXEL_DATA, "OW", b"\7\7"))
    options = Options(
        clean_pixel_data=paint, clean_graphics=lambda found: True, clean_recognizable_features=lambda ds: False
    )
    ds, outcome = deidentified(data, options)
    assert bytes(ds.PixelData) == b"\0\0"
    assert bytes(ds[0x60003000].value) == b"\1\2"
    assert [code for code, _ in outcome.codes] == ["113100", "113101", "113103"]


@pytest.mark.parametrize(
    "name",
    [
        "clean_descriptors",
        "clean_structured_content",
        "clean_graphics",
        "clean_pixel_data",
        "clean_recognizable_features",
    ],
)
def test_what_needs_judgement_needs_a_function(name):
    with pytest.raises(UnsupportedError, match=name):
        Options(**{name: True})


def test_a_dicomdir_is_refused():
    data = part10(sequence(0x00041220, item(text(0x00100010, "PN", "Secret"))))
    with pytest.raises(UnsupportedError, match="DICOMDIR"):
        Deidentifier(KEY).apply(dicomwire.dcmread(data))


# --------------------------------------------------------------------------------------------------------------- files


def test_files(tmp_path):
    source = tmp_path / "Secret.dcm"
    source.write_bytes(instance(element(PIXEL_DATA, "OW", bytes(range(256)) * 100)))
    path, _ = Deidentifier(KEY).file(source, folder=tmp_path)
    ds = dicomwire.dcmread(path)
    assert Path(path).name == f"{ds.SOPInstanceUID}.dcm"
    assert bytes(ds.PixelData) == bytes(range(256)) * 100
    with pytest.raises(FileExistsError):
        Deidentifier(KEY).file(source, folder=tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["Secret.dcm", Path(path).name])


def identifying(data_set):
    """Raw values that must not be left, and those that stay."""
    gone, stays = set(), []
    for found in data_set.iterall():
        if found.VR == "SQ" or not found.length:
            continue
        raw = bytes(found.raw).strip(b" \0")
        entry = profile_entry(int(found.tag))
        inside_report = "ContentSequence" in found.path and found.keyword not in _STRUCTURE
        if found.is_private or entry is not None or inside_report:
            # Numbers are the same here and there; text is what identifies.
            if len(raw) <= 256 and found.VR in TEXT_VRS and not raw.startswith(b"1.2.840.10008."):
                gone.update(part.strip() for part in raw.split(b"\\"))
        else:
            stays.append(raw)
    return {value for value in gone if len(value) >= 6}, b"\n".join(stays)


def test_no_identifying_value_is_left_in_the_bytes_of_real_files(real_files, tmp_path):
    owner = Deidentifier(KEY)
    searched = files = 0
    refused: list[str] = []
    target = tmp_path / "out.dcm"
    for _, path in real_files:
        original = dicomwire.dcmread(path, force=True)
        if "SOPClassUID" not in original or "DirectoryRecordSequence" in original:
            continue
        gone, stays = identifying(original)
        pixels = bytes(original["PixelData"].raw) if "PixelData" in original else b""
        ds = dicomwire.dcmread(path, force=True)
        owner.apply(ds)
        try:
            dcmwrite(target, ds, overwrite=True)
        except UnsupportedError:
            refused.append(path.name)  # encapsulated by its transfer syntax, native by its bytes
            continue
        data = target.read_bytes()
        again = dicomwire.dcmread(data)
        if pixels:
            assert bytes(again["PixelData"].raw) == pixels, path.name
            data = data.replace(pixels, b"")
        for value in gone:
            if value not in stays and value not in (b"ANONYMIZED", b"000000", b"19000101"):
                assert value not in data, (path.name, value)
                searched += 1
        files += 1
    assert refused == ["SC_rgb_jpeg.dcm"] or not refused
    assert files > 250
    assert searched > 4000


def test_results_of_real_files_are_the_same_each_time(real_files):
    compared = 0
    for _, path in real_files[::10]:
        if "DirectoryRecordSequence" in dicomwire.dcmread(path, force=True):
            continue
        made = []
        for _ in range(2):
            ds = dicomwire.dcmread(path, force=True)
            Deidentifier(KEY).apply(ds)
            made.append(file_bytes(ds))
        assert made[0] == made[1], path.name
        compared += 1
    assert compared > 20


def test_only_what_can_be_changed_in_place_is_taken():
    with pytest.raises(TypeError, match=r"not pydicom\.dataset\.Dataset: DataSet\.from_pydicom"):
        Deidentifier(KEY).apply(pydicom.Dataset())
