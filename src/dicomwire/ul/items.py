"""Items of association PDUs: presentation contexts and user information (PS3.8 section 9.3.2, PS3.7 Annex D.3.3).

Every class stands for one item.  `decode` takes the whole item, header included, and `encode` gives it back: of what
was decoded the very bytes, of what was built from values, `dataclasses.replace` included, the encoding of those values.
What cannot be taken apart raises RemoteProtocolError with the reason for an A-ABORT; what can, but means nothing, is
kept for negotiation to answer: unknown items, UIDs that are none, numbers that the standard does not list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct, error
from typing import TYPE_CHECKING, ClassVar, Self

from dicomwire.dictionary import UID
from dicomwire.errors import EncodeError
from dicomwire.ul.codes import AbortReason, ContextResultReason, UserIdentityType
from dicomwire.ul.octets import (
    KNOWN_UIDS,
    Item,
    counted,
    invalid,
    item_bytes,
    named,
    need_size,
    octet,
    shown,
    take_counted,
    take_item,
    text_of,
    uid_of,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

ABSTRACT_SYNTAX = 0x30
TRANSFER_SYNTAX = 0x40

_U32 = Struct(">I")
_WINDOW = Struct(">HH")
_CONTEXT = Struct(">BBHBBBB")  # item header; context ID, reserved, result, reserved

_RESULTS = tuple(ContextResultReason)


# --- presentation contexts


@dataclass(frozen=True, slots=True)
class ProposedContext(Item):
    """Presentation context item of an A-ASSOCIATE-RQ (PS3.8 section 9.3.2.2).

    The abstract syntax is UID("") where the item has none.
    """

    item_type: ClassVar[int] = 0x20
    section: ClassVar[str] = "PS3.8 section 9.3.2.2"

    context_id: int
    abstract_syntax: UID
    transfer_syntaxes: tuple[UID, ...]

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        if end - pos < 4:
            raise invalid(f"presentation context: 4 bytes expected, {end - pos} left", pos, cls.section)
        context_id = data[pos]
        where = "presentation context"
        pos += 4
        abstract_syntax: UID | None = None
        transfer_syntaxes = []
        while pos < end:
            item_type, stop = take_item(data, pos, end, where, cls.section)
            value = data[pos + 4 : stop]
            if item_type == TRANSFER_SYNTAX:
                transfer_syntaxes.append(KNOWN_UIDS.get(value) or uid_of(value))
            elif item_type == ABSTRACT_SYNTAX:
                if abstract_syntax is not None:
                    raise invalid(
                        f"presentation context {context_id}: second abstract syntax",
                        pos,
                        cls.section,
                        AbortReason.UNEXPECTED_PDU_PARAMETER,
                    )
                abstract_syntax = KNOWN_UIDS.get(value) or uid_of(value)
            pos = stop
        return cls(context_id, UID("") if abstract_syntax is None else abstract_syntax, tuple(transfer_syntaxes))

    def build(self) -> bytes:
        where = f"presentation context {self.context_id}"
        parts = [octet(self.context_id, "context ID", self.section), b"\0\0\0"]
        parts.append(item_bytes(ABSTRACT_SYNTAX, self.abstract_syntax.encode(), where))
        parts += [item_bytes(TRANSFER_SYNTAX, uid.encode(), where) for uid in self.transfer_syntaxes]
        return item_bytes(self.item_type, b"".join(parts), where)

    def describe(self) -> str:
        lines = [f"presentation context {self.context_id}: {named(self.abstract_syntax)}"]
        lines += [f"  {named(uid)}" for uid in self.transfer_syntaxes]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class ContextResult(Item):
    """Presentation context item of an A-ASSOCIATE-AC (PS3.8 section 9.3.3.2).

    `transfer_syntax` is None where the item has none; it means something only with an acceptance.
    """

    item_type: ClassVar[int] = 0x21
    section: ClassVar[str] = "PS3.8 section 9.3.3.2"

    context_id: int
    result: ContextResultReason
    transfer_syntax: UID | None = None

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        if end - pos < 4:
            raise invalid(f"presentation context: 4 bytes expected, {end - pos} left", pos, cls.section)
        context_id, number = data[pos], data[pos + 2]
        result = _RESULTS[number] if number < len(_RESULTS) else ContextResultReason(number)
        pos += 4
        transfer_syntax = None
        while pos < end:
            item_type, stop = take_item(data, pos, end, "presentation context", cls.section)
            if item_type == TRANSFER_SYNTAX:
                if transfer_syntax is not None and number == 0:
                    raise invalid(
                        f"presentation context {context_id}: accepted with a second transfer syntax",
                        pos,
                        cls.section,
                        AbortReason.UNEXPECTED_PDU_PARAMETER,
                    )
                transfer_syntax = uid_of(data[pos + 4 : stop])
            pos = stop
        return cls(context_id, result, transfer_syntax)

    def build(self) -> bytes:
        syntax = b""
        if self.transfer_syntax is not None:
            syntax = item_bytes(TRANSFER_SYNTAX, self.transfer_syntax.encode(), f"context {self.context_id}")
        try:
            return _CONTEXT.pack(self.item_type, 0, 4 + len(syntax), self.context_id, 0, self.result, 0) + syntax
        except error:
            raise EncodeError(
                "presentation context: ID and result take one byte each, the transfer syntax at most 65527",
                section=self.section,
            ) from None

    @property
    def accepted(self) -> bool:
        """True for a context that can be used."""
        return self.result == ContextResultReason.ACCEPTANCE

    def describe(self) -> str:
        line = f"presentation context {self.context_id}: {self.result.meaning}"
        if self.transfer_syntax is not None and self.accepted:
            line += f", {named(self.transfer_syntax)}"
        return line


# --- user information


@dataclass(frozen=True, slots=True)
class MaximumLength(Item):
    """Longest P-DATA-TF that its sender takes, in bytes behind the PDU header; 0: any (PS3.8 Annex D.1)."""

    item_type: ClassVar[int] = 0x51
    section: ClassVar[str] = "PS3.8 section D.1.1"

    value: int

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        need_size(4, pos, end, "maximum length", cls.section)
        return cls(_U32.unpack_from(data, pos)[0])

    def build(self) -> bytes:
        if not 0 <= self.value <= 0xFFFFFFFF:
            raise EncodeError("maximum length: 0 to 4294967295 can be said", section=self.section)
        return item_bytes(self.item_type, _U32.pack(self.value), "maximum length")

    def describe(self) -> str:
        return f"maximum length: {self.value if self.value else 'unlimited'}"


@dataclass(frozen=True, slots=True)
class ImplementationClassUID(Item):
    """Which implementation the sender is (PS3.7 section D.3.3.2.1)."""

    item_type: ClassVar[int] = 0x52
    section: ClassVar[str] = "PS3.7 section D.3.3.2.1"

    uid: UID

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        return cls(uid_of(data[pos:end]))

    def build(self) -> bytes:
        return item_bytes(self.item_type, self.uid.encode(), "implementation class UID")

    def describe(self) -> str:
        return f"implementation class UID: {shown(self.uid)}"


@dataclass(frozen=True, slots=True)
class AsynchronousOperationsWindow(Item):
    """How many operations may be under way at once, 0: any (PS3.7 section D.3.3.3.1)."""

    item_type: ClassVar[int] = 0x53
    section: ClassVar[str] = "PS3.7 section D.3.3.3.1"

    invoked: int
    performed: int

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        need_size(4, pos, end, "asynchronous operations window", cls.section)
        return cls(*_WINDOW.unpack_from(data, pos))

    def build(self) -> bytes:
        if not (0 <= self.invoked <= 0xFFFF and 0 <= self.performed <= 0xFFFF):
            raise EncodeError("asynchronous operations window: 0 to 65535 can be said", section=self.section)
        body = _WINDOW.pack(self.invoked, self.performed)
        return item_bytes(self.item_type, body, "asynchronous operations window")

    def describe(self) -> str:
        invoked, performed = self.invoked or "unlimited", self.performed or "unlimited"
        return f"asynchronous operations window: invoked {invoked}, performed {performed}"


@dataclass(frozen=True, slots=True)
class RoleSelection(Item):
    """Roles that the requestor proposes, or the acceptor grants, for a SOP class (PS3.7 section D.3.3.4.1).

    Only the octet 1 gives a role.
    """

    item_type: ClassVar[int] = 0x54
    section: ClassVar[str] = "PS3.7 section D.3.3.4.1"

    sop_class_uid: UID
    scu: bool
    scp: bool

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        uid, pos = take_counted(data, pos, end, "role selection", cls.section)
        need_size(2, pos, end, "role selection", cls.section)
        return cls(uid_of(uid), data[pos] == 1, data[pos + 1] == 1)

    def build(self) -> bytes:
        body = counted(self.sop_class_uid.encode(), "role selection") + bytes((bool(self.scu), bool(self.scp)))
        return item_bytes(self.item_type, body, "role selection")

    def describe(self) -> str:
        roles = " and ".join(name for name, role in (("SCU", self.scu), ("SCP", self.scp)) if role)
        return f"role selection: {named(self.sop_class_uid)}: {roles or 'none'}"


@dataclass(frozen=True, slots=True)
class ImplementationVersionName(Item):
    """Up to 16 characters about the implementation (PS3.7 section D.3.3.2.3)."""

    item_type: ClassVar[int] = 0x55
    section: ClassVar[str] = "PS3.7 section D.3.3.2.3"

    name: str

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        return cls(text_of(data[pos:end]))

    def build(self) -> bytes:
        return item_bytes(self.item_type, self.name.encode(), "implementation version name")

    def describe(self) -> str:
        return f"implementation version name: {shown(self.name)}"


@dataclass(frozen=True, slots=True)
class SOPClassExtendedNegotiation(Item):
    """Bytes whose meaning the service class defines (PS3.7 section D.3.3.5.1, PS3.4)."""

    item_type: ClassVar[int] = 0x56
    section: ClassVar[str] = "PS3.7 section D.3.3.5.1"

    sop_class_uid: UID
    information: bytes

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        uid, pos = take_counted(data, pos, end, "extended negotiation", cls.section)
        return cls(uid_of(uid), data[pos:end])

    def build(self) -> bytes:
        body = counted(self.sop_class_uid.encode(), "extended negotiation") + self.information
        return item_bytes(self.item_type, body, "extended negotiation")

    def describe(self) -> str:
        information = self.information[:32].hex(" ") + (" ..." if len(self.information) > 32 else "")
        return f"extended negotiation: {named(self.sop_class_uid)}: {information or 'empty'}"


@dataclass(frozen=True, slots=True)
class SOPClassCommonExtendedNegotiation(Item):
    """Service class and related SOP classes of a SOP class that the acceptor may not know (PS3.7 section D.3.3.6.1)."""

    item_type: ClassVar[int] = 0x57
    section: ClassVar[str] = "PS3.7 section D.3.3.6.1"

    sop_class_uid: UID
    service_class_uid: UID
    related_general_sop_class_uids: tuple[UID, ...] = ()

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        where = "common extended negotiation"
        sop_class, pos = take_counted(data, pos, end, where, cls.section)
        service_class, pos = take_counted(data, pos, end, where, cls.section)
        listed, stop = take_counted(data, pos, end, where, cls.section)
        # Behind the list the standard reserves what may follow (the item has a version for that).
        pos, end = stop - len(listed), stop
        related = []
        while pos < end:
            uid, pos = take_counted(data, pos, end, where, cls.section)
            related.append(uid_of(uid))
        return cls(uid_of(sop_class), uid_of(service_class), tuple(related))

    def build(self) -> bytes:
        where = "common extended negotiation"
        related = b"".join(counted(uid.encode(), where) for uid in self.related_general_sop_class_uids)
        parts = (self.sop_class_uid.encode(), self.service_class_uid.encode(), related)
        return item_bytes(self.item_type, b"".join(counted(part, where) for part in parts), where)

    def describe(self) -> str:
        lines = [f"common extended negotiation: {named(self.sop_class_uid)}: {named(self.service_class_uid)}"]
        lines += [f"  {named(uid)}" for uid in self.related_general_sop_class_uids]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class UserIdentityRQ(Item):
    """Who the requestor's user is (PS3.7 section D.3.3.7.1).  The two fields are secrets and never printed."""

    item_type: ClassVar[int] = 0x58
    section: ClassVar[str] = "PS3.7 section D.3.3.7.1"

    type: UserIdentityType
    positive_response_requested: bool
    primary: bytes = field(repr=False)
    secondary: bytes = field(default=b"", repr=False)

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        if end - pos < 2:
            raise invalid(f"user identity: 2 bytes expected, {end - pos} left", pos, cls.section)
        identity_type, positive = UserIdentityType(data[pos]), data[pos + 1] == 1
        primary, pos = take_counted(data, pos + 2, end, "user identity, primary field", cls.section)
        secondary, pos = take_counted(data, pos, end, "user identity, secondary field", cls.section)
        need_size(0, pos, end, "user identity, behind the secondary field", cls.section)
        return cls(identity_type, positive, primary, secondary)

    def build(self) -> bytes:
        body = octet(self.type, "user identity type", self.section) + bytes((bool(self.positive_response_requested),))
        body += counted(self.primary, "user identity") + counted(self.secondary, "user identity")
        return item_bytes(self.item_type, body, "user identity")

    def describe(self) -> str:
        line = f"user identity: {UserIdentityType(self.type).meaning}, primary field of {len(self.primary)} bytes"
        if self.secondary:
            line += f", secondary field of {len(self.secondary)} bytes"
        return line + (", response requested" if self.positive_response_requested else "")


