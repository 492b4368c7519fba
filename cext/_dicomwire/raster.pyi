"""Pixels of pictures: levels by tables, other sizes, and lines.  The docstrings are in raster.pyx."""

from typing import Any

from numpy.typing import NDArray
from typing_extensions import Buffer

_Memory = Buffer | NDArray[Any]

def look_up(
    source: _Memory,
    word: int,
    target: _Memory,
    table: _Memory,
    samples: int = 1,
    low: int = 0,
    *,
    signed: bool = False,
) -> None: ...
def resample(
    source: _Memory,
    shape: tuple[int, int, int],
    down_first: _Memory,
    down_weights: _Memory,
    across_first: _Memory,
    across_weights: _Memory,
    target: _Memory,
    width: int,
    top: int,
    left: int,
) -> None: ...
def draw_lines(
    picture: _Memory, shape: tuple[int, int, int], lines: _Memory, pen: _Memory, colour: _Memory
) -> None: ...
