"""Records that belong together are linked, within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from dicomwire.dimse.messages import CMoveRQ, CStoreRQ, NActionRQ, NCreateRQ, NEventReportRQ
from dicomwire.monitor.joining import MOVE_AFTER_NS, Joiner
from tests.builders import PIXEL_DATA, Encoder
from tests.monitor.rehearsing import CLIENT, SERVER, Call, Stage
from tests.net.raw import CT, acceptance, context, message_bytes, request

MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STEP = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"
PLAIN = Encoder()


class Joined(Stage):
    """A stage whose records are joined, as those of a monitor are."""

    def __init__(self, **options: Any) -> None:
        self.joiner = Joiner(**options)
        super().__init__(on_move=self.joiner.begin_retrieve)

    def take(self) -> list[Any]:
        before = len(self.records)
        super().take()
        for record in self.records[before:]:
            self.joiner.join(record)
        return self.records


def associate(call: Call, calling: str, called: str, *classes: str) -> None:
    asked = request([context(1 + 2 * n, uid) for n, uid in enumerate(classes)], calling=calling, called=called)
    call.say(CLIENT, asked.encode())
    call.say(SERVER, acceptance(asked).encode())


def move(number: int, destination: str) -> CMoveRQ:
    return CMoveRQ(message_id=number, affected_sop_class_uid=MOVE, priority=0, move_destination=destination)


def store(number: int, originator: str | None = None, originator_id: int = 0, instance: str = "1.2.3") -> CStoreRQ:
    fields: dict[str, Any] = {}
    if originator is not None:
        fields = {
            "move_originator_application_entity_title": originator,
            "move_originator_message_id": originator_id,
        }
    return CStoreRQ(
        message_id=number, affected_sop_class_uid=CT, affected_sop_instance_uid=instance, priority=0, **fields
    )


def image(study: bytes = b"1.2.4", patient: bytes = b"P1", accession: bytes = b"A1") -> bytes:
    return (
        PLAIN.element(0x00080050, "SH", accession)
        + PLAIN.element(0x00100020, "LO", patient)
        + PLAIN.element(0x0020000D, "UI", study)
        + PLAIN.element(PIXEL_DATA, "OW", bytes(10))
    )


def send(stage: Stage, called: str, message: CStoreRQ, status: int = 0, data: bytes | None = None) -> None:
    """An association with one C-STORE."""
    call = stage.call()
    associate(call, "ARCHIVE", called, CT)
    call.message(CLIENT, message, data or image())
    call.message(SERVER, message.response(status=status))
    call.release()


KEYS = PLAIN.element(0x0020000D, "UI", b"1.2.4")


def test_stores_of_a_move_are_linked_to_it_and_counted() -> None:
    stage = Joined()
    asking = stage.call()
    associate(asking, "ASKER", "ARCHIVE", MOVE)
    asking.message(CLIENT, move(5, "THERE"), KEYS)
    for status in (0, 0, 0xA700):
        send(stage, "THERE", store(1, "ASKER", 5), status)
    asking.message(SERVER, move(5, "THERE").response(status=0xB000))
    asking.release()
    *stores, moved = stage.of("transaction")
    assert [one.parent for one in stores] == [{"association": moved.association, "message_id": 5}] * 3
    assert moved.stored == {"success": 2, "failure": 1}
    assert moved.to_dict()["stored"] == {"success": 2, "failure": 1}
    assert stores[0].to_dict()["parent"]["association"] == moved.association


def test_the_destination_decides_between_moves_with_the_same_title_and_number() -> None:
    stage = Joined()
    calls = []
    for destination in ("HERE", "THERE", "ELSEWHERE"):
        call = stage.call()
        associate(call, "ASKER", "ARCHIVE", MOVE)
        call.message(CLIENT, move(5, destination), KEYS)
        calls.append(call)
    send(stage, "HERE", store(1, "ASKER", 5))
    send(stage, "ELSEWHERE", store(1, "ASKER", 5))
    send(stage, "UNKNOWN", store(1, "ASKER", 5))
    send(stage, "HERE", store(1, "ASKER", 6))
    send(stage, "HERE", store(1, "OTHER", 5))
    parents = [one.parent and one.parent["association"] for one in stage.of("transaction")]
    assert parents == ["t-1", "t-3", "t-3", None, None]  # to nobody's destination: the latest


@pytest.mark.parametrize(("later_ns", "linked"), [(MOVE_AFTER_NS // 2, True), (MOVE_AFTER_NS * 2, False)])
def test_a_move_that_is_long_over_has_no_more_stores(later_ns: int, linked: bool) -> None:
    stage = Joined()
    call = stage.call()
    associate(call, "ASKER", "ARCHIVE", MOVE)
    call.message(CLIENT, move(5, "THERE"), KEYS)
    call.message(SERVER, move(5, "THERE").response(status=0))
    stage.take()
    stage.now_ns += later_ns
    send(stage, "THERE", store(1, "ASKER", 5))
    assert (stage.of("transaction")[-1].parent is not None) is linked


def test_moves_are_forgotten_beyond_a_bound() -> None:
    stage = Joined(most_moves=10)
    call = stage.call()
    associate(call, "ASKER", "ARCHIVE", MOVE)
    for number in range(50):
        call.message(CLIENT, move(number, "THERE"), KEYS)
    send(stage, "THERE", store(1, "ASKER", 3))
    send(stage, "THERE", store(1, "ASKER", 45))
    stage.take()
    stores = [one for one in stage.of("transaction") if one.method == "C-STORE"]
    assert [one.parent and one.parent["message_id"] for one in stores] == [None, 45]
    assert len(stage.joiner._by_originator) == 10


def test_a_study_from_its_step_to_its_commitment() -> None:
    stage = Joined()
    call = stage.call()
    associate(call, "CT1", "ARCHIVE", STEP, COMMITMENT)
    item = PLAIN.item(PLAIN.element(0x00080050, "SH", b"A1") + PLAIN.element(0x0020000D, "UI", b"1.2.4"))
    data = PLAIN.element(0x00100020, "LO", b"P1") + PLAIN.element(0x00400252, "CS", b"IN PROGRESS")
    made = NCreateRQ(message_id=1, affected_sop_class_uid=STEP)
    call.message(CLIENT, made, data + PLAIN.sequence(0x00400270, item))
    call.message(SERVER, made.response(status=0))
    send(stage, "ARCHIVE", store(1))
    send(stage, "ARCHIVE", store(2), data=image(patient=b"P2"))
    uid = PLAIN.element(0x00081195, "UI", b"1.9")
    action = NActionRQ(
        message_id=2, requested_sop_class_uid=COMMITMENT, requested_sop_instance_uid="1.2", action_type_id=1
    )
    call.message(CLIENT, action, uid, 3)
    call.message(SERVER, action.response(status=0), None, 3)
    report = NEventReportRQ(
        message_id=1, affected_sop_class_uid=COMMITMENT, affected_sop_instance_uid="1.2", event_type_id=1
    )
    asked_at = stage.now_ns
    stage.now_ns += 7_000_000_000
    call.message(SERVER, report, uid, 3)
    call.message(CLIENT, report.response(status=0), None, 3)
    call.release()
    records = stage.of("transaction")
    assert records[-1].method == "N-EVENT-REPORT"
    assert 7000 < records[-1].time_since_request <= (stage.now_ns - asked_at) / 1e6 + 10
    (study,) = stage.joiner.studies.values()
    assert study.counts == {"step": 1, "image": 2}
    assert study.step_statuses == ["IN PROGRESS"]
    assert study.first_ns["step"] < study.first_ns["image"] < study.last_ns["image"]
    assert study.conflicts == ["patient_id"]
    assert study.to_dict()["accession_numbers"] == ["A1"]


def test_studies_are_bounded() -> None:
    stage = Joined(most_studies=20)
    call = stage.call()
    associate(call, "CT1", "ARCHIVE", CT)
    for number in range(100):
        call.message(CLIENT, store(number), image(b"1.2.%d" % number, accession=b"A%d" % number))
        call.message(SERVER, store(number).response(status=0))
    stage.take()
    assert len(stage.joiner.studies) == 20
    assert len(stage.joiner._by_accession) == 20


def test_a_study_known_by_its_accession_number_first() -> None:
    stage = Joined()
    call = stage.call()
    associate(call, "CT1", "ARCHIVE", CT)
    for number, study in enumerate((b"", b"1.2.4")):
        call.say(CLIENT, message_bytes(1, store(number), image(study)))
        call.message(SERVER, store(number).response(status=0))
    stage.take()
    (study_,) = stage.joiner.studies.values()
    assert study_.counts == {"image": 2}
