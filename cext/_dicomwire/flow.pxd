"""Flows: TCP segments of a capture become streams.  What a sink is told, and its names, are those of sink.pxd."""
from .sink cimport (
    CAPTURE_END, CUT, EVICTED, EVICTED_CONNECTION, FIN, GO_ON, IDLE, IGNORE, LOST, PAUSE, RST, SUPERSEDED, UNCONFIRMED,
    UNKNOWN_TIME, Connection, EndKind, GapKind, Segment, Side, SinkAnswer, StreamSink,
)
