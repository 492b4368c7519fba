"""A message of HL7 v2: its header, segments and values by place (HL7 v2.5.1 chapter 2)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from _dicomwire.segments import SegmentIndex, Selection
from dicomwire.errors import DecodeError
from dicomwire.hl7.text import NO_MULTIBYTE, Charset, charset_of, unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Found = str | tuple[str, ...] | None

NO_CONTROL_ID = "no message control ID (MSH-10)"
NO_TYPE = "no message type (MSH-9)"
UNKNOWN_CHARSET = "unknown character set (MSH-18)"
UNNAMED_SEGMENT = "segment without a name"
LINE_FEEDS = "segments end in line feeds"
UNUSUAL_SEPARATORS = "separators are not the recommended ones"
FEW_SEPARATORS = "MSH-2 has less than four separators"

_BLANKS = b"\r\n \t\0"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_HEADER = Selection(
    (
        "MSH-9.1", "MSH-9.2", "MSH-9.3", "MSH-10", "MSH-12.1", "MSH-3", "MSH-4", "MSH-5", "MSH-6", "MSH-7.1",
        "MSH-11.1", "MSH-15", "MSH-16", "MSH-18", "MSA-1", "MSA-2", "MSA-3", "ERR-3.1", "ERR-1.4.1", "MSA-6.1",
    )
)  # fmt: skip


class Header(NamedTuple):
    """What MSH, and in an acknowledgement MSA and ERR, say (section 2.15); None for what they do not.

    Texts, or tuples of texts where a field has several.
    """

    message_code: Found
    trigger_event: Found
    message_structure: Found
    control_id: Found
    version: Found
    sending_application: Found
    sending_facility: Found
    receiving_application: Found
    receiving_facility: Found
    time: Found
    processing_id: Found
    accept_acknowledgement: Found
    application_acknowledgement: Found
    charset: Found
    acknowledgement_code: Found
    acknowledged_id: Found
    acknowledgement_text: Found
    error_code: Found
    old_error_code: Found
    older_error_code: Found


def first_of(found: Found) -> str | None:
    """The first value that was found."""
    return found[0] if isinstance(found, tuple) else found


def all_of(found: Found) -> tuple[str, ...]:
    """All values that were found."""
    if found is None:
        return ()
    return found if isinstance(found, tuple) else (found,)


class Segment:
    """One segment: its name, and its fields as text, escape sequences as they stand.

    ``fields[n - 1]`` is field n as HL7 numbers them; of MSH the first one is the field separator.
    """

    __slots__ = ("_message", "_number")

    def __init__(self, message: Message, number: int) -> None:
        self._message = message
        self._number = number

    @property
    def name(self) -> str:
        """Three capitals and digits, "" for what is no segment."""
        return self._message.index.name(self._number)

    @property
    def fields(self) -> list[str]:
        """The texts of all fields, with their components and repetitions."""
        decode = self._message.charset.decode
        return [decode(field) for field in self._message.index.fields_of(self._number)]

    def value(self, field: int, component: int = 0, subcomponent: int = 0, repetition: int = 1) -> str:
        """The text of a value, numbers from 1; component 0 is the whole field.  "" for what is not there."""
        data = self._message.index.value(self._number, field, component, subcomponent, repetition)
        return self._message.text(data)

    def to_dict(self) -> dict[str, object]:
        """``{"name": ..., "fields": [...]}``."""
        return {"name": self.name, "fields": self.fields}

    def __repr__(self) -> str:
        return f"<Segment {self.name or '?'}, {self._message.index.count(self._number)} fields>"


class Message:
    """The values of one message, found in its bytes when they are asked for.

    ``data`` is the message without blocks of MLLP; blanks and a byte order mark in front are left out.  ``charset``
    takes the place of MSH-18.  Raises DecodeError if it does not begin with MSH, or with FHS or BHS of a batch.

    ``faults`` are deviations as short texts: no control ID, line feeds, unusual separators ...
    """

    __slots__ = ("_header", "charset", "index")

    def __init__(self, data: bytes, *, charset: Charset | None = None) -> None:
        data = data.lstrip(_BLANKS)
        if data.startswith(_BYTE_ORDER_MARK):
            data = data[len(_BYTE_ORDER_MARK) :].lstrip(_BLANKS)
        index = SegmentIndex(data)
        if charset is None:
            charset = charset_of(index.value(0, 18), index.encoding_characters[1])
        if charset.multibyte != NO_MULTIBYTE:
            index = SegmentIndex(data, charset.multibyte)
        self.index = index
        self.charset = charset
        self._header: Header | None = None

    @property
    def data(self) -> bytes:
        """The message's bytes."""
        return self.index.data

    @property
    def header(self) -> Header:
        """What MSH and MSA say."""
        if self._header is None:
            self._header = Header._make(self.index.select(_HEADER, self.text))
        return self._header

    @property
    def control_id(self) -> str | None:
        """MSH-10."""
        return first_of(self.header.control_id)

    @property
    def type(self) -> str | None:
        """MSH-9 without the structure: "ORM^O01", "ACK", whichever separator the message has."""
        code, event = first_of(self.header.message_code), first_of(self.header.trigger_event)
        return f"{code or ''}^{event}" if event else code

    @property
    def version(self) -> str | None:
        """MSH-12."""
        return first_of(self.header.version)

    @property
    def is_acknowledgement(self) -> bool:
        """Whether it answers a message: it has an MSA segment."""
        return self.index.find("MSA") >= 0

    @property
    def faults(self) -> list[str]:
        """How the message departs from what HL7 says, in short texts without values."""
        index, data = self.index, self.data
        found: list[str] = []
        if index.name(0) == "MSH":
            if self.header.control_id is None:
                found.append(NO_CONTROL_ID)
            if self.header.message_code is None:
                found.append(NO_TYPE)
        if not self.charset.is_known:
            found.append(UNKNOWN_CHARSET)
        if b"\n" in data and (b"\r" not in data or b"\r\n" in data):
            found.append(LINE_FEEDS)
        if any(not index.name(number) for number in range(len(index))):
            found.append(UNNAMED_SEGMENT)
        characters = index.encoding_characters
        if index.subcomponent_separator is None:
            found.append(FEW_SEPARATORS)
        elif index.field_separator + characters != "|^~\\&":
            found.append(UNUSUAL_SEPARATORS)
        return found

    def text(self, data: bytes) -> str:
        """The text of one value's bytes: decoded, escape sequences replaced."""
        index = self.index
        text = self.charset.decode(data)
        return unescape(text, index.field_separator, index.encoding_characters, self.charset.decode)

    def get(self, place: str) -> str | None:
        """The first value at a place such as "PID-3.1" or "OBX-5.1?3.1=110180"; None if there is none.

        ValueError for what is no place.
        """
        return first_of(self.index.select(_selection(place), self.text)[0])

    def all(self, place: str) -> tuple[str, ...]:
        """The different values at a place, of all segments and repetitions, in their order."""
        return all_of(self.index.select(_selection(place), self.text)[0])

    def select(self, selection: Selection) -> tuple[Found, ...]:
        """The values at several places, see :meth:`_dicomwire.segments.SegmentIndex.select`."""
        return self.index.select(selection, self.text)

    def segments(self, name: str | None = None) -> Iterator[Segment]:
        """The segments in order, or those of a name."""
        for number in range(len(self.index)):
            if name is None or self.index.name(number) == name:
                yield Segment(self, number)

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return f"<Message: {len(self.index)} segments, {len(self.data)} bytes>"


@lru_cache(maxsize=256)
def _selection(place: str) -> Selection:
    return Selection((place,))


def try_message(data: bytes) -> Message | None:
    """The message, or None if its first segment does not say the separators."""
    try:
        return Message(data)
    except DecodeError:
        return None
