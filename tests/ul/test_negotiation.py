"""What an acceptor answers, what both sides have then, and what a requestor proposes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    GEImplicitVRLittleEndianBigEndianPixelData,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    MRImageStorage,
    Verification,
)
from dicomwire.errors import LocalProtocolError, RemoteProtocolError
from dicomwire.ul import policy as policies
from dicomwire.ul.codes import UserIdentityType
from dicomwire.ul.items import (
    AsynchronousOperationsWindow,
    ContextResult,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    ProposedContext,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
)
from dicomwire.ul.negotiation import Negotiated, check_proposal, negotiate, plan_contexts, reject_by_provider
from dicomwire.ul.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ, decode_pdu
from dicomwire.ul.policy import AcceptorPolicy, IdentityAnswer, Roles
from tests.support import missing

UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
POLICY = AcceptorPolicy(supported={Verification: UNCOMPRESSED, CTImageStorage: (*UNCOMPRESSED, JPEG2000Lossless)})
PRIVATE = UID("1.2.3.4.5")


def request(*contexts, items=(), **fields):
    """An A-ASSOCIATE-RQ; contexts are (abstract syntax, transfer syntaxes) or whole items."""
    proposed = tuple(
        context if isinstance(context, ProposedContext) else ProposedContext(2 * index + 1, context[0], context[1])
        for index, context in enumerate(contexts or [(Verification, (ImplicitVRLittleEndian,))])
    )
    if not any(isinstance(item, MaximumLength) for item in items):
        items = (MaximumLength(16384), *items)
    information = UserInformation((*items, ImplementationClassUID(UID("1.2.3"))))
    return AAssociateRQ(
        called_ae_title=fields.pop("called_ae_title", "SCP"),
        calling_ae_title=fields.pop("calling_ae_title", "SCU"),
        presentation_contexts=proposed,
        user_information=information,
        **fields,
    )


def accepted(asked, policy=POLICY, **options):
    """The acceptance of a request, which must be one, after a trip over the wire."""
    answer = negotiate(asked, policy, **options)
    assert isinstance(answer, AAssociateAC), answer
    return decode_pdu(answer.encode())


def numbers(answer):
    """Result, source and reason of a rejection."""
    assert isinstance(answer, AAssociateRJ), answer
    assert decode_pdu(answer.encode()) == answer
    return int(answer.result), int(answer.source), int(answer.reason)


def results(accept):
    contexts = accept.presentation_contexts
    return [(context.context_id, int(context.result), context.transfer_syntax) for context in contexts]


# --- rejections


@pytest.mark.parametrize(
    ("fields", "policy", "expected"),
    [
        ({"application_context_name": UID("1.2.840.10008.3.1.1.2")}, {}, (1, 1, 2)),
        ({"application_context_name": UID("")}, {}, (1, 1, 2)),
        ({"calling_ae_title": ""}, {}, (1, 1, 3)),
        ({"calling_ae_title": "scu"}, {"calling_ae_titles": ["SCU"]}, (1, 1, 3)),
        ({}, {"calling_ae_titles": lambda title: title != "SCU"}, (1, 1, 3)),
        ({"called_ae_title": ""}, {}, (1, 1, 7)),
        ({"called_ae_title": "scp"}, {"ae_title": "SCP"}, (1, 1, 7)),
        ({"protocol_version": 0}, {}, (1, 2, 2)),
        ({"protocol_version": 0xFFFE}, {}, (1, 2, 2)),
        ({}, {"max_contexts": 0}, (1, 3, 2)),
        ({}, {"screen": lambda _: policies.TEMPORARY_CONGESTION}, (2, 3, 1)),
        ({}, {"require_identity": True, "identify": lambda _: IdentityAnswer(True)}, (1, 1, 1)),
    ],
)
def test_each_rejection_has_its_result_source_and_reason(fields, policy, expected):
    asked = request(**fields)
    assert numbers(negotiate(asked, replace(POLICY, **policy))) == expected


@pytest.mark.parametrize(
    ("fields", "policy"),
    [
        ({"protocol_version": 3}, {}),  # version 1 and one of the future
        ({"called_ae_title": " SCP "}, {"ae_title": " SCP"}),  # outer spaces mean nothing
        ({}, {"calling_ae_titles": [" SCU ", "OTHER"]}),
        ({}, {"calling_ae_titles": "SCU"}),
        ({}, {"screen": lambda _: None}),
    ],
)
def test_what_is_no_reason_to_reject(fields, policy):
    asked = decode_pdu(request(**fields).encode())
    assert results(accepted(asked, replace(POLICY, **policy))) == [(1, 0, ImplicitVRLittleEndian)]


@pytest.mark.parametrize("length", range(1, 12))
def test_maximum_length_without_room_for_data_is_rejected(length):
    assert numbers(negotiate(request(items=[MaximumLength(length)]), POLICY)) == (1, 1, 1)


@pytest.mark.parametrize("length", [0, 12, 0xFFFFFFFF])
def test_any_other_maximum_length_is_kept(length):
    asked = request(items=[MaximumLength(length)])
    assert Negotiated.of(asked, accepted(asked), is_requestor=False).max_pdu_length_to_send == length


def test_malformed_53_context_ids():
    def asked(*ids):
        return request(*(ProposedContext(number, Verification, UNCOMPRESSED) for number in ids))

    everything = asked(*range(1, 256, 2))
    assert len(accepted(everything).presentation_contexts) == 128
    assert numbers(negotiate(asked(*range(1, 256, 2), 1), POLICY)) == (1, 3, 2)
    assert numbers(negotiate(asked(*range(1, 256, 2), 2), POLICY)) == (1, 3, 2)
    for ids in [(2,), (0,), (1, 4), (1, 3, 1)]:
        assert numbers(negotiate(asked(*ids), POLICY)) == (1, 2, 1)
        assert numbers(reject_by_provider(asked(*ids), POLICY)) == (1, 2, 1)
    assert numbers(negotiate(replace(everything, presentation_contexts=()), POLICY)) == (1, 2, 1)


def test_malformed_53_a_context_without_transfer_syntax_is_refused_alone():
    accept = accepted(request((Verification, ()), (CTImageStorage, UNCOMPRESSED), (UID(""), UNCOMPRESSED)))
    assert [(number, result) for number, result, _ in results(accept)] == [(1, 4), (3, 0), (5, 3)]


def test_malformed_54_unknown_items_change_nothing():
    asked = request(items=[UnknownItem(0x5F, b"1234"), UnknownItem(0xFF, b"")])
    accept = accepted(decode_pdu(asked.encode()))
    assert results(accept) == [(1, 0, ImplicitVRLittleEndian)]
    assert not accept.user_information.unknown_items


# --- contexts


def test_context_results():
    asked = request(
        (Verification, (ImplicitVRLittleEndian,)),
        (MRImageStorage, (ImplicitVRLittleEndian,)),
        (CTImageStorage, (JPEGBaseline8Bit,)),
        (CTImageStorage, (JPEG2000Lossless,)),
    )
    policy = replace(POLICY, screen_context=lambda _, syntax: syntax != JPEG2000Lossless)
    assert results(accepted(asked)) == [
        (1, 0, ImplicitVRLittleEndian),
        (3, 3, ImplicitVRLittleEndian),
        (5, 4, JPEGBaseline8Bit),
        (7, 0, JPEG2000Lossless),
    ]
    assert results(accepted(asked, policy))[3] == (7, 1, JPEG2000Lossless)


def test_transfer_syntax_is_the_acceptors_best_or_the_requestors_first():
    syntaxes = (JPEGBaseline8Bit, JPEG2000Lossless, ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    asked = request((CTImageStorage, syntaxes))
    assert results(accepted(asked)) == [(1, 0, ExplicitVRLittleEndian)]
    assert results(accepted(asked, replace(POLICY, prefer_requestor=True))) == [(1, 0, JPEG2000Lossless)]


def test_unlisted_abstract_syntaxes():
    calls = []

    def unlisted(abstract_syntax, common):
        calls.append((abstract_syntax, common))
        return ("1.2.840.10008.1.2",) if common is not None else None

    common = SOPClassCommonExtendedNegotiation(PRIVATE, UID("1.2.840.10008.4.2"), (CTImageStorage,))
    asked = request(
        (PRIVATE, UNCOMPRESSED), (MRImageStorage, UNCOMPRESSED), (CTImageStorage, UNCOMPRESSED), items=[common]
    )
    seen = []
    policy = replace(POLICY, unlisted=unlisted, common_extended_negotiation=seen.append)
    assert [result for _, result, _ in results(accepted(asked, policy))] == [0, 3, 0]
    assert calls == [(PRIVATE, common), (MRImageStorage, None)]
    assert seen == [(common,)]
    assert type(negotiate(asked, policy).presentation_contexts[0].transfer_syntax) is UID


@given(
    st.lists(
        st.tuples(st.sampled_from("ABCD"), st.lists(st.sampled_from("vwxyz"), min_size=1, unique=True)),
        min_size=1,
        max_size=12,
    ),
    st.dictionaries(st.sampled_from("ABCD"), st.lists(st.sampled_from("vwxyz"), min_size=1, unique=True), min_size=1),
)
def test_contexts_as_pynetdicom_negotiates_them(proposed, supported):
    try:
        from pynetdicom.presentation import build_context, negotiate_as_acceptor
    except ImportError:
        missing("pynetdicom is not installed")

    def uid(letter):
        return UID(f"1.2.{ord(letter)}")

    def theirs(abstract_syntax, syntaxes, context_id=None):
        context = build_context(uid(abstract_syntax), [uid(syntax) for syntax in syntaxes])
        context.context_id = context_id
        return context

    expected, _ = negotiate_as_acceptor(
        [theirs(abstract, syntaxes, 2 * index + 1) for index, (abstract, syntaxes) in enumerate(proposed)],
        [theirs(abstract, syntaxes) for abstract, syntaxes in supported.items()],
    )
    policy = AcceptorPolicy(
        supported={uid(abstract): [uid(syntax) for syntax in syntaxes] for abstract, syntaxes in supported.items()}
    )
    accept = accepted(request(*((uid(abstract), tuple(map(uid, syntaxes))) for abstract, syntaxes in proposed)), policy)
    assert results(accept) == [(found.context_id, found.result, found.transfer_syntax[0]) for found in expected]


# --- roles


def agreed(items, **policy):
    """(requestor's roles, acceptor's roles) in a CT context, or None where there is none; both sides must agree."""
    asked = request((CTImageStorage, UNCOMPRESSED), items=items)
    accept = accepted(asked, replace(POLICY, **policy))
    sides = [Negotiated.of(asked, accept, is_requestor).contexts.get(1) for is_requestor in (True, False)]
    if None in sides:
        assert sides == [None, None]
        return None
    return tuple((side.is_scu, side.is_scp) for side in sides)


def test_default_roles_when_selection_is_absent_or_unanswered():
    default = ((True, False), (False, True))
    assert agreed([]) == default
    assert agreed([], roles={CTImageStorage: Roles(True, True)}) == default
    assert agreed([RoleSelection(CTImageStorage, True, True)]) == default
    assert agreed([RoleSelection(MRImageStorage, False, True)], default_roles=Roles(True, True)) == default


@pytest.mark.parametrize("proposed", [(True, False), (False, True), (True, True), (False, False)])
@pytest.mark.parametrize("allowed", [(True, False), (False, True), (True, True), (False, False)])
def test_an_acceptor_may_only_turn_roles_down(proposed, allowed):
    scu, scp = proposed[0] and allowed[0], proposed[1] and allowed[1]
    expected = ((scu, scp), (scp, scu)) if scu or scp else None
    items = [RoleSelection(CTImageStorage, *proposed)]
    assert agreed(items, roles={CTImageStorage: Roles(*allowed)}) == expected
    assert agreed(items, default_roles=Roles(*allowed)) == expected
    # Without a role left the context is refused by the user.
    asked = request((CTImageStorage, UNCOMPRESSED), items=items)
    accept = accepted(asked, replace(POLICY, default_roles=Roles(*allowed)))
    assert int(accept.presentation_contexts[0].result) == (0 if expected else 1)


def test_a_requestor_ignores_roles_that_it_did_not_propose():
    asked = request((CTImageStorage, UNCOMPRESSED), items=[RoleSelection(CTImageStorage, True, False)])
    accept = accepted(asked)
    for answers in (
        [RoleSelection(CTImageStorage, True, True)],
        [RoleSelection(MRImageStorage, True, True), RoleSelection(CTImageStorage, True, False)],
    ):
        information = UserInformation((*accept.user_information.items, *answers))
        context = Negotiated.of(asked, replace(accept, user_information=information), True).contexts[1]
        assert (context.is_scu, context.is_scp) == (True, False)
    asked = request((CTImageStorage, UNCOMPRESSED), items=[RoleSelection(CTImageStorage, False, True)])
    information = UserInformation((RoleSelection(CTImageStorage, True, True),))
    context = Negotiated.of(asked, replace(accept, user_information=information), True).contexts[1]
    assert (context.is_scu, context.is_scp) == (False, True)


def test_the_first_role_selection_of_a_sop_class_counts():
    items = [RoleSelection(CTImageStorage, False, True), RoleSelection(CTImageStorage, True, True)]
    assert agreed(items, default_roles=Roles(True, True)) == ((False, True), (True, False))


# --- window, identity, extended negotiation, lengths


@pytest.mark.parametrize(
    ("proposed", "allowed", "expected"),
    [
        (None, (8, 8), None),
        ((8, 1), (1, 1), (1, 1)),
        ((8, 2), (4, 4), (4, 2)),
        ((0, 0), (0, 3), (0, 3)),
        ((0, 5), (7, 0), (7, 5)),
        ((65535, 1), (0, 0), (65535, 1)),
    ],
)
def test_asynchronous_operations_window(proposed, allowed, expected):
    asked = request(items=[AsynchronousOperationsWindow(*proposed)] if proposed else [])
    accept = accepted(asked, replace(POLICY, asynchronous_operations_window=allowed))
    window = accept.user_information.asynchronous_operations_window
    assert (None if window is None else (window.invoked, window.performed)) == expected
    invoked, performed = expected or (1, 1)
    requestor, acceptor = (Negotiated.of(asked, accept, is_requestor) for is_requestor in (True, False))
    assert (requestor.max_operations_invoked, requestor.max_operations_performed) == (invoked, performed)
    assert (acceptor.max_operations_invoked, acceptor.max_operations_performed) == (performed, invoked)


def test_a_window_that_was_not_proposed_is_ignored():
    asked = request()
    accept = accepted(asked)
    information = UserInformation((*accept.user_information.items, AsynchronousOperationsWindow(0, 0)))
    negotiated = Negotiated.of(asked, replace(accept, user_information=information), True)
    assert (negotiated.max_operations_invoked, negotiated.max_operations_performed) == (1, 1)
    assert len(negotiated.deviations) == 1


@pytest.mark.parametrize("wants_response", [False, True])
def test_user_identity(wants_response):
    identity = UserIdentityRQ(UserIdentityType.KERBEROS, wants_response, b"ticket")
    asked = decode_pdu(request(items=[identity]).encode())
    seen = []

    def identify(item):
        seen.append(item)
        return IdentityAnswer(True, b"server ticket")

    policy = replace(POLICY, identify=identify, require_identity=True)
    accept = accepted(asked, policy)
    assert seen == [identity]
    expected = UserIdentityAC(b"server ticket") if wants_response else None
    assert accept.user_information.user_identity == expected
    response = Negotiated.of(asked, accept, True).user_identity_response
    assert response == (b"server ticket" if wants_response else None)
    # An answer that the caller has already spares the call.
    assert accepted(asked, policy, identity=IdentityAnswer(True)).called_ae_title == "SCP"
    assert numbers(negotiate(asked, policy, identity=IdentityAnswer(False))) == (1, 1, 1)
    assert len(seen) == 1
    assert numbers(negotiate(asked, replace(POLICY, identify=lambda _: IdentityAnswer(False)))) == (1, 1, 1)
    # An acceptor may ignore identities; then it does not answer.
    assert accepted(asked).user_information.user_identity is None


def test_secrets_are_not_printed():
    assert "ticket" not in repr(IdentityAnswer(True, b"ticket"))
    asked = request(items=[UserIdentityRQ(UserIdentityType.SAML, True, b"assertion")])
    accept = accepted(asked, replace(POLICY, identify=lambda _: IdentityAnswer(True, b"secret")))
    assert "secret" not in repr(Negotiated.of(asked, accept, True))


def test_extended_negotiation_is_answered_for_accepted_sop_classes():
    items = [
        SOPClassExtendedNegotiation(CTImageStorage, b"\2\1\3\1"),
        SOPClassExtendedNegotiation(MRImageStorage, b"\1"),
        SOPClassExtendedNegotiation(Verification, b"\5"),
    ]
    asked = request(
        (CTImageStorage, UNCOMPRESSED), (MRImageStorage, UNCOMPRESSED), (Verification, UNCOMPRESSED), items=items
    )
    assert accepted(asked).user_information.extended_negotiations == ()
    policy = replace(POLICY, extended_negotiation=lambda item: item.information[::-1] if item.information[1:] else None)
    answered = (SOPClassExtendedNegotiation(CTImageStorage, b"\1\3\1\2"),)
    accept = accepted(asked, policy)
    assert accept.user_information.extended_negotiations == answered
    assert Negotiated.of(asked, accept, True).extended_negotiations == answered


def test_maximum_length_is_of_each_direction():
    asked = request(items=[MaximumLength(16384)])
    accept = accepted(asked, replace(POLICY, max_pdu_length=65536))
    requestor, acceptor = (Negotiated.of(asked, accept, is_requestor) for is_requestor in (True, False))
    assert (requestor.max_pdu_length_to_send, requestor.max_pdu_length_to_receive) == (65536, 16384)
    assert (acceptor.max_pdu_length_to_send, acceptor.max_pdu_length_to_receive) == (16384, 65536)
    silent = replace(asked, user_information=UserInformation())
    assert Negotiated.of(silent, accept, False).max_pdu_length_to_send == 0
    for length in (1, 11):
        information = UserInformation((MaximumLength(length),))
        with pytest.raises(RemoteProtocolError, match="at least 12") as caught:
            Negotiated.of(asked, replace(accept, user_information=information), True)
        assert caught.value.abort_reason == 6


# --- what both sides have


def test_negotiated_of_both_sides():
    asked = request((Verification, UNCOMPRESSED), (CTImageStorage, UNCOMPRESSED), (CTImageStorage, (JPEG2000Lossless,)))
    accept = accepted(asked)
    requestor, acceptor = (Negotiated.of(asked, accept, is_requestor) for is_requestor in (True, False))
    for side in (requestor, acceptor):
        assert list(side.contexts) == [1, 3, 5]
        assert (side.called_ae_title, side.calling_ae_title) == ("SCP", "SCU")
        assert side.deviations == ()
    assert [context.context_id for context in requestor.contexts_of(CTImageStorage)] == [3, 5]
    assert requestor.context_for(CTImageStorage).context_id == 3
    assert requestor.context_for(CTImageStorage, JPEG2000Lossless).context_id == 5
    assert requestor.context_for(CTImageStorage, JPEGBaseline8Bit) is None
    assert requestor.context_for(MRImageStorage) is None
    assert acceptor.context_for(CTImageStorage) is None  # it is no SCU
    assert requestor.peer_implementation_class_uid == policies.IMPLEMENTATION_CLASS_UID
    assert requestor.peer_implementation_version_name == policies.IMPLEMENTATION_VERSION_NAME
    assert (acceptor.peer_implementation_class_uid, acceptor.peer_implementation_version_name) == ("1.2.3", None)


def test_an_acceptance_cannot_add_to_the_request():
    asked = request((Verification, (ImplicitVRLittleEndian,)), (CTImageStorage, UNCOMPRESSED))
    answers = (
        ContextResult(1, 0, ExplicitVRLittleEndian),  # not proposed for this context
        ContextResult(3, 0, ExplicitVRLittleEndian),
        ContextResult(3, 0, ImplicitVRLittleEndian),  # twice
        ContextResult(5, 0, ImplicitVRLittleEndian),  # no such context
        ContextResult(2, 0, None),
    )
    negotiated = Negotiated.of(asked, replace(accepted(asked), presentation_contexts=answers), True)
    assert [(number, context.transfer_syntax) for number, context in negotiated.contexts.items()] == [
        (3, ExplicitVRLittleEndian)
    ]
    assert len(negotiated.deviations) == 4


# --- policies


def test_policies_that_cannot_be():
    for length in (-1, 1, 11, 1 << 32):
        with pytest.raises(ValueError, match="maximum length"):
            AcceptorPolicy(max_pdu_length=length)
    with pytest.raises(TypeError, match="sequence"):
        AcceptorPolicy(supported={Verification: ImplicitVRLittleEndian})
    with pytest.raises(ValueError, match="identify"):
        AcceptorPolicy(require_identity=True)
    with pytest.raises(ValueError, match="max_contexts"):
        AcceptorPolicy(max_contexts=129)


def test_own_identification():
    assert policies.IMPLEMENTATION_CLASS_UID.is_valid
    assert 1 <= len(policies.IMPLEMENTATION_VERSION_NAME) <= 16
    items = accepted(request()).user_information.items
    assert items == (
        MaximumLength(131072),
        ImplementationClassUID(policies.IMPLEMENTATION_CLASS_UID),
        ImplementationVersionName(policies.IMPLEMENTATION_VERSION_NAME),
    )


# --- the requestor's plan


def planned(*wanted, **options):
    return [
        (context.context_id, context.abstract_syntax, context.transfer_syntaxes)
        for context in plan_contexts(wanted, **options)
    ]


def test_uncompressed_syntaxes_share_a_context_and_others_have_their_own():
    wanted = [
        (CTImageStorage, JPEG2000Lossless),
        (CTImageStorage, ExplicitVRLittleEndian),
        (CTImageStorage, [ExplicitVRBigEndian, JPEGBaseline8Bit]),
        (MRImageStorage, DeflatedExplicitVRLittleEndian),
        (CTImageStorage, [ExplicitVRLittleEndian, JPEG2000Lossless]),
        (Verification, ImplicitVRLittleEndian),
        (CTImageStorage, "1.2.3.99"),
        (CTImageStorage, GEImplicitVRLittleEndianBigEndianPixelData),
    ]
    assert planned(*wanted) == [
        (1, CTImageStorage, (JPEG2000Lossless,)),
        (3, CTImageStorage, (ExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian)),
        (5, CTImageStorage, (JPEGBaseline8Bit,)),
        (7, MRImageStorage, (DeflatedExplicitVRLittleEndian,)),
        (9, Verification, (ImplicitVRLittleEndian,)),
        (11, CTImageStorage, ("1.2.3.99",)),
        (13, CTImageStorage, (GEImplicitVRLittleEndianBigEndianPixelData,)),
    ]
    assert planned(*wanted, with_default=False)[1][2] == (ExplicitVRLittleEndian, ExplicitVRBigEndian)


def test_at_most_128_contexts_are_planned():
    wanted = [(f"1.2.{number}", JPEG2000Lossless) for number in range(128)]
    assert [context[0] for context in planned(*wanted)] == list(range(1, 256, 2))
    assert planned(*wanted, *wanted) == planned(*wanted)
    with pytest.raises(LocalProtocolError, match="129 presentation contexts planned"):
        planned(*wanted, ("1.2.128", JPEG2000Lossless))
    assert planned() == []


def test_what_no_requestor_may_send():
    good = request((CTImageStorage, UNCOMPRESSED))
    check_proposal(good)

    def contexts(*items):
        return {"presentation_contexts": tuple(ProposedContext(*item) for item in items)}

    for wrong, message in [
        ({"presentation_contexts": ()}, "1 to 128"),
        (contexts(*((2 * n + 1, Verification, UNCOMPRESSED) for n in range(129))), "1 to 128"),
        (contexts((1, Verification, UNCOMPRESSED), (1, Verification, UNCOMPRESSED)), "odd numbers"),
        (contexts((2, Verification, UNCOMPRESSED)), "odd numbers"),
        (contexts((257, Verification, UNCOMPRESSED)), "odd numbers"),
        (contexts((1, UID(""), UNCOMPRESSED)), "without abstract syntax"),
        (contexts((1, Verification, ())), "without transfer syntax"),
        ({"protocol_version": 2}, "bit 0"),
        ({"user_information": UserInformation((MaximumLength(11),))}, "at least 12"),
    ]:
        with pytest.raises(LocalProtocolError, match=message):
            check_proposal(replace(good, **wrong))
