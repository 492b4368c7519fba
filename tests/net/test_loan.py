"""Associations in the hands of threads: what peers and handlers may do meanwhile, and that nobody notices."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dicomwire.dictionary import UID
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.messages import CEchoRQ, CEchoRSP, CFindRQ, CFindRSP, CStoreRSP, NActionRQ
from dicomwire.net import Association, Request, Server
from dicomwire.net.storage import Arriving, Storage, Stored
from dicomwire.ul.items import AsynchronousOperationsWindow
from dicomwire.ul.pdu import AAbort, AReleaseRP, AReleaseRQ
from tests.net.lending import associate, command, is_lent, serving, status, store
from tests.net.raw import CT, FIND, VERIFICATION, Run, connected, message_bytes, until
from tests.net.storage.instances import data_set, files_in


def test_stores_in_any_pieces(run: Run, tmp_path: Path) -> None:
    """Silence between the pieces gives the association back and forth between loop and threads."""
    noise = random.Random(1)
    stream = b"".join(store(number, 3000 * number) for number in range(1, 6))

    async def test() -> None:
        async with serving(Storage(tmp_path)) as server, connected(server.port) as raw:
            await associate(raw)
            cuts = sorted(noise.randrange(len(stream)) for _ in range(25))
            for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
                await raw.send(stream[start:stop])
                await asyncio.sleep(noise.choice((0, 0, 0.001, 0.03)))
            for number in range(1, 6):
                assert await status(raw, number) == 0

    run(test())
    for number in range(1, 6):
        assert (tmp_path / f"1.2.{number}.dcm").read_bytes().endswith(data_set(f"1.2.{number}", pixels=3000 * number))


def test_the_digest_of_what_comes_slowly(run: Run, tmp_path: Path) -> None:
    """The loop goes on with data sets that a thread has begun, and a thread with those of the loop."""
    seen: dict[str, str | None] = {}

    def take(stored: Stored) -> None:
        seen[stored.sop_instance_uid] = stored.digest

    async def test() -> None:
        async with (
            serving(Storage(tmp_path, digest="sha256", on_stored=take)) as server,
            connected(server.port) as raw,
            connected(server.port) as other,
        ):
            await associate(raw)
            await associate(other)
            stream, noise = store(1, 500_000), store(2, 500_000)
            for at in range(0, len(stream) + 100_000, 100_000):
                await raw.send(stream[at : at + 100_000])
                await other.send(noise[max(0, at - 33) : at + 100_000 - 33])  # other bytes in the same place
                await asyncio.sleep(0.05)
            assert (await status(raw, 1), await status(other, 2)) == (0, 0)

    run(test())
    for number in (1, 2):
        assert seen[f"1.2.{number}"] == hashlib.sha256((tmp_path / f"1.2.{number}.dcm").read_bytes()).hexdigest()


@pytest.mark.usefixtures("patient")
def test_other_requests_between_stores(run: Run, tmp_path: Path) -> None:
    """They are for the event loop, and need not wait until the peer is silent."""
    threads: list[str] = []

    async def test() -> None:
        storage = Storage(tmp_path)
        server = Server("ARCHIVE", port=0)
        storage.register(server)
        server.support(FIND)

        @server.on(CommandField.C_FIND_RQ)
        async def find(asked: Request) -> AsyncIterator[Any]:
            threads.append(threading.current_thread().name)
            yield 0xFF00, asked.data
            yield 0

        async with server, connected(server.port) as raw:
            await associate(raw)
            number = 0
            for _ in range(3):
                for data in (None, b"an identifier   "):
                    number += 1
                    await raw.send(store(number))
                    assert await status(raw, number) == 0
                    if data is None:
                        await raw.send(message_bytes(3, CEchoRQ(message_id=9, affected_sop_class_uid=VERIFICATION)))
                        assert isinstance((await raw.message())[1], CEchoRSP)
                    else:
                        await raw.send(
                            message_bytes(5, CFindRQ(message_id=9, affected_sop_class_uid=FIND), data)
                        )
                        answers = [await raw.message(), await raw.message()]
                        assert [(type(one[1]), one[2]) for one in answers] == [(CFindRSP, data), (CFindRSP, None)]
            # All in one segment as well.
            echo = message_bytes(3, CEchoRQ(message_id=8, affected_sop_class_uid=VERIFICATION))
            await raw.send(store(7) + echo + store(8) + store(9) + echo + echo)
            kinds = [type((await raw.message())[1]) for _ in range(6)]
            assert kinds == [CStoreRSP, CEchoRSP, CStoreRSP, CStoreRSP, CEchoRSP, CEchoRSP]
            await raw.send(AReleaseRQ())
            assert isinstance(await raw.pdu(), AReleaseRP)

    run(test())
    assert set(threads) == {threading.main_thread().name}
    assert len(files_in(tmp_path)) == 9


def test_requests_that_nobody_performs(run: Run) -> None:
    async def test() -> None:
        async with serving(Storage(None)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1))
            assert await status(raw, 1) == 0
            action = NActionRQ(
                message_id=2,
                requested_sop_class_uid=CT,
                requested_sop_instance_uid=UID("1.2"),
                action_type_id=1,
            )
            await raw.send(message_bytes(1, action))
            _, answer, _ = await raw.message()
            assert answer.status == 0x0211
            await raw.send(store(3))
            assert await status(raw, 3) == 0

    run(test())


def test_a_window_is_kept_for_coroutines(run: Run, tmp_path: Path) -> None:
    """With room for several requests those whose handlers wait are under way at the same time."""
    under_way: list[str] = []
    most = 0

    async def wait(stored: Stored) -> None:
        nonlocal most
        under_way.append(stored.sop_instance_uid)
        most = max(most, len(under_way))
        for _ in range(100):
            if most == 4:
                break
            await asyncio.sleep(0.01)
        under_way.remove(stored.sop_instance_uid)

    async def test() -> None:
        async with serving(Storage(tmp_path, on_stored=wait), window=4) as server, connected(server.port) as raw:
            await associate(raw, AsynchronousOperationsWindow(4, 1))
            await raw.send(b"".join(store(number) for number in range(1, 5)))
            answered = {(await raw.message())[1].message_id_being_responded_to for _ in range(4)}  # type: ignore[attr-defined]
            assert answered == {1, 2, 3, 4}

    run(test())
    assert most == 4
    assert len(files_in(tmp_path)) == 4


def test_coroutines_one_by_one(run: Run, tmp_path: Path) -> None:
    threads: list[str] = []

    async def check(stored: Stored) -> int:
        threads.append(threading.current_thread().name)
        await asyncio.sleep(0)
        return 0xB000 if stored.sop_instance_uid == "1.2.3" else 0

    async def test() -> None:
        async with serving(Storage(tmp_path, on_stored=check)) as server, connected(server.port) as raw:
            await associate(raw)
            for number in range(1, 6):
                await raw.send(store(number))
                assert await status(raw, number) == (0xB000 if number == 3 else 0)

    run(test())
    assert threads == [threading.main_thread().name] * 5


def test_plain_handlers_are_called_in_threads(run: Run) -> None:
    threads: set[str] = set()

    async def test() -> None:
        storage = Storage(None, on_stored=lambda stored: threads.add(threading.current_thread().name))
        async with serving(storage) as server, connected(server.port) as raw:
            await associate(raw)
            for number in range(1, 4):
                await raw.send(store(number))
                assert await status(raw, number) == 0

    run(test())
    assert threads == {"dicomwire.net.worker"}


@pytest.mark.parametrize("pixels", [1000, 1_000_000])
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (ValueError("secret"), 0x0110),
        (0x1_0000, 0x0110),
        (-1, 0x0110),
        (0xFFFF, 0x0110),
        (0xFF00, 0x0110),
        (0xA701, 0xA701),
    ],
)
def test_handlers_that_fail(run: Run, pixels: int, outcome: Any, expected: int) -> None:
    def fail(stored: Stored) -> int:
        if stored.sop_instance_uid != "1.2.2":
            return 0
        if isinstance(outcome, Exception):
            raise outcome
        return int(outcome)

    async def test() -> None:
        async with serving(Storage(None, on_stored=fail)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(b"".join(store(number, pixels) for number in range(1, 4)))
            assert [await status(raw, number) for number in range(1, 4)] == [0, expected, 0]

    run(test())


def test_a_receiver_that_fails(run: Run) -> None:
    """What it raises is no reason to abort, and no byte of one association gets into another."""
    seen: list[tuple[str, int]] = []

    class Odd(Storage):
        def place(self, association: Association, context: Any) -> None:
            return None

        def _receive(self, association: Association, context_id: int, command: Any) -> Any:
            if command.message_id == 2:
                raise ValueError("secret")
            return super()._receive(association, context_id, command)

    storage = Odd(None, threads=1, on_stored=lambda stored: seen.append((stored.sop_instance_uid, stored.size)))

    async def test() -> None:
        async with serving(storage) as server, connected(server.port) as raw, connected(server.port) as other:
            await associate(raw)
            await associate(other)
            await raw.send(store(1))
            assert await status(raw, 1) == 0
            await raw.send(store(2, 20_000) + store(3))
            assert [await status(raw, number) for number in (2, 3)] == [0x0110, 0]
            await other.send(store(1) + store(3))
            assert [await status(other, number) for number in (1, 3)] == [0, 0]

    run(test())
    assert [name for name, _ in seen] == ["1.2.1", "1.2.3", "1.2.1", "1.2.3"]
    assert len({size for _, size in seen}) == 1


@contextmanager
def files_no_longer_than(length: int) -> Iterator[None]:
    """Let the system take no more bytes of any file: an error in the midst of a write, as of a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("pixels", [100, 1000, 200_000, 1_000_000])
