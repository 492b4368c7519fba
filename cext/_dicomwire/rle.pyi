"""Frames of RLE.  The docstrings are in rle.pyx."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from typing_extensions import Buffer

_Memory = Buffer | NDArray[Any]

def decode_frames(
    frames: Sequence[_Memory],
    target: _Memory,
    samples: int,
    word: int,
    *,
    up: int = 0,
    down: int = 0,
    signed: bool = False,
) -> None: ...
def encode_segments(source: _Memory, rows: int, samples: int, word: int) -> list[bytes]: ...
