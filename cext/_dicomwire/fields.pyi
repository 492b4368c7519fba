"""Fields of command sets.  The docstrings are in fields.pyx."""

from typing import Any

from typing_extensions import Buffer

def read_command_fields(command: Buffer) -> dict[str, Any]: ...
