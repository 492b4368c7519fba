"""Adapters of all toolkits give the same answers; wrong answers, failures and slow yardsticks are told."""

import json
import time

import pytest

from benchmarks import workloads
from benchmarks.compare import report, summary
from benchmarks.compare.adapters import KEYWORDS, TAGS, Toolkit, adapters, find
from benchmarks.compare.normalise import SequenceMark, agreement, text_of
from benchmarks.compare.runner import Entry, Goal, Task, measure
from tests.support import missing

pydicom = pytest.importorskip("pydicom")

from benchmarks.compare import tasks  # noqa: E402 - imports pydicom's adapter

ADAPTERS = adapters()
LABELS = [f"{a.name} ({a.variant})" if a.variant else a.name for a in ADAPTERS]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("corpus")


def loaded(label):
    adapter = find(label)
    reason = adapter.unavailable()
    if reason is not None:
        if "pydcm" in reason or "Python" in reason:
            pytest.skip(reason)     # for some Pythons only, and in no dependency group
        missing(reason)
    return adapter()


def test_keywords_and_tags_belong_together():
    assert [pydicom.datadict.tag_for_keyword(keyword) for keyword in KEYWORDS] == TAGS


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", workloads.SYNTAXES)
@pytest.mark.parametrize("label", LABELS)
def test_ten_values_equal_pydicom_s(label, name, root):
    toolkit = loaded(label)
    paths = workloads.corpus(name, "XS", root=root).paths
    check = tasks.check_rows(toolkit, tasks.reference_rows(paths))
    if "header10" in toolkit.tasks:
        assert check(toolkit.header10(paths)) == "equal"
    if "scan" in toolkit.tasks:
        assert check(toolkit.scan(paths)) == "equal"


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", workloads.NAMES)
@pytest.mark.parametrize("label", [label for label in LABELS if "all_values" in find(label).tasks])
def test_all_values_equal_pydicom_s(label, name, root):
    toolkit = loaded(label)
    corpus = workloads.corpus(name, "XS", root=root)
    path = corpus.paths[0]
    word = tasks.check_values(toolkit, [path])(None)
    assert word.startswith("equal")
    if toolkit.name == "dicomwire":
        assert word == "equal"
    assert len(toolkit.all_values(path)) == corpus.header_elements - (not toolkit.gives_group_length)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["enhanced-known", "enhanced-undefined"])
@pytest.mark.parametrize("label", [label for label in LABELS if "nested" in find(label).tasks])
def test_nested_value_is_that_of_the_frame(label, name, root):
    toolkit = loaded(label)
    path = workloads.corpus(name, "XS", root=root).path
    data_set = pydicom.dcmread(path, stop_before_pixels=True)
    for frame, group in enumerate(data_set.PerFrameFunctionalGroupsSequence):
        wanted = [float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient]
        assert toolkit.nested(path, frame) == wanted


# ------------------------------------------------------------------------------------- normalisation


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["1.50 ", "-2"], "1.5\\-2.0"),
        (7, "7 "),
        ("CT\0", "CT"),
        (None, ""),
        ([], ""),
        (b"", None),
        (memoryview(b"\1\2"), b"\1\2"),
        ([(0x0020, 0x9056)], 0x00209056),
        (SequenceMark(0), None),
    ],
)
def test_same_values_have_the_same_text(one, other):
    assert text_of(one) == text_of(other)


@pytest.mark.parametrize(("one", "other"), [("A", "B"), (1, 2), (["1", "2"], "1"), (SequenceMark(1), "")])
def test_different_values_have_different_texts(one, other):
    assert text_of(one) != text_of(other)


def test_agreement_tells_what_differs():
    assert agreement(["a", "b"], ["a", "b"]) == "equal"
    assert agreement(["a", "b"], ["a", "x0102"]) == "equal, 1 as raw bytes"
    assert agreement(["a", "b"], ["a", "c"]) == "DIFFERENT: 1 of 2 values, first at 1"
    assert agreement(["a", "b"], ["a"]) == "DIFFERENT: 1 values instead of 2"


class Liar(Toolkit):
    name = "liar"
    module = "json"
    distribution = "json"

    def all_values(self, path):
        values = find("pydicom")().all_values(path)
        values[20] = "not this"
        return values

    def header10(self, paths):
        return [["wrong"] * 10 for _ in paths]


def test_wrong_answers_are_found(root):
    paths = workloads.corpus("ct-explicit-le", "XS", root=root).paths
    assert tasks.check_values(Liar(), paths[:1])(None) == "DIFFERENT: 1 of 207 values, first at 20"
    assert tasks.check_rows(Liar(), tasks.reference_rows(paths))(Liar().header10(paths)) == "DIFFERENT: 4 of 4 rows"


# ------------------------------------------------------------------------------------- runner and report


def entry(label, role, nanoseconds, **rest):
    """An entry with a time that is made up: what the processor needs meanwhile says nothing about it."""
    return Entry(label, role, lambda: nanoseconds, own_clock=True, waits=True, toolkit=label, **rest)


