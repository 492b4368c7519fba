"""The push parser under its public names: bytes in, batches of events out."""

from _dicomwire.events import Event, EventBatch, EventKind
from _dicomwire.parser import StreamParser

__all__ = ["Event", "EventBatch", "EventKind", "StreamParser"]
