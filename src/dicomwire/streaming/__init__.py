"""DICOM as a stream: events from chunks of any size, in bounded memory."""

from dicomwire.streaming.pull import AsyncEventStream, EventStream, stream, stream_async
from dicomwire.streaming.push import Event, EventBatch, EventKind, StreamParser

__all__ = [
    "AsyncEventStream",
    "Event",
    "EventBatch",
    "EventKind",
    "EventStream",
    "StreamParser",
    "stream",
    "stream_async",
]
