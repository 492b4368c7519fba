"""Any bytes at any cuts give what the slow twin finds in them, and keep no more than a header and one control PDU.

Streams of associations are mutated: bits, lengths, types, cuts, splices; noise is fed too.  What a Fragmenter and
fragment() make of any writes is read back.  ``make fuzz`` takes many more examples.
"""

from __future__ import annotations

import random
import struct

from hypothesis import given
from hypothesis import strategies as st

from _dicomwire.pdu import PDUReader, PDVRun, join
from _dicomwire.pdv import Fragmenter, fragment, message_buffers
from tests.fuzz.harnesses.pdu_stream import TRICKY, check
from tests.oracles.framing import p_data


def association(noise: random.Random) -> bytes:
    """A stream of PDUs that are right."""
    pdus = [b"\1\0" + struct.pack(">I", 90) + noise.randbytes(90)]
    for _ in range(noise.randrange(6)):
        values = [
            (noise.choice((1, 1, 1, 3, 5)), noise.randrange(4), noise.randbytes(noise.choice((0, 1, 2, 30))))
            for _ in range(noise.choice((1, 1, 2, 4)))
        ]
        pdus.append(p_data(*values))
    pdus.append(noise.choice((b"\5\0\0\0\0\4\0\0\0\0", b"\7\0\0\0\0\4\0\0\2\6", b"")))
    return b"".join(pdus)


def mutated(data: bytes, noise: random.Random) -> bytes:
    """A few changes of the kinds that lengths and types are sensitive to."""
    result = bytearray(data)
    for _ in range(noise.choice((0, 1, 1, 2, 4))):
        at = noise.randrange(len(result) + 1)
        kind = noise.randrange(6)
        if kind == 0 and at < len(result):
            result[at] ^= 1 << noise.randrange(8)
        elif kind == 1:
            tricky = noise.choice(TRICKY)
            result[at : at + len(tricky)] = tricky
        elif kind == 2:
            result[at:at] = noise.choice(TRICKY)
        elif kind == 3:
            del result[at : at + noise.randrange(1, 16)]
        elif kind == 4:
            del result[at:]
        else:
            result[at:at] = association(noise)
    return bytes(result)


@given(st.randoms(use_true_random=False))
def test_mutated_associations(noise: random.Random) -> None:
    data = mutated(association(noise), noise)
    check(data, [noise.randrange(len(data) + 1) for _ in range(noise.randrange(9))])
    check(data, [])


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_noise(data: bytes, cuts: list[int]) -> None:
    check(data, [min(cut, len(data)) for cut in cuts])


@given(st.randoms(use_true_random=False))
def test_what_is_fragmented_is_read_back(noise: random.Random) -> None:
    limit = noise.choice((0, 12, 13, 50, 4096, 5001, 20_000))
    chunks = [noise.randbytes(noise.choice((0, 1, 2, 7, 100, 4095, 4096, 17_000))) for _ in range(noise.randrange(8))]
    if limit in (12, 13, 50):
        chunks = [chunk[:500] for chunk in chunks]
    payload = b"".join(chunks)
    fragmenter = Fragmenter(5, False, limit)
    written = [buffer for chunk in chunks for buffer in fragmenter.write(chunk)] + fragmenter.finish()
    for buffers in (fragment(5, False, chunks, limit), written, message_buffers(5, b"", chunks, limit)):
        items = PDUReader(max_pdu_length=limit).feed(join(buffers))
        assert all(isinstance(item, PDVRun) for item in items)
        run = items[-1]
        assert (run.context_id, run.is_command, run.is_last, join(run.views)) == (5, False, True, payload)
