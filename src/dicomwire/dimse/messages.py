"""All messages of DIMSE-C and DIMSE-N as classes, and C-CANCEL (PS3.7 sections 9.3 and 10.3).

    request = decode_message(command_set)
    response = request.response(status=0x0000)
    response.encode()

A message has the elements of its command set as attributes, by keyword in snake case; what does not belong to it is in
``extra_elements``.  The data set is not part of it, only whether there is one.  What bends the rules and can be read
all the same is in ``deviations``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from _dicomwire.command import decode_command
from dicomwire.dictionary import UID
from dicomwire.dictionary.tags import Tag, keyword_for_tag
from dicomwire.dimse.command import DATA_SET, FIELDS, CommandField
from dicomwire.dimse.message import (
    COMMAND_DATA_SET_TYPE,
    COMMAND_FIELD,
    NO_UID,
    STATUS,
    CommandMessage,
    CommandValue,
    Departure,
    Layout,
    R,
    Request,
    Response,
    register,
)
from dicomwire.dimse.status import StatusKind, kind_of
from dicomwire.errors import Deviation, ElementError, ValueDecodeError

if TYPE_CHECKING:
    from typing_extensions import Buffer

Finding = tuple[str, int, int, str, str]
"""Kind, tag, offset, message and section of what `_dicomwire.command` tolerated."""

POLICIES = ("strict", "report", "ignore")
_INDISPENSABLE = (COMMAND_DATA_SET_TYPE, 0x0110, 0x0120, STATUS)  # with the two message IDs

VERIFICATION = UID("1.2.840.10008.1.1")


# ----------------------------------------------------------------------------------------------------- what some share


@dataclass(slots=True, kw_only=True)
class _AffectedInstance(Response):
    affected_sop_instance_uid: UID | None = None

    @property
    def sop_instance_uid(self) -> UID | None:
        """Affected SOP Instance UID."""
        return self.affected_sop_instance_uid


@dataclass(slots=True, kw_only=True)
class _WithAttributeList(_AffectedInstance):
    attribute_identifier_list: tuple[int, ...] | None = None


@dataclass(slots=True, kw_only=True)
class _WithCounts(Response):
    """A response with the numbers of sub-operations (PS3.4 sections C.4.2.1.6 to C.4.2.1.9)."""

    number_of_remaining_suboperations: int | None = None
    number_of_completed_suboperations: int | None = None
    number_of_failed_suboperations: int | None = None
    number_of_warning_suboperations: int | None = None

    def departures(self, has_data_set: bool) -> list[Departure] | None:
        """See CommandMessage; only a pending response and a cancelled retrieval tell how many are left."""
        found = Response.departures(self, has_data_set)
        if self.number_of_remaining_suboperations is not None and kind_of(self.status) not in (
            StatusKind.PENDING,
            StatusKind.CANCEL,
        ):
            found = [*(found or ()), ("unexpected_field", 0x1020, "remaining sub-operations in the last response")]
        return found


@dataclass(slots=True, kw_only=True)
class _AffectedClass(Request[R]):
    affected_sop_class_uid: UID = NO_UID

    @property
    def sop_class_uid(self) -> UID:
        """Affected SOP Class UID."""
        return self.affected_sop_class_uid


@dataclass(slots=True, kw_only=True)
class _WithPriority(_AffectedClass[R]):
    priority: int = 0

    def departures(self, has_data_set: bool) -> list[Departure] | None:
        """See CommandMessage."""
        found = CommandMessage.departures(self, has_data_set)
        if not 0 <= self.priority <= 2:
            found = [*(found or ()), ("bad_value", 0x0700, f"priority {self.priority}, expected 0, 1 or 2")]
        return found


@dataclass(slots=True, kw_only=True)
class _RequestedInstance(Request[R]):
    requested_sop_class_uid: UID = NO_UID
    requested_sop_instance_uid: UID = NO_UID

    @property
    def sop_class_uid(self) -> UID:
        """Requested SOP Class UID."""
        return self.requested_sop_class_uid

    @property
    def sop_instance_uid(self) -> UID:
        """Requested SOP Instance UID."""
        return self.requested_sop_instance_uid


# ------------------------------------------------------------------------------------------------------------ composite


@dataclass(slots=True, kw_only=True)
class CStoreRSP(_AffectedInstance):
    """C-STORE-RSP (PS3.7 section 9.3.1.2)."""

    command_field: ClassVar[CommandField] = CommandField.C_STORE_RSP


@dataclass(slots=True, kw_only=True)
class CStoreRQ(_WithPriority[CStoreRSP]):
    """C-STORE-RQ (PS3.7 section 9.3.1.1); the two last fields name the C-MOVE that this belongs to."""

    command_field: ClassVar[CommandField] = CommandField.C_STORE_RQ
    response_class: ClassVar[type[Response]] = CStoreRSP

    command_data_set_type: int = DATA_SET
    affected_sop_instance_uid: UID = NO_UID
    move_originator_application_entity_title: str | None = None
    move_originator_message_id: int | None = None

    @property
    def sop_instance_uid(self) -> UID:
        """Affected SOP Instance UID."""
        return self.affected_sop_instance_uid


@dataclass(slots=True, kw_only=True)
class CFindRSP(Response):
    """C-FIND-RSP (PS3.7 section 9.3.2.2); a pending one comes with an Identifier."""

    command_field: ClassVar[CommandField] = CommandField.C_FIND_RSP


@dataclass(slots=True, kw_only=True)
class CFindRQ(_WithPriority[CFindRSP]):
    """C-FIND-RQ (PS3.7 section 9.3.2.1)."""

    command_field: ClassVar[CommandField] = CommandField.C_FIND_RQ
    response_class: ClassVar[type[Response]] = CFindRSP

    command_data_set_type: int = DATA_SET


@dataclass(slots=True, kw_only=True)
class CGetRSP(_WithCounts):
    """C-GET-RSP (PS3.7 section 9.3.3.2)."""

    command_field: ClassVar[CommandField] = CommandField.C_GET_RSP


@dataclass(slots=True, kw_only=True)
class CGetRQ(_WithPriority[CGetRSP]):
    """C-GET-RQ (PS3.7 section 9.3.3.1)."""

    command_field: ClassVar[CommandField] = CommandField.C_GET_RQ
    response_class: ClassVar[type[Response]] = CGetRSP

    command_data_set_type: int = DATA_SET


@dataclass(slots=True, kw_only=True)
class CMoveRSP(_WithCounts):
    """C-MOVE-RSP (PS3.7 section 9.3.4.2)."""

    command_field: ClassVar[CommandField] = CommandField.C_MOVE_RSP


@dataclass(slots=True, kw_only=True)
class CMoveRQ(_WithPriority[CMoveRSP]):
    """C-MOVE-RQ (PS3.7 section 9.3.4.1)."""

    command_field: ClassVar[CommandField] = CommandField.C_MOVE_RQ
    response_class: ClassVar[type[Response]] = CMoveRSP

    command_data_set_type: int = DATA_SET
    move_destination: str = ""

    def departures(self, has_data_set: bool) -> list[Departure] | None:
        """See CommandMessage."""
        found = _WithPriority.departures(self, has_data_set)
        if not self.move_destination:
            found = [*(found or ()), ("bad_value", 0x0600, "no destination")]
        return found


@dataclass(slots=True, kw_only=True)
class CEchoRSP(Response):
    """C-ECHO-RSP (PS3.7 section 9.3.5.2)."""

    command_field: ClassVar[CommandField] = CommandField.C_ECHO_RSP


@dataclass(slots=True, kw_only=True)
class CEchoRQ(_AffectedClass[CEchoRSP]):
    """C-ECHO-RQ (PS3.7 section 9.3.5.1)."""

    command_field: ClassVar[CommandField] = CommandField.C_ECHO_RQ
    response_class: ClassVar[type[Response]] = CEchoRSP

    affected_sop_class_uid: UID = VERIFICATION


@dataclass(slots=True, kw_only=True)
class CCancelRQ(CommandMessage):
    """C-CANCEL-RQ of a C-FIND, C-GET or C-MOVE (PS3.7 section 9.3.2.3); nobody answers it."""

    command_field: ClassVar[CommandField] = CommandField.C_CANCEL_RQ

    message_id_being_responded_to: int = 0


# ----------------------------------------------------------------------------------------------------------- normalized


@dataclass(slots=True, kw_only=True)
class NEventReportRSP(_AffectedInstance):
    """N-EVENT-REPORT-RSP (PS3.7 section 10.3.1.2); with an Event Reply it has the Event Type ID too."""

    command_field: ClassVar[CommandField] = CommandField.N_EVENT_REPORT_RSP

    event_type_id: int | None = None

    def departures(self, has_data_set: bool) -> list[Departure] | None:
        """See CommandMessage."""
        found = Response.departures(self, has_data_set)
        if has_data_set and self.event_type_id is None:
            found = [*(found or ()), ("missing_field", 0x1002, "a reply without the type of the event")]
        return found


@dataclass(slots=True, kw_only=True)
class NEventReportRQ(_AffectedClass[NEventReportRSP]):
    """N-EVENT-REPORT-RQ (PS3.7 section 10.3.1.1)."""

    command_field: ClassVar[CommandField] = CommandField.N_EVENT_REPORT_RQ
    response_class: ClassVar[type[Response]] = NEventReportRSP

    affected_sop_instance_uid: UID = NO_UID
    event_type_id: int = 0

    @property
    def sop_instance_uid(self) -> UID:
        """Affected SOP Instance UID."""
        return self.affected_sop_instance_uid


@dataclass(slots=True, kw_only=True)
class NGetRSP(_WithAttributeList):
    """N-GET-RSP (PS3.7 section 10.3.2.2)."""

    command_field: ClassVar[CommandField] = CommandField.N_GET_RSP


@dataclass(slots=True, kw_only=True)
class NGetRQ(_RequestedInstance[NGetRSP]):
    """N-GET-RQ (PS3.7 section 10.3.2.1); without a list all attributes are wanted."""

    command_field: ClassVar[CommandField] = CommandField.N_GET_RQ
    response_class: ClassVar[type[Response]] = NGetRSP

    attribute_identifier_list: tuple[int, ...] | None = None


@dataclass(slots=True, kw_only=True)
class NSetRSP(_WithAttributeList):
    """N-SET-RSP (PS3.7 section 10.3.3.2)."""

    command_field: ClassVar[CommandField] = CommandField.N_SET_RSP


@dataclass(slots=True, kw_only=True)
class NSetRQ(_RequestedInstance[NSetRSP]):
    """N-SET-RQ (PS3.7 section 10.3.3.1)."""

    command_field: ClassVar[CommandField] = CommandField.N_SET_RQ
    response_class: ClassVar[type[Response]] = NSetRSP

    command_data_set_type: int = DATA_SET


@dataclass(slots=True, kw_only=True)
class NActionRSP(_AffectedInstance):
    """N-ACTION-RSP (PS3.7 section 10.3.4.2); with an Action Reply it has the Action Type ID too."""

    command_field: ClassVar[CommandField] = CommandField.N_ACTION_RSP

    action_type_id: int | None = None

    def departures(self, has_data_set: bool) -> list[Departure] | None:
        """See CommandMessage."""
        found = Response.departures(self, has_data_set)
        if has_data_set and self.action_type_id is None:
            found = [*(found or ()), ("missing_field", 0x1008, "a reply without the type of the action")]
        return found


@dataclass(slots=True, kw_only=True)
class NActionRQ(_RequestedInstance[NActionRSP]):
    """N-ACTION-RQ (PS3.7 section 10.3.4.1)."""

    command_field: ClassVar[CommandField] = CommandField.N_ACTION_RQ
    response_class: ClassVar[type[Response]] = NActionRSP

    action_type_id: int = 0


@dataclass(slots=True, kw_only=True)
class NCreateRSP(_WithAttributeList):
    """N-CREATE-RSP (PS3.7 section 10.3.5.2); names the instance where the request left that to the performer."""

    command_field: ClassVar[CommandField] = CommandField.N_CREATE_RSP


@dataclass(slots=True, kw_only=True)
class NCreateRQ(_AffectedClass[NCreateRSP]):
    """N-CREATE-RQ (PS3.7 section 10.3.5.1)."""

    command_field: ClassVar[CommandField] = CommandField.N_CREATE_RQ
    response_class: ClassVar[type[Response]] = NCreateRSP

    affected_sop_instance_uid: UID | None = None

    @property
    def sop_instance_uid(self) -> UID | None:
        """Affected SOP Instance UID."""
        return self.affected_sop_instance_uid


@dataclass(slots=True, kw_only=True)
class NDeleteRSP(_AffectedInstance):
    """N-DELETE-RSP (PS3.7 section 10.3.6.2)."""

    command_field: ClassVar[CommandField] = CommandField.N_DELETE_RSP


@dataclass(slots=True, kw_only=True)
class NDeleteRQ(_RequestedInstance[NDeleteRSP]):
    """N-DELETE-RQ (PS3.7 section 10.3.6.1)."""

    command_field: ClassVar[CommandField] = CommandField.N_DELETE_RQ
    response_class: ClassVar[type[Response]] = NDeleteRSP


MESSAGE_CLASSES: tuple[type[CommandMessage], ...] = (
    CStoreRQ,
    CStoreRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    CEchoRQ,
    CEchoRSP,
    CCancelRQ,
    NEventReportRQ,
    NEventReportRSP,
    NGetRQ,
    NGetRSP,
    NSetRQ,
    NSetRSP,
    NActionRQ,
    NActionRSP,
    NCreateRQ,
    NCreateRSP,
    NDeleteRQ,
    NDeleteRSP,
)


_LAYOUTS: dict[Any, Layout] = {**register(*MESSAGE_CLASSES)}


# ------------------------------------------------------------------------------------------------------------- decoding


def decode_message(command: Buffer, *, policy: str = "report") -> CommandMessage:
    """The message of a command set.

    ``policy``: "strict" raises the first deviation as an ElementError; "report", the default, tolerates and lists them
    in ``deviations``; "ignore" tolerates.  A missing UID is empty then, a missing number 0; see `Request.refusal`.  No
    policy tolerates lengths that pass the end, another group, more than 64 KiB, an unknown Command Field, a
    message without Message ID, Message ID Being Responded To, Status or Command Data Set Type where it is due, and no
    field that is no number where one is due: these are a DecodeError.  PS3.7 section 6.3.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy {policy!r}: expected one of {', '.join(POLICIES)}")
    elements, findings = decode_command(command)
    layout = _LAYOUTS.get(elements.pop(COMMAND_FIELD, None))
    if layout is None:
        raise ElementError("not there, or no kind of message", path="CommandField", section="PS3.7 E.1")
    names = layout.names
    found: dict[str, Any] = {}
    extra: dict[int, CommandValue] = {}
    for tag, value in elements.items():
        name = names.get(tag)
        if name is None:
            extra[tag] = value
        else:
            found[name] = value
    if findings is not None:
        _settle_raw(found, findings)
    if not layout.mandatory <= found.keys():
        findings = _find_missing(layout, found, findings)
    message = layout.cls(extra_elements=extra or None, **found)
    if policy == "ignore":
        return message
    departures = message.departures(message.has_data_set)
    if departures:
        section = layout.description.section
        findings = [*(findings or ()), *((kind, tag, 0, text, section) for kind, tag, text in departures)]
    if findings:
        message.deviations = _deviations(findings, policy)
    return message


