"""Messages out of PDVs: command sets decoded, data sets collected or handed on (PS3.7 section 6.3, PS3.8 Annex E).

A peer sends the fragments of one message, then those of the next; there is one message at a time for a direction of an
association, whatever its asynchronous window is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from _dicomwire.collector import Collector
from _dicomwire.command import MAX_COMMAND_LENGTH
from _dicomwire.pdu import PDVRun, join
from dicomwire.dimse.message import CommandMessage
from dicomwire.dimse.messages import POLICIES, decode_message
from dicomwire.dimse.status import OUT_OF_RESOURCES
from dicomwire.errors import DecodeError, DicomWireError, RemoteProtocolError, ServiceError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_SECTION = "PS3.8 Annex E"

_NO_CONTEXT = -1
_NO_REASON = 0  # Reason/Diag. of an A-ABORT by the service user, which says nothing (PS3.8 section 9.3.8)


class Sink(Protocol):
    """Where the bytes of a data set go that is not to be collected."""

    def write(self, views: list[memoryview]) -> object:
        """Take pieces in a row; their memory is the receiver's again when this returns."""

    def finish(self) -> object:
        """The data set is complete."""

    def discard(self) -> object:
        """The data set will not be complete: forget what there is."""


class Hash(Protocol):
    """What `hashlib` gives."""

    def update(self, data: Buffer, /) -> None:
        """Take further bytes."""

    def hexdigest(self) -> str:
        """Return the digest."""


class DirectSink(Sink, Protocol):
    """A sink that a receiver may spare the views of, where it can write to a file by itself."""

    def direct(self) -> tuple[int, int, Hash | None] | None:
        """Return where the next bytes go; None while they are to come by `write`.

        The descriptor of a file, -1 for none; how many bytes more it may get; and what is to be fed with them.
        """

    def place(self, beginning: memoryview) -> tuple[int, int, Hash | None, bytes] | None:
        """Return the same before the first byte, and what is to be written in front, if nothing has to be seen but this
        piece, the beginning of the data set; None while all of it is to come by `write`.
        """

    def passed(self, length: int) -> object:
        """So many bytes were received, and written to the file."""

    def failed(self, number: int) -> Exception:
        """Return what `write` would have raised for this error number of the system."""


ChooseSink = Callable[[int, CommandMessage], Sink | None]


@dataclass(slots=True)
class Message:
    """A whole message: a command and, where it announced one, the encoded data set.

    ``data`` are the collected bytes; where there is a ``sink`` it has them, and ``data`` is None.  ``error`` is what
    kept the data set from being taken: the sink's OSError or DicomWireError, or a ServiceError with status A700H for
    one over the limit.  The message was read to its end all the same, so that it can be answered.
    """

    context_id: int
    command: CommandMessage
    data: bytes | None = None
    sink: Sink | None = None
    error: Exception | None = None


