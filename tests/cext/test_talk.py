"""Conversations: what both ends said becomes transactions, associations and gaps, in any packets, with what is lost."""

from __future__ import annotations

import contextlib
import random
import zlib
from typing import Any

import pytest

from _dicomwire.ending import Ending
from _dicomwire.record import Gap, Transaction
from dicomwire import ul
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
    NCreateRQ,
    NEventReportRQ,
)
from dicomwire.ul.items import AsynchronousOperationsWindow
from dicomwire.ul.pdu import AAbort, AAssociateRJ, AReleaseRP, AReleaseRQ
from tests.builders import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, PIXEL_DATA, Encoder
from tests.monitor.rehearsing import CLIENT, SERVER, STEP_NS, Call, Stage
from tests.net.raw import CT, FIND, VERIFICATION, acceptance, context, message_bytes, pdv, request

WORKLIST = "1.2.840.10008.5.1.4.31"
STEP = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
PLAIN = Encoder()


def echo(number: int = 7) -> CEchoRQ:
    return CEchoRQ(message_id=number, affected_sop_class_uid=VERIFICATION)


def store(number: int = 7, instance: str = "1.2.3", **fields: Any) -> CStoreRQ:
    return CStoreRQ(
        message_id=number, affected_sop_class_uid=CT, affected_sop_instance_uid=instance, priority=0, **fields
    )


def image(pixels: int = 1000, encoder: Encoder = PLAIN) -> bytes:
    """A data set whose header has what a monitor looks for."""
    return b"".join(
        [
            encoder.element(0x00080050, "SH", b"ACC1"),
            encoder.element(0x00080060, "CS", b"CT"),
            encoder.element(0x00100010, "PN", b"DOE^JANE"),
            encoder.element(0x00100020, "LO", b"PAT1"),
            encoder.element(0x00100030, "DA", b"19700101"),
            encoder.element(0x0020000D, "UI", b"1.2.3.4\0"),
            encoder.element(0x0020000E, "UI", b"1.2.3.5\0"),
            encoder.element(PIXEL_DATA, "OW", bytes(pixels)),
        ]
    )


def stored(stage: Stage, data: bytes, syntax: str = EXPLICIT, **options: Any) -> Any:
    """The transaction of an instance that is stored."""
    call = stage.call(**options)
    call.associate([context(1, CT, syntax)])
    call.message(CLIENT, store(), data)
    call.message(SERVER, store().response(status=0))
    call.release()
    (record,) = stage.of("transaction")
    return record


# ---------------------------------------------------------------------------------------------------- the usual ones


