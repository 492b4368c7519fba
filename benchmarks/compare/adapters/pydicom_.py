"""pydicom: pure Python; splits the data set into raw elements, converts values when asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.compare.adapters.base import KEYWORDS, TAGS, Toolkit


class Pydicom(Toolkit):
    name = "pydicom"
    module = "pydicom"
    distribution = "pydicom"
    how = "dcmread(stop_before_pixels=True), attributes; all values: recursion over elements"
    tasks = Toolkit.tasks | {"edit", "report"}

    def header10(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        dcmread, rows = self.api.dcmread, []
        for path in paths:
            ds = dcmread(path, stop_before_pixels=True)
            rows.append([getattr(ds, keyword) for keyword in KEYWORDS])
        return rows

    def all_values(self, path: str) -> list[Any]:
        ds = self.api.dcmread(path, stop_before_pixels=True)
        values: list[Any] = [element.value for element in ds.file_meta]

        def collect(data_set: Any) -> None:
            for element in data_set:
                value = element.value
                values.append(value)
                if element.VR == "SQ":
                    for item in value:
                        collect(item)

        collect(ds)
        return values

    def elements(self, path: str) -> list[Any]:
        """Return the elements in the order of `all_values`: the reference for tags."""
        ds = self.api.dcmread(path, stop_before_pixels=True)
        elements: list[Any] = list(ds.file_meta)

        def collect(data_set: Any) -> None:
            for element in data_set:
                elements.append(element)
                if element.VR == "SQ":
                    for item in element.value:
                        collect(item)

        collect(ds)
        return elements

    def open(self, path: str) -> Any:
        return self.api.dcmread(path, stop_before_pixels=True)

    def edit(self, path: str, target: str) -> None:
        ds = self.api.dcmread(path)
        ds.PatientID = "EDITED"
        ds.save_as(target)

    def report(self, items: int, target: str) -> None:
        from pydicom.dataset import FileMetaDataset

        from benchmarks.compare.writing import report_of

        ds = report_of(self.api.Dataset, items)
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        ds.save_as(target, enforce_file_format=True)

    def nested(self, path: str, frame: int) -> list[float]:
        ds = self.api.dcmread(path, stop_before_pixels=True)
        group = ds.PerFrameFunctionalGroupsSequence[frame]
        return list(group.PlanePositionSequence[0].ImagePositionPatient)


class PydicomSpecificTags(Pydicom):
    variant = "specific_tags"
    how = "dcmread(stop_before_pixels=True, specific_tags=[ten tags])"
    tasks = frozenset({"header10", "scan"})

    def header10(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        dcmread, rows = self.api.dcmread, []
        for path in paths:
            ds = dcmread(path, stop_before_pixels=True, specific_tags=TAGS)
            rows.append([getattr(ds, keyword) for keyword in KEYWORDS])
        return rows
