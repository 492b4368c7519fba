"""The generated tables equal a fresh run of their generator, and say what they are."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import missing

pytestmark = pytest.mark.sources

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "tools" / "build_tables.py"
PINNED = {"pydicom": "3.0.2", "highdicom": "0.28.2"}
TABLES = [
    "cext/_dicomwire/_dataset_attributes.pyi",
    "cext/_dicomwire/_tagindex.h",
    "src/dicomwire/dictionary/_elements.py",
    "src/dicomwire/dictionary/_iods.json",
    "src/dicomwire/dictionary/_keywords.py",
    "src/dicomwire/dictionary/_private.py",
    "src/dicomwire/dictionary/_uids.py",
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", str(GENERATOR), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all tables made anew."""
    for package, version in PINNED.items():
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found = "nothing"
        if found != version:
            missing(f"making the tables needs {package}=={version} (dependency group codegen), found {found}")
    folder = tmp_path_factory.mktemp("tables")
    result = run("--output", str(folder))
    assert result.returncode == 0, result.stderr
    return folder


def test_generator_makes_exactly_these_files(fresh: Path) -> None:
    made = sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file())
    assert made == TABLES


@pytest.mark.parametrize("path", TABLES)
def test_file_equals_a_fresh_run(fresh: Path, path: str) -> None:
    # Not `==` inside the assertion: pytest would render the difference of two long texts for minutes.
    same = (fresh / path).read_bytes() == (ROOT / path).read_bytes()
    assert same, f"{path} is not what `make tables` writes"


def test_check_finds_a_changed_and_an_absent_file(fresh: Path, tmp_path: Path) -> None:
    for path in TABLES:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((fresh / path).read_bytes())
    assert run("--check", "--output", str(tmp_path)).returncode == 0

    changed, absent = tmp_path / TABLES[0], tmp_path / TABLES[1]
    changed.write_bytes(changed.read_bytes() + b"\n")
    absent.unlink()
    result = run("--check", "--output", str(tmp_path))
    assert result.returncode == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == sorted(TABLES[:2], reverse=True)
    assert not absent.exists()


@pytest.mark.parametrize("path", TABLES)
def test_header_names_source_edition_and_command(path: str) -> None:
    start = (ROOT / path).read_text(encoding="utf-8")[:600]
    assert "make tables" in start
    assert "2024c" in start
    assert "MIT licence" in start
    package = "highdicom" if path.endswith(".json") else "pydicom"
    assert f"{package} {PINNED[package]}" in start


def test_tables_stay_small() -> None:
    sizes = {path: (ROOT / path).stat().st_size for path in TABLES}
    assert sizes["src/dicomwire/dictionary/_iods.json"] < 500_000
    assert sum(sizes.values()) < 2_000_000


IMPORT_ALONE = """
import sys, types
package = types.ModuleType("dicomwire")
package.__path__ = [{folder!r}]
sys.modules["dicomwire"] = package
before = set(sys.modules)
import dicomwire.dictionary
print(*sorted(set(sys.modules) - before))
"""


def test_importing_the_dictionary_loads_little() -> None:
    script = IMPORT_ALONE.format(folder=str(ROOT / "src" / "dicomwire"))
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(result.stdout.split()) <= {
        "__future__",
        "_struct",
        "struct",
        "dicomwire.dictionary",
        "dicomwire.dictionary._keywords",
        "dicomwire.dictionary.tags",
        "dicomwire.dictionary.uids",
    }
