"""Whether PDUs are legal, seen from the middle of the wire: the state machine of both ends at once (PS3.8 section 9.2).

A capture does not say when an end has read what was sent to it.  For each end all ways are kept in which it may have
come to what it sent: a state, and how many of its peer's PDUs it had processed.  The acknowledgement that travels with
a PDU bounds what its sender can have known.  A PDU is illegal when no way is left that could have sent it.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    ABORTING = 14               # a state of ours: an A-ABORT is due, of action AA_1, AA_7 or AA_8
    PDU_TYPES = 8               # 0: not a PDU
    MOST_WAYS = 32
    MOST_ARRIVED = 16
    MOST_DEFERRED = 8
    MOST_KEPT = 8               # illegal PDUs whose place is kept

cdef struct OrderTable:         # made of dicomwire.ul.state.TRANSITIONS; 0: not in the table
    uint8_t[15][8] on_receipt   # the state after a PDU was received
    uint8_t[15][8] on_receipt_by_acceptor       # the same, where the roles differ
    uint8_t[15][8] on_sending   # the state after a PDU was sent

cdef struct Way:
    uint8_t state
    uint8_t taken               # of ``arrived``

cdef struct Arrived:            # a PDU of the peer, or a run of P-DATA-TF
    uint64_t end                # offset in the peer's stream
    uint8_t pdu_type

cdef struct Deferred:           # a PDU whose sender may know what the capture shows later
    uint64_t acknowledged
    uint64_t frame
    uint8_t pdu_type

cdef struct OrderEnd:
    Way[32] way
    Arrived[16] arrived
    Deferred[8] deferred
    uint8_t ways, arrivals, deferrals
    bint is_acceptor

cdef struct IllegalPDU:
    uint64_t frame
    uint16_t states             # a bit for each state in which the sender may have been
    uint8_t side
    uint8_t pdu_type

cdef struct Order:
    OrderEnd[2] end
    IllegalPDU[8] illegal       # the first ones
    uint32_t illegal_count
    bint is_flowing             # both ends are in STA6 and have read everything: P-DATA-TF changes nothing
    bint is_lost                # nothing is judged any more: a gap, or more ways than are kept

cdef void start_order(Order* order, int requestor) noexcept nogil
cdef void lose_order(Order* order) noexcept nogil
cdef void order_sent(Order* order, const OrderTable* table, int side, int pdu_type, uint64_t end, uint64_t acknowledged,
                     uint64_t delivered, uint64_t frame) noexcept nogil
cdef void settle_order(Order* order, const OrderTable* table, int side, uint64_t delivered, bint at_end) noexcept nogil
cdef int read_order_table(OrderTable* table, object rows) except -1
