"""Events of the blocking face, to be imported as pynetdicom's are: ``from dicomwire.net.blocking import AE, evt``."""

from __future__ import annotations

from enum import Enum

from dicomwire.dimse.command import CommandField


class Event(Enum):
    """What a handler can be bound to: requests of the peer, and what happens to associations."""

    C_ECHO = CommandField.C_ECHO_RQ
    C_STORE = CommandField.C_STORE_RQ
    ESTABLISHED = "established"
    RELEASED = "released"
    ABORTED = "aborted"


EVT_C_ECHO = Event.C_ECHO
EVT_C_STORE = Event.C_STORE
EVT_ESTABLISHED = Event.ESTABLISHED
EVT_RELEASED = Event.RELEASED
EVT_ABORTED = Event.ABORTED


def __getattr__(name: str) -> object:
    known = ", ".join(f"EVT_{event.name}" for event in Event)
    raise AttributeError(f"module {__name__!r} has no event {name!r}, it has {known}: see dicomwire.net.Server")
