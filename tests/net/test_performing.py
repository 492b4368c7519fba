"""The peer's requests and their handlers: plain, coroutine, generator of both kinds, failing, refused, cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dicomwire.dimse.command import CommandField
from dicomwire.dimse.message import CommandMessage
from dicomwire.dimse.messages import (
    CCancelRQ,
    CEchoRQ,
    CFindRQ,
    CFindRSP,
    CStoreRQ,
    CStoreRSP,
    NActionRQ,
    NActionRSP,
    NEventReportRQ,
)
from dicomwire.errors import ServiceError
from dicomwire.net import AE, AcceptorPolicy, Association, Handlers, Limits, Request, Roles, Server
from dicomwire.ul.items import AsynchronousOperationsWindow, RoleSelection
from dicomwire.ul.pdu import AAbort, AReleaseRP, AReleaseRQ
from tests.net.raw import (
    CT,
    FIND,
    VERIFICATION,
    Raw,
    Run,
    command_bytes,
    connected,
    context,
    listening,
    message_bytes,
    request,
    until,
)

if TYPE_CHECKING:
    from dicomwire.net.handlers import Handler

PENDING, CANCEL, PROCESSING_FAILURE = 0xFF00, 0xFE00, 0x0110
COMMITMENT = "1.2.840.10008.1.20.1"
CONTEXTS = [context(1, VERIFICATION), context(3, FIND), context(5, CT), context(7, COMMITMENT)]
ALL = {context.abstract_syntax: context.transfer_syntaxes for context in CONTEXTS}
ECHO = CEchoRQ(message_id=7)
FINDING = CFindRQ(message_id=7, affected_sop_class_uid=FIND)
STORE = CStoreRQ(message_id=7, affected_sop_class_uid=CT, affected_sop_instance_uid=CT)

Answers = list[tuple[int, bytes | None]]


async def answers_to(
    command_field: CommandField, handler: Handler | None, *messages: bytes, count: int = 1, **options: Any
) -> list[tuple[CommandMessage, bytes | None]]:
    """Return the messages that come back from a server with this handler."""
    options.setdefault("policy", AcceptorPolicy(supported=ALL))
    server = Server(port=0, **options)
    if handler is not None:
        server.on(command_field)(handler)
    async with server, connected(server.port) as raw:
        await raw.associate(request(CONTEXTS))
        await raw.send(*messages)
        found = [(await raw.message())[1:] for _ in range(count)]
        await raw.send(AReleaseRQ())
        assert isinstance(await raw.pdu(), AReleaseRP)
        return found


def statuses(found: list[tuple[CommandMessage, bytes | None]]) -> list[int]:
    return [message.status for message, _ in found]  # type: ignore[attr-defined]


def plain(asked: Request) -> int:
    return 0xB000


async def coroutine(asked: Request) -> int:
    await asyncio.sleep(0)
    return 0xB000


def answering(asked: Request) -> CFindRSP:
    assert isinstance(asked.message, CFindRQ)
    return asked.message.response(status=0xB000)


@pytest.mark.parametrize("handler", [plain, coroutine, answering])
def test_one_response(run: Run, handler: Handler) -> None:
    found = run(answers_to(CommandField.C_FIND_RQ, handler, message_bytes(3, FINDING, b"query!")))
    assert statuses(found) == [0xB000]
    assert found[0][0].message_id_being_responded_to == 7


def generator(asked: Request) -> Iterator[Any]:
    for i in range(3):
        yield asked.message.response(status=PENDING), b"%d!" % i


async def async_generator(asked: Request) -> AsyncIterator[Any]:
    for i in range(3):
        await asyncio.sleep(0)
        yield asked.message.response(status=PENDING), b"%d!" % i


def generator_to_the_end(asked: Request) -> Iterator[Any]:
    yield from generator(asked)
    yield 0
    raise AssertionError("nothing is asked of it after the final response")


async def async_generator_to_the_end(asked: Request) -> AsyncIterator[Any]:
    async for part in async_generator(asked):
        yield part
    yield 0
    raise AssertionError("nothing is asked of it after the final response")


@pytest.mark.parametrize(
    "handler", [generator, async_generator, generator_to_the_end, async_generator_to_the_end]
)
def test_several_responses(run: Run, handler: Handler, caplog: pytest.LogCaptureFixture) -> None:
    found = run(answers_to(CommandField.C_FIND_RQ, handler, message_bytes(3, FINDING, b"query!"), count=4))
    assert statuses(found) == [PENDING] * 3 + [0]
    assert [data for _, data in found] == [b"0!", b"1!", b"2!", None]
    assert not caplog.records


def test_a_handler_sees_command_data_set_and_context(run: Run) -> None:
    seen: list[Request] = []

    def store(asked: Request) -> int:
        seen.append(asked)
        return 0

    run(answers_to(CommandField.C_STORE_RQ, store, message_bytes(5, STORE, b"x" * 40_000)))
    (asked,) = seen
    assert asked.message == STORE
    assert asked.data == b"x" * 40_000
    assert asked.context.context_id == 5
    assert isinstance(asked.association, Association)
    assert "C-STORE-RQ" in repr(asked)


def raising(asked: Request) -> int:
    raise KeyError("Doe^John")


async def raising_coroutine(asked: Request) -> int:
    raise KeyError("Doe^John")


def raising_generator(asked: Request) -> Iterator[int]:
    raise KeyError("Doe^John")
    yield 0


async def raising_async_generator(asked: Request) -> AsyncIterator[int]:
    raise KeyError("Doe^John")
    yield 0


def not_a_status(asked: Request) -> Any:
    return None


def another_response(asked: Request) -> Any:
    return STORE.response()


def cannot_be_encoded(asked: Request) -> Any:
    return asked.message.response(status=PENDING), None  # pending without an identifier


def only_pending(asked: Request) -> Any:
    return asked.message.response(status=PENDING), b"match!"


@pytest.mark.parametrize(
    "handler",
    [
        raising,
        raising_coroutine,
        raising_generator,
        raising_async_generator,
        not_a_status,
        another_response,
        cannot_be_encoded,
    ],
)
def test_a_failing_handler_is_answered_and_logged_without_its_words(
    run: Run, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dicomwire.net")
    found = run(answers_to(CommandField.C_FIND_RQ, handler, message_bytes(3, FINDING, b"query!")))
    assert statuses(found) == [PROCESSING_FAILURE]
    (record,) = [record for record in caplog.records if record.levelno > logging.INFO]
    assert "the handler raised" in record.getMessage()
    assert "Doe" not in caplog.text
    assert record.exc_info is None or not record.exc_info


def test_a_function_with_nothing_but_a_pending_response_fails(run: Run) -> None:
    found = run(answers_to(CommandField.C_FIND_RQ, only_pending, message_bytes(3, FINDING, b"query!"), count=2))
    assert statuses(found) == [PENDING, PROCESSING_FAILURE]


def test_a_service_error_is_a_status(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def store(asked: Request) -> int:
        raise ServiceError("full", status=0xA700)

    found = run(answers_to(CommandField.C_STORE_RQ, store, message_bytes(5, STORE, b"image!")))
    assert statuses(found) == [0xA700]
    assert not caplog.records


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (message_bytes(3, FINDING, b"query!"), 0x0211),
        (message_bytes(3, CFindRQ(message_id=7, affected_sop_class_uid=CT), b"query!"), 0x0122),
        (message_bytes(5, ECHO), 0x0122),
        (message_bytes(5, CStoreRQ(message_id=7, affected_sop_class_uid=CT), b"image!"), PROCESSING_FAILURE),
        (command_bytes(5, STORE.encode(has_data_set=False, check=False)), PROCESSING_FAILURE),
        (
            message_bytes(
                7, NEventReportRQ(message_id=7, affected_sop_class_uid=VERIFICATION, affected_sop_instance_uid=CT)
            ),
            0x0122,
        ),
        (
            message_bytes(
                7, NEventReportRQ(message_id=7, affected_sop_class_uid=CT, affected_sop_instance_uid=CT), b"event!"
            ),
            0x0122,
        ),
    ],
    ids=["no handler", "SOP class", "echo elsewhere", "no instance", "no data set", "event", "role"],
)
def test_what_no_handler_sees(run: Run, sent: bytes, status: int) -> None:
    found = run(answers_to(CommandField.C_ECHO_RQ, None, sent))
    assert statuses(found) == [status]


def test_an_event_report_of_one_who_is_not_scp(run: Run) -> None:
    event = NEventReportRQ(
        message_id=7, affected_sop_class_uid=COMMITMENT, affected_sop_instance_uid=CT, event_type_id=1
    )  # type: ignore[arg-type]
    found = run(answers_to(CommandField.N_EVENT_REPORT_RQ, plain, message_bytes(7, event, b"event!")))
    assert statuses(found) == [0x0122]


def test_data_sets_over_the_limit_are_answered(run: Run) -> None:
    called: list[Request] = []
    entity = AE(limits=Limits(message_length=1000))
    found = run(
        answers_to(
            CommandField.C_STORE_RQ,
            called.append,  # type: ignore[arg-type]
            message_bytes(5, STORE, bytes(1002)),
            message_bytes(1, ECHO),
            count=2,
            ae=entity,
        )
    )
    assert statuses(found) == [0xA700, 0]
    assert not called


def test_cancellation(run: Run) -> None:
    """The handler learns of the C-CANCEL-RQ; a generator that ends then is answered with status Cancel."""

    async def searching(asked: Request) -> AsyncIterator[Any]:
        yield asked.message.response(status=PENDING), b"match!"
        assert not asked.is_cancelled
        await asked.cancelled()
        assert asked.is_cancelled

    async def test() -> None:
        server = Server(port=0, policy=AcceptorPolicy(supported=ALL))
        server.on(CommandField.C_FIND_RQ)(searching)
        async with server, connected(server.port) as raw:
            await raw.associate(request(CONTEXTS))
            await raw.send(message_bytes(3, CCancelRQ(message_id_being_responded_to=3)))  # of nothing
            await raw.send(message_bytes(3, FINDING, b"query!"))
            _, pending, _ = await raw.message()
            await raw.send(message_bytes(3, CCancelRQ(message_id_being_responded_to=7)))
            _, final, _ = await raw.message()
            assert statuses([(pending, None), (final, None)]) == [PENDING, CANCEL]

    run(test())


def test_handlers_side_by_side_within_the_window(run: Run) -> None:
    """Two requests at work, the first one answered last; a third one is more than was negotiated."""
    first_may_end = asyncio.Event()

    async def echo(asked: Request) -> int:
        if asked.message.message_id == 1:
            await first_may_end.wait()
        else:
            first_may_end.set()
        return 0

    async def test() -> None:
        policy = AcceptorPolicy(asynchronous_operations_window=(2, 1))
        server = Server(port=0, policy=policy)
        server.on(CommandField.C_ECHO_RQ)(echo)
        async with server, connected(server.port) as raw:
            await raw.associate(request(None, AsynchronousOperationsWindow(5, 5)))
            await raw.send(message_bytes(1, CEchoRQ(message_id=1)), message_bytes(1, CEchoRQ(message_id=2)))
            order = [(await raw.message())[1].message_id_being_responded_to for _ in range(2)]  # type: ignore[attr-defined]
            assert order == [2, 1]

    run(test())


@pytest.mark.parametrize("same", [True, False], ids=["message ID in use", "window"])
def test_more_requests_than_negotiated(run: Run, same: bool) -> None:
    """The same message ID again is answered by 0210H (PS3.7 Annex C.5.7); another one breaks the agreement."""

    async def echo(asked: Request) -> int:
        await asyncio.sleep(60)
        return 0

    async def test() -> None:
        ended: list[Association] = []
        server = Server(port=0, ended=ended.append)
        server.on(CommandField.C_ECHO_RQ)(echo)
        async with server, connected(server.port) as raw:
            await raw.associate()
            await raw.send(message_bytes(1, ECHO), message_bytes(1, CEchoRQ(message_id=7 if same else 8)))
            if same:
                _, response, _ = await raw.message()
                assert statuses([(response, None)]) == [0x0210]
            else:
                assert isinstance(await raw.pdu(), AAbort)
                await raw.close()
                await until(lambda: ended)
                assert "operations under way" in str(ended[0].error)

    run(test())


def test_handlers_end_with_their_association(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "dicomwire.net")
    cleaned: list[str] = []

    async def waiting(asked: Request) -> AsyncIterator[Any]:
        try:
            yield asked.message.response(status=PENDING), b"match!"
            await asyncio.sleep(60)
        finally:
            cleaned.append("yes")

    async def test() -> None:
        server = Server(port=0, policy=AcceptorPolicy(supported=ALL))
        server.on(CommandField.C_FIND_RQ)(waiting)
        async with server, connected(server.port) as raw:
            await raw.associate(request(CONTEXTS))
            await raw.send(message_bytes(3, FINDING, b"query!"))
            await raw.message()
            await raw.send(AAbort())
            await until(lambda: cleaned)

    run(test())
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_a_handler_may_abort(run: Run) -> None:
    async def test() -> None:
        server = Server(port=0)

        @server.on(CommandField.C_ECHO_RQ)
        def echo(asked: Request) -> int:
            asked.association.abort()
            return 0

        async with server, connected(server.port) as raw:
            await raw.associate()
            await raw.send(message_bytes(1, ECHO))
            assert isinstance(await raw.pdu(), AAbort)

    run(test())


def test_the_requestor_answers_in_the_reversed_role(run: Run) -> None:
    """C-GET's way: the server stores to the one who asked, over the same association (PS3.7 section D.3.3.4)."""
    stored: list[bytes | None] = []
    handlers = Handlers()

    @handlers.on(CommandField.C_STORE_RQ)
    def store(asked: Request) -> int:
        stored.append(asked.data)
        return 0

    async def test() -> None:
        server = Server(port=0)
        server.support(CT, roles=Roles(scu=True, scp=True))

        @server.on(CommandField.C_ECHO_RQ)
        async def echo(asked: Request) -> int:
            answer = await asked.association.request(
                CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=CT), b"image!"
            )
            assert isinstance(answer.message, CStoreRSP)
            return answer.status.code

        async with server:
            roles = {CT: Roles(scu=False, scp=True)}
            asking = AE().associate(
                "127.0.0.1", server.port, contexts=[VERIFICATION, CT], roles=roles, handlers=handlers
            )
            async with asking as association:
                assert (await association.c_echo()).code == 0
        assert stored == [b"image!"]

    run(test())


