"""Numbers of PDUs: those of the standard's tables, pynetdicom's as second opinion, and all others."""

from __future__ import annotations

import copy
import pickle

import pytest

from dicomwire import ul
from dicomwire.ul import codes
from tests.support import missing

ALL = [
    ul.ContextResultReason,
    ul.RejectResult,
    ul.RejectSource,
    ul.RejectReasonUser,
    ul.RejectReasonACSE,
    ul.RejectReasonPresentation,
    ul.AbortSource,
    ul.AbortReason,
    ul.UserIdentityType,
]


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (ul.ContextResultReason, [0, 1, 2, 3, 4]),
        (ul.RejectResult, [1, 2]),
        (ul.RejectSource, [1, 2, 3]),
        (ul.RejectReasonUser, [1, 2, 3, 7]),
        (ul.RejectReasonACSE, [1, 2]),
        (ul.RejectReasonPresentation, [1, 2]),
        (ul.AbortSource, [0, 2]),
        (ul.AbortReason, [0, 1, 2, 4, 5, 6]),
        (ul.UserIdentityType, [1, 2, 3, 4, 5]),
    ],
)
def test_numbers_of_the_standard(kind, numbers):
    assert [int(member) for member in kind] == numbers
    assert len({member.meaning for member in kind}) == len(numbers)


@pytest.mark.parametrize("kind", ALL)
def test_every_octet_is_a_member_and_nothing_else_is(kind):
    for number in range(256):
        member = kind(number)
        assert member == number
        assert isinstance(member, kind)
        assert str(member) == f"{number} ({member.meaning})"
        for twin in (pickle.loads(pickle.dumps(member)), copy.deepcopy(member)):
            assert twin == member
            assert twin.name == member.name
    assert len(list(kind)) < 8  # none of them stays
    for wrong in (-1, 256, "1", None):
        with pytest.raises(ValueError, match=kind.__name__):
            kind(wrong)


def test_reasons_of_each_source():
    assert {
        1: ul.RejectReasonUser,
        2: ul.RejectReasonACSE,
        3: ul.RejectReasonPresentation,
    } == codes.REJECT_REASONS
    assert all(issubclass(kind, ul.RejectReason) for kind in codes.REJECT_REASONS.values())


@pytest.mark.peers
def test_pynetdicom_lists_the_same_reasons():
    """pynetdicom has a text for each number that it knows, "(reserved)" among them."""
    try:
        from pynetdicom.pdu import A_ASSOCIATE_RJ
    except ImportError:
        missing("pynetdicom is not installed")
    for source, kind in codes.REJECT_REASONS.items():
        known = []
        for number in range(1, 12):
            reject = A_ASSOCIATE_RJ()
            reject.source, reject.reason_diagnostic = source, number
            try:
                text = reject.reason_str
            except ValueError:
                continue
            if "eserved" not in text:
                known.append(number)
        assert known == [int(member) for member in kind]
