"""DICOMDIR: the records of a file-set as a tree, and the files that they mean (PS3.3 Annex F, PS3.10 section 8).

Records refer to one another by offsets in the file.  Offsets that lead nowhere, or back, are told and passed over;
records that nothing leads to are put where their type and the order of the file say.  A File ID never leads out of the
root.
"""

from __future__ import annotations

import os
from copy import copy

from _dicomwire.dataset import DataSet, Sequence
from _dicomwire.part10 import dcmread
from dicomwire.errors import DecodeError, Deviation, EncodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Path = str | os.PathLike[str]

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
MAX_FILE_ID = 64  # components; the standard has 8, and some media more

# How deep a type of record stands; others are below a series (PS3.3 table F.4-1).
LEVELS = {
    "PATIENT": 0, "STUDY": 1, "SERIES": 2,
    "HANGING PROTOCOL": 0, "PALETTE": 0, "IMPLANT": 0, "IMPLANT GROUP": 0, "IMPLANT ASSY": 0, "TOPIC": 0, "PRIVATE": 0,
}  # fmt: skip
_INSTANCE_LEVEL = 3

_NEXT, _LOWER, _REFERENCED = 0x00041400, 0x00041420, 0x00041504
_FIRST_OF_ROOT, _LAST_OF_ROOT = 0x00041200, 0x00041202
_ITEM = 0xFFFEE000


class DirectoryRecord:
    """A record of a DICOMDIR, a view of the DataSet in ``data_set``; ``children`` are those of its lower level."""

    __slots__ = ("children", "data_set", "offset")

    def __init__(self, data_set: DataSet, offset: int) -> None:
        self.data_set = data_set
        self.offset = offset  # of its item's tag in the DICOMDIR
        self.children: list[DirectoryRecord] = []

    @property
    def record_type(self) -> str:
        """Directory Record Type: "PATIENT", "STUDY", "SERIES", "IMAGE" ..., or ""."""
        value = self.data_set.get("DirectoryRecordType")
        return value if isinstance(value, str) else ""

    @property
    def file_id(self) -> tuple[str, ...]:
        """Components of the Referenced File ID; () for a record without a file (PS3.10 section 8.2)."""
        value = self.data_set.get("ReferencedFileID")
        parts = value if isinstance(value, list) else [value]
        return tuple(str(part) for part in parts) if value else ()

    @property
    def is_in_use(self) -> bool:
        """Whether the record counts: Record In-use Flag is not 0000H, which means inactive (PS3.3 section F.3.2.2)."""
        return self.data_set.get("RecordInUseFlag") != 0

    def walk(self) -> Iterator[DirectoryRecord]:
        """The record and all below it."""
        stack = [self]
        while stack:
            record = stack.pop()
            yield record
            stack.extend(reversed(record.children))

    def __repr__(self) -> str:
        return f"<DirectoryRecord {self.record_type or '?'}, {len(self.children)} below>"


class Directory:
    """A DICOMDIR that was read.

    ``records`` are those of the uppermost level, ``data_set`` is all of it, ``root`` the folder of the file-set, and
    ``deviations`` tell what was wrong with it.
    """

    __slots__ = ("data_set", "deviations", "records", "root")

    def __init__(
        self, data_set: DataSet, root: str | None, records: list[DirectoryRecord], deviations: list[Deviation]
    ) -> None:
        self.data_set = data_set
        self.root = root
        self.records = records
        self.deviations = deviations

    def walk(self) -> Iterator[DirectoryRecord]:
        """All records, each before those below it."""
        for record in self.records:
            yield from record.walk()

    def path_of(self, record: DirectoryRecord) -> str:
        """Path of a record's file.

        DecodeError for a File ID that is none or would lead out of the root; FileNotFoundError where there is no such
        file under the name as it stands, in small letters, or with a version or a point behind it, as ISO 9660 has it.
        """
        if self.root is None:
            raise DecodeError("the DICOMDIR was not read from a file, its files have no place")
        return resolve_file_id(self.root, record.file_id)

    def files(self) -> Iterator[tuple[DirectoryRecord, str]]:
        """Records in use that have a file, and its path; those without one that can be found are left out."""
        for record in self.walk():
            if record.file_id and record.is_in_use:
                try:
                    path = self.path_of(record)
                except (DecodeError, FileNotFoundError):
                    continue
                yield record, path


def resolve_file_id(root: Path, file_id: tuple[str, ...]) -> str:
    """Path of the file that a File ID means in the file-set at ``root``; errors as of Directory.path_of."""
    folder = os.path.realpath(root)
    if not file_id or len(file_id) > MAX_FILE_ID:
        raise DecodeError(f"a File ID of {len(file_id)} components", section="PS3.10 8.2")
    path = folder
    for component in file_id:
        name = component.strip(" ")
        if name in ("", ".", "..") or any(character in name for character in "/\\\0:"):
            raise DecodeError("a component of a File ID is no name of a file", section="PS3.10 8.2")
        path = _entry(path, name)
    if os.path.commonpath((folder, os.path.realpath(path))) != folder:
        raise DecodeError("a File ID leads out of the file-set", section="PS3.10 8.2")
    return path


def _entry(folder: str, name: str) -> str:
    """What is called so in a folder, as file systems of media spell it."""
    for candidate in (name, name.lower(), f"{name};1", f"{name.lower()};1", f"{name}.", f"{name.lower()}."):
        path = os.path.join(folder, candidate)
        if os.path.lexists(path):
            return path
    raise FileNotFoundError(2, "no such file in the file-set", os.path.join(folder, name))


