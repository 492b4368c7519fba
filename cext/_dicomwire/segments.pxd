"""The structure of an HL7 v2 message: segments and fields as places in its bytes (HL7 v2.5.1 chapter 2).

``fields`` holds the offset of each field's first byte, segment by segment, the segment's name being field 0; behind the
last field of a segment stands the offset that a further field would have.  So field ``n`` of a segment lies at
``fields[first + n]`` and ends one byte before ``fields[first + n + 1]``.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    FEW_FIELDS = 192            # held in the object; more are allocated
    FEW_SEGMENTS = 16

cdef enum Multibyte:            # how bytes below 0x80 can be a part of a character
    NO_MULTIBYTE = 0
    PAIRS = 1                   # behind a byte from 0x81 on stands the rest of its character: GB 18030, Big 5
    ESCAPES = 2                 # in sets of two bytes that ESC $ B, ESC $ ( D and their like switch to: ISO 2022

cdef struct SegmentPlace:
    uint32_t name               # three bytes, the first one highest; 0 if there are not three letters and digits
    uint32_t first              # of its fields, in ``fields``
    uint32_t count              # of its fields, the name included

cdef struct Separators:
    uint8_t field
    uint8_t component
    uint8_t repetition
    uint8_t escape              # 0: the message has none
    uint8_t subcomponent        # 0: none

cdef struct Wanted:             # one place of a Selection
    uint32_t name
    uint32_t field
    uint16_t component          # 0: the whole repetition
    uint16_t subcomponent       # 0: the whole component
    uint32_t if_field           # 0: no condition; else a field and component of the same segment
    uint16_t if_component
    uint16_t repetition         # from 1; 0: all of them

cdef class Selection:
    cdef readonly tuple places
    cdef Wanted* wanted
    cdef Py_ssize_t count
    cdef list conditions        # bytes that the condition's component must be, or None

cdef class SegmentIndex:
    cdef readonly bytes data
    cdef readonly int multibyte
    cdef Separators separators
    cdef SegmentPlace* segments
    cdef uint32_t* fields
    cdef Py_ssize_t segment_count, segment_room, field_count, field_room
    cdef Py_ssize_t first       # number in ``fields`` of the present segment's name, while indexing
    cdef SegmentPlace[FEW_SEGMENTS] few_segments
    cdef uint32_t[FEW_FIELDS] few_fields
    cdef int _index(self, const uint8_t* p, uint32_t length) noexcept nogil
    cdef int _separator(self, const uint8_t* p, uint32_t at, uint32_t length, uint32_t* start) noexcept nogil
    cdef int _add_field(self, uint32_t offset) noexcept nogil
    cdef int _end_segment(self, const uint8_t* p, uint32_t start, uint32_t stop) noexcept nogil
    cdef bint _find_field(self, const SegmentPlace* segment, uint32_t number, uint32_t* start,
                          uint32_t* stop) noexcept nogil
    cdef uint32_t _end_of(self, const uint8_t* p, uint32_t start, uint32_t stop, uint8_t separator) noexcept nogil
    cdef void _narrow(self, const uint8_t* p, uint32_t number, uint8_t separator, uint32_t* start,
                      uint32_t* stop) noexcept nogil
    cdef SegmentPlace* _place(self, Py_ssize_t number) except NULL
    cdef bint _holds(self, const uint8_t* p, const SegmentPlace* segment, const Wanted* wanted, bytes expected)
    cdef object _gather(self, const uint8_t* p, const SegmentPlace* segment, const Wanted* wanted, object found,
                        object decode)
