"""Deposits: an instance is in its file, under its name and with its answer, or is left to whoever asked, as it is."""

from __future__ import annotations

import gc
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from _dicomwire.deposit import LATER, NEW, REPLACES, STORED, UNUSUAL, Deposit, Place
from _dicomwire.intake import CLOSED, ENDED, NOT_WRITTEN, OTHER, REQUEST, SILENT, WOKEN, Intake
from _dicomwire.pdu import PDUReader
from _dicomwire.pdv import fragment
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.dimse.messages import CStoreRQ, CStoreRSP, decode_message
from dicomwire.file.instance_file import file_meta_information, meta_around_instance
from tests.net.raw import message_bytes
from tests.net.storage.instances import CT, MR, data_set, files_in

PREFIX = b".test-"
INSTANCE = "1.2.3.4"
TITLE = "SENDER"


def request(instance: str = INSTANCE, *, sop_class: str = CT, number: int = 7, **options: object) -> CStoreRQ:
    return CStoreRQ(
        message_id=number,
        affected_sop_class_uid=UID(sop_class),
        affected_sop_instance_uid=UID(instance),
        **options,  # type: ignore[arg-type]
    )


def place(
    folder: Path | None,
    *,
    start: str = "",
    ending: str = ".dcm",
    syntax: str = ExplicitVRLittleEndian,
    naming: int = NEW,
    is_looked_for: bool = True,
    checks: bool = True,
    max_length: int = 0,
    title: str = TITLE,
) -> Place:
    return Place(
        CT.encode(),
        *meta_around_instance(CT, syntax, title),
        None if folder is None else f"{folder}/{start}".encode(),
        ending.encode(),
        naming=naming,
        is_looked_for=is_looked_for,
        checks=checks,
        explicit_vr=syntax != ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        max_length=max_length,
    )


