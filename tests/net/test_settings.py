"""Numbers that make no sense are refused where they are given."""

import pytest

from dicomwire.net import AE, Limits, Timeouts


def test_defaults() -> None:
    assert Timeouts() == Timeouts(connect_s=10.0, artim_s=30.0, dimse_s=60.0, idle_s=300.0)
    assert Limits().associations == 1000
    ae = AE()
    assert (ae.timeouts, ae.limits, ae.max_pdu_length) == (Timeouts(), Limits(), 131072)
    assert "DICOMWIRE" in repr(ae)


@pytest.mark.parametrize("name", ["connect_s", "artim_s", "dimse_s", "idle_s"])
@pytest.mark.parametrize("value", [0, -1.5, float("nan")])
def test_time_outs_are_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Timeouts(**{name: value})


def test_artim_always_runs() -> None:
    with pytest.raises(ValueError, match="ARTIM"):
        Timeouts(artim_s=None)  # type: ignore[arg-type]
    assert Timeouts(connect_s=None, dimse_s=None, idle_s=None).idle_s is None


@pytest.mark.parametrize("length", [1, 11, -1, 1 << 32])
def test_maximum_lengths_that_nobody_could_announce(length: int) -> None:
    with pytest.raises(ValueError, match="maximum length"):
        AE(max_pdu_length=length)
