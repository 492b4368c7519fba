"""Guards of what machines reproduce: bytes read, objects made, peak memory, growth, instructions.

    python benchmarks/guard.py             measure, compare with guard.json, exit 1 if a limit is exceeded
    python benchmarks/guard.py --update    set the limits to what is measured now, plus each guard's margin

Every guard runs in a fresh process.  Instructions are counted by valgrind's callgrind where it is installed, as
the difference of two runs that do the same work a different number of times; they hold for one minor version of
Python and the release build.  Ratios to plain C come from interleaved runs, best against best, with a wide
margin.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import captures, workloads  # noqa: E402
from benchmarks.compare.adapters.base import KEYWORDS  # noqa: E402

LIMITS = Path(__file__).with_suffix(".json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ENHANCED_FRAMES = 200
CT_FILES = 50
PDVS = 64
CAPTURES = {"store": "monitor-store", "1500": "monitor-1500", "small": "monitor-small"}


@dataclass(frozen=True)
class Guard:
    """A measured quantity: its unit, how far above it `--update` sets the limit, and why it is guarded."""

    name: str
    unit: str
    margin: float
    slack: int
    why: str
    measure: Callable[[], float]

    def limit_for(self, value: float) -> float:
        limit = value * self.margin + self.slack
        return round(limit, 2) if limit < 100 else round(limit)


# ----------------------------------------------------------------------------------------- inputs


def ct_paths() -> list[str]:
    return workloads.corpus("ct-explicit-le", "S", files=CT_FILES).paths


def report_path(lengths: str) -> str:
    return workloads.corpus(f"sr-{lengths}", "S").path


def enhanced_path(lengths: str) -> str:
    return workloads.corpus(f"enhanced-{lengths}", "S", frames=ENHANCED_FRAMES).path


def capture_paths() -> dict[str, str]:
    return {label: captures.capture(name, "XS").path for label, name in CAPTURES.items()}


# ----------------------------------------------------------------------------------------- in a child


def _proc(file: str, field: str) -> int:
    with open(f"/proc/self/{file}") as stream:
        for line in stream:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise ValueError(f"no {field} in /proc/self/{file}")


def _read_by(field: str, run: Callable[[str], Any], path: str) -> int:
    """Return by how much a counter of /proc/self/io grows, without what reading the counter itself adds."""
    run(path)
    first = _proc("io", field)
    second = _proc("io", field)
    result = run(path)
    third = _proc("io", field)
    del result
    return (third - second) - (second - first)


def _blocks_of(run: Callable[[Any], Any], path: Any) -> int:
    """Return how many blocks of memory Python's allocator holds for a result."""
    run(path)
    gc.collect()
    gc.disable()
    before = sys.getallocatedblocks()
    result = run(path)
    after = sys.getallocatedblocks()
    gc.enable()
    del result
    return after - before


def _header10(path: str) -> list[Any]:
    import dicomwire

    ds = dicomwire.dcmread(path)
    return [getattr(ds, keyword) for keyword in KEYWORDS]


def _all_values(path: str) -> list[Any]:
    import dicomwire

    ds = dicomwire.dcmread(path, stop_before_pixels=True)
    return [element.value for element in ds.iterall()]


def _open(path: str) -> Any:
    import dicomwire

    return dicomwire.dcmread(path)


def _open_whole(path: str) -> Any:
    """Open strictly: then long sequences are walked at once, too."""
    import dicomwire

    return dicomwire.dcmread(path, policy="strict")


