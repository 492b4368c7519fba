"""Servers: what they accept and reject, limits, user identities, callbacks that fail, foreign bytes, the end."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.messages import CEchoRQ
from dicomwire.errors import AssociationAborted, AssociationRejected, RemoteProtocolError
from dicomwire.net import (
    AE,
    AcceptorPolicy,
    Association,
    IdentityAnswer,
    Limits,
    ProposedContext,
    Request,
    Server,
    Timeouts,
    UserIdentityRQ,
)
from dicomwire.ul.codes import AbortReason, AbortSource, ContextResultReason, UserIdentityType
from dicomwire.ul.items import UserIdentityAC
from dicomwire.ul.pdu import AAbort, AAssociateAC, AAssociateRJ, AAssociateRQ, AReleaseRP, AReleaseRQ
from dicomwire.ul.policy import TEMPORARY_CONGESTION
from tests.net.raw import CT, VERIFICATION, Run, connected, context, message_bytes, pdv, request, until

ECHO = message_bytes(1, CEchoRQ(message_id=1))


async def answer_to(asked: AAssociateRQ, **options: Any) -> Any:
    """Return what a server answers, and check that it goes on serving."""
    async with Server(port=0, **options) as server, connected(server.port) as raw:
        return await raw.associate(asked)


def triple(rejection: Any) -> tuple[int, int, int]:
    assert isinstance(rejection, AAssociateRJ)
    return int(rejection.result), int(rejection.source), int(rejection.reason)


# --- acceptance and rejection


@pytest.mark.parametrize(
    ("asked", "policy", "expected"),
    [
        (request(called="OTHER"), AcceptorPolicy(ae_title="ARCHIVE"), (1, 1, 7)),
        (request(called="archive"), AcceptorPolicy(ae_title="ARCHIVE"), (1, 1, 7)),
        (request(), AcceptorPolicy(calling_ae_titles=["OTHER"]), (1, 1, 3)),
        (request(application_context_name=UID("1.2.3")), AcceptorPolicy(), (1, 1, 2)),
        (request(protocol_version=2), AcceptorPolicy(), (1, 2, 2)),
        (request(contexts=[]), AcceptorPolicy(), (1, 2, 1)),
        (request([context(1, CT), context(3, CT)]), AcceptorPolicy(max_contexts=1), (1, 3, 2)),
        (request(), AcceptorPolicy(screen=lambda _: TEMPORARY_CONGESTION), (2, 3, 1)),
        (request(maximum_length=5), AcceptorPolicy(), (1, 1, 1)),
    ],
    ids=["called", "case", "calling", "application", "version", "nothing", "contexts", "screen", "length"],
)
def test_rejections(run: Run, asked: AAssociateRQ, policy: AcceptorPolicy, expected: tuple[int, int, int]) -> None:
    ended: list[Association] = []
    assert triple(run(answer_to(asked, policy=policy, ended=ended.append))) == expected
    (association,) = ended
    assert isinstance(association.error, AssociationRejected)
    assert (association.error.result, association.error.source, association.error.reason) == expected
    assert association.peer_ae_title == "RAW"


def test_contexts_are_accepted_one_by_one(run: Run) -> None:
    asked = request(
        [
            context(1, VERIFICATION, ImplicitVRLittleEndian),
            context(3, CT, ExplicitVRLittleEndian, JPEGBaseline8Bit),
            context(5, CT, ImplicitVRLittleEndian),
            context(7, "1.2.3", ImplicitVRLittleEndian),
        ]
    )

    async def test() -> None:
        server = Server(port=0)
        server.support(CT, [JPEGBaseline8Bit, ExplicitVRLittleEndian])
        async with server, connected(server.port) as raw:
            answer = await raw.associate(asked)
            assert isinstance(answer, AAssociateAC)
            assert [int(item.result) for item in answer.presentation_contexts] == [
                ContextResultReason.ACCEPTANCE,
                ContextResultReason.ACCEPTANCE,
                ContextResultReason.TRANSFER_SYNTAXES_NOT_SUPPORTED,
                ContextResultReason.ABSTRACT_SYNTAX_NOT_SUPPORTED,
            ]
            assert answer.presentation_contexts[1].transfer_syntax == JPEGBaseline8Bit
            assert answer.user_information.maximum_length == server.ae.max_pdu_length

    run(test())


@pytest.mark.parametrize("failing", ["screen", "unlisted", "screen_context", "calling_ae_titles"])
def test_a_policy_that_fails_rejects(run: Run, failing: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> Any:
        raise KeyError("Doe^John")

    asked = request([context(1, CT if failing == "unlisted" else VERIFICATION)])
    policy = AcceptorPolicy(**{failing: fail})  # type: ignore[arg-type]
    assert triple(run(answer_to(asked, policy=policy))) == (1, 1, 1)
    assert "raised KeyError" in caplog.text
    assert "Doe" not in caplog.text


def test_called_ae_title_without_spaces(run: Run) -> None:
    answer = run(answer_to(request(called="  ARCHIVE "), policy=AcceptorPolicy(ae_title="ARCHIVE")))
    assert isinstance(answer, AAssociateAC)


# --- user identity

IDENTITIES = [
    UserIdentityRQ(UserIdentityType.USERNAME, True, b"doe"),
    UserIdentityRQ(UserIdentityType.USERNAME_AND_PASSCODE, True, b"doe", b"secret"),
    UserIdentityRQ(UserIdentityType.KERBEROS, True, b"ticket"),
    UserIdentityRQ(UserIdentityType.SAML, True, b"<saml/>"),
    UserIdentityRQ(UserIdentityType.JWT, True, b"a.b.c"),
]


@pytest.mark.parametrize("by_coroutine", [True, False], ids=["coroutine", "plain"])
@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.type.name)
def test_user_identities(run: Run, identity: UserIdentityRQ, by_coroutine: bool) -> None:
    seen: list[UserIdentityRQ] = []

    def plain(asked: UserIdentityRQ) -> IdentityAnswer:
        seen.append(asked)
        return IdentityAnswer(True, b"welcome")

    async def coroutine(asked: UserIdentityRQ) -> IdentityAnswer:
        await asyncio.sleep(0.01)
        return plain(asked)

    async def test() -> None:
        policy = AcceptorPolicy(identify=None if by_coroutine else plain)
        server = Server(port=0, policy=policy, identify=coroutine if by_coroutine else None)
        async with server, AE().associate("127.0.0.1", server.port, user_identity=identity) as association:
            assert association.negotiated is not None
            assert association.negotiated.user_identity_response == b"welcome"
            assert (await association.c_echo()).code == 0
        (asked,) = seen
        assert (asked.type, asked.primary, asked.secondary) == (identity.type, identity.primary, identity.secondary)

    run(test())


def test_no_response_that_was_not_asked_for(run: Run) -> None:
    async def identify(asked: UserIdentityRQ) -> IdentityAnswer:
        return IdentityAnswer(True, b"welcome")

    asked = request(None, UserIdentityRQ(UserIdentityType.USERNAME, False, b"doe"))
    answer = run(answer_to(asked, identify=identify))
    assert isinstance(answer, AAssociateAC)
    assert not [item for item in answer.user_information.items if isinstance(item, UserIdentityAC)]


async def denying(asked: UserIdentityRQ) -> IdentityAnswer:
    return IdentityAnswer(False)


async def failing(asked: UserIdentityRQ) -> IdentityAnswer:
    raise KeyError(asked.primary)


async def waiting(asked: UserIdentityRQ) -> IdentityAnswer:
    await asyncio.sleep(60)
    return IdentityAnswer(True)


@pytest.mark.parametrize("identify", [denying, failing, waiting])
def test_nobody_is_let_in_by_a_check_that_fails(
    run: Run,
    identify: Callable[[UserIdentityRQ], Awaitable[IdentityAnswer]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = request(None, UserIdentityRQ(UserIdentityType.USERNAME_AND_PASSCODE, True, b"doe", b"secret"))
    answer = run(answer_to(asked, identify=identify, ae=AE(timeouts=Timeouts(artim_s=0.15))))
    assert triple(answer) == (1, 1, 1)
    assert "doe" not in caplog.text


def test_a_required_identity(run: Run) -> None:
    policy = AcceptorPolicy(identify=lambda _: IdentityAnswer(True), require_identity=True)
    assert triple(run(answer_to(request(), policy=policy))) == (1, 1, 1)


def test_a_peer_that_leaves_while_it_is_identified(run: Run) -> None:
    ended: list[Association] = []

    async def test() -> None:
        async with Server(port=0, identify=waiting, ended=ended.append) as server:
            async with connected(server.port) as raw:
                await raw.send(request(None, IDENTITIES[0]))
                await asyncio.sleep(0.02)
            await until(lambda: ended)

    run(test())


def test_data_while_the_identity_is_checked_aborts(run: Run) -> None:
    """PS3.8 Table 9-10, STA3: nothing may come before the acceptance."""

    async def test() -> None:
        async with Server(port=0, identify=waiting) as server, connected(server.port) as raw:
            await raw.send(request(None, IDENTITIES[0]), ECHO)
            abort = await raw.pdu()
            assert (abort.source, abort.reason) == (AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU)

    run(test())


# --- limits


def test_congestion(run: Run) -> None:
    """As many as the limit has, not one fewer and not one more; one that has ended makes room."""

    async def test() -> None:
        async with (
            Server(AE(limits=Limits(associations=2)), port=0) as server,
            connected(server.port) as one, connected(server.port) as two, connected(server.port) as three,
        ):
            async with connected(server.port), connected(server.port):  # silent ones do not count
                assert isinstance(await one.associate(), AAssociateAC)
                assert isinstance(await two.associate(), AAssociateAC)
                assert triple(await three.associate()) == (2, 3, 1)
                assert len(server.associations) == 2
            await one.send(AReleaseRQ())
            assert isinstance(await one.pdu(), AReleaseRP)
            await one.close()
            await until(lambda: len(server.associations) == 1)
            async with connected(server.port) as four:
                assert isinstance(await four.associate(), AAssociateAC)

    run(test())


def test_congestion_while_identities_are_checked(run: Run) -> None:
    """Several at once may not pass because none of them is established yet."""
    go = asyncio.Event()

    async def identify(asked: UserIdentityRQ) -> IdentityAnswer:
        await go.wait()
        return IdentityAnswer(True)

    async def test() -> None:
        async with (
            Server(AE(limits=Limits(associations=1)), port=0, identify=identify) as server,
            connected(server.port) as one, connected(server.port) as two,
        ):
            await one.send(request(None, IDENTITIES[0]))
            await two.send(request(None, IDENTITIES[0]))
            await asyncio.sleep(0.05)
            go.set()
            kinds = {type(await one.pdu()), type(await two.pdu())}
            assert kinds == {AAssociateAC, AAssociateRJ}

    run(test())


def test_connections_over_the_limit_are_closed(run: Run) -> None:
    async def test() -> None:
        ended: list[Association] = []
        async with (
            Server(AE(limits=Limits(connections=1)), port=0, ended=ended.append) as server,
            connected(server.port) as one,
        ):
            assert isinstance(await one.associate(), AAssociateAC)
            async with connected(server.port) as two:
                await two.ended()
            await until(lambda: ended)

    run(test())


def test_pdus_over_the_limit_abort(run: Run) -> None:
    async def test() -> None:
        async with Server(AE(max_pdu_length=4096, limits=Limits(control_length=2000)), port=0) as server:
            async with connected(server.port) as raw:
                await raw.associate()
                await raw.send(pdv(1, 1, bytes(5000)))
                abort = await raw.pdu()
                assert isinstance(abort, AAbort)
                assert abort.source == AbortSource.SERVICE_PROVIDER
            async with connected(server.port) as raw:
                long = request([context(2 * i + 1, CT) for i in range(60)])
                assert isinstance(await raw.associate(long), AAbort)

    run(test())


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: archive\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        bytes(100),
        b"\xff" * 100,
        AReleaseRQ().encode(),
        pdv(1, 3, bytes(20)),
    ],
    ids=["HTTP", "TLS", "SSH", "zeros", "ones", "release", "data"],
)
def test_what_is_no_request_for_an_association(run: Run, sent: bytes) -> None:
    """An A-ABORT, and an end that has a reason; nobody else notices."""

    async def test() -> None:
        ended: list[Association] = []
        async with Server(port=0, ended=ended.append) as server, connected(server.port) as other:
            await other.associate()
            async with connected(server.port) as raw:
                await raw.send(sent)
                assert isinstance(await raw.pdu(), AAbort)
            await until(lambda: ended)
            assert isinstance(ended[0].error, AssociationAborted)
            assert isinstance(ended[0].error.__cause__, RemoteProtocolError)
            await other.send(ECHO)
            assert (await other.message())[1].status == 0  # type: ignore[attr-defined]

    run(test())


def test_connections_that_say_nothing_and_end(run: Run) -> None:
    async def test() -> None:
        ended: list[Association] = []
        async with Server(port=0, ended=ended.append) as server:
            async with connected(server.port):
                pass
            await until(lambda: ended)
            assert "before an association was asked for" in str(ended[0].error)
            assert ended[0].peer_ae_title == ""

    run(test())


# --- callbacks


def test_established_may_send_away(run: Run) -> None:
    async def test() -> None:
        async with (
            Server(port=0, established=lambda association: association.abort()) as server,
            connected(server.port) as raw,
        ):
            assert isinstance(await raw.associate(), AAssociateAC)
            assert isinstance(await raw.pdu(), AAbort)

    run(test())


def test_callbacks_that_fail(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def fail(association: Association) -> None:
        raise KeyError("Doe^John")

    async def test() -> None:
        async with Server(port=0, established=fail, ended=fail) as server:
            async with connected(server.port) as raw:
                await raw.associate()
                assert isinstance(await raw.pdu(), AAbort)
            await until(lambda: len(caplog.records) == 2)
            assert not server.associations

    run(test())
    assert "established: the callable raised KeyError" in caplog.text
    assert "ended: the callable raised KeyError" in caplog.text
    assert "Doe" not in caplog.text


# --- life


def test_start_stop_and_again(run: Run) -> None:
    async def test() -> None:
        server = Server(port=0)
        await server.stop()  # nothing happens
        await server.start()
        with pytest.raises(RuntimeError, match="has been started"):
            await server.start()
        port = server.port
        assert port != 0
        await server.stop()
        await server.stop()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        async with server, AE().associate("127.0.0.1", server.port) as association:
            await association.c_echo()

    run(test())


def test_stop_with_live_associations(run: Run) -> None:
    """Each gets an A-ABORT; a handler at work is cancelled and waited for; a silent connection is closed."""
    ended: list[Association] = []
    cleaned: list[bool] = []
    busy = asyncio.Event()

    async def test() -> None:
        server = Server(AE(timeouts=Timeouts(artim_s=0.2)), port=0, ended=ended.append)

        @server.on(CommandField.C_ECHO_RQ)
        async def echo(asked: Request) -> int:
            busy.set()
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                cleaned.append(True)
            return 0

        await server.start()
        async with connected(server.port) as one, connected(server.port) as two, connected(server.port) as silent:
            await one.associate()
            await two.associate()
            await two.send(ECHO)
            await busy.wait()
            await server.stop()
            assert cleaned == [True]
            assert isinstance(await one.pdu(), AAbort)
            assert isinstance(await two.pdu(), AAbort)
            assert await silent.pdu() is None
        assert len(ended) == 3

    run(test())


def test_serve_forever_until_it_is_stopped_or_cancelled(run: Run) -> None:
    async def test() -> None:
        server = Server(port=0)
        serving = asyncio.create_task(server.serve_forever())
        await until(lambda: server.port)
        async with AE().associate("127.0.0.1", server.port) as association:
            await association.c_echo()
        await server.stop()
        await serving

        async with server:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await server.serve_forever()

    run(test())


def test_the_default_is_this_machine_alone() -> None:
    server = Server()
    assert (server.host, server.port, server.ae.title) == ("127.0.0.1", 11112, "DICOMWIRE")


def test_small_messages_are_not_delayed(run: Run) -> None:
    async def test() -> None:
        async with Server(port=0) as server, AE().associate("127.0.0.1", server.port) as association:
            for one in (association, *server.associations):
                assert one.connection.transport is not None
                used = one.connection.transport.get_extra_info("socket")
                assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    run(test())


IDLE_ASSOCIATION = 6000  # bytes, of which asyncio's transport and the socket are a third; 5,400 on Python 3.13


def test_idle_associations_are_small() -> None:
    """A thousand of them; asyncio's own loop, whose memory is Python's and counts."""
    count = 1000

    async def test() -> float:
        async with Server(AE(limits=Limits(associations=count + 20)), port=0) as server:
            loop = asyncio.get_running_loop()
            sockets: list[socket.socket] = []
            asked = request().encode()

            async def associate() -> None:
                one = socket.socket()
                one.setblocking(False)
                await loop.sock_connect(one, ("127.0.0.1", server.port))
                await loop.sock_sendall(one, asked)
                assert (await loop.sock_recv(one, 1000))[0] == AAssociateAC.pdu_type
                await loop.sock_sendall(one, ECHO)
                assert (await loop.sock_recv(one, 1000))[0] == 4
                sockets.append(one)

            for _ in range(20):
                await associate()
            gc.collect()
            tracemalloc.start()
            try:
                before = tracemalloc.get_traced_memory()[0]
                for _ in range(count):
                    await associate()
                gc.collect()
                taken = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            assert len(server.associations) == count + 20
            for one in sockets:
                one.close()
            await until(lambda: not server.associations)
            return taken / count

    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * count + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * count) if hard > 0 else 4 * count, hard))
    assert Run(asyncio.new_event_loop)(test()) < IDLE_ASSOCIATION


def test_nothing_grows_with_associations_that_end(run: Run) -> None:
    async def test() -> None:
        async with Server(port=0) as server:

            async def associate() -> None:
                async with AE().associate("127.0.0.1", server.port) as association:
                    await association.c_echo()

            for _ in range(20):
                await associate()
            gc.collect()
            counts = len(gc.get_objects())
            for _ in range(100):
                await associate()
            gc.collect()
            assert len(gc.get_objects()) - counts < 100
            await until(lambda: not server._registry.connections)

    run(test())


def test_whole_contexts_or_wishes() -> None:
    with pytest.raises(TypeError, match="not both"):
        AE().associate("127.0.0.1", contexts=[CT, ProposedContext(1, CT, (ExplicitVRLittleEndian,))])


def test_associations_are_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dicomwire.net")

    async def test() -> None:
        async with Server("ARCHIVE", port=0, policy=AcceptorPolicy(ae_title="ARCHIVE")) as server:
            async with AE("MODALITY").associate("127.0.0.1", server.port, called_ae_title="ARCHIVE") as association:
                assert await association.c_echo()
            with pytest.raises(AssociationRejected):
                await AE("MODALITY").associate("127.0.0.1", server.port, called_ae_title="OTHER")
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.close()
            assert await reader.read() == b""

    run(test())
    said = [record.message for record in caplog.records if record.name == "dicomwire.net"]
    places = [re.sub(r"port \d+", "port N", line) for line in said]
    assert places[:2] == [
        "'MODALITY' at 127.0.0.1 port N calls 'ARCHIVE': accepted, 1 contexts",
        "'MODALITY' at 127.0.0.1 port N: released",
    ]
    assert "called AE title not recognized" in places[2]
    assert places[3].startswith("a peer at 127.0.0.1 port N: ")
    assert len(places) == 4


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("reuse_port", [False, True])
def test_both_families_of_addresses(run: Run, reuse_port: bool) -> None:
    async def test() -> None:
        async with Server("ARCHIVE", host="::", port=0, reuse_port=reuse_port) as server:
            for host in ("127.0.0.1", "::1"):
                async with AE().associate(host, server.port) as association:
                    assert (await association.c_echo()).code == 0
                    (accepted,) = server.associations
                    for one, address in ((association, association.peer_address), (accepted, accepted.own_address)):
                        assert address == (host, server.port), one
                    assert accepted.peer_address is not None
                    assert accepted.peer_address[0] == host
                await until(lambda: not server.associations)

    run(test())
