"""The content tree of a structured report as views of its data set (PS3.3 section C.17.3).

Nothing is followed by itself: an item that refers to another one by its position is a leaf, so that references which
form a loop cost nothing.  What an item lacks is None or empty; real reports leave out much that is required.
"""

from __future__ import annotations

from typing import Any

from _dicomwire.dataset import DataSet, Sequence
from dicomwire.errors import DecodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTENT = 0x0040A730
_TEXTS = {
    "TEXT": "TextValue",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
    "UIDREF": "UID",
    "PNAME": "PersonName",
}
_REFERENCES = ("COMPOSITE", "IMAGE", "WAVEFORM")
_COORDINATES = ("SCOORD", "SCOORD3D", "TCOORD")


class _Record:
    """A few named values; equal when they are."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


class Code(_Record):
    """A coded concept: value, scheme designator and meaning (PS3.3 section 8); a long or URN value as it is there."""

    __slots__ = ("meaning", "scheme", "value")

    def __init__(self, value: str, scheme: str, meaning: str) -> None:
        self.value = value
        self.scheme = scheme
        self.meaning = meaning


class Measurement(_Record):
    """A NUM: the values as they are written, their units, and why there is none (PS3.3 section C.18.1)."""

    __slots__ = ("qualifier", "texts", "units")

    def __init__(self, texts: list[str], units: Code | None, qualifier: Code | None) -> None:
        self.texts = texts
        self.units = units
        self.qualifier = qualifier

    @property
    def number(self) -> float | None:
        """The first value, None if there is none or it is no number."""
        try:
            return float(self.texts[0]) if self.texts else None
        except ValueError:
            return None


class Reference(_Record):
    """An instance that is referred to, with its frames, segments or channels (PS3.3 sections C.18.3 to C.18.5)."""

    __slots__ = ("channels", "frames", "segments", "sop_class_uid", "sop_instance_uid")

    def __init__(
        self, sop_class_uid: str, sop_instance_uid: str, frames: list[int], segments: list[int], channels: list[int]
    ) -> None:
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
        self.frames = frames
        self.segments = segments
        self.channels = channels


class Coordinates(_Record):
    """A SCOORD, SCOORD3D or TCOORD: type of the graphic or range, and numbers (PS3.3 sections C.18.6 to C.18.9)."""

    __slots__ = ("graphic_type", "numbers")

    def __init__(self, graphic_type: str, numbers: list[float | str]) -> None:
        self.graphic_type = graphic_type
        self.numbers = numbers


class ContentItem:
    """One item of the content tree; a view of the DataSet in ``data_set``.

    ``position`` is its place in the tree, numbers from 1 as references use them: (1, 3, 2) is the second child of the
    third child of the root.
    """

    __slots__ = ("data_set", "position")

    def __init__(self, data_set: DataSet, position: tuple[int, ...]) -> None:
        self.data_set = data_set
        self.position = position

    @property
    def value_type(self) -> str:
        """Value Type: "TEXT", "NUM", "CONTAINER" ...; "" for an item by reference (PS3.3 section C.17.3.2.1)."""
        return _text(self.data_set, "ValueType")

    @property
    def relationship_type(self) -> str:
        """How it belongs to the item around it: "CONTAINS", "HAS PROPERTIES" ...; "" for the root."""
        return _text(self.data_set, "RelationshipType")

    @property
    def name(self) -> Code | None:
        """The concept that the value is of (Concept Name Code Sequence)."""
        return _code(self.data_set, "ConceptNameCodeSequence")

    @property
    def observation_date_time(self) -> str:
        """Observation DateTime, or ""."""
        return _text(self.data_set, "ObservationDateTime")

    @property
    def observation_uid(self) -> str:
        """Observation UID, or ""."""
        return _text(self.data_set, "ObservationUID")

    @property
    def continuity(self) -> str:
        """Of a CONTAINER: "SEPARATE" or "CONTINUOUS"; else ""."""
        return _text(self.data_set, "ContinuityOfContent")

    @property
    def template(self) -> str:
        """Identifier of the template that a CONTAINER follows, or "" (PS3.3 section C.18.8)."""
        item = _first(self.data_set, "ContentTemplateSequence")
        return "" if item is None else _text(item, "TemplateIdentifier")

    @property
    def reference_position(self) -> tuple[int, ...] | None:
        """Of an item by reference: the position of the item that it means (PS3.3 section C.17.3.2.5); else None."""
        value = self.data_set.get("ReferencedContentItemIdentifier")
        if value is None:
            return None
        return tuple(part for part in _list(value) if isinstance(part, int))

    @property
    def value(self) -> object:
        """What it says, by its value type; None where that is missing.

        str for TEXT, DATE, TIME, DATETIME, UIDREF and PNAME, Code for CODE, Measurement for NUM, Reference for
        COMPOSITE, IMAGE and WAVEFORM, Coordinates for SCOORD, SCOORD3D and TCOORD; None for CONTAINER and others.
        """
        kind = self.value_type
        if kind in _TEXTS:
            return _text(self.data_set, _TEXTS[kind]) or None
        if kind == "CODE":
            return _code(self.data_set, "ConceptCodeSequence")
        if kind == "NUM":
            return self._measurement()
        if kind in _REFERENCES:
            return self._reference()
        if kind in _COORDINATES:
            return self._coordinates()
        return None

    def _measurement(self) -> Measurement | None:
        measured = _first(self.data_set, "MeasuredValueSequence")
        qualifier = _code(self.data_set, "NumericValueQualifierCodeSequence")
        if measured is None:
            return Measurement([], None, qualifier) if qualifier is not None else None
        texts = []
        if "NumericValue" in measured:
            raw = bytes(measured["NumericValue"].raw).decode("latin-1").strip(" \0")
            texts = [part.strip() for part in raw.split("\\")] if raw else []
        return Measurement(texts, _code(measured, "MeasurementUnitsCodeSequence"), qualifier)

    def _reference(self) -> Reference | None:
        item = _first(self.data_set, "ReferencedSOPSequence")
        if item is None:
            return None
        return Reference(
            _text(item, "ReferencedSOPClassUID"),
            _text(item, "ReferencedSOPInstanceUID"),
            _integers(item, "ReferencedFrameNumber"),
            _integers(item, "ReferencedSegmentNumber"),
            _integers(item, "ReferencedWaveformChannels"),
        )

    def _coordinates(self) -> Coordinates:
        data_set = self.data_set
        if self.value_type != "TCOORD":
            numbers = [number for number in _list(data_set.get("GraphicData")) if isinstance(number, (int, float))]
            return Coordinates(_text(data_set, "GraphicType"), list(numbers))
        found: list[float | str] = []
        for keyword in ("ReferencedSamplePositions", "ReferencedTimeOffsets", "ReferencedDateTime"):
            found += [part if isinstance(part, (int, float)) else str(part) for part in _list(data_set.get(keyword))]
        return Coordinates(_text(data_set, "TemporalRangeType"), found)

    def children(self) -> Iterator[ContentItem]:
        """The items inside of it, in their order."""
        sequence = self.data_set.get("ContentSequence")
        if isinstance(sequence, Sequence):
            for number, item in enumerate(sequence, start=1):
                yield ContentItem(item, (*self.position, number))

    def walk(self) -> Iterator[ContentItem]:
        """The item and all inside of it, in the order of the report; ``len(item.position)`` tells how deep.

        References are not followed.  Depth costs no stack.
        """
        yield self
        stack = [self.children()]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            else:
                yield item
                stack.append(item.children())

    def find(self, position: tuple[int, ...]) -> ContentItem | None:
        """The item at a position of the tree whose root this item is; None if there is none, or no tree leads there."""
        if position[: len(self.position)] != self.position:
            return None
        item = self
        for number in position[len(self.position) :]:
            sequence = item.data_set.get("ContentSequence")
            if number < 1 or not isinstance(sequence, Sequence) or number > len(sequence):
                return None
            item = ContentItem(sequence[number - 1], (*item.position, number))
        return item

    def __repr__(self) -> str:
        # A report's texts are a patient's: only what kind of item it is.
        return f"<ContentItem {'.'.join(map(str, self.position))} {self.value_type or 'by reference'}>"


def read_content(data_set: DataSet) -> ContentItem:
    """The root of a structured report's content tree; DecodeError for a data set that is none."""
    if "ValueType" not in data_set and "ContentSequence" not in data_set:
        raise DecodeError("neither Value Type nor Content Sequence: no structured report", section="PS3.3 C.17.3")
    return ContentItem(data_set, (1,))


# --- parts of items


def _text(data_set: DataSet, keyword: str) -> str:
    value = data_set.get(keyword)
    if value is None:
        return ""
    return "\\".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _integers(data_set: DataSet, keyword: str) -> list[int]:
    return [part for part in _list(data_set.get(keyword)) if isinstance(part, int)]


def _first(data_set: DataSet, keyword: str) -> DataSet | None:
    sequence = data_set.get(keyword)
    if not isinstance(sequence, Sequence):
        return None
    for item in sequence:
        return item
    return None


def _code(data_set: DataSet, keyword: str) -> Code | None:
    item = _first(data_set, keyword)
    if item is None:
        return None
    value = _text(item, "CodeValue") or _text(item, "LongCodeValue") or _text(item, "URNCodeValue")
    return Code(value, _text(item, "CodingSchemeDesignator"), _text(item, "CodeMeaning"))
