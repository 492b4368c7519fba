"""C-STORE to files: names, statuses, handlers, and nothing partial under a final name (PS3.4 Annex B, PS3.7 9.1.1)."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import struct
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import dicomwire
from _dicomwire.pdv import Fragmenter, fragment, message_buffers
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from dicomwire.dimse.message import CommandMessage
from dicomwire.dimse.messages import CStoreRQ
from dicomwire.errors import ServiceError
from dicomwire.net import AE, AcceptorPolicy, Association, Handlers, Server, Timeouts
from dicomwire.net.storage import Arriving, Storage, Stored, receiving, storage_sop_classes, storage_transfer_syntaxes
from dicomwire.net.storage.naming import BY_SERIES
from dicomwire.ul.items import SOPClassExtendedNegotiation
from tests.encoding import explicit
from tests.net.storage.instances import CT, MR, PATIENT, data_set, files_in

FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def command(instance: str = "1.2.3.4", sop_class: str = CT) -> CStoreRQ:
    return CStoreRQ(affected_sop_class_uid=UID(sop_class), affected_sop_instance_uid=UID(instance))


@asynccontextmanager
async def storing(
    storage: Storage, *contexts: Any, ae: AE | None = None, peer: AE | None = None
) -> AsyncIterator[Association]:
    """Yield an association with a server that has the storage."""
    server = Server(ae or AE("ARCHIVE"), port=0)
    storage.register(server)
    async with server:
        requestor = peer or AE("MODALITY")
        async with requestor.associate(
            "127.0.0.1", server.port, called_ae_title="ARCHIVE", contexts=contexts or [(CT, [ExplicitVRLittleEndian])]
        ) as association:
            yield association


async def status_of(storage: Storage, message: CStoreRQ, data: bytes) -> int:
    """Return the status of one store; the association goes on."""
    async with storing(storage) as association:
        answer = await association.request(message, data)
        again = await association.request(command("9.9.9"), data_set("9.9.9"))
        assert again.message.status in (0, answer.message.status)
    return answer.message.status


def storage_of(folder: Path | None, **options: Any) -> Storage:
    return Storage(folder, **options)


def test_all_storage_sop_classes_and_transfer_syntaxes() -> None:
    classes = storage_sop_classes()
    assert {CT, MR, "1.2.840.10008.5.1.4.38.1", "1.2.840.10008.5.1.4.1.1.88.34"} <= set(classes)
    assert not {"1.2.840.10008.1.3.10", "1.2.840.10008.1.20.1", "1.2.840.10008.5.1.4.1.2.2.1"} & set(classes)
    import pynetdicom.sop_class

    theirs = {str(uid) for uid in pynetdicom.sop_class._STORAGE_CLASSES.values()}
    assert theirs - set(classes) == set()
    assert storage_transfer_syntaxes()[:2] == (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    assert len(storage_transfer_syntaxes()) == len(set(storage_transfer_syntaxes())) > 40


def test_requestors_learn_that_all_is_kept() -> None:
    async def ask() -> dict[str, bytes]:
        storage = Storage(None)
        server = Server("ARCHIVE", port=0, policy=AcceptorPolicy(extended_negotiation=storage.extended_negotiation))
        storage.register(server)
        server.support(FIND)
        async with (
            server,
            AE("MODALITY").associate(
                "127.0.0.1",
                server.port,
                contexts=[CT, FIND],
                extended_negotiations=[
                    SOPClassExtendedNegotiation(CT, b"\3\0\0\0\2\0"),
                    SOPClassExtendedNegotiation(FIND, b"\1"),
                ],
            ) as association,
        ):
            assert association.negotiated is not None
            return {str(item.sop_class_uid): item.information for item in association.negotiated.extended_negotiations}

    # Level 2, signatures preserved, no coercion: PS3.4 Table B.3-1.
    assert asyncio.run(ask()) == {CT: bytes((2, 0, 3, 0, 0, 0))}


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("pixels", [0, 1000, 3_000_000])
def test_what_was_sent_is_in_the_file(tmp_path: Path, syntax: UID, pixels: int) -> None:
    data = data_set(syntax=syntax, pixels=pixels)

    async def store() -> None:
        async with storing(Storage(tmp_path), (CT, [syntax])) as association:
            answer = await association.request(command(), data)
            assert (answer.message.status, answer.message.affected_sop_instance_uid) == (0, "1.2.3.4")

    asyncio.run(store())
    assert files_in(tmp_path) == ["1.2.3.4.dcm"]
    path = tmp_path / "1.2.3.4.dcm"
    assert path.read_bytes().endswith(data)
    read = dicomwire.dcmread(path, policy="strict")
    assert read.file_meta.TransferSyntaxUID == syntax
    assert read.file_meta.SourceApplicationEntityTitle == "MODALITY"
    assert (read.PatientName, len(read["PixelData"].raw)) == (PATIENT, pixels)


def test_folders_by_template(tmp_path: Path) -> None:
    async def store() -> None:
        template = "{CallingAETitle}/{StudyInstanceUID}/{PatientName}/{SOPInstanceUID}.dcm"
        async with storing(Storage(tmp_path, template=template)) as association:
            await association.request(command(), data_set(study="../..", patient="/etc/passwd"))
        async with storing(Storage(tmp_path, template=BY_SERIES)) as association:
            await association.request(command("1.9"), data_set("1.9", pixels=2_000_000))

    asyncio.run(store())
    first, second = files_in(tmp_path)[::-1]
    assert first.startswith("MODALITY/_._..")
    assert first.count("/") == 3
    assert second == "1.2.3/1.2.3.1/1.9.dcm"


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requestors that send what they may not."""
    encode = CommandMessage.encode

    def without_checks(self: CommandMessage, *, has_data_set: bool | None = None, check: bool = True) -> bytes:
        return encode(self, has_data_set=has_data_set, check=False)

    monkeypatch.setattr(CommandMessage, "encode", without_checks)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("instance", ["../../x", "/etc/x", "..", ".", "1.2/../3", "a" * 64])
