"""Open transactions of each association, within bounds, without the GIL.  See transactions.pxd."""
cimport cython
from libc.stdint cimport uint8_t, uint16_t
from libc.stdlib cimport calloc, malloc
from libc.string cimport memset

from .conversation cimport (
    ANSWER_LOST, AWAITS_REQUEST, EXCHANGE, FINAL_SEEN, GAP_NODE, NOT_ENDED, REQUEST_DONE, RESPONSE_GAP, TOO_MANY_OPEN,
    Bytes, Conversation, Exchange, GapNode, Half,
)
from .heading cimport Cells
from .outcome cimport Outcome
from .passages cimport take_rtt, take_tally
from .sink cimport UNKNOWN_TIME, Segment

cdef enum:
    MOST_OPEN = 256             # requests of one side without an answer
    NOBODY = 2


cdef class Transactions(Outcome):
    """Keeps what waits for an answer."""

    @cython.nonecheck(False)
    cdef Exchange* new_exchange(self, Conversation* c, int requestor) noexcept nogil:
        """An open exchange at the end of its side's list; NULL without memory."""
        cdef Half* half = &c.half[requestor]
        cdef Exchange* e
        if half.open_count >= MOST_OPEN or self.open_count >= self.most_open and half.first != NULL:
            half.first.flags |= TOO_MANY_OPEN
            self.refused += 1
            self.finish(half.first)
        if self.open_count >= self.most_open:
            self.refused += 1
            return NULL
        e = <Exchange*>malloc(sizeof(Exchange))
        if e == NULL:
            self.refused += 1
            return NULL
        memset(e, 0, sizeof(Exchange) - sizeof(Cells) - 4 * sizeof(Bytes))
        memset(e.raw, 0, sizeof(e.raw))
        e.cells.data = NULL
        e.cells.length = e.cells.room = 0
        e.cells.is_full = False
        e.node.kind = EXCHANGE
        e.conversation = c
        e.requestor = <uint8_t>requestor
        e.first_pending_ns = e.final_ns = UNKNOWN_TIME
        e.request.first_ns = e.request.last_ns = e.response.first_ns = e.response.last_ns = UNKNOWN_TIME
        e.rtt_median_ns = UNKNOWN_TIME
        e.end_kind = NOT_ENDED
        e.end_side = NOBODY
        e.previous = half.last
        if half.last != NULL:
            half.last.node.next = &e.node
        else:
            half.first = e
        half.last = e
        half.open_count += 1
        self.open_count += 1
        return e

    @cython.nonecheck(False)
    cdef void finish(self, Exchange* e) noexcept nogil:
        """Take an exchange out of the open ones: nothing more is known of it."""
        cdef Conversation* c = e.conversation
        cdef Half* half = &c.half[e.requestor]
        cdef Exchange* after = <Exchange*>e.node.next
        cdef int i
        if e.previous != NULL:
            e.previous.node.next = e.node.next
        else:
            half.first = after
        if after != NULL:
            after.previous = e.previous
        else:
            half.last = e.previous
        e.previous = NULL
        half.open_count -= 1
        self.open_count -= 1
        for i in range(2):
            if c.half[i].message.exchange == e:
                c.half[i].message.exchange = NULL
                if c.half[i].message.file != NULL:
                    self.close_file(&c.half[i], False)
        take_tally(&e.at_end, self.connection, self.segment.time_ns if self.segment != NULL else UNKNOWN_TIME)
        take_rtt(e, c)
        c.transactions += 1
        self.push(&e.node)

    @cython.nonecheck(False)
    cdef void doubt_answers(self, Conversation* c, int side, uint64_t length) noexcept nogil:
        """A gap in the stream of ``side`` may hide answers to what waits for them."""
        cdef Exchange* e = c.half[1 - side].first
        cdef Exchange* in_hand = c.half[side].message.exchange
        while e != NULL:
            if e.flags & REQUEST_DONE and not e.flags & FINAL_SEEN and e != in_hand:
                e.flags |= ANSWER_LOST | RESPONSE_GAP
                e.gaps += 1
                e.lost_bytes += length
                e.doubted_gaps += 1
                e.doubted_bytes += length
            e = <Exchange*>e.node.next

    @cython.nonecheck(False)
    cdef void finish_doubtful(self, Conversation* c, int side) noexcept nogil:
        """A new request: who waits for an answer before the next has had those that a gap may hide."""
        cdef Exchange* e = c.half[side].first
        cdef Exchange* after
        while e != NULL:
            after = <Exchange*>e.node.next
            if (e.flags & ANSWER_LOST and not c.is_asynchronous and not e.flags & FINAL_SEEN
                    or e.flags & AWAITS_REQUEST and offset_of(&c.half[side]) > e.awaited):
                self.finish(e)
            e = after

    @cython.nonecheck(False)
    cdef void note_gap(self, Conversation* c, int side, uint64_t end, uint64_t n, int kind,
                       bint is_bridged) noexcept nogil:
        """Keep a gap before the offset ``end``; one that follows another in the same message is said with it."""
        cdef Half* half = &c.half[side]
        cdef GapNode* gap
        cdef Exchange* e = half.message.exchange
        cdef const Segment* segment = self.segment
        cdef uint16_t message_id = e.message_id if e != NULL else 0
        if self.last != NULL and self.last.kind == GAP_NODE:
            gap = <GapNode*>self.last
            if (gap.conversation == c and gap.side == side and gap.kind == kind and gap.is_bridged == is_bridged
                    and gap.stage == half.message.stage and gap.message_id == message_id):
                gap.length += n
                gap.count += 1
                if segment != NULL:
                    gap.last_ns = segment.time_ns
                    gap.last_frame = segment.frame
                return
        gap = <GapNode*>calloc(1, sizeof(GapNode))
        if gap == NULL:
            self.refused += 1
            return
        gap.node.kind = GAP_NODE
        gap.conversation = c
        gap.first_ns = gap.last_ns = segment.time_ns if segment != NULL else UNKNOWN_TIME
        gap.first_frame = gap.last_frame = segment.frame if segment != NULL else 0
        gap.length = n
        gap.offset = end - n
        gap.count = 1
        gap.side = <uint8_t>side
        gap.kind = <uint8_t>kind
        gap.stage = half.message.stage
        gap.message_id = message_id
        gap.command = e.command if e != NULL else 0
        gap.is_bridged = is_bridged
        self.push(&gap.node)