def whole(instance: str = INSTANCE, encoded: bytes | None = None, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The file that an instance becomes."""
    encoded = encoded if encoded is not None else data_set(instance, syntax=syntax)
    return file_meta_information(CT, instance, syntax, TITLE) + encoded


class Line:
    """Both ends of a connection, and what a thread has."""

    def __init__(self) -> None:
        self.peer, self.own = socket.socketpair()
        self.own.setblocking(False)
        self.peer.settimeout(10)
        self.wake, self.waker = os.pipe()
        self.intake, self.deposit, self.reader = Intake(4096), Deposit(PREFIX), PDUReader(max_control_length=300)

    def close(self) -> None:
        self.peer.close()
        self.own.close()
        os.close(self.wake)
        os.close(self.waker)

    def receive(self, place: Place, *, patience: int = 0) -> int:
        why = self.intake.next_request(self.reader, self.own.fileno(), self.wake, patience)
        assert why == REQUEST
        return self.go_on(place, patience)

    def go_on(self, place: Place, patience: int = 0) -> int:
        return self.deposit.receive(self.intake, self.reader, place, self.own.fileno(), self.wake, patience, 10_000)

    def store(self, place: Place, instance: str = INSTANCE, encoded: bytes | None = None, length: int = 1024) -> int:
        encoded = encoded if encoded is not None else data_set(instance)
        self.peer.sendall(message_bytes(1, request(instance), encoded, length))
        return self.receive(place)

    def answer(self, status: int = 0) -> bytes:
        assert self.deposit.answer(self.own.fileno(), status, 16384) is None
        return self.peer.recv(1000)


@pytest.fixture
def line() -> Iterator[Line]:
    one = Line()
    yield one
    one.deposit.discard()
    one.close()


# ----------------------------------------------------------------------------------------------------- what is as usual


@pytest.mark.parametrize("instance", ["1", "1.2.3.4", "1.2.3.45", "1." + "2" * 62])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("pixels", [0, 1000, 20_001])
def test_the_file_is_what_was_sent_behind_its_meta_information(
    line: Line, tmp_path: Path, instance: str, syntax: str, pixels: int
) -> None:
    encoded = data_set(instance, syntax=syntax, pixels=pixels)
    assert line.store(place(tmp_path, syntax=syntax), instance, encoded) == STORED
    assert files_in(tmp_path) == [f"{instance}.dcm"]
    path = tmp_path / f"{instance}.dcm"
    assert path.read_bytes() == whole(instance, encoded, syntax)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert line.deposit.path == str(path)
    assert line.deposit.size == path.stat().st_size
    assert line.deposit.hand_over() is None
    assert decode_message(line.deposit.command) == request(instance, command_data_set_type=1)


def test_one_after_the_other(line: Line, tmp_path: Path) -> None:
    """Also of several that came at once, and without another file being open at the end."""
    where = place(tmp_path)
    stream = (message_bytes(1, request(f"1.{k}"), data_set(f"1.{k}", pixels=k), 128) for k in range(20))
    line.peer.sendall(b"".join(stream))
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for k in range(20):
        assert line.receive(where) == STORED
        assert (tmp_path / f"1.{k}.dcm").read_bytes() == whole(f"1.{k}", data_set(f"1.{k}", pixels=k))
        assert len(files_in(tmp_path)) == k + 1
    assert before == (len(os.listdir("/proc/self/fd")) if before else 0)


def test_without_a_folder_it_is_counted(line: Line) -> None:
    assert line.store(place(None)) == STORED
    assert line.deposit.size == len(whole())


@pytest.mark.parametrize(("start", "ending"), [("a/", ""), ("a/b-", "/x.dcm"), ("b/a/", ".dcm")])
def test_names_around_the_uid(line: Line, tmp_path: Path, start: str, ending: str) -> None:
    path = tmp_path / f"{start}{INSTANCE}{ending}"
    where = place(tmp_path, start=start, ending=ending)
    assert line.store(where) == UNUSUAL  # there is no such folder
    path.parent.mkdir(parents=True)
    if ending.startswith("/"):
        assert line.go_on(where) == STORED
        assert path.read_bytes() == whole()
        return
    assert line.go_on(where) == STORED
    assert files_in(tmp_path) == [str(path.relative_to(tmp_path))]
    assert path.read_bytes() == whole()


@pytest.mark.parametrize("status", [0, 0xA700, 0xB000])
@pytest.mark.parametrize("instance", ["1.2.3.4", "1.2.3.45", "1." + "2" * 62])
def test_the_answer_is_what_a_message_encodes(line: Line, instance: str, status: int) -> None:
    assert line.store(place(None), instance) == STORED
    response = request(instance).response(status=status)
    assert isinstance(response, CStoreRSP)
    assert line.answer(status) == message_bytes(1, response, None, 16384)


def test_an_answer_that_the_peer_does_not_take(line: Line) -> None:
    assert line.store(place(None)) == STORED
    expected = line.answer()
    line.own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    sent, left = b"", None
    while left is None:
        left = line.deposit.answer(line.own.fileno(), 0, 0)
        sent += expected
    sent = sent[: len(sent) - len(left)]
    assert expected.endswith(left)
    assert left
    received = b""
    while len(received) < len(sent):
        received += line.peer.recv(1 << 20)
    assert received == sent
    with pytest.raises(ValueError, match="a peer that takes 100"):
        line.deposit.answer(line.own.fileno(), 0, 100)


def test_an_answer_to_nobody(line: Line) -> None:
    """The next who reads is told."""
    assert line.store(place(None)) == STORED
    line.peer.close()
    assert line.deposit.answer(line.own.fileno(), 0, 0) is None
    assert line.intake.next_request(line.reader, line.own.fileno(), line.wake, 0) == CLOSED


# -------------------------------------------------------------------------------------------------- what has to be seen


@pytest.mark.parametrize(
    "message",
    [
        message_bytes(1, request(sop_class=MR), data_set(sop_class=MR), 1024),
        message_bytes(1, request("1.02.3"), data_set("1.02.3"), 1024),
        message_bytes(1, request(), data_set("1.2.3.5"), 1024),
        message_bytes(1, request(), data_set(sop_class=MR), 1024),
        b"".join(
            fragment(1, True, request().encode(has_data_set=True), 1024) + fragment(1, False, data_set(), 40)
        ),
        message_bytes(1, request(), bytes(100), 1024),
        message_bytes(1, request(), b"\0\0", 1024),
    ],
    ids=["class", "UID", "instance", "class of data", "in pieces", "nothing", "short"],
)
def test_what_is_unusual_is_as_if_nobody_had_looked(line: Line, tmp_path: Path, message: bytes) -> None:
    line.peer.sendall(message + message_bytes(1, request("1.1"), data_set("1.1"), 1024))
    where = place(tmp_path)
    assert line.receive(where) == UNUSUAL
    assert files_in(tmp_path) == []
    assert line.deposit.hand_over() is None
    seen = line.intake.pass_on(line.reader, line.own.fileno(), line.wake, 1, -1, None, 1 << 40, 0, 10_000)
    assert seen == ENDED
    assert line.receive(where) == STORED
    assert files_in(tmp_path) == ["1.1.dcm"]


def test_without_checks_the_data_set_is_not_looked_at(line: Line, tmp_path: Path) -> None:
    where = place(tmp_path, checks=False)
    assert line.store(where, encoded=b"no data set") == STORED
    assert (tmp_path / f"{INSTANCE}.dcm").read_bytes() == whole(encoded=b"no data set")


@pytest.mark.parametrize("naming", [NEW, REPLACES])
def test_what_has_the_name_already(line: Line, tmp_path: Path, naming: int) -> None:
    path = tmp_path / f"{INSTANCE}.dcm"
    path.write_bytes(b"first")
    assert line.store(place(tmp_path, naming=naming)) == UNUSUAL
    assert path.read_bytes() == b"first"
    assert files_in(tmp_path) == [path.name]
    if naming == REPLACES:
        assert line.go_on(place(tmp_path, naming=naming, is_looked_for=False)) == STORED
        assert path.read_bytes() == whole()
        assert files_in(tmp_path) == [path.name]


def test_a_name_that_is_taken_meanwhile(line: Line, tmp_path: Path) -> None:
    """It stays, and what came is handed over with its temporary name."""
    path = tmp_path / f"{INSTANCE}.dcm"
    path.write_bytes(b"first")
    assert line.store(place(tmp_path, is_looked_for=False)) == ENDED
    assert path.read_bytes() == b"first"
    file = line.deposit.hand_over()
    assert file is not None
    descriptor, temporary, name = file
    assert (descriptor, name) == (-1, str(path))
    assert os.path.dirname(temporary) == str(tmp_path)
    assert os.path.basename(temporary).startswith(PREFIX.decode())
    assert temporary.endswith(".part")
    assert Path(temporary).read_bytes() == whole()
    assert line.deposit.hand_over() is None
    os.unlink(temporary)


@pytest.mark.parametrize("link", ["nowhere", "."])
def test_links_are_not_followed(line: Line, tmp_path: Path, link: str) -> None:
    path = tmp_path / f"{INSTANCE}.dcm"
    path.symlink_to(tmp_path / link)
    assert line.store(place(tmp_path)) == UNUSUAL
    assert line.go_on(place(tmp_path, is_looked_for=False)) == ENDED
    assert path.is_symlink()
    line.deposit.discard()
    assert files_in(tmp_path) in ([path.name], [])
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_is_named_later(line: Line, tmp_path: Path) -> None:
    assert line.store(place(tmp_path, naming=LATER)) == ENDED
    assert line.deposit.size == len(whole())
    file = line.deposit.hand_over()
    assert file is not None
    os.fsync(file[0])
    os.close(file[0])
    os.rename(file[1], file[2])
    assert (tmp_path / f"{INSTANCE}.dcm").read_bytes() == whole()
    assert files_in(tmp_path) == [f"{INSTANCE}.dcm"]


@pytest.mark.parametrize("first", [0, 40])
def test_what_does_not_come_to_its_end(line: Line, tmp_path: Path, first: int) -> None:
    encoded = data_set(pixels=5000)
    message = message_bytes(1, request(), encoded, 1024)
    where = place(tmp_path)
    line.peer.sendall(message[: 3000 + first])
    assert line.receive(where) == SILENT
    assert not line.intake.ended
    assert line.deposit.size == len(whole(encoded=b"")) + line.intake.passed
    os.write(line.waker, b"\0")
    file = line.deposit.hand_over()
    assert file is not None
    passed = line.intake.passed
    assert Path(file[1]).read_bytes() == whole(encoded=encoded[:passed])
    assert line.intake.pass_on(line.reader, line.own.fileno(), line.wake, 1, file[0], None, 1 << 40, 0, 1) == WOKEN
    line.peer.sendall(message[3000 + first :])
    assert line.intake.pass_on(line.reader, line.own.fileno(), line.wake, 1, file[0], None, 1 << 40, 0, 1000) == ENDED
    os.close(file[0])
    assert Path(file[1]).read_bytes() == whole(encoded=encoded)


def test_whoever_hangs_up_leaves_nothing(line: Line, tmp_path: Path) -> None:
    line.peer.sendall(message_bytes(1, request(), data_set(pixels=5000), 1024)[:3000])
    line.peer.close()
    assert line.receive(place(tmp_path)) == CLOSED
    assert len(files_in(tmp_path)) == 1
    line.deposit.discard()
    assert files_in(tmp_path) == []
    line.deposit.discard()


def test_the_next_instance_and_the_end_of_a_thread_leave_nothing(line: Line, tmp_path: Path) -> None:
    where = place(tmp_path)
    line.peer.sendall(message_bytes(1, request(), data_set(pixels=5000), 1024))
    assert line.receive(place(tmp_path, max_length=2000)) == OTHER
    assert len(files_in(tmp_path)) == 1
    line.intake.rest()
    other = Line()
    other.deposit = line.deposit
    assert other.store(where, "1.1") == STORED
    assert files_in(tmp_path) == ["1.1.dcm"]
    other.peer.sendall(message_bytes(1, request(), data_set(pixels=5000), 1024)[:3000])
    assert other.receive(where) == SILENT
    assert len(files_in(tmp_path)) == 2
    line.deposit = Deposit(PREFIX)
    other.close()
    del other
    gc.collect()
    assert files_in(tmp_path) == ["1.1.dcm"]


@pytest.mark.parametrize("limit", [1, 300, len(whole()) - 1, len(whole())])
def test_a_file_over_the_limit(line: Line, tmp_path: Path, limit: int) -> None:
    expected = STORED if limit == len(whole()) else OTHER
    assert line.store(place(tmp_path, max_length=limit)) == expected
    assert line.deposit.size <= max(limit, len(whole(encoded=b"")))


# ------------------------------------------------------------------------------------------------- what the system does


@contextmanager
def files_no_longer_than(length: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 200, 1000])
def test_a_disk_that_is_full(line: Line, tmp_path: Path, room: int) -> None:
    where = place(tmp_path)
    with files_no_longer_than(room):
        assert line.store(where) == NOT_WRITTEN
    assert line.intake.failure != 0
    assert line.intake.ended
    file = line.deposit.hand_over()
    assert file is not None
    assert os.stat(file[1]).st_size == room
    os.close(file[0])
    os.unlink(file[1])
    assert line.store(where, "1.1") == STORED
    assert files_in(tmp_path) == ["1.1.dcm"]


def test_a_folder_that_is_gone_or_none(line: Line, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert line.store(place(tmp_path / "file")) == UNUSUAL
    assert line.go_on(place(tmp_path / "missing")) == UNUSUAL
    assert line.go_on(place(tmp_path / ("x" * 300))) == UNUSUAL
    assert line.go_on(place(tmp_path, start="x" * 4096)) == UNUSUAL
    assert line.go_on(place(tmp_path, start="x" * 4000 + "/")) == UNUSUAL
    assert line.go_on(place(tmp_path)) == STORED


def test_a_name_that_is_too_long_for_the_system(line: Line, tmp_path: Path) -> None:
    """It is opened under a short one, written, and cannot be named."""
    where = place(tmp_path, ending="x" * 250)
    assert line.store(where) == UNUSUAL  # not even looked for
    assert line.go_on(place(tmp_path, ending="x" * 250, is_looked_for=False)) == ENDED
    line.deposit.discard()
    assert files_in(tmp_path) == []


def test_arguments_are_checked(line: Line, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in front of a data set"):
        Place(
            CT.encode(), bytes(400), bytes(100), None, b"", naming=NEW, is_looked_for=False, checks=False,
            explicit_vr=True, little_endian=True, max_length=0,
        )  # fmt: skip
    with pytest.raises(ValueError, match="a path with a NUL"):
        place(tmp_path, start="a\0b")
    for prefix in (b"a/b", b"a\0b"):
        with pytest.raises(ValueError, match="no part of a name"):
            Deposit(prefix)
    with pytest.raises(TypeError):
        Deposit(None)  # type: ignore[arg-type]
    line.reader.feed(b"\5\0\0\0\0\4\0")
    with pytest.raises(RuntimeError, match="control PDU"):
        line.go_on(place(tmp_path))