def _position(path: str) -> list[float]:
    import dicomwire

    group = dicomwire.dcmread(path).PerFrameFunctionalGroupsSequence[ENHANCED_FRAMES // 2]
    return list(group.PlanePositionSequence[0].ImagePositionPatient)


def _peak_growth(path: str) -> int:
    """Return by how many kB the peak memory grows when one nested value is read."""
    import dicomwire

    ct = ct_paths()[0]
    dicomwire.dcmread(ct).PatientID  # noqa: B018 - first use: what is loaded lazily is loaded
    before = _proc("status", "VmHWM")
    _position(path)
    return _proc("status", "VmHWM") - before


def _stream_peak(path: str) -> int:
    """Return by how many kB the peak memory grows when a file is pulled as events."""
    import dicomwire

    for _ in dicomwire.stream(ct_paths()[0]):  # first use: what is loaded lazily is loaded
        pass
    before = _proc("status", "VmHWM")
    for _ in dicomwire.stream(path):
        pass
    return _proc("status", "VmHWM") - before


def _monitor(path: str) -> int:
    """Return how many records a capture gives."""
    from dicomwire.monitor import analyze

    return sum(1 for _ in analyze(path))


def _monitor_peak(name: str) -> int:
    """Return by how many kB the peak memory grows from a capture to one thirty times as long."""
    _monitor(captures.capture(name, "XS").path)
    before = _proc("status", "VmHWM")
    _monitor(captures.capture(name, "S").path)
    return _proc("status", "VmHWM") - before


def _growth() -> int:
    """Return how many blocks more are held after 2,000 opened files with all values read than after 200."""
    paths = ct_paths()

    def many(count: int) -> int:
        for number in range(count):
            _all_values(paths[number % len(paths)])
        gc.collect()
        return sys.getallocatedblocks()

    before = many(200)
    return many(2000) - before


def _ratio(run: Callable[[str], Any], rounds: int = 25) -> float:
    """Return the best time of our run over that of the plain C walk of the same files, interleaved."""
    from benchmarks import yardsticks

    paths = ct_paths()
    library, names = yardsticks.library(), yardsticks.PathList(paths)
    ours, limit = [], []
    for _ in range(rounds):
        library.walk_files(names)
        limit.append(library.walk_files(names)[0])
        start = time.perf_counter_ns()
        for path in paths:
            run(path)
        ours.append(time.perf_counter_ns() - start)
    return min(ours) / min(limit)


def _pdv_window() -> bytes:
    """Return 64 P-DATA-TF of 16 KiB of one data set: what a receive buffer of 1 MiB holds."""
    from benchmarks.compare.framing import p_data

    return p_data(1, 0, bytes(16378)) * PDVS


def _feed(window: bytes) -> Any:
    from _dicomwire.pdu import PDUReader

    return PDUReader().feed(window)


def _fragment(payload: bytes) -> Any:
    from _dicomwire.pdv import fragment

    return fragment(1, False, payload, 16384)


def _allocated(run: Callable[[bytes], Any], data: bytes) -> int:
    """Return the most bytes that are allocated at a time while something runs, its result included."""
    run(data)
    tracemalloc.start()
    result = run(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del result
    return peak


CHILD: dict[str, Callable[[], float]] = {
    "pdv_feed_allocated": lambda: _allocated(_feed, _pdv_window()),
    "pdv_feed_blocks": lambda: _blocks_of(_feed, _pdv_window()),
    "fragment_allocated": lambda: _allocated(_fragment, bytes(100_000_000)),
    "ct_bytes_read": lambda: _read_by("rchar", _header10, ct_paths()[0]),
    "ct_read_calls": lambda: _read_by("syscr", _header10, ct_paths()[0]),
    "sr_known_bytes_read": lambda: _read_by("rchar", _open, report_path("known")),
    "sr_undefined_bytes_read": lambda: _read_by("rchar", _open_whole, report_path("undefined")),
    "enhanced_known_bytes_read": lambda: _read_by("rchar", _position, enhanced_path("known")),
    "enhanced_undefined_bytes_read": lambda: _read_by("rchar", _position, enhanced_path("undefined")),
    "ct_open_blocks": lambda: _blocks_of(_open, ct_paths()[0]),
    "ct_values_blocks": lambda: _blocks_of(_all_values, ct_paths()[0]),
    "sr_undefined_open_blocks": lambda: _blocks_of(_open_whole, report_path("undefined")),
    "enhanced_known_peak": lambda: _peak_growth(enhanced_path("known")),
    "enhanced_undefined_peak": lambda: _peak_growth(enhanced_path("undefined")),
    "stream_peak": lambda: _stream_peak(enhanced_path("known")),
    "growth_of_2000_files": _growth,
    "monitor_bytes_read": lambda: _read_by("rchar", _monitor, captures.capture("monitor-store", "XS").path),
    "monitor_store_peak": lambda: _monitor_peak("monitor-store"),
    "monitor_small_peak": lambda: _monitor_peak("monitor-small"),
    "header10_to_c": lambda: _ratio(_header10),
    "values_to_c": lambda: _ratio(_all_values),
}


def environment() -> dict[str, str]:
    paths = [str(ROOT), *[path for path in sys.path if path]]
    return os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONHASHSEED": "0"}


def in_child(name: str) -> Callable[[], float]:
    """Return a measurement that runs in a fresh process."""

    def measure() -> float:
        done = subprocess.run(
            [sys.executable, __file__, "--child", name],
            env=environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"guard {name} failed:\n{done.stderr}")
        return float(done.stdout)

    return measure


# ----------------------------------------------------------------------------------------- instructions

BARE = """
import gc
import io
import sys
import dicomwire
KEYWORDS, (operation, ct, report, times) = {keywords!r}, sys.argv[1:]
# Arenas that are partly free, and that nothing empties: else some operation happens to take and give back a whole one
# each time, which costs more than itself.
ballast = [bytes(40) for _ in range(300000)]
ballast = ballast[::500]
gc.disable()  # collections come when they come
dcmread = dicomwire.dcmread

def header10():
    ds = dcmread(ct)
    for keyword in KEYWORDS:
        getattr(ds, keyword)

def values():
    ds = dcmread(ct, stop_before_pixels=True)
    [element.value for element in ds.iterall()]

def report_open():
    dcmread(report, policy="strict")

def report_values():
    ds = dcmread(report)
    [element.value for element in ds.iterall()]

from _dicomwire.pdu import PDUReader
from _dicomwire.pdv import message_buffers
reader = PDUReader()
window = (b"\\4\\0" + (16384).to_bytes(4, "big") + (16380).to_bytes(4, "big") + b"\\1\\0" + bytes(16378)) * {pdvs}
echo = message_buffers(1, bytes(68), None, 16384)[0]
command, image = bytes(126), bytes(525312)

def feed_window():
    reader.feed(window)

def feed_echo():
    reader.feed(echo)

def message():
    message_buffers(1, command, image, 16384)

def stream_batches():
    parser = dicomwire.StreamParser()
    for chunk in chunks:
        parser.feed(chunk)
    parser.close()

def stream_events():
    parser = dicomwire.StreamParser()
    for chunk in chunks:
        for event in parser.feed(chunk):
            pass
    parser.close()

def stream_bulk():
    parser = dicomwire.StreamParser("1.2.840.10008.1.2.1")
    parser.feed(BULK)
    for _ in range(1000):
        for event in parser.feed(PIECE):
            pass

with open(report, "rb") as file:
    data = file.read()
chunks = [memoryview(data)[at:at + 65536] for at in range(0, len(data), 65536)]
BULK = bytes.fromhex("28001000555302000100" * 3 + "e07f10004f570000f0ffffff")
PIECE = bytes(4096)

from dicomwire.monitor import Monitor
CAPTURES = {{}}
for name, path in {captures!r}.items():
    with open(path, "rb") as file:
        CAPTURES[name] = file.read()

def monitor(name):
    monitor = Monitor(key=bytes(32), run="guard")
    for record in monitor.feed(CAPTURES[name]):
        record.record
    for record in monitor.finish():
        record.record

def monitor_store():
    monitor("store")

def monitor_1500():
    monitor("1500")

def monitor_small():
    monitor("small")

def coded_file():
    ds = dcmread(ct)
    ds.Rows = ds.Columns = 16
    ds.NumberOfFrames = 64
    ds.PixelData = bytes(64 * 16 * 16 * ds.BitsAllocated // 8)
    ds.compress("1.2.840.10008.1.2.5")
    file = io.BytesIO()
    ds.save_as(file)
    return file.getvalue()

def pixels_plain():
    dcmread(ct).pixel_array

def pixels_coded():
    dcmread(CODED).decode()

runs = header10, values, report_open, report_values, feed_window, feed_echo, message
runs += monitor_store, monitor_1500, monitor_small
runs += stream_batches, stream_events, stream_bulk
if operation.startswith("pixels"):  # by itself: NumPy moves the objects of all others in memory
    CODED = coded_file()
    runs = pixels_plain, pixels_coded
for run in runs:
    run()
    run()
for _ in range(int(times)):
    globals()[operation]()
"""
REPEATED = {
    "header10": 50,
    "values": 20,
    "report_open": 4,
    "report_values": 2,
    "feed_window": 50,
    "feed_echo": 500,
    "message": 50,
    "pixels_plain": 50,
    "pixels_coded": 20,
    "stream_batches": 4,
    "stream_events": 2,
    "stream_bulk": 2,
    "monitor_store": 20,
    "monitor_1500": 10,
    "monitor_small": 4,
}


def instructions(operation: str, times: int) -> int:
    """Return the instructions of one process that does an operation `times` times after a warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={folder}/out",
                sys.executable,
                "-c",
                BARE.format(keywords=KEYWORDS, pdvs=PDVS, captures=capture_paths()),
                operation,
                ct_paths()[0],
                report_path("undefined"),
                str(times),
            ],
            env=environment() | {"PYTHONMALLOC": "pymalloc"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"callgrind, {operation}: exit {done.returncode}\n{done.stderr[-1000:]}")
    return int(found.group(1))


class Instructions:
    """Counts instructions of one operation as a difference to a run without it, which operations of a kind share."""

    def __init__(self) -> None:
        self.bases: dict[str, int] = {}

    def of(self, operation: str) -> Callable[[], float]:
        def measure() -> float:
            kind = "pixels_plain" if operation.startswith("pixels") else "header10"
            if kind not in self.bases:
                self.bases[kind] = instructions(kind, 0)
            times = REPEATED[operation]
            return (instructions(operation, times) - self.bases[kind]) / times

        return measure


def guards() -> list[Guard]:
    """Return all guards; margins are tight where a figure is exact and wide where it is a time."""

    def exact(name: str, unit: str, why: str, margin: float = 1.0, slack: int = 0) -> Guard:
        return Guard(name, unit, margin, slack, why, in_child(name))

    listed = [
        exact("ct_bytes_read", "bytes", "a CT header is read in one piece of at most 16 KiB"),
        exact("ct_read_calls", "calls", "system calls are half of the time of a header"),
        exact("sr_known_bytes_read", "bytes", "known lengths: what is not asked for is not read"),
        exact("sr_undefined_bytes_read", "bytes", "undefined lengths: every byte once"),
        exact("enhanced_known_bytes_read", "bytes", "pixel data is never read for a nested value"),
        exact("enhanced_undefined_bytes_read", "bytes", "pixel data is never read for a nested value"),
        exact("ct_open_blocks", "blocks", "an opened file is a handful of objects", 1.0, 2),
        exact("ct_values_blocks", "blocks", "values are plain objects, nothing beside them", 1.02, 4),
        exact("sr_undefined_open_blocks", "blocks", "no object per element: the same for any count", 1.0, 4),
        exact("enhanced_known_peak", "kB", "peak memory does not follow the pixel data", 1.1, 4096),
        exact("enhanced_undefined_peak", "kB", "peak memory does not follow the pixel data", 1.1, 4096),
        exact("stream_peak", "kB", "what is streamed is not kept", 1.1, 4096),
        exact("growth_of_2000_files", "blocks", "opened and forgotten files leave nothing", 1.0, 50),
        exact("monitor_bytes_read", "bytes", "a capture is read once"),
        exact("monitor_store_peak", "kB", "memory does not follow a capture of 100 MB", 1.1, 4096),
        exact("monitor_small_peak", "kB", "memory does not follow 100,000 packets of small messages", 1.1, 4096),
        exact("pdv_feed_allocated", "bytes", "a fragment is a view of what was fed: 0 bytes copied", 1.2),
        exact("pdv_feed_blocks", "blocks", "one object for each PDV, its memoryview", 1.0, 2),
        exact("fragment_allocated", "bytes", "headers and views alone for 100 MB of payload: 0 bytes copied", 1.2),
        exact("header10_to_c", "times", "open + ten values over plain C open + read + walk", 1.6),
        exact("values_to_c", "times", "open + all values over plain C open + read + walk", 1.6),
    ]
    counter = Instructions()
    whys = {
        "header10": "open a CT file and read ten values",
        "values": "open a CT file and read its 200 values",
        "report_open": "open a report of 22,672 elements of undefined lengths",
        "report_values": "read all its values",
        "feed_window": f"views of {PDVS} PDVs of 16 KiB",
        "feed_echo": "a message of one PDV of 68 bytes",
        "message": "buffers of a C-STORE request of 525,312 bytes in PDUs of 16 KiB",
        "pixels_plain": "open a CT file, and its pixels as an array",
        "pixels_coded": "64 small frames of RLE: what a frame costs beside its decoding",
        "stream_batches": "feed it to a parser in chunks of 64 KiB",
        "stream_events": "make its 41,265 events",
        "stream_bulk": "feed 1,000 chunks of one long value, and take their pieces",
        "monitor_store": "records of a capture: 124 packets of 60 kB, 6 transactions",
        "monitor_1500": "the same in 3,382 packets of 1,500 bytes",
        "monitor_small": "records of 2,120 small packets, 440 transactions",
    }
    for operation, why in whys.items():
        name = f"instructions_{operation}"
        # Counts move by up to 7 % as objects happen to lie in memory, another folder is enough; those of views that are
        # made by the dozen two times.
        margin = {"feed_window": 3.0, "message": 2.0, "pixels_plain": 1.5, "pixels_coded": 2.0}.get(operation, 1.2)
        listed.append(Guard(name, "instructions", margin, 0, why, counter.of(operation)))
    return listed


# ----------------------------------------------------------------------------------------- the program


def skipped(guard: Guard) -> str | None:
    """Return why a guard is not measured here, or None."""
    if guard.name.startswith("instructions_"):
        if shutil.which("valgrind") is None:
            return "valgrind is not installed"
        if os.environ.get("DICOMWIRE_BUILD", "release") != "release":
            return "not the release build"
    elif guard.unit == "times":
        if os.environ.get("DICOMWIRE_BUILD", "release") != "release":
            return "not the release build"
    elif not Path("/proc/self/io").exists():
        return "needs /proc"
    return None


def limit_of(limits: dict[str, Any], guard: Guard) -> float | None:
    limit = limits.get(guard.name)
    return limit.get(PYTHON) if isinstance(limit, dict) else limit


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/guard.py", description=__doc__.split("\n")[0])
    parser.add_argument("--update", action="store_true", help="set the limits from this run")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only guards with such a name")
    parser.add_argument("--child", choices=list(CHILD), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(CHILD[options.child]())
        return 0
    limits: dict[str, Any] = json.loads(LIMITS.read_text()) if LIMITS.exists() else {}
    exceeded = 0
    for guard in guards():
        if options.only and not any(part in guard.name for part in options.only):
            continue
        reason = skipped(guard)
        if reason is not None:
            print(f"skip  {guard.name:32} {reason}")
            continue
        value, limit = guard.measure(), limit_of(limits, guard)
        if options.update:
            new = guard.limit_for(value)
            if guard.name.startswith("instructions_") or guard.unit == "blocks":
                limits[guard.name] = {**limits.get(guard.name, {}), PYTHON: new}
            else:
                limits[guard.name] = new
            print(f"set   {guard.name:32} {value:>14,.2f} {guard.unit:13} limit {new:,}")
            continue
        if limit is None:
            print(f"tell  {guard.name:32} {value:>14,.2f} {guard.unit:13} no limit for Python {PYTHON}")
            continue
        good = value <= limit
        exceeded += not good
        word = "ok" if good else "OVER"
        print(f"{word:5} {guard.name:32} {value:>14,.2f} {guard.unit:13} limit {limit:,}; {guard.why}")
    if options.update:
        LIMITS.write_text(json.dumps(limits, indent=2) + "\n")
    if exceeded:
        print(f"{exceeded} guards over their limit; if that is meant, say why and run with --update")
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
