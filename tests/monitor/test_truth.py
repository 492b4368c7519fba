"""What the monitor says of real traffic equals what its ends said, and what a slow twin reads of the same packets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.monitor import captures
from tests.monitor.monitored import Monitored, monitored
from tests.monitor.packets import decode
from tests.monitor.scenarios import SCENARIOS, Scenario, raw
from tests.monitor.scenarios.base import ABORTED, REJECTED
from tests.oracles.conversations import connections

pytestmark = pytest.mark.peers
NO_DICOM = ("hl7", "over_tls")


@pytest.fixture(scope="module")
def seen(recorded: Callable[[str], Scenario]) -> Callable[[str], Monitored]:
    """Function from the name of a scenario to what the monitor says of it."""
    known: dict[str, Monitored] = {}

    def look(name: str) -> Monitored:
        if name not in known:
            known[name] = monitored(captures.pcap(recorded(name).frames))
        return known[name]

    return look


@pytest.mark.parametrize("name", SCENARIOS)
def test_operations_are_those_of_the_ends(
    recorded: Callable[[str], Scenario], seen: Callable[[str], Monitored], name: str
) -> None:
    """Every operation that an end did or saw, with its status and its pending responses, and no other."""
    said = Counter(
        (talk.called, talk.calling, one.method, one.status, one.pending)
        for talk in recorded(name).talks
        for one in talk.did
    )
    assert seen(name).operations() == said


@pytest.mark.parametrize("name", SCENARIOS)
def test_instances_and_sizes_are_those_of_the_ends(
    recorded: Callable[[str], Scenario], seen: Callable[[str], Monitored], name: str
) -> None:
    said = Counter(
        (one.sop_instance_uid, one.data_set_size)
        for talk in recorded(name).talks
        for one in talk.did
        if one.data_set_size
    )
    found = Counter((one.sop_instance_uid, one.req_data_set_size) for one in seen(name).transactions)
    assert not said - found


@pytest.mark.parametrize("name", SCENARIOS)
def test_associations_are_those_of_the_ends(
    recorded: Callable[[str], Scenario], seen: Callable[[str], Monitored], name: str
) -> None:
    """Titles, how each ended, who ended it, and how many operations there were."""
    said = Counter((talk.called, talk.calling, talk.end, talk.by, len(talk.did)) for talk in recorded(name).talks)
    found = Counter(
        (one.called_ae_title, one.calling_ae_title, one.end, one.ended_by, one.transactions)
        for one in seen(name).associations
    )
    assert found == said


@pytest.mark.parametrize("name", SCENARIOS)
def test_codes_are_those_of_the_ends(
    recorded: Callable[[str], Scenario], seen: Callable[[str], Monitored], name: str
) -> None:
    """Result, source and reason of rejections, source and reason of aborts."""
    said = Counter((talk.calling, talk.end, talk.code) for talk in recorded(name).talks if talk.code)
    found: Counter[tuple[str, str, tuple[int, ...]]] = Counter()
    for one in seen(name).associations:
        if one.end in (REJECTED, ABORTED):
            names = ("result", "source", "reason") if one.end == REJECTED else ("source", "reason")
            said_of_it = one.reject if one.end == REJECTED else one.abort
            found[one.calling_ae_title, one.end, tuple(said_of_it[name] for name in names)] += 1
    assert found == said


@pytest.mark.parametrize("name", SCENARIOS)
def test_bytes_are_those_of_the_streams(
    recorded: Callable[[str], Scenario], seen: Callable[[str], Monitored], name: str
) -> None:
    """Bytes, packets, PDUs and messages of each side, as the twin and our own ends counted them."""
    segments = [segment for frame in recorded(name).frames if (segment := decode(frame))]
    whole = connections(segments)
    if name in NO_DICOM:
        assert seen(name).associations == []
        return
    by_port = {one.client_port: one for one in seen(name).associations}
    assert len(by_port) == len(whole)
    for connection in whole:
        record = by_port[connection.ends[0].port]
        assert (record.client_address, record.server_address) == tuple(end.address for end in connection.ends)
        for side, counts in enumerate((record.client, record.server)):
            assert counts["bytes"] == len(connection.streams[side])
            assert counts["packets"] == sum(one.source == connection.ends[side] for one in segments
                                            if one.connection == frozenset(connection.ends))  # fmt: skip
            assert counts["messages"] >= sum(one.side == side for one in connection.messages())
            assert counts["lost_bytes"] == counts["gaps"] == 0
            if name != "breaches":
                pdus = [pdu for pdu in connection.pdus if pdu.side == side]
                data, others = counts["pdus"].get("P-DATA-TF", 0), sum(pdu.kind != 4 for pdu in pdus)
                assert (data, sum(counts["pdus"].values())) == (len(pdus) - others, len(pdus))
    sent = Counter(talk.sent for talk in recorded(name).talks if talk.sent)
    assert not sent - Counter((one.client["bytes"], one.server["bytes"]) for one in seen(name).associations)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in NO_DICOM])
def test_transactions_are_those_of_the_twin(
    recorded: Callable[[str], Scenario], seen: Callable[[str], Monitored], name: str
) -> None:
    """Message IDs, contexts, sizes of commands, data sets and whole messages, for every transaction."""
    found = {
        (one.client_port, one.method, one.message_id, one.sop_instance_uid or ""): one
        for one in seen(name).transactions
    }
    for connection in connections([segment for frame in recorded(name).frames if (segment := decode(frame))]):
        for twin in connection.transactions():
            key = connection.ends[0].port, twin.method, twin.request.number, twin.sop_instance_uid
            one = found[key]
            assert one.context_id == twin.request.context_id
            assert one.req_command_size == twin.request.command_size
            assert one.req_data_set_size == twin.request.data_set_size
            assert one.rsp_command_size == sum(response.command_size for response in twin.responses)
            assert one.rsp_data_set_size == sum(response.data_set_size for response in twin.responses)
            assert one.req_bytes == twin.request.end - twin.request.start
            assert one.rsp_bytes == sum(response.end - response.start for response in twin.responses)
            assert one.responses == len(twin.responses)
            assert (one.gaps, one.lost_bytes, one.inferred) == (0, 0, [])


@pytest.mark.parametrize("name", SCENARIOS)
def test_hl7_exchanges_are_those_of_the_ends(
    recorded: Callable[[str], Scenario], seen: Callable[[str], Monitored], name: str
) -> None:
    said = Counter((one.control_id, one.kind, one.acknowledgement) for one in recorded(name).exchanges)
    assert Counter((one.msg_id, one.msg_type, one.ack_code) for one in seen(name).hl7) == said
    assert all(one.ack_id == one.msg_id for one in seen(name).hl7 if one.ack_code)


def test_hl7_sizes_and_keys(seen: Callable[[str], Monitored]) -> None:
    """Bytes of the frame, with what is around the message; the keys of the order."""
    for one in seen("hl7").hl7:
        assert one.req_size == len(raw.ORDER.format(number=one.msg_id))
        assert one.req_bytes == one.req_size + 3
        if one.ack_code:
            assert one.rsp_bytes == len(raw.acknowledgement(one.msg_id, one.ack_code))
        said = one.to_dict()
        assert (said["patient_id"], said["patient_name"]) == ("PAT-0077", "Doe^Jane")
        assert "ACC-77" in str(said)
        assert "1.2.826.0.1.3680043.10.1414.8" in str(said)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_summary_counts_everything(
    recorded: Callable[[str], Scenario], seen: Callable[[str], Monitored], name: str
) -> None:
    scenario, found = recorded(name), seen(name)
    assert found.gaps == []
    assert found.summary.packets == len(scenario.frames)
    assert found.summary.drops == 0


def test_what_is_encrypted_is_counted(seen: Callable[[str], Monitored]) -> None:
    found = seen("over_tls")
    assert found.summary.connections["tls"] == 1
    assert (found.associations, found.transactions, found.hl7) == ([], [], [])


def test_a_move_owns_the_stores_on_the_other_connection(seen: Callable[[str], Monitored]) -> None:
    found = seen("move")
    moves = [one for one in found.transactions if one.method == "C-MOVE"]
    (store,) = [one for one in found.transactions if one.method == "C-STORE"]
    done = next(one for one in moves if one.status == 0)
    assert store.is_sub_operation
    assert store.move_originator == {"ae_title": "MOVER", "message_id": done.message_id}
    assert store.parent["message_id"] == done.message_id
    assert store.parent["association"] == done.association
    assert done.move_destination == "THIRD"
    assert done.sub_operations["completed"] == 1
    assert not any(one.is_sub_operation for one in moves)


def test_a_get_owns_the_stores_on_its_connection(seen: Callable[[str], Monitored]) -> None:
    found = seen("get")
    (get,) = [one for one in found.transactions if one.method == "C-GET"]
    (store,) = [one for one in found.transactions if one.method == "C-STORE"]
    assert store.is_sub_operation
    assert store.parent["message_id"] == get.message_id
    assert store.association == get.association
    assert (get.sender_is_external, store.sender_is_external) == (False, False)


def test_commitment_is_reported_by_the_server(seen: Callable[[str], Monitored]) -> None:
    (event,) = [one for one in seen("procedure_step").transactions if one.method == "N-EVENT-REPORT"]
    assert event.event_type_id == 1
    assert event.transaction_uid == "1.2.826.0.1.3680043.10.1414.7.2"
    (create,) = [one for one in seen("procedure_step").transactions if one.method == "N-CREATE"]
    assert create.step_status == "IN PROGRESS"
    assert create.patient_id == "PAT-0077"


def test_keys_of_the_header(seen: Callable[[str], Monitored]) -> None:
    for one in seen("window").transactions:
        assert one.study_instance_uid == "1.2.826.0.1.3680043.10.1414.8"
        assert one.series_instance_uid == "1.2.826.0.1.3680043.10.1414.8.99"
        assert (one.accession_number, one.modality, one.patient_id) == ("ACC-77", "CT", "PAT-0077")
        number = int(one.sop_instance_uid.rsplit(".", 1)[1])
        assert one.req_pixel_data_size == 1000 * number


def test_pdus_too_few_for_a_command(seen: Callable[[str], Monitored]) -> None:
    """Commands in fragments of six bytes."""
    assert [one.req_command_size for one in seen("released_by_hand").transactions] == [68, 68]
