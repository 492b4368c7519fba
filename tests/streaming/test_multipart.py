"""Multipart bodies against Python's email package and aiohttp, both ways; cuts, limits, damage."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import io
import random
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire import dcmread
from dicomwire.errors import DecodeError, DicomWireError, EncodeError, TruncatedError
from dicomwire.streaming.multipart import (
    MultipartEnd,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    boundary_of,
    iter_multipart,
    iter_multipart_async,
    write_multipart,
)
from tests.builders import part10, plain
from tests.support import module

INSTANCE = part10(plain(pixels=bytes(range(256)) * 100))
CONTENTS = [
    INSTANCE,
    b"",
    b"\r\n",
    b"\r\n--",
    b"--boundaryX",
    b"\r\n--bound\r\n--boundar\r\n--boundar",
    b"\r\n--boundaryX and\r\n--boundary-\r\n--boundary \t X",
    b"\r" * 50 + b"\r\n\r\n",
    random.Random(4).randbytes(70_000),
]
TYPE = 'multipart/related; type="application/dicom"; boundary=boundary'


def body_of(contents: list[bytes] = CONTENTS, boundary: bytes = b"boundary") -> bytes:
    """Spelt out, so that it does not depend on our writer."""
    parts = b"".join(
        b"--" + boundary + b"\r\nContent-Type: application/dicom\r\nX-Number: %d\r\n\r\n" % number + content + b"\r\n"
        for number, content in enumerate(contents)
    )
    return b"preamble\r\n" + parts + b"--" + boundary + b"--\r\nepilogue"


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def events_of(pieces: Iterator[bytes] | list[bytes], **options: Any) -> list[object]:
    """Events, with the pieces of each part joined."""
    reader = MultipartReader(**(options or {"content_type": TYPE}))
    joined: list[object] = []
    for piece in pieces:
        for event in reader.feed(piece):
            if isinstance(event, PartData):
                assert len(event.data)
                if isinstance(joined[-1], bytes):
                    joined[-1] += bytes(event.data)
                else:
                    joined.append(bytes(event.data))
            else:
                joined.append(event)
    reader.close()
    return joined


# ------------------------------------------------------------------------------------------------------------ reading


def test_parts() -> None:
    parts = list(iter_multipart(body_of(), TYPE))
    assert [part.content_type for part in parts] == ["application/dicom"] * len(CONTENTS)
    assert [part.headers["x-number"] for part in parts] == [str(number) for number in range(len(CONTENTS))]
    assert [part.read() for part in iter_multipart(body_of(), TYPE)] == CONTENTS
    first = next(iter(iter_multipart(body_of(), boundary="boundary")))
    assert dcmread(first.read()).PatientID == "12345"


def test_events() -> None:
    fields = {"content-type": "application/dicom", "x-number": "0"}
    assert events_of([body_of([b"one"])]) == [PartBegin(fields), b"one", PartEnd(), MultipartEnd()]
    assert events_of([body_of([b""])]) == [PartBegin(fields), PartEnd(), MultipartEnd()]
    assert events_of([body_of([])]) == [MultipartEnd()]


def test_any_cut_gives_the_same() -> None:
    body = body_of()
    whole = events_of([body])
    assert [event for event in whole if isinstance(event, bytes)] == [content for content in CONTENTS if content]
    for size in (1, 2, 3, 7, 13, 64, 4096):
        assert events_of(chunks(body, size)) == whole
    chance = random.Random(6)
    for _ in range(300):
        cuts = sorted(chance.choices(range(len(body)), k=chance.randint(1, 40)))
        assert events_of([body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]) == whole


@given(
    st.lists(st.text(alphabet="\r\n-boundary X", max_size=80).map(str.encode), max_size=4),
    st.randoms(use_true_random=False),
)
def test_any_contents_and_cuts(contents: list[bytes], chance: random.Random) -> None:
    contents = [content for content in contents if b"\r\n--boundary" not in b"\r\n" + content]
    body = body_of(contents)
    cuts = sorted(chance.choices(range(len(body)), k=chance.randint(0, 30)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert [part.read() for part in iter_multipart(pieces, TYPE)] == contents


def test_pieces_are_views_of_the_chunk() -> None:
    body = body_of([bytes(1_000_000)])
    reader = MultipartReader(TYPE)
    views = [event.data for event in reader.feed(body) if isinstance(event, PartData)]
    assert len(views) == 1
    assert views[0].obj is body
    assert views[0].readonly
    reused = bytearray(body)
    views = [event.data for event in MultipartReader(TYPE).feed(reused) if isinstance(event, PartData)]
    assert views[0].obj is reused


def test_sources(tmp_path: Path) -> None:
    body = body_of()
    path = tmp_path / "body"
    path.write_bytes(body)
    for source in (path, str(path), io.BytesIO(body), memoryview(body), bytearray(body), chunks(body, 999)):
        assert [part.read() for part in iter_multipart(source, TYPE)] == CONTENTS
    with path.open("rb") as file:
        assert [part.read() for part in iter_multipart(file, TYPE)] == CONTENTS


def test_parts_that_nobody_reads() -> None:
    numbers = []
    for part in iter_multipart(chunks(body_of(), 100), TYPE):
        numbers.append(part.headers["x-number"])
        if len(numbers) == 1:
            buffer = bytearray(200)
            assert part.stream.readinto(buffer) <= 200
            assert buffer.startswith(bytes(50))
    assert len(numbers) == len(CONTENTS)
    parts = iter_multipart(body_of(), TYPE)
    old = next(parts)
    next(parts)
    with pytest.raises(ValueError, match="next part"):
        old.read()


def test_nothing_before_or_behind_the_parts() -> None:
    assert events_of([b"--boundary\r\n\r\nx\r\n--boundary--"]) == [PartBegin({}), b"x", PartEnd(), MultipartEnd()]
    assert events_of([b"--boundary--"]) == [MultipartEnd()]


def test_odd_headers() -> None:
    body = (
        b"--boundary \t \r\nCONTENT-type:application/dicom;\r\n transfer-syntax=1.2\r\nA: 1\r\na:\t2 \r\n\r\nx\r\n"
        b"--boundary\r\nNo-Body: yes\r\n\r\n--boundary--"
    )
    for size in (1, 5, 1000):
        events = events_of(chunks(body, size))
        assert events[0] == PartBegin({"content-type": "application/dicom; transfer-syntax=1.2", "a": "1, 2"})
        assert events[3:5] == [PartBegin({"no-body": "yes"}), PartEnd()]


def test_content_types() -> None:
    assert boundary_of('multipart/related; type="application/dicom"; boundary=abc') == "abc"
    assert boundary_of('MultiPart/Related;BOUNDARY="a;b=\\"c";type=x') == 'a;b="c'
    assert boundary_of('multipart/related; type="x; boundary=no"; boundary=yes') == "yes"
    for wrong in ("application/dicom", "multipart/related", "multipart/related; type=x", ""):
        with pytest.raises(DecodeError):
            boundary_of(wrong)
    for wrong in ("", " ", "a ", "x" * 201, "a\r\nb", "ü"):
        with pytest.raises(DecodeError):
            MultipartReader(boundary=wrong)
    with pytest.raises(ValueError, match="either"):
        MultipartReader()


def test_asynchronous() -> None:
    async def arriving(size: int) -> AsyncIterator[bytes]:
        for chunk in chunks(body_of(), size):
            await asyncio.sleep(0)
            yield chunk

    async def run() -> None:
        for size in (100, 5000, 1_000_000):
            assert [await part.read() async for part in iter_multipart_async(arriving(size), TYPE)] == CONTENTS
            numbers = []
            async for part in iter_multipart_async(arriving(size), TYPE):
                numbers.append(part.headers["x-number"])
                assert part.content_type == "application/dicom"
                if len(numbers) == 1:
                    async for piece in part:
                        assert piece.readonly
                        break
            assert len(numbers) == len(CONTENTS)
        limited = iter_multipart_async(arriving(99), TYPE, max_part_size=100)
        part = await anext(limited)
        with pytest.raises(DecodeError, match="max_part_size"):
            await part.read()

    asyncio.run(run())


# -------------------------------------------------------------------------------------------------- limits and damage


def test_limits() -> None:
    body = body_of()
    with pytest.raises(DecodeError, match="max_parts"):
        list(iter_multipart(body, TYPE, max_parts=3))
    with pytest.raises(DecodeError, match="max_part_size"):
        next(iter(iter_multipart(body, TYPE, max_part_size=1000))).read()
    for size in (1, 10_000_000):
        with pytest.raises(DecodeError, match="header of a part has more than"):
            events_of(chunks(b"--boundary\r\nA: " + b"x" * 20_000, size))
        with pytest.raises(DecodeError, match="no boundary in the first"):
            events_of(chunks(b"x" * 70_000, size))
        with pytest.raises(DecodeError, match="blanks"):
            events_of(chunks(b"--boundary" + b" " * 300, size))
    assert events_of([b"x" * 65_536 + b"\r\n--boundary--"]) == [MultipartEnd()]


def test_cut_bodies() -> None:
    body = body_of()
    end = body.index(b"--boundary--") + len(b"--boundary--")
    for cut in random.Random(7).sample(range(end), 300):
        with pytest.raises(TruncatedError):
            events_of([body[:cut]])
        with pytest.raises(TruncatedError):
            list(iter_multipart(chunks(body[:cut], 333), TYPE))


def test_damaged_headers() -> None:
    for header in (b"no colon", b": no name", b"a b: c", b"a\x00: b", b"A: b\x00", b"A: b\rc", b"A: b\nc"):
        with pytest.raises(DecodeError) as caught:
            events_of([b"--boundary\r\n" + header + b"\r\n\r\nx\r\n--boundary--"])
        assert caught.value.section


def test_an_error_comes_behind_the_events_before_it() -> None:
    body = body_of([b"one"])[: -len("--boundary--\r\nepilogue")] + b"--boundary\r\nno colon\r\n\r\nx\r\n--boundary--"
    for size in (1, 7, len(body)):
        reader = MultipartReader(TYPE)
        found: list[object] = []
        with contextlib.suppress(DecodeError):
            for piece in chunks(body, size):
                found += reader.feed(piece)
        assert isinstance(found[-1], PartEnd)
        with pytest.raises(DecodeError, match="damaged"):
            reader.feed(b"")
        with pytest.raises(DecodeError, match="damaged"):
            reader.close()
        parts = iter_multipart(chunks(body, size), TYPE)
        assert next(parts).read() == b"one"
        with pytest.raises(DecodeError, match="damaged"):
            next(parts)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes(data: bytes, size: int) -> None:
    for start in (b"", b"--boundary\r\n", b"--boundary\r\n\r\n"):
        with contextlib.suppress(DicomWireError):
            events_of(chunks(start + data + b"\r\n--boundary--", size))


def test_memory_stays_small(scaled: Callable[[int], int]) -> None:
    """Instances of 1 GB in all (a twentieth in the quick run), a chunk at a time."""
    piece = bytes(1 << 16)
    count = scaled(1 << 30) // len(piece)

    def arriving() -> Iterator[bytes]:
        yield b"--boundary\r\nContent-Type: application/dicom\r\n\r\n"
        for _ in range(count):
            yield piece
        yield b"\r\n--boundary--"

    tracemalloc.start()
    try:
        for part in iter_multipart(arriving(), TYPE):
            got = 0
            while data := part.stream.read(1 << 16):
                got += len(data)
            assert got == count * len(piece)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------------------------------------------------ writing


def test_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(INSTANCE)
    file = io.BytesIO(b"skipped" + INSTANCE)
    file.seek(7)
    parts = [
        path, str(path), INSTANCE, bytearray(INSTANCE), memoryview(INSTANCE), file,
        ({"Content-Type": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1", "Content-Location": "a"}, INSTANCE),
    ]  # fmt: skip
    content_type, body = write_multipart(parts)  # type: ignore[arg-type]
    written = b"".join(body)
    assert body.content_length == len(written)
    found = [(part.headers, part.read()) for part in iter_multipart(written, content_type)]
    assert [data for _, data in found] == [INSTANCE] * 7
    assert found[0][0] == {"content-type": "application/dicom"}
    assert found[6][0] == {
        "content-type": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1",
        "content-location": "a",
    }
    assert content_type.startswith('multipart/related; type="application/dicom"; boundary=')


def test_length_is_told_only_where_it_is_known() -> None:
    for parts in ([INSTANCE], [], [b"", b""]):
        content_type, body = write_multipart(parts)
        assert body.content_length == len(b"".join(body))
        assert [part.read() for part in iter_multipart(body, content_type)] == parts
    content_type, body = write_multipart([[INSTANCE[:100], memoryview(INSTANCE)[100:]], INSTANCE])
    assert body.content_length is None
    assert [part.read() for part in iter_multipart(body, content_type)] == [INSTANCE] * 2
    content_type, body = write_multipart(content for content in CONTENTS)
    assert body.content_length is None
    assert [part.read() for part in iter_multipart(body, content_type)] == CONTENTS


def test_part_that_changes_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    for later in (INSTANCE[:-1], INSTANCE + b"x"):
        path.write_bytes(INSTANCE)
        _, body = write_multipart([path])
        path.write_bytes(later)
        with pytest.raises(EncodeError, match="when the length was told"):
            list(body)


def test_boundary_in_a_part() -> None:
    for content in (b"a\r\n--mine", b"--mine b", [b"a\r", b"\n-", b"", b"-mi", b"ne"], memoryview(b"\r\n--mine")):
        with pytest.raises(EncodeError, match="boundary"):
            list(write_multipart([content], "mine")[1])
    content_type, body = write_multipart([[b"a\r", b"\n-", b"-min"], b"mine"], "mine")
    assert [part.read() for part in iter_multipart(body, content_type)] == [b"a\r\n--min", b"mine"]


def test_what_cannot_be_written() -> None:
    for boundary in ("", "a ", "x" * 71, "a\r\nb", "a@b"):
        with pytest.raises(ValueError, match="boundary"):
            write_multipart([], boundary)
    for fields in ({"A": "b\r\nC: d"}, {"A B": "c"}, {"": "c"}):
        with pytest.raises(ValueError, match="header field"):
            write_multipart([(fields, b"")])
    with pytest.raises(ValueError, match="part_type"):
        write_multipart([], part_type='a"b')
    with pytest.raises(TypeError):
        list(write_multipart([[1]])[1])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        list(write_multipart([io.StringIO("text")])[1])  # type: ignore[list-item]
    assert write_multipart([], "with space:")[0].endswith('boundary="with space:"')


def test_large_files_are_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(20_000_000))
    _, body = write_multipart([path] * 3)
    tracemalloc.start()
    try:
        assert sum(map(len, body)) == body.content_length
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# ----------------------------------------------------------------------------------------------------------- referees


def text_safe(content: bytes) -> bool:
    """The email package takes a body for lines of text: it keeps the bytes, but for lone ends of lines."""
    return b"\r" not in content.replace(b"\r\n", b"") and b"\n" not in content.replace(b"\r\n", b"")


def test_email_reads_what_we_write() -> None:
    contents = [content for content in CONTENTS if text_safe(content)]
    assert len(contents) > 4
    content_type, body = write_multipart(contents)
    message = email.message_from_bytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + b"".join(body), policy=email.policy.HTTP
    )
    assert message.is_multipart()
    parts = message.get_payload()
    assert [part.get_content_type() for part in parts] == ["application/dicom"] * len(contents)  # type: ignore[union-attr]
    assert [part.get_payload(decode=True) for part in parts] == contents  # type: ignore[union-attr]


async def aiohttp_reads(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    aiohttp = module("aiohttp")
    protocol = module("aiohttp.base_protocol").BaseProtocol
    stream = aiohttp.StreamReader(protocol(asyncio.get_running_loop()), 2**16, loop=asyncio.get_running_loop())
    stream.feed_data(body)
    stream.feed_eof()
    reader = aiohttp.MultipartReader({"Content-Type": content_type}, stream)
    found = []
    while (part := await reader.next()) is not None:
        assert isinstance(part, aiohttp.BodyPartReader)
        found.append((part.headers["Content-Type"], bytes(await part.read())))
    return found


def test_aiohttp_reads_what_we_write() -> None:
    content_type, body = write_multipart(CONTENTS)
    found = asyncio.run(aiohttp_reads(content_type, b"".join(body)))
    assert found == [("application/dicom", content) for content in CONTENTS]


class Collected:
    """What aiohttp's writer writes to."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes) -> None:
        self.data += data


def test_we_read_what_aiohttp_writes() -> None:
    async def run() -> tuple[str, bytes]:
        writer = module("aiohttp").MultipartWriter("related", boundary="of aiohttp:")
        for content in CONTENTS:
            writer.append(content, {"Content-Type": "application/dicom"})  # type: ignore[arg-type]
        collected = Collected()
        await writer.write(collected)
        return writer.headers["Content-Type"], bytes(collected.data)

    content_type, body = asyncio.run(run())
    for size in (1, 1000, len(body)):
        parts = [(part.content_type, part.read()) for part in iter_multipart(chunks(body, size), content_type)]
        assert parts == [("application/dicom", content) for content in CONTENTS]
