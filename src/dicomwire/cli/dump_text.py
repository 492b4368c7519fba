"""A data set as text, laid out as dcmdump prints it: tag, VR, value, then length, VM and keyword behind a ``#``.

    (0010,0020) LO [1CT1]                                   #   4, 1 PatientID
"""

from __future__ import annotations

import struct

from _dicomwire.fragments import Fragments
from dicomwire.cli.console import safe
from dicomwire.cli.places import ItemExtents
from dicomwire.dataset.text import number_texts, walk
from dicomwire.dictionary import UID
from dicomwire.errors import DicomWireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from _dicomwire.dataset import DataElement, DataSet
    from dicomwire.cli.places import Values

    Report = Callable[[DicomWireError], None]

VALUE_WIDTH = 40  # characters that a value is padded to
WIDTH = 70  # characters of a value; longer ones are cut and end in "..."
NO_VALUE = "(no value available)"
ENDING = "(fffe,e00d) na (ItemDelimitationItem)                   #   0, 0 ItemDelimitationItem\n"
SEQUENCE_ENDING = "(fffe,e0dd) na (SequenceDelimitationItem)               #   0, 0 SequenceDelimitationItem\n"


class TextDump:
    """Writes data sets; ``report`` is told of every element that cannot be decoded, and may raise to end it all."""

    def __init__(self, write: Callable[[str], object], report: Report, *, full: bool) -> None:
        self.write = write
        self.report = report
        self.full = full

    def data_set(self, data_set: DataSet, values: Values) -> None:
        """File Meta Information and data set, each below its heading."""
        if len(data_set.file_meta):
            implicit = data_set.file_meta.is_implicit_VR
            name = "Implicit VR Little Endian" if implicit else "Explicit VR Little Endian"
            self.write(f"\n# Dicom-File-Format\n\n# Dicom-Meta-Information-Header\n# Used TransferSyntax: {name}\n")
            self.elements(data_set.file_meta, values, little_endian=True)
        syntax = data_set.transfer_syntax
        name = safe(UID(syntax).name) if syntax else "Unknown Transfer Syntax"
        self.write(f"\n# Dicom-Data-Set\n# Used TransferSyntax: {name}\n")
        self.elements(data_set, values, little_endian=data_set.is_little_endian)

    def elements(self, elements: Iterable[DataElement], values: Values, *, little_endian: bool) -> None:
        """Elements and what is nested in them, one line each, two more spaces for each level."""
        places = ItemExtents()
        extents: list[Iterator[tuple[int, int, bool]]] = []  # of the items to come, for each open sequence
        open_items: list[bool] = []  # whether each open item has an undefined length
        write = self.write
        for kind, subject, depth, detail in walk(elements):
            # A sequence and each of its items are one level each.
            indent = "  " * (2 * depth - 1 if "item" in kind else 2 * depth)
            if kind == "element":
                self._element(subject, values, indent, little_endian)
            elif kind == "sequence":
                how = "undefined" if subject.is_undefined_length else "explicit"
                length = "u/l" if subject.is_undefined_length else f"{subject.length:3}"
                value = f"(Sequence with {how} length #={len(detail)})"
                write(f"{indent}{tag_text(subject.tag)} SQ {value:<{VALUE_WIDTH}} # {length}, 1 {label(subject)}\n")
                extents.append(iter(places.of(subject, detail)))
            elif kind == "item":
                _, size, undefined = next(extents[-1])
                open_items.append(undefined)
                how, length = ("undefined", "u/l") if undefined else ("explicit", f"{size:3}")
                value = f"(Item with {how} length #={len(subject)})"
                write(f"{indent}(fffe,e000) na {value:<{VALUE_WIDTH}} # {length}, 1 Item\n")
            elif kind == "end item":
                if open_items.pop():
                    write(indent + ENDING)
            elif kind == "end sequence":
                extents.pop()
                if subject.is_undefined_length:
                    write(indent + SEQUENCE_ENDING)
            else:
                write(f"{indent}# error: {safe(str(detail))}\n")
                self.report(detail)

    def _element(self, element: DataElement, values: Values, indent: str, little_endian: bool) -> None:
        vr = element.VR
        start = f"{indent}{tag_text(element.tag)} {vr if vr.isalpha() else safe(vr)} "
        fault = None
        vm = 0
        try:
            value = element.value if vr not in BINARY or element.is_undefined_length else None
            if isinstance(value, Fragments):
                self.write(start)
                self._fragments(element, value, values, indent)
                return
            if vr in BINARY or isinstance(value, (bytes, memoryview)):
                # Numbers whose length is no multiple of their size come as bytes too.
                self._binary(element, vr if vr in BINARY else "OB", start, values, little_endian)
                return
            text = NO_VALUE if value is None else plain_value(element, value)
            text = safe(text if self.full else cut(text))
            vm = element.VM
        except DicomWireError as error:
            fault = error
            text = f"(error: {safe(str(error))})"
        self.write(f"{start}{text:<{VALUE_WIDTH}} #{element.length:4},{vm:2} {label(element)}\n")
        if fault is not None:
            self.report(fault)

    def _binary(self, element: DataElement, vr: str, start: str, values: Values, little_endian: bool) -> None:
        """The line of a binary value; a long one that is printed whole is written piece by piece."""
        length = element.length
        self.write(start)
        pieces: Iterable[str] = [NO_VALUE]
        size = 0
        fault = None
        try:
            if length and self.full:
                pieces = joined(words(vr, piece, little_endian) for piece in values.pieces(element))
            elif length:
                # Eight bytes give one character and its backslash at least, so this is more than can be shown.
                shown = values.start(element, 8 * WIDTH)
                pieces = [cut_words(words(vr, shown, little_endian), length > 8 * WIDTH)]
            for piece in pieces:
                self.write(piece)
                size += len(piece)
        except DicomWireError as error:
            fault = error
            text = f"(error: {safe(str(error))})"
            self.write(text)
            size += len(text)
        self.write(f"{' ' * (VALUE_WIDTH - size)} #{length:4}, {1 if length else 0} {label(element)}\n")
        if fault is not None:
            self.report(fault)

    def _fragments(self, element: DataElement, fragments: Fragments, values: Values, indent: str) -> None:
        """Encapsulated pixel data: the Basic Offset Table, then the fragments, an item each (PS3.5 Annex A.4)."""
        table = b"".join(struct.pack("<I", offset) for offset in fragments.basic_offset_table)
        count = len(fragments)
        has_table = element.length > 0
        length = "u/l" if element.is_undefined_length else f"{element.length:3}"
        text = f"(PixelSequence #={count + has_table})"
        self.write(f"{text:<{VALUE_WIDTH}} # {length}, 1 {label(element)}\n")
        if has_table:
            self._fragment([table], len(table), indent)
        for number in range(count):
            size = fragments.extent(number)[1]
            if self.full:
                self._fragment(values.fragment_pieces(fragments, number), size, indent)
            else:
                self._fragment([values.fragment_start(fragments, number, WIDTH)], size, indent)
        if element.is_undefined_length:
            self.write(indent + SEQUENCE_ENDING)

    def _fragment(self, data: Iterable[bytes], size: int, indent: str) -> None:
        self.write(f"{indent}  (fffe,e000) pi ")
        shown = 0
        if size == 0:
            pieces: Iterable[str] = [NO_VALUE]
        elif self.full:
            pieces = joined(words("OB", piece, True) for piece in data)
        else:
            pieces = [cut_words(words("OB", b"".join(data), True), size > WIDTH)]
        for piece in pieces:
            self.write(piece)
            shown += len(piece)
        self.write(f"{' ' * (VALUE_WIDTH - shown)} #{size:4}, 1 Item\n")