@pytest.mark.parametrize("mss", [1 << 20, 1460, 100, 7, 1])
def test_a_store_in_packets_of_any_size(mss: int) -> None:
    stage = Stage()
    record = stored(stage, image(5000), mss=mss)
    data = image(5000)
    said = message_bytes(1, store(), data)
    assert (record.method, record.message_id, record.status, record.status_category) == ("C-STORE", 7, 0, "success")
    assert record.methods == ["C-STORE-RQ", "C-STORE-RSP"]
    assert (record.sop_class_uid, record.sop_instance_uid) == (CT, "1.2.3")
    assert (record.patient_id, record.patient_name, record.accession_number) == ("PAT1", "DOE^JANE", "ACC1")
    assert (record.modality, record.study_instance_uid, record.series_instance_uid) == ("CT", "1.2.3.4", "1.2.3.5")
    assert (record.called_ae_title, record.calling_ae_title, record.version) == ("ANY-SCP", "RAW", 1)
    assert record.transfer_syntax == EXPLICIT
    assert (record.req_data_set_size, record.req_pixel_data_size) == (len(data), 5000)
    assert record.req_bytes == len(said)
    assert record.req_command_size == len(store().encode(has_data_set=True))
    assert record.req_size == record.req_command_size + record.req_data_set_size
    assert record.req_pkts == -(-len(said) // mss)
    assert record.req_l2_bytes == len(said) + 54 * record.req_pkts
    assert record.req_transfer_time_ns == (record.req_pkts - 1) * STEP_NS
    assert record.processing_time_ns == STEP_NS
    assert record.rsp_transfer_time_ns == (record.rsp_pkts - 1) * STEP_NS
    assert record.frames[1] - record.frames[0] == record.req_pkts + record.rsp_pkts - 1
    assert (record.gaps, record.inferred, record.flaws, record.error, record.abort) == (0, [], [], None, None)
    assert (record.is_req_aborted, record.is_rsp_aborted, record.is_sub_operation) == (False, False, False)
    assert (record.req_pdu, record.rsp_pdu) == ("P-DATA-TF", "P-DATA-TF")
    (association,) = stage.of("association")
    assert association.client["pdus"]["P-DATA-TF"] == 2
    assert (association.transactions, association.messages) == (1, 2)
    assert association.end == "release"
    assert (association.ended_by, association.illegal_pdus["count"]) == ("client", 0)
    assert (stage.talk.held_bytes, stage.talk.open_count) == (0, 0)
    assert len(stage.take()) == 2


def test_what_is_said_does_not_depend_on_how_it_is_cut() -> None:
    noise = random.Random(8)
    expected: list[Any] = []
    for attempt in range(40):
        stage = Stage()
        record = stored(stage, image(30_000), mss=noise.choice([1 << 20, 3, 12, 13, 700, 4096]) if attempt else 1 << 20)
        found = {
            name: value
            for name, value in record.to_dict().items()
            if "time" not in name and "pkts" not in name and "l2" not in name and name != "frames"
        }
        expected = expected or [found]
        assert found == expected[0]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_headers_in_every_encoding(syntax: str) -> None:
    encoder = Encoder(explicit=syntax != IMPLICIT, big=syntax == BIG_ENDIAN)
    data = image(500, encoder)
    if syntax == DEFLATED:
        packer = zlib.compressobj(wbits=-15)
        data = packer.compress(data) + packer.flush()
    stage = Stage()
    record = stored(stage, data, syntax)
    assert (record.patient_id, record.study_instance_uid, record.modality) == ("PAT1", "1.2.3.4", "CT")
    assert record.req_pixel_data_size == (0 if syntax == DEFLATED else 500)
    assert record.flaws == []


def test_encapsulated_pixel_data_is_counted_and_long_values_before_it_are_passed_over() -> None:
    long = PLAIN.element(0x00091001, "OB", bytes(300_000))
    pixels = PLAIN.element(PIXEL_DATA, "OB", PLAIN.item() + PLAIN.item(bytes(70_000)) + PLAIN.sequence_end(),
                           length=0xFFFFFFFF)  # fmt: skip
    front = PLAIN.element(0x00080060, "CS", b"MR") + long + PLAIN.element(0x00100020, "LO", b"PAT2")
    for mss in (1 << 20, 1460):
        record = stored(Stage(), front + pixels, "1.2.840.10008.1.2.4.50", mss=mss)
        assert (record.modality, record.patient_id) == ("MR", "PAT2")
        assert record.req_pixel_data_size == len(pixels) - 12


def test_pseudonyms_take_the_place_of_what_identifies_and_nothing_else() -> None:
    record = stored(Stage(show_phi=False), image())
    assert record.patient_id.startswith("patient-")
    assert record.patient_name.startswith("name-")
    assert record.accession_number.startswith("accession-")
    assert record.study_instance_uid == "1.2.3.4"
    assert record.elements is None
    text = str(record.to_dict())
    assert not any(secret in text for secret in ("PAT1", "DOE", "ACC1", "19700101"))


def test_elements_are_there_where_phi_is_shown() -> None:
    record = stored(Stage(), image(100_000), mss=1000)
    assert record.find_element("PatientID").value == "PAT1"
    assert record.find_element(0x0100) == 1
    assert record.find_element(0x0900, response=True) == 0
    assert record.find_element("StationName") is None


# ------------------------------------------------------------------------------------------------- pairing and counts


def test_a_query_with_pending_responses() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, FIND)])
    asked = CFindRQ(message_id=3, affected_sop_class_uid=FIND, priority=0)
    keys = PLAIN.element(0x00080052, "CS", b"STUDY ") + PLAIN.element(0x00100020, "LO", b"PAT1")
    call.message(CLIENT, asked, keys)
    for _ in range(5):
        call.message(SERVER, asked.response(status=0xFF00), keys)
    call.message(SERVER, asked.response(status=0))
    call.release()
    (record,) = stage.of("transaction")
    assert (record.method, record.query_level, record.status) == ("C-FIND", "STUDY", 0)
    assert (record.responses, record.pending, record.statuses) == (6, 5, {"pending": 5, "success": 1})
    assert record.time_to_first_pending_ns == STEP_NS
    assert record.time_to_final_ns == 6 * STEP_NS
    assert record.rsp_data_set_size == 5 * len(keys)
    assert record.answers == []


