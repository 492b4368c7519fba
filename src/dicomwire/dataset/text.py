"""Data sets as text and HTML: one line an element, laid out as users of pydicom know it; nested items indented.

Everything here walks with an explicit stack, so that data sets of any depth can be shown, and shows an element that
cannot be decoded as its error instead of raising: printing must work on the files that one prints to see what is wrong.
"""

from __future__ import annotations

from _dicomwire.dataset import DataElement, DataSet, Sequence
from _dicomwire.fragments import Fragments
from dicomwire.dictionary import dictionary_name, private_element
from dicomwire.errors import DicomWireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Event = tuple[str, Any, int, Any]

NAME_WIDTH = 35
SHORT_VALUE = 16  # bytes of a binary value, or values of any other, up to which they are shown
MAX_TEXT = 1024  # characters of one text value that are shown

HTML_ELEMENTS = 2000  # rows of a table, nested ones too
HTML_ITEMS = 100  # items of one sequence
HTML_DEPTH = 24  # browsers stop at 512 nested tags, and a level takes up to 8
HTML_TEXT = 300  # characters of a value


def walk(
    elements: Iterable[DataElement], *, max_depth: int | None = None, max_items: int | None = None
) -> Iterator[Event]:
    """Iterate over elements and all that is nested in them, without recursion, as (kind, subject, depth, detail).

    =============  ==================  ==============================
    kind           subject             detail
    =============  ==================  ==============================
    element        DataElement         None
    sequence       its DataElement     the Sequence
    item           its DataSet         None
    end item       the DataSet         None
    end sequence   the DataElement     the Sequence
    error          where, or None      the error; what follows in the same container is not shown
    =============  ==================  ==============================

    ``depth`` counts the sequences around the subject.  Sequences ``max_depth`` deep are not entered, of others no
    more than ``max_items`` items are.
    """
    # A frame: iterator, what it goes through (None: the elements given), its Sequence if that is one.
    stack: list[tuple[Iterator[DataElement | DataSet], DataElement | DataSet | None, Sequence | None]]
    try:
        stack = [(iter(elements), None, None)]
    except DicomWireError as error:
        yield "error", None, 0, error
        return
    depth = 0
    left: list[int] = []  # items that may still be entered, for each open sequence
    while stack:
        iterator, container, sequence = stack[-1]
        try:
            entry = next(iterator, None)
        except DicomWireError as error:
            yield "error", container, depth, error
            entry = None
        if entry is None or (sequence is not None and max_items is not None and left[-1] <= 0):
            stack.pop()
            if sequence is not None:
                left.pop()
                depth -= 1
                yield "end sequence", container, depth, sequence
            elif container is not None:
                yield "end item", container, depth, None
            continue
        if isinstance(entry, DataSet):
            left[-1] -= 1
            yield "item", entry, depth, None
            stack.append((iter(entry), entry, None))
            continue
        try:
            inside: Any = entry.value if entry.VR == "SQ" else None
        except DicomWireError as error:
            yield "error", entry, depth, error
            continue
        if inside is None:
            yield "element", entry, depth, None
            continue
        yield "sequence", entry, depth, inside
        if max_depth is not None and depth >= max_depth:
            yield "end sequence", entry, depth, inside
            continue
        depth += 1
        left.append(max_items or 0)
        stack.append((iter(inside), entry, inside))


def element_name(element: DataElement) -> str:
    """The name of PS3.6, "[...]" from the private dictionary, or what can be said without; "" for an unknown tag."""
    tag = element.tag
    if tag & 0xFFFF == 0:
        return dictionary_name(tag) or "Group Length"
    if element.is_private:
        if 0x10 <= tag & 0xFFFF <= 0xFF:
            return "Private Creator"
        creator = element.private_creator
        entry = private_element(creator, tag) if isinstance(creator, str) else None
        return f"[{entry[2]}]" if entry else "Private tag data"
    return dictionary_name(tag) or ""


