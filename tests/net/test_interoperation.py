"""Verification and negotiation with other toolkits on loopback: DCMTK, Orthanc and pynetdicom, both directions."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.errors import AssociationAborted, AssociationRejected
from dicomwire.net.ae import ApplicationEntity
from dicomwire.net.association import Association
from dicomwire.net.server import Server
from dicomwire.net.tls import client_context, server_context
from dicomwire.ul.items import ProposedContext
from dicomwire.ul.policy import AcceptorPolicy, Roles
from tests.net import peers
from tests.net.certificates import Authority, Issued
from tests.support import missing

pytestmark = pytest.mark.peers

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
PDU_LENGTHS = [4096, 16384, 131072, 1 << 20, 0]


@pytest.fixture(scope="module")
def storescp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Peer]:
    with peers.storescp(tmp_path_factory.mktemp("storescp")) as peer:
        yield peer


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Peer]:
    with peers.orthanc(tmp_path_factory.mktemp("orthanc")) as peer:
        yield peer


@contextlib.contextmanager
def pynetdicom_server(maximum_length: int = 16382, **attributes: object) -> Iterator[int]:
    """Yield the port of a verification provider of pynetdicom."""
    if importlib.util.find_spec("pynetdicom") is None:
        missing("pynetdicom is not installed")
    from pynetdicom import AE

    ae = AE("PYNETDICOM")
    ae.maximum_pdu_size = maximum_length
    ae.add_supported_context(VERIFICATION)
    for name, value in attributes.items():
        setattr(ae, name, value)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()


async def echo(port: int, ae: ApplicationEntity | None = None, **options: object) -> int:
    """Return the status of an echo on an association of its own, released in the end."""
    ae = ae or ApplicationEntity("REQUESTOR")
    async with ae.associate("127.0.0.1", port, **options) as association:  # type: ignore[arg-type]
        status = await association.c_echo()
        second = await association.c_echo()
    assert association.is_released
    assert second == status
    return status.code


# --- we ask


@pytest.mark.parametrize("max_pdu_length", PDU_LENGTHS)
def test_storescp_answers(storescp: peers.Peer, max_pdu_length: int) -> None:
    ae = ApplicationEntity("REQUESTOR", max_pdu_length=max_pdu_length)
    assert asyncio.run(echo(storescp.port, ae)) == 0
    assert f"Their Max PDU Receive Size:  {max_pdu_length}\n" in storescp.said().replace("D: ", "")


@pytest.mark.parametrize("max_pdu_length", [4096, 131072])
def test_orthanc_answers(orthanc: peers.Peer, max_pdu_length: int) -> None:
    ae = ApplicationEntity("REQUESTOR", max_pdu_length=max_pdu_length)
    assert asyncio.run(echo(orthanc.port, ae, called_ae_title="ORTHANC")) == 0


@pytest.mark.parametrize("max_pdu_length", PDU_LENGTHS)
def test_pynetdicom_answers(max_pdu_length: int) -> None:
    with pynetdicom_server(maximum_length=max_pdu_length) as port:
        assert asyncio.run(echo(port)) == 0


def test_contexts_are_what_storescp_accepts(storescp: peers.Peer) -> None:
    """Each context with its own result; DCMTK takes big endian when nothing else is there, and no private class."""
    contexts = [
        ProposedContext(1, UID(VERIFICATION), (ImplicitVRLittleEndian,)),
        ProposedContext(3, UID(CT), (ExplicitVRBigEndian,)),
        ProposedContext(5, UID(CT), (ExplicitVRLittleEndian, ImplicitVRLittleEndian)),
        ProposedContext(255, UID("1.2.276.0.7230010.3.1.0.1.99"), (ImplicitVRLittleEndian,)),
    ]

    async def negotiated() -> dict[int, str]:
        ae = ApplicationEntity("REQUESTOR")
        async with ae.associate("127.0.0.1", storescp.port, contexts=contexts) as association:
            assert association.negotiated is not None
            return {number: str(context.transfer_syntax) for number, context in association.negotiated.contexts.items()}

    accepted = asyncio.run(negotiated())
    assert accepted.pop(5) in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    assert accepted == {1: ImplicitVRLittleEndian, 3: ExplicitVRBigEndian}


def test_orthanc_rejects_another_called_title(tmp_path: Path) -> None:
    with peers.orthanc(tmp_path, DicomCheckCalledAet=True) as peer:
        with pytest.raises(AssociationRejected) as caught:
            asyncio.run(echo(peer.port, called_ae_title="NOBODY"))
        assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 7)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"require_called_aet": True}, (1, 1, 7)),
        ({"require_calling_aet": ["SOMEBODY"]}, (1, 1, 3)),
    ],
    ids=["called", "calling"],
)
def test_pynetdicom_rejects(attributes: dict[str, object], expected: tuple[int, int, int]) -> None:
    with pynetdicom_server(**attributes) as port, pytest.raises(AssociationRejected) as caught:
        asyncio.run(echo(port, called_ae_title="NOBODY"))
    assert (caught.value.result, caught.value.source, caught.value.reason) == expected


def test_a_peer_that_dies_aborts_the_association(tmp_path: Path) -> None:
    async def ask(peer: peers.Peer) -> None:
        async with ApplicationEntity("REQUESTOR").associate("127.0.0.1", peer.port) as association:
            peer.process.kill()
            with pytest.raises(AssociationAborted):
                await association.c_echo()
            await association.closed()
            assert isinstance(association.error, AssociationAborted)

    with peers.storescp(tmp_path) as peer:
        asyncio.run(ask(peer))


# --- they ask


@contextlib.asynccontextmanager
async def serving(ae: ApplicationEntity | None = None, **options: object) -> AsyncIterator[Server]:
    async with Server(ae or ApplicationEntity("ARCHIVE"), port=0, **options) as server:  # type: ignore[arg-type]
        yield server


async def client(*command: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(peers.run, [peers.tool(command[0]), *command[1:]])


@pytest.mark.parametrize("their_length", [4096, 131072])
@pytest.mark.parametrize("our_length", PDU_LENGTHS)
def test_echoscu_is_answered(our_length: int, their_length: int) -> None:
    async def serve() -> None:
        async with serving(ApplicationEntity("ARCHIVE", max_pdu_length=our_length)) as server:
            done = await client(
                "echoscu",
                "-d",
                "-pdu",
                str(their_length),
                "--repeat",
                "3",
                "-aec",
                "ARCHIVE",
                "localhost",
                str(server.port),
            )
            assert done.returncode == 0, done.stdout
            assert done.stdout.count("Received Echo Response (Success)") == 3
            assert f"Their Max PDU Receive Size:  {our_length}\n" in done.stdout.replace("D: ", "")

    asyncio.run(serve())


def test_echoscu_with_as_many_contexts_as_there_can_be() -> None:
    async def serve() -> None:
        seen = []
        async with serving(ended=seen.append) as server:
            done = await client("echoscu", "-ppc", "128", "-pts", "38", "localhost", str(server.port))
            assert done.returncode == 0, done.stdout
        (association,) = seen
        assert len(association.negotiated.contexts) == 128
        assert association.is_released

    asyncio.run(serve())


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "tls"])
def test_orthanc_is_answered(tmp_path: Path, authority: Authority, over_tls: bool) -> None:
    http = peers.free_port()
    archive, workstation = authority.issue("archive"), authority.issue("workstation")

    def ask() -> int:
        url = f"http://127.0.0.1:{http}/modalities/us/echo"
        with urllib.request.urlopen(url, b"{}", timeout=30) as answer:
            status: int = answer.status
            return status

    async def serve() -> None:
        ended: list[Association] = []
        tls = server_context(archive.certificate, archive.key, authorities=authority.certificate) if over_tls else None
        async with serving(tls=tls, ended=ended.append) as server:
            with peers.orthanc(
                tmp_path,
                HttpServerEnabled=True,
                HttpPort=http,
                AuthenticationEnabled=False,
                DicomModalities={
                    "us": {"AET": "ARCHIVE", "Host": "127.0.0.1", "Port": server.port, "UseDicomTls": over_tls}
                },
                DicomTlsCertificate=str(workstation.certificate),
                DicomTlsPrivateKey=str(workstation.key),
                DicomTlsTrustedCertificates=str(authority.certificate),
            ):
                assert await asyncio.to_thread(ask) == 200
        (association,) = ended
        assert association.peer_ae_title == "ORTHANC"

    asyncio.run(serve())


def test_echoscu_that_aborts() -> None:
    async def serve() -> None:
        seen = []
        async with serving(ended=seen.append) as server:
            done = await client("echoscu", "--abort", "localhost", str(server.port))
            assert done.returncode == 0, done.stdout
            while not seen:
                await asyncio.sleep(0.01)
        assert isinstance(seen[0].error, AssociationAborted)
        assert seen[0].error.source == 0

    asyncio.run(serve())


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (AcceptorPolicy(ae_title="ARCHIVE"), "Called AE Title Not Recognized"),
        (AcceptorPolicy(calling_ae_titles=["SOMEBODY"]), "Calling AE Title Not Recognized"),
        (AcceptorPolicy(max_contexts=0), "Local Limit Exceeded"),
    ],
    ids=["called", "calling", "limit"],
)
def test_echoscu_understands_rejections(policy: AcceptorPolicy, words: str) -> None:
    async def serve() -> None:
        async with serving(policy=policy) as server:
            done = await client("echoscu", "-v", "-aec", "NOBODY", "localhost", str(server.port))
            assert done.returncode != 0
            assert words in done.stdout

    asyncio.run(serve())


def pynetdicom_client(port: int, maximum_length: int, results: list[object]) -> None:
    from pynetdicom import AE, build_role

    ae = AE("PYNETDICOM")
    ae.add_requested_context(VERIFICATION)
    ae.add_requested_context(CT)
    negotiation = [build_role(CT, scu_role=True, scp_role=True)]
    association = ae.associate("127.0.0.1", port, max_pdu=maximum_length, ext_neg=negotiation)
    results.append(association.is_established)
    results.append(association.send_c_echo().Status)
    results.append(
        [(context.abstract_syntax, context.as_scu, context.as_scp) for context in association.accepted_contexts]
    )
    association.release()
    results.append(association.is_released)


@pytest.mark.parametrize("maximum_length", PDU_LENGTHS)
def test_pynetdicom_is_answered_and_takes_roles(maximum_length: int) -> None:
    if importlib.util.find_spec("pynetdicom") is None:
        missing("pynetdicom is not installed")

    async def serve() -> list[object]:
        results: list[object] = []
        server = Server("ARCHIVE", port=0)
        server.support(CT, roles=Roles(scu=True, scp=True))
        async with server:
            await asyncio.to_thread(pynetdicom_client, server.port, maximum_length, results)
        return results

    assert asyncio.run(serve()) == [True, 0, [(VERIFICATION, True, False), (CT, True, True)], True]


# --- TLS


@pytest.fixture(scope="module")
def certificates(authority: Authority) -> tuple[Issued, Issued]:
    return authority.issue("archive"), authority.issue("workstation")


def test_storescp_over_tls(tmp_path: Path, authority: Authority, certificates: tuple[Issued, Issued]) -> None:
    archive, workstation = certificates
    options = ["+tls", str(archive.key), str(archive.certificate), "+cf", str(authority.certificate)]
    context = client_context(
        authorities=authority.certificate, certificate=workstation.certificate, key=workstation.key
    )
    with peers.storescp(tmp_path, *options) as peer:
        assert asyncio.run(echo(peer.port, tls=context)) == 0


def test_orthanc_over_tls(tmp_path: Path, authority: Authority, certificates: tuple[Issued, Issued]) -> None:
    archive, workstation = certificates
    context = client_context(
        authorities=authority.certificate, certificate=workstation.certificate, key=workstation.key
    )
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(archive.certificate),
        "DicomTlsPrivateKey": str(archive.key),
        "DicomTlsTrustedCertificates": str(authority.certificate),
    }
    with peers.orthanc(tmp_path, **settings) as peer:
        assert asyncio.run(echo(peer.port, tls=context)) == 0


def test_echoscu_over_tls_with_both_certificates(authority: Authority, certificates: tuple[Issued, Issued]) -> None:
    archive, workstation = certificates
    context = server_context(archive.certificate, archive.key, authorities=authority.certificate)

    async def serve() -> None:
        names = []
        async with serving(
            tls=context, established=lambda association: names.append(association.peer_certificate)
        ) as server:
            done = await client(
                "echoscu",
                "-d",
                "+tls",
                str(workstation.key),
                str(workstation.certificate),
                "+cf",
                str(authority.certificate),
                "localhost",
                str(server.port),
            )
            assert done.returncode == 0, done.stdout
        assert names[0]["subject"] == ((("commonName", "workstation"),),)

    asyncio.run(serve())


def test_pynetdicom_over_tls(authority: Authority, certificates: tuple[Issued, Issued]) -> None:
    if importlib.util.find_spec("pynetdicom") is None:
        missing("pynetdicom is not installed")
    from pynetdicom import AE

    archive, workstation = certificates
    context = server_context(archive.certificate, archive.key, authorities=authority.certificate)
    asking = client_context(authorities=authority.certificate, certificate=workstation.certificate, key=workstation.key)

    def ask(port: int) -> int:
        ae = AE("PYNETDICOM")
        ae.add_requested_context(VERIFICATION)
        association = ae.associate("127.0.0.1", port, tls_args=(asking, "localhost"))
        status: int = association.send_c_echo().Status
        association.release()
        return status

    async def serve() -> int:
        async with serving(tls=context) as server:
            return await asyncio.to_thread(ask, server.port)

    assert asyncio.run(serve()) == 0
