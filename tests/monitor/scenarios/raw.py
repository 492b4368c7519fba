"""Ends that misbehave, and HL7: what no toolkit does when it is asked to, said by hand over real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from pathlib import Path

from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ImplicitVRLittleEndian
from dicomwire.dimse.messages import CEchoRQ, CStoreRQ
from dicomwire.net import Server
from dicomwire.ul.items import ProposedContext
from dicomwire.ul.pdu import AAbort, AReleaseRQ
from tests.monitor.recording import Recorder, recording
from tests.monitor.scenarios.base import (
    ABORTED,
    FINISHED,
    REJECTED,
    RESET,
    Did,
    Exchange,
    Files,
    Scenario,
    Talk,
    scenario,
)
from tests.monitor.scenarios.own import CT, data_set
from tests.net.raw import VERIFICATION, Raw, connected, context, message_bytes, request

PATIENCE_S = 20


def store_bytes(number: int, size: int) -> tuple[str, bytes, int]:
    """Return the instance UID, the PDUs and the length of the data set of a C-STORE-RQ in context 3."""
    uid, data = data_set(number, size)
    message = CStoreRQ(message_id=number, affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
    return uid, message_bytes(3, message, data), len(data)


def whole_pdus(data: bytes, count: int) -> int:
    """Return the length of the first PDUs."""
    at = 0
    for _ in range(count):
        at += 6 + int.from_bytes(data[at + 2 : at + 6], "big")
    return at


async def associated(raw: Raw, calling: str) -> None:
    echo = ProposedContext(1, UID(VERIFICATION), (ImplicitVRLittleEndian,))
    await raw.associate(request([echo, context(3, CT)], called="ARCHIVE", calling=calling))
    await raw.send(message_bytes(1, CEchoRQ(message_id=1, affected_sop_class_uid=VERIFICATION)))
    await raw.message()


@scenario
def ends_in_mid_message(folder: Path, files: Files) -> Scenario:
    """Half of a request, then RST, FIN, A-ABORT of the user and of the provider."""
    server = Server("ARCHIVE", port=0)
    server.support(CT)
    talks: list[Talk] = []
    uid, data, _ = store_bytes(2, 60_000)

    async def play() -> tuple[Recorder, int]:
        async with server:
            with recording(server.port) as recorder:
                for calling, end in (("RESETTER", RESET), ("LEAVER", FINISHED), ("ABORTER", ABORTED)):
                    code: tuple[int, ...] = ()
                    async with connected(server.port) as raw:
                        await associated(raw, calling)
                        await raw.send(data[: len(data) // 2] if end != ABORTED else data[: whole_pdus(data, 2)])
                        await asyncio.sleep(0.02)
                        if end == RESET:
                            plug = raw.writer.transport.get_extra_info("socket")
                            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                            raw.writer.transport.abort()
                        elif end == ABORTED:
                            await raw.send(AAbort(0, 0))
                            await raw.ended()
                            code = (0, 0)
                    did = [Did("C-ECHO", 0), Did("C-STORE", None, 0, uid)]
                    talks.append(Talk("ARCHIVE", calling, end, "client", code, did))
            return recorder, server.port

    recorder, port = asyncio.run(play())
    return Scenario("ends_in_mid_message", recorder.frames, (port,), talks)


@scenario
def breaches(folder: Path, files: Files) -> Scenario:
    """PDUs that the provider answers with A-ABORT, and requests that it rejects itself."""
    server = Server("ARCHIVE", port=0)
    talks: list[Talk] = []

    async def play() -> tuple[Recorder, int]:
        async with server:
            with recording(server.port) as recorder:
                for calling, breach in (
                    ("UNKNOWN", struct.pack(">BxI", 0x42, 4) + bytes(4)),
                    ("TWICE", request(called="ARCHIVE", calling="TWICE").encode()),
                ):
                    async with connected(server.port) as raw:
                        await associated(raw, calling)
                        await raw.send(breach)
                        answer = await raw.pdu()
                        assert isinstance(answer, AAbort)
                        code = (int(answer.source), int(answer.reason))
                    talks.append(Talk("ARCHIVE", calling, ABORTED, "server", code, [Did("C-ECHO", 0)]))
                for calling, fields in (
                    ("VERSION", {"protocol_version": 2}),
                    ("APPLICATION", {"application_context_name": UID("1.2.3")}),
                ):
                    async with connected(server.port) as raw:
                        asked = request(called="ARCHIVE", calling=calling, **fields)
                        answer = await raw.associate(asked)
                        code_ = (int(answer.result), int(answer.source), int(answer.reason))
                    talks.append(Talk("ARCHIVE", calling, REJECTED, "server", code_))
            return recorder, server.port

    recorder, port = asyncio.run(play())
    return Scenario("breaches", recorder.frames, (port,), talks)


@scenario
def released_by_hand(folder: Path, files: Files) -> Scenario:
    """Echoes in PDUs of a few bytes each."""
    server = Server("ARCHIVE", port=0)
    talks: list[Talk] = []

    async def play() -> tuple[Recorder, int]:
        async with server:
            with recording(server.port) as recorder:
                async with connected(server.port) as raw:
                    await raw.associate(request(called="ARCHIVE", calling="CHOPPER"))
                    echoes = [CEchoRQ(message_id=number, affected_sop_class_uid=VERIFICATION) for number in (1, 2)]
                    await raw.send(message_bytes(1, echoes[0], length=16))
                    _, answer, _ = await raw.message()
                    await raw.send(message_bytes(1, echoes[1], length=12))
                    _, other, _ = await raw.message()
                    await raw.send(AReleaseRQ())
                    await raw.pdu()
                did = [Did("C-ECHO", int(one.status)) for one in (answer, other)]  # type: ignore[attr-defined]
                talks.append(Talk("ARCHIVE", "CHOPPER", by="client", did=did))
            return recorder, server.port

    recorder, port = asyncio.run(play())
    return Scenario("released_by_hand", recorder.frames, (port,), talks)


# --- HL7 over MLLP

ORDER = (
    "MSH|^~\\&|RIS|HOSPITAL|ARCHIVE|HOSPITAL|20261128080000||ORM^O01|{number}|P|2.3.1\r"
    "PID|1||PAT-0077^^^HOSPITAL||Doe^Jane||19700101|F\r"
    "PV1|1|O|||||||||||||||||V-1\r"
    "ORC|NW|PLACER-1|FILLER-1||SC\r"
    "OBR|1|PLACER-1|FILLER-1|CT^CT of the head||||||||||||||ACC-77|RP-1|STEP1||||CT\r"
    "ZDS|1.2.826.0.1.3680043.10.1414.8^^Application^DICOM\r"
)


def framed(text: str) -> bytes:
    return b"\x0b" + text.encode() + b"\x1c\r"


def acknowledgement(number: str, code: str) -> bytes:
    return framed(
        f"MSH|^~\\&|ARCHIVE|HOSPITAL|RIS|HOSPITAL|20261128080001||ACK^O01|A{number}|P|2.3.1\rMSA|{code}|{number}\r"
    )


def _mllp_server(listener: socket.socket, codes: dict[str, str]) -> None:
    """Acknowledge each message of one connection with its code."""
    plug, _ = listener.accept()
    with plug:
        waiting = b""
        while piece := plug.recv(65536):
            waiting += piece
            while b"\x1c\r" in waiting:
                message, waiting = waiting.split(b"\x1c\r", 1)
                number = message.split(b"|")[9].decode()
                if number in codes:
                    plug.sendall(acknowledgement(number, codes[number]))


@scenario
def hl7(folder: Path, files: Files) -> Scenario:
    """Orders over MLLP: accepted, in error, refused, two in one segment, and one without an answer."""
    codes = {"M1": "AA", "M2": "AE", "M3": "AR", "M4": "AA", "M5": "AA"}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = threading.Thread(target=_mllp_server, args=(listener, codes))
        with recording(port) as recorder:
            server.start()
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plug:

                def await_(count: int) -> None:
                    got = b""
                    while got.count(b"\x1c\r") < count:
                        got += plug.recv(65536)

                for number in ("M1", "M2", "M3"):
                    plug.sendall(framed(ORDER.format(number=number)))
                    await_(1)
                plug.sendall(framed(ORDER.format(number="M4")) + framed(ORDER.format(number="M5")))
                await_(2)
                plug.sendall(framed(ORDER.format(number="M6")))
            server.join(PATIENCE_S)
    exchanges = [Exchange(number, "ORM^O01", code) for number, code in codes.items()]
    return Scenario("hl7", recorder.frames, (port,), [], [*exchanges, Exchange("M6", "ORM^O01", None)])
