"""Writing a file-set: files under File IDs that media can have, and the DICOMDIR that lists them (PS3.10 section 8)."""

from __future__ import annotations

import os
import re
import shutil
import struct
from itertools import pairwise

from _dicomwire.dataset import DataSet
from _dicomwire.part10 import dcmread
from dicomwire.dictionary import UID
from dicomwire.dictionary.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, generate_uid
from dicomwire.errors import DecodeError, DicomWireError, EncodeError, UnsupportedError
from dicomwire.file.dicomdir import MEDIA_STORAGE_DIRECTORY
from dicomwire.file.writer import data_set_bytes
from dicomwire.replacing import replacing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Path = str | os.PathLike[str]

EXPLICIT_LE = "1.2.840.10008.1.2.1"
MAX_FILES = 36**5  # of one kind below one folder: two letters and six digits would hold more

# What each type of record has of its instance besides the character set (PS3.3 section F.5): keywords, and whether an
# empty element stands for a missing one.
_ALWAYS = "always"
_IF_THERE = "if there"
_KEYS: dict[str, tuple[tuple[str, str], ...]] = {
    "PATIENT": (
        ("PatientName", _ALWAYS),
        ("PatientID", _ALWAYS),
        ("PatientBirthDate", _IF_THERE),
        ("PatientSex", _IF_THERE),
    ),
    "STUDY": (
        ("StudyDate", _ALWAYS),
        ("StudyTime", _ALWAYS),
        ("AccessionNumber", _ALWAYS),
        ("StudyDescription", _ALWAYS),
        ("StudyInstanceUID", _ALWAYS),
        ("StudyID", _ALWAYS),
    ),
    "SERIES": (
        ("Modality", _ALWAYS),
        ("InstitutionName", _IF_THERE),
        ("InstitutionAddress", _IF_THERE),
        ("SeriesDescription", _IF_THERE),
        ("PerformingPhysicianName", _IF_THERE),
        ("SeriesInstanceUID", _ALWAYS),
        ("SeriesNumber", _ALWAYS),
    ),
    "IMAGE": (("ImageType", _IF_THERE), ("InstanceNumber", _ALWAYS)),
    "RT DOSE": (("InstanceNumber", _ALWAYS), ("DoseSummationType", _ALWAYS), ("DoseComment", _IF_THERE)),
    "RT STRUCTURE SET": (
        ("InstanceNumber", _ALWAYS),
        ("StructureSetLabel", _ALWAYS),
        ("StructureSetDate", _ALWAYS),
        ("StructureSetTime", _ALWAYS),
    ),
    "RT PLAN": (
        ("InstanceNumber", _ALWAYS),
        ("RTPlanLabel", _ALWAYS),
        ("RTPlanDate", _ALWAYS),
        ("RTPlanTime", _ALWAYS),
    ),
    "RT TREAT RECORD": (("InstanceNumber", _ALWAYS), ("TreatmentDate", _ALWAYS), ("TreatmentTime", _ALWAYS)),
    "PRESENTATION": (
        ("PresentationCreationDate", _ALWAYS),
        ("PresentationCreationTime", _ALWAYS),
        ("InstanceNumber", _ALWAYS),
        ("ContentLabel", _ALWAYS),
        ("ContentDescription", _ALWAYS),
        ("ContentCreatorName", _ALWAYS),
        ("ReferencedSeriesSequence", _IF_THERE),
    ),
    "WAVEFORM": (("InstanceNumber", _ALWAYS), ("ContentDate", _ALWAYS), ("ContentTime", _ALWAYS)),
    "SR DOCUMENT": (
        ("InstanceNumber", _ALWAYS),
        ("ContentDate", _ALWAYS),
        ("ContentTime", _ALWAYS),
        ("VerificationDateTime", _IF_THERE),
        ("ConceptNameCodeSequence", _ALWAYS),
        ("CompletionFlag", _ALWAYS),
        ("VerificationFlag", _ALWAYS),
    ),
    "KEY OBJECT DOC": (
        ("InstanceNumber", _ALWAYS),
        ("ContentDate", _ALWAYS),
        ("ContentTime", _ALWAYS),
        ("ConceptNameCodeSequence", _ALWAYS),
    ),
    "SPECTROSCOPY": (
        ("ImageType", _ALWAYS),
        ("ContentDate", _ALWAYS),
        ("ContentTime", _ALWAYS),
        ("InstanceNumber", _ALWAYS),
        ("NumberOfFrames", _ALWAYS),
        ("Rows", _ALWAYS),
        ("Columns", _ALWAYS),
        ("DataPointRows", _ALWAYS),
        ("DataPointColumns", _ALWAYS),
    ),
    "RAW DATA": (("ContentDate", _ALWAYS), ("ContentTime", _ALWAYS), ("InstanceNumber", _ALWAYS)),
    "ENCAP DOC": (
        ("ContentDate", _ALWAYS),
        ("ContentTime", _ALWAYS),
        ("InstanceNumber", _ALWAYS),
        ("DocumentTitle", _ALWAYS),
        ("HL7InstanceIdentifier", _IF_THERE),
        ("ConceptNameCodeSequence", _ALWAYS),
        ("MIMETypeOfEncapsulatedDocument", _ALWAYS),
    ),
}
_CONTENT = (
    ("ContentDate", _ALWAYS),
    ("ContentTime", _ALWAYS),
    ("InstanceNumber", _ALWAYS),
    ("ContentLabel", _ALWAYS),
    ("ContentDescription", _ALWAYS),
    ("ContentCreatorName", _ALWAYS),
)
for _type in ("REGISTRATION", "FIDUCIAL", "VALUE MAP", "STEREOMETRIC", "MEASUREMENT", "SURFACE", "TRACT"):
    _KEYS[_type] = _CONTENT

