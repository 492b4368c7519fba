"""Any stretch of the source that a data set was read from, for what its tape has no entry of: frames of pixel data."""
cimport cython
from libc.stdint cimport uint64_t
from libc.string cimport memset

from .block cimport Block
from .dataset cimport DataElement
from .decode cimport value_view
from .tape cimport TapeEntry

from .errors import TruncatedError

cdef extern from "Python.h":
    object PyMemoryView_FromObject(object)


@cython.final
@cython.no_gc
cdef class ByteRanges:
    """Reads bytes of the source in which an element stands: a file, a buffer, or an inflated stream.

    Holds the source and nothing that it has read.
    """
    cdef Block block

    def __init__(self, DataElement element not None):
        self.block = element.block

    @property
    def size(self):
        """Bytes of the source; None for an inflated stream whose end was not reached."""
        return self.block.source.size if self.block.source.size_known else None

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
        if self.block.pointer(&piece) == NULL and self.block.source.inflater is not None:
            self.block.source._inflate_value(offset, length)
        if self.block.pointer(&piece) != NULL:
            return value_view(self.block, &piece)
        mapped = self.block.source.mapped(offset, length)
        return PyMemoryView_FromObject(self.block.source.fetch(offset, length) if mapped is None else mapped)
