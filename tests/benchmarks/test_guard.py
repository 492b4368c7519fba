"""The guard fails when a limit is exceeded, and its figures are the same in each run."""

import json

import pytest

from benchmarks import guard


@pytest.fixture
def one_guard(monkeypatch, tmp_path):
    """A guard whose value and limits file the test sets."""
    value = {"now": 10.0}
    made = guard.Guard("thing", "calls", 1.1, 2, "why", lambda: value["now"])
    monkeypatch.setattr(guard, "guards", lambda: [made])
    monkeypatch.setattr(guard, "skipped", lambda _: None)
    monkeypatch.setattr(guard, "LIMITS", tmp_path / "guard.json")
    return value


def test_update_sets_a_limit_that_holds(one_guard, capsys):
    assert guard.main([]) == 0
    assert "no limit" in capsys.readouterr().out
    assert guard.main(["--update"]) == 0
    assert json.loads(guard.LIMITS.read_text()) == {"thing": 13.0}
    assert guard.main([]) == 0
    one_guard["now"] = 14.0
    assert guard.main([]) == 1
    assert "OVER" in capsys.readouterr().out


def test_committed_limits_belong_to_guards():
    limits = json.loads(guard.LIMITS.read_text())
    assert set(limits) <= {listed.name for listed in guard.guards()}


def test_figures_are_reproducible():
    pytest.importorskip("dicomwire")
    for name in ("ct_bytes_read", "ct_open_blocks"):
        measure = guard.in_child(name)
        assert measure() == measure()
