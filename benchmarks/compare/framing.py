"""Tasks on P-DATA-TF: views of PDVs, whole messages, joined messages, fragmentation; PS3.8 section 9.3.5.

The stream is that of C-STORE requests as a socket gives it: windows of 1 MiB for dicomwire, a bytes object for each PDU
for the toolkits that decode those.  What each gives is checked with the bytes that were put in, untimed.
"""

from __future__ import annotations

import importlib.metadata
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from benchmarks import yardsticks
from benchmarks.compare.runner import Entry, Goal, Task
from benchmarks.encode import CT_IMAGE_STORAGE

MESSAGES = {"S": 64, "M": 256, "L": 512}
DATA_SET_BYTES = 525_312  # a CT image of 512 x 512 x 16 bit with a header
WINDOW = 1 << 20
LEAST_RATE = 20  # GB/s of views
SMALL_NS = 300
Pieces = list[memoryview]
Message = tuple[Any, Any]  # command set and data set: bytes or lists of pieces


# ----------------------------------------------------------------------------------------- input


def command_set(message_id: int) -> bytes:
    """Return the command set of a C-STORE request (PS3.7 section 9.3.1.1)."""

    def element(number: int, value: bytes) -> bytes:
        return struct.pack("<HHI", 0, number, len(value)) + value + b"\0" * (len(value) % 2)

    def uid(text: str) -> bytes:
        return text.encode() + b"\0" * (len(text) % 2)

    body = (
        element(0x0002, uid(CT_IMAGE_STORAGE))
        + element(0x0100, struct.pack("<H", 1))
        + element(0x0110, struct.pack("<H", message_id))
        + element(0x0700, struct.pack("<H", 2))
        + element(0x0800, struct.pack("<H", 1))
        + element(0x1000, uid(f"1.2.826.0.1.3680043.2.1143.{message_id:04}"))
    )
    return element(0x0000, struct.pack("<I", len(body))) + body


def p_data(context_id: int, control: int, fragment: bytes | memoryview) -> bytes:
    return struct.pack(">BBIIBB", 4, 0, len(fragment) + 6, len(fragment) + 2, context_id, control) + fragment


@dataclass(frozen=True)
class Stream:
    """A stream of messages and how to look at it; `copy` is the same in memory of the C heap."""

    commands: list[bytes]
    data_set: bytes
    max_pdu_length: int
    pdus: list[bytes]
    copy: yardsticks.Buffer

    @property
    def size(self) -> int:
        return self.copy.size

    def windows(self) -> list[memoryview]:
        whole = memoryview(self.copy.memory).cast("B")[: self.size]
        return [whole[at : at + WINDOW] for at in range(0, self.size, WINDOW)]


