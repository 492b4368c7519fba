"""A file takes its name when it is complete, or there is nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomwire.replacing import replacing


def test_the_name_is_taken_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "list.ndjson"
    path.write_text("old")
    with replacing(path) as temporary:
        Path(temporary).write_text("new")
        assert path.read_text() == "old"
        assert Path(temporary).parent == tmp_path
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("begun", [True, False])
def test_an_exception_leaves_the_old_file_alone(tmp_path: Path, begun: bool) -> None:
    path = tmp_path / "list.ndjson"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:  # noqa: PT012
        if begun:
            Path(temporary).write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
