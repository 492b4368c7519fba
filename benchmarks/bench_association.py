"""What an association costs without sockets: negotiation and release, each run of PDVs, idling.

    python benchmarks/bench_association.py [--rounds 7]

Best processor time of the rounds, since other programs may be at work; sizes as tracemalloc counts them.
"""

from __future__ import annotations

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable

from _dicomwire.pdu import PDVRun
from dicomwire.dictionary import UID
from dicomwire.dictionary.uids import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from dicomwire.ul import (
    AAssociateRQ,
    AcceptorPolicy,
    AReleaseRQ,
    Association,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    UserInformation,
    plan_contexts,
)

SOP_CLASSES = [UID.from_keyword(name) for name in ("Verification", "CTImageStorage", "MRImageStorage")]
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
POLICY = AcceptorPolicy(supported=dict.fromkeys(SOP_CLASSES, SYNTAXES))
REQUEST = AAssociateRQ(
    called_ae_title="SCP",
    calling_ae_title="SCU",
    presentation_contexts=plan_contexts((uid, SYNTAXES) for uid in SOP_CLASSES),
    user_information=UserInformation(
        (MaximumLength(16384), ImplementationClassUID(UID("1.2.3")), ImplementationVersionName("BENCH"))
    ),
).encode()
RELEASE = AReleaseRQ().encode()
RUNS = 1000


def established() -> Association:
    """Return an acceptor in STA6, three contexts accepted."""
    association = Association.acceptor(POLICY)
    association.transport_connected()
    association.receive(REQUEST)
    association.respond()
    return association


def whole() -> None:
    """An association from the connection to its end."""
    association = established()
    association.receive(RELEASE)
    association.respond_release()
    association.transport_closed()


def best_us(operation: Callable[[], object], count: int, rounds: int) -> float:
    """Return microseconds of processor time for one call."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(count):
            operation()
        best = min(best, time.process_time() - start)
    return best / count * 1e6


def idle_bytes(count: int = 1000) -> float:
    """Return bytes of one idle acceptor association."""
    established()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [established() for _ in range(count)]
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return size / len(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each operation (7)")
    rounds = parser.parse_args().rounds
    print(f"association, acceptor, three contexts, release: {best_us(whole, 2000, rounds):8.1f} us")
    print(f"  up to its acceptance:                         {best_us(established, 2000, rounds):8.1f} us")
    pieces = [PDVRun(1, index % 2 == 0, True, [memoryview(b"12")], 2) for index in range(RUNS)]
    association = established()
    each = best_us(lambda: association.receive_items(pieces), 50, rounds) / RUNS
    print(f"run of PDVs in STA6, on top of framing:         {each:8.3f} us")
    print(f"idle acceptor association:                      {idle_bytes():8.0f} bytes")


if __name__ == "__main__":
    main()
