"""The seven PDUs of the Upper Layer as values (PS3.8 section 9.3).

`decode_pdu` takes one whole PDU and gives an object, `encode` gives the bytes back: of what was decoded the very
bytes, of what was built from values, `dataclasses.replace` included, the encoding of those values.  `str()` is a line
for a log, `describe()` a few lines for people.  P-DATA-TF goes through here only where a value is wanted, in tests and
in monitors; transfer of data sets goes through `_dicomwire.pdu`, which copies nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct, error
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from dicomwire.dictionary import UID
from dicomwire.errors import EncodeError
from dicomwire.ul.codes import (
    REJECT_REASONS,
    AbortReason,
    AbortSource,
    RejectReason,
    RejectReasonUnlisted,
    RejectResult,
    RejectSource,
)
from dicomwire.ul.items import ContextResult, ProposedContext, UnknownItem, UserInformation
from dicomwire.ul.octets import invalid, item_bytes, named, shown, take_item, text_of, uid_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

DICOM_APPLICATION_CONTEXT_NAME = UID("1.2.840.10008.3.1.1.1")
MAX_CONTROL_LENGTH = 1 << 20
"""Longest PDU other than P-DATA-TF that is taken apart, in bytes behind its header; real ones have a few kilobytes."""

MAX_ITEMS = 16384
"""Most items and transfer syntaxes that one PDU is taken apart into, so that a megabyte of empty ones costs little
time; 128 contexts with every transfer syntax that there is have half as many."""

APPLICATION_CONTEXT = 0x10

_HEADER = Struct(">BxI")  # PDU type, reserved, length of what follows
_ASSOCIATE = Struct(">BBIHH16s16s32s")  # header, protocol version, reserved, called and calling AE title, reserved
_OPENING = Struct(">BBIHH")  # the same up to the titles
_FOUR = Struct(">BBIBBBB")  # a PDU of four bytes
_PDV = Struct(">IBB")  # length of what follows, context ID, message control header

_TITLES = slice(10, 74)  # called and calling AE title, and the 32 reserved bytes behind them


@dataclass(frozen=True, slots=True)
class PDU:
    """What the PDUs have in common."""

    pdu_type: ClassVar[int]
    name: ClassVar[str]
    section: ClassVar[str]

    as_received: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """The bytes from which `decode_pdu` made this object, None for one that was built."""

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Return the PDU of this type that the bytes are, header included.  RemoteProtocolError otherwise."""
        pdu = decode_pdu(data)
        if not isinstance(pdu, cls):
            raise invalid(f"{cls.name} expected, {pdu.name} found", 0, cls.section, AbortReason.UNEXPECTED_PDU)
        return pdu

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return the PDU; its header has been checked."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """Return the PDU with its header.  EncodeError when a value does not fit its field."""
        return self.build() if self.as_received is None else self.as_received

    def build(self) -> bytes:
        """Return the encoding of the values alone."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return one or more lines for people."""
        return str(self)

    def __str__(self) -> str:
        return self.name


# --- association

_Context = TypeVar("_Context", ProposedContext, ContextResult)


@dataclass(frozen=True, slots=True)
class _Associate(PDU):
    """What request and acceptance of an association have in common."""

    called_ae_title: str
    calling_ae_title: str

    @property
    def called_ae_title_raw(self) -> bytes:
        """The 16 bytes of the called AE title, spaces included."""
        return self._titles()[:16]

    @property
    def calling_ae_title_raw(self) -> bytes:
        """The 16 bytes of the calling AE title, spaces included."""
        return self._titles()[16:32]

    def _titles(self) -> bytes:
        """Return the 64 bytes of both titles and of the reserved field behind them, as `encode` has them."""
        return self.encode()[_TITLES]


