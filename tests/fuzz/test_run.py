"""Figures of libFuzzer's output, what is kept of them, and what makes a run fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fuzz import child, harness, run

OUTPUT = """\
INFO: seed corpus: files: 3 min: 1b max: 4b total: 9b rss: 60Mb
#4\tINITED cov: 11 ft: 12 corp: 3/9b exec/s: 0 rss: 60Mb
#131072\tpulse  cov: 20 ft: 30 corp: 9/90b lim: 8 exec/s: 65536 rss: 61Mb
#200000\tDONE   cov: 21 ft: 33 corp: 10/99b lim: 8 exec/s: 50000 rss: 62Mb
Done 200000 runs in 4 second(s)
stat::number_of_executed_units: 200000
stat::average_exec_per_sec:     50000
stat::new_units_added:          7
stat::slowest_unit_time_sec:    0
stat::peak_rss_mb:              62
"""

CRASH = """\
#8\tNEW    cov: 11 ft: 12 corp: 3/9b lim: 4 exec/s: 0 rss: 60Mb L: 2/4 MS: 1 ChangeBit-
== invariant violated: a value lies inside its parent
SUMMARY: libFuzzer: deadly signal
artifact_prefix='x/'; Test unit written to x/stepper-crash-0123
stat::number_of_executed_units: 9
"""


def test_figures_of_a_whole_run() -> None:
    result = run.parsed("text", OUTPUT)
    assert (result.executions, result.seconds, result.edges, result.features) == (200000, 4.0, 21, 33)
    assert (result.new, result.peak_mb) == (7, 62)
    line = run.row(result)
    assert line.split() == ["text", "200,000", "50,000", "21", "33", "7", "0", "62", "0"]
    assert line.rindex("0") < len(run.HEAD)


def test_figures_and_reason_of_a_crash() -> None:
    result = run.parsed("stepper", CRASH)
    assert (result.executions, result.edges) == (9, 11)
    assert run.reason(CRASH, 77).startswith("== invariant violated: a value lies inside its parent | SUMMARY")
    assert run.reason("nothing known", 3).startswith("exit status 3")


def test_dictionary_and_seeds_as_files(tmp_path: Path) -> None:
    assert run.quoted((b"SQ\0", b'"')) == '"\\x53\\x51\\x00"\n"\\x22"\n'
    folder = run.written(tmp_path / "seeds", [b"a", b"b", b"a"])
    assert sorted(path.read_bytes() for path in folder.iterdir()) == [b"a", b"b"]
    run.written(folder, [b"c"])
    assert [path.read_bytes() for path in folder.iterdir()] == [b"c"]


def test_totals_of_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BUILD", tmp_path)
    assert run.kept_totals([run.parsed("text", OUTPUT)]) == 200000
    assert run.kept_totals([run.parsed("text", OUTPUT), run.parsed("stepper", CRASH)]) == 400009
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["executions"] == 400009
    assert report["harnesses"]["text"]["runs"] == 2
    assert report["harnesses"]["text"]["seconds"] == 8.0


def test_targets_in_c_have_a_harness() -> None:
    source = Path(__file__).with_name("kernels.pyx").read_text()
    in_c = [name for name in harness.names() if harness.load(name).run is None]
    assert f"return {json.dumps(in_c)}" in source
    for name in in_c:
        assert f"cdef int {name}_target(" in source


@pytest.mark.parametrize(("kept", "status"), [(10_000, 1), (100, 0)])
def test_what_every_replay_leaves_behind_is_a_leak(
    kept: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory: list[bytes] = []
    monkeypatch.setattr(child, "runner", lambda name: lambda data: memory.append(bytes(kept)))
    monkeypatch.setattr(child, "allocated", lambda: sum(map(len, memory)))
    (tmp_path / "input").write_bytes(b"1")
    assert child.leaks("any", tmp_path, 1.0) == status


def test_a_cache_that_fills_up_is_no_leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([0, 90_000, 90_000, 180_000, 180_000])
    monkeypatch.setattr(child, "runner", lambda name: lambda data: None)
    monkeypatch.setattr(child, "allocated", lambda: next(sizes))
    (tmp_path / "input").write_bytes(b"1")
    assert child.leaks("any", tmp_path, 1.0) == 0
