"""Associations over real sockets with pynetdicom at the other end, in both directions."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import CTImageStorage, ImplicitVRLittleEndian, MRImageStorage, Verification
from dicomwire.ul.association import Association
from dicomwire.ul.codes import UserIdentityType
from dicomwire.ul.effects import Rejected, ReleaseConfirmation, ReleaseIndication
from dicomwire.ul.items import AsynchronousOperationsWindow, RoleSelection, UserIdentityRQ, UserInformation
from dicomwire.ul.policy import (
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    NO_REASON,
    TEMPORARY_CONGESTION,
    AcceptorPolicy,
    IdentityAnswer,
    Roles,
)
from dicomwire.ul.state import State
from tests.support import missing
from tests.ul.pair import POLICY, REQUEST, SYNTAXES, Side

pytestmark = pytest.mark.peers

TIMEOUT_S = 20


@pytest.fixture(scope="module")
def pynetdicom() -> ModuleType:
    try:
        import pynetdicom
    except ImportError:
        missing("pynetdicom is not installed")
    return pynetdicom


class Driven(Side):
    """A side with a socket, driven by whoever calls."""

    def __init__(self, association: Association, connection: socket.socket) -> None:
        super().__init__(association)
        self.connection = connection
        connection.settimeout(TIMEOUT_S)

    def flush(self) -> None:
        if self.sent:
            self.connection.sendall(self.sent)
            self.sent.clear()

    def step(self) -> None:
        """Receive once."""
        self.flush()
        data = self.connection.recv(65536)
        self.perform(self.association.receive(data) if data else self.association.transport_closed())
        self.flush()
        if self.association.is_over:
            self.connection.close()

    def until(self, *states: State) -> None:
        while self.association.state not in states:
            self.step()


@pytest.fixture
def acceptor(pynetdicom: ModuleType) -> Iterator[tuple[object, int]]:
    """A pynetdicom acceptor on a port of its own, and the port."""
    entity = pynetdicom.AE("SCP")
    entity.add_supported_context(Verification)
    entity.add_supported_context(CTImageStorage, scu_role=True, scp_role=True)
    entity.require_called_aet = True
    server = entity.start_server(("127.0.0.1", 0), block=False)
    yield entity, server.server_address[1]
    server.shutdown()


def requested(port: int, request=REQUEST) -> Driven:
    """Our requestor, once it has an answer of any kind."""
    association = Association.requestor(request)
    association.connect()
    side = Driven(association, socket.create_connection(("127.0.0.1", port)))
    side.perform(association.transport_connected())
    side.until(State.STA6, State.STA1)
    return side


def test_our_requestor(acceptor) -> None:
    items = (*REQUEST.user_information.items, RoleSelection(CTImageStorage, True, True))
    side = requested(acceptor[1], replace(REQUEST, user_information=UserInformation(items)))
    negotiated = side.association.negotiated
    assert [context.abstract_syntax for context in negotiated.contexts.values()] == [Verification, CTImageStorage]
    roles = [(context.is_scu, context.is_scp) for context in negotiated.contexts.values()]
    assert roles == [(True, False), (True, True)]
    assert negotiated.peer_implementation_version_name.startswith("PYNETDICOM")
    assert negotiated.deviations == ()
    side.perform(side.association.release())
    side.until(State.STA1)
    assert side.last() == ReleaseConfirmation()


def test_our_requestor_is_rejected(acceptor) -> None:
    side = requested(acceptor[1], replace(REQUEST, called_ae_title="OTHER"))
    assert side.primitives == [Rejected(CALLED_AE_TITLE_NOT_RECOGNIZED)]


def test_our_requestor_and_an_invalid_pdu(acceptor) -> None:
    """What pynetdicom aborts is indicated with its source."""
    side = requested(acceptor[1])
    side.sent += bytes.fromhex("09 00 00000004 00000000")
    side.until(State.STA1)
    assert side.last().by_provider


def accepting(policy: AcceptorPolicy) -> tuple[int, threading.Thread, list[Driven]]:
    """Our acceptor for one connection: it answers by the policy and agrees to a release."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(TIMEOUT_S)
    sides: list[Driven] = []

    def serve() -> None:
        with listener:
            connection, _ = listener.accept()
        with connection:
            side = Driven(Association.acceptor(policy), connection)
            sides.append(side)
            side.perform(side.association.transport_connected())
            while not side.association.is_over:
                side.step()
                if side.association.state is State.STA3:
                    side.perform(side.association.respond())
                if side.association.state is State.STA8:
                    side.perform(side.association.respond_release())
                side.flush()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener.getsockname()[1], thread, sides


