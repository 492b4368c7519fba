"""Negotiation of an association: what the acceptor answers, and what both sides have then (PS3.8 chapter 7, PS3.7 D.3).

`negotiate` is a function of the request and of a policy; it knows no state and no peer.  `Negotiated` is what request
and acceptance together mean for one side.  `plan_contexts` makes a requestor's proposal from what it will send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ImplicitVRLittleEndian
from dicomwire.errors import LocalProtocolError, RemoteProtocolError
from dicomwire.ul.codes import AbortReason, ContextResultReason
from dicomwire.ul.items import (
    AsynchronousOperationsWindow,
    ContextResult,
    ProposedContext,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    SubItem,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
)
from dicomwire.ul.pdu import DICOM_APPLICATION_CONTEXT_NAME, AAssociateAC, AAssociateRJ, AAssociateRQ
from dicomwire.ul.policy import (
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED,
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    DEFAULT_ROLES,
    INVALID_REQUEST,
    LOCAL_LIMIT_EXCEEDED,
    MAX_CONTEXTS,
    MIN_MAXIMUM_LENGTH,
    NO_REASON,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    AcceptorPolicy,
    IdentityAnswer,
    Roles,
)

_ACCEPTANCE = ContextResultReason.ACCEPTANCE


# --- the acceptor's answer


def reject_by_provider(request: AAssociateRQ, policy: AcceptorPolicy) -> AAssociateRJ | None:
    """Return the rejection of a request that the user is not even asked about (PS3.8 Table 9-6, AE-6), or None.

    The protocol version, limits, and rules that the service provider itself sets for contexts: at least one, with odd
    IDs that differ.
    """
    if policy.screen is not None:
        rejection = policy.screen(request)
        if rejection is not None:
            return rejection
    if not request.protocol_version & 1:  # only this bit is tested, PS3.8 section 9.3.2
        return PROTOCOL_VERSION_NOT_SUPPORTED
    contexts = request.presentation_contexts
    if len(contexts) > policy.max_contexts:
        return LOCAL_LIMIT_EXCEEDED
    ids = {context.context_id for context in contexts}
    if not ids or len(ids) != len(contexts) or not all(number & 1 for number in ids):
        return INVALID_REQUEST
    return None


def negotiate(
    request: AAssociateRQ, policy: AcceptorPolicy, *, identity: IdentityAnswer | None = None
) -> AAssociateAC | AAssociateRJ:
    """Return the acceptance of a request, or its rejection with result, source and reason (PS3.8 section 9.3.4).

    A request of which no context can be accepted is accepted all the same, each context with its result: so the
    standard has it, and the requestor learns why.  `identity` is the answer to the user identity where the caller has
    it already; then `policy.identify` is not called.
    """
    return reject_by_provider(request, policy) or negotiate_by_user(request, policy, identity=identity)


def negotiate_by_user(
    request: AAssociateRQ, policy: AcceptorPolicy, *, identity: IdentityAnswer | None = None
) -> AAssociateAC | AAssociateRJ:
    """Return what `negotiate` returns, for a request that `reject_by_provider` let through."""
    rejection = _reject_by_user(request, policy)
    if rejection is not None:
        return rejection
    information = request.user_information
    kinds = set(map(type, information.items))
    asked = information.user_identity if UserIdentityRQ in kinds else None
    if isinstance(asked, UserIdentityRQ):
        if identity is None and policy.identify is not None:
            identity = policy.identify(asked)
        if identity is not None and not identity.accepted:
            return NO_REASON
    elif policy.require_identity:
        return NO_REASON

    common: dict[UID, SOPClassCommonExtendedNegotiation] = {}
    if SOPClassCommonExtendedNegotiation in kinds:
        for item in information.common_extended_negotiations:
            common.setdefault(item.sop_class_uid, item)
        if policy.common_extended_negotiation is not None:
            policy.common_extended_negotiation(tuple(common.values()))
    roles = _grant_roles(information.roles, policy) if RoleSelection in kinds else {}
    results = tuple([_answer_context(context, policy, common, roles) for context in request.presentation_contexts])

    maximum_length, class_uid, version_name = policy.own_items
    items: list[SubItem] = [maximum_length, class_uid]
    window = information.asynchronous_operations_window if AsynchronousOperationsWindow in kinds else None
    if window is not None:
        invoked, performed = policy.asynchronous_operations_window
        items.append(
            AsynchronousOperationsWindow(_fewer(window.invoked, invoked), _fewer(window.performed, performed))
        )
    accepted = set()
    if roles or SOPClassExtendedNegotiation in kinds:
        pairs = zip(request.presentation_contexts, results, strict=True)
        accepted = {context.abstract_syntax for context, answer in pairs if answer.result == _ACCEPTANCE}
    items += [role for uid, role in roles.items() if uid in accepted]
    items.append(version_name)
    if policy.extended_negotiation is not None:
        for extended in information.extended_negotiations:
            if extended.sop_class_uid in accepted:
                response = policy.extended_negotiation(extended)
                if response is not None:
                    items.append(SOPClassExtendedNegotiation(extended.sop_class_uid, response))
    if identity is not None and isinstance(asked, UserIdentityRQ) and asked.positive_response_requested:
        items.append(UserIdentityAC(identity.server_response))
    return AAssociateAC.answering(request, results, UserInformation(tuple(items)))


def _reject_by_user(request: AAssociateRQ, policy: AcceptorPolicy) -> AAssociateRJ | None:
    if request.application_context_name != DICOM_APPLICATION_CONTEXT_NAME:
        return APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
    calling, called = request.calling_ae_title, request.called_ae_title
    allowed = policy.calling_ae_titles
    if not calling or (allowed is not None and not (allowed(calling) if callable(allowed) else calling in allowed)):
        return CALLING_AE_TITLE_NOT_RECOGNIZED
    if not called or (policy.ae_title is not None and called != policy.ae_title):
        return CALLED_AE_TITLE_NOT_RECOGNIZED
    if 0 < (request.user_information.maximum_length or 0) < MIN_MAXIMUM_LENGTH:
        return NO_REASON
    return None


def _grant_roles(proposed: Iterable[RoleSelection], policy: AcceptorPolicy) -> dict[UID, RoleSelection]:
    """Return the answers to role selections: what was proposed and is allowed, the first proposal of a SOP class."""
    granted: dict[UID, RoleSelection] = {}
    for item in proposed:
        allowed = policy.roles.get(item.sop_class_uid, policy.default_roles)
        if allowed is not None and item.sop_class_uid not in granted:
            granted[item.sop_class_uid] = RoleSelection(
                item.sop_class_uid, item.scu and allowed.scu, item.scp and allowed.scp
            )
    return granted


def _answer_context(
    context: ProposedContext,
    policy: AcceptorPolicy,
    common: Mapping[UID, SOPClassCommonExtendedNegotiation],
    roles: Mapping[UID, RoleSelection],
) -> ContextResult:
    abstract_syntax, proposed = context.abstract_syntax, context.transfer_syntaxes
    syntaxes = policy.supported.get(abstract_syntax)
    if syntaxes is None and policy.unlisted is not None and abstract_syntax:
        syntaxes = policy.unlisted(abstract_syntax, common.get(abstract_syntax))
    if syntaxes is None:
        return _refuse(context, ContextResultReason.ABSTRACT_SYNTAX_NOT_SUPPORTED)
    first, second = (proposed, syntaxes) if policy.prefer_requestor else (syntaxes, proposed)
    for syntax in first:
        if syntax in second:
            break
    else:
        return _refuse(context, ContextResultReason.TRANSFER_SYNTAXES_NOT_SUPPORTED)
    transfer_syntax = syntax if isinstance(syntax, UID) else UID(syntax)
    role = roles.get(abstract_syntax)
    if role is not None and not role.scu and not role.scp:
        return _refuse(context, ContextResultReason.USER_REJECTION)
    if policy.screen_context is not None and not policy.screen_context(context, transfer_syntax):
        return _refuse(context, ContextResultReason.USER_REJECTION)
    return ContextResult(context.context_id, _ACCEPTANCE, transfer_syntax)


def _refuse(context: ProposedContext, result: ContextResultReason) -> ContextResult:
    """Return a refusal; its transfer syntax means nothing, but must be there (PS3.8 section 9.3.3.2)."""
    syntax = context.transfer_syntaxes[0] if context.transfer_syntaxes else ImplicitVRLittleEndian
    return ContextResult(context.context_id, result, syntax)


def _fewer(one: int, other: int) -> int:
    """Return the smaller of two numbers of which 0 means unlimited."""
    return min(one, other) if one and other else one or other


# --- what both sides have then


class AcceptedContext(NamedTuple):
    """A presentation context that can be used, with the roles that this side has in it."""

    context_id: int
    abstract_syntax: UID
    transfer_syntax: UID
    is_scu: bool
    is_scp: bool


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What request and acceptance mean for one side of the association.

    contexts            accepted contexts by context ID
    max_pdu_length_to_send      longest P-DATA-TF that the peer takes, in bytes behind the PDU header; 0: any
    max_pdu_length_to_receive   the same of this side
    max_operations_invoked      operations that this side may have under way at once; 0: any number
    max_operations_performed    the same of the peer
    extended_negotiations       those of the acceptance
    deviations          what of the acceptance was ignored, because the request had not asked for it
    """

    is_requestor: bool
    called_ae_title: str
    calling_ae_title: str
    contexts: Mapping[int, AcceptedContext]
    max_pdu_length_to_send: int
    max_pdu_length_to_receive: int
    max_operations_invoked: int
    max_operations_performed: int
    peer_implementation_class_uid: UID | None
    peer_implementation_version_name: str | None
    user_identity_response: bytes | None = field(repr=False)
    extended_negotiations: tuple[SOPClassExtendedNegotiation, ...]
    deviations: tuple[str, ...]

    @classmethod
    def of(cls, request: AAssociateRQ, accept: AAssociateAC, is_requestor: bool) -> Negotiated:
        """Return what an acceptance of a request means for one side.

        RemoteProtocolError when the peer's maximum length is 1 to 11, with which no data could be sent.
        """
        asked, answered = request.user_information, accept.user_information
        own, peer = (asked, answered) if is_requestor else (answered, asked)
        to_send = peer.maximum_length or 0
        if 0 < to_send < MIN_MAXIMUM_LENGTH:
            raise RemoteProtocolError(
                f"maximum length: 0 or at least {MIN_MAXIMUM_LENGTH} expected, found {to_send}",
                abort_reason=AbortReason.INVALID_PDU_PARAMETER_VALUE,
                section="PS3.8 Annex D.1",
            )
        deviations: list[str] = []
        kinds = set(map(type, answered.items))
        invoked = performed = 1
        window = answered.asynchronous_operations_window if AsynchronousOperationsWindow in kinds else None
        if window is not None:
            proposed = asked.asynchronous_operations_window
            if proposed is None:
                deviations.append("asynchronous operations window that was not proposed; PS3.7 section D.3.3.3")
            else:
                invoked = _fewer(window.invoked, proposed.invoked)
                performed = _fewer(window.performed, proposed.performed)
        identity = answered.user_identity if UserIdentityAC in kinds else None
        roles = _agreed_roles(asked.roles, answered.roles) if RoleSelection in kinds else {}
        return cls(
            is_requestor=is_requestor,
            called_ae_title=request.called_ae_title,
            calling_ae_title=request.calling_ae_title,
            contexts=_accepted_contexts(request, accept, roles, is_requestor, deviations),
            max_pdu_length_to_send=to_send,
            max_pdu_length_to_receive=own.maximum_length or 0,
            max_operations_invoked=invoked if is_requestor else performed,
            max_operations_performed=performed if is_requestor else invoked,
            peer_implementation_class_uid=peer.implementation_class_uid,
            peer_implementation_version_name=peer.implementation_version_name,
            user_identity_response=identity.server_response if isinstance(identity, UserIdentityAC) else None,
            extended_negotiations=answered.extended_negotiations if SOPClassExtendedNegotiation in kinds else (),
            deviations=tuple(deviations),
        )

    def contexts_of(self, abstract_syntax: str) -> tuple[AcceptedContext, ...]:
        """Return the accepted contexts of an abstract syntax, in the order in which they were proposed."""
        return tuple(context for context in self.contexts.values() if context.abstract_syntax == abstract_syntax)

    def context_for(self, abstract_syntax: str, transfer_syntax: str | None = None) -> AcceptedContext | None:
        """Return the first accepted context of an abstract syntax in which this side is SCU, None without one.

        With a transfer syntax, the context must have just that one.
        """
        for context in self.contexts.values():
            if (
                context.is_scu
                and context.abstract_syntax == abstract_syntax
                and (transfer_syntax is None or context.transfer_syntax == transfer_syntax)
            ):
                return context
        return None


