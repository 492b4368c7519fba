"""Byte order of values: words of 2, 4 or 8 bytes turned around (PS3.5 section 7.3)."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t

cdef enum:
    FREE_SWAP = 65536           # bytes from which on the GIL is released


def swap_words(data, int word_size):
    """The bytes of a buffer with each word turned around; bytes behind the last whole word stay as they are.

    word_size: 1, 2, 4 or 8 bytes.  ValueError for another one.
    """
    cdef Py_buffer view
    cdef bytes swapped
    cdef uint8_t* to
    if word_size not in (1, 2, 4, 8):
        raise ValueError(f"word_size={word_size}: expected 1, 2, 4 or 8")
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        swapped = PyBytes_FromStringAndSize(NULL, view.len)
        to = <uint8_t*>PyBytes_AS_STRING(swapped)
        if view.len >= FREE_SWAP:
            with nogil:
                dw_swap_words(to, <const uint8_t*>view.buf, <size_t>view.len, word_size)
        elif view.len:
            dw_swap_words(to, <const uint8_t*>view.buf, <size_t>view.len, word_size)
    finally:
        PyBuffer_Release(&view)
    return swapped


def word_size_of(str vr) -> int:
    """Bytes of the words that values of a VR consist of; 1 where byte order does not matter."""
    if len(vr) != 2:
        raise ValueError(f"a VR has two letters, not {len(vr)}")
    return dw_word_of(<uint16_t>((ord(vr[0]) & 0xFF) | (ord(vr[1]) & 0xFF) << 8))
