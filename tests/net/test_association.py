"""The life of an association between its two ends: acceptance, release and its collision, aborts, lost connections."""

from __future__ import annotations

import asyncio

import pytest

from dicomwire.errors import AssociationAborted, AssociationRejected, LocalProtocolError
from dicomwire.net import AE, Association, Server, Timeouts
from dicomwire.ul.codes import AbortReason, AbortSource, RejectReasonUser, RejectResult, RejectSource
from dicomwire.ul.items import MaximumLength, UserInformation
from dicomwire.ul.pdu import AAbort, AAssociateRJ, AReleaseRP, AReleaseRQ
from tests.net.raw import (
    VERIFICATION,
    Raw,
    Run,
    acceptance,
    connected,
    listening,
    message_bytes,
    pdv,
    request,
    until,
)


def test_from_the_request_to_the_release(run: Run) -> None:
    async def test() -> None:
        ended: list[Association] = []
        async with Server("ARCHIVE", port=0, ended=ended.append) as server:
            asking = AE("WORKSTATION", max_pdu_length=4096)
            async with asking.associate("127.0.0.1", server.port, called_ae_title="ARCHIVE") as association:
                assert association.is_established
                assert association.is_requestor
                assert association.peer_ae_title == "ARCHIVE"
                assert association.peer_address == ("127.0.0.1", server.port)
                assert association.peer_certificate is None
                assert [item.abstract_syntax for item in association.contexts.values()] == [VERIFICATION]
                assert (await association.c_echo()).code == 0
                (other,) = server.associations
                assert not other.is_requestor
                assert other.peer_ae_title == "WORKSTATION"
                assert other.negotiated is not None
                assert other.negotiated.max_pdu_length_to_send == 4096
                assert "acceptor STA6" in repr(other)
            assert association.is_released
            assert not association.is_established
            assert not association.is_open
            assert association.error is None
            assert association.peer_address == ("127.0.0.1", server.port)
            await until(lambda: ended)
            assert ended == [other]
            assert other.is_released
            assert other.error is None
            assert not server.associations

    run(test())


def test_awaited_and_released_by_hand(run: Run) -> None:
    async def test() -> None:
        async with Server("ARCHIVE", port=0) as server:
            association = await AE().associate("127.0.0.1", server.port)
            await association.release()
            with pytest.raises(LocalProtocolError):
                await association.release()
            association.abort()  # nothing happens
            assert association.is_released
            assert association.error is None

    run(test())


def test_an_association_is_asked_for_once(run: Run) -> None:
    async def test() -> None:
        async with Server(port=0) as server:
            asking = AE().associate("127.0.0.1", server.port)
            async with asking as association:
                with pytest.raises(LocalProtocolError):
                    await asking
                assert (await association.c_echo()).code == 0

    run(test())


def test_a_rejection_says_what_the_peer_said(run: Run) -> None:
    rejection = AAssociateRJ(RejectResult.PERMANENT, RejectSource.SERVICE_USER, RejectReasonUser(7))

    async def peer(raw: Raw) -> None:
        await raw.pdu()
        await raw.send(rejection)
        await raw.ended()

    async def test() -> None:
        async with listening(peer) as port:
            with pytest.raises(AssociationRejected, match="called AE title") as caught:
                async with AE().associate("127.0.0.1", port):
                    raise AssertionError("not reached")
            assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 7)

    run(test())


def test_no_connection(run: Run) -> None:
    async def test() -> None:
        async with Server(port=0) as server:
            port = server.port
        with pytest.raises(ConnectionRefusedError):
            await AE().associate("127.0.0.1", port)

    run(test())


def test_an_acceptance_without_a_usable_maximum_length_aborts(run: Run) -> None:
    """1 to 11 bytes leave no room for data (PS3.8 Annex D.1)."""

    async def peer(raw: Raw) -> None:
        asked = await raw.pdu()
        await raw.send(acceptance(asked, maximum_length=7))
        abort = await raw.pdu()
        assert (abort.source, abort.reason) == (
            AbortSource.SERVICE_PROVIDER,
            AbortReason.INVALID_PDU_PARAMETER_VALUE,
        )

    async def test() -> None:
        async with listening(peer) as port:
            with pytest.raises(AssociationAborted, match="maximum length"):
                await AE().associate("127.0.0.1", port)

    run(test())


def test_the_peer_releases(run: Run) -> None:
    async def test() -> None:
        ended: list[Association] = []
        async with Server(port=0, ended=ended.append) as server, connected(server.port) as raw:
            await raw.associate()
            await raw.send(AReleaseRQ())
            assert isinstance(await raw.pdu(), AReleaseRP)
            await raw.close()
            await until(lambda: ended)
            assert ended[0].is_released

    run(test())


def test_release_behind_a_request_in_one_segment(run: Run) -> None:
    """The request is answered, then the release."""
    from dicomwire.dimse.messages import CEchoRQ

    async def test() -> None:
        async with Server(port=0) as server, connected(server.port) as raw:
            await raw.associate()
            await raw.send(message_bytes(1, CEchoRQ(message_id=5)), AReleaseRQ())
            _, response, _ = await raw.message()
            assert response.message_id_being_responded_to == 5  # type: ignore[attr-defined]
            assert isinstance(await raw.pdu(), AReleaseRP)

    run(test())


def test_everything_in_one_segment(run: Run) -> None:
    """Who does not wait for the acceptance is served all the same; an abort behind requests ends it without a fault."""
    from dicomwire.dimse.messages import CEchoRQ

    async def test() -> None:
        ended: list[Association] = []
        async with Server(port=0, ended=ended.append) as server, connected(server.port) as raw:
            echo = message_bytes(1, CEchoRQ(message_id=5))
            await raw.send(request(), echo, echo, AAbort(), echo)
            await raw.ended()
            await until(lambda: ended)
            assert isinstance(ended[0].error, AssociationAborted)
            assert (ended[0].error.source, ended[0].error.reason) == (0, 0)

    run(test())


