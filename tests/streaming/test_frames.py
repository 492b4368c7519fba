"""FRAME events: the frames of dicomwire.FrameReader, told while the stream goes by."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest

import dicomwire
from dicomwire.errors import DicomWireError
from dicomwire.streaming import EventKind, StreamParser
from tests.builders import (
    EXPLICIT,
    IMPLICIT,
    JPEG,
    PIXEL_DATA,
    UNDEFINED,
    element,
    implicit,
    item,
    part10,
    sequence_end,
)
from tests.conftest import RealFiles
from tests.streaming.events import random_cuts, single_bytes

RLE = "1.2.840.10008.1.2.5"
Frames = list[tuple[int, bytes]]


def frames_of(chunks: Iterable[bytes], *arguments: object, **options: object) -> tuple[Frames, StreamParser]:
    """Number and bytes of each frame; those of fragments one after the other."""
    parser = StreamParser(*arguments, frames=True, **options)  # type: ignore[arg-type]
    frames: list[tuple[int, bytearray]] = []
    lengths: list[int | None] = []
    for chunk in [*chunks, None]:
        for event in parser.close() if chunk is None else parser.feed(chunk):
            if event.kind is EventKind.FRAME:
                assert event.number == len(frames)
                frames.append((len(frames), bytearray()))
                assert event.length is None or event.length > 0
                lengths.append(event.length)
            elif frames and event.kind in (EventKind.FRAGMENT, EventKind.PIECE) and event.value is not None:
                frames[-1][1].extend(event.value)
    return [(number, bytes(data[: lengths[number]])) for number, data in frames], parser


def header(frames: int, *, rows: int = 4, columns: int = 4, bits: int = 8) -> bytes:
    def short(number: int) -> bytes:
        return struct.pack("<H", number)

    return (
        element(0x00280002, "US", short(1))
        + element(0x00280008, "IS", b"%2d" % frames)
        + element(0x00280010, "US", short(rows))
        + element(0x00280011, "US", short(columns))
        + element(0x00280100, "US", short(bits))
    )


def jpeg(size: int, fill: int) -> bytes:
    """What begins and ends like a JPEG image."""
    return b"\xff\xd8\xff\xe0" + bytes([fill]) * (size - 6) + b"\xff\xd9"


def encapsulated(fragments: list[bytes], frames: int, table: bytes = b"", syntax: str = JPEG) -> bytes:
    body = item(table) + b"".join(item(fragment) for fragment in fragments) + sequence_end()
    return part10(header(frames) + element(PIXEL_DATA, "OB", body, length=UNDEFINED), syntax)


IMAGES = [jpeg(3000, 1), jpeg(90_000, 2), jpeg(200, 3)]
SPLIT = [IMAGES[0][:1000], IMAGES[0][1000:], IMAGES[1][:70_000], IMAGES[1][70_000:], IMAGES[2]]
RUNS = [struct.pack("<16I", 1, 64, *[0] * 14) + image[64:] for image in IMAGES]
TABLE = struct.pack("<3I", 0, 3000 + 16, 93_000 + 32)


@pytest.mark.parametrize(
    "data",
    [
        encapsulated(IMAGES, 3),
        encapsulated(SPLIT, 3),
        encapsulated(SPLIT, 3, TABLE),
        encapsulated(RUNS, 3, syntax=RLE),
    ],
    ids=["one fragment each", "markers", "offset table", "RLE"],
)
def test_encapsulated_frames_wherever_the_stream_is_cut(data: bytes) -> None:
    want = list(enumerate(RUNS if RLE.encode() in data[:400] else IMAGES))
    for chunks in ([data], random_cuts(data, 1, 100), random_cuts(data, 2, 5000), random_cuts(data, 3, 70_000)):
        found, parser = frames_of(chunks)
        assert found == want
        assert parser.deviations == []
    found, _ = frames_of([*single_bytes(data[:4000]), data[4000:]])
    assert found == want


def test_a_count_that_does_not_fit_is_a_deviation() -> None:
    _, parser = frames_of([encapsulated(IMAGES, 5)])
    assert [deviation.kind for deviation in parser.deviations] == ["frame_count"]


@pytest.mark.parametrize(("rows", "bits"), [(4, 8), (300, 16), (3, 1)])
def test_native_frames(rows: int, bits: int) -> None:
    size = rows * 4 * bits
    data = bytes(i * 7 % 251 for i in range(-(-size * 5 // 8)))
    file = part10(header(5, rows=rows, bits=bits) + element(PIXEL_DATA, "OW", data + bytes(len(data) % 2)), EXPLICIT)
    for chunks in ([file], single_bytes(file), random_cuts(file, "native", 900)):
        frames, _ = frames_of(chunks)
        borders = [n * size // 8 for n in range(5)] + [len(data)]
        assert len(frames) == 5
        assert [frame[: borders[n + 1] - borders[n]] for n, frame in frames] == [
            data[borders[n] : borders[n + 1]] for n in range(5)
        ]


def test_selected_pixel_data_have_frames() -> None:
    events = dicomwire.stream(encapsulated(SPLIT, 3), select="PixelData", frames=True, sink=lambda event: None)
    kinds = [event.kind.name for event in events if event.kind is not EventKind.PIECE]
    assert kinds.count("FRAME") == 3
    assert kinds[:3] == ["FRAGMENTS", "FRAGMENT", "FRAME"]
    data = implicit.element(0x00280010, "US", b"\2\0") + implicit.element(0x00280011, "US", b"\2\0")
    data += implicit.element(0x00280100, "US", b"\x08\0") + implicit.element(PIXEL_DATA, "OW", bytes(12))
    frames, _ = frames_of([data], IMPLICIT)
    assert [len(frame) for _, frame in frames] == [4]


def test_frames_of_real_files_are_those_of_the_reader(real_files: RealFiles) -> None:
    compared = 0
    for _, path in real_files:
        data = path.read_bytes()
        try:
            reader = dicomwire.FrameReader(data)
            want = [bytes(frame) for frame in reader]
            found = [frame for _, frame in frames_of([data[i : i + 65_536] for i in range(0, len(data), 65_536)])[0]]
        except DicomWireError:
            continue
        if dicomwire.dcmread(data)["PixelData"].is_undefined_length and found != want:
            # What only the end of the stream tells: one image in several fragments without a table.
            assert b"".join(found) == b"".join(want), path
            continue
        assert [len(frame) for frame in found][: len(want)] == [len(frame) for frame in want], path
        compared += 1
    assert compared > 50
