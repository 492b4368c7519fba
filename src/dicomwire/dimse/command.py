"""The fields of command sets, and which message has which of them (PS3.7 sections 9.3 and 10.3, Annex E).

Tables only: what a field is called, and where it is due.  `dicomwire.dimse.messages` makes classes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

NO_DATA_SET = 0x0101
"""Command Data Set Type of a message without a data set; any other value announces one."""

DATA_SET = 0x0001
"""Command Data Set Type that we send with a data set."""


class CommandField(IntEnum):
    """The kind of a message, (0000,0100) (PS3.7 Annex E.1)."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF

    @property
    def is_response(self) -> bool:
        """True for the kinds that answer another message."""
        return self & 0x8000 != 0

    @property
    def label(self) -> str:
        """The name as the standard writes it, "C-STORE-RQ"."""
        return self.name.replace("_", "-")


class Priority(IntEnum):
    """Priority, (0000,0700).  Few peers look at it."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2


class DataSetUse(Enum):
    """Whether a data set comes with a message."""

    ALWAYS = "always"
    NEVER = "never"
    OPTIONAL = "optional"
    """The user's choice, or that of the service."""
    PENDING = "pending"
    """With every response whose status is Pending, and with no other (C-FIND-RSP)."""
    NOT_PENDING = "not pending"
    """Perhaps with the last response: a list of the instances that failed (C-GET-RSP, C-MOVE-RSP)."""


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """One command element: tag, keyword and VR of the dictionary, and the attribute of our message classes."""

    tag: int
    keyword: str
    vr: str
    attribute: str


FIELDS: dict[int, FieldDescription] = {
    row[0]: FieldDescription(*row)
    for row in (
        (0x0002, "AffectedSOPClassUID", "UI", "affected_sop_class_uid"),
        (0x0003, "RequestedSOPClassUID", "UI", "requested_sop_class_uid"),
        (0x0100, "CommandField", "US", "command_field"),
        (0x0110, "MessageID", "US", "message_id"),
        (0x0120, "MessageIDBeingRespondedTo", "US", "message_id_being_responded_to"),
        (0x0600, "MoveDestination", "AE", "move_destination"),
        (0x0700, "Priority", "US", "priority"),
        (0x0800, "CommandDataSetType", "US", "command_data_set_type"),
        (0x0900, "Status", "US", "status"),
        (0x0901, "OffendingElement", "AT", "offending_element"),
        (0x0902, "ErrorComment", "LO", "error_comment"),
        (0x0903, "ErrorID", "US", "error_id"),
        (0x1000, "AffectedSOPInstanceUID", "UI", "affected_sop_instance_uid"),
        (0x1001, "RequestedSOPInstanceUID", "UI", "requested_sop_instance_uid"),
        (0x1002, "EventTypeID", "US", "event_type_id"),
        (0x1005, "AttributeIdentifierList", "AT", "attribute_identifier_list"),
        (0x1008, "ActionTypeID", "US", "action_type_id"),
        (0x1020, "NumberOfRemainingSuboperations", "US", "number_of_remaining_suboperations"),
        (0x1021, "NumberOfCompletedSuboperations", "US", "number_of_completed_suboperations"),
        (0x1022, "NumberOfFailedSuboperations", "US", "number_of_failed_suboperations"),
        (0x1023, "NumberOfWarningSuboperations", "US", "number_of_warning_suboperations"),
        (
            0x1030,
            "MoveOriginatorApplicationEntityTitle",
            "AE",
            "move_originator_application_entity_title",
        ),
        (0x1031, "MoveOriginatorMessageID", "US", "move_originator_message_id"),
    )
}
"""Every element of PS3.7 Table E.1-1 by tag, but for the group length; retired ones are not fields of any message."""


@dataclass(frozen=True, slots=True)
class MessageDescription:
    """Which elements a message has besides Command Field and Command Data Set Type, and when a data set."""

    mandatory: tuple[int, ...]
    optional: tuple[int, ...]
    """Those that the user or the service chooses, and those that depend on others, see `messages`."""
    data_set: DataSetUse
    section: str


