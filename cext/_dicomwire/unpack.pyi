"""Native pixel data to arrays.  The docstrings are in unpack.pyx."""

from typing import Any

from numpy.typing import NDArray
from typing_extensions import Buffer

_Memory = Buffer | NDArray[Any]

def unpack_words(
    source: _Memory,
    target: _Memory,
    word: int,
    *,
    swapped: bool = False,
    up: int = 0,
    down: int = 0,
    signed: bool = False,
) -> None: ...
def words_are_clean(source: _Memory, word: int, *, up: int = 0, down: int = 0, signed: bool = False) -> bool: ...
def unpack_bits(source: _Memory, target: _Memory, *, skip: int = 0) -> None: ...
def unpack_12(source: _Memory, target: _Memory, *, odd: bool = False) -> None: ...
def interleave(source: _Memory, target: _Memory, planes: int, word: int, *, frames: int = 1) -> None: ...
def upsample_422(source: _Memory, target: _Memory, word: int) -> None: ...
