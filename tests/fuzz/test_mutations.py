"""Every named mutation makes the damage that it is named for, of any valid file that has a place for it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomwire import dcmread
from dicomwire.errors import DecodeError
from tests.fuzz import seeds
from tests.fuzz.mutations import MUTATIONS, Seed, examples, mutated
from tests.fuzz.outcomes import check, check_place
from tests.hostile.reading import use

# Kinds of damage that a reader of files meets, by number; 34 to 42 are the pixel codecs', 47 and on of later parts.
ROWS = {*range(1, 34), *range(43, 47)}


def valid_seeds() -> list[Seed]:
    found = []
    for data in seeds.built():
        try:
            found.append(Seed(data))
        except ValueError:
            continue
    return found


SEEDS = valid_seeds()


def test_every_kind_has_a_mutation_and_every_mutation_a_seed() -> None:
    assert {one.row for one in MUTATIONS.values()} == ROWS
    assert set(examples()) == set(MUTATIONS)
    assert len(SEEDS) >= 5


def led_to(data: bytes) -> tuple[set[str], object]:
    """Kinds of deviation or the name of the error, and the data set."""
    try:
        data_set = dcmread(data)
        use(data_set)
    except DecodeError as error:
        return {type(error).__name__}, None
    return {deviation.kind for deviation in data_set.deviations}, data_set


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_does_what_it_is_named_for(name: str) -> None:
    one = MUTATIONS[name]
    tried = 0
    for seed in SEEDS:
        for number in range(5):
            try:
                data = one.make(seed, random.Random(f"{name} {number}"))
            except LookupError:
                break
            tried += 1
            assert data != seed.data
            kinds, data_set = led_to(data)
            if one.leads_to:
                assert kinds & set(one.leads_to), (seed.syntax, number, kinds)
            if one.proof is not None:
                assert data_set is not None, kinds
                assert one.proof(data_set)  # type: ignore[arg-type]
    assert tried


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutated_file_has_one_outcome_under_each_policy(name: str) -> None:
    check(examples()[name])


def test_edits_keep_the_lengths_around_them() -> None:
    for seed in SEEDS:
        for entry in seed.leaves:
            longer = seed.raw(entry)
            data = seed.splice(entry.end, 0, b"", entry.parent)
            assert data == seed.data
            removed = seed.splice(entry.start, len(longer), b"", entry.parent)
            again = dcmread(removed)
            use(again)
            assert {one.kind for one in again.deviations} <= {"character_set"}
            assert len(removed) == len(seed.data) - len(longer)


@given(st.integers(0, 2**32))
def test_any_mutation_of_any_real_file(number: int) -> None:
    noise = random.Random(number)
    files = [data for data in seeds.small_real_files() if data[128:132] == b"DICM"] or seeds.built()
    data = mutated(noise.choice(files), noise)
    for policy in ("strict", "report", "ignore"):
        try:
            use(dcmread(data, policy=policy))
        except DecodeError as error:
            check_place(error)
