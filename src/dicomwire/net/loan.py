"""An association in the hands of a thread: it receives, performs requests and answers them, until something else comes.

The event loop of an association lends it when a request begins that is to be performed in threads
(`Handlers.perform_in_threads`), and takes no part in it until it is given back: nothing is read, and what is to be sent
waits.  The thread goes on with the same reader, state machine and assembler where the loop stopped, and leaves them to
the loop, in mid-message if need be, when the peer sends anything but further such requests, sends nothing for a while,
or does not take an answer; when the loop wants to send; and when the association is to end.
"""

from __future__ import annotations

import inspect
import logging
import socket
from functools import partial
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from _dicomwire.cstore import store_request, store_response
from _dicomwire.deposit import STORED, UNUSUAL
from _dicomwire.intake import CLOSED, ENDED, NOT_WRITTEN, OTHER, REQUEST, SILENT, WOKEN
from _dicomwire.pdu import PDVRun
from _dicomwire.pdv import fragment
from dicomwire.dictionary import UID
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.message import Request as RequestMessage
from dicomwire.dimse.message import Response
from dicomwire.dimse.messages import CStoreRQ, decode_message
from dicomwire.dimse.status import PROCESSING_FAILURE, SUCCESS, StatusKind, kind_of
from dicomwire.errors import DicomWireError, RemoteProtocolError, ServiceError
from dicomwire.net.handlers import Request
from dicomwire.net.performing import discard, refusal_to
from dicomwire.ul.effects import Data

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from typing_extensions import Buffer

    from _dicomwire.deposit import Place
    from _dicomwire.intake import Intake
    from dicomwire.dimse.assembler import DirectSink, Message, Sink
    from dicomwire.net.association import Association
    from dicomwire.net.handlers import Look, ThreadHandler
    from dicomwire.net.workers import Worker, Workers
    from dicomwire.ul.negotiation import AcceptedContext

    StreamItem = Any

TURN_MS = 100  # that a thread stays with one association while others wait
TURN_S = TURN_MS / 1000
PATIENCE_MS = 20  # for the peer to send more, before the loop waits for it
SHORT_PATIENCE_MS = 0  # the same while others wait: it gets another turn

STORE = int(CommandField.C_STORE_RQ)
LEAST_PDU_LENGTH = 256  # that the longest response to a C-STORE fits in
P_DATA_TF, _WHOLE_COMMAND = 4, 3  # PDU type; message control header of a command in one fragment
_AFFECTED_SOP_CLASS = b"\0\0\2\0"
_COMMAND_FIELD = b"\0\0\0\1\2\0\0\0"

_log = logging.getLogger("dicomwire.net")


def command_field(command: memoryview, at: int) -> int:
    """Return the Command Field of a command set that begins at an offset, 0 where it is not at its usual place."""
    # Behind the group length (12 bytes) is the SOP class, then the field (PS3.7 section E.1).
    if command[at + 12 : at + 16] != _AFFECTED_SOP_CLASS:
        return 0
    at += 20 + int.from_bytes(command[at + 16 : at + 20], "little")
    return int.from_bytes(command[at + 8 : at + 10], "little") if command[at : at + 8] == _COMMAND_FIELD else 0


def lend(association: Association, chunk: memoryview) -> bool:
    """Give an association to a thread with what was received, if that begins a message, or goes on with one, for it."""
    handlers, assembler, connection = association.handlers, association.assembler, association.connection
    if handlers is None or assembler is None or handlers.workers is None:
        return False
    if assembler.command is not None:
        field = int(assembler.command.command_field)
    elif connection.is_between_pdus and assembler.is_idle and len(chunk) > 12 and chunk[0] == P_DATA_TF:
        field = command_field(chunk, 12) if chunk[11] & 3 == _WHOLE_COMMAND else 0
    else:
        return False
    if field not in handlers.in_threads or association.is_busy or connection.unsent or not association.is_sound:
        return False
    loan = Loan(association, handlers.in_threads, bytes(chunk))
    loan.socket = connection.lend(loan)
    handlers.workers.submit(loan)
    return True


