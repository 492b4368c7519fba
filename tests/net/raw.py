"""A peer that says just what a test has it say, and event loops that nothing may be left behind in."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any

from _dicomwire.pdv import fragment, message_buffers
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.dimse.message import CommandMessage
from dicomwire.dimse.messages import decode_message
from dicomwire.ul.codes import ContextResultReason
from dicomwire.ul.items import (
    ContextResult,
    ImplementationClassUID,
    MaximumLength,
    ProposedContext,
    SubItem,
    UserInformation,
)
from dicomwire.ul.pdu import AAssociateAC, AAssociateRQ, AnyPDU, PDataTF, decode_pdu

VERIFICATION = UID("1.2.840.10008.1.1")
CT = UID("1.2.840.10008.5.1.4.1.1.2")
FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
PATIENCE_S = 20.0

Loop = Callable[[], asyncio.AbstractEventLoop]


class Run:
    """Runs a test in an event loop, and fails it for what it leaves behind: tasks, sockets, errors in callbacks."""

    def __init__(self, factory: Loop) -> None:
        self.factory = factory

    def __call__(self, test: Coroutine[Any, Any, Any]) -> Any:
        faults: list[dict[str, Any]] = []

        async def bounded() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
            async with asyncio.timeout(PATIENCE_S):
                result = await test
            for _ in range(3):
                await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"left behind: {left}"
            return result

        with asyncio.Runner(loop_factory=self.factory) as runner:
            result = runner.run(bounded())
        gc.collect()  # transports that were not closed warn now
        assert not faults, faults
        return result


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; the time is bounded by that of the test."""
    while not condition():
        await asyncio.sleep(0.002)


def request(
    contexts: Iterable[ProposedContext] | None = None,
    *items: SubItem,
    called: str = "ANY-SCP",
    calling: str = "RAW",
    maximum_length: int = 16384,
    **fields: Any,
) -> AAssociateRQ:
    """Return an A-ASSOCIATE-RQ; by default for verification in context 1."""
    if contexts is None:
        contexts = [ProposedContext(1, VERIFICATION, (ImplicitVRLittleEndian,))]
    information = UserInformation((MaximumLength(maximum_length), ImplementationClassUID(UID("1.2.3.4")), *items))
    return AAssociateRQ(called, calling, tuple(contexts), information, **fields)


def context(number: int, abstract_syntax: str, *transfer_syntaxes: str) -> ProposedContext:
    syntaxes = transfer_syntaxes or (ExplicitVRLittleEndian,)
    return ProposedContext(number, UID(abstract_syntax), tuple(map(UID, syntaxes)))


def acceptance(asked: AAssociateRQ, *items: SubItem, maximum_length: int = 16384) -> AAssociateAC:
    """Return an A-ASSOCIATE-AC of every context with its first transfer syntax."""
    results = tuple(
        ContextResult(item.context_id, ContextResultReason.ACCEPTANCE, item.transfer_syntaxes[0])
        for item in asked.presentation_contexts
    )
    information = UserInformation((MaximumLength(maximum_length), ImplementationClassUID(UID("1.2.3.4")), *items))
    return AAssociateAC.answering(asked, results, information)


def message_bytes(context_id: int, message: CommandMessage, data: bytes | None = None, length: int = 16384) -> bytes:
    """Return the P-DATA-TF PDUs of a message."""
    command = message.encode(has_data_set=data is not None, check=False)
    return b"".join(message_buffers(context_id, command, data, length))


def command_bytes(context_id: int, command: bytes) -> bytes:
    """Return the P-DATA-TF PDUs of an encoded command set."""
    return b"".join(fragment(context_id, True, command, 16384))


def pdv(context_id: int, flags: int, data: bytes) -> bytes:
    """Return a P-DATA-TF of one PDV; bit 0 of the flags: command, bit 1: last."""
    return struct.pack(">BxIIBB", 4, len(data) + 6, len(data) + 2, context_id, flags) + data


class Raw:
    """One end of a TCP connection, in PDUs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: AnyPDU | bytes) -> None:
        self.writer.write(b"".join(part if isinstance(part, bytes) else part.encode() for part in parts))
        await self.writer.drain()

    async def pdu(self) -> Any:
        """Return the next PDU, None at the end of the connection."""
        try:
            header = await self.reader.readexactly(6)
            return decode_pdu(header + await self.reader.readexactly(int.from_bytes(header[2:], "big")))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def message(self) -> tuple[int, CommandMessage, bytes | None]:
        """Return the next message: context ID, command, data set."""
        command, data, done = b"", b"", False
        decoded: CommandMessage | None = None
        while not done:
            pdu = await self.pdu()
            assert isinstance(pdu, PDataTF), pdu
            for item in pdu.pdvs:
                if item.is_command:
                    command += item.data
                    if item.is_last:
                        decoded = decode_message(command)
                        done = not decoded.has_data_set
                else:
                    data += item.data
                    done = item.is_last
        assert decoded is not None
        return item.context_id, decoded, data if decoded.has_data_set else None

    async def associate(self, asked: AAssociateRQ | None = None) -> Any:
        """Ask for an association and return the answer."""
        await self.send(asked or request())
        return await self.pdu()

    async def accept(self, *items: SubItem) -> AAssociateRQ:
        """Accept all of what the peer asks for."""
        asked = await self.pdu()
        await self.send(acceptance(asked, *items))
        assert isinstance(asked, AAssociateRQ)
        return asked

    async def ended(self) -> None:
        """Return when the peer has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def connected(port: int, **options: Any) -> AsyncIterator[Raw]:
    """Yield a requestor's end to a server on loopback."""
    raw = Raw(*await asyncio.open_connection("127.0.0.1", port, **options))
    try:
        yield raw
    finally:
        await raw.close()


@contextlib.asynccontextmanager
async def listening(script: Callable[[Raw], Awaitable[object]]) -> AsyncIterator[int]:
    """Yield the port of an acceptor that goes through a script with each connection; its failures are the test's."""
    scripts: list[asyncio.Task[None]] = []

    async def follow(raw: Raw) -> None:
        try:
            await script(raw)
        finally:
            await raw.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scripts.append(asyncio.create_task(follow(Raw(reader, writer))))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*scripts)
    finally:
        server.close()
        for task in scripts:
            task.cancel()
        await asyncio.gather(*scripts, return_exceptions=True)
