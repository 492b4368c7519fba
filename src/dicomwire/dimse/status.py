"""What the status of a response means, for each service (PS3.7 Annex C, PS3.4).

The kind of a status follows from its number alone; its meaning depends on the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache

from dicomwire.dimse.command import CommandField

SUCCESS = 0x0000
PENDING = 0xFF00
PENDING_WARNING = 0xFF01
CANCEL = 0xFE00
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700


class StatusKind(Enum):
    """The five classes of a status, and one for numbers that the standard gives no class."""

    SUCCESS = "success"
    PENDING = "pending"
    CANCEL = "cancel"
    WARNING = "warning"
    FAILURE = "failure"
    UNKNOWN = "unknown"


class Service(Enum):
    """The services whose statuses have meanings of their own."""

    GENERAL = "general"
    VERIFICATION = "verification"
    STORAGE = "storage"
    NON_PATIENT_OBJECT_STORAGE = "non-patient object storage"
    FIND = "query/retrieve: find"
    MOVE = "query/retrieve: move"
    GET = "query/retrieve: get"
    WORKLIST = "basic worklist"
    RELEVANT_PATIENT = "relevant patient information query"
    SUBSTANCE_ADMINISTRATION = "substance administration query"
    PROCEDURE_STEP = "modality performed procedure step"
    STORAGE_COMMITMENT = "storage commitment"
    PRINT = "print management"
    MEDIA_CREATION = "media creation management"
    EVENT_LOGGING = "application event logging"
    UNIFIED_PROCEDURE_STEP = "unified worklist and procedure step"
    RT_MACHINE_VERIFICATION = "RT machine verification"
    STORAGE_MANAGEMENT = "storage management"


@dataclass(frozen=True, slots=True)
class Status:
    """A status with its class and what it says, in a few words of ours."""

    code: int
    kind: StatusKind
    meaning: str

    def __str__(self) -> str:
        return f"{self.code:04X}H {self.kind.value}: {self.meaning}"


# A line a status or a range of them: numbers, meaning.  Where lines overlap the last one counts.
_GENERAL = """
0000 done
0001 done, but optional attributes that were asked for are not supported
0105 an attribute is not known for this SOP class
0106 the value of an attribute is not allowed
0107 done, but some attributes were not known; they are listed
0110 the operation could not be carried out, for a reason that no other status names
0111 there is an instance with this UID already
0112 there is no instance with this UID
0113 the event type is not known for this SOP class
0114 the event or action does not know an argument that was given
0115 an argument is outside what the event or action allows
0116 done, but an attribute's value was out of range
0117 the UID does not follow the rules for UIDs
0118 the SOP class is not known
0119 the instance belongs to another SOP class
0120 an attribute that is required is missing
0121 an attribute that needs a value has none
0122 the SOP class is not supported
0123 the action is not known for this SOP class
0124 the user may not do this
0210 the message ID is that of an operation still under way
0211 the operation is not known
0212 an argument does not belong to this operation
0213 too few resources
FE00 ended by a cancel request
"""

_FIND = """
A700 too few resources
A710 the key of the record to go on from is not valid
A900 the identifier does not fit the SOP class
B001 there are more matches than the limit; ask again for the rest
C000-CFFF the query cannot be processed
FF00 a match; more may follow
FF01 a match, but an optional key was not supported; more may follow
"""

_RETRIEVE = """
A701 too few resources to count the matches
A702 too few resources for the sub-operations
A900 the identifier does not fit the SOP class
AA00 none of the frames asked for is in the instance
AA01 no new instance of this SOP class can be made
AA02 the frames cannot be extracted
AA03 a range of time was asked for of an instance that has none
AA04 the request is not valid
B000 all sub-operations done, at least one with a failure or a warning
C000-CFFF the request cannot be processed
FF00 sub-operations are under way
"""

_OF_SERVICE: dict[Service, str] = {
    Service.GENERAL: "",
    Service.VERIFICATION: "",
    Service.STORAGE: """
A700-A7FF too few resources to store the instance
A900-A9FF the data set does not fit the SOP class
B000 stored, with values changed
B006 stored, without some elements
B007 stored, although the data set does not fit the SOP class
C000-CFFF the data set cannot be understood
""",
    Service.NON_PATIENT_OBJECT_STORAGE: """
