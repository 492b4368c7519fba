"""pydcm: closed C++ binary for Python 3.12 and newer; JSON text in between, then pydicom-like elements."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.compare.adapters.base import KEYWORDS, PIXEL_DATA, Toolkit


class Pydcm(Toolkit):
    name = "pydcm"
    module = "pydcm"
    distribution = "pydcm"
    how = "dcmread(stop_before_pixels=True), attributes; all values: recursion over elements"
    gives_group_length = False

    @classmethod
    def unavailable(cls) -> str | None:
        if sys.version_info < (3, 12):
            return "needs Python 3.12 or newer"
        return super().unavailable()

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
                if element.tag == PIXEL_DATA:  # there, although reading was to stop before it
                    continue
                value = element.value
                values.append(value)
                if element.VR == "SQ":
                    for item in value:
                        collect(item)

        collect(ds)
        return values

    def open(self, path: str) -> Any:
        return self.api.dcmread(path, stop_before_pixels=True)

    def nested(self, path: str, frame: int) -> list[float]:
        ds = self.open(path)
        group = ds.PerFrameFunctionalGroupsSequence[frame]
        return list(group.PlanePositionSequence[0].ImagePositionPatient)