def number_texts(element: DataElement) -> list[str]:
    """The components of an IS or DS value as they are written in the source, without padding (PS3.5 section 6.2)."""
    return [text.strip(" \0") for text in bytes(element.raw).decode("latin-1").split("\\")]


def shortened(text: str, limit: int) -> str:
    """``text``, or its first ``limit`` characters and how many there are."""
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def value_text(element: DataElement) -> str:
    """A text of the value: UIDs by name, IS and DS as written, long binary values and long lists by their size."""
    vr = element.VR
    value: Any = element.value
    if isinstance(value, Sequence):
        return f"<Sequence, length {len(value)}>"
    if isinstance(value, Fragments):
        return f"Array of {element.length} elements"
    if isinstance(value, (bytes, memoryview)):
        return repr(bytes(value)) if len(value) <= SHORT_VALUE else f"Array of {len(value)} elements"
    if isinstance(value, list):
        if len(value) > SHORT_VALUE:
            return f"Array of {len(value)} elements"
        if vr in ("IS", "DS"):
            return f"[{', '.join(number_texts(element))}]"
        if vr == "PN" or vr == "AT":
            return f"[{', '.join(str(part) for part in value)}]"
        return str([str(part) if isinstance(part, str) else part for part in value])
    if isinstance(value, str):
        if vr == "UI" and value:
            return str(getattr(value, "name", value))
        return repr(str(value)) if len(value) <= MAX_TEXT else shortened_repr(value)
    if value is not None and vr in ("IS", "DS"):
        return repr(number_texts(element)[0])
    return str(value)


def shortened_repr(value: str) -> str:
    """The repr of the first MAX_TEXT characters, and how many there are."""
    return f"{str(value[:MAX_TEXT])!r}... ({len(value)} characters)"


def safe_value_text(element: DataElement) -> str:
    """The same, or the error that decoding the value raises."""
    try:
        return value_text(element)
    except DicomWireError as error:
        return error_text(error)


def error_text(error: DicomWireError) -> str:
    """An error as it stands in the place of a value."""
    return f"<{type(error).__name__}: {error}>"


def element_line(element: DataElement) -> str:
    """``(0010,0020) Patient ID                          LO: 'value'``."""
    return f"{element.tag!s} {element.name[:NAME_WIDTH]:<{NAME_WIDTH}} {element.VR}: {safe_value_text(element)}"


def data_set_text(data_set: DataSet, *, is_nested: bool = True) -> str:
    """All elements, those of nested items indented below their sequence; File Meta Information first.

    ``is_nested``: False leaves out what is in sequences.
    """
    lines: list[str] = []
    if data_set.transfer_syntax is not None and len(data_set.file_meta):
        lines.append(f"{'Dataset.file_meta ':-<49}")
        lines += [element_line(element) for element in data_set.file_meta]
        lines.append("-" * 49)
    for kind, subject, depth, detail in walk(data_set, max_depth=None if is_nested else 0):
        if kind == "element":
            lines.append("   " * depth + element_line(subject))
        elif kind == "sequence":
            lines.append(f"{'   ' * depth}{subject.tag!s}  {subject.name}  {len(detail)} item(s) ---- ")
        elif kind == "end item":
            lines.append("   " * depth + "---------")
        elif kind == "error":
            lines.append("   " * depth + error_text(detail))
    return "\n".join(lines)


class _Fields(dict[str, object]):
    """The attributes of an element by name, as the operator % asks for them."""

    def __init__(self, element: DataElement) -> None:
        self._element = element

    def __missing__(self, name: str) -> object:
        if name == "repval":
            return safe_value_text(self._element)
        try:
            return getattr(self._element, name)
        except DicomWireError as error:
            return error_text(error)


