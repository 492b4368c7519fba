"""Records that belong together: C-MOVE and C-GET with their C-STOREs, worklist, procedure steps, images and commitment.

A sub-operation that comes over another connection names who asked for it: an AE title and a message ID, which are used
again and again.  Of the C-MOVEs that fit the latest one counts whose destination is the called AE title, or whose peer
is the sender, and that was open when the C-STORE came.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _dicomwire.record import Transaction

MOST_STUDIES = 10_000
MOST_MOVES = 2_000
MOVE_AFTER_NS = 60_000_000_000
"""A C-STORE may be seen so long after the final response of its C-MOVE: servers answer before they send, too."""


class Joiner:
    """Links the records of a run; what it remembers is bounded."""

    def __init__(self, *, most_studies: int = MOST_STUDIES, most_moves: int = MOST_MOVES) -> None:
        self._most_studies, self._most_moves = most_studies, most_moves
        self._waiting: OrderedDict[tuple[str, int], list[Transaction]] = OrderedDict()

    def join(self, record: Any) -> None:
        """Take a record in the order in which they come."""
        if record.record != "transaction" or not record.is_sub_operation:
            return
        if record.is_get_sub_operation:
            record.parent = {"association": record.association, "message_id": record.parent_message_id}
