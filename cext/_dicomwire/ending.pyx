"""How connections that spoke DICOM ended, and what was counted of them.

Times are nanoseconds since 1970-01-01 UTC; None where the capture does not say.
"""
cimport cython
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport uint32_t
from libc.stdlib cimport free

from .conversation cimport Conversation
from .order cimport MOST_KEPT
from .pdu cimport fault_text
from .record cimport CAUSES, known
from .sink cimport Side

cdef tuple _PDUS = ("invalid", "A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "A-ASSOCIATE-RJ", "P-DATA-TF", "A-RELEASE-RQ",
                    "A-RELEASE-RP", "A-ABORT")

# What an ending that nobody filled, by __new__ alone, points to: never written to.
cdef Conversation _no_conversation


@cython.final
cdef class Ending:
    """What was counted of a connection that spoke DICOM; `dicomwire.monitor.associations` makes the record of it."""

    def __cinit__(self):
        self.c = &_no_conversation

    def __init__(self):
        raise TypeError("endings are made by a Talk")

    def __dealloc__(self):
        if self.c != &_no_conversation:
            Py_XDECREF(self.c.facts)
            Py_XDECREF(self.c.handler)
            free(self.c.request.data)
            free(self.c.answer.data)
            free(self.c)

    @staticmethod
    cdef Ending wrap(Conversation* conversation):
        cdef Ending ending = Ending.__new__(Ending)
        ending.c = conversation
        return ending

    @property
    def end(self):
        """(cause, side or None, time in ns or None), and how the connection was closed."""
        cdef Conversation* c = self.c
        return (CAUSES[c.end_kind], c.end_side if c.end_side < 2 else None, known(c.end_ns),
                CAUSES[c.forgotten_kind])

    @property
    def transactions(self):
        return self.c.transactions

    @property
    def controls(self):
        """The first PDUs other than P-DATA-TF: (type, side, time in ns, frame, four bytes of the short ones)."""
        cdef int i
        return [
            (self.c.control[i].pdu_type, self.c.control[i].side, known(self.c.control[i].time_ns),
             self.c.control[i].frame, self.c.control[i].fields[:4])
            for i in range(self.c.controls)
        ]

    @property
    def illegal_pdus(self):
        """How many, and of the first ones (type, side, frame, states in which the sender may have been)."""
        cdef uint32_t i
        cdef int state
        return self.c.order.illegal_count, [
            (_PDUS[self.c.order.illegal[i].pdu_type], self.c.order.illegal[i].side, self.c.order.illegal[i].frame,
             [state for state in range(1, 15) if self.c.order.illegal[i].states >> state & 1])
            for i in range(min(self.c.order.illegal_count, <uint32_t>MOST_KEPT))
        ]

    @property
    def is_judged(self):
        """Whether the order of the PDUs could be judged to the end."""
        return not self.c.order.is_lost

    def fault(self, int side):
        """What was wrong with the first bytes that are no PDU; None if there were none."""
        if side not in (0, 1):
            raise ValueError("side 0 or 1 expected")
        return fault_text(&self.c.half[side].broken) if self.c.half[side].is_broken else None

    def counts(self, int side):
        """What a side sent, by name: PDUs by type, messages, bytes, and the counters of its TCP stream."""
        cdef int i
        if side not in (0, 1):
            raise ValueError("side 0 or 1 expected")
        cdef Side* s = &self.c.copy.side[side]
        return {
            "pdus": {_PDUS[i]: self.c.half[side].pdus[i] for i in range(8) if self.c.half[side].pdus[i]},
            "messages": self.c.half[side].messages,
            "requests": self.c.half[side].requests,
            "data_bytes": self.c.half[side].data_bytes,
            "skipped_bytes": self.c.half[side].skipped,
            "longest_pdu": self.c.half[side].longest_pdu,
            "pdus_too_long": self.c.half[side].too_long,
            "packets": s.packets,
            "l2_bytes": s.wire_bytes,
            "bytes": s.payload_bytes,
            "lost_bytes": s.lost_bytes,
            "gaps": s.gaps,
            "retransmissions": s.retransmissions,
            "retransmitted_bytes": s.retransmitted_bytes,
            "rto": s.timeouts,
            "fast_retransmissions": s.fast_retransmissions,
            "out_of_order": s.out_of_order,
            "duplicates": s.duplicates,
            "conflicts": s.conflicts,
            "zero_wnd": s.zero_windows,
            "zero_window_time_ns": s.zero_window_ns,
            "round_trip_time_min_ns": s.rtt_min_ns if s.rtt_count else None,
            "round_trip_time_max_ns": s.rtt_max_ns if s.rtt_count else None,
            "round_trip_time_mean_ns": s.rtt_sum_ns // s.rtt_count if s.rtt_count else None,
            "first_ns": known(s.first_ns),
            "last_ns": known(s.last_ns),
            "syn_ns": known(s.syn_ns),
            "fin_ns": known(s.fin_ns),
            "rst_ns": known(s.rst_ns),
            "mss": s.mss or None,
        }
