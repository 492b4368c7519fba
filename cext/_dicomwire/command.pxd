"""Command sets: implicit VR little endian, group 0000 (PS3.7 section 6.3.1)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    MAX_COMMAND_SIZE = 65536    # bytes; a command set has a few hundred, so that more is an attack or another stream

cdef uint16_t command_element_vr(uint32_t tag) noexcept nogil
cdef bint is_uid(const uint8_t* p, Py_ssize_t n) noexcept nogil
cdef tuple decode_elements(const uint8_t* p, Py_ssize_t n)
