"""Errors keep what they know when they are pickled, and say it when they are printed."""

from __future__ import annotations

import copy
import pickle

import pytest

from dicomwire import errors

ONE_OF_EACH = [
    errors.DecodeError("length past the end", offset=12, path="PatientID", section="PS3.5 7.1"),
    errors.EncodeError("too long", path="PatientID", section="PS3.5 6.2"),
    errors.UnsupportedError("no such codec", what="jpeg", extra="codecs"),
    errors.RemoteProtocolError("P-DATA first", state="STA2", event="EVT10", abort_reason=2, section="PS3.8 9.2.3"),
    errors.LocalProtocolError("not associated", state="STA1"),
    errors.AssociationRejected("called AE title not recognized", result=1, source=1, reason=7),
    errors.AssociationAborted("the provider aborted", source=2, reason=0),
    errors.ServiceError("out of resources", status=0xA700),
]


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_pickled_and_copied_errors_are_equal(error: Exception) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert twin.__dict__ == error.__dict__
        assert str(twin) == str(error)


def test_a_protocol_error_says_where_in_the_state_machine() -> None:
    error = errors.RemoteProtocolError("P-DATA first", state="STA2", event="EVT10", section="PS3.8 9.2.3")
    assert str(error) == "P-DATA first (EVT10, in STA2); PS3.8 9.2.3"
    assert str(errors.ProtocolError("P-DATA first")) == "P-DATA first"
