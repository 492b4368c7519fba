"""The table of connections.  The docstrings are in connections.pyx."""

from typing import Self, final

@final
class ConnectionTable:
    def __new__(cls, most: int) -> Self: ...