def test_uids_that_are_paths(tmp_path: Path, instance: str) -> None:
    folder = tmp_path / "a" / "b"

    async def store() -> int:
        async with storing(Storage(folder)) as association:
            return (await association.request(command(instance), data_set(instance))).message.status

    assert asyncio.run(store()) == 0
    (name,) = files_in(tmp_path)
    assert name.startswith("a/b/")
    assert name.count("/") == 2


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("message", "data", "expected"),
    [
        (command(), data_set("1.2.3.5"), 0xA900),
        (command(), data_set(sop_class=MR), 0xA900),
        (command(), data_set()[8 + 26 :], 0xA900),
        (command(), b"\xff" * 1000, 0xA900),
        (command(), explicit(0x00080005, "CS", b"ISO_IR 100", length=0x7000), 0xC000),
        (command(), data_set()[:20], 0xC000),
        (command(sop_class=MR), data_set(sop_class=MR), 0x0122),
        (command("1" * 65), data_set("1" * 65), 0x0117),
    ],
)
def test_statuses(tmp_path: Path, message: CStoreRQ, data: bytes, expected: int) -> None:
    async def store() -> int:
        async with storing(Storage(tmp_path)) as association:
            answer = await association.request(message, data, context_id=next(iter(association.contexts)))
            assert (await association.request(command("9.9.9"), data_set("9.9.9"))).message.status == 0
            return answer.message.status

    assert asyncio.run(store()) == expected
    assert files_in(tmp_path) == ["9.9.9.dcm"]


def test_checks_can_be_left_out(tmp_path: Path) -> None:
    assert asyncio.run(status_of(Storage(tmp_path, checks=False), command(), data_set("1.2.3.5"))) == 0


def test_the_limit_of_length(tmp_path: Path) -> None:
    async def store() -> list[int]:
        async with storing(Storage(tmp_path, max_length=50_000)) as association:
            answers = [
                await association.request(command(f"1.{n}"), data_set(f"1.{n}", pixels=n))
                for n in (100_000, 10_000, 5_000_000)
            ]
            return [answer.message.status for answer in answers]

    assert asyncio.run(store()) == [0xA700, 0, 0xA700]
    assert files_in(tmp_path) == ["1.10000.dcm"]