class Lent:
    """An association that a thread has: what the event loop asks of it, and how it gets it back; see `Borrower`.

    socket   a descriptor of its own on the connection, None over TLS: then what was received is all there is to read
    """

    __slots__ = ("_association", "_is_over", "_is_recalled", "_loop", "_then", "_worker", "socket")

    def __init__(self, association: Association) -> None:
        self.socket: socket.socket | None = None
        self._association = association
        self._loop = association.loop
        self._is_recalled = False
        self._is_over = False  # something is for the loop to do before anything else
        self._worker: Worker | None = None  # of the thread
        self._then: list[Callable[[], object]] = []  # what the loop is to do when it has the association again

    # --- what the loop does

    def recall(self, *, by_force: bool = False) -> None:
        """Have it given back soon; `by_force` also when a peer is in the middle of a message, whose end is lost."""
        self._is_recalled = True
        worker = self._worker
        if worker is not None:
            worker.awaken()
        if by_force and self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                _log.debug("shutdown: %s", error.strerror)

    def _returned(self) -> None:
        """The thread is done with it."""
        association = self._association
        if self.socket is not None:
            self.socket.close()
        association.connection.take_back()
        try:
            for then in self._then:
                then()
        finally:
            association.connection.received_all()

    # --- what the thread does

    @property
    def is_here(self) -> bool:
        """True in the thread that has the association."""
        return self._worker is not None and self._worker.ident == get_ident()

    def give_back(self, then: Callable[[], object]) -> None:
        """Have the loop do something, and go on itself."""
        self._then.append(then)
        self._is_over = True

    def _return(self) -> None:
        """Give it back."""
        try:
            self._loop.call_soon_threadsafe(self._returned)
        except RuntimeError:  # the loop is closed, and with it everything that it had
            if self.socket is not None:
                self.socket.close()

    def _leave(self, items: Sequence[StreamItem]) -> None:
        """Leave what was received to the loop; the views in it are of a window that is used again."""
        for item in items:
            self._then.append(partial(self._association.connection.take_items, (copied(item),)))


