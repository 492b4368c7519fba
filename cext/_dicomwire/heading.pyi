"""Headings of data sets.  The docstrings are in heading.pyx."""

from collections.abc import Iterable

from typing_extensions import Buffer

def read_data_set_heading(
    data: Buffer, encoding: int | None, cuts: Iterable[int] = ()
) -> tuple[list[tuple[int, int, bytes | int]], int, int, int]: ...
