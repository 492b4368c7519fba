"""Value bytes to Python objects, one function for each family of VRs (PS3.5 section 6.2)."""
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    REPEATED_BITS = 10          # of the number of texts that a block keeps for those which say the same
    REPEATED_MOST = 32          # bytes of such a text

cdef object decode_ascii(const uint8_t* p, uint64_t n)
cdef bint is_plain(const uint8_t* p, uint64_t n) noexcept nogil
cdef uint64_t trimmed(const uint8_t* p, uint64_t n) noexcept nogil
cdef object decode_integer_string(const uint8_t* p, uint64_t n)
cdef object decode_decimal_string(const uint8_t* p, uint64_t n)
cdef object decode_numbers(const uint8_t* p, uint64_t n, uint16_t vr, bint big_endian)
cdef int word_size(uint16_t vr) noexcept nogil
cdef object as_uid(object text)
cdef object as_person_name(object text)
cdef object as_tag(uint32_t tag)
cdef object plain_component(uint16_t vr, const uint8_t* p, uint64_t n, bint* odd)
cdef object repeated_text(PyObject** texts, uint16_t vr, const uint8_t* p, uint64_t n)
cdef object plain_value(uint16_t vr, int traits, const uint8_t* p, uint64_t n, bint* odd)
