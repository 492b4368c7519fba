"""Reading and writing of length-prefixed fields, and what all items have in common (PS3.8 section 9.3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Self

from dicomwire.dictionary import UID
from dicomwire.dictionary._uids import UIDS
from dicomwire.errors import EncodeError, RemoteProtocolError
from dicomwire.ul.codes import AbortReason

if TYPE_CHECKING:
    from typing_extensions import Buffer

_U16 = Struct(">H")
_ITEM = Struct(">BxH")  # item type, reserved, length of what follows

# Nearly every UID of a proposal is a registered one: one look-up spares decoding it and making an object.
KNOWN_UIDS = {uid.encode("ascii"): UID(uid) for uid in UIDS}


def invalid(
    message: str, offset: int, section: str, reason: AbortReason = AbortReason.INVALID_PDU_PARAMETER_VALUE
) -> RemoteProtocolError:
    """Return the error for bytes at an offset of the PDU or item that is decoded."""
    return RemoteProtocolError(f"{message}; offset {offset} (0x{offset:x})", abort_reason=reason, section=section)


def uid_of(data: bytes) -> UID:
    """Return the UID of a value, without the NUL or spaces with which some peers pad it.

    Bytes that are not UTF-8 appear as escapes, so that any value can be compared and printed.
    """
    known = KNOWN_UIDS.get(data)
    if known is not None:
        return known
    data = data.rstrip(b"\0 ")
    return KNOWN_UIDS.get(data) or UID(text_of(data))


def text_of(data: bytes) -> str:
    """Return text that ought to be ASCII, whatever it is."""
    return data.decode("utf-8", "backslashreplace")


def item_bytes(item_type: int, body: bytes, where: str) -> bytes:
    """Return the body behind its item header.  EncodeError when it is longer than the length field can say."""
    if len(body) > 0xFFFF:
        raise EncodeError(
            f"{where}: item of {len(body)} bytes, at most 65535 can be said", section="PS3.8 section 9.3.1"
        )
    return _ITEM.pack(item_type, len(body)) + body


def counted(value: bytes, where: str) -> bytes:
    """Return the value behind its length in two bytes."""
    if len(value) > 0xFFFF:
        raise EncodeError(
            f"{where}: value of {len(value)} bytes, at most 65535 can be said", section="PS3.7 Annex D.3.3"
        )
    return _U16.pack(len(value)) + value


def take_item(data: bytes, pos: int, end: int, where: str, section: str) -> tuple[int, int]:
    """Return type and end of the item whose header stands at `pos`, inside of what ends at `end`."""
    if end - pos < 4:
        raise invalid(f"{where}: item header needs 4 bytes, {end - pos} left", pos, section)
    item_type, length = _ITEM.unpack_from(data, pos)
    if length > end - pos - 4:
        raise invalid(
            f"{where}: item of type 0x{item_type:02x} says {length} bytes, {end - pos - 4} left", pos, section
        )
    return item_type, pos + 4 + length


def shown(text: str) -> str:
    """Return text that a peer sent so that it stays on its line and cannot drive a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def named(uid: UID) -> str:
    """Return a UID with its registered name."""
    name = uid.name
    return shown(uid) if name == uid else f"{uid} {name}"


def take_counted(data: bytes, pos: int, end: int, where: str, section: str) -> tuple[bytes, int]:
    """Return the value behind the two bytes of its length at `pos`, and where it ends."""
    if end - pos < 2:
        raise invalid(f"{where}: length needs 2 bytes, {end - pos} left", pos, section)
    stop: int = pos + 2 + _U16.unpack_from(data, pos)[0]
    if stop > end:
        raise invalid(f"{where}: value says {stop - pos - 2} bytes, {end - pos - 2} left", pos, section)
    return data[pos + 2 : stop], stop


def need_size(size: int, pos: int, end: int, where: str, section: str) -> None:
    """Raise unless just so many bytes are there."""
    if end - pos != size:
        raise invalid(f"{where}: {size} bytes expected, {end - pos} found", pos, section)


def octet(value: int, where: str, section: str) -> bytes:
    """Return a number as one byte.  EncodeError when it needs more."""
    if not 0 <= value <= 255:
        raise EncodeError(f"{where}: 0 to 255 can be said", section=section)
    return bytes((value,))


@dataclass(frozen=True, slots=True)
class Item:
    """What the items have in common."""

    item_type: ClassVar[int]
    section: ClassVar[str]

    as_received: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """The bytes from which `decode` made this item; None for one that was built, or decoded as part of another."""

    @classmethod
    def decode(cls, data: Buffer) -> Self:
        """Return the item that the bytes are, header included.  RemoteProtocolError if they are not just that."""
        data = bytes(data)
        item_type, end = take_item(data, 0, len(data), cls.__name__, cls.section)
        if item_type != cls.item_type:
            raise invalid(
                f"{cls.__name__}: item type 0x{cls.item_type:02x} expected, 0x{item_type:02x} found",
                0,
                cls.section,
                AbortReason.UNEXPECTED_PDU_PARAMETER,
            )
        if end != len(data):
            raise invalid(f"{cls.__name__}: {len(data) - end} bytes behind the item", end, cls.section)
        item = cls.parse(data, 4, end)
        object.__setattr__(item, "as_received", data)
        return item

    @classmethod
    def parse(cls, data: bytes, pos: int, end: int) -> Self:
        """Return the item whose body is data[pos:end]; the offsets of errors count from the start of `data`."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """Return the item with its header.  EncodeError when a value does not fit its field."""
        return self.build() if self.as_received is None else self.as_received

    def build(self) -> bytes:
        """Return the encoding of the values alone."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return one or more lines for people."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.describe()
