"""Servers on this machine that tests read from: one for HTTP with ranges, which counts, and one that speaks S3."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support import module


@dataclass
class Asked:
    """One request as the server saw it, and how many bytes of the object it sent."""

    method: str
    path: str
    range: tuple[int, int] | None
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class Web:
    """What the server has and how it behaves; tests change it while it runs."""

    url: str
    objects: dict[str, bytes] = field(default_factory=dict)
    log: list[Asked] = field(default_factory=list)
    ranges: bool = True
    etag: str = "strong"  # or weak, none
    honours_match: bool = True
    hides_size: bool = False
    most: int = 1 << 62  # bytes of a range that it answers with
    lie: str = ""  # other range, endless, compressed
    status: int = 0  # for all answers, in place of the right one
    redirect: dict[str, str] = field(default_factory=dict)
    gate: threading.Barrier | None = None  # requests wait here for each other
    waited: int = 0

    @property
    def requests(self) -> int:
        return len(self.log)

    @property
    def bytes_sent(self) -> int:
        return sum(asked.sent for asked in self.log)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # else a body waits for the acknowledgement of its header
    web: Web

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        web, path = self.web, self.path.split("?")[0]
        said = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        wanted = (int(said[1]), int(said[2]) + 1) if said else None
        asked = Asked(self.command, self.path, wanted, dict(self.headers))
        web.log.append(asked)
        if web.gate is not None and web.log[0] is not asked:
            with contextlib.suppress(threading.BrokenBarrierError):
                web.gate.wait(20)
                web.waited += 1
        data = web.objects.get(path)
        if path in web.redirect:
            return self._send(asked, 302, b"", {"Location": web.redirect[path]}, with_body)
        if web.status or data is None:
            return self._send(asked, web.status or 404, b"nothing here", {}, with_body)
        digest = hashlib.sha256(data).hexdigest()[:16]
        headers = {"Accept-Ranges": "bytes", "Last-Modified": "Sat, 01 Aug 2026 00:00:00 GMT"}
        if web.etag != "none":
            headers["ETag"] = f'"{digest}"' if web.etag == "strong" else f'W/"{digest}"'
        if web.honours_match and self.headers.get("If-Match") not in (None, headers.get("ETag")):
            return self._send(asked, 412, b"", {}, with_body)
        if wanted is None or not web.ranges:
            return self._send(asked, 200, data, headers, with_body)
        start, stop = wanted[0], min(wanted[1], len(data), wanted[0] + web.most)
        if start >= len(data):
            headers["Content-Range"] = f"bytes */{len(data)}"
            return self._send(asked, 416, b"", headers, with_body)
        if web.lie == "other range":
            start, stop = start + 1, stop + 1
        if web.lie == "compressed":
            headers["Content-Encoding"] = "gzip"
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{'*' if web.hides_size else len(data)}"
        body = data[start:stop] + (b"more" if web.lie == "endless" else b"")
        return self._send(asked, 206, body, headers, with_body)

    def _send(self, asked: Asked, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            if status in (200, 206):
                asked.sent = len(body)
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no concern of the test."""


@contextlib.contextmanager
def web_server() -> Iterator[Web]:
    """A server for HTTP on a free port of this machine."""
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    web = handler.web = Web(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class S3:
    """A server that speaks S3 and the requests that it got, as (method, path, Range)."""

    url: str
    log: list[tuple[str, str, str | None]] = field(default_factory=list)


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """moto's server, with what it is asked written down."""
    moto = module("moto.server")
    from werkzeug.serving import WSGIRequestHandler, make_server

    application = moto.DomainDispatcherApplication(moto.create_backend_app)
    s3 = S3("")

    def counting(environment, start_response):  # type: ignore[no-untyped-def]
        s3.log.append((environment["REQUEST_METHOD"], environment["PATH_INFO"], environment.get("HTTP_RANGE")))
        return application(environment, start_response)

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *args: object) -> None:
            """Says nothing."""

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=Quiet)
    server.daemon_threads, server.block_on_close = True, False
    s3.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield s3
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
