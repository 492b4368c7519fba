"""Work on many files: order, failures, and what Ctrl-C leaves."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from dicomwire.cli.batches import AHEAD, Failure, outcomes, places, stopping
from dicomwire.cli.interrupts import Interrupt
from tests.builders import element, part10, plain
from tests.support import missing

FILES = 400
WAIT_S = 60


def pairs(number):
    return [(f"in{i}", f"out{i}") for i in range(number)]


def work(source, target):
    if source.endswith("7"):
        raise OSError(28, "No space left on device", target)
    return len(target)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_each_source_has_one_outcome(workers):
    with stopping(ThreadPoolExecutor(max(workers, 1))) as pool:
        found = dict(outcomes(pool if workers else None, work, pairs(50), workers, Interrupt()))
    assert sorted(found) == sorted(source for source, _ in pairs(50))
    failed = {source for source, outcome in found.items() if isinstance(outcome, Failure)}
    assert failed == {f"in{i}" for i in (7, 17, 27, 37, 47)}
    assert found["in7"] == Failure("No space left on device", False)
    assert found["in10"] == len("out10")


def test_files_are_handed_out_as_others_are_done():
    """A folder of a million files is not a million futures."""
    taken = count()

    def source():
        for pair in pairs(100):
            next(taken)
            yield pair

    with stopping(ThreadPoolExecutor(2)) as pool:
        results = outcomes(pool, work, source(), 2, Interrupt())
        next(results)
        assert next(taken) <= 2 * AHEAD
        assert len(list(results)) == 99


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupt_lets_what_is_under_way_come(workers):
    begun, found = [], []

    def slow(source, target):
        begun.append(source)
        time.sleep(0.001)
        return 0

    interrupt = Interrupt()
    with stopping(ThreadPoolExecutor(2)) as pool:
        for source, _ in outcomes(pool if workers else None, slow, pairs(100), workers, interrupt):
            found.append(source)
            interrupt.came = True
    assert sorted(found) == sorted(begun)
    assert 0 < len(begun) <= workers * AHEAD + 1


def test_an_error_takes_back_what_has_not_begun():
    begun = []

    def slow(source, target):
        begun.append(source)
        time.sleep(0.01)
        return 0

    def interrupted():
        with stopping(ThreadPoolExecutor(2)) as pool:
            for _ in outcomes(pool, slow, pairs(100), 2, Interrupt()):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(begun) < 2 * AHEAD


def test_a_place_for_each_file(tmp_path, monkeypatch):
    (tmp_path / "in" / "below").mkdir(parents=True)
    for name in ("in/a", "in/below/b", "in/.c.part"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    at = os.path.join
    assert list(places(["in"], "out", ".json")) == [
        (at("in", "a"), at("out", "a.json")), (at("in", "below", "b"), at("out", "below", "b.json")),
    ]  # fmt: skip
    assert list(places(["in", "in/a", "./in/below"], None)) == [
        (at("in", "a"), at("in", "a")), (at("in", "below", "b"), at("in", "below", "b")),
    ]  # fmt: skip
    assert list(places(["in/a", "./in/a"], "out")) == [(at("in", "a"), at("out", "a"))]


@pytest.mark.parametrize("command", ["modify -s PatientID=NEW", "json"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_leaves_no_file_half_written(tmp_path, command, workers):
    """The files that have their names are whole, there are no others, and one line says that it was stopped."""
    if os.name != "posix":
        missing("no signals to a process group")
    data = part10(plain() + element(0x00204000, "LT", b"x" * 60_000))
    (tmp_path / "in").mkdir()
    for number in range(FILES):
        (tmp_path / "in" / f"{number:04}.dcm").write_bytes(data)
    out = tmp_path / "out"
    arguments = [*command.split(), "in", "--to", "out", "--workers", workers]
    process = subprocess.Popen(
        [sys.executable, "-m", "dicomwire", *arguments], cwd=tmp_path, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + WAIT_S
    while process.poll() is None and time.monotonic() < deadline and not list(out.glob("0*")):
        time.sleep(0.0005)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=WAIT_S)
    names = sorted(path.name for path in out.iterdir())
    assert 0 < len(names) < FILES
    assert process.returncode == 130
    (line,) = errors.splitlines()
    assert f"interrupted, {FILES - len(names):,}" in line
    assert not [name for name in names if not name.startswith("0")]
    sizes = {path.stat().st_size for path in out.iterdir()}
    assert len(sizes) == 1
