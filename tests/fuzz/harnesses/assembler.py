"""Any PDVs are the messages that an obvious assembler finds or a RemoteProtocolError, whatever their borders."""

from __future__ import annotations

from dataclasses import dataclass, field

from _dicomwire.command import MAX_COMMAND_LENGTH
from _dicomwire.pdu import PDUReader, PDVRun
from dicomwire.dimse import CommandMessage, MessageAssembler, decode_message, encode_message
from dicomwire.errors import DecodeError, RemoteProtocolError, ServiceError
from tests.fuzz.harness import Harness, exact
from tests.fuzz.harnesses import command

CONTEXTS = (1, 1, 3, 255)
MOST = 100  # bytes of a data set
LONG_VIEW = 64  # a header's second byte from which on a fragment is a whole command set of the seeds


@dataclass(slots=True)
class Sink:
    """Keeps what it is given and fails when it has taken more than it can."""

    room: int
    data: bytearray = field(default_factory=bytearray)
    calls: list[str] = field(default_factory=list)

    def write(self, views: list[memoryview]) -> None:
        assert not self.calls
        for view in views:
            self.data += view
        if len(self.data) > self.room:
            raise OSError("no room")

    def finish(self) -> None:
        assert not self.calls
        self.calls.append("finish")
        if self.room == 7:
            raise OSError("no room at the end")

    def discard(self) -> None:
        assert "discard" not in self.calls
        self.calls.append("discard")


@dataclass(frozen=True, slots=True)
class Fragment:
    """What came in one piece."""

    context_id: int
    is_command: bool
    is_last: bool
    data: bytes

    def run(self, cuts: int) -> PDVRun:
        """As PDVs of ``cuts`` and some bytes."""
        size = 1 + cuts * 5
        views = [memoryview(exact(self.data[at : at + size])) for at in range(0, len(self.data), size)]  # type: ignore[arg-type]
        return PDVRun(self.context_id, self.is_command, self.is_last, views, len(self.data))

    def halves(self) -> list[Fragment]:
        """The same in two pieces."""
        middle = len(self.data) // 2
        return [
            Fragment(self.context_id, self.is_command, False, self.data[:middle]),
            Fragment(self.context_id, self.is_command, self.is_last, self.data[middle:]),
        ]


def fragments(data: bytes) -> list[Fragment]:
    """Two bytes before each: context and control; length, or the number of a command set."""
    result = []
    at = 0
    while at + 2 <= len(data):
        control, size = data[at : at + 2]
        at += 2
        if size >= LONG_VIEW:
            part = command.SEEDS[size % len(command.SEEDS)]
        else:
            part = data[at : at + size]
            at += size
        result.append(Fragment(CONTEXTS[control & 3], bool(control & 4), bool(control & 8), part))
    return result


def assembled(parts: list[Fragment], cuts: int, room: int | None) -> list[object]:
    """What the assembler makes of it: messages, and at the end the refusal or what is under way."""
    found: list[object] = []
    sinks: list[Sink] = []

    def choose(context_id: int, command: CommandMessage) -> Sink | None:
        assert command.has_data_set
        if room is None or context_id == 3:
            return None
        if room == 0:
            raise OSError("no room at all")
        sinks.append(Sink(room))
        return sinks[-1]

    assembler = MessageAssembler(choose_sink=choose, max_data_set_length=MOST)
    try:
        for part in parts:
            message = assembler.take(part.run(cuts))
            if message is None:
                assert not assembler.is_idle
                continue
            assert assembler.is_idle
            assert assembler.command is None
            assert message.command.describe()
            kept = message.data
            if message.sink is not None:
                assert kept is None
                assert isinstance(message.sink, Sink)
                assert message.sink.calls == ["finish"]
                kept = bytes(message.sink.data)
            found.append((message.context_id, message.command, kept, type(message.error).__name__))
    except RemoteProtocolError as error:
        command.cites(error)
        found.append("refused")
    else:
        found.append((assembler.is_idle, assembler.command, assembler.data_set_length))
    assembler.close()
    assert assembler.is_idle
    for sink in sinks:
        assert sink.calls in (["finish"], ["discard"], ["finish", "discard"])
    return found


