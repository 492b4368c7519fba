"""Where packets come from, as whoever analyses them sees it: one interface for files, pipes and interfaces."""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from _dicomwire.capture import PacketSource


class Filled(Enum):
    """What `Source.fill` found: packets to run on, nothing for now, or the end."""

    MORE = "more"
    SILENT = "silent"
    ENDED = "ended"


class Source:
    """A source of packets; `packets` is what a FlowTable runs on after each `fill`.

    ``name`` says what it is, ``is_live`` whether the present goes on in it: how long nothing was seen is then a
    matter of the clock, too.  ``truncated_bytes`` of an unfinished record were left where a capture ended.  Where `run`
    raises DecodeError the capture cannot be read on; `fill` then goes on with the next of a set, or says that it has
    ended.
    """

    packets: PacketSource
    name: str
    is_live = False
    truncated_bytes = 0

    def fill(self, timeout_s: float = 0.5) -> Filled:
        """Get more packets; SILENT when none came within ``timeout_s``, which only sources wait for that may have more.

        Raises OSError, and DecodeError for compressed bytes that are damaged.
        """
        raise NotImplementedError

    @property
    def drops(self) -> int:
        """Packets that whoever captured them says were dropped."""
        return self.packets.drops

    def close(self) -> None:
        """Give back what the system lends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
