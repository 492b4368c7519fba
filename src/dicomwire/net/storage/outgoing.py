"""Files on their way out over one association, sent by a thread of their own.

The thread borrows the association from its event loop, as those that receive do (`dicomwire.net.loan`): it opens a file
while the one before is being answered, sends it without the GIL and without a copy where the system can, and keeps as
many under way as the asynchronous operations window has room for.  What is no answer to its requests it leaves to the
loop, with the association.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import ssl
from collections import deque
from dataclasses import dataclass
from functools import partial
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from _dicomwire.cstore import store_answer, store_command
from _dicomwire.intake import CLOSED, SILENT, WOKEN
from _dicomwire.outlet import CHANGED, SENT, STOPPED, STUCK, UNREADABLE, send_file
from _dicomwire.pdu import PDVRun
from _dicomwire.pdv import fragment
from dicomwire.dimse.command import CommandField
from dicomwire.dimse.messages import CStoreRQ, CStoreRSP
from dicomwire.dimse.status import StatusKind, service_of, status_of
from dicomwire.errors import DicomWireError, RemoteProtocolError
from dicomwire.net.loan import Lent
from dicomwire.net.storage.source import FileToSend, open_file
from dicomwire.net.storage.user import context_for
from dicomwire.net.workers import Worker
from dicomwire.ul.effects import Data

if TYPE_CHECKING:
    from collections.abc import Callable

    from dicomwire.dimse.status import Status
    from dicomwire.net.association import Association
    from dicomwire.net.storage.plan import StrPath
    from dicomwire.ul.negotiation import AcceptedContext

    StreamItem = Any

REPORT_S = 0.05  # between two visits to the event loop with what became of files
MOST_UNDER_WAY = 64  # where the window has no limit
FOREVER = -1  # milliseconds

_log = logging.getLogger("dicomwire.net.storage")


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one file: the peer's status, or why there is none."""

    path: StrPath
    status: Status | None
    error: str | None

    @property
    def is_stored(self) -> bool:
        """True when the peer answered with success, or with a warning."""
        return self.status is not None and self.status.kind in (StatusKind.SUCCESS, StatusKind.WARNING)


def said(error: BaseException) -> str:
    """Return what a report says of an error."""
    if isinstance(error, OSError) and error.strerror:
        # asyncio's own text names addresses; what a host name or a certificate lacks is no number of the system.
        is_of_system = error.errno is not None and error.errno > 0 and not isinstance(error, ssl.SSLError)
        return os.strerror(error.errno) if is_of_system else error.strerror  # type: ignore[arg-type]
    return str(error) or type(error).__name__


class Waiting(deque["StrPath"]):
    """Files that are to be sent, by whoever comes first; no more are taken once `is_stopped` is set."""

    is_stopped = False


