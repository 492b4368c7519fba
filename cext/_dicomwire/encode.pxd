"""Python values to value bytes, the other way of values.pxd and decode.pxd (PS3.5 section 6.2)."""
from libc.stdint cimport uint16_t

from .source cimport Window

cdef object encode_value(Window* out, uint16_t vr, object value)
cdef object kept_bytes(object value)
cdef object number_text(object value, uint16_t vr)