def test_answers_of_a_worklist_query() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, WORKLIST)])
    asked = CFindRQ(message_id=3, affected_sop_class_uid=WORKLIST, priority=0)
    call.message(CLIENT, asked, PLAIN.element(0x00100020, "LO"))
    for number in range(700):
        step = PLAIN.sequence(0x00400100, PLAIN.item(PLAIN.element(0x00400009, "SH", b"%04d" % number)))
        data = PLAIN.element(0x00080050, "SH", b"A%d" % number) + PLAIN.element(0x0020000D, "UI", b"1.9") + step
        call.message(SERVER, asked.response(status=0xFF00), data)
    call.message(SERVER, asked.response(status=0))
    call.hang_up()
    (record,) = stage.of("transaction")
    assert record.pending == 700
    assert len(record.answers) == 500  # a bound
    assert record.is_cut_short
    assert record.answers[0] == {
        "accession_number": "A0",
        "study_instance_uid": "1.9",
        "scheduled_procedure_step_id": "0000",
    }


def test_requests_at_once_are_told_apart_by_their_message_ids() -> None:
    stage = Stage()
    call = stage.call()
    call.associate(None, AsynchronousOperationsWindow(0, 0))
    for number in (1, 2, 3):
        call.message(CLIENT, echo(number))
    for number in (3, 1, 2):
        call.message(SERVER, echo(number).response(status=0x0110 + number))
    call.release()
    assert [(one.message_id, one.status) for one in stage.of("transaction")] == [(3, 0x113), (1, 0x111), (2, 0x112)]
    assert all(one.status_category == "failure" and one.error for one in stage.of("transaction"))


def test_a_message_id_that_is_used_again() -> None:
    stage = Stage()
    call = stage.call()
    call.associate()
    for _ in range(2):
        call.message(CLIENT, echo(1))
        call.message(SERVER, echo(1).response(status=0))
    call.message(CLIENT, echo(1))
    call.message(CLIENT, echo(1))
    call.message(SERVER, echo(1).response(status=0))
    call.release()
    records = stage.of("transaction")
    assert [one.status for one in records] == [0, 0, None, 0]
    assert records[2].flaws == ["message ID used again before the answer"]


def test_both_sides_may_ask() -> None:
    stage = Stage()
    call = stage.call()
    call.associate()
    call.message(CLIENT, echo(1))
    call.message(SERVER, echo(1))
    call.message(CLIENT, echo(1).response(status=0))
    call.message(SERVER, echo(1).response(status=0x0122))
    call.release()
    assert [(one.sender, one.status) for one in stage.of("transaction")] == [("server", 0), ("client", 0x122)]


def test_a_cancelled_query() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, FIND)])
    asked = CFindRQ(message_id=3, affected_sop_class_uid=FIND, priority=0)
    call.message(CLIENT, asked, PLAIN.element(0x00100020, "LO"))
    call.message(CLIENT, CCancelRQ(message_id_being_responded_to=3))
    call.message(SERVER, asked.response(status=0xFE00))
    call.release()
    (record,) = stage.of("transaction")
    assert (record.is_cancelled, record.status_category) == (True, "cancel")
    assert record.methods == ["C-FIND-RQ", "C-CANCEL-RQ", "C-FIND-RSP"]
    (association,) = stage.of("association")
    assert association.messages == 3


def test_stores_of_a_get_are_its_sub_operations() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, CT)])
    asked = CGetRQ(message_id=5, affected_sop_class_uid="1.2.840.10008.5.1.4.1.2.2.3", priority=0)
    call.message(CLIENT, asked, PLAIN.element(0x0020000D, "UI", b"1.2"))
    call.message(SERVER, store(1), image())
    call.message(CLIENT, store(1).response(status=0))
    counts = {
        "number_of_completed_suboperations": 1,
        "number_of_failed_suboperations": 0,
        "number_of_warning_suboperations": 0,
    }
    call.message(SERVER, asked.response(status=0, **counts))
    call.release()
    first, second = stage.of("transaction")
    assert (first.method, first.is_sub_operation, first.is_get_sub_operation) == ("C-STORE", True, True)
    assert (first.parent_message_id, first.sender) == (5, "server")
    assert second.sub_operations == {"remaining": None, "completed": 1, "failed": 0, "warning": 0}


