"""Intake: what a thread receives, writes and leaves is what a PDUReader finds in the same bytes, however they come."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from _dicomwire.intake import CLOSED, ENDED, NOT_WRITTEN, OTHER, REQUEST, SILENT, TURN_OVER, WOKEN, Intake
from _dicomwire.pdu import ControlPDU, InvalidPDU, PDUReader, PDVRun, join
from _dicomwire.pdv import message_buffers
from tests.oracles.framing import Item, fragments, frame, merged, p_data

COMMAND, LAST = 1, 2
RELEASE_RQ = bytes.fromhex("05 00 00000004 00000000")
# Group length, Affected SOP Class UID and Command Field; nobody here looks at what is behind them.
STORE = bytes(12) + b"\0\0\2\0\4\0\0\0" + b"1.2\0" + b"\0\0\0\1\2\0\0\0\1\0" + bytes(range(66))
OTHER_COMMAND = STORE.replace(b"\2\0\0\0\1\0", b"\2\0\0\0\x20\0")
NO_LIMIT = (1 << 64) - 1


class Line:
    """An Intake at the end of a connection, and the other end in the hands of the test."""

    def __init__(self, size: int = 4096) -> None:
        self.peer, self.own = socket.socketpair()
        self.own.setblocking(False)
        self.peer.settimeout(10)
        self.wake, self.waker = os.pipe()
        self.intake = Intake(size)
        self.reader = PDUReader(max_control_length=300)

    def close(self) -> None:
        self.peer.close()
        self.own.close()
        os.close(self.wake)
        os.close(self.waker)

    def next_request(self, patience: int = 0) -> int:
        return self.intake.next_request(self.reader, self.own.fileno(), self.wake, patience)

    def pass_on(
        self,
        file: int = -1,
        *,
        context_id: int = 1,
        first: bytes | None = None,
        limit: int = NO_LIMIT,
        patience: int = 0,
        turn: int = 10_000,
    ) -> int:
        return self.intake.pass_on(
            self.reader, self.own.fileno(), self.wake, context_id, file, first, limit, patience, turn
        )

    def rest(self) -> list[Item]:
        """What the reader finds in what is left of the window."""
        return plain(self.reader.feed(self.intake.rest()))

    def receive(self) -> list[Item]:
        """What the reader finds in what is there."""
        assert self.intake.receive(self.own.fileno(), self.wake, 0) == ENDED
        return self.rest()


@pytest.fixture
def line() -> Iterator[Line]:
    one = Line()
    yield one
    one.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Callable[[], bytes]]:
    """What a file holds; its descriptor is the attribute of that name."""
    path = tmp_path / "file"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)

    def read() -> bytes:
        return path.read_bytes()

    read.descriptor = descriptor  # type: ignore[attr-defined]
    yield read
    os.close(descriptor)


def number(file: Callable[[], bytes]) -> int:
    descriptor: int = file.descriptor  # type: ignore[attr-defined]
    return descriptor


def plain(items: list[ControlPDU | PDVRun | InvalidPDU]) -> list[Item]:
    result: list[Item] = []
    for item in items:
        if isinstance(item, PDVRun):
            result.append(("run", item.context_id, item.is_command, item.is_last, join(item.views)))
        elif isinstance(item, ControlPDU):
            result.append(("control", item.pdu_type, item.data))
        else:
            result.append(("invalid", item.abort_reason, item.offset))
    return result


# ----------------------------------------------------------------------------------------------------- split invariance


def loop(line: Line, chunks: list[bytes], write: int) -> list[Item]:
    """Do with a stream, chunk by chunk, what a thread does; return what it carries, and write its data sets."""
    items: list[Item] = []
    data_set_of = where = 0  # the context of the data set that has begun

    def taken(new: list[Item]) -> None:
        nonlocal data_set_of
        for item in new:
            items.append(item)
            if item[0] == "run" and item[2]:
                data_set_of = int(str(item[1])) if item[3] else 0
            elif item[0] == "run":
                os.write(write, item[4])  # type: ignore[arg-type]
                if item[3]:
                    data_set_of = 0

    for chunk in chunks:
        line.peer.sendall(chunk)
        while True:
            if line.reader.is_in_control:
                # A thread leaves these to the loop.
                why = line.intake.receive(line.own.fileno(), line.wake, 0)
                taken(line.rest())
                if why != ENDED:
                    break
                continue
            if not data_set_of:
                why = line.next_request()
                if line.intake.command is not None:
                    taken([("run", line.intake.context_id, True, True, line.intake.command)])
                if why == REQUEST:
                    shown = line.intake.view[line.intake.data_start : line.intake.data_end]
                    assert len(shown) > 0
                    assert line.intake.start <= line.intake.data_start < line.intake.data_end <= line.intake.end
                    beginning = bytes(shown)
                    where = os.lseek(write, 0, os.SEEK_CUR)
                    context_id = data_set_of
                    assert context_id == line.intake.context_id
                else:
                    beginning = b""
                if why in (SILENT, CLOSED):
                    assert line.intake.start == line.intake.end
                    break
                if why == OTHER:
                    taken(line.rest())
                    continue
            else:
                beginning = b""
            context_id = data_set_of
            before = line.reader.offset
            why = line.pass_on(write, context_id=context_id)
            assert line.reader.offset >= before
            if line.intake.passed or line.intake.ended:
                # Written already: read back.
                length = line.intake.passed
                data = os.pread(write, length, os.lseek(write, 0, os.SEEK_CUR) - length)
                assert len(data) == length
                items.append(("run", context_id, False, line.intake.ended, data))
            assert os.pread(write, len(beginning), where) == beginning
            if line.intake.ended:
                data_set_of = 0
            if why == OTHER:
                taken(line.rest())
                if items and items[-1][0] == "invalid":
                    return items
            elif why in (SILENT, CLOSED):
                break
        if items and items[-1][0] == "invalid":
            break
    return items


def message(data: bytes, length: int, context_id: int = 1) -> bytes:
    return b"".join(map(bytes, message_buffers(context_id, STORE, data, length)))


DATA = random.Random(7).randbytes(9001)

STREAMS = {
    "small PDUs": message(DATA[:3000], 50),
    "usual PDUs": message(DATA, 1000) + message(DATA[:2000], 1000, 3),
    "one PDU": message(DATA, 0) + message(b"", 0) + message(DATA[:1], 0),
    "several values in a PDU": p_data(
        (1, COMMAND | LAST, STORE), (1, 0, DATA[:100]), (1, 0, b""), (1, 0, DATA[100:900]), (1, LAST, DATA[900:1000])
    )
    + p_data((1, COMMAND | LAST, STORE), (1, LAST, DATA[:50]))
    + p_data((3, COMMAND | LAST, STORE), (3, 0, DATA[:70]))
    + p_data((3, LAST, b"")),
    "the next command in the PDU of the last fragment": p_data((1, COMMAND | LAST, STORE))
    + p_data((1, 0, DATA[:500]))
    + p_data((1, LAST, DATA[500:700]), (1, COMMAND | LAST, STORE[:60]), (1, 0, DATA[:30]))
    + p_data((1, LAST, DATA[30:31])),
    "a command in pieces": fragments(1, True, STORE, 30) + fragments(1, False, DATA[:500], 100) + message(DATA, 2000),
    "a command that is too long to be kept": fragments(1, True, STORE * 20, 4000) + fragments(1, False, DATA, 999),
    "commands without data sets": p_data((1, COMMAND | LAST, STORE)) * 3 + message(DATA[:999], 333),
    "a control PDU in the middle": message(DATA[:999], 333)[:-100] + b"",
    "commands that are no C-STORE-RQ": p_data((1, COMMAND | LAST, OTHER_COMMAND)) * 2
    + message(DATA[:99], 40)
    + p_data((1, COMMAND | LAST, OTHER_COMMAND), (1, LAST, b"identifier")),
    "a release at the end": message(DATA[:999], 333) + RELEASE_RQ,
    "a release after a half data set": p_data((1, COMMAND | LAST, STORE)) + p_data((1, 0, DATA[:400])) + RELEASE_RQ,
    "an association request that is long": message(DATA[:99], 333) + b"\1\0" + struct.pack(">I", 200) + bytes(200),
    "another context": p_data((1, COMMAND | LAST, STORE))
    + p_data((1, 0, DATA[:400]))
    + p_data((3, 0, DATA[:40]))
    + p_data((3, LAST, DATA[:9])),
    "a command within a data set": p_data((1, COMMAND | LAST, STORE))
    + p_data((1, 0, DATA[:400]), (1, COMMAND | LAST, STORE))
    + p_data((1, LAST, DATA[:9])),
    "empty fragments first": p_data((1, COMMAND | LAST, STORE), (1, 0, b""))
    + p_data((1, 0, b""), (1, 0, DATA[:10]))
    + p_data((1, LAST, b"")),
    "HTTP": message(DATA[:999], 333) + b"GET / HTTP/1.1\r\n\r\n",
    "HTTP in a data set": p_data((1, COMMAND | LAST, STORE)) + p_data((1, 0, DATA[:400])) + b"GET / HTTP/1.1\r\n\r\n",
    "a value that is too long": p_data((1, COMMAND | LAST, STORE))
    + struct.pack(">BxIIBB", 4, 20, 99, 1, 0)
    + bytes(300),
    "a value that is too short": p_data((1, COMMAND | LAST, STORE), (1, 0, DATA[:30]))
    + struct.pack(">BxIIBB", 4, 20, 1, 1, 0)
    + bytes(300),
    "a PDU without a value": p_data((1, COMMAND | LAST, STORE), (1, 0, DATA[:30])) + struct.pack(">BxI", 4, 0) + b"x",
    "a release of a wrong length": p_data((1, COMMAND | LAST, STORE), (1, 0, DATA[:9])) + b"\5\0\0\0\0\5" + bytes(9),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_same_however_it_is_cut(name: str, tmp_path: Path) -> None:
    stream = STREAMS[name]
    noise = random.Random(name)
    expected = merged(frame(stream, 300))
    data = b"".join(item[4] for item in expected if item[0] == "run" and not item[2])  # type: ignore[misc]
    cuttings: list[tuple[int, list[int]]] = [(65536, []), (4096, []), (512, [])]
    if len(stream) < 2500:
        cuttings.append((64, list(range(len(stream)))))
    for _ in range(20):
        cuts = sorted(noise.randrange(len(stream) + 1) for _ in range(noise.randrange(1, 12)))
        cuttings.append((noise.choice((7, 64, 300, 4096, 65536)), cuts))
    for count, (size, cuts) in enumerate(cuttings):
        line = Line(size)
        write = os.open(tmp_path / str(count), os.O_RDWR | os.O_CREAT)
        try:
            chunks = [stream[start:stop] for start, stop in pairwise([0, *cuts, len(stream)])]
            found = merged(loop(line, chunks, write))
            broken = bool(expected) and expected[-1][0] == "invalid"
            assert found == expected, (size, cuts)
            assert (tmp_path / str(count)).read_bytes() == data
            if not broken:
                twin = PDUReader(max_control_length=300)
                twin.feed(stream)
                assert (line.reader.offset, line.reader.is_between_pdus, line.reader.pending_bytes) == (
                    twin.offset,
                    twin.is_between_pdus,
                    twin.pending_bytes,
                )
                ending = p_data((9, LAST, b"end")) if twin.is_between_pdus else b"\0" * 5
                assert plain(line.reader.feed(ending)) == plain(twin.feed(ending))
        finally:
            os.close(write)
            line.close()


# --------------------------------------------------------------------------------------------------------- next_request


def test_a_request_shows_the_beginning_of_its_data_set(line: Line) -> None:
    line.peer.sendall(p_data((5, COMMAND | LAST, STORE)) + p_data((5, 0, b"beginning")) + p_data((5, LAST, b"rest")))
    assert line.next_request() == REQUEST
    intake = line.intake
    assert (intake.command, intake.context_id) == (STORE, 5)
    assert bytes(intake.view[intake.data_start : intake.data_end]) == b"beginning"
    assert line.reader.offset == 12 + len(STORE)
    assert line.rest() == [("run", 5, False, True, b"beginningrest")]


def test_without_anything_it_is_silent_and_has_no_command(line: Line) -> None:
    assert (line.next_request(), line.intake.command) == (SILENT, None)
    line.peer.sendall(p_data((5, COMMAND | LAST, STORE)))
    assert (line.next_request(), line.intake.command) == (SILENT, STORE)
    assert line.intake.start == line.intake.end
    assert (line.next_request(), line.intake.command) == (SILENT, None)
    line.peer.close()
    assert (line.next_request(), line.intake.command) == (CLOSED, None)


def test_whoever_writes_to_the_pipe_is_heard_when_nothing_comes(line: Line) -> None:
    os.write(line.waker, b"\0")
    assert line.next_request(10_000) == WOKEN
    assert line.pass_on(patience=10_000) == WOKEN
    assert line.intake.receive(line.own.fileno(), line.wake, 10_000) == WOKEN
    line.peer.sendall(p_data((1, LAST, b"data")))
    assert (line.pass_on(), line.intake.passed) == (ENDED, 4)


@pytest.mark.parametrize(
    "command",
    [
        OTHER_COMMAND,
        b"",
        STORE[:33],
        STORE[:29],
        STORE[12:],
        STORE.replace(b"\0\0\2\0", b"\0\0\3\0"),
        STORE[:16] + b"\xff\xff\xff\xff" + STORE[20:],
        STORE[:16] + b"\5\0\0\0" + STORE[20:],
    ],
)
def test_other_commands_are_not_waited_with(line: Line, command: bytes) -> None:
    line.peer.sendall(p_data((5, COMMAND | LAST, command)))
    assert (line.next_request(10_000), line.intake.command) == (OTHER, None)
    assert line.rest() == [("run", 5, True, True, command)]


def test_a_command_that_ends_with_its_field(line: Line) -> None:
    line.peer.sendall(p_data((5, COMMAND | LAST, STORE[:34])))
    assert (line.next_request(), line.intake.command) == (SILENT, STORE[:34])


@pytest.mark.parametrize("length", [1024, 1025])
def test_longer_commands_are_left_to_the_reader(line: Line, length: int) -> None:
    command = STORE + bytes(length - len(STORE))
    line.peer.sendall(p_data((1, COMMAND | LAST, command), (1, LAST, b"data")))
    if length == 1024:
        assert (line.next_request(), line.intake.command) == (REQUEST, command)
        assert line.rest() == [("run", 1, False, True, b"data")]
    else:
        assert (line.next_request(), line.intake.command) == (OTHER, None)
        assert line.rest() == [("run", 1, True, True, command), ("run", 1, False, True, b"data")]


@pytest.mark.parametrize(
    "behind",
    [
        p_data((3, LAST, b"another context")),
        p_data((1, COMMAND | LAST, b"another command")),
        p_data((1, LAST, b"")),
        RELEASE_RQ,
        b"GET / HTTP/1.1",
    ],
)
def test_what_is_not_its_data_set_is_left_behind_the_command(line: Line, behind: bytes) -> None:
    line.peer.sendall(p_data((1, COMMAND | LAST, STORE)) + behind)
    assert (line.next_request(), line.intake.command) == (OTHER, STORE)
    twin = PDUReader()
    twin.feed(p_data((1, COMMAND | LAST, STORE)))
    assert line.rest() == plain(twin.feed(behind))


def test_it_waits_for_the_data_set(line: Line) -> None:
    line.peer.sendall(p_data((1, COMMAND | LAST, STORE)))
    late = threading.Timer(0.05, line.peer.sendall, [p_data((1, LAST, b"data"))])
    late.start()
    assert (line.next_request(10_000), line.intake.command) == (REQUEST, STORE)
    late.join()
    assert (line.pass_on(), line.intake.passed, line.intake.ended) == (ENDED, 4, True)


# -------------------------------------------------------------------------------------------------------------- pass_on


def test_first_is_written_in_front_also_when_nothing_comes(line: Line, file: Callable[[], bytes]) -> None:
    assert line.pass_on(number(file), first=b"meta ") == SILENT
    assert (line.intake.passed, line.intake.ended, file()) == (0, False, b"meta ")
    line.peer.sendall(p_data((1, LAST, b"data")))
    assert line.pass_on(number(file), first=b"more ") == ENDED
    assert (line.intake.passed, line.intake.ended, file()) == (4, True, b"meta more data")
    line.peer.sendall(RELEASE_RQ)
    assert (line.pass_on(number(file), first=b"!"), file()) == (OTHER, b"meta more data!")
    assert line.rest() == [("control", 5, RELEASE_RQ)]
    line.peer.close()
    assert (line.pass_on(number(file), first=b"?"), file()) == (CLOSED, b"meta more data!?")


def test_first_goes_nowhere_without_a_file(line: Line) -> None:
    line.peer.sendall(p_data((1, LAST, b"data")))
    assert (line.pass_on(first=b"meta"), line.intake.passed) == (ENDED, 4)


@pytest.mark.parametrize("limit", [0, 5, 9, 10, 14, 15, 100])
def test_a_fragment_over_the_limit_is_for_the_reader(line: Line, file: Callable[[], bytes], limit: int) -> None:
    line.peer.sendall(p_data((1, 0, b"01234")) + p_data((1, 0, b"56789"), (1, LAST, b"abcde")))
    why = line.pass_on(number(file), limit=limit)
    taken = min(limit // 5 * 5, 15)
    assert (why, line.intake.passed, line.intake.ended) == (ENDED if limit >= 15 else OTHER, taken, limit >= 15)
    assert file() == b"0123456789abcde"[:taken]
    assert b"".join(item[4] for item in line.rest()) == b"0123456789abcde"[taken:]  # type: ignore[misc]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 128, 129, 300])
def test_any_number_of_fragments_in_a_window(file: Callable[[], bytes], count: int) -> None:
    """One call of the system takes 64 pieces, of which `first` is one."""
    line = Line(1 << 16)
    data = [b"%03d." % k for k in range(count)]
    line.peer.sendall(b"".join(p_data((1, LAST * (k == count - 1), piece)) for k, piece in enumerate(data)))
    assert line.pass_on(number(file), first=b"first.") == ENDED
    assert file() == b"first." + b"".join(data)
    line.close()


def test_a_turn_ends_between_two_windows(line: Line, file: Callable[[], bytes]) -> None:
    pdu = p_data((1, 0, bytes(1000)))
    line.peer.sendall(pdu * 20)
    counts = 0
    while (why := line.pass_on(number(file), turn=0)) == TURN_OVER:
        counts += line.intake.passed
        assert line.intake.start == line.intake.end
    assert (why, counts, len(file())) == (SILENT, 20_000, 20_000)


def full() -> int:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    return os.open("/dev/full", os.O_WRONLY)


def test_a_file_that_takes_no_more(line: Line) -> None:
    descriptor = full()
    with contextlib.closing(line.peer):
        line.peer.sendall(p_data((1, 0, b"data")))
        assert line.pass_on(descriptor) == NOT_WRITTEN
        assert (line.intake.failure, line.intake.passed, line.intake.ended) == (errno.ENOSPC, 4, False)
        assert line.rest() == []
        line.peer.sendall(p_data((1, LAST, b"end")) + p_data((1, COMMAND | LAST, STORE)))
        assert line.pass_on(descriptor) == NOT_WRITTEN
        assert (line.intake.passed, line.intake.ended) == (3, True)
        assert line.rest() == [("run", 1, True, True, STORE)]
        assert line.pass_on(descriptor, first=b"meta") == NOT_WRITTEN
        assert (line.intake.failure, line.intake.passed, line.intake.ended) == (errno.ENOSPC, 0, False)
    os.close(descriptor)


def test_a_file_that_takes_no_more_of_many_fragments() -> None:
    """The 64th piece is written; what of the window comes behind it is left to the reader."""
    line, descriptor = Line(1 << 16), full()
    line.peer.sendall(b"".join(p_data((1, LAST * (k == 99), b"%03d" % k)) for k in range(100)))
    assert line.pass_on(descriptor) == NOT_WRITTEN
    assert (line.intake.failure, line.intake.passed, line.intake.ended) == (errno.ENOSPC, 64 * 3, False)
    assert line.rest() == [("run", 1, False, True, b"".join(b"%03d" % k for k in range(64, 100)))]
    os.close(descriptor)
    line.close()


def test_a_file_that_takes_a_part_at_a_time(line: Line) -> None:
    """A pipe with room for less than comes, read slowly."""
    data = random.Random(1).randbytes(300_000)
    read, write = os.pipe()
    got = bytearray()

    def drain() -> None:
        while piece := os.read(read, 1777):
            got.extend(piece)

    reading = threading.Thread(target=drain)
    sending = threading.Thread(
        target=line.peer.sendall, args=[b"".join(map(bytes, message_buffers(1, STORE, data, 5000)))]
    )
    reading.start()
    sending.start()
    try:
        assert line.next_request(10_000) == REQUEST
        assert line.pass_on(write, first=b"meta", patience=10_000, turn=-1) == ENDED
    finally:
        os.close(write)
        sending.join(20)
        reading.join(20)
        os.close(read)
    assert bytes(got) == b"meta" + data


def test_a_file_that_is_not_one(line: Line) -> None:
    line.peer.sendall(p_data((1, 0, b"data")))
    read, write = os.pipe()
    os.close(write)
    assert (line.pass_on(read), line.intake.failure) == (NOT_WRITTEN, errno.EBADF)
    os.close(read)


def test_a_reader_in_the_middle_of_a_control_pdu_is_refused(line: Line) -> None:
    line.reader.feed(RELEASE_RQ[:8])
    for call in (line.next_request, line.pass_on):
        with pytest.raises(RuntimeError, match="control PDU"):
            call()


def test_a_stream_that_is_broken_stays_broken(line: Line) -> None:
    assert line.reader.feed(b"GET / HTTP/1.1")
    line.peer.sendall(p_data((1, LAST, b"data")))
    assert (line.pass_on(), line.intake.passed) == (OTHER, 0)
    assert line.rest() == []


def test_a_connection_that_is_reset(line: Line) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    peer = socket.create_connection(listener.getsockname())
    own, _ = listener.accept()
    own.setblocking(False)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    assert line.intake.receive(own.fileno(), line.wake, 10_000) == CLOSED
    assert line.intake.pass_on(line.reader, own.fileno(), line.wake, 1, -1, None, 9, 10_000, 0) == CLOSED
    own.close()
    listener.close()


def test_windows_have_a_size() -> None:
    assert len(Intake().view) == 1 << 17
    for size in (0, -1):
        with pytest.raises(ValueError, match="window"):
            Intake(size)


def test_arguments_are_checked(line: Line) -> None:
    with pytest.raises(TypeError):
        line.intake.next_request(None, 0, 0, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        line.intake.pass_on(None, 0, 0, 0, 0, None, 0, 0, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        line.intake.pass_on(line.reader, 0, 0, 0, 0, bytearray(1), 0, 0, 0)  # type: ignore[arg-type]


def test_damaged_streams(tmp_path: Path) -> None:
    """Row 50 of the malformed inputs: nothing is written or left that the slow twin does not find."""
    noise = random.Random(50)
    streams = [stream for stream in STREAMS.values() if len(stream) < 3000]
    for count in range(400):
        stream = bytearray(noise.choice(streams))
        for _ in range(noise.choice((1, 1, 2, 4))):
            at = noise.randrange(len(stream))
            kind = noise.randrange(4)
            if kind == 0:
                stream[at] ^= 1 << noise.randrange(8)
            elif kind == 1:
                stream[at : at + 4] = noise.choice((bytes(4), b"\xff" * 4, b"\0\0\0\2", b"GET ", b"\4\0\0\0"))
            elif kind == 2:
                del stream[at : at + noise.randrange(1, 16)]
            else:
                stream[at:at] = noise.choice(streams)[: noise.randrange(200)]
        whole = bytes(stream)
        expected = merged(frame(whole, 300))
        line = Line(noise.choice((7, 64, 300, 4096)))
        write = os.open(tmp_path / str(count), os.O_RDWR | os.O_CREAT)
        cuts = sorted(noise.randrange(len(whole) + 1) for _ in range(noise.randrange(6)))
        chunks = [whole[start:stop] for start, stop in pairwise([0, *cuts, len(whole)])]
        assert merged(loop(line, chunks, write)) == expected
        data = b"".join(item[4] for item in expected if item[0] == "run" and not item[2])  # type: ignore[misc]
        assert (tmp_path / str(count)).read_bytes() == data
        os.close(write)
        line.close()
