"""Bulk values of files without a copy: a read-only mapping that lives as long as a view of it.

A mapping shows the file as it is.  Where another process truncates it meanwhile, the missing pages read as zeros and
``is_cut`` tells so; the process goes on.
"""
cimport cython
from cpython.buffer cimport PyBuffer_FillInfo

cdef extern from "mapping.h" nogil:
    int dw_map(int descriptor, uint64_t offset, size_t length, void** base) noexcept
    void dw_unmap(int slot, void* base, size_t length) noexcept
    int dw_is_cut(int slot) noexcept

cdef extern from "<unistd.h>" nogil:
    long sysconf(int) noexcept
    enum: _SC_PAGESIZE


@cython.final
cdef class MappedValue:
    """Exports one value of a file from a mapping of its own."""
    cdef void* base
    cdef size_t mapped
    cdef Py_ssize_t skipped     # bytes of the first page before the value
    cdef Py_ssize_t size
    cdef int slot

    def __cinit__(self):
        self.slot = -1

    def __dealloc__(self):
        if self.slot >= 0:
            dw_unmap(self.slot, self.base, self.mapped)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, <char*>self.base + self.skipped, self.size, 1, flags)

    @property
    def is_cut(self):
        """Whether the file was truncated under the mapping and zeros were read in place of its bytes."""
        return bool(dw_is_cut(self.slot))


cdef object map_value(int descriptor, uint64_t offset, uint64_t length):
    """A MappedValue of ``length`` bytes at ``offset`` of the file; None where it cannot be mapped, and must be read."""
    cdef MappedValue value = MappedValue.__new__(MappedValue)
    cdef uint64_t page = <uint64_t>sysconf(_SC_PAGESIZE)
    cdef uint64_t begin = offset - offset % page
    value.skipped = <Py_ssize_t>(offset - begin)
    value.size = <Py_ssize_t>length
    value.mapped = <size_t>(length + (offset - begin))
    value.slot = dw_map(descriptor, begin, value.mapped, &value.base)
    return value if value.slot >= 0 else None
