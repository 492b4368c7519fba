"""Messages with data sets from files, sent without the GIL.  The docstring is in outlet.pyx."""

from typing import Final

SENT: Final[int]
LOST: Final[int]
STUCK: Final[int]
STOPPED: Final[int]
CHANGED: Final[int]
UNREADABLE: Final[int]

def send_file(
    socket: int,
    wake: int,
    command: bytes,
    context_id: int,
    max_pdu_length: int,
    file: int,
    offset: int,
    length: int,
    timeout_ms: int,
) -> tuple[int, int]: ...
