"""Numbers with which the Upper Layer says what came of a proposal, a rejection or an abort (PS3.8 section 9.3).

Each number is a member with the standard's meaning in `meaning`.  Peers also send numbers that the standard does not
list: those become members named RESERVED_n for the moment, so that every octet has a value that prints and compares.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Code(IntEnum):
    """One octet of a PDU with its meaning."""

    meaning: str

    def __new__(cls, value: int, meaning: str = "not listed in the standard") -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not 0 <= value <= 255:
            return None
        member = int.__new__(cls, value)
        member._value_, member._name_ = int(value), f"RESERVED_{int(value)}"
        member.meaning = "not listed in the standard"
        return member

    def __str__(self) -> str:
        return f"{int(self)} ({self.meaning})"


class ContextResultReason(Code):
    """Answer to one proposed presentation context (PS3.8 Table 9-18)."""

    ACCEPTANCE = 0, "accepted"
    USER_REJECTION = 1, "rejected by the user"
    NO_REASON = 2, "rejected by the provider without a reason"
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3, "abstract syntax not supported"
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4, "none of the transfer syntaxes supported"


class RejectResult(Code):
    """How final an A-ASSOCIATE-RJ is (PS3.8 Table 9-21)."""

    PERMANENT = 1, "rejected permanently"
    TRANSIENT = 2, "rejected for now"


class RejectSource(Code):
    """Who rejects an association (PS3.8 Table 9-21)."""

    SERVICE_USER = 1, "by the service user"
    SERVICE_PROVIDER_ACSE = 2, "by the service provider, association control"
    SERVICE_PROVIDER_PRESENTATION = 3, "by the service provider, presentation"


class RejectReason(Code):
    """Why an association is rejected; the members are in the subclass of each source (PS3.8 Table 9-21)."""


class RejectReasonUser(RejectReason):
    """Reasons of the service user."""

    NO_REASON = 1, "no reason given"
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = 2, "application context name not supported"
    CALLING_AE_TITLE_NOT_RECOGNIZED = 3, "calling AE title not recognized"
    CALLED_AE_TITLE_NOT_RECOGNIZED = 7, "called AE title not recognized"


class RejectReasonACSE(RejectReason):
    """Reasons of the part of the service provider that controls associations."""

    NO_REASON = 1, "no reason given"
    PROTOCOL_VERSION_NOT_SUPPORTED = 2, "protocol version not supported"


class RejectReasonPresentation(RejectReason):
    """Reasons of the part of the service provider that has to do with presentation."""

    TEMPORARY_CONGESTION = 1, "too busy at the moment"
    LOCAL_LIMIT_EXCEEDED = 2, "a local limit is exceeded"


class RejectReasonUnlisted(RejectReason):
    """Reasons of a source that the standard does not list."""

    UNLISTED = 0, "not listed in the standard"


REJECT_REASONS: dict[int, type[RejectReason]] = {
    RejectSource.SERVICE_USER: RejectReasonUser,
    RejectSource.SERVICE_PROVIDER_ACSE: RejectReasonACSE,
    RejectSource.SERVICE_PROVIDER_PRESENTATION: RejectReasonPresentation,
}


class AbortSource(Code):
    """Who aborts (PS3.8 Table 9-26)."""

    SERVICE_USER = 0, "by the service user"
    SERVICE_PROVIDER = 2, "by the service provider"


class AbortReason(Code):
    """Why the service provider aborts; without meaning where the service user does (PS3.8 Table 9-26)."""

    NOT_SPECIFIED = 0, "reason not specified"
    UNRECOGNIZED_PDU = 1, "PDU type not recognized"
    UNEXPECTED_PDU = 2, "PDU not expected at this point"
    UNRECOGNIZED_PDU_PARAMETER = 4, "parameter of a PDU not recognized"
    UNEXPECTED_PDU_PARAMETER = 5, "parameter of a PDU not expected"
    INVALID_PDU_PARAMETER_VALUE = 6, "parameter of a PDU with an invalid value"


class UserIdentityType(Code):
    """Form of a user identity (PS3.7 section D.3.3.7.1)."""

    USERNAME = 1, "user name"
    USERNAME_AND_PASSCODE = 2, "user name and passcode"
    KERBEROS = 3, "Kerberos service ticket"
    SAML = 4, "SAML assertion"
    JWT = 5, "JSON web token"
