"""Our own requests: turns, pending responses, cancellation, the asynchronous window, and what a peer may not answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dicomwire.dimse.message import Response
from dicomwire.dimse.messages import (
    CCancelRQ,
    CEchoRQ,
    CFindRQ,
    CFindRSP,
    CStoreRQ,
    NEventReportRQ,
)
from dicomwire.errors import AssociationAborted, EncodeError, LocalProtocolError, RemoteProtocolError
from dicomwire.net import AE, Association, Roles
from dicomwire.net.invoking import ANSWERS_HELD, renewed
from dicomwire.ul.items import AsynchronousOperationsWindow, RoleSelection
from dicomwire.ul.pdu import AAbort, AReleaseRP, AReleaseRQ
from tests.net.raw import CT, FIND, VERIFICATION, Raw, Run, context, listening, message_bytes, until

PENDING = 0xFF00


def answer(request: Any, status: int = 0, data: bytes | None = None) -> Response:
    response: Response = request.response(status=status)
    return response


async def release(raw: Raw) -> None:
    pdu = await raw.pdu()
    assert isinstance(pdu, AReleaseRQ), pdu
    await raw.send(AReleaseRP())
    await raw.ended()


def find() -> CFindRQ:
    return CFindRQ(affected_sop_class_uid=FIND)


def test_pending_responses_come_one_by_one(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        number, command, data = await raw.message()
        assert (number, type(command), data) == (1, CFindRQ, b"query")
        for item in (b"first", b"second"):
            await raw.send(message_bytes(1, answer(command, PENDING), item))
        await raw.send(message_bytes(1, answer(command)))
        await release(raw)

    async def test() -> None:
        async with listening(peer) as port, AE().associate("127.0.0.1", port, contexts=[FIND]) as association:
            answers = [item async for item in association.responses(find(), b"query")]
            assert [item.data for item in answers] == [b"first", b"second", None]
            assert [item.status.code for item in answers] == [PENDING, PENDING, 0]
            assert isinstance(answers[0].message, CFindRSP)
            assert answers[0].context.abstract_syntax == FIND

    run(test())


def test_request_passes_over_pending_responses(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        _, command, _ = await raw.message()
        await raw.send(
            message_bytes(1, answer(command, PENDING), b"first"), message_bytes(1, answer(command, 0xA700))
        )
        await release(raw)

    async def test() -> None:
        async with listening(peer) as port, AE().associate("127.0.0.1", port, contexts=[FIND]) as association:
            final = await association.request(find(), b"query")
            assert (final.status.code, final.data) == (0xA700, None)

    run(test())


def test_leaving_the_responses_cancels(run: Run) -> None:
    """C-CANCEL-RQ goes out, what still comes is dropped, and the next request waits for the last response."""

    async def peer(raw: Raw) -> None:
        await raw.accept()
        _, command, _ = await raw.message()
        assert isinstance(command, CFindRQ)
        await raw.send(message_bytes(1, answer(command, PENDING), b"first"))
        number, cancel, data = await raw.message()
        assert isinstance(cancel, CCancelRQ)
        assert (number, cancel.message_id_being_responded_to, data) == (1, command.message_id, None)
        await raw.send(message_bytes(1, answer(command, PENDING), b"late"), message_bytes(1, answer(command, 0xFE00)))
        number, echo, _ = await raw.message()
        assert isinstance(echo, CEchoRQ)
        assert echo.message_id != command.message_id
        await raw.send(message_bytes(number, answer(echo)))
        await release(raw)

    async def test() -> None:
        contexts = [FIND, VERIFICATION]
        async with listening(peer) as port, AE().associate("127.0.0.1", port, contexts=contexts) as association:
            responses = association.responses(find(), b"query")
            assert (await anext(responses)).data == b"first"
            await responses.aclose()  # type: ignore[attr-defined]
            assert (await association.c_echo()).code == 0

    run(test())


def test_a_cancelled_request_is_cancelled_at_the_peer(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        _, command, _ = await raw.message()
        _, cancel, _ = await raw.message()
        assert isinstance(cancel, CCancelRQ)
        await raw.send(message_bytes(1, answer(command, 0xFE00)))
        await release(raw)

    async def test() -> None:
        async with listening(peer) as port, AE().associate("127.0.0.1", port, contexts=[FIND]) as association:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await association.request(find(), b"query")
            assert association.invoker is not None
            await until(lambda: not association.invoker.operations)  # type: ignore[union-attr]

    run(test())


def test_requests_are_pipelined_within_the_window(run: Run) -> None:
    """Three at once where three were negotiated, answered in another order; the fourth waits for a place."""

    async def peer(raw: Raw) -> None:
        await raw.accept(AsynchronousOperationsWindow(3, 1))
        first = [await raw.message() for _ in range(3)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await raw.reader.readexactly(1)
        for _, command, _ in reversed(first):
            await raw.send(message_bytes(1, answer(command)))
        rest = [await raw.message() for _ in range(2)]
        for _, command, _ in rest:
            await raw.send(message_bytes(1, answer(command)))
        numbers = [command.message_id for _, command, _ in (*first, *rest)]  # type: ignore[attr-defined]
        assert len(set(numbers)) == 5
        await release(raw)

    async def test() -> None:
        async with listening(peer) as port:
            ae = AE().associate("127.0.0.1", port, asynchronous_operations_window=(5, 5))
            async with ae as association:
                assert association.negotiated is not None
                assert association.negotiated.max_operations_invoked == 3
                done = await asyncio.gather(*(association.c_echo() for _ in range(5)))
                assert [status.code for status in done] == [0] * 5

    run(test())


def test_one_at_a_time_without_a_window(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        for _ in range(4):
            _, command, _ = await raw.message()
            assert raw.reader._buffer == b""  # type: ignore[attr-defined]
            await raw.send(message_bytes(1, answer(command)))
        await release(raw)

    async def test() -> None:
        async with listening(peer) as port, AE().associate("127.0.0.1", port) as association:
            await asyncio.gather(*(association.c_echo() for _ in range(4)))

    run(test())


def test_a_turn_that_is_not_taken_goes_to_the_next(run: Run) -> None:
    """Neither a cancelled task nor a message that cannot be encoded keeps the others waiting."""

    async def peer(raw: Raw) -> None:
        await raw.accept()
        _, first, _ = await raw.message()
        await asyncio.sleep(0.05)  # the others have lined up
        await raw.send(message_bytes(1, answer(first)))
        _, last, _ = await raw.message()
        await raw.send(message_bytes(1, answer(last)))
        await release(raw)

    async def test() -> None:
        async with listening(peer) as port, AE().associate("127.0.0.1", port) as association:
            tasks = [asyncio.create_task(association.c_echo())]
            await asyncio.sleep(0.01)
            bad = CEchoRQ(affected_sop_class_uid=VERIFICATION, message_id=70000)
            tasks.append(asyncio.create_task(association.request(bad)))  # type: ignore[arg-type]
            tasks += [asyncio.create_task(association.c_echo()) for _ in range(2)]
            await tasks[0]
            tasks[2].cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(done[1], EncodeError)
            assert isinstance(done[2], asyncio.CancelledError)
            assert done[3].code == 0  # type: ignore[union-attr]

    run(test())


def test_contexts_are_chosen_by_sop_class_and_role(run: Run) -> None:
    contexts = [context(1, VERIFICATION), context(3, CT), context(5, FIND), context(7, CT, "1.2.840.10008.1.2.4.50")]

    async def peer(raw: Raw) -> None:
        await raw.accept(RoleSelection(FIND, False, True))
        for expected in (3, 7):
            number, command, data = await raw.message()
            assert (number, data) == (expected, b"image!")
            await raw.send(message_bytes(number, answer(command)))
        await release(raw)

    async def test() -> None:
        roles = {FIND: Roles(scu=False, scp=True)}
        async with (
            listening(peer) as port,
            AE().associate("127.0.0.1", port, contexts=contexts, roles=roles) as association,
        ):
            for number in (None, 7):
                store = CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=CT)
                assert (await association.request(store, b"image!", context_id=number)).context.context_id == (
                    number or 3
                )
            with pytest.raises(LocalProtocolError, match=r"C-FIND-RQ: no presentation context.*role"):
                await association.request(find(), b"query")
            with pytest.raises(LocalProtocolError, match="context 9 was not accepted"):
                await association.request(CEchoRQ(), context_id=9)
            with pytest.raises(LocalProtocolError, match="no presentation context"):
                await association.request(NEventReportRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=CT))

    run(test())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda request: (1, answer(CEchoRQ(message_id=request.message_id + 1))), "which no request under way has"),
        (lambda request: (1, answer(CFindRQ(message_id=request.message_id, affected_sop_class_uid=FIND))), "of C-ECHO"),
        (lambda request: (3, answer(request)), "context 3, the request was in 1"),
        (lambda request: (1, answer(request, PENDING)), "Pending"),
    ],
    ids=["message ID", "kind", "context", "pending"],
)
def test_responses_that_answer_nothing_abort(run: Run, wrong: Any, words: str) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        _, command, _ = await raw.message()
        number, response = wrong(command)
        await raw.send(message_bytes(number, response))
        assert isinstance(await raw.pdu(), AAbort)

    async def test() -> None:
        contexts = [context(1, VERIFICATION), context(3, FIND)]
        async with listening(peer) as port:
            with pytest.raises(AssociationAborted, match=words) as caught:
                async with AE().associate("127.0.0.1", port, contexts=contexts) as association:
                    await association.c_echo()
            assert isinstance(caught.value.__cause__, RemoteProtocolError)

    run(test())


def test_a_response_without_any_request_aborts(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        await raw.send(message_bytes(1, answer(CEchoRQ(message_id=1))))
        assert isinstance(await raw.pdu(), AAbort)

    async def associate(port: int) -> None:
        association = await AE().associate("127.0.0.1", port)
        await association.closed()
        raise association.ended_error()

    async def test() -> None:
        async with listening(peer) as port:
            with pytest.raises(AssociationAborted, match="nothing was asked"):
                await associate(port)

    run(test())


def test_nothing_more_is_read_while_nobody_takes_the_answers(run: Run) -> None:
    """A peer with endless answers fills the sockets and not our memory; a request that waits has the rest read."""
    piece = b"p" * 100_000
    sent = 0

    async def peer(raw: Raw) -> None:
        nonlocal sent
        await raw.accept()
        _, command, _ = await raw.message()
        while sent < 400:
            await raw.send(message_bytes(1, answer(command, PENDING), piece))
            sent += 1
        await raw.send(message_bytes(1, answer(command)))
        number, echo, _ = await raw.message()
        await raw.send(message_bytes(number, answer(echo)))
        await release(raw)

    async def test() -> None:
        contexts = [FIND, VERIFICATION]
        async with listening(peer) as port, AE().associate("127.0.0.1", port, contexts=contexts) as association:
            responses = association.responses(find(), b"query")
            first = await anext(responses)
            assert first.data == piece
            await until(lambda: association.connection.is_held)
            held = sum(len(item.data or b"") for item in association.invoker.operations[1].answers)  # type: ignore[union-attr]
            assert held < ANSWERS_HELD + (2 << 20)
            assert sent < 400
            # A request within the loop over the answers must not wait for what nobody reads.
            assert (await association.c_echo()).code == 0
            assert len([item async for item in responses]) == 400

    run(test())


def test_those_who_wait_get_an_error_each(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept(AsynchronousOperationsWindow(2, 1))
        await raw.message()
        await raw.message()
        await raw.send(AAbort())

    async def test() -> None:
        async with listening(peer) as port:
            association = await AE().associate("127.0.0.1", port, asynchronous_operations_window=(2, 1))
            done = await asyncio.gather(*(association.c_echo() for _ in range(3)), return_exceptions=True)
            assert [type(item) for item in done] == [AssociationAborted] * 3
            assert len(set(map(id, done))) == 3
            assert association.error is not None
            assert association.error.__traceback__ is None
            with pytest.raises(AssociationAborted):
                await association.c_echo()
            await association.closed()

    run(test())


def test_a_renewed_error_says_the_same() -> None:
    error = AssociationAborted("why", source=2, reason=1)
    error.__cause__ = OSError("lost")
    again = renewed(error)
    assert again is not error
    assert isinstance(again, AssociationAborted)
    assert (str(again), again.source, again.reason, again.__cause__) == ("why", 2, 1, error.__cause__)


def test_requests_after_the_release_say_so(run: Run) -> None:
    async def peer(raw: Raw) -> None:
        await raw.accept()
        await raw.send(AReleaseRQ())
        assert isinstance(await raw.pdu(), AReleaseRP)

    async def test() -> None:
        async with listening(peer) as port:
            association: Association = await AE().associate("127.0.0.1", port)
            await association.closed()
            assert association.is_released
            with pytest.raises(AssociationAborted, match="released"):
                await association.c_echo()

    run(test())
