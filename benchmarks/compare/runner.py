"""Alternation: every entry of a task runs once a round, in a rotating order; medians are taken over rounds.

Before each run the garbage collector has run; it stays enabled during the run, as in a user's program, with
the objects of imports and warm-up frozen out of its sight.  An entry that takes less than `QUICK_S` runs once
untimed just before it is timed, plain C too: each finds caches, branch predictors and free memory as it leaves
them itself, not as its predecessor did.  The first round warms up and yields the answers that are compared.  An
entry that needs more than `SLOW_S` is run no more than three times, one that needs more than `VERY_SLOW_S` only
once.  Wall time counts; CPU time (user and kernel) is kept beside it, and a wall time far above it tells that
the machine was busy with something else: then `--clock cpu` gives steadier figures.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

QUICK_S = 0.5
SLOW_S = 1.5
VERY_SLOW_S = 6.0
# Of an acceptor's process: of its peak in all rounds, and for each association; the whole peak of a process.
MEMORY = ("MB growth", "kB each", "MB peak")


@dataclass
class Entry:
    """One way to do a task.  `role` is "own", "peer", "limit" (plain C) or "check" (of the limit)."""

    label: str
    role: str
    run: Callable[[], Any]
    version: str = ""
    how: str = ""
    toolkit: str = ""
    variant: str = ""
    scale: float = 1.0  # work of the task / work of this entry, where it runs a smaller input
    compare: Callable[[Any], str] | None = None
    own_clock: bool = False  # plain C: `run` returns nanoseconds
    waits: bool = False  # for another process: CPU time of this one says nothing, wall time counts
    clock: str = "wall"
    wall_ns: list[int] = field(default_factory=list)
    cpu_ns: list[int] = field(default_factory=list)
    answer: str = ""
    error: str = ""
    memory: dict[str, float] = field(default_factory=dict)  # what `run` found: a unit of MEMORY, and how much

    @property
    def times_ns(self) -> list[int]:
        """The times that count."""
        return self.cpu_ns if self.clock == "cpu" else self.wall_ns

    @property
    def median_ns(self) -> float:
        """Nanoseconds of the task's whole work."""
        return statistics.median(self.times_ns) * self.scale

    @property
    def best_ns(self) -> float:
        return min(self.times_ns) * self.scale

    @property
    def busy(self) -> float:
        """Wall time over CPU time: well above 1 when the machine was busy or the task waited."""
        cpu = statistics.median(self.cpu_ns)
        return statistics.median(self.wall_ns) / cpu if cpu else 1.0


@dataclass
class Task:
    """A measured task: `units` pieces of work (files, elements) in each run."""

    name: str
    title: str
    unit: str
    units: int
    entries: list[Entry]
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verdict: Callable[[Task], list[str]] | None = None  # reasons why the C limit is void
    reference: str = "pydicom"  # the toolkit of a column of its own
    size_bytes: int = 0  # of the units together, where the rate in MB/s is of interest
    close: Callable[[], None] | None = None  # ends what the entries need while they are measured

    def entry(self, label: str) -> Entry:
        return next(entry for entry in self.entries if entry.label == label)


@dataclass
class Goal:
    """What the project wants.

    `against` is "best peer", "limit", "ms" (an absolute time), "per second" (of units), one of MEMORY, a toolkit such
    as "pydicom", or several, of which the fastest counts: "pydcm or storescp".
    """

    against: str
    least: float
    aim: float | None = None


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _once(entry: Entry) -> Any:
    gc.collect()
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    result = entry.run()
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    if entry.own_clock:
        wall = result
    entry.wall_ns.append(wall)
    entry.cpu_ns.append(cpu)
    return result


def _warm_up(entry: Entry) -> None:
    try:
        result = _once(entry)
    except Exception as error:  # noqa: BLE001 - a toolkit that fails is a row of the table
        entry.error = f"{type(error).__name__}: {error}"[:200]
        return
    if entry.compare is not None:
        entry.answer = entry.compare(result)
    del result


def measure(task: Task, rounds: int, clock: str = "wall") -> None:
    """Run a task: a warm-up round, then `rounds` rounds; `clock` ("wall" or "cpu") says which times count."""
    say(f"{task.name}: {task.title}")
    left: dict[int, int] = {}
    quick: dict[int, bool] = {}
    for entry in task.entries:
        entry.clock = "wall" if entry.waits else clock
        _warm_up(entry)
        if entry.error or entry.wall_ns[0] > VERY_SLOW_S * 1e9:
            continue
        quick[id(entry)] = entry.wall_ns[0] < QUICK_S * 1e9
        left[id(entry)] = min(rounds, 3) if entry.wall_ns[0] > SLOW_S * 1e9 else rounds
        entry.wall_ns.clear()
        entry.cpu_ns.clear()
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        turn = number % len(task.entries)
        for entry in task.entries[turn:] + task.entries[:turn]:
            if left.get(id(entry), 0) > 0:
                left[id(entry)] -= 1
                try:
                    if quick[id(entry)]:
                        entry.run()
                    _once(entry)
                except Exception as error:  # noqa: BLE001 - as in the warm-up
                    entry.error = f"{type(error).__name__}: {error}"[:200]
                    entry.wall_ns.clear()
                    left[id(entry)] = 0
    gc.unfreeze()
