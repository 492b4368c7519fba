"""Views of bytes that cost one object each.

Slicing a memoryview makes a slice, two integers and the view; here the view alone is made, of the whole, and its
private copy of the buffer's description is narrowed before anyone sees it.  It holds the memory as any other slice
would.
"""
from cpython.memoryview cimport PyMemoryView_FromObject, PyMemoryView_GET_BUFFER


cdef inline memoryview byte_view(object data):
    """A read-only view of all bytes of a contiguous buffer.  TypeError if it is none."""
    cdef memoryview view = PyMemoryView_FromObject(data)
    cdef Py_buffer* inside = PyMemoryView_GET_BUFFER(view)
    # The format of plain bytes is "B" or missing; a view always has its shape.
    if inside.ndim != 1 or inside.strides[0] != 1 or (inside.format != NULL and (
            inside.format[0] != c"B" or inside.format[1] != 0)):
        view = (<object>view).cast("B")
        inside = PyMemoryView_GET_BUFFER(view)
    inside.readonly = 1
    return view


cdef inline memoryview part_of(memoryview whole, Py_ssize_t offset, Py_ssize_t length):
    """A view of ``length`` bytes at ``offset``, which the caller has checked, of a view made by byte_view()."""
    cdef memoryview view = PyMemoryView_FromObject(whole)
    narrow(view, offset, length)
    return view


cdef inline void narrow(memoryview view, Py_ssize_t offset, Py_ssize_t length) noexcept:
    """Let a view of byte_view() that nobody else has seen yet show a part of itself."""
    cdef Py_buffer* inside = PyMemoryView_GET_BUFFER(view)
    inside.buf = <char*>inside.buf + offset
    inside.len = length
    inside.shape[0] = length
