"""Iteration over a data set: every element once, whatever else is read in between."""

import dicomwire
from tests.encoding import UNDEFINED, delimiter, explicit, item, part10

FRAGMENTED = part10(
    explicit(0x00280010, "US", b"\x01\x00")
    + explicit(0x7FE00010, "OB", item() + item(b"\x01\x02") + item(b"\x03\x04") + delimiter(),
    length=UNDEFINED) + explicit(0xFFFCFFFC, "OB", b"\x00\x00"),
    "1.2.840.10008.1.2.5",
)
NATIVE = part10(explicit(0x7FE00010, "OW", b"\x01\x02") + explicit(0xFFFCFFFC, "OB", b"\x00\x00"))


def test_reading_fragments_while_iterating_hands_out_each_element_once():
    data_set = dicomwire.dcmread(FRAGMENTED)
    tags = []
    for element in data_set:
        tags.append(int(element.tag))
        assert element.length > 0  # of undefined length: walks the fragments
        assert element.value is not None
    assert tags == [0x00280010, 0x7FE00010, 0xFFFCFFFC]


def test_walk_goes_on_behind_what_another_reader_completed():
    for data in (FRAGMENTED, NATIVE):
        data_set = dicomwire.dcmread(data)
        walk = data_set.iterall()
        tags = [int(next(walk).tag)]
        assert 0xFFFCFFFC in data_set
        tags += [int(element.tag) for element in walk]
        assert tags == [int(element.tag) for element in data_set]
        assert tags[-1] == 0xFFFCFFFC


def test_iteration_begun_before_the_tail_is_read_finds_the_tail():
    data_set = dicomwire.dcmread(NATIVE)
    elements = iter(data_set)
    assert next(elements).tag == 0x7FE00010
    assert len(data_set) == 2
    assert [int(element.tag) for element in elements] == [0xFFFCFFFC]


def test_elements_that_are_kept_stay_what_they_were() -> None:
    """The iterator uses an element again that nobody kept, and only such."""
    data_set = dicomwire.dcmread(explicit_with_many_elements(), force=True)
    paths = [element.path for element in data_set.iterall()]
    assert [element.path for element in list(data_set.iterall())] == paths
    kept = []
    for number, element in enumerate(data_set.iterall()):
        if number % 3 == 0:
            kept.append((element, element.path))
    assert len({id(element) for element, _ in kept}) == len(kept)
    assert all(element.path == path for element, path in kept)
    iterator = data_set.iterall()
    first, second, third = next(iterator), next(iterator), next(iterator)
    assert [first.path, second.path, third.path] == paths[:3]


def explicit_with_many_elements() -> bytes:
    """Twenty elements (0008,00xx) LO of two bytes in explicit VR little endian."""
    return b"".join(b"\x08\x00" + bytes((0x10 + number, 0)) + b"LO\x02\x00AB" for number in range(20))