A700 too few resources to store the instance
A900 the data set does not fit the SOP class
C000 the data set cannot be understood
""",
    Service.FIND: _FIND,
    Service.MOVE: _RETRIEVE + "A801 the destination is not known\n",
    Service.GET: _RETRIEVE,
    Service.WORKLIST: """
A700 too few resources
A900 the identifier does not fit the SOP class
C000-CFFF the query cannot be processed
FF00 a match; more may follow
FF01 a match, but an optional key was not supported; more may follow
""",
    Service.RELEVANT_PATIENT: """
A700 too few resources
A900 the identifier does not fit the SOP class
C000 the query cannot be processed
C100 more than one match
C200 the template is not supported
FF00 the match
""",
    Service.SUBSTANCE_ADMINISTRATION: """
A700 too few resources
A900 the identifier does not fit the SOP class
C000-CFFF the query cannot be processed
FF00 a match; more may follow
FF01 a match, but an optional key was not supported; more may follow
""",
    Service.PROCEDURE_STEP: "0110 the operation could not be carried out; a step that has ended takes no changes\n",
    Service.STORAGE_COMMITMENT: "",
    Service.PRINT: """
B600 done, but memory was not set aside
B601 done, but sheets are not collated
B602 printed an empty page: no film box of the session has an image box
B603 printed an empty page: the film box has no image box
B604 the image was made smaller to fit its box
B605 a density outside the printer's range was replaced by the nearest
B609 the image was cropped to fit its box
B60A the image lost rows or columns to fit its box
C600 the film session has no film box
C601 no print job can be made for the session, the queue is full
C602 no print job can be made for the film box, the queue is full
C603 the image is larger than its box
C605 the printer has too little memory for the image
C613 the combined image is larger than its box
C616 the last film box was not printed yet, and whole sessions cannot be
""",
    Service.MEDIA_CREATION: """
A510 the creation was started already
C201 the request is done already
C202 the request is under way and cannot be stopped
C203 cancelling was refused, for no reason given
""",
    Service.EVENT_LOGGING: """
B101 logged, although the frame of reference for time is another
B102 logged under another study
B104 logged, although the identifiers do not agree
C101 there is no log for this study
C102 the event does not fit its template
C103 no current study matches the event
C104 not logged, the identifiers do not agree
C10E the operator may not add to the medication record
C110 the patient cannot be identified
C111 the medication record was not updated
""",
    Service.UNIFIED_PROCEDURE_STEP: """
A700 too few resources
A900 the identifier does not fit the SOP class
B300 created, with changes
B301 subscribed, but the deletion lock was not granted
B304 the step was cancelled before
B305 done, with values changed to valid ones
B306 the step was completed before
C000-CFFF the request cannot be processed
C300 the step takes no more changes
C301 the transaction UID is not the one that locks the step
C302 the step is in progress already
C303 a step is scheduled by creating it, in no other way
C304 the step lacks what its final state requires
C307 there is no such step here
C308 the receiving AE title is not known
C309 a new step must be scheduled
C310 the step is not in progress
C311 the step was completed before
C312 the performer cannot be reached
C313 the performer goes on
C314 the action does not fit the instance
C315 there are no event reports here
FF00 a match; more may follow
FF01 a match, but an optional key was not supported; more may follow
""",
    Service.RT_MACHINE_VERIFICATION: """
