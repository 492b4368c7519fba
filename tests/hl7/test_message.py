"""Messages, their keys and acknowledgements, against python-hl7 and hl7kit where they agree on what HL7 says."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import pytest

from dicomwire.errors import DecodeError
from dicomwire.hl7 import JoinKeys, Message
from dicomwire.hl7.acknowledgement import Stage, acknowledge, expects, is_enhanced, is_positive, meaning_of, stage_of
from dicomwire.hl7.keys import PLACES
from dicomwire.hl7.message import (
    FEW_SEPARATORS,
    LINE_FEEDS,
    NO_CONTROL_ID,
    NO_TYPE,
    UNKNOWN_CHARSET,
    UNNAMED_SEGMENT,
    UNUSUAL_SEPARATORS,
)
from tests.hl7.messages import OMI, ORM, ack
from tests.support import missing


def test_header() -> None:
    message = Message(ORM)
    assert message.type == "ORM^O01"
    assert message.control_id == "MSG00001"
    assert message.version == "2.3.1"
    assert message.header.sending_application == "RIS"
    assert message.header.receiving_facility == "IMAGING"
    assert not message.is_acknowledgement
    assert message.faults == []
    assert Message(OMI).type == "OMI^O23"
    assert Message(b"MSH|^~\\&|||||||ACK|1").type == "ACK"
    assert Message(b"MSH#@*!%#######ORU@R01#1").type == "ORU^R01"


def test_segments() -> None:
    segments = list(Message(OMI).segments())
    assert [segment.name for segment in segments] == ["MSH", "PID", "ORC", "TQ1", "OBR", "IPC", "IPC"]
    assert segments[0].fields[:3] == ["|", "^~\\&", "RIS"]
    assert segments[1].fields[4] == "MÜLLER^JÜRGEN"
    assert segments[1].value(5, 1) == "MÜLLER"
    assert segments[2].to_dict() == {"name": "ORC", "fields": ["NW", "A200", "B200", "", "SC"]}
    assert [segment.value(4) for segment in Message(OMI).segments("IPC")] == ["SS200-1", "SS200-2"]


def test_places() -> None:
    message = Message(OMI)
    assert message.get("PID-5.2") == "JÜRGEN"
    assert message.get("PID-99") is None
    assert message.all("IPC-4.1") == ("SS200-1", "SS200-2")
    assert message.all("IPC-1.1") == ("ACC200",)
    with pytest.raises(ValueError, match="PID"):
        message.get("PID")


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (b"MSH|^~\\&|||||||ADT^A01||P|2.3", [NO_CONTROL_ID]),
        (b"MSH|^~\\&||||||||7|P|2.3", [NO_TYPE]),
        (b"MSH|^~\\&|||||||ADT^A01|1|P|2.3||||||KLINGON", [UNKNOWN_CHARSET]),
        (b"MSH|^~\\&|||||||ADT^A01|1|P|2.3\nPID|1\n", [LINE_FEEDS]),
        (b"MSH|^~\\&|||||||ADT^A01|1|P|2.3\r\nPID|1\r\n", [LINE_FEEDS]),
        (b"MSH|^~\\&|||||||ADT^A01|1|P|2.3\rOBX|1|a\nb\r", []),
        (b"MSH|^~\\&|||||||ADT^A01|1|P|2.3\r and more\r", [UNNAMED_SEGMENT]),
        (b"MSH|^~\\|||||||ADT^A01|1|P|2.3", [FEW_SEPARATORS]),
        (b"MSH$%~\\&$$$$$$$ADT%A01$1$P$2.3", [UNUSUAL_SEPARATORS]),
        (b"MSH|^~\\&#|||||||ADT^A01|1|P|2.7", []),
        (b"\xef\xbb\xbf\r\nMSH|^~\\&|||||||ADT^A01|1|P|2.3", []),
    ],
)
def test_faults(data: bytes, faults: list[str]) -> None:
    assert Message(data).faults == faults


def test_what_is_no_message() -> None:
    for data in (b"", b"PID|1", b"ACK"):
        with pytest.raises(DecodeError, match=r"HL7 v2\.5\.1"):
            Message(data)


def test_keys_of_an_order() -> None:
    keys = JoinKeys(ORM)
    assert {key: keys.values(key) for key in PLACES if keys.values(key)} == {
        "patient_ids": ("583295", "X44"),
        "patient_id_issuer": ("ADT1",),
        "patient_name": ("DOE^JANE^Q^DR^JR",),
        "birth_date": ("19610615",),
        "sex": ("F",),
        "visit_numbers": ("V100",),
        "order_control": ("NW",),
        "order_status": ("SC",),
        "placer_order_numbers": ("A100Z",),
        "filler_order_numbers": ("B100Z",),
        "accession_numbers": ("ACC100",),
        "requested_procedure_ids": ("RP123",),
        "scheduled_step_ids": ("SS1",),
        "study_instance_uids": ("1.2.826.0.1.3680043.1.1",),
        "modalities": ("MR",),
        "scheduled_times": ("202611281000",),
    }
    assert keys.conflicts == []
    assert keys.patient_id == "583295"
    assert keys.patient_name == "DOE^JANE^Q^DR^JR"
    assert keys.order_control == "NW"
    for name in PLACES:
        value = getattr(keys, name)
        assert keys.values(name) == (value if isinstance(value, tuple) else (value,) * bool(value))


def test_keys_of_several_steps() -> None:
    keys = JoinKeys(OMI)
    assert keys.scheduled_step_ids == ("SS200-1", "SS200-2")
    assert keys.accession_numbers == ("ACC200",)
    assert keys.study_instance_uids == ("1.2.3.200",)
    assert keys.scheduled_station_ae_titles == ("MR_AE1",)
    assert keys.scheduled_times == ("202611281000",)
    assert keys.modalities == ("MR",)
    assert keys.patient_name == "MÜLLER^JÜRGEN"
    assert keys.conflicts == []


def test_conflicts_are_told_and_not_merged() -> None:
    data = ORM + (b"IPC|ACC999^X|RP123|1.2.826.0.1.3680043.1.1|SS1|MR\rOBX|1|UI|110180^Study Instance UID^DCM||1.2.3\r")
    keys = JoinKeys(data)
    assert keys.accession_numbers == ("ACC999", "ACC100")
    assert [(conflict.key, conflict.values) for conflict in keys.conflicts] == [
        ("accession_numbers", {"IPC-1.1": ("ACC999",), "OBR-18.1": ("ACC100",)}),
        (
            "study_instance_uids",
            {
                "IPC-3.1": ("1.2.826.0.1.3680043.1.1",),
                "ZDS-1.1": ("1.2.826.0.1.3680043.1.1",),
                "OBX-5.1?3.1=110180": ("1.2.3",),
            },
        ),
    ]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("DOE&VAN&DOE^JANE^Q^JR^DR^MD", "DOE^JANE^Q^DR^JR"),
        ("DOE^JANE^^^DR", "DOE^JANE^^DR"),
        (" DOE ~OTHER^NAME", "DOE"),
        ("O\\T\\HARA^\\S\\", "O&HARA^^"),
        ("^^^", None),
        ("", None),
    ],
)
def test_names_in_the_order_of_dicom(field: str, name: str | None) -> None:
    keys = JoinKeys(f"MSH|^~\\&|A\rPID|||1||{field}\r".encode())
    assert keys.patient_name == (name.rstrip("^") if name else None)
    assert keys.values("patient_name") == ((keys.patient_name,) if name else ())


def installed(name: str) -> ModuleType:
    """Another parser of HL7; skipped with the reason on a user's machine without it."""
    try:
        return import_module(name)
    except ImportError:
        missing(f"{name} is not installed")
        raise


