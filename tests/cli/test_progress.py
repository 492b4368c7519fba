"""What is told of many files while they are worked through."""

from __future__ import annotations

import pytest

from dicomwire.cli.progress import SHOWN, Tally


def test_the_first_failures_get_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    with Tally("modifying", SHOWN + 5) as tally:
        for number in range(SHOWN + 3):
            tally.count(f"file-{number}", "it is broken")
        tally.count("good")
        tally.count("better")
    assert (tally.done, tally.failed) == (2, SHOWN + 3)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines[:SHOWN] == [f"dicomwire: error: file-{number}: it is broken" for number in range(SHOWN)]
    assert lines[SHOWN:] == ["dicomwire: warning: modifying: more than 20 files failed; further ones are only counted"]


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Tally("converting", 2) as tally:
        tally.count("one")
        tally.count("two")
    assert "converting" in capsys.readouterr().err
