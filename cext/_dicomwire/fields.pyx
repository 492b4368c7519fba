"""Command sets read without the GIL and without an object (PS3.7 section 6.3.1, Annex E).

What is wrong with a command set is `_dicomwire.command`'s to say; this one takes what can be taken.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.string cimport memset

from .tape cimport dw_load16le, dw_load32le

cdef enum:
    HEADER = 8                  # bytes: tag and length
    MOST_VALUE = 0xFFFF         # bytes; a command set is not longer


cdef Field next_field(const uint8_t** p, const uint8_t* end, uint32_t* tag) noexcept nogil:
    """The value at ``p``, which moves behind it; ``data`` is NULL at the end and where a length passes it."""
    cdef const uint8_t* q = p[0]
    cdef uint32_t length
    cdef Field field
    field.data = NULL
    field.length = 0
    if end - q < HEADER:
        return field
    tag[0] = <uint32_t>dw_load16le(q) << 16 | dw_load16le(q + 2)
    length = dw_load32le(q + 4)
    q += HEADER
    if length > MOST_VALUE or end - q < <Py_ssize_t>length:
        return field
    p[0] = q + length
    field.data = q
    field.length = <uint16_t>length
    return field


cdef inline void _strip(Field* field) noexcept nogil:
    while field.length and field.data[field.length - 1] in (0, c' '):
        field.length -= 1


cdef void read_fields(const uint8_t* p, uint32_t n, Fields* fields) noexcept nogil:
    """Read the fields of a command set of ``n`` bytes; of one that occurs twice the first counts."""
    cdef const uint8_t* end = p + n
    cdef uint32_t tag = 0, bit
    cdef uint16_t* number
    cdef Field field
    memset(fields, 0, sizeof(Fields))
    while p < end:
        field = next_field(&p, end, &tag)
        if field.data == NULL or tag > 0xFFFF:
            fields.is_faulty = True
            return
        if tag == 0x0002 or tag == 0x0003:
            if fields.sop_class.data == NULL:
                _strip(&field)
                fields.sop_class = field
            continue
        if tag == 0x1000 or tag == 0x1001:
            if fields.sop_instance.data == NULL:
                _strip(&field)
                fields.sop_instance = field
            continue
        if field.length != 2:
            continue
        if tag == 0x0100:
            bit, number = HAS_COMMAND, &fields.command
        elif tag == 0x0110:
            bit, number = HAS_MESSAGE_ID, &fields.message_id
        elif tag == 0x0120:
            bit, number = HAS_ANSWERED_ID, &fields.answered_id
        elif tag == 0x0800:
            bit, number = HAS_DATA_SET_TYPE, &fields.data_set_type
        elif tag == 0x0900:
            bit, number = HAS_STATUS, &fields.status
        elif tag == 0x1031:
            bit, number = HAS_ORIGINATOR_ID, &fields.originator_id
        elif 0x1020 <= tag <= 0x1023:
            bit, number = HAS_REMAINING << (tag - 0x1020), &fields.counts[tag - 0x1020]
        else:
            continue
        if not fields.present & bit:
            fields.present |= bit
            number[0] = dw_load16le(field.data)


def read_command_fields(command):
    """What a reader without the GIL sees of a command set: a dict, with None for what is missing (PS3.7 Annex E)."""
    cdef Py_buffer view
    cdef Fields fields
    cdef uint32_t at
    cdef dict found
    PyObject_GetBuffer(command, &view, PyBUF_SIMPLE)
    try:
        if view.len > 0xFFFFFFFFu:
            raise ValueError("a command set of 4 GiB and more")
        read_fields(<const uint8_t*>view.buf, <uint32_t>view.len, &fields)
        found = {
            "command_field": fields.command if fields.present & HAS_COMMAND else None,
            "message_id": fields.message_id if fields.present & HAS_MESSAGE_ID else None,
            "message_id_being_responded_to": fields.answered_id if fields.present & HAS_ANSWERED_ID else None,
            "command_data_set_type": fields.data_set_type if fields.present & HAS_DATA_SET_TYPE else None,
            "status": fields.status if fields.present & HAS_STATUS else None,
            "move_originator_message_id": fields.originator_id if fields.present & HAS_ORIGINATOR_ID else None,
            "sop_class_uid": fields.sop_class.data[:fields.sop_class.length] if fields.sop_class.data else None,
            "sop_instance_uid":
                fields.sop_instance.data[:fields.sop_instance.length] if fields.sop_instance.data else None,
            "sub_operations": [
                fields.counts[at] if fields.present & <uint32_t>HAS_REMAINING << at else None for at in range(4)
            ],
            "is_faulty": fields.is_faulty,
        }
    finally:
        PyBuffer_Release(&view)
    return found