@dataclass(frozen=True, slots=True)
class UserIdentityAC(Item):
    """What the acceptor answers to a user identity (PS3.7 section D.3.3.7.2).  The response is never printed."""

    item_type: ClassVar[int] = 0x59
    section: ClassVar[str] = "PS3.7 section D.3.3.7.2"

    server_response: bytes = field(default=b"", repr=False)

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        response, pos = take_counted(data, pos, end, "user identity, server response", cls.section)
        need_size(0, pos, end, "user identity, behind the server response", cls.section)
        return cls(response)

    def build(self) -> bytes:
        return item_bytes(self.item_type, counted(self.server_response, "user identity"), "user identity")

    def describe(self) -> str:
        return f"user identity: accepted, response of {len(self.server_response)} bytes"


@dataclass(frozen=True, slots=True)
class UnknownItem(Item):
    """An item of a type that the standard does not list, skipped and kept (PS3.8 section 9.3.1)."""

    section: ClassVar[str] = "PS3.8 section 9.3.1"

    item_type: int  # type: ignore[misc]  # of each item here, of its class elsewhere
    data: bytes = field(default=b"", repr=False)

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        data = bytes(data)
        item_type, end = take_item(data, 0, len(data), "item", cls.section)
        if end != len(data):
            raise invalid(f"{len(data) - end} bytes behind the item", end, cls.section)
        item = cls(item_type, data[4:])
        object.__setattr__(item, "as_received", data)
        return item

    def build(self) -> bytes:
        return item_bytes(self.item_type, self.data, "unknown item")

    def describe(self) -> str:
        return f"unknown item of type 0x{self.item_type:02x}, {len(self.data)} bytes"


