"""Small helpers that tests import by name."""

import os
from importlib import import_module
from types import ModuleType

import pytest


def missing(reason: str) -> None:
    """Skips the test with the reason on a user's machine; fails it where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def module(name: str) -> ModuleType:
    """An optional module; the test, or the file of tests, is skipped where it is missing, and fails where CI is set."""
    try:
        return import_module(name)
    except ImportError:
        reason = f"{name.partition('.')[0]} is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)