def test_against_python_hl7() -> None:
    hl7 = installed("hl7")
    values = 0
    for data in (ORM, OMI):
        theirs, ours = hl7.parse(data.decode("utf-8")), Message(data)
        assert [str(segment[0]) for segment in theirs] == [segment.name for segment in ours.segments()]
        for segment, other in zip(ours.segments(), theirs, strict=True):
            fields = segment.fields
            assert fields == [str(other(number)) for number in range(1, len(fields) + 1)]
            if segment.name == "MSH":
                continue
            for number in range(1, len(fields) + 1):
                for repetition, part in enumerate(str(other(number)).split("~"), 1):
                    for component, piece in enumerate(part.split("^"), 1):
                        assert segment.value(number, component, repetition=repetition) == piece
                        values += 1
    assert values > 200
    theirs, ours = hl7.parse(ORM.decode("utf-8")), Message(ORM)
    assert ours.get("PID-3[1].4.2") == theirs.extract_field("PID", 1, 3, 1, 4, 2) == "1.2.3"
    assert ours.get("PID-3[2].1") == theirs.extract_field("PID", 1, 3, 2, 1) == "X44"
    assert ours.get("OBR-18.1") == theirs.extract_field("OBR", 1, 18, 1, 1) == "ACC100"


def test_against_hl7kit() -> None:
    hl7kit = installed("hl7kit")
    for data in (ORM, OMI):
        theirs, ours, keys = hl7kit.parse(data), Message(data), JoinKeys(data)
        assert theirs.message_type.split("^")[:2] == (ours.type or "").split("^")
        assert (theirs.control_id, theirs.version) == (ours.control_id, ours.version)
        assert theirs.segments() == [segment.name for segment in ours.segments()]
        order = theirs.order()
        assert order.patient_id == keys.patient_id
        assert order.accession_number == keys.accession_numbers[0]
        assert order.requested_procedure_id == keys.requested_procedure_ids[0]
        assert order.scheduled_procedure_step_id == keys.scheduled_step_ids[0]
        assert order.study_uid.value == keys.study_instance_uids[0]


