"""Bytes that come in pieces, collected into one object and copied once.

The pieces of a data set come with each read from a socket and their memory is used again for the next, so that they
must be copied; nobody says beforehand how many there are.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.ref cimport PyObject
from libc.string cimport memcpy

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    PyObject* PyBytes_FromStringAndSize(const char*, Py_ssize_t) except NULL
    int _PyBytes_Resize(PyObject**, Py_ssize_t) except -1
    char* PyBytes_AS_STRING(PyObject*) noexcept
    void Py_XDECREF(PyObject*)

cdef enum:
    LEAST_ROOM = 65536          # bytes; the first room, if no more was asked for


@cython.final
@cython.no_gc
cdef class Collector:
    """Copies what is written to it into one bytes object, which grows by half, and hands that over without a copy.

    The copying keeps the GIL: it is a few microseconds for what one read brings, less than giving it away costs.
    """

    cdef PyObject* data         # a bytes object that nobody else has, or NULL
    cdef Py_ssize_t length
    cdef Py_ssize_t room

    def __dealloc__(self):
        Py_XDECREF(self.data)

    cdef int _grow(self, Py_ssize_t room) except -1:
        if self.data == NULL:
            self.data = PyBytes_FromStringAndSize(NULL, room)
        else:
            try:
                _PyBytes_Resize(&self.data, room)
            except MemoryError:
                self.length = self.room = 0         # the old object is gone
                raise
        self.room = room
        return 0

    def reserve(self, Py_ssize_t length):
        """Make room for so many bytes more, where their number is known."""
        if length < 0:
            raise ValueError("a length below zero")
        if length > PY_SSIZE_T_MAX - self.length:
            raise MemoryError
        if length > self.room - self.length:
            self._grow(self.length + length)

    def write(self, views):
        """Copy the bytes of some buffers in a row behind those that are there."""
        cdef Py_buffer view
        for piece in views:
            PyObject_GetBuffer(piece, &view, PyBUF_SIMPLE)
            try:
                if view.len > self.room - self.length:
                    self._grow(max(self.length + view.len, self.room + self.room // 2, <Py_ssize_t>LEAST_ROOM))
                if view.len:
                    memcpy(PyBytes_AS_STRING(self.data) + self.length, view.buf, <size_t>view.len)
                    self.length += view.len
            finally:
                PyBuffer_Release(&view)

    def __len__(self):
        return self.length

    def finish(self):
        """The bytes; the collector is empty then."""
        cdef object done
        if self.data == NULL:
            return b""
        if self.room != self.length:
            self._grow(self.length)
        done = <object>self.data
        Py_XDECREF(self.data)       # ``done`` has a reference of its own
        self.data = NULL
        self.length = self.room = 0
        return done
