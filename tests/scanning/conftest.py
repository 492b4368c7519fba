"""Generated CT files for the scan's tests."""

from pathlib import Path

import pytest

from benchmarks.workloads import corpus


@pytest.fixture(scope="session")
def ct_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A few generated CT images in explicit VR little endian, without any deviation."""
    made = corpus("ct-explicit-le", "XS", root=tmp_path_factory.mktemp("corpus"))
    return [Path(path) for path in made.paths]
