"""Frames of remote files: one request for each frame that is asked for, side by side where several are."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dicomwire import FrameIndex, FrameReader, open_remote
from tests.builders import JPEG, PIXEL_DATA, UNDEFINED, element, item, part10, plain, sequence_end
from tests.streaming.servers import web_server
from tests.support import module

HTTPStore = module("obstore.store").HTTPStore

COUNT, SIDE = 20, 300
FRAMES = [bytes([number]) * (SIDE * SIDE) for number in range(COUNT)]
HEADER = plain() + b"".join(
    (
        element(0x00280002, "US", struct.pack("<H", 1)),
        element(0x00280004, "CS", b"MONOCHROME2 "),
        element(0x00280008, "IS", b"20"),
        element(0x00280010, "US", struct.pack("<H", SIDE)),
        element(0x00280011, "US", struct.pack("<H", SIDE)),
        element(0x00280100, "US", struct.pack("<H", 8)),
    )
)
NATIVE = part10(HEADER + element(PIXEL_DATA, "OW", b"".join(FRAMES)))
TABLE = struct.pack("<20I", *(number * (SIDE * SIDE + 8) for number in range(COUNT)))


def encapsulated(table: bytes) -> bytes:
    fragments = b"".join(map(item, FRAMES))
    return part10(HEADER + element(PIXEL_DATA, "OB", item(table) + fragments + sequence_end(), length=UNDEFINED), JPEG)


@pytest.mark.parametrize("data", [NATIVE, encapsulated(TABLE)], ids=["native", "table"])
def test_frames(data: bytes, tmp_path: Path) -> None:
    with web_server() as web:
        web.objects["/image"] = data
        store = HTTPStore(web.url, client_options={"allow_http": True})
        remote = open_remote(store, "image")
        reader = FrameReader(remote)
        assert len(reader) == COUNT
        opened = remote.requests
        assert opened <= 2
        for number in (7, 3):
            assert bytes(reader[number]) == FRAMES[number]
        assert remote.requests == web.requests == opened + 2
        assert remote.bytes_read < opened * 65536 + 2 * SIDE * SIDE + 100
        reader.prefetch(range(8, 14))
        assert [bytes(frame) for frame in reader[8:14]] == FRAMES[8:14]
        assert remote.requests == web.requests <= opened + 2 + 6

        reader.build_index().save(tmp_path / "index")
        remote = open_remote(store, "image")
        reader = FrameReader(remote, index=FrameIndex.load(tmp_path / "index"))
        opened = remote.requests
        assert bytes(reader[11]) == FRAMES[11]
        assert remote.requests == opened + 1
