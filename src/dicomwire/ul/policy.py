"""What an acceptor accepts, and the rejections that there are (PS3.8 sections 7.1.1 and 9.3.4, PS3.7 Annex D.3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dicomwire.dictionary import UID
from dicomwire.dictionary.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomwire.ul.codes import (
    RejectReason,
    RejectReasonACSE,
    RejectReasonPresentation,
    RejectReasonUser,
    RejectResult,
    RejectSource,
)
from dicomwire.ul.items import (
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    ProposedContext,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)
from dicomwire.ul.pdu import AAssociateRJ, AAssociateRQ

MAX_CONTEXTS = 128
"""Context IDs are the odd numbers from 1 to 255 (PS3.8 section 9.3.2.2)."""
MIN_MAXIMUM_LENGTH = 12
"""Shortest maximum length that leaves room for a PDV's header and for some data behind it; 0 means unlimited."""
DEFAULT_MAX_PDU_LENGTH = 131072


# --- rejections


def _rejection(result: RejectResult, source: RejectSource, reason: RejectReason) -> AAssociateRJ:
    return AAssociateRJ(result, source, reason)


NO_REASON = _rejection(RejectResult.PERMANENT, RejectSource.SERVICE_USER, RejectReasonUser.NO_REASON)
APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = _rejection(
    RejectResult.PERMANENT, RejectSource.SERVICE_USER, RejectReasonUser.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
)
CALLING_AE_TITLE_NOT_RECOGNIZED = _rejection(
    RejectResult.PERMANENT, RejectSource.SERVICE_USER, RejectReasonUser.CALLING_AE_TITLE_NOT_RECOGNIZED
)
CALLED_AE_TITLE_NOT_RECOGNIZED = _rejection(
    RejectResult.PERMANENT, RejectSource.SERVICE_USER, RejectReasonUser.CALLED_AE_TITLE_NOT_RECOGNIZED
)
INVALID_REQUEST = _rejection(
    RejectResult.PERMANENT, RejectSource.SERVICE_PROVIDER_ACSE, RejectReasonACSE.NO_REASON
)
PROTOCOL_VERSION_NOT_SUPPORTED = _rejection(
    RejectResult.PERMANENT, RejectSource.SERVICE_PROVIDER_ACSE, RejectReasonACSE.PROTOCOL_VERSION_NOT_SUPPORTED
)
TEMPORARY_CONGESTION = _rejection(
    RejectResult.TRANSIENT,
    RejectSource.SERVICE_PROVIDER_PRESENTATION,
    RejectReasonPresentation.TEMPORARY_CONGESTION,
)
LOCAL_LIMIT_EXCEEDED = _rejection(
    RejectResult.PERMANENT,
    RejectSource.SERVICE_PROVIDER_PRESENTATION,
    RejectReasonPresentation.LOCAL_LIMIT_EXCEEDED,
)


# --- what an acceptor wants


class Roles(NamedTuple):
    """Roles of the requestor for a SOP class; the acceptor has the opposite ones (PS3.7 section D.3.3.4)."""

    scu: bool = True
    scp: bool = False


DEFAULT_ROLES = Roles()


@dataclass(frozen=True, slots=True)
class IdentityAnswer:
    """What an acceptor thinks of a user identity; the response goes to a peer that asked for one."""

    accepted: bool
    server_response: bytes = field(default=b"", repr=False)


