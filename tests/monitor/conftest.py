"""Recordings that the tests of this folder share: each scenario is played once in a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.monitor.scenarios import SCENARIOS, Scenario


@pytest.fixture(scope="session")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, pydicom_files: dict[str, Path]
) -> Callable[[str], Scenario]:
    """Function from the name of a scenario to its recording; skips the test with the reason where it cannot play."""
    played: dict[str, Scenario] = {}

    def record(name: str) -> Scenario:
        if name not in played:
            played[name] = SCENARIOS[name](tmp_path_factory.mktemp(name), pydicom_files)
        return played[name]

    return record
