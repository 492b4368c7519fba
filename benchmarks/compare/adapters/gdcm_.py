"""GDCM by its Python binding: C++ tree; values cross as text, binary ones as surrogate-escaped text."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.compare.adapters.base import PIXEL_DATA, TAGS, Toolkit
from benchmarks.compare.normalise import SequenceMark
from benchmarks.yardsticks import sequence_tags

NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "HH"}


class Gdcm(Toolkit):
    name = "gdcm"
    module = "gdcm"
    distribution = "python-gdcm"
    how = "Reader.ReadUpToTag(Pixel Data), StringFilter.ToString; all values: raw text of each element"

    tasks = Toolkit.tasks | {"edit"}

    def setup(self) -> None:
        tag = self.api.Tag
        self.pixel_data = tag(PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF)
        self.last_tag = tag(0x7FDF, 0xFFFF)
        self.sequence_tags = frozenset(sequence_tags())
        self.tags = [tag(number >> 16, number & 0xFFFF) for number in TAGS]
        self.per_frame, self.position = tag(0x5200, 0x9230), tag(0x0020, 0x9113)
        self.image_position = tag(0x0020, 0x0032)

    def read(self, path: str) -> Any:
        """Return a reader that holds the header; it owns every element reached through it."""
        reader = self.api.Reader()
        reader.SetFileName(path)
        if not reader.ReadUpToTag(self.last_tag):
            raise ValueError("gdcm cannot read the file")
        return reader

    def header10(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        string_filter, tags, read, rows = self.api.StringFilter, self.tags, self.read, []
        for path in paths:
            reader = read(path)
            strings = string_filter()
            strings.SetFile(reader.GetFile())
            rows.append([strings.ToString(tag) for tag in tags])
        return rows

    def _walk(self, path: str, value_of: Callable[[Any, Any], Any], mark: Callable[[Any], Any]) -> list[Any]:
        values: list[Any] = []
        append, iterator_of = values.append, self.api.PythonDataSet
        reader = self.read(path)
        file = reader.GetFile()
        data_set = file.GetDataSet()
        data_set.Remove(self.pixel_data)  # ReadUpToTag has read it too

        def collect(data_set: Any, implicit: bool) -> None:
            iterator = iterator_of(data_set)
            iterator.Start()
            while not iterator.IsAtEnd():
                element = iterator.GetCurrent()
                iterator.Next()
                raw = element.GetByteValue()
                sequence = None
                if implicit:  # GDCM does not look the VR up: sequences of known length stay bytes
                    if element.GetTag().GetElementTag() in self.sequence_tags:
                        sequence = element.GetValueAsSQ()
                elif raw is None and not element.IsEmpty():
                    sequence = element.GetValueAsSQ()
                if sequence is None:
                    append(value_of(element, raw))
                    continue
                append(mark(sequence))
                for index in range(1, sequence.GetNumberOfItems() + 1):
                    collect(sequence.GetItem(index).GetNestedDataSet(), implicit)

        collect(file.GetHeader(), False)
        collect(data_set, file.GetHeader().GetDataSetTransferSyntax().IsImplicit())
        return values

    def all_values(self, path: str) -> list[Any]:
        return self._walk(
            path, lambda element, raw: None if raw is None else raw.GetBuffer(), lambda sequence: sequence
        )

    def answers(self, path: str) -> list[Any]:
        from pydicom.datadict import dictionary_VR

        def decoded(element: Any, raw: Any) -> Any:
            if raw is None:
                return None
            data = raw.GetBuffer().encode("utf-8", "surrogateescape")
            vr, tag = str(element.GetVR()), element.GetTag().GetElementTag()
            if vr == "??":
                try:
                    vr = dictionary_VR(tag)
                except KeyError:
                    vr = "UN"
            vr = vr.split(" or ")[0]
            if vr in NUMBERS:  # GDCM has swapped the values of a big endian data set while reading
                form = struct.Struct("<" + NUMBERS[vr])
                return [n[0] << 16 | n[1] if vr == "AT" else n[0] for n in form.iter_unpack(data)]
            if vr in ("OB", "OW", "UN"):
                return data
            return data.decode("latin-1")

        return self._walk(path, decoded, lambda sequence: SequenceMark(sequence.GetNumberOfItems()))

    def open(self, path: str) -> Any:
        return self.read(path)

    def edit(self, path: str, target: str) -> None:
        reader, writer = self.api.Reader(), self.api.Writer()
        reader.SetFileName(path)
        if not reader.Read():
            raise ValueError("gdcm cannot read the file")
        anonymizer = self.api.Anonymizer()
        anonymizer.SetFile(reader.GetFile())
        anonymizer.Replace(self.tags[0], "EDITED")
        writer.SetFile(reader.GetFile())
        writer.SetFileName(target)
        if not writer.Write():
            raise ValueError("gdcm cannot write the file")

    def nested(self, path: str, frame: int) -> list[float]:
        reader = self.read(path)
        groups = reader.GetFile().GetDataSet().GetDataElement(self.per_frame).GetValueAsSQ()
        group = groups.GetItem(frame + 1).GetNestedDataSet()
        positions = group.GetDataElement(self.position).GetValueAsSQ()
        element = positions.GetItem(1).GetNestedDataSet().GetDataElement(self.image_position)
        return [float(part) for part in element.GetByteValue().GetBuffer().split("\\")]


class GdcmSelectedTags(Gdcm):
    variant = "ReadSelectedTags"
    how = "Reader.ReadSelectedTags({ten tags}), StringFilter.ToString"
    tasks = frozenset({"header10", "scan"})

    def setup(self) -> None:
        super().setup()
        self.selected = self.api.TagSetType()
        for tag in self.tags:
            self.selected.insert(tag)

    def read(self, path: str) -> Any:
        reader = self.api.Reader()
        reader.SetFileName(path)
        if not reader.ReadSelectedTags(self.selected):
            raise ValueError("gdcm cannot read the file")
        return reader


class GdcmScanner(Gdcm):
    variant = "Scanner"
    how = "Scanner.Scan over all files in C++, GetValue for each file and tag"
    tasks = frozenset({"scan"})

    def scan(self, paths: Sequence[str]) -> list[Sequence[Any]]:
        scanner = self.api.Scanner()
        tags = self.tags
        for tag in tags:
            scanner.AddTag(tag)
        if not scanner.Scan(paths):
            raise ValueError("gdcm cannot scan the files")
        return [[scanner.GetValue(path, tag) for tag in tags] for path in paths]
