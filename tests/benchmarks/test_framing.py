"""The tasks on P-DATA-TF: everyone gives the bytes that were put in, and plain C counts them all."""

import shutil
import struct

import pytest

from benchmarks import yardsticks
from benchmarks.compare import framing
from benchmarks.compare.runner import Entry, Task
from tests.support import missing

pytest.importorskip("pydicom")  # the yardsticks are compiled with tags of its dictionary
if shutil.which("cc") is None:
    pytest.skip("no C compiler", allow_module_level=True)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(framing, "MESSAGES", {"XS": 5})
    framing.stream.cache_clear()
    yield
    framing.stream.cache_clear()


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", framing.TASKS)
def test_answers_are_equal(name):
    for peer in ("pynetdicom", "scapy"):
        if not framing.installed(peer):
            missing(f"{peer} is not installed")
    task = framing.TASKS[name]("XS")
    for entry in task.entries:
        result = entry.run()
        if entry.own_clock:
            assert result > 0
        else:
            assert entry.compare(result) == "equal"
    assert {entry.role for entry in task.entries} >= {"own", "peer", "limit"}


def test_wrong_answers_are_found():
    assert framing.joined_is(b"abcd")([b"ab", b"ce"]) == "DIFFERENT"
    assert framing.same(3)(4) == "DIFFERENT"


def test_plain_c_counts_and_copies_every_value():
    data = framing.stream(5, 16384)
    payload = sum(map(len, data.commands)) + 5 * len(data.data_set)
    library = yardsticks.library()
    assert library.pdv_walk(data.copy)[1] == yardsticks.PDVCounts(len(data.pdus), payload, 10, 0)
    assert library.pdv_walk(data.copy, copy=True)[1] == yardsticks.PDVCounts(len(data.pdus), payload, 10, payload)


@pytest.mark.parametrize(("length", "pdus"), [(0, 1), (1, 1), (100, 1), (101, 2), (1000, 10)])
def test_plain_c_makes_headers_for_the_whole_payload(length, pdus):
    payload = yardsticks.Buffer(bytes(length))
    payload.size = length  # a buffer of the C heap has one byte more
    assert yardsticks.library().pdv_fragment(payload, 100)[1] == pdus


@pytest.mark.parametrize(
    "broken",
    [
        struct.pack(">BBIIBB", 5, 0, 10, 6, 1, 2) + b"abcd",
        struct.pack(">BBIIBB", 4, 0, 11, 6, 1, 2) + b"abcd",
        struct.pack(">BBIIBB", 4, 0, 10, 7, 1, 2) + b"abcd",
        struct.pack(">BBIIBB", 4, 0, 10, 1, 1, 2) + b"abcd",
        struct.pack(">BBIIBB", 4, 0, 10, 6, 1, 2) + b"abcd" + b"\4",
    ],
)
def test_plain_c_refuses_what_is_no_p_data(broken):
    for copy in (False, True):
        with pytest.raises(yardsticks.YardstickError, match="truncated"):
            yardsticks.library().pdv_walk(yardsticks.Buffer(broken), copy=copy)


def judged(verdict, limit_ns, check_ns):
    task = Task("t", "a task", "PDV", 1, [Entry("C", "limit", int), Entry("check", "check", int)])
    for entry, taken in zip(task.entries, (limit_ns, check_ns), strict=True):
        entry.wall_ns = entry.cpu_ns = [taken]
    return verdict(task)


def test_yardsticks_are_judged_by_their_checks():
    assert judged(framing.walk_verdict, 10, 20) == []
    assert judged(framing.walk_verdict, 30, 20) == ["plain C walks slower than Python"]
    assert judged(framing.copy_verdict(1000), 90, 50) == []
    assert judged(framing.copy_verdict(1000), 200, 50) == ["copying out takes 4.0 times as long as memcpy"]
    assert judged(framing.copy_verdict(1000), 2500, 2000) == ["memcpy below 1 GB/s"]
