"""PDV fragmentation.  The docstrings are in pdv.pyx."""

from collections.abc import Iterable
from typing import final

from typing_extensions import Buffer

def fragment(
    context_id: int, is_command: bool, payload: Buffer | Iterable[Buffer], max_pdu_length: int
) -> list[bytes | memoryview]: ...
def message_buffers(
    context_id: int,
    command: Buffer | Iterable[Buffer],
    data_set: Buffer | Iterable[Buffer] | None,
    max_pdu_length: int,
) -> list[bytes | memoryview]: ...
@final
class Gathering: ...
@final
class Fragmenter:
    def __init__(self, context_id: int, is_command: bool, max_pdu_length: int) -> None: ...
    def write(self, chunk: Buffer) -> list[bytes | memoryview]: ...
    def finish(self) -> list[bytes | memoryview]: ...
