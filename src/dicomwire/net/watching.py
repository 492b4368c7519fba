"""Time-outs of an association: one timer that looks after all of them, seldom.

Messages only leave marks of time behind; the timer compares them when the nearest limit may have passed.  So an echo
costs no timer, and an idle association owns a single one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from dicomwire.net.association import Association
    from dicomwire.net.settings import Timeouts

SHORTEST_S = 0.001  # between two looks: clocks of event loops may count whole milliseconds


class Watch:
    """Ends an association whose peer keeps it waiting longer than `Timeouts` has it."""

    __slots__ = ("_association", "_command_since", "_due", "_loop", "_timeouts", "_timer", "_unsent_since")

    def __init__(self, association: Association, loop: asyncio.AbstractEventLoop, timeouts: Timeouts) -> None:
        self._association = association
        self._loop = loop
        self._timeouts = timeouts
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._command_since: tuple[int, float] | None = None  # messages before it; when it was first seen unfinished
        self._unsent_since: tuple[int, float] | None = None  # bytes that wait to be sent; since when no fewer

    def start(self) -> None:
        """Look from now on."""
        timeouts = self._timeouts
        limits = [timeouts.dimse_s, None if self._association.is_requestor else timeouts.idle_s]
        nearest = min([limit for limit in limits if limit is not None], default=None)
        if nearest is not None:
            self.look_at(self._loop.time() + nearest)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look_at(self, due: float) -> None:
        """Look at this time of the loop, or before it."""
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        nearest: float | None = None
        for check in (self._responses, self._message, self._sending, self._silence):
            fault, due = check(now)
            if fault is not None:
                self._association.give_up(fault)
                return
            if due is not None and (nearest is None or due < nearest):
                nearest = due
        if nearest is not None:
            self.look_at(max(nearest, now + SHORTEST_S))

    # Each check returns a fault in words or None, and when to look again, None for never.

    def _responses(self, now: float) -> tuple[str | None, float | None]:
        invoker = self._association.invoker
        if invoker is None:
            return None, None
        connection = self._association.connection
        return invoker.overdue(now, now if connection.is_hindered else connection.unhindered_since)

    def _message(self, now: float) -> tuple[str | None, float | None]:
        """The rest of what has begun: piece by piece for a data set, the whole for a command or another PDU."""
        limit = self._timeouts.dimse_s
        if limit is None:
            return None, None
        association = self._association
        connection = association.connection
        if connection.is_held or (connection.is_between_pdus and association.is_between_messages):
            self._command_since = None
            return None, now + limit
        silent = connection.last_active + limit
        if silent <= now:
            return f"nothing of the rest of a message within {limit} s", None
        if association.is_in_data_set:
            self._command_since = None
            return None, silent
        if self._command_since is None or self._command_since[0] != association.messages_taken:
            self._command_since = association.messages_taken, now
        complete = self._command_since[1] + limit
        if complete <= now:
            return f"a command or another PDU was not complete within {limit} s", None
        return None, min(silent, complete)

    def _sending(self, now: float) -> tuple[str | None, float | None]:
        """What waits to be sent must become less."""
        limit = self._timeouts.dimse_s
        if limit is None:
            return None, None
        connection = self._association.connection
        if not connection.is_write_paused:
            self._unsent_since = None
            return None, now + limit
        unsent = connection.unsent
        if self._unsent_since is None or unsent < self._unsent_since[0]:
            self._unsent_since = unsent, now
        due = self._unsent_since[1] + limit
        if due <= now:
            return f"the peer took nothing of what waits to be sent within {limit} s", None
        return None, due

    def _silence(self, now: float) -> tuple[str | None, float | None]:
        limit, association = self._timeouts.idle_s, self._association
        if limit is None or association.is_requestor:
            return None, None
        if association.is_busy or association.connection.is_held:
            return None, now + limit
        due = association.connection.last_active + limit
        if due <= now:
            return f"nothing was heard for {limit} s", None
        return None, due