class Loan(Lent):
    """One association from when it is lent to when it is given back, by a thread that performs its requests."""

    __slots__ = ("_chunk", "_deposits", "_handlers", "_heard", "_max_pdu_length", "_places", "_receiver")

    def __init__(self, association: Association, handlers: Mapping[int, ThreadHandler], chunk: bytes) -> None:
        super().__init__(association)
        self._handlers = handlers
        self._chunk = chunk
        assert association.handlers is not None
        self._receiver = association.handlers.receiver(CommandField.C_STORE_RQ)
        self._deposits = association.handlers.deposits
        self._places: dict[int, tuple[Place | None, AcceptedContext | None]] = {}  # those that were asked for
        self._max_pdu_length = association.max_pdu_length_to_send
        self._heard = monotonic()  # when something came

    def run(self, worker: Worker, workers: Workers) -> bool:
        """Work on it; True when its turn is over, False when it was given back."""
        self._worker = worker
        try:
            if self._work(worker, workers):
                return True
        except Exception as error:  # noqa: BLE001  whatever it is: nobody else will answer the peer
            _log.error("a thread raised %s", type(error).__name__, exc_info=True)
            self._then.append(partial(self._association.give_up, "an error in a thread"))
            worker.intake.rest()  # what is left of it must not be taken for bytes of the next association
            worker.deposit.discard()
        finally:
            self._worker = None
        self._return()
        return False

    def _work(self, worker: Worker, workers: Workers) -> bool:
        association = self._association
        reader, assembler = association.connection.reader, association.assembler
        assert assembler is not None
        descriptor = self.socket.fileno() if self.socket is not None else -1
        turn_ends = monotonic() + TURN_S
        chunk, self._chunk = self._chunk, b""
        items = reader.feed(chunk) if chunk else []
        while True:
            for at, item in enumerate(items):
                if self._is_recalled or not self._take(item):
                    self._leave(items[at:])
                    return False
                if self._is_over:
                    self._leave(items[at + 1 :])
                    return False
            if self._is_recalled or descriptor < 0 or reader.is_in_control:
                return False
            patience = PATIENCE_MS
            if workers.has_waiting:
                if monotonic() > turn_ends:
                    return True
                patience = SHORT_PATIENCE_MS
            if assembler.is_idle:
                intake = worker.intake
                why = intake.next_request(reader, descriptor, worker.wake, patience)
                while why == REQUEST:
                    why = self._store_whole(intake, worker, descriptor, patience)
                    if why == ENDED and not self._is_over and not self._is_recalled and not workers.has_waiting:
                        why = intake.next_request(reader, descriptor, worker.wake, patience)
                # A command that was taken, and nobody was told of, comes before what is left.
                is_untold = intake.command is not None and why != ENDED and assembler.is_idle
                items = [_command_run(intake)] if is_untold else []
            else:
                items = []
                intake, why = self._receive_more(worker, descriptor, patience)
            if intake.start < intake.end:
                items += reader.feed(intake.rest())
            if why == WOKEN:
                worker.awoken()
            if self._is_over or why in (SILENT, CLOSED):
                is_quiet = why == SILENT and not self._is_over and not items
                if is_quiet and workers.has_waiting and monotonic() < self._heard + PATIENCE_MS / 1000:
                    return True  # others may have something to say meanwhile
                self._leave(items)
                return False
            self._heard = monotonic()

    def _receive_more(self, worker: Worker, descriptor: int, patience: int) -> tuple[Intake, int]:
        """Receive more of a message that has begun, and write what goes straight to a file."""
        association = self._association
        connection, assembler = association.connection, association.assembler
        assert assembler is not None
        sink = assembler.sink
        direct = sink.direct() if sink is not None and hasattr(sink, "direct") else None
        intake = worker.intake
        if direct is None:
            return intake, intake.receive(descriptor, worker.wake, patience)
        file, limit, digest = direct
        why = intake.pass_on(
            connection.reader,
            descriptor,
            worker.wake,
            assembler.context_id,
            file,
            None,
            limit,
            patience,
            TURN_MS,
            worker.writer if digest is not None else None,
            digest,
        )
        self._take_passed(intake, why, cast("DirectSink", sink))
        return intake, why

    def _take_passed(self, intake: Intake, why: int, sink: DirectSink) -> None:
        """Tell those who look after the message of bytes that went to the file."""
        assembler = self._association.assembler
        assert assembler is not None
        sink.passed(intake.passed)
        if why == NOT_WRITTEN:
            assembler.give_up(sink.failed(intake.failure))
        if intake.passed or intake.ended:
            # A run without views: its bytes are where they are to go.
            self._pass(PDVRun(assembler.context_id, False, intake.ended, [], intake.passed))

    def _store_whole(self, intake: Intake, worker: Worker, descriptor: int, patience: int) -> int:
        """Receive and store an instance of which the usual command has come, and the beginning of the data set.

        State machine and assembler are between two messages when it begins and when it ends, and need not be told.
        They are as soon as anything is not as usual; what is left in the window is for them then, for OTHER all of it.
        """
        association, deposits = self._association, self._deposits
        place, context = self._places.get(intake.context_id) or self._place(intake.context_id)
        if place is None or context is None or deposits is None or not association.is_sound:
            return self._perform_whole(intake, worker, descriptor, patience)
        look: Look | None = None
        if deposits.looks:
            command = intake.command
            assert command is not None
            beginning = intake.view[intake.data_start : intake.data_end]
            try:
                look = deposits.look(association, context, place, command, beginning)
                if self._is_over or not association.is_sound:  # a handler has aborted it
                    raise ServiceError("the association is over", status=PROCESSING_FAILURE)
            except ServiceError as error:
                return self._refuse(intake, cast("CStoreRQ", decode_message(command)), context, worker, error)
            if look is None or look.place is None:
                return self._perform_whole(intake, worker, descriptor, patience, look)
            place = look.place
        deposit = worker.deposit
        digest = look.digest if look is not None else None
        why = deposit.receive(
            intake,
            association.connection.reader,
            place,
            descriptor,
            worker.wake,
            patience,
            TURN_MS,
            worker.writer if digest is not None else None,
            digest,
        )
        if why == UNUSUAL:
            return self._perform_whole(intake, worker, descriptor, patience, look)
        if why == STORED:
            association.messages_taken += 1
            status = self._called(deposits.stored, (association, context, deposit, look))
            if not self._is_over:
                left = deposit.answer(descriptor, status, self._max_pdu_length)
                if left is not None:
                    self.give_back(partial(association.send_answer, [left]))
            return ENDED
        message = cast("CStoreRQ", decode_message(deposit.command))
        begun = deposit, deposit.size - intake.passed
        return self._go_on(intake, why, message, context, deposits.go_on(association, message, context, look, begun))

    def _place(self, context_id: int) -> tuple[Place | None, AcceptedContext | None]:
        """Return where instances of a context go, None where each has to be looked into, and the context."""
        association = self._association
        context = association.contexts.get(context_id)
        place = None
        fits = not 0 < self._max_pdu_length < LEAST_PDU_LENGTH
        if context is not None and context.is_scp and self._deposits is not None and fits:
            place = self._deposits.place(association, context)
        self._places[context_id] = place, context
        return place, context

    def _perform_whole(
        self, intake: Intake, worker: Worker, descriptor: int, patience: int, look: Look | None = None
    ) -> int:
        """Receive and perform a request that is as usual, but for a sink that has to look at the data set.

        Where that has been looked at, the sink takes it from there.
        """
        association = self._association
        command = intake.command
        assert command is not None
        context, fields = association.contexts.get(intake.context_id), store_request(command)
        if (
            fields is None
            or context is None
            or not context.is_scp
            or fields[1] != context.abstract_syntax
            or self._receiver is None
            or not association.is_sound
        ):
            return OTHER
        message = CStoreRQ(
            message_id=fields[0],
            affected_sop_class_uid=cast(UID, fields[1]),
            affected_sop_instance_uid=cast(UID, fields[2]),
            priority=fields[3],
            move_originator_application_entity_title=fields[4],
            move_originator_message_id=fields[5],
        )
        sink: Sink | None
        if look is not None and self._deposits is not None:
            try:
                sink = self._deposits.go_on(association, message, context, look)
            except ServiceError as refusal:
                return self._refuse(intake, message, context, worker, refusal)
        else:
            try:
                sink = self._receiver(association, context.context_id, message)
            except Exception:  # noqa: BLE001  it will be raised once more, and answered
                return OTHER
        if not hasattr(sink, "place"):
            if sink is not None:
                sink.discard()
            return OTHER
        sink = cast("DirectSink", sink)
        error: Exception | None = None
        place = None
        try:
            place = sink.place(intake.view[intake.data_start : intake.data_end])
        except (ServiceError, OSError) as failure:
            error = failure
        if place is None:
            self._begin(intake, message, sink)
            if error is not None:
                assert association.assembler is not None
                association.assembler.give_up(error)
            return OTHER
        file, limit, digest, first = place
        why = intake.pass_on(
            association.connection.reader,
            descriptor,
            worker.wake,
            context.context_id,
            file,
            first,
            limit,
            patience,
            TURN_MS,
            worker.writer if digest is not None else None,
            digest,
        )
        return self._go_on(intake, why, message, context, sink)

    def _go_on(
        self, intake: Intake, why: int, message: CStoreRQ, context: AcceptedContext, sink: DirectSink
    ) -> int:
        """Perform a request whose data set is complete, or tell those who look after it of what is there."""
        association = self._association
        if why != ENDED:
            self._begin(intake, message, sink)
            self._take_passed(intake, why, sink)
            return ENDED if intake.ended else why  # also a request whose file took no more is performed by then
        sink.passed(intake.passed)
        sink.finish()
        association.messages_taken += 1
        status = self._called(self._handlers[STORE], (Request(association, message, None, context, sink),))
        if not self._is_over:
            self._send(self._encoded(context.context_id, message, None, status))
        return ENDED

    def _refuse(
        self, intake: Intake, message: CStoreRQ, context: AcceptedContext, worker: Worker, error: ServiceError
    ) -> int:
        """Have a request answered with an error; its data set, of which nothing was taken, is passed over."""
        association, assembler = self._association, self._association.assembler
        assert self._deposits is not None
        assert assembler is not None
        self._begin(intake, message, self._deposits.go_on(association, message, context, None, (worker.deposit, 0)))
        assembler.give_up(error)
        return OTHER

    def _begin(self, intake: Intake, message: CStoreRQ, sink: DirectSink) -> None:
        """Tell state machine and assembler of a command that they have not seen."""
        association = self._association
        assert association.assembler is not None
        association.machine.receive_items((_command_run(intake),))
        association.assembler.begin(intake.context_id, message, sink)

    def _take(self, item: StreamItem) -> bool:
        """Take a piece of a message; False for what the loop is to take."""
        association = self._association
        assembler = association.assembler
        assert assembler is not None
        if type(item) is not PDVRun:
            return False
        if item.is_command and (
            not assembler.is_idle or len(item.views) != 1 or not item.is_last
            or command_field(item.views[0], 0) not in self._handlers
        ):
            return False
        self._pass(item)
        return True

    def _pass(self, run: PDVRun) -> None:
        """Give a piece of a message to state machine and assembler, and perform the request that ends with it."""
        association = self._association
        assembler = association.assembler
        assert assembler is not None
        effects = association.machine.receive_items((run,))
        if len(effects) != 1 or type(effects[0]) is not Data:
            self.give_back(partial(association.connection.perform, effects))
            return
        try:
            message = assembler.take(run)
            if message is not None:
                self._perform(message)
        except RemoteProtocolError as error:
            self.give_back(partial(association.violated, error))
        except DicomWireError as error:
            # Left without an answer the peer waits for ever, and its window stays closed.
            _log.error("no response could be sent: %s", error)
            self.give_back(association.abort)

    def _perform(self, message: Message) -> None:
        """Perform a request and answer it; see `Performer`, which does the same in the loop."""
        association, command = self._association, message.command
        association.messages_taken += 1
        assert isinstance(command, RequestMessage)
        is_wanted = association.is_sound and not self._is_over
        if not is_wanted:  # it is being aborted
            self._is_over = True
            discard(message)
            return
        context = association.contexts[message.context_id]
        handler = self._handlers[int(command.command_field)]
        response: Response | None = None
        status = SUCCESS
        if message.sink is None:  # whoever gave a sink has looked at the command before
            response = refusal_to(message, command, context, handler)
        if response is None:
            # No other request is under way in the loop: this one need not be known there, unless it comes to be.
            request = Request(association, command, message.data, context, message.sink)
            status = self._called(handler, (request,))
            if self._is_over:
                return
        self._send(self._encoded(context.context_id, command, response, status))

    def _called(self, handler: Callable[..., int | Awaitable[int]], arguments: tuple[Any, ...]) -> int:
        """Call a handler and return its status; an awaitable goes to the loop, with the association."""
        try:
            outcome = handler(*arguments)
            if type(outcome) is not int:
                if inspect.isawaitable(outcome):
                    self.give_back(partial(self._association.finish, _request_of(arguments), outcome))
                    return SUCCESS
                outcome = int(outcome)
            if outcome and kind_of(outcome) in (StatusKind.UNKNOWN, StatusKind.PENDING):
                raise ValueError("no status that a response may have")
            return outcome
        except ServiceError as error:
            return error.status
        except Exception as error:  # noqa: BLE001  the handler's, whatever it is
            name, details = type(error).__name__, _log.isEnabledFor(10)
            _log.error("%s: the handler raised %s", _request_of(arguments), name, exc_info=details)
            return PROCESSING_FAILURE

    def _encoded(
        self, context_id: int, command: RequestMessage[Any], response: Response | None, status: int
    ) -> list[bytes | memoryview]:
        association = self._association
        if response is None and type(command) is CStoreRQ:
            encoded = store_response(
                command.message_id, command.affected_sop_class_uid, command.affected_sop_instance_uid, status
            )
            if encoded is not None:
                return fragment(context_id, True, encoded, association.max_pdu_length_to_send)
        return association.encoded(context_id, response or command.response(status=status), None)

    def _send(self, buffers: Sequence[Buffer]) -> None:
        """Send a response, or what of it the peer takes now."""
        if self.socket is None:
            self._then.append(partial(self._association.send_answer, buffers))
            return
        answer = b"".join(buffers)
        try:
            sent = self.socket.send(answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the connection is lost, of which the next read tells
        if sent < len(answer):
            self.give_back(partial(self._association.send_answer, [answer[sent:]]))


def _command_run(intake: Intake) -> PDVRun:
    command = intake.command
    assert command is not None
    return PDVRun(intake.context_id, True, True, [memoryview(command)], len(command))


def _request_of(arguments: tuple[Any, ...]) -> Request:
    """Return the request that a handler was called for, with itself or with what was stored for it."""
    if len(arguments) == 1:
        return cast("Request", arguments[0])
    association, context, deposit, _ = arguments
    return Request(association, cast("CStoreRQ", decode_message(deposit.command)), None, context)


def copied(item: StreamItem) -> StreamItem:
    """Return what a reader has made of bytes in a window that is used again, with bytes of its own."""
    if type(item) is not PDVRun:
        return item
    views = [memoryview(bytes(view)) for view in item.views]
    return PDVRun(item.context_id, item.is_command, item.is_last, views, item.length)
