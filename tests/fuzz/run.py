"""Runs fuzz harnesses for a bounded time each and prints what came of it; `make fuzz`, see docs/fuzzing.md.

    python -m tests.fuzz.run [--seconds 30] [--runs N] [--seed N] [NAME ...]
    python -m tests.fuzz.run --replay NAME FILE ...     one harness on single inputs, with the stack of a crash

The modules must have been built with DICOMWIRE_BUILD=fuzz into build/fuzz/lib.  The corpus of a harness stays in
build/fuzz/corpus/NAME, an input that fails in build/fuzz/crashes, the output of the last run in build/fuzz/logs, and
the totals of all runs in build/fuzz/report.json.  Exit status 1: a crash, a hang, too much memory, or a leak.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz import harness

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
TIMEOUT_S = 60  # one input; of the clock, and the machine may be busy
MEMORY_MB = 2048
LEAK_SECONDS = 4  # of replaying the corpus
START_S = 180  # for what libFuzzer does before and after its time: reading a corpus, a last input

STATUS = re.compile(r"^#(\d+)\t.*?cov: (\d+) ft: (\d+)(?: corp: (\d+)/)?", re.M)
EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)", re.M)
DONE = re.compile(r"^Done (\d+) runs in (\d+) second", re.M)
NEW = re.compile(r"^stat::new_units_added: +(\d+)", re.M)
PEAK = re.compile(r"^stat::peak_rss_mb: +(\d+)", re.M)
INTERESTING = re.compile(r"invariant violated|runtime error|^SUMMARY|Test unit written|^\w*(Error|Exception)\b")


@dataclass(slots=True)
class Result:
    """What one run of a harness came to."""

    name: str
    executions: int = 0
    seconds: float = 0.0
    edges: int = 0
    features: int = 0
    new: int = 0
    corpus: int = 0
    peak_mb: int = 0
    failures: list[str] = field(default_factory=list)


def parsed(name: str, output: str) -> Result:
    """The figures in libFuzzer's output."""
    result = Result(name)
    for match in STATUS.finditer(output):
        result.executions = max(result.executions, int(match[1]))
        result.edges, result.features = int(match[2]), int(match[3])
    for pattern, field_name in ((EXECUTED, "executions"), (NEW, "new"), (PEAK, "peak_mb")):
        found = pattern.findall(output)
        if found:
            setattr(result, field_name, int(found[-1]))
    done = DONE.findall(output)
    if done:
        result.executions, result.seconds = int(done[-1][0]), float(done[-1][1])
    return result


def preloaded() -> Path:
    """atheris' library that holds libFuzzer and the sanitizers' run time; ImportError if it is not installed."""
    spec = importlib.util.find_spec("atheris")
    if spec is None or spec.origin is None:
        raise ImportError("atheris is not installed: make fuzz")
    return Path(spec.origin).parent.parent / "asan_with_fuzzer.so"


def environment() -> dict[str, str]:
    """What a child needs: modules of the fuzz profile before all others, and sanitizers loaded first.

    Python's own allocator stays: plain malloc takes two thirds of the speed, and what the harnesses give to compiled
    code is in memory of its exact size (see ``exact``).
    """
    return {
        **os.environ,
        "PYTHONPATH": f"{BUILD / 'lib'}{os.pathsep}{ROOT}",
        "LD_PRELOAD": str(preloaded()),
        # Leaks are looked for by replaying the corpus: the interpreter itself leaves things behind at its end.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_abort=1:quarantine_size_mb=16:"
        "malloc_context_size=2",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def child(command: str, name: str, *arguments: str, timeout: float) -> subprocess.CompletedProcess[bytes]:
    """Run tests.fuzz.child at low priority; all output is in ``stdout``."""
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.child", command, name, *arguments],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
        preexec_fn=lambda: os.nice(10),
    )


