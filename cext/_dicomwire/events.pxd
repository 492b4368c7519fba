"""Events of a stream: a batch is a stretch of tape, and its events are made while it is iterated."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from .block cimport Block
from .tape cimport TapeEntry

cdef enum Kind:
    ELEMENT = 1             # an element; its value is there unless it comes in pieces
    PIECE = 2               # bytes of a value that is longer than the piece limit
    SEQUENCE = 3
    SEQUENCE_END = 4
    ITEM = 5
    ITEM_END = 6
    FRAGMENTS = 7           # encapsulated pixel data begin
    FRAGMENT = 8            # one of their items; the first is the Basic Offset Table
    FRAGMENTS_END = 9
    FRAME = 10               # a frame of pixel data begins
    META = 11               # an element of File Meta Information
    END = 12                # of the data set


cdef class Producer:
    """What makes batches; one that has more of the same chunk is asked while its newest batch is iterated."""
    cdef EventBatch more(self, EventBatch after)


cdef class EventBatch:
    cdef Block block            # its tape; None when there are no entries
    cdef uint32_t first         # entries before it were given by earlier batches
    cdef uint32_t stop          # entries from here on are given by later ones
    cdef uint32_t opening       # the innermost container that is open before the first event
    cdef uint32_t closing       # ... and behind the last one
    cdef uint32_t leading       # the entry whose value goes on at the beginning, or 0
    cdef uint64_t at            # the chunk: bytes from here ...
    cdef uint64_t end           # ... to there of the stream
    cdef uint64_t piece_limit
    cdef bint is_meta
    cdef bint is_last
    cdef EventBatch following   # made from the same chunk
    cdef Producer producer      # that may have more of it, or None
    cdef object framer          # adds the events of frames to others, or None
    cdef uint64_t serial        # which one of the producer's it is


cdef class Event:
    cdef EventBatch batch
    cdef uint64_t at            # of a piece: where its bytes are; of a frame: its number
    cdef uint64_t size          # of a piece
    cdef uint32_t index         # of the entry
    cdef uint8_t code           # Kind


cdef bint is_container(TapeEntry* entries, uint32_t index) noexcept nogil
