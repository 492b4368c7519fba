"""Bulk values of files as mappings; see include/mapping.h."""
from libc.stdint cimport uint64_t

cdef enum:
    MAP_FROM = 65536            # bytes; smaller values are read, which costs less than the page faults

cdef object map_value(int descriptor, uint64_t offset, uint64_t length)
