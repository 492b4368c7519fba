"""Many associations in few threads, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest

from dicomwire.net import AE, Association, Handlers, Server
from dicomwire.net.settings import Limits
from dicomwire.net.storage import Storage, Stored
from dicomwire.net.workers import Workers
from dicomwire.ul.pdu import AAbort, AReleaseRP, AReleaseRQ
from dicomwire.ul.policy import Roles
from tests.net.lending import associate, command, is_lent, only, serving, status, store, workers
from tests.net.raw import CT, Raw, Run, connected, until
from tests.net.storage.instances import data_set, files_in

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
