"""Associations in the hands of threads: what peers and the event loop may do meanwhile, and that nobody notices."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import random
import resource
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest

from dicomwire.dictionary import UID
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.messages import CEchoRQ, CEchoRSP, CFindRQ, CFindRSP, CStoreRQ, CStoreRSP, NActionRQ
from dicomwire.errors import AssociationAborted
from dicomwire.net import AE, Association, Handlers, Request, Server, Timeouts, loan
from dicomwire.net.settings import Limits
from dicomwire.net.storage import Arriving, Storage, Stored
from dicomwire.net.workers import Workers
from dicomwire.ul.items import AsynchronousOperationsWindow, RoleSelection
from dicomwire.ul.pdu import AAbort, AReleaseRP, AReleaseRQ
from dicomwire.ul.policy import AcceptorPolicy, Roles
from tests.net.raw import CT, FIND, VERIFICATION, Raw, Run, connected, context, message_bytes, pdv, request, until
from tests.net.storage.instances import data_set, files_in

FOREVER_MS = 60_000  # longer than a test may take: whoever waits for this has not been woken


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that keep an association until somebody wants it back."""
    monkeypatch.setattr(loan, "PATIENCE_MS", FOREVER_MS)


def command(number: int = 1, instance: str | None = None) -> CStoreRQ:
    return CStoreRQ(
        message_id=number, affected_sop_class_uid=CT, affected_sop_instance_uid=UID(instance or f"1.2.{number}")
    )


def store(number: int = 1, pixels: int = 1000, length: int = 16384) -> bytes:
    return message_bytes(1, command(number), data_set(f"1.2.{number}", pixels=pixels), length)


@asynccontextmanager
async def serving(storage: Storage, **options: Any) -> AsyncIterator[Server]:
    timeouts = options.pop("timeouts", None)
    limits = options.pop("limits", None)
    window = options.pop("window", None)
    policy = AcceptorPolicy(asynchronous_operations_window=(window, 1)) if window else None
    ae = AE("ARCHIVE", timeouts=timeouts or Timeouts(), limits=limits or Limits())
    server = Server(ae, port=0, policy=policy, **options) if policy else Server(ae, port=0, **options)
    storage.register(server)
    async with server:
        yield server


async def associate(raw: Raw, *items: Any) -> None:
    answer = await raw.associate(request([context(1, CT), context(3, VERIFICATION), context(5, FIND)], *items))
    assert not isinstance(answer, AAbort)


async def status(raw: Raw, number: int) -> int:
    """The status of the next message, which answers this request."""
    _, answer, _ = await raw.message()
    assert isinstance(answer, CStoreRSP), answer
    assert answer.message_id_being_responded_to == number
    return int(answer.status)


def is_lent(server: Server) -> bool:
    return any(association.connection.is_held for association in server.associations)


def only(server: Server) -> Association:
    (association,) = server.associations
    return association


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("dicomwire.net.worker")]


# -------------------------------------------------------------------------------------------------- one after the other


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


# ----------------------------------------------------------------------------------------------- what the loop wants


async def began(raw: Raw, server: Server, where: str, folder: Path) -> None:
    """Have the association lent, and the thread between two messages, or in the middle of a data set."""
    await associate(raw)
    await raw.send(store(1))
    assert await status(raw, 1) == 0
    if where == "in a data set":
        await raw.send(store(2, 2_000_000)[:1_000_000])
        await until(lambda: any(name.endswith(".part") for name in files_in(folder)))
    await until(lambda: is_lent(server))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("where", ["between messages", "in a data set"])
