"""Any bytes over a socket to a thread that stores are what the slow twin finds in them; what has a name is whole."""

import contextlib
import hashlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from _dicomwire.deposit import NEW, STORED, UNUSUAL, Deposit, Place
from _dicomwire.intake import CLOSED, ENDED, OTHER, REQUEST, SILENT, Intake
from _dicomwire.pdu import PDUReader
from _dicomwire.writer import Writer
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRLittleEndian
from dicomwire.dimse.messages import CStoreRQ, decode_message
from dicomwire.file.instance_file import file_meta_information, meta_around_instance
from tests.fuzz.harness import Harness
from tests.fuzz.harnesses.pdu_stream import MAX_CONTROL, MAX_PDU, TRICKY, plain, streams
from tests.net.raw import message_bytes
from tests.net.storage.instances import CT, data_set
from tests.oracles.framing import Item, frame, merged

SIZES = (7, 64, 300, 4096)  # of windows
NO_LIMIT = (1 << 64) - 1


class Thread:
    """What a thread has that stores in a folder, and the other end of its connection."""

    def __init__(self, folder: str, size: int, writer: Writer | None) -> None:
        self.folder = folder
        self.peer, self.own = socket.socketpair()
        self.own.setblocking(False)
        self.wake, self.waker = os.pipe()
        self.intake, self.deposit = Intake(size), Deposit(b".fuzz-")
        self.reader = PDUReader(max_control_length=MAX_CONTROL, max_pdu_length=MAX_PDU)
        self.writer, self.digest = writer, hashlib.sha256() if writer is not None else None
        self.place = Place(
            CT.encode(), *meta_around_instance(CT, ExplicitVRLittleEndian), f"{folder}/".encode(), b".dcm", naming=NEW,
            is_looked_for=True, checks=True, explicit_vr=True, little_endian=True, max_length=0,
        )  # fmt: skip
        self.items: list[Item] = []
        self.context = 0  # of the data set that has begun
        self.stored = 0

    def close(self) -> None:
        self.deposit.discard()
        self.peer.close()
        self.own.close()
        os.close(self.wake)
        os.close(self.waker)

    def take(self, items: list[Item]) -> None:
        """Items that are the loop's: a command begins a data set, and its last fragment ends it."""
        for item in items:
            self.items.append(item)
            if item[0] == "run":
                self.context = int(str(item[1])) if item[2] and item[3] else 0 if item[3] else self.context

    def take_rest(self) -> None:
        self.take(plain(self.reader.feed(self.intake.rest())))

    def take_passed(self, data: bytes) -> None:
        assert len(data) == self.intake.passed
        if data or self.intake.ended:
            self.items.append(("run", self.context, False, self.intake.ended, data))
        if self.intake.ended:
            self.context = 0

    def feed(self, chunk: bytes) -> None:
        self.peer.sendall(chunk)
        while not (self.items and self.items[-1][0] == "invalid"):
            if self.reader.is_in_control:
                why = self.intake.receive(self.own.fileno(), self.wake, 0)
                self.take_rest()
                if why != ENDED:
                    return
                continue
            why = self.pass_on() if self.context else self.store_next()
            if why in (SILENT, CLOSED):
                assert self.intake.start == self.intake.end
                return
            if why == OTHER:
                self.take_rest()

    def store_next(self) -> int:
        why = self.intake.next_request(self.reader, self.own.fileno(), self.wake, 0)
        command = self.intake.command
        if command is not None:
            self.take([("run", self.intake.context_id, True, True, command)])
        if why != REQUEST:
            return why
        arguments = self.intake, self.reader, self.place, self.own.fileno(), self.wake, 0, 10_000, self.writer
        why = self.deposit.receive(*arguments, self.digest)
        if why == UNUSUAL:
            assert self.deposit.hand_over() is None
            return ENDED
        if why == STORED:
            path = self.deposit.path
            self.stored += 1
        else:
            file = self.deposit.hand_over()
            assert file is not None
            os.close(file[0])
            path = file[1]
        message = decode_message(self.deposit.command)
        assert isinstance(message, CStoreRQ)
        meta = file_meta_information(CT, message.affected_sop_instance_uid, ExplicitVRLittleEndian)
        content = Path(path).read_bytes()
        os.unlink(path)
        assert content.startswith(meta)
        assert len(content) == self.deposit.size
        assert self.intake.ended == (why == STORED)
        self.take_passed(content[len(meta) :])
        return why

    def pass_on(self) -> int:
        path = f"{self.folder}/more"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.unlink(path)
        try:
            why = self.intake.pass_on(
                self.reader, self.own.fileno(), self.wake, self.context, descriptor, None, NO_LIMIT, 0, 10_000,
                self.writer, self.digest,
            )  # fmt: skip
            self.take_passed(os.pread(descriptor, self.intake.passed + 1, 0))
        finally:
            os.close(descriptor)
        return why


def said(items: list[Item]) -> list[Item]:
    """What a stream says, but for fragments of a data set that have no bytes and do not end it."""
    return merged([item for item in merged(items) if item[0] != "run" or item[2] or item[3] or item[4]])


@contextlib.contextmanager
def writing(is_wanted: bool) -> Iterator[Writer | None]:
    writer = Writer() if is_wanted else None
    if writer is not None:
        threading.Thread(target=writer.work, daemon=True).start()
    try:
        yield writer
    finally:
        if writer is not None:
            writer.stop()


def run(data: bytes) -> None:
    """Of the first byte: the window, whether there is a writer, and how many of the next are places of cuts."""
    if not data:
        return
    size, count = SIZES[data[0] & 3], data[0] >> 4 & 7
    cuts, body = sorted(data[1 : 1 + count]), data[1 + count :]
    places = [0, *(place * len(body) // 256 for place in cuts), len(body)]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        with writing(bool(data[0] & 4)) as writer:
            thread = Thread(folder, size, writer)
            try:
                for start, stop in pairwise(places):
                    thread.feed(body[start:stop])
            finally:
                thread.close()
        assert os.listdir(folder) == []
    assert said(thread.items) == said(frame(body, MAX_CONTROL, MAX_PDU))


def instance(uid: str, length: int, number: int = 1) -> bytes:
    request = CStoreRQ(message_id=number, affected_sop_class_uid=CT, affected_sop_instance_uid=UID(uid))
    return message_bytes(1, request, data_set(uid, pixels=40), length)


def starts() -> list[bytes]:
    """Instances, and streams that have none."""
    whole = instance("1.2", 180) + instance("1.3", 190, 2)
    bodies = [whole, whole[:-100], instance("1.2", 60), instance("1.2", 180)[:400] + instance("1.3", 180), *streams()]
    setups = (b"\3", b"\7", b"\x32\x20\x80\xa0", b"\x11\x70", b"\x24\x50\xf0")
    return [setup + body for body in bodies for setup in setups]


HARNESS = Harness("intake", starts, run, TRICKY, 2048)
