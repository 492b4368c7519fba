"""Files under a temporary name until they are complete; File Meta Information (PS3.10 section 7.1)."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
from pathlib import Path

import pydicom
import pytest

import dicomwire
from dicomwire.file import instance_file
from dicomwire.file.instance_file import Duplicates, FileWriter, file_meta_information
from tests.net.storage.instances import CT, data_set, files_in


@pytest.mark.parametrize("title", ["", "ODD", "EVEN", "SIXTEEN-LETTERS-"])
@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34"])
def test_file_meta_information_reads_back(title: str, instance: str) -> None:
    head = file_meta_information(CT, instance, "1.2.840.10008.1.2.1", title)
    other = pydicom.dcmread(io.BytesIO(head + data_set(instance)))
    meta = other.file_meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (CT, instance)
    assert meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.get("SourceApplicationEntityTitle", "") == title
    assert meta.FileMetaInformationGroupLength == len(head) - 144
    ours = dicomwire.dcmread(head + data_set(instance), policy="strict")
    assert ours.SOPInstanceUID == instance
    assert [int(element.tag) for element in ours.file_meta] == [int(element.tag) for element in meta]


@pytest.mark.parametrize(
    ("instance", "title", "error"),
    [("1" * 65, "A", ValueError), ("1.ä", "A", UnicodeEncodeError), ("1", "A" * 17, ValueError)],
)
def test_what_does_not_fit_is_an_error(instance: str, title: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        file_meta_information(CT, instance, "1.2", title)


def written(path: Path, data: bytes, duplicates: Duplicates = Duplicates.KEEP) -> str | None:
    writer = FileWriter(str(path))
    writer.write([memoryview(data)])
    return writer.commit(duplicates)


@pytest.mark.parametrize("fsync", [False, True])
def test_a_file_has_its_name_when_it_is_complete(tmp_path: Path, fsync: bool) -> None:
    path = tmp_path / "a" / "b" / "c.dcm"
    writer = FileWriter(str(path))
    writer.write([b"one", memoryview(b"-two")])
    assert not path.exists()
    assert len(files_in(tmp_path)) == 1
    writer.write([b"-three"])
    assert writer.commit(Duplicates.KEEP, fsync=fsync) == str(path)
    assert path.read_bytes() == b"one-two-three"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert files_in(tmp_path) == ["a/b/c.dcm"]
    writer.discard()
    assert path.exists()


def test_names_of_folders_are_on_the_disk_before_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def synchronize(folder: str) -> None:
        said.append(folder)
        if folder == str(tmp_path.parent):
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(instance_file, "synchronize_folder", synchronize)
    monkeypatch.setattr(instance_file, "_synchronized", {})

    def stored(name: str) -> list[str]:
        said.clear()
        writer = FileWriter(str(tmp_path / name))
        writer.commit(Duplicates.KEEP, fsync=True)
        return [os.path.relpath(folder, tmp_path) for folder in said]

    assert stored("study/one/1.dcm") == ["study/one", "study", ".", ".."]
    assert stored("study/one/2.dcm") == ["study/one"]
    assert stored("study/two/3.dcm") == ["study/two", "study"]
    shutil.rmtree(tmp_path / "study")
    assert stored("study/two/4.dcm") == ["study/two", "study", ".", ".."]


def test_what_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    writer = FileWriter(str(tmp_path / "x.dcm"))
    writer.write([b"some"])
    writer.discard()
    writer.discard()
    assert files_in(tmp_path) == []


def test_more_buffers_than_a_call_takes(tmp_path: Path) -> None:
    pieces = [bytes([number % 256]) * (number % 7) for number in range(3 * instance_file.BUFFERS_AT_ONCE + 5)]
    writer = FileWriter(str(tmp_path / "x.dcm"))
    writer.write(pieces)
    writer.commit(Duplicates.KEEP)
    assert (tmp_path / "x.dcm").read_bytes() == b"".join(pieces)


def test_short_writes_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.writev

    def short(descriptor: int, buffers: list[bytes]) -> int:
        return whole(descriptor, [b"".join(map(bytes, buffers))[:3]])

    monkeypatch.setattr(os, "writev", short)
    writer = FileWriter(str(tmp_path / "x.dcm"))
    writer.write([b"abcd", b"", b"efghij", memoryview(b"kl")])
    writer.commit(Duplicates.KEEP)
    assert (tmp_path / "x.dcm").read_bytes() == b"abcdefghijkl"


@pytest.mark.parametrize("has_links", [True, False])
def test_duplicates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    if not has_links:

        def refuse(*arguments: object, **options: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "x.dcm"
    assert written(path, b"first") == str(path)
    for policy in (Duplicates.KEEP, Duplicates.REFUSE):
        assert written(path, b"second", policy) is None
        assert path.read_bytes() == b"first"
    assert written(path, b"third", Duplicates.NUMBER) == str(tmp_path / "x-2.dcm")
    assert written(path, b"fourth", Duplicates.NUMBER) == str(tmp_path / "x-3.dcm")
    assert written(path, b"fifth", Duplicates.REPLACE) == str(path)
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == {
        "x.dcm": b"fifth",
        "x-2.dcm": b"third",
        "x-3.dcm": b"fourth",
    }


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "x.dcm").symlink_to(outside)
    assert written(folder / "x.dcm", b"new", Duplicates.KEEP) is None
    assert written(folder / "x.dcm", b"new", Duplicates.REPLACE) is not None
    assert outside.read_bytes() == b"precious"