def test_our_acceptor(pynetdicom: ModuleType) -> None:
    from pynetdicom import build_role

    policy = replace(POLICY, ae_title="SCP", roles={CTImageStorage: Roles(True, True)})
    port, thread, sides = accepting(policy)
    entity = pynetdicom.AE("SCU")
    for abstract_syntax in (Verification, CTImageStorage, MRImageStorage):
        entity.add_requested_context(abstract_syntax, [ImplicitVRLittleEndian])
    association = entity.associate(
        "127.0.0.1",
        port,
        ae_title="SCP",
        ext_neg=[build_role(CTImageStorage, scu_role=True, scp_role=True)],
    )
    assert association.is_established
    assert [context.abstract_syntax for context in association.accepted_contexts] == [Verification, CTImageStorage]
    assert [context.as_scp for context in association.accepted_contexts] == [False, True]
    assert [context.result for context in association.rejected_contexts] == [3]
    assert association.acceptor.maximum_length == policy.max_pdu_length
    association.release()
    thread.join(TIMEOUT_S)
    assert association.is_released
    (side,) = sides
    assert side.association.is_over
    assert side.last() == ReleaseIndication()
    assert list(side.association.negotiated.contexts) == [1, 3]


@pytest.mark.parametrize(
    "policy",
    [
        (replace(POLICY, ae_title="OTHER"), CALLED_AE_TITLE_NOT_RECOGNIZED),
        (replace(POLICY, screen=lambda _: TEMPORARY_CONGESTION), TEMPORARY_CONGESTION),
        (replace(POLICY, identify=lambda _: IdentityAnswer(False), require_identity=True), NO_REASON),
    ],
)
def test_our_acceptor_rejects(pynetdicom: ModuleType, policy) -> None:
    rules, expected = policy
    port, thread, sides = accepting(rules)
    entity = pynetdicom.AE("SCU")
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", port, ae_title="SCP")
    thread.join(TIMEOUT_S)
    assert association.is_rejected
    primitive = association.acceptor.primitive
    assert (primitive.result, primitive.result_source, primitive.diagnostic) == (
        expected.result,
        expected.source,
        expected.reason,
    )
    assert sides[0].association.rejection == expected


def test_our_acceptor_checks_a_user_identity_and_is_aborted(pynetdicom: ModuleType) -> None:
    from pynetdicom.pdu_primitives import UserIdentityNegotiation

    seen: list[UserIdentityRQ] = []

    def identify(identity: UserIdentityRQ) -> IdentityAnswer:
        seen.append(identity)
        return IdentityAnswer(True, b"response")

    port, thread, sides = accepting(AcceptorPolicy(supported={Verification: SYNTAXES}, identify=identify))
    entity = pynetdicom.AE("SCU")
    entity.add_requested_context(Verification)
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 3
    identity.primary_field = b"ticket"
    identity.positive_response_requested = True
    association = entity.associate("127.0.0.1", port, ext_neg=[identity])
    assert association.is_established
    assert seen == [UserIdentityRQ(UserIdentityType.KERBEROS, True, b"ticket")]
    assert association.acceptor.user_identity.server_response == b"response"
    association.abort()
    thread.join(TIMEOUT_S)
    assert not sides[0].last().by_provider


def test_windows_are_understood(pynetdicom: ModuleType) -> None:
    """pynetdicom proposes a window; our answer is in its acceptance."""
    from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation

    port, thread, _ = accepting(replace(POLICY, asynchronous_operations_window=(4, 4)))
    entity = pynetdicom.AE("SCU")
    entity.add_requested_context(Verification)
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 8
    window.maximum_number_operations_performed = 2
    association = entity.associate("127.0.0.1", port, ext_neg=[window])
    assert association.acceptor.asynchronous_operations == (4, 2)
    association.release()
    thread.join(TIMEOUT_S)


def test_the_window_of_a_synchronous_acceptor(acceptor) -> None:
    """pynetdicom supports one operation at a time, and leaves the window out."""
    items = (*REQUEST.user_information.items, AsynchronousOperationsWindow(8, 8))
    side = requested(acceptor[1], replace(REQUEST, user_information=UserInformation(items)))
    assert side.association.negotiated.max_operations_invoked == 1
    assert side.association.negotiated.contexts[1].abstract_syntax == UID(Verification)
    side.perform(side.association.abort())
    side.flush()
    side.connection.close()