def _settle_raw(found: dict[str, Any], findings: list[Finding]) -> None:
    """Take empty fields as absent, and raise for those that are not what they should be."""
    for name in [name for name, value in found.items() if isinstance(value, bytes)]:
        if found[name]:
            finding = next(item for item in findings if item[0] == "value_length" and FIELDS[item[1]].attribute == name)
            raise ValueDecodeError(finding[3], offset=finding[2], path=FIELDS[finding[1]].keyword, section=finding[4])
        del found[name]


def _find_missing(layout: Layout, found: dict[str, Any], findings: list[Finding] | None) -> list[Finding]:
    """The findings with a line for each mandatory field that is not there."""
    findings = [] if findings is None else findings
    section = layout.description.section
    for tag in (COMMAND_DATA_SET_TYPE, *layout.description.mandatory):
        if FIELDS[tag].attribute in found:
            continue
        if tag in _INDISPENSABLE:
            raise ElementError(
                "missing, and nothing can be done without it", path=FIELDS[tag].keyword, section=section
            )
        findings.append(("missing_field", tag, 0, "missing", section))
    return findings


def _deviations(findings: list[Finding], policy: str) -> tuple[Deviation, ...]:
    if policy == "strict":
        _, tag, offset, text, section = findings[0]
        raise ElementError(text, offset=offset, path=keyword_for_tag(tag) or str(Tag(tag)), section=section)
    return tuple(
        Deviation(kind, keyword_for_tag(tag) or str(Tag(tag)), offset, f"{text}; {section}")
        for kind, tag, offset, text, section in findings
    )