@dataclass(frozen=True, slots=True)
class AAssociateRQ(_Associate):
    """A-ASSOCIATE-RQ, the proposal of an association (PS3.8 section 9.3.2).

    AE titles are without the spaces around them, which mean nothing.  `application_context_name` is UID("") and
    `user_information` empty where the PDU has no such item; contexts are as many as there are and unchecked.
    """

    pdu_type: ClassVar[int] = 0x01
    name: ClassVar[str] = "A-ASSOCIATE-RQ"
    section: ClassVar[str] = "PS3.8 section 9.3.2"

    presentation_contexts: tuple[ProposedContext, ...]
    user_information: UserInformation
    application_context_name: UID = DICOM_APPLICATION_CONTEXT_NAME
    protocol_version: int = 1
    unknown_items: tuple[UnknownItem, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        version, called, calling = _parse_fixed(data, cls)
        contexts, information, context_name, unknown = _parse_items(data, cls, ProposedContext)
        return cls(called, calling, contexts, information, context_name, version, unknown)

    def build(self) -> bytes:
        titles = _title(self.called_ae_title, "called") + _title(self.calling_ae_title, "calling") + bytes(32)
        return _build_associate(self, titles)

    def __str__(self) -> str:
        return f"{self.name}: {shown(self.calling_ae_title)} to {shown(self.called_ae_title)}, " + _many(
            self.presentation_contexts
        )

    def describe(self) -> str:
        return _describe_associate(self)


@dataclass(frozen=True, slots=True)
class AAssociateAC(_Associate):
    """A-ASSOCIATE-AC, the acceptance of an association (PS3.8 section 9.3.3).

    The standard wants the bytes of both titles back as the request had them, and has the requestor ignore them:
    `answering` does that.
    """

    pdu_type: ClassVar[int] = 0x02
    name: ClassVar[str] = "A-ASSOCIATE-AC"
    section: ClassVar[str] = "PS3.8 section 9.3.3"

    presentation_contexts: tuple[ContextResult, ...]
    user_information: UserInformation
    application_context_name: UID = DICOM_APPLICATION_CONTEXT_NAME
    protocol_version: int = 1
    unknown_items: tuple[UnknownItem, ...] = ()
    returned: bytes = field(default=b"", init=False, repr=False, compare=False)
    """Titles and reserved field of the request that is answered, b"" without one."""

    @classmethod
    def answering(
        cls,
        request: AAssociateRQ,
        presentation_contexts: tuple[ContextResult, ...],
        user_information: UserInformation,
    ) -> Self:
        """Return the acceptance of a request, with the request's titles byte by byte."""
        titles = request.called_ae_title, request.calling_ae_title
        accept = cls(*titles, presentation_contexts, user_information)
        object.__setattr__(accept, "returned", request._titles())
        return accept

    @classmethod
    def parse(cls, data: bytes) -> Self:
        version, called, calling = _parse_fixed(data, cls)
        contexts, information, context_name, unknown = _parse_items(data, cls, ContextResult)
        return cls(called, calling, contexts, information, context_name, version, unknown)

    def build(self) -> bytes:
        if self.returned:
            return _build_associate(self, self.returned)
        # Titles that no request could have are cut to fit: nobody may test them here.
        titles = (title.encode()[:16].ljust(16) for title in (self.called_ae_title, self.calling_ae_title))
        return _build_associate(self, b"".join(titles) + bytes(32))

    def __str__(self) -> str:
        accepted = sum(context.accepted for context in self.presentation_contexts)
        return f"{self.name}: {accepted} of " + _many(self.presentation_contexts) + " accepted"

    def describe(self) -> str:
        return _describe_associate(self)


def _title(title: str, which: str) -> bytes:
    """Return the 16 bytes of an AE title; EncodeError unless it is one (PS3.5 section 6.2, VR AE)."""
    stripped = title.strip(" ")
    if not stripped or len(title) > 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise EncodeError(
            f"{which} AE title: 1 to 16 printable ASCII characters other than backslash expected, not only spaces",
            section="PS3.8 section 9.3.2",
        )
    return title.encode("ascii").ljust(16)


def _parse_fixed(data: bytes, cls: type[PDU]) -> tuple[int, str, str]:
    """Return protocol version, called and calling AE title."""
    if len(data) < _ASSOCIATE.size:
        raise invalid(
            f"{cls.name}: {_ASSOCIATE.size} bytes of fixed fields expected, {len(data)} found", len(data), cls.section
        )
    version = data[6] << 8 | data[7]
    return version, text_of(data[10:26].strip(b" \0")), text_of(data[26:42].strip(b" \0"))


def _parse_items(
    data: bytes, cls: type[PDU], kind: type[_Context]
) -> tuple[tuple[_Context, ...], UserInformation, UID, tuple[UnknownItem, ...]]:
    """Return presentation contexts, user information, application context name, and items of unknown types."""
    pos, end = _ASSOCIATE.size, len(data)
    if pos == end:
        raise invalid(f"{cls.name}: no items", pos, cls.section)
    context_name: UID | None = None
    information: UserInformation | None = None
    contexts: list[_Context] = []
    unknown = []
    left = MAX_ITEMS
    while pos < end:
        item_type, stop = take_item(data, pos, end, cls.name, cls.section)
        left -= 1
        if left < 0:
            raise invalid(f"{cls.name}: more than {MAX_ITEMS} items and transfer syntaxes", pos, cls.section)
        if item_type == kind.item_type:
            context = kind.parse(data, pos + 4, stop)
            if isinstance(context, ProposedContext):
                left -= len(context.transfer_syntaxes)
            contexts.append(context)
        elif item_type == UserInformation.item_type and information is None:
            information = UserInformation.parse(data, pos + 4, stop)
        elif item_type == APPLICATION_CONTEXT and context_name is None:
            context_name = uid_of(data[pos + 4 : stop])
        elif item_type in _ASSOCIATE_ITEMS:
            raise invalid(
                f"{cls.name}: item of type 0x{item_type:02x} a second time, or of the other direction",
                pos,
                cls.section,
                AbortReason.UNEXPECTED_PDU_PARAMETER,
            )
        else:
            unknown.append(UnknownItem(item_type, data[pos + 4 : stop]))
        pos = stop
    return (
        tuple(contexts),
        UserInformation() if information is None else information,
        UID("") if context_name is None else context_name,
        tuple(unknown),
    )


def _build_associate(pdu: AAssociateRQ | AAssociateAC, titles: bytes) -> bytes:
    """Return the PDU around the 64 bytes of titles and reserved field."""
    parts = [
        b"",
        titles,
        item_bytes(APPLICATION_CONTEXT, pdu.application_context_name.encode(), pdu.name),
        *[context.encode() for context in pdu.presentation_contexts],
        pdu.user_information.encode(),
        *[item.encode() for item in pdu.unknown_items],
    ]
    if not 0 <= pdu.protocol_version <= 0xFFFF:
        raise EncodeError(f"{pdu.name}: protocol version takes two bytes", section=pdu.section)
    parts[0] = _OPENING.pack(pdu.pdu_type, 0, 4 + sum(map(len, parts)), pdu.protocol_version, 0)
    return b"".join(parts)


def _many(contexts: tuple[object, ...]) -> str:
    return f"{len(contexts)} presentation context{'' if len(contexts) == 1 else 's'}"


def _describe_associate(pdu: AAssociateRQ | AAssociateAC) -> str:
    lines = [
        pdu.name,
        f"  called AE title: {shown(pdu.called_ae_title)}",
        f"  calling AE title: {shown(pdu.calling_ae_title)}",
        f"  application context: {named(pdu.application_context_name)}",
    ]
    if pdu.protocol_version != 1:
        lines.append(f"  protocol version: {pdu.protocol_version}")
    for item in (*pdu.presentation_contexts, pdu.user_information, *pdu.unknown_items):
        lines += [f"  {line}" for line in item.describe().split("\n")]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class AAssociateRJ(PDU):
    """A-ASSOCIATE-RJ (PS3.8 section 9.3.4).  Plain numbers become members; the source decides what a reason means."""

    pdu_type: ClassVar[int] = 0x03
    name: ClassVar[str] = "A-ASSOCIATE-RJ"
    section: ClassVar[str] = "PS3.8 section 9.3.4"

    result: RejectResult
    source: RejectSource
    reason: RejectReason

    def __post_init__(self) -> None:
        reasons = REJECT_REASONS.get(self.source, RejectReasonUnlisted)
        object.__setattr__(self, "result", RejectResult(self.result))
        object.__setattr__(self, "source", RejectSource(self.source))
        object.__setattr__(self, "reason", reasons(self.reason))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        _four(data, cls)
        return cls(RejectResult(data[7]), RejectSource(data[8]), data[9])  # type: ignore[arg-type]  # see __post_init__

    def build(self) -> bytes:
        return _FOUR.pack(self.pdu_type, 0, 4, 0, self.result, self.source, self.reason)

    def __str__(self) -> str:
        return f"{self.name}: {self.result.meaning}, {self.source.meaning}: {self.reason.meaning}" + (
            f" ({int(self.result)}, {int(self.source)}, {int(self.reason)})"
        )


# --- data


@dataclass(frozen=True, slots=True)
class PDV:
    """Presentation data value: a fragment of the command or of the data set of a message (PS3.8 Annex E.2)."""

    context_id: int
    is_command: bool
    is_last: bool
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        kind = "command" if self.is_command else "data set"
        return f"PDV: context {self.context_id}, {kind}, {len(self.data)} bytes{', last' if self.is_last else ''}"


@dataclass(frozen=True, slots=True)
class PDataTF(PDU):
    """P-DATA-TF (PS3.8 section 9.3.5)."""

    pdu_type: ClassVar[int] = 0x04
    name: ClassVar[str] = "P-DATA-TF"
    section: ClassVar[str] = "PS3.8 section 9.3.5"

    pdvs: tuple[PDV, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        pos, end = _HEADER.size, len(data)
        if pos == end:
            raise invalid("P-DATA-TF: no presentation data value", pos, cls.section)
        pdvs = []
        while pos < end:
            if end - pos < 6:
                raise invalid(f"P-DATA-TF: PDV header needs 6 bytes, {end - pos} left", pos, cls.section)
            length, context_id, control = _PDV.unpack_from(data, pos)
            if not 2 <= length <= end - pos - 4:
                raise invalid(f"P-DATA-TF: PDV says {length} bytes, {end - pos - 4} left", pos, cls.section)
            stop = pos + 4 + length
            pdvs.append(PDV(context_id, bool(control & 1), bool(control & 2), data[pos + 6 : stop]))
            pos = stop
        return cls(tuple(pdvs))

    def build(self) -> bytes:
        parts = [b""]
        for pdv in self.pdvs:
            try:
                parts.append(_PDV.pack(2 + len(pdv.data), pdv.context_id, pdv.is_command | pdv.is_last << 1))
            except error:
                raise EncodeError("P-DATA-TF: context ID takes one byte", section=self.section) from None
            parts.append(pdv.data)
        parts[0] = _HEADER.pack(self.pdu_type, sum(map(len, parts)))
        return b"".join(parts)

    def __str__(self) -> str:
        return f"{self.name}: {len(self.pdvs)} PDV{'' if len(self.pdvs) == 1 else 's'}"

    def describe(self) -> str:
        return "\n".join([self.name, *[f"  {pdv}" for pdv in self.pdvs]])


# --- the end


@dataclass(frozen=True, slots=True)
class AReleaseRQ(PDU):
    """A-RELEASE-RQ (PS3.8 section 9.3.6)."""

    pdu_type: ClassVar[int] = 0x05
    name: ClassVar[str] = "A-RELEASE-RQ"
    section: ClassVar[str] = "PS3.8 section 9.3.6"

    @classmethod
    def parse(cls, data: bytes) -> Self:
        _four(data, cls)
        return cls()

    def build(self) -> bytes:
        return _FOUR.pack(self.pdu_type, 0, 4, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class AReleaseRP(PDU):
    """A-RELEASE-RP (PS3.8 section 9.3.7)."""

    pdu_type: ClassVar[int] = 0x06
    name: ClassVar[str] = "A-RELEASE-RP"
    section: ClassVar[str] = "PS3.8 section 9.3.7"

    @classmethod
    def parse(cls, data: bytes) -> Self:
        _four(data, cls)
        return cls()

    def build(self) -> bytes:
        return _FOUR.pack(self.pdu_type, 0, 4, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class AAbort(PDU):
    """A-ABORT (PS3.8 section 9.3.8).  Plain numbers become members; the reason means something only of the provider."""

    pdu_type: ClassVar[int] = 0x07
    name: ClassVar[str] = "A-ABORT"
    section: ClassVar[str] = "PS3.8 section 9.3.8"

    source: AbortSource = AbortSource.SERVICE_USER
    reason: AbortReason = AbortReason.NOT_SPECIFIED

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", AbortSource(self.source))
        object.__setattr__(self, "reason", AbortReason(self.reason))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        _four(data, cls)
        return cls(AbortSource(data[8]), AbortReason(data[9]))

    def build(self) -> bytes:
        return _FOUR.pack(self.pdu_type, 0, 4, 0, 0, self.source, self.reason)

    def __str__(self) -> str:
        text = f"{self.name}: {self.source.meaning}"
        if self.source != AbortSource.SERVICE_USER:
            text += f": {self.reason.meaning}"
        return f"{text} ({int(self.source)}, {int(self.reason)})"


def _four(data: bytes, cls: type[PDU]) -> None:
    if len(data) != _FOUR.size:
        raise invalid(f"{cls.name}: length 4 expected, {len(data) - 6} found", 2, cls.section)


# --- any of them

AnyPDU = AAssociateRQ | AAssociateAC | AAssociateRJ | PDataTF | AReleaseRQ | AReleaseRP | AAbort

_PDUS: dict[int, type[AnyPDU]] = {
    kind.pdu_type: kind for kind in (AAssociateRQ, AAssociateAC, AAssociateRJ, PDataTF, AReleaseRQ, AReleaseRP, AAbort)
}
_ASSOCIATE_ITEMS = frozenset(
    (APPLICATION_CONTEXT, ProposedContext.item_type, ContextResult.item_type, UserInformation.item_type)
)


def decode_pdu(data: Buffer, *, max_control_length: int = MAX_CONTROL_LENGTH) -> AnyPDU:
    """Return the PDU that the bytes are, header included.

    RemoteProtocolError, with the Reason/Diag. for an A-ABORT, if the type is unknown, the length is not that of the
    bytes, or another PDU than P-DATA-TF is longer than the limit; and if items, fields or values run past what they
    are in.  PS3.8 section 9.3.1.
    """
    data = bytes(data)
    if len(data) < _HEADER.size:
        raise invalid(f"PDU: header needs 6 bytes, {len(data)} found", 0, "PS3.8 section 9.3.1")
    pdu_type, length = _HEADER.unpack_from(data)
    kind = _PDUS.get(pdu_type)
    if kind is None:
        raise invalid(
            f"PDU of unknown type 0x{pdu_type:02x}{_other_protocol(data)}",
            0,
            "PS3.8 section 9.3.1",
            AbortReason.UNRECOGNIZED_PDU,
        )
    if length > max_control_length and kind is not PDataTF:
        raise invalid(f"{kind.name}: length {length}, at most {max_control_length} is taken", 2, kind.section)
    if length != len(data) - _HEADER.size:
        raise invalid(f"{kind.name}: length {length} said, {len(data) - _HEADER.size} found", 2, kind.section)
    pdu = kind.parse(data)
    object.__setattr__(pdu, "as_received", data)
    return pdu


def _other_protocol(data: bytes) -> str:
    """Return a hint at what speaks here in place of DICOM."""
    if data[0] == 0x16 and data[1] == 3:
        return ", a TLS handshake by its looks"
    method = data.split(b" ", 1)[0]
    if method in (b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PRI", b"CONNECT"):
        return ", an HTTP request by its looks"
    return ""