@pytest.mark.parametrize("fails_after", [0, 500_000])
@pytest.mark.parametrize("template", ["{SOPInstanceUID}.dcm", BY_SERIES])
def test_a_full_disk_is_answered_and_the_association_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_after: int, template: str
) -> None:
    writev = os.writev
    left = [fails_after]

    def limited(descriptor: int, buffers: list[bytes]) -> int:
        whole = b"".join(map(bytes, buffers))
        if not left[0] and whole:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = writev(descriptor, [whole[: left[0]]])
        left[0] -= written
        return written

    async def store() -> list[int]:
        statuses = []
        async with storing(Storage(tmp_path, template=template, threads=0)) as association:
            monkeypatch.setattr(os, "writev", limited)
            statuses.append((await association.request(command(), data_set(pixels=3_000_000))).message.status)
            monkeypatch.setattr(os, "writev", writev)
            assert files_in(tmp_path) == []
            statuses.append((await association.request(command(), data_set(pixels=3_000_000))).message.status)
        return statuses

    assert asyncio.run(store()) == [0xA700, 0]
    assert len(files_in(tmp_path)) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own error, not ours: each file is /dev/full."""
    real = os.open

    def full(path: str, *rest: int) -> int:
        return real("/dev/full", os.O_WRONLY) if str(path).endswith(".part") else real(path, *rest)

    monkeypatch.setattr(os, "open", full)
    assert asyncio.run(status_of(Storage(tmp_path), command(), data_set())) == 0xA700


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "1.2.3").write_bytes(b"in the way")
    assert asyncio.run(status_of(Storage(tmp_path, template=BY_SERIES), command(), data_set())) == 0xA700


@pytest.mark.parametrize("by_header", [False, True])
@pytest.mark.parametrize(
    ("policy", "statuses", "names"),
    [
        ("keep", [0, 0], {"1.2.3.4.dcm": 100}),
        ("replace", [0, 0], {"1.2.3.4.dcm": 200}),
        ("refuse", [0, 0x0111], {"1.2.3.4.dcm": 100}),
        ("number", [0, 0], {"1.2.3.4.dcm": 100, "1.2.3.4-2.dcm": 200}),
    ],
)
def test_duplicates(
    tmp_path: Path, policy: str, statuses: list[int], names: dict[str, int], by_header: bool
) -> None:
    found: list[Stored] = []

    async def store() -> list[int]:
        on_header = (lambda arriving: None) if by_header else None
        storage = Storage(tmp_path, duplicates=policy, on_stored=found.append, on_header=on_header)
        async with storing(storage) as association:
            return [(await association.request(command(), data_set(pixels=n))).message.status for n in (100, 200)]

    assert asyncio.run(store()) == statuses
    sizes = {name: len(dicomwire.dcmread(tmp_path / name)["PixelData"].raw) for name in files_in(tmp_path)}
    assert sizes == names
    assert [stored.is_duplicate for stored in found] == [False, *([policy == "keep"] if policy != "refuse" else [])]


@pytest.mark.parametrize("fsync", [False, True])
@pytest.mark.parametrize("pixels", [10, 3_000_000])
def test_handlers_see_header_size_and_digest(tmp_path: Path, fsync: bool, pixels: int) -> None:
    seen: list[str] = []
    result: list[Stored] = []

    def on_header(arriving: Arriving) -> None:
        assert arriving.header.PatientName == PATIENT
        assert arriving.header.file_meta.MediaStorageSOPInstanceUID == "1.2.3.4"
        assert "PixelData" not in arriving.header
        assert files_in(tmp_path) == []
        seen.append("header")

    async def on_stored(stored: Stored) -> int:
        await asyncio.sleep(0)
        seen.append("stored")
        result.append(stored)
        return 0xB000

    storage = Storage(tmp_path, on_header=on_header, on_stored=on_stored, digest="sha256", fsync=fsync)

    async def store() -> int:
        async with storing(storage) as association:
            return (await association.request(command(), data_set(pixels=pixels))).message.status

    assert asyncio.run(store()) == 0xB000
    assert seen == ["header", "stored"]
    stored = result[0]
    assert stored.path is not None
    content = Path(stored.path).read_bytes()
    assert (stored.size, stored.digest) == (len(content), hashlib.sha256(content).hexdigest())
    assert (stored.sop_class_uid, stored.sop_instance_uid) == (CT, "1.2.3.4")
    assert stored.transfer_syntax == ExplicitVRLittleEndian
    assert stored.header is not None


def refuse_by_error(arriving: object) -> int:
    raise ServiceError("no", status=0x0124)


def fail(arriving: object) -> int:
    raise RuntimeError("a fault of the handler")


@pytest.mark.parametrize("moment", ["on_header", "on_stored"])
@pytest.mark.parametrize(
    ("handler", "expected"),
    [(lambda arriving: 0x0124, 0x0124), (refuse_by_error, 0x0124), (fail, 0x0110), (lambda arriving: 0xB007, 0xB007)],
)
def test_handlers_decide(
    tmp_path: Path, moment: str, handler: Callable[[object], int], expected: int, caplog: pytest.LogCaptureFixture
) -> None:
    storage = storage_of(tmp_path, **{moment: handler})

    async def store() -> int:
        async with storing(storage) as association:
            return (await association.request(command(), data_set(pixels=2_000_000))).message.status

    status = asyncio.run(store())
    if (moment, expected) == ("on_header", 0xB007):
        expected = 0  # a warning lets it through, and says nothing about the result
    assert status == expected
    assert (handler is fail) == ("RuntimeError" in caplog.text)
    assert "a fault" not in caplog.text
    assert len(files_in(tmp_path)) == (expected in (0, 0xB007))


@pytest.mark.parametrize("threads", [0, 4])
@pytest.mark.parametrize("coroutine", [False, True])
@pytest.mark.parametrize("fsync", [False, True])
@pytest.mark.parametrize(
    ("policy", "names"),
    [("keep", {"1.2.3.4.dcm": 100}), ("replace", {"1.2.3.4.dcm": 200}), ("number", {"1.2.3.4.dcm": 100})],
)
def test_what_was_acknowledged_is_not_removed_by_a_refusal(
    tmp_path: Path, threads: int, coroutine: bool, fsync: bool, policy: str, names: dict[str, int]
) -> None:
    found: list[Stored] = []

    def refuse_all_but_the_first(stored: Stored) -> int:
        found.append(stored)
        return 0 if len(found) == 1 else 0xA700

    async def later(stored: Stored) -> int:
        await asyncio.sleep(0)
        return refuse_all_but_the_first(stored)

    async def store() -> list[int]:
        on_stored = later if coroutine else refuse_all_but_the_first
        storage = storage_of(tmp_path, duplicates=policy, on_stored=on_stored, threads=threads, fsync=fsync)
        async with storing(storage) as association:
            return [(await association.request(command(), data_set(pixels=n))).message.status for n in (100, 200)]

    assert asyncio.run(store()) == [0, 0xA700]
    sizes = {name: len(dicomwire.dcmread(tmp_path / name)["PixelData"].raw) for name in files_in(tmp_path)}
    assert sizes == names
    second = str(tmp_path / ("1.2.3.4-2.dcm" if policy == "number" else "1.2.3.4.dcm"))
    assert [stored.path for stored in found] == [str(tmp_path / "1.2.3.4.dcm"), second]
    assert [stored.has_replaced for stored in found] == [False, policy == "replace"]
    assert [stored.is_duplicate for stored in found] == [False, policy == "keep"]


@pytest.mark.parametrize("threads", [0, 4])
def test_a_duplicate_is_answered_when_the_name_of_the_other_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    said: list[str] = []
    monkeypatch.setattr(receiving, "synchronize_names", said.append)

    async def store() -> list[int]:
        async with storing(storage_of(tmp_path, fsync=True, threads=threads)) as association:
            statuses = [(await association.request(command(), data_set())).message.status]
            assert said == []  # the file itself has been synchronized with its name
            return [*statuses, (await association.request(command(), data_set())).message.status]

    assert asyncio.run(store()) == [0, 0]
    assert said == [str(tmp_path / "1.2.3.4.dcm")]


@pytest.mark.parametrize("policy", ["keep", "replace"])
def test_a_file_that_another_instance_shares_is_not_removed(tmp_path: Path, policy: str) -> None:
    """A peer that has waited too long sends once more; then the first handler fails."""
    found: list[Stored] = []

    async def store() -> tuple[int, int]:
        second_is_answered = asyncio.Event()

        async def on_stored(stored: Stored) -> int:
            found.append(stored)
            if len(found) == 1:
                await second_is_answered.wait()
                raise RuntimeError("where it was to be sent on")
            return 0

        storage = storage_of(tmp_path, duplicates=policy, on_stored=on_stored)
        async with storing(storage) as association:
            server_port = association.peer_address
            assert server_port is not None
            slow = asyncio.create_task(association.request(command(), data_set(pixels=100)))
            async with AE("MODALITY").associate(
                *server_port, called_ae_title="ARCHIVE", contexts=[(CT, [ExplicitVRLittleEndian])]
            ) as again:
                while not found:
                    await asyncio.sleep(0.001)
                status = (await again.request(command(), data_set(pixels=100))).message.status
            second_is_answered.set()
            return (await slow).message.status, status

    assert asyncio.run(store()) == (0x0110, 0)
    assert files_in(tmp_path) == ["1.2.3.4.dcm"]


def test_a_handler_that_fails_may_have_moved_the_file(tmp_path: Path) -> None:
    def on_stored(stored: Stored) -> None:
        assert stored.path is not None
        Path(stored.path).rename(tmp_path / "elsewhere")
        raise RuntimeError("after all")

    assert asyncio.run(status_of(storage_of(tmp_path, on_stored=on_stored), command(), data_set())) == 0x0110
    assert files_in(tmp_path) == ["elsewhere"]


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    found: list[Stored] = []
    storage = Storage(None, template=BY_SERIES, digest="md5", on_stored=found.append)
    assert asyncio.run(status_of(storage, command(), data_set())) == 0
    assert found[0].path is None
    assert found[0].size > 1000
    assert found[0].digest is not None


def test_private_sop_classes_are_registered(tmp_path: Path) -> None:
    async def store() -> int:
        storage = Storage(tmp_path, sop_classes=["1.3.6.1.4.1.5962.301.9"])
        async with storing(storage, ("1.3.6.1.4.1.5962.301.9", [ExplicitVRLittleEndian])) as association:
            message = command(sop_class="1.3.6.1.4.1.5962.301.9")
            return (await association.request(message, data_set(sop_class="1.3.6.1.4.1.5962.301.9"))).message.status

    assert asyncio.run(store()) == 0


def test_a_private_transfer_syntax(tmp_path: Path) -> None:
    async def store() -> int:
        storage = Storage(tmp_path, transfer_syntaxes=["1.3.6.1.4.1.5962.300.1"])
        async with storing(storage, (CT, ["1.3.6.1.4.1.5962.300.1"])) as association:
            return (await association.request(command(), data_set())).message.status

    assert asyncio.run(store()) == 0
    assert (tmp_path / "1.2.3.4.dcm").read_bytes().endswith(data_set())


def test_a_requestor_stores_by_its_handlers(tmp_path: Path) -> None:
    """As in C-GET: the acceptor sends, in the role of SCU that was negotiated."""
    from dicomwire.net import Roles

    handlers = Handlers()
    Storage(tmp_path).register(handlers)
    answered: list[int] = []

    async def store() -> None:
        done = asyncio.Event()

        def established(association: Association) -> None:
            async def send() -> None:
                answered.append((await association.request(command(), data_set())).message.status)
                done.set()

            tasks.append(asyncio.ensure_future(send()))

        tasks: list[asyncio.Future[None]] = []
        server = Server("ARCHIVE", port=0, established=established)
        server.support(CT, [ExplicitVRLittleEndian], roles=Roles(True, True))
        async with (
            server,
            AE("RETRIEVER").associate(
                "127.0.0.1",
                server.port,
                contexts=[(CT, [ExplicitVRLittleEndian])],
                roles={CT: Roles(False, True)},
                handlers=handlers,
            ),
        ):
            await done.wait()
            await tasks[0]

    asyncio.run(store())
    assert answered == [0]
    assert files_in(tmp_path) == ["1.2.3.4.dcm"]


# --- faults


@pytest.mark.parametrize("how", ["close", "reset", "abort", "garbage", "stall"])
@pytest.mark.parametrize("template", ["{SOPInstanceUID}.dcm", BY_SERIES])
def test_a_peer_that_vanishes_in_mid_message_leaves_nothing(tmp_path: Path, how: str, template: str) -> None:
    async def vanish() -> None:
        ended = asyncio.Event()
        server = Server(
            AE("ARCHIVE", timeouts=Timeouts(dimse_s=0.3)), port=0, ended=lambda association: ended.set()
        )
        Storage(tmp_path, template=template).register(server)
        async with server:
            association = await AE("MODALITY").associate(
                "127.0.0.1", server.port, contexts=[(CT, [ExplicitVRLittleEndian])]
            )
            message = command()
            message.message_id = 1
            buffers = message_buffers(1, message.encode(), data_set(pixels=4_000_000), 16384)
            connection = association.connection
            transport = connection.transport
            assert transport is not None
            transport.writelines([bytes(buffer) for buffer in buffers[: len(buffers) // 2]])
            async with asyncio.timeout(10):
                while not files_in(tmp_path):
                    await asyncio.sleep(0.001)
            assert files_in(tmp_path)[0].endswith(".part")
            if how == "close":
                transport.close()
            elif how == "reset":
                raw = transport.get_extra_info("socket")
                raw.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: the end is a reset
                transport.abort()
            elif how == "abort":
                association.abort()
            elif how == "garbage":
                transport.write(b"GET / HTTP/1.1\r\n" * 2000)
            async with asyncio.timeout(10):
                await ended.wait()
            assert files_in(tmp_path) == []
            await association.terminate()

    asyncio.run(vanish())


def test_a_message_id_in_use_is_not_stored_twice(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(stored: Stored) -> int:
        await release.wait()
        return 0

    async def store() -> list[int]:
        server = Server("ARCHIVE", port=0)
        Storage(tmp_path, on_stored=wait).register(server)
        statuses: list[int] = []
        async with server:
            association = await AE("MODALITY").associate(
                "127.0.0.1", server.port, contexts=[(CT, [ExplicitVRLittleEndian])]
            )
            first = command("1.1")
            first.message_id = 7
            task = asyncio.ensure_future(association.request(first, data_set("1.1")))
            while files_in(tmp_path) != ["1.1.dcm"]:
                await asyncio.sleep(0.001)
            second = command("1.2")
            second.message_id = 7
            association.send_message(1, second, data_set("1.2"))
            statuses.append((await task).message.status)  # the refusal of the second, which bears the same ID
            release.set()
            await association.terminate()
        return statuses

    assert asyncio.run(store()) == [0x0210]
    assert files_in(tmp_path) == ["1.1.dcm"]


@pytest.mark.parametrize("options", [{}, {"digest": "md5"}, {"template": BY_SERIES}])
def test_memory_stays_bounded_while_a_large_object_comes(
    tmp_path: Path, scaled: Callable[[int], int], options: dict[str, Any]
) -> None:
    size = scaled(300_000_000) & ~1
    whole = data_set(pixels=0)
    head, piece = whole[:-4] + struct.pack("<L", size), bytes(100_000)

    async def store() -> int:
        done = asyncio.Event()
        server = Server("ARCHIVE", port=0)
        Storage(tmp_path, on_stored=lambda stored: done.set(), **options).register(server)
        async with server:
            association = await AE("MODALITY").associate(
                "127.0.0.1", server.port, contexts=[(CT, [ExplicitVRLittleEndian])]
            )
            transport = association.connection.transport
            assert transport is not None
            message = command()
            message.message_id = 1
            fragmenter = Fragmenter(1, False, 16384)
            transport.writelines(fragment(1, True, message.encode(), 16384))
            transport.writelines(fragmenter.write(head))
            tracemalloc.start()
            try:
                for at in range(0, size, len(piece)):
                    transport.writelines(fragmenter.write(piece[: min(len(piece), size - at)]))
                    await association.drained()
                transport.writelines(fragmenter.finish())
                async with asyncio.timeout(60):
                    await done.wait()
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            await association.terminate()
        return peak

    assert asyncio.run(store()) < 4_000_000
    (name,) = files_in(tmp_path)
    assert len(dicomwire.dcmread(tmp_path / name)["PixelData"].raw) == size


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="Duplicates"):
        Storage(None, duplicates="perhaps")
    with pytest.raises(ValueError, match="unsupported hash"):
        Storage(None, digest="nosuchhash")