def data_set_lines(data_set: DataSet, element_format: str, sequence_format: str) -> Iterator[str]:
    """Yield a line for each element, nested ones too, from formats that name attributes of DataElement."""
    for kind, subject, _, detail in walk(data_set):
        if kind == "element":
            yield element_format % _Fields(subject)
        elif kind == "sequence":
            yield sequence_format % _Fields(subject)
        elif kind == "error":
            yield error_text(detail)


# ---------------------------------------------------------------------------------------------------------------- HTML

STYLE = (
    ".dicomwire{font-size:90%}"
    ".dicomwire table{border-collapse:collapse;margin:.2em 0}"
    ".dicomwire th,.dicomwire td{text-align:left;vertical-align:top;padding:.1em .6em;white-space:pre-wrap}"
    ".dicomwire td:first-child{font-family:monospace;white-space:nowrap}"
    ".dicomwire summary{cursor:pointer}"
    ".dicomwire details details{margin-left:1em}"
)
TABLE = "<table><thead><tr><th>Tag</th><th>Name</th><th>VR</th><th>Value</th></tr></thead><tbody>"


def escape(text: str) -> str:
    """``text`` as HTML, in element content and in quoted attributes alike."""
    from html import escape as escaped

    return escaped(text, quote=True)


def data_set_html(data_set: DataSet) -> str:
    """Tables with collapsible sequences, all text escaped, without script; bounded, and says what it leaves out."""
    out = [f"<div class='dicomwire'><style>{STYLE}</style>"]
    if data_set.transfer_syntax is not None and len(data_set.file_meta):
        out.append("<details><summary>File Meta Information</summary>")
        _add_table(out, data_set.file_meta)
        out.append("</details>")
    _add_table(out, data_set)
    out.append("</div>")
    return "".join(out)


def _add_table(out: list[str], data_set: DataSet) -> None:
    """Append the table of a data set, with nested tables for the items in it."""
    out.append(TABLE)
    endings = ["</tbody></table>"]  # what closes the tags that are open
    numbers: list[int] = []  # of the next item, for each open sequence
    rows = 0
    for kind, subject, depth, detail in walk(data_set, max_depth=HTML_DEPTH, max_items=HTML_ITEMS):
        if rows >= HTML_ELEMENTS and kind in ("element", "sequence"):
            # "end" events are not waited for: everything that is open is closed below.
            while len(endings) > 1:
                out.append(endings.pop())
            out.append("<tr><td colspan='4'>... further elements are not shown here; print() shows all</td></tr>")
            break
        if kind == "element":
            rows += 1
            out.append(f"{_cells(subject)}<td>{escape(shortened(safe_value_text(subject), HTML_TEXT))}</td></tr>")
        elif kind == "sequence":
            rows += 1
            numbers.append(0)
            out.append(f"{_cells(subject)}<td><details><summary>{_counted(len(detail), 'item')}</summary>")
            endings.append("</details></td></tr>")
        elif kind == "item":
            title = f"Item {numbers[-1]}: {_counted(len(subject), 'element')}"
            numbers[-1] += 1
            out.append(f"<details><summary>{title}</summary>{TABLE}")
            endings.append("</tbody></table></details>")
        elif kind == "end item":
            out.append(endings.pop())
        elif kind == "end sequence":
            hidden = len(detail) - numbers.pop()
            if hidden:
                reason = "nested too deep to be shown here" if depth >= HTML_DEPTH else "more"
                out.append(f"<div>... {_counted(hidden, 'item')} {reason}</div>")
            out.append(endings.pop())
        else:
            text = escape(error_text(detail))
            inside_items = endings[-1].startswith("</details>")
            out.append(f"<div>{text}</div>" if inside_items else f"<tr><td colspan='4'>{text}</td></tr>")
    while endings:
        out.append(endings.pop())


def _cells(element: DataElement) -> str:
    """The first three cells of an element's row."""
    return f"<tr><td>{element.tag!s}</td><td>{escape(element.name)}</td><td>{escape(element.VR)}</td>"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