def read_dicomdir(source: Path | bytes, *, policy: str = "report") -> Directory:
    """A DICOMDIR, from its path, the folder that it is in, or its bytes.

    ``policy`` as for dcmread: "strict" raises the first thing that is wrong.  DecodeError for what is no DICOMDIR.
    """
    root = None
    if not isinstance(source, bytes):
        path = os.fspath(source)
        if os.path.isdir(path):
            path = _entry(path, "DICOMDIR")
        root = os.path.dirname(os.path.abspath(path))
        source = path
    data_set = dcmread(source, policy=policy)
    sequence = data_set.get("DirectoryRecordSequence")
    if not isinstance(sequence, Sequence):
        raise DecodeError("no Directory Record Sequence: no DICOMDIR", section="PS3.3 F.3.2.2")
    records = [DirectoryRecord(item, at) for item, at in zip(sequence, sequence.offsets(), strict=True)]
    tree = _Tree(records, policy)
    top = tree.build(data_set)
    return Directory(data_set, root, top, [*data_set.deviations, *tree.deviations])


class _Tree:
    """Puts records where their offsets say."""

    def __init__(self, records: list[DirectoryRecord], policy: str) -> None:
        self.deviations: list[Deviation] = []
        self._records = records
        self._policy = policy
        self._by_offset = {record.offset: number for number, record in enumerate(records)}
        self._reached = [False] * len(records)

    def build(self, data_set: DataSet) -> list[DirectoryRecord]:
        """The records of the uppermost level."""
        first = _offset(data_set, _FIRST_OF_ROOT)
        top = self._level(first, "OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity")
        waiting = list(top)
        while waiting:
            record = waiting.pop()
            lower = _offset(record.data_set, _LOWER)
            if lower:
                record.children = self._level(lower, self._path(record, "OffsetOfReferencedLowerLevelDirectoryEntity"))
                waiting += record.children
        if not all(self._reached):
            self._place_others(top)
        return top

    def _level(self, offset: int, path: str) -> list[DirectoryRecord]:
        """The records of one level, from the first one on as each leads to the next."""
        found = []
        while offset:
            number = self._by_offset.get(offset)
            if number is None:
                self._tell("offset", path, offset, "an offset at which no record begins")
                break
            if self._reached[number]:
                self._tell("loop", path, offset, "an offset that leads back to a record which has its place")
                break
            self._reached[number] = True
            record = self._records[number]
            found.append(record)
            offset = _offset(record.data_set, _NEXT)
            path = self._path(record, "OffsetOfTheNextDirectoryRecord")
        return found

    def _place_others(self, top: list[DirectoryRecord]) -> None:
        """Records that nothing leads to: under the last one before that stands higher."""
        last: dict[int, DirectoryRecord] = {}
        for number, record in enumerate(self._records):
            level = LEVELS.get(record.record_type, _INSTANCE_LEVEL)
            if not self._reached[number]:
                self._tell("orphan", self._path(record, ""), record.offset, "no offset leads to the record")
                above = next((last[up] for up in range(level - 1, -1, -1) if up in last), None)
                (top if above is None else above.children).append(record)
                self._reached[number] = True
            last[level] = record
            for lower in [one for one in last if one > level]:
                del last[lower]

    def _path(self, record: DirectoryRecord, keyword: str) -> str:
        return f"DirectoryRecordSequence.{self._by_offset[record.offset]}{'.' if keyword else ''}{keyword}"

    def _tell(self, kind: str, path: str, offset: int, message: str) -> None:
        if self._policy == "strict":
            raise DecodeError(message, offset=offset, path=path, section="PS3.3 F.3.2.2")
        if self._policy == "report":
            self.deviations.append(Deviation(kind, path, offset, f"{message}; PS3.3 F.3.2.2"))


def _offset(data_set: DataSet, tag: int) -> int:
    element = data_set.get(tag)
    value = element.value if element is not None else None
    return value if isinstance(value, int) else 0


def relocated(data_set: DataSet, write: Callable[[DataSet], bytes]) -> DataSet:
    """A copy of a DICOMDIR that was changed, with the offsets that its records have in the file that ``write`` makes.

    EncodeError for the offset of a record that was deleted.  Those that no record ever had stay as they are.
    """
    made = copy(data_set)
    sequence = made.get("DirectoryRecordSequence")
    if not isinstance(sequence, Sequence):
        return made
    records = list(sequence)
    numbers = {offset: number for number, offset in enumerate(sequence.offsets()) if offset > 0}
    before = {offset - size for _, tag, _, size, _, offset, *_ in made.tape() if tag == _ITEM}
    links = []
    for number, item in enumerate((made, *records)):
        for tag in (_FIRST_OF_ROOT, _LAST_OF_ROOT) if number == 0 else (_NEXT, _LOWER, _REFERENCED):
            offset = _offset(item, tag)
            if offset not in numbers:
                if offset in before:
                    raise EncodeError(
                        "the offset of a record that was deleted", path=item[tag].path, section="PS3.3 F.3.2.2"
                    )
                continue
            links.append((item, tag, numbers[offset]))
            item[tag] = offset  # so that what is written for the first time is as long as what is written in the end
    placed = dcmread(write(made), policy="ignore")["DirectoryRecordSequence"].value
    assert isinstance(placed, Sequence)
    offsets = placed.offsets()
    for item, tag, number in links:
        item[tag] = offsets[number]
    return made