SubItem = (
    MaximumLength
    | ImplementationClassUID
    | AsynchronousOperationsWindow
    | RoleSelection
    | ImplementationVersionName
    | SOPClassExtendedNegotiation
    | SOPClassCommonExtendedNegotiation
    | UserIdentityRQ
    | UserIdentityAC
    | UnknownItem
)

_SUB_ITEMS: dict[int, type[SubItem]] = {
    kind.item_type: kind
    for kind in (
        MaximumLength,
        ImplementationClassUID,
        AsynchronousOperationsWindow,
        RoleSelection,
        ImplementationVersionName,
        SOPClassExtendedNegotiation,
        SOPClassCommonExtendedNegotiation,
        UserIdentityRQ,
        UserIdentityAC,
    )
}


@dataclass(frozen=True, slots=True)
class UserInformation(Item):
    """User information item: sub-items in the order in which they stand (PS3.8 section 9.3.2.3, PS3.7 Annex D.3.3).

    The properties give the first sub-item of a kind, and None where there is none.
    """

    item_type: ClassVar[int] = 0x50
    section: ClassVar[str] = "PS3.8 section 9.3.2.3"

    items: tuple[SubItem, ...] = ()

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        items: list[SubItem] = []
        while pos < end:
            item_type, stop = take_item(data, pos, end, "user information", cls.section)
            kind = _SUB_ITEMS.get(item_type)
            if kind is None:
                items.append(UnknownItem(item_type, data[pos + 4 : stop]))
            else:
                items.append(kind.parse(data, pos + 4, stop))
            pos = stop
        return cls(tuple(items))

    def build(self) -> bytes:
        return item_bytes(self.item_type, b"".join([item.encode() for item in self.items]), "user information")

    @property
    def maximum_length(self) -> int | None:
        """Longest P-DATA-TF that the sender takes; 0: any, None: not said, which means any as well (PS3.8 D.1)."""
        return next((item.value for item in self.items if isinstance(item, MaximumLength)), None)

    @property
    def implementation_class_uid(self) -> UID | None:
        """Which implementation the sender is."""
        return next((item.uid for item in self.items if isinstance(item, ImplementationClassUID)), None)

    @property
    def implementation_version_name(self) -> str | None:
        """What the sender calls its version."""
        return next((item.name for item in self.items if isinstance(item, ImplementationVersionName)), None)

    @property
    def asynchronous_operations_window(self) -> AsynchronousOperationsWindow | None:
        """Operations under way at once; None: one of each side."""
        return next((item for item in self.items if isinstance(item, AsynchronousOperationsWindow)), None)

    @property
    def roles(self) -> tuple[RoleSelection, ...]:
        """All role selections."""
        return tuple(item for item in self.items if isinstance(item, RoleSelection))

    @property
    def extended_negotiations(self) -> tuple[SOPClassExtendedNegotiation, ...]:
        """All extended negotiations."""
        return tuple(item for item in self.items if isinstance(item, SOPClassExtendedNegotiation))

    @property
    def common_extended_negotiations(self) -> tuple[SOPClassCommonExtendedNegotiation, ...]:
        """All common extended negotiations."""
        return tuple(item for item in self.items if isinstance(item, SOPClassCommonExtendedNegotiation))

    @property
    def user_identity(self) -> UserIdentityRQ | UserIdentityAC | None:
        """User identity, of the requestor or as answered."""
        return next((item for item in self.items if isinstance(item, UserIdentityRQ | UserIdentityAC)), None)

    @property
    def unknown_items(self) -> tuple[UnknownItem, ...]:
        """All sub-items of types that the standard does not list."""
        return tuple(item for item in self.items if isinstance(item, UnknownItem))

    def describe(self) -> str:
        lines = ["user information"]
        for item in self.items:
            lines += [f"  {line}" for line in item.describe().split("\n")]
        return "\n".join(lines)
