"""The stubs give users the types that the documentation promises: mypy reads public_api.py and misuse.py."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import missing

pytestmark = pytest.mark.sources

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.fixture(scope="module")
def findings():
    """(file name, line number, kind or text) of what mypy says of both files, read once."""
    if importlib.util.find_spec("mypy") is None:
        missing("mypy is not installed")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--hide-error-context"]
    command += ["--no-error-summary", str(HERE / "public_api.py"), str(HERE / "misuse.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = []
    for line in done.stdout.splitlines():
        match = re.match(r".*?([\w.]+\.pyi?):(\d+): error: (.*)", line)
        if match:
            kind = re.search(r"\[([a-z-]+)\]$", line)
            found.append((match[1], int(match[2]), kind[1] if kind else "", match[3]))
    return found


def test_types_are_as_promised(findings):
    assert [finding for finding in findings if finding[0] != "misuse.py"] == []


def test_misuse_is_found(findings):
    """Shows too that mypy sees the types at all, and not Any."""
    wanted = {}
    for number, line in enumerate((HERE / "misuse.py").read_text().splitlines(), 1):
        code, comment, kind = line.partition("  # ")
        if code and comment:
            wanted[number] = kind
    assert {line: kind for name, line, kind, _ in findings if name == "misuse.py"} == wanted