def test_a_request_without_the_role_for_it(run: Run) -> None:
    """A peer that stores to us although we are no SCP; the handler does not see it."""
    handlers = Handlers()
    handlers.on(CommandField.C_STORE_RQ)(plain)

    async def peer(raw: Raw) -> None:
        await raw.accept()
        await raw.send(message_bytes(1, STORE, b"image!"))
        _, response, _ = await raw.message()
        assert statuses([(response, None)]) == [0x0122]
        await raw.pdu()
        await raw.send(AReleaseRP())
        await raw.ended()

    async def test() -> None:
        async with (
            listening(peer) as port,
            AE().associate("127.0.0.1", port, contexts=[CT], handlers=handlers) as association,
        ):
            await until(lambda: association.messages_taken)

    run(test())


def test_a_granted_role_is_used(run: Run) -> None:
    async def test() -> None:
        policy = AcceptorPolicy(supported=ALL, roles={CT: Roles(scu=True, scp=False)})
        async with Server(port=0, policy=policy) as server, connected(server.port) as raw:
            accepted = await raw.associate(request(CONTEXTS, RoleSelection(CT, True, True)))
            (role,) = accepted.user_information.roles
            assert (role.scu, role.scp) == (True, False)

    run(test())


def test_members_of_other_classes_are_dispatched(run: Run) -> None:
    """UPS commands name UPS Push in a context of UPS Pull (PS3.4 section CC.3.1)."""
    push, pull = "1.2.840.10008.5.1.4.34.6.1", "1.2.840.10008.5.1.4.34.6.3"
    action = NActionRQ(
        message_id=7, requested_sop_class_uid=push, requested_sop_instance_uid=CT, action_type_id=1  # type: ignore[arg-type]
    )

    async def test() -> None:
        server = Server(port=0)
        server.support(pull)
        server.on(CommandField.N_ACTION_RQ)(plain)
        async with server, connected(server.port) as raw:
            await raw.associate(request([context(1, pull)]))
            await raw.send(message_bytes(1, action, b"state!"))
            _, response, _ = await raw.message()
            assert isinstance(response, NActionRSP)
            assert response.status == 0xB000

    run(test())


def test_only_requests_have_handlers() -> None:
    handlers = Handlers()
    for field in (CommandField.C_ECHO_RSP, CommandField.C_CANCEL_RQ):
        with pytest.raises(ValueError, match="no request that is answered"):
            handlers.on(field)
    assert handlers.get(CommandField.C_ECHO_RQ) is None
