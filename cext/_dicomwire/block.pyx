"""Blocks: the tape of a data set or of a container inside it, and everything that is settled on first access.

VRs of implicit VR elements, ambiguous VRs (PS3.5 Annex A, PS3.6 section 6), UN with a known tag (PS3.5 section 6.2.2),
inherited character sets (PS3.3 section C.12.1.1.2) and containers of known length are resolved here.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memset

from .finding cimport finding_name, finding_text
from .source cimport IGNORE, MAX_DEVIATIONS, STRICT
from .tagindex cimport dw_tag_vr
from .tape cimport (
    BIG_ENDIAN, CUT_SHORT, DATA_SET, DEFAULT_MAX_DEPTH, DONE, END_UNKNOWN, FRAGMENTS, HEADER_CUT, IMPLICIT,
    IMPLICIT_IN_UN, ITEM_TAG, ITEMS, NEED_DATA, NOT_ENTERED, OUT_OF_MEMORY, OVERRUN, PAUSED, RawFinding, STOPPED,
    TOO_DEEP, UNDEFINED_LENGTH, UNORDERED, VALUE_CUT, VR_GUESSED, dw_release, dw_load16be, dw_load16le,
    stepper_begin, stepper_free, stepper_reopen, stepper_run, stepper_set_end, stepper_take,
)
from .values cimport REPEATED_BITS, trimmed
from .vr cimport (
    DW_VR_OB, DW_VR_OW, DW_VR_SQ, DW_VR_SS, DW_VR_UN, DW_VR_US, DW_VR_NONE, DW_VR_US_OW, DW_VR_US_SS,
    DW_VR_US_SS_OW,
)

from .errors import DecodeError, Deviation, NestingError, TruncatedError

cdef enum:
    ENTER_LIMIT = 65536         # bytes; when a container is opened, smaller ones inside it come along on its tape ...
    LARGE_CONTAINER = 262144    # ... but from this size on only tiny ones: few of its many items may be wanted
    TINY_LIMIT = 512
    SCRATCH = 65536             # bytes read at once when fragments are walked
    MANY = 1024                 # entries from which on a block keeps short texts for those which say the same
    LARGE = 64                  # entries of an item out of order from which on its elements are sorted for searching

# What floors above provide, set once by dicomwire/__init__.py: names in the comments of the callers.
cdef dict HOOKS = {}


def set_hooks(**hooks):
    """Give the compiled floor the Python functions and classes that it calls by name; called once, at import."""
    HOOKS.update(hooks)


cdef object hook(str name):
    """A function or class that a floor above provides."""
    return HOOKS[name]


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class PathNode:
    pass


cdef str element_word(uint32_t tag):
    """Keyword of a tag, or its eight hexadecimal digits, as used in paths."""
    keyword = hook("keyword_for_tag")(tag)
    # A repeating group's keyword names the first group only.
    return <str>keyword if keyword and hook("tag_for_text")(keyword) == tag else f"{tag:08X}"


cdef int _compare_keys(const void* a, const void* b) noexcept nogil:
    cdef uint64_t left = (<const uint64_t*>a)[0], right = (<const uint64_t*>b)[0]
    return (left > right) - (left < right)


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Block:
    """One tape with its source and what was decoded from it; see block.pxd."""

    def __cinit__(self):
        memset(&self.own, 0, sizeof(Window))
        self.charset_kind = CHARSET_UNKNOWN
        self.charset_nested = -1
        self.outer_pixel_representation = -1
        self.complete = True

    def __dealloc__(self):
        cdef uint32_t i
        if self.cache != NULL:
            for i in range(self.cache_size):
                Py_XDECREF(self.cache[i])
            free(self.cache)
        if self.texts != NULL:
            for i in range(1 << REPEATED_BITS):
                Py_XDECREF(self.texts[i])
            free(self.texts)
        free(self.bases)
        if self.is_own:
            dw_release(self.own.data, <size_t>self.own.capacity)
        dw_release(self.entries, <size_t>self.capacity * sizeof(TapeEntry))

    # -------------------------------------------------------------------------------------------------- value bytes

    cdef const uint8_t* pointer(self, TapeEntry* entry) noexcept nogil:
        """The value where it lies in memory, or NULL: then it must be fetched."""
        if self.own.data != NULL and entry.offset >= self.own.start and entry.offset + entry.length <= self.own.stop:
            return self.own.data + (entry.offset - self.own.start)
        return self.source.find(entry.offset, entry.length)

    cdef uint32_t _index_of(self, TapeEntry* entry) noexcept nogil:
        """Where an entry stands; for one that a caller made, the entry whose value holds its end, 0 if none does."""
        cdef uint32_t i
        if self.entries <= entry < self.entries + self.count:
            return <uint32_t>(entry - self.entries)
        for i in range(1, self.count):
            if self.entries[i].offset <= entry.offset + entry.length <= self.entries[i].offset + self.entries[i].length:
                return i
        return 0

    cdef void _clip(self, TapeEntry* entry, uint64_t end) noexcept nogil:
        if entry.offset + entry.length > end:
            entry.length = end - min(entry.offset, end)
            entry.flags |= CUT_SHORT

    cdef const uint8_t* reach(self, TapeEntry* entry) except? NULL:
        """Same as pointer, after inflating up to the value's end; clips the value if the stream ends before."""
        cdef uint64_t declared = entry.length, end
        cdef uint32_t index, i
        if self.source.inflater is not None:
            self.source._inflate_value(entry.offset, declared)
            end = max(self.source.size, entry.offset)
            if self.source.size_known and entry.offset + declared > end:
                index = self._index_of(entry)
                if self.source.policy == STRICT:
                    raise TruncatedError(f"value needs {declared} bytes, {end - entry.offset} left",
                                         offset=entry.offset, path=self.path_of(index), section="PS3.5 7.1.1")
                for i in range(index, self.entries[index].next):
                    self._clip(self.entries + i, end)
                self._clip(entry, end)          # which a caller may have made
                self.report("truncated_value", index, f"value needs {declared} bytes, {entry.length} left",
                            "PS3.5 7.1.1")
        return self.pointer(entry)

    cdef object fetch(self, TapeEntry* entry):
        """The value as bytes read from the source now."""
        try:
            return self.source.fetch(entry.offset, entry.length)
        except TruncatedError as error:
            path = self.path_of(self._index_of(entry))
            raise TruncatedError(error.message, offset=error.offset, path=path, section=error.section) from None

    cdef int put(self, uint32_t index, object value) except -1:
        """Keep a decoded value, or the block of a container, in the entry's slot."""
        cdef PyObject** cache
        if index >= self.cache_size:
            if self.cache == NULL:
                cache = <PyObject**>calloc(self.count, sizeof(PyObject*))
            else:
                cache = <PyObject**>realloc(self.cache, self.count * sizeof(PyObject*))
            if cache == NULL:
                raise MemoryError
            if self.cache != NULL:
                memset(cache + self.cache_size, 0, (self.count - self.cache_size) * sizeof(PyObject*))
            self.cache = cache
            self.cache_size = self.count
            if self.texts == NULL and self.count >= MANY:
                self.texts = <PyObject**>calloc(1 << REPEATED_BITS, sizeof(PyObject*))      # does without, if need be
        Py_INCREF(value)
        Py_XDECREF(self.cache[index])
        self.cache[index] = <PyObject*>value
        return 0

    # ------------------------------------------------------------------------------------------------------- search

    cdef uint32_t find(self, uint32_t item, uint32_t tag) except? 0:
        """Index of the first element with ``tag`` in an item (0: the root), or 0; reads on if need be."""
        cdef TapeEntry* entries = self.entries
        cdef uint32_t low, high, middle, stop
        while True:
            low = item + 1
            stop = high = entries[item].next
            if entries[item].flags & UNORDERED:
                if stop - low > LARGE:
                    low = self._find_in_large(item, tag)
                    if low:
                        return low
                else:
                    while low < stop:
                        if entries[low].tag == tag:
                            return low
                        low = entries[low].next
            else:
                # Bisection over the whole subtree: what lies deeper stands for the child that it belongs to.
                while low < high:
                    middle = (low + high) >> 1
                    while entries[middle].parent != item:
                        middle = entries[middle].parent
                    if entries[middle].tag < tag:
                        low = entries[middle].next
                    else:
                        high = middle
                if low < stop and entries[low].tag == tag:
                    return low
            if item != 0 or self.complete or (self.stop_tag and tag >= self.stop_tag):
                return 0
            if self.is_waiting():
                self.go_on(ALL, True)
            elif self.count > 1 and tag < self.entries[self._last_child()].tag:
                return 0            # tags ascend: it cannot come any more
            else:
                self.resume()
            entries = self.entries

    cdef bytes order_of(self, uint32_t item):
        """Sort keys of an item's elements, ascending: the tag in the high half of a uint64, the index in the low."""
        cdef uint32_t i, n = 0, stop = self.entries[item].next
        cdef uint64_t* keys
        cdef object order
        if self.orders is not None:
            order = self.orders.get(item)
            if order is not None:
                return <bytes>order
        i = item + 1
        while i < stop:
            i = self.entries[i].next
            n += 1
        order = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>n * sizeof(uint64_t))
        keys = <uint64_t*><char*>PyBytes_AS_STRING(order)
        i, n = item + 1, 0
        while i < stop:
            keys[n] = <uint64_t>self.entries[i].tag << 32 | i
            i = self.entries[i].next
            n += 1
        if self.entries[item].flags & UNORDERED:
            qsort(keys, n, sizeof(uint64_t), _compare_keys)
        if self.orders is None:
            self.orders = {}
        self.orders[item] = order
        return <bytes>order

    cdef uint32_t _find_in_large(self, uint32_t item, uint32_t tag) except? 0:
        """The first element with ``tag`` in an item of many entries out of order, or 0."""
        cdef bytes order = self.order_of(item)
        cdef const uint64_t* keys = <const uint64_t*><const char*>PyBytes_AS_STRING(order)
        cdef Py_ssize_t low = 0, n = len(order) // <Py_ssize_t>sizeof(uint64_t), high = n, middle
        cdef uint64_t wanted = <uint64_t>tag << 32
        while low < high:
            middle = (low + high) >> 1
            if keys[middle] < wanted:
                low = middle + 1
            else:
                high = middle
        return <uint32_t>keys[low] if low < n and keys[low] >> 32 == tag else 0

    cdef uint32_t _last_child(self) noexcept:
        cdef uint32_t i = self.count - 1
        while self.entries[i].parent != 0:
            i = self.entries[i].parent
        return i

    cdef bint is_waiting(self) noexcept:
        """Whether the root was left inside a sequence, ``left_in``, that has more items than are on the tape."""
        return not self.complete and self.left_in and not self.entries[self.left_in].flags & FRAGMENTS

    cdef int _reopen(self, Stepper* s) except -1:
        """Set up a stepper that goes on with the root."""
        memset(s, 0, sizeof(Stepper))
        s.entries, s.count, s.capacity = self.entries, self.count, self.capacity
        s.tag_span = 0xFFFFFFFFu if self.stop_tag == 0 else self.stop_tag - 1
        s.max_depth = DEFAULT_MAX_DEPTH
        s.strict = self.source.policy == STRICT
        s.pos = self.resume_pos
        s.base, s.start, s.stop = self.source.first.data, self.source.first.start, self.source.first.stop
        # A source that shrinks while it is open changes its end, never a tape entry that was handed out.
        if stepper_reopen(s, self.left_in, min(self.end, self.source.size), self.encoding) != DONE:
            raise MemoryError
        s.frames[0].last_tag = self.entries[self._last_child()].tag + 1 if self.count > 1 else 0
        return 0

    cdef int _leave(self, Stepper* s, int status) noexcept:
        """Remember where to go on when a run ended with this status."""
        self.complete = status != NEED_DATA and status != PAUSED
        self.resume_pos = s.pos
        self.left_in = s.frames[1].entry if status == PAUSED else 0
        self.entries[0].next = self.count
        return 0

    cdef int go_on(self, uint32_t more, bint skim) except -1:
        """Take more of the sequence that the root was left in: about ``more`` entries, if it has them.

        ``skim``: of its items take no more than where they are, so that ``more`` is a number of items; what is inside
        becomes a block of its own.  When the sequence ends, what follows is taken as far as opening would have taken
        it: to the pixel data, or, unless ALL are wanted, into another long one.

        The GIL is kept, so that nobody sees a tape half done.  After an error the tape is as before.
        """
        cdef Stepper s
        cdef uint32_t count = self.count, sequence = self.left_in
        cdef uint64_t pos = self.resume_pos
        cdef uint8_t* scratch = NULL
        if not self.is_waiting():
            return 0
        try:
            self._reopen(&s)
            s.enter_limit = ROOT_ENTER_LIMIT
            s.look_up = self.encoding & IMPLICIT or self.entries[sequence].flags & IMPLICIT_IN_UN
            s.skim = skim
            if more != ALL:
                s.pause_at = count + min(
                    more if skim else max(more, <Py_ssize_t>(count >> 1)), 0x7FFFFFFF - <Py_ssize_t>count
                )
            if skim:
                scratch = <uint8_t*>malloc(SCRATCH)
                if scratch == NULL:
                    raise MemoryError
            self._walk_sequence(&s, scratch)
            if self.orders is not None:
                self.orders.pop(0, None)
            self.charset_nested = -1
        except BaseException:
            self.complete = False
            self.count = self.entries[0].next = self.entries[sequence].next = count
            self.entries[sequence].flags |= END_UNKNOWN
            self.left_in, self.resume_pos, self.counted_item = sequence, pos, 0
            raise
        finally:
            free(scratch)
            s.entries = NULL
            stepper_free(&s)
            self.source.release()
        return 0

    cdef int _walk_sequence(self, Stepper* s, uint8_t* scratch) except -1:
        """Run a stepper as opening does, as far as ``pause_at`` or where opening ends.

        In windows that stay, or through ``scratch``, where what is read is not going to be looked at.
        """
        cdef int status
        cdef Window* window
        cdef Source source = self.source
        cdef uint64_t got
        s.need = 8
        while True:
            window = source.window_of(s.pos, s.need)
            if window != NULL:
                s.base, s.start, s.stop = window.data, window.start, window.stop
            status = stepper_run(s)
            self.entries, self.count, self.capacity = s.entries, s.count, s.capacity
            if status != NEED_DATA or s.depth == 0 and PIXEL_TAGS <= s.entries[s.count - 1].tag < 0x7FE10000u:
                break
            if source.window_of(s.pos, s.need) != NULL:
                continue
            if scratch == NULL or not source.is_file or source.size < s.pos + s.need:
                if source.need(s.pos, s.need):
                    continue
            else:
                source.ensure_open()
                got = source.read_now(scratch, s.pos, min(<uint64_t>SCRATCH, source.size - s.pos))
                if got >= s.need:
                    s.base, s.start, s.stop = scratch, s.pos, s.pos + got
                    continue
                source.size = s.pos + got
            status = stepper_set_end(s, max(min(source.size, s.pos + s.need - 1), s.entries[0].offset))
            if status != DONE:
                break
        self._leave(s, status)
        collect_findings(self, s)
        if status > PAUSED:
            raise_status(status, self, s)
        return 0

    cdef int resume(self) except -1:
        """Go on with a root that was left: walk the sequence or the fragments, read what stands behind them.

        Fragments are read through a scratch window, so that walking those of a long file keeps nothing of it.  After
        an error the tape is as before, and the next call meets the same error.
        """
        cdef Stepper s
        cdef Window scratch
        cdef uint32_t count
        if self.is_waiting():
            self.go_on(ALL, True)
        if self.complete:
            return 0
        count = self.count
        memset(&scratch, 0, sizeof(Window))
        try:
            self._reopen(&s)
            self.complete = True
            self._walk_on(&s, &scratch)
            self.entries[0].next = self.count
            if self.orders is not None:
                self.orders.pop(0, None)
        except BaseException:
            self.complete = False
            self.count = count
            self.counted_item = 0
            if self.left_in:
                self.entries[self.left_in].next = self.left_in + 1
                self.entries[self.left_in].flags |= END_UNKNOWN
            raise
        finally:
            free(scratch.data)
            s.entries = NULL
            stepper_free(&s)
            self.source.release()
        return 0

    cdef int _walk_on(self, Stepper* s, Window* scratch) except -1:
        """Run a stepper to the root's end, showing it what windows hold and else a scratch window."""
        cdef int status
        cdef Window* window
        cdef Source source = self.source
        cdef uint64_t got = 0, room
        while True:
            status = stepper_run(s)
            self.entries, self.count, self.capacity = s.entries, s.count, s.capacity
            if status == PAUSED:
                continue
            if status != NEED_DATA:
                break
            if source.inflater is not None and source.find(s.pos, s.need) == NULL:
                window = source.more + (source.more_count - 1) if source.more_count else &source.first
                if s.pos > window.stop and not source.may_grow(s.pos - window.stop):
                    source.note("deflate", s.pos, f"what comes after {s.pos - window.stop} deflated bytes of pixel "
                                "data was not looked at", "PS3.5 A.5")
                    status = stepper_set_end(s, s.pos)
                    if status != DONE:
                        break
                    continue
                source._inflate_value(s.pos, s.need)
            if source.find(s.pos, s.need) != NULL:
                window = source.window_at(s.pos)
                s.base, s.start, s.stop = window.data, window.start, window.stop
                if s.pos + s.need <= s.stop:
                    continue
            room = min(<uint64_t>SCRATCH, source.size - s.pos) if source.size > s.pos else 0
            if room >= s.need and source.is_file:
                if scratch.data == NULL:
                    scratch.data = <uint8_t*>malloc(SCRATCH)
                    if scratch.data == NULL:
                        raise MemoryError
                source.ensure_open()
                source.read_piece(scratch.data, s.pos, room, &got)
                if got >= s.need:
                    s.base, s.start, s.stop = scratch.data, s.pos, s.pos + got
                    continue
                source.size = s.pos + got
            status = stepper_set_end(s, max(min(source.size, s.pos + s.need - 1), self.entries[0].offset))
            if status != DONE:
                break
        collect_findings(self, s)
        if status != DONE and status != STOPPED:
            raise_status(status, self, s)
        return 0

    # ----------------------------------------------------------------------------------------------------- encoding

    cdef bint is_implicit(self, uint32_t index) noexcept:
        """Whether this entry stands in implicit VR, of the block or inside a UN of undefined length."""
        if self.encoding & IMPLICIT:
            return True
        while index:
            index = self.entries[index].parent
            if self.entries[index].flags & IMPLICIT_IN_UN:
                return True
        return False

    cdef bint is_big_endian(self, uint32_t index) noexcept:
        """Byte order of this entry's value; UN and what is inside it is little endian (PS3.5 section 6.2.2)."""
        if not self.encoding & BIG_ENDIAN:
            return False
        if self.entries[index].flags & VR_GUESSED:
            return False
        while index:
            index = self.entries[index].parent
            if self.entries[index].flags & IMPLICIT_IN_UN:
                return False
        return True

    cdef uint16_t vr_of(self, uint32_t index) except? 0:
        """The VR, resolved on first call: dictionary, private dictionary, ambiguous and UN with a known tag."""
        cdef TapeEntry* entry = self.entries + index
        cdef uint16_t vr = entry.vr
        if vr > 6 and (vr != DW_VR_UN or entry.flags & VR_GUESSED):
            return vr
        return self._resolve_vr(index)

    cdef uint16_t _resolve_vr(self, uint32_t index) except? 0:
        cdef TapeEntry* entry = self.entries + index
        cdef uint16_t vr = entry.vr, found
        cdef bint was_un = vr == DW_VR_UN
        if vr == DW_VR_NONE:
            return vr
        if self.is_own:
            return vr if vr else DW_VR_UN
        if was_un and entry.flags & UNDEFINED_LENGTH:
            entry.vr = DW_VR_SQ
            entry.flags |= VR_GUESSED
            return DW_VR_SQ
        found = dw_tag_vr(entry.tag) if not (was_un and entry.length >= 0xFFFF) else 0
        if found == 0 and (entry.tag >> 16) & 1:
            found = self._private_vr(index)
        if 0 < found < 6:
            found = self._ambiguous_vr(index, found)
        if found == 0:
            found = DW_VR_UN
        if entry.flags & UNDEFINED_LENGTH and not entry.flags & FRAGMENTS:
            found = DW_VR_SQ
        if entry.flags & FRAGMENTS:
            found = DW_VR_OB
        entry = self.entries + index
        entry.vr = found
        if was_un or found == DW_VR_UN:
            entry.flags |= VR_GUESSED
        if found == DW_VR_SQ and not entry.flags & UNDEFINED_LENGTH and entry.next == index + 1 and entry.length:
            entry.flags |= NOT_ENTERED
            if was_un:
                entry.flags |= IMPLICIT_IN_UN
        return found

    cdef uint16_t _private_vr(self, uint32_t index) except? 0:
        """VR of a private element by its block's Private Creator (PS3.5 section 7.8.1), 0 when unknown."""
        cdef TapeEntry* entry = self.entries + index
        cdef uint32_t tag = entry.tag, number = (entry.tag >> 8) & 0xFF, creator
        cdef const uint8_t* p
        cdef uint64_t key
        cdef dict vrs
        cdef object code
        if number < 0x10:
            return 0
        # The creator's table is looked for once for each block of each item; its elements stand side by side.
        key = (<uint64_t>entry.parent << 32) | (tag & 0xFFFF0000u) | number
        if key != self.private_key:
            if self.privates is None:
                self.privates = {}
            if key in self.privates:
                vrs = self.privates[key]
            else:
                vrs = None
                creator = self.find(entry.parent, (tag & 0xFFFF0000u) | number)
                if creator:
                    p = self.pointer(self.entries + creator)
                    if p != NULL:
                        name = (<const char*>p)[:trimmed(p, self.entries[creator].length)].decode("latin-1")
                        vrs = hook("private_vrs")(name)
                self.privates[key] = vrs
            self.private_key, self.private_vrs = key, vrs
        vrs = self.private_vrs
        if vrs is None:
            return 0
        code = vrs.get(tag & 0xFFFF00FFu)
        if code is None:
            code = vrs.get(tag & 0xFF, 0)
        return <uint16_t>code

    cdef uint16_t _ambiguous_vr(self, uint32_t index, uint16_t choice) except? 0:
        cdef uint32_t other
        cdef const uint8_t* p
        if choice == DW_VR_US_SS:
            return DW_VR_SS if self._pixel_representation(index) == 1 else DW_VR_US
        if choice == DW_VR_US_OW:
            other = self.find(self.entries[index].parent, 0x00283002)       # LUT Descriptor: one entry means US
            if other and self.entries[other].length >= 2:
                p = self.pointer(self.entries + other)
                if p != NULL and (dw_load16be(p) if self.is_big_endian(other) else dw_load16le(p)) == 1:
                    return DW_VR_US
            return DW_VR_OW
        if choice == DW_VR_US_SS_OW:
            return DW_VR_OW
        if self.is_implicit(index):
            return DW_VR_OW
        # Explicit VR that says UN: samples of more than 8 bits are words (PS3.5 section 8.1.2, Annex A.2).
        other = self.find(self.entries[index].parent,
                          0x54001004 if self.entries[index].tag >> 16 == 0x5400 else 0x00280100)
        if other and self.entries[other].length >= 2:
            p = self.pointer(self.entries + other)
            if p != NULL and (dw_load16be(p) if self.is_big_endian(other) else dw_load16le(p)) > 8:
                return DW_VR_OW
        return DW_VR_OB

    cdef int _pixel_representation(self, uint32_t index) except -2:
        """Pixel Representation (0028,0103) of the item or the nearest one around it: 0, 1, or -1."""
        cdef uint32_t item = self.entries[index].parent, found
        cdef const uint8_t* p
        while True:
            if self.entries[item].vr == DW_VR_NONE:
                found = self.find(item, 0x00280103)
                if found and self.entries[found].length >= 2:
                    p = self.pointer(self.entries + found)
                    if p != NULL:
                        return (dw_load16be(p) if self.is_big_endian(found) else dw_load16le(p)) & 1
            if item == 0:
                return self.outer_pixel_representation
            item = self.entries[item].parent

    # ------------------------------------------------------------------------------------------------ character sets

    cdef int charset_of(self, uint32_t index, PyObject** charset) except -2:
        """The CharsetKind that applies to an entry; the CharacterSet object (borrowed) where the kind is OTHER."""
        cdef uint32_t i, item
        cdef int kind
        if self.charset_nested < 0:
            self.charset_nested = 0
            for i in range(1, self.count):
                if self.entries[i].tag == 0x00080005 and self.entries[i].parent != 0:
                    self.charset_nested = 1
                    break
        if self.charset_nested and self.source.charset is None:
            item = self.entries[index].parent
            while item:
                if self.entries[item].tag == ITEM_TAG:
                    i = self.find(item, 0x00080005)
                    if i:
                        return self._declared_charset(i, charset)
                item = self.entries[item].parent
        if self.charset_kind == CHARSET_UNKNOWN:
            i = self.find(0, 0x00080005) if self.kind == DATA_SET else 0
            if self.source.charset is not None:
                i = 0
                charset[0] = NULL
                self.charset = HOOKS["charset_from_terms"](self.source.charset)
                self.charset_kind = CHARSET_OTHER
            elif i:
                kind = self._declared_charset(i, charset)
                self.charset = <object>charset[0] if charset[0] != NULL else None
                self.charset_kind = <int8_t>kind
            else:
                self.charset_kind = CHARSET_DEFAULT
        charset[0] = <PyObject*>self.charset if self.charset is not None else NULL
        return self.charset_kind

    cdef int inherit(self, object terms) except -1:
        """Take over a character set from around the block: its terms, or None for the default repertoire."""
        if terms is None:
            self.charset_kind = CHARSET_DEFAULT
        else:
            self.charset = hook("charset_from_terms")(terms)
            self.charset_kind = CHARSET_OTHER
        return 0

    cdef int _declared_charset(self, uint32_t index, PyObject** charset) except -2:
        cdef TapeEntry* entry = self.entries + index
        cdef const uint8_t* p = self.pointer(entry)
        cdef uint64_t n
        cdef list terms
        charset[0] = NULL
        if p == NULL or self.source.charset is not None:
            return CHARSET_DEFAULT
        n = trimmed(p, entry.length)
        text = (<const char*>p)[:n]
        if n == 0 or text == b"ISO_IR 6":
            return CHARSET_DEFAULT
        if text == b"ISO_IR 192":
            return CHARSET_UTF8
        if text == b"ISO_IR 100":
            return CHARSET_LATIN1
        if self.charsets is None:
            self.charsets = {}
        found = self.charsets.get(index)
        if found is None:
            terms = [term.strip(" \0") for term in text.decode("latin-1").split("\\")]
            found = self.charsets[index] = HOOKS["charset_from_terms"](tuple(terms))
            for problem in found.problems:
                self.report("character_set", index, problem, "PS3.3 C.12.1.1.2")
        charset[0] = <PyObject*>found
        return CHARSET_OTHER

    # ------------------------------------------------------------------------------------------- containers inside it

    cdef Block inner(self, uint32_t index, bint whole=False):
        """The block of a container that was not entered (flag NOT_ENTERED), made on first call and cached.

        ``whole``: all of it is going to be walked, so that its items come along whatever its size.
        """
        cdef TapeEntry* entry = self.entries + index
        cdef Stepper s
        cdef Block block
        cdef uint8_t kind, encoding
        cdef const uint8_t* p
        cdef int status
        cdef PyObject* charset = NULL
        cdef uint64_t offset = entry.offset, length = entry.length
        cdef uint32_t depth = self.depth, up = index, i
        if index < self.cache_size and self.cache[index] != NULL:
            return <Block>self.cache[index]
        while up:
            up = self.entries[up].parent
            depth += 1
        if depth >= DEFAULT_MAX_DEPTH:
            raise NestingError(f"nested more than {DEFAULT_MAX_DEPTH} deep", offset=offset,
                               path=_shortened(self.path_of(index)), section="PS3.5 7.5")
        kind = DATA_SET if entry.tag == ITEM_TAG else ITEMS
        encoding = IMPLICIT if entry.flags & IMPLICIT_IN_UN or self.is_implicit(index) else self.encoding & BIG_ENDIAN
        if encoding & IMPLICIT and self.is_big_endian(index) and not entry.flags & IMPLICIT_IN_UN:
            encoding |= BIG_ENDIAN
        block = Block.__new__(Block)
        block.source = self.source
        block.encoding = encoding
        block.kind = kind
        block.depth = depth
        block.end = offset + length
        memset(&s, 0, sizeof(Stepper))
        p = self.pointer(entry)
        if p == NULL:
            block.held = <bytes>self.fetch(entry)
            block.own.data = <uint8_t*>PyBytes_AS_STRING(block.held)
            block.own.start = offset
            block.own.stop = offset + length
            p = block.own.data
        elif self.held is not None:
            block.held, block.own = self.held, self.own
        s.base = p
        s.start = offset
        s.stop = offset + length
        s.tag_span = 0xFFFFFFFFu
        s.enter_limit = ENTER_LIMIT if whole or length < LARGE_CONTAINER else TINY_LIMIT
        s.max_depth = DEFAULT_MAX_DEPTH - depth
        s.strict = self.source.policy == STRICT
        s.look_up = encoding & IMPLICIT != 0
        try:
            if stepper_begin(&s, offset, offset + length, kind, encoding) != DONE:
                raise MemoryError
            while True:
                if length > 65536:
                    with nogil:
                        status = stepper_run(&s)
                else:
                    status = stepper_run(&s)
                if status != PAUSED:
                    break
            block.count = s.count
            block.entries = stepper_take(&s, &block.capacity)
            # How an item ends is known where it was skimmed; whoever lists its own tape sees it at the root.
            block.entries[0].flags |= self.entries[index].flags & UNDEFINED_LENGTH
            block.path = self._node(index)
            block.charset_kind = <int8_t>self.charset_of(index, &charset)
            block.charset = <object>charset if charset != NULL else None
            if kind == DATA_SET and block.find(0, 0x00080005):
                block.charset_kind = CHARSET_UNKNOWN
            block.outer_pixel_representation = <int8_t>self._pixel_representation(index)
            if not self.entries[index].flags & CUT_SHORT:
                for i in range(s.finding_count):        # the container ends here, and not the source
                    if s.findings[i].kind == VALUE_CUT:
                        s.findings[i].kind = OVERRUN
            collect_findings(block, &s)
            if status != DONE:
                raise_status(status, block, &s)
        finally:
            stepper_free(&s)
        self.put(index, block)
        return block

    # --------------------------------------------------------------------------------------------------------- paths

    cdef uint32_t ordinal_of(self, uint32_t item) noexcept:
        """Number of an item in its sequence, from 0; asked in ascending order each step costs one hop."""
        cdef uint32_t parent = self.entries[item].parent, i = parent + 1
        cdef uint32_t n = self.bases[parent] if parent < self.base_count else 0
        if self.counted_item and self.counted_item <= item and self.entries[self.counted_item].parent == parent:
            i, n = self.counted_item, self.counted
        while i < item:
            i = self.entries[i].next
            n += 1
        self.counted_item, self.counted = item, n
        return n

    cdef PathNode _node(self, uint32_t index):
        """The path of an entry as a chain of nodes that holds no block."""
        cdef PathNode node
        if index == 0:
            return self.path
        node = PathNode.__new__(PathNode)
        node.up = self._node(self.entries[index].parent)
        if self.entries[index].tag == ITEM_TAG:
            node.is_item = True
            node.ordinal = self.ordinal_of(index)
        else:
            node.tag = self.entries[index].tag
        return node

    cdef str path_of(self, uint32_t index):
        """An entry's path as users write it: "ContentSequence.3.TextValue"; "" for the data set itself."""
        cdef PathNode node = self._node(index)
        cdef list words = []
        while node is not None:
            words.append(str(node.ordinal) if node.is_item else element_word(node.tag))
            node = node.up
        words.reverse()
        return ".".join(words)

    cdef int report(self, str kind, uint32_t index, str message, str section) except -1:
        """Tell of a value that departs from the standard: an error when strict, else a deviation."""
        cdef TapeEntry* entry = self.entries + index
        if self.source.policy == IGNORE or self.source.findings is not None and (
                len(self.source.findings) > MAX_DEVIATIONS):
            return 0
        path = self.path_of(index)
        if self.source.policy == STRICT:
            raise hook("value_error")(message, offset=entry.offset, path=path, section=section)
        add_finding(self.source, Deviation(kind, path, entry.offset, f"{message}; {section}"))
        return 0