def expected(parts: list[Fragment], room: int | None) -> list[object]:
    """The same, a fragment after the other with all bytes kept."""
    found: list[object] = []
    context_id: int | None = None
    encoded, data = b"", b""
    message: CommandMessage | None = None
    for part in parts:
        if context_id not in (None, part.context_id) or part.is_command != (message is None):
            return [*found, "refused"]
        context_id = part.context_id
        if message is None:
            encoded += part.data
            # One that is whole at once is measured by its reader.
            if len(encoded) > MAX_COMMAND_LENGTH:
                return [*found, "refused"]
            if not part.is_last:
                continue
            try:
                message = decode_message(encoded)
            except DecodeError:
                return [*found, "refused"]
            if message.has_data_set:
                continue
            found.append((context_id, message, None, "NoneType"))
        else:
            data += part.data
            if not part.is_last:
                continue
            error: type[Exception] | None = None
            has_sink = room is not None and context_id != 3
            if has_sink and (room == 0 or room == 7):
                error = OSError
            elif not has_sink and len(data) > MOST:  # sinks set their own limits
                error = ServiceError
            if has_sink and room is not None and len(data) > room:
                error = OSError
            found.append((context_id, message, None if error else data, error.__name__ if error else "NoneType"))
        context_id, message, encoded, data = None, None, b"", b""
    return [*found, (context_id is None, message, len(data))]


def plain(found: list[object], room: int | None) -> list[object]:
    """Without what depends on the borders: which of two errors came first, and no bytes told from none at all."""
    result: list[object] = []
    for item in found:
        if isinstance(item, tuple) and len(item) == 4:
            context_id, message, data, error = item
            if error in ("OSError", "ServiceError") and room is not None:
                error = "an error"
            result.append((context_id, message, data or b"", error))
        else:
            result.append(item)
    return result


def run(data: bytes) -> None:
    """First byte: the sinks and how fragments lie in memory; then fragments."""
    if not data:
        return
    room = (None, None, 0, 7, 50, 1000)[(data[0] & 7) % 6]
    cuts = data[0] >> 3
    parts = fragments(data[1:])
    want = plain(expected(parts, room), room)
    assert plain(assembled(parts, cuts, room), room) == want
    halves = [half for part in parts for half in part.halves()]
    assert plain(assembled(halves, 3, room), room) == want, "borders change what a message is"


def packed(stream: bytes) -> bytes:
    """The fragments of a stream of PDUs as the harness takes them."""
    result = b""
    for item in PDUReader().feed(stream):
        assert isinstance(item, PDVRun)
        for number, view in enumerate(item.views):
            is_last = item.is_last and number == len(item.views) - 1
            control = CONTEXTS.index(item.context_id) | 4 * item.is_command | 8 * is_last
            result += bytes([control, len(view)]) + bytes(view)
    return result


def starts() -> list[bytes]:
    """Every command, with a data set where it announces one, in fragments of some lengths; and by number."""
    result = []
    for number, seed in enumerate(command.SEEDS):
        message = decode_message(seed)
        data_set = bytes(number) if message.has_data_set else None
        for setup, size in ((0, 24), (3, 60), (4, 69), (13, 40)):
            stream = b"".join(encode_message(1 + 2 * (number & 1), message, data_set, size, check=False))
            result.append(bytes([setup]) + packed(stream))
    first = LONG_VIEW + -LONG_VIEW % len(command.SEEDS)
    for number in range(min(len(command.SEEDS), 256 - first)):
        whole = bytes([12, first + number])
        result.append(b"\0" + whole + b"\0\4data" + b"\x08\2\1\2" + whole + b"\x08\0")
        result += [bytes([setup]) + whole + b"\x08\x3f" + bytes(63) for setup in (2, 3, 4, 5)]
    return result


HARNESS = Harness("assembler", starts, run, (*command.TRICKY, b"\x0c\x46", b"\x08\0", b"\0\4", b"\x04\x10"), 512)
