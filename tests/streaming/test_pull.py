"""dicomwire.stream and stream_async: every kind of source, selection, sinks, and what is read and kept for it."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dicomwire
from dicomwire.errors import DecodeError, TruncatedError
from dicomwire.streaming import Event, EventKind
from tests.builders import EXPLICIT, PIXEL_DATA, UNDEFINED, element, item, part10, plain, sequence, sequence_end

SQ = 0x0040A730
INSIDE = element(0x0040A160, "UT", b"text")
DATA = (
    plain()
    + sequence(SQ, item(INSIDE), item(INSIDE, undefined=True), undefined=True)
    + element(0x00420011, "OB", b"\1\2" * 100_000)
    + element(PIXEL_DATA, "OW", b"\3\4" * 500_000)
    + element(0xFFFCFFFC, "OB", b"\0\0")
)
FILE = part10(DATA)


def summary(events: Iterator[Event]) -> list[tuple[str, int, int | None]]:
    return [(event.kind.name, event.tag, event.offset) for event in events if event.kind is not EventKind.PIECE]


WHOLE = summary(iter(dicomwire.stream(FILE)))


class Dribble(io.RawIOBase):
    """A file that cannot seek and gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(memoryview(buffer)[: min(len(buffer), 777)])


class OnlyRead:
    """What has read() and nothing else."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


@pytest.mark.parametrize(
    "source",
    [
        lambda: FILE,
        lambda: bytearray(FILE),
        lambda: memoryview(FILE),
        lambda: io.BytesIO(FILE),
        lambda: Dribble(FILE),
        lambda: OnlyRead(FILE),
        lambda: iter([FILE[:1000], b"", FILE[1000:]]),
        lambda: [FILE[:3], FILE[3:]],
    ],
)
def test_sources(source: Callable[[], Any]) -> None:
    stream = dicomwire.stream(source())
    assert summary(iter(stream)) == WHOLE
    assert stream.transfer_syntax == EXPLICIT
    assert stream.deviations == []


def test_paths_and_open_files(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(FILE)
    assert summary(iter(dicomwire.stream(path))) == WHOLE
    assert summary(iter(dicomwire.stream(str(path), chunk_size=1000))) == WHOLE
    with path.open("rb") as file:
        assert summary(iter(dicomwire.stream(file))) == WHOLE
        assert not file.closed
    with path.open() as text, pytest.raises(TypeError, match="binary"):
        dicomwire.stream(text)
    with pytest.raises(OSError, match="No such file"):
        dicomwire.stream(tmp_path / "absent.dcm")


def test_pipes_and_sockets() -> None:
    def send(write: Callable[[bytes], object], close: Callable[[], None]) -> None:
        for at in range(0, len(FILE), 50_000):
            write(FILE[at : at + 50_000])
        close()

    here, there = socket.socketpair()
    thread = threading.Thread(target=send, args=(there.sendall, there.close))
    thread.start()
    with here:
        assert summary(iter(dicomwire.stream(here))) == WHOLE
    thread.join()
    reading, writing = os.pipe()
    thread = threading.Thread(target=send, args=(lambda data: os.write(writing, data), lambda: os.close(writing)))
    thread.start()
    with open(reading, "rb", buffering=0) as pipe:
        assert summary(iter(dicomwire.stream(pipe))) == WHOLE
    thread.join()


def test_a_path_is_closed_when_the_stream_is(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(FILE)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    with dicomwire.stream(path, chunk_size=500) as events:
        assert next(events).kind is EventKind.META
    events = dicomwire.stream(path)
    events.close()
    assert list(events) == []
    if before is not None:
        assert set(os.listdir("/proc/self/fd")) == before


def test_events_that_are_kept_keep_their_bytes() -> None:
    kept = [event for event in dicomwire.stream(Dribble(FILE)) if event.value is not None]
    pieces = b"".join(event.value or b"" for event in kept if event.kind is EventKind.PIECE and event.tag == PIXEL_DATA)
    assert pieces == b"\3\4" * 500_000
    assert [event.decoded() for event in kept if event.keyword == "PatientName"] == ["Doe^John"]


def test_buffers_are_read_into_again() -> None:
    buffers: set[int] = set()

    class Counting(Dribble):
        def readinto(self, buffer: Any) -> int:
            buffers.add(id(memoryview(buffer).obj))
            return super().readinto(buffer)

    for event in dicomwire.stream(Counting(FILE)):
        assert event.kind
    assert len(buffers) == 2


# ------------------------------------------------------------------------------------------------ selection


def test_select() -> None:
    for source in (FILE, Dribble(FILE), io.BytesIO(FILE)):
        events = list(dicomwire.stream(source, select=["PatientID", SQ, (0x7FE0, 0x0010)], chunk_size=1000))
        names = [(event.kind.name, event.keyword) for event in events if event.kind is not EventKind.PIECE]
        inside = [("ITEM", "Item"), ("ELEMENT", "TextValue"), ("ITEM_END", "Item")]
        assert names == [
            ("ELEMENT", "PatientID"),
            ("SEQUENCE", "ContentSequence"),
            *inside,
            *inside,
            ("SEQUENCE_END", "ContentSequence"),
            ("ELEMENT", "PixelData"),
            ("END", ""),
        ]
        assert sum(event.length or 0 for event in events if event.kind is EventKind.PIECE) == 1_000_000
    assert [e.keyword for e in dicomwire.stream(FILE, select="Modality")] == ["Modality", ""]
    assert [e.kind.name for e in dicomwire.stream(FILE, select=[])] == ["END"]
    with pytest.raises(ValueError, match="select"):
        dicomwire.stream(FILE, select=["NoSuchKeyword"])


@pytest.mark.parametrize("size", range(1, 60))
def test_select_wherever_the_stream_is_cut(size: int) -> None:
    data = (
        plain()
        + sequence(SQ, item(INSIDE), undefined=True)
        + element(0x0040DB00, "CS", b"AB")
        + sequence(0x0054_0016, item(INSIDE))
    )
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    want = [event.path for event in dicomwire.stream(data, select=["Modality", 0x00540016], transfer_syntax=EXPLICIT)]
    assert len(want) == 7
    events = dicomwire.stream(chunks, select=["Modality", 0x00540016], transfer_syntax=EXPLICIT)
    assert [event.path for event in events] == want


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    total = 0

    def readinto(self, buffer: Any) -> int:
        size = super().readinto(buffer)
        self.total += size
        return size


def test_what_is_not_selected_is_sought_over() -> None:
    file = Counted(FILE)
    names = [event.keyword for event in dicomwire.stream(file, select=["PatientID", 0xFFFCFFFC], chunk_size=4096)]
    assert names == ["PatientID", "DataSetTrailingPadding", ""]
    assert file.total < 20_000
    fragments = item() + b"".join(item(bytes(300_000)) for _ in range(5)) + sequence_end()
    file = Counted(part10(plain() + element(PIXEL_DATA, "OB", fragments, length=UNDEFINED) + element(0xFFFCFFFC, "OB")))
    names = [event.keyword for event in dicomwire.stream(file, select=[0xFFFCFFFC], chunk_size=4096)]
    assert names == ["DataSetTrailingPadding", ""]
    assert file.total < 40_000
    file = Counted(FILE[:-600_000])
    with pytest.raises(TruncatedError, match="PixelData: value needs 1000000 bytes, 4"):
        list(dicomwire.stream(file, select="PatientID", chunk_size=4096))


def test_until() -> None:
    file = Counted(FILE)
    events = list(dicomwire.stream(file, until="PixelData", chunk_size=10_000))
    assert events[-1].kind is EventKind.PIECE
    assert events[-1].tag == 0x00420011
    assert file.total < 220_000
    assert [e.keyword for e in dicomwire.stream(FILE, until=0x00100020, select="PatientName")] == ["PatientName"]
    assert summary(iter(dicomwire.stream(FILE, until=0xFFFFFFFF))) == WHOLE
    with pytest.raises(ValueError, match="until"):
        dicomwire.stream(FILE, until=0)


def test_sinks() -> None:
    into = io.BytesIO()
    kinds = [event.kind for event in dicomwire.stream(FILE, sink=into, chunk_size=5000)]
    assert EventKind.PIECE not in kinds
    assert into.getvalue() == b"\1\2" * 100_000 + b"\3\4" * 500_000
    pixels = io.BytesIO()
    asked = []

    def choose(event: Event) -> io.BytesIO | None:
        asked.append((event.keyword, event.length))
        return pixels if event.tag == PIXEL_DATA else None

    pieces = [event for event in dicomwire.stream(FILE, sink=choose) if event.kind is EventKind.PIECE]
    assert {event.keyword for event in pieces} == {"EncapsulatedDocument"}
    assert asked == [("EncapsulatedDocument", 200_000), ("PixelData", 1_000_000)]
    assert pixels.getvalue() == b"\3\4" * 500_000


def test_errors_come_in_place_of_the_event() -> None:
    events = dicomwire.stream(FILE[:5000])
    seen = []
    with pytest.raises(TruncatedError, match="EncapsulatedDocument"):
        seen.extend(event.keyword for event in events)
    with pytest.raises(DecodeError, match="not DICOM"):
        list(dicomwire.stream(b"no DICOM at all" * 100))
    with pytest.raises(TypeError, match="int"):
        dicomwire.stream(5)
    with pytest.raises(ValueError, match="chunk_size"):
        dicomwire.stream(FILE, chunk_size=0)


# ---------------------------------------------------------------------------------------------------- async


def test_async() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(FILE), 7000):
            await asyncio.sleep(0)
            yield FILE[at : at + 7000]

    async def rows(source: Any, **options: Any) -> list[tuple[str, int, int | None]]:
        async with dicomwire.stream_async(source, **options) as events:
            return [(e.kind.name, e.tag, e.offset) async for e in events if e.kind is not EventKind.PIECE]

    async def reader() -> asyncio.StreamReader:
        stream = asyncio.StreamReader()
        stream.feed_data(FILE)
        stream.feed_eof()
        return stream

    async def all_ways() -> None:
        assert await rows(chunks()) == WHOLE
        assert await rows(await reader()) == WHOLE
        assert [row[0] for row in await rows(chunks(), select="PatientID")] == ["ELEMENT", "END"]
        assert await rows(chunks(), until="PatientID") == WHOLE[:7]
        into = io.BytesIO()
        await rows(chunks(), sink=into)
        assert len(into.getvalue()) == 1_200_000
        with pytest.raises(TypeError, match="asynchronous"):
            dicomwire.stream_async(b"")

    asyncio.run(all_ways())
