"""Frames of RLE.  The docstrings are in rle.pyx."""

from collections.abc import Sequence

from typing_extensions import Buffer

def decode_segments(source: Buffer, offsets: Sequence[int], target: Buffer, samples: int, word: int) -> None: ...
def encode_segments(source: Buffer, rows: int, samples: int, word: int) -> list[bytes]: ...
