"""Which instance a data set is, from its first bytes."""
from libc.stdint cimport uint8_t, uint32_t

cdef struct LeadingUIDs:            # SOP Class UID and SOP Instance UID, where they are and how long; padding left off
    Py_ssize_t[2] offset
    uint32_t[2] length              # 0 for one that is missing

cdef bint find_leading_uids(const uint8_t* p, Py_ssize_t end, bint explicit_vr, bint little_endian,
                            LeadingUIDs* out) noexcept nogil
