"""Messages into buffers for a socket (PS3.7 section 6.3, PS3.8 section 9.3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _dicomwire.pdv import fragment, message_buffers
from dicomwire.dimse.message import CommandMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer


def encode_message(
    context_id: int,
    message: CommandMessage,
    data_set: Buffer | Iterable[Buffer] | None,
    max_pdu_length: int,
    *,
    check: bool = True,
) -> list[bytes | memoryview]:
    """Buffers of a message with its encoded data set, one buffer or several, for one gathering write.

    Command Data Set Type says whether there is a data set here.  Long pieces of it are not copied: the buffers are
    views of the caller's memory, which must stay as it is until they are sent.  ``max_pdu_length`` is what the peer
    announced, 0 for no limit.  Raises EncodeError as `CommandMessage.encode` and `_dicomwire.pdv.message_buffers` do.
    """
    command = message.encode(has_data_set=data_set is not None, check=check)
    return message_buffers(context_id, command, data_set, max_pdu_length)


def encode_command_part(
    context_id: int, message: CommandMessage, max_pdu_length: int, *, check: bool = True
) -> list[bytes | memoryview]:
    """Buffers of the command alone; a `_dicomwire.pdv.Fragmenter` makes those of the data set as it comes."""
    return fragment(context_id, True, message.encode(has_data_set=True, check=check), max_pdu_length)
