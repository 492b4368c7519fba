"""What goes over an association, for people: PDUs in full, messages as their commands, data sets as sizes."""

from __future__ import annotations

import logging
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

_log = logging.getLogger("dicomwire.net")


class Trace:
    """Listens to both directions of one association and writes lines of text about them.

    Values of data sets never appear; UIDs and AE titles do.  Each direction has a reader of its own, so that nothing
    depends on what the association makes of the bytes.  Nor does the association depend on ``write``: when that raises,
    the error is logged by its class, and the direction is not followed any further.
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
        self._is_over = False

    def feed(self, data: Buffer) -> None:
        if self._is_over:
            return
        for item in self._reader.feed(data):
            if isinstance(item, ControlPDU):
                self._say(_described(item))
            elif isinstance(item, InvalidPDU):
                self._say(f"no PDU: {item.message}")
            else:
                self._run(item)

    def _say(self, text: str) -> None:
        if self._is_over:
            return
        try:
            self._write(f"{self._word} {text}")
        except Exception as error:  # noqa: BLE001  a pipe without a reader, say
            self._is_over = True
            _log.error("a trace raised %s", type(error).__name__, exc_info=_log.isEnabledFor(10))

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