def test_release_collision_of_a_requestor(run: Run) -> None:
    """PS3.8 Table 9-10, STA9 and STA11: it answers the peer's request, then waits for the answer to its own."""

    async def peer(raw: Raw) -> None:
        await raw.accept()
        assert isinstance(await raw.pdu(), AReleaseRQ)
        await raw.send(AReleaseRQ())
        assert isinstance(await raw.pdu(), AReleaseRP)
        await raw.send(AReleaseRP())
        await raw.ended()

    async def test() -> None:
        async with listening(peer) as port:
            association = await AE().associate("127.0.0.1", port)
            await association.release()
            assert association.is_released

    run(test())


def test_release_collision_of_an_acceptor(run: Run) -> None:
    """PS3.8 Table 9-10, STA10 and STA12: it waits for the answer to its own request, then answers the peer's."""

    async def test() -> None:
        async with Server(port=0) as server, connected(server.port) as raw:
            await raw.associate()
            (association,) = server.associations
            releasing = asyncio.create_task(association.release())
            assert isinstance(await raw.pdu(), AReleaseRQ)
            await raw.send(AReleaseRQ())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await raw.reader.readexactly(1)
            await raw.send(AReleaseRP())
            assert isinstance(await raw.pdu(), AReleaseRP)
            await raw.close()
            await releasing
            assert association.is_released

    run(test())


def test_release_without_an_answer_aborts(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        assert isinstance(await raw.pdu(), AReleaseRQ)
        assert isinstance(await raw.pdu(), AAbort)

    async def test() -> None:
        async with listening(peer) as port:
            association = await AE(timeouts=Timeouts(artim_s=0.05)).associate("127.0.0.1", port)
            with pytest.raises(AssociationAborted, match="no answer to A-RELEASE-RQ"):
                await association.release()
            assert not association.is_released

    run(test())


def test_the_peer_aborts_instead_of_releasing(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        await raw.pdu()
        await raw.send(AAbort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU))

    async def test() -> None:
        async with listening(peer) as port:
            association = await AE().associate("127.0.0.1", port)
            with pytest.raises(AssociationAborted) as caught:
                await association.release()
            assert (caught.value.source, caught.value.reason) == (2, 2)

    run(test())


def test_an_exception_in_the_block_aborts(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        abort = await raw.pdu()
        assert isinstance(abort, AAbort)
        assert abort.source == AbortSource.SERVICE_USER

    async def test() -> None:
        async with listening(peer) as port:
            with pytest.raises(ZeroDivisionError):
                async with AE().associate("127.0.0.1", port) as association:
                    raise ZeroDivisionError
            assert not association.is_open

    run(test())


def test_a_peer_that_does_not_close_is_not_waited_for(run: Run) -> None:
    """After our A-ABORT the peer has two seconds, or the ARTIM time if that is shorter."""
    stop = asyncio.Event()

    async def peer(raw: Raw) -> None:
        await raw.accept()
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stop.wait()

    async def test() -> None:
        async with listening(peer) as port:
            association = await AE(timeouts=Timeouts(artim_s=0.1)).associate("127.0.0.1", port)
            await association.terminate()
            assert not association.is_open
            stop.set()

    run(test())


def test_a_cancelled_request_for_an_association_leaves_nothing(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.pdu()
        await raw.ended()

    async def test() -> None:
        async with listening(peer) as port:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await AE().associate("127.0.0.1", port)

    run(test())


def test_a_lost_connection_has_its_cause(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        import socket
        import struct

        connected_socket = raw.writer.get_extra_info("socket")
        connected_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.writer.transport.abort()  # with SO_LINGER of 0 s: a reset

    async def test() -> None:
        async with listening(peer) as port:
            association = await AE().associate("127.0.0.1", port)
            await association.closed()
            assert isinstance(association.error, AssociationAborted)
            assert association.error.source is None
            assert isinstance(association.error.__cause__, ConnectionResetError)

    run(test())


def test_what_the_peer_may_not_send_aborts(run: Run) -> None:
    """A command in a context that was not accepted; PS3.8 Table 9-10, AA-8."""

    async def test() -> None:
        ended: list[Association] = []
        async with Server(port=0, ended=ended.append) as server, connected(server.port) as raw:
            await raw.associate()
            await raw.send(pdv(3, 3, bytes(10)))
            abort = await raw.pdu()
            assert (abort.source, abort.reason) == (
                AbortSource.SERVICE_PROVIDER,
                AbortReason.INVALID_PDU_PARAMETER_VALUE,
            )
            await raw.close()
            await until(lambda: ended)
            assert "not accepted" in str(ended[0].error)

    run(test())


def test_small_pdus_of_the_peer_are_respected_by_the_echo(run: Run) -> None:
    from dicomwire.dimse.messages import CEchoRQ
    from dicomwire.ul.pdu import PDataTF

    async def test() -> None:
        async with Server(port=0) as server, connected(server.port) as raw:
            asked = request()
            information = UserInformation((MaximumLength(20), *asked.user_information.items[1:]))
            await raw.associate(request(maximum_length=20))
            assert information.maximum_length == 20
            await raw.send(message_bytes(1, CEchoRQ(message_id=9)))
            lengths = []
            while True:
                pdu = await raw.pdu()
                assert isinstance(pdu, PDataTF)
                lengths.append(len(pdu.encode()) - 6)
                if pdu.pdvs[-1].is_last:
                    break
            assert max(lengths) <= 20
            assert len(lengths) > 4

    run(test())
