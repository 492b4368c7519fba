"""DICOM over TLS after BCP 195: who is let in, who is not, and what a handshake that fails leaves behind."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from pathlib import Path

import pytest

from dicomwire.errors import AssociationAborted
from dicomwire.net import AE, Association, Server, Timeouts, client_context, server_context
from tests.net.certificates import Authority, Issued
from tests.net.raw import Run, connected, until


@pytest.fixture(scope="module")
def archive(authority: Authority) -> Issued:
    return authority.issue("archive")


@pytest.fixture(scope="module")
def workstation(authority: Authority) -> Issued:
    return authority.issue("workstation")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("stranger")
    return Authority(folder, "stranger")


async def echo(server: Server, context: ssl.SSLContext, host: str = "127.0.0.1", **options: object) -> int:
    async with AE().associate(host, server.port, tls=context, **options) as association:  # type: ignore[arg-type]
        return (await association.c_echo()).code


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_mutual_authentication(
    run: Run, authority: Authority, archive: Issued, workstation: Issued, version: ssl.TLSVersion
) -> None:
    serving = server_context(archive.certificate, archive.key, authorities=authority.certificate)
    asking = client_context(
        authorities=authority.certificate, certificate=workstation.certificate, key=workstation.key
    )
    asking.maximum_version = version

    async def test() -> None:
        async with Server(port=0, tls=serving) as server:
            async with AE().associate("127.0.0.1", server.port, tls=asking) as association:
                assert (await association.c_echo()).code == 0
                (accepted,) = server.associations
                for one, name in ((association, "archive"), (accepted, "workstation")):
                    assert one.peer_certificate is not None
                    assert one.peer_certificate["subject"] == ((("commonName", name),),)
                    assert one.connection.transport is not None
                    suite, used, _ = one.connection.transport.get_extra_info("cipher")
                    assert used == version.name.replace("_", ".")
                    assert "GCM" in suite or "CHACHA20" in suite
            assert association.is_released

    run(test())


def test_a_large_message_over_tls(run: Run, authority: Authority, archive: Issued) -> None:
    from dicomwire.dimse.command import CommandField
    from dicomwire.dimse.messages import CStoreRQ
    from tests.net.raw import CT

    image = bytes(range(256)) * 20_000
    taken: list[bool] = []

    async def test() -> None:
        server = Server(port=0, tls=server_context(archive.certificate, archive.key))
        server.support(CT)
        server.on(CommandField.C_STORE_RQ)(lambda asked: taken.append(asked.data == image) or 0)  # type: ignore[func-returns-value]
        async with server:
            context = client_context(authorities=authority.certificate)
            async with AE().associate("127.0.0.1", server.port, contexts=[CT], tls=context) as association:
                store = CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=CT)
                assert (await association.request(store, image)).status.code == 0
        assert taken == [True]

    run(test())


def test_requestors_verify_the_acceptor(
    run: Run, authority: Authority, archive: Issued, stranger: Authority
) -> None:
    async def test() -> None:
        async with Server(port=0, tls=server_context(archive.certificate, archive.key)) as server:
            for context in (client_context(authorities=stranger.certificate), client_context()):
                with pytest.raises(ssl.SSLCertVerificationError):
                    await echo(server, context)
            assert await echo(server, client_context(authorities=authority.certificate)) == 0

    run(test())


def test_host_names_are_checked(run: Run, authority: Authority, archive: Issued) -> None:
    async def test() -> None:
        async with Server(port=0, tls=server_context(archive.certificate, archive.key)) as server:
            context = client_context(authorities=authority.certificate)
            assert await echo(server, context, server_host_name="localhost") == 0
            with pytest.raises(ssl.SSLCertVerificationError, match="archive"):
                await echo(server, context, server_host_name="archive.example")
            lenient = client_context(authorities=authority.certificate, check_host_name=False)
            assert await echo(server, lenient, server_host_name="archive.example") == 0

    run(test())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("known", [False, True], ids=["none", "of a stranger"])
def test_requestors_without_a_certificate_of_ours(
    run: Run,
    authority: Authority,
    archive: Issued,
    stranger: Authority,
    version: ssl.TLSVersion,
    known: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With TLS 1.3 the requestor learns of it after its handshake, when it may have sent its request."""
    serving = server_context(archive.certificate, archive.key, authorities=authority.certificate)
    own = stranger.issue("intruder") if known else None
    asking = client_context(
        authorities=authority.certificate,
        certificate=own.certificate if own else None,
        key=own.key if own else None,
    )
    asking.maximum_version = version

    async def test() -> None:
        ended: list[Association] = []
        async with Server(port=0, tls=serving, ended=ended.append, established=ended.append) as server:
            with pytest.raises((OSError, AssociationAborted)):
                await echo(server, asking)
            assert not server._registry.connections
        assert not ended

    run(test())
    (said,) = [record.getMessage() for record in caplog.records if record.name == "dicomwire.net"]
    assert said.startswith("a TLS handshake failed: ")
    assert ("CERTIFICATE_VERIFY_FAILED" if known else "PEER_DID_NOT_RETURN_A_CERTIFICATE") in said