cdef int add_finding(Source source, object deviation) except -1:
    return source.add(deviation)


cdef Block block_of_tape(Source source, Stepper* s):
    """A root block that takes over the stepper's entries."""
    cdef Block block = Block.__new__(Block)
    block.source = source
    block.count = s.count
    block.entries = stepper_take(s, &block.capacity)
    block.encoding = s.frames[0].encoding
    block.kind = s.frames[0].kind
    block.end = s.frames[0].bound
    return block


cdef int collect_findings(Block block, Stepper* s) except -1:
    """Turn the stepper's findings into deviations, or into an error when strict."""
    cdef uint32_t i
    cdef RawFinding* f
    if s.finding_count == 0 or block.source.policy == IGNORE:
        return 0
    for i in range(s.finding_count):
        f = s.findings + i
        path = block.path_of(f.entry if f.entry < block.count else 0)
        if block.source.policy == STRICT:
            message, _, section = finding_text(f).rpartition("; ")
            kind = TruncatedError if f.kind == VALUE_CUT or f.kind == HEADER_CUT else hook("element_error")
            raise kind(message, offset=f.offset, path=path, section=section)
        add_finding(block.source, Deviation(finding_name(f.kind), path, f.offset, finding_text(f)))
    if s.findings_dropped:
        add_finding(block.source, Deviation("more", "", s.pos, f"{s.findings_dropped} further deviations not listed"))
    s.finding_count = 0
    return 0


cdef int raise_status(int status, Block block, Stepper* s) except -1:
    """The error of a stepper that cannot go on."""
    if status == TOO_DEEP:
        raise NestingError(f"nested more than {DEFAULT_MAX_DEPTH} deep", offset=s.pos,
                           path=_shortened(block.path_of(s.frames[s.depth].entry)), section="PS3.5 7.5")
    if status == OUT_OF_MEMORY:
        raise MemoryError
    raise DecodeError("unexpected end of the source", offset=s.pos, path="", section="PS3.5 7.1")


cdef str _shortened(str path):
    """A path for messages: the first steps and the last ones of a very deep one."""
    cdef list words = path.split(".")
    return path if len(words) <= 16 else ".".join(words[:8] + ["..."] + words[len(words) - 4:])
