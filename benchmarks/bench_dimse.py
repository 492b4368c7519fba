"""DIMSE: microseconds to decode commands and encode responses, and to assemble messages out of views.

    python benchmarks/bench_dimse.py [--rounds 400]

Exit status 1 if a best time is over its goal.  What assembling costs is told beside the copy of the same views by
`_dicomwire.pdu.join`, which no receiver can do without.
"""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from _dicomwire.command import decode_command, echo_response, encode_command  # noqa: E402
from _dicomwire.pdu import PDVRun, join  # noqa: E402
from dicomwire.dictionary import UID  # noqa: E402
from dicomwire.dimse import CEchoRQ, CStoreRQ, MessageAssembler, decode_message  # noqa: E402

VIEWS = 64
CALLS = 300  # in a burst


def best_us(run: Callable[[], object], rounds: int) -> float:
    """Return the best of many short bursts, in microseconds a call; other processes cannot be in all of them."""
    return min(timeit.repeat(run, number=CALLS, repeat=rounds)) / CALLS * 1e6


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/bench_dimse.py", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args(arguments).rounds
    request = CStoreRQ(
        message_id=7,
        affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.1.2"),
        affected_sop_instance_uid=UID("1.2.826.0.1.3680043.10.511.3.11000000000000000000000000001.1.1"),
    )
    store, echo = request.encode(), CEchoRQ(message_id=7).encode()
    response, elements = request.response(), decode_command(store)[0]
    views = [memoryview(bytes(256)) for _ in range(VIEWS)]
    command = PDVRun(1, True, True, [memoryview(store)], len(store))
    data_set = PDVRun(1, False, True, views, 256 * VIEWS)
    assembler = MessageAssembler()

    def assemble() -> None:
        assembler.take(command)
        assembler.take(data_set)

    copied, decoded = best_us(lambda: join(views), rounds), best_us(lambda: decode_message(store), rounds)
    lines: list[tuple[str, float, float | None]] = [
        ("echo_response", best_us(lambda: echo_response(echo), rounds), 0.5),
        ("decode_command, C-STORE-RQ", best_us(lambda: decode_command(store), rounds), None),
        ("encode_command, C-STORE-RQ", best_us(lambda: encode_command(elements), rounds), None),
        ("decode_message, C-STORE-RQ", decoded, None),
        ("response and its encoding", best_us(lambda: request.response().encode(), rounds), None),
        ("encoding of a C-STORE-RSP", best_us(response.encode, rounds), None),
        (
            "C-STORE-RQ to encoded C-STORE-RSP",
            best_us(lambda: decode_message(store).response().encode(), rounds),  # type: ignore[attr-defined]
            10,
        ),
        (f"copy of {VIEWS} views", copied, None),
        (
            f"assembler, command and {VIEWS} views, without copy and decoding",
            best_us(assemble, rounds) - copied - decoded,
            3,
        ),
    ]
    failed = 0
    for name, taken, goal in lines:
        word = "" if goal is None else f"goal {goal:g}: {'reached' if taken <= goal else 'MISSED'}"
        failed += goal is not None and taken > goal
        print(f"{name:<62} {taken:7.2f} us  {word}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