@pytest.mark.parametrize("how", ["abort", "release", "terminate", "stop"])
def test_the_loop_ends_it(run: Run, tmp_path: Path, where: str, how: str) -> None:
    async def test() -> None:
        async with serving(Storage(tmp_path)) as server, connected(server.port) as raw:
            await began(raw, server, where, tmp_path)
            association = only(server)
            if how == "release":
                ending = asyncio.ensure_future(association.release())
                if where == "in a data set":
                    assert isinstance(await raw.pdu(), AReleaseRQ)
                    await raw.close()
                    with pytest.raises(AssociationAborted):
                        await ending
                else:
                    assert isinstance(await raw.pdu(), AReleaseRQ)
                    await raw.send(AReleaseRP())
                    await ending
                    assert association.is_released
            elif how == "abort":
                association.abort()
                assert isinstance(await raw.pdu(), AAbort)
                await raw.close()
                await association.closed()
            else:
                ending = asyncio.ensure_future(association.terminate() if how == "terminate" else server.stop())
                assert isinstance(await raw.pdu(), AAbort)
                await raw.close()
                await ending
            assert not association.is_open
            assert not server.associations

    run(test())
    assert [name for name in files_in(tmp_path) if name.endswith(".part")] == []


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("where", ["between messages", "in a data set"])
def test_a_peer_that_does_not_take_its_abort(run: Run, tmp_path: Path, where: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("dicomwire.net.association.CLOSING_S", 0.1)

    async def test() -> None:
        async with serving(Storage(tmp_path)) as server, connected(server.port) as raw:
            await began(raw, server, where, tmp_path)
            await only(server).terminate()
            await raw.ended()

    run(test())
    assert [name for name in files_in(tmp_path) if name.endswith(".part")] == []


@pytest.mark.parametrize("how", ["abort", "terminate", "stop"])
def test_the_loop_ends_it_while_a_handler_works(run: Run, tmp_path: Path, how: str) -> None:
    """The handler's thread is not interrupted; nothing is answered."""
    entered, leave = threading.Event(), threading.Event()

    def work(stored: Stored) -> None:
        entered.set()
        assert leave.wait(20)

    async def test() -> None:
        entered.clear()
        leave.clear()
        async with serving(Storage(tmp_path, on_stored=work)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1))
            await until(entered.is_set)
            association = only(server)
            if how == "abort":
                association.abort()
            ending = asyncio.ensure_future(
                association.closed()
                if how == "abort"
                else association.terminate()
                if how == "terminate"
                else server.stop()
            )
            await asyncio.sleep(0.05)
            assert not ending.done()
            leave.set()
            pdu = await raw.pdu()
            if not isinstance(pdu, AAbort):
                pdu = await raw.pdu()
            assert isinstance(pdu, AAbort)
            await raw.close()
            await ending
            assert not server.associations

    run(test())


def test_a_handler_that_aborts(run: Run) -> None:
    async def test() -> None:
        storage = Storage(None, on_stored=lambda stored: stored.association.abort())
        async with serving(storage) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1) + store(2) + store(3))
            assert isinstance(await raw.pdu(), AAbort)

    run(test())


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("where", ["between messages", "in a data set"])
def test_a_request_of_our_own(run: Run, tmp_path: Path, where: str) -> None:
    """It goes out at once, and its answer is taken between the peer's messages."""

    async def test() -> None:
        server = Server("ARCHIVE", port=0)
        Storage(tmp_path).register(server)
        server.support(VERIFICATION, roles=Roles(scu=True, scp=True))
        async with server, connected(server.port) as raw:
            answer = await raw.associate(
                request([context(1, CT), context(3, VERIFICATION)], RoleSelection(VERIFICATION, True, True))
            )
            assert not isinstance(answer, AAbort)
            await raw.send(store(1))
            assert await status(raw, 1) == 0
            whole = store(2, 2_000_000)
            if where == "in a data set":
                await raw.send(whole[:1_000_000])
            await until(lambda: is_lent(server))
            asking = asyncio.ensure_future(only(server).c_echo())
            _, asked, _ = await raw.message()
            assert isinstance(asked, CEchoRQ)
            if where == "in a data set":
                await raw.send(whole[1_000_000:])
                assert await status(raw, 2) == 0
            await raw.send(message_bytes(3, asked.response(status=0)))
            assert (await asking).code == 0
            await raw.send(store(3))
            assert await status(raw, 3) == 0

    run(test())
    assert all(name.endswith(".dcm") for name in files_in(tmp_path))


# ------------------------------------------------------------------------------------------------------ peers at fault


