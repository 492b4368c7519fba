"""C-STORE with other toolkits on loopback, both directions: DCMTK, Orthanc and pynetdicom, many transfer syntaxes."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

import dicomwire
from dicomwire.net import AE, Server
from dicomwire.net.storage import Storage, contexts_for, open_instance, send_files
from dicomwire.net.storage.sending import Sent
from dicomwire.net.tls import client_context, server_context
from tests.net import peers
from tests.net.certificates import Authority
from tests.net.storage.instances import files_in
from tests.support import missing

pytestmark = pytest.mark.peers

# Of each transfer syntax one file, with the option that has DCMTK's storescu propose it.
FILES = {
    "CT_small.dcm": [],
    "MR_small_implicit.dcm": ["-xi"],
    "MR_small_bigendian.dcm": ["-xb"],
    "image_dfl.dcm": ["-xd"],
    "SC_rgb_jpeg_gdcm.dcm": ["-xs"],
    "SC_rgb_jpeg_dcmtk.dcm": ["-xy"],
    "MR_small_RLE.dcm": ["-xr"],
    "MR_small_jp2klossless.dcm": ["-xv"],
    "MR_small_jpeg_ls_lossless.dcm": ["-xt"],
}
PDU_LENGTHS = [4096, 16384, 131072, 1 << 20, 0]


@pytest.fixture(scope="module")
def paths(pydicom_files: dict[str, Path]) -> dict[str, Path]:
    absent = set(FILES) - set(pydicom_files)
    assert not absent, absent
    return {name: pydicom_files[name] for name in FILES}


def distinct(paths: dict[str, Path], rotation: int = 0) -> dict[str, Path]:
    """One file of each instance, for toolkits that keep one; of the MR image that is there in five syntaxes another."""
    names = list(paths)
    found: dict[str, str] = {}
    for name in names[rotation:] + names[:rotation]:
        with open_instance(paths[name]) as instance:
            found.setdefault(instance.sop_instance_uid, name)
    return {name: paths[name] for name in found.values()}


def elements(path: Path) -> pydicom.Dataset:
    """What pydicom reads, without what encoders may add or drop: group lengths and padding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(path, force=True)
        for tag in [tag for tag in data_set.keys() if tag.element == 0 or tag == 0xFFFCFFFC]:  # noqa: SIM118
            del data_set[tag]
        str(data_set)  # decodes all values
        if data_set.file_meta.TransferSyntaxUID.is_compressed and not data_set.file_meta.TransferSyntaxUID.is_deflated:
            data_set["PixelData"].VR = "OB"  # some files have OW, which DCMTK corrects
    return data_set


def assert_same(sent: Path, received: Path, *, same_bytes: bool) -> None:
    with open_instance(sent) as one, open_instance(received) as other:
        assert (one.sop_class_uid, one.sop_instance_uid) == (other.sop_class_uid, other.sop_instance_uid)
        assert one.transfer_syntax == other.transfer_syntax
        if same_bytes:
            assert one.whole == other.whole
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert elements(sent) == elements(received)
    meta = dicomwire.dcmread(received).file_meta
    assert meta.MediaStorageSOPInstanceUID == dicomwire.dcmread(received).SOPInstanceUID


def assert_all_same(paths: dict[str, Path], folder: Path, *, same_bytes: bool) -> None:
    received = {}
    for name in files_in(folder):
        with contextlib.suppress(dicomwire.errors.DicomWireError), open_instance(folder / name) as instance:
            received[instance.sop_instance_uid, instance.transfer_syntax] = folder / name
    for name, path in paths.items():
        with open_instance(path) as instance:
            key = instance.sop_instance_uid, instance.transfer_syntax
        assert key in received, f"{name} did not arrive"
        assert_same(path, received[key], same_bytes=same_bytes)


async def received_from(folder: Path, send: Any, max_pdu_length: int = 131072, **options: Any) -> Any:
    """Run a client of another toolkit, a function of the port, against our provider."""
    server = Server(AE("ARCHIVE", max_pdu_length=max_pdu_length), port=0, **options)
    Storage(folder, template="{TransferSyntaxUID}/{SOPInstanceUID}.dcm").register(server)
    async with server:
        return await asyncio.to_thread(send, server.port)


