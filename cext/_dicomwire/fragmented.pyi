"""Fragments of IP datagrams.  The docstrings are in fragmented.pyx."""

from typing import final

@final
class FragmentTable: ...
