"""C-STORE requests and responses in their usual form, between bytes and a few numbers and UIDs (PS3.7 section 9.3.1).

A storage provider reads thousands of requests in a second and a storage user as many responses, nearly all of them with
the same elements in the same order.  What is not in that form is for `_dicomwire.command`, which knows all others.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from .command cimport is_uid
from .tape cimport dw_load16le, dw_load32le
from .values cimport as_uid, decode_ascii, is_plain, trimmed

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL

cdef extern from "bswap.h" nogil:
    void dw_store16le(void*, uint16_t) noexcept
    void dw_store32le(void*, uint32_t) noexcept

cdef enum:
    HEADER = 8                  # bytes: tag and length
    GROUP_LENGTH_SIZE = 12      # bytes of (0000,0000), header and value
    MAX_TITLE = 16
    STORE_FIXED = GROUP_LENGTH_SIZE + 6 * HEADER + 4 * 2    # bytes of a C-STORE-RSP besides its two UIDs


# -------------------------------------------------------------------------------------------------------------- request


cdef bint read_store_request(const uint8_t* p, Py_ssize_t size, StoreRequest* out) noexcept nogil:
    """Whether a command set is a C-STORE-RQ in its usual form, and then what it says.

    Elements have their usual order, each at most once, UIDs are what a response may name, and a data set is announced.
    """
    cdef Py_ssize_t at = 0
    cdef uint32_t tag, length, last = 0
    cdef int found = 0                  # bits: SOP class, field, message ID, priority, data set, instance
    cdef PlainUID* uid
    out.originator = NULL
    out.originator_length = 0
    out.originator_id = -1
    while at < size:
        if size - at < HEADER:
            return False
        tag = <uint32_t>dw_load16le(p + at) << 16 | dw_load16le(p + at + 2)
        length = dw_load32le(p + at + 4)
        at += HEADER
        if length > size - at or (tag <= last and at > HEADER):
            return False
        last = tag
        if tag == 0x0002 or tag == 0x1000:
            uid = &out.sop_class if tag == 0x0002 else &out.instance
            uid.text = p + at
            uid.length = <Py_ssize_t>trimmed(p + at, length)
            if length & 1 or not is_uid(uid.text, uid.length):
                return False
            found |= 1 if tag == 0x0002 else 32
        elif tag == 0x1030:
            if length > MAX_TITLE or length & 1:
                return False            # it is worth a finding
            out.originator = p + at
            out.originator_length = <Py_ssize_t>trimmed(p + at, length)
            if not is_plain(p + at, out.originator_length) or (out.originator_length and p[at] == c" "):
                return False
        elif tag == 0x0000:
            if length != 4 or dw_load32le(p + at) != size - at - 4:
                return False
        elif length != 2:
            return False
        elif tag == 0x0100:
            if dw_load16le(p + at) != 0x0001:
                return False
            found |= 2
        elif tag == 0x0110:
            out.message_id = dw_load16le(p + at)
            found |= 4
        elif tag == 0x0700:
            out.priority = dw_load16le(p + at)
            found |= 8
        elif tag == 0x0800:
            if dw_load16le(p + at) == 0x0101:
                return False
            found |= 16
        elif tag == 0x1031:
            out.originator_id = dw_load16le(p + at)
        else:
            return False
        at += length
    return found == 63 and out.priority <= 2


def store_request(command):
    """Message ID, SOP Class UID, SOP Instance UID, priority, and Move Originator's title and message ID or None, of a
    C-STORE-RQ in its usual form.

    None for any other command set, which says no more than that it has to be decoded: elements have their usual order,
    each at most once, UIDs are what a response may name, and a data set is announced (PS3.7 section 9.3.1.1).
    """
    cdef Py_buffer view
    cdef StoreRequest request
    PyObject_GetBuffer(command, &view, PyBUF_SIMPLE)
    try:
        if not read_store_request(<const uint8_t*>view.buf, view.len, &request):
            return None
        return (
            request.message_id,
            as_uid(decode_ascii(request.sop_class.text, request.sop_class.length)),
            as_uid(decode_ascii(request.instance.text, request.instance.length)),
            request.priority,
            None if request.originator == NULL else decode_ascii(request.originator, request.originator_length),
            None if request.originator_id < 0 else request.originator_id,
        )
    finally:
        PyBuffer_Release(&view)


# ------------------------------------------------------------------------------------------------------------- encoding


cdef inline uint8_t* put_header(uint8_t* p, uint32_t element, Py_ssize_t length) noexcept nogil:
    dw_store16le(p, 0)
    dw_store16le(p + 2, <uint16_t>element)
    dw_store32le(p + 4, <uint32_t>length)
    return p + HEADER


cdef inline Py_ssize_t padded(const PlainUID* uid) noexcept nogil:
    return uid.length + (uid.length & 1)


cdef inline uint8_t* put_uid(uint8_t* p, uint32_t element, const PlainUID* uid) noexcept nogil:
    cdef Py_ssize_t size = padded(uid)
    p = put_header(p, element, size)
    p[size - 1] = 0
    memcpy(p, uid.text, uid.length)
    return p + size


cdef inline uint8_t* put_number(uint8_t* p, uint32_t element, uint16_t number) noexcept nogil:
    p = put_header(p, element, 2)
    dw_store16le(p, number)
    return p + 2


cdef void write_message(uint8_t* p, const PlainUID* sop_class, const PlainUID* instance, const uint16_t* elements,
                        const uint16_t* numbers) noexcept nogil:
    """A command set of two UIDs and four numbers between them, STORE_FIXED bytes and the padded UIDs."""
    cdef int k
    p = put_header(p, 0, 4)
    dw_store32le(p, <uint32_t>(STORE_FIXED - GROUP_LENGTH_SIZE + padded(sop_class) + padded(instance)))
    p = put_uid(p + 4, 0x0002, sop_class)
    for k in range(4):
        p = put_number(p, elements[k], numbers[k])
    put_uid(p, 0x1000, instance)


cdef Py_ssize_t write_store_response(uint8_t* to, uint16_t message_id, const PlainUID* sop_class,
                                     const PlainUID* instance, uint16_t status) noexcept nogil:
    """Write the C-STORE-RSP to a request with these UIDs, at most MOST_STORE_RESPONSE bytes; how many."""
    cdef uint16_t[4] elements = [0x0100, 0x0120, 0x0800, 0x0900]
    cdef uint16_t[4] numbers = [0x8001, message_id, 0x0101, status]
    write_message(to, sop_class, instance, elements, numbers)
    return STORE_FIXED + padded(sop_class) + padded(instance)


cdef bint take_uid(PlainUID* uid, object text) except -1:
    """Whether a text is a UID that a response may name; it is borrowed from the text."""
    cdef Py_ssize_t k
    uid.text = <const uint8_t*>PyUnicode_AsUTF8AndSize(text, &uid.length)
    for k in range(uid.length):
        if uid.text[k] != c"." and not c"0" <= uid.text[k] <= c"9":
            return False
    return 0 < uid.length <= LONGEST_UID


def store_response(uint16_t message_id, sop_class_uid, sop_instance_uid, uint16_t status):
    """The C-STORE-RSP to a C-STORE-RQ with these UIDs, None where they are none that a response may name.

    The same as `CStoreRQ.response` encodes, without the objects (PS3.7 section 9.3.1.2).
    """
    cdef PlainUID sop_class, instance
    cdef uint8_t[MOST_STORE_RESPONSE] message
    cdef Py_ssize_t size
    if not take_uid(&sop_class, sop_class_uid) or not take_uid(&instance, sop_instance_uid):
        return None
    size = write_store_response(message, message_id, &sop_class, &instance, status)
    return PyBytes_FromStringAndSize(<const char*>message, size)


def store_command(uint16_t message_id, sop_class_uid, sop_instance_uid, uint16_t priority=0):
    """The C-STORE-RQ of an instance, None where the UIDs are none that a request may have.

    The same as `CStoreRQ.encode` gives, without the objects (PS3.7 section 9.3.1.1).
    """
    cdef uint16_t[4] elements = [0x0100, 0x0110, 0x0700, 0x0800]
    cdef uint16_t[4] numbers = [0x0001, message_id, priority, 0x0001]
    cdef PlainUID sop_class, instance
    cdef bytes message
    if not take_uid(&sop_class, sop_class_uid) or not take_uid(&instance, sop_instance_uid):
        return None
    message = PyBytes_FromStringAndSize(NULL, STORE_FIXED + padded(&sop_class) + padded(&instance))
    write_message(<uint8_t*>PyBytes_AS_STRING(message), &sop_class, &instance, elements, numbers)
    return message


# ------------------------------------------------------------------------------------------------------------- response


def store_answer(command):
    """Message ID Being Responded To and Status of a C-STORE-RSP that says nothing else worth knowing, or None.

    None for any other command set, which says no more than that it has to be decoded.
    """
    cdef Py_buffer view
    cdef const uint8_t* p
    cdef Py_ssize_t at = 0, size
    cdef uint32_t tag, length, last = 0
    cdef int found = 0, message_id = 0, status = 0
    cdef bint usual = True
    PyObject_GetBuffer(command, &view, PyBUF_SIMPLE)
    p = <const uint8_t*>view.buf
    size = view.len
    while at < size and usual:
        usual = False
        if size - at < HEADER:
            break
        tag = <uint32_t>dw_load16le(p + at) << 16 | dw_load16le(p + at + 2)
        length = dw_load32le(p + at + 4)
        at += HEADER
        if length > size - at or (tag <= last and at > HEADER):
            break
        last = tag
        if tag == 0x0000:
            usual = length == 4 and dw_load32le(p + at) == size - at - 4
        elif tag == 0x0002 or tag == 0x1000:
            usual = not length & 1 and length <= LONGEST_UID
        elif length == 2:
            usual = True
            if tag == 0x0100:
                usual = dw_load16le(p + at) == 0x8001
                found |= 1
            elif tag == 0x0120:
                message_id = dw_load16le(p + at)
                found |= 2
            elif tag == 0x0800:
                usual = dw_load16le(p + at) == 0x0101
                found |= 4
            elif tag == 0x0900:
                status = dw_load16le(p + at)
                found |= 8
            else:
                usual = False
        at += length
    PyBuffer_Release(&view)
    return (message_id, status) if usual and found == 15 else None
