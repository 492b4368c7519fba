"""Any stretch of the source that a data set was read from, for what its tape has no entry of: frames of pixel data."""
cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from .block cimport Block
from .dataset cimport DataElement
from .decode cimport value_view
from .source cimport Source
from .tape cimport TapeEntry, dw_load32le

from .errors import TruncatedError

cdef extern from "Python.h":
    object PyMemoryView_FromObject(object)
    Py_buffer* PyMemoryView_GET_BUFFER(object)

cdef enum:
    ITEM_HEADER = 8
    ITEM = 0xE000FFFE                   # as the number that its four bytes make in little endian
    SEQUENCE_DELIMITER = 0xE0DDFFFE


@cython.final
@cython.no_gc
cdef class ByteRanges:
    """Reads bytes of the source in which an element stands: a file, a buffer, or an inflated stream.

    Holds the source and nothing that it has read, but for the mapping of ``look_ahead``.
    """
    cdef Block block
    cdef object window          # a memoryview of a part of the file, or None ...
    cdef uint64_t start, stop   # ... and which part
    cdef uint64_t ahead         # bytes of a window

    def __init__(self, DataElement element not None):
        self.block = element.block
        self.window = None
        self.start = self.stop = self.ahead = 0

    @property
    def size(self):
        """Bytes of the source; None for an inflated stream whose end was not reached."""
        return self.block.source.size if self.block.source.size_known else None

    @property
    def is_remote(self):
        """Whether each read is a request, so that ``prefetch`` is worth its while."""
        return self.block.source.remote is not None

    def view(self, uint64_t offset, uint64_t length):
        """A read-only memoryview of ``length`` bytes at ``offset``: of memory, of a mapping, or of bytes read now.

        Raises TruncatedError where the source ends before.
        """
        cdef TapeEntry piece
        cdef uint64_t size
        cdef object mapped
        memset(&piece, 0, sizeof(TapeEntry))
        piece.offset = offset
        piece.length = length
        size = self.block.source.size if self.block.source.size_known else <uint64_t>1 << 62
        if offset > size or length > size - offset:
            raise TruncatedError(f"{length} bytes wanted, the source has {size - offset if size > offset else 0} left",
                                 offset=offset, section="PS3.5 7.1.1")
        if self.ahead and self.moved(offset, length):
            return self.window[offset - self.start:offset - self.start + length]
        if self.block.pointer(&piece) == NULL and self.block.source.inflater is not None:
            self.block.source._inflate_value(offset, length)
        if self.block.pointer(&piece) != NULL:
            return value_view(self.block, &piece)
        mapped = self.block.source.mapped(offset, length)
        return PyMemoryView_FromObject(self.block.source.fetch(offset, length) if mapped is None else mapped)

    def items(self, first, end):
        """(offset, length) of the value of each item, one behind the other from offset ``first`` to ``end``.

        end: None for all up to a Sequence Delimitation Item.  None where items do not end there (PS3.5 section A.4).
        """
        cdef uint64_t size = self.block.source.size if self.block.source.size_known else <uint64_t>1 << 62
        cdef uint64_t position, stop, length
        cdef uint32_t tag
        cdef const uint8_t* header
        cdef list found = []
        if not 0 <= first <= size or not (end is None or 0 <= end <= size):
            return None
        position, stop = first, size + 1 if end is None else end
        while position < stop:
            piece = self.header_at(position)
            if piece is None:
                return None
            header = <const uint8_t*>PyMemoryView_GET_BUFFER(piece).buf
            tag = dw_load32le(header)
            length = dw_load32le(header + 4)
            if tag == SEQUENCE_DELIMITER and end is None and found:
                return found
            position += ITEM_HEADER
            if tag != ITEM or length > size - position:
                return None
            found.append((position, length))
            position += length
        return found if position == stop else None

    cdef object header_at(self, uint64_t position):
        """A memoryview of the header of an item; None where the source ends before."""
        try:
            return self.view(position, ITEM_HEADER)
        except TruncatedError:
            return None

    def look_ahead(self, uint64_t length):
        """Map so many bytes of a local file at once from now on, for views that follow each other.

        They share a mapping, and what is in it is touched when it is looked at.  With 0 each view has its own again.
        """
        self.ahead = length
        self.window = None
        self.start = self.stop = 0

    cdef bint moved(self, uint64_t offset, uint64_t length) except -1:
        """Have the window hold these bytes; False where no file can be mapped, or they are more than it shall have."""
        cdef Source source = self.block.source
        cdef object mapped
        cdef uint64_t size
        if self.start <= offset and offset + length <= self.stop:
            return True
        if not source.is_file or source.remote is not None or source.inflater is not None or length > self.ahead:
            return False
        size = min(self.ahead, source.size - offset)
        mapped = source.mapped(offset, size)
        if mapped is None:
            return False
        self.window = PyMemoryView_FromObject(mapped)
        self.start, self.stop = offset, offset + size
        return True

    def prefetch(self, ranges):
        """Tell a remote source which (offset, length) will be asked for next, so that they come side by side."""
        if self.is_remote and hasattr(self.block.source.remote, "prefetch"):
            self.block.source.remote.prefetch(ranges)
