"""Every harness runs on its seeds and on a few changes of them, in any build; the fuzzer goes on from there."""

from __future__ import annotations

import random

import pytest

from tests.fuzz import harness
from tests.fuzz.test_fuzz_reader import mutated

IN_PYTHON = [name for name in harness.names() if harness.load(name).run is not None]


def test_there_are_harnesses() -> None:
    assert {"file", "data_set", "deflate", "charset", "value", "stepper"} <= set(harness.names())


def test_an_unknown_harness_is_named() -> None:
    with pytest.raises(LookupError, match="nonsense: one of"):
        harness.load("nonsense")


@pytest.mark.parametrize("name", harness.names())
def test_a_harness_says_what_holds(name: str) -> None:
    one = harness.load(name)
    assert len(harness.invariant(name)) > 40
    assert harness.invariant(name).endswith((".", "; in C."))
    found = list(one.seeds())
    assert len(found) >= 5
    assert all(isinstance(seed, bytes) for seed in found)
    assert any(len(seed) <= one.max_length for seed in found)
    assert all(one.dictionary)


@pytest.mark.parametrize("name", IN_PYTHON)
def test_seeds_and_changes_of_them(name: str) -> None:
    one = harness.load(name)
    assert one.run is not None
    noise = random.Random(name)
    found = sorted({seed[: one.max_length] for seed in one.seeds()})
    noise.shuffle(found)
    for seed in found[:300]:
        one.run(seed)
        one.run(mutated(seed, noise.choice(found) or b"\0", noise))
    one.run(b"")