def _accepted_contexts(
    request: AAssociateRQ,
    accept: AAssociateAC,
    roles: Mapping[UID, Roles],
    is_requestor: bool,
    deviations: list[str],
) -> dict[int, AcceptedContext]:
    proposed = {context.context_id: context for context in request.presentation_contexts}
    contexts: dict[int, AcceptedContext] = {}
    for answer in accept.presentation_contexts:
        if answer.result != _ACCEPTANCE:
            continue
        number, syntax = answer.context_id, answer.transfer_syntax
        context = proposed.get(number)
        if context is None or number in contexts:
            deviations.append(f"context {number} accepted that was not proposed, or twice; PS3.8 section 9.3.3.2")
        elif syntax is None or syntax not in context.transfer_syntaxes:
            deviations.append(
                f"context {number} accepted with a transfer syntax that was not proposed; PS3.8 section 9.3.3.2"
            )
        else:
            scu, scp = roles.get(context.abstract_syntax, DEFAULT_ROLES)
            if not is_requestor:
                scu, scp = scp, scu
            contexts[number] = AcceptedContext(number, context.abstract_syntax, syntax, scu, scp)
    return contexts


def _agreed_roles(proposed: Iterable[RoleSelection], answered: Iterable[RoleSelection]) -> dict[UID, Roles]:
    """Return the requestor's roles where both sides speak of them: those proposed and not turned down."""
    asked: dict[UID, RoleSelection] = {}
    for item in proposed:
        asked.setdefault(item.sop_class_uid, item)
    agreed: dict[UID, Roles] = {}
    for item in answered:
        wish = asked.get(item.sop_class_uid)
        if wish is not None:
            agreed.setdefault(item.sop_class_uid, Roles(wish.scu and item.scu, wish.scp and item.scp))
    return agreed


