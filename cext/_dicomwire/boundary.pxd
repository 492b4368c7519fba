"""What a stream of a capture speaks, and where in it a PDU begins, from its bytes alone (PS3.8 section 9.3).

Ports are hints only.  A stream that is picked up in the middle is searched for a place where the lengths of a PDU and
of the presentation data values in it agree, which chance hardly brings about.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t

cdef enum Protocol:
    UNDECIDED = 0               # more bytes are needed
    DICOM = 1
    MLLP = 2                    # HL7 v2 (lower layer protocol)
    TLS = 3
    ISCL = 4                    # known by its port alone
    HTTP = 5
    OTHER_PROTOCOL = 6
    PROTOCOLS = 7

cdef enum:
    ISCL_PORT = 2761
    MOST_TAIL = 128             # bytes that a search keeps for the next window: a PDU's header and titles

cdef enum Fit:
    FITS_NOT = 0
    FITS = 1
    FITS_SO_FAR = 2             # there are too few bytes to be sure

cdef int fits_pdu(const uint8_t* p, size_t n, bint in_the_middle) noexcept nogil
cdef int guess_protocol(const uint8_t* p, size_t n, uint16_t port, uint16_t other_port) noexcept nogil
cdef int find_boundary(const uint8_t* p, size_t n, bint is_dicom, size_t* at) noexcept nogil


cdef inline bint is_dicom_port(uint16_t port) noexcept nogil:
    return port in (104, 2761, 2762, 11112)
