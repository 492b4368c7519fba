"""Plans and many files: contexts of each kind, several associations, and what became of each file."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

import dicomwire
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from dicomwire.file.instance_file import file_meta_information
from dicomwire.net import AE, Association, Limits, Server
from dicomwire.net.storage import Sent, Storage, contexts_for, send_files, walk
from dicomwire.net.storage.outgoing import said
from dicomwire.net.storage.sop_classes import storage_sop_classes
from tests.net.storage.instances import CT, MR, PATIENT, data_set, files_in, image


def write(folder: Path, count: int, **options: Any) -> list[Path]:
    paths = []
    for number in range(count):
        instance = f"1.2.{number}"
        path = folder / f"{number:03}.dcm"
        meta = file_meta_information(
            options.get("sop_class", CT), instance, options.get("syntax", ExplicitVRLittleEndian)
        )
        path.write_bytes(meta + data_set(instance, **options))
        paths.append(path)
    return paths


def test_a_context_for_each_kind(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("a", "b", "c")}
    for folder in folders.values():
        folder.mkdir()
    paths = write(folders["a"], 3) + write(folders["b"], 2, syntax=ImplicitVRLittleEndian)
    paths += write(folders["c"], 1, sop_class=MR)
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "DICOMDIR").write_bytes(
        file_meta_information("1.2.840.10008.1.3.10", "1.2", ExplicitVRLittleEndian) + data_set()[68:]
    )
    plan = contexts_for([*paths, tmp_path / "absent", tmp_path / "notes.txt", tmp_path / "DICOMDIR", tmp_path])
    (batch,) = plan.batches
    assert [(context.context_id, context.abstract_syntax, context.transfer_syntaxes) for context in batch.contexts] == [
        (1, CT, (ExplicitVRLittleEndian,)),
        (3, CT, (ImplicitVRLittleEndian,)),
        (5, MR, (ExplicitVRLittleEndian,)),
        (7, MR, (ImplicitVRLittleEndian,)),
    ]
    assert batch.paths == paths
    assert [(one.path, one.is_foreign) for one in plan.unreadable] == [
        (tmp_path / "absent", False),
        (tmp_path / "notes.txt", True),
        (tmp_path / "DICOMDIR", True),
        (tmp_path, True),
    ]
    assert list(walk([tmp_path])) == [str(tmp_path / "DICOMDIR"), str(tmp_path / "notes.txt"), *map(str, paths)]


def test_more_kinds_than_an_association_carries(tmp_path: Path) -> None:
    paths = []
    for number, sop_class in enumerate(storage_sop_classes()[:150]):
        path = tmp_path / f"{number:03}.dcm"
        instance = f"1.{number}"
        path.write_bytes(file_meta_information(sop_class, instance, ExplicitVRLittleEndian))
        with path.open("ab") as file:
            file.write(data_set(instance, sop_class=sop_class))
        paths.append(path)
    plan = contexts_for([*paths, *paths])
    assert [len(batch.contexts) for batch in plan.batches] == [128, 44]
    assert [len(batch.paths) for batch in plan.batches] == [256, 44]
    sent = asyncio.run(send(plan, tmp_path / "to"))
    assert sum(one.is_stored for one in sent) == 300
    assert len(files_in(tmp_path / "to")) == 150


async def send(
    plan: Any, to: Path | None, associations: int = 1, limits: Limits | None = None, **options: Any
) -> list[Sent]:
    server = Server(AE("ARCHIVE", limits=limits), port=0)
    Storage(to, **options).register(server)
    sent: list[Sent] = []
    async with server:
        ae = AE("MODALITY")
        await send_files(
            plan.batches,
            lambda contexts: ae.associate("127.0.0.1", server.port, contexts=contexts),
            associations=associations,
            report=sent.append,
        )
    return sent


@pytest.mark.parametrize(("associations", "limit"), [(1, 10), (4, 10), (4, 1), (100, 1000)])
def test_each_file_is_sent_once(tmp_path: Path, associations: int, limit: int) -> None:
    """Also when the peer takes fewer associations than were asked for."""
    paths = write(tmp_path, 30)
    seen: set[Association] = set()
    sent = asyncio.run(
        send(
            contexts_for(paths),
            tmp_path / "to",
            associations,
            Limits(associations=limit),
            on_stored=lambda stored: seen.add(stored.association),
        )
    )
    assert sorted(str(one.path) for one in sent) == sorted(map(str, paths))
    assert all(one.is_stored and one.error is None for one in sent)
    assert len(files_in(tmp_path / "to")) == 30
    assert len(seen) <= min(associations, limit)
    assert (len(seen) > 1) == (min(associations, limit) > 1)


@pytest.mark.parametrize("accepted", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_peer_that_takes_one_transfer_syntax_gets_it(tmp_path: Path, accepted: UID) -> None:
    for name, syntax in (("explicit", ExplicitVRLittleEndian), ("implicit", ImplicitVRLittleEndian)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, 3, syntax=syntax, pixels=100_001)
    paths = [*walk([tmp_path / "implicit"]), *walk([tmp_path / "explicit"])]
    sent = asyncio.run(send(contexts_for(paths), tmp_path / "to", transfer_syntaxes=[accepted], duplicates="number"))
    assert [one.error for one in sent if not one.is_stored] == []
    names = files_in(tmp_path / "to")
    assert len(names) == 6
    for name in names:
        stored = dicomwire.dcmread(tmp_path / "to" / name, policy="strict")
        assert stored.file_meta.TransferSyntaxUID == accepted
        assert (stored["PixelData"].length, stored.PatientName) == (100_002, PATIENT)


@pytest.mark.parametrize("accepted", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_compressed_files_are_decoded_for_a_peer_that_takes_no_others(tmp_path: Path, accepted: UID) -> None:
    paths = write(tmp_path, 2)
    for number in range(3):
        paths.append(tmp_path / f"rle{number}.dcm")
        image(f"1.2.9.{number}", transfer_syntax=RLELossless).save_as(paths[-1])
    paths.append(tmp_path / "cut.dcm")
    paths[-1].write_bytes(paths[2].read_bytes()[:-40])
    sent = asyncio.run(send(contexts_for(paths), tmp_path / "to", transfer_syntaxes=[accepted]))
    assert [one.path for one in sent if not one.is_stored] == [paths[-1]]
    assert len(files_in(tmp_path / "to")) == 5
    for number in range(3):
        stored = dicomwire.dcmread(tmp_path / "to" / f"1.2.9.{number}.dcm", policy="strict")
        assert stored.file_meta.TransferSyntaxUID == accepted
        assert bytes(stored.PixelData) == bytes(image().PixelData)


def test_files_that_fail_do_not_stop_the_others(tmp_path: Path) -> None:
    paths = write(tmp_path, 6)
    plan = contexts_for(paths)
    paths[1].unlink()
    paths[3].write_bytes(b"something else by now")
    os.truncate(paths[4], 200)
    sent = asyncio.run(send(plan, tmp_path / "to", on_stored=lambda stored: 0xA700 if stored.size < 0 else None))
    by_name = {Path(one.path).name: one for one in sent}
    assert [name for name, one in sorted(by_name.items()) if not one.is_stored] == ["001.dcm", "003.dcm", "004.dcm"]
    assert by_name["001.dcm"].error == "No such file or directory"
    assert by_name["004.dcm"].status is not None or by_name["004.dcm"].error


def test_an_association_that_ends_is_followed_by_another(tmp_path: Path) -> None:
    paths = write(tmp_path, 9)
    count = 0

    def end_sometimes(stored: Any) -> None:
        nonlocal count
        count += 1
        if count % 3 == 0:
            stored.association.abort()

    sent = asyncio.run(send(contexts_for(paths), None, on_stored=end_sometimes))
    assert len(sent) == 9
    assert sum(one.is_stored for one in sent) == 6
    assert all("aborted" in (one.error or "") for one in sent if not one.is_stored)


def test_a_peer_that_always_ends_it_is_given_up(tmp_path: Path) -> None:
    paths = write(tmp_path, 9)
    sent = asyncio.run(send(contexts_for(paths), None, on_stored=lambda stored: stored.association.abort()))
    assert len(sent) == 9
    assert not any(one.is_stored for one in sent)


def test_nobody_listens(tmp_path: Path) -> None:
    from tests.net.peers import free_port

    plan, sent, port = contexts_for(write(tmp_path, 3)), [], free_port()
    asyncio.run(
        send_files(
            plan.batches,
            lambda contexts: AE("A").associate("127.0.0.1", port, contexts=contexts),
            associations=2,
            report=sent.append,
        )
    )
    assert [one.error for one in sent] == ["no connection: Connection refused"] * 3


def test_an_unknown_host(tmp_path: Path) -> None:
    plan, sent = contexts_for(write(tmp_path, 2)), []
    asyncio.run(
        send_files(
            plan.batches, lambda contexts: AE("A").associate("no.host.invalid", contexts=contexts), report=sent.append
        )
    )
    assert len(sent) == 2
    for one in sent:
        assert one.error is not None
        assert one.error.startswith("no connection: ")
        assert "Unknown error" not in one.error


def test_what_is_said_of_errors() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('192.0.2.1', 104)")
    assert said(refused) == "Connection refused"
    assert said(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"
    untrusted = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    assert "certificate verify failed" in said(untrusted)


def test_a_cancellation_gives_up_an_association_that_is_being_asked_for(tmp_path: Path) -> None:
    plan = contexts_for(write(tmp_path, 2))

    async def interrupted() -> bytes:
        closed: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(6)
            task.cancel()
            with contextlib.suppress(ConnectionError):
                closed.set_result(await reader.read())
            writer.close()

        peer = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = peer.sockets[0].getsockname()[1]
        task = asyncio.ensure_future(
            send_files(
                plan.batches,
                lambda contexts: AE("A").associate("127.0.0.1", port, contexts=contexts),
                report=lambda sent: pytest.fail("nothing was sent"),
            )
        )
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)
        async with peer:
            return await asyncio.wait_for(closed, 10)

    asyncio.run(interrupted())


def test_a_cancellation_lets_the_file_under_way_be_answered(tmp_path: Path) -> None:
    plan = contexts_for(write(tmp_path, 50))
    sent: list[Sent] = []
    ended: list[Association] = []

    async def interrupted() -> None:
        server = Server("ARCHIVE", port=0, ended=ended.append)

        async def slow(stored: Any) -> None:
            await asyncio.sleep(0.05)

        Storage(None, on_stored=slow).register(server)
        async with server:
            task = asyncio.ensure_future(
                send_files(
                    plan.batches,
                    lambda contexts: AE("A").associate("127.0.0.1", server.port, contexts=contexts),
                    associations=2,
                    report=sent.append,
                )
            )
            while not sent:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while len(ended) < 2:
                await asyncio.sleep(0.001)

    asyncio.run(interrupted())
    assert 1 <= len(sent) <= 4
    assert all(one.is_stored for one in sent)
    assert all(association.is_released for association in ended)


def test_private_classes_are_proposed_too(tmp_path: Path) -> None:
    plan = contexts_for(write(tmp_path, 1, sop_class="1.3.6.1.4.1.5962.301.9"))
    assert plan.batches[0].contexts[0].abstract_syntax == UID("1.3.6.1.4.1.5962.301.9")