@pytest.mark.parametrize("room", [0, 300, 500])
@pytest.mark.parametrize("template", ["{SOPInstanceUID}.dcm", "{PatientName}/{SOPInstanceUID}.dcm"])
def test_a_disk_that_is_full(run: Run, tmp_path: Path, pixels: int, room: int, template: str) -> None:
    async def test() -> None:
        async with serving(Storage(tmp_path, template=template)) as server, connected(server.port) as raw:
            await associate(raw)
            with files_no_longer_than(room):
                await raw.send(store(1, pixels) + store(2, pixels))
                assert [await status(raw, number) for number in (1, 2)] == [0xA700, 0xA700]
                await raw.send(store(3, pixels))
                assert await status(raw, 3) == 0xA700
                assert files_in(tmp_path) == []
            await raw.send(store(4, pixels))
            assert await status(raw, 4) == 0

    run(test())
    assert len(files_in(tmp_path)) == 1


@pytest.mark.parametrize("limit", [300, 1000, 3000, 300_000])
def test_files_over_the_limit(run: Run, tmp_path: Path, limit: int) -> None:
    sizes = (100, 2000, 50_000, 400_000, 10)
    lengths = {}

    async def test() -> None:
        async with serving(Storage(tmp_path, max_length=limit)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(b"".join(store(number, size) for number, size in enumerate(sizes, 1)))
            for number in range(1, len(sizes) + 1):
                lengths[number] = await status(raw, number)

    run(test())
    stored = {int(name.split(".")[2]): (tmp_path / name).stat().st_size for name in files_in(tmp_path)}
    assert sorted(stored) == [number for number, code in lengths.items() if code == 0]
    assert set(lengths.values()) <= {0, 0xA700}
    assert all(size <= limit for size in stored.values())
    whole = stored.get(1, 578) - 100
    assert len(stored) == sum(size + whole <= limit for size in sizes)


@pytest.mark.parametrize("duplicates", ["keep", "replace", "refuse", "number"])
@pytest.mark.parametrize("fsync", [False, True])
@pytest.mark.parametrize("slow", [False, True])
def test_two_who_send_the_same_at_once(run: Run, tmp_path: Path, duplicates: str, fsync: bool, slow: bool) -> None:
    """The name is free when both begin."""
    seen: list[tuple[str | None, bool]] = []
    first, second = store(1, 100_000), store(1, 200_000)

    def stored(what: Stored) -> None:
        seen.append((what.path and os.path.basename(what.path), what.is_duplicate))

    storage = Storage(tmp_path, duplicates=duplicates, fsync=fsync, on_stored=stored, threads=2)

    async def test() -> None:
        async with serving(storage) as server, connected(server.port) as raw, connected(server.port) as other:
            await associate(raw)
            await associate(other)
            await raw.send(first[:50_000])
            await until(lambda: len(files_in(tmp_path)) == 1)
            await other.send(second[:50_000])
            await until(lambda: len(files_in(tmp_path)) == 2)
            if slow:
                await until(lambda: not is_lent(server))
            await raw.send(first[50_000:])
            assert await status(raw, 1) == 0
            await other.send(second[50_000:])
            assert await status(other, 1) == (0x0111 if duplicates == "refuse" else 0)

    run(test())
    large = {"keep": [], "refuse": [], "replace": ["1.2.1.dcm"], "number": ["1.2.1-2.dcm"]}[duplicates]
    names = files_in(tmp_path)
    assert [name for name in names if (tmp_path / name).stat().st_size > 150_000] == large
    assert names == sorted({"1.2.1.dcm", *large})
    told = {"keep": [("1.2.1.dcm", True)], "refuse": []}.get(duplicates, [(name, False) for name in large])
    assert seen == [("1.2.1.dcm", False), *told]


def test_what_a_handler_learns_of_an_instance(run: Run, tmp_path: Path) -> None:
    seen: list[Stored] = []
    moved = command(3)
    moved.move_originator_application_entity_title, moved.move_originator_message_id = "MOVER", 9

    async def test() -> None:
        async with serving(Storage(tmp_path, on_stored=seen.append)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1) + store(2) + message_bytes(1, moved, data_set("1.2.3")))
            for number in (1, 2, 3):
                assert await status(raw, number) == 0
            assert {stored.association for stored in seen} == set(server.associations)

    run(test())
    assert [stored.message for stored in seen[:2]] == [command(1), command(2)]
    assert seen[2].message == moved
    assert seen[2].message is seen[2].message
    for number, stored in enumerate(seen, 1):
        assert stored.path == str(tmp_path / f"1.2.{number}.dcm")
        assert stored.size == os.stat(stored.path).st_size
        assert (stored.digest, stored.header, stored.is_duplicate) == (None, None, False)
        assert (stored.sop_class_uid, stored.sop_instance_uid) == (CT, f"1.2.{number}")
        assert (stored.context.context_id, stored.transfer_syntax) == (1, stored.context.transfer_syntax)


