"""A structured report as lines of text, as one reads it: indented items, names, values with their units."""

from __future__ import annotations

from dicomwire.dictionary import UID
from dicomwire.sr.content import Code, ContentItem, Coordinates, Measurement, Reference, read_content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from _dicomwire.dataset import DataSet

INDENT = "  "
FEW = 8  # numbers of coordinates that are shown

_HEADER = (
    ("Patient", "PatientName"),
    ("Patient ID", "PatientID"),
    ("Study", "StudyDescription"),
    ("Series", "SeriesDescription"),
    ("Manufacturer", "Manufacturer"),
    ("Completion", "CompletionFlag"),
    ("Verification", "VerificationFlag"),
    ("Preliminary", "PreliminaryFlag"),
    ("Date", "ContentDate"),
    ("Time", "ContentTime"),
)


def report_lines(data_set: DataSet, *, header: bool = True, codes: bool = False, full: bool = False) -> Iterator[str]:
    """Lines of a structured report; ``codes`` adds value and scheme to each concept.

    ``full``: all coordinates, and the UIDs of instances that are referred to.  DecodeError for a data set that is none.
    """
    root = read_content(data_set)
    if header:
        yield UID(str(data_set.get("SOPClassUID", ""))).name or "Structured Report"
        for name, keyword in _HEADER:
            value = data_set.get(keyword)
            if value not in (None, ""):
                yield f"{name + ':':14}{value}"
        yield ""
    for item in root.walk():
        indent = INDENT * (len(item.position) - 1)
        first, *rest = item_text(item, codes=codes, full=full).splitlines() or [""]
        yield f"{indent}{first}".rstrip()
        for line in rest:
            yield f"{indent}{INDENT}{INDENT}{line}".rstrip()


def item_text(item: ContentItem, *, codes: bool = False, full: bool = False) -> str:
    """One item: how it belongs to the one around it, its concept and its value; as many lines as its text has."""
    relationship = item.relationship_type.lower()
    words = [] if relationship in ("", "contains") else [f"[{relationship}]"]
    position = item.reference_position
    if position is not None:
        return " ".join([*words, f"-> item {'.'.join(map(str, position))}"])
    name = item.name
    title = code_text(name, codes=codes) if name is not None else ""
    value = value_text(item, codes=codes, full=full)
    if item.value_type == "CONTAINER":
        words.append(title or "(container)")
    else:
        words.append(f"{title or item.value_type or '?'}: {value}")
    if item.observation_date_time:
        words.append(f"{{{item.observation_date_time}}}")
    return " ".join(words)


def code_text(code: Code, *, codes: bool = False) -> str:
    """A concept by its meaning, or by value and scheme where it has none; both with ``codes``."""
    exact = f"({code.value}, {code.scheme})"
    if not code.meaning:
        return exact
    return f"{code.meaning} {exact}" if codes else code.meaning


def value_text(item: ContentItem, *, codes: bool = False, full: bool = False) -> str:
    """The value of an item."""
    value = item.value
    if value is None:
        return "" if item.value_type == "CONTAINER" else "(no value)"
    if isinstance(value, Code):
        return code_text(value, codes=codes)
    if isinstance(value, Measurement):
        return _measurement_text(value, codes=codes)
    if isinstance(value, Reference):
        return _reference_text(value, full=full)
    if isinstance(value, Coordinates):
        shown = value.numbers if full else value.numbers[:FEW]
        numbers = " ".join(f"{number:g}" if isinstance(number, float) else str(number) for number in shown)
        more = f" ... ({len(value.numbers)} numbers)" if len(shown) < len(value.numbers) else ""
        return f"{value.graphic_type} {numbers}{more}".rstrip()
    return str(value).replace("\r\n", "\n").replace("\r", "\n")


def _measurement_text(value: Measurement, *, codes: bool) -> str:
    words = ["\\".join(value.texts)] if value.texts else []
    units = value.units
    if units is not None and not (units.value == "1" and units.scheme == "UCUM" and not codes):
        words.append(code_text(units, codes=True) if codes else units.value or units.meaning)
    if value.qualifier is not None:
        words.append(f"({code_text(value.qualifier, codes=codes)})")
    return " ".join(words) or "(no value)"


def _reference_text(value: Reference, *, full: bool) -> str:
    words = [UID(value.sop_class_uid).name or "instance"]
    if full:
        words.append(value.sop_instance_uid)
    for name, numbers in (("frames", value.frames), ("segments", value.segments), ("channels", value.channels)):
        if numbers:
            words.append(f"{name} {' '.join(map(str, numbers))}")
    return ", ".join(words)