TransferSyntaxes = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptorPolicy:
    """What an acceptor accepts.  One object serves any number of associations; it is checked when it is made.

    ae_title            the called AE title must be this one; None: any that is not blank
    calling_ae_titles   the calling AE title must be one of these, or the callable must say yes; None: any
    supported           transfer syntaxes, the best first, for each abstract syntax
    unlisted            called with an abstract syntax that `supported` lacks and with the requestor's common extended
                        negotiation about it, or None; returns transfer syntaxes, or None to refuse.  For services
                        that take any storage SOP class, private ones included.
    screen_context      called with each context that could be accepted and its transfer syntax; False refuses it as
                        user rejection
    prefer_requestor    take the first transfer syntax of the request that is supported; False: the acceptor's best
    max_contexts        more proposed contexts than that are a local limit exceeded
    roles               the most that a requestor may be, for a SOP class; for others `default_roles`, and when that
                        is None as well, role selection is not answered and default roles hold
    asynchronous_operations_window   the most that a requestor may (invoke, perform) at once; 0: any number
    identify            called with a user identity; None: identities are ignored, as acceptors may
    require_identity    reject requests without a user identity
    extended_negotiation   called with each extended negotiation about an accepted SOP class; returns the bytes of the
                        answer, or None for no answer
    common_extended_negotiation   called with all common extended negotiations; there is no answer to these
    screen              called first, with the whole request; returns a rejection, or None.  For limits of the moment:
                        TEMPORARY_CONGESTION.
    max_pdu_length      longest P-DATA-TF that is taken, in bytes behind the PDU header; 0: any
    """

    supported: Mapping[str, TransferSyntaxes] = field(default_factory=dict)
    ae_title: str | None = None
    calling_ae_titles: Collection[str] | Callable[[str], bool] | None = None
    unlisted: Callable[[UID, SOPClassCommonExtendedNegotiation | None], TransferSyntaxes | None] | None = None
    screen_context: Callable[[ProposedContext, UID], bool] | None = None
    prefer_requestor: bool = False
    max_contexts: int = MAX_CONTEXTS
    roles: Mapping[str, Roles] = field(default_factory=dict)
    default_roles: Roles | None = None
    asynchronous_operations_window: tuple[int, int] = (1, 1)
    identify: Callable[[UserIdentityRQ], IdentityAnswer] | None = None
    require_identity: bool = False
    extended_negotiation: Callable[[SOPClassExtendedNegotiation], bytes | None] | None = None
    common_extended_negotiation: Callable[[tuple[SOPClassCommonExtendedNegotiation, ...]], None] | None = None
    screen: Callable[[AAssociateRQ], AAssociateRJ | None] | None = None
    max_pdu_length: int = DEFAULT_MAX_PDU_LENGTH
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version_name: str = IMPLEMENTATION_VERSION_NAME

    # The sub-items that every acceptance has, with their bytes at hand.
    own_items: tuple[MaximumLength, ImplementationClassUID, ImplementationVersionName] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if any(isinstance(syntaxes, str) for syntaxes in self.supported.values()):
            raise TypeError("supported: a sequence of transfer syntaxes expected for each abstract syntax, found text")
        if self.require_identity and self.identify is None:
            raise ValueError("require_identity needs a callable in `identify`")
        if not 0 <= self.max_contexts <= MAX_CONTEXTS:
            raise ValueError(f"max_contexts: 0 to {MAX_CONTEXTS} expected, found {self.max_contexts}")
        check_maximum_length(self.max_pdu_length)
        supported = {
            UID(abstract): tuple(UID(syntax) for syntax in syntaxes) for abstract, syntaxes in self.supported.items()
        }
        titles = self.calling_ae_titles
        if titles is not None and not callable(titles):
            if isinstance(titles, str):
                titles = (titles,)
            object.__setattr__(self, "calling_ae_titles", frozenset(title.strip(" ") for title in titles))
        if self.ae_title is not None:
            object.__setattr__(self, "ae_title", self.ae_title.strip(" "))
        object.__setattr__(self, "supported", supported)
        items = (
            MaximumLength(self.max_pdu_length),
            ImplementationClassUID(UID(self.implementation_class_uid)),
            ImplementationVersionName(self.implementation_version_name),
        )
        object.__setattr__(self, "own_items", tuple(item.decode(item.encode()) for item in items))


def check_maximum_length(value: int) -> None:
    """Raise ValueError for a maximum length that nobody could announce."""
    if value != 0 and not MIN_MAXIMUM_LENGTH <= value <= 0xFFFFFFFF:
        raise ValueError(
            f"maximum length: 0, or {MIN_MAXIMUM_LENGTH} to 4294967295 expected, found {value}; PS3.8 Annex D.1"
        )