def measured_task(*entries, **rest):
    task = Task("t", "a task", "file", 1, list(entries), **rest)
    measure(task, 3)
    return task


def test_ratios_are_to_the_best_peer_with_right_answers():
    wrong = Entry("wrong", "peer", lambda: 10, own_clock=True, compare=lambda _: "DIFFERENT: all")
    task = measured_task(
        entry("dicomwire", "own", 100),
        entry("fast", "peer", 1000),
        entry("pydicom", "peer", 20_000),
        wrong,
        entry("C", "limit", 50),
        goals=[Goal("best peer", 8, 10), Goal("pydicom", 300), Goal("limit", 0.6), Goal("ms", 1)],
    )
    text = report.table(task)
    row = next(line for line in text.splitlines() if line.startswith("| dicomwire"))
    assert [cell.strip() for cell in row.split("|")][3:8] == ["100 ns", "100 ns", "10", "200", "0.5"]
    goals = [line for line in text.splitlines() if line.startswith("- goal")]
    assert "10 of fast, reached; plain C reaches 20" in goals[0]
    assert "200 of pydicom, MISSED" in goals[1]
    assert "0.5 of C, MISSED" in goals[2]
    assert "reached" in goals[3]
    assert json.dumps(report.as_json(task))


def test_a_slow_yardstick_voids_the_ratio():
    task = measured_task(
        entry("dicomwire", "own", 100),
        entry("C", "limit", 90),
        goals=[Goal("limit", 0.6)],
        verdict=lambda _: ["memcpy is slow"],
    )
    text = report.table(task)
    assert "VOID, memcpy is slow" in text
    assert "| void |" in text


def test_yardstick_is_judged_by_its_checks():
    def judged(walk, bare, python):
        task = measured_task(
            entry("walk", "limit", walk), entry("bare", "check", bare), entry("python", "check", python)
        )
        return tasks.file_verdict(100)(task)

    assert judged(2000, 1000, 1200) == []
    assert judged(2000, 1600, 1200) == ["plain C opens and reads slower than Python does"]
    assert judged(4000, 1000, 1200) == ["the walk takes 30.0 ns an element, more than 15"]


def test_failures_are_rows_and_slow_entries_run_less():
    def fail():
        raise ValueError("no such thing")

    runs = []

    def slow():
        runs.append(1)
        return 2_000_000_000

    failing = Entry("broken", "peer", fail)
    task = measured_task(failing, Entry("slow", "peer", slow, own_clock=True), entry("very slow", "peer", 7 * 10**9))
    assert failing.error == "ValueError: no such thing"
    assert "FAILS: ValueError: no such thing" in report.table(task)
    assert len(runs) == 1 + 3  # warm-up and three rounds
    assert task.entry("very slow").wall_ns == [7 * 10**9]


def test_cpu_time_counts_when_asked_for():
    idle = Entry("idle", "peer", lambda: time.sleep(0.02))
    task = Task("t", "a task", "file", 1, [idle])
    measure(task, 3, "cpu")
    assert min(idle.wall_ns) >= 20_000_000
    assert idle.median_ns < 10_000_000
    assert "machine busy" not in report.table(task)


def test_scaled_entries_count_for_the_whole_work():
    scaled = entry("pydicom", "peer", 1000, scale=10.0)
    measured_task(scaled)
    assert scaled.median_ns == scaled.best_ns == 10_000


def test_summary_replaces_what_stands_between_the_markers(tmp_path):
    task = measured_task(
        entry("dicomwire", "own", 100),
        entry("fast", "peer", 1000),
        entry("tuned", "peer", 500, variant="bulk"),
        entry("C", "limit", 50),
        goals=[Goal("best peer", 8)],
    )
    facts = {"processor": "p", "cores": "2", "system": "s", "python": "3", "compiler": "cc"}
    document = {
        "started": "2026-01-02T03:04:05",
        "command": "compare",
        "rounds": 3,
        "clock": "wall",
        "machine": facts,
        "tasks": [report.as_json(task)],
        "facts": {"memory x": {"dicomwire": {"peak_kb": 20480}, "fast": {"error": "exit 1"}}},
        "import": {"dicomwire": {"median_ms": 12.34}},
    }
    figures, page = tmp_path / "compare.json", tmp_path / "page.md"
    figures.write_text(json.dumps(document))
    page.write_text(f"before\n{summary.BEGIN}\nold\n{summary.END}\nafter\n")
    for _ in range(2):
        assert summary.main([str(figures), "--write", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| t | file | 100 ns | tuned: 500 ns (5x) | fast: 1 us (10x) | - | 50 ns (0.5x) |" in text
    assert "5 of tuned, MISSED; 10 of fast, the fastest in default use; plain C reaches 10 and 20" in text
    assert "dicomwire 20 MB." in text
    page.write_text("no markers")
    assert summary.main([str(figures), "--write", str(page)]) == 1
    assert page.read_text() == "no markers"
