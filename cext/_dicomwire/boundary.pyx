"""Detection of protocols and search for PDU boundaries.  See boundary.pxd."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from .pdu cimport A_ABORT, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, P_DATA_TF

cdef extern from "bswap.h" nogil:
    uint32_t dw_load32be(const void*) noexcept

cdef enum:
    LEAST_ASSOCIATE = 68        # PDU-length of fixed fields
    MOST_ASSOCIATE = 1 << 20
    MOST_DATA = 1 << 28         # PDU-length that is believed in the middle of a stream
    TITLES = 10                 # offset of the AE titles
    ITEMS = 74                  # offset of the first item
    MOST_RECORD = 16384 + 2048  # length of a TLS record (RFC 8446 section 5.2, with what older versions add)


cdef inline bint _is_item(uint8_t item_type) noexcept nogil:
    return item_type in (0x10, 0x20, 0x21, 0x50)


cdef int _fits_associate(const uint8_t* p, size_t n, uint32_t length, bint in_the_middle) noexcept nogil:
    cdef size_t i
    cdef uint8_t least = 0x20 if in_the_middle else 0
    if not LEAST_ASSOCIATE <= length <= MOST_ASSOCIATE:
        return FITS_NOT
    if in_the_middle and n > 7 and not p[7] & 1:
        return FITS_NOT         # the bit of protocol version 1
    for i in range(TITLES, min(n, <size_t>TITLES + 32)):
        if p[i] < least or p[i] and not 0x20 <= p[i] < 0x7F:
            return FITS_NOT     # devices fill titles with NUL, too, but so are images
    if n <= ITEMS:
        return FITS_SO_FAR
    return FITS if _is_item(p[ITEMS]) else FITS_NOT


cdef int _fits_data(const uint8_t* p, size_t n, uint32_t length, bint in_the_middle) noexcept nogil:
    """Whether presentation data values fill the PDU; in the middle of a stream one look must convince."""
    cdef uint64_t at = 6, end = 6 + <uint64_t>length
    cdef uint32_t size
    cdef bint convinces = False
    if length < 6 or length > MOST_DATA:
        return FITS_NOT
    while at < end:
        if at + 6 > n:
            break
        size = dw_load32be(p + at)
        if size < 2 or at + 4 + size > end or not p[at + 4] & 1 or p[at + 5] > 3:
            return FITS_NOT
        if at == 6 and size == length - 4 and not p[11] & 1:
            convinces = True    # 32 bits agree
        if p[at + 5] & 1 and size >= 10 and at + 14 <= n and not memcmp(p + at + 6, b"\0\0\0\0\x04\0\0\0", 8):
            convinces = True    # Command Group Length
        at += 4 + <uint64_t>size
    if at == 6:
        return FITS_SO_FAR
    if at >= end and end + 6 <= n and not (A_ASSOCIATE_RQ <= p[end] <= A_ABORT and p[end + 1] == 0):
        return FITS_NOT
    if at >= end and end + 6 <= n or not in_the_middle or convinces:
        return FITS
    return FITS_SO_FAR if n < 32 else FITS_NOT


cdef int fits_pdu(const uint8_t* p, size_t n, bint in_the_middle) noexcept nogil:
    """Whether a PDU begins here, a Fit; reserved bytes count only ``in_the_middle`` of a stream."""
    cdef uint32_t length
    cdef int pdu_type
    if n == 0:
        return FITS_SO_FAR
    pdu_type = p[0]
    if not A_ASSOCIATE_RQ <= pdu_type <= A_ABORT or in_the_middle and n > 1 and p[1]:
        return FITS_NOT
    if n < 6:
        if n > 2 and pdu_type > A_ASSOCIATE_AC and pdu_type != P_DATA_TF and p[2]:
            return FITS_NOT
        return FITS_SO_FAR
    length = dw_load32be(p + 2)
    if pdu_type <= A_ASSOCIATE_AC:
        return _fits_associate(p, n, length, in_the_middle)
    if pdu_type == P_DATA_TF:
        return _fits_data(p, n, length, in_the_middle)
    if length != 4:
        return FITS_NOT
    if n < 10:
        return FITS_SO_FAR
    if not in_the_middle:
        return FITS
    if p[6] or n > 10 and not A_ASSOCIATE_RQ <= p[10] <= A_ABORT or n > 11 and p[11]:
        return FITS_NOT         # ten bytes alone are too few, unless they end what was sent
    if pdu_type == A_ASSOCIATE_RJ:
        return FITS if 1 <= p[7] <= 2 and 1 <= p[8] <= 3 and p[9] <= 10 else FITS_NOT
    if pdu_type == A_ABORT:
        return FITS if p[7] == 0 and p[8] <= 2 and p[9] <= 6 else FITS_NOT
    return FITS if p[7] == 0 and p[8] == 0 and p[9] == 0 else FITS_NOT


cdef bint _is_mllp(const uint8_t* p, size_t n) noexcept nogil:
    """Start block and the name of a segment that begins a message, a batch or a file."""
    return p[0] == 0x0B and n >= 4 and (not memcmp(p + 1, b"MSH", 3) or not memcmp(p + 1, b"BHS", 3)
                                        or not memcmp(p + 1, b"FHS", 3))


cdef bint _is_tls(const uint8_t* p, size_t n) noexcept nogil:
    return n >= 5 and 0x14 <= p[0] <= 0x17 and p[1] == 3 and p[2] <= 4 and 0 < (<int>p[3] << 8 | p[4]) <= MOST_RECORD


cdef bint _is_http(const uint8_t* p, size_t n) noexcept nogil:
    cdef int i
    cdef const char* names = b"GET HEADPOSTPUT DELECONNOPTITRACPATCPRI HTTP"
    if n >= 4:
        for i in range(11):
            if not memcmp(p, names + i * 4, 4):
                return True
    return False


cdef int guess_protocol(const uint8_t* p, size_t n, uint16_t port, uint16_t other_port) noexcept nogil:
    """What a stream speaks by its first bytes, a Protocol; UNDECIDED while there are too few."""
    cdef int fit
    if n == 0:
        return UNDECIDED
    if p[0] == 0x0B:
        if n < 4:
            return UNDECIDED
        return MLLP if _is_mllp(p, n) else OTHER_PROTOCOL
    fit = fits_pdu(p, n, False)
    if fit == FITS:
        return DICOM
    if n < 5 or fit == FITS_SO_FAR:
        return UNDECIDED
    if _is_tls(p, n):
        return TLS
    if _is_http(p, n):
        return HTTP
    if port == ISCL_PORT or other_port == ISCL_PORT:
        return ISCL
    return OTHER_PROTOCOL


cdef int find_boundary(const uint8_t* p, size_t n, bint is_dicom, size_t* at) noexcept nogil:
    """The first place in the middle of a stream where a PDU or an MLLP block begins: DICOM or MLLP, and where.

    UNDECIDED without one: ``at`` says from where on bytes are to be kept for the next look, at most MOST_TAIL.
    """
    cdef size_t i = 0
    cdef int fit
    while i < n:
        if p[i] > A_ABORT and (is_dicom or p[i] != 0x0B) or p[i] == 0:
            i += 1
            continue
        if p[i] == 0x0B:
            if n - i >= 4 and _is_mllp(p + i, n - i):
                at[0] = i
                return MLLP
            if n - i < 4:
                break
            i += 1
            continue
        fit = fits_pdu(p + i, n - i, True)
        if fit == FITS:
            at[0] = i
            return DICOM
        if fit == FITS_SO_FAR and n - i < MOST_TAIL:
            break
        i += 1
    at[0] = i
    return UNDECIDED


def protocol_of(data, int port=0, int other_port=0):
    """The protocol of a stream that begins with these bytes, a number (for tests)."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return guess_protocol(<const uint8_t*>view.buf, <size_t>view.len, <uint16_t>port, <uint16_t>other_port)
    finally:
        PyBuffer_Release(&view)


def boundary_in(data, bint is_dicom=True):
    """(protocol, offset) of the first boundary in the middle of a stream (for tests)."""
    cdef Py_buffer view
    cdef size_t at = 0
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        protocol = find_boundary(<const uint8_t*>view.buf, <size_t>view.len, is_dicom, &at)
        return protocol, at
    finally:
        PyBuffer_Release(&view)
