"""Both ends' state machine, replayed from what a capture shows.  See order.pxd."""
cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.string cimport memmove, memset

cdef enum:
    P_DATA = 4
    ABORT = 7


cdef void start_order(Order* order, int requestor) noexcept nogil:
    """Both ends before the first PDU; ``requestor`` is the side that opened the connection, -1: may be anywhere."""
    cdef int side, state
    cdef OrderEnd* end
    memset(order, 0, sizeof(Order))
    for side in range(2):
        end = &order.end[side]
        end.is_acceptor = side != requestor
        if requestor >= 0:
            end.way[0].state = 4 if side == requestor else 2
            end.ways = 1
        else:
            for state in range(2, 14):
                end.way[end.ways].state = <uint8_t>state
                end.ways += 1


cdef void lose_order(Order* order) noexcept nogil:
    """Judge no more: PDUs may have been missed."""
    order.is_lost = True
    order.is_flowing = False


cdef bint _add(Way* way, int* count, int state, int taken) noexcept nogil:
    """Add a way unless it is there; False when there is no room."""
    cdef int i
    for i in range(count[0]):
        if way[i].state == state and way[i].taken == taken:
            return True
    if count[0] == MOST_WAYS:
        return False
    way[count[0]].state = <uint8_t>state
    way[count[0]].taken = <uint8_t>taken
    count[0] += 1
    return True


cdef bint _judge(Order* order, const OrderTable* table, int side, int pdu_type, uint64_t acknowledged,
                 uint64_t frame) noexcept nogil:
    """Take a PDU that ``side`` sent; False when the ways are too many."""
    cdef OrderEnd* end = &order.end[side]
    cdef Way[32] before
    cdef Way[32] after
    cdef int count = 0, left = 0, i = 0, state, least = MOST_ARRIVED
    cdef uint16_t states = 0
    cdef Arrived* arrived
    cdef IllegalPDU* illegal
    for i in range(end.ways):
        if not _add(before, &count, end.way[i].state, end.way[i].taken):
            return False
    # What else the sender may have read before: one PDU at a time, until nothing new comes of it.
    i = 0
    while i < count:
        states |= <uint16_t>(1 << before[i].state)
        if before[i].taken < end.arrivals:
            arrived = &end.arrived[before[i].taken]
            if arrived.end <= acknowledged:
                if end.is_acceptor:
                    state = table.on_receipt_by_acceptor[before[i].state][arrived.pdu_type]
                else:
                    state = table.on_receipt[before[i].state][arrived.pdu_type]
                if state and not _add(before, &count, state, before[i].taken + 1):
                    return False
        i += 1
    for i in range(count):
        state = table.on_sending[before[i].state][pdu_type]
        if state:
            _add(after, &left, state, before[i].taken)
    if left == 0:
        if order.illegal_count < MOST_KEPT:
            illegal = &order.illegal[order.illegal_count]
            illegal.frame = frame
            illegal.states = states
            illegal.side = <uint8_t>side
            illegal.pdu_type = <uint8_t>pdu_type
        order.illegal_count += 1
        return True             # the sender goes on as if it had not been sent
    for i in range(left):
        end.way[i] = after[i]
        least = min(least, <int>after[i].taken)
    end.ways = <uint8_t>left
    if least:
        end.arrivals -= <uint8_t>least
        memmove(end.arrived, end.arrived + least, end.arrivals * sizeof(Arrived))
        for i in range(left):
            end.way[i].taken -= <uint8_t>least
    return True


cdef inline bint _is_flowing(const OrderEnd* end) noexcept nogil:
    return end.ways == 1 and end.way[0].state == 6 and end.arrivals == 0 and end.deferrals == 0


cdef void _arrive(Order* order, const OrderTable* table, int side, int pdu_type, uint64_t offset) noexcept nogil:
    """Add a PDU to what ``side`` may read."""
    cdef OrderEnd* end = &order.end[side]
    cdef int i, state
    cdef bint matters = pdu_type != P_DATA
    for i in range(end.ways):
        state = end.way[i].state
        if end.way[i].taken != end.arrivals or table.on_receipt[state][P_DATA] != state:
            matters = True
    if not matters or pdu_type == P_DATA and end.arrivals and end.arrived[end.arrivals - 1].pdu_type == P_DATA:
        return
    if end.arrivals == MOST_ARRIVED:
        lose_order(order)
        return
    end.arrived[end.arrivals].pdu_type = <uint8_t>pdu_type
    end.arrived[end.arrivals].end = offset
    end.arrivals += 1


