"""The walk of the push parser: a chunk is shown to the stepper, and what it wrote is the batch (PS3.5 section 7).

A batch is a stretch of tape.  It takes the stepper's entries; the walk goes on with a tape that holds the containers
that are still open and nothing else, so that memory is bounded by the chunk and the depth.  Bytes are kept only of a
header or value that a chunk's end has cut.  Decisions depend on the bytes of the stream, never on where it was cut.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove, memset

from .block cimport block_of_tape, collect_findings, raise_status
from .events cimport is_container
from .finding cimport finding_text
from .source cimport MAX_DEVIATIONS, STRICT
from .tape cimport (
    DATA_SET, DEFAULT_MAX_DEPTH, DONE, FRAGMENTS, HEADER_CUT, ITEM_TAG, MISSING_DELIMITER, NEED_DATA,
    PAUSED, REFUSED, RawFinding, STOPPED, UNORDERED, VALUE_CUT, stepper_begin, stepper_free,
    stepper_reserve, stepper_run, stepper_set_end,
)

from copy import copy

from .errors import DecodeError, TruncatedError

cdef enum:
    LOOK_AHEAD = 4096           # bytes from an odd header on that say how to read it
    CONTEXT_VALUE = 256         # longer values give others no meaning
    CONTEXT_MOST = 256          # values kept for their meaning
    MOST_RESERVED = 65536       # entries
    FREE_RUN = 4096             # from so many bytes on the GIL is released

cdef uint64_t NO_END = <uint64_t>1 << 62


@cython.final
cdef class _Context:
    """A value that is kept beyond its chunk."""
    cdef uint32_t index
    cdef TapeEntry entry


@cython.no_gc
cdef class Walker(Producer):

    def __cinit__(self):
        memset(&self.s, 0, sizeof(Stepper))
        self.notes = Source.__new__(Source)
        self.notes.findings, self.notes.found = [], set()

    def __dealloc__(self):
        stepper_free(&self.s)
        free(self.carry)
        free(self.bases)
        free(self.context_windows)

    cdef int begin(self, uint64_t offset, uint8_t encoding) except -1:
        """Expect the elements of a data set from ``offset`` on; limits of the stepper must be set."""
        self.s.enter_limit = <uint64_t>-1
        self.s.max_depth = DEFAULT_MAX_DEPTH
        self.s.look_up = True
        self.s.look_ahead = LOOK_AHEAD
        self.s.strict = self.notes.policy == STRICT
        self.s.finding_limit = MAX_DEVIATIONS + 1
        self.s.base = NULL
        self.s.start = self.s.stop = offset
        self.s.need = 8
        if stepper_begin(&self.s, offset, NO_END, DATA_SET, encoding) != DONE:
            raise MemoryError
        self.at = offset
        self.first = 1
        self.wait = self.opening = self.leading = 0
        self.carry_start = self.carry_stop = offset
        self.base_count = 0
        self.context = None
        self.context_count = 0
        self.ended = False
        return 0

    # ------------------------------------------------------------------------------------------------------- the bytes

    cdef int _join(self, const uint8_t* data, uint64_t stop, uint64_t wanted) except -1:
        """Lengthen the carry up to ``wanted`` with what the chunk holds."""
        cdef uint64_t take = min(stop, wanted), held = self.carry_stop - self.carry_start, room
        cdef uint8_t* carry
        if take <= self.carry_stop:
            return 0
        take -= self.carry_stop
        if held + take > self.carry_capacity:
            room = max(held + take, min(self.carry_capacity * 2, <uint64_t>1 << 20))
            carry = <uint8_t*>realloc(self.carry, <size_t>room)
            if carry == NULL:
                raise MemoryError
            self.carry = carry
            self.carry_capacity = room
        memcpy(self.carry + held, data + (self.carry_stop - self.at), <size_t>take)
        self.carry_stop += take
        return 0

    cdef int _keep(self, const uint8_t* data, uint64_t at, uint64_t stop, uint64_t since) except -1:
        """Make the carry hold the stream from ``since`` to ``stop``."""
        cdef uint64_t gone
        if since >= at:
            self.carry_start = self.carry_stop = min(since, stop)
        else:
            gone = since - self.carry_start
            if gone:
                memmove(self.carry, self.carry + gone, <size_t>(self.carry_stop - since))
                self.carry_start = since
        return self._join(data, stop, stop)

    cdef int _run(self, const uint8_t* data, uint64_t at, uint64_t stop) except -1:
        """Run the stepper over carry and chunk as far as they go; a Status, NEED_DATA when they are used up."""
        cdef Stepper* s = &self.s
        cdef TapeEntry* last
        cdef uint64_t end
        cdef int status
        while True:
            if s.pos >= stop and not self.ended:
                return NEED_DATA
            if s.pos >= at:
                s.base, s.start, s.stop = data, at, stop
            else:
                self._join(data, stop, s.pos + s.need)
                if self.carry_stop < s.pos + s.need and not self.ended:
                    return NEED_DATA
                s.base, s.start, s.stop = self.carry, self.carry_start, self.carry_stop
            if s.stop - s.start >= FREE_RUN:
                with nogil:
                    status = stepper_run(s)
            else:
                status = stepper_run(s)
            if status == PAUSED:
                s.need = 8
                continue
            if s.start < at and s.count > self.first:
                # A value that begins in the carry is joined there, as far as it will be given whole.
                last = s.entries + (s.count - 1)
                if last.offset < at and not is_container(s.entries, s.count - 1):
                    end = last.offset + (last.length if last.length <= self.piece_limit else
                                         self.peek if last.tag == ITEM_TAG else 0)
                    self._join(data, stop, end)
                    if self.carry_stop < end:
                        return status
            if status != NEED_DATA or s.start >= at or self.ended and s.pos >= at:
                return status

    # -------------------------------------------------------------------------------------------------------- one chunk

    cdef EventBatch step(self, object chunk, uint64_t skip, const uint8_t* data, uint64_t n, int* outcome):
        """Events of the next ``n`` bytes, which stand at ``data`` in the chunk, behind ``skip`` others; None for none.

        ``outcome`` is STOPPED where the elements end before the chunk does, else NEED_DATA.
        """
        cdef Stepper* s = &self.s
        cdef EventBatch batch
        cdef Block block
        cdef Source source
        cdef TapeEntry* last = NULL
        cdef uint64_t at = self.at, stop = at + n, since
        cdef uint32_t given, top, index = 0
        cdef int status = NEED_DATA
        cdef bint has_events, withheld = False
        cdef object joined = None
        outcome[0] = NEED_DATA
        if self.wait:
            self._join(data, stop, self.wait)
            if self.carry_stop < self.wait:
                self.at = stop
                return None
            self.wait = 0
        if s.count == 1 and stepper_reserve(s, <uint32_t>min(n // 32, <uint64_t>MOST_RESERVED)) != DONE:
            raise MemoryError
        status = self._run(data, at, stop)

        # What of the last value is there?
        given = s.count
        top = s.frames[s.depth].entry
        index = s.count - 1 if s.count > self.first else self.leading
        if index and not is_container(s.entries, index):
            last = s.entries + index
            if last.offset + last.length > stop:
                top = last.parent
                self.wait = last.offset + (last.length if last.length <= self.piece_limit else
                                           self.peek if last.tag == ITEM_TAG and index >= self.first else 0)
                withheld = self.wait > stop and index >= self.first
                if withheld:
                    given -= 1
                else:
                    self.wait = 0
            else:
                last = NULL
        if status == REFUSED and given > self.first and s.findings[s.finding_count - 1].entry == given - 1 and (
                s.findings[s.finding_count - 1].offset + s.entries[given - 1].header_size
                == s.entries[given - 1].offset) and not withheld:
            given -= 1                  # what is refused is not given
            top = s.entries[given].parent
            last = NULL
        has_events = given > self.first or top != self.opening or self.leading and n and (
            s.entries[self.leading].offset + s.entries[self.leading].length > at)
        if not has_events and not s.finding_count and status <= STOPPED:
            since = last.offset if withheld else s.pos
            if status != STOPPED:
                self._keep(data, at, stop, since)
            self.at = stop
            outcome[0] = status
            return None

        if self.carry_stop > self.carry_start and given > self.first and s.entries[self.first].offset < at:
            joined = PyBytes_FromStringAndSize(<char*>self.carry, <Py_ssize_t>(self.carry_stop - self.carry_start))
        source = self._source(chunk, skip, at, n, joined)
        block = self._take_tape(source, index if last != NULL else top)
        last = block.entries + index if last != NULL else NULL
        batch = EventBatch.__new__(EventBatch)
        batch.block = block
        batch.first = self.first
        batch.stop = given
        batch.opening = self.opening
        batch.closing = top
        batch.leading = self.leading
        batch.at = at
        batch.end = stop
        batch.piece_limit = self.piece_limit
        batch.is_meta = self.is_meta
        try:
            collect_findings(block, s)
            if status > PAUSED:
                raise_status(status, block, s)
        except DecodeError as error:
            if not has_events:
                raise
            self.error = copy(error)
        s.finding_count = 0
        if status != STOPPED:
            self._keep(data, at, stop, last.offset if withheld else s.pos)
        self._renew(block, top, index if last != NULL else 0)
        self.leading = self.first if last != NULL and not withheld else 0
        if self.leading:
            self.first += 1
        self.at = stop
        outcome[0] = status
        return batch if has_events else None

    cdef Source _source(self, object chunk, uint64_t skip, uint64_t at, uint64_t n, object joined):
        """A source whose windows are the chunk, what was kept of those before, and values that give a meaning."""
        cdef Source source = Source.__new__(Source)
        cdef int count = self.context_count
        source.policy = self.notes.policy
        source.findings, source.found = self.notes.findings, self.notes.found
        source.charset = self.notes.charset
        source.size = NO_END
        source.frozen = True
        source.kept = (self.context, joined)
        source.more = <Window*>malloc((count + 2) * sizeof(Window))
        if source.more == NULL:
            raise MemoryError
        if count:
            memcpy(source.more, self.context_windows, count * sizeof(Window))
        memset(source.more + count, 0, 2 * sizeof(Window))
        if joined is not None:
            source.more[count].data = <uint8_t*>PyBytes_AS_STRING(joined)
            source.more[count].start = self.carry_start
            source.more[count].stop = self.carry_stop
            count += 1
        if n:
            PyObject_GetBuffer(chunk, &source.view, PyBUF_SIMPLE)
            source.has_view = True
            source.more[count].data = <uint8_t*>source.view.buf + skip
            source.more[count].start = at
            source.more[count].stop = at + n
            count += 1
        source.more_count = count
        return source

    # --------------------------------------------------------------------------------------------------------- the tape

    cdef Block _take_tape(self, Source source, uint32_t top):
        """The stepper's entries as a block; ``top`` is the last container or element that is open."""
        cdef Block block
        cdef uint32_t i = top, count = self.s.count
        block = block_of_tape(source, &self.s)
        block.bases, block.base_count = self.bases, self.base_count
        self.bases, self.base_count = NULL, 0
        self.s.count = self.s.capacity = 0
        while i:
            if i != top or is_container(block.entries, i):
                block.entries[i].next = count
            i = block.entries[i].parent
        block.entries[0].next = block.count = count
        return block

    cdef int _renew(self, Block block, uint32_t top, uint32_t last) except -1:
        """Begin a new tape: the root, the containers around ``top`` and itself, and ``last``, an element or 0.

        Before each open container stand the elements that give later ones a meaning.
        """
        cdef Stepper* s = &self.s
        cdef TapeEntry* e
        cdef uint32_t i = top, count = 0, depth = 1, k, n, n_new, new, parent, total
        cdef uint32_t* chain
        cdef list found = []
        cdef _Context context
        cdef uint64_t size = 0
        cdef bytes values
        cdef char* out
        while i:
            i = block.entries[i].parent
            depth += 1
        chain = <uint32_t*>malloc((depth + 1) * sizeof(uint32_t))
        if chain == NULL:
            raise MemoryError
        try:
            i = top
            for k in range(depth):
                chain[depth - 1 - k] = i
                i = block.entries[i].parent
            chain[depth] = last
            n = depth + (last != 0)
            for k in range(depth):
                if block.entries[chain[k]].tag == ITEM_TAG or k == 0:
                    self._add_context(found, block, chain[k], last)
            for context in found:
                size += context.entry.length
            total = n + 2 + <uint32_t>len(found)
            n_new = min(block.count - self.first, <uint32_t>MOST_RESERVED)     # the next chunk may be like this one
            if stepper_reserve(s, total + 16 + n_new + n_new // 4) != DONE:
                raise MemoryError
            self.bases = <uint32_t*>malloc(total * sizeof(uint32_t))
            if self.bases == NULL:
                raise MemoryError
            memset(self.bases, 0, total * sizeof(uint32_t))
            self.base_count = total
            values = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
            out = PyBytes_AS_STRING(values)
            if len(found) > self.context_count:
                free(self.context_windows)
                self.context_windows = <Window*>malloc(len(found) * sizeof(Window))
                if self.context_windows == NULL:
                    self.context_count = 0
                    raise MemoryError
            self.context_count = <int>len(found)
            new = parent = 0
            count = 0               # of the context elements taken over
            for k in range(n):
                e = s.entries + new
                e[0] = block.entries[chain[k]]
                e.parent = parent
                if k < depth:
                    if k < s.depth + 1:
                        s.frames[k].entry = new
                    parent = new
                new += 1
                e.next = new
                if k == 0 and block.count > 1:
                    # Something stands before: what is rare at a data set's end is not looked for at its beginning.
                    memset(s.entries + new, 0, sizeof(TapeEntry))
                    s.entries[new].next = new + 1
                    new += 1
                while k < depth and count < len(found):
                    context = <_Context>found[count]
                    if context.index != chain[k]:
                        break
                    s.entries[new] = context.entry
                    s.entries[new].parent = parent
                    s.entries[new].next = new + 1
                    memcpy(out, block.pointer(&context.entry), <size_t>context.entry.length)
                    self.context_windows[count].data = <uint8_t*>out
                    self.context_windows[count].start = context.entry.offset
                    self.context_windows[count].stop = context.entry.offset + context.entry.length
                    self.context_windows[count].capacity = 0
                    out += context.entry.length
                    count += 1
                    new += 1
                if k < depth and (block.entries[chain[k]].flags & FRAGMENTS or (
                        block.entries[chain[k]].tag != ITEM_TAG and k)):
                    self.bases[parent] = self._items_before(block, chain[k], chain[k + 1] if k + 1 < n else 0)
            self.context = values
            self.opening = parent
            self.first = new - 1 if last else new
            s.count = new
            while parent:               # the stepper sets what is still open when it ends
                s.entries[parent].next = new
                parent = s.entries[parent].parent
            s.entries[0].next = new
        finally:
            free(chain)
        return 0

    cdef uint32_t _items_before(self, Block block, uint32_t sequence, uint32_t item) noexcept:
        """How many items of a sequence were before ``item``; with 0, how many there were."""
        cdef uint32_t i = sequence + 1, n
        if item:
            return block.ordinal_of(item)
        n = block.bases[sequence] if sequence < block.base_count else 0
        while i < block.count:
            i = block.entries[i].next
            n += 1
        return n

    cdef int _add_context(self, list found, Block block, uint32_t node, uint32_t last) except -1:
        """Find the elements of an open item that later ones need, and whose values are there, in order of tags.

        These are its character set, those that settle ambiguous VRs or lay frames out, and its Private
        Creators (PS3.3 section C.12.1.1.2, PS3.5 section 7.8.1).  ``last`` is the element without a whole value, or 0.
        """
        cdef uint32_t[12] tags = [
            0x00080005, 0x00280100, 0x00280103, 0x00283002, 0x54001004,
            0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011, 0x00280101, 0x7FE00001]
        cdef uint64_t longest
        cdef int i
        cdef uint32_t index, tag, stop = block.entries[node].next
        cdef bint unordered = block.entries[node].flags & UNORDERED
        cdef Py_ssize_t begin = len(found)
        cdef _Context context
        if stop <= node + 1:
            return 0
        for i in range(12 if self.peek else 5):
            index = block.find(node, tags[i])
            if index and index != last:
                found.append(_context_of(block, node, index))
        index = node + 1
        while index < stop and len(found) <= CONTEXT_MOST:
            tag = block.entries[index].tag
            if tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF:
                if index != last:
                    found.append(_context_of(block, node, index))
            elif not unordered:
                # On to the creators of the next odd group that there is.
                tag = (tag & 0xFFFF0000u) + (0x10 if tag & 0x10000 and tag & 0xFFFF < 0x10 else
                                             0x20010 if tag & 0x10000 else 0x10010)
                index = max(_from_tag(block, node, tag), block.entries[index].next)
                continue
            index = block.entries[index].next
        for context in found[begin:]:
            longest = self.piece_limit if context.entry.tag == 0x7FE00001 else CONTEXT_VALUE
            if context.entry.length > longest or block.pointer(&context.entry) == NULL or len(found) > CONTEXT_MOST:
                found.remove(context)
        if len(found) > begin + 1:
            found[begin:] = sorted(found[begin:], key=_tag_of_context)
        return 0

    # ---------------------------------------------------------------------------------------------------------- the end

    cdef EventBatch finish(self):
        """Events that only the end of the stream shows; TruncatedError when the data set is not finished."""
        cdef Stepper* s = &self.s
        cdef TapeEntry* e
        cdef RawFinding* f
        cdef EventBatch batch
        cdef Block block
        cdef Source source
        cdef uint64_t total = self.at, goes_on = self.s.pos
        cdef uint32_t i
        cdef int status
        cdef object joined = None
        self.ended = True
        i = s.count - 1 if self.wait else self.leading
        if i and s.entries[i].offset + s.entries[i].length > total:
            block = self._take_tape(self._source(None, 0, total, 0, None), i)
            e = block.entries + i
            raise TruncatedError(f"value needs {e.length} bytes, {total - e.offset} left" if e.length < NO_END >> 1
                                 else "a fragment without a length does not end", offset=e.offset,
                                 path=block.path_of(i), section="PS3.5 7.1.1")
        status = stepper_set_end(s, total)
        if status == DONE:
            status = self._run(<const uint8_t*>s, total, total)     # no bytes, so that none are read there
        if s.count > self.first and self.carry_stop > self.carry_start:
            joined = PyBytes_FromStringAndSize(<char*>self.carry, <Py_ssize_t>(self.carry_stop - self.carry_start))
        source = self._source(None, 0, total, 0, joined)
        block = self._take_tape(source, s.frames[s.depth].entry)
        for i in range(s.finding_count):
            f = s.findings + i
            if f.kind == VALUE_CUT or f.kind == HEADER_CUT or f.kind == MISSING_DELIMITER and f.offset >= total:
                message, _, section = finding_text(f).rpartition("; ")
                raise TruncatedError(message, offset=f.offset, path=block.path_of(f.entry), section=section)
        if total < goes_on < NO_END:
            # Of a sequence the rest was passed over, for something else among its items, and that has not come.
            raise TruncatedError(f"a sequence ends at {goes_on}, the stream at {total}", offset=total,
                                 path=block.path_of(s.frames[s.depth].entry), section="PS3.5 7.5.1")
        collect_findings(block, s)
        if status > PAUSED:
            raise_status(status, block, s)
        batch = EventBatch.__new__(EventBatch)
        batch.block = block
        batch.first = self.first
        batch.stop = block.count
        batch.opening = self.opening
        batch.at = batch.end = total
        batch.piece_limit = self.piece_limit
        batch.is_meta = self.is_meta
        return batch


cdef _Context _context_of(Block block, uint32_t node, uint32_t index):
    cdef _Context context = _Context.__new__(_Context)
    context.index = node
    context.entry = block.entries[index]
    return context


def _tag_of_context(_Context context):
    return context.entry.tag


cdef uint32_t _from_tag(Block block, uint32_t node, uint32_t tag) noexcept nogil:
    """The first element of an item with this tag or a higher one; of an item out of order the first of all."""
    cdef TapeEntry* entries = block.entries
    cdef uint32_t low = node + 1, high = entries[node].next, middle
    if entries[node].flags & UNORDERED:
        return low
    while low < high:
        middle = (low + high) >> 1
        while entries[middle].parent != node:
            middle = entries[middle].parent
        if entries[middle].tag < tag:
            low = entries[middle].next
        else:
            high = middle
    return low
