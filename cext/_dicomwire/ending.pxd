"""How a connection ended: a Python object over the struct of `conversation`, whose attributes are made when asked."""
from .conversation cimport Conversation

cdef class Ending:
    cdef Conversation* c

    @staticmethod
    cdef Ending wrap(Conversation* conversation)
