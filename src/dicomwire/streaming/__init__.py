"""Data sets as they stream, in bounded memory: events, remote files, archives and message bodies."""

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