# Types of records by words in the keyword of the SOP Class, the first that fits (PS3.3 table F.4-1, PS3.4 Annex B.5).
_TYPES = (
    ("RTDose", "RT DOSE"),
    ("RTStructureSet", "RT STRUCTURE SET"),
    ("RTPlan", "RT PLAN"),
    ("RTIonPlan", "RT PLAN"),
    ("TreatmentRecord", "RT TREAT RECORD"),
    ("TreatmentSummaryRecord", "RT TREAT RECORD"),
    ("PresentationState", "PRESENTATION"),
    ("Waveform", "WAVEFORM"),
    ("ECG", "WAVEFORM"),
    ("KeyObjectSelection", "KEY OBJECT DOC"),
    ("Spectroscopy", "SPECTROSCOPY"),
    ("RawData", "RAW DATA"),
    ("SpatialRegistration", "REGISTRATION"),
    ("SpatialFiducials", "FIDUCIAL"),
    ("Encapsulated", "ENCAP DOC"),
    ("RealWorldValueMapping", "VALUE MAP"),
    ("StereometricRelationship", "STEREOMETRIC"),
    ("SurfaceSegmentation", "SURFACE"),
    ("TractographyResults", "TRACT"),
    ("SR", "SR DOCUMENT"),
    ("CADS", "SR DOCUMENT"),
    ("Report", "SR DOCUMENT"),
    ("ImageStorage", "IMAGE"),
    ("SegmentationStorage", "IMAGE"),
)


def record_type_for(sop_class_uid: str) -> str:
    """Type of the record for instances of a SOP Class; UnsupportedError for one that has none here."""
    keyword = UID(sop_class_uid).keyword or ""
    for word, record_type in _TYPES:
        if word in keyword and "Storage" in keyword:
            return record_type
    raise UnsupportedError("no type of directory record is known for the SOP Class", what="directory record")


class _Node:
    """A record to be written, with those below it."""

    __slots__ = ("below", "folder", "offset", "record")

    def __init__(self, record: DataSet, folder: tuple[str, ...]) -> None:
        self.record = record
        self.folder = folder
        self.below: dict[object, _Node] = {}
        self.offset = 0


