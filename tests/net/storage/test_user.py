"""C-STORE from files: read as they are, sent as they are, also those that do not fit into memory at once."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import dicomwire
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from dicomwire.dimse.messages import CStoreRQ
from dicomwire.errors import AssociationAborted, DecodeError, LocalProtocolError, UnsupportedError
from dicomwire.file.instance_file import file_meta_information
from dicomwire.net import AE, AcceptorPolicy, Association, Handlers, Limits, ProposedContext, Roles, Server
from dicomwire.net.storage import Storage, Stored, user
from dicomwire.net.storage.source import PIECE, open_instance
from tests.encoding import explicit
from tests.net.storage.instances import CT, MR, data_set, files_in, image

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def file_of(instance: str = "1.2.3.4", *, syntax: str = ExplicitVRLittleEndian, **options: Any) -> bytes:
    meta = file_meta_information(options.get("sop_class", CT), instance, syntax)
    return meta + data_set(instance, syntax=syntax, **options)


@asynccontextmanager
async def connected(
    folder: Path | None, *contexts: Any, max_pdu_length: int = 131072, **options: Any
) -> AsyncIterator[Association]:
    server = Server(AE("ARCHIVE", max_pdu_length=max_pdu_length), port=0)
    Storage(folder, **options).register(server)
    async with (
        server,
        AE("MODALITY").associate(
            "127.0.0.1", server.port, contexts=contexts or [(CT, [ExplicitVRLittleEndian])]
        ) as association,
    ):
        yield association


@pytest.mark.parametrize("pixels", [0, 1001, PIECE + 5, 5 * PIECE])
@pytest.mark.parametrize("max_pdu_length", [128, 16384, 0])
def test_files_of_any_size(tmp_path: Path, pixels: int, max_pdu_length: int) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(file_of(pixels=pixels))
    found: list[Stored] = []

    async def store() -> None:
        async with connected(
            tmp_path / "to", max_pdu_length=max_pdu_length, on_stored=found.append
        ) as association:
            answer = await association.c_store(path, priority=2)
            assert answer.status.code == 0
            assert (await association.c_store(path)).status.code == 0  # the association goes on

    asyncio.run(store())
    assert [stored.message.priority for stored in found] == [2, 0]
    sent, received = path.read_bytes(), (tmp_path / "to" / "1.2.3.4.dcm").read_bytes()
    assert received.endswith(data_set(pixels=pixels))
    assert sent.endswith(data_set(pixels=pixels))


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "view", "stream", "data set", "data set of bytes"])
@pytest.mark.parametrize("pixels", [100, 2 * PIECE])
def test_sources(tmp_path: Path, kind: str, pixels: int) -> None:
    content = file_of(pixels=pixels)
    path = tmp_path / "one.dcm"
    path.write_bytes(content)
    sources: dict[str, Callable[[], Any]] = {
        "path": lambda: path,
        "text": lambda: str(path),
        "bytes": lambda: content,
        "view": lambda: memoryview(content),
        "stream": lambda: io.BytesIO(content),
        "data set": lambda: dicomwire.dcmread(path, stop_before_pixels=True),
        "data set of bytes": lambda: dicomwire.dcmread(content),
    }

    async def store() -> int:
        async with connected(tmp_path / "to") as association:
            return (await association.c_store(sources[kind]())).status.code

    assert asyncio.run(store()) == 0
    assert (tmp_path / "to" / "1.2.3.4.dcm").read_bytes().endswith(content[-pixels:])


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_file_s_own_transfer_syntax(tmp_path: Path, syntax: UID) -> None:
    async def store() -> None:
        proposed = [ProposedContext(2 * n + 1, CT, (one,)) for n, one in enumerate(SYNTAXES)]
        async with connected(tmp_path, *proposed) as association:
            answer = await association.c_store(file_of(syntax=syntax))
            assert (answer.status.code, answer.context.transfer_syntax) == (0, syntax)

    asyncio.run(store())
    assert dicomwire.dcmread(tmp_path / "1.2.3.4.dcm").file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize("accepted", SYNTAXES)
@pytest.mark.parametrize("own", SYNTAXES)
@pytest.mark.parametrize("pixels", [1000, 3 * PIECE])
def test_another_transfer_syntax_where_the_file_s_own_was_not_accepted(
    tmp_path: Path, own: UID, accepted: UID, pixels: int
) -> None:
    content = file_of(syntax=own, pixels=pixels)

    async def store() -> None:
        async with connected(tmp_path, ProposedContext(1, CT, (accepted,))) as association:
            answer = await association.c_store(content)
            assert (answer.status.code, answer.context.transfer_syntax) == (0, accepted)

    asyncio.run(store())
    stored, sent = dicomwire.dcmread(tmp_path / "1.2.3.4.dcm"), dicomwire.dcmread(content)
    assert stored.file_meta.TransferSyntaxUID == accepted
    for keyword in ("SOPClassUID", "SOPInstanceUID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "Rows"):
        assert stored[keyword].value == sent[keyword].value
    assert [element.tag for element in stored] == [element.tag for element in sent]
    words = bytes(sent["PixelData"].raw)
    if (own == ExplicitVRBigEndian) != (accepted == ExplicitVRBigEndian):
        words = bytes(byte for pair in zip(words[1::2], words[::2], strict=True) for byte in pair)
    assert bytes(stored["PixelData"].raw) == words


@pytest.mark.parametrize("accepted", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("kind", ["path", "bytes", "stream", "data set"])
def test_compressed_pixel_data_are_decoded_for_a_peer_that_takes_no_others(
    tmp_path: Path, kind: str, accepted: UID
) -> None:
    path = tmp_path / "sent.dcm"
    image(transfer_syntax=RLELossless).save_as(path)
    sources = {"path": path, "bytes": path.read_bytes(), "stream": path.open("rb"), "data set": dicomwire.dcmread(path)}

    async def store() -> None:
        async with connected(tmp_path / "to", ProposedContext(1, CT, (accepted,))) as association:
            answer = await association.c_store(sources[kind])
            assert (answer.status.code, answer.context.transfer_syntax) == (0, accepted)

    asyncio.run(store())
    sources["stream"].close()
    stored, made = dicomwire.dcmread(tmp_path / "to" / "1.2.3.4.dcm", policy="strict"), image()
    assert stored.file_meta.TransferSyntaxUID == accepted
    assert [element.tag for element in stored] == [element.tag for element in made]
    words = bytes(stored["PixelData"].raw)
    if accepted == ExplicitVRBigEndian:
        words = bytes(byte for pair in zip(words[1::2], words[::2], strict=True) for byte in pair)
    assert words == bytes(made.PixelData)


def test_compressed_pixel_data_stay_where_the_peer_takes_them(tmp_path: Path) -> None:
    path = tmp_path / "sent.dcm"
    image(transfer_syntax=RLELossless).save_as(path)

    async def store() -> UID:
        contexts = [ProposedContext(1, CT, (ExplicitVRLittleEndian,)), ProposedContext(3, CT, (RLELossless,))]
        async with connected(tmp_path / "to", *contexts) as association:
            return (await association.c_store(path)).context.transfer_syntax

    assert asyncio.run(store()) == RLELossless
    sent, stored = dicomwire.dcmread(path), dicomwire.dcmread(tmp_path / "to" / "1.2.3.4.dcm")
    assert list(stored.PixelData) == list(sent.PixelData)


def test_a_cancelled_decoding_leaves_the_association(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sent.dcm"
    image(transfer_syntax=RLELossless).save_as(path)
    begun, goes_on = threading.Event(), threading.Event()

    def decoded(*arguments: object) -> bytes:
        begun.set()
        assert goes_on.wait(20)
        return b""

    monkeypatch.setattr(user, "_decoded", decoded)

    async def store() -> int:
        async with connected(tmp_path / "to") as association:
            storing = asyncio.ensure_future(association.c_store(path))
            await asyncio.to_thread(begun.wait, 20)
            storing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await storing
            goes_on.set()
            return (await association.c_store(file_of("9.9"))).status.code

    assert asyncio.run(store()) == 0
    assert files_in(tmp_path / "to") == ["9.9.dcm"]


def test_what_was_not_accepted(tmp_path: Path) -> None:
    async def store() -> None:
        async with connected(tmp_path) as association:
            with pytest.raises(UnsupportedError, match="MPEG2"):
                await association.c_store(file_of(syntax=MPEG2MPML))
            with pytest.raises(UnsupportedError, match=r"1\.2\.3\.99.*Explicit VR Little Endian"):
                await association.c_store(file_of(syntax="1.2.3.99"))
            with pytest.raises(LocalProtocolError, match="MR Image Storage"):
                await association.c_store(file_of(sop_class=MR))
            with pytest.raises(FileNotFoundError):
                await association.c_store(tmp_path / "absent")
            with pytest.raises(UnsupportedError, match="regular"):
                await association.c_store(tmp_path)
            os.mkfifo(tmp_path / "pipe")
            with pytest.raises(UnsupportedError, match="regular"):
                await association.c_store(tmp_path / "pipe")
            (item,) = dicomwire.dcmread(file_of())[0x00160001].value
            with pytest.raises(UnsupportedError, match="item"):
                await association.c_store(item)
            assert (await association.c_store(file_of())).status.code == 0

    asyncio.run(store())


def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    async def store() -> None:
        async with connected(tmp_path, max_length=100_000) as association:
            answer = await association.c_store(file_of(pixels=3 * PIECE))
            assert (answer.status.code, answer.status.kind.value) == (0xA700, "failure")
            assert (await association.c_store(file_of("1.9"))).status.code == 0

    asyncio.run(store())
    assert files_in(tmp_path) == ["1.9.dcm"]


# --- what files are


@pytest.mark.parametrize(
    "content",
    [
        file_of(),
        file_of()[128:],  # no preamble
        file_of()[132:],  # no prefix
        data_set(),  # no File Meta Information
        data_set(syntax=ImplicitVRLittleEndian),
        bytes(128) + b"DICM" + data_set(),
        bytes(128) + b"DICM" + explicit(0x00020010, "UI", b"1.2.840.10008.1.2.1\0") + data_set(),  # no group length
    ],
)
def test_files_that_bend_the_rules(content: bytes) -> None:
    with open_instance(content) as instance:
        assert (instance.sop_class_uid, instance.sop_instance_uid) == (CT, "1.2.3.4")
        assert instance.whole in (data_set(), data_set(syntax=ImplicitVRLittleEndian))
        assert b"".join(map(bytes, instance.pieces())) == instance.whole


@pytest.mark.parametrize("pixels", [1, 2, PIECE, 2 * PIECE + 1])
@pytest.mark.parametrize("as_stream", [False, True])
def test_lengths_are_even(pixels: int, as_stream: bool) -> None:
    content = file_of(pixels=0) + bytes(pixels)
    with open_instance(io.BytesIO(content) if as_stream else content) as instance:
        sent = b"".join(map(bytes, instance.pieces()))
        assert sent == data_set(pixels=0) + bytes(pixels + pixels % 2)
        assert instance.whole in (None, sent)


def test_the_data_set_names_the_instance() -> None:
    """Others that changed UIDs left those of the File Meta Information behind."""
    with open_instance(file_meta_information(MR, "9.9", ExplicitVRLittleEndian) + data_set()) as instance:
        assert (instance.sop_class_uid, instance.sop_instance_uid) == (CT, "1.2.3.4")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(5000),
        b"\xff" * 300,
        file_of()[:150],
        file_of()[:140],
        file_meta_information(CT, "1.2", DeflatedExplicitVRLittleEndian)[:-100] + b"x" * 50,
        bytes(128) + b"DICM" + explicit(0x00020010, "UI", b"1.2.840.10008.1.2.1\0", length=60000),
        data_set()[42:],
        file_meta_information("1.2.840.10008.1.3.10", "1.2", ExplicitVRLittleEndian),
    ],
)
def test_files_that_cannot_be_sent(content: bytes) -> None:
    with pytest.raises((DecodeError, UnsupportedError)):
        open_instance(content)


@pytest.mark.parametrize("source", [None, 5, ["image.dcm"]])
def test_what_is_no_source(source: Any) -> None:
    with pytest.raises(TypeError, match=f"a path, .* expected, found {type(source).__name__}"):
        open_instance(source)


@pytest.mark.parametrize("change", [-1000, 1000])
def test_a_file_that_changes_meanwhile_is_not_sent_as_whole(tmp_path: Path, change: int) -> None:
    path = tmp_path / "one.dcm"
    content = file_of(pixels=4 * PIECE)
    path.write_bytes(content)

    async def store() -> None:
        async with connected(tmp_path / "to") as association:
            instance = open_instance(path)
            path.write_bytes(content[:change] if change < 0 else content + bytes(change))

            def opened(source: object) -> Any:
                return instance

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(user, "open_instance", opened)
                with pytest.raises(DecodeError, match="changed while"):
                    await association.c_store(path)
            with pytest.raises(AssociationAborted, match="not sent to its end"):
                await association.c_store(path)

    asyncio.run(store())
    assert files_in(tmp_path / "to") == []


# --- messages in parts


def test_what_else_is_sent_waits_for_the_end_of_the_message(tmp_path: Path) -> None:
    """Echoes and a small store meanwhile: fragments of two messages must not mix (PS3.8 Annex E)."""
    content = file_of(pixels=8 * PIECE)
    order: list[str] = []

    async def store() -> None:
        policy = AcceptorPolicy(asynchronous_operations_window=(0, 1))
        server = Server(AE("ARCHIVE"), port=0, policy=policy)
        Storage(tmp_path, on_stored=lambda stored: order.append(stored.sop_instance_uid)).register(server)
        async with (
            server,
            AE("MODALITY").associate(
                "127.0.0.1",
                server.port,
                contexts=[(CT, [ExplicitVRLittleEndian]), "1.2.840.10008.1.1"],
                asynchronous_operations_window=(8, 1),
            ) as association,
        ):
            large = asyncio.ensure_future(association.c_store(content))
            other = asyncio.ensure_future(association.c_store(file_of("1.5", pixels=3 * PIECE)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            results = await asyncio.gather(
                association.c_echo(), association.c_store(file_of("1.6")), association.c_echo(), large, other
            )
            codes = [getattr(result, "status", result).code for result in results]
            assert codes == [0] * 5

    asyncio.run(store())
    assert sorted(order) == ["1.2.3.4", "1.5", "1.6"]
    assert (tmp_path / "1.2.3.4.dcm").read_bytes().endswith(data_set(pixels=8 * PIECE))
    assert (tmp_path / "1.5.dcm").read_bytes().endswith(data_set("1.5", pixels=3 * PIECE))


def test_responses_wait_for_the_end_of_the_message(tmp_path: Path) -> None:
    """Both sides store at once on one association: our answers come between our messages, not within."""
    content = file_of(pixels=8 * PIECE)

    async def store() -> list[int]:
        backward: list[asyncio.Future[Any]] = []

        def established(association: Association) -> None:
            backward.extend(
                asyncio.ensure_future(association.c_store(file_of(f"7.{n}", pixels=n * PIECE))) for n in range(4)
            )

        handlers = Handlers()
        Storage(tmp_path / "requestor").register(handlers)
        server = Server(AE("ARCHIVE"), port=0, established=established)
        Storage(tmp_path / "acceptor").register(server)
        server.support(CT, [ExplicitVRLittleEndian], roles=Roles(True, True))
        async with (
            server,
            AE("MODALITY").associate(
                "127.0.0.1",
                server.port,
                contexts=[(CT, [ExplicitVRLittleEndian])],
                roles={CT: Roles(True, True)},
                handlers=handlers,
            ) as association,
        ):
            forward = [(await association.c_store(content)).status.code for _ in range(3)]
            return forward + [(await answer).status.code for answer in backward]

    assert asyncio.run(store()) == [0] * 7
    assert files_in(tmp_path / "requestor") == [f"7.{n}.dcm" for n in range(4)]


def test_a_cancelled_store_ends_the_association(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        yield data_set(pixels=0)[:-4] + b"\xfe\xff\xff\x7f"
        while True:
            yield bytes(PIECE)

    async def store() -> None:
        async with connected(tmp_path) as association:
            message = CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3.4"))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await association.request_in_parts(message, endless())
            with pytest.raises(AssociationAborted):
                await association.c_store(file_of())

    asyncio.run(store())
    assert files_in(tmp_path) == []


def test_memory_stays_bounded_while_a_large_file_is_sent(tmp_path: Path, scaled: Callable[[int], int]) -> None:
    size = scaled(300_000_000) & ~1
    path = tmp_path / "large.dcm"
    with path.open("wb") as file:
        file.write(file_of(pixels=0)[:-4] + size.to_bytes(4, "little"))
        file.truncate(file.tell() + size)

    async def store() -> int:
        async with connected(None) as association:
            tracemalloc.start()
            try:
                assert (await association.c_store(path)).status.code == 0
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert asyncio.run(store()) < 8_000_000


def test_limits_of_memory_are_not_those_of_files(tmp_path: Path) -> None:
    async def store() -> int:
        server = Server(AE("ARCHIVE", limits=Limits(message_length=1000)), port=0)
        Storage(tmp_path).register(server)
        async with (
            server,
            AE("MODALITY").associate("127.0.0.1", server.port, contexts=[(CT, ExplicitVRLittleEndian)]) as association,
        ):
            return (await association.c_store(file_of(pixels=100_000))).status.code

    assert asyncio.run(store()) == 0
