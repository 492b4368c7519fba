"""The interface that each toolkit's adapter implements, and the ten tags asked for."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from typing import Any, ClassVar

KEYWORDS = [
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "Modality",
    "StudyDate",
    "Rows",
    "Columns",
    "InstanceNumber",
    "ImagePositionPatient",
]
TAGS = [
    0x00100020,
    0x0020000D,
    0x0020000E,
    0x00080018,
    0x00080060,
    0x00080020,
    0x00280010,
    0x00280011,
    0x00200013,
    0x00200032,
]
LAST_TAG = max(TAGS)
PIXEL_DATA = 0x7FE00010


class Toolkit:
    """One toolkit, or one way of using it (`variant`); what it cannot do it leaves out of `tasks`.

    Values are collected in one flat list, depth first in tag order, File Meta Information first, without
    Pixel Data; a sequence stands in the list before the values of its items.
    """

    name: ClassVar[str]
    module: ClassVar[str]
    distribution: ClassVar[str]
    variant: ClassVar[str] = ""
    how: ClassVar[str] = ""
    tasks: ClassVar[frozenset[str]] = frozenset({"header10", "scan", "all_values", "open", "nested"})
    # Beyond these there are "edit" and "report", for those that write
    gives_group_length: ClassVar[bool] = True  # (0002,0000), the first of all values

    def __init__(self) -> None:
        self.api: Any = importlib.import_module(self.module)
        self.setup()

    def setup(self) -> None:
        """Prepare what a program prepares once: tag objects, sets of tags."""

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why the toolkit cannot be used here, or None."""
        try:
            importlib.import_module(cls.module)
        except ImportError as error:
            return str(error)
        return None

    @classmethod
    def version(cls) -> str:
        try:
            return importlib.metadata.version(cls.distribution)
        except importlib.metadata.PackageNotFoundError:
            return str(getattr(importlib.import_module(cls.module), "__version__", "?"))

    @property
    def label(self) -> str:
        return f"{self.name} ({self.variant})" if self.variant else self.name

    def header10(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        """Open each file, read its header and the ten values; return a row for each file."""
        raise NotImplementedError

    def scan(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        """Return rows of ten values by the toolkit's way for many files; by default file by file."""
        return self.header10(paths)

    def rows(self, result: Any) -> list[Sequence[Any]]:
        """Return the rows of a result of `header10` or `scan`, for the check, untimed."""
        return list(result)

    def all_values(self, path: str) -> list[Any]:
        """Return every value of a file as a Python object, nested ones too, Pixel Data left out."""
        raise NotImplementedError

    def answers(self, path: str) -> list[Any]:
        """Return what is compared with the reference, untimed; by default the timed values themselves."""
        return self.all_values(path)

    def open(self, path: str) -> Any:
        """Open a file so that elements can be asked for; return what keeps it open."""
        raise NotImplementedError

    def edit(self, path: str, target: str) -> None:
        """Read a file, set PatientID to EDITED, and write all of it to a name that is new."""
        raise NotImplementedError

    def report(self, items: int, target: str) -> None:
        """Make a structured report of so many measurements with codes, and write it; see compare/writing.py."""
        raise NotImplementedError

    def nested(self, path: str, frame: int) -> list[float]:
        """Open an enhanced file and return ImagePositionPatient of one frame's functional groups."""
        raise NotImplementedError