def send(paths: list[Path], port: int, called: str = "ANY-SCP", max_pdu_length: int = 131072, **options: Any) -> None:
    """Send files, each of which must be stored."""
    plan = contexts_for(paths)
    assert not plan.unreadable
    ae = AE("DICOMWIRE", max_pdu_length=max_pdu_length)
    sent: list[Sent] = []
    asyncio.run(
        send_files(
            plan.batches,
            lambda contexts: ae.associate("127.0.0.1", port, called_ae_title=called, contexts=contexts, **options),
            report=sent.append,
        )
    )
    assert [(one.status.code if one.status else None, one.error) for one in sent] == [(0, None)] * len(paths)


# --- they send


@pytest.mark.parametrize("name", FILES)
def test_storescu_sends(paths: dict[str, Path], tmp_path: Path, name: str) -> None:
    path = paths[name]

    def store(port: int) -> None:
        done = peers.run([peers.tool("storescu"), "-v", *FILES[name], "127.0.0.1", str(port), str(path)])
        assert done.returncode == 0, done.stdout
        assert "Success" in done.stdout

    asyncio.run(received_from(tmp_path, store))
    (received,) = files_in(tmp_path)
    assert_same(path, tmp_path / received, same_bytes=False)


@pytest.mark.parametrize("max_pdu_length", PDU_LENGTHS)
def test_dcmsend_sends(paths: dict[str, Path], tmp_path: Path, max_pdu_length: int) -> None:
    some = distinct(paths, PDU_LENGTHS.index(max_pdu_length) + 4)

    def store(port: int) -> None:
        files = [str(path) for path in some.values()]
        done = peers.run([peers.tool("dcmsend"), "-v", "-dn", "127.0.0.1", str(port), *files])
        assert done.returncode == 0, done.stdout

    asyncio.run(received_from(tmp_path, store, max_pdu_length))
    assert_all_same(some, tmp_path, same_bytes=False)


@pytest.mark.parametrize("max_pdu_length", PDU_LENGTHS)
def test_pynetdicom_sends(paths: dict[str, Path], tmp_path: Path, max_pdu_length: int) -> None:
    if importlib.util.find_spec("pynetdicom") is None:
        missing("pynetdicom is not installed")
    import pynetdicom

    def store(port: int) -> None:
        ae = pynetdicom.AE("PYNETDICOM")
        for path in paths.values():
            with open_instance(path) as instance:
                ae.add_requested_context(str(instance.sop_class_uid), str(instance.transfer_syntax))
        association = ae.associate("127.0.0.1", port)
        assert association.is_established
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            statuses = [association.send_c_store(str(path)).Status for path in paths.values()]
        association.release()
        assert statuses == [0] * len(paths)

    asyncio.run(received_from(tmp_path, store, max_pdu_length))
    assert_all_same(paths, tmp_path, same_bytes=False)


def test_storescu_sends_over_tls(paths: dict[str, Path], tmp_path: Path, authority: Authority) -> None:
    archive, workstation = authority.issue("archive"), authority.issue("workstation")
    context = server_context(archive.certificate, archive.key, authorities=authority.certificate)

    def store(port: int) -> None:
        own = ["+tls", str(workstation.key), str(workstation.certificate), "+cf", str(authority.certificate)]
        done = peers.run([peers.tool("storescu"), "-v", *own, "127.0.0.1", str(port), str(paths["CT_small.dcm"])])
        assert done.returncode == 0, done.stdout

    asyncio.run(received_from(tmp_path, store, tls=context))
    (received,) = files_in(tmp_path)
    assert_same(paths["CT_small.dcm"], tmp_path / received, same_bytes=False)


# --- we send


@contextlib.contextmanager
def dcmtk_receiver(folder: Path, program: str, *options: str) -> Iterator[int]:
    """Yield the port of storescp or dcmrecv, which write data sets as they come."""
    to = folder / "to"
    to.mkdir()
    port = peers.free_port()
    settings = {
        "storescp": ["+xa", "+B", "+uf", "-od", str(to)],
        "dcmrecv": ["+B", "-od", str(to), "-xf", str(folder / "profile.cfg"), "Everything"],
    }[program]
    syntaxes = "\n".join(
        f"TransferSyntax{number} = {syntax}"
        for number, syntax in enumerate(("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"), 1)
    )
    classes = "\n".join(
        f"PresentationContext{number} = 1.2.840.10008.5.1.4.1.1.{number_of_class}\\Plain"
        for number, number_of_class in enumerate((2, 4, 7), 1)
    )
    (folder / "profile.cfg").write_text(
        f"[[TransferSyntaxes]]\n[Plain]\n{syntaxes}\n[[PresentationContexts]]\n[Classes]\n{classes}\n"
        "[[Profiles]]\n[Everything]\nPresentationContexts = Classes\n"
    )
    command = [peers.tool(program), "-v", *options, *settings, str(port)]
    with peers.serving(command, port, folder / "log"):
        yield port