def test_stores_of_a_move_name_their_originator() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, CT)])
    fields = {"move_originator_application_entity_title": "ASKER", "move_originator_message_id": 9}
    call.message(CLIENT, store(1, **fields), image())
    call.message(SERVER, store(1).response(status=0))
    call.release()
    (record,) = stage.of("transaction")
    assert record.is_sub_operation
    assert record.move_originator == {"ae_title": "ASKER", "message_id": 9}


def test_the_moves_destination_and_counts() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, MOVE)])
    asked = CMoveRQ(message_id=9, affected_sop_class_uid=MOVE, priority=0, move_destination="THERE")
    call.message(CLIENT, asked, PLAIN.element(0x0020000D, "UI", b"1.2"))
    counts = {
        "number_of_remaining_suboperations": 1,
        "number_of_completed_suboperations": 2,
        "number_of_failed_suboperations": 3,
        "number_of_warning_suboperations": 4,
    }
    call.message(SERVER, asked.response(status=0xFF00, **counts))
    call.message(SERVER, asked.response(status=0xA801, error_comment="who is THERE"))
    call.release()
    (record,) = stage.of("transaction")
    assert (record.move_destination, record.study_instance_uid) == ("THERE", "1.2")
    assert record.sub_operations == {"remaining": 1, "completed": 2, "failed": 3, "warning": 4}
    assert (record.error, record.error_comment) == ("the destination is not known", "who is THERE")


def test_performed_steps_and_commitment() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, STEP), context(3, COMMITMENT)])
    item = PLAIN.item(PLAIN.element(0x00080050, "SH", b"ACC9") + PLAIN.element(0x0020000D, "UI", b"1.2.9\0"))
    data = PLAIN.element(0x00400252, "CS", b"IN PROGRESS ") + PLAIN.sequence(0x00400270, item, item, undefined=True)
    made = NCreateRQ(message_id=1, affected_sop_class_uid=STEP)
    call.message(CLIENT, made, data)
    call.message(SERVER, made.response(status=0, affected_sop_instance_uid="1.2.77"))
    action = NActionRQ(
        message_id=2, requested_sop_class_uid=COMMITMENT, requested_sop_instance_uid="1.2.840.10008.1.20.1.1",
        action_type_id=1,
    )  # fmt: skip
    one = PLAIN.item(PLAIN.element(0x00081150, "UI", b"1.2"))
    call.message(CLIENT, action, PLAIN.element(0x00081195, "UI", b"1.5") + PLAIN.sequence(0x00081199, one, one), 3)
    call.message(SERVER, action.response(status=0), None, 3)
    event = NEventReportRQ(
        message_id=1, affected_sop_class_uid=COMMITMENT, affected_sop_instance_uid="1.2.840.10008.1.20.1.1",
        event_type_id=2,
    )  # fmt: skip
    body = PLAIN.element(0x00081195, "UI", b"1.5") + PLAIN.sequence(0x00081198, one) + PLAIN.sequence(0x00081199, one)
    call.message(SERVER, event, body, 3)
    call.message(CLIENT, event.response(status=0), None, 3)
    call.release()
    step, asked, said = stage.of("transaction")
    assert (step.method, step.step_status, step.sop_instance_uid) == ("N-CREATE", "IN PROGRESS", "1.2.77")
    assert (step.study_instance_uid, step.accession_number) == ("1.2.9", "ACC9")
    assert step.scheduled == [{"accession_number": "ACC9", "study_instance_uid": "1.2.9"}] * 2
    assert (asked.method, asked.action_type_id, asked.transaction_uid) == ("N-ACTION", 1, "1.5")
    assert (asked.referenced_instances, asked.failed_instances) == (2, None)
    assert (said.method, said.event_type_id, said.sender) == ("N-EVENT-REPORT", 2, "server")
    assert (said.referenced_instances, said.failed_instances) == (1, 1)


