"""Records of conversations: Python objects over the structs of `conversation`, whose attributes are made when asked."""
from libc.stdint cimport int64_t, uint32_t

from .conversation cimport Exchange, GapNode
from .sink cimport UNKNOWN_TIME

cdef tuple CAUSES                       # why something ended, by the numbers of `conversation`


cdef inline object known(int64_t time_ns):
    """A time, or None where the capture does not say."""
    return None if time_ns == UNKNOWN_TIME else time_ns


cdef class Record:
    cdef readonly object facts          # what is known of the connection and its association

cdef class Transaction(Record):
    cdef Exchange* e
    cdef public object parent           # of a sub-operation: association and message ID of what asked for it
    cdef public object stored           # of a C-MOVE: its C-STOREs that were seen, by class of status
    cdef public object time_since_request_ns    # of a commitment's report: since it was asked for
    cdef object cell(self, unsigned int tag, unsigned char origin)
    cdef object text(self, unsigned int tag, unsigned char origin)
    cdef object _first_uid(self, unsigned int tag)
    cdef object _study(self)
    cdef object _count(self, unsigned int tag)
    cdef list _keys(self, unsigned char wanted)
    cdef int _add_key(self, dict item, object policy, object tag, object text) except -1
    cdef bint _is_broken_off(self)
    cdef uint32_t _grown(self, const uint32_t* before, const uint32_t* at_end, bint of_sender)
    cdef object _raw(self, int i)

    @staticmethod
    cdef Transaction wrap(Exchange* exchange, object facts)

cdef class Gap(Record):
    cdef GapNode* g

    @staticmethod
    cdef Gap wrap(GapNode* gap, object facts)
