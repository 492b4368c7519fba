"""Every field of ExtraHop's DICOM class, HL7 class and record formats (Trigger API 26.2) has a producer here.

Each row is their name, our field, and its value in a capture that was composed packet by packet (sample.py), where the
right value is known.  A field of theirs without a row fails the test of its list.
"""

from __future__ import annotations

import json
from functools import cache
from io import BytesIO
from typing import Any

import pytest

from dicomwire.monitor.analyzing import analyze
from dicomwire.monitor.pseudonyms import Pseudonyms
from tests.hl7.messages import ORM, ack
from tests.monitor import sample

KEY = b"a key of 16 bytes"


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- the lists: properties and methods of the classes, and fields of the records ~dicom_request, ~dicom_response, ~hl7

DICOM_CLASS = names(
    """calledAETitle callingAETitle elements findElement methods error isReqAborted isRspAborted isSubOperation
    processingTime reqTransferTime rspTransferTime roundTripTime reqBytes rspBytes reqL2Bytes rspL2Bytes reqSize rspSize
    reqPkts rspPkts reqRTO rspRTO reqZeroWnd rspZeroWnd reqPDU rspPDU version record commitRecord"""
)
DICOM_RECORDS = names(
    """calledAETitle callingAETitle clientIsExternal clientZeroWnd error isReqAborted isRspAborted isSubOperation method
    processingTime receiverIsExternal reqPDU rspPDU reqSize rspSize reqTransferTime rspTransferTime senderIsExternal
    serverIsExternal serverZeroWnd version"""
)
HL7_CLASS = names(
    """ackCode ackId msgId msgType processingTime record reqZeroWnd rspZeroWnd roundTripTime segments subfieldDelimiter
    version commitRecord"""
)
HL7_RECORD = names(
    """ackCode ackId clientIsExternal clientZeroWnd msgId msgType receiverIsExternal roundTripTime processingTime
    senderIsExternal serverIsExternal serverZeroWnd version"""
)

# --- where ours are, and what they must be