def test_a_response_that_comes_before_the_requests_end() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, CT)])
    said = message_bytes(1, store(), image(40_000))
    call.say(CLIENT, said[:20_000])
    call.message(SERVER, store().response(status=0xA700))
    assert stage.of("transaction") == []
    call.say(CLIENT, said[20_000:])
    (record,) = stage.of("transaction")
    assert (record.status, record.flaws) == (0xA700, ["final response before the end of the request"])
    assert record.req_bytes == len(said)


# ------------------------------------------------------------------------------------------------------ figures of TCP


def test_counters_are_differences_over_the_transaction() -> None:
    stage = Stage()
    call = stage.call()
    count = stage.rehearsal.counters
    call.associate()
    count(call.serial, 0, retransmissions=5, timeouts=2, zero_windows=1, zero_window_ns=1000)
    said = message_bytes(1, echo())
    call.say(CLIENT, said[:20])
    count(call.serial, 0, retransmissions=8, timeouts=3, zero_windows=3, zero_window_ns=5000)
    for rtt in (400, 100, 300):
        count(call.serial, 0, rtt_ns=rtt)
        call.say(CLIENT, said[20:21])
        said = said[:20] + said[21:]
    call.say(CLIENT, said[20:])
    answer = message_bytes(1, echo().response(status=0))
    call.say(SERVER, answer[:30])
    count(call.serial, 1, retransmissions=2, timeouts=1, zero_windows=4, zero_window_ns=70)
    call.say(SERVER, answer[30:])
    call.release()
    (record,) = stage.of("transaction")
    assert (record.req_retransmissions, record.req_rto, record.req_zero_wnd) == (3, 1, 2)
    assert (record.rsp_retransmissions, record.rsp_rto, record.rsp_zero_wnd) == (2, 1, 4)
    assert (record.client_zero_wnd, record.server_zero_wnd, record.zero_window_time_ns) == (2, 4, 4070)
    assert (record.round_trip_time_ns, record.round_trip_time_min_ns, record.round_trip_time_max_ns) == (300, 100, 400)


def test_a_packet_that_carries_two_messages_counts_for_both() -> None:
    stage = Stage()
    call = stage.call()
    call.associate()
    call.say(CLIENT, message_bytes(1, echo(1)) + message_bytes(1, echo(2)))
    call.message(SERVER, echo(1).response(status=0))
    call.message(SERVER, echo(2).response(status=0))
    call.release()
    assert [(one.req_pkts, one.rsp_pkts) for one in stage.of("transaction")] == [(1, 1), (1, 1)]
    assert [one.frames for one in stage.of("transaction")] == [[4, 5], [4, 6]]


# ------------------------------------------------------------------------------------------------------------ endings


@pytest.mark.parametrize(
    ("kind", "name", "aborted"), [(0, "fin", True), (1, "rst", True), (2, "idle", True), (5, "capture_end", False)]
)
@pytest.mark.parametrize("at", ["request", "response", "nothing"])
def test_what_is_open_when_the_connection_ends(kind: int, name: str, aborted: bool, at: str) -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, CT)])
    said = message_bytes(1, store(), image())
    call.say(CLIENT, said[: len(said) - 50] if at == "request" else said)
    if at == "response":
        call.say(SERVER, message_bytes(1, store().response(status=0))[:-10])
    if kind < 2:
        call.hang_up(kind, SERVER)
    else:
        stage.rehearsal.forget(call.serial, kind)
    (record,) = stage.of("transaction")
    assert record.is_req_aborted is (aborted and at == "request")
    assert record.is_rsp_aborted is (aborted and at != "request")
    assert record.abort == {"kind": name, "by": "server" if kind < 2 else None}
    assert (record.error is not None) is aborted
    (association,) = stage.of("association")
    assert association.end == name
    assert association.ended_by == ("server" if kind < 2 else None)


def test_an_abort_ends_what_is_open() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, CT)])
    said = message_bytes(1, store(), image(10_000))
    call.say(CLIENT, said[:5000])
    call.say(SERVER, AAbort(ul.AbortSource.SERVICE_PROVIDER, ul.AbortReason.INVALID_PDU_PARAMETER_VALUE).encode())
    call.hang_up(0, SERVER)
    (record,) = stage.of("transaction")
    assert record.abort == {"kind": "abort", "by": "server"}
    assert (record.is_req_aborted, record.rsp_pdu) == (True, "A-ABORT")
    assert 0 < record.req_data_set_size < 5000
    (association,) = stage.of("association")
    assert association.end == "abort"
    assert (association.abort["source"], association.abort["reason"], association.ended_by) == (2, 6, "server")


