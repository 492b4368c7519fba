"""The walk of the push parser.  The docstrings are in walker.pyx."""

from typing_extensions import disjoint_base

from _dicomwire.events import Producer

@disjoint_base
class Walker(Producer): ...
