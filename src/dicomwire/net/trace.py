"""What goes over an association, for people: PDUs in full, messages as their commands, data sets as sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _dicomwire.command import MAX_COMMAND_LENGTH
from _dicomwire.pdu import ControlPDU, InvalidPDU, PDUReader
from dicomwire.dimse.messages import decode_message
from dicomwire.errors import DicomWireError
from dicomwire.ul.pdu import decode_pdu

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from _dicomwire.pdu import PDVRun


class Trace:
    """Listens to both directions of one association and writes lines of text about them.

    Values of data sets never appear; UIDs and AE titles do.  Each direction has a reader of its own, so that nothing
    depends on what the association makes of the bytes.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._received = _Direction("received", write)
        self._sent = _Direction("sent", write)

    def received(self, data: Buffer) -> None:
        """Take bytes that came."""
        self._received.feed(data)

    def sent(self, data: Buffer) -> None:
        """Take bytes that go out."""
        self._sent.feed(data)


class _Direction:
    def __init__(self, word: str, write: Callable[[str], object]) -> None:
        self._word = word
        self._write = write
        self._reader = PDUReader()
        self._command = bytearray()
        self._data_set_bytes = 0

    def feed(self, data: Buffer) -> None:
        for item in self._reader.feed(data):
            if isinstance(item, ControlPDU):
                self._say(_described(item))
            elif isinstance(item, InvalidPDU):
                self._say(f"no PDU: {item.message}")
            else:
                self._run(item)

    def _say(self, text: str) -> None:
        self._write(f"{self._word} {text}")

    def _run(self, run: PDVRun) -> None:
        if not run.is_command:
            self._data_set_bytes += run.length
            if run.is_last:
                self._say(f"data set of {self._data_set_bytes} bytes in context {run.context_id}")
                self._data_set_bytes = 0
            return
        if len(self._command) <= MAX_COMMAND_LENGTH:
            for view in run.views:
                self._command += view[: MAX_COMMAND_LENGTH + 1]
        if run.is_last:
            command, self._command = bytes(self._command), bytearray()
            try:
                text = decode_message(command).describe()
            except DicomWireError as error:
                text = f"command set that cannot be read: {error}"
            self._say(f"{text}\n  in context {run.context_id}")


def _described(item: ControlPDU) -> str:
    try:
        return decode_pdu(item.data).describe()
    except DicomWireError as error:
        return f"PDU of type {item.pdu_type:02X}H: {error}"
