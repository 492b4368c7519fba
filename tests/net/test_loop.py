"""uvloop where it is installed, asyncio's own loop elsewhere."""

import asyncio
import sys

import pytest

from dicomwire.net.loop import new_event_loop, run
from tests.support import missing


async def module() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_uvloop_is_used() -> None:
    try:
        import uvloop  # noqa: F401
    except ImportError:
        missing("uvloop is not installed")
    assert run(module()).startswith("uvloop")


def test_asyncio_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = new_event_loop()
    loop.close()
    assert type(loop).__module__.startswith("asyncio")
    assert run(module()).startswith("asyncio")


def test_results_and_errors_come_through() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail())