# --------------------------------------------------------------------------------------------------------- values

# How binary values are printed: bytes in each word and its struct code; hexadecimal where the code is "".
BINARY = {
    "OB": (1, ""),
    "UN": (1, ""),
    "OW": (2, ""),
    "OL": (4, "I"),
    "OV": (8, "Q"),
    "OF": (4, "f"),
    "OD": (8, "d"),
}


def words(vr: str, data: bytes, little_endian: bool) -> list[str]:
    """The words of a binary value as text; bytes that are left over as hexadecimal."""
    size, code = BINARY[vr]
    if size == 1:
        return data.hex("\\").split("\\") if data else []
    whole = len(data) - len(data) % size
    if code:
        numbers = struct.unpack(f"{'<' if little_endian else '>'}{whole // size}{code}", data[:whole])
        found = [number_text(number, single=code == "f") for number in numbers]
    else:
        ordered = bytearray(data[:whole])
        if little_endian:
            ordered[0::2], ordered[1::2] = ordered[1::2], ordered[0::2]
        found = ordered.hex("\\", size).split("\\") if ordered else []
    return found + [f"{byte:02x}" for byte in data[whole:]]


def joined(parts: Iterable[list[str]]) -> Iterator[str]:
    """The words of all parts with backslashes between them, in pieces."""
    separator = ""
    for part in parts:
        yield separator + "\\".join(part)
        separator = "\\"


def cut_words(parts: list[str], more: bool) -> str:
    """As many words as there is room for; ``more``: there are others behind them."""
    text = "\\".join(parts)
    if len(text) <= WIDTH and not more:
        return text
    end = text.rfind("\\", 0, WIDTH - 2)
    return f"{text[:end]}..."


def cut(text: str) -> str:
    """A value's text, or its first characters and "..."."""
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def number_text(value: float, *, single: bool) -> str:
    """The shortest text that reads back as the same number of 64 bits, or of 32 when ``single``."""
    if isinstance(value, int):
        return str(value)
    text = repr(value)
    if single and value == value and abs(value) != float("inf"):
        for precision in range(6, 10):
            text = f"{value:.{precision}g}"
            if struct.pack("<f", float(text)) == struct.pack("<f", value):
                break
    return text.removesuffix(".0")


def plain_value(element: DataElement, value: Any) -> str:
    """A value that is neither binary nor a sequence, unescaped: text in brackets, registered UIDs by keyword."""
    vr = element.VR
    if value.__class__ is str and vr != "UI":
        return f"[{value}]" if value else NO_VALUE
    parts = value if isinstance(value, list) else [value]
    if vr in NUMBERS:
        if vr == "AT":
            return "\\".join(tag_text(part) for part in parts)
        return "\\".join(number_text(part, single=vr == "FL") for part in parts)
    if vr in ("IS", "DS"):
        parts = number_texts(element)
    if vr == "UI":
        keywords = [getattr(part, "keyword", "") for part in parts]
        if all(keywords):
            return "\\".join(f"={keyword}" for keyword in keywords)
    text = "\\".join([str(part) for part in parts])
    return f"[{text}]" if text else NO_VALUE


NUMBERS = frozenset(("AT", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"))


def tag_text(tag: int) -> str:
    """``(0010,0020)``, with small letters."""
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def label(element: DataElement) -> str:
    """The keyword, or the name where there is no keyword."""
    keyword = element.keyword
    if keyword:
        return str(keyword)
    name = element.name
    if name in ("Private Creator", "Group Length"):
        return str(name.replace(" ", ""))
    return "Unknown Tag & Data" if name in ("", "Private tag data") else str(name)
