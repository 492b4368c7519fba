"""New files are beside the names that they are to have, hidden, and take these only when nobody else has them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from _dicomwire.naming import open_beside, rename_new

if TYPE_CHECKING:
    from pathlib import Path


def opened(name: str) -> str:
    begun = open_beside(name)
    assert begun is not None
    descriptor, temporary = begun
    os.write(descriptor, b"x")
    os.close(descriptor)
    return temporary


def test_new_files_are_hidden_and_differ(tmp_path: Path) -> None:
    names = {opened(str(tmp_path / "image.dcm")) for _ in range(50)}
    assert len(names) == 50
    for name in names:
        assert os.path.dirname(name) == str(tmp_path)
        assert os.path.basename(name).startswith(".image.dcm.")
        assert name.endswith(".part")


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        name = opened(str(tmp_path / "x"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(name).st_mode) == 0o640


def test_descriptors_are_not_inherited(tmp_path: Path) -> None:
    begun = open_beside(str(tmp_path / "x"))
    assert begun is not None
    assert not os.get_inheritable(begun[0])
    os.close(begun[0])


def test_a_name_in_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert os.path.dirname(opened("x.dcm")) == ""
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize("what", ["file", "folder", "link", "nothing"])
def test_only_where_there_is_nothing(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x"
    if what == "file":
        path.write_bytes(b"")
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to("nowhere")
    begun = open_beside(str(path), only_missing=True)
    assert (begun is not None) == (what == "nothing")
    if begun is not None:
        os.close(begun[0])
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize("name", ["a" * 255, "\u5c71" * 85, "\udcff" * 255, "ab" + "\u5c71" * 84])
def test_long_names_of_any_bytes(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    temporary = opened(path)
    part = os.path.basename(temporary)[1:].split(".")[0]
    assert part
    assert os.fsencode(name).startswith(os.fsencode(part))
    assert len(os.fsencode(part)) <= 100
    assert rename_new(temporary, path)
    assert os.listdir(tmp_path) == [name]


def test_errors_name_what_was_wanted(tmp_path: Path) -> None:
    path = str(tmp_path / "no" / "x.dcm")
    with pytest.raises(FileNotFoundError) as raised:
        open_beside(path)
    assert raised.value.filename == path
    with pytest.raises(OSError, match="File name too long"):
        open_beside("x" * 10_000 + "/y")
    with pytest.raises(ValueError, match="null"):
        open_beside("a\0b")


def test_a_name_that_is_taken_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"older")
    temporary = opened(str(path))
    with pytest.raises(FileExistsError):
        rename_new(temporary, str(path))
    assert path.read_bytes() == b"older"
    assert os.path.exists(temporary)