def test_an_abort_in_the_middle_of_a_message_of_its_sender() -> None:
    for mss in (1 << 20, 3):
        stage = Stage()
        call = stage.call(mss=mss)
        call.associate([context(1, CT)])
        said = message_bytes(1, store(), image(20_000))
        end = 6 + int.from_bytes(said[2:6], "big")  # of the command set
        end += 6 + int.from_bytes(said[end + 2 : end + 6], "big")
        call.say(CLIENT, said[:end], AAbort().encode())
        call.hang_up()
        (record,) = stage.of("transaction")
        assert record.abort == {"kind": "abort", "by": "client"}
        assert (record.is_req_aborted, record.gaps) == (True, 0)
        assert record.req_data_set_size == 16384 - 6
        assert stage.talk.held_bytes == 0


def test_a_rejection() -> None:
    stage = Stage()
    call = stage.call()
    call.say(CLIENT, request().encode())
    call.say(SERVER, AAssociateRJ(1, 1, 7).encode())  # type: ignore[arg-type]
    call.hang_up(0, SERVER)
    (association,) = stage.of("association")
    assert association.end == "reject"
    assert (association.reject["result"], association.reject["source"], association.reject["reason"]) == (1, 1, 7)
    assert "called AE title not recognized" in association.reject["text"]
    assert (association.ended_by, association.rsp_pdu) == ("server", "A-ASSOCIATE-RJ")
    assert association.contexts[0]["result"] is None


def test_illegal_pdus_are_counted_with_their_place() -> None:
    stage = Stage()
    call = stage.call()
    call.associate()
    call.say(CLIENT, AReleaseRQ().encode())
    call.message(CLIENT, echo())
    call.say(SERVER, AReleaseRP().encode())
    call.hang_up()
    (association,) = stage.of("association")
    illegal = association.illegal_pdus
    assert (illegal["count"], illegal["is_judged"]) == (1, True)
    assert illegal["first"] == [{"type": "P-DATA-TF", "side": "client", "frame": 5, "states": ["STA7"]}]


# ----------------------------------------------------------------------------------------------------------- detection


