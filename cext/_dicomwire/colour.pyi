"""Colour spaces of pixel data.  The docstrings are in colour.pyx."""

from typing_extensions import Buffer

def ybr_to_rgb(
    source: Buffer, target: Buffer, stored: int = 8, *, partial: bool = False, subsampled: bool = False
) -> None: ...
