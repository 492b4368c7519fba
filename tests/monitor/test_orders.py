"""Orders and reports of HL7 are joined to the images of their study: by UID, else by accession number."""

from __future__ import annotations

from dicomwire.hl7 import framed
from dicomwire.monitor import Monitor
from dicomwire.monitor.joining import Study
from tests.hl7.messages import OMI, ORM, ack
from tests.monitor import captures, sample
from tests.monitor.conversation import CLIENT, SERVER, START_NS, Conversation
from tests.monitor.packets import End, Link, Segment, frames

KEY = b"a key of 16 bytes"


def said(*messages: bytes) -> list[Segment]:
    talk = Conversation(client=End("10.1.0.8", 50_200), server=End("10.1.0.7", 2575), start_ns=START_NS + 10**10)
    talk.open()
    for message in messages:
        talk.say(CLIENT, framed(message))
        talk.say(SERVER, framed(ack(message.split(b"|")[9].decode())))
    talk.close()
    return talk.segments


def studies(*groups: list[Segment]) -> dict[str, Study]:
    """The studies of a capture, with identifiers as they are."""
    monitor = Monitor(key=KEY, show_phi=True)
    segments = [segment for group in groups for segment in group]
    list(monitor.feed(captures.pcap(frames(segments), Link.ETHERNET)))
    list(monitor.finish())
    return dict(monitor.joiner.studies)


def test_an_order_of_the_same_study() -> None:
    order = ORM.replace(b"1.2.826.0.1.3680043.1.1", sample.STUDY.encode())
    study = studies(sample.dicom(), said(order, order.replace(b"ORM^O01|MSG00001", b"ORU^R01|MSG00009")))[sample.STUDY]
    assert study.counts == {"image": 2, "order": 1, "report": 1}
    assert study.conflicts == []
    assert study.patient_ids == {"583295"}
    assert study.first_ns["order"] - study.first_ns["image"] == 10**10 - 200_000


def test_an_order_of_another_uid_is_joined_by_accession_number_and_the_conflict_told() -> None:
    study = studies(sample.dicom(), said(ORM))[sample.STUDY]
    assert study.counts == {"image": 2, "order": 1}
    assert study.conflicts == ["study_instance_uid"]
    assert study.study_instance_uids == {sample.STUDY, "1.2.826.0.1.3680043.1.1"}


def test_an_order_of_several_steps_is_one_of_its_study() -> None:
    found = studies(said(OMI))
    assert {uid: study.counts for uid, study in found.items()} == {"1.2.3.200": {"order": 1}}
    assert found["1.2.3.200"].accession_numbers == {"ACC200"}


def test_what_names_no_study_is_no_order() -> None:
    assert studies(said(rb"MSH|^~\&|A||B||20261128||ADT^A01|7|P|2.4" + b"\rPID|||583295\r")) == {}
