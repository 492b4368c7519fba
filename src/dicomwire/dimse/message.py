"""What all messages share: encoding, printing, checks, and how a class and its command set correspond.

The classes of the single messages are in `dicomwire.dimse.messages`.  PS3.7 sections 6.3, 9.3 and 10.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from _dicomwire.command import encode_command, encode_fields
from dicomwire.dictionary import UID
from dicomwire.dictionary.tags import Tag, keyword_for_tag
from dicomwire.dimse.command import (
    DATA_SET,
    FIELDS,
    MESSAGES,
    NO_DATA_SET,
    CommandField,
    DataSetUse,
    MessageDescription,
)
from dicomwire.dimse.status import PROCESSING_FAILURE, Status, StatusKind, kind_of, service_of, status_of
from dicomwire.errors import Deviation, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND_FIELD = 0x0100
COMMAND_DATA_SET_TYPE = 0x0800
STATUS = 0x0900
NO_UID = UID("")

CommandValue = int | str | bytes | tuple[int, ...]
"""Values of command elements: numbers, text, tags; bytes where the element is unknown or has a wrong length."""

_ATTRIBUTES = {description.keyword: description.attribute for description in FIELDS.values()}

Departure = tuple[str, int, str]
"""Kind, tag and message of what is not as the standard has it."""


@dataclass(slots=True, kw_only=True)
class CommandMessage:
    """A command set: whether there is a data set, elements of no message or of another, what bends the rules."""

    command_field: ClassVar[CommandField]

    command_data_set_type: int = NO_DATA_SET
    extra_elements: dict[int, CommandValue] | None = None
    deviations: tuple[Deviation, ...] = field(default=(), compare=False, repr=False)

    if not TYPE_CHECKING:

        def __getattr__(self, keyword: str) -> object:
            """Return a field by the keyword of its element: `AffectedSOPInstanceUID`, as handlers elsewhere have it."""
            attribute = _ATTRIBUTES.get(keyword)
            if attribute is None or not hasattr(type(self), attribute):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {keyword!r}")
            return getattr(self, attribute)

    @property
    def has_data_set(self) -> bool:
        """True when the command announces a data set (PS3.7 Annex E.1)."""
        return self.command_data_set_type != NO_DATA_SET

    @property
    def sop_class_uid(self) -> UID | None:
        """The Affected or Requested SOP Class UID, whichever this kind of message has."""
        return None

    @property
    def sop_instance_uid(self) -> UID | None:
        """The Affected or Requested SOP Instance UID, whichever this kind of message has."""
        return None

    def encode(self, *, has_data_set: bool | None = None, check: bool = True) -> bytes:
        """The command set, group length included; ``has_data_set`` overrides Command Data Set Type.

        With ``check``, the default, a message that is not as the standard has it is an EncodeError.  Without, what was
        decoded is encoded as it came, but for the group length, paddings, and the order and repetition of elements.
        """
        layout = layout_of(type(self))
        values = layout.values(self)
        if has_data_set is None:
            has_data_set = self.command_data_set_type != NO_DATA_SET
        elif has_data_set != self.has_data_set:
            at = layout.data_set_at
            values = (*values[:at], DATA_SET if has_data_set else NO_DATA_SET, *values[at + 1 :])
        if check:
            departures = self.departures(has_data_set)
            if departures:
                _, tag, message = departures[0]
                raise EncodeError(message, path=keyword_for_tag(tag), section=layout.description.section)
        if self.extra_elements is None:
            return encode_fields(layout.tags, values, check)
        own = {tag: value for tag, value in zip(layout.tags, values, strict=True) if value is not None}
        return encode_command(self.extra_elements | own, check=check)

    def departures(self, has_data_set: bool) -> list[Departure] | None:
        """What is not as the standard has it, besides the presence and the form of fields; None for nothing."""
        use = layout_of(type(self)).description.data_set
        if has_data_set:
            if use is DataSetUse.NEVER:
                return [("data_set", COMMAND_DATA_SET_TYPE, "announces a data set, expected none")]
        elif use is DataSetUse.ALWAYS:
            return [("data_set", COMMAND_DATA_SET_TYPE, "announces no data set, expected one")]
        return None

    def describe(self) -> str:
        """The message in lines, for verbose output: its kind, then an element a line."""
        layout = layout_of(type(self))
        elements: dict[int, CommandValue] = dict(self.extra_elements or ())
        elements |= {
            tag: value
            for tag, value in zip(layout.tags, layout.values(self), strict=True)
            if value is not None and tag != COMMAND_FIELD
        }
        lines = [self.command_field.label]
        for tag, value in sorted(elements.items()):
            lines.append(f"  {Tag(tag)} {keyword_for_tag(tag) or 'unknown'}: {self._text(tag, value)}")
        return "\n".join(lines)

    def _text(self, tag: int, value: CommandValue) -> str:
        if tag == COMMAND_DATA_SET_TYPE:
            return f"{self.command_data_set_type:04X}H, {'a' if self.has_data_set else 'no'} data set"
        if tag == STATUS and isinstance(self, Response):
            return str(self.describe_status())
        if isinstance(value, UID):
            return f"{value} {value.name}" if value.keyword else str(value)
        if isinstance(value, tuple):
            return ", ".join(str(Tag(item)) for item in value)
        return value.hex(" ") if isinstance(value, bytes) else str(value)


@dataclass(slots=True, kw_only=True)
class Response(CommandMessage):
    """What all responses have; the fields from ``offending_element`` on say more about a status (PS3.7 Annex C)."""

    message_id_being_responded_to: int = 0
    status: int = 0
    affected_sop_class_uid: UID | None = None
    offending_element: tuple[int, ...] | None = None
    error_comment: str | None = None
    error_id: int | None = None

    @property
    def sop_class_uid(self) -> UID | None:
        """Affected SOP Class UID, which many peers leave out."""
        return self.affected_sop_class_uid

    @property
    def is_pending(self) -> bool:
        """True when more responses follow (PS3.7 Annex C.1.3)."""
        return kind_of(self.status) is StatusKind.PENDING

    def describe_status(self, sop_class_uid: str | None = None) -> Status:
        """Class and meaning of the status; ``sop_class_uid`` is that of the request where the response has none."""
        return status_of(
            self.status, service_of(self.command_field, self.affected_sop_class_uid or sop_class_uid)
        )

    def departures(self, has_data_set: bool) -> list[Departure] | None:
        """See CommandMessage."""
        found = CommandMessage.departures(self, has_data_set)
        if self.status == 0 and not has_data_set:
            return found
        use = layout_of(type(self)).description.data_set
        text = None
        if use is DataSetUse.PENDING and has_data_set != self.is_pending:
            text = f"announces {'a' if has_data_set else 'no'} data set, expected otherwise with this status"
        elif use is DataSetUse.NOT_PENDING and has_data_set and self.is_pending:
            text = "announces a data set, expected none while sub-operations go on"
        if text:
            found = [*(found or ()), ("data_set", COMMAND_DATA_SET_TYPE, text)]
        if kind_of(self.status) is StatusKind.UNKNOWN:
            found = [*(found or ()), ("bad_value", STATUS, f"status {self.status:04X}H has no class")]
        return found


R = TypeVar("R", bound=Response)


@dataclass(slots=True, kw_only=True)
class Request(CommandMessage, Generic[R]):
    """What all requests have.  `Exchange.invoke` replaces a ``message_id`` of 0 by an unused one."""

    response_class: ClassVar[type[Response]]

    message_id: int = 0

    def response(self, *, status: int = 0, **more: Any) -> R:
        """The response to this request with its message ID, SOP class and instance; ``more`` are further fields.

        UIDs that cannot be sent back are left out, which the standard allows.
        """
        values: dict[str, Any] = {
            "message_id_being_responded_to": self.message_id,
            "status": status,
            "affected_sop_class_uid": _returned(self.sop_class_uid),
        }
        cls = self.response_class
        if layout_of(cls).has_instance:
            values["affected_sop_instance_uid"] = _returned(self.sop_instance_uid)
        if more:
            values |= more
        return cls(**values)  # type: ignore[return-value]

    def refusal(self, *, status: int = PROCESSING_FAILURE) -> R | None:
        """The response to a request that lacks what it cannot do without, None for one that has all.

        These are UIDs, the destination of a move, and the data set where there is always one.  Processing Failure is
        the status for what has none of its own (PS3.7 Annex C).
        """
        layout = layout_of(type(self))
        lacking = None
        for name in layout.texts:
            if not getattr(self, name):
                lacking = name
                break
        if lacking is not None:
            missing = next(item.keyword for item in FIELDS.values() if item.attribute == lacking)
        elif layout.description.data_set is DataSetUse.ALWAYS and not self.has_data_set:
            missing = "data set"
        else:
            return None
        return self.response(status=status, error_comment=f"{missing} is missing")


def _returned(uid: UID | None) -> UID | None:
    """The UID if a response can name it, else None."""
    return uid if uid and len(uid) <= 64 and not uid.strip("0123456789.") else None


# --------------------------------------------------------------------------------------------------------------- layout


class Layout:
    """How a message class and its command set correspond; made once for each class."""

    __slots__ = (
        "cls",
        "data_set_at",
        "description",
        "has_instance",
        "mandatory",
        "names",
        "tags",
        "texts",
        "values",
    )

    def __init__(self, cls: type[CommandMessage]) -> None:
        self.cls = cls
        self.description: MessageDescription = MESSAGES[cls.command_field]
        due = {COMMAND_DATA_SET_TYPE, *self.description.mandatory, *self.description.optional}
        self.names = {tag: FIELDS[tag].attribute for tag in sorted(due)}
        attributes = {item.name for item in fields(cls)} - {"extra_elements", "deviations"}
        if attributes != set(self.names.values()):
            raise TypeError(f"{cls.__name__}: fields are not those of {cls.command_field.label}")
        self.tags = tuple(sorted((*due, COMMAND_FIELD)))
        self.values: Callable[[CommandMessage], tuple[CommandValue | None, ...]] = attrgetter(
            *(FIELDS[tag].attribute for tag in self.tags)
        )
        self.data_set_at = self.tags.index(COMMAND_DATA_SET_TYPE)
        self.mandatory = frozenset(
            FIELDS[tag].attribute for tag in (*self.description.mandatory, COMMAND_DATA_SET_TYPE)
        )
        self.texts = tuple(
            FIELDS[tag].attribute for tag in self.description.mandatory if FIELDS[tag].vr in ("UI", "AE")
        )
        self.has_instance = "affected_sop_instance_uid" in attributes


_LAYOUTS: dict[type[CommandMessage], Layout] = {}
layout_of = _LAYOUTS.__getitem__


def register(*classes: type[CommandMessage]) -> dict[int, Layout]:
    """Make the layouts of message classes, and return them by Command Field.

    TypeError for a class whose fields are not those of PS3.7.
    """
    _LAYOUTS.update({cls: Layout(cls) for cls in classes})
    return {int(cls.command_field): _LAYOUTS[cls] for cls in classes}
