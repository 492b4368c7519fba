"""Files sent by a thread: windows, answers in any order, and what is reported when peer or file do not hold."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRLittleEndian
from dicomwire.dimse.messages import CEchoRQ, CStoreRQ, CStoreRSP
from dicomwire.dimse.status import StatusKind
from dicomwire.file.instance_file import file_meta_information
from dicomwire.net import AE, Server, Timeouts
from dicomwire.net.connection import Connection
from dicomwire.net.storage import Sent, Storage, contexts_for, send_files
from dicomwire.ul.items import AsynchronousOperationsWindow
from dicomwire.ul.pdu import AAbort, AReleaseRP, AReleaseRQ
from tests.net.raw import CT, Raw, Run, command_bytes, listening, message_bytes, pdv, until
from tests.net.storage.instances import data_set, files_in

LONG = 9_000_000  # bytes of pixel data; more than the system keeps of what nobody reads


def write(folder: Path, count: int, pixels: int = 1000) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for number in range(count):
        path = folder / f"{number:03}.dcm"
        meta = file_meta_information(CT, f"1.2.{number}", ExplicitVRLittleEndian)
        path.write_bytes(meta + data_set(f"1.2.{number}", pixels=pixels))
        paths.append(path)
    return paths


async def send(
    paths: list[Path], port: int, *, window: int = 1, timeouts: Timeouts | None = None, associations: int = 1
) -> list[Sent]:
    sent: list[Sent] = []
    ae = AE("MODALITY", timeouts=timeouts or Timeouts())
    options: dict[str, Any] = {} if window == 1 else {"asynchronous_operations_window": (window, 1)}
    await send_files(
        contexts_for(paths).batches,
        lambda contexts: ae.associate("127.0.0.1", port, contexts=contexts, **options),
        associations=associations,
        report=sent.append,
    )
    return sent


def to_raw(
    script: Callable[[Raw], Awaitable[object]], paths: list[Path], run: Run, **options: Any
) -> list[Sent]:
    """What is reported of files that are sent to a peer with this script."""

    async def test() -> list[Sent]:
        async with listening(script) as port:
            return await send(paths, port, **options)

    found: list[Sent] = run(test())
    assert sorted(str(one.path) for one in found) == sorted(map(str, paths))
    return found


async def answer(raw: Raw, request: Any, status: int = 0, **fields: Any) -> None:
    response = request.response(status=status)
    for name, value in fields.items():
        setattr(response, name, value)
    await raw.send(message_bytes(1, response))


async def released(raw: Raw) -> None:
    assert isinstance(await raw.pdu(), AReleaseRQ)
    await raw.send(AReleaseRP())


async def stores(raw: Raw, count: int) -> list[CStoreRQ]:
    requests = []
    for _ in range(count):
        _, request, data = await raw.message()
        assert isinstance(request, CStoreRQ)
        assert data is not None
        assert request.affected_sop_instance_uid.encode() in data
        requests.append(request)
    return requests


@pytest.mark.parametrize("pixels", [10, 7001, 100_000])
@pytest.mark.parametrize("window", [1, 8])
@pytest.mark.parametrize("in_thread", [True, False])
def test_the_same_in_a_thread_and_in_the_loop(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int, window: int, in_thread: bool
) -> None:
    if not in_thread:
        monkeypatch.setattr(Connection, "is_lendable", property(lambda self: False))
    paths = write(tmp_path / "from", 12, pixels)
    requests: list[CStoreRQ] = []

    async def script(raw: Raw) -> None:
        await raw.accept(AsynchronousOperationsWindow(window, 1))
        for number in range(12):
            _, request, data = await raw.message()
            assert isinstance(request, CStoreRQ)
            assert data == data_set(f"1.2.{number}", pixels=pixels)
            requests.append(request)
            await answer(raw, request, 0xB000 if number == 5 else 0xA701 if number == 7 else 0)
        await released(raw)

    found = to_raw(script, paths, run, window=window)
    assert [one.path for one in found] == [str(path) for path in paths] or [one.path for one in found] == paths
    assert [one.status.code if one.status else None for one in found] == [0] * 5 + [0xB000, 0, 0xA701] + [0] * 4
    assert [one.is_stored for one in found] == [True] * 7 + [False] + [True] * 4
    assert [one.error for one in found] == [None] * 12
    assert [request.affected_sop_instance_uid for request in requests] == [f"1.2.{number}" for number in range(12)]
    assert len({request.message_id for request in requests}) == 12


@pytest.mark.parametrize("window", [2, 8])
@pytest.mark.parametrize("order", ["first", "last", "any"])
def test_a_window_is_filled_and_answers_come_in_any_order(run: Run, tmp_path: Path, window: int, order: str) -> None:
    count = 20
    noise = random.Random(window)

    async def script(raw: Raw) -> None:
        await raw.accept(AsynchronousOperationsWindow(window, 1))
        under_way = await stores(raw, window)
        # No more than the window has room for.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await raw.reader.read(1)
        left = count - window
        while under_way:
            at = {"first": 0, "last": -1, "any": noise.randrange(len(under_way))}[order]
            request = under_way.pop(at)
            number = int(request.affected_sop_instance_uid.rpartition(".")[2])
            await answer(raw, request, 0xB006 if number % 2 else 0)
            if left:
                left -= 1
                under_way += await stores(raw, 1)
        await released(raw)

    found = to_raw(script, write(tmp_path, count), run, window=window)
    for one in found:
        assert one.status is not None
        assert one.status.code == (0xB006 if int(Path(one.path).stem) % 2 else 0)


def test_a_peer_with_a_window_without_limit(run: Run, tmp_path: Path) -> None:
    async def script(raw: Raw) -> None:
        await raw.accept(AsynchronousOperationsWindow(0, 1))
        for request in (await stores(raw, 64))[::-1]:
            await answer(raw, request)
        for request in await stores(raw, 6):
            await answer(raw, request)
        await released(raw)

    assert all(one.is_stored for one in to_raw(script, write(tmp_path, 70), run, window=0))


def test_answers_that_say_more(run: Run, tmp_path: Path) -> None:
    """Comments, warnings, statuses without a meaning, answers in pieces."""

    async def script(raw: Raw) -> None:
        await raw.accept()
        (request,) = await stores(raw, 1)
        await answer(raw, request, 0xC123, error_comment="no room")
        (request,) = await stores(raw, 1)
        await answer(raw, request, 0xB007)
        (request,) = await stores(raw, 1)
        encoded = request.response(status=0).encode()
        await raw.send(pdv(1, 1, encoded[:20]))
        await asyncio.sleep(0.01)
        await raw.send(pdv(1, 1, encoded[20:40]) + pdv(1, 3, encoded[40:]))
        (request,) = await stores(raw, 1)
        for byte in command_bytes(1, request.response(status=0).encode()):
            await raw.send(bytes([byte]))
        (request,) = await stores(raw, 1)
        await answer(raw, request, 0x0122, affected_sop_class_uid=None)
        await released(raw)

    first, second, third, fourth, fifth = to_raw(script, write(tmp_path, 5), run)
    assert first.status is not None
    assert second.status is not None
    assert fifth.status is not None
    assert (first.status.code, first.error, first.status.kind) == (0xC123, "no room", StatusKind.FAILURE)
    assert (second.status.code, second.is_stored) == (0xB007, True)
    assert (third.is_stored, fourth.is_stored) == (True, True)
    assert (fifth.status.code, fifth.is_stored) == (0x0122, False)


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("how", ["close", "reset", "abort", "abort in pieces", "garbage", "release"])
@pytest.mark.parametrize("when", ["between", "in a file"])
def test_a_peer_that_breaks_off(run: Run, tmp_path: Path, window: int, how: str, when: str) -> None:
    """What is under way has failed, and is told why; the rest goes over another association."""
    paths = write(tmp_path, 6, 2_000_000 if when == "in a file" else 5000)
    connections = 0

    async def script(raw: Raw) -> None:
        nonlocal connections
        connections += 1
        await raw.accept(AsynchronousOperationsWindow(window, 1))
        if connections == 1:
            if when == "between":
                requests = await stores(raw, window)
                await answer(raw, requests[0])
                await stores(raw, 1)
            else:
                (request,) = await stores(raw, 1)
                await answer(raw, request)
                await raw.reader.readexactly(100_000)
            if how == "abort":
                await raw.send(AAbort(0, 0))
            elif how == "abort in pieces":
                for byte in AAbort(2, 0).encode():
                    await raw.send(bytes([byte]))
                    await asyncio.sleep(0.002)
            elif how == "garbage":
                await raw.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            elif how == "release":
                await raw.send(AReleaseRQ())
            elif how == "reset":
                own = raw.writer.get_extra_info("socket")
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.writer.transport.abort()
                return
            if how in ("garbage", "release"):
                reading = asyncio.ensure_future(raw.reader.read(-1))
                await asyncio.wait([reading], timeout=1)
                reading.cancel()
            return
        while True:
            try:
                (request,) = await stores(raw, 1)
            except AssertionError:
                await raw.send(AReleaseRP())
                return
            await answer(raw, request)

    found = to_raw(script, paths, run, window=window)
    failed = [one for one in found if not one.is_stored]
    assert 1 <= len(failed) <= window
    assert all(one.error and one.status is None for one in failed)
    assert not any("nobody waits for" in (one.error or "") for one in failed), [one.error for one in failed]
    assert len(found) - len(failed) >= 6 - window
    assert connections == 2


@pytest.mark.parametrize("when", ["answer", "in a file"])
def test_a_peer_that_stalls(run: Run, tmp_path: Path, when: str) -> None:
    paths = write(tmp_path, 2, LONG if when == "in a file" else 100)

    async def script(raw: Raw) -> None:
        await raw.accept()
        if when == "answer":
            await stores(raw, 1)
            assert isinstance(await raw.pdu(), AAbort)
        else:
            await raw.reader.readexactly(1000)
            await asyncio.sleep(1)

    found = to_raw(script, paths, run, timeouts=Timeouts(dimse_s=0.3, artim_s=0.5))
    text = "no response to C-STORE-RQ within 0.3 s" if when == "answer" else "took nothing"
    assert [text in (one.error or "") for one in found] == [True, True]


def test_files_that_change(run: Run, tmp_path: Path) -> None:
    """Those that vanish or are no DICOM by now are passed over; one that shrinks under way ends the association."""
    paths = write(tmp_path, 8, 50_000)
    connections = 0

    async def script(raw: Raw) -> None:
        nonlocal connections
        connections += 1
        await raw.accept()
        if connections == 1:
            (request,) = await stores(raw, 1)
            paths[2].unlink()
            paths[4].write_bytes(b"something else by now")
            paths[5].unlink()
            paths[5].mkdir()
            await answer(raw, request)
        while True:
            try:
                (request,) = await stores(raw, 1)
            except AssertionError:
                await raw.send(AReleaseRP())
                return
            await answer(raw, request)

    found = {Path(one.path).name: one for one in to_raw(script, paths, run)}
    assert [name for name, one in sorted(found.items()) if not one.is_stored] == ["002.dcm", "004.dcm", "005.dcm"]
    assert found["002.dcm"].error == "No such file or directory"
    assert found["005.dcm"].error
    assert connections == 1


@pytest.mark.parametrize("missing", [1, 1_000_000])
def test_a_file_that_shrinks_while_it_is_sent(run: Run, tmp_path: Path, missing: int) -> None:
    """Nothing that was not in the file counts as stored, zeros behind its end neither."""
    paths = write(tmp_path, 3, LONG)
    connections = 0

    async def script(raw: Raw) -> None:
        nonlocal connections
        connections += 1
        await raw.accept()
        if connections == 1:
            await raw.reader.readexactly(1000)
            os.truncate(paths[0], paths[0].stat().st_size - missing)
            while await raw.reader.read(1 << 20):
                pass
            return
        for request in await stores(raw, 2):
            await answer(raw, request)
        await released(raw)

    async def twice(raw: Raw) -> None:
        if connections:
            await raw.accept()
            for _ in range(2):
                (request,) = await stores(raw, 1)
                await answer(raw, request)
            await released(raw)
        else:
            await script(raw)

    found = to_raw(twice, paths, run, timeouts=Timeouts(artim_s=0.5))
    assert [one.error for one in found] == ["the file became shorter while it was sent", None, None]


def test_a_request_of_the_peer_meanwhile(run: Run, tmp_path: Path) -> None:
    """Nobody expects one: it is answered or refused by the loop, and each file is reported."""

    async def script(raw: Raw) -> None:
        await raw.accept()
        while True:
            await raw.message()
            await raw.send(message_bytes(1, CEchoRQ(message_id=3, affected_sop_class_uid=UID("1.2.840.10008.1.1"))))
            while await raw.pdu() is not None:
                pass
            return

    found = to_raw(script, write(tmp_path, 2), run, timeouts=Timeouts(artim_s=0.5, dimse_s=2))
    assert not any(one.is_stored for one in found)
    assert all(one.error for one in found)


@pytest.mark.parametrize("wrong", ["message ID", "context", "no response"])
def test_answers_to_nothing(run: Run, tmp_path: Path, wrong: str) -> None:
    async def script(raw: Raw) -> None:
        await raw.accept()
        (request,) = await stores(raw, 1)
        response = request.response(status=0)
        assert isinstance(response, CStoreRSP)
        if wrong == "message ID":
            response.message_id_being_responded_to = (request.message_id + 1) % 65536
        if wrong == "no response":
            await raw.send(pdv(1, 2, b"a data set"))
        else:
            await raw.send(message_bytes(3 if wrong == "context" else 1, response))
        while (pdu := await raw.pdu()) is not None:
            assert isinstance(pdu, AAbort)

    found = to_raw(script, write(tmp_path, 1), run, timeouts=Timeouts(artim_s=0.3, dimse_s=5))
    (one,) = found
    assert not one.is_stored
    assert one.error


def test_a_cancellation_in_the_middle_of_a_window(run: Run, tmp_path: Path) -> None:
    paths = write(tmp_path, 40)
    sent: list[Sent] = []
    begun = asyncio.Event()

    async def script(raw: Raw) -> None:
        await raw.accept(AsynchronousOperationsWindow(4, 1))
        requests = await stores(raw, 4)
        begun.set()
        await asyncio.sleep(0.05)
        for request in requests:
            await answer(raw, request)
        while True:
            try:
                (request,) = await stores(raw, 1)
            except AssertionError:
                await raw.send(AReleaseRP())
                return
            await answer(raw, request)

    async def test() -> None:
        begun.clear()
        async with listening(script) as port:
            ae = AE("MODALITY")
            task = asyncio.ensure_future(
                send_files(
                    contexts_for(paths).batches,
                    lambda contexts: ae.associate(
                        "127.0.0.1", port, contexts=contexts, asynchronous_operations_window=(4, 1)
                    ),
                    report=sent.append,
                )
            )
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(test())
    assert 4 <= len(sent) <= 9
    assert all(one.is_stored for one in sent)


def test_many_files_over_several_associations(run: Run, tmp_path: Path) -> None:
    paths = write(tmp_path / "from", 200, 3000)

    async def test() -> list[Sent]:
        server = Server("ARCHIVE", port=0)
        Storage(tmp_path / "to").register(server)
        async with server:
            found = await send(paths, server.port, associations=4)
            await until(lambda: not server.associations)
        return found

    found = run(test())
    assert sorted(str(one.path) for one in found) == sorted(map(str, paths))
    assert all(one.is_stored for one in found)
    assert len(files_in(tmp_path / "to")) == 200
