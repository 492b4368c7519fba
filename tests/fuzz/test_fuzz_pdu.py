"""Any bytes give a PDU, or an item, that encodes to the same bytes, or a RemoteProtocolError; and never another error.

PDUs of every type are mutated and built from random items; what decodes is printed, pickled and built anew.
``make fuzz`` takes many more examples.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire import ul
from tests.fuzz.harnesses.pdu import ITEM_TYPES, KINDS, SEEDS, check, check_item
from tests.ul.test_items import sub
from tests.ul.test_pdu import fixed, pdu


def mutated(data: bytes, noise: random.Random) -> bytes:
    """A few changes of the kinds that headers and lengths are sensitive to; the PDU length is often put right."""
    result = bytearray(data)
    for _ in range(noise.choice((1, 1, 2, 4, 10))):
        at = noise.randrange(len(result))
        kind = noise.randrange(6)
        if kind == 0:
            result[at] = noise.randrange(256)
        elif kind == 1:
            result[at : at + 2] = noise.choice((b"\0\0", b"\xff\xff", b"\0\1", b"\x7f\xff"))
        elif kind == 2:
            result[at:at] = bytes((noise.choice(ITEM_TYPES), 0, 0, noise.randrange(8)))
        elif kind == 3:
            del result[at : at + noise.randrange(1, 9)]
        elif kind == 4:
            result[at] ^= 1 << noise.randrange(8)
        else:
            result[at:at] = result[at : at + noise.randrange(40)]
        if not result:
            return b""
    if noise.random() < 0.8 and len(result) >= 6:
        result[2:6] = (len(result) - 6).to_bytes(4, "big")
    return bytes(result)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    check(data)
    for pdu_type in range(1, 8):
        check(pdu(pdu_type, data))
    check(pdu(1, fixed() + data))
    check(pdu(2, fixed() + data))


@given(st.sampled_from(range(len(SEEDS))), st.integers(0, 2**32))
def test_mutated_pdus(seed: int, noise: int) -> None:
    check(mutated(SEEDS[seed], random.Random(noise)))


@given(
    st.sampled_from((1, 2)),
    st.lists(st.tuples(st.sampled_from(ITEM_TYPES), st.binary(max_size=40)), min_size=1, max_size=8),
)
def test_pdus_of_random_items(pdu_type: int, items: list[tuple[int, bytes]]) -> None:
    nested = b"".join(sub(kind, value) for kind, value in items)
    check(pdu(pdu_type, fixed() + nested))
    check(pdu(pdu_type, fixed() + sub(0x50, nested)))
    check(pdu(pdu_type, fixed() + sub(0x1F + pdu_type, b"\1\0\0\0" + nested)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(body=st.binary(max_size=80))
def test_any_body_of_an_item(kind: type[ul.Item], body: bytes) -> None:
    check_item(kind, sub(getattr(kind, "item_type", 0x60) if kind is not ul.UnknownItem else 0x60, body))