def test_other_protocols_are_counted_and_left_alone() -> None:
    stage = Stage()
    for data in (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n"):
        call = stage.call(server_port=4000)
        call.say(CLIENT, data)
        call.say(SERVER, data)
        assert call.answers == [2, 2]
        call.hang_up()
    call = stage.call(server_port=2761)
    call.say(CLIENT, b"secret by other means than TLS")
    call.hang_up()
    stage.call(server_port=9).hang_up()
    assert stage.take() == []
    assert stage.talk.connections == {
        "undecided": 1, "dicom": 0, "hl7": 0, "tls": 1, "iscl": 1, "http": 1, "other": 1,
    }  # fmt: skip


@pytest.mark.parametrize("mss", [1 << 20, 5])
@pytest.mark.parametrize("port", [104, 30_000])
def test_an_association_is_found_on_any_port_from_its_middle(port: int, mss: int) -> None:
    stage = Stage()
    call = stage.call(server_port=port, from_start=False, mss=mss)
    said = message_bytes(1, store(5), image(50_000))
    call.say(CLIENT, bytes(range(200)) + said)
    call.message(SERVER, store(5).response(status=0))
    call.message(CLIENT, store(6), image(20_000))
    call.message(SERVER, store(6).response(status=0))
    call.release()
    first, second = stage.of("transaction")
    for record, number in ((first, 5), (second, 6)):
        assert (record.method, record.message_id, record.status) == ("C-STORE", number, 0)
        assert (record.patient_id, record.transfer_syntax) == ("PAT1", None)
        assert record.called_ae_title is None
        assert {"association", "client", "transfer_syntax"} <= set(record.inferred)
    assert (first.req_bytes, first.req_pixel_data_size) == (len(said), 50_000)
    (association,) = stage.of("association")
    assert association.end == "release"
    assert association.client["skipped_bytes"] == 200


def test_a_connection_whose_middle_says_nothing_is_given_up() -> None:
    stage = Stage()
    noise = random.Random(3)
    call = stage.call(from_start=False, server_port=5000, mss=60_000)
    call.say(CLIENT, noise.randbytes(6 << 20))
    assert call.answers[-1] == 2
    call.hang_up()
    assert stage.take() == []
    assert stage.talk.connections["other"] == 1


def test_a_response_without_its_request() -> None:
    stage = Stage()
    call = stage.call(from_start=False)
    call.message(SERVER, echo(9).response(status=0))
    call.release()
    (record,) = stage.of("transaction")
    assert (record.method, record.message_id, record.status) == ("C-ECHO", 9, 0)
    assert "request" in record.inferred
    assert (record.processing_time, record.req_bytes, record.req_pdu) == (None, 0, None)


# ---------------------------------------------------------------------------------------------------------------- gaps


def test_a_gap_inside_a_data_set_spoils_nothing_else() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, CT)])
    said = message_bytes(1, store(), image(60_000))
    call.say(CLIENT, said[:30_000])
    call.lose(CLIENT, 1000)
    call.say(CLIENT, said[31_000:])
    call.message(SERVER, store().response(status=0))
    call.message(CLIENT, store(8), image())
    call.message(SERVER, store(8).response(status=0))
    call.release()
    first, second = stage.of("transaction")
    assert (first.gaps, first.lost_bytes, first.req_data_set_size) == (1, 1000, len(image(60_000)))
    assert (first.req_bytes, first.status, first.patient_id) == (len(said), 0, "PAT1")
    assert (second.gaps, second.status, second.inferred) == (0, 0, [])
    (gap,) = stage.of("gap")
    assert (gap.bytes, gap.side, gap.kind, gap.is_bridged) == (1000, "client", "lost", True)
    assert gap.in_flight == {"method": "C-STORE", "message_id": 7, "part": "data set"}
    (association,) = stage.of("association")
    assert association.illegal_pdus == {"count": 0, "is_judged": True, "first": []}


@pytest.mark.parametrize("mss", [1 << 20, 1460, 11])
def test_a_gap_over_the_headers_is_searched_behind(mss: int) -> None:
    stage = Stage()
    call = stage.call(mss=mss)
    call.associate([context(1, CT)])
    said = message_bytes(1, store(), image(100_000))
    call.say(CLIENT, said[:10_000])
    call.lose(CLIENT, 30_000)
    call.say(CLIENT, said[40_000:])
    call.message(SERVER, store().response(status=0))
    call.message(CLIENT, store(8), image())
    call.message(SERVER, store(8).response(status=0))
    call.release()
    first, second = stage.of("transaction")
    assert (first.message_id, first.status, first.lost_bytes) == (7, 0, 30_000)
    assert "message_boundary" in first.inferred
    assert first.req_bytes == len(said)
    assert (second.message_id, second.status, second.req_pixel_data_size) == (8, 0, 1000)
    (association,) = stage.of("association")
    assert not association.illegal_pdus["is_judged"]
    assert association.illegal_pdus["count"] == 0


def test_a_gap_that_takes_the_end_of_one_message_and_the_front_of_the_next() -> None:
    stage = Stage()
    call = stage.call()
    call.associate([context(1, CT)])
    said = message_bytes(1, store(7), image(50_000))
    call.say(CLIENT, said[:20_000])
    call.lose(CLIENT, 40_000)  # the answer to the first came in between
    call.message(SERVER, store(7).response(status=0))
    call.say(CLIENT, message_bytes(1, store(8), image(100_000))[9_000:])
    call.message(SERVER, store(8).response(status=0))
    call.release()
    records = stage.of("transaction")
    assert sorted((one.message_id, one.status) for one in records) == [(7, 0), (8, 0)]
    assert all(one.gaps or "request" in one.inferred for one in records)


def test_a_gap_in_a_command_set_loses_one_message() -> None:
    stage = Stage()
    call = stage.call()
    call.associate()
    said = message_bytes(1, echo(1))
    call.say(CLIENT, said[:30])
    call.lose(CLIENT, 10)
    call.say(CLIENT, said[40:])
    call.message(SERVER, echo(1).response(status=0))
    call.message(CLIENT, echo(2))
    call.message(SERVER, echo(2).response(status=0))
    call.release()
    first, second = stage.of("transaction")
    assert (first.message_id, first.status) == (1, 0)
    assert "request" in first.inferred
    assert (second.message_id, second.inferred, second.flaws) == (2, [], [])


