"""Open transactions.  The docstrings are in transactions.pyx."""

from _dicomwire.outcome import Outcome

class Transactions(Outcome): ...
