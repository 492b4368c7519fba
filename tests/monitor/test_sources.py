"""Sources: the same packets from files, compressed or not, pipes, objects, sets that rotate, and interfaces."""

from __future__ import annotations

import gzip
import io
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from _dicomwire.flow import FlowTable, StreamCollector
from _dicomwire.ring import IS_SUPPORTED, Ring
from dicomwire.errors import DecodeError, UnsupportedError
from dicomwire.monitor import live
from dicomwire.monitor.following import FileSetSource
from dicomwire.monitor.sources import Filled, Source, open_source
from tests.cext.flows import START_NS, Talk
from tests.monitor import captures
from tests.monitor.packets import frames
from tests.support import missing

STREAMS = (b"request" * 1000, b"answer")


def talk(now_ns: int = START_NS, port: int = 40000) -> Talk:
    made = Talk(now_ns=now_ns)
    made.ends = (made.ends[0]._replace(port=port), made.ends[1])
    made.open().client(0, 0, STREAMS[0]).server(0, len(STREAMS[0]), STREAMS[1])
    return made.close(len(STREAMS[0]), len(STREAMS[1]))


class Reader:
    """A table that takes what a source has; `streams` are those of all connections so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.collector = StreamCollector()
        self.table = FlowTable(self.collector)

    def fill(self, timeout_s: float = 0.0) -> Filled:
        filled = self.source.fill(timeout_s)
        while self.table.run(self.source.packets):
            pass
        return filled

    def read(self) -> Reader:
        """Read to the end."""
        while self.fill() is not Filled.ENDED:
            pass
        while self.table.finish():
            pass
        return self

    def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Read until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it does not happen"
            self.fill(0.05)

    @property
    def streams(self) -> list[tuple[bytes, ...]]:
        return [tuple(map(bytes, connection.streams)) for connection in self.collector.connections]


def test_files_compressed_or_not(tmp_path: Path) -> None:
    plain = captures.write(tmp_path / "a.pcap", talk().capture)
    packed = captures.write(tmp_path / "a.pcap.gz", gzip.compress(talk().capture))
    for path in (plain, packed, str(plain)):
        with open_source(path) as source:
            assert not source.is_live
            assert source.name == str(path)
            assert Reader(source).read().streams == [STREAMS]
            assert source.truncated_bytes == 0
            assert source.drops == 0


def test_what_the_capturing_side_dropped(tmp_path: Path) -> None:
    path = captures.write(tmp_path / "a.pcapng", captures.pcapng(frames(talk().segments), dropped=12))
    with open_source(path) as source:
        Reader(source).read()
        assert source.drops == 12


def test_objects_and_those_that_give_little_at_once() -> None:
    class Slow(io.BytesIO):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            return super().readinto(buffer[:7])

        readinto1 = readinto  # type: ignore[assignment]

    for kind in (io.BytesIO, Slow):
        file = kind(talk().capture)
        with open_source(file) as source:
            assert Reader(source).read().streams == [STREAMS]
        assert not file.closed


def test_pipes_are_waited_for() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as end, open_source(Path(f"/dev/fd/{end.fileno()}")) as source:
        assert source.is_live
        reader = Reader(source)
        assert reader.fill() is Filled.SILENT
        data = talk().capture
        os.write(writing, data[:99])
        assert reader.fill() is Filled.MORE
        assert reader.streams == []
        os.write(writing, data[99:])
        os.close(writing)
        assert reader.read().streams == [STREAMS]


def test_captures_that_end_in_a_record(tmp_path: Path) -> None:
    data = talk().capture
    plain = captures.write(tmp_path / "a.pcap", data[:-5])
    packed = captures.write(tmp_path / "b.pcap.gz", gzip.compress(data)[:-30])
    with open_source(plain) as source:
        reader = Reader(source).read()
        assert reader.streams == [STREAMS]
        assert source.truncated_bytes == 16 + 60 - 5
    with open_source(packed) as source:
        Reader(source).read()
        assert source.truncated_bytes > 0


def test_a_file_that_is_no_capture_and_one_with_damage(tmp_path: Path) -> None:
    with open_source(captures.write(tmp_path / "a", b"DICM" * 100)) as source:
        assert source.fill() is Filled.MORE
        with pytest.raises(DecodeError, match="neither a pcap nor a pcapng file"):
            FlowTable(StreamCollector()).run(source.packets)
        assert source.fill() is Filled.ENDED
    packed = bytearray(gzip.compress(os.urandom(100_000)))
    packed[5000] ^= 0xFF
    with (
        open_source(captures.write(tmp_path / "b", bytes(packed))) as source,
        pytest.raises(DecodeError, match=r"compressed capture is damaged|neither"),
    ):
        Reader(source).read()
    with pytest.raises(FileNotFoundError):
        open_source(tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        open_source(str(tmp_path / "*.pcap"))


def test_a_file_that_is_truncated_while_it_is_read(tmp_path: Path) -> None:
    path = captures.write(tmp_path / "a.pcap", talk().capture + bytes(1 << 22))
    with open_source(path) as source:
        assert source.fill() is Filled.MORE
        os.truncate(path, 24)
        assert source.fill() is Filled.ENDED
        assert source.truncated_bytes > 0


def test_sets_are_read_in_the_order_of_their_packets(tmp_path: Path) -> None:
    """One connection over three files, whose names say another order; and one that is no capture."""
    whole = talk().segments
    captures.write(tmp_path / "b.pcap", captures.pcap(frames(whole[:4])))
    captures.write(tmp_path / "c.pcap", captures.pcapng(frames(whole[4:6])))
    captures.write(tmp_path / "a.pcap", gzip.compress(captures.pcap(frames(whole[6:]))))
    captures.write(tmp_path / "notes.txt", b"captured on a Monday")
    captures.write(tmp_path / "empty.pcap", b"")
    for name in (tmp_path, str(tmp_path / "*.pcap")):
        with open_source(name) as source:
            reader = Reader(source).read()
            assert reader.streams == [STREAMS]
            assert reader.collector.connections[0].kind == "fin"
            assert reader.table.counts["packets"] == source.packets.packets == len(whole)


def test_a_damaged_file_of_a_set_does_not_hide_the_others(tmp_path: Path) -> None:
    captures.write(tmp_path / "1", talk(START_NS, 1).capture + b"\xff" * 64)
    captures.write(tmp_path / "2", talk(START_NS + 10**9, 2).capture)
    with open_source(tmp_path) as source:
        reader = Reader(source)
        with pytest.raises(DecodeError):
            reader.read()
        assert reader.read().streams == [STREAMS, STREAMS]


def test_a_growing_file_is_followed_through_half_records(tmp_path: Path) -> None:
    data = talk().capture
    path = captures.write(tmp_path / "grows.pcap", b"")
    with open_source(path, follow=True) as source, path.open("ab", buffering=0) as file:
        assert source.is_live
        reader = Reader(source)
        assert reader.fill() is Filled.SILENT
        for start in range(0, len(data), 501):
            file.write(data[start : start + 501])
            reader.fill(0.06)
        reader.until(lambda: reader.streams == [STREAMS])
        assert reader.fill() is Filled.SILENT


def test_a_file_that_begins_anew_is_another_capture(tmp_path: Path) -> None:
    """Truncated and written again, as tcpdump -W does, or replaced by another of its name."""
    path = captures.write(tmp_path / "a.pcap", talk(START_NS, 1).capture)
    with open_source(path, follow=True) as source:
        reader = Reader(source)
        reader.until(lambda: len(reader.streams) == 1)
        with path.open("wb") as file:
            file.write(captures.pcapng(frames(talk(START_NS + 10**9, 2).segments[:5])))
        reader.until(lambda: len(reader.streams) == 2)
        other = captures.write(tmp_path / "other", talk(START_NS + 2 * 10**9, 3).capture)
        other.rename(path)
        reader.until(lambda: len(reader.streams) == 3 and reader.streams[2] == STREAMS)
        assert reader.streams[0] == STREAMS


def test_rotating_files_are_followed(tmp_path: Path) -> None:
    """A writer that begins a new file every now and then, and deletes old ones."""
    done = threading.Event()

    def write() -> None:
        for number in range(8):
            made = talk(START_NS + number * 10**9, 5000 + number)
            data = made.capture
            with (tmp_path / f"ring_{7 - number:05}.pcap").open("wb", buffering=0) as file:
                for start in range(0, len(data), 3000):
                    file.write(data[start : start + 3000])
                    time.sleep(0.002)
            if number >= 6:
                (tmp_path / f"ring_{7 - number + 6:05}.pcap").unlink()
        done.set()

    writer = threading.Thread(target=write)
    with open_source(str(tmp_path / "ring_*.pcap"), follow=True) as source:
        assert isinstance(source, FileSetSource)
        reader = Reader(source)
        writer.start()
        reader.until(lambda: len(reader.streams) == 8 and reader.streams[-1] == STREAMS)
        writer.join()
        assert reader.streams == [STREAMS] * 8
        assert [connection.client[1] for connection in reader.collector.connections] == list(range(5000, 5008))
        assert done.is_set()


# --------------------------------------------------------------------------------------------------------- interfaces


def test_names_that_are_nothing() -> None:
    with pytest.raises(FileNotFoundError):
        open_source("no-such-interface-or-file")


def test_without_a_ring_or_libpcap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "IS_SUPPORTED", False)
    monkeypatch.setitem(__import__("sys").modules, "pcapy", None)
    with pytest.raises(UnsupportedError, match=r"dicomwire\[capture\]") as caught:
        open_source("lo" if "lo" in dict(map(reversed, socket.if_nameindex())) else "lo0")  # type: ignore[arg-type]
    assert caught.value.extra == "capture"


def exchange(count: int) -> None:
    """Send so many bytes over the loopback interface, and an answer back."""

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            while connection.recv(1 << 20):
                pass
            connection.sendall(STREAMS[1])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve, args=(listening,))
        server.start()
        with socket.create_connection(listening.getsockname()) as client:
            client.sendall(bytes(count))
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == STREAMS[1]
        server.join()


@pytest.fixture(params=["ring", "libpcap"])
def loopback(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A capture of the loopback interface; skips where this machine does not allow it."""
    if request.param == "libpcap":
        try:
            __import__("pcapy")
        except ImportError:
            missing("pcapy-ng is not installed")
        monkeypatch.setattr(live, "IS_SUPPORTED", False)
    elif not IS_SUPPORTED:
        pytest.skip("a ring needs Linux")
    try:
        return open_source("lo")
    except OSError as error:  # also for libpcap, whose errors have no class of their own
        pytest.skip(f"capturing is not allowed: {error}")


