"""A data set as one JSON object on one line, written as it is walked: no depth and no length is too much.

    {"file": ..., "transfer_syntax": ..., "file_meta": [element, ...], "data_set": [element, ...], "deviations": [...]}

An element has tag, vr, keyword, vm, offset, length and value; see docs/cli.md.  This is a listing of what is in a file
and not the DICOM JSON Model of PS3.18 Annex F.
"""

from __future__ import annotations

from binascii import b2a_base64

from _dicomwire.fragments import Fragments
from dicomwire.cli.jsontext import dumps, plain
from dicomwire.cli.places import ItemExtents
from dicomwire.dataset.text import walk
from dicomwire.errors import DicomWireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _dicomwire.dataset import DataElement, DataSet
    from dicomwire.cli.places import Values

    Report = Callable[[DicomWireError], None]

PREFIX = 32  # bytes of a binary value that are shown as hexadecimal


class JSONDump:
    """Writes data sets; ``report`` is told of every element that cannot be decoded, and may raise to end it all."""

    def __init__(self, write: Callable[[str], object], report: Report, *, full: bool) -> None:
        self.write = write
        self.report = report
        self.full = full
        self._open: list[str] = []  # what closes the arrays and objects that are open

    def begin(self, name: str, data_set: DataSet) -> None:
        """The first members of a file's object."""
        syntax = data_set.transfer_syntax
        self.write(f'{{"file": {dumps(name)}, "transfer_syntax": {dumps(str(syntax) if syntax else None)}')
        self._open = ["}"]

    def elements(self, name: str, elements: Iterable[DataElement], values: Values, *, paths: bool = False) -> None:
        """A member with an array of elements; ``paths`` adds the path of each outermost one."""
        write = self.write
        write(f', "{name}": [')
        self._open.append("]")
        places = ItemExtents()
        extents: list[Iterator[tuple[int, int, bool]]] = []  # of the items to come, for each open sequence
        separator = ""  # a comma unless an array has just begun
        for kind, subject, depth, detail in walk(elements):
            if kind == "element" or kind == "sequence":
                write(separator)
                head = self._head(subject, with_path=paths and depth == 0)
                if kind == "element":
                    self._element(subject, head, values)
                    separator = ", "
                else:
                    write(f'{head}, "vm": 1, "items": [')
                    self._open.append("]}")
                    extents.append(iter(places.of(subject, detail)))
                    separator = ""
            elif kind == "item":
                offset, length, undefined = next(extents[-1])
                write(f'{separator}{{"offset": {offset}, "length": {length}')
                write(', "undefined_length": true, "elements": [' if undefined else ', "elements": [')
                self._open.append("]}")
                separator = ""
            elif kind == "error":
                write(f'{separator}{{"error": {dumps(str(detail))}}}')
                separator = ", "
                self.report(detail)
            else:
                if kind == "end sequence":
                    extents.pop()
                write(self._open.pop())
                separator = ", "
        write(self._open.pop())

    def end(self, data_set: DataSet) -> None:
        """The deviations that were found, and the end of the object."""
        found = [
            {"kind": one.kind, "path": one.path, "offset": one.offset, "message": one.message}
            for one in data_set.deviations
        ]
        self.write(f', "deviations": {dumps(found)}')
        self._finish()

    def fail(self, name: str, message: str) -> None:
        """The rest of the object of a file that cannot be read, or not to its end."""
        if self._open:
            while len(self._open) > 1:
                self.write(self._open.pop())
            self.write(f', "error": {dumps(message)}')
        else:
            self.write(f'{{"file": {dumps(name)}, "error": {dumps(message)}')
            self._open = ["}"]
        self._finish()

    def _finish(self) -> None:
        self.write(self._open.pop() + "\n")

    @staticmethod
    def _head(element: DataElement, *, with_path: bool) -> str:
        """The first members of an element's object."""
        text = f'{{"tag": "{element.tag:08X}", "vr": {dumps(element.VR)}, "keyword": "{element.keyword}"'
        if with_path:
            text += f', "path": {dumps(element.path)}'
        if element.is_private:
            creator = element.private_creator
            if isinstance(creator, str):
                text += f', "private_creator": {dumps(str(creator))}'
        text += f', "offset": {element.offset}, "length": {element.length}'
        return f'{text}, "undefined_length": true' if element.is_undefined_length else text

    def _element(self, element: DataElement, head: str, values: Values) -> None:
        """An element that is no sequence; its object is complete even where its value cannot be decoded."""
        write = self.write
        write(head)
        self._open.append("}")
        try:
            if element.VR in BYTES and not element.is_undefined_length:
                write(f', "vm": {1 if element.length else 0}')
                self._bytes(values.pieces(element) if self.full else [values.start(element, PREFIX)])
            else:
                self._value(element, values)
        except DicomWireError as error:
            while self._open[-1] != "}":
                write(self._open.pop())
            write(f', "error": {dumps(str(error))}')
            self.report(error)
        write(self._open.pop())

    def _value(self, element: DataElement, values: Values) -> None:
        value = element.value
        if isinstance(value, Fragments):
            self.write(f', "vm": 1, "basic_offset_table": {value.basic_offset_table}, "fragments": [')
            self._open.append("]")
            for number in range(len(value)):
                offset, length = value.extent(number)
                self.write(f'{", " if number else ""}{{"offset": {offset}, "length": {length}')
                self._open.append("}")
                if self.full:
                    self._bytes(values.fragment_pieces(value, number))
                else:
                    self._bytes([values.fragment_start(value, number, PREFIX)])
                self.write(self._open.pop())
            self.write(self._open.pop())
            return
        vm = element.VM
        if isinstance(value, (bytes, memoryview)):
            self.write(f', "vm": {vm}')
            self._bytes([bytes(value) if self.full else bytes(value[:PREFIX])])
        else:
            self.write(f', "vm": {vm}, "value": {dumps(plain(value))}')

    def _bytes(self, pieces: Iterable[bytes]) -> None:
        """The first bytes as ``hex``, or all of them as ``base64``; ``length`` tells how many there are."""
        self.write(', "base64": "' if self.full else ', "hex": "')
        self._open.append('"')
        for piece in pieces:
            self.write(b2a_base64(piece, newline=False).decode("ascii") if self.full else piece.hex())
        self.write(self._open.pop())


BYTES = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))