C112 there is no such verification instance
C221 the plan has no such fraction group
C222 the fraction group has no beam
C223 another verification is under way
C224 the fraction group has no such beam
C225 the device or accessory is not supported
C226 the beam has no such device or accessory
C227 the plan was not found
""",
    Service.STORAGE_MANAGEMENT: _FIND + "B010 done, but a key is not supported for matching\n",
}

_OF_KIND = {
    StatusKind.SUCCESS: "done",
    StatusKind.PENDING: "under way",
    StatusKind.CANCEL: "ended by a cancel request",
    StatusKind.WARNING: "done, with a warning that this service does not define",
    StatusKind.FAILURE: "failed, for a reason that this service does not define",
    StatusKind.UNKNOWN: "a number that the standard does not use",
}


def kind_of(code: int) -> StatusKind:
    """The class of a status by its number (PS3.7 Annex C)."""
    if code == SUCCESS:
        return StatusKind.SUCCESS
    if code in (PENDING, PENDING_WARNING):
        return StatusKind.PENDING
    if code == CANCEL:
        return StatusKind.CANCEL
    high = code >> 12
    if high == 0xB or code in (0x0001, 0x0107, 0x0116):
        return StatusKind.WARNING
    if high in (0xA, 0xC) or code >> 8 in (0x01, 0x02):
        return StatusKind.FAILURE
    return StatusKind.UNKNOWN


@cache
def _rows(service: Service) -> tuple[tuple[int, int, str], ...]:
    rows = []
    for line in (_GENERAL + _OF_SERVICE[service]).splitlines():
        numbers, _, meaning = line.partition(" ")
        if numbers:
            first, _, last = numbers.partition("-")
            rows.append((int(first, 16), int(last or first, 16), meaning))
    return tuple(reversed(rows))


@lru_cache(maxsize=1024)  # a peer can think of as many statuses as there are
def status_of(code: int, service: Service = Service.GENERAL) -> Status:
    """A status of a service; one that the service does not define has its class and says so."""
    kind = kind_of(code)
    # A single number counts more than a range that holds it, wherever the two stand.
    found = [row for row in _rows(service) if row[0] <= code <= row[1]]
    meaning = min(found, key=lambda row: row[1] - row[0])[2] if found else _OF_KIND[kind]
    return Status(code, kind, meaning)


_SERVICE_OF_COMMAND = {
    CommandField.C_ECHO_RQ: Service.VERIFICATION,
    CommandField.C_STORE_RQ: Service.STORAGE,
    CommandField.C_FIND_RQ: Service.FIND,
    CommandField.C_MOVE_RQ: Service.MOVE,
    CommandField.C_GET_RQ: Service.GET,
}

# What follows 1.2.840.10008. in the SOP classes of a service.
_CLASSES = {
    Service.STORAGE_COMMITMENT: "1.20.1 1.20.2",
    Service.EVENT_LOGGING: "1.40 1.42",
    Service.PROCEDURE_STEP: "3.1.2.3.3 3.1.2.3.4 3.1.2.3.5",
    Service.PRINT: "5.1.1.1 5.1.1.2 5.1.1.4 5.1.1.4.1 5.1.1.9 5.1.1.14 5.1.1.15 5.1.1.16 5.1.1.16.376 5.1.1.18 "
    "5.1.1.23",
    Service.MEDIA_CREATION: "5.1.1.33",
    Service.NON_PATIENT_OBJECT_STORAGE: "5.1.4.1.1.200.1 5.1.4.1.1.200.3 5.1.4.1.1.200.7 5.1.4.1.1.201.1 5.1.4.38.1 "
    "5.1.4.39.1 5.1.4.43.1 5.1.4.44.1 5.1.4.45.1",
    Service.STORAGE_MANAGEMENT: "5.1.4.1.1.201.5 5.1.4.1.1.201.6",
    Service.WORKLIST: "5.1.4.31",
    Service.UNIFIED_PROCEDURE_STEP: "5.1.4.34.6.1 5.1.4.34.6.2 5.1.4.34.6.3 5.1.4.34.6.4 5.1.4.34.6.5",
    Service.RT_MACHINE_VERIFICATION: "5.1.4.34.8 5.1.4.34.9",
    Service.RELEVANT_PATIENT: "5.1.4.37.1 5.1.4.37.2 5.1.4.37.3",
    Service.SUBSTANCE_ADMINISTRATION: "5.1.4.41 5.1.4.42",
}
_SERVICE_OF_CLASS = {
    "1.2.840.10008." + number: service for service, numbers in _CLASSES.items() for number in numbers.split()
}


def service_of(command_field: int, sop_class_uid: str | None = None) -> Service:
    """The service whose statuses answer a command, request or response, on a SOP class."""
    service = _SERVICE_OF_CLASS.get(sop_class_uid or "")
    if service is not None:
        return service
    try:
        request = CommandField(command_field & 0x7FFF)
    except ValueError:
        return Service.GENERAL
    return _SERVICE_OF_COMMAND.get(request, Service.GENERAL)
