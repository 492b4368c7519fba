"""Acknowledgements of HL7 v2: what the codes of MSA-1 say, and which ones a message asks for (HL7 v2.5.1 section
2.9)."""

from __future__ import annotations

from enum import Enum

from dicomwire.hl7.message import Message, first_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.hl7.message import Header


class Stage(Enum):
    """Who answers: the receiver that has taken a message into its keeping, or the application that has processed it."""

    ACCEPT = "accept"
    APPLICATION = "application"


# Table 0008: code, stage, whether it says yes, meaning.
_CODES = {
    "AA": (Stage.APPLICATION, True, "application accepts"),
    "AE": (Stage.APPLICATION, False, "application found an error"),
    "AR": (Stage.APPLICATION, False, "application rejects"),
    "CA": (Stage.ACCEPT, True, "taken"),
    "CE": (Stage.ACCEPT, False, "not taken: error"),
    "CR": (Stage.ACCEPT, False, "not taken: rejected"),
}


def stage_of(code: str | None) -> Stage:
    """The stage of an acknowledgement code; that of one which is not known is the application's."""
    known = _CODES.get((code or "").upper())
    return known[0] if known else Stage.APPLICATION


def is_positive(code: str | None) -> bool | None:
    """Whether a code says yes; None for one that table 0008 does not have."""
    known = _CODES.get((code or "").upper())
    return known[1] if known else None


def meaning_of(code: str | None) -> str:
    """What a code says, in a few words."""
    known = _CODES.get((code or "").upper())
    return known[2] if known else "unknown acknowledgement code"


def is_enhanced(header: Header) -> bool:
    """Whether a message asks for acknowledgements of the enhanced mode: MSH-15 or MSH-16 is there (section 2.9.3)."""
    return header.accept_acknowledgement is not None or header.application_acknowledgement is not None


def expects(header: Header, stage: Stage) -> bool | None:
    """Whether a message asks for an acknowledgement of a stage (table 0155).

    True for always and, in original mode, for the application's; False for never; None where it depends on the outcome:
    only if it goes well, or only if it fails.
    """
    if not is_enhanced(header):
        return stage is Stage.APPLICATION
    field = header.accept_acknowledgement if stage is Stage.ACCEPT else header.application_acknowledgement
    condition = (first_of(field) or "NE").upper()
    return {"AL": True, "NE": False}.get(condition)


def acknowledge(message: Message, code: str = "AA", *, control_id: str, time: str = "") -> bytes:
    """The bytes of an acknowledgement of a message, with sender and receiver changed places (section 2.9.2).

    ``control_id`` is that of the acknowledgement itself, ``time`` what stands in MSH-7.  ValueError for a code that
    table 0008 does not have.
    """
    if code not in _CODES:
        raise ValueError(f"{code!r} is not one of {', '.join(_CODES)}")
    index = message.index
    field = index.field_separator.encode("ascii")
    component = index.encoding_characters[:1].encode("ascii")
    value = index.value
    event = value(0, 9, 2)
    kind = b"ACK" + (component + event if event else b"")
    header = [
        b"MSH", value(0, 2), value(0, 5), value(0, 6), value(0, 3), value(0, 4), time.encode("ascii"), b"", kind,
        control_id.encode("ascii"), value(0, 11), value(0, 12),
    ]  # fmt: skip
    return field.join(header) + b"\r" + field.join([b"MSA", code.encode("ascii"), value(0, 10)]) + b"\r"