class MessageAssembler:
    """Takes the PDVs that one side sends and gives its messages.

    ``choose_sink`` is called with the context ID and the command of each message that has a data set, and gives a sink
    or None for collecting.  ``max_data_set_length`` limits each data set that is collected, in bytes, 0 does not; sinks
    have limits of their own.  ``policy`` is that of `decode_message`.

    A RemoteProtocolError ends it: close() and abort the association (as the service user, source 0).
    """

    __slots__ = (
        "_choose_sink",
        "_collector",
        "_command",
        "_context_id",
        "_error",
        "_length",
        "_max_data_set_length",
        "_policy",
        "_sink",
    )

    def __init__(
        self,
        *,
        choose_sink: ChooseSink | None = None,
        max_data_set_length: int = 0,
        policy: str = "report",
    ) -> None:
        if policy not in POLICIES:
            raise ValueError(f"policy {policy!r}: expected one of {', '.join(POLICIES)}")
        self._choose_sink = choose_sink
        self._max_data_set_length = max_data_set_length
        self._policy = policy
        self._context_id = _NO_CONTEXT
        self._command: CommandMessage | None = None
        self._collector: Collector | None = None
        self._sink: Sink | None = None
        self._error: Exception | None = None
        self._length = 0

    @property
    def is_idle(self) -> bool:
        """True between two messages."""
        return self._context_id == _NO_CONTEXT

    @property
    def command(self) -> CommandMessage | None:
        """The command whose data set is not complete."""
        return self._command

    @property
    def context_id(self) -> int:
        """The presentation context of the message that is not complete."""
        return self._context_id

    @property
    def sink(self) -> Sink | None:
        """Where the data set that is not complete goes, None where it is collected or passed over."""
        return self._sink

    @property
    def data_set_length(self) -> int:
        """Bytes that came of the present data set."""
        return self._length

    def take(self, run: PDVRun) -> Message | None:
        """The message that ends with these PDVs, or None; nothing of the views is kept.

        Raises RemoteProtocolError for a data set without a command or without an announcement, a command instead of a
        data set, another context within a message, and a command set that cannot be decoded.
        """
        if run.is_command:
            return self._take_command(run)
        command = self._command
        if command is None:
            raise self._violation("a data set without a command that announces it")
        if run.context_id != self._context_id:
            raise self._changed_context(run)
        self._length += run.length
        if self._error is None:
            self._take_data(run)
        if not run.is_last:
            return None
        return self._finish(command)

    def begin(self, context_id: int, command: CommandMessage, sink: Sink) -> None:
        """Go on between two messages as if this command had come, and ``choose_sink`` had given the sink for it."""
        self._context_id = context_id
        self._command = command
        self._sink = sink

    def close(self) -> None:
        """Forget an unfinished message; its sink is discarded."""
        sink, self._sink = self._sink, None
        self._forget()
        if sink is not None:
            sink.discard()

    def _take_command(self, run: PDVRun) -> Message | None:
        if self._command is not None:
            raise self._violation(f"a command set where the data set of {self._command.command_field.label} is due")
        if self._context_id not in (_NO_CONTEXT, run.context_id):
            raise self._changed_context(run)
        self._context_id = run.context_id
        collector = self._collector
        views = run.views
        encoded: Buffer
        if collector is None and run.is_last:
            encoded = views[0] if len(views) == 1 else join(views)
        else:
            length = run.length
            if collector is None:
                collector = self._collector = Collector()
            else:
                length += len(collector)
            if length > MAX_COMMAND_LENGTH:
                raise self._violation(f"a command set of {length} bytes, expected at most {MAX_COMMAND_LENGTH}")
            collector.write(views)
            if not run.is_last:
                return None
            encoded = collector.finish()
            self._collector = None
        try:
            command = decode_message(encoded, policy=self._policy)
        except DecodeError as error:
            raise RemoteProtocolError(
                f"a command set that cannot be read: {error}", abort_reason=_NO_REASON, section="PS3.7 6.3"
            ) from error
        if not command.has_data_set:
            self._forget()
            return Message(run.context_id, command)
        self._command = command
        if self._choose_sink is not None:
            try:
                self._sink = self._choose_sink(run.context_id, command)
            except (OSError, DicomWireError) as error:
                self._error = error
        return None

    def _take_data(self, run: PDVRun) -> None:
        if self._sink is not None:
            try:
                self._sink.write(run.views)
            except (OSError, DicomWireError) as error:
                self.give_up(error)
        elif 0 < self._max_data_set_length < self._length:
            text = f"a data set of more than {self._max_data_set_length} bytes"
            self.give_up(ServiceError(text, status=OUT_OF_RESOURCES))
        else:
            collector = self._collector
            if collector is None:
                collector = self._collector = Collector()
                if run.is_last:
                    collector.reserve(run.length)
            collector.write(run.views)

    def _finish(self, command: CommandMessage) -> Message:
        message = Message(self._context_id, command)
        if self._error is None and self._sink is not None:
            try:
                self._sink.finish()
            except (OSError, DicomWireError) as error:
                self.give_up(error)
        if self._error is not None:
            message.error = self._error
        elif self._sink is not None:
            message.sink = self._sink
        elif self._collector is not None:
            message.data = self._collector.finish()
        self._sink = None
        self._forget()
        return message

    def give_up(self, error: Exception) -> None:
        """Take no more of this data set; its remaining bytes are passed over."""
        self._error = error
        self._collector = None
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.discard()

    def _forget(self) -> None:
        self._context_id = _NO_CONTEXT
        self._command = None
        self._collector = None
        self._error = None
        self._length = 0

    def _changed_context(self, run: PDVRun) -> RemoteProtocolError:
        return self._violation(
            f"a fragment in presentation context {run.context_id} within a message in {self._context_id}"
        )

    def _violation(self, text: str) -> RemoteProtocolError:
        return RemoteProtocolError(text, abort_reason=_NO_REASON, section=_SECTION)
