"""Command sets.  The docstrings are in command.pyx."""

from collections.abc import Mapping, Sequence
from typing import Final

from typing_extensions import Buffer

_CommandValue = int | str | bytes | tuple[int, ...]
_Finding = tuple[str, int, int, str, str]

MAX_COMMAND_LENGTH: Final[int]

def command_vr(tag: int) -> str | None: ...
def decode_command(data: Buffer) -> tuple[dict[int, _CommandValue], list[_Finding] | None]: ...
def encode_command(elements: Mapping[int, _CommandValue], *, check: bool = True) -> bytes: ...
def encode_fields(
    tags: Sequence[int], values: Sequence[_CommandValue | None], check: bool
) -> bytes: ...
def echo_response(request: Buffer) -> bytes | None: ...
