"""A certification authority for the tests of this folder."""

from pathlib import Path

import pytest

from tests.net.certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("certificates")
    return Authority(folder)