# --- the requestor's proposal


def plan_contexts(
    wanted: Iterable[tuple[str, str | Iterable[str]]], *, with_default: bool = True
) -> tuple[ProposedContext, ...]:
    """Return the contexts to propose for pairs of abstract syntax and transfer syntax (or several) to be sent.

    The uncompressed transfer syntaxes of an abstract syntax share a context: whichever the acceptor takes, a data set
    can be sent in it.  Each other one, compressed, deflated or unknown, has a context of its own, so that accepting
    one does not refuse another.  `with_default` adds Implicit VR Little Endian to the uncompressed ones, which every
    acceptor supports (PS3.5 section 10.1).  Repetitions count once; the order stays.

    LocalProtocolError when more than 128 contexts come of it: they take several associations.
    """
    # Each key is one context: (abstract syntax, None) for the uncompressed transfer syntaxes together.
    planned: dict[tuple[str, str | None], dict[str, None]] = {}
    for abstract_syntax, syntaxes in wanted:
        for syntax in (syntaxes,) if isinstance(syntaxes, str) else syntaxes:
            known = UID(syntax).transfer_syntax
            shared = known is not None and known.family == "native" and not known.deflated and not known.uid.is_private
            planned.setdefault((abstract_syntax, None if shared else syntax), {})[syntax] = None
    if with_default:
        for (_, own), together in planned.items():
            if own is None:
                together[ImplicitVRLittleEndian] = None
    if len(planned) > MAX_CONTEXTS:
        raise LocalProtocolError(
            f"{len(planned)} presentation contexts planned, an association has at most {MAX_CONTEXTS}",
            section="PS3.8 section 9.3.2.2",
        )
    return tuple(
        ProposedContext(2 * index + 1, UID(abstract_syntax), tuple(map(UID, together)))
        for index, ((abstract_syntax, _), together) in enumerate(planned.items())
    )


def check_proposal(request: AAssociateRQ) -> None:
    """Raise LocalProtocolError for a request that no requestor may send (PS3.8 section 9.3.2)."""
    contexts = request.presentation_contexts
    ids = {context.context_id for context in contexts}
    length = request.user_information.maximum_length or 0
    fault = None
    if not 1 <= len(contexts) <= MAX_CONTEXTS:
        fault = f"1 to {MAX_CONTEXTS} presentation contexts expected, found {len(contexts)}"
    elif len(ids) != len(contexts) or not all(1 <= number <= 255 and number & 1 for number in ids):
        fault = "context IDs: odd numbers from 1 to 255 expected, each once"
    elif not all(context.abstract_syntax and context.transfer_syntaxes for context in contexts):
        fault = "presentation context without abstract syntax or without transfer syntax"
    elif not request.protocol_version & 1:
        fault = f"protocol version: bit 0 expected, found {request.protocol_version}"
    elif 0 < length < MIN_MAXIMUM_LENGTH:
        fault = f"maximum length: 0 or at least {MIN_MAXIMUM_LENGTH} expected, found {length}"
    if fault is not None:
        raise LocalProtocolError(f"A-ASSOCIATE-RQ: {fault}", section="PS3.8 section 9.3.2")