@pytest.mark.parametrize("pixels", [1000, 300_000])
@pytest.mark.parametrize("digest", [None, "sha256"])
def test_an_abort_by_whoever_sees_the_header_leaves_nothing(
    run: Run, tmp_path: Path, pixels: int, digest: str | None
) -> None:
    seen: list[str] = []

    def abort(arriving: Arriving) -> None:
        seen.append(arriving.message.affected_sop_instance_uid)
        arriving.association.abort()

    async def test() -> None:
        storage = Storage(tmp_path, on_header=abort, digest=digest)
        async with serving(storage) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1, pixels))
            assert isinstance(await raw.pdu(), AAbort)
            await raw.close()
            await until(lambda: not server.associations)

    run(test())
    assert seen == ["1.2.1"]
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("template", ["{PatientID}/{SOPInstanceUID}.dcm", "{SOPInstanceUID}.dcm"])
@pytest.mark.parametrize("pixels", [100, 300_000])
def test_each_header_is_seen_once(run: Run, tmp_path: Path, template: str, pixels: int) -> None:
    """Also where its folder or its name has to be made, or the instance is there, or refused."""
    seen: list[str] = []

    def see(arriving: Arriving) -> int:
        assert arriving.header.PatientName == "Instance^Test"
        seen.append(arriving.header.SOPInstanceUID)
        return 0x0124 if arriving.header.SOPInstanceUID == "1.2.2" else 0

    async def test() -> None:
        storage = Storage(tmp_path, on_header=see, template=template, duplicates="refuse", digest="sha256")
        async with serving(storage) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(b"".join(store(number, pixels) for number in (1, 2, 3, 1, 4)))
            codes = [await status(raw, number) for number in (1, 2, 3, 1, 4)]
            assert codes == [0, 0x0124, 0, 0x0111, 0]

    run(test())
    assert seen == ["1.2.1", "1.2.2", "1.2.3", "1.2.1", "1.2.4"]
    assert [os.path.basename(name) for name in files_in(tmp_path)] == ["1.2.1.dcm", "1.2.3.dcm", "1.2.4.dcm"]


@pytest.mark.parametrize("template", ["{CallingAETitle}/{SOPInstanceUID}.dcm", "{SOPClassUID}/x-{SOPInstanceUID}/ct"])
def test_folders_that_are_known_before_the_data_set(run: Run, tmp_path: Path, template: str) -> None:
    async def test() -> None:
        async with serving(Storage(tmp_path, template=template)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(b"".join(map(store, range(1, 6))))
            for number in range(1, 6):
                assert await status(raw, number) == 0

    run(test())
    fields = {"CallingAETitle": "RAW", "SOPClassUID": CT}
    assert files_in(tmp_path) == sorted(template.format(SOPInstanceUID=f"1.2.{k}", **fields) for k in range(1, 6))