class Outgoing(Lent):
    """Sends files over an association until there are none, or it ends.

    waiting   files, of which others may take as well
    report    called in the event loop with what became of each file that was taken
    """

    def __init__(self, association: Association, waiting: Waiting, report: Callable[[Sent], object]) -> None:
        negotiated = association.negotiated
        assert negotiated is not None
        super().__init__(association)
        self._waiting = waiting
        self._report = report
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._window = negotiated.max_operations_invoked or MOST_UNDER_WAY
        self._max_pdu_length = negotiated.max_pdu_length_to_send
        self._limit_s = association.timeouts.dimse_s
        self._is_lost = False  # the connection, of which the loop will hear when it reads
        self._opened: tuple[StrPath, FileToSend, AcceptedContext] | None = None
        self._under_way: dict[int, tuple[StrPath, AcceptedContext]] = {}
        self._answered = 0
        self._reports: list[Sent] = []
        self._reported = monotonic()
        self._statuses: dict[tuple[int, str], Status] = {}

    async def send(self) -> int:
        """Return how many files were answered, when the thread has ended and the loop has the association again."""
        self.socket = self._association.connection.lend(self)
        Thread(target=self._run, name="dicomwire.net.sender", daemon=True).start()
        await self._done
        return self._answered

    # --- what the loop does

    def _tell(self, reports: list[Sent]) -> None:
        for sent in reports:
            self._report(sent)

    def _returned(self) -> None:
        try:
            super()._returned()
        finally:
            if not self._under_way:
                self._finish()
            else:
                # Why their answers do not come is known when the end of the association is.
                self._loop.create_task(self._lose())

    async def _lose(self) -> None:
        association = self._association
        if association.is_sound and not self._is_lost:
            association.give_up("files are under way that nobody waits for")
        if association.is_sound:  # the loop is about to read what the thread has seen of the connection's end
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(association.timeouts.artim_s):
                    await association.closed()
        await association.terminate()
        error = association.ended_error()
        for path, _ in self._under_way.values():
            self._report(Sent(path, None, said(error)))
        self._finish()

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)

    # --- what the thread does

    def _run(self) -> None:
        # A peer that closes in mid-message must not end the process.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        try:
            with Worker() as worker:
                self._worker = worker
                try:
                    self._work(worker)
                finally:
                    self._worker = None
        except Exception as error:  # noqa: BLE001  whatever it is: the loop has to learn that this thread is over
            _log.error("a thread raised %s", type(error).__name__, exc_info=True)
            self._then.append(partial(self._association.give_up, "an error in a thread"))
        if self._opened is not None:
            path, file, _ = self._opened
            file.close()
            if not self._waiting.is_stopped:
                self._waiting.appendleft(path)
        self._visit()
        self._return()

    def _work(self, worker: Worker) -> None:
        assert self.socket is not None
        descriptor = self.socket.fileno()
        while not self._is_over and not self._is_recalled:
            if len(self._under_way) < self._window and self._next():
                self._send(worker, descriptor)
                continue
            if not self._under_way:
                return
            self._next()  # while the answer is on its way
            self._receive(worker, descriptor)

    def _visit(self) -> None:
        """Have the loop report what became of files."""
        self._reported = monotonic()
        reports, self._reports = self._reports, []
        with contextlib.suppress(RuntimeError):  # of a loop that is closed, and has nobody who would listen
            self._loop.call_soon_threadsafe(self._tell, reports)

    def _next(self) -> bool:
        """Open the next file that can be sent; False when there is none."""
        while self._opened is None and not self._waiting.is_stopped:
            try:
                path = self._waiting.popleft()
            except IndexError:
                return False
            try:
                file = open_file(path)
            except (DicomWireError, OSError) as error:
                self._reports.append(Sent(path, None, said(error)))
                continue
            try:
                context = context_for(self._association, file)
                if context.transfer_syntax != file.transfer_syntax:
                    file.reencode(context.transfer_syntax)
                self._opened = path, file, context
            except (DicomWireError, OSError) as error:
                file.close()
                self._reports.append(Sent(path, None, said(error)))
        return not self._waiting.is_stopped

    def _send(self, worker: Worker, descriptor: int) -> None:
        association = self._association
        assert self._opened is not None
        assert association.exchange is not None
        (path, file, context), self._opened = self._opened, None
        message_id = association.exchange.next_message_id()
        while message_id in self._under_way:
            message_id = association.exchange.next_message_id()
        try:
            command = store_command(message_id, file.sop_class_uid, file.sop_instance_uid)
            if command is None:
                command = CStoreRQ(
                    message_id=message_id,
                    affected_sop_class_uid=file.sop_class_uid,
                    affected_sop_instance_uid=file.sop_instance_uid,
                ).encode(has_data_set=True)
            pdus = b"".join(fragment(context.context_id, True, command, self._max_pdu_length))
            patience = FOREVER if self._limit_s is None else int(self._limit_s * 1000)
            outcome, failure = send_file(
                descriptor,
                worker.wake,
                pdus,
                context.context_id,
                self._max_pdu_length,
                file.descriptor,
                file.offset,
                file.length,
                patience,
            )
        except DicomWireError as error:
            self._reports.append(Sent(path, None, said(error)))
            return
        finally:
            file.close()
        if outcome == CHANGED:
            self._reports.append(Sent(path, None, "the file became shorter while it was sent"))
        elif outcome == UNREADABLE and failure:
            self._reports.append(Sent(path, None, os.strerror(failure)))
        else:
            self._under_way[message_id] = path, context
        if outcome in (CHANGED, UNREADABLE, STOPPED):
            # Half a message cannot be taken back.
            self.give_back(partial(association.give_up, "C-STORE-RQ: not sent to its end"))
        elif outcome == STUCK:
            text = f"the peer took nothing of what waits to be sent within {self._limit_s} s"
            self.give_back(partial(association.give_up, text))
        elif outcome != SENT:
            self._is_over = self._is_lost = True

    def _receive(self, worker: Worker, descriptor: int) -> None:
        """Take the answers that are there, or come next."""
        association = self._association
        reader, intake = association.connection.reader, worker.intake
        until = None if self._limit_s is None else monotonic() + self._limit_s
        while True:
            left_s = None if until is None else max(0.0, until - monotonic())
            if self._reports:
                left_s = REPORT_S if left_s is None else min(left_s, REPORT_S)
                if monotonic() - self._reported > REPORT_S:
                    self._visit()
                    continue
            why = intake.receive(descriptor, worker.wake, FOREVER if left_s is None else round(left_s * 1000 + 0.5))
            if why != SILENT:
                break
            if until is not None and monotonic() >= until:
                text = f"no response to C-STORE-RQ within {self._limit_s} s"
                self.give_back(partial(association.give_up, text))
                return
        if why == CLOSED:
            self._is_over = self._is_lost = True
        elif why == WOKEN:
            worker.awoken()
        items = reader.feed(intake.rest()) if intake.start < intake.end else []
        for at, item in enumerate(items):
            if self._is_over or not self._take(item):
                self._is_over = True
                self._leave(items[at:])
                return

    def _take(self, item: StreamItem) -> bool:
        """Take an answer, or a part of one; False for what is for the loop to judge."""
        association = self._association
        assembler = association.assembler
        assert assembler is not None
        if type(item) is not PDVRun or not item.is_command:
            return False
        if assembler.is_idle and item.is_last and len(item.views) == 1:
            usual = store_answer(item.views[0])
            if usual is not None:
                return self._answer(item.context_id, *usual, None)
        effects = association.machine.receive_items((item,))
        if len(effects) != 1 or type(effects[0]) is not Data:
            self.give_back(partial(association.connection.perform, effects))
            return True
        try:
            message = assembler.take(item)
        except RemoteProtocolError as error:
            self.give_back(partial(association.violated, error))
            return True
        if message is None:
            return True
        response = message.command
        if type(response) is CStoreRSP and self._answer(
            message.context_id, response.message_id_being_responded_to, response.status, response.error_comment
        ):
            return True
        self.give_back(partial(association.take_message, message))
        return True

    def _answer(self, context_id: int, message_id: int, code: int, comment: str | None) -> bool:
        """Take the status of a file; False when it is none that is under way."""
        found = self._under_way.get(message_id)
        if found is None or found[1].context_id != context_id:
            return False
        del self._under_way[message_id]
        self._answered += 1
        path, context = found
        self._reports.append(Sent(path, self._status(code, context), comment))
        return True

    def _status(self, code: int, context: AcceptedContext) -> Status:
        key = code, context.abstract_syntax
        status = self._statuses.get(key)
        if status is None:
            service = service_of(CommandField.C_STORE_RSP, context.abstract_syntax)
            status = self._statuses[key] = status_of(code, service)
        return status
