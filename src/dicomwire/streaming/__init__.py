"""DICOM as a stream: events from chunks of any size, in bounded memory."""

from dicomwire.streaming.push import Event, EventBatch, EventKind, StreamParser

__all__ = ["Event", "EventBatch", "EventKind", "StreamParser"]