_CLASS, _REQUESTED_CLASS, _ID, _ANSWERED_ID = 0x0002, 0x0003, 0x0110, 0x0120
_INSTANCE, _REQUESTED_INSTANCE = 0x1000, 0x1001
_DESTINATION, _PRIORITY, _STATUS, _EVENT, _LIST, _ACTION = 0x0600, 0x0700, 0x0900, 0x1002, 0x1005, 0x1008
_COUNTS = (0x1020, 0x1021, 0x1022, 0x1023)
_ORIGINATOR = (0x1030, 0x1031)
_ERROR = (0x0901, 0x0902, 0x0903)
_RESPONSE = (_ANSWERED_ID, _STATUS)


def _request(
    section: str, data_set: DataSetUse, *mandatory: int, optional: tuple[int, ...] = ()
) -> MessageDescription:
    return MessageDescription((*mandatory, _ID), optional, data_set, f"PS3.7 {section}")


def _response(section: str, data_set: DataSetUse, *optional: int) -> MessageDescription:
    return MessageDescription(_RESPONSE, (_CLASS, *optional, *_ERROR), data_set, f"PS3.7 {section}")


MESSAGES: dict[CommandField, MessageDescription] = {
    CommandField.C_STORE_RQ: _request(
        "9.3.1.1", DataSetUse.ALWAYS, _CLASS, _PRIORITY, _INSTANCE, optional=_ORIGINATOR
    ),
    CommandField.C_STORE_RSP: _response("9.3.1.2", DataSetUse.NEVER, _INSTANCE),
    CommandField.C_FIND_RQ: _request("9.3.2.1", DataSetUse.ALWAYS, _CLASS, _PRIORITY),
    CommandField.C_FIND_RSP: _response("9.3.2.2", DataSetUse.PENDING),
    CommandField.C_CANCEL_RQ: MessageDescription((_ANSWERED_ID,), (), DataSetUse.NEVER, "PS3.7 9.3.2.3"),
    CommandField.C_GET_RQ: _request("9.3.3.1", DataSetUse.ALWAYS, _CLASS, _PRIORITY),
    CommandField.C_GET_RSP: _response("9.3.3.2", DataSetUse.NOT_PENDING, *_COUNTS),
    CommandField.C_MOVE_RQ: _request("9.3.4.1", DataSetUse.ALWAYS, _CLASS, _PRIORITY, _DESTINATION),
    CommandField.C_MOVE_RSP: _response("9.3.4.2", DataSetUse.NOT_PENDING, *_COUNTS),
    CommandField.C_ECHO_RQ: _request("9.3.5.1", DataSetUse.NEVER, _CLASS),
    CommandField.C_ECHO_RSP: _response("9.3.5.2", DataSetUse.NEVER),
    CommandField.N_EVENT_REPORT_RQ: _request("10.3.1.1", DataSetUse.OPTIONAL, _CLASS, _INSTANCE, _EVENT),
    CommandField.N_EVENT_REPORT_RSP: _response("10.3.1.2", DataSetUse.OPTIONAL, _INSTANCE, _EVENT),
    CommandField.N_GET_RQ: _request(
        "10.3.2.1", DataSetUse.NEVER, _REQUESTED_CLASS, _REQUESTED_INSTANCE, optional=(_LIST,)
    ),
    CommandField.N_GET_RSP: _response("10.3.2.2", DataSetUse.OPTIONAL, _INSTANCE, _LIST),
    CommandField.N_SET_RQ: _request("10.3.3.1", DataSetUse.ALWAYS, _REQUESTED_CLASS, _REQUESTED_INSTANCE),
    CommandField.N_SET_RSP: _response("10.3.3.2", DataSetUse.OPTIONAL, _INSTANCE, _LIST),
    CommandField.N_ACTION_RQ: _request(
        "10.3.4.1", DataSetUse.OPTIONAL, _REQUESTED_CLASS, _REQUESTED_INSTANCE, _ACTION
    ),
    CommandField.N_ACTION_RSP: _response("10.3.4.2", DataSetUse.OPTIONAL, _INSTANCE, _ACTION),
    CommandField.N_CREATE_RQ: _request("10.3.5.1", DataSetUse.OPTIONAL, _CLASS, optional=(_INSTANCE,)),
    CommandField.N_CREATE_RSP: _response("10.3.5.2", DataSetUse.OPTIONAL, _INSTANCE, _LIST),
    CommandField.N_DELETE_RQ: _request(
        "10.3.6.1", DataSetUse.NEVER, _REQUESTED_CLASS, _REQUESTED_INSTANCE
    ),
    CommandField.N_DELETE_RSP: _response("10.3.6.2", DataSetUse.NEVER, _INSTANCE),
}
