"""What takes the streams of connections.  The docstrings are in sink.pyx."""

from typing_extensions import disjoint_base

@disjoint_base
class StreamSink: ...