@pytest.mark.parametrize("max_pdu_length", PDU_LENGTHS)
def test_storescp_receives(paths: dict[str, Path], tmp_path: Path, max_pdu_length: int) -> None:
    with dcmtk_receiver(tmp_path, "storescp") as port:
        send(list(paths.values()), port, max_pdu_length=max_pdu_length)
    assert_all_same(paths, tmp_path / "to", same_bytes=True)


@pytest.mark.parametrize("max_pdu_length", [4096, 16384, 131072])
def test_storescp_has_shorter_pdus(paths: dict[str, Path], tmp_path: Path, max_pdu_length: int) -> None:
    with dcmtk_receiver(tmp_path, "storescp", "-pdu", str(max_pdu_length)) as port:
        send(list(paths.values()), port)
    assert_all_same(paths, tmp_path / "to", same_bytes=True)


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_dcmrecv_receives(paths: dict[str, Path], tmp_path: Path, name: str) -> None:
    some = {name: paths[name] for name in ("CT_small.dcm", name)}
    with dcmtk_receiver(tmp_path, "dcmrecv") as port:
        send(list(some.values()), port)
    assert_all_same(some, tmp_path / "to", same_bytes=True)


def test_storescp_receives_over_tls(paths: dict[str, Path], tmp_path: Path, authority: Authority) -> None:
    archive, workstation = authority.issue("archive"), authority.issue("workstation")
    own = ["+tls", str(archive.key), str(archive.certificate), "+cf", str(authority.certificate)]
    context = client_context(
        authorities=authority.certificate, certificate=workstation.certificate, key=workstation.key
    )
    with dcmtk_receiver(tmp_path, "storescp", *own) as port:
        send(list(paths.values()), port, tls=context)
    assert_all_same(paths, tmp_path / "to", same_bytes=True)


@pytest.mark.parametrize("max_pdu_length", PDU_LENGTHS)
def test_pynetdicom_receives(paths: dict[str, Path], tmp_path: Path, max_pdu_length: int) -> None:
    if importlib.util.find_spec("pynetdicom") is None:
        missing("pynetdicom is not installed")
    import pynetdicom

    def store(event: Any) -> int:
        instance = event.request.AffectedSOPInstanceUID
        (tmp_path / f"{instance}-{event.context.transfer_syntax}").write_bytes(event.encoded_dataset())
        return 0

    ae = pynetdicom.AE("PYNETDICOM")
    ae.maximum_pdu_size = max_pdu_length
    for path in paths.values():
        with open_instance(path) as instance:
            ae.add_supported_context(str(instance.sop_class_uid), str(instance.transfer_syntax))
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(pynetdicom.evt.EVT_C_STORE, store)])
    try:
        send(list(paths.values()), server.socket.getsockname()[1])
    finally:
        server.shutdown()
    assert_all_same(paths, tmp_path, same_bytes=True)


def test_orthanc_receives_and_sends_back(paths: dict[str, Path], tmp_path: Path) -> None:
    http = peers.free_port()
    some = distinct(paths)

    def ask(path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", data, timeout=60) as answer:
            return json.load(answer)

    async def exchange() -> None:
        server = Server(AE("ARCHIVE"), port=0)
        Storage(tmp_path / "back", template="{TransferSyntaxUID}/{SOPInstanceUID}.dcm").register(server)
        async with server:
            with peers.orthanc(
                tmp_path,
                HttpServerEnabled=True,
                HttpPort=http,
                AuthenticationEnabled=False,
                DicomModalities={"us": ["ARCHIVE", "127.0.0.1", server.port]},
            ) as orthanc:
                await asyncio.to_thread(send, list(some.values()), orthanc.port, "ORTHANC")
                instances = await asyncio.to_thread(ask, "/instances")
                assert len(instances) == len(some)
                result = await asyncio.to_thread(ask, "/modalities/us/store", instances)
                assert result["FailedInstancesCount"] == 0

    asyncio.run(exchange())
    assert_all_same(some, tmp_path / "back", same_bytes=False)
