"""Reassembly of streams: what comes in order is given where it lies, what came too early is copied and waits.

A hole is said to be a gap when the receiver has acknowledged its bytes and the sender was seen to go on behind it:
until then the segment may still come, from the sender or from a capture that mixes packets up.  What waits is bounded
for each stream and for all of them; beyond that the hole that was met first becomes a gap.  RFC 9293 section 3.10.7.4.
"""
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from .connection cimport NOWHERE, Flow, Half, Held, held_before
from .judging cimport note_order
from .link cimport TCPSegment
from .sink cimport (
    CUT, EVICTED, FIN, GO_ON, IGNORE, LOST, PAUSE, UNCONFIRMED, UNKNOWN_TIME, Segment, Side, StreamSink,
)

cdef enum:
    MOST_HELD = 8192                # segments that wait in one stream: finding the place of one takes time


@cython.final
cdef class Reassembly:
    """What of a FlowTable puts streams together; a part of it, and of no use to others."""

    def __cinit__(self, StreamSink sink not None, uint64_t max_held_bytes, uint64_t max_stream_held_bytes,
                  bint last_wins):
        self.sink = sink
        self.max_held_bytes = max_held_bytes
        self.max_stream_held_bytes = max_stream_held_bytes
        self.last_wins = last_wins
        self.now_ns = UNKNOWN_TIME

    @cython.nonecheck(False)
    cdef void take_data(self, Flow* flow, int side, int64_t offset, const TCPSegment* tcp,
                        Segment* segment) noexcept nogil:
        cdef Side* own = flow.connection.side + side
        cdef Half* half = flow.half + side
        cdef const uint8_t* data = tcp.payload
        cdef uint32_t captured = tcp.captured, length = tcp.length, skip
        cdef int64_t end = offset + length
        if offset < <int64_t>half.seen_end or half.first != NULL or own.is_ignored:
            note_order(flow, side, offset, length, segment)
        if end > <int64_t>half.seen_end:
            if half.timed_end == 0:
                half.timed_end = <uint64_t>end
                half.timed_ns = segment.time_ns
            half.seen_end = <uint64_t>end
            half.newest_identification = half.identification
            if half.seen_end > half.top:
                half.top = half.seen_end
        half.last_data_ns = segment.time_ns
        if own.is_ignored:
            own.delivered = max(own.delivered, half.seen_end)
            return
        if end <= <int64_t>own.delivered:
            return
        if offset > <int64_t>own.delivered:
            self.hold(flow, side, <uint64_t>offset, data, captured, length, segment)
            if own.acknowledged > own.delivered:
                self.release_acknowledged(flow, side)
            return
        skip = <uint32_t>(<int64_t>own.delivered - offset)
        data += skip
        captured = captured - skip if captured > skip else 0
        length -= skip
        if half.first == NULL:
            own.payload_bytes += length
            self.give(flow, side, data, captured, length, segment)
        elif own.delivered + length <= half.first.offset:
            own.payload_bytes += length
            self.give(flow, side, data, captured, length, segment)
            self.release(flow, side)
        else:
            self.hold(flow, side, own.delivered, data, captured, length, segment)
            self.release(flow, side)

    @cython.nonecheck(False)
    cdef void give(self, Flow* flow, int side, const uint8_t* data, uint32_t captured, uint32_t length,
                   const Segment* segment) noexcept nogil:
        """Give the bytes that come next, and say how many of them were cut."""
        cdef Side* own = flow.connection.side + side
        cdef int answer
        if captured:
            answer = self.sink.data(&flow.connection, side, data, captured, segment)
            own.delivered += captured
            if answer != GO_ON:
                self.answer(flow, side, answer)
        if length > captured and not own.is_ignored:
            self.say_gap(flow, side, length - captured, CUT, segment)

    @cython.nonecheck(False)
    cdef void say_gap(self, Flow* flow, int side, uint64_t length, int kind, const Segment* segment) noexcept nogil:
        cdef Side* own = flow.connection.side + side
        cdef int answer
        if own.is_ignored:
            own.delivered += length
            return
        own.gaps += 1
        own.lost_bytes += length
        answer = self.sink.gap(&flow.connection, side, length, kind, segment)
        own.delivered += length
        if answer != GO_ON:
            self.answer(flow, side, answer)

    @cython.nonecheck(False)
    cdef void hold(self, Flow* flow, int side, uint64_t offset, const uint8_t* data, uint32_t captured,
                   uint32_t length, const Segment* segment) noexcept nogil:
        """Keep what of a segment is not kept yet, as pieces between those that wait."""
        cdef Side* own = flow.connection.side + side
        cdef Half* half = flow.half + side
        cdef Held* after = held_before(half, offset)
        cdef Held* next
        cdef uint64_t end = offset + length, stop, start
        cdef bint conflicts = False
        start = offset
        if after != NULL and after.offset + after.length > start:
            conflicts |= self.overlap(after, offset, data, captured)
            start = after.offset + after.length
        while start < end and not self.is_out_of_memory:
            next = half.first if after == NULL else after.next
            stop = end if next == NULL else min(end, next.offset)
            if stop > start:
                own.payload_bytes += stop - start
                self.insert(half, after, start, data + (start - offset),
                            <uint32_t>(min(<uint64_t>captured, stop - offset) - (start - offset))
                            if captured > start - offset else 0, <uint32_t>(stop - start), segment)
            if next == NULL or next.offset >= end:
                break
            conflicts |= self.overlap(next, offset, data, captured)
            start = next.offset + next.length
            after = next
        if conflicts:
            own.conflicts += 1
        while half.first != NULL and (own.held_bytes > self.max_stream_held_bytes or half.held_count > MOST_HELD
                                      or half.held_count * sizeof(Held) > self.max_stream_held_bytes):
            self.release_hole(flow, side, EVICTED)
        while self.held_bytes > self.max_held_bytes and self.oldest_holder != NULL:
            half = self.oldest_holder
            self.release_hole(half.flow, half - half.flow.half, EVICTED)
            self.settle(half.flow, half - half.flow.half, segment)

    @cython.nonecheck(False)
    cdef void insert(self, Half* half, Held* after, uint64_t offset, const uint8_t* data, uint32_t captured,
                     uint32_t length, const Segment* segment) noexcept nogil:
        cdef Held* held = <Held*>malloc(sizeof(Held) + captured)
        if held == NULL:
            self.is_out_of_memory = True
            return
        if half.first == NULL:
            self.add_holder(half)
        held.offset = offset
        held.captured = captured
        held.length = length
        held.segment = segment[0]
        held.segment.was_held = True
        memcpy(held + 1, data, captured)
        held.previous = after
        held.next = half.first if after == NULL else after.next
        if after != NULL:
            after.next = held
        else:
            half.first = held
        if held.next != NULL:
            held.next.previous = held
        else:
            half.last = held
        self.account(half, held, 1)

    @cython.nonecheck(False)
    cdef bint overlap(self, Held* held, uint64_t offset, const uint8_t* data, uint32_t captured) noexcept nogil:
        """Compare the bytes that are kept already with those that came now; True if they differ."""
        cdef uint64_t start = max(offset, held.offset)
        cdef uint64_t stop = min(offset + captured, held.offset + held.captured)
        cdef uint8_t* kept = <uint8_t*>(held + 1) + (start - held.offset)
        if start >= stop or memcmp(kept, data + (start - offset), stop - start) == 0:
            return False
        if self.last_wins:
            memcpy(kept, data + (start - offset), stop - start)
        return True

    @cython.nonecheck(False)
    cdef void release(self, Flow* flow, int side) noexcept nogil:
        """Give what waited for the bytes that were given."""
        cdef Half* half = flow.half + side
        cdef Side* own = flow.connection.side + side
        cdef Held* held
        while half.first != NULL and half.first.offset <= own.delivered:
            held = self.take_first(half)
            self.give(flow, side, <const uint8_t*>(held + 1), held.captured, held.length, &held.segment)
            free(held)
        self.remove_holder(half)
        if half.first != NULL:                  # behind another hole
            self.add_holder(half)

    @cython.nonecheck(False)
    cdef void release_hole(self, Flow* flow, int side, int kind) noexcept nogil:
        """Say that the bytes in front of what waits do not come, and give what does."""
        cdef Half* half = flow.half + side
        cdef Side* own = flow.connection.side + side
        if half.first.offset > own.delivered:
            if kind == EVICTED:
                self.evicted_bytes += half.first.offset - own.delivered
            self.say_gap(flow, side, half.first.offset - own.delivered, kind, &half.first.segment)
        self.release(flow, side)

    @cython.nonecheck(False)
    cdef void release_acknowledged(self, Flow* flow, int side) noexcept nogil:
        cdef Half* half = flow.half + side
        while half.first != NULL and half.first.offset <= flow.connection.side[side].acknowledged:
            self.release_hole(flow, side, LOST)

    @cython.nonecheck(False)
    cdef void settle(self, Flow* flow, int side, const Segment* segment) noexcept nogil:
        """End a stream whose last byte was given, or acknowledged."""
        cdef Half* half = flow.half + side
        cdef Side* own = flow.connection.side + side
        cdef Segment now
        if half.fin_offset == NOWHERE or half.is_ended:
            return
        if own.delivered < half.fin_offset and not own.is_ignored and not half.fin_acknowledged:
            return
        if segment == NULL:
            memset(&now, 0, sizeof(Segment))
            now.time_ns = self.now_ns
            segment = &now
        self.end_stream(flow, side, FIN, segment)

    @cython.nonecheck(False)
    cdef void end_stream(self, Flow* flow, int side, int kind, const Segment* segment) noexcept nogil:
        """Give what still waits, with the gaps in front of it, and say that the stream has ended."""
        cdef Half* half = flow.half + side
        cdef Side* own = flow.connection.side + side
        cdef uint64_t end
        while half.first != NULL:
            self.release_hole(flow, side, LOST if half.first.offset <= own.acknowledged else UNCONFIRMED)
        end = own.acknowledged
        if half.fin_offset != NOWHERE and half.fin_acknowledged:
            end = half.fin_offset
        if end > own.delivered and not own.is_ignored:
            self.say_gap(flow, side, end - own.delivered, LOST, segment)
        half.is_ended = True
        if self.sink.ended(&flow.connection, side, kind, segment) == PAUSE:
            self.is_paused = True

    @cython.nonecheck(False)
    cdef void give_up_waiting(self, Half* half) noexcept nogil:
        """The stream has waited for long: whether for its receiver, or because nobody was seen who acknowledges."""
        cdef Flow* flow = half.flow
        cdef int side = half - flow.half
        cdef const Side* other = flow.connection.side + (1 - side)
        if other.last_ns == UNKNOWN_TIME or other.last_ns < half.held_since_ns:
            self.release_hole(flow, side, UNCONFIRMED)
            self.settle(flow, side, NULL)
        if half.first != NULL:                  # again later
            self.remove_holder(half)
            self.add_holder(half)

    @cython.nonecheck(False)
    cdef void answer(self, Flow* flow, int side, int answer) noexcept nogil:
        """Do what the sink has answered."""
        if answer == PAUSE:
            self.is_paused = True
        elif answer == IGNORE:
            self.ignore(flow, side)

    @cython.nonecheck(False)
    cdef void ignore(self, Flow* flow, int side) noexcept nogil:
        cdef Half* half = flow.half + side
        flow.connection.side[side].is_ignored = True
        while half.first != NULL:
            free(self.take_first(half))
        self.remove_holder(half)
        flow.connection.side[side].delivered = half.seen_end

    @cython.nonecheck(False)
    cdef void add_holder(self, Half* half) noexcept nogil:
        half.held_since_ns = self.now_ns
        half.newer_holder = NULL
        half.older_holder = self.newest_holder
        if self.newest_holder != NULL:
            self.newest_holder.newer_holder = half
        else:
            self.oldest_holder = half
        self.newest_holder = half

    @cython.nonecheck(False)
    cdef void remove_holder(self, Half* half) noexcept nogil:
        if half.older_holder != NULL:
            half.older_holder.newer_holder = half.newer_holder
        elif self.oldest_holder == half:
            self.oldest_holder = half.newer_holder
        else:
            return                  # it is none
        if half.newer_holder != NULL:
            half.newer_holder.older_holder = half.older_holder
        else:
            self.newest_holder = half.older_holder
        half.older_holder = half.newer_holder = NULL

    @cython.nonecheck(False)
    cdef void account(self, Half* half, const Held* held, int sign) noexcept nogil:
        cdef int side = half - half.flow.half
        half.held_count += sign
        half.flow.connection.side[side].held_bytes += <uint64_t>(sign * <int64_t>held.length)
        self.held_bytes += <uint64_t>(sign * <int64_t>(held.captured + sizeof(Held)))

    @cython.nonecheck(False)
    cdef Held* take_first(self, Half* half) noexcept nogil:
        """The first of the segments that wait, which does not any more; the caller frees it."""
        cdef Held* held = half.first
        half.first = held.next
        if held.next != NULL:
            held.next.previous = NULL
        else:
            half.last = NULL
        self.account(half, held, -1)
        return held
