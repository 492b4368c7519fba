"""Writer: what another thread writes is what was received, in its order, and an error of the system is told."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from _dicomwire.intake import ENDED, NOT_WRITTEN, SILENT, TURN_OVER, Intake
from _dicomwire.pdu import PDUReader
from _dicomwire.pdv import fragment
from _dicomwire.writer import Writer

NO_LIMIT = (1 << 64) - 1


@pytest.fixture
def writer() -> Iterator[Writer]:
    one = Writer()
    thread = threading.Thread(target=one.work)
    thread.start()
    yield one
    one.stop()
    thread.join(10)
    assert not thread.is_alive()


@contextmanager
def receiving(stream: bytes, size: int = 4096) -> Iterator[tuple[Intake, PDUReader, socket.socket]]:
    """An intake that a peer sends this to, as fast as it is taken."""
    peer, own = socket.socketpair()
    peer.settimeout(10)
    sender = threading.Thread(target=peer.sendall, args=(stream,))
    sender.start()
    try:
        yield Intake(size), PDUReader(max_control_length=300), own
    finally:
        sender.join(10)
        peer.close()
        own.close()


def pdus(data: bytes, length: int) -> bytes:
    return b"".join(fragment(1, False, data, length))


def received(
    intake: Intake,
    reader: PDUReader,
    own: socket.socket,
    file: int,
    writer: Writer | None,
    digest: object,
    **options: int,
) -> int:
    own.setblocking(False)
    wake, waker = os.pipe()
    try:
        return intake.pass_on(
            reader, own.fileno(), wake, 1, file, b"first", NO_LIMIT,
            options.get("patience", 5000), options.get("turn", 60_000), writer, digest,  # type: ignore[arg-type]
        )  # fmt: skip
    finally:
        os.close(wake)
        os.close(waker)


@pytest.mark.parametrize("length", [12, 100, 4096, 16384, 1 << 20])
@pytest.mark.parametrize("size", [1, 100, 4095, 50_000, 1_000_000])
@pytest.mark.parametrize("with_file", [True, False])
@pytest.mark.parametrize("with_writer", [True, False])
def test_file_and_digest_are_of_the_same_bytes(
    writer: Writer, tmp_path: Path, length: int, size: int, with_file: bool, with_writer: bool
) -> None:
    """However many pieces it is, and more than wait at once."""
    if size // length > 20_000:
        pytest.skip("many seconds of headers alone")
    data = random.Random(size).randbytes(size)
    digest = hashlib.sha256()
    path = tmp_path / "file"
    path.touch()
    file = os.open(path, os.O_WRONLY) if with_file else -1
    with receiving(pdus(data, length)) as line:
        assert received(*line, file, writer if with_writer else None, digest) == ENDED
        assert line[0].passed == size
    if with_file:
        os.close(file)
        assert path.read_bytes() == b"first" + data
    assert digest.digest() == hashlib.sha256(b"first" + data).digest()


def test_one_file_after_the_other(writer: Writer, tmp_path: Path) -> None:
    parts = [random.Random(k).randbytes(k * 7001) for k in range(1, 20)]
    with receiving(b"".join(pdus(part, 1000) for part in parts)) as line:
        for k, part in enumerate(parts):
            digest = hashlib.sha256()
            with open(tmp_path / str(k), "wb") as file:
                assert received(*line, file.fileno(), writer, digest) == ENDED
            assert (tmp_path / str(k)).read_bytes() == b"first" + part
            assert digest.digest() == hashlib.sha256(b"first" + part).digest()


def test_all_is_written_when_it_returns(writer: Writer, tmp_path: Path) -> None:
    """Also when the data set is not complete."""
    data = bytes(range(256)) * 400
    digest = hashlib.sha256()
    with receiving(pdus(data, 1000)[:-700]) as line, open(tmp_path / "file", "wb") as file:
        assert received(*line, file.fileno(), writer, digest, turn=0) == TURN_OVER
        some = line[0].passed
        assert (tmp_path / "file").read_bytes() == b"first" + data[:some]
        assert digest.copy().digest() == hashlib.sha256(b"first" + data[:some]).digest()
        assert received(*line, file.fileno(), writer, digest, patience=100) == SILENT
        more = line[0].passed
    assert len(data) - 1700 < some + more < len(data)
    everything = b"first" + data[:some] + b"first" + data[some : some + more]
    assert (tmp_path / "file").read_bytes() == everything
    assert digest.digest() == hashlib.sha256(everything).digest()


@pytest.mark.parametrize("room", [0, 5, 3000, 90_000])
def test_a_disk_that_is_full(writer: Writer, tmp_path: Path, room: int) -> None:
    data = bytes(100_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with receiving(pdus(data, 1000) * 2) as line:
        with open(tmp_path / "file", "wb") as file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
            try:
                assert received(*line, file.fileno(), writer, hashlib.sha256()) == NOT_WRITTEN
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert line[0].failure == errno.EFBIG
        assert line[0].ended
        assert line[0].passed == len(data)
        assert (tmp_path / "file").stat().st_size == room
        with open(tmp_path / "next", "wb") as file:
            assert received(*line, file.fileno(), writer, hashlib.sha256()) == ENDED
    assert (tmp_path / "next").stat().st_size == len(data) + 5


class Broken:
    """A hash that fails."""

    def __init__(self, after: int) -> None:
        self.after = after

    def update(self, _: object) -> None:
        self.after -= 1
        if self.after < 0:
            raise ArithmeticError("broken")


@pytest.mark.parametrize("after", [0, 1, 20])
@pytest.mark.parametrize("with_writer", [True, False])
def test_a_hash_that_fails_is_told(writer: Writer, tmp_path: Path, after: int, with_writer: bool) -> None:
    with receiving(pdus(bytes(100_000), 1000) * 2) as line, open(tmp_path / "file", "wb") as file:
        own = writer if with_writer else None
        with pytest.raises(ArithmeticError):
            received(*line, file.fileno(), own, Broken(after))
        assert received(*line, file.fileno(), own, hashlib.sha256()) == ENDED


def test_stop_without_anything_given() -> None:
    one = Writer()
    one.stop()
    one.work()
    one.stop()
