"""The table of connections.  The docstrings are in connections.pyx."""

from typing import final

@final
class ConnectionTable:
    def __init__(self, most: int) -> None: ...
