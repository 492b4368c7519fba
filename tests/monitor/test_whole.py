"""What holds for every recording: cuts of the input, mixtures of changes, privacy, extraction, the command line."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest

from dicomwire.errors import DecodeError
from dicomwire.monitor import Monitor
from dicomwire.net.storage import open_instance
from tests.monitor import captures, mutations
from tests.monitor.monitored import monitored
from tests.monitor.packets import SEQUENCES, VLAN, Segment, Wire, decode, frames
from tests.monitor.scenarios import SCENARIOS, Scenario
from tests.monitor.spoken import STUDY, instance, stores
from tests.oracles.conversations import Connection, connections

Recorded = Callable[[str], Scenario]


def segments_of(scenario: Scenario) -> list[Segment]:
    return [segment for frame in scenario.frames if (segment := decode(frame))]


# --- the input in pieces


@pytest.mark.peers
@pytest.mark.parametrize("name", ["store_orthanc", "procedure_step", "hl7"])
def test_any_pieces_give_the_same_records(recorded: Recorded, name: str) -> None:
    """As one, at random cuts, byte by byte; as pcap and as pcapng."""
    segments = segments_of(recorded(name))
    for data in (captures.pcap(frames(segments)), captures.pcapng(frames(segments))):
        expected = monitored(data).facts()
        rng = random.Random(1)
        cuts = sorted(rng.randrange(len(data)) for _ in range(200))
        for pieces in (
            [data],
            [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)],
            [data[at : at + 1] for at in range(len(data))] if len(data) < 40_000 else [],
        ):
            if not pieces:
                continue
            monitor = Monitor(show_phi=True)
            records: list[Any] = []
            for piece in pieces:
                records += monitor.feed(piece)
            records += monitor.finish()
            found = [one for one in records if one.record == "transaction"]
            wanted = [line for line in expected if line.startswith("called_ae_title=")]
            assert len(found) == len(wanted)
            assert [one.record for one in records].count("summary") == 1


# --- several changes at once


@pytest.mark.peers
@pytest.mark.parametrize("seed", range(16))
def test_changes_together(recorded: Recorded, seed: int) -> None:
    """Segments, order, repetitions, copies, tags, fragments, all that a seed picks; nothing is lost."""
    rng = random.Random(seed)
    name = rng.choice(["store_orthanc", "query", "get", "procedure_step", "window", "several"])
    segments = segments_of(recorded(name))
    expected = monitored(captures.pcap(frames(segments)))
    if rng.random() < 0.7:
        segments = mutations.resegmented(segments, rng.choice([536, 1200, 1460, 4000]))
    if rng.random() < 0.4:
        segments = mutations.to_ipv6(segments)
    if rng.random() < 0.4:
        segments = mutations.wrapped(segments, rng.randrange(1, 5000))
    segments = [replace(one, identification=number & 0xFFFF) for number, one in enumerate(segments, 1)]
    chosen = rng.sample(mutations.with_data(segments), 3)
    change = rng.randrange(4)
    if change == 0:
        segments = mutations.reordered(segments, seed, reach=rng.randrange(2, 8))
    elif change == 1:
        segments = mutations.retransmitted(segments, chosen)
    elif change == 2:
        segments = mutations.recovered(segments, chosen)
    else:
        segments = mutations.mirrored(segments)
    biggest = max(len(one.payload) for one in segments)
    wire = Wire(
        vlans=((VLAN, 12),) if rng.random() < 0.5 else (),
        fragment=rng.choice([0, 256, 1480]),
        trailer=bytes(4) if rng.random() < 0.3 else b"",
        right_checksums=rng.random() < 0.7,
    )
    if not wire.fragment and biggest > 65_000:
        wire = replace(wire, zero_length=True, pads=False, trailer=b"")
    make = captures.pcap if rng.random() < 0.5 else captures.pcapng
    found = monitored(make(frames(segments, wire)))
    assert found.facts() == expected.facts()
    assert found.gaps == []


# --- damage of every kind at once


def damaged(segments: list[Segment], rng: random.Random) -> bytes:
    """A capture with all that can happen on the way: losses, disorder, lies, changed payloads and headers."""
    segments = mutations.resegmented(segments, rng.choice([7, 100, 536, 1460]))[:3000]
    if rng.random() < 0.5:
        segments = mutations.reordered(segments, rng.randrange(1000), rng.randrange(2, 9))
    if rng.random() < 0.5:
        segments = [one for one in segments if rng.random() > 0.05]
    if rng.random() < 0.3:
        segments = segments[rng.randrange(len(segments)) :]
    if rng.random() < 0.3:
        segments = mutations.overlapping(segments, [k for k in range(len(segments)) if rng.random() < 0.1])
    result = []
    for one in segments:
        if one.payload and rng.random() < 0.05:
            payload = bytearray(one.payload)
            for _ in range(rng.choice([1, 1, 3, 10])):
                payload[rng.randrange(len(payload))] = rng.choice([0, 255, 1, 4, rng.randrange(256)])
            one = replace(one, payload=bytes(payload))
        if rng.random() < 0.01:
            step = rng.choice([1, -1, 1000, 1 << 31, -100_000])
            one = replace(one, sequence=(one.sequence + step) % SEQUENCES)
        if rng.random() < 0.01:
            one = replace(one, acknowledgement=rng.randrange(SEQUENCES))
        if rng.random() < 0.01:
            one = replace(one, flags=rng.randrange(64))
        result.append(one)
    data = bytearray(captures.pcap(frames(result)))
    if rng.random() < 0.3:
        for _ in range(rng.choice([1, 5, 50])):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


@pytest.mark.peers
def test_damage_of_every_kind(recorded: Recorded, scaled: Callable[[int], int]) -> None:
    """Records or a DecodeError, never more transactions than messages fit into the bytes."""
    names = [name for name in SCENARIOS if name not in ("echo_orthanc", "nothing_accepted")]
    for seed in range(scaled(800)):
        rng = random.Random(seed)
        data = damaged(segments_of(recorded(rng.choice(names))), rng)
        try:
            found = monitored(data)
        except DecodeError:
            continue
        assert len(found.transactions) <= len(data) // 80, seed


# --- privacy

IDENTIFIERS = (b"PAT-0077", b"Doe^Jane", b"ACC-77", b"19700101", b"PLACER-1", b"FILLER-1", b"V-1|", b"Worklist^")


@pytest.mark.peers
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_identifier_leaves_by_default(recorded: Recorded, name: str, pydicom_files: dict[str, Path]) -> None:
    """Not in any field of any record, nor in how it looks; and the pseudonyms of a run without a key are others."""
    names = set(IDENTIFIERS)
    for file in ("CT_small.dcm", "MR_small_implicit.dcm"):
        header = pydicom.dcmread(pydicom_files[file], stop_before_pixels=True)
        names |= {str(header.PatientID).encode(), str(header.PatientName).encode()}
    data = captures.pcap(recorded(name).frames)
    found = monitored(data, show_phi=False, key=bytes(32))
    records = [*found.associations, *found.transactions, *found.hl7, *found.gaps, found.summary]
    text = json.dumps([one.to_dict() for one in records], default=str).encode() + repr(records).encode()
    assert not [identifier for identifier in names if identifier in text]
    ids = {one.patient_id for one in found.transactions if one.patient_id}
    again = {one.patient_id for one in monitored(data, show_phi=False, key=bytes(32)).transactions if one.patient_id}
    other = {one.patient_id for one in monitored(data, show_phi=False).transactions if one.patient_id}
    assert ids == again
    assert not ids & other


@pytest.mark.peers
def test_an_order_and_its_images_have_the_same_pseudonyms(recorded: Recorded) -> None:
    """HL7's PID-3 and OBR-18 and DICOM's Patient ID and Accession Number, of two connections in one run."""
    both = [*segments_of(recorded("hl7")), *segments_of(recorded("window")), *segments_of(recorded("procedure_step"))]
    both.sort(key=lambda one: one.time_ns)
    for options in ({"show_phi": False}, {"show_phi": True}):
        found = monitored(captures.pcap(frames(both)), **options)
        images = {(one.patient_id, one.accession_number) for one in found.transactions if one.method == "C-STORE"}
        assert len(images) == 1
        ((patient, accession),) = images
        orders = {json.dumps(one.to_dict(), default=str) for one in found.hl7}
        assert all(patient in text and accession in text for text in orders)
        (step,) = [one for one in found.transactions if one.method == "N-CREATE"]
        assert step.patient_id == patient
        assert (accession == "ACC-77") == options["show_phi"]


# --- extraction


def extracted(folder: Path) -> dict[str, bytes]:
    """Return the data sets of whole files by SOP Instance UID, read by our reader; pydicom must read them, too."""
    found = {}
    for path in folder.iterdir():
        if path.suffix == ".dcm":
            with open_instance(path) as one:
                assert one.whole is not None
                found[str(one.sop_instance_uid)] = bytes(one.whole)
            assert pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID == one.sop_instance_uid
    return found


@pytest.mark.peers
@pytest.mark.parametrize("name", ["store_orthanc", "window", "get", "move", "several"])
def test_extracted_instances_are_those_that_were_sent(recorded: Recorded, tmp_path: Path, name: str) -> None:
    segments = segments_of(recorded(name))
    sent: dict[str, set[bytes]] = {}
    for connection in connections(segments):
        for transaction in connection.transactions():
            if transaction.method == "C-STORE":
                assert transaction.request.data_set is not None
                sent.setdefault(transaction.sop_instance_uid, set()).add(transaction.request.data_set)
    monitored(captures.pcap(frames(mutations.reordered(mutations.resegmented(segments, 1460), 3))), extract_to=tmp_path)
    found = extracted(tmp_path)
    assert set(found) == set(sent)
    assert all(data in sent[uid] for uid, data in found.items())


def test_an_instance_with_a_gap_has_no_name(tmp_path: Path) -> None:
    """What is incomplete is marked; the others are whole."""
    talk = stores(3000, 20_000, 5000)
    whole: Connection = connections(talk.segments)[0]
    lost = next(k for k, one in enumerate(talk.segments) if instance(2).encode() in one.payload) + 3
    monitored(captures.pcap(frames(mutations.without(talk.segments, [lost]))), extract_to=tmp_path)
    found = extracted(tmp_path)
    assert set(found) == {instance(1), instance(3)}
    for transaction in whole.transactions():
        if transaction.sop_instance_uid in found:
            assert found[transaction.sop_instance_uid] == transaction.request.data_set
    marked = [path.name for path in tmp_path.iterdir() if path.suffix != ".dcm"]
    assert len(marked) == 1
    assert instance(2) in marked[0]
    assert "incomplete" in marked[0]


def test_nothing_is_extracted_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = monitored(captures.pcap(frames(stores(3000).segments)))
    assert found.transactions[0].study_instance_uid == STUDY
    assert list(tmp_path.iterdir()) == []


# --- the command line


@pytest.mark.peers
def test_a_capture_through_a_pipe(recorded: Recorded, tmp_path: Path) -> None:
    """`tcpdump -w - | dicomwire monitor -`, in pieces that end anywhere: the records of the file."""
    data = captures.pcap(recorded("store_orthanc").frames)
    path = captures.write(tmp_path / "capture.pcap", data)
    command = [sys.executable, "-m", "dicomwire", "monitor", "--json", "--show-phi"]

    def kinds(output: bytes) -> list[tuple[Any, ...]]:
        records = [json.loads(line) for line in output.splitlines()]
        return [
            (one["record"], one.get("method"), one.get("message_id"), one.get("status"), one.get("req_data_set_size"))
            for one in records
        ]

    from_file = subprocess.run([*command, str(path)], capture_output=True, timeout=60, check=True)
    with subprocess.Popen([*command, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for at in range(0, len(data), 9973):
            process.stdin.write(data[at : at + 9973])
            process.stdin.flush()
        process.stdin.close()
        through_pipe = process.stdout.read()
    assert process.returncode == 0
    assert kinds(through_pipe) == kinds(from_file.stdout)
    assert [kind for kind, *_ in kinds(through_pipe)].count("summary") == 1
