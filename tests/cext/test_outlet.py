"""Outlet: what a thread sends of a file is what message_buffers() makes of its bytes, and how sending may end."""

from __future__ import annotations

import errno
import os
import random
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from _dicomwire.outlet import CHANGED, LOST, SENT, STOPPED, STUCK, UNREADABLE, send_file
from _dicomwire.pdv import fragment, message_buffers
from dicomwire.errors import EncodeError

COMMAND = bytes(range(90))
MOST_READ = 1 << 14
WINDOW = 8 << 20


@pytest.fixture(autouse=True)
def no_sigpipe() -> Iterator[None]:
    """The caller of send_file() sees to it that a peer which closes does not end the process."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Line:
    """A socket that does not block, and the other end: read to its end by a thread, or not at all."""

    def __init__(self, *, reads: bool = True, piece: int = 1 << 20, buffer: int = 0) -> None:
        self.own, self.peer = socket.socketpair()
        if buffer:
            self.own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.own.setblocking(False)
        self.peer.settimeout(20)
        self.wake, self.waker = os.pipe()
        self.got = bytearray()
        self.reading = threading.Thread(target=self._read, args=[piece])
        if reads:
            self.reading.start()

    def _read(self, piece: int) -> None:
        while data := self.peer.recv(piece):
            self.got += data

    def send(self, file: int, length: int, *, offset: int = 0, limit: int = 16384, timeout_ms: int = 10_000) -> int:
        command = b"".join(fragment(3, True, COMMAND, limit))
        outcome, failure = send_file(
            self.own.fileno(), self.wake, command, 3, limit, file, offset, length, timeout_ms
        )
        assert failure == 0 or outcome == UNREADABLE
        self.failure = failure
        return outcome

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *rest: object) -> None:
        self.own.close()
        if self.reading.ident is not None:
            self.reading.join(20)
            assert not self.reading.is_alive()
        self.peer.close()
        os.close(self.wake)
        os.close(self.waker)


def expected(data: bytes, limit: int) -> bytes:
    return b"".join(message_buffers(3, COMMAND, data + bytes(len(data) & 1), limit))


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(3).randbytes(1 << 20)


def check(content: bytes, folder: Path, length: int, limit: int, offset: int, **options: int) -> None:
    path = folder / "file"
    path.write_bytes(content[: offset + length])
    file = os.open(path, os.O_RDONLY)
    with Line(**options) as line:
        assert line.send(file, length, offset=offset, limit=limit) == SENT
    os.close(file)
    assert bytes(line.got) == expected(content[offset : offset + length], limit)


AROUND_MOST_READ = [MOST_READ + k for k in (-2, -1, 0, 1, 2)]


@pytest.mark.parametrize("limit", [0, 12, 13, 4096, 16384, 1 << 17, 1 << 20])
def test_lengths_around_what_is_read_and_what_is_mapped(content: bytes, tmp_path: Path, limit: int) -> None:
    for length in (0, 1, 2, 3, 1000, 1001, *AROUND_MOST_READ, 100_001):
        for offset in (0, 1, 333, 65535, 65536, 70_000):
            if limit > 13 or length < 20_000:
                check(content, tmp_path, length, limit, offset)


@pytest.mark.parametrize("limit", [4096, 16384, 16385])
def test_lengths_around_that_of_a_pdu(content: bytes, tmp_path: Path, limit: int) -> None:
    most = (limit - 6) & ~1
    for count in (1, 2, 5, 255, 256, 257, 300):
        for more in (-2, -1, 0, 1, 2):
            length = count * most + more
            if length + 700 <= len(content):
                check(content, tmp_path, length, limit, 700)


@pytest.mark.parametrize("limit", [0, 4096, 65536, 100_000])
def test_files_of_several_windows(tmp_path: Path, limit: int) -> None:
    data = random.Random(5).randbytes(1 << 20) * 18
    for length in (WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 2 * WINDOW + 12_345):
        check(data, tmp_path, length, limit, 999)


def test_a_window_that_ends_where_a_pdu_does(tmp_path: Path) -> None:
    data = random.Random(5).randbytes(1 << 20) * 17
    for length in (WINDOW, WINDOW + 1, WINDOW + 2, 2 * WINDOW + 1):
        check(data, tmp_path, length, (1 << 16) + 6, 0)


@pytest.mark.parametrize("length", [5000, 1_000_000, WINDOW + 3])
def test_a_peer_that_reads_slowly(tmp_path: Path, length: int) -> None:
    data = random.Random(6).randbytes(1 << 20) * 9
    check(data, tmp_path, length, 4096, 77, piece=3001, buffer=4096)


@pytest.fixture
def file(tmp_path: Path, content: bytes) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("length", [1, 10_000, MOST_READ, MOST_READ + 1, 100_000, 1_000_000])
@pytest.mark.parametrize("missing", [1, 100, 5000])
@pytest.mark.parametrize("offset", [0, 700])
def test_a_file_that_became_shorter(file: int, length: int, missing: int, offset: int) -> None:
    """Also by less than what is left of its last page, which a mapping shows as zeros."""
    os.ftruncate(file, max(0, offset + length - missing))
    with Line() as line:
        assert line.send(file, length, offset=offset) == CHANGED
    assert len(line.got) == 0


def test_a_file_that_becomes_shorter_while_it_is_sent(file: int, content: bytes) -> None:
    with Line(reads=False) as line:
        begun = threading.Event()

        def shrink() -> None:
            line.got += line.peer.recv(1)
            begun.set()
            os.ftruncate(file, len(content) - 1)
            line._read(1 << 20)

        line.reading = threading.Thread(target=shrink)
        line.reading.start()
        assert line.send(file, len(content), limit=4096) == CHANGED
        assert begun.is_set()


def test_a_peer_that_has_closed(file: int) -> None:
    for length in (100, 1_000_000):
        with Line(reads=False) as line:
            line.peer.close()
            assert line.send(file, length) == LOST
    assert signal.SIGPIPE in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_a_peer_that_closes_in_the_middle(file: int, content: bytes) -> None:
    with Line(reads=False) as line:
        late = threading.Timer(0.05, line.peer.close)
        late.start()
        assert line.send(file, len(content)) == LOST
        late.join()


def test_a_peer_that_takes_nothing(file: int, content: bytes) -> None:
    with Line(reads=False, buffer=4096) as line:
        assert line.send(file, len(content), timeout_ms=30) == STUCK
        line.peer.setblocking(False)
        assert len(line.peer.recv(1 << 20)) < len(content)


def test_whoever_writes_to_the_pipe_stops_what_waits(file: int, content: bytes) -> None:
    with Line(reads=False, buffer=4096) as line:
        late = threading.Timer(0.05, os.write, [line.waker, b"\0"])
        late.start()
        assert line.send(file, len(content), timeout_ms=-1) == STOPPED
        late.join()
    with Line() as line:  # what need not wait is sent all the same
        os.write(line.waker, b"\0")
        assert line.send(file, 1000) == SENT


@pytest.mark.parametrize("length", [100, 1_000_000])
def test_what_cannot_be_read(tmp_path: Path, length: int) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with Line() as line:
        assert line.send(folder, length) == UNREADABLE
        assert line.failure in (errno.EISDIR, errno.ENODEV)
        assert line.send(-1, length) == UNREADABLE
        assert line.failure == errno.EBADF
    assert line.got == b""
    os.close(folder)


def test_arguments_are_checked(file: int) -> None:
    with Line() as line:
        for limit in range(1, 12):
            with pytest.raises(EncodeError):
                send_file(line.own.fileno(), line.wake, b"", 1, limit, file, 0, 10, 0)
        with pytest.raises(TypeError):
            send_file(line.own.fileno(), line.wake, None, 1, 0, file, 0, 10, 0)  # type: ignore[arg-type]
        with pytest.raises(OverflowError):
            send_file(line.own.fileno(), line.wake, b"", 1, 0, file, 0, -1, 0)
        with pytest.raises(OverflowError):
            send_file(line.own.fileno(), line.wake, b"", 256, 0, file, 0, 1, 0)
    assert line.got == b""
