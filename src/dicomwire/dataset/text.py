"""Data sets as text and HTML: one line an element, as users of pydicom know it; nested items indented."""

from __future__ import annotations

from html import escape

from _dicomwire.dataset import DataElement, DataSet, Fragments, Sequence
from dicomwire.dictionary import dictionary_name, private_element

NAME_WIDTH = 38
SHORT_VALUE = 16  # bytes of a binary value that are shown
MAX_TEXT = 200  # characters of a text value that are shown


def element_name(element: DataElement) -> str:
    """The name of PS3.6, "[...]" from the private dictionary, or what can be said without."""
    tag = element.tag
    if tag & 0xFFFF == 0:
        return "Group Length" if dictionary_name(tag) is None else str(dictionary_name(tag))
    if element.is_private:
        if 0x10 <= tag & 0xFFFF <= 0xFF:
            return "Private Creator"
        creator = element.private_creator
        entry = private_element(creator, tag) if isinstance(creator, str) else None
        return f"[{entry[2]}]" if entry else "Private tag data"
    return dictionary_name(tag) or "Unknown Tag & Data"


def value_text(element: DataElement) -> str:
    """A short text of a value; binary values by their length, long texts cut."""
    value = element.value
    if value is None:
        return "None"
    if isinstance(value, Sequence):
        return f"<Sequence, length {len(value)}>"
    if isinstance(value, Fragments):
        return f"<Fragments, {len(value)}>"
    if isinstance(value, memoryview):
        if len(value) <= SHORT_VALUE:
            return repr(bytes(value))
        return f"Array of {len(value)} bytes"
    if isinstance(value, str) and element.VR == "UI":
        name = getattr(value, "name", value)
        return str(name)
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."


def element_line(element: DataElement) -> str:
    """``(0010,0020) Patient ID                         LO: 'value'``."""
    name = element.name
    return f"{element.tag!s} {name[:NAME_WIDTH]:<{NAME_WIDTH}} {element.VR}: {value_text(element)}"


def data_set_text(data_set: DataSet) -> str:
    """All elements, those of nested items indented below their sequence."""
    lines: list[str] = []
    if data_set.transfer_syntax is not None and len(data_set.file_meta):
        lines.append("File Meta Information " + "-" * 32)
        lines += [element_line(element) for element in data_set.file_meta]
        lines.append("-" * 54)
    _add_lines(lines, data_set, "")
    return "\n".join(lines)


def _add_lines(lines: list[str], data_set: DataSet, indent: str) -> None:
    stack = [(iter(data_set), indent)]
    while stack:
        elements, indent = stack[-1]
        for entry in elements:
            if isinstance(entry, DataSet):
                lines.append(f"{indent[3:]}---------")
                stack.append((iter(entry), indent))
                break
            value = entry.value
            if isinstance(value, Sequence):
                lines.append(f"{indent}{entry.tag!s}  {entry.name}   {len(value)} item(s) ---- ")
                stack.append((iter(value), indent + "   "))
                break
            lines.append(indent + element_line(entry))
        else:
            stack.pop()


def data_set_html(data_set: DataSet) -> str:
    """A table with collapsible sequences, everything escaped, no script."""
    rows: list[str] = []
    for element in data_set:
        value = element.value
        if isinstance(value, Sequence):
            items = "".join(f"<details><summary>Item {i}</summary>{data_set_html(item)}</details>"
                            for i, item in enumerate(value))
            cell = f"<details><summary>{len(value)} item(s)</summary>{items}</details>"
        else:
            cell = escape(value_text(element))
        rows.append(
            f"<tr><td><code>{escape(str(element.tag))}</code></td><td>{escape(element.name)}</td>"
            f"<td>{escape(element.VR)}</td><td style='text-align:left'>{cell}</td></tr>"
        )
    head = "<thead><tr><th>Tag</th><th>Name</th><th>VR</th><th>Value</th></tr></thead>"
    return f"<table class='dicomwire'>{head}<tbody>{''.join(rows)}</tbody></table>"