def test_cut_packets_leave_what_their_fronts_say() -> None:
    """A snap length: of every packet only the first bytes are there."""
    stage = Stage()
    call = stage.call()
    call.associate([context(1, CT)])
    for number in range(3):
        said = message_bytes(1, store(number), image(30_000))
        for at in range(0, len(said), 1460):
            packet = said[at : at + 1460]
            call.say(CLIENT, packet[:200])
            if len(packet) > 200:
                call.lose(CLIENT, len(packet) - 200, 1)
        call.message(SERVER, store(number).response(status=0))
    call.release()
    records = stage.of("transaction")
    assert [(one.message_id, one.status) for one in records] == [(0, 0), (1, 0), (2, 0)]
    gaps = stage.of("gap")
    assert all(gap.kind == "cut" for gap in gaps)
    assert len(gaps) <= 12  # those in one message are said as one
    assert stage.of("association")[0].end == "release"


# ------------------------------------------------------------------------------------------------------------- hostile


def test_requests_without_an_answer_are_bounded() -> None:
    stage = Stage(most_open=400)
    calls = [stage.call() for _ in range(3)]
    for call in calls:
        call.associate()
        for number in range(300):
            call.message(CLIENT, echo(number))
    assert stage.talk.open_count == 400
    given_up = [one for one in stage.of("transaction") if one.flaws]
    assert given_up
    assert stage.talk.left_out >= 500
    stage.end()
    assert stage.talk.open_count == 0
    assert all(one.abort for one in stage.of("transaction") if not one.flaws)


def test_what_is_held_is_bounded() -> None:
    stage = Stage(most_held=100_000)
    for _ in range(100):
        call = stage.call()
        call.associate()
        call.say(CLIENT, pdv(1, 1, bytes(20_000)))  # a command set that does not end
    assert stage.talk.held_bytes <= 100_000
    assert stage.talk.left_out > 0
    stage.end()
    assert stage.talk.held_bytes == 0


def test_a_command_set_that_never_ends_and_one_that_is_damaged() -> None:
    stage = Stage()
    call = stage.call()
    call.associate()
    for _ in range(100):
        call.say(CLIENT, pdv(1, 1, bytes(10_000)))
    call.say(CLIENT, pdv(1, 3, b"\0\0\0\1\2\0\0\0\x30"))
    call.message(CLIENT, echo(2))
    call.message(SERVER, echo(2).response(status=0))
    call.release()
    assert [(one.message_id, one.status) for one in stage.of("transaction")] == [(2, 0)]


def test_a_stream_that_breaks_is_taken_up_again() -> None:
    stage = Stage()
    call = stage.call()
    call.associate()
    call.say(CLIENT, b"\xff" * 5000)
    call.message(CLIENT, echo(2))
    call.message(SERVER, echo(2).response(status=0))
    call.release()
    (record,) = stage.of("transaction")
    assert (record.message_id, record.status) == (2, 0)
    (association,) = stage.of("association")
    assert (association.illegal_pdus["count"], association.illegal_pdus["is_judged"]) == (1, False)
    assert "unknown type 0xFF" in association.faults[0]


def test_records_outlive_what_made_them() -> None:
    stage = Stage()
    record = stored(stage, image())
    text = str(record.to_dict())
    del stage
    assert str(record.to_dict()) == text
    call: Call = Stage().call()  # and a sink may go with connections that are open
    call.associate()
    call.say(CLIENT, message_bytes(1, store(), image())[:500])
    del call


def test_records_that_nobody_made_say_nothing_and_do_no_harm() -> None:
    for kind in (Transaction, Gap, Ending):
        with pytest.raises(TypeError):
            kind()
        record = kind.__new__(kind)
        for name in dir(record):
            if not name.startswith("_"):
                with contextlib.suppress(AttributeError, TypeError):
                    getattr(record, name)
        del record


def test_responses_are_of_the_right_classes() -> None:
    """The names above are used, so that a change of one shows here."""
    assert {CEchoRSP, CFindRSP, CGetRSP, CMoveRSP, CStoreRSP}
    assert acceptance(request()).presentation_contexts[0].accepted