# The C-STORE with message ID 7: three segments and a retransmission, a receiver that stalls, a failure after 5 ms.
BAD_STORE = [
    ("calledAETitle", "called_ae_title", "ARCHIVE"),
    ("callingAETitle", "calling_ae_title", "MODALITY"),
    ("version", "version", 1),
    ("method", "method", "C-STORE"),
    ("methods", "methods", ["C-STORE-RQ", "C-STORE-RSP"]),
    ("error", "error", "too few resources to store the instance"),
    ("isReqAborted", "is_req_aborted", False),
    ("isRspAborted", "is_rsp_aborted", False),
    ("isSubOperation", "is_sub_operation", False),
    ("reqTransferTime", "req_transfer_time", 252.4),
    ("processingTime", "processing_time", 5.0),
    ("rspTransferTime", "rsp_transfer_time", 0.0),
    ("roundTripTime", "round_trip_time", 0.1),
    ("reqBytes", "req_bytes", 122 + 3226 + 2 * 12),
    ("rspBytes", "rsp_bytes", 166 + 12),
    ("reqL2Bytes", "req_l2_bytes", 122 + 3226 + 2 * 12 + 3 * 54),
    ("rspL2Bytes", "rsp_l2_bytes", 166 + 12 + 54),
    ("reqSize", "req_size", 122 + 3226),
    ("rspSize", "rsp_size", 166),
    ("reqPkts", "req_pkts", 3),
    ("rspPkts", "rsp_pkts", 1),
    ("reqRTO", "req_rto", 1),
    ("rspRTO", "rsp_rto", 0),
    ("reqZeroWnd", "req_zero_wnd", 0),
    ("rspZeroWnd", "rsp_zero_wnd", 1),
    ("clientZeroWnd", "client_zero_wnd", 0),
    ("serverZeroWnd", "server_zero_wnd", 1),
    ("reqPDU", "req_pdu", "P-DATA-TF"),
    ("rspPDU", "rsp_pdu", "P-DATA-TF"),
    ("clientIsExternal", "client_is_external", False),
    ("serverIsExternal", "server_is_external", True),
    ("senderIsExternal", "sender_is_external", False),
    ("receiverIsExternal", "receiver_is_external", True),
    ("commitRecord", "record", "transaction"),
    ("record", "record", "transaction"),
]
# Beyond: what no property of theirs says.
BEYOND = [
    ("message_id", 7),
    ("status", 0xA700),
    ("status_category", "failure"),
    ("offending_elements", ["(7FE0,0010)"]),
    ("sop_class_uid", "1.2.840.10008.5.1.4.1.1.2"),
    ("sop_instance_uid", sample.INSTANCE),
    ("study_instance_uid", sample.STUDY),
    ("series_instance_uid", sample.SERIES),
    ("transfer_syntax", "1.2.840.10008.1.2.1"),
    ("modality", "CT"),
    ("req_command_size", 122),
    ("req_data_set_size", 3226),
    ("req_pixel_data_size", sample.PIXELS),
    ("zero_window_time", 2.1),
    ("req_retransmissions", 1),
    ("frames", [6, 12]),
    ("time_to_final", 5.0),
]
ORDER = [
    ("msgId", "msg_id", "MSG00001"),
    ("msgType", "msg_type", "ORM^O01"),
    ("version", "version", "2.3.1"),
    ("ackCode", "ack_code", "AA"),
    ("ackId", "ack_id", "MSG00001"),
    ("processingTime", "processing_time", 7.0),
    ("roundTripTime", "round_trip_time", 0.1),
    ("reqZeroWnd", "req_zero_wnd", 0),
    ("rspZeroWnd", "rsp_zero_wnd", 1),
    ("clientZeroWnd", "client_zero_wnd", 0),
    ("serverZeroWnd", "server_zero_wnd", 1),
    ("clientIsExternal", "client_is_external", False),
    ("serverIsExternal", "server_is_external", False),
    ("senderIsExternal", "sender_is_external", False),
    ("receiverIsExternal", "receiver_is_external", False),
    ("subfieldDelimiter", "subfield_delimiter", "^"),
    ("commitRecord", "record", "hl7"),
    ("record", "record", "hl7"),
]


@cache
def records(show_phi: bool = False) -> tuple[Any, ...]:
    return tuple(analyze(BytesIO(sample.capture()), key=KEY, show_phi=show_phi, internal_networks=[sample.SITE]))


def the(kind: str, *, show_phi: bool = False, **fields: object) -> Any:
    """The one record of a kind with these fields."""
    found = [
        record
        for record in records(show_phi)
        if record.record == kind and all(getattr(record, name) == value for name, value in fields.items())
    ]
    assert len(found) == 1, (kind, fields, len(found))
    return found[0]


def bad_store(*, show_phi: bool = False) -> Any:
    return the("transaction", calling_ae_title="MODALITY", message_id=7, show_phi=show_phi)


@pytest.mark.parametrize(("theirs", "ours", "value"), BAD_STORE, ids=[row[0] for row in BAD_STORE])
def test_dicom(theirs: str, ours: str, value: object) -> None:
    record = bad_store()
    assert getattr(record, ours) == value
    assert record.to_dict()[ours] == value


@pytest.mark.parametrize(("ours", "value"), BEYOND, ids=[row[0] for row in BEYOND])
def test_beyond_dicom(ours: str, value: object) -> None:
    assert bad_store().to_dict()[ours] == value


@pytest.mark.parametrize(("theirs", "ours", "value"), ORDER, ids=[row[0] for row in ORDER])
def test_hl7(theirs: str, ours: str, value: object) -> None:
    assert the("hl7").to_dict()[ours] == value


def test_elements() -> None:
    """`elements` and `findElement`: with PHI only."""
    record = bad_store(show_phi=True)
    assert record.find_element(0x00100020).value == sample.PATIENT[0]
    assert record.find_element("Modality").value == "CT"
    assert record.find_element(0x0902, response=True) is not None
    assert record.error_comment == sample.COMMENT
    assert set(record.elements) == {"request", "request_data_set", "response", "response_data_set"}
    hidden = bad_store()
    assert hidden.elements is hidden.find_element(0x00100020) is hidden.error_comment is None


