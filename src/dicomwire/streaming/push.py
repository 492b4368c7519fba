"""The push parser under its public names: bytes in, batches of events out."""

from _dicomwire.block import set_hooks
from _dicomwire.events import Event, EventBatch, EventKind
from _dicomwire.parser import StreamParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dicomwire.streaming.frames import FrameEvents

__all__ = ["Event", "EventBatch", "EventKind", "StreamParser"]


def _frame_events(transfer_syntax: str | None) -> "FrameEvents":
    from dicomwire.streaming.frames import FrameEvents

    return FrameEvents(transfer_syntax)


set_hooks(frame_events=_frame_events)