def test_an_interface_shows_whole_streams(loopback: Source) -> None:
    with loopback as source:
        assert source.is_live
        assert source.name == "lo"
        reader = Reader(source)
        exchange(3_000_000)

        def is_there() -> bool:
            return any(streams[0] == bytes(3_000_000) and streams[1] == STREAMS[1] for streams in reader.streams)

        reader.until(is_there)
        assert source.drops == 0
        (found,) = [one for one in reader.collector.connections if len(one.streams[0]) == 3_000_000]
        assert found.from_start
        assert not [event for event in found.events if event[0] == "gap"]


@pytest.mark.skipif(not IS_SUPPORTED, reason="a ring needs Linux")
def test_a_ring_that_nobody_empties_drops_and_counts() -> None:
    try:
        ring = Ring("lo", blocks=2)
    except PermissionError as error:
        pytest.skip(f"capturing is not allowed: {error}")
    exchange(8_000_000)
    assert ring.wait(2000)
    assert ring.count_drops() > 0
    table = FlowTable(collector := StreamCollector())
    while table.run(ring):
        pass
    assert not ring.wait(0)
    ring.close()
    with pytest.raises(ValueError, match="closed"):
        ring.wait(0)
    while table.finish():
        pass
    assert any(connection.streams[0] for connection in collector.connections)


@pytest.mark.skipif(not IS_SUPPORTED, reason="a ring needs Linux")
def test_rings_that_cannot_be() -> None:
    with pytest.raises(OSError, match=r"no interface|No such device"):
        Ring("no-such-interface")
    with pytest.raises(ValueError, match="blocks"):
        Ring("lo", blocks=1)