@pytest.mark.parametrize("pixels", [100, 500_000])
@pytest.mark.parametrize(
    "how",
    ["close", "reset", "abort", "abort in pieces", "release", "HTTP", "TLS", "garbage", "another context", "command"],
)
def test_a_peer_that_breaks_off_in_a_data_set(run: Run, tmp_path: Path, how: str, pixels: int) -> None:
    """Row 50 of the malformed inputs: nothing partial stays, and other associations go on."""
    ended: list[Association] = []

    async def test() -> None:
        async with (
            serving(Storage(tmp_path), ended=ended.append) as server,
            connected(server.port) as raw,
            connected(server.port) as other,
        ):
            await associate(raw)
            await associate(other)
            await raw.send(store(1))
            assert await status(raw, 1) == 0
            start = message_bytes(1, command(2), data_set("1.2.2", pixels=pixels), 4096)
            end = start.rindex(b"\4\0\0\0", 0, len(start) - 20) if pixels > 100 else len(start)
            if pixels == 100:  # a data set that goes on, and its beginning is a whole fragment
                encoded = command(2).encode(has_data_set=True)
                start = pdv(1, 3, encoded) + pdv(1, 0, data_set("1.2.2", pixels=100))
                end = len(start)
            await raw.send(start[:end])
            await until(lambda: any(name.endswith(".part") for name in files_in(tmp_path)))
            if how == "close":
                await raw.close()
            elif how == "reset":
                own = raw.writer.get_extra_info("socket")
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.writer.transport.abort()
            elif how == "abort":
                await raw.send(AAbort(0, 0))
            elif how == "abort in pieces":
                for byte in AAbort(0, 0).encode():
                    await raw.send(bytes([byte]))
                    await asyncio.sleep(0.003)
            elif how == "release":
                await raw.send(AReleaseRQ())
            elif how == "another context":
                await raw.send(pdv(3, 2, b"data"))
            elif how == "command":
                await raw.send(pdv(1, 3, command(3).encode(has_data_set=True)))
            else:
                await raw.send(
                    {
                        "HTTP": b"GET / HTTP/1.1\r\n\r\n",
                        "TLS": b"\x16\3\1\2\0\1\0\1\xfc\3\3",
                        "garbage": random.Random(1).randbytes(100_000),
                    }[how]
                )
            if how in ("another context", "command", "HTTP", "TLS"):
                assert isinstance(await raw.pdu(), AAbort)
            if how == "release":
                assert isinstance(await raw.pdu(), AReleaseRP)
            await raw.close()
            await until(lambda: len(server.associations) == 1)
            assert files_in(tmp_path) == ["1.2.1.dcm"]
            await other.send(store(4))
            assert await status(other, 4) == 0
        assert len(ended) >= 2

    run(test())


def test_a_peer_that_stalls_in_a_data_set(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(Storage(tmp_path), timeouts=Timeouts(dimse_s=0.3)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1) + store(2, 1_000_000)[:700_000])
            assert await status(raw, 1) == 0
            assert isinstance(await raw.pdu(), AAbort)
            await raw.close()
            await until(lambda: not server.associations)
            assert files_in(tmp_path) == ["1.2.1.dcm"]

    run(test())


