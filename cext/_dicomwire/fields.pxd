"""The fields of a command set as a C struct, for those who read many of them without the GIL (PS3.7 Annex E)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    RESPONSE_BIT = 0x8000       # of Command Field
    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150
    C_CANCEL = 0x0FFF
    NO_DATA_SET = 0x0101        # Command Data Set Type

cdef enum FieldBit:             # of ``present``
    HAS_COMMAND = 1
    HAS_MESSAGE_ID = 2
    HAS_ANSWERED_ID = 4
    HAS_DATA_SET_TYPE = 8
    HAS_STATUS = 16
    HAS_REMAINING = 32          # and the three bits behind it, in the order of ``counts``
    HAS_ORIGINATOR_ID = 512

cdef struct Field:              # a value, without what pads it
    const uint8_t* data         # in the command set; borrowed
    uint16_t length

cdef struct Fields:
    uint32_t present            # FieldBit
    uint16_t command
    uint16_t message_id
    uint16_t answered_id        # Message ID Being Responded To
    uint16_t data_set_type
    uint16_t status
    uint16_t originator_id
    uint16_t[4] counts          # of sub-operations: remaining, completed, failed, warning
    Field sop_class             # affected or requested
    Field sop_instance
    bint is_faulty              # a length passes the end, an element of another group: what follows was not read

cdef void read_fields(const uint8_t* p, uint32_t n, Fields* fields) noexcept nogil
cdef Field next_field(const uint8_t** p, const uint8_t* end, uint32_t* tag) noexcept nogil
