"""Messages and transactions.  The docstrings are in messages.pyx."""

from _dicomwire.outcome import Outcome

class Messages(Outcome): ...