def written(folder: Path, inputs: list[bytes]) -> Path:
    """The folder with one file for each input, named by its checksum, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {hashlib.sha1(data).hexdigest(): data for data in inputs}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, data in wanted.items():
        (folder / name).write_bytes(data)
    return folder


def quoted(words: tuple[bytes, ...]) -> str:
    """A dictionary in the form that libFuzzer reads."""
    return "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in words)


def run_harness(name: str, seconds: int, runs: int, seed: int) -> Result:
    """One bounded run from the seeds and the corpus so far, then the search for leaks."""
    one = harness.load(name)
    corpus, crashes, logs = BUILD / "corpus" / name, BUILD / "crashes", BUILD / "logs"
    for folder in (corpus, crashes, logs):
        folder.mkdir(parents=True, exist_ok=True)
    seeds = written(BUILD / "seeds" / name, [seed for seed in one.seeds() if len(seed) <= one.max_length])
    words = BUILD / "seeds" / f"{name}.dict"
    words.write_text(quoted(one.dictionary))
    arguments = [
        f"-max_total_time={seconds}",
        f"-runs={runs}",
        f"-seed={seed}",
        f"-max_len={one.max_length}",
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={crashes}/{name}-",
        f"-dict={words}",
        "-print_final_stats=1",
        "-detect_leaks=0",
        "-len_control=20",
        str(corpus),
        str(seeds),
    ]
    failures = []
    try:
        done = child("fuzz", name, *arguments, timeout=seconds + START_S)
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        output, status = error.stdout or b"", 1
        failures.append(f"did not end within {seconds + START_S} s")
    (logs / f"{name}.log").write_bytes(output)
    result = parsed(name, output.decode(errors="replace"))
    result.failures = failures
    if status and not failures:
        result.failures.append(reason(output.decode(errors="replace"), status))
    result.corpus = sum(1 for _ in corpus.iterdir())
    if not result.failures:
        again = child("leaks", name, str(corpus), str(min(seconds, LEAK_SECONDS)), timeout=START_S)
        with (logs / f"{name}.log").open("ab") as log:
            log.write(again.stdout)
        if again.returncode:
            result.failures.append("leak: " + again.stdout.decode(errors="replace").strip().rpartition("\n")[2])
    return result


def reason(output: str, status: int) -> str:
    """What a failed child said: the violated invariant, the sanitizer's summary, the input that was kept."""
    lines = [
        line.strip()
        for line in output.splitlines()
        if INTERESTING.search(line)
    ]
    return " | ".join(lines[-5:]) or f"exit status {status}: {output[-300:]}"


def kept_totals(results: list[Result]) -> int:
    """Add the results to report.json; returns the executions of all runs together."""
    path = BUILD / "report.json"
    report = {"executions": 0, "harnesses": {}}
    if path.exists():
        report = json.loads(path.read_text())
    for result in results:
        new = {"executions": 0, "seconds": 0.0, "runs": 0, "failures": []}
        total = report["harnesses"].setdefault(result.name, new)
        total["executions"] += result.executions
        total["seconds"] += result.seconds
        total["runs"] += 1
        total["failures"] += result.failures
        total["last"] = asdict(result)
        report["executions"] += result.executions
    path.write_text(json.dumps(report, indent=1) + "\n")
    return int(report["executions"])


HEAD = (
    f"{'harness':<12}{'executions':>12}{'exec/s':>9}{'edges':>8}{'features':>10}{'new':>6}{'corpus':>8}{'MB':>6}"
    "  failures"
)


def row(result: Result) -> str:
    """A line of the table."""
    rate = result.executions / result.seconds if result.seconds else 0
    return (
        f"{result.name:<12}{result.executions:>12,}{rate:>9,.0f}{result.edges:>8,}{result.features:>10,}"
        f"{result.new:>6,}{result.corpus:>8,}{result.peak_mb:>6,}  {len(result.failures)}"
    )


def replay(name: str, files: list[str]) -> int:
    """Run single inputs and show all output; the first failing status."""
    done = child("fuzz", name, f"-timeout={TIMEOUT_S}", "-detect_leaks=0", *files, timeout=START_S)
    sys.stdout.buffer.write(done.stdout)
    return done.returncode


def main() -> int:
    """Run the harnesses that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seconds", type=int, default=30, help="for each harness")
    parser.add_argument("--runs", type=int, default=-1, help="executions of each harness, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0 takes another one each time")
    parser.add_argument("--replay", action="store_true", help="NAME FILE ...: run these inputs and show all output")
    arguments = parser.parse_args()
    if arguments.replay:
        return replay(arguments.names[0], arguments.names[1:])
    if not (BUILD / "lib" / "dicomwire").is_dir():
        parser.error(f"no build in {BUILD / 'lib'}: make fuzz")
    results = []
    print(HEAD, flush=True)
    for name in arguments.names or harness.names():
        results.append(run_harness(name, arguments.seconds, arguments.runs, arguments.seed))
        print(row(results[-1]), flush=True)
        for failure in results[-1].failures:
            print(f"    {failure}", flush=True)
    total = kept_totals(results)
    print(f"{sum(result.executions for result in results):,} executions, {total:,} in all runs so far")
    return int(any(result.failures for result in results))


if __name__ == "__main__":
    sys.exit(main())
