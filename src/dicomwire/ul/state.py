"""The Upper Layer's state machine as a table: states, events, actions, transitions (PS3.8 section 9.2).

The labels are the standard's.  An event that is not in the table for a state is not allowed there; what the actions do
is in `dicomwire.ul.association`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Self


class _Label(StrEnum):
    """A label of the standard that is its own text, with what it means."""

    meaning: str

    def __new__(cls, label: str, meaning: str) -> Self:
        member = str.__new__(cls, label)
        member._value_ = label
        member.meaning = meaning
        return member


class State(_Label):
    """States (PS3.8 Tables 9-1 to 9-5)."""

    STA1 = "STA1", "idle, no association"
    STA2 = "STA2", "transport connection open, A-ASSOCIATE-RQ not yet received"
    STA3 = "STA3", "request received, the local user is to accept or reject it"
    STA4 = "STA4", "transport connection asked for, not yet open"
    STA5 = "STA5", "request sent, A-ASSOCIATE-AC or -RJ not yet received"
    STA6 = "STA6", "association established, data flow"
    STA7 = "STA7", "release asked for here, A-RELEASE-RP not yet received"
    STA8 = "STA8", "release asked for by the peer, the local user is to respond"
    STA9 = "STA9", "release collision, requestor: the local user is to respond"
    STA10 = "STA10", "release collision, acceptor: A-RELEASE-RP not yet received"
    STA11 = "STA11", "release collision, requestor: responded, A-RELEASE-RP not yet received"
    STA12 = "STA12", "release collision, acceptor: confirmed, the local user is to respond"
    STA13 = "STA13", "no association any more, the peer is to close the transport connection"


class Event(_Label):
    """Events (PS3.8 Table 9-10, first column)."""

    EVT1 = "EVT1", "A-ASSOCIATE request of the local user"
    EVT2 = "EVT2", "transport connection confirmed"
    EVT3 = "EVT3", "A-ASSOCIATE-AC received"
    EVT4 = "EVT4", "A-ASSOCIATE-RJ received"
    EVT5 = "EVT5", "transport connection indicated"
    EVT6 = "EVT6", "A-ASSOCIATE-RQ received"
    EVT7 = "EVT7", "A-ASSOCIATE response of the local user: accept"
    EVT8 = "EVT8", "A-ASSOCIATE response of the local user: reject"
    EVT9 = "EVT9", "P-DATA request of the local user"
    EVT10 = "EVT10", "P-DATA-TF received"
    EVT11 = "EVT11", "A-RELEASE request of the local user"
    EVT12 = "EVT12", "A-RELEASE-RQ received"
    EVT13 = "EVT13", "A-RELEASE-RP received"
    EVT14 = "EVT14", "A-RELEASE response of the local user"
    EVT15 = "EVT15", "A-ABORT request of the local user"
    EVT16 = "EVT16", "A-ABORT received"
    EVT17 = "EVT17", "transport connection closed"
    EVT18 = "EVT18", "ARTIM timer expired"
    EVT19 = "EVT19", "unrecognized or invalid PDU received"


class Action(_Label):
    """Actions (PS3.8 Tables 9-6 to 9-9)."""

    AE_1 = "AE_1", "ask for a transport connection"
    AE_2 = "AE_2", "send A-ASSOCIATE-RQ"
    AE_3 = "AE_3", "confirm the association"
    AE_4 = "AE_4", "confirm the rejection, close the transport connection"
    AE_5 = "AE_5", "accept the transport connection, start ARTIM"
    AE_6 = "AE_6", "stop ARTIM; indicate the request, or send A-ASSOCIATE-RJ and start ARTIM"
    AE_7 = "AE_7", "send A-ASSOCIATE-AC"
    AE_8 = "AE_8", "send A-ASSOCIATE-RJ, start ARTIM"
    DT_1 = "DT_1", "send P-DATA-TF"
    DT_2 = "DT_2", "indicate P-DATA"
    AR_1 = "AR_1", "send A-RELEASE-RQ"
    AR_2 = "AR_2", "indicate the release"
    AR_3 = "AR_3", "confirm the release, close the transport connection"
    AR_4 = "AR_4", "send A-RELEASE-RP, start ARTIM"
    AR_5 = "AR_5", "stop ARTIM"
    AR_6 = "AR_6", "indicate P-DATA"
    AR_7 = "AR_7", "send P-DATA-TF"
    AR_8 = "AR_8", "indicate the release: a collision"
    AR_9 = "AR_9", "send A-RELEASE-RP"
    AR_10 = "AR_10", "confirm the release"
    AA_1 = "AA_1", "send A-ABORT as service user, start or restart ARTIM"
    AA_2 = "AA_2", "stop ARTIM, close the transport connection"
    AA_3 = "AA_3", "indicate the abort, close the transport connection"
    AA_4 = "AA_4", "indicate an abort by the provider"
    AA_5 = "AA_5", "stop ARTIM"
    AA_6 = "AA_6", "ignore the PDU"
    AA_7 = "AA_7", "send A-ABORT"
    AA_8 = "AA_8", "send A-ABORT as service provider, indicate an abort by the provider, start ARTIM"


class Transition(NamedTuple):
    """One cell of the table: the action, and the state after it.

    Where there are two states the action chooses: AE_6 by whether the request is acceptable, AR_8 by whether this side
    is the requestor.
    """

    action: Action
    next_states: tuple[State, ...]


# PS3.8 Table 9-10, row by row.
TRANSITIONS: dict[tuple[State, Event], Transition] = {
    (State.STA1, Event.EVT1): Transition(Action.AE_1, (State.STA4,)),
    (State.STA4, Event.EVT2): Transition(Action.AE_2, (State.STA5,)),
    (State.STA2, Event.EVT3): Transition(Action.AA_1, (State.STA13,)),
    (State.STA3, Event.EVT3): Transition(Action.AA_8, (State.STA13,)),
    (State.STA5, Event.EVT3): Transition(Action.AE_3, (State.STA6,)),
    (State.STA6, Event.EVT3): Transition(Action.AA_8, (State.STA13,)),
    (State.STA7, Event.EVT3): Transition(Action.AA_8, (State.STA13,)),
    (State.STA8, Event.EVT3): Transition(Action.AA_8, (State.STA13,)),
    (State.STA9, Event.EVT3): Transition(Action.AA_8, (State.STA13,)),
    (State.STA10, Event.EVT3): Transition(Action.AA_8, (State.STA13,)),
    (State.STA11, Event.EVT3): Transition(Action.AA_8, (State.STA13,)),
    (State.STA12, Event.EVT3): Transition(Action.AA_8, (State.STA13,)),
    (State.STA13, Event.EVT3): Transition(Action.AA_6, (State.STA13,)),
    (State.STA2, Event.EVT4): Transition(Action.AA_1, (State.STA13,)),
    (State.STA3, Event.EVT4): Transition(Action.AA_8, (State.STA13,)),
    (State.STA5, Event.EVT4): Transition(Action.AE_4, (State.STA1,)),
    (State.STA6, Event.EVT4): Transition(Action.AA_8, (State.STA13,)),
    (State.STA7, Event.EVT4): Transition(Action.AA_8, (State.STA13,)),
    (State.STA8, Event.EVT4): Transition(Action.AA_8, (State.STA13,)),
    (State.STA9, Event.EVT4): Transition(Action.AA_8, (State.STA13,)),
    (State.STA10, Event.EVT4): Transition(Action.AA_8, (State.STA13,)),
    (State.STA11, Event.EVT4): Transition(Action.AA_8, (State.STA13,)),
    (State.STA12, Event.EVT4): Transition(Action.AA_8, (State.STA13,)),
    (State.STA13, Event.EVT4): Transition(Action.AA_6, (State.STA13,)),
    (State.STA1, Event.EVT5): Transition(Action.AE_5, (State.STA2,)),
    (State.STA2, Event.EVT6): Transition(Action.AE_6, (State.STA3, State.STA13)),
    (State.STA3, Event.EVT6): Transition(Action.AA_8, (State.STA13,)),
    (State.STA5, Event.EVT6): Transition(Action.AA_8, (State.STA13,)),
    (State.STA6, Event.EVT6): Transition(Action.AA_8, (State.STA13,)),
    (State.STA7, Event.EVT6): Transition(Action.AA_8, (State.STA13,)),
    (State.STA8, Event.EVT6): Transition(Action.AA_8, (State.STA13,)),
    (State.STA9, Event.EVT6): Transition(Action.AA_8, (State.STA13,)),
    (State.STA10, Event.EVT6): Transition(Action.AA_8, (State.STA13,)),
    (State.STA11, Event.EVT6): Transition(Action.AA_8, (State.STA13,)),
    (State.STA12, Event.EVT6): Transition(Action.AA_8, (State.STA13,)),
    (State.STA13, Event.EVT6): Transition(Action.AA_7, (State.STA13,)),
    (State.STA3, Event.EVT7): Transition(Action.AE_7, (State.STA6,)),
    (State.STA3, Event.EVT8): Transition(Action.AE_8, (State.STA13,)),
    (State.STA6, Event.EVT9): Transition(Action.DT_1, (State.STA6,)),
    (State.STA8, Event.EVT9): Transition(Action.AR_7, (State.STA8,)),
    (State.STA2, Event.EVT10): Transition(Action.AA_1, (State.STA13,)),
    (State.STA3, Event.EVT10): Transition(Action.AA_8, (State.STA13,)),
    (State.STA5, Event.EVT10): Transition(Action.AA_8, (State.STA13,)),
    (State.STA6, Event.EVT10): Transition(Action.DT_2, (State.STA6,)),
    (State.STA7, Event.EVT10): Transition(Action.AR_6, (State.STA7,)),
    (State.STA8, Event.EVT10): Transition(Action.AA_8, (State.STA13,)),
    (State.STA9, Event.EVT10): Transition(Action.AA_8, (State.STA13,)),
    (State.STA10, Event.EVT10): Transition(Action.AA_8, (State.STA13,)),
    (State.STA11, Event.EVT10): Transition(Action.AA_8, (State.STA13,)),
    (State.STA12, Event.EVT10): Transition(Action.AA_8, (State.STA13,)),
    (State.STA13, Event.EVT10): Transition(Action.AA_6, (State.STA13,)),
    (State.STA6, Event.EVT11): Transition(Action.AR_1, (State.STA7,)),
    (State.STA2, Event.EVT12): Transition(Action.AA_1, (State.STA13,)),
    (State.STA3, Event.EVT12): Transition(Action.AA_8, (State.STA13,)),
    (State.STA5, Event.EVT12): Transition(Action.AA_8, (State.STA13,)),
    (State.STA6, Event.EVT12): Transition(Action.AR_2, (State.STA8,)),
    (State.STA7, Event.EVT12): Transition(Action.AR_8, (State.STA9, State.STA10)),
    (State.STA8, Event.EVT12): Transition(Action.AA_8, (State.STA13,)),
    (State.STA9, Event.EVT12): Transition(Action.AA_8, (State.STA13,)),
    (State.STA10, Event.EVT12): Transition(Action.AA_8, (State.STA13,)),
    (State.STA11, Event.EVT12): Transition(Action.AA_8, (State.STA13,)),
    (State.STA12, Event.EVT12): Transition(Action.AA_8, (State.STA13,)),
    (State.STA13, Event.EVT12): Transition(Action.AA_6, (State.STA13,)),
    (State.STA2, Event.EVT13): Transition(Action.AA_1, (State.STA13,)),
    (State.STA3, Event.EVT13): Transition(Action.AA_8, (State.STA13,)),
    (State.STA5, Event.EVT13): Transition(Action.AA_8, (State.STA13,)),
    (State.STA6, Event.EVT13): Transition(Action.AA_8, (State.STA13,)),
    (State.STA7, Event.EVT13): Transition(Action.AR_3, (State.STA1,)),
    (State.STA8, Event.EVT13): Transition(Action.AA_8, (State.STA13,)),
    (State.STA9, Event.EVT13): Transition(Action.AA_8, (State.STA13,)),
    (State.STA10, Event.EVT13): Transition(Action.AR_10, (State.STA12,)),
    (State.STA11, Event.EVT13): Transition(Action.AR_3, (State.STA1,)),
    (State.STA12, Event.EVT13): Transition(Action.AA_8, (State.STA13,)),
    (State.STA13, Event.EVT13): Transition(Action.AA_6, (State.STA13,)),
    (State.STA8, Event.EVT14): Transition(Action.AR_4, (State.STA13,)),
    (State.STA9, Event.EVT14): Transition(Action.AR_9, (State.STA11,)),
    (State.STA12, Event.EVT14): Transition(Action.AR_4, (State.STA13,)),
    (State.STA3, Event.EVT15): Transition(Action.AA_1, (State.STA13,)),
    (State.STA4, Event.EVT15): Transition(Action.AA_2, (State.STA1,)),
    (State.STA5, Event.EVT15): Transition(Action.AA_1, (State.STA13,)),
    (State.STA6, Event.EVT15): Transition(Action.AA_1, (State.STA13,)),
    (State.STA7, Event.EVT15): Transition(Action.AA_1, (State.STA13,)),
    (State.STA8, Event.EVT15): Transition(Action.AA_1, (State.STA13,)),
    (State.STA9, Event.EVT15): Transition(Action.AA_1, (State.STA13,)),
    (State.STA10, Event.EVT15): Transition(Action.AA_1, (State.STA13,)),
    (State.STA11, Event.EVT15): Transition(Action.AA_1, (State.STA13,)),
    (State.STA12, Event.EVT15): Transition(Action.AA_1, (State.STA13,)),
    (State.STA2, Event.EVT16): Transition(Action.AA_2, (State.STA1,)),
    (State.STA3, Event.EVT16): Transition(Action.AA_3, (State.STA1,)),
    (State.STA5, Event.EVT16): Transition(Action.AA_3, (State.STA1,)),
    (State.STA6, Event.EVT16): Transition(Action.AA_3, (State.STA1,)),
    (State.STA7, Event.EVT16): Transition(Action.AA_3, (State.STA1,)),
    (State.STA8, Event.EVT16): Transition(Action.AA_3, (State.STA1,)),
    (State.STA9, Event.EVT16): Transition(Action.AA_3, (State.STA1,)),
    (State.STA10, Event.EVT16): Transition(Action.AA_3, (State.STA1,)),
    (State.STA11, Event.EVT16): Transition(Action.AA_3, (State.STA1,)),
    (State.STA12, Event.EVT16): Transition(Action.AA_3, (State.STA1,)),
    (State.STA13, Event.EVT16): Transition(Action.AA_2, (State.STA1,)),
    (State.STA2, Event.EVT17): Transition(Action.AA_5, (State.STA1,)),
    (State.STA3, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA4, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA5, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA6, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA7, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA8, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA9, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA10, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA11, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA12, Event.EVT17): Transition(Action.AA_4, (State.STA1,)),
    (State.STA13, Event.EVT17): Transition(Action.AR_5, (State.STA1,)),
    (State.STA2, Event.EVT18): Transition(Action.AA_2, (State.STA1,)),
    (State.STA13, Event.EVT18): Transition(Action.AA_2, (State.STA1,)),
    (State.STA2, Event.EVT19): Transition(Action.AA_1, (State.STA13,)),
    (State.STA3, Event.EVT19): Transition(Action.AA_8, (State.STA13,)),
    (State.STA5, Event.EVT19): Transition(Action.AA_8, (State.STA13,)),
    (State.STA6, Event.EVT19): Transition(Action.AA_8, (State.STA13,)),
    (State.STA7, Event.EVT19): Transition(Action.AA_8, (State.STA13,)),
    (State.STA8, Event.EVT19): Transition(Action.AA_8, (State.STA13,)),
    (State.STA9, Event.EVT19): Transition(Action.AA_8, (State.STA13,)),
    (State.STA10, Event.EVT19): Transition(Action.AA_8, (State.STA13,)),
    (State.STA11, Event.EVT19): Transition(Action.AA_8, (State.STA13,)),
    (State.STA12, Event.EVT19): Transition(Action.AA_8, (State.STA13,)),
    (State.STA13, Event.EVT19): Transition(Action.AA_7, (State.STA13,)),
}