def test_old_versions_are_refused(run: Run, authority: Authority, archive: Issued) -> None:
    """RFC 8996: neither TLS 1.0 nor 1.1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.load_verify_locations(authority.certificate)

    async def test() -> None:
        async with Server(port=0, tls=server_context(archive.certificate, archive.key)) as server:
            with pytest.raises(OSError):  # noqa: PT011  the alert, or the end of the connection
                await echo(server, old)

    run(test())


def test_profile_of_both_contexts(authority: Authority, archive: Issued) -> None:
    for context in (client_context(), server_context(archive.certificate, archive.key)):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        names = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"]
        assert names
        assert all(name.startswith("ECDHE-") and "-GCM-" in name for name in names)
    assert server_context(archive.certificate, archive.key).verify_mode == ssl.CERT_NONE
    mutual = server_context(archive.certificate, archive.key, authorities=authority.certificate)
    assert mutual.verify_mode == ssl.CERT_REQUIRED
    assert client_context().verify_mode == ssl.CERT_REQUIRED


def test_handshakes_that_fail_are_not_counted(run: Run, archive: Issued) -> None:
    """Plain DICOM, a port scan, silence: none of them is an association, or keeps a place of one."""

    async def test() -> None:
        timeouts = Timeouts(connect_s=0.2)
        serving = server_context(archive.certificate, archive.key)
        async with Server(AE(timeouts=timeouts), port=0, tls=serving) as server:
            async with connected(server.port) as plain, connected(server.port) as silent, connected(server.port):
                await plain.send(b"\x01\x00\x00\x00\x00\x04abcd")
                await plain.ended()
                await silent.ended()
            assert not server._registry.connections

    run(test())


def test_a_plain_acceptor_is_no_tls_acceptor(run: Run, authority: Authority) -> None:
    async def test() -> None:
        ended: list[Association] = []
        async with Server(port=0, ended=ended.append) as server:
            with pytest.raises(OSError):  # noqa: PT011  wrong version number, or the end of the connection
                await echo(server, client_context(authorities=authority.certificate))
            await until(lambda: ended)
            assert "TLS" in str(ended[0].error)

    run(test())


def test_the_port_of_tls() -> None:
    assert Server(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)).port == 2762


def test_a_peer_that_never_shakes_hands(run: Run, authority: Authority) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def test() -> None:
        listener = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        ae = AE(timeouts=Timeouts(connect_s=0.1))
        with pytest.raises(TimeoutError, match="no transport connection"):
            await ae.associate("127.0.0.1", port, tls=client_context(authorities=authority.certificate))
        listener.close()
        await asyncio.sleep(0.05)

    run(test())
