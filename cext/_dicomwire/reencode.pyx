"""A data set written anew in another encoding while it streams (PS3.5 section 7 and Annex A).

The walk is that of the push parser: each chunk brings a stretch of tape, and its entries are written in their order.
Nothing is joined and nothing is read twice.  What cannot be known yet when it has to be written is avoided: a length
that would change becomes an undefined one with a delimiter.  The one thing that may come too late is Pixel
Representation, which settles whether numbers are US or SS; these have the same header, so that two letters are set
right while the bytes behind them are held back, up to LOOK_AHEAD.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from .block cimport hook
from .decode cimport view_of
from .parser cimport DEFLATED, DEFLATED_BEGIN
from .swap cimport dw_swap_words, dw_word_of
from .tagindex cimport dw_tag_vr
from .tape cimport (
    BIG_ENDIAN, CUT_SHORT, FRAGMENTS, IMPLICIT, IMPLICIT_IN_UN, ITEM_DELIMITER, ITEM_TAG, NOT_ENTERED,
    SEQUENCE_DELIMITER, UNDEFINED, UNDEFINED_LENGTH, VR_GUESSED, dw_load16be, dw_load16le,
)
from .values cimport trimmed
from .vr cimport (
    DW_VR_LONG, DW_VR_NONE, DW_VR_OB, DW_VR_OB_OW, DW_VR_OW, DW_VR_SQ, DW_VR_SS, DW_VR_TEXT, DW_VR_UI, DW_VR_UN,
    DW_VR_US, DW_VR_US_OW, DW_VR_US_SS, dw_vr_traits,
)

from copy import copy

from .errors import DecodeError, UnsupportedError

cdef extern from "bswap.h" nogil:
    void dw_store16le(void*, uint16_t) noexcept
    void dw_store16be(void*, uint16_t) noexcept
    void dw_store32le(void*, uint32_t) noexcept
    void dw_store32be(void*, uint32_t) noexcept

cdef enum:
    LOOK_AHEAD = 1 << 20        # bytes of the source that Pixel Representation may come behind what waits for it
    SMALL_PIECE = 4096          # bytes; shorter pieces are gathered
    FREE_RUN = 4096             # bytes of a chunk from which on the GIL is released
    SHORT_MOST = 0xFFFF         # bytes that a 16-bit length can tell
    MOST_CREATORS = 4096        # Private Creators that are known at a time
    CREATOR_MOST = 256          # bytes; no creator has a longer name ...
    CONTEXT_MOST = 256          # ... and no number that others depend on stands in a longer value
    PIXEL_REPRESENTATION = 0x00280103
    PIXEL_DATA = 0x7FE00010

cdef enum Outcome:
    WRITTEN = 0
    NO_MEMORY = 1
    CUT = 2                     # a length passes the end of what is around it
    SIZE_CHANGED = 3            # the content of a container has another size than its header said
    FRAGMENTS_FOUND = 4
    PIECES = 5                  # the header is written, the value comes in pieces
    CREATOR = 6                 # a Private Creator is written, and to be remembered
    NEED_PRIVATE = 7            # the private dictionary has to be asked
    LOST = 8                    # a value is not where it should be

cdef uint64_t NO_LENGTH = <uint64_t>-1
cdef uint32_t NOT_KNOWN = 0xFFFFFFFFu
cdef uint32_t SETTLED = 0xFFFFFFFFu


# --------------------------------------------------------------------------------------------------------- small pieces

cdef inline bint _is_container(TapeEntry* entries, TapeEntry* e) noexcept nogil:
    """Same as is_container of the events, without a call for each entry."""
    if e.flags & UNDEFINED_LENGTH:
        return True
    if e.tag == ITEM_TAG:
        return not entries[e.parent].flags & FRAGMENTS
    if e.vr == DW_VR_SQ:
        return not e.flags & NOT_ENTERED
    return e.vr == 0 and e.length == 0 and dw_tag_vr(e.tag) == DW_VR_SQ


cdef inline uint8_t* _write_tag(uint8_t* p, uint32_t tag, bint big) noexcept nogil:
    if big:
        dw_store32be(p, tag)
    else:
        dw_store32le(p, (tag >> 16) | (tag << 16))
    return p + 4


cdef inline uint8_t* _write_u32(uint8_t* p, uint32_t number, bint big) noexcept nogil:
    if big:
        dw_store32be(p, number)
    else:
        dw_store32le(p, number)
    return p + 4


cdef inline uint8_t* _write_header(uint8_t* p, uint32_t tag, uint16_t vr, uint32_t length,
                                   uint8_t encoding) noexcept nogil:
    """Write the header of an element, an item or a delimiter, and return where it ends (PS3.5 section 7.1)."""
    cdef bint big = encoding & BIG_ENDIAN
    p = _write_tag(p, tag, big)
    if encoding & IMPLICIT or vr == DW_VR_NONE:
        return _write_u32(p, length, big)
    p[0] = <uint8_t>(vr & 0xFF)
    p[1] = <uint8_t>(vr >> 8)
    if dw_vr_traits(vr) & DW_VR_LONG:
        p[2] = p[3] = 0
        return _write_u32(p + 4, length, big)
    if big:
        dw_store16be(p + 2, <uint16_t>length)
    else:
        dw_store16le(p + 2, <uint16_t>length)
    return p + 4


cdef int _representation(Level* levels, uint32_t level, uint32_t* waits) noexcept nogil:
    """Pixel Representation of an item, or of the nearest around it: 0 or 1; -1 when that of item ``waits`` may come."""
    while True:
        if levels[level].is_item:
            if levels[level].pixel_representation >= 0:
                return levels[level].pixel_representation
            if levels[level].last_tag <= PIXEL_REPRESENTATION:
                waits[0] = level
                return -1
        if level == 0:
            return 0
        level -= 1


@cython.final
@cython.no_gc
cdef class Reencoder:
    """Takes a data set in chunks and gives it in another encoding.

    transfer_syntax: UID of the data set that is fed.
    implicit_vr, big_endian: the encoding that is written; both is none.
    fragments: whether encapsulated pixel data may be handed on as they are; UnsupportedError else.
    big_endian_pixels: the source's Pixel Data is in big endian words, whatever its encoding.
    policy: "strict", "report" or "ignore", as for dcmread.  What cannot be read whole is an error in any case.
    inflate_ratio, inflate_limit: as for StreamParser.

    A Reencoder is for one stream and one thread.
    """

    def __cinit__(self):
        self.pieces = []
        self.creators = {}

    def __dealloc__(self):
        free(self.out)
        free(self.levels)
        free(self.waiting)

    def __init__(self, transfer_syntax, *, bint implicit_vr=False, bint big_endian=False, bint fragments=False,
                 bint big_endian_pixels=False, policy="report", **limits):
        if implicit_vr and big_endian:
            raise ValueError("no encoding has implicit VR and big endian words")
        self.parser = StreamParser(transfer_syntax, policy=policy, **limits)
        self.target = (IMPLICIT if implicit_vr else 0) | (BIG_ENDIAN if big_endian else 0)
        self.takes_fragments = fragments
        self.big_pixels = big_endian_pixels

    def feed(self, chunk):
        """Iterator over what the next bytes give, bytes or views of the chunk; to be exhausted before more is fed.

        DecodeError for what cannot be read, or not whole.  Views keep the chunk alive, and change when it is written
        into.
        """
        return self._written(chunk, False)

    def close(self):
        """Iterator over what only the end of the stream lets be written.  TruncatedError when it comes too early."""
        return self._written(None, True)

    def _written(self, chunk, ending):
        cdef EventBatch batch, following
        cdef list pieces
        if self.error is not None:
            raise copy(self.error)
        if self.closed:
            raise ValueError("the re-encoder is closed")
        try:
            batch = self.parser.close() if ending else self.parser.feed(chunk)
            while batch is not None:
                if batch.block is not None:
                    self._walk(batch)
                if ending and batch.is_last:
                    self.closed = True
                self._hand_over()
                if self.pieces:
                    pieces, self.pieces = self.pieces, []
                    yield from pieces
                    pieces = None
                following = batch.following
                if following is None and batch.producer is not None:
                    following = batch.producer.more(batch)
                batch = following
            if not ending:
                self._note_rest(chunk)
        except (DecodeError, UnsupportedError) as error:
            # A copy: a traceback leads to frames that hold this object.
            self.error = copy(error)
            self.pieces = []
            raise

    @property
    def deviations(self):
        """Where the source departs from the standard, so far."""
        return self.parser.deviations

    def __reduce__(self):
        raise TypeError("a Reencoder cannot be pickled")

    # ------------------------------------------------------------------------------------------------------- one batch

    cdef int _walk(self, EventBatch batch) except -1:
        """Write what a batch has brought."""
        cdef Block block = batch.block
        cdef Source source = block.source
        cdef TapeEntry* entries = block.entries
        cdef uint32_t stop = batch.stop, closing = batch.closing, index
        cdef uint64_t limit = batch.piece_limit
        cdef int status
        cdef bint releases = batch.end - batch.at >= FREE_RUN
        if not self.begun:
            self.begun = True
            if self._push(NULL, <uint8_t>self.parser.encoding, self.target, True) != WRITTEN:
                raise MemoryError
        if batch.leading:
            self._pieces_of(batch, entries + batch.leading, batch.at)
        self.next, self.open = batch.first, batch.opening
        while True:
            if releases:
                with nogil:
                    status = self._run(entries, source, stop, closing, limit)
            else:
                status = self._run(entries, source, stop, closing, limit)
            if status == WRITTEN:
                break
            index = self.next - 1
            if status == PIECES:
                self._pieces_of(batch, entries + index, entries[index].offset)
            elif status == CREATOR:
                self._add_creator(block, entries + index)
            elif status == NEED_PRIVATE:
                self._find_private(entries + self.next)
            elif (status == CUT or status == SIZE_CHANGED) and self.parser.error is not None and self.open == stop - 1:
                break                   # nested too deep, which the parser says when it is asked for more
            else:
                self._raise(status, block, self.next if self.next < stop and entries[self.next].parent == self.open
                            else self.open)
        if batch.is_last:
            if entries[0].flags & CUT_SHORT and self.last_nonzero >= self.levels[0].source_end:
                raise DecodeError("what stands here cannot be read, so that it is not re-encoded",
                                  offset=self.levels[0].source_end, path="", section="PS3.5 7.1")
            self._settle(0, 0, 0)
            self._give_up()
        return 0

    cdef int _note_rest(self, chunk) except -1:
        """Note whether a chunk holds more than zeros behind what was written: zeros at the end are padding.

        In open containers too: the walk may wait for bytes that do not come, and go on when the stream is closed.
        """
        cdef Py_buffer view
        cdef const uint8_t* data
        cdef uint64_t start = self.fed, at, end = self.levels[self.depth].source_end if self.begun else 0
        PyObject_GetBuffer(chunk, &view, PyBUF_SIMPLE)
        data = <const uint8_t*>view.buf
        self.fed += <uint64_t>view.len
        at = self.fed
        if self.parser.stage == DEFLATED or self.parser.stage == DEFLATED_BEGIN:
            self.last_nonzero = NO_LENGTH       # these bytes are not seen here
        else:
            while at > start and at > end:
                at -= 1
                if data[at - start]:
                    self.last_nonzero = at
                    break
        PyBuffer_Release(&view)
        return 0

    cdef int _run(self, TapeEntry* entries, Source source, uint32_t stop, uint32_t closing,
                  uint64_t piece_limit) noexcept nogil:
        """Write entries until the batch ends or Python is needed; an Outcome."""
        cdef TapeEntry* e
        cdef const uint8_t* p
        cdef int status
        while self.next < stop or self.open != closing:
            e = entries + self.next
            if self.next >= stop or e.parent != self.open:
                status = self._close(entries + self.open)
                if status != WRITTEN:
                    return status
                self.open = entries[self.open].parent
                continue
            if _is_container(entries, e):
                status = self._open(e)
                if status != WRITTEN:
                    return status
                self.open = self.next
                self.next = self.next + 1
                continue
            p = NULL
            if 0 < e.length <= piece_limit:
                p = source.find(e.offset, e.length)
                if p == NULL:
                    return LOST
            status = self._element(e, p)
            if status == WRITTEN and e.length > piece_limit:
                status = PIECES
            if status == WRITTEN or status == CREATOR or status == PIECES:
                self.next = self.next + 1
            if status != WRITTEN:
                return status
        return WRITTEN

    # ------------------------------------------------------------------------------------------------------ containers

    cdef int _room(self, uint64_t more) noexcept nogil:
        cdef uint64_t capacity
        cdef uint8_t* out
        if self.size + more <= self.capacity:
            return WRITTEN
        capacity = max(self.size + more, self.capacity + self.capacity // 2)
        out = <uint8_t*>realloc(self.out, <size_t>capacity)
        if out == NULL:
            return NO_MEMORY
        self.out = out
        self.capacity = capacity
        return WRITTEN

    cdef int _push(self, TapeEntry* e, uint8_t source, uint8_t target, bint is_item) noexcept nogil:
        """Open a level; ``e`` is NULL for the data set itself."""
        cdef Level* level
        cdef Level* levels
        cdef uint32_t capacity, depth = self.depth + 1 if e != NULL else 0
        if depth >= self.level_capacity:
            capacity = max(self.level_capacity * 2, <uint32_t>16)
            levels = <Level*>realloc(self.levels, capacity * sizeof(Level))
            if levels == NULL:
                return NO_MEMORY
            self.levels = levels
            self.level_capacity = capacity
        level = self.levels + depth
        memset(level, 0, sizeof(Level))
        level.begin = self.handed + self.size
        level.length = NO_LENGTH
        level.source_end = e.offset if e != NULL else 0
        level.serial = self.serials
        level.waiting = self.waiting_count
        level.lut_entries = level.bits_allocated = level.waveform_bits = NOT_KNOWN
        level.pixel_representation = -1
        level.source = source
        level.target = target
        level.is_item = is_item
        level.fixed = depth and self.levels[depth - 1].fixed
        self.serials = self.serials + 1
        self.depth = depth
        return WRITTEN

    cdef int _open(self, TapeEntry* e) noexcept nogil:
        """Write the header of a sequence, an item, or encapsulated pixel data."""
        cdef Level* level = self.levels + self.depth
        cdef uint8_t source = level.source, target = level.target, outer = level.target
        cdef uint16_t vr = DW_VR_SQ
        cdef uint32_t length = UNDEFINED
        cdef int status
        if e.flags & FRAGMENTS and not self.takes_fragments:
            return FRAGMENTS_FOUND
        if self.waiting_count and e.offset > self.waiting[0].offset + LOOK_AHEAD:
            self._give_up()
        if e.tag == ITEM_TAG:
            vr = DW_VR_NONE
        else:
            self._pass(level, e.tag)
            if e.flags & FRAGMENTS:
                vr = DW_VR_OW if e.vr == DW_VR_OW else DW_VR_OB
            elif e.flags & IMPLICIT_IN_UN:
                # Implicit VR little endian inside, whatever is around it (PS3.5 section 6.2.2): verbatim.
                vr = DW_VR_UN
                source = target = IMPLICIT
        if not e.flags & UNDEFINED_LENGTH and (e.length == 0 or not (source ^ target) & IMPLICIT):
            length = <uint32_t>e.length
        if self._room(12) != WRITTEN:
            return NO_MEMORY
        self.size = _write_header(self.out + self.size, e.tag, vr, length, outer) - self.out
        status = self._push(e, source, target, e.tag == ITEM_TAG)
        if status != WRITTEN:
            return status
        level = self.levels + self.depth
        level.delimited = length == UNDEFINED
        if length != UNDEFINED:
            level.length = length
            level.fixed = True
        return WRITTEN

    cdef int _close(self, TapeEntry* e) noexcept nogil:
        """End the innermost level."""
        cdef Level* level = self.levels + self.depth
        # Fewer bytes than a header has, behind the last element; delimiters without a meaning have eight each.
        if e.flags & CUT_SHORT or (e.offset + e.length - level.source_end) & 7:
            return CUT
        if level.length != NO_LENGTH and self.handed + self.size - level.begin != level.length:
            return SIZE_CHANGED
        if level.delimited:
            if self._room(8) != WRITTEN:
                return NO_MEMORY
            self.size = _write_header(self.out + self.size, ITEM_DELIMITER if level.is_item else SEQUENCE_DELIMITER,
                                      DW_VR_NONE, 0, level.target) - self.out
        self.depth = self.depth - 1
        self.levels[self.depth].source_end = e.offset + e.length + (8 if e.flags & UNDEFINED_LENGTH else 0)
        if level.is_item and self.waiting_count > level.waiting:
            self._settle(level.waiting, self.depth + 1, self.depth)
        return WRITTEN

    # -------------------------------------------------------------------------------------------------------- elements

    cdef int _element(self, TapeEntry* e, const uint8_t* p) noexcept nogil:
        """Write an element, or a fragment; of one that comes in pieces (``p`` is NULL) the header alone."""
        cdef Level* level = self.levels + self.depth
        cdef uint64_t length = e.length, total
        cdef uint16_t vr = e.vr
        cdef uint8_t traits
        cdef uint8_t* out
        cdef bint implicit = level.target & IMPLICIT, big, pad
        cdef int word = 1, status
        if e.flags & CUT_SHORT:
            return CUT
        level.source_end = e.offset + length
        if self.waiting_count and e.offset + length > self.waiting[0].offset + LOOK_AHEAD:
            self._give_up()
        pad = length & 1 and not level.fixed
        total = length + pad
        self.padding = 0
        if e.tag != ITEM_TAG:
            self._pass(level, e.tag)
            if (level.source ^ level.target) & IMPLICIT and not e.tag & 0xFFFF and e.tag >> 16 != 2:
                self.word = 0           # a group length, which would not be true any more (PS3.5 section 7.2)
                return WRITTEN
            if vr < 7 and (not implicit or pad):
                vr = dw_tag_vr(e.tag)
                if vr < 7 and not implicit:
                    if vr == 0 and e.tag & 0x10000 and (e.tag & 0xFFFF) >= 0x1000 and level.has_creators:
                        if not self.private_known:
                            return NEED_PRIVATE
                        self.private_known = False
                        vr = self.private_vr
                    if vr == 0 or vr == DW_VR_NONE:
                        vr = DW_VR_UN
                    elif vr < 7 and total <= SHORT_MOST or vr == DW_VR_OB_OW:
                        status = WRITTEN
                        vr = self._resolved(level, e, vr, &status)
                        if status != WRITTEN:
                            return status
                    elif vr < 7:
                        # Too long for numbers with a 16-bit length.
                        vr = DW_VR_UN if vr == DW_VR_US_SS else DW_VR_OW
                if vr == DW_VR_SQ and length:
                    # Known to be a sequence by its creator only: its items are implicit, which UN allows.
                    vr = DW_VR_UN
            traits = dw_vr_traits(vr)
            if traits & DW_VR_TEXT and vr != DW_VR_UI:
                self.padding = 0x20
            big = level.source & BIG_ENDIAN and not e.flags & VR_GUESSED and vr != DW_VR_UN
            if not implicit and total > SHORT_MOST and not traits & DW_VR_LONG:
                word = dw_word_of(vr) if big else 1
                vr = DW_VR_UN
            elif vr > 6:
                word = dw_word_of(vr) if big != (level.target & BIG_ENDIAN != 0 and vr != DW_VR_UN) else 1
            if word == 2 and e.tag == PIXEL_DATA and (level.bits_allocated == 32 or level.bits_allocated == 64):
                word = <int>level.bits_allocated >> 3       # pixels, as readers take them
            if self.big_pixels and e.tag == PIXEL_DATA and self.depth == 0:
                # Words for samples of more than a byte, in an order of their own.
                word = 2 if level.bits_allocated > 8 and not level.target & BIG_ENDIAN else 1
        else:
            vr = DW_VR_NONE
        if self._room(12 + (total if p != NULL else 0)) != WRITTEN:
            return NO_MEMORY
        out = _write_header(self.out + self.size, e.tag, vr, <uint32_t>total, level.target)
        if p == NULL:
            self.size = out - self.out
            self.word, self.pad, self.tail_size = word, pad, 0
            return WRITTEN
        if word == 1:
            memcpy(out, p, <size_t>length)
        else:
            dw_swap_words(out, p, <size_t>length, word)
        if pad:
            out[length] = self.padding
            if word > 1 and total & <uint64_t>(word - 1) == 0:
                # With the byte that was missing the last word is whole.
                memcpy(self.tail, out + (total - word), word)
                dw_swap_words(out + (total - word), self.tail, word, word)
        self.size = out + total - self.out
        if level.is_item:
            if e.tag >> 16 == 0x0028 or e.tag == 0x54001004:
                if 2 <= length <= CONTEXT_MOST:
                    self._learn(level, e.tag, dw_load16be(p) if level.source & BIG_ENDIAN and not (
                        e.flags & VR_GUESSED or e.vr == DW_VR_UN) else dw_load16le(p))
            elif e.tag & 0x10000 and 0x10 <= e.tag & 0xFFFF <= 0xFF and level.source & IMPLICIT and (
                    not implicit and length <= CREATOR_MOST):
                return CREATOR
        return WRITTEN

    cdef void _pass(self, Level* level, uint32_t tag) noexcept nogil:
        """Note that an item has come to a tag; behind Pixel Representation nothing need wait for it."""
        cdef uint32_t before = level.last_tag
        if tag > before:
            level.last_tag = tag
            if before <= PIXEL_REPRESENTATION and tag > PIXEL_REPRESENTATION and self.waiting_count > level.waiting:
                self._settle(level.waiting, self.depth, self.depth)

    cdef void _learn(self, Level* level, uint32_t tag, uint16_t number) noexcept nogil:
        """Keep a number that gives later elements of an item a meaning; of two the first counts."""
        if tag == PIXEL_REPRESENTATION:
            if level.pixel_representation < 0:
                level.pixel_representation = number & 1
                if self.waiting_count > level.waiting:
                    self._settle(level.waiting, self.depth, self.depth)
        elif tag == 0x00280100:
            if level.bits_allocated == NOT_KNOWN:
                level.bits_allocated = number
        elif tag == 0x00283002:
            if level.lut_entries == NOT_KNOWN:
                level.lut_entries = number
        elif tag == 0x54001004:
            if level.waveform_bits == NOT_KNOWN:
                level.waveform_bits = number

    cdef uint16_t _resolved(self, Level* level, TapeEntry* e, uint16_t choice, int* status) noexcept nogil:
        """The VR among those that the dictionary leaves open (PS3.5 Annex A, PS3.6 section 6)."""
        cdef Waiting* waiting
        cdef uint32_t capacity, waits = 0, bits
        cdef int signed
        if choice == DW_VR_OB_OW:
            bits = level.waveform_bits if e.tag >> 16 == 0x5400 else (
                level.bits_allocated if e.tag == PIXEL_DATA else NOT_KNOWN)
            return DW_VR_OB if bits <= 8 else DW_VR_OW
        if choice == DW_VR_US_OW:
            return DW_VR_US if level.lut_entries == 1 else DW_VR_OW
        if choice != DW_VR_US_SS:
            return DW_VR_OW
        signed = _representation(self.levels, self.depth, &waits)
        if signed >= 0:
            return DW_VR_SS if signed else DW_VR_US
        if self.waiting_count == self.waiting_capacity:
            capacity = max(self.waiting_capacity * 2, <uint32_t>16)
            waiting = <Waiting*>realloc(self.waiting, capacity * sizeof(Waiting))
            if waiting == NULL:
                status[0] = NO_MEMORY
                return DW_VR_US
            self.waiting = waiting
            self.waiting_capacity = capacity
        waiting = self.waiting + self.waiting_count
        waiting.position = self.handed + self.size + 4
        waiting.offset = e.offset
        waiting.level = waits
        self.waiting_count = self.waiting_count + 1
        return DW_VR_US

    cdef void _settle(self, uint32_t first, uint32_t level, uint32_t start) noexcept nogil:
        """Settle what waits for an item's Pixel Representation, or let it wait for that of an item around it.

        first: of the elements that wait, those from here on may be concerned.
        start: the innermost level that is asked now.
        """
        cdef uint32_t i, waits = 0
        cdef int signed
        for i in range(first, self.waiting_count):
            if self.waiting[i].level == level:
                signed = _representation(self.levels, start, &waits)
                self.waiting[i].level = waits if signed < 0 else SETTLED
                if signed == 1:
                    self.out[self.waiting[i].position - self.handed] = c"S"
        while self.waiting_count and self.waiting[self.waiting_count - 1].level == SETTLED:
            self.waiting_count = self.waiting_count - 1

    cdef void _give_up(self) noexcept nogil:
        """Settle what waits by what is known now."""
        cdef uint32_t i, level
        for i in range(self.waiting_count):
            level = self.waiting[i].level
            if level == SETTLED:
                continue
            while level and self.levels[level].pixel_representation < 0:
                level -= 1
            if self.levels[level].pixel_representation == 1:
                self.out[self.waiting[i].position - self.handed] = c"S"
        self.waiting_count = 0
        for i in range(self.depth + 1):
            self.levels[i].waiting = 0

    # --------------------------------------------------------------------------------------------------- what is output

    cdef int _hand_over(self) except -1:
        """Make an object of what is written, unless some of it may still change."""
        if self.size and not self.waiting_count:
            self.pieces.append(PyBytes_FromStringAndSize(<char*>self.out, <Py_ssize_t>self.size))
            self.handed += self.size
            self.size = 0
        return 0

    cdef int _pieces_of(self, EventBatch batch, TapeEntry* e, uint64_t at) except -1:
        """Write what a batch has of a value that comes in pieces, from ``at`` on."""
        cdef uint64_t end = e.offset + e.length, limit = min(end, batch.end)
        if at >= limit or self.word == 0:
            return 0
        if at < batch.at < limit:       # what was kept of the chunks before lies apart
            self._piece(batch.block, at, batch.at - at, False)
            at = batch.at
        return self._piece(batch.block, at, limit - at, limit == end)

    cdef int _piece(self, Block block, uint64_t offset, uint64_t size, bint is_last) except -1:
        """Write a piece of a value; a word that is parted waits for its other part."""
        cdef const uint8_t* p = block.source.find(offset, size)
        cdef uint64_t whole
        cdef bytes swapped
        cdef uint8_t* to
        cdef int word = self.word
        if p == NULL:
            self._raise(LOST, block, 0)
        while self.tail_size and size:
            self.tail[self.tail_size] = p[0]
            self.tail_size += 1
            p += 1
            size -= 1
            if self.tail_size == word:
                self._write_tail(word)
        whole = size & ~<uint64_t>(word - 1)
        if whole < SMALL_PIECE or self.waiting_count:
            if self._room(whole) != WRITTEN:
                raise MemoryError
            dw_swap_words(self.out + self.size, p, <size_t>whole, word)
            self.size += whole
        else:
            self._hand_over()
            if word == 1:
                self.pieces.append(view_of(block, offset, size))
            else:
                swapped = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>whole)
                to = <uint8_t*>PyBytes_AS_STRING(swapped)
                with nogil:
                    dw_swap_words(to, p, <size_t>whole, word)
                self.pieces.append(swapped)
            self.handed += whole
        if size > whole:
            self.tail_size = <int>(size - whole)
            memcpy(self.tail, p + whole, <size_t>self.tail_size)
        if is_last and self.pad:
            self.tail[self.tail_size] = self.padding
            self.tail_size += 1
        if is_last and self.tail_size:
            self._write_tail(word)
        return 0

    cdef int _write_tail(self, int word) except -1:
        """Write the bytes of a parted word, turned around if they are all there."""
        if self._room(8) != WRITTEN:
            raise MemoryError
        dw_swap_words(self.out + self.size, self.tail, self.tail_size, word)
        self.size += self.tail_size
        self.tail_size = 0
        return 0

    # ------------------------------------------------------------------------------------------------ private elements

    cdef int _add_creator(self, Block block, TapeEntry* e) except -1:
        """Remember a Private Creator that the dictionary knows, for its item (PS3.5 section 7.8.1)."""
        cdef Level* level = self.levels + self.depth
        cdef const uint8_t* p = block.source.find(e.offset, e.length)
        cdef object vrs, key
        cdef set serials
        cdef uint32_t i
        if p == NULL:
            return 0
        vrs = hook("private_vrs")((<const char*>p)[:trimmed(p, e.length)].decode("latin-1"))
        if vrs is None:
            return 0
        if len(self.creators) >= MOST_CREATORS:
            serials = {self.levels[i].serial for i in range(self.depth + 1)}
            self.creators = {key: value for key, value in self.creators.items() if key[0] in serials}
            if len(self.creators) >= MOST_CREATORS:
                return 0
        self.creators.setdefault((level.serial, (e.tag & 0xFFFF0000u) | (e.tag & 0xFF)), vrs)
        level.has_creators = True
        return 0

    cdef int _find_private(self, TapeEntry* e) except -1:
        """Ask the private dictionary for the VR of an element that is about to be written."""
        cdef object vrs = self.creators.get((self.levels[self.depth].serial,
                                             (e.tag & 0xFFFF0000u) | ((e.tag >> 8) & 0xFF)))
        cdef object code = None
        if vrs is not None:
            code = vrs.get(e.tag & 0xFFFF00FFu)
            if code is None:
                code = vrs.get(e.tag & 0xFF)
        self.private_vr = 0 if code is None else <uint16_t>code
        self.private_known = True
        return 0

    # ---------------------------------------------------------------------------------------------------------- errors

    cdef int _raise(self, int status, Block block, uint32_t index) except -1:
        """The error that an Outcome stands for, at an entry."""
        cdef TapeEntry* e = block.entries + index
        cdef Level* level = self.levels + self.depth
        cdef uint64_t offset = e.offset - e.header_size
        if status == NO_MEMORY:
            raise MemoryError
        path = block.path_of(index)
        if status == FRAGMENTS_FOUND:
            raise UnsupportedError(f"{path}: encapsulated pixel data need a codec to be written in another transfer "
                                   f"syntax; offset {offset} (0x{offset:x}); PS3.5 A.4", what="transfer syntax")
        if status == CUT:
            raise DecodeError("not all of it can be read, so that it is not re-encoded", offset=offset, path=path,
                              section="PS3.5 7.1")
        if status == SIZE_CHANGED:
            raise DecodeError(f"{self.handed + self.size - level.begin} bytes come of {level.length} because of what "
                              "departs from the standard inside, and the length is written before them", offset=offset,
                              path=path, section="PS3.5 7.5")
        raise DecodeError("a value is not in memory", offset=offset, path=path, section="PS3.5 7.1")
