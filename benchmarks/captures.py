"""Captures of DICOM traffic, generated with seeds: the same bytes on every machine, with right checksums (RFC 1071).

    monitor-store    C-STORE of CT images, segments of 60 kB as a host with segmentation offload captures them
    monitor-1500     the same in packets of 1,500 bytes, every second one acknowledged
    monitor-small    C-ECHO, and C-FIND with 20 answers each, over 50 connections at a time

A capture is made once and kept in `build/corpus/<name>-<size>-<hash>/`, with what is in it in `facts.json`; the hash
covers the generators' sources.  `python -m benchmarks.captures --size M` makes them all and prints where they are.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import random
import shutil
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from benchmarks import encode, workloads
from benchmarks.encode import CT_IMAGE_STORAGE, EXPLICIT_LE, PIXEL_DATA, Element, writer_for

PORT = 104  # tshark knows DICOM there without being told
VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
IMPLICIT_LE = encode.IMPLICIT_LE
PDU_LENGTH = 131_072
FIN, SYN, PSH, ACK = 1, 2, 8, 16
CLIENT, SERVER = 0, 1
START_NS = 1_790_000_000_000_000_000
OFFLOADED = 61_440
MSS = 1448  # of an Ethernet frame, less TCP's timestamps
IMAGES_EACH = 50  # of an association
ECHOES_EACH, QUERIES_EACH, ANSWERS = 100, 10, 20
AMOUNTS = {  # images; associations of small messages
    "XS": (6, 4),
    "S": (190, 190),
    "M": (1900, 1880),
    "L": (7600, 7520),
}
NAMES = ["monitor-store", "monitor-1500", "monitor-small"]


def complement_sum(data: bytes) -> int:
    """Return the ones' complement sum of 16-bit words, between 1 and 65535: the residue by 65535."""
    return int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF or 0xFFFF


# ----------------------------------------------------------------------------------------- packets


class Writer:
    """A capture file in the making: Ethernet, IPv4, TCP with timestamps, times in nanoseconds."""

    def __init__(self, stream: IO[bytes], step_ns: int) -> None:
        self.stream = stream
        self.step_ns = step_ns
        self.now_ns = START_NS
        self.packets = 0
        self.bytes = 24
        stream.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))

    def write(self, packet: bytes) -> None:
        self.now_ns += self.step_ns + len(packet)  # a byte takes a nanosecond
        seconds, rest = divmod(self.now_ns, 10**9)
        self.stream.write(struct.pack("<IIII", seconds, rest, len(packet), len(packet)))
        self.stream.write(packet)
        self.packets += 1
        self.bytes += 16 + len(packet)