def test_segments() -> None:
    """`segments`: name and fields, field n at n - 1; with PHI only."""
    record = the("hl7", show_phi=True)
    assert record.segments[0] == {"name": "MSH", "fields": ["|", *ORM.decode().split("\r")[0].split("|")[1:]]}
    assert record.segments[1]["name"] == "PID"
    assert record.segments[1]["fields"][2] == "583295^^^ADT1&1.2.3&ISO~X44^^^OLD"
    assert the("hl7").segments is None


def test_sub_operations_and_aborts() -> None:
    moved = the("transaction", calling_ae_title="MODALITY", message_id=9)
    assert moved.is_sub_operation
    assert moved.move_originator == {"ae_title": "STATION", "message_id": 77}
    assert moved.status == 0
    cut = the("transaction", calling_ae_title="FIRST")
    assert (cut.is_req_aborted, cut.is_rsp_aborted) == (True, False)
    assert cut.abort == {"kind": "rst", "by": "client"}
    assert cut.processing_time is None
    unanswered = the("transaction", calling_ae_title="SECOND")
    assert (unanswered.is_req_aborted, unanswered.is_rsp_aborted) == (False, True)
    assert unanswered.abort == {"kind": "abort", "by": "server"}


def test_all_pdu_types() -> None:
    """reqPDU and rspPDU of all seven types: a transaction's are P-DATA-TF, the others are in the association."""
    kinds = {"P-DATA-TF"}
    for calling in ("MODALITY", "SECOND"):
        kinds |= {pdu["type"] for pdu in the("association", calling_ae_title=calling).control_pdus}
    assert kinds == {"A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "P-DATA-TF", "A-RELEASE-RQ", "A-RELEASE-RP", "A-ABORT"}
    ours = the("association", calling_ae_title="MODALITY")
    assert (ours.req_pdu, ours.rsp_pdu) == ("A-ASSOCIATE-RQ", "A-ASSOCIATE-AC")


def test_nothing_of_theirs_is_missing() -> None:
    elsewhere = {"elements", "findElement"}  # test_elements
    dicom = {theirs for theirs, _, _ in BAD_STORE}
    assert dicom | elsewhere >= DICOM_CLASS
    assert dicom >= DICOM_RECORDS
    hl7 = {theirs for theirs, _, _ in ORDER}
    assert hl7 | {"segments"} >= HL7_CLASS  # test_segments
    assert hl7 >= HL7_RECORD
    assert dicom <= DICOM_CLASS | DICOM_RECORDS
    assert hl7 <= HL7_CLASS | HL7_RECORD


def test_dicom_and_hl7_join() -> None:
    """The order and the image are of one patient, accession number and study, by pseudonyms of one key."""
    image, order = bad_store(), the("hl7")
    pseudonyms = Pseudonyms(KEY)
    assert image.patient_id == order.patient_id == pseudonyms.patient_id("583295")
    assert image.patient_name == order.patient_name == pseudonyms.patient_name("DOE^JANE^Q^DR^JR")
    assert image.patient_birth_date == order.birth_date
    assert [image.accession_number] == order.accession_numbers


def test_no_identifier_is_shown() -> None:
    """No record holds a patient's name, ID, birth date, accession or order number, nor a text that a peer wrote."""
    text = "".join(json.dumps(record.to_dict()) + repr(record) for record in records())
    for secret in ("583295", "DOE", "JANE", "19610615", "ACC100", "A100Z", "B100Z", "RP123", "V100", "disk of", "MAIN"):
        assert secret not in text, secret
    assert ack("MSG00001").decode() not in text
    shown = "".join(json.dumps(record.to_dict()) for record in records(True))
    for secret in ("583295", "DOE^JANE", "19610615", "ACC100", "A100Z", "disk of DOE JANE"):
        assert secret in shown, secret