@pytest.mark.parametrize("pause", [0.0, 0.002, 0.03])
def test_a_peer_that_trickles(run: Run, tmp_path: Path, pause: float) -> None:
    """Byte by byte, which is slow and legal: as long as something comes within the time-out."""
    stream = store(1) + message_bytes(1, command(2), data_set("1.2.2", pixels=0), 64)
    tail = 60 if pause else len(stream)

    async def test() -> None:
        async with serving(Storage(tmp_path), timeouts=Timeouts(dimse_s=5)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(stream[:-tail])
            for at in range(len(stream) - tail, len(stream)):
                await raw.send(stream[at : at + 1])
                await asyncio.sleep(pause)
            assert [await status(raw, number) for number in (1, 2)] == [0, 0]

    run(test())
    assert len(files_in(tmp_path)) == 2


def test_a_peer_that_trickles_a_command_for_ever(run: Run) -> None:
    """A whole command has to be there in time, also when its bytes come while a thread has the association."""

    async def test() -> None:
        async with serving(Storage(None), timeouts=Timeouts(dimse_s=0.3)) as server, connected(server.port) as raw:
            await associate(raw)
            await raw.send(store(1))
            assert await status(raw, 1) == 0
            answer = asyncio.ensure_future(raw.pdu())
            await raw.send(b"\4\0" + struct.pack(">IIBB", 1006, 1002, 1, 3))
            sent = 0
            while not answer.done():
                await raw.send(bytes(1))
                sent += 1
                await asyncio.sleep(0.01)
            assert isinstance(answer.result(), AAbort)
            assert sent < 1000

    run(test())


def test_a_peer_that_never_reads_its_answers(run: Run) -> None:
    """It gets no further requests read, and is aborted in time; the thread is free for others."""
    stored: list[str] = []

    async def test() -> None:
        storage = Storage(None, threads=1, on_stored=lambda one: stored.append(one.sop_instance_uid))
        async with serving(storage, timeouts=Timeouts(dimse_s=0.5, artim_s=0.5)) as server:
            deaf = socket.socket()
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", server.port))
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(deaf, request([context(1, CT)]).encode())
            await loop.sock_recv(deaf, 4096)
            flood = b"".join(store(number, 10) for number in range(1, 200))

            async def send() -> None:
                try:
                    while True:
                        await loop.sock_sendall(deaf, flood)
                except OSError:
                    return

            sending = asyncio.ensure_future(send())
            async with connected(server.port) as raw:
                await associate(raw)
                for number in range(1, 20):
                    await raw.send(store(number))
                    assert await status(raw, number) == 0
                await until(lambda: len(server.associations) == 1)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            deaf.close()

    run(test())


# ------------------------------------------------------------------------------------------- many, and few threads


def test_more_associations_than_threads(run: Run, tmp_path: Path) -> None:
    """All get their turn; those that stall in the middle hold up nobody."""
    threads: set[str] = set()
    count, each = 12, 8

    async def one(server: Server, number: int) -> None:
        async with connected(server.port) as raw:
            await associate(raw)
            stream = b"".join(store(number * 100 + k, 100_000) for k in range(each))
            sending = asyncio.ensure_future(raw.send(stream))
            assert [await status(raw, number * 100 + k) for k in range(each)] == [0] * each
            await sending

    async def test() -> None:
        storage = Storage(
            tmp_path, threads=3, on_stored=lambda stored: threads.add(str(threading.get_ident()))
        )
        async with serving(storage) as server:
            stalled = [connected(server.port) for _ in range(4)]
            raws = [await manager.__aenter__() for manager in stalled]
            for raw in raws:
                await associate(raw)
                await raw.send(store(9999, 1_000_000)[:500_000])
            await asyncio.gather(*(one(server, number) for number in range(1, count + 1)))
            for manager in stalled:
                await manager.__aexit__(None, None, None)
            await until(lambda: not server.associations)

    run(test())
    assert len(files_in(tmp_path)) == count * each
    assert len(threads) <= 3


def test_two_that_come_at_once_get_a_thread_each(run: Run) -> None:
    """Also when one thread is idle already, and a handler of it does not return for a while."""
    both = threading.Barrier(2)

    def meet(stored: Stored) -> None:
        if stored.sop_instance_uid != "1.2.1":
            both.wait(10)

    async def test() -> None:
        async with (
            serving(Storage(None, threads=2, on_stored=meet)) as server,
            connected(server.port) as raw,
            connected(server.port) as other,
        ):
            await associate(raw)
            await associate(other)
            await raw.send(store(1))
            assert await status(raw, 1) == 0
            await until(lambda: not is_lent(server))
            await asyncio.sleep(0.05)
            await asyncio.gather(raw.send(store(2)), other.send(store(3)))
            assert (await status(raw, 2), await status(other, 3)) == (0, 0)

    run(test())


def test_over_tls(run: Run, tmp_path: Path, authority: Any) -> None:
    """Only the transport can read: threads write what was received, and the loop answers."""
    from dicomwire.net import client_context, server_context

    archive = authority.issue("loan")
    threads: set[str] = set()

    async def test() -> None:
        storage = Storage(
            tmp_path, digest="sha256", on_stored=lambda stored: threads.add(threading.current_thread().name)
        )
        async with serving(storage, tls=server_context(archive.certificate, archive.key)) as server:
            ae = AE("MODALITY")
            async with ae.associate(
                "127.0.0.1",
                server.port,
                contexts=[(CT, ["1.2.840.10008.1.2.1"])],
                tls=client_context(authorities=authority.certificate),
            ) as association:
                for number in range(1, 6):
                    data = data_set(f"1.2.{number}", pixels=number * 40_000)
                    answer = await association.request(command(number), data)
                    assert answer.status.code == 0

    run(test())
    for number in range(1, 6):
        data = data_set(f"1.2.{number}", pixels=number * 40_000)
        assert (tmp_path / f"1.2.{number}.dcm").read_bytes().endswith(data)
    assert threads


def test_a_requestor_that_takes_instances(run: Run, tmp_path: Path) -> None:
    """With the role of an SCP its handlers may be performed in threads as well."""

    async def test() -> None:
        handlers = Handlers()
        Storage(tmp_path).register(handlers)
        server = Server("MOVER", port=0)
        server.support(CT, roles=Roles(scu=True, scp=True))
        roles = {CT: Roles(scu=False, scp=True)}
        station = AE("STATION")
        async with server, station.associate("127.0.0.1", server.port, contexts=[CT], roles=roles, handlers=handlers):
            await until(lambda: server.associations)
            for number in range(1, 6):
                answer = await only(server).request(command(number), data_set(f"1.2.{number}"))
                assert answer.status.code == 0

    run(test())
    assert len(files_in(tmp_path)) == 5


# -------------------------------------------------------------------------------------------------------- nothing stays


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def counted() -> Iterator[None]:
    """No more descriptors and threads behind a test than before it, those of idle threads aside."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    gc.collect()
    before, threads = descriptors(), len(workers())
    yield
    deadline = time.monotonic() + 10
    while True:
        gc.collect()
        more = 2 * (len(workers()) - threads)
        if descriptors() <= before + max(0, more) or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    assert descriptors() <= before + max(0, more)
    assert len(workers()) <= threads + 16


@pytest.mark.usefixtures("counted")
def test_no_descriptor_and_no_association_stays(tmp_path: Path) -> None:
    """Three hundred, which end in all ways that there are."""
    ended = 0
    alive: WeakSet[Association] = WeakSet()
    storage = Storage(tmp_path, duplicates="replace")

    def end(association: Association) -> None:
        nonlocal ended
        ended += 1
        alive.add(association)

    async def one(server: Server, number: int) -> None:
        async with connected(server.port) as raw:
            await associate(raw)
            how = number % 5
            await raw.send(store(number) if how else store(number, 300_000)[:200_000])
            if how == 0:
                return  # in the middle of a data set
            assert await status(raw, number) == 0
            if how == 1:
                await raw.send(AReleaseRQ())
                assert isinstance(await raw.pdu(), AReleaseRP)
            elif how == 2:
                await raw.send(AAbort(0, 0))
            elif how == 3:
                await raw.send(b"GET / HTTP/1.1\r\n\r\n")
                assert isinstance(await raw.pdu(), AAbort)

    async def test() -> None:
        async with serving(storage, ended=end) as server:
            for start in range(0, 300, 20):
                await asyncio.gather(*(one(server, number) for number in range(start + 1, start + 21)))
            await until(lambda: ended == 300)

    Run(asyncio.new_event_loop)(test())
    gc.collect()
    assert len(alive) == 0
    assert len(files_in(tmp_path)) == 240


def many(count: int, at_once: int, instances: int, folder: Path | None) -> tuple[int, int]:
    """Store so many instances over each of so many associations; how many were stored, and ended."""
    stored, ended = [0], [0]
    lock = threading.Lock()

    def take(one: Stored) -> None:
        with lock:
            stored[0] += 1

    def end(association: Association) -> None:
        ended[0] += 1

    async def one(server: Server, number: int) -> None:
        async with connected(server.port) as raw:
            await associate(raw)
            for k in range(instances):
                await raw.send(store(number % 60_000 + 1, 2000))
                assert await status(raw, number % 60_000 + 1) == 0, k
            await raw.send(AReleaseRQ())
            assert isinstance(await raw.pdu(), AReleaseRP)

    async def test() -> None:
        storage = Storage(folder, duplicates="replace", on_stored=take)
        async with serving(storage, ended=end, limits=Limits(associations=at_once + 10)) as server:
            for start in range(0, count, at_once):
                await asyncio.gather(*(one(server, number) for number in range(start, min(count, start + at_once))))
            await until(lambda: ended[0] == count)

    asyncio.run(test())
    return stored[0], ended[0]


@pytest.mark.usefixtures("counted")
def test_hundreds_that_store_at_once(tmp_path: Path, scaled: Callable[[int], int]) -> None:
    count = max(100, scaled(500))
    assert many(count, count, 4, tmp_path) == (count * 4, count)
    assert len(files_in(tmp_path)) == count


@pytest.mark.long
@pytest.mark.usefixtures("counted")
def test_associations_without_end(scaled: Callable[[int], int]) -> None:
    """Memory, descriptors and threads stay what they are over a hundred thousand."""
    count = scaled(100_000)
    many(200, 50, 1, None)
    gc.collect()
    before = resident()
    assert many(count, 50, 1, None) == (count, count)
    gc.collect()
    assert resident() - before < 8 << 20


def resident() -> int:
    """Bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_idle_associations_cost_no_thread(scaled: Callable[[int], int]) -> None:
    """A thousand that have stored once, and are silent: little memory each, and nothing in the hands of threads."""
    count = max(100, scaled(1000))

    async def test() -> float:
        async with serving(Storage(None), limits=Limits(associations=count)) as server:
            raws = []
            before = 0
            for number in range(1, count + 1):
                if number == 20:
                    before = resident()
                raw = Raw(*await asyncio.open_connection("127.0.0.1", server.port, limit=4096))
                await associate(raw)
                await raw.send(store(number))
                assert await status(raw, number) == 0
                raws.append(raw)
            await until(lambda: not is_lent(server))
            assert len(server.associations) == count
            each = (resident() - before) / count
            for raw in raws:
                await raw.close()
            await until(lambda: not server.associations)
        return each

    # Both ends are in this process.
    assert asyncio.run(test()) < 200_000


def test_workers_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="thread"):
        Workers(0)