@pytest.mark.parametrize(
    ("accept", "application", "enhanced", "accept_expected", "application_expected"),
    [
        ("", "", False, False, True),
        ("AL", "NE", True, True, False),
        ("AL", "AL", True, True, True),
        ("NE", "AL", True, False, True),
        ("NE", "NE", True, False, False),
        ("ER", "SU", True, None, None),
        ("AL", "", True, True, False),
        ("", "AL", True, False, True),
    ],
)
def test_acknowledgements_asked_for(
    accept: str, application: str, enhanced: bool, accept_expected: bool | None, application_expected: bool | None
) -> None:
    header = Message(f"MSH|^~\\&|||||||ADT^A01|1|P|2.4|||{accept}|{application}".encode()).header
    assert is_enhanced(header) is enhanced
    assert expects(header, Stage.ACCEPT) is accept_expected
    assert expects(header, Stage.APPLICATION) is application_expected


def test_codes() -> None:
    assert [stage_of(code).value for code in ("AA", "ae", "CA", "CR", "XX", None)] == [
        "application", "application", "accept", "accept", "application", "application",
    ]  # fmt: skip
    assert [is_positive(code) for code in ("AA", "AE", "AR", "CA", "CE", "CR", "XX", None)] == [
        True, False, False, True, False, False, None, None,
    ]  # fmt: skip
    assert meaning_of("AE") == "application found an error"
    assert "unknown" in meaning_of("??")


def test_acknowledging() -> None:
    answer = Message(acknowledge(Message(ORM), "AE", control_id="77", time="20261128"))
    assert answer.type == "ACK^O01"
    assert answer.is_acknowledgement
    assert answer.header.acknowledged_id == "MSG00001"
    assert answer.header.acknowledgement_code == "AE"
    assert answer.header.sending_application == "BROKER"
    assert answer.header.receiving_application == "RIS"
    assert answer.version == "2.3.1"
    assert answer.faults == []
    with pytest.raises(ValueError, match="AA"):
        acknowledge(Message(ORM), "OK", control_id="1")
    told = Message(ack("X1", "AR", more="ERR|||207^Application internal error^HL70357\r")).header
    assert (told.acknowledged_id, told.error_code) == ("X1", "207")