class FileSet:
    """A file-set that is being written into a folder; made by :func:`write_file_set`, or step by step.

    ``failed`` lists the files that could not be taken, with the error of each.
    """

    def __init__(self, root: Path, *, file_set_id: str = "") -> None:
        if file_set_id and not re.fullmatch("[A-Z0-9_ ]{1,16}", file_set_id):
            raise EncodeError("a File-set ID has up to 16 of A-Z, 0-9, _ and blank", section="PS3.10 8.1")
        self.root = os.fspath(root)
        self.file_set_id = file_set_id
        self.files = 0
        self.failed: list[tuple[str, BaseException]] = []
        self._patients: dict[object, _Node] = {}
        self._instances: set[str] = set()

    def add(self, path: Path) -> tuple[str, ...]:
        """Copy a file into the file-set, as it is; its File ID.

        DecodeError for a file without File Meta Information, or that names no patient's study, series or instance;
        UnsupportedError for a DICOMDIR or a SOP Class without a type of record; EncodeError for an instance that is
        there already.
        """
        data_set = dcmread(path, stop_before_pixels=True)
        meta = data_set.file_meta
        if data_set.preamble is None or "TransferSyntaxUID" not in meta:
            raise DecodeError("the file has no File Meta Information", section="PS3.10 7.1")
        sop_class, instance = (str(data_set.get(word, "") or "") for word in ("SOPClassUID", "SOPInstanceUID"))
        study, series = (str(data_set.get(word, "") or "") for word in ("StudyInstanceUID", "SeriesInstanceUID"))
        if not (sop_class and instance and study and series):
            raise DecodeError("a study, series or instance without its UID", section="PS3.3 F.5")
        if instance in self._instances:
            raise EncodeError("the instance is in the file-set already", section="PS3.10 8.5")
        record_type = record_type_for(sop_class)
        patient = (str(data_set.get("PatientID", "")), str(data_set.get("PatientName", "")))
        node = self._patients
        folder: tuple[str, ...] = ()
        made: Callable[[], None] | None = None
        for level, key, prefix in (("PATIENT", patient, "PT"), ("STUDY", study, "ST"), ("SERIES", series, "SE")):
            found = node.get(key)
            if found is None:
                found = _Node(_record(level, data_set), (*folder, _name(prefix, len(node))))
                if made is None:
                    made = _Undo(node, key)
                node[key] = found
            node, folder = found.below, found.folder
        try:
            file_id = (*folder, _name("IM", len(node)))
            record = _record(record_type, data_set)
            record.ReferencedFileID = list(file_id)
            record.ReferencedSOPClassUIDInFile = sop_class
            record.ReferencedSOPInstanceUIDInFile = instance
            record.ReferencedTransferSyntaxUIDInFile = str(meta.TransferSyntaxUID)
            target = os.path.join(self.root, *file_id)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with replacing(target) as temporary:
                shutil.copyfile(path, temporary)
        except BaseException:
            if made is not None:
                made()
            raise
        node[instance] = _Node(record, file_id)
        self._instances.add(instance)
        self.files += 1
        return file_id

    def write(self) -> str:
        """Write the DICOMDIR; its path."""
        os.makedirs(self.root, exist_ok=True)
        target = os.path.join(self.root, "DICOMDIR")
        with replacing(target) as temporary, open(temporary, "wb") as out:
            out.write(self._encoded())
        return target

    def _encoded(self) -> bytes:
        """The DICOMDIR: records in the order of the tree, offsets that lead through them (PS3.3 section F.3.2.2)."""
        nodes: list[_Node] = []
        stack = list(reversed(self._patients.values()))
        while stack:
            node = stack.pop()
            nodes.append(node)
            stack += reversed(node.below.values())
        meta = _meta()
        head = DataSet()
        head.FileSetID = self.file_set_id
        head.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
        head.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
        head.FileSetConsistencyFlag = 0
        offset = len(meta) + len(data_set_bytes(head, transfer_syntax=EXPLICIT_LE)) + 12
        total = 0
        for node in nodes:
            node.offset = offset + total
            total += 8 + len(data_set_bytes(node.record, transfer_syntax=EXPLICIT_LE, lengths="known"))
        _link(self._patients)
        for node in nodes:
            _link(node.below)
            node.record.OffsetOfReferencedLowerLevelDirectoryEntity = _first(node.below)
        head.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = _first(self._patients)
        head.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = _last(self._patients)
        parts = [meta, data_set_bytes(head, transfer_syntax=EXPLICIT_LE)]
        parts.append(struct.pack("<HH2sHI", 4, 0x1220, b"SQ", 0, total))
        for node in nodes:
            body = data_set_bytes(node.record, transfer_syntax=EXPLICIT_LE, lengths="known")
            parts += [struct.pack("<HHI", 0xFFFE, 0xE000, len(body)), body]
        return b"".join(parts)


