"""What the tests of this folder share: a certification authority, and event loops of both kinds."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import cast

import pytest

from tests.net.certificates import Authority
from tests.net.raw import Loop, Run
from tests.support import missing


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
