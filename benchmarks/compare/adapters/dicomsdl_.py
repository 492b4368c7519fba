"""dicomsdl: C++ tree, read eagerly up to `load_until`; values are made when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.compare.adapters.base import KEYWORDS, LAST_TAG, PIXEL_DATA, TAGS, Toolkit

BEFORE_PIXELS = PIXEL_DATA - 1


class Dicomsdl(Toolkit):
    name = "dicomsdl"
    module = "dicomsdl"
    distribution = "dicomsdl"
    how = "open(load_until=before Pixel Data), attributes; all values: value() of each element"

    tasks = Toolkit.tasks | {"edit"}

    def setup(self) -> None:
        self.sequence_vr = self.api.VR.SQ

    def header10(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        open_file, rows = self.api.open, []
        for path in paths:
            ds = open_file(path, BEFORE_PIXELS)
            rows.append([getattr(ds, keyword) for keyword in KEYWORDS])
        return rows

    def all_values(self, path: str) -> list[Any]:
        values: list[Any] = []
        append, sequence_vr = values.append, self.sequence_vr

        def collect(data_set: Any) -> None:
            for element in data_set:
                value = element.value()
                if not value and element.vr() == sequence_vr:
                    sequence = element.toSequence()
                    append(sequence)
                    for index in range(len(sequence)):
                        collect(sequence[index])
                else:
                    append(value)

        ds = self.api.open(path, BEFORE_PIXELS)  # owns the bytes of every nested data set
        collect(ds)
        return values

    def open(self, path: str) -> Any:
        return self.api.open(path, BEFORE_PIXELS)

    def edit(self, path: str, target: str) -> None:
        ds = self.api.open(path)
        ds.PatientID = "EDITED"
        ds.save(target)

    def nested(self, path: str, frame: int) -> list[float]:
        ds = self.api.open(path, BEFORE_PIXELS)
        group = ds.PerFrameFunctionalGroupsSequence[frame]
        return list(group.PlanePositionSequence[0].ImagePositionPatient)


class DicomsdlGetValues(Dicomsdl):
    variant = "getValues"
    how = "open(load_until=before Pixel Data), getValues([ten tags]) in one call"
    tasks = frozenset({"header10", "scan"})
    until = BEFORE_PIXELS

    def header10(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        open_file, until, rows = self.api.open, self.until, []
        for path in paths:
            rows.append(open_file(path, until).getValues(TAGS))
        return rows


class DicomsdlUntilLastTag(DicomsdlGetValues):
    variant = "getValues, load_until last tag"
    how = "open(load_until=last of the ten tags), getValues([ten tags]): knows beforehand what will be asked"
    until = LAST_TAG
