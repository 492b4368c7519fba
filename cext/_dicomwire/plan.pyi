"""What a data set looks like when it is written.  The docstrings are in plan.pyx."""

from typing import NoReturn, final

@final
class Plan:
    def __new__(cls, *, lengths: int = 0, policy: int = 1) -> Plan: ...
    length: int
    def __reduce__(self) -> NoReturn: ...
