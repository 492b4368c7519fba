"""Colour spaces of pixel data.  The docstrings are in colour.pyx."""

from typing import Any

from numpy.typing import NDArray
from typing_extensions import Buffer

_Memory = Buffer | NDArray[Any]

def ybr_to_rgb(
    source: _Memory, target: _Memory, stored: int = 8, *, partial: bool = False, subsampled: bool = False
) -> None: ...