cdef void order_sent(Order* order, const OrderTable* table, int side, int pdu_type, uint64_t end, uint64_t acknowledged,
                     uint64_t delivered, uint64_t frame) noexcept nogil:
    """A PDU that ``side`` sent and that ends at ``end`` of its stream.

    ``acknowledged`` bytes of the peer's stream had come to the sender, of which the capture has shown ``delivered``.
    Type 0 is what is no PDU: no state allows it, and its receiver aborts.
    """
    cdef OrderEnd* sender = &order.end[side]
    cdef Deferred* deferred
    if order.is_lost or order.is_flowing and pdu_type == P_DATA:
        return
    if acknowledged > delivered or sender.deferrals:
        if pdu_type == P_DATA and sender.deferrals and sender.deferred[sender.deferrals - 1].pdu_type == P_DATA:
            pass
        elif sender.deferrals == MOST_DEFERRED:
            lose_order(order)
            return
        else:
            deferred = &sender.deferred[sender.deferrals]
            deferred.acknowledged = acknowledged
            deferred.frame = frame
            deferred.pdu_type = <uint8_t>pdu_type
            sender.deferrals += 1
    elif not _judge(order, table, side, pdu_type, acknowledged, frame):
        lose_order(order)
        return
    _arrive(order, table, 1 - side, pdu_type, end)
    if not order.is_lost:
        settle_order(order, table, 1 - side, end, False)
        order.is_flowing = _is_flowing(&order.end[0]) and _is_flowing(&order.end[1])


cdef void settle_order(Order* order, const OrderTable* table, int side, uint64_t delivered, bint at_end) noexcept nogil:
    """Judge what waits for more of the peer's stream, of which ``delivered`` bytes are known; all of it ``at_end``."""
    cdef OrderEnd* end = &order.end[side]
    cdef Deferred deferred
    while end.deferrals and not order.is_lost and (at_end or end.deferred[0].acknowledged <= delivered):
        deferred = end.deferred[0]
        end.deferrals -= 1
        memmove(end.deferred, end.deferred + 1, end.deferrals * sizeof(Deferred))
        if not _judge(order, table, side, deferred.pdu_type, deferred.acknowledged, deferred.frame):
            lose_order(order)


# ------------------------------------------------------------------------------------------------------------ the table

cdef dict _RECEIVED = {"EVT6": 1, "EVT3": 2, "EVT4": 3, "EVT10": 4, "EVT12": 5, "EVT13": 6, "EVT16": 7, "EVT19": 0}
cdef dict _SENT = {"EVT2": 1, "EVT7": 2, "EVT8": 3, "EVT9": 4, "EVT11": 5, "EVT14": 6, "EVT15": 7}


cdef int read_order_table(OrderTable* table, object rows) except -1:
    """Fill the table from rows of the standard's labels: state, event, action, states after it."""
    cdef int number, pdu_type, first, last
    memset(table, 0, sizeof(OrderTable))
    for state, event, action, after in rows:
        number = int(state[3:])
        first, last = int(after[0][3:]), int(after[len(after) - 1][3:])
        if not (0 < number < ABORTING and 0 < first < ABORTING and 0 < last < ABORTING):
            raise ValueError(f"no state of PS3.8 Table 9-10: {state}, {after}")
        if event in _RECEIVED:
            pdu_type = _RECEIVED[event]
            if action in ("AA_1", "AA_7", "AA_8"):
                first = last = ABORTING
            elif action == "AE_6":
                last = first        # whether the request is accepted shows in the answer
            table.on_receipt[number][pdu_type] = <uint8_t>first
            table.on_receipt_by_acceptor[number][pdu_type] = <uint8_t>last
        elif event in _SENT and action != "AA_2":   # which closes the connection without a PDU
            table.on_sending[number][_SENT[event]] = <uint8_t>first
    table.on_sending[ABORTING][ABORT] = 13
    return 0


@cython.final
cdef class OrderReplay:
    """The replay for tests: `sent` says how many PDUs were illegal so far."""
    cdef Order* order
    cdef OrderTable table

    def __cinit__(self):
        self.order = <Order*>PyMem_Calloc(1, sizeof(Order))
        if self.order == NULL:
            raise MemoryError

    def __init__(self, rows, int requestor):
        read_order_table(&self.table, rows)
        start_order(self.order, requestor)

    def __dealloc__(self):
        PyMem_Free(self.order)

    def sent(self, int side, int pdu_type, uint64_t end, uint64_t acknowledged, uint64_t delivered):
        """A PDU of ``side``; how many of all were illegal."""
        if side not in (0, 1) or not 0 <= pdu_type < PDU_TYPES:
            raise ValueError("side 0 or 1 and a PDU type from 0 to 7 expected")
        order_sent(self.order, &self.table, side, pdu_type, end, acknowledged, delivered, 0)
        return self.order.illegal_count

    def finish(self):
        """Judge what was put off; how many of all were illegal."""
        settle_order(self.order, &self.table, 0, 0, True)
        settle_order(self.order, &self.table, 1, 0, True)
        return self.order.illegal_count

    def states(self, int side):
        """The labels of the states in which a side may be, by what it sent."""
        if side not in (0, 1):
            raise ValueError("side 0 or 1 expected")
        cdef OrderEnd* end = &self.order.end[side]
        return sorted({end.way[i].state for i in range(end.ways)})

    @property
    def is_flowing(self):
        """Both ends in STA6 with nothing unread."""
        return self.order.is_flowing

    @property
    def is_lost(self):
        """Nothing is judged any more."""
        return self.order.is_lost
