"""Exception classes of every floor; users import them from :mod:`dicomwire.errors`.

A message says what, where, expected against found, and the rule's section; it names tags, sizes and offsets, never
values.
"""

from __future__ import annotations


class DicomWireError(Exception):
    """Base of all errors that dicomwire raises on purpose."""


class _LocatedError(DicomWireError, ValueError):
    """An error at a place: byte offset in the source, element path, section of the standard."""

    def __init__(
        self, message: str, *, offset: int | None = None, path: str | None = None, section: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.path = path
        self.section = section

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        if self.offset is not None:
            text += f"; offset {self.offset} (0x{self.offset:x})"
        if self.section:
            text += f"; {self.section}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        places = {"offset": self.offset, "path": self.path, "section": self.section}
        return (type(self), (self.message,), places)


class DecodeError(_LocatedError):
    """The bytes cannot be read as what they should be."""


class TruncatedError(DecodeError):
    """The bytes end before the element does."""


class ElementError(DecodeError):
    """An element header is not valid where it stands."""


class NestingError(DecodeError):
    """Sequences are nested deeper than the limit."""


class ValueDecodeError(DecodeError):
    """The bytes of one value do not fit its Value Representation."""


class EncodeError(_LocatedError):
    """A value cannot be encoded."""


class PixelError(DicomWireError, ValueError):
    """Pixel data and the attributes that describe it do not fit."""

    def __init__(self, message: str, *, frame: int | None = None, offset: int | None = None) -> None:
        super().__init__(message)
        self.frame = frame
        self.offset = offset


class UnsupportedError(DicomWireError):
    """What was asked for cannot be done here; ``extra`` names the optional dependency that could."""

    def __init__(self, message: str, *, what: str | None = None, extra: str | None = None) -> None:
        super().__init__(message)
        self.what = what
        self.extra = extra


class ProtocolError(DicomWireError):
    """A peer or a caller departs from the Upper Layer protocol or from DIMSE.

    ``state`` and ``event`` are labels of PS3.8 section 9.2 ("STA6", "EVT10") where the state machine found it, and
    ``abort_reason`` the Reason/Diag. for an A-ABORT (PS3.8 section 9.3.8), where one is due.
    """

    def __init__(
        self,
        message: str,
        *,
        state: str | None = None,
        event: str | None = None,
        abort_reason: int | None = None,
        section: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.state = state
        self.event = event
        self.abort_reason = abort_reason
        self.section = section

    def __str__(self) -> str:
        place = ", ".join(label for label in (self.event, f"in {self.state}" if self.state else None) if label)
        text = f"{self.message} ({place})" if place else self.message
        return f"{text}; {self.section}" if self.section else text

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message,), dict(self.__dict__))


class LocalProtocolError(ProtocolError):
    """The caller asked for what the state of the association, or what was negotiated, does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol does not allow."""


class _AssociationEnded(DicomWireError):
    """The three numbers with which a peer, or our own side, says why there is no association (any more)."""

    def __init__(
        self, message: str, *, result: int | None = None, source: int | None = None, reason: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.result = result
        self.source = source
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message,), dict(self.__dict__))


class AssociationRejected(_AssociationEnded):
    """A-ASSOCIATE-RJ: result, source and reason of PS3.8 section 9.3.4."""


class AssociationAborted(_AssociationEnded):
    """A-ABORT, or a transport connection lost: source and reason of PS3.8 section 9.3.8 where there are any."""


class ServiceError(DicomWireError):
    """A DIMSE response whose status says that the operation failed (PS3.7 Annex C)."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    def __reduce__(self) -> tuple[object, ...]:
        return (_service_error, (self.message, self.status))


def _service_error(message: str, status: int) -> ServiceError:
    return ServiceError(message, status=status)


class Deviation:
    """One place where a source departs from the standard and was read all the same.

    ``kind`` is a word of a fixed list, ``path`` the element's path in the data set ("" for the file itself),
    ``offset`` the absolute byte offset, ``message`` what was expected and found, with the section of the standard.
    """

    __slots__ = ("kind", "message", "offset", "path")

    def __init__(self, kind: str, path: str, offset: int, message: str) -> None:
        self.kind = kind
        self.path = path
        self.offset = offset
        self.message = message

    def __repr__(self) -> str:
        return f"Deviation({self.kind!r}, {self.path!r}, offset={self.offset}, {self.message!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Deviation):
            return NotImplemented
        return (self.kind, self.path, self.offset) == (other.kind, other.path, other.offset)

    def __hash__(self) -> int:
        return hash((self.kind, self.path, self.offset))


for _class in list(globals().values()):
    if isinstance(_class, type) and issubclass(_class, (DicomWireError, Deviation)):
        _class.__module__ = "dicomwire.errors"
