"""The tasks of the monitor measure what they say, and find wrong answers."""

import os
import shutil

import pytest

from benchmarks import captures
from benchmarks.compare import monitor, monitor_live, report
from benchmarks.compare.runner import Entry, measure
from tests.support import missing

if shutil.which("cc") is None:
    pytest.skip("no C compiler", allow_module_level=True)


@pytest.fixture
def small_root(monkeypatch, tmp_path):
    """Captures of the tests are made in a folder of theirs."""
    made = captures.capture
    monkeypatch.setattr(captures, "capture", lambda name, size: made(name, size, root=tmp_path))


@pytest.mark.parametrize("name", monitor.TASKS)
def test_tasks_run_and_agree(small_root, name):
    task = monitor.TASKS[name]("XS", [])
    measure(task, 1)
    for entry in task.entries:
        assert not entry.error, (entry.label, entry.error)
        assert entry.answer in ("equal", "" if entry.role in ("limit", "check") else "equal")
    mine = task.entry("dicomwire")
    assert 10 < mine.memory["MB peak"] < 200
    assert task.units >= 1
    table = report.table(task)
    assert "per second" in table
    assert "cat" in table
    if shutil.which("tshark") is None:
        missing("tshark is not installed")
    assert task.entry("tshark").version


def test_tshark_is_left_out_where_it_is_not_asked_for(small_root):
    task = monitor.TASKS["monitor-small"]("XS", ["dicomwire", "pydicom"])
    assert "tshark" not in [entry.label for entry in task.entries]
    assert any("tshark" in note for note in task.notes)


def test_wrong_answers_are_found(small_root):
    expected = captures.capture("monitor-small", "XS").facts
    right = {name: expected[name] for name in monitor.COUNTED}
    assert monitor.differences(right, expected, monitor.COUNTED) == "equal"
    wrong = right | {"pending": right["pending"] + 1}
    assert monitor.differences(wrong, expected, monitor.COUNTED).startswith("DIFFERENT: pending")
    assert monitor.differences({}, expected, monitor.COUNTED).startswith("DIFFERENT")


def test_a_command_that_fails_is_an_error():
    entry = Entry("false", "peer", lambda: 0)
    with pytest.raises(RuntimeError):
        monitor.timed(["false"], entry, output=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="packets of loopback need the right to see them")
def test_live_sees_everything_at_a_low_rate():
    task = monitor_live.monitor_live("XS", [])
    try:
        entry = task.entry("at 250 MB/s")
        assert entry.run() > 0
        assert entry.compare(None).startswith("all seen, none dropped")
        assert task.entry("not watched").run() > 0
    finally:
        task.close()
