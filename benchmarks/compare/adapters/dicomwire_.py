"""dicomwire itself, used as any program would use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.compare.adapters.base import KEYWORDS, Toolkit

STREAM_CHUNK = 262144


class Dicomwire(Toolkit):
    name = "dicomwire"
    module = "dicomwire"
    distribution = "dicomwire"
    how = "dcmread, attributes; all values: value of each element of iterall()"
    tasks = Toolkit.tasks | {"edit", "report"}

    def header10(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        dcmread, rows = self.api.dcmread, []
        for path in paths:
            ds = dcmread(path)
            rows.append([getattr(ds, keyword) for keyword in KEYWORDS])
        return rows

    def all_values(self, path: str) -> list[Any]:
        ds = self.api.dcmread(path, stop_before_pixels=True)
        values: list[Any] = [element.value for element in ds.file_meta.iterall()]
        values += [element.value for element in ds.iterall()]
        return values

    def open(self, path: str) -> Any:
        return self.api.dcmread(path)

    def open_whole(self, path: str) -> Any:
        """Open with the whole index: read strictly, a data set is walked at once, its long sequences too."""
        return self.api.dcmread(path, policy="strict")

    def streamed(self, path: str) -> int:
        """Feed a file in chunks and return the number of events; none of them becomes an object."""
        parser, buffer, total = self.api.StreamParser(), bytearray(STREAM_CHUNK), 0
        with open(path, "rb", buffering=0) as file:
            while size := file.readinto(buffer):
                total += len(parser.feed(memoryview(buffer)[:size]))
        return total + len(parser.close())

    def pulled(self, path: str) -> int:
        """Pull all events of a file as objects and return the bytes of values in pieces."""
        from dicomwire.streaming import EventKind

        piece = EventKind.PIECE
        with self.api.stream(path) as events:
            return sum(event.length for event in events if event.kind is piece)

    def edit(self, path: str, target: str) -> None:
        ds = self.api.dcmread(path)
        ds.PatientID = "EDITED"
        ds.save_as(target)

    def report(self, items: int, target: str) -> None:
        from benchmarks.compare.writing import report_of

        report_of(self.api.DataSet, items).save_as(target)

    def nested(self, path: str, frame: int) -> list[float]:
        ds = self.api.dcmread(path)
        group = ds.PerFrameFunctionalGroupsSequence[frame]
        return list(group.PlanePositionSequence[0].ImagePositionPatient)


class DicomwireScan(Dicomwire):
    variant = "scan"
    how = "dicomwire.scan(paths, columns) into batches of columns, one worker"
    tasks = frozenset({"scan"})

    def scan(self, paths: Sequence[str]) -> list[Any]:
        return list(self.api.scan(paths, columns=KEYWORDS, workers=1))

    def rows(self, result: Any) -> list[Sequence[Any]]:
        rows: list[Sequence[Any]] = []
        for batch in result:
            if any(batch.errors):
                raise ValueError("the scan has rows with errors")
            rows.extend(zip(*[batch.columns[keyword] for keyword in KEYWORDS], strict=True))
        return rows
