"""HL7 exchanges: which acknowledgement belongs to which message, in both modes and when something is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire.hl7 import framed
from dicomwire.hl7.mllp import GAP, NO_END_BLOCK, START_MISSING, TOO_LONG
from dicomwire.monitor.hl7 import (
    CAPTURE_END,
    CAPTURE_ENDED,
    DUPLICATE,
    FORGOTTEN,
    LATE,
    MAYBE_LOST,
    NO_ACCEPT,
    NO_ACKNOWLEDGEMENT,
    NO_APPLICATION,
    NO_COMMIT,
    NO_ID,
    OTHER_MODE,
    REPEATED,
    REUSED,
    UNKNOWN_CODE,
    UNKNOWN_MESSAGE,
    WRONG_ID,
    Conversation,
    Endpoints,
    Exchanges,
    HL7Record,
    Limits,
    Moment,
    SideCounters,
)
from dicomwire.monitor.hl7_record import HL7_FIELDS, NO_HEADER
from dicomwire.monitor.pseudonyms import Pseudonyms
from tests.hl7.messages import OMI, ORM, ack

KEY = b"0123456789abcdef"
MS = 1_000_000
FIN, RST = 0, 1


class Wire:
    """A connection on which a packet is seen every millisecond, and the records of all its calls."""

    def __init__(self, exchanges: Exchanges | None = None, *, serial: int = 1, from_start: bool = True) -> None:
        self.exchanges = exchanges or Exchanges(Pseudonyms(KEY))
        endpoints = Endpoints(serial, "10.0.0.1", 40000 + serial, "8.8.8.8", 2575)
        self.conversation: Conversation = self.exchanges.conversation(endpoints, from_start=from_start)
        self.frame = 0
        self.counters = (SideCounters(), SideCounters())
        self.records: list[HL7Record] = []

    def moment(self) -> Moment:
        self.frame += 1
        return Moment(self.frame * MS, self.frame)

    def send(self, side: int, *chunks: bytes) -> list[HL7Record]:
        return self._took([r for c in chunks for r in self.conversation.data(side, c, self.moment(), self.counters)])

    def message(self, data: bytes) -> list[HL7Record]:
        return self.send(0, framed(data))

    def answer(self, data: bytes) -> list[HL7Record]:
        return self.send(1, framed(data))

    def end(self, kind: int = FIN) -> list[HL7Record]:
        moment = self.moment()
        records = [record for side in (0, 1) for record in self.conversation.ended(side, kind, moment)]
        return self._took(records + self.conversation.forgotten(kind, moment.time_ns))

    def _took(self, records: list[HL7Record]) -> list[HL7Record]:
        self.records += records
        return records


def adt(control_id: str, accept: str = "", application: str = "", body: str = "PID|||7") -> bytes:
    header = rf"MSH|^~\&|ADT|H|PACS|H|20261128||ADT^A01|{control_id}|P|2.4|||{accept}|{application}"
    return f"{header}\r{body}\r".encode()


# ------------------------------------------------------------------------------------------------------- original mode


def test_a_message_and_its_acknowledgement() -> None:
    wire = Wire()
    data = framed(ORM)
    assert wire.send(0, data[:100], data[100:200], data[200:]) == []
    wire.frame += 4
    (record,) = wire.send(1, *[framed(ack("MSG00001"))[:20], framed(ack("MSG00001"))[20:]])
    assert (record.msg_type, record.msg_id, record.version) == ("ORM^O01", "MSG00001", "2.3.1")
    assert (record.ack_code, record.ack_id, record.ack_msg_id) == ("AA", "MSG00001", "ACK1")
    assert record.is_ack_positive is True
    assert record.frames == (1, 9)
    assert record.time_ns == 1 * MS
    assert record.req_transfer_time_ns == 2 * MS
    assert record.processing_time_ns == 5 * MS
    assert record.rsp_transfer_time_ns == 1 * MS
    assert record.ack_time_ns == 8 * MS
    assert record.application_time_ns == 5 * MS
    assert record.accept_time_ns is None
    assert (record.req_size, record.req_bytes) == (len(ORM), len(ORM) + 3)
    assert (record.rsp_size, record.rsp_bytes) == (len(ack("MSG00001")), len(ack("MSG00001")) + 3)
    assert record.faults == []
    assert record.inferred == []
    assert (record.client_is_external, record.server_is_external) == (False, True)
    assert (record.sender_is_external, record.receiver_is_external) == (False, True)
    assert wire.end() == []
    assert wire.exchanges.finish() == []


def test_messages_in_a_row_with_answers_in_a_row() -> None:
    wire = Wire()
    wire.send(0, framed(adt("1")) + framed(adt("2")) + framed(adt("3")))
    wire.send(1, framed(ack("1")) + framed(ack("2", "AE")) + framed(ack("3", "AR")))
    assert [(r.msg_id, r.ack_code, r.is_ack_positive, r.faults) for r in wire.records] == [
        ("1", "AA", True, []),
        ("2", "AE", False, []),
        ("3", "AR", False, []),
    ]


def test_messages_of_the_server() -> None:
    wire = Wire()
    wire.answer(adt("1"))
    (record,) = wire.message(ack("1"))
    assert (record.sender_is_external, record.receiver_is_external) == (True, False)
    assert record.faults == []


def test_no_acknowledgement() -> None:
    wire = Wire()
    wire.message(adt("1"))
    wire.message(adt("2"))
    wire.answer(ack("2"))
    assert [(r.msg_id, r.faults) for r in wire.end()] == [("1", [NO_ACKNOWLEDGEMENT])]
    wire = Wire(serial=2)
    wire.message(adt("1"))
    assert [r.faults for r in wire.end(CAPTURE_END)] == [[CAPTURE_ENDED]]


def test_a_late_acknowledgement() -> None:
    wire = Wire()
    wire.message(adt("1"))
    wire.message(adt("2"))
    assert [r.faults for r in wire.answer(ack("2"))] == [[]]
    assert [r.faults for r in wire.answer(ack("1"))] == [[LATE]]


def test_wrong_and_missing_control_ids() -> None:
    wire = Wire()
    wire.message(adt("1"))
    (record,) = wire.answer(ack("99"))
    assert (record.msg_id, record.ack_id, record.faults, record.inferred) == ("1", "99", [WRONG_ID], ["ack_id"])
    wire.message(adt("2"))
    (record,) = wire.answer(ack(""))
    assert (record.msg_id, record.ack_id, record.faults, record.inferred) == ("2", None, [NO_ID], ["ack_id"])
    wire.message(adt(""))
    (record,) = wire.answer(ack("5"))
    assert (record.msg_id, record.ack_id, record.inferred) == (None, "5", ["msg_id"])
    wire.message(adt("3"))
    (record,) = wire.answer(ack("3", "OK"))
    assert (record.ack_code, record.is_ack_positive, record.faults) == ("OK", None, [UNKNOWN_CODE])


def test_duplicate_and_unknown_acknowledgements() -> None:
    wire = Wire()
    assert wire.answer(ack("7")) == []
    wire.frame += 1001
    (record,) = wire.message(adt("0", "NE", "NE"))[:1]
    assert (record.msg_id, record.ack_id, record.faults) == (None, "7", [UNKNOWN_MESSAGE])
    assert (record.req_size, record.processing_time_ns) == (None, None)
    assert (record.sender_is_external, record.receiver_is_external) == (False, True)
    wire.message(adt("1"))
    wire.answer(ack("1"))
    (record,) = wire.answer(ack("1"))
    assert record.faults == [DUPLICATE]
    # With the next message on its way a second answer to the first one is still not its answer.
    wire.message(adt("2"))
    (record,) = wire.answer(ack("1"))
    assert record.faults == [DUPLICATE]
    (record,) = wire.answer(ack("2"))
    assert record.faults == []


def test_an_answer_that_comes_to_the_tap_before_its_message() -> None:
    wire = Wire()
    assert wire.answer(ack("1")) == []
    (record,) = wire.message(adt("1"))
    assert (record.msg_id, record.ack_id, record.faults, record.inferred) == ("1", "1", [], ["order"])
    assert record.processing_time_ns is record.ack_time_ns is None
    assert record.frames == (1, 2)
    for number in range(20):
        wire.answer(ack(f"X{number}"))
    assert [r.faults for r in wire.records[1:]] == [[UNKNOWN_MESSAGE]] * 12
    assert len(wire.end()) == 8
    assert wire.exchanges.held_bytes == 0


def test_an_acknowledgement_that_the_capture_lacks() -> None:
    wire = Wire()
    wire.message(adt("1"))
    wire.conversation.gap(1, 80, wire.moment())
    wire.message(adt("2"))
    wire.answer(ack("2"))
    (record,) = wire.end()
    assert (record.msg_id, record.faults) == ("1", [MAYBE_LOST])
    assert (record.gaps, record.lost_bytes) == (1, 80)


def test_repeats_of_a_control_id() -> None:
    wire = Wire()
    wire.message(adt("1"))
    wire.end(RST)
    again = Wire(wire.exchanges, serial=2)
    again.message(adt("1").replace(b"20261128", b"20261129"))
    assert [r.faults for r in again.answer(ack("1"))] == [[REPEATED]]
    again.message(adt("1", body="PID|||8"))
    assert [r.faults for r in again.answer(ack("1"))] == [[REUSED]]
    other = wire.exchanges.conversation(Endpoints(3, "10.0.0.9", 1, "8.8.8.8", 2575))
    other.data(0, framed(adt("1")), Moment(0, 1))
    assert [r.faults for r in other.data(1, framed(ack("1")), Moment(0, 1))] == [[]]


# ------------------------------------------------------------------------------------------------------- enhanced mode


def test_both_acknowledgements_on_one_connection() -> None:
    wire = Wire()
    wire.message(adt("1", "AL", "AL"))
    assert wire.answer(ack("1", "CA")) == []
    wire.message(adt("2", "AL", "NE"))
    assert [r.ack_code for r in wire.answer(ack("2", "CA"))] == ["CA"]
    (record,) = wire.answer(ack("1", "AE", own="R1"))
    assert (record.accept_ack_code, record.application_ack_code, record.ack_code) == ("CA", "AE", "AE")
    assert record.accept_time_ns == 1 * MS
    assert record.application_time_ns == 4 * MS
    assert record.processing_time_ns == 1 * MS
    assert record.responses == 2
    assert record.is_ack_positive is False


def test_an_application_that_wants_an_acknowledgement_itself() -> None:
    wire = Wire()
    wire.message(adt("1", "AL", "AL"))
    wire.answer(ack("1", "CA"))
    assert wire.answer(ack("1", "AA", own="R1", accept="AL")) == []
    (record,) = wire.message(ack("R1", "CA"))
    assert (record.ack_code, record.commit_ack_code, record.responses, record.faults) == ("AA", "CA", 3, [])
    wire.message(adt("2", "AL", "AL"))
    wire.answer(ack("2", "CA"))
    wire.answer(ack("2", "AA", own="R2", accept="AL"))
    assert [r.faults for r in wire.end()] == [[NO_COMMIT]]


def test_an_application_that_answers_on_another_connection() -> None:
    wire = Wire()
    wire.message(adt("1", "AL", "AL"))
    wire.answer(ack("1", "CA"))
    assert wire.end() == []
    back = wire.exchanges.conversation(Endpoints(2, "8.8.8.8", 50000, "10.0.0.1", 2576))
    (record,) = back.data(0, framed(ack("1", "AA")), Moment(500 * MS, 90))
    assert (record.connection, record.msg_id, record.ack_code) == (1, "1", "AA")
    assert record.application_time_ns == 499 * MS
    assert record.frames == (1, 90)
    assert record.faults == []
    assert wire.exchanges.finish() == []


def test_what_does_not_come_in_enhanced_mode() -> None:
    wire = Wire()
    wire.message(adt("1", "AL", "NE"))
    wire.message(adt("2", "AL", "AL"))
    wire.message(adt("3", "ER", "NE"))
    assert [(r.msg_id, r.faults) for r in wire.end()] == [("1", [NO_ACCEPT]), ("3", [])]
    assert [(r.msg_id, r.faults) for r in wire.exchanges.finish()] == [("2", [NO_ACCEPT, NO_APPLICATION])]


def test_nothing_asked_for_and_refusals() -> None:
    wire = Wire()
    assert [r.faults for r in wire.message(adt("1", "NE", "NE"))] == [[]]
    wire.message(adt("2", "AL", "AL"))
    assert [(r.ack_code, r.is_ack_positive) for r in wire.answer(ack("2", "CR"))] == [("CR", False)]


def test_another_mode_than_asked_for() -> None:
    wire = Wire()
    wire.message(adt("1"))
    assert [(r.ack_code, r.faults) for r in wire.answer(ack("1", "CA"))] == [("CA", [OTHER_MODE])]
    wire.message(adt("2", "AL", "NE"))
    assert [(r.ack_code, r.faults) for r in wire.answer(ack("2", "AA"))] == [("AA", [OTHER_MODE])]


# ----------------------------------------------------------------------------------------------------------- the wire


def test_aborted_messages() -> None:
    wire = Wire()
    wire.send(0, framed(adt("1"))[:-4])
    (record,) = wire.end(RST)
    assert record.is_req_aborted
    assert record.faults == [NO_ACKNOWLEDGEMENT, NO_END_BLOCK]
    wire = Wire()
    wire.message(adt("1"))
    wire.send(1, framed(ack("1"))[:-3])
    (record,) = wire.end(RST)
    assert (record.is_req_aborted, record.is_rsp_aborted) == (False, True)
    assert record.ack_code == "AA"


def test_gaps() -> None:
    wire = Wire()
    data = framed(ORM)
    wire.send(0, data[:300])
    wire.conversation.gap(0, 100, wire.moment())
    wire.send(0, data[400:])
    (record,) = wire.answer(ack("MSG00001"))
    assert (record.gaps, record.lost_bytes, record.faults) == (1, 100, [GAP])
    assert record.msg_id == "MSG00001"
    assert record.patient_id is not None
    assert record.accession_numbers == []
    assert record.req_size == len(ORM) - 100


def test_a_connection_picked_up_in_the_middle() -> None:
    wire = Wire(from_start=False)
    wire.send(0, b"OBX|1\r\x1c\r")
    (record,) = wire.answer(ack("7"))
    assert (record.ack_id, record.inferred) == ("7", ["msg_id"])
    assert record.faults == [NO_HEADER, START_MISSING]
    wire.message(adt("8"))
    assert [r.faults for r in wire.answer(ack("8"))] == [[]]


def test_counters_of_the_exchange() -> None:
    wire = Wire()
    wire.counters = (SideCounters(5, 2, 1, 100, 3, 40), SideCounters(1, 1, 7, 1000, 1, 60))
    wire.send(0, framed(adt("1")))
    wire.counters = (SideCounters(6, 2, 1, 100, 4, 20), SideCounters(3, 2, 9, 5 * MS + 1000, 2, 80))
    (record,) = wire.answer(ack("1"))
    assert (record.client_zero_wnd, record.server_zero_wnd) == (0, 2)
    assert (record.req_zero_wnd, record.rsp_zero_wnd) == (0, 2)
    assert record.zero_window_time_ns == 5 * MS
    assert (record.req_rto, record.rsp_rto) == (0, 1)
    assert (record.req_retransmissions, record.rsp_retransmissions) == (1, 2)
    assert record.round_trip_time_ns == 50
    assert (record.round_trip_time_min_ns, record.round_trip_time_max_ns) == (20, 80)
    wire.message(adt("2"))
    (record,) = wire.answer(ack("2"))
    assert record.round_trip_time_ns is None


# ----------------------------------------------------------------------------------------------------------- privacy


def test_identifiers_are_pseudonyms_that_join() -> None:
    wire = Wire()
    wire.message(ORM)
    (record,) = wire.answer(ack("MSG00001", more="ERR|PATIENT DOE\r"))
    names = Pseudonyms(KEY)
    assert record.patient_id == names.patient_id("583295")
    assert record.patient_name == names.patient_name("DOE^JANE^Q^DR^JR")
    assert record.accession_numbers == [names.accession_number("ACC100")]
    text = json.dumps(record.to_dict())
    for secret in (
        "583295",
        "X44",
        "DOE",
        "JANE",
        "19610615",
        "ACC100",
        "A100Z",
        "B100Z",
        "RP123",
        "SS1",
        "V100",
        "MAIN",
    ):
        assert secret not in text, secret
    assert record.segments is record.ack_segments is record.ack_text is None
    assert record.study_instance_uids == ["1.2.826.0.1.3680043.1.1"]


def test_error_codes_and_sentences_in_their_place() -> None:
    for more, hidden, shown in (
        ("ERR|||207^Application internal error^HL70357\r", "207", "207"),
        ("ERR|PID^1^3^204&Unknown key\r", "204", "204"),
        ("ERR|||JANE DOE IS NOT KNOWN\r", None, "JANE DOE IS NOT KNOWN"),
        ("", None, None),
    ):
        for names, expected in ((Pseudonyms(KEY), hidden), (Pseudonyms(KEY, show_phi=True), shown)):
            wire = Wire(Exchanges(names))
            wire.message(adt("1"))
            (record,) = wire.answer(ack("1", "AE", more=more))
            assert record.error_code == expected


def test_shown_and_hidden() -> None:
    wire = Wire(Exchanges(Pseudonyms(KEY, show_phi=True)))
    wire.message(OMI)
    wire.answer(ack("MSG00002", "CA"))
    (record,) = wire.answer(ack("MSG00002"))
    assert record.patient_name == "MÜLLER^JÜRGEN"
    assert record.scheduled_step_ids == ["SS200-1", "SS200-2"]
    assert record.segments is not None
    assert record.segments[2] == {"name": "ORC", "fields": ["NW", "A200", "B200", "", "SC"]}
    assert record.ack_segments is not None
    assert record.ack_segments[1] == {"name": "MSA", "fields": ["AA", "MSG00002"]}
    wire = Wire(Exchanges(Pseudonyms(KEY, hide_uids=True)))
    wire.message(ORM)
    (record,) = wire.answer(ack("MSG00001"))
    assert [uid.partition("-")[0] for uid in record.study_instance_uids] == ["uid"]


def test_conflicts_are_pseudonyms_too() -> None:
    wire = Wire()
    wire.message(ORM + b"IPC|ACC999\r")
    (record,) = wire.answer(ack("MSG00001"))
    names = Pseudonyms(KEY)
    assert record.conflicts == {
        "accession_numbers": {
            "IPC-1.1": [names.accession_number("ACC999")],
            "OBR-18.1": [names.accession_number("ACC100")],
        }
    }


def test_fields_in_json() -> None:
    wire = Wire()
    wire.message(ORM)
    (record,) = wire.answer(ack("MSG00001"))
    fields = record.to_dict()
    assert tuple(fields) == HL7_FIELDS
    assert fields["time"] == "1970-01-01T00:00:00.001000000Z"
    assert fields["processing_time"] == 1.0
    assert fields["round_trip_time"] is None
    assert json.loads(json.dumps(fields)) == fields


# ------------------------------------------------------------------------------------------------------------ bounds


def test_memory_is_bounded() -> None:
    limits = Limits(max_length=1000, max_held=10_000, max_pending=5, max_waiting=3, max_control_ids=10)
    exchanges = Exchanges(Pseudonyms(KEY), limits=limits)
    wire = Wire(exchanges)
    for number in range(20):
        wire.message(adt(str(number)))
    assert [r.faults for r in wire.records] == [[FORGOTTEN]] * 15
    wires = [Wire(exchanges, serial=n) for n in range(2, 40)]
    for other in wires:
        other.send(0, b"\x0b" + adt("x", body="OBX|" + "y" * 900))
        assert exchanges.held_bytes <= limits.max_held + limits.max_length
    for other in wires:
        other.send(0, b"\x1c\r")
        other.end()
    assert TOO_LONG in wires[-1].records[0].faults
    wire.end()
    for number in range(10):
        one = Wire(exchanges, serial=100 + number)
        one.message(adt(f"E{number}", "AL", "AL"))
        one.answer(ack(f"E{number}", "CA"))
        one.end()
    assert len(exchanges.finish()) == 3
    assert exchanges.held_bytes == 0


PIECES = [framed(adt("1")), framed(adt("2", "AL", "AL")), framed(ack("1")), framed(ack("2", "CA")), framed(ack("2")),
          framed(ack("")), b"\x0b", b"\x1c\r", b"MSH|^~\\&|", b"\rMSA|AA|1\r", b"noise", framed(b"PID|1")]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(PIECES)), max_size=25), st.booleans())
def test_any_order_of_anything(events: list[tuple[int, bytes]], from_start: bool) -> None:
    """Every call gives records that can be written, each message is in one record, and nothing is held in the end."""
    wire = Wire(from_start=from_start)
    messages = 0
    for side, piece in events:
        if side == 2:
            wire.conversation.gap(len(piece) % 2, 1 + len(piece), wire.moment())
        else:
            wire.send(side, piece)
    wire.end()
    records = wire.records + wire.exchanges.finish()
    for record in records:
        json.dumps(record.to_dict())
        messages += record.req_size is not None
        assert record.frames[0] <= record.frames[1]
    assert wire.exchanges.held_bytes == 0


@pytest.mark.parametrize("kind", [FIN, RST, CAPTURE_END])
def test_the_end_comes_once(kind: int) -> None:
    wire = Wire()
    wire.message(adt("1"))
    assert len(wire.end(kind)) == 1
    assert wire.end(kind) == []
