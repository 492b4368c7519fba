"""Messages and transactions.  The docstrings are in messages.pyx."""

from _dicomwire.transactions import Transactions

class Messages(Transactions): ...