class Connection:
    """A TCP connection whose two ends write packets into a capture."""

    def __init__(self, writer: Writer, number: int) -> None:
        self.writer = writer
        self.addresses = (struct.pack(">I", 0x0A010000 + 1 + number % 250), struct.pack(">I", 0x0A020001))
        self.ports = (20_000 + number % 40_000, PORT)
        self.next = [(number * 7919) & 0xFFFFFFFF, (number * 104_729) & 0xFFFFFFFF]
        self.number = [0, 0]
        pair = complement_sum(self.addresses[0] + self.addresses[1])
        self.pseudo = pair + 6
        self.ip_base = pair + 0x4500 + 0x4000 + 0x4006

    def packet(self, side: int, flags: int, payload: bytes | memoryview = b"", options: bytes = b"") -> None:
        sent, seen = self.next[side], self.next[1 - side]
        stamp = (self.writer.now_ns // 1_000_000) & 0xFFFFFFFF
        options = options or struct.pack(">BBBBII", 1, 1, 8, 10, stamp, stamp)
        size = 20 + len(options)
        header = struct.pack(
            ">HHIIBBHHH",
            self.ports[side],
            self.ports[1 - side],
            sent,
            seen if flags & ACK else 0,
            size // 4 << 4,
            flags,
            0xFFFF,
            0,
            0,
        )
        length = size + len(payload)
        total = complement_sum(header + options) + complement_sum(bytes(payload)) + self.pseudo + length
        tcp_sum = 0xFFFF - (total % 0xFFFF or 0xFFFF)
        self.number[side] = (self.number[side] + 1) & 0xFFFF
        identification, whole = self.number[side], 20 + length
        ip_sum = 0xFFFF - ((self.ip_base + identification + whole) % 0xFFFF or 0xFFFF)
        self.writer.write(
            b"\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0"
            + struct.pack(">BBHHHBBH", 0x45, 0, whole, identification, 0x4000, 64, 6, ip_sum)
            + self.addresses[side]
            + self.addresses[1 - side]
            + header[:16]
            + struct.pack(">HH", tcp_sum, 0)
            + options
            + payload
        )
        self.next[side] = (sent + len(payload) + bool(flags & (SYN | FIN))) & 0xFFFFFFFF

    def open(self) -> None:
        options = struct.pack(">BBHBBBB", 2, 4, MSS + 12, 1, 3, 3, 7)
        self.packet(CLIENT, SYN, options=options)
        self.packet(SERVER, SYN | ACK, options=options)
        self.packet(CLIENT, ACK)

    def close(self) -> None:
        self.packet(CLIENT, FIN | ACK)
        self.packet(SERVER, FIN | ACK)
        self.packet(CLIENT, ACK)


# ----------------------------------------------------------------------------------------- messages


@dataclass
class Facts:
    """What a capture holds."""

    associations: int = 0
    transactions: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    pending: int = 0
    request_data_set_bytes: int = 0
    response_data_set_bytes: int = 0
    pdus: Counter[str] = field(default_factory=Counter)  # by type
    fragments: int = 0  # PDVs


class Ends:
    """What the two ends of an association say, made by our encoder."""

    def __init__(self, facts: Facts) -> None:
        from dicomwire.dictionary import UID
        from dicomwire.ul import AAssociateAC, AAssociateRQ, AReleaseRP, AReleaseRQ
        from dicomwire.ul.codes import ContextResultReason
        from dicomwire.ul.items import (
            ContextResult,
            ImplementationClassUID,
            MaximumLength,
            ProposedContext,
            UserInformation,
        )

        own = UserInformation((MaximumLength(PDU_LENGTH), ImplementationClassUID(UID("1.2.3.4"))))
        wanted = ((1, VERIFICATION, IMPLICIT_LE), (3, CT_IMAGE_STORAGE, EXPLICIT_LE), (5, STUDY_ROOT_FIND, IMPLICIT_LE))
        contexts = tuple(ProposedContext(number, UID(sop), (UID(syntax),)) for number, sop, syntax in wanted)
        asked = AAssociateRQ("ARCHIVE", "WORKSTATION", contexts, own)
        results = tuple(
            ContextResult(number, ContextResultReason.ACCEPTANCE, UID(syntax)) for number, _, syntax in wanted
        )
        self.facts = facts
        self.asked = asked.encode()
        self.accepted = AAssociateAC.answering(asked, results, own).encode()
        self.release = AReleaseRQ().encode()
        self.released = AReleaseRP().encode()

    def open(self, connection: Connection) -> None:
        self.facts.associations += 1
        self.facts.pdus.update(("1", "2"))
        connection.open()
        connection.packet(CLIENT, PSH | ACK, self.asked)
        connection.packet(SERVER, PSH | ACK, self.accepted)

    def close(self, connection: Connection) -> None:
        self.facts.pdus.update(("5", "6"))
        connection.packet(CLIENT, PSH | ACK, self.release)
        connection.packet(SERVER, PSH | ACK, self.released)
        connection.close()

    def message(self, context_id: int, message: Any, data_set: bytes | None = None) -> bytes:
        """Return a message as P-DATA-TF and count it."""
        from _dicomwire.pdv import message_buffers

        command = message.encode(has_data_set=data_set is not None)
        buffers = list(message_buffers(context_id, command, data_set, PDU_LENGTH))
        data = b"".join(buffers)
        at = 0
        while at < len(data):
            end = at + 6 + int.from_bytes(data[at + 2 : at + 6], "big")
            self.facts.pdus["4"] += 1
            at += 6
            while at < end:
                self.facts.fragments += 1
                at += 4 + int.from_bytes(data[at : at + 4], "big")
        return data


def images(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield instance UIDs and data sets of CT images of 531 kB, half of them of each of two studies."""
    rng = random.Random(seed)
    studies = [workloads.Study(rng, number) for number in (1, 2)]
    blob = workloads.private_blob(rng, 12_000)
    pixels = bytearray(rng.randbytes(2 * workloads.CT_ROWS * workloads.CT_COLUMNS))
    pixels[1::2] = bytes(pixels[1::2]).translate(bytes(k & 0x0F for k in range(256)))
    for number in range(count):
        uid = f"{encode.UID_ROOT}.3.{number + 1}"
        elements = [
            element._replace(value=uid) if element.tag == 0x00080018 else element
            for element in workloads.ct_elements(studies[number % 2], number, rng, blob)
        ]
        writer = writer_for(EXPLICIT_LE)
        header = writer.data_set(elements) + writer.header(PIXEL_DATA, "OW", len(pixels))
        struct.pack_into("<I", pixels, 0, number)
        yield uid, header + bytes(pixels)


def in_turn(associations: Iterator[Iterator[None]], together: int) -> None:
    """Step through associations, some of them at a time."""
    active = list(itertools.islice(associations, together))
    while active:
        for one in list(active):
            if next(one, one) is one:
                active.remove(one)
                active.extend(itertools.islice(associations, 1))


def storing(writer: Writer, facts: Facts, count: int, segment: int, acknowledge: int) -> None:
    """Write C-STOREs, two associations at a time, segment by segment in turn."""
    from dicomwire.dimse import CStoreRQ

    ends = Ends(facts)
    source = images(count, 20261128)

    def association(connection: Connection, size: int) -> Iterator[None]:
        ends.open(connection)
        for message_id in range(1, size + 1):
            found = next(source, None)
            if found is None:
                break
            uid, data = found
            request = CStoreRQ(
                message_id=message_id, affected_sop_class_uid=CT_IMAGE_STORAGE, affected_sop_instance_uid=uid
            )
            stream = memoryview(ends.message(3, request, data))
            for place, at in enumerate(range(0, len(stream), segment), 1):
                connection.packet(CLIENT, ACK, stream[at : at + segment])
                if place % acknowledge == 0:
                    connection.packet(SERVER, ACK)
                yield
            status = 0xB000 if message_id % 25 == 0 else 0
            connection.packet(SERVER, PSH | ACK, ends.message(3, request.response(status=status)))
            facts.transactions["C-STORE"] += 1
            facts.statuses[f"{status:04X}"] += 1
            facts.request_data_set_bytes += len(data)
            yield
        ends.close(connection)

    shares = [min(IMAGES_EACH, count - done) for done in range(0, count, IMAGES_EACH)]
    in_turn((association(Connection(writer, number), share) for number, share in enumerate(shares)), 2)


def _identifier(keys: list[tuple[int, str, str]]) -> bytes:
    return writer_for(IMPLICIT_LE).data_set([Element(tag, vr, value) for tag, vr, value in keys])


def small(writer: Writer, facts: Facts, count: int) -> None:
    """Write associations with echoes and queries, 50 at a time, packet by packet in turn."""
    from dicomwire.dimse import CEchoRQ, CFindRQ

    ends = Ends(facts)
    echoes = []
    for number in range(1, ECHOES_EACH + 1):
        request = CEchoRQ(message_id=number, affected_sop_class_uid=VERIFICATION)
        echoes.append((ends.message(1, request), ends.message(1, request.response(status=0))))
    queries = []
    for number in range(QUERIES_EACH):
        find = CFindRQ(message_id=ECHOES_EACH + 1 + number, affected_sop_class_uid=STUDY_ROOT_FIND)
        asked = _identifier(
            [
                (0x00080050, "SH", ""),
                (0x00080052, "CS", "STUDY"),
                (0x00100020, "LO", f"A{number}*"),
                (0x0020000D, "UI", ""),
            ]
        )
        answers = [
            _identifier(
                [
                    (0x00080020, "DA", "20261128"),
                    (0x00080050, "SH", f"ACC{number}{answer:04}"),
                    (0x00080052, "CS", "STUDY"),
                    (0x00100010, "PN", "Doe^Jane"),
                    (0x00100020, "LO", f"A{number}{answer:06}"),
                    (0x0020000D, "UI", f"1.2.826.0.1.3680043.10.1414.3.{number + 1}.{answer + 1}"),
                ]
            )
            for answer in range(ANSWERS)
        ]
        packets = [ends.message(5, find.response(status=0xFF00), answer) for answer in answers]
        packets.append(ends.message(5, find.response(status=0)))
        queries.append((ends.message(5, find, asked), packets, len(asked), sum(map(len, answers))))
    each = Counter(facts.pdus), facts.fragments
    facts.pdus.clear()
    facts.fragments = 0

    def association(connection: Connection) -> Iterator[None]:
        ends.open(connection)
        for request, response in echoes:
            connection.packet(CLIENT, PSH | ACK, request)
            yield
            connection.packet(SERVER, PSH | ACK, response)
            yield
        for request, packets, _, _ in queries:
            connection.packet(CLIENT, PSH | ACK, request)
            yield
            for number, packet in enumerate(packets):
                connection.packet(SERVER, PSH | ACK, packet)
                if number % 2:
                    connection.packet(CLIENT, ACK)
                yield
        ends.close(connection)
        facts.transactions.update({"C-ECHO": len(echoes), "C-FIND": len(queries)})
        facts.statuses["0000"] += len(echoes) + len(queries)
        facts.pending += len(queries) * ANSWERS
        facts.request_data_set_bytes += sum(query[2] for query in queries)
        facts.response_data_set_bytes += sum(query[3] for query in queries)
        facts.pdus.update(each[0])
        facts.fragments += each[1]

    in_turn((association(Connection(writer, number)) for number in range(count)), 50)


# ----------------------------------------------------------------------------------------- the cache


@dataclass(frozen=True)
class Capture:
    """A generated capture: where it is, and what is in it."""

    name: str
    path: str
    size: int
    packets: int
    facts: dict[str, Any]


def _make(name: str, size: str, stream: IO[bytes]) -> dict[str, Any]:
    stored, associations = AMOUNTS[size]
    facts = Facts()
    if name == "monitor-small":
        writer = Writer(stream, 2_000)
        small(writer, facts, associations)
    else:
        writer = Writer(stream, 300)
        storing(writer, facts, stored, *((OFFLOADED, 1) if name == "monitor-store" else (MSS, 2)))
    return vars(facts) | {"packets": writer.packets, "bytes": writer.bytes}


def capture(name: str, size: str = "S", *, root: Path | None = None) -> Capture:
    """Return a capture, generated at first and cached under ``root`` (default: build/corpus) afterwards."""
    root = workloads.CORPUS if root is None else root
    key = hashlib.sha256(size.encode())
    for module in (__file__, workloads.__file__, encode.__file__):
        key.update(Path(module).read_bytes())
    folder = root / f"{name}-{size}-{key.hexdigest()[:16]}"
    if not (folder / "facts.json").is_file():
        root.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
        try:
            with (temporary / "capture.pcap").open("wb", buffering=1 << 20) as stream:
                facts = _make(name, size, stream)
            (temporary / "facts.json").write_text(json.dumps(facts))
            for stale in root.glob(f"{name}-{size}-*"):
                shutil.rmtree(stale)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    facts = json.loads((folder / "facts.json").read_text())
    return Capture(name, str(folder / "capture.pcap"), facts["bytes"], facts["packets"], facts)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.captures", description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="M", choices=list(AMOUNTS))
    parser.add_argument("--names", nargs="*", default=NAMES, choices=NAMES, metavar="NAME")
    options = parser.parse_args(arguments)
    for name in options.names:
        made = capture(name, options.size)
        print(f"{name:14} {made.packets:9,} packets {made.size / 1e6:8.1f} MB  {made.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
