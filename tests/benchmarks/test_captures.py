"""The generated captures are what their facts say: read by a slow twin, and by tshark with all checksums."""

import struct
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import captures
from tests.monitor import tshark
from tests.monitor.packets import Frame, decode
from tests.oracles.conversations import connections


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("captures")


def frames(path):
    data = Path(path).read_bytes()
    at = 24
    while at < len(data):
        seconds, rest, size, length = struct.unpack_from("<IIII", data, at)
        yield Frame(seconds * 10**9 + rest, data[at + 16 : at + 16 + size], length)
        at += 16 + size


@pytest.mark.parametrize("name", captures.NAMES)
def test_the_twin_finds_the_facts(root, name):
    made = captures.capture(name, "XS", root=root)
    segments = [decode(frame) for frame in frames(made.path)]
    assert len(segments) == made.packets
    assert Path(made.path).stat().st_size == made.size
    times = [segment.time_ns for segment in segments]
    assert times == sorted(times)
    found = connections(segments)
    assert len(found) == made.facts["associations"]
    transactions = [one for connection in found for one in connection.transactions()]
    assert Counter(one.method for one in transactions) == made.facts["transactions"]
    assert Counter(f"{one.status:04X}" for one in transactions) == made.facts["statuses"]
    assert sum(len(one.responses) - 1 for one in transactions) == made.facts["pending"]
    assert sum(one.request.data_set_size for one in transactions) == made.facts["request_data_set_bytes"]
    answered = sum(response.data_set_size for one in transactions for response in one.responses)
    assert answered == made.facts["response_data_set_bytes"]
    longest = {"monitor-store": captures.OFFLOADED, "monitor-1500": captures.MSS}
    assert max(len(segment.payload) for segment in segments) <= longest.get(name, 1000)


@pytest.mark.peers
@pytest.mark.parametrize("name", captures.NAMES)
def test_tshark_finds_the_facts(root, name):
    made = captures.capture(name, "XS", root=root)
    names = "dicom.pdu.type", "ip.checksum.status", "tcp.checksum.status", "_ws.malformed", "tcp.analysis.flags"
    options = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    rows = tshark.fields(made.path, *names, options=options)
    assert Counter(str(int(kind, 0)) for row in rows for kind in row[0]) == made.facts["pdus"]
    assert {value for row in rows for value in (*row[1], *row[2])} == {"1"}
    assert not any(row[3] or row[4] for row in rows)


def test_a_capture_is_made_once(root):
    first = captures.capture("monitor-small", "XS", root=root)
    changed = Path(first.path).stat().st_mtime_ns
    assert captures.capture("monitor-small", "XS", root=root) == first
    assert Path(first.path).stat().st_mtime_ns == changed
    assert not list(root.glob(".new-*"))
