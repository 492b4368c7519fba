"""Re-encoding beside pydicom: reading a data set and writing it in another transfer syntax.

    python benchmarks/bench_reencode.py [--size S|M] [--rounds 7] [--megabytes 256]

Everything is in memory, in chunks of 1 MiB, and what is written is thrown away.  pydicom reads and writes whole data
sets, and leaves the words of pixel data in the order that they had.  Its runs are few where they take seconds.
"""

from __future__ import annotations

import argparse
import io
import struct
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import workloads  # noqa: E402
from benchmarks.bench_read import timed  # noqa: E402

IMPLICIT, EXPLICIT, BIG, DEFLATED = (
    "1.2.840.10008.1.2" + end for end in ("", ".1", ".2", ".1.99")
)
NAMES = {IMPLICIT: "implicit", EXPLICIT: "explicit", BIG: "big endian", DEFLATED: "deflated"}
CHUNK = 1 << 20


def body_of(path: str) -> bytes:
    """Return the data set of a file of ours, without what stands before it."""
    data = Path(path).read_bytes()
    length = struct.unpack_from("<L", data, 140)[0]
    return data[144 + length :]


def header(syntax: str) -> bytes:
    uid = syntax.encode() + bytes(len(syntax) % 2)
    meta = b"\2\0\x10\0UI" + struct.pack("<H", len(uid)) + uid
    return bytes(128) + b"DICM\2\0\0\0UL\4\0" + struct.pack("<L", len(meta)) + meta


def image(megabytes: int, syntax: str) -> bytes:
    """Return a data set that is pixel data for the most part: 16-bit samples."""
    size = megabytes << 20
    numbers = ((0x00280010, 1024), (0x00280011, 1024), (0x00280100, 16), (0x00280103, 0))
    if syntax == IMPLICIT:
        parts = [struct.pack("<HHLH", tag >> 16, tag & 0xFFFF, 2, value) for tag, value in numbers]
        parts.append(struct.pack("<HHL", 0x7FE0, 0x10, size))
    else:
        parts = [struct.pack("<HH2sHH", tag >> 16, tag & 0xFFFF, b"US", 2, value) for tag, value in numbers]
        parts.append(struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, size))
    return b"".join([*parts, bytes(range(256)) * (size // 256)])


def ours(body: bytes, source: str, target: str) -> Callable[[], None]:
    from dicomwire.file import reencode

    chunks = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]

    def run() -> None:
        for _ in reencode(chunks, source, target):
            pass

    return run


def theirs(body: bytes, source: str, target: str) -> Callable[[], None]:
    import pydicom

    data = header(source) + body

    def run() -> None:
        ds = pydicom.dcmread(io.BytesIO(data))
        ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(target)
        pydicom.dcmwrite(io.BytesIO(), ds, implicit_vr=target == IMPLICIT, little_endian=target != BIG)

    return run


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/bench_reencode.py", description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="S", choices=["S", "M", "L"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=256)
    options = parser.parse_args(arguments)
    report = workloads.corpus("sr-known", options.size)
    ct = workloads.corpus("ct-explicit-le", "XS")
    cases = [
        (f"report, {report.header_elements} elements", body_of(report.path), EXPLICIT, (IMPLICIT, BIG, EXPLICIT)),
        (f"CT, {ct.header_elements} elements", body_of(ct.paths[0]), EXPLICIT, (IMPLICIT, BIG)),
        (f"pixels, {options.megabytes} MiB", image(options.megabytes, EXPLICIT), EXPLICIT, (IMPLICIT, BIG)),
        (f"pixels, {options.megabytes} MiB", image(options.megabytes, IMPLICIT), IMPLICIT, (EXPLICIT, BIG)),
    ]
    warnings.simplefilter("ignore")
    for what, body, source, targets in cases:
        for target in targets:
            run, other = ours(body, source, target), theirs(body, source, target)
            run()
            mine = min(timed(run) for _ in range(options.rounds))
            start, found = time.monotonic(), []
            while len(found) < options.rounds and (not found or time.monotonic() - start < 10):
                found.append(timed(other))
            print(
                f"{what:26} {NAMES[source]:>8} -> {NAMES[target]:10} {mine / 1e6:9.2f} ms "
                f"{len(body) * 1e3 / mine:9.0f} MB/s   "
                f"pydicom {min(found) / 1e6:9.1f} ms, {min(found) / mine:7.1f} times",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
