"""fastdicom: Rust (dicom-rs); the whole tree is read eagerly, values are converted when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.compare.adapters.base import KEYWORDS, TAGS, Toolkit


class Fastdicom(Toolkit):
    name = "fastdicom"
    module = "fastdicom"
    distribution = "fastdicom"
    how = "dcmread(stop_before_pixels=True), attributes; all values: values() of each data set"

    def header10(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        dcmread, rows = self.api.dcmread, []
        for path in paths:
            ds = dcmread(path, stop_before_pixels=True)
            rows.append([getattr(ds, keyword) for keyword in KEYWORDS])
        return rows

    def all_values(self, path: str) -> list[Any]:
        data_set_type = self.api.Dataset
        ds = self.api.dcmread(path, stop_before_pixels=True)
        values: list[Any] = list(ds.file_meta.values())
        append = values.append

        def collect(data_set: Any) -> None:
            for value in data_set.values():
                append(value)
                if type(value) is list and value and type(value[0]) is data_set_type:
                    for item in value:
                        collect(item)

        collect(ds)
        return values

    def open(self, path: str) -> Any:
        return self.api.dcmread(path, stop_before_pixels=True)

    def nested(self, path: str, frame: int) -> list[float]:
        ds = self.api.dcmread(path, stop_before_pixels=True)
        group = ds.PerFrameFunctionalGroupsSequence[frame]
        return list(group.PlanePositionSequence[0].ImagePositionPatient)


class FastdicomByTag(Fastdicom):
    variant = "by tag"
    how = "dcmread(stop_before_pixels=True), ds[group, element]"
    tasks = frozenset({"header10", "scan"})

    def setup(self) -> None:
        self.keys = [(tag >> 16, tag & 0xFFFF) for tag in TAGS]

    def header10(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        dcmread, keys, rows = self.api.dcmread, self.keys, []
        for path in paths:
            ds = dcmread(path, stop_before_pixels=True)
            rows.append([ds[key] for key in keys])
        return rows
