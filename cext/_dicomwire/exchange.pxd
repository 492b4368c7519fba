"""The walk that every text model of a data set shares; JSON and XML say how what it meets is written.

A writer goes through tapes and value bytes and puts text into a growable buffer, a piece at a time: no Python object
is made for an element whose text is plain.  PS3.18 Annex F, PS3.19 Annex A.1.
"""
from cpython.object cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

from .block cimport Block
from .dataset cimport DataSet


cdef struct Text:
    # A growable buffer of UTF-8.
    uint8_t* data
    size_t size
    size_t capacity


cdef inline int reserve(Text* text, size_t more) except -1 nogil:
    """Room for so many bytes more."""
    cdef size_t capacity
    cdef void* data
    if text.capacity - text.size >= more:
        return 0
    capacity = max(text.size + more, text.capacity + (text.capacity >> 1))
    data = realloc(text.data, capacity)
    if data == NULL:
        raise MemoryError
    text.data = <uint8_t*>data
    text.capacity = capacity
    return 0


cdef inline int put(Text* text, const void* data, size_t size) except -1 nogil:
    reserve(text, size)
    memcpy(text.data + text.size, data, size)
    text.size += size
    return 0


cdef struct Level:
    # A container that is being walked.
    PyObject* block             # borrowed from ``kept``
    const uint64_t* keys        # of an item out of order: Block.order_of, borrowed from ``kept``; or NULL
    Py_ssize_t key, key_count   # the next one, and how many there are
    PyObject* parts             # of what was edited: its elements, or its items, in a list borrowed from ``kept``
    uint32_t next, stop         # entries, or places in ``parts``
    uint32_t number             # members written so far
    uint8_t is_sequence         # its members are items
    uint8_t holds               # objects at the end of ``kept`` that go with it


cdef class ModelWriter:
    """Walks a data set; subclasses write what is met."""
    cdef Text text
    cdef DataSet waiting        # what nobody has begun with yet, or None
    cdef Level* levels
    cdef int depth              # of the innermost level; -1 before the first and behind the last
    cdef int capacity           # of ``levels``
    cdef list kept              # blocks and orders of the levels, the data set first
    cdef object handler         # of bulk data, or None
    cdef uint64_t threshold     # bytes; longer values of binary VRs are bulk data
    cdef bint omit              # leave out bulk data
    cdef bint number_texts      # IS, DS, SV and UV as texts
    # a binary value that is being written in pieces
    cdef Block bulk             # or None
    cdef uint64_t bulk_offset, bulk_left
    cdef const uint8_t* bulk_data   # of a value that was set; borrowed from ``bulk_held``
    cdef object bulk_held
    cdef int bulk_swap          # bytes of the words to turn around, 1 for none
    cdef uint8_t* piece
    cdef size_t piece_capacity

    cdef int run(self, size_t limit) except -1
    cdef int _enter(self, Block block, uint32_t index, bint is_sequence, int holds) except -1
    cdef int _leave(self) except -1
    cdef int _member(self, Level* level) except -1
    cdef int _element(self, Block block, uint32_t index, uint32_t number) except -1
    cdef int _text(self, Block block, uint32_t index, uint16_t vr, int traits, const uint8_t* p, uint64_t n) except -1
    cdef int _plain(self, uint16_t vr, int traits, const uint8_t* p, uint64_t n) except -1
    cdef int _component(self, uint32_t number, uint16_t vr, const uint8_t* p, uint64_t n) except -1
    cdef int _name(self, uint32_t number, const uint8_t* p, uint64_t n) except -1
    cdef int _numbers(self, Block block, uint32_t index, uint16_t vr, const uint8_t* p, uint64_t n) except -1
    cdef int _inside(self, Block block, uint32_t index) except -1
    cdef int _begin_bytes(self, Block block, uint32_t index, int word) except -1
    cdef int _begin_held(self, object data) except -1
    cdef int _more_bytes(self, size_t limit) except -1

    # What subclasses write.  Numbers of values, items and elements count from 0.
    cdef int open_model(self) except -1
    cdef int close_model(self) except -1
    cdef int open_element(self, Block block, uint32_t index, uint32_t tag, uint16_t vr, uint32_t number) except -1
    cdef int close_element(self) except -1
    cdef int open_sequence(self) except -1
    cdef int close_sequence(self) except -1
    cdef int open_item(self, uint32_t number) except -1
    cdef int close_item(self) except -1
    cdef int open_values(self, bint names) except -1
    cdef int close_values(self) except -1
    cdef int put_text(self, uint32_t number, const uint8_t* p, size_t n) except -1
    cdef int put_number(self, uint32_t number, const uint8_t* p, size_t n) except -1
    cdef int put_nothing(self, uint32_t number) except -1
    cdef int put_name(self, uint32_t number, const uint8_t* p, size_t n) except -1
    cdef int open_bytes(self) except -1
    cdef int close_bytes(self) except -1
    cdef int put_uri(self, str uri) except -1


cdef size_t number_text(const uint8_t* p, size_t n, uint8_t* out) noexcept nogil