class _Undo:
    """Takes back the uppermost record that was made for a file which then could not be copied."""

    __slots__ = ("_key", "_nodes")

    def __init__(self, nodes: dict[object, _Node], key: object) -> None:
        self._nodes = nodes
        self._key = key

    def __call__(self) -> None:
        self._nodes.pop(self._key, None)


def write_file_set(paths: Iterable[Path], root: Path, *, file_set_id: str = "") -> FileSet:
    """Copy files into a folder under File IDs, and write the DICOMDIR that lists them; the FileSet that was made.

    File IDs are PT000000/ST000000/SE000000/IM000000: four components of eight of A-Z, 0-9 and _ (PS3.10 section 8.2).
    Files are copied as they are.  One that cannot be taken is listed in ``failed``, and the rest goes on.  A DICOMDIR
    in the folder is a FileExistsError: a file-set that is there is not written over.
    """
    made = FileSet(root, file_set_id=file_set_id)
    if os.path.lexists(os.path.join(made.root, "DICOMDIR")):
        raise FileExistsError(17, "a file-set is there already", os.path.join(made.root, "DICOMDIR"))
    for path in paths:
        try:
            made.add(path)
        except (DicomWireError, OSError) as error:
            made.failed.append((os.fspath(path), error))
    made.write()
    return made


def _name(prefix: str, number: int) -> str:
    """A component of a File ID: two letters and six digits, in base 36 from a million on."""
    if number < 1_000_000:
        return f"{prefix}{number:06}"
    number -= 1_000_000
    if number >= 26 * MAX_FILES:
        raise EncodeError("more files below one folder than names", section="PS3.10 8.2")
    digits = []
    for _ in range(5):
        number, digit = divmod(number, 36)
        digits.append("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit])
    return prefix + chr(ord("A") + number) + "".join(reversed(digits))


def _record(record_type: str, data_set: DataSet) -> DataSet:
    """A record with the keys of its type, offsets not known yet."""
    record = DataSet(policy="ignore")
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = 0xFFFF
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = record_type
    if data_set.get("SpecificCharacterSet"):
        record["SpecificCharacterSet"] = data_set["SpecificCharacterSet"]
    for keyword, when in _KEYS[record_type]:
        if keyword in data_set:
            record[keyword] = data_set[keyword]
        elif when == _ALWAYS:
            setattr(record, keyword, [] if keyword.endswith("Sequence") else None)
    return record


def _link(nodes: dict[object, _Node]) -> None:
    """Let each record of a level lead to the next one."""
    level = list(nodes.values())
    for node, following in pairwise(level):
        node.record.OffsetOfTheNextDirectoryRecord = following.offset
    if level:
        level[-1].record.OffsetOfTheNextDirectoryRecord = 0


def _first(nodes: dict[object, _Node]) -> int:
    return next((node.offset for node in nodes.values()), 0)


def _last(nodes: dict[object, _Node]) -> int:
    return next((node.offset for node in reversed(nodes.values())), 0)


def _meta() -> bytes:
    """Preamble and File Meta Information of a DICOMDIR (PS3.10 sections 7.1 and 8.6)."""
    meta = DataSet()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = MEDIA_STORAGE_DIRECTORY
    meta.MediaStorageSOPInstanceUID = str(generate_uid())
    meta.TransferSyntaxUID = EXPLICIT_LE
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    body = data_set_bytes(meta, transfer_syntax=EXPLICIT_LE)
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body
