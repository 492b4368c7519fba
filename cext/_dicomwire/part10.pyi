"""Reading a data set from a source.  The docstrings are in part10.pyx."""

from collections.abc import Iterable, Mapping
from typing import Literal

from _dicomwire.dataset import DataSet, Sequence
from _dicomwire.fragments import Fragments

def dcmread(
    source: object,
    *,
    stop_before_pixels: bool = False,
    specific_tags: Iterable[str | int | tuple[int, int]] | None = None,
    stop_at: str | int | tuple[int, int] | None = None,
    force: bool = False,
    charset: str | Iterable[str] | None = None,
    policy: Literal["strict", "report", "ignore"] | str = "report",
    defer_size: object = None,
) -> DataSet: ...
def restore(data: bytes, arguments: Mapping[str, object] | None, filename: object) -> DataSet: ...
def restore_inside(
    data: bytes, kind: int, encoding: int, state: tuple[int, tuple[str, ...] | None, tuple[str, ...] | None, int]
) -> DataSet | Sequence | Fragments: ...
def read_syntax(data_set: DataSet) -> str | None: ...
def read_meta(data_set: DataSet) -> DataSet: ...