@lru_cache(maxsize=2)
def stream(messages: int, max_pdu_length: int) -> Stream:
    """Return a stream of C-STORE requests whose P-DATA-TF have the given PDU-length, one value in each.

    No two PDUs share memory: it is cold for everyone.
    """
    data_set = bytes(range(256)) * (DATA_SET_BYTES // 256)
    commands = [command_set(1 + number % 60_000) for number in range(messages)]
    step = max_pdu_length - 6
    cuts = [data_set[at : at + step] for at in range(0, len(data_set), step)]
    fragments = [p_data(1, 0, cut) for cut in cuts[:-1]] + [p_data(1, 2, cuts[-1])]
    pdus = []
    for command in commands:
        pdus.append(p_data(1, 3, command))
        pdus += [bytes(memoryview(fragment)) for fragment in fragments]
    return Stream(commands, data_set, max_pdu_length, pdus, yardsticks.Buffer(b"".join(pdus)))


# ----------------------------------------------------------------------------------------- dicomwire


def own_views(windows: Sequence[memoryview]) -> list[memoryview]:
    """Return the views of all PDVs: what feed gives, taken out of its runs."""
    from _dicomwire.pdu import PDUReader

    reader = PDUReader()
    views: list[memoryview] = []
    for window in windows:
        for run in reader.feed(window):
            views += run.views
    return views


def own_messages(windows: Sequence[memoryview], finish: Callable[[Pieces], Any]) -> list[Message]:
    """Return every message's command set and data set, each as `finish` makes it of its views."""
    from _dicomwire.pdu import PDUReader

    reader = PDUReader()
    messages: list[Message] = []
    command: Any = None
    views: Pieces = []
    for window in windows:
        for run in reader.feed(window):
            views += run.views
            if run.is_last:
                if run.is_command:
                    command = finish(views)
                else:
                    messages.append((command, finish(views)))
                views = []
    return messages


def own_taken(windows: Sequence[memoryview]) -> int:
    """Make the lists of views of every message, one after the other, and let go of them; return their bytes."""
    from _dicomwire.pdu import PDUReader

    reader = PDUReader()
    total = 0
    views: Pieces = []
    for window in windows:
        for run in reader.feed(window):
            views += run.views
            total += run.length
            if run.is_last:
                views = []
    return total


def own_joined(windows: Sequence[memoryview]) -> int:
    """Join command set and data set of every message, one after the other; return their bytes."""
    from _dicomwire.pdu import join

    total = 0

    def finish(views: Pieces) -> None:
        nonlocal total
        total += len(join(views))

    own_messages(windows, finish)
    return total


def own_fragments(commands: Sequence[bytes], data_set: bytes, max_pdu_length: int) -> int:
    """Make the buffers of every message; return their number."""
    from _dicomwire.pdv import message_buffers

    return sum(len(message_buffers(1, command, data_set, max_pdu_length)) for command in commands)


# ----------------------------------------------------------------------------------------- peers


def pynetdicom_values(pdus: Sequence[bytes]) -> Iterator[bytes]:
    from pynetdicom.pdu import P_DATA_TF

    for data in pdus:
        pdu = P_DATA_TF()
        pdu.decode(data)
        for item in pdu.presentation_data_value_items:
            yield item.presentation_data_value[1:]


def pynetdicom_messages(pdus: Sequence[bytes]) -> int:
    """Decode whole messages, one after the other; return the bytes of their data sets."""
    from pynetdicom.dimse_messages import DIMSEMessage
    from pynetdicom.pdu import P_DATA_TF

    total = 0
    message = DIMSEMessage()
    for data in pdus:
        pdu = P_DATA_TF()
        pdu.decode(data)
        if message.decode_msg(pdu.to_primitive()):
            total += message.data_set.getbuffer().nbytes
            message = DIMSEMessage()
    return total


def pynetdicom_fragments(commands: Sequence[bytes], data_set: bytes, max_pdu_length: int) -> int:
    """Encode every message into PDUs; return their bytes."""
    from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
    from pynetdicom.pdu import P_DATA_TF
    from pynetdicom.pdu_primitives import P_DATA

    total = 0
    for command in commands:
        parsed, primitive = DIMSEMessage(), P_DATA()
        primitive.presentation_data_value_list.append((1, b"\3" + command))
        parsed.decode_msg(primitive)
        message = C_STORE_RQ()
        message.command_set = parsed.command_set
        message.data_set.write(data_set)
        for part in message.encode_msg(1, max_pdu_length):
            pdu = P_DATA_TF()
            pdu.from_primitive(part)
            total += len(pdu.encode())
    return total


def scapy_values(pdus: Sequence[bytes]) -> Iterator[bytes]:
    from scapy.contrib.dicom import DICOM, P_DATA_TF

    for data in pdus:
        for item in DICOM(data)[P_DATA_TF].pdv_items:
            yield item.data


# ----------------------------------------------------------------------------------------- tasks


def entry(name: str, role: str, run: Callable[[], Any], compare: Callable[[Any], str]) -> Entry:
    return Entry(name, role, run, version=importlib.metadata.version(name), toolkit=name, compare=compare)


def installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def same(expected: Any) -> Callable[[Any], str]:
    return lambda found: "equal" if found == expected else "DIFFERENT"


def joined_is(expected: bytes) -> Callable[[Any], str]:
    return lambda found: "equal" if b"".join(found) == expected else "DIFFERENT"


def limit(label: str, role: str, run: Callable[[], int]) -> Entry:
    return Entry(label, role, run, own_clock=True)


def python_walk(data: Stream) -> Callable[[], int]:
    """Return a walk by struct and memoryview slices: what plain C must not be slower than."""
    whole = memoryview(data.copy.memory).cast("B")[: data.size]

    def run() -> int:
        start, at, values = time.perf_counter_ns(), 0, 0
        unpack = struct.Struct(">BBIIBB").unpack_from
        while at < len(whole):
            _, _, length, _, _, _ = unpack(whole, at)
            whole[at + 12 : at + 6 + length]
            at += 6 + length
            values += 1
        assert values == len(data.pdus)
        return time.perf_counter_ns() - start

    return run


def walk_verdict(task: Task) -> list[str]:
    """Plain C may not walk slower than Python does."""
    walk = next(e for e in task.entries if e.role == "limit")
    check = next(e for e in task.entries if e.role == "check")
    return ["plain C walks slower than Python"] if walk.best_ns > check.best_ns else []


def copy_verdict(size: int) -> Callable[[Task], list[str]]:
    """Return the judge of walk + copy: at least a third of memcpy between memory that was touched."""

    def judge(task: Task) -> list[str]:
        walk = next(e for e in task.entries if e.role == "limit")
        copy = next(e for e in task.entries if e.role == "check")
        if walk.best_ns > 3 * copy.best_ns:
            return [f"copying out takes {walk.best_ns / copy.best_ns:.1f} times as long as memcpy"]
        return [] if size / copy.best_ns >= 1 else ["memcpy below 1 GB/s"]

    return judge


def rate_notes(data: Stream) -> list[str]:
    return [
        f"{len(data.pdus)} P-DATA-TF of {data.size / 1e6:.0f} MB in all, fed in windows of 1 MiB; with "
        f"{data.size / len(data.pdus):.0f} bytes on average, 1 us each is {data.size / len(data.pdus) / 1e3:.1f} GB/s."
    ]


def views_task(size: str, max_pdu_length: int) -> Task:
    data = stream(MESSAGES[size], max_pdu_length)
    library, windows = yardsticks.library(), data.windows()
    payload = b"".join(command + data.data_set for command in data.commands)
    entries = [entry("dicomwire", "own", lambda: own_views(windows), joined_is(payload))]
    for name, run in (("pynetdicom", pynetdicom_values), ("scapy", scapy_values)):
        if installed(name):
            entries.append(entry(name, "peer", lambda run=run: list(run(data.pdus)), joined_is(payload)))
    entries += [
        limit("C header walk", "limit", lambda: library.pdv_walk(data.copy)[0]),
        limit("Python struct + memoryview walk", "check", python_walk(data)),
    ]
    return Task(
        name=f"pdv views {max_pdu_length // 1024}K",
        title=f"every PDV of {MESSAGES[size]} C-STORE requests as a view, PDUs of {max_pdu_length:,} bytes",
        unit="PDV",
        units=len(data.pdus),
        entries=entries,
        goals=[Goal("ms", round(data.size / LEAST_RATE / 1e6, 2))],
        notes=[*rate_notes(data), f"The goal is {LEAST_RATE} GB/s, or half of the C walk where that takes longer."],
        verdict=walk_verdict,
    )


def messages_task(size: str, max_pdu_length: int) -> Task:
    data = stream(MESSAGES[size], max_pdu_length)
    library, windows = yardsticks.library(), data.windows()
    expected = [(command, data.data_set) for command in data.commands]
    total = sum(map(len, data.commands)) + len(data.commands) * len(data.data_set)

    def compare(found: int) -> str:
        messages = own_messages(windows, b"".join)
        return same((total, expected))((found, messages))

    entries = [entry("dicomwire", "own", lambda: own_taken(windows), compare)]
    if installed("pynetdicom"):
        check = same(len(data.commands) * len(data.data_set))
        entries.append(entry("pynetdicom", "peer", lambda: pynetdicom_messages(data.pdus), check))
    entries += [
        limit("C header walk", "limit", lambda: library.pdv_walk(data.copy)[0]),
        limit("Python struct + memoryview walk", "check", python_walk(data)),
    ]
    return Task(
        name=f"messages as views {max_pdu_length // 1024}K",
        title=f"{MESSAGES[size]} C-STORE requests of {len(data.data_set):,} bytes as lists of views, PDUs of "
        f"{max_pdu_length:,} bytes, each let go of when the next begins",
        unit="message",
        units=len(data.commands),
        entries=entries,
        goals=[Goal("best peer", 50)],
        notes=[*rate_notes(data), "pynetdicom: PDU, primitive, whole DIMSE message; it decodes the command set too."],
        verdict=walk_verdict,
    )


def joined_task(size: str, max_pdu_length: int) -> Task:
    data = stream(MESSAGES[size], max_pdu_length)
    library, windows = yardsticks.library(), data.windows()
    target = yardsticks.Buffer(data.size)
    total = sum(map(len, data.commands)) + len(data.commands) * len(data.data_set)
    entries = [entry("dicomwire", "own", lambda: own_joined(windows), same(total))]
    if installed("pynetdicom"):
        check = same(len(data.commands) * len(data.data_set))
        entries.append(entry("pynetdicom", "peer", lambda: pynetdicom_messages(data.pdus), check))
    entries += [
        limit("C walk + copy", "limit", lambda: library.pdv_walk(data.copy, copy=True)[0]),
        limit("C memcpy of the stream", "check", lambda: library.copy(target, data.copy)),
    ]
    return Task(
        name=f"messages joined {max_pdu_length // 1024}K",
        title=f"{MESSAGES[size]} C-STORE requests of {len(data.data_set):,} bytes, command set and data set joined, "
        f"PDUs of {max_pdu_length:,} bytes",
        unit="message",
        units=len(data.commands),
        entries=entries,
        goals=[Goal("limit", 0.8)],
        notes=rate_notes(data),
        verdict=copy_verdict(data.size),
    )


def fragment_task(size: str, max_pdu_length: int) -> Task:
    data = stream(MESSAGES[size], max_pdu_length)
    library, payload = yardsticks.library(), yardsticks.Buffer(data.data_set)
    from _dicomwire.pdv import message_buffers

    def compare(_: int) -> str:
        found = b"".join(b"".join(message_buffers(1, c, data.data_set, max_pdu_length)) for c in data.commands)
        return same(b"".join(data.pdus))(found)

    def in_c() -> int:
        return sum(library.pdv_fragment(payload, max_pdu_length - 6)[0] for _ in data.commands)

    own = lambda: own_fragments(data.commands, data.data_set, max_pdu_length)  # noqa: E731
    entries = [entry("dicomwire", "own", own, compare)]
    if installed("pynetdicom"):
        peer = lambda: pynetdicom_fragments(data.commands, data.data_set, max_pdu_length)  # noqa: E731
        entries.append(entry("pynetdicom", "peer", peer, same(sum(map(len, data.pdus)))))
    entries.append(limit("C headers + iovec", "limit", in_c))
    return Task(
        name=f"fragment {max_pdu_length // 1024}K",
        title=f"the buffers of {MESSAGES[size]} C-STORE requests of {len(data.data_set):,} bytes, PDUs of "
        f"{max_pdu_length:,} bytes",
        unit="message",
        units=len(data.commands),
        entries=entries,
        notes=["pynetdicom copies into one bytes object for each PDU; its command set is parsed and encoded too."],
    )


def small_task(size: str) -> Task:
    """A message of one small PDU in each chunk, as a C-ECHO request comes."""
    from _dicomwire.pdu import PDUReader

    chunks = [p_data(1, 3, command_set(1 + number)[:68]) for number in range(20 * MESSAGES[size])]
    library, copy = yardsticks.library(), yardsticks.Buffer(b"".join(chunks))
    feed = PDUReader().feed

    def run() -> int:
        total = 0
        for chunk in chunks:
            for message in feed(chunk):
                total += len(message.views[0])
        return total

    check = same(68 * len(chunks))
    entries = [entry("dicomwire", "own", run, check)]
    for name, values in (("pynetdicom", pynetdicom_values), ("scapy", scapy_values)):
        if installed(name):
            entries.append(entry(name, "peer", lambda values=values: sum(map(len, values(chunks))), check))
    entries.append(limit("C header walk", "limit", lambda: library.pdv_walk(copy)[0]))
    return Task(
        name="pdv small",
        title=f"{len(chunks):,} chunks of one P-DATA-TF of 80 bytes, each fed by itself",
        unit="chunk",
        units=len(chunks),
        entries=entries,
        goals=[Goal("ms", round(len(chunks) * SMALL_NS / 1e6, 2))],
        notes=[f"C walks over all of them in a row.  The goal is {SMALL_NS} ns a chunk."],
    )


TASKS: dict[str, Callable[[str], Task]] = {
    "pdv-small": small_task,
    "pdv-views-16k": lambda size: views_task(size, 16384),
    "pdv-views-128k": lambda size: views_task(size, 131072),
    "messages-views-16k": lambda size: messages_task(size, 16384),
    "messages-views-128k": lambda size: messages_task(size, 131072),
    "messages-joined-16k": lambda size: joined_task(size, 16384),
    "messages-joined-128k": lambda size: joined_task(size, 131072),
    "fragment-16k": lambda size: fragment_task(size, 16384),
    "fragment-128k": lambda size: fragment_task(size, 131072),
}
