"""The Native DICOM Model as XML, both ways (PS3.19 Annex A.1).

Writing is compiled, see ``_dicomwire.xmlmodel``.  Reading refuses document types and entities, follows no reference
and opens no URI: what stands behind one is asked from the caller's function or left out.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from _dicomwire.dataset import DataSet
from _dicomwire.xmlmodel import XMLWriter
from dicomwire.dataset.model import (
    BYTE_VRS,
    MAX_BYTES,
    MAX_DEPTH,
    NUMBER_VRS,
    SINGLE_TEXT_VRS,
    VRS,
    data_set_of,
    decode_base64,
    encode_number,
    encode_tags,
    encode_text,
    step_name,
)
from dicomwire.errors import DecodeError, NestingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO, Literal

    from _dicomwire.dataset import DataElement
    from dicomwire.dataset.model import Elements

    BulkDataHandler = Callable[[DataElement], str | None]
    BulkDataReader = Callable[[str, str, str], bytes | None]

CHUNK = 1 << 18  # bytes of text in one piece
_NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_MAX_NUMBER = 1 << 20  # of a value or an item: a gap before it becomes that many empty ones


def to_xml(data_set: object, **options: Any) -> str:
    """A data set as the text of a NativeDicomModel document; ``options`` are those of :func:`iter_xml`."""
    return _writer(data_set, **options).take_text()


def iter_xml(
    data_set: object,
    *,
    bulk_data: Literal["inline", "omit"] = "inline",
    bulk_data_threshold: int = 1024,
    bulk_data_element_handler: BulkDataHandler | None = None,
) -> Iterator[bytes]:
    """A data set as a NativeDicomModel document in UTF-8, in pieces of about 256 KiB, whatever the length of values.

    The options mean what they mean for :func:`dicomwire.dataset.json.iter_json`.  The number of a private block is
    given by its creator (``privateCreator``) and the tag has zeros in its place.  Characters that XML does not have
    become U+FFFD.
    """
    writer = _writer(
        data_set,
        bulk_data=bulk_data,
        bulk_data_threshold=bulk_data_threshold,
        bulk_data_element_handler=bulk_data_element_handler,
    )
    while piece := writer.take(CHUNK):
        yield piece


def write_xml(data_set: object, file: BinaryIO, **options: Any) -> int:
    """Write a data set to a binary file as a NativeDicomModel document, in bounded memory; how many bytes."""
    total = 0
    for piece in iter_xml(data_set, **options):
        file.write(piece)
        total += len(piece)
    return total


def _writer(
    data_set: object,
    *,
    bulk_data: str = "inline",
    bulk_data_threshold: int = 1024,
    bulk_data_element_handler: BulkDataHandler | None = None,
) -> XMLWriter:
    if bulk_data not in ("inline", "omit"):
        raise ValueError(f"bulk_data={bulk_data!r}: expected 'inline' or 'omit'")
    if bulk_data == "omit" and bulk_data_element_handler is not None:
        raise ValueError("bulk data are either omitted or given to a handler")
    if not isinstance(data_set, DataSet):
        from dicomwire.dataset.pydicom import as_data_set

        data_set = as_data_set(data_set)
    return XMLWriter(
        data_set,
        handler=bulk_data_element_handler,
        threshold=bulk_data_threshold,
        omit=bulk_data == "omit",
        number_texts=True,
    )


# --- reading ---


def from_xml(
    source: str | bytes | bytearray | memoryview | BinaryIO,
    *,
    bulk_data_uri_handler: BulkDataReader | None = None,
    transfer_syntax: str | None = None,
    max_depth: int = MAX_DEPTH,
    max_bytes: int = MAX_BYTES,
) -> DataSet:
    """The data set of a NativeDicomModel document: of text, bytes or a binary file.

    ``bulk_data_uri_handler(tag, vr, uri)`` gives the bytes behind a BulkData element, whose ``uri`` or ``uuid`` it is
    told, or None; without one, and for None, the element is left out.  The rest is as for
    :func:`dicomwire.dataset.json.from_json`.  A document type declaration is refused, and with it every entity but
    those that XML itself has.
    """
    reader = _Reader(bulk_data_uri_handler, max_depth)
    reader.read(source, max_bytes)
    return data_set_of(reader.elements, transfer_syntax)


class _Attribute:
    """A DicomAttribute that is being read."""

    __slots__ = ("binary", "items", "left_out", "path", "tag", "values", "vr")

    def __init__(self, tag: int, vr: str, path: str) -> None:
        self.tag = tag
        self.vr = vr
        self.path = path
        self.values: list[str] = []
        self.items: list[Elements] = []
        self.binary: bytes | None = None
        self.left_out = False


class _Reader:
    """Takes the events of the parser; holds what is open in lists, so that nesting costs no stack."""

    def __init__(self, handler: BulkDataReader | None, max_depth: int) -> None:
        self.elements: Elements = {}
        self._handler = handler
        self._max_depth = max_depth
        self._names: list[str] = []  # of the XML elements that are open
        self._attributes: list[_Attribute] = []
        self._items: list[Elements] = []
        self._text: list[str] | None = None  # of what is collecting character data
        self._number = 0
        self._name: dict[tuple[str, str], str] = {}
        self._is_model = False

    def read(self, source: Any, max_bytes: int) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse_document_type
        parser.EntityDeclHandler = _refuse_document_type
        parser.ExternalEntityRefHandler = _refuse_document_type
        total = 0
        try:
            for piece in _pieces(source):
                total += len(piece)
                if total > max_bytes:
                    raise DecodeError(f"more than max_bytes={max_bytes} bytes of XML")
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise DecodeError(
                f"no XML: {expat.ErrorString(error.code)}", offset=parser.ErrorByteIndex, section="XML 1.0"
            ) from None
        except (ValueError, LookupError) as error:
            if isinstance(error, DecodeError):
                raise
            raise DecodeError("no XML: an encoding that cannot be read", section="XML 1.0") from None
        if not self._is_model:
            raise DecodeError("expected a NativeDicomModel", section="PS3.19 A.1")

    # --- what the parser calls

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        around = self._names[-1] if self._names else ""
        if len(self._names) > 2 * self._max_depth + 8:
            raise NestingError(f"nested more than {self._max_depth} deep", path=self._path(), section="PS3.5 7.5")
        self._names.append(name)
        if not around:
            if name != "NativeDicomModel":
                raise self._error("expected a NativeDicomModel")
            namespace = attributes.get("xmlns", _NAMESPACE)
            if namespace != _NAMESPACE:
                raise self._error("the document is of another namespace")
            self._is_model = True
            self._items.append(self.elements)
        elif name == "DicomAttribute" and around in ("NativeDicomModel", "Item"):
            self._attributes.append(self._attribute(attributes))
        elif around == "DicomAttribute":
            self._content(name, attributes)
        elif around == "PersonName" and name in _GROUPS:
            pass
        elif around in _GROUPS and name in _COMPONENTS:
            self._text = []
        else:
            raise self._error("an element stands where the model has none")

    def _content(self, name: str, attributes: dict[str, str]) -> None:
        """The beginning of what a DicomAttribute holds."""
        attribute = self._attributes[-1]
        if name == "Value":
            self._number = self._number_of(attributes, len(attribute.values))
            self._text = []
        elif name == "PersonName":
            self._number = self._number_of(attributes, len(attribute.values))
            self._name = {}
        elif name == "Item":
            number = self._number_of(attributes, len(attribute.items))
            if attribute.vr not in ("SQ", "UN"):
                raise self._error(f"{attribute.vr} has items")
            if len(self._items) > self._max_depth:
                raise NestingError(f"nested more than {self._max_depth} deep", path=self._path(), section="PS3.5 7.5")
            while len(attribute.items) < number:
                attribute.items.append({})
            self._items.append(attribute.items[number - 1])
        elif name == "InlineBinary":
            self._text = []
        elif name == "BulkData":
            uri = attributes.get("uri") or attributes.get("uuid")
            data = None
            if uri and self._handler is not None:
                data = self._handler(f"{attribute.tag:08X}", attribute.vr, uri)
            attribute.left_out = data is None
            attribute.binary = None if data is None else bytes(data)
        else:
            raise self._error("an element stands where the model has none")

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)
        elif not text.isspace():
            raise self._error("text stands where the model has none")

    def _end(self, name: str) -> None:
        name = self._names.pop()
        text = "".join(self._text) if self._text is not None else ""
        self._text = None
        if name in _COMPONENTS:
            self._name[self._names[-1], name] = text
        elif name == "Value":
            self._put_value(text)
        elif name == "PersonName":
            groups = [
                "^".join(self._name.get((group, component), "") for component in _COMPONENTS).rstrip("^")
                for group in _GROUPS
            ]
            self._put_value("=".join(groups).rstrip("="))
        elif name == "InlineBinary":
            self._attributes[-1].binary = decode_base64(text, self._path())
        elif name == "Item":
            self._items.pop()
        elif name == "DicomAttribute":
            self._put_attribute(self._attributes.pop())

    # --- attributes and values

    def _attribute(self, attributes: dict[str, str]) -> _Attribute:
        digits, vr = attributes.get("tag", ""), attributes.get("vr", "")
        try:
            tag = int(digits, 16) if len(digits) == 8 and digits.isascii() and digits.isalnum() else -1
        except ValueError:
            tag = -1
        if tag < 0 or tag >> 16 in (0, 0xFFFE, 0xFFFF):
            raise self._error("tag is missing or no eight hexadecimal digits")
        if vr not in VRS:
            raise self._error("vr is missing or no Value Representation")
        creator = attributes.get("privateCreator")
        if creator and tag >> 16 & 1 and tag & 0xFF00 == 0:
            tag |= self._block(tag >> 16, creator) << 8
        path = self._path()
        return _Attribute(tag, vr, f"{path}.{step_name(tag)}" if path else step_name(tag))

    def _block(self, group: int, creator: str) -> int:
        """The number of a creator's block in the innermost item, reserved if it is not yet (PS3.5 section 7.8.1)."""
        item = self._items[-1]
        wanted = encode_text([creator], "LO")
        free = 0
        for number in range(0x10, 0x100):
            found = item.get(group << 16 | number)
            if found is None:
                free = free or number
            elif isinstance(found[1], bytes) and found[1].rstrip(b" ") == wanted.rstrip(b" "):
                return number
        if not free:
            raise self._error("no private block is left in the group")
        item[group << 16 | free] = ("LO", wanted)
        return free

    def _put_value(self, text: str) -> None:
        values = self._attributes[-1].values
        while len(values) < self._number:
            values.append("")
        values[self._number - 1] = text

    def _put_attribute(self, attribute: _Attribute) -> None:
        item, tag, vr, path = self._items[-1], attribute.tag, attribute.vr, attribute.path
        if attribute.left_out or tag & 0xFFFF == 0:
            return
        if tag in item and not (tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF):
            raise DecodeError("the element stands twice in its item", path=path, section="PS3.5 7.1")
        if vr == "SQ" or attribute.items:
            item[tag] = ("SQ", attribute.items)
        elif attribute.binary is not None:
            item[tag] = (vr, attribute.binary)
        elif vr in BYTE_VRS:
            if attribute.values:
                raise DecodeError(f"{vr} has a Value in place of InlineBinary", path=path, section="PS3.19 A.1")
            item[tag] = (vr, b"")
        elif vr == "AT":
            item[tag] = (vr, encode_tags(attribute.values, path))
        elif vr in NUMBER_VRS:
            item[tag] = (vr, b"".join([encode_number(text, vr, path) for text in attribute.values]))
        elif vr in SINGLE_TEXT_VRS and len(attribute.values) > 1:
            raise DecodeError(f"{vr} has {len(attribute.values)} values: expected one", path=path, section="PS3.5 6.4")
        else:
            item[tag] = (vr, encode_text(attribute.values, vr, path))

    def _number_of(self, attributes: dict[str, str], before: int) -> int:
        text = attributes.get("number", "")
        if not text:
            return before + 1
        if not (text.isascii() and text.isdigit() and len(text) <= 8 and before < int(text) <= before + _MAX_NUMBER):
            raise self._error("number is none, or not above the one before")
        return int(text)

    def _path(self) -> str:
        """Path of the innermost item or attribute."""
        if not self._attributes:
            return ""
        attribute = self._attributes[-1]
        if len(self._items) == len(self._attributes):
            return attribute.path
        return f"{attribute.path}.{len(attribute.items) - 1}"

    def _error(self, message: str) -> DecodeError:
        return DecodeError(message, path=self._path(), section="PS3.19 A.1")


def _refuse_document_type(*_: object) -> int:
    raise DecodeError("a document type declaration or an entity, which the model does not have", section="PS3.19 A.1")


def _pieces(source: Any) -> Iterator[bytes]:
    if hasattr(source, "read"):
        while piece := source.read(CHUNK):
            yield piece
        return
    data = source.encode("utf-8", "replace") if isinstance(source, str) else source
    view = memoryview(data).cast("B") if len(data) else memoryview(b"")
    for start in range(0, len(view), CHUNK):
        yield bytes(view[start : start + CHUNK])
