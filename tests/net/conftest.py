"""What the tests of this folder share: a certification authority, event loops of both kinds, threads that wait."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import cast

import pytest

from dicomwire.net import loan
from tests.net.certificates import Authority
from tests.net.raw import Loop, Run
from tests.support import missing

FOREVER_MS = 60_000  # longer than a test may take: whoever waits for this has not been woken


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("certificates")
    return Authority(folder)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine in an event loop of each kind; it may leave nothing behind."""
    if request.param == "asyncio":
        return Run(asyncio.new_event_loop)
    if importlib.util.find_spec("uvloop") is None:
        missing("uvloop is not installed")
    import uvloop

    return Run(cast(Loop, uvloop.new_event_loop))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that keep an association until somebody wants it back."""
    monkeypatch.setattr(loan, "PATIENCE_MS", FOREVER_MS)
