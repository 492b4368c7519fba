"""DIMSE: command sets as messages, their statuses, and whole messages out of PDVs and into buffers (PS3.7).

Nothing here has a socket or a clock, and data sets stay encoded bytes.
"""

from dicomwire.dimse.assembler import Message, MessageAssembler, Sink
from dicomwire.dimse.command import CommandField, Priority
from dicomwire.dimse.contexts import abstract_syntaxes_of, allowed_on
from dicomwire.dimse.exchange import Exchange, Pending
from dicomwire.dimse.message import CommandMessage, Request, Response
from dicomwire.dimse.messages import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    CStoreRQ,
    CStoreRSP,
    NActionRQ,
    NActionRSP,
    NCreateRQ,
    NCreateRSP,
    NDeleteRQ,
    NDeleteRSP,
    NEventReportRQ,
    NEventReportRSP,
    NGetRQ,
    NGetRSP,
    NSetRQ,
    NSetRSP,
    decode_message,
)
from dicomwire.dimse.sending import encode_command_part, encode_message
from dicomwire.dimse.status import Service, Status, StatusKind, kind_of, service_of, status_of

__all__ = [
    "CCancelRQ",
    "CEchoRQ",
    "CEchoRSP",
    "CFindRQ",
    "CFindRSP",
    "CGetRQ",
    "CGetRSP",
    "CMoveRQ",
    "CMoveRSP",
    "CStoreRQ",
    "CStoreRSP",
    "CommandField",
    "CommandMessage",
    "Exchange",
    "Message",
    "MessageAssembler",
    "NActionRQ",
    "NActionRSP",
    "NCreateRQ",
    "NCreateRSP",
    "NDeleteRQ",
    "NDeleteRSP",
    "NEventReportRQ",
    "NEventReportRSP",
    "NGetRQ",
    "NGetRSP",
    "NSetRQ",
    "NSetRSP",
    "Pending",
    "Priority",
    "Request",
    "Response",
    "Service",
    "Sink",
    "Status",
    "StatusKind",
    "abstract_syntaxes_of",
    "allowed_on",
    "decode_message",
    "encode_command_part",
    "encode_message",
    "kind_of",
    "service_of",
    "status_of",
]
