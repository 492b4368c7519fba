"""A TCP connection with a delay: what comes in on a port goes on to another one after so many seconds, both ways.

Like a link of that delay and of unlimited rate: pieces are kept with the time at which they are due.  No more than
`LIMIT` bytes are under way in a direction; then the sender has to wait, as for any full link.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

PIECE = 1 << 18
LIMIT = 64 << 20


class _Direction:
    """Bytes on their way from one socket to another."""

    def __init__(self, source: socket.socket, target: socket.socket, delay_s: float) -> None:
        self._source, self._target, self._delay_s = source, target, delay_s
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._is_over = False  # the target takes no more
        self._changed = threading.Condition()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._take, self._give)]

    def _take(self) -> None:
        piece = b"?"
        while piece:
            try:
                piece = self._source.recv(PIECE)
            except OSError:
                piece = b""
            with self._changed:
                self._changed.wait_for(lambda: self._is_over or self._size < LIMIT)
                self._pieces.append((time.monotonic() + self._delay_s, piece))
                self._size += len(piece)
                self._changed.notify_all()

    def _give(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pieces)
                due, piece = self._pieces.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not piece:
                    self._target.shutdown(socket.SHUT_WR)
                    return
                self._target.sendall(piece)
            except OSError:
                with self._changed:
                    self._is_over = True
                    self._changed.notify_all()
                self._source.close()
                return
            with self._changed:
                self._size -= len(piece)
                self._changed.notify_all()


@contextmanager
def delayed(port: int, delay_s: float) -> Iterator[int]:
    """Port on 127.0.0.1 that leads to another one, `delay_s` seconds away in each direction."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                near = listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            for connection in (near, far):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections.append(connection)
            for direction in (_Direction(near, far, delay_s), _Direction(far, near, delay_s)):
                for thread in direction.threads:
                    thread.start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for connection in connections:
            connection.close()
