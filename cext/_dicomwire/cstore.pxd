"""C-STORE command sets in their usual form, without objects (PS3.7 section 9.3.1)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    LONGEST_UID = 64
    MOST_STORE_RESPONSE = 224       # bytes of a C-STORE-RSP with two of the longest UIDs

cdef struct PlainUID:               # digits and dots, 1 to LONGEST_UID of them
    const uint8_t* text             # borrowed
    Py_ssize_t length               # without padding

cdef struct StoreRequest:
    PlainUID sop_class, instance
    const uint8_t* originator       # the title of Move Originator, NULL without one; borrowed
    Py_ssize_t originator_length
    int originator_id               # -1 without one
    uint16_t message_id, priority

cdef bint read_store_request(const uint8_t* command, Py_ssize_t size, StoreRequest* out) noexcept nogil
cdef Py_ssize_t write_store_response(uint8_t* to, uint16_t message_id, const PlainUID* sop_class,
                                     const PlainUID* instance, uint16_t status) noexcept nogil
